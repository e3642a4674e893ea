#include "core/model/chunks.h"

#include <assert.h>
#include <math.h>

uint32_t chunks_of(const struct world *world, uint32_t tokens, uint32_t split)
{
    uint64_t most = world->scenario.compute.chunks;
    if (split >= world->llm->layers || most <= 1 || tokens <= 1)
        return 1;
    return most < tokens ? (uint32_t) most : tokens;
}

struct chunk_rows chunks_rows(uint32_t tokens, uint32_t chunks, uint32_t chunk)
{
    assert(chunk < chunks && chunks <= tokens);
    if (chunks == 1) /* as most often: no division */
        return (struct chunk_rows){0, tokens};
    uint64_t first = (uint64_t) tokens * chunk / chunks;
    uint64_t end = (uint64_t) tokens * (chunk + 1) / chunks;
    return (struct chunk_rows){(uint32_t) first, (uint32_t) (end - first)};
}

void chunks_pass(struct chunks_line *line, const struct chunk_stages *stages)
{
    assert(stages->transfer_s >= stages->sending_s);
    line->computed_s += stages->local_s;
    double begin_s = fmax(line->computed_s, line->free_s);
    line->free_s = begin_s + stages->sending_s;
    line->arrived_s = fmax(line->arrived_s, begin_s + stages->transfer_s);
    line->done_s = fmax(line->arrived_s, line->done_s) + stages->edge_s;
    line->local_s += stages->local_s;
    line->sending_s += stages->sending_s;
    line->edge_s += stages->edge_s;
}
