#include "orchestrator/policy/planned/active_reserve.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/rng.h"
#include "orchestrator/policy/planned/reserve_model.h"
#include "orchestrator/policy/planned/settings.h"

struct active_reserve {
    const struct world *world; /* borrowed, as the next two */
    const struct planned_settings *settings;
    struct planned_agent *agent;
    bool trains, learns_preference, has_price;
    uint8_t *allowed; /* [M] */
    float *price;     /* [rests] of a full share; 0 without has_price */
    /* Of this block of slots, of each kind: what was missed by those who met too little of it, a sum, and how many did. */
    double *missed; /* [rests] */
    uint64_t *misses, slots;
    /* The slot at hand. */
    const struct env_view *view;
    uint32_t device;  /* that decides */
    float *rest;      /* [rests] what it finds */
    uint32_t *choice; /* [horizon] of its plan, and [horizon][RESERVED_KINDS] */
    float *part;
    /* Of the slot that was decided last. */
    float *found;                          /* [rests] what its first task found */
    struct reserve_action *action;         /* [N]; server ENV_LOCAL: none */
    float *x;                              /* [N][inputs] */
    const struct policy_outcome **outcome; /* [N] while it learns */
    float *after;                          /* [rests] */
    float *y;                              /* [outputs] */
    struct ensemble_guess guess;           /* of one row */
};

/* ---- life ---- */

int active_reserve_check(const struct policy *policy, struct diag *diag)
{
    enum scenario_reward reward = policy->world->scenario.objective.reward;
    if (reward != REWARD_COMPLETED && reward != REWARD_PRINTED)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "values whole tasks by objective.reward: completed or printed");
    if (policy->world->scenario.reserve.returns != RETURNS_OFF ||
        classes_are_listed(&policy->world->scenario))
        return diag_fail(
            diag, ERR_UNSUPPORTED,
            "learns from each task before the next comes, and of one class: reserve.returns: off, and no "
            "list of classes; active-belief plays the others");
    return 0;
}

struct planned_shape active_reserve_shape(const struct policy *policy)
{
    const struct planned_settings *settings = planned_settings_of(policy);
    const struct world *world = policy->world;
    return (struct planned_shape){
        .inputs = reserve_model_inputs(world),
        .outputs = reserve_model_outputs(world, settings->active.preference == PREFERENCE_LEARNED),
        .state = reserve_model_rests(world),
        .space = {.horizon = settings->active.horizon, .choices = world->servers, .parts = RESERVED_KINDS},
    };
}

static bool create_space(struct active_reserve *own)
{
    const struct ensemble_config *model = ensemble_config(own->agent->ensemble);
    size_t rests = reserve_model_rests(own->world), devices = own->world->devices;
    size_t horizon = own->settings->active.horizon;
    own->allowed = calloc(own->world->servers, sizeof *own->allowed);
    own->price = calloc(rests, sizeof *own->price);
    own->missed = calloc(rests, sizeof *own->missed);
    own->misses = calloc(rests, sizeof *own->misses);
    own->rest = calloc(rests, sizeof *own->rest);
    own->choice = calloc(horizon, sizeof *own->choice);
    own->part = calloc(horizon * RESERVED_KINDS, sizeof *own->part);
    own->found = calloc(rests, sizeof *own->found);
    own->action = calloc(devices, sizeof *own->action);
    own->x = calloc(devices * model->inputs, sizeof *own->x);
    own->outcome = calloc(devices, sizeof *own->outcome);
    own->after = calloc(rests, sizeof *own->after);
    own->y = calloc(model->outputs, sizeof *own->y);
    return own->allowed != NULL && own->price != NULL && own->missed != NULL && own->misses != NULL &&
           own->rest != NULL && own->choice != NULL && own->part != NULL && own->found != NULL &&
           own->action != NULL && own->x != NULL && own->outcome != NULL && own->after != NULL &&
           own->y != NULL && ensemble_guess_init(&own->guess, own->agent->ensemble, 1) == 0;
}

int active_reserve_create(struct active_reserve **ret_reserve, const struct policy *policy,
                          struct planned_agent *agent)
{
    struct active_reserve *own = calloc(1, sizeof *own);
    if (own == NULL)
        return -ENOMEM;
    own->world = policy->world;
    own->settings = planned_settings_of(policy);
    own->agent = agent;
    own->trains = policy->training;
    own->learns_preference = own->settings->active.preference == PREFERENCE_LEARNED;
    own->has_price = own->settings->active.price == PRICE_LEARNED;
    if (!create_space(own)) {
        active_reserve_destroy(own);
        return -ENOMEM;
    }
    *ret_reserve = own;
    return 0;
}

void active_reserve_destroy(struct active_reserve *reserve)
{
    if (reserve == NULL)
        return;
    free(reserve->allowed);
    free(reserve->price);
    free(reserve->missed);
    free(reserve->misses);
    free(reserve->rest);
    free(reserve->choice);
    free(reserve->part);
    free(reserve->found);
    free(reserve->action);
    free(reserve->x);
    free(reserve->outcome);
    free(reserve->after);
    free(reserve->y);
    ensemble_guess_finish(&reserve->guess);
    free(reserve);
}

/* ---- one task ---- */

static struct reserve_action action_of(uint32_t server, const float *part)
{
    struct reserve_action action = {.server = server};
    memcpy(action.part, part, sizeof action.part);
    return action;
}

static void describe(void *user, const struct free_energy_step *step, float *ret_x)
{
    const struct active_reserve *own = user;
    size_t inputs = reserve_model_inputs(own->world), rests = reserve_model_rests(own->world);
    for (size_t row = 0; row < step->rows; row++) {
        struct reserve_action action = action_of(step->choice[row], step->part + row * RESERVED_KINDS);
        reserve_model_describe(own->view, own->device, step->state + row * rests, &action,
                               ret_x + row * inputs);
    }
}

static double preference_of(const struct active_reserve *own, const float *y)
{
    return own->learns_preference ? reserve_model_learned_preference(own->world, y)
                                  : reserve_model_preference(own->world, y);
}

/* What an action's shares cost. */
static double price_of(const struct active_reserve *own, uint32_t server, const float *part)
{
    const float *price = own->price + (size_t) server * RESERVED_KINDS;
    double sum = 0.0;
    for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
        sum += (double) price[kind] * (double) part[kind];
    return sum * own->world->scenario.reserve.most;
}

static void prefer(void *user, const struct free_energy_step *step, const float *y, double *ret_preference)
{
    const struct active_reserve *own = user;
    size_t outputs = ensemble_config(own->agent->ensemble)->outputs;
    for (size_t row = 0; row < step->rows; row++)
        ret_preference[row] = preference_of(own, y + row * outputs) -
                              price_of(own, step->choice[row], step->part + row * RESERVED_KINDS);
}

/* The next task comes from another place, which nobody knows: the same gains stand for its own. */
static void follow(void *user, const struct free_energy_step *step, const float *y, float *state)
{
    const struct active_reserve *own = user;
    size_t outputs = ensemble_config(own->agent->ensemble)->outputs, rests = reserve_model_rests(own->world);
    for (size_t row = 0; row < step->rows; row++)
        reserve_model_follow(own->world, y + row * outputs, state + row * rests);
}

/* Kinds of which less than a full share is left; ret_lacks says which. */
static unsigned count_lacking(const struct active_reserve *own, uint32_t server,
                              bool ret_lacks[static RESERVED_KINDS])
{
    const float *rest = own->rest + (size_t) server * RESERVED_KINDS;
    unsigned count = 0;
    for (unsigned kind = 0; kind < RESERVED_KINDS; kind++) {
        ret_lacks[kind] = (double) rest[kind] < own->world->server[server].full_share;
        count += ret_lacks[kind] ? 1 : 0;
    }
    return count;
}

/* What a full share of the server would be worth to the task, as members foresee it of an empty one, as a mean. */
static double worth_if_empty(struct active_reserve *own, uint32_t server)
{
    const struct ensemble_config *model = ensemble_config(own->agent->ensemble);
    struct reserve_action action = {.server = server};
    double sum = 0.0, full = 1.0 / own->world->scenario.reserve.most;
    memcpy(own->after, own->rest, reserve_model_rests(own->world) * sizeof *own->after);
    for (unsigned kind = 0; kind < RESERVED_KINDS; kind++) {
        own->after[(size_t) server * RESERVED_KINDS + kind] = 1.0f;
        action.part[kind] = full < 1.0 ? (float) full : 1.0f;
    }
    float *x = own->x + own->device * model->inputs; /* written anew once it is decided */
    reserve_model_describe(own->view, own->device, own->after, &action, x);
    ensemble_predict(own->agent->ensemble, 1, x, &own->guess);
    for (size_t e = 0; e < model->members; e++) {
        ensemble_in_units(own->agent->ensemble, 1, own->guess.mean + e * model->outputs, own->y);
        sum += preference_of(own, own->y);
    }
    return sum / (double) model->members;
}

/* What full servers would have been worth beyond what the task has instead, `best`: missed for what they lack, in equal
 * parts. */
static void miss(struct active_reserve *own, double best)
{
    for (uint32_t m = 0; m < own->world->servers; m++) {
        bool lacks[RESERVED_KINDS];
        unsigned lacking = own->allowed[m] == 1 ? count_lacking(own, m, lacks) : 0;
        if (lacking == 0)
            continue;
        double missed = fmax(worth_if_empty(own, m) - best, 0.0) / lacking;
        for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
            if (lacks[kind]) {
                own->missed[m * RESERVED_KINDS + kind] += missed;
                own->misses[m * RESERVED_KINDS + kind]++;
            }
    }
}

/* Server ENV_LOCAL: with a price, the plan is worth less than to refuse the task, which is worth nothing. */
static struct reserve_action plan_task(struct active_reserve *own)
{
    const struct free_energy_world world = {describe, prefer, follow, own};
    struct plan plan = {.choice = own->choice, .part = own->part};
    planned_agent_plan(own->agent, &world, own->rest, own->allowed, planned_number(own->view, own->device),
                       &plan);
    struct reserve_action action = action_of(plan.choice[0], plan.part);
    if (!own->has_price)
        return action;
    double worth;
    free_energy_worth(own->agent->energy, 1, plan.choice, plan.part, &worth);
    double best = free_energy_preference(own->agent->energy, 0) / (double) own->settings->active.horizon;
    if (own->trains)
        miss(own, fmax(best, 0.0));
    if (worth < 0.0)
        action.server = ENV_LOCAL;
    return action;
}

/* A server that covers the device, and parts of it, all with the same probability. */
static struct reserve_action draw_task(const struct active_reserve *own, uint32_t count)
{
    const struct rng_at at = {
        .seed = own->world->seed,
        .phase = own->view->id.phase,
        .stream = RNG_EXPLORATION,
        .entity = own->device,
        .episode = own->view->id.episode,
        .slot = own->view->id.slot,
    };
    struct reserve_action action = {.server = 0};
    uint32_t left = rng_below(&at, 0, count);
    while (own->allowed[action.server] == 0 || left-- > 0)
        action.server++;
    for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
        action.part[kind] = (float) rng_uniform(&at, kind + 1);
    return action;
}

/* Servers that cover the device; own->allowed says which. */
static uint32_t allow(struct active_reserve *own)
{
    const struct env_view *view = own->view;
    uint32_t count = 0;
    for (uint32_t m = 0; m < own->world->servers; m++) {
        bool covers = view->covered[(size_t) own->device * own->world->servers + m];
        own->allowed[m] = covers && view->server_up[m] ? 1 : 0;
        count += own->allowed[m];
    }
    return env_has_task(view, own->device) ? count : 0;
}

/* ---- a slot ---- */

static bool fits(const struct active_reserve *own, const struct reserve_action *action)
{
    const float *rest = own->rest + (size_t) action->server * RESERVED_KINDS;
    bool fits = true;
    for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
        fits =
            fits && reserve_model_share(own->world, action, (enum reserved_kind) kind) <= (double) rest[kind];
    return fits;
}

static void send(const struct active_reserve *own, const struct reserve_action *action,
                 struct env_decision *decision)
{
    uint32_t n = own->device;
    decision->server[n] = action->server;
    decision->refused[n] = false;
    decision->compute_share[n] = reserve_model_share(own->world, action, RESERVED_COMPUTE);
    decision->bandwidth_share[n] = reserve_model_share(own->world, action, RESERVED_BAND);
    decision->memory_share[n] = reserve_model_share(own->world, action, RESERVED_MEMORY);
}

static void decide_task(struct active_reserve *own, bool draws, struct env_decision *ret_decision)
{
    size_t inputs = reserve_model_inputs(own->world);
    struct reserve_action *action = &own->action[own->device];
    uint32_t count = allow(own);
    action->server = ENV_LOCAL;
    if (count > 0)
        *action = draws ? draw_task(own, count) : plan_task(own);
    if (action->server == ENV_LOCAL) {
        ret_decision->server[own->device] = ENV_LOCAL;
        ret_decision->refused[own->device] = true;
        return;
    }
    send(own, action, ret_decision);
    if (own->trains)
        reserve_model_describe(own->view, own->device, own->rest, action, own->x + own->device * inputs);
    if (fits(own, action))
        reserve_model_take(own->world, action, own->rest);
}

void active_reserve_decide(struct active_reserve *reserve, const struct env_view *view, bool draws,
                           struct env_decision *ret_decision)
{
    struct active_reserve *own = reserve;
    own->view = view;
    reserve_model_rest(view, own->found);
    memcpy(own->rest, own->found, reserve_model_rests(own->world) * sizeof *own->rest);
    for (own->device = 0; own->device < own->world->devices; own->device++)
        decide_task(own, draws, ret_decision);
    env_repair(view, ret_decision);
}

/* ---- learning ---- */

/* The outcome of each device's task; NULL: nothing is known of it. */
static void sort_outcomes(struct active_reserve *own, const struct policy_feedback *feedback)
{
    memset(own->outcome, 0, own->world->devices * sizeof *own->outcome);
    for (size_t i = 0; i < feedback->outcomes; i++) {
        assert(feedback->outcome[i].device < own->world->devices);
        own->outcome[feedback->outcome[i].device] = &feedback->outcome[i];
    }
}

/* Is there a task behind this one in the slot? */
static bool is_last(const struct active_reserve *own, uint32_t device)
{
    for (uint32_t n = device + 1; n < own->world->devices; n++)
        if (own->action[n].server != ENV_LOCAL)
            return false;
    return true;
}

/* A block is over: prices follow what those missed, as a mean, who met too little. Nobody: nothing. */
static void move_prices(struct active_reserve *own)
{
    double rate = own->settings->active.price_rate;
    for (size_t i = 0; i < reserve_model_rests(own->world); i++) {
        double worth = own->misses[i] > 0 ? own->missed[i] / (double) own->misses[i] : 0.0;
        double price = (double) own->price[i];
        own->price[i] = (float) (price + rate * (worth - price));
        own->missed[i] = 0.0;
        own->misses[i] = 0;
    }
    own->slots = 0;
}

void active_reserve_learn(struct active_reserve *reserve, const struct policy_feedback *feedback)
{
    struct active_reserve *own = reserve;
    size_t rests = reserve_model_rests(own->world), inputs = reserve_model_inputs(own->world);
    sort_outcomes(own, feedback);
    for (uint32_t n = 0; n < own->world->devices; n++) {
        const struct policy_outcome *outcome = own->outcome[n];
        const struct reserve_action *action = &own->action[n];
        if (action->server == ENV_LOCAL)
            continue;
        memcpy(own->after, own->found, rests * sizeof *own->after);
        if (is_last(own, n))
            reserve_model_rest(feedback->next, own->after);
        else if (outcome == NULL || !outcome->refused)
            reserve_model_take(own->world, action, own->after);
        if (outcome != NULL && !outcome->recovered) {
            reserve_model_redescribe(own->world, own->found, own->x + n * inputs);
            reserve_model_outcome(own->world, outcome, action, own->found, own->after, own->learns_preference,
                                  own->y);
            ensemble_observe(own->agent->ensemble, own->x + n * inputs, own->y);
        }
        memcpy(own->found, own->after, rests * sizeof *own->found);
    }
    own->slots++;
    if (own->has_price && (feedback->truncated || own->slots >= own->settings->active.price_block))
        move_prices(own);
}

void active_reserve_describe_actor(struct active_reserve *reserve, struct checkpoint *checkpoint)
{
    if (!reserve->has_price)
        return;
    size_t prices = reserve_model_rests(reserve->world);
    checkpoint_size(checkpoint, "prices", prices);
    checkpoint_floats(checkpoint, CHECKPOINT_ACTOR, reserve->price, prices);
}
