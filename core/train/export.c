#include "core/train/export.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/file.h"

union single {
    float number;
    uint32_t bits;
};

uint16_t export_half(float value)
{
    const union single single = {.number = value};
    const uint32_t sign = single.bits >> 16 & 0x8000, exponent = single.bits >> 23 & 0xff;
    const uint32_t fraction = single.bits & 0x7fffff;
    if (exponent == 0xff)
        return (uint16_t) (sign | 0x7c00 | (fraction != 0 ? 0x200 : 0));
    /* The fraction with its hidden bit, and how far it is shifted: more where halves are denormal. */
    const uint32_t whole = fraction | 0x800000;
    const uint32_t shift = exponent >= 113 ? 13 : 126 - exponent;
    if (exponent < 102)
        return (uint16_t) sign;
    uint32_t half = exponent >= 113 ? ((exponent - 113) << 10) + (whole >> 13) : whole >> shift;
    const uint32_t rest = whole & ((1u << shift) - 1), middle = 1u << (shift - 1);
    half += rest > middle || (rest == middle && (half & 1) != 0) ? 1 : 0;
    return (uint16_t) (sign | (half < 0x7c00 ? half : 0x7c00));
}

float export_from_half(uint16_t half)
{
    const uint32_t exponent = half >> 10 & 0x1f, fraction = half & 0x3ff;
    union single single;
    if (exponent == 0x1f)
        single.bits = 0x7f800000 | fraction << 13;
    else if (exponent > 0)
        single.bits = (exponent + 112) << 23 | fraction << 13;
    else
        single.number = (float) fraction * 0x1p-24f;
    single.bits |= (uint32_t) (half & 0x8000) << 16;
    return single.number;
}

int export_round(size_t count, float *params, struct diag *diag)
{
    for (size_t i = 0; i < count; i++) {
        float rounded = export_from_half(export_half(params[i]));
        if (!isfinite(rounded))
            return diag_fail(diag, ERR_RANGE, "parameter %zu is %g, which no half-precision number holds", i,
                             (double) params[i]);
        params[i] = rounded;
    }
    return 0;
}

/* Little-endian, whatever the machine. */
static int push_halves(struct buf *file, const float *params, size_t count)
{
    if (buf_reserve(file, 2 * count) != 0)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        uint16_t half = export_half(params[i]);
        file->data[file->size++] = (uint8_t) (half & 0xff);
        file->data[file->size++] = (uint8_t) (half >> 8);
    }
    return 0;
}

static int push_head(struct buf *head, const struct shape *shape, const char *about)
{
    int rc = buf_printf(head, "{\"__metadata__\":%s", about);
    for (size_t i = 0; i < shape_tensors(shape) && rc == 0; i++) {
        const struct shape_tensor tensor = shape_tensor(shape, i);
        const size_t size = (tensor.rows > 0 ? tensor.rows : 1) * tensor.columns;
        rc = buf_printf(head, ",\"%s\":{\"dtype\":\"F16\",\"shape\":[", tensor.name);
        if (rc == 0 && tensor.rows > 0)
            rc = buf_printf(head, "%zu,", tensor.rows);
        if (rc == 0)
            rc = buf_printf(head, "%zu],\"data_offsets\":[%zu,%zu]}", tensor.columns, 2 * tensor.at,
                            2 * (tensor.at + size));
    }
    if (rc == 0)
        rc = buf_printf(head, "}");
    while (rc == 0 && head->size % 8 != 0) /* the numbers are aligned */
        rc = buf_printf(head, " ");
    return rc;
}

int export_safetensors(const struct shape *shape, const float *params, const char *about, const char *path,
                       struct diag *diag)
{
    struct buf head = {0}, file = {0};
    uint8_t length[8];
    int rc = push_head(&head, shape, about);
    for (size_t i = 0; i < sizeof length; i++)
        length[i] = (uint8_t) ((uint64_t) head.size >> 8 * i);
    if (rc == 0)
        rc = buf_push(&file, length, sizeof length);
    if (rc == 0)
        rc = buf_push(&file, head.data, head.size);
    if (rc == 0)
        rc = push_halves(&file, params, shape_parameters(shape));
    rc = rc == 0 ? file_replace(path, file.data, file.size, diag) : diag_fail(diag, rc, "out of memory");
    buf_finish(&head);
    buf_finish(&file);
    return rc;
}

int export_config(const struct shape *shape, uint16_t end, const char *path, struct diag *diag)
{
    struct buf text = {0};
    int rc =
        buf_printf(&text,
                   "{\n  \"architectures\": [\"LlamaForCausalLM\"],\n  \"model_type\": \"llama\",\n"
                   "  \"hidden_size\": %u,\n  \"intermediate_size\": %u,\n  \"num_hidden_layers\": %u,\n"
                   "  \"num_attention_heads\": %u,\n  \"num_key_value_heads\": %u,\n  \"head_dim\": %zu,\n"
                   "  \"vocab_size\": %u,\n  \"max_position_embeddings\": %u,\n",
                   shape->width, shape->hidden, shape->layers, shape->heads, shape->kv_heads,
                   shape_head_size(shape), shape->vocabulary, shape->context);
    if (rc == 0)
        rc = buf_printf(
            &text,
            "  \"rms_norm_eps\": 1e-05,\n  \"rope_theta\": 10000.0,\n  \"rope_scaling\": null,\n"
            "  \"hidden_act\": \"silu\",\n  \"attention_bias\": false,\n  \"attention_dropout\": 0.0,\n"
            "  \"mlp_bias\": false,\n  \"tie_word_embeddings\": true,\n  \"bos_token_id\": %u,\n"
            "  \"eos_token_id\": %u,\n  \"initializer_range\": 0.02,\n  \"torch_dtype\": \"float16\",\n"
            "  \"use_cache\": true\n}\n",
            end, end);
    rc = rc == 0 ? file_replace(path, text.data, text.size, diag) : diag_fail(diag, rc, "out of memory");
    buf_finish(&text);
    return rc;
}
