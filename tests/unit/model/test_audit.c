/* The verdict on a run in real time: what is off, by how much, and who was worst. */
#include "core/model/audit.h"

#include "check.h"

static struct audit_link link_of(double set_mbps, double achieved_mbps)
{
    return (struct audit_link){.device = 3,
                               .server = 1,
                               .start_s = 2.0,
                               .duration_s = 0.1,
                               .set_bps = set_mbps * 1e6,
                               .achieved_bps = achieved_mbps * 1e6};
}

static void add_links(struct audit *audit, size_t count, double set_mbps, double achieved_mbps)
{
    struct audit_link sample = link_of(set_mbps, achieved_mbps);
    for (size_t i = 0; i < count; i++)
        audit_add_link(audit, &sample);
}

static void add_loops(struct audit *audit, size_t count, double lag_max_s)
{
    struct audit_loop sample = {
        .role = "server", .number = 2, .start_s = 7.0, .duration_s = 1.0, .lag_max_s = lag_max_s};
    for (size_t i = 0; i < count; i++)
        audit_add_loop(audit, &sample);
}

static void a_run_without_samples_is_trusted(void **state)
{
    (void) state;
    struct audit audit = {0};
    char reason[AUDIT_TEXT];
    assert_true(audit_is_trusted(&audit, reason));
    assert_string_equal(reason, "");
}

static void links_within_the_tolerance_are_trusted_and_one_packet_is_forgiven(void **state)
{
    (void) state;
    struct audit audit = {0};
    char reason[AUDIT_TEXT];
    add_links(&audit, 50, 50.0, 47.6);
    add_links(&audit, 50, 50.0, 52.4);
    add_links(&audit, 100, 0.1, 0.2); /* 10,000 bits in a window: less than a packet */
    add_links(&audit, 10, 0.0, 0.0);  /* an outage that was kept */
    assert_true(audit_is_trusted(&audit, reason));
}

static void links_that_fall_behind_are_named_with_the_worst_one(void **state)
{
    (void) state;
    struct audit audit = {0};
    char reason[AUDIT_TEXT];
    add_links(&audit, 99, 50.0, 50.0);
    add_links(&audit, 1, 50.0, 40.0);
    assert_true(audit_is_trusted(&audit, reason)); /* 1 % of the bits */
    add_links(&audit, 1, 50.0, 20.0);
    add_links(&audit, 1, 50.0, 45.0); /* off too, but less */
    assert_false(audit_is_trusted(&audit, reason));
    assert_string_equal(reason,
                        "links could not keep their rates for 2.9 % of the bits; worst: device 3 to server 1 "
                        "at 2.0 s, set 50.000, achieved 20.000 Mbit/s");
}

static void a_way_down_is_named_from_server_to_device(void **state)
{
    (void) state;
    struct audit audit = {0};
    char reason[AUDIT_TEXT];
    struct audit_link sample = link_of(10.0, 5.0);
    sample.down = true;
    audit_add_link(&audit, &sample);
    assert_false(audit_is_trusted(&audit, reason));
    assert_string_equal(
        reason, "links could not keep their rates for 100.0 % of the bits; worst: server 1 to device 3 "
                "at 2.0 s, set 10.000, achieved 5.000 Mbit/s");
}

static void a_link_that_is_too_fast_is_off_too(void **state)
{
    (void) state;
    struct audit audit = {0};
    char reason[AUDIT_TEXT];
    add_links(&audit, 10, 50.0, 60.0);
    assert_false(audit_is_trusted(&audit, reason));
}

static void late_loops_are_named_with_the_worst_one(void **state)
{
    (void) state;
    struct audit audit = {0};
    char reason[AUDIT_TEXT];
    add_loops(&audit, 95, 0.019);
    add_loops(&audit, 5, 0.021);
    assert_true(audit_is_trusted(&audit, reason)); /* 5 % of the time */
    add_loops(&audit, 1, 0.250);
    add_loops(&audit, 1, 0.030); /* late too, but less */
    assert_false(audit_is_trusted(&audit, reason));
    assert_string_equal(reason,
                        "processes were late by more than 20 ms for 6.9 % of their time; worst: server 2 at "
                        "7.0 s, late by 250 ms");
}

static void add_jobs(struct audit *audit, uint32_t late_jobs, double computed_s, double worst_s)
{
    const struct audit_jobs sample = {.role = "device",
                                      .number = 4,
                                      .start_s = 3.0,
                                      .duration_s = 1.0,
                                      .jobs = 10,
                                      .late_jobs = late_jobs,
                                      .computed_s = computed_s,
                                      .late_s = 0.1 * late_jobs * computed_s,
                                      .worst_s = worst_s};
    audit_add_jobs(audit, &sample);
}

static void jobs_on_time_are_trusted_and_some_late_ones_are_forgiven(void **state)
{
    (void) state;
    struct audit audit = {0};
    char reason[AUDIT_TEXT];
    add_jobs(&audit, 0, 2.0, 0.015);
    assert_true(audit_is_trusted(&audit, reason));
    add_jobs(&audit, 1, 2.0, 0.5); /* 0.2 of 4 s: 5 % */
    assert_true(audit_is_trusted(&audit, reason));
    assert_string_equal(reason, "");
}

static void late_jobs_are_named_with_the_worst_one(void **state)
{
    (void) state;
    struct audit audit = {0};
    char reason[AUDIT_TEXT];
    add_jobs(&audit, 0, 3.0, 0.0);
    add_jobs(&audit, 5, 1.0, 0.750);
    add_jobs(&audit, 1, 1.0, 0.040); /* late too, but less */
    assert_false(audit_is_trusted(&audit, reason));
    assert_string_equal(reason,
                        "layers were computed too late, by more than 20 ms, for 12.0 % of the computed time; "
                        "worst: device 4 at 3.0 s, late by 750 ms");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_without_samples_is_trusted),
        cmocka_unit_test(links_within_the_tolerance_are_trusted_and_one_packet_is_forgiven),
        cmocka_unit_test(links_that_fall_behind_are_named_with_the_worst_one),
        cmocka_unit_test(a_way_down_is_named_from_server_to_device),
        cmocka_unit_test(a_link_that_is_too_fast_is_off_too),
        cmocka_unit_test(late_loops_are_named_with_the_worst_one),
        cmocka_unit_test(jobs_on_time_are_trusted_and_some_late_ones_are_forgiven),
        cmocka_unit_test(late_jobs_are_named_with_the_worst_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
