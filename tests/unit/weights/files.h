/* Model files that tests make: small ones of every kind with the same values, and ways to damage them. */
#ifndef HANDOFF_TESTS_UNIT_WEIGHTS_FILES_H
#define HANDOFF_TESTS_UNIT_WEIGHTS_FILES_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/weights/tokenizer_internal.h"
#include "core/weights/weights_internal.h"

/* A folder of the test's own. cmocka's setup and teardown: *state is its struct files. */
struct files {
    char folder[64];
};
int files_setup(void **state);
int files_teardown(void **state);
void files_path(const struct files *files, const char *name, char ret_path[128]);
void files_write(const struct files *files, const char *name, const void *bytes, size_t size);

/* Two layers, 4 heads of 4, 2 of keys and values, a hidden size of 32 (one block of Q8_0), tied. */
struct weights_geometry files_geometry(void);

/* A tensor's values: multiples of 1/512 below 1, the same in F32 and F16. `ret_values` has room for the shape. */
void files_fill(const struct weights_geometry *geometry, enum weights_role role, uint32_t layer,
                float *ret_values);

/* Is every tensor of the model the one that files_fill makes? */
void files_assert_values(const struct weights *weights);

/* A llama2.c model. Finish with buf_finish, like all below. */
struct buf files_llama2c(const struct weights_geometry *geometry);

/* A GGUF file before it is laid out. */
struct files_key {
    char name[64];
    struct buf value; /* type and value */
};
struct files_tensor {
    char name[64];
    uint32_t type, dims;
    uint64_t ne[4]; /* the innermost first */
    uint64_t offset;
    struct buf data;
};
struct files_gguf {
    uint32_t version, alignment;
    struct files_key key[40];
    size_t keys;
    struct files_tensor tensor[40];
    size_t tensors;
};

/* A whole model of that architecture, in F32, without a tokenizer. */
struct files_gguf *files_gguf_model(const struct weights_geometry *geometry, const char *architecture);
struct buf files_gguf_bytes(const struct files_gguf *gguf);
void files_gguf_finish(struct files_gguf *gguf);
/* Sets or replaces a key. */
void files_set_u32(struct files_gguf *gguf, const char *key, uint32_t value);
void files_set_u64(struct files_gguf *gguf, const char *key, uint64_t value);
void files_set_f32(struct files_gguf *gguf, const char *key, float value);
void files_set_bool(struct files_gguf *gguf, const char *key, bool value);
void files_set_text(struct files_gguf *gguf, const char *key, const char *value);
void files_set_texts(struct files_gguf *gguf, const char *key, const char *const *value, size_t count);
void files_set_numbers(struct files_gguf *gguf, const char *key, uint32_t type, const void *value,
                       size_t count);
void files_remove_key(struct files_gguf *gguf, const char *key);
struct files_key *files_find_key(struct files_gguf *gguf, const char *key);
struct files_tensor *files_find_tensor(struct files_gguf *gguf, const char *name);
/* Lays the tensors out one behind another, at multiples of its alignment. */
void files_place(struct files_gguf *gguf);

/* Opens and expects success, or refusal with that sentence. */
struct weights *files_open(const struct buf *bytes, const char *config);
void files_assert_refused(const struct buf *bytes, const char *config, int code, const char *sentence);

#endif
