/* Classes of tasks that go whole to servers: how long their prompts and answers are, by when they are wanted, and how often
 * each comes (`classes` in a scenario). Without a list all tasks are of one class, and `task.*` and `objective.deadline_s`
 * say all of it.
 *
 * Pure. Draws are at (seed, phase, entity device, episode, slot) of the task; the caller's stream is not looked at. */
#ifndef HANDOFF_CORE_MODEL_CLASSES_H
#define HANDOFF_CORE_MODEL_CLASSES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/base/rng.h"
#include "core/model/scenario.h"

#define CLASSES_MOST 8u
#define CLASSES_DEADLINES_MOST 8u
#define CLASSES_ANSWER_MOST 1e6 /* tokens: longer answers are cut to it */

struct task_class {
    double mix_to;        /* a uniform draw below this, and not below the one before, is of this class */
    uint32_t tokens;      /* of the prompt; 0: as the slot's task says */
    double answer_tokens; /* their mean; 0: answers are not drawn */
    double answer_spread; /* deviation of their logarithm */
    uint32_t deadlines;   /* at least 1, equally likely */
    double deadline_s[CLASSES_DEADLINES_MOST]; /* 0: none */
};

struct task_classes {
    uint32_t count; /* at least 1 */
    struct task_class list[CLASSES_MOST];
};

/* What must hold of the list. ERR_RANGE, ERR_SYNTAX, ERR_DUPLICATE. */
int classes_check(const struct scenario *scenario, struct diag *diag);
/* Of a scenario that was checked. */
void classes_read(struct task_classes *ret_classes, const struct scenario *scenario);

static inline bool classes_are_listed(const struct scenario *scenario)
{
    return scenario->classes_count > 0;
}

/* The class of a task, and by when it is wanted after it came, s; 0: it may take any time. */
uint32_t classes_draw(const struct task_classes *classes, const struct rng_at *at, double *ret_deadline_s);
/* Tokens of its answer, whole and at least 1; 0: answers are not drawn. Nobody but the server that makes it knows it, and
 * that one at its end. Lognormal, with the class's mean. */
double classes_answer_tokens(const struct task_class *list, const struct rng_at *at);
/* Is the answer right, that is so with such a chance? The same task, at a server with a higher chance, is right too. */
bool classes_answer_is_right(double chance, const struct rng_at *at);

#endif
