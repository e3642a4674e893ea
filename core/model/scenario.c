#include "core/model/scenario.h"

#include "core/model/scenario_internal.h"

#define CHOICES(type) const char *const scenario_##type##_words[] = {
#define CHOICE(type, name, word) word,
#define END_CHOICES(type)                                                                                    \
    NULL                                                                                                     \
    }                                                                                                        \
    ;
#include "core/model/choices.def"
#undef CHOICES
#undef CHOICE
#undef END_CHOICES

#define SCENARIO_KEYS "core/model/scenario.def"
#define SCENARIO_STRUCT scenario
#include "core/model/scenario_part.def"
#undef SCENARIO_STRUCT
#undef SCENARIO_KEYS

const struct scenario_part scenario_world_part = {
    .section = sections,
    .sections = sizeof sections / sizeof *sections,
    .check = scenario_check_world,
};

static const struct scenario_member world_alone[] = {{&scenario_world_part, 0}};

const struct scenario_table scenario_world_table = {
    .member = world_alone,
    .members = 1,
    .size = sizeof(struct scenario),
};

void scenario_defaults(struct scenario *scenario)
{
    scenario_table_defaults(&scenario_world_table, scenario);
}

int scenario_read(struct scenario *scenario, const char *text, size_t size, const char *name,
                  struct diag *diag)
{
    return scenario_table_read(&scenario_world_table, scenario, &(struct scenario_text){text, size, name},
                               diag);
}

int scenario_set(struct scenario *scenario, const char *assignment, struct diag *diag)
{
    return scenario_table_set(&scenario_world_table, scenario, assignment, diag);
}

int scenario_check(const struct scenario *scenario, struct diag *diag)
{
    return scenario_table_check(&scenario_world_table, scenario, diag);
}

int scenario_print(const struct scenario *scenario, struct buf *text)
{
    return scenario_table_print(&scenario_world_table, scenario, text);
}
