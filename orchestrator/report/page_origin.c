/* Where the numbers come from. */
#include "orchestrator/report/page_internal.h"

#include <inttypes.h>
#include <stdlib.h>

#include "db/results.h"

static int print_sweep(void *user, const struct db_sweep *sweep)
{
    struct html *html = user;
    html_raw(html, "<h3>Sweep ");
    html_text(html, sweep->name);
    html_raw(html, "</h3>\n<p>Begun ");
    html_text(html, sweep->created_utc);
    html_raw(html, " by handoff ");
    html_text(html, sweep->version);
    html_raw(html, ".</p>\n<pre>");
    html_text(html, sweep->text);
    html_raw(html, "</pre>\n");
    return html->code;
}

static int print_count(void *user, const struct db_job_count *count)
{
    struct html *html = user;
    html_raw(html, "<tr><th scope=\"row\">");
    html_text(html, count->sweep);
    html_raw(html, "</th><td class=\"text\">");
    html_text(html, count->status);
    html_raw(html, "</td><td>%" PRId64 "</td><td class=\"wrap\">", count->jobs);
    html_text(html, count->error != NULL ? count->error : "");
    html_raw(html, "</td></tr>\n");
    return html->code;
}

static int print_origin(void *user, const struct db_origin *origin)
{
    struct html *html = user;
    html_raw(html, "<tr><th scope=\"row\">");
    html_text(html, origin->version);
    html_raw(html, "</th><td class=\"text\">");
    html_text(html, origin->cpu);
    html_raw(html, "</td><td>%" PRId64 "</td><td class=\"text\">", origin->runs);
    html_text(html, origin->first_utc);
    html_raw(html, "</td><td class=\"text\">");
    html_text(html, origin->last_utc);
    html_raw(html, "</td></tr>\n");
    return html->code;
}

static void print_arithmetics(struct html *html, const struct evidence *evidence)
{
    struct buf text = {0};
    int rc = evidence_print_arithmetics(evidence, &text);
    if (html->code == 0)
        html->code = rc;
    if (rc == 0 && text.size > 0) {
        html_raw(html, "<p>");
        html_text(html, (const char *) text.data);
        html_raw(html, "</p>\n");
    }
    buf_finish(&text);
}

/* Does an earlier test of the experiment have the seed? */
static bool seed_was_told(const struct evidence_experiment *experiment, const struct evidence_test *test)
{
    for (size_t v = 0; v < experiment->values; v++)
        for (size_t p = 0; p < experiment->value[v].policies; p++)
            for (size_t t = 0; t < experiment->value[v].policy[p].tests; t++) {
                const struct evidence_test *earlier = &experiment->value[v].policy[p].test[t];
                if (earlier == test)
                    return false;
                if (earlier->seed == test->seed)
                    return true;
            }
    return false;
}

static void print_seeds(struct html *html, const struct evidence_experiment *experiment)
{
    html_raw(html, "<li>");
    page_name(html, experiment, NULL);
    html_raw(html, ": seeds");
    for (size_t v = 0; v < experiment->values; v++)
        for (size_t p = 0; p < experiment->value[v].policies; p++)
            for (size_t t = 0; t < experiment->value[v].policy[p].tests; t++) {
                const struct evidence_test *test = &experiment->value[v].policy[p].test[t];
                if (!seed_was_told(experiment, test))
                    html_raw(html, " %" PRIu64, test->seed);
            }
    html_raw(html, "</li>\n");
}

static void print_scenario(struct html *html, const struct evidence_experiment *experiment)
{
    html_raw(html, "<h3>Scenario of ");
    page_name(html, experiment, NULL);
    html_raw(html, "</h3>\n<pre>");
    html_text(html, experiment->identity);
    html_raw(html, "</pre>\n");
}

void page_origin(struct html *html, struct report *report, struct diag *diag)
{
    html_raw(html,
             "<section id=\"origin\"><h2>Scenarios, seeds and machines</h2>\n<div class=\"scroll\"><table>"
             "<caption>Who made the runs</caption><thead><tr><th class=\"text\">handoff</th><th "
             "class=\"text\">machine</th><th>runs</th><th class=\"text\">first</th><th "
             "class=\"text\">last</th></tr></thead><tbody>\n");
    if (html->code == 0)
        html->code = results_each_origin(report->store, print_origin, html, diag);
    html_raw(html,
             "</tbody></table></div>\n<div class=\"scroll\"><table><caption>Cells of sweeps</caption><thead>"
             "<tr><th class=\"text\">sweep</th><th class=\"text\">ended as</th><th>cells</th><th "
             "class=\"text\">why</th></tr></thead><tbody>\n");
    if (html->code == 0)
        html->code = results_each_job_count(report->store, print_count, html, diag);
    html_raw(html, "</tbody></table></div>\n");
    print_arithmetics(html, &report->evidence);
    html_raw(html, "<ul>\n");
    for (size_t e = 0; e < report->evidence.experiments; e++)
        print_seeds(html, &report->evidence.experiment[e]);
    html_raw(html, "</ul>\n");
    if (html->code == 0)
        html->code = results_each_sweep(report->store, print_sweep, html, diag);
    for (size_t e = 0; e < report->evidence.experiments; e++)
        if (report->evidence.experiment[e].identity[0] != '\0')
            print_scenario(html, &report->evidence.experiment[e]);
    html_raw(html, "</section>\n");
}
