/* A joint decision on trial: what it would cost, shares divided as they would really be (env_repair,
 * env_allocate), on a copy. For policies that know the model and search by moving devices. Works under every
 * sharing rule and constraint. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_SEARCH_JOINT_TRIAL_H
#define HANDOFF_ORCHESTRATOR_POLICY_SEARCH_JOINT_TRIAL_H

#include "core/model/env.h"

struct joint_trial {
    struct env_decision decision; /* the last one tried, repaired, with its shares */
    uint32_t *load;               /* [M] its K_m */
};

int joint_trial_init(struct joint_trial *ret_trial, const struct world *world);
void joint_trial_finish(struct joint_trial *trial);

/* J of the wishes. */
double joint_trial_joint_cost(struct joint_trial *trial, const struct env_view *view,
                              const struct env_decision *wishes);
/* The present device's own term of it. */
double joint_trial_own_cost(struct joint_trial *trial, const struct env_view *view,
                            const struct env_decision *wishes, uint32_t device);

/* All devices local, and valid. */
void joint_trial_all_local(const struct env_view *view, struct env_decision *decision);

/* Coordinate descent on J from all-local: devices in turn, by number, move to the (split, server) that lowers
 * J most, until a whole round changes nothing. J falls with every move, so it ends; a local optimum.
 * only[N]: the one server that each device may use, ENV_LOCAL for none; NULL: all that cover it. */
void joint_trial_descend(struct joint_trial *trial, const struct env_view *view, const uint32_t *only,
                         struct env_decision *decision);

/* The numbers of all devices, shuffled (Fisher-Yates) by draws of RNG_POLICY at the slot; ret_order[N]. */
void joint_trial_order(const struct env_view *view, uint32_t *ret_order);

#endif
