/* From trace files to tracks: what is kept of them, in which units, and what a radio cannot carry. */
#include "core/model/dataset.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/base/file.h"
#include "core/base/units.h"
#include "core/model/radio.h"
#include "core/model/scenario_internal.h"

#define BANDWIDTH_MAX_MHZ 1e6 /* radio.bandwidth_mhz's own limit (scenario.def) */

int dataset_check_tracks(const struct dataset *data, struct diag *diag)
{
    size_t bytes = tracks_bytes(&data->rate_tracks) + tracks_bytes(&data->place_tracks);
    if (bytes <= TRACKS_BYTES_MAX)
        return 0;
    return diag_fail(diag, ERR_TOO_BIG,
                     "radio.trace, mobility.trace: what devices play of them makes %.1f MB, at most %.1f MB "
                     "are taken: name fewer or shorter files",
                     (double) bytes / 1e6, (double) TRACKS_BYTES_MAX / 1e6);
}

/* ---- rates ---- */

/* Are the steps few and long enough to be kept as they are? */
static bool is_coarse(const struct trace *trace)
{
    bool coarse = trace->steps <= TRACK_POINTS_MAX;
    for (size_t i = 1; i < trace->steps && coarse; i++)
        coarse = trace->step[i].start_s - trace->step[i - 1].start_s >= TRACK_GRID_S * (1.0 - 1e-9);
    return coarse;
}

static int keep_steps(const struct trace *trace, enum scenario_direction direction, struct track *ret_track)
{
    int rc = track_init(ret_track, TRACK_RATE, (uint32_t) trace->steps, trace->duration_s);
    for (size_t i = 0; i < trace->steps && rc == 0; i++) {
        ret_track->start_s[i] = trace->step[i].start_s;
        ret_track->value[i] = trace->step[i].rate_bps[direction];
    }
    return rc;
}

/* Mean rates on a grid of TRACK_GRID_S, or the smallest doubling of it that is coarse enough: every integral
 * between its lines is exact. A last part that is only rounding belongs to the one before. */
static int make_grid(const struct trace *trace, enum scenario_direction direction, struct track *ret_track)
{
    double grid_s = TRACK_GRID_S;
    while (trace->duration_s / grid_s > TRACK_POINTS_MAX)
        grid_s *= 2.0;
    double parts = ceil(trace->duration_s / grid_s - 1e-6);
    uint32_t points = parts < 1.0 ? 1 : (uint32_t) parts;
    assert(points <= TRACK_POINTS_MAX);
    int rc = track_init(ret_track, TRACK_RATE, points, trace->duration_s);
    for (uint32_t i = 0; i < points && rc == 0; i++) {
        double from_s = i * grid_s;
        double to_s = i + 1 < points ? (i + 1) * grid_s : trace->duration_s;
        assert(from_s < to_s);
        ret_track->start_s[i] = from_s;
        ret_track->value[i] = trace_bits(trace, direction, from_s, to_s) / (to_s - from_s);
    }
    return rc;
}

/* Leaves out the points that change nothing. */
static int merge_equal(struct track *track)
{
    struct track merged;
    uint32_t points = 0;
    for (uint32_t i = 0; i < track->points; i++)
        points += i == 0 || track->value[i] != track->value[i - 1] ? 1 : 0;
    int rc = track_init(&merged, TRACK_RATE, points, track->duration_s);
    if (rc != 0)
        return rc;
    points = 0;
    for (uint32_t i = 0; i < track->points; i++)
        if (i == 0 || track->value[i] != track->value[i - 1]) {
            merged.start_s[points] = track->start_s[i];
            merged.value[points++] = track->value[i];
        }
    assert(points == merged.points);
    track_finish(track);
    *track = merged;
    return 0;
}

static double peak_of(const struct track *track)
{
    double peak_bps = 0.0;
    for (uint32_t i = 0; i < track->points; i++)
        peak_bps = fmax(peak_bps, track->value[i]);
    return peak_bps;
}

static bool carries(const struct scenario *scenario, double bandwidth_mhz, double rate_bps)
{
    return radio_gain_for_rate(scenario, bandwidth_mhz * UNITS_MHZ, scenario->devices.transmit_power_w,
                               rate_bps) <= 1.0;
}

/* A channel cannot amplify: no gain above 1. Says which bandwidth would do, to a tenth of a MHz. */
static int check_rate(const struct scenario *scenario, const char *path, double peak_bps, struct diag *diag)
{
    double low_mhz = scenario->radio.bandwidth_mhz;
    double high_mhz = BANDWIDTH_MAX_MHZ;
    if (carries(scenario, low_mhz, peak_bps))
        return scenario_check_peak(scenario, peak_bps, diag);
    if (!carries(scenario, high_mhz, peak_bps))
        return diag_fail(diag, ERR_RANGE,
                         "radio.trace: %s reaches %.6g Mbit/s, which no bandwidth carries at "
                         "radio.noise_dbm_hz %g and devices.transmit_power_w %g",
                         path, peak_bps / UNITS_MHZ, scenario->radio.noise_dbm_hz,
                         scenario->devices.transmit_power_w);
    assert(low_mhz < high_mhz);
    for (int i = 0; i < 100; i++) {
        double middle_mhz = 0.5 * (low_mhz + high_mhz);
        if (carries(scenario, middle_mhz, peak_bps))
            high_mhz = middle_mhz;
        else
            low_mhz = middle_mhz;
    }
    return diag_fail(diag, ERR_RANGE,
                     "radio.trace: %s reaches %.6g Mbit/s, more than a channel of %g MHz carries: set "
                     "radio.bandwidth_mhz to at least %.1f",
                     path, peak_bps / UNITS_MHZ, scenario->radio.bandwidth_mhz, ceil(high_mhz * 10.0) / 10.0);
}

static int load_rate(const struct scenario *scenario, const char *path, struct track *ret_track,
                     struct diag *diag)
{
    struct trace trace;
    struct track track = {0};
    enum scenario_direction direction = scenario->radio.trace_direction;
    int rc = trace_load(&trace, path, scenario->radio.trace_format, diag);
    if (rc != 0)
        return rc;
    rc = is_coarse(&trace) ? keep_steps(&trace, direction, &track) : make_grid(&trace, direction, &track);
    trace_finish(&trace);
    if (rc == 0)
        rc = merge_equal(&track);
    if (rc != 0) {
        track_finish(&track);
        return diag_fail(diag, rc, "%s: %s", path, err_text(rc));
    }
    rc = check_rate(scenario, path, peak_of(&track), diag);
    if (rc != 0) {
        track_finish(&track);
        return rc;
    }
    *ret_track = track;
    return 0;
}

static uint32_t fewer(size_t files, uint64_t devices)
{
    return (uint32_t) (files < devices ? files : devices);
}

/* All files are read and checked; those that no device plays are freed. */
static int load_rates(struct dataset *data, const struct scenario *scenario, struct diag *diag)
{
    struct file_names names;
    if (scenario->radio.trace[0] == '\0')
        return 0;
    int rc = file_list(scenario->radio.trace, TRACKS_MAX, &names, diag);
    if (rc != 0)
        return rc;
    rc = tracks_init(&data->rate_tracks, fewer(names.count, scenario->devices.count));
    for (size_t i = 0; i < names.count && rc == 0; i++) {
        struct track track = {0};
        rc = load_rate(scenario, names.path[i], &track, diag);
        if (rc == 0 && i < data->rate_tracks.count)
            data->rate_tracks.track[i] = track;
        else
            track_finish(&track);
    }
    file_names_finish(&names);
    return rc != 0 ? diag_fail(diag, rc, "radio.trace: %s", err_text(rc)) : 0;
}

/* ---- places ---- */

static int load_places(struct dataset *data, const struct scenario *scenario, struct diag *diag)
{
    struct file_names names;
    if (scenario->mobility.kind != MOBILITY_TRACE)
        return 0;
    int rc = file_list(scenario->mobility.trace, TRACKS_MAX, &names, diag);
    if (rc != 0)
        return rc;
    data->place_trace = calloc(names.count, sizeof *data->place_trace);
    rc = data->place_trace != NULL ? 0 : -ENOMEM;
    for (size_t i = 0; i < names.count && rc == 0; i++) {
        struct trace *trace = &data->place_trace[i];
        rc = trace_load(trace, names.path[i], TRACE_AUTO, diag);
        data->place_traces += rc == 0 ? 1 : 0;
        if (rc == 0 && trace->place == NULL)
            rc = diag_fail(diag, ERR_TYPE, "mobility.trace: %s tells no positions", names.path[i]);
        else if (rc == 0 && trace->steps > TRACK_POINTS_MAX)
            rc = diag_fail(diag, ERR_TOO_BIG, "mobility.trace: %s has %zu positions, at most %u are taken",
                           names.path[i], trace->steps, TRACK_POINTS_MAX);
    }
    file_names_finish(&names);
    return rc != 0 ? diag_fail(diag, rc, "mobility.trace: %s", err_text(rc)) : 0;
}

int dataset_load_traces(struct dataset *data, const struct scenario *scenario, struct diag *diag)
{
    int rc = load_rates(data, scenario, diag);
    return rc != 0 ? rc : load_places(data, scenario, diag);
}

static bool is_same_place(const struct trace_place *a, const struct trace_place *b)
{
    return a->latitude_deg == b->latitude_deg && a->longitude_deg == b->longitude_deg &&
           a->speed_mps == b->speed_mps && a->cell == b->cell;
}

/* A point that is the same as the one before and the one behind it may be left out. */
static bool is_redundant(const struct trace_place *place, size_t i, size_t steps)
{
    return i > 0 && i + 1 < steps && is_same_place(&place[i - 1], &place[i]) &&
           is_same_place(&place[i], &place[i + 1]);
}

/* The cells of all files in order of first appearance: a list of names, and each file's numbers in it. */
struct cell_list {
    struct trace_cell *name;
    uint32_t count;
    size_t capacity;
};

static int enter_cell(struct cell_list *list, const struct trace_cell *cell, double *ret_number)
{
    for (uint32_t i = list->count; i-- > 0;)
        if (strcmp(list->name[i].name, cell->name) == 0) {
            *ret_number = i;
            return 0;
        }
    int rc = array_reserve(&list->name, &list->capacity, (size_t) list->count + 1);
    if (rc != 0)
        return rc;
    list->name[list->count] = *cell;
    *ret_number = list->count++;
    return 0;
}

static int make_track(const struct trace *trace, const struct dataset_projection *by, const double *number,
                      struct track *ret_track)
{
    uint32_t points = 0;
    for (size_t i = 0; i < trace->steps; i++)
        points += is_redundant(trace->place, i, trace->steps) ? 0 : 1;
    int rc = track_init(ret_track, TRACK_PLACE, points, trace->duration_s);
    points = 0;
    for (size_t i = 0; i < trace->steps && rc == 0; i++) {
        const struct trace_place *place = &trace->place[i];
        if (is_redundant(trace->place, i, trace->steps))
            continue;
        assert(points < ret_track->points);
        assert(place->cell == TRACE_NO_CELL || place->cell < trace->cells);
        double *value = ret_track->value + 4 * (size_t) points;
        ret_track->start_s[points++] = trace->step[i].start_s;
        value[TRACK_X] = (place->longitude_deg - by->west_deg) * by->metres_x + by->margin_m;
        value[TRACK_Y] = (place->latitude_deg - by->south_deg) * by->metres_y + by->margin_m;
        value[TRACK_SPEED] = place->speed_mps;
        value[TRACK_CELL] = place->cell == TRACE_NO_CELL ? TRACK_NO_CELL : number[place->cell];
    }
    assert(rc != 0 || points == ret_track->points);
    return rc;
}

static int place_trace(struct cell_list *list, const struct trace *trace, const struct dataset_projection *by,
                       struct track *ret_track)
{
    double *number = calloc(trace->cells + 1, sizeof *number);
    int rc = number != NULL ? 0 : -ENOMEM;
    for (size_t i = 0; i < trace->cells && rc == 0; i++)
        rc = enter_cell(list, &trace->cell[i], &number[i]);
    if (rc == 0 && ret_track != NULL)
        rc = make_track(trace, by, number, ret_track);
    free(number);
    return rc;
}

int dataset_place_traces(struct dataset *data, const struct dataset_projection *projection, uint32_t devices,
                         struct diag *diag)
{
    struct cell_list list = {0};
    if (data->place_traces == 0)
        return 0;
    int rc = tracks_init(&data->place_tracks, fewer(data->place_traces, devices));
    for (uint32_t i = 0; i < data->place_traces && rc == 0; i++)
        rc = place_trace(&list, &data->place_trace[i], projection,
                         i < data->place_tracks.count ? &data->place_tracks.track[i] : NULL);
    free(list.name);
    return rc != 0 ? diag_fail(diag, rc, "mobility.trace: %s", err_text(rc)) : 0;
}
