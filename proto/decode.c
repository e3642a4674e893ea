/* Frame bodies to messages. scan.h looks at each value first; msgpack-c then reads numbers only, from exactly
 * the bytes that were scanned, so that it never meets a declared count or length. Texts and bytes are
 * borrowed from the body. */
#include "proto/message.h"

#include <assert.h>
#include <msgpack.h>
#include <stdbool.h>

#include "core/base/err.h"
#include "proto/endian_internal.h"
#include "proto/limits_internal.h"
#include "proto/scan.h"
#include "proto/schema.h"

struct decoder {
    const uint8_t *body;
    size_t size;
    size_t at; /* where the next value starts */
    const struct schema_row *row;
    struct proto_scratch *scratch;
    struct diag *diag;
};

static int unpack_number(const uint8_t *bytes, size_t size, msgpack_object *ret_number)
{
    msgpack_unpacked unpacked; /* a number takes no zone: nothing to destroy */
    msgpack_unpacked_init(&unpacked);
    size_t used = 0;
    if (msgpack_unpack_next(&unpacked, (const char *) bytes, size, &used) != MSGPACK_UNPACK_SUCCESS ||
        used != size)
        return ERR_SYNTAX;
    assert(unpacked.zone == NULL);
    *ret_number = unpacked.data;
    return 0;
}

static int wrong_type(const struct decoder *decoder, const struct schema_field *field, const char *wanted)
{
    return diag_fail(decoder->diag, ERR_TYPE, "%s.%s has the wrong type, it must be %s", decoder->row->name,
                     field->name, wanted);
}

static int read_uint(struct decoder *decoder, const struct schema_field *field, const struct scan_item *item,
                     uint64_t *ret_value)
{
    if (item->type != SCAN_INTEGER)
        return wrong_type(decoder, field, "an integer");
    msgpack_object number;
    int rc = unpack_number(decoder->body + decoder->at, item->head + item->payload, &number);
    if (rc != 0)
        return rc;
    if (number.type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        return diag_fail(decoder->diag, ERR_RANGE, "%s.%s is negative", decoder->row->name, field->name);
    assert(number.type == MSGPACK_OBJECT_POSITIVE_INTEGER); /* the scanner's integers are of these two */
    rc = limits_uint(decoder->row, field, number.via.u64, decoder->diag);
    if (rc == 0)
        *ret_value = number.via.u64;
    return rc;
}

static int read_real(struct decoder *decoder, const struct schema_field *field, const struct scan_item *item,
                     double *ret_value)
{
    if (item->type != SCAN_REAL64)
        return wrong_type(decoder, field, "a float 64");
    msgpack_object number;
    int rc = unpack_number(decoder->body + decoder->at, item->head + item->payload, &number);
    if (rc == 0)
        rc = limits_real(decoder->row, field, number.via.f64, decoder->diag);
    if (rc == 0)
        *ret_value = number.via.f64;
    return rc;
}

static int read_text(struct decoder *decoder, const struct schema_field *field, const struct scan_item *item,
                     struct proto_text *ret_text)
{
    if (item->type != SCAN_TEXT)
        return wrong_type(decoder, field, "a string");
    int rc = limits_size(decoder->row, field, item->payload, decoder->diag);
    if (rc != 0)
        return rc;
    struct proto_text text = {(const char *) decoder->body + decoder->at + item->head, item->payload};
    rc = limits_text(decoder->row, field, text, decoder->diag);
    if (rc == 0)
        *ret_text = text;
    return rc;
}

static int read_bytes(struct decoder *decoder, const struct schema_field *field, const struct scan_item *item,
                      struct proto_bytes *ret_bytes)
{
    if (item->type != SCAN_BYTES)
        return wrong_type(decoder, field, "a bin");
    int rc = limits_size(decoder->row, field, item->payload, decoder->diag);
    if (rc == 0)
        *ret_bytes = (struct proto_bytes){decoder->body + decoder->at + item->head, item->payload};
    return rc;
}

/* Aligned room for `count` elements. The first list reserves enough for all: later ones must not move it. */
static int take_room(struct decoder *decoder, size_t count, size_t width, void **ret_room)
{
    struct buf *lists = &decoder->scratch->lists;
    assert(count <= decoder->size / width); /* list_count: its bytes are in the body */
    if (lists->size == 0) {
        int rc = buf_reserve(lists, decoder->size + decoder->row->field_count * sizeof(double));
        if (rc != 0)
            return rc;
    }
    size_t start = (lists->size + width - 1) / width * width;
    assert(start + count * width <= lists->capacity);
    *ret_room = lists->data + start;
    lists->size = start + count * width;
    return 0;
}

/* A list is a bin whose length is a multiple of the element's width. */
static int list_count(struct decoder *decoder, const struct schema_field *field, const struct scan_item *item,
                      size_t width, size_t *ret_count)
{
    if (item->type != SCAN_BYTES)
        return wrong_type(decoder, field, "a bin");
    if (item->payload % width != 0)
        return diag_fail(decoder->diag, ERR_SYNTAX, "%s.%s has %zu bytes, not a multiple of %zu",
                         decoder->row->name, field->name, item->payload, width);
    *ret_count = item->payload / width;
    return limits_size(decoder->row, field, item->payload / width, decoder->diag);
}

static int read_u32s(struct decoder *decoder, const struct schema_field *field, const struct scan_item *item,
                     struct proto_u32s *ret_list)
{
    size_t count = 0;
    void *room = NULL;
    int rc = list_count(decoder, field, item, sizeof(uint32_t), &count);
    if (rc == 0)
        rc = take_room(decoder, count, sizeof(uint32_t), &room);
    if (rc != 0)
        return rc;
    uint32_t *values = room;
    const uint8_t *bytes = decoder->body + decoder->at + item->head;
    for (size_t i = 0; i < count; i++) {
        values[i] = endian_load_u32(bytes + i * sizeof(uint32_t));
        rc = limits_uint(decoder->row, field, values[i], decoder->diag);
        if (rc != 0)
            return rc;
    }
    *ret_list = (struct proto_u32s){values, count};
    return 0;
}

static int read_reals(struct decoder *decoder, const struct schema_field *field, const struct scan_item *item,
                      struct proto_reals *ret_list)
{
    size_t count = 0;
    void *room = NULL;
    int rc = list_count(decoder, field, item, sizeof(double), &count);
    if (rc == 0)
        rc = take_room(decoder, count, sizeof(double), &room);
    if (rc != 0)
        return rc;
    double *values = room;
    const uint8_t *bytes = decoder->body + decoder->at + item->head;
    for (size_t i = 0; i < count; i++) {
        values[i] = endian_load_real(bytes + i * sizeof(double));
        rc = limits_real(decoder->row, field, values[i], decoder->diag);
        if (rc != 0)
            return rc;
    }
    *ret_list = (struct proto_reals){values, count};
    return 0;
}

static int read_value(struct decoder *decoder, const struct schema_field *field, const struct scan_item *item,
                      void *slot)
{
    switch (field->kind) {
    case SCHEMA_UINT: return read_uint(decoder, field, item, slot);
    case SCHEMA_REAL: return read_real(decoder, field, item, slot);
    case SCHEMA_TEXT: return read_text(decoder, field, item, slot);
    case SCHEMA_BYTES: return read_bytes(decoder, field, item, slot);
    case SCHEMA_UINT_LIST: return read_u32s(decoder, field, item, slot);
    case SCHEMA_REAL_LIST: return read_reals(decoder, field, item, slot);
    }
    assert(false);
    return ERR_TYPE;
}

static int read_field(struct decoder *decoder, const struct schema_field *field,
                      struct proto_message *message)
{
    struct scan_item item;
    int rc = scan_head(decoder->body + decoder->at, decoder->size - decoder->at, &item);
    if (rc != 0)
        return diag_fail(decoder->diag, rc, "%s.%s %s", decoder->row->name, field->name,
                         rc == ERR_TRUNCATED ? "declares more than the frame holds" : "is not msgpack");
    rc = read_value(decoder, field, &item, schema_slot(message, field));
    decoder->at += item.head + item.payload;
    assert(decoder->at <= decoder->size);
    return rc;
}

/* The array's head and the id. Sets how many values follow the id. */
static int read_start(struct decoder *decoder, size_t *ret_values)
{
    struct scan_item item;
    int rc = scan_head(decoder->body, decoder->size, &item);
    if (rc != 0)
        return diag_fail(decoder->diag, rc, "the frame declares more than it holds");
    if (item.type != SCAN_ARRAY || item.items == 0)
        return diag_fail(decoder->diag, ERR_TYPE, "the frame is not an array that starts with a message id");
    decoder->at = item.head;
    *ret_values = item.items - 1;

    rc = scan_head(decoder->body + decoder->at, decoder->size - decoder->at, &item);
    msgpack_object number = {0};
    if (rc == 0 && item.type == SCAN_INTEGER)
        rc = unpack_number(decoder->body + decoder->at, item.head + item.payload, &number);
    if (rc != 0 || item.type != SCAN_INTEGER)
        return diag_fail(decoder->diag, rc != 0 ? rc : ERR_TYPE, "the message id is not an integer");
    decoder->at += item.head + item.payload;
    if (number.type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        decoder->row = schema_row(number.via.u64);
    if (decoder->row == NULL)
        return diag_fail(decoder->diag, ERR_UNKNOWN, "no message has the id %lld",
                         (long long) number.via.i64);
    return 0;
}

/* What a newer peer appended is skipped; nothing may follow the array. */
static int skip_rest(struct decoder *decoder, size_t values)
{
    for (size_t i = 0; i < values; i++) {
        size_t size = 0;
        int rc = scan_skip(decoder->body + decoder->at, decoder->size - decoder->at, &size);
        if (rc != 0)
            return diag_fail(decoder->diag, rc,
                             "%s: an appended field is cut short, malformed or nested too deep",
                             decoder->row->name);
        assert(0 < size && size <= decoder->size - decoder->at);
        decoder->at += size;
    }
    if (decoder->at != decoder->size)
        return diag_fail(decoder->diag, ERR_SYNTAX, "%s: %zu stray bytes after the last field",
                         decoder->row->name, decoder->size - decoder->at);
    return 0;
}

static int read_body(struct decoder *decoder, struct proto_message *ret_message)
{
    size_t values = 0;
    int rc = read_start(decoder, &values);
    if (rc != 0)
        return rc;
    const struct schema_row *row = decoder->row;
    ret_message->id = row->id;
    if (values < row->field_count)
        return diag_fail(decoder->diag, ERR_TRUNCATED, "%s lacks its field %s", row->name,
                         row->fields[values].name);
    for (size_t i = 0; i < row->field_count; i++) {
        rc = read_field(decoder, &row->fields[i], ret_message);
        if (rc != 0)
            return rc;
    }
    return skip_rest(decoder, values - row->field_count);
}

static enum proto_refusal refusal_of(int rc, const struct decoder *decoder)
{
    if (rc == 0)
        return PROTO_REFUSE_NONE;
    if (rc == ERR_UNKNOWN)
        return PROTO_REFUSE_UNKNOWN_MESSAGE;
    if (rc == ERR_RANGE)
        return PROTO_REFUSE_OUT_OF_RANGE;
    return decoder->size > PROTO_BODY_MAX ? PROTO_REFUSE_TOO_BIG : PROTO_REFUSE_MALFORMED;
}

int proto_decode(const uint8_t *body, size_t size, struct proto_scratch *scratch,
                 struct proto_message *ret_message, enum proto_refusal *ret_refusal, struct diag *diag)
{
    struct decoder decoder = {.body = body, .size = size, .scratch = scratch, .diag = diag};
    struct proto_message message;
    buf_clear(&scratch->lists);
    int rc = size > PROTO_BODY_MAX
                 ? diag_fail(diag, ERR_TOO_BIG, "the frame has %zu bytes, at most %u are allowed", size,
                             PROTO_BODY_MAX)
                 : read_body(&decoder, &message);
    if (rc == 0)
        *ret_message = message;
    *ret_refusal = refusal_of(rc, &decoder);
    assert((rc == 0) == (*ret_refusal == PROTO_REFUSE_NONE));
    return rc;
}

void proto_scratch_finish(struct proto_scratch *scratch)
{
    if (scratch != NULL)
        buf_finish(&scratch->lists);
}
