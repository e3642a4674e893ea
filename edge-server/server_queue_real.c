#include "edge-server/server_queue_real.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/process.h"
#include "proto/node/real_time.h"

/* A TASK that has come before the last of its activations. */
struct held {
    struct server_queue_real *real;
    struct wire_alarm alarm;
    struct proto_message task;
    struct held *next; /* queue_real.held */
};

struct server_queue_real {
    struct node_control *control;
    struct server_queue *queue;
    int (*answer)(void *user, const struct server_queue_action *action);
    void *user;
    struct served_tasks *tasks; /* compute.kind model; else NULL. Borrowed */
    struct layer_work work;     /* of the last COMPUTE, */
    uint64_t due_ns;            /* and when it is due */
    bool is_due;                /* it is due by the model, and is still being computed */
    struct wire_alarm alarm;
    uint64_t zero_ns; /* when the episode's first ALLOT came */
    struct held *held;
    size_t held_count; /* with those in the core at most SERVER_QUEUE_TASKS_MAX */
};

static const struct scenario *scenario_of(const struct server_queue_real *real)
{
    return &real->control->join.world.scenario;
}

static int execute(struct server_queue_real *real, const struct server_queue_action *action)
{
    switch (action->kind) {
    case SERVER_QUEUE_TELL:
        (void) wire_conn_send(real->control->conn,
                              &action->message); /* a lost orchestrator shows in control.c */
        return 0;
    case SERVER_QUEUE_ANSWER: return real->answer(real->user, action);
    case SERVER_QUEUE_COMPUTE:
        real->work = action->work;
        real->is_due = false;
        real->due_ns = real_time_due_ns(scenario_of(real), real->zero_ns, action->due_s);
        return wire_alarm_set(&real->control->alarms, &real->alarm, real->due_ns);
    }
    assert(false);
    return ERR_STATE;
}

static double now_s(const struct server_queue_real *real)
{
    return real_time_s(scenario_of(real), real->zero_ns, clock_monotonic_ns());
}

static int feed(struct server_queue_real *real, struct server_queue_event event, struct diag *diag)
{
    struct server_queue_actions actions;
    int rc = server_queue_step(real->queue, &event, &actions, diag);
    for (size_t i = 0; i < actions.count && rc == 0; i++)
        rc = execute(real, &actions.list[i]);
    return rc;
}

/* When the core refuses an event of this shell, that is our own mistake: the process ends and says so. */
static void feed_own(struct server_queue_real *real, enum server_queue_event_kind kind,
                     const struct proto_message *message)
{
    struct diag diag = {0};
    struct server_queue_event event = {.kind = kind, .now_s = now_s(real), .message = message};
    int rc = feed(real, event, &diag);
    if (rc != 0)
        node_control_fail(real->control, PROCESS_FAILED, diag_text(&diag, rc));
}

static void on_due(struct wire_alarm *alarm)
{
    struct server_queue_real *real = alarm->user;
    real->is_due = real->tasks != NULL && served_tasks_computes(real->tasks, &real->work);
    if (!real->is_due) /* else server_queue_real_computed goes on */
        feed_own(real, SERVER_QUEUE_ON_COMPUTED, NULL);
}

void server_queue_real_computed(struct server_queue_real *real, const struct layer_work *work,
                                const struct compute_job_result *result)
{
    bool is_asked = layer_work_is(work, &real->work) && (real->is_due || wire_alarm_is_set(&real->alarm));
    compute_audit_note(&real->control->computed, result->seconds, result->end_ns,
                       is_asked ? real->due_ns : UINT64_MAX); /* others are not due yet */
    if (!is_asked || !real->is_due)
        return;
    real->is_due = false;
    feed_own(real, SERVER_QUEUE_ON_COMPUTED, NULL);
}

void server_queue_real_set_tasks(struct server_queue_real *real, struct served_tasks *tasks)
{
    real->tasks = tasks;
}

static void drop(struct held *held)
{
    struct held **place = &held->real->held;
    assert(held->real->held_count > 0);
    while (*place != held)
        place = &(*place)->next;
    *place = held->next;
    held->real->held_count--;
    wire_alarm_cancel(&held->real->control->alarms, &held->alarm);
    free(held);
}

static void on_whole(struct wire_alarm *alarm)
{
    struct held *held = alarm->user;
    struct server_queue_real *real = held->real;
    struct proto_message task = held->task;
    drop(held);
    feed_own(real, SERVER_QUEUE_ON_MESSAGE, &task);
}

static int hold(struct server_queue_real *real, const struct proto_message *task)
{
    assert(real->held_count < SERVER_QUEUE_TASKS_MAX); /* server_queue_check_task */
    struct held *held = calloc(1, sizeof *held);
    if (held == NULL)
        return -ENOMEM;
    *held = (struct held){.real = real, .task = *task, .next = real->held};
    held->alarm = (struct wire_alarm){.on_due = on_whole, .user = held};
    held->task.task.payload = (struct proto_bytes){0}; /* it dies with the message, and is not read here */
    real->held = held;
    real->held_count++;
    return wire_alarm_set(&real->control->alarms, &held->alarm,
                          real_time_due_ns(scenario_of(real), clock_monotonic_ns(), task->task.held_s));
}

static void begin_episode(struct server_queue_real *real)
{
    while (real->held != NULL)
        drop(real->held);
    assert(real->held_count == 0);
    wire_alarm_cancel(&real->control->alarms, &real->alarm);
    real->is_due = false;
    real->zero_ns = clock_monotonic_ns();
}

/* In real time ALLOT names no tasks. It begins a slot, and asks how the server stands. */
static int take_allot(struct server_queue_real *real, const struct proto_message *message, struct diag *diag)
{
    if (message->allot.device.count > 0)
        return diag_fail(diag, ERR_RANGE, "ALLOT: it names tasks, in real time");
    if (message->allot.slot == 0 || real->zero_ns == 0)
        begin_episode(real);
    struct server_queue_event event = {
        .kind = SERVER_QUEUE_ON_MESSAGE, .now_s = now_s(real), .message = message};
    int rc = feed(real, event, diag);
    event.kind = SERVER_QUEUE_ON_END;
    return rc != 0 ? rc : feed(real, event, diag);
}

int server_queue_real_take(struct server_queue_real *real, const struct proto_message *message,
                           struct diag *diag)
{
    if (message->id == PROTO_ALLOT)
        return take_allot(real, message, diag);
    if (message->id == PROTO_TASK) {
        int rc = server_queue_check_task(real->queue, &message->task, real->held_count, diag);
        if (rc != 0 || message->task.held_s > 0.0)
            return rc != 0 ? rc : hold(real, message);
    }
    struct server_queue_event event = {
        .kind = SERVER_QUEUE_ON_MESSAGE, .now_s = now_s(real), .message = message};
    return feed(real, event, diag);
}

int server_queue_real_open(struct server_queue_real **ret_real, struct node_control *control,
                           struct server_queue *queue,
                           int (*answer)(void *user, const struct server_queue_action *action), void *user)
{
    struct server_queue_real *real = calloc(1, sizeof *real);
    if (real == NULL)
        return -ENOMEM;
    *real = (struct server_queue_real){.control = control, .queue = queue, .answer = answer, .user = user};
    real->alarm = (struct wire_alarm){.on_due = on_due, .user = real};
    *ret_real = real;
    return 0;
}

void server_queue_real_close(struct server_queue_real *real)
{
    if (real == NULL)
        return;
    while (real->held != NULL)
        drop(real->held);
    wire_alarm_cancel(&real->control->alarms, &real->alarm);
    free(real);
}
