#include "orchestrator/replay/clock_gap.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

static const struct {
    const char *name;
    size_t offset;
} parts[CLOCK_GAP_PARTS] = {
    {"wait_s", offsetof(struct db_task, wait_s)},         {"local_s", offsetof(struct db_task, local_s)},
    {"transmit_s", offsetof(struct db_task, transmit_s)}, {"queue_s", offsetof(struct db_task, queue_s)},
    {"edge_s", offsetof(struct db_task, edge_s)},         {"latency_s", offsetof(struct db_task, latency_s)},
};

static double value_of(const struct db_task *task, size_t part)
{
    return *(const double *) (const void *) ((const char *) task + parts[part].offset);
}

int clock_gap_add(struct clock_gap *gap, const struct db_task *measured, const struct db_task *modelled)
{
    int rc = 0;
    for (size_t i = 0; i < CLOCK_GAP_PARTS && rc == 0; i++) {
        double difference_s = value_of(measured, i) - value_of(modelled, i);
        rc = buf_push(&gap->gap_s[i], &difference_s, sizeof difference_s);
    }
    return rc;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

static double percentile(const double *sorted, size_t count, double share)
{
    size_t rank = (size_t) ceil(share * (double) count);
    assert(rank <= count);
    return sorted[rank > 0 ? rank - 1 : 0];
}

struct clock_gap_part clock_gap_part(struct clock_gap *gap, size_t part)
{
    double none = (double) NAN, sum_s = 0.0;
    assert(part < CLOCK_GAP_PARTS);
    double *sorted = (double *) (void *) gap->gap_s[part].data; /* aligned as malloc does */
    size_t count = gap->gap_s[part].size / sizeof *sorted;
    struct clock_gap_part row = {.part = parts[part].name,
                                 .tasks = count,
                                 .mean_s = none,
                                 .p5_s = none,
                                 .p50_s = none,
                                 .p95_s = none,
                                 .max_s = none};
    if (count == 0)
        return row;
    qsort(sorted, count, sizeof *sorted, compare);
    for (size_t i = 0; i < count; i++)
        sum_s += sorted[i];
    row.mean_s = sum_s / (double) count;
    row.p5_s = percentile(sorted, count, 0.05);
    row.p50_s = percentile(sorted, count, 0.50);
    row.p95_s = percentile(sorted, count, 0.95);
    row.max_s = sorted[count - 1];
    return row;
}

void clock_gap_finish(struct clock_gap *gap)
{
    for (size_t i = 0; i < CLOCK_GAP_PARTS; i++)
        buf_finish(&gap->gap_s[i]);
}
