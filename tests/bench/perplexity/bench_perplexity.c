/* Perplexity of the house model behind a bad channel, 2,048 tokens of its evaluation text, one thread, processor time.
 * At each split: seconds of one measure with each kind of damage, beside the layers behind the split alone, as prefill
 * of 8 prompts of 256 tokens. Rounds alternate between both; the median of ratios is printed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/infer/layers.h"
#include "core/linalg/vector_path.h"
#include "core/perplexity/perplexity.h"

#define ROUNDS 7
#define WINDOWS 8u
#define TEXT HOUSE_MODEL "/evaluation/sotu.txt"

static void die(const char *what)
{
    (void) fprintf(stderr, "bench_perplexity: %s\n", what);
    exit(1);
}

struct bench {
    struct weights *weights;
    struct tokenizer *tokenizer;
    struct perplexity *perplexity;
    /* The layers alone: */
    struct infer_model *model;
    struct infer_workspace workspace;
    struct infer_cache *cache;
    float *x; /* [window][hidden] */
};

static const struct {
    const char *name;
    enum activation_format format;
    struct damage damage;
} kinds[] = {
    {"none, fp32", ACTIVATION_FP32, {.kind = DAMAGE_NONE}},
    {"none, int8", ACTIVATION_INT8, {.kind = DAMAGE_NONE}},
    {"elements 10 %, fp32", ACTIVATION_FP32, {.kind = DAMAGE_ELEMENTS, .loss = 0.1}},
    {"packets 10 %, int8",
     ACTIVATION_INT8,
     {.kind = DAMAGE_PACKETS, .loss = 0.1, .packet_bytes = 256, .layout = DAMAGE_INTERLEAVED}},
    {"analog 5 dB, fp32", ACTIVATION_FP32, {.kind = DAMAGE_ANALOG, .snr_db = 5.0, .power = DAMAGE_PER_TOKEN}},
    {"bits 1e-3, int8", ACTIVATION_INT8, {.kind = DAMAGE_BITS, .bit_error = 1e-3}},
};

static void open_bench(struct bench *bench)
{
    struct diag diag = {{0}};
    struct buf bytes = {0};
    struct tokenizer_ids ids = {0};
    const struct perplexity_options options = {.windows = WINDOWS};
    int rc = weights_open(HOUSE_MODEL, &bench->weights, &diag);
    if (rc == 0)
        rc = tokenizer_open(bench->weights, NULL, &bench->tokenizer, &diag);
    if (rc == 0)
        rc = file_read(TEXT, 1u << 20, &bytes, &diag);
    if (rc == 0)
        rc = tokenizer_encode(bench->tokenizer, (const char *) bytes.data, bytes.size, false, &ids, &diag);
    const struct perplexity_text text = {ids.id, ids.count, bench->tokenizer};
    if (rc == 0)
        rc = perplexity_open(&bench->perplexity, bench->weights, &text, &options, &diag);
    if (rc == 0)
        rc = infer_model_create(&bench->model, bench->weights, INFER_STORED, &diag);
    const struct weights_geometry *g = weights_geometry(bench->weights);
    if (rc == 0)
        rc = infer_model_load(bench->model, 0, g->layers, &diag);
    if (rc == 0)
        rc = infer_cache_create(&bench->cache, g, 0, g->layers, g->context, &diag);
    bench->x = malloc((size_t) g->context * g->hidden * sizeof *bench->x);
    if (rc != 0 || bench->x == NULL)
        die(diag_text(&diag, rc));
    tokenizer_ids_finish(&ids);
    buf_finish(&bytes);
}

static void close_bench(struct bench *bench)
{
    perplexity_close(bench->perplexity);
    infer_cache_destroy(bench->cache);
    infer_model_destroy(bench->model);
    infer_workspace_finish(&bench->workspace);
    tokenizer_close(bench->tokenizer);
    weights_close(bench->weights);
    free(bench->x);
}

static double measure_s(struct bench *bench, uint32_t split, size_t kind)
{
    const struct perplexity_crossing crossing = {split, kinds[kind].format, 0, kinds[kind].damage};
    const struct rng_at at = {.seed = 1, .phase = RNG_TEST};
    struct perplexity_result result;
    struct diag diag = {{0}};
    uint64_t start = clock_process_ns();
    if (perplexity_measure(bench->perplexity, &crossing, &at, &result, NULL, &diag) != 0)
        die(diag.text);
    return 1e-9 * (double) (clock_process_ns() - start);
}

static double layers_s(struct bench *bench, uint32_t split)
{
    const struct weights_geometry *g = weights_geometry(bench->weights);
    const uint32_t rows = perplexity_rows(bench->perplexity);
    struct diag diag = {{0}};
    uint64_t spent = 0;
    for (size_t w = 0; w < perplexity_windows(bench->perplexity); w++) {
        memcpy(bench->x, perplexity_activations(bench->perplexity, w, split),
               (size_t) rows * g->hidden * sizeof *bench->x);
        infer_cache_cut(bench->cache, 0);
        const struct infer_span span = {bench->cache, 0, rows};
        uint64_t start = clock_process_ns();
        if (infer_layers(bench->model, &bench->workspace, split, g->layers, &span, 1, bench->x, NULL,
                         &diag) != 0)
            die(diag.text);
        spent += clock_process_ns() - start;
    }
    return 1e-9 * (double) spent;
}

static int compare(const void *left, const void *right)
{
    double x = *(const double *) left, y = *(const double *) right;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof *values, compare);
    return values[ROUNDS / 2];
}

static void race(struct bench *bench, uint32_t split, size_t kind)
{
    double ours[ROUNDS], layers[ROUNDS], ratio[ROUNDS];
    double tokens = (double) perplexity_clean(bench->perplexity).tokens;
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = measure_s(bench, split, kind);
        layers[i] = layers_s(bench, split);
        ratio[i] = layers[i] / ours[i];
    }
    double s = median(ours);
    (void) printf("split %2u, %-19s: %6.1f ms, %6.0f tokens/s; its layers alone %6.1f ms: %.2f\n", split,
                  kinds[kind].name, 1e3 * s, tokens / s, 1e3 * median(layers), median(ratio));
}

int main(void)
{
    static const uint32_t splits[] = {1, 6, 11};
    struct bench bench = {0};
    (void) printf("vector path %s, one thread\n", linalg_vector_path());
    open_bench(&bench);
    for (size_t s = 0; s < sizeof splits / sizeof *splits; s++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            race(&bench, splits[s], k);
    close_bench(&bench);
    return 0;
}
