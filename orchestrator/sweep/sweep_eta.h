/* How long cells take, going by those that are done: seconds for a unit of work, policy by policy. */
#ifndef HANDOFF_ORCHESTRATOR_SWEEP_SWEEP_ETA_H
#define HANDOFF_ORCHESTRATOR_SWEEP_SWEEP_ETA_H

#include "orchestrator/policy/catalog/policy_names.h"

struct sweep_eta {
    struct policy_names policies; /* those met so far */
    double wall_s[POLICY_NAMES_MAX], work[POLICY_NAMES_MAX];
    double all_wall_s, all_work;
};

/* A cell is done. */
void sweep_eta_note(struct sweep_eta *pace, const struct policy_kind *kind, double work, double wall_s);

/* NAN: no cell is done yet. A policy that was not met takes as long as the others. */
double sweep_eta_guess_s(const struct sweep_eta *pace, const struct policy_kind *kind, double work);

#endif
