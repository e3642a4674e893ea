/* What a row says of a decision, before anything is reported. */
#include "orchestrator/session/task_row.h"

#include "core/model/channel.h"
#include "core/model/reservations.h"
#include "tests/unit/model/check.h"

struct bench {
    struct world world;
    struct env_view view;
    struct env_decision decision;
};

static void begin(struct bench *bench)
{
    assert_int_equal(env_view_init(&bench->view, &bench->world), 0);
    assert_int_equal(env_decision_init(&bench->decision, bench->world.devices), 0);
    check_observe_all(&bench->view, 0);
}

static void close_bench(struct bench *bench)
{
    env_view_finish(&bench->view);
    env_decision_finish(&bench->decision);
    world_finish(&bench->world);
}

/* With channel.snr radio it follows from the gain to the server that was decided, whichever that is. */
static void the_condition_is_that_of_the_link_to_the_decided_server(void **state)
{
    (void) state;
    struct bench bench = {
        .world = check_world((const char *[]){"devices.count=3", "servers.count=3", "channel.mode=analog",
                                              "channel.snr=radio", NULL})};
    struct db_task row;
    begin(&bench);
    for (uint32_t n = 0; n < 3; n++)
        for (uint32_t m = 0; m < 3; m++) {
            bench.view.gain[3 * n + m] = 1e-10 * (1.0 + 3.0 * n + m); /* no two alike */
            bench.decision.server[n] = m;
            bench.decision.split[n] = 5;
            bench.decision.bandwidth_share[n] = 0.5;
            task_row_decide(&row, &bench.view, &bench.decision, n);
            assert_same(row.channel,
                        channel_condition(&bench.world, n, bench.view.id, bench.view.gain[3 * n + m], 0.5));
            assert_int_equal(row.server, m);
        }
    bench.decision.server[1] = ENV_LOCAL;
    task_row_decide(&row, &bench.view, &bench.decision, 1);
    assert_true(isnan(row.channel)); /* nothing is sent */
    assert_int_equal(row.server, DB_SERVER_NULL);
    close_bench(&bench);
}

static void a_row_of_a_reliable_channel_has_no_condition(void **state)
{
    (void) state;
    struct bench bench = {.world = check_world(NULL)};
    struct db_task row;
    begin(&bench);
    bench.decision.server[0] = 1;
    task_row_decide(&row, &bench.view, &bench.decision, 0);
    assert_true(isnan(row.channel) && isnan(row.reserved_compute));
    close_bench(&bench);
}

static void what_a_task_reserves_stands_in_its_row_and_a_refused_one_has_nothing(void **state)
{
    (void) state;
    struct bench bench = {.world = check_world(NULL)};
    struct db_task row;
    begin(&bench);
    bench.world.scenario.servers.discipline = DISCIPLINE_RESERVED;
    bench.decision.server[0] = 2;
    bench.decision.compute_share[0] = 0.25;
    bench.decision.bandwidth_share[0] = 0.5;
    bench.decision.memory_share[0] = 0.75;
    task_row_decide(&row, &bench.view, &bench.decision, 0);
    assert_same(row.reserved_compute, 0.25);
    assert_same(row.reserved_band, 0.5);
    assert_same(row.reserved_memory, 0.75);
    assert_int_equal(row.status, DB_TASK_DEVICE_LOST); /* until it is reported */
    bench.decision.server[0] = ENV_LOCAL;
    bench.decision.refused[0] = true;
    task_row_decide(&row, &bench.view, &bench.decision, 0);
    assert_true(isnan(row.reserved_compute) && isnan(row.latency_s) && isnan(row.cost));
    assert_int_equal(row.status, DB_TASK_REFUSED);
    bench.view.present[0] = false; /* a device that is lost has no task to refuse */
    task_row_decide(&row, &bench.view, &bench.decision, 0);
    assert_int_equal(row.status, DB_TASK_DEVICE_LOST);
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_condition_is_that_of_the_link_to_the_decided_server),
        cmocka_unit_test(a_row_of_a_reliable_channel_has_no_condition),
        cmocka_unit_test(what_a_task_reserves_stands_in_its_row_and_a_refused_one_has_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
