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

#define ROUNDING 1e-7 /* of what is left, as floats */

/* A task until its outcome is heard, which may be some slots later. With its inputs and its change, in the same place. */
struct waiting_task {
    uint32_t server; /* ENV_LOCAL: none */
    bool is_changed; /* its change is known */
};

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
    float *found;                  /* [N][rests] what each task found */
    struct reserve_action *action; /* [N]; server ENV_LOCAL: none */
    uint32_t slot;
    /* Of the episode: place slot N + device. */
    struct waiting_task *waiting; /* [places] */
    float *x;                     /* [places][inputs] */
    float *change;                /* [places][rests] */
    size_t places;
    float *after;   /* [rests] */
    float *scratch; /* [inputs] */
    float *y;       /* [outputs] */
};

/* ---- life ---- */

int active_reserve_check(const struct policy *policy, struct diag *diag)
{
    enum scenario_reward reward = policy->world->scenario.objective.reward;
    if (reward != REWARD_COMPLETED && reward != REWARD_PRINTED && reward != REWARD_UTILITY)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "values whole tasks by objective.reward: completed, printed or utility");
    return 0;
}

struct planned_shape active_reserve_shape(const struct policy *policy)
{
    const struct planned_settings *settings = planned_settings_of(policy);
    const struct world *world = policy->world;
    return (struct planned_shape){
        .inputs = reserve_model_inputs(world, settings->active.inputs == INPUTS_MARGINS),
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
    own->found = calloc(devices * rests, sizeof *own->found);
    own->action = calloc(devices, sizeof *own->action);
    own->scratch = calloc(model->inputs, sizeof *own->scratch);
    own->after = calloc(rests, sizeof *own->after);
    own->y = calloc(model->outputs, sizeof *own->y);
    return own->allowed != NULL && own->price != NULL && own->missed != NULL && own->misses != NULL &&
           own->rest != NULL && own->choice != NULL && own->part != NULL && own->found != NULL &&
           own->action != NULL && own->scratch != NULL && own->after != NULL && own->y != NULL;
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
    free(reserve->waiting);
    free(reserve->x);
    free(reserve->change);
    free(reserve->scratch);
    free(reserve->after);
    free(reserve->y);
    free(reserve);
}

/* ---- one task ---- */

static struct reserve_action action_of(uint32_t server, const float *part)
{
    struct reserve_action action = {.server = server};
    memcpy(action.part, part, sizeof action.part);
    return action;
}

static size_t inputs_of(const struct active_reserve *own)
{
    return ensemble_config(own->agent->ensemble)->inputs;
}

static void describe_task(const struct active_reserve *own, const float *rest,
                          const struct reserve_action *action, float *ret_x)
{
    bool with_margins = own->settings->active.inputs == INPUTS_MARGINS;
    reserve_model_describe(own->view, own->device, rest, action, with_margins, ret_x);
}

static void describe(void *user, const struct free_energy_step *step, float *ret_x)
{
    const struct active_reserve *own = user;
    size_t inputs = inputs_of(own), rests = reserve_model_rests(own->world);
    for (size_t row = 0; row < step->rows; row++) {
        struct reserve_action action = action_of(step->choice[row], step->part + row * RESERVED_KINDS);
        describe_task(own, step->state + row * rests, &action, ret_x + row * inputs);
    }
}

static double preference_of(const struct active_reserve *own, const float *y)
{
    return own->learns_preference
               ? reserve_model_learned_preference(own->world, y)
               : reserve_model_preference(own->world, own->view->deadline_s[own->device], y);
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
    float *x = own->scratch;
    describe_task(own, own->after, &action, x);
    ensemble_predict(own->agent->ensemble, 1, x, &own->agent->guess);
    for (size_t e = 0; e < model->members; e++) {
        ensemble_in_units(own->agent->ensemble, 1, own->agent->guess.mean + e * model->outputs, own->y);
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

/* What the plan's first step is expected to be. */
static void foresee(struct active_reserve *own, const struct reserve_action *action, const struct plan *plan,
                    struct env_foreseen *ret_foreseen)
{
    describe_task(own, own->rest, action, own->scratch);
    planned_agent_foresee(own->agent, own->scratch, reserve_model_seconds(own->world),
                          own->view->deadline_s[own->device], ret_foreseen);
    ret_foreseen->in_time *= reserve_model_accepted(own->world, own->agent->mean);
    ret_foreseen->gain = planned_agent_gain(own->agent, plan);
}

/* Is the plan worth more than to refuse the task, which is worth nothing? Prices learn from what it has. */
static bool is_worth_its_price(struct active_reserve *own, const struct plan *plan)
{
    double worth;
    free_energy_worth(own->agent->energy, 1, plan->choice, plan->part, &worth);
    double best = free_energy_preference(own->agent->energy, 0) / (double) own->settings->active.horizon;
    if (own->trains)
        miss(own, fmax(best, 0.0));
    return worth >= 0.0;
}

/* Server ENV_LOCAL: it is refused. */
static struct reserve_action plan_task(struct active_reserve *own, struct env_foreseen *ret_foreseen)
{
    const struct free_energy_world world = {describe, prefer, follow, own};
    struct plan plan = {.choice = own->choice, .part = own->part};
    planned_agent_plan(own->agent, &world, own->rest, own->allowed, planned_number(own->view, own->device),
                       &plan);
    struct reserve_action action = action_of(plan.choice[0], plan.part);
    if (own->has_price && !is_worth_its_price(own, &plan))
        action.server = ENV_LOCAL;
    else
        foresee(own, &action, &plan, ret_foreseen);
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

/* Will the orchestrator grant it? So each task of a slot finds what it will really find. */
static bool is_granted(const struct active_reserve *own, const struct reserve_action *action)
{
    const struct scenario *scenario = &own->world->scenario;
    const float *rest = own->rest + (size_t) action->server * RESERVED_KINDS;
    double share[RESERVED_KINDS];
    bool fits = true;
    for (unsigned kind = 0; kind < RESERVED_KINDS; kind++) {
        share[kind] = reserve_model_share(own->world, action, (enum reserved_kind) kind);
        fits = fits && share[kind] <= (double) rest[kind] + ROUNDING;
        share[kind] = fmin(share[kind], (double) rest[kind]);
    }
    return (fits || scenario->reserve.excess == EXCESS_CLAMP) && share[RESERVED_COMPUTE] > 0.0 &&
           share[RESERVED_BAND] > 0.0 &&
           share[RESERVED_MEMORY] + ROUNDING >=
               scenario->reserve.memory_need * own->world->server[action->server].full_share;
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

/* Room for the places of a slot. False: there is no memory, and the slot teaches nothing. */
static bool reserve_places(struct active_reserve *own, uint32_t slot)
{
    size_t devices = own->world->devices, wanted = ((size_t) slot + 1) * devices, places = own->places;
    if (wanted <= places)
        return true;
    while (places < wanted)
        places = places > 0 ? 2 * places : 64 * devices;
    struct waiting_task *waiting = realloc(own->waiting, places * sizeof *waiting);
    own->waiting = waiting != NULL ? waiting : own->waiting;
    float *x = realloc(own->x, places * inputs_of(own) * sizeof *x);
    own->x = x != NULL ? x : own->x;
    float *change = realloc(own->change, places * reserve_model_rests(own->world) * sizeof *change);
    own->change = change != NULL ? change : own->change;
    if (waiting == NULL || x == NULL || change == NULL)
        return false;
    for (size_t i = own->places; i < places; i++)
        waiting[i] = (struct waiting_task){.server = ENV_LOCAL};
    own->places = places;
    return true;
}

static size_t place_of(const struct active_reserve *own, uint32_t slot, uint32_t device)
{
    return (size_t) slot * own->world->devices + device;
}

/* What the ensemble is told of the task once its outcome is heard. */
static void note_task(struct active_reserve *own, const struct reserve_action *action)
{
    size_t rests = reserve_model_rests(own->world), place = place_of(own, own->view->id.slot, own->device);
    if (place >= own->places)
        return;
    memcpy(own->found + own->device * rests, own->rest, rests * sizeof *own->found);
    own->waiting[place].server = action->server;
    describe_task(own, own->rest, action, own->x + place * inputs_of(own));
}

static void decide_task(struct active_reserve *own, bool draws, struct env_decision *ret_decision)
{
    struct reserve_action *action = &own->action[own->device];
    uint32_t count = allow(own);
    action->server = ENV_LOCAL;
    if (count > 0)
        *action = draws ? draw_task(own, count) : plan_task(own, &ret_decision->foreseen[own->device]);
    if (action->server == ENV_LOCAL) {
        ret_decision->server[own->device] = ENV_LOCAL;
        ret_decision->refused[own->device] = true;
        return;
    }
    send(own, action, ret_decision);
    if (own->trains)
        note_task(own, action);
    if (is_granted(own, action))
        reserve_model_take(own->world, action, own->rest);
}

void active_reserve_decide(struct active_reserve *reserve, const struct env_view *view, bool draws,
                           struct env_decision *ret_decision)
{
    struct active_reserve *own = reserve;
    own->view = view;
    own->slot = view->id.slot;
    reserve_model_rest(view, own->rest);
    if (own->trains && reserve_places(own, view->id.slot))
        for (uint32_t n = 0; n < own->world->devices; n++)
            own->waiting[place_of(own, view->id.slot, n)] = (struct waiting_task){.server = ENV_LOCAL};
    for (own->device = 0; own->device < own->world->devices; own->device++)
        decide_task(own, draws, ret_decision);
    env_repair(view, ret_decision);
}

/* ---- learning ---- */

/* The task behind this one in the slot; N: it is the last. */
static uint32_t next_task(const struct active_reserve *own, uint32_t device)
{
    uint32_t n = device + 1;
    while (n < own->world->devices && own->action[n].server == ENV_LOCAL)
        n++;
    return n;
}

/* What is left has changed from each task of the slot to the next one, and from the last to what the next view has. */
static void note_changes(struct active_reserve *own, const struct env_view *next)
{
    size_t rests = reserve_model_rests(own->world);
    reserve_model_rest(next, own->after);
    for (uint32_t n = 0; n < own->world->devices; n++) {
        size_t place = place_of(own, own->slot, n);
        if (place >= own->places || own->waiting[place].server == ENV_LOCAL)
            continue;
        uint32_t behind = next_task(own, n);
        const float *after = behind < own->world->devices ? own->found + behind * rests : own->after;
        reserve_model_change(own->world, own->found + n * rests, after, own->change + place * rests);
        own->waiting[place].is_changed = true;
    }
}

static void learn_task(struct active_reserve *own, const struct policy_outcome *outcome)
{
    size_t rests = reserve_model_rests(own->world), place = place_of(own, outcome->slot, outcome->device);
    assert(outcome->device < own->world->devices);
    if (place >= own->places || !own->waiting[place].is_changed || outcome->recovered)
        return;
    reserve_model_outcome(own->world, outcome, own->waiting[place].server, own->change + place * rests,
                          own->learns_preference, own->y);
    ensemble_observe(own->agent->ensemble, own->x + place * inputs_of(own), own->y);
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
    note_changes(own, feedback->next);
    for (size_t i = 0; i < feedback->outcomes; i++)
        learn_task(own, &feedback->outcome[i]);
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
