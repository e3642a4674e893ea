/* All of a run's tracks of one kind. Device n plays track n modulo count. A node has only those that its own
 * devices play, and the others have no points. Pure. */
#ifndef HANDOFF_CORE_MODEL_TRACKS_H
#define HANDOFF_CORE_MODEL_TRACKS_H

#include <stddef.h>
#include <stdint.h>

#include "core/model/track.h"

#define TRACKS_MAX 1024u /* of one kind, in a run */
/* All of a run's: a node's queue holds 16 MiB while it joins. */
#define TRACKS_BYTES_MAX ((size_t) 12 * 1024 * 1024)

struct tracks {
    struct track *track; /* [count], owned; NULL: none */
    uint32_t count;
};

int tracks_init(struct tracks *ret_tracks, uint32_t count);
int tracks_copy(struct tracks *ret_tracks, const struct tracks *tracks);
/* Appends a track, and takes its ownership on success. */
int tracks_push(struct tracks *tracks, struct track *track);
void tracks_finish(struct tracks *tracks);
/* Bytes of all numbers in them. */
size_t tracks_bytes(const struct tracks *tracks);

/* Device n's, or NULL when there are none. */
static inline const struct track *tracks_of(const struct tracks *tracks, uint32_t device)
{
    return tracks->count > 0 ? &tracks->track[device % tracks->count] : NULL;
}

#endif
