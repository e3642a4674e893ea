#include "orchestrator/compare/ranking.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/text_format.h"
#include "core/stats/sample.h"
#include "core/stats/student.h"

size_t ranking_values(const struct evidence_policy *policy, enum evidence_metric metric, double *ret_value)
{
    size_t n = 0;
    assert(metric < EVIDENCE_METRICS);
    for (size_t t = 0; t < policy->tests; t++)
        if (!isnan(policy->test[t].metric[metric]))
            ret_value[n++] = policy->test[t].metric[metric];
    return n;
}

/* Both policies' tests stand by seed. */
static size_t take_differences(const struct ranking_pair *pair, enum evidence_metric metric,
                               double *ret_value)
{
    const struct evidence_policy *a = pair->better, *b = pair->worse;
    double sign = evidence_measures[metric].more ? -1.0 : 1.0;
    size_t n = 0;
    for (size_t i = 0, j = 0; i < a->tests && j < b->tests;) {
        if (a->test[i].seed != b->test[j].seed) {
            *(a->test[i].seed < b->test[j].seed ? &i : &j) += 1;
            continue;
        }
        assert(i == 0 || a->test[i - 1].seed < a->test[i].seed); /* evidence_sort */
        double difference = sign * (b->test[j++].metric[metric] - a->test[i++].metric[metric]);
        if (!isnan(difference))
            ret_value[n++] = difference;
    }
    return n;
}

static uint32_t runs_missing(const double *difference, size_t n, double mean)
{
    assert(n < UINT32_MAX - 1);
    uint32_t have = (uint32_t) n;
    if (n < 2)
        return RANKING_SEEDS_MIN - have;
    /* The bootstrap may doubt what t would let pass: then at least one more. */
    uint32_t least = have + 1 < RANKING_SEEDS_MIN ? RANKING_SEEDS_MIN : have + 1;
    uint32_t runs = student_runs(mean, sample_deviation(difference, n), least);
    assert(runs == 0 || runs > have);
    return runs > 0 ? runs - have : RANKING_UNREACHABLE;
}

static void compare(struct ranking_pair *pair, enum evidence_metric metric, double *scratch,
                    struct bootstrap *bootstrap)
{
    pair->seeds = take_differences(pair, metric, scratch);
    pair->difference = sample_mean(scratch, pair->seeds);
    pair->interval = bootstrap_mean(bootstrap, scratch, pair->seeds);
    pair->clear = pair->seeds >= RANKING_SEEDS_MIN && pair->interval.low > 0.0;
    pair->more = pair->clear ? 0 : runs_missing(scratch, pair->seeds, pair->difference);
}

static int by_mean(const void *a, const void *b)
{
    double x = ((const struct ranking_line *) a)->mean, y = ((const struct ranking_line *) b)->mean;
    return (x > y) - (x < y);
}

static int by_mean_down(const void *a, const void *b)
{
    return by_mean(b, a);
}

static void draw_up_lines(struct ranking *ranking, const struct evidence_value *value,
                          enum evidence_metric metric, bool (*admits)(const struct evidence_policy *policy),
                          double *scratch)
{
    for (size_t p = 0; p < value->policies; p++) {
        const struct evidence_policy *policy = &value->policy[p];
        size_t n = admits == NULL || admits(policy) ? ranking_values(policy, metric, scratch) : 0;
        if (n > 0)
            ranking->line[ranking->lines++] =
                (struct ranking_line){.policy = policy, .seeds = n, .mean = sample_mean(scratch, n)};
    }
    assert(ranking->lines <= value->policies);
    if (ranking->lines > 1)
        qsort(ranking->line, ranking->lines, sizeof *ranking->line,
              evidence_measures[metric].more ? by_mean_down : by_mean);
}

static void judge(struct ranking *ranking, enum evidence_metric metric, double *scratch,
                  struct bootstrap *bootstrap)
{
    size_t lines = ranking->lines;
    for (size_t i = 0; i < lines; i++) {
        struct ranking_line *line = &ranking->line[i];
        size_t n = ranking_values(line->policy, metric, scratch);
        line->interval = bootstrap_mean(bootstrap, scratch, n);
        for (size_t j = i + 1; j < lines; j++) {
            struct ranking_pair *pair = &ranking->pair[i * lines + j];
            *pair = (struct ranking_pair){.better = line->policy, .worse = ranking->line[j].policy};
            compare(pair, metric, scratch, bootstrap);
        }
        line->to_best = ranking->pair[i]; /* of the first row; its own place is empty */
    }
    for (size_t at = 1; at < lines; at++) {
        ranking->cut[at] = true;
        for (size_t i = 0; i < at; i++)
            for (size_t j = at; j < lines; j++)
                ranking->cut[at] = ranking->cut[at] && ranking->pair[i * lines + j].clear;
    }
}

int ranking_make(struct ranking *ret_ranking, const struct evidence_value *value, enum evidence_metric metric,
                 bool (*admits)(const struct evidence_policy *policy), struct bootstrap *bootstrap)
{
    size_t most = 1, policies = value->policies > 0 ? value->policies : 1;
    for (size_t p = 0; p < value->policies; p++)
        most = value->policy[p].tests > most ? value->policy[p].tests : most;
    struct ranking ranking = {
        .metric = metric,
        .line = calloc(policies, sizeof *ranking.line),
        .pair = calloc(policies * policies, sizeof *ranking.pair),
        .cut = calloc(policies, sizeof *ranking.cut),
    };
    double *scratch = calloc(most, sizeof *scratch);
    int rc =
        ranking.line != NULL && ranking.pair != NULL && ranking.cut != NULL && scratch != NULL ? 0 : -ENOMEM;
    if (rc == 0) {
        draw_up_lines(&ranking, value, metric, admits, scratch);
        judge(&ranking, metric, scratch, bootstrap);
        *ret_ranking = ranking;
    } else {
        ranking_finish(&ranking);
    }
    free(scratch);
    return rc;
}

void ranking_finish(struct ranking *ranking)
{
    free(ranking->line);
    free(ranking->pair);
    free(ranking->cut);
    *ranking = (struct ranking){0};
}

const struct ranking_pair *ranking_doubt(const struct ranking *ranking, size_t i)
{
    size_t lines = ranking->lines;
    assert(i > 0 && i < lines);
    const struct ranking_pair *neighbours = &ranking->pair[(i - 1) * lines + i];
    if (!neighbours->clear)
        return neighbours;
    for (size_t a = 0; a < i; a++)
        for (size_t b = i; b < lines; b++)
            if (!ranking->pair[a * lines + b].clear)
                return &ranking->pair[a * lines + b];
    return neighbours;
}

void ranking_format_more(uint32_t more, char ret_text[static 24])
{
    if (more == RANKING_UNREACHABLE)
        (void) text_format(ret_text, 24, "more than %u", STUDENT_RUNS_MAX); /* both fit */
    else if (more == 0)
        (void) text_format(ret_text, 24, "none");
    else
        (void) text_format(ret_text, 24, "%u", more);
}

static int print_ranking(const struct ranking *ranking, const char *indent, struct buf *text)
{
    assert(ranking->lines > 1);
    char better = evidence_measures[ranking->metric].more ? '>' : '<';
    int rc = buf_printf(text, "%sranked: %s", indent, ranking->line[0].policy->name);
    for (size_t i = 1; i < ranking->lines && rc == 0; i++)
        rc = buf_printf(text, " %c %s", ranking->cut[i] ? better : '=', ranking->line[i].policy->name);
    return rc != 0 ? rc : buf_printf(text, "\n"); /* a zero byte follows */
}

static int print_doubt(const struct ranking_pair *pair, const char *indent, struct buf *text)
{
    char more[24];
    ranking_format_more(pair->more, more);
    int rc = buf_printf(text, "%snot ranked: %s, %s: ", indent, pair->better->name, pair->worse->name);
    if (rc == 0 && pair->seeds < RANKING_SEEDS_MIN)
        rc = buf_printf(text, "%zu common seed%s, %u are the least", pair->seeds, pair->seeds == 1 ? "" : "s",
                        RANKING_SEEDS_MIN);
    else if (rc == 0)
        rc = buf_printf(text, "the interval of their paired difference, %.4g to %.4g, holds 0",
                        pair->interval.low, pair->interval.high);
    if (rc == 0)
        rc = buf_printf(text, "; it would take %s more run%s of each\n", more, pair->more == 1 ? "" : "s");
    return rc;
}

/* The fewest seeds that two policies have in common. */
static size_t fewest_seeds(const struct ranking *ranking)
{
    size_t fewest = SIZE_MAX;
    for (size_t i = 0; i < ranking->lines; i++)
        for (size_t j = i + 1; j < ranking->lines; j++) {
            size_t seeds = ranking->pair[i * ranking->lines + j].seeds;
            fewest = seeds < fewest ? seeds : fewest;
        }
    return fewest;
}

static size_t most_seeds(const struct ranking *ranking)
{
    size_t most = 0;
    for (size_t i = 0; i < ranking->lines; i++)
        most = ranking->line[i].seeds > most ? ranking->line[i].seeds : most;
    return most;
}

int ranking_print_verdict(const struct ranking *ranking, const char *indent, struct buf *text)
{
    if (ranking->lines < 2)
        return 0;
    if (most_seeds(ranking) < RANKING_SEEDS_MIN)
        return buf_printf(
            text,
            "%snot ranked: %zu common seed%s, %u are the least; it would take at least %zu more "
            "run%s of each policy\n",
            indent, fewest_seeds(ranking), fewest_seeds(ranking) == 1 ? "" : "s", RANKING_SEEDS_MIN,
            RANKING_SEEDS_MIN - fewest_seeds(ranking),
            RANKING_SEEDS_MIN - fewest_seeds(ranking) == 1 ? "" : "s");
    int rc = 0;
    bool any = false;
    for (size_t i = 1; i < ranking->lines; i++)
        any = any || ranking->cut[i];
    if (any)
        rc = print_ranking(ranking, indent, text);
    for (size_t i = 1; i < ranking->lines && rc == 0; i++)
        if (!ranking->cut[i])
            rc = print_doubt(ranking_doubt(ranking, i), indent, text);
    return rc;
}
