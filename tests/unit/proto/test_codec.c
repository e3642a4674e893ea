/* The codec, row by row of the schema. Every decode in this file runs against a forbidden page. */
#include "proto/message.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "body.h"
#include "core/base/err.h"
#include "proto/schema.h"
#include "sample.h"

#define FRAME_HEAD 4u

struct bench {
    struct fence fence;
    struct sample_room room;
    struct buf frame, other;
    struct proto_message message;
};

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    if (bench == NULL)
        return -1;
    fence_init(&bench->fence);
    sample_room_init(&bench->room);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    fence_finish(&bench->fence);
    sample_room_finish(&bench->room);
    buf_finish(&bench->frame);
    buf_finish(&bench->other);
    free(bench);
    return 0;
}

/* bench->frame holds the row's message afterwards. */
static void encode_sample(struct bench *bench, const struct schema_row *row, enum sample_kind kind,
                          uint64_t seed)
{
    struct diag diag = {{0}};
    sample_fill(row, kind, seed, &bench->room, &bench->message);
    buf_clear(&bench->frame);
    int rc = proto_encode(&bench->message, &bench->frame, &diag);
    if (rc != 0)
        fail_msg("%s does not encode: %s", row->name, diag_text(&diag, rc));
}

static const uint8_t *body_of(const struct bench *bench, size_t *ret_size)
{
    *ret_size = bench->frame.size - FRAME_HEAD;
    return bench->frame.data + FRAME_HEAD;
}

static void check_round_trip(struct bench *bench, const struct schema_row *row)
{
    size_t size = 0;
    const uint8_t *body = body_of(bench, &size);
    struct verdict verdict = fence_decode(&bench->fence, body, size);
    if (verdict.rc != 0)
        fail_msg("%s does not decode: %s", row->name, diag_text(&verdict.diag, verdict.rc));
    const char *field = "id";
    if (!sample_equal(&bench->message, &verdict.message, &field))
        fail_msg("%s.%s changed on the way", row->name, field);
    assert_int_equal(verdict.refusal, PROTO_REFUSE_NONE);
}

#define FOR_EACH_ROW(row)                                                                                    \
    for (uint64_t id_ = 0; id_ < SCHEMA_ID_END; id_++)                                                       \
        for (const struct schema_row *row = schema_row(id_); row != NULL; row = NULL)

static void every_message_survives_the_trip_with_its_lowest_values(void **state)
{
    FOR_EACH_ROW(row)
    {
        encode_sample(*state, row, SAMPLE_LEAST, 0);
        check_round_trip(*state, row);
    }
}

static void every_message_survives_the_trip_with_its_highest_values(void **state)
{
    FOR_EACH_ROW(row)
    {
        encode_sample(*state, row, SAMPLE_MOST, 0);
        check_round_trip(*state, row);
    }
}

static void every_message_survives_the_trip_with_any_values(void **state)
{
    FOR_EACH_ROW(row)
    {
        for (uint64_t seed = 0; seed < 500; seed++) {
            encode_sample(*state, row, SAMPLE_RANDOM, seed);
            check_round_trip(*state, row);
        }
    }
}

static void the_largest_message_stays_below_the_frame_limit(void **state)
{
    struct bench *bench = *state;
    FOR_EACH_ROW(row)
    {
        encode_sample(bench, row, SAMPLE_MOST, 0);
        assert_in_range(bench->frame.size, FRAME_HEAD + 2, FRAME_HEAD + PROTO_BODY_MAX);
    }
}

static void every_row_has_a_name_a_direction_and_a_meaning(void **state)
{
    (void) state;
    size_t count = 0;
    FOR_EACH_ROW(row)
    {
        count++;
        assert_string_equal(proto_name(row->id), row->name);
        assert_int_equal(proto_direction_of(row->id), row->direction);
        assert_true(strlen(row->meaning) > 0);
        assert_string_not_equal(schema_direction_name(row->direction), "unknown");
        for (size_t i = 0; i < row->field_count; i++)
            assert_true(strlen(row->fields[i].meaning) > 0);
    }
    assert_true(count >= 15);
    assert_null(proto_name((enum proto_id) 0));
    assert_null(schema_row(SCHEMA_ID_END));
    assert_null(schema_row(UINT64_MAX));
    assert_true(proto_schema_hash() != 0);
    assert_true(proto_schema_hash() == proto_schema_hash());
}

static void every_refusal_has_a_text(void **state)
{
    (void) state;
    assert_string_equal(proto_refusal_text(PROTO_REFUSE_OUT_OF_STATE), "this message is not allowed now");
    assert_string_equal(proto_refusal_text((enum proto_refusal) 9999), "unknown reason");
}

static void check_golden(const struct proto_message *message, const void *bytes, size_t size)
{
    struct buf frame = {0};
    assert_int_equal(proto_encode(message, &frame, NULL), 0);
    assert_int_equal(frame.size, size);
    assert_memory_equal(frame.data, bytes, size);
    buf_finish(&frame);
}

static void the_bytes_on_the_wire_are_the_documented_ones(void **state)
{
    (void) state;
    struct proto_message ready = {.id = PROTO_READY};
    check_golden(&ready, "\x00\x00\x00\x02\x91\x06", 6);

    struct proto_message goodbye = {.id = PROTO_GOODBYE, .goodbye = {.status = 1}};
    check_golden(&goodbye, "\x00\x00\x00\x03\x92\x07\x01", 7);

    struct proto_message refuse = {.id = PROTO_REFUSE, .refuse = {.reason = 300, .text = {"hi", 2}}};
    check_golden(&refuse, "\x00\x00\x00\x08\x93\x08\xcd\x01\x2c\xa2hi", 12);

    struct proto_message revoke = {.id = PROTO_REVOKE, .revoke = {.device = 99999, .round = 4294967295}};
    check_golden(&revoke, "\x00\x00\x00\x0c\x93\x16\xce\x00\x01\x86\x9f\xce\xff\xff\xff\xff", 16);

    const uint32_t devices[] = {1, 258};
    const double shares[] = {0.5, 1};
    struct proto_message allot = {
        .id = PROTO_ALLOT, .allot = {.round = 7, .device = {devices, 2}, .compute_share = {shares, 2}}};
    check_golden(&allot,
                 "\x00\x00\x00\x2a\x9b\x12\x07\xc4\x08\x01\x00\x00\x00\x02\x01\x00\x00"
                 "\xc4\x10\x00\x00\x00\x00\x00\x00\xe0\x3f\x00\x00\x00\x00\x00\x00\xf0\x3f\x00\x00\x00"
                 "\xc4\x00\xc4\x00\xc4\x00\xc4\x00",
                 46);
}

static void a_message_outside_the_schema_is_not_encoded(void **state)
{
    (void) state;
    struct buf frame = {0};
    struct diag diag = {{0}};
    assert_int_equal(buf_push(&frame, "kept", 4), 0);

    struct proto_message message = {.id = PROTO_RESULT, .result = {.device = 5, .edge_s = (double) NAN}};
    assert_int_equal(proto_encode(&message, &frame, &diag), ERR_RANGE);
    assert_string_equal(diag.text, "RESULT.edge_s is not a finite number");

    message = (struct proto_message){.id = PROTO_GOODBYE, .goodbye = {.status = 256}};
    diag.text[0] = '\0';
    assert_int_equal(proto_encode(&message, &frame, &diag), ERR_RANGE);
    assert_string_equal(diag.text, "GOODBYE.status is 256, allowed is 0 to 255");

    char text[256] = {0};
    memset(text, 'x', sizeof text);
    message = (struct proto_message){.id = PROTO_REFUSE, .refuse = {.text = {text, sizeof text}}};
    diag.text[0] = '\0';
    assert_int_equal(proto_encode(&message, &frame, &diag), ERR_RANGE);
    assert_string_equal(diag.text, "REFUSE.text has 256 bytes, at most 255 are allowed");

    message = (struct proto_message){.id = (enum proto_id) 0x3f};
    assert_int_equal(proto_encode(&message, &frame, NULL), ERR_UNKNOWN);
    assert_int_equal(frame.size, 4);
    buf_finish(&frame);
}

static void check_refused(struct bench *bench, const struct schema_row *row, const char *what, int rc)
{
    struct verdict verdict = fence_decode(&bench->fence, bench->other.data, bench->other.size);
    if (verdict.rc == 0 || (rc != 0 && verdict.rc != rc))
        fail_msg("%s: %s gave %d (%s), not %d", row->name, what, verdict.rc, verdict.diag.text, rc);
    if (strncmp(verdict.diag.text, row->name, strlen(row->name)) != 0)
        fail_msg("%s: %s is not named in '%s'", row->name, what, verdict.diag.text);
    assert_int_not_equal(verdict.refusal, PROTO_REFUSE_NONE);
}

/* Puts raw bytes in place of a field's value; decoding must fail with `rc` (0: any code). */
static void check_replaced(struct bench *bench, const struct schema_row *row, size_t field, const void *raw,
                           size_t size, int rc)
{
    size_t body_size = 0;
    const uint8_t *body = body_of(bench, &body_size);
    buf_clear(&bench->other);
    body_replace(body, body_size, 1 + field, raw, size, &bench->other);
    check_refused(bench, row, row->fields[field].name, rc);
}

static void a_value_of_another_type_is_refused(void **state)
{
    struct bench *bench = *state;
    static const struct {
        const char *raw;
        size_t size;
        unsigned fits; /* bit per schema_kind that may be sent like this */
    } values[] = {
        {"\xc0", 1, 0},
        {"\xc3", 1, 0},
        {"\x01", 1, 1u << SCHEMA_UINT},
        {"\xca\x3f\x00\x00\x00", 5, 0},
        {"\xcb\x3f\xe0\x00\x00\x00\x00\x00\x00", 9, 1u << SCHEMA_REAL},
        {"\xa1x", 2, 1u << SCHEMA_TEXT},
        {"\xc4\x01x", 3, 1u << SCHEMA_BYTES | 1u << SCHEMA_UINT_LIST | 1u << SCHEMA_REAL_LIST},
        {"\x91\x01", 2, 0},
        {"\x81\x01\x01", 3, 0},
        {"\xd4\x01\x01", 3, 0},
    };
    FOR_EACH_ROW(row)
    {
        encode_sample(bench, row, SAMPLE_RANDOM, 1);
        for (size_t i = 0; i < row->field_count; i++)
            for (size_t j = 0; j < sizeof values / sizeof *values; j++)
                if ((values[j].fits & 1u << row->fields[i].kind) == 0)
                    check_replaced(bench, row, i, values[j].raw, values[j].size, ERR_TYPE);
    }
}

static size_t pack_uint64(uint64_t value, uint8_t raw[static 9])
{
    raw[0] = 0xcf;
    for (size_t i = 0; i < 8; i++)
        raw[1 + i] = (uint8_t) (value >> (56 - 8 * i));
    return 9;
}

static size_t pack_real(double value, uint8_t raw[static 9])
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    (void) pack_uint64(bits, raw); /* the size is known */
    raw[0] = 0xcb;
    return 9;
}

static void an_integer_out_of_range_is_refused(void **state)
{
    struct bench *bench = *state;
    uint8_t raw[9];
    FOR_EACH_ROW(row)
    {
        encode_sample(bench, row, SAMPLE_RANDOM, 2);
        for (size_t i = 0; i < row->field_count; i++) {
            const struct schema_field *field = &row->fields[i];
            if (field->kind != SCHEMA_UINT)
                continue;
            check_replaced(bench, row, i, "\xff", 1, ERR_RANGE);
            check_replaced(bench, row, i, "\xd3\x80\x00\x00\x00\x00\x00\x00\x00", 9, ERR_RANGE);
            if (field->high < UINT64_MAX)
                check_replaced(bench, row, i, raw, pack_uint64(field->high + 1, raw), ERR_RANGE);
            if (field->low > 0)
                check_replaced(bench, row, i, raw, pack_uint64(field->low - 1, raw), ERR_RANGE);
        }
    }
}

static void a_real_out_of_range_or_not_finite_is_refused(void **state)
{
    struct bench *bench = *state;
    uint8_t raw[9];
    FOR_EACH_ROW(row)
    {
        encode_sample(bench, row, SAMPLE_RANDOM, 3);
        for (size_t i = 0; i < row->field_count; i++) {
            const struct schema_field *field = &row->fields[i];
            if (field->kind != SCHEMA_REAL)
                continue;
            const double wrong[] = {(double) NAN,
                                    -(double) NAN,
                                    (double) INFINITY,
                                    -(double) INFINITY,
                                    nextafter(field->real_high, DBL_MAX),
                                    nextafter(field->real_low, -DBL_MAX)};
            for (size_t j = 0; j < sizeof wrong / sizeof *wrong; j++)
                check_replaced(bench, row, i, raw, pack_real(wrong[j], raw), ERR_RANGE);
        }
    }
}

/* A list of one element that is just outside, as it travels: bin 8, little-endian. */
static size_t pack_list(const struct schema_field *field, uint8_t raw[static 10])
{
    size_t width = field->kind == SCHEMA_UINT_LIST ? 4 : 8;
    uint64_t bits = field->high + 1;
    double real = nextafter(field->real_high, DBL_MAX);
    if (field->kind == SCHEMA_REAL_LIST)
        memcpy(&bits, &real, sizeof bits);
    raw[0] = 0xc4;
    raw[1] = (uint8_t) width;
    for (size_t i = 0; i < width; i++)
        raw[2 + i] = (uint8_t) (bits >> (8 * i));
    return 2 + width;
}

static void an_element_out_of_range_or_half_an_element_is_refused(void **state)
{
    struct bench *bench = *state;
    uint8_t raw[10];
    FOR_EACH_ROW(row)
    {
        encode_sample(bench, row, SAMPLE_RANDOM, 4);
        for (size_t i = 0; i < row->field_count; i++) {
            const struct schema_field *field = &row->fields[i];
            if (field->kind != SCHEMA_UINT_LIST && field->kind != SCHEMA_REAL_LIST)
                continue;
            bool any_fits = field->kind == SCHEMA_UINT_LIST && field->low == 0 && field->high == UINT32_MAX;
            if (!any_fits)
                check_replaced(bench, row, i, raw, pack_list(field, raw), ERR_RANGE);
            check_replaced(bench, row, i, "\xc4\x03xyz", 5, ERR_SYNTAX);
            if (field->kind == SCHEMA_REAL_LIST)
                check_replaced(bench, row, i, "\xc4\x08\x00\x00\x00\x00\x00\x00\xf8\x7f", 10, ERR_RANGE);
        }
    }
}

/* One element, or one byte, more than the row allows. */
static size_t too_long(const struct schema_field *field, struct buf *raw)
{
    size_t width = field->kind == SCHEMA_UINT_LIST ? 4 : field->kind == SCHEMA_REAL_LIST ? 8 : 1;
    size_t size = ((size_t) field->limit + 1) * width;
    uint8_t head[] = {field->kind == SCHEMA_TEXT ? 0xdb : 0xc6, (uint8_t) (size >> 24),
                      (uint8_t) (size >> 16), (uint8_t) (size >> 8), (uint8_t) size};
    buf_clear(raw);
    assert_int_equal(buf_push(raw, head, sizeof head), 0);
    assert_int_equal(buf_reserve(raw, size), 0);
    memset(raw->data + raw->size, 'x', size);
    raw->size += size;
    return raw->size;
}

static void one_byte_or_element_too_many_is_refused(void **state)
{
    struct bench *bench = *state;
    struct buf raw = {0};
    FOR_EACH_ROW(row)
    {
        encode_sample(bench, row, SAMPLE_LEAST, 5);
        for (size_t i = 0; i < row->field_count; i++)
            if (row->fields[i].limit > 0) {
                size_t size = too_long(&row->fields[i], &raw);
                check_replaced(bench, row, i, raw.data, size, ERR_RANGE);
            }
    }
    buf_finish(&raw);
}

static void text_that_is_not_utf_8_is_refused(void **state)
{
    struct bench *bench = *state;
    static const char *const wrong[] = {"\xa2x\x80",        "\xa2\xc3(",        "\xa1\xc3",
                                        "\xa2\xc0\xaf",     "\xa3\xed\xa0\x80", "\xa4\xf4\x90\x80\x80",
                                        "\xa3\xe0\x80\x80", "\xa1\xff",         "\xa4\xf0\x80\x80\x80"};
    const struct schema_row *row = schema_row(PROTO_REFUSE);
    encode_sample(bench, row, SAMPLE_LEAST, 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        check_replaced(bench, row, 1, wrong[i], strlen(wrong[i]), ERR_SYNTAX);
    check_replaced(bench, row, 1, "\xa1\x00", 2, ERR_SYNTAX);

    const char fine[] = "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80";
    struct proto_message message = {.id = PROTO_REFUSE, .refuse = {.text = {fine, sizeof fine - 1}}};
    bench->message = message;
    buf_clear(&bench->frame);
    assert_int_equal(proto_encode(&message, &bench->frame, NULL), 0);
    check_round_trip(bench, row);
}

static void a_message_cut_at_any_byte_is_refused(void **state)
{
    struct bench *bench = *state;
    FOR_EACH_ROW(row)
    {
        for (uint64_t seed = 0; seed < 3; seed++) {
            encode_sample(bench, row, SAMPLE_RANDOM, seed);
            size_t size = 0;
            const uint8_t *body = body_of(bench, &size);
            for (size_t cut = 0; cut < size; cut++) {
                struct verdict verdict = fence_decode(&bench->fence, body, cut);
                assert_int_not_equal(verdict.rc, 0);
                assert_int_equal(verdict.refusal, PROTO_REFUSE_MALFORMED);
                assert_int_equal(verdict.message.id, 0); /* nothing was written */
            }
        }
    }
}

static void a_missing_field_is_refused_by_name(void **state)
{
    struct bench *bench = *state;
    FOR_EACH_ROW(row)
    {
        if (row->field_count == 0)
            continue;
        encode_sample(bench, row, SAMPLE_RANDOM, 6);
        size_t size = 0;
        const uint8_t *body = body_of(bench, &size);
        buf_clear(&bench->other);
        body_shorten(body, size, &bench->other);
        check_refused(bench, row, "a missing field", ERR_TRUNCATED);
        struct verdict verdict = fence_decode(&bench->fence, bench->other.data, bench->other.size);
        assert_non_null(strstr(verdict.diag.text, row->fields[row->field_count - 1].name));
    }
}

static void fields_that_a_newer_peer_appended_are_skipped(void **state)
{
    struct bench *bench = *state;
    static const char extra[] =
        "\x01\xa3new\xcb\x3f\xe0\x00\x00\x00\x00\x00\x00\x92\x01\x81\xa1k\xc0\xc7\x02\x05xy";
    FOR_EACH_ROW(row)
    {
        encode_sample(bench, row, SAMPLE_RANDOM, 7);
        size_t size = 0;
        const uint8_t *body = body_of(bench, &size);
        buf_clear(&bench->other);
        body_extend(body, size, 5, extra, sizeof extra - 1, &bench->other);
        struct verdict verdict = fence_decode(&bench->fence, bench->other.data, bench->other.size);
        assert_int_equal(verdict.rc, 0);
        assert_true(sample_equal(&bench->message, &verdict.message, NULL));
        for (size_t cut = 1; cut < sizeof extra; cut++) {
            verdict = fence_decode(&bench->fence, bench->other.data, bench->other.size - cut);
            assert_int_not_equal(verdict.rc, 0);
        }
    }
}

static void bytes_behind_the_last_field_are_refused(void **state)
{
    struct bench *bench = *state;
    FOR_EACH_ROW(row)
    {
        encode_sample(bench, row, SAMPLE_RANDOM, 8);
        size_t size = 0;
        const uint8_t *body = body_of(bench, &size);
        buf_clear(&bench->other);
        assert_int_equal(buf_push(&bench->other, body, size), 0);
        assert_int_equal(buf_push(&bench->other, "\x01\x02", 2), 0);
        check_refused(bench, row, "stray bytes", ERR_SYNTAX);
        struct verdict verdict = fence_decode(&bench->fence, bench->other.data, bench->other.size);
        assert_non_null(strstr(verdict.diag.text, ": 2 stray bytes"));
    }
}

static void appended_fields_may_nest_only_so_deep(void **state)
{
    struct bench *bench = *state;
    static const uint8_t deep[] = {0x92, 0x06, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0xc0};
    struct verdict verdict = fence_decode(&bench->fence, deep, sizeof deep);
    assert_int_equal(verdict.rc, ERR_TOO_BIG);
    assert_int_equal(verdict.refusal, PROTO_REFUSE_MALFORMED);

    uint8_t fine[sizeof deep];
    memcpy(fine, deep, sizeof deep);
    fine[sizeof fine - 2] = 0xc0;
    verdict = fence_decode(&bench->fence, fine, sizeof fine - 1);
    assert_int_equal(verdict.rc, 0);

    uint8_t bottomless[4096];
    memset(bottomless, 0x91, sizeof bottomless);
    bottomless[0] = 0x92;
    bottomless[1] = 0x06;
    verdict = fence_decode(&bench->fence, bottomless, sizeof bottomless);
    assert_int_equal(verdict.rc, ERR_TOO_BIG);
}

static void declared_counts_are_not_believed(void **state)
{
    struct bench *bench = *state;
    static const struct {
        const char *bytes;
        size_t size;
    } bombs[] = {
        {"\xdd\xff\xff\xff\xff", 5},                 /* an array of four billion */
        {"\xdc\xff\xff\x06", 4},                     /* of 65535, one of them there */
        {"\x92\x06\xdd\xff\xff\xff\xff", 7},         /* an appended one */
        {"\x92\x06\xdf\xff\xff\xff\xff", 7},         /* an appended map */
        {"\x92\x06\xc6\xff\xff\xff\xff", 7},         /* appended bytes */
        {"\x92\x06\xdb\xff\xff\xff\xff", 7},         /* appended text */
        {"\x92\x06\xc9\xff\xff\xff\xff\x01", 8},     /* appended extension */
        {"\x94\x12\x07\xc6\xff\xff\xff\xff", 8},     /* ALLOT's devices */
        {"\x93\x08\x01\xdb\xff\xff\xff\xff", 8},     /* REFUSE's text */
        {"\x93\x08\x01\xda\xff", 5},                 /* a length that is cut itself */
        {"\x94\x12\x07\xc6\x00\x00\x00\x08\x01", 9}, /* two devices, one byte there */
    };
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
        struct verdict verdict = fence_decode(&bench->fence, bombs[i].bytes, bombs[i].size);
        assert_int_equal(verdict.rc, ERR_TRUNCATED);
        assert_int_equal(verdict.refusal, PROTO_REFUSE_MALFORMED);
        assert_int_equal(verdict.scratch_capacity, 0);
    }
}

static void what_is_no_message_is_refused(void **state)
{
    struct bench *bench = *state;
    static const struct {
        const char *bytes;
        size_t size;
        int rc;
        enum proto_refusal refusal;
    } cases[] = {
        {"", 0, ERR_TRUNCATED, PROTO_REFUSE_MALFORMED},
        {"\x90", 1, ERR_TYPE, PROTO_REFUSE_MALFORMED},
        {"\x06", 1, ERR_TYPE, PROTO_REFUSE_MALFORMED},
        {"\x80", 1, ERR_TYPE, PROTO_REFUSE_MALFORMED},
        {"\xc1", 1, ERR_SYNTAX, PROTO_REFUSE_MALFORMED},
        {"\x91\xc1", 2, ERR_SYNTAX, PROTO_REFUSE_MALFORMED},
        {"\x91\xa1x", 3, ERR_TYPE, PROTO_REFUSE_MALFORMED},
        {"\x91\x00", 2, ERR_UNKNOWN, PROTO_REFUSE_UNKNOWN_MESSAGE},
        {"\x91\x3f", 2, ERR_UNKNOWN, PROTO_REFUSE_UNKNOWN_MESSAGE},
        {"\x91\x40", 2, ERR_UNKNOWN, PROTO_REFUSE_UNKNOWN_MESSAGE},
        {"\x91\xff", 2, ERR_UNKNOWN, PROTO_REFUSE_UNKNOWN_MESSAGE},
        {"\x91\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 10, ERR_UNKNOWN, PROTO_REFUSE_UNKNOWN_MESSAGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct verdict verdict = fence_decode(&bench->fence, cases[i].bytes, cases[i].size);
        assert_int_equal(verdict.rc, cases[i].rc);
        assert_int_equal(verdict.refusal, cases[i].refusal);
    }
    uint8_t *large = calloc(1, PROTO_BODY_MAX + 1);
    assert_non_null(large);
    large[0] = 0x91;
    struct verdict verdict = fence_decode(&bench->fence, large, PROTO_BODY_MAX + 1);
    assert_int_equal(verdict.rc, ERR_TOO_BIG);
    assert_int_equal(verdict.refusal, PROTO_REFUSE_TOO_BIG);
    free(large);
}

static void numbers_in_a_wider_form_than_needed_are_understood(void **state)
{
    struct bench *bench = *state;
    static const char *const one[] = {"\x93\x16\xcc\x01\xcd\x00\x02", "\x93\x16\xd0\x01\xd1\x00\x02",
                                      "\xdc\x00\x03\xcc\x16\x01\x02"};
    static const size_t sizes[] = {7, 7, 7};
    for (size_t i = 0; i < sizeof one / sizeof *one; i++) {
        struct verdict verdict = fence_decode(&bench->fence, one[i], sizes[i]);
        assert_int_equal(verdict.rc, 0);
        assert_int_equal(verdict.message.revoke.device, 1);
        assert_int_equal(verdict.message.revoke.round, 2);
    }
}

static void check_print(const struct proto_message *message, const char *wanted)
{
    struct buf text = {0};
    assert_int_equal(proto_print(message, &text), 0);
    assert_string_equal((const char *) text.data, wanted);
    assert_int_equal(text.size, strlen(wanted));
    buf_finish(&text);
}

static void a_message_prints_as_one_short_line(void **state)
{
    (void) state;
    struct proto_message ready = {.id = PROTO_READY};
    check_print(&ready, "READY");

    const uint32_t devices[] = {0, 1, 2, 3, 4};
    const double shares[] = {0.25, 1};
    struct proto_message allot = {
        .id = PROTO_ALLOT, .allot = {.round = 7, .device = {devices, 5}, .compute_share = {shares, 2}}};
    check_print(
        &allot,
        "ALLOT round=7 device=[0,1,2,3,...](5) compute_share=[0.25,1] phase=0 episode=0 slot=0 task=[] "
        "tokens=[] split=[] arrival_s=[]");

    struct proto_message refuse = {.id = PROTO_REFUSE, .refuse = {.reason = 3, .text = {"a \"b\"\n", 6}}};
    check_print(&refuse, "REFUSE reason=3 text=\"a \\x22b\\x22\\x0a\"");
    refuse.refuse.text = (struct proto_text){"0123456789012345678901234567890123456789", 40};
    check_print(&refuse, "REFUSE reason=3 text=\"01234567890123456789012345678901...\"(40)");

    struct buf text = {0};
    struct proto_message unknown = {.id = (enum proto_id) 0x3e};
    assert_int_equal(proto_print(&unknown, &text), ERR_UNKNOWN);
    buf_finish(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_a_name_a_direction_and_a_meaning),
        cmocka_unit_test(every_refusal_has_a_text),
        cmocka_unit_test(every_message_survives_the_trip_with_its_lowest_values),
        cmocka_unit_test(every_message_survives_the_trip_with_its_highest_values),
        cmocka_unit_test(every_message_survives_the_trip_with_any_values),
        cmocka_unit_test(the_largest_message_stays_below_the_frame_limit),
        cmocka_unit_test(the_bytes_on_the_wire_are_the_documented_ones),
        cmocka_unit_test(a_message_outside_the_schema_is_not_encoded),
        cmocka_unit_test(a_value_of_another_type_is_refused),
        cmocka_unit_test(an_integer_out_of_range_is_refused),
        cmocka_unit_test(a_real_out_of_range_or_not_finite_is_refused),
        cmocka_unit_test(an_element_out_of_range_or_half_an_element_is_refused),
        cmocka_unit_test(one_byte_or_element_too_many_is_refused),
        cmocka_unit_test(text_that_is_not_utf_8_is_refused),
        cmocka_unit_test(a_message_cut_at_any_byte_is_refused),
        cmocka_unit_test(a_missing_field_is_refused_by_name),
        cmocka_unit_test(fields_that_a_newer_peer_appended_are_skipped),
        cmocka_unit_test(bytes_behind_the_last_field_are_refused),
        cmocka_unit_test(appended_fields_may_nest_only_so_deep),
        cmocka_unit_test(declared_counts_are_not_believed),
        cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(numbers_in_a_wider_form_than_needed_are_understood),
        cmocka_unit_test(a_message_prints_as_one_short_line),
    };
    struct CMUnitTest with_bench[sizeof tests / sizeof *tests];
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        with_bench[i] = tests[i];
        with_bench[i].setup_func = set_up;
        with_bench[i].teardown_func = tear_down;
    }
    return cmocka_run_group_tests_name("codec", with_bench, NULL, NULL);
}
