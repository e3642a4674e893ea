/* Guests: devices that join while the session goes on, and may choose their own split. */
#include "orchestrator/session/session_guests.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/base/err.h"

int session_guests_create(struct session_core *core)
{
    const struct world *world = core->session.world;
    uint32_t guests = (uint32_t) world->scenario.devices.guests;
    assert(guests < world->devices); /* scenario_check.c */
    for (uint32_t n = world->devices - guests; n < world->devices; n++) {
        core->device[n].alive = false;
        core->device[n].lost = true;
    }
    core->devices_left -= guests;
    core->wish = guests > 0 ? calloc(world->devices, sizeof *core->wish) : NULL;
    return guests == 0 || core->wish != NULL ? 0 : -ENOMEM;
}

void session_guests_destroy(struct session_core *core)
{
    free(core->wish);
}

bool session_guests_has(const struct session_core *core, const struct session_node *node)
{
    const struct world *world = core->session.world;
    return !node->is_server && node->number >= world->devices - world->scenario.devices.guests;
}

int session_guests_hear(struct session_core *core, const struct msg_observation *observation,
                        struct diag *diag)
{
    uint32_t n = (uint32_t) observation->device;
    if (session_guests_has(core, &core->device[n])) {
        core->wish[n] = (uint32_t) observation->wish;
        return 0;
    }
    return observation->wish == 0
               ? 0
               : diag_fail(diag, ERR_RANGE, "OBSERVATION of device %u: it is no guest, and has a wish", n);
}

int session_guests_check(const struct session_core *core, const struct db_task *row,
                         const struct msg_report *report, struct diag *diag)
{
    size_t due = session_guests_has(core, &core->device[row->device]) ? row->tokens : 0;
    if (report->prompt.count == 0 || report->prompt.count == due)
        return 0;
    return diag_fail(diag, ERR_RANGE,
                     "REPORT of device %u: a prompt of its own of %zu tokens, and %zu were due", row->device,
                     report->prompt.count, due);
}

/* The covered server with the best channel; ENV_LOCAL: none is covered. */
static uint32_t best_channel(const struct env_view *view, uint32_t n)
{
    uint32_t servers = view->world->servers, best = ENV_LOCAL;
    const bool *covered = view->covered + (size_t) n * servers;
    const double *gain = view->gain + (size_t) n * servers;
    for (uint32_t m = 0; m < servers; m++)
        if (covered[m] && view->server_up[m] && (best == ENV_LOCAL || gain[m] > gain[best]))
            best = m;
    return best;
}

static bool follow(struct session_core *core, uint32_t n)
{
    const struct env_view *view = &core->view;
    struct env_decision *decision = &core->decision;
    uint32_t layers = view->world->llm->layers;
    if (core->wish[n] == 0 || !env_has_task(view, n))
        return false;
    uint32_t split = core->wish[n] - 1;
    decision->split[n] = split;
    decision->repaired[n] = false;
    if (split >= layers)
        decision->server[n] = ENV_LOCAL;
    else if (decision->server[n] == ENV_LOCAL)
        decision->server[n] = best_channel(view, n);
    return true;
}

void session_guests_decide(struct session_core *core)
{
    bool any = false;
    for (uint32_t n = 0; n < core->session.world->devices && core->wish != NULL; n++)
        any = follow(core, n) || any;
    if (any)
        env_mend(&core->view, &core->decision);
}
