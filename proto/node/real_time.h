/* The model's seconds in real time, where run.time_scale of them pass in a second. In real time a shell begins
 * what its core asks for, sets an alarm for its end, and tells the core how long it really took. */
#ifndef HANDOFF_PROTO_NODE_REAL_TIME_H
#define HANDOFF_PROTO_NODE_REAL_TIME_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/units.h"
#include "core/model/scenario.h"

/* Longer than any run: an alarm this far away never rings. */
#define REAL_TIME_MAX_NS (UINT64_C(1) << 60)

static inline bool real_time_is_kept(const struct scenario *scenario)
{
    return scenario->run.clock == CLOCK_REAL;
}

/* Model seconds between two readings of CLOCK_MONOTONIC, the earlier one first. */
static inline double real_time_s(const struct scenario *scenario, uint64_t from_ns, uint64_t to_ns)
{
    assert(from_ns <= to_ns);
    return (double) (to_ns - from_ns) / (double) UNITS_NS_PER_S * scenario->run.time_scale;
}

/* The reading at which `duration_s` >= 0 of the model have passed since `from_ns`. */
static inline uint64_t real_time_due_ns(const struct scenario *scenario, uint64_t from_ns, double duration_s)
{
    assert(duration_s >= 0.0);
    double wait_ns = duration_s / scenario->run.time_scale * (double) UNITS_NS_PER_S;
    return from_ns + (wait_ns < (double) REAL_TIME_MAX_NS ? (uint64_t) wait_ns : REAL_TIME_MAX_NS);
}

#endif
