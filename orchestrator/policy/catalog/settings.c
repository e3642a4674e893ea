#include "orchestrator/policy/catalog/settings.h"

static const struct scenario_member members[] = {
#define SETTINGS(name) {&name##_settings_part, offsetof(struct settings, name)},
#include "orchestrator/policy/catalog/settings.def"
#undef SETTINGS
};

static const struct scenario_table table = {
    .member = members,
    .members = sizeof members / sizeof *members,
    .size = sizeof(struct settings),
};

void settings_defaults(struct settings *settings)
{
    scenario_table_defaults(&table, settings);
}

struct scenario_values settings_values(const struct settings *settings)
{
    return (struct scenario_values){&table, settings};
}

const struct settings *settings_of(const struct policy *policy)
{
    assert(policy->all_settings.table == &table);
    return policy->all_settings.values;
}
