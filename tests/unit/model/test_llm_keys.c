/* From a scenario's keys to a model's geometry, and from a file's geometry to the keys. */
#include "core/model/llm_keys.h"

#include "check.h"
#include "core/base/err.h"

static struct llm read_keys(const char *const *assignments)
{
    struct scenario scenario = check_scenario(assignments);
    struct llm llm;
    struct diag diag = {{0}};
    if (llm_keys_read(&scenario, &llm, &diag) != 0)
        fail_msg("%s", diag.text);
    return llm;
}

static void a_name_alone_is_a_row_of_the_table(void **state)
{
    (void) state;
    struct llm llm = read_keys((const char *[]){"model.llm=gemma-7b", NULL});
    assert_memory_equal(&llm, llm_find("gemma-7b"), sizeof llm);
    assert_true(llm.query != llm.hidden);
}

static void a_key_changes_that_part_of_a_named_model_alone(void **state)
{
    (void) state;
    struct llm llm = read_keys((const char *[]){"model.layers=16", "model.ff=9999", NULL});
    const struct llm *named = llm_find("llama-2-7b");
    assert_string_equal(llm.name, "llama-2-7b, changed");
    assert_int_equal(llm.layers, 16);
    assert_int_equal(llm.ff, 9999);
    assert_int_equal(llm.hidden, named->hidden);
    assert_int_equal(llm.query, named->query);
    assert_int_equal(llm.kv, named->kv);
    assert_int_equal(llm.ff_mats, named->ff_mats);
    assert_int_equal(llm.vocab, named->vocab);
}

static void queries_follow_the_hidden_state_unless_they_are_given(void **state)
{
    (void) state;
    struct llm llm = read_keys((const char *[]){"model.hidden=2048", "model.kv=512", NULL});
    assert_int_equal(llm.query, 2048);
    llm = read_keys((const char *[]){"model.hidden=2048", "model.kv=512", "model.query=1024", NULL});
    assert_int_equal(llm.query, 1024);
    llm = read_keys((const char *[]){"model.llm=gemma-7b", "model.layers=2", NULL});
    assert_int_equal(llm.query, 4096);
}

static void a_model_without_a_name_is_made_of_keys(void **state)
{
    (void) state;
    struct llm llm = read_keys((const char *[]){"model.llm=", "model.layers=5", "model.hidden=64",
                                                "model.kv=32", "model.ff=172", "model.vocab=512", NULL});
    assert_string_equal(llm.name, "own");
    assert_int_equal(llm.layers, 5);
    assert_int_equal(llm.query, 64);
    assert_int_equal(llm.ff_mats, 3);
    assert_same(llm_layer_weights(&llm), 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 172);
}

static void a_world_owns_the_model_of_its_keys(void **state)
{
    (void) state;
    struct world world = check_world((const char *[]){"model.layers=3", NULL});
    assert_int_equal(world.llm->layers, 3);
    assert_int_equal(world.device[0].max_split, 3);
    world_finish(&world);
    assert_null(world.llm);
}

/* ---- a file's geometry ---- */

static const struct llm small = {
    .layers = 5, .hidden = 64, .query = 64, .kv = 32, .ff = 172, .ff_mats = 3, .vocab = 512};

static void a_file_that_was_not_read_makes_no_world(void **state)
{
    (void) state;
    struct scenario scenario =
        check_scenario((const char *[]){"model.file=a/small.bin", "model.min_split=900", NULL});
    struct world world;
    struct diag diag = {{0}};
    assert_true(llm_keys_need_file(&scenario));
    assert_int_equal(world_init(&world, &scenario, NULL, &diag), ERR_STATE);
    assert_string_equal(diag.text,
                        "model.file: 'a/small.bin' has not been read, and the keys do not tell all");
    assert_int_equal(world_init_empty(&world, &scenario, 1, 1), ERR_STATE);
}

static void a_files_geometry_reaches_whoever_reads_the_scenarios_text(void **state)
{
    (void) state;
    struct scenario scenario =
        check_scenario((const char *[]){"model.file=a/small.bin", "model.kv=32", NULL});
    struct scenario told;
    struct buf text = {0};
    struct llm llm;
    assert_int_equal(llm_keys_write(&scenario, &small, NULL), 0);
    assert_false(llm_keys_need_file(&scenario));
    assert_int_equal(scenario_print(&scenario, &text), 0);
    scenario_defaults(&told);
    assert_int_equal(scenario_read(&told, (const char *) text.data, text.size, "WELCOME", NULL), 0);
    assert_int_equal(llm_keys_read(&told, &llm, NULL), 0);
    buf_finish(&text);
    assert_string_equal(llm.name, "small.bin");
    assert_int_equal(llm.layers, small.layers);
    assert_int_equal(llm.hidden, small.hidden);
    assert_int_equal(llm.query, small.query);
    assert_int_equal(llm.kv, small.kv);
    assert_int_equal(llm.ff, small.ff);
    assert_int_equal(llm.ff_mats, small.ff_mats);
    assert_int_equal(llm.vocab, small.vocab);
}

static void a_file_and_a_key_that_differ_are_refused(void **state)
{
    (void) state;
    struct scenario scenario =
        check_scenario((const char *[]){"model.file=small.bin", "model.layers=6", NULL});
    struct scenario before = scenario;
    struct diag diag = {{0}};
    assert_int_equal(llm_keys_write(&scenario, &small, &diag), ERR_MISMATCH);
    assert_string_equal(diag.text, "model.layers: is 6, but 'small.bin' has 5: leave it at 0");
    struct llm absurd = small;
    absurd.vocab = 16777217;
    scenario.model.layers = before.model.layers = 0;
    diag = (struct diag){{0}};
    assert_int_equal(llm_keys_write(&scenario, &absurd, &diag), ERR_RANGE);
    assert_string_equal(diag.text, "model.vocab: 'small.bin' has 16777217, allowed 1 to 16777216");
    absurd = small;
    absurd.kv = 48;
    assert_int_equal(llm_keys_write(&scenario, &absurd, NULL), ERR_RANGE);
    assert_memory_equal(&scenario, &before, sizeof scenario);
}

static void a_files_name_is_cut_and_cleaned(void **state)
{
    (void) state;
    struct scenario scenario = check_scenario(NULL);
    struct llm llm;
    (void) strcpy(scenario.model.file,
                  "dir/a \xc3\xa4"
                  "bcdefghijklmnopqrstuvwxyz0123456789bcdefghijklmnopqrstuvwxyz0123456789");
    assert_int_equal(llm_keys_write(&scenario, &small, NULL), 0);
    assert_int_equal(llm_keys_read(&scenario, &llm, NULL), 0);
    assert_int_equal(strlen(llm.name), LLM_NAME_MAX);
    assert_memory_equal(llm.name, "a___bcdef", 9);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_alone_is_a_row_of_the_table),
        cmocka_unit_test(a_key_changes_that_part_of_a_named_model_alone),
        cmocka_unit_test(queries_follow_the_hidden_state_unless_they_are_given),
        cmocka_unit_test(a_model_without_a_name_is_made_of_keys),
        cmocka_unit_test(a_world_owns_the_model_of_its_keys),
        cmocka_unit_test(a_file_that_was_not_read_makes_no_world),
        cmocka_unit_test(a_files_geometry_reaches_whoever_reads_the_scenarios_text),
        cmocka_unit_test(a_file_and_a_key_that_differ_are_refused),
        cmocka_unit_test(a_files_name_is_cut_and_cleaned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
