#include "orchestrator/policy/learned/continuous_learner.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/rl/checkpoint.h"
#include "core/rl/experience.h"
#include "core/rl/noise.h"

struct continuous {
    const struct continuous_learner_kind *kind;
    struct offpolicy *learner;
    struct noise noise;
    size_t state_size, action_size;
    float *state, *next_state; /* [state_size] */
    float *action;             /* [action_size] of the last decide */
    float *normal;             /* [action_size] working memory */
    uint64_t decided;          /* while training */
    uint64_t gathered;         /* transitions that gather has given out */
    bool owes_update;          /* learned from a transition, and not yet updated */
};

void continuous_learner_destroy(struct policy *policy)
{
    struct continuous *own = policy->state;
    if (own == NULL)
        return;
    offpolicy_destroy(own->learner);
    noise_finish(&own->noise);
    free(own->state);
    free(own->next_state);
    free(own->action);
    free(own->normal);
    free(own);
}

static struct offpolicy_config common_config(const struct continuous *own, const struct policy *policy)
{
    const struct learned_settings *settings = learned_settings_of(policy);
    return (struct offpolicy_config){
        .state_size = own->state_size,
        .action_size = own->action_size,
        .hidden_1 = settings->ddpg.hidden_1,
        .hidden_2 = settings->ddpg.hidden_2,
        .buffer = settings->ddpg.buffer,
        .batch = settings->ddpg.batch,
        .discount = (float) settings->ddpg.discount,
        .actor_rate = (float) settings->ddpg.actor_rate,
        .critic_rate = (float) settings->ddpg.critic_rate,
        .soft_update = (float) settings->ddpg.soft_update,
        .warmup = settings->ddpg.warmup,
        .final_init = (float) settings->ddpg.final_init,
        .seed = policy->world->seed,
    };
}

static int create_learner(struct continuous *own, const struct policy *policy, struct diag *diag)
{
    const struct learned_settings *settings = learned_settings_of(policy);
    struct offpolicy_config config = common_config(own, policy);
    struct noise_config noise = {
        .ornstein_uhlenbeck = settings->ddpg.noise == NOISE_OU,
        .sigma = settings->ddpg.noise_sigma,
        .decay = settings->ddpg.noise_decay,
        .theta = settings->ddpg.noise_theta,
        .seed = policy->world->seed,
    };
    int rc = offpolicy_config_check(&config, diag);
    if (rc == 0)
        rc = own->kind->create(&own->learner, &config, policy, diag);
    return rc != 0 ? rc : noise_init(&own->noise, &noise, own->action_size);
}

int continuous_learner_create(struct policy *policy, const struct continuous_learner_kind *kind,
                              struct diag *diag)
{
    struct continuous *own = calloc(1, sizeof *own);
    if (own == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    assert((kind->state_size == NULL) == (kind->observe == NULL));
    policy->state = own;
    own->kind = kind;
    own->state_size =
        kind->state_size != NULL ? kind->state_size(policy->world) : env_state_size(policy->world);
    own->action_size = env_action_size(policy->world);
    own->state = calloc(own->state_size, sizeof *own->state);
    own->next_state = calloc(own->state_size, sizeof *own->next_state);
    own->action = calloc(own->action_size, sizeof *own->action);
    own->normal = calloc(own->action_size, sizeof *own->normal);
    bool whole = own->state != NULL && own->next_state != NULL && own->action != NULL && own->normal != NULL;
    int rc = whole ? create_learner(own, policy, diag) : -ENOMEM;
    return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
}

static void observe(const struct continuous *own, const struct env_view *view, float *ret_state)
{
    if (own->kind->observe != NULL)
        own->kind->observe(view, ret_state);
    else
        env_state(view, ret_state);
}

static void explore(struct continuous *own)
{
    if (offpolicy_explores(own->learner)) {
        noise_normal(&own->noise, own->normal);
        offpolicy_sample(own->learner, own->state, own->normal, own->action);
    } else {
        offpolicy_act(own->learner, own->state, own->action);
        noise_add(&own->noise, own->action);
    }
}

void continuous_learner_decide(struct policy *policy, const struct env_view *view,
                               struct env_decision *ret_decision)
{
    struct continuous *own = policy->state;
    observe(own, view, own->state);
    if (!policy->training)
        offpolicy_act(own->learner, own->state, own->action);
    else if (own->decided < learned_settings_of(policy)->ddpg.warmup)
        noise_uniform(&own->noise, own->action);
    else
        explore(own);
    own->decided += policy->training ? 1 : 0;
    env_map_action(view, own->action, ret_decision);
}

/* A time limit does not end the process: the next state counts, so a truncated episode's is not terminal, unless
 * objective.horizon says so. */
void continuous_learner_learn(struct policy *policy, const struct policy_feedback *feedback)
{
    struct continuous *own = policy->state;
    assert(policy->training && own->decided > 0);
    observe(own, feedback->next, own->next_state);
    struct transition transition = {
        .state = own->state,
        .action = own->action,
        .reward = (float) feedback->reward,
        .next_state = own->next_state,
        .terminal = policy_ends(policy, feedback),
    };
    offpolicy_push(own->learner, &transition);
    own->owes_update = true;
}

void continuous_learner_update(struct policy *policy)
{
    struct continuous *own = policy->state;
    (void) offpolicy_update(own->learner, NULL); /* false while the buffer is cold, which is no failure */
    own->owes_update = false;
}

uint64_t continuous_learner_updates(const struct policy *policy)
{
    const struct continuous *own = policy->state;
    return offpolicy_updates(own->learner);
}

/* A slot has one transition. */
struct policy_first_update continuous_learner_first_update(const void *settings, uint32_t devices)
{
    const struct learned_settings *own = settings;
    (void) devices;
    if (own->ddpg.batch > own->ddpg.warmup)
        return (struct policy_first_update){own->ddpg.batch, "ddpg.batch"};
    return (struct policy_first_update){own->ddpg.warmup, "ddpg.warmup"};
}

/* The full state: this head, the noise, the CRC-32 of both, and the learner's own checkpoint
 * (core/rl/checkpoint.h). Transitions are gathered apart. Little-endian, as checkpoints are. */
struct head {
    char magic[4];
    uint32_t version;
    uint64_t decided, transitions, owes_update, noise_bytes;
};

#define HEAD_VERSION 1u

static int save_full(const struct continuous *own, struct buf *bytes)
{
    struct head head = {.version = HEAD_VERSION};
    struct buf noise = {0};
    memcpy(head.magic, own->kind->magic, sizeof head.magic);
    int rc = noise_save(&own->noise, &noise);
    head.decided = own->decided;
    head.transitions = experience_total(offpolicy_replay(own->learner));
    head.owes_update = own->owes_update ? 1 : 0;
    head.noise_bytes = noise.size;
    size_t start = bytes->size;
    if (rc == 0)
        rc = buf_push(bytes, &head, sizeof head);
    if (rc == 0)
        rc = buf_push(bytes, noise.data, noise.size);
    uint32_t crc = rc == 0 ? checkpoint_crc32(bytes->data + start, bytes->size - start) : 0;
    if (rc == 0)
        rc = buf_push(bytes, &crc, sizeof crc);
    buf_finish(&noise);
    return rc != 0 ? rc : offpolicy_save(own->learner, CHECKPOINT_ACTOR | CHECKPOINT_LEARNER, bytes);
}

int continuous_learner_save(const struct policy *policy, bool full, struct buf *bytes)
{
    const struct continuous *own = policy->state;
    return full ? save_full(own, bytes) : offpolicy_save(own->learner, CHECKPOINT_ACTOR, bytes);
}

int continuous_learner_load(struct policy *policy, const void *bytes, size_t size, struct diag *diag)
{
    struct continuous *own = policy->state;
    return offpolicy_load(own->learner, bytes, size, diag);
}

int continuous_learner_gather(struct policy *policy, struct policy_experience *ret_experience,
                              struct buf *bytes)
{
    struct continuous *own = policy->state;
    struct experience_piece piece = {0};
    int rc = experience_gather(offpolicy_replay(own->learner), &own->gathered, &piece, bytes);
    *ret_experience =
        (struct policy_experience){.first = piece.first, .count = piece.count, .oldest = piece.oldest};
    return rc;
}

int continuous_learner_recall(struct policy *policy, const void *bytes, size_t size, struct diag *diag)
{
    struct continuous *own = policy->state;
    return experience_load(offpolicy_replay(own->learner), bytes, size, diag);
}

static int check_head(const struct continuous *own, const void *bytes, size_t size, struct head *ret_head,
                      struct diag *diag)
{
    struct head head;
    uint32_t crc;
    if (size < sizeof head || memcmp(bytes, own->kind->magic, sizeof head.magic) != 0)
        return diag_fail(diag, ERR_TYPE, "not a training's state: it does not begin with \"%s\"",
                         own->kind->magic);
    memcpy(&head, bytes, sizeof head);
    if (head.version != HEAD_VERSION)
        return diag_fail(diag, ERR_VERSION, "training's state of version %u, this program reads version %u",
                         head.version, HEAD_VERSION);
    if (head.noise_bytes > size - sizeof head || size - sizeof head - head.noise_bytes < sizeof crc)
        return diag_fail(diag, ERR_TRUNCATED, "training's state of %zu bytes ends within its noise", size);
    size_t covered = sizeof head + (size_t) head.noise_bytes;
    memcpy(&crc, (const char *) bytes + covered, sizeof crc);
    if (checkpoint_crc32(bytes, covered) != crc || head.owes_update > 1)
        return diag_fail(diag, ERR_CORRUPT, "training's state is damaged: its checksum does not match");
    if (!experience_is_whole(offpolicy_replay(own->learner), head.transitions))
        return diag_fail(diag, ERR_MISMATCH,
                         "training's state is that after %llu transitions, of which some are missing",
                         (unsigned long long) head.transitions);
    *ret_head = head;
    return 0;
}

int continuous_learner_resume(struct policy *policy, const void *bytes, size_t size, struct diag *diag)
{
    struct continuous *own = policy->state;
    struct head head = {0};
    int rc = check_head(own, bytes, size, &head, diag);
    if (rc != 0)
        return rc;
    const char *noise = (const char *) bytes + sizeof head;
    size_t before = sizeof head + (size_t) head.noise_bytes + sizeof(uint32_t);
    rc = noise_load(&own->noise, noise, (size_t) head.noise_bytes, diag);
    if (rc == 0)
        rc = offpolicy_load(own->learner, (const char *) bytes + before, size - before, diag);
    if (rc != 0)
        return rc;
    own->decided = head.decided;
    own->gathered = head.transitions;
    /* The update that ran while the next episode began: nothing is decided before it is done. */
    if (head.owes_update == 1)
        continuous_learner_update(policy);
    return 0;
}
