/* A station alone: exact times, against what paper and pencil say, and against a clock of tiny steps. */
#include "core/model/station.h"

#include "tests/unit/model/check.h"

static struct station fifo(double rate)
{
    struct station station;
    station_init(&station, DISCIPLINE_FIFO, rate, 0.0);
    return station;
}

static void jobs_leave_in_the_order_they_came(void **state)
{
    (void) state;
    struct station station = fifo(2.0);
    assert_true(isinf(station_due_s(&station)));
    assert_null(station_next(&station));
    assert_int_equal(station_add(&station, 1.0, 7, 4.0), 0);
    assert_int_equal(station_add(&station, 1.5, 8, 1.0), 0);
    assert_same(station_due_s(&station), 3.0);
    assert_near(station_left(&station, 2.0), 3.0, 1e-15);
    struct station_job job = station_take(&station, 3.0);
    assert_int_equal(job.id, 7);
    assert_same(job.arrived_s, 1.0);
    assert_same(job.begun_s, 1.0);
    assert_same(job.busy_s, 2.0);
    assert_same(station_due_s(&station), 3.5);
    job = station_take(&station, 3.5);
    assert_int_equal(job.id, 8);
    assert_same(job.begun_s, 3.0);
    assert_same(job.busy_s, 0.5);
    station_finish(&station);
}

static void equal_shares_slow_everybody_down(void **state)
{
    (void) state;
    struct station station;
    station_init(&station, DISCIPLINE_SHARED, 1.0, 0.0);
    assert_int_equal(station_add(&station, 0.0, 1, 3.0), 0);
    assert_int_equal(station_add(&station, 1.0, 2, 1.0), 0);
    assert_same(station_due_s(&station), 3.0); /* the second has one second at half the speed before it */
    struct station_job job = station_take(&station, 3.0);
    assert_int_equal(job.id, 2);
    assert_same(job.busy_s, 1.0);
    assert_same(station_due_s(&station), 4.0);
    job = station_take(&station, 4.0);
    assert_int_equal(job.id, 1);
    assert_same(job.busy_s, 3.0);
    station_finish(&station);
}

static void a_change_of_rate_takes_hold_of_the_job_that_is_served(void **state)
{
    (void) state;
    struct station station = fifo(1.0);
    assert_int_equal(station_add(&station, 0.0, 1, 10.0), 0);
    station_set_rate(&station, 4.0, 3.0);
    assert_same(station_due_s(&station), 6.0);
    station_set_rate(&station, 5.0, 0.0);
    assert_true(isinf(station_due_s(&station)));
    station_set_rate(&station, 100.0, 1.0);
    assert_same(station_due_s(&station), 103.0);
    struct station_job job = station_take(&station, 103.0);
    assert_same(job.busy_s, 8.0); /* an outage is no work */
    station_finish(&station);
}

static void a_job_without_work_is_done_at_once_and_one_taken_early_is_done(void **state)
{
    (void) state;
    struct station station = fifo(1.0);
    assert_int_equal(station_add(&station, 2.0, 1, 0.0), 0);
    assert_same(station_due_s(&station), 2.0);
    assert_same(station_take(&station, 2.0).busy_s, 0.0);
    assert_int_equal(station_add(&station, 3.0, 2, 5.0), 0);
    struct station_job job = station_take(&station, 4.0); /* in real time it had ended then */
    assert_same(job.done, job.work);
    assert_same(job.busy_s, 1.0);
    station_set_rate(&station, station.now_s, 0.0);
    double now_s = station.now_s + 1.0;
    assert_int_equal(station_add(&station, now_s, 77, 0.0), 0);
    assert_same(station_due_s(&station), now_s); /* nothing is left to do, whatever the rate */
    station_finish(&station);
}

static void a_job_may_be_taken_out_from_the_middle(void **state)
{
    (void) state;
    struct station station = fifo(1.0);
    struct station_job job;
    for (uint64_t id = 1; id <= 3; id++)
        assert_int_equal(station_add(&station, 0.0, id, 2.0), 0);
    assert_false(station_remove(&station, 1.0, 9, &job));
    assert_true(station_remove(&station, 1.0, 2, &job));
    assert_true(isnan(job.begun_s));
    assert_true(station_remove(&station, 1.0, 1, &job));
    assert_same(job.done, 1.0);
    assert_int_equal(station_next(&station)->id, 3);
    assert_same(station_due_s(&station), 3.0);
    assert_ptr_equal(station_find(&station, 3), station_next(&station));
    assert_null(station_find(&station, 1));
    station_clear(&station, 1.0);
    assert_null(station_next(&station));
    station_finish(&station);
}

static void add_up(void *user, const struct station_job *job, double busy_s)
{
    double *sum = user;
    sum[job->id] += busy_s;
}

static void accounts_tell_each_busy_second_once(void **state)
{
    (void) state;
    struct station station;
    double sum[2] = {0.0, 0.0};
    station_init(&station, DISCIPLINE_SHARED, 1.0, 0.0);
    assert_int_equal(station_add(&station, 0.0, 0, 5.0), 0);
    assert_int_equal(station_add(&station, 2.0, 1, 5.0), 0);
    for (double now_s = 1.0; now_s <= 4.0; now_s += 1.0)
        station_account(&station, now_s, add_up, sum);
    assert_same(sum[0], 3.0);
    assert_same(sum[1], 1.0);
    station_account(&station, 4.0, add_up, sum);
    assert_same(sum[0] + sum[1], 4.0);
    station_finish(&station);
}

/* Random jobs and rates; work that is done equals the rate's integral while somebody is there. */
static void no_work_is_lost_or_made(void **state)
{
    (void) state;
    for (int discipline = 0; discipline < 2; discipline++) {
        struct station station;
        struct rng_at at = {.seed = 4, .stream = RNG_SAMPLING, .entity = (uint32_t) discipline};
        station_init(&station, discipline == 0 ? DISCIPLINE_FIFO : DISCIPLINE_SHARED, 1.0, 0.0);
        double now_s = 0.0, rate = 1.0, given = 0.0, done = 0.0, offered = 0.0;
        for (uint32_t i = 0; i < 2000; i++) {
            double next_s = now_s + rng_range(&at, 3 * i, 0.0, 1.0);
            while (station_due_s(&station) <= next_s) {
                double due_s = station_due_s(&station);
                given += rate * (due_s - now_s);
                now_s = due_s;
                done += station_take(&station, due_s).work;
            }
            given += station_next(&station) != NULL ? rate * (next_s - now_s) : 0.0;
            now_s = next_s;
            if (i % 3 == 0) {
                rate = i % 30 == 0 ? 0.0 : rng_range(&at, 3 * i + 1, 0.5, 2.0);
                station_set_rate(&station, now_s, rate);
            } else {
                double work = rng_range(&at, 3 * i + 2, 0.0, 1.5);
                offered += work;
                assert_int_equal(station_add(&station, now_s, i, work), 0);
            }
        }
        assert_true(done > 500.0);
        assert_near(given, offered - station_left(&station, now_s), 1e-9 * offered);
        station_finish(&station);
    }
}

/* Not an ulp later: a job would begin after the moment at which it ends, and a negative time be reported. */
static void its_time_is_the_owners_to_the_last_bit(void **state)
{
    (void) state;
    struct station station;
    struct station_job job;
    for (int i = 1; i < 1000; i++) {
        double first_s = i * 0.1, then_s = first_s + i % 7 * 0.3 + 0.1;
        station_init(&station, DISCIPLINE_FIFO, 1.0, first_s);
        station_count(&station, then_s);
        assert_same(station.now_s, then_s);
        assert_int_equal(station_add(&station, then_s, 1, 0.0), 0);
        assert_true(station_remove(&station, then_s, 1, &job));
        assert_same(job.begun_s, then_s);
        station_finish(&station);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_leave_in_the_order_they_came),
        cmocka_unit_test(equal_shares_slow_everybody_down),
        cmocka_unit_test(a_change_of_rate_takes_hold_of_the_job_that_is_served),
        cmocka_unit_test(a_job_without_work_is_done_at_once_and_one_taken_early_is_done),
        cmocka_unit_test(a_job_may_be_taken_out_from_the_middle),
        cmocka_unit_test(accounts_tell_each_busy_second_once),
        cmocka_unit_test(no_work_is_lost_or_made),
        cmocka_unit_test(its_time_is_the_owners_to_the_last_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
