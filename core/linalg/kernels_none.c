/* Without vector instructions. */
#define LINALG_PLAIN
#include "core/linalg/path_internal.h"

const struct linalg_kernels linalg_kernels_none = KERNELS("none");
