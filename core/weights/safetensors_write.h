/* Writes a model in the form that weights_open reads: model.safetensors, and config.json beside it. */
#ifndef HANDOFF_CORE_WEIGHTS_SAFETENSORS_WRITE_H
#define HANDOFF_CORE_WEIGHTS_SAFETENSORS_WRITE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/weights/weights.h"

/* All borrowed. `name` and the texts are UTF-8. */
struct safetensors_tensor {
    const char *name; /* weights_name gives those that weights_open looks for */
    enum weights_type
        type;      /* WEIGHTS_F32, or WEIGHTS_F16 or WEIGHTS_BF16: rounded to the nearest, ties to even */
    uint32_t dims; /* 1: a vector of `columns`; 2: a matrix */
    uint32_t rows, columns; /* rows is 1 of a vector */
    const float *from;      /* [rows][columns] */
};

struct safetensors_text {
    const char *key, *value;
};

struct safetensors_model {
    const struct safetensors_tensor *tensor;
    size_t tensors;
    const struct safetensors_text *text; /* the file's metadata */
    size_t texts;
};

/* Writes the file whole or not at all: beside its place, synced, then renamed. Names must differ. ERR_RANGE: a
 * finite value that is too large for F16 or BF16. */
int safetensors_write(const char *path, const struct safetensors_model *model, struct diag *diag);

/* Writes config.json for `geometry`, whole or not at all. A safetensors model has the half-split rotary layout:
 * ERR_UNSUPPORTED otherwise, and for rope divisors. `begin` and `end` are ids of tokens, or UINT32_MAX. */
int safetensors_write_config(const char *path, const struct weights_geometry *geometry, uint32_t begin,
                             uint32_t end, struct diag *diag);

#endif
