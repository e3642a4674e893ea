/* What may be believed of servers, from what is declared and from the tasks that have ended there: how many times as long
 * as declared one takes (its pace), and the chance that its answer to a task of a class is right.
 *
 * Chances: a Beta distribution for each server and class, begun with adaptive.prior answers at the declared chance; what was
 * counted beyond that fades by adaptive.forget with each answer. Paces, as the kind says: none is learned; a running mean of
 * logarithms; or a Gaussian of the logarithm that returns to what is expected of any server within adaptive.recover_s
 * (an Ornstein-Uhlenbeck process), filtered (Kalman, 1960). */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_ADAPTIVE_BELIEF_H
#define HANDOFF_ORCHESTRATOR_POLICY_ADAPTIVE_BELIEF_H

#include "orchestrator/policy/adaptive/settings.h"

enum belief_kind { BELIEF_DECLARED, BELIEF_MEAN, BELIEF_GAUSSIAN };

struct belief_pace {
    double log, variance; /* of the last report, or before any */
    double at_s;          /* when that was */
    double home;          /* where the logarithm returns to; it learns slowly */
};

struct belief {
    const struct world *world; /* borrowed, as the next */
    const struct adaptive_settings *settings;
    enum belief_kind kind;
    struct belief_pace pace[WORLD_SERVERS_MAX];
    double right[WORLD_SERVERS_MAX][CLASSES_MOST],
        wrong[WORLD_SERVERS_MAX][CLASSES_MOST]; /* beyond the prior */
};

/* Nothing has been heard. */
void belief_begin(struct belief *belief, const struct world *world, const struct adaptive_settings *settings,
                  enum belief_kind kind);
/* A task has ended. A refused one tells nothing, and a late one nothing of chances. */
void belief_hear(struct belief *belief, const struct policy_outcome *outcome);

struct belief_guess {
    double pace_log, pace_variance;
    double right, wrong; /* of the Beta distribution: mean right / (right + wrong) */
};
struct belief_guess belief_guess(const struct belief *belief, uint32_t server, uint32_t task_class,
                                 double now_s);

/* Variance of a report about a pace's logarithm. */
#define BELIEF_NOISE 0.02

#endif
