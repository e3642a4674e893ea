/* Where a result comes from: this program and this machine, as every run row names them. */
#ifndef HANDOFF_ORCHESTRATOR_SETUP_PROVENANCE_H
#define HANDOFF_ORCHESTRATOR_SETUP_PROVENANCE_H

#include "core/base/buf.h"

/* "0.2.0 (3f2a1bc)" */
const char *provenance_version(void);

/* Appends the processor's model: "AMD EPYC 7B13". -ENOMEM. */
int provenance_cpu(struct buf *text);

/* Appends the C library and its version: "glibc 2.36". -ENOMEM. */
int provenance_libc(struct buf *text);

/* What products are computed with: a path of core/linalg/vector_path.h, or OpenBLAS's kernel ("Haswell"). Static storage.
 */
const char *provenance_vector_path(void);

#endif
