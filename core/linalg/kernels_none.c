/* Without vector instructions. */
#define LINALG_PLAIN
#include "core/linalg/panels_internal.h"

const struct linalg_kernels linalg_kernels_none = {"none", multiply, multiply_floats};
