#include "mobile-node/device_queue_virtual.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/model/agenda.h"
#include "core/model/radio.h"
#include "core/model/transfer.h"

/* What ends. Of several at once the first here goes first. */
enum due { COMPUTE, SEND, WAIT, STEP, DUES };

static const enum device_queue_event_kind ends[DUES] = {
    [COMPUTE] = DEVICE_QUEUE_ON_COMPUTED,
    [SEND] = DEVICE_QUEUE_ON_SENT,
    [WAIT] = DEVICE_QUEUE_ON_WAITED,
    [STEP] = DEVICE_QUEUE_ON_STEP,
};

struct device_queue_virtual {
    const struct world *world; /* borrowed */
    uint32_t number;
    struct device_queue *queue; /* owned */
    struct agenda agenda;       /* by enum due */
    double now_s, end_s;        /* now, and when the slot ends; since the episode's start */
    /* The present SEND. */
    uint32_t server, split, coding;
    struct slot_id id;
    double bits, rate_bps;
    bool lingers; /* all bits have left, the last ones are still on their way */
};

int device_queue_virtual_create(struct device_queue_virtual **ret_device, const struct world *world,
                                uint32_t number)
{
    struct device_queue_virtual *device = calloc(1, sizeof *device);
    if (device == NULL)
        return -ENOMEM;
    device->world = world;
    device->number = number;
    int rc = device_queue_create(&device->queue, world, number);
    rc = rc != 0 ? rc : agenda_reserve(&device->agenda, DUES);
    if (rc != 0)
        device_queue_virtual_destroy(device);
    else
        *ret_device = device;
    return rc;
}

void device_queue_virtual_destroy(struct device_queue_virtual *device)
{
    if (device == NULL)
        return;
    device_queue_destroy(device->queue);
    agenda_finish(&device->agenda);
    free(device);
}

static void begin_sending(struct device_queue_virtual *device, const struct device_queue_action *action)
{
    device->server = action->server;
    device->split = (uint32_t) action->message.task.split;
    device->coding = (uint32_t) action->message.task.coding;
    device->id = action->id;
    device->bits = action->bits;
    device->rate_bps = action->rate_bps;
    device->lingers = false;
    agenda_set(&device->agenda, SEND, action->due_s);
}

static void set_rate(struct device_queue_virtual *device, const struct device_queue_action *action)
{
    if (device->lingers)
        return;
    device->rate_bps = action->rate_bps;
    agenda_set(&device->agenda, SEND, action->due_s);
}

static void execute(struct device_queue_virtual *device, const struct device_queue_action *action)
{
    switch (action->kind) {
    case DEVICE_QUEUE_TELL:
    case DEVICE_QUEUE_DELIVER: return; /* its owner's */
    case DEVICE_QUEUE_COMPUTE: agenda_set(&device->agenda, COMPUTE, action->due_s); return;
    case DEVICE_QUEUE_SEND: begin_sending(device, action); return;
    case DEVICE_QUEUE_RATE: set_rate(device, action); return;
    case DEVICE_QUEUE_STOP: agenda_set(&device->agenda, SEND, (double) INFINITY); return;
    case DEVICE_QUEUE_WAIT: agenda_set(&device->agenda, WAIT, action->due_s); return;
    case DEVICE_QUEUE_FOLLOW: agenda_set(&device->agenda, STEP, action->due_s); return;
    }
    assert(false);
}

/* Adds to the actions and executes what is new. */
static int step(struct device_queue_virtual *device, struct device_queue_event *event,
                struct device_queue_actions *actions, struct diag *diag)
{
    size_t before = actions->count;
    event->now_s = device->now_s;
    event->appends = before > 0;
    int rc = device_queue_step(device->queue, event, actions, diag);
    for (size_t i = before; i < actions->count; i++)
        execute(device, &actions->list[i]);
    return rc;
}

/* All bits have left: do the last ones arrive later? Losses, jitter and delay at the present rate add to the
 * time of the rate itself. The next transfer waits for them, as it does behind a pacer. */
static bool waits_for_last_bits(struct device_queue_virtual *device)
{
    if (device->lingers || device->rate_bps <= 0.0)
        return false;
    const struct channel_use use = channel_up_coded(device->world, device->split, device->coding);
    double whole_s = transfer_task_s(device->world, device->id, device->number, device->server, &use,
                                     device->rate_bps, device->bits);
    double late_s = whole_s - radio_transmit_s(device->bits, device->rate_bps);
    if (!(late_s > 0.0))
        return false;
    device->lingers = true;
    agenda_set(&device->agenda, SEND, device->now_s + late_s);
    return true;
}

static int live_through_slot(struct device_queue_virtual *device, struct device_queue_actions *actions,
                             struct diag *diag)
{
    struct device_queue_event event = {.message = NULL}, end = {.kind = DEVICE_QUEUE_ON_END};
    uint32_t due;
    double due_s;
    int rc = 0;
    while (rc == 0 && agenda_take(&device->agenda, device->end_s, &due, &due_s)) {
        assert(due < DUES);
        device->now_s = fmax(device->now_s, due_s);
        event.kind = ends[due];
        if (due != SEND || !waits_for_last_bits(device))
            rc = step(device, &event, actions, diag);
    }
    device->now_s = device->end_s;
    return rc != 0 ? rc : step(device, &end, actions, diag);
}

void device_queue_virtual_set_own(struct device_queue_virtual *device, const struct device_own *own)
{
    device_queue_set_own(device->queue, own);
}

int device_queue_virtual_take(struct device_queue_virtual *device, const struct proto_message *message,
                              struct device_queue_actions *ret_actions, struct diag *diag)
{
    struct device_queue_event event = {.kind = DEVICE_QUEUE_ON_MESSAGE, .message = message};
    double slot_s = device->world->scenario.run.slot_s;
    ret_actions->count = 0;
    if (message->id == PROTO_SLOT) {
        device->now_s = (uint32_t) message->slot.slot * slot_s;
        device->end_s = ((uint32_t) message->slot.slot + 1.0) * slot_s;
    } else if (message->id == PROTO_RESULT) {
        event.way_s = device_queue_way_s(device->queue, &message->result);
    }
    int rc = step(device, &event, ret_actions, diag);
    if (rc == 0 && message->id == PROTO_DECISION)
        rc = live_through_slot(device, ret_actions, diag);
    return rc;
}
