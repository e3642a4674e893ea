#include "orchestrator/policy/policy.h"

#include <string.h>

#include "core/base/err.h"

static const struct policy_kind *const kinds[] = {
    &policy_dapo,
    &policy_bandit,
    &policy_td3,
    &policy_sac,
    &policy_maddpg,
    &policy_ppo,
    &policy_ppo_gaussian,
    &policy_a2c,
    &policy_dqn,
    &policy_dapo_plus,
    &policy_dapo_plus_actor,
    &policy_local,
    &policy_edge_nearest,
    &policy_edge_best_channel,
    &policy_random,
    &policy_static,
    &policy_static_association,
    &policy_greedy,
    &policy_neurosurgeon,
    &policy_nash,
    &policy_iao,
    &policy_genetic,
    &policy_swarm,
    &policy_best_response,
    &policy_multistart,
    &policy_optimum,
    &policy_myopic,
    &policy_priced,
    &policy_external,
};

size_t policy_count(void)
{
    return sizeof kinds / sizeof *kinds;
}

const struct policy_kind *policy_at(size_t index)
{
    return kinds[index];
}

const char *policy_sees_name(enum policy_sees sees)
{
    static const char *const names[] = {"observations", "model", "world"};
    return names[sees];
}

const char *policy_modes_name(enum policy_modes modes)
{
    static const char *const names[] = {"any", "round", "queue"};
    return names[modes];
}

bool policy_suits(const struct policy_kind *kind, enum scenario_mode mode)
{
    return kind->modes == POLICY_ANY_MODE || (kind->modes == POLICY_MODE_QUEUE) == (mode == MODE_QUEUE);
}

int policy_find(const char *name, const struct policy_kind **ret_kind, struct diag *diag)
{
    for (size_t i = 0; i < policy_count(); i++)
        if (strcmp(kinds[i]->name, name) == 0) {
            *ret_kind = kinds[i];
            return 0;
        }
    char known[1024] = "";
    size_t used = 0;
    for (size_t i = 0; i < policy_count(); i++) {
        size_t length = strlen(kinds[i]->name);
        if (used + length + 3 > sizeof known)
            break;
        if (used > 0) {
            memcpy(known + used, ", ", 2);
            used += 2;
        }
        memcpy(known + used, kinds[i]->name, length + 1);
        used += length;
    }
    return diag_fail(diag, ERR_UNKNOWN, "unknown policy '%s'; known are %s", name, known);
}

int policy_create(struct policy *ret_policy, const struct policy_kind *kind, const struct world *world,
                  bool training, struct diag *diag)
{
    *ret_policy = (struct policy){.kind = kind, .world = world, .training = training && policy_learns(kind)};
    int rc = 0;
    if (!policy_suits(kind, world->scenario.run.mode))
        rc = diag_fail(diag, ERR_UNSUPPORTED, "is made for run.mode: %s", policy_modes_name(kind->modes));
    else if (kind->create != NULL)
        rc = kind->create(ret_policy, diag);
    if (rc != 0)
        diag_prefix(diag, "policy %s", kind->name);
    return rc;
}

void policy_destroy(struct policy *policy)
{
    if (policy != NULL && policy->kind != NULL && policy->kind->destroy != NULL)
        policy->kind->destroy(policy);
    if (policy != NULL)
        *policy = (struct policy){0};
}
