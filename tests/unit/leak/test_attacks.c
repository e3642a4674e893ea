/* The nearest embedding and the linear probe, on rows that are made by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/base/rng.h"
#include "core/leak/leak.h"
#include "tests/unit/infer/small_model.h"

#define ROWS 600u
#define COUNT ((size_t) ROWS * SMALL_HIDDEN)

struct bench {
    struct weights *weights;
    struct leak *leak;
    uint32_t token[ROWS];
    float x[ROWS * SMALL_HIDDEN]; /* the embeddings of the tokens */
};

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    struct weights_tensor embedding;
    assert_non_null(bench);
    bench->weights = small_model_open(11);
    assert_int_equal(weights_find(bench->weights, WEIGHTS_EMBEDDING, 0, &embedding), 0);
    for (uint32_t t = 0; t < ROWS; t++) {
        bench->token[t] = small_model_token(4, t);
        weights_read_rows(&embedding, bench->token[t], 1, bench->x + t * SMALL_HIDDEN);
    }
    assert_int_equal(leak_open(&bench->leak, bench->weights, INFER_STORED, NULL), 0);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    leak_close(bench->leak);
    weights_close(bench->weights);
    free(bench);
    return 0;
}

static uint32_t hits(const struct bench *bench, const uint32_t *found, uint32_t from, uint32_t to)
{
    uint32_t count = 0;
    for (uint32_t t = from; t < to; t++)
        count += found[t - from] == bench->token[t];
    return count;
}

/* Every row becomes another one by a fixed matrix, so that no embedding is near it. */
static void mix(struct bench *bench)
{
    const struct rng_at at = {.seed = 3};
    for (size_t r = 0; r < ROWS; r++) {
        float *row = bench->x + r * SMALL_HIDDEN, mixed[SMALL_HIDDEN];
        for (uint32_t i = 0; i < SMALL_HIDDEN; i++) {
            mixed[i] = 0.5f;
            for (uint32_t j = 0; j < SMALL_HIDDEN; j++)
                mixed[i] += row[j] * (float) rng_range(&at, i * SMALL_HIDDEN + j, -1.0, 1.0);
        }
        memcpy(row, mixed, sizeof mixed);
    }
}

static void an_embedding_is_nearest_to_itself_at_any_size(void **state)
{
    struct bench *bench = *state;
    uint32_t found[ROWS];
    for (size_t i = 0; i < COUNT; i++)
        bench->x[i] *= 17.0f;
    leak_nearest(bench->leak, bench->x, ROWS, found);
    assert_int_equal(hits(bench, found, 0, ROWS), ROWS);
}

static void zeros_and_noise_are_near_to_no_embedding(void **state)
{
    struct bench *bench = *state;
    const struct rng_at at = {.seed = 9};
    uint32_t found[ROWS];
    memset(bench->x, 0, sizeof bench->x);
    leak_nearest(bench->leak, bench->x, ROWS, found);
    for (uint32_t t = 0; t < ROWS; t++)
        assert_int_equal(found[t], 0);
    for (uint32_t i = 0; i < COUNT; i++)
        bench->x[i] = (float) rng_range(&at, i, -1.0, 1.0);
    leak_nearest(bench->leak, bench->x, ROWS, found);
    assert_in_range(hits(bench, found, 0, ROWS), 0, 30); /* of 600; by chance 9 */
}

static void a_probe_undoes_a_linear_map_that_hides_the_embeddings(void **state)
{
    struct bench *bench = *state;
    const uint32_t learned = ROWS / 2;
    struct leak_probe *probe = NULL;
    uint32_t found[ROWS];
    mix(bench);
    leak_nearest(bench->leak, bench->x + learned * SMALL_HIDDEN, ROWS - learned, found);
    assert_in_range(hits(bench, found, learned, ROWS), 0, 60);
    assert_int_equal(leak_probe_create(&probe, bench->leak, NULL), 0);
    leak_probe_add(probe, bench->x, bench->token, 100);
    leak_probe_add(probe, bench->x + 100 * SMALL_HIDDEN, bench->token + 100, learned - 100);
    assert_int_equal(leak_probe_solve(probe, 1e-6, NULL), 0);
    leak_probe_guess(probe, bench->x + learned * SMALL_HIDDEN, ROWS - learned, found);
    assert_in_range(hits(bench, found, learned, ROWS), (ROWS - learned) * 9 / 10, ROWS - learned);
    leak_probe_destroy(probe);
}

/* Where rows say nothing, the constant alone decides: the token that was seen most often. */
static void a_probe_that_sees_nothing_guesses_the_commonest_token(void **state)
{
    struct bench *bench = *state;
    struct leak_probe *probe = NULL;
    uint32_t found[ROWS];
    memset(bench->x, 0, sizeof bench->x);
    for (uint32_t t = 0; t < 50; t++)
        bench->token[3 * t] = 42;
    assert_int_equal(leak_probe_create(&probe, bench->leak, NULL), 0);
    leak_probe_add(probe, bench->x, bench->token, ROWS);
    assert_int_equal(leak_probe_solve(probe, 1e-3, NULL), 0);
    assert_int_equal(leak_probe_commonest(probe), 42);
    leak_probe_guess(probe, bench->x, ROWS, found);
    for (uint32_t t = 0; t < ROWS; t++)
        assert_int_equal(found[t], 42);
    leak_probe_destroy(probe);
}

static void portions_and_order_of_calls_change_no_guess(void **state)
{
    struct bench *bench = *state;
    struct leak_probe *whole = NULL, *parts = NULL;
    uint32_t a[ROWS], b[ROWS];
    mix(bench);
    assert_int_equal(leak_probe_create(&whole, bench->leak, NULL), 0);
    assert_int_equal(leak_probe_create(&parts, bench->leak, NULL), 0);
    leak_probe_add(whole, bench->x, bench->token, 300);
    for (uint32_t t = 0; t < 300; t++)
        leak_probe_add(parts, bench->x + t * SMALL_HIDDEN, bench->token + t, 1);
    assert_int_equal(leak_probe_solve(whole, 0.1, NULL), 0);
    assert_int_equal(leak_probe_solve(parts, 0.1, NULL), 0);
    leak_probe_guess(whole, bench->x, ROWS, a);
    for (uint32_t t = 0; t < ROWS; t++)
        leak_probe_guess(parts, bench->x + t * SMALL_HIDDEN, 1, b + t);
    assert_memory_equal(a, b, sizeof a);
    leak_probe_destroy(whole);
    leak_probe_destroy(parts);
}

static void a_probe_without_rows_is_refused(void **state)
{
    struct bench *bench = *state;
    struct leak_probe *probe = NULL;
    assert_int_equal(leak_probe_create(&probe, bench->leak, NULL), 0);
    assert_int_equal(leak_probe_solve(probe, 1e-3, NULL), ERR_STATE);
    leak_probe_destroy(probe);
    leak_probe_destroy(NULL);
    leak_close(NULL);
}

#define BENCHED(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        BENCHED(an_embedding_is_nearest_to_itself_at_any_size),
        BENCHED(zeros_and_noise_are_near_to_no_embedding),
        BENCHED(a_probe_undoes_a_linear_map_that_hides_the_embeddings),
        BENCHED(a_probe_that_sees_nothing_guesses_the_commonest_token),
        BENCHED(portions_and_order_of_calls_change_no_guess),
        BENCHED(a_probe_without_rows_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
