/* A study of a small model: what is measured where, and means, intervals and slopes against their definitions. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "orchestrator/channel/channel_study.h"
#include "tests/unit/infer/small_model.h"

#define TOKENS 65u
#define SEEDS 3u
#define EQUAL(a, b) assert_true(fabs((a) - (b)) < 1e-9)

struct bench {
    struct weights *weights;
    struct perplexity *perplexity;
    struct channel_grid grid;
    struct channel_study study;
};

static void open_bench(struct bench *bench, const struct channel_words *words)
{
    uint32_t token[TOKENS];
    for (uint32_t t = 0; t < TOKENS; t++)
        token[t] = small_model_token(4, t);
    *bench = (struct bench){.weights = small_model_open(11)};
    assert_int_equal(channel_grid_make(words, SMALL_LAYERS, SMALL_HIDDEN, &bench->grid, NULL), 0);
    assert_int_equal(
        perplexity_open(&bench->perplexity, bench->weights, &(struct perplexity_text){token, TOKENS, NULL},
                        &(struct perplexity_options){.window = 16, .first = 0, .last = SMALL_LAYERS}, NULL),
        0);
    bench->study = (struct channel_study){.grid = &bench->grid,
                                          .perplexity = bench->perplexity,
                                          .seeds = SEEDS,
                                          .first_seed = 7,
                                          .reference_rms = 1.5};
    assert_int_equal(channel_study_open(&bench->study, NULL), 0);
}

static void measure_all(struct bench *bench)
{
    struct diag diag = {{0}};
    for (size_t i = 0; i < channel_study_measures(&bench->study); i++)
        if (channel_study_measure(&bench->study, i, &diag) != 0)
            fail_msg("%s", diag.text);
}

static void close_bench(struct bench *bench)
{
    channel_study_close(&bench->study);
    channel_grid_finish(&bench->grid);
    perplexity_close(bench->perplexity);
    weights_close(bench->weights);
}

static double nats(const struct bench *bench, size_t setting, size_t split, uint32_t seed)
{
    return channel_study_result(&bench->study, setting, split, seed)->likelihood.nats;
}

static void each_result_is_the_measure_of_its_setting_split_and_seed(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, &(struct channel_words){.modes = "none,analog,erasure",
                                               .formats = "fp32",
                                               .snrs = "2",
                                               .powers = "fixed,per_request",
                                               .losses = "0.3",
                                               .fills = "mean"});
    assert_int_equal(bench.grid.settings, 4);
    assert_int_equal(channel_study_measures(&bench.study), 2 * (1 + 3 * SEEDS));
    measure_all(&bench);
    for (size_t i = 0; i < 4; i++)
        for (size_t s = 0; s < 2; s++)
            for (uint32_t seed = 0; seed < channel_study_seeds(&bench.study, i); seed++) {
                struct perplexity_crossing crossing = {bench.grid.split[s], bench.grid.setting[i].format, 0,
                                                       bench.grid.setting[i].damage};
                const struct rng_at at = {.seed = 7 + seed, .phase = RNG_TEST};
                struct perplexity_result result;
                crossing.damage.reference_rms = i == 1 ? 1.5 : 0.0;
                crossing.damage.mean = perplexity_mean(bench.perplexity, bench.grid.split[s]);
                assert_int_equal(perplexity_measure(bench.perplexity, &crossing, &at, &result, NULL, NULL),
                                 0);
                assert_true(nats(&bench, i, s, seed) == result.likelihood.nats);
            }
    assert_true(nats(&bench, 0, 0, 0) == perplexity_clean(bench.perplexity).nats);
    assert_true(nats(&bench, 1, 0, 0) != nats(&bench, 1, 0, 1));
    assert_true(nats(&bench, 1, 0, 0) != nats(&bench, 2, 0, 0));
    close_bench(&bench);
}

static void a_band_is_the_mean_and_students_interval(void **state)
{
    (void) state;
    const double x[] = {2.0, 4.0, 9.0};
    struct channel_band band = channel_band_of(x, 3);
    EQUAL(band.mean, 5.0);
    double half = 4.302652729911275 * sqrt(13.0) / sqrt(3.0); /* t(0.975, 2), from a table */
    assert_true(fabs(band.high - 5.0 - half) < 1e-6);
    assert_true(fabs(5.0 - band.low - half) < 1e-6);
    band = channel_band_of(x, 1);
    EQUAL(band.mean, 2.0);
    assert_true(isnan(band.low) && isnan(band.high));
}

/* Numbers that are put in by hand: log perplexity 3 - 0.25 split + 0.01 seed, then its opposite, then noise. */
static void a_slope_is_that_of_least_squares_and_its_sign_needs_the_interval(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench,
               &(struct channel_words){.modes = "erasure", .losses = "0.1,0.2,0.3", .splits = "0,1,3"});
    const double tokens = 64.0, slopes[] = {-0.25, 0.125, 0.0};
    for (size_t i = 0; i < 3; i++)
        for (size_t s = 0; s < 3; s++)
            for (uint32_t seed = 0; seed < SEEDS; seed++) {
                double by_seed = i < 2 ? 0.01 * seed : (seed - 1.0) * bench.grid.split[s];
                bench.study.result[(i * 3 + s) * SEEDS + seed].likelihood =
                    (struct likelihood){tokens * (3.0 + slopes[i] * bench.grid.split[s] + by_seed), 64, 0};
            }
    for (size_t i = 0; i < 3; i++)
        EQUAL(channel_study_slope(&bench.study, i).mean, slopes[i]);
    assert_int_equal(channel_study_trend(channel_study_slope(&bench.study, 0)), CHANNEL_FALLS);
    assert_int_equal(channel_study_trend(channel_study_slope(&bench.study, 1)), CHANNEL_RISES);
    assert_int_equal(channel_study_trend(channel_study_slope(&bench.study, 2)), CHANNEL_OPEN);
    EQUAL(channel_study_log_ratio(&bench.study, 0, 1).mean,
          2.75 + 0.01 - perplexity_clean(bench.perplexity).nats / tokens);
    EQUAL(channel_study_perplexity(&bench.study, 1, 0).mean, (exp(3.0) + exp(3.01) + exp(3.02)) / 3.0);
    close_bench(&bench);
}

static void the_reference_is_the_size_of_all_splits_together(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, &(struct channel_words){.modes = "none", .splits = "1,3"});
    double a = perplexity_rms(bench.perplexity, 1), b = perplexity_rms(bench.perplexity, 3);
    EQUAL(channel_study_rms(&bench.grid, bench.perplexity), sqrt((a * a + b * b) / 2.0));
    double flop = 4.0 * (perplexity_flop(bench.perplexity, 1) + perplexity_flop(bench.perplexity, 3));
    EQUAL(channel_study_flop(&bench.study) / flop, 1.0); /* four formats, no draws */
    close_bench(&bench);
}

static void a_table_has_its_levels_in_rising_order(void **state)
{
    (void) state;
    struct bench bench;
    struct buf text = {0};
    open_bench(&bench, &(struct channel_words){.modes = "erasure", .losses = "0.5,0.25", .splits = "2,1"});
    measure_all(&bench);
    assert_int_equal(channel_study_table(&bench.study, &text, NULL), 0);
    double value[4];
    assert_int_equal(sscanf((const char *) text.data,
                            "condition,split,log_ratio\n0.25,1,%lf\n0.5,1,%lf\n0.25,2,%lf\n0.5,2,%lf\n",
                            &value[0], &value[1], &value[2], &value[3]),
                     4);
    for (size_t i = 0; i < 4; i++)
        assert_true(fabs(value[i] - channel_study_log_ratio(&bench.study, 1 - i % 2, i / 2).mean) < 1e-5);
    buf_finish(&text);
    close_bench(&bench);
}

static void a_table_of_several_formats_names_them(void **state)
{
    (void) state;
    struct bench bench;
    struct buf text = {0};
    char wanted[512];
    size_t size = 0;
    open_bench(&bench,
               &(struct channel_words){
                   .modes = "erasure", .losses = "0.5,0.25", .formats = "topk:9,int8,q4", .splits = "1,2"});
    measure_all(&bench);
    assert_int_equal(channel_study_table(&bench.study, &text, NULL), 0);
    size += (size_t) snprintf(wanted, sizeof wanted, "condition,split,log_ratio,format\n");
    static const struct {
        const char *format;
        size_t setting; /* of 0.25; that of 0.5 is before it */
    } formats[] = {{"int8", 3}, {"q4", 5}, {"topk", 1}};
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; i < 6; i++)
            size += (size_t) snprintf(
                wanted + size, sizeof wanted - size, "%s,%zu,%.6g,%s\n", i % 2 == 0 ? "0.25" : "0.5", s + 1,
                channel_study_log_ratio(&bench.study, formats[i / 2].setting - i % 2, s).mean,
                formats[i / 2].format);
    assert_int_equal(text.size, size);
    assert_memory_equal(text.data, wanted, size);
    buf_finish(&text);
    close_bench(&bench);
}

static void a_table_of_several_families_or_equal_levels_is_refused(void **state)
{
    (void) state;
    static const struct channel_words wrong[] = {
        {.modes = "none"},
        {.modes = "analog", .powers = "fixed,per_token"},
        {.modes = "erasure", .losses = "0.1,0.2,0.1"},
        {.modes = "erasure,packets", .formats = "int8"},
        {.modes = "erasure", .formats = "topk:9,topk:8"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct bench bench;
        struct buf text = {0};
        struct diag diag = {{0}};
        open_bench(&bench, &wrong[i]);
        assert_int_equal(channel_study_table(&bench.study, &text, &diag), ERR_RANGE);
        assert_non_null(strstr(diag.text, "--table"));
        buf_finish(&text);
        close_bench(&bench);
    }
}

static void the_csv_has_a_row_for_each_measure(void **state)
{
    (void) state;
    struct bench bench;
    struct buf text = {0};
    char row[256];
    open_bench(&bench, &(struct channel_words){.modes = "none,packets", .losses = "0.25", .layouts = "rows"});
    measure_all(&bench);
    assert_int_equal(channel_study_csv(&bench.study, &text), 0);
    size_t rows = 0;
    for (const char *at = (const char *) text.data; (at = strchr(at, '\n')) != NULL; at++)
        rows++;
    assert_int_equal(rows, 1 + channel_study_measures(&bench.study));
    (void) snprintf(row, sizeof row, "\nnone,,int8,,,,2,,%.17g,64,0,%.17g,,0,0\n", nats(&bench, 2, 1, 0),
                    perplexity_clean(bench.perplexity).nats);
    assert_non_null(strstr((const char *) text.data, row));
    (void) snprintf(row, sizeof row, "\npackets,0.25,int8,,rows,zero,1,9,%.17g,", nats(&bench, 4, 0, 2));
    assert_non_null(strstr((const char *) text.data, row));
    buf_finish(&text);
    close_bench(&bench);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_result_is_the_measure_of_its_setting_split_and_seed),
        cmocka_unit_test(a_band_is_the_mean_and_students_interval),
        cmocka_unit_test(a_slope_is_that_of_least_squares_and_its_sign_needs_the_interval),
        cmocka_unit_test(the_reference_is_the_size_of_all_splits_together),
        cmocka_unit_test(a_table_has_its_levels_in_rising_order),
        cmocka_unit_test(a_table_of_several_formats_names_them),
        cmocka_unit_test(a_table_of_several_families_or_equal_levels_is_refused),
        cmocka_unit_test(the_csv_has_a_row_for_each_measure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
