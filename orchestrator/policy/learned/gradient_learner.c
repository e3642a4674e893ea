#include "orchestrator/policy/learned/gradient_learner.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/model/env_splits.h"
#include "core/rl/checkpoint.h"
#include "orchestrator/policy/learned/turn_actions.h"

/* Heads of a device. The second is the server in either case. */
enum split_head { SPLIT_HEAD, SPLIT_SERVER_HEAD, CODING_HEAD };
enum whole_head { COMPUTE_HEAD, WHOLE_SERVER_HEAD, BAND_HEAD, MEMORY_HEAD };
#define HEADS_MOST 4u

struct gradient {
    struct policy_gradient *learner;
    enum gradient_learner_actions actions;
    uint32_t heads;               /* of a device */
    uint32_t classes[HEADS_MOST]; /* of each of them */
    bool samples;                 /* decides as in training */
    size_t state_size;
    float *state, *next_state; /* [state_size] */
    float *action;             /* of the last decide */
    uint8_t *allowed;          /* [N][classes of all heads] */
    float log_probability;     /* of `action` */
    bool goes_on;              /* the last slot was learned from, and its episode goes on */
    bool begins;               /* the slot of the last decide does not go on from the one learned from last */
};

void gradient_learner_destroy(struct policy *policy)
{
    struct gradient *own = policy->state;
    if (own == NULL)
        return;
    policy_gradient_destroy(own->learner);
    free(own->state);
    free(own->next_state);
    free(own->action);
    free(own->allowed);
    free(own);
}

static size_t action_size(const struct gradient *own, const struct world *world)
{
    return own->actions == GRADIENT_LEARNER_REALS ? env_action_size(world)
                                                  : own->heads * (size_t) world->devices;
}

/* Classes of all heads of a device. */
static size_t choices_of(const struct gradient *own)
{
    size_t sum = 0;
    for (uint32_t h = 0; h < own->heads; h++)
        sum += own->classes[h];
    return sum;
}

static void set_heads(struct gradient *own, const struct policy *policy)
{
    const struct world *world = policy->world;
    uint32_t levels = (uint32_t) learned_settings_of(policy)->dqn.levels;
    if (env_reserves(world)) {
        own->heads = 4;
        own->classes[COMPUTE_HEAD] = own->classes[BAND_HEAD] = own->classes[MEMORY_HEAD] = levels;
        own->classes[WHOLE_SERVER_HEAD] = world->servers;
        return;
    }
    own->heads = coding_is_open(&world->codings) ? 3 : 2;
    own->classes[SPLIT_HEAD] = env_splits_choices(world);
    own->classes[SPLIT_SERVER_HEAD] = world->servers;
    own->classes[CODING_HEAD] = world->codings.count;
}

static int create_learner(struct gradient *own, const struct policy *policy,
                          const struct policy_gradient_config *how, struct diag *diag)
{
    const struct world *world = policy->world;
    const struct learned_settings *settings = learned_settings_of(policy);
    bool reals = own->actions == GRADIENT_LEARNER_REALS;
    size_t heads = own->heads * (size_t) world->devices, *classes = calloc(heads, sizeof *classes);
    if (classes == NULL)
        return -ENOMEM;
    for (size_t h = 0; h < heads; h++)
        classes[h] = own->classes[h % own->heads];
    struct policy_gradient_config config = *how;
    config.state_size = own->state_size;
    config.heads = reals ? 0 : heads;
    config.classes = classes;
    config.action_size = reals ? action_size(own, world) : 0;
    config.hidden_1 = settings->ddpg.hidden_1;
    config.hidden_2 = settings->ddpg.hidden_2;
    config.final_init = (float) settings->ddpg.final_init;
    config.smooth = settings->ddpg.activation == ACTIVATION_TANH;
    config.seed = world->seed;
    int rc = policy_gradient_config_check(&config, diag);
    if (rc == 0)
        rc = policy_gradient_create(&own->learner, &config);
    free(classes);
    return rc;
}

int gradient_learner_create(struct policy *policy, enum gradient_learner_actions actions,
                            const struct policy_gradient_config *how, struct diag *diag)
{
    const struct world *world = policy->world;
    struct gradient *own = calloc(1, sizeof *own);
    if (own == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    policy->state = own;
    own->actions = actions;
    set_heads(own, policy);
    own->samples = policy->training;
    own->state_size = env_state_size(world);
    own->state = calloc(own->state_size, sizeof *own->state);
    own->next_state = calloc(own->state_size, sizeof *own->next_state);
    own->action = calloc(action_size(own, world), sizeof *own->action);
    own->allowed = calloc(world->devices, choices_of(own));
    bool whole = own->state != NULL && own->next_state != NULL && own->action != NULL && own->allowed != NULL;
    int rc = whole ? create_learner(own, policy, how, diag) : -ENOMEM;
    return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
}

void gradient_learner_sample(struct policy *policy)
{
    struct gradient *own = policy->state;
    own->samples = true;
}

static void allow(const struct gradient *own, const struct env_view *view, uint32_t device,
                  uint8_t *ret_allowed)
{
    const struct world *world = view->world;
    const bool *covered = view->covered + (size_t) device * world->servers;
    bool decides = false;
    for (uint32_t m = 0; m < world->servers; m++)
        decides = decides || covered[m];
    decides = decides && env_has_task(view, device);
    for (uint32_t h = 0; h < own->heads; h++)
        for (uint32_t i = 0; i < own->classes[h]; i++) {
            bool is_split = h == SPLIT_HEAD && !env_reserves(world);
            bool is_possible =
                h == SPLIT_SERVER_HEAD ? covered[i] : !is_split || env_splits_allow(world, device, i);
            *ret_allowed++ = decides && is_possible ? 1 : 0;
        }
}

static void choose(struct policy *policy)
{
    struct gradient *own = policy->state;
    if (own->samples)
        own->log_probability = policy_gradient_sample(own->learner, own->state, own->allowed, own->action);
    else
        policy_gradient_mode(own->learner, own->state, own->allowed, own->action);
}

static void map_whole(const struct gradient *own, const struct world *world, const float *class,
                      uint32_t device, struct env_decision *decision)
{
    const uint32_t levels = own->classes[COMPUTE_HEAD];
    decision->split[device] = 0;
    decision->coding[device] = 0;
    decision->server[device] = (uint32_t) class[WHOLE_SERVER_HEAD];
    decision->refused[device] = false;
    decision->compute_share[device] = turn_actions_share(world, levels, (uint32_t) class[COMPUTE_HEAD]);
    decision->bandwidth_share[device] = turn_actions_share(world, levels, (uint32_t) class[BAND_HEAD]);
    decision->memory_share[device] = turn_actions_share(world, levels, (uint32_t) class[MEMORY_HEAD]);
}

static void map_split(const struct gradient *own, const struct env_view *view, const float *class,
                      uint32_t device, struct env_decision *decision)
{
    decision->split[device] = env_splits_choice(view, device, (uint32_t) class[SPLIT_HEAD]);
    decision->server[device] = (uint32_t) class[SPLIT_SERVER_HEAD];
    decision->coding[device] = own->heads > CODING_HEAD ? (uint32_t) class[CODING_HEAD] : 0;
    assert(decision->split[device] <= view->world->llm->layers);
    assert(decision->coding[device] < view->world->codings.count);
}

/* A class for each head. A device that decides nothing has class 0 in each, and env_repair keeps it local, or refuses
 * its task. */
static void map_classes(const struct gradient *own, const struct env_view *view,
                        struct env_decision *ret_decision)
{
    const struct world *world = view->world;
    for (uint32_t n = 0; n < world->devices; n++) {
        const float *class = own->action + own->heads * (size_t) n;
        if (env_reserves(world))
            map_whole(own, world, class, n, ret_decision);
        else
            map_split(own, view, class, n, ret_decision);
        assert(ret_decision->server[n] < world->servers);
    }
    env_repair(view, ret_decision);
}

void gradient_learner_decide(struct policy *policy, const struct env_view *view,
                             struct env_decision *ret_decision)
{
    struct gradient *own = policy->state;
    const struct world *world = view->world;
    env_state(view, own->state);
    for (uint32_t n = 0; n < world->devices; n++)
        allow(own, view, n, own->allowed + n * choices_of(own));
    choose(policy);
    own->begins = !own->goes_on;
    own->goes_on = false;
    if (own->actions == GRADIENT_LEARNER_REALS)
        env_map_action(view, own->action, ret_decision);
    else
        map_classes(own, view, ret_decision);
}

/* A time limit does not end the process, unless objective.horizon says so: the next state counts, but what follows is
 * another episode. */
void gradient_learner_learn(struct policy *policy, const struct policy_feedback *feedback)
{
    struct gradient *own = policy->state;
    assert(policy->training && !own->goes_on); /* decided, and learned from once */
    env_state(feedback->next, own->next_state);
    struct rollout_transition transition = {
        .state = own->state,
        .action = own->action,
        .allowed = own->allowed,
        .log_probability = own->log_probability,
        .reward = (float) feedback->reward,
        .next_state = own->next_state,
        .terminal = policy_ends(policy, feedback),
        .begins = own->begins,
    };
    policy_gradient_push(own->learner, &transition);
    own->goes_on = !feedback->truncated;
}

void gradient_learner_update(struct policy *policy)
{
    struct gradient *own = policy->state;
    (void) policy_gradient_update(own->learner,
                                  NULL); /* false until the rollout is full, which is no failure */
}

uint64_t gradient_learner_updates(const struct policy *policy)
{
    const struct gradient *own = policy->state;
    return policy_gradient_updates(own->learner);
}

#define EVERYTHING ((uint32_t) (CHECKPOINT_ACTOR | CHECKPOINT_LEARNER | CHECKPOINT_REPLAY))

int gradient_learner_save(const struct policy *policy, bool full, struct buf *bytes)
{
    const struct gradient *own = policy->state;
    return policy_gradient_save(own->learner, full ? EVERYTHING : (uint32_t) CHECKPOINT_ACTOR, bytes);
}

int gradient_learner_load(struct policy *policy, const void *bytes, size_t size, struct diag *diag)
{
    struct gradient *own = policy->state;
    return policy_gradient_load(own->learner, bytes, size, diag);
}

/* Checkpoints are made between episodes: the next slot begins a new one. An update is owed exactly when the
 * rollout is full; it ran while the next episode began, and nothing was decided before it was done. */
int gradient_learner_resume(struct policy *policy, const void *bytes, size_t size, struct diag *diag)
{
    if (checkpoint_sections(bytes, size) != EVERYTHING)
        return diag_fail(diag, ERR_TYPE, "not a training's state: it has not all that training needs");
    int rc = gradient_learner_load(policy, bytes, size, diag);
    if (rc == 0)
        gradient_learner_update(policy);
    return rc;
}
