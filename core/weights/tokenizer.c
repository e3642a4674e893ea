#include "core/weights/tokenizer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/base/file.h"
#include "core/base/sha256.h"
#include "core/weights/tokenizer_internal.h"

#define MARK "\xe2\x96\x81" /* U+2581, in place of a space */

void tokenizer_close(struct tokenizer *tokenizer)
{
    if (tokenizer == NULL)
        return;
    free(tokenizer->piece);
    free(tokenizer->by_text);
    free(tokenizer->merge);
    buf_finish(&tokenizer->bytes);
    free(tokenizer);
}

void tokenizer_ids_finish(struct tokenizer_ids *ids)
{
    free(ids->id);
    *ids = (struct tokenizer_ids){0};
}

/* The text as its tokens are written: with a space in front where one belongs, and spaces as marks. A mark in the text
 * itself is one, too. */
static int prepare(const struct tokenizer *tokenizer, const char *text, size_t size, struct buf *ret_text)
{
    const char *space = tokenizer->marks_spaces ? MARK : " ";
    bool begins_so = text[0] == ' ' || (size >= strlen(space) && memcmp(text, space, strlen(space)) == 0);
    bool wants_space = tokenizer->prefix == TOKENIZER_PREFIX ||
                       (tokenizer->prefix == TOKENIZER_PREFIX_IF_NONE && !begins_so);
    int rc = wants_space ? buf_push(ret_text, space, strlen(space)) : 0;
    for (size_t at = 0; rc == 0 && at < size;) {
        const char *found = tokenizer->marks_spaces ? memchr(text + at, ' ', size - at) : NULL;
        size_t plain = found != NULL ? (size_t) (found - text) - at : size - at;
        rc = buf_push(ret_text, text + at, plain);
        at += plain;
        if (rc == 0 && found != NULL) {
            rc = buf_push(ret_text, space, strlen(space));
            at++;
        }
    }
    return rc;
}

static int encode_words(const struct tokenizer *tokenizer, const char *text, size_t size,
                        struct tokenizer_ids *ids)
{
    struct tokenizer_work work = {0};
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < size;) {
        size_t bytes = tokenizer_word(tokenizer->pattern, text + at, size - at);
        rc = tokenizer_merge_word(tokenizer, text + at, bytes, &work, ids);
        at += bytes;
    }
    tokenizer_work_finish(&work);
    return rc;
}

static int encode(const struct tokenizer *tokenizer, const char *text, size_t size, bool wants_begin,
                  struct tokenizer_ids *ids)
{
    struct buf prepared = {0};
    int rc = 0;
    if (wants_begin && tokenizer->begin != TOKENIZER_NONE) {
        rc = array_reserve(&ids->id, &ids->capacity, 1);
        if (rc == 0)
            ids->id[ids->count++] = tokenizer->begin;
    }
    if (rc != 0 || size == 0)
        return rc;
    if (!tokenizer->marks_spaces && tokenizer->prefix == TOKENIZER_NO_PREFIX)
        return encode_words(tokenizer, text, size, ids);
    rc = prepare(tokenizer, text, size, &prepared);
    rc = rc == 0 ? encode_words(tokenizer, (const char *) prepared.data, prepared.size, ids) : rc;
    buf_finish(&prepared);
    return rc;
}

int tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t size, bool begin,
                     struct tokenizer_ids *ret_ids, struct diag *diag)
{
    struct tokenizer_ids ids = {0};
    if (size > TOKENIZER_TEXT_MAX)
        return diag_fail(diag, ERR_TOO_BIG, "a text of %zu bytes; up to %u would be right", size,
                         TOKENIZER_TEXT_MAX);
    int rc = encode(tokenizer, text, size, begin, &ids);
    if (rc != 0) {
        tokenizer_ids_finish(&ids);
        return diag_fail(diag, rc, "a text of %zu bytes: %s", size, err_text(rc));
    }
    tokenizer_ids_finish(ret_ids);
    *ret_ids = ids;
    return 0;
}

size_t tokenizer_decode(const struct tokenizer *tokenizer, uint32_t previous, uint32_t id,
                        const char **ret_bytes)
{
    *ret_bytes = "";
    if (id >= tokenizer->pieces || tokenizer->piece[id].bytes_size == 0)
        return 0;
    const struct tokenizer_piece *piece = &tokenizer->piece[id];
    const char *bytes = (const char *) tokenizer->bytes.data + piece->bytes;
    bool is_first = previous == TOKENIZER_NONE || previous == tokenizer->begin;
    bool drops_space = is_first && tokenizer->prefix != TOKENIZER_NO_PREFIX &&
                       piece->kind == TOKENIZER_TEXT && bytes[0] == ' ';
    *ret_bytes = bytes + drops_space;
    return piece->bytes_size - drops_space;
}

uint32_t tokenizer_size(const struct tokenizer *tokenizer)
{
    return tokenizer->pieces;
}

uint32_t tokenizer_begin_id(const struct tokenizer *tokenizer)
{
    return tokenizer->begin;
}

uint32_t tokenizer_end_id(const struct tokenizer *tokenizer)
{
    return tokenizer->end;
}

bool tokenizer_wants_begin(const struct tokenizer *tokenizer)
{
    return tokenizer->wants_begin;
}

static void hash_number(struct sha256 *sha, uint32_t number)
{
    sha256_add(sha, &number, sizeof number);
}

static void hash_piece(struct sha256 *sha, const struct tokenizer *tokenizer,
                       const struct tokenizer_piece *piece)
{
    hash_number(sha, piece->kind);
    hash_number(sha, piece->text_size);
    hash_number(sha, piece->bytes_size);
    sha256_add(sha, &piece->score, sizeof piece->score);
    if (piece->text_size > 0)
        sha256_add(sha, tokenizer->bytes.data + piece->text, piece->text_size);
    if (piece->bytes_size > 0)
        sha256_add(sha, tokenizer->bytes.data + piece->bytes, piece->bytes_size);
}

void tokenizer_hash(const struct tokenizer *tokenizer, uint8_t ret_hash[WEIGHTS_HASH_SIZE])
{
    struct sha256 sha;
    const uint32_t laws[] = {
        tokenizer->has_scores,  tokenizer->by_character, tokenizer->marks_spaces, tokenizer->takes_words,
        tokenizer->prefix,      tokenizer->pattern,      tokenizer->begin,        tokenizer->end,
        tokenizer->wants_begin, tokenizer->pieces,
    };
    sha256_begin(&sha);
    sha256_add(&sha, laws, sizeof laws);
    for (uint32_t id = 0; id < tokenizer->pieces; id++)
        hash_piece(&sha, tokenizer, &tokenizer->piece[id]);
    if (tokenizer->merges > 0)
        sha256_add(&sha, tokenizer->merge, tokenizer->merges * sizeof *tokenizer->merge);
    sha256_end(&sha, ret_hash);
}

/* A GGUF file in place of the model's own. */
static int read_gguf_file(struct tokenizer *tokenizer, const struct mapping *file, struct diag *diag)
{
    struct gguf *gguf = NULL;
    uint64_t used = 0, tensors = 0;
    int rc = gguf_read(file, &gguf, &used, &tensors, diag);
    rc = rc == 0 ? tokenizer_read_gguf(tokenizer, gguf, diag) : rc;
    gguf_close(gguf);
    return rc;
}

/* By its first bytes: GGUF, JSON, or llama2.c's, which begins with a small number. */
static int read_file(struct tokenizer *tokenizer, const struct mapping *file, uint32_t vocab,
                     struct diag *diag)
{
    if (file->size >= 4 && memcmp(file->at, "GGUF", 4) == 0)
        return read_gguf_file(tokenizer, file, diag);
    if (file->size > TOKENIZER_FILE_MAX)
        return diag_fail(diag, ERR_TOO_BIG, "has %llu bytes; a tokenizer has up to %u",
                         (unsigned long long) file->size, TOKENIZER_FILE_MAX);
    if (file->size >= 4 && memchr(file->at, '\0', 4) == NULL)
        return tokenizer_read_json(tokenizer, (const char *) file->at, file->size, diag);
    return tokenizer_read_llama2c(tokenizer, file, vocab, diag);
}

static int read_path(struct tokenizer *tokenizer, const char *path, uint32_t vocab, struct diag *diag)
{
    struct mapping file = {0};
    int rc = mapping_open(path, &file, diag);
    if (rc != 0)
        return rc;
    rc = read_file(tokenizer, &file, vocab, diag);
    mapping_close(&file);
    if (rc != 0)
        diag_prefix(diag, "%s", path);
    return rc;
}

/* `path` is not given: the file beside the model, or the model itself. */
static int read_own(struct tokenizer *tokenizer, const struct weights *weights, struct diag *diag)
{
    struct buf path = {0};
    const char *name = weights->kind == WEIGHTS_KIND_LLAMA2C ? "tokenizer.bin" : "tokenizer.json";
    if (weights->kind == WEIGHTS_KIND_GGUF)
        return tokenizer_read_gguf(tokenizer, weights->gguf, diag);
    int rc = buf_printf(&path, "%s%s", weights->folder != NULL ? weights->folder : "", name);
    rc = rc == 0 ? read_path(tokenizer, (const char *) path.data, weights->geometry.vocab, diag) : rc;
    if (rc == -ENOENT)
        diag_add(diag, "; it would hold the tokenizer, which may also be given by its path");
    buf_finish(&path);
    return rc;
}

/* What the model says goes before what the tokenizer's file says. */
static int fit(struct tokenizer *tokenizer, const struct weights *weights, struct diag *diag)
{
    const struct weights_tokens *tokens = &weights->tokens;
    if (tokenizer->pieces > weights->geometry.vocab)
        return diag_fail(diag, ERR_MISMATCH, "the tokenizer has %u tokens, and the model's vocabulary %u",
                         tokenizer->pieces, weights->geometry.vocab);
    if (tokens->begin != UINT32_MAX)
        tokenizer->begin = tokens->begin;
    if (tokens->end != UINT32_MAX)
        tokenizer->end = tokens->end;
    if (weights->kind != WEIGHTS_KIND_SAFETENSORS)
        tokenizer->wants_begin = tokens->wants_begin;
    return 0;
}

static int check_ids(const struct tokenizer *tokenizer, struct diag *diag)
{
    const uint32_t ids[] = {tokenizer->begin, tokenizer->end};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (ids[i] != TOKENIZER_NONE && ids[i] >= tokenizer->pieces)
            return diag_fail(diag, ERR_RANGE, "the token that %s a text is %u; ids are below %u",
                             i == 0 ? "begins" : "ends", ids[i], tokenizer->pieces);
    return 0;
}

/* Finishes opening: takes the tokenizer, also on failure. */
static int hand_over(struct tokenizer *tokenizer, int rc, struct tokenizer **ret_tokenizer, struct diag *diag)
{
    rc = rc == 0 ? check_ids(tokenizer, diag) : rc;
    if (rc != 0) {
        tokenizer_close(tokenizer);
        return diag_fail(diag, rc, "%s", err_text(rc));
    }
    if (tokenizer->begin == TOKENIZER_NONE)
        tokenizer->wants_begin = false;
    *ret_tokenizer = tokenizer;
    return 0;
}

int tokenizer_open(const struct weights *weights, const char *path, struct tokenizer **ret_tokenizer,
                   struct diag *diag)
{
    struct tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
    int rc = tokenizer != NULL ? 0 : -ENOMEM;
    if (rc == 0)
        rc = path != NULL ? read_path(tokenizer, path, weights->geometry.vocab, diag)
                          : read_own(tokenizer, weights, diag);
    rc = rc == 0 ? fit(tokenizer, weights, diag) : rc;
    return hand_over(tokenizer, rc, ret_tokenizer, diag);
}

int tokenizer_open_json(const char *path, struct tokenizer **ret_tokenizer, struct diag *diag)
{
    struct buf text = {0};
    struct tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
    int rc = tokenizer != NULL ? file_read(path, TOKENIZER_FILE_MAX, &text, diag) : -ENOMEM;
    if (rc == 0) {
        rc = tokenizer_read_json(tokenizer, (const char *) text.data, text.size, diag);
        if (rc != 0)
            diag_prefix(diag, "%s", path);
    }
    buf_finish(&text);
    return hand_over(tokenizer, rc, ret_tokenizer, diag);
}

int tokenizer_open_bytes(const void *bytes, uint64_t size, uint32_t vocab, struct tokenizer **ret_tokenizer,
                         struct diag *diag)
{
    const struct mapping file = {.at = bytes, .size = size};
    struct tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
    int rc = tokenizer != NULL ? read_file(tokenizer, &file, vocab, diag) : -ENOMEM;
    return hand_over(tokenizer, rc, ret_tokenizer, diag);
}
