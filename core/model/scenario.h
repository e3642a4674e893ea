/* The scenario of a world: everything that nodes and the environment need to know, but its data files' rows. One
 * table (scenario.def) makes the struct, its reader, its writer and its pages of the manual; scenario_table.h says
 * what is done with any such table. How policies are set is not in it (orchestrator/policy/catalog/full_scenario.h).
 *
 * The canonical text (scenario_print) reads back to the same struct, bit for bit; it is what WELCOME carries. */
#ifndef HANDOFF_CORE_MODEL_SCENARIO_H
#define HANDOFF_CORE_MODEL_SCENARIO_H

#include "core/model/scenario_table.h"

/* Enumerators, and their words in the same order: NULL ends the list. */
#define CHOICES(type)                                                                                        \
    extern const char *const scenario_##type##_words[];                                                      \
    enum scenario_##type                                                                                     \
    {
#define CHOICE(type, name, word) name,
#define END_CHOICES(type)                                                                                    \
    }                                                                                                        \
    ;
#include "core/model/choices.def"
#undef CHOICES
#undef CHOICE
#undef END_CHOICES

#define SCENARIO_KEYS "core/model/scenario.def"
struct scenario {
#include "core/model/scenario_fields.def"
};
#undef SCENARIO_KEYS

extern const struct scenario_part scenario_world_part;
/* Of a struct scenario: that part alone. */
extern const struct scenario_table scenario_world_table;

/* What scenario_table.h does, for that table. */
void scenario_defaults(struct scenario *scenario);
int scenario_read(struct scenario *scenario, const char *text, size_t size, const char *name,
                  struct diag *diag);
int scenario_set(struct scenario *scenario, const char *assignment, struct diag *diag);
int scenario_check(const struct scenario *scenario, struct diag *diag);
int scenario_print(const struct scenario *scenario, struct buf *text);

#endif
