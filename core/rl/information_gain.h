/* How much an outcome would tell of which member of an ensemble is right: the mutual information of the two, in nats, as the
 * entropy of the members' mixture less the mean of their own entropies (Lindley, 1956; as a planner's motive in Tschantz
 * et al., arXiv 2002.12636). It is 0 where members agree and grows with their disagreement, in units of what each calls
 * noise. Outputs count as independent given the member. Numerics only.
 *
 * A mixture of Gaussians has no entropy in closed form. Two estimates:
 *
 *   neighbours  as published: one sample of each member, and the entropy of these by their distances to the k-th nearest
 *               (Kozachenko and Leonenko, 1987; the form of Kraskov et al., arXiv cond-mat/0305641, equation 20). Of few
 *               members it is biased by nearly the same amount everywhere, which no comparison of candidates notices.
 *   gaussian    the entropy of the Gaussian with the mixture's mean and variances: exact to leading order where members
 *               differ little, and above the truth where they differ much. It needs no draw.
 *
 * Sums run in the order of members, then outputs. */
#ifndef HANDOFF_CORE_RL_INFORMATION_GAIN_H
#define HANDOFF_CORE_RL_INFORMATION_GAIN_H

#include <stddef.h>

#include "core/rl/ensemble.h"

enum information_gain { INFORMATION_GAIN_NEIGHBOURS, INFORMATION_GAIN_GAUSSIAN };

#define INFORMATION_GAIN_NEIGHBOUR 3u /* the k of the published planner */

/* Entropy, nats, of what samples[count][dims] were drawn from. 1 <= k < count. Distances below 1e-6 count as that. */
double information_gain_entropy(size_t count, size_t dims, const float *samples, size_t k);

/* Floats of scratch for a guess of so many rows. */
size_t information_gain_scratch(size_t members, size_t rows, size_t outputs);

/* Of each row of a guess: ret_gain[rows]. `noise` [members][outputs] are standard normals, the same for all rows, so that
 * rows differ by what is foreseen for them and not by their draws; the Gaussian estimate needs none (NULL). One member
 * tells nothing: 0. With four members or fewer k is one less than they are. */
void information_gain_of(enum information_gain kind, const struct ensemble_guess *guess, const float *noise,
                         float *scratch, double *ret_gain);

#endif
