#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/weights/gguf_internal.h"

#define KEY_BYTES_MAX 65535u
#define NESTED_MAX 4u /* arrays of arrays */

/* The bytes of each type; of strings and arrays the least that they take. */
static const struct {
    uint8_t bytes;
    const char *name;
} types[GGUF_TYPES] = {
    [GGUF_U8] = {1, "u8"},           [GGUF_I8] = {1, "i8"},     [GGUF_U16] = {2, "u16"},
    [GGUF_I16] = {2, "i16"},         [GGUF_U32] = {4, "u32"},   [GGUF_I32] = {4, "i32"},
    [GGUF_F32] = {4, "f32"},         [GGUF_BOOL] = {1, "bool"}, [GGUF_STRING] = {8, "a string"},
    [GGUF_ARRAY] = {12, "an array"}, [GGUF_U64] = {8, "u64"},   [GGUF_I64] = {8, "i64"},
    [GGUF_F64] = {8, "f64"},
};

int gguf_take(struct gguf_cursor *cursor, uint64_t bytes, const uint8_t **ret_at, struct diag *diag)
{
    if (bytes > cursor->left)
        return diag_fail(diag, ERR_TRUNCATED, "ends too early: %llu bytes are left where %llu are announced",
                         (unsigned long long) cursor->left, (unsigned long long) bytes);
    *ret_at = cursor->at;
    cursor->at += bytes;
    cursor->left -= bytes;
    return 0;
}

int gguf_take_u32(struct gguf_cursor *cursor, uint32_t *ret_value, struct diag *diag)
{
    const uint8_t *at = NULL;
    int rc = gguf_take(cursor, sizeof *ret_value, &at, diag);
    if (rc == 0)
        memcpy(ret_value, at, sizeof *ret_value);
    return rc;
}

int gguf_take_u64(struct gguf_cursor *cursor, uint64_t *ret_value, struct diag *diag)
{
    const uint8_t *at = NULL;
    int rc = gguf_take(cursor, sizeof *ret_value, &at, diag);
    if (rc == 0)
        memcpy(ret_value, at, sizeof *ret_value);
    return rc;
}

int gguf_take_string(struct gguf_cursor *cursor, struct gguf_text *ret_text, struct diag *diag)
{
    const uint8_t *at = NULL;
    uint64_t size = 0;
    int rc = gguf_take_u64(cursor, &size, diag);
    rc = rc == 0 ? gguf_take(cursor, size, &at, diag) : rc;
    if (rc == 0)
        *ret_text = (struct gguf_text){(const char *) at, size};
    return rc;
}

static int take_type(struct gguf_cursor *cursor, enum gguf_type *ret_type, struct diag *diag)
{
    uint32_t number = 0;
    int rc = gguf_take_u32(cursor, &number, diag);
    if (rc == 0 && number >= GGUF_TYPES)
        rc = diag_fail(diag, ERR_UNKNOWN, "type %u; 0 to %d would be right", number, GGUF_TYPES - 1);
    if (rc == 0)
        *ret_type = (enum gguf_type) number;
    return rc;
}

static int skip_array(struct gguf_cursor *cursor, enum gguf_type element, uint64_t count, uint32_t depth,
                      struct diag *diag);

/* Goes past one element of an array that is a string or an array itself. */
static int skip_element(struct gguf_cursor *cursor, enum gguf_type type, uint32_t depth, struct diag *diag)
{
    struct gguf_text text;
    enum gguf_type element = GGUF_U8;
    uint64_t count = 0;
    if (type == GGUF_STRING)
        return gguf_take_string(cursor, &text, diag);
    if (depth == NESTED_MAX)
        return diag_fail(diag, ERR_TOO_BIG, "arrays nested more than %u deep", NESTED_MAX);
    int rc = take_type(cursor, &element, diag);
    rc = rc == 0 ? gguf_take_u64(cursor, &count, diag) : rc;
    return rc == 0 ? skip_array(cursor, element, count, depth + 1, diag) : rc;
}

static int skip_array(struct gguf_cursor *cursor, enum gguf_type element, uint64_t count, uint32_t depth,
                      struct diag *diag)
{
    const uint8_t *at = NULL;
    int rc = 0;
    if (count > cursor->left / types[element].bytes)
        return diag_fail(diag, ERR_TRUNCATED,
                         "ends too early: %llu bytes are left for an array of %llu elements",
                         (unsigned long long) cursor->left, (unsigned long long) count);
    if (element != GGUF_STRING && element != GGUF_ARRAY)
        return gguf_take(cursor, count * types[element].bytes, &at, diag);
    for (uint64_t i = 0; rc == 0 && i < count; i++)
        rc = skip_element(cursor, element, depth, diag);
    return rc;
}

static int take_value(struct gguf_cursor *cursor, struct gguf_value *value, struct diag *diag)
{
    struct gguf_text text;
    int rc = take_type(cursor, &value->type, diag);
    value->element = value->type;
    value->count = 1;
    if (rc == 0 && value->type == GGUF_STRING) {
        rc = gguf_take_string(cursor, &text, diag);
        if (rc == 0)
            value->at = (const uint8_t *) text.at, value->count = value->bytes = text.size;
        return rc;
    }
    if (rc == 0 && value->type == GGUF_ARRAY) {
        rc = take_type(cursor, &value->element, diag);
        rc = rc == 0 ? gguf_take_u64(cursor, &value->count, diag) : rc;
    }
    value->at = cursor->at;
    rc = rc == 0 ? skip_array(cursor, value->element, value->count, 1, diag) : rc;
    if (rc == 0)
        value->bytes = (uint64_t) (cursor->at - value->at);
    return rc;
}

static int take_pair(struct gguf_cursor *cursor, struct gguf_value *ret_value, struct diag *diag)
{
    struct gguf_text key = {0};
    struct gguf_value value = {0};
    int rc = gguf_take_string(cursor, &key, diag);
    if (rc == 0 && (key.size == 0 || key.size > KEY_BYTES_MAX))
        rc = diag_fail(diag, ERR_RANGE, "a key of %llu bytes; 1 to %u would be right",
                       (unsigned long long) key.size, KEY_BYTES_MAX);
    if (rc != 0)
        return rc;
    value.key = key.at;
    value.key_size = (uint32_t) key.size;
    rc = take_value(cursor, &value, diag);
    if (rc != 0) {
        diag_prefix(diag, "%.*s", (int) (key.size < 200 ? key.size : 200), key.at);
        return rc;
    }
    *ret_value = value;
    return 0;
}

static int by_key(const void *a, const void *b)
{
    const struct gguf_value *one = a, *other = b;
    uint32_t common = one->key_size < other->key_size ? one->key_size : other->key_size;
    int order = memcmp(one->key, other->key, common);
    return order != 0 ? order : (one->key_size > other->key_size) - (one->key_size < other->key_size);
}

static int sort_values(struct gguf *gguf, struct diag *diag)
{
    if (gguf->count > 0)
        qsort(gguf->value, gguf->count, sizeof *gguf->value, by_key);
    for (size_t i = 1; i < gguf->count; i++)
        if (by_key(&gguf->value[i - 1], &gguf->value[i]) == 0)
            return diag_fail(diag, ERR_DUPLICATE, "key %.*s is there twice", (int) gguf->value[i].key_size,
                             gguf->value[i].key);
    return 0;
}

static int take_values(struct gguf_cursor *cursor, uint64_t count, struct gguf *gguf, struct diag *diag)
{
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && i < count; i++) { /* each takes bytes of the file */
        rc = array_reserve(&gguf->value, &gguf->capacity, gguf->count + 1);
        rc = rc == 0 ? take_pair(cursor, &gguf->value[gguf->count], diag) : rc;
        if (rc == 0)
            gguf->count++;
    }
    return rc == 0 ? sort_values(gguf, diag) : rc;
}

static int take_header(struct gguf_cursor *cursor, uint64_t *ret_tensors, uint64_t *ret_values,
                       struct diag *diag)
{
    uint32_t magic = 0, version = 0;
    int rc = gguf_take_u32(cursor, &magic, diag);
    rc = rc == 0 ? gguf_take_u32(cursor, &version, diag) : rc;
    if (rc == 0 && version >= 1u << 24)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "is a big-endian GGUF file; a little-endian one would be right");
    if (rc == 0 && version != 2 && version != 3)
        return diag_fail(diag, ERR_VERSION, "is GGUF version %u; 2 or 3 would be right", version);
    rc = rc == 0 ? gguf_take_u64(cursor, ret_tensors, diag) : rc;
    return rc == 0 ? gguf_take_u64(cursor, ret_values, diag) : rc;
}

int gguf_read(const struct mapping *file, struct gguf **ret_gguf, uint64_t *ret_used, uint64_t *ret_tensors,
              struct diag *diag)
{
    struct gguf_cursor cursor = {file->at, file->size};
    uint64_t tensors = 0, values = 0;
    struct gguf *gguf = calloc(1, sizeof *gguf);
    int rc = gguf != NULL ? take_header(&cursor, &tensors, &values, diag) : -ENOMEM;
    rc = rc == 0 ? take_values(&cursor, values, gguf, diag) : rc;
    if (rc != 0) {
        gguf_close(gguf);
        return rc;
    }
    *ret_gguf = gguf;
    *ret_used = file->size - cursor.left;
    *ret_tensors = tensors;
    return 0;
}

void gguf_close(struct gguf *gguf)
{
    if (gguf == NULL)
        return;
    free(gguf->value);
    free(gguf);
}

const struct gguf_value *gguf_find(const struct gguf *gguf, const char *key)
{
    const struct gguf_value wanted = {.key = key, .key_size = (uint32_t) strlen(key)};
    return gguf->count > 0 ? bsearch(&wanted, gguf->value, gguf->count, sizeof wanted, by_key) : NULL;
}

static int fail_missing(const char *key, struct diag *diag)
{
    return diag_fail(diag, ERR_NOT_FOUND, "%s is missing", key);
}

static int fail_type(const char *key, const struct gguf_value *value, const char *right, struct diag *diag)
{
    return diag_fail(diag, ERR_TYPE, "%s is %s; %s would be right", key, types[value->type].name, right);
}

/* A signed number of that many bytes. */
static int64_t signed_at(const uint8_t *at, uint32_t bytes)
{
    int8_t i8 = 0;
    int16_t i16 = 0;
    int32_t i32 = 0;
    int64_t i64 = 0;
    switch (bytes) {
    case 1: memcpy(&i8, at, 1); return i8;
    case 2: memcpy(&i16, at, 2); return i16;
    case 4: memcpy(&i32, at, 4); return i32;
    default: memcpy(&i64, at, 8); return i64;
    }
}

int gguf_whole(const struct gguf *gguf, const char *key, uint64_t missing, uint64_t *ret_value,
               struct diag *diag)
{
    const struct gguf_value *value = gguf_find(gguf, key);
    uint64_t number = missing;
    if (value == NULL && missing == UINT64_MAX)
        return fail_missing(key, diag);
    if (value != NULL) {
        enum gguf_type type = value->type;
        bool is_signed = type == GGUF_I8 || type == GGUF_I16 || type == GGUF_I32 || type == GGUF_I64;
        bool is_whole =
            is_signed || type == GGUF_U8 || type == GGUF_U16 || type == GGUF_U32 || type == GGUF_U64;
        if (!is_whole)
            return fail_type(key, value, "a whole number", diag);
        number = 0;
        memcpy(&number, value->at, types[type].bytes);
        if (is_signed && signed_at(value->at, types[type].bytes) < 0)
            return diag_fail(diag, ERR_RANGE, "%s is negative; a number from 0 on would be right", key);
    }
    *ret_value = number;
    return 0;
}

int gguf_real(const struct gguf *gguf, const char *key, double missing, double *ret_value, struct diag *diag)
{
    const struct gguf_value *value = gguf_find(gguf, key);
    float single = 0.0f;
    if (value == NULL && isnan(missing))
        return fail_missing(key, diag);
    if (value == NULL) {
        *ret_value = missing;
    } else if (value->type == GGUF_F32) {
        memcpy(&single, value->at, sizeof single);
        *ret_value = (double) single;
    } else if (value->type == GGUF_F64) {
        memcpy(ret_value, value->at, sizeof *ret_value);
    } else {
        return fail_type(key, value, "f32", diag);
    }
    return 0;
}

int gguf_bool(const struct gguf *gguf, const char *key, bool missing, bool *ret_value, struct diag *diag)
{
    const struct gguf_value *value = gguf_find(gguf, key);
    if (value != NULL && value->type != GGUF_BOOL)
        return fail_type(key, value, "bool", diag);
    if (value != NULL && value->at[0] > 1)
        return diag_fail(diag, ERR_RANGE, "%s is %u; 0 or 1 would be right", key, value->at[0]);
    *ret_value = value != NULL ? value->at[0] == 1 : missing;
    return 0;
}

int gguf_string(const struct gguf *gguf, const char *key, struct gguf_text *ret_text, struct diag *diag)
{
    const struct gguf_value *value = gguf_find(gguf, key);
    if (value != NULL && value->type != GGUF_STRING)
        return fail_type(key, value, "a string", diag);
    *ret_text =
        value != NULL ? (struct gguf_text){(const char *) value->at, value->count} : (struct gguf_text){0};
    return 0;
}

int gguf_array(const struct gguf *gguf, const char *key, enum gguf_type element,
               const struct gguf_value **ret_array, struct diag *diag)
{
    const struct gguf_value *value = gguf_find(gguf, key);
    if (value == NULL)
        return fail_missing(key, diag);
    if (value->type != GGUF_ARRAY || value->element != element)
        return diag_fail(diag, ERR_TYPE, "%s is %s%s; an array of %s would be right", key,
                         value->type == GGUF_ARRAY ? "an array of " : "", types[value->element].name,
                         types[element].name);
    *ret_array = value;
    return 0;
}

struct gguf_text gguf_next_string(const uint8_t **at)
{
    struct gguf_text text = {.at = (const char *) *at + sizeof text.size};
    memcpy(&text.size, *at, sizeof text.size);
    *at += sizeof text.size + text.size;
    return text;
}

bool gguf_equals(struct gguf_text text, const char *word)
{
    return text.at != NULL && text.size == strlen(word) && memcmp(text.at, word, text.size) == 0;
}
