/* The world of a session: drawn from a scenario, or read back from a recorded run, of which nothing is believed. */
#include "orchestrator/setup/world_setup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/weights/tokenizer.h"
#include "orchestrator/setup/model_file.h"
#include "orchestrator/setup/scenario_source.h"
#include "tests/unit/setup/written_run.h"

/* ---- drawn ---- */

static void a_world_is_drawn_with_the_seed_that_is_given(void **state)
{
    static const char *const keys[] = {"devices.count=4", "run.seed=1", NULL};
    (void) state;
    struct scenario scenario = check_scenario(keys);
    struct world one, same, other;
    assert_int_equal(world_setup_draw(&one, &scenario, 7, NULL), 0);
    assert_int_equal(world_setup_draw(&same, &scenario, 7, NULL), 0);
    assert_int_equal(world_setup_draw(&other, &scenario, 8, NULL), 0);
    assert_int_equal(one.seed, 7);
    assert_int_equal(one.scenario.run.seed, 7);
    assert_int_equal(one.devices, 4);
    assert_null(one.tokens);
    for (uint32_t n = 0; n < 4; n++)
        assert_same(one.device[n].flops, same.device[n].flops);
    assert_true(one.device[0].flops != other.device[0].flops);
    world_finish(&one);
    world_finish(&same);
    world_finish(&other);
}

static void a_world_has_the_requests_of_the_file_that_its_scenario_names(void **state)
{
    const struct scratch *s = *state;
    static const char table[] = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023,77,1\n2023,77,1\n";
    struct scenario scenario = check_scenario(NULL);
    struct world world;
    struct diag diag = {{0}};
    assert_true(strlen(s->file) < sizeof scenario.task.requests_csv);
    memcpy(scenario.task.requests_csv, s->file, strlen(s->file) + 1);
    assert_int_not_equal(world_setup_draw(&world, &scenario, 1, &diag), 0);
    assert_non_null(strstr(diag.text, s->file)); /* not there yet */
    scratch_write(s->file, table, strlen(table));
    assert_int_equal(world_setup_draw(&world, &scenario, 1, NULL), 0);
    assert_true(world.token_rows > 0);
    assert_int_equal(world.tokens[0], 77);
    world_finish(&world);
}

/* ---- its text ---- */

static struct scenario scenario_of_text(const char *text)
{
    struct scenario scenario = check_scenario((const char *[]){"model.file=" HOUSE_MODEL, NULL});
    struct diag diag = {{0}};
    if (scenario_source_model(&scenario, model_file_read, &diag) != 0)
        fail_msg("%s", diag.text);
    scenario.compute.kind = COMPUTE_MODEL;
    assert_true(strlen(text) < sizeof scenario.compute.text);
    memcpy(scenario.compute.text, text, strlen(text) + 1);
    return scenario;
}

static void expect_text_failure(const struct scenario *scenario, int code, const char *said)
{
    struct world world;
    struct diag diag = {{0}};
    assert_int_equal(world_setup_draw(&world, scenario, 1, &diag), code);
    assert_int_equal(strncmp(diag.text, "compute.text: ", strlen("compute.text: ")), 0);
    if (strstr(diag.text, said) == NULL)
        fail_msg("'%s' says nothing of '%s'", diag.text, said);
}

static void a_world_has_the_tokens_of_the_text_that_its_scenario_names(void **state)
{
    const struct scratch *s = *state;
    static const char text[] = "In the beginning the state of the union was without form.\n";
    struct scenario scenario = scenario_of_text(s->file);
    struct weights *weights = NULL;
    struct tokenizer *tokenizer = NULL;
    struct tokenizer_ids ids = {0};
    struct world world;
    expect_text_failure(&scenario, -ENOENT, s->file);
    scratch_write(s->file, "", 0);
    expect_text_failure(&scenario, ERR_RANGE, "is empty");
    scratch_write(s->file, text, strlen(text));
    assert_int_equal(world_setup_draw(&world, &scenario, 1, NULL), 0);
    assert_int_equal(weights_open(HOUSE_MODEL, &weights, NULL), 0);
    assert_int_equal(tokenizer_open(weights, NULL, &tokenizer, NULL), 0);
    assert_int_equal(tokenizer_encode(tokenizer, text, strlen(text), false, &ids, NULL), 0);
    assert_int_equal(world.prompt_tokens, ids.count);
    assert_memory_equal(world.prompt, ids.id, ids.count * sizeof *ids.id);
    tokenizer_ids_finish(&ids);
    tokenizer_close(tokenizer);
    weights_close(weights);
    world_finish(&world);
    scenario.compute.kind = COMPUTE_EMULATED;
    assert_int_equal(world_setup_draw(&world, &scenario, 1, NULL), 0);
    assert_null(world.prompt);
    world_finish(&world);
}

static void a_text_that_is_too_long_or_without_a_tokenizer_is_refused(void **state)
{
    const struct scratch *s = *state;
    struct scenario scenario = scenario_of_text(s->file);
    const size_t size = (size_t) 3 * (WORLD_PROMPT_MAX + 1);
    char *text = malloc(size), path[SCRATCH_PATH];
    assert_non_null(text);
    for (size_t i = 0; i < size; i++)
        text[i] = "\x01\x02\x03"[i % 3]; /* bytes that no merge joins */
    scratch_write(s->file, text, size);
    expect_text_failure(&scenario, ERR_TOO_BIG, "tokens are too many, allowed at most 1048576");
    scratch_write(s->file, text, 30);
    free(text);
    static const char config[] = HOUSE_MODEL "/config.json", tensors[] = HOUSE_MODEL "/model.safetensors";
    char copied[SCRATCH_PATH];
    scratch_path(s, "model", path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_true(snprintf(copied, sizeof copied, "%s/config.json", path) < SCRATCH_PATH);
    assert_int_equal(symlink(config, copied), 0);
    assert_true(snprintf(copied, sizeof copied, "%s/model.safetensors", path) < SCRATCH_PATH);
    assert_int_equal(symlink(tensors, copied), 0);
    memcpy(scenario.model.file, path, strlen(path) + 1);
    expect_text_failure(&scenario, -ENOENT, "tokenizer.json");
}

/* ---- read back ---- */

static struct settings settings; /* of the last world read */

static int read_world(const struct scratch *s, struct world *ret_world, struct diag *diag)
{
    struct experiment_file file;
    struct db_run run;
    struct buf texts = {0};
    assert_int_equal(experiment_file_open(&file, s->file, DB_READ, NULL), 0);
    assert_int_equal(store_read_run(file.store, 1, &run, &texts, NULL), 0);
    int rc = world_setup_read(ret_world, &settings, file.store, &run, diag);
    assert_int_equal(experiment_file_close(&file, NULL), 0);
    buf_finish(&texts);
    return rc;
}

static void take(const struct scratch *s, struct world *ret_world)
{
    struct diag diag = {{0}};
    if (read_world(s, ret_world, &diag) != 0)
        fail_msg("%s", diag.text);
}

static void a_recorded_world_is_what_its_rows_say(void **state)
{
    const struct scratch *s = *state;
    struct world world;
    written_run(s);
    scratch_exec(
        s->file,
        "UPDATE node SET max_split = NULL, x_m = 12.5, y_m = 7.5 WHERE role = 'device' AND number = 2;"
        "UPDATE node SET memory_bytes = 64.0 WHERE role = 'server' AND number = 1");
    take(s, &world);
    assert_int_equal(world.seed, 5);
    assert_int_equal(settings.learned.ddpg.batch, WRITTEN_BATCH);
    assert_int_equal(world.devices, WRITTEN_DEVICES);
    assert_int_equal(world.servers, WRITTEN_SERVERS);
    assert_same(world.device[1].flops, 1e12 + 1);
    assert_same(world.device[1].power_w, 6.0);
    assert_same(world.device[1].transmit_power_w, 1.5);
    assert_int_equal(world.device[1].max_split, 4);
    assert_false(world.device[1].has_home);
    assert_int_equal(world.device[2].max_split, world.llm->layers);
    assert_true(world.device[2].has_home);
    assert_same(world.device[2].home.x, 12.5);
    assert_same(world.device[2].home.y, 7.5);
    assert_same(world.server[0].flops, 1e12 + 3);
    assert_same(world.server[0].power_w, 8.0);
    assert_same(world.server[0].position.x, 103.0);
    assert_same(world.server[0].position.y, 203.0);
    assert_same(world.server[0].memory_bytes, 0.0);
    assert_same(world.server[1].memory_bytes, 64.0);
    assert_null(world.tokens);
    world_finish(&world);
}

static void requests_and_traces_come_from_the_rows(void **state)
{
    const struct scratch *s = *state;
    struct world world;
    written_run(s);
    /* 1, 2 and 3 tokens; 10 s of a rate of 1 bit/s. */
    scratch_exec(s->file, "UPDATE node SET requests = x'010000000200000003000000' WHERE role = 'device';"
                          "UPDATE node SET rate_trace = x'00000000000024400000000000000000000000000000f03f'"
                          " WHERE role = 'device' AND number = 0");
    take(s, &world);
    assert_int_equal(world.token_rows, 3);
    for (uint32_t i = 0; i < 9; i++)
        assert_int_equal(world.tokens[i], i % 3 + 1);
    assert_int_equal(world.rate_tracks.count, 1);
    assert_same(world.rate_tracks.track[0].duration_s, 10.0);
    assert_same(world.rate_tracks.track[0].value[0], 1.0);
    assert_int_equal(world.place_tracks.count, 0);
    world_finish(&world);
}

static void rows_that_do_not_fit_together_are_refused(void **state)
{
    static const struct {
        const char *change, *said;
    } bad[] = {
        {"DELETE FROM node WHERE role = 'device' AND number = 2", "2 of 3 devices and 2 of 2 servers"},
        {"DELETE FROM node WHERE role = 'server' AND number = 1", "3 of 3 devices and 1 of 2 servers"},
        {"DELETE FROM node WHERE role = 'device' AND number = 1", "device 2 is out of place"},
        {"DELETE FROM node WHERE role = 'server' AND number = 0", "server 1 is out of place"},
        {"INSERT INTO node (run_id, role, number, flops, power_w) VALUES (1, 'device', 3, 1.0, 1.0)",
         "device 3 is out of place"},
        {"INSERT INTO node (run_id, role, number, flops, power_w) VALUES (1, 'server', 2, 1.0, 1.0)",
         "server 2 is out of place"},
        {"UPDATE node SET requests = x'01000000' WHERE role = 'device' AND number > 0",
         "requests do not fit together"},
        {"UPDATE node SET requests = x'01000000' WHERE role = 'device' AND number < 2",
         "requests do not fit together"},
        {"UPDATE node SET requests = CASE number WHEN 1 THEN x'0100000001000000' ELSE x'01000000' END"
         " WHERE role = 'device'",
         "requests do not fit together"},
        {"UPDATE node SET rate_trace = x'00' WHERE role = 'device' AND number = 1",
         "device 1 has a trace, and one before it has none"},
        {"UPDATE node SET place_trace = x'00' WHERE role = 'device' AND number = 2",
         "device 2 has a trace, and one before it has none"},
        {"UPDATE node SET rate_trace = x'00' WHERE role = 'device' AND number = 0", ""},
        {"UPDATE run SET scenario = 'gone: 1'", "recorded scenario"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        void *own = NULL;
        struct world world;
        struct diag diag = {{0}};
        (void) state;
        assert_int_equal(scratch_setup(&own), 0);
        const struct scratch *s = own;
        written_run(s);
        scratch_exec(s->file, bad[i].change);
        if (read_world(s, &world, &diag) == 0 || diag.text[0] == '\0' ||
            strstr(diag.text, bad[i].said) == NULL)
            fail_msg("%s\ngave '%s', expected '%s'", bad[i].change, diag.text, bad[i].said);
        assert_int_equal(scratch_teardown(&own), 0);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        cmocka_unit_test(a_world_is_drawn_with_the_seed_that_is_given),
        TEST(a_world_has_the_requests_of_the_file_that_its_scenario_names),
        TEST(a_world_has_the_tokens_of_the_text_that_its_scenario_names),
        TEST(a_text_that_is_too_long_or_without_a_tokenizer_is_refused),
        TEST(a_recorded_world_is_what_its_rows_say),
        TEST(requests_and_traces_come_from_the_rows),
        cmocka_unit_test(rows_that_do_not_fit_together_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
