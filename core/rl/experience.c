#include "core/rl/experience.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/base/err.h"
#include "core/rl/checkpoint.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "experience is written as it lies in memory: little-endian processors only"
#endif

enum flag { FLAG_TERMINAL = 1, FLAG_CHAINED = 2 };

uint64_t experience_total(const struct replay *replay)
{
    return replay->pushed;
}

uint64_t experience_oldest(const struct replay *replay)
{
    assert(replay->count <= replay->pushed && replay->count <= replay->capacity);
    return replay->pushed - replay->count;
}

static size_t state_bytes(const struct replay *replay)
{
    return replay->state_size * sizeof(float);
}

static size_t action_bytes(const struct replay *replay)
{
    return replay->action_size * sizeof(float);
}

/* Of a transition with its state. */
static size_t whole_bytes(const struct replay *replay)
{
    return 1 + 2 * state_bytes(replay) + action_bytes(replay) + sizeof(float);
}

static float *row_of(const struct replay *replay, uint64_t number)
{
    return replay->rows + (size_t) (number % replay->capacity) * replay->stride;
}

static const float *next_state_of(const struct replay *replay, const float *row)
{
    return row + replay->state_size + replay->action_size;
}

/* ---- writing ---- */

/* Into space that was reserved. */
static void put(struct buf *bytes, const void *from, size_t size)
{
    assert(bytes->capacity - bytes->size >= size);
    memcpy(bytes->data + bytes->size, from, size);
    bytes->size += size;
}

static void put_transition(const struct replay *replay, uint64_t number, bool is_first, struct buf *bytes)
{
    size_t state = replay->state_size, action = replay->action_size;
    assert(number >= experience_oldest(replay) && number < experience_total(replay));
    const float *row = row_of(replay, number);
    bool chained =
        !is_first && memcmp(row, next_state_of(replay, row_of(replay, number - 1)), state_bytes(replay)) == 0;
    bool terminal = row[2 * state + action + 1] > 0.5f;
    uint8_t flags = (uint8_t) ((terminal ? FLAG_TERMINAL : 0) | (chained ? FLAG_CHAINED : 0));
    put(bytes, &flags, sizeof(flags));
    if (!chained)
        put(bytes, row, state_bytes(replay));
    put(bytes, row + state, action_bytes(replay) + state_bytes(replay) + sizeof(float));
}

int experience_save(const struct replay *replay, uint64_t first, struct buf *bytes)
{
    uint64_t oldest = experience_oldest(replay), end = experience_total(replay);
    first = first < oldest ? oldest : first > end ? end : first;
    uint64_t head[4] = {replay->state_size, replay->action_size, first, end - first};
    uint32_t version = EXPERIENCE_VERSION;
    size_t start = bytes->size;
    int code = buf_reserve(bytes, EXPERIENCE_HEADER_BYTES + CHECKPOINT_CRC_BYTES +
                                      (size_t) (end - first) * whole_bytes(replay));
    if (code < 0)
        return code;
    put(bytes, EXPERIENCE_MAGIC, 4);
    put(bytes, &version, sizeof(version));
    put(bytes, head, sizeof(head));
    for (uint64_t number = first; number < end; number++)
        put_transition(replay, number, number == first, bytes);
    uint32_t crc = checkpoint_crc32(bytes->data + start, bytes->size - start);
    put(bytes, &crc, sizeof(crc));
    return 0;
}

int experience_gather(const struct replay *replay, uint64_t *gathered, struct experience_piece *ret_piece,
                      struct buf *bytes)
{
    uint64_t total = experience_total(replay), oldest = experience_oldest(replay);
    uint64_t first = *gathered > oldest ? *gathered : oldest;
    assert(first <= total);
    int rc = experience_save(replay, first, bytes);
    if (rc != 0)
        return rc;
    *ret_piece = (struct experience_piece){.first = first, .count = total - first, .oldest = oldest};
    *gathered = total;
    return 0;
}

/* ---- reading ---- */

struct head {
    uint64_t state, action, first, count;
};

static int check_head(const struct replay *replay, const uint8_t *bytes, size_t size, struct head *ret_head,
                      struct diag *diag)
{
    uint32_t version;
    if (size < EXPERIENCE_HEADER_BYTES + CHECKPOINT_CRC_BYTES)
        return diag_fail(diag, ERR_TRUNCATED, "experience ends within its header");
    if (memcmp(bytes, EXPERIENCE_MAGIC, 4) != 0)
        return diag_fail(diag, ERR_TYPE, "not experience: it does not begin with \"%s\"", EXPERIENCE_MAGIC);
    memcpy(&version, bytes + 4, sizeof(version));
    if (version != EXPERIENCE_VERSION)
        return diag_fail(diag, ERR_VERSION, "experience of version %u, this program reads version %u",
                         version, EXPERIENCE_VERSION);
    struct head head;
    _Static_assert(sizeof(head) == EXPERIENCE_HEADER_BYTES - 8, "the header has no gaps");
    memcpy(&head, bytes + 8, sizeof(head));
    if (head.state != replay->state_size || head.action != replay->action_size)
        return diag_fail(diag, ERR_MISMATCH,
                         "experience has state size %llu and action size %llu, expected %zu and %zu",
                         (unsigned long long) head.state, (unsigned long long) head.action,
                         replay->state_size, replay->action_size);
    if (head.count > replay->capacity || head.first > UINT64_MAX - head.count)
        return diag_fail(diag, ERR_CORRUPT,
                         "experience has %llu transitions from %llu on, the buffer has room for %zu",
                         (unsigned long long) head.count, (unsigned long long) head.first, replay->capacity);
    if (head.first < experience_total(replay))
        return diag_fail(diag, ERR_CORRUPT, "experience begins with transition %llu, which is known already",
                         (unsigned long long) head.first);
    *ret_head = head;
    return 0;
}

static bool all_finite(const uint8_t *at, size_t size)
{
    for (size_t i = 0; i < size; i += sizeof(float)) {
        float value;
        memcpy(&value, at + i, sizeof(value));
        if (!isfinite(value))
            return false;
    }
    return true;
}

/* Walks over the transitions up to `end`: each is as long as its flags say, and the last ends there. */
static int check_transitions(const struct replay *replay, const uint8_t *at, const uint8_t *end,
                             uint64_t count, struct diag *diag)
{
    for (uint64_t i = 0; i < count; i++) {
        if (at == end)
            return diag_fail(diag, ERR_TRUNCATED, "experience ends after %llu of %llu transitions",
                             (unsigned long long) i, (unsigned long long) count);
        uint8_t flags = *at;
        bool chained = (flags & FLAG_CHAINED) != 0;
        size_t size = whole_bytes(replay) - (chained ? state_bytes(replay) : 0);
        if ((flags & ~(FLAG_TERMINAL | FLAG_CHAINED)) != 0 || (chained && i == 0))
            return diag_fail(diag, ERR_CORRUPT, "experience: transition %llu has impossible flags %u",
                             (unsigned long long) i, flags);
        if ((size_t) (end - at) < size)
            return diag_fail(diag, ERR_TRUNCATED, "experience ends within transition %llu of %llu",
                             (unsigned long long) i, (unsigned long long) count);
        if (!all_finite(at + 1, size - 1))
            return diag_fail(diag, ERR_CORRUPT, "experience: transition %llu has numbers that are not finite",
                             (unsigned long long) i);
        at += size;
    }
    return at == end ? 0 : diag_fail(diag, ERR_CORRUPT, "experience has bytes behind its last transition");
}

static void take_transitions(struct replay *replay, const uint8_t *at, const struct head *head)
{
    size_t state = replay->state_size, action = replay->action_size;
    size_t rest = action_bytes(replay) + state_bytes(replay) + sizeof(float);
    assert(head->count <= replay->capacity && head->first >= replay->pushed); /* check_head */
    for (uint64_t number = head->first; number < head->first + head->count; number++) {
        float *row = row_of(replay, number);
        uint8_t flags = *at++;
        bool chained = (flags & FLAG_CHAINED) != 0;
        memmove(row,
                chained ? (const void *) next_state_of(replay, row_of(replay, number - 1))
                        : (const void *) at,
                state_bytes(replay));
        at += chained ? 0 : state_bytes(replay);
        memcpy(row + state, at, rest);
        at += rest;
        row[2 * state + action + 1] = (flags & FLAG_TERMINAL) != 0 ? 1.0f : 0.0f;
    }
    bool gap = head->first > replay->pushed; /* what went before has fallen out */
    size_t count = (gap ? 0 : replay->count) + (size_t) head->count;
    replay->pushed = head->first + head->count;
    replay->count = count > replay->capacity ? replay->capacity : count;
    replay->head = (size_t) (replay->pushed % replay->capacity);
}

int experience_load(struct replay *replay, const void *bytes, size_t size, struct diag *diag)
{
    struct head head = {0};
    const uint8_t *start = bytes;
    int code = check_head(replay, start, size, &head, diag);
    if (code < 0)
        return code;
    size_t covered = size - CHECKPOINT_CRC_BYTES;
    uint32_t crc;
    memcpy(&crc, start + covered, sizeof(crc));
    if (checkpoint_crc32(bytes, covered) != crc)
        return diag_fail(diag, ERR_CORRUPT, "experience is damaged: its checksum does not match");
    code = check_transitions(replay, start + EXPERIENCE_HEADER_BYTES, start + covered, head.count, diag);
    if (code == 0)
        take_transitions(replay, start + EXPERIENCE_HEADER_BYTES, &head);
    return code;
}

bool experience_is_whole(const struct replay *replay, uint64_t total)
{
    return replay->pushed == total && replay->count == (total < replay->capacity ? total : replay->capacity);
}
