/* Built for the instructions of its name. */
#include "core/linalg/panels_internal.h"

const struct linalg_kernels linalg_kernels_neon = {"neon", multiply, multiply_floats};
