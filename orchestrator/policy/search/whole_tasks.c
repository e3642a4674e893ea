#include "orchestrator/policy/search/whole_tasks.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/base/err.h"

static void refuse(struct whole_tasks *tasks, uint32_t device)
{
    tasks->decision->server[device] = ENV_LOCAL;
    tasks->decision->refused[device] = true;
}

void whole_tasks_begin(struct whole_tasks *tasks, const struct env_view *view, struct env_decision *decision)
{
    assert(env_reserves(view->world) && view->held != NULL);
    tasks->view = view;
    tasks->decision = decision;
    memcpy(tasks->rest, view->held->rest, view->world->servers * sizeof *tasks->rest);
    for (uint32_t n = 0; n < view->world->devices; n++)
        refuse(tasks, n);
}

void whole_tasks_full(const struct world *world, double ret_part[static RESERVED_KINDS])
{
    for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
        ret_part[kind] = world->scenario.reserve.full_share;
}

/* The server covers the device, and has so much left. */
static bool fits(const struct whole_tasks *tasks, uint32_t device, uint32_t server,
                 const double part[static RESERVED_KINDS])
{
    const struct env_view *view = tasks->view;
    return env_has_task(view, device) && view->server_up[server] &&
           view->covered[(size_t) device * view->world->servers + server] &&
           reservations_fit_in(tasks->rest[server], part);
}

void whole_tasks_send(struct whole_tasks *tasks, uint32_t device, uint32_t server,
                      const double part[static RESERVED_KINDS])
{
    struct env_decision *decision = tasks->decision;
    decision->server[device] = server;
    decision->refused[device] = false;
    decision->compute_share[device] = part[RESERVED_COMPUTE];
    decision->bandwidth_share[device] = part[RESERVED_BAND];
    decision->memory_share[device] = part[RESERVED_MEMORY];
    if (!fits(tasks, device, server, part))
        return; /* env_allocate refuses it */
    uint64_t whole[RESERVED_KINDS];
    reservations_whole(part, whole);
    for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
        tasks->rest[server][kind] -= whole[kind];
}

void whole_tasks_best(const struct env_view *view, struct env_decision *ret_decision,
                      whole_tasks_worth *worth)
{
    struct whole_tasks tasks;
    double part[RESERVED_KINDS];
    whole_tasks_begin(&tasks, view, ret_decision);
    whole_tasks_full(view->world, part);
    for (uint32_t n = 0; n < view->world->devices; n++) {
        double most = -(double) INFINITY;
        uint32_t best = ENV_LOCAL;
        for (uint32_t m = 0; m < view->world->servers; m++) {
            if (!fits(&tasks, n, m, part))
                continue;
            double value = worth(&tasks, n, m);
            if (value > most) {
                most = value;
                best = m;
            }
        }
        if (best != ENV_LOCAL)
            whole_tasks_send(&tasks, n, best, part);
    }
    env_repair(view, ret_decision);
}

/* TIERS_NONE: there is none. */
static uint32_t cloud_of(const struct world *world)
{
    return tiers_find(&world->scenario, "cloud");
}

int whole_tasks_need_cloud(const struct world *world, struct diag *diag)
{
    if (cloud_of(world) == TIERS_NONE)
        return diag_fail(diag, ERR_UNSUPPORTED, "needs a tier that is called cloud");
    return 0;
}

static double nearness(const struct whole_tasks *tasks, uint32_t device, uint32_t server)
{
    return -device_slot_distance_m(tasks->view->world, tasks->view->position[device], server);
}

static double in_cloud_alone(const struct whole_tasks *tasks, uint32_t device, uint32_t server)
{
    const struct world *world = tasks->view->world;
    bool is_there = world->server[server].tier == cloud_of(world);
    return is_there ? nearness(tasks, device, server) : -(double) INFINITY;
}

static double at_edges_alone(const struct whole_tasks *tasks, uint32_t device, uint32_t server)
{
    const struct world *world = tasks->view->world;
    bool is_there = world->server[server].tier != cloud_of(world);
    return is_there ? nearness(tasks, device, server) : -(double) INFINITY;
}

void whole_tasks_nearest(const struct env_view *view, struct env_decision *ret_decision, bool in_cloud)
{
    whole_tasks_best(view, ret_decision, in_cloud ? in_cloud_alone : at_edges_alone);
}

void whole_tasks_draw(const struct env_view *view, struct env_decision *ret_decision,
                      whole_tasks_parts *parts)
{
    struct whole_tasks tasks;
    const struct world *world = view->world;
    double part[RESERVED_KINDS];
    struct rng_at at = {
        .seed = world->seed,
        .phase = view->id.phase,
        .stream = RNG_POLICY,
        .episode = view->id.episode,
        .slot = view->id.slot,
    };
    whole_tasks_begin(&tasks, view, ret_decision);
    for (uint32_t n = 0; n < world->devices; n++) {
        at.entity = n;
        const struct rng_block draw = rng_block(&at, 0);
        parts(world, &draw, part);
        whole_tasks_send(&tasks, n, (uint32_t) ((uint64_t) draw.v[3] * world->servers >> 32), part);
    }
    env_repair(view, ret_decision);
}
