#include "orchestrator/report/page.h"

#include "core/base/err.h"
#include "orchestrator/report/page_internal.h"

static void print_head(struct html *html, const struct page_about *about)
{
    html_raw(html,
             "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
             "content=\"width=device-width, initial-scale=1\">\n<title>handoff report: ");
    html_text(html, about->database);
    html_raw(html, "</title>\n<style>\n");
    if (html->code == 0)
        html->code = buf_printf(html->text, "%s", figure_template_text("page.css"));
    html_raw(html, "</style>\n</head>\n<body>\n<header><h1>handoff report</h1>\n<p>Made of ");
    html_text(html, about->database);
    html_raw(html, " on ");
    html_text(html, about->now_utc);
    html_raw(html, " by handoff ");
    html_text(html, about->version);
    html_raw(html,
             ".</p>\n<p class=\"note\">Policies are tested on the same held-out slots. Numbers are means "
             "over seeds; "
             "intervals are 95 %% by percentile bootstrap over seeds (%u resamples, fixed draws), "
             "differences are paired "
             "by seed. They are not corrected for how many comparisons a page makes, and of five seeds such "
             "an interval "
             "is too short: it holds the truth in about 84 %% of cases. The system model is DAPO, "
             "reconstructed: its "
             "curves are not claimed to be the paper's.</p>\n</header>\n",
             BOOTSTRAP_RESAMPLES);
}

/* Is every experiment's objective a reward? Then nothing is compared with the paper that the headline quotes. */
static bool all_rewarded(const struct report *report)
{
    bool all = true;
    for (size_t e = 0; e < report->evidence.experiments; e++)
        all = all && evidence_is_rewarded(&report->evidence.experiment[e]);
    return all;
}

static bool any_rewarded(const struct report *report)
{
    bool any = false;
    for (size_t e = 0; e < report->evidence.experiments; e++)
        any = any || evidence_is_rewarded(&report->evidence.experiment[e]);
    return any;
}

static void print_rewards(struct html *html, const struct report *report)
{
    if (any_rewarded(report))
        html_raw(
            html,
            "<p class=\"note\">Where the objective is a reward (<em>objective.reward</em> shaped or paper), "
            "a task's "
            "cost is minus its reward, so costs may be negative: what is compared there is the return of an "
            "episode, the sum of its slots' rewards, and more is better. Regret is the difference to the "
            "optimum in per cent of the size of the optimum's.</p>\n");
}

static void print_contents(struct html *html, const struct report *report)
{
    html_raw(html, "<nav aria-label=\"Contents\"><ul>\n");
    if (!all_rewarded(report))
        html_raw(html, "<li><a href=\"#headline\">Headline</a></li>\n");
    html_raw(html, "<li><a href=\"#map\">Where learning pays</a></li>\n");
    for (size_t e = 0; e < report->evidence.experiments; e++) {
        html_raw(html, "<li><a href=\"#experiment-%zu\">", e + 1);
        page_name(html, &report->evidence.experiment[e], NULL);
        html_raw(html, "</a></li>\n");
    }
    html_raw(html,
             "<li><a href=\"#gaps\">What is left out</a></li>\n<li><a href=\"#origin\">Scenarios, seeds and "
             "machines</a></li>\n</ul></nav>\n<main>\n");
}

static void print_figure(struct html *html, const struct figure *figure)
{
    html_raw(html, "<figure id=\"%s\">\n", figure->stem);
    if (figure->svg.size > 0 && html->code == 0)
        html->code = figure_print_svg(figure, html->text);
    html_raw(html, "<figcaption><strong>");
    html_text(html, (const char *) figure->title.data);
    html_raw(html, ".</strong> ");
    html_text(html, (const char *) figure->caption.data);
    if (figure->svg.size > 0)
        html_raw(html, " Files: <a href=\"%s.svg\">SVG</a>, <a href=\"%s.pdf\">PDF</a>,", figure->stem,
                 figure->stem);
    else
        html_raw(html, " Not drawn. Files:");
    html_raw(html, " <a href=\"%s.csv\">data</a>, <a href=\"%s.gp\">script</a>.</figcaption>\n</figure>\n",
             figure->stem, figure->stem);
}

static void print_experiment(struct html *html, struct report *report, size_t e, struct diag *diag)
{
    const struct evidence_experiment *experiment = &report->evidence.experiment[e];
    html_raw(html, "<section id=\"experiment-%zu\"><h2>", e + 1);
    page_name(html, experiment, NULL);
    html_raw(html, "</h2>\n");
    page_results(html, report, experiment, diag);
    for (size_t i = 0; i < report->figures; i++)
        if (report->figure[i]->experiment == experiment)
            print_figure(html, report->figure[i]);
    html_raw(html, "</section>\n");
}

static void print_gaps(struct html *html, const struct report *report)
{
    html_raw(html, "<section id=\"gaps\"><h2>What is left out</h2>\n");
    html_raw(html, report->gaps > 0 ? "<ul>\n" : "<p>Nothing.</p>\n");
    for (size_t i = 0; i < report->gaps; i++) {
        html_raw(html, "<li>");
        html_text(html, report->gap[i]);
        html_raw(html, "</li>\n");
    }
    html_raw(html, report->gaps > 0 ? "</ul>\n</section>\n" : "</section>\n");
}

int page_print(struct report *report, const struct page_about *about, struct buf *text, struct diag *diag)
{
    struct html html = {.text = text};
    print_head(&html, about);
    print_rewards(&html, report);
    print_contents(&html, report);
    if (!all_rewarded(report))
        page_headline(&html, report);
    page_map(&html, report);
    for (size_t e = 0; e < report->evidence.experiments; e++)
        print_experiment(&html, report, e, diag);
    print_gaps(&html, report);
    page_origin(&html, report, diag);
    html_raw(&html, "</main>\n</body>\n</html>\n");
    return html.code != 0 ? diag_fail(diag, html.code, "the page: %s", err_text(html.code)) : 0;
}
