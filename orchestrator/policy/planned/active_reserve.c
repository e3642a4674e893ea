#include "orchestrator/policy/planned/active_reserve.h"

#include <assert.h>
#include <errno.h>
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
    bool trains, learns_preference;
    uint8_t *allowed; /* [M] */
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
};

/* ---- life ---- */

int active_reserve_check(const struct policy *policy, struct diag *diag)
{
    enum scenario_reward reward = policy->world->scenario.objective.reward;
    if (reward != REWARD_COMPLETED && reward != REWARD_PRINTED)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "values whole tasks by objective.reward: completed or printed");
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
    own->rest = calloc(rests, sizeof *own->rest);
    own->choice = calloc(horizon, sizeof *own->choice);
    own->part = calloc(horizon * RESERVED_KINDS, sizeof *own->part);
    own->found = calloc(rests, sizeof *own->found);
    own->action = calloc(devices, sizeof *own->action);
    own->x = calloc(devices * model->inputs, sizeof *own->x);
    own->outcome = calloc(devices, sizeof *own->outcome);
    own->after = calloc(rests, sizeof *own->after);
    own->y = calloc(model->outputs, sizeof *own->y);
    return own->allowed != NULL && own->rest != NULL && own->choice != NULL && own->part != NULL &&
           own->found != NULL && own->action != NULL && own->x != NULL && own->outcome != NULL &&
           own->after != NULL && own->y != NULL;
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
    free(reserve->rest);
    free(reserve->choice);
    free(reserve->part);
    free(reserve->found);
    free(reserve->action);
    free(reserve->x);
    free(reserve->outcome);
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

static void prefer(void *user, const struct free_energy_step *step, const float *y, double *ret_preference)
{
    const struct active_reserve *own = user;
    size_t outputs = ensemble_config(own->agent->ensemble)->outputs;
    for (size_t row = 0; row < step->rows; row++) {
        const float *foreseen = y + row * outputs;
        ret_preference[row] = own->learns_preference ? reserve_model_learned_preference(own->world, foreseen)
                                                     : reserve_model_preference(own->world, foreseen);
    }
}

/* The next task comes from another place, which nobody knows: the same gains stand for its own. */
static void follow(void *user, const struct free_energy_step *step, const float *y, float *state)
{
    const struct active_reserve *own = user;
    size_t outputs = ensemble_config(own->agent->ensemble)->outputs, rests = reserve_model_rests(own->world);
    for (size_t row = 0; row < step->rows; row++)
        reserve_model_follow(own->world, y + row * outputs, state + row * rests);
}

static struct reserve_action plan_task(struct active_reserve *own)
{
    const struct free_energy_world world = {describe, prefer, follow, own};
    struct plan plan = {.choice = own->choice, .part = own->part};
    planned_agent_plan(own->agent, &world, own->rest, own->allowed, planned_number(own->view, own->device),
                       &plan);
    return action_of(plan.choice[0], plan.part);
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
    if (count == 0) {
        action->server = ret_decision->server[own->device] = ENV_LOCAL;
        ret_decision->refused[own->device] = true;
        return;
    }
    *action = draws ? draw_task(own, count) : plan_task(own);
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
}
