/* The scorer: its gradient by differences, its indifference to order, what masks hide, and that it learns. */
#include "core/rl/scorer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "twin.h"

#define ROWS 5u
#define COLUMNS 3u
#define FEATURES 4u
#define OPTIONS (COLUMNS + 1)

struct sheet {
    float x[ROWS * COLUMNS * FEATURES];
    bool mask[ROWS * COLUMNS];
    float target[ROWS * OPTIONS];
};

static struct scorer *create(float rate)
{
    struct scorer_config config = {
        .features = FEATURES, .hidden = 6, .rows_max = ROWS, .columns_max = COLUMNS, .rate = rate, .seed = 3};
    struct scorer *scorer = NULL;
    assert_int_equal(scorer_create(&scorer, &config), 0);
    return scorer;
}

static struct scorer_table table_of(const struct sheet *sheet)
{
    return (struct scorer_table){.rows = ROWS, .columns = COLUMNS, .x = sheet->x, .mask = sheet->mask};
}

/* The third pair of the second row, and all of the last row, take no part. */
static void draw(struct sheet *sheet, uint32_t entity)
{
    twin_fill(sheet->x, ROWS * COLUMNS * FEATURES, 1.0f, entity);
    for (size_t pair = 0; pair < ROWS * COLUMNS; pair++)
        sheet->mask[pair] = pair != COLUMNS + 2 && pair / COLUMNS != ROWS - 1;
    for (size_t r = 0; r < ROWS; r++) {
        float sum = 0.0f;
        for (size_t c = 0; c < OPTIONS; c++) {
            bool possible = c == COLUMNS || sheet->mask[r * COLUMNS + c];
            sheet->target[r * OPTIONS + c] = possible ? 1.0f + (float) ((r + c) % 3) : 0.0f;
            sum += sheet->target[r * OPTIONS + c];
        }
        for (size_t c = 0; c < OPTIONS; c++)
            sheet->target[r * OPTIONS + c] /= sum;
    }
}

/* Puts one weight a little off, by way of the bytes. */
static float loss_with(struct scorer *scorer, const struct sheet *sheet, size_t weight, float change)
{
    struct buf bytes = {0};
    assert_int_equal(scorer_save(scorer, false, &bytes), 0);
    float value;
    memcpy(&value, bytes.data + weight * sizeof value, sizeof value);
    float moved = value + change;
    memcpy(bytes.data + weight * sizeof value, &moved, sizeof moved);
    struct scorer *other = create(1e-3f);
    const uint8_t *at = bytes.data;
    size_t size = bytes.size;
    assert_int_equal(scorer_load(other, false, &at, &size, NULL), 0);
    struct scorer_table table = table_of(sheet);
    float loss = scorer_add_gradient(other, &table, sheet->target);
    scorer_destroy(other);
    buf_finish(&bytes);
    return loss;
}

/* Adam's first moment after one step is a tenth of the gradient. */
static void the_gradient_is_what_differences_say(void **state)
{
    (void) state;
    struct scorer *scorer = create(0.0f);
    struct sheet sheet;
    draw(&sheet, 1);
    struct scorer_table table = table_of(&sheet);
    (void) scorer_add_gradient(scorer, &table, sheet.target);
    scorer_step(scorer, 1);
    struct buf full = {0};
    assert_int_equal(scorer_save(scorer, true, &full), 0);
    double largest = 0.0, worst = 0.0;
    size_t params = scorer_params(scorer);
    for (size_t i = 0; i < params; i++) {
        float moment;
        memcpy(&moment, full.data + (params + i) * sizeof moment, sizeof moment);
        double numeric =
            (double) (loss_with(scorer, &sheet, i, 1e-2f) - loss_with(scorer, &sheet, i, -1e-2f)) / 2e-2;
        largest = fmax(largest, fabs(numeric));
        worst = fmax(worst, fabs(numeric - 10.0 * (double) moment));
    }
    assert_true(largest > 1e-2);
    assert_true(worst < 2e-3 * (1.0 + largest));
    scorer_destroy(scorer);
    buf_finish(&full);
}

static void train(struct scorer *scorer, uint32_t steps)
{
    struct sheet sheet;
    for (uint32_t step = 0; step < steps; step++) {
        draw(&sheet, step);
        /* The right column is the one whose first feature is largest, if it is above 0. */
        for (size_t r = 0; r < ROWS; r++) {
            size_t best = COLUMNS;
            float most = 0.0f;
            for (size_t c = 0; c < COLUMNS; c++)
                if (sheet.mask[r * COLUMNS + c] && sheet.x[(r * COLUMNS + c) * FEATURES] > most) {
                    most = sheet.x[(r * COLUMNS + c) * FEATURES];
                    best = c;
                }
            for (size_t c = 0; c < OPTIONS; c++)
                sheet.target[r * OPTIONS + c] = c == best ? 1.0f : 0.0f;
        }
        struct scorer_table table = table_of(&sheet);
        (void) scorer_add_gradient(scorer, &table, sheet.target);
        scorer_step(scorer, 1);
    }
}

static void it_learns_which_column_is_best(void **state)
{
    (void) state;
    struct scorer *scorer = create(1e-2f);
    train(scorer, 3000);
    struct sheet sheet;
    size_t right = 0, rows = 0;
    for (uint32_t trial = 0; trial < 50; trial++) {
        float score[ROWS * OPTIONS];
        draw(&sheet, 100000 + trial);
        struct scorer_table table = table_of(&sheet);
        scorer_score(scorer, &table, score);
        for (size_t r = 0; r + 1 < ROWS; r++, rows++) {
            size_t best = COLUMNS, found = COLUMNS;
            float most = 0.0f;
            for (size_t c = 0; c < COLUMNS; c++) {
                if (sheet.mask[r * COLUMNS + c] && sheet.x[(r * COLUMNS + c) * FEATURES] > most) {
                    most = sheet.x[(r * COLUMNS + c) * FEATURES];
                    best = c;
                }
                found = score[r * OPTIONS + c] > score[r * OPTIONS + found] ? c : found;
            }
            right += best == found ? 1 : 0;
        }
    }
    assert_true(right * 100 >= rows * 90);
    scorer_destroy(scorer);
}

static void rows_and_columns_in_another_order_get_the_same_scores(void **state)
{
    (void) state;
    static const size_t row_of[ROWS] = {3, 0, 4, 1, 2}, column_of[COLUMNS] = {2, 0, 1};
    struct scorer *scorer = create(1e-2f);
    train(scorer, 50);
    struct sheet sheet, other;
    draw(&sheet, 9);
    for (size_t r = 0; r < ROWS; r++)
        for (size_t c = 0; c < COLUMNS; c++) {
            size_t to = r * COLUMNS + c, from = row_of[r] * COLUMNS + column_of[c];
            memcpy(other.x + to * FEATURES, sheet.x + from * FEATURES, FEATURES * sizeof(float));
            other.mask[to] = sheet.mask[from];
        }
    float a[ROWS * OPTIONS], b[ROWS * OPTIONS];
    struct scorer_table first = table_of(&sheet), second = table_of(&other);
    scorer_score(scorer, &first, a);
    scorer_score(scorer, &second, b);
    for (size_t r = 0; r < ROWS; r++)
        for (size_t c = 0; c < OPTIONS; c++) {
            float wanted = a[row_of[r] * OPTIONS + (c < COLUMNS ? column_of[c] : COLUMNS)];
            float found = b[r * OPTIONS + c];
            assert_true(isinf(wanted) ? found == wanted : fabsf(found - wanted) < 1e-5f);
        }
    scorer_destroy(scorer);
}

static void what_is_masked_does_not_show(void **state)
{
    (void) state;
    struct scorer *scorer = create(1e-2f);
    train(scorer, 20);
    struct sheet sheet;
    float a[ROWS * OPTIONS], b[ROWS * OPTIONS];
    draw(&sheet, 4);
    struct scorer_table table = table_of(&sheet);
    scorer_score(scorer, &table, a);
    for (size_t pair = 0; pair < ROWS * COLUMNS; pair++)
        for (size_t i = 0; i < FEATURES && !sheet.mask[pair]; i++)
            sheet.x[pair * FEATURES + i] = 1e6f;
    scorer_score(scorer, &table, b);
    assert_memory_equal(a, b, sizeof a);
    assert_true(isinf(a[1 * OPTIONS + 2]) && a[1 * OPTIONS + 2] < 0.0f);
    scorer_destroy(scorer);
}

static void bytes_that_end_early_or_are_no_numbers_are_refused(void **state)
{
    (void) state;
    struct scorer *scorer = create(1e-2f);
    struct buf full = {0};
    train(scorer, 2);
    assert_int_equal(scorer_save(scorer, true, &full), 0);
    for (size_t size = 0; size < full.size; size += 5) {
        const uint8_t *at = full.data;
        size_t left = size;
        assert_int_equal(scorer_load(scorer, true, &at, &left, NULL), ERR_TRUNCATED);
    }
    float infinite = INFINITY;
    memcpy(full.data, &infinite, sizeof infinite);
    const uint8_t *at = full.data;
    size_t left = full.size;
    assert_int_equal(scorer_load(scorer, true, &at, &left, NULL), ERR_CORRUPT);
    scorer_destroy(scorer);
    buf_finish(&full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gradient_is_what_differences_say),
        cmocka_unit_test(it_learns_which_column_is_best),
        cmocka_unit_test(rows_and_columns_in_another_order_get_the_same_scores),
        cmocka_unit_test(what_is_masked_does_not_show),
        cmocka_unit_test(bytes_that_end_early_or_are_no_numbers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
