/* The measured times of layers that a scenario names, from their file into the scenario's own text. */
#include "core/model/dataset.h"

#include <stdio.h>

#include "core/base/err.h"
#include "core/base/parse.h"
#include "core/model/csv.h"
#include "core/model/layer_times.h"

/* model.times_tflops' own limits (scenario.def). */
#define TFLOPS_MIN 1e-6
#define TFLOPS_MAX 1e6

_Static_assert(sizeof((struct scenario *) NULL)->model.times == LAYER_TIMES_TEXT_MAX + 1,
               "the key model.times holds the longest table");

enum column { ROWS, SECONDS, TFLOPS, COLUMNS };

static const char *const columns[COLUMNS] = {"rows", "seconds_per_layer", "tflops"};

static int fail_number(const struct csv *csv, enum column column, const char *field, struct diag *diag)
{
    return diag_fail(diag, ERR_SYNTAX, "%s:%u: %s: '%s' is not a number", csv->path, csv->line,
                     columns[column], field);
}

/* One measurement. The speed of the node that was measured is the same in all lines. */
static int read_line(struct layer_times *times, const struct csv *csv, char (*field)[CSV_FIELD_MAX + 1],
                     double *tflops, struct diag *diag)
{
    char where[DIAG_TEXT_MAX / 2];
    uint64_t rows = 0;
    double seconds = 0.0, told = 0.0;
    (void) snprintf(where, sizeof where, "%s:%u", csv->path, csv->line);
    if (parse_u64(field[ROWS], &rows) != 0)
        return fail_number(csv, ROWS, field[ROWS], diag);
    if (parse_real(field[SECONDS], &seconds) != 0)
        return fail_number(csv, SECONDS, field[SECONDS], diag);
    if (parse_real(field[TFLOPS], &told) != 0)
        return fail_number(csv, TFLOPS, field[TFLOPS], diag);
    if (told < TFLOPS_MIN || told > TFLOPS_MAX)
        return diag_fail(diag, ERR_RANGE, "%s: tflops: %g is out of range, allowed %g to %g", where, told,
                         TFLOPS_MIN, TFLOPS_MAX);
    if (times->count > 0 && told != *tflops)
        return diag_fail(diag, ERR_SYNTAX, "%s: tflops: %g follows %g, all lines are of one node", where,
                         told, *tflops);
    *tflops = told;
    return layer_times_add(times, rows, seconds, where, diag);
}

bool dataset_names_times(const struct scenario *scenario)
{
    return scenario->model.times_csv[0] != '\0' && scenario->model.times[0] == '\0';
}

int dataset_load_times(struct scenario *scenario, struct diag *diag)
{
    char field[COLUMNS][CSV_FIELD_MAX + 1];
    struct layer_times times = {0};
    struct csv csv;
    double tflops = 0.0;
    if (!dataset_names_times(scenario))
        return 0;
    int rc = csv_open(&csv, scenario->model.times_csv, columns, COLUMNS, "model.times_csv", diag);
    if (rc != 0)
        return rc;
    while ((rc = csv_next(&csv, field, diag)) == 1) {
        rc = read_line(&times, &csv, field, &tflops, diag);
        if (rc != 0)
            break;
    }
    if (rc == 0 && times.count == 0)
        rc = diag_fail(diag, ERR_SYNTAX, "%s: no rows below the header, model.times_csv needs at least one",
                       csv.path);
    csv_close(&csv);
    if (rc == 0) {
        layer_times_print(&times, scenario->model.times);
        scenario->model.times_tflops = tflops;
    }
    return rc;
}
