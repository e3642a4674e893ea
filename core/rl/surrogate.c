#include "core/rl/surrogate.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/elementary.h"
#include "core/base/err.h"
#include "core/base/rng.h"
#include "core/rl/network.h"

#define PI 3.14159265358979323846
#define FINAL_INIT 0.003f /* as in core/rl/ddpg: at first the network's output is near 0 */

struct surrogate {
    struct surrogate_config config;
    float low[SURROGATE_INPUTS_MAX], high[SURROGATE_INPUTS_MAX]; /* of the records' inputs */
    double mean, deviation;                                      /* of their y */
    struct network network;
    struct mlp_pass pass; /* of a mini-batch */
    float *x, *y;         /* the mini-batch, scaled: [batch][inputs], [batch] */
};

struct surrogate_config surrogate_defaults(size_t inputs, uint64_t seed)
{
    return (struct surrogate_config){
        .inputs = inputs, .hidden = 128, .epochs = 200, .batch = 64, .rate = 1e-3f, .folds = 5, .seed = seed};
}

/* ---- scales ---- */

static void find_scales(struct surrogate *own, const struct surrogate_records *records)
{
    size_t inputs = own->config.inputs;
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < inputs; i++)
        own->low[i] = own->high[i] = records->x[i];
    for (size_t r = 0; r < records->count; r++) {
        for (size_t i = 0; i < inputs; i++) {
            own->low[i] = fminf(own->low[i], records->x[r * inputs + i]);
            own->high[i] = fmaxf(own->high[i], records->x[r * inputs + i]);
        }
        sum += (double) records->y[r];
    }
    own->mean = sum / (double) records->count;
    for (size_t r = 0; r < records->count; r++) {
        double gap = (double) records->y[r] - own->mean;
        squares += gap * gap;
    }
    own->deviation = sqrt(squares / (double) records->count);
    if (!(own->deviation > 0.0))
        own->deviation = 1.0;
}

static void scale(const struct surrogate *own, const float *x, float *ret_x)
{
    for (size_t i = 0; i < own->config.inputs; i++) {
        float low = own->low[i], high = own->high[i];
        float held = fminf(fmaxf(x[i], low), high);
        ret_x[i] = high > low ? 2.0f * (held - low) / (high - low) - 1.0f : 0.0f;
    }
}

/* ---- one network ---- */

static void finish(struct surrogate *own)
{
    mlp_pass_finish(&own->pass);
    network_finish(&own->network);
    free(own->x);
    free(own->y);
}

static int start(struct surrogate *own, const struct surrogate_config *config)
{
    const size_t sizes[] = {config->inputs, config->hidden, config->hidden, 1};
    *own = (struct surrogate){.config = *config};
    own->x = calloc(config->batch * config->inputs, sizeof *own->x);
    own->y = calloc(config->batch, sizeof *own->y);
    int rc =
        own->x != NULL && own->y != NULL ? network_init_alone(&own->network, sizes, MLP_LINEAR, 0) : -ENOMEM;
    return rc == 0 ? mlp_pass_init(&own->pass, &own->network.mlp, config->batch) : rc;
}

/* Mean squared error's gradient at the outputs of a mini-batch, and a step down it. */
static void step(struct surrogate *own, size_t rows, uint64_t number, float rate)
{
    const struct network_pace pace = {.step = number, .rate = rate};
    own->pass.rows = rows;
    own->pass.x = (struct view){own->x, own->config.inputs};
    mlp_forward(&own->network.mlp, own->network.params, &own->pass);
    struct matrix guess = own->pass.y[MLP_LAYERS - 1], d = own->pass.dy[MLP_LAYERS - 1];
    for (size_t r = 0; r < rows; r++)
        d.at[r * d.stride] = 2.0f / (float) rows * (guess.at[r * guess.stride] - own->y[r]);
    mlp_backward(&own->network.mlp, own->network.params, &own->pass,
                 &(struct mlp_wanted){.grads = own->network.grads});
    network_step(&own->network, &pace);
}

/* Fisher and Yates, with the draws of this epoch. */
static void shuffle(size_t *order, size_t count, struct rng_at at, uint32_t epoch)
{
    at.episode = epoch;
    for (size_t i = count; i-- > 1;) {
        size_t j = rng_below(&at, (uint32_t) i, (uint32_t) (i + 1));
        size_t swapped = order[i];
        order[i] = order[j];
        order[j] = swapped;
    }
}

struct watch {
    void (*progress)(void *user, size_t done, size_t all);
    void *user;
    size_t done, all;
};

static void tell(struct watch *watch)
{
    watch->done++;
    if (watch->progress != NULL)
        watch->progress(watch->user, watch->done, watch->all);
}

/* Trains on the records whose numbers `order` [count] has; it is reordered. */
static void train(struct surrogate *own, const struct surrogate_records *records, size_t *order, size_t count,
                  uint32_t entity, struct watch *watch)
{
    const struct surrogate_config *config = &own->config;
    const struct rng_at at = {
        .seed = config->seed, .phase = RNG_TRAIN, .stream = RNG_SAMPLING, .entity = entity};
    uint64_t number = 0, steps = (uint64_t) config->epochs * ((count + config->batch - 1) / config->batch);
    network_draw(&own->network, config->seed, entity, FINAL_INIT);
    for (uint32_t epoch = 0; epoch < config->epochs; epoch++, tell(watch)) {
        shuffle(order, count, at, epoch);
        for (size_t first = 0; first < count; first += config->batch) {
            size_t rows = count - first < config->batch ? count - first : config->batch;
            for (size_t r = 0; r < rows; r++) {
                size_t record = order[first + r];
                scale(own, records->x + record * config->inputs, own->x + r * config->inputs);
                own->y[r] = (float) (((double) records->y[record] - own->mean) / own->deviation);
            }
            double share = (double) number++ / (double) steps;
            step(own, rows, number, config->rate * (float) (0.5 * (1.0 + elementary_cos(PI * share))));
        }
    }
}

double surrogate_at(struct surrogate *surrogate, const float *x)
{
    struct surrogate *own = surrogate;
    scale(own, x, own->x);
    own->pass.rows = 1;
    own->pass.x = (struct view){own->x, own->config.inputs};
    mlp_forward(&own->network.mlp, own->network.params, &own->pass);
    return own->mean + own->deviation * (double) own->pass.y[MLP_LAYERS - 1].at[0];
}

/* ---- cross-validation ---- */

/* A network that has not seen the records of `fold`, on those. */
static int try_fold(const struct surrogate_config *config, const struct surrogate_records *records,
                    const uint32_t *fold_of, uint32_t fold, size_t *order, struct surrogate_error *error,
                    struct watch *watch)
{
    struct surrogate own;
    size_t count = 0;
    int rc = start(&own, config);
    if (rc == 0) {
        for (size_t r = 0; r < records->count; r++)
            if (fold_of[r] != fold)
                order[count++] = r;
        find_scales(&own, records);
        train(&own, records, order, count, SURROGATE_ENTITY + 1 + fold, watch);
    }
    for (size_t r = 0; rc == 0 && r < records->count; r++) {
        if (fold_of[r] != fold)
            continue;
        double gap = surrogate_at(&own, records->x + r * config->inputs) - (double) records->y[r];
        error->mean_squared += gap * gap;
        error->mean_absolute += fabs(gap);
    }
    finish(&own);
    return rc;
}

static void describe(const struct surrogate_records *records, struct surrogate_error *ret)
{
    double sum = 0.0, squares = 0.0, low = HUGE_VAL, high = -HUGE_VAL, count = (double) records->count;
    for (size_t r = 0; r < records->count; r++) {
        double y = (double) records->y[r];
        sum += y;
        low = fmin(low, y);
        high = fmax(high, y);
    }
    for (size_t r = 0; r < records->count; r++) {
        double gap = (double) records->y[r] - sum / count;
        squares += gap * gap;
    }
    ret->mean_squared /= count;
    ret->mean_absolute /= count;
    ret->range = high - low;
    ret->explained = squares > 0.0 ? 1.0 - ret->mean_squared / (squares / count) : (double) NAN;
}

/* Equal folds: each record has the rank of a shuffle, modulo the folds. */
static int cross_validate(const struct surrogate_config *config, const struct surrogate_records *records,
                          size_t *order, struct surrogate_error *ret, struct watch *watch)
{
    const struct rng_at at = {
        .seed = config->seed, .phase = RNG_TRAIN, .stream = RNG_SAMPLING, .entity = SURROGATE_ENTITY};
    uint32_t *fold_of = calloc(records->count, sizeof *fold_of);
    int rc = fold_of != NULL ? 0 : -ENOMEM;
    for (size_t r = 0; rc == 0 && r < records->count; r++)
        order[r] = r;
    if (rc == 0)
        shuffle(order, records->count, at, UINT32_MAX);
    for (size_t r = 0; rc == 0 && r < records->count; r++)
        fold_of[order[r]] = (uint32_t) (r % config->folds);
    for (uint32_t fold = 0; rc == 0 && fold < config->folds; fold++)
        rc = try_fold(config, records, fold_of, fold, order, ret, watch);
    free(fold_of);
    return rc;
}

/* ---- all ---- */

static int check(const struct surrogate_config *config, const struct surrogate_records *records,
                 struct diag *diag)
{
    size_t least = config->folds > 1 ? 2 * config->folds : 2;
    if (config->inputs < 1 || config->inputs > SURROGATE_INPUTS_MAX || config->hidden < 1 ||
        config->epochs < 1 || config->batch < 1 || !(config->rate > 0.0f) || config->folds == 1)
        return diag_fail(diag, ERR_RANGE, "a surrogate's configuration is not possible");
    if (records->count < least || records->count > UINT32_MAX / 2)
        return diag_fail(diag, ERR_RANGE, "a surrogate has %zu records to learn from, and needs at least %zu",
                         records->count, least);
    for (size_t i = 0; i < records->count * config->inputs; i++)
        if (!isfinite(records->x[i]))
            return diag_fail(diag, ERR_RANGE, "a surrogate's record %zu has a number that is not finite",
                             i / config->inputs);
    for (size_t r = 0; r < records->count; r++)
        if (!isfinite(records->y[r]))
            return diag_fail(diag, ERR_RANGE, "a surrogate's record %zu has a number that is not finite", r);
    return 0;
}

int surrogate_fit(struct surrogate **ret_surrogate, const struct surrogate_config *config,
                  const struct surrogate_records *records, struct surrogate_error *ret_error,
                  void (*progress)(void *user, size_t done, size_t all), void *user, struct diag *diag)
{
    struct watch watch = {progress, user, 0, (config->folds + 1) * config->epochs};
    struct surrogate_error error = {.records = records->count};
    int rc = check(config, records, diag);
    if (rc != 0)
        return rc;
    struct surrogate *own = malloc(sizeof *own);
    size_t *order = calloc(records->count, sizeof *order);
    rc = own != NULL ? start(own, config) : -ENOMEM;
    if (rc == 0 && order == NULL)
        rc = -ENOMEM;
    if (rc == 0 && config->folds > 0)
        rc = cross_validate(config, records, order, &error, &watch);
    if (rc == 0) {
        for (size_t r = 0; r < records->count; r++)
            order[r] = r;
        find_scales(own, records);
        train(own, records, order, records->count, SURROGATE_ENTITY, &watch);
        describe(records, &error);
    }
    free(order);
    if (rc != 0) {
        surrogate_destroy(own);
        return diag_fail(diag, rc, "%s", err_text(rc));
    }
    if (config->folds == 0)
        error.mean_squared = error.mean_absolute = error.explained = (double) NAN;
    *ret_surrogate = own;
    if (ret_error != NULL)
        *ret_error = error;
    return 0;
}

void surrogate_destroy(struct surrogate *surrogate)
{
    if (surrogate == NULL)
        return;
    finish(surrogate);
    free(surrogate);
}
