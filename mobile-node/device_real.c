#include "mobile-node/device_real.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/process.h"
#include "core/model/transfer.h"
#include "proto/node/real_time.h"

static const struct scenario *scenario_of(const struct device_real *device)
{
    return &device->core->world->scenario;
}

static double model_s(const struct device_real *device, uint64_t from_ns)
{
    return real_time_s(scenario_of(device), from_ns, clock_monotonic_ns());
}

static int feed(struct device_real *device, struct device_event *event, struct diag *diag);

/* When the core refuses an event of this shell, that is our own mistake: the process ends and says so. */
static void feed_own(struct device_real *device, enum device_event_kind kind)
{
    struct diag diag = {0};
    struct device_event event = {.kind = kind, .elapsed_s = model_s(device, device->step_ns)};
    int rc = feed(device, &event, &diag);
    if (rc != 0)
        node_control_fail(device->control, PROCESS_FAILED, diag_text(&diag, rc));
}

static void on_job_done(struct wire_alarm *alarm)
{
    struct device_real *device = alarm->user;
    device->is_due = device->job_ends == DEVICE_ON_COMPUTED && device->store != NULL &&
                     task_store_computes(device->store, device->core->number, device->core->round);
    if (!device->is_due) /* else device_real_computed goes on */
        feed_own(device, device->job_ends);
}

/* What is computed has ended when the model says so and when it really has. */
void device_real_computed(struct device_real *device, const struct layer_work *work,
                          const struct compute_job_result *result)
{
    bool is_present =
        work->round == device->core->round &&
        (device->is_due || (wire_alarm_is_set(&device->job) && device->job_ends == DEVICE_ON_COMPUTED));
    if (!is_present)
        return; /* it was given up */
    compute_audit_note(&device->control->computed, result->seconds, result->end_ns, device->due_ns);
    if (!device->is_due || task_store_computes(device->store, work->device, work->round))
        return;
    device->is_due = false;
    feed_own(device, DEVICE_ON_COMPUTED);
}

static void on_sent(void *user)
{
    feed_own(user, DEVICE_ON_SENT);
}

static int on_result(void *user, const struct proto_message *result, struct diag *diag)
{
    struct device_real *device = user;
    struct device_event event = {.kind = DEVICE_ON_RESULT, .message = result};
    int rc = device->store != NULL ? task_store_take_result(device->store, &result->result, diag) : 0;
    return rc != 0 ? rc : feed(device, &event, diag);
}

/* Feeds `ends` when duration_s of the model have passed. */
static int pass(struct device_real *device, enum device_event_kind ends, double duration_s)
{
    assert(!wire_alarm_is_set(&device->job)); /* the core does one thing at a time */
    device->step_ns = clock_monotonic_ns();
    device->job_ends = ends;
    device->due_ns = real_time_due_ns(scenario_of(device), device->step_ns, duration_s);
    return wire_alarm_set(&device->control->alarms, &device->job, device->due_ns);
}

/* What crosses with the TASK; none: zeros. */
static struct shared_slice find_content(const struct device_real *device, const struct msg_task *task)
{
    return device->store != NULL ? task_store_activation(device->store, task) : (struct shared_slice){0};
}

static int send_task(struct device_real *device, const struct device_action *action, struct diag *diag)
{
    if (action->undelivered) /* the time passes, but nothing is sent */
        return action->more ? 0 : pass(device, DEVICE_ON_SENT, action->duration_s);
    assert(action->server < device->core->world->servers);
    struct uplink **uplink = &device->uplink[action->server];
    int rc = 0;
    if (*uplink == NULL)
        rc = uplink_create(uplink, device->control, device->core->number, action->server, &device->hooks,
                           device);
    if (rc != 0)
        return diag_fail(diag, rc, "%s", err_text(rc));
    const struct uplink_load load = {
        .bytes = (uint64_t) (action->message.task.declared_bits / 8.0),
        .content = find_content(device, &action->message.task),
    };
    device->server = action->server;
    if (!action->more)
        device->step_ns = clock_monotonic_ns();
    if (action->message.task.chunk > 0)
        return uplink_send_on(*uplink, &action->message, &load, diag);
    const struct device_core *core = device->core;
    const struct channel_use use = channel_up_coded(core->world, core->plan.split, core->plan.coding);
    struct link_params link =
        transfer_link(core->world, core->id, core->number, action->server, &use, core->rate_bps);
    struct link_params real = transfer_scaled(&link, scenario_of(device)->run.time_scale);
    return uplink_send(*uplink, &action->message, &load, &real, diag);
}

/* Stops what is being sent. */
static void abandon(struct device_real *device)
{
    if (device->job_ends == DEVICE_ON_SENT)
        wire_alarm_cancel(&device->control->alarms, &device->job);
    for (uint32_t m = 0; m < device->core->world->servers; m++)
        if (device->uplink[m] != NULL)
            uplink_abandon(device->uplink[m]);
}

static int tell(struct device_real *device, const struct proto_message *message, struct diag *diag)
{
    int rc = 0;
    if (device->store != NULL)
        rc = task_store_say(device->store, device->core->number, PROTO_SERVER_NONE, message);
    else
        (void) wire_conn_send(device->control->conn, message); /* a lost orchestrator shows in control.c */
    return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
}

static int compute(struct device_real *device, const struct device_action *action, struct diag *diag)
{
    int rc = device->store != NULL ? task_store_compute(device->store, &action->work) : 0;
    if (rc == 0)
        rc = pass(device, DEVICE_ON_COMPUTED, action->duration_s);
    return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
}

static int execute(struct device_real *device, const struct device_action *action, struct diag *diag)
{
    switch (action->kind) {
    case DEVICE_DO_TELL: return tell(device, &action->message, diag);
    case DEVICE_DO_COMPUTE: return compute(device, action, diag);
    case DEVICE_DO_WAIT: return pass(device, DEVICE_ON_WAITED, action->duration_s);
    case DEVICE_DO_ABANDON: abandon(device); return 0;
    case DEVICE_DO_SEND: return send_task(device, action, diag);
    }
    assert(false);
    return ERR_STATE;
}

static int feed(struct device_real *device, struct device_event *event, struct diag *diag)
{
    struct device_actions actions;
    event->now_s = event->kind == DEVICE_ON_SLOT ? 0.0 : model_s(device, device->task_ns);
    int rc = device_core_step(device->core, event, &actions, diag);
    for (size_t i = 0; i < actions.count && rc == 0; i++)
        rc = execute(device, &actions.list[i], diag);
    return rc;
}

int device_real_take(struct device_real *device, const struct proto_message *message, struct diag *diag)
{
    struct device_event event = {.kind = DEVICE_ON_DECISION, .message = message};
    if (message->id == PROTO_SLOT) {
        event.kind = DEVICE_ON_SLOT;
        wire_alarm_cancel(&device->control->alarms, &device->job);
        device->is_due = false;
        abandon(device);
    } else if (message->id == PROTO_RECOVER) {
        event.kind = DEVICE_ON_RECOVER;
    } else {
        device->task_ns = clock_monotonic_ns();
    }
    return feed(device, &event, diag);
}

int device_real_open(struct device_real *device, struct node_control *control, struct device_core *core)
{
    assert(device->uplink == NULL);
    *device = (struct device_real){
        .control = control,
        .core = core,
        .job = {.on_due = on_job_done, .user = device},
        .uplink = calloc(core->world->servers, sizeof *device->uplink),
        .hooks = {.on_sent = on_sent, .on_result = on_result},
    };
    return device->uplink != NULL ? 0 : -ENOMEM;
}

void device_real_set_store(struct device_real *device, struct task_store *store)
{
    device->store = store;
}

void device_real_hang_up(struct device_real *device, uint32_t server)
{
    assert(server < device->core->world->servers);
    uplink_destroy(device->uplink[server]);
    device->uplink[server] = NULL;
}

void device_real_refuse(struct device_real *device, uint32_t server, const char *text)
{
    if (device->uplink[server] != NULL)
        uplink_refuse(device->uplink[server], text);
}

void device_real_close(struct device_real *device)
{
    wire_alarm_cancel(&device->control->alarms, &device->job);
    for (uint32_t m = 0; device->uplink != NULL && m < device->core->world->servers; m++)
        uplink_destroy(device->uplink[m]);
    free(device->uplink);
    device->uplink = NULL;
}
