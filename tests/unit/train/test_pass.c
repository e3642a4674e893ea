#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "core/linalg/vector_path.h"
#include "core/train/pass.h"

/* Two query heads read one key head, and the context is longer than a block of attention. */
static const struct shape shape = {
    .layers = 3, .width = 16, .heads = 4, .kv_heads = 2, .hidden = 20, .vocabulary = 19, .context = 70};
#define SEQUENCES 2u

struct model {
    float *params, *grads;
    uint16_t tokens[SEQUENCES * 71];
    struct pass_noise noise[SEQUENCES];
    struct pass_batch batch;
    struct pass *pass;
    size_t size;
};

static void fill(float *values, size_t count, float middle, float span, uint32_t entity)
{
    const struct rng_at at = {.seed = 5, .entity = entity};
    for (size_t i = 0; i < count; i++)
        values[i] = middle + span * (float) (2.0 * rng_uniform(&at, (uint32_t) i) - 1.0);
}

static size_t size_of(const struct shape_tensor *tensor)
{
    return (tensor->rows > 0 ? tensor->rows : 1) * tensor->columns;
}

static int set_up(void **state)
{
    struct model *model = calloc(1, sizeof *model);
    const struct rng_at at = {.seed = 6};
    assert_non_null(model);
    model->size = shape_parameters(&shape);
    model->params = calloc(model->size, sizeof(float));
    model->grads = calloc(model->size, sizeof(float));
    assert_non_null(model->params);
    assert_non_null(model->grads);
    for (size_t i = 0; i < shape_tensors(&shape); i++) {
        struct shape_tensor tensor = shape_tensor(&shape, i);
        bool is_norm = tensor.rows == 0;
        fill(model->params + tensor.at, size_of(&tensor), is_norm ? 1.0f : 0.0f, is_norm ? 0.3f : 0.6f,
             (uint32_t) i);
    }
    for (size_t i = 0; i < SEQUENCES * (shape.context + 1); i++)
        model->tokens[i] = (uint16_t) rng_below(&at, (uint32_t) i, shape.vocabulary);
    for (uint32_t i = 0; i < SEQUENCES; i++)
        model->noise[i] = (struct pass_noise){1 + i, 0.3f, {.seed = 9, .stream = RNG_NOISE, .entity = i}};
    model->batch = (struct pass_batch){model->params, model->tokens, NULL, SEQUENCES, 0.0f, 0.01f};
    assert_int_equal(pass_create(&shape, SEQUENCES, &model->pass), 0);
    *state = model;
    return 0;
}

static int tear_down(void **state)
{
    struct model *model = *state;
    pass_destroy(model->pass);
    free(model->params);
    free(model->grads);
    free(model);
    return 0;
}

static double loss_of(struct model *model)
{
    struct pass_loss loss = pass_score(model->pass, &model->batch, NULL);
    return (double) model->batch.scale * (loss.nats + (double) model->batch.exit_weight * loss.exit_nats);
}

/* The slope of the loss along a way, by central differences. */
static double difference(struct model *model, const struct shape_tensor *tensor, const float *way,
                         double step)
{
    const size_t size = size_of(tensor);
    float *param = model->params + tensor->at, *kept = malloc(size * sizeof *kept);
    double side[2];
    assert_non_null(kept);
    memcpy(kept, param, size * sizeof *kept);
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < size; i++)
            param[i] = (float) ((double) kept[i] + (k == 0 ? step : -step) * (double) way[i]);
        side[k] = loss_of(model);
    }
    memcpy(param, kept, size * sizeof *kept);
    free(kept);
    return (side[0] - side[1]) / (2.0 * step);
}

static double length_of(const float *values, size_t size)
{
    double squares = 0.0;
    for (size_t i = 0; i < size; i++)
        squares += (double) values[i] * (double) values[i];
    return sqrt(squares);
}

/* All of a tensor's parameters move at once: a single one's slope would drown in the rounding of floats. The error of
 * a difference shrinks with the square of its step, so that two of them tell what it would be at none (Richardson). */
static void check_slope(struct model *model, const struct shape_tensor *tensor, const float *way)
{
    const size_t size = size_of(tensor);
    const float *grad = model->grads + tensor->at;
    const double length = length_of(way, size), step = 6e-3 / length;
    double expected = 0.0;
    for (size_t i = 0; i < size; i++)
        expected += (double) grad[i] * (double) way[i];
    double slope =
        (4.0 * difference(model, tensor, way, step / 2.0) - difference(model, tensor, way, step)) / 3.0;
    /* What a random way of this length would have. */
    const double usual = length_of(grad, size) * length / sqrt((double) size);
    assert_true(usual > 0.0);
    if (!(fabs(slope - expected) <= 1e-2 * usual + 1e-3 * fabs(expected)))
        fail_msg("%s: slope %g, gradient %g", tensor->name, slope, expected);
}

/* Along the gradient, and along random ways: one that is wrong in a few places is found out, too. */
static void check_tensor(struct model *model, size_t index)
{
    const struct shape_tensor tensor = shape_tensor(&shape, index);
    float *way = malloc(size_of(&tensor) * sizeof *way);
    assert_non_null(way);
    check_slope(model, &tensor, model->grads + tensor.at);
    for (uint32_t k = 0; k < 3; k++) {
        fill(way, size_of(&tensor), 0.0f, 1.0f, 1000 * (k + 1) + (uint32_t) index);
        check_slope(model, &tensor, way);
    }
    free(way);
}

static void check_all(struct model *model)
{
    struct pass_loss loss = pass_train(model->pass, &model->batch, model->grads);
    struct pass_loss again = pass_score(model->pass, &model->batch, NULL);
    assert_true(loss.nats == again.nats && loss.exit_nats == again.exit_nats && loss.nats > 0.0);
    for (size_t i = 0; i < shape_tensors(&shape); i++)
        check_tensor(model, i);
}

static void gradients_of_all_tensors_are_the_slopes_of_the_loss(void **state)
{
    check_all(*state);
}

static void so_they_are_with_noise(void **state)
{
    struct model *model = *state;
    model->batch.noise = model->noise;
    check_all(model);
}

static void so_they_are_with_exits(void **state)
{
    struct model *model = *state;
    model->batch.exit_weight = 0.7f;
    check_all(model);
}

static void so_they_are_with_noise_and_exits(void **state)
{
    struct model *model = *state;
    model->batch.noise = model->noise;
    model->batch.exit_weight = 0.7f;
    check_all(model);
}

static void noise_and_exits_change_the_loss(void **state)
{
    struct model *model = *state;
    struct pass_loss plain = pass_score(model->pass, &model->batch, NULL);
    model->batch.noise = model->noise;
    model->batch.exit_weight = 0.7f;
    struct pass_loss both = pass_score(model->pass, &model->batch, NULL);
    assert_true(plain.exit_nats == 0.0 && both.exit_nats > 0.0);
    assert_true(fabs(plain.nats - both.nats) > 1e-3);
}

static void no_token_sees_a_later_one(void **state)
{
    struct model *model = *state;
    float before[SEQUENCES * 70], after[SEQUENCES * 70];
    (void) pass_score(model->pass, &model->batch, before);
    for (size_t i = 40; i <= shape.context; i++) /* of the first sequence */
        model->tokens[i] = (uint16_t) ((model->tokens[i] + 1) % shape.vocabulary);
    (void) pass_score(model->pass, &model->batch, after);
    assert_memory_equal(before, after, 39 * sizeof(float));
    assert_memory_equal(before + 70, after + 70, 70 * sizeof(float));
    assert_memory_not_equal(before, after, 40 * sizeof(float));
}

static void every_vector_path_gives_the_same_bits(void **state)
{
    struct model *model = *state;
    const char *paths[LINALG_PATHS_MAX];
    size_t count = linalg_vector_paths(paths), bytes = model->size * sizeof(float);
    float *first = malloc(bytes);
    assert_non_null(first);
    model->batch.noise = model->noise;
    model->batch.exit_weight = 0.5f;
    (void) pass_train(model->pass, &model->batch, first);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(linalg_vector_choose(paths[i], NULL), 0);
        (void) pass_train(model->pass, &model->batch, model->grads);
        assert_memory_equal(first, model->grads, bytes);
    }
    assert_int_equal(linalg_vector_choose(NULL, NULL), 0);
    free(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(gradients_of_all_tensors_are_the_slopes_of_the_loss, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(so_they_are_with_noise, set_up, tear_down),
        cmocka_unit_test_setup_teardown(so_they_are_with_exits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(so_they_are_with_noise_and_exits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(noise_and_exits_change_the_loss, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_token_sees_a_later_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_vector_path_gives_the_same_bits, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("pass", tests, NULL, NULL);
}
