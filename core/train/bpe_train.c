/* Learning a tokenizer's merges from the counts of a text's words. */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/train/bpe_internal.h"

#define SLOTS_MIN 4096u
#define PAIR_MIN 2u /* a pair that occurs once is no pattern */

/* A distinct word: tokens [first, first + size) of the list. */
struct word {
    size_t first, size;
    uint64_t count;
};

struct words {
    struct word *word; /* [count] */
    size_t count, capacity;
    uint16_t *token; /* of all words, first as bytes */
    size_t tokens, token_capacity;
    uint32_t *slot; /* [slots]: a word's number + 1, 0: free */
    size_t slots;   /* a power of two */
    uint64_t *pair; /* [vocabulary][vocabulary]: how often it occurs */
};

static void words_finish(struct words *words)
{
    free(words->word);
    free(words->token);
    free(words->slot);
    free(words->pair);
}

static uint64_t hash_of(const uint16_t *token, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ token[i]) * 0x100000001b3u;
    return hash ^ hash >> 32;
}

/* Where the word is, or would be. */
static uint32_t *find_slot(const struct words *words, const uint16_t *token, size_t size)
{
    for (size_t at = (size_t) hash_of(token, size);; at++) {
        uint32_t *slot = &words->slot[at & (words->slots - 1)];
        if (*slot == 0)
            return slot;
        const struct word *word = &words->word[*slot - 1];
        if (word->size == size && memcmp(words->token + word->first, token, size * sizeof *token) == 0)
            return slot;
    }
}

static int grow_slots(struct words *words)
{
    size_t slots = words->slots > 0 ? 2 * words->slots : SLOTS_MIN;
    uint32_t *slot = calloc(slots, sizeof *slot);
    if (slot == NULL)
        return -ENOMEM;
    free(words->slot);
    words->slot = slot;
    words->slots = slots;
    for (size_t i = 0; i < words->count; i++)
        *find_slot(words, words->token + words->word[i].first, words->word[i].size) = (uint32_t) i + 1;
    return 0;
}

static int add_word(struct words *words, const uint16_t *token, size_t size)
{
    if (2 * (words->count + 1) > words->slots && grow_slots(words) != 0)
        return -ENOMEM;
    uint32_t *slot = find_slot(words, token, size);
    if (*slot != 0) {
        words->word[*slot - 1].count++;
        return 0;
    }
    if (words->count >= UINT32_MAX - 1 ||
        array_reserve(&words->word, &words->capacity, words->count + 1) != 0 ||
        array_reserve(&words->token, &words->token_capacity, words->tokens + size) != 0)
        return -ENOMEM;
    memcpy(words->token + words->tokens, token, size * sizeof *token);
    words->word[words->count++] = (struct word){words->tokens, size, 1};
    words->tokens += size;
    *slot = (uint32_t) words->count;
    return 0;
}

static int add_text(const struct bpe *bpe, struct words *words, const struct bpe_text *text,
                    struct diag *diag)
{
    uint16_t token[BPE_WORD_MAX];
    for (size_t at = 0, end; at < text->size; at = end) {
        end = bpe_word_end(text, at);
        if (end - at > BPE_WORD_MAX)
            return diag_fail(diag, ERR_TOO_BIG, "a word of %zu bytes at byte %zu is above the limit of %u",
                             end - at, at, BPE_WORD_MAX);
        for (size_t i = at; i < end; i++)
            token[i - at] = bpe->token_of_byte[text->bytes[i]];
        if (add_word(words, token, end - at) != 0)
            return diag_fail(diag, -ENOMEM, "out of memory");
    }
    return 0;
}

/* The word's pairs count, or, with the sign -1, no longer do. */
static void count_pairs(struct words *words, uint32_t vocabulary, const struct word *word, bool counts)
{
    const uint16_t *token = words->token + word->first;
    for (size_t i = 0; i + 1 < word->size; i++) {
        uint64_t *pair = &words->pair[(size_t) token[i] * vocabulary + token[i + 1]];
        *pair = counts ? *pair + word->count : *pair - word->count;
    }
}

static bool has_pair(const struct words *words, const struct word *word, struct bpe_merge merge)
{
    const uint16_t *token = words->token + word->first;
    for (size_t i = 0; i + 1 < word->size; i++)
        if (token[i] == merge.left && token[i + 1] == merge.right)
            return true;
    return false;
}

static void merge_word(struct words *words, struct word *word, struct bpe_merge merge, uint16_t into)
{
    uint16_t *token = words->token + word->first;
    size_t size = 0;
    for (size_t i = 0; i < word->size; i++) {
        bool fits = i + 1 < word->size && token[i] == merge.left && token[i + 1] == merge.right;
        token[size++] = fits ? into : token[i];
        i += fits ? 1 : 0;
    }
    word->size = size;
}

/* The most frequent pair; false when none occurs often enough. */
static bool find_best(const struct words *words, uint32_t vocabulary, uint32_t tokens,
                      struct bpe_merge *ret_merge)
{
    uint64_t most = PAIR_MIN - 1;
    for (uint32_t left = 0; left < tokens; left++)
        for (uint32_t right = 0; right < tokens; right++)
            if (words->pair[(size_t) left * vocabulary + right] > most) {
                most = words->pair[(size_t) left * vocabulary + right];
                *ret_merge = (struct bpe_merge){(uint16_t) left, (uint16_t) right};
            }
    return most >= PAIR_MIN;
}

/* A new token has the bytes of its two parts. */
static int add_token(struct bpe *bpe, struct bpe_merge merge)
{
    const uint16_t token = (uint16_t) (BPE_BYTES + bpe->merges);
    const size_t left = bpe->begins[merge.left + 1] - bpe->begins[merge.left];
    const size_t right = bpe->begins[merge.right + 1] - bpe->begins[merge.right];
    if (buf_reserve(&bpe->bytes, left + right) != 0)
        return -ENOMEM;
    uint8_t *to = bpe->bytes.data + bpe->bytes.size;
    memcpy(to, bpe->bytes.data + bpe->begins[merge.left], left);
    memcpy(to + left, bpe->bytes.data + bpe->begins[merge.right], right);
    bpe->bytes.size += left + right;
    bpe->begins[token + 1] = bpe->bytes.size;
    bpe->pair[(size_t) merge.left * bpe->vocabulary + merge.right] = token;
    bpe->merge[bpe->merges++] = merge;
    return 0;
}

static int learn(struct bpe *bpe, struct words *words, struct diag *diag)
{
    const uint32_t wanted = bpe->vocabulary - BPE_BYTES - 1;
    for (size_t i = 0; i < words->count; i++)
        count_pairs(words, bpe->vocabulary, &words->word[i], true);
    while (bpe->merges < wanted) {
        const uint16_t token = (uint16_t) (BPE_BYTES + bpe->merges);
        struct bpe_merge merge;
        if (!find_best(words, bpe->vocabulary, token, &merge))
            return diag_fail(diag, ERR_RANGE,
                             "the texts are too short for %u tokens: %u can be learned from them",
                             bpe->vocabulary, token + 1u);
        if (add_token(bpe, merge) != 0)
            return diag_fail(diag, -ENOMEM, "out of memory");
        for (size_t i = 0; i < words->count; i++) {
            struct word *word = &words->word[i];
            if (!has_pair(words, word, merge))
                continue;
            count_pairs(words, bpe->vocabulary, word, false);
            merge_word(words, word, merge, token);
            count_pairs(words, bpe->vocabulary, word, true);
        }
    }
    bpe->begins[bpe->vocabulary] = bpe->bytes.size; /* the end has no bytes */
    return 0;
}

/* Tokens 0 to 255: the bytes in order of their letters. */
static int add_bytes(struct bpe *bpe)
{
    uint16_t token = 0;
    for (uint32_t letter = 0; letter < 2 * BPE_BYTES; letter++)
        for (uint32_t byte = 0; byte < BPE_BYTES; byte++)
            if (bpe_letter((uint8_t) byte) == letter) {
                uint8_t own = (uint8_t) byte;
                bpe->token_of_byte[byte] = token;
                bpe->begins[token++] = bpe->bytes.size;
                if (buf_push(&bpe->bytes, &own, 1) != 0)
                    return -ENOMEM;
                bpe->begins[token] = bpe->bytes.size;
            }
    assert(token == BPE_BYTES);
    return 0;
}

static int train(struct bpe *bpe, const struct bpe_text *text, size_t texts, struct diag *diag)
{
    const size_t pairs = (size_t) bpe->vocabulary * bpe->vocabulary;
    struct words words = {.pair = calloc(pairs, sizeof *words.pair)};
    bpe->pair = malloc(pairs * sizeof *bpe->pair);
    int rc = words.pair != NULL && bpe->pair != NULL && add_bytes(bpe) == 0 ? 0 : -ENOMEM;
    if (rc != 0)
        rc = diag_fail(diag, rc, "out of memory");
    for (size_t i = 0; i < pairs && rc == 0; i++)
        bpe->pair[i] = BPE_NONE;
    for (size_t i = 0; i < texts && rc == 0; i++)
        rc = add_text(bpe, &words, &text[i], diag);
    if (rc == 0)
        rc = learn(bpe, &words, diag);
    words_finish(&words);
    return rc;
}

int bpe_train(const struct bpe_text *text, size_t texts, uint32_t vocabulary, struct bpe **ret_bpe,
              struct diag *diag)
{
    if (vocabulary < BPE_VOCABULARY_MIN || vocabulary > BPE_VOCABULARY_MAX)
        return diag_fail(diag, ERR_RANGE, "vocabulary: %u is not from %u to %u", vocabulary,
                         BPE_VOCABULARY_MIN, BPE_VOCABULARY_MAX);
    struct bpe *bpe = calloc(1, sizeof *bpe);
    if (bpe == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    bpe->vocabulary = vocabulary;
    int rc = train(bpe, text, texts, diag);
    if (rc != 0) {
        bpe_destroy(bpe);
        return rc;
    }
    *ret_bpe = bpe;
    return 0;
}
