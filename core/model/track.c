#include "core/model/track.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "packed tracks are little-endian, and so must this machine be"
#endif

uint32_t track_width(enum track_kind kind)
{
    return kind == TRACK_PLACE ? 4 : 1;
}

int track_init(struct track *ret_track, enum track_kind kind, uint32_t points, double duration_s)
{
    size_t numbers = (size_t) points * (1 + track_width(kind));
    double *start_s = calloc(numbers > 0 ? numbers : 1, sizeof *start_s);
    if (start_s == NULL)
        return -ENOMEM;
    *ret_track = (struct track){kind, points, duration_s, start_s, start_s + points};
    return 0;
}

void track_finish(struct track *track)
{
    free(track->start_s);
    *track = (struct track){0};
}

static int check_value(const struct track *track, uint32_t point, struct diag *diag)
{
    uint32_t width = track_width(track->kind);
    const double *value = track->value + (size_t) point * width;
    bool fine = true;
    for (uint32_t k = 0; k < width; k++)
        fine = fine && isfinite(value[k]);
    if (track->kind == TRACK_RATE)
        fine = fine && value[0] >= 0.0;
    else
        fine = fine && value[TRACK_SPEED] >= 0.0 &&
               (value[TRACK_CELL] == TRACK_NO_CELL ||
                (value[TRACK_CELL] >= 0.0 && value[TRACK_CELL] < 4294967295.0 &&
                 value[TRACK_CELL] == floor(value[TRACK_CELL])));
    return fine ? 0 : diag_fail(diag, ERR_RANGE, "trace: point %u has no valid value", point);
}

int track_check(const struct track *track, struct diag *diag)
{
    if (track->points < 1 || track->points > TRACK_POINTS_MAX)
        return diag_fail(diag, ERR_RANGE, "trace: %u points, allowed 1 to %u", track->points,
                         TRACK_POINTS_MAX);
    if (!(track->duration_s >= TRACK_DURATION_MIN_S && track->duration_s <= TRACK_DURATION_MAX_S))
        return diag_fail(diag, ERR_RANGE, "trace: lasts %g s, allowed %g to %g", track->duration_s,
                         TRACK_DURATION_MIN_S, TRACK_DURATION_MAX_S);
    for (uint32_t i = 0; i < track->points; i++) {
        double before_s = i > 0 ? track->start_s[i - 1] : -1.0;
        bool in_order = i == 0 ? track->start_s[0] == 0.0 : track->start_s[i] > before_s;
        if (!in_order || !(track->start_s[i] < track->duration_s))
            return diag_fail(diag, ERR_RANGE, "trace: point %u begins at %g s, out of order", i,
                             track->start_s[i]);
        int rc = check_value(track, i, diag);
        if (rc != 0)
            return rc;
    }
    return 0;
}

double track_offset_s(const struct track *track, uint64_t seed, enum rng_phase phase, uint32_t episode,
                      uint32_t device)
{
    struct rng_at at = {seed, phase, RNG_TRACE, device, episode, 0};
    assert(track->duration_s > 0.0); /* a node asks only for its own devices' tracks */
    return floor(rng_uniform(&at, 0) * track->duration_s / TRACK_GRID_S) * TRACK_GRID_S;
}

/* The point that holds at a time in [0, duration_s]. */
static uint32_t point_at(const struct track *track, double at_s)
{
    uint32_t low = 0;
    uint32_t high = track->points;
    assert(high > 0 && at_s >= 0.0);
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (track->start_s[middle] <= at_s)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* A time as a part of a round: one way through the track. */
struct place {
    bool back; /* the round is played backwards */
    double s;  /* since the round's beginning, in [0, duration_s) */
};

/* fmod is exact, so that long runs lose nothing. */
static struct place place_of(const struct track *track, bool turns, double at_s)
{
    double whole_s = track->duration_s;
    if (!turns)
        return (struct place){false, fmod(at_s, whole_s)};
    double s = fmod(at_s, 2.0 * whole_s);
    return s < whole_s ? (struct place){false, s} : (struct place){true, s - whole_s};
}

/* The time within the track. */
static double track_time(const struct track *track, struct place place)
{
    return place.back ? track->duration_s - place.s : place.s;
}

/* Bits of [from_s, to_s) of the track. Added up and not looked up in running sums, whose difference would
 * keep only the sums' precision. */
static double bits_between(const struct track *track, double from_s, double to_s)
{
    double bits = 0.0;
    for (uint32_t i = point_at(track, from_s); i < track->points && from_s < to_s; i++) {
        double end_s = i + 1 < track->points ? track->start_s[i + 1] : track->duration_s;
        end_s = end_s < to_s ? end_s : to_s;
        if (end_s <= from_s)
            continue;
        bits += track->value[i] * (end_s - from_s);
        from_s = end_s;
    }
    return bits;
}

/* Bits from a place to a time of the same round. */
static double bits_of_round(const struct track *track, struct place from, double to_s)
{
    double whole_s = track->duration_s;
    return from.back ? bits_between(track, whole_s - to_s, whole_s - from.s)
                     : bits_between(track, from.s, to_s);
}

double track_mean_bps(const struct track *track, bool turns, double from_s, double length_s)
{
    assert(track->kind == TRACK_RATE && length_s > 0.0);
    struct place place = place_of(track, turns, from_s);
    double first_s = track->duration_s - place.s;
    if (length_s <= first_s)
        return bits_of_round(track, place, place.s + length_s) / length_s;
    double rounds = floor((length_s - first_s) / track->duration_s);
    double last_s = length_s - first_s - rounds * track->duration_s;
    bool back = turns &&
                place.back == (fmod(rounds, 2.0) != 0.0); /* turned once more than there are rounds between */
    double bits = bits_of_round(track, place, track->duration_s);
    bits += rounds > 0.0 ? rounds * bits_between(track, 0.0, track->duration_s) : 0.0;
    bits += bits_of_round(track, (struct place){back, 0.0}, last_s);
    return bits / length_s;
}

double track_rate_bps(const struct track *track, bool turns, double at_s, double *ret_for_s)
{
    assert(track->kind == TRACK_RATE);
    struct place place = place_of(track, turns, at_s);
    double now_s = track_time(track, place);
    uint32_t point = point_at(track, now_s);
    if (place.back && point > 0 && now_s <= track->start_s[point])
        point--; /* it comes from above */
    double end_s = point + 1 < track->points ? track->start_s[point + 1] : track->duration_s;
    double for_s = place.back ? now_s - track->start_s[point] : end_s - now_s;
    *ret_for_s = track->points > 1 ? for_s : (double) INFINITY;
    return track->value[point];
}

void track_place_at(const struct track *track, bool turns, double at_s, double ret_value[static 4])
{
    assert(track->kind == TRACK_PLACE);
    double now_s = track_time(track, place_of(track, turns, at_s));
    uint32_t i = point_at(track, now_s);
    const double *here = track->value + 4 * (size_t) i;
    memcpy(ret_value, here, 4 * sizeof *here);
    if (i + 1 == track->points)
        return;
    const double *there = here + 4;
    double part = (now_s - track->start_s[i]) / (track->start_s[i + 1] - track->start_s[i]);
    ret_value[TRACK_X] = here[TRACK_X] + part * (there[TRACK_X] - here[TRACK_X]);
    ret_value[TRACK_Y] = here[TRACK_Y] + part * (there[TRACK_Y] - here[TRACK_Y]);
}

bool track_begins_anew(const struct track *track, double after_s, double until_s)
{
    return floor(until_s / track->duration_s) > floor(after_s / track->duration_s);
}

size_t track_packed_size(const struct track *track)
{
    return sizeof(double) * (1 + (size_t) track->points * (1 + track_width(track->kind)));
}

int track_pack(const struct track *track, struct buf *bytes)
{
    size_t numbers = (size_t) track->points * (1 + track_width(track->kind));
    assert(track->value == track->start_s + track->points); /* one run of numbers */
    int rc = buf_push(bytes, &track->duration_s, sizeof track->duration_s);
    return rc != 0 ? rc : buf_push(bytes, track->start_s, numbers * sizeof *track->start_s);
}

int track_unpack(struct track *ret_track, enum track_kind kind, const void *bytes, size_t size,
                 struct diag *diag)
{
    size_t point_size = (1 + track_width(kind)) * sizeof(double);
    double duration_s = 0.0;
    if (size < sizeof duration_s + point_size || (size - sizeof duration_s) % point_size != 0 ||
        (size - sizeof duration_s) / point_size > TRACK_POINTS_MAX)
        return diag_fail(diag, ERR_CORRUPT, "trace: %zu bytes make no track", size);
    memcpy(&duration_s, bytes, sizeof duration_s);
    struct track track;
    int rc = track_init(&track, kind, (uint32_t) ((size - sizeof duration_s) / point_size), duration_s);
    if (rc != 0)
        return diag_fail(diag, rc, "out of memory");
    memcpy(track.start_s, (const char *) bytes + sizeof duration_s, size - sizeof duration_s);
    rc = track_check(&track, diag);
    if (rc != 0) {
        track_finish(&track);
        return rc;
    }
    *ret_track = track;
    return 0;
}
