#include "core/infer/layers.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/elementary.h"
#include "core/base/err.h"
#include "core/linalg/product.h"
#include "core/linalg/rows.h"

#define ATTENTION_ROWS 32u /* tokens whose scores are computed at once */
#define ALIGNMENT 16u      /* floats */

/* ---- memory ---- */

/* What one call needs; pointers into the workspace. */
struct scratch {
    float *normed; /* [rows][hidden] */
    float *query;  /* [rows][heads * head_size] */
    float *key;    /* [rows][kv_heads * head_size] */
    float *value;  /* the same */
    float *seen;   /* [rows][heads * head_size] what attention gives */
    float *gate;   /* [rows][ff] */
    float *up;     /* [rows][ff] */
    float *turn;   /* [rows][head_size / 2][cos, sin] */
    float *asked;  /* [ATTENTION_ROWS * heads of a group][head_size] */
    float *score;  /* [ATTENTION_ROWS * heads of a group][score_stride] */
    float *part;   /* [ATTENTION_ROWS * heads of a group][head_size] */
    size_t score_stride;
};

struct pass {
    struct infer_model *model;
    const struct weights_geometry *geometry;
    const struct infer_span *span;
    size_t spans, rows;
    bool are_alternatives; /* rows of a span are for the same position, and are not stored */
    float *x;
    bool *failed; /* [spans] */
    struct scratch scratch;
};

void infer_workspace_finish(struct infer_workspace *workspace)
{
    free(workspace->floats);
    *workspace = (struct infer_workspace){.floats = NULL};
}

struct need {
    float **at;
    size_t count;
};
#define NEEDS 11u

/* Tokens that a span's last row sees, itself among them. */
static size_t seen_by(const struct pass *pass, size_t number)
{
    const struct infer_span *span = &pass->span[number];
    return (size_t) span->position + (pass->are_alternatives ? 1 : span->rows);
}

/* What the pass needs, in floats. */
static void list_needs(const struct pass *pass, struct scratch *scratch, struct need ret_need[NEEDS])
{
    const struct weights_geometry *g = pass->geometry;
    size_t rows = pass->rows, longest = 0, block = (size_t) ATTENTION_ROWS * (g->heads / g->kv_heads);
    size_t query = (size_t) g->heads * g->head_size, key = (size_t) g->kv_heads * g->head_size;
    for (size_t s = 0; s < pass->spans; s++)
        if (seen_by(pass, s) > longest)
            longest = seen_by(pass, s);
    scratch->score_stride = (longest + INFER_CACHE_BLOCK - 1) / INFER_CACHE_BLOCK * INFER_CACHE_BLOCK;
    const struct need need[NEEDS] = {
        {&scratch->normed, rows * g->hidden},
        {&scratch->query, rows * query},
        {&scratch->key, rows * key},
        {&scratch->value, rows * key},
        {&scratch->seen, rows * query},
        {&scratch->gate, rows * g->ff},
        {&scratch->up, rows * g->ff},
        {&scratch->turn, rows * g->head_size},
        {&scratch->asked, block * g->head_size},
        {&scratch->score, block * scratch->score_stride},
        {&scratch->part, block * g->head_size},
    };
    memcpy(ret_need, need, sizeof need);
}

static int take_scratch(struct pass *pass, struct infer_workspace *workspace, struct diag *diag)
{
    struct need need[NEEDS];
    size_t total = 0;
    list_needs(pass, &pass->scratch, need);
    for (size_t i = 0; i < NEEDS; i++)
        total += (need[i].count + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    int rc = array_reserve(&workspace->floats, &workspace->capacity, total);
    if (rc != 0)
        return diag_fail(diag, rc, "%zu rows of a model: out of memory", pass->rows);
    float *at = workspace->floats;
    for (size_t i = 0; i < NEEDS; i++) {
        *need[i].at = at;
        at += (need[i].count + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    return 0;
}

/* ---- products ---- */

static void multiply(const struct infer_matrix *matrix, const float *a, size_t rows, float *ret_c)
{
    const struct linalg_packed_product product = {
        .format = matrix->format,
        .rows = rows,
        .columns = matrix->columns,
        .depth = matrix->depth,
        .a = a,
        .a_stride = matrix->depth,
        .packed = matrix->packed,
        .start = matrix->start,
        .c = ret_c,
        .c_stride = matrix->columns,
    };
    linalg_multiply_packed(&product);
}

static void add(float *to, const float *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] += from[i];
}

/* ---- rotation ---- */

static void set_turns(const struct pass *pass)
{
    const struct weights_geometry *g = pass->geometry;
    float *turn = pass->scratch.turn;
    for (size_t s = 0; s < pass->spans; s++)
        for (uint32_t r = 0; r < pass->span[s].rows; r++)
            for (uint32_t j = 0; j < g->head_size / 2; j++, turn += 2) {
                double sine, cosine;
                uint32_t position = pass->span[s].position + (pass->are_alternatives ? 0 : r);
                elementary_sincos(position * pass->model->frequency[j], &sine, &cosine);
                turn[0] = (float) cosine;
                turn[1] = (float) sine;
            }
}

/* Turns all heads of one row; `turn` is the row's. */
static void turn_row(const struct weights_geometry *g, const float *turn, uint32_t heads, float *row)
{
    uint32_t half = g->head_size / 2;
    size_t apart = g->rotary == WEIGHTS_INTERLEAVED ? 1 : half,
           step = g->rotary == WEIGHTS_INTERLEAVED ? 2 : 1;
    for (uint32_t h = 0; h < heads; h++, row += g->head_size)
        for (uint32_t j = 0; j < half; j++) {
            float *pair = row + j * step, x = pair[0], y = pair[apart];
            float cosine = turn[2 * j], sine = turn[2 * j + 1];
            /* Two roundings of products and one of the sum, on every processor: no fused operation. */
            float x_cos = x * cosine, y_sin = y * sine, x_sin = x * sine, y_cos = y * cosine;
            pair[0] = x_cos - y_sin;
            pair[apart] = x_sin + y_cos;
        }
}

static void turn_rows(const struct pass *pass)
{
    const struct weights_geometry *g = pass->geometry;
    const struct scratch *scratch = &pass->scratch;
    for (size_t r = 0; r < pass->rows; r++) {
        const float *turn = scratch->turn + r * g->head_size;
        turn_row(g, turn, g->heads, scratch->query + r * g->heads * g->head_size);
        turn_row(g, turn, g->kv_heads, scratch->key + r * g->kv_heads * g->head_size);
    }
}

/* ---- attention ---- */

/* A number that is not finite has all bits of its exponent set. */
static bool are_finite(const float *x, size_t count)
{
    uint32_t bad = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bad |= (uint32_t) ((bits & 0x7f800000u) == 0x7f800000u);
    }
    return bad == 0;
}

/* Rows of a span within the pass. */
static size_t first_row(const struct pass *pass, size_t number)
{
    size_t first = 0;
    for (size_t s = 0; s < number; s++)
        first += pass->span[s].rows;
    return first;
}

/* A span whose keys or values are no numbers goes on with zeros, so that its cache keeps nothing else. */
static void judge(const struct pass *pass, size_t number, size_t first)
{
    const struct weights_geometry *g = pass->geometry;
    size_t width = (size_t) g->kv_heads * g->head_size, count = pass->span[number].rows * width;
    float *key = pass->scratch.key + first * width, *value = pass->scratch.value + first * width;
    if (are_finite(key, count) && are_finite(value, count))
        return;
    pass->failed[number] = true;
    memset(key, 0, count * sizeof *key);
    memset(value, 0, count * sizeof *value);
}

static void store(const struct pass *pass, const struct infer_span *span, size_t first, uint32_t layer)
{
    size_t size = pass->geometry->head_size, width = pass->geometry->kv_heads * size;
    for (uint32_t r = 0; r < span->rows; r++)
        for (uint32_t h = 0; h < pass->geometry->kv_heads; h++)
            infer_cache_store(span->cache, layer, h, span->position + r,
                              pass->scratch.key + (first + r) * width + h * size,
                              pass->scratch.value + (first + r) * width + h * size);
}

/* Rows of one span that look at their scores together, for one head of keys and values. */
struct block {
    const struct infer_span *span;
    size_t row;     /* of the pass */
    uint32_t first; /* the first row's position */
    uint32_t rows;
    uint32_t layer, head;
};

/* asked[rows][group][head_size] = the queries of the group, scaled. */
static void gather_queries(const struct pass *pass, const struct block *block)
{
    const struct weights_geometry *g = pass->geometry;
    size_t size = g->head_size, group = g->heads / g->kv_heads;
    float scale = 1.0f / sqrtf((float) g->head_size), *to = pass->scratch.asked;
    for (size_t r = 0; r < block->rows; r++) {
        const float *from = pass->scratch.query + ((block->row + r) * g->heads + block->head * group) * size;
        for (size_t i = 0; i < group * size; i++)
            *to++ = from[i] * scale;
    }
}

/* Adding 0 makes -0 a 0: whether a chain goes on with zero weights can be seen nowhere. */
static void scatter_seen(const struct pass *pass, const struct block *block)
{
    const struct weights_geometry *g = pass->geometry;
    size_t size = g->head_size, group = g->heads / g->kv_heads;
    const float *from = pass->scratch.part;
    for (size_t r = 0; r < block->rows; r++) {
        float *to = pass->scratch.seen + ((block->row + r) * g->heads + block->head * group) * size;
        for (size_t i = 0; i < group * size; i++)
            to[i] = *from++ + 0.0f;
    }
}

/* Each row sees the tokens up to itself; the rest of its scores is minus infinity, and its weight 0. */
static void weigh(const struct pass *pass, const struct block *block, size_t columns)
{
    size_t group = pass->geometry->heads / pass->geometry->kv_heads, stride = pass->scratch.score_stride;
    for (size_t r = 0; r < block->rows * group; r++) {
        float *score = pass->scratch.score + r * stride;
        for (size_t t = block->first + r / group + 1; t < columns; t++)
            score[t] = -INFINITY;
        linalg_softmax(columns, score);
    }
}

/* Of whole blocks of tokens: what lies behind the last token is finite and is not looked at. */
static void score(const struct pass *pass, const struct block *block, size_t rows, size_t columns)
{
    const struct scratch *scratch = &pass->scratch;
    linalg_multiply_packed(&(struct linalg_packed_product){
        .format = LINALG_F32,
        .rows = rows,
        .columns = (columns + INFER_CACHE_BLOCK - 1) / INFER_CACHE_BLOCK * INFER_CACHE_BLOCK,
        .depth = pass->geometry->head_size,
        .a = scratch->asked,
        .a_stride = pass->geometry->head_size,
        .packed = infer_cache_keys(block->span->cache, block->layer, block->head),
        .c = scratch->score,
        .c_stride = scratch->score_stride,
    });
}

static void attend_block(const struct pass *pass, const struct block *block)
{
    const struct scratch *scratch = &pass->scratch;
    size_t size = pass->geometry->head_size, group = pass->geometry->heads / pass->geometry->kv_heads;
    size_t columns = (size_t) block->first + block->rows, rows = block->rows * group;
    gather_queries(pass, block);
    score(pass, block, rows, columns);
    weigh(pass, block, columns);
    linalg_multiply(&(struct linalg_product){
        .rows = rows,
        .columns = size,
        .depth = columns,
        .a = {scratch->score, scratch->score_stride, 1},
        .b = {infer_cache_values(block->span->cache, block->layer, block->head), size, 1},
        .c = scratch->part,
        .c_stride = size,
    });
    scatter_seen(pass, block);
}

/* ---- alternatives ---- */

/* The last step of each row's chains: its own key and value, which are in no cache. */
static void score_itself(const struct pass *pass, const struct block *block)
{
    const struct weights_geometry *g = pass->geometry;
    size_t size = g->head_size, group = g->heads / g->kv_heads, stride = pass->scratch.score_stride;
    for (size_t r = 0; r < block->rows; r++) {
        const float *key = pass->scratch.key + ((block->row + r) * g->kv_heads + block->head) * size;
        float *scores = pass->scratch.score + r * group * stride;
        linalg_multiply(&(struct linalg_product){
            .rows = group,
            .columns = 1,
            .depth = size,
            .a = {pass->scratch.asked + r * group * size, size, 1},
            .b = {key, 1, 1},
            .c = scores + block->first,
            .c_stride = stride,
        });
        for (size_t h = 0; h < group; h++)
            linalg_softmax((size_t) block->first + 1, scores + h * stride);
    }
}

/* The queries are not needed any more: their place takes what is seen, before it goes where it belongs. */
static void see_itself(const struct pass *pass, const struct block *block)
{
    const struct weights_geometry *g = pass->geometry;
    size_t size = g->head_size, group = g->heads / g->kv_heads, stride = pass->scratch.score_stride;
    for (size_t r = 0; r < block->rows * group; r++)
        linalg_multiply(&(struct linalg_product){
            .rows = 1,
            .columns = size,
            .depth = 1,
            .a = {pass->scratch.score + r * stride + block->first, 1, 1},
            .b = {pass->scratch.value + ((block->row + r / group) * g->kv_heads + block->head) * size, size,
                  1},
            .start = pass->scratch.part + r * size,
            .c = pass->scratch.asked + r * size,
            .c_stride = size,
        });
    memcpy(pass->scratch.part, pass->scratch.asked, block->rows * group * size * sizeof *pass->scratch.part);
}

static void attend_alternatives(const struct pass *pass, const struct block *block)
{
    const struct scratch *scratch = &pass->scratch;
    size_t size = pass->geometry->head_size, group = pass->geometry->heads / pass->geometry->kv_heads;
    size_t rows = block->rows * group;
    gather_queries(pass, block);
    if (block->first > 0)
        score(pass, block, rows, block->first);
    score_itself(pass, block);
    memset(scratch->part, 0, rows * size * sizeof *scratch->part);
    if (block->first > 0)
        linalg_multiply(&(struct linalg_product){
            .rows = rows,
            .columns = size,
            .depth = block->first,
            .a = {scratch->score, scratch->score_stride, 1},
            .b = {infer_cache_values(block->span->cache, block->layer, block->head), size, 1},
            .c = scratch->part,
            .c_stride = size,
        });
    see_itself(pass, block);
    scatter_seen(pass, block);
}

static void attend(const struct pass *pass, uint32_t layer)
{
    size_t first = 0;
    for (size_t s = 0; s < pass->spans; first += pass->span[s].rows, s++) {
        const struct infer_span *span = &pass->span[s];
        judge(pass, s, first);
        if (!pass->are_alternatives)
            store(pass, span, first, layer);
        for (uint32_t head = 0; head < pass->geometry->kv_heads; head++)
            for (uint32_t r = 0; r < span->rows; r += ATTENTION_ROWS) {
                uint32_t left = span->rows - r;
                const struct block block = {
                    .span = span,
                    .row = first + r,
                    .first = span->position + (pass->are_alternatives ? 0 : r),
                    .rows = left < ATTENTION_ROWS ? left : ATTENTION_ROWS,
                    .layer = layer,
                    .head = head,
                };
                if (pass->are_alternatives)
                    attend_alternatives(pass, &block);
                else
                    attend_block(pass, &block);
            }
    }
}

/* ---- a layer ---- */

static void norm_rows(const struct weights_geometry *g, size_t rows, const float *x, const float *gain,
                      float *ret_y)
{
    linalg_rms_norm(&(struct linalg_rms_norm){
        .rows = rows,
        .columns = g->hidden,
        .x = x,
        .x_stride = g->hidden,
        .gain = gain,
        .epsilon = g->norm_epsilon,
        .y = ret_y,
        .y_stride = g->hidden,
    });
}

static void norm(const struct pass *pass, const float *gain)
{
    norm_rows(pass->geometry, pass->rows, pass->x, gain, pass->scratch.normed);
}

static void run_layer(const struct pass *pass, uint32_t number)
{
    const struct infer_layer *layer = &pass->model->layer[number];
    const struct scratch *scratch = &pass->scratch;
    size_t rows = pass->rows, count = rows * pass->geometry->hidden;
    norm(pass, layer->attention_norm);
    multiply(&layer->query, scratch->normed, rows, scratch->query);
    multiply(&layer->key, scratch->normed, rows, scratch->key);
    multiply(&layer->value, scratch->normed, rows, scratch->value);
    turn_rows(pass);
    attend(pass, number);
    multiply(&layer->output, scratch->seen, rows, scratch->normed);
    add(pass->x, scratch->normed, count);
    norm(pass, layer->ff_norm);
    multiply(&layer->gate, scratch->normed, rows, scratch->gate);
    multiply(&layer->up, scratch->normed, rows, scratch->up);
    linalg_silu_product(rows * pass->geometry->ff, scratch->gate, scratch->up);
    multiply(&layer->down, scratch->gate, rows, scratch->normed);
    add(pass->x, scratch->normed, count);
}

/* ---- a call ---- */

static int check_span(const struct pass *pass, size_t number, uint32_t first, uint32_t last,
                      struct diag *diag)
{
    const struct infer_span *span = &pass->span[number];
    const struct infer_cache *cache = span->cache;
    assert(first >= cache->first && last <= cache->last);
    assert(cache->kv_heads == pass->geometry->kv_heads && cache->head_size == pass->geometry->head_size);
    if (span->rows == 0 || seen_by(pass, number) > cache->capacity)
        return diag_fail(diag, ERR_RANGE, "%u tokens from position %u on: there is room for %u", span->rows,
                         span->position, cache->capacity);
    for (uint32_t l = first; l < last; l++)
        if (cache->tokens[l - cache->first] != span->position)
            return diag_fail(diag, ERR_STATE, "tokens from position %u on: layer %u has seen %u",
                             span->position, l, cache->tokens[l - cache->first]);
    for (size_t s = 0; s < number; s++)
        if (pass->span[s].cache == cache)
            return diag_fail(diag, ERR_STATE, "two spans of one request in one call");
    return 0;
}

static int check_spans(struct pass *pass, uint32_t first, uint32_t last, struct diag *diag)
{
    int rc = 0;
    for (size_t s = 0; s < pass->spans && rc == 0; s++) {
        rc = check_span(pass, s, first, last, diag);
        pass->rows += pass->span[s].rows;
        if (rc == 0 && pass->rows > INFER_ROWS_MAX)
            rc = diag_fail(diag, ERR_RANGE, "more than %u rows in one call", INFER_ROWS_MAX);
    }
    return rc;
}

/* Stores what went well, and says of the first that did not. */
static int settle(const struct pass *pass, uint32_t first, uint32_t last, struct diag *diag)
{
    size_t hidden = pass->geometry->hidden;
    int rc = 0;
    for (size_t s = 0; s < pass->spans; s++) {
        const struct infer_span *span = &pass->span[s];
        float *x = pass->x + first_row(pass, s) * hidden;
        if (!pass->failed[s] && are_finite(x, span->rows * hidden)) {
            for (uint32_t l = first; l < last && !pass->are_alternatives; l++)
                span->cache->tokens[l - span->cache->first] = span->position + span->rows;
            continue;
        }
        pass->failed[s] = true;
        memset(x, 0, span->rows * hidden * sizeof *x);
        if (rc == 0)
            rc =
                diag_fail(diag, ERR_RANGE,
                          "request %zu, tokens from position %u on: a value in layers %u to %u is not finite",
                          s, span->position, first, last);
    }
    return rc;
}

static int run_pass(struct pass *pass, struct infer_workspace *workspace, uint32_t first, uint32_t last,
                    struct diag *diag)
{
    int rc = check_spans(pass, first, last, diag);
    if (rc == 0)
        rc = infer_model_load(pass->model, first, last, diag);
    if (rc == 0)
        rc = take_scratch(pass, workspace, diag);
    if (rc != 0)
        return rc;
    memset(pass->failed, 0, pass->spans * sizeof *pass->failed);
    set_turns(pass);
    for (uint32_t l = first; l < last; l++)
        run_layer(pass, l);
    return settle(pass, first, last, diag);
}

static int run(struct pass *pass, struct infer_workspace *workspace, uint32_t first, uint32_t last,
               bool *ret_failed, struct diag *diag)
{
    if (pass->spans == 0)
        return 0;
    pass->failed = calloc(pass->spans, sizeof *pass->failed);
    if (pass->failed == NULL)
        return diag_fail(diag, -ENOMEM, "%zu requests: out of memory", pass->spans);
    memset(pass->failed, 1, pass->spans * sizeof *pass->failed);
    int rc = run_pass(pass, workspace, first, last, diag);
    if (ret_failed != NULL)
        memcpy(ret_failed, pass->failed, pass->spans * sizeof *ret_failed);
    free(pass->failed);
    return rc;
}

int infer_layers(struct infer_model *model, struct infer_workspace *workspace, uint32_t first, uint32_t last,
                 const struct infer_span *span, size_t spans, float *x, bool *ret_failed, struct diag *diag)
{
    struct pass pass = {.model = model, .geometry = model->geometry, .span = span, .spans = spans, .x = x};
    return run(&pass, workspace, first, last, ret_failed, diag);
}

int infer_alternatives(struct infer_model *model, struct infer_workspace *workspace, uint32_t first,
                       uint32_t last, struct infer_cache *cache, uint32_t rows, float *x, struct diag *diag)
{
    const struct infer_span span = {cache, infer_cache_tokens(cache), rows};
    struct pass pass = {.model = model,
                        .geometry = model->geometry,
                        .span = &span,
                        .spans = 1,
                        .are_alternatives = true,
                        .x = x};
    return run(&pass, workspace, first, last, NULL, diag);
}

int infer_embed(const struct infer_model *model, const uint32_t *token, size_t tokens, float *ret_x,
                struct diag *diag)
{
    struct weights_tensor tensor;
    int rc = weights_find(model->weights, WEIGHTS_EMBEDDING, 0, &tensor);
    assert(rc == 0); /* every model has one */
    for (size_t i = 0; i < tokens; i++)
        if (token[i] >= model->geometry->vocab)
            return diag_fail(diag, ERR_RANGE, "token %zu: %u is not below the vocabulary's %u", i, token[i],
                             model->geometry->vocab);
    for (size_t i = 0; i < tokens; i++)
        weights_read_rows(&tensor, token[i], 1, ret_x + i * model->geometry->hidden);
    return rc;
}

int infer_head(struct infer_model *model, struct infer_workspace *workspace, const float *x, size_t rows,
               float *ret_logits, struct diag *diag)
{
    size_t hidden = model->geometry->hidden;
    int rc = infer_model_load_head(model, diag);
    if (rc != 0)
        return rc;
    rc = array_reserve(&workspace->floats, &workspace->capacity, rows * hidden);
    if (rc != 0)
        return diag_fail(diag, rc, "%zu rows of a model: out of memory", rows);
    norm_rows(model->geometry, rows, x, model->final_norm, workspace->floats);
    multiply(&model->head, workspace->floats, rows, ret_logits);
    return 0;
}

#define NATS_PARTS 8u

static double sum_of(const float *e, size_t count)
{
    double part[NATS_PARTS] = {0.0};
    size_t whole = count / NATS_PARTS * NATS_PARTS;
    for (size_t i = 0; i < whole; i += NATS_PARTS)
        for (size_t r = 0; r < NATS_PARTS; r++)
            part[r] += (double) e[i + r];
    for (size_t i = whole; i < count; i++)
        part[i - whole] += (double) e[i];
    for (size_t half = NATS_PARTS / 2; half > 0; half /= 2)
        for (size_t r = 0; r < half; r++)
            part[r] += part[r + half];
    return part[0];
}

double infer_nats(float *logits, uint32_t vocab, uint32_t token)
{
    float most = logits[0];
    assert(token < vocab);
    for (uint32_t i = 1; i < vocab; i++)
        most = logits[i] > most ? logits[i] : most;
    for (uint32_t i = 0; i < vocab; i++)
        logits[i] -= most;
    double behind = -(double) logits[token];
    linalg_exp(vocab, logits, logits);
    return elementary_log(sum_of(logits, vocab)) + behind;
}

uint32_t infer_greedy(const float *logits, uint32_t vocab)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < vocab; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}
