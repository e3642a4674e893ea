#include "orchestrator/policy/learned/q_learner.h"

/* Device by device. A joint action of all devices would be one of (1 + M (L - s_min))^N, so one network with weights
 * shared by all decides for the devices in turn, by number; each sees the loads that those before it have chosen in this
 * slot. It sees env_device_state, those loads (scaled as the previous ones are) and which device it is, one-hot; its
 * actions are those of turn_actions.h. A device without a task or without a server is passed over.
 *
 * What it learns from: the devices of a slot are steps of one chain, whose last is followed by the first of
 * the next slot. A step's reward is the device's own share of the slot's reward: minus the cost of its tasks
 * that ended in this slot, over N (the last step also has the shares of those passed over, so that nothing is
 * lost in queueing mode). Nothing is discounted within a slot; dqn.discount counts from slot to slot. So Q
 * is what the device itself and all behind it will cost: it pays for the load it leaves to them, but not for
 * what those before it suffer. Rewarding only the last step, with the slot's whole reward, would count that
 * too, and hardly learned: docs/learners.md has the figures. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/rl/checkpoint.h"
#include "core/rl/experience.h"
#include "orchestrator/policy/learned/turn_actions.h"

/* One device's turn. */
struct turn {
    uint32_t device, action;
    float *state;     /* [state_size] */
    uint8_t *allowed; /* [actions] */
};

struct turns {
    struct dqn *learner;
    struct turn_actions actions;
    size_t state_size;
    struct turn *turn; /* [N + 1]: those of the last slot decided, and room for the first of the next */
    uint32_t count;    /* of them taken */
    uint32_t *load;    /* [M]: chosen so far */
    float *reward;     /* [N]: each device's */
    float *states;     /* [N + 1][state_size] */
    uint8_t *flags;    /* [N + 1][actions] */
    uint64_t gathered; /* transitions that gather has given out */
    bool goes_on;      /* the last slot was learned from, and the next one goes on where it ended */
    bool begins;       /* the slot of the last decide does not go on from the one learned from last */
};

void q_learner_destroy(struct policy *policy)
{
    struct turns *own = policy->state;
    if (own == NULL)
        return;
    dqn_destroy(own->learner);
    free(own->turn);
    free(own->load);
    free(own->reward);
    free(own->states);
    free(own->flags);
    free(own);
}

static int create_turns(struct turns *own, const struct world *world)
{
    size_t rows = (size_t) world->devices + 1;
    own->turn = calloc(rows, sizeof *own->turn);
    own->load = calloc(world->servers, sizeof *own->load);
    own->reward = calloc(world->devices, sizeof *own->reward);
    own->states = calloc(rows * own->state_size, sizeof *own->states);
    own->flags = calloc(rows, own->actions.count);
    if (own->turn == NULL || own->load == NULL || own->reward == NULL || own->states == NULL ||
        own->flags == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < rows; i++) {
        own->turn[i].state = own->states + i * own->state_size;
        own->turn[i].allowed = own->flags + i * own->actions.count;
    }
    return 0;
}

struct dqn_config q_learner_config(const struct policy *policy)
{
    const struct learned_settings *settings = learned_settings_of(policy);
    return (struct dqn_config){
        .hidden_1 = settings->ddpg.hidden_1,
        .hidden_2 = settings->ddpg.hidden_2,
        .buffer = settings->dqn.buffer,
        .batch = settings->dqn.batch,
        .warmup = settings->dqn.warmup,
        .rate = (float) settings->dqn.rate,
        .soft_update = (float) settings->dqn.soft_update,
        .is_double = settings->dqn.double_q == SWITCH_ON,
        .is_dueling = settings->dqn.dueling == SWITCH_ON,
        .steps = settings->dqn.steps,
        .is_prioritised = settings->dqn.prioritised == SWITCH_ON,
        .priority = (float) settings->dqn.priority,
        .importance = (float) settings->dqn.importance,
        .importance_updates = settings->dqn.importance_updates,
        .epsilon_first = (float) settings->dqn.epsilon_first,
        .epsilon_last = (float) settings->dqn.epsilon_last,
        .epsilon_acts = settings->dqn.epsilon_slots * policy->world->devices,
        .final_init = (float) settings->ddpg.final_init,
        .seed = policy->world->seed,
    };
}

static int create_learner(struct turns *own, const struct dqn_config *how, struct diag *diag)
{
    struct dqn_config config = *how;
    config.state_size = own->state_size;
    config.actions = own->actions.count;
    int rc = dqn_config_check(&config, diag);
    return rc != 0 ? rc : dqn_create(&own->learner, &config);
}

int q_learner_create(struct policy *policy, const struct dqn_config *how, struct diag *diag)
{
    const struct world *world = policy->world;
    struct turns *own = calloc(1, sizeof *own);
    if (own == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    policy->state = own;
    own->actions = turn_actions_of(world, (uint32_t) learned_settings_of(policy)->dqn.levels);
    own->state_size = env_device_state_size(world);
    if (world->scenario.action.state == STATE_FULL)
        own->state_size += world->servers + world->devices;
    int rc = create_turns(own, world);
    if (rc == 0)
        rc = create_learner(own, how, diag);
    return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
}

/* ---- deciding ---- */

static void see(const struct turns *own, const struct env_view *view, uint32_t device, float *ret_state)
{
    const struct world *world = view->world;
    env_device_state(view, device, ret_state);
    float *out = ret_state + env_device_state_size(world);
    if (world->scenario.action.state == STATE_SPLIT)
        return; /* and nothing else */
    for (uint32_t m = 0; m < world->servers; m++)
        *out++ = 2.0f * (float) own->load[m] / (float) world->devices - 1.0f;
    for (uint32_t n = 0; n < world->devices; n++)
        *out++ = n == device ? 1.0f : 0.0f;
}

/* What turn number own->count would find at this device; false when it is passed over. */
static bool begin_turn(struct turns *own, const struct env_view *view, uint32_t device)
{
    assert(own->count <= view->world->devices); /* the last place is the next slot's */
    struct turn *turn = &own->turn[own->count];
    if (!turn_actions_allow(&own->actions, view, device, turn->allowed))
        return false;
    turn->device = device;
    see(own, view, device, turn->state);
    return true;
}

static void take_turn(struct policy *policy, const struct env_view *view, struct env_decision *decision)
{
    struct turns *own = policy->state;
    assert(own->count < policy->world->devices);
    struct turn *turn = &own->turn[own->count++];
    turn->action = policy->training ? dqn_explore(own->learner, turn->state, turn->allowed)
                                    : dqn_act(own->learner, turn->state, turn->allowed);
    assert(turn->allowed[turn->action] == 1);
    uint32_t server = turn_actions_enter(&own->actions, view, decision, turn->device, turn->action);
    if (server != ENV_LOCAL)
        own->load[server]++;
}

void q_learner_decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct turns *own = policy->state;
    const struct world *world = view->world;
    memset(own->load, 0, world->servers * sizeof *own->load);
    own->count = 0;
    own->begins = !own->goes_on;
    own->goes_on = false;
    for (uint32_t n = 0; n < world->devices; n++) {
        turn_actions_stay(view, ret_decision, n);
        if (begin_turn(own, view, n))
            take_turn(policy, view, ret_decision);
    }
    env_repair(view, ret_decision);
}

/* ---- learning ---- */

/* own->reward from the reports: shares of the slot's reward, the last turn's with those of devices that had no turn. */
static void share_reward(struct turns *own, const struct world *world, const struct policy_feedback *feedback)
{
    assert(own->count > 0);
    float *last = &own->reward[own->turn[own->count - 1].device];
    memset(own->reward, 0, world->devices * sizeof *own->reward);
    for (size_t i = 0; i < feedback->outcomes; i++) {
        if (feedback->outcome[i].refused)
            continue; /* it is worth nothing, and has no cost */
        own->reward[feedback->outcome[i].device] -=
            (float) (feedback->outcome[i].cost / (double) world->devices);
    }
    uint32_t turn = 0;
    float rest = 0.0f;
    for (uint32_t n = 0; n < world->devices; n++) {
        bool has_turn = turn < own->count && own->turn[turn].device == n;
        turn += has_turn ? 1 : 0;
        rest += has_turn ? 0.0f : own->reward[n];
    }
    assert(turn == own->count); /* turns were taken by number */
    *last += rest;
}

/* Where the chain goes on in the next slot; false when no device decides there. */
static bool begin_next(struct turns *own, const struct env_view *next)
{
    memset(own->load, 0, next->world->servers * sizeof *own->load);
    for (uint32_t n = 0; n < next->world->devices; n++)
        if (begin_turn(own, next, n))
            return true;
    return false;
}

/* A time limit does not end the process: the next state counts, unless objective.horizon says otherwise. A slot after
 * which no device decides says nothing of what it is worth, and is left out. */
void q_learner_learn(struct policy *policy, const struct policy_feedback *feedback)
{
    struct turns *own = policy->state;
    const struct world *world = policy->world;
    if (own->begins)
        dqn_cut(own->learner);
    if (own->count == 0 || !begin_next(own, feedback->next))
        return;
    share_reward(own, world, feedback);
    float onward = policy_ends(policy, feedback) ? 0.0f : (float) learned_settings_of(policy)->dqn.discount;
    for (uint32_t i = 0; i < own->count; i++) {
        const struct turn *turn = &own->turn[i], *next = turn + 1;
        struct dqn_transition transition = {
            .state = turn->state,
            .action = turn->action,
            .reward = own->reward[turn->device],
            .discount = i + 1 < own->count ? 1.0f : onward,
            .next_state = next->state,
            .next_allowed = next->allowed,
        };
        dqn_push(own->learner, &transition);
    }
    own->goes_on = !feedback->truncated;
    if (feedback->truncated)
        dqn_cut(own->learner);
}

void q_learner_update(struct policy *policy)
{
    struct turns *own = policy->state;
    (void) dqn_update(own->learner, NULL); /* false while the buffer is cold, which is no failure */
}

uint64_t q_learner_updates(const struct policy *policy)
{
    const struct turns *own = policy->state;
    return dqn_updates(own->learner);
}

/* A slot has a transition for each device that decides: at most all. */
struct policy_first_update q_learner_first_update(const void *settings, uint32_t devices)
{
    const struct learned_settings *own = settings;
    bool batch = own->dqn.batch > own->dqn.warmup;
    uint64_t transitions = batch ? own->dqn.batch : own->dqn.warmup;
    return (struct policy_first_update){(transitions + devices - 1) / devices,
                                        batch ? "dqn.batch" : "dqn.warmup"};
}

/* ---- saving ---- */

#define BUT_TRANSITIONS ((uint32_t) (CHECKPOINT_ACTOR | CHECKPOINT_LEARNER))

int q_learner_save(const struct policy *policy, bool full, struct buf *bytes)
{
    const struct turns *own = policy->state;
    return dqn_save(own->learner, full ? BUT_TRANSITIONS : (uint32_t) CHECKPOINT_ACTOR, bytes);
}

int q_learner_load(struct policy *policy, const void *bytes, size_t size, struct diag *diag)
{
    struct turns *own = policy->state;
    return dqn_load(own->learner, bytes, size, diag);
}

int q_learner_gather(struct policy *policy, struct policy_experience *ret_experience, struct buf *bytes)
{
    struct turns *own = policy->state;
    struct experience_piece piece = {0};
    int rc = experience_gather(dqn_replay(own->learner), &own->gathered, &piece, bytes);
    *ret_experience =
        (struct policy_experience){.first = piece.first, .count = piece.count, .oldest = piece.oldest};
    return rc;
}

int q_learner_recall(struct policy *policy, const void *bytes, size_t size, struct diag *diag)
{
    struct turns *own = policy->state;
    return experience_load(dqn_replay(own->learner), bytes, size, diag);
}

int q_learner_resume(struct policy *policy, const void *bytes, size_t size, struct diag *diag)
{
    struct turns *own = policy->state;
    if (checkpoint_sections(bytes, size) != BUT_TRANSITIONS)
        return diag_fail(diag, ERR_TYPE, "not a training's state: it has not all that training needs");
    int rc = q_learner_load(policy, bytes, size, diag);
    if (rc != 0)
        return rc;
    uint64_t pushed = dqn_pushed(own->learner);
    if (!experience_is_whole(dqn_replay(own->learner), pushed))
        return diag_fail(diag, ERR_MISMATCH,
                         "training's state is that after %llu transitions, of which some are missing",
                         (unsigned long long) pushed);
    if (!dqn_buffer_is_sound(own->learner))
        return diag_fail(diag, ERR_CORRUPT, "experience has actions that are not possible");
    own->gathered = pushed;
    q_learner_update(policy); /* if it is owed: it ran while the next episode began */
    return 0;
}
