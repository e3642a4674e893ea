#include "core/rl/ensemble.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/rng.h"
#include "core/base/simd_clones.h"
#include "core/linalg/rows.h"
#include "core/rl/adam.h"
#include "core/rl/dense.h"
#include "core/rl/norm.h"
#include "core/rl/replay.h"

#define BOUND 5.0f        /* deviations beyond which inputs and outputs are held */
#define LEAST_SPREAD 1e-6 /* what varies less than this is a constant, and its unit is 1 */
#define LINE_FLOATS 16u

/* What a mini-batch leaves on its way up, for its way down. [batch][width of the layer] each. */
struct layer_pass {
    float *before; /* swish's input */
    float *after;
    float *d; /* the loss's gradient at the layer's output */
};

struct ensemble {
    struct ensemble_config config;
    size_t layers; /* dense ones: the hidden and the head */
    struct dense layer[ENSEMBLE_LAYERS_MAX + 1];
    size_t params;  /* of a member */
    float *weights; /* [members][params]; owned, with the next three in one block */
    float *first, *second;
    float *grads;  /* [params] */
    float *center; /* [inputs + outputs] of the samples at the last fit; owned, with the next */
    float *spread;
    struct replay samples; /* a sample stands as an action: x, then y */
    uint32_t *order;       /* [buffer] */
    uint64_t fits, steps;  /* steps: Adam's, the same for every member */
    /* Scratch of a prediction: normalised inputs and two layers, [rows][inputs], [rows][width], and the head's. */
    float *x, *hidden[2], *head;
    struct layer_pass pass[ENSEMBLE_LAYERS_MAX + 1];
    float *batch_x, *batch_y;
};

/* ---- life ---- */

static bool is_config_possible(const struct ensemble_config *config)
{
    return config->inputs >= 1 && config->inputs <= ENSEMBLE_SIZE_MAX && config->outputs >= 1 &&
           config->outputs <= ENSEMBLE_SIZE_MAX && config->width >= 1 && config->width <= ENSEMBLE_SIZE_MAX &&
           config->members >= 1 && config->members <= ENSEMBLE_MEMBERS_MAX && config->layers >= 1 &&
           config->layers <= ENSEMBLE_LAYERS_MAX && config->buffer >= 1 && config->buffer < UINT32_MAX &&
           config->batch >= 1 && config->batch <= UINT32_MAX && config->rows >= 1 &&
           config->rows <= UINT32_MAX && config->epochs >= 1 && config->rate > 0.0f && config->norm >= 0.0f;
}

static void lay_out(struct ensemble *own)
{
    const struct ensemble_config *config = &own->config;
    own->layers = config->layers + 1;
    for (size_t i = 0; i < own->layers; i++) {
        struct dense *layer = &own->layer[i];
        layer->in = i == 0 ? config->inputs : config->width;
        layer->out = i + 1 == own->layers ? 2 * config->outputs : config->width;
        layer->weights = own->params;
        layer->bias = own->params + layer->in * layer->out;
        own->params = layer->bias + layer->out;
    }
}

/* Zeros. */
static float *floats(size_t count)
{
    size_t whole = (count + LINE_FLOATS - 1) / LINE_FLOATS * LINE_FLOATS;
    float *block = aligned_alloc(LINE_FLOATS * sizeof(float), whole * sizeof(float));
    if (block != NULL)
        memset(block, 0, whole * sizeof(float));
    return block;
}

static bool take_scratch(struct ensemble *own)
{
    const struct ensemble_config *config = &own->config;
    bool whole = true;
    own->x = floats(config->rows * config->inputs);
    own->hidden[0] = floats(config->rows * config->width);
    own->hidden[1] = floats(config->rows * config->width);
    own->head = floats(config->rows * 2 * config->outputs);
    own->batch_x = floats(config->batch * config->inputs);
    own->batch_y = floats(config->batch * config->outputs);
    whole = own->x != NULL && own->hidden[0] != NULL && own->hidden[1] != NULL && own->head != NULL &&
            own->batch_x != NULL && own->batch_y != NULL;
    for (size_t i = 0; i < own->layers; i++) {
        size_t size = config->batch * own->layer[i].out;
        own->pass[i] = (struct layer_pass){floats(size), floats(size), floats(size)};
        whole = whole && own->pass[i].before != NULL && own->pass[i].after != NULL && own->pass[i].d != NULL;
    }
    return whole;
}

static void draw_member(struct ensemble *own, size_t member)
{
    float *weights = own->weights + member * own->params;
    struct rng_at at = {
        .seed = own->config.seed,
        .phase = RNG_TRAIN,
        .stream = RNG_WEIGHTS,
        .entity = own->config.entity + (uint32_t) member,
        .episode = (uint32_t) own->fits,
    };
    for (size_t i = 0; i < own->layers; i++) {
        const struct dense *layer = &own->layer[i];
        double bound = 1.0 / sqrt((double) layer->in);
        size_t count = layer->in * layer->out + layer->out;
        at.slot = (uint32_t) i;
        for (size_t k = 0; k < count; k++)
            weights[layer->weights + k] =
                (float) ((2.0 * rng_u01(rng_block(&at, (uint32_t) (k / 4)).v[k % 4]) - 1.0) * bound);
    }
}

static int fill(struct ensemble *own)
{
    const struct ensemble_config *config = &own->config;
    lay_out(own);
    size_t all = config->members * own->params, columns = config->inputs + config->outputs;
    own->weights = floats(3 * all + own->params);
    own->center = floats(2 * columns);
    own->order = calloc(config->buffer, sizeof *own->order);
    if (own->weights == NULL || own->center == NULL || own->order == NULL || !take_scratch(own))
        return -ENOMEM;
    own->first = own->weights + all;
    own->second = own->first + all;
    own->grads = own->second + all;
    own->spread = own->center + columns;
    for (size_t i = 0; i < columns; i++)
        own->spread[i] = 1.0f;
    for (size_t member = 0; member < config->members; member++)
        draw_member(own, member);
    return replay_init(&own->samples, config->buffer, 0, columns);
}

int ensemble_create(struct ensemble **ret_ensemble, const struct ensemble_config *config)
{
    if (!is_config_possible(config))
        return ERR_RANGE;
    struct ensemble *own = calloc(1, sizeof *own);
    if (own == NULL)
        return -ENOMEM;
    own->config = *config;
    int rc = fill(own);
    if (rc != 0) {
        ensemble_destroy(own);
        return rc;
    }
    *ret_ensemble = own;
    return 0;
}

void ensemble_destroy(struct ensemble *ensemble)
{
    struct ensemble *own = ensemble;
    if (own == NULL)
        return;
    for (size_t i = 0; i < own->layers; i++) {
        free(own->pass[i].before);
        free(own->pass[i].after);
        free(own->pass[i].d);
    }
    free(own->x);
    free(own->hidden[0]);
    free(own->hidden[1]);
    free(own->head);
    free(own->batch_x);
    free(own->batch_y);
    free(own->weights);
    free(own->center);
    free(own->order);
    replay_finish(&own->samples);
    free(own);
}

const struct ensemble_config *ensemble_config(const struct ensemble *ensemble)
{
    return &ensemble->config;
}

size_t ensemble_params(const struct ensemble *ensemble)
{
    return ensemble->params;
}

float *ensemble_weights(struct ensemble *ensemble, size_t member)
{
    assert(member < ensemble->config.members);
    return ensemble->weights + member * ensemble->params;
}

struct replay *ensemble_samples(struct ensemble *ensemble)
{
    return &ensemble->samples;
}

/* ---- samples ---- */

void ensemble_observe(struct ensemble *ensemble, const float *x, const float *y)
{
    struct ensemble *own = ensemble;
    size_t inputs = own->config.inputs, outputs = own->config.outputs;
    float *row = own->samples.rows + own->samples.head * own->samples.stride;
    /* The sample goes to its place first, since x and y need not lie side by side. */
    memcpy(row, x, inputs * sizeof(float));
    memcpy(row + inputs, y, outputs * sizeof(float));
    for (size_t i = 0; i < inputs + outputs; i++)
        assert(isfinite(row[i]));
    struct replay *samples = &own->samples;
    row[inputs + outputs] = row[inputs + outputs + 1] = 0.0f; /* reward and end, which samples have none of */
    samples->head = samples->head + 1 == samples->capacity ? 0 : samples->head + 1;
    samples->count += samples->count < samples->capacity ? 1 : 0;
    samples->pushed++;
}

uint64_t ensemble_observed(const struct ensemble *ensemble)
{
    return ensemble->samples.pushed;
}

uint64_t ensemble_fits(const struct ensemble *ensemble)
{
    return ensemble->fits;
}

/* Mean and deviation of each column of the samples that are held: two passes, in order. */
static void take_moments(struct ensemble *own)
{
    const struct replay *samples = &own->samples;
    size_t columns = own->config.inputs + own->config.outputs;
    for (size_t i = 0; i < columns; i++) {
        double sum = 0.0, squares = 0.0, count = (double) samples->count;
        for (size_t r = 0; r < samples->count; r++)
            sum += (double) samples->rows[r * samples->stride + i];
        double mean = sum / count;
        for (size_t r = 0; r < samples->count; r++) {
            double gap = (double) samples->rows[r * samples->stride + i] - mean;
            squares += gap * gap;
        }
        double deviation = sqrt(squares / count);
        own->center[i] = (float) mean;
        own->spread[i] = deviation > LEAST_SPREAD ? (float) deviation : 1.0f;
    }
}

static inline float normal(float value, float center, float by)
{
    float scaled = (value - center) * by;
    scaled = scaled < BOUND ? scaled : BOUND;
    return scaled > -BOUND ? scaled : -BOUND;
}

/* ret[columns] of one row; `first` is where its columns begin among all. */
static void normalise(const struct ensemble *own, size_t first, size_t columns, const float *row, float *ret)
{
    for (size_t i = 0; i < columns; i++)
        ret[i] = normal(row[i], own->center[first + i], 1.0f / own->spread[first + i]);
}

/* ---- the networks ---- */

static struct matrix whole(float *at, size_t columns)
{
    return (struct matrix){at, columns};
}

/* The head's columns, apart: log variances squashed by a sigmoid. */
static void part_head(size_t rows, size_t outputs, const float *head, float *ret_mean,
                      float *ret_log_variance)
{
    const float width = ENSEMBLE_LOG_VARIANCE_MOST - ENSEMBLE_LOG_VARIANCE_LEAST;
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < outputs; k++) {
            ret_mean[r * outputs + k] = head[r * 2 * outputs + k];
            ret_log_variance[r * outputs + k] = -head[r * 2 * outputs + outputs + k];
        }
    linalg_exp(rows * outputs, ret_log_variance, ret_log_variance);
    for (size_t i = 0; i < rows * outputs; i++)
        ret_log_variance[i] = ENSEMBLE_LOG_VARIANCE_LEAST + width / (1.0f + ret_log_variance[i]);
}

static void predict_member(struct ensemble *own, size_t member, size_t rows, struct ensemble_guess *guess)
{
    const float *weights = own->weights + member * own->params;
    size_t width = own->config.width, outputs = own->config.outputs, last = own->layers - 1;
    struct view x = {own->x, own->config.inputs};
    for (size_t i = 0; i < last; i++) {
        float *y = own->hidden[i % 2];
        dense_forward(&own->layer[i], weights, rows, x, whole(y, width));
        dense_swish(rows * width, y);
        x = (struct view){y, width};
    }
    dense_forward(&own->layer[last], weights, rows, x, whole(own->head, 2 * outputs));
    size_t at = member * rows * outputs;
    part_head(rows, outputs, own->head, guess->mean + at, guess->log_variance + at);
}

int ensemble_guess_init(struct ensemble_guess *ret_guess, const struct ensemble *ensemble, size_t rows)
{
    size_t size = ensemble->config.members * rows * ensemble->config.outputs;
    struct ensemble_guess guess = {
        .members = ensemble->config.members, .rows = rows, .outputs = ensemble->config.outputs};
    guess.mean = floats(2 * size);
    if (guess.mean == NULL)
        return -ENOMEM;
    guess.log_variance = guess.mean + size;
    *ret_guess = guess;
    return 0;
}

void ensemble_guess_finish(struct ensemble_guess *guess)
{
    free(guess->mean);
    *guess = (struct ensemble_guess){0};
}

void ensemble_predict(struct ensemble *ensemble, size_t rows, const float *x, struct ensemble_guess *guess)
{
    struct ensemble *own = ensemble;
    size_t inputs = own->config.inputs;
    assert(rows >= 1 && rows <= own->config.rows);
    for (size_t r = 0; r < rows; r++)
        normalise(own, 0, inputs, x + r * inputs, own->x + r * inputs);
    guess->rows = rows;
    for (size_t member = 0; member < own->config.members; member++)
        predict_member(own, member, rows, guess);
}

void ensemble_in_units(const struct ensemble *ensemble, size_t count, const float *mean, float *ret_y)
{
    size_t outputs = ensemble->config.outputs;
    const float *center = ensemble->center + ensemble->config.inputs;
    const float *spread = ensemble->spread + ensemble->config.inputs;
    for (size_t r = 0; r < count; r++)
        for (size_t k = 0; k < outputs; k++)
            ret_y[r * outputs + k] = mean[r * outputs + k] * spread[k] + center[k];
}

/* ---- learning ---- */

static void forward(struct ensemble *own, const float *weights, size_t rows, const float *x)
{
    struct view from = {x, own->config.inputs};
    for (size_t i = 0; i < own->layers; i++) {
        const struct dense *layer = &own->layer[i];
        struct layer_pass *pass = &own->pass[i];
        dense_forward(layer, weights, rows, from, whole(pass->before, layer->out));
        if (i + 1 == own->layers)
            return;
        memcpy(pass->after, pass->before, rows * layer->out * sizeof(float));
        dense_swish(rows * layer->out, pass->after);
        from = (struct view){pass->after, layer->out};
    }
}

/* (y - mean)^2 exp(-l) / 2 + l / 2, a mean over rows and outputs, and its gradient at the head. l is the log variance, with
 * its slope under the sigmoid's input s: width s (1 - s). */
static double likelihood(struct ensemble *own, size_t rows, const float *y)
{
    const float width = ENSEMBLE_LOG_VARIANCE_MOST - ENSEMBLE_LOG_VARIANCE_LEAST;
    size_t outputs = own->config.outputs;
    struct layer_pass *head = &own->pass[own->layers - 1];
    float *mean = head->after, *log_variance = head->after + rows * outputs;
    float by = 1.0f / (float) (rows * outputs);
    double sum = 0.0;
    part_head(rows, outputs, head->before, mean, log_variance);
    for (size_t r = 0; r < rows; r++) {
        float precision[64];
        for (size_t first = 0; first < outputs; first += 64) {
            size_t count = outputs - first < 64 ? outputs - first : 64;
            const float *l = log_variance + r * outputs + first;
            float *d = head->d + r * 2 * outputs + first;
            for (size_t k = 0; k < count; k++)
                precision[k] = -l[k];
            linalg_exp(count, precision, precision);
            for (size_t k = 0; k < count; k++) {
                float error = mean[r * outputs + first + k] - y[r * outputs + first + k];
                float share = (l[k] - ENSEMBLE_LOG_VARIANCE_LEAST) / width;
                float miss = error * error * precision[k];
                sum += 0.5 * (double) (miss + l[k]);
                d[k] = by * error * precision[k];
                d[outputs + k] = by * 0.5f * (1.0f - miss) * (width * share * (1.0f - share));
            }
        }
    }
    return sum / (double) (rows * outputs);
}

static void backward(struct ensemble *own, const float *weights, size_t rows, const float *x, float *grads)
{
    for (size_t i = own->layers; i-- > 0;) {
        const struct dense *layer = &own->layer[i];
        struct view d = {own->pass[i].d, layer->out};
        struct view from = {i > 0 ? own->pass[i - 1].after : x, layer->in};
        dense_bias_gradient(layer, grads, rows, d);
        dense_weight_gradient(layer, grads, rows, from, d);
        if (i == 0)
            return;
        struct layer_pass *below = &own->pass[i - 1];
        dense_input_gradient(layer, weights, rows, d, 0, layer->in, whole(below->d, layer->in));
        dense_swish_backward(rows * layer->in, below->before, below->d);
    }
}

double ensemble_gradient(struct ensemble *ensemble, size_t member, size_t rows, const float *x,
                         const float *y, float *ret_grads)
{
    struct ensemble *own = ensemble;
    const float *weights = ensemble_weights(own, member);
    assert(rows >= 1 && rows <= own->config.batch);
    forward(own, weights, rows, x);
    double loss = likelihood(own, rows, y);
    backward(own, weights, rows, x, ret_grads);
    return loss;
}

static void shuffle(struct ensemble *own, size_t member, size_t epoch)
{
    struct rng_at at = {
        .seed = own->config.seed,
        .phase = RNG_TRAIN,
        .stream = RNG_SAMPLING,
        .entity = own->config.entity + (uint32_t) member,
        .episode = (uint32_t) own->fits,
        .slot = (uint32_t) epoch,
    };
    for (size_t i = 0; i < own->samples.count; i++)
        own->order[i] = (uint32_t) i;
    for (size_t i = own->samples.count; i-- > 1;) {
        uint32_t j = rng_below(&at, (uint32_t) i, (uint32_t) (i + 1));
        uint32_t swapped = own->order[i];
        own->order[i] = own->order[j];
        own->order[j] = swapped;
    }
}

static void take_batch(struct ensemble *own, size_t first, size_t rows)
{
    size_t inputs = own->config.inputs, outputs = own->config.outputs;
    for (size_t r = 0; r < rows; r++) {
        const float *sample = own->samples.rows + own->order[first + r] * own->samples.stride;
        normalise(own, 0, inputs, sample, own->batch_x + r * inputs);
        normalise(own, inputs, outputs, sample + inputs, own->batch_y + r * outputs);
    }
}

static double step(struct ensemble *own, size_t member, size_t rows, uint64_t number)
{
    size_t at = member * own->params;
    double loss = ensemble_gradient(own, member, rows, own->batch_x, own->batch_y, own->grads);
    struct adam_blocks blocks = {.params = own->weights + at,
                                 .first = own->first + at,
                                 .second = own->second + at,
                                 .grads = own->grads,
                                 .size = own->params};
    norm_bound(own->params, own->grads, own->config.norm);
    adam_step(&blocks, number, own->config.rate, 0.0f);
    return loss;
}

/* Returns the sum of the losses. */
static double fit_member(struct ensemble *own, size_t member, uint64_t steps)
{
    size_t batch = own->config.batch, held = own->samples.count, first = held, epoch = 0;
    double sum = 0.0;
    for (uint64_t number = 0; number < steps; number++, first += batch) {
        if (first >= held) {
            shuffle(own, member, epoch++);
            first = 0;
        }
        size_t rows = held - first < batch ? held - first : batch;
        take_batch(own, first, rows);
        sum += step(own, member, rows, own->steps + number + 1);
    }
    return sum;
}

static void begin_anew(struct ensemble *own)
{
    memset(own->first, 0, 2 * own->config.members * own->params * sizeof(float));
    own->steps = 0;
    for (size_t member = 0; member < own->config.members; member++)
        draw_member(own, member);
}

double ensemble_fit(struct ensemble *ensemble)
{
    struct ensemble *own = ensemble;
    size_t batch = own->config.batch, members = own->config.members;
    if (own->samples.count == 0)
        return 0.0;
    uint64_t steps = (uint64_t) own->config.epochs * ((own->samples.count + batch - 1) / batch);
    steps = own->config.steps > 0 && own->config.steps < steps ? own->config.steps : steps;
    double sum = 0.0;
    take_moments(own);
    if (own->config.anew && own->fits > 0)
        begin_anew(own);
    for (size_t member = 0; member < members; member++)
        sum += fit_member(own, member, steps);
    own->steps += steps;
    own->fits++;
    return sum / (double) (members * steps);
}

/* ---- bytes ---- */

void ensemble_describe_actor(struct ensemble *ensemble, struct checkpoint *checkpoint)
{
    const struct ensemble_config *config = &ensemble->config;
    size_t columns = config->inputs + config->outputs;
    checkpoint_size(checkpoint, "input", config->inputs);
    checkpoint_size(checkpoint, "output", config->outputs);
    checkpoint_size(checkpoint, "ensemble", config->members);
    checkpoint_size(checkpoint, "hidden layer's", config->width);
    checkpoint_size(checkpoint, "hidden layers'", config->layers);
    checkpoint_floats(checkpoint, CHECKPOINT_ACTOR, ensemble->weights, config->members * ensemble->params);
    checkpoint_floats(checkpoint, CHECKPOINT_ACTOR, ensemble->center, columns);
    checkpoint_squares(checkpoint, CHECKPOINT_ACTOR, ensemble->spread, columns);
}

void ensemble_describe_learner(struct ensemble *ensemble, struct checkpoint *checkpoint)
{
    size_t all = ensemble->config.members * ensemble->params;
    checkpoint_count(checkpoint, CHECKPOINT_LEARNER, &ensemble->fits);
    checkpoint_count(checkpoint, CHECKPOINT_LEARNER, &ensemble->steps);
    checkpoint_floats(checkpoint, CHECKPOINT_LEARNER, ensemble->first, all);
    checkpoint_squares(checkpoint, CHECKPOINT_LEARNER, ensemble->second, all);
}
