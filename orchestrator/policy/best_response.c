/* Best response: starting all-local, the devices in turn move to the (split, server) that lowers the joint
 * cost J most, loads as they truly are, until a whole round changes nothing. Coordinate descent on J, so it
 * ends; a local optimum that is close to the exact one in practice. Works under every sharing rule and
 * constraint, since it asks env_joint_cost. */
#include <errno.h>
#include <stdlib.h>

#include "orchestrator/policy/policy.h"

#define ROUNDS_MAX 50  /* far above what is ever needed (3 to 5 rounds); a bound on a slot's work */
#define GAIN_MIN 1e-12 /* a move must gain more than rounding */

struct best_response {
    struct env_decision trial;
    uint32_t *load; /* [M], env_allocate's result; not used further */
};

static int create(struct policy *policy, struct diag *diag)
{
    struct best_response *own = calloc(1, sizeof *own);
    if (own == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    policy->state = own;
    own->load = calloc(policy->world->servers, sizeof *own->load);
    int rc = env_decision_init(&own->trial, policy->world->devices);
    return rc != 0 || own->load == NULL ? diag_fail(diag, -ENOMEM, "out of memory") : 0;
}

static void destroy(struct policy *policy)
{
    struct best_response *own = policy->state;
    if (own == NULL)
        return;
    env_decision_finish(&own->trial);
    free(own->load);
    free(own);
}

/* J of the wishes in `decision`, on a copy that may be repaired. */
static double joint_cost(struct best_response *own, const struct env_view *view,
                         const struct env_decision *decision)
{
    for (uint32_t n = 0; n < view->world->devices; n++) {
        own->trial.split[n] = decision->split[n];
        own->trial.server[n] = decision->server[n];
    }
    env_repair(view, &own->trial);
    env_allocate(view, &own->trial, own->load);
    return env_joint_cost(view, &own->trial);
}

/* Moves device n to its best place given the others; returns whether it moved. *cost is J before and after.
 */
static bool respond(struct best_response *own, const struct env_view *view, struct env_decision *decision,
                    uint32_t n, double *cost)
{
    const struct world *world = view->world;
    uint32_t layers = world->llm->layers;
    uint32_t best_split = decision->split[n], best_server = decision->server[n];
    double best = *cost;
    for (uint32_t m = 0; m <= world->servers; m++) {
        bool local = m == world->servers;
        if (!local && !view->covered[(size_t) n * world->servers + m])
            continue;
        decision->server[n] = local ? ENV_LOCAL : m;
        uint32_t from = local ? layers : (uint32_t) world->scenario.model.min_split;
        uint32_t to = local ? layers : layers - 1;
        for (decision->split[n] = from; decision->split[n] <= to; decision->split[n]++) {
            double trial = joint_cost(own, view, decision);
            if (trial < best - GAIN_MIN) {
                best = trial;
                best_split = decision->split[n];
                best_server = decision->server[n];
            }
        }
    }
    decision->split[n] = best_split;
    decision->server[n] = best_server;
    bool moved = best < *cost - GAIN_MIN;
    *cost = best;
    return moved;
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct best_response *own = policy->state;
    const struct world *world = policy->world;
    for (uint32_t n = 0; n < world->devices; n++) {
        ret_decision->split[n] = world->llm->layers;
        ret_decision->server[n] = ENV_LOCAL;
    }
    double cost = joint_cost(own, view, ret_decision);
    bool moved = true;
    for (int round = 0; moved && round < ROUNDS_MAX; round++) {
        moved = false;
        for (uint32_t n = 0; n < world->devices; n++)
            if (view->present[n] && respond(own, view, ret_decision, n, &cost))
                moved = true;
    }
    env_repair(view, ret_decision);
}

const struct policy_kind policy_best_response = {
    .name = "best-response",
    .sees = POLICY_SEES_MODEL,
    .modes = POLICY_MODE_ROUND,
    .summary = "devices in turn lower the joint cost, true loads, until nobody moves",
    .source = "best-response dynamics as coordinate descent on J",
    .create = create,
    .destroy = destroy,
    .decide = decide,
};
