/* How the returns of test episodes scatter: quartiles, and an outline that goes up on one side and down on the other. */
#include "orchestrator/report/plots.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/stats/density.h"
#include "tests/unit/report/made.h"

#define STEM "violins-made-users"
#define HEAD "value,policy,row,return,density,width,episodes\n"

/* A test of local with the episodes' returns. */
static void play(struct made *made, uint64_t seed, const char *scenario, const double *episode_return,
                 unsigned n)
{
    int64_t run = made_result(
        made, &(struct made_result){.policy = "local", .seed = seed, .cost = 1.0, .scenario = scenario});
    made_sql(made, "DELETE FROM episode WHERE run_id = %lld;", (long long) run);
    for (unsigned e = 0; e < n; e++)
        made_episode(made, run, e, 10, episode_return[e]);
}

static void plot(struct made *made)
{
    made_read(made);
    assert_int_equal(plots_returns(&made->report, made_experiment(made, 0), NULL), 0);
}

/* The numbers of the outline's k-th row: return, density, width, episodes. */
static void read_row(const char *csv, unsigned k, double ret_number[static 4])
{
    const char *at = csv;
    for (unsigned line = 0; line <= k; line++)
        at = strchr(at, '\n') + 1;
    assert_memory_equal(at, "-,local,density,", 16);
    at += 16;
    for (unsigned i = 0; i < 4; i++) {
        char *end;
        ret_number[i] = strtod(at, &end);
        assert_true(*end == (i < 3 ? ',' : '\n'));
        at = end + 1;
    }
}

#define assert_about(value, expected) assert_true(fabs((value) - (expected)) < 1e-8)

static void an_outline_goes_up_the_right_side_and_down_the_left(void **state)
{
    struct made *made = *state;
    static const double first[] = {5.0, 1.0, 2.0}, second[] = {4.0, 3.0},
                        sorted[] = {1.0, 2.0, 3.0, 4.0, 5.0};
    play(made, 1, MADE_REWARD, first, 3);
    play(made, 2, MADE_REWARD, second, 2);
    plot(made);
    const char *csv = (const char *) made_figure(made, STEM)->csv.data;
    const double bandwidth = density_bandwidth(sorted, 5), densest = density_at(sorted, 5, bandwidth, 3.0);
    for (unsigned k = 0; k <= 100; k++) {
        double up[4], down[4], at = 1.0 + 0.04 * k;
        read_row(csv, k, up);
        read_row(csv, 201 - k, down);
        assert_about(up[0], at);
        assert_about(down[0], at);
        assert_about(up[1], density_at(sorted, 5, bandwidth, at));
        assert_about(down[1], up[1]);
        assert_about(up[2], 0.42 * up[1] / densest);
        assert_about(down[2], -up[2]);
        assert_true(up[3] == 5.0 && down[3] == 5.0);
    }
    const char *behind = strstr(csv, "-,local,q1,");
    assert_non_null(behind);
    assert_string_equal(behind, "-,local,q1,2,,,5\n"
                                "-,local,median,3,,,5\n"
                                "-,local,q3,4,,,5\n"
                                "-,local,mean,3,,,5\n");
    unsigned lines = 0;
    for (const char *at = csv; at < behind; at = strchr(at, '\n') + 1)
        lines++;
    assert_int_equal(lines, 1 + 202);
    made_expect_head(made, STEM, "y_label = 'return of an episode'");
    made_expect_head(made, STEM, "array policy[1] = ['local']");
    made_expect_head(made, STEM, "array value[1] = ['-']");
    assert_string_equal((const char *) made_figure(made, STEM)->title.data, "Returns of test episodes");
}

static void equal_returns_have_no_outline(void **state)
{
    struct made *made = *state;
    static const double same[] = {2.0, 2.0};
    play(made, 1, MADE_REWARD, same, 2);
    plot(made);
    made_expect_csv(made, STEM,
                    HEAD "-,local,q1,2,,,2\n-,local,median,2,,,2\n-,local,q3,2,,,2\n-,local,mean,2,,,2\n");
}

static void of_costs_there_is_no_such_figure(void **state)
{
    struct made *made = *state;
    static const double some[] = {1.0, 2.0};
    play(made, 1, NULL, some, 2);
    plot(made);
    assert_int_equal(made->report.figures, 0);
    made_expect_gap(made, NULL);
}

static void without_returns_it_is_said_what_would_give_them(void **state)
{
    struct made *made = *state;
    int64_t run = made_result(
        made, &(struct made_result){.policy = "local", .seed = 1, .cost = 1.0, .scenario = MADE_REWARD});
    made_sql(made, "UPDATE episode SET episode_return = NULL WHERE run_id = %lld;", (long long) run);
    plot(made);
    made_expect_gap(made,
                    "made: users: no returns of test episodes, because none are recorded. A test that is "
                    "finished would give them.");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, made_setup, made_teardown)
        TEST(an_outline_goes_up_the_right_side_and_down_the_left),
        TEST(equal_returns_have_no_outline),
        TEST(of_costs_there_is_no_such_figure),
        TEST(without_returns_it_is_said_what_would_give_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
