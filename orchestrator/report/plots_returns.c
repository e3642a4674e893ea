/* How the returns of test episodes scatter, wherever the objective is a reward. */
#include "orchestrator/report/plots.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/array.h"
#include "core/stats/density.h"
#include "core/stats/sample.h"
#include "db/results.h"

#define STEPS 100u      /* of a violin's outline, from its least to its greatest return */
#define HALF_WIDTH 0.42 /* of a violin where it is widest; policies stand 1 apart */

struct sample {
    double *x; /* [n] owned */
    size_t n, capacity;
};

static int take_return(void *user, const double *value, size_t columns)
{
    struct sample *sample = user;
    assert(columns == 4); /* episode, slots until its end, return, slots: returns.sql */
    int rc = array_reserve(&sample->x, &sample->capacity, sample->n + 1);
    if (rc != 0)
        return rc;
    sample->x[sample->n++] = value[2];
    return 0;
}

/* What every row of a violin says. */
struct violin {
    const char *value, *policy;
    size_t episodes;
};

static void add_row(struct figure *figure, const struct violin *violin, const char *row, double at,
                    double density, double width)
{
    figure_text(figure, violin->value);
    figure_text(figure, violin->policy);
    figure_text(figure, row);
    figure_number(figure, at);
    figure_number(figure, density);
    figure_number(figure, width);
    figure_number(figure, (double) violin->episodes);
    figure_end_row(figure);
}

/* Up on the right side, down on the left. A sample without a density has none. */
static void add_outline(struct figure *figure, const struct violin *violin, const struct sample *sample)
{
    double bandwidth = density_bandwidth(sample->x, sample->n), density[STEPS + 1], densest = 0.0;
    if (bandwidth <= 0.0)
        return;
    double low = sample->x[0], step = (sample->x[sample->n - 1] - low) / STEPS;
    for (unsigned i = 0; i <= STEPS; i++) {
        density[i] = density_at(sample->x, sample->n, bandwidth, low + i * step);
        densest = fmax(densest, density[i]);
    }
    for (unsigned k = 0; k <= 2 * STEPS + 1; k++) {
        unsigned i = k <= STEPS ? k : 2 * STEPS + 1 - k;
        double width = HALF_WIDTH * density[i] / densest;
        add_row(figure, violin, "density", low + i * step, density[i], k <= STEPS ? width : -width);
    }
}

static int add_violin(struct report *report, struct figure *figure, const char *value,
                      const struct evidence_policy *policy, struct diag *diag)
{
    struct sample sample = {0};
    int rc = 0;
    for (size_t t = 0; t < policy->tests && rc == 0; t++)
        rc = results_each_numbers(report->store, "returns", policy->test[t].test_run_id, take_return, &sample,
                                  diag);
    if (rc == 0 && sample.n > 0) {
        struct violin violin = {value, policy->name, sample.n};
        sample_sort(sample.x, sample.n);
        struct sample_box box = sample_box(sample.x, sample.n);
        add_outline(figure, &violin, &sample);
        add_row(figure, &violin, "q1", box.q1, (double) NAN, (double) NAN);
        add_row(figure, &violin, "median", box.median, (double) NAN, (double) NAN);
        add_row(figure, &violin, "q3", box.q3, (double) NAN, (double) NAN);
        add_row(figure, &violin, "mean", sample_mean(sample.x, sample.n), (double) NAN, (double) NAN);
    }
    free(sample.x);
    return rc;
}

int plots_returns(struct report *report, const struct evidence_experiment *experiment, struct diag *diag)
{
    if (!evidence_is_rewarded(experiment))
        return 0; /* of costs the tables and `boxes` tell */
    struct figure *figure = report_add_figure(report, "violins", "violins.gp", experiment);
    if (figure == NULL)
        return -ENOMEM;
    struct report_panels panels = report_panels(experiment);
    figure_title(figure, "Returns of test episodes");
    figure_caption(
        figure,
        "Every episode on the test streams, all seeds together. Outline: kernel density (Gaussian, "
        "Silverman's bandwidth) from the least to the greatest return, each as wide as the others where "
        "it is densest; bar: quartiles; white: median; diamond: mean.");
    report_set_panels(figure, &panels);
    figure_set_text(figure, "y_label", "return of an episode");
    figure_set_policies(figure, experiment->policy, experiment->policies);
    if (figure->code == 0)
        figure->code = buf_printf(&figure->csv, "value,policy,row,return,density,width,episodes\n");
    int rc = 0;
    for (size_t i = 0; i < panels.count; i++) {
        const struct evidence_value *value = &experiment->value[panels.index[i]];
        for (size_t p = 0; p < value->policies && rc == 0; p++)
            rc = add_violin(report, figure, report_value_label(value), &value->policy[p], diag);
    }
    return report_end_figure(report, "returns of test episodes, because none are recorded",
                             "A test that is finished would give them.", rc, diag);
}
