/* What openblas.c has its library checked with. */
#ifndef HANDOFF_CORE_LINALG_OPENBLAS_INTERNAL_H
#define HANDOFF_CORE_LINALG_OPENBLAS_INTERNAL_H

#include "core/base/diag.h"

/* 0, ERR_MISMATCH with the first product that is wrong, or -ENOMEM. */
int openblas_check(struct diag *diag);

#endif
