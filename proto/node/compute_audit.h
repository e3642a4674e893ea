/* Real time: did a node's computations end when the model says? Counts them in intervals, for the run's verdict. */
#ifndef HANDOFF_PROTO_NODE_COMPUTE_AUDIT_H
#define HANDOFF_PROTO_NODE_COMPUTE_AUDIT_H

#include <stdint.h>

#include "core/base/units.h"
#include "proto/message.h"

struct compute_audit {
    uint64_t jobs, late_jobs;
    double computed_s, late_s, worst_s; /* as COMPUTE_AUDIT has them */
};

/* A computation took `seconds` and ended at end_ns; it was due at due_ns. */
static inline void compute_audit_note(struct compute_audit *audit, double seconds, uint64_t end_ns,
                                      uint64_t due_ns)
{
    double late_s = end_ns > due_ns ? units_ns_to_s(end_ns - due_ns) : 0.0;
    audit->jobs++;
    audit->computed_s += seconds;
    audit->late_jobs += late_s > 0.0 ? 1 : 0;
    audit->late_s += late_s > 0.0 ? seconds : 0.0;
    audit->worst_s = late_s > audit->worst_s ? late_s : audit->worst_s;
}

/* What to tell of an interval; the next begins. */
static inline struct proto_message compute_audit_tell(struct compute_audit *audit, double start_s,
                                                      double duration_s)
{
    struct proto_message message = {
        .id = PROTO_COMPUTE_AUDIT,
        .compute_audit = {.start_s = start_s,
                          .duration_s = duration_s,
                          .jobs = audit->jobs,
                          .late_jobs = audit->late_jobs,
                          .computed_s = audit->computed_s,
                          .late_s = audit->late_s,
                          .worst_s = audit->worst_s},
    };
    *audit = (struct compute_audit){0};
    return message;
}

#endif
