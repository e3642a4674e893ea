#include "orchestrator/policy/search/joint_trial.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/base/rng.h"
#include "core/model/cost.h"
#include "core/model/env_splits.h"
#include "orchestrator/policy/search/own_cost.h"

#define ROUNDS_MAX 50  /* far above what is ever needed (3 to 5 rounds); a bound on a slot's work */
#define GAIN_MIN 1e-12 /* a move must gain more than rounding */

int joint_trial_init(struct joint_trial *ret_trial, const struct world *world)
{
    struct joint_trial trial = {.load = calloc(world->servers, sizeof *trial.load)};
    if (trial.load == NULL || env_decision_init(&trial.decision, world->devices) != 0) {
        joint_trial_finish(&trial);
        return -ENOMEM;
    }
    *ret_trial = trial;
    return 0;
}

void joint_trial_finish(struct joint_trial *trial)
{
    env_decision_finish(&trial->decision);
    free(trial->load);
    *trial = (struct joint_trial){0};
}

/* Takes over the wishes (split, server), and divides the shares. */
static void divide(struct joint_trial *trial, const struct env_view *view, const struct env_decision *wishes)
{
    for (uint32_t n = 0; n < view->world->devices; n++) {
        trial->decision.split[n] = wishes->split[n];
        trial->decision.server[n] = wishes->server[n];
        trial->decision.coding[n] = wishes->coding[n];
    }
    env_repair(view, &trial->decision);
    env_allocate(view, &trial->decision, trial->load);
}

double joint_trial_joint_cost(struct joint_trial *trial, const struct env_view *view,
                              const struct env_decision *wishes)
{
    divide(trial, view, wishes);
    return env_joint_cost(view, &trial->decision);
}

double joint_trial_own_cost(struct joint_trial *trial, const struct env_view *view,
                            const struct env_decision *wishes, uint32_t device)
{
    assert(device < view->world->devices && view->present[device]);
    divide(trial, view, wishes);
    const struct env_decision *is = &trial->decision;
    const struct task_plan plan = {.split = is->split[device],
                                   .server = is->server[device],
                                   .bandwidth_share = is->bandwidth_share[device],
                                   .compute_share = is->compute_share[device],
                                   .coding = is->coding[device]};
    double cost = own_cost_of(view, device, &plan);
    return is->repaired[device] ? cost + view->world->scenario.objective.repair_penalty : cost;
}

void joint_trial_all_local(const struct env_view *view, struct env_decision *decision)
{
    for (uint32_t n = 0; n < view->world->devices; n++) {
        decision->split[n] = view->world->llm->layers;
        decision->server[n] = ENV_LOCAL;
    }
    env_repair(view, decision);
}

/* A device's place, and J there. */
struct place {
    uint32_t split, server, coding;
    double cost;
};

static struct place place_of(const struct env_decision *decision, uint32_t n, double cost)
{
    return (struct place){decision->split[n], decision->server[n], decision->coding[n], cost};
}

/* Tries the splits first .. last at the decision's server, in its coding. */
static void try_splits(struct joint_trial *trial, const struct env_view *view, struct env_decision *decision,
                       uint32_t n, uint32_t first, uint32_t last, struct place *best)
{
    for (decision->split[n] = first; decision->split[n] <= last; decision->split[n]++) {
        double cost = joint_trial_joint_cost(trial, view, decision);
        if (cost < best->cost - GAIN_MIN)
            *best = place_of(decision, n, cost);
    }
}

/* Moves device n to its best place given the others; returns whether it moved. *cost is J before and after. */
static bool respond(struct joint_trial *trial, const struct env_view *view, const uint32_t *only,
                    struct env_decision *decision, uint32_t n, double *cost)
{
    const struct world *world = view->world;
    uint32_t layers = world->llm->layers, first = 0, last = 0;
    env_splits_range(view, n, &first, &last);
    struct place best = place_of(decision, n, *cost);
    assert(n < world->devices && best.split <= layers);
    for (uint32_t m = 0; m <= world->servers; m++) {
        bool local = m == world->servers;
        bool allowed = only == NULL || only[n] == m;
        if (!local && (!allowed || !view->covered[(size_t) n * world->servers + m]))
            continue;
        if (local && !env_splits_allow_local(view, n))
            continue;
        decision->server[n] = local ? ENV_LOCAL : m;
        uint32_t from = local ? layers : first, to = local ? layers : last;
        uint32_t codings = local ? 1 : world->codings.count;
        for (decision->coding[n] = 0; decision->coding[n] < codings; decision->coding[n]++)
            try_splits(trial, view, decision, n, from, to, &best);
    }
    decision->split[n] = best.split;
    decision->server[n] = best.server;
    decision->coding[n] = best.coding;
    bool moved = best.cost < *cost - GAIN_MIN;
    *cost = best.cost;
    return moved;
}

void joint_trial_descend(struct joint_trial *trial, const struct env_view *view, const uint32_t *only,
                         struct env_decision *decision)
{
    joint_trial_all_local(view, decision);
    double cost = joint_trial_joint_cost(trial, view, decision);
    bool moved = true;
    for (int round = 0; moved && round < ROUNDS_MAX; round++) {
        moved = false;
        for (uint32_t n = 0; n < view->world->devices; n++)
            if (view->present[n] && respond(trial, view, only, decision, n, &cost))
                moved = true;
    }
    env_repair(view, decision);
}

void joint_trial_order(const struct env_view *view, uint32_t *ret_order)
{
    uint32_t devices = view->world->devices;
    const struct rng_at at = {
        .seed = view->world->seed,
        .phase = view->id.phase,
        .stream = RNG_POLICY,
        .episode = view->id.episode,
        .slot = view->id.slot,
    };
    for (uint32_t n = 0; n < devices; n++)
        ret_order[n] = n;
    for (uint32_t left = devices; left > 1; left--) {
        uint32_t pick = rng_below(&at, left, left);
        assert(pick < left);
        uint32_t last = ret_order[left - 1];
        ret_order[left - 1] = ret_order[pick];
        ret_order[pick] = last;
    }
}
