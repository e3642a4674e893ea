/* The scenarios that the program carries: deploy/scenarios, embedded when it is built. */
#ifndef HANDOFF_ORCHESTRATOR_SETUP_SHIPPED_SCENARIOS_H
#define HANDOFF_ORCHESTRATOR_SETUP_SHIPPED_SCENARIOS_H

#include <stddef.h>

struct shipped_scenario {
    const char *name;
    const char *text;
};

extern const struct shipped_scenario shipped_scenarios[]; /* [shipped_scenarios_count] */
extern const size_t shipped_scenarios_count;

#endif
