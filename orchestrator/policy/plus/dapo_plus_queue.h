/* dapo-plus in queueing mode: what it must remember until a task's report comes, slots after it was decided,
 * and what it decides with. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_PLUS_DAPO_PLUS_QUEUE_H
#define HANDOFF_ORCHESTRATOR_POLICY_PLUS_DAPO_PLUS_QUEUE_H

#include "orchestrator/policy/plus/learned_price.h"
#include "orchestrator/policy/plus/outcome_model.h"
#include "orchestrator/policy/search/slot_search.h"

/* Slots that are remembered. A task that takes longer teaches nothing; at `dapo-queue` 64 slots are sixteen
 * deadlines [house]. */
#define DAPO_PLUS_QUEUE_SLOTS 64u

/* An episode's slot, as it was decided. */
struct dapo_plus_slot {
    uint32_t *server, *split, *tokens, *coding; /* [N]; `server` owns all four */
    float *gain;                                /* [N][M] as features; owned */
    uint32_t *load;                             /* [M] who had something to send; owned */
    uint32_t slot;
    bool known;  /* this episode's */
    bool loaded; /* `load` has been told */
};

struct dapo_plus_queue {
    const struct world *world; /* borrowed */
    struct slot_search *search;
    struct learned_price price;
    struct dapo_plus_slot slot[DAPO_PLUS_QUEUE_SLOTS]; /* by slot, a ring */
    struct outcome_sending *sending;                   /* [DAPO_PLUS_QUEUE_SLOTS] scratch */
    struct dapo_plus_slot *last;                       /* decided last; NULL: none in this episode */
    uint64_t whole;                                    /* transfers met that took one slot and no more */
};

/* -ENOMEM. The model is borrowed. */
int dapo_plus_queue_create(struct dapo_plus_queue **ret_queue, const struct world *world,
                           const struct plus_settings *settings, struct outcome_model *model);
void dapo_plus_queue_destroy(struct dapo_plus_queue *queue);

/* The joint decision that looks best. */
void dapo_plus_queue_decide(struct dapo_plus_queue *queue, struct outcome_model *model,
                            const struct env_view *view, bool training, struct env_decision *ret_decision);
/* Training: what was decided in the end. */
void dapo_plus_queue_remember(struct dapo_plus_queue *queue, const struct env_view *view,
                              const struct env_decision *decision);
/* `settled`: rewards are of decisions that were meant. */
void dapo_plus_queue_learn(struct dapo_plus_queue *queue, struct outcome_model *model,
                           const struct policy_feedback *feedback, bool settled);

/* The learned price, with `full` all of what is remembered between two episodes. Loading checks. */
int dapo_plus_queue_save(const struct dapo_plus_queue *queue, bool full, struct buf *bytes);
int dapo_plus_queue_load(struct dapo_plus_queue *queue, bool full, const uint8_t **bytes, size_t *size,
                         struct diag *diag);

#endif
