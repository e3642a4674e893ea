/* Scores for an assignment of rows to columns: a network over a table of pairs that does not care in which
 * order rows and columns stand, nor how many there are. Two exchangeable layers (Hartford et al., "Deep
 * models of interactions across sets", arXiv 1803.02879): each pair sees itself, the mean of its column, the
 * mean of its row and the mean of the table; tanh. Then a score for each pair, and for each row one for "none
 * of them", from the row's mean. Learns from targets by cross-entropy, Adam. Numerics only.
 *
 * Pairs that are masked take no part: their score is -HUGE_VALF, and no mean counts them.
 *
 * Determinism: initial weights are draws at (seed, RNG_WEIGHTS, entity); the same calls give the same bits.
 */
#ifndef HANDOFF_CORE_RL_SCORER_H
#define HANDOFF_CORE_RL_SCORER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/diag.h"

struct scorer_config {
    size_t features;              /* of a pair */
    size_t hidden;                /* units of each layer */
    size_t rows_max, columns_max; /* of a table */
    float rate;                   /* Adam's */
    uint64_t seed;
    uint32_t entity;
};

/* A table of pairs. Borrowed. */
struct scorer_table {
    size_t rows, columns;
    const float *x;   /* [rows][columns][features] */
    const bool *mask; /* [rows][columns] true: takes part */
};

struct scorer;

/* ERR_RANGE or -ENOMEM. */
int scorer_create(struct scorer **ret_scorer, const struct scorer_config *config);
void scorer_destroy(struct scorer *scorer);

/* ret_score[rows][columns + 1]; the last is "none". */
void scorer_score(struct scorer *scorer, const struct scorer_table *table, float *ret_score);

/* Adds the gradient of the mean cross-entropy of a table's rows between softmax(score) and
 * target[rows][columns + 1], whose rows add up to 1 and are 0 where masked. Returns that cross-entropy. */
float scorer_add_gradient(struct scorer *scorer, const struct scorer_table *table, const float *target);
/* One Adam step along what was added since the last, as a mean over `tables`. */
void scorer_step(struct scorer *scorer, size_t tables);

size_t scorer_params(const struct scorer *scorer);
/* Weights; with `full` also moments and steps. Appends; little-endian, the caller keeps a checksum. Reading
 * moves *bytes and *size on; ERR_TRUNCATED, ERR_CORRUPT. */
int scorer_save(const struct scorer *scorer, bool full, struct buf *bytes);
int scorer_load(struct scorer *scorer, bool full, const uint8_t **bytes, size_t *size, struct diag *diag);

#endif
