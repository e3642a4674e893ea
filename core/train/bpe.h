/* A tokenizer learned from a text: byte pair encoding over bytes (Sennrich et al., arXiv 1508.07909; Radford et al.
 * 2019). The text is cut into words first, by GPT-2's pattern, and no token reaches over a word's end.
 *
 * The pattern knows letters, digits and white space of ASCII. A byte above 127 counts as a letter, so that for other
 * text the words may differ from those of a tokenizer that knows Unicode.
 *
 * Learning is deterministic: the pair that occurs most often is merged; of several, the one whose left token, then
 * whose right token has the least number. Tokens 0 to 255 are the bytes in GPT-2's order, then come the merges, and
 * the last is the end of a text. */
#ifndef HANDOFF_CORE_TRAIN_BPE_H
#define HANDOFF_CORE_TRAIN_BPE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/diag.h"

#define BPE_VOCABULARY_MIN 257u
#define BPE_VOCABULARY_MAX 4096u
#define BPE_WORD_MAX 4096u /* bytes: encoding takes their square */
#define BPE_END "<|endoftext|>"

struct bpe;

/* A text in memory. Borrowed. */
struct bpe_text {
    const uint8_t *bytes;
    size_t size;
};

/* Token numbers. Owned: free(id). */
struct bpe_tokens {
    uint16_t *id; /* [count] */
    size_t count, capacity;
};

/* Where the word that begins at `at` < size ends. */
size_t bpe_word_end(const struct bpe_text *text, size_t at);

/* Learns from all texts. ERR_RANGE: so many tokens cannot be learned from them; ERR_TOO_BIG: a word is too long. */
int bpe_train(const struct bpe_text *text, size_t texts, uint32_t vocabulary, struct bpe **ret_bpe,
              struct diag *diag);
void bpe_destroy(struct bpe *bpe);

/* Appends the text's tokens, without an end. ERR_TOO_BIG: a word is too long. */
int bpe_encode(const struct bpe *bpe, const struct bpe_text *text, struct bpe_tokens *tokens,
               struct diag *diag);
int bpe_append_end(const struct bpe *bpe, struct bpe_tokens *tokens);

uint32_t bpe_vocabulary(const struct bpe *bpe);
uint16_t bpe_end(const struct bpe *bpe);

/* A token's bytes, borrowed; the end has none. */
size_t bpe_bytes(const struct bpe *bpe, uint16_t token, const uint8_t **ret_bytes);

/* Appends the tokenizer as a tokenizer.json of Hugging Face's (BPE, ByteLevel). */
int bpe_json(const struct bpe *bpe, struct buf *json);

#endif
