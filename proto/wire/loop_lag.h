/* How late is this event loop? An alarm is due every 10 ms. The time from when it was due until it rings is what
 * everything else in the loop waits too. */
#ifndef HANDOFF_PROTO_WIRE_LOOP_LAG_H
#define HANDOFF_PROTO_WIRE_LOOP_LAG_H

#include "proto/wire/alarm.h"

#define WIRE_LOOP_LAG_PROBE_NS UINT64_C(10000000)
#define WIRE_LOOP_LAG_INTERVAL_NS UINT64_C(1000000000)

struct wire_loop_lag_interval {
    uint64_t start_ns;
    double duration_s;
    double max_s, mean_s; /* over the probes in it */
};

struct wire_loop_lag {
    struct wire_alarms *alarms;
    struct wire_alarm alarm;
    void (*on_interval)(void *user, const struct wire_loop_lag_interval *interval);
    void *user;
    uint64_t due_ns, start_ns;
    uint64_t probes, sum_ns, max_ns;
};

/* Tells every WIRE_LOOP_LAG_INTERVAL_NS, from now until the alarms are closed. `lag` stays where it is. */
int wire_loop_lag_start(struct wire_loop_lag *lag, struct wire_alarms *alarms,
                        void (*on_interval)(void *user, const struct wire_loop_lag_interval *interval),
                        void *user);
/* Tells what has been measured of the interval begun, if anything. */
void wire_loop_lag_flush(struct wire_loop_lag *lag);

#endif
