/* What dapo-plus and its distilled actor are made of: the same weights, two ways to decide. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_PLUS_DAPO_PLUS_PARTS_H
#define HANDOFF_ORCHESTRATOR_POLICY_PLUS_DAPO_PLUS_PARTS_H

#include "orchestrator/policy/plus/dapo_plus_queue.h"
#include "orchestrator/policy/plus/load_actor.h"
#include "orchestrator/policy/plus/outcome_model.h"
#include "orchestrator/policy/plus/settings.h"
#include "orchestrator/policy/search/load_search.h"

struct dapo_plus {
    struct outcome_model *model;
    struct load_actor *actor;
    struct load_table table;
    struct load_search search;
    struct dapo_plus_queue *queue;   /* NULL in mode round */
    struct outcome_task *task;       /* [N] as last decided; mode round */
    struct outcome_sending *sending; /* [N] of those */
    uint32_t *load;                  /* [M] of the last decision */
    uint64_t decided;                /* while training */
    bool owes_update;
};

/* Sets policy->state, a struct dapo_plus. */
int dapo_plus_create(struct policy *policy, struct diag *diag);
void dapo_plus_destroy(struct policy *policy);

/* The policy's save, load and resume, but for the update that is owed after a resume. */
int dapo_plus_save(const struct policy *policy, bool full, struct buf *bytes);
int dapo_plus_load(struct policy *policy, const void *bytes, size_t size, struct diag *diag);
int dapo_plus_resume(struct policy *policy, const void *bytes, size_t size, struct diag *diag);

#endif
