/* External: an agent in another process decides, in whatever language; a shell carries the messages
 * (policy->remote). A slot for which no answer comes in time, or one that does not hold, is decided by the
 * policy external.fallback, and an event says so. The agent learns on its own side, if it does: to the
 * orchestrator this is a policy that does not learn, but is told the outcome of every slot. */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/policy/catalog/external_settings.h"

/* What fits into one VIEW and one OUTCOME: the limits of their lists in proto/messages.def. */
#define DEVICES_MAX 4096u
#define PAIRS_MAX 32768u
#define TASKS_MAX 65536u
#define REAL_MAX 1e30 /* of costs, rewards and backlogs */

struct external {
    struct policy fallback;
    uint64_t round; /* of the next VIEW */
    bool by_fallback;
    float *action; /* [action_size] */
    double *state; /* [state_size] */
    float *raw;    /* [state_size] as env_state has it */
    /* Lists of VIEW and OUTCOME. */
    double *x_m, *y_m, *speed_mps;                 /* [N] */
    uint32_t *present, *tokens, *split, *server;   /* [N] */
    double *gain, *unsent_bits;                    /* [N][M] */
    uint32_t *covered;                             /* [N][M] */
    double *backlog_s, *coming_s;                  /* [M] */
    uint32_t *task_device, *task_slot, *recovered; /* [task_capacity] */
    double *latency_s, *energy_j, *cost;           /* [task_capacity] */
    size_t task_capacity;
    struct diag text[POLICY_NOTES_MAX];
    struct policy_note note[POLICY_NOTES_MAX];
    size_t notes;
};

static void free_tasks(struct external *own)
{
    free(own->task_device);
    free(own->task_slot);
    free(own->recovered);
    free(own->latency_s);
    free(own->energy_j);
    free(own->cost);
}

static void destroy(struct policy *policy)
{
    struct external *own = policy->state;
    if (own == NULL)
        return;
    policy_destroy(&own->fallback);
    free(own->action);
    free(own->state);
    free(own->raw);
    free(own->x_m);
    free(own->y_m);
    free(own->speed_mps);
    free(own->present);
    free(own->tokens);
    free(own->split);
    free(own->server);
    free(own->gain);
    free(own->unsent_bits);
    free(own->covered);
    free(own->backlog_s);
    free(own->coming_s);
    free_tasks(own);
    free(own);
}

/* Room for `count` tasks in OUTCOME; what was there is lost. */
static int reserve_tasks(struct external *own, size_t count)
{
    if (count <= own->task_capacity)
        return 0;
    free_tasks(own);
    own->task_device = calloc(count, sizeof *own->task_device);
    own->task_slot = calloc(count, sizeof *own->task_slot);
    own->recovered = calloc(count, sizeof *own->recovered);
    own->latency_s = calloc(count, sizeof *own->latency_s);
    own->energy_j = calloc(count, sizeof *own->energy_j);
    own->cost = calloc(count, sizeof *own->cost);
    bool whole = own->task_device != NULL && own->task_slot != NULL && own->recovered != NULL &&
                 own->latency_s != NULL && own->energy_j != NULL && own->cost != NULL;
    own->task_capacity = whole ? count : 0;
    return whole ? 0 : -ENOMEM;
}

static int allocate(struct external *own, const struct world *world)
{
    size_t devices = world->devices, servers = world->servers, pairs = devices * servers;
    size_t state_size = env_state_size(world);
    own->action = calloc(env_action_size(world), sizeof *own->action);
    own->state = calloc(state_size, sizeof *own->state);
    own->raw = calloc(state_size, sizeof *own->raw);
    own->x_m = calloc(devices, sizeof *own->x_m);
    own->y_m = calloc(devices, sizeof *own->y_m);
    own->speed_mps = calloc(devices, sizeof *own->speed_mps);
    own->present = calloc(devices, sizeof *own->present);
    own->tokens = calloc(devices, sizeof *own->tokens);
    own->split = calloc(devices, sizeof *own->split);
    own->server = calloc(devices, sizeof *own->server);
    own->gain = calloc(pairs, sizeof *own->gain);
    own->unsent_bits = calloc(pairs, sizeof *own->unsent_bits);
    own->covered = calloc(pairs, sizeof *own->covered);
    own->backlog_s = calloc(servers, sizeof *own->backlog_s);
    own->coming_s = calloc(servers, sizeof *own->coming_s);
    bool whole = own->action != NULL && own->state != NULL && own->raw != NULL && own->x_m != NULL &&
                 own->y_m != NULL && own->speed_mps != NULL && own->present != NULL && own->tokens != NULL &&
                 own->split != NULL && own->server != NULL && own->gain != NULL && own->unsent_bits != NULL &&
                 own->covered != NULL && own->backlog_s != NULL && own->coming_s != NULL;
    return whole ? reserve_tasks(own, devices) : -ENOMEM;
}

static int create_fallback(const struct policy *policy, struct diag *diag)
{
    struct external *own = policy->state;
    const char *name = external_settings_of(policy)->external.fallback;
    const struct policy_options options = {.world = policy->world, .settings = policy->all_settings};
    const struct policy_kind *kind = NULL;
    int rc = catalog_find(name, &kind, diag);
    if (rc == 0 && (policy_is_trained(kind) || kind->asks))
        rc = diag_fail(diag, ERR_UNSUPPORTED, "'%s' %s", name,
                       kind->asks ? "is what it shall stand in for" : "has to learn first");
    if (rc == 0)
        rc = policy_create(&own->fallback, kind, &options, diag);
    if (rc != 0)
        diag_prefix(diag, "external.fallback");
    return rc;
}

static int create(struct policy *policy, struct diag *diag)
{
    const struct world *world = policy->world;
    if (world->devices > DEVICES_MAX || (size_t) world->devices * world->servers > PAIRS_MAX)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "%u devices and %u servers do not fit into its messages: at most %u devices, and %u "
                         "pairs of a device and a server",
                         world->devices, world->servers, DEVICES_MAX, PAIRS_MAX);
    struct external *own = calloc(1, sizeof *own);
    if (own == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    policy->state = own;
    int rc = allocate(own, world);
    return rc != 0 ? diag_fail(diag, rc, "out of memory") : create_fallback(policy, diag);
}

/* ---- VIEW ---- */

static double clip(double value)
{
    return fmin(fmax(value, -REAL_MAX), REAL_MAX);
}

/* Entries of a device that is not there are 0. */
static void fill_lists(struct external *own, const struct env_view *view)
{
    const struct world *world = view->world;
    for (uint32_t n = 0; n < world->devices; n++) {
        bool present = view->present[n];
        own->present[n] = present ? 1 : 0;
        own->x_m[n] = present ? view->position[n].x : 0.0;
        own->y_m[n] = present ? view->position[n].y : 0.0;
        own->speed_mps[n] = present ? view->speed_mps[n] : 0.0;
        own->tokens[n] = present ? view->tokens[n] : 0;
        for (size_t i = (size_t) n * world->servers; i < (size_t) (n + 1) * world->servers; i++) {
            own->gain[i] = present ? view->gain[i] : 0.0;
            own->covered[i] = view->covered[i] ? 1 : 0;
            own->unsent_bits[i] = clip(view->unsent_bits[i]);
        }
    }
    for (uint32_t m = 0; m < world->servers; m++) {
        own->backlog_s[m] = clip(view->backlog_s[m]);
        own->coming_s[m] = clip(view->coming_s[m]);
    }
    env_state(view, own->raw);
    for (size_t i = 0; i < env_state_size(world); i++)
        own->state[i] = (double) own->raw[i];
}

static struct proto_message make_view(struct external *own, const struct env_view *view, bool closing)
{
    const struct world *world = view->world;
    size_t devices = world->devices, servers = world->servers, pairs = devices * servers;
    bool is_queue = env_is_queue(world);
    assert(devices <= DEVICES_MAX && pairs <= PAIRS_MAX); /* create refuses more */
    fill_lists(own, view);
    return (struct proto_message){
        .id = PROTO_VIEW,
        .view =
            {
                .round = own->round,
                .phase = (uint64_t) view->id.phase,
                .episode = view->id.episode,
                .slot = view->id.slot,
                .closing = closing ? 1 : 0,
                .state = {own->state, env_state_size(world)},
                .present = {own->present, devices},
                .x_m = {own->x_m, devices},
                .y_m = {own->y_m, devices},
                .speed_mps = {own->speed_mps, devices},
                .tokens = {own->tokens, devices},
                .gain = {own->gain, pairs},
                .covered = {own->covered, pairs},
                .load = {view->previous_load, servers},
                .processor_s = {view->processor_s, is_queue ? devices : 0},
                .unsent_bits = {own->unsent_bits, is_queue ? pairs : 0},
                .backlog_s = {own->backlog_s, is_queue ? servers : 0},
                .coming_s = {own->coming_s, is_queue ? servers : 0},
            },
    };
}

/* ---- ACTION ---- */

static int check_counts(const struct world *world, const struct msg_action *action, struct diag *diag)
{
    size_t pairs = action->kind == 1 ? world->devices : 0,
           values = action->kind == 2 ? env_action_size(world) : 0;
    if (action->split.count == pairs && action->server.count == pairs && action->value.count == values)
        return 0;
    return diag_fail(
        diag, ERR_RANGE,
        "ACTION of kind %u has %zu splits, %zu servers and %zu values: for %u devices it has %zu, "
        "%zu and %zu",
        (unsigned) action->kind, action->split.count, action->server.count, action->value.count,
        world->devices, pairs, pairs, values);
}

static int check_choices(const struct world *world, const struct msg_action *action, struct diag *diag)
{
    for (size_t n = 0; n < action->split.count; n++) {
        if (action->split.data[n] > world->llm->layers)
            return diag_fail(diag, ERR_RANGE, "ACTION: split %u of device %zu is above the %u layers",
                             action->split.data[n], n, world->llm->layers);
        if (action->server.data[n] >= world->servers && action->server.data[n] != PROTO_SERVER_NONE)
            return diag_fail(diag, ERR_RANGE, "ACTION: server %u of device %zu: there are %u",
                             action->server.data[n], n, world->servers);
    }
    return 0;
}

/* What can be wished for; what cannot be done is mended by env_repair, as any policy's wish. */
static int check_action(const struct world *world, const struct msg_action *action, struct diag *diag)
{
    if (action->kind == 1 && env_reserves(world))
        return diag_fail(
            diag, ERR_RANGE,
            "ACTION of kind 1 names no shares, and servers.discipline: reserved needs them: allowed 0 and 2");
    int rc = check_counts(world, action, diag);
    return rc != 0 ? rc : check_choices(world, action, diag);
}

static void take_action(struct external *own, const struct msg_action *action, const struct env_view *view,
                        struct env_decision *ret_decision)
{
    if (action->kind == 2) {
        assert(action->value.count == env_action_size(view->world)); /* check_counts has seen to it */
        for (size_t i = 0; i < action->value.count; i++)
            own->action[i] = (float) action->value.data[i];
        env_map_action(view, own->action, ret_decision);
        return;
    }
    assert(action->split.count == view->world->devices && action->server.count == view->world->devices);
    for (uint32_t n = 0; n < view->world->devices; n++) {
        bool local = action->server.data[n] == PROTO_SERVER_NONE;
        ret_decision->split[n] = action->split.data[n];
        ret_decision->server[n] = local ? ENV_LOCAL : action->server.data[n];
        ret_decision->coding[n] = 0;
    }
    env_repair(view, ret_decision);
}

/* ---- deciding ---- */

static struct diag *add_note(struct external *own, enum policy_note_kind kind)
{
    assert(own->notes < POLICY_NOTES_MAX); /* one of each kind */
    struct diag *text = &own->text[own->notes];
    text->text[0] = '\0';
    own->note[own->notes++] = (struct policy_note){.kind = kind, .detail = text->text};
    return text;
}

/* The ACTION for the view, or NULL when there is none that holds. */
static const struct msg_action *ask(struct policy *policy, const struct env_view *view)
{
    struct external *own = policy->state;
    const struct policy_remote *remote = policy->remote;
    struct proto_message message = make_view(own, view, false);
    struct policy_reply reply = {0};
    struct diag diag = {{0}};
    remote->ask(remote->user, &message, &reply);
    if (reply.is_back)
        (void) diag_fail(add_note(own, POLICY_NOTE_REJOIN), 0, "an agent is here again");
    const char *why = reply.why, *lost = "";
    if (reply.action != NULL && check_action(policy->world, reply.action, &diag) != 0) {
        remote->refuse(remote->user, diag.text);
        reply.action = NULL;
        why = diag.text;
        lost = "; the agent is lost";
    }
    if (reply.action == NULL && why != NULL)
        (void) diag_fail(add_note(own, POLICY_NOTE_REFUSAL), 0, "%s decides: %s%s", own->fallback.kind->name,
                         why, lost);
    return reply.action;
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct external *own = policy->state;
    own->notes = 0;
    const struct msg_action *action = policy->remote != NULL ? ask(policy, view) : NULL;
    own->by_fallback = action == NULL || action->kind == 0;
    if (own->by_fallback)
        own->fallback.kind->decide(&own->fallback, view, ret_decision);
    else
        take_action(own, action, view, ret_decision);
    own->round++;
    for (uint32_t n = 0; n < policy->world->devices; n++) {
        own->split[n] = ret_decision->split[n];
        own->server[n] = ret_decision->server[n] == ENV_LOCAL ? PROTO_SERVER_NONE : ret_decision->server[n];
    }
}

static size_t notes(const struct policy *policy, struct policy_note ret_note[static POLICY_NOTES_MAX])
{
    const struct external *own = policy->state;
    for (size_t i = 0; i < own->notes; i++)
        ret_note[i] = own->note[i];
    return own->notes;
}

/* ---- OUTCOME ---- */

/* Of more tasks than an OUTCOME has room for, or than there is memory for, the first are told. Of those that were refused
 * there is nothing to tell. */
static size_t fill_tasks(struct external *own, const struct policy_feedback *feedback)
{
    size_t most = feedback->outcomes < TASKS_MAX ? feedback->outcomes : TASKS_MAX, count = 0;
    if (reserve_tasks(own, most) != 0)
        return 0;
    assert(most <= own->task_capacity);
    for (size_t i = 0; i < feedback->outcomes && count < most; i++) {
        const struct policy_outcome *outcome = &feedback->outcome[i];
        if (outcome->refused)
            continue;
        own->task_device[count] = outcome->device;
        own->task_slot[count] = outcome->slot;
        own->recovered[count] = outcome->recovered ? 1 : 0;
        own->latency_s[count] = outcome->latency_s;
        own->energy_j[count] = outcome->energy_j;
        own->cost[count++] = clip(outcome->cost);
    }
    return count;
}

static void hear(struct policy *policy, const struct policy_feedback *feedback)
{
    struct external *own = policy->state;
    if (policy->remote == NULL)
        return;
    assert(own->round > 0); /* a slot was decided */
    size_t devices = policy->world->devices, tasks = fill_tasks(own, feedback);
    struct proto_message message = {
        .id = PROTO_OUTCOME,
        .outcome =
            {
                .round = own->round - 1,
                .reward = clip(feedback->reward),
                .truncated = feedback->truncated ? 1 : 0,
                .fallback = own->by_fallback ? 1 : 0,
                .split = {own->split, devices},
                .server = {own->server, devices},
                .task_device = {own->task_device, tasks},
                .task_slot = {own->task_slot, tasks},
                .recovered = {own->recovered, tasks},
                .latency_s = {own->latency_s, tasks},
                .energy_j = {own->energy_j, tasks},
                .cost = {own->cost, tasks},
            },
    };
    policy->remote->tell(policy->remote->user, &message);
    if (!feedback->truncated)
        return;
    message = make_view(own, feedback->next, true);
    policy->remote->tell(policy->remote->user, &message);
    own->round++;
}

const struct policy_kind policy_external = {
    .name = "external",
    .sees = POLICY_SEES_OBSERVATIONS,
    .reserves = true,
    .only_named = true,
    .asks = true,
    .summary = "an agent in another process decides, with a policy to stand in for it",
    .source = "docs/external-policies.md",
    .settings = &external_settings_part,
    .create = create,
    .destroy = destroy,
    .decide = decide,
    .notes = notes,
    .hear = hear,
};
