/* What measures a task's quality beside a session. The session asks once for each task that is done, in
 * order of slots and devices.
 *
 *   quality.source: model   the split model is run on an evaluation text, through the channel that the task met
 *   quality.source: task    what the nodes told of the task's own prompt, beside the clean model on the evaluation text
 *
 * Nodes know nothing of it, and it takes no time of theirs. */
#ifndef HANDOFF_ORCHESTRATOR_SESSION_SESSION_METER_H
#define HANDOFF_ORCHESTRATOR_SESSION_SESSION_METER_H

#include <stdint.h>

#include "core/base/diag.h"
#include "core/model/device_slot.h"
#include "core/stats/likelihood.h"

/* The slot of a measure at the split that a device has before an episode's first slot (objective.gain_reference). */
#define SESSION_METER_BEFORE UINT32_MAX

struct session_crossing {
    uint32_t device;
    struct slot_id id;
    uint32_t split;
    double condition;       /* core/model/channel.h */
    struct likelihood told; /* source task: of the task's own prompt; 0 tokens: nothing was told */
};

struct session_quality {
    double log_ratio;          /* log of the perplexity over that of a clean channel, nats; NAN: not known */
    double nll, tokens, bytes; /* summed over the text, in nats; NAN: a surrogate told the ratio */
};

struct session_meter {
    /* 0, or an error that ends the session: the meter knows why. The same crossing gives the same bits. `diag` may be
     * NULL. */
    int (*measure)(void *user, const struct session_crossing *crossing, struct session_quality *ret_quality,
                   struct diag *diag);
    void *user;
};

#endif
