/* The scenario table as data, shared by the files that read, write and check scenarios. Not for other rooms.
 */
#ifndef HANDOFF_CORE_MODEL_SCENARIO_INTERNAL_H
#define HANDOFF_CORE_MODEL_SCENARIO_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/model/scenario.h"

struct scenario_row {
    const char *section;
    const char *key;
    enum scenario_kind kind;
    const char *unit;
    size_t offset; /* of the field in struct scenario */
    double real_min, real_max;
    uint64_t int_min, int_max;
    size_t text_max;          /* bytes without the terminating zero */
    const char *const *words; /* in the order of their enumerators; NULL ends the list */
    const char *meaning;
    const char *source;
};

extern const struct scenario_row scenario_rows[];
extern const size_t scenario_row_count;

/* Sets one field from its text. `where` begins the message ("dapo.yaml:12: radio.bandwidth_mhz"). */
int scenario_set_field(struct scenario *scenario, const struct scenario_row *row, const char *value,
                       const char *where, struct diag *diag);

/* Whether links that reach a rate can be kept by the scenario's clock. */
int scenario_check_peak(const struct scenario *scenario, double peak_bps, struct diag *diag);

/* NULL when there is none. */
const struct scenario_row *scenario_find_row(const char *section, const char *key);
bool scenario_has_section(const char *section);

/* The section, or the section's key, whose spelling is nearest. Never NULL. */
const char *scenario_nearest_section(const char *section);
const char *scenario_nearest_key(const char *section, const char *key);

#endif
