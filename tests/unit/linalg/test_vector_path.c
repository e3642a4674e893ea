#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/linalg/vector_path.h"

static void without_a_word_the_widest_path_is_taken(void **state)
{
    (void) state;
    const char *paths[LINALG_PATHS_MAX];
    assert_true(linalg_vector_paths(paths) >= 1);
    assert_string_equal(linalg_vector_path(), paths[0]);
    assert_int_equal(linalg_vector_choose("none", NULL), 0);
    assert_int_equal(linalg_vector_choose(NULL, NULL), 0);
    assert_string_equal(linalg_vector_path(), paths[0]);
}

static void each_path_that_the_processor_has_can_be_chosen(void **state)
{
    (void) state;
    const char *paths[LINALG_PATHS_MAX];
    size_t count = linalg_vector_paths(paths);
    assert_string_equal(paths[count - 1], "none");
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(linalg_vector_choose(paths[i], NULL), 0);
        assert_string_equal(linalg_vector_path(), paths[i]);
    }
}

static bool is_there(const char *word)
{
    const char *paths[LINALG_PATHS_MAX];
    size_t count = linalg_vector_paths(paths);
    for (size_t i = 0; i < count; i++)
        if (strcmp(paths[i], word) == 0)
            return true;
    return false;
}

static void a_path_that_the_processor_lacks_is_refused_and_nothing_changes(void **state)
{
    (void) state;
    const char *const words[] = {"avx512", "avx2", "neon"};
    size_t refused = 0;
    assert_int_equal(linalg_vector_choose("none", NULL), 0);
    for (size_t i = 0; i < 3; i++) {
        struct diag diag = {{0}};
        if (is_there(words[i]))
            continue;
        assert_int_equal(linalg_vector_choose(words[i], &diag), ERR_UNSUPPORTED);
        assert_non_null(strstr(diag.text, words[i]));
        assert_non_null(strstr(diag.text, LINALG_VECTOR_VARIABLE));
        refused++;
    }
    assert_true(refused >= 1); /* no processor has both neon and avx2 */
    assert_string_equal(linalg_vector_path(), "none");
}

static void a_word_that_names_no_path_is_refused_with_those_that_do(void **state)
{
    (void) state;
    const char *const words[] = {"", "AVX2", "avx", "avx2 ", "no"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct diag diag = {{0}};
        assert_int_equal(linalg_vector_choose(words[i], &diag), ERR_SYNTAX);
        assert_non_null(strstr(diag.text, "avx512, avx2, neon or none"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_word_the_widest_path_is_taken),
        cmocka_unit_test(each_path_that_the_processor_has_can_be_chosen),
        cmocka_unit_test(a_path_that_the_processor_lacks_is_refused_and_nothing_changes),
        cmocka_unit_test(a_word_that_names_no_path_is_refused_with_those_that_do),
    };
    return cmocka_run_group_tests_name("vector_path", tests, NULL, NULL);
}
