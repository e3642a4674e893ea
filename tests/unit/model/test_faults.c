/* What breaks, and when: the script's grammar, the times it means, and chaos as a function of the seed. */
#include "core/model/faults.h"

#include <stdio.h>

#include "check.h"
#include "core/base/err.h"

static struct slot_id at(uint32_t episode, uint32_t slot)
{
    return (struct slot_id){.phase = RNG_TRAIN, .episode = episode, .slot = slot};
}

static struct faults *read_script(const char *script)
{
    struct scenario scenario = check_scenario(NULL);
    struct faults *faults = NULL;
    struct diag diag = {{0}};
    (void) snprintf(scenario.faults.script, sizeof scenario.faults.script, "%s", script);
    if (faults_create(&faults, &scenario, 10, 3, 7, &diag) != 0)
        fail_msg("%s", diag.text);
    return faults;
}

static void assert_down(const struct faults *faults, bool is_server, uint32_t number, const char *expected)
{
    for (uint32_t slot = 0; expected[slot] != '\0'; slot++)
        if (faults_down(faults, at(0, slot), is_server, number) != (expected[slot] == 'x'))
            fail_msg("slot %u: expected '%c'", slot, expected[slot]);
}

static void without_a_script_nothing_breaks(void **state)
{
    (void) state;
    assert_null(read_script(""));
    assert_null(read_script(" ; ;"));
    assert_false(faults_down(NULL, at(0, 3), true, 0));
    assert_int_equal(faults_strikes(NULL, at(0, 3), true, 0), FAULT_NONE);
    assert_same(faults_speed(NULL, at(0, 3), false, 0), 1.0);
    assert_false(faults_cut(NULL, at(0, 3), 0, 0));
    assert_int_equal(faults_back_slot(NULL, at(0, 3), false, 0), 4);
}

static void a_killed_node_strikes_in_its_slot_and_is_down_until_it_rejoins(void **state)
{
    (void) state;
    struct faults *faults = read_script("slot 3 kill server 1; slot 6 rejoin server 1;");
    assert_down(faults, true, 1, "....xx...");
    assert_down(faults, true, 0, ".........");
    assert_down(faults, false, 1, ".........");
    assert_int_equal(faults_strikes(faults, at(0, 3), true, 1), FAULT_KILL);
    assert_int_equal(faults_strikes(faults, at(0, 2), true, 1), FAULT_NONE);
    assert_int_equal(faults_strikes(faults, at(0, 4), true, 1), FAULT_NONE);
    assert_int_equal(faults_back_slot(faults, at(0, 3), true, 1), 6);
    faults_destroy(faults);
}

static void without_a_rejoin_it_is_down_to_the_end_of_the_episode(void **state)
{
    (void) state;
    struct faults *faults = read_script("slot 1 kill device 9");
    assert_down(faults, false, 9, "..xxxxxxxxxxxx");
    assert_true(faults_down(faults, at(0, 4000000000u), false, 9));
    assert_int_equal(faults_back_slot(faults, at(0, 1), false, 9), UINT32_MAX);
    assert_false(faults_down(faults, at(1, 0), false, 9)); /* whole again, and killed again */
    assert_int_equal(faults_strikes(faults, at(1, 1), false, 9), FAULT_KILL);
    faults_destroy(faults);
}

static void a_paused_node_comes_back_by_itself_or_earlier(void **state)
{
    (void) state;
    struct faults *faults =
        read_script("slot 2 pause device 3 for 4; slot 2 pause server 0 for 4;slot 4 rejoin server 0");
    assert_down(faults, false, 3, "...xxx..");
    assert_down(faults, true, 0, "...x....");
    assert_int_equal(faults_strikes(faults, at(0, 2), false, 3), FAULT_PAUSE);
    assert_int_equal(faults_back_slot(faults, at(0, 2), false, 3), 6);
    faults_destroy(faults);
}

static void a_pause_of_one_slot_loses_that_slot_alone(void **state)
{
    (void) state;
    struct faults *faults = read_script("slot 2 pause device 3 for 1");
    assert_down(faults, false, 3, "......");
    assert_int_equal(faults_strikes(faults, at(0, 2), false, 3), FAULT_PAUSE);
    assert_int_equal(faults_back_slot(faults, at(0, 2), false, 3), 3);
    faults_destroy(faults);
}

static void a_statement_may_hold_in_one_episode_alone(void **state)
{
    (void) state;
    struct faults *faults = read_script("episode 2 slot 5 kill server 2; slot 7 rejoin server 2");
    assert_int_equal(faults_strikes(faults, at(0, 5), true, 2), FAULT_NONE);
    assert_int_equal(faults_strikes(faults, at(2, 5), true, 2), FAULT_KILL);
    assert_true(faults_down(faults, at(2, 6), true, 2));
    assert_false(faults_down(faults, at(2, 7), true, 2));
    faults_destroy(faults);
}

static void seconds_are_slots_of_the_scenario(void **state)
{
    (void) state;
    struct scenario scenario = check_scenario((const char *[]){
        "run.slot_s=0.5",
        "faults.script=12.5s partition device 2 server 1 for 1.2s; 0s slow server 0 by 0.5 for 0.5s", NULL});
    struct faults *faults = NULL;
    assert_int_equal(faults_create(&faults, &scenario, 10, 3, 7, NULL), 0);
    for (uint32_t slot = 0; slot < 40; slot++) {
        assert_int_equal(faults_cut(faults, at(0, slot), 2, 1), slot >= 25 && slot < 28);
        assert_false(faults_cut(faults, at(0, slot), 1, 2));
        assert_same(faults_speed(faults, at(0, slot), true, 0), slot < 1 ? 0.5 : 1.0);
    }
    faults_destroy(faults);
}

/* Seconds are not slots: what is long in one may be short in the other. */
static void a_fault_of_many_years_is_as_long_as_its_slots_allow(void **state)
{
    (void) state;
    struct scenario hours = check_scenario((const char *[]){
        "run.slot_s=3600", "faults.script=7200000s slow server 0 by 0.5 for 14400000.5s", NULL});
    struct scenario moments = check_scenario((const char *[]){
        "run.slot_s=0.001", "faults.script=slot 5 slow server 0 by 0.5 for 4294967.2s", NULL});
    struct faults *faults = NULL;
    assert_int_equal(faults_create(&faults, &hours, 10, 3, 7, NULL), 0);
    assert_same(faults_speed(faults, at(0, 1999), true, 0), 1.0);
    assert_same(faults_speed(faults, at(0, 2000), true, 0), 0.5);
    assert_same(faults_speed(faults, at(0, 6000), true, 0), 0.5);
    assert_same(faults_speed(faults, at(0, 6001), true, 0), 1.0);
    faults_destroy(faults);
    assert_int_equal(faults_create(&faults, &moments, 10, 3, 7, NULL), 0);
    assert_same(faults_speed(faults, at(0, 4000000000u), true, 0), 0.5);
    faults_destroy(faults);
}

static void where_spans_meet_the_slower_one_holds(void **state)
{
    (void) state;
    struct faults *faults =
        read_script("slot 1 slow device 0 by 0.5 for 4; slot 2 slow device 0 by 0.25 for 2");
    static const double expected[] = {1.0, 0.5, 0.25, 0.25, 0.5, 1.0};
    for (uint32_t slot = 0; slot < 6; slot++)
        assert_same(faults_speed(faults, at(3, slot), false, 0), expected[slot]);
    assert_same(faults_speed(faults, at(3, 2), true, 0), 1.0);
    faults_destroy(faults);
}

/* Slots of ten make an episode here; the script decides alone, not how long episodes are. */
static void assert_speeds(const struct faults *faults, uint32_t server, double factor,
                          const char *const *expected)
{
    for (uint32_t episode = 0; expected[episode] != NULL; episode++)
        for (uint32_t slot = 0; expected[episode][slot] != '\0'; slot++) {
            double is = faults_speed(faults, at(episode, slot), true, server);
            if (is != (expected[episode][slot] == 's' ? factor : 1.0))
                fail_msg("episode %u, slot %u: %g", episode, slot, is);
        }
}

static void a_slowdown_without_a_span_goes_on_as_far_as_its_statement_reaches(void **state)
{
    (void) state;
    static const char *const each[] = {"....ssssss", "....ssssss", "....ssssss", NULL};
    static const char *const for_good[] = {"..........", "......ssss", "ssssssssss", "ssssssssss", NULL};
    static const char *const until[] = {"..........", "......ssss", "ssssssssss",
                                        "sss.......", "..........", NULL};
    static const char *const within[] = {"..........", "..ss......", "..........", NULL};
    static const char *const span[] = {"..........", "........ss", "..........", NULL};
    struct faults *faults = read_script("slot 4 slow server 0 by 0.5");
    assert_speeds(faults, 0, 0.5, each);
    assert_same(faults_speed(faults, at(0, 5), true, 1), 1.0);
    assert_same(faults_speed(faults, at(0, 5), false, 0), 1.0);
    faults_destroy(faults);
    faults = read_script("episode 1 slot 6 slow server 1 by 0.25");
    assert_speeds(faults, 1, 0.25, for_good);
    assert_same(faults_speed(faults, at(4000000000u, 0), true, 1), 0.25);
    assert_false(faults_down(faults, at(2, 0), true, 1));
    faults_destroy(faults);
    faults = read_script("episode 1 slot 6 slow server 1 by 0.25 until episode 3 slot 3");
    assert_speeds(faults, 1, 0.25, until);
    faults_destroy(faults);
    faults = read_script("episode 1 slot 2 slow server 1 by 0.25 until episode 1 4s");
    assert_speeds(faults, 1, 0.25, within);
    faults_destroy(faults);
    faults = read_script("episode 1 slot 8 slow server 1 by 0.25 for 20"); /* a span ends with its episode */
    assert_speeds(faults, 1, 0.25, span);
    faults_destroy(faults);
}

static void what_is_no_script_is_refused_with_the_statement_and_what_is_allowed(void **state)
{
    (void) state;
    static const struct {
        const char *script, *text;
        int code;
    } bad[] = {
        {"slot 40 kill server 3",
         "statement 1, 'slot 40 kill server 3': there is no server '3', allowed 0 to 2", ERR_RANGE},
        {"slot 1 kill server 1; slot 2 pause device 10 for 2",
         "statement 2, 'slot 2 pause device 10 for 2': there is no device '10', allowed 0 to 9", ERR_RANGE},
        {"slot 1 kill phone 1",
         "statement 1, 'slot 1 kill phone 1': 'phone' is not known here, allowed 'device N' or 'server M'",
         ERR_SYNTAX},
        {"slot 1 kill", "statement 1, 'slot 1 kill': it ends too early, allowed 'device N' or 'server M'",
         ERR_SYNTAX},
        {"slot 1 burn server 0",
         "statement 1, 'slot 1 burn server 0': 'burn' is not known here, allowed kill, rejoin, pause, slow "
         "or partition",
         ERR_SYNTAX},
        {"kill server 0",
         "statement 1, 'kill server 0': 'kill' is not known here, allowed 'slot T', 'episode E' or seconds "
         "as in '12.5s'",
         ERR_SYNTAX},
        {"slot -1 kill server 0",
         "statement 1, 'slot -1 kill server 0': there is no slot '-1', allowed 0 to 4294967294", ERR_RANGE},
        {"slot 1 pause server 0", "statement 1, 'slot 1 pause server 0': it ends too early, allowed 'for'",
         ERR_SYNTAX},
        {"slot 1 pause server 0 for 0",
         "statement 1, 'slot 1 pause server 0 for 0': '0' is not known here, allowed slots "
         "from 1, or seconds as in '2.5s'",
         ERR_SYNTAX},
        {"slot 1 pause server 0 for -2s",
         "statement 1, 'slot 1 pause server 0 for -2s': '-2s' is not known here, allowed "
         "slots from 1, or seconds as in '2.5s'",
         ERR_SYNTAX},
        {"slot 1 pause server 0 for nans",
         "statement 1, 'slot 1 pause server 0 for nans': 'nans' is not known here, allowed "
         "slots from 1, or seconds as in '2.5s'",
         ERR_SYNTAX},
        {"slot 1 slow server 0 by 2 for 3",
         "statement 1, 'slot 1 slow server 0 by 2 for 3': '2' is not known here, allowed "
         "0.01 to 1, the part of its speed",
         ERR_SYNTAX},
        {"slot 1 slow server 0 by 0 for 3",
         "statement 1, 'slot 1 slow server 0 by 0 for 3': '0' is not known here, allowed "
         "0.01 to 1, the part of its speed",
         ERR_SYNTAX},
        {"slot 1 slow server 0 by 0.5 always",
         "statement 1, 'slot 1 slow server 0 by 0.5 always': 'always' is not known here, allowed 'for', "
         "'until' "
         "or the statement's end",
         ERR_SYNTAX},
        {"slot 1 slow server 0 by 0.5 for",
         "statement 1, 'slot 1 slow server 0 by 0.5 for': it ends too early, allowed slots from 1, or "
         "seconds "
         "as in '2.5s'",
         ERR_SYNTAX},
        {"slot 1 slow server 0", "statement 1, 'slot 1 slow server 0': it ends too early, allowed 'by'",
         ERR_SYNTAX},
        {"slot 1 slow server 0 by 0.5 until episode 2 slot 0",
         "statement 1, 'slot 1 slow server 0 by 0.5 until episode 2 slot 0': 'until' needs an episode, its "
         "own "
         "and that of the beginning",
         ERR_STATE},
        {"episode 1 slot 1 slow server 0 by 0.5 until slot 9",
         "statement 1, 'episode 1 slot 1 slow server 0 by 0.5 until slot 9': 'until' needs an episode, its "
         "own "
         "and that of the beginning",
         ERR_STATE},
        {"episode 1 slot 1 slow server 0 by 0.5 until episode 1 slot 1",
         "statement 1, 'episode 1 slot 1 slow server 0 by 0.5 until episode 1 slot 1': it ends before it has "
         "begun",
         ERR_STATE},
        {"episode 1 slot 1 slow server 0 by 0.5 until episode 0 slot 5",
         "statement 1, 'episode 1 slot 1 slow server 0 by 0.5 until episode 0 slot 5': it ends before it has "
         "begun",
         ERR_STATE},
        {"episode 1 slot 1 slow server 0 by 0.5 until",
         "statement 1, 'episode 1 slot 1 slow server 0 by 0.5 until': it ends too early, allowed 'slot T', "
         "'episode E' or seconds as in '12.5s'",
         ERR_SYNTAX},
        {"episode 1 slot 1 slow server 0 by 0.5 until episode 2 slot 0 again",
         "statement 1, 'episode 1 slot 1 slow server 0 by 0.5 until episode 2 slot 0 again': 'again' is not "
         "known here, allowed ';' and another statement",
         ERR_SYNTAX},
        {"slot 1 partition device 0 device 1 for 3",
         "statement 1, 'slot 1 partition device 0 device 1 for 3': 'device' is "
         "not known here, allowed 'server'",
         ERR_SYNTAX},
        {"slot 1 kill server 0 slot 2 rejoin server 0",
         "statement 1, 'slot 1 kill server 0 slot 2 rejoin server 0': 'slot' "
         "is not known here, allowed ';' and another statement",
         ERR_SYNTAX},
        {"slot 5 kill server 0; slot 5 rejoin server 0",
         "statement 2, 'rejoin': server 0 is not killed or paused before slot 5", ERR_STATE},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct scenario scenario = check_scenario(NULL);
        struct faults *faults = NULL;
        struct diag diag = {{0}};
        char expected[512];
        (void) snprintf(scenario.faults.script, sizeof scenario.faults.script, "%s", bad[i].script);
        (void) snprintf(expected, sizeof expected, "faults.script: %s", bad[i].text);
        assert_int_equal(faults_create(&faults, &scenario, 10, 3, 7, &diag), bad[i].code);
        assert_null(faults);
        assert_string_equal(diag.text, expected);
        struct diag again = {{0}};
        assert_int_equal(scenario_check(&scenario, &again), bad[i].code); /* and so before any run begins */
    }
}

/* ---- chaos ---- */

static struct faults *draw(double rate, uint64_t seed)
{
    struct scenario scenario = check_scenario(NULL);
    struct faults *faults = NULL;
    scenario.chaos.rate = rate;
    assert_int_equal(faults_create(&faults, &scenario, 10, 3, seed, NULL), 0);
    return faults;
}

/* Slots in which something begins or goes on, of every node. */
static void chaos_is_a_function_of_the_seed_and_as_frequent_as_asked(void **state)
{
    (void) state;
    const uint32_t slots = 4000;
    struct faults *faults = draw(0.02, 7), *again = draw(0.02, 7), *other = draw(0.02, 8);
    uint32_t strikes = 0, down = 0, slow = 0, cut = 0, differs = 0;
    for (uint32_t slot = 0; slot < slots; slot++) {
        for (uint32_t n = 0; n < 10; n++) {
            enum fault_kind kind = faults_strikes(faults, at(1, slot), false, n);
            assert_int_equal(kind, faults_strikes(again, at(1, slot), false, n));
            differs += kind != faults_strikes(other, at(1, slot), false, n) ? 1 : 0;
            strikes += kind != FAULT_NONE ? 1 : 0;
            down += faults_down(faults, at(1, slot), false, n) ? 1 : 0;
            slow += faults_speed(faults, at(1, slot), false, n) < 1.0 ? 1 : 0;
            for (uint32_t m = 0; m < 3; m++)
                cut += faults_cut(faults, at(1, slot), n, m) ? 1 : 0;
        }
    }
    /* Half of a device's faults are kills and pauses: 0.01 a slot, each down for 4.5 further slots on
     * average; a slowdown or a partition holds 5.5 slots. Spans that meet make it a little less. */
    double all = 10.0 * slots;
    assert_near(strikes / all, 0.01, 0.002);
    assert_near(down / all, 0.045, 0.01);
    assert_near(slow / all, 0.0275, 0.007);
    assert_near(cut / all, 0.0275, 0.007);
    assert_true(differs > 100);
    faults_destroy(faults);
    faults_destroy(again);
    faults_destroy(other);
}

static void whoever_chaos_strikes_is_down_next_or_back_at_once(void **state)
{
    (void) state;
    struct faults *faults = draw(0.1, 3);
    for (uint32_t slot = 0; slot < 500; slot++)
        for (uint32_t m = 0; m < 3; m++) {
            if (faults_strikes(faults, at(0, slot), true, m) == FAULT_NONE)
                continue;
            uint32_t back = faults_back_slot(faults, at(0, slot), true, m);
            assert_true(back > slot && back < slot + 100);
            assert_false(faults_down(faults, at(0, slot), true, m));
            for (uint32_t t = slot + 1; t < back; t++)
                assert_true(faults_down(faults, at(0, t), true, m));
            assert_false(faults_down(faults, at(0, back), true, m));
        }
    faults_destroy(faults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_script_nothing_breaks),
        cmocka_unit_test(a_killed_node_strikes_in_its_slot_and_is_down_until_it_rejoins),
        cmocka_unit_test(without_a_rejoin_it_is_down_to_the_end_of_the_episode),
        cmocka_unit_test(a_paused_node_comes_back_by_itself_or_earlier),
        cmocka_unit_test(a_pause_of_one_slot_loses_that_slot_alone),
        cmocka_unit_test(a_statement_may_hold_in_one_episode_alone),
        cmocka_unit_test(seconds_are_slots_of_the_scenario),
        cmocka_unit_test(a_fault_of_many_years_is_as_long_as_its_slots_allow),
        cmocka_unit_test(where_spans_meet_the_slower_one_holds),
        cmocka_unit_test(a_slowdown_without_a_span_goes_on_as_far_as_its_statement_reaches),
        cmocka_unit_test(what_is_no_script_is_refused_with_the_statement_and_what_is_allowed),
        cmocka_unit_test(chaos_is_a_function_of_the_seed_and_as_frequent_as_asked),
        cmocka_unit_test(whoever_chaos_strikes_is_down_next_or_back_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
