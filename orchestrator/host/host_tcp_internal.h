/* The TCP host's state, shared by the host_tcp files and private to them. */
#ifndef HANDOFF_ORCHESTRATOR_HOST_HOST_TCP_INTERNAL_H
#define HANDOFF_ORCHESTRATOR_HOST_HOST_TCP_INTERNAL_H

#include "orchestrator/host/host_tcp.h"
#include "orchestrator/host/members.h"
#include "orchestrator/host/timing_audit.h"
#include "orchestrator/session/session_core.h"
#include "proto/wire/listen.h"
#include "proto/wire/loop_lag.h"

#define HOST_TCP_TICK_MS 250u /* how often deadlines are looked at */
#define HOST_TCP_BEAT_MS 20u  /* real time: how often silence is looked at */

/* Does the next SLOT wait for a node that the scenario brings back? */
enum host_tcp_wait { HOST_TCP_WAITS_NOT, HOST_TCP_WAITS, HOST_TCP_GIVES_UP };

struct host_tcp {
    struct session played;         /* as given, and in_real_time */
    const struct session *session; /* that */
    const struct host_tcp_options *options;
    struct wire_loop loop;
    struct wire_listener *listener;
    struct members members; /* who has joined: members by connection, device and server */
    uv_timer_t tick;
    struct progress joining;
    struct wire_alarms alarms; /* real clock, with what follows */
    struct wire_loop_lag lag;
    struct timing_audit audit;
    uv_work_t learning;
    bool learning_busy;
    struct session_core *core; /* NULL until all have joined */
    int (*on_joined)(void *user, const struct host_tcp *host);
    void *user;
    uint64_t start_ns, episode_start_ns;
    uint32_t quiet_ticks; /* since the run last went a step on */
    uint32_t ping_ticks;  /* since the last PING; 0: it was answered, or the run went on */
    uint32_t pings;       /* how often those who owed something were asked */
    uv_timer_t beat;      /* real clock */
    uint64_t beat_ms;     /* when it last rang, by the loop's clock */
    bool beating;
    struct proto_message held; /* a SLOT that waits for nodes that the scenario brings back */
    bool is_held;
    struct wire_alarm slot_alarm; /* queueing mode in real time: a SLOT waits for its time */
    bool is_early;                /* it does */
    enum host_tcp_wait *await_device, *await_server; /* [N], [M] */
    uint32_t awaiting;                               /* how many HOST_TCP_WAITS are there */
    bool go_on;                                      /* CONTINUE is to be fed */
    uint32_t depth;                                  /* of feed */
    bool ending;
    bool finished;
    int status;
    struct diag *diag;
};

/* ---- host_tcp.c ---- */

/* Says goodbye to all and closes; the loop then runs dry. Status 0: the session is complete. */
void host_tcp_end(struct host_tcp *host, int status);
void host_tcp_fail(struct host_tcp *host, int code);

/* ---- host_tcp_actions.c: the core's events and actions ---- */

/* Steps the core and executes what it asks for. What the core refuses is returned, with a sentence in `diag`,
 * for the caller to judge; what cannot be executed (a sink's error) ends the session here. */
int host_tcp_feed(struct host_tcp *host, const struct session_event *event, struct diag *diag);
/* Lets the SLOT go that waited, if nothing keeps it any more. */
void host_tcp_release(struct host_tcp *host);
void host_tcp_lose(struct host_tcp *host, bool is_server, uint32_t number, const char *why);
void host_tcp_lose_all(struct host_tcp *host, const struct member *gone, const char *why);
/* Refuses a member, and does without it at once: its connection may take its time to close. */
void host_tcp_drop(struct host_tcp *host, struct member *member, enum proto_refusal reason, const char *why);

/* ---- host_tcp_deadlines.c: deadlines ---- */

/* Every HOST_TCP_TICK_MS; every HOST_TCP_BEAT_MS in real time. */
void host_tcp_tick(uv_timer_t *timer);
void host_tcp_beat(uv_timer_t *timer);

#endif
