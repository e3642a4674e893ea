/* A sweep's file: what is read, what is filled in, what is refused and how it is said. */
#include "orchestrator/sweep/sweep_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"

static int read_text(struct sweep_file *file, const char *text, struct diag *diag)
{
    return sweep_file_read(file, text, strlen(text), "x.yaml", diag);
}

static void take(struct sweep_file *file, const char *text)
{
    struct diag diag = {0};
    if (read_text(file, text, &diag) != 0)
        fail_msg("%s", diag.text);
}

static const char whole[] =
    "name: paper\n"
    "scenario: dapo-quick\n"
    "set: {run.episodes: 20}\n"
    "seeds: 1..3\n"
    "record_tasks: [1]\n"
    "experiments:\n"
    "  - name: users\n"
    "    policies: [dapo, greedy]\n"
    "    set: {run.slots: 50}\n"
    "    vary: {devices.count: [5, 10], radio.bandwidth_mhz: [5, 10, 20]}\n"
    "  - name: adaptation\n"
    "    policies: [dapo, local, optimum]\n"
    "    seeds: [7, 9]\n"
    "    record_tasks: none\n"
    "    train_set: {faults.script: \"episode 5 slot 0 slow server 0 by 0.3 for 20\"}\n"
    "    test_set: {faults.script: \"slot 0 slow server 0 by 0.3 for 20\"}\n"
    "    curve: true\n"
    "    record_training: true\n"
    "  - name: drift\n"
    "    policies: [greedy, dapo]\n"
    "    seeds: [4]\n"
    "    vary: {radio.bandwidth_mhz: [5, 10]}\n"
    "    train: once\n";

static void a_file_says_what_it_says_and_the_rest_is_filled_in(void **state)
{
    struct sweep_file file;
    (void) state;
    take(&file, whole);
    assert_string_equal(file.name, "paper");
    assert_string_equal(file.scenario, "dapo-quick");
    assert_int_equal(file.experiments, 3);
    const struct sweep_experiment *users = &file.experiment[0], *adaptation = &file.experiment[1];
    assert_int_equal(users->policies.count, 2);
    assert_string_equal(users->policies.kind[0]->name, "dapo");
    assert_int_equal(users->axes, 2);
    assert_string_equal(users->axis[1].key, "radio.bandwidth_mhz");
    assert_string_equal(users->axis[1].value[2], "20");
    assert_int_equal(users->seeds.count, 3);
    assert_true(users->seeds.list[2] == 3);
    assert_int_equal(users->task_seeds.count, 1);
    assert_false(users->curve || users->train_once || users->record_training);
    assert_true(adaptation->record_training);
    assert_int_equal(adaptation->seeds.count, 2);
    assert_int_equal(adaptation->task_seeds.count, 0);
    assert_true(adaptation->curve);
    assert_int_equal(adaptation->train_set.count + adaptation->test_set.count, 2);
    assert_true(file.experiment[2].train_once);
    sweep_file_finish(&file);
}

static void the_scenario_is_dapo_unless_the_file_says_otherwise(void **state)
{
    struct sweep_file file;
    (void) state;
    take(&file, "{name: a, seeds: [1], experiments: [{name: e, policies: [local]}]}");
    assert_string_equal(file.scenario, "dapo");
    sweep_file_finish(&file);
    sweep_file_finish(&file); /* once more does nothing */
}

static void tasks_of_all_seeds_are_those_of_the_experiments_own(void **state)
{
    struct sweep_file file;
    (void) state;
    take(&file, "{name: a, record_tasks: all, seeds: [1, 2], experiments: [{name: e, policies: [local], "
                "seeds: 5..8}]}");
    assert_int_equal(file.experiment[0].task_seeds.count, 4);
    assert_true(file.experiment[0].task_seeds.list[3] == 8);
    sweep_file_finish(&file);
}

static void the_canonical_text_reads_back_as_itself(void **state)
{
    struct sweep_file file;
    struct buf first = {0}, second = {0};
    (void) state;
    take(&file, whole);
    assert_int_equal(sweep_file_print(&file, &first), 0);
    sweep_file_finish(&file);
    take(&file, (const char *) first.data);
    assert_int_equal(sweep_file_print(&file, &second), 0);
    assert_string_equal((const char *) second.data, (const char *) first.data);
    sweep_file_finish(&file);
    buf_finish(&first);
    buf_finish(&second);
}

static void files_that_mean_the_same_have_the_same_text(void **state)
{
    struct sweep_file file;
    struct buf first = {0}, second = {0};
    (void) state;
    take(&file, "name: a\nseeds: [1, 2]\nexperiments:\n  - name: e\n    policies: [local]\n");
    assert_int_equal(sweep_file_print(&file, &first), 0);
    sweep_file_finish(&file);
    take(&file, "# a comment\n{experiments: [{policies: [\"local\"], seeds: 1..2, train: each, name: e}], "
                "scenario: dapo,"
                " name: a}");
    assert_int_equal(sweep_file_print(&file, &second), 0);
    assert_string_equal((const char *) second.data, (const char *) first.data);
    sweep_file_finish(&file);
    buf_finish(&first);
    buf_finish(&second);
}

#define HEAD "name: a\nseeds: [1]\n"
#define CELL "experiments:\n  - name: e\n    policies: [local]\n"

/* `expected` is the whole sentence, or its beginning, with "..." behind. */
static bool is_said(const char *said, const char *expected)
{
    size_t size = strlen(expected);
    if (size >= 3 && strcmp(expected + size - 3, "...") == 0)
        return strncmp(said, expected, size - 3) == 0;
    return strcmp(said, expected) == 0;
}

static void what_is_wrong_is_refused_and_named(void **state)
{
    static const struct {
        const char *text;
        int code;
        const char *said;
    } bad[] = {
        {"", ERR_SYNTAX, "x.yaml: is empty: expected keys such as `name: ...`"},
        {"{name: [}", ERR_SYNTAX, "x.yaml:1: not valid YAML: did not find expected node content"},
        {"name: \x01", ERR_SYNTAX, "x.yaml: byte 7: control characters are not allowed"},
        {HEAD CELL "---\nname: b\n", ERR_SYNTAX, "x.yaml:7: a second document starts here, one is allowed"},
        {"- a\n", ERR_TYPE, "x.yaml:1: sweep: expected a mapping, as {key: value}"},
        {HEAD, ERR_NOT_FOUND, "x.yaml:1: sweep: `experiments:` is missing"},
        {"seeds: [1]\n" CELL, ERR_NOT_FOUND, "x.yaml:1: sweep: `name:` is missing"},
        {HEAD CELL "color: red\n", ERR_UNKNOWN,
         "x.yaml:6: color: unknown key; known are name, scenario, set, seeds, record_tasks, experiments"},
        {HEAD CELL "    color: red\n", ERR_UNKNOWN,
         "x.yaml:6: color: unknown key; known are name, policies, seeds, set, vary, train_set, test_set, "
         "train, curve, record_tasks, record_training"},
        {HEAD "seeds: [2]\n" CELL, ERR_DUPLICATE, "x.yaml:3: seeds: given twice"},
        {HEAD CELL "    name: f\n", ERR_DUPLICATE, "x.yaml:6: name: given twice"},
        {HEAD "[a, b]: c\n" CELL, ERR_TYPE,
         "x.yaml:3: sweep: expected one value, not a list, a mapping or a zero byte"},
        {"name: a b\nseeds: [1]\n" CELL, ERR_SYNTAX,
         "x.yaml:1: name: 'a b' is no name, allowed 1 to 64 letters, digits, '-', '_' and '.'"},
        {"name: ''\nseeds: [1]\n" CELL, ERR_SYNTAX,
         "x.yaml:1: name: '' is no name, allowed 1 to 64 letters, digits, '-', '_' and '.'"},
        {"name: [a]\nseeds: [1]\n" CELL, ERR_TYPE,
         "x.yaml:1: name: expected one value, not a list, a mapping or a zero byte"},
        {HEAD "scenario: {a: b}\n" CELL, ERR_TYPE,
         "x.yaml:3: scenario: expected one value, not a list, a mapping or a zero byte"},
        {HEAD "set: [run.slots]\n" CELL, ERR_TYPE, "x.yaml:3: set: expected a mapping, as {key: value}"},
        {HEAD "set: {run.slots: [1]}\n" CELL, ERR_TYPE,
         "x.yaml:3: run.slots: expected one value, not a list, a mapping or a zero byte"},
        {HEAD "set: {run.slot: 1}\n" CELL, ERR_UNKNOWN,
         "x.yaml:3: run.slot: unknown key, the nearest is 'slots'"},
        {HEAD "set: {ran.slots: 1}\n" CELL, ERR_UNKNOWN,
         "x.yaml:3: ran: unknown section, the nearest is 'run'"},
        {HEAD "set: {slots: 1}\n" CELL, ERR_SYNTAX, "x.yaml:3: 'slots=1': expected section.key=value"},
        {HEAD "set: {run.slots: 0}\n" CELL, ERR_RANGE,
         "x.yaml:3: run.slots: 0 is out of range, allowed 1 to 1000000 slots"},
        {HEAD "set: {run.slots: 1.2abc}\n" CELL, ERR_SYNTAX,
         "x.yaml:3: run.slots: '1.2abc' is not a whole number, allowed 1 to 1000000 slots"},
        {HEAD "set: {run.slots: 1, run.slots: 2}\n" CELL, ERR_DUPLICATE, "x.yaml:3: run.slots: given twice"},
        {HEAD "set: {run.slots=1: 2}\n" CELL, ERR_SYNTAX, "x.yaml:3: 'run.slots=1': expected section.key"},
        {HEAD "set: {run.policy: local}\n" CELL, ERR_UNSUPPORTED,
         "x.yaml:3: run.policy: is not set here: `policies:` says it"},
        {HEAD "set: {run.seed: 1}\n" CELL, ERR_UNSUPPORTED,
         "x.yaml:3: run.seed: is not set here: `seeds:` says it"},
        {HEAD "set: {run.record: tasks}\n" CELL, ERR_UNSUPPORTED,
         "x.yaml:3: run.record: is not set here: `record_tasks:` says it"},
        {"name: a\nseeds: []\n" CELL, ERR_RANGE, "x.yaml:2: seeds: a list of 0, allowed 1 to 256"},
        {"name: a\nseeds: [1, x]\n" CELL, ERR_RANGE,
         "x.yaml:2: seeds: 'x' is no seed, allowed 0 to 9223372036854775807"},
        {"name: a\nseeds: [-1]\n" CELL, ERR_RANGE,
         "x.yaml:2: seeds: '-1' is no seed, allowed 0 to 9223372036854775807"},
        {"name: a\nseeds: [9223372036854775808]\n" CELL, ERR_RANGE,
         "x.yaml:2: seeds: '9223372036854775808' is no seed, allowed 0 to 9223372036854775807"},
        {"name: a\nseeds: [1, 2, 1]\n" CELL, ERR_DUPLICATE, "x.yaml:2: seeds: 1 is given twice"},
        {"name: a\nseeds: [[1]]\n" CELL, ERR_TYPE,
         "x.yaml:2: seeds: expected one value, not a list, a mapping or a zero byte"},
        {"name: a\nseeds: {a: 1}\n" CELL, ERR_TYPE, "x.yaml:2: seeds: expected a list, as [a, b]"},
        {"name: a\nseeds: 5\n" CELL, ERR_SYNTAX,
         "x.yaml:2: seeds: '5' is not known, allowed a list of seeds or a range such as 1..5"},
        {"name: a\nseeds: 5..1\n" CELL, ERR_SYNTAX,
         "x.yaml:2: seeds: '5..1' is not known, allowed a list of seeds or a range such as 1..5"},
        {"name: a\nseeds: 1..\n" CELL, ERR_SYNTAX,
         "x.yaml:2: seeds: '1..' is not known, allowed a list of seeds or a range such as 1..5"},
        {"name: a\nseeds: 0..256\n" CELL, ERR_RANGE, "x.yaml:2: seeds: more than 256 seeds"},
        {"name: a\n" CELL, ERR_NOT_FOUND,
         "x.yaml:1: experiment e: `seeds:` is missing, here and in the file"},
        {HEAD "record_tasks: some\n" CELL, ERR_SYNTAX,
         "x.yaml:3: record_tasks: 'some' is not known, allowed none, all, a list of seeds or a range such as "
         "1..5"},
        {HEAD "experiments: []\n", ERR_RANGE, "x.yaml:3: experiments: a list of 0, allowed 1 to 64"},
        {HEAD "experiments: {a: b}\n", ERR_TYPE, "x.yaml:3: experiments: expected a list, as [a, b]"},
        {HEAD "experiments: [a]\n", ERR_TYPE, "x.yaml:3: experiment: expected a mapping, as {key: value}"},
        {HEAD "experiments: [{name: e}]\n", ERR_NOT_FOUND, "x.yaml:3: experiment: `policies:` is missing"},
        {HEAD CELL "  - name: e\n    policies: [local]\n", ERR_DUPLICATE,
         "x.yaml:6: name: there is an experiment 'e' already"},
        {HEAD "experiments: [{name: e, policies: []}]\n", ERR_RANGE,
         "x.yaml:3: policies: a list of 0, allowed 1 to 64"},
        {HEAD "experiments: [{name: e, policies: local}]\n", ERR_TYPE,
         "x.yaml:3: policies: expected a list, as [a, b]"},
        {HEAD "experiments:\n- name: e\n  policies:\n  - local\n  - dope\n", ERR_UNKNOWN,
         "x.yaml:7: policies: unknown policy 'dope'; known are dapo..."},
        {HEAD "experiments: [{name: e, policies: [local, local]}]\n", ERR_DUPLICATE,
         "x.yaml:3: policies: local is given twice"},
        {HEAD "experiments: [{name: e, policies: [local, dapo-plus-actor]}]\n", ERR_NOT_FOUND,
         "x.yaml:3: experiment e: dapo-plus-actor takes its weights from dapo-plus, which must be among its "
         "policies"},
        {HEAD CELL "    curve: 1\n", ERR_UNKNOWN, "x.yaml:6: curve: '1' is not known, allowed false or true"},
        {HEAD CELL "    train: twice\n", ERR_UNKNOWN,
         "x.yaml:6: train: 'twice' is not known, allowed each or once"},
        {HEAD CELL "    train: once\n", ERR_UNSUPPORTED,
         "x.yaml:4: experiment e: `train: once` needs something to `vary:`"},
        {HEAD CELL "    train: once\n    curve: true\n    vary: {run.slots: [5]}\n", ERR_UNSUPPORTED,
         "x.yaml:4: experiment e: `curve: true` needs `train: each`, a training for each value"},
        {HEAD CELL "    vary: [run.slots]\n", ERR_TYPE,
         "x.yaml:6: vary: expected a mapping, as {key: value}"},
        {HEAD CELL "    vary: {run.slots: 5}\n", ERR_TYPE, "x.yaml:6: run.slots: expected a list, as [a, b]"},
        {HEAD CELL "    vary: {run.slots: []}\n", ERR_RANGE,
         "x.yaml:6: run.slots: a list of 0, allowed 1 to 256"},
        {HEAD CELL "    vary:\n      run.slots:\n      - 5\n      - 0\n", ERR_RANGE,
         "x.yaml:9: run.slots: 0 is out of range, allowed 1 to 1000000 slots"},
        {HEAD CELL "    vary: {run.slots: [5, 5]}\n", ERR_DUPLICATE, "x.yaml:6: run.slots: 5 is given twice"},
        {HEAD CELL "    vary: {run.seed: [5]}\n", ERR_UNSUPPORTED,
         "x.yaml:6: run.seed: is not set here: `seeds:` says it"},
        {HEAD CELL "    vary: {run.slots: [5]}\n    set: {run.slots: 6}\n", ERR_DUPLICATE,
         "x.yaml:4: experiment e: run.slots is both varied and set"},
        {HEAD CELL "    vary: {run.slots: [5]}\n    test_set: {run.slots: 6}\n", ERR_DUPLICATE,
         "x.yaml:4: experiment e: run.slots is both varied and set"},
        {HEAD CELL "    vary: {run.slots: [5], run.episodes: [5], task.tokens: [5], model.min_split: [5],"
                   " area.width_m: [5]}\n",
         ERR_RANGE, "x.yaml:6: vary: 5 keys, allowed at most 4"},
        {HEAD "set: &s {run.slots: 5}\nexperiments:\n- name: e\n  policies: [local]\n  set: {<<: *s}\n",
         ERR_TYPE, "x.yaml:3: <<: expected one value, not a list, a mapping or a zero byte"},
    };
    (void) state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct sweep_file file;
        struct diag diag = {0};
        int rc = read_text(&file, bad[i].text, &diag);
        if (rc != bad[i].code || !is_said(diag.text, bad[i].said))
            fail_msg("%s\ngave %d '%s', expected %d '%s'", bad[i].text, rc, diag.text, bad[i].code,
                     bad[i].said);
        sweep_file_finish(&file);
    }
}

static void a_file_beyond_the_limit_is_refused(void **state)
{
    struct sweep_file file;
    struct diag diag = {0};
    (void) state;
    char *text = malloc(SWEEP_FILE_TEXT_MAX + 1);
    assert_non_null(text);
    memset(text, '#', SWEEP_FILE_TEXT_MAX + 1);
    assert_int_equal(sweep_file_read(&file, text, SWEEP_FILE_TEXT_MAX + 1, "x.yaml", &diag), ERR_TOO_BIG);
    assert_non_null(strstr(diag.text, "65536"));
    sweep_file_finish(&file);
    free(text);
}

static void depth_is_no_way_in(void **state)
{
    static char text[4000];
    struct sweep_file file;
    (void) state;
    memset(text, '[', sizeof text);
    assert_int_equal(sweep_file_read(&file, text, sizeof text, "x.yaml", NULL), ERR_SYNTAX);
    sweep_file_finish(&file);
}

static void a_list_may_be_named_and_used_again(void **state)
{
    struct sweep_file file;
    (void) state;
    take(&file,
         HEAD "experiments:\n- {name: e, policies: &all [local, greedy]}\n- {name: f, policies: *all}\n");
    assert_int_equal(file.experiment[1].policies.count, 2);
    sweep_file_finish(&file);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_says_what_it_says_and_the_rest_is_filled_in),
        cmocka_unit_test(the_scenario_is_dapo_unless_the_file_says_otherwise),
        cmocka_unit_test(tasks_of_all_seeds_are_those_of_the_experiments_own),
        cmocka_unit_test(the_canonical_text_reads_back_as_itself),
        cmocka_unit_test(files_that_mean_the_same_have_the_same_text),
        cmocka_unit_test(what_is_wrong_is_refused_and_named),
        cmocka_unit_test(a_file_beyond_the_limit_is_refused),
        cmocka_unit_test(depth_is_no_way_in),
        cmocka_unit_test(a_list_may_be_named_and_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
