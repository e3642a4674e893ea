/* One pass through the decoder over a few sequences: forward, and backward to the gradients of all parameters. All
 * products are linalg_multiply's, all else is rows.h's, in a fixed order: the same operands give the same bits.
 *
 * A pass owns scratch memory alone and belongs to one thread at a time. */
#ifndef HANDOFF_CORE_TRAIN_PASS_H
#define HANDOFF_CORE_TRAIN_PASS_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/rng.h"
#include "core/train/shape.h"

/* Noise on a sequence's residual stream behind one layer, as a channel adds it at a split: every position's row x
 * becomes x + ratio * rms(x) * n, n standard normal. ratio = 10^(-SNR in dB / 20). */
struct pass_noise {
    uint32_t layer;   /* 1 .. layers - 1: behind how many layers; 0: none */
    float ratio;      /* >= 0 */
    struct rng_at at; /* where its numbers are drawn; position p draws in slot p */
};

struct pass_batch {
    const float *params;            /* [shape_parameters] */
    const uint16_t *tokens;         /* [sequences][context + 1], each below the vocabulary */
    const struct pass_noise *noise; /* [sequences]; NULL: none anywhere */
    size_t sequences;               /* up to the pass's */
    float exit_weight; /* of the head's loss behind every inner layer, beside the last one's; 0: none */
    float scale;       /* what a token's loss counts, e.g. 1 / tokens of the whole step */
};

/* Sums over tokens, not scaled. */
struct pass_loss {
    double nats;      /* of the head behind the last layer */
    double exit_nats; /* of the heads behind all inner layers; 0 when exits do not count */
};

struct pass;

/* Memory for `sequences` of a whole context. -ENOMEM. */
int pass_create(const struct shape *shape, size_t sequences, struct pass **ret_pass);
void pass_destroy(struct pass *pass);

/* The gradient of scale * (nats + exit_weight * exit_nats); every float of grads [shape_parameters] is written. */
struct pass_loss pass_train(struct pass *pass, const struct pass_batch *batch, float *ret_grads);

/* Forward alone: the same losses; nats of every token of the last head into ret_nats [sequences][context] unless it is
 * NULL. */
struct pass_loss pass_score(struct pass *pass, const struct pass_batch *batch, float *ret_nats);

#endif
