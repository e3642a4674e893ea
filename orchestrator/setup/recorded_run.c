#include "orchestrator/setup/recorded_run.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "orchestrator/setup/world_setup.h"

static int add_fault(struct recorded_run *past, const struct session_fault *fault)
{
    struct session_fault *grown = realloc(past->fault, (past->fault_count + 1) * sizeof *grown);
    if (grown == NULL)
        return diag_fail(past->diag, -ENOMEM, "out of memory");
    past->fault = grown;
    past->fault[past->fault_count++] = *fault;
    return 0;
}

static int take_event(void *user, const struct db_event *event)
{
    struct recorded_run *past = user;
    bool is_server = strcmp(event->role, "server") == 0;
    uint32_t limit = is_server ? past->world.servers : past->world.devices;
    bool is_back = strcmp(event->kind, "rejoin") == 0;
    if ((!is_back && strcmp(event->kind, "node_lost") != 0) || event->number < 0 ||
        event->number >= (int64_t) limit)
        return 0;
    const struct session_fault fault = {
        .episode = event->episode,
        .slot = event->slot,
        .phase = strcmp(event->phase, "execute") == 0 ? SESSION_EXECUTE
                 : strcmp(event->phase, "serve") == 0 ? SESSION_SERVE
                                                      : SESSION_OBSERVE,
        .is_server = is_server,
        .number = (uint32_t) event->number,
        .is_back = is_back,
    };
    return add_fault(past, &fault);
}

/* ---- a run that was resumed: everybody was there again ---- */

/* Is the node lost once the faults before `end` have happened? */
static bool is_lost(const struct recorded_run *past, size_t end, bool is_server, uint32_t number)
{
    bool lost = false;
    for (size_t i = 0; i < end; i++)
        if (past->fault[i].is_server == is_server && past->fault[i].number == number)
            lost = !past->fault[i].is_back;
    return lost;
}

/* Who was lost in the observation that closed the last episode before the resumption was never missed. */
static void drop_closing_faults(struct recorded_run *past, uint32_t after_episode)
{
    size_t kept = 0;
    for (size_t i = 0; i < past->fault_count; i++) {
        bool closing = past->fault[i].episode == after_episode && past->fault[i].slot >= past->slots;
        if (!closing)
            past->fault[kept++] = past->fault[i];
    }
    past->fault_count = kept;
}

static int bring_back(struct recorded_run *past, size_t at, uint32_t after_episode, bool is_server,
                      uint32_t number)
{
    const struct session_fault back = {
        .episode = after_episode,
        .slot = past->slots - 1, /* to take part from the next slot */
        .phase = SESSION_EXECUTE,
        .is_server = is_server,
        .number = number,
        .is_back = true,
    };
    if (!is_lost(past, at, is_server, number))
        return 0;
    int rc = add_fault(past, &back);
    if (rc != 0)
        return rc;
    memmove(past->fault + at + 1, past->fault + at, (past->fault_count - 1 - at) * sizeof *past->fault);
    past->fault[at] = back;
    return 0;
}

static int add_resumption(struct recorded_run *past, uint32_t after_episode)
{
    drop_closing_faults(past, after_episode);
    size_t at = 0;
    while (at < past->fault_count && past->fault[at].episode <= after_episode)
        at++;
    int rc = 0;
    for (uint32_t n = 0; n < past->world.devices && rc == 0; n++)
        rc = bring_back(past, at, after_episode, false, n);
    for (uint32_t m = 0; m < past->world.servers && rc == 0; m++)
        rc = bring_back(past, at, after_episode, true, m);
    return rc;
}

/* "resumed": [{"after_episode": E, ...}, ...] of the run's configuration. */
static int add_resumptions(struct recorded_run *past)
{
    json_t *config = json_loads(past->run.config_json, 0, NULL);
    size_t index;
    json_t *entry;
    int rc = 0;
    json_array_foreach(json_object_get(config, "resumed"), index, entry)
    {
        json_int_t after = json_integer_value(json_object_get(entry, "after_episode"));
        if (rc == 0 && after >= 0 && after < (json_int_t) past->episodes)
            rc = add_resumption(past, (uint32_t) after);
    }
    json_decref(config);
    return rc;
}

static int read_config(struct recorded_run *past)
{
    json_t *config = json_loads(past->run.config_json, 0, NULL);
    json_int_t episodes = json_integer_value(json_object_get(config, "episodes"));
    json_int_t slots = json_integer_value(json_object_get(config, "slots"));
    json_decref(config);
    if (episodes < 1 || slots < 1 || episodes > UINT32_MAX || slots > UINT32_MAX)
        return diag_fail(past->diag, ERR_CORRUPT, "run %lld: its configuration names no episodes and slots",
                         (long long) past->run.run_id);
    past->episodes = (uint32_t) episodes;
    past->slots = (uint32_t) slots;
    past->phase = strcmp(past->run.phase, "test") == 0       ? RNG_TEST
                  : strcmp(past->run.phase, "validate") == 0 ? RNG_VALIDATE
                                                             : RNG_TRAIN;
    return 0;
}

int recorded_run_read(struct recorded_run *ret_past, struct store *store, int64_t run_id, struct diag *diag)
{
    *ret_past = (struct recorded_run){.diag = diag};
    int rc = store_read_run(store, run_id, &ret_past->run, &ret_past->texts, diag);
    if (rc == 0)
        rc = read_config(ret_past);
    if (rc == 0)
        rc = world_setup_read(&ret_past->world, store, &ret_past->run, diag);
    if (rc == 0)
        rc = store_each_event(store, ret_past->run.run_id, take_event, ret_past, diag);
    return rc != 0 ? rc : add_resumptions(ret_past);
}

void recorded_run_finish(struct recorded_run *past)
{
    world_finish(&past->world);
    buf_finish(&past->texts);
    free(past->fault);
}
