/* What a trace is like, in a few numbers. */
#ifndef HANDOFF_CORE_MODEL_TRACE_STATS_H
#define HANDOFF_CORE_MODEL_TRACE_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/model/trace.h"

#define TRACE_GAP_S 1.0 /* no rate for longer than this is a gap */

struct trace_stats {
    double duration_s;
    double mean_bps; /* all bits over the duration */
    /* Of the mean rates of whole seconds from the start on (a last part counts by its length): the least, the
     * greatest, and the smallest that holds in at least 5 and 95 % of the time. */
    double min_bps, max_bps;
    double p5_bps, p95_bps;
    size_t gaps; /* spans without any rate longer than TRACE_GAP_S; what the repeat joins is not counted */
    double longest_gap_s, gaps_s;
    size_t steps;
    size_t cells, cell_changes;
};

/* 0, or -ENOMEM. */
int trace_stats_of(const struct trace *trace, enum scenario_direction direction,
                   struct trace_stats *ret_stats, struct diag *diag);

/* The mean rates of `count` equal parts of the trace. */
void trace_stats_profile(const struct trace *trace, enum scenario_direction direction, size_t count,
                         double *ret_rate_bps);

#endif
