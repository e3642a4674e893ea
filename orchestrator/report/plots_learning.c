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
#define REWARD_POINTS 50u /* where the objective is a reward: short episodes scatter more */
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

/* A training's returns, against its episodes or its slots. */
struct returns {
    struct series series;
    bool against_slots;
    double slots; /* of its last episode */
};

static int take_return(void *user, const double *value, size_t columns)
{
    struct returns *returns = user;
    assert(columns == 4); /* episode, slots until its end, return, slots: returns.sql */
    returns->slots = value[3];
    return series_add(&returns->series, value[returns->against_slots ? 1 : 0], value[2]);
}

/* Means of blocks of as many episodes as leave at most `most` points; x becomes each block's last. Returns how many those
 * are. */
static size_t thin(struct series *series, size_t most)
{
    size_t block = (series->n + most - 1) / most, kept = 0;
    assert(most > 0 && most <= POINTS_MAX);
    for (size_t first = 0; block > 1 && first < series->n; first += block) {
        size_t size = first + block <= series->n ? block : series->n - first;
        series->y[kept] = sample_mean(series->y + first, size);
        series->x[kept++] = series->x[first + size - 1];
    }
    assert(kept <= POINTS_MAX && kept <= series->n);
    if (block > 1)
        series->n = kept;
    return block > 1 ? block : 1;
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

/* Training curves while they are drawn. */
struct training {
    bool against_slots;
    bool levels;  /* what does not learn is drawn beside them */
    size_t block; /* episodes in the mean of a point, at most */
};

/* Where a value's curves begin and end, and how many slots their episodes have; NAN: there is none. */
struct extent {
    double ends[2], slots;
};

static int add_returns(struct report *report, struct figure *figure, struct training *training,
                       const char *value, const struct evidence_policy *policy, struct extent *extent,
                       struct diag *diag)
{
    struct series *series = calloc(policy->tests, sizeof *series);
    size_t seeds = 0;
    int rc = series != NULL ? 0 : -ENOMEM;
    for (size_t t = 0; t < policy->tests && rc == 0; t++) {
        if (policy->test[t].train_run_id == 0)
            continue;
        struct returns returns = {.against_slots = training->against_slots};
        rc = results_each_numbers(report->store, "returns", policy->test[t].train_run_id, take_return,
                                  &returns, diag);
        assert(seeds <= t);
        size_t block = thin(&returns.series, training->against_slots ? REWARD_POINTS : POINTS_MAX),
               n = returns.series.n;
        training->block = block > training->block ? block : training->block;
        if (n > 0) {
            extent->ends[0] = fmin(extent->ends[0], returns.series.x[0]); /* fmin and fmax pass a NAN over */
            extent->ends[1] = fmax(extent->ends[1], returns.series.x[n - 1]);
            extent->slots = returns.slots;
        }
        series[seeds++] = returns.series;
    }
    if (rc == 0)
        rc = add_band(report, figure, value, policy->name, series, seeds);
    for (size_t s = 0; s < seeds; s++)
        series_finish(&series[s]);
    free(series);
    return rc;
}

/* Two rows: what a policy comes to wherever the curves begin and end. */
static void add_ends(struct report *report, struct figure *figure, const char *value, const char *policy,
                     const struct series *level, const double ends[static 2])
{
    for (size_t end = 0; end < 2 && level->n > 0; end++) {
        struct interval interval = bootstrap_mean(&report->bootstrap, level->y, level->n);
        figure_text(figure, value);
        figure_text(figure, policy);
        figure_number(figure, ends[end]);
        figure_number(figure, sample_mean(level->y, level->n));
        figure_number(figure, interval.low);
        figure_number(figure, interval.high);
        figure_number(figure, (double) level->n);
        figure_end_row(figure);
    }
}

/* The mean return of what does not learn, on the test streams, if their episodes are as long as those of training: else
 * returns are no yardstick for one another. */
static int add_return_level(struct report *report, struct figure *figure, const char *value,
                            const struct evidence_policy *policy, const struct extent *extent,
                            struct diag *diag)
{
    struct returns first = {0};
    struct series level = {0};
    assert(policy->tests > 0);
    int rc = results_each_numbers(report->store, "returns", policy->test[0].test_run_id, take_return, &first,
                                  diag);
    for (size_t t = 0; t < policy->tests && rc == 0 && first.series.n > 0 && first.slots == extent->slots;
         t++)
        if (!isnan(policy->test[t].metric[EVIDENCE_RETURN]))
            rc = series_add(&level, 0.0, policy->test[t].metric[EVIDENCE_RETURN]);
    if (rc == 0)
        add_ends(report, figure, value, policy->name, &level, extent->ends);
    series_finish(&first.series);
    series_finish(&level);
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

static int add_training(struct report *report, struct figure *figure, struct training *training,
                        const struct report_panels *panels, struct diag *diag)
{
    int rc = 0;
    for (size_t i = 0; i < panels->count; i++) {
        const struct evidence_value *value = &figure->experiment->value[panels->index[i]];
        struct extent extent = {{(double) NAN, (double) NAN}, (double) NAN};
        for (size_t p = 0; p < value->policies && rc == 0; p++)
            if (learned(&value->policy[p]))
                rc = add_returns(report, figure, training, report_value_label(value), &value->policy[p],
                                 &extent, diag);
        for (size_t p = 0; training->levels && !isnan(extent.ends[0]) && p < value->policies && rc == 0; p++)
            if (!learned(&value->policy[p]))
                rc = add_return_level(report, figure, report_value_label(value), &value->policy[p], &extent,
                                      diag);
    }
    return rc;
}

static void print_training_caption(struct figure *figure, const struct training *training)
{
    figure_caption(
        figure, "Return of each training episode, exploration included: mean over seeds and 95 %% interval "
                "by bootstrap over seeds.");
    if (training->block > 1)
        figure_caption(figure, " Smoothed: points are means of blocks of %zu episodes.", training->block);
    if (training->levels)
        figure_caption(figure, " Levels: policies that do not learn, on the test streams.");
    if (!training->against_slots)
        figure_caption(
            figure, " An episode in which a single task waited on a channel that carried next to nothing may "
                    "leave the panel.");
}

int plots_convergence(struct report *report, const struct evidence_experiment *experiment, struct diag *diag)
{
    bool settings = report_varies_policies(experiment), rewarded = evidence_is_rewarded(experiment);
    struct figure *figure =
        report_add_figure(report, "convergence", settings ? "settings.gp" : "bands.gp", experiment);
    if (figure == NULL)
        return -ENOMEM;
    struct training training = {.against_slots = rewarded, .levels = rewarded && !settings};
    struct report_panels panels = report_panels(experiment);
    if (trained_once(experiment))
        panels.count = 1;
    figure_title(figure, "Convergence: mean return of training episodes");
    report_set_panels(figure, &panels);
    figure_set_text(figure, "x_label", rewarded ? "training steps (slots)" : "episode");
    figure_set_text(figure, "y_label", "episode return");
    figure_set_number(figure, "x_log", 0);
    figure_set_number(figure, "y_floor", 0.0);
    figure_set_number(figure, "fenced", rewarded ? 0.0 : 1.0);
    if (training.levels)
        figure_set_policies(figure, experiment->policy, experiment->policies);
    else
        list_learners(figure);
    if (figure->code == 0)
        figure->code = buf_printf(&figure->csv, "value,policy,x,mean,low,high,seeds\n");
    int rc = add_training(report, figure, &training, &panels, diag);
    print_training_caption(figure, &training);
    return report_end_figure(report, "convergence, because no learner's training is recorded",
                             "`sweep` or `run` with a learner, and then `evaluate`, would give it.", rc,
                             diag);
}

/* What is drawn of checkpoints. */
enum quantity { COST, REGRET, RETURN };

static const struct {
    const char *title, *label;
} quantities[] = {
    [COST] = {"mean cost", "mean cost"},
    [REGRET] = {"regret", "regret against the optimum (%)"},
    [RETURN] = {"mean episode return", "episode return"},
};

static double quantity_of(const struct report_curve_point *point, enum quantity quantity)
{
    return quantity == REGRET ? point->regret_pct : quantity == RETURN ? point->episode_return : point->cost;
}

/* The points of one policy at one value, one series a seed. Points of a seed come by slots. */
static int add_curve(struct report *report, struct figure *figure, const struct evidence_value *value,
                     const struct evidence_policy *policy, enum quantity quantity)
{
    struct series *series = calloc(policy->tests, sizeof *series);
    int rc = series != NULL ? 0 : -ENOMEM;
    for (size_t i = 0; i < report->curve_points && rc == 0; i++) {
        const struct report_curve_point *point = &report->curve[i];
        double y = quantity_of(point, quantity);
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

/* What does not learn is a level. */
static int add_level(struct report *report, struct figure *figure, const struct evidence_value *value,
                     const struct evidence_policy *policy, enum quantity quantity,
                     const double ends[static 2])
{
    struct series level = {0};
    int rc = 0;
    for (size_t i = 0; i < report->curve_points && rc == 0; i++) {
        const struct report_curve_point *point = &report->curve[i];
        double y = quantity_of(point, quantity);
        if (point->value == value && point->policy == policy && isnan(point->slots) && !isnan(y))
            rc = series_add(&level, 0.0, y);
    }
    add_ends(report, figure, report_value_label(value), policy->name, &level, ends);
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
    bool regrets = survey_curves(report, experiment, ends);
    enum quantity quantity = evidence_is_rewarded(experiment) ? RETURN : regrets ? REGRET : COST;
    if (experiment->sweep[0] == '\0')
        return 0; /* evaluations have no curves */
    struct figure *figure = report_add_figure(report, "learning", "bands.gp", experiment);
    if (figure == NULL)
        return -ENOMEM;
    struct report_panels panels = report_panels(experiment);
    if (trained_once(experiment))
        panels.count = 1;
    figure_title(figure, "Learning curve: %s on held-out slots against training slots",
                 quantities[quantity].title);
    figure_caption(figure,
                   "Every checkpoint on the validation streams, without exploration: mean over seeds and "
                   "95 %% interval by bootstrap over seeds, linear between checkpoints; levels: policies "
                   "that do not learn.");
    if (quantity == REGRET)
        figure_caption(figure, " Regret below %g %% is drawn there.", REGRET_FLOOR);
    report_set_panels(figure, &panels);
    figure_set_text(figure, "x_label", "training slots");
    figure_set_text(figure, "y_label", quantities[quantity].label);
    figure_set_number(figure, "x_log", 1);
    figure_set_number(figure, "y_floor", quantity == REGRET ? REGRET_FLOOR : 0.0);
    figure_set_number(figure, "fenced", quantity == COST ? 1.0 : 0.0);
    figure_set_policies(figure, experiment->policy, experiment->policies);
    if (figure->code == 0)
        figure->code = buf_printf(&figure->csv, "value,policy,x,mean,low,high,seeds\n");
    int rc = 0;
    for (size_t i = 0; i < panels.count && !isnan(ends[0]); i++) {
        const struct evidence_value *value = &experiment->value[panels.index[i]];
        for (size_t p = 0; p < value->policies && rc == 0; p++) {
            rc = add_curve(report, figure, value, &value->policy[p], quantity);
            if (rc == 0)
                rc = add_level(report, figure, value, &value->policy[p], quantity, ends);
        }
    }
    return report_end_figure(report, "learning curve, because checkpoints' validations are not kept",
                             "`curve: true` in the sweep's file would keep them.", rc, diag);
}
