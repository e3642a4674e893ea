/* Splits against the condition of a channel that damages: tasks, a straight line, a local one, and what is said of them. */
#include "orchestrator/report/plots.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/stats/loess.h"
#include "tests/unit/report/made.h"

#define STEM "channel-made-users"
#define ERASURE "channel:\n  mode: erasure\n"
#define SAID                                                                                                 \
    "Up to 500 recorded tasks of each policy, drawn at random; black: local regression (LOESS of degree 1, " \
    "span 0.75, not robust); dashed: straight line, with 95 % intervals by bootstrap over episodes, whose "  \
    "tasks share a channel."

static int64_t result(struct made *made, const char *policy, uint64_t seed, const char *scenario)
{
    const struct made_result one = {.policy = policy, .seed = seed, .cost = 1.0, .scenario = scenario};
    return made_result(made, &one);
}

static void add_task(struct made *made, int64_t run, unsigned episode, unsigned slot, double channel,
                     unsigned split)
{
    made_task(
        made, run,
        &(struct made_task){.episode = episode, .slot = slot, .split = split, .server = 0, .latency_s = 1.0});
    made_sql(made, "UPDATE task SET channel = %.17g WHERE run_id = %lld AND episode = %u AND slot = %u;",
             channel, (long long) run, episode, slot);
}

static void plot(struct made *made)
{
    made_read(made);
    assert_int_equal(plots_channel(&made->report, made_experiment(made, 0), NULL), 0);
}

static void expect_said(const struct made *made, const char *said)
{
    char caption[1024];
    (void) snprintf(caption, sizeof caption, "%s%s", SAID, said);
    assert_string_equal((const char *) made_figure(made, STEM)->caption.data, caption);
}

struct row {
    char policy[16], row[8];
    double channel, split;
};

/* The rows of the figure's data. */
static size_t read_rows(const struct made *made, struct row *ret_row, size_t most)
{
    size_t n = 0;
    const char *at = strchr((const char *) made_figure(made, STEM)->csv.data, '\n') + 1;
    for (; *at != '\0'; at = strchr(at, '\n') + 1, n++) {
        assert_true(n < most);
        assert_int_equal(sscanf(at, "%15[^,],%7[^,],%lg,%lg\n", ret_row[n].policy, ret_row[n].row,
                                &ret_row[n].channel, &ret_row[n].split),
                         4);
    }
    return n;
}

static void splits_on_a_line_have_that_line_and_no_doubt(void **state)
{
    struct made *made = *state;
    int64_t run = result(made, "greedy", 1, ERASURE);
    struct row row[200];
    for (unsigned e = 0; e < 4; e++)
        for (unsigned slot = 0; slot < 2; slot++)
            add_task(made, run, e, slot, 0.1 * (2 * e + slot), 1 + 2 * e + slot);
    plot(made);
    expect_said(made, " greedy: slope 10.00 (10.00 to 10.00), R\u00b2 1.000 (1.000 to 1.000).");
    made_expect_head(made, STEM, "x_label = 'probability that an element is lost'");
    made_expect_head(made, STEM, "y_label = 'split (layers on the device)'");
    made_expect_head(made, STEM, "array policy[1] = ['greedy']");
    made_expect_head(made, STEM, "array slope[1] = ['slope 10.00 (10.00 to 10.00)']");
    made_expect_head(made, STEM, "array r2[1] = ['R\u00b2 1.000 (1.000 to 1.000)']");
    assert_string_equal((const char *) made_figure(made, STEM)->title.data, "Splits against the channel");
    assert_int_equal(read_rows(made, row, 200), 8 + 61 + 2);
    for (size_t i = 0; i < 8; i++) {
        assert_string_equal(row[i].row, "task");
        assert_true(fabs(row[i].channel - 0.1 * (double) i) < 1e-9 && row[i].split == 1.0 + (double) i);
    }
    for (size_t i = 0; i <= 60; i++) {
        assert_string_equal(row[8 + i].row, "loess");
        assert_true(fabs(row[8 + i].channel - 0.7 * (double) i / 60.0) < 1e-9);
        assert_true(fabs(row[8 + i].split - (1.0 + 10.0 * row[8 + i].channel)) < 1e-6);
    }
    assert_string_equal(row[69].row, "line");
    assert_true(row[69].channel == 0.0 && fabs(row[69].split - 1.0) < 1e-9);
    assert_true(fabs(row[70].channel - 0.7) < 1e-9 && fabs(row[70].split - 8.0) < 1e-9);
    made_expect_gap(made, NULL);
}

/* What is at each channel, in no order: the local line is that of the sorted points. */
static void splits_beside_a_line_have_the_line_of_least_squares(void **state)
{
    struct made *made = *state;
    static const double x[] = {0.3, 0.1, 0.4, 0.2}, sorted_x[] = {0.1, 0.2, 0.3, 0.4},
                        sorted_y[] = {1, 2, 4, 3};
    static const unsigned y[] = {4, 1, 3, 2};
    int64_t runs[] = {result(made, "greedy", 1, ERASURE), result(made, "greedy", 2, ERASURE)};
    struct row row[100];
    for (unsigned i = 0; i < 4; i++)
        add_task(made, runs[i / 2], 0, i % 2, x[i], y[i]); /* an episode of each test: they are two */
    plot(made);
    assert_int_equal(read_rows(made, row, 100), 4 + 61 + 2);
    for (unsigned i = 0; i < 4; i++)
        assert_true(fabs(row[i].channel - x[i]) < 1e-9 && row[i].split == y[i]);
    const struct loess loess = {sorted_x, sorted_y, 4, 0.75};
    for (unsigned i = 0; i <= 60; i++)
        assert_true(fabs(row[4 + i].split - loess_at(&loess, 0.1 + 0.3 * i / 60.0)) < 1e-8);
    assert_true(fabs(row[65].split - 1.3) < 1e-9 && fabs(row[66].split - 3.7) < 1e-9); /* 0.5 + 8 x */
    expect_said(made, " greedy: slope 8.00 (5.00 to 15.00), R\u00b2 0.640 (0.640 to 1.000).");
}

static void one_episode_has_no_interval_and_one_condition_no_line(void **state)
{
    struct made *made = *state;
    int64_t run = result(made, "greedy", 1, ERASURE), same = result(made, "optimum", 1, ERASURE);
    struct row row[200];
    add_task(made, run, 0, 0, 0.1, 1);
    add_task(made, run, 0, 1, 0.3, 3);
    add_task(made, same, 0, 0, 0.2, 5);
    add_task(made, same, 1, 0, 0.2, 7);
    plot(made);
    expect_said(made, " greedy: slope 10.00, R\u00b2 1.000; optimum: slope -, R\u00b2 -.");
    size_t rows = read_rows(made, row, 200);
    assert_int_equal(rows, 2 + 61 + 2 + 2);
    assert_string_equal(row[rows - 1].row, "task");
    made_expect_head(made, STEM, "array slope[2] = ['slope 10.00', 'slope -']");
}

static void of_many_tasks_five_hundred_are_kept_from_all_of_them(void **state)
{
    struct made *made = *state;
    static struct row row[600];
    int64_t run = result(made, "greedy", 1, ERASURE);
    for (unsigned i = 0; i < 1000; i++)
        add_task(made, run, i, 0, 0.001 * i, i % 32);
    plot(made);
    size_t late = 0, tasks = 0;
    for (size_t i = 0, n = read_rows(made, row, 600); i < n; i++) {
        if (strcmp(row[i].row, "task") != 0)
            continue;
        assert_true(tasks == 0 || row[i].channel > row[i - 1].channel); /* none twice */
        tasks++;
        late += row[i].channel >= 0.5 ? 1 : 0;
    }
    assert_int_equal(tasks, 500);
    assert_true(late > 200 && late < 300);
}

static void five_hundred_tasks_are_all_drawn(void **state)
{
    struct made *made = *state;
    static struct row row[600];
    int64_t run = result(made, "greedy", 1, ERASURE);
    for (unsigned i = 0; i < 500; i++)
        add_task(made, run, i, 0, 0.001 * i, i % 32);
    plot(made);
    assert_int_equal(read_rows(made, row, 600), 500 + 61 + 2);
}

/* Every damaging value has a figure, and its condition its name. */
static void a_condition_is_named_by_the_channel_of_its_value(void **state)
{
    struct made *made = *state;
    static const struct {
        const char *value, *scenario, *label;
    } cases[] = {
        {"bits", "channel:\n  mode: bits\n", "probability that a bit turns over"},
        {"erasure", ERASURE, "probability that an element is lost"},
        {"analog", "channel:\n  mode: analog\n", "mean SNR (dB)"},
        {"bounded", "channel:\n  mode: bounded\n", "probability that a packet is missing"},
        {"reliable", "channel:\n  mode: reliable\n", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct made_result one = {.axis = "channel.mode",
                                        .value = cases[i].value,
                                        .policy = "greedy",
                                        .seed = 1,
                                        .cost = 1.0,
                                        .scenario = cases[i].scenario};
        add_task(made, made_result(made, &one), 0, 0, 0.5, 3);
    }
    plot(made);
    assert_int_equal(made->report.figures, 4);
    for (size_t i = 0; i < 4; i++) {
        char line[80], title[80];
        (void) snprintf(line, sizeof line, "x_label = '%s'", cases[i].label);
        (void) snprintf(title, sizeof title, "Splits against the channel, channel.mode = %s", cases[i].value);
        made_expect_head(made, made->report.figure[i]->stem, line);
        assert_string_equal((const char *) made->report.figure[i]->title.data, title);
    }
    made_expect_gap(made, NULL);
}

static void damage_without_recorded_conditions_is_said_to_be_missing(void **state)
{
    struct made *made = *state;
    (void) result(made, "greedy", 1, ERASURE);
    plot(made);
    assert_int_equal(made->report.figures, 0);
    made_expect_gap(made,
                    "made: users: no splits against the channel, because no recorded task says its channel's "
                    "condition. `record_tasks` in the sweep's file would give them (of an evaluation: `run "
                    "--record tasks`).");
}

static void a_reliable_channel_is_nothing_to_speak_of(void **state)
{
    struct made *made = *state;
    (void) result(made, "greedy", 1, "channel:\n  mode: reliable\n");
    plot(made);
    assert_int_equal(made->report.figures, 0);
    made_expect_gap(made, NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, made_setup, made_teardown)
        TEST(splits_on_a_line_have_that_line_and_no_doubt),
        TEST(splits_beside_a_line_have_the_line_of_least_squares),
        TEST(one_episode_has_no_interval_and_one_condition_no_line),
        TEST(of_many_tasks_five_hundred_are_kept_from_all_of_them),
        TEST(five_hundred_tasks_are_all_drawn),
        TEST(a_condition_is_named_by_the_channel_of_its_value),
        TEST(damage_without_recorded_conditions_is_said_to_be_missing),
        TEST(a_reliable_channel_is_nothing_to_speak_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
