/* Where a scenario comes from: shipped or a file, what is set over it, in which order, and where its data lies. */
#include "orchestrator/setup/scenario_source.h"

#include <errno.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/compute/compute_keys.h"
#include "orchestrator/setup/model_file.h"
#include "orchestrator/setup/shipped_scenarios.h"
#include "tests/lib/scratch.h"
#include "tests/unit/model/check.h"

static void load(const struct scenario_source *source, struct full_scenario *ret_full)
{
    struct diag diag = {{0}};
    if (scenario_source_load(source, ret_full, &diag) != 0)
        fail_msg("%s", diag.text);
}

/* Loading fails, says this, and gives nothing. */
static void expect_failure(const struct scenario_source *source, int code, const char *said)
{
    struct full_scenario full, before;
    struct diag diag = {{0}};
    memset(&full, 0x5a, sizeof full);
    before = full;
    assert_int_equal(scenario_source_load(source, &full, &diag), code);
    if (strstr(diag.text, said) == NULL)
        fail_msg("'%s' says nothing of '%s'", diag.text, said);
    assert_memory_equal(&full, &before, sizeof before);
}

/* ---- where it comes from ---- */

static void without_a_name_it_is_dapo(void **state)
{
    const struct scenario_source source = {.name = NULL};
    struct full_scenario full, dapo;
    struct buf text = {0}, expected = {0};
    (void) state;
    load(&source, &full);
    full_scenario_defaults(&dapo);
    assert_int_equal(full_scenario_print(&full, &text), 0);
    assert_int_equal(full_scenario_print(&dapo, &expected), 0);
    assert_int_equal(text.size, expected.size);
    assert_memory_equal(text.data, expected.data, text.size);
    buf_finish(&text);
    buf_finish(&expected);
}

static void every_shipped_scenario_loads_and_bears_its_name(void **state)
{
    (void) state;
    assert_true(shipped_scenarios_count >= 6);
    assert_int_equal(chdir(HOUSE_MODEL "/../../.."), 0); /* house names its model from there */
    for (size_t i = 0; i < shipped_scenarios_count; i++) {
        const struct scenario_source source = {.name = shipped_scenarios[i].name};
        struct full_scenario full;
        load(&source, &full);
        assert_string_equal(full.scenario.run.name, shipped_scenarios[i].name);
    }
}

static void a_path_is_a_file(void **state)
{
    const struct scratch *s = *state;
    static const char text[] = "run:\n  name: mine\n  slots: 7\n";
    struct scenario_source source = {.name = s->file};
    struct full_scenario full;
    scratch_write(s->file, text, strlen(text));
    load(&source, &full);
    assert_string_equal(full.scenario.run.name, "mine");
    assert_int_equal(full.scenario.run.slots, 7);
    assert_int_equal(full.scenario.devices.count, 10); /* what it leaves out is dapo's */
}

static void a_plain_name_is_a_file_where_there_is_one(void **state)
{
    const struct scratch *s = *state;
    static const char text[] = "run:\n  name: mine\n";
    const struct scenario_source plain = {.name = "plain"}, shipped = {.name = "dapo-quick"};
    struct full_scenario full;
    char path[SCRATCH_PATH];
    assert_int_equal(chdir(s->directory), 0);
    scratch_path(s, "plain", path);
    scratch_write(path, text, strlen(text));
    scratch_path(s, "dapo-quick", path);
    scratch_write(path, text, strlen(text));
    load(&plain, &full);
    assert_string_equal(full.scenario.run.name, "mine");
    load(&shipped, &full); /* comes before a file of that name */
    assert_string_equal(full.scenario.run.name, "dapo-quick");
    assert_int_equal(chdir("/"), 0);
}

static void a_file_that_is_not_there_is_named(void **state)
{
    const struct scratch *s = *state;
    const struct scenario_source path = {.name = s->file}, dotted = {.name = "nowhere.yaml"};
    expect_failure(&path, -ENOENT, s->file);
    expect_failure(&dotted, -ENOENT, "nowhere.yaml");
}

static void an_unknown_name_is_answered_with_all_that_are_shipped(void **state)
{
    const struct scenario_source source = {.name = "dope"};
    struct buf said = {0};
    (void) state;
    assert_int_equal(buf_printf(&said, "unknown scenario 'dope': no such file, and shipped are "), 0);
    for (size_t i = 0; i < shipped_scenarios_count; i++)
        assert_int_equal(buf_printf(&said, "%s%s", i > 0 ? ", " : "", shipped_scenarios[i].name), 0);
    expect_failure(&source, ERR_UNKNOWN, (const char *) said.data);
    buf_finish(&said);
}

/* ---- what is set over it ---- */

static void settings_come_in_their_order_over_the_scenarios_own(void **state)
{
    static const char *const set[] = {"run.slots=5", "run.episodes=6", "run.slots=7", "ddpg.batch=9"};
    const struct scenario_source source = {.name = "dapo-quick", .set = set, .set_count = 4};
    struct full_scenario full;
    (void) state;
    load(&source, &full);
    assert_int_equal(full.scenario.run.slots, 7);
    assert_int_equal(full.scenario.run.episodes, 6);
    assert_int_equal(full.settings.learned.ddpg.batch, 9);
    assert_int_equal(full.scenario.evaluation.test_slots, 50); /* the scenario's */
}

static void the_policy_comes_after_all_that_is_set(void **state)
{
    static const char *const set[] = {"run.policy=local"};
    struct scenario_source source = {.set = set, .set_count = 1, .policy = "greedy"};
    struct full_scenario full;
    (void) state;
    load(&source, &full);
    assert_string_equal(full.scenario.run.policy, "greedy");
    source.policy = NULL;
    load(&source, &full);
    assert_string_equal(full.scenario.run.policy, "local");
}

static void what_is_wrong_with_a_setting_is_said(void **state)
{
    static const char *const unknown[] = {"run.slots=5", "run.slotz=5"};
    static const char *const range[] = {"run.slots=0"};
    /* Each is allowed, but not both. */
    static const char *const together[] = {"devices.tflops_min=9", "devices.tflops_max=8"};
    const struct scenario_source first = {.set = unknown, .set_count = 2},
                                 second = {.set = range, .set_count = 1},
                                 third = {.set = together, .set_count = 2};
    (void) state;
    expect_failure(&first, ERR_UNKNOWN, "slotz");
    expect_failure(&second, ERR_RANGE, "run.slots");
    expect_failure(&third, ERR_RANGE, "devices.tflops_min: 9 is above devices.tflops_max, 8");
}

static void keys_may_disagree_for_a_while(void **state)
{
    static const char *const set[] = {"devices.tflops_min=900", "devices.tflops_max=1000"};
    const struct scenario_source source = {.set = set, .set_count = 2};
    struct full_scenario full;
    (void) state;
    load(&source, &full);
    assert_same(full.scenario.devices.tflops_min, 900.0);
}

/* ---- data files ---- */

static void relative_data_files_lie_in_the_directory(void **state)
{
    static const char *const set[] = {"task.requests_csv=a.csv",  "servers.positions_csv=sites/b.csv",
                                      "devices.positions_csv=/c", "radio.trace=d.up",
                                      "mobility.trace=e",         "mobility.kind=trace",
                                      "model.times_csv=f.csv",    "compute.text=g.txt",
                                      "quality.table_csv=h.csv",  "quality.text=i.txt"};
    struct scenario_source source = {.set = set, .set_count = 10, .data = "/srv/data"};
    struct full_scenario full;
    (void) state;
    load(&source, &full);
    assert_string_equal(full.scenario.task.requests_csv, "/srv/data/a.csv");
    assert_string_equal(full.scenario.servers.positions_csv, "/srv/data/sites/b.csv");
    assert_string_equal(full.scenario.devices.positions_csv, "/c");
    assert_string_equal(full.scenario.radio.trace, "/srv/data/d.up");
    assert_string_equal(full.scenario.mobility.trace, "/srv/data/e");
    assert_string_equal(full.scenario.model.times_csv, "/srv/data/f.csv");
    assert_string_equal(full.scenario.quality.table_csv, "/srv/data/h.csv");
    assert_string_equal(full.scenario.quality.text, "/srv/data/i.txt");
    assert_string_equal(full.scenario.compute.text, "/srv/data/g.txt");
    source.data = NULL;
    load(&source, &full);
    assert_string_equal(full.scenario.task.requests_csv, "a.csv");
}

static void a_scenario_without_data_files_needs_no_directory(void **state)
{
    const struct scenario_source source = {.data = "/srv/data"};
    struct full_scenario full;
    (void) state;
    load(&source, &full);
    assert_string_equal(full.scenario.task.requests_csv, "");
    assert_string_equal(full.scenario.radio.trace, "");
}

static void a_directory_that_makes_a_path_too_long_is_refused(void **state)
{
    static const char *const set[] = {"task.requests_csv=a.csv"};
    char data[512];
    struct scenario_source source = {.set = set, .set_count = 1, .data = data};
    struct full_scenario full;
    (void) state;
    memset(data, 'd', sizeof data);
    data[512 - strlen("/a.csv")] = '\0'; /* 512 bytes with the file's name: as long as it may be */
    load(&source, &full);
    assert_int_equal(strlen(full.scenario.task.requests_csv), 512);
    data[512 - strlen("/a.csv")] = 'd';
    data[513 - strlen("/a.csv")] = '\0';
    expect_failure(&source, ERR_TOO_BIG, "is longer than 512 bytes");
}

/* ---- a model file ---- */

static unsigned files_read;

static int read_small(const char *path, struct llm *ret_llm, struct diag *diag)
{
    files_read++;
    if (strcmp(path, "m/small.gguf") != 0)
        return diag_fail(diag, ERR_NOT_FOUND, "%s: not there", path);
    *ret_llm = (struct llm){
        .layers = 12, .hidden = 128, .query = 128, .kv = 64, .ff = 352, .ff_mats = 3, .vocab = 1024};
    return 0;
}

static void the_geometry_of_a_model_file_is_written_into_the_keys_once(void **state)
{
    (void) state;
    struct scenario scenario = check_scenario((const char *[]){"model.file=m/small.gguf", NULL});
    files_read = 0;
    assert_int_equal(scenario_source_model(&scenario, read_small, NULL), 0);
    assert_int_equal(scenario.model.layers, 12);
    assert_int_equal(scenario.model.kv, 64);
    assert_int_equal(scenario_source_model(&scenario, read_small, NULL), 0);
    assert_int_equal(files_read, 1);
    scenario = check_scenario(NULL);
    assert_int_equal(scenario_source_model(&scenario, read_small, NULL), 0);
    assert_int_equal(files_read, 1); /* none is named */
}

static void a_model_file_that_cannot_be_read_is_named(void **state)
{
    static const char *const set[] = {"model.file=gone.bin"};
    const struct scenario_source source = {.set = set, .set_count = 1, .data = "/models"};
    (void) state;
    struct scenario scenario = check_scenario((const char *[]){"model.file=gone", NULL});
    struct scenario before = scenario;
    struct diag diag = {{0}};
    assert_int_equal(scenario_source_model(&scenario, read_small, &diag), ERR_NOT_FOUND);
    assert_string_equal(diag.text, "gone: not there");
    assert_memory_equal(&scenario, &before, sizeof scenario);
    expect_failure(&source, -ENOENT, "/models/gone.bin");
}

/* A recorded scenario has them: the file may be gone. */
static void a_model_file_whose_geometry_the_keys_tell_is_not_opened(void **state)
{
    static const char *const set[] = {"model.file=gone.bin", "model.layers=24", "model.hidden=128",
                                      "model.query=128",     "model.kv=64",     "model.ff=352",
                                      "model.ff_matrices=3", "model.vocab=1024"};
    const struct scenario_source source = {.set = set, .set_count = 8};
    struct full_scenario full;
    (void) state;
    load(&source, &full);
    assert_int_equal(full.scenario.model.layers, 24);
}

/* Its README has the hash's parts. */
static void where_nodes_compute_the_hash_and_the_formats_bits_are_written(void **state)
{
    static const char *const set[] = {"model.file=" HOUSE_MODEL, "compute.kind=model", "compute.format=q4"};
    static const char *const other[] = {"compute.format=int8"};
    static const char *const emulated[] = {"compute.kind=emulated"};
    static const char *const given[] = {"model.file=" HOUSE_MODEL, "compute.kind=model", "compute.format=q4",
                                        "model.bits_per_element=4"};
    struct scenario_source source = {.set = set, .set_count = 3};
    struct full_scenario full, again;
    char hash[COMPUTE_HASH_DIGITS + 1];
    (void) state;
    load(&source, &full);
    assert_int_equal(model_file_hash(HOUSE_MODEL, hash, NULL), 0);
    assert_int_equal(strlen(hash), COMPUTE_HASH_DIGITS);
    assert_string_equal(full.scenario.model.hash, hash);
    assert_true(full.scenario.model.bits_per_element == 4.5);
    assert_int_equal(full.scenario.model.layers, 12);
    source = (struct scenario_source){.recorded = &full};
    load(&source, &again);
    assert_memory_equal(&again.scenario.model, &full.scenario.model, sizeof full.scenario.model);
    source = (struct scenario_source){.recorded = &full, .set = other, .set_count = 1};
    load(&source, &again);
    assert_true(again.scenario.model.bits_per_element == 8.25);
    source.set = emulated;
    load(&source, &again);
    assert_true(again.scenario.model.bits_per_element == 4.5); /* to compare the two */
    source = (struct scenario_source){.set = given, .set_count = 4};
    expect_failure(&source, ERR_MISMATCH,
                   "model.bits_per_element: is 4, and compute.format makes rows of 4.5");
}

static void where_nodes_emulate_no_hash_is_written(void **state)
{
    static const char *const set[] = {"model.file=" HOUSE_MODEL, "compute.format=q4"};
    const struct scenario_source source = {.set = set, .set_count = 2};
    struct full_scenario full;
    (void) state;
    load(&source, &full);
    assert_string_equal(full.scenario.model.hash, "");
    assert_true(full.scenario.model.bits_per_element == 16.0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        cmocka_unit_test(without_a_name_it_is_dapo),
        cmocka_unit_test(every_shipped_scenario_loads_and_bears_its_name),
        TEST(a_path_is_a_file),
        TEST(a_plain_name_is_a_file_where_there_is_one),
        TEST(a_file_that_is_not_there_is_named),
        cmocka_unit_test(an_unknown_name_is_answered_with_all_that_are_shipped),
        cmocka_unit_test(settings_come_in_their_order_over_the_scenarios_own),
        cmocka_unit_test(the_policy_comes_after_all_that_is_set),
        cmocka_unit_test(what_is_wrong_with_a_setting_is_said),
        cmocka_unit_test(keys_may_disagree_for_a_while),
        cmocka_unit_test(relative_data_files_lie_in_the_directory),
        cmocka_unit_test(a_scenario_without_data_files_needs_no_directory),
        cmocka_unit_test(a_directory_that_makes_a_path_too_long_is_refused),
        cmocka_unit_test(the_geometry_of_a_model_file_is_written_into_the_keys_once),
        cmocka_unit_test(a_model_file_that_cannot_be_read_is_named),
        cmocka_unit_test(a_model_file_whose_geometry_the_keys_tell_is_not_opened),
        cmocka_unit_test(where_nodes_compute_the_hash_and_the_formats_bits_are_written),
        cmocka_unit_test(where_nodes_emulate_no_hash_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
