/* The answers of a recorded run, computed again and compared: token by token, or their number where the tokens were not
 * kept. An answer is a function of the model file, the world and the task, so it does not matter who computed what,
 * when, and with which losses. Measured seconds are not compared. */
#ifndef HANDOFF_ORCHESTRATOR_REPLAY_VERIFY_ANSWERS_H
#define HANDOFF_ORCHESTRATOR_REPLAY_VERIFY_ANSWERS_H

#include <signal.h>

#include "core/base/progress.h"
#include "core/compute/compute.h"
#include "db/store.h"

/* Who computes: compute_answer, or a test. */
struct answer_source {
    int (*answer)(void *user, const struct compute_task *task, struct compute_answer *ret_answer,
                  struct diag *diag);
    void *user;
};

struct answer_verification {
    const struct world *world; /* borrowed, as the others */
    struct store *store;
    int64_t run_id;
    enum rng_phase phase;
    struct answer_source source;
    struct progress *progress;         /* in tasks; NULL: none */
    const volatile sig_atomic_t *stop; /* nonzero: no more; NULL: never */
    uint64_t compared, identical, different;
    uint64_t counted;           /* of those compared: by their number alone */
    uint64_t unknown;           /* not compared: of guests whose prompts were not kept */
    char first_difference[256]; /* "": none */
};

/* Takes a struct whose first part is filled in. An error: of reading, or of computing. */
int verify_answers(struct answer_verification *verification, struct diag *diag);

/* The model's own answers; `user` of the source. */
int verify_answers_compute(void *compute, const struct compute_task *task, struct compute_answer *ret_answer,
                           struct diag *diag);

#endif
