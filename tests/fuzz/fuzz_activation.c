/* The decoder of activations on arbitrary shapes and bytes: no crash; what is refused is refused with one line, and
 * what is accepted is finite numbers that the encoder takes again. The first eight bytes are the shape: format, rows,
 * columns and k, little-endian; the rest is the encoding. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/infer/activation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SHAPE_BYTES 8u
#define ELEMENTS_MAX 65536u /* more would only be slow */

static void require(int holds)
{
    if (!holds)
        abort();
}

static struct activation_shape read_shape(const uint8_t *data)
{
    return (struct activation_shape){
        .format = (enum activation_format) data[0],
        .rows = (uint32_t) data[1] | (uint32_t) data[2] << 8,
        .columns = (uint32_t) data[3] | (uint32_t) data[4] << 8 | (uint32_t) (data[5] & 1u) << 16,
        .k = (uint32_t) data[6] | (uint32_t) data[7] << 8,
    };
}

/* What was decoded is encoded again. Formats that keep an element's bits, or round it to what it is already, give the
 * same numbers once more. */
static void check_again(const struct activation_shape *shape, const float *x, uint8_t *bytes, float *again)
{
    size_t size = activation_bytes(shape->format, shape->rows, shape->columns, shape->k);
    size_t elements = (size_t) shape->rows * shape->columns;
    require(activation_encode(shape, x, bytes, NULL) == 0);
    require(activation_decode(shape, bytes, size, again, NULL) == 0);
    for (size_t i = 0; i < elements; i++) {
        require(isfinite(x[i]) && isfinite(again[i]));
        if (shape->format != ACTIVATION_INT8 && shape->format != ACTIVATION_INT4)
            require(x[i] == again[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diag diag = {{0}};
    if (size < SHAPE_BYTES)
        return 0;
    struct activation_shape shape = read_shape(data);
    if (activation_check(&shape, &diag) != 0) {
        float none = 0.0f;
        require(diag.text[0] != '\0' && strchr(diag.text, '\n') == NULL);
        require(activation_decode(&shape, data + SHAPE_BYTES, size - SHAPE_BYTES, &none, NULL) != 0);
        return 0;
    }
    size_t elements = (size_t) shape.rows * shape.columns;
    if (elements > ELEMENTS_MAX)
        return 0;
    float *x = calloc(2 * elements, sizeof *x);
    uint8_t *bytes = calloc(1, activation_bytes(shape.format, shape.rows, shape.columns, shape.k));
    require(x != NULL && bytes != NULL);
    if (activation_decode(&shape, data + SHAPE_BYTES, size - SHAPE_BYTES, x, &diag) == 0)
        check_again(&shape, x, bytes, x + elements);
    else
        require(diag.text[0] != '\0' && strchr(diag.text, '\n') == NULL);
    free(x);
    free(bytes);
    return 0;
}
