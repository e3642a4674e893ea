/* messages.def as data: one row a message, one row a field. Encoder, decoder, printer, the documentation tool
 * and the tests walk these tables, so that a new row in messages.def is a new message everywhere. Constant;
 * safe from any thread. */
#ifndef HANDOFF_PROTO_SCHEMA_H
#define HANDOFF_PROTO_SCHEMA_H

#include <stddef.h>
#include <stdint.h>

#include "proto/message.h"

/* Highest id + 1. Small, because rows are found by indexing. */
#define SCHEMA_ID_END 0x40u

enum schema_kind {
    SCHEMA_UINT,
    SCHEMA_REAL,
    SCHEMA_TEXT,
    SCHEMA_BYTES,
    SCHEMA_UINT_LIST,
    SCHEMA_REAL_LIST,
};

struct schema_field {
    const char *name;
    enum schema_kind kind;
    size_t offset;      /* of the member in struct msg_<name> */
    uint64_t low, high; /* SCHEMA_UINT and each element of SCHEMA_UINT_LIST */
    double real_low, real_high;
    uint64_t limit; /* most bytes (text, bytes) or elements (lists) */
    const char *meaning;
};

struct schema_row {
    enum proto_id id;
    const char *name; /* NULL: no message has this id */
    enum proto_direction direction;
    unsigned since; /* major version that brought it */
    const char *meaning;
    const struct schema_field *fields;
    size_t field_count;
};

/* The message's row, or NULL when no message has this id. */
const struct schema_row *schema_row(uint64_t id);

/* Where a field lives in a message. */
static inline void *schema_slot(struct proto_message *message, const struct schema_field *field)
{
    return (uint8_t *) message + offsetof(struct proto_message, hello) + field->offset;
}

static inline const void *schema_slot_const(const struct proto_message *message,
                                            const struct schema_field *field)
{
    return (const uint8_t *) message + offsetof(struct proto_message, hello) + field->offset;
}

const char *schema_direction_name(enum proto_direction direction);

#endif
