/* The best that full shares can do for whole tasks where nothing comes back (reserve.returns off). All tasks of the episode
 * are met in advance, a server has room for so many full shares, and who goes where is a transportation problem, solved
 * exactly (core/assign). What it is worth is the cost's: a task that is late is worth what the objective says. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/assign/transport.h"
#include "core/base/err.h"
#include "orchestrator/policy/policy.h"
#include "orchestrator/policy/search/episode_slots.h"
#include "orchestrator/policy/search/whole_episode.h"
#include "orchestrator/policy/search/whole_tasks.h"

struct assignment {
    struct whole_episode whole; /* of the episode at hand; no tasks: of none yet */
    struct transport_solver solver;
    double *worth;   /* [tasks][M], owned as the others */
    uint32_t *place; /* [tasks] */
    uint32_t *room;  /* [M] */
};

static void destroy(struct policy *policy)
{
    struct assignment *own = policy->state;
    if (own == NULL)
        return;
    whole_episode_finish(&own->whole);
    transport_finish(&own->solver);
    free(own->worth);
    free(own->place);
    free(own->room);
    free(own);
}

/* Of any phase: nobody says which will be played. */
static uint64_t most_slots(const struct scenario *scenario)
{
    static const enum rng_phase phases[] = {RNG_TRAIN, RNG_VALIDATE, RNG_TEST};
    uint64_t most = 0;
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        uint64_t slots = episode_slots(scenario, phases[i]);
        most = slots > most ? slots : most;
    }
    return most;
}

static int init(struct assignment *own, const struct world *world, struct diag *diag)
{
    int rc = whole_episode_init(&own->whole, world, most_slots(&world->scenario), diag);
    if (rc != 0)
        return rc;
    own->worth = calloc((size_t) own->whole.most * world->servers, sizeof *own->worth);
    own->place = calloc(own->whole.most, sizeof *own->place);
    own->room = calloc(world->servers, sizeof *own->room);
    bool whole = own->worth != NULL && own->place != NULL && own->room != NULL &&
                 transport_init(&own->solver, own->whole.most, world->servers) == 0;
    return whole ? 0 : diag_fail(diag, -ENOMEM, "out of memory");
}

static int create(struct policy *policy, struct diag *diag)
{
    const struct world *world = policy->world;
    int rc = whole_episode_check(world, diag);
    if (rc == 0 && world->scenario.reserve.returns != RETURNS_OFF)
        rc = diag_fail(diag, ERR_UNSUPPORTED,
                       "is exact only where nothing comes back within an episode (reserve.returns: off)");
    if (rc != 0)
        return rc;
    struct assignment *own = calloc(1, sizeof *own);
    if (own == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    policy->state = own;
    rc = init(own, world, diag);
    for (uint32_t m = 0; rc == 0 && m < world->servers; m++)
        own->room[m] = whole_tasks_room(world, m);
    return rc;
}

static void plan(struct assignment *own, const struct env_view *view)
{
    const struct world *world = view->world;
    whole_episode_meet(&own->whole, view->id.phase, view->id.episode,
                       episode_slots(&world->scenario, view->id.phase));
    whole_episode_full(&own->whole, own->worth);
    const struct transport problem = {
        .tasks = own->whole.tasks, .places = world->servers, .worth = own->worth, .room = own->room};
    (void) transport_solve(&own->solver, &problem, own->place); /* what it is worth, the run tells */
}

static bool is_planned(const struct whole_episode *whole, struct slot_id id)
{
    return whole->tasks > 0 && whole->phase == id.phase && whole->episode == id.episode;
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct assignment *own = policy->state;
    struct whole_tasks tasks;
    double part[RESERVED_KINDS];
    if (!is_planned(&own->whole, view->id))
        plan(own, view);
    whole_tasks_begin(&tasks, view, ret_decision);
    for (uint32_t n = 0; n < view->world->devices; n++) {
        size_t i = (size_t) view->id.slot * view->world->devices + n;
        if (i >= own->whole.tasks || own->place[i] == TRANSPORT_NOWHERE)
            continue;
        whole_tasks_shares(view->world, own->place[i], 1.0, part);
        whole_tasks_send(&tasks, n, own->place[i], part);
    }
    env_repair(view, ret_decision);
}

const struct policy_kind policy_assignment = {
    .name = "assignment",
    .sees = POLICY_SEES_WORLD,
    .modes = POLICY_MODE_RESERVED,
    .summary = "whole tasks: the exact best of full shares, all tasks of an episode known in advance",
    .source = "transportation problem: Hitchcock, J. Math. Phys. 20 (1941) 224-230",
    .create = create,
    .destroy = destroy,
    .decide = decide,
};
