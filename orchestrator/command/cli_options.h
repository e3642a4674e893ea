/* What the rooms below take, out of a command line. Texts are borrowed from `cli`, which must stay where it is. */
#ifndef HANDOFF_ORCHESTRATOR_COMMAND_CLI_OPTIONS_H
#define HANDOFF_ORCHESTRATOR_COMMAND_CLI_OPTIONS_H

#include "orchestrator/command/cli.h"
#include "orchestrator/host/host.h"
#include "orchestrator/run/resume.h"
#include "orchestrator/run/trained_run.h"
#include "orchestrator/setup/scenario_source.h"

struct scenario_source cli_scenario_source(const struct cli *cli);
struct host_options cli_host_options(const struct cli *cli);
struct trained_run_options cli_trained_run(const struct cli *cli);
struct resume_options cli_resume(const struct cli *cli);

#endif
