/* A guest: its prompt slot by slot, what it says of it, and what it prints. The model is the house's: its tokenizer. */
#include "mobile-node/guest.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/weights/tokenizer.h"
#include "tests/unit/model/check.h"

static const char *model; /* a folder */
static struct guest *guest;
static struct buf said;

static void open_as(const struct guest_options *options)
{
    struct diag diag = {{0}};
    if (guest_create(&guest, options, model, &diag) != 0)
        fail_msg("%s", diag.text);
}

static int end(void **state)
{
    (void) state;
    guest_destroy(guest);
    guest = NULL;
    buf_finish(&said);
    return 0;
}

/* The tokens of a text, as the model's own tokenizer has them. */
static uint32_t encode(const char *text, uint32_t token[static 64])
{
    struct weights *weights = NULL;
    struct tokenizer *tokenizer = NULL;
    struct tokenizer_ids ids = {0};
    assert_int_equal(weights_open(model, &weights, NULL), 0);
    assert_int_equal(tokenizer_open(weights, NULL, &tokenizer, NULL), 0);
    assert_int_equal(
        tokenizer_encode(tokenizer, text, strlen(text), tokenizer_wants_begin(tokenizer), &ids, NULL), 0);
    assert_true(ids.count <= 64);
    memcpy(token, ids.id, ids.count * sizeof *token);
    uint32_t count = (uint32_t) ids.count;
    tokenizer_ids_finish(&ids);
    tokenizer_close(tokenizer);
    weights_close(weights);
    return count;
}

static void decide(uint64_t round, uint32_t split)
{
    guest_decided(guest, &(struct msg_decision){.round = round, .split = split});
}

static struct msg_report answer(uint64_t round, const uint32_t *token)
{
    struct msg_report report = {
        .round = round, .answer = {token, 1}, .served_by = 1, .latency_s = 0.5, .local_s = 0.25};
    guest_complete(guest, &report);
    assert_int_equal(guest_take(guest, &report, &said), 0);
    return report;
}

static const char *said_text(void)
{
    assert_int_equal(buf_push(&said, "", 1), 0);
    said.size--;
    return (const char *) said.data;
}

static void each_tasks_prompt_is_the_text_and_what_was_answered(void **state)
{
    (void) state;
    uint32_t text[64], tokens = encode("The state of the union", text), prompt[64];
    open_as(
        &(struct guest_options){.prompt = "The state of the union", .answer = 2, .split = GUEST_SPLIT_NONE});
    struct device_own own = guest_own(guest, false);
    assert_true(own.is_own);
    assert_int_equal(own.tokens, tokens);
    assert_int_equal(own.wish, 0);
    decide(7, 3);
    guest_prompt(guest, own.tokens, prompt);
    assert_memory_equal(prompt, text, tokens * sizeof *text);
    const struct msg_report report = answer(7, &text[0]);
    assert_int_equal(report.overridden, 0);
    assert_int_equal(report.prompt.count, tokens);
    own = guest_own(guest, false);
    assert_int_equal(own.tokens, tokens + 1);
    guest_prompt(guest, own.tokens, prompt);
    assert_int_equal(prompt[tokens], text[0]);
    assert_false(guest_is_done(guest));
    decide(8, 3);
    (void) answer(8, &text[1]);
    assert_true(guest_is_done(guest));
    assert_int_equal(guest_answered(guest), 2);
}

static void a_task_without_an_answer_is_tried_again(void **state)
{
    (void) state;
    uint32_t text[64], tokens = encode("My fellow", text);
    open_as(&(struct guest_options){.prompt = "My fellow", .answer = 2, .split = GUEST_SPLIT_NONE});
    (void) guest_own(guest, false);
    decide(1, 3);
    (void) answer(0, &text[0]); /* of no task of its own */
    assert_int_equal(guest_answered(guest), 0);
    assert_int_equal(guest_own(guest, true).tokens, 0); /* queueing mode: it may still come */
    decide(2, 0);                                       /* of a slot without a task */
    (void) answer(2, &text[0]);
    assert_int_equal(guest_answered(guest), 0);
    assert_int_equal(guest_own(guest, false).tokens, tokens); /* lost */
    decide(3, 3);
    (void) answer(3, &text[0]);
    assert_int_equal(guest_answered(guest), 1);
}

static void a_split_of_its_own_is_wished_for_and_told_where_it_was_followed(void **state)
{
    (void) state;
    uint32_t text[64];
    (void) encode("My fellow", text);
    open_as(&(struct guest_options){.prompt = "My fellow", .answer = 9, .split = 0});
    assert_int_equal(guest_own(guest, false).wish, 1);
    decide(1, 0);
    assert_int_equal(answer(1, &text[0]).overridden, 1);
    (void) guest_own(guest, false);
    decide(2, 5); /* mended */
    assert_int_equal(answer(2, &text[0]).overridden, 0);
}

static void whole_characters_are_printed_and_the_rest_is_held_back(void **state)
{
    (void) state;
    uint32_t token[64], tokens = encode("\xe2\x82\xac", token); /* a euro sign, of several tokens */
    assert_true(tokens > 1);
    open_as(&(struct guest_options){.prompt = "x", .answer = 64, .split = GUEST_SPLIT_NONE});
    for (uint32_t i = 0; i < tokens; i++) {
        assert_null(strchr(said_text(), '\xe2'));
        (void) guest_own(guest, false);
        decide(i, 3);
        (void) answer(i, &token[i]);
    }
    assert_non_null(strstr(said_text(), "\xe2\x82\xac"));
}

static void what_never_becomes_a_character_comes_out_in_the_end(void **state)
{
    (void) state;
    uint32_t token[64], tokens = encode("\xe2\x82\xac", token);
    open_as(&(struct guest_options){
        .prompt = "x", .answer = tokens - 1, .split = GUEST_SPLIT_NONE, .json = true});
    for (uint32_t i = 0; i + 1 < tokens; i++) {
        (void) guest_own(guest, false);
        decide(i, 3);
        (void) answer(i, &token[i]);
    }
    assert_true(guest_is_done(guest));
    assert_non_null(strstr(said_text(), "\\ufffd"));
}

static void a_line_a_token_says_where_its_seconds_went(void **state)
{
    (void) state;
    uint32_t token[64];
    (void) encode("\"", token);
    open_as(&(struct guest_options){.prompt = "x", .answer = 1, .split = 3, .json = true});
    struct device_own own = guest_own(guest, false);
    decide(4, 3);
    const struct msg_report report = {.round = 4,
                                      .answer = {token, 1},
                                      .served_by = 1,
                                      .overridden = 1,
                                      .latency_s = 0.5,
                                      .local_s = 0.25,
                                      .transmit_s = 0.125,
                                      .queue_s = 1.5,
                                      .edge_s = 2.5,
                                      .interrupted_s = 3.5,
                                      .wait_s = 4.5,
                                      .device_compute_s = 6.5,
                                      .server_compute_s = 7.5,
                                      .activation_bytes = 77};
    assert_int_equal(guest_take(guest, &report, &said), 0);
    char line[512];
    (void) snprintf(
        line, sizeof line,
        "{\"number\":0,\"token\":%u,\"text\":\"\\\"\",\"prompt_tokens\":%u,\"split\":3,\"server\":1,"
        "\"overridden\":true,\"latency_s\":0.5,\"local_s\":0.25,\"transmit_s\":0.125,\"queue_s\":1.5,"
        "\"edge_s\":2.5,\"interrupted_s\":3.5,\"wait_s\":4.5,\"device_compute_s\":6.5,"
        "\"server_compute_s\":7.5,\"activation_bytes\":77}\n",
        token[0], own.tokens);
    assert_string_equal(said_text(), line);
}

static void the_models_own_end_is_an_end(void **state)
{
    (void) state;
    struct weights *weights = NULL;
    struct tokenizer *tokenizer = NULL;
    assert_int_equal(weights_open(model, &weights, NULL), 0);
    assert_int_equal(tokenizer_open(weights, NULL, &tokenizer, NULL), 0);
    uint32_t last = tokenizer_end_id(tokenizer);
    tokenizer_close(tokenizer);
    weights_close(weights);
    assert_true(last != TOKENIZER_NONE);
    uint32_t token[64];
    (void) encode("\xe2\x82\xac", token);
    for (uint32_t begun = 0; begun < 3;
         begun++) { /* with the first part of a character: it gets no rest, and is JSON's already */
        open_as(&(struct guest_options){
            .prompt = "x", .answer = 5, .split = GUEST_SPLIT_NONE, .json = begun == 2});
        if (begun > 0) {
            (void) guest_own(guest, false);
            decide(3, 3);
            (void) answer(3, token);
        }
        if (begun < 2)
            assert_string_equal(said_text(), "");
        buf_clear(&said);
        (void) guest_own(guest, false);
        decide(4, 3);
        (void) answer(4, &last);
        assert_true(guest_is_done(guest));
        assert_int_equal(guest_answered(guest), begun > 0);
        assert_string_equal(said_text(), begun == 1 ? "\xe2" : "");
        (void) end(NULL);
    }
}

static void a_text_that_is_longer_than_the_context_keeps_its_end(void **state)
{
    (void) state;
    enum { WORDS = 3000 };
    char *text = calloc(WORDS * 6 + 1, 1);
    assert_non_null(text);
    for (int i = 0; i < WORDS; i++)
        memcpy(text + 6 * i, i == WORDS - 1 ? " union" : " state", 6);
    uint32_t end_token[64], tokens = encode(" union", end_token);
    open_as(&(struct guest_options){.prompt = text, .answer = 5, .split = GUEST_SPLIT_NONE});
    uint32_t limit = guest_own(guest, false).tokens;
    assert_true(guest_is_cut(guest) && limit < WORDS);
    uint32_t *prompt = calloc(limit, sizeof *prompt);
    assert_non_null(prompt);
    guest_prompt(guest, limit, prompt);
    assert_int_equal(prompt[limit - 1], end_token[tokens - 1]);
    free(prompt);
    free(text);
}

static void a_folder_without_a_model_is_refused(void **state)
{
    (void) state;
    struct diag diag = {{0}};
    const struct guest_options options = {.prompt = "x", .answer = 5, .split = GUEST_SPLIT_NONE};
    assert_true(guest_create(&guest, &options, "/nowhere/at/all", &diag) < 0);
    assert_non_null(strstr(diag.text, "/nowhere/at/all"));
}

int main(int argc, char **argv)
{
    assert(argc == 2);
    (void) argc;
    model = argv[1];
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_teardown(name, end)
        TEST(each_tasks_prompt_is_the_text_and_what_was_answered),
        TEST(a_task_without_an_answer_is_tried_again),
        TEST(a_split_of_its_own_is_wished_for_and_told_where_it_was_followed),
        TEST(whole_characters_are_printed_and_the_rest_is_held_back),
        TEST(what_never_becomes_a_character_comes_out_in_the_end),
        TEST(a_line_a_token_says_where_its_seconds_went),
        TEST(the_models_own_end_is_an_end),
        TEST(a_text_that_is_longer_than_the_context_keeps_its_end),
        TEST(a_folder_without_a_model_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
