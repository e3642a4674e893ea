/* llama2.c's tokenizer file: the longest token's bytes, then for each token a score, a length and its text. Source:
 * github.com/karpathy/llama2.c, tokenizer.py (export) and run.c (build_tokenizer). */
#include <math.h>
#include <string.h>

#include "core/base/err.h"
#include "core/weights/tokenizer_internal.h"

#define BYTES_FROM 3u /* the ids of the 256 bytes: 0 is unknown, 1 begins and 2 ends a text */

static int take_token(struct gguf_cursor *cursor, float *ret_score, struct gguf_text *ret_text,
                      struct diag *diag)
{
    const uint8_t *at = NULL;
    int32_t size = 0;
    int rc = gguf_take(cursor, sizeof *ret_score, &at, diag);
    if (rc == 0)
        memcpy(ret_score, at, sizeof *ret_score);
    rc = rc == 0 ? gguf_take(cursor, sizeof size, &at, diag) : rc;
    if (rc != 0)
        return rc;
    memcpy(&size, at, sizeof size);
    if (size < 0 || (uint32_t) size > TOKENIZER_PIECE_MAX)
        return diag_fail(diag, ERR_RANGE, "a token of %d bytes; 0 to %u would be right", size,
                         TOKENIZER_PIECE_MAX);
    rc = gguf_take(cursor, (uint64_t) size, &at, diag);
    if (rc == 0)
        *ret_text = (struct gguf_text){(const char *) at, (uint64_t) size};
    return rc;
}

static enum tokenizer_kind kind_of(uint32_t id)
{
    if (id < BYTES_FROM)
        return TOKENIZER_CONTROL;
    return id < BYTES_FROM + 256 ? TOKENIZER_BYTE : TOKENIZER_TEXT;
}

static int read_token(struct tokenizer *tokenizer, struct gguf_cursor *cursor, uint32_t id, struct diag *diag)
{
    struct gguf_text text = {0};
    float score = 0.0f;
    int rc = take_token(cursor, &score, &text, diag);
    if (rc == 0 && isnan(score))
        rc = diag_fail(diag, ERR_RANGE, "a score that is no number");
    if (rc == 0 && kind_of(id) == TOKENIZER_BYTE &&
        tokenizer_named_byte(text.at, text.size) != (int) (id - BYTES_FROM))
        rc = diag_fail(diag, ERR_UNSUPPORTED, "no name of a byte; <0x%02X> would be right", id - BYTES_FROM);
    rc = rc == 0 ? tokenizer_set(tokenizer, id, kind_of(id), text.at, text.size, diag) : rc;
    if (rc == 0)
        tokenizer->piece[id].score = score;
    else
        diag_prefix(diag, "token %u of %u", id, tokenizer->pieces);
    return rc;
}

int tokenizer_read_llama2c(struct tokenizer *tokenizer, const struct mapping *file, uint32_t vocab,
                           struct diag *diag)
{
    struct gguf_cursor cursor = {file->at, file->size};
    uint32_t longest = 0;
    int rc = tokenizer_make(tokenizer, vocab, diag);
    tokenizer->has_scores = tokenizer->by_character = true;
    tokenizer->prefix = TOKENIZER_PREFIX;
    rc = rc == 0 ? gguf_take_u32(&cursor, &longest, diag) : rc;
    if (rc == 0 && (longest == 0 || longest > TOKENIZER_PIECE_MAX))
        rc = diag_fail(
            diag, ERR_RANGE,
            "is no tokenizer, or one of llama2.c whose longest token has %u bytes; 1 to %u would be right",
            longest, TOKENIZER_PIECE_MAX);
    for (uint32_t id = 0; rc == 0 && id < tokenizer->pieces; id++)
        rc = read_token(tokenizer, &cursor, id, diag);
    if (rc == 0 && cursor.left > 0)
        rc = diag_fail(diag, ERR_MISMATCH, "goes on behind the %u tokens of the model's vocabulary", vocab);
    rc = rc == 0 ? tokenizer_index(tokenizer, diag) : rc;
    rc = rc == 0 ? tokenizer_finish(tokenizer, diag) : rc;
    if (rc == 0)
        tokenizer->begin = 1, tokenizer->end = 2, tokenizer->wants_begin = true;
    return rc;
}
