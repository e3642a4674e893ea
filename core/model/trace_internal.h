/* How the readers of trace formats build a trace. Not for other rooms. */
#ifndef HANDOFF_CORE_MODEL_TRACE_INTERNAL_H
#define HANDOFF_CORE_MODEL_TRACE_INTERNAL_H

#include "core/model/trace.h"

#define TRACE_BYTES_MAX ((size_t) 64 * 1024 * 1024)
#define TRACE_STEPS_MAX 2000000u /* 48 MB */
#define TRACE_TIME_MAX_S 1e7     /* 115 days */
#define TRACE_RATE_MAX_BPS 1e11  /* no radio link is that fast: a unit was mistaken */
#define TRACE_DURATION_MIN_S 1e-3

/* A trace under construction. */
struct trace_build {
    struct trace trace;
    const char *name; /* the file, for messages */
    unsigned line;    /* being read, from 1 */
    size_t step_capacity, place_capacity, cell_capacity;
};

#define TRACE_LINE_MAX 255u /* bytes of a line of the first two formats */

/* The next line that is neither blank nor a comment, without blanks around it; counts build->line. 1: a line,
 * 0: the end, negative: too long, or not text. */
int trace_build_line(struct trace_build *build, const char *text, size_t size, size_t *at,
                     char ret_line[static TRACE_LINE_MAX + 1], struct diag *diag);

/* Appends a step; `place` NULL: none. */
int trace_build_step(struct trace_build *build, const struct trace_step *step,
                     const struct trace_place *place, struct diag *diag);

/* A number of a row, with what it is; 0 to max. */
int trace_build_real(const struct trace_build *build, const char *what, const char *text, double max,
                     double *ret_value, struct diag *diag);

/* The readers. */
int trace_read_mahimahi(struct trace_build *build, const char *text, size_t size, struct diag *diag);
int trace_read_columns(struct trace_build *build, const char *text, size_t size, struct diag *diag);
int trace_read_csv(struct trace_build *build, const char *text, size_t size, struct diag *diag);

#endif
