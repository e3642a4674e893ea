#include "tests/unit/run/small_run.h"

#include "orchestrator/host/host_memory.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/run/run_record.h"

struct world small_run_world(struct settings *ret_settings)
{
    static const char *const keys[] = {"devices.count=2",
                                       "servers.count=2",
                                       "run.seed=5",
                                       "evaluation.validate_episodes=1",
                                       "evaluation.validate_slots=3",
                                       "evaluation.test_episodes=2",
                                       "evaluation.test_slots=4",
                                       "ddpg.warmup=2",
                                       "ddpg.batch=2",
                                       NULL};
    return full_world(keys, ret_settings);
}

static void play(const struct world *world, const struct settings *settings, const struct small_run *run,
                 struct run_record *record, struct diag *diag)
{
    const struct policy_kind *kind = NULL;
    struct policy policy;
    struct session_result result;
    if (catalog_find(run->policy, &kind, diag) != 0)
        fail_msg("%s", diag->text);
    const struct policy_options options = full_options(world, settings, policy_learns(kind));
    if (policy_create(&policy, kind, &options, diag) != 0)
        fail_msg("%s", diag->text);
    struct session session = {
        .world = world,
        .policy = &policy,
        .phase = RNG_TRAIN,
        .episodes = run->played,
        .slots = run->slots,
        .checkpoint_every = run->checkpoint_every,
        .record_tasks = true,
    };
    session_sinks_add(&session.sinks, run_record_sink(record));
    if (run->played > 0 && host_memory_run(&session, &result, diag) != 0)
        fail_msg("%s", diag->text);
    policy_destroy(&policy);
}

int64_t small_run_record(const char *path, const struct world *world, const struct settings *settings,
                         const struct small_run *run)
{
    struct diag diag = {{0}};
    struct run_record record;
    const struct run_record_row row = {
        .path = path,
        .settings = settings,
        .kind = DB_RUN_TRAIN,
        .policy = run->policy,
        .checkpoint_episode = -1,
        .host = "memory",
        .phase = RNG_TRAIN,
        .episodes = run->episodes,
        .slots = run->slots,
        .checkpoint_every = run->checkpoint_every,
    };
    if (run_record_open(&record, world, &row, NULL, NULL, &diag) != 0)
        fail_msg("%s", diag.text);
    play(world, settings, run, &record, &diag);
    if (run_record_close(&record, run->status, NULL, &diag) != 0)
        fail_msg("%s", diag.text);
    return record.run_id;
}
