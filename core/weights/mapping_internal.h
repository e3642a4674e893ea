/* A file in memory, read-only. */
#ifndef HANDOFF_CORE_WEIGHTS_MAPPING_INTERNAL_H
#define HANDOFF_CORE_WEIGHTS_MAPPING_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/diag.h"

struct mapping {
    const uint8_t *at; /* [size] */
    uint64_t size;
    bool is_mapped; /* else the bytes are somebody else's */
};

/* Maps a regular file that is not empty. */
int mapping_open(const char *path, struct mapping *ret_mapping, struct diag *diag);
void mapping_close(struct mapping *mapping);

/* Gives the memory of the whole pages in [at, at + bytes) back, where they are the mapping's: they are read anew when
 * they are next looked at. */
void mapping_forget(const struct mapping *mapping, const void *at, uint64_t bytes);

#endif
