/* What a task takes, learned from reports alone: seconds and joules of its three parts (device, link,
 * server), each as a function of what task_features.h says of the task. The channel's and the computations'
 * formulas are not known here; the operator's objective is, and the size of what a task sends, which its
 * descriptor declares. Nodes that change without notice are found out (node_drift.h).
 *
 * Codings that decisions choose among (core/model/coding.h) differ in that size and in their margin, which is one feature
 * more of a link. What they cost in quality is learned of each format (outcome_damage.h).
 *
 * Cost of a decision: a table of every (device, server, load), as load_table wants it; in queueing mode rows
 * for a forecast.
 *
 * Queueing mode: what a task waits for is not its own. Of a report count the seconds of each part alone: the
 * time on the radio against the gains and loads of the slots in which that was, and the server's own work.
 * Where a server shares itself out (processor sharing) its seconds are longer than that; then they are taken
 * from the joules: the most that a task was ever charged for a second there is what the whole of it is
 * charged. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_PLUS_OUTCOME_MODEL_H
#define HANDOFF_ORCHESTRATOR_POLICY_PLUS_OUTCOME_MODEL_H

#include "core/model/forecast.h"
#include "orchestrator/policy/policy.h"
#include "orchestrator/policy/search/load_table.h"

struct outcome_config {
    size_t hidden;        /* units in each of two hidden layers of each part's network; 0: linear parts */
    size_t batch, buffer; /* reports */
    float rate, final_rate;
    uint64_t horizon; /* updates */
    uint64_t seed;
    bool watches; /* for nodes that change */
};

/* A slot in which a task was on the radio. */
struct outcome_sending {
    float gain; /* as a feature */
    uint32_t load;
    float share; /* of its time there */
};

/* A task as it was decided. */
struct outcome_task {
    uint32_t device, server; /* ENV_LOCAL: all of it on the device */
    uint32_t split, tokens;
    uint32_t load;                         /* who divide the server; queueing mode: 1, it has a station */
    uint32_t coding;                       /* of what it sends */
    const struct outcome_sending *sending; /* [sendings]; none: nothing is to be learned of its way */
    uint32_t sendings;
};

struct outcome_model;

/* -ENOMEM, ERR_RANGE. The world is borrowed. */
int outcome_model_create(struct outcome_model **ret_model, const struct world *world,
                         const struct outcome_config *config);
void outcome_model_destroy(struct outcome_model *model);

/* How a task went. One that did not go as decided teaches nothing. */
void outcome_model_observe(struct outcome_model *model, const struct outcome_task *task,
                           const struct policy_outcome *outcome);

/* One step of each part on a mini-batch of reports, drawn at (seed, RNG_SAMPLING, update number). */
void outcome_model_update(struct outcome_model *model);
uint64_t outcome_model_updates(const struct outcome_model *model);

/* Begins a slot's table with what the model foresees. */
void outcome_model_begin(struct outcome_model *model, struct load_table *table, const struct env_view *view);

/* Queueing mode: what the model foresees, as a forecast wants it; `look` before each slot's forecast_begin. */
struct forecast_source outcome_model_source(struct outcome_model *model);
void outcome_model_look(struct outcome_model *model, const struct env_view *view);

/* Weights to deploy; with `full` what learning needs to go on, but for the reports, which are gathered as
 * policy.h says. Appends; loading checks all it reads and may leave a refused model half changed. */
int outcome_model_save(const struct outcome_model *model, bool full, struct buf *bytes);
int outcome_model_load(struct outcome_model *model, bool full, const uint8_t **bytes, size_t *size,
                       struct diag *diag);
int outcome_model_gather(struct outcome_model *model, struct policy_experience *ret_experience,
                         struct buf *bytes);
int outcome_model_recall(struct outcome_model *model, const void *bytes, size_t size, struct diag *diag);

#endif
