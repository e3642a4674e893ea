/* Language models as workloads: published geometry, and what a span of layers costs (A7). No weights here. */
#ifndef HANDOFF_CORE_MODEL_LLM_H
#define HANDOFF_CORE_MODEL_LLM_H

#include <stddef.h>
#include <stdint.h>

#include "core/model/scenario.h"

#define LLM_NAME_MAX 64u

struct llm {
    char name[LLM_NAME_MAX + 1];
    uint32_t layers;  /* L */
    uint32_t hidden;  /* d, elements of the hidden state of one token */
    uint32_t query;   /* elements of one token's queries in one layer (heads * head size); most often d */
    uint32_t kv;      /* elements of one token's key in one layer (heads_kv * head size) */
    uint32_t ff;      /* inner width of the feed-forward part */
    uint32_t ff_mats; /* matrices of the feed-forward part: 2 (GELU) or 3 (gated) */
    uint32_t vocab;
    const char *source; /* citation; static */
};

/* The table, and a lookup by name (NULL: unknown). */
size_t llm_count(void);
const struct llm *llm_at(size_t index);
const struct llm *llm_find(const char *name);

/* Weights of one layer, elements: attention d*query*2 + d*kv*2, feed-forward ff_mats*d*ff. */
double llm_layer_weights(const struct llm *llm);

/* c_j, FLOP of one layer for `tokens`: 24 n d^2 (A7), or 2 n times the layer's weights. */
double llm_layer_flop(const struct llm *llm, enum scenario_work work, uint32_t tokens);

/* FLOP of one layer's scores and weighted values, which c_j leaves out: a token looks at itself and at those before it,
 * n (n + 1) / 2 pairs of 2 query for the score and 2 query for the values, so 2 n (n + 1) query (A7a). */
double llm_attention_flop(const struct llm *llm, uint32_t tokens);

/* D_s, bits that cross the link when the device stops after layer s: token ids at 0, nothing at L (A7). */
double llm_split_bits(const struct llm *llm, uint32_t split, uint32_t tokens, double bits_per_element);

/* Bytes of keys and values that one layer keeps for `tokens` (C8). */
double llm_layer_kv_bytes(const struct llm *llm, uint32_t tokens, double bits_per_element);

/* S_n, the layers whose weights fit in `memory_bytes` (C7), at most L; 0 bytes: no limit. Weights stay in 16
 * bits, the precision of the published checkpoints, whatever the activations use. */
uint32_t llm_layers_in(const struct llm *llm, double memory_bytes);

#endif
