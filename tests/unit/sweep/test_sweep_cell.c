/* One cell, played into a file of its own: what is trained, validated and tested there, and in which scenario. */
#include "orchestrator/sweep/sweep_cell.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "db/experiment_file.h"
#include "tests/lib/scratch.h"

/* Two devices, short streams, a DDPG that learns from its third slot on, and a checkpoint in every episode. */
#define SMALL                                                                                                \
    "set: {devices.count: 2, servers.count: 2, run.episodes: 3, run.slots: 4, run.checkpoint_every: 1,"      \
    " evaluation.validate_episodes: 1, evaluation.validate_slots: 3, evaluation.test_episodes: 2,"           \
    " evaluation.test_slots: 5, ddpg.warmup: 2, ddpg.batch: 2, ddpg.hidden_1: 4, ddpg.hidden_2: 4}\n"

struct fixture {
    struct scratch *scratch;
    struct sweep_file file;
    struct sweep_grid grid;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    void *scratch = NULL;
    if (f == NULL || scratch_setup(&scratch) != 0)
        return -1;
    f->scratch = scratch;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    void *scratch = f->scratch;
    sweep_grid_finish(&f->grid);
    sweep_file_finish(&f->file);
    free(f);
    return scratch_teardown(&scratch);
}

/* The cells of a sweep with these experiments. */
static void make(struct fixture *f, const char *experiments)
{
    char text[2048];
    struct diag diag = {{0}};
    (void) snprintf(text, sizeof text, "name: a\nscenario: dapo-quick\nseeds: [7]\n" SMALL "experiments:\n%s",
                    experiments);
    if (sweep_file_read(&f->file, text, strlen(text), "x.yaml", &diag) != 0 ||
        sweep_grid_make(&f->grid, &f->file, &diag) != 0)
        fail_msg("%s", diag.text);
}

/* Cells count from 1. */
static struct sweep_cell_play play_of(const struct fixture *f, size_t cell)
{
    assert_true(cell > 0 && cell <= f->grid.count);
    return (struct sweep_cell_play){.grid = &f->grid,
                                    .cell = &f->grid.cell[cell - 1],
                                    .path = f->scratch->file,
                                    .checkpoint = -1,
                                    .updates = -1};
}

static void play(const struct fixture *f, size_t cell)
{
    struct diag diag = {{0}};
    const struct sweep_cell_play what = play_of(f, cell);
    if (sweep_cell_play(&what, &diag) != 0)
        fail_msg("%s", diag.text);
}

static void expect(const struct fixture *f, const char *sql, const char *expected)
{
    scratch_expect(f->scratch->file, sql, expected);
}

#define RUNS "SELECT kind, policy, seed, phase, host, status, checkpoint_episode FROM run ORDER BY run_id"
#define PLAYED                                                                                               \
    "SELECT r.kind, count(*), min(e.slots), (SELECT count(*) FROM task AS t WHERE t.run_id = r.run_id)"      \
    " FROM run AS r JOIN episode AS e USING (run_id) GROUP BY r.run_id ORDER BY r.run_id"

static void what_does_not_learn_is_tested_and_its_tasks_are_kept(void **state)
{
    struct fixture *f = *state;
    make(f, "- {name: e, policies: [local]}\n");
    play(f, 1);
    expect(f, RUNS, "test|local|7|test|memory|finished|NULL");
    expect(f, PLAYED, "test|2|5|20"); /* episodes, slots, and two devices' tasks */
    expect(f, "SELECT updates FROM run", "NULL");
}

static void beside_curves_it_is_validated_first(void **state)
{
    struct fixture *f = *state;
    make(f, "- {name: e, policies: [local], curve: true}\n");
    play(f, 1);
    expect(f, RUNS,
           "validate|local|7|validate|memory|finished|NULL\n"
           "test|local|7|test|memory|finished|NULL");
    expect(f, PLAYED, "validate|1|3|0\ntest|2|5|20");
}

static void a_learner_is_trained_validated_at_every_checkpoint_and_its_best_one_is_tested(void **state)
{
    struct fixture *f = *state;
    make(f, "- {name: e, policies: [dapo]}\n");
    play(f, 1);
    expect(f, "SELECT kind, policy, seed, phase, status FROM run WHERE kind <> 'validate'",
           "train|dapo|7|train|finished\ntest|dapo|7|test|finished");
    expect(f, "SELECT count(*), min(slots), max(slots) FROM episode WHERE run_id = 1", "3|4|4");
    expect(f, "SELECT checkpoint_episode FROM run WHERE kind = 'validate' ORDER BY checkpoint_episode",
           "0\n1\n2");
    expect(f,
           "SELECT (SELECT checkpoint_episode FROM run WHERE kind = 'test') = episode FROM checkpoint"
           " ORDER BY validation_cost, episode LIMIT 1",
           "1");
    expect(f, "SELECT DISTINCT parent_run_id FROM run WHERE run_id > 1", "1");
}

static void who_trains_for_others_is_not_tested(void **state)
{
    struct fixture *f = *state;
    make(f, "- {name: e, policies: [dapo], vary: {radio.bandwidth_mhz: [5]}, train: once}\n");
    assert_false(f->grid.cell[0].tests);
    play(f, 1);
    expect(f, "SELECT kind, count(*) FROM run GROUP BY kind", "train|1\nvalidate|3");
}

/* The best weights of the run in the file. */
static void read_weights(const struct fixture *f, struct buf *ret_weights)
{
    struct experiment_file file;
    struct db_checkpoint row;
    assert_int_equal(experiment_file_open(&file, f->scratch->file, DB_READ, NULL), 0);
    assert_int_equal(store_read_checkpoint(file.store, 1, 2, &row, ret_weights, NULL), 0);
    assert_int_equal(experiment_file_close(&file, NULL), 0);
}

static void what_another_has_learned_is_tested_alone_with_its_updates(void **state)
{
    struct fixture *f = *state;
    struct buf weights = {0};
    struct diag diag = {{0}};
    make(f, "- {name: e, policies: [dapo], vary: {radio.bandwidth_mhz: [5], devices.count: [2, 3]}, train: "
            "once}\n");
    play(f, 1);
    read_weights(f, &weights);
    char path[SCRATCH_PATH];
    scratch_path(f->scratch, "second.db", path);
    struct sweep_cell_play what = play_of(f, 2);
    what.path = path;
    what.weights = &weights;
    what.checkpoint = 2;
    what.updates = 9;
    if (sweep_cell_play(&what, &diag) != 0)
        fail_msg("%s", diag.text);
    scratch_expect(path, RUNS, "test|dapo|7|test|memory|finished|2");
    scratch_expect(path, "SELECT updates FROM run", "9");
    scratch_path(f->scratch, "third.db", path);
    what.updates = -1; /* an older version recorded none */
    assert_int_equal(sweep_cell_play(&what, NULL), 0);
    scratch_expect(path, "SELECT updates FROM run", "NULL");
    scratch_path(f->scratch, "fourth.db", path);
    what.cell = &f->grid.cell[2]; /* of three devices: the network has another size */
    assert_int_equal(sweep_cell_play(&what, &diag), ERR_UNSUPPORTED);
    assert_true(strlen(diag.text) > 0);
    buf_finish(&weights);
}

static void without_weights_of_another_a_mismatch_is_no_lack_of_support(void **state)
{
    struct fixture *f = *state;
    struct diag diag = {{0}};
    struct sweep_cell_play what;
    make(f, "- {name: e, policies: [local]}\n");
    what = play_of(f, 1);
    what.path = "/nowhere/at/all.db";
    assert_int_not_equal(sweep_cell_play(&what, &diag), ERR_UNSUPPORTED);
    assert_non_null(strstr(diag.text, "/nowhere/at/all.db"));
}

/* ---- scenarios ---- */

static void training_and_test_have_each_their_own_settings_and_the_seed(void **state)
{
    struct fixture *f = *state;
    struct full_scenario full;
    make(f, "- {name: e, policies: [dapo], vary: {radio.bandwidth_mhz: [5, 40]}, train_set: {run.slots: 6},"
            " test_set: {run.slots: 8, evaluation.test_slots: 9}}\n");
    const struct sweep_cell *cell = &f->grid.cell[1];
    assert_int_equal(sweep_cell_play_scenario(NULL, &f->grid, cell, false, &full, NULL), 0);
    assert_true(full.scenario.radio.bandwidth_mhz == 40.0);
    assert_int_equal(full.scenario.run.slots, 6);
    assert_int_equal(full.scenario.run.seed, 7);
    assert_int_equal(full.scenario.devices.count, 2);
    assert_int_equal(full.scenario.evaluation.test_slots, 5);
    assert_int_equal(full.settings.learned.ddpg.batch, 2);
    assert_int_equal(sweep_cell_play_scenario(NULL, &f->grid, cell, true, &full, NULL), 0);
    assert_int_equal(full.scenario.run.slots, 8);
    assert_int_equal(full.scenario.evaluation.test_slots, 9);
    assert_int_equal(full.scenario.run.seed, 7);
}

static void a_learner_is_tested_in_the_world_of_its_test(void **state)
{
    struct fixture *f = *state;
    make(f, "- {name: e, policies: [dapo], train_set: {run.slots: 6}, test_set: {run.slots: 8,"
            " evaluation.test_slots: 9, evaluation.validate_slots: 2}}\n");
    play(f, 1);
    expect(f, "SELECT DISTINCT r.kind, e.slots FROM run AS r JOIN episode AS e USING (run_id) ORDER BY 1",
           "test|9\ntrain|6\nvalidate|2");
}

static void a_scenario_that_does_not_hold_is_refused_with_its_reason(void **state)
{
    struct fixture *f = *state;
    struct diag diag = {{0}};
    make(f, "- {name: e, policies: [local], set: {devices.tflops_min: 9}}\n"); /* above the fastest */
    const struct sweep_cell_play what = play_of(f, 1);
    assert_int_not_equal(sweep_cell_play(&what, &diag), 0);
    assert_non_null(strstr(diag.text, "tflops"));
    assert_false(scratch_exists(f->scratch->file));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(what_does_not_learn_is_tested_and_its_tasks_are_kept),
        TEST(beside_curves_it_is_validated_first),
        TEST(a_learner_is_trained_validated_at_every_checkpoint_and_its_best_one_is_tested),
        TEST(who_trains_for_others_is_not_tested),
        TEST(what_another_has_learned_is_tested_alone_with_its_updates),
        TEST(without_weights_of_another_a_mismatch_is_no_lack_of_support),
        TEST(training_and_test_have_each_their_own_settings_and_the_seed),
        TEST(a_learner_is_tested_in_the_world_of_its_test),
        TEST(a_scenario_that_does_not_hold_is_refused_with_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
