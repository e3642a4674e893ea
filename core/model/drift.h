/* What servers really are, beside what is declared of them, and how that changes: speeds and chances of a right answer that
 * differ from the tier's (speed_error, answer_error), servers that slow down and recover (slow_*), and models that are
 * replaced (replaced_every_s). The first two are the world's, drawn once. The others begin anew with each episode.
 *
 * Pure functions of the scenario, the seed, the episode and the time, so that every program tells the same; at O(t / mean
 * time between changes). They are nobody's to know before they show: policies but those that see the world have
 * server_params.answer and flops. */
#ifndef HANDOFF_CORE_MODEL_DRIFT_H
#define HANDOFF_CORE_MODEL_DRIFT_H

#include <stdint.h>

#include "core/model/device_slot.h"

/* How many times as long as declared a task takes at a server that begins it at at_s, seconds of the episode: > 0; 1: just
 * as long. */
double drift_pace(const struct world *world, struct slot_id id, uint32_t server, double at_s);
/* More than that it never is. */
double drift_pace_most(const struct world *world, uint32_t server);
/* The chance that the server's answer to a task of a class is right, of one that comes at at_s. */
double drift_answer(const struct world *world, struct slot_id id, uint32_t server, uint32_t task_class,
                    double at_s);

#endif
