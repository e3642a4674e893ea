/* OpenBLAS in place of our own product: the yardstick of benchmarks, the second opinion of tests, and `run.linalg:
 * openblas`. Its kernels add in different orders on different processors and for different numbers of rows, so nothing
 * that product.h promises holds with it.
 *
 * No program is linked with it. It is loaded when it is first used: with little address space (ulimit -v below 300 MB)
 * it never comes back from being loaded. One thread. */
#ifndef HANDOFF_CORE_LINALG_OPENBLAS_H
#define HANDOFF_CORE_LINALG_OPENBLAS_H

#include <stdbool.h>

#include "core/base/diag.h"
#include "core/linalg/product.h"

/* Loads it, once in a process, and compares its products of the learners' shapes with a plain loop in double precision
 * (a few milliseconds). ERR_NOT_FOUND: there is none here; ERR_MISMATCH: it computes wrongly; -ENOMEM. Not while
 * another thread multiplies. */
int openblas_open(struct diag *diag);

/* After openblas_open: the kernel that it chose ("Haswell", "SkylakeX"; OPENBLAS_CORETYPE, set before start, asks for
 * another one), and the library with how it was built ("OpenBLAS 0.3.21 ..."). Static storage. */
const char *openblas_kernel(void);
const char *openblas_version(void);

/* After openblas_open. Each matrix is row-major or such a matrix transposed. */
void openblas_multiply(const struct linalg_product *product);

/* From now on linalg_multiply is openblas_multiply, or our own product again. As openblas_open; our own is always
 * there. */
int openblas_use(bool used, struct diag *diag);

#endif
