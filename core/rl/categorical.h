/* Factored categorical heads: several choices, each among classes of its own, independent given the logits,
 * which stand head after head in one row. A row may forbid classes of a head: their probability is 0 and no
 * gradient reaches their logits. A head all of whose classes are forbidden decides nothing: class 0,
 * log-probability 0, entropy 0, no gradient.
 *
 * Softmax by its logarithm with the largest allowed logit taken off first, so that no logit is too large. */
#ifndef HANDOFF_CORE_RL_CATEGORICAL_H
#define HANDOFF_CORE_RL_CATEGORICAL_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/rng.h"

struct categorical {
    size_t heads;
    size_t *classes; /* [heads]; owned */
    size_t logits;   /* the sum of all classes */
};

/* Each head needs 1 class or more, all together at most MLP_SIZE_MAX, else ERR_RANGE; or -ENOMEM. */
int categorical_init(struct categorical *ret_categorical, const size_t *classes, size_t heads);
void categorical_finish(struct categorical *categorical);

/* What follows is about one row: logits[logits], allowed[logits] (1 or 0), action[heads] (class numbers). */

/* A class of each head: head h's draw is number h at `at`. */
void categorical_sample(const struct categorical *categorical, const float *logits, const uint8_t *allowed,
                        const struct rng_at *at, float *ret_action);

/* The likeliest class of each head, the lowest of equals. */
void categorical_mode(const struct categorical *categorical, const float *logits, const uint8_t *allowed,
                      float *ret_action);

/* The log-probability of an action. Logits become log-probabilities in place (0 where forbidden);
 * ret_probability[logits] and each head's entropy, ret_entropy[heads], are what categorical_gradient wants. */
float categorical_evaluate(const struct categorical *categorical, float *logits, const uint8_t *allowed,
                           const float *action, float *ret_probability, float *ret_entropy);

/* The loss's gradient at the logits, from its derivatives by the action's log-probability and by the sum of
 * entropies: probabilities become gradients in place. */
void categorical_gradient(const struct categorical *categorical, const float *log_probability,
                          const float *entropy, const float *action, float by_log_probability,
                          float by_entropy, float *probability);

#endif
