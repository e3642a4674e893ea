#include "orchestrator/policy/adaptive/adaptive.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/elementary.h"
#include "core/model/drift.h"
#include "orchestrator/policy/adaptive/belief.h"
#include "orchestrator/policy/adaptive/promise.h"
#include "orchestrator/policy/adaptive/shadow_price.h"

struct adaptive {
    enum adaptive_view sees;
    const struct adaptive_settings *settings; /* borrowed */
    struct belief belief;
    struct shadow_price prices;
    bool has_price;
    /* Of the task at hand. */
    const struct env_view *view;
    uint32_t device;
    double most; /* what its best choice is worth, with prices */
    struct env_foreseen best;
};

static enum belief_kind belief_of(enum adaptive_view sees)
{
    switch (sees) {
    case ADAPTIVE_DECLARED:
    case ADAPTIVE_TRUE: break;
    case ADAPTIVE_MEANS: return BELIEF_MEAN;
    case ADAPTIVE_CURIOUS:
    case ADAPTIVE_DRAWN:
    case ADAPTIVE_OPTIMISTIC: return BELIEF_GAUSSIAN;
    }
    return BELIEF_DECLARED;
}

int adaptive_create(struct policy *policy, enum adaptive_view sees, struct diag *diag)
{
    struct adaptive *own = calloc(1, sizeof *own);
    if (own == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    own->sees = sees;
    own->settings = adaptive_settings_of(policy);
    own->has_price = own->settings->adaptive.price == ADAPTIVE_PRICE_LEARNED;
    belief_begin(&own->belief, policy->world, own->settings, belief_of(sees));
    shadow_price_begin(&own->prices, own->settings->adaptive.price_rate);
    policy->state = own;
    return 0;
}

void adaptive_destroy(struct policy *policy)
{
    free(policy->state);
}

/* ---- what is taken for true ---- */

/* Where a slot's draws of a belief about a server begin. */
static struct rng_at draws_of(const struct adaptive *own, uint32_t server)
{
    const struct env_view *view = own->view;
    return (struct rng_at){.seed = view->world->seed,
                           .phase = view->id.phase,
                           .stream = RNG_EXPLORATION,
                           .entity = own->device * view->world->servers + server,
                           .episode = view->id.episode,
                           .slot = view->id.slot};
}

#define TRIES_MOST 64u
/* The draws of a gamma variate begin so far from each other. */
enum drawn { DRAW_PACE, DRAW_RIGHT, DRAW_WRONG = DRAW_RIGHT + TRIES_MOST };

/* Shape above 1: Marsaglia and Tsang, ACM TOMS 26 (2000) 363-372. One in 20 is drawn again, so all TRIES_MOST are not. */
static double gamma_above_one(double shape, const struct rng_at *at, uint32_t first)
{
    double d = shape - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * d);
    for (uint32_t try = 0; try < TRIES_MOST - 1; try++) {
        const struct rng_block block = rng_block(at, first + 1 + try);
        double normal[2];
        rng_normal_pair(block.v[0], block.v[1], normal);
        double v = 1.0 + c * normal[0];
        if (v <= 0.0)
            continue;
        v = v * v * v;
        if (elementary_log(rng_u01(block.v[2])) <
            0.5 * normal[0] * normal[0] + d - d * v + d * elementary_log(v))
            return d * v;
    }
    return d;
}

static double gamma_drawn(double shape, const struct rng_at *at, uint32_t first)
{
    double above = gamma_above_one(shape + 1.0, at, first);
    return above * elementary_pow(rng_u01(rng_block(at, first).v[3]), 1.0 / shape); /* a smaller shape */
}

static double beta_drawn(double right, double wrong, const struct rng_at *at)
{
    if (right <= 0.0 || wrong <= 0.0)
        return right > 0.0 ? 1.0 : 0.0;
    double one = gamma_drawn(right, at, DRAW_RIGHT), other = gamma_drawn(wrong, at, DRAW_WRONG);
    return one + other > 0.0 ? one / (one + other) : 0.5;
}

static struct promise_server drawn_of(const struct adaptive *own, uint32_t server,
                                      const struct belief_guess *guess)
{
    const struct rng_at at = draws_of(own, server);
    const struct rng_block block = rng_block(&at, DRAW_PACE);
    double normal[2];
    rng_normal_pair(block.v[0], block.v[1], normal);
    return (struct promise_server){
        .pace_log = guess->pace_log + sqrt(guess->pace_variance) * normal[0],
        .chance = beta_drawn(guess->right, guess->wrong, &at),
    };
}

static struct promise_server optimistic_of(const struct adaptive *own, const struct belief_guess *guess)
{
    double count = guess->right + guess->wrong, mean = guess->right / count;
    double deviation = sqrt(mean * (1.0 - mean) / (count + 1.0)), by = own->settings->adaptive.deviations;
    return (struct promise_server){
        .pace_log = guess->pace_log - by * sqrt(guess->pace_variance),
        .chance = fmin(mean + by * deviation, 1.0),
    };
}

static struct promise_server true_of(const struct adaptive *own, uint32_t server)
{
    const struct env_view *view = own->view;
    double pace = drift_pace(view->world, view->id, server, view->start_s);
    return (struct promise_server){
        .pace_log = pace != 1.0 ? elementary_log(pace) : 0.0,
        .chance = drift_answer(view->world, view->id, server, view->task_class[own->device], view->start_s),
    };
}

static struct promise_server server_of(const struct adaptive *own, uint32_t server,
                                       struct belief_guess *ret_guess)
{
    *ret_guess = belief_guess(&own->belief, server, own->view->task_class[own->device], own->view->start_s);
    const struct promise_server mean = {
        .pace_log = ret_guess->pace_log,
        .pace_variance = ret_guess->pace_variance,
        .chance = ret_guess->right / (ret_guess->right + ret_guess->wrong),
    };
    switch (own->sees) {
    case ADAPTIVE_DECLARED:
        return (struct promise_server){
            .chance = own->view->world->server[server].answer[own->view->task_class[own->device]]};
    case ADAPTIVE_TRUE: return true_of(own, server);
    case ADAPTIVE_DRAWN: return drawn_of(own, server, ret_guess);
    case ADAPTIVE_OPTIMISTIC: return optimistic_of(own, ret_guess);
    case ADAPTIVE_MEANS:
    case ADAPTIVE_CURIOUS: break;
    }
    return mean;
}

/* Nats that a task's outcome is expected to tell: of the Beta distribution, if there is an answer in time, about as much as
 * one more count narrows it; and of the pace, that of a Gaussian filter. */
static double gain_of(const struct promise *promise, const struct belief_guess *guess)
{
    double answer = 0.5 * elementary_log1p(1.0 / (guess->right + guess->wrong));
    return promise->in_time * answer + 0.5 * elementary_log1p(guess->pace_variance / BELIEF_NOISE);
}

/* ---- deciding ---- */

static double worth(void *user, const struct whole_tasks *tasks, uint32_t device, struct whole_choice choice)
{
    struct adaptive *own = user;
    const struct world *world = tasks->view->world;
    struct belief_guess guess;
    own->view = tasks->view;
    own->device = device;
    const struct promise_server server = server_of(own, choice.server, &guess);
    const struct promise promise = promise_of(tasks->view, device, choice, &server);
    if (promise.in_time <= 0.0)
        return -(double) INFINITY;
    double price = shadow_price_of(&own->prices, choice.server, choice.shares, promise.held_s);
    double gain = own->sees == ADAPTIVE_CURIOUS ? gain_of(&promise, &guess) : 0.0;
    double value = promise.worth - price + own->settings->adaptive.gain * gain;
    if (promise_may_be_refused(world) && value < 0.0)
        return -(double) INFINITY; /* to refuse it is worth nothing, or its share is worth more to others */
    if (value > own->most) {
        own->most = value;
        own->best = (struct env_foreseen){promise.latency_s, promise.in_time, gain};
    }
    return value;
}

/* What full servers would have been worth to the task beyond what it has. */
static void meet_prices(struct adaptive *own, const struct whole_tasks *tasks, uint32_t device)
{
    const struct world *world = tasks->view->world;
    struct belief_guess guess;
    own->view = tasks->view;
    own->device = device;
    for (uint32_t m = 0; m < world->servers; m++) {
        const struct whole_choice full = {m, 1.0};
        if (!whole_tasks_reach(tasks, device, m))
            continue; /* it has nothing to miss there */
        bool is_full = !whole_tasks_fit(tasks, device, full);
        const struct promise_server server = server_of(own, m, &guess);
        const struct promise promise = promise_of(tasks->view, device, full, &server);
        shadow_price_meet(&own->prices, m, is_full, promise.worth - fmax(own->most, 0.0), promise.held_s);
    }
}

/* A task has been decided. */
static void decided(void *user, const struct whole_tasks *tasks, uint32_t device)
{
    struct adaptive *own = user;
    if (own->most > -(double) INFINITY)
        tasks->decision->foreseen[device] = own->best;
    if (own->has_price)
        meet_prices(own, tasks, device);
    own->most = -(double) INFINITY;
}

void adaptive_decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct adaptive *own = policy->state;
    const struct whole_rule rule = {.worth = worth, .decided = decided, .user = own, .chooses_shares = true};
    if (view->id.slot == 0) {
        belief_begin(&own->belief, policy->world, own->settings, own->belief.kind);
        shadow_price_begin(&own->prices, own->settings->adaptive.price_rate);
    }
    own->most = -(double) INFINITY;
    whole_tasks_best(view, ret_decision, &rule);
}

void adaptive_hear(struct policy *policy, const struct policy_feedback *feedback)
{
    struct adaptive *own = policy->state;
    for (size_t i = 0; i < feedback->outcomes; i++)
        belief_hear(&own->belief, &feedback->outcome[i]);
}
