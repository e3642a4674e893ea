#include "tests/sim/sim.h"

#include <stdlib.h>

#include "core/base/array.h"
#include "orchestrator/host/host_memory.h"
#include "orchestrator/policy/catalog/catalog.h"

/* ---- what a session leaves behind ---- */

static int on_tasks(void *user, const struct db_task *task, size_t count)
{
    struct sim_record *record = user;
    int rc = 0;
    array_resize(&record->row, record->rows + count, &rc);
    assert_int_equal(rc, 0);
    memcpy(record->row + record->rows, task, count * sizeof *task);
    record->rows += count;
    return 0;
}

static int on_episode(void *user, const struct db_episode *episode)
{
    struct sim_record *record = user;
    int rc = 0;
    array_resize(&record->episode, record->episodes + 1, &rc);
    assert_int_equal(rc, 0);
    record->episode[record->episodes++] = *episode;
    return 0;
}

static int on_event(void *user, const struct db_event *event)
{
    struct sim_record *record = user;
    int rc = 0;
    array_resize(&record->event, record->events + 1, &rc);
    assert_int_equal(rc, 0);
    record->event[record->events++] = *event;
    return 0;
}

static int on_checkpoint(void *user, uint32_t episode, struct policy *policy)
{
    struct sim_record *record = user;
    (void) episode;
    return policy->kind->save(policy, true, &record->weights);
}

struct session_sink sim_sink(struct sim_record *record)
{
    return (struct session_sink){
        .tasks = on_tasks,
        .episode = on_episode,
        .event = on_event,
        .checkpoint = on_checkpoint,
        .user = record,
    };
}

void sim_record_finish(struct sim_record *record)
{
    free(record->row);
    free(record->episode);
    free(record->event);
    buf_finish(&record->weights);
    *record = (struct sim_record){.rows = 0};
}

/* Bits, but that every NAN is the same NULL. */
static bool same_real(double a, double b)
{
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

/* Columns of each kind of task.def. */
#define SAME_WHOLE(a, b) ((a) == (b))
#define SAME_SERVER(a, b) ((a) == (b))
#define SAME_FLAG(a, b) ((a) == (b))
#define SAME_REAL(a, b) same_real(a, b)
#define SAME_STATUS(a, b) ((a) == (b))

/* NULL, or the name of the first column that differs. */
static const char *task_difference(const struct db_task *a, const struct db_task *b)
{
#define TASK(name, kind, unit, role, meaning)                                                                \
    if (!SAME_##kind(a->name, b->name))                                                                      \
        return #name;
#include "db/task.def"
    return NULL;
}

#define WHOLE(name)                                                                                          \
    if (a->name != b->name)                                                                                  \
        return #name;
#define REAL(name)                                                                                           \
    if (!same_real(a->name, b->name))                                                                        \
        return #name;

static const char *episode_difference(const struct db_episode *a, const struct db_episode *b)
{
    WHOLE(episode)
    WHOLE(slots)
    REAL(mean_latency_s)
    REAL(p50_latency_s)
    REAL(p95_latency_s)
    REAL(p99_latency_s)
    REAL(mean_energy_j)
    REAL(mean_cost)
    REAL(episode_return)
    WHOLE(tasks)
    WHOLE(deadline_misses)
    WHOLE(failures)
    WHOLE(repairs)
#undef WHOLE
#undef REAL
    return NULL;
}

bool sim_same_rows(const struct sim_record *a, const struct sim_record *b)
{
    bool same = a->rows == b->rows;
    for (size_t i = 0; same && i < a->rows; i++)
        same = task_difference(&a->row[i], &b->row[i]) == NULL;
    return same;
}

void sim_assert_same(const struct sim_record *a, const struct sim_record *b)
{
    assert_int_equal(a->rows, b->rows);
    for (size_t i = 0; i < a->rows; i++) {
        const char *difference = task_difference(&a->row[i], &b->row[i]);
        if (difference != NULL)
            fail_msg("episode %u, slot %u, device %u: %s differs", a->row[i].episode, a->row[i].slot,
                     a->row[i].device, difference);
    }
    assert_int_equal(a->episodes, b->episodes);
    for (size_t i = 0; i < a->episodes; i++) {
        const char *difference = episode_difference(&a->episode[i], &b->episode[i]);
        if (difference != NULL)
            fail_msg("episode %u: %s differs", a->episode[i].episode, difference);
    }
    assert_int_equal(a->events, b->events);
    for (size_t i = 0; i < a->events; i++) {
        const struct db_event *x = &a->event[i], *y = &b->event[i];
        assert_int_equal(x->episode, y->episode);
        assert_int_equal(x->slot, y->slot);
        assert_int_equal(x->number, y->number);
        assert_int_equal(x->phase, y->phase);
        assert_int_equal(x->kind, y->kind);
        assert_int_equal(x->role, y->role);
        assert_int_equal(x->action, y->action);
        assert_int_equal(x->until_slot, y->until_slot);
        assert_int_equal(x->from_server, y->from_server);
        assert_int_equal(x->to_server, y->to_server);
        assert_int_equal(x->task_slot, y->task_slot);
        assert_true(same_real(x->speed, y->speed));
    }
    assert_int_equal(a->weights.size, b->weights.size);
    if (a->weights.size > 0)
        assert_memory_equal(a->weights.data, b->weights.data, a->weights.size);
}

/* ---- host_memory, for tests ---- */

struct policy sim_policy(const struct world *world, const struct settings *settings, const char *name,
                         bool training)
{
    static struct settings defaults;
    settings_defaults(&defaults);
    const struct policy_options options =
        full_options(world, settings != NULL ? settings : &defaults, training);
    const struct policy_kind *kind = NULL;
    struct policy policy;
    struct diag diag = {{0}};
    if (catalog_find(name, &kind, &diag) != 0 || policy_create(&policy, kind, &options, &diag) != 0)
        fail_msg("%s", diag.text);
    return policy;
}

struct session_result sim_run(const struct world *world, struct policy *policy, uint32_t episodes,
                              uint32_t slots, const struct session_fault *fault, size_t faults,
                              struct sim_record *record)
{
    struct session session = {
        .world = world,
        .policy = policy,
        .phase = RNG_TRAIN,
        .episodes = episodes,
        .slots = slots,
        .checkpoint_every = 1,
        .record_tasks = true,
        .fault = fault,
        .fault_count = faults,
    };
    session_sinks_add(&session.sinks, sim_sink(record));
    struct session_result result;
    struct diag diag = {{0}};
    if (host_memory_run(&session, &result, &diag) != 0)
        fail_msg("%s", diag.text);
    return result;
}
