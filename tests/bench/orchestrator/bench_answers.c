/* Tasks per second of a memory run whose tasks are really computed, on the house model. The named peer is the engine
 * alone: compute_answer on the same tasks, in a loop. The ratio says what the session around it costs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/clock.h"
#include "core/base/units.h"
#include "core/compute/compute.h"
#include "orchestrator/host/host_memory.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/setup/scenario_source.h"
#include "orchestrator/setup/world_setup.h"

#define SLOTS 10u
#define REPEATS 3

struct tasks {
    struct compute_task *task;
    size_t count, capacity;
};

static int keep(void *user, const struct db_task *row, size_t count)
{
    struct tasks *tasks = user;
    if (array_reserve(&tasks->task, &tasks->capacity, tasks->count + count) != 0)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        tasks->task[tasks->count++] = (struct compute_task){.device = row[i].device,
                                                            .id = {RNG_TRAIN, row[i].episode, row[i].slot},
                                                            .tokens = row[i].tokens,
                                                            .split = row[i].split};
    return 0;
}

/* Seconds of a run, of which the tasks are kept; negative: it failed. */
static double run_host(const struct world *world, const struct settings *settings, struct tasks *tasks,
                       struct diag *diag)
{
    struct policy policy;
    struct session_result result = {0};
    if (policy_create(&policy, &policy_random,
                      &(struct policy_options){.world = world, .settings = settings_values(settings)},
                      diag) != 0)
        return -1.0;
    struct session session = {.world = world,
                              .policy = &policy,
                              .phase = RNG_TRAIN,
                              .episodes = 1,
                              .slots = SLOTS,
                              .record_tasks = true};
    tasks->count = 0;
    session_sinks_add(&session.sinks, (struct session_sink){.tasks = keep, .user = tasks});
    int rc = host_memory_run(&session, &result, diag);
    policy_destroy(&policy);
    return rc == 0 ? result.wall_s : -1.0;
}

/* Likewise, with a new engine, as a run has one. */
static double run_engine(const struct world *world, const struct tasks *tasks, struct diag *diag)
{
    struct compute *compute = NULL;
    struct compute_answer answer;
    uint64_t start_ns = clock_monotonic_ns();
    int rc = compute_open(&compute, world, NULL, diag);
    for (size_t i = 0; i < tasks->count && rc == 0; i++)
        rc = compute_answer(compute, &tasks->task[i], &answer, diag);
    compute_close(compute);
    return rc == 0 ? units_ns_to_s(clock_monotonic_ns() - start_ns) : -1.0;
}

static int compare(const struct world *world, const struct settings *settings, struct diag *diag)
{
    struct tasks tasks = {0};
    double host = 0.0, engine = 0.0;
    for (int i = 0; i < REPEATS && host >= 0.0 && engine >= 0.0; i++) {
        double one = run_host(world, settings, &tasks, diag);
        double other = one >= 0.0 ? run_engine(world, &tasks, diag) : -1.0;
        host = i == 0 || one < host ? one : host;
        engine = i == 0 || other < engine ? other : engine;
    }
    double count = (double) tasks.count;
    free(tasks.task);
    if (host < 0.0 || engine < 0.0)
        return 1;
    (void) printf("memory host with real layers: %.0f tasks/s (%.0f tasks, best of %d)\n", count / host,
                  count, REPEATS);
    (void) printf("engine alone:                 %.0f tasks/s\n", count / engine);
    (void) printf("ratio host/engine: %.2f\n", engine / host);
    return 0;
}

int main(void)
{
    static const char *const set[] = {"model.file=" HOUSE_MODEL, "compute.kind=model", "task.tokens=96",
                                      "compute.text=" HOUSE_MODEL "/evaluation/sotu.txt"};
    const struct scenario_source source = {.set = set, .set_count = sizeof set / sizeof *set};
    struct full_scenario full;
    struct world world;
    struct diag diag = {{0}};
    int rc = scenario_source_load(&source, &full, &diag);
    if (rc == 0)
        rc = world_setup_draw(&world, &full.scenario, full.scenario.run.seed, &diag);
    if (rc == 0) {
        rc = compare(&world, &full.settings, &diag);
        world_finish(&world);
    }
    if (rc != 0)
        (void) fprintf(stderr, "%s\n", diag.text);
    return rc != 0 ? 1 : 0;
}
