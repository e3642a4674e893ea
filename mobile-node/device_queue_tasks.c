/* How a task goes through its device's stations (device_queue.h). */
#include "core/base/array.h"
#include "core/base/err.h"
#include "core/base/units.h"
#include "core/model/channel.h"
#include "core/model/channel_missing.h"
#include "core/model/faults.h"
#include "core/model/transfer.h"
#include "mobile-node/device_messages.h"
#include "mobile-node/device_queue_internal.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define NJ_PER_J 1e-9
#define STEP_MIN_S 1e-9 /* rounding must not make a trace stand still */

/* Which stages may follow each stage: one bit a stage. A RECOVER leads from every stage back to COMPUTING or
 * SENDING. */
static const unsigned allowed[] = {
    [COMPUTING] = 1u << SENDING | 1u << DONE,
    [SENDING] = 1u << COMPUTING | 1u << SENDING | 1u << COMING,
    [COMING] = 1u << COMPUTING | 1u << SENDING | 1u << SERVED,
    [SERVED] = 1u << COMPUTING | 1u << SENDING | 1u << DONE,
    [DONE] = 1u << COMPUTING | 1u << SENDING,
};

_Static_assert(sizeof allowed / sizeof *allowed == DONE + 1, "every stage has a row");

void device_queue_set_stage(struct device_queue_task *task, enum device_queue_stage next)
{
    assert((allowed[task->stage] & 1u << next) != 0);
    task->stage = next;
}

struct slot_id device_queue_id(const struct device_queue *queue, const struct device_queue_task *task)
{
    assert(task->slot <= queue->id.slot);
    return (struct slot_id){queue->id.phase, queue->id.episode, task->slot};
}

static struct layer_work work_of(const struct device_queue *queue, const struct device_queue_task *task,
                                 uint32_t first, uint32_t last)
{
    return (struct layer_work){
        .device = queue->number,
        .round = task->round,
        .id = device_queue_id(queue, task),
        .tokens = task->tokens,
        .first_layer = first,
        .last_layer = last,
        .rows = {0, task->tokens},
        .coding = task->coding,
    };
}

const struct device_params *device_queue_own(const struct device_queue *queue)
{
    return &queue->world->device[queue->number];
}

uint32_t device_queue_layers(const struct device_queue *queue)
{
    return queue->world->llm->layers;
}

struct device_queue_action *device_queue_push(struct device_queue *queue, enum device_queue_action_kind kind)
{
    int rc = array_reserve(&queue->action, &queue->action_capacity, queue->actions + 1);
    if (rc != 0) {
        queue->error = rc;
        return &queue->lost;
    }
    assert(queue->actions < queue->action_capacity);
    struct device_queue_action *action = &queue->action[queue->actions++];
    memset(action, 0,
           offsetof(struct device_queue_action, message)); /* a message is large: its owner fills it */
    action->message.id = (enum proto_id) 0;
    action->kind = kind;
    return action;
}

struct device_queue_task *device_queue_find(struct device_queue *queue, uint64_t round)
{
    for (size_t i = queue->count; i > 0; i--)
        if (queue->task[i - 1].round == round)
            return &queue->task[i - 1];
    return NULL;
}

double device_queue_rest_s(const struct device_queue *queue, const struct device_queue_task *task)
{
    return cost_local_s(queue->world, device_queue_own(queue), task->tokens,
                        device_queue_layers(queue) - task->split);
}

void device_queue_put(struct device_queue *queue, struct station *station,
                      const struct device_queue_task *task, double work)
{
    assert(work >= 0.0);
    if (station_add(station, queue->now_s, task->round, work) != 0)
        queue->error = -ENOMEM;
}

/* ---- energy ---- */

static double busy_s(struct station *station, uint64_t round)
{
    const struct station_job *job = station_find(station, round);
    return job != NULL ? job->busy_s : 0.0;
}

struct task_joules device_queue_joules(struct device_queue *queue, const struct device_queue_task *task)
{
    double computed_s = task->compute_busy_s, sent_s = task->radio_busy_s;
    if (task->stage == COMPUTING)
        computed_s += busy_s(&queue->processor, task->round);
    if (task->stage == SENDING)
        sent_s += busy_s(&queue->radio, task->round);
    return (struct task_joules){.compute_j = device_queue_own(queue)->power_w * computed_s,
                                .transmit_j =
                                    device_queue_own(queue)->transmit_power_w * sent_s + task->backhaul_j};
}

/* ---- shares ---- */

/* `radio_s`: all the time that the task has had on the radio. */
static void count_band(const struct device_queue *queue, struct device_queue_task *task, double radio_s)
{
    assert(task->server < queue->world->servers && radio_s >= task->band_until_s);
    task->band_s += queue->share[task->server] * (radio_s - task->band_until_s);
    task->band_until_s = radio_s;
}

void device_queue_count_band(struct device_queue *queue)
{
    station_count(&queue->radio, queue->now_s);
    const struct station_job *job = station_next(&queue->radio);
    struct device_queue_task *task = job != NULL ? device_queue_find(queue, job->id) : NULL;
    if (task != NULL)
        count_band(queue, task, task->radio_busy_s + job->busy_s);
}

void device_queue_redirect(struct device_queue_task *task, uint32_t server)
{
    task->server = server;
    task->band_s = 0.0;
    task->band_from_s = task->band_until_s;
}

/* A mean share of a server: `spent_s` of the whole server or band in `passed_s`. Sums may be an ulp above 1. */
static double mean_share(double spent_s, double passed_s)
{
    double share = passed_s > 0.0 ? spent_s / passed_s : 0.0;
    return share < 1.0 ? share : 1.0;
}

/* ---- reporting ---- */

static double missing_share(const struct device_queue *queue, const struct device_queue_task *task)
{
    const struct channel_crossing crossing = {
        .id = device_queue_id(queue, task),
        .device = queue->number,
        .server = task->server,
        .use = channel_up_coded(queue->world, task->split, task->coding),
        .bits = task->bits,
    };
    return channel_missing_share(queue->world, &crossing);
}

void device_queue_report(struct device_queue *queue, struct device_queue_task *task, double server_busy_s)
{
    bool local = task->split == device_queue_layers(queue) || task->resumed;
    double transfer_s = task->radio_busy_s;
    struct device_account account = {
        .number = queue->number,
        .round = task->round,
        .times = task->times,
        .joules = device_queue_joules(queue, task),
        .rate_bps = transfer_s > 0.0 ? task->bits / transfer_s : 0.0,
        .payload_bits = task->bits,
        .missing = local ? 0.0 : missing_share(queue, task),
        .attempt = task->attempt,
        .handovers = task->handovers,
        .extra_bits = task->extra_bits,
        .extra_j = task->extra_j,
        .server = local ? PROTO_SERVER_NONE : task->server,
        .bandwidth_share = mean_share(task->band_s, task->band_until_s - task->band_from_s),
        .compute_share = mean_share(server_busy_s, task->times.edge_s),
    };
    account.times.transmit_s += task->down_s;
    account.joules.server_j = local ? 0.0 : queue->world->server[task->server].power_w * server_busy_s;
    device_queue_set_stage(task, DONE);
    device_tell_report(&device_queue_push(queue, DEVICE_QUEUE_TELL)->message, &queue->world->scenario,
                       &account);
}

/* ---- what happens at stations ---- */

/* A job has left its station: how long it waited there. */
static double waited_s(const struct station_job *job, double now_s)
{
    return (isnan(job->begun_s) ? now_s : job->begun_s) - job->arrived_s;
}

static double served_s(const struct station_job *job, double now_s)
{
    return isnan(job->begun_s) ? 0.0 : now_s - job->begun_s;
}

/* Of a transfer, with the shares and gains of now. */
static double rate_of(const struct device_queue *queue, const struct device_queue_task *task)
{
    const struct world *world = queue->world;
    const struct channel_use use = channel_up_coded(world, task->split, task->coding);
    double bandwidth_hz = queue->share[task->server] * world->server[task->server].bandwidth_mhz * UNITS_MHZ;
    if (queue->gain[task->server] <= 0.0)
        return 0.0;
    return channel_up_bps(world, task->server, &use, bandwidth_hz, device_queue_own(queue)->transmit_power_w,
                          queue->gain[task->server]);
}

/* The radio's rate is that of the server to which its first job goes. */
static void tune_radio(struct device_queue *queue)
{
    const struct station_job *job = station_next(&queue->radio);
    const struct device_queue_task *task = job != NULL ? device_queue_find(queue, job->id) : NULL;
    assert((job != NULL) == (task != NULL)); /* a station's jobs are tasks */
    bool held = queue->now_s < queue->held_s;
    station_set_rate(&queue->radio, queue->now_s, task != NULL && !held ? rate_of(queue, task) : 0.0);
}

void device_queue_set_rates(struct device_queue *queue)
{
    const struct world *world = queue->world;
    bool traced = tracks_of(&world->rate_tracks, queue->number) != NULL;
    double for_s = (double) INFINITY, stepped = 0.0;
    if (traced)
        stepped = device_slot_gain_at(world, queue->number, queue->id, queue->now_s - queue->begun_s, &for_s);
    queue->step_s = queue->now_s + fmax(for_s, STEP_MIN_S);
    for (uint32_t m = 0; m < world->servers; m++) {
        bool none = queue->share[m] <= 0.0 || faults_cut(world->faults, queue->id, queue->number, m);
        double gain = traced ? stepped : queue->slot.gain[m];
        queue->gain[m] = none ? 0.0 : gain;
    }
    tune_radio(queue);
}

void device_queue_start_sending(struct device_queue *queue, struct device_queue_task *task)
{
    assert(task->server < queue->world->servers && task->split < device_queue_layers(queue) &&
           !task->resumed);
    device_queue_set_stage(task, SENDING);
    task->bits = channel_bits(queue->world, task->split, task->tokens, task->coding);
    task->stood_still_s = task->forwarded_bits = 0.0;
    task->forwarded_s = queue->now_s;
    device_queue_put(queue, &queue->radio, task, task->bits);
    tune_radio(queue);
}

void device_queue_computed(struct device_queue *queue)
{
    struct station_job job = station_take(&queue->processor, queue->now_s);
    struct device_queue_task *task = device_queue_find(queue, job.id);
    assert(task != NULL && task->stage == COMPUTING);
    task->times.wait_s += waited_s(&job, queue->now_s);
    task->times.local_s += served_s(&job, queue->now_s);
    task->compute_busy_s += job.busy_s;
    if (task->split == device_queue_layers(queue) || task->resumed)
        device_queue_report(queue, task, 0.0);
    else
        device_queue_start_sending(queue, task);
}

static void tell_task(const struct device_queue *queue, const struct device_queue_task *task, double arrive_s,
                      struct proto_message *ret)
{
    const struct layer_work done = work_of(queue, task, 0, task->split);
    device_tell_task(ret, &done, task->start_s + task->times.wait_s + task->times.local_s, arrive_s,
                     task->bits);
    ret->task.forwarded_bits = task->forwarded_bits;
    /* What changes from slot to slot is refused in queueing mode (scenario_check_channel). */
    ret->task.channel = channel_condition_coded(queue->world, queue->number, done.id, 0.0, 0.0, task->coding);
    ret->task.coding = task->coding;
}

static void arrived(struct device_queue *queue, struct device_queue_task *task)
{
    device_queue_set_stage(task, SERVED);
    assert(queue->passed < queue->capacity); /* a task arrives once between two DECISIONs */
    struct device_queue_action *action = device_queue_push(queue, DEVICE_QUEUE_DELIVER);
    action->server = task->server;
    tell_task(queue, task, task->arrive_s, &action->message);
    queue->list_task[queue->passed] = (uint32_t) task->round;
    queue->list_server[queue->passed] = task->server;
    queue->list_real[queue->passed++] = task->arrive_s;
}

void device_queue_sent(struct device_queue *queue)
{
    struct station_job job = station_take(&queue->radio, queue->now_s);
    struct device_queue_task *task = device_queue_find(queue, job.id);
    assert(task != NULL && task->stage == SENDING);
    double begun_s = isnan(job.begun_s) ? queue->now_s : job.begun_s;
    task->times.wait_s += waited_s(&job, queue->now_s);
    task->radio_busy_s += job.busy_s;
    count_band(queue, task, task->radio_busy_s);
    task->arrive_s = task->forwarded_s > queue->now_s ? task->forwarded_s : queue->now_s;
    task->times.transmit_s += fmax(task->arrive_s - begun_s - task->stood_still_s, 0.0); /* rounding */
    task->times.interrupted_s += task->stood_still_s;
    device_queue_set_stage(task, COMING);
    tune_radio(queue);
    if (task->arrive_s <= queue->now_s)
        arrived(queue, task);
}

/* The next whose last part is still being passed on by an old server. */
static struct device_queue_task *next_coming(struct device_queue *queue)
{
    struct device_queue_task *next = NULL;
    for (size_t i = 0; i < queue->count; i++)
        if (queue->task[i].stage == COMING && (next == NULL || queue->task[i].arrive_s < next->arrive_s))
            next = &queue->task[i];
    return next;
}

void device_queue_waited(struct device_queue *queue)
{
    struct device_queue_task *coming;
    while ((coming = next_coming(queue)) != NULL && coming->arrive_s <= queue->now_s)
        arrived(queue, coming);
    if (!queue->stands_still || queue->now_s < queue->held_s)
        return;
    queue->stands_still = false;
    tune_radio(queue); /* it goes on after a handover */
}

void device_queue_pass(struct device_queue *queue)
{
    struct proto_message *message = &device_queue_push(queue, DEVICE_QUEUE_TELL)->message;
    message->id = PROTO_PASSED;
    message->passed = (struct msg_passed){
        .device = queue->number,
        .round = queue->round,
        .task = {queue->list_task, queue->passed},
        .server = {queue->list_server, queue->passed},
        .arrival_s = {queue->list_real, queue->passed},
    };
}

/* ---- asking ---- */

void device_queue_ask_anew(struct device_queue *queue)
{
    double never_s = (double) NAN;
    queue->asked = (struct device_queue_asked){
        .computing = DEVICE_QUEUE_NO_ROUND,
        .sending = DEVICE_QUEUE_NO_ROUND,
        .compute_s = never_s,
        .send_s = never_s,
        .wait_s = never_s,
        .step_s = never_s,
    };
}

void device_queue_stop(struct device_queue *queue, const struct device_queue_task *task)
{
    if (queue->asked.sending != task->round)
        return;
    device_queue_push(queue, DEVICE_QUEUE_STOP)->server = task->server;
    queue->asked.sending = DEVICE_QUEUE_NO_ROUND;
}

static void ask_to_compute(struct device_queue *queue)
{
    const struct station_job *job = station_next(&queue->processor);
    double due_s = station_due_s(&queue->processor);
    if (job == NULL || (job->id == queue->asked.computing && due_s == queue->asked.compute_s))
        return;
    const struct device_queue_task *task = device_queue_find(queue, job->id);
    struct device_queue_action *action = device_queue_push(queue, DEVICE_QUEUE_COMPUTE);
    action->due_s = due_s;
    action->work =
        work_of(queue, task, task->first_layer, task->resumed ? device_queue_layers(queue) : task->split);
    queue->asked.computing = job->id;
    queue->asked.compute_s = due_s;
}

/* The radio begins the task's transfer. */
static void begin_sending(struct device_queue *queue, struct station_job *job)
{
    const struct device_queue_task *task = device_queue_find(queue, job->id);
    double rate_bps = queue->radio.rate;
    double arrive_s = queue->now_s + (rate_bps > 0.0 ? job->work / rate_bps : 0.0);
    struct device_queue_action *action = device_queue_push(queue, DEVICE_QUEUE_SEND);
    job->done = 0.0; /* nothing has left before now, whatever was counted */
    action->server = task->server;
    action->id = device_queue_id(queue, task);
    action->bits = job->work;
    action->rate_bps = rate_bps;
    action->due_s = station_due_s(&queue->radio);
    tell_task(queue, task, arrive_s, &action->message);
    if (task->forwarded_s > arrive_s)
        action->message.task.held_s = task->forwarded_s - arrive_s;
}

static void ask_to_send(struct device_queue *queue)
{
    struct device_queue_asked *asked = &queue->asked;
    const struct station_job *job = station_next(&queue->radio);
    if (job == NULL || queue->stands_still)
        return;
    double due_s = station_due_s(&queue->radio);
    if (job->id != asked->sending) {
        begin_sending(queue, station_find(&queue->radio, job->id));
    } else if (queue->radio.rate != asked->rate_bps || due_s != asked->send_s) {
        struct device_queue_action *action = device_queue_push(queue, DEVICE_QUEUE_RATE);
        action->rate_bps = queue->radio.rate;
        action->due_s = due_s;
    }
    asked->sending = job->id;
    asked->rate_bps = queue->radio.rate;
    asked->send_s = station_due_s(&queue->radio);
}

static void ask_for_time(struct device_queue *queue, enum device_queue_action_kind kind, double *asked_s,
                         double due_s)
{
    if (*asked_s != due_s)
        device_queue_push(queue, kind)->due_s = *asked_s = due_s;
}

void device_queue_ask(struct device_queue *queue)
{
    const struct device_queue_task *coming = next_coming(queue);
    double come_s = coming != NULL ? coming->arrive_s : (double) INFINITY;
    double held_s = queue->stands_still ? queue->held_s : (double) INFINITY;
    assert(!queue->deciding);
    ask_to_compute(queue);
    ask_to_send(queue);
    ask_for_time(queue, DEVICE_QUEUE_WAIT, &queue->asked.wait_s, fmin(come_s, held_s));
    ask_for_time(queue, DEVICE_QUEUE_FOLLOW, &queue->asked.step_s, queue->step_s);
}

/* ---- leaving a server ---- */

void device_queue_hand_over(struct device_queue *queue, struct device_queue_task *task,
                            struct station_job *job)
{
    const struct scenario *scenario = &queue->world->scenario;
    assert(job->id == task->round && job->done <= job->work && job->work <= task->bits);
    double there_bits = task->bits - (job->work - job->done);
    double held_s = queue->now_s + scenario->handover.interruption_s;
    task->stood_still_s += held_s - fmax(queue->held_s, queue->now_s);
    queue->held_s = held_s;
    queue->stands_still = held_s > queue->now_s;
    task->extra_bits += there_bits;
    if (scenario->handover.policy == HANDOVER_RESTART) {
        task->extra_j = device_queue_own(queue)->transmit_power_w * (task->radio_busy_s + job->busy_s);
        job->work = task->bits;
    } else {
        double forward_j = there_bits * scenario->handover.backhaul_nj_bit * NJ_PER_J;
        task->backhaul_j += forward_j;
        task->extra_j += forward_j;
        task->forwarded_bits = there_bits;
        task->forwarded_s =
            fmax(held_s, task->forwarded_s) + there_bits / (scenario->handover.backhaul_mbps * UNITS_MHZ);
        job->work -= job->done;
    }
    job->done = 0.0;
    tune_radio(queue);
}

/* Its transfer is recalled: the radio stops waiting for its handover. */
static void leave_radio(struct device_queue *queue, struct device_queue_task *task)
{
    if (queue->held_s > queue->now_s)
        task->stood_still_s -= queue->held_s - queue->now_s;
    queue->held_s = fmin(queue->held_s, queue->now_s);
    queue->stands_still = false;
}

void device_queue_recall(struct device_queue *queue, struct device_queue_task *task)
{
    struct station_job job;
    double sent_bits = task->bits;
    if (task->stage == COMPUTING)
        return;
    if (task->stage == SENDING && station_next(&queue->radio)->id == task->round)
        leave_radio(queue, task);
    if (task->stage == SENDING && station_remove(&queue->radio, queue->now_s, task->round, &job)) {
        sent_bits = task->bits - (job.work - job.done);
        task->times.wait_s += waited_s(&job, queue->now_s);
        task->times.transmit_s += fmax(served_s(&job, queue->now_s) - task->stood_still_s, 0.0);
        task->times.interrupted_s += task->stood_still_s;
        task->radio_busy_s += job.busy_s;
        count_band(queue, task, task->radio_busy_s);
        device_queue_stop(queue, task);
    } else if (queue->now_s > task->arrive_s) {
        task->times.interrupted_s += queue->now_s - task->arrive_s;
    } else {
        double coming_s = task->arrive_s - queue->now_s; /* bits still on their way are dropped */
        task->times.transmit_s = fmax(task->times.transmit_s - coming_s, 0.0);
    }
    task->extra_bits += sent_bits;
    task->extra_j = device_queue_own(queue)->transmit_power_w * task->radio_busy_s + task->backhaul_j;
    task->times.queue_s = task->times.edge_s = task->down_s = 0.0;
}
