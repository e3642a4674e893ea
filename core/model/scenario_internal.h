/* What the files share that check the world's scenario. Not for other rooms. */
#ifndef HANDOFF_CORE_MODEL_SCENARIO_INTERNAL_H
#define HANDOFF_CORE_MODEL_SCENARIO_INTERNAL_H

#include "core/model/scenario.h"

/* The check of scenario_world_part. */
int scenario_check_world(const void *settings, struct scenario_values whole, struct diag *diag);

/* The rules of section `channel`. */
int scenario_check_channel(const struct scenario *scenario, struct diag *diag);

/* Whether links that reach a rate can be kept by the scenario's clock. */
int scenario_check_peak(const struct scenario *scenario, double peak_bps, struct diag *diag);

#endif
