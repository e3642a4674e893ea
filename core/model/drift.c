#include "core/model/drift.h"

#include <assert.h>
#include <math.h>

#include "core/base/elementary.h"

/* Drawn chances stay between these, unless what is declared does not. */
#define ANSWER_LEAST 0.05
#define ANSWER_MOST 0.97

/* What is drawn of a server, once (RNG_TRUTH) and in an episode (RNG_DRIFT). */
enum truth_draw { DRAW_SPEED, DRAW_ANSWERS };
enum drift_draw { DRAW_SLOW_AT_FIRST, DRAW_SLOW_LENGTH, DRAW_REPLACED };

static double normal(const struct rng_at *at, uint32_t index)
{
    double pair[2];
    const struct rng_block block = rng_block(at, index);
    rng_normal_pair(block.v[0], block.v[1], pair);
    return pair[0];
}

static const struct scenario_tier *tier_of(const struct world *world, uint32_t server)
{
    assert(server < world->servers);
    uint32_t tier = world->server[server].tier;
    return tier == TIERS_NONE ? NULL : &world->scenario.tiers[tier];
}

/* The number of a change in the place of a slot. */
static struct rng_at at_change(const struct world *world, struct slot_id id, uint32_t server, uint32_t change)
{
    return (struct rng_at){world->seed, id.phase, RNG_DRIFT, server, id.episode, change};
}

/* Well and slow in turn; at first slow with the part of time that it is. */
static bool is_slow(const struct world *world, const struct scenario_tier *tier, struct slot_id id,
                    uint32_t server, double at_s)
{
    const struct rng_at first = at_change(world, id, server, 0);
    double mean_s[2] = {tier->slow_every_s, tier->slow_for_s}, now_s = 0.0;
    bool slow = rng_uniform(&first, DRAW_SLOW_AT_FIRST) < mean_s[1] / (mean_s[0] + mean_s[1]);
    for (uint32_t change = 0;; change++) {
        const struct rng_at at = at_change(world, id, server, change);
        now_s += mean_s[slow ? 1 : 0] * rng_exponential(rng_block(&at, DRAW_SLOW_LENGTH).v[0]);
        if (now_s > at_s)
            return slow;
        slow = !slow;
    }
}

double drift_pace(const struct world *world, struct slot_id id, uint32_t server, double at_s)
{
    const struct scenario_tier *tier = tier_of(world, server);
    const struct rng_at once = {.seed = world->seed, .stream = RNG_TRUTH, .entity = server};
    double pace = 1.0;
    if (tier == NULL)
        return pace;
    if (tier->speed_error > 0.0)
        pace = elementary_exp(tier->speed_error * normal(&once, DRAW_SPEED));
    if (tier->slow_factor > 1.0 && tier->slow_every_s > 0.0 && is_slow(world, tier, id, server, at_s))
        pace *= tier->slow_factor;
    return pace;
}

/* A normal drawn from two words of 32 bits is smaller. */
#define NORMAL_MOST 7.0

double drift_pace_most(const struct world *world, uint32_t server)
{
    const struct scenario_tier *tier = tier_of(world, server);
    return tier != NULL ? elementary_exp(tier->speed_error * NORMAL_MOST) * tier->slow_factor : 1.0;
}

/* How many models a server has had before the present one. */
static uint32_t replaced(const struct world *world, const struct scenario_tier *tier, struct slot_id id,
                         uint32_t server, double at_s)
{
    uint32_t times = 0;
    double now_s = 0.0;
    for (; tier->replaced_every_s > 0.0; times++) {
        const struct rng_at at = at_change(world, id, server, times);
        now_s += tier->replaced_every_s * rng_exponential(rng_block(&at, DRAW_REPLACED).v[0]);
        if (now_s > at_s)
            break;
    }
    return times;
}

double drift_answer(const struct world *world, struct slot_id id, uint32_t server, uint32_t task_class,
                    double at_s)
{
    const struct scenario_tier *tier = tier_of(world, server);
    double declared = world->server[server].answer[task_class];
    if (tier == NULL || !(tier->answer_error > 0.0))
        return declared;
    uint32_t times = replaced(world, tier, id, server, at_s);
    struct rng_at at = {.seed = world->seed, .stream = RNG_TRUTH, .entity = server};
    if (times > 0)
        at = at_change(world, id, server, times);
    if (times > 0)
        at.stream = RNG_TRUTH; /* apart from the times of changes */
    double drawn = declared + tier->answer_error * normal(&at, DRAW_ANSWERS + task_class);
    return fmin(fmax(drawn, fmin(declared, ANSWER_LEAST)), fmax(declared, ANSWER_MOST));
}
