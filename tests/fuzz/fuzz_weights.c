/* The readers of model files on arbitrary bytes: no crash, no leak, no byte read outside; what is refused is refused
 * with one line, and what is accepted has tensors of the geometry's shapes, all of them readable.
 *
 * An input that begins with "CONF" and four bytes of length has so much config.json before the file; any other gets the
 * config of a small model. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/weights/weights_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD 8u

static const char small_config[] =
    "{\"model_type\":\"llama\",\"num_hidden_layers\":1,\"hidden_size\":4,\"num_attention_heads\":2,"
    "\"num_key_value_heads\":1,\"intermediate_size\":3,\"vocab_size\":5,\"max_position_embeddings\":8,"
    "\"tie_word_embeddings\":true}";

static void require(int holds)
{
    if (!holds)
        abort();
}

static void check_tensor(const struct weights *weights, enum weights_role role, uint32_t layer)
{
    const struct weights_geometry *geometry = weights_geometry(weights);
    struct weights_tensor tensor;
    uint32_t rows = 0, columns = 0;
    if (weights_find(weights, role, layer, &tensor) != 0) {
        require(role >= WEIGHTS_QUERY_BIAS && role <= WEIGHTS_VALUE_BIAS && !geometry->has_qkv_bias);
        return;
    }
    weights_shape(geometry, role, &rows, &columns);
    require(tensor.rows == rows && tensor.columns == columns);
    require(tensor.bytes == rows * weights_row_bytes(tensor.type, columns));
    float *row = malloc(columns * sizeof *row);
    require(row != NULL);
    for (uint32_t i = 0; i < rows; i++)
        weights_read_rows(&tensor, i, 1, row);
    free(row);
}

static void check_model(const struct weights *weights)
{
    const struct weights_geometry *geometry = weights_geometry(weights);
    uint8_t hash[WEIGHTS_HASH_SIZE];
    require(weights_check_geometry(geometry, NULL) == 0);
    for (enum weights_role role = WEIGHTS_EMBEDDING; role <= WEIGHTS_HEAD; role++)
        for (uint32_t layer = 0; layer < (weights_is_of_layer(role) ? geometry->layers : 1); layer++)
            check_tensor(weights, role, layer);
    for (uint32_t i = 0; geometry->rope_divisor != NULL && i < geometry->head_size / 2; i++)
        require(geometry->rope_divisor[i] > 0.0f);
    weights_hash(weights, NULL, NULL, hash);
}

static void try_file(const uint8_t *file, size_t size, const char *config)
{
    struct weights *weights = NULL;
    struct diag diag = {{0}};
    if (weights_open_bytes(file, size, config, &weights, &diag) != 0)
        require(weights == NULL && diag.text[0] != '\0' && strchr(diag.text, '\n') == NULL);
    else
        check_model(weights);
    weights_close(weights);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t length = 0;
    if (size < HEAD || memcmp(data, "CONF", 4) != 0) {
        try_file(data, size, small_config);
        return 0;
    }
    memcpy(&length, data + 4, 4);
    if (length > size - HEAD)
        return 0;
    char *config = malloc(length + 1u);
    require(config != NULL);
    memcpy(config, data + HEAD, length);
    config[length] = '\0';
    try_file(data + HEAD + length, size - HEAD - length, config);
    free(config);
    return 0;
}
