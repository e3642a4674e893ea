/* From text to token ids and back, as a model's files say.
 *
 * | source                        | family                                        |
 * |-------------------------------|-----------------------------------------------|
 * | llama2.c's tokenizer file     | pieces with scores, as SentencePiece's BPE    |
 * | GGUF, model "llama"           | the same                                      |
 * | GGUF, model "gpt2"            | BPE over bytes, with merges                   |
 * | tokenizer.json, ByteLevel     | BPE over bytes, with merges                   |
 * | tokenizer.json, byte_fallback | BPE over characters, with merges (LLaMA-2)    |
 *
 * BPE over bytes first cuts the text by the pattern of GPT-2, LLaMA-3, Qwen2 or SmolLM; any other is refused by
 * name.
 * Text is bytes: what is no UTF-8 is encoded byte by byte, and no Unicode normalisation is done. The name of a
 * special token in a text is ordinary text, so a text cannot end a prompt or begin another.
 *
 * Encoding takes O(n log n) for n bytes, whatever the text. Files are not trusted: counts, lengths, ids and
 * UTF-8 are checked, with an error that says what would be right. */
#ifndef HANDOFF_CORE_WEIGHTS_TOKENIZER_H
#define HANDOFF_CORE_WEIGHTS_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/weights/weights.h"

#define TOKENIZER_TEXT_MAX (64u << 20) /* bytes of one text */
#define TOKENIZER_NONE UINT32_MAX      /* no such token */

struct tokenizer;

/* Token ids. Owned; a zeroed struct is empty. */
struct tokenizer_ids {
    uint32_t *id; /* [count] */
    size_t count, capacity;
};

/* Opens the tokenizer of a model that is open: that of the GGUF file itself, tokenizer.json beside a safetensors
 * model, tokenizer.bin beside a llama2.c model. `path`: the file to take in its place (a llama2.c tokenizer, a
 * tokenizer.json, a GGUF file), recognised from its content; NULL: as said. A tokenizer with more tokens than
 * the model's vocabulary is refused. */
int tokenizer_open(const struct weights *weights, const char *path, struct tokenizer **ret_tokenizer,
                   struct diag *diag);

/* The same of a tokenizer.json alone, without a model: of a trainer, say. */
int tokenizer_open_json(const char *path, struct tokenizer **ret_tokenizer, struct diag *diag);

/* NULL is allowed. */
void tokenizer_close(struct tokenizer *tokenizer);

/* Encodes `size` bytes. `begin`: the BOS token first, where there is one. The ids replace those in `ret_ids`.
 * ERR_TOO_BIG: more than TOKENIZER_TEXT_MAX; -ENOMEM. */
int tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t size, bool begin,
                     struct tokenizer_ids *ret_ids, struct diag *diag);
void tokenizer_ids_finish(struct tokenizer_ids *ids);

/* The bytes of one token behind `previous` (TOKENIZER_NONE: none). They may be part of a UTF-8 character. A token
 * that is no text (BOS, EOS) has none, nor has an id beyond the vocabulary. Where encoding puts a space in front
 * of a text, the space of the first token is left out, so that decoding gives the text back. Returns how many;
 * *ret_bytes is borrowed from the tokenizer. */
size_t tokenizer_decode(const struct tokenizer *tokenizer, uint32_t previous, uint32_t id,
                        const char **ret_bytes);

/* How many ids there are; each id is below. At most the model's vocabulary. */
uint32_t tokenizer_size(const struct tokenizer *tokenizer);

/* The tokens that begin and end a text, or TOKENIZER_NONE. */
uint32_t tokenizer_begin_id(const struct tokenizer *tokenizer);
uint32_t tokenizer_end_id(const struct tokenizer *tokenizer);

/* Whether the model wants BOS in front of a prompt, as its files say. */
bool tokenizer_wants_begin(const struct tokenizer *tokenizer);

/* A SHA-256 of all that encoding and decoding depend on: those with the same one give the same ids. */
void tokenizer_hash(const struct tokenizer *tokenizer, uint8_t ret_hash[WEIGHTS_HASH_SIZE]);

#endif
