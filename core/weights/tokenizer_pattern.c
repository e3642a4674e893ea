/* How a text is cut into words: the regular expressions of GPT-2, LLaMA-3 and Qwen2, by hand. Each alternative below is
 * one of the expression, in its order. */
#include <assert.h>
#include <string.h>

#include "core/weights/tokenizer_internal.h"
#include "core/weights/unicode.h"

/* Sources: github.com/openai/gpt-2, src/encoder.py; github.com/meta-llama/llama3, llama/tokenizer.py; Qwen2's
 * tokenizer.json. In the form of a tokenizer.json. */
static const struct {
    enum tokenizer_pattern pattern;
    const char *expression;
} expressions[] = {
    {TOKENIZER_GPT2, "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"},
    {TOKENIZER_GPT2, "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"},
    {TOKENIZER_LLAMA3, "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
                       "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
    {TOKENIZER_QWEN2, "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
                      "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
};

/* As llama.cpp's converter names them. */
static const struct {
    enum tokenizer_pattern pattern;
    const char *name;
} names[] = {
    {TOKENIZER_GPT2, "gpt-2"},      {TOKENIZER_LLAMA3, "llama-bpe"}, {TOKENIZER_LLAMA3, "llama3"},
    {TOKENIZER_LLAMA3, "llama-v3"}, {TOKENIZER_QWEN2, "qwen2"},
};

enum tokenizer_pattern tokenizer_pattern_of(const char *expression)
{
    for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++)
        if (strcmp(expression, expressions[i].expression) == 0)
            return expressions[i].pattern;
    return TOKENIZER_UNCUT;
}

enum tokenizer_pattern tokenizer_pattern_named(struct gguf_text name)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (gguf_equals(name, names[i].name))
            return names[i].pattern;
    return TOKENIZER_UNCUT;
}

/* A text, and how far it is read. */
struct reader {
    const char *text;
    size_t size;
};

/* The class of the character at a place before the end. */
static enum unicode_class class_at(const struct reader *reader, size_t at, size_t *ret_bytes)
{
    return unicode_class_of(unicode_decode(reader->text + at, reader->size - at, ret_bytes));
}

/* Behind all characters of one class from `at` on; at most `limit` of them. */
static size_t skip(const struct reader *reader, size_t at, enum unicode_class class, size_t limit)
{
    size_t bytes = 0;
    for (size_t count = 0; at < reader->size && count < limit && class_at(reader, at, &bytes) == class;
         count++)
        at += bytes;
    return at;
}

static bool is_newline(char c)
{
    return c == '\r' || c == '\n';
}

static size_t skip_newlines(const struct reader *reader, size_t at)
{
    while (at < reader->size && is_newline(reader->text[at]))
        at++;
    return at;
}

/* Does the letter come next? In either case, if `any_case`; the long s is one of s (Unicode's case folding). */
static bool is_letter(const struct reader *reader, size_t at, char letter, bool any_case, size_t *ret_bytes)
{
    *ret_bytes = 1;
    if (at >= reader->size)
        return false;
    if (reader->text[at] == letter || (any_case && reader->text[at] == letter - 'a' + 'A'))
        return true;
    *ret_bytes = 2;
    return any_case && letter == 's' && reader->size - at >= 2 &&
           memcmp(reader->text + at, "\xc5\xbf", 2) == 0;
}

/* 's, 't, 're, 've, 'm, 'll, 'd: their bytes, or 0. */
static size_t contraction(const struct reader *reader, bool any_case)
{
    static const char *const endings[] = {"s", "t", "re", "ve", "m", "ll", "d"};
    if (reader->text[0] != '\'')
        return 0;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t at = 1, bytes = 0;
        const char *letter = endings[i];
        while (*letter != '\0' && is_letter(reader, at, *letter, any_case, &bytes)) {
            at += bytes;
            letter++;
        }
        if (*letter == '\0')
            return at;
    }
    return 0;
}

/* White space: all of it at the end of the text, else all but the last character; alone it stays alone. */
static size_t spaces(const struct reader *reader)
{
    size_t at = 0, last = 0, bytes = 0;
    while (at < reader->size && class_at(reader, at, &bytes) == UNICODE_SPACE) {
        last = at;
        at += bytes;
    }
    return at < reader->size && last > 0 ? last : at;
}

static size_t gpt2_word(const struct reader *reader)
{
    size_t at = contraction(reader, false), bytes = 0;
    if (at > 0)
        return at;
    size_t first = reader->text[0] == ' ' && reader->size > 1 ? 1 : 0; /* ` ?` */
    enum unicode_class class = class_at(reader, first, &bytes);
    return class != UNICODE_SPACE ? skip(reader, first, class, SIZE_MAX) : spaces(reader);
}

/* Numbers are cut out first, one by one, and the expression sees what lies between. So white space before a number ends
 * its text, and no number goes with the space before it. */
static size_t smollm_word(const struct reader *reader)
{
    size_t bytes = 0;
    if (class_at(reader, 0, &bytes) == UNICODE_NUMBER)
        return bytes;
    size_t space = skip(reader, 0, UNICODE_SPACE, SIZE_MAX);
    if (space > 0 && space < reader->size && class_at(reader, space, &bytes) == UNICODE_NUMBER)
        return space;
    return gpt2_word(reader);
}

/* \s*[\r\n]+: white space up to its last line feed or carriage return; 0: it has none. */
static size_t line_ends(const struct reader *reader)
{
    size_t at = 0, end = 0, bytes = 0;
    while (at < reader->size && class_at(reader, at, &bytes) == UNICODE_SPACE) {
        at += bytes;
        if (bytes == 1 && is_newline(reader->text[at - 1]))
            end = at;
    }
    return end;
}

/* [^\r\n\p{L}\p{N}]?\p{L}+, or 0. */
static size_t letters(const struct reader *reader)
{
    size_t bytes = 0, next = 0;
    enum unicode_class class = class_at(reader, 0, &bytes);
    if (class == UNICODE_LETTER)
        return skip(reader, 0, UNICODE_LETTER, SIZE_MAX);
    if (class == UNICODE_NUMBER || is_newline(reader->text[0]) || bytes >= reader->size ||
        class_at(reader, bytes, &next) != UNICODE_LETTER)
        return 0;
    return skip(reader, bytes, UNICODE_LETTER, SIZE_MAX);
}

static size_t llama3_word(const struct reader *reader, size_t digits)
{
    size_t at = contraction(reader, true), bytes = 0;
    at = at == 0 ? letters(reader) : at;
    at = at == 0 ? skip(reader, 0, UNICODE_NUMBER, digits) : at;
    if (at > 0)
        return at;
    size_t first = reader->text[0] == ' ' && reader->size > 1 ? 1 : 0; /* ` ?[^\s\p{L}\p{N}]+[\r\n]*` */
    if (class_at(reader, first, &bytes) == UNICODE_OTHER)
        return skip_newlines(reader, skip(reader, first, UNICODE_OTHER, SIZE_MAX));
    at = line_ends(reader);
    return at > 0 ? at : spaces(reader);
}

size_t tokenizer_word(enum tokenizer_pattern pattern, const char *text, size_t size)
{
    const struct reader reader = {text, size};
    size_t bytes = size;
    assert(size > 0);
    switch (pattern) {
    case TOKENIZER_UNCUT: break;
    case TOKENIZER_GPT2: bytes = gpt2_word(&reader); break;
    case TOKENIZER_LLAMA3: bytes = llama3_word(&reader, 3); break;
    case TOKENIZER_QWEN2: bytes = llama3_word(&reader, 1); break;
    case TOKENIZER_SMOLLM: bytes = smollm_word(&reader); break;
    }
    assert(bytes > 0 && bytes <= size);
    return bytes;
}
