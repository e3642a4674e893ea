/* An episode's statistics, gathered task by task. */
#ifndef HANDOFF_ORCHESTRATOR_SESSION_EPISODE_STATS_H
#define HANDOFF_ORCHESTRATOR_SESSION_EPISODE_STATS_H

#include <stddef.h>

#include "db/rows.h"

struct episode_stats {
    double *latency_s; /* [capacity] of done tasks; owned */
    size_t capacity, count;
    double latency_sum, energy_sum, cost_sum; /* in order of slot and device */
    struct db_episode row;                    /* counters so far */
};

int episode_stats_init(struct episode_stats *ret_stats, size_t capacity);
void episode_stats_finish(struct episode_stats *stats);

void episode_stats_add(struct episode_stats *stats, const struct db_task *task);

/* Writes what was gathered into `row` (its episode, slots and optimum_cost are the caller's) and starts
 * afresh. Percentiles are nearest-rank over done tasks; NAN when there were none. */
void episode_stats_close(struct episode_stats *stats, struct db_episode *row);

#endif
