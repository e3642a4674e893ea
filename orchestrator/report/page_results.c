/* The page's tables: headline, map, results. */
#include "orchestrator/report/page_internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/stats/sample.h"
#include "orchestrator/compare/ranking.h"
#include "orchestrator/compare/reduction.h"
#include "orchestrator/report/verdict.h"

void page_name(struct html *html, const struct evidence_experiment *experiment,
               const struct evidence_value *value)
{
    struct buf name = {0};
    if (html->code == 0)
        html->code = evidence_print_name(experiment, value, &name);
    if (html->code == 0)
        html_text(html, (const char *) name.data);
    buf_finish(&name);
}

/* A share as per cent with its interval. */
static void print_share(struct html *html, double share, const struct interval *interval)
{
    if (isnan(interval->low))
        html_raw(html, "<td>%.1f %%</td>", 100.0 * share);
    else
        html_raw(html, "<td>%.1f %% <span class=\"interval\">[%.1f, %.1f]</span></td>", 100.0 * share,
                 100.0 * interval->low, 100.0 * interval->high);
}

static void print_reduction(struct html *html, const struct reduction *headline)
{
    print_share(html, headline->most, &headline->most_interval);
    html_raw(html, "<td class=\"text\">");
    html_text(html, report_value_label(headline->most_at));
    html_raw(html, "</td>");
    print_share(html, headline->mean, &headline->mean_interval);
    html_raw(html, "<td>%zu / %zu / %zu</td>", headline->better,
             headline->values - headline->better - headline->worse, headline->worse);
}

struct headline_table {
    struct html *html;
    const struct evidence_experiment *experiment;
    bool begun;
};

static void begin_headline_table(struct headline_table *table)
{
    struct html *html = table->html;
    html_raw(html, "<div class=\"scroll\"><table><caption>");
    page_name(html, table->experiment, NULL);
    if (table->experiment->axis[0] != '\0') {
        html_raw(html, " (");
        html_text(html, table->experiment->axis);
        html_raw(html, ", %zu values)", table->experiment->values);
    }
    html_raw(
        html,
        "</caption><thead><tr><th rowspan=\"2\" class=\"text\">policy</th><th rowspan=\"2\" "
        "class=\"text\">against</th><th rowspan=\"2\">seeds</th><th colspan=\"4\">latency lower by</th><th "
        "colspan=\"4\">energy lower by</th></tr><tr>");
    for (int metric = 0; metric < 2; metric++)
        html_raw(html, "<th>at most</th><th class=\"text\">at</th><th>in the mean</th><th>better / open / "
                       "worse</th>");
    html_raw(html, "</tr></thead><tbody>\n");
    table->begun = true;
}

static int print_headline(void *user, const struct reduction *latency, const struct reduction *energy)
{
    struct headline_table *table = user;
    if (!table->begun)
        begin_headline_table(table);
    html_raw(table->html, "<tr><th scope=\"row\">");
    html_text(table->html, latency->ours);
    html_raw(table->html, "</th><td class=\"text\">");
    html_text(table->html, latency->baseline);
    html_raw(table->html, "</td><td>%zu</td>", latency->seeds);
    print_reduction(table->html, latency);
    print_reduction(table->html, energy);
    html_raw(table->html, "</tr>\n");
    return table->html->code;
}

static int print_refusal(void *user, const struct evidence_policy *ours,
                         const struct evidence_policy *baseline, const struct evidence_policy *who)
{
    struct headline_table *table = user;
    if (!table->begun)
        begin_headline_table(table);
    html_raw(table->html, "<tr><th scope=\"row\">");
    html_text(table->html, ours->name);
    html_raw(table->html, "</th><td class=\"text\">");
    html_text(table->html, baseline->name);
    html_raw(table->html, "</td><td>%zu</td><td class=\"text\" colspan=\"8\">no headline: ", who->tests);
    html_text(table->html, who->name);
    html_raw(table->html, " never learned at %zu of %zu seeds (0 updates)</td></tr>\n",
             evidence_never_learned(who), who->tests);
    return table->html->code;
}

static bool was_measured(const struct evidence *evidence, const char *policy)
{
    for (size_t e = 0; e < evidence->experiments; e++)
        for (size_t p = 0; p < evidence->experiment[e].policies; p++)
            if (strcmp(evidence->experiment[e].policy[p]->name, policy) == 0)
                return true;
    return false;
}

void page_headline(struct html *html, struct report *report)
{
    bool any = false;
    bool paper = was_measured(&report->evidence, "ppo") || was_measured(&report->evidence, "a2c");
    html_raw(
        html,
        "<section id=\"headline\"><h2>Headline</h2>\n<p class=\"note\">The paper's own is \"up to 27 %% "
        "lower "
        "latency and 18 %% lower energy than PPO and A2C\". This is what was measured here, against every "
        "policy "
        "that does not see the world: over each experiment the greatest reduction and the value at which it "
        "occurs, and the mean over all values; in brackets 95 %% intervals. A negative number means higher. "
        "<em>Better / open / worse</em> counts the values at which the interval lies above, holds, or lies "
        "below "
        "0; with fewer than %u common seeds every value is open. The greatest of several values is picked "
        "after the "
        "fact: its interval does not allow for that.%s</p>\n",
        RANKING_SEEDS_MIN, paper ? "" : " PPO and A2C have no results here, so nothing is said about them.");
    for (size_t e = 0; e < report->evidence.experiments && html->code == 0; e++) {
        struct headline_table table = {html, &report->evidence.experiment[e], false};
        int rc = reduction_each(table.experiment, &report->bootstrap,
                                &(struct reduction_rows){print_headline, print_refusal, &table});
        html->code = html->code == 0 ? rc : html->code;
        if (table.begun)
            html_raw(html, "</tbody></table></div>\n");
        any = any || table.begun;
    }
    if (!any)
        html_raw(html, "<p>Neither dapo nor dapo-plus was measured beside a baseline.</p>\n");
    html_raw(html, "</section>\n");
}

static bool observes(const struct evidence_policy *policy)
{
    return policy->sees == POLICY_SEES_OBSERVATIONS;
}

static bool knows_model(const struct evidence_policy *policy)
{
    return policy->sees == POLICY_SEES_MODEL;
}

static bool sees_world(const struct evidence_policy *policy)
{
    return policy->sees == POLICY_SEES_WORLD;
}

static bool sees_no_world(const struct evidence_policy *policy)
{
    return policy->sees != POLICY_SEES_WORLD;
}

static bool is_tied(const struct ranking *ranking, size_t line)
{
    return line == 0 || !ranking->line[line].to_best.clear;
}

/* What the best, and those not clearly worse, have in common. */
static void print_winners(struct html *html, const struct ranking *ranking)
{
    struct verdict_winners winners = {.compared = ranking->lines};
    for (size_t i = 0; i < ranking->lines; i++) {
        const struct evidence_policy *policy = ranking->line[i].policy;
        winners.few = winners.few || (i > 0 && ranking->line[i].to_best.seeds < RANKING_SEEDS_MIN);
        if (!is_tied(ranking, i))
            continue;
        bool rule = evidence_is_rule(policy);
        bool learner = evidence_is_learned(policy) && evidence_never_learned(policy) == 0;
        winners.rules += rule ? 1 : 0;
        winners.learners += learner ? 1 : 0;
        winners.others += rule || learner ? 0 : 1;
    }
    char mark[EVIDENCE_MARK_TEXT];
    const struct verdict verdict = verdict_of(&winners);
    html_raw(html, "<td class=\"text %s\">%s</td><td class=\"wrap %s\">", verdict.class, verdict.text,
             verdict.class);
    bool first = true;
    for (size_t i = 0; i < ranking->lines; i++) {
        if (!is_tied(ranking, i))
            continue;
        html_raw(html, "%s", first ? "" : ", ");
        html_text(html, ranking->line[i].policy->name);
        html_raw(html, "%s", evidence_is_rule(ranking->line[i].policy) ? " (rule)" : "");
        html_raw(html, "%s", evidence_mark(ranking->line[i].policy, mark));
        first = false;
    }
    html_raw(html, "</td>");
}

static void print_map_row(struct html *html, struct report *report, const struct evidence_value *value)
{
    bool (*const scopes[])(const struct evidence_policy *) = {observes, sees_no_world};
    html_raw(html, "<tr><th scope=\"row\">");
    html_text(html, report_value_label(value));
    html_raw(html, "</th>");
    for (size_t s = 0; s < sizeof scopes / sizeof *scopes && html->code == 0; s++) {
        struct ranking ranking = {0};
        html->code = ranking_make(&ranking, value, evidence_objective(value), scopes[s], &report->bootstrap);
        if (html->code == 0)
            print_winners(html, &ranking);
        ranking_finish(&ranking);
    }
    html_raw(html, "</tr>\n");
}

void page_map(struct html *html, struct report *report)
{
    html_raw(html,
             "<section id=\"map\"><h2>Where learning pays</h2>\n<p class=\"note\">At each value the policy "
             "with the "
             "least mean cost (the greatest mean return, where the objective is a reward) and all that are "
             "not clearly worse (95 %% interval of the paired difference "
             "above 0, at "
             "least %u common seeds). A <em>rule</em> does not learn. On the left among policies that see "
             "only what a "
             "deployment could know; on the right also those that know the cost model.</p>\n",
             RANKING_SEEDS_MIN);
    for (size_t e = 0; e < report->evidence.experiments; e++) {
        const struct evidence_experiment *experiment = &report->evidence.experiment[e];
        html_raw(html, "<div class=\"scroll\"><table><caption>");
        page_name(html, experiment, NULL);
        html_raw(html, "</caption><thead><tr><th class=\"text\">");
        html_text(html, experiment->axis[0] != '\0' ? experiment->axis : "value");
        html_raw(html, "</th><th colspan=\"2\" class=\"text\">observations only</th><th colspan=\"2\" "
                       "class=\"text\">all that do not see the world</th></tr></thead><tbody>\n");
        for (size_t v = 0; v < experiment->values; v++)
            print_map_row(html, report, &experiment->value[v]);
        html_raw(html, "</tbody></table></div>\n");
    }
    html_raw(html, "</section>\n");
}

/* Means over a policy's tests. */
static double mean_miss_share(const struct evidence_policy *policy)
{
    double sum = 0.0;
    for (size_t t = 0; t < policy->tests; t++)
        sum += policy->test[t].miss_share;
    return sum / (double) policy->tests;
}

/* NAN: nothing was trained for it. */
static double mean_train_slots(const struct evidence_policy *policy)
{
    double sum = 0.0;
    for (size_t t = 0; t < policy->tests; t++)
        sum += isnan(policy->test[t].train_slots) ? 0.0 : policy->test[t].train_slots;
    return sum > 0.0 ? sum / (double) policy->tests : (double) NAN;
}

static void print_metric(struct html *html, struct report *report, const struct evidence_policy *policy,
                         enum evidence_metric metric)
{
    double *sample = calloc(policy->tests, sizeof *sample);
    if (sample == NULL) {
        html->code = html->code == 0 ? -ENOMEM : html->code;
        return;
    }
    size_t n = ranking_values(policy, metric, sample);
    struct interval interval = bootstrap_mean(&report->bootstrap, sample, n);
    html_interval_cell(html, sample_mean(sample, n), &interval);
    free(sample);
}

/* Columns that only some tasks give. */
struct extra {
    struct page_quality quality;
    struct page_secrecy secrecy;
};

static void print_line(struct html *html, struct report *report, const struct ranking_line *line, bool first,
                       struct extra *extra, struct diag *diag)
{
    static const enum evidence_metric rest[] = {EVIDENCE_LATENCY, EVIDENCE_P95, EVIDENCE_ENERGY,
                                                EVIDENCE_REGRET};
    html_raw(html, "<tr><th scope=\"row\">");
    char mark[EVIDENCE_MARK_TEXT];
    html_text(html, line->policy->name);
    html_raw(html, "%s</th><td>%zu</td>", evidence_mark(line->policy, mark), line->seeds);
    html_number_cell(html, mean_train_slots(line->policy));
    html_interval_cell(html, line->mean, &line->interval);
    if (first) {
        html_raw(html, "<td>best</td><td></td>");
    } else {
        char more[24];
        ranking_format_more(line->to_best.more, more);
        html_interval_cell(html, line->to_best.difference, &line->to_best.interval);
        html_raw(html, "<td>%s</td>", more);
    }
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        print_metric(html, report, line->policy, rest[i]);
    html_number_cell(html, 100.0 * mean_miss_share(line->policy));
    page_quality_cells(html, report, &extra->quality, line->policy, diag);
    page_secrecy_cell(html, report, &extra->secrecy, line->policy, diag);
    html_raw(html, "</tr>\n");
}

static void print_verdict(struct html *html, const struct ranking *ranking, const char *group)
{
    struct buf verdict = {0};
    html->code = html->code == 0 ? ranking_print_verdict(ranking, group, &verdict) : html->code;
    for (char *line = (char *) verdict.data; line != NULL && *line != '\0' && html->code == 0;) {
        char *end = strchr(line, '\n');
        *end = '\0'; /* every line has one */
        html_raw(html, "<li>");
        html_text(html, line);
        html_raw(html, "</li>\n");
        line = end + 1;
    }
    buf_finish(&verdict);
}

static const struct {
    bool (*admits)(const struct evidence_policy *policy); /* NULL: all */
    const char *name, *head;
} groups[] = {
    {observes, "observations: ", "observations: what a deployment could know"},
    {knows_model, "model: ", "model: also how delay, energy and cost come about"},
    {sees_world, "world: ", "world: everything, as a yardstick"},
    {NULL, "all: ", NULL},
};
#define GROUPS (sizeof groups / sizeof *groups)

static void print_value(struct html *html, struct report *report,
                        const struct evidence_experiment *experiment, const struct evidence_value *value,
                        struct diag *diag)
{
    struct ranking ranking[GROUPS] = {0};
    struct extra extra = {0};
    enum evidence_metric metric = evidence_objective(value);
    bool reward = metric == EVIDENCE_RETURN;
    if (html->code == 0)
        html->code = page_quality_survey(report, value, &extra.quality, diag);
    if (html->code == 0)
        html->code = page_secrecy_survey(report, value, &extra.secrecy, diag);
    html_raw(html, "<div class=\"scroll\"><table><caption>");
    page_name(html, experiment, value);
    html_raw(html,
             "</caption><thead><tr><th class=\"text\">policy</th><th>seeds</th><th>trained "
             "(slots)</th><th>%s</th><th>%s the "
             "group's best</th><th>more runs</th><th>latency (s)</th><th>p95 (s)</th><th>energy "
             "(J)</th><th>regret (%%)</th><th>missed (%%)</th>",
             reward ? "return of an episode" : "cost", reward ? "return below" : "cost above");
    page_quality_head(html, &extra.quality);
    page_secrecy_head(html, &extra.secrecy);
    html_raw(html, "</tr></thead>\n");
    for (size_t g = 0; g < GROUPS && html->code == 0; g++) {
        html->code = ranking_make(&ranking[g], value, metric, groups[g].admits, &report->bootstrap);
        if (html->code != 0 || groups[g].head == NULL || ranking[g].lines == 0)
            continue;
        html_raw(html, "<tbody><tr><th scope=\"rowgroup\" colspan=\"%zu\">%s</th></tr>\n",
                 11 + extra.quality.columns + (extra.secrecy.is_known ? 1 : 0), groups[g].head);
        for (size_t i = 0; i < ranking[g].lines; i++)
            print_line(html, report, &ranking[g].line[i], i == 0, &extra, diag);
        html_raw(html, "</tbody>\n");
    }
    html_raw(html, "</table></div>\n");
    page_quality_note(html, &extra.quality);
    page_secrecy_note(html, &extra.secrecy);
    page_secrecy_finish(&extra.secrecy);
    html_raw(html, "<ul class=\"verdict\">\n");
    for (size_t g = 0; g < GROUPS; g++) {
        print_verdict(html, &ranking[g], groups[g].name);
        ranking_finish(&ranking[g]);
    }
    html_raw(html, "</ul>\n");
}

void page_results(struct html *html, struct report *report, const struct evidence_experiment *experiment,
                  struct diag *diag)
{
    for (size_t v = 0; v < experiment->values; v++)
        print_value(html, report, experiment, &experiment->value[v], diag);
}
