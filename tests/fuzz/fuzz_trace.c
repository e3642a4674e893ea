/* The trace readers on arbitrary bytes, in every format: no crash, no leak; what is refused is refused with
 * one line, and what is accepted is a trace: steps in order, rates that are numbers, statistics that fit. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/trace.h"
#include "core/model/trace_stats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void check_steps(const struct trace *trace)
{
    require(trace->steps > 0 && trace->step[0].start_s == 0.0 && trace->duration_s > 0.0);
    for (size_t i = 0; i < trace->steps; i++) {
        double end_s = i + 1 < trace->steps ? trace->step[i + 1].start_s : trace->duration_s;
        require(trace->step[i].start_s < end_s);
        for (int k = 0; k < 2; k++)
            require(isfinite(trace->step[i].rate_bps[k]) && trace->step[i].rate_bps[k] >= 0.0);
        if (trace->place != NULL)
            require(isfinite(trace->place[i].latitude_deg) && isfinite(trace->place[i].longitude_deg) &&
                    trace->place[i].speed_mps >= 0.0 &&
                    (trace->place[i].cell < trace->cells || trace->place[i].cell == TRACE_NO_CELL));
    }
}

static void check_stats(const struct trace *trace)
{
    struct trace_stats stats;
    if (trace->duration_s > 1e5) /* a bin a second: slow, and nothing new */
        return;
    for (int k = 0; k < 2; k++) {
        require(trace_stats_of(trace, (enum scenario_direction) k, &stats, NULL) == 0);
        require(stats.min_bps <= stats.p5_bps && stats.p5_bps <= stats.p95_bps &&
                stats.p95_bps <= stats.max_bps && isfinite(stats.mean_bps));
        require(stats.longest_gap_s <= stats.gaps_s && stats.gaps_s <= trace->duration_s * (1.0 + 1e-9));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int format = TRACE_AUTO; format <= TRACE_CSV; format++) {
        struct trace trace;
        struct diag diag = {{0}};
        if (trace_read(&trace, (const char *) data, size, "fuzz", (enum scenario_trace_format) format,
                       &diag) != 0) {
            require(diag.text[0] != '\0' && strchr(diag.text, '\n') == NULL);
            continue;
        }
        check_steps(&trace);
        check_stats(&trace);
        trace_finish(&trace);
    }
    return 0;
}
