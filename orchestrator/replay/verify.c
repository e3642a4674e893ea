#include "orchestrator/replay/verify.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "db/row_text.h"

enum field_kind { FIELD_U32, FIELD_I32, FIELD_BOOL, FIELD_REAL };

/* What a run in real time has in common with virtual time: the world and what was decided in it, always;
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

static void note_difference(struct verification *verification, const struct db_task *was, const char *field,
                            const char *text)
{
    if (verification->first_difference[0] == '\0')
        (void) snprintf(verification->first_difference, sizeof verification->first_difference,
                        "episode %u, slot %u, device %u: %s %s", was->episode, was->slot, was->device, field,
                        text);
}

static bool is_compared(const struct verification *verification, enum field_role role, enum field_role last)
{
    bool varies = role == DIVIDED && verification->in_real_time && env_is_queue(verification->world);
    return role <= last && !varies;
}

/* Every field up to a role. */
static bool compare_fields(struct verification *verification, const struct db_task *was,
                           const struct db_task *is, enum field_role last)
{
    char text[160];
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        double a = field_value(was, i), b = field_value(is, i);
        if (!is_compared(verification, fields[i].role, last) || same(a, b))
            continue;
        (void) snprintf(text, sizeof text, "was recorded as %.17g and is %.17g", a, b);
        note_difference(verification, was, fields[i].name, text);
        return false;
    }
    return true;
}

static bool compare_task(struct verification *verification, const struct db_task *was,
                         const struct db_task *is)
{
    char text[160];
    if (!compare_fields(verification, was, is, MEASURED))
        return false;
    if (was->status == is->status)
        return true;
    (void) snprintf(text, sizeof text, "was recorded as %s and is %s", db_task_status_text(was->status),
                    db_task_status_text(is->status));
    note_difference(verification, was, "status", text);
    return false;
}

/* A task that a lost node touched, then or now, went another way in each clock. */
static bool compare_by_the_wall(struct verification *verification, const struct db_task *was,
                                const struct db_task *is)
{
    bool as_planned = was->status == DB_TASK_DONE && is->status == DB_TASK_DONE;
    if (!compare_fields(verification, was, is, as_planned ? SENT : DIVIDED))
        return false;
    if (!as_planned) {
        verification->otherwise++;
        return true;
    }
    int rc = clock_gap_add(&verification->gap, was, is);
    if (rc != 0)
        verification->error = diag_fail(verification->diag, rc, "out of memory");
    return true;
}

/* Queueing mode: how a task of a run that broke off went on was up to decisions that nobody has recorded. */
static bool is_unsettled(const struct verification *verification, const struct db_task *was)
{
    return env_is_queue(verification->world) && !verification->complete &&
           (was->status == DB_TASK_EXPIRED ||
            (verification->over != 0 && was->episode == verification->last_episode &&
             was->end_slot > verification->last_slot));
}

static void compare_rows(struct verification *verification, const struct db_task *task, size_t count)
{
    bool (*compare)(struct verification *, const struct db_task *, const struct db_task *) =
        verification->in_real_time ? compare_by_the_wall : compare_task;
    for (size_t i = 0; i < count && verification->error == 0; i++) {
        if (is_unsettled(verification, &verification->row[i])) {
            verification->unsettled++;
            continue;
        }
        verification->compared++;
        verification->identical += compare(verification, &verification->row[i], &task[i]) ? 1 : 0;
    }
}

static int on_tasks(void *user, const struct db_task *task, size_t count)
{
    struct verification *verification = user;
    bool is_over = verification->over != 0 && !env_is_queue(verification->world);
    if (verification->error != 0 || is_over)
        return verification->error;
    size_t known =
        count < verification->rows ? count : verification->rows; /* after the end nothing is known */
    compare_rows(verification, task, known);
    verification->rows -= known;
    memmove(verification->row, verification->row + known, verification->rows * sizeof *verification->row);
    return verification->error;
}

/* Keeps the row that was looked at, and looks at the next. */
static void take_row(struct verification *verification)
{
    if (verification->rows == verification->capacity) {
        size_t capacity = 2 * verification->capacity + verification->world->devices;
        struct db_task *row = realloc(verification->row, capacity * sizeof *row);
        if (row == NULL) {
            verification->error = diag_fail(verification->diag, -ENOMEM, "out of memory");
            return;
        }
        verification->row = row;
        verification->capacity = capacity;
    }
    verification->row[verification->rows++] = verification->ahead;
    verification->last_episode = verification->ahead.episode;
    verification->last_slot = verification->ahead.slot;
    int rc = store_tasks_next(verification->store, &verification->ahead, verification->diag);
    verification->any_ahead = rc == 1;
    verification->error = rc < 0 ? rc : 0;
}

/* Has every device a row in the slot, or just those that have a task? */
static bool has_row(const struct env_view *view, uint32_t device)
{
    return !env_is_queue(view->world) || env_has_task(view, device);
}

/* The next slot's rows; their end is the session's. Returns how many there are, the last of `row`. */
static size_t read_slot(struct verification *verification, const struct env_view *view)
{
    size_t before = verification->rows;
    for (uint32_t n = 0; n < verification->world->devices && verification->error == 0; n++) {
        const struct db_task *row = &verification->ahead;
        if (!has_row(view, n))
            continue;
        bool may_end =
            !verification->complete || verification->compared + verification->rows == 0; /* or has no rows */
        if (!verification->any_ahead && verification->rows == before && may_end) {
            verification->over = 1;
            return 0;
        }
        if (!verification->any_ahead || row->episode != view->id.episode || row->slot != view->id.slot ||
            row->device != n)
            verification->error =
                diag_fail(verification->diag, ERR_MISMATCH,
                          "a row is missing: episode %u, slot %u, device %u was to come next",
                          view->id.episode, view->id.slot, n);
        else
            take_row(verification);
    }
    if (verification->error != 0)
        verification->over = 1;
    return verification->rows - before;
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct verification *verification = policy->state;
    uint32_t layers = verification->world->llm->layers;
    size_t count = read_slot(verification, view);
    const struct db_task *row = verification->row + verification->rows - count, *end = row + count;
    for (uint32_t n = 0; n < verification->world->devices; n++) {
        bool known = verification->over == 0 && row < end && row->device == n;
        bool local = !known || row->server == DB_SERVER_NULL || row->split >= layers ||
                     (uint32_t) row->server >= verification->world->servers;
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

int verify_init(struct verification *verification, const struct world *world, struct store *store,
                int64_t run_id, struct diag *diag)
{
    *verification = (struct verification){.world = world, .store = store, .diag = diag};
    verification->policy = (struct policy){.kind = &recorded_kind, .world = world, .state = verification};
    store_tasks_open(store, run_id);
    int rc = store_tasks_next(store, &verification->ahead, diag);
    verification->any_ahead = rc == 1;
    return rc < 0 ? rc : 0;
}

int verify_end(struct verification *verification)
{
    const struct db_task *row = &verification->ahead;
    if (verification->error != 0 || verification->over != 0 || !verification->any_ahead ||
        verification->compared == 0)
        return verification->error;
    return diag_fail(verification->diag, ERR_MISMATCH,
                     "rows are left: the replay ended before episode %u, slot %u, device %u", row->episode,
                     row->slot, row->device);
}

void verify_finish(struct verification *verification)
{
    clock_gap_finish(&verification->gap);
    free(verification->row);
    verification->row = NULL;
}

struct session_sink verify_sink(struct verification *verification)
{
    return (struct session_sink){.tasks = on_tasks, .user = verification};
}
