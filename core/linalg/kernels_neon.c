/* Built for the instructions of its name. */
#include "core/linalg/path_internal.h"

const struct linalg_kernels linalg_kernels_neon = KERNELS("neon");
