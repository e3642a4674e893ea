#include "core/rl/deep_sets.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/rng.h"
#include "core/rl/adam.h"
#include "core/rl/dense.h"

#define UNITS_MAX 1024u       /* features or hidden units: sizes stay far inside an int */
#define MEMBERS_MAX 16777216u /* likewise */
#define HEAD_INIT 0.01        /* of the usual bound: at first all sets are alike */

struct deep_sets {
    struct deep_sets_config config;
    struct dense member, set, head;
    size_t params;
    float *value, *first, *second, *grads, *sum; /* [params] each; `value` owns them all */
    uint64_t steps;

    float *h, *d_h;           /* [members][hidden] */
    float *pooled, *d_pooled; /* [sets][set's mean, all sets' mean], hidden each */
    float *g, *d_g;           /* [sets][hidden] */
    float *y, *d_y;           /* [sets] */
    float *block;             /* owns the scratch above */
};

static void lay_out(struct deep_sets *own)
{
    struct dense *all[] = {&own->member, &own->set, &own->head};
    size_t hidden = own->config.hidden, at = 0;
    size_t in[] = {own->config.features, 2 * hidden, hidden}, out[] = {hidden, hidden, 1};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        *all[i] = (struct dense){.in = in[i], .out = out[i], .weights = at, .bias = at + in[i] * out[i]};
        at += in[i] * out[i] + out[i];
    }
    own->params = at;
}

/* Weights and biases uniform in +-1/sqrt(fan-in). */
static void draw(struct deep_sets *own)
{
    const struct dense *all[] = {&own->member, &own->set, &own->head};
    struct rng_at at = {
        .seed = own->config.seed, .phase = RNG_TRAIN, .stream = RNG_WEIGHTS, .entity = own->config.entity};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        double bound = (all[i] == &own->head ? HEAD_INIT : 1.0) / sqrt((double) all[i]->in);
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

static int allocate(struct deep_sets *own)
{
    size_t members = own->config.members_max, sets = own->config.sets_max, hidden = own->config.hidden;
    size_t arrays = 8, spare = 16;
    own->value = calloc(5 * own->params, sizeof(float));
    size_t floats = 2 * members * hidden + 6 * sets * hidden + 2 * sets + arrays * spare;
    own->block = calloc(floats, sizeof(float));
    if (own->value == NULL || own->block == NULL)
        return -ENOMEM;
    own->first = own->value + own->params;
    own->second = own->first + own->params;
    own->grads = own->second + own->params;
    own->sum = own->grads + own->params;
    float *at = own->block;
    own->h = take(&at, members * hidden);
    own->d_h = take(&at, members * hidden);
    own->pooled = take(&at, 2 * sets * hidden);
    own->d_pooled = take(&at, 2 * sets * hidden);
    own->g = take(&at, sets * hidden);
    own->d_g = take(&at, sets * hidden);
    own->y = take(&at, sets);
    own->d_y = take(&at, sets);
    assert((size_t) (at - own->block) <= floats);
    return 0;
}

int deep_sets_create(struct deep_sets **ret_net, const struct deep_sets_config *config)
{
    if (config->features < 1 || config->features > UNITS_MAX || config->hidden < 1 ||
        config->hidden > UNITS_MAX || config->members_max < 1 || config->members_max > MEMBERS_MAX ||
        config->sets_max < 1 || config->sets_max > MEMBERS_MAX)
        return ERR_RANGE;
    struct deep_sets *own = calloc(1, sizeof *own);
    if (own == NULL)
        return -ENOMEM;
    own->config = *config;
    lay_out(own);
    int rc = allocate(own);
    if (rc != 0) {
        deep_sets_destroy(own);
        return rc;
    }
    draw(own);
    *ret_net = own;
    return 0;
}

void deep_sets_destroy(struct deep_sets *net)
{
    if (net == NULL)
        return;
    free(net->value);
    free(net->block);
    free(net);
}

size_t deep_sets_params(const struct deep_sets *net)
{
    return net->params;
}

/* ---- forward ---- */

static size_t members_of(const struct deep_sets_table *table)
{
    size_t all = 0;
    for (size_t s = 0; s < table->sets; s++)
        all += table->members[s];
    return all;
}

static void add_to(float *restrict to, const float *restrict from, size_t size, float factor)
{
    for (size_t i = 0; i < size; i++)
        to[i] += factor * from[i];
}

static float share_of(size_t count)
{
    return count > 0 ? 1.0f / (float) count : 0.0f;
}

/* own->pooled from own->h. */
static void pool(struct deep_sets *own, const struct deep_sets_table *table)
{
    size_t hidden = own->config.hidden;
    float all[UNITS_MAX] = {0.0f}, share = share_of(members_of(table));
    const float *h = own->h;
    for (size_t s = 0; s < table->sets; s++) {
        float *mean = own->pooled + 2 * s * hidden;
        memset(mean, 0, hidden * sizeof(float));
        for (size_t i = 0; i < table->members[s]; i++, h += hidden)
            add_to(mean, h, hidden, 1.0f);
        add_to(all, mean, hidden, share);
        for (size_t i = 0; i < hidden; i++)
            mean[i] *= share_of(table->members[s]);
    }
    assert(h == own->h + members_of(table) * hidden);
    for (size_t s = 0; s < table->sets; s++)
        memcpy(own->pooled + (2 * s + 1) * hidden, all, hidden * sizeof(float));
}

/* y[rows][out] = tanh(x W + b). */
static void layer(const struct deep_sets *own, const struct dense *dense, size_t rows, const float *x,
                  float *y)
{
    struct matrix to = {y, dense->out};
    dense_forward(dense, own->value, rows, (struct view){x, dense->in}, to);
    dense_tanh(1, rows * dense->out, to);
}

void deep_sets_predict(struct deep_sets *net, const struct deep_sets_table *table, float *ret_y)
{
    struct deep_sets *own = net;
    size_t hidden = own->config.hidden, members = members_of(table);
    assert(table->sets >= 1 && table->sets <= own->config.sets_max && members <= own->config.members_max);
    if (members > 0)
        layer(own, &own->member, members, table->x, own->h);
    pool(own, table);
    layer(own, &own->set, table->sets, own->pooled, own->g);
    dense_forward(&own->head, own->value, table->sets, (struct view){own->g, hidden},
                  (struct matrix){ret_y, 1});
}

/* ---- backward ---- */

/* d[rows][out] at tanh's output becomes that at its input; the layer's gradients. */
static void layer_backward(const struct deep_sets *own, const struct dense *dense, size_t rows,
                           const float *x, const float *y, float *d)
{
    struct matrix at = {d, dense->out};
    dense_tanh_backward(1, rows * dense->out, (struct view){y, dense->out}, at);
    dense_weight_gradient(dense, own->grads, rows, (struct view){x, dense->in}, dense_view(at));
    dense_bias_gradient(dense, own->grads, rows, dense_view(at));
}

/* own->d_pooled -> own->d_h: a member has its share of its set's mean and of that of all. */
static void spread(struct deep_sets *own, const struct deep_sets_table *table)
{
    size_t hidden = own->config.hidden;
    float all[UNITS_MAX] = {0.0f}, share = share_of(members_of(table));
    float *d = own->d_h;
    for (size_t s = 0; s < table->sets; s++)
        add_to(all, own->d_pooled + (2 * s + 1) * hidden, hidden, share);
    for (size_t s = 0; s < table->sets; s++)
        for (size_t i = 0; i < table->members[s]; i++, d += hidden) {
            memcpy(d, all, hidden * sizeof(float));
            add_to(d, own->d_pooled + 2 * s * hidden, hidden, share_of(table->members[s]));
        }
}

float deep_sets_add_gradient(struct deep_sets *net, const struct deep_sets_table *table, const float *target)
{
    struct deep_sets *own = net;
    size_t hidden = own->config.hidden, sets = table->sets, members = members_of(table);
    struct view d_y = {own->d_y, 1}, d_g = {own->d_g, hidden}, g = {own->g, hidden};
    double sum = 0.0;
    deep_sets_predict(own, table, own->y);
    for (size_t s = 0; s < sets; s++) {
        float off = own->y[s] - target[s];
        own->d_y[s] = 2.0f * off / (float) sets;
        sum += (double) off * (double) off;
    }
    memset(own->grads, 0, own->params * sizeof(float));
    dense_weight_gradient(&own->head, own->grads, sets, g, d_y);
    dense_bias_gradient(&own->head, own->grads, sets, d_y);
    dense_input_gradient(&own->head, own->value, sets, d_y, 0, hidden, (struct matrix){own->d_g, hidden});
    layer_backward(own, &own->set, sets, own->pooled, own->g, own->d_g);
    dense_input_gradient(&own->set, own->value, sets, d_g, 0, 2 * hidden,
                         (struct matrix){own->d_pooled, 2 * hidden});
    spread(own, table);
    if (members > 0)
        layer_backward(own, &own->member, members, table->x, own->h, own->d_h);
    add_to(own->sum, own->grads, own->params, 1.0f);
    return (float) (sum / (double) sets);
}

void deep_sets_step(struct deep_sets *net, size_t tables)
{
    struct deep_sets *own = net;
    if (tables == 0)
        return;
    for (size_t i = 0; i < own->params; i++)
        own->sum[i] /= (float) tables;
    struct adam_blocks blocks = {own->value, NULL, own->first, own->second, own->sum, own->params};
    adam_step(&blocks, ++own->steps, own->config.rate, 0.0f);
    memset(own->sum, 0, own->params * sizeof(float));
}

/* ---- bytes ---- */

int deep_sets_save(const struct deep_sets *net, bool full, struct buf *bytes)
{
    size_t block = net->params * sizeof(float);
    int rc = buf_push(bytes, net->value, block);
    if (rc != 0 || !full)
        return rc;
    rc = buf_push(bytes, net->first, 2 * block); /* the second moments lie behind the first */
    return rc != 0 ? rc : buf_push(bytes, &net->steps, sizeof net->steps);
}

int deep_sets_load(struct deep_sets *net, bool full, const uint8_t **bytes, size_t *size, struct diag *diag)
{
    size_t count = (full ? 3 : 1) * net->params, wanted = count * sizeof(float);
    size_t counter = full ? sizeof net->steps : 0;
    if (*size < wanted + counter)
        return diag_fail(diag, ERR_TRUNCATED, "a network's weights end too early");
    memcpy(net->value, *bytes, wanted);
    if (full)
        memcpy(&net->steps, *bytes + wanted, counter);
    *bytes += wanted + counter;
    *size -= wanted + counter;
    for (size_t i = 0; i < count; i++)
        if (!isfinite(net->value[i]) || (i >= 2 * net->params && net->value[i] < 0.0f))
            return diag_fail(diag, ERR_CORRUPT, "a network's weights are not numbers");
    return 0;
}
