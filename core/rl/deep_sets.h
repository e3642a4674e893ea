/* One number for each of several sets (Zaheer et al., "Deep Sets", arXiv 1703.06114, the equivariant form).
 * The order of the sets and of their members does not matter, and there may be any number of both. A tanh
 * layer looks at each member. Its mean over a set and its mean over all sets go through a second tanh layer,
 * and that gives the set's number. Learns by least squares, Adam. Numerics only.
 *
 * A set may be empty: its mean is 0.
 *
 * Determinism: initial weights are draws at (seed, RNG_WEIGHTS, entity); the same calls give the same bits.
 * Threads: one caller at a time. */
#ifndef HANDOFF_CORE_RL_DEEP_SETS_H
#define HANDOFF_CORE_RL_DEEP_SETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/diag.h"

struct deep_sets_config {
    size_t features;    /* of a member */
    size_t hidden;      /* units of each layer */
    size_t members_max; /* of all sets of a table together */
    size_t sets_max;    /* of a table */
    float rate;         /* Adam's */
    uint64_t seed;
    uint32_t entity;
};

/* Sets that are looked at together. Borrowed. */
struct deep_sets_table {
    size_t sets;
    const uint32_t *members; /* [sets] how many */
    const float *x;          /* [members of all][features], set after set */
};

struct deep_sets;

/* ERR_RANGE or -ENOMEM. */
int deep_sets_create(struct deep_sets **ret_net, const struct deep_sets_config *config);
void deep_sets_destroy(struct deep_sets *net);

/* ret_y[sets]. */
void deep_sets_predict(struct deep_sets *net, const struct deep_sets_table *table, float *ret_y);

/* Adds the gradient of the mean over the sets of (y - target)^2; returns that mean. */
float deep_sets_add_gradient(struct deep_sets *net, const struct deep_sets_table *table, const float *target);
/* One Adam step along what was added since the last, as a mean over `tables`. */
void deep_sets_step(struct deep_sets *net, size_t tables);

size_t deep_sets_params(const struct deep_sets *net);
/* Weights; with `full` also moments and steps. Appends; little-endian, the caller keeps a checksum. Reading
 * moves *bytes and *size on; ERR_TRUNCATED, ERR_CORRUPT. */
int deep_sets_save(const struct deep_sets *net, bool full, struct buf *bytes);
int deep_sets_load(struct deep_sets *net, bool full, const uint8_t **bytes, size_t *size, struct diag *diag);

#endif
