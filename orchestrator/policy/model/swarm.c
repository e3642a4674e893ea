/* Particle swarm on J: a particle is a continuous action of all devices, which becomes a decision by the same
 * mapping as a learner's (env_map_action, A14). Numerics in core/rl/swarm. It begins anew in every slot.
 * swarm.iterations buys time: a few make it as fast as a learner's inference. */
#include "core/rl/swarm.h"

#include <errno.h>
#include <stdlib.h>

#include "orchestrator/policy/model/settings.h"

struct search {
    struct swarm swarm;
    struct env_decision trial;
    const struct env_view *view; /* of the slot in progress */
    uint32_t *load;              /* [M], env_allocate's result; not used further */
    float *action;               /* [2N] the best */
};

static void destroy(struct policy *policy)
{
    struct search *own = policy->state;
    if (own == NULL)
        return;
    swarm_finish(&own->swarm);
    env_decision_finish(&own->trial);
    free(own->load);
    free(own->action);
    free(own);
}

static int create(struct policy *policy, struct diag *diag)
{
    const struct world *world = policy->world;
    const struct model_settings *settings = model_settings_of(policy);
    const struct swarm_config config = {
        .particles = (uint32_t) settings->swarm.particles,
        .iterations = (uint32_t) settings->swarm.iterations,
        .inertia = settings->swarm.inertia,
        .cognitive = settings->swarm.cognitive,
        .social = settings->swarm.social,
    };
    struct search *own = calloc(1, sizeof *own);
    if (own == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    policy->state = own;
    own->load = calloc(world->servers, sizeof *own->load);
    own->action = calloc(env_action_size(world), sizeof *own->action);
    bool whole = own->load != NULL && own->action != NULL &&
                 swarm_init(&own->swarm, &config, env_action_size(world)) == 0 &&
                 env_decision_init(&own->trial, world->devices) == 0;
    return whole ? 0 : diag_fail(diag, -ENOMEM, "out of memory");
}

static double joint_cost(void *user, const float *action)
{
    struct search *own = user;
    env_map_action(own->view, action, &own->trial);
    env_allocate(own->view, &own->trial, own->load);
    return env_joint_cost(own->view, &own->trial);
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct search *own = policy->state;
    const struct rng_at at = {.seed = policy->world->seed,
                              .phase = view->id.phase,
                              .stream = RNG_POLICY,
                              .episode = view->id.episode,
                              .slot = view->id.slot};
    own->view = view;
    (void) swarm_minimise(&own->swarm, at, joint_cost, own, own->action);
    env_map_action(view, own->action, ret_decision);
}

const struct policy_kind policy_swarm = {
    .name = "swarm",
    .sees = POLICY_SEES_MODEL,
    .modes = POLICY_MODE_ROUND,
    .only_named = true,
    .summary = "particle swarm on J, in the action space of DAPO; takes long (swarm.iterations)",
    .source = "Shi and Eberhart, CEC 1998; actions mapped as in A14",
    .settings = &model_settings_part,
    .create = create,
    .destroy = destroy,
    .decide = decide,
};
