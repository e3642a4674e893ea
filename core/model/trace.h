/* Traces of links: how fast one was, and where its phone was, over time. Read from
 *
 *   mahimahi   one whole number a line: the millisecond at which 1500 bytes may pass, never decreasing; the
 *              trace lasts until the last of them (mahimahi's mm-link)
 *   columns    two numbers a line, by blanks or a comma: seconds, growing, and Mbit/s from then on
 *   csv        the Irish 5G production data set's logs (Raca et al., MMSys 2020): a header; Timestamp like
 *              2019.12.14_10.16.30, DL_bitrate and UL_bitrate in kbit/s; optional: Longitude, Latitude, Speed
 *              in km/h, CellID and NODEHEX
 *
 * Everything is bounded and checked; a refusal names file and line. Blank lines are passed over, and so are
 * lines that begin with '#' in the first two formats. */
#ifndef HANDOFF_CORE_MODEL_TRACE_H
#define HANDOFF_CORE_MODEL_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/model/scenario.h"

#define TRACE_DELIVERY_BITS 12000.0 /* 1500 bytes: one of Mahimahi's delivery opportunities */
#define TRACE_NO_CELL UINT32_MAX
#define TRACE_CELL_MAX 31u /* bytes of a cell's name */

/* From start_s until the next step, or the trace's end. */
struct trace_step {
    double start_s;
    double rate_bps[2]; /* [enum scenario_direction]; both the same where a file has one */
};

/* Where the phone was at a step's start. A value that a row leaves out stays as it was. */
struct trace_place {
    double latitude_deg, longitude_deg;
    double speed_mps;
    uint32_t cell; /* index of cell_name; TRACE_NO_CELL */
};

struct trace_cell {
    char name[TRACE_CELL_MAX + 1]; /* CellID, behind NODEHEX and a slash where there is one */
};

struct trace {
    enum scenario_trace_format format; /* as read; never TRACE_AUTO */
    double duration_s;
    size_t steps;
    struct trace_step *step;   /* [steps] the first at 0, each later than the one before; owned */
    struct trace_place *place; /* [steps], owned; NULL: the file has no positions */
    size_t cells;
    struct trace_cell *cell; /* [cells] in order of appearance; owned */
    bool two_directions;     /* the file tells up from down */
};

/* Reads a file's text. `name` is for messages. */
int trace_read(struct trace *ret_trace, const char *text, size_t size, const char *name,
               enum scenario_trace_format format, struct diag *diag);

/* trace_read of a file. */
int trace_load(struct trace *ret_trace, const char *path, enum scenario_trace_format format,
               struct diag *diag);

void trace_finish(struct trace *trace);

/* "mahimahi", "columns", "csv". */
const char *trace_format_name(enum scenario_trace_format format);

/* Bits that pass in [from_s, to_s), the exact integral; 0 <= from_s <= to_s <= duration_s. */
double trace_bits(const struct trace *trace, enum scenario_direction direction, double from_s, double to_s);

#endif
