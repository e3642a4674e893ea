/* What plans are worth by active inference: minus the free energy of the future that they are expected to have (Tschantz et
 * al., arXiv 2002.12636), with an ensemble as the world's model. A plan's worth is a sum over its steps,
 *
 *   scale * information gain  +  preference
 *
 * where the gain is what the step's outcome would tell of which member is right (information_gain.h), and the preference is
 * what the caller makes of the outcome that a member foresees, as a mean over members. Both may be looked at apart.
 *
 * A step is imagined in three turns. `describe` makes the ensemble's inputs of a state and an action; `prefer` values the
 * outputs; `follow` makes the next state of the outputs' mean over members. A horizon of 1 needs no state and no follow.
 *
 * The draws of the gain's samples are at (seed; RNG_IMAGINED, entity, decision), by step, member and output: the same for all
 * plans of a decision, so that plans differ by what is foreseen alone. Numerics only; one thread at a time. */
#ifndef HANDOFF_CORE_RL_FREE_ENERGY_H
#define HANDOFF_CORE_RL_FREE_ENERGY_H

#include <stddef.h>
#include <stdint.h>

#include "core/rl/ensemble.h"
#include "core/rl/information_gain.h"
#include "core/rl/plan.h"

/* A step of `rows` plans. Arrays are row after row. */
struct free_energy_step {
    size_t number; /* 0 .. horizon - 1 */
    size_t rows;
    const float *state;     /* [rows][config.state] */
    const uint32_t *choice; /* [rows] */
    const float *part;      /* [rows][space.parts] */
};

/* What the caller's world is. The functions write every element of what they return, as finite numbers. */
struct free_energy_world {
    /* ret_x[rows][inputs] */
    void (*describe)(void *user, const struct free_energy_step *step, float *ret_x);
    /* ret_preference[rows] of what one member foresees, y[rows][outputs] in units. */
    void (*prefer)(void *user, const struct free_energy_step *step, const float *y, double *ret_preference);
    /* state[rows][config.state] becomes the next one, by the mean of y over members; NULL with a horizon of 1. */
    void (*follow)(void *user, const struct free_energy_step *step, const float *y, float *state);
    void *user;
};

struct free_energy_config {
    struct plan_space space;
    size_t state; /* floats; may be 0 with a horizon of 1 */
    size_t rows;  /* most plans at once, at most those of the ensemble */
    double scale; /* of the gain, >= 0; 0: it is not computed */
    enum information_gain gain;
    uint64_t seed;
    uint32_t entity;
};

struct free_energy;

/* The ensemble is borrowed. ERR_RANGE or -ENOMEM. */
int free_energy_create(struct free_energy **ret_energy, const struct free_energy_config *config,
                       struct ensemble *ensemble);
void free_energy_destroy(struct free_energy *energy);

/* A decision begins, from state[config.state] (NULL where there is none). `world` and `state` are borrowed until the next
 * one. */
void free_energy_begin(struct free_energy *energy, const struct free_energy_world *world, const float *state,
                       uint64_t decision);
/* A factor on config.scale from now on; 0: what is preferred alone, as when nothing more is learned. */
void free_energy_weigh(struct free_energy *energy, double factor);

/* A plan_worth: `energy` is its user. */
void free_energy_worth(void *energy, size_t rows, const uint32_t *choice, const float *part,
                       double *ret_worth);
/* The two sums of plan number `row` of the last call: nats, not yet scaled, and preference. */
double free_energy_gain(const struct free_energy *energy, size_t row);
double free_energy_preference(const struct free_energy *energy, size_t row);

#endif
