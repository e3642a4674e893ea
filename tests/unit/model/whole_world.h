/* A world of whole tasks for the tests of classes, arrivals and servers that drift. */
#ifndef HANDOFF_TESTS_UNIT_MODEL_WHOLE_WORLD_H
#define HANDOFF_TESTS_UNIT_MODEL_WHOLE_WORLD_H

#include <stdio.h>

#include "check.h"

/* What every whole world has, and what `more` says beside it or in its place. */
static inline int whole_scenario(struct scenario *ret, const char *more, struct diag *diag)
{
    static const char *const all[] = {"run.slots=1000",           "devices.count=1",
                                      "servers.count=3",          "servers.discipline=reserved",
                                      "servers.coverage_m=10000", "faults.recovery=none"};
    scenario_defaults(ret);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        assert_int_equal(scenario_set(ret, all[i], diag), 0);
    int rc = *more != '\0' ? scenario_read(ret, more, strlen(more), "x", diag) : 0;
    return rc != 0 ? rc : scenario_check(ret, diag);
}

static inline struct world whole_world(const char *more)
{
    struct scenario scenario;
    struct world world;
    struct diag diag = {{0}};
    if (whole_scenario(&scenario, more, &diag) != 0 || world_init(&world, &scenario, NULL, &diag) != 0)
        fail_msg("%s", diag.text);
    return world;
}

/* Each text is refused, and the reason says `why`. */
struct whole_refusal {
    const char *more, *why;
};
static inline void whole_refused(const struct whole_refusal *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct scenario scenario;
        struct diag diag = {{0}};
        if (whole_scenario(&scenario, list[i].more, &diag) == 0)
            fail_msg("taken: %s", list[i].more);
        if (strstr(diag.text, list[i].why) == NULL)
            fail_msg("'%s', expected '... %s ...'", diag.text, list[i].why);
    }
}

#endif
