#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "core/train/adamw.h"
#include "core/train/rows.h"

static void fill(float *values, size_t count, float span, uint32_t entity)
{
    const struct rng_at at = {.seed = 3, .entity = entity};
    for (size_t i = 0; i < count; i++)
        values[i] = span * (float) (2.0 * rng_uniform(&at, (uint32_t) i) - 1.0);
}

/* The same numbers, alone and within more rows, and so within other vectors. */
static void a_row_does_not_depend_on_its_neighbours(void **state)
{
    (void) state;
    enum { ROWS = 7, HIDDEN = 37 };
    float gate_up[ROWS * 2 * HIDDEN], all[ROWS * HIDDEN], one[HIDDEN];
    fill(gate_up, ROWS * 2 * HIDDEN, 4.0f, 1);
    rows_swiglu(ROWS, HIDDEN, gate_up, all);
    for (size_t row = 0; row < ROWS; row++) {
        rows_swiglu(1, HIDDEN, gate_up + row * 2 * HIDDEN, one);
        assert_memory_equal(one, all + row * HIDDEN, sizeof one);
    }
}

static void norms_have_unit_mean_square(void **state)
{
    (void) state;
    enum { WIDTH = 45 };
    float x[WIDTH], weight[WIDTH], y[WIDTH];
    double squares = 0.0;
    fill(x, WIDTH, 3.0f, 2);
    for (size_t i = 0; i < WIDTH; i++)
        weight[i] = 2.0f;
    rows_norm(&(struct rows_norm){1, WIDTH, x, weight}, y);
    for (size_t i = 0; i < WIDTH; i++)
        squares += (double) y[i] * (double) y[i];
    assert_true(fabs(squares / WIDTH - 4.0) < 1e-4);
}

/* Queries and keys that are turned by their positions have products that depend on the distance alone. */
static void turned_products_depend_on_the_distance(void **state)
{
    (void) state;
    enum { POSITIONS = 9, SIZE = 6 };
    float cosine[POSITIONS * SIZE / 2], sine[POSITIONS * SIZE / 2];
    float q[POSITIONS * SIZE], k[POSITIONS * SIZE], back[POSITIONS * SIZE];
    fill(q, SIZE, 1.0f, 3);
    fill(k, SIZE, 1.0f, 4);
    for (size_t row = 1; row < POSITIONS; row++) {
        memcpy(q + row * SIZE, q, SIZE * sizeof *q);
        memcpy(k + row * SIZE, k, SIZE * sizeof *k);
    }
    memcpy(back, q, sizeof back);
    rows_angles(POSITIONS, SIZE, cosine, sine);
    struct rows_rotation rotation = {POSITIONS, SIZE, 1, SIZE, POSITIONS, cosine, sine};
    rows_rotate(&rotation, 1.0f, q);
    rows_rotate(&rotation, 1.0f, k);
    double first = 0.0;
    for (size_t row = 2; row < POSITIONS; row++) {
        double product = 0.0;
        for (size_t i = 0; i < SIZE; i++)
            product += (double) q[row * SIZE + i] * (double) k[(row - 2) * SIZE + i];
        first = row == 2 ? product : first;
        assert_true(fabs(product - first) < 1e-5);
    }
    rows_rotate(&rotation, -1.0f, q);
    for (size_t i = 0; i < POSITIONS * SIZE; i++)
        assert_true(fabsf(q[i] - back[i]) < 1e-6f);
}

static void a_row_of_scores_becomes_probabilities_of_what_it_may_see(void **state)
{
    (void) state;
    enum { ROWS = 5, FIRST = 20, COLUMNS = 25 };
    float x[ROWS * COLUMNS];
    fill(x, ROWS * COLUMNS, 30.0f, 5);
    rows_softmax(&(struct rows_scores){FIRST, ROWS, COLUMNS, COLUMNS, 0.5f}, x);
    for (size_t row = 0; row < ROWS; row++) {
        double sum = 0.0;
        for (size_t i = 0; i < COLUMNS; i++) {
            assert_true(i <= FIRST + row ? x[row * COLUMNS + i] > 0.0f : x[row * COLUMNS + i] == 0.0f);
            sum += (double) x[row * COLUMNS + i];
        }
        assert_true(fabs(sum - 1.0) < 1e-6);
    }
}

static void a_loss_of_equal_logits_is_the_logarithm_of_their_number(void **state)
{
    (void) state;
    float logits[2 * 50] = {0}, nats[2];
    const uint16_t target[2] = {7, 49};
    for (size_t i = 50; i < 100; i++)
        logits[i] = 1000.0f; /* far out, and equal all the same */
    rows_cross_entropy_backward(2, 50, 0.5f, logits, target, nats);
    for (size_t row = 0; row < 2; row++) {
        double sum = 0.0;
        assert_true(fabs((double) nats[row] - log(50.0)) < 1e-5);
        for (size_t i = 0; i < 50; i++)
            sum += (double) logits[row * 50 + i];
        assert_true(fabs(sum) < 1e-6); /* a gradient that moves no probability in sum */
        assert_true(fabs((double) logits[row * 50 + target[row]] - 0.5 * (0.02 - 1.0)) < 1e-6);
    }
}

/* Algorithm 2 of arXiv 1711.05101, in double precision. */
static void steps_follow_the_published_algorithm(void **state)
{
    (void) state;
    enum { SIZE = 37 };
    float params[SIZE], first[SIZE] = {0}, second[SIZE] = {0}, grads[SIZE];
    double p[SIZE], m[SIZE] = {0}, v[SIZE] = {0};
    fill(params, SIZE, 1.0f, 6);
    for (size_t i = 0; i < SIZE; i++)
        p[i] = (double) params[i];
    for (uint32_t step = 1; step <= 300; step++) {
        struct adamw_step now = adamw_step_of(step, 1e-3, 0.5);
        fill(grads, SIZE, 0.01f, 100 + step);
        adamw_update(&(struct adamw_blocks){SIZE, params, first, second, grads, 0.1f}, &now);
        for (size_t i = 0; i < SIZE; i++) {
            double g = 0.5 * (double) grads[i];
            m[i] = 0.9 * m[i] + 0.1 * g;
            v[i] = 0.95 * v[i] + 0.05 * g * g;
            p[i] -= 1e-3 * (m[i] / (1.0 - pow(0.9, step)) / (sqrt(v[i] / (1.0 - pow(0.95, step))) + 1e-8) +
                            0.1 * p[i]);
            assert_true(fabs(p[i] - (double) params[i]) < 1e-5);
        }
    }
}

static void gradients_of_shards_are_added_in_their_order(void **state)
{
    (void) state;
    enum { SIZE = 1500, SHARDS = 3 };
    static float grads[SHARDS * SIZE], expected[SIZE];
    double squares = 0.0;
    fill(grads, SHARDS * SIZE, 1.0f, 7);
    for (size_t i = 0; i < SIZE; i++) {
        expected[i] = (grads[i] + grads[SIZE + i]) + grads[2 * SIZE + i];
        squares += (double) expected[i] * (double) expected[i];
    }
    double got = adamw_sum(SIZE, SHARDS, SIZE, grads);
    assert_memory_equal(grads, expected, sizeof expected);
    assert_true(fabs(got - squares) < 1e-5 * squares);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_does_not_depend_on_its_neighbours),
        cmocka_unit_test(norms_have_unit_mean_square),
        cmocka_unit_test(turned_products_depend_on_the_distance),
        cmocka_unit_test(a_row_of_scores_becomes_probabilities_of_what_it_may_see),
        cmocka_unit_test(a_loss_of_equal_logits_is_the_logarithm_of_their_number),
        cmocka_unit_test(steps_follow_the_published_algorithm),
        cmocka_unit_test(gradients_of_shards_are_added_in_their_order),
    };
    return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
