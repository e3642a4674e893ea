/* The figures of a report, by what they are drawn from. Each function adds its figures to the report, or a
 * sentence about why there is none. */
#ifndef HANDOFF_ORCHESTRATOR_REPORT_PLOTS_H
#define HANDOFF_ORCHESTRATOR_REPORT_PLOTS_H

#include "orchestrator/report/report.h"

/* Training: mean return of each episode with its band, in a panel for each value of the axis, or for each learner where the
 * axis sets policies alone; what checkpoints come to on the validation streams. */
int plots_convergence(struct report *report, const struct evidence_experiment *experiment, struct diag *diag);
int plots_curve(struct report *report, const struct evidence_experiment *experiment, struct diag *diag);

/* A metric against the key that the experiment varies. */
int plots_axis(struct report *report, const struct evidence_experiment *experiment,
               enum evidence_metric metric, struct diag *diag);

/* Where the objective is a reward: how the returns of test episodes scatter. */
int plots_returns(struct report *report, const struct evidence_experiment *experiment, struct diag *diag);

/* Where the channel damages: after which layer tasks were split, against its condition; a figure for each value. */
int plots_channel(struct report *report, const struct evidence_experiment *experiment, struct diag *diag);

/* From task rows: latencies, splits, devices of each server, and where devices went. */
int plots_tasks(struct report *report, const struct evidence_experiment *experiment, struct diag *diag);

#endif
