/* Built for the instructions of its name. */
#include "core/linalg/path_internal.h"

const struct linalg_kernels linalg_kernels_avx2 = KERNELS("avx2");
