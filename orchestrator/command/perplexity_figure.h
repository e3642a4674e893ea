/* Perplexity by split, drawn: one panel, a curve with its band for each setting, a logarithmic axis. */
#ifndef HANDOFF_ORCHESTRATOR_COMMAND_PERPLEXITY_FIGURE_H
#define HANDOFF_ORCHESTRATOR_COMMAND_PERPLEXITY_FIGURE_H

#include "core/base/diag.h"
#include "orchestrator/channel/channel_study.h"

/* ERR_SYNTAX: the path does not end in .svg, or its name is no stem of files. */
int perplexity_figure_check(const char *path, struct diag *diag);

/* Beside FILE.svg: FILE.csv, FILE.gp and FILE.pdf. ERR_NOT_FOUND: there is no gnuplot; then the data and the script are
 * there. */
int perplexity_figure_draw(const struct channel_study *study, const char *path, struct diag *diag);

#endif
