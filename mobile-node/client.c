#include "mobile-node/client.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/process.h"
#include "core/model/env.h"
#include "mobile-node/data_links.h"
#include "mobile-node/device_core.h"
#include "mobile-node/device_queue_real.h"
#include "mobile-node/device_queue_virtual.h"
#include "mobile-node/device_real.h"
#include "mobile-node/guest.h"
#include "mobile-node/task_store.h"
#include "proto/node/control.h"
#include "proto/node/real_time.h"

struct client {
    struct node_control control;
    struct device_core *device; /* [count], from control.join.first on; mode round */
    /* [count], queueing mode; else NULL */
    struct device_queue_virtual **queue_virtual; /* virtual time */
    struct device_queue **queue;                 /* real time, as is queue_real */
    struct device_queue_real *queue_real;
    struct device_real *real;  /* [count], real time; NULL in virtual time */
    struct data_links links;   /* virtual time */
    struct compute_jobs *jobs; /* compute.kind model; else NULL */
    struct task_store *store;  /* likewise */
    struct guest *guest;       /* its text and answer, while the process lives; NULL: it is none */
    bool is_cut;               /* the guest's text; it was said */
    uint64_t round;            /* of the guest's last SLOT */
};

static int step(struct client *client, struct device_core *device, const struct device_event *event,
                struct diag *diag);
static int step_queue(struct client *client, uint32_t index, const struct proto_message *message,
                      struct diag *diag);

static int on_result(void *user, const struct proto_message *message, struct diag *diag)
{
    struct client *client = user;
    uint32_t index = (uint32_t) message->result.device - client->control.join.first;
    struct device_event event = {
        .kind = DEVICE_ON_RESULT,
        .now_s = message->result.finish_s,
        .elapsed_s = client->queue_virtual == NULL ? device_core_down_s(&client->device[index]) : 0.0,
        .message = message,
    };
    int rc = client->store != NULL ? task_store_take_result(client->store, &message->result, diag) : 0;
    if (rc != 0)
        return rc;
    return client->queue_virtual != NULL ? step_queue(client, index, message, diag)
                                         : step(client, &client->device[index], &event, diag);
}

static const struct data_links_hooks links_hooks = {.on_result = on_result};

/* Sends a device's message, at once or when what it tells of has been computed. */
static int say(struct client *client, uint32_t device, uint32_t server, const struct proto_message *message,
               struct diag *diag)
{
    int rc = 0;
    if (client->store != NULL)
        rc = task_store_say(client->store, device, server, message);
    else if (server != PROTO_SERVER_NONE)
        data_links_send(&client->links, server, message, NULL);
    else
        (void) wire_conn_send(client->control.conn, message); /* a lost orchestrator shows in control.c */
    return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
}

static int compute(struct client *client, const struct layer_work *work, struct diag *diag)
{
    int rc = client->store != NULL ? task_store_compute(client->store, work) : 0;
    return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
}

static int send_task(struct client *client, struct device_core *device, const struct device_event *event,
                     const struct device_action *action, struct diag *diag)
{
    struct device_event sent = {
        .kind = DEVICE_ON_SENT,
        .now_s = event->now_s + action->duration_s,
        .elapsed_s = action->duration_s,
    };
    int rc = action->undelivered ? 0 : say(client, device->number, action->server, &action->message, diag);
    return rc != 0 || action->more ? rc : step(client, device, &sent, diag);
}

/* Queueing mode in virtual time. */
static int step_queue(struct client *client, uint32_t index, const struct proto_message *message,
                      struct diag *diag)
{
    struct device_queue_actions actions;
    int rc = device_queue_virtual_take(client->queue_virtual[index], message, &actions, diag), done = 0;
    for (size_t i = 0; i < actions.count && done == 0; i++) {
        const struct device_queue_action *action = &actions.list[i];
        uint32_t device = client->control.join.first + index;
        if (action->kind == DEVICE_QUEUE_DELIVER)
            done = say(client, device, action->server, &action->message, diag);
        else if (action->kind == DEVICE_QUEUE_TELL)
            done = say(client, device, PROTO_SERVER_NONE, &action->message, diag);
        else if (action->kind == DEVICE_QUEUE_COMPUTE)
            done = compute(client, &action->work, diag);
    }
    return rc != 0 ? rc : done;
}

/* Virtual time: a job of duration d is over at once, and the core is told that it ended at now + d. */
static int execute(struct client *client, struct device_core *device, const struct device_event *event,
                   const struct device_action *action, struct diag *diag)
{
    if (action->kind == DEVICE_DO_TELL)
        return say(client, device->number, PROTO_SERVER_NONE, &action->message, diag);
    if (action->kind == DEVICE_DO_SEND)
        return send_task(client, device, event, action, diag);
    if (action->kind == DEVICE_DO_ABANDON)
        return 0; /* nothing is ever under way */
    assert(action->kind == DEVICE_DO_COMPUTE || action->kind == DEVICE_DO_WAIT);
    struct device_event over = {
        .kind = action->kind == DEVICE_DO_WAIT ? DEVICE_ON_WAITED : DEVICE_ON_COMPUTED,
        .now_s = event->now_s + action->duration_s,
        .elapsed_s = action->duration_s,
    };
    int rc = action->kind == DEVICE_DO_COMPUTE ? compute(client, &action->work, diag) : 0;
    return rc != 0 ? rc : step(client, device, &over, diag);
}

static int step(struct client *client, struct device_core *device, const struct device_event *event,
                struct diag *diag)
{
    struct device_actions actions;
    int rc = device_core_step(device, event, &actions, diag);
    for (size_t i = 0; i < actions.count && rc == 0; i++)
        rc = execute(client, device, event, &actions.list[i], diag);
    return rc;
}

static int take(struct client *client, uint32_t index, const struct proto_message *message, struct diag *diag)
{
    assert(index < client->control.join.count);
    if (client->store != NULL && message->id == PROTO_SLOT)
        task_store_begin_slot(client->store, client->control.join.first + index, &message->slot);
    else if (client->store != NULL && message->id == PROTO_DECISION)
        task_store_begin_task(client->store, client->control.join.first + index);
    else if (client->store != NULL && message->id == PROTO_RECOVER)
        task_store_take_back(client->store, client->control.join.first + index, message->recover.round);
    if (client->queue_real != NULL)
        return device_queue_real_take(&client->queue_real[index], message, diag);
    if (client->queue_virtual != NULL)
        return step_queue(client, index, message, diag);
    if (client->real != NULL)
        return device_real_take(&client->real[index], message, diag);
    struct device_event event = {
        .kind = message->id == PROTO_SLOT      ? DEVICE_ON_SLOT
                : message->id == PROTO_RECOVER ? DEVICE_ON_RECOVER
                                               : DEVICE_ON_DECISION,
        .message = message,
    };
    return step(client, &client->device[index], &event, diag);
}

/* ---- a guest ---- */

/* What the guest's task is in this slot; one that has its answer leaves in place of it. False: it has left. */
static bool begin_guests_slot(struct client *client, const struct msg_slot *slot)
{
    struct guest *guest = client->guest;
    if (guest_is_done(guest)) {
        node_control_leave(&client->control);
        return false;
    }
    bool was_cut = client->is_cut;
    bool follows = client->queue != NULL && slot->slot > 0 && slot->round == client->round + 1;
    const struct device_own own = guest_own(guest, follows);
    client->round = slot->round;
    client->is_cut = guest_is_cut(guest);
    if (client->is_cut && !was_cut)
        log_warn("guest", "the text is longer than the model's context: its last %u tokens are the prompt",
                 own.tokens);
    if (client->queue != NULL)
        device_queue_set_own(client->queue[0], &own);
    else
        device_core_set_own(&client->device[0], &own);
    return true;
}

static void print_answer(const struct client *client, const struct buf *said)
{
    errno = 0;
    if (fwrite(said->data, 1, said->size, stdout) != said->size)
        process_print_failed(errno);
    if (guest_is_done(client->guest) && !client->control.options->json)
        (void) putchar('\n'); /* process_begin tells of a failure */
    process_flush();
}

/* A REPORT of the guest's task leaves, and its answer is printed. */
static void tell_guests_report(struct client *client, const struct proto_message *message)
{
    struct proto_message whole = *message;
    struct buf said = {0};
    guest_complete(client->guest, &whole.report);
    (void) wire_conn_send(client->control.conn, &whole); /* a lost orchestrator shows in control.c */
    uint32_t answered = guest_answered(client->guest);
    bool was_done = guest_is_done(client->guest);
    if (guest_take(client->guest, &whole.report, &said) != 0)
        node_control_fail(&client->control, PROCESS_FAILED, "the guest's answer: out of memory");
    else if (guest_answered(client->guest) > answered || guest_is_done(client->guest) != was_done)
        print_answer(client, &said);
    buf_finish(&said);
}

static void hang_up_everywhere(struct client *client, uint32_t server)
{
    data_links_hang_up(&client->links, server);
    for (uint32_t i = 0; client->real != NULL && i < client->control.join.count; i++)
        device_real_hang_up(&client->real[i], server);
    for (uint32_t i = 0; client->queue_real != NULL && i < client->control.join.count; i++)
        device_queue_real_hang_up(&client->queue_real[i], server);
}

/* A server that came back may have another address: its old connections are closed. */
static int move_server(struct client *client, const struct msg_server *server, struct diag *diag)
{
    int rc = join_move_server(&client->control.join, server, diag);
    if (rc != 0)
        return rc;
    hang_up_everywhere(client, (uint32_t) server->server);
    return 0;
}

static int on_message(void *user, const struct proto_message *message, struct diag *diag)
{
    struct client *client = user;
    const struct join *join = &client->control.join;
    if (message->id == PROTO_SERVER)
        return move_server(client, &message->server, diag);
    if (message->id == PROTO_SLOT) {
        int rc = 0;
        if (client->guest != NULL && !begin_guests_slot(client, &message->slot))
            return 0;
        for (uint32_t i = 0; i < join->count && rc == 0; i++)
            rc = take(client, i, message, diag);
        return rc;
    }
    uint64_t device = join->first + join->count;
    if (message->id == PROTO_DECISION)
        device = message->decision.device;
    else if (message->id == PROTO_RECOVER)
        device = message->recover.device;
    else if (message->id == PROTO_HANDOVER)
        device = message->handover.device;
    if (device < join->first || device - join->first >= join->count)
        return diag_fail(diag, ERR_STATE, "%s is not for this mobile node", proto_name(message->id));
    if (client->guest != NULL && message->id == PROTO_DECISION)
        guest_decided(client->guest, &message->decision);
    return take(client, (uint32_t) device - join->first, message, diag);
}

static int open_real(struct client *client)
{
    uint32_t count = client->control.join.count;
    int rc = 0;
    client->real = calloc(count, sizeof *client->real);
    if (client->real == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < count && rc == 0; i++)
        rc = device_real_open(&client->real[i], &client->control, &client->device[i]);
    return rc;
}

static int open_queue_virtual(struct client *client)
{
    const struct join *join = &client->control.join;
    client->queue_virtual = calloc(join->count, sizeof(struct device_queue_virtual *));
    int rc = client->queue_virtual != NULL ? 0 : -ENOMEM;
    for (uint32_t i = 0; i < join->count && rc == 0; i++)
        rc = device_queue_virtual_create(&client->queue_virtual[i], &join->world, join->first + i);
    return rc;
}

static int open_queue_real(struct client *client)
{
    const struct join *join = &client->control.join;
    client->queue = calloc(join->count, sizeof(struct device_queue *));
    client->queue_real = calloc(join->count, sizeof *client->queue_real);
    int rc = client->queue != NULL && client->queue_real != NULL ? 0 : -ENOMEM;
    for (uint32_t i = 0; i < join->count && rc == 0; i++) {
        rc = device_queue_create(&client->queue[i], &join->world, join->first + i);
        rc = rc != 0 ? rc
                     : device_queue_real_open(&client->queue_real[i], &client->control, client->queue[i],
                                              join->first + i);
    }
    return rc;
}

static int open_cores(struct client *client)
{
    const struct join *join = &client->control.join;
    bool in_real_time = real_time_is_kept(&join->world.scenario);
    if (env_is_queue(&join->world))
        return in_real_time ? open_queue_real(client) : open_queue_virtual(client);
    for (uint32_t i = 0; i < join->count; i++)
        device_core_init(&client->device[i], &join->world, join->first + i);
    return in_real_time ? open_real(client) : 0;
}

/* ---- real layers (compute.kind model) ---- */

static void on_send(void *user, uint32_t server, const struct proto_message *message,
                    const struct shared_slice *activation)
{
    struct client *client = user;
    if (server != PROTO_SERVER_NONE)
        data_links_send(&client->links, server, message, activation);
    else if (client->guest != NULL && message->id == PROTO_REPORT)
        tell_guests_report(client, message);
    else
        (void) wire_conn_send(client->control.conn, message); /* a lost orchestrator shows in control.c */
}

static void on_send_frame(void *user, const void *frame, size_t size)
{
    struct client *client = user;
    (void) wire_conn_send_frame(client->control.conn, frame, size); /* likewise */
}

/* As with any RESULT that is refused: its task has none. */
static void on_bad_row(void *user, uint32_t device, uint32_t server, const char *reason)
{
    struct client *client = user;
    uint32_t index = device - client->control.join.first;
    struct diag diag = {0};
    diag_fail(&diag, ERR_RANGE, "RESULT of device %u: the row is none: %s", device, reason);
    log_warn("data", "server %u: %s", server, diag.text);
    if (client->real != NULL)
        device_real_refuse(&client->real[index], server, diag.text);
    else if (client->queue_real != NULL)
        device_queue_real_refuse(&client->queue_real[index], server, diag.text);
    else
        data_links_refuse(&client->links, server, diag.text);
}

/* Nobody has said when it is due: it cannot be late. */
static void on_head(void *user, const struct compute_job_result *result)
{
    struct client *client = user;
    if (client->real != NULL || client->queue_real != NULL)
        compute_audit_note(&client->control.computed, result->seconds, result->end_ns, UINT64_MAX);
}

static void on_failure(void *user, const char *reason)
{
    struct client *client = user;
    node_control_fail(&client->control, PROCESS_FAILED, reason);
}

/* Virtual time waits for nothing. */
static void on_computed(void *user, const struct layer_work *work, const struct compute_job_result *result)
{
    struct client *client = user;
    uint32_t index = work->device - client->control.join.first;
    if (client->real != NULL)
        device_real_computed(&client->real[index], work, result);
    else if (client->queue_real != NULL)
        device_queue_real_computed(&client->queue_real[index], work, result);
}

static void on_prompt(void *user, uint32_t tokens, uint32_t *ret_token)
{
    struct client *client = user;
    guest_prompt(client->guest, tokens, ret_token);
}

static const struct task_store_hooks store_hooks = {.send = on_send,
                                                    .send_frame = on_send_frame,
                                                    .on_computed = on_computed,
                                                    .on_head = on_head,
                                                    .on_bad_row = on_bad_row,
                                                    .on_failure = on_failure};
static const struct task_store_hooks guests_hooks = {.send = on_send,
                                                     .send_frame = on_send_frame,
                                                     .on_computed = on_computed,
                                                     .on_head = on_head,
                                                     .on_bad_row = on_bad_row,
                                                     .prompt = on_prompt,
                                                     .on_failure = on_failure};

/* In real time no first task shall be late: the layers that these devices may compute are loaded before the run. Those
 * behind a lost server are loaded when they are asked for. */
static int load_layers(struct client *client, struct diag *diag)
{
    const struct join *join = &client->control.join;
    uint32_t most = 0;
    for (uint32_t i = 0; i < join->count; i++) {
        uint32_t split = join->world.device[join->first + i].max_split;
        most = split > most ? split : most;
    }
    most = most < join->world.llm->layers ? most : join->world.llm->layers;
    return compute_jobs_load(client->jobs, 0, most, diag);
}

/* A guest that has joined again goes on where it was. False: the process ends. */
static bool open_guest(struct client *client)
{
    const struct node_options *options = client->control.options;
    const char *own = options->model, *given = client->control.join.world.scenario.model.file;
    const struct guest_options wanted = {
        .prompt = options->prompt, .answer = options->answer, .split = options->split, .json = options->json};
    struct diag diag = {0};
    if (options->prompt == NULL || client->guest != NULL)
        return true;
    int rc = guest_create(&client->guest, &wanted, own != NULL ? own : given, &diag);
    if (rc != 0)
        node_control_fail_model(&client->control, diag_text(&diag, rc));
    return rc == 0;
}

/* Last in on_ready: without a model this node cannot take part. */
static int open_store(struct client *client, struct diag *diag)
{
    const struct join *join = &client->control.join;
    if (!node_control_open_model(&client->control, &client->jobs) || !open_guest(client))
        return 0;
    int rc = task_store_create(&client->store, client->jobs, &join->world, join->first, join->count);
    if (rc != 0)
        return diag_fail(diag, rc, "%s", err_text(rc));
    task_store_set_hooks(client->store, client->guest != NULL ? &guests_hooks : &store_hooks, client);
    for (uint32_t i = 0; client->real != NULL && i < join->count; i++)
        device_real_set_store(&client->real[i], client->store);
    for (uint32_t i = 0; client->queue_real != NULL && i < join->count; i++)
        device_queue_real_set_store(&client->queue_real[i], client->store);
    return real_time_is_kept(&join->world.scenario) ? load_layers(client, diag) : 0;
}

static int on_ready(void *user, struct diag *diag)
{
    struct client *client = user;
    const struct join *join = &client->control.join;
    assert(client->device == NULL); /* on_reset */
    int rc = data_links_open(&client->links, &client->control, &links_hooks, client);
    client->device = calloc(join->count, sizeof *client->device);
    if (rc != 0 || client->device == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    rc = open_cores(client);
    if (rc != 0)
        return diag_fail(diag, rc, "%s", err_text(rc));
    if (!compute_is_real(&join->world) && client->control.options->prompt != NULL)
        return diag_fail(diag, ERR_UNSUPPORTED, "a guest needs a run with compute.kind: model");
    return compute_is_real(&join->world) ? open_store(client, diag) : 0;
}

static void let_go(struct client *client)
{
    task_store_stop(client->store);
    data_links_hang_up_all(&client->links);
    for (uint32_t i = 0; client->real != NULL && i < client->control.join.count; i++)
        if (client->real[i].core != NULL)
            device_real_close(&client->real[i]);
    for (uint32_t i = 0; client->queue_real != NULL && i < client->control.join.count; i++)
        device_queue_real_close(&client->queue_real[i]);
}

static void forget_run(struct client *client)
{
    task_store_destroy(client->store);
    node_control_close_model(&client->control, client->jobs);
    client->store = NULL;
    client->jobs = NULL;
    for (uint32_t i = 0; client->queue != NULL && i < client->control.join.count; i++)
        device_queue_destroy(client->queue[i]);
    for (uint32_t i = 0; client->queue_virtual != NULL && i < client->control.join.count; i++)
        device_queue_virtual_destroy(client->queue_virtual[i]);
    free(client->queue_virtual);
    free(client->queue);
    free(client->queue_real);
    client->queue_virtual = NULL;
    client->queue = NULL;
    client->queue_real = NULL;
    data_links_forget(&client->links);
    free(client->device);
    free(client->real);
    client->device = NULL;
    client->real = NULL;
}

static void on_reset(void *user)
{
    let_go(user);
    forget_run(user);
}

static void on_end(void *user)
{
    struct client *client = user;
    data_links_end(&client->links);
    let_go(client);
}

static const struct node_control_hooks hooks = {
    .on_ready = on_ready, .on_message = on_message, .on_reset = on_reset, .on_end = on_end};

/* The run is over, or the guest has left it. */
static int end_guest(const struct client *client)
{
    if (client->guest != NULL && guest_is_done(client->guest))
        return PROCESS_OK;
    log_error("guest", "the run ended after %u of %u tokens of the answer",
              client->guest != NULL ? guest_answered(client->guest) : 0, client->control.options->answer);
    return PROCESS_FAILED;
}

int client_run(const struct node_options *options)
{
    struct client client = {0};
    int rc = node_control_init(&client.control, NODE_MOBILE, options, &hooks, &client);
    if (rc != 0) {
        log_error("node", "cannot start: %s", err_text(rc));
        return PROCESS_FAILED;
    }
    node_control_start(&client.control, 0);
    int status = node_control_run(&client.control);
    forget_run(&client);
    if (options->prompt != NULL && status == PROCESS_OK)
        status = end_guest(&client);
    guest_destroy(client.guest);
    node_control_finish(&client.control);
    return status;
}
