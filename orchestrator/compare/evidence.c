#include "orchestrator/compare/evidence.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/parse.h"
#include "core/base/text_format.h"
#include "core/base/text_markup.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/policy/catalog/full_scenario.h"

const struct evidence_measure evidence_measures[EVIDENCE_METRICS] = {
    [EVIDENCE_COST] = {"cost", "mean cost", "", false},
    [EVIDENCE_LATENCY] = {"latency", "mean latency", "s", false},
    [EVIDENCE_ENERGY] = {"energy", "mean energy", "J", false},
    [EVIDENCE_P95] = {"p95", "95th percentile of latency", "s", false},
    [EVIDENCE_REGRET] = {"regret", "regret against the optimum", "%", false},
    [EVIDENCE_RETURN] = {"return", "mean return of an episode", "", true},
};

void evidence_finish(struct evidence *evidence)
{
    for (size_t e = 0; e < evidence->experiments; e++) {
        struct evidence_experiment *experiment = &evidence->experiment[e];
        for (size_t v = 0; v < experiment->values; v++) {
            for (size_t p = 0; p < experiment->value[v].policies; p++)
                free(experiment->value[v].policy[p].test);
            free(experiment->value[v].policy);
        }
        free(experiment->value);
        free(experiment->policy);
    }
    free(evidence->experiment);
    for (size_t i = 0; i < evidence->texts; i++)
        free(evidence->text[i]);
    free(evidence->text);
    *evidence = (struct evidence){0};
}

/* The one copy of a text. */
static const char *keep(struct evidence *evidence, const char *text)
{
    for (size_t i = 0; i < evidence->texts; i++)
        if (strcmp(evidence->text[i], text) == 0)
            return evidence->text[i];
    char *copy = strdup(text);
    int rc = copy != NULL ? 0 : -ENOMEM;
    array_resize(&evidence->text, evidence->texts + 1, &rc);
    if (rc != 0) {
        free(copy);
        return NULL;
    }
    return evidence->text[evidence->texts++] = copy;
}

/* A scenario without what may differ between runs that are compared. One that does not read stands for
 * itself. */
static int print_identity(const char *scenario, struct buf *text)
{
    const struct scenario_text recorded = {scenario, strlen(scenario), "recorded scenario"};
    struct full_scenario read;
    full_scenario_defaults(&read);
    int rc = full_scenario_read(&read, &recorded, NULL);
    if (rc == -ENOMEM)
        return rc;
    if (rc != 0)
        return buf_printf(text, "%s", scenario);
    read.scenario.run.seed = 0;
    read.scenario.run.policy[0] = '\0';
    return full_scenario_print(&read, text);
}

static struct evidence_experiment *find_experiment(struct evidence *evidence,
                                                   const struct db_outcome *outcome, const char *identity)
{
    for (size_t e = 0; e < evidence->experiments; e++) {
        struct evidence_experiment *experiment = &evidence->experiment[e];
        if (strcmp(experiment->sweep, outcome->sweep) == 0 &&
            strcmp(experiment->name, outcome->experiment) == 0 &&
            strcmp(experiment->axis, outcome->axis) == 0 && strcmp(experiment->identity, identity) == 0)
            return experiment;
    }
    const char *sweep = keep(evidence, outcome->sweep), *name = keep(evidence, outcome->experiment);
    const char *axis = keep(evidence, outcome->axis), *same = keep(evidence, identity);
    if (sweep == NULL || name == NULL || axis == NULL || same == NULL)
        return NULL;
    int rc = 0;
    array_resize(&evidence->experiment, evidence->experiments + 1, &rc);
    if (rc != 0)
        return NULL;
    struct evidence_experiment *added = &evidence->experiment[evidence->experiments++];
    *added = (struct evidence_experiment){
        .sweep = sweep, .name = name, .axis = axis, .identity = same, .numeric = true};
    return added;
}

static struct evidence_value *find_value(struct evidence *evidence, struct evidence_experiment *experiment,
                                         const char *text)
{
    for (size_t v = 0; v < experiment->values; v++)
        if (strcmp(experiment->value[v].text, text) == 0)
            return &experiment->value[v];
    const char *kept = keep(evidence, text);
    int rc = kept != NULL ? 0 : -ENOMEM;
    array_resize(&experiment->value, experiment->values + 1, &rc);
    if (rc != 0)
        return NULL;
    struct evidence_value *added = &experiment->value[experiment->values++];
    double number = 0.0;
    bool is_number = parse_real(text, &number) == 0;
    *added = (struct evidence_value){.text = kept, .number = is_number ? number : (double) NAN};
    experiment->numeric = experiment->numeric && is_number;
    return added;
}

static const struct policy_kind *find_kind(const char *name)
{
    const struct policy_kind *kind = NULL;
    return catalog_find(name, &kind, NULL) == 0 ? kind : NULL;
}

/* A policy of which it is not known what it sees counts as one that sees the world. */
static enum policy_sees find_sees(const char *recorded, const struct policy_kind *kind)
{
    for (int sees = POLICY_SEES_OBSERVATIONS; recorded != NULL && sees <= POLICY_SEES_WORLD; sees++)
        if (strcmp(recorded, policy_sees_name((enum policy_sees) sees)) == 0)
            return (enum policy_sees) sees;
    return kind != NULL ? kind->sees : POLICY_SEES_WORLD;
}

static struct evidence_policy *find_policy(struct evidence *evidence, struct evidence_value *value,
                                           const struct db_outcome *outcome)
{
    for (size_t p = 0; p < value->policies; p++)
        if (strcmp(value->policy[p].name, outcome->policy) == 0)
            return &value->policy[p];
    const char *name = keep(evidence, outcome->policy);
    int rc = name != NULL ? 0 : -ENOMEM;
    array_resize(&value->policy, value->policies + 1, &rc);
    if (rc != 0)
        return NULL;
    struct evidence_policy *added = &value->policy[value->policies++];
    const struct policy_kind *kind = find_kind(name);
    *added = (struct evidence_policy){.name = name, .kind = kind, .sees = find_sees(outcome->sees, kind)};
    return added;
}

static struct evidence_test *find_test(struct evidence_policy *policy, uint64_t seed)
{
    for (size_t t = 0; t < policy->tests; t++)
        if (policy->test[t].seed == seed)
            return &policy->test[t];
    int rc = 0;
    array_resize(&policy->test, policy->tests + 1, &rc);
    if (rc != 0)
        return NULL;
    policy->test[policy->tests] = (struct evidence_test){0};
    return &policy->test[policy->tests++];
}

static int add(struct evidence *evidence, const struct db_outcome *outcome)
{
    struct buf identity = {0};
    int rc = outcome->scenario != NULL ? print_identity(outcome->scenario, &identity) : 0;
    const char *same = identity.size > 0 ? (const char *) identity.data : "";
    struct evidence_experiment *experiment = rc == 0 ? find_experiment(evidence, outcome, same) : NULL;
    buf_finish(&identity);
    struct evidence_value *value =
        experiment != NULL ? find_value(evidence, experiment, outcome->value) : NULL;
    struct evidence_policy *policy = value != NULL ? find_policy(evidence, value, outcome) : NULL;
    struct evidence_test *test = policy != NULL ? find_test(policy, outcome->seed) : NULL;
    if (test == NULL)
        return rc != 0 ? rc : -ENOMEM;
    const char *arithmetic = keep(evidence, outcome->arithmetic);
    if (arithmetic == NULL)
        return -ENOMEM;
    *test = (struct evidence_test){
        .arithmetic = arithmetic,
        .seed = outcome->seed,
        .metric = {[EVIDENCE_COST] = outcome->mean_cost,
                   [EVIDENCE_LATENCY] = outcome->mean_latency_s,
                   [EVIDENCE_ENERGY] = outcome->mean_energy_j,
                   [EVIDENCE_P95] = outcome->p95_latency_s,
                   [EVIDENCE_REGRET] = outcome->regret_pct,
                   [EVIDENCE_RETURN] = outcome->mean_return},
        .miss_share = outcome->deadline_miss_share,
        .train_slots = outcome->train_slots,
        .never_learned = outcome->updates == 0,
        .train_run_id = outcome->train_run_id,
        .test_run_id = outcome->test_run_id,
    };
    return 0;
}

int evidence_add(struct evidence *evidence, const struct db_outcome *outcome)
{
    struct db_outcome clean = *outcome;
    clean.arithmetic = outcome->arithmetic != NULL ? outcome->arithmetic : "";
    const char **text[] = {&clean.sweep, &clean.experiment, &clean.axis,
                           &clean.value, &clean.policy,     &clean.arithmetic};
    struct buf line[sizeof text / sizeof *text] = {0};
    int rc = 0;
    for (size_t i = 0; i < sizeof text / sizeof *text && rc == 0; i++) {
        rc = text_markup_line(&line[i], *text[i]);
        *text[i] = (const char *) line[i].data;
    }
    if (rc == 0)
        rc = add(evidence, &clean);
    for (size_t i = 0; i < sizeof text / sizeof *text; i++)
        buf_finish(&line[i]);
    return rc;
}

static int by_number(const void *a, const void *b)
{
    double x = ((const struct evidence_value *) a)->number, y = ((const struct evidence_value *) b)->number;
    return (x > y) - (x < y);
}

#define ARITHMETICS_MAX 8u /* more are not told */

struct arithmetics {
    const char *text[ARITHMETICS_MAX];
    size_t tests[ARITHMETICS_MAX], count;
};

static void count_arithmetics(const struct evidence_policy *policy, struct arithmetics *found)
{
    for (size_t t = 0; t < policy->tests; t++) {
        size_t i = 0;
        while (i < found->count && strcmp(found->text[i], policy->test[t].arithmetic) != 0)
            i++;
        if (i == ARITHMETICS_MAX || policy->test[t].arithmetic[0] == '\0')
            continue;
        found->text[i] = policy->test[t].arithmetic;
        found->tests[i]++;
        found->count = i == found->count ? i + 1 : found->count;
    }
}

int evidence_print_arithmetics(const struct evidence *evidence, struct buf *text)
{
    struct arithmetics found = {0};
    for (size_t e = 0; e < evidence->experiments; e++)
        for (size_t v = 0; v < evidence->experiment[e].values; v++)
            for (size_t p = 0; p < evidence->experiment[e].value[v].policies; p++)
                count_arithmetics(&evidence->experiment[e].value[v].policy[p], &found);
    if (found.count < 2)
        return 0;
    int rc = buf_printf(
        text, "Results of different arithmetic stand together, so the same seed is not the same run:");
    for (size_t i = 0; i < found.count && rc == 0; i++)
        rc = buf_printf(text, "%s %zu with %s", i > 0 ? ";" : "", found.tests[i], found.text[i]);
    return rc == 0 ? buf_printf(text, ".") : rc;
}

bool evidence_is_learned(const struct evidence_policy *policy)
{
    return policy->kind != NULL && (policy_is_trained(policy->kind) || policy->kind->asks);
}

static size_t place_of(const struct evidence_policy *policy)
{
    size_t i = 0;
    while (i < catalog_count() && catalog_at(i) != policy->kind)
        i++;
    return i;
}

static int by_sight(const void *a, const void *b)
{
    const struct evidence_policy *x = a, *y = b;
    if (x->sees != y->sees)
        return x->sees < y->sees ? -1 : 1;
    if (evidence_is_learned(x) != evidence_is_learned(y))
        return evidence_is_learned(x) ? -1 : 1;
    size_t i = place_of(x), j = place_of(y);
    return i != j ? (i < j ? -1 : 1) : strcmp(x->name, y->name);
}

static int by_seed(const void *a, const void *b)
{
    uint64_t x = ((const struct evidence_test *) a)->seed, y = ((const struct evidence_test *) b)->seed;
    return (x > y) - (x < y);
}

static int by_sight_of(const void *a, const void *b)
{
    return by_sight(*(const struct evidence_policy *const *) a, *(const struct evidence_policy *const *) b);
}

/* One of each policy's entries, once all entries stand where they stay. */
static int list_policies(struct evidence_experiment *experiment)
{
    for (size_t v = 0; v < experiment->values; v++)
        for (size_t p = 0; p < experiment->value[v].policies; p++) {
            const struct evidence_policy *policy = &experiment->value[v].policy[p];
            size_t i = 0;
            assert(policy->tests > 0);
            while (i < experiment->policies && experiment->policy[i]->name != policy->name)
                i++; /* a text is there once */
            if (i == experiment->policies) {
                int rc = 0;
                array_resize(&experiment->policy, experiment->policies + 1, &rc);
                if (rc != 0)
                    return rc;
                experiment->policies++;
            }
            experiment->policy[i] = policy;
        }
    qsort(experiment->policy, experiment->policies, sizeof *experiment->policy, by_sight_of);
    return 0;
}

/* Canonical scenarios have the same keys in the same lines: "section.key: value" of those lines of `own` that
 * differ from the other's. */
static int print_difference(const char *own, const char *other, struct buf *text)
{
    char section[64] = "";
    int rc = 0;
    while (*own != '\0' && *other != '\0' && rc == 0) {
        int size = (int) strcspn(own, "\n"), other_size = (int) strcspn(other, "\n");
        if (own[0] != ' ')
            (void) text_format(section, sizeof section, "%.*s", (int) strcspn(own, ":\n"),
                               own); /* a name of ours */
        else if (size != other_size || memcmp(own, other, (size_t) size) != 0)
            rc = buf_printf(text, ", %s.%.*s", section, size - 2, own + 2);
        own += own[size] == '\n' ? size + 1 : size;
        other += other[other_size] == '\n' ? other_size + 1 : other_size;
    }
    return rc;
}

/* Evaluations of scenarios that have the same name are told apart by what differs from the first of them. */
static int name_apart(struct evidence *evidence, struct evidence_experiment *experiment)
{
    struct buf name = {0};
    const struct evidence_experiment *first = evidence->experiment;
    assert(experiment >= first && experiment < first + evidence->experiments);
    while (first < experiment && (first->identity[0] == '\0' || first->name != experiment->name))
        first++; /* a text is there once */
    if (first == experiment || experiment->identity[0] == '\0')
        return 0;
    int rc = buf_printf(&name, "%s", experiment->name);
    if (rc == 0)
        rc = print_difference(experiment->identity, first->identity, &name);
    const char *kept = rc == 0 ? keep(evidence, (const char *) name.data) : NULL;
    buf_finish(&name);
    if (kept == NULL)
        return rc != 0 ? rc : -ENOMEM;
    experiment->name = kept;
    return 0;
}

int evidence_sort(struct evidence *evidence)
{
    int rc = 0;
    for (size_t e = evidence->experiments; e-- > 0 && rc == 0;)
        rc = name_apart(evidence, &evidence->experiment[e]);
    for (size_t e = 0; e < evidence->experiments; e++) {
        struct evidence_experiment *experiment = &evidence->experiment[e];
        if (experiment->numeric)
            qsort(experiment->value, experiment->values, sizeof *experiment->value, by_number);
        for (size_t v = 0; v < experiment->values; v++) {
            struct evidence_value *value = &experiment->value[v];
            qsort(value->policy, value->policies, sizeof *value->policy, by_sight);
            for (size_t p = 0; p < value->policies; p++)
                qsort(value->policy[p].test, value->policy[p].tests, sizeof *value->policy[p].test, by_seed);
        }
        if (rc == 0)
            rc = list_policies(experiment);
    }
    return rc;
}

size_t evidence_seeds_max(const struct evidence *evidence)
{
    size_t most = 0;
    for (size_t e = 0; e < evidence->experiments; e++)
        for (size_t v = 0; v < evidence->experiment[e].values; v++)
            for (size_t p = 0; p < evidence->experiment[e].value[v].policies; p++) {
                size_t tests = evidence->experiment[e].value[v].policy[p].tests;
                most = tests > most ? tests : most;
            }
    return most;
}

enum evidence_metric evidence_objective(const struct evidence_value *value)
{
    return value->reward != REWARD_COST ? EVIDENCE_RETURN : EVIDENCE_COST;
}

bool evidence_is_rewarded(const struct evidence_experiment *experiment)
{
    bool all = experiment->values > 0;
    for (size_t v = 0; v < experiment->values; v++)
        all = all && experiment->value[v].reward != REWARD_COST;
    return all;
}

const struct evidence_policy *evidence_find(const struct evidence_value *value, const char *policy)
{
    for (size_t p = 0; p < value->policies; p++)
        if (strcmp(value->policy[p].name, policy) == 0)
            return &value->policy[p];
    return NULL;
}

int evidence_print_name(const struct evidence_experiment *experiment, const struct evidence_value *value,
                        struct buf *text)
{
    int rc = 0;
    if (experiment->sweep[0] != '\0')
        rc = buf_printf(text, "%s: ", experiment->sweep);
    if (rc == 0)
        rc = buf_printf(text, "%s", experiment->name);
    if (rc == 0 && value != NULL && experiment->axis[0] != '\0')
        rc = buf_printf(text, ", %s = %s", experiment->axis, value->text);
    return rc;
}

bool evidence_is_rule(const struct evidence_policy *policy)
{
    return policy->kind != NULL && !evidence_is_learned(policy) && policy->sees != POLICY_SEES_WORLD;
}

size_t evidence_never_learned(const struct evidence_policy *policy)
{
    size_t count = 0;
    for (size_t t = 0; t < policy->tests; t++)
        count += policy->test[t].never_learned ? 1 : 0;
    return count;
}

const char *evidence_mark(const struct evidence_policy *policy, char text[static EVIDENCE_MARK_TEXT])
{
    size_t never = evidence_never_learned(policy);
    if (never == 0)
        return "";
    if (never == policy->tests)
        return " (never learned)";
    (void) text_format(text, EVIDENCE_MARK_TEXT, " (never learned: %zu of %zu seeds)", never,
                       policy->tests); /* fits */
    return text;
}
