/* What a mobile process keeps of its devices' tasks when it really computes (compute.kind `model`): the prompt, then the
 * encoded activations, until the task is over; the answer; measured seconds. A task's name is (device, round).
 *
 * State machines see none of this. Their shell asks the store to compute what they ask to compute, and hands what they
 * tell to the store. It holds a TASK back until its activations are there, and a REPORT until its answer is. Whatever a
 * device says leaves in the order in which it was said: one thing held back holds back what that device says later.
 *
 * Where a channel damages activations, an answer is that of whoever served the task: a RECOVER makes it void.
 *
 * A prompt that goes to a server in chunks is computed one chunk after the other. All encoded rows are kept: when the
 * server is lost, they all go to another one, or the device goes on with them.
 *
 * One thread; the layers are computed beside the loop (proto/node/compute_jobs). */
#ifndef HANDOFF_MOBILE_NODE_TASK_STORE_H
#define HANDOFF_MOBILE_NODE_TASK_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/model/layer_work.h"
#include "core/model/world.h"
#include "proto/message.h"
#include "proto/node/compute_jobs.h"
#include "proto/node/shared_bytes.h"

struct task_store;

struct task_store_hooks {
    /* Sends to a server, or to the orchestrator (PROTO_SERVER_NONE). `activation` goes before a TASK; NULL: none. All is
     * borrowed. */
    void (*send)(void *user, uint32_t server, const struct proto_message *message,
                 const struct shared_slice *activation);
    /* Frames that are encoded already, to the orchestrator. */
    void (*send_frame)(void *user, const void *frame, size_t size);
    /* Layers of a task are done; it may have more to compute. May be NULL. */
    void (*on_computed)(void *user, const struct layer_work *work, const struct compute_job_result *result);
    /* The head has been applied to the row that a server has returned. May be NULL. */
    void (*on_head)(void *user, const struct compute_job_result *result);
    /* A server has returned to this device a row that is none. Its task stays without an answer. */
    void (*on_bad_row)(void *user, uint32_t device, uint32_t server, const char *reason);
    /* The prompt of a task, [tokens], in place of the world's. May be NULL. */
    void (*prompt)(void *user, uint32_t tokens, uint32_t *ret_token);
    /* This node cannot go on: memory, or its own model. */
    void (*on_failure)(void *user, const char *reason);
};

/* Of devices first .. first + count - 1. Borrows all. -ENOMEM. */
int task_store_create(struct task_store **ret_store, struct compute_jobs *jobs, const struct world *world,
                      uint32_t first, uint32_t count);
void task_store_set_hooks(struct task_store *store, const struct task_store_hooks *hooks, void *user);
/* Drops all jobs: nothing is told any more. NULL-safe, as the next. */
void task_store_stop(struct task_store *store);
/* Before the pool is closed. Not from a hook. */
void task_store_destroy(struct task_store *store);

/* Begins these layers of these rows, behind what the task computes already. What it computes, or has computed, is not
 * begun again. -ENOMEM. */
int task_store_compute(struct task_store *store, const struct layer_work *work);
/* Something of the task is being computed, or waits to be. */
bool task_store_computes(const struct task_store *store, uint32_t device, uint64_t round);

/* What crosses to a server with this TASK: the activations at its split, of its rows. Borrowed. None: not there yet, or no
 * such task. Real time, where the shell itself sends: it counts as sent. */
struct shared_slice task_store_activation(struct task_store *store, const struct msg_task *task);

/* Sends, now or later. What a REPORT says of the answer is filled in. -ENOMEM. */
int task_store_say(struct task_store *store, uint32_t device, uint32_t server,
                   const struct proto_message *message);

/* Takes the answer, or the row of which it is made. Of a task that is over, or has an answer: nothing. ERR_RANGE: an
 * answer that none of this scenario's servers gives; -ENOMEM. */
int task_store_take_result(struct task_store *store, const struct msg_result *result, struct diag *diag);

/* A SLOT of this device. In mode round its earlier tasks are over. In queueing mode they are over when the slots do not
 * follow one another. What they hold back is dropped. */
void task_store_begin_slot(struct task_store *store, uint32_t device, const struct msg_slot *slot);
/* A DECISION of this device: from now on no RECOVER takes back a task that has been reported. */
void task_store_begin_task(struct task_store *store, uint32_t device);
/* A RECOVER: the task goes on, also if it has been reported. It is not over until it has been reported again. */
void task_store_take_back(struct task_store *store, uint32_t device, uint64_t round);

#endif
