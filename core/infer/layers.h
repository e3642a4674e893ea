/* Layers of a decoder on rows of any mix of requests and positions.
 *
 * A row is one token of one request. Its result depends on the request's tokens up to it and on nothing else: not on
 * the rows beside it, nor on how the prompt was cut into calls, nor on the processor. For products,
 * core/linalg/packed.h promises that. All else here keeps an order that depends on the row's position alone:
 *
 *   norm       x / sqrt(mean(x^2) + epsilon) * gain                              linalg_rms_norm
 *   rotation   pairs of query and key turn by position * frequency; the angle, its sine and cosine in double precision,
 *              rounded to floats; x' = x cos - y sin, y' = x sin + y cos, no operation fused
 *   scores     s[t] = chain of q[i] / sqrt(head_size) * k[t][i], i rising        linalg_multiply_packed
 *   softmax    over tokens 0 to the row's position                               linalg_softmax
 *   values     o[i] = chain of p[t] * v[t][i], t rising                          linalg_multiply
 *   inner part silu(gate) * up                                                   linalg_silu_product
 *
 * What a chain gets behind the row's position has a weight of exactly 0 and changes no bit.
 *
 * Source: Touvron et al., LLaMA, arXiv:2302.13971; grouped queries: Ainslie et al., arXiv:2305.13245; rotary
 * positions: Su et al., arXiv:2104.09864; SwiGLU: Shazeer, arXiv:2002.05202. */
#ifndef HANDOFF_CORE_INFER_LAYERS_H
#define HANDOFF_CORE_INFER_LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/infer/cache.h"
#include "core/infer/model.h"

/* Adjacent rows of one request: tokens position, position + 1, ... */
struct infer_span {
    struct infer_cache *cache; /* the request's; covers the layers */
    uint32_t position;         /* of the first row: as many tokens as the cache holds */
    uint32_t rows;
};

/* Memory between calls, grown when needed; zeroed at first. Not for two threads at once. */
struct infer_workspace {
    float *floats;
    size_t capacity;
};

void infer_workspace_finish(struct infer_workspace *workspace);

/* Rows of all spans of one call: a longer prompt comes in portions, which changes no bit. */
#define INFER_ROWS_MAX 4096u

/* x[tokens][hidden] = the tokens' embeddings. ERR_RANGE: a token that is not in the vocabulary. */
int infer_embed(const struct infer_model *model, const uint32_t *token, size_t tokens, float *ret_x,
                struct diag *diag);

/* Takes x [rows of all spans][hidden], one span behind the other, through layers [first, last), in place, and stores
 * their keys and values. Loads the layers that are not loaded.
 *
 * `ret_failed` [spans] (may be NULL) says of every span whether it failed: its cache is as before then.
 * ERR_RANGE: some spans do not fit (all have failed), or have a value that is no finite number (they alone have failed,
 * with zeros for their rows; the others are right). ERR_STATE: a span does not begin where its cache ends, or two are
 * of one request. After these and any other error but values that are not finite, all spans have failed and x is as
 * before. */
int infer_layers(struct infer_model *model, struct infer_workspace *workspace, uint32_t first, uint32_t last,
                 const struct infer_span *span, size_t spans, float *x, bool *ret_failed, struct diag *diag);

/* The same of alternatives: each of x [rows][hidden], at most INFER_ROWS_MAX, is another token for the position behind
 * those that the cache holds. It sees the cache and itself, has the bits that it would have as a row of a span, and is
 * not stored. Errors are those of infer_layers; when a value is no finite number, all have failed. */
int infer_alternatives(struct infer_model *model, struct infer_workspace *workspace, uint32_t first,
                       uint32_t last, struct infer_cache *cache, uint32_t rows, float *x, struct diag *diag);

/* ret_logits [rows][vocab] of rows that have been through all layers: final norm and head. */
int infer_head(struct infer_model *model, struct infer_workspace *workspace, const float *x, size_t rows,
               float *ret_logits, struct diag *diag);

/* -log softmax(logits)[token] in nats: log(sum of e) - (logit - most), with e[i] = exp(logit[i] - most) as floats
 * (linalg_exp), summed in double precision in 8 parts: part r takes e[r], e[r + 8] and so on; then part[r] +=
 * part[r + 4] for r < 4, and so with 2 and 1. In place: the logits become the e. token < vocab. Not finite when a logit is not. */
double infer_nats(float *logits, uint32_t vocab, uint32_t token);

/* The token with the largest logit; the first of equals. */
uint32_t infer_greedy(const float *logits, uint32_t vocab);

#endif
