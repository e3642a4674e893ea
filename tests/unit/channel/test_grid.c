/* From words to settings of a channel: every combination, nothing that a mode does not take, and names that tell them
 * apart. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "orchestrator/channel/channel_grid.h"

#define LAYERS 12u
#define HIDDEN 128u

static struct channel_grid make(const struct channel_words *words)
{
    struct channel_grid grid = {0};
    struct diag diag = {{0}};
    if (channel_grid_make(words, LAYERS, HIDDEN, &grid, &diag) != 0)
        fail_msg("%s", diag.text);
    return grid;
}

static void assert_name(const struct channel_grid *grid, size_t number, const char *wanted)
{
    char name[CHANNEL_NAME_MAX];
    assert_true(number < grid->settings);
    channel_setting_name(&grid->setting[number], name);
    assert_string_equal(name, wanted);
}

static void without_words_there_are_the_modes_of_the_paper_at_all_inner_splits(void **state)
{
    (void) state;
    struct channel_grid grid = make(&(struct channel_words){0});
    assert_int_equal(grid.splits, LAYERS - 1);
    assert_int_equal(grid.split[0], 1);
    assert_int_equal(grid.split[LAYERS - 2], LAYERS - 1);
    assert_int_equal(grid.settings, 4 + 3 + 2 * 3);
    assert_name(&grid, 0, "none, fp32");
    assert_name(&grid, 4, "erasure 0.01, fp32, fill zero");
    assert_name(&grid, 7, "analog 0 dB, power fixed");
    assert_name(&grid, 12, "analog 10 dB, power per_token");
    assert_true(isnan(grid.setting[0].level));
    assert_true(grid.setting[7].damage.equalised);
    channel_grid_finish(&grid);
}

static void every_combination_is_a_setting_and_levels_run_fastest(void **state)
{
    (void) state;
    struct channel_grid grid = make(&(struct channel_words){.modes = "packets",
                                                            .losses = "0.5,0.25",
                                                            .formats = "int8,topk:9",
                                                            .layouts = "interleaved,rows",
                                                            .fills = "previous,mean",
                                                            .packet_bytes = 100});
    assert_int_equal(grid.settings, 2 * 2 * 2 * 2);
    assert_name(&grid, 0, "packets 0.5, int8, interleaved, fill previous");
    assert_name(&grid, 1, "packets 0.25, int8, interleaved, fill previous");
    assert_name(&grid, 2, "packets 0.5, int8, interleaved, fill mean");
    assert_name(&grid, 15, "packets 0.25, topk:9, rows, fill mean");
    assert_int_equal(grid.setting[15].k, 9);
    assert_int_equal(grid.setting[15].damage.packet_bytes, 100);
    for (size_t a = 0; a < grid.settings; a++)
        for (size_t b = 0; b < grid.settings; b++)
            assert_int_equal(channel_same_but_level(&grid.setting[a], &grid.setting[b]), a / 2 == b / 2);
    channel_grid_finish(&grid);
}

static void analog_sends_elements_whatever_the_format(void **state)
{
    (void) state;
    struct channel_grid grid = make(&(struct channel_words){.modes = "analog,bits",
                                                            .snrs = "-3",
                                                            .powers = "per_request",
                                                            .fadings = "rayleigh,nakagami:2.5",
                                                            .bit_errors = "0.25",
                                                            .formats = "q4",
                                                            .protected_bits = 2,
                                                            .unequalised = true});
    assert_int_equal(grid.settings, 3);
    assert_name(&grid, 0, "analog -3 dB, power per_request, rayleigh");
    assert_name(&grid, 1, "analog -3 dB, power per_request, nakagami:2.5");
    assert_name(&grid, 2, "bits 0.25, q4");
    assert_int_equal(grid.setting[0].format, ACTIVATION_FP32);
    assert_false(grid.setting[0].damage.equalised);
    assert_int_equal(grid.setting[2].damage.protected_bits, 2);
    channel_grid_finish(&grid);
}

static void splits_are_numbers_and_ranges_and_come_once_in_rising_order(void **state)
{
    (void) state;
    static const uint32_t wanted[] = {0, 3, 4, 5, 12};
    struct channel_grid grid = make(&(struct channel_words){.splits = "12,4-5,3-4,0"});
    assert_int_equal(grid.splits, 5);
    assert_memory_equal(grid.split, wanted, sizeof wanted);
    channel_grid_finish(&grid);
}

static void what_is_none_is_refused_with_what_would_be_right(void **state)
{
    (void) state;
    static const struct {
        struct channel_words words;
        const char *sentence;
    } wrong[] = {
        {{.modes = "erasure,fog"}, "--mode: 'fog' is none of none, erasure, packets, analog, bits"},
        {{.modes = ""}, "--mode: ''"},
        {{.losses = "0.1,1.5"}, "--loss: '1.5' is not a number from 0 to 1"},
        {{.losses = "0.1,"}, "--loss: ''"},
        {{.snrs = "x"}, "--snr: 'x'"},
        {{.powers = "per-token"}, "--power: 'per-token' is none of fixed, per_token, per_request"},
        {{.fadings = "nakagami"}, "nakagami has its shape behind a colon"},
        {{.fadings = "awgn:2"}, "nakagami has its shape behind a colon"},
        {{.fadings = "nakagami:0.1"}, "Nakagami's m is 0.1"},
        {{.formats = "int9"}, "'int9'"},
        {{.formats = "topk:129"}, "129"},
        {{.fills = "one"}, "--fill: 'one'"},
        {{.modes = "packets", .layouts = "columns"}, "--layout: 'columns'"},
        {{.modes = "bits", .protected_bits = 9}, "9 protected bits"},
        {{.splits = "3-13"}, "--splits: '3-13' is neither a split from 0 to 12"},
        {{.splits = "5-3"}, "--splits: '5-3'"},
        {{.splits = ""}, "--splits: ''"},
        {{.modes = "analog", .losses = "0.1"}, "--loss goes with --mode erasure and packets"},
        {{.layouts = "rows"}, "--layout goes with --mode packets"},
        {{.bit_errors = "0.1"}, "--bit-error goes with --mode bits"},
        {{.modes = "erasure", .snrs = "3"}, "--snr goes with --mode analog"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct channel_grid grid = {0};
        struct diag diag = {{0}};
        int rc = channel_grid_make(&wrong[i].words, LAYERS, HIDDEN, &grid, &diag);
        if ((rc != ERR_SYNTAX && rc != ERR_RANGE) || strstr(diag.text, wrong[i].sentence) == NULL)
            fail_msg("%d '%s' does not say '%s'", rc, diag.text, wrong[i].sentence);
        assert_null(grid.setting);
        assert_null(grid.split);
    }
}

static void a_model_of_one_layer_has_no_split_between_two(void **state)
{
    (void) state;
    struct channel_grid grid = {0};
    struct diag diag = {{0}};
    assert_int_equal(channel_grid_make(&(struct channel_words){0}, 1, HIDDEN, &grid, &diag), ERR_RANGE);
    assert_int_equal(channel_grid_make(&(struct channel_words){.splits = "0-1"}, 1, HIDDEN, &grid, NULL), 0);
    assert_int_equal(grid.splits, 2);
    channel_grid_finish(&grid);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_words_there_are_the_modes_of_the_paper_at_all_inner_splits),
        cmocka_unit_test(every_combination_is_a_setting_and_levels_run_fastest),
        cmocka_unit_test(analog_sends_elements_whatever_the_format),
        cmocka_unit_test(splits_are_numbers_and_ranges_and_come_once_in_rising_order),
        cmocka_unit_test(what_is_none_is_refused_with_what_would_be_right),
        cmocka_unit_test(a_model_of_one_layer_has_no_split_between_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
