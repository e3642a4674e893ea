/* llama2.c's model files, version 0: seven int32, then float32 tensors in a fixed order. Source:
 * github.com/karpathy/llama2.c, run.c (Config, memory_map_weights) and export.py (legacy_export). */
#include <string.h>

#include "core/base/err.h"
#include "core/weights/weights_internal.h"

#define HEADER_BYTES 28u
#define VERSION_MAGIC 0x616b3432 /* of the later versions */

static const enum weights_role order[] = {
    WEIGHTS_EMBEDDING,
    WEIGHTS_ATTENTION_NORM,
    WEIGHTS_QUERY,
    WEIGHTS_KEY,
    WEIGHTS_VALUE,
    /* all layers of one before all of the next */
    WEIGHTS_ATTENTION_OUTPUT,
    WEIGHTS_FF_NORM,
    WEIGHTS_GATE,
    WEIGHTS_DOWN,
    WEIGHTS_UP,
    WEIGHTS_FINAL_NORM,
};

/* A number of the header, or an error with its name. */
static int check_number(const char *what, int64_t value, int64_t high, struct diag *diag)
{
    if (value >= 1 && value <= high)
        return 0;
    return diag_fail(
        diag, ERR_RANGE,
        "is no model file, or one of llama2.c with a damaged header: %s is %lld; 1 to %lld would be right",
        what, (long long) value, (long long) high);
}

static int check_header(const int32_t *number /* [7] */, struct diag *diag)
{
    const struct {
        const char *what;
        int64_t high;
    } fields[7] = {
        {"dim", WEIGHTS_HIDDEN_MAX},       {"hidden_dim", WEIGHTS_FF_MAX},
        {"n_layers", WEIGHTS_LAYERS_MAX},  {"n_heads", WEIGHTS_HEADS_MAX},
        {"n_kv_heads", WEIGHTS_HEADS_MAX}, {"vocab_size", WEIGHTS_VOCAB_MAX},
        {"seq_len", WEIGHTS_CONTEXT_MAX},
    };
    if (number[0] == VERSION_MAGIC)
        return diag_fail(diag, ERR_VERSION,
                         "is a llama2.c file of version %d; version 0 would be right (export.py --version 0)",
                         number[1]);
    for (size_t i = 0; i < 7; i++) {
        int64_t value = i == 5 && number[i] < 0 ? -(int64_t) number[i] : number[i];
        int rc = check_number(fields[i].what, value, fields[i].high, diag);
        if (rc != 0)
            return rc;
    }
    if (number[0] % number[3] != 0)
        return diag_fail(diag, ERR_RANGE, "dim is %d and n_heads %d; the second has to divide the first",
                         number[0], number[3]);
    return 0;
}

static struct weights_geometry geometry_of(const int32_t *number /* [7] */)
{
    return (struct weights_geometry){
        .layers = (uint32_t) number[2],
        .hidden = (uint32_t) number[0],
        .heads = (uint32_t) number[3],
        .kv_heads = (uint32_t) number[4],
        .head_size = (uint32_t) (number[0] / number[3]),
        .ff = (uint32_t) number[1],
        .vocab = number[5] < 0 ? (uint32_t) - (int64_t) number[5] : (uint32_t) number[5],
        .context = (uint32_t) number[6],
        .norm_epsilon = 1e-5f,
        .rope_theta = 10000.0f,
        .rotary = WEIGHTS_INTERLEAVED,
        .is_tied = number[5] > 0,
    };
}

/* Places one role's tensors from `*offset` on. */
static void place(struct weights *weights, enum weights_role role, uint64_t *offset)
{
    uint32_t layers = weights_is_of_layer(role) ? weights->geometry.layers : 1;
    struct weights_tensor tensor = {.type = WEIGHTS_F32};
    weights_shape(&weights->geometry, role, &tensor.rows, &tensor.columns);
    tensor.bytes = tensor.rows * weights_row_bytes(tensor.type, tensor.columns);
    for (uint32_t layer = 0; layer < layers; layer++) {
        tensor.at = *offset < weights->file->size ? weights->file->at + *offset : NULL;
        weights->tensor[weights_index(role, layer)] = tensor;
        *offset += tensor.bytes;
    }
}

/* Two tables of rotary factors stand before the head. Nobody reads them. */
static uint64_t table_bytes(const struct weights_geometry *geometry)
{
    return (uint64_t) geometry->context * (geometry->head_size / 2) * 2 * sizeof(float);
}

int llama2c_read(struct weights *weights, struct diag *diag)
{
    const struct mapping *file = weights->file;
    int32_t number[7];
    uint64_t offset = HEADER_BYTES;
    if (file->size < HEADER_BYTES)
        return diag_fail(diag, ERR_TRUNCATED, "is no model file: it has only %llu bytes",
                         (unsigned long long) file->size);
    memcpy(number, file->at, HEADER_BYTES);
    int rc = check_header(number, diag);
    if (rc != 0)
        return rc;
    weights->geometry = geometry_of(number);
    rc = weights_check_geometry(&weights->geometry, diag);
    rc = rc == 0 ? weights_make_tensors(weights, diag) : rc;
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        place(weights, order[i], &offset);
    offset += table_bytes(&weights->geometry);
    if (!weights->geometry.is_tied)
        place(weights, WEIGHTS_HEAD, &offset);
    if (file->size != offset) /* nothing was read yet */
        return diag_fail(
            diag, ERR_MISMATCH,
            "is no model file, or one of llama2.c with a wrong length: it has %llu bytes; its header asks "
            "for %llu",
            (unsigned long long) file->size, (unsigned long long) offset);
    weights->tokens = (struct weights_tokens){.begin = 1, .end = 2, .wants_begin = true};
    return 0;
}
