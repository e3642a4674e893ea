/* Exploration noise on a continuous action: independent Gaussian or Ornstein-Uhlenbeck, whose scale decays.
 * Draws are functions of (seed, RNG_EXPLORATION, step). */
#ifndef HANDOFF_CORE_RL_NOISE_H
#define HANDOFF_CORE_RL_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/diag.h"

struct noise_config {
    bool ornstein_uhlenbeck;
    double sigma; /* first scale */
    double decay; /* factor on the scale after each step */
    double theta; /* OU: pull to zero */
    uint64_t seed;
};

struct noise {
    struct noise_config config;
    double scale;  /* current sigma */
    double *level; /* [size] OU state; owned */
    size_t size;
    uint64_t step;
};

int noise_init(struct noise *ret_noise, const struct noise_config *config, size_t size);
void noise_finish(struct noise *noise);
/* Adds this step's noise to action[size], clips to [-1, 1], and moves to the next step. */
void noise_add(struct noise *noise, float *action);
/* This step's independent standard normals, for a learner that explores by itself, and moves to the next step
 * without decay. */
void noise_normal(struct noise *noise, float *ret_normal);
/* The noise's state as bytes: u64 step, f64 scale, f64 level[size], little-endian. Reading takes exactly what
 * writing made for the same size, of possible numbers: ERR_MISMATCH, ERR_CORRUPT. */
int noise_save(const struct noise *noise, struct buf *bytes);
int noise_load(struct noise *noise, const void *bytes, size_t size, struct diag *diag);
/* Fills action[size] with uniform draws on [-1, 1] (warm-up) and moves to the next step without decay. */
void noise_uniform(struct noise *noise, float *action);

#endif
