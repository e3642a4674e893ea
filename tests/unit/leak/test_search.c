/* Search with known weights: what it finds in undamaged, noisy and lost activations, and that company changes nothing. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/base/rng.h"
#include "core/infer/layers.h"
#include "core/leak/leak.h"
#include "tests/unit/infer/small_model.h"

#define TOKENS 12u
#define COUNT ((size_t) TOKENS * SMALL_HIDDEN)

struct bench {
    struct weights *weights;
    struct leak *leak;
    uint32_t token[TOKENS];
    float x[SMALL_LAYERS + 1][TOKENS * SMALL_HIDDEN]; /* at each split */
};

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    struct infer_model *model = NULL;
    struct infer_workspace workspace = {0};
    struct infer_cache *cache = NULL;
    assert_non_null(bench);
    bench->weights = small_model_open(11);
    for (uint32_t t = 0; t < TOKENS; t++)
        bench->token[t] = small_model_token(4, t);
    assert_int_equal(infer_model_create(&model, bench->weights, INFER_STORED, NULL), 0);
    assert_int_equal(infer_cache_create(&cache, model->geometry, 0, SMALL_LAYERS, TOKENS, NULL), 0);
    assert_int_equal(infer_embed(model, bench->token, TOKENS, bench->x[0], NULL), 0);
    for (uint32_t l = 0; l < SMALL_LAYERS; l++) {
        memcpy(bench->x[l + 1], bench->x[l], sizeof bench->x[l]);
        assert_int_equal(infer_layers(model, &workspace, l, l + 1, &(struct infer_span){cache, 0, TOKENS}, 1,
                                      bench->x[l + 1], NULL, NULL),
                         0);
    }
    infer_cache_destroy(cache);
    infer_workspace_finish(&workspace);
    infer_model_destroy(model);
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

static void search(struct bench *bench, const struct leak_observer *observer, size_t observers)
{
    struct diag diag = {{0}};
    if (leak_search(bench->leak, observer, observers, TOKENS, NULL, NULL, &diag) != 0)
        fail_msg("%s", diag.text);
}

/* Normal noise of that many times the activations' root mean square. */
static void add_noise(float *x, double level, uint64_t seed)
{
    const struct rng_at at = {.seed = seed};
    double square = 0.0, pair[2];
    for (size_t i = 0; i < COUNT; i++)
        square += (double) x[i] * (double) x[i] / COUNT;
    for (uint32_t i = 0; i < COUNT; i++) {
        struct rng_block block = rng_block(&at, i);
        rng_normal_pair(block.v[0], block.v[1], pair);
        x[i] += (float) (level * sqrt(square) * pair[0]);
    }
}

static void what_crosses_undamaged_is_read_whole_at_every_split(void **state)
{
    struct bench *bench = *state;
    struct leak_observer observer[SMALL_LAYERS + 1];
    uint32_t found[SMALL_LAYERS + 1][TOKENS];
    for (uint32_t s = 0; s <= SMALL_LAYERS; s++)
        observer[s] = (struct leak_observer){s, bench->x[s], false, found[s]};
    search(bench, observer, SMALL_LAYERS + 1);
    for (uint32_t s = 0; s <= SMALL_LAYERS; s++)
        assert_memory_equal(found[s], bench->token, sizeof bench->token);
}

/* Nothing but zeros: every candidate is as near as any other where zeros are known to be missing. */
static void what_is_lost_whole_is_not_read(void **state)
{
    struct bench *bench = *state;
    static float nothing[TOKENS * SMALL_HIDDEN];
    uint32_t found[TOKENS];
    memset(nothing, 0, sizeof nothing);
    search(bench, &(struct leak_observer){2, nothing, true, found}, 1);
    for (uint32_t t = 0; t < TOKENS; t++)
        assert_int_equal(found[t], 0);
}

/* Of 64 elements a quarter is left: enough, when one does not take the zeros for what was sent. */
static void missing_elements_are_left_out_of_the_comparison(void **state)
{
    struct bench *bench = *state;
    uint32_t found[TOKENS], fooled[TOKENS];
    for (size_t i = 0; i < COUNT; i++)
        if (i % 4 != 0)
            bench->x[1][i] = 0.0f;
    search(bench, &(struct leak_observer){1, bench->x[1], true, found}, 1);
    search(bench, &(struct leak_observer){1, bench->x[1], false, fooled}, 1);
    assert_memory_equal(found, bench->token, sizeof found);
    assert_memory_not_equal(fooled, bench->token, sizeof fooled);
}

/* Observers who disagree go on with keys and values of their own, and those who agree share them. */
static void an_observer_finds_the_same_alone_and_in_company(void **state)
{
    struct bench *bench = *state;
    enum { OBSERVERS = 7 };
    static float x[OBSERVERS][TOKENS * SMALL_HIDDEN];
    struct leak_observer observer[OBSERVERS];
    uint32_t together[OBSERVERS][TOKENS], alone[TOKENS], different = 0;
    for (uint32_t i = 0; i < OBSERVERS; i++) {
        const uint32_t split = (5 * i + 2) % (SMALL_LAYERS + 1);
        memcpy(x[i], bench->x[split], sizeof x[i]);
        add_noise(x[i], i < 2 ? 0.0 : 0.6 + 0.25 * i, i);
        observer[i] = (struct leak_observer){split, x[i], false, together[i]};
    }
    search(bench, observer, OBSERVERS);
    for (uint32_t i = 0; i < OBSERVERS; i++) {
        struct leak_observer one = observer[i];
        one.ret_token = alone;
        search(bench, &one, 1);
        assert_memory_equal(alone, together[i], sizeof alone);
        different += memcmp(alone, bench->token, sizeof alone) != 0;
    }
    assert_in_range(different, 2, OBSERVERS - 2); /* the noise parts some of them */
}

static bool count_two(void *user, uint32_t found)
{
    uint32_t *calls = user;
    assert_int_equal(found, ++*calls);
    return found < 2;
}

static void a_search_can_be_stopped_and_refuses_what_the_model_does_not_have(void **state)
{
    struct bench *bench = *state;
    uint32_t found[SMALL_CONTEXT + 1], calls = 0;
    const struct leak_observer good = {1, bench->x[1], false, found},
                               bad = {SMALL_LAYERS + 1, bench->x[1], false, found};
    struct diag diag = {{0}};
    assert_int_equal(leak_search(bench->leak, &good, 1, TOKENS, count_two, &calls, NULL), -EINTR);
    assert_int_equal(calls, 2);
    assert_int_equal(leak_search(bench->leak, &bad, 1, TOKENS, NULL, NULL, &diag), ERR_RANGE);
    assert_non_null(strstr(diag.text, "split 4"));
    assert_int_equal(leak_search(bench->leak, &good, 1, SMALL_CONTEXT + 1, NULL, NULL, NULL), ERR_RANGE);
    assert_int_equal(leak_search(bench->leak, &good, 1, 0, NULL, NULL, NULL), ERR_RANGE);
    assert_int_equal(leak_search(bench->leak, NULL, 0, TOKENS, NULL, NULL, NULL), 0);
}

#define BENCHED(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        BENCHED(what_crosses_undamaged_is_read_whole_at_every_split),
        BENCHED(what_is_lost_whole_is_not_read),
        BENCHED(missing_elements_are_left_out_of_the_comparison),
        BENCHED(an_observer_finds_the_same_alone_and_in_company),
        BENCHED(a_search_can_be_stopped_and_refuses_what_the_model_does_not_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
