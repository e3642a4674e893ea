/* report: tables and figures of an experiment's file as a page, with each figure's data and script beside it. */
#include "orchestrator/command/commands.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/process.h"
#include "core/base/progress.h"
#include "db/experiment_file.h"
#include "orchestrator/report/output.h"
#include "orchestrator/report/page.h"
#include "orchestrator/report/plots.h"
#include "orchestrator/setup/provenance.h"
#include "orchestrator/setup/stop_signal.h"

#define PAGE "index.html"

static int plot_experiment(struct report *report, const struct evidence_experiment *experiment,
                           struct diag *diag)
{
    const enum evidence_metric against_axis[] = {evidence_is_rewarded(experiment) ? EVIDENCE_RETURN
                                                                                  : EVIDENCE_COST,
                                                 EVIDENCE_LATENCY, EVIDENCE_ENERGY, EVIDENCE_P95};
    int rc = 0;
    for (size_t i = 0; i < sizeof against_axis / sizeof *against_axis && rc == 0; i++)
        rc = plots_axis(report, experiment, against_axis[i], diag);
    static int (*const plots[])(struct report *, const struct evidence_experiment *, struct diag *) = {
        plots_convergence, plots_curve, plots_returns, plots_channel, plots_tasks,
    };
    for (size_t i = 0; i < sizeof plots / sizeof *plots && rc == 0; i++)
        rc = plots[i](report, experiment, diag);
    return rc;
}

/* Everything is written before anything is drawn: without gnuplot all but the drawings is there. What gnuplot
 * had to say about the first figure that it could not draw is in `undrawn`. */
static int write_figures(struct report *report, const struct cli *cli, const char *folder,
                         struct diag *undrawn, struct diag *diag)
{
    struct progress progress;
    int rc = 0, drawing = 0;
    for (size_t i = 0; i < report->figures && rc == 0; i++)
        rc = figure_write(report->figure[i], folder, diag);
    progress_start(&progress, "figures", report->figures, cli->quiet);
    for (size_t i = 0; i < report->figures && rc == 0 && drawing != ERR_NOT_FOUND && !stop_signal_raised();
         i++) {
        drawing = figure_draw(report->figure[i], folder, undrawn);
        progress_update(&progress, i + 1, NULL);
    }
    progress_stop(&progress, report->figures);
    return stop_signal_raised() ? -EINTR : rc;
}

static int write_page(struct report *report, const struct cli *cli, const char *folder, struct diag *diag)
{
    char now[CLOCK_UTC_TEXT];
    struct buf text = {0};
    clock_utc_text(now);
    int rc = page_print(report, &(struct page_about){cli->db, provenance_version(), now}, &text, diag);
    if (rc == 0)
        rc = output_write(folder, PAGE, &text, diag);
    buf_finish(&text);
    return rc;
}

static int tell_json(const struct report *report, const char *folder, struct diag *diag)
{
    json_t *figures = json_array(), *gaps = json_array();
    for (size_t i = 0; i < report->figures; i++)
        command_append_json(&figures, json_pack("{s:s, s:b}", "stem", report->figure[i]->stem, "drawn",
                                                report->figure[i]->svg.size > 0));
    for (size_t i = 0; i < report->gaps; i++)
        command_append_json(&gaps, json_string(report->gap[i]));
    json_t *told = json_pack("{s:s, s:s, s:o, s:o}", "folder", folder, "page", PAGE, "figures", figures,
                             "left_out", gaps); /* takes both over */
    return command_print_json(told, diag);
}

static int tell(const struct report *report, const struct cli *cli, const char *folder, struct diag *diag)
{
    if (cli->json)
        return tell_json(report, folder, diag);
    for (size_t i = 0; i < report->gaps; i++)
        (void) printf("left out: %s\n", report->gap[i]);
    (void) printf("%s/%s: %zu figures\n", folder, PAGE, report->figures);
    return 0;
}

int command_report(const struct cli *cli, struct diag *diag)
{
    const char *folder = cli->output != NULL ? cli->output : "report";
    struct cli chosen = *cli;
    struct report report = {0};
    struct experiment_file file = {0};
    struct diag undrawn = {0};
    if (cli->word_count > 0)
        chosen.db = cli->word[0];
    stop_signal_catch();
    int rc = experiment_file_open(&file, chosen.db, DB_READ, diag);
    if (rc == 0)
        rc = report_read(&report, file.store, cli->sweep, cli->experiment, diag);
    for (size_t e = 0; e < report.evidence.experiments && rc == 0; e++)
        rc = plot_experiment(&report, &report.evidence.experiment[e], diag);
    if (rc == 0)
        rc = output_make_folder(folder, diag);
    if (rc == 0)
        rc = write_figures(&report, cli, folder, &undrawn, diag);
    if (rc == 0)
        rc = write_page(&report, &chosen, folder, diag);
    if (rc == 0)
        rc = tell(&report, cli, folder, diag);
    if (rc == 0 && undrawn.text[0] != '\0')
        rc = diag_fail(diag, -EIO, "%s: the page has the tables, and figures' data and scripts are beside it",
                       undrawn.text);
    report_finish(&report);
    (void) experiment_file_close(&file, NULL); /* only read */
    return command_status(rc, diag);
}
