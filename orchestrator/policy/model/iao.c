/* IAO: alternating optimisation after Tang et al., our variant. From all-local, in sweeps:
 *   (i)  shares fixed: every device, in an order drawn for the slot, answers with its own best (split,
 * server). Where it is it has the share that it has; elsewhere it is offered what one more would get there by
 *        the sharing rule, all others as they were when the sweep began.
 *   (ii) splits and servers fixed: the shares are divided anew, and J is what it then is.
 * A server takes one newcomer in a sweep, since its offer holds for one; were all taken, all would run to the
 * same server and back. The best that was seen is decided, once IDLE_MAX sweeps in a row have not bettered
 * it.
 *
 * What is left of step (ii): in the original it moves compute between users. Here shares are env_allocate's.
 * Under the equal rules (and radio.sharing: shared) it divides by the new head count, whatever the splits
 * are; under the proportional rules shares follow the splits, by bits (radio) and by remaining work
 * (compute), and it does what the name says. */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/env_splits.h"
#include "orchestrator/policy/policy.h"
#include "orchestrator/policy/search/joint_trial.h"
#include "orchestrator/policy/search/own_cost.h"

#define GAIN_MIN 1e-6 /* in J */
#define IDLE_MAX 3u   /* sweeps in a row that gain less: selfish answers raise J before they lower it */

struct iao {
    struct joint_trial trial; /* offers */
    struct env_decision held; /* as the sweep began, with its shares */
    struct env_decision best;
    uint32_t *order; /* [N] */
    bool *taken;     /* [M] had its newcomer in this sweep */
};

static void destroy(struct policy *policy)
{
    struct iao *own = policy->state;
    if (own == NULL)
        return;
    joint_trial_finish(&own->trial);
    env_decision_finish(&own->held);
    env_decision_finish(&own->best);
    free(own->order);
    free(own->taken);
    free(own);
}

static int create(struct policy *policy, struct diag *diag)
{
    const struct world *world = policy->world;
    struct iao *own = calloc(1, sizeof *own);
    if (own == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    policy->state = own;
    own->order = calloc(world->devices, sizeof *own->order);
    own->taken = calloc(world->servers, sizeof *own->taken);
    bool whole = own->order != NULL && own->taken != NULL && joint_trial_init(&own->trial, world) == 0 &&
                 env_decision_init(&own->held, world->devices) == 0 &&
                 env_decision_init(&own->best, world->devices) == 0;
    return whole ? 0 : diag_fail(diag, -ENOMEM, "out of memory");
}

struct choice {
    uint32_t split, server;
    double cost;
};

/* Where it is: the share that it has, and any split. */
static void stay(const struct iao *own, const struct env_view *view, uint32_t n, struct choice *best)
{
    struct task_plan plan = {.server = own->held.server[n],
                             .bandwidth_share = own->held.bandwidth_share[n],
                             .compute_share = own->held.compute_share[n]};
    double cost = own_cost_best_split(view, n, &plan);
    if (cost < best->cost)
        *best = (struct choice){plan.split, plan.server, cost};
}

/* Elsewhere: the share that it would get there. An offer that has to be mended is none. */
static void come(struct iao *own, const struct env_view *view, uint32_t n, uint32_t m, struct choice *best)
{
    uint32_t was_split = own->held.split[n], was_server = own->held.server[n];
    own->held.server[n] = m;
    uint32_t first = 0, last = 0;
    env_splits_range(view, n, &first, &last);
    for (uint32_t s = first; s <= last; s++) {
        own->held.split[n] = s;
        double cost = joint_trial_own_cost(&own->trial, view, &own->held, n);
        if (cost < best->cost && !own->trial.decision.repaired[n])
            *best = (struct choice){s, m, cost};
    }
    own->held.split[n] = was_split;
    own->held.server[n] = was_server;
}

/* Step (i) for one device. */
static void answer(struct iao *own, const struct env_view *view, uint32_t n, struct env_decision *decision)
{
    const struct world *world = view->world;
    uint32_t is_at = own->held.server[n];
    assert(is_at == ENV_LOCAL || is_at < world->servers);
    struct choice best = {world->llm->layers, ENV_LOCAL, own_cost_local(view, n)};
    if (is_at != ENV_LOCAL)
        stay(own, view, n, &best);
    for (uint32_t m = 0; m < world->servers; m++)
        if (m != is_at && !own->taken[m] && view->covered[(size_t) n * world->servers + m])
            come(own, view, n, m, &best);
    decision->split[n] = best.split;
    decision->server[n] = best.server;
    if (best.server != ENV_LOCAL && best.server != is_at)
        own->taken[best.server] = true;
}

static void keep(struct env_decision *kept, const struct env_decision *decision, uint32_t devices)
{
    memcpy(kept->split, decision->split, devices * sizeof *kept->split);
    memcpy(kept->server, decision->server, devices * sizeof *kept->server);
    memcpy(kept->bandwidth_share, decision->bandwidth_share, devices * sizeof *kept->bandwidth_share);
    memcpy(kept->compute_share, decision->compute_share, devices * sizeof *kept->compute_share);
}

/* Both steps; returns J, with everybody's new share in own->trial.decision. */
static double sweep(struct iao *own, const struct env_view *view, struct env_decision *decision)
{
    uint32_t devices = view->world->devices;
    keep(&own->held, &own->trial.decision, devices);
    memset(own->taken, 0, view->world->servers * sizeof *own->taken);
    for (uint32_t i = 0; i < devices; i++)
        if (view->present[own->order[i]])
            answer(own, view, own->order[i], decision);
    return joint_trial_joint_cost(&own->trial, view, decision);
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct iao *own = policy->state;
    uint32_t devices = policy->world->devices;
    joint_trial_order(view, own->order);
    joint_trial_all_local(view, ret_decision);
    double best = joint_trial_joint_cost(&own->trial, view, ret_decision);
    keep(&own->best, &own->trial.decision, devices);
    uint32_t idle = 0;
    while (idle < IDLE_MAX) { /* ends, since J has a bound; 10 to 20 sweeps are usual */
        double cost = sweep(own, view, ret_decision);
        idle = cost <= best - GAIN_MIN ? 0 : idle + 1;
        if (cost < best) {
            best = cost;
            keep(&own->best, &own->trial.decision, devices);
        }
    }
    keep(ret_decision, &own->best, devices);
    env_repair(view, ret_decision);
}

const struct policy_kind policy_iao = {
    .name = "iao",
    .sees = POLICY_SEES_MODEL,
    .modes = POLICY_MODE_ROUND,
    .summary = "alternates own best answers to fixed shares with new shares while J falls",
    .source = "after Tang et al., IEEE IoT Journal 8 (2021); our variant: shares by the environment's rule",
    .create = create,
    .destroy = destroy,
    .decide = decide,
};
