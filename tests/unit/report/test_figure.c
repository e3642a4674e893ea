/* A figure's data, its script, its files, and the drawing on a page; a shell script plays gnuplot. */
#include "orchestrator/report/figure.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/err.h"
#include "core/base/file.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/report/output.h"
#include "tests/unit/report/made.h"

static struct figure begin(void)
{
    struct figure figure = {.stem = "a-b", .template = "axis.gp"};
    figure_title(&figure, "%s", ""); /* a zero byte follows even nothing */
    return figure;
}

static void fields_are_parted_by_commas_and_rows_by_lines(void **state)
{
    struct figure figure = begin();
    (void) state;
    figure_text(&figure, "a, b");
    figure_number(&figure, 1.0 / 3.0);
    figure_text(&figure, "");
    figure_end_row(&figure);
    figure_text(&figure, "c d");
    figure_number(&figure, (double) NAN);
    figure_number(&figure, (double) INFINITY);
    figure_number(&figure, -2.0);
    figure_end_row(&figure);
    assert_int_equal(figure.code, 0);
    assert_string_equal((const char *) figure.csv.data, "\"a/ b\",0.3333333333,-\n\"c d\",,,-2\n");
    figure_finish(&figure);
}

static void a_head_is_assignments_of_texts_numbers_and_arrays(void **state)
{
    static const char *const texts[] = {"one", "it's"};
    const struct policy_kind *dapo;
    assert_int_equal(catalog_find("dapo", &dapo, NULL), 0);
    const struct evidence_policy known = {.name = "dapo", .kind = dapo}, unknown = {.name = "new"};
    const struct evidence_policy *const policies[] = {&known, &unknown};
    struct figure figure = begin();
    (void) state;
    figure_set_text(&figure, "t", "a 'b'");
    figure_set_number(&figure, "n", 0.125);
    figure_set_texts(&figure, "list", texts, 2);
    figure_set_texts(&figure, "none", texts, 0);
    figure_set_policies(&figure, policies, 2);
    assert_int_equal(figure.code, 0);
    assert_string_equal((const char *) figure.head.data, "t = 'a \u2019b\u2019'\n"
                                                         "n = 0.125\n"
                                                         "array list[2] = ['one', 'it\u2019s']\n"
                                                         "array none[0] = []\n"
                                                         "array policy[2] = ['dapo', 'new']\n"
                                                         "array colour[2] = ['#0072B2', '#7F7F7F']\n"
                                                         "array dash[2] = [1, 3]\n"
                                                         "array point[2] = [7, 3]\n"
                                                         "array learns[2] = [1, 0]\n");
    figure_finish(&figure);
}

static void behind_a_failure_nothing_is_added_and_it_stays(void **state)
{
    static const char *const texts[] = {"one"};
    const struct evidence_policy policy = {.name = "new"};
    const struct evidence_policy *const policies[] = {&policy};
    struct figure figure = {.stem = "a-b", .code = -ENOMEM};
    struct diag diag = {{0}};
    (void) state;
    figure_title(&figure, "a");
    figure_caption(&figure, "b");
    figure_set_text(&figure, "t", "c");
    figure_set_number(&figure, "n", 1.0);
    figure_set_texts(&figure, "l", texts, 1);
    figure_set_policies(&figure, policies, 1);
    figure_text(&figure, "d");
    figure_number(&figure, 2.0);
    figure_end_row(&figure);
    assert_int_equal(figure.code, -ENOMEM);
    assert_int_equal(figure.title.size + figure.caption.size + figure.head.size + figure.csv.size, 0);
    assert_int_equal(figure_write(&figure, "/nowhere", &diag), -ENOMEM);
    assert_string_equal(diag.text, "a-b: Cannot allocate memory");
}

static void a_sentence_that_is_too_long_is_cut(void **state)
{
    static char sentence[3000];
    struct figure figure = begin();
    (void) state;
    memset(sentence, 'x', sizeof sentence - 1);
    figure_title(&figure, "%s", sentence);
    figure_caption(&figure, "%s", sentence);
    assert_int_equal(figure.code, 0);
    assert_int_equal(figure.title.size, 2047);
    assert_int_equal(figure.caption.size, 2047);
    figure_finish(&figure);
}

static void expect_file(const struct scratch *s, const char *name, const char *expected)
{
    char path[SCRATCH_PATH];
    struct buf text = {0};
    scratch_path(s, name, path);
    assert_int_equal(file_read(path, 1 << 20, &text, NULL), 0);
    assert_int_equal(buf_push(&text, "", 1), 0);
    assert_string_equal((const char *) text.data, expected);
    buf_finish(&text);
}

/* A figure with something of each kind. */
static struct figure filled(void)
{
    struct figure figure = begin();
    figure_title(&figure, "A & \"b\"");
    figure_set_number(&figure, "n", 1.0);
    figure_text(&figure, "a");
    figure_end_row(&figure);
    assert_int_equal(figure.code, 0);
    return figure;
}

static void its_files_are_its_data_and_a_script_that_says_what_it_draws(void **state)
{
    const struct scratch *s = *state;
    struct figure figure = filled();
    struct buf script = {0};
    assert_int_equal(figure_write(&figure, s->directory, NULL), 0);
    expect_file(s, "a-b.csv", "a\n");
    assert_int_equal(
        buf_printf(&script,
                   "# A & \u2019b\u2019\n# `gnuplot a-b.gp` draws a-b.svg and a-b.pdf of a-b.csv.\n\n"
                   "name = 'a-b'\nn = 1\n\n%s\n%s",
                   figure_template_text("style.gp"), figure_template_text("axis.gp")),
        0);
    expect_file(s, "a-b.gp", (const char *) script.data);
    buf_finish(&script);
    figure_finish(&figure);
}

static void a_folder_that_is_not_there_takes_no_files(void **state)
{
    const struct scratch *s = *state;
    struct figure figure = filled();
    struct diag diag = {{0}};
    char path[SCRATCH_PATH], expected[2 * SCRATCH_PATH];
    scratch_path(s, "none", path);
    assert_int_equal(figure_write(&figure, path, &diag), -ENOENT);
    (void) snprintf(expected, sizeof expected, "%s/a-b.csv: No such file or directory", path);
    assert_string_equal(diag.text, expected);
    figure_finish(&figure);
}

static void a_template_has_its_text(void **state)
{
    (void) state;
    for (size_t i = 0; i < report_template_count; i++)
        assert_ptr_equal(figure_template_text(report_templates[i].name), report_templates[i].text);
}

/* gnuplot, as a shell script in the folder, which alone is searched. */
static void play_gnuplot(const struct scratch *s, const char *body)
{
    char path[SCRATCH_PATH], text[512];
    scratch_path(s, "gnuplot", path);
    int length = snprintf(text, sizeof text, "#!/bin/sh\n%s\n", body);
    scratch_write(path, text, (size_t) length);
    assert_int_equal(chmod(path, 0700), 0);
    assert_int_equal(setenv("PATH", s->directory, 1), 0);
}

static void what_gnuplot_draws_of_the_script_is_taken_up(void **state)
{
    const struct scratch *s = *state;
    struct figure figure = filled();
    play_gnuplot(s, "[ \"$2\" = a-b.gp ] && echo '<svg>drawn</svg>' > a-b.svg");
    assert_int_equal(figure_draw(&figure, s->directory, NULL), 0);
    assert_int_equal(figure.svg.size, 17);
    assert_memory_equal(figure.svg.data, "<svg>drawn</svg>\n", 17);
    figure_finish(&figure);
}

static void what_is_not_drawn_is_an_error(void **state)
{
    const struct scratch *s = *state;
    struct figure figure = filled();
    struct diag diag = {{0}};
    play_gnuplot(s, "echo no terminal; exit 1");
    assert_int_equal(figure_draw(&figure, s->directory, &diag), -EIO);
    assert_string_equal(diag.text, "gnuplot failed on a-b.gp: no terminal");
    play_gnuplot(s, "exit 0"); /* and draws nothing */
    diag = (struct diag){{0}};
    assert_int_equal(figure_draw(&figure, s->directory, &diag), -ENOENT);
    assert_int_equal(figure.svg.size, 0);
    figure_finish(&figure);
}

/* ---- on a page ---- */

static void expect_svg(const char *svg, int code, const char *expected)
{
    struct figure figure = filled();
    struct buf text = {0};
    assert_int_equal(buf_printf(&figure.svg, "%s", svg), 0);
    assert_int_equal(figure_print_svg(&figure, &text), code);
    if (expected != NULL)
        assert_string_equal((const char *) text.data, expected);
    else
        assert_int_equal(text.size, 0);
    buf_finish(&text);
    figure_finish(&figure);
}

static void a_drawing_gets_a_title_and_ids_of_its_own(void **state)
{
    (void) state;
    expect_svg("<?xml?>\n<svg width=\"3\"><title>Gnuplot</title><desc>x</desc>"
               "<g id=\"one\"/><g id='two'/><use xlink:href='#one'/><use href=\"#two\"/><p fill=\"url(#a)\"/>"
               "<g idx=\"no\" class=\"id\"/></svg>",
               0,
               "<svg role=\"img\" aria-labelledby=\"a-b-title\" width=\"3\">\n"
               "<title id=\"a-b-title\">A &amp; &quot;b&quot;</title>"
               "<g id=\"a-b-one\"/><g id='a-b-two'/><use xlink:href='#a-b-one'/><use href=\"#a-b-two\"/>"
               "<p fill=\"url(#a-b-a)\"/><g idx=\"no\" class=\"id\"/></svg>");
}

static void what_is_no_drawing_of_gnuplots_is_refused(void **state)
{
    (void) state;
    expect_svg("", ERR_CORRUPT, NULL);
    expect_svg("nothing", ERR_CORRUPT, NULL);
    expect_svg("<svg ", ERR_CORRUPT, NULL);
    expect_svg("<svg></svg>", ERR_CORRUPT, NULL);
}

/* ---- the folder ---- */

static void a_folder_is_made_once_and_a_file_is_none(void **state)
{
    const struct scratch *s = *state;
    char path[SCRATCH_PATH], deep[SCRATCH_PATH], expected[2 * SCRATCH_PATH];
    struct diag diag = {{0}};
    struct buf text = {0};
    scratch_path(s, "out", path);
    assert_int_equal(output_make_folder(path, NULL), 0);
    assert_int_equal(output_make_folder(path, NULL), 0);
    assert_int_equal(buf_printf(&text, "first and longer"), 0);
    assert_int_equal(output_write(path, "x", &text, NULL), 0);
    expect_file(s, "out/x", "first and longer");
    buf_clear(&text);
    assert_int_equal(output_write(path, "x", &text, NULL), 0); /* over what was there */
    expect_file(s, "out/x", "");
    scratch_path(s, "out/x", path);
    assert_int_equal(output_make_folder(path, &diag), -EEXIST);
    (void) snprintf(expected, sizeof expected, "%s: is a file, a folder was expected", path);
    assert_string_equal(diag.text, expected);
    diag = (struct diag){{0}};
    scratch_path(s, "none/out", deep);
    assert_int_equal(output_make_folder(deep, &diag), -ENOENT);
    (void) snprintf(expected, sizeof expected, "%s: No such file or directory", deep);
    assert_string_equal(diag.text, expected);
    buf_finish(&text);
}

static void a_full_disk_is_said(void **state)
{
    struct diag diag = {{0}};
    struct buf text = {0};
    (void) state;
    assert_int_equal(buf_printf(&text, "some"), 0);
    assert_int_equal(output_write("/dev", "full", &text, &diag), -ENOSPC);
    assert_string_equal(diag.text, "/dev/full: cannot write: No space left on device");
    buf_finish(&text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        cmocka_unit_test(fields_are_parted_by_commas_and_rows_by_lines),
        cmocka_unit_test(a_head_is_assignments_of_texts_numbers_and_arrays),
        cmocka_unit_test(behind_a_failure_nothing_is_added_and_it_stays),
        cmocka_unit_test(a_sentence_that_is_too_long_is_cut),
        cmocka_unit_test(a_template_has_its_text),
        TEST(its_files_are_its_data_and_a_script_that_says_what_it_draws),
        TEST(a_folder_that_is_not_there_takes_no_files),
        TEST(what_gnuplot_draws_of_the_script_is_taken_up),
        TEST(what_is_not_drawn_is_an_error),
        cmocka_unit_test(a_drawing_gets_a_title_and_ids_of_its_own),
        cmocka_unit_test(what_is_no_drawing_of_gnuplots_is_refused),
        TEST(a_folder_is_made_once_and_a_file_is_none),
        cmocka_unit_test(a_full_disk_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
