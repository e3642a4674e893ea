/* What the model's tests share: comparisons of reals that print both sides, and worlds to try things in. */
#ifndef HANDOFF_TESTS_UNIT_MODEL_CHECK_H
#define HANDOFF_TESTS_UNIT_MODEL_CHECK_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/model/env.h"
#include "core/model/scenario.h"
#include "core/model/world.h"

#define assert_near(value, expected, tolerance)                                                              \
    check_near(value, expected, tolerance, #value, __FILE__, __LINE__)
#define assert_same(value, expected) check_near(value, expected, 0.0, #value, __FILE__, __LINE__)

static inline void check_near(double value, double expected, double tolerance, const char *what,
                              const char *file, int line)
{
    if (fabs(value - expected) <= tolerance)
        return;
    print_error("# %s: %.17g, expected %.17g within %g\n", what, value, expected, tolerance);
    _fail(file, line);
}

/* The default scenario with assignments on top ("section.key=value"; NULL ends), checked. */
static inline struct scenario check_scenario(const char *const *assignments)
{
    struct scenario scenario;
    struct diag diag = {{0}};
    scenario_defaults(&scenario);
    for (; assignments != NULL && *assignments != NULL; assignments++)
        if (scenario_set(&scenario, *assignments, &diag) != 0)
            fail_msg("%s", diag.text);
    if (scenario_check(&scenario, &diag) != 0)
        fail_msg("%s", diag.text);
    return scenario;
}

/* A world of check_scenario; finish it with world_finish. */
static inline struct world check_world(const char *const *assignments)
{
    struct scenario scenario = check_scenario(assignments);
    struct world world;
    struct diag diag = {{0}};
    if (world_init(&world, &scenario, NULL, &diag) != 0)
        fail_msg("%s", diag.text);
    return world;
}

/* Observes every device in the first slot of an episode. */
static inline void check_observe_all(struct env_view *view, uint32_t episode)
{
    const struct world *world = view->world;
    struct slot_id id = {RNG_TEST, episode, 0};
    env_view_begin(view, id);
    for (uint32_t n = 0; n < world->devices; n++) {
        struct mobility mobility;
        struct device_slot slot;
        mobility_start(world, n, id.phase, id.episode, &mobility);
        device_slot_meet(world, n, id, &mobility, &slot);
        env_view_observe(view, n, slot.position, slot.speed_mps, slot.tokens, slot.gain);
    }
}

#endif
