/* Proportional priorities of a replay buffer (Schaul et al., "Prioritized experience replay", arXiv 1511.05952, section
 * 3.3): slot i is drawn with probability
 *
 *   P(i) = p_i^alpha / sum of p_k^alpha
 *
 * Whoever owns the buffer knows p_i, the size of a transition's last error; here are the weights p_i^alpha. A tree of
 * their sums finds a slot and changes a weight in log2(capacity) steps. Each sum is that of its two branches at any
 * time, so that the same weights make the same tree, whatever they were before.
 *
 * One owner at a time; nothing here is safe to use from two threads at once. */
#ifndef HANDOFF_CORE_RL_PRIORITIES_H
#define HANDOFF_CORE_RL_PRIORITIES_H

#include <stddef.h>

struct priorities {
    size_t capacity; /* slots */
    size_t leaves;   /* the next power of two */
    float *weight; /* [capacity + 1], 0: the slot is empty; behind them the largest weight ever set. Owned */
    double *sum;   /* [2 leaves]: node i has branches 2i and 2i + 1, slot i is node leaves + i. Owned */
};

/* All slots are empty, and the largest weight is 1. -ENOMEM. */
int priorities_init(struct priorities *ret_priorities, size_t capacity);
void priorities_finish(struct priorities *priorities);

/* A slot's weight becomes `weight`, finite and above 0. */
void priorities_set(struct priorities *priorities, size_t slot, float weight);

/* The slot becomes as likely as the likeliest ever was: nobody knows yet what is to be learned from it. */
void priorities_set_new(struct priorities *priorities, size_t slot);

/* The slot in which `mark`, 0 <= mark < 1, falls when slots stand side by side, each as wide as its P. One is set. */
size_t priorities_find(const struct priorities *priorities, double mark);

/* P(slot). */
double priorities_share(const struct priorities *priorities, size_t slot);

/* Anew from `weight`, after it was read from outside. */
void priorities_rebuild(struct priorities *priorities);

#endif
