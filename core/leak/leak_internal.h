/* What the files of this room share. */
#ifndef HANDOFF_CORE_LEAK_LEAK_INTERNAL_H
#define HANDOFF_CORE_LEAK_LEAK_INTERNAL_H

#include "core/infer/layers.h"
#include "core/leak/leak.h"

#define LEAK_ROWS 256u /* whose values for all tokens are computed at once */

struct leak {
    const struct weights_geometry *geometry;
    struct infer_model *model;
    struct infer_workspace workspace;
    float *embedding; /* [vocab][hidden] */
    float *direction; /* the same, each of length 1; zeros stay */
    float *value;     /* [LEAK_ROWS][vocab] */
    float *row;       /* [LEAK_ROWS][hidden] without the centre */
    float *centre;    /* [hidden] */
};

/* Of values [rows][vocab]: the token with the largest, each row. */
void leak_largest(const float *value, size_t rows, uint32_t vocab, uint32_t *ret_token);

#endif
