#include "core/weights/safetensors_write.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/half.h"

#define CHUNK 4096u /* values that are converted at once */
#define ALIGNMENT 8u

/* A file that takes its name when it is whole. */
struct draft {
    FILE *file;
    struct buf path; /* of the draft, beside its place */
};

static int fail_errno(const char *what, struct diag *diag)
{
    int code = errno != 0 ? -errno : -EIO;
    return diag_fail(diag, code, "%s: %s", what, strerror(-code));
}

static int draft_open(const char *path, struct draft *draft, struct diag *diag)
{
    int rc = buf_printf(&draft->path, "%s.new", path);
    if (rc != 0)
        return diag_fail(diag, rc, "out of memory");
    errno = 0;
    draft->file = fopen((const char *) draft->path.data, "wb");
    if (draft->file != NULL)
        return 0;
    rc = fail_errno("cannot be written", diag);
    buf_finish(&draft->path);
    return rc;
}

/* `rc`: how the writing went. Puts the file in its place, or removes it. */
static int draft_close(struct draft *draft, const char *path, int rc, struct diag *diag)
{
    const char *name = (const char *) draft->path.data;
    errno = 0;
    if (rc == 0 && (fflush(draft->file) != 0 || fsync(fileno(draft->file)) != 0))
        rc = fail_errno("cannot be written", diag);
    if (fclose(draft->file) != 0 && rc == 0)
        rc = fail_errno("cannot be written", diag);
    if (rc == 0 && rename(name, path) != 0)
        rc = fail_errno("cannot be put in its place", diag);
    if (rc != 0)
        (void) unlink(name);
    buf_finish(&draft->path);
    return rc;
}

static int put(struct draft *draft, const void *bytes, size_t size, struct diag *diag)
{
    errno = 0;
    return fwrite(bytes, 1, size, draft->file) == size ? 0 : fail_errno("cannot be written", diag);
}

static uint64_t values_of(const struct safetensors_tensor *tensor)
{
    assert((tensor->dims == 1 && tensor->rows == 1) || tensor->dims == 2);
    assert(tensor->rows > 0 && tensor->columns > 0);
    return (uint64_t) tensor->rows * tensor->columns;
}

static uint64_t bytes_of(const struct safetensors_tensor *tensor)
{
    assert(tensor->type == WEIGHTS_F32 || tensor->type == WEIGHTS_F16 || tensor->type == WEIGHTS_BF16);
    return values_of(tensor) * weights_block_bytes(tensor->type);
}

/* Larger elements first, so that each tensor lies at a multiple of its elements' size. */
static bool is_in_pass(const struct safetensors_tensor *tensor, int pass)
{
    return (tensor->type == WEIGHTS_F32) == (pass == 0);
}

static int describe_tensor(json_t *header, const struct safetensors_tensor *tensor, uint64_t begin)
{
    json_t *shape = tensor->dims == 1
                        ? json_pack("[I]", (json_int_t) tensor->columns)
                        : json_pack("[I,I]", (json_int_t) tensor->rows, (json_int_t) tensor->columns);
    json_t *value = json_pack("{s:s, s:o, s:[I,I]}", "dtype", weights_type_name(tensor->type), "shape", shape,
                              "data_offsets", (json_int_t) begin, (json_int_t) (begin + bytes_of(tensor)));
    assert(json_object_get(header, tensor->name) == NULL); /* a name is there once */
    return json_object_set_new(header, tensor->name, value);
}

static json_t *describe(const struct safetensors_model *model)
{
    json_t *header = json_object(), *texts = json_object();
    uint64_t offset = 0;
    int rc = 0;
    for (size_t i = 0; i < model->texts; i++)
        rc |= json_object_set_new(texts, model->text[i].key, json_string(model->text[i].value));
    rc |= model->texts > 0 ? json_object_set(header, "__metadata__", texts) : 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < model->tensors; i++) {
            if (!is_in_pass(&model->tensor[i], pass))
                continue;
            rc |= describe_tensor(header, &model->tensor[i], offset);
            offset += bytes_of(&model->tensor[i]);
        }
    json_decref(texts);
    if (rc == 0)
        return header;
    json_decref(header);
    return NULL;
}

/* Appends it as text; NULL: it could not be made. -ENOMEM. */
static int dump(const json_t *json, size_t flags, struct buf *text)
{
    struct buf_sink sink = {.buf = text}; /* jansson does not ask whether a key could be written */
    bool whole = json != NULL && json_dump_callback(json, buf_sink_take, &sink, flags) == 0;
    return whole ? sink.rc : -ENOMEM;
}

static int put_header(struct draft *draft, const struct safetensors_model *model, struct diag *diag)
{
    json_t *header = describe(model);
    struct buf text = {0};
    int rc = dump(header, JSON_COMPACT, &text);
    if (rc != 0)
        (void) diag_fail(diag, rc, "out of memory, or a text that is no UTF-8");
    if (rc == 0) {
        uint64_t size = text.size;
        uint64_t length = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        assert(length - size < ALIGNMENT);
        rc = put(draft, &length, sizeof length, diag);
        rc = rc == 0 ? put(draft, text.data, size, diag) : rc;
        rc = rc == 0 ? put(draft, "       ", length - size, diag) : rc;
    }
    buf_finish(&text);
    json_decref(header);
    return rc;
}

static int fail_large(const struct safetensors_tensor *tensor, float value, struct diag *diag)
{
    return diag_fail(diag, ERR_RANGE, "tensor %s: %g is too large for %s", tensor->name, (double) value,
                     weights_type_name(tensor->type));
}

/* At most CHUNK values as 16-bit floats. */
static int put_chunk(struct draft *draft, const struct safetensors_tensor *tensor, const float *from,
                     size_t count, struct diag *diag)
{
    uint16_t bits[CHUNK];
    bool is_half = tensor->type == WEIGHTS_F16;
    for (size_t i = 0; i < count; i++) {
        bits[i] = is_half ? half_of_float(from[i]) : half_brain_of_float(from[i]);
        float kept = is_half ? half_to_float(bits[i]) : half_brain_to_float(bits[i]);
        if (isfinite(from[i]) && !isfinite(kept))
            return fail_large(tensor, from[i], diag);
    }
    return put(draft, bits, count * sizeof *bits, diag);
}

static int put_tensor(struct draft *draft, const struct safetensors_tensor *tensor, struct diag *diag)
{
    uint64_t values = values_of(tensor);
    int rc = 0;
    if (tensor->type == WEIGHTS_F32)
        return put(draft, tensor->from, values * sizeof *tensor->from, diag);
    for (uint64_t at = 0; rc == 0 && at < values; at += CHUNK) {
        size_t count = values - at < CHUNK ? (size_t) (values - at) : CHUNK;
        rc = put_chunk(draft, tensor, tensor->from + at, count, diag);
    }
    return rc;
}

int safetensors_write(const char *path, const struct safetensors_model *model, struct diag *diag)
{
    struct draft draft = {0};
    int rc = draft_open(path, &draft, diag);
    if (rc == 0) {
        rc = put_header(&draft, model, diag);
        for (int pass = 0; pass < 2; pass++)
            for (size_t i = 0; rc == 0 && i < model->tensors; i++)
                if (is_in_pass(&model->tensor[i], pass))
                    rc = put_tensor(&draft, &model->tensor[i], diag);
        rc = draft_close(&draft, path, rc, diag);
    }
    if (rc != 0)
        diag_prefix(diag, "%s", path);
    return rc;
}

static json_t *pack_id(uint32_t id)
{
    return id != UINT32_MAX ? json_integer(id) : json_null();
}

static json_t *describe_config(const struct weights_geometry *g, uint32_t begin, uint32_t end)
{
    bool is_qwen2 = g->has_qkv_bias;
    return json_pack("{s:[s], s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:b, s:o, s:o}",
                     "architectures", is_qwen2 ? "Qwen2ForCausalLM" : "LlamaForCausalLM", "model_type",
                     is_qwen2 ? "qwen2" : "llama", "hidden_act", "silu", "num_hidden_layers",
                     (json_int_t) g->layers, "hidden_size", (json_int_t) g->hidden, "num_attention_heads",
                     (json_int_t) g->heads, "num_key_value_heads", (json_int_t) g->kv_heads, "head_dim",
                     (json_int_t) g->head_size, "intermediate_size", (json_int_t) g->ff, "vocab_size",
                     (json_int_t) g->vocab, "max_position_embeddings", (json_int_t) g->context,
                     "rms_norm_eps", (double) g->norm_epsilon, "rope_theta", (double) g->rope_theta,
                     "tie_word_embeddings", (int) g->is_tied, "bos_token_id", pack_id(begin), "eos_token_id",
                     pack_id(end));
}

int safetensors_write_config(const char *path, const struct weights_geometry *geometry, uint32_t begin,
                             uint32_t end, struct diag *diag)
{
    struct draft draft = {0};
    if (geometry->rotary != WEIGHTS_HALF_SPLIT || geometry->rope_divisor != NULL)
        return diag_fail(
            diag, ERR_UNSUPPORTED,
            "%s: interleaved or scaled rotary positions; half-split ones without scaling would be right",
            path);
    json_t *config = describe_config(geometry, begin, end);
    struct buf text = {0};
    int rc = dump(config, JSON_INDENT(2) | JSON_REAL_PRECISION(9), &text);
    rc = rc == 0 ? draft_open(path, &draft, diag) : diag_fail(diag, rc, "out of memory");
    if (rc == 0) {
        rc = put(&draft, text.data, text.size, diag);
        rc = rc == 0 ? put(&draft, "\n", 1, diag) : rc;
        rc = draft_close(&draft, path, rc, diag);
    }
    buf_finish(&text);
    json_decref(config);
    if (rc != 0)
        diag_prefix(diag, "%s", path);
    return rc;
}
