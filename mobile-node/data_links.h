/* Virtual time: a mobile process's data connections, one to each server, shared by its devices. A connection opens with
 * the first task for its server, and closes when it has not been used for a while. A server that cannot be reached loses
 * the task; the orchestrator notices by itself. */
#ifndef HANDOFF_MOBILE_NODE_DATA_LINKS_H
#define HANDOFF_MOBILE_NODE_DATA_LINKS_H

#include <stdbool.h>

#include "proto/node/control.h"
#include "proto/node/shared_bytes.h"

struct data_link;

struct data_links_hooks {
    /* A RESULT of one of this process's devices. The message dies on return. A nonzero return refuses it, in the words
     * of `diag`. */
    int (*on_result)(void *user, const struct proto_message *result, struct diag *diag);
};

/* Zeroed at first; stays where it is, until the loop has ended. */
struct data_links {
    struct node_control *control; /* borrowed, as all below */
    const struct data_links_hooks *hooks;
    void *user;
    struct data_link *link; /* [M], owned; NULL: there is no run */
    uint8_t *zeros;         /* [cap] what is sent for emulated activations; owned */
    size_t cap;
    uv_timer_t idle, refill;
    bool timers_open;
};

/* A run begins: of the world that control has joined. -ENOMEM; data_links_forget in any case. */
int data_links_open(struct data_links *links, struct node_control *control,
                    const struct data_links_hooks *hooks, void *user);
/* Closes all connections. Their callbacks find nobody any more. */
void data_links_hang_up_all(struct data_links *links);
/* The run is over: frees what data_links_open took. */
void data_links_forget(struct data_links *links);
/* The loop is about to end: closes the timers, too. */
void data_links_end(struct data_links *links);

/* Sends a TASK: behind its activations, or with zeros for them, cut to run.payload_cap_bytes. */
void data_links_send(struct data_links *links, uint32_t server, const struct proto_message *task,
                     const struct shared_slice *activation);
/* The server has moved, or come back: the next task opens another connection. */
void data_links_hang_up(struct data_links *links, uint32_t server);
/* Refuses what the server has said, in these words. */
void data_links_refuse(struct data_links *links, uint32_t server, const char *text);

#endif
