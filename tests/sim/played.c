#include "tests/sim/played.h"

struct session sim_session_of(struct sim_played *played, struct policy *policy, uint32_t episodes,
                              uint32_t slots)
{
    struct session session = {
        .world = &played->world,
        .policy = policy,
        .phase = RNG_TRAIN,
        .episodes = episodes,
        .slots = slots,
        .checkpoint_every = 1,
        .record_tasks = true,
    };
    session_sinks_add(&session.sinks, sim_sink(&played->record));
    return session;
}

void sim_play(struct sim_played *played, const char *const *keys, const char *name, uint32_t slots)
{
    *played = (struct sim_played){.result = {0}};
    played->world = full_world(keys, &played->settings);
    struct policy policy = sim_policy(&played->world, &played->settings, name, false);
    played->result = sim_run(&played->world, &policy, 2, slots, NULL, 0, &played->record);
    policy_destroy(&policy);
}

void sim_finish(struct sim_played *played)
{
    sim_record_finish(&played->record);
    world_finish(&played->world);
}

bool sim_is_done(const struct db_task *row)
{
    return !isnan(row->latency_s);
}

double sim_start_s(const struct sim_played *played, const struct db_task *row)
{
    return row->slot * played->world.scenario.run.slot_s;
}
