/* Which model files a scenario takes, and what it writes of them into its keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/compute/compute_keys.h"
#include "tests/unit/compute/node.h"
#include "tests/unit/infer/small_model.h"

static char path[NODE_PATH], other[NODE_PATH];

static int write_models(void **state)
{
    (void) state;
    node_write_model(3, path);
    node_write_model(4, other);
    return 0;
}

static int remove_models(void **state)
{
    (void) state;
    return unlink(path) | unlink(other);
}

static void expect_failure(const struct world *world, const char *at, int code, const char *said)
{
    struct compute *compute = NULL;
    struct diag diag = {{0}};
    assert_int_equal(compute_open(&compute, world, at, &diag), code);
    assert_null(compute);
    if (strstr(diag.text, said) == NULL)
        fail_msg("'%s' says nothing of '%s'", diag.text, said);
    if (strstr(diag.text, at) == NULL)
        fail_msg("'%s' does not name the file", diag.text);
}

static void a_file_of_another_hash_is_refused_with_both(void **state)
{
    (void) state;
    struct world world = node_world(path, (const char *[]){NULL});
    struct compute *compute = NULL;
    expect_failure(&world, other, ERR_MISMATCH, world.scenario.model.hash);
    expect_failure(&world, other, ERR_MISMATCH, "it is another model");
    world.scenario.model.hash[0] = '\0';
    assert_int_equal(compute_open(&compute, &world, other, NULL), 0);
    compute_close(compute);
    world_finish(&world);
}

static void a_file_of_another_geometry_is_refused_with_both(void **state)
{
    (void) state;
    struct world world = node_world(path, (const char *[]){NULL});
    expect_failure(&world, HOUSE_MODEL, ERR_MISMATCH, "model.layers: is 3, but ");
    expect_failure(&world, HOUSE_MODEL, ERR_MISMATCH, "but '" HOUSE_MODEL "' has 12");
    world_finish(&world);
}

static void a_prompt_that_is_longer_than_the_context_is_refused(void **state)
{
    (void) state;
    struct world world = node_world(path, (const char *[]){"task.tokens=97", NULL});
    expect_failure(&world, path, ERR_RANGE,
                   "prompts of this scenario have up to 97 tokens, and its context has 96");
    world_finish(&world);
}

static void a_file_that_is_not_there_is_named(void **state)
{
    (void) state;
    struct world world = node_world(path, (const char *[]){NULL});
    expect_failure(&world, "/nowhere/model.gguf", -2, "/nowhere/model.gguf");
    world_finish(&world);
}

static void layers_are_loaded_ahead_where_that_is_asked(void **state)
{
    (void) state;
    struct world world = node_world(path, (const char *[]){NULL});
    struct compute *compute = node_open(&world);
    struct diag diag = {{0}};
    assert_int_equal(compute_load(compute, 1, SMALL_LAYERS, &diag), 0);
    assert_int_equal(compute_load(compute, 1, SMALL_LAYERS + 1, &diag), ERR_RANGE);
    compute_close(compute);
    world_finish(&world);
}

/* ---- bits of an element ---- */

static void bits_of_an_element_are_those_of_the_format(void **state)
{
    (void) state;
    static const struct {
        const char *format, *kept;
        double bits;
    } rows[] = {
        {"compute.format=fp32", "compute.kept=0", 32.0},
        {"compute.format=fp16", "compute.kept=0", 16.0},
        {"compute.format=int8", "compute.kept=0", 8.0 + 32.0 / 64.0},
        {"compute.format=q4", "compute.kept=0", 4.5},
        {"compute.format=topk", "compute.kept=8", 8.0 * (16.0 + 6.0) / 64.0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world world = node_world(path, (const char *[]){rows[i].format, rows[i].kept, NULL});
        assert_true(world.scenario.model.bits_per_element == rows[i].bits);
        world_finish(&world);
    }
}

static void bits_that_contradict_the_format_are_refused(void **state)
{
    (void) state;
    struct world world = node_world(path, (const char *[]){"compute.format=int8", NULL});
    struct scenario scenario = world.scenario;
    struct diag diag = {{0}};
    assert_int_equal(compute_keys_write_bits(&scenario, &diag), 0); /* what stands there is right */
    scenario.model.bits_per_element = 8.0;
    assert_int_equal(compute_keys_write_bits(&scenario, &diag), ERR_MISMATCH);
    assert_string_equal(diag.text,
                        "model.bits_per_element: is 8, and compute.format makes rows of 8.5 bits an "
                        "element: leave it out");
    assert_true(scenario.model.bits_per_element == 8.0);
    scenario.compute.kind = COMPUTE_EMULATED;
    assert_int_equal(compute_keys_write_bits(&scenario, NULL), 0);
    assert_true(scenario.model.bits_per_element == 8.0);
    world_finish(&world);
}

static void fewer_bits_than_the_key_takes_are_refused(void **state)
{
    (void) state;
    struct scenario scenario;
    struct diag diag = {{0}};
    scenario_defaults(&scenario);
    scenario.compute.kind = COMPUTE_MODEL;
    scenario.compute.format = COMPUTE_TOPK;
    scenario.compute.kept = 1;
    assert_int_equal(compute_keys_write_bits(&scenario, &diag), ERR_RANGE);
    assert_non_null(strstr(diag.text, "compute.kept: 1 of 4096 elements are 0.0078125 bits an element"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_another_hash_is_refused_with_both),
        cmocka_unit_test(a_file_of_another_geometry_is_refused_with_both),
        cmocka_unit_test(a_prompt_that_is_longer_than_the_context_is_refused),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
        cmocka_unit_test(layers_are_loaded_ahead_where_that_is_asked),
        cmocka_unit_test(bits_of_an_element_are_those_of_the_format),
        cmocka_unit_test(bits_that_contradict_the_format_are_refused),
        cmocka_unit_test(fewer_bits_than_the_key_takes_are_refused),
    };
    return cmocka_run_group_tests(tests, write_models, remove_models);
}
