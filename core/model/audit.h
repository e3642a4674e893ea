/* Did this machine keep up with its own run? A run in real time is to be trusted when its links carried
 * what they were set to, the event loops of its processes were on time, and so were real layers (compute.kind model). Pure: samples go in, a verdict
 * comes out. */
#ifndef HANDOFF_CORE_MODEL_AUDIT_H
#define HANDOFF_CORE_MODEL_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A window is off when what left differs from what was set by more than this share, and by more than one
 * packet. */
#define AUDIT_LINK_TOLERANCE 0.05
#define AUDIT_PACKET_BITS 12000.0
/* Above this share of the bits in windows that are off, the links are not to be trusted. */
#define AUDIT_LINK_SHARE 0.01
/* A loop is late in an interval when something waited for it this long, in real time. */
#define AUDIT_LATE_S 0.020
/* Above this share of all processes' time in such intervals, the loops are not to be trusted. */
#define AUDIT_LATE_SHARE 0.05

/* Real layers: a job is late when it ends this long after it was due, in real time: its loop's tolerance. */
#define AUDIT_JOB_LATE_S AUDIT_LATE_S
/* Above this share of all computed time that is late jobs', the computations are not to be trusted. */
#define AUDIT_JOB_LATE_SHARE 0.05

#define AUDIT_TEXT 256

/* One window of one link while something was on it. Seconds and bit/s of real time, counted from the run's
 * start. */
struct audit_link {
    uint32_t device, server;
    bool down;
    double start_s, duration_s;
    double set_bps, achieved_bps;
};

/* One interval of one process's event loop. */
struct audit_loop {
    const char *role; /* "device" (first of its process), "server", "orchestrator" */
    uint32_t number;
    double start_s, duration_s;
    double lag_max_s, lag_mean_s;
};

/* The jobs of one process that ended in an interval: layers that it really computed. */
struct audit_jobs {
    const char *role; /* "device" (first of its process), "server" */
    uint32_t number;
    double start_s, duration_s;
    uint32_t jobs, late_jobs;
    double computed_s, late_s; /* how long they all computed, and how long the late ones */
    double worst_s;            /* how long after it was due the latest ended */
};

struct audit {
    double link_bits, link_off_bits;
    double loop_s, loop_late_s;
    double computed_s, computed_late_s;
    bool any_off, any_late, any_job_late;
    struct audit_link worst_link; /* by bits that were off */
    struct audit_loop worst_loop; /* by lag_max_s */
    struct audit_jobs worst_jobs; /* by worst_s */
};

void audit_add_link(struct audit *audit, const struct audit_link *sample);
void audit_add_loop(struct audit *audit, const struct audit_loop *sample);
void audit_add_jobs(struct audit *audit, const struct audit_jobs *sample);

/* True: to be trusted, also when nothing was sampled. False: `ret_reason` is a sentence for people. */
bool audit_is_trusted(const struct audit *audit, char ret_reason[static AUDIT_TEXT]);

#endif
