/* Nash: each device on its own account, with the loads as they truly are, until no device can gain by moving
 * alone. `best-response` lets the same moves serve J instead; the gap between both is the price of anarchy.
 *
 * Devices enter the slot one by one, in an order drawn for it, each at its best reply; after each the devices
 * that are in reply in turn until all are content. Under equal sharing this ends, at a Nash point: a device's
 * cost at a server depends on the number there alone and does not fall with it, so the slot is a congestion
 * game with player-specific costs. Between two entries one place at most (a server, or home) has one device
 * more than it had with everybody content, only devices there can gain, and each one that leaves is better
 * off by costs at "one more than then", so none returns: at most M + 1 moves for each of the k devices that
 * are in, at most (M + 1) N (N + 1) / 2 in all (Milchtaich, Games and Economic Behavior 13, 1996, theorem 2).
 * Under the other sharing rules costs depend on who the others are and replies may go round in a circle: then
 * ROUNDS_MAX ends it. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/model/env_splits.h"
#include "orchestrator/policy/policy.h"
#include "orchestrator/policy/search/joint_trial.h"

#define ROUNDS_MAX 50u /* after each entry; 2 to 4 are usual */
#define GAIN_MIN 1e-12 /* a move must gain more than rounding */

struct nash {
    struct joint_trial trial;
    uint32_t *order; /* [N] */
};

static void destroy(struct policy *policy)
{
    struct nash *own = policy->state;
    if (own == NULL)
        return;
    joint_trial_finish(&own->trial);
    free(own->order);
    free(own);
}

static int create(struct policy *policy, struct diag *diag)
{
    struct nash *own = calloc(1, sizeof *own);
    if (own == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    policy->state = own;
    own->order = calloc(policy->world->devices, sizeof *own->order);
    int rc = joint_trial_init(&own->trial, policy->world);
    return rc != 0 || own->order == NULL ? diag_fail(diag, -ENOMEM, "out of memory") : 0;
}

struct choice {
    uint32_t split, server;
    double cost;
};

/* The best of a server's splits, or home (ENV_LOCAL), for device n; leaves it there in `decision`. */
static void try_choice(struct nash *own, const struct env_view *view, struct env_decision *decision,
                       uint32_t n, uint32_t server, struct choice *best)
{
    const struct world *world = view->world;
    bool local = server == ENV_LOCAL;
    uint32_t first = world->llm->layers, last = first;
    if (local && !env_splits_allow_local(view, n))
        return;
    if (!local)
        env_splits_range(view, n, &first, &last);
    decision->server[n] = server;
    for (decision->split[n] = first; decision->split[n] <= last; decision->split[n]++) {
        double cost = joint_trial_own_cost(&own->trial, view, decision, n);
        if (cost < best->cost - GAIN_MIN)
            *best = (struct choice){decision->split[n], server, cost};
    }
}

/* Moves device n to where it costs itself least, and elsewhere only if that is better than any split where it
 * is; returns whether it gains. */
static bool reply(struct nash *own, const struct env_view *view, struct env_decision *decision, uint32_t n)
{
    const bool *covered = view->covered + (size_t) n * view->world->servers;
    uint32_t is_at = decision->server[n];
    struct choice best = {decision->split[n], is_at, joint_trial_own_cost(&own->trial, view, decision, n)};
    double present = best.cost;
    if (is_at != ENV_LOCAL)
        try_choice(own, view, decision, n, is_at, &best);
    try_choice(own, view, decision, n, ENV_LOCAL, &best);
    for (uint32_t m = 0; m < view->world->servers; m++)
        if (m != is_at && covered[m])
            try_choice(own, view, decision, n, m, &best);
    decision->split[n] = best.split;
    decision->server[n] = best.server;
    return best.cost < present;
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct nash *own = policy->state;
    joint_trial_order(view, own->order);
    joint_trial_all_local(view, ret_decision);
    for (uint32_t in = 1; in <= policy->world->devices; in++) {
        bool moved = view->present[own->order[in - 1]];
        for (uint32_t round = 0; moved && round < ROUNDS_MAX; round++) {
            moved = false;
            for (uint32_t i = in; i-- > 0;) /* the new one first */
                if (view->present[own->order[i]] && reply(own, view, ret_decision, own->order[i]))
                    moved = true;
        }
    }
    env_repair(view, ret_decision);
}

const struct policy_kind policy_nash = {
    .name = "nash",
    .sees = POLICY_SEES_MODEL,
    .modes = POLICY_MODE_ROUND,
    .summary =
        "devices in turn lower their own cost, true loads, until nobody gains alone (best-response: J)",
    .source = "congestion game with player-specific costs: Milchtaich, Games Econ. Behav. 13 (1996) 111-124",
    .create = create,
    .destroy = destroy,
    .decide = decide,
};
