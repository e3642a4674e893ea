#include "files.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

int files_setup(void **state)
{
    struct files *files = calloc(1, sizeof *files);
    assert_non_null(files);
    (void) snprintf(files->folder, sizeof files->folder, "/tmp/handoff-weights-XXXXXX");
    assert_non_null(mkdtemp(files->folder));
    *state = files;
    return 0;
}

int files_teardown(void **state)
{
    struct files *files = *state;
    DIR *folder = opendir(files->folder);
    const struct dirent *entry = NULL;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        char path[512];
        (void) snprintf(path, sizeof path, "%s/%s", files->folder, entry->d_name);
        (void) unlink(path);
    }
    if (folder != NULL)
        (void) closedir(folder);
    (void) rmdir(files->folder);
    free(files);
    return 0;
}

void files_path(const struct files *files, const char *name, char ret_path[128])
{
    assert_true(snprintf(ret_path, 128, "%s/%s", files->folder, name) < 128);
}

void files_write(const struct files *files, const char *name, const void *bytes, size_t size)
{
    char path[128];
    files_path(files, name, path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

struct weights_geometry files_geometry(void)
{
    return (struct weights_geometry){
        .layers = 2,
        .hidden = 32,
        .heads = 4,
        .kv_heads = 2,
        .head_size = 8,
        .ff = 64,
        .vocab = 11,
        .context = 16,
        .norm_epsilon = 1e-5f,
        .rope_theta = 10000.0f,
        .rotary = WEIGHTS_INTERLEAVED,
        .is_tied = true,
    };
}

void files_fill(const struct weights_geometry *geometry, enum weights_role role, uint32_t layer,
                float *ret_values)
{
    uint32_t rows = 0, columns = 0;
    weights_shape(geometry, role, &rows, &columns);
    for (uint32_t i = 0; i < rows * columns; i++) {
        uint32_t mixed = (i + 1) * 2654435761u + (uint32_t) role * 40503u + layer * 977u;
        ret_values[i] = (float) ((int32_t) (mixed >> 8 & 1023) - 512) / 512.0f;
    }
}

static float *filled(const struct weights_geometry *geometry, enum weights_role role, uint32_t layer,
                     size_t *ret_bytes)
{
    uint32_t rows = 0, columns = 0;
    weights_shape(geometry, role, &rows, &columns);
    float *values = malloc(sizeof *values * rows * columns);
    assert_non_null(values);
    files_fill(geometry, role, layer, values);
    *ret_bytes = sizeof *values * rows * columns;
    return values;
}

void files_assert_values(const struct weights *weights)
{
    const struct weights_geometry *geometry = weights_geometry(weights);
    for (enum weights_role role = WEIGHTS_EMBEDDING; role <= WEIGHTS_HEAD; role++) {
        uint32_t layers = weights_is_of_layer(role) ? geometry->layers : 1;
        bool is_bias = role >= WEIGHTS_QUERY_BIAS && role <= WEIGHTS_VALUE_BIAS;
        for (uint32_t layer = 0; layer < layers; layer++) {
            struct weights_tensor tensor;
            size_t bytes = 0;
            int rc = weights_find(weights, role, layer, &tensor);
            assert_int_equal(rc, is_bias && !geometry->has_qkv_bias ? ERR_NOT_FOUND : 0);
            if (rc != 0)
                continue;
            bool is_copy = role == WEIGHTS_HEAD && geometry->is_tied;
            float *wanted = filled(geometry, is_copy ? WEIGHTS_EMBEDDING : role, layer, &bytes),
                  *found = malloc(bytes);
            assert_int_equal((size_t) tensor.rows * tensor.columns * sizeof *wanted, bytes);
            for (uint32_t row = 0; row < tensor.rows; row++)
                weights_read_rows(&tensor, row, 1, found + (size_t) row * tensor.columns);
            assert_memory_equal(found, wanted, bytes);
            free(wanted);
            free(found);
        }
    }
}

static void push(struct buf *buf, const void *bytes, size_t size)
{
    assert_int_equal(buf_push(buf, bytes, size), 0);
}

static void push_u32(struct buf *buf, uint32_t value)
{
    push(buf, &value, sizeof value);
}

static void push_u64(struct buf *buf, uint64_t value)
{
    push(buf, &value, sizeof value);
}

static void push_text(struct buf *buf, const char *text)
{
    push_u64(buf, strlen(text));
    push(buf, text, strlen(text));
}

static void push_role(struct buf *buf, const struct weights_geometry *geometry, enum weights_role role)
{
    uint32_t layers = weights_is_of_layer(role) ? geometry->layers : 1;
    for (uint32_t layer = 0; layer < layers; layer++) {
        size_t bytes = 0;
        float *values = filled(geometry, role, layer, &bytes);
        push(buf, values, bytes);
        free(values);
    }
}

/* The order in which run.c of llama2.c reads them: w1 is the gate, w2 leads down, w3 is the other way up. */
struct buf files_llama2c(const struct weights_geometry *g)
{
    static const enum weights_role order[] = {
        WEIGHTS_EMBEDDING,        WEIGHTS_ATTENTION_NORM, WEIGHTS_QUERY, WEIGHTS_KEY,  WEIGHTS_VALUE,
        WEIGHTS_ATTENTION_OUTPUT, WEIGHTS_FF_NORM,        WEIGHTS_GATE,  WEIGHTS_DOWN, WEIGHTS_UP,
        WEIGHTS_FINAL_NORM};
    const int32_t header[7] = {(int32_t) g->hidden,   (int32_t) g->ff,
                               (int32_t) g->layers,   (int32_t) g->heads,
                               (int32_t) g->kv_heads, g->is_tied ? (int32_t) g->vocab : -(int32_t) g->vocab,
                               (int32_t) g->context};
    struct buf file = {0};
    push(&file, header, sizeof header);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        push_role(&file, g, order[i]);
    for (uint32_t i = 0; i < g->context * g->head_size; i++)
        push_u32(&file, 0x7fc00000); /* nobody reads them */
    if (!g->is_tied)
        push_role(&file, g, WEIGHTS_HEAD);
    return file;
}

struct files_key *files_find_key(struct files_gguf *gguf, const char *key)
{
    for (size_t i = 0; i < gguf->keys; i++)
        if (strcmp(gguf->key[i].name, key) == 0)
            return &gguf->key[i];
    return NULL;
}

static struct files_key *key_to_set(struct files_gguf *gguf, const char *key, uint32_t type)
{
    struct files_key *found = files_find_key(gguf, key);
    if (found == NULL) {
        assert_true(gguf->keys < sizeof gguf->key / sizeof *gguf->key);
        found = &gguf->key[gguf->keys++];
        (void) snprintf(found->name, sizeof found->name, "%s", key);
    }
    buf_clear(&found->value);
    push_u32(&found->value, type);
    return found;
}

void files_set_u32(struct files_gguf *gguf, const char *key, uint32_t value)
{
    push_u32(&key_to_set(gguf, key, GGUF_U32)->value, value);
}

void files_set_u64(struct files_gguf *gguf, const char *key, uint64_t value)
{
    push_u64(&key_to_set(gguf, key, GGUF_U64)->value, value);
}

void files_set_f32(struct files_gguf *gguf, const char *key, float value)
{
    push(&key_to_set(gguf, key, GGUF_F32)->value, &value, sizeof value);
}

void files_set_bool(struct files_gguf *gguf, const char *key, bool value)
{
    push(&key_to_set(gguf, key, GGUF_BOOL)->value, value ? "\1" : "\0", 1);
}

void files_set_text(struct files_gguf *gguf, const char *key, const char *value)
{
    push_text(&key_to_set(gguf, key, GGUF_STRING)->value, value);
}

void files_set_texts(struct files_gguf *gguf, const char *key, const char *const *value, size_t count)
{
    struct buf *to = &key_to_set(gguf, key, GGUF_ARRAY)->value;
    push_u32(to, GGUF_STRING);
    push_u64(to, count);
    for (size_t i = 0; i < count; i++)
        push_text(to, value[i]);
}

void files_set_numbers(struct files_gguf *gguf, const char *key, uint32_t type, const void *value,
                       size_t count)
{
    struct buf *to = &key_to_set(gguf, key, GGUF_ARRAY)->value;
    push_u32(to, type);
    push_u64(to, count);
    push(to, value, count * 4);
}

void files_remove_key(struct files_gguf *gguf, const char *key)
{
    for (size_t i = 0; i < gguf->keys; i++)
        if (strcmp(gguf->key[i].name, key) == 0) {
            buf_finish(&gguf->key[i].value);
            gguf->key[i] = gguf->key[--gguf->keys];
            return;
        }
    fail_msg("no key %s", key);
}

struct files_tensor *files_find_tensor(struct files_gguf *gguf, const char *name)
{
    for (size_t i = 0; i < gguf->tensors; i++)
        if (strcmp(gguf->tensor[i].name, name) == 0)
            return &gguf->tensor[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

static size_t aligned(const struct files_gguf *gguf, size_t size)
{
    return (size + gguf->alignment - 1) / gguf->alignment * gguf->alignment;
}

void files_place(struct files_gguf *gguf)
{
    uint64_t offset = 0;
    for (size_t i = 0; i < gguf->tensors; i++) {
        gguf->tensor[i].offset = offset;
        offset = aligned(gguf, offset + gguf->tensor[i].data.size);
    }
}

/* The names of llama.cpp's converter, written out here a second time. */
static const struct {
    enum weights_role role;
    const char *name;
} tensors[] = {
    {WEIGHTS_EMBEDDING, "token_embd.weight"},
    {WEIGHTS_ATTENTION_NORM, "attn_norm.weight"},
    {WEIGHTS_QUERY, "attn_q.weight"},
    {WEIGHTS_KEY, "attn_k.weight"},
    {WEIGHTS_VALUE, "attn_v.weight"},
    {WEIGHTS_ATTENTION_OUTPUT, "attn_output.weight"},
    {WEIGHTS_FF_NORM, "ffn_norm.weight"},
    {WEIGHTS_GATE, "ffn_gate.weight"},
    {WEIGHTS_UP, "ffn_up.weight"},
    {WEIGHTS_DOWN, "ffn_down.weight"},
    {WEIGHTS_QUERY_BIAS, "attn_q.bias"},
    {WEIGHTS_KEY_BIAS, "attn_k.bias"},
    {WEIGHTS_VALUE_BIAS, "attn_v.bias"},
    {WEIGHTS_FINAL_NORM, "output_norm.weight"},
    {WEIGHTS_HEAD, "output.weight"},
};

static void add_tensor(struct files_gguf *gguf, const struct weights_geometry *g, size_t which,
                       uint32_t layer)
{
    enum weights_role role = tensors[which].role;
    uint32_t rows = 0, columns = 0;
    size_t bytes = 0;
    assert_true(gguf->tensors < sizeof gguf->tensor / sizeof *gguf->tensor);
    struct files_tensor *tensor = &gguf->tensor[gguf->tensors++];
    float *values = filled(g, role, layer, &bytes);
    weights_shape(g, role, &rows, &columns);
    if (weights_is_of_layer(role))
        (void) snprintf(tensor->name, sizeof tensor->name, "blk.%u.%s", layer, tensors[which].name);
    else
        (void) snprintf(tensor->name, sizeof tensor->name, "%s", tensors[which].name);
    tensor->dims = rows == 1 ? 1 : 2;
    tensor->ne[0] = columns;
    tensor->ne[1] = rows;
    push(&tensor->data, values, bytes);
    free(values);
}

static void set_sizes(struct files_gguf *gguf, const struct weights_geometry *g, const char *architecture)
{
    const struct {
        const char *rest;
        uint32_t value;
    } sizes[] = {
        {"block_count", g->layers},
        {"embedding_length", g->hidden},
        {"feed_forward_length", g->ff},
        {"attention.head_count", g->heads},
        {"attention.head_count_kv", g->kv_heads},
        {"context_length", g->context},
    };
    char key[64];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        (void) snprintf(key, sizeof key, "%s.%s", architecture, sizes[i].rest);
        files_set_u32(gguf, key, sizes[i].value);
    }
    (void) snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", architecture);
    files_set_f32(gguf, key, g->norm_epsilon);
}

struct files_gguf *files_gguf_model(const struct weights_geometry *g, const char *architecture)
{
    struct files_gguf *gguf = calloc(1, sizeof *gguf);
    assert_non_null(gguf);
    gguf->version = 3;
    gguf->alignment = 32;
    files_set_text(gguf, "general.architecture", architecture);
    set_sizes(gguf, g, architecture);
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        bool is_bias = tensors[i].role >= WEIGHTS_QUERY_BIAS && tensors[i].role <= WEIGHTS_VALUE_BIAS;
        if ((is_bias && !g->has_qkv_bias) || (tensors[i].role == WEIGHTS_HEAD && g->is_tied))
            continue;
        for (uint32_t layer = 0; layer < (weights_is_of_layer(tensors[i].role) ? g->layers : 1); layer++)
            add_tensor(gguf, g, i, layer);
    }
    files_place(gguf);
    return gguf;
}

static void push_zeros_to(struct buf *buf, size_t size)
{
    while (buf->size < size)
        push(buf, "", 1);
}

struct buf files_gguf_bytes(const struct files_gguf *gguf)
{
    struct buf file = {0};
    push(&file, "GGUF", 4);
    push_u32(&file, gguf->version);
    push_u64(&file, gguf->tensors);
    push_u64(&file, gguf->keys);
    for (size_t i = 0; i < gguf->keys; i++) {
        push_text(&file, gguf->key[i].name);
        push(&file, gguf->key[i].value.data, gguf->key[i].value.size);
    }
    for (size_t i = 0; i < gguf->tensors; i++) {
        const struct files_tensor *tensor = &gguf->tensor[i];
        push_text(&file, tensor->name);
        push_u32(&file, tensor->dims);
        for (uint32_t k = 0; k < tensor->dims && k < 4; k++)
            push_u64(&file, tensor->ne[k]);
        push_u32(&file, tensor->type);
        push_u64(&file, tensor->offset);
    }
    size_t data = aligned(gguf, file.size);
    push_zeros_to(&file, data);
    uint64_t offset = 0; /* as they come, wherever their descriptions say that they are */
    for (size_t i = 0; i < gguf->tensors; i++) {
        push_zeros_to(&file, data + offset);
        push(&file, gguf->tensor[i].data.data, gguf->tensor[i].data.size);
        offset = aligned(gguf, offset + gguf->tensor[i].data.size);
    }
    return file;
}

void files_gguf_finish(struct files_gguf *gguf)
{
    for (size_t i = 0; i < gguf->keys; i++)
        buf_finish(&gguf->key[i].value);
    for (size_t i = 0; i < gguf->tensors; i++)
        buf_finish(&gguf->tensor[i].data);
    free(gguf);
}

struct weights *files_open(const struct buf *bytes, const char *config)
{
    struct weights *weights = NULL;
    struct diag diag = {{0}};
    if (weights_open_bytes(bytes->data, bytes->size, config, &weights, &diag) != 0)
        fail_msg("%s", diag.text);
    return weights;
}

/* On a copy of exactly the file's size: a sanitizer then sees the first byte read too far. */
void files_assert_refused(const struct buf *bytes, const char *config, int code, const char *sentence)
{
    struct weights *weights = NULL;
    struct diag diag = {{0}};
    uint8_t *copy = malloc(bytes->size > 0 ? bytes->size : 1);
    assert_non_null(copy);
    if (bytes->size > 0)
        memcpy(copy, bytes->data, bytes->size);
    int rc = weights_open_bytes(copy, bytes->size, config, &weights, &diag);
    free(copy);
    assert_string_equal(diag.text, sentence);
    assert_int_equal(rc, code);
    assert_null(weights);
}
