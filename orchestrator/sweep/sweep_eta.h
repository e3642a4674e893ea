/* How long cells take, going by those that are done: seconds for a unit of work, policy by policy. */
#ifndef HANDOFF_ORCHESTRATOR_SWEEP_SWEEP_ETA_H
#define HANDOFF_ORCHESTRATOR_SWEEP_SWEEP_ETA_H

#include <stdbool.h>
#include <stdint.h>

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

/* What a progress line shows of a sweep, in ms. Before anything is known of what is left (NAN) nothing is done. */
struct sweep_eta_part {
    uint64_t done, total; /* total >= done, and > 0; while cells run there is something left */
};
struct sweep_eta_part sweep_eta_part(double spent_s, double left_s, bool runs);

#endif
