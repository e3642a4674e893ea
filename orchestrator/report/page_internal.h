/* The parts of the page. */
#ifndef HANDOFF_ORCHESTRATOR_REPORT_PAGE_INTERNAL_H
#define HANDOFF_ORCHESTRATOR_REPORT_PAGE_INTERNAL_H

#include "orchestrator/report/html.h"
#include "orchestrator/report/report.h"

/* "users" and its like as a heading's text. */
void page_name(struct html *html, const struct evidence_experiment *experiment,
               const struct evidence_value *value);

/* By how much latency and energy of ours are lower, over each experiment and against each baseline. */
void page_headline(struct html *html, struct report *report);

/* At each value of each experiment who is best, and whether learning is what makes it so. */
void page_map(struct html *html, struct report *report);

/* What damaged activations cost at a value: the columns for which anything was recorded there. */
#define PAGE_QUALITY_COLUMNS 3u
struct page_quality {
    bool has[PAGE_QUALITY_COLUMNS];
    size_t columns;
};
int page_quality_survey(struct report *report, const struct evidence_value *value,
                        struct page_quality *ret_quality, struct diag *diag);
void page_quality_head(struct html *html, const struct page_quality *quality);
void page_quality_cells(struct html *html, struct report *report, const struct page_quality *quality,
                        const struct evidence_policy *policy, struct diag *diag);
void page_quality_note(struct html *html, const struct page_quality *quality);

/* The results at every value of an experiment, split by what policies see, and the verdicts. */
void page_results(struct html *html, struct report *report, const struct evidence_experiment *experiment,
                  struct diag *diag);

/* Sweeps, scenarios, seeds, programs and machines. */
void page_origin(struct html *html, struct report *report, struct diag *diag);

#endif
