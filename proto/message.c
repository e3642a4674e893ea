/* Names, hash and printing: what people and logs see of a message. */
#include "proto/message.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>

#include "core/base/err.h"
#include "proto/schema.h"

const char *proto_name(enum proto_id id)
{
    const struct schema_row *row = schema_row((uint64_t) id);
    return row != NULL ? row->name : NULL;
}

enum proto_direction proto_direction_of(enum proto_id id)
{
    const struct schema_row *row = schema_row((uint64_t) id);
    assert(row != NULL);
    return row->direction;
}

const char *proto_refusal_text(enum proto_refusal reason)
{
    switch (reason) {
#define REFUSAL(NAME, code, text)                                                                            \
    case PROTO_REFUSE_##NAME:                                                                                \
        return text;
#include "proto/refusals.def"
#undef REFUSAL
    }
    return "unknown reason";
}

/* Every row of messages.def as text, without the explanations: a piece a row, since one text of all would be
 * longer than C17 promises to take. */
static const char *const schema_text[] = {
#define MSG(i, N, n, d, s, m) "MSG(" #i "," #N "," #d "," #s ")",
#define U(n, f, lo, hi, m) "U(" #f "," #lo "," #hi ")",
#define R(n, f, lo, hi, m) "R(" #f "," #lo "," #hi ")",
#define S(n, f, most, m) "S(" #f "," #most ")",
#define B(n, f, most, m) "B(" #f "," #most ")",
#define UV(n, f, most, lo, hi, m) "UV(" #f "," #most "," #lo "," #hi ")",
#define RV(n, f, most, lo, hi, m) "RV(" #f "," #most "," #lo "," #hi ")",
#define END_MSG(n) ";",
#include "proto/messages.def"
#undef MSG
#undef U
#undef R
#undef S
#undef B
#undef UV
#undef RV
#undef END_MSG
};

uint64_t proto_schema_hash(void)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a, 64 bits: offset basis, then the prime */
    for (size_t i = 0; i < sizeof schema_text / sizeof *schema_text; i++)
        for (const char *at = schema_text[i]; *at != '\0'; at++)
            hash = (hash ^ (uint8_t) *at) * 0x100000001b3u;
    return hash;
}

/* Shown of a text, and of a list. */
#define TEXT_SHOWN 32u
#define LIST_SHOWN 4u

static int print_text(struct buf *out, struct proto_text text)
{
    int rc = buf_push(out, "\"", 1);
    size_t shown = text.size < TEXT_SHOWN ? text.size : TEXT_SHOWN;
    for (size_t i = 0; rc == 0 && i < shown; i++) {
        uint8_t c = (uint8_t) text.data[i];
        bool is_plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
        rc = is_plain ? buf_push(out, &c, 1) : buf_printf(out, "\\x%02x", c);
    }
    if (rc != 0)
        return rc;
    return shown < text.size ? buf_printf(out, "...\"(%zu)", text.size) : buf_push(out, "\"", 1);
}

static int print_list_end(struct buf *out, size_t count)
{
    return count > LIST_SHOWN ? buf_printf(out, ",...](%zu)", count) : buf_push(out, "]", 1);
}

static int print_u32s(struct buf *out, struct proto_u32s list)
{
    int rc = buf_push(out, "[", 1);
    for (size_t i = 0; rc == 0 && i < list.count && i < LIST_SHOWN; i++)
        rc = buf_printf(out, "%s%" PRIu32, i > 0 ? "," : "", list.data[i]);
    return rc != 0 ? rc : print_list_end(out, list.count);
}

static int print_reals(struct buf *out, struct proto_reals list)
{
    int rc = buf_push(out, "[", 1);
    for (size_t i = 0; rc == 0 && i < list.count && i < LIST_SHOWN; i++)
        rc = buf_printf(out, "%s%.9g", i > 0 ? "," : "", list.data[i]);
    return rc != 0 ? rc : print_list_end(out, list.count);
}

static int print_value(struct buf *out, const struct schema_field *field, const void *slot)
{
    switch (field->kind) {
    case SCHEMA_UINT: return buf_printf(out, "%" PRIu64, *(const uint64_t *) slot);
    case SCHEMA_REAL: return buf_printf(out, "%.9g", *(const double *) slot);
    case SCHEMA_TEXT: return print_text(out, *(const struct proto_text *) slot);
    case SCHEMA_BYTES: return buf_printf(out, "(%zu bytes)", ((const struct proto_bytes *) slot)->size);
    case SCHEMA_UINT_LIST: return print_u32s(out, *(const struct proto_u32s *) slot);
    case SCHEMA_REAL_LIST: return print_reals(out, *(const struct proto_reals *) slot);
    }
    assert(false);
    return ERR_TYPE;
}

int proto_print(const struct proto_message *message, struct buf *text)
{
    const struct schema_row *row = schema_row((uint64_t) message->id);
    if (row == NULL)
        return ERR_UNKNOWN;
    int rc = buf_printf(text, "%s", row->name);
    for (size_t i = 0; rc == 0 && i < row->field_count; i++) {
        rc = buf_printf(text, " %s=", row->fields[i].name);
        if (rc == 0)
            rc = print_value(text, &row->fields[i], schema_slot_const(message, &row->fields[i]));
    }
    return rc != 0 ? rc : buf_printf(text, "%s", ""); /* a zero byte behind the last character */
}
