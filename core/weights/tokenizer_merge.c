/* Merges the symbols of one word until nothing fits any more: a list of symbols, and a heap of pairs that could merge.
 * Each merge takes one symbol away and adds at most two pairs, so n bytes take O(n log n). */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/weights/tokenizer_internal.h"
#include "core/weights/unicode.h"

#define NOWHERE UINT32_MAX

/* A part of the word. One that was merged into its left neighbour has no bytes left. */
struct tokenizer_symbol {
    uint32_t begin, size;
    uint32_t previous, next; /* or NOWHERE */
    uint32_t id;             /* or TOKENIZER_NONE */
};

/* Two neighbours that could become one. It is out of date when their bytes are no longer `size`. */
struct tokenizer_candidate {
    uint64_t order; /* the smallest first: by rank or score, then from the left */
    uint32_t left, size;
    uint32_t into;
};

void tokenizer_work_finish(struct tokenizer_work *work)
{
    free(work->symbol);
    free(work->candidate);
    *work = (struct tokenizer_work){0};
}

static void swap(struct tokenizer_candidate *a, struct tokenizer_candidate *b)
{
    struct tokenizer_candidate kept = *a;
    *a = *b;
    *b = kept;
}

static int push(struct tokenizer_work *work, struct tokenizer_candidate candidate)
{
    int rc = array_reserve(&work->candidate, &work->candidates_capacity, work->candidates + 1);
    if (rc != 0)
        return rc;
    struct tokenizer_candidate *heap = work->candidate;
    size_t at = work->candidates++;
    heap[at] = candidate;
    for (; at > 0 && heap[at].order < heap[(at - 1) / 2].order; at = (at - 1) / 2)
        swap(&heap[at], &heap[(at - 1) / 2]);
    return 0;
}

static struct tokenizer_candidate pop(struct tokenizer_work *work)
{
    struct tokenizer_candidate *heap = work->candidate;
    struct tokenizer_candidate first = heap[0];
    size_t at = 0;
    assert(work->candidates > 0);
    heap[0] = heap[--work->candidates];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= work->candidates)
            return first;
        if (child + 1 < work->candidates && heap[child + 1].order < heap[child].order)
            child++;
        if (heap[at].order <= heap[child].order)
            return first;
        swap(&heap[at], &heap[child]);
        at = child;
    }
}

/* Scores as whole numbers that fall as the score rises. No score is a NaN. */
static uint32_t falling(float score)
{
    uint32_t bits = 0;
    float positive_zero = score + 0.0f;
    memcpy(&bits, &positive_zero, sizeof bits);
    return (bits & 0x80000000u) != 0 ? bits : ~(bits | 0x80000000u);
}

/* Does the symbol merge with the next one? */
static int consider(const struct tokenizer *tokenizer, const char *text, struct tokenizer_work *work,
                    uint32_t left)
{
    const struct tokenizer_symbol *one = &work->symbol[left];
    if (one->next == NOWHERE)
        return 0;
    const struct tokenizer_symbol *other = &work->symbol[one->next];
    struct tokenizer_candidate candidate = {.left = left, .size = one->size + other->size};
    uint32_t urgency = 0;
    if (tokenizer->has_scores) {
        candidate.into = tokenizer_find(tokenizer, text + one->begin, candidate.size);
        if (candidate.into == TOKENIZER_NONE)
            return 0;
        urgency = falling(tokenizer->piece[candidate.into].score);
    } else {
        const struct tokenizer_merge *merge = tokenizer_find_merge(tokenizer, one->id, other->id);
        if (merge == NULL)
            return 0;
        candidate.into = merge->into;
        urgency = merge->rank;
    }
    candidate.order = (uint64_t) urgency << 32 | left;
    return push(work, candidate);
}

static int add_symbol(struct tokenizer_work *work, uint32_t begin, uint32_t size, uint32_t id)
{
    int rc = array_reserve(&work->symbol, &work->symbols_capacity, work->symbols + 1);
    if (rc != 0)
        return rc;
    uint32_t at = (uint32_t) work->symbols++;
    work->symbol[at] = (struct tokenizer_symbol){
        .begin = begin, .size = size, .previous = at > 0 ? at - 1 : NOWHERE, .next = NOWHERE, .id = id};
    if (at > 0)
        work->symbol[at - 1].next = at;
    return 0;
}

/* A character as one symbol. One that is no token is bytes; with scores it may yet be a part of a token. */
static int add_character(const struct tokenizer *tokenizer, const char *text, uint32_t at, uint32_t size,
                         struct tokenizer_work *work)
{
    uint32_t id = tokenizer_find(tokenizer, text + at, size);
    int rc = 0;
    if (id != TOKENIZER_NONE || tokenizer->has_scores)
        return add_symbol(work, at, size, id);
    for (uint32_t i = 0; rc == 0 && i < size; i++)
        rc = add_symbol(work, at + i, 1, tokenizer->byte_id[(uint8_t) text[at + i]]);
    return rc;
}

static int begin(const struct tokenizer *tokenizer, const char *text, size_t size,
                 struct tokenizer_work *work)
{
    int rc = 0;
    work->symbols = work->candidates = 0;
    for (size_t at = 0, bytes = 1; rc == 0 && at < size; at += bytes) {
        if (tokenizer->by_character) {
            (void) unicode_decode(text + at, size - at, &bytes);
            rc = add_character(tokenizer, text, (uint32_t) at, (uint32_t) bytes, work);
        } else {
            rc = add_symbol(work, (uint32_t) at, 1, tokenizer->byte_id[(uint8_t) text[at]]);
        }
    }
    for (uint32_t i = 0; rc == 0 && i + 1 < work->symbols; i++)
        rc = consider(tokenizer, text, work, i);
    return rc;
}

/* Two neighbours become the left one. */
static void join(struct tokenizer_work *work, const struct tokenizer_candidate *candidate)
{
    struct tokenizer_symbol *one = &work->symbol[candidate->left];
    struct tokenizer_symbol *other = &work->symbol[one->next];
    one->size = candidate->size;
    one->id = candidate->into;
    one->next = other->next;
    other->size = 0;
    if (one->next != NOWHERE)
        work->symbol[one->next].previous = candidate->left;
}

/* A symbol begins where it always did, so its size says what it is. */
static bool is_out_of_date(const struct tokenizer_work *work, const struct tokenizer_candidate *candidate)
{
    const struct tokenizer_symbol *one = &work->symbol[candidate->left];
    return one->size == 0 || one->next == NOWHERE ||
           one->size + work->symbol[one->next].size != candidate->size;
}

static int merge_all(const struct tokenizer *tokenizer, const char *text, struct tokenizer_work *work)
{
    int rc = 0;
    while (rc == 0 && work->candidates > 0) {
        struct tokenizer_candidate candidate = pop(work);
        if (is_out_of_date(work, &candidate))
            continue;
        join(work, &candidate);
        uint32_t previous = work->symbol[candidate.left].previous;
        rc = previous != NOWHERE ? consider(tokenizer, text, work, previous) : 0;
        rc = rc == 0 ? consider(tokenizer, text, work, candidate.left) : rc;
    }
    return rc;
}

static int add_id(struct tokenizer_ids *ids, uint32_t id)
{
    int rc = array_reserve(&ids->id, &ids->capacity, ids->count + 1);
    if (rc == 0)
        ids->id[ids->count++] = id;
    return rc;
}

static int add_symbols(const struct tokenizer *tokenizer, const char *text, const struct tokenizer_work *work,
                       struct tokenizer_ids *ids)
{
    int rc = 0;
    for (uint32_t at = 0; rc == 0 && at != NOWHERE; at = work->symbol[at].next) {
        const struct tokenizer_symbol *symbol = &work->symbol[at];
        if (symbol->id != TOKENIZER_NONE) {
            rc = add_id(ids, symbol->id);
            continue;
        }
        for (uint32_t i = 0; rc == 0 && i < symbol->size; i++)
            rc = add_id(ids, tokenizer->byte_id[(uint8_t) text[symbol->begin + i]]);
    }
    return rc;
}

int tokenizer_merge_word(const struct tokenizer *tokenizer, const char *text, size_t size,
                         struct tokenizer_work *work, struct tokenizer_ids *ids)
{
    assert(size > 0 && size < NOWHERE);
    uint32_t whole = tokenizer->takes_words ? tokenizer_find(tokenizer, text, size) : TOKENIZER_NONE;
    if (whole != TOKENIZER_NONE)
        return add_id(ids, whole);
    int rc = begin(tokenizer, text, size, work);
    rc = rc == 0 ? merge_all(tokenizer, text, work) : rc;
    return rc == 0 ? add_symbols(tokenizer, text, work, ids) : rc;
}
