#include "core/train/shape.h"

#include <assert.h>

#include "core/base/err.h"
#include "core/base/text_format.h"

#define LAYER_TENSORS 9u

static int check_range(const char *name, uint32_t value, uint32_t least, uint32_t most, struct diag *diag)
{
    if (value >= least && value <= most)
        return 0;
    return diag_fail(diag, ERR_RANGE, "%s: %u is not from %u to %u", name, value, least, most);
}

static int check_heads(const struct shape *shape, struct diag *diag)
{
    if (shape->width % shape->heads != 0 || shape->width / shape->heads % 2 != 0)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "heads: a width of %u does not divide into %u heads of an even size", shape->width,
                         shape->heads);
    if (shape->heads % shape->kv_heads != 0)
        return diag_fail(diag, ERR_UNSUPPORTED, "kv_heads: %u do not divide %u heads", shape->kv_heads,
                         shape->heads);
    return 0;
}

int shape_check(const struct shape *shape, struct diag *diag)
{
    const struct {
        const char *name;
        uint32_t value, least, most;
    } ranges[] = {
        {"layers", shape->layers, 1, SHAPE_LAYERS_MAX},
        {"width", shape->width, 2, SHAPE_WIDTH_MAX},
        {"heads", shape->heads, 1, SHAPE_HEADS_MAX},
        {"kv_heads", shape->kv_heads, 1, SHAPE_HEADS_MAX},
        {"hidden", shape->hidden, 1, SHAPE_HIDDEN_MAX},
        {"vocabulary", shape->vocabulary, 2, SHAPE_VOCABULARY_MAX},
        {"context", shape->context, 2, SHAPE_CONTEXT_MAX},
    };
    int rc = 0;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges && rc == 0; i++)
        rc = check_range(ranges[i].name, ranges[i].value, ranges[i].least, ranges[i].most, diag);
    return rc == 0 ? check_heads(shape, diag) : rc;
}

struct shape_layer shape_layer(const struct shape *shape)
{
    struct shape_layer layer;
    size_t width = shape->width, hidden = shape->hidden;
    layer.attention_norm = 0;
    layer.qkv = layer.attention_norm + width;
    layer.output = layer.qkv + shape_qkv(shape) * width;
    layer.feed_norm = layer.output + width * width;
    layer.gate_up = layer.feed_norm + width;
    layer.down = layer.gate_up + 2 * hidden * width;
    layer.size = layer.down + width * hidden;
    return layer;
}

size_t shape_layer_at(const struct shape *shape, uint32_t layer)
{
    assert(layer <= shape->layers);
    return (size_t) shape->vocabulary * shape->width + layer * shape_layer(shape).size;
}

size_t shape_norm_at(const struct shape *shape)
{
    return shape_layer_at(shape, shape->layers);
}

size_t shape_parameters(const struct shape *shape)
{
    return shape_norm_at(shape) + shape->width;
}

static struct shape_tensor layer_tensor(const struct shape *shape, uint32_t number, size_t part)
{
    struct shape_layer layer = shape_layer(shape);
    size_t width = shape->width, hidden = shape->hidden, kv = shape->kv_heads * shape_head_size(shape);
    const struct {
        const char *name;
        size_t at, rows, columns;
    } parts[LAYER_TENSORS] = {
        {"input_layernorm", layer.attention_norm, 0, width},
        {"self_attn.q_proj", layer.qkv, width, width},
        {"self_attn.k_proj", layer.qkv + width * width, kv, width},
        {"self_attn.v_proj", layer.qkv + (width + kv) * width, kv, width},
        {"self_attn.o_proj", layer.output, width, width},
        {"post_attention_layernorm", layer.feed_norm, 0, width},
        {"mlp.gate_proj", layer.gate_up, hidden, width},
        {"mlp.up_proj", layer.gate_up + hidden * width, hidden, width},
        {"mlp.down_proj", layer.down, width, hidden},
    };
    struct shape_tensor tensor = {.at = shape_layer_at(shape, number) + parts[part].at,
                                  .rows = parts[part].rows,
                                  .columns = parts[part].columns};
    (void) text_format(tensor.name, sizeof tensor.name, "model.layers.%u.%s.weight", number,
                       parts[part].name); /* fits */
    return tensor;
}

struct shape_tensor shape_tensor(const struct shape *shape, size_t index)
{
    assert(index < shape_tensors(shape));
    if (index == 0)
        return (struct shape_tensor){"model.embed_tokens.weight", 0, shape->vocabulary, shape->width};
    if (index + 1 == shape_tensors(shape))
        return (struct shape_tensor){"model.norm.weight", shape_norm_at(shape), 0, shape->width};
    return layer_tensor(shape, (uint32_t) ((index - 1) / LAYER_TENSORS), (index - 1) % LAYER_TENSORS);
}
