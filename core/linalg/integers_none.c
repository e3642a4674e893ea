/* Without vector instructions. */
#define LINALG_PLAIN
#include "core/linalg/integers_internal.h"

const struct linalg_integers linalg_integers_none = {"none", multiply_integers};
