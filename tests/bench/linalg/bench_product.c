/* Our matrix product beside OpenBLAS's, at the learners' shapes, on each vector path that the processor has. Blocks of
 * both alternate; each pair gives one ratio, so that a noisy neighbour slows both. Times are processor time. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/rng.h"
#include "core/linalg/openblas.h"
#include "core/linalg/vector_path.h"

#define SIDE 256u
#define STRIDE 256u
#define BLOCKS 31
#define BLOCK_NS 1000000.0 /* of OpenBLAS's product */

struct shape {
    const char *name;
    size_t rows, columns, depth;
    bool turns_a, turns_b;
};

/* Networks 106-256-128-20 and 126-256-128-1, batch 64, and the same with few rows. */
static const struct shape shapes[] = {
    {"forward, 64 rows", 64, 256, 126, false, false}, {"forward, 64 rows", 64, 128, 256, false, false},
    {"forward, 64 rows", 64, 20, 128, false, false},  {"forward, 64 rows", 64, 1, 128, false, false},
    {"forward, 8 rows", 8, 256, 126, false, false},   {"forward, 8 rows", 8, 128, 256, false, false},
    {"decision", 1, 256, 106, false, false},          {"decision", 1, 128, 256, false, false},
    {"decision", 1, 20, 128, false, false},           {"weight gradient", 126, 256, 64, true, false},
    {"weight gradient", 256, 128, 64, true, false},   {"weight gradient", 128, 20, 64, true, false},
    {"weight gradient", 128, 1, 64, true, false},     {"input gradient", 64, 256, 128, false, true},
    {"input gradient", 64, 20, 256, false, true},     {"input gradient", 64, 128, 20, false, true},
    {"input gradient", 64, 128, 1, false, true},
};

static float a[SIDE * STRIDE], b[SIDE * STRIDE], c[SIDE * STRIDE], start[SIDE];

static void fill(float *values, size_t count, uint32_t entity)
{
    struct rng_at at = {.stream = RNG_TASK, .entity = entity};
    for (size_t i = 0; i < count; i++)
        values[i] = (float) (2.0 * rng_uniform(&at, (uint32_t) i) - 1.0);
}

/* As the learners' matrices lie: weights without gaps, the others' rows on cache lines. */
static struct linalg_product product_of(const struct shape *shape)
{
    size_t a_columns = shape->turns_a ? shape->rows : shape->depth;
    size_t b_columns = shape->turns_b ? shape->depth : shape->columns;
    size_t a_stride = (a_columns + 15) / 16 * 16;
    return (struct linalg_product){
        .rows = shape->rows,
        .columns = shape->columns,
        .depth = shape->depth,
        .a = {a, shape->turns_a ? 1 : a_stride, shape->turns_a ? a_stride : 1},
        .b = {b, shape->turns_b ? 1 : b_columns, shape->turns_b ? b_columns : 1},
        .start = shape->turns_a || shape->turns_b ? NULL : start,
        .c = c,
        .c_stride = shape->columns,
    };
}

static double time_one(void (*multiply)(const struct linalg_product *), const struct linalg_product *product,
                       size_t times)
{
    uint64_t begun = clock_process_ns();
    for (size_t i = 0; i < times; i++)
        multiply(product);
    return (double) (clock_process_ns() - begun) / (double) times;
}

static int compare(const void *left, const void *right)
{
    double x = *(const double *) left, y = *(const double *) right;
    return (x > y) - (x < y);
}

static double median_of(double *values)
{
    qsort(values, BLOCKS, sizeof(*values), compare);
    return values[BLOCKS / 2];
}

static void run(const struct shape *shape)
{
    const struct linalg_product product = product_of(shape);
    double ours[BLOCKS], ratio[BLOCKS];
    size_t times = 1 + (size_t) (BLOCK_NS / (1.0 + time_one(openblas_multiply, &product, 20)));
    for (int i = 0; i < BLOCKS; i++) {
        double theirs = time_one(openblas_multiply, &product, times);
        ours[i] = time_one(linalg_multiply, &product, times);
        ratio[i] = theirs / ours[i];
    }
    double ns = median_of(ours);
    printf("  %-18s %3zu x %3zu x %3zu %9.2f us %7.1f GFLOP/s %6.2f\n", shape->name, shape->rows,
           shape->depth, shape->columns, ns * 1e-3,
           2.0 * (double) (shape->rows * shape->columns * shape->depth) / ns, median_of(ratio));
}

int main(void)
{
    struct diag diag = {{0}};
    const char *paths[LINALG_PATHS_MAX];
    size_t count = linalg_vector_paths(paths);
    if (openblas_open(&diag) != 0) {
        fprintf(stderr, "bench_product: %s\n", diag.text);
        return 1;
    }
    fill(a, SIDE * STRIDE, 1);
    fill(b, SIDE * STRIDE, 2);
    fill(start, SIDE, 3);
    for (size_t path = 0; path < count && linalg_vector_choose(paths[path], NULL) == 0; path++) {
        printf("path %s; OpenBLAS's kernel %s; rows x depth x columns; last: OpenBLAS's time as a multiple "
               "of ours\n",
               paths[path], openblas_kernel());
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            run(&shapes[i]);
    }
    return 0;
}
