/* The world of a session: drawn from a scenario, or read back from a recorded run. */
#ifndef HANDOFF_ORCHESTRATOR_SETUP_WORLD_SETUP_H
#define HANDOFF_ORCHESTRATOR_SETUP_WORLD_SETUP_H

#include <stdint.h>

#include "core/base/diag.h"
#include "core/model/world.h"
#include "db/store.h"
#include "orchestrator/policy/catalog/settings.h"

/* The world of a scenario; reads the data files it names. The caller finishes it. */
int world_setup_draw(struct world *ret_world, const struct scenario *scenario, uint64_t seed,
                     struct diag *diag);

/* The world of a recorded run, and how its policies were set, from its rows alone: no data file is read again. */
int world_setup_read(struct world *ret_world, struct settings *ret_settings, struct store *store,
                     const struct db_run *run, struct diag *diag);

#endif
