#include "orchestrator/report/report.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/base/text_markup.h"
#include "db/results.h"
#include "orchestrator/compare/evidence_read.h"
#include "orchestrator/policy/catalog/full_scenario.h"

static const struct evidence_experiment *find_experiment(const struct evidence *evidence,
                                                         const struct db_curve_point *point)
{
    for (size_t e = 0; e < evidence->experiments; e++) {
        const struct evidence_experiment *experiment = &evidence->experiment[e];
        if (strcmp(experiment->sweep, point->sweep) == 0 &&
            strcmp(experiment->name, point->experiment) == 0 && strcmp(experiment->axis, point->axis) == 0)
            return experiment;
    }
    return NULL;
}

static const struct evidence_value *find_value(const struct evidence_experiment *experiment, const char *text)
{
    for (size_t v = 0; v < experiment->values; v++)
        if (strcmp(experiment->value[v].text, text) == 0)
            return &experiment->value[v];
    return NULL;
}

/* A checkpoint of what has no result (yet) is no evidence. */
static int take_curve_point(void *user, const struct db_curve_point *point)
{
    struct report *report = user;
    const struct evidence_experiment *experiment = find_experiment(&report->evidence, point);
    const struct evidence_value *value = experiment != NULL ? find_value(experiment, point->value) : NULL;
    const struct evidence_policy *policy = value != NULL ? evidence_find(value, point->policy) : NULL;
    if (policy == NULL)
        return 0;
    int rc = 0;
    array_resize(&report->curve, report->curve_points + 1, &rc);
    if (rc != 0)
        return rc;
    report->curve[report->curve_points++] = (struct report_curve_point){
        .experiment = experiment,
        .value = value,
        .policy = policy,
        .seed = point->seed,
        .slots = point->slots,
        .cost = point->mean_cost,
        .regret_pct = point->regret_pct,
        .episode_return = point->mean_return,
    };
    return 0;
}

static int take_unfinished(void *user, int64_t run_id)
{
    return report_leave_out(user, "Run %lld, a test that is not finished.", (long long) run_id);
}

int report_read(struct report *report, struct store *store, const char *sweep, const char *experiment,
                struct diag *diag)
{
    report->store = store;
    int rc = evidence_read(&report->evidence, store, &(struct evidence_filter){sweep, experiment}, diag);
    size_t seeds = evidence_seeds_max(&report->evidence);
    if (rc == 0 && (rc = bootstrap_init(&report->bootstrap, seeds)) != 0)
        rc = diag_fail(diag, rc, "intervals over %zu seeds: %s", seeds, err_text(rc));
    if (rc == 0)
        rc = results_each_curve_point(store, take_curve_point, report, diag);
    return rc == 0 && sweep == NULL ? results_each_unfinished(store, take_unfinished, report, diag) : rc;
}

/* Takes the last figure back. */
static void drop_figure(struct report *report)
{
    assert(report->figures > 0);
    struct figure *figure = report->figure[--report->figures];
    figure_finish(figure);
    free(figure);
}

void report_finish(struct report *report)
{
    while (report->figures > 0)
        drop_figure(report);
    free(report->figure);
    for (size_t i = 0; i < report->gaps; i++)
        free(report->gap[i]);
    free(report->gap);
    free(report->curve);
    bootstrap_finish(&report->bootstrap);
    bootstrap_finish(&report->wide);
    evidence_finish(&report->evidence);
    *report = (struct report){0};
}

int report_wide_bootstrap(struct report *report, size_t n, struct bootstrap **ret_bootstrap)
{
    int rc = report->wide.word == NULL ? bootstrap_init(&report->wide, n) : 0;
    assert(rc != 0 || report->wide.size_max == n);
    if (rc == 0)
        *ret_bootstrap = &report->wide;
    return rc;
}

static bool is_taken(const struct report *report, const char *stem)
{
    for (size_t i = 0; i + 1 < report->figures; i++)
        if (strcmp(report->figure[i]->stem, stem) == 0)
            return true;
    return false;
}

/* Names may come to the same letters: the later one gets a number. */
static void name_figure(const struct report *report, struct figure *figure, const char *kind)
{
    char sweep[32], experiment[32];
    text_markup_slug(sweep, sizeof sweep, figure->experiment->sweep);
    text_markup_slug(experiment, sizeof experiment, figure->experiment->name);
    for (unsigned number = 1; number == 1 || is_taken(report, figure->stem); number++) {
        char suffix[16] = "";
        if (number > 1)
            (void) snprintf(suffix, sizeof suffix, "-%u", number); /* fits, as does all below */
        (void) snprintf(figure->stem, sizeof figure->stem, "%s%s%s%s%s%s", kind, sweep[0] != '\0' ? "-" : "",
                        sweep, experiment[0] != '\0' ? "-" : "", experiment, suffix);
    }
}

struct figure *report_add_figure(struct report *report, const char *kind, const char *template,
                                 const struct evidence_experiment *experiment)
{
    struct figure *figure = calloc(1, sizeof *figure);
    int rc = figure != NULL ? 0 : -ENOMEM;
    array_resize(&report->figure, report->figures + 1, &rc);
    if (rc != 0) {
        free(figure);
        return NULL;
    }
    report->figure[report->figures++] = figure;
    figure->experiment = experiment;
    figure->template = template;
    name_figure(report, figure, kind);
    struct buf *texts[] = {&figure->title, &figure->caption, &figure->head, &figure->csv};
    for (size_t i = 0; i < sizeof texts / sizeof *texts && figure->code == 0; i++)
        figure->code = buf_printf(texts[i], "%s", ""); /* a zero byte follows even nothing */
    return figure;
}

int report_leave_out(struct report *report, const char *format, ...)
{
    char sentence[512];
    va_list args;
    va_start(args, format);
    (void) vsnprintf(sentence, sizeof sentence, format, args); /* a cut sentence is still one */
    va_end(args);
    int rc = 0;
    array_resize(&report->gap, report->gaps + 1, &rc);
    if (rc != 0)
        return rc;
    report->gap[report->gaps] = strdup(sentence);
    return report->gap[report->gaps] != NULL ? (report->gaps++, 0) : -ENOMEM;
}

int report_end_figure(struct report *report, const char *what, const char *remedy, int code,
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
    int rc = what != NULL ? evidence_print_name(figure->experiment, NULL, &name) : 0;
    if (rc == 0 && what != NULL)
        rc = report_leave_out(report, "%s: no %s. %s", (const char *) name.data, what, remedy);
    buf_finish(&name);
    drop_figure(report);
    return rc;
}

struct report_panels report_panels(const struct evidence_experiment *experiment)
{
    struct report_panels panels = {.count = experiment->values};
    if (panels.count > REPORT_PANELS_MAX)
        panels.count = REPORT_PANELS_MAX;
    for (size_t i = 0; i < panels.count; i++)
        panels.index[i] = panels.count > 1 ? i * (experiment->values - 1) / (panels.count - 1) : 0;
    assert(panels.count == 0 || panels.index[panels.count - 1] < experiment->values);
    return panels;
}

void report_set_panels(struct figure *figure, const struct report_panels *panels)
{
    const char *label[REPORT_PANELS_MAX];
    assert(panels->count <= REPORT_PANELS_MAX && panels->count <= figure->experiment->values);
    for (size_t i = 0; i < panels->count; i++)
        label[i] = report_value_label(&figure->experiment->value[panels->index[i]]);
    figure_set_text(figure, "axis", figure->experiment->axis);
    figure_set_texts(figure, "value", label, panels->count);
}

const char *report_value_label(const struct evidence_value *value)
{
    return value->text[0] != '\0' ? value->text : "-";
}

static bool is_of_a_word(char c)
{
    return isalnum((unsigned char) c) || c == '/';
}

/* Is the unit a word of the text? The letter s in "slot" is no second. */
static bool names_unit(const char *text, size_t length, const char *unit)
{
    const size_t size = strlen(unit);
    for (size_t at = 0; at + size <= length; at++)
        if (strncmp(text + at, unit, size) == 0 && (at == 0 || !is_of_a_word(text[at - 1])) &&
            (at + size == length || !is_of_a_word(text[at + size])))
            return true;
    return false;
}

/* A key's meaning up to where it goes into details, and its unit unless that names it. */
static int print_meaning(const struct scenario_key *key, struct buf *text)
{
    size_t length = strcspn(key->meaning, "(;:,");
    while (length > 0 && key->meaning[length - 1] == ' ')
        length--;
    int rc = buf_printf(text, "%.*s", (int) length, key->meaning);
    bool named = key->unit[0] == '\0' || names_unit(key->meaning, length, key->unit);
    return rc == 0 && !named ? buf_printf(text, " (%s)", key->unit) : rc;
}

static bool has_key(const struct scenario_table *table, const char *axis)
{
    for (size_t i = 0; i < scenario_table_key_count(table); i++) {
        struct scenario_key key;
        char range[128], value[64], name[128];
        scenario_table_key_at(table, i, &key, range, value);
        (void) snprintf(name, sizeof name, "%s.%s", key.section, key.key); /* fits: names are short */
        if (strcmp(name, axis) == 0)
            return true;
    }
    return false;
}

bool report_varies_policies(const struct evidence_experiment *experiment)
{
    return has_key(&full_scenario_table, experiment->axis) &&
           !has_key(&scenario_world_table, experiment->axis);
}

int report_axis_label(const char *axis, struct buf *text)
{
    for (size_t i = 0; i < scenario_table_key_count(&full_scenario_table); i++) {
        struct scenario_key key;
        char range[128], value[64], name[128];
        scenario_table_key_at(&full_scenario_table, i, &key, range, value);
        (void) snprintf(name, sizeof name, "%s.%s", key.section, key.key); /* fits: names are short */
        if (strcmp(name, axis) == 0)
            return print_meaning(&key, text);
    }
    return buf_printf(text, "%s", axis);
}
