#include "core/base/text_markup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_made(int (*make)(struct buf *text, const char *from), const char *from,
                        const char *expected)
{
    struct buf text = {0};
    assert_int_equal(make(&text, from), 0);
    assert_string_equal((const char *) text.data, expected);
    assert_int_equal(text.size, strlen(expected));
    buf_finish(&text);
}

static void html_escapes_what_could_begin_markup_or_end_an_attribute(void **state)
{
    (void) state;
    assert_made(text_markup_html, "<script src=\"x\">&'</script>",
                "&lt;script src=&quot;x&quot;&gt;&amp;&#39;&lt;/script&gt;");
    assert_made(text_markup_html, "", "");
    assert_made(text_markup_html, "two\nlines\tstay, \x01\x1b[0m\r\x7f not", "two\nlines\tstay, ??[0m?? not");
}

static void bytes_that_are_no_character_become_question_marks(void **state)
{
    (void) state;
    assert_made(text_markup_html, "Z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x98\x80",
                "Z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x98\x80");
    assert_made(text_markup_html, "\xff\xfe", "??");
    assert_made(text_markup_html,
                "\xc0\xbc"
                "script",
                "??script");                                   /* an overlong '<' */
    assert_made(text_markup_html, "\xe0\x80\xbc", "???");      /* likewise */
    assert_made(text_markup_html, "\xed\xa0\x80", "???");      /* a surrogate */
    assert_made(text_markup_html, "\xf4\x90\x80\x80", "????"); /* beyond U+10FFFF */
    assert_made(text_markup_html, "\xef\xbf\xbf", "???");      /* not in XML */
    assert_made(text_markup_html, "\xe2\x82", "??");           /* cut off */
    assert_made(text_markup_html, "\xc2\x85", "?");            /* a control character of two bytes */
}

static void labels_stand_on_one_line_and_hold_no_quotation_mark_and_no_comma(void **state)
{
    (void) state;
    assert_made(text_markup_label, "a\nb\"c\\d`e`",
                "a?b\xe2\x80\x99"
                "c\\d`e`");
    assert_made(text_markup_field, "plain", "plain");
    assert_made(text_markup_field, "5,20", "5/20");
    assert_made(text_markup_field, "a \"b\"\n",
                "\"a \xe2\x80\x99"
                "b\xe2\x80\x99?\"");
    assert_made(text_markup_field, "#comment", "\"#comment\"");
}

static void nothing_ends_gnuplots_single_quotes(void **state)
{
    (void) state;
    assert_made(text_markup_quoted, "it's", "'it\xe2\x80\x99s'");
    assert_made(text_markup_quoted, "'; system \"rm\"", "'\xe2\x80\x99; system \xe2\x80\x99rm\xe2\x80\x99'");
    assert_made(text_markup_quoted, "a\n!id\n", "'a?!id?'");
}

static void slugs_are_harmless_names_of_files(void **state)
{
    (void) state;
    char slug[8];
    text_markup_slug(slug, sizeof slug, "../Etc");
    assert_string_equal(slug, "etc");
    text_markup_slug(slug, sizeof slug, "A b__C!");
    assert_string_equal(slug, "a-b-c");
    text_markup_slug(slug, sizeof slug, "123456-89");
    assert_string_equal(slug, "123456");
    text_markup_slug(slug, sizeof slug, "\xc3\xbc/");
    assert_string_equal(slug, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(html_escapes_what_could_begin_markup_or_end_an_attribute),
        cmocka_unit_test(bytes_that_are_no_character_become_question_marks),
        cmocka_unit_test(labels_stand_on_one_line_and_hold_no_quotation_mark_and_no_comma),
        cmocka_unit_test(nothing_ends_gnuplots_single_quotes),
        cmocka_unit_test(slugs_are_harmless_names_of_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
