#include "orchestrator/replay/verify.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

enum field_kind { FIELD_U32, FIELD_I32, FIELD_BOOL, FIELD_REAL };

/* What a run by the wall clock has in common with virtual time: the world and what was decided in it, always;
 * what was sent, of tasks that went as planned. How the band was divided depends, in queueing mode, on what
 * was still being sent. What was measured differs by nature, and so does what follows from it. */
enum field_role { DECIDED, DIVIDED, SENT, MEASURED };

/* What must be the same. (run_id differs by nature; status is compared as text.) */
static const struct {
    const char *name;
    enum field_kind kind;
    enum field_role role;
    size_t offset;
} fields[] = {
#define FIELD(kind, role, name)                                                                              \
    {                                                                                                        \
#name, kind, role, offsetof(struct db_task, name)                                                    \
    }
    FIELD(FIELD_U32, DECIDED, episode),
    FIELD(FIELD_U32, DECIDED, slot),
    FIELD(FIELD_U32, DECIDED, device),
    FIELD(FIELD_U32, DECIDED, tokens),
    FIELD(FIELD_U32, DECIDED, split),
    FIELD(FIELD_I32, DECIDED, server),
    FIELD(FIELD_BOOL, DECIDED, repaired),
    FIELD(FIELD_REAL, DIVIDED, bandwidth_share),
    FIELD(FIELD_REAL, DIVIDED, compute_share),
    FIELD(FIELD_REAL, DECIDED, x_m),
    FIELD(FIELD_REAL, DECIDED, y_m),
    FIELD(FIELD_REAL, SENT, payload_bytes),
    FIELD(FIELD_REAL, MEASURED, wait_s),
    FIELD(FIELD_REAL, MEASURED, local_s),
    FIELD(FIELD_REAL, MEASURED, transmit_s),
    FIELD(FIELD_REAL, MEASURED, queue_s),
    FIELD(FIELD_REAL, MEASURED, edge_s),
    FIELD(FIELD_REAL, MEASURED, latency_s),
    FIELD(FIELD_REAL, MEASURED, compute_j),
    FIELD(FIELD_REAL, MEASURED, transmit_j),
    FIELD(FIELD_REAL, MEASURED, server_j),
    FIELD(FIELD_REAL, MEASURED, energy_j),
    FIELD(FIELD_REAL, MEASURED, cost),
    FIELD(FIELD_REAL, MEASURED, rate_bps),
    FIELD(FIELD_U32, MEASURED, end_slot),
    FIELD(FIELD_U32, MEASURED, handovers),
    FIELD(FIELD_REAL, MEASURED, interrupted_s),
    FIELD(FIELD_REAL, MEASURED, extra_bytes),
    FIELD(FIELD_REAL, MEASURED, extra_j),
    FIELD(FIELD_BOOL, MEASURED, deadline_missed),
#undef FIELD
};

/* A field as a number, exact for every kind. */
static double field_value(const struct db_task *task, size_t field)
{
    const char *at = (const char *) task + fields[field].offset;
    switch (fields[field].kind) {
    case FIELD_U32: return (double) *(const uint32_t *) (const void *) at;
    case FIELD_I32: return (double) *(const int32_t *) (const void *) at;
    case FIELD_BOOL: return *(const bool *) (const void *) at ? 1.0 : 0.0;
    case FIELD_REAL: return *(const double *) (const void *) at;
    }
    return (double) NAN;
}

/* Bit for bit; two NULLs (NAN) are the same. SQLite keeps -0.0 as 0.0, so adding 0.0 makes them one. */
static bool same(double a, double b)
{
    a += 0.0;
    b += 0.0;
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

static void note_difference(struct verification *recorded, const struct db_task *was, const char *field,
                            const char *text)
{
    if (recorded->first_difference[0] == '\0')
        (void) snprintf(recorded->first_difference, sizeof recorded->first_difference,
                        "episode %u, slot %u, device %u: %s %s", was->episode, was->slot, was->device, field,
                        text);
}

static bool is_compared(const struct verification *recorded, enum field_role role, enum field_role last)
{
    bool varies = role == DIVIDED && recorded->by_the_wall && env_is_queue(recorded->world);
    return role <= last && !varies;
}

/* Every field up to a role. */
static bool compare_fields(struct verification *recorded, const struct db_task *was, const struct db_task *is,
                           enum field_role last)
{
    char text[160];
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        double a = field_value(was, i), b = field_value(is, i);
        if (!is_compared(recorded, fields[i].role, last) || same(a, b))
            continue;
        (void) snprintf(text, sizeof text, "was recorded as %.17g and is %.17g", a, b);
        note_difference(recorded, was, fields[i].name, text);
        return false;
    }
    return true;
}

static bool compare_task(struct verification *recorded, const struct db_task *was, const struct db_task *is)
{
    char text[160];
    if (!compare_fields(recorded, was, is, MEASURED))
        return false;
    if (strcmp(was->status, is->status) == 0)
        return true;
    (void) snprintf(text, sizeof text, "was recorded as %s and is %s", was->status, is->status);
    note_difference(recorded, was, "status", text);
    return false;
}

/* A task that a lost node touched, then or now, went another way in each clock. */
static bool compare_by_the_wall(struct verification *recorded, const struct db_task *was,
                                const struct db_task *is)
{
    bool as_planned = strcmp(was->status, DB_DONE) == 0 && strcmp(is->status, DB_DONE) == 0;
    if (!compare_fields(recorded, was, is, as_planned ? SENT : DIVIDED))
        return false;
    if (!as_planned) {
        recorded->otherwise++;
        return true;
    }
    int rc = clock_gap_add(&recorded->gap, was, is);
    if (rc != 0)
        recorded->error = diag_fail(recorded->diag, rc, "out of memory");
    return true;
}

/* Queueing mode: how a task of a run that broke off went on was up to decisions that nobody has recorded. */
static bool is_unsettled(const struct verification *recorded, const struct db_task *was)
{
    return env_is_queue(recorded->world) && !recorded->complete &&
           (strcmp(was->status, DB_EXPIRED) == 0 ||
            (recorded->over != 0 && was->episode == recorded->last_episode &&
             was->end_slot > recorded->last_slot));
}

static void compare_rows(struct verification *recorded, const struct db_task *task, size_t count)
{
    bool (*compare)(struct verification *, const struct db_task *, const struct db_task *) =
        recorded->by_the_wall ? compare_by_the_wall : compare_task;
    for (size_t i = 0; i < count && recorded->error == 0; i++) {
        if (is_unsettled(recorded, &recorded->row[i])) {
            recorded->unsettled++;
            continue;
        }
        recorded->compared++;
        recorded->identical += compare(recorded, &recorded->row[i], &task[i]) ? 1 : 0;
    }
}

static int on_tasks(void *user, const struct db_task *task, size_t count)
{
    struct verification *recorded = user;
    bool is_over = recorded->over != 0 && !env_is_queue(recorded->world);
    if (recorded->error != 0 || is_over)
        return recorded->error;
    size_t known = count < recorded->rows ? count : recorded->rows; /* after the end nothing is known */
    compare_rows(recorded, task, known);
    recorded->rows -= known;
    memmove(recorded->row, recorded->row + known, recorded->rows * sizeof *recorded->row);
    return recorded->error;
}

/* Keeps the row that was looked at, and looks at the next. */
static void take_row(struct verification *recorded)
{
    if (recorded->rows == recorded->capacity) {
        size_t capacity = 2 * recorded->capacity + recorded->world->devices;
        struct db_task *row = realloc(recorded->row, capacity * sizeof *row);
        if (row == NULL) {
            recorded->error = diag_fail(recorded->diag, -ENOMEM, "out of memory");
            return;
        }
        recorded->row = row;
        recorded->capacity = capacity;
    }
    recorded->row[recorded->rows++] = recorded->ahead;
    recorded->last_episode = recorded->ahead.episode;
    recorded->last_slot = recorded->ahead.slot;
    int rc = store_tasks_next(recorded->store, &recorded->ahead, recorded->diag);
    recorded->any_ahead = rc == 1;
    recorded->error = rc < 0 ? rc : 0;
}

/* Has every device a row in the slot, or just those that have a task? */
static bool has_row(const struct env_view *view, uint32_t device)
{
    return !env_is_queue(view->world) || env_has_task(view, device);
}

/* The next slot's rows; their end is the session's. Returns how many there are, the last of `row`. */
static size_t read_slot(struct verification *recorded, const struct env_view *view)
{
    size_t before = recorded->rows;
    for (uint32_t n = 0; n < recorded->world->devices && recorded->error == 0; n++) {
        const struct db_task *row = &recorded->ahead;
        if (!has_row(view, n))
            continue;
        bool may_end = !recorded->complete || recorded->compared + recorded->rows == 0; /* or has no rows */
        if (!recorded->any_ahead && recorded->rows == before && may_end) {
            recorded->over = 1;
            return 0;
        }
        if (!recorded->any_ahead || row->episode != view->id.episode || row->slot != view->id.slot ||
            row->device != n)
            recorded->error = diag_fail(recorded->diag, ERR_MISMATCH,
                                        "a row is missing: episode %u, slot %u, device %u was to come next",
                                        view->id.episode, view->id.slot, n);
        else
            take_row(recorded);
    }
    if (recorded->error != 0)
        recorded->over = 1;
    return recorded->rows - before;
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct verification *recorded = policy->state;
    uint32_t layers = recorded->world->llm->layers;
    size_t count = read_slot(recorded, view);
    const struct db_task *row = recorded->row + recorded->rows - count, *end = row + count;
    for (uint32_t n = 0; n < recorded->world->devices; n++) {
        bool known = recorded->over == 0 && row < end && row->device == n;
        bool local = !known || row->server == DB_SERVER_NULL || row->split >= layers ||
                     (uint32_t) row->server >= recorded->world->servers;
        ret_decision->split[n] = local ? layers : row->split;
        ret_decision->server[n] = local ? ENV_LOCAL : (uint32_t) row->server;
        ret_decision->repaired[n] = known && row->repaired;
        row += known ? 1 : 0;
    }
}

static const struct policy_kind recorded_kind = {
    .name = "recorded",
    .sees = POLICY_SEES_OBSERVATIONS,
    .summary = "decides what was decided",
    .source = "the task table",
    .decide = decide,
};

int verify_init(struct verification *recorded, const struct world *world, struct store *store, int64_t run_id,
                struct diag *diag)
{
    *recorded = (struct verification){.world = world, .store = store, .diag = diag};
    recorded->policy = (struct policy){.kind = &recorded_kind, .world = world, .state = recorded};
    store_tasks_open(store, run_id);
    int rc = store_tasks_next(store, &recorded->ahead, diag);
    recorded->any_ahead = rc == 1;
    return rc < 0 ? rc : 0;
}

int verify_end(struct verification *recorded)
{
    const struct db_task *row = &recorded->ahead;
    if (recorded->error != 0 || recorded->over != 0 || !recorded->any_ahead || recorded->compared == 0)
        return recorded->error;
    return diag_fail(recorded->diag, ERR_MISMATCH,
                     "rows are left: the replay ended before episode %u, slot %u, device %u", row->episode,
                     row->slot, row->device);
}

void verify_finish(struct verification *recorded)
{
    clock_gap_finish(&recorded->gap);
    free(recorded->row);
    recorded->row = NULL;
}

struct session_sink verify_sink(struct verification *recorded)
{
    return (struct session_sink){.tasks = on_tasks, .user = recorded};
}
