/* A row's result depends on its own tokens alone: every split, cut, company, format and vector path gives the same bits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/infer/layers.h"
#include "core/linalg/vector_path.h"
#include "tests/unit/infer/small_model.h"

#define TOKENS 41u
#define LOGITS ((size_t) TOKENS * SMALL_VOCAB)

/* How one prompt is computed. */
struct way {
    uint32_t split;   /* layers below are computed with a cache of their own */
    uint32_t portion; /* tokens of a call; the last may be shorter */
    uint32_t company; /* requests beside ours in each call */
    uint32_t ours;    /* our place among them */
};

struct bench {
    struct weights *weights;
    struct infer_model *model;
    struct infer_workspace workspace;
    uint32_t token[TOKENS];
    float logits[LOGITS];
};

static struct bench *open_bench(enum infer_weights format)
{
    struct bench *bench = calloc(1, sizeof *bench);
    struct diag diag = {{0}};
    assert_non_null(bench);
    bench->weights = small_model_open(7);
    if (infer_model_create(&bench->model, bench->weights, format, &diag) != 0)
        fail_msg("%s", diag.text);
    for (uint32_t t = 0; t < TOKENS; t++)
        bench->token[t] = small_model_token(1, t);
    return bench;
}

static void close_bench(struct bench *bench)
{
    infer_model_destroy(bench->model);
    infer_workspace_finish(&bench->workspace);
    weights_close(bench->weights);
    free(bench);
}

static struct infer_cache *open_cache(const struct bench *bench, uint32_t first, uint32_t last)
{
    struct infer_cache *cache = NULL;
    struct diag diag = {{0}};
    if (infer_cache_create(&cache, bench->model->geometry, first, last, SMALL_CONTEXT, &diag) != 0)
        fail_msg("%s", diag.text);
    return cache;
}

#define COMPANY_MAX 4u

/* Our request and those beside it, with a cache below the split and one from it on. */
struct requests {
    struct infer_cache *cache[2][COMPANY_MAX];
    uint32_t count;
};

static void open_requests(const struct bench *bench, const struct way *way, struct requests *requests)
{
    *requests = (struct requests){.count = way->company + 1};
    for (uint32_t i = 0; i < requests->count; i++) {
        if (way->split > 0)
            requests->cache[0][i] = open_cache(bench, 0, way->split);
        if (way->split < SMALL_LAYERS)
            requests->cache[1][i] = open_cache(bench, way->split, SMALL_LAYERS);
    }
}

static void close_requests(struct requests *requests)
{
    for (uint32_t i = 0; i < requests->count; i++) {
        infer_cache_destroy(requests->cache[0][i]);
        infer_cache_destroy(requests->cache[1][i]);
    }
}

/* Others' portions have other lengths and so other positions than ours. */
static uint32_t rows_of(const struct way *way, uint32_t request, uint32_t rows)
{
    return request == way->ours ? rows : 1 + request % 2;
}

static void half(struct bench *bench, uint32_t first, uint32_t last, const struct infer_span *span,
                 size_t spans, float *x)
{
    struct diag diag = {{0}};
    bool failed[COMPANY_MAX];
    if (first < last &&
        infer_layers(bench->model, &bench->workspace, first, last, span, spans, x, failed, &diag) != 0)
        fail_msg("%s", diag.text);
}

/* One call for `rows` of our tokens from `position` on; logits of ours. */
static void step(struct bench *bench, const struct way *way, const struct requests *requests,
                 uint32_t position, uint32_t rows, uint32_t call)
{
    static float x[(TOKENS + 2 * COMPANY_MAX) * SMALL_HIDDEN];
    struct infer_span span[2][COMPANY_MAX];
    uint32_t used = 0, ours = 0;
    for (uint32_t i = 0; i < requests->count; i++) {
        uint32_t count = rows_of(way, i, rows), from = i == way->ours ? position : call * count,
                 token[TOKENS];
        for (uint32_t t = 0; t < count; t++)
            token[t] = i == way->ours ? bench->token[position + t] : small_model_token(50 + i, from + t);
        for (size_t h = 0; h < 2; h++)
            span[h][i] = (struct infer_span){requests->cache[h][i], from, count};
        assert_int_equal(infer_embed(bench->model, token, count, x + (size_t) used * SMALL_HIDDEN, NULL), 0);
        ours = i == way->ours ? used : ours;
        used += count;
    }
    half(bench, 0, way->split, span[0], requests->count, x);
    half(bench, way->split, SMALL_LAYERS, span[1], requests->count, x);
    assert_int_equal(infer_head(bench->model, &bench->workspace, x + (size_t) ours * SMALL_HIDDEN, rows,
                                bench->logits + (size_t) position * SMALL_VOCAB, NULL),
                     0);
}

static void play(struct bench *bench, const struct way *way)
{
    struct requests requests;
    open_requests(bench, way, &requests);
    memset(bench->logits, 0xff, sizeof bench->logits);
    for (uint32_t position = 0, call = 0; position < TOKENS; position += way->portion, call++) {
        uint32_t left = TOKENS - position;
        step(bench, way, &requests, position, left < way->portion ? left : way->portion, call);
    }
    close_requests(&requests);
}

static void the_logits_are_those_of_a_plain_program(void **state)
{
    (void) state;
    static double wanted[LOGITS];
    struct bench *bench = open_bench(INFER_STORED);
    const struct way way = {.split = 1, .portion = 7};
    small_model_oracle(bench->weights, bench->token, TOKENS, wanted);
    play(bench, &way);
    for (size_t i = 0; i < LOGITS; i++)
        if (!(fabs((double) bench->logits[i] - wanted[i]) <= 2e-4 * (1.0 + fabs(wanted[i]))))
            fail_msg("logit %zu is %.7g, not %.7g", i, (double) bench->logits[i], wanted[i]);
    close_bench(bench);
}

/* All ways for one format on the vector path in use, beside the logits of the first. */
static void try_ways(struct bench *bench, float *wanted, bool *is_known)
{
    static const uint32_t portions[] = {TOKENS, 1, 2, 3, 16, 33};
    for (uint32_t split = 0; split <= SMALL_LAYERS; split++)
        for (size_t p = 0; p < sizeof portions / sizeof *portions; p++)
            for (uint32_t company = 0; company < COMPANY_MAX; company += 3) {
                const struct way way = {split, portions[p], company, company > 0 ? split % company : 0};
                play(bench, &way);
                if (!*is_known)
                    memcpy(wanted, bench->logits, sizeof bench->logits);
                *is_known = true;
                if (memcmp(wanted, bench->logits, sizeof bench->logits) != 0)
                    fail_msg("other bits on %s with split %u, %u tokens a call, %u requests beside it",
                             linalg_vector_path(), split, portions[p], company);
            }
}

/* FNV-1a, 64 bits. */
static uint64_t digest_of(const void *bytes, size_t size)
{
    uint64_t digest = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++)
        digest = (digest ^ ((const uint8_t *) bytes)[i]) * 0x100000001b3u;
    return digest;
}

/* Those of every processor: they change with LINALG_ARITHMETIC alone. */
static const uint64_t digests[INFER_WEIGHTS_FORMATS] = {
    [INFER_STORED] = 0x785dbe2d0cd03690u,
    [INFER_F32] = 0x785dbe2d0cd03690u,
    [INFER_Q8] = 0x2e045a564d9ad44bu,
    [INFER_Q4] = 0x9ada1b6f6d0fdff1u,
};

static void a_row_has_the_same_bits_at_every_split_cut_and_company_in_every_format(void **state)
{
    (void) state;
    static float wanted[LOGITS];
    const char *path[LINALG_PATHS_MAX];
    size_t paths = linalg_vector_paths(path);
    for (size_t f = 0; f < INFER_WEIGHTS_FORMATS; f++) {
        bool is_known = false;
        for (size_t i = 0; i < paths; i++) {
            assert_int_equal(linalg_vector_choose(path[i], NULL), 0);
            struct bench *bench = open_bench((enum infer_weights) f);
            try_ways(bench, wanted, &is_known);
            close_bench(bench);
        }
        if (digest_of(wanted, sizeof wanted) != digests[f])
            fail_msg("%s: digest 0x%016llx", infer_weights_name((enum infer_weights) f),
                     (unsigned long long) digest_of(wanted, sizeof wanted));
    }
    assert_int_equal(linalg_vector_choose(NULL, NULL), 0);
}

static void formats_of_weights_differ_a_little(void **state)
{
    (void) state;
    const struct way way = {.portion = TOKENS};
    static const double most[INFER_WEIGHTS_FORMATS] = {
        [INFER_F32] = 0.0, [INFER_Q8] = 0.05, [INFER_Q4] = 0.9};
    struct bench *exact = open_bench(INFER_STORED);
    play(exact, &way);
    double scale = 0.0;
    for (size_t i = 0; i < LOGITS; i++)
        scale += (double) exact->logits[i] * (double) exact->logits[i] / LOGITS;
    for (size_t f = INFER_F32; f < INFER_WEIGHTS_FORMATS; f++) {
        struct bench *bench = open_bench((enum infer_weights) f);
        double error = 0.0;
        play(bench, &way);
        for (size_t i = 0; i < LOGITS; i++)
            error += pow((double) bench->logits[i] - (double) exact->logits[i], 2.0) / LOGITS;
        assert_true(sqrt(error / scale) <= most[f]);
        assert_true(f == INFER_F32 || error > 0.0);
        close_bench(bench);
    }
    close_bench(exact);
}

static void keys_and_values_move_to_another_cache(void **state)
{
    (void) state;
    static float wanted[LOGITS], moved[2 * SMALL_LAYERS * TOKENS * SMALL_HIDDEN];
    struct bench *bench = open_bench(INFER_STORED);
    const struct way way = {.portion = 10};
    struct requests requests;
    play(bench, &way);
    memcpy(wanted, bench->logits, sizeof wanted);
    open_requests(bench, &way, &requests);
    step(bench, &way, &requests, 0, 20, 0);
    const struct infer_cache_part part[] = {{0, 2, 0, 20}, {2, 3, 0, 9}, {2, 3, 9, 20}, {0, 3, 0, 21}};
    struct infer_cache *other = open_cache(bench, 0, SMALL_LAYERS);
    struct diag diag = {{0}};
    const struct infer_cache_part nothing = {1, 2, 7, 7};
    assert_int_equal(infer_cache_floats(other, &nothing), 0);
    assert_int_equal(infer_cache_floats(other, &part[1]),
                     9 * SMALL_HIDDEN); /* half as wide, keys and values */
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(infer_cache_export(requests.cache[1][0], &part[i], moved, &diag), 0);
        assert_int_equal(infer_cache_import(other, &part[i], moved, &diag), 0);
    }
    assert_int_equal(infer_cache_tokens(other), 20);
    assert_int_equal(infer_cache_export(requests.cache[1][0], &part[3], moved, &diag), ERR_RANGE);
    const struct infer_cache_part gap = {0, 3, 21, 22}, beyond = {0, 3, 20, SMALL_CONTEXT + 1};
    assert_int_equal(infer_cache_import(other, &gap, moved, &diag), ERR_RANGE);
    assert_int_equal(infer_cache_import(other, &beyond, moved, &diag), ERR_RANGE);
    moved[3] = INFINITY;
    const struct infer_cache_part again = {0, 1, 5, 6};
    assert_int_equal(infer_cache_import(other, &again, moved, &diag), ERR_RANGE);
    assert_int_equal(infer_cache_tokens(other), 20);
    infer_cache_destroy(requests.cache[1][0]);
    requests.cache[1][0] = other;
    step(bench, &way, &requests, 20, TOKENS - 20, 0);
    assert_memory_equal(wanted + 20 * SMALL_VOCAB, bench->logits + 20 * SMALL_VOCAB,
                        (TOKENS - 20) * SMALL_VOCAB * sizeof(float));
    close_requests(&requests);
    close_bench(bench);
}

static void what_was_cut_off_is_computed_anew(void **state)
{
    (void) state;
    static float wanted[LOGITS];
    struct bench *bench = open_bench(INFER_Q8);
    const struct way way = {.portion = TOKENS, .split = 2};
    struct requests requests;
    play(bench, &way);
    memcpy(wanted, bench->logits, sizeof wanted);
    open_requests(bench, &way, &requests);
    uint32_t kept = bench->token[30];
    bench->token[30] = (kept + 1) % SMALL_VOCAB; /* a guess that turns out to be wrong */
    step(bench, &way, &requests, 0, 36, 0);
    bench->token[30] = kept;
    assert_memory_not_equal(wanted + 30 * SMALL_VOCAB, bench->logits + 30 * SMALL_VOCAB,
                            SMALL_VOCAB * sizeof(float));
    infer_cache_cut(requests.cache[0][0], 30);
    infer_cache_cut(requests.cache[1][0], 30);
    step(bench, &way, &requests, 30, TOKENS - 30, 0);
    assert_memory_equal(wanted, bench->logits, sizeof wanted);
    close_requests(&requests);
    close_bench(bench);
}

static void a_value_that_is_no_number_fails_its_request_alone(void **state)
{
    (void) state;
    static float x[6 * SMALL_HIDDEN], alone[2 * SMALL_HIDDEN];
    struct bench *bench = open_bench(INFER_STORED);
    struct infer_cache *cache[3], *other = open_cache(bench, 0, SMALL_LAYERS);
    struct infer_span span[3];
    struct diag diag = {{0}};
    bool failed[3];
    for (uint32_t i = 0; i < 3; i++) {
        cache[i] = open_cache(bench, 0, SMALL_LAYERS);
        span[i] = (struct infer_span){cache[i], 0, 2};
    }
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(infer_embed(bench->model, bench->token, 2, x + 2 * i * SMALL_HIDDEN, NULL), 0);
    memcpy(alone, x, sizeof alone);
    x[3 * SMALL_HIDDEN + 5] = NAN;
    assert_int_equal(infer_layers(bench->model, &bench->workspace, 0, 3, span, 3, x, failed, &diag),
                     ERR_RANGE);
    assert_non_null(strstr(diag.text, "request 1"));
    assert_true(!failed[0] && failed[1] && !failed[2]);
    const struct infer_span single = {other, 0, 2};
    assert_int_equal(infer_layers(bench->model, &bench->workspace, 0, 3, &single, 1, alone, failed, &diag),
                     0);
    assert_memory_equal(alone, x, sizeof alone);
    assert_memory_equal(alone, x + 4 * SMALL_HIDDEN, sizeof alone);
    for (uint32_t i = 2 * SMALL_HIDDEN; i < 4 * SMALL_HIDDEN; i++)
        assert_true(x[i] == 0.0f);
    assert_int_equal(infer_cache_tokens(cache[0]), 2);
    assert_int_equal(infer_cache_tokens(cache[1]), 0);
    for (uint32_t i = 0; i < 3; i++)
        infer_cache_destroy(cache[i]);
    infer_cache_destroy(other);
    close_bench(bench);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void) state;
    static float x[(SMALL_CONTEXT + 1) * SMALL_HIDDEN];
    struct bench *bench = open_bench(INFER_STORED);
    struct infer_cache *cache = open_cache(bench, 0, SMALL_LAYERS);
    struct diag diag = {{0}};
    bool failed[2] = {false, false};
    const struct infer_span late = {cache, 1, 1}, none = {cache, 0, 0},
                            long_one = {cache, 0, SMALL_CONTEXT + 1};
    const struct infer_span twice[] = {{cache, 0, 1}, {cache, 0, 1}};
    const uint32_t unknown = SMALL_VOCAB;
    assert_int_equal(infer_layers(bench->model, &bench->workspace, 0, 3, &late, 1, x, failed, &diag),
                     ERR_STATE);
    assert_non_null(strstr(diag.text, "from position 1 on: layer 0 has seen 0"));
    assert_true(failed[0]);
    assert_int_equal(infer_layers(bench->model, &bench->workspace, 0, 3, &none, 1, x, failed, &diag),
                     ERR_RANGE);
    assert_int_equal(infer_layers(bench->model, &bench->workspace, 0, 3, &long_one, 1, x, failed, &diag),
                     ERR_RANGE);
    assert_int_equal(infer_layers(bench->model, &bench->workspace, 0, 3, twice, 2, x, failed, &diag),
                     ERR_STATE);
    assert_true(failed[0] && failed[1]);
    assert_int_equal(infer_embed(bench->model, &unknown, 1, x, &diag), ERR_RANGE);
    infer_cache_destroy(cache);
    cache = NULL;
    assert_int_equal(infer_cache_create(&cache, bench->model->geometry, 1, 1, 4, &diag), ERR_RANGE);
    assert_int_equal(infer_cache_create(&cache, bench->model->geometry, 0, 4, 4, &diag), ERR_RANGE);
    assert_int_equal(infer_cache_create(&cache, bench->model->geometry, 0, 3, SMALL_CONTEXT + 1, &diag),
                     ERR_RANGE);
    close_bench(bench);
}

static void only_layers_that_are_used_are_loaded(void **state)
{
    (void) state;
    struct bench *bench = open_bench(INFER_STORED);
    struct infer_cache *cache = open_cache(bench, 1, 2);
    const struct infer_span span = {cache, 0, 1};
    float x[SMALL_HIDDEN] = {1.0f};
    assert_int_equal(bench->model->bytes, 0);
    assert_int_equal(infer_layers(bench->model, &bench->workspace, 1, 2, &span, 1, x, NULL, NULL), 0);
    assert_true(!bench->model->layer[0].is_loaded && bench->model->layer[1].is_loaded);
    size_t one = bench->model->bytes;
    const size_t weights = 2 * SMALL_HIDDEN * (SMALL_HIDDEN + SMALL_HIDDEN / 2) + 3 * SMALL_HIDDEN * SMALL_FF;
    assert_true(one >= weights * sizeof(float) && one <= weights * sizeof(float) * 5 / 4);
    assert_int_equal(infer_model_load(bench->model, 0, 3, NULL), 0);
    assert_int_equal(bench->model->bytes, 3 * one);
    infer_cache_destroy(cache);
    close_bench(bench);
}

/* ---- memory ---- */

#if defined(__SANITIZE_ADDRESS__)
#define COUNTS_MEMORY 0 /* it keeps what was freed */
#else
#define COUNTS_MEMORY 1
#endif

static size_t resident_bytes(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*u %lu", &pages), 1);
    assert_int_equal(fclose(file), 0);
    return (size_t) pages * (size_t) sysconf(_SC_PAGESIZE);
}

/* Zeros, on a disk that keeps none: 13 MB a layer. */
static struct weights *open_large(uint32_t layers)
{
    char path[] = "/tmp/handoff-large-model-XXXXXX";
    enum { D = 512, FF = 1408, HEADS = 8, VOCAB = 256, CONTEXT = 64 };
    const int32_t header[] = {D, FF, (int32_t) layers, HEADS, HEADS, VOCAB, CONTEXT};
    const size_t layer = D * (2 + 4 * D + 3 * FF),
                 floats = D * (VOCAB + 1) + layers * layer + CONTEXT * D / HEADS;
    struct weights *weights = NULL;
    struct diag diag = {{0}};
    int file = mkstemp(path);
    assert_int_equal(write(file, header, sizeof header), sizeof header);
    assert_int_equal(ftruncate(file, (off_t) (sizeof header + floats * sizeof(float))), 0);
    assert_int_equal(close(file), 0);
    if (weights_open(path, &weights, &diag) != 0)
        fail_msg("%s", diag.text);
    assert_int_equal(unlink(path), 0);
    return weights;
}

static void memory_holds_the_layers_that_are_used_and_four_mebibytes(void **state)
{
    (void) state;
    struct weights *weights = open_large(8);
    struct infer_model *model = NULL;
    size_t before = resident_bytes();
    assert_int_equal(infer_model_create(&model, weights, INFER_STORED, NULL), 0);
    assert_int_equal(infer_model_load(model, 2, 4, NULL), 0);
    size_t grown = resident_bytes() - before;
    const size_t layer = 512 * (4 * 512 + 3 * 1408) * sizeof(float);
    assert_true(model->bytes >= 2 * layer && model->bytes <= 2 * layer + 65536);
    if (COUNTS_MEMORY && (grown < 2 * layer || grown > model->bytes + (4u << 20)))
        fail_msg("%zu bytes more are resident, the layers have %zu", grown, model->bytes);
    infer_model_destroy(model);
    weights_close(weights);
}

/* Every token of the vocabulary at every place of a prompt, many at once: the token that is there has the bits that it has
 * in the prompt, and the cache does not change. */
static void an_alternative_has_the_bits_of_a_row(void **state)
{
    (void) state;
    static float row[TOKENS * SMALL_HIDDEN], x[SMALL_VOCAB * SMALL_HIDDEN], others[SMALL_HIDDEN];
    const char *path[LINALG_PATHS_MAX];
    size_t paths = linalg_vector_paths(path);
    uint32_t every[SMALL_VOCAB];
    for (uint32_t v = 0; v < SMALL_VOCAB; v++)
        every[v] = v;
    for (size_t i = 0; i < paths; i++) {
        assert_int_equal(linalg_vector_choose(path[i], NULL), 0);
        struct bench *bench = open_bench(INFER_STORED);
        struct infer_cache *cache = open_cache(bench, 0, SMALL_LAYERS);
        assert_int_equal(infer_embed(bench->model, bench->token, TOKENS, row, NULL), 0);
        half(bench, 0, SMALL_LAYERS, &(struct infer_span){cache, 0, TOKENS}, 1, row);
        infer_cache_cut(cache, 0);
        for (uint32_t t = 0; t < TOKENS; t++) {
            const struct infer_span one = {cache, t, 1};
            assert_int_equal(infer_embed(bench->model, every, SMALL_VOCAB, x, NULL), 0);
            assert_int_equal(
                infer_alternatives(bench->model, &bench->workspace, 0, 2, cache, SMALL_VOCAB, x, NULL), 0);
            assert_int_equal(infer_alternatives(bench->model, &bench->workspace, 2, SMALL_LAYERS, cache,
                                                SMALL_VOCAB, x, NULL),
                             0);
            assert_memory_equal(x + bench->token[t] * SMALL_HIDDEN, row + t * SMALL_HIDDEN, sizeof others);
            assert_int_equal(infer_cache_tokens(cache), t);
            assert_int_equal(infer_embed(bench->model, &bench->token[t], 1, others, NULL), 0);
            half(bench, 0, SMALL_LAYERS, &one, 1, others);
        }
        infer_cache_destroy(cache);
        close_bench(bench);
    }
    assert_int_equal(linalg_vector_choose(NULL, NULL), 0);
}

/* Wide and narrow rows of logits, whose lengths are and are not multiples of the parts of the sum. */
static void nats_are_those_of_a_plain_softmax(void **state)
{
    (void) state;
    static const uint32_t widths[] = {1, 7, 8, SMALL_VOCAB, 1024};
    static float logits[1024], copy[1024];
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (uint32_t token = 0; token < widths[w]; token += 1 + widths[w] / 5) {
            double sum = 0.0;
            for (uint32_t i = 0; i < widths[w]; i++) {
                logits[i] = copy[i] = 40.0f * (float) sin(i + 1.0);
                sum += exp((double) logits[i]);
            }
            double nats = infer_nats(copy, widths[w], token), wanted = log(sum) - (double) logits[token];
            assert_true(fabs(nats - wanted) < 2e-6 * (1.0 + wanted));
        }
}

/* Nor does a constant that is added to all logits, which an exponential would not bear. */
static void large_logits_make_no_infinity(void **state)
{
    (void) state;
    float logits[9];
    for (uint32_t i = 0; i < 9; i++)
        logits[i] = -3.0e38f;
    logits[4] = 3.0e38f;
    assert_true(infer_nats(logits, 9, 4) == 0.0);
    for (uint32_t i = 0; i < 9; i++)
        logits[i] = 1.0e30f;
    assert_true(fabs(infer_nats(logits, 9, 3) - log(9.0)) < 1e-15);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_logits_are_those_of_a_plain_program),
        cmocka_unit_test(a_row_has_the_same_bits_at_every_split_cut_and_company_in_every_format),
        cmocka_unit_test(formats_of_weights_differ_a_little),
        cmocka_unit_test(keys_and_values_move_to_another_cache),
        cmocka_unit_test(what_was_cut_off_is_computed_anew),
        cmocka_unit_test(a_value_that_is_no_number_fails_its_request_alone),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(only_layers_that_are_used_are_loaded),
        cmocka_unit_test(memory_holds_the_layers_that_are_used_and_four_mebibytes),
        cmocka_unit_test(an_alternative_has_the_bits_of_a_row),
        cmocka_unit_test(nats_are_those_of_a_plain_softmax),
        cmocka_unit_test(large_logits_make_no_infinity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
