#include "mobile-node/device_queue.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/base/units.h"
#include "core/model/faults.h"
#include "core/model/radio.h"
#include "core/model/transfer.h"
#include "mobile-node/device_messages.h"
#include "mobile-node/device_queue_internal.h"

static int reserve(struct device_queue *queue)
{
    if (queue->count < queue->capacity)
        return 0;
    size_t capacity = array_capacity(queue->capacity, queue->count + 1);
    int rc = 0;
    array_resize(&queue->task, capacity, &rc);
    array_resize(&queue->list_task, capacity, &rc);
    array_resize(&queue->list_server, capacity, &rc);
    array_resize(&queue->list_real, capacity, &rc);
    if (rc == 0)
        queue->capacity = capacity;
    return rc;
}

static void forget(struct device_queue *queue)
{
    const struct device_queue_task *sending = device_queue_find(queue, queue->asked.sending);
    if (sending != NULL) /* what is sent on would pass for the next transfer */
        device_queue_stop(queue, sending);
    queue->count = 0;
    station_clear(&queue->processor, queue->now_s);
    station_clear(&queue->radio, queue->now_s);
    queue->held_s = queue->now_s;
    queue->stands_still = false;
    device_queue_ask_anew(queue);
}

/* ---- a slot ---- */

static void drop_done(struct device_queue *queue)
{
    size_t kept = 0;
    for (size_t i = 0; i < queue->count; i++)
        if (queue->task[i].stage != DONE)
            queue->task[kept++] = queue->task[i];
    queue->count = kept;
}

static void list_unsent(struct device_queue *queue)
{
    memset(queue->unsent, 0, queue->world->servers * sizeof *queue->unsent);
    for (size_t i = 0; i < queue->count; i++) {
        const struct device_queue_task *task = &queue->task[i];
        const struct station_job *job =
            task->stage == SENDING ? station_find(&queue->radio, task->round) : NULL;
        if (job != NULL)
            queue->unsent[task->server] += job->work - job->done;
        else if (task->stage == COMPUTING && task->split < device_queue_layers(queue) && !task->resumed)
            queue->unsent[task->server] +=
                channel_bits(queue->world, task->split, task->tokens, task->coding);
    }
}

/* In list_task and list_real. Also of tasks that are done: the list must not show whether a RESULT came before
 * its server was lost. */
static size_t list_accrued(struct device_queue *queue)
{
    size_t listed = 0;
    assert(queue->count <= queue->capacity); /* of the lists */
    for (size_t i = 0; i < queue->count; i++) {
        struct device_queue_task *task = &queue->task[i];
        struct task_joules joules = device_queue_joules(queue, task);
        double spent_j = joules.compute_j + joules.transmit_j;
        if (spent_j <= task->told_j)
            continue;
        queue->list_task[listed] = (uint32_t) task->round;
        queue->list_real[listed++] = spent_j - task->told_j;
        task->told_j = spent_j;
    }
    return listed;
}

/* In list_server. */
static size_t list_sent(struct device_queue *queue)
{
    size_t sent = 0;
    for (size_t i = 0; i < queue->count; i++)
        if (queue->task[i].stage == COMING || queue->task[i].stage == SERVED)
            queue->list_server[sent++] = (uint32_t) queue->task[i].round;
    return sent;
}

static void observe(struct device_queue *queue)
{
    size_t accrued = list_accrued(queue), sent = list_sent(queue);
    queue->passed = 0;
    list_unsent(queue);
    struct proto_message *message = &device_queue_push(queue, DEVICE_QUEUE_TELL)->message;
    device_tell_observation(message, queue->world, queue->number, queue->round, &queue->slot);
    struct msg_observation *observation = &message->observation;
    observation->wish = queue->own.wish;
    observation->processor_s = station_left(&queue->processor, queue->now_s);
    observation->unsent_bits = (struct proto_reals){queue->unsent, queue->world->servers};
    observation->accrued_task = (struct proto_u32s){queue->list_task, accrued};
    observation->accrued_j = (struct proto_reals){queue->list_real, accrued};
    observation->sent_task = (struct proto_u32s){queue->list_server, sent};
}

static void on_slot(struct device_queue *queue, const struct msg_slot *slot, double now_s)
{
    struct slot_id id = {(enum rng_phase) slot->phase, (uint32_t) slot->episode, (uint32_t) slot->slot};
    bool same_episode = id.episode == queue->id.episode && id.phase == queue->id.phase;
    bool next = slot->round == queue->round + 1 && id.slot > 0 && id.slot == queue->id.slot + 1;
    bool follows = queue->round != DEVICE_QUEUE_NO_ROUND && next && same_episode && !queue->deciding;
    queue->now_s = queue->begun_s = now_s;
    if (!follows)
        forget(queue);
    queue->round = slot->round;
    device_move(queue->world, queue->number, queue->id, id, !follows, &queue->mobility);
    queue->id = id;
    queue->deciding = false;
    if (!faults_speaks(queue->world->faults, id, slot->observe_only != 0, false, queue->number)) {
        forget(queue);
        queue->round = DEVICE_QUEUE_NO_ROUND;
        return;
    }
    device_slot_meet(queue->world, queue->number, id, &queue->mobility, &queue->slot);
    device_take_own(&queue->own, &queue->slot);
    for (size_t i = 0; i < queue->count && device_slot_begins_anew(queue->world, queue->number, id); i++)
        queue->task[i].stays = true;
    station_count(&queue->radio, queue->now_s);
    station_set_rate(&queue->processor, queue->now_s,
                     faults_speed(queue->world->faults, id, false, queue->number));
    queue->deciding = slot->observe_only == 0;
    observe(queue);
}

void device_queue_set_own(struct device_queue *queue, const struct device_own *own)
{
    queue->own = *own;
}

/* ---- deciding ---- */

static int check_decision(const struct device_queue *queue, const struct msg_decision *decision,
                          struct diag *diag)
{
    if (decision->round != queue->round || !queue->deciding)
        return diag_fail(diag, ERR_STATE, "device %u: DECISION of round %llu is not awaited", queue->number,
                         (unsigned long long) decision->round);
    int rc = device_check_decision(queue->world, decision, diag);
    if (rc != 0)
        return rc;
    if (decision->server != PROTO_SERVER_NONE && queue->slot.tokens == 0)
        return diag_fail(diag, ERR_RANGE, "DECISION: device %u has no task that could go to server %llu",
                         queue->number, (unsigned long long) decision->server);
    if (decision->share.count != queue->world->servers)
        return diag_fail(diag, ERR_RANGE, "DECISION: %zu shares for %u servers", decision->share.count,
                         queue->world->servers);
    return 0;
}

static int on_decision(struct device_queue *queue, const struct msg_decision *decision, struct diag *diag)
{
    int rc = check_decision(queue, decision, diag);
    if (rc == 0)
        rc = reserve(queue);
    if (rc != 0)
        return rc;
    queue->deciding = false;
    queue->passed = 0;
    drop_done(queue); /* not earlier: a RECOVER may have taken one back */
    device_queue_count_band(queue);
    memcpy(queue->share, decision->share.data, queue->world->servers * sizeof *queue->share);
    device_queue_set_rates(queue);
    if (queue->slot.tokens > 0) {
        assert(queue->count < queue->capacity);
        assert(queue->count == 0 || queue->task[queue->count - 1].round < queue->round);
        struct device_queue_task *task = &queue->task[queue->count++];
        *task = (struct device_queue_task){
            .round = queue->round,
            .slot = queue->id.slot,
            .tokens = queue->slot.tokens,
            .split = (uint32_t) decision->split,
            .server = (uint32_t) decision->server,
            .coding = (uint32_t) decision->coding,
            .stage = COMPUTING,
            .start_s = queue->now_s,
        };
        device_queue_put(queue, &queue->processor, task,
                         cost_local_s(queue->world, device_queue_own(queue), task->tokens, task->split));
    }
    return 0;
}

/* ---- leaving a server's coverage ---- */

static int on_handover(struct device_queue *queue, const struct msg_handover *handover, struct diag *diag)
{
    if (handover->round != queue->round || !queue->deciding || handover->from >= queue->world->servers ||
        handover->to >= queue->world->servers || handover->from == handover->to)
        return diag_fail(diag, ERR_STATE, "device %u: HANDOVER from server %llu to %llu is not awaited",
                         queue->number, (unsigned long long) handover->from,
                         (unsigned long long) handover->to);
    device_queue_count_band(queue);
    const struct station_job *head = station_next(&queue->radio);
    for (size_t i = 0; i < queue->count; i++) {
        struct device_queue_task *task = &queue->task[i];
        bool unsent = task->stage == COMPUTING || task->stage == SENDING;
        if (!unsent || task->stays || task->server != handover->from ||
            task->split == device_queue_layers(queue) || task->resumed)
            continue;
        device_queue_stop(queue, task); /* while it names its old server */
        device_queue_redirect(task, (uint32_t) handover->to);
        task->handovers++;
        if (head == NULL || task->round != head->id)
            continue;
        device_queue_hand_over(queue, task, station_find(&queue->radio, task->round));
    }
    return 0;
}

/* ---- a lost server ---- */

static int on_recover(struct device_queue *queue, const struct msg_recover *recover, struct diag *diag)
{
    struct device_queue_task *task = device_queue_find(queue, recover->round);
    bool local = recover->server == PROTO_SERVER_NONE;
    if (task == NULL || task->resumed || task->split == device_queue_layers(queue) || !queue->deciding)
        return diag_fail(diag, ERR_STATE, "device %u: RECOVER of round %llu, but nothing is to be recovered",
                         queue->number, (unsigned long long) recover->round);
    int rc = device_check_recover(queue->world, recover, diag);
    if (rc != 0)
        return rc;
    device_queue_recall(queue, task);
    task->attempt = (uint32_t) recover->attempt;
    task->stays = false;
    task->resumed = local;
    if (!local)
        device_queue_redirect(task, (uint32_t) recover->server);
    if (task->stage == COMPUTING && local) {
        station_find(&queue->processor, task->round)->work += device_queue_rest_s(queue, task);
    } else if (local) {
        task->first_layer = task->split;
        device_queue_set_stage(task, COMPUTING);
        device_queue_put(queue, &queue->processor, task, device_queue_rest_s(queue, task));
    } else if (task->stage != COMPUTING) {
        device_queue_start_sending(queue, task);
    }
    return 0;
}

/* ---- results ---- */

double device_queue_way_s(struct device_queue *queue, const struct msg_result *result)
{
    const struct scenario *scenario = &queue->world->scenario;
    const struct device_queue_task *task = device_queue_find(queue, result->round);
    if (task == NULL || task->server != result->server)
        return 0.0;
    return transfer_task_s(queue->world, device_queue_id(queue, task), queue->number, task->server,
                           &channel_down, transfer_down_bps(queue->world, task->server),
                           transfer_down_bits(scenario));
}

/* A task that is COMING may be answered already: its server and its device wait by clocks of their own. */
static int on_result(struct device_queue *queue, const struct msg_result *result, double way_s)
{
    struct device_queue_task *task = device_queue_find(queue, result->round);
    if (task == NULL || task->server != result->server || task->resumed)
        return 0; /* given up, with its server or with the device's past */
    if (task->stage == COMING)
        device_queue_set_stage(task, SERVED);
    if (task->stage != SERVED)
        return 0;
    task->times.queue_s = result->queue_s;
    task->times.edge_s = result->edge_s;
    double rest_s = queue->now_s - task->start_s - cost_latency_s(&task->times);
    task->down_s = !isnan(way_s) ? way_s : rest_s > 0.0 ? rest_s : 0.0;
    device_queue_report(queue, task, result->busy_s);
    return 0;
}

/* ---- stepping ---- */

static int on_message(struct device_queue *queue, const struct device_queue_event *event, struct diag *diag)
{
    const struct proto_message *message = event->message;
    if (message->id == PROTO_SLOT) {
        on_slot(queue, &message->slot, event->now_s);
        return 0;
    }
    if (message->id == PROTO_HANDOVER)
        return on_handover(queue, &message->handover, diag);
    if (message->id == PROTO_RECOVER)
        return on_recover(queue, &message->recover, diag);
    if (message->id == PROTO_DECISION)
        return on_decision(queue, &message->decision, diag);
    if (message->id == PROTO_RESULT)
        return on_result(queue, &message->result, event->way_s);
    return diag_fail(diag, ERR_STATE, "%s is not for a device", proto_name(message->id));
}

static int on_end(struct device_queue *queue, struct diag *diag)
{
    if (queue->round == DEVICE_QUEUE_NO_ROUND || queue->deciding)
        return diag_fail(diag, ERR_STATE, "device %u: a slot ends that has not been decided", queue->number);
    device_queue_pass(queue);
    return 0;
}

static int on_ended(struct device_queue *queue, enum device_queue_event_kind kind, struct diag *diag)
{
    struct device_queue_asked *asked = &queue->asked;
    bool computes = asked->computing != DEVICE_QUEUE_NO_ROUND,
         sends = asked->sending != DEVICE_QUEUE_NO_ROUND;
    switch (kind) {
    case DEVICE_QUEUE_ON_COMPUTED:
        asked->computing = DEVICE_QUEUE_NO_ROUND;
        if (computes)
            device_queue_computed(queue);
        return 0;
    case DEVICE_QUEUE_ON_SENT:
        asked->sending = DEVICE_QUEUE_NO_ROUND;
        if (sends)
            device_queue_sent(queue);
        return 0;
    case DEVICE_QUEUE_ON_WAITED:
        asked->wait_s = (double) NAN;
        device_queue_waited(queue);
        return 0;
    case DEVICE_QUEUE_ON_STEP:
        asked->step_s = (double) NAN;
        device_queue_set_rates(queue);
        return 0;
    case DEVICE_QUEUE_ON_CUT: asked->sending = DEVICE_QUEUE_NO_ROUND; return 0;
    case DEVICE_QUEUE_ON_END: return on_end(queue, diag);
    case DEVICE_QUEUE_ON_MESSAGE: break;
    }
    assert(false);
    return ERR_STATE;
}

/* After a DECISION until the next SLOT, whenever something may have changed. What was cut waits for more news. */
static bool asks_after(const struct device_queue *queue, const struct device_queue_event *event)
{
    if (queue->round == DEVICE_QUEUE_NO_ROUND || queue->deciding)
        return false;
    return event->kind == DEVICE_QUEUE_ON_MESSAGE
               ? event->message->id != PROTO_RESULT
               : event->kind != DEVICE_QUEUE_ON_CUT && event->kind != DEVICE_QUEUE_ON_END;
}

int device_queue_step(struct device_queue *queue, const struct device_queue_event *event,
                      struct device_queue_actions *ret_actions, struct diag *diag)
{
    assert(event->message != NULL || event->kind != DEVICE_QUEUE_ON_MESSAGE);
    queue->actions = event->appends ? queue->actions : 0;
    queue->error = 0;
    if (event->now_s > queue->now_s)
        queue->now_s = event->now_s;
    int rc = event->kind == DEVICE_QUEUE_ON_MESSAGE ? on_message(queue, event, diag)
                                                    : on_ended(queue, event->kind, diag);
    if (rc == 0 && asks_after(queue, event))
        device_queue_ask(queue);
    rc = rc != 0 ? rc : queue->error;
    *ret_actions =
        (struct device_queue_actions){.count = rc == 0 ? queue->actions : 0, .list = queue->action};
    return rc;
}

/* ---- life ---- */

int device_queue_create(struct device_queue **ret_queue, const struct world *world, uint32_t number)
{
    assert(number < world->devices);
    struct device_queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL)
        return -ENOMEM;
    queue->world = world;
    queue->number = number;
    queue->round = DEVICE_QUEUE_NO_ROUND;
    device_queue_ask_anew(queue);
    station_init(&queue->processor, DISCIPLINE_FIFO, 1.0, 0.0);
    station_init(&queue->radio, DISCIPLINE_FIFO, 0.0, 0.0);
    queue->step_s = (double) INFINITY;
    queue->share = calloc(world->servers, sizeof *queue->share);
    queue->gain = calloc(world->servers, sizeof *queue->gain);
    queue->unsent = calloc(world->servers, sizeof *queue->unsent);
    if (queue->share == NULL || queue->gain == NULL || queue->unsent == NULL || reserve(queue) != 0) {
        device_queue_destroy(queue);
        return -ENOMEM;
    }
    *ret_queue = queue;
    return 0;
}

void device_queue_destroy(struct device_queue *queue)
{
    if (queue == NULL)
        return;
    station_finish(&queue->processor);
    station_finish(&queue->radio);
    free(queue->share);
    free(queue->gain);
    free(queue->unsent);
    free(queue->task);
    free(queue->list_task);
    free(queue->list_server);
    free(queue->list_real);
    free(queue->action);
    free(queue);
}
