/* What dapo-plus and its distilled actor are made of: the same weights, two ways to decide. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_PLUS_H
#define HANDOFF_ORCHESTRATOR_POLICY_PLUS_H

#include "orchestrator/policy/distilled.h"
#include "orchestrator/policy/load_search.h"
#include "orchestrator/policy/outcome_model.h"
#include "orchestrator/policy/plus_queue.h"
#include "orchestrator/policy/policy.h"

struct plus {
    struct outcome_model *model;
    struct distilled *actor;
    struct load_table table;
    struct load_search search;
    struct plus_queue *queue;        /* NULL in mode round */
    struct outcome_task *task;       /* [N] as last decided; mode round */
    struct outcome_sending *sending; /* [N] of those */
    uint32_t *load;                  /* [M] of the last decision */
    uint64_t decided;                /* while training */
    bool owes_update;
};

/* Sets policy->state, a struct plus. */
int plus_create(struct policy *policy, struct diag *diag);
void plus_destroy(struct policy *policy);

/* The policy's save, load and resume, but for the update that is owed after a resume. */
int plus_save(const struct policy *policy, bool full, struct buf *bytes);
int plus_load(struct policy *policy, const void *bytes, size_t size, struct diag *diag);
int plus_resume(struct policy *policy, const void *bytes, size_t size, struct diag *diag);

#endif
