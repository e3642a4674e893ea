#include "core/perplexity/perplexity.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/elementary.h"
#include "core/base/err.h"
#include "core/infer/cache.h"
#include "core/infer/layers.h"

#define TOGETHER_ROWS 256u /* that go through a layer at once, in whole windows; at least one */
#define HEAD_ROWS 64u      /* whose logits are computed at once */

/* One window: tokens first, first + 1, ... go in; rows `asked` and following are scored. */
struct window {
    size_t first;
    uint32_t asked;
    struct likelihood clean;
};

struct perplexity {
    const struct weights_geometry *geometry;
    struct infer_model *model;
    struct infer_workspace workspace;
    uint32_t rows;         /* of a window */
    uint32_t together;     /* windows that go through the layers in one call */
    uint32_t first, last;  /* splits that are kept */
    uint32_t *token;       /* the text */
    struct window *window; /* [windows] */
    size_t windows;
    float *activations; /* [last - first + 1][windows][rows][hidden] */
    float *mean;        /* [last - first + 1][hidden] */
    double *rms;        /* [last - first + 1] */
    /* Of one call: */
    struct infer_cache **cache; /* [together] */
    struct infer_span *span;    /* [together] */
    bool *failed;               /* [together] */
    float *x;                   /* [together * rows][hidden] */
    float *logits;              /* [HEAD_ROWS][vocab] */
    uint8_t *bytes;             /* of one window, encoded */
};

/* ---- windows ---- */

/* What the options become: no zeros that stand for something else. */
static struct perplexity_options resolve(const struct perplexity_options *options,
                                         const struct weights_geometry *g, size_t tokens)
{
    struct perplexity_options r = *options;
    if (r.window == 0)
        r.window = g->context < INFER_ROWS_MAX ? g->context : INFER_ROWS_MAX;
    if (tokens <= r.window && r.skip < r.window)
        r.window = tokens > 1 ? (uint32_t) tokens - 1 : 1;
    if (r.stride == 0 && r.skip < r.window)
        r.stride = r.window - r.skip;
    if (r.first == 0 && r.last == 0) {
        r.first = 1;
        r.last = g->layers - 1;
    }
    return r;
}

static int check(const struct perplexity_options *o, const struct weights_geometry *g,
                 const struct perplexity_text *text, struct diag *diag)
{
    if (text->tokens < 2)
        return diag_fail(diag, ERR_RANGE,
                         "a text of %zu tokens: at least 2 are needed, one to foretell the other",
                         text->tokens);
    if (o->window > g->context || o->window > INFER_ROWS_MAX)
        return diag_fail(diag, ERR_RANGE,
                         "windows of %u tokens: the model has a context of %u, and %u is the most", o->window,
                         g->context, INFER_ROWS_MAX);
    if (o->skip >= o->window)
        return diag_fail(diag, ERR_RANGE, "%u tokens of a window are not asked, and the window has %u",
                         o->skip, o->window);
    if (o->stride > o->window - o->skip)
        return diag_fail(diag, ERR_RANGE, "windows %u tokens apart that score %u each leave tokens out",
                         o->stride, o->window - o->skip);
    if (o->first > o->last || o->last > g->layers)
        return diag_fail(diag, ERR_RANGE, "splits %u to %u: the model has layers 0 to %u", o->first, o->last,
                         g->layers);
    for (size_t i = 0; i < text->tokens; i++)
        if (text->token[i] >= g->vocab)
            return diag_fail(diag, ERR_RANGE, "token %zu of the text: %u is not below the vocabulary's %u", i,
                             text->token[i], g->vocab);
    return 0;
}

/* Where the number-th of all windows begins, and which of its rows is the first that no window before it scored. */
static void place(const struct perplexity_options *o, size_t tokens, size_t number, struct window *ret)
{
    size_t last = tokens - 1 - o->window, first = number * o->stride;
    ret->first = first < last ? first : last;
    size_t scored_to =
        number == 0 ? 0 : (number - 1) * o->stride + o->window; /* before it; rows, not targets */
    size_t from = ret->first + o->skip > scored_to ? ret->first + o->skip : scored_to;
    ret->asked = (uint32_t) (from - ret->first);
}

static int cut_windows(struct perplexity *p, const struct perplexity_options *o,
                       const struct perplexity_text *text, struct diag *diag)
{
    size_t all = 1 + (text->tokens - 1 - o->window + o->stride - 1) / o->stride;
    p->windows = o->windows > 0 && o->windows < all ? o->windows : all;
    if (p->windows > PERPLEXITY_WINDOWS_MAX)
        return diag_fail(diag, ERR_TOO_BIG, "%zu windows: %u is the most", p->windows,
                         PERPLEXITY_WINDOWS_MAX);
    p->window = calloc(p->windows, sizeof *p->window);
    p->token = malloc(text->tokens * sizeof *p->token);
    if (p->window == NULL || p->token == NULL)
        return diag_fail(diag, -ENOMEM, "windows of a text: out of memory");
    memcpy(p->token, text->token, text->tokens * sizeof *p->token);
    for (size_t w = 0; w < p->windows; w++) {
        struct window *window = &p->window[w];
        place(o, text->tokens, w * all / p->windows, window);
        for (size_t i = window->asked; i < p->rows; i++) {
            const uint32_t *token = p->token + window->first + i;
            const char *bytes;
            window->clean.tokens++;
            if (text->tokenizer != NULL)
                window->clean.bytes += tokenizer_decode(text->tokenizer, token[0], token[1], &bytes);
        }
    }
    return 0;
}

/* ---- memory ---- */

static size_t split_floats(const struct perplexity *p)
{
    return p->windows * p->rows * p->geometry->hidden;
}

static float *activations(const struct perplexity *p, size_t window, uint32_t split)
{
    assert(window < p->windows && split >= p->first && split <= p->last);
    return p->activations + (split - p->first) * split_floats(p) + window * p->rows * p->geometry->hidden;
}

static int take_memory(struct perplexity *p, struct diag *diag)
{
    const size_t splits = p->last - p->first + 1, hidden = p->geometry->hidden, row = hidden * sizeof(float);
    p->together = p->rows < TOGETHER_ROWS ? TOGETHER_ROWS / p->rows : 1;
    if (p->together > p->windows)
        p->together = (uint32_t) p->windows;
    if ((uint64_t) splits * split_floats(p) > PERPLEXITY_BYTES_MAX / sizeof(float))
        return diag_fail(
            diag, ERR_TOO_BIG,
            "activations of %zu tokens at %zu splits: more than %u GiB; take fewer windows or splits",
            p->windows * p->rows, splits, (unsigned) (PERPLEXITY_BYTES_MAX >> 30));
    p->activations = malloc(splits * split_floats(p) * sizeof *p->activations);
    p->mean = calloc(splits * hidden, sizeof *p->mean);
    p->rms = calloc(splits, sizeof *p->rms);
    p->cache = calloc(p->together, sizeof *p->cache);
    p->span = calloc(p->together, sizeof *p->span);
    p->failed = calloc(p->together, sizeof *p->failed);
    p->x = malloc(p->together * p->rows * row);
    p->logits = malloc((size_t) HEAD_ROWS * p->geometry->vocab * sizeof *p->logits);
    p->bytes = malloc(2 * p->rows * row); /* no format is larger than top-k of all columns */
    if (p->activations == NULL || p->mean == NULL || p->rms == NULL || p->cache == NULL || p->span == NULL ||
        p->failed == NULL || p->x == NULL || p->logits == NULL || p->bytes == NULL)
        return diag_fail(diag, -ENOMEM, "activations of %zu tokens: out of memory", p->windows * p->rows);
    int rc = 0;
    for (uint32_t i = 0; i < p->together && rc == 0; i++)
        rc = infer_cache_create(&p->cache[i], p->geometry, 0, p->geometry->layers, p->rows, diag);
    return rc;
}

/* ---- layers and head ---- */

/* Adjacent windows that go through the layers together; p->x has their rows. */
struct group {
    size_t first;
    uint32_t count;
};

static struct group group_from(const struct perplexity *p, size_t first)
{
    size_t left = p->windows - first;
    return (struct group){first, left < p->together ? (uint32_t) left : p->together};
}

static int run_layers(struct perplexity *p, const struct group *group, uint32_t first, uint32_t last,
                      struct diag *diag)
{
    if (first == last)
        return 0;
    for (uint32_t i = 0; i < group->count; i++) {
        infer_cache_cut(p->cache[i], 0);
        p->span[i] = (struct infer_span){p->cache[i], 0, p->rows};
    }
    return infer_layers(p->model, &p->workspace, first, last, p->span, group->count, p->x, p->failed, diag);
}

/* Nats of a window's asked rows; x [rows][hidden] have been through all layers. */
static int score(struct perplexity *p, const struct window *window, const float *x, double *ret_nats,
                 struct diag *diag)
{
    const size_t hidden = p->geometry->hidden, vocab = p->geometry->vocab;
    double sum = 0.0;
    int rc = 0;
    for (size_t from = window->asked; from < p->rows && rc == 0; from += HEAD_ROWS) {
        size_t rows = p->rows - from < HEAD_ROWS ? p->rows - from : HEAD_ROWS;
        rc = infer_head(p->model, &p->workspace, x + from * hidden, rows, p->logits, diag);
        for (size_t r = 0; rc == 0 && r < rows; r++)
            sum +=
                infer_nats(p->logits + r * vocab, p->geometry->vocab, p->token[window->first + from + r + 1]);
    }
    *ret_nats = sum;
    return rc;
}

/* ---- opening ---- */

static int open_group(struct perplexity *p, const struct group *group, struct diag *diag)
{
    const size_t count = p->rows * p->geometry->hidden;
    int rc = 0;
    for (uint32_t i = 0; i < group->count && rc == 0; i++)
        rc = infer_embed(p->model, p->token + p->window[group->first + i].first, p->rows, p->x + i * count,
                         diag);
    for (uint32_t split = 0, next; split <= p->geometry->layers && rc == 0; split = next) {
        if (split >= p->first && split <= p->last)
            memcpy(activations(p, group->first, split), p->x, group->count * count * sizeof *p->x);
        next = split < p->first ? p->first : split < p->last ? split + 1 : p->geometry->layers;
        if (split == p->geometry->layers)
            break;
        rc = run_layers(p, group, split, next, diag);
    }
    for (uint32_t i = 0; i < group->count && rc == 0; i++) {
        struct window *window = &p->window[group->first + i];
        rc = score(p, window, p->x + i * count, &window->clean.nats, diag);
        if (rc == 0 && !isfinite(window->clean.nats))
            rc =
                diag_fail(diag, ERR_RANGE, "tokens from number %zu on: a logit is not finite", window->first);
    }
    return rc;
}

static void sum_up(struct perplexity *p)
{
    const size_t hidden = p->geometry->hidden, rows = p->windows * p->rows;
    for (uint32_t split = p->first; split <= p->last; split++) {
        const float *x = activations(p, 0, split);
        float *mean = p->mean + (split - p->first) * hidden;
        p->rms[split - p->first] = damage_rms(x, rows * hidden);
        for (size_t c = 0; c < hidden; c++) {
            double sum = 0.0;
            for (size_t r = 0; r < rows; r++)
                sum += (double) x[r * hidden + c];
            mean[c] = (float) (sum / (double) rows);
        }
    }
}

static int open_windows(struct perplexity *p, const struct perplexity_options *o, struct diag *diag)
{
    int rc = infer_model_load(p->model, 0, p->geometry->layers, diag);
    if (rc == 0)
        rc = infer_model_load_head(p->model, diag);
    for (size_t w = 0; w < p->windows && rc == 0; w += p->together) {
        const struct group group = group_from(p, w);
        rc = open_group(p, &group, diag);
        if (rc == 0 && o->tell != NULL && !o->tell(o->user, w + group.count, p->windows))
            rc = diag_fail(diag, -EINTR, "interrupted");
    }
    if (rc == 0)
        sum_up(p);
    return rc;
}

int perplexity_open(struct perplexity **ret_perplexity, const struct weights *weights,
                    const struct perplexity_text *text, const struct perplexity_options *options,
                    struct diag *diag)
{
    const struct weights_geometry *g = weights_geometry(weights);
    const struct perplexity_options o = resolve(options, g, text->tokens);
    int rc = check(&o, g, text, diag);
    if (rc != 0)
        return rc;
    struct perplexity *p = calloc(1, sizeof *p);
    if (p == NULL)
        return diag_fail(diag, -ENOMEM, "a measurement of perplexity: out of memory");
    p->geometry = g;
    p->rows = o.window;
    p->first = o.first;
    p->last = o.last;
    rc = cut_windows(p, &o, text, diag);
    if (rc == 0)
        rc = take_memory(p, diag);
    if (rc == 0)
        rc = infer_model_create(&p->model, weights, o.weights, diag);
    if (rc == 0)
        rc = open_windows(p, &o, diag);
    if (rc != 0) {
        perplexity_close(p);
        return rc;
    }
    *ret_perplexity = p;
    return 0;
}

void perplexity_close(struct perplexity *p)
{
    if (p == NULL)
        return;
    for (uint32_t i = 0; p->cache != NULL && i < p->together; i++)
        infer_cache_destroy(p->cache[i]);
    infer_model_destroy(p->model);
    infer_workspace_finish(&p->workspace);
    free(p->token);
    free(p->window);
    free(p->activations);
    free(p->mean);
    free(p->rms);
    free(p->cache);
    free(p->span);
    free(p->failed);
    free(p->x);
    free(p->logits);
    free(p->bytes);
    free(p);
}

/* ---- what was opened ---- */

struct likelihood perplexity_clean(const struct perplexity *p)
{
    struct likelihood sum = {0};
    for (size_t w = 0; w < p->windows; w++)
        likelihood_add(&sum, &p->window[w].clean);
    return sum;
}

struct likelihood perplexity_clean_window(const struct perplexity *p, size_t window)
{
    assert(window < p->windows);
    return p->window[window].clean;
}

size_t perplexity_windows(const struct perplexity *p)
{
    return p->windows;
}

uint32_t perplexity_rows(const struct perplexity *p)
{
    return p->rows;
}

const struct weights_geometry *perplexity_geometry(const struct perplexity *p)
{
    return p->geometry;
}

const uint32_t *perplexity_tokens(const struct perplexity *p, size_t window)
{
    assert(window < p->windows);
    return p->token + p->window[window].first;
}

const float *perplexity_activations(const struct perplexity *p, size_t window, uint32_t split)
{
    return activations(p, window, split);
}

double perplexity_rms(const struct perplexity *p, uint32_t split)
{
    assert(split >= p->first && split <= p->last);
    return p->rms[split - p->first];
}

const float *perplexity_mean(const struct perplexity *p, uint32_t split)
{
    assert(split >= p->first && split <= p->last);
    return p->mean + (size_t) (split - p->first) * p->geometry->hidden;
}

double perplexity_flop(const struct perplexity *p, uint32_t split)
{
    const struct weights_geometry *g = p->geometry;
    const double query = (double) g->heads * g->head_size, key = (double) g->kv_heads * g->head_size;
    const double weights = g->hidden * (2.0 * query + 2.0 * key + 3.0 * g->ff), rows = p->rows;
    assert(split <= g->layers);
    double layer = 2.0 * weights * rows + 4.0 * query * rows * (rows + 1.0) / 2.0;
    double head = 2.0 * g->hidden * (double) g->vocab * (double) perplexity_clean(p).tokens;
    return (double) p->windows * (g->layers - split) * layer + head;
}

/* ---- measuring ---- */

static int check_crossing(const struct perplexity *p, const struct perplexity_crossing *crossing,
                          const struct activation_shape *shape, struct diag *diag)
{
    if (crossing->split < p->first || crossing->split > p->last)
        return diag_fail(diag, ERR_RANGE, "split %u: the activations of splits %u to %u were kept",
                         crossing->split, p->first, p->last);
    int rc = activation_check(shape, diag);
    return rc == 0 ? damage_check(&crossing->damage, shape, diag) : rc;
}

/* A measure on its way. */
struct measure {
    const struct perplexity_crossing *crossing;
    const struct rng_at *at;
    struct activation_shape shape;
    struct perplexity_result result;
    struct likelihood *window; /* [windows], or NULL */
    struct diag *diag;
};

/* One window's rows as the receiver has them. */
static int cross(struct perplexity *p, struct measure *m, size_t number, float *ret_x)
{
    struct rng_at at = *m->at;
    const float *sent = activations(p, number, m->crossing->split);
    size_t size = activation_bytes(m->shape.format, m->shape.rows, m->shape.columns, m->shape.k);
    at.entity += (uint32_t) number;
    int rc = activation_encode(&m->shape, sent, p->bytes, m->diag);
    return rc == 0 ? damage_receive(&m->crossing->damage, &m->shape, &at, p->bytes, size, ret_x,
                                    &m->result.damage, m->diag)
                   : rc;
}

static struct measure measure_of(const struct perplexity *p, const struct perplexity_crossing *crossing,
                                 const struct rng_at *at, struct diag *diag)
{
    return (struct measure){.crossing = crossing,
                            .at = at,
                            .shape = {crossing->format, p->rows, p->geometry->hidden, crossing->k},
                            .diag = diag};
}

int perplexity_receive(struct perplexity *p, const struct perplexity_crossing *crossing,
                       const struct rng_at *at, size_t window, float *ret_x, struct damage_result *damage,
                       struct diag *diag)
{
    struct measure m = measure_of(p, crossing, at, diag);
    assert(window < p->windows);
    int rc = check_crossing(p, crossing, &m.shape, diag);
    if (rc != 0)
        return rc;
    m.result.damage = *damage;
    rc = cross(p, &m, window, ret_x);
    if (rc == 0)
        *damage = m.result.damage;
    return rc;
}

static int settle(struct perplexity *p, struct measure *m, size_t number, const float *x, bool failed)
{
    const struct window *window = &p->window[number];
    struct likelihood found = window->clean;
    int rc = failed ? 0 : score(p, window, x, &found.nats, m->diag);
    if (rc != 0)
        return rc;
    if (failed || !isfinite(found.nats)) {
        found.nats = (double) found.tokens * elementary_log(p->geometry->vocab);
        m->result.failed++;
    }
    likelihood_add(&m->result.likelihood, &found);
    if (m->window != NULL)
        m->window[number] = found;
    return 0;
}

static int measure_group(struct perplexity *p, struct measure *m, const struct group *group)
{
    const size_t count = p->rows * p->geometry->hidden;
    struct diag overflow = {{0}};
    int rc = 0;
    memset(p->failed, 0, p->together * sizeof *p->failed);
    for (uint32_t i = 0; i < group->count && rc == 0; i++)
        rc = cross(p, m, group->first + i, p->x + i * count);
    if (rc != 0)
        return rc;
    rc = run_layers(p, group, m->crossing->split, p->geometry->layers, &overflow);
    if (rc == ERR_RANGE) /* a window whose numbers are not finite: p->failed says which */
        rc = 0;
    if (rc != 0)
        return diag_fail(m->diag, rc, "%s", diag_text(&overflow, rc));
    for (uint32_t i = 0; i < group->count && rc == 0; i++)
        rc = settle(p, m, group->first + i, p->x + i * count, p->failed[i]);
    return rc;
}

int perplexity_measure(struct perplexity *p, const struct perplexity_crossing *crossing,
                       const struct rng_at *at, struct perplexity_result *ret_result,
                       struct likelihood *ret_window, struct diag *diag)
{
    struct measure m = measure_of(p, crossing, at, diag);
    m.window = ret_window;
    int rc = check_crossing(p, crossing, &m.shape, diag);
    for (size_t w = 0; w < p->windows && rc == 0; w += p->together) {
        const struct group group = group_from(p, w);
        rc = measure_group(p, &m, &group);
    }
    if (rc == 0)
        *ret_result = m.result;
    return rc;
}
