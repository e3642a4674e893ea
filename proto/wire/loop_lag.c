#include "proto/wire/loop_lag.h"

#include <assert.h>

#include "core/base/clock.h"
#include "core/base/units.h"

static void begin(struct wire_loop_lag *lag, uint64_t now_ns)
{
    lag->start_ns = now_ns;
    lag->probes = lag->sum_ns = lag->max_ns = 0;
}

static void tell(struct wire_loop_lag *lag, uint64_t now_ns)
{
    assert(lag->probes > 0 && lag->max_ns <= lag->sum_ns && now_ns >= lag->start_ns);
    struct wire_loop_lag_interval interval = {
        .start_ns = lag->start_ns,
        .duration_s = (double) (now_ns - lag->start_ns) / (double) UNITS_NS_PER_S,
        .max_s = (double) lag->max_ns / (double) UNITS_NS_PER_S,
        .mean_s = (double) lag->sum_ns / (double) lag->probes / (double) UNITS_NS_PER_S,
    };
    begin(lag, now_ns);
    lag->on_interval(lag->user, &interval);
}

/* The next probe is set from now on: one long delay is one late probe, not a hundred. */
static void on_probe(struct wire_alarm *alarm)
{
    struct wire_loop_lag *lag = alarm->user;
    uint64_t now_ns = clock_monotonic_ns();
    assert(now_ns >= lag->due_ns); /* an alarm never rings early */
    uint64_t late_ns = now_ns - lag->due_ns;
    lag->probes++;
    lag->sum_ns += late_ns;
    lag->max_ns = late_ns > lag->max_ns ? late_ns : lag->max_ns;
    lag->due_ns = now_ns + WIRE_LOOP_LAG_PROBE_NS;
    (void) wire_alarm_set(lag->alarms, &lag->alarm, lag->due_ns); /* there is room: this one has just left */
    if (now_ns - lag->start_ns >= WIRE_LOOP_LAG_INTERVAL_NS)
        tell(lag, now_ns);
}

int wire_loop_lag_start(struct wire_loop_lag *lag, struct wire_alarms *alarms,
                        void (*on_interval)(void *user, const struct wire_loop_lag_interval *interval),
                        void *user)
{
    uint64_t now_ns = clock_monotonic_ns();
    assert(on_interval != NULL);
    *lag = (struct wire_loop_lag){.alarms = alarms,
                                  .alarm = {.on_due = on_probe, .user = lag},
                                  .on_interval = on_interval,
                                  .user = user,
                                  .due_ns = now_ns + WIRE_LOOP_LAG_PROBE_NS};
    begin(lag, now_ns);
    return wire_alarm_set(alarms, &lag->alarm, lag->due_ns);
}

void wire_loop_lag_flush(struct wire_loop_lag *lag)
{
    if (lag->probes > 0)
        tell(lag, clock_monotonic_ns());
}
