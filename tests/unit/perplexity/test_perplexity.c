/* The likelihood of a text: against a plain program in double precision, against the card of the house model, and
 * behind every kind of damage. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/base/file.h"
#include "core/perplexity/perplexity.h"
#include "tests/unit/infer/small_model.h"

#define TOKENS 131u
#define WINDOW 32u

static const struct rng_at somewhere = {.seed = 5, .phase = RNG_TEST, .episode = 2, .slot = 3};

struct bench {
    struct weights *weights;
    uint32_t token[TOKENS];
};

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    bench->weights = small_model_open(11);
    for (uint32_t t = 0; t < TOKENS; t++)
        bench->token[t] = small_model_token(4, t);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    weights_close(bench->weights);
    free(bench);
    return 0;
}

static struct perplexity *open_tokens(const struct bench *bench, size_t tokens,
                                      const struct perplexity_options *options)
{
    const struct perplexity_text text = {.token = bench->token, .tokens = tokens};
    struct perplexity *perplexity = NULL;
    struct diag diag = {{0}};
    if (perplexity_open(&perplexity, bench->weights, &text, options, &diag) != 0)
        fail_msg("%s", diag.text);
    return perplexity;
}

static struct perplexity_result measure(struct perplexity *perplexity,
                                        const struct perplexity_crossing *crossing, const struct rng_at *at)
{
    struct perplexity_result result;
    struct diag diag = {{0}};
    if (perplexity_measure(perplexity, crossing, at, &result, NULL, &diag) != 0)
        fail_msg("%s", diag.text);
    return result;
}

static void assert_same(const struct likelihood *a, const struct likelihood *b)
{
    assert_memory_equal(&a->nats, &b->nats, sizeof a->nats);
    assert_int_equal(a->tokens, b->tokens);
    assert_int_equal(a->bytes, b->bytes);
}

/* ---- windows ---- */

/* Nats of the rows from `asked` on of tokens [first, first + WINDOW), by a plain program. */
static double plain_nats(const struct bench *bench, size_t first, uint32_t asked)
{
    static double logits[WINDOW * SMALL_VOCAB];
    double nats = 0.0;
    small_model_oracle(bench->weights, bench->token + first, WINDOW, logits);
    for (uint32_t i = asked; i < WINDOW; i++) {
        double sum = 0.0;
        for (uint32_t v = 0; v < SMALL_VOCAB; v++)
            sum += exp(logits[i * SMALL_VOCAB + v]);
        nats += log(sum) - logits[i * SMALL_VOCAB + bench->token[first + i + 1]];
    }
    return nats;
}

/* 131 tokens: windows from 0, 32, 64, and the last, moved back from 96 to the text's end at 98. */
static void nats_are_those_of_a_plain_program(void **state)
{
    static const uint32_t begins[] = {0, 32, 64, 96};
    const struct bench *bench = *state;
    struct perplexity *perplexity =
        open_tokens(bench, TOKENS - 2, &(struct perplexity_options){.window = WINDOW});
    struct likelihood clean = perplexity_clean(perplexity), sum = {0};
    assert_int_equal(perplexity_windows(perplexity), 4);
    for (size_t w = 0; w < 4; w++) {
        struct likelihood window = perplexity_clean_window(perplexity, w);
        double wanted = plain_nats(bench, begins[w], 0);
        assert_true(fabs(window.nats - wanted) < 1e-4 * wanted);
        likelihood_add(&sum, &window);
    }
    assert_same(&sum, &clean);
    assert_int_equal(clean.tokens, TOKENS - 3);
    perplexity_close(perplexity);
}

static void the_last_window_moves_back_and_scores_what_is_left(void **state)
{
    const struct bench *bench = *state;
    struct perplexity *perplexity =
        open_tokens(bench, TOKENS, &(struct perplexity_options){.window = WINDOW});
    assert_int_equal(perplexity_windows(perplexity), 5);
    struct likelihood last = perplexity_clean_window(perplexity, 4);
    double wanted = plain_nats(bench, 98, 30);
    assert_int_equal(last.tokens, 2);
    assert_true(fabs(last.nats - wanted) < 1e-4 * wanted);
    assert_ptr_not_equal(perplexity_tokens(perplexity, 4), bench->token); /* its own copy */
    assert_memory_equal(perplexity_tokens(perplexity, 4), bench->token + 98, WINDOW * sizeof *bench->token);
    assert_int_equal(perplexity_clean(perplexity).tokens, TOKENS - 1);
    perplexity_close(perplexity);
}

static void skipped_tokens_are_context_alone(void **state)
{
    const struct bench *bench = *state;
    struct perplexity *perplexity =
        open_tokens(bench, TOKENS, &(struct perplexity_options){.window = WINDOW, .skip = 20});
    size_t windows = perplexity_windows(perplexity);
    for (size_t w = 0; w + 1 < windows; w++) {
        struct likelihood window = perplexity_clean_window(perplexity, w);
        double wanted = plain_nats(bench, 12 * w, 20);
        assert_int_equal(window.tokens, 12);
        assert_true(fabs(window.nats - wanted) < 1e-4 * wanted);
    }
    assert_int_equal(perplexity_clean(perplexity).tokens, TOKENS - 1 - 20);
    perplexity_close(perplexity);
}

/* A stride shorter than what a window scores gives later windows more context, and no token two scores. */
static void overlapping_windows_score_no_token_twice(void **state)
{
    struct perplexity *perplexity =
        open_tokens(*state, TOKENS, &(struct perplexity_options){.window = WINDOW, .stride = 5});
    assert_int_equal(perplexity_clean_window(perplexity, 0).tokens, WINDOW);
    assert_int_equal(perplexity_clean_window(perplexity, 1).tokens, 5);
    assert_int_equal(perplexity_clean(perplexity).tokens, TOKENS - 1);
    perplexity_close(perplexity);
}

static void some_windows_are_spread_over_the_text(void **state)
{
    const struct bench *bench = *state;
    struct perplexity *perplexity =
        open_tokens(bench, TOKENS, &(struct perplexity_options){.window = WINDOW, .windows = 2});
    assert_int_equal(perplexity_windows(perplexity), 2);
    assert_memory_equal(perplexity_tokens(perplexity, 1), bench->token + 2 * WINDOW,
                        WINDOW * sizeof *bench->token);
    perplexity_close(perplexity);
}

static void a_short_text_is_one_short_window(void **state)
{
    struct perplexity *perplexity = open_tokens(*state, 9, &(struct perplexity_options){.window = WINDOW});
    assert_int_equal(perplexity_windows(perplexity), 1);
    assert_int_equal(perplexity_rows(perplexity), 8);
    assert_int_equal(perplexity_clean(perplexity).tokens, 8);
    perplexity_close(perplexity);
}

/* ---- measuring ---- */

static void floats_that_cross_undamaged_change_no_bit_at_any_split(void **state)
{
    struct perplexity *perplexity = open_tokens(
        *state, TOKENS, &(struct perplexity_options){.window = WINDOW, .first = 0, .last = SMALL_LAYERS});
    struct likelihood clean = perplexity_clean(perplexity);
    for (uint32_t split = 0; split <= SMALL_LAYERS; split++) {
        struct perplexity_result result =
            measure(perplexity, &(struct perplexity_crossing){.split = split}, &somewhere);
        assert_same(&result.likelihood, &clean);
        assert_int_equal(result.failed, 0);
    }
    perplexity_close(perplexity);
}

/* How many windows go through the layers together is a matter of speed alone. */
static void a_window_has_the_same_bits_in_any_company(void **state)
{
    const struct perplexity_crossing crossing = {
        .split = 1, .damage = {.kind = DAMAGE_ANALOG, .snr_db = 3, .power = DAMAGE_PER_TOKEN}};
    struct perplexity *all = open_tokens(*state, TOKENS - 2, &(struct perplexity_options){.window = WINDOW}),
                      *one;
    struct likelihood window[4], alone;
    struct perplexity_result result;
    assert_int_equal(perplexity_measure(all, &crossing, &somewhere, &result, window, NULL), 0);
    one = open_tokens(*state, TOKENS - 2, &(struct perplexity_options){.window = WINDOW, .windows = 1});
    assert_int_equal(perplexity_measure(one, &crossing, &somewhere, &result, &alone, NULL), 0);
    assert_same(&window[0], &alone);
    assert_true(window[0].nats != perplexity_clean_window(all, 0).nats);
    perplexity_close(one);
    perplexity_close(all);
}

static void windows_add_up_and_draw_for_themselves(void **state)
{
    struct bench *bench = *state;
    const struct perplexity_crossing crossing = {.split = 2,
                                                 .damage = {.kind = DAMAGE_ELEMENTS, .loss = 0.5}};
    for (uint32_t t = WINDOW; t < 4 * WINDOW + 1; t++) /* all windows have the same tokens */
        bench->token[t] = bench->token[t - WINDOW];
    struct perplexity *perplexity =
        open_tokens(bench, 4 * WINDOW + 1, &(struct perplexity_options){.window = WINDOW});
    struct likelihood window[4], sum = {0};
    struct perplexity_result result;
    struct rng_at second = somewhere;
    assert_int_equal(perplexity_measure(perplexity, &crossing, &somewhere, &result, window, NULL), 0);
    for (size_t w = 0; w < 4; w++)
        likelihood_add(&sum, &window[w]);
    assert_same(&sum, &result.likelihood);
    assert_true(window[0].nats != window[1].nats);
    struct likelihood was = window[1];
    second.entity++;
    assert_int_equal(perplexity_measure(perplexity, &crossing, &second, &result, window, NULL), 0);
    assert_same(&window[0], &was); /* entity + w */
    perplexity_close(perplexity);
}

/* With every element lost, all rows are the same: nothing of the prompt is left but its length. */
static void what_is_lost_whole_tells_nothing_of_the_prompt(void **state)
{
    struct bench *bench = *state;
    const struct perplexity_crossing crossing = {.split = 1,
                                                 .damage = {.kind = DAMAGE_ELEMENTS, .loss = 1.0}};
    struct perplexity *perplexity =
        open_tokens(bench, WINDOW + 1, &(struct perplexity_options){.window = WINDOW});
    struct perplexity_result result = measure(perplexity, &crossing, &somewhere);
    assert_int_equal(result.damage.elements, WINDOW * SMALL_HIDDEN);
    assert_int_equal(result.damage.missing, WINDOW * SMALL_HIDDEN);
    /* zeros stay zeros through all layers: the head's logits are 0 */
    assert_true(fabs(result.likelihood.nats - WINDOW * log(SMALL_VOCAB)) < 1e-9 * result.likelihood.nats);
    perplexity_close(perplexity);
}

static void the_same_draws_give_the_same_bits_whatever_was_measured_before(void **state)
{
    const struct perplexity_crossing crossings[] = {
        {.split = 1, .format = ACTIVATION_INT8, .damage = {.kind = DAMAGE_BITS, .bit_error = 0.01}},
        {.split = 2, .damage = {.kind = DAMAGE_ANALOG, .snr_db = 0, .power = DAMAGE_PER_REQUEST}},
        {.split = 1,
         .format = ACTIVATION_FP16,
         .damage = {.kind = DAMAGE_PACKETS, .loss = 0.2, .packet_bytes = 100, .fill = DAMAGE_PREVIOUS}},
        {.split = 2, .format = ACTIVATION_INT4},
        {.split = 2, .format = ACTIVATION_TOPK, .k = 9},
    };
    enum { COUNT = sizeof crossings / sizeof *crossings };
    struct perplexity *perplexity =
        open_tokens(*state, TOKENS, &(struct perplexity_options){.window = WINDOW});
    struct perplexity_result first[COUNT];
    struct likelihood clean = perplexity_clean(perplexity);
    for (size_t i = 0; i < COUNT; i++)
        first[i] = measure(perplexity, &crossings[i], &somewhere);
    for (size_t i = COUNT; i-- > 0;) {
        struct perplexity_result again = measure(perplexity, &crossings[i], &somewhere);
        assert_same(&again.likelihood, &first[i].likelihood);
        assert_true(again.likelihood.nats != clean.nats);
        assert_int_equal(again.likelihood.tokens, clean.tokens);
    }
    perplexity_close(perplexity);
}

/* What a measure computes on can be looked at, window by window. */
static void what_is_received_is_what_a_measure_scores(void **state)
{
    const struct perplexity_crossing crossing = {.split = 1,
                                                 .damage = {.kind = DAMAGE_ELEMENTS, .loss = 0.5}};
    struct perplexity *perplexity =
        open_tokens(*state, TOKENS - 2, &(struct perplexity_options){.window = WINDOW});
    static float x[WINDOW * SMALL_HIDDEN];
    struct perplexity_result result = measure(perplexity, &crossing, &somewhere);
    struct damage_result damage = {0};
    for (size_t w = 0; w < 4; w++) {
        const float *sent = perplexity_activations(perplexity, w, 1);
        size_t lost = 0;
        assert_int_equal(perplexity_receive(perplexity, &crossing, &somewhere, w, x, &damage, NULL), 0);
        for (size_t i = 0; i < WINDOW * SMALL_HIDDEN; i++) {
            bool is_same = memcmp(&x[i], &sent[i], sizeof x[i]) == 0;
            assert_true(is_same || x[i] == 0.0f);
            lost += !is_same;
        }
        assert_in_range(lost, WINDOW * SMALL_HIDDEN * 2 / 5, WINDOW * SMALL_HIDDEN * 3 / 5);
    }
    assert_memory_equal(&damage, &result.damage, sizeof damage);
    assert_int_equal(perplexity_receive(perplexity, &(struct perplexity_crossing){.split = 3}, &somewhere, 0,
                                        x, &damage, NULL),
                     ERR_RANGE);
    perplexity_close(perplexity);
}

/* ---- numbers that are too large ---- */

/* Exponents turn over. A norm makes zeros of what is too large to be squared, so nothing is foretold. */
static void activations_of_any_size_give_a_finite_likelihood(void **state)
{
    const struct perplexity_crossing crossing = {.split = 1,
                                                 .damage = {.kind = DAMAGE_BITS, .bit_error = 0.3}};
    struct perplexity *perplexity =
        open_tokens(*state, TOKENS, &(struct perplexity_options){.window = WINDOW});
    struct perplexity_result result = measure(perplexity, &crossing, &somewhere);
    assert_true(fabs(result.likelihood.nats - (TOKENS - 1) * log(SMALL_VOCAB)) <
                1e-9 * result.likelihood.nats);
    perplexity_close(perplexity);
}

#define LONELY 7u /* a column that no clean activation uses, and whose weights overflow */

/* A matrix [count][columns] of a model file becomes `value` in one column. */
static void set_column(float *at, size_t count, size_t columns, size_t column, float value)
{
    for (size_t i = 0; i < count; i++)
        at[i * columns + column] = value;
}

/* Its layers overflow as soon as any noise is in column LONELY. */
static struct weights *open_fragile_model(void)
{
    enum { D = SMALL_HIDDEN, L = SMALL_LAYERS, F = SMALL_FF, HEADER = 7 };
    const size_t kv = SMALL_KV_HEADS * (D / SMALL_HEADS);
    char path[] = "/tmp/handoff-fragile-model-XXXXXX";
    struct weights *weights = NULL;
    struct buf bytes = {0};
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(close(file), 0);
    small_model_write(path, 11);
    assert_int_equal(file_read(path, 1u << 24, &bytes, NULL), 0);
    float *at = (float *) (void *) bytes.data + HEADER;
    set_column(at, SMALL_VOCAB, D, LONELY, 0.0f);
    float *output = at + SMALL_VOCAB * D + L * D + L * D * D + 2 * L * D * kv,
          *gate = output + L * D * D + L * D;
    float *down = gate + L * F * D, *up = down + L * D * F;
    for (size_t l = 0; l < L; l++) {
        memset(output + (l * D + LONELY) * D, 0, D * sizeof *output);
        memset(down + (l * D + LONELY) * F, 0, F * sizeof *down);
    }
    set_column(gate, L * F, D, LONELY, 1e30f);
    set_column(up, L * F, D, LONELY, 1e30f);
    assert_int_equal(file_replace(path, bytes.data, bytes.size, NULL), 0);
    assert_int_equal(weights_open(path, &weights, NULL), 0);
    assert_int_equal(unlink(path), 0);
    buf_finish(&bytes);
    return weights;
}

static void a_window_that_overflows_counts_as_ignorance(void **state)
{
    const struct perplexity_crossing good = {.split = 1};
    const struct perplexity_crossing bad = {
        .split = 1, .damage = {.kind = DAMAGE_ANALOG, .snr_db = 20, .power = DAMAGE_PER_TOKEN}};
    struct bench bench = *(struct bench *) *state;
    bench.weights = open_fragile_model();
    struct perplexity *perplexity =
        open_tokens(&bench, TOKENS, &(struct perplexity_options){.window = WINDOW});
    struct likelihood clean = perplexity_clean(perplexity);
    struct perplexity_result result = measure(perplexity, &bad, &somewhere);
    assert_int_equal(result.failed, perplexity_windows(perplexity));
    assert_int_equal(result.likelihood.tokens, TOKENS - 1);
    assert_true(fabs(result.likelihood.nats - (TOKENS - 1) * log(SMALL_VOCAB)) <
                1e-9 * result.likelihood.nats);
    result = measure(perplexity, &good, &somewhere);
    assert_same(&result.likelihood, &clean);
    assert_int_equal(result.failed, 0);
    perplexity_close(perplexity);
    weights_close(bench.weights);
}

/* ---- what was kept ---- */

static void means_and_sizes_are_those_of_the_clean_activations(void **state)
{
    struct perplexity *perplexity =
        open_tokens(*state, TOKENS - 2, &(struct perplexity_options){.window = WINDOW});
    double squares = 0.0, sum = 0.0;
    for (size_t w = 0; w < 4; w++) {
        const float *x = perplexity_activations(perplexity, w, 2);
        for (size_t i = 0; i < WINDOW * SMALL_HIDDEN; i++)
            squares += (double) x[i] * (double) x[i];
        for (size_t r = 0; r < WINDOW; r++)
            sum += (double) x[r * SMALL_HIDDEN + 7];
    }
    double rms = sqrt(squares / (4 * WINDOW * SMALL_HIDDEN));
    assert_true(fabs(perplexity_rms(perplexity, 2) - rms) < 1e-9);
    assert_true(fabs((double) perplexity_mean(perplexity, 2)[7] - sum / (4 * WINDOW)) < 1e-6);
    perplexity_close(perplexity);
}

static void every_layer_costs_the_same_and_the_head_is_left(void **state)
{
    struct perplexity *perplexity =
        open_tokens(*state, TOKENS - 2, &(struct perplexity_options){.window = WINDOW});
    double layer = perplexity_flop(perplexity, 1) - perplexity_flop(perplexity, 2);
    double head = perplexity_flop(perplexity, SMALL_LAYERS);
    assert_true(layer > 0.0);
    assert_true(fabs(head - 2.0 * SMALL_HIDDEN * SMALL_VOCAB * (TOKENS - 3)) < 0.5);
    assert_true(fabs(perplexity_flop(perplexity, 0) - SMALL_LAYERS * layer - head) < 0.5);
    perplexity_close(perplexity);
}

/* ---- refusals ---- */

static void assert_refused(const struct bench *bench, size_t tokens, struct perplexity_options options,
                           const char *sentence)
{
    const struct perplexity_text text = {.token = bench->token, .tokens = tokens};
    struct perplexity *perplexity = NULL;
    struct diag diag = {{0}};
    assert_int_equal(perplexity_open(&perplexity, bench->weights, &text, &options, &diag), ERR_RANGE);
    assert_null(perplexity);
    if (strstr(diag.text, sentence) == NULL)
        fail_msg("'%s' does not say '%s'", diag.text, sentence);
}

static void what_the_model_does_not_have_is_refused(void **state)
{
    struct bench *bench = *state;
    assert_refused(bench, 1, (struct perplexity_options){0}, "a text of 1 tokens");
    assert_refused(bench, TOKENS, (struct perplexity_options){.window = SMALL_CONTEXT + 1}, "context of 96");
    assert_refused(bench, TOKENS, (struct perplexity_options){.window = 8, .skip = 8},
                   "8 tokens of a window");
    assert_refused(bench, TOKENS, (struct perplexity_options){.window = 8, .stride = 9}, "leave tokens out");
    assert_refused(bench, TOKENS, (struct perplexity_options){.first = 2, .last = 4}, "splits 2 to 4");
    bench->token[17] = SMALL_VOCAB;
    assert_refused(bench, TOKENS, (struct perplexity_options){0}, "token 17 of the text: 70");
}

static void a_crossing_that_is_none_is_refused(void **state)
{
    struct perplexity *perplexity =
        open_tokens(*state, TOKENS, &(struct perplexity_options){.window = WINDOW});
    const struct perplexity_crossing crossings[] = {
        {.split = 0},
        {.split = 3},
        {.split = 1, .format = ACTIVATION_TOPK},
        {.split = 1, .damage = {.kind = DAMAGE_ELEMENTS, .loss = 1.5}},
        {.split = 1, .format = ACTIVATION_INT8, .damage = {.kind = DAMAGE_ANALOG}},
    };
    struct perplexity_result result;
    for (size_t i = 0; i < sizeof crossings / sizeof *crossings; i++)
        assert_int_equal(perplexity_measure(perplexity, &crossings[i], &somewhere, &result, NULL, NULL),
                         ERR_RANGE);
    perplexity_close(perplexity);
}

static bool stop_at_once(void *user, size_t done, size_t windows)
{
    size_t *calls = user;
    ++*calls;
    assert_true(done <= windows);
    return false;
}

static void opening_can_be_stopped(void **state)
{
    const struct bench *bench = *state;
    const struct perplexity_text text = {.token = bench->token, .tokens = TOKENS};
    struct perplexity *perplexity = NULL;
    size_t calls = 0;
    const struct perplexity_options options = {.window = WINDOW, .tell = stop_at_once, .user = &calls};
    assert_int_equal(perplexity_open(&perplexity, bench->weights, &text, &options, NULL), -EINTR);
    assert_int_equal(calls, 1);
    perplexity_close(NULL);
}

/* ---- the house model ---- */

/* Its card: bits per byte and perplexity of the held-out parts, by the program that trained it. */
static void the_house_model_foretells_its_texts_as_its_card_says(void **state)
{
    (void) state;
    static const struct {
        const char *file;
        uint64_t bytes;
        double bits, perplexity;
    } card[] = {
        {HOUSE_MODEL "/evaluation/sotu.txt", 64418, 1.336, 14.51},
    };
    struct weights *weights = NULL;
    struct tokenizer *tokenizer = NULL;
    assert_int_equal(weights_open(HOUSE_MODEL, &weights, NULL), 0);
    assert_int_equal(tokenizer_open(weights, NULL, &tokenizer, NULL), 0);
    for (size_t i = 0; i < sizeof card / sizeof *card; i++) {
        struct buf bytes = {0};
        struct tokenizer_ids ids = {0};
        struct perplexity *perplexity = NULL;
        assert_int_equal(file_read(card[i].file, 1u << 20, &bytes, NULL), 0);
        assert_int_equal(
            tokenizer_encode(tokenizer, (const char *) bytes.data, bytes.size, false, &ids, NULL), 0);
        const struct perplexity_text text = {ids.id, ids.count, tokenizer};
        const struct perplexity_options options = {.skip = 128, .first = 12, .last = 12};
        assert_int_equal(perplexity_open(&perplexity, weights, &text, &options, NULL), 0);
        struct likelihood clean = perplexity_clean(perplexity);
        assert_int_equal(clean.bytes, card[i].bytes);
        assert_true(fabs(likelihood_bits_per_byte(&clean) - card[i].bits) < 6e-4);
        assert_true(fabs(likelihood_perplexity(&clean) - card[i].perplexity) < 6e-3);
        perplexity_close(perplexity);
        tokenizer_ids_finish(&ids);
        buf_finish(&bytes);
    }
    tokenizer_close(tokenizer);
    weights_close(weights);
}

#define BENCHED(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        BENCHED(nats_are_those_of_a_plain_program),
        BENCHED(the_last_window_moves_back_and_scores_what_is_left),
        BENCHED(skipped_tokens_are_context_alone),
        BENCHED(overlapping_windows_score_no_token_twice),
        BENCHED(some_windows_are_spread_over_the_text),
        BENCHED(a_short_text_is_one_short_window),
        BENCHED(floats_that_cross_undamaged_change_no_bit_at_any_split),
        BENCHED(a_window_has_the_same_bits_in_any_company),
        BENCHED(windows_add_up_and_draw_for_themselves),
        BENCHED(what_is_lost_whole_tells_nothing_of_the_prompt),
        BENCHED(the_same_draws_give_the_same_bits_whatever_was_measured_before),
        BENCHED(what_is_received_is_what_a_measure_scores),
        BENCHED(activations_of_any_size_give_a_finite_likelihood),
        BENCHED(a_window_that_overflows_counts_as_ignorance),
        BENCHED(means_and_sizes_are_those_of_the_clean_activations),
        BENCHED(every_layer_costs_the_same_and_the_head_is_left),
        BENCHED(what_the_model_does_not_have_is_refused),
        BENCHED(a_crossing_that_is_none_is_refused),
        BENCHED(opening_can_be_stopped),
        cmocka_unit_test(the_house_model_foretells_its_texts_as_its_card_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
