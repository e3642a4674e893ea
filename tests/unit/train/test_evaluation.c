#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/train/bpe.h"
#include "core/train/evaluation.h"

static const struct shape shape = {
    .layers = 1, .width = 8, .heads = 2, .kv_heads = 1, .hidden = 8, .vocabulary = 258, .context = 16};

struct scene {
    struct bpe *bpe;
    struct bpe_tokens tokens;
    float *params; /* all 0: every token is as likely as every other */
};

static int set_up(void **state)
{
    static const char text[] =
        "aa bb aa cc dd aa ee ff gg aa hh ii jj kk aa ll mm nn oo aa pp qq rr ss aa tt uu vv ww aa";
    const struct bpe_text bytes = {(const uint8_t *) text, sizeof text - 1};
    struct scene *scene = calloc(1, sizeof *scene);
    assert_non_null(scene);
    assert_int_equal(bpe_train(&bytes, 1, shape.vocabulary, &scene->bpe, NULL), 0);
    assert_int_equal(bpe_encode(scene->bpe, &bytes, &scene->tokens, NULL), 0);
    assert_true(scene->tokens.count > 4 * shape.context && scene->tokens.count < bytes.size);
    scene->params = calloc(shape_parameters(&shape), sizeof *scene->params);
    assert_non_null(scene->params);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    bpe_destroy(scene->bpe);
    free(scene->tokens.id);
    free(scene->params);
    free(scene);
    return 0;
}

static struct evaluation evaluation_of(const struct scene *scene, size_t count)
{
    return (struct evaluation){.shape = &shape,
                               .params = scene->params,
                               .bpe = scene->bpe,
                               .tokens = scene->tokens.id,
                               .count = count,
                               .threads = 2};
}

static void every_token_behind_the_first_half_window_is_scored_once(void **state)
{
    const struct scene *scene = *state;
    for (size_t count = shape.context + 1; count <= scene->tokens.count; count++) {
        const struct evaluation evaluation = evaluation_of(scene, count);
        struct likelihood result;
        uint64_t bytes = 0;
        assert_int_equal(evaluation_run(&evaluation, &result, NULL), 0);
        for (size_t i = shape.context / 2 + 1; i < count; i++) {
            const uint8_t *at;
            bytes += bpe_bytes(scene->bpe, scene->tokens.id[i], &at);
        }
        assert_int_equal(result.tokens, count - 1 - shape.context / 2);
        assert_int_equal(result.bytes, bytes);
    }
}

static void who_knows_nothing_needs_the_logarithm_of_the_vocabulary(void **state)
{
    const struct scene *scene = *state;
    const struct evaluation evaluation = evaluation_of(scene, scene->tokens.count);
    struct likelihood result;
    assert_int_equal(evaluation_run(&evaluation, &result, NULL), 0);
    double bits = log2(shape.vocabulary) * (double) result.tokens / (double) result.bytes;
    assert_true(fabs(likelihood_bits_per_byte(&result) - bits) < 1e-6);
    assert_true(fabs(likelihood_perplexity(&result) - shape.vocabulary) < 1e-3);
}

static void a_quick_evaluation_takes_some_windows(void **state)
{
    const struct scene *scene = *state;
    struct evaluation evaluation = evaluation_of(scene, scene->tokens.count);
    struct likelihood result;
    evaluation.windows = 3;
    assert_int_equal(evaluation_run(&evaluation, &result, NULL), 0);
    assert_int_equal(result.tokens, 3 * shape.context / 2);
    evaluation.windows = 1000; /* there are not so many */
    assert_int_equal(evaluation_run(&evaluation, &result, NULL), 0);
    assert_int_equal(result.tokens, scene->tokens.count - 1 - shape.context / 2);
}

static void a_text_of_one_window_at_most_is_refused(void **state)
{
    const struct scene *scene = *state;
    const struct evaluation evaluation = evaluation_of(scene, shape.context);
    struct likelihood result;
    struct diag diag = {0};
    assert_int_equal(evaluation_run(&evaluation, &result, &diag), ERR_RANGE);
    assert_non_null(strstr(diag.text, "a text of 16 tokens is too short for a context of 16"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_token_behind_the_first_half_window_is_scored_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_knows_nothing_needs_the_logarithm_of_the_vocabulary, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_quick_evaluation_takes_some_windows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_text_of_one_window_at_most_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("evaluation", tests, NULL, NULL);
}
