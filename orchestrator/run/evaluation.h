/* Policies on the held-out streams of a recorded training: who can be played is found out before anybody is, and who
 * cannot is left out, with the reason.
 *
 * A learner has the weights of its own training: the run that is evaluated, or else the newest of the same file whose
 * held-out streams are the same (full_scenario_streams_number). So those who were trained one after the other stand side by
 * side. Rules are recorded with the run that is evaluated. */
#ifndef HANDOFF_ORCHESTRATOR_RUN_EVALUATION_H
#define HANDOFF_ORCHESTRATOR_RUN_EVALUATION_H

#include "orchestrator/policy/catalog/policy_names.h"
#include "orchestrator/run/trained_run.h"

struct evaluation_options {
    struct trained_run_options run; /* the one that is evaluated */
    /* Names, as a flag gives them. NULL: every policy that does not learn, the run's own, and, where no run is named,
     * every other learner that has weights for its streams. */
    const char *policies;
};

struct evaluation_entry {
    const struct policy_kind *kind;
    size_t training;    /* whose world, and whose weights */
    bool never_learned; /* once it was played: with the weights that training began with */
};

struct evaluation {
    struct trained_run training[POLICY_NAMES_MAX]; /* [trainings], the one that is evaluated first */
    size_t trainings;
    struct evaluation_entry entry[POLICY_NAMES_MAX]; /* [entries] who can be played */
    size_t entries;
    struct buf left_out; /* lines "NAME: why", each ended by a zero byte */
    size_t left_out_count;
};

/* Reads and checks everything, plays nothing. Says why when nobody is left. Finish it also when this failed. */
int evaluation_open(struct evaluation *ret_evaluation, const struct evaluation_options *options,
                    struct diag *diag);
void evaluation_finish(struct evaluation *evaluation);

/* Plays and records them all, one after the other. */
int evaluation_play(struct evaluation *evaluation, enum rng_phase phase);

#endif
