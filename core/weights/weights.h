/* Model files of others and of ours, read-only: the shape of a LLaMA-like decoder, and where its tensors lie.
 *
 * | kind        | what is opened                                                             | rotary layout |
 * |-------------|----------------------------------------------------------------------------|---------------|
 * | llama2.c    | one file: seven int32 and float32 tensors                                  | interleaved   |
 * | safetensors | a folder or its model.safetensors (or the index of several), config.json   | half-split    |
 * | GGUF, llama | one file, versions 2 and 3; architecture llama                             | interleaved   |
 * | GGUF, qwen2 | the same; architecture qwen2                                               | half-split    |
 *
 * The kind is recognised from the content, not from the name. Files are not trusted. Lengths, counts, offsets
 * and names are checked before anything is read at them, each tensor's shape is compared with the model's
 * geometry, and what is not LLaMA-shaped is refused by name. Which values the tensors hold is not checked: there
 * may be infinities and NaNs among them.
 *
 * The files are mapped, so a process holds in memory only the layers that it reads. A file that becomes shorter
 * while it is mapped ends the process with SIGBUS: replace a model file by rename, never in place. Only
 * little-endian processors are supported.
 *
 * Sources: github.com/karpathy/llama2.c (run.c), github.com/huggingface/safetensors (README), and
 * github.com/ggml-org/ggml (docs/gguf.md). */
#ifndef HANDOFF_CORE_WEIGHTS_WEIGHTS_H
#define HANDOFF_CORE_WEIGHTS_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"

/* Bounds of what is opened. The largest published models of this shape stay well below. */
#define WEIGHTS_LAYERS_MAX 1024u
#define WEIGHTS_HIDDEN_MAX 65536u
#define WEIGHTS_HEADS_MAX 1024u
#define WEIGHTS_HEAD_SIZE_MAX 1024u
#define WEIGHTS_FF_MAX 1048576u
#define WEIGHTS_VOCAB_MAX 1048576u
#define WEIGHTS_CONTEXT_MAX 16777216u

#define WEIGHTS_HASH_SIZE 32

/* Which elements of a head's query or key turn together, at frequency j of head_size / 2. */
enum weights_rotary {
    WEIGHTS_INTERLEAVED, /* 2 j and 2 j + 1 */
    WEIGHTS_HALF_SPLIT,  /* j and j + head_size / 2 */
};

struct weights_geometry {
    uint32_t layers;
    uint32_t hidden;    /* the width of the residual stream */
    uint32_t heads;     /* of queries */
    uint32_t kv_heads;  /* of keys and values; divides heads */
    uint32_t head_size; /* even; heads * head_size may differ from hidden */
    uint32_t ff;        /* the inner width of the feed-forward part (SwiGLU) */
    uint32_t vocab;
    uint32_t context;   /* tokens, at most a sliding window, within which attention is the same */
    float norm_epsilon; /* of RMS norms: x / sqrt(mean(x^2) + norm_epsilon) * weight */
    float rope_theta;
    enum weights_rotary rotary;
    bool is_tied;      /* the embedding is the head, too */
    bool has_qkv_bias; /* queries, keys and values have biases */
    /* Frequency j is rope_theta^(-2 j / head_size) / rope_divisor[j]. NULL: all divisors are 1. They come from
     * linear scaling, from LLaMA-3's scaling, or from a table in the file. */
    const float *rope_divisor; /* [head_size / 2]; borrowed from the struct weights */
};

/* Formats of one element or of one block of a row. */
enum weights_type {
    WEIGHTS_F32,
    WEIGHTS_F16,
    WEIGHTS_BF16,
    WEIGHTS_Q8_0, /* 32 elements in 34 bytes: an F16 scale, 32 signed bytes */
    WEIGHTS_Q4_0, /* 32 elements in 18 bytes: an F16 scale, 32 nibbles less 8 */
    WEIGHTS_Q4_K, /* 256 elements in 144 bytes */
    WEIGHTS_Q6_K, /* 256 elements in 210 bytes */
};
#define WEIGHTS_TYPES 7

enum weights_role {
    WEIGHTS_EMBEDDING,        /* [vocab][hidden] */
    WEIGHTS_ATTENTION_NORM,   /* [1][hidden], per layer from here on */
    WEIGHTS_QUERY,            /* [heads * head_size][hidden] */
    WEIGHTS_KEY,              /* [kv_heads * head_size][hidden] */
    WEIGHTS_VALUE,            /* [kv_heads * head_size][hidden] */
    WEIGHTS_ATTENTION_OUTPUT, /* [hidden][heads * head_size] */
    WEIGHTS_FF_NORM,          /* [1][hidden] */
    WEIGHTS_GATE,             /* [ff][hidden] */
    WEIGHTS_UP,               /* [ff][hidden] */
    WEIGHTS_DOWN,             /* [hidden][ff] */
    WEIGHTS_QUERY_BIAS,       /* [1][heads * head_size], where has_qkv_bias */
    WEIGHTS_KEY_BIAS,         /* [1][kv_heads * head_size], where has_qkv_bias */
    WEIGHTS_VALUE_BIAS,       /* [1][kv_heads * head_size], where has_qkv_bias */
    WEIGHTS_FINAL_NORM,       /* [1][hidden], once from here on */
    WEIGHTS_HEAD,             /* [vocab][hidden]; of a tied model the embedding */
};
#define WEIGHTS_ROLES 15

/* A matrix as it lies in the file: `rows` outputs, each a row of `columns` inputs, one row behind the other. */
struct weights_tensor {
    enum weights_type type;
    uint32_t rows, columns;
    const void
        *at; /* borrowed until weights_close; perhaps not aligned: read by memcpy or weights_read_rows */
    uint64_t bytes; /* rows * weights_row_bytes */
};

struct weights;

/* Opens a model. ERR_NOT_FOUND: the folder holds none. Other errors: see the top; `diag` names the file, what
 * was found and what would be right. */
int weights_open(const char *path, struct weights **ret_weights, struct diag *diag);

/* NULL is allowed. */
void weights_close(struct weights *weights);

/* Borrowed until weights_close. */
const struct weights_geometry *weights_geometry(const struct weights *weights);

/* "llama2.c", "safetensors" or "gguf". */
const char *weights_kind(const struct weights *weights);

/* The tensor of a role, in `layer` < layers (0 for those that are there once). ERR_NOT_FOUND: a bias that the
 * model does not have; all others are there. */
int weights_find(const struct weights *weights, enum weights_role role, uint32_t layer,
                 struct weights_tensor *ret_tensor);

/* Gives the memory of a tensor's pages back, once it was copied; they are read from the file again when it is next looked
 * at. */
void weights_forget(const struct weights *weights, const struct weights_tensor *tensor);

/* A fingerprint of the files: two models with the same one compute the same. Of a model in one file it is the
 * file's SHA-256. Of a safetensors model it is the SHA-256 of the SHA-256s of config.json and of the files with
 * tensors, in byte order of their names. Reads all of the files: about 3 s for a gigabyte. `tell` may be NULL; it hears
 * how many bytes of weights_bytes were read. */
void weights_hash(const struct weights *weights, void (*tell)(void *user, uint64_t bytes), void *user,
                  uint8_t ret_hash[WEIGHTS_HASH_SIZE]);
uint64_t weights_bytes(const struct weights *weights);

/* Rows `first` to `first + count - 1` as floats, exactly: each value is the product and sum that its format
 * defines, rounded once where it is no float. */
void weights_read_rows(const struct weights_tensor *tensor, uint32_t first, uint32_t count,
                       float *ret_rows /* [count][columns] */);

/* "F32", "Q4_K" and so on. */
const char *weights_type_name(enum weights_type type);

/* How many elements a block has, and its bytes; 1 element for F32, F16 and BF16. */
uint32_t weights_block_elements(enum weights_type type);
uint32_t weights_block_bytes(enum weights_type type);

/* `columns` is a multiple of the block's elements. */
uint64_t weights_row_bytes(enum weights_type type, uint32_t columns);

/* The shape of a role's tensor. */
void weights_shape(const struct weights_geometry *geometry, enum weights_role role, uint32_t *ret_rows,
                   uint32_t *ret_columns);

/* A role's name in a safetensors file, such as "model.layers.3.self_attn.q_proj.weight". */
#define WEIGHTS_NAME_MAX 64
void weights_name(enum weights_role role, uint32_t layer, char ret_name[WEIGHTS_NAME_MAX]);

#endif
