/* A replay buffer's transitions as bytes, so that they can be kept beside its learner's checkpoints: appended
 * checkpoint after checkpoint, a buffer need not be written anew each time. All numbers little-endian.
 *
 *   bytes      what
 *   0..3       magic "HDXP"
 *   4..7       u32 version
 *   8..39      u64 x 4: state size, action size, number of the first transition, count
 *   ...        the transitions
 *   last 4     u32 CRC-32 of everything before it
 *
 *   transition u8 flags; f32 state; f32 action; f32 next state; f32 reward
 *   flags      1 terminal; 2 begins where the one before it ended: its state is left out
 *
 * Transitions are numbered from 0 in the order of replay_push; number n lies at n modulo the buffer's
 * capacity. */
#ifndef HANDOFF_CORE_RL_EXPERIENCE_H
#define HANDOFF_CORE_RL_EXPERIENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/diag.h"
#include "core/rl/replay.h"

#define EXPERIENCE_MAGIC "HDXP"
#define EXPERIENCE_VERSION 1u
#define EXPERIENCE_HEADER_BYTES 40u

/* How many transitions the buffer has ever been given, and the oldest of them that it still holds. */
uint64_t experience_total(const struct replay *replay);
uint64_t experience_oldest(const struct replay *replay);

/* Appends transitions `first` to the last, those that are still in the buffer. */
int experience_save(const struct replay *replay, uint64_t first, struct buf *bytes);

/* Transitions first .. first + count - 1, counted from the beginning; `oldest` is the first that the buffer still has. */
struct experience_piece {
    uint64_t first, count, oldest;
};

/* Saves what was pushed since *gathered, or is still there of it; *gathered becomes the total. An error changes nothing
 * but `bytes`. */
int experience_gather(const struct replay *replay, uint64_t *gathered, struct experience_piece *ret_piece,
                      struct buf *bytes);

/* Puts saved transitions where they were. To be called for each piece, oldest first, into a fresh buffer.
 * What came before a gap between two pieces has fallen out of the buffer. Checked before any of it is taken:
 * ERR_TYPE, ERR_VERSION, ERR_MISMATCH, ERR_TRUNCATED, ERR_CORRUPT. */
int experience_load(struct replay *replay, const void *bytes, size_t size, struct diag *diag);

/* Does the buffer hold exactly what one that was given `total` transitions does? */
bool experience_is_whole(const struct replay *replay, uint64_t total);

#endif
