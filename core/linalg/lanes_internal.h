/* What products of integers are made of, on one vector path: LANES numbers at once, one for each column of a panel.
 * Which path, the compiler's flags say, as in vector_internal.h. Each path has a header that defines
 *
 *   FLOATS, INTS  LANES numbers
 *   BYTES         a chunk: four bytes of each lane
 *   FOURS         sums of products of four-bit numbers, on their way
 *   INTEGER_ROWS  rows whose sums fit into registers
 *
 * and the functions of lanes_plain_internal.h, whose loops say what each one does. */
#ifndef HANDOFF_CORE_LINALG_LANES_INTERNAL_H
#define HANDOFF_CORE_LINALG_LANES_INTERNAL_H

#if defined(__AVX512VNNI__) && !defined(LINALG_PLAIN)
#include "core/linalg/lanes_vnni_internal.h"
#elif defined(__AVX2__) && !defined(LINALG_PLAIN)
#include "core/linalg/lanes_avx2_internal.h"
#elif defined(__aarch64__) && !defined(LINALG_PLAIN)
#include "core/linalg/lanes_neon_internal.h"
#else
#include "core/linalg/lanes_plain_internal.h"
#endif

#endif
