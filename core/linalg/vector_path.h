/* Which vector instructions products and functions of rows use. All give the same bits
 * (product.h, packed.h, rows.h), so that this is a matter of speed; tests compare them on one machine. Packed integers
 * use the products of bytes of AVX-512 and arm64 where the path in use has them.
 *
 * The widest path that the processor has is chosen with the first product. A program lets its environment restrict
 * it: HANDOFF_VECTOR=avx512|avx2|neon|none, read once at its start, before any product. */
#ifndef HANDOFF_CORE_LINALG_VECTOR_PATH_H
#define HANDOFF_CORE_LINALG_VECTOR_PATH_H

#include <stddef.h>

#include "core/base/diag.h"

#define LINALG_VECTOR_VARIABLE "HANDOFF_VECTOR"

/* The path of this name ("avx512", "avx2", "neon", "none"), or the widest: NULL. ERR_SYNTAX: no such word;
 * ERR_UNSUPPORTED: this processor does not have it. Not while another thread multiplies. */
int linalg_vector_choose(const char *word, struct diag *diag);

/* The name of the path in use. */
const char *linalg_vector_path(void);

/* Names of the paths that this processor has, widest first: ret_names[LINALG_PATHS_MAX]. Returns how many. */
#define LINALG_PATHS_MAX 4u
size_t linalg_vector_paths(const char **ret_names);

#endif
