/* Products with packed weights, on each vector path that the processor has: one row with weights beyond every cache,
 * beside the bandwidth at which the same bytes can be read; 16 rows beside one; 128 rows of floats beside OpenBLAS.
 * Blocks of both alternate; each pair gives one ratio, so that a noisy neighbour slows both. Times are processor time.
 * Arguments: names of paths, if not all are wanted. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/rng.h"
#include "core/linalg/openblas.h"
#include "core/linalg/packed.h"
#include "core/linalg/rows.h"
#include "core/linalg/vector_path.h"

#define BLOCKS 7
#define BLOCK_NS 2e6             /* at least, of a block */
#define LARGE_BYTES (128u << 20) /* of weights that no cache holds */
#define LARGE_DEPTH 2048u
#define FLOATS (1u << 20) /* of activations, results, and starts */

static float a[FLOATS], c[FLOATS];

static void fill(float *values, size_t count, uint32_t entity)
{
    struct rng_at at = {.stream = RNG_TASK, .entity = entity};
    for (size_t i = 0; i < count; i += 4) {
        struct rng_block block = rng_block(&at, (uint32_t) (i / 4));
        for (size_t j = 0; j < 4 && i + j < count; j++)
            values[i + j] = (float) (2.0 * rng_u01(block.v[j]) - 1.0);
    }
}

static void *memory(size_t bytes)
{
    void *found = aligned_alloc(LINALG_PACKED_ALIGNMENT, bytes);
    if (found == NULL) {
        fprintf(stderr, "bench_packed: no memory for %zu bytes\n", bytes);
        exit(1);
    }
    return found;
}

/* Packed weights, all columns alike: what they are matters to nobody. Scales are 1. */
static void *weights_of(enum linalg_weights format, size_t columns, size_t depth)
{
    size_t bytes = linalg_row_bytes(format, depth),
           block = linalg_row_bytes(format, linalg_weights_block(format));
    void *packed = memory(linalg_packed_bytes(format, columns, depth));
    uint8_t *row = memory((bytes + 63) / 64 * 64);
    if (format == LINALG_F32)
        fill((float *) (void *) row, depth, 7);
    else
        for (size_t i = 0; i < bytes; i++)
            row[i] = (uint8_t) (i * 37 % 251);
    for (size_t i = 0; i < bytes && format != LINALG_F32; i += block) {
        const uint8_t one[2] = {0x00, 0x3c};
        memcpy(row + i + (format == LINALG_Q6_K ? 208 : 0), one, 2);
        if (format == LINALG_Q4_K)
            memcpy(row + i + 2, one, 2);
    }
    for (size_t j = 0; j < columns; j++)
        if (linalg_pack_rows(format, columns, depth, j, 1, row, packed) != 0)
            exit(1);
    free(row);
    return packed;
}

/* What a block times. */
struct work {
    struct linalg_packed_product packed;
    struct linalg_product plain;
    size_t bytes; /* of packed weights */
};

static void run_packed(const struct work *work)
{
    linalg_multiply_packed(&work->packed);
}

static void run_openblas(const struct work *work)
{
    openblas_multiply(&work->plain);
}

static void run_one_row(const struct work *work)
{
    struct linalg_packed_product one = work->packed;
    one.rows = 1;
    linalg_multiply_packed(&one);
}

static uint64_t seen; /* so that nothing is left out */

/* In four streams, which is faster than one. */
static void run_read(const struct work *work)
{
    const size_t quarter = work->bytes / 4 / 64 * 8;
    const uint64_t *words = work->packed.packed;
    uint64_t sum[4][8] = {{0}};
    for (size_t i = 0; i < quarter; i += 8)
        for (size_t stream = 0; stream < 4; stream++)
            for (size_t j = 0; j < 8; j++)
                sum[stream][j] ^= words[stream * quarter + i + j];
    for (size_t j = 0; j < 8; j++)
        seen ^= sum[0][j] ^ sum[1][j] ^ sum[2][j] ^ sum[3][j];
}

static double time_one(void (*run)(const struct work *), const struct work *work, size_t times)
{
    uint64_t begun = clock_process_ns();
    for (size_t i = 0; i < times; i++)
        run(work);
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

/* Nanoseconds of ours, and how often ours fits into the other's time. */
static double compare_runs(void (*ours)(const struct work *), void (*other)(const struct work *),
                           const struct work *work, double *ret_ratio)
{
    double ns[BLOCKS], ratio[BLOCKS];
    size_t times = 1 + (size_t) (BLOCK_NS / (1.0 + time_one(ours, work, 1)));
    size_t other_times = 1 + (size_t) (BLOCK_NS / (1.0 + time_one(other, work, 1)));
    for (int i = 0; i < BLOCKS; i++) {
        double theirs = time_one(other, work, other_times);
        ns[i] = time_one(ours, work, times);
        ratio[i] = theirs / ns[i];
    }
    *ret_ratio = median_of(ratio);
    return median_of(ns);
}

static struct work work_of(enum linalg_weights format, size_t rows, size_t columns, size_t depth)
{
    struct work work = {
        .packed =
            {.format = format, .rows = rows, .columns = columns, .depth = depth, .a = a, .a_stride = depth},
        .bytes = linalg_packed_bytes(format, columns, depth),
    };
    work.packed.packed = weights_of(format, columns, depth);
    work.packed.c = rows * columns <= FLOATS ? c : memory(rows * columns * sizeof(float));
    work.packed.c_stride = columns;
    return work;
}

static void release(struct work *work)
{
    free((void *) (uintptr_t) work->packed.packed);
    if (work->packed.c != c)
        free(work->packed.c);
}

static void run_decode(const char *name, enum linalg_weights format, size_t columns, size_t depth)
{
    double to_read, to_one;
    struct work work = work_of(format, 16, columns, depth);
    double one = compare_runs(run_one_row, run_read, &work, &to_read);
    double all = compare_runs(run_packed, run_one_row, &work, &to_one);
    printf(
        "  %-5s %-5s %6zu x %4zu, %6.1f MB: one row %9.1f us, %5.1f GB/s, %.2f of reading; 16 rows %9.1f us, "
        "%.1f times the rows/s\n",
        name, linalg_weights_name(format), columns, depth, (double) work.bytes * 1e-6, one * 1e-3,
        (double) work.bytes / one, to_read, all * 1e-3, 16.0 * to_one);
    release(&work);
}

static void run_prefill(enum linalg_weights format, size_t rows, size_t columns, size_t depth)
{
    double ratio;
    struct work work = work_of(format, rows, columns, depth);
    float *b = memory(columns * depth * sizeof(float));
    fill(b, columns * depth, 3);
    work.plain = (struct linalg_product){
        .rows = rows,
        .columns = columns,
        .depth = depth,
        .a = {a, depth, 1},
        .b = {b, 1, depth},
        .c = work.packed.c,
        .c_stride = columns,
    };
    double ns = compare_runs(run_packed, run_openblas, &work, &ratio);
    printf("  %-5s %3zu rows x %4zu x %4zu: %9.1f us, %6.1f GFLOP/s, OpenBLAS's SGEMM takes %.2f of it\n",
           linalg_weights_name(format), rows, depth, columns, ns * 1e-3,
           2.0 * (double) (rows * columns * depth) / ns, ratio);
    release(&work);
    free(b);
}

static void run_large(void)
{
    for (unsigned format = 0; format < LINALG_WEIGHTS_FORMATS; format++) {
        size_t bytes = linalg_packed_bytes(format, LINALG_PACKED_PANEL, LARGE_DEPTH);
        run_decode("large", format, LARGE_BYTES / bytes * LINALG_PACKED_PANEL, LARGE_DEPTH);
    }
}

/* The house model's layer, and that of a model of a billion weights. */
static void run_layers(void)
{
    const size_t shapes[][2] = {{128, 128},   {64, 128},    {352, 128},  {128, 352},
                                {2048, 2048}, {5632, 2048}, {2048, 5632}};
    for (size_t i = 0; i < 4; i++)
        for (unsigned format = 0; format <= LINALG_Q4_0; format++)
            run_decode("house", format, shapes[i][0], shapes[i][1]);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (unsigned format = 0; format < LINALG_WEIGHTS_FORMATS; format++)
            if (linalg_row_bytes(format, shapes[i][1]) > 0)
                run_prefill(format, 128, shapes[i][0], shapes[i][1]);
}

#define ROW 4096u

static void print_time(const char *name, uint64_t begun)
{
    printf("  %-16s %6.3f ns a number\n", name, (double) (clock_process_ns() - begun) / (100.0 * ROW));
}

static void run_rows(void)
{
    static float x[ROW], y[ROW];
    static uint16_t halves[ROW];
    fill(x, ROW, 1);
    uint64_t begun = clock_process_ns();
    for (int i = 0; i < 100; i++)
        linalg_exp(ROW, x, y);
    print_time("exp", begun);
    begun = clock_process_ns();
    for (int i = 0; i < 100; i++)
        linalg_softmax(ROW, y);
    print_time("softmax", begun);
    begun = clock_process_ns();
    for (int i = 0; i < 100; i++)
        linalg_rms_norm(&(struct linalg_rms_norm){1, ROW, x, 0, x, 1e-5f, y, 0});
    print_time("rms norm", begun);
    begun = clock_process_ns();
    for (int i = 0; i < 100; i++)
        linalg_silu_product(ROW, y, x);
    print_time("SiLU product", begun);
    begun = clock_process_ns();
    for (int i = 0; i < 100; i++)
        linalg_halves_of_floats(ROW, x, halves);
    print_time("halves of floats", begun);
    begun = clock_process_ns();
    for (int i = 0; i < 100; i++)
        linalg_floats_of_halves(ROW, halves, y);
    print_time("floats of halves", begun);
}

static bool is_wanted(const char *path, int argc, char **argv)
{
    bool found = argc == 1;
    for (int i = 1; i < argc; i++)
        found = found || strcmp(path, argv[i]) == 0;
    return found;
}

int main(int argc, char **argv)
{
    struct diag diag = {{0}};
    const char *paths[LINALG_PATHS_MAX];
    size_t count = linalg_vector_paths(paths);
    if (openblas_open(&diag) != 0) {
        fprintf(stderr, "bench_packed: %s\n", diag.text);
        return 1;
    }
    fill(a, FLOATS, 1);
    for (size_t path = 0; path < count && linalg_vector_choose(paths[path], NULL) == 0; path++) {
        if (!is_wanted(paths[path], argc, argv))
            continue;
        printf("path %s; OpenBLAS's kernel %s\n", paths[path], openblas_kernel());
        run_large();
        run_layers();
        run_rows();
    }
    return seen == 1; /* never */
}
