/* A page while it is written: the first failure sticks in `code`, and the rest is skipped. */
#ifndef HANDOFF_ORCHESTRATOR_REPORT_HTML_H
#define HANDOFF_ORCHESTRATOR_REPORT_HTML_H

#include "core/base/buf.h"
#include "core/stats/bootstrap.h"

struct html {
    struct buf *text; /* borrowed */
    int code;
};

/* Our own markup; what is formatted into it must be harmless: numbers, and names of this program's own. */
__attribute__((format(printf, 2, 3))) void html_raw(struct html *html, const char *format, ...);

/* Any text, escaped. */
void html_text(struct html *html, const char *text);

/* "<td>1.234</td>", or with its interval below; NAN: a dash. */
void html_number_cell(struct html *html, double value);
void html_interval_cell(struct html *html, double value, const struct interval *interval);

#endif
