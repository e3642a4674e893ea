/* How much longer things took in real time than the model says, as a distribution for each part of a
 * task's latency. */
#ifndef HANDOFF_ORCHESTRATOR_REPLAY_CLOCK_GAP_H
#define HANDOFF_ORCHESTRATOR_REPLAY_CLOCK_GAP_H

#include "core/base/buf.h"
#include "db/rows.h"

#define CLOCK_GAP_PARTS 6u

struct clock_gap {
    struct buf gap_s[CLOCK_GAP_PARTS]; /* doubles: measured minus modelled, of each task */
};

/* Seconds. Percentiles are by nearest rank: the ceil(q n)-th smallest of n. */
struct clock_gap_part {
    const char *part; /* the task table's column; a literal */
    size_t tasks;
    double mean_s, p5_s, p50_s, p95_s, max_s;
};

/* Both rows are of a finished task. -ENOMEM. */
int clock_gap_add(struct clock_gap *gap, const struct db_task *measured, const struct db_task *modelled);
/* Part number 0 to CLOCK_GAP_PARTS - 1; NAN where there was no task. */
struct clock_gap_part clock_gap_part(struct clock_gap *gap, size_t part);
void clock_gap_finish(struct clock_gap *gap);

#endif
