/* The checkpoint's frame: CRC-32 and the layout that ddpg_save_* write and ddpg_load reads. All numbers
 * little-endian.
 *
 *   bytes      what
 *   0..3       magic "HDDP"
 *   4..7       u32 version
 *   8..11      u32 section mask: 1 actor, 2 learner, 4 replay
 *   12..51     u64 x 5: state, action, hidden 1, hidden 2, buffer capacity
 *   ...        the sections in the mask, in the order of their bits
 *   last 4     u32 CRC-32 (ISO-HDLC, as in zip and PNG) of everything before it
 *
 *   actor      f32 parameters [actor]
 *   learner    u64 updates; f32 actor target, first and second moments [actor]; f32 critic parameters,
 * target, first and second moments [critic] replay     u64 count, u64 head; count rows of f32 state | action
 * | next state | reward | terminal, in slot order
 *
 * A network's block: three layers, each weights [in][out] and bias [out]. The length follows from the header
 * and the replay's count alone, and has to be exactly that. */
#ifndef HANDOFF_CORE_RL_CHECKPOINT_H
#define HANDOFF_CORE_RL_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

#define CHECKPOINT_MAGIC "HDDP"
#define CHECKPOINT_VERSION 1u
#define CHECKPOINT_HEADER_BYTES 52u
#define CHECKPOINT_CRC_BYTES 4u

enum checkpoint_section {
    CHECKPOINT_ACTOR = 1,
    CHECKPOINT_LEARNER = 2,
    CHECKPOINT_REPLAY = 4,
};

/* CRC-32 of "123456789" is cbf43926. */
uint32_t checkpoint_crc32(const void *bytes, size_t size);

#endif
