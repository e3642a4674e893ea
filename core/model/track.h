/* A track: what one device plays of a trace, as a function of time that goes on for ever: after duration_s it turns
 * round and plays backwards, or begins anew (`turns`, run.trace_end). Plain numbers, so that it travels to a node and
 * into the database as it is.
 *
 *   rate    one value a point: bit/s from the point until the next
 *   place   four values a point: x and y in metres, in a line to the next point's and at rest behind the last;
 *           speed in m/s and the cell's number (TRACK_NO_CELL: none) from the point until the next
 *
 * Pure; draws are functions (core/base/rng.h). */
#ifndef HANDOFF_CORE_MODEL_TRACK_H
#define HANDOFF_CORE_MODEL_TRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/diag.h"
#include "core/base/rng.h"

#define TRACK_POINTS_MAX 32768u /* of one track */
#define TRACK_GRID_S 0.1        /* finest steps of a rate, and of the draws of where a device begins */
#define TRACK_NO_CELL (-1.0)
#define TRACK_DURATION_MIN_S 1e-3
#define TRACK_DURATION_MAX_S 1e9
#define TRACK_RATE_MIN_BPS 1.0 /* a mean below this is an outage: nothing would ever arrive */

enum track_kind { TRACK_RATE = 1, TRACK_PLACE = 2 };
enum track_value { TRACK_X, TRACK_Y, TRACK_SPEED, TRACK_CELL };

struct track {
    enum track_kind kind;
    uint32_t points;
    double duration_s;
    double *start_s; /* [points] the first at 0, growing, below duration_s; owned, together with value */
    double *value;   /* [points][track_width(kind)] */
};

uint32_t track_width(enum track_kind kind);

/* Room for the points, all zero. */
int track_init(struct track *ret_track, enum track_kind kind, uint32_t points, double duration_s);
void track_finish(struct track *track);

/* Whether a track from outside is what the comment above says; values finite, rates and speeds not below 0. */
int track_check(const struct track *track, struct diag *diag);

/* Where in its track a device begins an episode: uniform on the multiples of TRACK_GRID_S below the duration
 * (stream RNG_TRACE). Equal for two tracks of equal duration, so that a rate and a place of one file agree. */
double track_offset_s(const struct track *track, uint64_t seed, enum rng_phase phase, uint32_t episode,
                      uint32_t device);

/* Mean rate over [from_s, from_s + length_s), the exact integral; any from_s >= 0, length_s > 0. */
double track_mean_bps(const struct track *track, bool turns, double from_s, double length_s);

/* The rate at a time >= 0, and for how long it stays like that at least: INFINITY when it never changes. */
double track_rate_bps(const struct track *track, bool turns, double at_s, double *ret_for_s);

/* x, y, speed and cell at a time >= 0. */
void track_place_at(const struct track *track, bool turns, double at_s, double ret_value[static 4]);

/* Does a track that does not turn begin anew after one time, and not after the other? */
bool track_begins_anew(const struct track *track, double after_s, double until_s);

/* As one run of numbers, f64 little-endian: duration_s, all starts, all values. */
int track_pack(const struct track *track, struct buf *bytes);
size_t track_packed_size(const struct track *track);
int track_unpack(struct track *ret_track, enum track_kind kind, const void *bytes, size_t size,
                 struct diag *diag);

#endif
