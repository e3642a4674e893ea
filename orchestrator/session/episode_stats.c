#include "orchestrator/session/episode_stats.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

int episode_stats_init(struct episode_stats *ret_stats, size_t capacity)
{
    *ret_stats = (struct episode_stats){.capacity = capacity};
    ret_stats->latency_s = calloc(capacity, sizeof *ret_stats->latency_s);
    return ret_stats->latency_s != NULL ? 0 : -ENOMEM;
}

void episode_stats_finish(struct episode_stats *stats)
{
    free(stats->latency_s);
    *stats = (struct episode_stats){0};
}

void episode_stats_add(struct episode_stats *stats, const struct db_task *task)
{
    stats->row.tasks++;
    stats->row.repairs += task->repaired ? 1 : 0;
    if (isnan(task->latency_s)) { /* lost or expired */
        stats->row.failures++;
        return;
    }
    assert(stats->count < stats->capacity);
    stats->latency_s[stats->count++] = task->latency_s;
    stats->latency_sum += task->latency_s;
    stats->energy_sum += task->energy_j;
    stats->cost_sum += task->cost;
    stats->row.deadline_misses += task->deadline_missed ? 1 : 0;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

/* Nearest rank: the smallest value that at least `share` of all do not exceed. */
static double percentile(const double *sorted, size_t count, double share)
{
    if (count == 0)
        return (double) NAN;
    size_t rank = (size_t) ceil(share * (double) count);
    assert(rank <= count);
    return sorted[rank > 0 ? rank - 1 : 0];
}

void episode_stats_close(struct episode_stats *stats, struct db_episode *row)
{
    double done = (double) stats->count;
    assert(stats->count + stats->row.failures == stats->row.tasks);
    qsort(stats->latency_s, stats->count, sizeof *stats->latency_s, compare);
    row->mean_latency_s = stats->latency_sum / done; /* no task done: NAN, which is NULL in the database */
    row->mean_energy_j = stats->energy_sum / done;
    row->mean_cost = stats->cost_sum / done;
    row->p50_latency_s = percentile(stats->latency_s, stats->count, 0.50);
    row->p95_latency_s = percentile(stats->latency_s, stats->count, 0.95);
    row->p99_latency_s = percentile(stats->latency_s, stats->count, 0.99);
    row->episode_return = stats->row.episode_return;
    row->tasks = stats->row.tasks;
    row->deadline_misses = stats->row.deadline_misses;
    row->failures = stats->row.failures;
    row->repairs = stats->row.repairs;
    stats->count = 0;
    stats->latency_sum = stats->energy_sum = stats->cost_sum = 0.0;
    stats->row = (struct db_episode){0};
}
