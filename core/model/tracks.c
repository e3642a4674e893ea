#include "core/model/tracks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"

int tracks_init(struct tracks *ret_tracks, uint32_t count)
{
    struct track *track = calloc(count > 0 ? count : 1, sizeof *track);
    if (track == NULL)
        return -ENOMEM;
    *ret_tracks = (struct tracks){track, count};
    return 0;
}

int tracks_copy(struct tracks *ret_tracks, const struct tracks *tracks)
{
    struct tracks copy = {0};
    int rc = tracks->count > 0 ? tracks_init(&copy, tracks->count) : 0;
    for (uint32_t i = 0; i < tracks->count && rc == 0; i++) {
        const struct track *from = &tracks->track[i];
        rc = track_init(&copy.track[i], from->kind, from->points, from->duration_s);
        if (rc == 0)
            memcpy(copy.track[i].start_s, from->start_s,
                   (size_t) from->points * (1 + track_width(from->kind)) * sizeof *from->start_s);
    }
    if (rc != 0) {
        tracks_finish(&copy);
        return rc;
    }
    *ret_tracks = copy;
    return 0;
}

int tracks_push(struct tracks *tracks, struct track *track)
{
    int rc = 0;
    array_resize(&tracks->track, (size_t) tracks->count + 1, &rc);
    if (rc != 0)
        return rc;
    tracks->track[tracks->count++] = *track;
    *track = (struct track){0};
    return 0;
}

size_t tracks_bytes(const struct tracks *tracks)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < tracks->count; i++)
        bytes += track_packed_size(&tracks->track[i]);
    return bytes;
}

void tracks_finish(struct tracks *tracks)
{
    for (uint32_t i = 0; i < tracks->count; i++)
        track_finish(&tracks->track[i]);
    free(tracks->track);
    *tracks = (struct tracks){0};
}
