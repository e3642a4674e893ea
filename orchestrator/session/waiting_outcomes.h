/* Outcomes of tasks that end later than the slot in which they were played: a policy hears of each when it has ended, and
 * not before. In order of the time at which they end. */
#ifndef HANDOFF_ORCHESTRATOR_SESSION_WAITING_OUTCOMES_H
#define HANDOFF_ORCHESTRATOR_SESSION_WAITING_OUTCOMES_H

#include "core/model/agenda.h"
#include "orchestrator/policy/policy.h"

/* Zeroed: none waits, and there is no room. */
struct waiting_outcomes {
    struct agenda agenda;           /* of the numbers of places */
    struct policy_outcome *outcome; /* [capacity] owned, as the next */
    uint32_t *free_place;           /* [capacity - agenda.count] */
    size_t capacity;
};

/* Room for so many more. -ENOMEM. */
int waiting_outcomes_reserve(struct waiting_outcomes *waiting, size_t more);
void waiting_outcomes_finish(struct waiting_outcomes *waiting);
void waiting_outcomes_clear(struct waiting_outcomes *waiting);

/* There must be room. */
void waiting_outcomes_put(struct waiting_outcomes *waiting, const struct policy_outcome *outcome,
                          double end_s);
/* The next that has ended by now_s. */
bool waiting_outcomes_take(struct waiting_outcomes *waiting, double now_s,
                           struct policy_outcome *ret_outcome);

static inline size_t waiting_outcomes_count(const struct waiting_outcomes *waiting)
{
    return waiting->agenda.count;
}

#endif
