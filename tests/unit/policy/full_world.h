/* A world and how its policies are set, from one list of assignments. */
#ifndef HANDOFF_TESTS_UNIT_POLICY_FULL_WORLD_H
#define HANDOFF_TESTS_UNIT_POLICY_FULL_WORLD_H

#include "orchestrator/policy/catalog/full_scenario.h"
#include "tests/unit/model/check.h"

/* As check_world, but the assignments may also be of policies' keys. They stand over a scenario's text; NULL: none. */
static inline struct world full_world_of(const char *text, const char *const *assignments,
                                         struct settings *ret_settings)
{
    struct full_scenario full;
    struct world world;
    struct diag diag = {{0}};
    full_scenario_defaults(&full);
    const struct scenario_text whole = {text, text != NULL ? strlen(text) : 0, "text"};
    if (text != NULL && full_scenario_read(&full, &whole, &diag) != 0)
        fail_msg("%s", diag.text);
    for (; assignments != NULL && *assignments != NULL; assignments++)
        if (full_scenario_set(&full, *assignments, &diag) != 0)
            fail_msg("%s", diag.text);
    if (full_scenario_check(&full, &diag) != 0 || world_init(&world, &full.scenario, NULL, &diag) != 0)
        fail_msg("%s", diag.text);
    *ret_settings = full.settings;
    return world;
}

static inline struct world full_world(const char *const *assignments, struct settings *ret_settings)
{
    return full_world_of(NULL, assignments, ret_settings);
}

/* What policies are made for, there; borrowed. */
static inline struct policy_options full_options(const struct world *world, const struct settings *settings,
                                                 bool training)
{
    return (struct policy_options){
        .world = world, .settings = settings_values(settings), .training = training};
}

#endif
