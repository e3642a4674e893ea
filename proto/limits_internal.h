/* What a field may hold, asked by encoder and decoder alike: we never send what we would refuse. Each returns
 * 0 or a code, with message, field, value and the allowed range in `diag`. */
#ifndef HANDOFF_PROTO_LIMITS_INTERNAL_H
#define HANDOFF_PROTO_LIMITS_INTERNAL_H

#include "proto/schema.h"

static inline int limits_uint(const struct schema_row *row, const struct schema_field *field, uint64_t value,
                              struct diag *diag);
/* NaN and infinities are never in range. */
static inline int limits_real(const struct schema_row *row, const struct schema_field *field, double value,
                              struct diag *diag);
/* Bytes of a text or of bytes, elements of a list. */
int limits_size(const struct schema_row *row, const struct schema_field *field, uint64_t size,
                struct diag *diag);
/* UTF-8 (RFC 3629: no surrogates, no overlong forms) without zero bytes. */
int limits_text(const struct schema_row *row, const struct schema_field *field, struct proto_text text,
                struct diag *diag);

/* Write the refusal's text. The check itself is inline, because it runs for every element of a list. */
int limits_tell_uint(const struct schema_row *row, const struct schema_field *field, uint64_t value,
                     struct diag *diag);
int limits_tell_real(const struct schema_row *row, const struct schema_field *field, double value,
                     struct diag *diag);

static inline int limits_uint(const struct schema_row *row, const struct schema_field *field, uint64_t value,
                              struct diag *diag)
{
    return value >= field->low && value <= field->high ? 0 : limits_tell_uint(row, field, value, diag);
}

static inline int limits_real(const struct schema_row *row, const struct schema_field *field, double value,
                              struct diag *diag)
{
    return value >= field->real_low && value <= field->real_high ? 0
                                                                 : limits_tell_real(row, field, value, diag);
}

#endif
