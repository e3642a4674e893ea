/* A model in a GGUF file: its geometry from the keys, its tensors behind them. */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/base/text_format.h"
#include "core/weights/gguf_internal.h"

#define ALIGNMENT 32u /* where the file does not say */
#define ALIGNMENT_MAX 65536u
#define NAME_BYTES_MAX 64u /* of a tensor */
#define QUANTISATION 2u    /* the version of the blocks */
#define DIVISORS "rope_freqs.weight"

/* What kinds of elements there are, by the file's number. */
static const struct {
    uint32_t number;
    enum weights_type type;
} types[WEIGHTS_TYPES] = {
    {0, WEIGHTS_F32},   {1, WEIGHTS_F16},   {2, WEIGHTS_Q4_0},  {8, WEIGHTS_Q8_0},
    {12, WEIGHTS_Q4_K}, {14, WEIGHTS_Q6_K}, {30, WEIGHTS_BF16},
};

/* Names of the others, for a sentence. */
static const char *const type_names[] = {
    [3] = "Q4_1",     [6] = "Q5_0",   [7] = "Q5_1",    [9] = "Q8_1",     [10] = "Q2_K",
    [11] = "Q3_K",    [13] = "Q5_K",  [15] = "Q8_K",   [16] = "IQ2_XXS", [17] = "IQ2_XS",
    [18] = "IQ3_XXS", [19] = "IQ1_S", [20] = "IQ4_NL", [21] = "IQ3_S",   [22] = "IQ2_S",
    [23] = "IQ4_XS",  [24] = "I8",    [25] = "I16",    [26] = "I32",     [27] = "I64",
    [28] = "F64",     [29] = "IQ1_M", [34] = "TQ1_0",  [35] = "TQ2_0",   [39] = "MXFP4",
};

static int find_type(const struct gguf_text *name, uint32_t number, enum weights_type *ret_type,
                     struct diag *diag)
{
    const char *other = number < sizeof type_names / sizeof *type_names ? type_names[number] : NULL;
    for (size_t i = 0; i < WEIGHTS_TYPES; i++)
        if (types[i].number == number) {
            *ret_type = types[i].type;
            return 0;
        }
    return diag_fail(
        diag, ERR_UNSUPPORTED,
        "tensor %.*s is of type %u (%s); F32, F16, BF16, Q8_0, Q4_0, Q4_K or Q6_K would be right",
        (int) name->size, name->at, number, other != NULL ? other : "unknown");
}

/* The last dimension comes first in the file. */
static int take_shape(struct gguf_cursor *cursor, struct weights_entry *entry, struct diag *diag)
{
    int rc = gguf_take_u32(cursor, &entry->dims, diag);
    if (rc == 0 && (entry->dims < 1 || entry->dims > WEIGHTS_DIMS_MAX))
        return diag_fail(diag, ERR_RANGE, "tensor %.*s has %u dimensions; 1 to %u would be right",
                         (int) entry->name_size, entry->name, entry->dims, WEIGHTS_DIMS_MAX);
    for (uint32_t i = 0; rc == 0 && i < entry->dims; i++)
        rc = gguf_take_u64(cursor, &entry->shape[entry->dims - 1 - i], diag);
    return rc;
}

/* A tensor's description; `ret_offset`: where it lies behind all descriptions. */
static int take_tensor(struct gguf_cursor *cursor, struct weights_entry *ret_entry, uint64_t *ret_offset,
                       struct diag *diag)
{
    struct gguf_text name = {0};
    uint32_t type = 0;
    struct weights_entry entry = {0};
    int rc = gguf_take_string(cursor, &name, diag);
    if (rc == 0 && (name.size == 0 || name.size > NAME_BYTES_MAX))
        rc = diag_fail(diag, ERR_RANGE, "a tensor's name has %llu bytes; 1 to %u would be right",
                       (unsigned long long) name.size, NAME_BYTES_MAX);
    if (rc != 0)
        return rc;
    entry.name = name.at;
    entry.name_size = (uint32_t) name.size;
    rc = take_shape(cursor, &entry, diag);
    rc = rc == 0 ? gguf_take_u32(cursor, &type, diag) : rc;
    rc = rc == 0 ? gguf_take_u64(cursor, ret_offset, diag) : rc;
    rc = rc == 0 ? find_type(&name, type, &entry.type, diag) : rc;
    rc = rc == 0 ? weights_entry_bytes(&entry, &entry.bytes, diag) : rc;
    if (rc == 0)
        *ret_entry = entry;
    return rc;
}

/* Tensors, and their offsets while the place of the data is not known. */
struct reading {
    struct weights_entries entries;
    uint64_t *offset; /* [entries.count] */
    size_t offsets_capacity;
};

static int take_tensors(struct gguf_cursor *cursor, uint64_t count, struct reading *reading,
                        struct diag *diag)
{
    struct weights_entries *entries = &reading->entries;
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && i < count; i++) {
        rc = array_reserve(&entries->entry, &entries->capacity, entries->count + 1);
        rc = rc == 0 ? array_reserve(&reading->offset, &reading->offsets_capacity, entries->count + 1) : rc;
        rc = rc == 0 ? take_tensor(cursor, &entries->entry[i], &reading->offset[i], diag) : rc;
        if (rc == 0)
            entries->count++;
    }
    return rc;
}

static int place_tensors(struct reading *reading, const uint8_t *data, uint64_t size, uint64_t alignment,
                         struct diag *diag)
{
    for (size_t i = 0; i < reading->entries.count; i++) {
        struct weights_entry *entry = &reading->entries.entry[i];
        uint64_t offset = reading->offset[i];
        if (offset % alignment != 0)
            return diag_fail(diag, ERR_CORRUPT, "tensor %.*s lies at %llu, which is no multiple of %llu",
                             (int) entry->name_size, entry->name, (unsigned long long) offset,
                             (unsigned long long) alignment);
        if (offset > size || entry->bytes > size - offset)
            return diag_fail(diag, ERR_TRUNCATED,
                             "tensor %.*s takes %llu bytes at %llu; the file has %llu bytes of tensors",
                             (int) entry->name_size, entry->name, (unsigned long long) entry->bytes,
                             (unsigned long long) offset, (unsigned long long) size);
        entry->at = data + offset;
    }
    return 0;
}

static int read_alignment(const struct gguf *gguf, uint64_t *ret_alignment, struct diag *diag)
{
    int rc = gguf_whole(gguf, "general.alignment", ALIGNMENT, ret_alignment, diag);
    uint64_t value = *ret_alignment;
    if (rc == 0 && (value < 8 || value > ALIGNMENT_MAX || (value & (value - 1)) != 0))
        rc = diag_fail(diag, ERR_RANGE,
                       "general.alignment is %llu; a power of two from 8 to %u would be right",
                       (unsigned long long) value, ALIGNMENT_MAX);
    return rc;
}

static const struct architecture {
    const char *name;
    enum weights_rotary rotary; /* llama's converter reorders queries and keys */
} architectures[] = {{"llama", WEIGHTS_INTERLEAVED}, {"qwen2", WEIGHTS_HALF_SPLIT}};

static int find_architecture(const struct gguf *gguf, const struct architecture **ret_architecture,
                             struct diag *diag)
{
    struct gguf_text name;
    int rc = gguf_string(gguf, "general.architecture", &name, diag);
    if (rc != 0)
        return rc;
    if (name.at == NULL)
        return diag_fail(diag, ERR_NOT_FOUND, "general.architecture is missing");
    for (size_t i = 0; i < sizeof architectures / sizeof *architectures; i++)
        if (gguf_equals(name, architectures[i].name)) {
            *ret_architecture = &architectures[i];
            return 0;
        }
    return diag_fail(diag, ERR_UNSUPPORTED, "general.architecture is %.*s; llama or qwen2 would be right",
                     name.size < 100 ? (int) name.size : 100, name.at);
}

/* The keys of a model begin with its architecture. */
struct model_keys {
    const struct gguf *gguf;
    const char *architecture;
    char text[96]; /* the last key */
};

static const char *key_of(struct model_keys *keys, const char *rest)
{
    bool fits = text_format(keys->text, sizeof keys->text, "%s.%s", keys->architecture, rest);
    assert(fits);
    return keys->text;
}

static int read_u32(struct model_keys *keys, const char *rest, uint64_t missing, uint32_t *ret_value,
                    struct diag *diag)
{
    uint64_t value = 0;
    const char *key = key_of(keys, rest);
    int rc = gguf_whole(keys->gguf, key, missing, &value, diag);
    if (rc == 0 && value > UINT32_MAX)
        rc = diag_fail(diag, ERR_RANGE, "%s is %llu; no model has so many", key, (unsigned long long) value);
    if (rc == 0)
        *ret_value = (uint32_t) value;
    return rc;
}

static int read_sizes(struct model_keys *keys, struct weights_geometry *g, struct diag *diag)
{
    const struct {
        const char *rest;
        uint32_t *value;
    } fields[] = {
        {"block_count", &g->layers},     {"embedding_length", &g->hidden},
        {"feed_forward_length", &g->ff}, {"attention.head_count", &g->heads},
        {"context_length", &g->context},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof fields / sizeof *fields; i++)
        rc = read_u32(keys, fields[i].rest, UINT64_MAX, fields[i].value, diag);
    rc = rc == 0 ? read_u32(keys, "attention.head_count_kv", g->heads, &g->kv_heads, diag) : rc;
    if (rc == 0 && (g->heads == 0 || g->heads > WEIGHTS_HEADS_MAX))
        rc = diag_fail(diag, ERR_RANGE, "%s is %u; 1 to %u would be right",
                       key_of(keys, "attention.head_count"), g->heads, WEIGHTS_HEADS_MAX);
    rc = rc == 0 ? read_u32(keys, "attention.key_length", g->hidden / g->heads, &g->head_size, diag) : rc;
    if (rc == 0 && gguf_find(keys->gguf, key_of(keys, "attention.key_length")) == NULL &&
        g->hidden % g->heads != 0)
        rc = diag_fail(diag, ERR_RANGE, "an embedding of %u and %u heads; the second has to divide the first",
                       g->hidden, g->heads);
    return rc;
}

/* A key whose value has to be `right`, or absent. */
static int check_equal(struct model_keys *keys, const char *rest, uint32_t right, struct diag *diag)
{
    uint32_t value = 0;
    int rc = read_u32(keys, rest, right, &value, diag);
    if (rc == 0 && value != right)
        rc =
            diag_fail(diag, ERR_UNSUPPORTED, "%s is %u; %u would be right", key_of(keys, rest), value, right);
    return rc;
}

static int check_extras(struct model_keys *keys, const struct weights_geometry *g, struct diag *diag)
{
    struct gguf_text layout;
    uint64_t version = 0, parts = 0;
    int rc = check_equal(keys, "attention.value_length", g->head_size, diag);
    rc = rc == 0 ? check_equal(keys, "rope.dimension_count", g->head_size, diag) : rc;
    rc = rc == 0 ? check_equal(keys, "expert_count", 0, diag) : rc;
    rc = rc == 0 ? gguf_string(keys->gguf, key_of(keys, "tensor_data_layout"), &layout, diag) : rc;
    /* The llama converter names the order that it brings queries and keys into. */
    if (rc == 0 && layout.at != NULL && !gguf_equals(layout, "reference") &&
        !gguf_equals(layout, "Meta AI original pth"))
        rc = diag_fail(diag, ERR_UNSUPPORTED, "%s is %.*s; reference would be right", keys->text,
                       layout.size < 100 ? (int) layout.size : 100, layout.at);
    rc = rc == 0 ? gguf_whole(keys->gguf, "general.quantization_version", QUANTISATION, &version, diag) : rc;
    if (rc == 0 && version != QUANTISATION)
        rc = diag_fail(diag, ERR_VERSION, "general.quantization_version is %llu; %u would be right",
                       (unsigned long long) version, QUANTISATION);
    rc = rc == 0 ? gguf_whole(keys->gguf, "split.count", 1, &parts, diag) : rc;
    if (rc == 0 && parts > 1)
        rc = diag_fail(diag, ERR_UNSUPPORTED, "is one of %llu parts of a model; one file would be right",
                       (unsigned long long) parts);
    return rc;
}

static int read_reals(struct model_keys *keys, struct weights_geometry *g, struct diag *diag)
{
    double epsilon = 0.0, theta = 0.0;
    int rc =
        gguf_real(keys->gguf, key_of(keys, "attention.layer_norm_rms_epsilon"), (double) NAN, &epsilon, diag);
    rc = rc == 0 ? gguf_real(keys->gguf, key_of(keys, "rope.freq_base"), 10000.0, &theta, diag) : rc;
    g->norm_epsilon = (float) epsilon;
    g->rope_theta = (float) theta;
    return rc;
}

static int read_scaling(struct model_keys *keys, struct weights *weights, struct diag *diag)
{
    struct gguf_text type;
    double older = 1.0, factor = 1.0;
    int rc = gguf_string(keys->gguf, key_of(keys, "rope.scaling.type"), &type, diag);
    if (rc == 0 && type.at != NULL && !gguf_equals(type, "none") && !gguf_equals(type, "linear"))
        rc = diag_fail(diag, ERR_UNSUPPORTED, "%s is %.*s; none or linear would be right", keys->text,
                       type.size < 100 ? (int) type.size : 100, type.at);
    rc = rc == 0 ? gguf_real(keys->gguf, key_of(keys, "rope.scale_linear"), 1.0, &older, diag) : rc;
    rc = rc == 0 ? gguf_real(keys->gguf, key_of(keys, "rope.scaling.factor"), older, &factor, diag) : rc;
    if (rc == 0 && !gguf_equals(type, "none"))
        rc = weights_scale_rope(weights, factor, diag);
    return rc;
}

/* LLaMA-3.1 and later bring their divisors as a tensor. */
static int read_divisors(struct weights *weights, struct weights_entries *entries, struct diag *diag)
{
    struct weights_entry *entry = weights_find_entry(entries, DIVISORS);
    uint32_t count = weights->geometry.head_size / 2;
    int rc = 0;
    if (entry == NULL)
        return 0;
    if (entry->type != WEIGHTS_F32 || entry->dims != 1 || entry->shape[0] != count)
        return diag_fail(diag, ERR_MISMATCH, "tensor " DIVISORS "; %u values of F32 would be right", count);
    if (weights->rope_divisor != NULL)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "tensor " DIVISORS " beside linear rotary scaling; one would be right");
    array_resize(&weights->rope_divisor, count, &rc);
    if (rc != 0)
        return diag_fail(diag, rc, "out of memory");
    memcpy(weights->rope_divisor, entry->at, count * sizeof *weights->rope_divisor);
    for (uint32_t i = 0; i < count; i++)
        if (!isfinite(weights->rope_divisor[i]) || weights->rope_divisor[i] < 1e-6f)
            return diag_fail(diag, ERR_RANGE,
                             "tensor " DIVISORS " has a value %g; positive ones would be right",
                             (double) weights->rope_divisor[i]);
    entry->is_used = true;
    return 0;
}

/* What the tensors alone say: the vocabulary, whether there is a head of its own, and biases. */
static int read_from_tensors(const struct weights_entries *entries, struct weights_geometry *g,
                             struct diag *diag)
{
    const struct weights_entry *embedding = weights_find_entry(entries, "token_embd.weight");
    if (embedding == NULL)
        return diag_fail(diag, ERR_NOT_FOUND, "tensor token_embd.weight is missing");
    if (embedding->dims != 2 || embedding->shape[0] > UINT32_MAX)
        return diag_fail(diag, ERR_MISMATCH, "tensor token_embd.weight; a matrix would be right");
    g->vocab = (uint32_t) embedding->shape[0];
    g->is_tied = weights_find_entry(entries, "output.weight") == NULL;
    g->has_qkv_bias = weights_find_entry(entries, "blk.0.attn_q.bias") != NULL;
    return 0;
}

/* Within its window a model attends to all that came before. */
static int apply_window(struct model_keys *keys, struct weights_geometry *g, struct diag *diag)
{
    uint32_t window = 0;
    int rc = read_u32(keys, "attention.sliding_window", UINT32_MAX, &window, diag);
    if (rc == 0 && window < g->context)
        g->context = window;
    return rc;
}

static int read_geometry(struct weights *weights, const struct weights_entries *entries, struct diag *diag)
{
    const struct architecture *architecture = NULL;
    struct weights_geometry *geometry = &weights->geometry;
    int rc = find_architecture(weights->gguf, &architecture, diag);
    if (rc != 0)
        return rc;
    struct model_keys keys = {.gguf = weights->gguf, .architecture = architecture->name};
    geometry->rotary = architecture->rotary;
    rc = read_sizes(&keys, geometry, diag);
    rc = rc == 0 ? check_extras(&keys, geometry, diag) : rc;
    rc = rc == 0 ? read_reals(&keys, geometry, diag) : rc;
    rc = rc == 0 ? apply_window(&keys, geometry, diag) : rc;
    rc = rc == 0 ? read_from_tensors(entries, geometry, diag) : rc;
    rc = rc == 0 ? weights_check_geometry(geometry, diag) : rc;
    return rc == 0 ? read_scaling(&keys, weights, diag) : rc;
}

static int read_tokens(const struct gguf *gguf, struct weights_tokens *ret_tokens, struct diag *diag)
{
    uint64_t begin = 0, end = 0;
    bool wants_begin = false;
    int rc = gguf_whole(gguf, "tokenizer.ggml.bos_token_id", UINT32_MAX, &begin, diag);
    rc = rc == 0 ? gguf_whole(gguf, "tokenizer.ggml.eos_token_id", UINT32_MAX, &end, diag) : rc;
    rc = rc == 0 ? gguf_bool(gguf, "tokenizer.ggml.add_bos_token", begin < UINT32_MAX, &wants_begin, diag)
                 : rc;
    if (rc == 0)
        *ret_tokens = (struct weights_tokens){
            .begin = begin < UINT32_MAX ? (uint32_t) begin : UINT32_MAX,
            .end = end < UINT32_MAX ? (uint32_t) end : UINT32_MAX,
            .wants_begin = wants_begin && begin < UINT32_MAX,
        };
    return rc;
}

static int read_tensors(const struct mapping *file, const struct gguf *gguf, struct gguf_cursor *cursor,
                        uint64_t tensors, struct reading *reading, struct diag *diag)
{
    uint64_t alignment = 0;
    int rc = take_tensors(cursor, tensors, reading, diag);
    rc = rc == 0 ? read_alignment(gguf, &alignment, diag) : rc;
    if (rc != 0)
        return rc;
    uint64_t used = file->size - cursor->left;
    uint64_t padding = (alignment - used % alignment) % alignment;
    if (padding > cursor->left)
        padding = cursor->left;
    rc = place_tensors(reading, cursor->at + padding, cursor->left - padding, alignment, diag);
    rc = rc == 0 ? weights_check_overlap(&reading->entries, diag) : rc;
    return rc == 0 ? weights_sort_entries(&reading->entries, diag) : rc;
}

int gguf_read_model(struct weights *weights, struct diag *diag)
{
    const struct mapping *file = weights->file;
    struct reading reading = {0};
    uint64_t used = 0, tensors = 0;
    int rc = gguf_read(file, &weights->gguf, &used, &tensors, diag);
    if (rc != 0)
        return rc;
    struct gguf_cursor cursor = {file->at + used, file->size - used};
    rc = read_tensors(file, weights->gguf, &cursor, tensors, &reading, diag);
    rc = rc == 0 ? read_geometry(weights, &reading.entries, diag) : rc;
    rc = rc == 0 ? read_divisors(weights, &reading.entries, diag) : rc;
    rc = rc == 0 ? weights_bind(weights, &reading.entries, diag) : rc;
    rc = rc == 0 ? read_tokens(weights->gguf, &weights->tokens, diag) : rc;
    free(reading.offset);
    free(reading.entries.entry);
    return rc;
}
