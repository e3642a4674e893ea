#include "core/model/llm.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#define TOKEN_ID_BITS 32.0 /* a token id on the wire: one 32-bit integer (A7) */

#define WEIGHT_BYTES 2.0 /* float16 or bfloat16, as published */

#define LLAMA_2 "Touvron et al., Llama 2, arXiv:2307.09288 (2023); geometry of the published checkpoints"
#define LLAMA_3                                                                                              \
    "Grattafiori et al., The Llama 3 Herd of Models, arXiv:2407.21783 (2024), table 3; the checkpoints' "    \
    "vocabulary"
#define LLAMA_3_2 "Meta, Llama 3.2 (2024); config.json of the published checkpoints"
#define QWEN_2_5                                                                                             \
    "Qwen Team, Qwen2.5 Technical Report, arXiv:2412.15115 (2024); config.json of the published checkpoints"
#define PHI_3                                                                                                \
    "Abdin et al., Phi-3 Technical Report, arXiv:2404.14219 (2024); config.json of Phi-3-mini-4k-instruct"
#define GEMMA "Gemma Team, Gemma, arXiv:2403.08295 (2024), table 1; config.json of the published checkpoints"
#define GEMMA_2                                                                                              \
    "Gemma Team, Gemma 2, arXiv:2408.00118 (2024), table 1; config.json of the published checkpoints"
#define GPT_2 "Radford et al., Language Models are Unsupervised Multitask Learners (2019), table 2"

/* Name, layers, hidden, query, kv, ff, ff_mats, vocab, source. A gated feed-forward part counts as 3 x ff, whatever the
 * width at which a paper states its first two matrices together (Gemma's table 1). */
static const struct llm rows[] = {
    {"llama-2-7b", 32, 4096, 4096, 4096, 11008, 3, 32000, LLAMA_2},
    {"llama-2-13b", 40, 5120, 5120, 5120, 13824, 3, 32000, LLAMA_2},
    {"llama-3-8b", 32, 4096, 4096, 1024, 14336, 3, 128256, LLAMA_3},
    {"llama-3-70b", 80, 8192, 8192, 1024, 28672, 3, 128256, LLAMA_3},
    {"llama-3.2-1b", 16, 2048, 2048, 512, 8192, 3, 128256, LLAMA_3_2},
    {"llama-3.2-3b", 28, 3072, 3072, 1024, 8192, 3, 128256, LLAMA_3_2},
    {"mistral-7b", 32, 4096, 4096, 1024, 14336, 3, 32000,
     "Jiang et al., Mistral 7B, arXiv:2310.06825 (2023), table 1"},
    {"tinyllama-1.1b", 22, 2048, 2048, 256, 5632, 3, 32000,
     "Zhang et al., TinyLlama, arXiv:2401.02385 (2024)"},
    {"qwen2.5-0.5b", 24, 896, 896, 128, 4864, 3, 151936, QWEN_2_5},
    {"qwen2.5-1.5b", 28, 1536, 1536, 256, 8960, 3, 151936, QWEN_2_5},
    {"qwen2.5-3b", 36, 2048, 2048, 256, 11008, 3, 151936, QWEN_2_5},
    {"qwen2.5-7b", 28, 3584, 3584, 512, 18944, 3, 152064, QWEN_2_5},
    {"phi-3-mini", 32, 3072, 3072, 3072, 8192, 3, 32064, PHI_3},
    {"gemma-2b", 18, 2048, 2048, 256, 16384, 3, 256000, GEMMA},
    {"gemma-7b", 28, 3072, 4096, 4096, 24576, 3, 256000, GEMMA},
    {"gemma-2-2b", 26, 2304, 2048, 1024, 9216, 3, 256000, GEMMA_2},
    {"gemma-2-9b", 42, 3584, 4096, 2048, 14336, 3, 256000, GEMMA_2},
    {"gpt2", 12, 768, 768, 768, 3072, 2, 50257, GPT_2},
    {"gpt2-medium", 24, 1024, 1024, 1024, 4096, 2, 50257, GPT_2},
    {"gpt2-large", 36, 1280, 1280, 1280, 5120, 2, 50257, GPT_2},
    {"gpt2-xl", 48, 1600, 1600, 1600, 6400, 2, 50257, GPT_2},
};

size_t llm_count(void)
{
    return sizeof rows / sizeof *rows;
}

const struct llm *llm_at(size_t index)
{
    assert(index < llm_count());
    return &rows[index];
}

const struct llm *llm_find(const char *name)
{
    for (size_t i = 0; i < llm_count(); i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

double llm_layer_weights(const struct llm *llm)
{
    double d = llm->hidden;
    return 2.0 * d * llm->query + 2.0 * d * llm->kv + (double) llm->ff_mats * d * llm->ff;
}

double llm_layer_flop(const struct llm *llm, enum scenario_work work, uint32_t tokens)
{
    double d = llm->hidden;
    switch (work) {
    case WORK_PAPER: return 24.0 * tokens * d * d;
    case WORK_GEOMETRY: return 2.0 * tokens * llm_layer_weights(llm);
    }
    assert(false); /* every kind is above */
    return 0.0;
}

double llm_attention_flop(const struct llm *llm, uint32_t tokens)
{
    double n = tokens;
    return 2.0 * n * (n + 1.0) * llm->query;
}

double llm_split_bits(const struct llm *llm, uint32_t split, uint32_t tokens, double bits_per_element)
{
    if (split >= llm->layers)
        return 0.0;
    return split == 0 ? TOKEN_ID_BITS * tokens : bits_per_element * tokens * llm->hidden;
}

double llm_layer_kv_bytes(const struct llm *llm, uint32_t tokens, double bits_per_element)
{
    return 2.0 * tokens * llm->kv * bits_per_element / 8.0;
}

uint32_t llm_layers_in(const struct llm *llm, double memory_bytes)
{
    if (memory_bytes <= 0.0)
        return llm->layers;
    double layers = memory_bytes / (WEIGHT_BYTES * llm_layer_weights(llm));
    return layers < llm->layers ? (uint32_t) layers : llm->layers;
}
