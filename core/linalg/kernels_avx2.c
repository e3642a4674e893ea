/* Built for the instructions of its name. */
#include "core/linalg/blocks_internal.h"

const struct linalg_kernels linalg_kernels_avx2 = {"avx2", multiply};
