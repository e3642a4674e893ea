#include "core/rl/checkpoint.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/base/err.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "checkpoints are written as they lie in memory: little-endian processors only"
#endif

#define SIZES_AT 12u
#define REPLAY_HEAD_BYTES (2 * sizeof(uint64_t))

/* --- CRC-32, eight bytes at a time (M. Kounavis and F. Berry, "slicing by 8", 2005) --- */

struct crc_tables {
    uint32_t of[8][256]; /* of[k][b]: what byte b does, k zero bytes later */
};

static void crc_fill(struct crc_tables *tables)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
        tables->of[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int k = 1; k < 8; k++) {
            uint32_t before = tables->of[k - 1][i];
            tables->of[k][i] = before >> 8 ^ tables->of[0][before & 0xff];
        }
}

uint32_t checkpoint_crc32(const void *bytes, size_t size)
{
    struct crc_tables tables;
    crc_fill(&tables);
    const uint8_t *at = bytes;
    uint32_t crc = ~0u;
    for (; size >= 8; size -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        word ^= crc;
        crc = 0;
        for (int i = 0; i < 8; i++)
            crc ^= tables.of[7 - i][word >> (8 * i) & 0xff];
    }
    for (; size > 0; size--, at++)
        crc = crc >> 8 ^ tables.of[0][(crc ^ *at) & 0xff];
    return ~crc;
}

/* --- describing --- */

void checkpoint_begin(struct checkpoint *ret_checkpoint, const char *magic, struct replay *replay)
{
    *ret_checkpoint = (struct checkpoint){.replay = replay};
    assert(strlen(magic) == sizeof(ret_checkpoint->magic));
    memcpy(ret_checkpoint->magic, magic, sizeof(ret_checkpoint->magic));
}

void checkpoint_size(struct checkpoint *checkpoint, const char *name, uint64_t value)
{
    assert(checkpoint->sizes < CHECKPOINT_SIZES_MAX - 1); /* one is left for the replay's capacity */
    checkpoint->size[checkpoint->sizes].name = name;
    checkpoint->size[checkpoint->sizes++].value = value;
}

static void add_part(struct checkpoint *checkpoint, enum checkpoint_section section,
                     enum checkpoint_kind kind, void *at, size_t size)
{
    size_t parts = checkpoint->parts;
    assert(parts < CHECKPOINT_PARTS_MAX);
    assert(at != NULL && size > 0);
    assert(parts == 0 || checkpoint->part[parts - 1].section <= section);
    checkpoint->part[checkpoint->parts++] = (struct checkpoint_part){section, kind, at, size, NULL};
}

void checkpoint_count(struct checkpoint *checkpoint, enum checkpoint_section section, uint64_t *count)
{
    add_part(checkpoint, section, CHECKPOINT_COUNT, count, 1);
}

void checkpoint_floats(struct checkpoint *checkpoint, enum checkpoint_section section, float *values,
                       size_t size)
{
    add_part(checkpoint, section, CHECKPOINT_FINITE, values, size);
}

void checkpoint_squares(struct checkpoint *checkpoint, enum checkpoint_section section, float *values,
                        size_t size)
{
    add_part(checkpoint, section, CHECKPOINT_SQUARES, values, size);
}

void checkpoint_weights(struct checkpoint *checkpoint, enum checkpoint_section section,
                        struct network *network)
{
    checkpoint_floats(checkpoint, section, network->params, network->size);
}

void checkpoint_target(struct checkpoint *checkpoint, enum checkpoint_section section,
                       struct network *network)
{
    checkpoint_floats(checkpoint, section, network->target, network->size);
    checkpoint->part[checkpoint->parts - 1].begins_as = network->params;
}

void checkpoint_moments(struct checkpoint *checkpoint, enum checkpoint_section section,
                        struct network *network)
{
    checkpoint_floats(checkpoint, section, network->first, network->size);
    checkpoint_squares(checkpoint, section, network->second, network->size);
}

static size_t all_sizes(const struct checkpoint *checkpoint)
{
    return checkpoint->sizes + (checkpoint->replay != NULL ? 1 : 0);
}

static size_t header_bytes(const struct checkpoint *checkpoint)
{
    return CHECKPOINT_HEADER_BYTES(all_sizes(checkpoint));
}

static uint32_t known_sections(const struct checkpoint *checkpoint)
{
    uint32_t known = checkpoint->replay != NULL ? CHECKPOINT_REPLAY : 0;
    for (size_t i = 0; i < checkpoint->parts; i++)
        known |= (uint32_t) checkpoint->part[i].section;
    return known;
}

static size_t part_bytes(const struct checkpoint_part *part)
{
    return part->size * (part->kind == CHECKPOINT_COUNT ? sizeof(uint64_t) : sizeof(float));
}

static bool is_in(const struct checkpoint_part *part, uint32_t sections)
{
    return ((uint32_t) part->section & sections) != 0;
}

/* Of the parts in these sections. */
static size_t parts_bytes(const struct checkpoint *checkpoint, uint32_t sections)
{
    size_t bytes = 0;
    for (size_t i = 0; i < checkpoint->parts; i++)
        bytes += is_in(&checkpoint->part[i], sections) ? part_bytes(&checkpoint->part[i]) : 0;
    return bytes;
}

static size_t replay_row_bytes(const struct replay *replay)
{
    return replay_row_size(replay) * sizeof(float);
}

/* Bytes of a checkpoint with these sections and `count` stored transitions. */
static size_t total_bytes(const struct checkpoint *checkpoint, uint32_t sections, size_t count)
{
    size_t bytes = header_bytes(checkpoint) + parts_bytes(checkpoint, sections) + CHECKPOINT_CRC_BYTES;
    if (sections & CHECKPOINT_REPLAY)
        bytes += REPLAY_HEAD_BYTES + count * replay_row_bytes(checkpoint->replay);
    return bytes;
}

/* --- writing --- */

/* Into space that checkpoint_save has reserved. */
static void put(struct buf *bytes, const void *from, size_t size)
{
    assert(bytes->capacity - bytes->size >= size);
    memcpy(bytes->data + bytes->size, from, size);
    bytes->size += size;
}

static void put_u32(struct buf *bytes, uint32_t value)
{
    put(bytes, &value, sizeof(value));
}

static void put_u64(struct buf *bytes, uint64_t value)
{
    put(bytes, &value, sizeof(value));
}

static void put_header(const struct checkpoint *checkpoint, uint32_t sections, struct buf *bytes)
{
    put(bytes, checkpoint->magic, sizeof(checkpoint->magic));
    put_u32(bytes, CHECKPOINT_VERSION);
    put_u32(bytes, sections);
    for (size_t i = 0; i < checkpoint->sizes; i++)
        put_u64(bytes, checkpoint->size[i].value);
    if (checkpoint->replay != NULL)
        put_u64(bytes, checkpoint->replay->capacity);
}

static void put_replay(const struct replay *replay, struct buf *bytes)
{
    assert(replay->count <= replay->capacity);
    put_u64(bytes, replay->count);
    put_u64(bytes, replay->head);
    for (size_t i = 0; i < replay->count; i++)
        put(bytes, replay->rows + i * replay->stride, replay_row_bytes(replay));
}

int checkpoint_save(const struct checkpoint *checkpoint, uint32_t sections, struct buf *bytes)
{
    sections &= known_sections(checkpoint);
    size_t start = bytes->size;
    size_t count = checkpoint->replay != NULL ? checkpoint->replay->count : 0;
    int code = buf_reserve(bytes, total_bytes(checkpoint, sections, count));
    if (code < 0)
        return code;
    put_header(checkpoint, sections, bytes);
    for (size_t i = 0; i < checkpoint->parts; i++)
        if (is_in(&checkpoint->part[i], sections))
            put(bytes, checkpoint->part[i].at, part_bytes(&checkpoint->part[i]));
    if (sections & CHECKPOINT_REPLAY)
        put_replay(checkpoint->replay, bytes);
    put_u32(bytes, checkpoint_crc32(bytes->data + start, bytes->size - start));
    assert(bytes->size - start == total_bytes(checkpoint, sections, count));
    return 0;
}

/* --- reading: first everything is checked, then everything is taken. The caller's bytes are unaligned. --- */

static uint32_t read_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static uint64_t read_u64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static float read_float(const uint8_t *at)
{
    float value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static int check_size(const char *name, uint64_t found, uint64_t expected, struct diag *diag)
{
    if (found == expected)
        return 0;
    return diag_fail(diag, ERR_MISMATCH, "checkpoint is for %s size %llu, expected %llu", name,
                     (unsigned long long) found, (unsigned long long) expected);
}

static int check_sizes(const struct checkpoint *checkpoint, const uint8_t *header, uint32_t sections,
                       struct diag *diag)
{
    const uint8_t *at = header + SIZES_AT;
    int code = 0;
    for (size_t i = 0; i < checkpoint->sizes && code == 0; i++, at += 8)
        code = check_size(checkpoint->size[i].name, read_u64(at), checkpoint->size[i].value, diag);
    /* The buffer's capacity matters only to what was in the buffer. */
    if (code == 0 && (sections & CHECKPOINT_REPLAY) != 0)
        code = check_size("buffer", read_u64(at), checkpoint->replay->capacity, diag);
    return code;
}

static int check_header(const struct checkpoint *checkpoint, const uint8_t *header, size_t size,
                        struct diag *diag)
{
    if (size < header_bytes(checkpoint) + CHECKPOINT_CRC_BYTES)
        return diag_fail(diag, ERR_TRUNCATED, "checkpoint ends within its header");
    if (memcmp(header, checkpoint->magic, sizeof(checkpoint->magic)) != 0)
        return diag_fail(diag, ERR_TYPE, "not this learner's checkpoint: it does not begin with \"%.4s\"",
                         checkpoint->magic);
    uint32_t version = read_u32(header + 4), sections = read_u32(header + 8);
    if (version != CHECKPOINT_VERSION)
        return diag_fail(diag, ERR_VERSION, "checkpoint of version %u, this program reads version %u",
                         version, CHECKPOINT_VERSION);
    if (sections == 0 || (sections & ~known_sections(checkpoint)) != 0)
        return diag_fail(diag, ERR_CORRUPT, "checkpoint has unknown sections (mask %#x)", sections);
    return check_sizes(checkpoint, header, sections, diag);
}

/* Count and head of a ring that can have come about. */
static int check_replay_head(const struct replay *replay, const uint8_t *at, struct diag *diag)
{
    uint64_t count = read_u64(at), head = read_u64(at + 8), capacity = replay->capacity;
    bool possible = count < capacity ? head == count : count == capacity && head < capacity;
    if (!possible)
        return diag_fail(
            diag, ERR_CORRUPT, "checkpoint's buffer of %llu holds %llu transitions, the next at %llu",
            (unsigned long long) capacity, (unsigned long long) count, (unsigned long long) head);
    return 0;
}

static int check_length(size_t size, size_t expected, struct diag *diag)
{
    if (size < expected)
        return diag_fail(diag, ERR_TRUNCATED, "checkpoint of %zu bytes ends too early: it needs %zu", size,
                         expected);
    if (size > expected)
        return diag_fail(diag, ERR_CORRUPT, "checkpoint of %zu bytes is too long: it needs %zu", size,
                         expected);
    return 0;
}

/* Every length is checked before it is used. */
static int check_lengths(const struct checkpoint *checkpoint, const uint8_t *bytes, size_t size,
                         struct diag *diag)
{
    uint32_t sections = read_u32(bytes + 8);
    size_t fixed = total_bytes(checkpoint, sections, 0), count = 0;
    if (size < fixed)
        return check_length(size, fixed, diag);
    if (sections & CHECKPOINT_REPLAY) {
        const uint8_t *replay = bytes + header_bytes(checkpoint) + parts_bytes(checkpoint, sections);
        int code = check_replay_head(checkpoint->replay, replay, diag);
        if (code < 0)
            return code;
        count = (size_t) read_u64(replay);
    }
    return check_length(size, total_bytes(checkpoint, sections, count), diag);
}

static bool all_finite(const uint8_t *at, size_t floats)
{
    for (size_t i = 0; i < floats; i++)
        if (!isfinite(read_float(at + i * sizeof(float))))
            return false;
    return true;
}

static bool none_negative(const uint8_t *at, size_t floats)
{
    for (size_t i = 0; i < floats; i++)
        if (!(read_float(at + i * sizeof(float)) >= 0.0f))
            return false;
    return true;
}

static bool part_is_sound(const struct checkpoint_part *part, const uint8_t *at)
{
    switch (part->kind) {
    case CHECKPOINT_COUNT: return true;
    case CHECKPOINT_FINITE: return all_finite(at, part->size);
    case CHECKPOINT_SQUARES: return all_finite(at, part->size) && none_negative(at, part->size);
    }
    return false;
}

static bool replay_is_sound(const struct replay *replay, const uint8_t *at)
{
    size_t count = (size_t) read_u64(at), row = replay_row_size(replay);
    at += REPLAY_HEAD_BYTES;
    for (size_t i = 0; i < count; i++, at += row * sizeof(float)) {
        float terminal = read_float(at + (row - 1) * sizeof(float));
        if (!all_finite(at, row) || !(terminal == 0.0f || terminal == 1.0f))
            return false;
    }
    return true;
}

static int check_content(const struct checkpoint *checkpoint, const uint8_t *bytes, struct diag *diag)
{
    uint32_t sections = read_u32(bytes + 8);
    const uint8_t *at = bytes + header_bytes(checkpoint);
    for (size_t i = 0; i < checkpoint->parts; i++) {
        const struct checkpoint_part *part = &checkpoint->part[i];
        if (!is_in(part, sections))
            continue;
        if (!part_is_sound(part, at))
            return diag_fail(diag, ERR_CORRUPT,
                             "checkpoint's %s has numbers that are not finite or not possible",
                             part->section == CHECKPOINT_ACTOR ? "actor" : "learner");
        at += part_bytes(part);
    }
    if ((sections & CHECKPOINT_REPLAY) != 0 && !replay_is_sound(checkpoint->replay, at))
        return diag_fail(diag, ERR_CORRUPT,
                         "checkpoint's buffer has numbers that are not finite or not possible");
    return 0;
}

static void take_replay(struct replay *replay, const uint8_t *at)
{
    replay->count = (size_t) read_u64(at);
    replay->head = (size_t) read_u64(at + 8);
    assert(replay->count <= replay->capacity && replay->head < replay->capacity); /* check_replay_head */
    /* How often it has gone round is not in here, and nothing depends on it. */
    replay->pushed = replay->count < replay->capacity ? replay->count : replay->capacity + replay->head;
    at += REPLAY_HEAD_BYTES;
    for (size_t i = 0; i < replay->count; i++, at += replay_row_bytes(replay))
        memcpy(replay->rows + i * replay->stride, at, replay_row_bytes(replay));
}

static void take(const struct checkpoint *checkpoint, const uint8_t *bytes)
{
    uint32_t sections = read_u32(bytes + 8);
    const uint8_t *at = bytes + header_bytes(checkpoint);
    for (size_t i = 0; i < checkpoint->parts; i++) {
        const struct checkpoint_part *part = &checkpoint->part[i];
        if (is_in(part, sections)) {
            memcpy(part->at, at, part_bytes(part));
            at += part_bytes(part);
        } else if (part->begins_as != NULL) {
            memcpy(part->at, part->begins_as, part_bytes(part)); /* weights come before their targets */
        }
    }
    if (sections & CHECKPOINT_REPLAY)
        take_replay(checkpoint->replay, at);
}

int checkpoint_load(const struct checkpoint *checkpoint, const void *bytes, size_t size, struct diag *diag)
{
    int code = check_header(checkpoint, bytes, size, diag);
    if (code == 0)
        code = check_lengths(checkpoint, bytes, size, diag);
    if (code < 0)
        return code;
    size_t covered = size - CHECKPOINT_CRC_BYTES;
    if (checkpoint_crc32(bytes, covered) != read_u32((const uint8_t *) bytes + covered))
        return diag_fail(diag, ERR_CORRUPT, "checkpoint is damaged: its checksum does not match");
    code = check_content(checkpoint, bytes, diag);
    if (code == 0)
        take(checkpoint, bytes);
    return code;
}

uint32_t checkpoint_sections(const void *bytes, size_t size)
{
    return size < CHECKPOINT_HEADER_BYTES(0) ? 0 : read_u32((const uint8_t *) bytes + 8);
}
