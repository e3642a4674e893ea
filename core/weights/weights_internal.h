/* What the readers of the kinds of model files share. */
#ifndef HANDOFF_CORE_WEIGHTS_WEIGHTS_INTERNAL_H
#define HANDOFF_CORE_WEIGHTS_WEIGHTS_INTERNAL_H

#include "core/weights/mapping_internal.h"
#include "core/weights/weights.h"

struct gguf;

enum weights_kind {
    WEIGHTS_KIND_LLAMA2C,
    WEIGHTS_KIND_SAFETENSORS,
    WEIGHTS_KIND_GGUF,
};

#define WEIGHTS_DIMS_MAX 4

/* A tensor as a file names and places it. The name is not ended by a zero byte. */
struct weights_entry {
    const char *name; /* [name_size]; borrowed */
    uint32_t name_size;
    enum weights_type type;
    uint32_t dims;
    uint64_t shape[WEIGHTS_DIMS_MAX]; /* [dims]; the last is the one of a row's elements */
    const uint8_t *at;                /* borrowed from the mapped file */
    uint64_t bytes;
    bool is_used;
};

/* All tensors of a model. Owned. */
struct weights_entries {
    struct weights_entry *entry; /* [count] */
    size_t count, capacity;
};

/* What a model says of its special tokens; UINT32_MAX: nothing. */
struct weights_tokens {
    uint32_t begin, end;
    bool wants_begin; /* of a safetensors model its tokenizer.json says so */
};

struct weights {
    enum weights_kind kind;
    struct weights_geometry geometry;
    float *rope_divisor; /* [head_size / 2] or NULL; owned */
    struct weights_tokens tokens;
    char *folder;         /* where the model lies, ended by a slash if not empty; owned */
    struct mapping *file; /* [files], in byte order of their names; owned */
    size_t files;
    uint8_t config_hash[WEIGHTS_HASH_SIZE]; /* of a safetensors model */
    struct gguf *gguf;                      /* of a GGUF model; owned */
    struct weights_tensor *tensor;          /* [weights_index(layers, first role of a layer)]; owned */
};

/* Opens a model that lies in memory, as one file would. `config`: the text of config.json, for a safetensors model.
 * `bytes` is borrowed until weights_close. */
int weights_open_bytes(const void *bytes, uint64_t size, const char *config, struct weights **ret_weights,
                       struct diag *diag);

/* Where a role's tensor stands in `tensor`. */
size_t weights_index(enum weights_role role, uint32_t layer);

bool weights_is_of_layer(enum weights_role role);

/* Is every number of the geometry within its bounds, and do they fit together? */
int weights_check_geometry(const struct weights_geometry *geometry, struct diag *diag);

/* The bytes of a tensor of that shape, or ERR_RANGE: no dimension, a zero, too many bytes to count, or rows that are
 * not whole blocks. `entry` has all but `at` and `bytes`. */
int weights_entry_bytes(const struct weights_entry *entry, uint64_t *ret_bytes, struct diag *diag);

/* Sorts by name, and refuses two of one name. */
int weights_sort_entries(struct weights_entries *entries, struct diag *diag);

/* Refuses tensors that share bytes. Leaves the entries in the order of their places. */
int weights_check_overlap(struct weights_entries *entries, struct diag *diag);

/* The entry of that name, or NULL. Sorted by name. */
struct weights_entry *weights_find_entry(const struct weights_entries *entries, const char *name);

/* Finds each role's tensor by its name, compares its shape with the geometry, and fills weights->tensor. Refuses what
 * is missing, and what nobody used. Sorted by name; weights->geometry is checked. */
int weights_bind(struct weights *weights, struct weights_entries *entries, struct diag *diag);

/* Allocates weights->tensor for the geometry, all absent. */
int weights_make_tensors(struct weights *weights, struct diag *diag);

/* Linear scaling: every divisor is `factor`. */
int weights_scale_rope(struct weights *weights, double factor, struct diag *diag);

/* The readers. weights->file is mapped; they fill the rest. */
int llama2c_read(struct weights *weights, struct diag *diag);
int safetensors_read(struct weights *weights, const char *config, size_t config_size, struct diag *diag);
int gguf_read_model(struct weights *weights, struct diag *diag);

#endif
