/* TRAIN_SIMD_CLONES before a function: it is compiled for several vector widths, and the processor's is chosen when
 * the program is loaded. The bits are the same for each: the same operations on each element, no contraction. */
#ifndef HANDOFF_CORE_TRAIN_SIMD_CLONES_INTERNAL_H
#define HANDOFF_CORE_TRAIN_SIMD_CLONES_INTERNAL_H

/* Not under sanitizers, whose checks would run in the choice, before they are set up. */
#if defined(__x86_64__) && defined(__linux__) && defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) &&  \
    !defined(__SANITIZE_THREAD__) && !defined(__clang__)
#define TRAIN_SIMD_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define TRAIN_SIMD_CLONES
#endif

#endif
