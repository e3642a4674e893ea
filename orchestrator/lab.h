/* What every verb sets up first: the scenario in effect, the world drawn from it, and what is known of this
 * program and machine. */
#ifndef HANDOFF_ORCHESTRATOR_LAB_H
#define HANDOFF_ORCHESTRATOR_LAB_H

#include <signal.h>

#include "core/base/buf.h"
#include "core/base/diag.h"
#include "core/model/world.h"
#include "db/store.h"
#include "orchestrator/cli.h"

/* A scenario the program carries (deploy/scenarios, embedded at build). */
struct lab_scenario {
    const char *name;
    const char *text;
};
extern const struct lab_scenario lab_scenarios[];
extern const size_t lab_scenario_count;

/* Shipped name or file, then --set and its shorthands, then the checks between keys. */
int lab_scenario_load(const struct cli *cli, struct scenario *ret_scenario, struct diag *diag);

/* The world of a scenario; reads the data files it names. */
int lab_world(struct world *ret_world, const struct scenario *scenario, uint64_t seed, struct diag *diag);

/* The world of a recorded run, from its rows alone: no data file is read again. */
int lab_world_recorded(struct world *ret_world, struct store *store, const struct db_run *run,
                       struct diag *diag);

/* "0.2.0 (3f2a1bc)" */
const char *lab_version(void);
/* "AMD EPYC 7B13, OpenBLAS Haswell" */
int lab_cpu(struct buf *text);

/* Set by SIGINT or SIGTERM once lab_catch_signals was called; a second signal ends the process at once. */
extern volatile sig_atomic_t lab_stop;
void lab_catch_signals(void);

#endif
