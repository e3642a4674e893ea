/* The tokenizer among a GGUF file's keys. Source: github.com/ggml-org/ggml, docs/gguf.md; the types of tokens are
 * SentencePiece's. */
#include <math.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/weights/tokenizer_internal.h"

enum type {
    NORMAL = 1,
    UNKNOWN = 2,
    CONTROL = 3,
    USER_DEFINED = 4,
    UNUSED = 5,
    BYTE = 6,
};

/* The arrays of tokens: as many of each as the first has. */
struct tokens {
    const uint8_t *text; /* the next string */
    const uint8_t *score, *type;
    uint64_t count;
};

static int find_array(const struct gguf *gguf, const char *key, enum gguf_type element, uint64_t count,
                      const uint8_t **ret_at, struct diag *diag)
{
    const struct gguf_value *array = NULL;
    int rc = gguf_array(gguf, key, element, &array, diag);
    if (rc == 0 && array->count != count)
        rc = diag_fail(diag, ERR_MISMATCH, "%s has %llu elements; %llu, one for each token, would be right",
                       key, (unsigned long long) array->count, (unsigned long long) count);
    if (rc == 0)
        *ret_at = array->at;
    return rc;
}

static int find_tokens(const struct gguf *gguf, bool has_scores, struct tokens *ret_tokens, struct diag *diag)
{
    const struct gguf_value *array = NULL;
    struct tokens tokens = {0};
    int rc = gguf_array(gguf, "tokenizer.ggml.tokens", GGUF_STRING, &array, diag);
    if (rc != 0)
        return rc;
    tokens.text = array->at;
    tokens.count = array->count;
    rc = find_array(gguf, "tokenizer.ggml.token_type", GGUF_I32, tokens.count, &tokens.type, diag);
    if (rc == 0 && has_scores)
        rc = find_array(gguf, "tokenizer.ggml.scores", GGUF_F32, tokens.count, &tokens.score, diag);
    if (rc == 0)
        *ret_tokens = tokens;
    return rc;
}

static int kind_of(uint32_t id, int32_t type, enum tokenizer_kind *ret_kind, struct diag *diag)
{
    switch (type) {
    case NORMAL: *ret_kind = TOKENIZER_TEXT; return 0;
    case UNKNOWN:
    case CONTROL: *ret_kind = TOKENIZER_CONTROL; return 0;
    case USER_DEFINED: *ret_kind = TOKENIZER_ADDED; return 0;
    case UNUSED: *ret_kind = TOKENIZER_ABSENT; return 0;
    case BYTE: *ret_kind = TOKENIZER_BYTE; return 0;
    default: break;
    }
    return diag_fail(diag, ERR_RANGE, "tokenizer.ggml.token_type of token %u is %d; 1 to 6 would be right",
                     id, type);
}

/* A token of byte-level BPE. */
static int set_masked(struct tokenizer *tokenizer, uint32_t id, struct gguf_text text, struct diag *diag)
{
    struct buf bytes = {0};
    size_t size = 0;
    int rc = text.size <= TOKENIZER_PIECE_MAX ? buf_reserve(&bytes, text.size + 1) : ERR_TOO_BIG;
    rc = rc == 0 ? tokenizer_unmask(text.at, text.size, (char *) bytes.data, &size) : rc;
    if (rc != 0)
        (void) diag_fail(diag, rc, "token %u: %s; each character has to stand for one byte", id,
                         err_text(rc));
    else
        rc = tokenizer_set(tokenizer, id, TOKENIZER_TEXT, (const char *) bytes.data, size, diag);
    buf_finish(&bytes);
    return rc;
}

static int read_token(struct tokenizer *tokenizer, struct tokens *tokens, uint32_t id, struct diag *diag)
{
    struct gguf_text text = gguf_next_string(&tokens->text);
    enum tokenizer_kind kind = TOKENIZER_ABSENT;
    int32_t type = 0;
    memcpy(&type, tokens->type + (size_t) id * sizeof type, sizeof type);
    int rc = kind_of(id, type, &kind, diag);
    if (rc != 0 || kind == TOKENIZER_ABSENT)
        return rc;
    if (!tokenizer->has_scores && kind == TOKENIZER_TEXT)
        return set_masked(tokenizer, id, text, diag);
    rc = tokenizer_set(tokenizer, id, kind, text.at, text.size, diag);
    if (rc != 0 || !tokenizer->has_scores)
        return rc;
    memcpy(&tokenizer->piece[id].score, tokens->score + (size_t) id * sizeof(float), sizeof(float));
    if (isnan(tokenizer->piece[id].score))
        return diag_fail(diag, ERR_RANGE, "tokenizer.ggml.scores of token %u is no number", id);
    return 0;
}

static int read_tokens(struct tokenizer *tokenizer, const struct gguf *gguf, struct diag *diag)
{
    struct tokens tokens = {0};
    int rc = find_tokens(gguf, tokenizer->has_scores, &tokens, diag);
    rc = rc == 0 ? tokenizer_make(tokenizer, tokens.count, diag) : rc;
    for (uint32_t id = 0; rc == 0 && id < tokenizer->pieces; id++)
        rc = read_token(tokenizer, &tokens, id, diag);
    return rc == 0 ? tokenizer_index(tokenizer, diag) : rc;
}

/* "left right", each a text of characters for bytes. */
static int read_merge(struct tokenizer *tokenizer, struct gguf_text text, struct buf *bytes,
                      struct diag *diag)
{
    const char *space = text.size > 0 ? memchr(text.at, ' ', text.size) : NULL;
    size_t left = space != NULL ? (size_t) (space - text.at) : 0, right = 0;
    if (space == NULL || text.size > 2 * TOKENIZER_PIECE_MAX)
        return diag_fail(diag, ERR_SYNTAX, "merge %zu: two texts with a space between would be right",
                         tokenizer->merges + 1);
    size_t rest = text.size - left - 1;
    buf_clear(bytes);
    int rc = buf_reserve(bytes, text.size);
    rc = rc == 0 ? tokenizer_unmask(text.at, left, (char *) bytes->data, &left) : rc;
    rc = rc == 0 ? tokenizer_unmask(space + 1, rest, (char *) bytes->data + left, &right) : rc;
    if (rc != 0)
        return diag_fail(diag, rc, "merge %zu: %s; each character has to stand for one byte",
                         tokenizer->merges + 1, err_text(rc));
    return tokenizer_add_merge(tokenizer, (const char *) bytes->data, left, (const char *) bytes->data + left,
                               right, diag);
}

static int read_merges(struct tokenizer *tokenizer, const struct gguf *gguf, struct diag *diag)
{
    const struct gguf_value *array = NULL;
    struct buf bytes = {0};
    int rc = gguf_array(gguf, "tokenizer.ggml.merges", GGUF_STRING, &array, diag);
    const uint8_t *at = rc == 0 ? array->at : NULL;
    for (uint64_t i = 0; rc == 0 && i < array->count; i++)
        rc = read_merge(tokenizer, gguf_next_string(&at), &bytes, diag);
    buf_finish(&bytes);
    return rc;
}

static int read_scored(struct tokenizer *tokenizer, const struct gguf *gguf, struct diag *diag)
{
    bool wants_space = true;
    tokenizer->has_scores = tokenizer->by_character = tokenizer->marks_spaces = true;
    int rc = gguf_bool(gguf, "tokenizer.ggml.add_space_prefix", true, &wants_space, diag);
    tokenizer->prefix = wants_space ? TOKENIZER_PREFIX : TOKENIZER_NO_PREFIX;
    return rc == 0 ? read_tokens(tokenizer, gguf, diag) : rc;
}

static int read_merged(struct tokenizer *tokenizer, const struct gguf *gguf, struct diag *diag)
{
    struct gguf_text name;
    int rc = gguf_string(gguf, "tokenizer.ggml.pre", &name, diag);
    if (rc != 0)
        return rc;
    if (name.at == NULL)
        return diag_fail(diag, ERR_NOT_FOUND, "tokenizer.ggml.pre is missing");
    tokenizer->pattern = tokenizer_pattern_named(name);
    tokenizer->takes_words = tokenizer->pattern == TOKENIZER_LLAMA3;
    if (tokenizer->pattern == TOKENIZER_UNCUT)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "tokenizer.ggml.pre is %.*s; gpt-2, llama-bpe, qwen2 or smollm would be right",
                         name.size < 100 ? (int) name.size : 100, name.at);
    rc = read_tokens(tokenizer, gguf, diag);
    return rc == 0 ? read_merges(tokenizer, gguf, diag) : rc;
}

int tokenizer_read_gguf(struct tokenizer *tokenizer, const struct gguf *gguf, struct diag *diag)
{
    struct gguf_text model;
    int rc = gguf_string(gguf, "tokenizer.ggml.model", &model, diag);
    if (rc != 0)
        return rc;
    if (model.at == NULL)
        return diag_fail(diag, ERR_NOT_FOUND, "tokenizer.ggml.model is missing");
    if (gguf_equals(model, "llama"))
        rc = read_scored(tokenizer, gguf, diag);
    else if (gguf_equals(model, "gpt2"))
        rc = read_merged(tokenizer, gguf, diag);
    else
        rc = diag_fail(diag, ERR_UNSUPPORTED, "tokenizer.ggml.model is %.*s; llama or gpt2 would be right",
                       model.size < 100 ? (int) model.size : 100, model.at);
    return rc == 0 ? tokenizer_finish(tokenizer, diag) : rc;
}
