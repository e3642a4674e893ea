/* The checkpoint's frame: what every learner's saved state has in common. A learner describes itself once, as
 * sizes and parts in a fixed order; saving and loading both follow the description. All numbers
 * little-endian.
 *
 *   bytes      what
 *   0..3       magic: whose checkpoint it is
 *   4..7       u32 version
 *   8..11      u32 section mask: 1 actor, 2 learner, 4 replay
 *   ...        u64 for each size; with a replay buffer, its capacity is the last
 *   ...        the parts of the sections in the mask, in the order of their description: u64 or f32 each
 *   ...        replay: u64 count, u64 head; count rows of f32 state | action | next state | reward |
 *              terminal, in slot order
 *   last 4     u32 CRC-32 (ISO-HDLC, as in zip and PNG) of everything before it
 *
 * A network's block: three layers, each weights [in][out] and bias [out]. The length follows from the
 * description and the replay's count alone, and has to be exactly that. */
#ifndef HANDOFF_CORE_RL_CHECKPOINT_H
#define HANDOFF_CORE_RL_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/diag.h"
#include "core/rl/network.h"
#include "core/rl/replay.h"

#define CHECKPOINT_VERSION 1u
#define CHECKPOINT_HEADER_BYTES(sizes) (12u + 8u * (sizes)) /* with the replay's capacity among them */
#define CHECKPOINT_CRC_BYTES 4u
#define CHECKPOINT_SIZES_MAX 8u
#define CHECKPOINT_PARTS_MAX 32u

/* What a deployment needs, what training needs beside it to go on, and what it learned from. */
enum checkpoint_section {
    CHECKPOINT_ACTOR = 1,
    CHECKPOINT_LEARNER = 2,
    CHECKPOINT_REPLAY = 4,
};

enum checkpoint_kind {
    CHECKPOINT_COUNT,   /* u64 */
    CHECKPOINT_FINITE,  /* f32 */
    CHECKPOINT_SQUARES, /* f32, not negative: second moments */
};

struct checkpoint_part {
    enum checkpoint_section section;
    enum checkpoint_kind kind;
    void *at; /* uint64_t or float [size]; borrowed */
    size_t size;
    const float
        *begins_as; /* what a load makes of it where the bytes lack it: a copy of this; NULL: nothing */
};

/* A learner's description: made for one save or load by the functions below, borrows the learner's memory. */
struct checkpoint {
    char magic[4];
    struct {
        const char *name;
        uint64_t value;
    } size[CHECKPOINT_SIZES_MAX];
    size_t sizes;
    struct checkpoint_part part[CHECKPOINT_PARTS_MAX];
    size_t parts;
    struct replay *replay; /* NULL: the learner has none */
};

/* Begins a description: four letters that no other kind of learner has. */
void checkpoint_begin(struct checkpoint *ret_checkpoint, const char *magic, struct replay *replay);
/* A size that has to be the same where it is loaded. The name is static. */
void checkpoint_size(struct checkpoint *checkpoint, const char *name, uint64_t value);
/* Parts, section by section. */
void checkpoint_count(struct checkpoint *checkpoint, enum checkpoint_section section, uint64_t *count);
void checkpoint_floats(struct checkpoint *checkpoint, enum checkpoint_section section, float *values,
                       size_t size);
/* Second moments: none may be negative. */
void checkpoint_squares(struct checkpoint *checkpoint, enum checkpoint_section section, float *values,
                        size_t size);
/* A network's parameters; the copy that follows them; Adam's moments. */
void checkpoint_weights(struct checkpoint *checkpoint, enum checkpoint_section section,
                        struct network *network);
void checkpoint_target(struct checkpoint *checkpoint, enum checkpoint_section section,
                       struct network *network);
void checkpoint_moments(struct checkpoint *checkpoint, enum checkpoint_section section,
                        struct network *network);

/* Appends these sections, any of CHECKPOINT_*. Writes nothing but `bytes`. */
int checkpoint_save(const struct checkpoint *checkpoint, uint32_t sections, struct buf *bytes);

/* Takes the sections that are in `bytes`; what is not stays as it was. All of it is checked before any of it
 * is taken: a refused checkpoint (ERR_TYPE, ERR_VERSION, ERR_MISMATCH, ERR_TRUNCATED, ERR_CORRUPT) changes
 * nothing. The replay's capacity has to agree only when transitions are in it. Never trusts a length it has
 * not checked. */
int checkpoint_load(const struct checkpoint *checkpoint, const void *bytes, size_t size, struct diag *diag);

/* The sections that these bytes, if they are a checkpoint, say they have; 0 when they end within the header. */
uint32_t checkpoint_sections(const void *bytes, size_t size);

/* CRC-32 of "123456789" is cbf43926. */
uint32_t checkpoint_crc32(const void *bytes, size_t size);

#endif
