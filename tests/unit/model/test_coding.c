/* Codings: which there are, what each makes of a payload, a rate and a task's quality. */
#include "core/model/coding.h"

#include "check.h"
#include "core/base/err.h"
#include "core/model/channel.h"
#include "core/model/channel_radio.h"
#include "core/model/cost.h"
#include "core/model/quality.h"

static void a_scenario_has_its_own_coding_alone(void **state)
{
    (void) state;
    struct world world = check_world(
        (const char *[]){"channel.mode=bounded", "channel.margin_db=7", "model.bits_per_element=5.5", NULL});
    assert_int_equal(world.codings.count, 1);
    struct coding own = coding_at(&world.codings, &world.scenario, 0);
    assert_same(own.bits_per_element, 5.5);
    assert_same(own.margin_db, 7.0);
    world_finish(&world);
}

static void lists_make_all_pairs_in_their_order(void **state)
{
    (void) state;
    static const struct coding wanted[] = {{COMPUTE_FP16, 16.0, 10.0},
                                           {COMPUTE_INT8, 8.0, 3.0},
                                           {COMPUTE_INT8, 8.0, -2.5},
                                           {COMPUTE_Q4, 4.5, 3.0},
                                           {COMPUTE_Q4, 4.5, -2.5}};
    struct world world = check_world((const char *[]){"channel.mode=bounded", "action.formats= int8  q4",
                                                      "action.margins_db=3 -2.5 ", NULL});
    assert_int_equal(world.codings.count, 5);
    for (uint32_t i = 0; i < 5; i++) {
        struct coding coding = coding_at(&world.codings, &world.scenario, i);
        double scale_bits =
            wanted[i].format == COMPUTE_INT8 ? 32.0 / world.llm->hidden : 0.0; /* exact: 4,096 */
        assert_int_equal(coding.format, wanted[i].format);
        assert_same(coding.bits_per_element, wanted[i].bits_per_element + scale_bits);
        assert_same(coding.margin_db, wanted[i].margin_db);
    }
    world_finish(&world);
    world = check_world((const char *[]){"channel.mode=bounded", "action.margins_db=0 1 2", NULL});
    assert_int_equal(world.codings.count, 4);
    assert_same(coding_at(&world.codings, &world.scenario, 3).bits_per_element, 16.0);
    world_finish(&world);
    world = check_world((const char *[]){"channel.mode=erasure", "action.formats=fp32", NULL});
    assert_int_equal(world.codings.count, 2);
    assert_same(coding_at(&world.codings, &world.scenario, 1).bits_per_element, 32.0);
    world_finish(&world);
}

static void assert_refused(const char *const *assignments, int code, const char *message)
{
    struct scenario scenario;
    struct diag diag = {{0}};
    scenario_defaults(&scenario);
    for (; *assignments != NULL; assignments++)
        assert_int_equal(scenario_set(&scenario, *assignments, &diag), 0);
    int rc = scenario_check(&scenario, &diag);
    assert_string_equal(diag.text, message);
    assert_int_equal(rc, code);
}

static void lists_that_say_nothing_possible_are_refused(void **state)
{
    (void) state;
    assert_refused((const char *[]){"action.formats=int9", NULL}, ERR_UNKNOWN,
                   "action.formats: 'int9' is not known, allowed fp32, fp16, int8, q4");
    assert_refused((const char *[]){"action.formats=topk", NULL}, ERR_UNKNOWN,
                   "action.formats: 'topk' is not known, allowed fp32, fp16, int8, q4");
    assert_refused((const char *[]){"channel.mode=bounded", "action.margins_db=3 x", NULL}, ERR_SYNTAX,
                   "action.margins_db: 'x' is not a number");
    assert_refused((const char *[]){"channel.mode=bounded", "action.margins_db=61", NULL}, ERR_RANGE,
                   "action.margins_db: 61 is out of range, allowed -10 to 60 dB");
    assert_refused((const char *[]){"action.margins_db=3", NULL}, ERR_UNSUPPORTED,
                   "action.margins_db: is of channel.mode bounded, and it is reliable: leave it empty");
    assert_refused((const char *[]){"channel.mode=analog", "action.formats=q4", NULL}, ERR_UNSUPPORTED,
                   "action.formats: channel.mode analog sends real numbers: leave it empty");
    assert_refused((const char *[]){"channel.mode=bounded", "action.formats=fp32 fp16 int8 q4",
                                    "action.margins_db=1 2 3 4 5 6 7 8 9", NULL},
                   ERR_TOO_BIG,
                   "action.formats, action.margins_db: more than 32 pairs of a format and a margin");
    assert_refused(
        (const char *[]){"quality.source=table", "quality.table=0|1:0", "quality.formats=q4", NULL},
        ERR_SYNTAX, "quality.formats: 'q4' is no `FORMAT = TABLE`");
    assert_refused(
        (const char *[]){"quality.source=table", "quality.table=0|1:0", "quality.formats=q4=0|1:x", NULL},
        ERR_SYNTAX, "quality.formats: q4: quality.table: 'x' is not a number");
    assert_refused((const char *[]){"quality.source=table", "quality.table=0|1:0",
                                    "quality.formats=q4=0|1:1;q4=0|1:2", NULL},
                   ERR_SYNTAX, "quality.formats: q4 has two tables");
    assert_refused((const char *[]){"quality.formats=q4=0|1:1", NULL}, ERR_UNSUPPORTED,
                   "quality.formats: is of quality.source table: leave it empty");
}

static void a_coding_says_what_is_sent_how_fast_and_how_safely(void **state)
{
    (void) state;
    struct world world = check_world(
        (const char *[]){"channel.mode=bounded", "action.formats=q4", "action.margins_db=0", NULL});
    const struct slot_id id = {RNG_TEST, 0, 0};
    struct task_plan plan = {.split = 4, .bandwidth_share = 0.5, .compute_share = 0.5};
    struct task_outcome own, coded;
    cost_outcome(&world, 0, 128, 1e-11, &plan, &own);
    plan.coding = 1;
    cost_outcome(&world, 0, 128, 1e-11, &plan, &coded);
    assert_near(coded.payload_bits, own.payload_bits * 4.5 / 16.0, 1e-6);
    assert_true(coded.rate_bps > 1.5 * own.rate_bps); /* 10 dB less margin */
    assert_near(own.missing, 1.0 - exp(-0.1), 1e-9);
    assert_near(coded.missing, 1.0 - exp(-1.0), 1e-9);
    assert_near(channel_condition_coded(&world, 0, id, 1e-11, 0.5, 1), 1.0 - exp(-1.0), 1e-9);
    plan.split = 0; /* token ids have no format */
    cost_outcome(&world, 0, 128, 1e-11, &plan, &coded);
    assert_same(coded.payload_bits, 4096.0);
    world_finish(&world);
}

static void a_format_has_the_quality_of_its_own_table(void **state)
{
    (void) state;
    struct world world = check_world((const char *[]){
        "channel.mode=erasure", "quality.source=table", "quality.table=0,1|1:0,2",
        "action.formats=fp16 int8 q4", "quality.formats= q4 = 0,1|1:0.5,3 ; int8=0|1:0.125", NULL});
    static const double wanted[] = {1.0, 1.0, 0.125, 1.75}; /* fp16 has none of its own */
    for (uint32_t i = 0; i < 4; i++)
        assert_same(quality_log_ratio(&world, 5, 0.5, i), wanted[i]);
    assert_same(quality_log_ratio(&world, 0, 0.5, 3), 0.0);
    world_finish(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scenario_has_its_own_coding_alone),
        cmocka_unit_test(lists_make_all_pairs_in_their_order),
        cmocka_unit_test(lists_that_say_nothing_possible_are_refused),
        cmocka_unit_test(a_coding_says_what_is_sent_how_fast_and_how_safely),
        cmocka_unit_test(a_format_has_the_quality_of_its_own_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
