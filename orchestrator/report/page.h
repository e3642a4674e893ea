/* The page: one HTML file without scripts that asks the network for nothing. Texts from the database are
 * escaped. */
#ifndef HANDOFF_ORCHESTRATOR_REPORT_PAGE_H
#define HANDOFF_ORCHESTRATOR_REPORT_PAGE_H

#include "core/base/buf.h"
#include "core/base/diag.h"
#include "orchestrator/report/report.h"

/* What the page says about itself. */
struct page_about {
    const char *database; /* its path, as given */
    const char *version;  /* of this program */
    const char *now_utc;
};

/* Appends the whole page. */
int page_print(struct report *report, const struct page_about *about, struct buf *text, struct diag *diag);

#endif
