/* Built for the instructions of its name. */
#include "core/linalg/blocks_internal.h"

const struct linalg_kernels linalg_kernels_avx512 = {"avx512", multiply};
