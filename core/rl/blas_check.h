/* Is this machine's BLAS to be trusted, and which one is it? Kernels differ between processors, and with them
 * the last bits of every sum: a run records the kernel's name. OPENBLAS_CORETYPE chooses another kernel,
 * before start. */
#ifndef HANDOFF_CORE_RL_BLAS_CHECK_H
#define HANDOFF_CORE_RL_BLAS_CHECK_H

#include "core/base/diag.h"

/* Products of the learner's shapes (every transposition used, strides, batch and one row) against a plain
 * loop in double precision, at one thread. 0, or ERR_MISMATCH with the first product that is wrong, or
 * -ENOMEM. A few milliseconds. */
int blas_self_test(struct diag *diag);

/* The kernel in use ("Haswell", "SkylakeX"). Static storage. */
const char *blas_kernel_name(void);

/* The library and how it was built ("OpenBLAS 0.3.21 ..."). Static storage. */
const char *blas_config(void);

#endif
