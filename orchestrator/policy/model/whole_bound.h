/* What the tasks of an episode may be worth together at the most, whoever decides (servers.discipline reserved): an upper
 * bound, in minus cost, for any shares of compute and band. Memory is what a task needs (reserve.memory_need).
 *
 * A linear program over (task, server, shares), whose rows are what each server has of each kind at each arrival. Where
 * nothing comes back (reserve.returns off) the last arrival's row says all. Else arrivals are taken together in at most
 * WHOLE_BOUND_SPANS spans of the episode: what is held in the mean over a span is no more than there is. Prices of the rows
 * give the bound (core/assign/packing). At these prices the best shares of each task are searched between all shares
 * (core/assign/box_search), so the bound holds for shares that are no column; they become columns, and prices are found anew
 * until the gap to a fractional solution is closed.
 *
 * A solution in fractions holds at each arrival too, not only in the mean: where parts come back, that leaves a gap. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_MODEL_WHOLE_BOUND_H
#define HANDOFF_ORCHESTRATOR_POLICY_MODEL_WHOLE_BOUND_H

#include "core/base/diag.h"
#include "orchestrator/policy/search/whole_episode.h"

#define WHOLE_BOUND_SPANS 10u
#define WHOLE_BOUND_GAP 1e-3 /* of the bound: it ends there */

struct whole_bound {
    double bound;
    double attained; /* by tasks that may be divided; the program's optimum lies between */
    double played; /* by whole tasks in order of arrival, each with what gives most at the prices and fits */
    double full_shares; /* the exact best of full shares, of whole tasks; NAN: something comes back */
    uint32_t rounds;    /* of finding prices */
};

/* whole_episode_check holds. ERR_UNSUPPORTED: reserve.returns is stage. -ENOMEM. */
int whole_bound_find(const struct whole_episode *whole, struct whole_bound *ret_bound, struct diag *diag);

#endif
