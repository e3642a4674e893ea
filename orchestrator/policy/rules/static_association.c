/* Static association: each device keeps to one server for a whole episode, the one with the best channel when
 * it first meets any (in slot 0, where it is there and covered then). The splits are re-optimised in each
 * slot, by coordinate descent on J with true loads; local is one of them, and all there is while that server
 * does not cover the device. The gap to `best-response` is what following the mobility is worth. */
#include <errno.h>
#include <stdlib.h>

#include "orchestrator/policy/policy.h"
#include "orchestrator/policy/search/joint_trial.h"
#include "orchestrator/policy/search/server_choice.h"

struct association {
    struct joint_trial trial;
    uint32_t *server;  /* [N] for the episode; ENV_LOCAL: none met yet */
    struct slot_id at; /* of the last decision */
    bool begun;        /* there was one */
};

static void destroy(struct policy *policy)
{
    struct association *own = policy->state;
    if (own == NULL)
        return;
    joint_trial_finish(&own->trial);
    free(own->server);
    free(own);
}

static int create(struct policy *policy, struct diag *diag)
{
    struct association *own = calloc(1, sizeof *own);
    if (own == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    policy->state = own;
    own->server = calloc(policy->world->devices, sizeof *own->server);
    int rc = joint_trial_init(&own->trial, policy->world);
    return rc != 0 || own->server == NULL ? diag_fail(diag, -ENOMEM, "out of memory") : 0;
}

/* Is this the first decision of an episode? Its slot 0 goes by undecided when everybody is down. */
static bool is_new_episode(const struct association *own, struct slot_id id)
{
    return !own->begun || id.slot == 0 || id.episode != own->at.episode || id.phase != own->at.phase;
}

static void associate(struct association *own, const struct env_view *view)
{
    uint32_t devices = view->world->devices;
    for (uint32_t n = 0; n < devices && is_new_episode(own, view->id); n++)
        own->server[n] = ENV_LOCAL;
    for (uint32_t n = 0; n < devices; n++)
        if (own->server[n] == ENV_LOCAL && view->present[n])
            own->server[n] = server_choice_best_channel(view, n);
    own->at = view->id;
    own->begun = true;
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct association *own = policy->state;
    associate(own, view);
    joint_trial_descend(&own->trial, view, own->server, ret_decision);
}

const struct policy_kind policy_static_association = {
    .name = "static-association",
    .sees = POLICY_SEES_MODEL,
    .modes = POLICY_MODE_ROUND,
    .summary = "one server for the whole episode (best channel at its start), splits lower J in each slot",
    .source = "static baseline of DAPO: fixed user association",
    .create = create,
    .destroy = destroy,
    .decide = decide,
};
