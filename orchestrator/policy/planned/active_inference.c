/* Active inference (He, Fang, Yu and Leung, TMC 23(12), 2024; the planner is that of Tschantz et al., arXiv 2002.12636): an
 * ensemble learns what decisions lead to, and a task goes where it prefers to be, or where its report would teach most
 * (core/rl/free_energy.h). Whole tasks reserve parts of servers, as published (active_reserve.h); splits are planned device by
 * device (active_places.h).
 *
 * Training begins with active.warmup slots of random decisions; then the gain alone explores. After every
 * active.fit_slots slots the ensemble is fitted. What does not train has no use for gain: it goes where it prefers to be. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/rl/checkpoint.h"
#include "core/rl/experience.h"
#include "orchestrator/policy/planned/active_places.h"
#include "orchestrator/policy/planned/active_reserve.h"
#include "orchestrator/policy/planned/agent.h"
#include "orchestrator/policy/planned/settings.h"

struct active {
    struct planned_agent agent;
    struct active_places *places; /* one of the two, by what is decided */
    struct active_reserve *reserve;
    uint64_t decided, since; /* slots, all and since the last fit was due */
    uint64_t observed;       /* reports, as of the last save or load */
    uint64_t gathered;       /* reports that gather has given out */
};

/* ---- life ---- */

static void destroy(struct policy *policy)
{
    struct active *own = policy->state;
    if (own == NULL)
        return;
    active_places_destroy(own->places);
    active_reserve_destroy(own->reserve);
    planned_agent_finish(&own->agent);
    free(own);
}

static int check(const struct policy *policy, struct diag *diag)
{
    return env_reserves(policy->world) ? active_reserve_check(policy, diag)
                                       : active_places_check(policy, diag);
}

static int create(struct policy *policy, struct diag *diag)
{
    bool reserves = env_reserves(policy->world);
    int rc = check(policy, diag);
    if (rc != 0)
        return rc;
    struct active *own = calloc(1, sizeof *own);
    if (own == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    policy->state = own;
    struct planned_shape shape = reserves ? active_reserve_shape(policy) : active_places_shape(policy);
    rc = planned_agent_init(&own->agent, policy, &shape, diag);
    if (rc != 0)
        return rc;
    rc = reserves ? active_reserve_create(&own->reserve, policy, &own->agent)
                  : active_places_create(&own->places, policy, &own->agent);
    return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
}

/* ---- a slot ---- */

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct active *own = policy->state;
    bool is_new =
        own->decided < planned_settings_of(policy)->active.warmup || ensemble_fits(own->agent.ensemble) == 0;
    bool draws = policy->training && is_new;
    if (own->reserve != NULL)
        active_reserve_decide(own->reserve, view, draws, ret_decision);
    else
        active_places_decide(own->places, view, draws, ret_decision);
    own->decided += policy->training ? 1 : 0;
}

static void learn(struct policy *policy, const struct policy_feedback *feedback)
{
    struct active *own = policy->state;
    if (own->reserve != NULL)
        active_reserve_learn(own->reserve, feedback);
    else
        active_places_learn(own->places, feedback);
    own->since++;
}

static void update(struct policy *policy)
{
    struct active *own = policy->state;
    if (own->since < planned_settings_of(policy)->active.fit_slots)
        return;
    (void) ensemble_fit(own->agent.ensemble);
    own->since = 0;
}

static uint64_t updates(const struct policy *policy)
{
    const struct active *own = policy->state;
    return ensemble_fits(own->agent.ensemble);
}

static struct policy_first_update first_update(const void *settings, uint32_t devices)
{
    const struct planned_settings *own = settings;
    (void) devices;
    return (struct policy_first_update){own->active.fit_slots, "active.fit_slots"};
}

/* ---- bytes ---- */

static struct checkpoint description(struct active *own)
{
    struct checkpoint checkpoint;
    checkpoint_begin(&checkpoint, "HACT", NULL);
    ensemble_describe_actor(own->agent.ensemble, &checkpoint);
    if (own->reserve != NULL)
        active_reserve_describe_actor(own->reserve, &checkpoint);
    ensemble_describe_learner(own->agent.ensemble, &checkpoint);
    checkpoint_count(&checkpoint, CHECKPOINT_LEARNER, &own->decided);
    checkpoint_count(&checkpoint, CHECKPOINT_LEARNER, &own->since);
    checkpoint_count(&checkpoint, CHECKPOINT_LEARNER, &own->observed);
    return checkpoint;
}

#define ALL_BUT_REPORTS ((uint32_t) (CHECKPOINT_ACTOR | CHECKPOINT_LEARNER))

static int save(const struct policy *policy, bool full, struct buf *bytes)
{
    struct active *own = policy->state;
    own->observed = ensemble_observed(own->agent.ensemble);
    struct checkpoint checkpoint = description(own);
    return checkpoint_save(&checkpoint, full ? ALL_BUT_REPORTS : (uint32_t) CHECKPOINT_ACTOR, bytes);
}

static int load(struct policy *policy, const void *bytes, size_t size, struct diag *diag)
{
    struct checkpoint checkpoint = description(policy->state);
    return checkpoint_load(&checkpoint, bytes, size, diag);
}

static int gather(struct policy *policy, struct policy_experience *ret_experience, struct buf *bytes)
{
    struct active *own = policy->state;
    struct experience_piece piece = {0};
    int rc = experience_gather(ensemble_samples(own->agent.ensemble), &own->gathered, &piece, bytes);
    *ret_experience =
        (struct policy_experience){.first = piece.first, .count = piece.count, .oldest = piece.oldest};
    return rc;
}

static int recall(struct policy *policy, const void *bytes, size_t size, struct diag *diag)
{
    struct active *own = policy->state;
    return experience_load(ensemble_samples(own->agent.ensemble), bytes, size, diag);
}

static int resume(struct policy *policy, const void *bytes, size_t size, struct diag *diag)
{
    struct active *own = policy->state;
    if (checkpoint_sections(bytes, size) != ALL_BUT_REPORTS)
        return diag_fail(diag, ERR_TYPE, "not a training's state: it has not all that training needs");
    int rc = load(policy, bytes, size, diag);
    if (rc != 0)
        return rc;
    if (!experience_is_whole(ensemble_samples(own->agent.ensemble), own->observed))
        return diag_fail(diag, ERR_MISMATCH,
                         "training's state is that after %llu reports, of which some are missing",
                         (unsigned long long) own->observed);
    own->gathered = own->observed;
    update(policy); /* if it is owed: it ran while the next episode began */
    return 0;
}

const struct policy_kind policy_active_inference = {
    .name = "active-inference",
    .sees = POLICY_SEES_OBSERVATIONS,
    .modes = POLICY_MODE_ROUND,
    .reserves = true,
    .only_named = true, /* slow: a device's decision is some hundred forward passes of an ensemble */
    .summary = "an ensemble learns what tasks take; devices go where they prefer to be or would learn most",
    .source = "He et al., TMC 23(12), 2024; Tschantz et al., arXiv 2002.12636",
    .settings = &planned_settings_part,
    .create = create,
    .destroy = destroy,
    .decide = decide,
    .learn = learn,
    .update = update,
    .updates = updates,
    .first_update = first_update,
    .save = save,
    .load = load,
    .gather = gather,
    .recall = recall,
    .resume = resume,
};
