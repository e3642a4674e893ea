#include "edge-server/server_core.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/model/arrivals.h"
#include "core/model/cost.h"
#include "core/model/drift.h"
#include "core/model/faults.h"
#include "edge-server/server_messages.h"

#define ANSWERS_MAX 2u     /* RESULT and ADVANCED */
#define PROMPT_MAX 131072u /* the longest that a TASK may name */

/* What is known of one device's task. An early task (no ALLOT of its round yet) has arrived but is not
 * allotted. */
struct held_task {
    bool allotted;  /* in the present round's ALLOT and not yet finished */
    bool arrived;   /* its first chunk, or all */
    bool revoked;   /* allotted in `round`, and taken back */
    bool sent_on;   /* its first server was lost: it was not allotted, and no ADVANCED waits for it */
    uint64_t round; /* of the task that arrived */
    double compute_share;
    uint32_t split;
    uint32_t tokens;
    uint32_t chunks, came, computed; /* how many there are, are here, are done */
    bool at_work;                    /* on chunk `computed` */
    double done_s;                   /* when the last that is done was: by the model's arrivals */
    double worked_s;                 /* on them */
    double busy_s;                   /* compute time in the present round */
};

struct server_core {
    const struct world *world; /* borrowed */
    uint32_t number;           /* m */
    enum server_state state;
    uint64_t round;    /* of the last ALLOT */
    struct slot_id id; /* likewise */
    struct arrivals_walk arrivals;
    bool any_round;           /* an ALLOT has come */
    struct held_task *device; /* [N] by device */
    double safe_share;        /* from here on no prompt takes too long */
    double *arrival_s;        /* [N compute.chunks] when each chunk of a device's task arrived */
    uint32_t *order;          /* [N] devices of the last ALLOT, ascending */
    uint32_t allotted;        /* how many of `order` */
    uint32_t unfinished;      /* allotted, neither served nor revoked */
    uint32_t served;
    bool any_sent_on;          /* a task that was sent on has overtaken the ALLOT of its round */
    struct server_action *job; /* [N + 1] COMPUTE actions of what is there, or ADVANCED */
    struct server_action answer[ANSWERS_MAX]; /* what one COMPUTED leads to */
};

/* All chunks and the longest answer, as slow as the server may ever be. */
static double longest_s(const struct server_core *core, double compute_share, uint32_t tokens, uint32_t split)
{
    const struct world *world = core->world;
    assert(compute_share > 0.0 && split < world->llm->layers);
    double layers_s =
        cost_server_flop(world, tokens, split) / (world->server[core->number].flops * compute_share);
    double answer_s = cost_answer_s(world, core->number, compute_share, CLASSES_ANSWER_MOST);
    return (layers_s + answer_s) * drift_pace_most(world, core->number) / FAULTS_SLOW_MIN;
}

int server_core_create(struct server_core **ret_core, const struct world *world, uint32_t number)
{
    assert(number < world->servers);
    struct server_core *core = calloc(1, sizeof *core);
    if (core == NULL)
        return -ENOMEM;
    core->world = world;
    core->number = number;
    core->safe_share = 2.0 * longest_s(core, 1.0, PROMPT_MAX, 0) / PROTO_DATA_TIME_MAX_S;
    core->device = calloc(world->devices, sizeof *core->device);
    core->arrival_s =
        calloc((size_t) world->devices * world->scenario.compute.chunks, sizeof *core->arrival_s);
    core->order = calloc(world->devices, sizeof *core->order);
    core->job = calloc((size_t) world->devices + 1, sizeof *core->job);
    if (core->device == NULL || core->arrival_s == NULL || core->order == NULL || core->job == NULL) {
        server_core_destroy(core);
        return -ENOMEM;
    }
    *ret_core = core;
    return 0;
}

void server_core_destroy(struct server_core *core)
{
    if (core == NULL)
        return;
    free(core->device);
    free(core->arrival_s);
    free(core->order);
    free(core->job);
    free(core);
}

/* IDLE and SERVING follow each other. */
static void set_state(struct server_core *core, enum server_state next)
{
    assert(next != core->state);
    core->state = next;
}

static struct server_action *push(const struct server_core *core, struct server_actions *actions,
                                  enum server_action_kind kind)
{
    assert(actions->count < (actions->list == core->job ? core->world->devices + 1 : ANSWERS_MAX));
    struct server_action *action = &actions->list[actions->count++];
    action->kind = kind;
    action->duration_s = 0.0;
    action->device = 0;
    return action;
}

/* Sums in order of devices: the order in which tasks happened to arrive leaves no trace. */
static double busy_s(const struct server_core *core)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < core->allotted; i++)
        sum += core->device[core->order[i]].busy_s;
    return sum;
}

static void advance(struct server_core *core, struct server_actions *actions)
{
    assert(core->unfinished == 0);
    struct server_action *action = push(core, actions, SERVER_DO_TELL);
    action->message.id = PROTO_ADVANCED;
    action->message.advanced = (struct msg_advanced){
        .server = core->number,
        .round = core->round,
        .served = core->served,
        .busy_s = busy_s(core),
    };
    set_state(core, SERVER_IDLE);
}

/* When the present chunk of a device's task, or the one behind it, arrived. */
static double *arrival_s(const struct server_core *core, uint32_t device, uint32_t chunk)
{
    assert(chunk < core->world->scenario.compute.chunks);
    return &core->arrival_s[(size_t) device * core->world->scenario.compute.chunks + chunk];
}

/* A share comes from outside: one so small that a slow server could not tell how long it took is refused. */
static int check_share(const struct server_core *core, double compute_share, uint32_t tokens, uint32_t split,
                       struct diag *diag)
{
    double most_s = longest_s(core, compute_share, tokens, split);
    if (most_s <= PROTO_DATA_TIME_MAX_S)
        return 0;
    return diag_fail(diag, ERR_RANGE,
                     "server %u: with a share of %g a task of %u tokens could take %g s; at most %g s",
                     core->number, compute_share, tokens, most_s, PROTO_DATA_TIME_MAX_S);
}

/* What is to be run of the device's task, now or last. */
static struct layer_work work_of(const struct server_core *core, uint32_t device, uint32_t chunk)
{
    const struct held_task *held = &core->device[device];
    return (struct layer_work){
        .device = device,
        .round = held->round,
        .id = core->id,
        .tokens = held->tokens,
        .first_layer = held->split,
        .last_layer = core->world->llm->layers,
        .rows = chunks_rows(held->tokens, held->chunks, chunk),
    };
}

/* What the answer to the device's task takes of a whole task, as declared. */
static double answer_s(const struct server_core *core, uint32_t device, double compute_share)
{
    double deadline_s;
    const struct rng_at at = device_slot_draws(core->world, device, core->id);
    uint32_t task_class = classes_draw(&core->world->classes, &at, &deadline_s);
    double tokens = classes_answer_tokens(&core->world->classes.list[task_class], &at);
    return cost_answer_s(core->world, core->number, compute_share, tokens);
}

/* How many times as long as declared it takes now. */
static double pace(struct server_core *core)
{
    double start_s = arrivals_start_s(&core->arrivals, core->world, core->id);
    return drift_pace(core->world, core->id, core->number, start_s);
}

/* A task of the present round has arrived: its share of the server is its own, so its next chunk begins at once. */
static void serve(struct server_core *core, uint32_t device, struct server_actions *actions)
{
    struct held_task *held = &core->device[device];
    assert(held->arrived && held->round == core->round && held->allotted != held->sent_on);
    assert(held->computed < held->came && !held->at_work);
    held->at_work = true;
    struct server_action *action = push(core, actions, SERVER_DO_COMPUTE);
    action->work = work_of(core, device, held->computed);
    double declared_s =
        cost_edge_rows_s(core->world, core->number, held->compute_share, action->work.rows, held->split) +
        answer_s(core, device, held->compute_share);
    action->duration_s =
        declared_s * pace(core) / faults_speed(core->world->faults, core->id, true, core->number);
}

/* One allotted task less to wait for. */
static void close_task(struct server_core *core, struct held_task *held, struct server_actions *actions)
{
    assert(held->allotted && core->unfinished > 0);
    held->allotted = false;
    held->arrived = false;
    core->unfinished--;
    assert(core->served + core->unfinished <= core->allotted);
    if (core->unfinished == 0)
        advance(core, actions);
}

static int check_allot(const struct server_core *core, const struct msg_allot *allot, struct diag *diag)
{
    if (core->state != SERVER_IDLE)
        return diag_fail(diag, ERR_STATE, "server %u: ALLOT before the slot was finished", core->number);
    if (core->any_round && allot->round <= core->round)
        return diag_fail(diag, ERR_STATE, "server %u: ALLOT of round %llu after round %llu", core->number,
                         (unsigned long long) allot->round, (unsigned long long) core->round);
    if (allot->device.count != allot->compute_share.count)
        return diag_fail(diag, ERR_RANGE, "ALLOT: %zu devices but %zu shares", allot->device.count,
                         allot->compute_share.count);
    for (size_t i = 0; i < allot->device.count; i++) {
        uint32_t device = allot->device.data[i];
        if (device >= core->world->devices || (i > 0 && device <= allot->device.data[i - 1]))
            return diag_fail(diag, ERR_RANGE, "ALLOT: device %u is out of range or order", device);
        if (!(allot->compute_share.data[i] > 0.0))
            return diag_fail(diag, ERR_RANGE, "ALLOT: device %u has no share of the server", device);
        bool safe = allot->compute_share.data[i] >= core->safe_share;
        int rc = safe ? 0 : check_share(core, allot->compute_share.data[i], PROMPT_MAX, 0, diag);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* Tasks that were sent on and have overtaken this ALLOT. */
static void serve_sent_on(struct server_core *core, struct server_actions *actions)
{
    for (uint32_t n = 0; n < core->world->devices; n++) {
        const struct held_task *held = &core->device[n];
        if (held->sent_on && held->arrived && held->round == core->round)
            serve(core, n, actions);
    }
    core->any_sent_on = false;
}

static int on_allot(struct server_core *core, const struct msg_allot *allot, struct server_actions *actions,
                    struct diag *diag)
{
    int rc = check_allot(core, allot, diag);
    if (rc != 0)
        return rc;
    core->round = allot->round;
    core->id =
        (struct slot_id){(enum rng_phase) allot->phase, (uint32_t) allot->episode, (uint32_t) allot->slot};
    core->any_round = true;
    core->allotted = (uint32_t) allot->device.count;
    core->unfinished = core->allotted;
    core->served = 0;
    assert(core->allotted <= core->world->devices); /* check_allot: ascending */
    set_state(core, SERVER_SERVING);
    for (size_t i = 0; i < allot->device.count; i++) {
        uint32_t device = allot->device.data[i];
        struct held_task *held = &core->device[device];
        core->order[i] = device;
        held->allotted = true;
        held->revoked = false;
        held->busy_s = 0.0;
        held->compute_share = allot->compute_share.data[i];
        held->arrived = held->arrived && !held->sent_on && held->round == core->round;
        held->sent_on = false;
        held->round = core->round;
        if (held->arrived)
            serve(core, device, actions);
    }
    if (core->any_sent_on)
        serve_sent_on(core, actions);
    if (core->unfinished == 0)
        advance(core, actions);
    return 0;
}

static void take_first(struct server_core *core, struct held_task *held, const struct msg_task *task)
{
    held->split = (uint32_t) task->split;
    held->tokens = (uint32_t) task->tokens;
    held->chunks = task->chunks > 0 ? (uint32_t) task->chunks : 1;
    held->came = 1;
    held->computed = 0;
    held->at_work = false;
    held->done_s = held->worked_s = 0.0;
    *arrival_s(core, (uint32_t) task->device, 0) = task->arrival_s;
}

/* One of those behind the first. */
static int take_chunk(struct server_core *core, const struct msg_task *task, struct server_actions *actions,
                      struct diag *diag)
{
    struct held_task *held = &core->device[task->device];
    bool is_past = core->any_round && task->round < core->round;
    if (is_past || (held->revoked && held->round == task->round))
        return 0; /* late */
    bool follows = held->arrived && held->round == task->round && held->came == task->chunk &&
                   held->chunks == task->chunks && held->tokens == task->tokens && held->split == task->split;
    if (!follows)
        return diag_fail(diag, ERR_STATE, "TASK of device %u: chunk %llu does not follow the one before",
                         (unsigned) task->device, (unsigned long long) task->chunk);
    *arrival_s(core, (uint32_t) task->device, held->came) = task->arrival_s;
    held->came++;
    if ((held->allotted || held->sent_on) && held->round == core->round && !held->at_work)
        serve(core, (uint32_t) task->device, actions);
    return 0;
}

/* A task that was sent on brings its share. It belongs to the present slot or to a later one; in that slot its
 * device has no other task here. */
static int take_sent_on(struct server_core *core, struct held_task *held, const struct msg_task *task,
                        struct server_actions *actions, struct diag *diag)
{
    if (core->any_round && task->round < core->round)
        return 0; /* late */
    bool early = !core->any_round || task->round > core->round;
    if (held->allotted)
        return diag_fail(diag, ERR_STATE, "TASK of device %u was sent on to where it has another",
                         (unsigned) task->device);
    int rc = check_share(core, task->compute_share, (uint32_t) task->tokens, (uint32_t) task->split, diag);
    if (rc != 0)
        return rc;
    *held = (struct held_task){
        .sent_on = true,
        .arrived = true,
        .round = task->round,
        .compute_share = task->compute_share,
    };
    take_first(core, held, task);
    if (early)
        core->any_sent_on = true;
    else
        serve(core, (uint32_t) task->device, actions);
    return 0;
}

static int on_task(struct server_core *core, const struct msg_task *task, struct server_actions *actions,
                   struct diag *diag)
{
    uint32_t device = (uint32_t) task->device;
    int rc = server_check_task(core->world, task, diag);
    if (rc == 0)
        rc = server_check_cut(core->world, task, diag);
    if (rc != 0)
        return rc;
    struct held_task *held = &core->device[device];
    if (task->chunk > 0)
        return take_chunk(core, task, actions, diag);
    if (task->compute_share > 0.0)
        return take_sent_on(core, held, task, actions, diag);
    bool early = !core->any_round || task->round > core->round;
    bool expected = core->state == SERVER_SERVING && held->allotted && !held->arrived;
    bool late = !early && (task->round < core->round || (held->revoked && held->round == task->round));
    if (late)
        return 0; /* its round was closed without it, or it was revoked as it was on its way */
    if (!early && !expected)
        return diag_fail(diag, ERR_STATE, "TASK of device %u was not allotted, or came twice", device);
    if (early && held->arrived && held->round == task->round)
        return diag_fail(diag, ERR_STATE, "TASK of device %u came twice", device);
    if (early && held->allotted)
        return diag_fail(diag, ERR_STATE, "TASK of device %u for a later round while one is open", device);
    held->arrived = true;
    held->sent_on = false;
    held->round = task->round;
    take_first(core, held, task);
    held->revoked = false;
    if (!early)
        serve(core, device, actions);
    return 0;
}

static int on_revoke(struct server_core *core, const struct msg_revoke *revoke,
                     struct server_actions *actions)
{
    uint32_t device = (uint32_t) revoke->device;
    bool waiting = core->state == SERVER_SERVING && revoke->round == core->round &&
                   device < core->world->devices && core->device[device].allotted;
    if (!waiting)
        return 0; /* served already, or never allotted: nothing waits for it */
    struct held_task *held = &core->device[device];
    held->revoked = true;
    held->round = core->round;
    close_task(core, held, actions);
    return 0;
}

static int check_computed(const struct server_core *core, const struct server_event *event, struct diag *diag)
{
    const struct held_task *held = event->device < core->world->devices ? &core->device[event->device] : NULL;
    bool at_work = held != NULL && held->arrived && held->at_work && held->round == event->round &&
                   (held->sent_on || (core->state == SERVER_SERVING && held->allotted));
    if (!at_work)
        return diag_fail(diag, ERR_STATE, "server %u: COMPUTED of device %u without a job", core->number,
                         event->device);
    return 0;
}

static bool was_revoked(const struct server_core *core, const struct server_event *event)
{
    if (event->device >= core->world->devices)
        return false;
    const struct held_task *held = &core->device[event->device];
    return event->round < core->round || (held->revoked && held->round == event->round);
}

/* One more chunk is done. */
static void finish_chunk(struct server_core *core, uint32_t device, double elapsed_s)
{
    struct held_task *held = &core->device[device];
    held->done_s = fmax(*arrival_s(core, device, held->computed), held->done_s) + elapsed_s;
    held->worked_s += elapsed_s;
    held->at_work = false;
    held->computed++;
}

/* What the server adds to the task's latency: what it did after the last chunk had come. */
static double edge_s(const struct server_core *core, uint32_t device)
{
    const struct held_task *held = &core->device[device];
    return held->chunks == 1 ? held->worked_s : held->done_s - *arrival_s(core, device, held->chunks - 1);
}

static int on_computed(struct server_core *core, const struct server_event *event,
                       struct server_actions *actions, struct diag *diag)
{
    if (was_revoked(core, event))
        return 0;
    int rc = check_computed(core, event, diag);
    if (rc != 0)
        return rc;
    struct held_task *held = &core->device[event->device];
    finish_chunk(core, event->device, event->elapsed_s);
    if (held->computed < held->chunks) {
        if (held->came > held->computed)
            serve(core, event->device, actions);
        return 0;
    }
    struct server_action *action = push(core, actions, SERVER_DO_ANSWER);
    action->device = event->device;
    action->id = core->id;
    const struct layer_work work = work_of(core, event->device, held->chunks - 1);
    const struct server_account account = {
        .server = core->number,
        .edge_s = edge_s(core, event->device),
        .finish_s = held->done_s,
        .busy_s = held->chunks > 1 ? held->compute_share * held->worked_s : 0.0,
    };
    server_tell_result(&action->message, &work, &account);
    if (held->sent_on) {
        held->arrived = held->sent_on = false;
        return 0;
    }
    core->served++;
    held->busy_s = held->worked_s;
    close_task(core, held, actions);
    return 0;
}

int server_core_step(struct server_core *core, const struct server_event *event,
                     struct server_actions *ret_actions, struct diag *diag)
{
    assert(event->kind == SERVER_ON_COMPUTED ? event->elapsed_s >= 0.0 : event->message != NULL);
    *ret_actions = (struct server_actions){
        .count = 0,
        .list = event->kind == SERVER_ON_COMPUTED ? core->answer : core->job,
    };
    switch (event->kind) {
    case SERVER_ON_ALLOT: return on_allot(core, &event->message->allot, ret_actions, diag);
    case SERVER_ON_TASK: return on_task(core, &event->message->task, ret_actions, diag);
    case SERVER_ON_REVOKE: return on_revoke(core, &event->message->revoke, ret_actions);
    case SERVER_ON_COMPUTED: return on_computed(core, event, ret_actions, diag);
    }
    assert(false);
    return ERR_STATE;
}
