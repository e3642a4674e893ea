/* A figure: data as CSV, and a gnuplot script that draws it as SVG and PDF. The script is what is known of
 * this figure (its head: assignments) before a template that knows how such a figure is drawn (a file beside
 * this one), so that an author can change either. */
#ifndef HANDOFF_ORCHESTRATOR_REPORT_FIGURE_H
#define HANDOFF_ORCHESTRATOR_REPORT_FIGURE_H

#include <stdbool.h>

#include "core/base/buf.h"
#include "core/base/diag.h"
#include "orchestrator/compare/evidence.h"

#define FIGURE_STEM_MAX 96

/* A template the program carries (orchestrator/report, embedded at build). */
struct figure_template {
    const char *name; /* "axis.gp" */
    const char *text;
};
extern const struct figure_template report_templates[];
extern const size_t report_template_count;

/* The text of one that is known to be there. */
const char *figure_template_text(const char *name);

/* Building one, the first failure sticks in `code` and the rest is skipped. Finish it with figure_finish. */
struct figure {
    char stem[FIGURE_STEM_MAX];                   /* its files' names without their endings */
    const struct evidence_experiment *experiment; /* that it is about */
    const char *template;                         /* "axis.gp" */
    struct buf title, caption;                    /* plain text */
    struct buf head, csv;
    struct buf svg; /* empty: not drawn */
    int code;
};

void figure_finish(struct figure *figure);

__attribute__((format(printf, 2, 3))) void figure_title(struct figure *figure, const char *format, ...);
__attribute__((format(printf, 2, 3))) void figure_caption(struct figure *figure, const char *format, ...);

/* Assignments of the head. */
void figure_set_text(struct figure *figure, const char *name, const char *text);
void figure_set_number(struct figure *figure, const char *name, double value);
void figure_set_texts(struct figure *figure, const char *name, const char *const *text, size_t count);
/* policy, colour, dash, point and learns (0 or 1), one each for every policy. */
void figure_set_policies(struct figure *figure, const struct evidence_policy *const *policy, size_t count);

/* A row of the CSV, field by field; NAN is an empty field. */
void figure_text(struct figure *figure, const char *text);
void figure_number(struct figure *figure, double value);
void figure_end_row(struct figure *figure);

/* Writes STEM.csv and STEM.gp into a folder. */
int figure_write(struct figure *figure, const char *folder, struct diag *diag);

/* Runs gnuplot on the script and takes STEM.svg up. ERR_NOT_FOUND: there is no gnuplot. */
int figure_draw(struct figure *figure, const char *folder, struct diag *diag);

/* Appends the drawn figure for a page that holds others: its ids begin with the stem, and it has a title. */
int figure_print_svg(const struct figure *figure, struct buf *text);

#endif
