/* How fast a channel damages activations, on one thread, as processor time: GB/s of floats (4 bytes an element, whatever
 * they are encoded as), and the share of a memcpy of the same floats. Payload: 128 tokens of 4,096 columns. Blocks of
 * each case and of memcpy alternate; each pair gives one ratio, and the medians are printed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/damage/damage.h"

#define ROWS 128u
#define COLUMNS 4096u
#define ELEMENTS ((size_t) ROWS * COLUMNS)
#define ROUNDS 21
#define BLOCK_NS 4000000u /* of one block of a case, at least */

static void die(const char *what)
{
    (void) fprintf(stderr, "bench_damage: %s\n", what);
    exit(1);
}

struct bench {
    enum { RECEIVE, FLOATS, ENCODE, COPY } what;
    struct activation_shape shape;
    struct damage damage;
    const float *x;
    float *y;
    uint8_t *bytes;
};

static void run(struct bench *bench)
{
    static const struct rng_at at = {.seed = 1, .entity = 1};
    const struct activation_shape *shape = &bench->shape;
    struct damage_result result = {0};
    size_t size = activation_bytes(shape->format, ROWS, COLUMNS, shape->k);
    int rc = 0;
    switch (bench->what) {
    case RECEIVE:
        rc = damage_receive(&bench->damage, shape, &at, bench->bytes, size, bench->y, &result, NULL);
        break;
    case FLOATS: rc = damage_rows(&bench->damage, &at, 0, ROWS, COLUMNS, NULL, bench->y, &result); break;
    case ENCODE: rc = activation_encode(shape, bench->x, bench->bytes, NULL); break;
    case COPY: memcpy(bench->y, bench->x, ELEMENTS * sizeof *bench->y); break;
    }
    if (rc != 0)
        die("a case failed");
}

static double seconds_of(struct bench *bench, unsigned times)
{
    uint64_t start = clock_process_ns();
    for (unsigned i = 0; i < times; i++)
        run(bench);
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

static unsigned times_of(struct bench *bench)
{
    double once = seconds_of(bench, 1);
    return once > 0.0 && once < 1e-9 * BLOCK_NS ? (unsigned) (1e-9 * BLOCK_NS / once) + 1 : 1;
}

static void race(const char *name, struct bench *bench)
{
    struct bench copy = *bench;
    double rate[ROUNDS], share[ROUNDS], gigabytes = 1e-9 * (double) (ELEMENTS * sizeof(float));
    copy.what = COPY;
    run(&copy);
    bench->damage.mean = NULL;
    if (activation_encode(&bench->shape, bench->x, bench->bytes, NULL) != 0)
        die("cannot encode");
    unsigned times = times_of(bench), copies = times_of(&copy);
    for (int i = 0; i < ROUNDS; i++) {
        double mine = seconds_of(bench, times), theirs = seconds_of(&copy, copies);
        rate[i] = gigabytes / mine;
        share[i] = theirs / mine;
    }
    printf("%-34s %8.2f GB/s  %6.3f of memcpy\n", name, median(rate), median(share));
}

#define SHAPE(format)                                                                                        \
    {                                                                                                        \
        ACTIVATION_##format, ROWS, COLUMNS, 0                                                                \
    }
#define ANALOG .kind = DAMAGE_ANALOG, .snr_db = 10, .power = DAMAGE_PER_TOKEN

int main(void)
{
    static const struct {
        const char *name;
        struct bench bench;
    } cases[] = {
        {"memcpy", {COPY, SHAPE(FP32), {0}, NULL, NULL, NULL}},
        {"erasure of floats, zeros", {FLOATS, SHAPE(FP32), {DAMAGE_ELEMENTS, .loss = 0.1}, NULL, NULL, NULL}},
        {"erasure of floats, previous token",
         {FLOATS, SHAPE(FP32), {DAMAGE_ELEMENTS, .loss = 0.1, .fill = DAMAGE_PREVIOUS}, NULL, NULL, NULL}},
        {"encode fp32", {ENCODE, SHAPE(FP32), {0}, NULL, NULL, NULL}},
        {"encode fp16", {ENCODE, SHAPE(FP16), {0}, NULL, NULL, NULL}},
        {"encode int8", {ENCODE, SHAPE(INT8), {0}, NULL, NULL, NULL}},
        {"encode int4", {ENCODE, SHAPE(INT4), {0}, NULL, NULL, NULL}},
        {"decode fp32", {RECEIVE, SHAPE(FP32), {0}, NULL, NULL, NULL}},
        {"decode fp16", {RECEIVE, SHAPE(FP16), {0}, NULL, NULL, NULL}},
        {"decode int8", {RECEIVE, SHAPE(INT8), {0}, NULL, NULL, NULL}},
        {"decode int4", {RECEIVE, SHAPE(INT4), {0}, NULL, NULL, NULL}},
        {"int8, 10 % of elements lost",
         {RECEIVE, SHAPE(INT8), {DAMAGE_ELEMENTS, .loss = 0.1}, NULL, NULL, NULL}},
        {"int8, 10 % of packets lost",
         {RECEIVE, SHAPE(INT8), {DAMAGE_PACKETS, .loss = 0.1, .packet_bytes = 1500}, NULL, NULL, NULL}},
        {"int8, 1 in 1000 bits turned",
         {RECEIVE, SHAPE(INT8), {DAMAGE_BITS, .bit_error = 1e-3}, NULL, NULL, NULL}},
        {"analog, AWGN", {FLOATS, SHAPE(FP32), {ANALOG}, NULL, NULL, NULL}},
    };
    float *x = malloc(ELEMENTS * sizeof *x), *y = malloc(ELEMENTS * sizeof *y);
    uint8_t *bytes = malloc(ELEMENTS * sizeof *x);
    if (x == NULL || y == NULL || bytes == NULL)
        die("no memory");
    for (size_t i = 0; i < ELEMENTS; i++)
        x[i] = (float) (i * 7919 % 4001) / 1000.0f - 2.0f;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bench bench = cases[i].bench;
        bench.x = x;
        bench.y = y;
        bench.bytes = bytes;
        race(cases[i].name, &bench);
    }
    free(x);
    free(y);
    free(bytes);
    return 0;
}
