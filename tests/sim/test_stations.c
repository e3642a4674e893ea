/* Queueing mode, the stations of whole sessions: what the rows say is held against naive simulations of
 * queues. */
#include "tests/sim/played.h"

#include <stdlib.h>

#define TINY 1e-9

static const char *const busy[] = {SIM_BUSY, NULL};
static const char *const sharing[] = {SIM_BUSY, "servers.discipline=processor-sharing", NULL};

/* ---- stations ---- */

struct visit {
    double arrival_s, work_s, finish_s;
    uint32_t device;
};

static int by_arrival(const void *a, const void *b)
{
    const struct visit *x = a, *y = b;
    if (x->arrival_s != y->arrival_s)
        return x->arrival_s < y->arrival_s ? -1 : 1;
    return (x->device > y->device) - (x->device < y->device);
}

/* Naive: of all that are there, equal shares of each instant until the next thing happens. */
static void share_out(struct visit *visit, size_t count, double *ret_finish_s)
{
    double *left = calloc(count + 1, sizeof *left), now_s = 0.0;
    for (size_t i = 0; i < count; i++) {
        left[i] = visit[i].work_s;
        ret_finish_s[i] = (double) INFINITY;
    }
    for (size_t done = 0; done < count;) {
        double next_s = (double) INFINITY;
        size_t there = 0, first = count;
        for (size_t i = 0; i < count; i++) {
            if (isinf(ret_finish_s[i]) && visit[i].arrival_s <= now_s) {
                there++;
                first = first == count || left[i] < left[first] ? i : first;
            } else if (visit[i].arrival_s > now_s && visit[i].arrival_s < next_s) {
                next_s = visit[i].arrival_s;
            }
        }
        double end_s = there > 0 ? now_s + left[first] * (double) there : (double) INFINITY;
        double until_s = end_s <= next_s ? end_s : next_s;
        for (size_t i = 0; i < count; i++)
            if (isinf(ret_finish_s[i]) && visit[i].arrival_s <= now_s)
                left[i] -= (until_s - now_s) / (double) there;
        if (end_s <= next_s) {
            ret_finish_s[first] = end_s;
            done++;
        }
        now_s = until_s;
    }
    free(left);
}

/* The server's tasks of an episode, as rows say when they arrived; stops at the first that was not finished,
 * since nobody knows when that one came. */
static size_t visits(const struct sim_played *played, uint32_t episode, uint32_t server, struct visit *ret)
{
    const struct world *world = &played->world;
    size_t count = 0;
    double end_s = 60 * world->scenario.run.slot_s;
    for (size_t i = 0; i < played->record.rows; i++) {
        const struct db_task *row = &played->record.row[i];
        if (row->episode != episode || row->server != (int32_t) server || !sim_is_done(row))
            continue;
        double arrival_s =
            sim_start_s(played, row) + row->wait_s + row->local_s + row->transmit_s + row->interrupted_s;
        ret[count++] = (struct visit){
            .arrival_s = arrival_s,
            .work_s = cost_edge_s(world, server, 1.0, row->tokens, row->split),
            .finish_s = sim_start_s(played, row) + row->latency_s,
            .device = row->device,
        };
        assert_true(ret[count - 1].finish_s < end_s + TINY);
    }
    qsort(ret, count, sizeof *ret, by_arrival);
    return count;
}

static void a_fifo_server_takes_them_in_order_and_is_never_idle_while_somebody_waits(void **state)
{
    (void) state;
    struct sim_played played;
    sim_play(&played, busy, "random", 60);
    struct visit *visit = calloc(played.record.rows, sizeof *visit);
    size_t waited = 0;
    for (uint32_t episode = 0; episode < 2; episode++)
        for (uint32_t m = 0; m < 2; m++) {
            size_t count = visits(&played, episode, m, visit);
            double free_s = 0.0;
            assert_true(count > 20);
            for (size_t i = 0; i < count; i++) {
                double begin_s = fmax(visit[i].arrival_s, free_s);
                waited += begin_s > visit[i].arrival_s ? 1 : 0;
                free_s = begin_s + visit[i].work_s;
                assert_near(visit[i].finish_s, free_s, 1e-8);
            }
        }
    assert_true(waited > 100); /* or nothing was tried */
    free(visit);
    sim_finish(&played);
}

/* One server has half of its speed from the first slot on: nobody knows, its queue is that of twice the work,
 * and its joules are its power for as long as it really takes. */
static void a_slow_server_takes_them_in_order_at_its_own_pace(void **state)
{
    (void) state;
    static const char *const keys[] = {SIM_BUSY, "faults.script=episode 0 slot 0 slow server 1 by 0.5", NULL};
    struct sim_played whole, played;
    sim_play(&whole, busy, "random", 60);
    sim_play(&played, keys, "random", 60);
    struct visit *visit = calloc(played.record.rows, sizeof *visit);
    for (uint32_t episode = 0; episode < 2; episode++)
        for (uint32_t m = 0; m < 2; m++) {
            size_t count = visits(&played, episode, m, visit);
            double free_s = 0.0;
            assert_true(count > 10);
            for (size_t i = 0; i < count; i++) {
                free_s = fmax(visit[i].arrival_s, free_s) + visit[i].work_s * (m == 1 ? 2.0 : 1.0);
                assert_near(visit[i].finish_s, free_s, 1e-8);
            }
        }
    for (size_t i = 0; i < played.record.rows; i++) {
        const struct db_task *is = &played.record.row[i], *was = &whole.record.row[i];
        assert_int_equal(is->server, was->server);
        assert_int_equal(is->split, was->split);
        if (sim_is_done(is) && is->server != DB_SERVER_NULL)
            assert_near(is->server_j, played.world.server[is->server].power_w * is->edge_s, 1e-7);
    }
    assert_int_equal(played.record.rows, whole.record.rows);
    assert_int_equal(played.record.events, 1);
    free(visit);
    sim_finish(&whole);
    sim_finish(&played);
}

/* Tasks that were there at the end and are not in the rows took their share too: only what was finished
 * before the first of them can have come is compared. */
static void a_sharing_server_divides_each_instant_equally(void **state)
{
    (void) state;
    struct sim_played played;
    sim_play(&played, sharing, "random", 60);
    struct visit *visit = calloc(played.record.rows, sizeof *visit);
    double *finish_s = calloc(played.record.rows, sizeof *finish_s);
    size_t compared = 0;
    for (uint32_t episode = 0; episode < 2; episode++)
        for (uint32_t m = 0; m < 2; m++) {
            size_t count = visits(&played, episode, m, visit);
            double sure_s = 60 * 0.6;
            for (size_t i = 0; i < played.record.rows; i++) {
                const struct db_task *row = &played.record.row[i];
                if (row->episode == episode && row->server == (int32_t) m && !sim_is_done(row))
                    sure_s = fmin(sure_s, sim_start_s(&played, row));
            }
            share_out(visit, count, finish_s);
            for (size_t i = 0; i < count; i++)
                if (visit[i].finish_s < sure_s) {
                    assert_near(visit[i].finish_s, finish_s[i], 1e-7);
                    compared++;
                }
        }
    assert_true(compared > 100);
    free(visit);
    free(finish_s);
    sim_finish(&played);
}

static void a_device_computes_one_task_after_the_other(void **state)
{
    (void) state;
    struct sim_played played;
    sim_play(&played, busy, "local", 60);
    for (uint32_t episode = 0; episode < 2; episode++)
        for (uint32_t n = 0; n < 8; n++) {
            double free_s = 0.0;
            for (size_t i = 0; i < played.record.rows; i++) {
                const struct db_task *row = &played.record.row[i];
                if (row->episode != episode || row->device != n || !sim_is_done(row))
                    continue;
                double begin_s = fmax(sim_start_s(&played, row), free_s);
                assert_near(row->wait_s, begin_s - sim_start_s(&played, row), TINY);
                assert_near(row->local_s, cost_full_s(&played.world, &played.world.device[n], row->tokens),
                            TINY);
                free_s = begin_s + row->local_s;
            }
        }
    sim_finish(&played);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fifo_server_takes_them_in_order_and_is_never_idle_while_somebody_waits),
        cmocka_unit_test(a_slow_server_takes_them_in_order_at_its_own_pace),
        cmocka_unit_test(a_sharing_server_divides_each_instant_equally),
        cmocka_unit_test(a_device_computes_one_task_after_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
