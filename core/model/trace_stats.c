#include "core/model/trace_stats.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct bin {
    double rate_bps, length_s;
};

static int by_rate(const void *a, const void *b)
{
    double first = ((const struct bin *) a)->rate_bps, second = ((const struct bin *) b)->rate_bps;
    return (first > second) - (first < second);
}

/* The smallest rate that `part` of the time does not exceed; bins sorted. The tolerance is the rounding of
 * the sum. */
static double percentile(const struct bin *bin, size_t count, double part, double duration_s)
{
    double passed_s = 0.0;
    assert(count > 0);
    for (size_t i = 0; i < count; i++) {
        passed_s += bin[i].length_s;
        if (passed_s >= part * duration_s * (1.0 - 1e-12))
            return bin[i].rate_bps;
    }
    return bin[count - 1].rate_bps;
}

static int add_seconds(const struct trace *trace, enum scenario_direction direction,
                       struct trace_stats *stats, struct diag *diag)
{
    assert(trace->duration_s > 0.0);
    size_t count = (size_t) ceil(trace->duration_s);
    struct bin *bin = calloc(count, sizeof *bin);
    if (bin == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    double bits = 0.0;
    for (size_t i = 0; i < count; i++) {
        double end_s = fmin((double) (i + 1), trace->duration_s);
        double bin_bits = trace_bits(trace, direction, (double) i, end_s);
        bin[i].length_s = end_s - (double) i;
        bin[i].rate_bps = bin_bits / bin[i].length_s;
        bits += bin_bits;
    }
    qsort(bin, count, sizeof *bin, by_rate);
    stats->mean_bps = bits / trace->duration_s;
    stats->min_bps = bin[0].rate_bps;
    stats->max_bps = bin[count - 1].rate_bps;
    stats->p5_bps = percentile(bin, count, 0.05, trace->duration_s);
    stats->p95_bps = percentile(bin, count, 0.95, trace->duration_s);
    free(bin);
    return 0;
}

static void add_gaps(const struct trace *trace, enum scenario_direction direction, struct trace_stats *stats)
{
    double since_s = 0.0;
    for (size_t i = 0; i <= trace->steps; i++) {
        double now_s = i < trace->steps ? trace->step[i].start_s : trace->duration_s;
        if (i < trace->steps && trace->step[i].rate_bps[direction] <= 0.0)
            continue;
        double gap_s = now_s - since_s;
        if (gap_s > TRACE_GAP_S * (1.0 + 1e-9)) {
            stats->gaps++;
            stats->gaps_s += gap_s;
            stats->longest_gap_s = fmax(stats->longest_gap_s, gap_s);
        }
        if (i < trace->steps)
            since_s = i + 1 < trace->steps ? trace->step[i + 1].start_s : trace->duration_s;
    }
}

int trace_stats_of(const struct trace *trace, enum scenario_direction direction,
                   struct trace_stats *ret_stats, struct diag *diag)
{
    struct trace_stats stats = {
        .duration_s = trace->duration_s, .steps = trace->steps, .cells = trace->cells};
    int rc = add_seconds(trace, direction, &stats, diag);
    if (rc != 0)
        return rc;
    add_gaps(trace, direction, &stats);
    for (size_t i = 1; i < trace->steps && trace->place != NULL; i++)
        stats.cell_changes += trace->place[i].cell != trace->place[i - 1].cell ? 1 : 0;
    *ret_stats = stats;
    return 0;
}

void trace_stats_profile(const struct trace *trace, enum scenario_direction direction, size_t count,
                         double *ret_rate_bps)
{
    assert(trace->duration_s > 0.0);
    for (size_t i = 0; i < count; i++) {
        double from_s = trace->duration_s * (double) i / (double) count;
        double to_s =
            i + 1 < count ? trace->duration_s * (double) (i + 1) / (double) count : trace->duration_s;
        ret_rate_bps[i] = trace_bits(trace, direction, from_s, to_s) / (to_s - from_s);
    }
}
