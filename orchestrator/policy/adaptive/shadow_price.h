/* What a second of a full share of each server would have been worth to tasks that met it full, as a running mean over all
 * tasks: what those lose who are turned away, and so what those should have to pay who take it. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_ADAPTIVE_SHADOW_PRICE_H
#define HANDOFF_ORCHESTRATOR_POLICY_ADAPTIVE_SHADOW_PRICE_H

#include "core/model/world.h"

struct shadow_price {
    double rate;                     /* how far it moves with a task, in parts of the way */
    double price[WORLD_SERVERS_MAX]; /* of a full share for a second */
};

void shadow_price_begin(struct shadow_price *prices, double rate);
double shadow_price_of(const struct shadow_price *prices, uint32_t server, double shares, double held_s);
/* A task has met the server. Full: it would have been worth so much more than what the task has instead, for so long;
 * less than 0 counts as 0. Not full: nothing was missed. */
void shadow_price_meet(struct shadow_price *prices, uint32_t server, bool is_full, double missed,
                       double held_s);

#endif
