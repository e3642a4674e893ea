/* The keys and values of a GGUF file. Source: github.com/ggml-org/ggml, docs/gguf.md. */
#ifndef HANDOFF_CORE_WEIGHTS_GGUF_INTERNAL_H
#define HANDOFF_CORE_WEIGHTS_GGUF_INTERNAL_H

#include "core/weights/weights_internal.h"

/* Types of values; the file's numbers. */
enum gguf_type {
    GGUF_U8 = 0,
    GGUF_I8 = 1,
    GGUF_U16 = 2,
    GGUF_I16 = 3,
    GGUF_U32 = 4,
    GGUF_I32 = 5,
    GGUF_F32 = 6,
    GGUF_BOOL = 7,
    GGUF_STRING = 8,
    GGUF_ARRAY = 9,
    GGUF_U64 = 10,
    GGUF_I64 = 11,
    GGUF_F64 = 12,
};
#define GGUF_TYPES 13

struct gguf_value {
    const char *key; /* [key_size]; borrowed from the file, like the rest */
    uint32_t key_size;
    enum gguf_type type;
    enum gguf_type element; /* of an array, else the type */
    const uint8_t *at;      /* the number; the string behind its length; the first element */
    uint64_t count;         /* a string's bytes, an array's elements, else 1 */
    uint64_t bytes;         /* from `at` on; an array's strings bring their lengths */
};

/* Sorted by key, each once. */
struct gguf {
    struct gguf_value *value; /* [count]; owned */
    size_t count, capacity;
};

/* A string in the file. */
struct gguf_text {
    const char *at; /* [size]; borrowed */
    uint64_t size;
};

/* Reads the header, keys and values. `ret_used`: the bytes that they take; `ret_tensors`: how many tensors follow.
 * Every length is checked. */
int gguf_read(const struct mapping *file, struct gguf **ret_gguf, uint64_t *ret_used, uint64_t *ret_tensors,
              struct diag *diag);
void gguf_close(struct gguf *gguf);

/* NULL: not there. */
const struct gguf_value *gguf_find(const struct gguf *gguf, const char *key);

/* A whole number from 0 on, of any integer type. `missing`: in place of a key that is absent; UINT64_MAX: then it is
 * ERR_NOT_FOUND. */
int gguf_whole(const struct gguf *gguf, const char *key, uint64_t missing, uint64_t *ret_value,
               struct diag *diag);
/* `missing` NaN: an absent key is ERR_NOT_FOUND. */
int gguf_real(const struct gguf *gguf, const char *key, double missing, double *ret_value, struct diag *diag);
int gguf_bool(const struct gguf *gguf, const char *key, bool missing, bool *ret_value, struct diag *diag);
/* An absent key gives a text of NULL. */
int gguf_string(const struct gguf *gguf, const char *key, struct gguf_text *ret_text, struct diag *diag);

/* An array of that type of elements, or ERR_NOT_FOUND. */
int gguf_array(const struct gguf *gguf, const char *key, enum gguf_type element,
               const struct gguf_value **ret_array, struct diag *diag);

/* The string at *at in an array of strings, whose lengths gguf_read has checked; *at goes on to the next. */
struct gguf_text gguf_next_string(const uint8_t **at);

bool gguf_equals(struct gguf_text text, const char *word);

/* What is left of the file behind a place. Takes bytes from the front, or says that there are too few. */
struct gguf_cursor {
    const uint8_t *at;
    uint64_t left;
};
int gguf_take(struct gguf_cursor *cursor, uint64_t bytes, const uint8_t **ret_at, struct diag *diag);
int gguf_take_u32(struct gguf_cursor *cursor, uint32_t *ret_value, struct diag *diag);
int gguf_take_u64(struct gguf_cursor *cursor, uint64_t *ret_value, struct diag *diag);
int gguf_take_string(struct gguf_cursor *cursor, struct gguf_text *ret_text, struct diag *diag);

#endif
