/* The state of a device in queueing mode: for device_queue.c and device_queue_tasks.c only. */
#ifndef HANDOFF_MOBILE_NODE_DEVICE_QUEUE_INTERNAL_H
#define HANDOFF_MOBILE_NODE_DEVICE_QUEUE_INTERNAL_H

#include "mobile-node/device_queue.h"

#define DEVICE_QUEUE_NO_ROUND UINT64_MAX

enum device_queue_stage { COMPUTING, SENDING, COMING, SERVED, DONE };

struct device_queue_task {
    uint64_t round; /* of its DECISION: its name */
    uint32_t slot;
    uint32_t tokens, split, server, coding;
    enum device_queue_stage stage;
    double start_s;
    struct task_times times;             /* without its RESULT's way */
    double compute_busy_s, radio_busy_s; /* of stations it has left */
    /* Of the transfer to its present server: share of the band x time, and from when to when by radio_busy_s. */
    double band_s, band_from_s, band_until_s;
    double bits;                        /* declared */
    double forwarded_bits, forwarded_s; /* handover: what the old server passes on, and when it has done so */
    double arrive_s;                    /* at the server */
    double stood_still_s;               /* in handovers, during the present transfer */
    double down_s;                      /* its RESULT's way; 0: it has not come */
    double told_j;                      /* energy that observations have reported */
    double extra_bits, extra_j, backhaul_j;
    uint32_t attempt, handovers;
    bool stays;           /* its device's trace has begun anew since: it is not handed over */
    bool resumed;         /* layers s+1..L run here, because a server was lost */
    uint32_t first_layer; /* where its present computation begins */
};

/* What the core waits for: it asks again when that changes. */
struct device_queue_asked {
    uint64_t computing, sending;              /* tasks; DEVICE_QUEUE_NO_ROUND: none */
    double compute_s, send_s, wait_s, step_s; /* when each is due; NAN: it has not been asked for */
    double rate_bps;                          /* of what is being sent */
};

struct device_queue {
    const struct world *world; /* borrowed */
    uint32_t number;
    struct mobility mobility;
    struct device_slot slot;
    struct device_own own; /* a guest's */
    struct slot_id id;
    uint64_t round; /* of the last SLOT; DEVICE_QUEUE_NO_ROUND: none */
    bool deciding;  /* its DECISION has not come */
    double now_s;   /* since the episode's start */
    double begun_s; /* the slot, likewise */
    struct station processor, radio;
    double held_s;     /* the radio stands still until then */
    bool stands_still; /* that is to be waited for */
    double step_s;     /* when the trace changes the rates within the slot; INFINITY: it does not */
    double *share;     /* [M] of the band in this slot */
    double *gain;      /* [M] now; 0: nothing goes there */
    struct device_queue_task *task; /* [count] in order of rounds */
    size_t count, capacity;
    struct device_queue_asked asked;
    /* Lists of messages. */
    double *unsent; /* [M] */
    uint32_t *list_task,
        *list_server; /* [capacity] each, and list_real: of an OBSERVATION, then of a PASSED */
    double *list_real;
    size_t passed; /* tasks that have arrived since the DECISION */
    struct device_queue_action *action;
    size_t actions, action_capacity;
    struct device_queue_action lost; /* written to when there is no memory for one more; the step fails */
    int error;                       /* out of memory in this step */
};

/* ---- device_queue_tasks.c ---- */

/* Of the task's slot: names its draws. */
struct slot_id device_queue_id(const struct device_queue *queue, const struct device_queue_task *task);
const struct device_params *device_queue_own(const struct device_queue *queue);
uint32_t device_queue_layers(const struct device_queue *queue);
/* The only way to change a stage: asserts that `next` may follow. */
void device_queue_set_stage(struct device_queue_task *task, enum device_queue_stage next);
/* A blank action at the list's end. */
struct device_queue_action *device_queue_push(struct device_queue *queue, enum device_queue_action_kind kind);
/* NULL: no such task. */
struct device_queue_task *device_queue_find(struct device_queue *queue, uint64_t round);
/* What the device has spent on the task so far. */
struct task_joules device_queue_joules(struct device_queue *queue, const struct device_queue_task *task);
/* Work of layers s+1..L on the device. */
double device_queue_rest_s(const struct device_queue *queue, const struct device_queue_task *task);
/* Enters a station. */
void device_queue_put(struct device_queue *queue, struct station *station,
                      const struct device_queue_task *task, double work);
/* Counts what the radio's job has had of the band until now: before the shares or its server change. */
void device_queue_count_band(struct device_queue *queue);
/* Not yet at a server, it goes to another one. */
void device_queue_redirect(struct device_queue_task *task, uint32_t server);
/* Turns the slot's shares into rates as of now. */
void device_queue_set_rates(struct device_queue *queue);
void device_queue_start_sending(struct device_queue *queue, struct device_queue_task *task);
/* The processor's, or the radio's, job is done now. */
void device_queue_computed(struct device_queue *queue);
void device_queue_sent(struct device_queue *queue);
/* Time for which the core waited has passed. */
void device_queue_waited(struct device_queue *queue);
/* `server_busy_s`: of the whole server; 0: no server has served it. */
void device_queue_report(struct device_queue *queue, struct device_queue_task *task, double server_busy_s);
/* Tells PASSED. */
void device_queue_pass(struct device_queue *queue);
/* Says what is waited for now, where that has changed. */
void device_queue_ask(struct device_queue *queue);
/* Forgets what was asked for: it will be asked for anew. */
void device_queue_ask_anew(struct device_queue *queue);
/* Stops what is being sent when it is the task's. */
void device_queue_stop(struct device_queue *queue, const struct device_queue_task *task);
/* The transfer under way goes on at another server. Policy restart: from its beginning. Policy resume: from
 * where it is, while the old server passes on what it has. */
void device_queue_hand_over(struct device_queue *queue, struct device_queue_task *task,
                            struct station_job *job);
/* Takes the task from the radio or from its server; what was sent counts as extra. */
void device_queue_recall(struct device_queue *queue, struct device_queue_task *task);

#endif
