/* Mahimahi's traces, and two columns. */
#include "core/model/trace_internal.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/parse.h"

#define MS_PER_S 1000.0
#define BPS_PER_MBPS 1e6

/* The rate of a millisecond in which `deliveries` opportunities lie, and of those before it that hold none. */
static int add_millisecond(struct trace_build *build, uint64_t bin, uint64_t deliveries, struct diag *diag)
{
    const struct trace *trace = &build->trace;
    double rate_bps = (double) deliveries * TRACE_DELIVERY_BITS * MS_PER_S;
    if (rate_bps > TRACE_RATE_MAX_BPS)
        return diag_fail(diag, ERR_RANGE,
                         "%s:%u: millisecond %llu has been given %llu times: more than %g bit/s", build->name,
                         build->line, (unsigned long long) bin + 1, (unsigned long long) deliveries,
                         TRACE_RATE_MAX_BPS);
    if (trace->steps > 0 && trace->step[trace->steps - 1].rate_bps[0] == rate_bps)
        return 0;
    struct trace_step step = {(double) bin / MS_PER_S, {rate_bps, rate_bps}};
    return trace_build_step(build, &step, NULL, diag);
}

static int read_millisecond(const struct trace_build *build, const char *line, uint64_t before,
                            uint64_t *ret_ms, struct diag *diag)
{
    uint64_t ms = 0;
    if (line[0] == '-' && line[1 + strspn(line + 1, "0123456789")] == '\0')
        return diag_fail(diag, ERR_RANGE, "%s:%u: '%s' is negative, a time is not", build->name, build->line,
                         line);
    int rc = parse_u64(line, &ms);
    if (rc == ERR_SYNTAX)
        return diag_fail(diag, ERR_SYNTAX,
                         "%s:%u: '%s' is not one whole number of milliseconds, which Mahimahi's traces have "
                         "in each line",
                         build->name, build->line, line);
    if (rc != 0 || (double) ms > TRACE_TIME_MAX_S * MS_PER_S)
        return diag_fail(diag, ERR_RANGE, "%s:%u: %s ms is out of range, allowed 0 to %.0f", build->name,
                         build->line, line, TRACE_TIME_MAX_S * MS_PER_S);
    if (ms < before)
        return diag_fail(diag, ERR_RANGE, "%s:%u: time goes backwards, from %llu to %llu ms", build->name,
                         build->line, (unsigned long long) before, (unsigned long long) ms);
    *ret_ms = ms;
    return 0;
}

/* An opportunity at t counts in the millisecond that ends at t (at 0: in the first), so that all of them lie
 * within the trace's duration and its mean is their bits over it. */
int trace_read_mahimahi(struct trace_build *build, const char *text, size_t size, struct diag *diag)
{
    char line[TRACE_LINE_MAX + 1];
    uint64_t now_ms = 0, bin = 0, deliveries = 0;
    size_t at = 0;
    int rc = 0;
    while ((rc = trace_build_line(build, text, size, &at, line, diag)) == 1) {
        rc = read_millisecond(build, line, now_ms, &now_ms, diag);
        uint64_t next = now_ms > 0 ? now_ms - 1 : 0;
        assert(next >= bin);
        if (rc == 0 && next > bin) {
            rc = add_millisecond(build, bin, deliveries, diag);
            if (rc == 0 && next > bin + 1)
                rc = add_millisecond(build, bin + 1, 0, diag);
            deliveries = 0;
            bin = next;
        }
        if (rc != 0)
            return rc;
        deliveries++;
    }
    if (rc == 0 && deliveries > 0)
        rc = add_millisecond(build, bin, deliveries, diag);
    build->trace.duration_s = (double) now_ms / MS_PER_S;
    return rc;
}

/* Cuts the line at blanks or a comma; the number of words, of which three are looked at. */
static size_t cut_words(char *line, char *ret_word[static 3])
{
    size_t words = 0;
    for (char *at = line + strspn(line, " \t"); *at != '\0' && words < 3;) {
        ret_word[words++] = at;
        at += strcspn(at, " \t,");
        char *end = at;
        at += strspn(at, " \t");
        at += *at == ',' ? 1 : 0;
        at += strspn(at, " \t");
        *end = '\0';
    }
    return words;
}

static int read_row(const struct trace_build *build, char *line, struct trace_step *ret_step,
                    struct diag *diag)
{
    char *word[3];
    double rate_mbps = 0.0;
    size_t words = cut_words(line, word);
    if (words != 2)
        return diag_fail(diag, ERR_SYNTAX, "%s:%u: %s, wanted are two: seconds and Mbit/s", build->name,
                         build->line, words < 2 ? "one column" : "more than two columns");
    int rc = trace_build_real(build, "seconds", word[0], TRACE_TIME_MAX_S, &ret_step->start_s, diag);
    if (rc == 0)
        rc = trace_build_real(build, "Mbit/s", word[1], TRACE_RATE_MAX_BPS / BPS_PER_MBPS, &rate_mbps, diag);
    ret_step->rate_bps[0] = ret_step->rate_bps[1] = rate_mbps * BPS_PER_MBPS;
    return rc;
}

/* The first row's time is the trace's zero. The last row holds as long as the one before it, a single one
 * for a second. */
int trace_read_columns(struct trace_build *build, const char *text, size_t size, struct diag *diag)
{
    char line[TRACE_LINE_MAX + 1];
    double first_s = 0.0, before_s = -1.0, last_s = 1.0;
    size_t at = 0;
    int rc = 0;
    while ((rc = trace_build_line(build, text, size, &at, line, diag)) == 1) {
        struct trace_step step;
        rc = read_row(build, line, &step, diag);
        double now_s = step.start_s;
        if (rc == 0 && now_s <= before_s)
            rc = diag_fail(diag, ERR_RANGE, "%s:%u: time %s, from %.9g to %.9g s", build->name, build->line,
                           now_s < before_s ? "goes backwards" : "stands still", before_s, now_s);
        if (rc != 0)
            return rc;
        first_s = before_s < 0.0 ? now_s : first_s;
        last_s = before_s < 0.0 ? 1.0 : now_s - before_s;
        before_s = now_s;
        step.start_s -= first_s;
        rc = trace_build_step(build, &step, NULL, diag);
        if (rc != 0)
            return rc;
    }
    build->trace.duration_s = before_s - first_s + last_s;
    return rc;
}
