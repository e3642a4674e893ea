/* A genetic algorithm on J: a chromosome has one gene for each device, a pair of a split it may have and a
 * server that covers it; a split of L is local, at whatever server. Numerics in core/rl/genetic. It begins
 * anew in every slot. genetic.generations buys time: a few make it as fast as a learner's inference. */
#include "core/rl/genetic.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/model/env_splits.h"
#include "orchestrator/policy/model/settings.h"
#include "orchestrator/policy/search/joint_trial.h"

struct search {
    struct genetic genetic;
    struct joint_trial trial;
    struct env_decision wishes;
    const struct env_view *view; /* of the slot in progress */
    uint32_t *choices;           /* [N] splits (with L) x covered servers; 1: only local */
    uint32_t *gene;              /* [N] the best */
};

static void destroy(struct policy *policy)
{
    struct search *own = policy->state;
    if (own == NULL)
        return;
    genetic_finish(&own->genetic);
    joint_trial_finish(&own->trial);
    env_decision_finish(&own->wishes);
    free(own->choices);
    free(own->gene);
    free(own);
}

static int create(struct policy *policy, struct diag *diag)
{
    const struct world *world = policy->world;
    const struct model_settings *settings = model_settings_of(policy);
    const struct genetic_config config = {
        .population = (uint32_t) settings->genetic.population,
        .generations = (uint32_t) settings->genetic.generations,
        .tournament = (uint32_t) settings->genetic.tournament,
        .elites = (uint32_t) settings->genetic.elites,
        .crossover = settings->genetic.crossover,
        .mutation = settings->genetic.mutation < world->devices ? settings->genetic.mutation
                                                                : (double) world->devices,
    };
    struct search *own = calloc(1, sizeof *own);
    if (own == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    policy->state = own;
    own->choices = calloc(world->devices, sizeof *own->choices);
    own->gene = calloc(world->devices, sizeof *own->gene);
    bool whole = own->choices != NULL && own->gene != NULL &&
                 genetic_init(&own->genetic, &config, world->devices) == 0 &&
                 joint_trial_init(&own->trial, world) == 0 &&
                 env_decision_init(&own->wishes, world->devices) == 0;
    return whole ? 0 : diag_fail(diag, -ENOMEM, "out of memory");
}

static uint32_t count_covered(const struct env_view *view, uint32_t n)
{
    uint32_t count = 0;
    for (uint32_t m = 0; m < view->world->servers; m++)
        count += view->covered[(size_t) n * view->world->servers + m] ? 1 : 0;
    return count;
}

/* The splits that the device may be given at a server, from *ret_first on. */
static uint32_t count_remote(const struct env_view *view, uint32_t n, uint32_t *ret_first)
{
    uint32_t last = 0;
    env_splits_range(view, n, ret_first, &last);
    return last >= *ret_first ? last - *ret_first + 1 : 0;
}

/* With L, where it may stay local. */
static uint32_t count_splits(const struct env_view *view, uint32_t n)
{
    uint32_t first = 0, remote = count_remote(view, n, &first);
    return remote + (remote == 0 || env_splits_allow_local(view, n) ? 1 : 0);
}

static uint32_t nth_covered(const struct env_view *view, uint32_t n, uint32_t nth)
{
    assert(nth < count_covered(view, n));
    uint32_t m = 0;
    for (;; m++)
        if (view->covered[(size_t) n * view->world->servers + m] && nth-- == 0)
            return m;
}

static void decode(const struct env_view *view, const uint32_t *gene, struct env_decision *ret_wishes)
{
    const struct world *world = view->world;
    for (uint32_t n = 0; n < world->devices; n++) {
        uint32_t first = 0, covered = count_covered(view, n), remote = count_remote(view, n, &first);
        uint32_t place = covered > 0 ? gene[n] / covered : remote;
        assert(place <= remote);
        bool local = !view->present[n] || place == remote;
        ret_wishes->split[n] = local ? world->llm->layers : first + place;
        ret_wishes->server[n] = local ? ENV_LOCAL : nth_covered(view, n, gene[n] % covered);
    }
}

static double joint_cost(void *user, const uint32_t *gene)
{
    struct search *own = user;
    decode(own->view, gene, &own->wishes);
    return joint_trial_joint_cost(&own->trial, own->view, &own->wishes);
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct search *own = policy->state;
    const struct world *world = policy->world;
    const struct rng_at at = {.seed = world->seed,
                              .phase = view->id.phase,
                              .stream = RNG_POLICY,
                              .episode = view->id.episode,
                              .slot = view->id.slot};
    own->view = view;
    for (uint32_t n = 0; n < world->devices; n++) {
        uint32_t covered = view->present[n] ? count_covered(view, n) : 0;
        own->choices[n] = covered > 0 ? covered * count_splits(view, n) : 1;
    }
    (void) genetic_minimise(&own->genetic, own->choices, at, joint_cost, own, own->gene);
    decode(view, own->gene, ret_decision);
    env_repair(view, ret_decision);
}

const struct policy_kind policy_genetic = {
    .name = "genetic",
    .sees = POLICY_SEES_MODEL,
    .modes = POLICY_MODE_ROUND,
    .only_named = true,
    .summary = "genetic algorithm on J, one gene a device; takes long (genetic.generations)",
    .source = "tournaments and uniform crossover: Goldberg and Deb, FOGA 1991; Syswerda, ICGA 1989",
    .settings = &model_settings_part,
    .create = create,
    .destroy = destroy,
    .decide = decide,
};
