/* A session's meter of quality (session_meter.h), and algorithm 1 of Chen et al., arXiv 2406.02616: after
 * quality.surrogate_after slots of training a surrogate is fitted to what was measured, and tells what the model would.
 *
 *   measured     split, condition -> compute_damage -> perplexity_measure on quality.text -> log ratio to the clean text
 *   fitted       records (split, condition; log ratio) -> core/rl/surrogate -> a table as quality.table has it
 *   told         split, condition -> quality_at of that table
 *
 * With quality.source `task` nothing is run but the clean text: the ratio is that of the task's own nats of a token, as
 * its nodes told them, to those of the clean text. It has the noise of prompts that are easier or harder than that.
 *
 * The surrogate is a table since a split is a whole number and a condition one number: what the network says on a grid
 * of conditions, linear in between. A recorded run keeps it, so that a resumed run and a replay know it too.
 *
 * Records are sorted by episode, slot and device before the fit, so the order of measures changes no bit. */
#ifndef HANDOFF_ORCHESTRATOR_QUALITY_METER_H
#define HANDOFF_ORCHESTRATOR_QUALITY_METER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/diag.h"
#include "core/model/world.h"
#include "core/rl/surrogate.h"
#include "orchestrator/session/session_meter.h"

struct meter;

struct meter_options {
    const struct world *world; /* borrowed */
    const char *model;         /* the model file in place of model.file; NULL: none */
    bool is_training;          /* a surrogate may take over; elsewhere all is measured */
    uint32_t slots;            /* of an episode of the session */
    const char
        *surrogate; /* the table of a training that has one already; NULL: none. It counts from the first
                                  episode after quality.surrogate_after slots on */
    /* A surrogate has been fitted and takes over: its table, and how good it is. A code that is not 0 ends the session.
     * May be NULL. */
    int (*fitted)(void *user, const char *table, const struct surrogate_error *error);
    void *user;
    bool quiet; /* no progress of a fit */
};

/* *ret_meter is NULL where quality.source is neither `model` nor `task`. Opens the model and the text, and measures the
 * clean perplexity. ERR_RANGE: more texts are to be damaged for all devices than there are draws. Other errors are those of
 * weights_open, file_read and perplexity_open; the sentence names the key. */
int meter_open(struct meter **ret_meter, const struct meter_options *options, struct diag *diag);
/* NULL is allowed. */
void meter_close(struct meter *meter);

/* For a session, as long as the meter is open; NULL for a NULL meter. */
const struct session_meter *meter_hook(struct meter *meter);

/* A record of a training that goes on, as it was measured then. -ENOMEM. */
int meter_remember(struct meter *meter, const struct session_crossing *crossing, double log_ratio);

/* Why a measure has failed, in its words. */
void meter_explain(const struct meter *meter, struct diag *diag);

/* Seconds of one measure, over the splits of the scenario: estimated from one that was timed. 0: source task. */
double meter_seconds(const struct meter *meter);

#endif
