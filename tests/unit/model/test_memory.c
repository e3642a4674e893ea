/* Whichever allocation fails: what is made of the model says so, and leaves nothing behind. */
#include <errno.h>
#include <stdio.h>

#include "check.h"
#include "core/base/buf.h"
#include "core/model/forecast.h"
#include "core/model/link.h"
#include "core/model/station.h"
#include "core/model/trace.h"
#include "core/model/trace_stats.h"
#include "tests/lib/memory.h"
#include "tests/lib/memory_each.h"

/* ---- what is made ---- */

static int make_scenario(void *user, struct diag *diag)
{
    (void) user;
    static const char text[] = "run: {name: \"mine\", slots: 7}\nradio:\n  bandwidth_mhz: 2.5e1\nmobility:\n"
                               "faults:\n  script: slot 3 kill server 0\n";
    struct scenario scenario;
    scenario_defaults(&scenario);
    return scenario_read(&scenario, text, sizeof text - 1, "x.yaml", diag);
}

static int make_scenario_text(void *user, struct diag *diag)
{
    (void) user;
    struct scenario scenario;
    struct buf text = {0};
    (void) diag;
    scenario_defaults(&scenario);
    int rc = scenario_print(&scenario, &text);
    buf_finish(&text);
    return rc;
}

static int make_world(void *user, struct diag *diag)
{
    (void) user;
    struct scenario scenario;
    struct world world;
    scenario_defaults(&scenario);
    int rc = scenario_set(&scenario, "faults.script=slot 3 kill server 0; slot 5 rejoin server 0", diag);
    if (rc == 0)
        rc = world_init(&world, &scenario, NULL, diag);
    if (rc == 0)
        world_finish(&world);
    return rc;
}

static struct world shown;

static int make_view(void *user, struct diag *diag)
{
    (void) user;
    struct env_view view;
    (void) diag;
    int rc = env_view_init(&view, &shown);
    if (rc == 0)
        env_view_finish(&view);
    return rc;
}

static int make_decision(void *user, struct diag *diag)
{
    (void) user;
    struct env_decision decision;
    (void) diag;
    int rc = env_decision_init(&decision, 5);
    if (rc == 0)
        env_decision_finish(&decision);
    return rc;
}

static int make_trace(const char *text, struct diag *diag)
{
    struct trace trace;
    int rc = trace_read(&trace, text, strlen(text), "t", TRACE_AUTO, diag);
    if (rc == 0)
        trace_finish(&trace);
    return rc;
}

static int make_opportunities(void *user, struct diag *diag)
{
    (void) user;
    return make_trace("0\n1\n1\n4\n10\n", diag);
}

static int make_log(void *user, struct diag *diag)
{
    (void) user;
    return make_trace(
        "Timestamp,Longitude,Latitude,Speed,CellID,DL_bitrate,UL_bitrate\n"
        "2019.12.16_13.40.04,-8.4,51.8,10,A,5000,1000\n2019.12.16_13.40.05,-8.4,51.8,10,B,6000,1500\n"
        "2019.12.16_13.40.06,-8.4,51.9,10,A,7000,1700\n",
        diag);
}

static int measure_trace(void *user, struct diag *diag)
{
    (void) user;
    struct trace trace;
    struct trace_stats stats;
    int rc = trace_read(&trace, "0 1\n1 2\n4 0\n", 12, "t", TRACE_AUTO, diag);
    if (rc != 0)
        return rc;
    rc = trace_stats_of(&trace, DIRECTION_UP, &stats, diag);
    assert_int_equal(rc == 0, diag->text[0] == '\0');
    trace_finish(&trace);
    return rc;
}

static int make_station(void *user, struct diag *diag)
{
    (void) user;
    struct station station;
    int rc = 0;
    (void) diag;
    station_init(&station, DISCIPLINE_FIFO, 1.0, 0.0);
    for (uint32_t i = 0; i < 40 && rc == 0; i++)
        rc = station_add(&station, 0.0, i, 1.0);
    station_finish(&station);
    return rc;
}

static int make_link(void *user, struct diag *diag)
{
    (void) user;
    const struct link_params params = {
        .rate_bps = 1e6, .delay_s = 5.0, .jitter_s = 1.0, .loss = 0.1, .retransmit_s = 0.01};
    struct link link;
    int rc = 0;
    (void) diag;
    link_init(&link, &params, 0.0);
    for (uint32_t i = 0; i < 40 && rc == 0; i++)
        rc = link_offer(&link, 0.01 * i, 1500.0);
    link_finish(&link);
    return rc;
}

/* ---- the sentences ---- */

static void a_scenario_is_read_and_printed_or_not(void **state)
{
    (void) state;
    memory_each(make_scenario, NULL, 1);
    memory_each(make_scenario_text, NULL, 1);
}

static void a_world_and_what_is_seen_of_it_are_whole_or_not_there(void **state)
{
    (void) state;
    shown = check_world(NULL);
    memory_each(make_world, NULL, 1);
    memory_each(make_view, NULL, 1);
    memory_each(make_decision, NULL, 1);
    world_finish(&shown);
}

static void a_trace_is_whole_or_not_there(void **state)
{
    (void) state;
    memory_each(make_opportunities, NULL, 1);
    memory_each(make_log, NULL, 1);
    memory_each(measure_trace, NULL, 1);
}

static void queues_say_that_they_cannot_grow(void **state)
{
    (void) state;
    memory_each(make_station, NULL, 1);
    memory_each(make_link, NULL, 1);
}

/* Every pair is foreseen once, and the next allocation would fail. True: one was needed. */
static bool foresee_pairs(struct forecast *forecast)
{
    const struct forecast_way way = {0};
    for (uint32_t n = 0; n < shown.devices; n++)
        for (uint32_t m = 0; m < shown.servers; m++) {
            double cost;
            memory_fail_at(1);
            int rc = forecast_server(forecast, m, &n, &way, 1, &cost);
            bool failed = memory_has_failed();
            if (rc != (failed ? -ENOMEM : 0) || !isinf(cost) != !failed)
                fail_msg("device %u, server %u: %d, cost %g", n, m, rc, cost);
            if (failed)
                return true;
        }
    return false;
}

static void a_forecast_says_that_it_cannot_grow(void **state)
{
    (void) state;
    static const char *const keys[] = {"run.mode=queue", "servers.discipline=fifo", "devices.count=10",
                                       "servers.count=4", NULL};
    struct env_view view;
    struct forecast forecast;
    shown = check_world(keys);
    struct forecast_source source = forecast_model(&shown);
    assert_int_equal(env_view_init(&view, &shown), 0);
    check_observe_all(&view, 0);
    assert_int_equal(forecast_init(&forecast, &shown, &source), 0);
    forecast_begin(&forecast, &view);
    assert_true(foresee_pairs(&forecast));
    forecast_finish(&forecast);
    env_view_finish(&view);
    world_finish(&shown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scenario_is_read_and_printed_or_not),
        cmocka_unit_test(a_world_and_what_is_seen_of_it_are_whole_or_not_there),
        cmocka_unit_test(a_trace_is_whole_or_not_there),
        cmocka_unit_test(queues_say_that_they_cannot_grow),
        cmocka_unit_test(a_forecast_says_that_it_cannot_grow),
    };
    if (!memory_can_fail()) {
        (void) printf("1..0 # SKIP sanitizers allocate by functions of their own\n");
        return 0; /* the plan above says it */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
