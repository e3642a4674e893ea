/* compute.chunks: a prompt's way to a server in pieces. The device computes one chunk while the one before is sent,
 * and the server works on what has come. Only a task that goes to a server is cut.
 *
 * A line of chunks, in order i = 1..k, with L_0 = S_0 = A_0 = E_0 = 0:
 *
 *   L_i = L_(i-1) + local_s               the device has computed it
 *   B_i = max(L_i, S_(i-1))               its sending begins: the link carries one chunk at a time
 *   S_i = B_i + sending_s                 its last bit has left, and the link is free
 *   A_i = max(A_(i-1), B_i + transfer_s)  it has arrived. The link's delay and its losses do not occupy it
 *   E_i = max(A_i, E_(i-1)) + edge_s      the server has computed it */
#ifndef HANDOFF_CORE_MODEL_CHUNKS_H
#define HANDOFF_CORE_MODEL_CHUNKS_H

#include <stdint.h>

#include "core/model/world.h"

/* Rows of a prompt: `count` from row `first` on, counted from 0. */
struct chunk_rows {
    uint32_t first, count;
};

/* How many chunks a prompt is cut into when layers 1..split are the device's: min(compute.chunks, tokens), and 1 when
 * nothing is sent. */
uint32_t chunks_of(const struct world *world, uint32_t tokens, uint32_t split);
/* Chunk `chunk` < chunks, counted from 0: rows floor(tokens chunk / chunks) to floor(tokens (chunk + 1) / chunks). */
struct chunk_rows chunks_rows(uint32_t tokens, uint32_t chunks, uint32_t chunk);

/* What one chunk takes at each stage. */
struct chunk_stages {
    double local_s;
    double sending_s;  /* of the link */
    double transfer_s; /* until it has arrived, >= sending_s */
    double edge_s;
};
/* Zeroed before the first chunk. */
struct chunks_line {
    double computed_s, free_s, arrived_s, done_s; /* L, S, A, E of the last chunk */
    double local_s, sending_s, edge_s;            /* seconds in which each was at work */
};
void chunks_pass(struct chunks_line *line, const struct chunk_stages *stages);

#endif
