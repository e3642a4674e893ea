#include "proto/limits_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>

#include "core/base/err.h"

int limits_tell_uint(const struct schema_row *row, const struct schema_field *field, uint64_t value,
                     struct diag *diag)
{
    assert(field->kind == SCHEMA_UINT || field->kind == SCHEMA_UINT_LIST);
    return diag_fail(diag, ERR_RANGE, "%s.%s is %" PRIu64 ", allowed is %" PRIu64 " to %" PRIu64, row->name,
                     field->name, value, field->low, field->high);
}

int limits_tell_real(const struct schema_row *row, const struct schema_field *field, double value,
                     struct diag *diag)
{
    assert(field->kind == SCHEMA_REAL || field->kind == SCHEMA_REAL_LIST);
    if (!isfinite(value))
        return diag_fail(diag, ERR_RANGE, "%s.%s is not a finite number", row->name, field->name);
    return diag_fail(diag, ERR_RANGE, "%s.%s is %.9g, allowed is %.9g to %.9g", row->name, field->name, value,
                     field->real_low, field->real_high);
}

int limits_size(const struct schema_row *row, const struct schema_field *field, uint64_t size,
                struct diag *diag)
{
    assert(field->kind != SCHEMA_UINT && field->kind != SCHEMA_REAL); /* they have no limit of size */
    if (size <= field->limit)
        return 0;
    const char *unit = field->kind == SCHEMA_TEXT || field->kind == SCHEMA_BYTES ? "bytes" : "elements";
    return diag_fail(diag, ERR_RANGE, "%s.%s has %" PRIu64 " %s, at most %" PRIu64 " are allowed", row->name,
                     field->name, size, unit, field->limit);
}

/* Length of the UTF-8 character at `text`, or 0 when none starts there. */
static size_t character_size(const uint8_t *text, size_t size)
{
    uint8_t first = text[0];
    if (first < 0x80)
        return first != 0;
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || size < length)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    int is_overlong = (first == 0xe0 && text[1] < 0xa0) || (first == 0xf0 && text[1] < 0x90);
    int is_surrogate = first == 0xed && text[1] > 0x9f;
    int is_beyond = first == 0xf4 && text[1] > 0x8f;
    return is_overlong || is_surrogate || is_beyond ? 0 : length;
}

int limits_text(const struct schema_row *row, const struct schema_field *field, struct proto_text text,
                struct diag *diag)
{
    const uint8_t *bytes = (const uint8_t *) text.data;
    assert(text.size <= field->limit); /* limits_size comes first */
    for (size_t at = 0; at < text.size;) {
        size_t length = character_size(bytes + at, text.size - at);
        if (length == 0)
            return diag_fail(diag, ERR_SYNTAX, "%s.%s is not UTF-8 text at byte %zu", row->name, field->name,
                             at);
        at += length;
    }
    return 0;
}
