/* Deep sets: the gradient by differences, indifference to order, empty sets, and that they learn. */
#include "core/rl/deep_sets.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "twin.h"

#define SETS 4u
#define MEMBERS 12u /* of all */
#define FEATURES 3u

struct sheet {
    uint32_t members[SETS];
    float x[MEMBERS * FEATURES];
    float target[SETS];
};

static struct deep_sets *create(float rate)
{
    struct deep_sets_config config = {
        .features = FEATURES, .hidden = 8, .members_max = MEMBERS, .sets_max = SETS, .rate = rate, .seed = 3};
    struct deep_sets *net = NULL;
    assert_int_equal(deep_sets_create(&net, &config), 0);
    return net;
}

static struct deep_sets_table table_of(const struct sheet *sheet)
{
    return (struct deep_sets_table){.sets = SETS, .members = sheet->members, .x = sheet->x};
}

/* A set of four, of none, of one, of seven. The target: a part of how many of the set's first features are
 * above 0, less what that is over all. */
static void draw(struct sheet *sheet, uint32_t entity)
{
    static const uint32_t members[SETS] = {4, 0, 1, 7};
    twin_fill(sheet->x, MEMBERS * FEATURES, 1.0f, entity);
    memcpy(sheet->members, members, sizeof members);
    float all = 0.0f;
    size_t row = 0;
    for (size_t i = 0; i < MEMBERS; i++)
        all += sheet->x[i * FEATURES] > 0.0f ? 1.0f / MEMBERS : 0.0f;
    for (size_t s = 0; s < SETS; s++) {
        sheet->target[s] = -all;
        for (uint32_t i = 0; i < members[s]; i++, row++)
            sheet->target[s] += sheet->x[row * FEATURES] > 0.0f ? 1.0f / (float) members[s] : 0.0f;
    }
}

/* Puts one weight a little off, by way of the bytes. */
static float loss_with(struct deep_sets *net, const struct sheet *sheet, size_t weight, float change)
{
    struct buf bytes = {0};
    assert_int_equal(deep_sets_save(net, false, &bytes), 0);
    float value;
    memcpy(&value, bytes.data + weight * sizeof value, sizeof value);
    value += change;
    memcpy(bytes.data + weight * sizeof value, &value, sizeof value);
    struct deep_sets *other = create(1e-3f);
    const uint8_t *at = bytes.data;
    size_t size = bytes.size;
    assert_int_equal(deep_sets_load(other, false, &at, &size, NULL), 0);
    assert_int_equal(size, 0);
    struct deep_sets_table table = table_of(sheet);
    float loss = deep_sets_add_gradient(other, &table, sheet->target);
    deep_sets_destroy(other);
    buf_finish(&bytes);
    return loss;
}

/* One step on each of a few sheets. */
static void train(struct deep_sets *net, uint32_t steps)
{
    struct sheet sheet;
    struct deep_sets_table table = table_of(&sheet);
    for (uint32_t step = 0; step < steps; step++) {
        draw(&sheet, step);
        (void) deep_sets_add_gradient(net, &table, sheet.target);
        deep_sets_step(net, 1);
    }
}

/* Adam's first moment after one step is a tenth of the gradient. */
static void the_gradient_is_what_differences_say(void **state)
{
    (void) state;
    struct deep_sets *net = create(0.0f);
    struct sheet sheet;
    struct deep_sets_table table = table_of(&sheet);
    struct buf full = {0};
    draw(&sheet, 1);
    (void) deep_sets_add_gradient(net, &table, sheet.target);
    deep_sets_step(net, 1);
    assert_int_equal(deep_sets_save(net, true, &full), 0);
    double largest = 0.0, worst = 0.0;
    size_t params = deep_sets_params(net);
    for (size_t i = 0; i < params; i++) {
        float moment;
        memcpy(&moment, full.data + (params + i) * sizeof moment, sizeof moment);
        double numeric =
            (double) (loss_with(net, &sheet, i, 1e-2f) - loss_with(net, &sheet, i, -1e-2f)) / 2e-2;
        largest = fmax(largest, fabs(numeric));
        worst = fmax(worst, fabs(numeric - 10.0 * (double) moment));
    }
    assert_true(largest > 1e-2);
    assert_true(worst < 2e-3 * (1.0 + largest));
    deep_sets_destroy(net);
    buf_finish(&full);
}

static void two_tables_in_a_step_count_as_their_mean(void **state)
{
    (void) state;
    struct deep_sets *once = create(1e-2f), *twice = create(1e-2f);
    struct sheet sheet;
    struct deep_sets_table table = table_of(&sheet);
    float a[SETS], b[SETS];
    draw(&sheet, 5);
    (void) deep_sets_add_gradient(once, &table, sheet.target);
    deep_sets_step(once, 1);
    (void) deep_sets_add_gradient(twice, &table, sheet.target);
    (void) deep_sets_add_gradient(twice, &table, sheet.target);
    deep_sets_step(twice, 2);
    deep_sets_predict(once, &table, a);
    deep_sets_predict(twice, &table, b);
    assert_memory_equal(a, b, sizeof a);
    deep_sets_destroy(once);
    deep_sets_destroy(twice);
}

static double error_of(struct deep_sets *net)
{
    struct sheet sheet;
    struct deep_sets_table table = table_of(&sheet);
    double sum = 0.0;
    for (uint32_t trial = 0; trial < 200; trial++) {
        float y[SETS];
        draw(&sheet, 100000 + trial);
        deep_sets_predict(net, &table, y);
        for (size_t s = 0; s < SETS; s++)
            sum += (double) (y[s] - sheet.target[s]) * (double) (y[s] - sheet.target[s]);
    }
    return sum / (200.0 * SETS);
}

static void it_learns_to_count_what_is_in_a_set_beside_what_is_in_all(void **state)
{
    (void) state;
    struct deep_sets *net = create(1e-2f);
    double before = error_of(net);
    train(net, 4000);
    assert_true(error_of(net) < 0.1 * before);
    deep_sets_destroy(net);
}

static void sets_and_members_in_another_order_get_the_same_numbers(void **state)
{
    (void) state;
    static const uint32_t members[SETS] = {7, 4, 1, 0};
    static const size_t set_of[SETS] = {3, 0, 2, 1};
    static const size_t row_of[MEMBERS] = {11, 9, 7, 5, 6, 8, 10, 3, 2, 0, 1, 4};
    struct deep_sets *net = create(1e-2f);
    struct sheet sheet, other;
    float a[SETS], b[SETS];
    train(net, 50);
    draw(&sheet, 9);
    memcpy(other.members, members, sizeof members);
    for (size_t i = 0; i < MEMBERS; i++)
        memcpy(other.x + i * FEATURES, sheet.x + row_of[i] * FEATURES, FEATURES * sizeof(float));
    struct deep_sets_table first = table_of(&sheet), second = table_of(&other);
    deep_sets_predict(net, &first, a);
    deep_sets_predict(net, &second, b);
    for (size_t s = 0; s < SETS; s++)
        assert_true(fabsf(b[s] - a[set_of[s]]) < 1e-5f);
    deep_sets_destroy(net);
}

static void sets_of_nobody_have_a_number_too(void **state)
{
    (void) state;
    static const uint32_t nobody[SETS] = {0};
    struct deep_sets *net = create(1e-2f);
    float y[SETS], target[SETS] = {1.0f, 1.0f, 1.0f, 1.0f};
    struct deep_sets_table table = {.sets = SETS, .members = nobody, .x = NULL};
    float before = deep_sets_add_gradient(net, &table, target);
    deep_sets_step(net, 1);
    deep_sets_predict(net, &table, y);
    for (size_t s = 0; s < SETS; s++)
        assert_true(isfinite(y[s]) && y[s] == y[0]);
    assert_true(deep_sets_add_gradient(net, &table, target) < before);
    deep_sets_destroy(net);
}

static void bytes_that_end_early_or_are_no_numbers_are_refused(void **state)
{
    (void) state;
    struct deep_sets *net = create(1e-2f);
    struct buf full = {0};
    train(net, 2);
    assert_int_equal(deep_sets_save(net, true, &full), 0);
    for (size_t size = 0; size < full.size; size += 5) {
        const uint8_t *at = full.data;
        size_t left = size;
        assert_int_equal(deep_sets_load(net, true, &at, &left, NULL), ERR_TRUNCATED);
    }
    float infinite = INFINITY;
    memcpy(full.data, &infinite, sizeof infinite);
    const uint8_t *at = full.data;
    size_t left = full.size;
    assert_int_equal(deep_sets_load(net, true, &at, &left, NULL), ERR_CORRUPT);
    deep_sets_destroy(net);
    buf_finish(&full);
}

static void what_was_saved_in_full_goes_on_with_the_same_bits(void **state)
{
    (void) state;
    struct deep_sets *net = create(1e-2f), *other = create(1e-2f);
    struct buf full = {0}, a = {0}, b = {0};
    train(net, 7);
    assert_int_equal(deep_sets_save(net, true, &full), 0);
    const uint8_t *at = full.data;
    size_t left = full.size;
    assert_int_equal(deep_sets_load(other, true, &at, &left, NULL), 0);
    train(net, 3);
    train(other, 3);
    assert_int_equal(deep_sets_save(net, true, &a), 0);
    assert_int_equal(deep_sets_save(other, true, &b), 0);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    deep_sets_destroy(net);
    deep_sets_destroy(other);
    buf_finish(&full);
    buf_finish(&a);
    buf_finish(&b);
}

static void the_smallest_net_is_made_and_one_without_something_is_not(void **state)
{
    (void) state;
    for (int less = 0; less < 5; less++) {
        struct deep_sets_config config = {.features = less != 1,
                                          .hidden = less != 2,
                                          .members_max = less != 3,
                                          .sets_max = less != 4,
                                          .rate = 0.01f,
                                          .seed = 1};
        struct deep_sets *net = NULL;
        assert_int_equal(deep_sets_create(&net, &config), less == 0 ? 0 : ERR_RANGE);
        deep_sets_destroy(net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_net_is_made_and_one_without_something_is_not),
        cmocka_unit_test(the_gradient_is_what_differences_say),
        cmocka_unit_test(two_tables_in_a_step_count_as_their_mean),
        cmocka_unit_test(it_learns_to_count_what_is_in_a_set_beside_what_is_in_all),
        cmocka_unit_test(sets_and_members_in_another_order_get_the_same_numbers),
        cmocka_unit_test(sets_of_nobody_have_a_number_too),
        cmocka_unit_test(bytes_that_end_early_or_are_no_numbers_are_refused),
        cmocka_unit_test(what_was_saved_in_full_goes_on_with_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
