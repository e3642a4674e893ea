/* What a damaged channel costs in quality, learned from reports. */
#include "orchestrator/policy/plus/outcome_quality.h"

#include <math.h>

#include "core/base/err.h"
#include "core/base/rng.h"
#include "tests/unit/policy/slot.h"

static const char *const keys[] = {"channel.mode=erasure", "channel.loss_min=0", "channel.loss_max=0.4",
                                   "model.llm=gpt2", NULL};

struct bench {
    struct world world;
    struct outcome_quality quality;
};

static void open_bench(struct bench *bench)
{
    bench->world = check_world(keys);
    assert_int_equal(outcome_quality_init(&bench->quality, &bench->world), 0);
}

static void close_bench(struct bench *bench)
{
    outcome_quality_finish(&bench->quality);
    world_finish(&bench->world);
}

/* A law that is bent in the condition and falls with the split. */
static double truth(uint32_t split, double condition)
{
    return 4.0 * condition * condition * (1.0 - split / 24.0);
}

static void report(struct bench *bench, uint32_t reports)
{
    for (uint32_t i = 0; i < reports; i++) {
        struct rng_at at = {.seed = 7, .stream = RNG_SAMPLING, .entity = i};
        uint32_t split = 1 + rng_below(&at, 0, 11);
        double condition = rng_range(&at, 1, 0.0, 0.4);
        outcome_quality_observe(&bench->quality, split, condition, truth(split, condition));
    }
}

static double worst_error(struct bench *bench)
{
    double worst = 0.0;
    for (uint32_t i = 0; i <= 40; i++) {
        float foreseen[13];
        outcome_quality_foresee(&bench->quality, 0.01 * i, foreseen);
        assert_same(foreseen[0], 0.0);
        assert_same(foreseen[12], 0.0);
        for (uint32_t s = 1; s < 12; s++)
            worst = fmax(worst, fabs((double) foreseen[s] - truth(s, 0.01 * i)));
    }
    return worst;
}

static void nothing_is_foreseen_before_the_first_report(void **state)
{
    (void) state;
    struct bench bench;
    float foreseen[13];
    open_bench(&bench);
    outcome_quality_foresee(&bench.quality, 0.2, foreseen);
    for (uint32_t s = 0; s <= 12; s++)
        assert_same(foreseen[s], 0.0);
    close_bench(&bench);
}

/* Of at most 0.61. The last knot hears from one side alone: the law's slope there, 3, over a third of a knot's width. */
static void many_reports_tell_the_whole_law(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench);
    report(&bench, 300);
    double few = worst_error(&bench);
    report(&bench, 20000);
    double many = worst_error(&bench);
    assert_true(few < 0.15);
    assert_true(many < 0.03);
    close_bench(&bench);
}

static void what_was_not_reported_is_as_its_neighbours_are(void **state)
{
    (void) state;
    struct bench bench;
    float foreseen[13];
    open_bench(&bench);
    for (uint32_t i = 0; i < 50; i++)
        outcome_quality_observe(&bench.quality, 6, 0.2, 0.5);
    outcome_quality_foresee(&bench.quality, 0.3, foreseen);
    assert_near(foreseen[7], 0.5, 1e-6);
    assert_near(foreseen[1], 0.5, 1e-6);
    close_bench(&bench);
}

static void it_reads_back_from_its_bytes(void **state)
{
    (void) state;
    struct bench bench, other;
    struct buf bytes = {0};
    float before[13], after[13];
    open_bench(&bench);
    open_bench(&other);
    report(&bench, 500);
    assert_int_equal(outcome_quality_save(&bench.quality, &bytes), 0);
    const uint8_t *at = bytes.data;
    size_t left = bytes.size - 1;
    assert_int_equal(outcome_quality_load(&other.quality, &at, &left, NULL), ERR_TRUNCATED);
    left = bytes.size;
    assert_int_equal(outcome_quality_load(&other.quality, &at, &left, NULL), 0);
    assert_int_equal(left, 0);
    outcome_quality_foresee(&bench.quality, 0.17, before);
    outcome_quality_foresee(&other.quality, 0.17, after);
    assert_memory_equal(before, after, sizeof before);
    double nan = (double) NAN;
    memcpy(bytes.data + 64, &nan, sizeof nan);
    at = bytes.data;
    left = bytes.size;
    assert_int_equal(outcome_quality_load(&other.quality, &at, &left, NULL), ERR_CORRUPT);
    buf_finish(&bytes);
    close_bench(&bench);
    close_bench(&other);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_foreseen_before_the_first_report),
        cmocka_unit_test(many_reports_tell_the_whole_law),
        cmocka_unit_test(what_was_not_reported_is_as_its_neighbours_are),
        cmocka_unit_test(it_reads_back_from_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
