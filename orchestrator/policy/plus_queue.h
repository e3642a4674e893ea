/* dapo-plus in queueing mode: what it must remember until a task's report comes, slots after it was decided,
 * and what it decides with. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_PLUS_QUEUE_H
#define HANDOFF_ORCHESTRATOR_POLICY_PLUS_QUEUE_H

#include "orchestrator/policy/outcome_model.h"
#include "orchestrator/policy/slot_search.h"
#include "orchestrator/policy/toll.h"

/* Slots that are remembered. A task that takes longer teaches nothing; at `dapo-queue` 64 slots are sixteen
 * deadlines [house]. */
#define PLUS_QUEUE_SLOTS 64u

/* An episode's slot, as it was decided. */
struct plus_slot {
    uint32_t *server, *split, *tokens; /* [N]; `server` owns all three */
    float *gain;                       /* [N][M] as features; owned */
    uint32_t *load;                    /* [M] who had something to send; owned */
    uint32_t slot;
    bool known;  /* this episode's */
    bool loaded; /* `load` has been told */
};

struct plus_queue {
    const struct world *world; /* borrowed */
    struct slot_search *search;
    struct toll toll;
    struct plus_slot slot[PLUS_QUEUE_SLOTS]; /* by slot, a ring */
    struct outcome_sending *sending;         /* [PLUS_QUEUE_SLOTS] scratch */
    struct plus_slot *last;                  /* decided last; NULL: none in this episode */
    uint64_t whole;                          /* transfers met that took one slot and no more */
};

/* -ENOMEM. The model is borrowed. */
int plus_queue_create(struct plus_queue **ret_queue, const struct world *world, struct outcome_model *model);
void plus_queue_destroy(struct plus_queue *queue);

/* The joint decision that looks best. */
void plus_queue_decide(struct plus_queue *queue, struct outcome_model *model, const struct env_view *view,
                       bool training, struct env_decision *ret_decision);
/* Training: what was decided in the end. */
void plus_queue_remember(struct plus_queue *queue, const struct env_view *view,
                         const struct env_decision *decision);
/* `settled`: rewards are of decisions that were meant. */
void plus_queue_learn(struct plus_queue *queue, struct outcome_model *model,
                      const struct policy_feedback *feedback, bool settled);

/* The learned price, with `full` all of what is remembered between two episodes. Loading checks. */
int plus_queue_save(const struct plus_queue *queue, bool full, struct buf *bytes);
int plus_queue_load(struct plus_queue *queue, bool full, const uint8_t **bytes, size_t *size,
                    struct diag *diag);

#endif
