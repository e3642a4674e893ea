/* The cross-entropy method (Rubinstein, 1999; as a planner in Chua et al., arXiv 1805.12114): candidates are drawn, the
 * best of them say where to draw the next ones. Numerics only.
 *
 * Plans have classes and reals (plan.h), so each step has a categorical over its choices, and for each choice a Gaussian of
 * each part, clipped to [0, 1]. An iteration draws the candidates, asks what they are worth, and refits to the elites, the
 * `elites` best of them, of equals the first drawn:
 *
 *   probability of a choice    its count among the elites plus `smoothing`, in proportion, over what is allowed
 *   Gaussian of a choice       mean and deviation of the elites that have it, when they are two or more, and never
 *                              narrower than `narrowest`; of others it stays
 *
 * It begins with equal probabilities and with Gaussians of mean 1/2 and deviation 1/2. From the second iteration on the
 * first candidate is the likeliest choice with its means. The answer is the best candidate that was met in any iteration;
 * with `mean` it is the likeliest choice with its means after the last refit, as published, whose own worth nobody asked.
 *
 * A draw is at (seed; RNG_PLANNING, entity, decision), by iteration, candidate and step. The same bits everywhere. */
#ifndef HANDOFF_CORE_RL_CROSS_ENTROPY_H
#define HANDOFF_CORE_RL_CROSS_ENTROPY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/rl/plan.h"

struct cross_entropy_config {
    struct plan_space space;
    size_t candidates; /* of an iteration, >= 2 */
    size_t elites;     /* 1 .. candidates */
    size_t iterations; /* >= 1 */
    double smoothing;  /* > 0: no choice becomes impossible */
    double narrowest;  /* deviation, >= 0 */
    bool mean;
    uint64_t seed;
    uint32_t entity;
};

struct cross_entropy;

/* ERR_RANGE: a space or numbers that cannot be; -ENOMEM. */
int cross_entropy_create(struct cross_entropy **ret_planner, const struct cross_entropy_config *config);
void cross_entropy_destroy(struct cross_entropy *planner);

/* Plans decision number `decision`; fills ret_plan's arrays. With `mean` its worth is that of the last elites' best. */
void cross_entropy_plan(struct cross_entropy *planner, uint64_t decision, const struct plan_problem *problem,
                        struct plan *ret_plan);

#endif
