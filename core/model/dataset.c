#include "core/model/dataset.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/array.h"
#include "core/base/elementary.h"
#include "core/base/err.h"
#include "core/base/parse.h"
#include "core/base/units.h"
#include "core/model/csv.h"

#define ROWS_MAX 4000000u        /* rows of one file; keeps an array below 64 MiB */
#define EARTH_RADIUS_M 6371008.8 /* mean radius R1 of GRS 80 (Moritz, Geodetic Reference System 1980) */
#define AREA_MARGIN_M 50.0       /* devices may walk a little beyond the outermost place */
#define AREA_MAX_M 1e6           /* area.width_m's own limit (scenario.def) */
#define LATITUDE_MAX_DEG 85.0    /* nearer to a pole the projection is of no use */
#define TOKENS_MAX 131072u       /* task.tokens' own limit (scenario.def) */

static int fail_rows(const struct csv *csv, struct diag *diag)
{
    return diag_fail(diag, ERR_TOO_BIG, "%s:%u: more than %u rows", csv->path, csv->line, ROWS_MAX);
}

static int read_tokens(const struct csv *csv, const char *field, uint64_t cut, uint32_t *ret_tokens,
                       struct diag *diag)
{
    uint64_t tokens = 0;
    int rc = parse_u64(field, &tokens);
    if (rc == ERR_SYNTAX)
        return diag_fail(diag, ERR_SYNTAX, "%s:%u: ContextTokens: '%s' is not a whole number", csv->path,
                         csv->line, field);
    if (rc != 0 || tokens < 1 || tokens > TOKENS_MAX)
        return diag_fail(diag, ERR_RANGE, "%s:%u: ContextTokens: %s is out of range, allowed 1 to %u tokens",
                         csv->path, csv->line, field, TOKENS_MAX);
    *ret_tokens = (uint32_t) (tokens < cut ? tokens : cut);
    return 0;
}

static int read_token_rows(struct dataset *data, struct csv *csv, uint64_t cut, struct diag *diag)
{
    char field[1][CSV_FIELD_MAX + 1];
    size_t capacity = 0;
    int rc = 0;
    while ((rc = csv_next(csv, field, diag)) == 1) {
        if (data->token_count >= ROWS_MAX)
            return fail_rows(csv, diag);
        rc = array_reserve(&data->tokens, &capacity, data->token_count + 1);
        if (rc != 0)
            return diag_fail(diag, rc, "%s: out of memory", csv->path);
        rc = read_tokens(csv, field[0], cut, &data->tokens[data->token_count], diag);
        if (rc != 0)
            return rc;
        data->token_count++;
    }
    if (rc == 0 && data->token_count == 0)
        rc = diag_fail(diag, ERR_SYNTAX, "%s: no rows below the header, task.requests_csv needs at least one",
                       csv->path);
    return rc;
}

static int load_tokens(struct dataset *data, const struct scenario *scenario, struct diag *diag)
{
    static const char *const columns[] = {"ContextTokens"};
    struct csv csv;
    if (scenario->task.requests_csv[0] == '\0')
        return 0;
    int rc = csv_open(&csv, scenario->task.requests_csv, columns, 1, "task.requests_csv", diag);
    if (rc != 0)
        return rc;
    rc = read_token_rows(data, &csv, scenario->task.tokens_max, diag);
    csv_close(&csv);
    return rc;
}

static int read_degrees(const struct csv *csv, const char *name, const char *field, double limit_deg,
                        double *ret_deg, struct diag *diag)
{
    double degrees = 0.0;
    int rc = parse_real(field, &degrees);
    if (rc == ERR_SYNTAX)
        return diag_fail(diag, ERR_SYNTAX, "%s:%u: %s: '%s' is not a number", csv->path, csv->line, name,
                         field);
    if (rc != 0 || fabs(degrees) > limit_deg)
        return diag_fail(diag, ERR_RANGE, "%s:%u: %s: %s is out of range, allowed %g to %g degrees",
                         csv->path, csv->line, name, field, -limit_deg, limit_deg);
    *ret_deg = degrees;
    return 0;
}

static int read_place_rows(struct dataset_places *places, struct csv *csv, struct diag *diag)
{
    char fields[2][CSV_FIELD_MAX + 1];
    size_t latitudes = 0;
    size_t longitudes = 0;
    int rc = 0;
    while ((rc = csv_next(csv, fields, diag)) == 1) {
        if (places->count >= ROWS_MAX)
            return fail_rows(csv, diag);
        rc = array_reserve(&places->latitude_deg, &latitudes, places->count + 1);
        rc = rc != 0 ? rc : array_reserve(&places->longitude_deg, &longitudes, places->count + 1);
        if (rc != 0)
            return diag_fail(diag, rc, "%s: out of memory", csv->path);
        double *latitude_deg = &places->latitude_deg[places->count];
        rc = read_degrees(csv, "latitude", fields[0], LATITUDE_MAX_DEG, latitude_deg, diag);
        if (rc == 0)
            rc =
                read_degrees(csv, "longitude", fields[1], 180.0, &places->longitude_deg[places->count], diag);
        if (rc != 0)
            return rc;
        places->count++;
    }
    return rc;
}

static int load_places(struct dataset_places *places, const char *path, const char *why, struct diag *diag)
{
    static const char *const columns[] = {"latitude", "longitude"};
    struct csv csv;
    if (path[0] == '\0')
        return 0;
    int rc = csv_open(&csv, path, columns, 2, why, diag);
    if (rc != 0)
        return rc;
    rc = read_place_rows(places, &csv, diag);
    csv_close(&csv);
    if (rc == 0 && places->count == 0)
        rc = diag_fail(diag, ERR_SYNTAX, "%s: no rows below the header, %s needs at least one", path, why);
    if (rc == 0) {
        places->position = calloc(places->count, sizeof *places->position);
        rc = places->position != NULL ? 0 : diag_fail(diag, -ENOMEM, "%s: out of memory", path);
    }
    return rc;
}

struct box {
    double south_deg, north_deg, west_deg, east_deg;
};

static void widen(struct box *box, const struct dataset_places *places)
{
    for (size_t i = 0; i < places->count; i++) {
        box->south_deg = fmin(box->south_deg, places->latitude_deg[i]);
        box->north_deg = fmax(box->north_deg, places->latitude_deg[i]);
        box->west_deg = fmin(box->west_deg, places->longitude_deg[i]);
        box->east_deg = fmax(box->east_deg, places->longitude_deg[i]);
    }
}

static void widen_by_trace(struct box *box, const struct trace *trace)
{
    assert(trace->place != NULL); /* load_places refuses a trace without */
    for (size_t i = 0; i < trace->steps; i++) {
        box->south_deg = fmin(box->south_deg, trace->place[i].latitude_deg);
        box->north_deg = fmax(box->north_deg, trace->place[i].latitude_deg);
        box->west_deg = fmin(box->west_deg, trace->place[i].longitude_deg);
        box->east_deg = fmax(box->east_deg, trace->place[i].longitude_deg);
    }
}

/* Equirectangular about the box's centre: x = R cos(phi_0) (lambda - west), y = R (phi - south), plus the
 * margin. */
static void project(struct dataset_places *places, const struct dataset_projection *by)
{
    assert(places->count == 0 || places->position != NULL);
    for (size_t i = 0; i < places->count; i++)
        places->position[i] = (struct vec2){
            (places->longitude_deg[i] - by->west_deg) * by->metres_x + by->margin_m,
            (places->latitude_deg[i] - by->south_deg) * by->metres_y + by->margin_m,
        };
}

static int lay_out(struct dataset *data, struct scenario *scenario, struct diag *diag)
{
    if (data->devices.count == 0 && data->servers.count == 0 && data->place_traces == 0)
        return 0;
    struct box box = {HUGE_VAL, -HUGE_VAL, HUGE_VAL, -HUGE_VAL};
    widen(&box, &data->devices);
    widen(&box, &data->servers);
    for (uint32_t i = 0; i < data->place_traces; i++)
        widen_by_trace(&box, &data->place_trace[i]);
    assert(box.south_deg <= box.north_deg && box.west_deg <= box.east_deg);
    double metres_y = EARTH_RADIUS_M * UNITS_PI / 180.0;
    double metres_x = metres_y * elementary_cos(0.5 * (box.south_deg + box.north_deg) * UNITS_PI / 180.0);
    double width_m = (box.east_deg - box.west_deg) * metres_x + 2.0 * AREA_MARGIN_M;
    double height_m = (box.north_deg - box.south_deg) * metres_y + 2.0 * AREA_MARGIN_M;
    if (width_m > AREA_MAX_M || height_m > AREA_MAX_M)
        return diag_fail(diag, ERR_RANGE,
                         "devices.positions_csv, servers.positions_csv, mobility.trace: the places span %.0f "
                         "x %.0f km, at most "
                         "%.0f km are allowed",
                         width_m / 1000.0, height_m / 1000.0, AREA_MAX_M / 1000.0);
    struct dataset_projection by = {box.west_deg, box.south_deg, metres_x, metres_y, AREA_MARGIN_M};
    project(&data->devices, &by);
    project(&data->servers, &by);
    scenario->area.width_m = width_m;
    scenario->area.height_m = height_m;
    return dataset_place_traces(data, &by, (uint32_t) scenario->devices.count, diag);
}

bool dataset_is_named(const struct scenario *scenario)
{
    return scenario->task.requests_csv[0] != '\0' || scenario->devices.positions_csv[0] != '\0' ||
           scenario->servers.positions_csv[0] != '\0' || scenario->radio.trace[0] != '\0' ||
           scenario->mobility.kind == MOBILITY_TRACE || dataset_names_times(scenario) ||
           dataset_names_quality(scenario);
}

int dataset_load(struct dataset **ret_data, struct scenario *scenario, struct diag *diag)
{
    struct dataset *data = calloc(1, sizeof *data);
    if (data == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    int rc = load_tokens(data, scenario, diag);
    if (rc == 0)
        rc = load_places(&data->devices, scenario->devices.positions_csv, "devices.positions_csv", diag);
    if (rc == 0)
        rc = load_places(&data->servers, scenario->servers.positions_csv, "servers.positions_csv", diag);
    if (rc == 0)
        rc = dataset_load_traces(data, scenario, diag);
    if (rc == 0)
        rc = dataset_load_times(scenario, diag);
    if (rc == 0)
        rc = dataset_load_quality(scenario, diag);
    if (rc == 0)
        rc = lay_out(data, scenario, diag);
    if (rc == 0)
        rc = dataset_check_tracks(data, diag);
    if (rc != 0) {
        dataset_destroy(data);
        return rc;
    }
    *ret_data = data;
    return 0;
}

static void finish_places(struct dataset_places *places)
{
    free(places->latitude_deg);
    free(places->longitude_deg);
    free(places->position);
}

void dataset_destroy(struct dataset *data)
{
    if (data == NULL)
        return;
    free(data->tokens);
    finish_places(&data->devices);
    finish_places(&data->servers);
    for (uint32_t i = 0; i < data->place_traces; i++)
        trace_finish(&data->place_trace[i]);
    free(data->place_trace);
    tracks_finish(&data->rate_tracks);
    tracks_finish(&data->place_tracks);
    free(data);
}
