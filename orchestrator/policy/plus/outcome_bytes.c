/* A learned outcome model as bytes. All numbers little-endian.
 *
 *   weights      three parts as regressor_save writes them; then for devices and for servers: u32 count, and for
 *                each node its declared FLOP/s (f64) and its shift (f32 x 2)
 *   full         the same with all that fitting needs; the memory of the shifts; f64 x M, the most power seen of
 *                each server; u64 pushed, u64 updates
 *                and in both, where the objective counts quality: of each format u64 reports, then for each split and
 *                knot their weights (f64), then their sums (f64); behind them, where margins are decided, of each
 *                coding u64 reports and the sum of their conditions (f64)
 *   experience   u64 first, u64 count, samples
 *
 * A shift belongs to a node as it was declared: it is left out where another node has its number. */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "core/base/err.h"
#include "orchestrator/policy/plus/outcome_internal.h"

static double declared_flops(const struct world *world, bool is_server, uint32_t number)
{
    return is_server ? world->server[number].flops : world->device[number].flops;
}

static int save_shift(const struct outcome_model *own, bool is_server, bool full, struct buf *bytes)
{
    const struct node_drift *shift = is_server ? &own->server_shift : &own->device_shift;
    int rc = buf_push(bytes, &shift->count, sizeof shift->count);
    for (uint32_t i = 0; i < shift->count && rc == 0; i++) {
        double flops = declared_flops(own->world, is_server, i);
        rc = buf_push(bytes, &flops, sizeof flops);
        if (rc == 0)
            rc = buf_push(bytes, shift->node[i].shift, sizeof shift->node[i].shift);
    }
    if (rc != 0 || !full)
        return rc;
    rc = buf_push(bytes, shift->node, shift->count * sizeof *shift->node);
    if (rc == 0)
        rc = buf_push(bytes, &shift->seen, sizeof shift->seen);
    return rc != 0 ? rc : buf_push(bytes, shift->usual, sizeof shift->usual);
}

int outcome_model_save(const struct outcome_model *model, bool full, struct buf *bytes)
{
    int rc = 0;
    for (uint32_t part = 0; part < TASK_PARTS && rc == 0; part++)
        rc = regressor_save(model->part[part], full, bytes);
    if (rc == 0)
        rc = save_shift(model, false, full, bytes);
    if (rc == 0)
        rc = save_shift(model, true, full, bytes);
    if (rc == 0 && model->damage != NULL)
        rc = outcome_damage_save(&model->learned_damage, bytes);
    if (rc == 0 && full)
        rc = buf_push(bytes, model->peak_w, model->world->servers * sizeof *model->peak_w);
    if (rc == 0 && full)
        rc = buf_push(bytes, &model->pushed, sizeof model->pushed);
    return rc != 0 || !full ? rc : buf_push(bytes, &model->updates, sizeof model->updates);
}

static int take(const uint8_t **bytes, size_t *size, void *ret, size_t wanted, struct diag *diag)
{
    if (*size < wanted)
        return diag_fail(diag, ERR_TRUNCATED, "an outcome model ends too early");
    memcpy(ret, *bytes, wanted);
    *bytes += wanted;
    *size -= wanted;
    return 0;
}

static bool is_shift_possible(const float *shift)
{
    bool possible = true;
    for (uint32_t k = 0; k < NODE_DRIFT_OUTPUTS; k++)
        possible = possible && fabsf(shift[k]) < 100.0f; /* NaN is not */
    return possible;
}

static int load_memory(struct node_drift *shift, const uint8_t **bytes, size_t *size, struct diag *diag)
{
    int rc = take(bytes, size, shift->node, shift->count * sizeof *shift->node, diag);
    if (rc == 0)
        rc = take(bytes, size, &shift->seen, sizeof shift->seen, diag);
    if (rc == 0)
        rc = take(bytes, size, shift->usual, sizeof shift->usual, diag);
    bool possible = rc == 0 && is_shift_possible(shift->usual);
    for (uint32_t i = 0; i < shift->count && possible; i++) {
        const struct node_drift_node *node = &shift->node[i];
        possible = node->next < NODE_DRIFT_WINDOW && node->filled <= NODE_DRIFT_WINDOW;
        for (uint32_t w = 0; w < NODE_DRIFT_WINDOW && possible; w++)
            possible = is_shift_possible(node->recent[w]);
        possible = possible && is_shift_possible(node->shift);
    }
    return rc != 0 || possible ? rc : diag_fail(diag, ERR_CORRUPT, "an outcome model's memory is damaged");
}

static int load_shift(struct outcome_model *own, bool is_server, bool full, const uint8_t **bytes,
                      size_t *size, struct diag *diag)
{
    struct node_drift *shift = is_server ? &own->server_shift : &own->device_shift;
    uint32_t count = 0;
    int rc = take(bytes, size, &count, sizeof count, diag);
    if (rc == 0 && full && count != shift->count)
        return diag_fail(diag, ERR_MISMATCH, "training's state is of %u nodes, here are %u", count,
                         shift->count);
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        double flops = 0.0;
        float found[NODE_DRIFT_OUTPUTS] = {0.0f};
        rc = take(bytes, size, &flops, sizeof flops, diag);
        if (rc == 0)
            rc = take(bytes, size, found, sizeof found, diag);
        if (rc == 0 && !is_shift_possible(found))
            rc = diag_fail(diag, ERR_CORRUPT, "an outcome model's shift is no number");
        if (rc == 0 && i < shift->count && flops == declared_flops(own->world, is_server, i))
            memcpy(shift->node[i].shift, found, sizeof found);
    }
    return rc != 0 || !full ? rc : load_memory(shift, bytes, size, diag);
}

int outcome_model_load(struct outcome_model *model, bool full, const uint8_t **bytes, size_t *size,
                       struct diag *diag)
{
    int rc = 0;
    for (uint32_t part = 0; part < TASK_PARTS && rc == 0; part++)
        rc = regressor_load(model->part[part], full, bytes, size, diag);
    if (rc == 0)
        rc = load_shift(model, false, full, bytes, size, diag);
    if (rc == 0)
        rc = load_shift(model, true, full, bytes, size, diag);
    if (rc == 0 && model->damage != NULL)
        rc = outcome_damage_load(&model->learned_damage, bytes, size, diag);
    uint64_t pushed = model->pushed;
    if (rc == 0 && full)
        rc = take(bytes, size, model->peak_w, model->world->servers * sizeof *model->peak_w, diag);
    for (uint32_t m = 0; m < model->world->servers && rc == 0; m++)
        if (!(model->peak_w[m] >= 0.0 && isfinite(model->peak_w[m])))
            rc = diag_fail(diag, ERR_CORRUPT, "an outcome model's memory is damaged");
    if (rc == 0 && full)
        rc = take(bytes, size, &pushed, sizeof pushed, diag);
    if (rc == 0 && full)
        rc = take(bytes, size, &model->updates, sizeof model->updates, diag);
    if (rc == 0 && pushed != model->pushed)
        rc = diag_fail(diag, ERR_MISMATCH,
                       "training's state is that after %llu reports, of which some are missing",
                       (unsigned long long) pushed);
    model->gathered = model->pushed;
    model->version++;
    return rc;
}

/* ---- experience ---- */

int outcome_model_gather(struct outcome_model *model, struct policy_experience *ret_experience,
                         struct buf *bytes)
{
    size_t held = model->config.buffer;
    assert(model->gathered <= model->pushed);
    uint64_t oldest = model->pushed > held ? model->pushed - held : 0;
    uint64_t first = model->gathered > oldest ? model->gathered : oldest, count = model->pushed - first;
    assert(count <= held);
    int rc = buf_push(bytes, &first, sizeof first);
    if (rc == 0)
        rc = buf_push(bytes, &count, sizeof count);
    for (uint64_t i = first; i < model->pushed && rc == 0; i++)
        rc = buf_push(bytes, &model->sample[i % held], sizeof *model->sample);
    if (rc != 0)
        return rc;
    *ret_experience = (struct policy_experience){.first = first, .count = count, .oldest = oldest};
    model->gathered = model->pushed;
    return 0;
}

static bool is_sample_possible(const struct outcome_sample *sample)
{
    bool possible = sample->parts < 1u << TASK_PARTS;
    for (uint32_t part = 0; part < TASK_PARTS; part++) {
        for (uint32_t i = 0; i < TASK_FEATURES_MAX; i++)
            possible = possible && isfinite(sample->x[part][i]);
        for (uint32_t k = 0; k < OUTCOME_OUTPUTS; k++)
            possible = possible && isfinite(sample->y[part][k]);
    }
    return possible;
}

int outcome_model_recall(struct outcome_model *model, const void *bytes, size_t size, struct diag *diag)
{
    const uint8_t *at = bytes;
    uint64_t first = 0, count = 0;
    int rc = take(&at, &size, &first, sizeof first, diag);
    if (rc == 0)
        rc = take(&at, &size, &count, sizeof count, diag);
    if (rc == 0 &&
        (first < model->pushed || size / sizeof *model->sample != count || size % sizeof *model->sample != 0))
        rc = diag_fail(diag, ERR_MISMATCH, "a piece of experience has another size than it says");
    for (uint64_t i = 0; i < count && rc == 0; i++) {
        struct outcome_sample sample = {0};
        rc = take(&at, &size, &sample, sizeof sample, diag);
        if (rc == 0 && !is_sample_possible(&sample))
            rc = diag_fail(diag, ERR_CORRUPT, "a piece of experience is damaged");
        if (rc == 0)
            model->sample[(first + i) % model->config.buffer] = sample;
    }
    if (rc == 0)
        model->pushed = first + count;
    return rc;
}
