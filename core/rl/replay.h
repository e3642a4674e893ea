/* The replay buffer: a ring of transitions, the oldest falls out when full. Owns its memory, which is
 * reserved at once but, being untouched, taken from the machine only as transitions come.
 *
 * A transition is one row of floats, so that a sample is one run of memory:
 *
 *   state [state_size] | action [action_size] | next state [state_size] | reward | terminal (1 or 0) | unused
 *
 * Truncation (a time limit) is not stored: only a terminal transition stops the bootstrap. */
#ifndef HANDOFF_CORE_RL_REPLAY_H
#define HANDOFF_CORE_RL_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* (s, a, r, s'). The raw continuous action (noise added, clipped), not what it was mapped to. `terminal`: the
 * process ended, no bootstrap. A time limit is truncation: not terminal, next_state observed before any
 * reset, bootstrap. Borrowed. */
struct transition {
    const float *state;  /* [state_size] */
    const float *action; /* [action_size] */
    float reward;
    const float *next_state; /* [state_size] */
    bool terminal;
};

struct replay {
    size_t state_size, action_size;
    size_t capacity; /* transitions */
    size_t count;    /* of them filled */
    size_t head;     /* where the next one goes */
    uint64_t pushed; /* ever; the next one goes to this modulo the capacity */
    size_t stride;   /* floats from row to row: whole cache lines */
    float *rows;     /* [capacity][stride]; owned */
};

/* A sampled mini-batch, as the networks want it. Rows are `stride` floats apart; the columns of state and
 * action stand side by side as the critic's input. Borrowed. */
struct replay_batch {
    size_t size;
    size_t stride;       /* of the two matrices */
    float *state_action; /* [size][state_size + action_size] */
    float *next_state;   /* [size][state_size]; each with space for an action behind it */
    float *reward;       /* [size] */
    float *terminal;     /* [size]: 1 or 0 */
};

/* -ENOMEM, or ERR_RANGE when the rows do not fit into the address space. */
int replay_init(struct replay *ret_replay, size_t capacity, size_t state_size, size_t action_size);
void replay_finish(struct replay *replay);

/* Copies it in; the oldest falls out when full. */
void replay_push(struct replay *replay, const struct transition *transition);

/* Draws batch->size transitions, uniformly with replacement: update number `update`'s draws of this seed. */
void replay_sample(const struct replay *replay, uint64_t seed, uint64_t update,
                   const struct replay_batch *batch);

/* Copies the transitions of these slots out, slot[batch->size], each below `count`. */
void replay_take(const struct replay *replay, const size_t *slot, const struct replay_batch *batch);

/* Floats of a row that mean something: all but the unused end. */
size_t replay_row_size(const struct replay *replay);

#endif
