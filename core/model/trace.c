#include "core/model/trace.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/base/file.h"
#include "core/base/parse.h"
#include "core/model/trace_internal.h"

static const char *const format_names[] = {
    [TRACE_AUTO] = "auto", [TRACE_MAHIMAHI] = "mahimahi", [TRACE_COLUMNS] = "columns", [TRACE_CSV] = "csv"};

const char *trace_format_name(enum scenario_trace_format format)
{
    assert(format <= TRACE_CSV);
    return format_names[format];
}

void trace_finish(struct trace *trace)
{
    free(trace->step);
    free(trace->place);
    free(trace->cell);
    *trace = (struct trace){0};
}

/* ---- building ---- */

int trace_build_line(struct trace_build *build, const char *text, size_t size, size_t *at,
                     char ret_line[static TRACE_LINE_MAX + 1], struct diag *diag)
{
    while (*at < size) {
        const char *start = text + *at;
        const char *end = memchr(start, '\n', size - *at);
        size_t length = end != NULL ? (size_t) (end - start) : size - *at;
        *at += length + (end != NULL ? 1 : 0);
        build->line++;
        if (build->line == 1 && length >= 3 && memcmp(start, "\xef\xbb\xbf", 3) == 0) {
            start += 3;
            length -= 3;
        }
        while (length > 0 && isspace((unsigned char) start[length - 1]))
            length--;
        for (; length > 0 && isspace((unsigned char) *start); length--)
            start++;
        if (length == 0 || *start == '#')
            continue;
        if (length > TRACE_LINE_MAX)
            return diag_fail(diag, ERR_TOO_BIG, "%s:%u: a line of %zu bytes, at most %u are taken",
                             build->name, build->line, length, TRACE_LINE_MAX);
        for (size_t i = 0; i < length; i++)
            if (start[i] != '\t' && (start[i] < ' ' || start[i] > '~'))
                return diag_fail(diag, ERR_SYNTAX, "%s:%u: byte %zu is no plain text", build->name,
                                 build->line, i + 1);
        memcpy(ret_line, start, length);
        ret_line[length] = '\0';
        return 1;
    }
    return 0;
}

int trace_build_step(struct trace_build *build, const struct trace_step *step,
                     const struct trace_place *place, struct diag *diag)
{
    struct trace *trace = &build->trace;
    if (trace->steps >= TRACE_STEPS_MAX)
        return diag_fail(diag, ERR_TOO_BIG, "%s:%u: more than %u steps", build->name, build->line,
                         TRACE_STEPS_MAX);
    /* Readers keep time's order, and give a place with every step or with none. */
    assert(trace->steps == 0 || trace->step[trace->steps - 1].start_s <= step->start_s);
    assert(trace->steps == 0 || (trace->place != NULL) == (place != NULL));
    int rc = array_reserve(&trace->step, &build->step_capacity, trace->steps + 1);
    if (rc == 0 && place != NULL)
        rc = array_reserve(&trace->place, &build->place_capacity, trace->steps + 1);
    if (rc != 0)
        return diag_fail(diag, rc, "%s: out of memory", build->name);
    if (place != NULL)
        trace->place[trace->steps] = *place;
    trace->step[trace->steps++] = *step;
    return 0;
}

int trace_build_real(const struct trace_build *build, const char *what, const char *text, double max,
                     double *ret_value, struct diag *diag)
{
    double value = 0.0;
    int rc = parse_real(text, &value);
    if (rc == ERR_SYNTAX)
        return diag_fail(diag, ERR_SYNTAX, "%s:%u: %s: '%s' is not a finite number", build->name, build->line,
                         what, text);
    if (rc != 0 || value < 0.0 || value > max)
        return diag_fail(diag, ERR_RANGE, "%s:%u: %s: %s is out of range, allowed 0 to %g", build->name,
                         build->line, what, text, max);
    *ret_value = value;
    return 0;
}

/* ---- recognising ---- */

/* By the first line that says something: a CSV's header names its columns, one whole number is Mahimahi's,
 * and anything else that begins like a number is a row of columns. */
static int recognise(const char *text, size_t size, const char *name, enum scenario_trace_format *ret_format,
                     struct diag *diag)
{
    struct trace_build build = {.name = name};
    char line[TRACE_LINE_MAX + 1];
    size_t at = 0;
    const char *start = text;
    size_t mark = size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    if (size - mark >= 9 && strncasecmp(start + mark, "timestamp", 9) == 0) {
        *ret_format = TRACE_CSV;
        return 0;
    }
    int rc = trace_build_line(&build, text, size, &at, line, diag);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return diag_fail(diag, ERR_SYNTAX, "%s: holds no rows", name);
    bool header = strstr(line, "Timestamp") != NULL && strchr(line, ',') != NULL;
    bool whole = line[strspn(line, "-0123456789")] == '\0';
    bool number = strchr("-+.0123456789", line[0]) != NULL || strncasecmp(line, "nan", 3) == 0 ||
                  strncasecmp(line, "inf", 3) == 0;
    if (!header && !number)
        return diag_fail(diag, ERR_SYNTAX,
                         "%s:%u: this is no trace: it begins neither with numbers nor with a header that "
                         "names a column Timestamp",
                         name, build.line);
    *ret_format = header ? TRACE_CSV : whole ? TRACE_MAHIMAHI : TRACE_COLUMNS;
    return 0;
}

/* ---- reading ---- */

static int check(const struct trace *trace, const char *name, struct diag *diag)
{
    double most = 0.0;
    if (trace->steps == 0)
        return diag_fail(diag, ERR_SYNTAX, "%s: holds no rows", name);
    if (!(trace->duration_s >= TRACE_DURATION_MIN_S))
        return diag_fail(diag, ERR_RANGE, "%s: lasts %g s, less than a millisecond", name, trace->duration_s);
    for (size_t i = 0; i < trace->steps; i++)
        most =
            fmax(most, fmax(trace->step[i].rate_bps[DIRECTION_UP], trace->step[i].rate_bps[DIRECTION_DOWN]));
    if (!(most > 0.0))
        return diag_fail(diag, ERR_RANGE, "%s: every rate is 0: nothing could ever be sent", name);
    return 0;
}

int trace_read(struct trace *ret_trace, const char *text, size_t size, const char *name,
               enum scenario_trace_format format, struct diag *diag)
{
    static int (*const readers[])(struct trace_build *, const char *, size_t, struct diag *) = {
        [TRACE_MAHIMAHI] = trace_read_mahimahi,
        [TRACE_COLUMNS] = trace_read_columns,
        [TRACE_CSV] = trace_read_csv,
    };
    struct trace_build build = {.name = name};
    if (size == 0)
        return diag_fail(diag, ERR_SYNTAX, "%s: is empty", name);
    if (size > TRACE_BYTES_MAX)
        return diag_fail(diag, ERR_TOO_BIG, "%s: larger than the limit of %zu bytes", name, TRACE_BYTES_MAX);
    int rc = format == TRACE_AUTO ? recognise(text, size, name, &format, diag) : 0;
    build.trace.format = format;
    assert(rc != 0 || format != TRACE_AUTO);
    if (rc == 0)
        rc = readers[format](&build, text, size, diag);
    if (rc == 0)
        rc = check(&build.trace, name, diag);
    if (rc != 0) {
        trace_finish(&build.trace);
        return rc;
    }
    *ret_trace = build.trace;
    return 0;
}

int trace_load(struct trace *ret_trace, const char *path, enum scenario_trace_format format,
               struct diag *diag)
{
    struct buf text = {0};
    int rc = file_read(path, TRACE_BYTES_MAX, &text, diag);
    if (rc == 0)
        rc = trace_read(ret_trace, (const char *) text.data, text.size, path, format, diag);
    buf_finish(&text);
    return rc;
}

/* ---- looking up ---- */

/* The step that holds at a time in [0, duration_s]. */
static size_t step_at(const struct trace *trace, double at_s)
{
    size_t low = 0;
    size_t high = trace->steps;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (trace->step[middle].start_s <= at_s)
            low = middle;
        else
            high = middle;
    }
    return low;
}

double trace_bits(const struct trace *trace, enum scenario_direction direction, double from_s, double to_s)
{
    double bits = 0.0;
    assert(trace->steps > 0 && from_s >= 0.0 && from_s <= to_s && to_s <= trace->duration_s);
    for (size_t i = step_at(trace, from_s); i < trace->steps && from_s < to_s; i++) {
        double end_s = i + 1 < trace->steps ? trace->step[i + 1].start_s : trace->duration_s;
        end_s = end_s < to_s ? end_s : to_s;
        if (end_s <= from_s)
            continue;
        bits += trace->step[i].rate_bps[direction] * (end_s - from_s);
        from_s = end_s;
    }
    return bits;
}
