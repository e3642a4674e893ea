/* Evidence of drawn results against a second way to look at them: the list itself, from its end. Which result stands, who
 * never learned, which headlines are told and which are refused; and all of it with memory that runs out. */
#include <errno.h>
#include <stdio.h>

#include "core/base/rng.h"
#include "orchestrator/compare/evidence.h"
#include "orchestrator/compare/reduction.h"
#include "tests/lib/scarce.h"
#include "tests/unit/model/check.h"

#define TRIALS 40u
#define RESULTS 60u
#define POLICIES 6u
#define VALUES 3u
#define SEEDS 4u
#define SWEEPS 2u

static const char *const policies[POLICIES] = {"dapo", "dapo-plus", "local", "greedy", "optimum", "ppo"};
static const char *const values[VALUES] = {"5", "10", "20"};
static const char *const sweeps[SWEEPS] = {"paper", "quick"};

struct drawn {
    struct db_outcome result[RESULTS];
    size_t count;
};

static uint32_t below(uint32_t trial, uint32_t i, uint32_t which, uint32_t n)
{
    const struct rng_at at = {.seed = 11, .stream = RNG_SAMPLING, .episode = trial, .entity = i};
    return rng_below(&at, which, n);
}

static void draw(struct drawn *drawn, uint32_t trial)
{
    drawn->count = 5 + below(trial, 0, 9, RESULTS - 5);
    for (uint32_t i = 0; i < drawn->count; i++) {
        uint32_t policy = below(trial, i, 0, POLICIES);
        bool learns = policy < 2 || policy == 5;
        double cost = 1.0 + below(trial, i, 4, 100);
        drawn->result[i] = (struct db_outcome){
            .sweep = sweeps[below(trial, i, 1, SWEEPS)],
            .experiment = "users",
            .axis = "devices.count",
            .value = values[below(trial, i, 2, VALUES)],
            .policy = policies[policy],
            .sees = policy == 4 ? "world" : "observations",
            .seed = below(trial, i, 3, SEEDS),
            .updates = learns ? (below(trial, i, 5, 3) > 0 ? 9 : 0) : -1,
            .mean_cost = cost,
            .mean_latency_s = cost / 10.0,
            .mean_energy_j = cost * 2.0,
            .test_run_id = i + 1,
        };
    }
}

/* The last result of a cell; NULL: none. */
static const struct db_outcome *last_of(const struct drawn *drawn, const char *sweep, const char *value,
                                        const char *policy, uint64_t seed)
{
    for (size_t i = drawn->count; i-- > 0;) {
        const struct db_outcome *own = &drawn->result[i];
        if (strcmp(own->sweep, sweep) == 0 && strcmp(own->value, value) == 0 &&
            strcmp(own->policy, policy) == 0 && own->seed == seed)
            return own;
    }
    return NULL;
}

/* Of a policy's results at a value: how many there are, and how many of weights that were never updated. */
static size_t count(const struct drawn *drawn, const char *sweep, const char *value, const char *policy,
                    size_t *ret_never)
{
    size_t tests = 0;
    *ret_never = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        const struct db_outcome *own = last_of(drawn, sweep, value, policy, seed);
        tests += own != NULL ? 1 : 0;
        *ret_never += own != NULL && own->updates == 0 ? 1 : 0;
    }
    return tests;
}

static int make(struct evidence *evidence, const struct drawn *drawn)
{
    int rc = 0;
    for (size_t i = 0; i < drawn->count && rc == 0; i++)
        rc = evidence_add(evidence, &drawn->result[i]);
    return rc == 0 ? evidence_sort(evidence) : rc;
}

/* ---- what stands ---- */

static void check_policy(const struct drawn *drawn, const char *sweep, const char *value,
                         const struct evidence_policy *policy)
{
    char text[EVIDENCE_MARK_TEXT], mark[2 * EVIDENCE_MARK_TEXT] = "";
    size_t never, tests = count(drawn, sweep, value, policy->name, &never), k = 0;
    assert_int_equal(policy->tests, tests);
    assert_int_equal(evidence_never_learned(policy), never);
    if (never > 0 && never < tests)
        (void) snprintf(mark, sizeof mark, " (never learned: %zu of %zu seeds)", never, tests);
    else if (never > 0)
        (void) snprintf(mark, sizeof mark, " (never learned)");
    assert_string_equal(evidence_mark(policy, text), mark);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        const struct db_outcome *own = last_of(drawn, sweep, value, policy->name, seed);
        if (own == NULL)
            continue;
        assert_int_equal(policy->test[k].seed, seed);
        assert_int_equal(policy->test[k].test_run_id, own->test_run_id);
        assert_same(policy->test[k].metric[EVIDENCE_COST], own->mean_cost);
        k++;
    }
}

static void check_experiment(const struct drawn *drawn, const struct evidence_experiment *experiment)
{
    size_t cells = 0, found = 0;
    for (size_t v = 0; v < VALUES; v++)
        for (size_t p = 0; p < POLICIES; p++) {
            size_t never;
            cells += count(drawn, experiment->sweep, values[v], policies[p], &never) > 0 ? 1 : 0;
        }
    for (size_t v = 0; v < experiment->values; v++) {
        const struct evidence_value *value = &experiment->value[v];
        assert_true(v == 0 || experiment->value[v - 1].number < value->number);
        for (size_t p = 0; p < value->policies; p++) {
            assert_ptr_equal(evidence_find(value, value->policy[p].name), &value->policy[p]);
            check_policy(drawn, experiment->sweep, value->text, &value->policy[p]);
            found++;
        }
    }
    assert_int_equal(found, cells);
    assert_false(evidence_is_rewarded(experiment));
    for (size_t v = 0; v < experiment->values; v++) {
        for (size_t i = 0; i < experiment->values; i++)
            experiment->value[i].reward = i == v ? REWARD_COST : REWARD_SHAPED;
        assert_false(evidence_is_rewarded(experiment)); /* one is not */
        experiment->value[v].reward = REWARD_SHAPED;
        assert_true(evidence_is_rewarded(experiment));
    }
}

static void of_drawn_results_the_last_of_each_cell_stand_in_order(void **state)
{
    (void) state;
    for (uint32_t trial = 0; trial < TRIALS; trial++) {
        struct drawn drawn;
        struct evidence evidence = {0};
        draw(&drawn, trial);
        assert_int_equal(make(&evidence, &drawn), 0);
        assert_in_range(evidence.experiments, 1, SWEEPS);
        assert_string_equal(evidence.experiment[0].sweep, drawn.result[0].sweep);
        for (size_t e = 0; e < evidence.experiments; e++)
            check_experiment(&drawn, &evidence.experiment[e]);
        evidence_finish(&evidence);
    }
}

/* ---- headlines ---- */

static int tell(void *user, const struct reduction *latency, const struct reduction *energy)
{
    assert_string_equal(latency->baseline, energy->baseline);
    assert_int_equal(latency->values, energy->values); /* both are in each result */
    scarce_tell(user, "%s %s %zu\n", latency->ours, latency->baseline, latency->values);
    return 0;
}

static int refuse(void *user, const struct evidence_policy *ours, const struct evidence_policy *baseline,
                  const struct evidence_policy *who)
{
    scarce_tell(user, "%s %s refused because of %s\n", ours->name, baseline->name, who->name);
    return 0;
}

/* At how many values both have a seed in common; *ret_who: who never learned where both are. */
static size_t meet(const struct drawn *drawn, const struct evidence_experiment *experiment, const char *ours,
                   const char *baseline, const char **ret_who)
{
    size_t met = 0;
    *ret_who = NULL;
    for (size_t v = 0; v < experiment->values; v++) {
        const char *value = experiment->value[v].text;
        size_t never[2];
        size_t a = count(drawn, experiment->sweep, value, ours, &never[0]);
        size_t b = count(drawn, experiment->sweep, value, baseline, &never[1]);
        if (a > 0 && b > 0 && *ret_who == NULL)
            *ret_who = never[1] > 0 ? baseline : never[0] > 0 ? ours : NULL;
        bool common = false;
        for (uint64_t seed = 0; seed < SEEDS; seed++)
            common = common || (last_of(drawn, experiment->sweep, value, ours, seed) != NULL &&
                                last_of(drawn, experiment->sweep, value, baseline, seed) != NULL);
        met += common ? 1 : 0;
    }
    return met;
}

/* Baselines in the order in which they are met, value by value. */
static void expect(const struct drawn *drawn, const struct evidence_experiment *experiment,
                   struct scarce_text *text)
{
    for (size_t o = 0; o < 2; o++) {
        bool met[POLICIES] = {false};
        for (size_t v = 0; v < experiment->values; v++)
            for (size_t i = 0; i < experiment->value[v].policies; i++) {
                const char *who, *name = experiment->value[v].policy[i].name;
                size_t p = 0;
                while (strcmp(policies[p], name) != 0)
                    p++;
                if (met[p] || p == o || strcmp(name, "optimum") == 0)
                    continue;
                met[p] = true;
                size_t common = meet(drawn, experiment, policies[o], name, &who);
                if (who != NULL)
                    scarce_tell(text, "%s %s refused because of %s\n", policies[o], name, who);
                else if (common > 0)
                    scarce_tell(text, "%s %s %zu\n", policies[o], name, common);
            }
    }
}

static void headlines_are_told_of_all_who_meet_and_have_learned(void **state)
{
    (void) state;
    static struct scarce_text told, expected;
    struct bootstrap bootstrap;
    assert_int_equal(bootstrap_init(&bootstrap, 12), 0);
    for (uint32_t trial = 0; trial < TRIALS; trial++) {
        struct drawn drawn;
        struct evidence evidence = {0};
        const struct reduction_rows rows = {.row = tell, .refuse = refuse, .user = &told};
        draw(&drawn, trial);
        assert_int_equal(make(&evidence, &drawn), 0);
        for (size_t e = 0; e < evidence.experiments; e++) {
            told = expected = (struct scarce_text){.size = 0};
            assert_int_equal(reduction_each(&evidence.experiment[e], &bootstrap, &rows), 0);
            expect(&drawn, &evidence.experiment[e], &expected);
            assert_string_equal(told.text, expected.text);
        }
        evidence_finish(&evidence);
    }
    bootstrap_finish(&bootstrap);
}

/* ---- without memory ---- */

static int make_and_tell(void *user, struct scarce_text *given, struct diag *diag)
{
    struct evidence evidence = {0};
    struct bootstrap bootstrap = {0};
    const struct reduction_rows rows = {.row = tell, .refuse = refuse, .user = given};
    (void) diag;
    int rc = make(&evidence, user);
    if (rc == 0)
        rc = bootstrap_init(&bootstrap, 12);
    for (size_t e = 0; e < evidence.experiments && rc == 0; e++) {
        struct buf name = {0};
        rc = evidence_print_name(&evidence.experiment[e], &evidence.experiment[e].value[0], &name);
        if (rc == 0)
            scarce_tell(given, "%s, %zu values, %zu policies\n", (const char *) name.data,
                        evidence.experiment[e].values, evidence.experiment[e].policies);
        if (rc == 0)
            rc = reduction_each(&evidence.experiment[e], &bootstrap, &rows);
        buf_finish(&name);
    }
    bootstrap_finish(&bootstrap);
    evidence_finish(&evidence);
    return rc;
}

static void evidence_is_whole_or_it_is_said_that_memory_ran_out(void **state)
{
    (void) state;
    struct drawn drawn;
    const struct scarce_work work = {
        .name = "evidence", .run = make_and_tell, .user = &drawn, .each = 1000, .least = 50};
    draw(&drawn, 3);
    scarce_try(&work);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_drawn_results_the_last_of_each_cell_stand_in_order),
        cmocka_unit_test(headlines_are_told_of_all_who_meet_and_have_learned),
        cmocka_unit_test(evidence_is_whole_or_it_is_said_that_memory_ran_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
