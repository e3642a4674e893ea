#include "orchestrator/policy/plus/outcome_model.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/elementary.h"
#include "core/base/err.h"
#include "orchestrator/policy/plus/outcome_internal.h"

#define LEAST_LOG (-20.0) /* a part that takes nothing */

/* ---- life ---- */

/* In every coding. */
static bool sends_the_same(const struct world *world, uint32_t split, uint32_t other)
{
    bool same = true;
    for (uint32_t coding = 0; coding < world->codings.count; coding++)
        same = same &&
               task_features_bits(world, 1, split, coding) == task_features_bits(world, 1, other, coding);
    return same;
}

static int find_runs(struct outcome_model *own)
{
    uint32_t layers = own->world->llm->layers;
    own->run = calloc(layers, sizeof *own->run);
    if (own->run == NULL)
        return -ENOMEM;
    for (uint32_t s = 0; s < layers; s++) {
        if (s == 0 || !sends_the_same(own->world, s, s - 1))
            own->run[own->runs++].first = s;
        own->run[own->runs - 1].end = s + 1;
    }
    assert(own->runs > 0 && own->runs <= layers && own->run[own->runs - 1].end == layers);
    uint32_t codings = own->world->codings.count;
    own->size = calloc((size_t) own->world->devices * codings * own->runs, sizeof *own->size);
    own->margin = calloc(codings, sizeof *own->margin);
    if (own->size == NULL || own->margin == NULL)
        return -ENOMEM;
    for (uint32_t coding = 0; coding < codings; coding++)
        own->margin[coding] = task_features_margin(own->world, coding);
    return 0;
}

static int create_parts(struct outcome_model *own)
{
    int rc = 0;
    for (uint32_t part = 0; part < TASK_PARTS && rc == 0; part++) {
        struct regressor_config config = {
            .inputs = task_features_count(own->world, (enum task_part) part),
            .outputs = OUTCOME_OUTPUTS,
            .hidden = own->config.hidden,
            .batch = own->config.batch,
            .rows = OUTCOME_ROWS,
            .rate = own->config.rate,
            .final_rate = own->config.final_rate,
            .horizon = own->config.horizon,
            .seed = own->config.seed,
            .entity = part,
        };
        rc = regressor_create(&own->part[part], &config);
    }
    return rc;
}

static int create_damage(struct outcome_model *own)
{
    size_t of_device = (size_t) own->world->codings.count * (own->world->llm->layers + 1);
    own->damage = calloc(own->world->devices * of_device, sizeof *own->damage);
    return own->damage != NULL ? outcome_damage_init(&own->learned_damage, own->world) : -ENOMEM;
}

int outcome_model_create(struct outcome_model **ret_model, const struct world *world,
                         const struct outcome_config *config)
{
    assert(config->batch > 0 && config->buffer > 0);
    if (world->llm->layers > OUTCOME_LAYERS_MAX)
        return ERR_RANGE;
    struct outcome_model *own = calloc(1, sizeof *own);
    if (own == NULL)
        return -ENOMEM;
    own->world = world;
    own->config = *config;
    own->version = 1;
    own->sample = calloc(config->buffer, sizeof *own->sample);
    own->batch_x = calloc(config->batch * TASK_FEATURES_MAX, sizeof *own->batch_x);
    own->batch_y = calloc(config->batch * OUTCOME_OUTPUTS, sizeof *own->batch_y);
    own->pick = calloc(config->batch, sizeof *own->pick);
    own->gain = calloc((size_t) world->devices * world->servers, sizeof *own->gain);
    own->device_tokens = calloc(world->devices, sizeof *own->device_tokens);
    own->peak_w = calloc(world->servers, sizeof *own->peak_w);
    own->weights = calloc(world->devices, sizeof *own->weights);
    own->device.s = calloc(2 * (size_t) world->devices * (world->llm->layers + 1), sizeof *own->device.s);
    bool whole = own->sample != NULL && own->batch_x != NULL && own->batch_y != NULL && own->pick != NULL &&
                 own->gain != NULL && own->device_tokens != NULL && own->weights != NULL &&
                 own->device.s != NULL && own->peak_w != NULL;
    if (whole)
        own->device.j = own->device.s + (size_t) world->devices * (world->llm->layers + 1);
    int rc = whole ? create_parts(own) : -ENOMEM;
    if (rc == 0 && cost_counts_quality(world))
        rc = create_damage(own);
    if (rc == 0)
        rc = find_runs(own);
    if (rc == 0)
        rc = node_drift_init(&own->device_shift, world->devices);
    if (rc == 0)
        rc = node_drift_init(&own->server_shift, world->servers);
    if (rc != 0) {
        outcome_model_destroy(own);
        return rc;
    }
    *ret_model = own;
    return 0;
}

void outcome_model_destroy(struct outcome_model *model)
{
    if (model == NULL)
        return;
    for (uint32_t part = 0; part < TASK_PARTS; part++)
        regressor_destroy(model->part[part]);
    for (size_t i = 0; i < model->server_max; i++)
        free(model->server[i].spent.s);
    node_drift_finish(&model->device_shift);
    node_drift_finish(&model->server_shift);
    free(model->sample);
    free(model->batch_x);
    free(model->batch_y);
    free(model->pick);
    free(model->gain);
    free(model->device_tokens);
    free(model->weights);
    free(model->peak_w);
    free(model->device.s);
    free(model->server);
    free(model->x);
    free(model->y);
    free(model->link.s);
    outcome_damage_finish(&model->learned_damage);
    free(model->damage);
    free(model->run);
    free(model->size);
    free(model->margin);
    free(model);
}

/* ---- learning ---- */

static float log_of(double value)
{
    return (float) (value > 0.0 ? fmax(elementary_log(value), LEAST_LOG) : LEAST_LOG);
}

static void fill_part(struct outcome_sample *sample, enum task_part part, double seconds, double joules)
{
    sample->parts |= 1u << part;
    sample->y[part][0] = log_of(seconds);
    sample->y[part][1] = log_of(joules);
}

/* The mean of the slots in which it was on the radio. */
static void fill_sending(const struct world *world, const struct outcome_task *task, float *ret_x)
{
    struct task_way way = {
        .size = task_features_size(task_features_bits(world, task->tokens, task->split, task->coding)),
        .margin = task_features_margin(world, task->coding),
    };
    for (uint32_t k = 0; k < task->sendings; k++) {
        const struct outcome_sending *sending = &task->sending[k];
        float x[TASK_FEATURES_MAX] = {0.0f};
        way.gain = sending->gain;
        way.load = task_features_load(sending->load);
        task_features_link(world, &way, x);
        for (uint32_t i = 0; i < TASK_FEATURES_MAX; i++)
            ret_x[i] += sending->share * x[i];
    }
}

/* What the server did for it, without the waiting that others caused. */
static double served_s(const struct outcome_model *own, uint32_t m, const struct policy_outcome *outcome)
{
    const struct task_times *times = &outcome->times;
    double server_j = outcome->joules.server_j;
    if (!env_is_queue(own->world))
        return times->queue_s + times->edge_s;
    bool shares = own->world->scenario.servers.discipline == DISCIPLINE_SHARED;
    return shares && own->peak_w[m] > 0.0 ? server_j / own->peak_w[m] : times->edge_s;
}

static void note_peak(struct outcome_model *own, uint32_t m, const struct policy_outcome *outcome)
{
    double power_w = outcome->times.edge_s > 0.0 ? outcome->joules.server_j / outcome->times.edge_s : 0.0;
    own->peak_w[m] = power_w > own->peak_w[m] ? power_w : own->peak_w[m];
}

static struct outcome_sample sample_of(const struct outcome_model *own, const struct outcome_task *task,
                                       const struct policy_outcome *outcome)
{
    const struct world *world = own->world;
    struct outcome_sample sample = {0};
    if (task->split > 0) {
        task_features_device(world, task->device, task->tokens, task->split, sample.x[TASK_DEVICE]);
        fill_part(&sample, TASK_DEVICE, outcome->times.local_s, outcome->joules.compute_j);
    }
    if (task->server == ENV_LOCAL)
        return sample;
    if (task->sendings > 0) {
        fill_sending(world, task, sample.x[TASK_LINK]);
        fill_part(&sample, TASK_LINK, outcome->times.transmit_s, outcome->joules.transmit_j);
    }
    task_features_server(world, task->server, task->load, task->tokens, task->split, sample.x[TASK_SERVER]);
    fill_part(&sample, TASK_SERVER, served_s(own, task->server, outcome), outcome->joules.server_j);
    return sample;
}

/* Takes what is the node's own out of a part's outputs, so that the regression learns what all have in
 * common. */
static void take_shift(struct outcome_model *own, enum task_part part, struct node_drift *shift,
                       uint32_t node, struct outcome_sample *sample)
{
    float guess[OUTCOME_OUTPUTS], residual[OUTCOME_OUTPUTS];
    if ((sample->parts & 1u << part) == 0 || !own->config.watches)
        return;
    regressor_predict(own->part[part], 1, sample->x[part], guess);
    for (uint32_t k = 0; k < OUTCOME_OUTPUTS; k++)
        residual[k] = sample->y[part][k] - guess[k];
    if (node_drift_observe(shift, node, residual))
        own->version++;
    for (uint32_t k = 0; k < OUTCOME_OUTPUTS; k++)
        sample->y[part][k] -= shift->node[node].shift[k];
}

static void push(struct outcome_model *own, const struct outcome_sample *sample)
{
    own->sample[own->pushed++ % own->config.buffer] = *sample;
}

void outcome_model_observe(struct outcome_model *model, const struct outcome_task *task,
                           const struct policy_outcome *outcome)
{
    assert(task->device < model->world->devices && outcome->device == task->device);
    assert(task->server == ENV_LOCAL || task->server < model->world->servers);
    assert(task->split <= model->world->llm->layers && task->coding < model->world->codings.count);
    if (outcome->recovered)
        return;
    if (task->server != ENV_LOCAL)
        note_peak(model, task->server, outcome);
    struct outcome_sample sample = sample_of(model, task, outcome);
    take_shift(model, TASK_DEVICE, &model->device_shift, task->device, &sample);
    if (task->server != ENV_LOCAL)
        take_shift(model, TASK_SERVER, &model->server_shift, task->server, &sample);
    if (model->damage != NULL && task->server != ENV_LOCAL && task->split > 0 && isfinite(outcome->quality))
        outcome_damage_observe(&model->learned_damage, task->coding, task->split,
                               isnan(outcome->channel) ? 0.0 : outcome->channel, outcome->quality);
    for (uint32_t part = 0; part < TASK_PARTS; part++)
        if ((sample.parts & 1u << part) != 0)
            regressor_observe(model->part[part], sample.x[part], sample.y[part]);
    push(model, &sample);
}

static void fit_part(struct outcome_model *own, enum task_part part)
{
    size_t rows = 0, inputs = task_features_count(own->world, part);
    for (size_t i = 0; i < own->config.batch; i++) {
        const struct outcome_sample *sample = &own->sample[own->pick[i]];
        if ((sample->parts & 1u << part) == 0)
            continue;
        memcpy(own->batch_x + rows * inputs, sample->x[part], inputs * sizeof(float));
        memcpy(own->batch_y + rows++ * OUTCOME_OUTPUTS, sample->y[part], sizeof sample->y[part]);
    }
    assert(rows <= own->config.batch);
    (void) regressor_fit(own->part[part], rows, own->batch_x, own->batch_y);
}

void outcome_model_update(struct outcome_model *model)
{
    uint64_t held = model->pushed < model->config.buffer ? model->pushed : model->config.buffer;
    if (held == 0)
        return;
    struct rng_at at = {
        .seed = model->config.seed,
        .phase = RNG_TRAIN,
        .stream = RNG_SAMPLING,
        .episode = (uint32_t) (model->updates >> 32),
        .slot = (uint32_t) model->updates,
    };
    for (size_t i = 0; i < model->config.batch; i++)
        model->pick[i] = rng_below(&at, (uint32_t) i, (uint32_t) held);
    for (uint32_t part = 0; part < TASK_PARTS; part++)
        fit_part(model, (enum task_part) part);
    model->updates++;
    model->version++;
}

uint64_t outcome_model_updates(const struct outcome_model *model)
{
    return model->updates;
}
