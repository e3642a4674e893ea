/* What is counted as recovered: by setting, split and seed, against attacks that are made by hand. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "orchestrator/channel/channel_leak.h"
#include "tests/unit/infer/small_model.h"

#define TOKENS 33u
#define LESSONS 129u
#define PROMPT 8u
#define ALL 32u /* tokens of all prompts */

struct bench {
    struct weights *weights;
    struct channel_grid grid;
    struct channel_leak study;
};

static struct perplexity *open_text(const struct bench *bench, uint32_t seed, uint32_t tokens)
{
    uint32_t token[LESSONS];
    struct perplexity *text = NULL;
    for (uint32_t t = 0; t < tokens; t++)
        token[t] =
            t % 5 == 0 ? 7 : small_model_token(seed, t) % 20; /* a common one, and each several times */
    assert_int_equal(
        perplexity_open(&text, bench->weights, &(struct perplexity_text){token, tokens, NULL},
                        &(struct perplexity_options){.window = PROMPT, .first = 0, .last = SMALL_LAYERS},
                        NULL),
        0);
    return text;
}

static void open_bench(struct bench *bench, const struct channel_words *words, uint32_t seeds)
{
    *bench = (struct bench){.weights = small_model_open(11)};
    assert_int_equal(channel_grid_make(words, SMALL_LAYERS, SMALL_HIDDEN, &bench->grid, NULL), 0);
    bench->study = (struct channel_leak){.grid = &bench->grid,
                                         .prompts = open_text(bench, 4, TOKENS),
                                         .lessons = open_text(bench, 5, LESSONS),
                                         .attack = {true, true, true},
                                         .seeds = seeds,
                                         .first_seed = 3,
                                         .reference_rms = 1.0,
                                         .ridge = 1e-3};
    assert_int_equal(leak_open(&bench->study.leak, bench->weights, INFER_STORED, NULL), 0);
    assert_int_equal(channel_leak_open(&bench->study, NULL), 0);
    assert_int_equal(channel_leak_tokens(&bench->study), ALL);
}

static void run(struct bench *bench)
{
    struct diag diag = {{0}};
    if (channel_leak_run(&bench->study, &diag) != 0)
        fail_msg("%s", diag.text);
}

static void close_bench(struct bench *bench)
{
    channel_leak_close(&bench->study);
    leak_close(bench->study.leak);
    perplexity_close(bench->study.prompts);
    perplexity_close(bench->study.lessons);
    channel_grid_finish(&bench->grid);
    weights_close(bench->weights);
}

static void undamaged_floats_are_searched_whole_at_every_split(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, &(struct channel_words){.modes = "none", .formats = "fp32,int8", .splits = "0-3"}, 2);
    run(&bench);
    for (size_t s = 0; s < 4; s++) {
        assert_int_equal(channel_leak_found(&bench.study, 0, s, 0, CHANNEL_SEARCH), ALL);
        assert_true(channel_leak_share(&bench.study, 0, s, CHANNEL_SEARCH) == 1.0);
    }
    assert_int_equal(channel_leak_found(&bench.study, 0, 0, 0, CHANNEL_NEAREST),
                     ALL); /* embeddings themselves */
    assert_true(channel_leak_share(&bench.study, 0, 1, CHANNEL_PROBE) > 0.5);
    assert_int_equal(channel_leak_seeds(&bench.study, 0), 1); /* no draws */
    close_bench(&bench);
}

static void what_is_lost_whole_leaves_the_guess(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, &(struct channel_words){.modes = "erasure", .losses = "1", .splits = "0,2"}, 2);
    run(&bench);
    uint32_t zeros = 0;
    for (size_t w = 0; w < perplexity_windows(bench.study.prompts); w++)
        for (uint32_t r = 0; r < PROMPT; r++)
            zeros += perplexity_tokens(bench.study.prompts, w)[r] == 0;
    assert_true(bench.study.guessed > 0 && bench.study.guessed < ALL / 2);
    for (size_t s = 0; s < 2; s++)
        for (uint32_t seed = 0; seed < 2; seed++) {
            assert_int_equal(channel_leak_found(&bench.study, 0, s, seed, CHANNEL_PROBE),
                             bench.study.guessed);
            assert_int_equal(channel_leak_found(&bench.study, 0, s, seed, CHANNEL_SEARCH), zeros);
            assert_int_equal(channel_leak_found(&bench.study, 0, s, seed, CHANNEL_NEAREST), zeros);
        }
    close_bench(&bench);
}

/* The count is that of attacks on what perplexity_receive gives, prompt by prompt. */
static void each_count_is_that_of_its_setting_split_and_seed(void **state)
{
    (void) state;
    struct bench bench;
    uint32_t counts[2] = {0}, different = 0;
    open_bench(&bench, &(struct channel_words){.modes = "analog", .snrs = "20,-12", .powers = "per_token"},
               3);
    run(&bench);
    for (uint32_t seed = 0; seed < 3; seed++) {
        float x[PROMPT * SMALL_HIDDEN];
        uint32_t found[PROMPT], searched = 0, near = 0;
        for (size_t w = 0; w < perplexity_windows(bench.study.prompts); w++) {
            const struct perplexity_crossing crossing = {2, ACTIVATION_FP32, 0, bench.grid.setting[1].damage};
            const struct rng_at at = {.seed = 3 + seed, .phase = RNG_TEST};
            struct damage_result damage = {0};
            const uint32_t *token = perplexity_tokens(bench.study.prompts, w);
            assert_int_equal(perplexity_receive(bench.study.prompts, &crossing, &at, w, x, &damage, NULL), 0);
            leak_nearest(bench.study.leak, x, PROMPT, found);
            for (uint32_t r = 0; r < PROMPT; r++)
                near += found[r] == token[r];
            const struct leak_observer observer = {2, x, false, found};
            assert_int_equal(leak_search(bench.study.leak, &observer, 1, PROMPT, NULL, NULL, NULL), 0);
            for (uint32_t r = 0; r < PROMPT; r++)
                searched += found[r] == token[r];
        }
        assert_int_equal(channel_leak_found(&bench.study, 1, 1, seed, CHANNEL_SEARCH), searched);
        assert_int_equal(channel_leak_found(&bench.study, 1, 1, seed, CHANNEL_NEAREST), near);
        different += seed > 0 && searched != counts[0];
        counts[0] = seed == 0 ? searched : counts[0];
    }
    assert_true(different > 0); /* seeds draw for themselves */
    assert_true(channel_leak_share(&bench.study, 0, 1, CHANNEL_SEARCH) >
                channel_leak_share(&bench.study, 1, 1, CHANNEL_SEARCH));
    close_bench(&bench);
}

static bool stop(void *user, enum channel_attack attack, size_t done, size_t all)
{
    enum channel_attack *last = user;
    assert_true(done <= all);
    *last = attack;
    return attack != CHANNEL_SEARCH;
}

static void only_attacks_that_are_asked_for_are_made_and_all_can_be_stopped(void **state)
{
    (void) state;
    struct bench bench;
    enum channel_attack last = CHANNEL_NEAREST;
    open_bench(&bench, &(struct channel_words){.modes = "none", .formats = "fp32"}, 1);
    bench.study.attack[CHANNEL_PROBE] = false;
    bench.study.tell = stop;
    bench.study.user = &last;
    assert_int_equal(channel_leak_run(&bench.study, NULL), -EINTR);
    assert_int_equal(last, CHANNEL_SEARCH);
    assert_int_equal(channel_leak_found(&bench.study, 0, 0, 0, CHANNEL_PROBE), 0);
    close_bench(&bench);
}

static void words_of_attacks_are_known(void **state)
{
    (void) state;
    bool attack[CHANNEL_ATTACKS];
    struct diag diag = {{0}};
    assert_int_equal(channel_attack_parse("search,nearest", attack, NULL), 0);
    assert_true(attack[CHANNEL_NEAREST] && attack[CHANNEL_SEARCH] && !attack[CHANNEL_PROBE]);
    assert_int_equal(channel_attack_parse("search,guess", attack, &diag), ERR_SYNTAX);
    assert_non_null(strstr(diag.text, "--attack: 'guess'"));
    assert_int_equal(channel_attack_parse("", attack, NULL), ERR_SYNTAX);
    assert_int_equal(channel_attack_parse("probe,", attack, NULL), ERR_SYNTAX);
}

static void the_csv_has_a_row_for_each_attack(void **state)
{
    (void) state;
    struct bench bench;
    struct buf text = {0};
    open_bench(
        &bench,
        &(struct channel_words){.modes = "none,erasure", .formats = "fp32", .losses = "0.25", .splits = "1"},
        2);
    bench.study.attack[CHANNEL_PROBE] = false;
    run(&bench);
    assert_int_equal(channel_leak_csv(&bench.study, &text), 0);
    size_t rows = 0;
    for (const char *at = (const char *) text.data; (at = strchr(at, '\n')) != NULL; at++)
        rows++;
    assert_int_equal(rows, 1 + 2 * (1 + 2));
    assert_non_null(strstr((const char *) text.data, "\nnone,,fp32,,,,,1,,search,32,32\n"));
    assert_non_null(strstr((const char *) text.data, "\nerasure,0.25,fp32,,,,zero,1,4,search,"));
    buf_finish(&text);
    close_bench(&bench);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(undamaged_floats_are_searched_whole_at_every_split),
        cmocka_unit_test(what_is_lost_whole_leaves_the_guess),
        cmocka_unit_test(each_count_is_that_of_its_setting_split_and_seed),
        cmocka_unit_test(only_attacks_that_are_asked_for_are_made_and_all_can_be_stopped),
        cmocka_unit_test(words_of_attacks_are_known),
        cmocka_unit_test(the_csv_has_a_row_for_each_attack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
