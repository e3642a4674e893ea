/* A small session's every message, line by line, as it was when it was last looked at. A changed protocol,
 * order or number shows as a readable difference. Numbers have nine digits, so that another libm's last bit
 * does not show.
 *
 * usage: test_trace GOLDEN [--write]; with --write the present trace becomes the golden one. */
#include "tests/sim/sim.h"

#include <stdio.h>

#include "core/base/file.h"

static const char *golden_path;

static void record_trace(struct buf *trace)
{
    static const char *const keys[] = {"devices.count=3", "servers.count=2", "run.seed=11",
                                       "servers.coverage_m=600", NULL};
    /* in slot 2 device 1 is lost with its task on the way, before slot 3 server 0 */
    static const struct session_fault fault[] = {{0, 2, SESSION_EXECUTE, false, 1, false},
                                                 {0, 3, SESSION_OBSERVE, true, 0, false}};
    struct world world = check_world(keys);
    struct policy policy = sim_policy(&world, NULL, "random", false);
    struct sim_record record = {.rows = 0};
    struct session session = {
        .world = &world,
        .policy = &policy,
        .phase = RNG_TEST,
        .episodes = 1,
        .slots = 4,
        .record_tasks = true,
        .fault = fault,
        .fault_count = 2,
    };
    session_sinks_add(&session.sinks, sim_sink(&record));
    struct sim_host_options options = {.trace = trace};
    struct session_result result;
    sim_host_run(&session, &options, &result);
    assert_int_equal(result.slots, 4);
    sim_record_finish(&record);
    policy_destroy(&policy);
    world_finish(&world);
}

/* Compares line by line, so that a difference is named and not dumped. */
static void a_sessions_messages_are_the_golden_ones(void **state)
{
    (void) state;
    struct buf trace = {0}, golden = {0};
    struct diag diag = {{0}};
    record_trace(&trace);
    if (file_read(golden_path, 1u << 20, &golden, &diag) != 0)
        fail_msg("%s", diag.text);
    const char *is = (const char *) trace.data, *was = (const char *) golden.data;
    for (int line = 1; *is != '\0' || *was != '\0'; line++) {
        size_t is_length = strcspn(is, "\n"), was_length = strcspn(was, "\n");
        if (is_length != was_length || memcmp(is, was, is_length) != 0)
            fail_msg("line %d was\n  %.*s\nand is\n  %.*s", line, (int) was_length, was, (int) is_length, is);
        is += is_length + (is[is_length] == '\n' ? 1 : 0);
        was += was_length + (was[was_length] == '\n' ? 1 : 0);
    }
    buf_finish(&trace);
    buf_finish(&golden);
}

/* The trace is worth comparing only if it shows all there is. */
static void the_trace_shows_every_message_of_a_slot(void **state)
{
    (void) state;
    static const char *const shown[] = {"SLOT ",   "OBSERVATION ",  "ALLOT ",  "DECISION ",
                                        "TASK ",   "RESULT ",       "REPORT ", "ADVANCED ",
                                        "REVOKE ", "a node is lost"};
    struct buf trace = {0};
    record_trace(&trace);
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        if (strstr((const char *) trace.data, shown[i]) == NULL)
            fail_msg("no %s", shown[i]);
    buf_finish(&trace);
}

static int write_golden(void)
{
    struct buf trace = {0};
    record_trace(&trace);
    FILE *file = fopen(golden_path, "w");
    bool wrote = file != NULL && fwrite(trace.data, 1, trace.size, file) == trace.size;
    wrote = file != NULL && fclose(file) == 0 && wrote;
    buf_finish(&trace);
    return wrote ? 0 : 1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sessions_messages_are_the_golden_ones),
        cmocka_unit_test(the_trace_shows_every_message_of_a_slot),
    };
    if (argc < 2)
        return 2;
    golden_path = argv[1];
    return argc > 2 ? write_golden() : cmocka_run_group_tests(tests, NULL, NULL);
}
