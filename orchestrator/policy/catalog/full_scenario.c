#include "orchestrator/policy/catalog/full_scenario.h"

static const struct scenario_member members[] = {
    {&scenario_world_part, offsetof(struct full_scenario, scenario)},
#define SETTINGS(name) {&name##_settings_part, offsetof(struct full_scenario, settings.name)},
#include "orchestrator/policy/catalog/settings.def"
#undef SETTINGS
};

/* As recorded runs have their sections since before policies had rooms. New ones need no row here. */
static const char *const order[] = {
    "run",      "evaluation", "area",      "devices", "mobility", "servers", "radio",    "link",
    "model",    "task",       "objective", "fixed",   "genetic",  "swarm",   "handover", "priced",
    "external", "faults",     "chaos",     "action",  "ddpg",     "plus",    "ppo",      "a2c",
    "dqn",      "td3",        "sac",       "maddpg",  NULL,
};

const struct scenario_table full_scenario_table = {
    .member = members,
    .members = sizeof members / sizeof *members,
    .size = sizeof(struct full_scenario),
    .order = order,
};

void full_scenario_defaults(struct full_scenario *full)
{
    scenario_table_defaults(&full_scenario_table, full);
}

int full_scenario_read(struct full_scenario *full, const struct scenario_text *text, struct diag *diag)
{
    return scenario_table_read(&full_scenario_table, full, text, diag);
}

int full_scenario_set(struct full_scenario *full, const char *assignment, struct diag *diag)
{
    return scenario_table_set(&full_scenario_table, full, assignment, diag);
}

int full_scenario_check(const struct full_scenario *full, struct diag *diag)
{
    return scenario_table_check(&full_scenario_table, full, diag);
}

int full_scenario_print(const struct full_scenario *full, struct buf *text)
{
    return scenario_table_print(&full_scenario_table, full, text);
}
