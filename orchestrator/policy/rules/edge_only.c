/* Edge only: full shares of the nearest server with room of all tiers but `cloud`. */
#include "orchestrator/policy/search/whole_tasks.h"

#include <math.h>

#include "core/base/err.h"

/* The nearest. */
static double worth(const struct whole_tasks *tasks, uint32_t device, uint32_t server)
{
    const struct env_view *view = tasks->view;
    bool is_cloud = view->world->server[server].tier == whole_tasks_cloud(view->world);
    if (is_cloud != false)
        return -(double) INFINITY;
    return -device_slot_distance_m(view->world, view->position[device], server);
}

static int create(struct policy *policy, struct diag *diag)
{
    if (whole_tasks_cloud(policy->world) == TIERS_NONE)
        return diag_fail(diag, ERR_UNSUPPORTED, "needs a tier that is called cloud");
    return 0;
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    (void) policy;
    whole_tasks_best(view, ret_decision, worth);
}

const struct policy_kind policy_edge_only = {
    .name = "edge-only",
    .sees = POLICY_SEES_OBSERVATIONS,
    .modes = POLICY_MODE_RESERVED,
    .summary = "whole tasks: full shares of the nearest server of the other tiers",
    .source = "house",
    .create = create,
    .decide = decide,
};
