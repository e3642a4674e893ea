/* How long cells take, going by those that are done: seconds for a unit of work, policy by policy. */
#ifndef HANDOFF_ORCHESTRATOR_SWEEP_PACE_H
#define HANDOFF_ORCHESTRATOR_SWEEP_PACE_H

#include "orchestrator/policy_list.h"

struct sweep_pace {
    struct policy_list policies; /* those met so far */
    double wall_s[POLICY_LIST_MAX], work[POLICY_LIST_MAX];
    double all_wall_s, all_work;
};

/* A cell is done. */
void sweep_pace_note(struct sweep_pace *pace, const struct policy_kind *kind, double work, double wall_s);

/* NAN: no cell is done yet. A policy that was not met takes as long as the others. */
double sweep_pace_guess_s(const struct sweep_pace *pace, const struct policy_kind *kind, double work);

#endif
