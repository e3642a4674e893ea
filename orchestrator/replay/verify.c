#include "orchestrator/replay/verify.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "db/row_text.h"
#include "orchestrator/replay/recorded_decisions.h"

/* What is compared, and when: the columns of task.def by role, all but the run, which differs by nature. */
enum field_kind { WHOLE, SERVER, FLAG, REAL, STATUS };
enum field_role { KEY, WORLD, DECISION, SHARE, SENT, REPORTED, DERIVED, END };

static const struct {
    const char *name;
    enum field_kind kind;
    enum field_role role;
    size_t offset;
} fields[] = {
#define TASK(name, kind, unit, role, meaning) {#name, kind, role, offsetof(struct db_task, name)},
#include "db/task.def"
};

/* A field as a number, exact for every kind. */
static double field_value(const struct db_task *task, size_t field)
{
    const void *at = (const char *) task + fields[field].offset;
    switch (fields[field].kind) {
    case WHOLE: return (double) *(const uint32_t *) at;
    case SERVER: return (double) *(const int32_t *) at;
    case FLAG: return *(const bool *) at ? 1.0 : 0.0;
    case REAL: return *(const double *) at;
    case STATUS: return (double) *(const enum db_task_status *) at;
    }
    assert(false); /* every kind of column has its case */
    return (double) NAN;
}

/* Bit for bit; two NULLs (NAN) are the same. SQLite keeps -0.0 as 0.0, so adding 0.0 makes them one. */
static bool same(double a, double b)
{
    a += 0.0;
    b += 0.0;
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

/* Far above what other orders of sums and other libraries give (1e-13), far below what would change a result. */
#define ROUNDING 1e-9

/* A real number's difference by a billionth, of the larger one or of the unit. */
static bool is_rounding(size_t field, const struct db_task *was, const struct db_task *is)
{
    double a = field_value(was, field), b = field_value(is, field);
    double size = fabs(a) > fabs(b) ? fabs(a) : fabs(b);
    return fields[field].kind == REAL && isfinite(a) && isfinite(b) &&
           fabs(a - b) <= ROUNDING * (size > 1.0 ? size : 1.0);
}

/* Keeps a difference as a text. */
static void note_difference(struct verification *verification, const struct db_task *was,
                            const struct db_task *is, size_t field)
{
    char *text = verification->first_difference;
    size_t room = sizeof verification->first_difference;
    if (fields[field].kind == STATUS)
        (void) snprintf(text, room, "episode %u, slot %u, device %u: %s was recorded as %s and is %s",
                        was->episode, was->slot, was->device, fields[field].name,
                        db_task_status_text(was->status), db_task_status_text(is->status));
    else
        (void) snprintf(text, room, "episode %u, slot %u, device %u: %s was recorded as %.17g and is %.17g",
                        was->episode, was->slot, was->device, fields[field].name, field_value(was, field),
                        field_value(is, field));
}

/* How the band was divided depends, in real time and queueing mode, on what was still being sent. */
static bool is_compared(const struct verification *verification, enum field_role role)
{
    return role != SHARE || !verification->in_real_time || !env_is_queue(verification->world);
}

/* Every field up to a role. Of several that differ the first role's is named, which explains the others; one of
 * rounding if there is no other. */
static bool compare_fields(struct verification *verification, const struct db_task *was,
                           const struct db_task *is, enum field_role last)
{
    const size_t count = sizeof fields / sizeof *fields;
    size_t first = count;
    bool rounded = true;
    for (size_t i = 0; i < count; i++) {
        enum field_role role = fields[i].role;
        bool compared = role <= last && is_compared(verification, role);
        if (!compared || same(field_value(was, i), field_value(is, i)))
            continue;
        bool rounding = is_rounding(i, was, is);
        if (first == count || (rounded && !rounding) || (rounded == rounding && role < fields[first].role))
            first = i;
        rounded = rounded && rounding;
    }
    if (first == count)
        return true;
    bool is_first = rounded ? verification->first_difference[0] == '\0' : verification->different == 0;
    if (is_first)
        note_difference(verification, was, is, first);
    verification->rounded += rounded ? 1 : 0;
    verification->different += rounded ? 0 : 1;
    return false;
}

static bool compare_task(struct verification *verification, const struct db_task *was,
                         const struct db_task *is)
{
    return compare_fields(verification, was, is, END);
}

static bool is_as_decided(enum db_task_status status)
{
    return status == DB_TASK_DONE || status == DB_TASK_ABANDONED;
}

/* A task that a lost node touched, then or now, went another way in each clock. */
static bool compare_in_real_time(struct verification *verification, const struct db_task *was,
                                 const struct db_task *is)
{
    bool as_planned = is_as_decided(was->status) && is_as_decided(is->status);
    if (!compare_fields(verification, was, is, as_planned ? SENT : DECISION))
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
        verification->in_real_time ? compare_in_real_time : compare_task;
    for (size_t i = 0; i < count && verification->error == 0; i++) {
        if (is_unsettled(verification, &verification->row[i])) {
            verification->unsettled++;
            continue;
        }
        verification->compared++;
        verification->identical += compare(verification, &verification->row[i], &task[i]) ? 1 : 0;
        assert(verification->identical + verification->rounded + verification->different ==
               verification->compared);
    }
}

static int on_tasks(void *user, const struct db_task *task, size_t count)
{
    struct verification *verification = user;
    if (verification->error != 0)
        return verification->error;
    size_t known =
        count < verification->rows ? count : verification->rows; /* after the end nothing is known */
    compare_rows(verification, task, known);
    verification->rows -= known;
    if (verification->rows > 0)
        memmove(verification->row, verification->row + known, verification->rows * sizeof *verification->row);
    return verification->error;
}

/* Keeps the row that was looked at, and looks at the next. */
static void take_row(struct verification *verification)
{
    int rc = array_reserve(&verification->row, &verification->capacity, verification->rows + 1);
    if (rc != 0) {
        verification->error = diag_fail(verification->diag, rc, "out of memory");
        return;
    }
    assert(verification->any_ahead && verification->rows < verification->capacity);
    verification->row[verification->rows++] = verification->ahead;
    verification->last_episode = verification->ahead.episode;
    verification->last_slot = verification->ahead.slot;
    rc = store_tasks_next(verification->store, &verification->ahead, verification->diag);
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
    assert(verification->rows >= before);
    return verification->rows - before;
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct verification *verification = policy->state;
    const struct world *world = verification->world;
    size_t count = read_slot(verification, view);
    const struct db_task *row = verification->row + verification->rows - count, *end = row + count;
    for (uint32_t n = 0; n < world->devices; n++) {
        recorded_decision_clear(n, world, ret_decision);
        if (verification->over != 0 || row == end || row->device != n)
            continue;
        const struct recorded_decision decision = recorded_decision_of(row++);
        recorded_decision_enter(&decision, world, ret_decision);
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
