#include "core/model/env_reserve.h"

#include <assert.h>
#include <string.h>

static void refuse(const struct env_view *view, struct env_decision *decision, uint32_t device, bool repaired)
{
    decision->split[device] = view->world->llm->layers;
    decision->server[device] = ENV_LOCAL;
    decision->coding[device] = 0;
    decision->repaired[device] = repaired;
    decision->refused[device] = env_has_task(view, device);
    decision->bandwidth_share[device] = decision->compute_share[device] = decision->memory_share[device] =
        0.0;
}

void env_reserve_repair(const struct env_view *view, struct env_decision *decision, uint32_t device)
{
    uint32_t m = decision->server[device];
    bool is_there = m < view->world->servers && view->server_up[m] &&
                    view->covered[(size_t) device * view->world->servers + m];
    bool is_wish = m != ENV_LOCAL && !decision->refused[device];
    if (!env_has_task(view, device) || !is_wish || !is_there) {
        refuse(view, decision, device, env_has_task(view, device) && is_wish);
        return;
    }
    decision->split[device] = 0;
    decision->coding[device] = 0;
    decision->repaired[device] = false;
    decision->refused[device] = false;
}

static void parts_of(const struct env_decision *decision, uint32_t device,
                     double ret_part[static RESERVED_KINDS])
{
    ret_part[RESERVED_COMPUTE] = decision->compute_share[device];
    ret_part[RESERVED_BAND] = decision->bandwidth_share[device];
    ret_part[RESERVED_MEMORY] = decision->memory_share[device];
}

/* No more than what is left. False: it asked for no more. */
static bool clamp(const uint64_t rest[static RESERVED_KINDS], double part[static RESERVED_KINDS])
{
    bool changed = false;
    for (unsigned kind = 0; kind < RESERVED_KINDS; kind++) {
        double left = (double) rest[kind] / (double) RESERVATIONS_WHOLE;
        if (!(part[kind] > left))
            continue;
        part[kind] = left;
        changed = true;
    }
    return changed;
}

/* What the device's task holds is taken from `rest`; or it is refused. */
static void allocate(const struct env_view *view, struct env_decision *decision, uint32_t device,
                     uint64_t rest[static RESERVED_KINDS])
{
    const struct scenario *scenario = &view->world->scenario;
    double part[RESERVED_KINDS];
    uint64_t whole[RESERVED_KINDS];
    bool changed = decision->repaired[device];
    parts_of(decision, device, part);
    if (scenario->reserve.excess == EXCESS_CLAMP)
        changed = clamp(rest, part) || changed;
    double need = scenario->reserve.memory_need * view->world->server[decision->server[device]].full_share;
    if (!(part[RESERVED_MEMORY] >= need) || !reservations_fit_in(rest, part)) {
        refuse(view, decision, device, true);
        return;
    }
    reservations_whole(part, whole);
    for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
        rest[kind] -= whole[kind];
    decision->compute_share[device] = part[RESERVED_COMPUTE];
    decision->bandwidth_share[device] = part[RESERVED_BAND];
    decision->memory_share[device] = part[RESERVED_MEMORY];
    decision->repaired[device] = changed;
}

void env_reserve_allocate(const struct env_view *view, struct env_decision *decision, uint32_t *ret_load)
{
    const struct world *world = view->world;
    uint64_t rest[WORLD_SERVERS_MAX][RESERVED_KINDS];
    assert(view->held != NULL && view->held->servers == world->servers);
    memcpy(rest, view->held->rest, world->servers * sizeof *rest);
    memset(ret_load, 0, world->servers * sizeof *ret_load);
    for (uint32_t n = 0; n < world->devices; n++) {
        if (decision->server[n] == ENV_LOCAL)
            continue;
        allocate(view, decision, n, rest[decision->server[n]]);
        if (decision->server[n] != ENV_LOCAL)
            ret_load[decision->server[n]]++;
    }
}

/* [-1, 1] to 0 .. 1; what is no number is 0. */
static double unit(float number)
{
    double value = 0.5 * ((double) number + 1.0);
    if (!(value > 0.0))
        return 0.0;
    return value < 1.0 ? value : 1.0;
}

void env_reserve_map(const struct env_view *view, const float *action, struct env_decision *decision,
                     uint32_t device)
{
    const struct world *world = view->world;
    double bin = unit(action[0]) * world->servers;
    decision->server[device] = bin < world->servers ? (uint32_t) bin : world->servers - 1;
    decision->refused[device] = false;
    double most = world->scenario.reserve.most * world->server[decision->server[device]].full_share;
    decision->compute_share[device] = unit(action[1]) * most;
    decision->bandwidth_share[device] = unit(action[2]) * most;
    decision->memory_share[device] = unit(action[3]) * most;
}
