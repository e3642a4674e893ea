/* How a policy is drawn, the same in every figure: colours of Okabe and Ito, which colour-blind people tell
 * apart
 * ("Color universal design", 2008); learners in full lines, rules that do not learn in dashed ones, what sees
 * the world in black. */
#ifndef HANDOFF_ORCHESTRATOR_REPORT_PALETTE_H
#define HANDOFF_ORCHESTRATOR_REPORT_PALETTE_H

#include "orchestrator/compare/evidence.h"

struct palette_style {
    const char *colour; /* "#0072B2" */
    int dash; /* gnuplot's dash type: 1 full, 2 dashed, 3 dotted, 4 and 5 dashed and dotted, 6 long dashes (style.gp) */
    int point; /* gnuplot's point type */
};

/* The n-th learner has the n-th colour, and so has the n-th rule: a policy that is appended to the program's
 * table leaves the others as they were. Unknown policies are grey. */
struct palette_style palette_style(const struct policy_kind *kind /* NULL: unknown */);

#endif
