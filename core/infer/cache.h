/* Keys and values of one request, by which its later tokens see its earlier ones. A cache covers the layers
 * [first, last) of a model, those that one node computes, and has room for `capacity` tokens.
 *
 * For each layer and each head of keys and values:
 *
 *   keys    [blocks][head_size][INFER_CACHE_BLOCK]   token t's key is a column of its block. That is a matrix of packed
 *                                                    floats (core/linalg/packed.h), by which queries are multiplied
 *   values  [tokens][head_size]                      token t's value is row t
 *
 * Single precision. A process touches only the memory of the tokens that it stores, in pages. Where keys and values stay
 * at a server while the device moves on, they are taken out and put in again by infer_cache_export and
 * infer_cache_import. */
#ifndef HANDOFF_CORE_INFER_CACHE_H
#define HANDOFF_CORE_INFER_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/linalg/packed.h"
#include "core/weights/weights.h"

#define INFER_CACHE_BLOCK LINALG_PACKED_PANEL /* tokens */

struct infer_cache {
    uint32_t first, last; /* layers */
    uint32_t kv_heads, head_size;
    uint32_t capacity;    /* tokens */
    uint32_t room;        /* the same in whole blocks */
    uint32_t *tokens;     /* [last - first]: how many the layer holds */
    float *keys, *values; /* [last - first][kv_heads][room * head_size] each */
};

/* ERR_RANGE: the layers are not the model's, or the capacity is 0 or more than the model's context. -ENOMEM. */
int infer_cache_create(struct infer_cache **ret_cache, const struct weights_geometry *geometry,
                       uint32_t first, uint32_t last, uint32_t capacity, struct diag *diag);
/* NULL is allowed. */
void infer_cache_destroy(struct infer_cache *cache);

/* Forgets the tokens from number `tokens` on, in all layers: to compute them anew. */
void infer_cache_cut(struct infer_cache *cache, uint32_t tokens);

/* Tokens that every layer of the cache holds. */
uint32_t infer_cache_tokens(const struct infer_cache *cache);

/* Where a head's keys and values of a layer begin. `layer` counts from the model's first. Borrowed. */
float *infer_cache_keys(const struct infer_cache *cache, uint32_t layer, uint32_t head);
float *infer_cache_values(const struct infer_cache *cache, uint32_t layer, uint32_t head);

/* A part of a cache: layers [first, last), tokens [from, to). */
struct infer_cache_part {
    uint32_t first, last, from, to;
};

/* Puts one token's key and value of one head there, behind the token before it. Borrowed: [head_size] each. */
void infer_cache_store(const struct infer_cache *cache, uint32_t layer, uint32_t head, uint32_t token,
                       const float *key, const float *value);

/* Floats of a part outside of a cache, as [layer][token][key, then value][kv_heads * head_size]. 0: it is empty. */
size_t infer_cache_floats(const struct infer_cache *cache, const struct infer_cache_part *part);

/* ERR_RANGE: the cache does not have the part. */
int infer_cache_export(const struct infer_cache *cache, const struct infer_cache_part *part,
                       float *ret_floats, struct diag *diag);

/* What one cache gave, another takes: exactly the same bits. The layers must hold at least `from` tokens, and hold `to`
 * afterwards. ERR_RANGE: there is a gap, no room, or a number that is not finite; then nothing has changed. */
int infer_cache_import(struct infer_cache *cache, const struct infer_cache_part *part, const float *floats,
                       struct diag *diag);

#endif
