/* What an observer reads from activations that crossed a split: the tokens of the prompt, by three attacks.
 *
 *   nearest   needs the embeddings. The token whose embedding has the largest cosine with the row.
 *   probe     needs rows of other text with their tokens, from behind the same channel. Ridge regression from a row to
 *             each token's indicator; the token with the largest value.
 *   search    needs the model's weights. Token after token: every token of the vocabulary goes through the layers behind
 *             the tokens that were found so far, and the nearest activation wins. A row depends on its own and earlier
 *             tokens alone, so each is found by itself, and undamaged fp32 has distance 0 at the right one.
 *
 * The functions are pure. All sums have one order, ties go to the token of lower number. One thread at a time uses a
 * struct leak. */
#ifndef HANDOFF_CORE_LEAK_LEAK_H
#define HANDOFF_CORE_LEAK_LEAK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/infer/model.h"

struct leak;

/* Reads the embeddings; layers are loaded when a search needs them. `weights` is borrowed. Errors are those of
 * infer_model_create and infer_model_load; ERR_CORRUPT: an embedding is not finite. */
int leak_open(struct leak **ret_leak, const struct weights *weights, enum infer_weights format,
              struct diag *diag);
/* NULL is allowed. */
void leak_close(struct leak *leak);

/* ---- the nearest embedding ---- */

/* x [rows][hidden]; ret_token [rows]. */
void leak_nearest(struct leak *leak, const float *x, size_t rows, uint32_t *ret_token);

/* ---- a linear probe ---- */

/* Learns from rows and their tokens, added in portions. */
struct leak_probe;

/* -ENOMEM. `leak` is borrowed. */
int leak_probe_create(struct leak_probe **ret_probe, struct leak *leak, struct diag *diag);
/* NULL is allowed. */
void leak_probe_destroy(struct leak_probe *probe);

/* Finite rows x [rows][hidden] with token [rows]. */
void leak_probe_add(struct leak_probe *probe, const float *x, const uint32_t *token, size_t rows);

/* Solves (X'X + ridge mean(diagonal of X'X) I) W = X'Y, where a row of X has a 1 behind the activation and Y the
 * token's indicator. ridge > 0. ERR_STATE: there is no row. -ENOMEM. */
int leak_probe_solve(struct leak_probe *probe, double ridge, struct diag *diag);

/* After leak_probe_solve. */
void leak_probe_guess(struct leak_probe *probe, const float *x, size_t rows, uint32_t *ret_token);

/* The token that was added most often: what one guesses who sees nothing. */
uint32_t leak_probe_commonest(const struct leak_probe *probe);

/* ---- a search with known weights ---- */

/* One who has seen the activations of a prompt. Several observers of one prompt share what they compute as long as they
 * have found the same tokens. */
struct leak_observer {
    uint32_t split; /* 0 .. L */
    const float *x; /* [rows][hidden] as received; borrowed */
    /* What is exactly zero did not arrive, and is not compared. */
    bool zeros_are_missing;
    uint32_t *ret_token; /* [rows] */
};

/* Of a prompt of `rows` tokens, at most the model's context. `tell` (may be NULL) hears after each token of the prompt how
 * many are found; false stops with -EINTR. ERR_RANGE: a split or a length that the model does not have. */
int leak_search(struct leak *leak, const struct leak_observer *observer, size_t observers, uint32_t rows,
                bool (*tell)(void *user, uint32_t found), void *user, struct diag *diag);

#endif
