#include "core/train/bpe.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/train/bpe_internal.h"

/* ---- words ---- */

enum class { SPACE, LETTER, DIGIT, OTHER };

static enum class class_of(uint8_t byte) {
    if (byte == ' ' || (byte >= '\t' && byte <= '\r')) return SPACE;
    if (byte >= '0' && byte <= '9') return DIGIT;
    if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte >= 0x80) return LETTER;
    return OTHER;
}

/* 's 't 're 've 'm 'll 'd: its length, or 0. */
static size_t contraction(const uint8_t *bytes, size_t left)
{
    static const char *const endings[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t length = strlen(endings[i]);
        if (length <= left && memcmp(bytes, endings[i], length) == 0)
            return length;
    }
    return 0;
}

static size_t run_end(const struct bpe_text *text, size_t at)
{
    enum class class = class_of(text->bytes[at]);
    while (at < text->size && class_of(text->bytes[at]) == class)
        at++;
    return at;
}

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
size_t bpe_word_end(const struct bpe_text *text, size_t at)
{
    assert(at < text->size);
    size_t ending = contraction(text->bytes + at, text->size - at);
    if (ending > 0)
        return at + ending;
    size_t first = text->bytes[at] == ' ' && at + 1 < text->size ? at + 1 : at;
    if (class_of(text->bytes[first]) != SPACE)
        return run_end(text, first);
    size_t end = run_end(text, at);
    /* The last blank before a word belongs to the word. */
    return end < text->size && end - at > 1 ? end - 1 : end;
}

/* ---- encoding ---- */

uint32_t bpe_letter(uint8_t byte)
{
    uint32_t others = 0;
    bool is_printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    if (is_printable)
        return byte;
    for (uint32_t before = 0; before < byte; before++)
        others += before <= 0x20 || (before >= 0x7f && before <= 0xa0) || before == 0xad;
    return 0x100 + others;
}

/* A word's bytes become tokens: word[size] in place. Returns how many. */
static size_t encode_word(const struct bpe *bpe, uint16_t *word, size_t size)
{
    for (;;) {
        uint16_t best = BPE_NONE; /* the pair that was learned first */
        size_t at = 0;
        for (size_t i = 0; i + 1 < size; i++) {
            uint16_t token = bpe->pair[(size_t) word[i] * bpe->vocabulary + word[i + 1]];
            if (token < best) {
                best = token;
                at = i;
            }
        }
        if (best == BPE_NONE)
            return size;
        word[at] = best;
        memmove(word + at + 1, word + at + 2, (size - at - 2) * sizeof *word);
        size--;
    }
}

int bpe_encode(const struct bpe *bpe, const struct bpe_text *text, struct bpe_tokens *tokens,
               struct diag *diag)
{
    for (size_t at = 0, end; at < text->size; at = end) {
        end = bpe_word_end(text, at);
        if (end - at > BPE_WORD_MAX)
            return diag_fail(diag, ERR_TOO_BIG, "a word of %zu bytes at byte %zu is above the limit of %u",
                             end - at, at, BPE_WORD_MAX);
        if (array_reserve(&tokens->id, &tokens->capacity, tokens->count + (end - at)) != 0)
            return diag_fail(diag, -ENOMEM, "out of memory");
        uint16_t *word = tokens->id + tokens->count;
        for (size_t i = at; i < end; i++)
            word[i - at] = bpe->token_of_byte[text->bytes[i]];
        tokens->count += encode_word(bpe, word, end - at);
    }
    return 0;
}

int bpe_append_end(const struct bpe *bpe, struct bpe_tokens *tokens)
{
    if (array_reserve(&tokens->id, &tokens->capacity, tokens->count + 1) != 0)
        return -ENOMEM;
    tokens->id[tokens->count++] = bpe_end(bpe);
    return 0;
}

uint32_t bpe_vocabulary(const struct bpe *bpe)
{
    return bpe->vocabulary;
}

uint16_t bpe_end(const struct bpe *bpe)
{
    return (uint16_t) (bpe->vocabulary - 1);
}

size_t bpe_bytes(const struct bpe *bpe, uint16_t token, const uint8_t **ret_bytes)
{
    assert(token < bpe->vocabulary);
    *ret_bytes = bpe->bytes.data + bpe->begins[token];
    return bpe->begins[token + 1] - bpe->begins[token];
}

void bpe_destroy(struct bpe *bpe)
{
    if (bpe == NULL)
        return;
    free(bpe->pair);
    buf_finish(&bpe->bytes);
    free(bpe);
}
