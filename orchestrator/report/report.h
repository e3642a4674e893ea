/* A report in the making: the evidence, the figures drawn from it, and what there is no figure of, and why. */
#ifndef HANDOFF_ORCHESTRATOR_REPORT_REPORT_H
#define HANDOFF_ORCHESTRATOR_REPORT_REPORT_H

#include "core/stats/bootstrap.h"
#include "db/store.h"
#include "orchestrator/compare/evidence.h"
#include "orchestrator/report/figure.h"

#define REPORT_PANELS_MAX 9u

/* A checkpoint's validation, or (slots NAN) that of a policy that does not learn. */
struct report_curve_point {
    const struct evidence_experiment *experiment;
    const struct evidence_value *value;
    const struct evidence_policy *policy;
    uint64_t seed;
    double slots, cost, regret_pct, episode_return;
};

struct report {
    struct evidence evidence;
    struct bootstrap bootstrap; /* over seeds */
    struct bootstrap wide;      /* report_wide_bootstrap: empty until then */
    struct store *store;        /* borrowed */
    /* [curve_points] owned, by policy's place, seed and slots where equal */
    struct report_curve_point *curve;
    size_t curve_points;
    struct figure **figure; /* [figures] owned */
    size_t figures;
    char **gap; /* [gaps] owned: sentences about what is left out */
    size_t gaps;
};

/* Reads everything but tasks. `report` is zeroed before, and is finished also when this failed. */
int report_read(struct report *report, struct store *store, const char *sweep, const char *experiment,
                struct diag *diag);
void report_finish(struct report *report);

/* A bootstrap over up to n things; made once. n is the same at every call. */
int report_wide_bootstrap(struct report *report, size_t n, struct bootstrap **ret_bootstrap);

/* A new figure with a stem of its own: KIND-SWEEP-EXPERIMENT. NULL: out of memory. */
struct figure *report_add_figure(struct report *report, const char *kind, const char *template,
                                 const struct evidence_experiment *experiment);

/* Ends the last figure. One with nothing below its CSV's head is taken back, and noted as left out: no WHAT. REMEDY (NULL:
 * it is not noted). `code` is that of making it. */
int report_end_figure(struct report *report, const char *what, const char *remedy, int code,
                      struct diag *diag);

/* Notes what is left out, why, and what would give it. */
__attribute__((format(printf, 2, 3))) int report_leave_out(struct report *report, const char *format, ...);

/* The values that get a panel each: all, or evenly spaced ones from the first to the last. */
struct report_panels {
    size_t index[REPORT_PANELS_MAX];
    size_t count;
};
struct report_panels report_panels(const struct evidence_experiment *experiment);

/* The head's axis and value[], a panel each. */
void report_set_panels(struct figure *figure, const struct report_panels *panels);

/* Does the experiment vary one key that sets policies, and leaves the world as it is? */
bool report_varies_policies(const struct evidence_experiment *experiment);

/* The name of a value in a figure: its text, "-" where nothing is varied. */
const char *report_value_label(const struct evidence_value *value);

/* "mobile devices N" or "mean speed (m/s)": what a scenario key means. Appended. */
int report_axis_label(const char *axis, struct buf *text);

#endif
