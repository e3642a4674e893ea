/* What a server keeps of tasks when it really computes (compute.kind `model`): activations as they come, then the answer
 * until its RESULT leaves. A task's name is (device, round).
 *
 *   PIECE.. TASK ──► computed beside the loop ──► RESULT, when the core has told it too
 *
 * A task's layers are begun when its TASK is here, so those that come together go through the model together. In chunks
 * (core/model/chunks.h) a chunk's are begun when its TASK is here and the chunk before is done. The core says by the
 * model when they are done. A RESULT that it tells before that is held back.
 *
 * One thread; the layers are computed beside the loop (proto/node/compute_jobs). */
#ifndef HANDOFF_EDGE_SERVER_SERVED_TASKS_H
#define HANDOFF_EDGE_SERVER_SERVED_TASKS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/model/device_slot.h"
#include "core/model/layer_work.h"
#include "core/model/world.h"
#include "proto/message.h"
#include "proto/node/compute_jobs.h"

struct served_tasks;

struct served_tasks_hooks {
    /* Sends the RESULT of a task of slot `id`; lists die on return. */
    int (*send)(void *user, uint32_t device, struct slot_id id, const struct proto_message *result);
    /* The task's layers are done, of these rows. `work` has no slot. May be NULL. */
    void (*on_computed)(void *user, const struct layer_work *work, const struct compute_job_result *result);
    /* What came for the task are no activations. No RESULT follows. */
    void (*on_bad_task)(void *user, uint32_t device, const char *reason);
    /* This node cannot go on: memory, or its own model. */
    void (*on_failure)(void *user, const char *reason);
};

/* Of the server with this number. Borrows all. -ENOMEM. */
int served_tasks_create(struct served_tasks **ret_tasks, struct compute_jobs *jobs, const struct world *world,
                        uint32_t number, const struct served_tasks_hooks *hooks, void *user);
/* Drops all jobs: nothing is told any more. NULL-safe, as the next. */
void served_tasks_stop(struct served_tasks *tasks);
/* Before the pool is closed. Not from a hook. */
void served_tasks_destroy(struct served_tasks *tasks);

/* Keeps a piece; an empty one begins its task anew. ERR_RANGE: more than any task of this scenario has. -ENOMEM. */
int served_tasks_take_piece(struct served_tasks *tasks, const struct msg_piece *piece, struct diag *diag);
/* The device's connection is gone: what had come of a task is dropped. */
void served_tasks_drop_pieces(struct served_tasks *tasks, uint32_t device);

/* The TASK behind its pieces: begins its layers. ERR_RANGE: not as many bytes as it says, or another chunk than the
 * scenario cuts. ERR_STATE: a chunk that is not the next. -ENOMEM. In mode round the device's earlier tasks are over.
 * A later chunk of a task that is not known changes nothing: it is late, or the core has a sentence for it. */
int served_tasks_take(struct served_tasks *tasks, const struct msg_task *task, struct diag *diag);
/* The task is over: it was refused, revoked, or forgotten. */
void served_tasks_drop(struct served_tasks *tasks, uint32_t device, uint64_t round);
/* All tasks before that round are over: an episode begins. */
void served_tasks_drop_before(struct served_tasks *tasks, uint64_t round);

/* The task's layers are not done yet, of these rows. */
bool served_tasks_computes(const struct served_tasks *tasks, const struct layer_work *work);
/* Sends the RESULT with the answer, now or later. That of a task that is over is dropped. The task is over then.
 * -ENOMEM and what `send` returns. */
int served_tasks_answer(struct served_tasks *tasks, uint32_t device, struct slot_id id,
                        const struct proto_message *result);

#endif
