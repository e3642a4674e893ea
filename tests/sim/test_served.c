/* Who served each task, and with which share: in both modes, by every handover policy and after every loss. The oracle
 * knows the model's FLOPs and what each server declares, and follows the events; it does not know who decided what. */
#include "tests/sim/played.h"

#include <stdio.h>

#include "core/base/units.h"
#include "core/model/radio.h"

#define TINY 1e-9
#define SLOTS 60u

static const char *const recoveries[] = {"none", "local", "reoffload"};
static const char *const handovers[] = {"finish", "resume", "restart"};
static const char *const disciplines[] = {"fifo", "processor-sharing"};

/* FLOPs of the remaining layers: 24 per token and squared width in each (docs/model.md, A2). */
static double rest_flops(const struct world *world, const struct db_task *row)
{
    double width = world->llm->hidden;
    return 24.0 * row->tokens * width * width * (world->llm->layers - row->split);
}

/* Where the events say that the task went last; the server decided when they say nothing. */
static int64_t last_place(const struct sim_record *record, const struct db_task *row, uint32_t *ret_handovers)
{
    int64_t place = row->server;
    *ret_handovers = 0;
    for (size_t i = 0; i < record->events; i++) {
        const struct db_event *event = &record->event[i];
        bool moves = event->kind == DB_EVENT_HANDOVER || event->kind == DB_EVENT_RECOVERED;
        if (!moves || event->episode != row->episode || event->number != row->device ||
            event->task_slot != row->slot)
            continue;
        assert_int_equal(event->role, DB_ROLE_DEVICE);
        assert_int_equal(event->from_server, place); /* each begins where the one before ended */
        assert_int_equal(event->kind == DB_EVENT_HANDOVER,
                         event->action == DB_ACTION_RESTART || event->action == DB_ACTION_RESUME);
        assert_int_equal(event->to_server == DB_EVENT_NULL, event->action == DB_ACTION_LOCAL);
        place = event->to_server == DB_EVENT_NULL ? DB_SERVER_NULL : event->to_server;
        *ret_handovers += event->kind == DB_EVENT_HANDOVER ? 1 : 0;
    }
    return place;
}

struct tally {
    uint32_t served, elsewhere, at_home, unserved, handovers, waited;
};

static void check_row(const struct sim_played *played, const struct db_task *row, struct tally *tally)
{
    uint32_t moved = 0;
    int64_t place = last_place(&played->record, row, &moved);
    assert_int_equal(row->handovers, moved);
    tally->handovers += moved;
    tally->waited += moved > 0 && !(row->interrupted_s > 0.0) ? 1 : 0;
    if (!sim_is_done(row)) {
        assert_int_equal(row->served_by, DB_SERVER_NULL);
        assert_true(isnan(row->bandwidth_share) && isnan(row->compute_share));
        tally->unserved++;
        return;
    }
    assert_int_equal(row->served_by, place);
    if (place == DB_SERVER_NULL) {
        assert_true(row->edge_s == 0.0 && row->bandwidth_share == 0.0 && row->compute_share == 0.0);
        tally->at_home++;
        return;
    }
    double seconds =
        rest_flops(&played->world, row) / (played->world.server[place].flops * row->compute_share);
    assert_true(row->compute_share > 0.0 && row->compute_share <= 1.0);
    assert_near(row->edge_s, seconds, TINY * seconds);
    assert_true(row->bandwidth_share >= 0.0 && row->bandwidth_share <= 1.0);
    tally->served++;
    tally->elsewhere += place != row->server ? 1 : 0;
}

/* In rounds the channel holds for the slot: its rate tells the share of the band, too. */
static void check_rate(const struct sim_played *played, const struct db_task *row)
{
    const struct world *world = &played->world;
    struct mobility mobility;
    struct device_slot met;
    mobility_start(world, row->device, RNG_TRAIN, row->episode, &mobility);
    for (uint32_t slot = 0; slot < row->slot; slot++)
        mobility_step(world, row->device, RNG_TRAIN, row->episode, slot, &mobility);
    device_slot_meet(world, row->device, (struct slot_id){RNG_TRAIN, row->episode, row->slot}, &mobility,
                     &met);
    double bandwidth_hz = row->bandwidth_share * world->scenario.radio.bandwidth_mhz * UNITS_MHZ;
    double rate_bps = radio_rate_bps(&world->scenario, bandwidth_hz,
                                     world->device[row->device].transmit_power_w, met.gain[row->served_by]);
    assert_near(row->rate_bps, rate_bps, TINY * rate_bps);
}

static struct tally check(const char *const *keys, const char *policy)
{
    struct sim_played played;
    struct tally tally = {0};
    sim_play(&played, keys, policy, SLOTS);
    for (size_t i = 0; i < played.record.rows; i++) {
        const struct db_task *row = &played.record.row[i];
        check_row(&played, row, &tally);
        if (row->served_by != DB_SERVER_NULL && !env_is_queue(&played.world))
            check_rate(&played, row);
    }
    size_t events = 0;
    for (size_t i = 0; i < played.record.events; i++)
        events += played.record.event[i].kind == DB_EVENT_HANDOVER ? 1 : 0;
    assert_int_equal(tally.handovers, events); /* those of tasks that were lost, too */
    assert_int_equal(played.result.handovers, events);
    assert_true(tally.served > 20);
    sim_finish(&played);
    return tally;
}

#define BREAKING                                                                                             \
    "faults.script=slot 5 kill server 0; slot 12 rejoin server 0; slot 20 pause server 1 for 6; "            \
    "slot 31 kill server 2; slot 32 kill server 1; slot 40 rejoin server 1; slot 45 partition device 2 "     \
    "server 0 for 3;"                                                                                        \
    " slot 8 pause device 1 for 3"

static void rounds_name_who_served_whatever_breaks(void **state)
{
    (void) state;
    for (size_t r = 0; r < 3; r++) {
        char recovery[48];
        (void) snprintf(recovery, sizeof recovery, "faults.recovery=%s", recoveries[r]);
        const char *keys[] = {"devices.count=12", "servers.count=3", recovery, BREAKING, NULL};
        struct tally tally = check(keys, "random");
        assert_int_equal(tally.elsewhere > 3, r == 2);
        assert_true(tally.unserved > (r == 0 ? 10 : 0));
    }
}

static void queues_name_who_served_whoever_moves_and_whatever_breaks(void **state)
{
    (void) state;
    for (size_t variant = 0; variant < 18; variant++) {
        size_t r = variant / 6, h = variant / 2 % 3, d = variant % 2;
        char recovery[48], handover[48], discipline[48];
        (void) snprintf(recovery, sizeof recovery, "faults.recovery=%s", recoveries[r]);
        (void) snprintf(handover, sizeof handover, "handover.policy=%s", handovers[h]);
        (void) snprintf(discipline, sizeof discipline, "servers.discipline=%s", disciplines[d]);
        const char *keys[] = {"run.mode=queue",
                              "run.slot_s=0.6",
                              "devices.count=16",
                              "servers.count=3",
                              "task.probability=0.4",
                              "mobility.speed_mean=25",
                              "mobility.speed_max=40",
                              "servers.coverage_m=350",
                              "radio.bandwidth_mhz=3",
                              "fixed.split=8",
                              recovery,
                              handover,
                              discipline,
                              BREAKING,
                              NULL};
        struct tally tally = check(keys, "static");
        assert_int_equal(tally.handovers > 20, h > 0);
        assert_int_equal(tally.waited > 5, h > 0); /* what only waited counts too */
        assert_true(h > 0 ? tally.elsewhere > 10 : r == 2 || tally.elsewhere == 0);
    }
}

/* Alone in the world: each share is all there is. Two devices: never more than all, and all of it while one is alone. */
static void a_share_is_what_was_given_over_the_whole_transfer(void **state)
{
    (void) state;
    static const char *const keys[] = {"run.mode=queue",
                                       "run.slot_s=0.6",
                                       "devices.count=1",
                                       "servers.count=1",
                                       "task.probability=1",
                                       "radio.bandwidth_mhz=2",
                                       "mobility.speed_mean=0.001",
                                       "mobility.speed_max=0.01",
                                       "fixed.split=8",
                                       NULL};
    struct sim_played played;
    size_t served = 0;
    sim_play(&played, keys, "static", SLOTS);
    for (size_t i = 0; i < played.record.rows; i++) {
        const struct db_task *row = &played.record.row[i];
        if (row->served_by == DB_SERVER_NULL)
            continue;
        served++;
        assert_true(row->bandwidth_share > 1.0 - TINY && row->compute_share > 1.0 - TINY);
    }
    assert_true(served > 5);
    sim_finish(&played);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_name_who_served_whatever_breaks),
        cmocka_unit_test(queues_name_who_served_whoever_moves_and_whatever_breaks),
        cmocka_unit_test(a_share_is_what_was_given_over_the_whole_transfer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
