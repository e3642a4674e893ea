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

void whole_tasks_shares(const struct world *world, uint32_t server, double shares,
                        double ret_part[static RESERVED_KINDS])
{
    double full = world->server[server].full_share;
    for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
        ret_part[kind] = shares * full;
    ret_part[RESERVED_MEMORY] = fmax(shares, world->scenario.reserve.memory_need) * full;
}

uint32_t whole_tasks_room(const struct world *world, uint32_t server)
{
    double part[RESERVED_KINDS];
    uint64_t whole[RESERVED_KINDS];
    whole_tasks_shares(world, server, 1.0, part);
    reservations_whole(part, whole); /* above 0 (scenario.def); of memory it may be more */
    return (uint32_t) (RESERVATIONS_WHOLE / whole[RESERVED_MEMORY]);
}

bool whole_tasks_reach(const struct whole_tasks *tasks, uint32_t device, uint32_t server)
{
    const struct env_view *view = tasks->view;
    return env_has_task(view, device) && view->server_up[server] &&
           view->covered[(size_t) device * view->world->servers + server];
}

/* The server covers the device, and has so much left. */
static bool fits(const struct whole_tasks *tasks, uint32_t device, uint32_t server,
                 const double part[static RESERVED_KINDS])
{
    return whole_tasks_reach(tasks, device, server) && reservations_fit_in(tasks->rest[server], part);
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

bool whole_tasks_fit(const struct whole_tasks *tasks, uint32_t device, struct whole_choice choice)
{
    double part[RESERVED_KINDS];
    whole_tasks_shares(tasks->view->world, choice.server, choice.shares, part);
    return fits(tasks, device, choice.server, part);
}

struct task_plan whole_tasks_plan(const struct env_view *view, uint32_t device, struct whole_choice choice,
                                  double answer_tokens)
{
    double part[RESERVED_KINDS];
    whole_tasks_shares(view->world, choice.server, choice.shares, part);
    return (struct task_plan){
        .server = choice.server,
        .bandwidth_share = part[RESERVED_BAND],
        .compute_share = part[RESERVED_COMPUTE],
        .answer_tokens = answer_tokens,
        .task_class = view->task_class[device],
        .deadline_s = view->deadline_s[device],
    };
}

struct best_choice {
    struct whole_choice choice;
    double worth;
};

static void try_choice(const struct whole_tasks *tasks, uint32_t device, struct whole_choice choice,
                       const struct whole_rule *rule, struct best_choice *best)
{
    if (!whole_tasks_fit(tasks, device, choice))
        return;
    double worth = rule->worth(rule->user, tasks, device, choice);
    if (worth > best->worth)
        *best = (struct best_choice){choice, worth};
}

/* The choices of one task, in order of servers and shares. */
static void send_best(struct whole_tasks *tasks, uint32_t device, const struct whole_rule *rule)
{
    static const double one = 1.0;
    const struct world *world = tasks->view->world;
    const double *shares = rule->chooses_shares ? world->level : &one;
    uint32_t count = rule->chooses_shares ? world->levels : 1;
    struct best_choice best = {{.server = ENV_LOCAL}, -(double) INFINITY};
    for (uint32_t m = 0; m < world->servers; m++)
        for (uint32_t i = 0; i < count; i++)
            try_choice(tasks, device, (struct whole_choice){m, shares[i]}, rule, &best);
    if (rule->decided != NULL && env_has_task(tasks->view, device))
        rule->decided(rule->user, tasks, device);
    if (best.choice.server == ENV_LOCAL)
        return;
    double part[RESERVED_KINDS];
    whole_tasks_shares(world, best.choice.server, best.choice.shares, part);
    whole_tasks_send(tasks, device, best.choice.server, part);
}

void whole_tasks_best(const struct env_view *view, struct env_decision *ret_decision,
                      const struct whole_rule *rule)
{
    struct whole_tasks tasks;
    whole_tasks_begin(&tasks, view, ret_decision);
    for (uint32_t n = 0; n < view->world->devices; n++)
        send_best(&tasks, n, rule);
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

static double nearness(const struct whole_tasks *tasks, uint32_t device, struct whole_choice choice)
{
    return -device_slot_distance_m(tasks->view->world, tasks->view->position[device], choice.server);
}

static double in_cloud_alone(void *user, const struct whole_tasks *tasks, uint32_t device,
                             struct whole_choice choice)
{
    const struct world *world = tasks->view->world;
    (void) user;
    bool is_there = world->server[choice.server].tier == cloud_of(world);
    return is_there ? nearness(tasks, device, choice) : -(double) INFINITY;
}

static double at_edges_alone(void *user, const struct whole_tasks *tasks, uint32_t device,
                             struct whole_choice choice)
{
    const struct world *world = tasks->view->world;
    (void) user;
    bool is_there = world->server[choice.server].tier != cloud_of(world);
    return is_there ? nearness(tasks, device, choice) : -(double) INFINITY;
}

void whole_tasks_nearest(const struct env_view *view, struct env_decision *ret_decision, bool in_cloud)
{
    const struct whole_rule rule = {.worth = in_cloud ? in_cloud_alone : at_edges_alone};
    whole_tasks_best(view, ret_decision, &rule);
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
        uint32_t server = (uint32_t) ((uint64_t) draw.v[3] * world->servers >> 32);
        parts(world, server, &draw, part);
        whole_tasks_send(&tasks, n, server, part);
    }
    env_repair(view, ret_decision);
}
