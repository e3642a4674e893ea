/* Messages to frames: msgpack-c packs straight into the frame's buffer. */
#include "proto/message.h"

#include <assert.h>
#include <msgpack.h>
#include <stdbool.h>
#include <string.h>

#include "core/base/err.h"
#include "proto/endian_internal.h"
#include "proto/limits_internal.h"
#include "proto/schema.h"

#define LENGTH_SIZE 4u
/* No msgpack head or number is longer. */
#define HEAD_MAX 9u

/* msgpack-c's output. Room is reserved for the whole message beforehand, so growing is the exception. */
static int append(void *user, const char *bytes, size_t size)
{
    struct buf *frame = user;
    assert(frame->size <= frame->capacity);
    if (size > frame->capacity - frame->size)
        return buf_push(frame, bytes, size);
    memcpy(frame->data + frame->size, bytes, size);
    frame->size += size;
    return 0;
}

/* Most bytes the field's value takes. */
static size_t bound(const struct schema_field *field, const void *slot)
{
    switch (field->kind) {
    case SCHEMA_UINT:
    case SCHEMA_REAL: return HEAD_MAX;
    case SCHEMA_TEXT: return HEAD_MAX + ((const struct proto_text *) slot)->size;
    case SCHEMA_BYTES: return HEAD_MAX + ((const struct proto_bytes *) slot)->size;
    case SCHEMA_UINT_LIST: return HEAD_MAX + ((const struct proto_u32s *) slot)->count * sizeof(uint32_t);
    case SCHEMA_REAL_LIST: return HEAD_MAX + ((const struct proto_reals *) slot)->count * sizeof(double);
    }
    assert(false);
    return 0;
}

static int pack_text(msgpack_packer *packer, struct proto_text text)
{
    int rc = msgpack_pack_str(packer, text.size);
    return rc != 0 || text.size == 0 ? rc : msgpack_pack_str_body(packer, text.data, text.size);
}

static int pack_bytes(msgpack_packer *packer, struct proto_bytes bytes)
{
    int rc = msgpack_pack_bin(packer, bytes.size);
    return rc != 0 || bytes.size == 0 ? rc : msgpack_pack_bin_body(packer, bytes.data, bytes.size);
}

/* The elements of a list leave in pieces of this many bytes. */
#define PIECE_SIZE 512u

static int pack_u32s(msgpack_packer *packer, struct proto_u32s list)
{
    uint8_t piece[PIECE_SIZE];
    const size_t per_piece = PIECE_SIZE / sizeof(uint32_t);
    int rc = msgpack_pack_bin(packer, list.count * sizeof(uint32_t));
    for (size_t i = 0; rc == 0 && i < list.count; i += per_piece) {
        size_t count = list.count - i < per_piece ? list.count - i : per_piece;
        for (size_t j = 0; j < count; j++)
            endian_store_u32(piece + j * sizeof(uint32_t), list.data[i + j]);
        rc = msgpack_pack_bin_body(packer, piece, count * sizeof(uint32_t));
    }
    return rc;
}

static int pack_reals(msgpack_packer *packer, struct proto_reals list)
{
    uint8_t piece[PIECE_SIZE];
    const size_t per_piece = PIECE_SIZE / sizeof(double);
    int rc = msgpack_pack_bin(packer, list.count * sizeof(double));
    for (size_t i = 0; rc == 0 && i < list.count; i += per_piece) {
        size_t count = list.count - i < per_piece ? list.count - i : per_piece;
        for (size_t j = 0; j < count; j++)
            endian_store_real(piece + j * sizeof(double), list.data[i + j]);
        rc = msgpack_pack_bin_body(packer, piece, count * sizeof(double));
    }
    return rc;
}

static int check_u32s(const struct schema_row *row, const struct schema_field *field, struct proto_u32s list,
                      struct diag *diag)
{
    int rc = limits_size(row, field, list.count, diag);
    for (size_t i = 0; rc == 0 && i < list.count; i++)
        rc = limits_uint(row, field, list.data[i], diag);
    return rc;
}

static int check_reals(const struct schema_row *row, const struct schema_field *field,
                       struct proto_reals list, struct diag *diag)
{
    int rc = limits_size(row, field, list.count, diag);
    for (size_t i = 0; rc == 0 && i < list.count; i++)
        rc = limits_real(row, field, list.data[i], diag);
    return rc;
}

static int check_value(const struct schema_row *row, const struct schema_field *field, const void *slot,
                       struct diag *diag)
{
    switch (field->kind) {
    case SCHEMA_UINT: return limits_uint(row, field, *(const uint64_t *) slot, diag);
    case SCHEMA_REAL: return limits_real(row, field, *(const double *) slot, diag);
    case SCHEMA_TEXT: {
        struct proto_text text = *(const struct proto_text *) slot;
        int rc = limits_size(row, field, text.size, diag);
        return rc != 0 ? rc : limits_text(row, field, text, diag);
    }
    case SCHEMA_BYTES: return limits_size(row, field, ((const struct proto_bytes *) slot)->size, diag);
    case SCHEMA_UINT_LIST: return check_u32s(row, field, *(const struct proto_u32s *) slot, diag);
    case SCHEMA_REAL_LIST: return check_reals(row, field, *(const struct proto_reals *) slot, diag);
    }
    assert(false);
    return ERR_TYPE;
}

static int pack_value(msgpack_packer *packer, const struct schema_field *field, const void *slot)
{
    switch (field->kind) {
    case SCHEMA_UINT: return msgpack_pack_uint64(packer, *(const uint64_t *) slot);
    case SCHEMA_REAL: return msgpack_pack_double(packer, *(const double *) slot);
    case SCHEMA_TEXT: return pack_text(packer, *(const struct proto_text *) slot);
    case SCHEMA_BYTES: return pack_bytes(packer, *(const struct proto_bytes *) slot);
    case SCHEMA_UINT_LIST: return pack_u32s(packer, *(const struct proto_u32s *) slot);
    case SCHEMA_REAL_LIST: return pack_reals(packer, *(const struct proto_reals *) slot);
    }
    assert(false);
    return ERR_TYPE;
}

/* Everything is checked before the first byte is written. */
static int check_message(const struct schema_row *row, const struct proto_message *message, size_t *ret_bound,
                         struct diag *diag)
{
    size_t size = LENGTH_SIZE + 2 * HEAD_MAX;
    for (size_t i = 0; i < row->field_count; i++) {
        const void *slot = schema_slot_const(message, &row->fields[i]);
        int rc = check_value(row, &row->fields[i], slot, diag);
        if (rc != 0)
            return rc;
        size += bound(&row->fields[i], slot);
    }
    *ret_bound = size;
    return 0;
}

static int pack_message(const struct schema_row *row, const struct proto_message *message, struct buf *frame)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, frame, append);
    int rc = msgpack_pack_array(&packer, 1 + row->field_count);
    if (rc == 0)
        rc = msgpack_pack_uint64(&packer, (uint64_t) row->id);
    for (size_t i = 0; rc == 0 && i < row->field_count; i++)
        rc = pack_value(&packer, &row->fields[i], schema_slot_const(message, &row->fields[i]));
    return rc;
}

int proto_encode(const struct proto_message *message, struct buf *frame, struct diag *diag)
{
    const struct schema_row *row = schema_row((uint64_t) message->id);
    if (row == NULL)
        return diag_fail(diag, ERR_UNKNOWN, "no message has the id %u", (unsigned) message->id);
    size_t size = 0;
    int rc = check_message(row, message, &size, diag);
    if (rc == 0)
        rc = buf_reserve(frame, size);
    if (rc != 0)
        return rc;

    size_t start = frame->size;
    frame->size += LENGTH_SIZE;
    rc = pack_message(row, message, frame);
    assert(frame->size - start <= size); /* what was reserved is enough: nothing has moved */
    size_t body = frame->size - start - LENGTH_SIZE;
    if (rc == 0 && body > PROTO_BODY_MAX)
        rc = diag_fail(diag, ERR_TOO_BIG, "%s takes %zu bytes, at most %u are allowed", row->name, body,
                       PROTO_BODY_MAX);
    if (rc != 0) {
        frame->size = start;
        return rc;
    }
    uint8_t *length = frame->data + start;
    for (size_t i = 0; i < LENGTH_SIZE; i++)
        length[i] = (uint8_t) (body >> (8 * (LENGTH_SIZE - 1 - i)));
    return 0;
}
