/* How well a model foretells a text: the negative log-likelihood of tokens, summed. Sums of parts of a text add up to
 * that of the whole, so the perplexity and the bits per byte of any group of texts are exact. */
#ifndef HANDOFF_CORE_STATS_LIKELIHOOD_H
#define HANDOFF_CORE_STATS_LIKELIHOOD_H

#include <stdint.h>

struct likelihood {
    double nats;     /* sum of -log p(token | those before it) */
    uint64_t tokens; /* that were scored */
    uint64_t bytes;  /* of their text; 0: not known */
};

void likelihood_add(struct likelihood *sum, const struct likelihood *part);

/* exp(nats / tokens), which compares models with one tokenizer; 0 of no token. */
double likelihood_perplexity(const struct likelihood *sum);

/* nats / log 2 / bytes, which compares models with different tokenizers; 0 of no byte. */
double likelihood_bits_per_byte(const struct likelihood *sum);

#endif
