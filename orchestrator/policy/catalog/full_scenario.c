#include "orchestrator/policy/catalog/full_scenario.h"

#include <string.h>

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

static struct full_scenario streams_of(const struct full_scenario *full)
{
    struct full_scenario streams, defaults;
    full_scenario_defaults(&defaults);
    streams = (struct full_scenario){full->scenario, defaults.settings};
    memset(streams.scenario.run.policy, 0, sizeof streams.scenario.run.policy);
    streams.scenario.run.episodes = defaults.scenario.run.episodes;
    streams.scenario.run.slots = defaults.scenario.run.slots;
    streams.scenario.run.record = defaults.scenario.run.record;
    streams.scenario.run.checkpoint_every = defaults.scenario.run.checkpoint_every;
    streams.scenario.evaluation.validate_episodes = defaults.scenario.evaluation.validate_episodes;
    streams.scenario.evaluation.validate_slots = defaults.scenario.evaluation.validate_slots;
    return streams;
}

/* FNV-1a of 64 bits (Fowler, Noll and Vo; RFC 9923): no defence, and none is needed within one's own file. */
int full_scenario_streams_number(const struct full_scenario *full, uint64_t *ret_number)
{
    struct full_scenario streams = streams_of(full);
    struct buf text = {0};
    int rc = full_scenario_print(&streams, &text);
    uint64_t number = 0xcbf29ce484222325u;
    for (size_t i = 0; i < text.size; i++)
        number = (number ^ text.data[i]) * 0x100000001b3u;
    buf_finish(&text);
    if (rc == 0)
        *ret_number = number;
    return rc;
}

int full_scenario_print(const struct full_scenario *full, struct buf *text)
{
    return scenario_table_print(&full_scenario_table, full, text);
}
