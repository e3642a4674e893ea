/* Steps of training the house model's shape on tokens at random: prints tokens in a second of real time, and in a second
 * of processor time.
 *
 * usage: bench_train THREADS STEPS */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/parse.h"
#include "core/base/rng.h"
#include "core/base/units.h"
#include "core/train/parallel.h"
#include "core/train/trainer.h"

#define TOKENS 100000u

static uint16_t tokens[TOKENS];

static int run(const struct trainer_settings *settings, uint32_t threads, uint64_t steps, struct diag *diag)
{
    const struct trainer_text text = {tokens, TOKENS};
    struct trainer *trainer = NULL;
    struct trainer_report report;
    int rc = trainer_create(settings, &text, threads, &trainer, diag);
    if (rc == 0)
        rc = trainer_step(trainer, &report, diag); /* touches all memory */
    const uint64_t begun = clock_monotonic_ns(), begun_process = clock_process_ns();
    for (uint64_t i = 0; i < steps && rc == 0; i++)
        rc = trainer_step(trainer, &report, diag);
    const double count = (double) steps * settings->batch * settings->shape.context;
    if (rc == 0)
        (void) printf("%.0f %.0f\n", count / units_ns_to_s(clock_monotonic_ns() - begun),
                      count / units_ns_to_s(clock_process_ns() - begun_process));
    trainer_destroy(trainer);
    return rc;
}

int main(int argc, char **argv)
{
    const struct trainer_settings settings = trainer_defaults();
    const struct rng_at at = {.seed = 1};
    struct diag diag = {{0}};
    uint64_t threads = 1, steps = 5;
    bool fits = argc <= 3 && (argc < 2 || parse_u64(argv[1], &threads) == 0) &&
                (argc < 3 || parse_u64(argv[2], &steps) == 0);
    if (!fits || threads < 1 || threads > PARALLEL_THREADS_MAX || steps < 1 || steps > 10000) {
        (void) fprintf(stderr, "usage: bench_train THREADS STEPS\n");
        return 2;
    }
    for (uint32_t i = 0; i < TOKENS; i++)
        tokens[i] = (uint16_t) rng_below(&at, i, settings.shape.vocabulary);
    if (run(&settings, (uint32_t) threads, steps, &diag) == 0)
        return 0;
    (void) fprintf(stderr, "bench_train: %s\n", diag.text);
    return 1;
}
