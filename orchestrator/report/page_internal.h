/* The parts of the page. */
#ifndef HANDOFF_ORCHESTRATOR_REPORT_PAGE_INTERNAL_H
#define HANDOFF_ORCHESTRATOR_REPORT_PAGE_INTERNAL_H

#include "core/model/coding.h"
#include "orchestrator/report/html.h"
#include "orchestrator/report/report.h"
#include "orchestrator/report/secrecy.h"

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

/* What an observer who knows the model's weights reads of the prompts of a value's tasks. */
struct page_secrecy {
    bool is_known; /* the model, and recorded tasks: there is a column */
    struct scenario scenario;
    struct codings codings;
    char format[CODINGS_MAX][ACTIVATION_NAME_MAX]; /* [codings.count] */
    char law[DAMAGE_LAW_MAX];
    struct secrecy secrecy; /* of this model */
    struct secrecy_gap gap; /* of all tests */
};
/* Finished by page_secrecy_finish, also when it failed. */
int page_secrecy_survey(struct report *report, const struct evidence_value *value,
                        struct page_secrecy *ret_secrecy, struct diag *diag);
void page_secrecy_finish(struct page_secrecy *secrecy);
void page_secrecy_head(struct html *html, const struct page_secrecy *secrecy);
void page_secrecy_cell(struct html *html, struct report *report, struct page_secrecy *secrecy,
                       const struct evidence_policy *policy, struct diag *diag);
void page_secrecy_note(struct html *html, const struct page_secrecy *secrecy);

/* The results at every value of an experiment, split by what policies see, and the verdicts. */
void page_results(struct html *html, struct report *report, const struct evidence_experiment *experiment,
                  struct diag *diag);

/* Sweeps, scenarios, seeds, programs and machines. */
void page_origin(struct html *html, struct report *report, struct diag *diag);

#endif
