/* Encoding and decoding: beside a plain loop that looks for the best pair again and again, and with words whose ids are
 * known. */
#include <stdio.h>

#include "files.h"

/* A tokenizer.json of bytes 0 to 255 and some merges, the way that a trainer writes one. The bytes' characters are
 * those of GPT-2. */
static const char *const merges[] = {"l o",         "h e", "he l", "hel lo", "lo w", "\xc4\xa0 w",
                                     "\xc4\xa0w o", "r l", "e r",  "0 0",    "00 0", "l d",
                                     "l h",         "l w", "q u",  "p qu",   "p q"};
#define MERGES (sizeof merges / sizeof *merges)

/* GPT-2's character for a byte, in UTF-8. */
static uint32_t character_of(uint32_t byte)
{
    uint32_t moved = 256;
    for (uint32_t b = 0; b < 256; b++) {
        bool prints = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        if (b == byte)
            return prints ? b : moved;
        moved += !prints;
    }
    return 0;
}

static void push_character(struct buf *json, uint32_t c)
{
    if (c == '"' || c == '\\')
        assert_int_equal(buf_printf(json, "\\%c", (int) c), 0);
    else if (c < 128)
        assert_int_equal(buf_printf(json, "%c", (int) c), 0);
    else
        assert_int_equal(buf_printf(json, "%c%c", (int) (0xc0 | c >> 6), (int) (0x80 | (c & 63))), 0);
}

static struct buf byte_level_json(const char *post_processor)
{
    struct buf json = {0};
    uint32_t id = 0;
    assert_int_equal(buf_printf(&json,
                                "{\"added_tokens\": [{\"id\": 300, \"content\": \"<s>\", \"special\": true},"
                                "{\"id\": 301, \"content\": \"<note>\", \"special\": false}],"
                                "\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false},"
                                "\"post_processor\": %s, \"model\": {\"type\": \"BPE\", \"vocab\": {",
                                post_processor),
                     0);
    for (; id < 256; id++) {
        assert_int_equal(buf_printf(&json, "%s\"", id > 0 ? ", " : ""), 0);
        push_character(&json, character_of(id));
        assert_int_equal(buf_printf(&json, "\": %u", id), 0);
    }
    for (size_t i = 0; i < MERGES; i++) {
        const char *space = strchr(merges[i], ' ');
        assert_int_equal(
            buf_printf(&json, ", \"%.*s%s\": %u", (int) (space - merges[i]), merges[i], space + 1, id++), 0);
    }
    assert_int_equal(buf_printf(&json, "}, \"merges\": ["), 0);
    for (size_t i = 0; i < MERGES; i++)
        assert_int_equal(buf_printf(&json, "%s\"%s\"", i > 0 ? ", " : "", merges[i]), 0);
    assert_int_equal(buf_printf(&json, "]}}"), 0);
    return json;
}

static struct tokenizer *open_bytes(const struct buf *file, uint32_t vocab)
{
    struct tokenizer *tokenizer = NULL;
    struct diag diag = {{0}};
    if (tokenizer_open_bytes(file->data, file->size, vocab, &tokenizer, &diag) != 0)
        fail_msg("%s", diag.text);
    return tokenizer;
}

static struct tokenizer *byte_level(void)
{
    struct buf json = byte_level_json("null");
    struct tokenizer *tokenizer = open_bytes(&json, 0);
    buf_finish(&json);
    return tokenizer;
}

static struct tokenizer_ids encode(const struct tokenizer *tokenizer, const char *text, size_t size,
                                   bool begin)
{
    struct tokenizer_ids ids = {0};
    struct diag diag = {{0}};
    if (tokenizer_encode(tokenizer, text, size, begin, &ids, &diag) != 0)
        fail_msg("%s", diag.text);
    return ids;
}

static void assert_ids(const struct tokenizer *tokenizer, const char *text, bool begin,
                       const uint32_t *wanted, size_t count)
{
    struct tokenizer_ids ids = encode(tokenizer, text, strlen(text), begin);
    assert_int_equal(ids.count, count);
    if (count > 0)
        assert_memory_equal(ids.id, wanted, count * sizeof *wanted);
    tokenizer_ids_finish(&ids);
}

static void assert_round_trip(const struct tokenizer *tokenizer, const char *text, size_t size)
{
    struct tokenizer_ids ids = encode(tokenizer, text, size, true);
    struct buf back = {0};
    uint32_t previous = TOKENIZER_NONE;
    for (size_t i = 0; i < ids.count; i++) {
        const char *bytes = NULL;
        size_t count = tokenizer_decode(tokenizer, previous, ids.id[i], &bytes);
        assert_int_equal(buf_push(&back, bytes, count), 0);
        previous = ids.id[i];
    }
    assert_int_equal(back.size, size);
    if (size > 0)
        assert_memory_equal(back.data, text, size);
    buf_finish(&back);
    tokenizer_ids_finish(&ids);
}

/* Sorts nothing and queues nothing: the lowest rank, the leftmost of those, again and again. */
static size_t naive(const char *word, size_t size, uint32_t *ids)
{
    size_t count = size;
    for (size_t i = 0; i < size; i++)
        ids[i] = (uint8_t) word[i];
    static const uint32_t pairs[MERGES][2] = {{'l', 'o'}, {'h', 'e'}, {257, 'l'}, {258, 256}, {256, 'w'},
                                              {' ', 'w'}, {261, 'o'}, {'r', 'l'}, {'e', 'r'}, {'0', '0'},
                                              {265, '0'}, {'l', 'd'}, {'l', 'h'}, {'l', 'w'}, {'q', 'u'},
                                              {'p', 270}, {'p', 'q'}};
    for (;;) {
        size_t best = SIZE_MAX, at = 0;
        for (size_t i = 0; i + 1 < count; i++)
            for (size_t k = 0; k < MERGES && k < best; k++)
                if (ids[i] == pairs[k][0] && ids[i + 1] == pairs[k][1])
                    best = k, at = i;
        if (best == SIZE_MAX)
            return count;
        ids[at] = 256 + (uint32_t) best;
        memmove(ids + at + 1, ids + at + 2, (count - at - 2) * sizeof *ids);
        count--;
    }
}

static void bytes_merge_by_rank(void **state)
{
    (void) state;
    struct tokenizer *tokenizer = byte_level();
    assert_ids(tokenizer, "hello world", false, (uint32_t[]){259, 262, 263, 'd'}, 4);
    assert_ids(tokenizer, "ldlhlwlx", false, (uint32_t[]){267, 268, 269, 'l', 'x'}, 5);
    assert_ids(tokenizer, "pqu", false, (uint32_t[]){271},
               1); /* what p and q would have made is out of date */
    assert_ids(tokenizer, "", false, NULL, 0);
    assert_ids(tokenizer, "", true, (uint32_t[]){300}, 1);
    assert_ids(tokenizer, "00000", false, (uint32_t[]){265, 266}, 2);
    assert_ids(tokenizer, "\xff\n", false, (uint32_t[]){255, 10}, 2);
    tokenizer_close(tokenizer);
}

static void every_word_merges_as_a_plain_loop_would(void **state)
{
    (void) state;
    static const char letters[2][9] = {"helowd0 ", "pqulhe0 "};
    struct tokenizer *tokenizer = byte_level();
    uint32_t draw = 1;
    for (int i = 0; i < 3000; i++) {
        char word[40];
        uint32_t wanted[40];
        size_t size = 1 + (size_t) i % 39;
        for (size_t k = 0; k < size; k++) {
            draw = draw * 1664525 + 1013904223;
            word[k] = letters[i % 2][draw >> 29];
        }
        struct tokenizer_ids ids = encode(tokenizer, word, size, false);
        size_t at = 0, count = 0;
        while (at < size) {
            size_t bytes = tokenizer_word(TOKENIZER_GPT2, word + at, size - at);
            count += naive(word + at, bytes, wanted + count);
            at += bytes;
        }
        assert_int_equal(ids.count, count);
        assert_memory_equal(ids.id, wanted, count * sizeof *wanted);
        tokenizer_ids_finish(&ids);
        assert_round_trip(tokenizer, word, size);
    }
    tokenizer_close(tokenizer);
}

static void every_byte_comes_back(void **state)
{
    (void) state;
    struct tokenizer *tokenizer = byte_level();
    char text[1024];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char) (i * 167 + i / 256);
    assert_round_trip(tokenizer, text, sizeof text);
    tokenizer_close(tokenizer);
}

static void special_tokens_are_never_made_from_a_text(void **state)
{
    (void) state;
    struct tokenizer *tokenizer = byte_level();
    const char *bytes = NULL;
    assert_ids(tokenizer, "<s>", false, (uint32_t[]){'<', 's', '>'}, 3);
    assert_ids(tokenizer, "<note>", false, (uint32_t[]){'<', 'n', 'o', 't', 'e', '>'}, 6);
    assert_int_equal(tokenizer_decode(tokenizer, TOKENIZER_NONE, 300, &bytes), 0);
    assert_int_equal(tokenizer_decode(tokenizer, TOKENIZER_NONE, 301, &bytes), 6);
    assert_memory_equal(bytes, "<note>", 6);
    assert_int_equal(tokenizer_decode(tokenizer, TOKENIZER_NONE, 299, &bytes), 0); /* no such token */
    assert_int_equal(tokenizer_decode(tokenizer, TOKENIZER_NONE, 302, &bytes), 0); /* nor id */
    assert_int_equal(tokenizer_size(tokenizer), 302);
    assert_int_equal(tokenizer_begin_id(tokenizer), 300);
    assert_int_equal(tokenizer_end_id(tokenizer), TOKENIZER_NONE);
    assert_false(tokenizer_wants_begin(tokenizer));
    tokenizer_close(tokenizer);
}

static void a_template_says_that_a_text_begins_with_bos(void **state)
{
    (void) state;
    struct buf json = byte_level_json(
        "{\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"<s>\"}}, "
        "{\"Sequence\": {\"id\": \"A\"}}]}");
    struct tokenizer *tokenizer = open_bytes(&json, 0);
    assert_true(tokenizer_wants_begin(tokenizer));
    assert_int_equal(tokenizer_begin_id(tokenizer), 300);
    tokenizer_close(tokenizer);
    buf_finish(&json);
}

/* llama2.c: after three special tokens and 256 bytes these pieces, with scores that fall. */
static const char *const pieces[] = {" ", "a", "b", "c", "ab", " a", "bc", "zz", " ab", "\xc3\xa9"};
#define PIECES ((uint32_t) (sizeof pieces / sizeof *pieces))

static struct buf llama2c_file(const float *scores)
{
    struct buf file = {0};
    int32_t size = 5;
    assert_int_equal(buf_push(&file, &size, 4), 0);
    for (uint32_t id = 0; id < 259 + PIECES; id++) {
        char name[16];
        const char *text = id < 3 ? "\n<s>\n" : name;
        float score = 0.0f;
        (void) snprintf(name, sizeof name, "<0x%02X>", id - 3);
        if (id >= 259) {
            text = pieces[id - 259];
            score = scores[id - 259];
        }
        size = (int32_t) strlen(text);
        assert_int_equal(buf_push(&file, &score, 4), 0);
        assert_int_equal(buf_push(&file, &size, 4), 0);
        assert_int_equal(buf_push(&file, text, (size_t) size), 0);
    }
    return file;
}

static struct tokenizer *scored(void)
{
    static const float scores[PIECES] = {-100, -100, -100, -100, -2, -3, -1, -5, -4, -100};
    struct buf file = llama2c_file(scores);
    struct tokenizer *tokenizer = open_bytes(&file, 259 + PIECES);
    buf_finish(&file);
    return tokenizer;
}

static void scores_decide_what_merges_first(void **state)
{
    (void) state;
    struct tokenizer *tokenizer = scored();
    assert_ids(tokenizer, "a", true, (uint32_t[]){1, 264}, 2);                    /* " a" */
    assert_ids(tokenizer, "ab", true, (uint32_t[]){1, 267}, 2);                   /* "ab" (-2), then " ab" */
    assert_ids(tokenizer, "abc", true, (uint32_t[]){1, 264, 265}, 3);             /* "bc" (-1), " a" (-3) */
    assert_ids(tokenizer, "cab", false, (uint32_t[]){259, 262, 263}, 3);          /* " ", "c", "ab" */
    assert_ids(tokenizer, "\xc3\xa9", true, (uint32_t[]){1, 259, 268}, 3);        /* one character */
    assert_ids(tokenizer, "x\n", true, (uint32_t[]){1, 259, 3 + 'x', 3 + 10}, 4); /* bytes */
    assert_ids(tokenizer, "\xc3", true, (uint32_t[]){1, 259, 3 + 0xc3}, 3);
    assert_ids(tokenizer, "", true, (uint32_t[]){1}, 1);
    tokenizer_close(tokenizer);
}

static void the_space_in_front_is_added_and_taken_away_again(void **state)
{
    (void) state;
    struct tokenizer *tokenizer = scored();
    const char *bytes = NULL;
    assert_round_trip(tokenizer, "abc ab", 6);
    assert_round_trip(tokenizer, " ab", 3);
    assert_round_trip(tokenizer, "", 0);
    assert_int_equal(tokenizer_decode(tokenizer, 1, 264, &bytes), 1);
    assert_int_equal(tokenizer_decode(tokenizer, 264, 264, &bytes), 2);
    assert_int_equal(tokenizer_decode(tokenizer, 264, 3 + 0xc3, &bytes), 1); /* a byte of a character */
    assert_int_equal((uint8_t) bytes[0], 0xc3);
    assert_int_equal(tokenizer_decode(tokenizer, 264, 1, &bytes), 0);
    tokenizer_close(tokenizer);
}

static void equal_scores_merge_from_the_left(void **state)
{
    (void) state;
    static const float scores[PIECES] = {-9, -9, -9, -9, -1, -1, -1, -9, -9, -9};
    struct buf file = llama2c_file(scores);
    struct tokenizer *tokenizer = open_bytes(&file, 259 + PIECES);
    assert_ids(tokenizer, "abc", false, (uint32_t[]){264, 265}, 2); /* " a" before "ab" before "bc" */
    tokenizer_close(tokenizer);
    buf_finish(&file);
}

static void scores_of_either_sign_keep_their_order(void **state)
{
    (void) state;
    static const float orders[][2] = {
        {2, 1},  {1, 2},     {-1, 0},         {-1.5f, -1.25f},   {-1.25f, -1.5f},
        {0, -1}, {-0.0f, 0}, {1e30f, 1e-30f}, {-1e-30f, 1e-30f}, {-1e30f, -INFINITY}};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        const float scores[PIECES] = {-99,       -99,          -99, -99,       orders[i][0],
                                      -INFINITY, orders[i][1], -99, -INFINITY, -99};
        struct buf file = llama2c_file(scores);
        struct tokenizer *tokenizer = open_bytes(&file, 259 + PIECES);
        if (orders[i][0] >= orders[i][1]) /* of equals the left one */
            assert_ids(tokenizer, "cabc", false, (uint32_t[]){259, 262, 263, 262}, 4);
        else
            assert_ids(tokenizer, "cabc", false, (uint32_t[]){259, 262, 260, 265}, 4);
        tokenizer_close(tokenizer);
        buf_finish(&file);
    }
}

/* Each merge would search the whole word in a plain loop: 10^12 steps. */
static void a_megabyte_without_a_space_takes_no_time(void **state)
{
    (void) state;
    size_t size = 1000000;
    char *text = malloc(size);
    struct tokenizer *by_rank = byte_level(), *by_score = scored();
    assert_non_null(text);
    memset(text, '0', size);
    struct tokenizer_ids ids = encode(by_rank, text, size, false);
    assert_int_equal(ids.count, 500000); /* "00" everywhere; nothing is left to make "000" of */
    tokenizer_ids_finish(&ids);
    for (size_t i = 0; i < size; i++)
        text[i] = "ab"[i % 2];
    ids = encode(by_score, text, size, false);
    assert_int_equal(ids.count, 500000);
    assert_int_equal(ids.id[0], 267);
    assert_int_equal(ids.id[499999], 263);
    tokenizer_ids_finish(&ids);
    tokenizer_close(by_rank);
    tokenizer_close(by_score);
    free(text);
}

static void the_fingerprint_tells_tokenizers_apart(void **state)
{
    (void) state;
    uint8_t one[WEIGHTS_HASH_SIZE], again[WEIGHTS_HASH_SIZE], other[WEIGHTS_HASH_SIZE];
    struct tokenizer *tokenizer[3] = {byte_level(), byte_level(), scored()};
    tokenizer_hash(tokenizer[0], one);
    tokenizer_hash(tokenizer[1], again);
    tokenizer_hash(tokenizer[2], other);
    assert_memory_equal(one, again, sizeof one);
    assert_memory_not_equal(one, other, sizeof one);
    for (int i = 0; i < 3; i++)
        tokenizer_close(tokenizer[i]);
}

static void a_text_beyond_the_limit_is_refused(void **state)
{
    (void) state;
    struct tokenizer *tokenizer = byte_level();
    struct tokenizer_ids ids = {0};
    struct diag diag = {{0}};
    assert_int_equal(tokenizer_encode(tokenizer, "x", TOKENIZER_TEXT_MAX + 1u, false, &ids, &diag),
                     ERR_TOO_BIG);
    assert_string_equal(diag.text, "a text of 67108865 bytes; up to 67108864 would be right");
    assert_null(ids.id);
    tokenizer_close(tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_merge_by_rank),
        cmocka_unit_test(every_word_merges_as_a_plain_loop_would),
        cmocka_unit_test(every_byte_comes_back),
        cmocka_unit_test(special_tokens_are_never_made_from_a_text),
        cmocka_unit_test(a_template_says_that_a_text_begins_with_bos),
        cmocka_unit_test(scores_decide_what_merges_first),
        cmocka_unit_test(the_space_in_front_is_added_and_taken_away_again),
        cmocka_unit_test(equal_scores_merge_from_the_left),
        cmocka_unit_test(scores_of_either_sign_keep_their_order),
        cmocka_unit_test(a_megabyte_without_a_space_takes_no_time),
        cmocka_unit_test(the_fingerprint_tells_tokenizers_apart),
        cmocka_unit_test(a_text_beyond_the_limit_is_refused),
    };
    return cmocka_run_group_tests_name("tokenizer", tests, NULL, NULL);
}
