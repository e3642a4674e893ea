/* Messages made from the schema's rows, so that a new row is tested without writing a test. */
#ifndef HANDOFF_TESTS_UNIT_PROTO_SAMPLE_H
#define HANDOFF_TESTS_UNIT_PROTO_SAMPLE_H

#include <stdbool.h>

#include "proto/schema.h"

enum sample_kind {
    SAMPLE_LEAST,  /* lowest values, empty texts and lists */
    SAMPLE_MOST,   /* highest values, longest texts and lists */
    SAMPLE_RANDOM, /* anything between; short texts and lists */
};

/* Memory that a sample's texts and lists point into: room for the longest of each kind. */
struct sample_room {
    char *text;
    uint8_t *bytes;
    uint32_t *uints;
    double *reals;
    size_t uints_used, reals_used; /* by the lists of the message being filled */
};

void sample_room_init(struct sample_room *room);
void sample_room_finish(struct sample_room *room);

/* `seed` matters to SAMPLE_RANDOM only. */
void sample_fill(const struct schema_row *row, enum sample_kind kind, uint64_t seed, struct sample_room *room,
                 struct proto_message *ret_message);

/* Same id and, bit for bit, the same fields; a difference is named in `ret_field` (may be NULL). */
bool sample_equal(const struct proto_message *a, const struct proto_message *b, const char **ret_field);

#endif
