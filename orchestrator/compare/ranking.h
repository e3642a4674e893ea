/* Which policies are better than which, and how sure that is. Policies with the same seeds met the same
 * worlds, so they are compared by their paired differences: one a common seed. A difference counts when the
 * 95 % interval of its mean leaves out 0 over at least RANKING_SEEDS_MIN common seeds. */
#ifndef HANDOFF_ORCHESTRATOR_COMPARE_RANKING_H
#define HANDOFF_ORCHESTRATOR_COMPARE_RANKING_H

#include "core/stats/bootstrap.h"
#include "orchestrator/compare/evidence.h"

#define RANKING_SEEDS_MIN 5u           /* fewer are not ranked */
#define RANKING_UNREACHABLE UINT32_MAX /* more runs than STUDENT_RUNS_MAX */

/* By how much `worse` is worse than `better`, over the seeds that both have: `worse` minus `better`, or the other way
 * round where more is better. */
struct ranking_pair {
    const struct evidence_policy *better, *worse;
    size_t seeds;             /* common ones */
    double difference;        /* its mean; NAN: no common seed */
    struct interval interval; /* NAN: fewer than two */
    bool clear;               /* it counts, and is above 0 */
    /* How many more runs of each policy it would take until it counted: until t(95 %, n - 1) * s / sqrt(n) is
     * below the mean difference, s being the differences' standard deviation, and n at least
     * RANKING_SEEDS_MIN (core/stats/student). Of fewer than two common seeds, what is missing to the least. 0
     * when clear. */
    uint32_t more;
};

struct ranking_line {
    const struct evidence_policy *policy;
    size_t seeds;
    double mean;
    struct interval interval;    /* of the mean */
    struct ranking_pair to_best; /* better: the first line's; not clear: tied with it. Of the first: empty */
};

/* One line for each policy that has the metric, the best mean first. */
struct ranking {
    enum evidence_metric metric;
    struct ranking_line *line; /* [lines] owned */
    size_t lines;
    struct ranking_pair *pair; /* [lines * lines] owned; pair[i * lines + j], i < j: line i against line j */
    bool *cut; /* [lines] owned; cut[i], i > 0: every line before i is clearly better than i and all behind */
};

/* `admits` NULL: all policies. */
int ranking_make(struct ranking *ret_ranking, const struct evidence_value *value, enum evidence_metric metric,
                 bool (*admits)(const struct evidence_policy *policy), struct bootstrap *bootstrap);
void ranking_finish(struct ranking *ranking);

/* The doubt that keeps lines i - 1 and i together, where there is no cut: of those two, or else of the first
 * two across that are not clear. */
const struct ranking_pair *ranking_doubt(const struct ranking *ranking, size_t i);

/* The verdict in words, one a line, each behind `indent`: "ranked: a < b = c" (or a > b) where there is a cut, = between
 * those that are not told apart, and for these "not ranked: ..." with how many more runs it would take.
 * Nothing of fewer than two lines. */
int ranking_print_verdict(const struct ranking *ranking, const char *indent, struct buf *text);

/* "none", "12", "more than 10000": of a pair's `more`. */
void ranking_format_more(uint32_t more, char ret_text[static 24]);

/* A policy's values of a metric in order of seed, NAN left out. */
size_t ranking_values(const struct evidence_policy *policy, enum evidence_metric metric,
                      double *ret_value /* [tests] */);

#endif
