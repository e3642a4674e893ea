#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/train/bpe.h"

static struct bpe_text text_of(const char *text)
{
    return (struct bpe_text){(const uint8_t *) text, strlen(text)};
}

/* The words, joined by '|'. */
static void expect_words(const char *text, const char *expected)
{
    const struct bpe_text bytes = text_of(text);
    char got[256] = "";
    size_t used = 0;
    for (size_t at = 0, end; at < bytes.size; at = end) {
        end = bpe_word_end(&bytes, at);
        assert_true(end > at && end <= bytes.size);
        if (at > 0)
            got[used++] = '|';
        memcpy(got + used, text + at, end - at);
        used += end - at;
    }
    got[used] = '\0';
    assert_string_equal(got, expected);
}

/* What GPT-2's pattern gives for them. */
static void texts_are_cut_as_by_the_pattern_of_gpt_2(void **state)
{
    (void) state;
    expect_words("Hello world", "Hello| world");
    expect_words("I'm you'll they've 'tis", "I|'m| you|'ll| they|'ve| '|tis");
    expect_words("don't", "don|'t");
    expect_words("a  b", "a| | b");
    expect_words("a\n\nb", "a|\n|\n|b");
    expect_words("a \n b", "a| \n| b");
    expect_words("end.  ", "end|.|  ");
    expect_words("x=12, (y)", "x|=|12|,| (|y|)");
    expect_words(" \"'so,\"", " \"'|so|,\"");
    expect_words("'s's", "'s|'s");
    expect_words("caf\xc3\xa9 ok", "caf\xc3\xa9| ok");
    expect_words(" ", " ");
    expect_words("  a", " | a");
}

static uint32_t train(const char *text, uint32_t vocabulary, struct bpe **ret_bpe)
{
    const struct bpe_text bytes = text_of(text);
    assert_int_equal(bpe_train(&bytes, 1, vocabulary, ret_bpe, NULL), 0);
    return bpe_vocabulary(*ret_bpe);
}

static void expect_bytes(const struct bpe *bpe, uint16_t token, const char *expected)
{
    const uint8_t *bytes;
    size_t size = bpe_bytes(bpe, token, &bytes);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(bytes, expected, size);
}

static void the_most_frequent_pair_becomes_the_first_token(void **state)
{
    (void) state;
    struct bpe *bpe;
    assert_int_equal(train("abab abab ab cd cd", 260, &bpe), 260);
    expect_bytes(bpe, 256, "ab"); /* five times */
    expect_bytes(bpe, 257, "cd"); /* twice, as "abab", " ab" and " c": the least left token */
    expect_bytes(bpe, 258,
                 " ab");        /* twice, as "abab" and " cd": the least left, then the least right token */
    expect_bytes(bpe, 259, ""); /* the end */
    assert_int_equal(bpe_end(bpe), 259);
    bpe_destroy(bpe);
}

static void bytes_are_numbered_as_by_gpt_2(void **state)
{
    (void) state;
    struct bpe *bpe;
    (void) train("aa aa", 258, &bpe);
    expect_bytes(bpe, 0, "!");
    expect_bytes(bpe, 64, "a");
    expect_bytes(bpe, 93, "~");
    expect_bytes(bpe, 94, "\xa1");
    expect_bytes(bpe, 187, "\xff");
    expect_bytes(bpe, 189, "\x01");
    expect_bytes(bpe, 220, " "); /* as in GPT-2's vocabulary */
    expect_bytes(bpe, 198, "\n");
    bpe_destroy(bpe);
}

/* Every text comes back, also one with bytes and words that were never seen. */
static void tokens_give_the_text_back(void **state)
{
    (void) state;
    static const char text[] = "The cat sat. \xff\xfe\x01 The   hat's at\n\nThe cattle: 1234!\t'";
    const struct bpe_text bytes = text_of(text);
    struct bpe *bpe;
    struct bpe_tokens tokens = {0};
    char back[256];
    size_t size = 0;
    (void) train("the cat sat on the mat, the cat at the hat. The cat sat.", 264, &bpe);
    assert_int_equal(bpe_encode(bpe, &bytes, &tokens, NULL), 0);
    assert_true(tokens.count < bytes.size); /* something was merged */
    for (size_t i = 0; i < tokens.count; i++) {
        const uint8_t *from;
        size_t length = bpe_bytes(bpe, tokens.id[i], &from);
        assert_true(length > 0 && size + length <= sizeof back);
        memcpy(back + size, from, length);
        size += length;
    }
    assert_int_equal(size, bytes.size);
    assert_memory_equal(back, text, size);
    assert_int_equal(bpe_append_end(bpe, &tokens), 0);
    assert_int_equal(tokens.id[tokens.count - 1], bpe_end(bpe));
    free(tokens.id);
    bpe_destroy(bpe);
}

/* Byte pairs of one text, over and over: merges are applied in the order in which they were learned. */
static void earlier_merges_come_first(void **state)
{
    (void) state;
    struct bpe *bpe;
    struct bpe_tokens tokens = {0};
    const struct bpe_text text = text_of("bcab");
    (void) train("ab ab ab ab bc bc bc", 259, &bpe); /* ab, then bc: no blank is so frequent */
    expect_bytes(bpe, 256, "ab");
    assert_int_equal(bpe_encode(bpe, &text, &tokens, NULL), 0);
    expect_bytes(bpe, tokens.id[tokens.count - 1], "ab");
    free(tokens.id);
    bpe_destroy(bpe);
}

static void a_text_that_is_too_short_is_refused(void **state)
{
    (void) state;
    struct bpe *bpe = NULL;
    struct diag diag = {0};
    const struct bpe_text text = text_of("abc abd");
    assert_int_equal(bpe_train(&text, 1, 1024, &bpe, &diag), ERR_RANGE);
    assert_non_null(strstr(diag.text, "too short for 1024 tokens"));
    assert_int_equal(bpe_train(&text, 1, 256, &bpe, NULL), ERR_RANGE);
    assert_int_equal(bpe_train(&text, 1, BPE_VOCABULARY_MAX + 1, &bpe, NULL), ERR_RANGE);
    assert_null(bpe);
}

static void a_word_without_an_end_is_refused(void **state)
{
    (void) state;
    struct bpe *bpe = NULL;
    struct bpe_tokens tokens = {0};
    struct diag diag = {0};
    uint8_t *dashes = malloc(BPE_WORD_MAX + 1);
    assert_non_null(dashes);
    memset(dashes, '-', BPE_WORD_MAX + 1);
    const struct bpe_text text = {dashes, BPE_WORD_MAX + 1}, most = {dashes, BPE_WORD_MAX};
    assert_int_equal(bpe_train(&text, 1, 257, &bpe, &diag), ERR_TOO_BIG);
    assert_non_null(strstr(diag.text, "a word of 4097 bytes at byte 0"));
    assert_int_equal(bpe_train(&most, 1, 260, &bpe, NULL), 0);
    assert_int_equal(bpe_encode(bpe, &text, &tokens, NULL), ERR_TOO_BIG);
    assert_int_equal(bpe_encode(bpe, &most, &tokens, NULL), 0);
    assert_int_equal(tokens.count, BPE_WORD_MAX / 8); /* --, ----, -------- */
    free(tokens.id);
    free(dashes);
    bpe_destroy(bpe);
}

static void its_file_lists_tokens_and_merges(void **state)
{
    (void) state;
    struct bpe *bpe;
    struct buf json = {0};
    (void) train("a\\\" a\\\" ab ab", 259, &bpe);
    assert_int_equal(bpe_json(bpe, &json), 0);
    const char *text = (const char *) json.data;
    assert_non_null(strstr(text, "\"type\": \"BPE\""));
    assert_non_null(strstr(text, "\"use_regex\": true"));
    assert_non_null(strstr(text, "\"\\\"\": 1,"));
    assert_non_null(strstr(text, "\"\\\\\": 59,"));
    assert_non_null(strstr(text, "\"\u0120\": 220,")); /* a blank */
    assert_non_null(strstr(text, "\"" BPE_END "\": 258"));
    assert_non_null(strstr(text, "\"\u0120 a\""));
    buf_finish(&json);
    bpe_destroy(bpe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_cut_as_by_the_pattern_of_gpt_2),
        cmocka_unit_test(the_most_frequent_pair_becomes_the_first_token),
        cmocka_unit_test(bytes_are_numbered_as_by_gpt_2),
        cmocka_unit_test(tokens_give_the_text_back),
        cmocka_unit_test(earlier_merges_come_first),
        cmocka_unit_test(a_text_that_is_too_short_is_refused),
        cmocka_unit_test(a_word_without_an_end_is_refused),
        cmocka_unit_test(its_file_lists_tokens_and_merges),
    };
    return cmocka_run_group_tests_name("bpe", tests, NULL, NULL);
}
