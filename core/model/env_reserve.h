/* Whole tasks that reserve (servers.discipline reserved): a decision names a server and what the task holds of it, or
 * refuses the task. Not for other rooms: env.h is what they know. */
#ifndef HANDOFF_CORE_MODEL_ENV_RESERVE_H
#define HANDOFF_CORE_MODEL_ENV_RESERVE_H

#include "core/model/env.h"

/* Of one device: a task goes whole to a server that covers it, or is refused. */
void env_reserve_repair(const struct env_view *view, struct env_decision *decision, uint32_t device);
/* Who gets what it asks for, in order of device number, of what is left; the others are refused. ret_load[M]. */
void env_reserve_allocate(const struct env_view *view, struct env_decision *decision, uint32_t *ret_load);
/* Four numbers: the server on bins of equal width, and what it holds of compute, band and memory, 0 to reserve.most. */
void env_reserve_map(const struct env_view *view, const float *action, struct env_decision *decision,
                     uint32_t device);
#define ENV_RESERVE_NUMBERS 4u

#endif
