#include "core/linalg/product.h"

#include <stdatomic.h>

#include "core/linalg/kernels_internal.h"

/* Process-wide: learners of one process multiply alike. NULL: our own product. */
static _Atomic(const struct linalg_kernels *) replacement;

void linalg_multiply(const struct linalg_product *product)
{
    const struct linalg_kernels *other = atomic_load_explicit(&replacement, memory_order_acquire);
    (other != NULL ? other : linalg_kernels_in_use())->multiply(product);
}

void linalg_replace(const struct linalg_kernels *other)
{
    atomic_store_explicit(&replacement, other, memory_order_release);
}

const char *linalg_name(void)
{
    const struct linalg_kernels *other = atomic_load_explicit(&replacement, memory_order_acquire);
    return other != NULL ? other->name : "portable";
}
