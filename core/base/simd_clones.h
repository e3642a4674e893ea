/* SIMD_CLONES before a function: it is compiled for several vector widths, and the processor's is chosen when the
 * program is loaded. The results have the same bits for each: the same operations on each element, no contraction into
 * FMA. What it calls inline must be inlined, since other functions are compiled for the plain processor. */
#ifndef HANDOFF_CORE_BASE_SIMD_CLONES_H
#define HANDOFF_CORE_BASE_SIMD_CLONES_H

/* Not under sanitizers, whose checks would run in the choice, before they are set up. */
#if defined(__x86_64__) && defined(__linux__) && defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) &&  \
    !defined(__SANITIZE_THREAD__) && !defined(__clang__)
#define SIMD_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define SIMD_CLONES
#endif

#endif
