/* What the policies of this room share: each values the choices of a whole task (server and shares, reserve.levels) by what
 * is promised (promise.h), takes the best for which there is room, and learns from the tasks that have ended (belief.h).
 * They differ in what they take for true of a server. With adaptive.price: learned shares have prices (shadow_price.h).
 *
 * What is believed begins anew with each episode: one that is resumed at an episode's end goes on with the same bits. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_ADAPTIVE_ADAPTIVE_H
#define HANDOFF_ORCHESTRATOR_POLICY_ADAPTIVE_ADAPTIVE_H

#include "orchestrator/policy/policy.h"

enum adaptive_view {
    ADAPTIVE_DECLARED,   /* what is declared */
    ADAPTIVE_MEANS,      /* running means */
    ADAPTIVE_CURIOUS,    /* beliefs, their spread, and a worth of what a task would teach */
    ADAPTIVE_DRAWN,      /* a draw from beliefs */
    ADAPTIVE_OPTIMISTIC, /* the better end of beliefs */
    ADAPTIVE_TRUE,       /* what is; the answer's length and whether it is right are still not known */
};

int adaptive_create(struct policy *policy, enum adaptive_view sees, struct diag *diag);
void adaptive_destroy(struct policy *policy);
void adaptive_decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision);
void adaptive_hear(struct policy *policy, const struct policy_feedback *feedback);

#endif
