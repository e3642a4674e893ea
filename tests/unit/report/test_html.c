/* Numbers as cells of a table, and pieces of a page while one has failed. */
#include "orchestrator/report/html.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"

static void expect(struct buf *text, const char *expected)
{
    assert_string_equal((const char *) text->data, expected);
    buf_finish(text);
}

static void a_number_has_about_four_digits(void **state)
{
    static const struct {
        double value;
        const char *cell;
    } cases[] = {
        {0.0, "<td>0.000</td>"},
        {0.001, "<td>0.001</td>"},
        {0.00099, "<td>0.00099</td>"},
        {9.9994, "<td>9.999</td>"},
        {10.0, "<td>10.00</td>"},
        {99.994, "<td>99.99</td>"},
        {100.0, "<td>100.0</td>"},
        {999.94, "<td>999.9</td>"},
        {1000.0, "<td>1000</td>"},
        {999999.0, "<td>999999</td>"},
        {1e6, "<td>1e+06</td>"},
        {-12.345, "<td>-12.35</td>"},
        {-2e7, "<td>-2e+07</td>"},
        {(double) NAN, "<td>&#8211;</td>"},
        {(double) INFINITY, "<td>&#8211;</td>"},
    };
    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf text = {0};
        struct html html = {.text = &text};
        html_number_cell(&html, cases[i].value);
        assert_int_equal(html.code, 0);
        expect(&text, cases[i].cell);
    }
}

static void an_interval_stands_behind_its_number_where_there_is_one(void **state)
{
    struct buf text = {0};
    struct html html = {.text = &text};
    (void) state;
    html_interval_cell(&html, 2.0, &(struct interval){1.0, 30.0});
    html_interval_cell(&html, 2.0, &(struct interval){(double) NAN, (double) NAN});
    expect(&text, "<td>2.000 <span class=\"interval\">[1.000, 30.00]</span></td><td>2.000</td>");
}

static void texts_are_escaped(void **state)
{
    struct buf text = {0};
    struct html html = {.text = &text};
    (void) state;
    html_text(&html, "a<b");
    html_raw(&html, "<p>%d", 3);
    assert_int_equal(html.code, 0);
    expect(&text, "a&lt;b<p>3");
}

static void a_piece_that_is_too_long_is_an_error_and_the_next_shorter_is_not(void **state)
{
    static char piece[4097];
    struct buf text = {0};
    struct html html = {.text = &text};
    (void) state;
    memset(piece, 'x', 4095);
    html_raw(&html, "%s", piece);
    assert_int_equal(html.code, 0);
    assert_int_equal(text.size, 4095);
    piece[4095] = 'x';
    html_raw(&html, "%s", piece);
    assert_int_equal(html.code, ERR_TOO_BIG);
    assert_int_equal(text.size, 4095);
    buf_finish(&text);
}

static void behind_a_failure_nothing_is_written_and_it_stays(void **state)
{
    struct buf text = {0};
    struct html html = {.text = &text, .code = -ENOMEM};
    (void) state;
    html_raw(&html, "a");
    html_text(&html, "b");
    html_number_cell(&html, 1.0);
    html_interval_cell(&html, 1.0, &(struct interval){0.0, 2.0});
    assert_int_equal(html.code, -ENOMEM);
    assert_int_equal(text.size, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_has_about_four_digits),
        cmocka_unit_test(an_interval_stands_behind_its_number_where_there_is_one),
        cmocka_unit_test(texts_are_escaped),
        cmocka_unit_test(a_piece_that_is_too_long_is_an_error_and_the_next_shorter_is_not),
        cmocka_unit_test(behind_a_failure_nothing_is_written_and_it_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
