/* What codings lose on a damaged channel, learned from reports. */
#include "orchestrator/policy/plus/outcome_damage.h"

#include <math.h>
#include <string.h>

#include "core/base/err.h"
#include "tests/unit/policy/slot.h"

#define SPLITS 13u /* of gpt2: 0 .. 12 */
#define FAR 0.9    /* what a view tells; nothing was reported there */

static const char *const both[] = {"channel.mode=bounded", "action.formats=int8 q4",
                                   "action.margins_db=0 3 10", "model.llm=gpt2", NULL};
static const char *const formats[] = {"channel.mode=erasure",   "channel.loss_min=0", "channel.loss_max=1",
                                      "action.formats=int8 q4", "model.llm=gpt2",     NULL};

struct bench {
    struct world world;
    struct outcome_damage damage;
};

static void open_bench(struct bench *bench, const char *const *keys)
{
    bench->world = check_world(keys);
    assert_int_equal(outcome_damage_init(&bench->damage, &bench->world), 0);
}

static void close_bench(struct bench *bench)
{
    outcome_damage_finish(&bench->damage);
    world_finish(&bench->world);
}

/* Of split 6, where the view tells `condition`. */
static double foreseen(struct bench *bench, uint32_t coding, double condition)
{
    float all[SPLITS];
    outcome_damage_foresee(&bench->damage, coding, condition, all);
    assert_same(all[0], 0.0);
    assert_same(all[SPLITS - 1], 0.0);
    return (double) all[6];
}

static void a_format_learns_from_its_reports_under_all_margins_and_no_other_does(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, both);
    assert_int_equal(bench.damage.formats, 3);
    for (uint32_t i = 0; i < 200; i++)
        outcome_damage_observe(&bench.damage, 1 + i % 2, 6, 0.5, 0.25); /* int8, 0 and 3 dB */
    assert_near(foreseen(&bench, 3, 0.5), 0.25, 1e-6);                  /* int8, 10 dB */
    for (uint32_t coding = 4; coding <= 6; coding++)                    /* q4 */
        assert_same(foreseen(&bench, coding, 0.5), 0.0);
    assert_same(foreseen(&bench, 0, 0.5), 0.0);
    close_bench(&bench);
}

/* log ratio = condition, at the conditions of three margins. */
static void a_margin_has_the_condition_that_was_reported_of_it(void **state)
{
    (void) state;
    static const double condition[] = {0.625, 0.375, 0.125}; /* knots */
    struct bench bench;
    open_bench(&bench, both);
    for (uint32_t i = 0; i < 300; i++)
        outcome_damage_observe(&bench.damage, 1 + i % 3, 6, condition[i % 3], condition[i % 3]);
    for (uint32_t i = 0; i < 3; i++)
        assert_near(foreseen(&bench, 1 + i, FAR), condition[i], 0.01);
    assert_true(foreseen(&bench, 4, 0.125) == 0.0); /* the same margin, of the other format */
    close_bench(&bench);
}

static void without_margins_the_view_tells_the_condition_of_every_format(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, formats);
    for (uint32_t i = 0; i < 400; i++)
        outcome_damage_observe(&bench.damage, 2, 6, i % 2 == 0 ? 0.25 : 0.75, i % 2 == 0 ? 0.25 : 0.75);
    assert_near(foreseen(&bench, 2, 0.25), 0.25, 0.01);
    assert_near(foreseen(&bench, 2, 0.75), 0.75, 0.01);
    close_bench(&bench);
}

static void it_reads_back_from_its_bytes(void **state)
{
    (void) state;
    struct bench bench, other;
    struct buf bytes = {0};
    open_bench(&bench, both);
    open_bench(&other, both);
    for (uint32_t i = 0; i < 500; i++)
        outcome_damage_observe(&bench.damage, i % 7, 1 + i % 11, 0.01 * (i % 90), 0.001 * i);
    assert_int_equal(outcome_damage_save(&bench.damage, &bytes), 0);
    for (size_t size = 0; size < bytes.size; size += 1 + size / 7) {
        const uint8_t *at = bytes.data;
        size_t left = size;
        assert_int_equal(outcome_damage_load(&other.damage, &at, &left, NULL), ERR_TRUNCATED);
    }
    const uint8_t *at = bytes.data;
    size_t left = bytes.size;
    assert_int_equal(outcome_damage_load(&other.damage, &at, &left, NULL), 0);
    assert_int_equal(left, 0);
    for (uint32_t coding = 0; coding < 7; coding++)
        assert_same(foreseen(&other, coding, 0.3), foreseen(&bench, coding, 0.3));
    double nan = (double) NAN;
    memcpy(bytes.data + bytes.size - sizeof nan, &nan, sizeof nan); /* the last coding's condition */
    at = bytes.data;
    left = bytes.size;
    assert_int_equal(outcome_damage_load(&other.damage, &at, &left, NULL), ERR_CORRUPT);
    buf_finish(&bytes);
    close_bench(&bench);
    close_bench(&other);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_format_learns_from_its_reports_under_all_margins_and_no_other_does),
        cmocka_unit_test(a_margin_has_the_condition_that_was_reported_of_it),
        cmocka_unit_test(without_margins_the_view_tells_the_condition_of_every_format),
        cmocka_unit_test(it_reads_back_from_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
