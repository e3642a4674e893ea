/* Measured seconds of one layer, by the rows that go through it at once: in place of a count of FLOP. A processor needs
 * more time for a row when rows are few, and attention's part grows with their square. A count of FLOP knows neither,
 * or the second alone.
 *
 * Text (key model.times): ROWS:SECONDS, blanks between, rows rising: "1:0.004 16:0.005 128:0.02". CSV: columns `rows`,
 * `seconds_per_layer` and `tflops`, the declared speed of the node that was measured, the same in all lines. */
#ifndef HANDOFF_CORE_MODEL_LAYER_TIMES_H
#define HANDOFF_CORE_MODEL_LAYER_TIMES_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"

#define LAYER_TIMES_MAX 64u          /* rows of a table */
#define LAYER_TIMES_ROWS_MAX 131072u /* task.tokens' own limit (scenario.def) */
#define LAYER_TIMES_SECONDS_MAX 3600.0
#define LAYER_TIMES_TEXT_MAX 2560u /* the longest table, printed: 64 x (6 + 1 + 24 + 1) bytes, with room */

struct layer_times {
    uint32_t count; /* at least 1 when read */
    uint32_t rows[LAYER_TIMES_MAX];
    double seconds[LAYER_TIMES_MAX];
};

/* Appends one measurement; `where` begins the sentence that refuses it ("times.csv:3"). */
int layer_times_add(struct layer_times *times, uint64_t rows, double seconds, const char *where,
                    struct diag *diag);

/* From the key's text, and back; the text reads back to the same bits. */
int layer_times_read(struct layer_times *ret_times, const char *text, struct diag *diag);
void layer_times_print(const struct layer_times *times, char ret_text[static LAYER_TIMES_TEXT_MAX + 1]);

/* Seconds for `rows` >= 1. Linear between two measurements. Below the first as long as the first, since a layer's
 * weights are read for one row as for few. Above the last on the line of the last two, but not less than the last; or
 * in proportion to the one there is. */
double layer_times_at(const struct layer_times *times, uint32_t rows);

#endif
