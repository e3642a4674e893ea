#include "orchestrator/policy/policy.h"

#include <assert.h>

#include "core/base/err.h"

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

int policy_create(struct policy *ret_policy, const struct policy_kind *kind,
                  const struct policy_options *options, struct diag *diag)
{
    *ret_policy = (struct policy){
        .kind = kind,
        .world = options->world,
        .settings = kind->settings != NULL ? scenario_values_part(options->settings, kind->settings) : NULL,
        .all_settings = options->settings,
        .training = options->training && policy_learns(kind),
    };
    assert((kind->settings == NULL) == (ret_policy->settings == NULL));
    int rc = 0;
    if (!policy_suits(kind, options->world->scenario.run.mode))
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
