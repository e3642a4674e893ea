#include "core/model/task_features.h"

#include <assert.h>
#include <math.h>

#include "core/base/elementary.h"
#include "core/model/channel_radio.h"

/* Middles and widths that bring the usual ranges to about [-1, 1]; what lies outside is not cut off [house]. */
#define DEVICE_FLOPS 1e12
#define SERVER_FLOPS 7e12
#define TOKENS 128.0
#define LAYERS 16.0
#define LOAD 3.0
#define LN_GAIN (-26.0)
#define LN_GAIN_WIDTH 3.0
#define LN_GAIN_LEAST (-60.0) /* a channel that carries nothing is no better described by less */
#define LN_BITS 12.0
#define LN_BITS_WIDTH 4.0
#define MARGIN_DB 10.0
#define MARGIN_DB_WIDTH 10.0

uint32_t task_features_count(const struct world *world, enum task_part part)
{
    static const uint32_t counts[] = {[TASK_DEVICE] = 3, [TASK_LINK] = 3, [TASK_SERVER] = 4};
    assert(part < TASK_PARTS);
    return counts[part] + (part == TASK_LINK && coding_has_margins(&world->scenario) ? 1 : 0);
}

void task_features_device(const struct world *world, uint32_t device, uint32_t tokens, uint32_t split,
                          float *ret_x)
{
    assert(split >= 1 && tokens >= 1);
    ret_x[0] = (float) elementary_log(world->device[device].flops / DEVICE_FLOPS);
    ret_x[1] = (float) elementary_log(split / LAYERS);
    ret_x[2] = (float) elementary_log(tokens / TOKENS);
}

float task_features_gain(double gain)
{
    return (float) ((fmax(elementary_log(gain), LN_GAIN_LEAST) - LN_GAIN) / LN_GAIN_WIDTH);
}

float task_features_load(uint32_t load)
{
    assert(load >= 1);
    return (float) elementary_log(load / LOAD);
}

float task_features_size(double bits)
{
    assert(bits > 0.0);
    return (float) ((elementary_log(bits) - LN_BITS) / LN_BITS_WIDTH);
}

float task_features_margin(const struct world *world, uint32_t coding)
{
    double margin_db = coding_at(&world->codings, &world->scenario, coding).margin_db;
    return (float) ((margin_db - MARGIN_DB) / MARGIN_DB_WIDTH);
}

void task_features_link(const struct world *world, const struct task_way *way, float *ret_x)
{
    ret_x[0] = way->gain;
    ret_x[1] = way->load;
    ret_x[2] = way->size;
    if (coding_has_margins(&world->scenario))
        ret_x[3] = way->margin;
}

void task_features_server(const struct world *world, uint32_t server, uint32_t load, uint32_t tokens,
                          uint32_t split, float *ret_x)
{
    assert(split < world->llm->layers && tokens >= 1);
    ret_x[0] = (float) elementary_log(world->server[server].flops / SERVER_FLOPS);
    ret_x[1] = task_features_load(load);
    ret_x[2] = (float) elementary_log((world->llm->layers - split) / LAYERS);
    ret_x[3] = (float) elementary_log(tokens / TOKENS);
}

double task_features_bits(const struct world *world, uint32_t tokens, uint32_t split, uint32_t coding)
{
    return channel_bits(world, split, tokens, coding);
}
