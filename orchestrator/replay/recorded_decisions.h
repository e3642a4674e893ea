/* A policy that decides what a recorded run decided, from a copy of its decisions: the file is free
 * meanwhile, to be recorded into. */
#ifndef HANDOFF_ORCHESTRATOR_REPLAY_RECORDED_DECISIONS_H
#define HANDOFF_ORCHESTRATOR_REPLAY_RECORDED_DECISIONS_H

#include "db/store.h"
#include "orchestrator/policy/policy.h"

struct recorded_decision {
    uint32_t episode, slot, device, split;
    int32_t server;
    bool repaired;
    uint32_t coding;
    bool refused;
    double compute, band, memory; /* reserved; NAN: nothing */
    struct env_foreseen foreseen;
};

/* What a row says was decided. */
struct recorded_decision recorded_decision_of(const struct db_task *task);
/* Enters it for its device; what the world does not have (a server, a coding) is left out. */
void recorded_decision_enter(const struct recorded_decision *row, const struct world *world,
                             struct env_decision *decision);
/* Nothing was decided for a device. */
void recorded_decision_clear(uint32_t device, const struct world *world, struct env_decision *decision);

struct recorded_decisions {
    struct policy policy;          /* to put into a session */
    struct recorded_decision *row; /* [count] in order of episodes, slots, devices; owned */
    size_t count, next;
};

/* The world must outlive it, and `decisions` stay where it is. Finish it also when this failed. */
int recorded_decisions_load(struct recorded_decisions *ret_decisions, const struct world *world,
                            struct store *store, int64_t run_id, struct diag *diag);
void recorded_decisions_finish(struct recorded_decisions *decisions);

#endif
