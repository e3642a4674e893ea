/* How a task's activations are coded for its channel: their format, and the margin of their rate (channel.mode bounded).
 * Coding 0 is the scenario's own: compute.format and channel.margin_db. The others are decisions: each format of
 * action.formats with each margin of action.margins_db, formats outermost, in the order of the lists; a list that is empty
 * stands for the scenario's own value. Policies that choose no coding decide 0. */
#ifndef HANDOFF_CORE_MODEL_CODING_H
#define HANDOFF_CORE_MODEL_CODING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/model/scenario.h"

#define CODINGS_MAX 33u /* with the scenario's own */

struct coding {
    enum scenario_compute_format format;
    double bits_per_element; /* of an activation */
    double margin_db;
};

struct codings {
    uint32_t count;                    /* at least 1 */
    struct coding coding[CODINGS_MAX]; /* from 1 on; coding 0 is made of the scenario */
};

/* `hidden`: elements of a row, which say what the scale of a row costs; 0: not known. ERR_UNKNOWN, ERR_SYNTAX, ERR_RANGE,
 * ERR_TOO_BIG. */
int coding_read_all(struct codings *ret_codings, const struct scenario *scenario, uint32_t hidden,
                    struct diag *diag);

/* Is there one to choose beside the scenario's own? */
static inline bool coding_is_open(const struct codings *codings)
{
    return codings->count > 1;
}

/* Do the margins of those differ? */
static inline bool coding_has_margins(const struct scenario *scenario)
{
    return scenario->action.margins_db[0] != '\0';
}

/* coding < codings->count, or 0. */
struct coding coding_at(const struct codings *codings, const struct scenario *scenario, uint32_t coding);

#endif
