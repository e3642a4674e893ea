/* The distilled actor of dapo-plus instead of its search: it predicts how many devices each
 * server should take, and takes those that gain most. Then at most `plus.actor_sweeps` rounds follow, in which
 * those in line for a server may still move or exchange places. Takes the weights of a run that trained dapo-plus. */
#include "orchestrator/policy/plus/dapo_plus_parts.h"

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct dapo_plus *own = policy->state;
    outcome_model_begin(own->model, &own->table, view);
    load_actor_decide(own->actor, &own->table, ret_decision->server);
    load_search_polish(&own->search, &own->table, ret_decision->server,
                       (uint32_t) plus_settings_of(policy)->plus.actor_sweeps);
    load_search_decide(&own->search, &own->table, ret_decision);
}

const struct policy_kind policy_dapo_plus_actor = {
    .name = "dapo-plus-actor",
    .sees = POLICY_SEES_OBSERVATIONS,
    .modes = POLICY_MODE_ROUND,
    .weights_of = "dapo-plus",
    .summary = "dapo-plus without the search: a network distilled from its decisions",
    .source = "house; policy distillation, Rusu et al., arXiv 1511.06295",
    .settings = &plus_settings_part,
    .create = dapo_plus_create,
    .destroy = dapo_plus_destroy,
    .decide = decide,
    .load = dapo_plus_load,
};
