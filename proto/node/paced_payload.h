/* Real time: a whole payload crosses a data connection as PIECEs, at the pace of its link. The message that it
 * belongs to (TASK, RESULT) follows. One payload is on its way at a time. For the run's audit, the rate that was
 * set and the rate at which bytes left are sampled in windows. */
#ifndef HANDOFF_PROTO_NODE_PACED_PAYLOAD_H
#define HANDOFF_PROTO_NODE_PACED_PAYLOAD_H

#include "core/model/audit.h"
#include "proto/node/control.h"
#include "proto/node/shared_bytes.h"
#include "proto/wire/pacer.h"

#define PACED_PAYLOAD_WINDOW_NS UINT64_C(100000000)
#define PACED_PAYLOAD_WINDOWS 32u

struct paced_payload_hooks {
    /* The model says that the last byte has arrived, and the message is on its way behind it. Not told of a TASK
     * that is followed by more chunks. */
    void (*on_sent)(void *user);
};

/* Up to `end` bytes of the payload, and the message that follows them. */
struct paced_part {
    uint64_t end;
    struct proto_message message;
    struct shared_slice content; /* what has not crossed of it; none: zeros cross */
};

struct paced_payload {
    struct node_control *control; /* borrowed; like everything borrowed here, it outlives this */
    uint32_t device, server;
    const struct paced_payload_hooks *hooks;
    void *user;
    struct wire_conn *conn; /* borrowed while something is on its way */
    struct wire_pacer pacer;
    struct paced_part
        *part; /* [parts] owned; the bytes not crossed yet, and the message behind each part of them */
    size_t parts, part_capacity;
    uint64_t round, bytes;
    uint64_t crossed;            /* bytes handed to the connection */
    struct shared_slice content; /* of the part that is added next */
    double queue_bytes;
    /* The window in progress. */
    uint64_t window_ns;    /* its start */
    double window_allowed; /* bits the rate had allowed by then */
    double window_left;    /* bytes that had left by then */
    /* Windows not told yet. */
    size_t windows;
    double start_s[PACED_PAYLOAD_WINDOWS], duration_s[PACED_PAYLOAD_WINDOWS];
    double set_bps[PACED_PAYLOAD_WINDOWS], achieved_bps[PACED_PAYLOAD_WINDOWS];
};

/* Stays where it is. */
void paced_payload_init(struct paced_payload *paced, struct node_control *control, uint32_t device,
                        uint32_t server, const struct paced_payload_hooks *hooks, void *user);
void paced_payload_finish(struct paced_payload *paced);

/* Sends `bytes` of round `round` and then the TASK or RESULT `last`, which is copied, but not what it borrows.
 * `params`: rates and times of real time. What was on its way before is forgotten. -ENOMEM. */
int paced_payload_send(struct paced_payload *paced, struct wire_conn *conn, const struct proto_message *last,
                       uint64_t round, uint64_t bytes, const struct link_params *params);
/* Right before paced_payload_send or _add, whose `bytes` say what the pacer counts: these bytes cross in place of zeros,
 * and all of them do. Of content that is longer, the rest follows unpaced, right before the message. That is what an old
 * server passes on after a handover: the way between servers is emulated, and only its time is kept (TASK.held_s). Takes
 * a share of the bytes. */
void paced_payload_fill(struct paced_payload *paced, const struct shared_slice *content);
/* Sends more on the same link, behind what is on its way there or was: the next chunk of a task. -ENOMEM. */
int paced_payload_add(struct paced_payload *paced, const struct proto_message *last, uint64_t bytes);
/* The rate holds at once. 0: nothing leaves until the next rate. */
void paced_payload_set_rate(struct paced_payload *paced, double rate_bps);
/* Forgets what is on its way. */
void paced_payload_stop(struct paced_payload *paced);
bool paced_payload_is_sending(const struct paced_payload *paced);
/* Tells the orchestrator the windows that are complete. */
void paced_payload_tell_windows(struct paced_payload *paced);

#endif
