/* Where tasks were split, against the condition of a channel that damages. */
#include "orchestrator/report/plots.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/base/rng.h"
#include "core/stats/line.h"
#include "core/stats/loess.h"
#include "db/results.h"

#define SHOWN_MAX                                                                                            \
    500u /* tasks of a policy that are drawn [Chen et al., figure 7]; not above BOOTSTRAP_SAMPLE_MAX */
#define SPAN 0.75  /* of the local regression: the usual one */
#define PLACES 60u /* at which its line is drawn */

struct choice {
    double channel, split, episode;
    size_t test; /* whose it is */
};

struct choices {
    struct choice *list; /* [n] owned; tasks of one test's episode stand together */
    size_t n, capacity, test;
};

static int take_choice(void *user, const double *value, size_t columns)
{
    struct choices *choices = user;
    assert(columns == 4); /* episode, slot, channel, split: channels.sql */
    int rc = array_reserve(&choices->list, &choices->capacity, choices->n + 1);
    if (rc != 0)
        return rc;
    choices->list[choices->n++] =
        (struct choice){.channel = value[2], .split = value[3], .episode = value[0], .test = choices->test};
    return 0;
}

/* Keeps SHOWN_MAX of them, each as likely as any other (Knuth, The Art of Computer Programming 3.4.2, algorithm S): the
 * same places for all policies with as many tasks. */
static void keep_some(struct choices *choices)
{
    const struct rng_at at = {.phase = RNG_TEST, .stream = RNG_BOOTSTRAP};
    size_t kept = 0, n = choices->n;
    for (size_t i = 0; n > SHOWN_MAX && i < n; i++)
        if (rng_uniform(&at, (uint32_t) i) * (double) (n - i) < (double) (SHOWN_MAX - kept))
            choices->list[kept++] = choices->list[i];
    assert(n <= SHOWN_MAX || kept == SHOWN_MAX);
    choices->n = n > SHOWN_MAX ? kept : n;
}

static int read_choices(struct report *report, const struct evidence_policy *policy,
                        struct choices *ret_choices, struct diag *diag)
{
    int rc = 0;
    for (ret_choices->test = 0; ret_choices->test < policy->tests && rc == 0; ret_choices->test++)
        rc = results_each_numbers(report->store, "channels", policy->test[ret_choices->test].test_run_id,
                                  take_choice, ret_choices, diag);
    keep_some(ret_choices);
    return rc;
}

/* Tasks of one episode share its channel, and the split before: what is drawn anew are episodes. */
struct clusters {
    struct line_sums sums[SHOWN_MAX];
    size_t n;
    bool r2; /* that is asked for, else the slope */
};

static double line_of_picks(void *user, const uint32_t *pick, size_t n)
{
    const struct clusters *clusters = user;
    struct line_sums all = {0};
    for (size_t i = 0; i < n; i++) {
        assert(pick[i] < clusters->n);
        line_add(&all, &clusters->sums[pick[i]]);
    }
    struct line line = line_fit(&all);
    return clusters->r2 ? line.r2 : line.slope;
}

static void gather_clusters(const struct choices *choices, double x0, double y0,
                            struct clusters *ret_clusters)
{
    for (size_t i = 0; i < choices->n; i++) {
        const struct choice *own = &choices->list[i], *before = own - 1;
        if (i == 0 || own->test != before->test || own->episode != before->episode)
            ret_clusters->n++;
        assert(ret_clusters->n <= SHOWN_MAX);
        line_add_point(&ret_clusters->sums[ret_clusters->n - 1], own->channel - x0, own->split - y0);
    }
}

/* "slope 0.31 (0.22 to 0.4)", or without its interval, or "slope -". */
#define ESTIMATE_TEXT 64
static void print_estimate(char ret_text[static ESTIMATE_TEXT], const char *name, double value,
                           const struct interval *interval, int digits)
{
    if (isnan(value))
        (void) snprintf(ret_text, ESTIMATE_TEXT, "%s -", name); /* all of these fit */
    else if (isnan(interval->low))
        (void) snprintf(ret_text, ESTIMATE_TEXT, "%s %.*f", name, digits, value);
    else
        (void) snprintf(ret_text, ESTIMATE_TEXT, "%s %.*f (%.*f to %.*f)", name, digits, value, digits,
                        interval->low, digits, interval->high);
}

struct estimates {
    struct line line; /* through the points themselves */
    char slope[ESTIMATE_TEXT], r2[ESTIMATE_TEXT];
};

static int estimate(struct report *report, const struct choices *choices, struct estimates *ret_estimates)
{
    struct clusters *clusters = calloc(1, sizeof *clusters);
    struct line_sums all = {0};
    double x0 = 0.0, y0 = 0.0;
    if (clusters == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < choices->n; i++) {
        x0 += choices->list[i].channel / (double) choices->n;
        y0 += choices->list[i].split / (double) choices->n;
    }
    gather_clusters(choices, x0, y0, clusters);
    for (size_t c = 0; c < clusters->n; c++)
        line_add(&all, &clusters->sums[c]);
    ret_estimates->line = line_fit(&all);
    ret_estimates->line.intercept += y0 - ret_estimates->line.slope * x0;
    struct bootstrap *bootstrap = NULL;
    int rc = report_wide_bootstrap(report, SHOWN_MAX, &bootstrap);
    if (rc == 0) {
        struct interval of_slope = bootstrap_statistic(bootstrap, clusters->n, line_of_picks, clusters);
        clusters->r2 = true;
        struct interval of_r2 = bootstrap_statistic(bootstrap, clusters->n, line_of_picks, clusters);
        print_estimate(ret_estimates->slope, "slope", ret_estimates->line.slope, &of_slope, 2);
        print_estimate(ret_estimates->r2, "R\u00b2", ret_estimates->line.r2, &of_r2, 3);
    }
    free(clusters);
    return rc;
}

static void add_row(struct figure *figure, const char *policy, const char *row, double channel, double split)
{
    figure_text(figure, policy);
    figure_text(figure, row);
    figure_number(figure, channel);
    figure_number(figure, split);
    figure_end_row(figure);
}

static int by_channel(const void *a, const void *b)
{
    double x = ((const struct choice *) a)->channel, y = ((const struct choice *) b)->channel;
    return (x > y) - (x < y);
}

/* The local regression and the straight line, from the worst to the best channel of the points. */
static int add_lines(struct figure *figure, const char *policy, struct choices *choices,
                     const struct line *line)
{
    double *x = calloc(choices->n, sizeof *x), *y = calloc(choices->n, sizeof *y);
    if (x != NULL && y != NULL) {
        qsort(choices->list, choices->n, sizeof *choices->list, by_channel);
        for (size_t i = 0; i < choices->n; i++) {
            x[i] = choices->list[i].channel;
            y[i] = choices->list[i].split;
        }
        double low = x[0], high = x[choices->n - 1];
        for (unsigned i = 0; i <= PLACES && high > low; i++) {
            double at = low + (high - low) * i / PLACES;
            add_row(figure, policy, "loess", at, loess_at(&(struct loess){x, y, choices->n, SPAN}, at));
        }
        for (unsigned end = 0; end < 2 && !isnan(line->slope); end++)
            add_row(figure, policy, "line", end == 0 ? low : high,
                    line->intercept + line->slope * (end == 0 ? low : high));
    }
    int rc = x != NULL && y != NULL ? 0 : -ENOMEM;
    free(x);
    free(y);
    return rc;
}

/* The panels of a figure while they are drawn. */
struct panels {
    const struct evidence_policy *policy[REPORT_PANELS_MAX];
    char slope[REPORT_PANELS_MAX][ESTIMATE_TEXT], r2[REPORT_PANELS_MAX][ESTIMATE_TEXT];
    size_t count;
};

static int add_panel(struct report *report, struct figure *figure, struct panels *panels,
                     const struct evidence_policy *policy, struct diag *diag)
{
    struct choices choices = {0};
    struct estimates estimates = {0};
    int rc = read_choices(report, policy, &choices, diag);
    if (rc == 0 && choices.n > 0) {
        rc = estimate(report, &choices, &estimates);
        for (size_t i = 0; i < choices.n && rc == 0; i++)
            add_row(figure, policy->name, "task", choices.list[i].channel, choices.list[i].split);
        if (rc == 0)
            rc = add_lines(figure, policy->name, &choices, &estimates.line);
        figure_caption(figure, "%s%s: %s, %s", panels->count > 0 ? "; " : " ", policy->name, estimates.slope,
                       estimates.r2);
        memcpy(panels->slope[panels->count], estimates.slope, sizeof estimates.slope);
        memcpy(panels->r2[panels->count], estimates.r2, sizeof estimates.r2);
        panels->policy[panels->count++] = policy;
    }
    free(choices.list);
    return rc;
}

static const char *condition_name(enum scenario_channel mode)
{
    switch (mode) {
    case CHANNEL_RELIABLE: break;
    case CHANNEL_BOUNDED: return "probability that a packet is missing";
    case CHANNEL_ANALOG: return "mean SNR (dB)";
    case CHANNEL_ERASURE: return "probability that an element is lost";
    case CHANNEL_BITS: return "probability that a bit turns over";
    }
    return "condition of the channel";
}

static int plot_value(struct report *report, const struct evidence_experiment *experiment,
                      const struct evidence_value *value, struct diag *diag)
{
    struct figure *figure = report_add_figure(report, "channel", "chosen.gp", experiment);
    struct panels panels = {0};
    if (figure == NULL)
        return -ENOMEM;
    figure_title(figure, "Splits against the channel%s%s%s%s", experiment->axis[0] != '\0' ? ", " : "",
                 experiment->axis, experiment->axis[0] != '\0' ? " = " : "", value->text);
    figure_caption(
        figure,
        "Up to %u recorded tasks of each policy, drawn at random; black: local regression (LOESS of degree "
        "1, span %.2f, not robust); dashed: straight line, with 95 %% intervals by bootstrap over episodes, "
        "whose tasks share a channel.",
        SHOWN_MAX, SPAN);
    figure_set_text(figure, "x_label", condition_name(value->channel));
    figure_set_text(figure, "y_label", "split (layers on the device)");
    if (figure->code == 0)
        figure->code = buf_printf(&figure->csv, "policy,row,channel,split\n");
    int rc = 0;
    for (size_t p = 0; p < value->policies && panels.count < REPORT_PANELS_MAX && rc == 0; p++)
        rc = add_panel(report, figure, &panels, &value->policy[p], diag);
    const char *slope[REPORT_PANELS_MAX], *r2[REPORT_PANELS_MAX];
    for (size_t i = 0; i < panels.count; i++) {
        slope[i] = panels.slope[i];
        r2[i] = panels.r2[i];
    }
    figure_caption(figure, ".");
    figure_set_policies(figure, panels.policy, panels.count);
    figure_set_texts(figure, "slope", slope, panels.count);
    figure_set_texts(figure, "r2", r2, panels.count);
    return report_end_figure(report, NULL, NULL, rc, diag);
}

int plots_channel(struct report *report, const struct evidence_experiment *experiment, struct diag *diag)
{
    struct report_panels panels = report_panels(experiment);
    size_t before = report->figures;
    bool damages = false;
    int rc = 0;
    for (size_t i = 0; i < panels.count && rc == 0; i++) {
        const struct evidence_value *value = &experiment->value[panels.index[i]];
        damages = damages || value->channel != CHANNEL_RELIABLE;
        if (value->channel != CHANNEL_RELIABLE)
            rc = plot_value(report, experiment, value, diag);
    }
    struct buf name = {0};
    if (rc == 0 && damages && report->figures == before &&
        (rc = evidence_print_name(experiment, NULL, &name)) == 0)
        rc = report_leave_out(
            report,
            "%s: no splits against the channel, because no recorded task says its channel's "
            "condition. `record_tasks` in the sweep's file would give them (of an evaluation: `run "
            "--record tasks`).",
            (const char *) name.data);
    buf_finish(&name);
    return rc;
}
