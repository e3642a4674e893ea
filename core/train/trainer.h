/* Trains a decoder on a row of tokens: AdamW (Loshchilov and Hutter, arXiv 1711.05101) with warm-up, a cosine's
 * descent of the rate and clipped gradients.
 *
 * What a step reads and draws is a function of (seed; step, sequence). A step's sequences are divided into shards of
 * one size, whose gradients are added in order of their number. So the same seed gives the same bits with any
 * number of threads, on every processor, and after any number of interruptions. */
#ifndef HANDOFF_CORE_TRAIN_TRAINER_H
#define HANDOFF_CORE_TRAIN_TRAINER_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/train/shape.h"

#define TRAINER_BATCH_MAX 256u
#define TRAINER_STEPS_MAX 10000000u

struct trainer_settings {
    struct shape shape;
    uint64_t seed;
    uint32_t steps;                     /* in all: the rate's descent is stretched over them */
    uint32_t warm_up;                   /* steps in which the rate rises */
    uint32_t batch;                     /* sequences in a step */
    uint32_t shards;                    /* divides batch; as many threads can help */
    double rate;                        /* the greatest learning rate */
    double decay;                       /* of weights, matrices alone, times the rate */
    double clip;                        /* the longest gradient */
    double noise_share;                 /* of sequences that get noise behind a random inner layer; 0: none */
    double noise_low_db, noise_high_db; /* their signal-to-noise ratio, uniform between these */
    double exit_weight;                 /* of the head's loss behind every inner layer; 0: none */
};

/* What the house model is trained with. */
struct trainer_settings trainer_defaults(void);

/* ERR_RANGE or ERR_UNSUPPORTED, and which setting is wrong. */
int trainer_check(const struct trainer_settings *settings, struct diag *diag);

/* The text: documents, each ended by a token of its own. Borrowed. */
struct trainer_text {
    const uint16_t *tokens; /* [count], each below the vocabulary */
    size_t count;           /* above the context */
};

struct trainer;

/* A fresh model. threads: 1 to PARALLEL_THREADS_MAX. -ENOMEM, or what trainer_check says. */
int trainer_create(const struct trainer_settings *settings, const struct trainer_text *text, uint32_t threads,
                   struct trainer **ret_trainer, struct diag *diag);
void trainer_destroy(struct trainer *trainer);

struct trainer_report {
    double nats;      /* per token, of the last head */
    double exit_nats; /* per token, mean over the inner layers' heads; 0: none */
    double length;    /* of the gradient before it was clipped */
    double rate;
};

/* One step; not beyond the last. ERR_RANGE when the loss is no number any more: then nothing has changed. */
int trainer_step(struct trainer *trainer, struct trainer_report *ret_report, struct diag *diag);

uint32_t trainer_steps_done(const struct trainer *trainer);
const struct trainer_settings *trainer_settings_of(const struct trainer *trainer);
const float *trainer_params(const struct trainer *trainer); /* [shape_parameters] */

/* The whole state in a file, written beside it and moved into its place. */
int trainer_save(const struct trainer *trainer, const char *path, struct diag *diag);

/* Goes on from a file. It must have been written with the same settings and the same text (ERR_MISMATCH). A refused
 * file (ERR_TYPE, ERR_VERSION, ERR_TRUNCATED, ERR_CORRUPT) changes nothing. */
int trainer_load(struct trainer *trainer, const char *path, struct diag *diag);

#endif
