/* A node's control connection. It connects to the orchestrator (trying again while that is not up yet), joins,
 * and then hands every message of the run to the program. When the connection is lost, or the orchestrator gave
 * this node up for silence, the node forgets the run and joins it again with its identity. libuv shell; one
 * thread. */
#ifndef HANDOFF_PROTO_NODE_CONTROL_H
#define HANDOFF_PROTO_NODE_CONTROL_H

#include <stdbool.h>

#include "proto/node/compute_audit.h"
#include "proto/node/compute_jobs.h"
#include "proto/node/join.h"
#include "proto/node/options.h"
#include "proto/wire/conn.h"
#include "proto/wire/loop_lag.h"

struct node_control;

struct node_control_hooks {
    /* The join is complete (READY has been sent): the world and the addresses may be used. */
    int (*on_ready)(void *user, struct diag *diag);
    /* SLOT, ALLOT, DECISION, REVOKE, RECOVER, SERVER. A nonzero return refuses the orchestrator's message and
     * ends the process. */
    int (*on_message)(void *user, const struct proto_message *message, struct diag *diag);
    /* The orchestrator is gone, or the scenario has killed this node: forget the run, close every data
     * connection. on_ready may follow. */
    void (*on_reset)(void *user);
    /* GOODBYE came, or the connection is gone, or a signal: close everything of yours; then the loop ends. */
    void (*on_end)(void *user);
};

struct node_control {
    struct wire_loop loop;
    struct join join;
    const struct node_options *options; /* borrowed */
    const struct node_control_hooks *hooks;
    void *user;
    struct wire_conn *conn; /* NULL: not connected */
    uv_timer_t retry;
    uv_timer_t beat;     /* real time */
    char lost_text[256]; /* why the orchestrator was lost; empty: it was not */
    uint64_t give_up_ns; /* stop trying to connect at this time: reconnect_s after the start or the loss */
    uint16_t data_port;  /* server: told in HELLO */
    bool ready, ending;
    uint64_t begin_ns;               /* when the first slot came; 0: not yet */
    struct wire_alarms alarms;       /* real time: open from the first on_ready to the end */
    struct wire_loop_lag lag;        /* real time */
    struct compute_audit computed;   /* real time, compute.kind model: told each second */
    const struct compute_jobs *jobs; /* compute.kind model, while the model is open; else NULL */
    int status;                      /* enum process_exit so far */
};

/* Borrows all; every hook is needed. 0 or libuv's code. */
int node_control_init(struct node_control *control, enum node_role role, const struct node_options *options,
                      const struct node_control_hooks *hooks, void *user);
/* Starts connecting; `data_port` is the server's, 0 for a mobile node. */
void node_control_start(struct node_control *control, uint16_t data_port);
/* Runs until the end, closes the loop. Returns the process's exit status. */
int node_control_run(struct node_control *control);
/* Ends the process's work for a reason of our own, which is printed. */
void node_control_fail(struct node_control *control, int status, const char *text);
/* A guest has its answer: says GOODBYE, and ends the process with PROCESS_OK. */
void node_control_leave(struct node_control *control);
/* From on_ready, as its last act: the model cannot be used here. The orchestrator is told why (REFUSE MODEL), and the
 * process ends with PROCESS_USAGE. */
void node_control_fail_model(struct node_control *control, const char *text);
/* From on_ready, as its last act: opens the model that the scenario names, or --model. False: the orchestrator has been
 * told why this node cannot take part (REFUSE MODEL), and the process ends with PROCESS_USAGE. */
bool node_control_open_model(struct node_control *control, struct compute_jobs **ret_jobs);
/* compute_jobs_close. NULL-safe. */
void node_control_close_model(struct node_control *control, struct compute_jobs *jobs);
void node_control_finish(struct node_control *control);

#endif
