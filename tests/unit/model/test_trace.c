/* Trace files: what is read of them, and what is refused with which words. */
#include "core/model/trace.h"

#include <stdio.h>

#include "check.h"
#include "core/base/err.h"
#include "core/model/trace_stats.h"

#define HEADER "Timestamp,Longitude,Latitude,Speed,Operatorname,CellID,DL_bitrate,UL_bitrate,NODEHEX\n"

static struct trace read_as(const char *text, enum scenario_trace_format format)
{
    struct trace trace;
    struct diag diag = {{0}};
    if (trace_read(&trace, text, strlen(text), "t", format, &diag) != 0)
        fail_msg("%s", diag.text);
    return trace;
}

static struct trace read(const char *text)
{
    return read_as(text, TRACE_AUTO);
}

static void assert_refused_as(const char *text, size_t size, enum scenario_trace_format format, int code,
                              const char *message)
{
    struct trace trace = {0};
    struct diag diag = {{0}};
    int rc = trace_read(&trace, text, size, "t", format, &diag);
    assert_string_equal(diag.text, message);
    assert_int_equal(rc, code);
    assert_null(trace.step);
}

static void assert_refused(const char *text, int code, const char *message)
{
    assert_refused_as(text, strlen(text), TRACE_AUTO, code, message);
}

static struct trace_stats stats_of(const struct trace *trace, enum scenario_direction direction)
{
    struct trace_stats stats;
    assert_int_equal(trace_stats_of(trace, direction, &stats, NULL), 0);
    return stats;
}

static void a_byte_order_mark_is_no_part_of_the_first_line(void **state)
{
    (void) state;
    static const char *const texts[] = {"\xef\xbb\xbf"
                                        "0\n1\n10\n",
                                        "\xef\xbb\xbf\n0\n1\n10\n"};
    for (size_t i = 0; i < 2; i++) {
        struct trace trace = read(texts[i]);
        assert_int_equal(trace.format, TRACE_MAHIMAHI);
        assert_same(trace.duration_s, 0.010);
        trace_finish(&trace);
    }
}

static void an_opportunity_of_mahimahi_counts_in_the_millisecond_that_ends_with_it(void **state)
{
    (void) state;
    struct trace trace = read("0\n1\n1\n4\n10\n");
    assert_int_equal(trace.format, TRACE_MAHIMAHI);
    assert_false(trace.two_directions);
    assert_same(trace.duration_s, 0.010);
    assert_near(trace_bits(&trace, DIRECTION_UP, 0.0, 0.001), 36000.0, 1e-9);
    assert_near(trace_bits(&trace, DIRECTION_UP, 0.001, 0.003), 0.0, 0.0);
    assert_near(trace_bits(&trace, DIRECTION_UP, 0.003, 0.004), 12000.0, 1e-8);
    assert_near(trace_bits(&trace, DIRECTION_UP, 0.004, 0.009), 0.0, 0.0);
    assert_near(trace_bits(&trace, DIRECTION_DOWN, 0.0, 0.010), 60000.0, 1e-8);
    trace_finish(&trace);
}

static void the_mean_of_mahimahi_is_its_bits_over_its_last_time(void **state)
{
    (void) state;
    char text[65536];
    size_t used = 0;
    unsigned ms = 0, lines = 0;
    for (unsigned i = 0; used + 16 < sizeof text; i++, lines++) {
        ms += i * i % 7 == 3 ? 400 : i % 3; /* bursts and silences */
        used += (size_t) snprintf(text + used, sizeof text - used, "%u\n", ms);
    }
    struct trace trace = read(text);
    struct trace_stats stats = stats_of(&trace, DIRECTION_UP);
    double expected_bps = 12000.0 * lines / (ms / 1000.0);
    assert_near(stats.mean_bps, expected_bps, 1e-9 * expected_bps);
    assert_near(trace_bits(&trace, DIRECTION_UP, 0.0, trace.duration_s), 12000.0 * lines, 1e-3);
    trace_finish(&trace);
}

static void two_columns_hold_until_the_next_row_and_the_last_as_long_as_the_one_before(void **state)
{
    (void) state;
    struct trace trace = read("# seconds Mbit/s\n\n 10 1.5\r\n10.5,3\n12\t,\t0.25 \n");
    assert_int_equal(trace.format, TRACE_COLUMNS);
    assert_int_equal(trace.steps, 3);
    assert_same(trace.step[0].start_s, 0.0);
    assert_same(trace.step[1].start_s, 0.5);
    assert_same(trace.step[2].start_s, 2.0);
    assert_same(trace.step[1].rate_bps[DIRECTION_UP], 3e6);
    assert_same(trace.duration_s, 3.5);
    assert_near(trace_bits(&trace, DIRECTION_UP, 0.25, 2.5), 0.25 * 1.5e6 + 1.5 * 3e6 + 0.5 * 0.25e6, 1e-6);
    trace_finish(&trace);
    trace = read("7 2");
    assert_same(trace.duration_s, 1.0);
    trace_finish(&trace);
}

static void the_columns_of_a_csv_are_found_by_their_names(void **state)
{
    (void) state;
    struct trace trace = read("UL_bitrate,Note,Timestamp,DL_bitrate\n8,\"a, b\",2019.12.14_10.16.30,80\n"
                              "16,-,2019.12.14_10.16.32,\"160\"\n");
    assert_int_equal(trace.format, TRACE_CSV);
    assert_true(trace.two_directions);
    assert_null(trace.place);
    assert_int_equal(trace.cells, 0);
    assert_int_equal(trace.steps, 2);
    assert_same(trace.duration_s, 3.0); /* the last row holds for a second */
    assert_same(trace.step[1].start_s, 2.0);
    assert_same(trace.step[1].rate_bps[DIRECTION_UP], 16e3);
    assert_same(trace.step[1].rate_bps[DIRECTION_DOWN], 160e3);
    trace_finish(&trace);
}

/* Time 0 is a time like any other. */
static void a_row_of_the_first_second_there_is_counts(void **state)
{
    (void) state;
    struct trace trace = read("Timestamp,UL_bitrate,DL_bitrate\n1970.01.01_00.00.00,8,0\n");
    assert_int_equal(trace.steps, 1);
    assert_same(trace.duration_s, 1.0);
    assert_same(trace.step[0].rate_bps[DIRECTION_UP], 8e3);
    trace_finish(&trace);
}

static void rows_of_one_second_are_averaged_and_missing_rates_are_none(void **state)
{
    (void) state;
    struct trace trace = read(HEADER "2019.12.31_23.59.59,-8.5,51.9,36,B,3,10,1,A\n"
                                     "2019.12.31_23.59.59,-8.4,51.9,72,B,3,20,-,A\n"
                                     "2020.01.01_00.00.00,-,-,-,B,-,-,7,A\n"
                                     "2020.01.01_00.00.01,-8.4,51.8,0,B,3,40,-,C\n");
    assert_int_equal(trace.steps, 3);
    assert_same(trace.step[1].start_s, 1.0); /* the year has turned */
    assert_same(trace.step[0].rate_bps[DIRECTION_DOWN], 15e3);
    assert_same(trace.step[0].rate_bps[DIRECTION_UP], 1e3); /* the row that tells one */
    assert_same(trace.step[1].rate_bps[DIRECTION_DOWN], 0.0);
    assert_same(trace.step[2].rate_bps[DIRECTION_UP], 0.0);
    assert_same(trace.place[0].longitude_deg, -8.4); /* the second's last row */
    assert_same(trace.place[0].speed_mps, 20.0);
    assert_same(trace.place[1].longitude_deg, -8.4); /* as it was before */
    assert_same(trace.place[1].speed_mps, 20.0);
    assert_int_equal(trace.place[1].cell, 0);
    assert_int_equal(trace.cells, 2); /* the same number at two masts */
    assert_string_equal(trace.cell[0].name, "A/3");
    assert_string_equal(trace.cell[1].name, "C/3");
    assert_int_equal(stats_of(&trace, DIRECTION_UP).cell_changes, 1);
    trace_finish(&trace);
}

static void what_comes_before_the_first_known_place_is_there_too(void **state)
{
    (void) state;
    struct trace trace = read(HEADER "2020.02.28_00.00.00,-,-,-,B,-,1,1,-\n"
                                     "2020.02.28_00.00.01,-8.5,51.9,0,B,-,1,1,-\n"
                                     "2020.02.28_00.00.02,-8.5,51.9,0,B,4,1,1,-\n");
    assert_same(trace.place[0].latitude_deg, 51.9);
    assert_int_equal(trace.place[0].cell, 0);
    assert_string_equal(trace.cell[0].name, "4");
    trace_finish(&trace);
}

static void a_hole_in_a_log_is_an_outage_after_ten_seconds(void **state)
{
    (void) state;
    struct trace trace = read(HEADER "2020.02.28_23.59.50,-8.5,51.9,0,B,1,8,8,A\n"
                                     "2020.02.29_00.00.00,-8.5,51.9,0,B,1,8,8,A\n"
                                     "2020.03.01_00.00.00,-8.5,51.9,0,B,1,8,8,A\n");
    assert_same(trace.duration_s, 86400.0 + 11.0); /* 2020 has a leap day */
    assert_near(trace_bits(&trace, DIRECTION_UP, 0.0, trace.duration_s), 21.0 * 8e3, 1e-6);
    struct trace_stats stats = stats_of(&trace, DIRECTION_UP);
    assert_int_equal(stats.gaps, 1);
    assert_same(stats.longest_gap_s, 86390.0);
    trace_finish(&trace);
}

static void statistics_are_of_time_and_not_of_rows(void **state)
{
    (void) state;
    /* 90 s at 10 Mbit/s in one row, 10 s at 1, 2, .., 10 kbit/s, an outage of 60 s, one of exactly a second */
    char text[1024];
    size_t used = (size_t) snprintf(text, sizeof text, "0 10\n");
    for (unsigned i = 0; i < 10; i++)
        used += (size_t) snprintf(text + used, sizeof text - used, "%u 0.00%02u\n", 90 + i, i + 1);
    (void) snprintf(text + used, sizeof text - used, "100 0\n160 20\n161 0\n162 20\n163 20\n");
    struct trace trace = read(text);
    struct trace_stats stats = stats_of(&trace, DIRECTION_UP);
    assert_same(stats.duration_s, 164.0);
    assert_near(stats.mean_bps, (900e6 + 5500.0 + 60e6) / 164.0, 1e-3);
    assert_same(stats.min_bps, 0.0);
    assert_near(stats.max_bps, 20e6, 1e-3);
    assert_same(stats.p5_bps, 0.0);         /* 61 of 164 seconds */
    assert_near(stats.p95_bps, 10e6, 1e-3); /* 3 s of 20 are 1.8 % */
    assert_int_equal(stats.gaps, 1);
    assert_same(stats.longest_gap_s, 60.0);
    assert_same(stats.gaps_s, 60.0);
    double profile[2];
    trace_stats_profile(&trace, DIRECTION_UP, 2, profile);
    assert_near(profile[0], 820e6 / 82.0, 1e-3);
    assert_near(profile[0] + profile[1], 2.0 * stats.mean_bps, 1e-3);
    trace_finish(&trace);
}

static void a_gap_may_be_the_beginning_or_the_end(void **state)
{
    (void) state;
    struct trace trace = read("0 0\n5 1\n6 0\n9 0\n");
    struct trace_stats stats = stats_of(&trace, DIRECTION_UP);
    assert_int_equal(stats.gaps, 2);
    assert_same(stats.longest_gap_s, 6.0);
    assert_same(stats.gaps_s, 11.0);
    trace_finish(&trace);
}

static void nonsense_in_mahimahi_is_refused_by_line(void **state)
{
    (void) state;
    assert_refused("5\n4\n", ERR_RANGE, "t:2: time goes backwards, from 5 to 4 ms");
    assert_refused("1\n\n-3\n", ERR_RANGE, "t:3: '-3' is negative, a time is not");
    assert_refused(
        "1\n2.5\n", ERR_SYNTAX,
        "t:2: '2.5' is not one whole number of milliseconds, which Mahimahi's traces have in each line");
    assert_refused(
        "1\n2 3\n", ERR_SYNTAX,
        "t:2: '2 3' is not one whole number of milliseconds, which Mahimahi's traces have in each line");
    assert_refused("1\n99999999999\n", ERR_RANGE,
                   "t:2: 99999999999 ms is out of range, allowed 0 to 10000000000");
    assert_refused("0\n0\n", ERR_RANGE, "t: lasts 0 s, less than a millisecond");
    char many[2 * 8400 + 1];
    for (size_t i = 0; i < 8400; i++)
        memcpy(many + 2 * i, "1\n", 3);
    assert_refused(many, ERR_RANGE, "t:8400: millisecond 1 has been given 8400 times: more than 1e+11 bit/s");
}

static void nonsense_in_columns_is_refused_by_line(void **state)
{
    (void) state;
    assert_refused("0 1\n1 2\n0.5 3\n", ERR_RANGE, "t:3: time goes backwards, from 1 to 0.5 s");
    assert_refused("0 1\n0 2\n", ERR_RANGE, "t:2: time stands still, from 0 to 0 s");
    assert_refused("0 1\n1 -2\n", ERR_RANGE, "t:2: Mbit/s: -2 is out of range, allowed 0 to 100000");
    assert_refused("0 1\n1 inf\n", ERR_SYNTAX, "t:2: Mbit/s: 'inf' is not a finite number");
    assert_refused("0 1\n1 nan\n", ERR_SYNTAX, "t:2: Mbit/s: 'nan' is not a finite number");
    assert_refused("0 1\n1 1e999\n", ERR_RANGE, "t:2: Mbit/s: 1e999 is out of range, allowed 0 to 100000");
    assert_refused("0 1\n1 100001\n", ERR_RANGE, "t:2: Mbit/s: 100001 is out of range, allowed 0 to 100000");
    assert_refused("-1 1\n", ERR_RANGE, "t:1: seconds: -1 is out of range, allowed 0 to 1e+07");
    assert_refused("0 1\n1\n", ERR_SYNTAX, "t:2: one column, wanted are two: seconds and Mbit/s");
    assert_refused("0 1 2\n", ERR_SYNTAX, "t:1: more than two columns, wanted are two: seconds and Mbit/s");
    assert_refused("0 0\n1 0\n", ERR_RANGE, "t: every rate is 0: nothing could ever be sent");
    assert_refused("0 1\n1 x\n", ERR_SYNTAX, "t:2: Mbit/s: 'x' is not a finite number");
}

static void nonsense_in_a_csv_is_refused_by_line(void **state)
{
    (void) state;
#define ROW "2020.02.28_00.00.05,-8.5,51.9,0,B,1,8,8,A\n"
    assert_refused(HEADER ROW "2020.02.28_00.00.04,-8.5,51.9,0,B,1,8,8,A\n", ERR_RANGE,
                   "t:3: time goes backwards, by 1 s");
    assert_refused(HEADER "2020.13.28_00.00.05,-8.5,51.9,0,B,1,8,8,A\n", ERR_SYNTAX,
                   "t:2: Timestamp: '2020.13.28_00.00.05' is no time like 2019.12.14_10.16.30");
    assert_refused(HEADER "2020-02-28 00:00:05,-8.5,51.9,0,B,1,8,8,A\n", ERR_SYNTAX,
                   "t:2: Timestamp: '2020-02-28 00:00:05' is no time like 2019.12.14_10.16.30");
    assert_refused(HEADER ROW "2020.02.28_00.00.06,-8.5,51.9,0,B,1,-8,8,A\n", ERR_RANGE,
                   "t:3: DL_bitrate: -8 is out of range, allowed 0 to 1e+08");
    assert_refused(HEADER ROW "2020.02.28_00.00.06,-8.5,51.9,0,B,1,8,inf,A\n", ERR_SYNTAX,
                   "t:3: UL_bitrate: 'inf' is not a finite number");
    assert_refused(HEADER ROW "2020.02.28_00.00.06,-8.5,91,0,B,1,8,8,A\n", ERR_RANGE,
                   "t:3: Latitude: '91' is no number from -85 to 85 degrees");
    assert_refused(HEADER ROW "2020.02.28_00.00.06,-8.5,51,-1,B,1,8,8,A\n", ERR_RANGE,
                   "t:3: Speed: -1 is out of range, allowed 0 to 36000");
    assert_refused(HEADER ROW "2020.02.28_00.00.06,-8.5,51,0,B,1,8,8,A,9\n", ERR_SYNTAX,
                   "t:3: 10 fields, the header has 9");
    assert_refused(HEADER "2020.02.28_00.00.06,-8.5\n", ERR_TRUNCATED,
                   "t:2: 2 fields, fewer than the header promises");
    assert_refused("Timestamp,UL_bitrate\n2020.02.28_00.00.06,1\n", ERR_NOT_FOUND,
                   "t:1: no column 'DL_bitrate' in the header (a trace needs it)");
    assert_refused(HEADER, ERR_SYNTAX, "t: holds no rows");
    assert_refused(HEADER "2020.02.28_00.00.06,-8.5,51,0,B,1,-,-,A\n", ERR_RANGE,
                   "t: every rate is 0: nothing could ever be sent");
#undef ROW
}

static void what_is_no_trace_is_refused(void **state)
{
    (void) state;
    assert_refused("", ERR_SYNTAX, "t: is empty");
    assert_refused("# only words\n\n", ERR_SYNTAX, "t: holds no rows");
    assert_refused("radio:\n  trace: x\n", ERR_SYNTAX,
                   "t:1: this is no trace: it begins neither with numbers nor with a header that names a "
                   "column Timestamp");
    assert_refused_as("0 1\n\x00 2\n", 8, TRACE_AUTO, ERR_SYNTAX, "t:2: byte 1 is no plain text");
    char line[400];
    memset(line, '1', sizeof line);
    assert_refused_as(line, sizeof line, TRACE_AUTO, ERR_TOO_BIG,
                      "t:1: a line of 400 bytes, at most 255 are taken");
}

static void a_format_that_is_named_is_not_guessed(void **state)
{
    (void) state;
    assert_refused_as("1\n2\n", 4, TRACE_COLUMNS, ERR_SYNTAX,
                      "t:1: one column, wanted are two: seconds and Mbit/s");
    assert_refused_as("1\n2\n", 4, TRACE_CSV, ERR_NOT_FOUND,
                      "t:1: no column 'Timestamp' in the header (a trace needs it)");
    struct trace trace = read_as("1\n2\n", TRACE_MAHIMAHI);
    trace_finish(&trace);
}

static void a_file_that_is_not_there_is_named(void **state)
{
    (void) state;
    struct trace trace;
    struct diag diag = {{0}};
    assert_true(trace_load(&trace, "/nowhere/trace.up", TRACE_AUTO, &diag) < 0);
    assert_non_null(strstr(diag.text, "/nowhere/trace.up"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_byte_order_mark_is_no_part_of_the_first_line),
        cmocka_unit_test(an_opportunity_of_mahimahi_counts_in_the_millisecond_that_ends_with_it),
        cmocka_unit_test(the_mean_of_mahimahi_is_its_bits_over_its_last_time),
        cmocka_unit_test(two_columns_hold_until_the_next_row_and_the_last_as_long_as_the_one_before),
        cmocka_unit_test(the_columns_of_a_csv_are_found_by_their_names),
        cmocka_unit_test(a_row_of_the_first_second_there_is_counts),
        cmocka_unit_test(rows_of_one_second_are_averaged_and_missing_rates_are_none),
        cmocka_unit_test(what_comes_before_the_first_known_place_is_there_too),
        cmocka_unit_test(a_hole_in_a_log_is_an_outage_after_ten_seconds),
        cmocka_unit_test(statistics_are_of_time_and_not_of_rows),
        cmocka_unit_test(a_gap_may_be_the_beginning_or_the_end),
        cmocka_unit_test(nonsense_in_mahimahi_is_refused_by_line),
        cmocka_unit_test(nonsense_in_columns_is_refused_by_line),
        cmocka_unit_test(nonsense_in_a_csv_is_refused_by_line),
        cmocka_unit_test(what_is_no_trace_is_refused),
        cmocka_unit_test(a_format_that_is_named_is_not_guessed),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
