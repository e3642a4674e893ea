/* Built for the instructions of its name. */
#include "core/linalg/integers_internal.h"

const struct linalg_integers linalg_integers_avx2 = {"avx2", multiply_integers};
