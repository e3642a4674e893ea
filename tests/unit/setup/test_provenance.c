/* What every run row says of this program and this machine. */
#include "orchestrator/setup/provenance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void a_version_is_a_number_with_a_revision_behind_it(void **state)
{
    const char *version = provenance_version();
    (void) state;
    assert_memory_equal(version, HANDOFF_VERSION " (", strlen(HANDOFF_VERSION " ("));
    assert_true(strlen(version) > strlen(HANDOFF_VERSION " ()"));
    assert_int_equal(version[strlen(version) - 1], ')');
}

static void a_machine_is_its_processor(void **state)
{
    struct buf text = {0};
    (void) state;
    assert_int_equal(buf_printf(&text, "on "), 0);
    assert_int_equal(provenance_cpu(&text), 0); /* appends */
    const char *cpu = (const char *) text.data;
    assert_memory_equal(cpu, "on ", 3);
    assert_true(strlen(cpu) > 3);
    assert_null(strpbrk(cpu, "\n\t"));
    buf_finish(&text);
}

static void a_run_names_its_c_library_and_the_instructions_of_its_products(void **state)
{
    struct buf text = {0};
    (void) state;
    assert_int_equal(provenance_libc(&text), 0);
    assert_true(strlen((const char *) text.data) > 0);
    assert_non_null(strchr("an", provenance_vector_path()[0])); /* avx512, avx2, neon, none */
    buf_finish(&text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_version_is_a_number_with_a_revision_behind_it),
        cmocka_unit_test(a_machine_is_its_processor),
        cmocka_unit_test(a_run_names_its_c_library_and_the_instructions_of_its_products),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
