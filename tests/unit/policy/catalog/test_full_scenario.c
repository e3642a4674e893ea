/* The one table of all keys: the world's sections and those of every policy. */
#include "orchestrator/policy/catalog/full_scenario.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/file.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "tests/unit/model/check.h"

static const char *scenario_folder; /* deploy/scenarios, from the command line */
static const char *manual_path;     /* docs/model.md, likewise */

static int read_text(const char *text, size_t size, const char *name, struct full_scenario *ret,
                     struct diag *diag)
{
    full_scenario_defaults(ret);
    *diag = (struct diag){{0}};
    return full_scenario_read(ret, &(struct scenario_text){text, size, name}, diag);
}

static void assert_refused(const char *text, int code, const char *message)
{
    struct full_scenario full, defaults;
    struct diag diag;
    int rc = read_text(text, strlen(text), "x.yaml", &full, &diag);
    assert_string_equal(diag.text, message);
    assert_int_equal(rc, code);
    full_scenario_defaults(&defaults);
    assert_memory_equal(&full, &defaults, sizeof full);
}

static void keys_of_the_world_and_of_policies_are_read_into_their_structs(void **state)
{
    (void) state;
    static const char text[] = "run:\n  slots: 7\nddpg:\n  noise: ornstein-uhlenbeck\n  batch: 5\n"
                               "plus:\n  watch: off\nexternal:\n  fallback: local\n"
                               "fixed:\n  split: 3\nswarm:\n  inertia: 0.25\n";
    struct full_scenario full;
    struct diag diag;
    assert_int_equal(read_text(text, sizeof text - 1, "x.yaml", &full, &diag), 0);
    assert_int_equal(full.scenario.run.slots, 7);
    assert_int_equal(full.settings.learned.ddpg.noise, NOISE_OU);
    assert_int_equal(full.settings.learned.ddpg.batch, 5);
    assert_int_equal(full.settings.learned.dqn.batch, 64);
    assert_int_equal(full.settings.plus.plus.watch, SWITCH_OFF);
    assert_string_equal(full.settings.external.external.fallback, "local");
    assert_int_equal(full.settings.rules.fixed.split, 3);
    assert_same(full.settings.model.swarm.inertia, 0.25);
}

static void the_canonical_text_reads_back_bit_for_bit(void **state)
{
    (void) state;
    struct full_scenario full, again;
    struct diag diag;
    struct buf text = {0}, second = {0};
    full_scenario_defaults(&full);
    full.scenario.radio.noise_dbm_hz = -0.0;
    full.settings.learned.ddpg.discount = 0.1 + 0.2;
    full.settings.plus.plus.price_most = 1.0 / 3.0;
    full.settings.learned.maddpg.hidden_2 = 17;
    assert_int_equal(full_scenario_print(&full, &text), 0);
    if (read_text((const char *) text.data, text.size, "again", &again, &diag) != 0)
        fail_msg("%s", diag.text);
    assert_memory_equal(&full, &again, sizeof full);
    assert_int_equal(full_scenario_print(&again, &second), 0);
    assert_int_equal(text.size, second.size);
    assert_memory_equal(text.data, second.data, text.size);
    buf_finish(&text);
    buf_finish(&second);
}

static void the_longest_text_fits_into_its_limit(void **state)
{
    (void) state;
    struct full_scenario full;
    struct buf text = {0};
    full_scenario_defaults(&full);
    memset(full.scenario.devices.positions_csv, '"', sizeof full.scenario.devices.positions_csv - 1);
    memset(full.scenario.servers.positions_csv, '\\', sizeof full.scenario.servers.positions_csv - 1);
    memset(full.scenario.task.requests_csv, '"', sizeof full.scenario.task.requests_csv - 1);
    memset(full.scenario.faults.script, '"', sizeof full.scenario.faults.script - 1);
    assert_int_equal(full_scenario_print(&full, &text), 0);
    assert_true(text.size < SCENARIO_TEXT_MAX / 2);
    buf_finish(&text);
}

/* Of one table the compiler says so; of the list nobody else does. */
static void no_two_rooms_have_a_section_of_the_same_name(void **state)
{
    (void) state;
    size_t count = scenario_table_key_count(&full_scenario_table), sections = 0;
    const char *seen[SCENARIO_SECTIONS_MAX];
    const char *last = "";
    for (size_t i = 0; i < count; i++) {
        struct scenario_key key;
        char range[128], value[64];
        scenario_table_key_at(&full_scenario_table, i, &key, range, value);
        if (strcmp(key.section, last) == 0)
            continue;
        for (size_t s = 0; s < sections; s++)
            assert_string_not_equal(seen[s], key.section);
        last = seen[sections++] = key.section;
    }
    size_t listed = 0;
    for (size_t i = 0; i < full_scenario_table.members; i++)
        listed += full_scenario_table.member[i].part->sections;
    assert_int_equal(sections, listed);
}

/* A name in the order that no table has, or has twice, would move the sections of recorded runs. */
static void every_section_that_the_order_names_is_there(void **state)
{
    (void) state;
    struct scenario_key key;
    char range[128], value[64];
    size_t i = 0, count = scenario_table_key_count(&full_scenario_table);
    for (const char *const *name = full_scenario_table.order; *name != NULL; name++) {
        assert_true(i < count);
        scenario_table_key_at(&full_scenario_table, i, &key, range, value);
        assert_string_equal(key.section, *name);
        while (i < count && strcmp(key.section, *name) == 0) {
            if (++i < count)
                scenario_table_key_at(&full_scenario_table, i, &key, range, value);
        }
    }
}

/* What WELCOME carries is the canonical text less the sections of policies. */
static void the_worlds_text_is_a_part_of_the_whole(void **state)
{
    (void) state;
    struct full_scenario full;
    struct buf world = {0}, whole = {0};
    full_scenario_defaults(&full);
    assert_int_equal(scenario_print(&full.scenario, &world), 0);
    assert_int_equal(full_scenario_print(&full, &whole), 0);
    assert_int_equal(buf_push(&world, "", 1), 0);
    assert_int_equal(buf_push(&whole, "", 1), 0);
    assert_true(world.size < whole.size);
    for (size_t i = 0; i < scenario_table_key_count(&scenario_world_table); i++) {
        struct scenario_key key;
        char range[128], value[64], line[256];
        scenario_table_key_at(&scenario_world_table, i, &key, range, value);
        if (key.in_list)
            continue; /* an empty list leaves no trace */
        (void) snprintf(line, sizeof line, "  %s: %s\n", key.key, value);
        assert_non_null(strstr((const char *) world.data, line));
        assert_non_null(strstr((const char *) whole.data, line));
    }
    assert_null(strstr((const char *) world.data, "ddpg"));
    assert_null(strstr((const char *) world.data, "fallback"));
    buf_finish(&world);
    buf_finish(&whole);
}

static void what_must_hold_between_a_rooms_keys_is_checked(void **state)
{
    (void) state;
    assert_refused("ddpg:\n  buffer: 63\n", ERR_RANGE,
                   "x.yaml: ddpg.batch: 64 is above ddpg.buffer, 63 transitions");
    assert_refused("genetic:\n  population: 1\n", ERR_RANGE,
                   "x.yaml: genetic.elites: 2 is above genetic.population, 1 individuals");
    assert_refused("ddpg:\n  buffer: 63\ndevices:\n  tflops_min: 2\n", ERR_RANGE,
                   "x.yaml: devices.tflops_min: 2 is above devices.tflops_max, 1.5 TFLOP/s");
}

static void unknown_names_are_refused_with_the_nearest_of_all(void **state)
{
    (void) state;
    assert_refused("ddgp:\n  batch: 3\n", ERR_UNKNOWN,
                   "x.yaml:1: ddgp: unknown section, the nearest is 'ddpg'");
    assert_refused("plus:\n  warm: 3\n", ERR_UNKNOWN,
                   "x.yaml:2: plus.warm: unknown key, the nearest is 'warmup'");
    assert_refused("ddpg:\n  noise: pink\n", ERR_UNKNOWN,
                   "x.yaml:2: ddpg.noise: 'pink' is not known, allowed gaussian or ornstein-uhlenbeck");
}

/* A policy finds its room's struct, and one that has no settings finds none. */
static void each_policy_is_given_the_settings_of_its_room(void **state)
{
    (void) state;
    struct settings settings;
    struct world world = check_world(NULL);
    settings_defaults(&settings);
    const struct policy_options options = {
        .world = &world, .settings = settings_values(&settings), .training = true};
    for (size_t i = 0; i < catalog_count(); i++) {
        const struct policy_kind *kind = catalog_at(i);
        struct policy policy;
        if (!policy_suits(kind, POLICY_MODE_ROUND))
            continue;
        assert_int_equal(policy_create(&policy, kind, &options, NULL), 0);
        assert_ptr_equal(settings_of(&policy), &settings);
        assert_int_equal(policy.settings == NULL, kind->settings == NULL);
        if (kind->settings == &learned_settings_part)
            assert_ptr_equal(learned_settings_of(&policy), &settings.learned);
        if (kind->settings == &plus_settings_part)
            assert_ptr_equal(plus_settings_of(&policy), &settings.plus);
        if (kind->settings == &model_settings_part)
            assert_ptr_equal(model_settings_of(&policy), &settings.model);
        policy_destroy(&policy);
    }
    world_finish(&world);
}

static void every_key_explains_itself_and_its_default_is_accepted(void **state)
{
    (void) state;
    struct full_scenario full, defaults;
    full_scenario_defaults(&full);
    full_scenario_defaults(&defaults);
    for (size_t i = 0; i < scenario_table_key_count(&full_scenario_table); i++) {
        struct scenario_key key;
        char range[128];
        char value[64];
        char assignment[200];
        scenario_table_key_at(&full_scenario_table, i, &key, range, value);
        assert_true(strlen(key.meaning) > 5 && strlen(key.source) > 0 && strlen(key.range) > 5);
        if (key.in_list)
            continue; /* there is no entry to set it in */
        size_t size = strlen(key.default_text);
        bool text = key.kind == SCENARIO_TEXT;
        (void) snprintf(assignment, sizeof assignment, "%s.%s=%.*s", key.section, key.key,
                        (int) (size - (text ? 2 : 0)), key.default_text + (text ? 1 : 0));
        assert_int_equal(full_scenario_set(&full, assignment, NULL), 0);
    }
    assert_memory_equal(&full, &defaults, sizeof full);
}

static void load_shipped(const char *name, struct full_scenario *ret)
{
    char path[512];
    struct diag diag = {{0}};
    struct buf text = {0};
    (void) snprintf(path, sizeof path, "%s/%s.yaml", scenario_folder, name);
    assert_int_equal(file_read(path, SCENARIO_TEXT_MAX, &text, NULL), 0);
    if (read_text((const char *) text.data, text.size, path, ret, &diag) != 0)
        fail_msg("%s", diag.text);
    buf_finish(&text);
}

static void the_shipped_dapo_is_the_default_scenario(void **state)
{
    (void) state;
    struct full_scenario shipped, defaults;
    load_shipped("dapo", &shipped);
    full_scenario_defaults(&defaults);
    assert_memory_equal(&shipped, &defaults, sizeof shipped);
}

static void the_shipped_scenarios_differ_from_dapo_as_they_say(void **state)
{
    (void) state;
    struct full_scenario full;
    const struct scenario *shipped = &full.scenario;
    load_shipped("dapo-literal", &full);
    assert_string_equal(shipped->run.name, "dapo-literal");
    assert_same(shipped->objective.deadline_s, 0.0);
    load_shipped("dapo-paper", &full);
    assert_int_equal(shipped->run.episodes, 200);
    assert_int_equal(shipped->run.slots, 1000);
    assert_int_equal(shipped->run.checkpoint_every, 5);
    load_shipped("dapo-published", &full);
    assert_int_equal(full.settings.learned.ppo.rollout, 2048);
    const double published[] = {full.settings.learned.ddpg.discount, full.settings.learned.ppo.discount,
                                full.settings.learned.a2c.discount,  full.settings.learned.dqn.discount,
                                full.settings.learned.td3.discount,  full.settings.learned.sac.discount};
    for (size_t i = 0; i < sizeof published / sizeof *published; i++)
        assert_same(published[i], 0.99);
    assert_same(full.settings.learned.maddpg.discount, 0.95);
    load_shipped("dapo-quick", &full);
    assert_string_equal(shipped->run.name, "dapo-quick");
    assert_true(shipped->run.episodes * shipped->run.slots <= 20000);
    load_shipped("house", &full);
    assert_int_equal(shipped->compute.kind, COMPUTE_MODEL);
    assert_int_equal(shipped->run.record, RECORD_ANSWERS);
    assert_int_equal(shipped->run.clock, CLOCK_REAL);
    assert_true(shipped->devices.count == 10 && shipped->servers.count == 3);
    load_shipped("melbourne", &full);
    assert_true(shipped->task.requests_csv[0] != '\0' && shipped->servers.positions_csv[0] != '\0' &&
                shipped->devices.positions_csv[0] != '\0');
}

/* Rows "| symbol | `section.key` | default | ..." of docs/model.md. */
static void the_manual_states_the_defaults(void **state)
{
    (void) state;
    struct buf text = {0};
    unsigned rows = 0;
    assert_int_equal(file_read(manual_path, 1u << 20, &text, NULL), 0);
    for (char *line = strtok((char *) text.data, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char name[64];
        char value[64];
        if (sscanf(line, "| %*[^|]| `%63[^`]` | %63[^|]", name, value) != 2)
            continue;
        struct scenario_key key = {0};
        char range[128];
        char expected[64] = "";
        for (size_t i = 0; i < scenario_table_key_count(&full_scenario_table); i++) {
            char full[128];
            scenario_table_key_at(&full_scenario_table, i, &key, range, expected);
            (void) snprintf(full, sizeof full, "%s.%s", key.section, key.key);
            if (strcmp(full, name) == 0)
                break;
            expected[0] = '\0';
        }
        value[strcspn(value, " ")] = '\0';
        if (strcmp(value, expected) != 0)
            fail_msg("%s: docs/model.md says '%s', the table '%s'", name, value, expected);
        rows++;
    }
    assert_true(rows > 40);
    buf_finish(&text);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_the_world_and_of_policies_are_read_into_their_structs),
        cmocka_unit_test(the_canonical_text_reads_back_bit_for_bit),
        cmocka_unit_test(the_longest_text_fits_into_its_limit),
        cmocka_unit_test(no_two_rooms_have_a_section_of_the_same_name),
        cmocka_unit_test(every_section_that_the_order_names_is_there),
        cmocka_unit_test(the_worlds_text_is_a_part_of_the_whole),
        cmocka_unit_test(what_must_hold_between_a_rooms_keys_is_checked),
        cmocka_unit_test(unknown_names_are_refused_with_the_nearest_of_all),
        cmocka_unit_test(each_policy_is_given_the_settings_of_its_room),
        cmocka_unit_test(every_key_explains_itself_and_its_default_is_accepted),
        cmocka_unit_test(the_shipped_dapo_is_the_default_scenario),
        cmocka_unit_test(the_shipped_scenarios_differ_from_dapo_as_they_say),
        cmocka_unit_test(the_manual_states_the_defaults),
    };
    if (argc != 3)
        return 2;
    scenario_folder = argv[1];
    manual_path = argv[2];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
