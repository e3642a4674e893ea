/* The check that OpenBLAS has to pass, with a product in its place that is wrong where a test wants it. */
#include "core/linalg/openblas_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/linalg/openblas.h"

static struct {
    size_t products; /* so far */
    size_t wrong;    /* the product that is wrong; SIZE_MAX: none */
    bool last_row, last_column;
    size_t row, column; /* where it was wrong */
} fake;

const char *openblas_kernel(void)
{
    return "Fake";
}

void openblas_multiply(const struct linalg_product *product)
{
    linalg_multiply(product);
    if (fake.products++ != fake.wrong)
        return;
    fake.row = fake.last_row ? product->rows - 1 : 0;
    fake.column = fake.last_column ? product->columns - 1 : 0;
    product->c[fake.row * product->c_stride + fake.column] += 0.01f;
}

static void our_own_products_pass(void **state)
{
    (void) state;
    struct diag diag = {{0}};
    fake.products = 0;
    fake.wrong = SIZE_MAX;
    assert_int_equal(openblas_check(&diag), 0);
    assert_int_equal(fake.products, 17);
    assert_string_equal(diag.text, "");
}

static void a_wrong_number_in_any_product_is_found_and_named(void **state)
{
    (void) state;
    for (fake.wrong = 0; fake.wrong < 17; fake.wrong++)
        for (int corner = 0; corner < 4; corner++) {
            struct diag diag = {{0}};
            char where[64];
            fake.products = 0;
            fake.last_row = corner % 2 == 1;
            fake.last_column = corner / 2 == 1;
            assert_int_equal(openblas_check(&diag), ERR_MISMATCH);
            assert_int_equal(fake.products, fake.wrong + 1);
            (void) snprintf(where, sizeof where, "wrong at row %zu, column %zu:", fake.row, fake.column);
            assert_non_null(strstr(diag.text, where));
            assert_non_null(strstr(diag.text, "OpenBLAS's kernel Fake"));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_own_products_pass),
        cmocka_unit_test(a_wrong_number_in_any_product_is_found_and_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
