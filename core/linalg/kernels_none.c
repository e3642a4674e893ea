/* Without vector instructions. */
#define LINALG_PLAIN
#include "core/linalg/blocks_internal.h"

const struct linalg_kernels linalg_kernels_none = {"none", multiply};
