#include "orchestrator/recorded.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

enum field_kind { FIELD_U32, FIELD_I32, FIELD_BOOL, FIELD_REAL };

/* What must be the same. (run_id differs by nature; status is compared as text.) */
static const struct {
    const char *name;
    enum field_kind kind;
    size_t offset;
} fields[] = {
#define FIELD(kind, name)                                                                                    \
    {                                                                                                        \
#name, kind, offsetof(struct db_task, name)                                                          \
    }
    FIELD(FIELD_U32, episode),        FIELD(FIELD_U32, slot),
    FIELD(FIELD_U32, device),         FIELD(FIELD_U32, tokens),
    FIELD(FIELD_U32, split),          FIELD(FIELD_I32, server),
    FIELD(FIELD_BOOL, repaired),      FIELD(FIELD_REAL, bandwidth_share),
    FIELD(FIELD_REAL, compute_share), FIELD(FIELD_REAL, wait_s),
    FIELD(FIELD_REAL, local_s),       FIELD(FIELD_REAL, transmit_s),
    FIELD(FIELD_REAL, queue_s),       FIELD(FIELD_REAL, edge_s),
    FIELD(FIELD_REAL, latency_s),     FIELD(FIELD_REAL, compute_j),
    FIELD(FIELD_REAL, transmit_j),    FIELD(FIELD_REAL, server_j),
    FIELD(FIELD_REAL, energy_j),      FIELD(FIELD_REAL, cost),
    FIELD(FIELD_REAL, rate_bps),      FIELD(FIELD_REAL, payload_bytes),
    FIELD(FIELD_REAL, x_m),           FIELD(FIELD_REAL, y_m),
    FIELD(FIELD_U32, end_slot),       FIELD(FIELD_U32, handovers),
    FIELD(FIELD_REAL, interrupted_s), FIELD(FIELD_REAL, extra_bytes),
    FIELD(FIELD_REAL, extra_j),       FIELD(FIELD_BOOL, deadline_missed),
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

static void note_difference(struct recorded *recorded, const struct db_task *was, const char *field,
                            const char *text)
{
    if (recorded->first_difference[0] == '\0')
        (void) snprintf(recorded->first_difference, sizeof recorded->first_difference,
                        "episode %u, slot %u, device %u: %s %s", was->episode, was->slot, was->device, field,
                        text);
}

static bool compare_task(struct recorded *recorded, const struct db_task *was, const struct db_task *is)
{
    char text[160];
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        double a = field_value(was, i), b = field_value(is, i);
        if (same(a, b))
            continue;
        (void) snprintf(text, sizeof text, "was recorded as %.17g and is %.17g", a, b);
        note_difference(recorded, was, fields[i].name, text);
        return false;
    }
    if (strcmp(was->status, is->status) == 0)
        return true;
    (void) snprintf(text, sizeof text, "was recorded as %s and is %s", was->status, is->status);
    note_difference(recorded, was, "status", text);
    return false;
}

static int on_tasks(void *user, const struct db_task *task, size_t count)
{
    struct recorded *recorded = user;
    if (recorded->error != 0 || recorded->over != 0)
        return recorded->error;
    for (size_t n = 0; n < count; n++) {
        recorded->compared++;
        recorded->identical += compare_task(recorded, &recorded->row[n], &task[n]) ? 1 : 0;
    }
    return 0;
}

/* The next slot's rows; their end is the session's. */
static void read_slot(struct recorded *recorded, const struct slot_id *id)
{
    for (uint32_t n = 0; n < recorded->world->devices && recorded->error == 0; n++) {
        int rc = store_tasks_next(recorded->store, &recorded->row[n], recorded->diag);
        bool ended_early = recorded->complete && recorded->compared > 0;
        if (rc == 0 && n == 0 && !ended_early) {
            recorded->over = 1;
            return;
        }
        const struct db_task *row = &recorded->row[n];
        if (rc < 0)
            recorded->error = rc;
        else if (rc == 0 || row->episode != id->episode || row->slot != id->slot || row->device != n)
            recorded->error = diag_fail(recorded->diag, ERR_MISMATCH,
                                        "a row is missing: episode %u, slot %u, device %u was to come next",
                                        id->episode, id->slot, n);
    }
    if (recorded->error != 0)
        recorded->over = 1;
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct recorded *recorded = policy->state;
    uint32_t layers = recorded->world->llm->layers;
    read_slot(recorded, &view->id);
    for (uint32_t n = 0; n < recorded->world->devices; n++) {
        const struct db_task *row = &recorded->row[n];
        bool local = recorded->over != 0 || row->server == DB_SERVER_NULL || row->split >= layers ||
                     (uint32_t) row->server >= recorded->world->servers;
        ret_decision->split[n] = local ? layers : row->split;
        ret_decision->server[n] = local ? ENV_LOCAL : (uint32_t) row->server;
        ret_decision->repaired[n] = recorded->over == 0 && row->repaired;
    }
}

static const struct policy_kind recorded_kind = {
    .name = "recorded",
    .sees = POLICY_SEES_OBSERVATIONS,
    .summary = "decides what was decided",
    .source = "the task table",
    .decide = decide,
};

int recorded_init(struct recorded *recorded, const struct world *world, struct store *store, int64_t run_id,
                  struct diag *diag)
{
    *recorded = (struct recorded){.world = world, .store = store, .diag = diag};
    recorded->policy = (struct policy){.kind = &recorded_kind, .world = world, .state = recorded};
    recorded->row = calloc(world->devices, sizeof *recorded->row);
    if (recorded->row == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    store_tasks_open(store, run_id);
    return 0;
}

void recorded_finish(struct recorded *recorded)
{
    free(recorded->row);
    recorded->row = NULL;
}

struct session_sink recorded_sink(struct recorded *recorded)
{
    return (struct session_sink){.tasks = on_tasks, .user = recorded};
}
