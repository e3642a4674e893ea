/* From named tensors in files to the tensors of a model: which are needed, of which shape. */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/base/text_format.h"
#include "core/weights/weights_internal.h"

static const struct role {
    const char *safetensors, *gguf;
} roles[WEIGHTS_ROLES] = {
#define ROLE(name, safetensors, gguf, rows, columns) [WEIGHTS_##name] = {safetensors, gguf},
#include "core/weights/roles.def"
#undef ROLE
};

void weights_shape(const struct weights_geometry *g, enum weights_role role, uint32_t *ret_rows,
                   uint32_t *ret_columns)
{
    const uint32_t shapes[WEIGHTS_ROLES][2] = {
#define ROLE(name, safetensors, gguf, rows, columns) [WEIGHTS_##name] = {rows, columns},
#include "core/weights/roles.def"
#undef ROLE
    };
    assert((uint32_t) role < WEIGHTS_ROLES);
    *ret_rows = shapes[role][0];
    *ret_columns = shapes[role][1];
}

bool weights_is_of_layer(enum weights_role role)
{
    return role >= WEIGHTS_ATTENTION_NORM && role <= WEIGHTS_VALUE_BIAS;
}

static bool is_bias(enum weights_role role)
{
    return role >= WEIGHTS_QUERY_BIAS && role <= WEIGHTS_VALUE_BIAS;
}

#define OF_LAYER (WEIGHTS_VALUE_BIAS - WEIGHTS_ATTENTION_NORM + 1)
#define ONCE (WEIGHTS_ROLES - OF_LAYER)

size_t weights_index(enum weights_role role, uint32_t layer)
{
    if (weights_is_of_layer(role))
        return ONCE + (size_t) layer * OF_LAYER + (size_t) role - WEIGHTS_ATTENTION_NORM;
    return role == WEIGHTS_EMBEDDING ? 0 : (size_t) role - WEIGHTS_VALUE_BIAS;
}

static void write_name(const char *pattern, uint32_t layer, char *ret_name /* [WEIGHTS_NAME_MAX] */)
{
    const char *number = strstr(pattern, "%u");
    bool fits = false;
    if (number != NULL)
        fits = text_format(ret_name, WEIGHTS_NAME_MAX, "%.*s%u%s", (int) (number - pattern), pattern, layer,
                           number + 2);
    else
        fits = text_format(ret_name, WEIGHTS_NAME_MAX, "%s", pattern);
    assert(fits);
}

void weights_name(enum weights_role role, uint32_t layer, char ret_name[WEIGHTS_NAME_MAX])
{
    assert((uint32_t) role < WEIGHTS_ROLES);
    write_name(roles[role].safetensors, layer, ret_name);
}

static int check_range(const char *what, uint32_t value, uint32_t high, struct diag *diag)
{
    if (value >= 1 && value <= high)
        return 0;
    return diag_fail(diag, ERR_RANGE, "%s: %u; 1 to %u would be right", what, value, high);
}

static int check_relations(const struct weights_geometry *g, struct diag *diag)
{
    if (g->heads % g->kv_heads != 0)
        return diag_fail(diag, ERR_RANGE,
                         "%u heads of queries and %u of keys and values; the second has to divide the first",
                         g->heads, g->kv_heads);
    if (g->head_size % 2 != 0)
        return diag_fail(diag, ERR_RANGE, "heads of %u elements; rotary positions take pairs: an even number",
                         g->head_size);
    if (!isfinite(g->norm_epsilon) || g->norm_epsilon < 0.0f || g->norm_epsilon >= 1.0f)
        return diag_fail(diag, ERR_RANGE, "epsilon of the norms: %g; from 0 to below 1 would be right",
                         (double) g->norm_epsilon);
    if (!isfinite(g->rope_theta) || g->rope_theta < 1.0f)
        return diag_fail(diag, ERR_RANGE, "rotary base: %g; a number from 1 on would be right",
                         (double) g->rope_theta);
    return 0;
}

int weights_check_geometry(const struct weights_geometry *g, struct diag *diag)
{
    const struct {
        const char *what;
        uint32_t value, high;
    } fields[] = {
        {"layers", g->layers, WEIGHTS_LAYERS_MAX},
        {"hidden size", g->hidden, WEIGHTS_HIDDEN_MAX},
        {"heads of queries", g->heads, WEIGHTS_HEADS_MAX},
        {"heads of keys and values", g->kv_heads, WEIGHTS_HEADS_MAX},
        {"head size", g->head_size, WEIGHTS_HEAD_SIZE_MAX},
        {"feed-forward size", g->ff, WEIGHTS_FF_MAX},
        {"vocabulary", g->vocab, WEIGHTS_VOCAB_MAX},
        {"context", g->context, WEIGHTS_CONTEXT_MAX},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof fields / sizeof *fields; i++)
        rc = check_range(fields[i].what, fields[i].value, fields[i].high, diag);
    return rc == 0 ? check_relations(g, diag) : rc;
}

int weights_entry_bytes(const struct weights_entry *entry, uint64_t *ret_bytes, struct diag *diag)
{
    int name_size = (int) entry->name_size;
    uint64_t elements = 1;
    if (entry->dims < 1 || entry->dims > WEIGHTS_DIMS_MAX)
        return diag_fail(diag, ERR_RANGE, "tensor %.*s has %u dimensions; 1 to %u would be right", name_size,
                         entry->name, entry->dims, WEIGHTS_DIMS_MAX);
    for (uint32_t i = 0; i < entry->dims; i++) {
        if (entry->shape[i] == 0)
            return diag_fail(diag, ERR_RANGE, "tensor %.*s has a dimension of 0", name_size, entry->name);
        if (entry->shape[i] > (UINT64_C(1) << 48) / elements) /* 2^48 elements of 4 bytes: no overflow */
            return diag_fail(diag, ERR_RANGE, "tensor %.*s has more elements than any model", name_size,
                             entry->name);
        elements *= entry->shape[i];
    }
    uint64_t row = entry->shape[entry->dims - 1];
    uint32_t block = weights_block_elements(entry->type);
    if (row % block != 0)
        return diag_fail(diag, ERR_RANGE, "tensor %.*s has rows of %llu elements; %s takes multiples of %u",
                         name_size, entry->name, (unsigned long long) row, weights_type_name(entry->type),
                         block);
    *ret_bytes = elements / block * weights_block_bytes(entry->type);
    return 0;
}

static int compare_names(const char *a, size_t a_size, const char *b, size_t b_size)
{
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

static int by_name(const void *a, const void *b)
{
    const struct weights_entry *first = a, *second = b;
    return compare_names(first->name, first->name_size, second->name, second->name_size);
}

static int by_place(const void *a, const void *b)
{
    const struct weights_entry *first = a, *second = b;
    uintptr_t one = (uintptr_t) first->at, other = (uintptr_t) second->at;
    return (one > other) - (one < other);
}

int weights_sort_entries(struct weights_entries *entries, struct diag *diag)
{
    if (entries->count > 0)
        qsort(entries->entry, entries->count, sizeof *entries->entry, by_name);
    for (size_t i = 1; i < entries->count; i++)
        if (by_name(&entries->entry[i - 1], &entries->entry[i]) == 0)
            return diag_fail(diag, ERR_DUPLICATE, "tensor %.*s is there twice",
                             (int) entries->entry[i].name_size, entries->entry[i].name);
    return 0;
}

int weights_check_overlap(struct weights_entries *entries, struct diag *diag)
{
    if (entries->count > 0)
        qsort(entries->entry, entries->count, sizeof *entries->entry, by_place);
    for (size_t i = 1; i < entries->count; i++) {
        const struct weights_entry *one = &entries->entry[i - 1], *next = &entries->entry[i];
        if ((uintptr_t) next->at - (uintptr_t) one->at < one->bytes)
            return diag_fail(diag, ERR_CORRUPT, "tensors %.*s and %.*s overlap", (int) one->name_size,
                             one->name, (int) next->name_size, next->name);
    }
    return 0;
}

struct weights_entry *weights_find_entry(const struct weights_entries *entries, const char *name)
{
    const struct weights_entry wanted = {.name = name, .name_size = (uint32_t) strlen(name)};
    if (entries->count == 0)
        return NULL;
    return bsearch(&wanted, entries->entry, entries->count, sizeof *entries->entry, by_name);
}

int weights_make_tensors(struct weights *weights, struct diag *diag)
{
    assert(weights->tensor == NULL && weights->geometry.layers >= 1);
    weights->tensor =
        calloc(weights_index(WEIGHTS_ATTENTION_NORM, weights->geometry.layers), sizeof *weights->tensor);
    return weights->tensor != NULL ? 0 : diag_fail(diag, -ENOMEM, "out of memory");
}

int weights_scale_rope(struct weights *weights, double factor, struct diag *diag)
{
    int rc = 0;
    if (!isfinite(factor) || factor < 1.0 || factor > 1e6)
        return diag_fail(diag, ERR_RANGE, "rotary scaling by %g; 1 to 1000000 would be right", factor);
    if (factor == 1.0)
        return 0;
    uint32_t count = weights->geometry.head_size / 2;
    array_resize(&weights->rope_divisor, count, &rc);
    if (rc != 0)
        return diag_fail(diag, rc, "out of memory");
    for (uint32_t i = 0; i < count; i++)
        weights->rope_divisor[i] = (float) factor;
    return 0;
}

/* "128 x 64", or "64" of a vector. */
static void write_shape(const struct weights_entry *entry, char *ret_text, size_t size)
{
    ret_text[0] = '\0';
    for (uint32_t i = 0; i < entry->dims; i++) {
        size_t used = strlen(ret_text);
        (void) text_format(ret_text + used, size - used, i > 0 ? " x %llu" : "%llu",
                           (unsigned long long) entry->shape[i]);
    }
}

static int fail_shape(const struct weights_entry *entry, uint32_t rows, uint32_t columns, bool is_vector,
                      struct diag *diag)
{
    char is[128];
    write_shape(entry, is, sizeof is);
    if (is_vector)
        return diag_fail(diag, ERR_MISMATCH, "tensor %.*s is %s; %u would be right", (int) entry->name_size,
                         entry->name, is, columns);
    return diag_fail(diag, ERR_MISMATCH, "tensor %.*s is %s; %u x %u (rows x columns) would be right",
                     (int) entry->name_size, entry->name, is, rows, columns);
}

static bool has_vector_shape(enum weights_role role)
{
    return is_bias(role) || role == WEIGHTS_ATTENTION_NORM || role == WEIGHTS_FF_NORM ||
           role == WEIGHTS_FINAL_NORM;
}

static int bind_role(struct weights *weights, const struct weights_entries *entries, enum weights_role role,
                     uint32_t layer, struct diag *diag)
{
    char name[WEIGHTS_NAME_MAX];
    uint32_t rows = 0, columns = 0;
    bool is_vector = has_vector_shape(role);
    write_name(weights->kind == WEIGHTS_KIND_GGUF ? roles[role].gguf : roles[role].safetensors, layer, name);
    weights_shape(&weights->geometry, role, &rows, &columns);
    struct weights_entry *entry = weights_find_entry(entries, name);
    if (entry == NULL)
        return diag_fail(diag, ERR_NOT_FOUND, "tensor %s is missing", name);
    if (entry->shape[entry->dims - 1] != columns || entry->dims != (is_vector ? 1 : 2) ||
        (!is_vector && entry->shape[0] != rows))
        return fail_shape(entry, rows, columns, is_vector, diag);
    entry->is_used = true;
    weights->tensor[weights_index(role, layer)] = (struct weights_tensor){
        .type = entry->type, .rows = rows, .columns = columns, .at = entry->at, .bytes = entry->bytes};
    return 0;
}

static bool is_wanted(const struct weights_geometry *geometry, enum weights_role role)
{
    return is_bias(role) ? geometry->has_qkv_bias : role != WEIGHTS_HEAD || !geometry->is_tied;
}

static bool ends_with(const struct weights_entry *entry, const char *end)
{
    size_t size = strlen(end);
    return entry->name_size >= size && memcmp(entry->name + entry->name_size - size, end, size) == 0;
}

/* A tensor that nobody knows would have changed the result. Rotary frequencies follow from the base; the head of a tied
 * model is a copy of the embedding. */
static int check_unused(const struct weights *weights, const struct weights_entries *entries,
                        struct diag *diag)
{
    for (size_t i = 0; i < entries->count; i++) {
        const struct weights_entry *entry = &entries->entry[i];
        bool is_harmless =
            ends_with(entry, ".rotary_emb.inv_freq") ||
            (weights->geometry.is_tied && weights_find_entry(entries, "lm_head.weight") == entry);
        if (!entry->is_used && !is_harmless)
            return diag_fail(
                diag, ERR_UNSUPPORTED,
                "tensor %.*s has no place in a LLaMA-like model of %u layers: without it results "
                "would be wrong",
                (int) entry->name_size, entry->name, weights->geometry.layers);
    }
    return 0;
}

int weights_bind(struct weights *weights, struct weights_entries *entries, struct diag *diag)
{
    int rc = weights_make_tensors(weights, diag);
    for (enum weights_role role = WEIGHTS_EMBEDDING; rc == 0 && role <= WEIGHTS_HEAD; role++) {
        uint32_t layers = weights_is_of_layer(role) ? weights->geometry.layers : 1;
        for (uint32_t layer = 0; rc == 0 && layer < layers; layer++)
            if (is_wanted(&weights->geometry, role))
                rc = bind_role(weights, entries, role, layer, diag);
    }
    return rc == 0 ? check_unused(weights, entries, diag) : rc;
}
