#include "orchestrator/setup/recorded_run.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "orchestrator/setup/world_setup.h"

static int add_fault(struct recorded_run *recorded, const struct session_fault *fault)
{
    int rc = 0;
    array_resize(&recorded->fault, recorded->fault_count + 1, &rc);
    if (rc != 0)
        return diag_fail(recorded->diag, rc, "out of memory");
    recorded->fault[recorded->fault_count++] = *fault;
    return 0;
}

static int take_event(void *user, const struct db_event *event)
{
    struct recorded_run *recorded = user;
    bool is_server = event->role == DB_ROLE_SERVER;
    uint32_t limit = is_server ? recorded->world.servers : recorded->world.devices;
    bool is_back = event->kind == DB_EVENT_REJOIN;
    if ((!is_back && event->kind != DB_EVENT_NODE_LOST) || event->number < 0 ||
        event->number >= (int64_t) limit)
        return 0;
    const struct session_fault fault = {
        .episode = event->episode,
        .slot = event->slot,
        .phase = event->phase == DB_PHASE_EXECUTE ? SESSION_EXECUTE
                 : event->phase == DB_PHASE_SERVE ? SESSION_SERVE
                                                  : SESSION_OBSERVE,
        .is_server = is_server,
        .number = (uint32_t) event->number,
        .is_back = is_back,
    };
    return add_fault(recorded, &fault);
}

/* ---- a run that was resumed: everybody was there again, but guests ---- */

/* Devices behind these are places for guests, who come and go. */
static uint32_t residents(const struct recorded_run *recorded)
{
    return recorded->world.devices - (uint32_t) recorded->world.scenario.devices.guests;
}

/* Is the node lost once the faults before `end` have happened? */
static bool is_lost(const struct recorded_run *recorded, size_t end, bool is_server, uint32_t number)
{
    bool lost = !is_server && number >= residents(recorded);
    assert(end <= recorded->fault_count);
    for (size_t i = 0; i < end; i++)
        if (recorded->fault[i].is_server == is_server && recorded->fault[i].number == number)
            lost = !recorded->fault[i].is_back;
    return lost;
}

/* A node that was lost in the observation before the resumption, which closed an episode, is back at once. */
static void drop_closing_faults(struct recorded_run *recorded, uint32_t after_episode)
{
    size_t kept = 0;
    for (size_t i = 0; i < recorded->fault_count; i++) {
        bool closing =
            recorded->fault[i].episode == after_episode && recorded->fault[i].slot >= recorded->slots;
        if (!closing)
            recorded->fault[kept++] = recorded->fault[i];
    }
    recorded->fault_count = kept;
}

static int insert(struct recorded_run *recorded, size_t at, const struct session_fault *fault)
{
    int rc = add_fault(recorded, fault);
    if (rc != 0)
        return rc;
    memmove(recorded->fault + at + 1, recorded->fault + at,
            (recorded->fault_count - 1 - at) * sizeof *recorded->fault);
    recorded->fault[at] = *fault;
    return 0;
}

static int bring_back(struct recorded_run *recorded, size_t at, uint32_t after_episode, bool is_server,
                      uint32_t number)
{
    assert(recorded->slots > 0); /* read_config refuses 0 */
    const struct session_fault back = {
        .episode = after_episode,
        .slot = recorded->slots - 1, /* to take part from the next slot */
        .phase = SESSION_EXECUTE,
        .is_server = is_server,
        .number = number,
        .is_back = true,
    };
    return is_lost(recorded, at, is_server, number) ? insert(recorded, at, &back) : 0;
}

/* A guest that was there has gone with its orchestrator. */
static int send_away(struct recorded_run *recorded, size_t at, uint32_t after_episode, uint32_t number)
{
    const struct session_fault lost = {
        .episode = after_episode + 1, .phase = SESSION_OBSERVE, .number = number};
    return is_lost(recorded, at, false, number) ? 0 : insert(recorded, at, &lost);
}

static int add_resumption(struct recorded_run *recorded, uint32_t after_episode)
{
    drop_closing_faults(recorded, after_episode);
    assert(after_episode < recorded->episodes);
    size_t at = 0;
    while (at < recorded->fault_count && recorded->fault[at].episode <= after_episode)
        at++;
    int rc = 0;
    for (uint32_t n = residents(recorded); n < recorded->world.devices && rc == 0; n++)
        rc = send_away(recorded, at, after_episode, n);
    for (uint32_t n = 0; n < residents(recorded) && rc == 0; n++)
        rc = bring_back(recorded, at, after_episode, false, n);
    for (uint32_t m = 0; m < recorded->world.servers && rc == 0; m++)
        rc = bring_back(recorded, at, after_episode, true, m);
    return rc;
}

/* "resumed": [{"after_episode": E, ...}, ...] of the run's configuration. */
static int add_resumptions(struct recorded_run *recorded)
{
    json_t *config = json_loads(recorded->run.config_json, 0, NULL);
    size_t index;
    json_t *entry;
    int rc = 0;
    json_array_foreach(json_object_get(config, "resumed"), index, entry)
    {
        json_int_t after = json_integer_value(json_object_get(entry, "after_episode"));
        if (rc == 0 && after >= 0 && after < (json_int_t) recorded->episodes)
            rc = add_resumption(recorded, (uint32_t) after);
    }
    json_decref(config);
    return rc;
}

static int read_config(struct recorded_run *recorded)
{
    json_t *config = json_loads(recorded->run.config_json, 0, NULL);
    json_int_t episodes = json_integer_value(json_object_get(config, "episodes"));
    json_int_t slots = json_integer_value(json_object_get(config, "slots"));
    json_decref(config);
    if (episodes < 1 || slots < 1 || episodes > UINT32_MAX || slots > UINT32_MAX)
        return diag_fail(recorded->diag, ERR_CORRUPT,
                         "run %lld: its configuration names no episodes and slots",
                         (long long) recorded->run.run_id);
    recorded->episodes = (uint32_t) episodes;
    recorded->slots = (uint32_t) slots;
    recorded->phase = recorded->run.phase;
    return 0;
}

/* A guest's prompt is no draw of the world's: how long it was stands in its row alone. */
static int add_guests_task(struct recorded_run *recorded, const struct db_task *row)
{
    int rc = 0;
    array_resize(&recorded->guests_task, recorded->guests_tasks + 1, &rc);
    if (rc != 0)
        return diag_fail(recorded->diag, rc, "out of memory");
    recorded->guests_task[recorded->guests_tasks++] =
        (struct session_guests_task){row->episode, row->slot, row->device, row->tokens};
    return 0;
}

static int read_guests_tasks(struct recorded_run *recorded, struct store *store)
{
    struct db_task row;
    int rc = residents(recorded) < recorded->world.devices ? 1 : 0;
    if (rc == 1)
        store_tasks_open(store, recorded->run.run_id);
    while (rc == 1 && (rc = store_tasks_next(store, &row, recorded->diag)) == 1)
        if (row.device >= residents(recorded) && row.tokens > 0 && add_guests_task(recorded, &row) != 0)
            return -ENOMEM;
    return rc;
}

int recorded_run_read(struct recorded_run *ret_recorded, struct store *store, int64_t run_id,
                      struct diag *diag)
{
    *ret_recorded = (struct recorded_run){.diag = diag};
    int rc = store_read_run(store, run_id, &ret_recorded->run, &ret_recorded->texts, diag);
    if (rc == 0)
        rc = read_config(ret_recorded);
    if (rc == 0)
        rc = world_setup_read(&ret_recorded->world, &ret_recorded->settings, store, &ret_recorded->run, diag);
    if (rc == 0)
        rc = store_each_event(store, ret_recorded->run.run_id, take_event, ret_recorded, diag);
    if (rc == 0)
        rc = add_resumptions(ret_recorded);
    return rc != 0 ? rc : read_guests_tasks(ret_recorded, store);
}

void recorded_run_finish(struct recorded_run *recorded)
{
    world_finish(&recorded->world);
    buf_finish(&recorded->texts);
    free(recorded->fault);
    free(recorded->guests_task);
}
