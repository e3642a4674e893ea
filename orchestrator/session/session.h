/* One session: a policy driven through a phase's episodes, in one of the two hosts. What both hosts need to
 * know, and where the results go. */
#ifndef HANDOFF_ORCHESTRATOR_SESSION_SESSION_H
#define HANDOFF_ORCHESTRATOR_SESSION_SESSION_H

#include <signal.h>

#include "core/base/diag.h"
#include "core/base/progress.h"
#include "core/model/audit.h"
#include "core/model/world.h"
#include "orchestrator/policy/policy.h"
#include "orchestrator/session/session_meter.h"
#include "orchestrator/session/session_sinks.h"

/* A node to lose, or to have back, at a given place, as recorded in an `event` row or wanted by a test. */
enum session_phase {
    SESSION_OBSERVE,
    SESSION_EXECUTE,
    SESSION_SERVE, /* queueing mode: devices have passed, servers have not advanced */
};
struct session_fault {
    uint32_t episode, slot;
    enum session_phase phase;
    bool is_server;
    uint32_t number;
    bool is_back; /* not lost: here again, and taking part from the next slot */
};

/* How long the prompt of a guest's task was, as recorded in its row. */
struct session_guests_task {
    uint32_t episode, slot, device, tokens;
};

struct session {
    const struct world *world;
    struct policy *policy;
    enum rng_phase phase;
    uint32_t episodes, slots;
    uint32_t first_episode;    /* those before it were played by an earlier session: one that is resumed */
    uint32_t checkpoint_every; /* episodes; 0: none */
    bool record_tasks;
    const char *model;          /* memory host: the model file in place of model.file; NULL: none */
    bool in_real_time;          /* a host that keeps the real clock sets it */
    struct session_sinks sinks; /* every row goes to each, in order; the first error ends the session */
    const struct session_fault *fault; /* [fault_count], in order of episode, slot, phase */
    size_t fault_count;
    const struct session_guests_task
        *guests_task; /* [guests_tasks], in that order; others have tasks of the world */
    size_t guests_tasks;
    const struct session_meter *meter; /* of tasks' quality; NULL: the world's table, if any, tells it */
    const volatile sig_atomic_t *stop; /* nonzero: end at the next episode's or slot's end; may be NULL */
    struct progress *progress;         /* may be NULL */
};

struct session_result {
    uint64_t slots;   /* finished */
    uint64_t tasks;   /* finished or lost */
    double mean_cost; /* over done tasks; NAN: none */
    double task_cost; /* over all tasks, of which those that were refused or lost cost nothing; NAN: none */
    double wall_s;
    uint64_t messages;   /* TCP: frames in and out of the orchestrator */
    uint32_t lost_nodes; /* really lost, not by the scenario */
    uint32_t faults;     /* kills and pauses by the scenario */
    uint64_t handovers;  /* of tasks that their devices had not sent yet, from one server to another */
    uint64_t recovered,
        reoffloaded; /* tasks that outlived their servers: at their devices, at other servers */
    uint64_t lost_tasks;
    uint64_t missed; /* slots that the policy's agent was to decide, and did not */
    bool stopped;    /* ended early by `stop` */
    bool abandoned;  /* ended early because every device was lost */
    bool untrusted;  /* real time: this machine could not keep up, and `untrusted_reason` says where */
    char untrusted_reason[AUDIT_TEXT];
};

#endif
