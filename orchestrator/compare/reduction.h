/* By how much a policy undercuts a baseline over a sweep: at most, at which value, and in the mean over the
 * values. At each value the reduction is 1 - ours / theirs, of the two means over the common seeds; the mean
 * over the values weighs them equally. There is no reduction of a mean that is not above 0. */
#ifndef HANDOFF_ORCHESTRATOR_COMPARE_REDUCTION_H
#define HANDOFF_ORCHESTRATOR_COMPARE_REDUCTION_H

#include "core/stats/bootstrap.h"
#include "orchestrator/compare/evidence.h"
#include "orchestrator/compare/ranking.h"

struct reduction {
    const char *ours, *baseline;
    size_t values;                        /* at which both were measured; 0: the rest says nothing */
    size_t seeds;                         /* common ones, where they are fewest */
    const struct evidence_value *most_at; /* where the reduction is greatest */
    double most, mean;                    /* as shares; negative: we are worse */
    struct interval most_interval;        /* over that value's common seeds */
    struct interval mean_interval;        /* over the seeds common to all values */
    size_t better, worse; /* values at which it surely is: RANKING_SEEDS_MIN seeds, interval without 0 */
};

int reduction_measure(struct reduction *ret_reduction, const struct evidence_experiment *experiment,
                      const char *ours, const char *baseline, enum evidence_metric metric,
                      struct bootstrap *bootstrap);

/* What is said of ours against a baseline, or why nothing is. */
struct reduction_rows {
    int (*row)(void *user, const struct reduction *latency, const struct reduction *energy);
    /* `who` is one of the two: it never learned where they meet, so that it stands for nothing. */
    int (*refuse)(void *user, const struct evidence_policy *ours, const struct evidence_policy *baseline,
                  const struct evidence_policy *who);
    void *user;
};

/* Latency and energy of each of ours (`dapo` and `dapo-plus`) against each of its baselines, wherever both are
 * in the experiment. A baseline is another policy that does not see the world. Where one of the two never learned, at
 * any value and seed that both have, nothing is said. A nonzero return of a function stops and is returned. */
int reduction_each(const struct evidence_experiment *experiment, struct bootstrap *bootstrap,
                   const struct reduction_rows *rows);

#endif
