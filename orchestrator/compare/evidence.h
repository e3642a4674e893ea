/* What was measured, sorted for comparison: experiments of sweeps, the values of the key that each varies, at
 * each value the policies, and of each policy the held-out tests by seed. Evaluations outside of sweeps are
 * experiments without a key, one a scenario: runs whose scenarios differ in nothing but seed and policy. */
#ifndef HANDOFF_ORCHESTRATOR_COMPARE_EVIDENCE_H
#define HANDOFF_ORCHESTRATOR_COMPARE_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/model/scenario.h"
#include "db/rows.h"
#include "orchestrator/policy/policy.h"

/* What policies are compared by. */
enum evidence_metric {
    EVIDENCE_COST,
    EVIDENCE_LATENCY,
    EVIDENCE_ENERGY,
    EVIDENCE_P95,
    EVIDENCE_REGRET,
    EVIDENCE_RETURN, /* of a test's episodes, the mean */
    EVIDENCE_METRICS
};

struct evidence_measure {
    const char *name; /* as the flag --metric has it */
    const char *title;
    const char *unit; /* "" where there is none */
    bool more;        /* more of it is better */
};
extern const struct evidence_measure evidence_measures[EVIDENCE_METRICS];

struct evidence_test {
    uint64_t seed;
    double metric[EVIDENCE_METRICS]; /* NAN: not measured */
    double miss_share, train_slots;
    const char *arithmetic;            /* who multiplied and how, in words; "": not known */
    bool never_learned;                /* its learner's weights were never updated */
    int64_t train_run_id, test_run_id; /* 0: none */
};

struct evidence_policy {
    const char *name;               /* borrowed from the evidence, like all texts here */
    const struct policy_kind *kind; /* NULL: this program does not know it */
    enum policy_sees sees;
    struct evidence_test *test; /* [tests] by seed, each once */
    size_t tests;
};

struct evidence_value {
    const char *text; /* "" without an axis */
    double number;    /* of a single key that is one; else NAN */
    /* [policies] by what they see, learners first, then as the program lists them */
    struct evidence_policy *policy;
    size_t policies;
    /* The scenario of its tests: what is paid for, and what a bad channel does. As by default where it is not known. */
    enum scenario_reward reward;
    enum scenario_channel channel;
};

struct evidence_experiment {
    const char *sweep; /* "": evaluations */
    const char *name;  /* of evaluations: the scenario's, and what differs from the first of that name */
    const char *axis;  /* "": none */
    bool numeric;      /* every value is a number; they ascend then, else stand as in the sweep */
    struct evidence_value *value; /* [values] */
    size_t values;
    /* [policies] owned: who has a result at any value, once, as above */
    const struct evidence_policy **policy;
    size_t policies;
    const char *identity; /* evaluations: the scenario without seed and policy; else "" */
};

/* Owns everything below it. A zeroed one is empty. */
struct evidence {
    struct evidence_experiment *experiment; /* [experiments] in order of their first result */
    size_t experiments;
    char **text; /* [texts] each once */
    size_t texts;
};

void evidence_finish(struct evidence *evidence);

/* Takes a result over; of one policy's tests with the same seed the last counts. Texts become single lines
 * without control characters: they go to terminals. */
int evidence_add(struct evidence *evidence, const struct db_outcome *outcome);

/* Puts everything in the order described above: once, after the last result. */
int evidence_sort(struct evidence *evidence);

/* The most tests that any policy has at any value. */
size_t evidence_seeds_max(const struct evidence *evidence);

/* What a value's policies are ranked by: the mean cost, or the mean return where the objective is a reward: a cost that is
 * minus a reward reads badly. */
enum evidence_metric evidence_objective(const struct evidence_value *value);
/* Is the objective a reward at every value? */
bool evidence_is_rewarded(const struct evidence_experiment *experiment);

/* NULL: the policy has no result there. */
const struct evidence_policy *evidence_find(const struct evidence_value *value, const char *policy);

/* "users" or "paper: users" or "users, devices.count = 20" for people; `value` may be NULL. */
int evidence_print_name(const struct evidence_experiment *experiment, const struct evidence_value *value,
                        struct buf *text);

/* Do its decisions come from training, its own or another policy's? Of an agent in another process that
 * is not known: it counts as one. */
bool evidence_is_learned(const struct evidence_policy *policy);
/* Do they not, and does it not see the world either? */
bool evidence_is_rule(const struct evidence_policy *policy);

/* A sentence when results of different arithmetic stand together, whose seeds are different runs: else nothing. */
int evidence_print_arithmetics(const struct evidence *evidence, struct buf *text);

/* How many of its tests are of weights that were never updated: what those say is no result of learning. */
size_t evidence_never_learned(const struct evidence_policy *policy);
/* " (never learned)", with the seeds where not all are such; "" of a policy that has learned. */
#define EVIDENCE_MARK_TEXT 64
const char *evidence_mark(const struct evidence_policy *policy, char text[static EVIDENCE_MARK_TEXT]);

#endif
