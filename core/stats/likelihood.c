#include "core/stats/likelihood.h"

#include "core/base/elementary.h"

void likelihood_add(struct likelihood *sum, const struct likelihood *part)
{
    sum->nats += part->nats;
    sum->tokens += part->tokens;
    sum->bytes += part->bytes;
}

double likelihood_perplexity(const struct likelihood *sum)
{
    return sum->tokens > 0 ? elementary_exp(sum->nats / (double) sum->tokens) : 0.0;
}

double likelihood_bits_per_byte(const struct likelihood *sum)
{
    return sum->bytes > 0 ? sum->nats / elementary_log(2.0) / (double) sum->bytes : 0.0;
}
