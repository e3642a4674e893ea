/* All of one vector path, as its own file builds it. */
#ifndef HANDOFF_CORE_LINALG_PATH_INTERNAL_H
#define HANDOFF_CORE_LINALG_PATH_INTERNAL_H

#include "core/linalg/panels_internal.h"
#include "core/linalg/rows_internal.h"

#define KERNELS(path)                                                                                        \
    {                                                                                                        \
        .name = (path), .multiply = multiply, .multiply_floats = multiply_floats, .exp = exp_row,            \
        .rms_norm = rms_norm, .softmax = softmax, .silu_product = silu_product,                              \
        .gelu_product = gelu_product, .floats_of_halves = floats_of_halves_row,                              \
        .halves_of_floats = halves_of_floats_row,                                                            \
    }

#endif
