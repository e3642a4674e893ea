/* The products on each vector path, and what they share. */
#ifndef HANDOFF_CORE_LINALG_KERNELS_INTERNAL_H
#define HANDOFF_CORE_LINALG_KERNELS_INTERNAL_H

#include "core/linalg/packed.h"
#include "core/linalg/product.h"
#include "core/linalg/rows.h"

struct linalg_kernels {
    const char *name;
    void (*multiply)(const struct linalg_product *product);
    void (*multiply_floats)(const struct linalg_packed_product *product); /* LINALG_F32 */
    void (*exp)(size_t count, const float *x, float *y);                  /* these as in rows.h */
    void (*rms_norm)(const struct linalg_rms_norm *norm);
    void (*softmax)(size_t count, float *scores);
    void (*silu_product)(size_t count, float *gate, const float *up);
    void (*gelu_product)(size_t count, float *gate, const float *up);
    void (*floats_of_halves)(size_t count, const uint16_t *halves, float *ret_floats);
    void (*halves_of_floats)(size_t count, const float *floats, uint16_t *ret_halves);
};

/* Products of integers may have more ways on one path: all are exact (packed.h). */
struct linalg_integers {
    const char *name;
    void (*multiply)(const struct linalg_packed_product *product);
};

/* Those of this architecture are built. */
extern const struct linalg_kernels linalg_kernels_avx512, linalg_kernels_avx2, linalg_kernels_neon,
    linalg_kernels_none;
extern const struct linalg_integers linalg_integers_vnni, linalg_integers_avx2, linalg_integers_dot,
    linalg_integers_neon, linalg_integers_none;

/* The path in use. */
const struct linalg_kernels *linalg_kernels_in_use(void);
const struct linalg_integers *linalg_integers_in_use(void);

/* From now on linalg_multiply is this one; NULL: the path in use. */
void linalg_replace(const struct linalg_kernels *other);

#endif
