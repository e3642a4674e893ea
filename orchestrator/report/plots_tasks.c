/* What is drawn from task rows, wherever tests recorded them. */
#include "orchestrator/report/plots.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/stats/sample.h"
#include "db/results.h"

#define SERVERS_MAX 256u /* servers.count allows no more */
#define SPLITS_MAX 1024u /* no language model has so many layers */

/* One policy's tests at one value. */
struct cell {
    const char *value;
    const struct evidence_policy *policy;
};

/* Every panel's policies, one after the other. `add` adds a policy's rows from all of its tests; those
 * without task rows add none. */
static int add_cells(struct report *report, struct figure *figure, const struct report_panels *panels,
                     int (*add)(struct report *report, struct figure *figure, const struct cell *cell,
                                struct diag *diag),
                     struct diag *diag)
{
    int rc = 0;
    for (size_t i = 0; i < panels->count; i++) {
        const struct evidence_value *value = &figure->experiment->value[panels->index[i]];
        for (size_t p = 0; p < value->policies && rc == 0; p++)
            rc = add(report, figure, &(struct cell){report_value_label(value), &value->policy[p]}, diag);
    }
    return rc;
}

/* Runs one of the queries over every test of a cell; the rows of all of them come to `row`. */
static int each_of_tests(struct report *report, const struct cell *cell, const char *query,
                         int (*row)(void *user, const double *value, size_t columns), void *user,
                         struct diag *diag)
{
    int rc = 0;
    for (size_t t = 0; t < cell->policy->tests && rc == 0; t++)
        rc = results_each_numbers(report->store, query, cell->policy->test[t].test_run_id, row, user, diag);
    return rc;
}

struct sample {
    double *x; /* [n] owned */
    size_t n, capacity;
};

static int take_latency(void *user, const double *value, size_t columns)
{
    struct sample *sample = user;
    assert(columns == 1); /* latencies.sql */
    int rc = array_reserve(&sample->x, &sample->capacity, sample->n + 1);
    if (rc != 0)
        return rc;
    sample->x[sample->n++] = value[0];
    return 0;
}

static int add_box(struct report *report, struct figure *figure, const struct cell *cell, struct diag *diag)
{
    struct sample sample = {0};
    int rc = each_of_tests(report, cell, "latencies", take_latency, &sample, diag);
    if (rc == 0 && sample.n > 0) {
        sample_sort(sample.x, sample.n);
        struct sample_box box = sample_box(sample.x, sample.n);
        double field[] = {box.min, box.p5,  box.q1,  box.median,
                          box.q3,  box.p95, box.max, sample_mean(sample.x, sample.n)};
        figure_text(figure, cell->value);
        figure_text(figure, cell->policy->name);
        figure_number(figure, (double) sample.n);
        for (size_t i = 0; i < sizeof field / sizeof *field; i++)
            figure_number(figure, field[i]);
        figure_end_row(figure);
    }
    free(sample.x);
    return rc;
}

static int plot_boxes(struct report *report, const struct evidence_experiment *experiment, struct diag *diag)
{
    struct report_panels panels = report_panels(experiment);
    struct figure *figure = report_add_figure(report, "boxes", "boxes.gp", experiment);
    if (figure == NULL)
        return -ENOMEM;
    figure_title(figure, "Latency of single tasks");
    figure_caption(figure,
                   "Latency of every finished task that was recorded, all seeds together: median, quartiles "
                   "(box), 5th and 95th percentile (whiskers), mean (diamond).");
    report_set_panels(figure, &panels);
    figure_set_text(figure, "y_label", "latency of a task (s)");
    figure_set_policies(figure, experiment->policy, experiment->policies);
    if (figure->code == 0)
        figure->code = buf_printf(&figure->csv, "value,policy,tasks,min,p5,q1,median,q3,p95,max,mean\n");
    int rc = add_cells(report, figure, &panels, add_box, diag);
    return report_end_figure(report, NULL, NULL, rc, diag);
}

struct split_counts {
    double tasks[SPLITS_MAX];
    double all;
};

static int take_split(void *user, const double *value, size_t columns)
{
    struct split_counts *counts = user;
    assert(columns == 3); /* split, tasks, share: split_histogram.sql */
    if (!(value[0] >= 0.0 && value[0] < SPLITS_MAX))
        return ERR_RANGE;
    counts->tasks[(size_t) value[0]] += value[1];
    counts->all += value[1];
    return 0;
}

static int add_splits(struct report *report, struct figure *figure, const struct cell *cell,
                      struct diag *diag)
{
    struct split_counts *counts = calloc(1, sizeof *counts);
    int rc =
        counts != NULL ? each_of_tests(report, cell, "split_histogram", take_split, counts, diag) : -ENOMEM;
    size_t highest = 0; /* of equals the first */
    for (size_t split = 1; rc == 0 && split < SPLITS_MAX; split++)
        highest = counts->tasks[split] > counts->tasks[highest] ? split : highest;
    for (size_t split = 0; rc == 0 && split < SPLITS_MAX; split++) {
        if (counts->tasks[split] <= 0.0)
            continue;
        figure_text(figure, cell->value);
        figure_text(figure, cell->policy->name);
        figure_number(figure, (double) split);
        figure_number(figure, counts->tasks[split]);
        figure_number(figure, counts->tasks[split] / counts->all);
        figure_number(figure, counts->tasks[split] / counts->tasks[highest]);
        figure_number(figure, split == highest ? 1.0 : 0.0);
        figure_end_row(figure);
    }
    free(counts);
    return rc;
}

static int plot_splits(struct report *report, const struct evidence_experiment *experiment, struct diag *diag)
{
    struct report_panels panels = report_panels(experiment);
    struct figure *figure = report_add_figure(report, "splits", "splits.gp", experiment);
    if (figure == NULL)
        return -ENOMEM;
    figure_title(figure, "Split histograms");
    figure_caption(
        figure,
        "Share of tasks that each policy split after so many layers on the device; each row ends with "
        "the share of its highest bar, and where that stands.");
    report_set_panels(figure, &panels);
    figure_set_text(figure, "x_label", "layers on the device");
    figure_set_policies(figure, experiment->policy, experiment->policies);
    if (figure->code == 0)
        figure->code = buf_printf(&figure->csv, "value,policy,split,tasks,share,height,highest\n");
    int rc = add_cells(report, figure, &panels, add_splits, diag);
    return report_end_figure(report, NULL, NULL, rc, diag);
}

/* Devices of each server in the mean over runs; the first is those that compute alone. */
struct server_devices {
    double devices[SERVERS_MAX + 1];
    size_t runs[SERVERS_MAX + 1];
    double all;
};

static int take_devices(void *user, const double *value, size_t columns)
{
    struct server_devices *servers = user;
    assert(columns == 2); /* server, devices: devices_of_servers.sql */
    if (!(value[0] >= -1.0 && value[0] < SERVERS_MAX))
        return ERR_RANGE;
    size_t at = (size_t) (value[0] + 1.0);
    servers->devices[at] += isnan(value[1]) ? 0.0 : value[1];
    servers->runs[at]++;
    servers->all += isnan(value[1]) ? 0.0 : value[1];
    return 0;
}

/* A test without task rows would count as one without devices: it is left out. */
static int take_devices_of_recorded(struct report *report, const struct cell *cell,
                                    struct server_devices *servers, struct diag *diag)
{
    int rc = 0;
    for (size_t t = 0; t < cell->policy->tests && rc == 0; t++) {
        struct server_devices one = {0};
        rc = results_each_numbers(report->store, "devices_of_servers", cell->policy->test[t].test_run_id,
                                  take_devices, &one, diag);
        for (size_t at = 0; one.all > 0.0 && at <= SERVERS_MAX; at++) {
            servers->devices[at] += one.devices[at];
            servers->runs[at] += one.runs[at];
        }
    }
    return rc;
}

static int add_devices(struct report *report, struct figure *figure, const struct cell *cell,
                       struct diag *diag)
{
    struct server_devices servers = {0};
    int rc = take_devices_of_recorded(report, cell, &servers, diag);
    double below = 0.0;
    for (size_t at = 0; rc == 0 && at <= SERVERS_MAX; at++) {
        if (servers.runs[at] == 0)
            continue;
        double devices = servers.devices[at] / (double) servers.runs[at];
        figure_text(figure, cell->value);
        figure_text(figure, cell->policy->name);
        figure_number(figure, (double) at - 1.0);
        figure_number(figure, devices);
        figure_number(figure, below);
        figure_number(figure, below + devices);
        figure_end_row(figure);
        below += devices;
    }
    return rc;
}

static int plot_servers(struct report *report, const struct evidence_experiment *experiment,
                        struct diag *diag)
{
    struct report_panels panels = report_panels(experiment);
    struct figure *figure = report_add_figure(report, "servers", "servers.gp", experiment);
    if (figure == NULL)
        return -ENOMEM;
    figure_title(figure, "Server load: devices of each server");
    figure_caption(figure,
                   "Devices that a server has in a slot, in the mean over slots and recorded tests; none: "
                   "those that compute alone (server -1 in the data).");
    report_set_panels(figure, &panels);
    figure_set_text(figure, "y_label", "devices in a slot");
    figure_set_policies(figure, experiment->policy, experiment->policies);
    if (figure->code == 0)
        figure->code = buf_printf(&figure->csv, "value,policy,server,devices,low,high\n");
    int rc = add_cells(report, figure, &panels, add_devices, diag);
    return report_end_figure(report, NULL, NULL, rc, diag);
}

/* One run's tracks: gnuplot lifts its pen at an empty line. */
struct walk {
    struct figure *figure;
    double device; /* of the row before; NAN: none */
    double last_slot;
};

static int take_track(void *user, const double *value, size_t columns)
{
    struct walk *walk = user;
    assert(columns == 5); /* device, slot, x_m, y_m, server: tracks.sql */
    if (!isnan(walk->device) && value[0] > walk->device)
        figure_end_row(walk->figure);
    walk->device = value[0];
    walk->last_slot = fmax(walk->last_slot, value[1]);
    figure_text(walk->figure, "device");
    for (size_t i = 0; i + 1 < columns; i++)
        figure_number(walk->figure, value[i]);
    figure_number(walk->figure, isnan(value[columns - 1]) ? -1.0 : value[columns - 1]);
    figure_end_row(walk->figure);
    return walk->figure->code;
}

static int take_site(void *user, const double *value, size_t columns)
{
    struct walk *walk = user;
    assert(columns == 3); /* number, x_m, y_m: sites.sql */
    figure_text(walk->figure, "server");
    figure_number(walk->figure, value[0]);
    figure_number(walk->figure, (double) NAN);
    figure_number(walk->figure, value[1]);
    figure_number(walk->figure, value[2]);
    figure_number(walk->figure, value[0]);
    figure_end_row(walk->figure);
    return walk->figure->code;
}

/* The tests of one policy at a value, the first whose tasks are there. */
static int add_tracks_of(struct report *report, struct walk *walk, const struct evidence_policy *policy,
                         const struct evidence_test **ret_test, struct diag *diag)
{
    int rc = 0;
    for (size_t t = 0; t < policy->tests && isnan(walk->device) && rc == 0; t++) {
        int64_t run_id = policy->test[t].test_run_id;
        rc = results_each_numbers(report->store, "tracks", run_id, take_track, walk, diag);
        if (rc == 0 && !isnan(walk->device)) {
            *ret_test = &policy->test[t];
            figure_end_row(walk->figure);
            rc = results_each_numbers(report->store, "sites", run_id, take_site, walk, diag);
        }
    }
    return rc;
}

/* Learners first, the newest of them before the older: their tracks are the ones to look at. */
static const struct evidence_policy *nth_choice(const struct evidence_value *value, size_t n)
{
    assert(n < value->policies);
    for (int learns = 1; learns >= 0; learns--)
        for (size_t p = value->policies; p-- > 0;) {
            const struct evidence_policy *policy = &value->policy[p];
            if (evidence_is_learned(policy) == (learns == 1) && n-- == 0)
                return policy;
        }
    return NULL; /* not reached: n is one of the policies */
}

/* The first test whose tasks are there: at the middle value or, failing that, at the others. */
static int find_tracks(struct report *report, struct walk *walk, const struct evidence_value **ret_value,
                       const struct evidence_policy **ret_policy, const struct evidence_test **ret_test,
                       struct diag *diag)
{
    const struct evidence_experiment *experiment = walk->figure->experiment;
    int rc = 0;
    for (size_t v = 0; v < experiment->values; v++) {
        *ret_value = &experiment->value[(experiment->values / 2 + v) % experiment->values];
        for (size_t n = 0; n < (*ret_value)->policies && rc == 0; n++) {
            *ret_policy = nth_choice(*ret_value, n);
            rc = add_tracks_of(report, walk, *ret_policy, ret_test, diag);
            if (*ret_test != NULL)
                return rc;
        }
    }
    return rc;
}

static int plot_tracks(struct report *report, const struct evidence_experiment *experiment, struct diag *diag)
{
    struct figure *figure = report_add_figure(report, "tracks", "tracks.gp", experiment);
    if (figure == NULL)
        return -ENOMEM;
    const struct evidence_value *value = NULL;
    const struct evidence_policy *policy = NULL;
    const struct evidence_test *test = NULL;
    struct walk walk = {.figure = figure, .device = (double) NAN};
    if (figure->code == 0)
        figure->code = buf_printf(&figure->csv, "node,number,slot,x_m,y_m,server\n");
    int rc = find_tracks(report, &walk, &value, &policy, &test, diag);
    if (test != NULL) {
        figure_title(figure, "Device tracks, coloured by server");
        figure_caption(
            figure,
            "Where the devices went in %g slots of the first test episode, and which server %s chose for "
            "them (seed %llu%s%s%s%s); squares: servers.",
            walk.last_slot + 1.0, policy->name, (unsigned long long) test->seed,
            experiment->axis[0] != '\0' ? ", " : "", experiment->axis,
            experiment->axis[0] != '\0' ? " = " : "", value->text);
    }
    return report_end_figure(report, NULL, NULL, rc, diag);
}

static int take_has_tasks(void *user, const double *value, size_t columns)
{
    bool *has_tasks = user;
    assert(columns == 1); /* has_tasks.sql */
    *has_tasks = *has_tasks || value[0] > 0.0;
    return 0;
}

static int find_tasks(struct report *report, const struct evidence_experiment *experiment,
                      bool *ret_has_tasks, struct diag *diag)
{
    int rc = 0;
    *ret_has_tasks = false;
    for (size_t v = 0; v < experiment->values; v++)
        for (size_t p = 0; p < experiment->value[v].policies && rc == 0 && !*ret_has_tasks; p++)
            rc = each_of_tests(report, &(struct cell){"", &experiment->value[v].policy[p]}, "has_tasks",
                               take_has_tasks, ret_has_tasks, diag);
    return rc;
}

int plots_tasks(struct report *report, const struct evidence_experiment *experiment, struct diag *diag)
{
    bool has_tasks = false;
    struct buf name = {0};
    int rc = find_tasks(report, experiment, &has_tasks, diag);
    if (rc == 0 && !has_tasks && (rc = evidence_print_name(experiment, NULL, &name)) == 0)
        rc = report_leave_out(
            report,
            "%s: no latencies of single tasks, split histograms, server load and device tracks, "
            "because no test kept its task rows. `record_tasks` in the sweep's file would (of "
            "an evaluation: `run --record tasks`).",
            (const char *) name.data);
    buf_finish(&name);
    if (rc == 0 && has_tasks)
        rc = plot_boxes(report, experiment, diag);
    if (rc == 0 && has_tasks)
        rc = plot_splits(report, experiment, diag);
    if (rc == 0 && has_tasks)
        rc = plot_servers(report, experiment, diag);
    return rc == 0 && has_tasks ? plot_tracks(report, experiment, diag) : rc;
}
