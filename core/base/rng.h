/* Random draws as functions: a draw depends on (run seed; phase, stream, entity, episode, slot, index) and on
 * nothing else. No state is carried, so process layout, order of arrival and replay cannot change a draw.
 *
 * Generator: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11) from
 * Random123. Key = the seed's two halves; counter = {index, slot, episode, phase:4 | stream:8 | entity:20}.
 * Reference: rng_block of seed 0 at the all-zero counter is 6627e8d5 e169c58d bc57ac4c 9b00dbd8 (Random123
 * kat_vectors). */
#ifndef HANDOFF_CORE_BASE_RNG_H
#define HANDOFF_CORE_BASE_RNG_H

#include <stdint.h>

/* Held-out streams never meet the training stream: the phase is part of every counter. */
enum rng_phase {
    RNG_TRAIN = 0,
    RNG_VALIDATE = 1,
    RNG_TEST = 2,
};

/* What a draw is for. Append only: a number is part of every recorded run. */
enum rng_stream {
    RNG_PARAMETERS = 0,     /* node parameters, once per run */
    RNG_START = 1,          /* where an episode begins */
    RNG_MOBILITY = 2,       /* each slot's move */
    RNG_FADING = 3,         /* each slot's channels */
    RNG_TASK = 4,           /* each slot's task */
    RNG_POLICY = 5,         /* a policy's own randomness (the random policy) */
    RNG_EXPLORATION = 6,    /* a learner's exploration noise */
    RNG_SAMPLING = 7,       /* a learner's replay samples */
    RNG_WEIGHTS = 8,        /* a learner's initial weights */
    RNG_FAULTS = 12,        /* what breaks, and for how long */
    RNG_LINK = 13,          /* an uplink's losses and jitter */
    RNG_TRACE = 14,         /* where in its trace a device begins an episode */
    RNG_REQUEST = 15,       /* does the device have a task in this slot? */
    RNG_LINK_DOWN = 16,     /* losses and jitter of a RESULT's way down */
    RNG_UPDATE = 17,        /* a learner's noise within an update */
    RNG_PROMPT = 18,        /* which part of a text is a task's prompt */
    RNG_BOOTSTRAP = 24,     /* which seeds a resample takes */
    RNG_WINDOW = 32,        /* which windows of a text a training step reads */
    RNG_NOISE = 33,         /* noise on activations in training */
    RNG_DAMAGE = 34,        /* what a channel does to activations: losses, noise, bits that turn over */
    RNG_DAMAGE_FADING = 35, /* the fading of that channel */
    RNG_CHANNEL = 36,       /* an episode's channel condition */
    RNG_SPLIT = 37,         /* the split before an episode's first slot */
    RNG_PLANNING = 44,      /* a planner's candidates */
    RNG_IMAGINED = 45,      /* what an ensemble's members draw from their own predictions */
    RNG_CLASS = 46,         /* what kind of task comes, and by when it is wanted */
    RNG_ANSWER = 47,        /* how long its answer is, and whether it is right */
    RNG_ARRIVAL = 48,       /* when tasks come */
    RNG_TRUTH = 49,         /* what servers really are, beside what is declared of them */
    RNG_DRIFT = 50,         /* when servers slow down, recover, and are given other models */
};

/* One place in the tree of draws. entity < 2^20. */
struct rng_at {
    uint64_t seed;
    enum rng_phase phase;
    enum rng_stream stream;
    uint32_t entity;
    uint32_t episode;
    uint32_t slot;
};

struct rng_block {
    uint32_t v[4];
};

/* The index-th block of four independent 32-bit words at a place. */
struct rng_block rng_block(const struct rng_at *at, uint32_t index);

/* Word -> uniform on the open interval (0, 1), in steps of 2^-32, never 0 or 1. */
static inline double rng_u01(uint32_t word)
{
    return ((double) word + 0.5) * 0x1p-32;
}

/* The index-th uniform on (0, 1) with 53 bits. */
double rng_uniform(const struct rng_at *at, uint32_t index);

/* Uniform on [low, high); low <= high. */
double rng_range(const struct rng_at *at, uint32_t index, double low, double high);

/* Uniform on {0..n-1}, n >= 1. Bias below n * 2^-32. */
uint32_t rng_below(const struct rng_at *at, uint32_t index, uint32_t n);

/* Two independent standard normals from two words (Box-Muller: always exactly two draws). */
void rng_normal_pair(uint32_t word_a, uint32_t word_b, double ret_normal[static 2]);

/* Exponential with mean 1 from one word: finite and > 0. */
double rng_exponential(uint32_t word);

#endif
