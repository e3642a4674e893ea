/* Round robin: one server after the other, with full shares, whatever is left. */
#include "orchestrator/policy/search/whole_tasks.h"

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct whole_tasks tasks;
    const struct world *world = policy->world;
    double part[RESERVED_KINDS];
    whole_tasks_begin(&tasks, view, ret_decision);
    for (uint32_t n = 0; n < world->devices; n++) {
        uint64_t turn = (uint64_t) view->id.slot * world->devices + n;
        uint32_t server = (uint32_t) (turn % world->servers);
        whole_tasks_shares(world, server, 1.0, part);
        whole_tasks_send(&tasks, n, server, part);
    }
    env_repair(view, ret_decision);
}

const struct policy_kind policy_round_robin = {
    .name = "round-robin",
    .sees = POLICY_SEES_OBSERVATIONS,
    .modes = POLICY_MODE_RESERVED,
    .summary = "whole tasks: one server after the other, full shares",
    .source = "house",
    .decide = decide,
};
