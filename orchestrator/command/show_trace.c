#include "orchestrator/command/show_trace.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/err.h"
#include "core/base/units.h"
#include "core/model/trace.h"
#include "core/model/trace_stats.h"
#include "orchestrator/command/commands.h"

#define SPARK_WIDTH 80u
#define SPARK_LEVELS 8u

static int fail_word(const char *flag, const char *word, const char *allowed, struct diag *diag)
{
    return diag_fail(diag, ERR_UNKNOWN, "%s: '%s' is none of %s", flag, word, allowed);
}

static int find_format(const char *word, enum scenario_trace_format *ret_format, struct diag *diag)
{
    *ret_format = TRACE_AUTO;
    for (int format = TRACE_AUTO; word != NULL; format++) {
        if (format > TRACE_CSV)
            return fail_word("--format", word, "auto, mahimahi, columns, csv", diag);
        *ret_format = (enum scenario_trace_format) format;
        if (strcmp(word, trace_format_name(*ret_format)) == 0)
            break;
    }
    return 0;
}

static int find_direction(const char *word, enum scenario_direction *ret_direction, struct diag *diag)
{
    bool down = word != NULL && strcmp(word, "down") == 0;
    if (word != NULL && !down && strcmp(word, "up") != 0)
        return fail_word("--direction", word, "up, down", diag);
    *ret_direction = down ? DIRECTION_DOWN : DIRECTION_UP;
    return 0;
}

/* Does the terminal read UTF-8? What the locale's name says. */
static bool is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    const char *locale = "";
    for (size_t i = 0; i < sizeof names / sizeof *names && locale[0] == '\0'; i++)
        locale = getenv(names[i]) != NULL ? getenv(names[i]) : "";
    const char *codeset = strchr(locale, '.');
    return codeset != NULL &&
           (strncasecmp(codeset, ".UTF-8", 6) == 0 || strncasecmp(codeset, ".UTF8", 5) == 0);
}

/* One sign for each part of the trace, by its mean rate over the greatest of them; a blank where nothing
 * passes. */
static void print_sparkline(const struct trace *trace, enum scenario_direction direction)
{
    static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const signs[] = {" ", ".", ":", "-", "=", "+", "*", "#", "@"};
    double rate_bps[SPARK_WIDTH];
    double most_bps = 0.0;
    size_t width = trace->duration_s < SPARK_WIDTH ? (size_t) ceil(trace->duration_s) : SPARK_WIDTH;
    trace_stats_profile(trace, direction, width, rate_bps);
    for (size_t i = 0; i < width; i++)
        most_bps = fmax(most_bps, rate_bps[i]);
    for (size_t i = 0; i < width; i++) {
        size_t level = rate_bps[i] > 0.0 ? (size_t) ceil(rate_bps[i] / most_bps * SPARK_LEVELS) : 0;
        level = level > SPARK_LEVELS ? SPARK_LEVELS : level;
        (void) fputs((is_utf8() ? blocks : signs)[level], stdout);
    }
    (void) printf("\n%zu parts of %.4g s, up to %.4g Mbit/s\n", width, trace->duration_s / (double) width,
                  most_bps / UNITS_MHZ);
}

static void print_text(const char *path, const struct trace *trace, enum scenario_direction direction,
                       const struct trace_stats *stats)
{
    const char *side = direction == DIRECTION_UP ? "uplink" : "downlink";
    (void) printf("%s: %s, %zu steps%s%s\n", path, trace_format_name(trace->format), stats->steps,
                  trace->two_directions ? ", " : "", trace->two_directions ? side : "");
    (void) printf("duration  %.3f s\n", stats->duration_s);
    (void) printf("mean      %.6g Mbit/s\n", stats->mean_bps / UNITS_MHZ);
    (void) printf("by the second: p5 %.6g, p95 %.6g, least %.6g, greatest %.6g Mbit/s\n",
                  stats->p5_bps / UNITS_MHZ, stats->p95_bps / UNITS_MHZ, stats->min_bps / UNITS_MHZ,
                  stats->max_bps / UNITS_MHZ);
    if (stats->gaps > 0)
        (void) printf("gaps      %zu without any rate for more than 1 s: %.3f s in all, the longest %.3f s\n",
                      stats->gaps, stats->gaps_s, stats->longest_gap_s);
    else
        (void) printf("gaps      none without any rate for more than 1 s\n");
    if (stats->cells > 0)
        (void) printf("cells     %zu, %zu changes\n", stats->cells, stats->cell_changes);
    print_sparkline(trace, direction);
}

static json_t *json_trace(const char *path, const struct trace *trace, enum scenario_direction direction,
                          const struct trace_stats *stats)
{
    return json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:f, s:f, s:I, s:I, s:I, s:b}",
                     "file", path, "format", trace_format_name(trace->format), "direction",
                     direction == DIRECTION_UP ? "up" : "down", "duration_s", stats->duration_s, "mean_bps",
                     stats->mean_bps, "min_bps", stats->min_bps, "max_bps", stats->max_bps, "p5_bps",
                     stats->p5_bps, "p95_bps", stats->p95_bps, "gaps", (json_int_t) stats->gaps,
                     "longest_gap_s", stats->longest_gap_s, "gaps_s", stats->gaps_s, "steps",
                     (json_int_t) stats->steps, "cells", (json_int_t) stats->cells, "cell_changes",
                     (json_int_t) stats->cell_changes, "positions", trace->place != NULL);
}

int show_trace(const struct cli *cli, struct diag *diag)
{
    enum scenario_trace_format format = TRACE_AUTO;
    enum scenario_direction direction = DIRECTION_UP;
    struct trace trace = {0};
    struct trace_stats stats;
    if (cli->word_count != 2)
        return diag_fail(diag, ERR_UNKNOWN, "show trace needs one file: show trace FILE");
    int rc = find_format(cli->trace_format, &format, diag);
    if (rc == 0)
        rc = find_direction(cli->direction, &direction, diag);
    if (rc == 0)
        rc = trace_load(&trace, cli->word[1], format, diag);
    if (rc == 0)
        rc = trace_stats_of(&trace, direction, &stats, diag);
    if (rc == 0 && cli->json)
        rc = command_print_json(json_trace(cli->word[1], &trace, direction, &stats), diag);
    else if (rc == 0)
        print_text(cli->word[1], &trace, direction, &stats);
    trace_finish(&trace);
    return rc;
}
