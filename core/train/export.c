#include "core/train/export.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/half.h"

int export_round(size_t count, float *params, struct diag *diag)
{
    for (size_t i = 0; i < count; i++) {
        float rounded = half_to_float(half_of_float(params[i]));
        if (!isfinite(rounded))
            return diag_fail(diag, ERR_RANGE, "parameter %zu is %g, which no half-precision number holds", i,
                             (double) params[i]);
        params[i] = rounded;
    }
    return 0;
}

int export_weights(const struct export_model *model, const char *path, struct diag *diag)
{
    const size_t count = shape_tensors(model->shape);
    struct shape_tensor *from = calloc(count, sizeof *from); /* keeps the names */
    struct safetensors_tensor *tensor = calloc(count, sizeof *tensor);
    int rc = from != NULL && tensor != NULL ? 0 : diag_fail(diag, -ENOMEM, "out of memory");
    for (size_t i = 0; i < count && rc == 0; i++) {
        from[i] = shape_tensor(model->shape, i);
        tensor[i] = (struct safetensors_tensor){
            .name = from[i].name,
            .type = WEIGHTS_F16,
            .dims = from[i].rows > 0 ? 2 : 1,
            .rows = from[i].rows > 0 ? (uint32_t) from[i].rows : 1,
            .columns = (uint32_t) from[i].columns,
            .from = model->params + from[i].at,
        };
    }
    const struct safetensors_model file = {tensor, count, model->text, model->texts};
    if (rc == 0)
        rc = safetensors_write(path, &file, diag);
    free(from);
    free(tensor);
    return rc;
}

int export_config(const struct export_model *model, const char *path, struct diag *diag)
{
    const struct shape *shape = model->shape;
    const struct weights_geometry geometry = {
        .layers = shape->layers,
        .hidden = shape->width,
        .heads = shape->heads,
        .kv_heads = shape->kv_heads,
        .head_size = (uint32_t) shape_head_size(shape),
        .ff = shape->hidden,
        .vocab = shape->vocabulary,
        .context = shape->context,
        .norm_epsilon = SHAPE_NORM_EPSILON,
        .rope_theta = (float) SHAPE_ROTARY_BASE,
        .rotary = WEIGHTS_HALF_SPLIT,
        .is_tied = true,
    };
    return safetensors_write_config(path, &geometry, model->end, model->end, diag);
}
