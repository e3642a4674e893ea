/* What a model of single devices is told, and what it says. A device in a slot has a choice of places: local, or a server
 * and a split. The same features stand for every device, so that the reports of all teach one model; they are those of
 * core/model/task_features.h, logarithms of what a deployment knows:
 *
 *   1 at a server, 0 local; F_n; tokens; split / L; and at a server gain, size of what is sent, F_m, load K_m; then the
 *   channel's condition, unless all are reliable
 *
 * Outcomes are ln seconds, ln joules (as the objective counts them), with quality in the objective the log ratio of
 * perplexities, and with a learned preference minus the cost. Pure. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_PLANNED_DEVICE_MODEL_H
#define HANDOFF_ORCHESTRATOR_POLICY_PLANNED_DEVICE_MODEL_H

#include "core/model/env.h"
#include "orchestrator/policy/policy.h"

struct device_place {
    uint32_t server; /* ENV_LOCAL: none */
    uint32_t split;
};

/* Choices are numbered: local, unless splits are bound (core/model/env_splits.h), then server after server its splits. */
struct device_choices {
    uint32_t locals; /* 1 or 0 */
    uint32_t splits; /* of a server */
    uint32_t count;
};

struct device_choices device_choices_of(const struct world *world);
struct device_place device_choices_place(const struct device_choices *choices, const struct env_view *view,
                                         uint32_t device, uint32_t choice);
/* ret_allowed[count]: 1 or 0. False: the device has nothing to choose. */
bool device_choices_allow(const struct device_choices *choices, const struct env_view *view, uint32_t device,
                          uint8_t *ret_allowed);

size_t device_model_inputs(const struct world *world);
size_t device_model_outputs(const struct world *world, bool with_preference);

/* ret_x[inputs]: of a device that has a task; `load` counts the device itself, and does not matter for a local place. */
void device_model_describe(const struct env_view *view, uint32_t device, struct device_place place,
                           uint32_t load, float *ret_x);

/* ret_y[outputs] from a report. False: it teaches nothing, since the task did not go as decided, or its quality is not
 * known and counts. */
bool device_model_outcome(const struct world *world, const struct policy_outcome *outcome,
                          struct device_place place, bool with_preference, float *ret_y);

/* T_full and E_full of a device's task, from the outcome that is foreseen for its local place. */
struct device_full {
    double s, j;
};
struct device_full device_model_full(const float *y);

/* The objective's cost of a foreseen outcome: A13 with the penalty for lateness, and quality where it counts. */
double device_model_cost(const struct world *world, struct device_full full, const float *y);
/* That which is foreseen itself, with a learned preference. */
double device_model_learned_cost(const struct world *world, const float *y);

#endif
