#include "mobile-node/device_queue_real.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/process.h"
#include "core/model/transfer.h"
#include "proto/node/real_time.h"

static const struct scenario *scenario_of(const struct device_queue_real *device)
{
    return &device->control->join.world.scenario;
}

static int feed(struct device_queue_real *device, enum device_queue_event_kind kind,
                const struct proto_message *message, struct diag *diag);

/* When the core refuses an event of this shell, that is our own mistake: the process ends and says so. */
static void feed_own(struct device_queue_real *device, enum device_queue_event_kind kind)
{
    struct diag diag = {0};
    int rc = feed(device, kind, NULL, &diag);
    if (rc != 0)
        node_control_fail(device->control, PROCESS_FAILED, diag_text(&diag, rc));
}

static void on_computed(struct wire_alarm *alarm)
{
    struct device_queue_real *device = alarm->user;
    device->is_due =
        device->store != NULL && task_store_computes(device->store, device->number, device->work.round);
    if (!device->is_due) /* else device_queue_real_computed goes on */
        feed_own(device, DEVICE_QUEUE_ON_COMPUTED);
}

void device_queue_real_computed(struct device_queue_real *device, const struct layer_work *work,
                                const struct compute_job_result *result)
{
    bool is_asked =
        layer_work_is(work, &device->work) && (device->is_due || wire_alarm_is_set(&device->compute));
    compute_audit_note(&device->control->computed, result->seconds, result->end_ns,
                       is_asked ? device->compute.due_ns
                                : UINT64_MAX); /* it waits for its turn, or was given up */
    if (!is_asked || !device->is_due || task_store_computes(device->store, work->device, work->round))
        return;
    device->is_due = false;
    feed_own(device, DEVICE_QUEUE_ON_COMPUTED);
}

static void on_waited(struct wire_alarm *alarm)
{
    feed_own(alarm->user, DEVICE_QUEUE_ON_WAITED);
}

static void on_step(struct wire_alarm *alarm)
{
    feed_own(alarm->user, DEVICE_QUEUE_ON_STEP);
}

static void on_sent(void *user)
{
    struct device_queue_real *device = user;
    assert(device->sending != NULL);
    device->sending = NULL;
    feed_own(device, DEVICE_QUEUE_ON_SENT);
}

static void on_cut(void *user)
{
    struct device_queue_real *device = user;
    device->sending = NULL;
    feed_own(device, DEVICE_QUEUE_ON_CUT);
}

static int on_result(void *user, const struct proto_message *result, struct diag *diag)
{
    struct device_queue_real *device = user;
    int rc = device->store != NULL ? task_store_take_result(device->store, &result->result, diag) : 0;
    return rc != 0 ? rc : feed(device, DEVICE_QUEUE_ON_MESSAGE, result, diag);
}

static int set_alarm(struct device_queue_real *device, struct wire_alarm *alarm, double due_s)
{
    return wire_alarm_set(&device->control->alarms, alarm,
                          real_time_due_ns(scenario_of(device), device->zero_ns, due_s));
}

static int send_task(struct device_queue_real *device, const struct device_queue_action *action,
                     struct diag *diag)
{
    assert(action->server < device->control->join.world.servers);
    assert(device->sending == NULL ||
           !uplink_is_sending(device->sending)); /* a STOP, or its end, came before */
    struct uplink **uplink = &device->uplink[action->server];
    int rc = 0;
    if (*uplink == NULL)
        rc = uplink_create(uplink, device->control, device->number, action->server, &device->hooks, device);
    if (rc != 0)
        return diag_fail(diag, rc, "%s", err_text(rc));
    device->sending = *uplink;
    const struct msg_task *task = &action->message.task;
    const struct channel_use use =
        channel_up_coded(&device->control->join.world, (uint32_t) task->split, (uint32_t) task->coding);
    struct link_params link = transfer_link(&device->control->join.world, action->id, device->number,
                                            action->server, &use, action->rate_bps);
    struct link_params real = transfer_scaled(&link, scenario_of(device)->run.time_scale);
    /* After a handover the rate has to carry what the old server does not pass on; the bytes come from here alike. */
    const struct uplink_load load = {
        .bytes = (uint64_t) (action->bits / 8.0),
        .content = device->store != NULL ? task_store_activation(device->store, &action->message.task)
                                         : (struct shared_slice){0},
    };
    return uplink_send(*uplink, &action->message, &load, &real, diag);
}

static void stop_sending(struct device_queue_real *device, uint32_t server)
{
    if (device->uplink[server] != NULL)
        uplink_stop(device->uplink[server]);
    device->sending = NULL;
}

static int tell(struct device_queue_real *device, const struct proto_message *message, struct diag *diag)
{
    int rc = 0;
    if (device->store != NULL)
        rc = task_store_say(device->store, device->number, PROTO_SERVER_NONE, message);
    else
        (void) wire_conn_send(device->control->conn, message); /* a lost orchestrator shows in control.c */
    return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
}

static int compute(struct device_queue_real *device, const struct device_queue_action *action,
                   struct diag *diag)
{
    int rc = device->store != NULL ? task_store_compute(device->store, &action->work) : 0;
    device->work = action->work;
    device->is_due = false;
    device->due_ns = real_time_due_ns(scenario_of(device), device->zero_ns, action->due_s);
    rc = rc != 0 ? rc : set_alarm(device, &device->compute, action->due_s);
    return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
}

static int execute(struct device_queue_real *device, const struct device_queue_action *action,
                   struct diag *diag)
{
    switch (action->kind) {
    case DEVICE_QUEUE_TELL: return tell(device, &action->message, diag);
    case DEVICE_QUEUE_COMPUTE: return compute(device, action, diag);
    case DEVICE_QUEUE_WAIT: return set_alarm(device, &device->wait, action->due_s);
    case DEVICE_QUEUE_FOLLOW: return set_alarm(device, &device->step, action->due_s);
    case DEVICE_QUEUE_SEND: return send_task(device, action, diag);
    case DEVICE_QUEUE_RATE:
        if (device->sending != NULL)
            uplink_set_rate(device->sending, action->rate_bps * scenario_of(device)->run.time_scale);
        return 0;
    case DEVICE_QUEUE_STOP: stop_sending(device, action->server); return 0;
    case DEVICE_QUEUE_DELIVER: return 0; /* its TASK has gone behind its activations */
    }
    assert(false);
    return ERR_STATE;
}

static int feed(struct device_queue_real *device, enum device_queue_event_kind kind,
                const struct proto_message *message, struct diag *diag)
{
    struct device_queue_event event = {
        .kind = kind,
        .now_s = real_time_s(scenario_of(device), device->zero_ns, clock_monotonic_ns()),
        .way_s = (double) NAN,
        .message = message,
    };
    struct device_queue_actions actions;
    int rc = device_queue_step(device->queue, &event, &actions, diag);
    for (size_t i = 0; i < actions.count && rc == 0; i++)
        rc = execute(device, &actions.list[i], diag);
    return rc;
}

/* An episode begins with nothing under way. */
static void begin_episode(struct device_queue_real *device)
{
    wire_alarm_cancel(&device->control->alarms, &device->compute);
    wire_alarm_cancel(&device->control->alarms, &device->wait);
    wire_alarm_cancel(&device->control->alarms, &device->step);
    for (uint32_t m = 0; m < device->control->join.world.servers; m++)
        if (device->uplink[m] != NULL)
            uplink_stop(device->uplink[m]);
    device->sending = NULL;
    device->is_due = false;
    device->zero_ns = clock_monotonic_ns();
}

int device_queue_real_take(struct device_queue_real *device, const struct proto_message *message,
                           struct diag *diag)
{
    if (message->id == PROTO_SLOT && (message->slot.slot == 0 || device->zero_ns == 0))
        begin_episode(device);
    for (uint32_t m = 0; message->id == PROTO_SLOT && m < device->control->join.world.servers; m++)
        if (device->uplink[m] != NULL)
            uplink_tell_windows(device->uplink[m]);
    return feed(device, DEVICE_QUEUE_ON_MESSAGE, message, diag);
}

int device_queue_real_open(struct device_queue_real *device, struct node_control *control,
                           struct device_queue *queue, uint32_t number)
{
    assert(device->uplink == NULL);
    *device = (struct device_queue_real){
        .control = control,
        .queue = queue,
        .number = number,
        .compute = {.on_due = on_computed, .user = device},
        .wait = {.on_due = on_waited, .user = device},
        .step = {.on_due = on_step, .user = device},
        .uplink = calloc(control->join.world.servers, sizeof(struct uplink *)),
        .hooks = {.on_sent = on_sent, .on_cut = on_cut, .on_result = on_result},
    };
    return device->uplink != NULL ? 0 : -ENOMEM;
}

void device_queue_real_set_store(struct device_queue_real *device, struct task_store *store)
{
    device->store = store;
}

void device_queue_real_hang_up(struct device_queue_real *device, uint32_t server)
{
    assert(server < device->control->join.world.servers);
    if (device->sending == device->uplink[server])
        device->sending = NULL;
    uplink_destroy(device->uplink[server]);
    device->uplink[server] = NULL;
}

void device_queue_real_refuse(struct device_queue_real *device, uint32_t server, const char *text)
{
    if (device->uplink[server] != NULL)
        uplink_refuse(device->uplink[server], text);
}

void device_queue_real_close(struct device_queue_real *device)
{
    if (device->control == NULL)
        return; /* never opened */
    wire_alarm_cancel(&device->control->alarms, &device->compute);
    wire_alarm_cancel(&device->control->alarms, &device->wait);
    wire_alarm_cancel(&device->control->alarms, &device->step);
    for (uint32_t m = 0; device->uplink != NULL && m < device->control->join.world.servers; m++)
        uplink_destroy(device->uplink[m]);
    free(device->uplink);
    device->uplink = NULL;
}
