/* A tokenizer's tables. */
#ifndef HANDOFF_CORE_TRAIN_BPE_INTERNAL_H
#define HANDOFF_CORE_TRAIN_BPE_INTERNAL_H

#include "core/train/bpe.h"

#define BPE_BYTES 256u
#define BPE_NONE UINT16_MAX /* no such pair */

struct bpe_merge {
    uint16_t left, right;
};

struct bpe {
    uint32_t vocabulary;
    uint16_t token_of_byte[BPE_BYTES];
    struct bpe_merge merge[BPE_VOCABULARY_MAX]; /* token t was made by merge[t - BPE_BYTES] */
    uint32_t merges;
    uint16_t *pair;   /* [vocabulary][vocabulary]: the token that they become, or BPE_NONE */
    struct buf bytes; /* of all tokens */
    size_t begins[BPE_VOCABULARY_MAX + 1]; /* in `bytes` */
};

/* GPT-2's letter for a byte: a printable one stands for itself, the others for what lies behind Latin-1. */
uint32_t bpe_letter(uint8_t byte);

#endif
