/* A policy that decides what a recorded run decided, from a copy of its decisions: the file is free
 * meanwhile, to be recorded into. */
#ifndef HANDOFF_ORCHESTRATOR_DECIDED_H
#define HANDOFF_ORCHESTRATOR_DECIDED_H

#include "db/store.h"
#include "orchestrator/policy/policy.h"

struct decided_row {
    uint32_t episode, slot, device, split;
    int32_t server;
    bool repaired;
};

struct decided {
    struct policy policy;    /* to put into a session */
    struct decided_row *row; /* [count] in order of episodes, slots, devices; owned */
    size_t count, next;
};

/* The world must outlive it, and `decided` stay where it is. Finish it also when this failed. */
int decided_load(struct decided *ret_decided, const struct world *world, struct store *store, int64_t run_id,
                 struct diag *diag);
void decided_finish(struct decided *decided);

#endif
