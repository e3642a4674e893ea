/* What nodes tell of their links and loops goes to the sinks and into the verdict, and lists that do not match go
 * nowhere. */
#include "orchestrator/host/timing_audit.h"

#include "core/base/err.h"
#include "tests/unit/model/check.h"

#define LINKS_MAX 4u

/* A sink that keeps what comes and answers as the test says. */
struct heard {
    struct audit_link link[LINKS_MAX];
    struct audit_loop loop;
    struct audit_jobs jobs;
    unsigned links, loops, layers;
    int code;
};

static int on_link(void *user, const struct audit_link *sample)
{
    struct heard *heard = user;
    assert_true(heard->links < LINKS_MAX);
    heard->link[heard->links++] = *sample;
    return heard->code;
}

static int on_loop(void *user, const struct audit_loop *sample)
{
    struct heard *heard = user;
    heard->loop = *sample;
    heard->loops++;
    return heard->code;
}

static int on_jobs(void *user, const struct audit_jobs *sample)
{
    struct heard *heard = user;
    heard->jobs = *sample;
    heard->layers++;
    return heard->code;
}

static struct session_sinks sinks_of(struct heard *heard)
{
    struct session_sinks sinks = {.count = 0};
    session_sinks_add(
        &sinks, (struct session_sink){.link = on_link, .loop = on_loop, .jobs = on_jobs, .user = heard});
    return sinks;
}

/* Of a run of 8 devices and 2 servers that has lasted 10 s. */
static struct timing_audit audit_of(const struct session_sinks *sinks, enum scenario_clock clock)
{
    struct world world = {.devices = 8, .servers = 2};
    struct timing_audit audit;
    world.scenario.run.clock = clock;
    assert_int_equal(timing_audit_init(&audit, sinks, &world), 0);
    audit.elapsed_s = 10.0;
    return audit;
}

static const double starts[] = {1.0, 2.0}, lengths[] = {0.5, 0.25}, set[] = {1e6, 2e6},
                    achieved[] = {1.5e6, 2e6};

/* Two windows of the link between device 3 and server 1, of which the first was half as fast again as it was set. */
static struct proto_message links(void)
{
    return (struct proto_message){.id = PROTO_LINK_AUDIT,
                                  .link_audit = {.device = 3,
                                                 .server = 1,
                                                 .start_s = {starts, 2},
                                                 .duration_s = {lengths, 2},
                                                 .set_bps = {set, 2},
                                                 .achieved_bps = {achieved, 2}}};
}

static void only_audits_are_taken(void **state)
{
    (void) state;
    for (unsigned id = 1; id < 256; id++) {
        const struct proto_message message = {.id = (enum proto_id) id};
        assert_int_equal(timing_audit_takes(&message),
                         id == PROTO_LINK_AUDIT || id == PROTO_LOOP_AUDIT || id == PROTO_COMPUTE_AUDIT);
    }
}

static void each_window_of_a_link_is_heard_and_judged(void **state)
{
    (void) state;
    struct heard heard = {.code = 0};
    struct session_sinks sinks = sinks_of(&heard);
    struct timing_audit audit = audit_of(&sinks, CLOCK_REAL);
    struct proto_message message = links();
    char reason[AUDIT_TEXT];
    assert_int_equal(timing_audit_take(&audit, &message, "device", 3, NULL), 0);
    assert_int_equal(heard.links, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(heard.link[i].device, 3);
        assert_int_equal(heard.link[i].server, 1);
        assert_false(heard.link[i].down);
        assert_same(heard.link[i].start_s, starts[i]);
        assert_same(heard.link[i].duration_s, lengths[i]);
        assert_same(heard.link[i].set_bps, set[i]);
        assert_same(heard.link[i].achieved_bps, achieved[i]);
    }
    assert_same(audit.audit.link_bits, 1e6 * 0.5 + 2e6 * 0.25);
    assert_same(audit.audit.link_off_bits, 1e6 * 0.5);
    assert_false(audit_is_trusted(&audit.audit, reason));
    timing_audit_finish(&audit);
}

static void what_a_server_tells_is_of_the_way_down(void **state)
{
    (void) state;
    struct heard heard = {.code = 0};
    struct session_sinks sinks = sinks_of(&heard);
    struct timing_audit audit = audit_of(&sinks, CLOCK_REAL);
    struct proto_message message = links();
    assert_int_equal(timing_audit_take(&audit, &message, "server", 1, NULL), 0);
    assert_true(heard.link[0].down && heard.link[1].down);
    timing_audit_finish(&audit);
}

static void lists_of_different_lengths_are_refused_whole(void **state)
{
    (void) state;
    struct heard heard = {.code = 0};
    struct session_sinks sinks = sinks_of(&heard);
    struct timing_audit audit = audit_of(&sinks, CLOCK_REAL);
    for (unsigned which = 0; which < 4; which++) {
        struct proto_message message = links();
        struct diag diag = {{0}};
        struct proto_reals *const list[] = {&message.link_audit.start_s, &message.link_audit.duration_s,
                                            &message.link_audit.set_bps, &message.link_audit.achieved_bps};
        list[which]->count = 1;
        assert_int_equal(timing_audit_take(&audit, &message, "device", 3, &diag), ERR_RANGE);
        assert_non_null(strstr(diag.text, "LINK_AUDIT"));
    }
    assert_int_equal(heard.links, 0);
    assert_same(audit.audit.link_bits, 0.0);
    timing_audit_finish(&audit);
}

static void an_interval_of_a_loop_is_heard_and_judged_as_its_nodes(void **state)
{
    (void) state;
    struct heard heard = {.code = 0};
    struct session_sinks sinks = sinks_of(&heard);
    struct timing_audit audit = audit_of(&sinks, CLOCK_REAL);
    const struct proto_message message = {
        .id = PROTO_LOOP_AUDIT,
        .loop_audit = {.start_s = 1.0, .duration_s = 2.0, .lag_max_s = 0.5, .lag_mean_s = 0.25}};
    char reason[AUDIT_TEXT];
    assert_int_equal(timing_audit_take(&audit, &message, "server", 1, NULL), 0);
    assert_int_equal(heard.loops, 1);
    assert_string_equal(heard.loop.role, "server");
    assert_int_equal(heard.loop.number, 1);
    assert_same(heard.loop.start_s, 1.0);
    assert_same(heard.loop.duration_s, 2.0);
    assert_same(heard.loop.lag_max_s, 0.5);
    assert_same(heard.loop.lag_mean_s, 0.25);
    assert_same(audit.audit.loop_s, 2.0);
    assert_false(audit_is_trusted(&audit.audit, reason));
    assert_non_null(strstr(reason, "server 1"));
    timing_audit_finish(&audit);
}

/* One of four jobs was late, by 300 ms. */
static struct proto_message jobs(void)
{
    return (struct proto_message){.id = PROTO_COMPUTE_AUDIT,
                                  .compute_audit = {.start_s = 1.0,
                                                    .duration_s = 1.5,
                                                    .jobs = 4,
                                                    .late_jobs = 1,
                                                    .computed_s = 2.0,
                                                    .late_s = 0.5,
                                                    .worst_s = 0.3}};
}

static void an_interval_of_layers_is_heard_and_judged_as_its_nodes(void **state)
{
    (void) state;
    struct heard heard = {.code = 0};
    struct session_sinks sinks = sinks_of(&heard);
    struct timing_audit audit = audit_of(&sinks, CLOCK_REAL);
    const struct proto_message message = jobs();
    char reason[AUDIT_TEXT];
    assert_int_equal(timing_audit_take(&audit, &message, "device", 5, NULL), 0);
    assert_int_equal(heard.layers, 1);
    assert_string_equal(heard.jobs.role, "device");
    assert_int_equal(heard.jobs.number, 5);
    assert_int_equal(heard.jobs.jobs, 4);
    assert_int_equal(heard.jobs.late_jobs, 1);
    assert_same(heard.jobs.start_s, 1.0);
    assert_same(heard.jobs.duration_s, 1.5);
    assert_same(heard.jobs.computed_s, 2.0);
    assert_same(heard.jobs.late_s, 0.5);
    assert_same(heard.jobs.worst_s, 0.3);
    assert_same(audit.audit.computed_s, 2.0);
    assert_same(audit.audit.computed_late_s, 0.5);
    assert_false(audit_is_trusted(&audit.audit, reason));
    assert_non_null(strstr(reason, "device 5"));
    timing_audit_finish(&audit);
}

static void more_late_layers_than_layers_are_refused(void **state)
{
    (void) state;
    struct heard heard = {.code = 0};
    struct session_sinks sinks = sinks_of(&heard);
    struct timing_audit audit = audit_of(&sinks, CLOCK_REAL);
    struct proto_message many = jobs(), longer = jobs();
    struct diag diag = {{0}};
    many.compute_audit.late_jobs = 5;
    longer.compute_audit.late_s = 2.5;
    assert_int_equal(timing_audit_take(&audit, &many, "device", 5, &diag), ERR_RANGE);
    assert_string_equal(diag.text, "COMPUTE_AUDIT: 5 of 4 jobs are late, with 0.5 of 2 s");
    assert_int_equal(timing_audit_take(&audit, &longer, "device", 5, &diag), ERR_RANGE);
    assert_int_equal(heard.layers, 0);
    assert_same(audit.audit.computed_s, 0.0);
    timing_audit_finish(&audit);
}

static void the_sinks_error_ends_the_taking(void **state)
{
    (void) state;
    struct heard heard = {.code = ERR_CORRUPT};
    struct session_sinks sinks = sinks_of(&heard);
    struct timing_audit audit = audit_of(&sinks, CLOCK_REAL);
    struct proto_message message = links();
    const struct audit_loop loop = {.role = "orchestrator", .duration_s = 1.0};
    assert_int_equal(timing_audit_take(&audit, &message, "device", 3, NULL), ERR_CORRUPT);
    assert_int_equal(heard.links, 1);
    assert_int_equal(timing_audit_loop(&audit, &loop), ERR_CORRUPT);
    timing_audit_finish(&audit);
}

static void a_sink_without_hooks_still_gets_a_verdict(void **state)
{
    (void) state;
    struct session_sinks sinks = {.count = 0};
    session_sinks_add(&sinks, (struct session_sink){.user = NULL});
    struct timing_audit audit = audit_of(&sinks, CLOCK_REAL);
    struct proto_message message = links();
    const struct audit_loop loop = {.role = "orchestrator", .duration_s = 3.0};
    assert_int_equal(timing_audit_take(&audit, &message, "device", 3, NULL), 0);
    assert_int_equal(timing_audit_loop(&audit, &loop), 0);
    assert_same(audit.audit.link_bits, 1e6);
    assert_same(audit.audit.loop_s, 3.0);
    timing_audit_finish(&audit);
}

static void nothing_is_audited_in_virtual_time(void **state)
{
    (void) state;
    struct heard heard = {.code = 0};
    struct session_sinks sinks = sinks_of(&heard);
    struct timing_audit audit = audit_of(&sinks, CLOCK_VIRTUAL);
    struct proto_message message = links();
    const struct proto_message loop = {.id = PROTO_LOOP_AUDIT, .loop_audit = {.duration_s = 1.0}};
    assert_int_equal(timing_audit_take(&audit, &message, "device", 3, NULL), ERR_STATE);
    const struct proto_message layers = jobs();
    assert_int_equal(timing_audit_take(&audit, &loop, "device", 3, NULL), ERR_STATE);
    assert_int_equal(timing_audit_take(&audit, &layers, "device", 3, NULL), ERR_STATE);
    assert_int_equal(heard.links + heard.loops + heard.layers, 0);
    timing_audit_finish(&audit);
}

/* How many of these messages are taken before one is refused. */
static unsigned count_taken(struct timing_audit *audit, const struct proto_message *message, const char *role,
                            uint32_t number)
{
    struct diag diag = {{0}};
    unsigned taken = 0;
    int rc;
    while ((rc = timing_audit_take(audit, message, role, number, &diag)) == 0)
        taken++;
    assert_int_equal(rc, ERR_RANGE);
    assert_non_null(strstr(diag.text, "than there can be since the run began"));
    return taken;
}

static void a_node_tells_no_more_than_there_can_be_in_the_time(void **state)
{
    (void) state;
    struct session_sinks sinks = {.count = 0};
    struct timing_audit audit = audit_of(&sinks, CLOCK_REAL);
    const struct proto_message windows = links();
    const struct proto_message loop = {.id = PROTO_LOOP_AUDIT, .loop_audit = {.duration_s = 1.0}};
    assert_int_equal(count_taken(&audit, &windows, "device", 3), (512 + 10 * 50) / 2);
    assert_int_equal(count_taken(&audit, &windows, "server", 1), (512 + 10 * 50) / 2); /* the way down */
    assert_int_equal(count_taken(&audit, &loop, "device", 3), 16 + 10);
    assert_int_equal(count_taken(&audit, &loop, "server", 1), 16 + 10);
    const struct proto_message layers = jobs();
    assert_int_equal(count_taken(&audit, &layers, "device", 3), 16 + 10); /* beside those of its loop */
    assert_int_equal(count_taken(&audit, &layers, "server", 1), 16 + 10);
    audit.elapsed_s = 11.0;
    assert_int_equal(count_taken(&audit, &windows, "device", 3), 50 / 2);
    timing_audit_finish(&audit);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_audits_are_taken),
        cmocka_unit_test(each_window_of_a_link_is_heard_and_judged),
        cmocka_unit_test(what_a_server_tells_is_of_the_way_down),
        cmocka_unit_test(lists_of_different_lengths_are_refused_whole),
        cmocka_unit_test(an_interval_of_a_loop_is_heard_and_judged_as_its_nodes),
        cmocka_unit_test(an_interval_of_layers_is_heard_and_judged_as_its_nodes),
        cmocka_unit_test(more_late_layers_than_layers_are_refused),
        cmocka_unit_test(the_sinks_error_ends_the_taking),
        cmocka_unit_test(a_sink_without_hooks_still_gets_a_verdict),
        cmocka_unit_test(nothing_is_audited_in_virtual_time),
        cmocka_unit_test(a_node_tells_no_more_than_there_can_be_in_the_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
