/* What a damaged channel costs in quality: between and beyond a table's entries; its text, its file, its refusals. */
#include "core/model/quality.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "core/base/elementary.h"
#include "core/base/err.h"
#include "core/model/dataset.h"

static struct quality_table read_table(const char *text)
{
    struct quality_table table;
    struct diag diag = {{0}};
    if (quality_table_read(&table, text, &diag) != 0)
        fail_msg("%s", diag.text);
    return table;
}

static void values_between_conditions_and_splits_lie_on_lines(void **state)
{
    (void) state;
    struct quality_table table = read_table("  -10, 0,10 | 2:1,2,4 |4: 3 ,4,5");
    assert_int_equal(table.conditions, 3);
    assert_int_equal(table.splits, 2);
    assert_same(quality_at(&table, 2, -10), 1.0);
    assert_same(quality_at(&table, 2, 0), 2.0);
    assert_same(quality_at(&table, 2, 5), 3.0);
    assert_same(quality_at(&table, 4, 10), 5.0);
    assert_same(quality_at(&table, 3, 0), 3.0);
    assert_same(quality_at(&table, 3, 5), 3.75);
}

static void values_beyond_the_ends_are_held(void **state)
{
    (void) state;
    struct quality_table table = read_table("-10,0,10 | 2:1,2,4 | 4:3,4,5");
    assert_same(quality_at(&table, 1, -40), 1.0);
    assert_same(quality_at(&table, 1, 40), 4.0);
    assert_same(quality_at(&table, 9, 40), 5.0);
    struct quality_table one = read_table("0.1|7:0.5");
    assert_same(quality_at(&one, 1, 0.9), 0.5);
}

static void gains_are_interpolated_as_gains(void **state)
{
    (void) state;
    struct quality_table table = read_table("gain 0,1 | 1:0.5,-0.5 | 3:0.25,0.75");
    assert_true(table.has_gains);
    assert_same(quality_at(&table, 1, 0), elementary_log1p(-0.5));
    assert_same(quality_at(&table, 1, 0.5), 0.0);
    assert_same(quality_at(&table, 2, 1), elementary_log1p(-0.125));
}

/* Each space of the text becomes none, where a word need not end, or several blanks. */
static void blanks_stand_wherever_a_number_or_a_mark_begins(void **state)
{
    (void) state;
    static const char text[] = " gain 0 , 1 | 1 : 0.5 , -0.5 | 3 : 0.25 , 0.75 ";
    const struct quality_table plain = read_table("gain 0,1|1:0.5,-0.5|3:0.25,0.75");
    for (size_t at = 0; at < sizeof text - 1; at++) {
        char other[2 * sizeof text + 2];
        if (text[at] != ' ')
            continue;
        (void) snprintf(other, sizeof other, "%.*s  %s", (int) at, text, text + at);
        struct quality_table table = read_table(other);
        assert_memory_equal(&table, &plain, sizeof table);
        bool ends_gain = at == 5;
        (void) snprintf(other, sizeof other, "%.*s%s", (int) at, text, text + at + 1);
        if (ends_gain)
            continue;
        table = read_table(other);
        assert_memory_equal(&table, &plain, sizeof table);
    }
}

static void a_table_reads_back_from_its_text(void **state)
{
    (void) state;
    static const char *const texts[] = {
        "0.01,0.1,0.2,0.3 | 1:-0.03,-0.028,1e-05,12.5 | 999:1,2,3,4",
        "gain -40 | 0:0.123456789",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct quality_table table = read_table(texts[i]);
        char text[QUALITY_TEXT_MAX + 1];
        assert_int_equal(quality_table_print(&table, text, NULL), 0);
        assert_string_equal(text, texts[i]);
    }
}

static void a_table_that_is_too_long_for_its_key_is_refused(void **state)
{
    (void) state;
    struct quality_table table = {.conditions = 64, .splits = 32};
    char text[QUALITY_TEXT_MAX + 1];
    struct diag diag = {{0}};
    for (uint32_t i = 0; i < QUALITY_VALUES_MAX; i++)
        table.value[i] = 1.0 / (i + 3);
    assert_int_equal(quality_table_print(&table, text, &diag), ERR_TOO_BIG);
    assert_string_equal(diag.text, "quality.table: is longer than 4096 bytes");
}

static void what_is_no_table_is_refused(void **state)
{
    (void) state;
    static const struct {
        const char *text, *said;
        int code;
    } bad[] = {
        {" ", "quality.table: '' is not a number", ERR_SYNTAX},
        {"gain", "quality.table: 'gain' is not a number", ERR_SYNTAX},
        {"x|1:1", "quality.table: 'x' is not a number", ERR_SYNTAX},
        {"0.1", "quality.table: no split, at least one SPLIT:VALUE,VALUE,... is needed", ERR_SYNTAX},
        {"0.1 1:1", "quality.table: '1:1' stands where `,` or `|` belongs", ERR_SYNTAX},
        {"2,1|1:1,1", "quality.table: condition 1 follows 2, conditions must rise", ERR_SYNTAX},
        {"1,1|1:1,1", "quality.table: condition 1 follows 1, conditions must rise", ERR_SYNTAX},
        {"2e6|1:1", "quality.table: condition 2e+06 is out of range, allowed -1e+06 to 1e+06", ERR_RANGE},
        {"1|:1", "quality.table: '' begins no SPLIT:VALUE,VALUE,...", ERR_SYNTAX},
        {"1|1.5:1", "quality.table: '1.5' begins no SPLIT:VALUE,VALUE,...", ERR_SYNTAX},
        {"1|3 2", "quality.table: '3' begins no SPLIT:VALUE,VALUE,...", ERR_SYNTAX},
        {"1|1:1|", "quality.table: '' begins no SPLIT:VALUE,VALUE,...", ERR_SYNTAX},
        {"1|1001:1", "quality.table: split 1001 is out of range, allowed 0 to 1000", ERR_RANGE},
        {"1|3:1|3:2", "quality.table: split 3 follows 3, splits must rise", ERR_SYNTAX},
        {"1|3:", "quality.table: '' is not a number", ERR_SYNTAX},
        {"1,2|3:1|4:1,2", "quality.table: split 3 has 1 values, and there are 2 conditions", ERR_SYNTAX},
        {"1|3:1,2", "quality.table: split 3 has more than 1 values, one for each condition", ERR_SYNTAX},
        {"1|3:1 2", "quality.table: '2' stands where `,` or `|` belongs", ERR_SYNTAX},
        {"1|3:1001", "quality.table: value 1001 is out of range, allowed -1000 to 1000", ERR_RANGE},
        {"gain 1|3:1", "quality.table: gain 1 is out of range, allowed -1000 to below 1", ERR_RANGE},
        {"1|3:0.00000000000000000000000000000000000000000000000000000000000000001",
         "quality.table: '0.000000000000000000...' is not a number", ERR_SYNTAX},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct quality_table table;
        struct diag diag = {{0}};
        struct scenario scenario;
        assert_int_equal(quality_table_read(&table, bad[i].text, &diag), bad[i].code);
        assert_string_equal(diag.text, bad[i].said);
        scenario_defaults(&scenario);
        (void) strcpy(scenario.quality.table, bad[i].text);
        assert_int_equal(scenario_check(&scenario, NULL), bad[i].code);
    }
}

static void a_world_has_its_table_and_nothing_at_the_ends(void **state)
{
    (void) state;
    struct world world = check_world(
        (const char *[]){"quality.source=table", "quality.table=0.1|1:0.5|40:0.25", "model.llm=gpt2", NULL});
    assert_same(quality_log_ratio(&world, 0, 0.1, 0), 0.0);
    assert_same(quality_log_ratio(&world, 1, 0.1, 0), 0.5);
    assert_true(quality_log_ratio(&world, 11, 0.1, 0) > 0.25);
    assert_same(quality_log_ratio(&world, 12, 0.1, 0), 0.0);
    world_finish(&world);
    world = check_world((const char *[]){"quality.table=0.1|1:0.5", NULL}); /* source: none */
    assert_null(world.quality);
    assert_same(quality_log_ratio(&world, 1, 0.1, 0), 0.0);
    world_finish(&world);
}

/* ---- the file ---- */

#define FILE_NAME "quality.csv"

static char folder[] = "/tmp/handoff-quality-XXXXXX";

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
    *ret_scenario =
        check_scenario((const char *[]){"quality.source=table", "quality.table_csv=" FILE_NAME, NULL});
    assert_true(dataset_is_named(ret_scenario));
    int rc = dataset_load(&data, ret_scenario, diag);
    dataset_destroy(data);
    assert_int_equal(remove(FILE_NAME), 0);
    return rc;
}

static void a_file_of_quality_is_written_into_the_scenario(void **state)
{
    (void) state;
    struct scenario scenario;
    struct world world;
    assert_int_equal(load("split,nats,condition,log_ratio\n8,1,0.1,0.25\n1,1,0.3,2\n8,1,0.3,1\n1,1,0.1,0.5\n",
                          &scenario, NULL),
                     0);
    assert_string_equal(scenario.quality.table, "0.1,0.3 | 1:0.5,2 | 8:0.25,1");
    assert_false(dataset_is_named(&scenario)); /* the file is not needed again */
    assert_int_equal(world_init(&world, &scenario, NULL, NULL), 0);
    assert_int_equal(world.quality->splits, 2);
    world_finish(&world);
}

static void a_file_of_several_formats_is_written_into_both_keys(void **state)
{
    (void) state;
    static const char *const said[] = {
        FILE_NAME ": has no rows of compute.format, fp16",
        FILE_NAME ":3: quality.formats: 'x' is no format, allowed fp32, fp16, int8, q4, topk",
        FILE_NAME ": split 2 has fewer conditions than split 1"};
    static const char *const wrong[] = {
        "condition,split,log_ratio,format\n1,1,1,q4\n",
        "condition,split,log_ratio,format\n1,1,1,q4\n1,1,1,x\n",
        "condition,split,log_ratio,format\n1,1,1,fp16\n1,1,1,q4\n2,1,1,q4\n1,2,1,q4\n"};
    struct scenario scenario;
    assert_int_equal(load("format,condition,split,log_ratio\nq4,0.5,1,2\nfp16,0.1,1,1\nint8,0.1,1,3\n"
                          "q4,0.1,1,0.25\nint8,0.1,4,5\n",
                          &scenario, NULL),
                     0);
    assert_string_equal(scenario.quality.table, "0.1 | 1:1");
    assert_string_equal(scenario.quality.formats, "int8 = 0.1 | 1:3 | 4:5; q4 = 0.1,0.5 | 1:0.25,2");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct diag diag = {{0}};
        assert_int_not_equal(load(wrong[i], &scenario, &diag), 0);
        assert_string_equal(diag.text, said[i]);
        assert_string_equal(scenario.quality.formats, "");
    }
}

static void a_file_that_makes_no_table_is_refused_by_its_line(void **state)
{
    (void) state;
    static const struct {
        const char *lines, *said;
    } bad[] = {
        {"", FILE_NAME ": no rows below the header, quality.table_csv needs at least one"},
        {"x,1,1\n", FILE_NAME ":2: condition: 'x' is not a number"},
        {"1,1.5,1\n", FILE_NAME ":2: split: '1.5' is not a number"},
        {"1,1,\n", FILE_NAME ":2: log_ratio: '' is not a number"},
        {"1,1001,1\n", FILE_NAME ":2: split: 1001 is out of range, allowed 0 to 1000"},
        {"1,1,1\n2,1,1\n1,2,1\n", FILE_NAME ": split 2 has fewer conditions than split 1"},
        {"1,1,1\n3,2,1\n", FILE_NAME ":3: split 2 with condition 3: each split needs each of split 1's 1 "
                                     "conditions once"},
        {"1,1,1\n1,2,1\n1,2,1\n", FILE_NAME ":4: split 2 with condition 1: each split needs each of split "
                                            "1's 1 conditions once"},
        {"1,1,1\n1,1,1\n", "quality.table: condition 1 follows 1, conditions must rise"},
        {"1,1,1001\n", "quality.table: value 1001 is out of range, allowed -1000 to 1000"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct scenario scenario;
        struct diag diag = {{0}};
        char text[256];
        (void) snprintf(text, sizeof text, "condition,split,log_ratio\n%s", bad[i].lines);
        assert_int_not_equal(load(text, &scenario, &diag), 0);
        assert_string_equal(diag.text, bad[i].said);
        assert_string_equal(scenario.quality.table, "");
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_between_conditions_and_splits_lie_on_lines),
        cmocka_unit_test(values_beyond_the_ends_are_held),
        cmocka_unit_test(gains_are_interpolated_as_gains),
        cmocka_unit_test(blanks_stand_wherever_a_number_or_a_mark_begins),
        cmocka_unit_test(a_table_reads_back_from_its_text),
        cmocka_unit_test(a_table_that_is_too_long_for_its_key_is_refused),
        cmocka_unit_test(what_is_no_table_is_refused),
        cmocka_unit_test(a_world_has_its_table_and_nothing_at_the_ends),
        cmocka_unit_test(a_file_of_quality_is_written_into_the_scenario),
        cmocka_unit_test(a_file_of_several_formats_is_written_into_both_keys),
        cmocka_unit_test(a_file_that_makes_no_table_is_refused_by_its_line),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
