/* Policies over many draws of node parameters: is an order of policies a property of the scenario or of one
 * draw? */
#ifndef HANDOFF_ORCHESTRATOR_SURVEY_H
#define HANDOFF_ORCHESTRATOR_SURVEY_H

#include "core/base/diag.h"
#include "orchestrator/cli.h"

/* cli->draws worlds (seeds seed, seed + 1, ...), each policy over evaluation.test_episodes x test_slots of
 * each; a policy that takes weights has those of the run that `cli` names. Prints mean cost, its standard
 * error over draws, latency, energy, deadline misses, and how the tasks' splits fall. Returns the process's
 * exit status. */
int survey(const struct cli *cli, struct diag *diag);

#endif
