/* Each elementary function beside libm's, in one run: nanoseconds a call when calls do not wait for one another, and when
 * each waits for the one before. The ratios are libm's time over ours: above 1 ours is faster. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/elementary.h"
#include "core/base/rng.h"

#define ARGUMENTS 1024u
#define ROUNDS 100u
#define REPEATS 9

/* A function of one or two doubles, or of one float: one of the three. */
struct call {
    double (*one)(double);
    double (*two)(double, double);
    float (*in_float)(float);
};

struct peer {
    const char *name;
    struct call ours, libm;
    double low, high; /* of the arguments */
};

static const struct peer peers[] = {
    {"exp", {.one = elementary_exp}, {.one = exp}, -20.0, 20.0},
    {"expm1", {.one = elementary_expm1}, {.one = expm1}, -3.0, 3.0},
    {"tanh", {.one = elementary_tanh}, {.one = tanh}, -3.0, 3.0},
    {"log", {.one = elementary_log}, {.one = log}, 0.0, 100.0},
    {"log, of a draw", {.one = elementary_log}, {.one = log}, 0.0, 1.0},
    {"log1p", {.one = elementary_log1p}, {.one = log1p}, 0.0, 100.0},
    {"log2", {.one = elementary_log2}, {.one = log2}, 0.0, 100.0},
    {"log10", {.one = elementary_log10}, {.one = log10}, 0.0, 100.0},
    {"sin", {.one = elementary_sin}, {.one = sin}, 0.0, 6.3},
    {"cos", {.one = elementary_cos}, {.one = cos}, 0.0, 6.3},
    {"atan2", {.two = elementary_atan2}, {.two = atan2}, -1.0, 1.0},
    {"pow", {.two = elementary_pow}, {.two = pow}, 0.1, 10.0},
    {"expf", {.in_float = elementary_expf}, {.in_float = expf}, -20.0, 20.0},
    {"logf", {.in_float = elementary_logf}, {.in_float = logf}, 0.0, 100.0},
    {"log1pf", {.in_float = elementary_log1pf}, {.in_float = log1pf}, 0.0, 100.0},
};

struct bench {
    double x[ARGUMENTS], y[ARGUMENTS];
    double sink; /* keeps the compiler from dropping the calls */
};

static void fill(const struct peer *peer, struct bench *bench)
{
    for (uint32_t i = 0; i < ARGUMENTS; i++) {
        bench->x[i] = rng_range(&(struct rng_at){.seed = 1}, i, peer->low, peer->high);
        bench->y[i] = rng_range(&(struct rng_at){.seed = 2}, i, peer->low, peer->high);
    }
}

/* `wait` is 0 or 1: whether an argument depends on the result before it. */
static double pass(const struct call *call, const struct bench *bench, double wait)
{
    double sum = 0.0, tie = 0.0;
    for (size_t i = 0; i < ARGUMENTS; i++) {
        double x = bench->x[i] + tie, result;
        if (call->one != NULL)
            result = call->one(x);
        else if (call->two != NULL)
            result = call->two(x, bench->y[i]);
        else
            result = (double) call->in_float((float) x);
        sum += result;
        if (wait > 0.0)
            tie = result * 0x1p-900;
    }
    return sum;
}

static double nanoseconds(const struct call *call, struct bench *bench, double wait)
{
    double best = 0.0;
    for (int i = 0; i < REPEATS; i++) {
        uint64_t start_ns = clock_monotonic_ns();
        for (uint32_t round = 0; round < ROUNDS; round++)
            bench->sink += pass(call, bench, wait);
        double spent = (double) (clock_monotonic_ns() - start_ns) / (ROUNDS * ARGUMENTS);
        best = i == 0 || spent < best ? spent : best;
    }
    return best;
}

int main(void)
{
    static struct bench bench;
    (void) printf("%-15s %22s   %22s\n", "", "one after another", "each waits");
    for (size_t f = 0; f < sizeof peers / sizeof *peers; f++) {
        const struct peer *peer = &peers[f];
        fill(peer, &bench);
        double ours[2], libm[2];
        for (int wait = 0; wait < 2; wait++) {
            ours[wait] = nanoseconds(&peer->ours, &bench, wait);
            libm[wait] = nanoseconds(&peer->libm, &bench, wait);
        }
        (void) printf("%-15s %5.1f ns, ratio %5.2f   %5.1f ns, ratio %5.2f\n", peer->name, ours[0],
                      libm[0] / ours[0], ours[1], libm[1] / ours[1]);
    }
    return bench.sink == 0.5;
}
