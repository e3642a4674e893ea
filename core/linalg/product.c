#include "core/linalg/product.h"

#include "core/linalg/kernels_internal.h"

void linalg_multiply(const struct linalg_product *product)
{
    linalg_kernels_in_use()->multiply(product);
}
