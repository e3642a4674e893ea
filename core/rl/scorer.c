#include "core/rl/scorer.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cblas.h>

#include "core/base/err.h"
#include "core/base/rng.h"
#include "core/rl/adam.h"
#include "core/rl/dense.h"

#define LAYERS 2u
#define VIEWS 4u        /* of a pair: itself, its column, its row, the table */
#define UNITS_MAX 1024u /* features or hidden units: sizes stay far inside an int */
#define PAIRS_MAX 16777216u

/* The layers read wide[pairs][VIEWS * in] and write h[pairs][out]. */
struct scorer {
    struct scorer_config config;
    struct dense layer[LAYERS], pair_head, none_head; /* heads: one output */
    size_t params;
    float *value, *first, *second, *grads, *sum, *spare; /* [params] each; `value` owns them all */
    uint64_t steps;

    float *wide[LAYERS];    /* [pairs][VIEWS * in] */
    float *h[LAYERS + 1];   /* [pairs][in of the next]: the input, then each layer's output */
    float *d_wide, *d_h;    /* gradients there: [pairs][VIEWS * widest], [pairs][widest] */
    float *score, *d_score; /* [rows][columns + 1] */
    float *column, *row;    /* means [columns][widest], [rows][widest] */
    float *column_count, *row_count;
    float *block; /* owns the scratch above */
};

static size_t width_of(const struct scorer *own, size_t layer)
{
    return layer == 0 ? own->config.features : own->config.hidden;
}

static size_t widest(const struct scorer_config *config)
{
    return config->features > config->hidden ? config->features : config->hidden;
}

static void lay_out(struct scorer *own)
{
    struct dense *all[] = {&own->layer[0], &own->layer[1], &own->pair_head, &own->none_head};
    size_t hidden = own->config.hidden, at = 0;
    size_t in[] = {VIEWS * own->config.features, VIEWS * hidden, hidden, hidden},
           out[] = {hidden, hidden, 1, 1};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        *all[i] = (struct dense){.in = in[i], .out = out[i], .weights = at, .bias = at + in[i] * out[i]};
        at += in[i] * out[i] + out[i];
    }
    own->params = at;
}

/* Weights and biases uniform in +-1/sqrt(fan-in), the heads' a hundredth of that: at first all are alike. */
static void draw(struct scorer *own)
{
    const struct dense *all[] = {&own->layer[0], &own->layer[1], &own->pair_head, &own->none_head};
    struct rng_at at = {
        .seed = own->config.seed, .phase = RNG_TRAIN, .stream = RNG_WEIGHTS, .entity = own->config.entity};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        double bound = (all[i]->out == 1 ? 0.01 : 1.0) / sqrt((double) all[i]->in);
        at.slot = (uint32_t) i;
        for (size_t j = 0; j < all[i]->in * all[i]->out + all[i]->out; j++)
            own->value[all[i]->weights + j] = (float) rng_range(&at, (uint32_t) j, -bound, bound);
    }
}

static float *take(float **at, size_t count)
{
    float *taken = *at;
    *at += (count + 15) / 16 * 16;
    return taken;
}

static int allocate(struct scorer *own)
{
    const struct scorer_config *config = &own->config;
    size_t pairs = config->rows_max * config->columns_max, wide = widest(config);
    size_t rows = config->rows_max, columns = config->columns_max, spare = 16;
    size_t total = pairs * (VIEWS * config->features + VIEWS * config->hidden + config->features +
                            2 * config->hidden + VIEWS * wide + wide) +
                   2 * rows * (columns + 1) + (columns + rows) * (wide + 1) + 16 * spare;
    own->value = calloc(6 * own->params, sizeof(float));
    own->block = calloc(total, sizeof(float));
    if (own->value == NULL || own->block == NULL)
        return -ENOMEM;
    own->first = own->value + own->params;
    own->second = own->first + own->params;
    own->grads = own->second + own->params;
    own->sum = own->grads + own->params;
    own->spare = own->sum + own->params;
    float *at = own->block;
    for (size_t i = 0; i < LAYERS; i++)
        own->wide[i] = take(&at, pairs * VIEWS * width_of(own, i));
    for (size_t i = 0; i <= LAYERS; i++)
        own->h[i] = take(&at, pairs * width_of(own, i));
    own->d_wide = take(&at, pairs * VIEWS * wide);
    own->d_h = take(&at, pairs * wide);
    own->score = take(&at, rows * (columns + 1));
    own->d_score = take(&at, rows * (columns + 1));
    own->column = take(&at, columns * wide);
    own->row = take(&at, rows * wide);
    own->column_count = take(&at, columns);
    own->row_count = take(&at, rows);
    return 0;
}

int scorer_create(struct scorer **ret_scorer, const struct scorer_config *config)
{
    if (config->features < 1 || config->features > UNITS_MAX || config->hidden < 1 ||
        config->hidden > UNITS_MAX || config->rows_max < 1 || config->columns_max < 1 ||
        config->rows_max > PAIRS_MAX / config->columns_max)
        return ERR_RANGE;
    struct scorer *own = calloc(1, sizeof *own);
    if (own == NULL)
        return -ENOMEM;
    openblas_set_num_threads(1);
    own->config = *config;
    lay_out(own);
    int rc = allocate(own);
    if (rc != 0) {
        scorer_destroy(own);
        return rc;
    }
    draw(own);
    *ret_scorer = own;
    return 0;
}

void scorer_destroy(struct scorer *scorer)
{
    if (scorer == NULL)
        return;
    free(scorer->value);
    free(scorer->block);
    free(scorer);
}

size_t scorer_params(const struct scorer *scorer)
{
    return scorer->params;
}

/* ---- means ---- */

static void count(struct scorer *own, const struct scorer_table *table)
{
    memset(own->column_count, 0, table->columns * sizeof(float));
    memset(own->row_count, 0, table->rows * sizeof(float));
    for (size_t r = 0; r < table->rows; r++)
        for (size_t c = 0; c < table->columns; c++)
            if (table->mask[r * table->columns + c]) {
                own->column_count[c] += 1.0f;
                own->row_count[r] += 1.0f;
            }
}

static void add_to(float *to, const float *from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] += from[i];
}

static void scale(float *to, size_t size, float factor)
{
    for (size_t i = 0; i < size; i++)
        to[i] *= factor;
}

static float share_of(float count_of)
{
    return count_of > 0.0f ? 1.0f / count_of : 0.0f;
}

/* Column and row sums over the pairs that take part, and the table's, of from[pairs][stride]. */
static void sum_up(struct scorer *own, const struct scorer_table *table, const float *from, size_t stride,
                   size_t size)
{
    memset(own->column, 0, table->columns * size * sizeof(float));
    memset(own->row, 0, table->rows * size * sizeof(float));
    for (size_t r = 0; r < table->rows; r++)
        for (size_t c = 0; c < table->columns; c++) {
            size_t pair = r * table->columns + c;
            if (!table->mask[pair])
                continue;
            add_to(own->column + c * size, from + pair * stride, size);
            add_to(own->row + r * size, from + pair * stride, size);
        }
}

static float pairs_of(const struct scorer *own, const struct scorer_table *table)
{
    float sum = 0.0f;
    for (size_t c = 0; c < table->columns; c++)
        sum += own->column_count[c];
    return sum;
}

static void average(struct scorer *own, const struct scorer_table *table, size_t size, float *ret_mean)
{
    float all = share_of(pairs_of(own, table));
    memset(ret_mean, 0, size * sizeof *ret_mean);
    for (size_t c = 0; c < table->columns; c++)
        add_to(ret_mean, own->column + c * size, size);
    scale(ret_mean, size, all);
    for (size_t c = 0; c < table->columns; c++)
        scale(own->column + c * size, size, share_of(own->column_count[c]));
    for (size_t r = 0; r < table->rows; r++)
        scale(own->row + r * size, size, share_of(own->row_count[r]));
}

/* ---- forward ---- */

static void widen(struct scorer *own, const struct scorer_table *table, size_t layer)
{
    size_t size = width_of(own, layer);
    float mean[UNITS_MAX];
    sum_up(own, table, own->h[layer], size, size);
    average(own, table, size, mean);
    for (size_t r = 0; r < table->rows; r++)
        for (size_t c = 0; c < table->columns; c++) {
            size_t pair = r * table->columns + c;
            float *to = own->wide[layer] + pair * VIEWS * size;
            memcpy(to, own->h[layer] + pair * size, size * sizeof(float));
            memcpy(to + size, own->column + c * size, size * sizeof(float));
            memcpy(to + 2 * size, own->row + r * size, size * sizeof(float));
            memcpy(to + 3 * size, mean, size * sizeof(float));
        }
}

static void forward(struct scorer *own, const struct scorer_table *table)
{
    size_t pairs = table->rows * table->columns, hidden = own->config.hidden;
    count(own, table);
    memcpy(own->h[0], table->x, pairs * own->config.features * sizeof(float));
    for (size_t i = 0; i < LAYERS; i++) {
        struct matrix y = {own->h[i + 1], hidden};
        widen(own, table, i);
        dense_forward(&own->layer[i], own->value, pairs, (struct view){own->wide[i], own->layer[i].in}, y);
        dense_tanh(1, pairs * hidden, y);
    }
}

static float head(const struct dense *dense, const float *value, const float *x)
{
    float sum = value[dense->bias];
    for (size_t i = 0; i < dense->in; i++)
        sum += value[dense->weights + i] * x[i];
    return sum;
}

/* Leaves the rows' means of the last layer in own->row. */
static void score(struct scorer *own, const struct scorer_table *table, float *ret_score)
{
    size_t hidden = own->config.hidden;
    const float *h = own->h[LAYERS];
    forward(own, table);
    sum_up(own, table, h, hidden, hidden);
    for (size_t r = 0; r < table->rows; r++) {
        float *to = ret_score + r * (table->columns + 1);
        scale(own->row + r * hidden, hidden, share_of(own->row_count[r]));
        for (size_t c = 0; c < table->columns; c++) {
            size_t pair = r * table->columns + c;
            to[c] = table->mask[pair] ? head(&own->pair_head, own->value, h + pair * hidden) : -HUGE_VALF;
        }
        to[table->columns] = head(&own->none_head, own->value, own->row + r * hidden);
    }
}

void scorer_score(struct scorer *scorer, const struct scorer_table *table, float *ret_score)
{
    score(scorer, table, ret_score);
}

/* ---- backward ---- */

/* score -> softmax - target, as a mean over rows; returns the cross-entropy's mean. */
static float loss_gradient(struct scorer *own, const struct scorer_table *table, const float *target)
{
    size_t options = table->columns + 1;
    double sum = 0.0;
    for (size_t r = 0; r < table->rows; r++) {
        const float *from = own->score + r * options;
        float *d = own->d_score + r * options, top = from[0], norm = 0.0f;
        for (size_t c = 1; c < options; c++)
            top = from[c] > top ? from[c] : top;
        for (size_t c = 0; c < options; c++)
            norm += expf(from[c] - top);
        for (size_t c = 0; c < options; c++) {
            float wanted = target[r * options + c];
            d[c] = (expf(from[c] - top) / norm - wanted) / (float) table->rows;
            if (wanted > 0.0f)
                sum -= (double) wanted * ((double) (from[c] - top) - log((double) norm));
        }
    }
    return (float) (sum / (double) table->rows);
}

/* own->d_h at the last layer, and the heads' gradients. */
static void heads_backward(struct scorer *own, const struct scorer_table *table)
{
    const struct dense *pair_head = &own->pair_head, *none_head = &own->none_head;
    size_t hidden = own->config.hidden, options = table->columns + 1;
    const float *h = own->h[LAYERS];
    float *grads = own->grads;
    for (size_t r = 0; r < table->rows; r++) {
        float none = own->d_score[r * options + table->columns];
        float share = share_of(own->row_count[r]);
        grads[none_head->bias] += none;
        for (size_t i = 0; i < hidden; i++)
            grads[none_head->weights + i] += none * own->row[r * hidden + i];
        for (size_t c = 0; c < table->columns; c++) {
            size_t pair = r * table->columns + c;
            float d = table->mask[pair] ? own->d_score[r * options + c] : 0.0f;
            float from_none = table->mask[pair] ? none * share : 0.0f;
            grads[pair_head->bias] += d;
            for (size_t i = 0; i < hidden; i++) {
                grads[pair_head->weights + i] += d * h[pair * hidden + i];
                own->d_h[pair * hidden + i] =
                    d * own->value[pair_head->weights + i] + from_none * own->value[none_head->weights + i];
            }
        }
    }
}

/* own->d_wide -> own->d_h: a pair gets its own part, and its share of each mean that it is in. */
static void narrow(struct scorer *own, const struct scorer_table *table, size_t size)
{
    size_t stride = VIEWS * size, pairs = table->rows * table->columns;
    float mean[UNITS_MAX] = {0.0f}, all = share_of(pairs_of(own, table));
    /* A mean's gradient comes from every pair that saw it, masked ones excepted: their d is 0. */
    memset(own->column, 0, table->columns * size * sizeof(float));
    memset(own->row, 0, table->rows * size * sizeof(float));
    for (size_t pair = 0; pair < pairs; pair++) {
        const float *d = own->d_wide + pair * stride;
        add_to(own->column + pair % table->columns * size, d + size, size);
        add_to(own->row + pair / table->columns * size, d + 2 * size, size);
        add_to(mean, d + 3 * size, size);
    }
    for (size_t pair = 0; pair < pairs; pair++) {
        size_t r = pair / table->columns, c = pair % table->columns;
        float per_column = share_of(own->column_count[c]), per_row = share_of(own->row_count[r]);
        const float *d = own->d_wide + pair * stride;
        for (size_t i = 0; i < size; i++) {
            float from_means =
                per_column * own->column[c * size + i] + per_row * own->row[r * size + i] + all * mean[i];
            own->d_h[pair * size + i] = d[i] + (table->mask[pair] ? from_means : 0.0f);
        }
    }
}

static void mask_out(struct scorer *own, const struct scorer_table *table)
{
    size_t hidden = own->config.hidden;
    for (size_t pair = 0; pair < table->rows * table->columns; pair++)
        if (!table->mask[pair])
            memset(own->d_h + pair * hidden, 0, hidden * sizeof(float));
}

float scorer_add_gradient(struct scorer *scorer, const struct scorer_table *table, const float *target)
{
    struct scorer *own = scorer;
    size_t pairs = table->rows * table->columns, hidden = own->config.hidden;
    score(own, table, own->score);
    float loss = loss_gradient(own, table, target);
    memset(own->grads, 0, own->params * sizeof(float));
    heads_backward(own, table);
    for (size_t i = LAYERS; i-- > 0;) {
        const struct dense *layer = &own->layer[i];
        struct matrix d = {own->d_h, hidden}, d_wide = {own->d_wide, layer->in};
        dense_tanh_backward(1, pairs * hidden, (struct view){own->h[i + 1], hidden}, d);
        mask_out(own, table);
        dense_weight_gradient(layer, own->grads, pairs, (struct view){own->wide[i], layer->in},
                              dense_view(d));
        dense_bias_gradient(layer, own->grads, pairs, dense_view(d));
        if (i == 0)
            break;
        dense_input_gradient(layer, own->value, pairs, dense_view(d), 0, layer->in, d_wide);
        narrow(own, table, hidden);
    }
    add_to(own->sum, own->grads, own->params);
    return loss;
}

void scorer_step(struct scorer *scorer, size_t tables)
{
    struct scorer *own = scorer;
    if (tables == 0)
        return;
    scale(own->sum, own->params, 1.0f / (float) tables);
    struct adam_blocks blocks = {own->value, own->spare, own->first, own->second, own->sum, own->params};
    adam_step(&blocks, ++own->steps, own->config.rate, 0.0f);
    memset(own->sum, 0, own->params * sizeof(float));
}

/* ---- bytes ---- */

int scorer_save(const struct scorer *scorer, bool full, struct buf *bytes)
{
    size_t block = scorer->params * sizeof(float);
    int rc = buf_push(bytes, scorer->value, block);
    if (rc != 0 || !full)
        return rc;
    rc = buf_push(bytes, scorer->first, 2 * block); /* the second moments lie behind the first */
    return rc != 0 ? rc : buf_push(bytes, &scorer->steps, sizeof scorer->steps);
}

int scorer_load(struct scorer *scorer, bool full, const uint8_t **bytes, size_t *size, struct diag *diag)
{
    size_t count_of = (full ? 3 : 1) * scorer->params, wanted = count_of * sizeof(float);
    size_t counter = full ? sizeof scorer->steps : 0;
    if (*size < wanted + counter)
        return diag_fail(diag, ERR_TRUNCATED, "a scorer's weights end too early");
    memcpy(scorer->value, *bytes, wanted);
    if (full)
        memcpy(&scorer->steps, *bytes + wanted, counter);
    *bytes += wanted + counter;
    *size -= wanted + counter;
    for (size_t i = 0; i < count_of; i++)
        if (!isfinite(scorer->value[i]) || (i >= 2 * scorer->params && scorer->value[i] < 0.0f))
            return diag_fail(diag, ERR_CORRUPT, "a scorer's weights are not numbers");
    return 0;
}
