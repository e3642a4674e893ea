/* Student's t: how many runs a difference would take. */
#ifndef HANDOFF_CORE_STATS_STUDENT_H
#define HANDOFF_CORE_STATS_STUDENT_H

#include <stdint.h>

#define STUDENT_RUNS_MAX 10000u /* where more would be needed, the answer is 0 */

/* P(|T| < t) of Student's t with whole degrees of freedom >= 1: the finite series 26.7.3 and 26.7.4 of
 * Abramowitz and Stegun, Handbook of Mathematical Functions. */
double student_within(double t, uint32_t freedom);

/* The t with P(|T| < t) = share, 0 < share < 1: its table's two-sided value. */
double student_two_sided(double share, uint32_t freedom);

/* The least number of runs n, at least `least` and 2, whose interval mean +- t(95 %, n - 1) * deviation /
 * sqrt(n) leaves out 0, if mean and deviation stay what they are. 0: more than STUDENT_RUNS_MAX, which is
 * always so for a mean of 0. */
uint32_t student_runs(double mean, double deviation, uint32_t least);

#endif
