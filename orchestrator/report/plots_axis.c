/* A metric against the key that an experiment varies: mean over seeds and 95 % interval of every policy. */
#include "orchestrator/report/plots.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/stats/sample.h"
#include "orchestrator/compare/ranking.h"

static int add_rows(struct report *report, struct figure *figure, const char *policy,
                    enum evidence_metric metric)
{
    const struct evidence_experiment *experiment = figure->experiment;
    size_t most = evidence_seeds_max(&report->evidence);
    double *sample = calloc(most > 0 ? most : 1, sizeof *sample);
    if (sample == NULL)
        return -ENOMEM;
    for (size_t v = 0; v < experiment->values; v++) {
        const struct evidence_policy *there = evidence_find(&experiment->value[v], policy);
        size_t n = there != NULL ? ranking_values(there, metric, sample) : 0;
        if (n == 0)
            continue;
        struct interval interval = bootstrap_mean(&report->bootstrap, sample, n);
        figure_text(figure, policy);
        figure_text(figure, report_value_label(&experiment->value[v]));
        figure_number(figure, experiment->numeric ? experiment->value[v].number : (double) (v + 1));
        figure_number(figure, sample_mean(sample, n));
        figure_number(figure, interval.low);
        figure_number(figure, interval.high);
        figure_number(figure, (double) n);
        figure_end_row(figure);
    }
    free(sample);
    return 0;
}

static void set_axis(struct figure *figure)
{
    const struct evidence_experiment *experiment = figure->experiment;
    struct buf label = {0};
    if (figure->code == 0)
        figure->code = report_axis_label(experiment->axis, &label);
    if (figure->code == 0)
        figure_set_text(figure, "x_label", (const char *) label.data);
    buf_finish(&label);
    const char **names = calloc(experiment->values, sizeof *names);
    if (figure->code == 0 && names == NULL)
        figure->code = -ENOMEM;
    for (size_t v = 0; v < experiment->values && figure->code == 0; v++)
        names[v] = report_value_label(&experiment->value[v]);
    figure_set_texts(figure, "value", names, names != NULL ? experiment->values : 0);
    free(names);
    if (figure->code == 0)
        figure->code = buf_printf(&figure->head, "array place[%zu] = [", experiment->values);
    for (size_t v = 0; v < experiment->values && figure->code == 0; v++)
        figure->code = buf_printf(&figure->head, "%s%.10g", v > 0 ? ", " : "",
                                  experiment->numeric ? experiment->value[v].number : (double) (v + 1));
    if (figure->code == 0)
        figure->code = buf_printf(&figure->head, "]\n");
}

int plots_axis(struct report *report, const struct evidence_experiment *experiment,
               enum evidence_metric metric, struct diag *diag)
{
    const struct evidence_measure *measure = &evidence_measures[metric];
    if (experiment->values < 2)
        return 0; /* nothing is varied: the table says it all */
    struct figure *figure = report_add_figure(report, measure->name, "axis.gp", experiment);
    if (figure == NULL)
        return -ENOMEM;
    char y_label[96];
    (void) snprintf(y_label, sizeof y_label, measure->unit[0] != '\0' ? "%s (%s)" : "%s", measure->title,
                    measure->unit);
    figure_title(figure, "%s against %s", measure->title, experiment->axis);
    figure_caption(figure, "Mean over seeds; bars: 95 %% interval by bootstrap over seeds.");
    set_axis(figure);
    figure_set_text(figure, "y_label", y_label);
    figure_set_number(figure, "numeric", experiment->numeric ? 1.0 : 0.0);
    figure_set_policies(figure, experiment->policy, experiment->policies);
    figure->code =
        figure->code == 0 ? buf_printf(&figure->csv, "policy,value,x,mean,low,high,seeds\n") : figure->code;
    int rc = 0;
    for (size_t p = 0; p < experiment->policies && rc == 0; p++)
        rc = add_rows(report, figure, experiment->policy[p]->name, metric);
    return rc != 0 ? diag_fail(diag, rc, "%s: %s", figure->stem, err_text(rc)) : 0;
}
