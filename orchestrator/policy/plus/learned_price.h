/* The price of work in queueing mode, learned by trying: what a task's work costs later tasks is not in
 * its own cost, so it is charged (Naor, Econometrica 37 (1969) 15-24). The rewards tell how much.
 * Slots go in blocks, each under a price; the logarithm of what a block's slots cost for each of their tasks
 * is a trial of a response surface (core/rl/response_surface). The slots after a change of price, and an episode's
 * first, do not count; and what was much dearer than the best leaves queues that no price clears soon: then
 * the next trial waits for the next episode, whose queues are empty.
 *
 * One number for two prices, of which one is 0: where servers are what is crowded, work that is sent to them
 * has a price; where devices are, work that stays there has. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_PLUS_LEARNED_PRICE_H
#define HANDOFF_ORCHESTRATOR_POLICY_PLUS_LEARNED_PRICE_H

#include "core/base/buf.h"
#include "core/base/diag.h"
#include "core/model/world.h"
#include "core/rl/response_surface.h"
#include "orchestrator/policy/plus/settings.h"
#include "orchestrator/policy/search/slot_search.h"

struct learned_price {
    struct response_surface surface;
    uint64_t block, settle; /* slots */
    double devices;         /* N */
    /* The block that is being tried. */
    uint64_t wait;                 /* slots until it begins; under the best price till then */
    uint64_t skip, counted, tasks; /* slots that are not to be counted yet; slots and tasks counted */
    double trial, sum;             /* its place on the surface, and its costs so far */
};

void learned_price_init(struct learned_price *price, const struct world *world,
                        const struct plus_settings *settings);

/* What to charge: while training the trial's prices, else the best. */
struct slot_prices learned_price_prices(const struct learned_price *price, bool training);

/* What is decided now has little effect on the slots that are counted. */
bool learned_price_is_settling(const struct learned_price *price);

/* An episode begins: its queues are empty, which is not usual. */
void learned_price_begin_episode(struct learned_price *price);
/* The reward of a slot in which `tasks` tasks came. */
void learned_price_observe(struct learned_price *price, double reward, uint32_t tasks);

/* The best alone, or with `full` all that learning needs to go on. */
int learned_price_save(const struct learned_price *price, bool full, struct buf *bytes);
int learned_price_load(struct learned_price *price, bool full, const uint8_t **bytes, size_t *size,
                       struct diag *diag);

#endif
