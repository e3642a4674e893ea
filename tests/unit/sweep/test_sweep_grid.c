/* The cells of a sweep: which there are, with which settings, and whose weights they test. */
#include "orchestrator/sweep/sweep_grid.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
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
    "  - name: drift\n"
    "    policies: [greedy, dapo]\n"
    "    seeds: [4]\n"
    "    vary: {radio.bandwidth_mhz: [5, 10]}\n"
    "    train: once\n";

static void make(struct sweep_grid *grid, const struct sweep_file *file)
{
    struct diag diag = {0};
    if (sweep_grid_make(grid, file, &diag) != 0)
        fail_msg("%s", diag.text);
}

static void several_keys_make_a_full_grid_in_the_files_order(void **state)
{
    static const char *const values[] = {"5,5", "5,10", "5,20", "10,5", "10,10", "10,20"};
    struct sweep_file file;
    struct sweep_grid grid;
    (void) state;
    take(&file, whole);
    make(&grid, &file);
    for (size_t i = 0; i < 36; i++) {
        const struct sweep_cell *cell = &grid.cell[i];
        assert_int_equal(cell->number, i + 1);
        assert_string_equal(cell->axis, "devices.count,radio.bandwidth_mhz");
        assert_string_equal(cell->value, values[i / 6]);
        assert_string_equal(cell->kind->name, i % 6 < 3 ? "dapo" : "greedy");
        assert_true(cell->seed == i % 3 + 1);
        assert_int_equal(cell->trains, i % 6 < 3);
        assert_true(cell->tests);
        assert_int_equal(sweep_grid_keeps_tasks(cell), cell->seed == 1);
        assert_int_equal(sweep_grid_same_place(cell, &grid.cell[0]), i < 6);
    }
    assert_string_equal(grid.cell[36].axis, "");
    assert_string_equal(grid.cell[36].value, "");
    sweep_grid_finish(&grid);
    sweep_file_finish(&file);
}

static void print_settings(const struct sweep_grid *grid, const struct sweep_cell *cell, bool test,
                           struct buf *text)
{
    struct sweep_setting list[SWEEP_GRID_SETTINGS_MAX];
    size_t count = sweep_grid_settings(grid, cell, test, list);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(buf_printf(text, " %s=%s", list[i].key, list[i].value), 0);
    assert_int_equal(buf_printf(text, ";"), 0);
}

/* All that is known of a sweep and its cells. Freed by the caller. */
static char *print_grid(const struct sweep_file *file)
{
    struct sweep_grid grid;
    struct buf text = {0};
    make(&grid, file);
    assert_int_equal(buf_printf(&text, "%s %s\n", file->name, file->scenario), 0);
    for (size_t i = 0; i < grid.count; i++) {
        const struct sweep_cell *cell = &grid.cell[i];
        assert_int_equal(buf_printf(&text, "%u %s %s %llu [%s] [%s] %s %d%d%d%d%d %u:", cell->number,
                                    cell->experiment->name, cell->kind->name, (unsigned long long) cell->seed,
                                    cell->axis, cell->value, cell->settings_json, cell->at_base, cell->trains,
                                    cell->tests, cell->experiment->curve, sweep_grid_keeps_tasks(cell),
                                    cell->trained_by),
                         0);
        print_settings(&grid, cell, false, &text);
        print_settings(&grid, cell, true, &text);
        assert_int_equal(buf_printf(&text, "\n"), 0);
    }
    sweep_grid_finish(&grid);
    return (char *) text.data;
}

static void the_canonical_text_has_the_same_cells(void **state)
{
    static const char *const texts[] = {
        whole,
        "{name: a, seeds: [1], record_tasks: all, experiments: [{name: e, policies: [local]}]}",
        "{name: b, seeds: 3..5, set: {faults.script: \"slot 1 kill server 0\", run.slots: 5}, experiments:"
        " [{name: e, policies: [dapo], train: once, vary: {task.tokens: [64, 128]}}, {name: f, policies: "
        "[local],"
        " set: {run.slots: 7}, record_tasks: [4]}]}",
    };
    (void) state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct sweep_file file;
        struct buf canonical = {0};
        take(&file, texts[i]);
        char *first = print_grid(&file);
        assert_int_equal(sweep_file_print(&file, &canonical), 0);
        sweep_file_finish(&file);
        take(&file, (const char *) canonical.data);
        char *second = print_grid(&file);
        assert_string_equal(second, first);
        sweep_file_finish(&file);
        buf_finish(&canonical);
        free(first);
        free(second);
    }
}

static void later_settings_override_earlier_ones(void **state)
{
    struct sweep_file file;
    struct sweep_grid grid;
    struct sweep_setting list[SWEEP_GRID_SETTINGS_MAX];
    (void) state;
    take(&file, "{name: a, seeds: [1], set: {run.slots: 5, run.episodes: 1}, experiments: [{name: e, "
                "policies: [dapo],"
                " set: {run.slots: 6}, vary: {task.tokens: [64]}, train_set: {run.slots: 7},"
                " test_set: {run.slots: 8, area.width_m: 9}}]}");
    make(&grid, &file);
    assert_int_equal(sweep_grid_settings(&grid, &grid.cell[0], false, list), 5);
    assert_string_equal(list[0].key, "run.slots");
    assert_string_equal(list[2].value, "6");
    assert_string_equal(list[3].key, "task.tokens");
    assert_string_equal(list[4].value, "7");
    assert_int_equal(sweep_grid_settings(&grid, &grid.cell[0], true, list), 6);
    assert_string_equal(list[4].value, "8");
    assert_string_equal(
        grid.cell[0].settings_json,
        "{\"run.slots\":\"6\",\"run.episodes\":\"1\",\"task.tokens\":\"64\","
        "\"train_set\":{\"run.slots\":\"7\"},\"test_set\":{\"run.slots\":\"8\",\"area.width_m\":\"9\"}}");
    sweep_grid_finish(&grid);
    sweep_file_finish(&file);
}

static void a_learner_that_trains_once_is_tested_along_the_axis(void **state)
{
    struct sweep_file file;
    struct sweep_grid grid;
    struct sweep_setting list[SWEEP_GRID_SETTINGS_MAX];
    (void) state;
    take(&file, "{name: a, seeds: [4, 5], experiments: [{name: e, policies: [greedy, dapo], train: once,"
                " vary: {radio.bandwidth_mhz: [5, 10]}}]}");
    make(&grid, &file);
    assert_int_equal(grid.count, 2 + 2 * 4);
    for (size_t i = 0; i < 2; i++) {
        assert_true(grid.cell[i].trains && !grid.cell[i].tests && grid.cell[i].at_base);
        assert_string_equal(grid.cell[i].axis, "");
        assert_int_equal(sweep_grid_settings(&grid, &grid.cell[i], false, list), 0);
    }
    static const unsigned trainers[] = {0, 0, 0, 0, 1,
                                        2, 0, 0, 1, 2}; /* by index: greedy twice, dapo twice, ... */
    for (size_t i = 2; i < grid.count; i++) {
        const struct sweep_cell *cell = &grid.cell[i];
        assert_false(cell->trains);
        assert_int_equal(cell->trained_by, trainers[i]);
        assert_true(cell->trained_by == 0 || grid.cell[cell->trained_by - 1].seed == cell->seed);
        assert_int_equal(sweep_grid_settings(&grid, cell, true, list), 1);
        assert_string_equal(list[0].value, i < 6 ? "5" : "10");
    }
    sweep_grid_finish(&grid);
    sweep_file_finish(&file);
}

static void experiments_that_set_the_same_share_what_is_trained_once(void **state)
{
    struct sweep_file file;
    struct sweep_grid grid;
    (void) state;
    take(&file, "{name: a, seeds: [4], experiments: ["
                "{name: e, policies: [dapo], train: once, vary: {radio.bandwidth_mhz: [5]}},"
                "{name: f, policies: [greedy, dapo], train: once, vary: {task.tokens: [64]}},"
                "{name: g, policies: [dapo], train: once, vary: {task.tokens: [64]}, set: {run.slots: 9}},"
                "{name: h, policies: [dapo], vary: {task.tokens: [64]}, train: once, record_training: true},"
                "{name: i, policies: [dapo]}]}");
    make(&grid, &file);
    /* e's training and test, f's two tests, then g, h and i for themselves. */
    static const unsigned trainers[] = {0, 1, 0, 1, 0, 5, 0, 7, 0};
    assert_int_equal(grid.count, sizeof trainers / sizeof *trainers);
    for (size_t i = 0; i < grid.count; i++)
        assert_int_equal(grid.cell[i].trained_by, trainers[i]);
    sweep_grid_finish(&grid);
    sweep_file_finish(&file);
}

static void who_decides_with_anothers_weights_takes_them_from_that_ones_cell(void **state)
{
    struct sweep_file file;
    struct sweep_grid grid;
    (void) state;
    take(
        &file,
        "{name: a, seeds: [4, 5], experiments: ["
        "{name: e, policies: [dapo-plus-actor, dapo-plus], vary: {radio.bandwidth_mhz: [5, 10]}},"
        "{name: f, policies: [dapo-plus-actor, dapo-plus], vary: {radio.bandwidth_mhz: [5]}, train: once}]}");
    make(&grid, &file);
    /* The places of e, then what trains for f, and f's place. */
    static const unsigned trainers[] = {3, 4, 0, 0, 7, 8, 0, 0, 0, 0, 9, 10, 9, 10};
    assert_int_equal(grid.count, sizeof trainers / sizeof *trainers);
    for (size_t i = 0; i < grid.count; i++) {
        const struct sweep_cell *cell = &grid.cell[i];
        assert_int_equal(cell->trained_by, trainers[i]);
        assert_int_equal(cell->trains, trainers[i] == 0);
        if (trainers[i] == 0)
            continue;
        const struct sweep_cell *trainer = &grid.cell[trainers[i] - 1];
        assert_string_equal(trainer->kind->name, "dapo-plus");
        assert_true(trainer->seed == cell->seed);
        assert_true(trainer->at_base || sweep_grid_same_place(trainer, cell));
    }
    sweep_grid_finish(&grid);
    sweep_file_finish(&file);
}

static void a_grid_beyond_the_limit_is_refused(void **state)
{
    struct sweep_file file;
    struct sweep_grid grid;
    struct diag diag = {0};
    struct buf text = {0};
    (void) state;
    assert_int_equal(buf_printf(&text,
                                "{name: a, seeds: 1..256, experiments: [{name: e, policies: [local], vary:"
                                " {task.tokens: ["),
                     0);
    for (unsigned i = 1; i <= 40; i++)
        assert_int_equal(buf_printf(&text, "%s%u", i > 1 ? ", " : "", i), 0);
    assert_int_equal(buf_printf(&text, "]}}]}"), 0);
    take(&file, (const char *) text.data);
    assert_int_equal(sweep_grid_make(&grid, &file, &diag), ERR_TOO_BIG);
    assert_non_null(strstr(diag.text, "more than 10000 cells"));
    sweep_grid_finish(&grid);
    sweep_file_finish(&file);
    buf_finish(&text);
}

static void training_and_the_optimum_are_longer_than_the_rest(void **state)
{
    struct sweep_file file;
    struct sweep_grid grid;
    struct scenario scenario;
    (void) state;
    scenario_defaults(&scenario);
    take(&file, "{name: a, seeds: [1], experiments: [{name: e, policies: [local, optimum, dapo]}]}");
    make(&grid, &file);
    double local = sweep_grid_work(&grid.cell[0], &scenario, &scenario);
    double optimum = sweep_grid_work(&grid.cell[1], &scenario, &scenario);
    double dapo = sweep_grid_work(&grid.cell[2], &scenario, &scenario);
    assert_true(local == 10.0 * 1000.0); /* devices and held-out slots */
    assert_true(optimum > local && dapo > optimum);
    sweep_grid_finish(&grid);
    sweep_file_finish(&file);
}

/* Two devices, three servers; trained for 4 episodes of 5 slots with a checkpoint in every second, validated on 3 and tested
 * on 7 slots. */
static void work_is_slots_times_devices_and_decisions_and_updates_of_training(void **state)
{
    static const struct {
        const char *policy, *more;
        double work;
    } cases[] = {
        {"local", "", 7 * 2},
        {"local", ", curve: true", (3 + 7) * 2},
        {"greedy", "", 7 * (2 + 5.0 * 2 * 2)},
        {"optimum", "", 7 * (2 + 0.1 * 2 * 10)}, /* five choose three load vectors */
        {"dapo", "", (4 * 5 + 2 * 3 + 7) * 2 + 4 * 5 * 250.0},
        {"dapo", ", curve: true", (4 * 5 + 2 * 3 + 7) * 2 + 4 * 5 * 250.0},
        {"dapo", ", train: once, vary: {task.tokens: [64]}", (4 * 5 + 2 * 3) * 2 + 4 * 5 * 250.0},
    };
    struct scenario train, test;
    (void) state;
    scenario_defaults(&train);
    train.run.episodes = 4;
    train.run.slots = 5;
    train.run.checkpoint_every = 2;
    scenario_defaults(&test);
    test.devices.count = 2;
    test.servers.count = 3;
    test.evaluation.validate_episodes = 1;
    test.evaluation.validate_slots = 3;
    test.evaluation.test_episodes = 1;
    test.evaluation.test_slots = 7;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sweep_file file;
        struct sweep_grid grid;
        char text[256];
        (void) snprintf(text, sizeof text,
                        "{name: a, seeds: [1], experiments: [{name: e, policies: [%s]%s}]}", cases[i].policy,
                        cases[i].more);
        take(&file, text);
        make(&grid, &file);
        assert_true(fabs(sweep_grid_work(&grid.cell[0], &train, &test) - cases[i].work) < 1e-9);
        sweep_grid_finish(&grid);
        sweep_file_finish(&file);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_keys_make_a_full_grid_in_the_files_order),
        cmocka_unit_test(the_canonical_text_has_the_same_cells),
        cmocka_unit_test(later_settings_override_earlier_ones),
        cmocka_unit_test(a_learner_that_trains_once_is_tested_along_the_axis),
        cmocka_unit_test(experiments_that_set_the_same_share_what_is_trained_once),
        cmocka_unit_test(who_decides_with_anothers_weights_takes_them_from_that_ones_cell),
        cmocka_unit_test(a_grid_beyond_the_limit_is_refused),
        cmocka_unit_test(training_and_the_optimum_are_longer_than_the_rest),
        cmocka_unit_test(work_is_slots_times_devices_and_decisions_and_updates_of_training),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
