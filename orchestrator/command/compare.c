/* compare: at each value of each experiment every policy's mean over seeds with its interval, its paired
 * difference to the best that sees no more than it does, a ranking where it holds, and what `dapo` and
 * `dapo-plus` gain over each baseline. */
#include "orchestrator/command/commands.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "db/experiment_file.h"
#include "db/results.h"
#include "orchestrator/compare/evidence_read.h"
#include "orchestrator/compare/ranking.h"
#include "orchestrator/compare/reduction.h"

static bool sees_observations(const struct evidence_policy *policy)
{
    return policy->sees == POLICY_SEES_OBSERVATIONS;
}

static bool sees_model(const struct evidence_policy *policy)
{
    return policy->sees == POLICY_SEES_MODEL;
}

static bool sees_world(const struct evidence_policy *policy)
{
    return policy->sees == POLICY_SEES_WORLD;
}

/* Who is compared with whom. */
static const struct {
    const char *name;
    bool (*admits)(const struct evidence_policy *policy);
} groups[] = {
    {"observations", sees_observations},
    {"model", sees_model},
    {"world", sees_world},
    {"all", NULL},
};
#define GROUPS (sizeof groups / sizeof *groups)
#define GROUP_ALL (GROUPS - 1)

struct comparison {
    bool chosen; /* the metric is; else each value has that of its objective */
    enum evidence_metric metric;
    struct evidence evidence;
    struct bootstrap bootstrap;
};

static enum evidence_metric metric_of(const struct comparison *comparison, const struct evidence_value *value)
{
    return comparison->chosen ? comparison->metric : evidence_objective(value);
}

static int find_metric(const char *name, enum evidence_metric *ret_metric, struct diag *diag)
{
    for (size_t i = 0; i < EVIDENCE_METRICS; i++)
        if (name == NULL || strcmp(evidence_measures[i].name, name) == 0) {
            *ret_metric = (enum evidence_metric) i;
            return 0;
        }
    return diag_fail(diag, ERR_UNKNOWN,
                     "--metric: '%s' is none of cost, latency, energy, p95, regret, return", name);
}

static const char *format_interval(const struct interval *interval, char text[static 48])
{
    if (isnan(interval->low))
        return "-";
    (void) snprintf(text, 48, "%.4g to %.4g", interval->low, interval->high); /* fits */
    return text;
}

static void print_line(const struct ranking_line *line, bool first)
{
    char interval[48], difference[24] = "-", of_difference[48], more[24] = "-", mark[EVIDENCE_MARK_TEXT];
    if (!first) {
        (void) snprintf(difference, sizeof difference, "%.4g", line->to_best.difference); /* fits */
        ranking_format_more(line->to_best.more, more);
    }
    (void) printf("  %-18s %-13s %5zu %11.4f  %-20s %11s  %-22s %s%s\n", line->policy->name,
                  policy_sees_name(line->policy->sees), line->seeds, line->mean,
                  format_interval(&line->interval, interval), difference,
                  first ? "-" : format_interval(&line->to_best.interval, of_difference), more,
                  evidence_mark(line->policy, mark));
}

static int print_group(const struct ranking *ranking, size_t group)
{
    struct buf verdict = {0};
    char indent[32];
    for (size_t i = 0; group != GROUP_ALL && i < ranking->lines; i++)
        print_line(&ranking->line[i], i == 0);
    (void) snprintf(indent, sizeof indent, "    %s: ", groups[group].name); /* fits */
    int rc = ranking_print_verdict(ranking, indent, &verdict);
    if (rc == 0 && verdict.size > 0)
        (void) printf("%s", (const char *) verdict.data);
    buf_finish(&verdict);
    return rc;
}

static int print_value(struct comparison *comparison, const struct evidence_experiment *experiment,
                       const struct evidence_value *value)
{
    enum evidence_metric metric = metric_of(comparison, value);
    const struct evidence_measure *measure = &evidence_measures[metric];
    struct buf name = {0};
    int rc = evidence_print_name(experiment, value, &name);
    if (rc == 0)
        (void) printf("%s\n  %-18s %-13s %5s %11s  %-20s %11s  %-22s %s\n", (const char *) name.data,
                      "policy", "sees", "seeds", measure->name, "95 % interval", "to best",
                      "95 % interval, paired", "more runs");
    buf_finish(&name);
    for (size_t g = 0; g < GROUPS && rc == 0; g++) {
        struct ranking ranking = {0};
        rc = ranking_make(&ranking, value, metric_of(comparison, value), groups[g].admits,
                          &comparison->bootstrap);
        if (rc == 0)
            rc = print_group(&ranking, g);
        ranking_finish(&ranking);
    }
    (void) putchar('\n');
    return rc;
}

static void print_reduction(const struct reduction *headline, const char *metric)
{
    char most[48], mean[48];
    struct interval of_most = {100.0 * headline->most_interval.low, 100.0 * headline->most_interval.high};
    struct interval of_mean = {100.0 * headline->mean_interval.low, 100.0 * headline->mean_interval.high};
    (void) printf("  %-10s %-18s %-8s %5zu %8.1f  %-18s %-10s %8.1f  %-18s %zu, %zu of %zu\n", headline->ours,
                  headline->baseline, metric, headline->seeds, 100.0 * headline->most,
                  format_interval(&of_most, most),
                  headline->most_at->text[0] != '\0' ? headline->most_at->text : "-", 100.0 * headline->mean,
                  format_interval(&of_mean, mean), headline->better, headline->worse, headline->values);
}

/* The head, once, before the first row. */
static int begin_reductions(const struct evidence_experiment **untold)
{
    struct buf name = {0};
    int rc = *untold != NULL ? evidence_print_name(*untold, NULL, &name) : 0;
    if (rc == 0 && *untold != NULL) {
        (void) printf(
            "%s: how much lower, in %% of the baseline (negative: higher); better and worse: at how "
            "many values that is sure\n",
            (const char *) name.data);
        (void) printf("  %-10s %-18s %-8s %5s %8s  %-18s %-10s %8s  %-18s %s\n", "policy", "against",
                      "metric", "seeds", "most", "95 % interval", "at", "mean", "95 % interval",
                      "better, worse");
        *untold = NULL;
    }
    buf_finish(&name);
    return rc;
}

static int print_reductions(void *user, const struct reduction *latency, const struct reduction *energy)
{
    int rc = begin_reductions(user);
    if (rc == 0) {
        print_reduction(latency, "latency");
        print_reduction(energy, "energy");
    }
    return rc;
}

static int print_refusal(void *user, const struct evidence_policy *ours,
                         const struct evidence_policy *baseline, const struct evidence_policy *who)
{
    int rc = begin_reductions(user);
    if (rc == 0)
        (void) printf("  %-10s %-18s nothing is said: %s never learned at %zu of %zu seeds (0 updates)\n",
                      ours->name, baseline->name, who->name, evidence_never_learned(who), who->tests);
    return rc;
}

static int print_arithmetics(const struct evidence *evidence)
{
    struct buf text = {0};
    int rc = evidence_print_arithmetics(evidence, &text);
    if (rc == 0 && text.size > 0)
        (void) printf("%s\n\n", (const char *) text.data);
    buf_finish(&text);
    return rc;
}

static int print_text(struct comparison *comparison)
{
    int rc = print_arithmetics(&comparison->evidence);
    const struct evidence *evidence = &comparison->evidence;
    for (size_t e = 0; e < evidence->experiments; e++)
        for (size_t v = 0; v < evidence->experiment[e].values && rc == 0; v++)
            rc = print_value(comparison, &evidence->experiment[e], &evidence->experiment[e].value[v]);
    for (size_t e = 0; e < evidence->experiments && rc == 0; e++) {
        const struct evidence_experiment *untold = &evidence->experiment[e];
        rc = reduction_each(untold, &comparison->bootstrap,
                            &(struct reduction_rows){print_reductions, print_refusal, &untold});
        if (untold == NULL)
            (void) putchar('\n');
    }
    return rc;
}

/* JSON has no NAN: null. */
static json_t *json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *json_interval(const struct interval *interval)
{
    return isfinite(interval->low) ? json_pack("[f, f]", interval->low, interval->high) : json_null();
}

static json_t *json_more(uint32_t more)
{
    return more == RANKING_UNREACHABLE ? json_null() : json_integer((json_int_t) more);
}

static json_t *json_line(const struct ranking_line *line, bool first)
{
    json_t *object = json_pack(
        "{s:s, s:s, s:b, s:I, s:I, s:o, s:o}", "policy", line->policy->name, "sees",
        policy_sees_name(line->policy->sees), "learned", evidence_is_learned(line->policy), "never_learned",
        (json_int_t) evidence_never_learned(line->policy), "seeds", (json_int_t) line->seeds, "mean",
        json_number(line->mean), "interval", json_interval(&line->interval));
    if (object == NULL || first)
        return object;
    json_t *pair =
        json_pack("{s:s, s:I, s:o, s:o, s:b, s:o}", "best", line->to_best.better->name, "common_seeds",
                  (json_int_t) line->to_best.seeds, "difference", json_number(line->to_best.difference),
                  "interval", json_interval(&line->to_best.interval), "clear", line->to_best.clear,
                  "more_runs", json_more(line->to_best.more));
    if (json_object_set_new(object, "to_best", pair) == 0)
        return object;
    json_decref(object);
    return NULL;
}

/* Lists of names, best first: those in one list are not told apart. */
static json_t *json_ranking(const struct ranking *ranking)
{
    json_t *names = json_array(), *tied = NULL;
    for (size_t i = 0; i < ranking->lines; i++) {
        if (i == 0 || ranking->cut[i]) {
            tied = json_array();
            (void) json_array_append_new(names, tied); /* NULL is refused, and then the next is too */
        }
        if (json_array_append_new(tied, json_string(ranking->line[i].policy->name)) != 0) {
            json_decref(names);
            return NULL;
        }
    }
    return names;
}

static json_t *json_doubts(const struct ranking *ranking)
{
    json_t *doubts = json_array();
    for (size_t i = 1; i < ranking->lines; i++) {
        const struct ranking_pair *pair = ranking_doubt(ranking, i);
        if (ranking->cut[i])
            continue;
        json_t *doubt = json_pack("{s:[s, s], s:I, s:o, s:o}", "policies", pair->better->name,
                                  pair->worse->name, "common_seeds", (json_int_t) pair->seeds, "interval",
                                  json_interval(&pair->interval), "more_runs", json_more(pair->more));
        command_append_json(&doubts, doubt);
    }
    return doubts;
}

/* A group's lines, ranking and what is not ranked. */
static json_t *json_group(const struct ranking *ranking)
{
    json_t *lines = json_array();
    for (size_t i = 0; i < ranking->lines; i++)
        command_append_json(&lines, json_line(&ranking->line[i], i == 0));
    return json_pack("{s:o, s:o, s:o}", "policies", lines, "ranking", json_ranking(ranking), "not_ranked",
                     json_doubts(ranking));
}

static int add_value(struct comparison *comparison, const struct evidence_experiment *experiment,
                     const struct evidence_value *value, json_t *values)
{
    json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:s}", "sweep", experiment->sweep, "experiment",
                               experiment->name, "axis", experiment->axis, "value", value->text, "metric",
                               evidence_measures[metric_of(comparison, value)].name);
    int rc = object != NULL ? 0 : -ENOMEM;
    for (size_t g = 0; g < GROUPS && rc == 0; g++) {
        struct ranking ranking = {0};
        rc = ranking_make(&ranking, value, metric_of(comparison, value), groups[g].admits,
                          &comparison->bootstrap);
        if (rc == 0 && json_object_set_new(object, groups[g].name, json_group(&ranking)) != 0)
            rc = -ENOMEM;
        ranking_finish(&ranking);
    }
    if (rc == 0)
        return json_array_append_new(values, object) == 0 ? 0 : -ENOMEM;
    json_decref(object);
    return rc;
}

static json_t *json_reduction(const struct reduction *headline)
{
    return json_pack("{s:o, s:o, s:s, s:o, s:o, s:I, s:I, s:I, s:I}", "most", json_number(headline->most),
                     "most_interval", json_interval(&headline->most_interval), "most_at",
                     headline->most_at->text, "mean", json_number(headline->mean), "mean_interval",
                     json_interval(&headline->mean_interval), "seeds", (json_int_t) headline->seeds, "values",
                     (json_int_t) headline->values, "better", (json_int_t) headline->better, "worse",
                     (json_int_t) headline->worse);
}

struct reductions {
    const struct evidence_experiment *experiment;
    json_t *array, *refused;
};

static int add_reductions(void *user, const struct reduction *latency, const struct reduction *energy)
{
    struct reductions *reductions = user;
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "sweep", reductions->experiment->sweep, "experiment",
        reductions->experiment->name, "axis", reductions->experiment->axis, "policy", latency->ours,
        "against", latency->baseline, "latency", json_reduction(latency), "energy", json_reduction(energy));
    return json_array_append_new(reductions->array, object) == 0 ? 0 : -ENOMEM;
}

static int add_refusal(void *user, const struct evidence_policy *ours, const struct evidence_policy *baseline,
                       const struct evidence_policy *who)
{
    struct reductions *reductions = user;
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "sweep", reductions->experiment->sweep, "experiment",
                  reductions->experiment->name, "axis", reductions->experiment->axis, "policy", ours->name,
                  "against", baseline->name, "never_learned", who->name, "never_learned_seeds",
                  (json_int_t) evidence_never_learned(who));
    return json_array_append_new(reductions->refused, object) == 0 ? 0 : -ENOMEM;
}

static int print_json(struct comparison *comparison, struct diag *diag)
{
    json_t *values = json_array(), *array = json_array(), *refused = json_array();
    const struct evidence *evidence = &comparison->evidence;
    int rc = 0;
    for (size_t e = 0; e < evidence->experiments && rc == 0; e++) {
        struct reductions reductions = {&evidence->experiment[e], array, refused};
        for (size_t v = 0; v < evidence->experiment[e].values && rc == 0; v++)
            rc = add_value(comparison, &evidence->experiment[e], &evidence->experiment[e].value[v], values);
        if (rc == 0)
            rc = reduction_each(reductions.experiment, &comparison->bootstrap,
                                &(struct reduction_rows){add_reductions, add_refusal, &reductions});
    }
    json_t *whole = json_pack("{s:o, s:o, s:o}", "values", values, "reductions", array, "refused",
                              refused); /* takes all over */
    if (rc == 0)
        return command_print_json(whole, diag);
    json_decref(whole);
    return rc;
}

static int print_unfinished(void *user, int64_t run_id)
{
    (void) user;
    (void) printf("left out: run %lld, a test that is not finished\n", (long long) run_id);
    return 0;
}

int command_compare(const struct cli *cli, struct diag *diag)
{
    struct comparison comparison = {0};
    struct experiment_file file = {0};
    comparison.chosen = cli->metric != NULL;
    int rc = find_metric(cli->metric, &comparison.metric, diag);
    if (rc == 0)
        rc = experiment_file_open(&file, cli->db, DB_READ, diag);
    if (rc == 0)
        rc = evidence_read(&comparison.evidence, file.store,
                           &(struct evidence_filter){cli->sweep, cli->experiment}, diag);
    if (rc == 0 &&
        (rc = bootstrap_init(&comparison.bootstrap, evidence_seeds_max(&comparison.evidence))) != 0)
        rc = diag_fail(diag, rc, "intervals over %zu seeds: %s", evidence_seeds_max(&comparison.evidence),
                       err_text(rc));
    if (rc == 0 && (rc = cli->json ? print_json(&comparison, diag) : print_text(&comparison)) != 0)
        rc = diag_fail(diag, rc, "comparison: %s", err_text(rc));
    if (rc == 0 && !cli->json && cli->sweep == NULL)
        rc = results_each_unfinished(file.store, print_unfinished, NULL, diag);
    bootstrap_finish(&comparison.bootstrap);
    evidence_finish(&comparison.evidence);
    (void) experiment_file_close(&file, NULL); /* only read */
    return command_status(rc, diag);
}
