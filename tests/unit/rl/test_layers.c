/* Layers and networks against the double-precision twin and against finite differences. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/rl/dense.h"
#include "core/rl/mlp.h"
#include "twin.h"

#define ROWS 9u
#define IN_STRIDE 23u /* wider than any input here: networks read columns of a wider matrix */
#define OUT_MAX 20u

/* A network, a batch, and the loss sum of c[i][j] y[i][j], whose gradient at the output is c. */
struct bench {
    struct mlp mlp;
    struct mlp_pass pass;
    float *params, *grads;
    float x[ROWS * IN_STRIDE];
    float c[ROWS * OUT_MAX];
};

static void bench_init(struct bench *bench, const size_t sizes[static MLP_LAYERS + 1], enum mlp_head head)
{
    memset(bench, 0, sizeof(*bench));
    assert_int_equal(mlp_init(&bench->mlp, sizes, head), 0);
    assert_int_equal(mlp_pass_init(&bench->pass, &bench->mlp, ROWS), 0);
    bench->params = calloc(2 * bench->mlp.params, sizeof(float));
    assert_non_null(bench->params);
    bench->grads = bench->params + bench->mlp.params;
    twin_fill(bench->params, bench->mlp.params, 0.5f, 1);
    twin_fill(bench->x, ROWS * IN_STRIDE, 1.0f, 2);
    twin_fill(bench->c, ROWS * OUT_MAX, 1.0f, 3);
    bench->pass.x = (struct view){bench->x, IN_STRIDE};
}

static void bench_finish(struct bench *bench)
{
    mlp_pass_finish(&bench->pass);
    free(bench->params);
}

static void row_of_twin(const struct bench *bench, const double *params, const float *x, double *ret_y)
{
    double wide[IN_STRIDE];
    for (size_t i = 0; i < bench->mlp.layers[0].in; i++)
        wide[i] = (double) x[i];
    twin_forward(&bench->mlp, params, wide, ret_y);
}

static double loss_at(const struct bench *bench, const double *params, const float *x)
{
    double loss = 0.0, y[OUT_MAX];
    for (size_t i = 0; i < ROWS; i++) {
        row_of_twin(bench, params, x + i * IN_STRIDE, y);
        for (size_t j = 0; j < bench->mlp.layers[MLP_LAYERS - 1].out; j++)
            loss += (double) bench->c[i * OUT_MAX + j] * y[j];
    }
    return loss;
}

static double loss_of_params(const void *context, const double *params)
{
    const struct bench *bench = context;
    return loss_at(bench, params, bench->x);
}

static void backward(struct bench *bench, const struct mlp_wanted *wanted)
{
    struct matrix d = bench->pass.dy[MLP_LAYERS - 1];
    size_t out = bench->mlp.layers[MLP_LAYERS - 1].out;
    mlp_forward(&bench->mlp, bench->params, &bench->pass);
    for (size_t i = 0; i < ROWS; i++)
        memcpy(d.at + i * d.stride, bench->c + i * OUT_MAX, out * sizeof(float));
    mlp_backward(&bench->mlp, bench->params, &bench->pass, wanted);
}

static const size_t wide_sizes[] = {17, 19, 11, 7};
static const size_t one_output[] = {21, 16, 9, 1};

static void a_batch_gives_what_the_twin_gives(void **state)
{
    (void) state;
    const enum mlp_head heads[] = {MLP_LINEAR, MLP_TANH};
    for (size_t h = 0; h < 2; h++) {
        struct bench bench;
        bench_init(&bench, wide_sizes, heads[h]);
        mlp_forward(&bench.mlp, bench.params, &bench.pass);
        double *params = twin_widen(bench.params, bench.mlp.params), y[OUT_MAX];
        struct matrix found = bench.pass.y[MLP_LAYERS - 1];
        for (size_t i = 0; i < ROWS; i++) {
            row_of_twin(&bench, params, bench.x + i * IN_STRIDE, y);
            for (size_t j = 0; j < 7; j++)
                assert_true(fabs((double) found.at[i * found.stride + j] - y[j]) < 1e-5);
        }
        free(params);
        bench_finish(&bench);
    }
}

static void one_row_gives_what_the_twin_gives(void **state)
{
    (void) state;
    struct bench bench;
    bench_init(&bench, wide_sizes, MLP_TANH);
    bench.pass.rows = 1;
    mlp_forward(&bench.mlp, bench.params, &bench.pass);
    double *params = twin_widen(bench.params, bench.mlp.params), y[OUT_MAX];
    row_of_twin(&bench, params, bench.x, y);
    for (size_t j = 0; j < 7; j++)
        assert_true(fabs((double) bench.pass.y[MLP_LAYERS - 1].at[j] - y[j]) < 1e-5);
    free(params);
    bench_finish(&bench);
}

static void check_parameter_gradients(const size_t *sizes, enum mlp_head head, enum mlp_hidden hidden)
{
    struct bench bench;
    bench_init(&bench, sizes, head);
    bench.mlp.hidden = hidden;
    struct mlp_wanted wanted = {.grads = bench.grads};
    backward(&bench, &wanted);
    struct twin_function loss = {loss_of_params, &bench, bench.mlp.params};
    assert_true(twin_gradient_error(&loss, bench.params, bench.grads) < 1e-5);
    bench_finish(&bench);
}

static void parameter_gradients_are_the_finite_differences(void **state)
{
    (void) state;
    for (enum mlp_hidden hidden = MLP_RELU; hidden <= MLP_SMOOTH; hidden++) {
        check_parameter_gradients(wide_sizes, MLP_LINEAR, hidden);
        check_parameter_gradients(wide_sizes, MLP_TANH, hidden);
        check_parameter_gradients(one_output, MLP_LINEAR, hidden);
        check_parameter_gradients(one_output, MLP_TANH, hidden);
    }
}

/* The loss as a function of the whole input matrix. */
static double loss_of_input(const void *context, const double *input)
{
    const struct bench *bench = context;
    double *params = twin_widen(bench->params, bench->mlp.params);
    double loss = 0.0, y[OUT_MAX];
    for (size_t i = 0; i < ROWS; i++) {
        twin_forward(&bench->mlp, params, input + i * IN_STRIDE, y);
        for (size_t j = 0; j < bench->mlp.layers[MLP_LAYERS - 1].out; j++)
            loss += (double) bench->c[i * OUT_MAX + j] * y[j];
    }
    free(params);
    return loss;
}

static void check_input_gradients(const size_t *sizes, size_t first, size_t count)
{
    struct bench bench;
    bench_init(&bench, sizes, MLP_LINEAR);
    float full[ROWS * IN_STRIDE] = {0}, some[ROWS * IN_STRIDE] = {0};
    struct mlp_wanted all = {.count = sizes[0], .dx = {full, IN_STRIDE}};
    backward(&bench, &all);
    struct twin_function loss = {loss_of_input, &bench, ROWS * IN_STRIDE};
    assert_true(twin_gradient_error(&loss, bench.x, full) < 1e-5);
    struct mlp_wanted columns = {.first = first, .count = count, .dx = {some, IN_STRIDE}};
    backward(&bench, &columns);
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < IN_STRIDE; j++) {
            float expected = j < count ? full[i * IN_STRIDE + first + j] : 0.0f;
            assert_true(fabsf(some[i * IN_STRIDE + j] - expected) < 1e-5f);
        }
    bench_finish(&bench);
}

static void input_gradients_are_the_finite_differences_for_all_columns_and_for_some(void **state)
{
    (void) state;
    check_input_gradients(wide_sizes, 12, 5);
    check_input_gradients(one_output, 3, 1);
}

static void no_parameter_gradient_is_touched_when_none_is_wanted(void **state)
{
    (void) state;
    struct bench bench;
    bench_init(&bench, wide_sizes, MLP_LINEAR);
    float dx[ROWS * 5];
    struct mlp_wanted wanted = {.first = 12, .count = 5, .dx = {dx, 5}};
    backward(&bench, &wanted);
    for (size_t i = 0; i < bench.mlp.params; i++)
        assert_true(bench.grads[i] == 0.0f);
    bench_finish(&bench);
}

/* Every 37th float from 2^-30 to 16, each at another place of a row. */
static void tanh_is_right_to_the_last_place(void **state)
{
    (void) state;
    enum { WIDTH = 37 };
    float row[WIDTH], x[WIDTH];
    uint32_t bits = 0x30800000u;
    while (bits < 0x41800000u) {
        for (size_t i = 0; i < WIDTH; i++, bits += 37)
            memcpy(&x[i], &bits, sizeof(float));
        memcpy(row, x, sizeof row);
        dense_tanh(1, WIDTH, (struct matrix){row, WIDTH});
        for (size_t i = 0; i < WIDTH; i++) {
            double exact = tanh((double) x[i]);
            double unit = (double) (nextafterf((float) exact, 2.0f) - (float) exact);
            if (!(fabs((double) row[i] - exact) <= 0.94 * unit && row[i] <= 1.0f))
                fail_msg("tanh(%a) is %a", (double) x[i], (double) row[i]);
        }
    }
}

static void tanh_stays_in_its_range_for_any_number(void **state)
{
    (void) state;
    float values[] = {0.0f, -0.0f, 1e-40f, 1e-20f, 9.999f, 10.0f, 88.0f, 1e30f, INFINITY, -INFINITY, NAN};
    float expected[] = {0.0f, 0.0f, 1e-40f, 1e-20f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, -1.0f};
    size_t count = sizeof(values) / sizeof(values[0]);
    dense_tanh(1, count, (struct matrix){values, count});
    for (size_t i = 0; i + 1 < count; i++)
        assert_true(fabsf(values[i] - expected[i]) <= 6e-8f * fabsf(expected[i]));
    assert_true(fabsf(values[count - 1]) <= 1.0f);
}

static void tanh_has_the_same_bits_at_any_place_in_a_row(void **state)
{
    (void) state;
    float row[37];
    for (size_t i = 0; i < 37; i++)
        row[i] = 0.7310586f;
    dense_tanh(1, 37, (struct matrix){row, 37});
    for (size_t i = 1; i < 37; i++)
        assert_memory_equal(&row[i], &row[0], sizeof(float));
}

static void weights_start_within_their_bounds_and_differ_by_seed(void **state)
{
    (void) state;
    struct mlp mlp;
    assert_int_equal(mlp_init(&mlp, wide_sizes, MLP_TANH), 0);
    float *first = calloc(3 * mlp.params, sizeof(float)), *again = first + mlp.params,
          *other = again + mlp.params;
    assert_non_null(first);
    mlp_draw(&mlp, first, (struct rng_at){.seed = 1, .stream = RNG_WEIGHTS}, 3e-3f);
    mlp_draw(&mlp, again, (struct rng_at){.seed = 1, .stream = RNG_WEIGHTS}, 3e-3f);
    mlp_draw(&mlp, other, (struct rng_at){.seed = 2, .stream = RNG_WEIGHTS}, 3e-3f);
    assert_memory_equal(first, again, mlp.params * sizeof(float));
    assert_memory_not_equal(first, other, mlp.params * sizeof(float));
    for (size_t l = 0; l < MLP_LAYERS; l++) {
        const struct dense *layer = &mlp.layers[l];
        float bound = l == MLP_LAYERS - 1 ? 3e-3f : 1.0f / sqrtf((float) layer->in), largest = 0.0f;
        for (size_t i = layer->weights; i < layer->bias + layer->out; i++)
            largest = fmaxf(largest, fabsf(first[i]));
        assert_true(largest <= bound && largest > 0.9f * bound);
    }
    free(first);
}

static void a_layer_of_size_zero_or_beyond_the_limit_is_refused(void **state)
{
    (void) state;
    struct mlp mlp;
    assert_int_equal(mlp_init(&mlp, (const size_t[]){0, 4, 4, 1}, MLP_TANH), ERR_RANGE);
    assert_int_equal(mlp_init(&mlp, (const size_t[]){4, 4, MLP_SIZE_MAX + 1, 1}, MLP_TANH), ERR_RANGE);
    assert_int_equal(mlp_init(&mlp, (const size_t[]){4, 4, MLP_SIZE_MAX, 1}, MLP_TANH), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_gives_what_the_twin_gives),
        cmocka_unit_test(one_row_gives_what_the_twin_gives),
        cmocka_unit_test(parameter_gradients_are_the_finite_differences),
        cmocka_unit_test(input_gradients_are_the_finite_differences_for_all_columns_and_for_some),
        cmocka_unit_test(no_parameter_gradient_is_touched_when_none_is_wanted),
        cmocka_unit_test(tanh_is_right_to_the_last_place),
        cmocka_unit_test(tanh_stays_in_its_range_for_any_number),
        cmocka_unit_test(tanh_has_the_same_bits_at_any_place_in_a_row),
        cmocka_unit_test(weights_start_within_their_bounds_and_differ_by_seed),
        cmocka_unit_test(a_layer_of_size_zero_or_beyond_the_limit_is_refused),
    };
    return cmocka_run_group_tests_name("layers", tests, NULL, NULL);
}
