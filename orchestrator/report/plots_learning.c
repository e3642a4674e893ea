/* How learning went: returns of training episodes, and held-out costs of checkpoints. */
#include "orchestrator/report/plots.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/stats/curve.h"
#include "core/stats/sample.h"
#include "db/results.h"

#define POINTS_MAX 100u   /* of a curve: more would not be seen */
#define REGRET_FLOOR 0.01 /* per cent; where its logarithmic axis ends */

/* One seed's numbers, by ascending x. Owned. */
struct series {
    double *x, *y; /* [n] */
    size_t n;
};

static void series_finish(struct series *series)
{
    free(series->x);
    free(series->y);
    *series = (struct series){0};
}

static int series_add(struct series *series, double x, double y)
{
    int rc = 0;
    array_resize(&series->x, series->n + 1, &rc);
    array_resize(&series->y, series->n + 1, &rc);
    if (rc != 0)
        return rc;
    series->x[series->n] = x;
    series->y[series->n++] = y;
    return 0;
}

static int take_return(void *user, const double *value, size_t columns)
{
    assert(columns == 2); /* returns.sql */
    return series_add(user, value[0], value[1]);
}

/* Means of blocks of as many episodes as leave at most POINTS_MAX; x becomes each block's last. */
static void thin(struct series *series)
{
    size_t block = (series->n + POINTS_MAX - 1) / POINTS_MAX, kept = 0;
    for (size_t first = 0; block > 1 && first < series->n; first += block) {
        size_t size = first + block <= series->n ? block : series->n - first;
        series->y[kept] = sample_mean(series->y + first, size);
        series->x[kept++] = series->x[first + size - 1];
    }
    assert(kept <= POINTS_MAX && kept <= series->n);
    if (block > 1)
        series->n = kept;
}

/* Rows of a policy's curve at x: mean and interval over those seeds whose curves reach there. */
static void add_band_row(struct report *report, struct figure *figure, const struct series *series,
                         size_t seeds, double x, double *scratch)
{
    size_t n = 0;
    for (size_t s = 0; s < seeds; s++) {
        double y = curve_at(&(struct curve){series[s].x, series[s].y, series[s].n}, x);
        if (!isnan(y))
            scratch[n++] = y;
    }
    struct interval interval = bootstrap_mean(&report->bootstrap, scratch, n);
    figure_number(figure, x);
    figure_number(figure, sample_mean(scratch, n));
    figure_number(figure, interval.low);
    figure_number(figure, interval.high);
    figure_number(figure, (double) n);
    figure_end_row(figure);
}

/* Every x of any seed, ascending and once, at most POINTS_MAX of them, evenly picked. */
static int gather_places(const struct series *series, size_t seeds, struct series *places)
{
    int rc = 0;
    for (size_t s = 0; s < seeds; s++)
        for (size_t i = 0; i < series[s].n && rc == 0; i++)
            rc = series_add(places, series[s].x[i], 0.0);
    sample_sort(places->x, places->n);
    size_t kept = 0;
    for (size_t i = 0; i < places->n; i++)
        if (kept == 0 || places->x[i] > places->x[kept - 1])
            places->x[kept++] = places->x[i];
    for (size_t i = 0; kept > POINTS_MAX && i < POINTS_MAX; i++)
        places->x[i] = places->x[i * (kept - 1) / (POINTS_MAX - 1)];
    assert(kept <= places->n);
    places->n = kept > POINTS_MAX ? POINTS_MAX : kept;
    return rc;
}

static int add_band(struct report *report, struct figure *figure, const char *value, const char *policy,
                    const struct series *series, size_t seeds)
{
    struct series places = {0};
    double *scratch = calloc(seeds > 0 ? seeds : 1, sizeof *scratch);
    int rc = scratch != NULL ? gather_places(series, seeds, &places) : -ENOMEM;
    for (size_t i = 0; i < places.n && rc == 0; i++) {
        figure_text(figure, value);
        figure_text(figure, policy);
        add_band_row(report, figure, series, seeds, places.x[i], scratch);
    }
    free(scratch);
    series_finish(&places);
    return rc;
}

static bool learned(const struct evidence_policy *policy)
{
    return policy->kind == NULL || policy_learns(policy->kind);
}

/* Learners that were trained once are tested at every value: then the first panel tells all. */
static bool trained_once(const struct evidence_experiment *experiment)
{
    for (size_t v = 1; v < experiment->values; v++)
        for (size_t p = 0; p < experiment->value[v].policies; p++) {
            const struct evidence_policy *here = &experiment->value[v].policy[p];
            const struct evidence_policy *first = evidence_find(&experiment->value[0], here->name);
            if (first != NULL && learned(here) && here->test[0].train_run_id != 0 &&
                here->test[0].train_run_id == first->test[0].train_run_id)
                return true;
        }
    return false;
}

static int add_returns(struct report *report, struct figure *figure, const char *value,
                       const struct evidence_policy *policy, struct diag *diag)
{
    struct series *series = calloc(policy->tests, sizeof *series);
    size_t seeds = 0;
    int rc = series != NULL ? 0 : -ENOMEM;
    for (size_t t = 0; t < policy->tests && rc == 0; t++) {
        if (policy->test[t].train_run_id == 0)
            continue;
        rc = results_each_numbers(report->store, "returns", policy->test[t].train_run_id, take_return,
                                  &series[seeds], diag);
        assert(seeds <= t);
        thin(&series[seeds++]);
    }
    if (rc == 0)
        rc = add_band(report, figure, value, policy->name, series, seeds);
    for (size_t s = 0; s < seeds; s++)
        series_finish(&series[s]);
    free(series);
    return rc;
}

static void list_learners(struct figure *figure)
{
    const struct evidence_experiment *experiment = figure->experiment;
    const struct evidence_policy **learner = calloc(experiment->policies, sizeof *learner);
    size_t count = 0;
    for (size_t p = 0; learner != NULL && p < experiment->policies; p++)
        if (learned(experiment->policy[p]))
            learner[count++] = experiment->policy[p];
    if (learner != NULL)
        figure_set_policies(figure, learner, count);
    else
        figure->code = -ENOMEM;
    free(learner);
}

/* A figure with nothing below its CSV's head is left out, and why. */
static int end_figure(struct report *report, const char *what, const char *remedy, int code,
                      struct diag *diag)
{
    assert(report->figures > 0);
    struct figure *figure = report->figure[report->figures - 1];
    if (code == 0)
        code = figure->code;
    if (code != 0)
        return diag_fail(diag, code, "%s: %s", figure->stem, err_text(code));
    const char *head_end = strchr((const char *) figure->csv.data, '\n');
    if (head_end != NULL && head_end[1] != '\0')
        return 0;
    struct buf name = {0};
    int rc = evidence_print_name(figure->experiment, NULL, &name);
    if (rc == 0)
        rc = report_leave_out(report, "%s: no %s. %s", (const char *) name.data, what, remedy);
    buf_finish(&name);
    report_drop_figure(report);
    return rc;
}

int plots_convergence(struct report *report, const struct evidence_experiment *experiment, struct diag *diag)
{
    struct figure *figure = report_add_figure(report, "convergence", "bands.gp", experiment);
    if (figure == NULL)
        return -ENOMEM;
    struct report_panels panels = report_panels(experiment);
    if (trained_once(experiment))
        panels.count = 1;
    figure_title(figure, "Convergence: mean return of training episodes");
    figure_caption(
        figure,
        "Return of each training episode, exploration included: mean over seeds and 95 %% interval "
        "by bootstrap over seeds. Of more than %u episodes means of blocks are drawn. An episode in "
        "which a single task waited on a channel that carried next to nothing may leave the panel.",
        POINTS_MAX);
    report_set_panels(figure, &panels);
    figure_set_text(figure, "x_label", "episode");
    figure_set_text(figure, "y_label", "episode return");
    figure_set_number(figure, "x_log", 0);
    figure_set_number(figure, "y_floor", 0.0);
    list_learners(figure);
    if (figure->code == 0)
        figure->code = buf_printf(&figure->csv, "value,policy,x,mean,low,high,seeds\n");
    int rc = 0;
    for (size_t i = 0; i < panels.count; i++) {
        const struct evidence_value *value = &experiment->value[panels.index[i]];
        for (size_t p = 0; p < value->policies && rc == 0; p++)
            if (learned(&value->policy[p]))
                rc = add_returns(report, figure, report_value_label(value), &value->policy[p], diag);
    }
    return end_figure(report, "convergence, because no learner's training is recorded",
                      "`sweep` or `run` with a learner, and then `evaluate`, would give it.", rc, diag);
}

/* The points of one policy at one value, one series a seed. Points of a seed come by slots. */
static int add_curve(struct report *report, struct figure *figure, const struct evidence_value *value,
                     const struct evidence_policy *policy, bool regret)
{
    struct series *series = calloc(policy->tests, sizeof *series);
    int rc = series != NULL ? 0 : -ENOMEM;
    for (size_t i = 0; i < report->curve_points && rc == 0; i++) {
        const struct report_curve_point *point = &report->curve[i];
        double y = regret ? point->regret_pct : point->cost;
        size_t t = 0;
        while (t < policy->tests && policy->test[t].seed != point->seed)
            t++;
        if (point->value == value && point->policy == policy && t < policy->tests && !isnan(y) &&
            !isnan(point->slots))
            rc = series_add(&series[t], point->slots, y);
    }
    if (rc == 0)
        rc = add_band(report, figure, report_value_label(value), policy->name, series, policy->tests);
    for (size_t t = 0; series != NULL && t < policy->tests; t++)
        series_finish(&series[t]);
    free(series);
    return rc;
}

/* What does not learn is a level: two rows, at the curves' first and last slot. */
static int add_level(struct report *report, struct figure *figure, const struct evidence_value *value,
                     const struct evidence_policy *policy, bool regret, const double ends[static 2])
{
    struct series level = {0};
    int rc = 0;
    for (size_t i = 0; i < report->curve_points && rc == 0; i++) {
        const struct report_curve_point *point = &report->curve[i];
        double y = regret ? point->regret_pct : point->cost;
        if (point->value == value && point->policy == policy && isnan(point->slots) && !isnan(y))
            rc = series_add(&level, 0.0, y);
    }
    for (size_t end = 0; end < 2 && level.n > 0; end++) {
        struct interval interval = bootstrap_mean(&report->bootstrap, level.y, level.n);
        figure_text(figure, report_value_label(value));
        figure_text(figure, policy->name);
        figure_number(figure, ends[end]);
        figure_number(figure, sample_mean(level.y, level.n));
        figure_number(figure, interval.low);
        figure_number(figure, interval.high);
        figure_number(figure, (double) level.n);
        figure_end_row(figure);
    }
    series_finish(&level);
    return rc;
}

/* First and last slot of any curve, and whether all of them know the optimum. */
static bool survey_curves(const struct report *report, const struct evidence_experiment *experiment,
                          double ret_ends[static 2])
{
    bool regret = true;
    ret_ends[0] = (double) NAN;
    ret_ends[1] = (double) NAN;
    for (size_t i = 0; i < report->curve_points; i++) {
        const struct report_curve_point *point = &report->curve[i];
        if (point->experiment != experiment || isnan(point->slots))
            continue;
        ret_ends[0] = fmin(ret_ends[0], point->slots); /* fmin and fmax pass a NAN over */
        ret_ends[1] = fmax(ret_ends[1], point->slots);
        regret = regret && !isnan(point->regret_pct);
    }
    return regret;
}

int plots_curve(struct report *report, const struct evidence_experiment *experiment, struct diag *diag)
{
    double ends[2];
    bool regret = survey_curves(report, experiment, ends);
    if (experiment->sweep[0] == '\0')
        return 0; /* evaluations have no curves */
    struct figure *figure = report_add_figure(report, "learning", "bands.gp", experiment);
    if (figure == NULL)
        return -ENOMEM;
    struct report_panels panels = report_panels(experiment);
    if (trained_once(experiment))
        panels.count = 1;
    figure_title(figure, "Learning curve: %s on held-out slots against training slots",
                 regret ? "regret" : "mean cost");
    figure_caption(figure,
                   "Every checkpoint on the validation streams, without exploration: mean over seeds and "
                   "95 %% interval by bootstrap over seeds, linear between checkpoints; levels: policies "
                   "that do not learn.");
    if (regret)
        figure_caption(figure, " Regret below %g %% is drawn there.", REGRET_FLOOR);
    report_set_panels(figure, &panels);
    figure_set_text(figure, "x_label", "training slots");
    figure_set_text(figure, "y_label", regret ? "regret against the optimum (%)" : "mean cost");
    figure_set_number(figure, "x_log", 1);
    figure_set_number(figure, "y_floor", regret ? REGRET_FLOOR : 0.0);
    figure_set_policies(figure, experiment->policy, experiment->policies);
    if (figure->code == 0)
        figure->code = buf_printf(&figure->csv, "value,policy,x,mean,low,high,seeds\n");
    int rc = 0;
    for (size_t i = 0; i < panels.count && !isnan(ends[0]); i++) {
        const struct evidence_value *value = &experiment->value[panels.index[i]];
        for (size_t p = 0; p < value->policies && rc == 0; p++) {
            rc = add_curve(report, figure, value, &value->policy[p], regret);
            if (rc == 0)
                rc = add_level(report, figure, value, &value->policy[p], regret, ends);
        }
    }
    return end_figure(report, "learning curve, because checkpoints' validations are not kept",
                      "`curve: true` in the sweep's file would keep them.", rc, diag);
}
