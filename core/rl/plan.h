/* Plans, as planners search them (cross_entropy.h, plan_grid.h): over `horizon` steps, one of `choices` classes in each and
 * up to PLAN_PARTS_MAX parts, reals in [0, 1] (shares of a capacity, say). What a plan is worth is the caller's to tell, of
 * many at once, so that whatever foresees it works on whole batches. */
#ifndef HANDOFF_CORE_RL_PLAN_H
#define HANDOFF_CORE_RL_PLAN_H

#include <stddef.h>
#include <stdint.h>

#define PLAN_PARTS_MAX 4u
#define PLAN_HORIZON_MAX 64u
#define PLAN_CHOICES_MAX 65536u

struct plan_space {
    size_t horizon, choices; /* >= 1 */
    size_t parts;            /* 0 .. PLAN_PARTS_MAX */
};

/* ret_worth[rows] of choice[horizon][rows] and part[horizon][rows][parts]: more is better; never NaN. */
typedef void plan_worth(void *user, size_t rows, const uint32_t *choice, const float *part,
                        double *ret_worth);

struct plan_problem {
    const uint8_t *allowed; /* [choices]: 1 or 0, in every step, one at least; NULL: all. Borrowed */
    plan_worth *worth;
    void *user;
};

/* A plan that was found: choice[horizon], part[horizon][parts]. Arrays are the caller's. */
struct plan {
    uint32_t *choice;
    float *part;
    double worth;
};

#endif
