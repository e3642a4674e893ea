/* What both state machines of a device, of mode round and of queueing mode, say and check alike. Builders set the
 * id and every field of a message; lists are borrowed from what they are given. Errors are ERR_RANGE. */
#ifndef HANDOFF_MOBILE_NODE_DEVICE_MESSAGES_H
#define HANDOFF_MOBILE_NODE_DEVICE_MESSAGES_H

#include <stdbool.h>

#include "core/base/diag.h"
#include "core/model/cost.h"
#include "core/model/device_slot.h"
#include "core/model/layer_work.h"
#include "proto/message.h"

/* Brings a device's movement from one slot of an episode to another, not earlier one. `begins`: from the episode's
 * beginning, whatever came before. */
void device_move(const struct world *world, uint32_t number, struct slot_id from, struct slot_id to,
                 bool begins, struct mobility *mobility);

/* What a guest brings with it; all 0: the device's tasks are the world's. */
struct device_own {
    bool is_own;
    uint32_t tokens; /* of its task's prompt in the next slot; 0: it has none */
    uint32_t wish;   /* OBSERVATION.wish */
};

/* Its task in place of the world's. */
void device_take_own(const struct device_own *own, struct device_slot *slot);

/* OBSERVATION of what the device meets in its slot. What queueing mode adds is left empty. */
void device_tell_observation(struct proto_message *ret, const struct world *world, uint32_t number,
                             uint64_t round, const struct device_slot *slot);

/* TASK after the layers `done` of it; what one mode alone knows is left 0. */
void device_tell_task(struct proto_message *ret, const struct layer_work *done, double sent_s,
                      double arrival_s, double bits);

/* Where a task's seconds and joules went. */
struct device_account {
    uint32_t number;
    uint64_t round;
    struct task_times times;
    struct task_joules joules;
    double rate_bps, payload_bits; /* of the last transfer */
    double missing;                /* share of its packets; 0: the device has computed all */
    uint32_t attempt, handovers;
    double extra_bits, extra_j;
    uint32_t server; /* who ran the rest; PROTO_SERVER_NONE: the device, and the shares are not read */
    double bandwidth_share, compute_share;
};

void device_tell_report(struct proto_message *ret, const struct scenario *scenario,
                        const struct device_account *account);

/* Can a task be split so, and go to that server? */
int device_check_decision(const struct world *world, const struct msg_decision *decision, struct diag *diag);
/* Is there such a server? */
int device_check_recover(const struct world *world, const struct msg_recover *recover, struct diag *diag);

#endif
