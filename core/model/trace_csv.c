/* The Irish 5G production data set's logs: about one row a second. */
#include "core/model/trace_internal.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/base/parse.h"
#include "core/model/csv.h"

#define ROW_S 1.0        /* Timestamp counts whole seconds; the last row holds for one */
#define ROW_HOLDS_S 10.0 /* a row's rate holds at most so long: then the log has a hole, and nothing passes */
#define BPS_PER_KBPS 1e3
#define KMH_PER_MPS 3.6
#define SPEED_MAX_KMH 36000.0 /* 1e4 m/s, the wire's limit */
#define LATITUDE_MAX_DEG 85.0 /* nearer to a pole the projection is of no use */
#define CELLS_MAX 1024u

enum column { TIMESTAMP, DL_BITRATE, UL_BITRATE, LONGITUDE, LATITUDE, SPEED, CELL, NODE, COLUMNS };

static const char *const column_names[COLUMNS] = {"Timestamp", "DL_bitrate", "UL_bitrate", "Longitude",
                                                  "Latitude",  "Speed",      "CellID",     "NODEHEX"};

#define REQUIRED 3u /* the first three */

_Static_assert(COLUMNS <= CSV_WANTED_MAX, "a csv finds that many columns");

/* The rows of one second. */
struct second {
    int64_t at_s; /* of the civil calendar; -1: none yet */
    double sum_bps[2];
    unsigned counted[2]; /* rows that tell a rate */
    struct trace_place place;
};

/* Two or four digits at `text`; -1: they are none. */
static int digits(const char *text, size_t count)
{
    int value = 0;
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = 10 * value + (text[i] - '0');
    }
    return value;
}

/* Days since 1970-01-01 of the Gregorian calendar: whole years with their leap days, then the months before. */
static int64_t days_of(int year, int month, int day)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    assert(month >= 1 && month <= 12);
    int past = month <= 2 ? year - 1 : year; /* the last whose leap day has passed */
    return 365 * (int64_t) (year - 1970) + (past / 4 - past / 100 + past / 400) -
           (1969 / 4 - 1969 / 100 + 1969 / 400) + before[month - 1] + day - 1;
}

/* 2019.12.14_10.16.30 */
static int read_timestamp(const struct trace_build *build, const char *text, int64_t *ret_s,
                          struct diag *diag)
{
    static const char shape[] = "dddd.dd.dd_dd.dd.dd";
    bool fits = strlen(text) == sizeof shape - 1;
    for (size_t i = 0; fits && i < sizeof shape - 1; i++)
        fits = shape[i] == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == shape[i];
    if (fits) {
        int year = digits(text, 4), month = digits(text + 5, 2), day = digits(text + 8, 2);
        int hour = digits(text + 11, 2), minute = digits(text + 14, 2), second = digits(text + 17, 2);
        fits = year >= 1970 && month >= 1 && month <= 12 && day >= 1 && day <= 31 && hour <= 23 &&
               minute <= 59 && second <= 60;
        if (fits)
            *ret_s = 86400 * days_of(year, month, day) + 3600 * hour + 60 * minute + second;
    }
    return fits ? 0
                : diag_fail(diag, ERR_SYNTAX, "%s:%u: Timestamp: '%s' is no time like 2019.12.14_10.16.30",
                            build->name, build->line, text);
}

static bool is_missing(const char *field)
{
    return field[0] == '\0' || strcmp(field, "-") == 0;
}

static int read_rate(const struct trace_build *build, enum column column, const char *field,
                     enum scenario_direction direction, struct second *second, struct diag *diag)
{
    double kbps = 0.0;
    if (is_missing(field))
        return 0;
    int rc =
        trace_build_real(build, column_names[column], field, TRACE_RATE_MAX_BPS / BPS_PER_KBPS, &kbps, diag);
    if (rc != 0)
        return rc;
    second->sum_bps[direction] += kbps * BPS_PER_KBPS;
    second->counted[direction]++;
    return 0;
}

static int read_degrees(const struct trace_build *build, enum column column, const char *field,
                        double limit_deg, double *degrees, struct diag *diag)
{
    double value = 0.0;
    if (is_missing(field))
        return 0;
    if (parse_real(field, &value) != 0 || fabs(value) > limit_deg)
        return diag_fail(diag, ERR_RANGE, "%s:%u: %s: '%s' is no number from %g to %g degrees", build->name,
                         build->line, column_names[column], field, -limit_deg, limit_deg);
    *degrees = value;
    return 0;
}

/* The cell's number, a new one for a new name. */
static int find_cell(struct trace_build *build, const char *node, const char *cell, uint32_t *ret_cell,
                     struct diag *diag)
{
    struct trace *trace = &build->trace;
    struct trace_cell wanted;
    if (is_missing(cell))
        return 0;
    bool qualified = !is_missing(node);
    int size = snprintf(wanted.name, sizeof wanted.name, "%s%s%s", qualified ? node : "",
                        qualified ? "/" : "", cell);
    if (size < 0 || (size_t) size >= sizeof wanted.name)
        return diag_fail(diag, ERR_TOO_BIG, "%s:%u: CellID: longer than %u bytes with its NODEHEX",
                         build->name, build->line, TRACE_CELL_MAX);
    for (size_t i = trace->cells; i-- > 0;) /* the last are the likeliest */
        if (strcmp(trace->cell[i].name, wanted.name) == 0) {
            *ret_cell = (uint32_t) i;
            return 0;
        }
    if (trace->cells >= CELLS_MAX)
        return diag_fail(diag, ERR_TOO_BIG, "%s:%u: more than %u cells", build->name, build->line, CELLS_MAX);
    int rc = array_reserve(&trace->cell, &build->cell_capacity, trace->cells + 1);
    if (rc != 0)
        return diag_fail(diag, rc, "%s: out of memory", build->name);
    trace->cell[trace->cells] = wanted;
    *ret_cell = (uint32_t) trace->cells++;
    return 0;
}

static int read_place(struct trace_build *build, char (*field)[CSV_FIELD_MAX + 1], struct trace_place *place,
                      struct diag *diag)
{
    double speed_kmh = 0.0;
    int rc = read_degrees(build, LONGITUDE, field[LONGITUDE], 180.0, &place->longitude_deg, diag);
    if (rc == 0)
        rc = read_degrees(build, LATITUDE, field[LATITUDE], LATITUDE_MAX_DEG, &place->latitude_deg, diag);
    if (rc == 0 && !is_missing(field[SPEED])) {
        rc = trace_build_real(build, column_names[SPEED], field[SPEED], SPEED_MAX_KMH, &speed_kmh, diag);
        place->speed_mps = speed_kmh / KMH_PER_MPS;
    }
    if (rc == 0)
        rc = find_cell(build, field[NODE], field[CELL], &place->cell, diag);
    return rc;
}

/* Several rows of one second: the mean of the rates they tell, and the place of the last. A second that tells
 * none has none. */
static int add_second(struct trace_build *build, const struct second *second, int64_t first_s,
                      struct diag *diag)
{
    struct trace_step step = {.start_s = (double) (second->at_s - first_s)};
    assert(first_s >= 0 && second->at_s >= first_s);
    for (int i = 0; i < 2; i++)
        step.rate_bps[i] = second->counted[i] > 0 ? second->sum_bps[i] / second->counted[i] : 0.0;
    return trace_build_step(build, &step, &second->place, diag);
}

/* A hole in the log: nothing passes from ROW_HOLDS_S after its last row on. */
static int add_hole(struct trace_build *build, const struct second *second, int64_t first_s, int64_t now_s,
                    struct diag *diag)
{
    struct trace_step silence = {.start_s = (double) (second->at_s - first_s) + ROW_HOLDS_S};
    if ((double) (now_s - second->at_s) <= ROW_HOLDS_S)
        return 0;
    return trace_build_step(build, &silence, &second->place, diag);
}

static int next_second(struct trace_build *build, struct second *second, int64_t first_s, int64_t now_s,
                       struct diag *diag)
{
    if (now_s < second->at_s)
        return diag_fail(diag, ERR_RANGE, "%s:%u: time goes backwards, by %lld s", build->name, build->line,
                         (long long) (second->at_s - now_s));
    if ((double) (now_s - first_s) > TRACE_TIME_MAX_S)
        return diag_fail(diag, ERR_RANGE, "%s:%u: more than %.0f s after the first row", build->name,
                         build->line, TRACE_TIME_MAX_S);
    int rc = add_second(build, second, first_s, diag);
    if (rc == 0)
        rc = add_hole(build, second, first_s, now_s, diag);
    *second = (struct second){.at_s = now_s, .place = second->place};
    return rc;
}

static int read_rows(struct trace_build *build, struct csv *csv, struct diag *diag)
{
    char field[COLUMNS][CSV_FIELD_MAX + 1];
    struct second second = {.at_s = -1, .place = {(double) NAN, (double) NAN, 0.0, TRACE_NO_CELL}};
    int64_t first_s = 0;
    int rc = 0;
    while ((rc = csv_next(csv, field, diag)) == 1) {
        int64_t now_s = 0;
        build->line = csv->line;
        if (csv->row_fields != csv->header_fields)
            return diag_fail(diag, ERR_SYNTAX, "%s:%u: %zu fields, the header has %zu", build->name,
                             build->line, csv->row_fields, csv->header_fields);
        rc = read_timestamp(build, field[TIMESTAMP], &now_s, diag);
        if (rc == 0 && second.at_s < 0)
            first_s = second.at_s = now_s;
        if (rc == 0 && now_s != second.at_s)
            rc = next_second(build, &second, first_s, now_s, diag);
        if (rc == 0)
            rc = read_rate(build, DL_BITRATE, field[DL_BITRATE], DIRECTION_DOWN, &second, diag);
        if (rc == 0)
            rc = read_rate(build, UL_BITRATE, field[UL_BITRATE], DIRECTION_UP, &second, diag);
        if (rc == 0)
            rc = read_place(build, field, &second.place, diag);
        if (rc != 0)
            return rc;
    }
    if (rc == 0 && second.at_s >= 0)
        rc = add_second(build, &second, first_s, diag);
    build->trace.duration_s = second.at_s >= 0 ? (double) (second.at_s - first_s) + ROW_S : 0.0;
    return rc;
}

/* What comes before the first known place or cell is there too; without any place there are no places. */
static void settle_places(struct trace *trace)
{
    size_t known = 0, cell = 0;
    assert(trace->place != NULL);
    while (known < trace->steps &&
           (isnan(trace->place[known].latitude_deg) || isnan(trace->place[known].longitude_deg)))
        known++;
    if (known == trace->steps) {
        free(trace->place);
        trace->place = NULL;
        return;
    }
    while (cell < trace->steps && trace->place[cell].cell == TRACE_NO_CELL)
        cell++;
    for (size_t i = 0; i < known; i++) {
        trace->place[i].latitude_deg = trace->place[known].latitude_deg;
        trace->place[i].longitude_deg = trace->place[known].longitude_deg;
    }
    for (size_t i = 0; i < cell && cell < trace->steps; i++)
        trace->place[i].cell = trace->place[cell].cell;
}

int trace_read_csv(struct trace_build *build, const char *text, size_t size, struct diag *diag)
{
    struct csv csv;
    struct buf copy = {0};
    int rc = buf_reserve(&copy, size + 1);
    if (rc != 0)
        return diag_fail(diag, rc, "%s: out of memory", build->name);
    memcpy(copy.data, text, size);
    copy.data[size] = '\0';
    copy.size = size;
    rc = csv_begin(&csv, build->name, &copy, column_names, COLUMNS, REQUIRED, "a trace", diag);
    if (rc != 0)
        return rc;
    rc = read_rows(build, &csv, diag);
    csv_close(&csv);
    build->trace.two_directions = true;
    if (rc == 0 && build->trace.steps > 0)
        settle_places(&build->trace);
    return rc;
}
