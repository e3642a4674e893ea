/* Measured times in place of FLOP: between, below and above the measurements; their text and their file. */
#include "core/model/layer_times.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "core/base/err.h"
#include "core/model/cost.h"
#include "core/model/dataset.h"

static struct layer_times read_times(const char *text)
{
    struct layer_times times;
    struct diag diag = {{0}};
    if (layer_times_read(&times, text, &diag) != 0)
        fail_msg("%s", diag.text);
    return times;
}

static void times_between_measurements_lie_on_a_line(void **state)
{
    (void) state;
    struct layer_times times = read_times("  16:0.25 32:0.5  64:2 ");
    assert_int_equal(times.count, 3);
    assert_same(layer_times_at(&times, 16), 0.25);
    assert_same(layer_times_at(&times, 24), 0.375);
    assert_same(layer_times_at(&times, 32), 0.5);
    assert_same(layer_times_at(&times, 40), 0.875);
    assert_same(layer_times_at(&times, 64), 2.0);
}

static void few_rows_take_as_long_as_the_fewest_that_were_measured(void **state)
{
    (void) state;
    struct layer_times times = read_times("16:0.25 32:0.5");
    assert_same(layer_times_at(&times, 1), 0.25);
    assert_same(layer_times_at(&times, 15), 0.25);
}

static void many_rows_go_on_from_the_last_measurements(void **state)
{
    (void) state;
    struct layer_times line = read_times("16:0.25 32:0.5"), falling = read_times("16:0.5 32:0.25");
    struct layer_times one = read_times("16:0.25");
    assert_same(layer_times_at(&line, 64), 1.0);
    assert_same(layer_times_at(&falling, 64), 0.25);
    assert_same(layer_times_at(&one, 64), 1.0);
    assert_same(layer_times_at(&one, 3), 0.25);
}

static void a_table_reads_back_from_its_text_to_the_bit(void **state)
{
    (void) state;
    struct layer_times times = {0};
    char text[LAYER_TIMES_TEXT_MAX + 1];
    for (uint32_t i = 0; i < LAYER_TIMES_MAX; i++)
        assert_int_equal(layer_times_add(&times, LAYER_TIMES_ROWS_MAX - LAYER_TIMES_MAX + 1 + i,
                                         1e-300 / (i + 3), "x", NULL),
                         0);
    layer_times_print(&times, text);
    struct layer_times back = read_times(text);
    assert_memory_equal(&back, &times, sizeof times);
    assert_int_equal(layer_times_add(&times, LAYER_TIMES_ROWS_MAX, 1.0, "x", NULL), ERR_TOO_BIG);
}

static void what_is_no_table_is_refused(void **state)
{
    (void) state;
    static const struct {
        const char *text, *said;
        int code;
    } bad[] = {
        {" ", "model.times: no measurement, at least one ROWS:SECONDS is needed", ERR_SYNTAX},
        {"16", "model.times: '16' is not ROWS:SECONDS", ERR_SYNTAX},
        {"16:", "model.times: '16:' is not ROWS:SECONDS", ERR_SYNTAX},
        {"16:nan", "model.times: '16:nan' is not ROWS:SECONDS", ERR_SYNTAX},
        {"1:1 x:2", "model.times: 'x:2' is not ROWS:SECONDS", ERR_SYNTAX},
        {"0:1", "model.times: rows: 0 is out of range, allowed 1 to 131072", ERR_RANGE},
        {"131073:1", "model.times: rows: 131073 is out of range, allowed 1 to 131072", ERR_RANGE},
        {"1:0", "model.times: seconds: 0 is out of range, allowed above 0 to 3600 s", ERR_RANGE},
        {"1:-1", "model.times: seconds: -1 is out of range, allowed above 0 to 3600 s", ERR_RANGE},
        {"1:3601", "model.times: seconds: 3601 is out of range, allowed above 0 to 3600 s", ERR_RANGE},
        {"2:1 2:1", "model.times: rows: 2 follows 2, rows must rise", ERR_SYNTAX},
        {"1:0.00000000000000000000000000000000000000000000000000000000000000001",
         "model.times: '1:0.0000000000000000...' is not ROWS:SECONDS", ERR_SYNTAX},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct layer_times times;
        struct diag diag = {{0}};
        struct scenario scenario;
        assert_int_equal(layer_times_read(&times, bad[i].text, &diag), bad[i].code);
        assert_string_equal(diag.text, bad[i].said);
        scenario_defaults(&scenario);
        (void) strcpy(scenario.model.times, bad[i].text);
        assert_int_equal(scenario_check(&scenario, NULL), bad[i].code);
    }
}

/* A node of another speed takes longer in proportion; how work is counted does not matter any more. */
static void measured_times_take_the_place_of_flop(void **state)
{
    (void) state;
    struct world world =
        check_world((const char *[]){"model.times=64:0.5 128:1", "model.times_tflops=2",
                                     "model.attention=counted", "model.work=geometry", NULL});
    world.device[0].flops = 4e12;
    assert_same(cost_local_s(&world, &world.device[0], 96, 8), 8 * 0.75 / 2);
    assert_same(cost_full_s(&world, &world.device[0], 96), 32 * 0.75 / 2);
    world.server[0].flops = 8e12;
    assert_same(cost_edge_s(&world, 0, 0.5, 96, 24), 8 * 0.75 / 2);
    world_finish(&world);
    assert_null(world.times);
}

/* ---- the file ---- */

#define FILE_NAME "times.csv"

static char folder[] = "/tmp/handoff-times-XXXXXX";

/* Files have short names in a folder of the test's own. */
static int enter_folder(void **state)
{
    (void) state;
    return mkdtemp(folder) != NULL ? chdir(folder) : -1;
}

static int leave_folder(void **state)
{
    (void) state;
    return chdir("/") == 0 ? rmdir(folder) : -1;
}

static int load(const char *text, struct scenario *ret_scenario, struct diag *diag)
{
    struct dataset *data = NULL;
    FILE *file = fopen(FILE_NAME, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
    *ret_scenario = check_scenario((const char *[]){"model.times_csv=" FILE_NAME, NULL});
    assert_true(dataset_is_named(ret_scenario));
    int rc = dataset_load(&data, ret_scenario, diag);
    dataset_destroy(data);
    assert_int_equal(remove(FILE_NAME), 0);
    return rc;
}

static void a_file_of_times_is_written_into_the_scenario(void **state)
{
    (void) state;
    struct scenario scenario;
    struct world world;
    assert_int_equal(
        load("device,tflops,rows,seconds_per_layer\nA,0.1,1,0.25\nA,0.1,8,0.5\n", &scenario, NULL), 0);
    assert_string_equal(scenario.model.times, "1:0.25 8:0.5");
    assert_same(scenario.model.times_tflops, 0.1);
    assert_false(dataset_is_named(&scenario)); /* the file is not needed again */
    assert_int_equal(world_init(&world, &scenario, NULL, NULL), 0);
    assert_int_equal(world.times->count, 2);
    world_finish(&world);
}

static void a_file_that_makes_no_table_is_refused_by_its_line(void **state)
{
    (void) state;
    static const struct {
        const char *lines, *said;
    } bad[] = {
        {"", FILE_NAME ": no rows below the header, model.times_csv needs at least one"},
        {"x,1,1\n", FILE_NAME ":2: rows: 'x' is not a number"},
        {"1,x,1\n", FILE_NAME ":2: seconds_per_layer: 'x' is not a number"},
        {"1,1,\n", FILE_NAME ":2: tflops: '' is not a number"},
        {"1,1,0\n", FILE_NAME ":2: tflops: 0 is out of range, allowed 1e-06 to 1e+06"},
        {"1,1,1\n2,1,2\n", FILE_NAME ":3: tflops: 2 follows 1, all lines are of one node"},
        {"1,1,1\n1,1,1\n", FILE_NAME ":3: rows: 1 follows 1, rows must rise"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct scenario scenario;
        struct diag diag = {{0}};
        char text[256];
        (void) snprintf(text, sizeof text, "rows,seconds_per_layer,tflops\n%s", bad[i].lines);
        assert_int_not_equal(load(text, &scenario, &diag), 0);
        assert_string_equal(diag.text, bad[i].said);
        assert_string_equal(scenario.model.times, "");
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_between_measurements_lie_on_a_line),
        cmocka_unit_test(few_rows_take_as_long_as_the_fewest_that_were_measured),
        cmocka_unit_test(many_rows_go_on_from_the_last_measurements),
        cmocka_unit_test(a_table_reads_back_from_its_text_to_the_bit),
        cmocka_unit_test(what_is_no_table_is_refused),
        cmocka_unit_test(measured_times_take_the_place_of_flop),
        cmocka_unit_test(a_file_of_times_is_written_into_the_scenario),
        cmocka_unit_test(a_file_that_makes_no_table_is_refused_by_its_line),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
