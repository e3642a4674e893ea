/* The real clock: a whole payload crosses a data connection as PIECEs, at the pace of its link, and the
 * message that it belongs to (TASK, RESULT) after it. One payload is on its way at a time. What the link was
 * set to and what left is sampled in windows, for the run's audit. */
#ifndef HANDOFF_CORE_NODE_PACED_H
#define HANDOFF_CORE_NODE_PACED_H

#include "core/model/audit.h"
#include "core/node/link.h"
#include "proto/wire/pacer.h"

#define PACED_WINDOW_NS UINT64_C(100000000)
#define PACED_WINDOWS 32u

struct paced_hooks {
    /* The last byte has arrived, by the model, and the message is on its way behind it. */
    void (*on_sent)(void *user);
};

struct paced {
    struct node_link *link; /* borrowed, as is all that is borrowed here: outliving this */
    uint32_t device, server;
    const struct paced_hooks *hooks;
    void *user;
    struct wire_conn *conn; /* borrowed while something is on its way */
    struct wire_pacer pacer;
    struct proto_message last;
    uint64_t round, bytes;
    uint64_t crossed; /* bytes handed to the connection */
    double queue_bytes;
    /* The window in progress. */
    uint64_t window_ns;    /* its start */
    double window_allowed; /* bits the rate had allowed by then */
    double window_left;    /* bytes that had left by then */
    /* Windows not told yet. */
    size_t windows;
    double start_s[PACED_WINDOWS], duration_s[PACED_WINDOWS];
    double set_bps[PACED_WINDOWS], achieved_bps[PACED_WINDOWS];
};

/* Stays where it is. */
void paced_init(struct paced *paced, struct node_link *link, uint32_t device, uint32_t server,
                const struct paced_hooks *hooks, void *user);
void paced_finish(struct paced *paced);

/* Sends `bytes` of round `round` and then `last`, which is copied but not what it borrows. `params`: rates
 * and times of the wall. What was on its way before is forgotten. -ENOMEM. */
int paced_send(struct paced *paced, struct wire_conn *conn, const struct proto_message *last, uint64_t round,
               uint64_t bytes, const struct link_params *params);
/* Takes hold at once; 0: nothing leaves until the next rate. */
void paced_set_rate(struct paced *paced, double rate_bps);
/* Forgets what is on its way. */
void paced_stop(struct paced *paced);
bool paced_is_sending(const struct paced *paced);
/* Tells the orchestrator the windows that are complete. */
void paced_tell_windows(struct paced *paced);

#endif
