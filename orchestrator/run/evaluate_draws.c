#include "orchestrator/run/evaluate_draws.h"

#include <assert.h>
#include <errno.h>
#include <math.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "orchestrator/host/host_memory.h"
#include "orchestrator/setup/linalg_setup.h"
#include "orchestrator/setup/stop_signal.h"
#include "orchestrator/setup/world_setup.h"

static int on_tasks(void *user, const struct db_task *task, size_t count)
{
    struct evaluate_draws_line *line = user;
    for (size_t i = 0; i < count; i++) {
        assert(task[i].split <= line->layers);
        line->tasks++;
        if (!isnan(task[i].latency_s)) {
            line->done++;
            line->latency_sum += task[i].latency_s;
            line->energy_sum += task[i].energy_j;
        }
        line->misses += task[i].deadline_missed ? 1 : 0;
        line->local += task[i].split == line->layers ? 1 : 0;
        line->full += task[i].split == line->min_split ? 1 : 0;
        line->interior += task[i].split != line->layers && task[i].split != line->min_split ? 1 : 0;
    }
    return 0;
}

static int drive(const struct policy_kind *kind, const struct buf *weights,
                 const struct policy_options *drawn, struct evaluate_draws_line *line, struct diag *diag)
{
    const struct world *world = drawn->world;
    struct policy policy = {0};
    struct session_result result = {0};
    int rc = policy_create(&policy, kind, drawn, diag);
    if (rc == 0 && policy_is_trained(kind))
        rc = kind->load(&policy, weights->data, weights->size, diag);
    line->layers = world->llm->layers;
    line->min_split = (uint32_t) world->scenario.model.min_split;
    struct session session = {
        .world = world,
        .policy = &policy,
        .phase = RNG_TEST,
        .episodes = (uint32_t) world->scenario.evaluation.test_episodes,
        .slots = (uint32_t) world->scenario.evaluation.test_slots,
        .record_tasks = true,
        .stop = stop_signal_flag(),
    };
    session_sinks_add(&session.sinks, (struct session_sink){.tasks = on_tasks, .user = line});
    if (rc == 0)
        rc = host_memory_run(&session, &result, diag);
    policy_destroy(&policy);
    assert(line->done <= line->tasks);
    line->cost_sum += result.mean_cost;
    line->cost_square_sum += result.mean_cost * result.mean_cost;
    return rc;
}

/* Those that can be played in the first world, or else nobody: why the last one cannot. */
static int leave_out_unfit(const struct evaluate_draws_options *options, const struct policy_options *drawn,
                           struct diag *diag)
{
    struct policy_names *list = options->policies;
    struct diag why;
    size_t kept = 0;
    int rc = 0;
    for (size_t i = 0; i < list->count && rc == 0; i++) {
        struct policy policy = {0};
        why = (struct diag){{0}};
        rc = list->kind[i]->asks
                 ? diag_fail(&why, ERR_UNSUPPORTED, "--draws: %s has no agent there", list->kind[i]->name)
                 : policy_create(&policy, list->kind[i], drawn, &why);
        policy_destroy(&policy);
        if (rc == 0)
            list->kind[kept++] = list->kind[i];
        else if (rc == ERR_UNSUPPORTED && list->count > 1)
            log_warn("evaluate", "left out: %s", why.text);
        if (rc == ERR_UNSUPPORTED)
            rc = i + 1 == list->count && kept == 0 ? rc : 0;
    }
    list->count = kept;
    return rc != 0 ? diag_fail(diag, rc, "%s", why.text) : 0;
}

/* In the first world. */
static int check_policies(const struct evaluate_draws_options *options, struct diag *diag)
{
    const struct scenario *scenario = &options->full->scenario;
    struct world world = {0};
    const struct policy_options drawn = {.world = &world,
                                         .settings = settings_values(&options->full->settings)};
    int rc = world_setup_draw(&world, scenario, scenario->run.seed, diag);
    if (rc == 0)
        rc = leave_out_unfit(options, &drawn, diag);
    world_finish(&world);
    return rc;
}

/* The weights of the policies that take any, from the run that is named. */
static int read_weights(const struct evaluate_draws_options *options, struct buf *weights,
                        struct evaluate_draws_line *line, struct diag *diag)
{
    const struct policy_names *list = options->policies;
    struct trained_run trained = {0};
    bool opened = false;
    int rc = 0;
    for (size_t i = 0; i < list->count && rc == 0; i++) {
        int64_t checkpoint = -1;
        if (!policy_is_trained(list->kind[i]))
            continue;
        rc = opened ? 0 : trained_run_open(&trained, &options->trained, diag);
        opened = true;
        if (rc == 0)
            rc = trained_run_checkpoint(&trained, list->kind[i], &checkpoint);
        if (rc == 0)
            rc = trained_run_weights(&trained, checkpoint, &weights[i]);
        if (rc == 0)
            line[i].never_learned = trained_run_never_learned(&trained, checkpoint);
    }
    if (opened)
        trained_run_finish(&trained);
    return rc;
}

int evaluate_draws(const struct evaluate_draws_options *options, struct evaluate_draws_line *ret_line,
                   struct diag *diag)
{
    const struct policy_names *policies = options->policies;
    const struct scenario *scenario = &options->full->scenario;
    struct buf weights[POLICY_NAMES_MAX] = {{0}};
    assert(policies->count <= POLICY_NAMES_MAX);
    struct progress progress = {0};
    int rc = linalg_setup(scenario, diag);
    if (rc == 0)
        rc = check_policies(options, diag);
    for (size_t i = 0; i < policies->count; i++)
        ret_line[i] = (struct evaluate_draws_line){0};
    if (rc == 0)
        rc = read_weights(options, weights, ret_line, diag);
    if (rc == 0)
        progress_start(&progress, "draws", options->draws, options->trained.host.quiet);
    for (uint32_t d = 0; d < options->draws && rc == 0 && !stop_signal_raised(); d++) {
        struct world world = {0};
        const struct policy_options drawn = {.world = &world,
                                             .settings = settings_values(&options->full->settings)};
        rc = world_setup_draw(&world, scenario, scenario->run.seed + d, diag);
        for (size_t i = 0; i < policies->count && rc == 0; i++)
            rc = drive(policies->kind[i], &weights[i], &drawn, &ret_line[i], diag);
        world_finish(&world);
        progress_update(&progress, d + 1, NULL);
    }
    progress_stop(&progress, options->draws);
    for (size_t i = 0; i < policies->count; i++)
        buf_finish(&weights[i]);
    return rc == 0 && stop_signal_raised() ? diag_fail(diag, -EINTR, "interrupted") : rc;
}
