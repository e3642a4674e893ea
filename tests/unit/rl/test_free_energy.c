/* What plans are worth: preference and gain on a small world that the ensemble has learned, over one step and several. */
#include "core/rl/free_energy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/base/rng.h"
#include "core/rl/cross_entropy.h"

/* A number s on a line: choice 0 lowers it by part / 2, choice 1 raises it. What is preferred is to be near 1 after each
 * step: -(s - 1)^2. The ensemble foresees the change of s, and the preference. */
#define INPUTS 4u
#define OUTPUTS 2u
#define MEMBERS 4u
#define ROWS 200u

static void describe_one(float s, uint32_t choice, float part, float *ret_x)
{
    ret_x[0] = s;
    ret_x[1] = choice == 0 ? 1.0f : 0.0f;
    ret_x[2] = choice == 1 ? 1.0f : 0.0f;
    ret_x[3] = part;
}

static float moved(float s, uint32_t choice, float part)
{
    return s + (choice == 1 ? 0.5f : -0.5f) * part;
}

static void describe(void *user, const struct free_energy_step *step, float *ret_x)
{
    (void) user;
    for (size_t row = 0; row < step->rows; row++)
        describe_one(step->state[row], step->choice[row], step->part[row], ret_x + row * INPUTS);
}

static void prefer(void *user, const struct free_energy_step *step, const float *y, double *ret_preference)
{
    (void) user;
    for (size_t row = 0; row < step->rows; row++) {
        double gap = (double) (step->state[row] + y[row * OUTPUTS]) - 1.0;
        ret_preference[row] = -gap * gap;
    }
}

/* What was learned, in place of what is known. */
static void prefer_learned(void *user, const struct free_energy_step *step, const float *y,
                           double *ret_preference)
{
    (void) user;
    for (size_t row = 0; row < step->rows; row++)
        ret_preference[row] = (double) y[row * OUTPUTS + 1];
}

static void follow(void *user, const struct free_energy_step *step, const float *y, float *state)
{
    (void) user;
    for (size_t row = 0; row < step->rows; row++)
        state[row] += y[row * OUTPUTS];
}

static const struct free_energy_world known = {describe, prefer, follow, NULL};
static const struct free_energy_world learned = {describe, prefer_learned, follow, NULL};

/* Trained on states in [-2, 2]; with `one_sided` on choice 1 alone. */
static struct ensemble *train(bool one_sided)
{
    const struct ensemble_config config = {
        .inputs = INPUTS,
        .outputs = OUTPUTS,
        .members = MEMBERS,
        .width = 32,
        .layers = 2,
        .buffer = 1000,
        .batch = 50,
        .rows = ROWS,
        .epochs = 40,
        .rate = 3e-3f,
        .norm = 10.0f,
        .seed = 4,
    };
    struct ensemble *ensemble = NULL;
    assert_int_equal(ensemble_create(&ensemble, &config), 0);
    for (uint32_t i = 0; i < 1000; i++) {
        struct rng_at at = {.seed = 4, .stream = RNG_TASK, .entity = i};
        float x[INPUTS], y[OUTPUTS], s = (float) rng_range(&at, 0, -2.0, 2.0);
        float part = (float) rng_uniform(&at, 1);
        uint32_t choice = one_sided ? 1 : rng_below(&at, 2, 2);
        describe_one(s, choice, part, x);
        y[0] = moved(s, choice, part) - s;
        y[1] = -(s + y[0] - 1.0f) * (s + y[0] - 1.0f);
        ensemble_observe(ensemble, x, y);
    }
    (void) ensemble_fit(ensemble);
    return ensemble;
}

static struct free_energy *create(struct ensemble *ensemble, size_t horizon, double scale,
                                  enum information_gain gain)
{
    const struct free_energy_config config = {
        .space = {.horizon = horizon, .choices = 2, .parts = 1},
        .state = 1,
        .rows = ROWS,
        .scale = scale,
        .gain = gain,
        .seed = 9,
    };
    struct free_energy *energy = NULL;
    assert_int_equal(free_energy_create(&energy, &config, ensemble), 0);
    return energy;
}

static void a_plan_is_worth_the_sum_of_what_its_steps_are_worth(void **state)
{
    (void) state;
    struct ensemble *ensemble = train(false);
    struct free_energy *energy = create(ensemble, 3, 0.0, INFORMATION_GAIN_GAUSSIAN);
    const float begin = -0.3f;
    const struct free_energy_world *const worlds[] = {&known, &learned};
    for (size_t w = 0; w < 2; w++) {
        free_energy_begin(energy, worlds[w], &begin, 0);
        uint32_t choice[3 * 20];
        float part[3 * 20];
        double worth[20];
        struct rng_at at = {.seed = 4, .stream = RNG_TASK, .entity = 5000};
        for (uint32_t i = 0; i < 60; i++) {
            choice[i] = rng_below(&at, 2 * i, 2);
            part[i] = (float) rng_uniform(&at, 2 * i + 1);
        }
        free_energy_worth(energy, 20, choice, part, worth);
        for (size_t row = 0; row < 20; row++) {
            double expected = 0.0;
            float s = begin;
            for (size_t h = 0; h < 3; h++) {
                s = moved(s, choice[h * 20 + row], part[h * 20 + row]);
                expected -= (double) ((s - 1.0f) * (s - 1.0f));
            }
            assert_true(fabs(worth[row] - expected) < 0.1 * (1.0 - expected));
            assert_true(worth[row] == free_energy_preference(energy, row));
        }
    }
    free_energy_destroy(energy);
    ensemble_destroy(ensemble);
}

static void with_a_planner_it_goes_where_it_prefers_to_be(void **state)
{
    (void) state;
    struct ensemble *ensemble = train(false);
    struct free_energy *energy = create(ensemble, 2, 0.0, INFORMATION_GAIN_GAUSSIAN);
    const struct cross_entropy_config config = {.space = {.horizon = 2, .choices = 2, .parts = 1},
                                                .candidates = ROWS,
                                                .elites = 20,
                                                .iterations = 5,
                                                .smoothing = 0.1,
                                                .narrowest = 0.01,
                                                .seed = 9};
    struct cross_entropy *planner = NULL;
    assert_int_equal(cross_entropy_create(&planner, &config), 0);
    float s = -1.5f;
    for (uint64_t decision = 0; decision < 8; decision++) {
        uint32_t choice[2];
        float part[2];
        struct plan plan = {.choice = choice, .part = part};
        free_energy_begin(energy, &known, &s, decision);
        cross_entropy_plan(planner, decision, &(struct plan_problem){NULL, free_energy_worth, energy}, &plan);
        s = moved(s, choice[0], part[0]);
    }
    assert_true(fabsf(s - 1.0f) < 0.06f);
    cross_entropy_destroy(planner);
    free_energy_destroy(energy);
    ensemble_destroy(ensemble);
}

/* Two plans from the middle, of one step with part 1: choice 0, of which nothing was ever seen, and choice 1. */
static void both(struct free_energy *energy, double *ret_worth)
{
    static const uint32_t choice[] = {0, 1};
    static const float part[] = {1.0f, 1.0f}, begin = 0.0f;
    free_energy_begin(energy, &known, &begin, 3);
    free_energy_worth(energy, 2, choice, part, ret_worth);
}

static void what_was_never_tried_has_more_to_tell(void **state)
{
    (void) state;
    struct ensemble *ensemble = train(true);
    const enum information_gain kinds[] = {INFORMATION_GAIN_NEIGHBOURS, INFORMATION_GAIN_GAUSSIAN};
    for (size_t i = 0; i < 2; i++) {
        struct free_energy *energy = create(ensemble, 1, 0.5, kinds[i]);
        double worth[2], without[2];
        both(energy, worth);
        double gain[] = {free_energy_gain(energy, 0), free_energy_gain(energy, 1)};
        assert_true(gain[0] > gain[1] + 0.5);
        for (size_t row = 0; row < 2; row++)
            assert_true(worth[row] == free_energy_preference(energy, row) + 0.5 * gain[row]);
        free_energy_weigh(energy, 0.0);
        both(energy, without);
        for (size_t row = 0; row < 2; row++)
            assert_true(without[row] == free_energy_preference(energy, row));
        free_energy_destroy(energy);
    }
    ensemble_destroy(ensemble);
}

/* Samples are drawn once for a decision: equal plans are worth the same, wherever they stand. */
static void equal_plans_of_a_decision_are_worth_the_same(void **state)
{
    (void) state;
    struct ensemble *ensemble = train(false);
    struct free_energy *energy = create(ensemble, 2, 1.0, INFORMATION_GAIN_NEIGHBOURS);
    const uint32_t choice[] = {1, 0, 1, 0, 1, 0};
    const float part[] = {0.4f, 0.2f, 0.4f, 0.8f, 0.1f, 0.8f}, begin = 0.5f;
    double worth[3], again[3], other[3];
    free_energy_begin(energy, &known, &begin, 7);
    free_energy_worth(energy, 3, choice, part, worth);
    assert_true(worth[0] == worth[2] && worth[0] != worth[1]);
    const uint32_t same_choice[] = {1, 1, 0, 0};
    const float same_part[] = {0.4f, 0.4f, 0.8f, 0.8f};
    free_energy_worth(energy, 2, same_choice, same_part, again);
    assert_true(again[0] == worth[0] && again[1] == worth[0]);
    free_energy_begin(energy, &known, &begin, 8);
    free_energy_worth(energy, 3, choice, part, other);
    assert_true(other[0] != worth[0]);
    free_energy_begin(energy, &known, &begin, 7);
    free_energy_worth(energy, 3, choice, part, again);
    assert_memory_equal(again, worth, sizeof worth);
    free_energy_destroy(energy);
    ensemble_destroy(ensemble);
}

/* What was foreseen by each member of a step, added up, and what came of it. */
struct overheard {
    float sum[2 * OUTPUTS];
    size_t members, steps;
};

static void overhear(void *user, const struct free_energy_step *step, const float *y, double *ret_preference)
{
    struct overheard *heard = user;
    for (size_t i = 0; i < step->rows * OUTPUTS; i++)
        heard->sum[i] += y[i] / (float) MEMBERS;
    heard->members++;
    memset(ret_preference, 0, step->rows * sizeof *ret_preference);
}

static void follow_the_mean(void *user, const struct free_energy_step *step, const float *y, float *state)
{
    struct overheard *heard = user;
    (void) state;
    assert_int_equal(heard->members, MEMBERS);
    assert_memory_equal(y, heard->sum, step->rows * OUTPUTS * sizeof *y);
    *heard = (struct overheard){.steps = heard->steps + 1};
}

static void the_next_state_comes_of_the_mean_over_members(void **state)
{
    (void) state;
    struct ensemble *ensemble = train(true);
    struct free_energy *energy = create(ensemble, 3, 0.0, INFORMATION_GAIN_GAUSSIAN);
    struct overheard heard = {.steps = 0};
    const struct free_energy_world world = {describe, overhear, follow_the_mean, &heard};
    const uint32_t choice[6] = {0};
    const float part[6] = {1.0f, 0.5f, 1.0f, 0.5f, 1.0f, 0.5f}, begin = 0.0f;
    double worth[2];
    free_energy_begin(energy, &world, &begin, 1);
    free_energy_worth(energy, 2, choice, part, worth);
    assert_int_equal(heard.steps, 2);
    free_energy_destroy(energy);
    ensemble_destroy(ensemble);
}

static void stay(void *user, const struct free_energy_step *step, const float *y, float *state)
{
    (void) user;
    (void) step;
    (void) y;
    (void) state;
}

/* The same place twice: what is drawn for the second step is not what was drawn for the first. */
static void each_step_has_samples_of_its_own(void **state)
{
    (void) state;
    struct ensemble *ensemble = train(true);
    struct free_energy *one = create(ensemble, 1, 1.0, INFORMATION_GAIN_NEIGHBOURS);
    struct free_energy *two = create(ensemble, 2, 1.0, INFORMATION_GAIN_NEIGHBOURS);
    const struct free_energy_world world = {describe, prefer, stay, NULL};
    const uint32_t choice[2] = {1, 1};
    const float part[2] = {0.5f, 0.5f}, begin = 0.2f;
    double worth;
    free_energy_begin(one, &world, &begin, 1);
    free_energy_worth(one, 1, choice, part, &worth);
    free_energy_begin(two, &world, &begin, 1);
    free_energy_worth(two, 1, choice, part, &worth);
    double first = free_energy_gain(one, 0), both_steps = free_energy_gain(two, 0);
    assert_true(fabs(both_steps - 2.0 * first) > 1e-6);
    free_energy_destroy(one);
    free_energy_destroy(two);
    ensemble_destroy(ensemble);
}

static void more_rows_than_the_ensemble_foresees_are_refused(void **state)
{
    (void) state;
    struct ensemble *ensemble = train(false);
    struct free_energy *energy = NULL;
    struct free_energy_config config = {
        .space = {.horizon = 1, .choices = 2}, .state = 1, .rows = ROWS + 1, .scale = 0.1};
    assert_int_equal(free_energy_create(&energy, &config, ensemble), ERR_RANGE);
    config.rows = ROWS;
    config.scale = -1.0;
    assert_int_equal(free_energy_create(&energy, &config, ensemble), ERR_RANGE);
    ensemble_destroy(ensemble);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_is_worth_the_sum_of_what_its_steps_are_worth),
        cmocka_unit_test(with_a_planner_it_goes_where_it_prefers_to_be),
        cmocka_unit_test(what_was_never_tried_has_more_to_tell),
        cmocka_unit_test(equal_plans_of_a_decision_are_worth_the_same),
        cmocka_unit_test(the_next_state_comes_of_the_mean_over_members),
        cmocka_unit_test(each_step_has_samples_of_its_own),
        cmocka_unit_test(more_rows_than_the_ensemble_foresees_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
