/* Layers of a decoder, in one run and on one thread, as processor time:
 *
 *   prefill    whole layers of 128 tokens beside OpenBLAS's SGEMM for their products alone
 *   decoding   one token beside the bandwidth of reading the same weights, in each format
 *   batch      16 requests' tokens a second beside one's
 *   loading    all layers and the head
 *
 * Shapes: the house model (d = 128, 12 layers), and two layers with d = 2048, whose weights exceed the caches. Weights
 * are drawn. Rounds alternate between the two sides; each gives one ratio, and the median is printed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/infer/layers.h"
#include "core/linalg/openblas.h"
#include "core/linalg/vector_path.h"

#define ROUNDS 9
#define PROMPT 128u
#define BATCH 16u

struct shape {
    const char *name;
    int32_t hidden, ff, layers, heads, kv_heads, vocab, context;
};

static const struct shape shapes[] = {
    {"house", 128, 352, 12, 4, 2, 1024, 256},
    {"d 2048", 2048, 5632, 2, 32, 4, 1024, 256},
};

static void die(const char *what)
{
    (void) fprintf(stderr, "bench_layers: %s\n", what);
    exit(1);
}

/* ---- a model ---- */

static float drawn(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float) ((double) *state / 2147483648.0 - 1.0);
}

static void write_floats(FILE *file, uint32_t *state, size_t count, float middle, float width)
{
    for (size_t i = 0; i < count; i++) {
        float value = middle + width * drawn(state);
        if (fwrite(&value, sizeof value, 1, file) != 1)
            die("cannot write a model");
    }
}

/* A llama2.c file. */
static struct weights *open_model(const struct shape *s)
{
    char path[] = "/tmp/handoff-bench-layers-XXXXXX";
    size_t d = (size_t) s->hidden, n = (size_t) s->layers, kv = d / (size_t) s->heads * (size_t) s->kv_heads;
    const int32_t header[] = {s->hidden, s->ff, s->layers, s->heads, s->kv_heads, s->vocab, s->context};
    float width = 1.5f / (float) s->hidden;
    uint32_t state = 1;
    struct weights *weights = NULL;
    struct diag diag = {{0}};
    FILE *file = fdopen(mkstemp(path), "wb");
    if (file == NULL || fwrite(header, sizeof header, 1, file) != 1)
        die("cannot write a model");
    write_floats(file, &state, (size_t) s->vocab * d, 0.0f, 1.0f);
    write_floats(file, &state, n * d, 1.0f, 0.1f);
    write_floats(file, &state, n * d * (2 * d + 2 * kv), 0.0f, width);
    write_floats(file, &state, n * d, 1.0f, 0.1f);
    write_floats(file, &state, 3 * n * d * (size_t) s->ff, 0.0f, width);
    write_floats(file, &state, d, 1.0f, 0.1f);
    write_floats(file, &state, (size_t) s->context * d / (size_t) s->heads, 0.0f, 0.0f);
    if (fclose(file) != 0 || weights_open(path, &weights, &diag) != 0)
        die(diag.text);
    (void) unlink(path);
    return weights;
}

/* ---- what is timed ---- */

struct side {
    void (*run)(void *user);
    void *user;
};

static double seconds_of(const struct side *side, unsigned times)
{
    uint64_t start = clock_process_ns();
    for (unsigned i = 0; i < times; i++)
        side->run(side->user);
    return 1e-9 * (double) (clock_process_ns() - start) / times;
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

/* Seconds of both, medians, and the median of theirs / ours. */
static void race(const struct side *ours, const struct side *theirs, unsigned times, double *ret_ours,
                 double *ret_theirs, double *ret_ratio)
{
    double mine[ROUNDS], yours[ROUNDS], ratio[ROUNDS];
    (void) seconds_of(ours, 1);
    (void) seconds_of(theirs, 1);
    for (int i = 0; i < ROUNDS; i++) {
        mine[i] = seconds_of(ours, times);
        yours[i] = seconds_of(theirs, times);
        ratio[i] = yours[i] / mine[i];
    }
    *ret_ours = median(mine);
    *ret_theirs = median(yours);
    *ret_ratio = median(ratio);
}

struct bench {
    struct infer_model *model;
    struct infer_workspace workspace;
    struct infer_span span[BATCH];
    size_t spans;
    float *x;
};

static void run_layers(void *user)
{
    struct bench *bench = user;
    const struct weights_geometry *g = bench->model->geometry;
    size_t rows = 0;
    struct diag diag = {{0}};
    for (size_t s = 0; s < bench->spans; s++) {
        infer_cache_cut(bench->span[s].cache, bench->span[s].position);
        rows += bench->span[s].rows;
    }
    for (size_t i = 0; i < rows * g->hidden; i++)
        bench->x[i] = (float) (i % 31) / 16.0f - 1.0f;
    if (infer_layers(bench->model, &bench->workspace, 0, g->layers, bench->span, bench->spans, bench->x, NULL,
                     &diag) != 0)
        die(diag.text);
}

/* ---- the other sides ---- */

struct products {
    const struct weights_geometry *g;
    float *a, *b, *c;
    bool ours;
};

static void multiply(const struct products *p, size_t columns, size_t depth)
{
    const struct linalg_product product = {
        .rows = PROMPT,
        .columns = columns,
        .depth = depth,
        .a = {p->a, depth, 1},
        .b = {p->b, 1, depth}, /* [columns][depth], as a file has them */
        .c = p->c,
        .c_stride = columns,
    };
    openblas_multiply(&product);
}

static void run_products(void *user)
{
    const struct products *p = user;
    const struct weights_geometry *g = p->g;
    size_t d = g->hidden, query = (size_t) g->heads * g->head_size, kv = (size_t) g->kv_heads * g->head_size;
    for (uint32_t l = 0; l < g->layers; l++) {
        multiply(p, query, d);
        multiply(p, kv, d);
        multiply(p, kv, d);
        multiply(p, d, query);
        multiply(p, g->ff, d);
        multiply(p, g->ff, d);
        multiply(p, d, g->ff);
    }
}

struct reading {
    const float *from;
    size_t floats;
    float sum;
};

/* As fast as one thread reads: many independent sums. */
__attribute__((target_clones("avx512f", "avx2", "default"))) static void run_reading(void *user)
{
    struct reading *reading = user;
    float sum[128] = {0.0f};
    for (size_t i = 0; i + 128 <= reading->floats; i += 128)
        for (size_t j = 0; j < 128; j++)
            sum[j] += reading->from[i + j];
    for (size_t j = 0; j < 128; j++)
        reading->sum += sum[j];
}

/* ---- the four ---- */

static float *allocate(size_t floats)
{
    float *array = aligned_alloc(64, (floats * sizeof(float) + 63) / 64 * 64);
    if (array == NULL)
        die("out of memory");
    memset(array, 0, floats * sizeof(float));
    return array;
}

static void open_bench(struct bench *bench, const struct weights *weights, enum infer_weights format,
                       size_t spans, uint32_t position, uint32_t rows)
{
    const struct weights_geometry *g = weights_geometry(weights);
    *bench = (struct bench){.spans = spans, .x = allocate(PROMPT * (size_t) g->hidden)};
    if (infer_model_create(&bench->model, weights, format, NULL) != 0)
        die("no model");
    for (size_t s = 0; s < spans; s++) {
        if (infer_cache_create(&bench->span[s].cache, g, 0, g->layers, g->context, NULL) != 0)
            die("no cache");
        bench->span[s].position = 0;
        bench->span[s].rows = position;
        const size_t all = bench->spans;
        if (position > 0) { /* what stands before */
            struct infer_span kept = bench->span[0];
            bench->spans = 1;
            bench->span[0] = bench->span[s];
            run_layers(bench);
            bench->span[s] = bench->span[0];
            bench->span[0] = s > 0 ? kept : bench->span[0];
            bench->spans = all;
        }
        bench->span[s].position = position;
        bench->span[s].rows = rows;
    }
}

static void close_bench(struct bench *bench)
{
    for (size_t s = 0; s < bench->spans; s++)
        infer_cache_destroy(bench->span[s].cache);
    infer_model_destroy(bench->model);
    infer_workspace_finish(&bench->workspace);
    free(bench->x);
}

static void bench_prefill(const struct shape *shape, const struct weights *weights, unsigned times)
{
    const struct weights_geometry *g = weights_geometry(weights);
    size_t widest = g->ff > g->hidden ? g->ff : g->hidden;
    struct bench bench;
    struct products products = {.g = g,
                                .a = allocate(PROMPT * widest),
                                .b = allocate((size_t) g->ff * g->hidden),
                                .c = allocate(PROMPT * widest)};
    double ours, theirs, ratio;
    open_bench(&bench, weights, INFER_F32, 1, 0, PROMPT);
    race(&(struct side){run_layers, &bench}, &(struct side){run_products, &products}, times, &ours, &theirs,
         &ratio);
    (void) printf(
        "%s: prefill of %u tokens, whole layers %.3f ms; OpenBLAS (%s), products alone %.3f ms: %.2f\n",
        shape->name, PROMPT, 1e3 * ours, openblas_kernel(), 1e3 * theirs, ratio);
    free(products.a);
    free(products.b);
    free(products.c);
    close_bench(&bench);
}

static void bench_decoding(const struct shape *shape, const struct weights *weights, unsigned times)
{
    for (enum infer_weights format = INFER_F32; format < INFER_WEIGHTS_FORMATS; format++) {
        struct bench bench;
        double ours, theirs, ratio;
        open_bench(&bench, weights, format, 1, PROMPT, 1);
        struct reading reading = {.floats = bench.model->bytes / sizeof(float)};
        float *memory = allocate(reading.floats);
        reading.from = memory;
        race(&(struct side){run_layers, &bench}, &(struct side){run_reading, &reading}, times, &ours, &theirs,
             &ratio);
        (void) printf(
            "%s: one token at position %u, weights %s, %.1f MB: %.3f ms; reading as much %.3f ms: %.2f\n",
            shape->name, PROMPT, infer_weights_name(format), 1e-6 * (double) bench.model->bytes, 1e3 * ours,
            1e3 * theirs, ratio);
        free(memory);
        close_bench(&bench);
    }
}

static void bench_batch(const struct shape *shape, const struct weights *weights, unsigned times)
{
    for (enum infer_weights format = INFER_F32; format < INFER_WEIGHTS_FORMATS; format++) {
        struct bench one, many;
        double ours, theirs, ratio;
        open_bench(&one, weights, format, 1, PROMPT, 1);
        open_bench(&many, weights, format, BATCH, PROMPT, 1);
        race(&(struct side){run_layers, &many}, &(struct side){run_layers, &one}, times, &ours, &theirs,
             &ratio);
        (void) printf(
            "%s: %u requests' next tokens, weights %s: %.3f ms; of one %.3f ms: %.1f times the tokens\n",
            shape->name, BATCH, infer_weights_name(format), 1e3 * ours, 1e3 * theirs, BATCH * ratio);
        close_bench(&one);
        close_bench(&many);
    }
}

static void bench_loading(const struct shape *shape, const struct weights *weights)
{
    double seconds[ROUNDS];
    const struct weights_geometry *g = weights_geometry(weights);
    for (int i = 0; i < ROUNDS; i++) {
        struct infer_model *model = NULL;
        uint64_t start = clock_process_ns();
        if (infer_model_create(&model, weights, INFER_STORED, NULL) != 0 ||
            infer_model_load(model, 0, g->layers, NULL) != 0 || infer_model_load_head(model, NULL) != 0)
            die("cannot load");
        seconds[i] = 1e-9 * (double) (clock_process_ns() - start);
        infer_model_destroy(model);
    }
    (void) printf("%s: loading all layers and the head: %.1f ms\n", shape->name, 1e3 * median(seconds));
}

int main(void)
{
    struct diag diag = {{0}};
    if (openblas_open(&diag) != 0)
        die(diag.text);
    (void) printf("vector path %s, one thread\n", linalg_vector_path());
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const struct shape *shape = &shapes[i];
        struct weights *weights = open_model(shape);
        unsigned times = shape->hidden < 1000 ? 20 : 1;
        bench_loading(shape, weights);
        bench_prefill(shape, weights, times);
        bench_decoding(shape, weights, 3 * times);
        bench_batch(shape, weights, 3 * times);
        weights_close(weights);
    }
    return 0;
}
