/* Worlds of the house model, whose geometry stands in their keys as the orchestrator writes it. The test is compiled with
 * HOUSE_MODEL, its folder. */
#ifndef HANDOFF_TESTS_LIB_HOUSE_WORLD_H
#define HANDOFF_TESTS_LIB_HOUSE_WORLD_H

#include "core/compute/compute_keys.h"
#include "core/model/llm_keys.h"
#include "tests/unit/model/check.h"

/* The default scenario with the house model and assignments on top ("section.key=value"; NULL ends). Finish it with
 * world_finish. */
static inline struct world house_world(const char *const *assignments)
{
    struct scenario scenario = check_scenario(NULL);
    struct weights *weights = NULL;
    struct world world;
    struct diag diag = {{0}};
    assert_int_equal(scenario_set(&scenario, "model.file=" HOUSE_MODEL, NULL), 0);
    for (; assignments != NULL && *assignments != NULL; assignments++)
        if (scenario_set(&scenario, *assignments, &diag) != 0)
            fail_msg("%s", diag.text);
    assert_int_equal(weights_open(HOUSE_MODEL, &weights, NULL), 0);
    struct llm llm = compute_keys_llm(weights_geometry(weights));
    weights_close(weights);
    assert_int_equal(llm_keys_write(&scenario, &llm, NULL), 0);
    if (scenario_check(&scenario, &diag) != 0 || world_init(&world, &scenario, NULL, &diag) != 0)
        fail_msg("%s", diag.text);
    return world;
}

#endif
