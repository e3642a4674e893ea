#include "core/infer/cache.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

static int check(const struct weights_geometry *geometry, uint32_t first, uint32_t last, uint32_t capacity,
                 struct diag *diag)
{
    if (first >= last || last > geometry->layers)
        return diag_fail(diag, ERR_RANGE, "keys and values of layers %u to %u: the model has layers 0 to %u",
                         first, last, geometry->layers);
    if (capacity == 0 || capacity > geometry->context)
        return diag_fail(diag, ERR_RANGE, "keys and values of %u tokens: the model's context is 1 to %u",
                         capacity, geometry->context);
    return 0;
}

/* Not touched yet. The count is a multiple of a block's, and so of the alignment. */
static float *allocate(uint64_t floats)
{
    assert(floats % LINALG_PACKED_ALIGNMENT == 0);
    return floats <= SIZE_MAX / sizeof(float) ? aligned_alloc(LINALG_PACKED_ALIGNMENT, floats * sizeof(float))
                                              : NULL;
}

int infer_cache_create(struct infer_cache **ret_cache, const struct weights_geometry *geometry,
                       uint32_t first, uint32_t last, uint32_t capacity, struct diag *diag)
{
    int rc = check(geometry, first, last, capacity, diag);
    if (rc != 0)
        return rc;
    struct infer_cache *cache = malloc(sizeof *cache);
    if (cache == NULL)
        return diag_fail(diag, -ENOMEM, "keys and values of %u tokens: out of memory", capacity);
    uint32_t room = (capacity + INFER_CACHE_BLOCK - 1) / INFER_CACHE_BLOCK * INFER_CACHE_BLOCK;
    /* Bounded by WEIGHTS_*_MAX: below 2^10 * 2^10 * 2^10 * 2^24 floats, no overflow of 64 bits. */
    uint64_t floats = (uint64_t) (last - first) * geometry->kv_heads * geometry->head_size * room;
    *cache = (struct infer_cache){
        .first = first,
        .last = last,
        .kv_heads = geometry->kv_heads,
        .head_size = geometry->head_size,
        .capacity = capacity,
        .room = room,
        .tokens = calloc(last - first, sizeof *cache->tokens),
        .keys = allocate(floats),
        .values = allocate(floats),
    };
    if (cache->tokens == NULL || cache->keys == NULL || cache->values == NULL) {
        infer_cache_destroy(cache);
        return diag_fail(diag, -ENOMEM, "keys and values of %u tokens: out of memory", capacity);
    }
    *ret_cache = cache;
    return 0;
}

void infer_cache_destroy(struct infer_cache *cache)
{
    if (cache == NULL)
        return;
    free(cache->tokens);
    free(cache->keys);
    free(cache->values);
    free(cache);
}

void infer_cache_cut(struct infer_cache *cache, uint32_t tokens)
{
    for (uint32_t l = 0; l < cache->last - cache->first; l++)
        if (cache->tokens[l] > tokens)
            cache->tokens[l] = tokens;
}

uint32_t infer_cache_tokens(const struct infer_cache *cache)
{
    uint32_t least = cache->tokens[0];
    for (uint32_t l = 1; l < cache->last - cache->first; l++)
        least = cache->tokens[l] < least ? cache->tokens[l] : least;
    return least;
}

static size_t head_offset(const struct infer_cache *cache, uint32_t layer, uint32_t head)
{
    assert(layer >= cache->first && layer < cache->last && head < cache->kv_heads);
    return ((size_t) (layer - cache->first) * cache->kv_heads + head) * cache->head_size * cache->room;
}

float *infer_cache_keys(const struct infer_cache *cache, uint32_t layer, uint32_t head)
{
    return cache->keys + head_offset(cache, layer, head);
}

float *infer_cache_values(const struct infer_cache *cache, uint32_t layer, uint32_t head)
{
    return cache->values + head_offset(cache, layer, head);
}

size_t infer_cache_floats(const struct infer_cache *cache, const struct infer_cache_part *part)
{
    if (part->first >= part->last || part->from >= part->to)
        return 0;
    return (size_t) (part->last - part->first) * (part->to - part->from) * 2 * cache->kv_heads *
           cache->head_size;
}

static int check_layers(const struct infer_cache *cache, const struct infer_cache_part *part,
                        struct diag *diag)
{
    if (part->first >= cache->first && part->first <= part->last && part->last <= cache->last &&
        part->from <= part->to)
        return 0;
    return diag_fail(diag, ERR_RANGE,
                     "keys and values of layers %u to %u, tokens %u to %u: the layers are %u to %u",
                     part->first, part->last, part->from, part->to, cache->first, cache->last);
}

/* Where a token's key begins among its head's; the next element lies INFER_CACHE_BLOCK floats on. */
static size_t key_offset(const struct infer_cache *cache, uint32_t token)
{
    return (size_t) (token / INFER_CACHE_BLOCK) * INFER_CACHE_BLOCK * cache->head_size +
           token % INFER_CACHE_BLOCK;
}

void infer_cache_store(const struct infer_cache *cache, uint32_t layer, uint32_t head, uint32_t token,
                       const float *key, const float *value)
{
    assert(token < cache->capacity);
    float *keys = infer_cache_keys(cache, layer, head) + key_offset(cache, token);
    float *values = infer_cache_values(cache, layer, head) + (size_t) token * cache->head_size;
    if (token % INFER_CACHE_BLOCK == 0) /* what lies behind the last token is multiplied, too */
        memset(keys, 0, (size_t) INFER_CACHE_BLOCK * cache->head_size * sizeof *keys);
    for (uint32_t i = 0; i < cache->head_size; i++)
        keys[(size_t) i * INFER_CACHE_BLOCK] = key[i];
    memcpy(values, value, cache->head_size * sizeof *values);
}

/* One token's key and value of one layer, out of the cache or into it. */
static void copy_out(const struct infer_cache *cache, uint32_t layer, uint32_t token, float *to)
{
    uint32_t size = cache->head_size, width = cache->kv_heads * size;
    for (uint32_t h = 0; h < cache->kv_heads; h++) {
        const float *keys = infer_cache_keys(cache, layer, h) + key_offset(cache, token);
        const float *values = infer_cache_values(cache, layer, h) + (size_t) token * size;
        for (uint32_t i = 0; i < size; i++)
            to[h * size + i] = keys[(size_t) i * INFER_CACHE_BLOCK];
        memcpy(to + width + h * size, values, size * sizeof *to);
    }
}

static void copy_in(const struct infer_cache *cache, uint32_t layer, uint32_t token, const float *from)
{
    uint32_t size = cache->head_size, width = cache->kv_heads * size;
    for (uint32_t h = 0; h < cache->kv_heads; h++)
        infer_cache_store(cache, layer, h, token, from + h * size, from + width + h * size);
}

int infer_cache_export(const struct infer_cache *cache, const struct infer_cache_part *part,
                       float *ret_floats, struct diag *diag)
{
    int rc = check_layers(cache, part, diag);
    for (uint32_t l = part->first; l < part->last && rc == 0; l++)
        if (cache->tokens[l - cache->first] < part->to)
            rc = diag_fail(diag, ERR_RANGE, "keys and values of tokens %u to %u: layer %u has %u tokens",
                           part->from, part->to, l, cache->tokens[l - cache->first]);
    if (rc != 0)
        return rc;
    for (uint32_t l = part->first; l < part->last; l++)
        for (uint32_t t = part->from; t < part->to;
             t++, ret_floats += 2 * (size_t) cache->kv_heads * cache->head_size)
            copy_out(cache, l, t, ret_floats);
    return 0;
}

static int check_import(const struct infer_cache *cache, const struct infer_cache_part *part,
                        const float *floats, struct diag *diag)
{
    int rc = check_layers(cache, part, diag);
    if (rc == 0 && part->to > cache->capacity)
        rc = diag_fail(diag, ERR_RANGE, "keys and values of tokens %u to %u: there is room for %u",
                       part->from, part->to, cache->capacity);
    for (uint32_t l = part->first; l < part->last && rc == 0; l++)
        if (cache->tokens[l - cache->first] < part->from)
            rc = diag_fail(diag, ERR_RANGE,
                           "keys and values from token %u on: layer %u has %u tokens before it", part->from,
                           l, cache->tokens[l - cache->first]);
    for (size_t i = 0; rc == 0 && i < infer_cache_floats(cache, part); i++)
        if (!isfinite(floats[i]))
            rc = diag_fail(diag, ERR_RANGE, "keys and values: number %zu is not finite", i);
    return rc;
}

int infer_cache_import(struct infer_cache *cache, const struct infer_cache_part *part, const float *floats,
                       struct diag *diag)
{
    int rc = check_import(cache, part, floats, diag);
    if (rc != 0)
        return rc;
    for (uint32_t l = part->first; l < part->last; l++) {
        for (uint32_t t = part->from; t < part->to;
             t++, floats += 2 * (size_t) cache->kv_heads * cache->head_size)
            copy_in(cache, l, t, floats);
        cache->tokens[l - cache->first] = part->to;
    }
    return 0;
}
