/* Where the three patterns cut a text. The words expected were found by hand, alternative by alternative of each
 * expression. */
#include "core/weights/unicode.h"
#include "files.h"

/* The words, with a bar between. On a copy without a zero byte behind it, so that a sanitizer sees a byte read too
 * far. */
static void assert_words(enum tokenizer_pattern pattern, const char *words, const char *wanted)
{
    struct buf found = {0};
    size_t size = strlen(words);
    char *text = malloc(size);
    assert_non_null(text);
    memcpy(text, words, size);
    for (size_t at = 0; at < size;) {
        size_t bytes = tokenizer_word(pattern, text + at, size - at);
        assert_int_equal(buf_printf(&found, "%s%.*s", at > 0 ? "|" : "", (int) bytes, text + at), 0);
        at += bytes;
    }
    assert_string_equal((const char *) found.data, wanted);
    buf_finish(&found);
    free(text);
}

static void gpt_2_keeps_a_space_with_the_word_behind_it(void **state)
{
    (void) state;
    assert_words(TOKENIZER_GPT2, "Hello world, it's 1234 o'clock!",
                 "Hello| world|,| it|'s| 1234| o|'|clock|!");
    assert_words(TOKENIZER_GPT2, "  two   spaces  ", " | two|  | spaces|  ");
    assert_words(TOKENIZER_GPT2, "a\n\nb \tc\n", "a|\n|\n|b| |\t|c|\n");
    assert_words(TOKENIZER_GPT2, "I'LL we'll they're 'tis", "I|'|LL| we|'ll| they|'re| '|tis");
    assert_words(TOKENIZER_GPT2, " ", " ");
    assert_words(TOKENIZER_GPT2, "x2y", "x|2|y");
}

static void llama_3_takes_three_digits_and_newlines_together(void **state)
{
    (void) state;
    assert_words(TOKENIZER_LLAMA3, "12345 6 1,000", "123|45| |6| |1|,|000");
    assert_words(TOKENIZER_LLAMA3, "I'LL (word) \"quoted\"", "I|'LL| (|word|)| \"|quoted|\"");
    assert_words(TOKENIZER_LLAMA3, "I'LLx 'Vex", "I|'LL|x| '|Vex");
    assert_words(TOKENIZER_LLAMA3, "end.\n\nNext\r\n  x", "end|.\n\n|Next|\r\n| | x");
    assert_words(TOKENIZER_LLAMA3, "a \n \n  b", "a| \n \n| | b");
    assert_words(TOKENIZER_LLAMA3, "$word\tword", "$word|\tword");
    assert_words(TOKENIZER_LLAMA3, "it'\xc5\xbf", "it|'\xc5\xbf"); /* the long s is an s in either case */
    assert_words(TOKENIZER_GPT2, "it'\xc5\xbf", "it|'|\xc5\xbf");
}

static void qwen_2_takes_digits_one_by_one(void **state)
{
    (void) state;
    assert_words(TOKENIZER_QWEN2, "123 45", "1|2|3| |4|5");
}

/* Numbers cut out one by one, and GPT-2's words of what lies between: by two loops, one inside the other. */
static void smollm_cuts_numbers_out_first(void **state)
{
    (void) state;
    static const char *const texts[] = {
        "a1 2  3\t4b 'll5's", "x  1", "  12", "1\n\n2 ", "no number  at all ", " 7", "\xc2\xbd \xc2\xb2."};
    assert_words(TOKENIZER_SMOLLM, "in 1984  25 x", "in| |1|9|8|4|  |2|5| x");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *text = texts[i];
        size_t size = strlen(text), at = 0, wanted = 0, bytes = 0;
        while (wanted < size) {
            size_t end = wanted; /* of the part without a number */
            while (end < size &&
                   unicode_class_of(unicode_decode(text + end, size - end, &bytes)) != UNICODE_NUMBER)
                end += bytes;
            if (end == wanted) {
                (void) unicode_decode(text + end, size - end, &bytes);
                assert_int_equal(tokenizer_word(TOKENIZER_SMOLLM, text + at, size - at), bytes);
                at = wanted += bytes;
            }
            while (wanted < end) {
                size_t word = tokenizer_word(TOKENIZER_GPT2, text + wanted, end - wanted);
                assert_int_equal(tokenizer_word(TOKENIZER_SMOLLM, text + at, size - at), word);
                at = wanted += word;
            }
        }
    }
}

static void letters_numbers_and_spaces_are_those_of_unicode(void **state)
{
    (void) state;
    assert_words(TOKENIZER_GPT2, "na\xc3\xafve \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
                 "na\xc3\xafve| \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e");
    assert_words(TOKENIZER_GPT2, "x\xc2\xb2\xc2\xbd",
                 "x|\xc2\xb2\xc2\xbd"); /* a power and a half are numbers */
    assert_words(TOKENIZER_GPT2, "a\xe2\x80\x83\xc2\xa0",
                 "a|\xe2\x80\x83\xc2\xa0");                          /* em space, no-break space */
    assert_words(TOKENIZER_GPT2, "a\xe2\x80\x8b", "a|\xe2\x80\x8b"); /* no space: of no width */
    assert_words(TOKENIZER_GPT2, "a\xff\xc3(", "a|\xff\xc3(");       /* no UTF-8: as punctuation */
}

static void characters_are_decoded_as_the_standard_says(void **state)
{
    (void) state;
    const struct {
        const char *text;
        uint32_t character;
        size_t bytes;
    } cases[] = {
        {"A", 'A', 1},
        {"\xc3\xa9", 0xe9, 2},
        {"\xe2\x96\x81", 0x2581, 3},
        {"\xf0\x9f\x98\x80", 0x1f600, 4},
        {"\xf4\x8f\xbf\xbf", 0x10ffff, 4},
        {"\xf4\x90\x80\x80", UNICODE_NONE, 1}, /* beyond the last */
        {"\xc0\x80", UNICODE_NONE, 1},         /* overlong */
        {"\xe0\x80\x80", UNICODE_NONE, 1},
        {"\xed\xa0\x80", UNICODE_NONE, 1}, /* a surrogate */
        {"\xe2\x96", UNICODE_NONE, 1},     /* cut off */
        {"\x80", UNICODE_NONE, 1},
        {"\xff", UNICODE_NONE, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t bytes = 0;
        assert_int_equal(unicode_decode(cases[i].text, strlen(cases[i].text), &bytes), cases[i].character);
        assert_int_equal(bytes, cases[i].bytes);
    }
    assert_int_equal(unicode_class_of(UNICODE_NONE), UNICODE_OTHER);
    assert_int_equal(unicode_class_of(0x10ffff), UNICODE_OTHER);
    assert_int_equal(unicode_class_of(0x4e00), UNICODE_LETTER);
    assert_int_equal(unicode_class_of(0x85), UNICODE_SPACE);
    assert_int_equal(unicode_class_of(0x2167), UNICODE_NUMBER);
    assert_int_equal(unicode_class_of('_'), UNICODE_OTHER);
}

static void the_pattern_of_a_file_is_known_by_its_text_or_its_name(void **state)
{
    (void) state;
    assert_int_equal(tokenizer_pattern_of("\\p{N}{1,3}"), TOKENIZER_UNCUT);
    assert_int_equal(
        tokenizer_pattern_of("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
                             "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
        TOKENIZER_LLAMA3);
    assert_int_equal(tokenizer_pattern_named((struct gguf_text){"qwen2", 5}), TOKENIZER_QWEN2);
    assert_int_equal(tokenizer_pattern_named((struct gguf_text){"default", 7}), TOKENIZER_UNCUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpt_2_keeps_a_space_with_the_word_behind_it),
        cmocka_unit_test(llama_3_takes_three_digits_and_newlines_together),
        cmocka_unit_test(qwen_2_takes_digits_one_by_one),
        cmocka_unit_test(smollm_cuts_numbers_out_first),
        cmocka_unit_test(letters_numbers_and_spaces_are_those_of_unicode),
        cmocka_unit_test(characters_are_decoded_as_the_standard_says),
        cmocka_unit_test(the_pattern_of_a_file_is_known_by_its_text_or_its_name),
    };
    return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
