/* Multi-start: coordinate descent and pair exchanges over the true model's costs of every (device, server,
 * load), from all-local and random starts. Close to the optimum where that takes too long. */
#include <errno.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "orchestrator/policy/policy.h"
#include "orchestrator/policy/search/load_search.h"

#define STARTS 8u     /* as in queueing mode (slot_search) [house] */
#define LOADS_HELD 8u /* loads there is room for at first */

struct multistart {
    struct load_table table;
    struct load_search search;
};

static void destroy(struct policy *policy)
{
    struct multistart *own = policy->state;
    if (own == NULL)
        return;
    load_table_finish(&own->table);
    load_search_finish(&own->search);
    free(own);
}

static int create(struct policy *policy, struct diag *diag)
{
    struct multistart *own = calloc(1, sizeof *own);
    if (own == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    policy->state = own;
    int rc = load_table_init(&own->table, policy->world, LOADS_HELD);
    if (rc == 0)
        rc = load_search_init(&own->search, policy->world);
    return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct multistart *own = policy->state;
    load_table_model(&own->table, view);
    load_search_run(&own->search, &own->table,
                    &(struct load_search_options){.starts = STARTS, .swaps = true});
    load_search_decide(&own->search, &own->table, ret_decision);
}

const struct policy_kind policy_multistart = {
    .name = "multi-start",
    .sees = POLICY_SEES_MODEL,
    .modes = POLICY_MODE_ROUND,
    .summary = "best response and pair exchanges on the joint cost, from eight starts",
    .source = "multi-start local search, Marti et al., EJOR 226 (2013) 1-8",
    .create = create,
    .destroy = destroy,
    .decide = decide,
};
