/* A tokenizer's tables: filled, sorted and searched. Sorted arrays, so that no file can choose keys that collide. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/weights/tokenizer_internal.h"
#include "core/weights/unicode.h"

#define MARK "\xe2\x96\x81" /* U+2581, in place of a space */
#define MARK_BYTES 3u

int tokenizer_make(struct tokenizer *tokenizer, uint64_t pieces, struct diag *diag)
{
    assert(tokenizer->piece == NULL);
    if (pieces == 0 || pieces > TOKENIZER_IDS_MAX)
        return diag_fail(diag, ERR_RANGE, "%llu tokens; 1 to %u would be right", (unsigned long long) pieces,
                         TOKENIZER_IDS_MAX);
    tokenizer->piece = calloc(pieces, sizeof *tokenizer->piece);
    if (tokenizer->piece == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    tokenizer->pieces = (uint32_t) pieces;
    for (size_t i = 0; i < 256; i++)
        tokenizer->byte_id[i] = TOKENIZER_NONE;
    tokenizer->begin = tokenizer->end = TOKENIZER_NONE;
    return 0;
}

static int digit_of(char c)
{
    const char *digits = "0123456789ABCDEF";
    const char *found = c != '\0' ? strchr(digits, c) : NULL;
    return found != NULL ? (int) (found - digits) : -1;
}

int tokenizer_named_byte(const char *text, size_t size)
{
    if (size != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>')
        return -1;
    int high = digit_of(text[3]), low = digit_of(text[4]);
    return high >= 0 && low >= 0 ? high * 16 + low : -1;
}

static int put(struct tokenizer *tokenizer, const char *text, size_t size, uint32_t *ret_at,
               uint32_t *ret_size)
{
    if (tokenizer->bytes.size > UINT32_MAX - size)
        return ERR_TOO_BIG;
    uint32_t at = (uint32_t) tokenizer->bytes.size;
    int rc = buf_push(&tokenizer->bytes, text, size);
    if (rc == 0)
        *ret_at = at, *ret_size = (uint32_t) size;
    return rc;
}

/* The text with spaces in place of marks. */
static int put_unmarked(struct tokenizer *tokenizer, const char *text, size_t size,
                        struct tokenizer_piece *piece)
{
    size_t first = tokenizer->bytes.size, at = 0;
    int rc = 0;
    while (rc == 0 && at < size) {
        bool is_mark = size - at >= MARK_BYTES && memcmp(text + at, MARK, MARK_BYTES) == 0;
        rc = buf_push(&tokenizer->bytes, is_mark ? " " : text + at, 1);
        at += is_mark ? MARK_BYTES : 1;
    }
    if (rc == 0 && tokenizer->bytes.size > UINT32_MAX)
        rc = ERR_TOO_BIG;
    piece->bytes = (uint32_t) first;
    piece->bytes_size = (uint32_t) (tokenizer->bytes.size - first);
    return rc;
}

/* What the token decodes to. */
static int put_bytes(struct tokenizer *tokenizer, const char *text, size_t size,
                     struct tokenizer_piece *piece)
{
    char byte = '\0';
    switch (piece->kind) {
    case TOKENIZER_BYTE:
        byte = (char) tokenizer_named_byte(text, size);
        return put(tokenizer, &byte, 1, &piece->bytes, &piece->bytes_size);
    case TOKENIZER_TEXT:
        if (tokenizer->marks_spaces)
            return put_unmarked(tokenizer, text, size, piece);
        piece->bytes = piece->text;
        piece->bytes_size = piece->text_size;
        return 0;
    case TOKENIZER_ADDED:
        piece->bytes = piece->text;
        piece->bytes_size = piece->text_size;
        return 0;
    case TOKENIZER_ABSENT:
    case TOKENIZER_CONTROL: break;
    }
    return 0;
}

int tokenizer_set(struct tokenizer *tokenizer, uint32_t id, enum tokenizer_kind kind, const char *text,
                  size_t size, struct diag *diag)
{
    struct tokenizer_piece piece = {.kind = kind};
    if (id >= tokenizer->pieces)
        return diag_fail(diag, ERR_RANGE, "token %u; ids are below %u", id, tokenizer->pieces);
    if (tokenizer->piece[id].kind != TOKENIZER_ABSENT)
        return diag_fail(diag, ERR_DUPLICATE, "token %u is there twice", id);
    if (size > TOKENIZER_PIECE_MAX || (size == 0 && kind == TOKENIZER_TEXT))
        return diag_fail(diag, ERR_RANGE, "token %u has %zu bytes; 1 to %u would be right", id, size,
                         TOKENIZER_PIECE_MAX);
    if (kind == TOKENIZER_BYTE && tokenizer_named_byte(text, size) < 0)
        return diag_fail(diag, ERR_SYNTAX,
                         "token %u is a byte, and named %.*s; <0x00> to <0xFF> would be right", id,
                         size < 20 ? (int) size : 20, text);
    int rc = put(tokenizer, text, size, &piece.text, &piece.text_size);
    rc = rc == 0 ? put_bytes(tokenizer, text, size, &piece) : rc;
    if (rc != 0)
        return diag_fail(diag, rc, "token %u: %s", id, err_text(rc));
    if (kind == TOKENIZER_BYTE)
        tokenizer->byte_id[tokenizer_named_byte(text, size)] = id;
    tokenizer->piece[id] = piece;
    return 0;
}

static const char *text_of(const struct tokenizer *tokenizer, uint32_t id)
{
    return (const char *) tokenizer->bytes.data + tokenizer->piece[id].text;
}

static int compare(const char *a, size_t a_size, const char *b, size_t b_size)
{
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

/* qsort takes no context: what it sorts brings its own. */
struct keyed {
    const char *text;
    uint32_t size, id;
};

static int by_text(const void *a, const void *b)
{
    const struct keyed *one = a, *other = b;
    return compare(one->text, one->size, other->text, other->size);
}

static size_t collect_texts(const struct tokenizer *tokenizer, struct keyed *ret_keyed)
{
    size_t count = 0;
    for (uint32_t id = 0; id < tokenizer->pieces; id++)
        if (tokenizer->piece[id].kind == TOKENIZER_TEXT)
            ret_keyed[count++] = (struct keyed){text_of(tokenizer, id), tokenizer->piece[id].text_size, id};
    return count;
}

int tokenizer_index(struct tokenizer *tokenizer, struct diag *diag)
{
    struct keyed *keyed = NULL;
    int rc = 0;
    assert(tokenizer->by_text == NULL);
    array_resize(&keyed, tokenizer->pieces, &rc);
    array_resize(&tokenizer->by_text, tokenizer->pieces, &rc);
    if (rc != 0) {
        free(keyed);
        return diag_fail(diag, rc, "out of memory");
    }
    tokenizer->texts = collect_texts(tokenizer, keyed);
    qsort(keyed, tokenizer->texts, sizeof *keyed, by_text);
    for (size_t i = 0; rc == 0 && i < tokenizer->texts; i++) {
        if (i > 0 && by_text(&keyed[i - 1], &keyed[i]) == 0)
            rc = diag_fail(diag, ERR_DUPLICATE, "tokens %u and %u have the same text", keyed[i - 1].id,
                           keyed[i].id);
        tokenizer->by_text[i] = keyed[i].id;
        if (keyed[i].size > tokenizer->text_max)
            tokenizer->text_max = keyed[i].size;
    }
    free(keyed);
    return rc;
}

uint32_t tokenizer_find(const struct tokenizer *tokenizer, const char *text, size_t size)
{
    size_t low = 0, high = tokenizer->texts;
    if (size > tokenizer->text_max)
        return TOKENIZER_NONE;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint32_t id = tokenizer->by_text[middle];
        int order = compare(text_of(tokenizer, id), tokenizer->piece[id].text_size, text, size);
        if (order == 0)
            return id;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return TOKENIZER_NONE;
}

/* A part of a merge may be a byte of a tokenizer that begins from characters. */
static uint32_t find_part(const struct tokenizer *tokenizer, const char *text, size_t size)
{
    uint32_t id = tokenizer_find(tokenizer, text, size);
    int byte = tokenizer_named_byte(text, size);
    return id == TOKENIZER_NONE && byte >= 0 ? tokenizer->byte_id[byte] : id;
}

static int fail_merge(const struct tokenizer *tokenizer, const char *text, size_t size, struct diag *diag)
{
    return diag_fail(diag, ERR_NOT_FOUND, "merge %zu: %.*s is no token", tokenizer->merges + 1,
                     size < 100 ? (int) size : 100, text);
}

int tokenizer_add_merge(struct tokenizer *tokenizer, const char *left, size_t left_size, const char *right,
                        size_t right_size, struct diag *diag)
{
    struct tokenizer_merge merge = {.rank = (uint32_t) tokenizer->merges};
    struct buf both = {0};
    merge.left = find_part(tokenizer, left, left_size);
    merge.right = find_part(tokenizer, right, right_size);
    if (merge.left == TOKENIZER_NONE)
        return fail_merge(tokenizer, left, left_size, diag);
    if (merge.right == TOKENIZER_NONE)
        return fail_merge(tokenizer, right, right_size, diag);
    if (tokenizer->merges == TOKENIZER_MERGES_MAX)
        return diag_fail(diag, ERR_TOO_BIG, "more than %u merges", TOKENIZER_MERGES_MAX);
    int rc = buf_push(&both, left, left_size);
    rc = rc == 0 ? buf_push(&both, right, right_size) : rc;
    rc = rc == 0 ? array_reserve(&tokenizer->merge, &tokenizer->merges_capacity, tokenizer->merges + 1) : rc;
    if (rc == 0) {
        merge.into = tokenizer_find(tokenizer, (const char *) both.data, both.size);
        if (merge.into == TOKENIZER_NONE)
            rc = fail_merge(tokenizer, (const char *) both.data, both.size, diag);
        else
            tokenizer->merge[tokenizer->merges++] = merge;
    }
    buf_finish(&both);
    return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
}

static int by_parts(const void *a, const void *b)
{
    const struct tokenizer_merge *one = a, *other = b;
    if (one->left != other->left)
        return one->left > other->left ? 1 : -1;
    return (one->right > other->right) - (one->right < other->right);
}

static int by_parts_and_rank(const void *a, const void *b)
{
    const struct tokenizer_merge *one = a, *other = b;
    int order = by_parts(a, b);
    return order != 0 ? order : (one->rank > other->rank) - (one->rank < other->rank);
}

static void sort_merges(struct tokenizer *tokenizer)
{
    size_t kept = 0;
    if (tokenizer->merges == 0)
        return;
    qsort(tokenizer->merge, tokenizer->merges, sizeof *tokenizer->merge, by_parts_and_rank);
    for (size_t i = 0; i < tokenizer->merges; i++)
        if (i == 0 || by_parts(&tokenizer->merge[kept - 1], &tokenizer->merge[i]) != 0)
            tokenizer->merge[kept++] = tokenizer->merge[i];
    tokenizer->merges = kept;
}

int tokenizer_finish(struct tokenizer *tokenizer, struct diag *diag)
{
    sort_merges(tokenizer);
    for (int i = 0; i < 256; i++) {
        char byte = (char) i;
        if (!tokenizer->by_character)
            tokenizer->byte_id[i] = tokenizer_find(tokenizer, &byte, 1);
        if (tokenizer->byte_id[i] == TOKENIZER_NONE)
            return diag_fail(diag, ERR_NOT_FOUND,
                             "no token for the byte 0x%02X; one for each byte would be right", (unsigned) i);
    }
    return 0;
}

const struct tokenizer_merge *tokenizer_find_merge(const struct tokenizer *tokenizer, uint32_t left,
                                                   uint32_t right)
{
    const struct tokenizer_merge wanted = {.left = left, .right = right};
    if (tokenizer->merges == 0)
        return NULL;
    return bsearch(&wanted, tokenizer->merge, tokenizer->merges, sizeof wanted, by_parts);
}

/* GPT-2's characters for bytes: those that print stand for themselves; the others take the characters from U+0100 on,
 * in rising order. */
static bool stands_for_itself(uint32_t byte)
{
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xff && byte != 0xad);
}

static int byte_of(uint32_t character)
{
    if (character < 256)
        return stands_for_itself(character) ? (int) character : -1;
    if (character >= 256 + 68) /* so many do not */
        return -1;
    uint32_t skip = character - 256;
    for (uint32_t byte = 0; byte < 256; byte++)
        if (!stands_for_itself(byte) && skip-- == 0)
            return (int) byte;
    return -1;
}

int tokenizer_unmask(const char *text, size_t size, char *ret_bytes, size_t *ret_size)
{
    size_t at = 0, count = 0, bytes = 0;
    while (at < size) {
        int byte = byte_of(unicode_decode(text + at, size - at, &bytes));
        if (byte < 0)
            return ERR_SYNTAX;
        ret_bytes[count++] = (char) byte;
        at += bytes;
    }
    *ret_size = count;
    return 0;
}
