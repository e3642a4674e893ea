/* The trainer's state, for the file that saves it. */
#ifndef HANDOFF_CORE_TRAIN_TRAINER_INTERNAL_H
#define HANDOFF_CORE_TRAIN_TRAINER_INTERNAL_H

#include "core/train/pass.h"
#include "core/train/trainer.h"

/* Part of a tensor: what one thread updates at a time. */
struct trainer_piece {
    size_t at, size;
    float decay; /* 0 for vectors */
};

struct trainer {
    struct trainer_settings settings;
    struct trainer_text text;
    uint64_t text_hash;
    uint32_t threads;
    uint32_t step; /* steps done */
    size_t parameters;
    float *params;               /* [parameters] */
    float *first, *second;       /* [parameters]: Adam's moments */
    float *grads;                /* [shards][parameters] */
    struct pass **pass;          /* [threads] */
    struct trainer_piece *piece; /* [pieces] */
    size_t pieces;
    double *squares;          /* [pieces]: of the gradient */
    struct pass_loss *loss;   /* [shards] */
    uint16_t *tokens;         /* [batch][context + 1] */
    struct pass_noise *noise; /* [batch] */
};

/* FNV-1a, 64 bits, http://www.isthe.com/chongo/tech/comp/fnv/; begins with TRAINER_HASH_START. */
#define TRAINER_HASH_START 0xcbf29ce484222325u
uint64_t trainer_hash(uint64_t hash, const void *bytes, size_t size);

#endif
