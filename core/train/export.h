/* A trained model as files that others read: model.safetensors with half-precision numbers, and config.json
 * (core/weights/safetensors_write.h). */
#ifndef HANDOFF_CORE_TRAIN_EXPORT_H
#define HANDOFF_CORE_TRAIN_EXPORT_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/train/shape.h"
#include "core/weights/safetensors_write.h"

/* Every parameter becomes the number that the file will hold. ERR_RANGE: one is too large for it. */
int export_round(size_t count, float *params, struct diag *diag);

/* `text` [texts] is the file's metadata. */
struct export_model {
    const struct shape *shape;
    const float *params; /* [shape_parameters] */
    const struct safetensors_text *text;
    size_t texts;
    uint16_t end; /* the token that ends a text, and stands before one */
};

int export_weights(const struct export_model *model, const char *path, struct diag *diag);
int export_config(const struct export_model *model, const char *path, struct diag *diag);

#endif
