#include "orchestrator/compare/reduction.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Both policies' numbers at the values where both have some, seed by seed. */
struct table {
    const struct evidence_value **at; /* [values] owned */
    double **ours, **theirs;          /* [values][seeds[v]] owned */
    uint64_t **seed;                  /* [values][seeds[v]] owned, ascending */
    size_t *seeds;                    /* [values] owned */
    size_t values;
};

static void table_finish(struct table *table)
{
    for (size_t v = 0; v < table->values; v++) {
        free(table->ours[v]);
        free(table->theirs[v]);
        free(table->seed[v]);
    }
    free(table->at);
    free(table->ours);
    free(table->theirs);
    free(table->seed);
    free(table->seeds);
}

static size_t take_pairs(const struct evidence_policy *a, const struct evidence_policy *b,
                         enum evidence_metric metric, double *ours, double *theirs, uint64_t *seed)
{
    size_t n = 0;
    for (size_t i = 0, j = 0; i < a->tests && j < b->tests;) {
        if (a->test[i].seed != b->test[j].seed) {
            *(a->test[i].seed < b->test[j].seed ? &i : &j) += 1;
            continue;
        }
        ours[n] = a->test[i].metric[metric];
        theirs[n] = b->test[j].metric[metric];
        seed[n] = a->test[i].seed;
        n += !isnan(ours[n]) && !isnan(theirs[n]) ? 1 : 0;
        i++;
        j++;
    }
    return n;
}

static int add_value(struct table *table, const struct evidence_value *value, const char *ours,
                     const char *baseline, enum evidence_metric metric)
{
    const struct evidence_policy *a = evidence_find(value, ours), *b = evidence_find(value, baseline);
    if (a == NULL || b == NULL)
        return 0;
    size_t v = table->values++, most = a->tests < b->tests ? a->tests : b->tests;
    assert(most > 0); /* a policy is there because of a result */
    table->at[v] = value;
    table->ours[v] = calloc(most, sizeof **table->ours);
    table->theirs[v] = calloc(most, sizeof **table->theirs);
    table->seed[v] = calloc(most, sizeof **table->seed);
    if (table->ours[v] == NULL || table->theirs[v] == NULL || table->seed[v] == NULL)
        return -ENOMEM;
    table->seeds[v] = take_pairs(a, b, metric, table->ours[v], table->theirs[v], table->seed[v]);
    return 0;
}

static int table_init(struct table *table, const struct evidence_experiment *experiment, const char *ours,
                      const char *baseline, enum evidence_metric metric)
{
    size_t room = experiment->values > 0 ? experiment->values : 1;
    *table = (struct table){
        .at = calloc(room, sizeof *table->at),
        .ours = calloc(room, sizeof *table->ours),
        .theirs = calloc(room, sizeof *table->theirs),
        .seed = calloc(room, sizeof *table->seed),
        .seeds = calloc(room, sizeof *table->seeds),
    };
    int rc = table->at != NULL && table->ours != NULL && table->theirs != NULL && table->seed != NULL &&
                     table->seeds != NULL
                 ? 0
                 : -ENOMEM;
    for (size_t v = 0; v < experiment->values && rc == 0; v++)
        rc = add_value(table, &experiment->value[v], ours, baseline, metric);
    return rc;
}

/* Keeps at every value only the seeds that all values have; returns how many. */
static size_t keep_common_seeds(struct table *table)
{
    size_t kept = 0;
    for (size_t k = 0; table->values > 0 && k < table->seeds[0]; k++) {
        uint64_t seed = table->seed[0][k];
        bool everywhere = true;
        for (size_t v = 0; v < table->values; v++) {
            size_t i = kept; /* both ascend: it stands no earlier */
            while (i < table->seeds[v] && table->seed[v][i] < seed)
                i++;
            everywhere = everywhere && i < table->seeds[v] && table->seed[v][i] == seed;
        }
        for (size_t v = 0; everywhere && v < table->values; v++) {
            size_t i = kept;
            while (table->seed[v][i] < seed)
                i++;
            assert(i < table->seeds[v] && table->seed[v][i] == seed);
            table->seed[v][kept] = table->seed[v][i];
            table->ours[v][kept] = table->ours[v][i];
            table->theirs[v][kept] = table->theirs[v][i];
        }
        kept += everywhere ? 1 : 0;
        assert(kept <= k + 1);
    }
    return kept;
}

struct columns {
    const struct table *table;
    size_t first, end; /* the values that count */
};

/* NAN: a mean of theirs is not above 0, and there is no share of it. */
static double mean_reduction(void *user, const uint32_t *pick, size_t n)
{
    const struct columns *columns = user;
    assert(columns->first < columns->end && columns->end <= columns->table->values && n > 0);
    double sum = 0.0;
    for (size_t v = columns->first; v < columns->end; v++) {
        double ours = 0.0, theirs = 0.0;
        for (size_t i = 0; i < n; i++) {
            ours += columns->table->ours[v][pick != NULL ? pick[i] : i];
            theirs += columns->table->theirs[v][pick != NULL ? pick[i] : i];
        }
        sum += theirs > 0.0 ? 1.0 - ours / theirs : (double) NAN;
    }
    return sum / (double) (columns->end - columns->first);
}

static void measure_values(struct reduction *reduction, const struct table *table,
                           struct bootstrap *bootstrap)
{
    double sum = 0.0;
    for (size_t v = 0; v < table->values; v++) {
        if (table->seeds[v] == 0)
            continue;
        struct columns column = {table, v, v + 1};
        double here = mean_reduction(&column, NULL, table->seeds[v]);
        if (isnan(here))
            continue;
        struct interval interval = bootstrap_statistic(bootstrap, table->seeds[v], mean_reduction, &column);
        bool enough = table->seeds[v] >= RANKING_SEEDS_MIN;
        reduction->better += enough && interval.low > 0.0 ? 1 : 0;
        reduction->worse += enough && interval.high < 0.0 ? 1 : 0;
        if (reduction->values == 0 || here > reduction->most) {
            reduction->most = here;
            reduction->most_at = table->at[v];
            reduction->most_interval = interval;
        }
        if (reduction->values == 0 || table->seeds[v] < reduction->seeds)
            reduction->seeds = table->seeds[v];
        reduction->values++;
        sum += here;
    }
    reduction->mean = sum / (double) reduction->values;
}

int reduction_measure(struct reduction *ret_reduction, const struct evidence_experiment *experiment,
                      const char *ours, const char *baseline, enum evidence_metric metric,
                      struct bootstrap *bootstrap)
{
    struct table table;
    struct reduction reduction = {
        .ours = ours, .baseline = baseline, .mean_interval = {(double) NAN, (double) NAN}};
    int rc = table_init(&table, experiment, ours, baseline, metric);
    if (rc == 0) {
        measure_values(&reduction, &table, bootstrap);
        size_t common = keep_common_seeds(&table);
        if (common > 0)
            reduction.mean_interval = bootstrap_statistic(bootstrap, common, mean_reduction,
                                                          &(struct columns){&table, 0, table.values});
        *ret_reduction = reduction;
    }
    table_finish(&table);
    return rc;
}

static bool is_baseline(const struct evidence_policy *policy, const char *own)
{
    return policy->sees != POLICY_SEES_WORLD && strcmp(policy->name, own) != 0;
}

/* Has an earlier value the policy too? */
static bool was_met(const struct evidence_experiment *experiment, size_t values, const char *policy)
{
    for (size_t v = 0; v < values; v++)
        if (evidence_find(&experiment->value[v], policy) != NULL)
            return true;
    return false;
}

/* Who of the two never learned at a value that both have; NULL: both have learned wherever they meet. */
static const struct evidence_policy *find_unlearned(const struct evidence_experiment *experiment,
                                                    const char *ours, const char *baseline)
{
    for (size_t v = 0; v < experiment->values; v++) {
        const struct evidence_policy *a = evidence_find(&experiment->value[v], ours);
        const struct evidence_policy *b = evidence_find(&experiment->value[v], baseline);
        if (a == NULL || b == NULL)
            continue;
        if (evidence_never_learned(b) > 0)
            return b;
        if (evidence_never_learned(a) > 0)
            return a;
    }
    return NULL;
}

static int measure_both(const struct evidence_experiment *experiment, const char *ours, const char *baseline,
                        struct bootstrap *bootstrap, const struct reduction_rows *rows)
{
    struct reduction latency, energy;
    int rc = reduction_measure(&latency, experiment, ours, baseline, EVIDENCE_LATENCY, bootstrap);
    if (rc == 0)
        rc = reduction_measure(&energy, experiment, ours, baseline, EVIDENCE_ENERGY, bootstrap);
    return rc == 0 && latency.values > 0 && energy.values > 0 ? rows->row(rows->user, &latency, &energy) : rc;
}

static const struct evidence_policy *find_anywhere(const struct evidence_experiment *experiment,
                                                   const char *name)
{
    const struct evidence_policy *found = NULL;
    for (size_t v = 0; v < experiment->values && found == NULL; v++)
        found = evidence_find(&experiment->value[v], name);
    return found;
}

int reduction_each(const struct evidence_experiment *experiment, struct bootstrap *bootstrap,
                   const struct reduction_rows *rows)
{
    static const char *const ours[] = {"dapo", "dapo-plus"}; /* the published agent and this project's own */
    int rc = 0;
    for (size_t o = 0; o < sizeof ours / sizeof *ours; o++)
        for (size_t v = 0; v < experiment->values; v++)
            for (size_t p = 0; p < experiment->value[v].policies && rc == 0; p++) {
                const struct evidence_policy *policy = &experiment->value[v].policy[p];
                if (!is_baseline(policy, ours[o]) || was_met(experiment, v, policy->name))
                    continue;
                const struct evidence_policy *who = find_unlearned(experiment, ours[o], policy->name);
                rc = who != NULL ? rows->refuse(rows->user, find_anywhere(experiment, ours[o]), policy, who)
                                 : measure_both(experiment, ours[o], policy->name, bootstrap, rows);
            }
    return rc;
}
