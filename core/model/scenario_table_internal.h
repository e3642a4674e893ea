/* What the files share that read, set and write tables of keys. Not for other rooms. */
#ifndef HANDOFF_CORE_MODEL_SCENARIO_TABLE_INTERNAL_H
#define HANDOFF_CORE_MODEL_SCENARIO_TABLE_INTERNAL_H

#include "core/model/scenario_table.h"

/* A section, and where the struct of its part lies in the table's. */
struct scenario_place {
    const struct scenario_section *section;
    size_t offset;
    size_t first_key; /* keys of the sections before it */
};

/* The sections of a table in their order. */
struct scenario_places {
    struct scenario_place place[SCENARIO_SECTIONS_MAX];
    size_t count;
    size_t keys;
};

void scenario_places_of(const struct scenario_table *table, struct scenario_places *ret_places);

/* Rows at their defaults; `settings` is the part's struct or, of a list, that moved on by an entry's offset. */
void scenario_default_rows(char *settings, const struct scenario_section *section);

/* How many entries a list has; `settings` is the part's struct. */
uint64_t *scenario_list_count(const struct scenario_section *section, char *settings);

/* NULL when there is none. */
const struct scenario_place *scenario_find_section(const struct scenario_places *places, const char *name);
const struct scenario_row *scenario_find_row(const struct scenario_section *section, const char *key);

/* The section, or the section's key, whose spelling is nearest. Never NULL. */
const char *scenario_nearest_section(const struct scenario_places *places, const char *name);
const char *scenario_nearest_key(const struct scenario_section *section, const char *key);

/* Sets one field of a table's struct from its text. `where` begins the message ("dapo.yaml:12: radio.bandwidth_mhz").
 */
int scenario_set_field(void *field, const struct scenario_row *row, const char *value, const char *where,
                       struct diag *diag);

#endif
