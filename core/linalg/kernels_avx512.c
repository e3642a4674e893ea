/* Built for the instructions of its name. */
#include "core/linalg/panels_internal.h"

const struct linalg_kernels linalg_kernels_avx512 = {"avx512", multiply, multiply_floats};
