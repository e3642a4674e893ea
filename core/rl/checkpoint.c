#include "core/rl/checkpoint.h"

#include <math.h>
#include <string.h>

#include "core/base/err.h"
#include "core/rl/ddpg_internal.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "checkpoints are written as they lie in memory: little-endian processors only"
#endif

#define SIZES 5u
#define SIZES_AT 12u
#define KNOWN_SECTIONS ((uint32_t) (CHECKPOINT_ACTOR | CHECKPOINT_LEARNER | CHECKPOINT_REPLAY))

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

/* --- writing --- */

static void config_sizes(const struct ddpg_config *config, uint64_t ret_sizes[static SIZES])
{
    ret_sizes[0] = config->state_size;
    ret_sizes[1] = config->action_size;
    ret_sizes[2] = config->hidden_1;
    ret_sizes[3] = config->hidden_2;
    ret_sizes[4] = config->buffer;
}

static size_t network_bytes(const struct network *network)
{
    return network->mlp.params * sizeof(float);
}

static size_t learner_bytes(const struct ddpg *ddpg)
{
    return sizeof(uint64_t) + 3 * network_bytes(&ddpg->actor) + 4 * network_bytes(&ddpg->critic);
}

static size_t replay_head_bytes(void)
{
    return 2 * sizeof(uint64_t);
}

static size_t replay_row_bytes(const struct ddpg *ddpg)
{
    return replay_row_size(&ddpg->replay) * sizeof(float);
}

/* Bytes of a checkpoint with these sections and `count` stored transitions. */
static size_t total_bytes(const struct ddpg *ddpg, uint32_t sections, size_t count)
{
    size_t bytes = CHECKPOINT_HEADER_BYTES + CHECKPOINT_CRC_BYTES;
    if (sections & CHECKPOINT_ACTOR)
        bytes += network_bytes(&ddpg->actor);
    if (sections & CHECKPOINT_LEARNER)
        bytes += learner_bytes(ddpg);
    if (sections & CHECKPOINT_REPLAY)
        bytes += replay_head_bytes() + count * replay_row_bytes(ddpg);
    return bytes;
}

/* Into room that save() has reserved. */
static void put(struct buf *bytes, const void *from, size_t size)
{
    memcpy(bytes->data + bytes->size, from, size);
    bytes->size += size;
}

static void put_u64(struct buf *bytes, uint64_t value)
{
    put(bytes, &value, sizeof(value));
}

static void put_header(const struct ddpg *ddpg, uint32_t sections, struct buf *bytes)
{
    uint32_t version = CHECKPOINT_VERSION;
    uint64_t sizes[SIZES];
    config_sizes(&ddpg->config, sizes);
    put(bytes, CHECKPOINT_MAGIC, 4);
    put(bytes, &version, sizeof(version));
    put(bytes, &sections, sizeof(sections));
    put(bytes, sizes, sizeof(sizes));
}

static void put_learner(const struct ddpg *ddpg, struct buf *bytes)
{
    const struct network *actor = &ddpg->actor, *critic = &ddpg->critic;
    put_u64(bytes, ddpg->updates);
    put(bytes, actor->target, network_bytes(actor));
    put(bytes, actor->first, network_bytes(actor));
    put(bytes, actor->second, network_bytes(actor));
    put(bytes, critic->params, network_bytes(critic));
    put(bytes, critic->target, network_bytes(critic));
    put(bytes, critic->first, network_bytes(critic));
    put(bytes, critic->second, network_bytes(critic));
}

static void put_replay(const struct ddpg *ddpg, struct buf *bytes)
{
    const struct replay *replay = &ddpg->replay;
    put_u64(bytes, replay->count);
    put_u64(bytes, replay->head);
    for (size_t i = 0; i < replay->count; i++)
        put(bytes, replay->rows + i * replay->stride, replay_row_bytes(ddpg));
}

static int save(const struct ddpg *ddpg, uint32_t sections, struct buf *bytes)
{
    size_t start = bytes->size;
    int code = buf_reserve(bytes, total_bytes(ddpg, sections, ddpg->replay.count));
    if (code < 0)
        return code;
    put_header(ddpg, sections, bytes);
    if (sections & CHECKPOINT_ACTOR)
        put(bytes, ddpg->actor.params, network_bytes(&ddpg->actor));
    if (sections & CHECKPOINT_LEARNER)
        put_learner(ddpg, bytes);
    if (sections & CHECKPOINT_REPLAY)
        put_replay(ddpg, bytes);
    uint32_t crc = checkpoint_crc32(bytes->data + start, bytes->size - start);
    put(bytes, &crc, sizeof(crc));
    return 0;
}

int ddpg_save_actor(const struct ddpg *ddpg, struct buf *bytes)
{
    return save(ddpg, CHECKPOINT_ACTOR, bytes);
}

int ddpg_save_learner(const struct ddpg *ddpg, bool with_buffer, struct buf *bytes)
{
    uint32_t sections = CHECKPOINT_ACTOR | CHECKPOINT_LEARNER;
    return save(ddpg, with_buffer ? sections | CHECKPOINT_REPLAY : sections, bytes);
}

/* --- reading: first everything is checked, then everything is taken --- */

/* Where the sections of a checked checkpoint lie; NULL: not in it. Borrowed from the caller's bytes,
 * unaligned. */
struct sections {
    const uint8_t *actor, *learner, *replay;
};

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

static int check_sizes(const struct ddpg *ddpg, const uint8_t *header, uint32_t sections, struct diag *diag)
{
    static const char *const names[SIZES] = {"state", "action", "hidden 1", "hidden 2", "buffer"};
    uint64_t expected[SIZES];
    config_sizes(&ddpg->config, expected);
    /* The buffer's capacity matters only to what was in the buffer. */
    size_t checked = sections & CHECKPOINT_REPLAY ? SIZES : SIZES - 1;
    for (size_t i = 0; i < checked; i++) {
        uint64_t found = read_u64(header + SIZES_AT + 8 * i);
        if (found != expected[i])
            return diag_fail(diag, ERR_MISMATCH, "checkpoint is for %s size %llu, expected %llu", names[i],
                             (unsigned long long) found, (unsigned long long) expected[i]);
    }
    return 0;
}

static int check_header(const struct ddpg *ddpg, const uint8_t *header, size_t size, struct diag *diag)
{
    if (size < CHECKPOINT_HEADER_BYTES + CHECKPOINT_CRC_BYTES)
        return diag_fail(diag, ERR_TRUNCATED, "checkpoint ends within its header");
    if (memcmp(header, CHECKPOINT_MAGIC, 4) != 0)
        return diag_fail(diag, ERR_TYPE, "not a checkpoint: it does not begin with \"%s\"", CHECKPOINT_MAGIC);
    uint32_t version = read_u32(header + 4), sections = read_u32(header + 8);
    if (version != CHECKPOINT_VERSION)
        return diag_fail(diag, ERR_VERSION, "checkpoint of version %u, this program reads version %u",
                         version, CHECKPOINT_VERSION);
    if (sections == 0 || (sections & ~KNOWN_SECTIONS) != 0)
        return diag_fail(diag, ERR_CORRUPT, "checkpoint has unknown sections (mask %#x)", sections);
    return check_sizes(ddpg, header, sections, diag);
}

/* Count and head of a ring that can have come about. */
static int check_replay_head(const struct ddpg *ddpg, const uint8_t *replay, struct diag *diag)
{
    uint64_t count = read_u64(replay), head = read_u64(replay + 8), capacity = ddpg->replay.capacity;
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

/* Finds the sections; every length is checked before it is used. */
static int locate(const struct ddpg *ddpg, const uint8_t *bytes, size_t size, struct sections *ret_sections,
                  struct diag *diag)
{
    uint32_t mask = read_u32(bytes + 8);
    size_t count = 0, fixed = total_bytes(ddpg, mask, 0);
    struct sections sections = {0};
    const uint8_t *at = bytes + CHECKPOINT_HEADER_BYTES;
    if (size < fixed)
        return check_length(size, fixed, diag);
    if (mask & CHECKPOINT_ACTOR) {
        sections.actor = at;
        at += network_bytes(&ddpg->actor);
    }
    if (mask & CHECKPOINT_LEARNER) {
        sections.learner = at;
        at += learner_bytes(ddpg);
    }
    if (mask & CHECKPOINT_REPLAY) {
        int code = check_replay_head(ddpg, at, diag);
        if (code < 0)
            return code;
        sections.replay = at;
        count = (size_t) read_u64(at);
    }
    int code = check_length(size, total_bytes(ddpg, mask, count), diag);
    if (code == 0)
        *ret_sections = sections;
    return code;
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

static bool learner_is_sound(const struct ddpg *ddpg, const uint8_t *at)
{
    size_t actor = ddpg->actor.mlp.params, critic = ddpg->critic.mlp.params;
    at += sizeof(uint64_t);
    return all_finite(at, 3 * actor + 4 * critic) && none_negative(at + 2 * actor * sizeof(float), actor) &&
           none_negative(at + (3 * actor + 3 * critic) * sizeof(float), critic);
}

static bool replay_is_sound(const struct ddpg *ddpg, const uint8_t *at)
{
    size_t count = (size_t) read_u64(at), row = replay_row_size(&ddpg->replay);
    at += replay_head_bytes();
    for (size_t i = 0; i < count; i++, at += row * sizeof(float)) {
        float terminal = read_float(at + (row - 1) * sizeof(float));
        if (!all_finite(at, row) || !(terminal == 0.0f || terminal == 1.0f))
            return false;
    }
    return true;
}

static int check_content(const struct ddpg *ddpg, const struct sections *sections, struct diag *diag)
{
    if (sections->actor != NULL && !all_finite(sections->actor, ddpg->actor.mlp.params))
        return diag_fail(diag, ERR_CORRUPT, "checkpoint's actor has weights that are not finite");
    if (sections->learner != NULL && !learner_is_sound(ddpg, sections->learner))
        return diag_fail(diag, ERR_CORRUPT,
                         "checkpoint's learner has numbers that are not finite or not possible");
    if (sections->replay != NULL && !replay_is_sound(ddpg, sections->replay))
        return diag_fail(diag, ERR_CORRUPT,
                         "checkpoint's buffer has numbers that are not finite or not possible");
    return 0;
}

static const uint8_t *take(void *to, const uint8_t *from, size_t size)
{
    memcpy(to, from, size);
    return from + size;
}

static void take_learner(struct ddpg *ddpg, const uint8_t *at)
{
    struct network *actor = &ddpg->actor, *critic = &ddpg->critic;
    at = take(&ddpg->updates, at, sizeof(ddpg->updates));
    at = take(actor->target, at, network_bytes(actor));
    at = take(actor->first, at, network_bytes(actor));
    at = take(actor->second, at, network_bytes(actor));
    at = take(critic->params, at, network_bytes(critic));
    at = take(critic->target, at, network_bytes(critic));
    at = take(critic->first, at, network_bytes(critic));
    take(critic->second, at, network_bytes(critic));
}

static void take_replay(struct ddpg *ddpg, const uint8_t *at)
{
    struct replay *replay = &ddpg->replay;
    replay->count = (size_t) read_u64(at);
    replay->head = (size_t) read_u64(at + 8);
    /* How often it has gone round is not in here, and nothing depends on it. */
    replay->pushed = replay->count < replay->capacity ? replay->count : replay->capacity + replay->head;
    at += replay_head_bytes();
    for (size_t i = 0; i < replay->count; i++)
        at = take(replay->rows + i * replay->stride, at, replay_row_bytes(ddpg));
}

int ddpg_load(struct ddpg *ddpg, const void *bytes, size_t size, struct diag *diag)
{
    int code = check_header(ddpg, bytes, size, diag);
    if (code < 0)
        return code;
    struct sections sections = {0};
    code = locate(ddpg, bytes, size, &sections, diag);
    if (code < 0)
        return code;
    size_t covered = size - CHECKPOINT_CRC_BYTES;
    if (checkpoint_crc32(bytes, covered) != read_u32((const uint8_t *) bytes + covered))
        return diag_fail(diag, ERR_CORRUPT, "checkpoint is damaged: its checksum does not match");
    code = check_content(ddpg, &sections, diag);
    if (code < 0)
        return code;
    if (sections.actor != NULL)
        take(ddpg->actor.params, sections.actor, network_bytes(&ddpg->actor));
    if (sections.learner != NULL)
        take_learner(ddpg, sections.learner);
    if (sections.replay != NULL)
        take_replay(ddpg, sections.replay);
    return 0;
}
