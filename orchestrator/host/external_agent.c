#include "orchestrator/host/external_agent.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/process.h"
#include "core/base/units.h"
#include "orchestrator/policy/catalog/full_scenario.h"
#include "proto/wire/listen.h"

#define LOOK_MS 100u             /* how often the stop flag is looked at while waiting */
#define CONNECTIONS_MAX 8u       /* the agent, a guest, and some that are closing */
#define FRAME_MAX (512u * 1024u) /* the longest ACTION, of 4096 devices and 8 servers, has 360 KiB */
#define NOT_ASKED UINT64_MAX

struct external_agent {
    const struct session *session;
    struct wire_loop loop;
    struct wire_listener *listener;
    struct wire_conn *conn;  /* the agent; NULL: none is there */
    struct wire_conn *guest; /* is not READY yet; NULL: none */
    bool is_greeted;         /* it has said who it is */
    uv_timer_t look;
    struct policy_remote remote;
    uint64_t round;         /* last asked of it; NOT_ASKED: nothing yet */
    bool awaited, answered; /* the ACTION of that round */
    struct msg_action action;
    struct buf lists; /* what `action` points to */
    uint64_t missed;
    uint32_t late;  /* in a row */
    bool was_lost;  /* one, and none has been asked since */
    bool said_lost; /* the policy has been told */
    char why[256];  /* the last answer was missed */
};

/* ---- waiting ---- */

static void on_look(uv_timer_t *timer)
{
    (void) timer; /* it only ends a turn of the loop */
}

static bool is_stopping(const struct external_agent *agent)
{
    return agent->session->stop != NULL && *agent->session->stop != 0;
}

/* Or nothing more is to be expected: the agent that was asked has gone. */
static bool is_answered(const struct external_agent *agent)
{
    return agent->answered || agent->conn == NULL || agent->round == NOT_ASKED;
}

static bool is_there(const struct external_agent *agent)
{
    return agent->conn != NULL;
}

/* Runs the loop until it happened, the time is over, or the run shall stop; returns whether it happened. */
static bool wait_for(struct external_agent *agent, bool (*happened)(const struct external_agent *agent),
                     double timeout_s)
{
    assert(timeout_s >= 0.0);
    uint64_t end_ns = clock_monotonic_ns() + (uint64_t) (timeout_s * (double) UNITS_NS_PER_S);
    while (!happened(agent) && !is_stopping(agent)) {
        uint64_t now_ns = clock_monotonic_ns();
        if (now_ns >= end_ns)
            break;
        uint64_t left_ms = (end_ns - now_ns) / 1000000u + 1; /* rounded up: no turn is spent on the rest */
        uv_update_time(&agent->loop.uv);
        (void) uv_timer_start(&agent->look, on_look, left_ms < LOOK_MS ? left_ms : LOOK_MS, 0);
        (void) uv_run(&agent->loop.uv, UV_RUN_ONCE); /* says only whether handles are left */
    }
    (void) uv_timer_stop(&agent->look); /* cannot fail */
    return happened(agent);
}

/* ---- who it is ---- */

static void lose(struct external_agent *agent, const char *why)
{
    assert(agent->conn != NULL); /* one that is not there cannot be lost */
    agent->conn = NULL;
    agent->awaited = agent->answered = false;
    agent->late = 0;
    agent->was_lost = true;
    agent->said_lost = false;
    (void) snprintf(agent->why, sizeof agent->why, "%.200s; the agent is lost",
                    why); /* a cut sentence is one */
}

static void drop(struct external_agent *agent, enum proto_refusal reason, const char *why)
{
    struct wire_conn *conn = agent->conn;
    lose(agent, why);
    wire_conn_refuse(conn, reason, why);
}

static void drop_for_memory(struct external_agent *agent)
{
    struct wire_conn *conn = agent->conn;
    lose(agent, "out of memory");
    wire_conn_close(conn);
}

struct world_lists {
    uint32_t *max_split;                                      /* [N] */
    double *device_flops, *device_power_w, *transmit_power_w; /* [N] */
    double x_m[WORLD_SERVERS_MAX], y_m[WORLD_SERVERS_MAX];
    double flops[WORLD_SERVERS_MAX], power_w[WORLD_SERVERS_MAX];
};

static int fill_lists(struct world_lists *lists, const struct world *world)
{
    assert(world->servers <= WORLD_SERVERS_MAX);
    lists->max_split = calloc(world->devices, sizeof *lists->max_split);
    lists->device_flops = calloc(world->devices, sizeof *lists->device_flops);
    lists->device_power_w = calloc(world->devices, sizeof *lists->device_power_w);
    lists->transmit_power_w = calloc(world->devices, sizeof *lists->transmit_power_w);
    if (lists->max_split == NULL || lists->device_flops == NULL || lists->device_power_w == NULL ||
        lists->transmit_power_w == NULL)
        return -ENOMEM;
    for (uint32_t n = 0; n < world->devices; n++) {
        lists->max_split[n] = world->device[n].max_split;
        lists->device_flops[n] = world->device[n].flops;
        lists->device_power_w[n] = world->device[n].power_w;
        lists->transmit_power_w[n] = world->device[n].transmit_power_w;
    }
    for (uint32_t m = 0; m < world->servers; m++) {
        lists->x_m[m] = world->server[m].position.x;
        lists->y_m[m] = world->server[m].position.y;
        lists->flops[m] = world->server[m].flops;
        lists->power_w[m] = world->server[m].power_w;
    }
    return 0;
}

static struct proto_message make_world(const struct session *session, const struct world_lists *lists,
                                       const struct buf *scenario)
{
    const struct world *world = session->world;
    const struct external_settings *settings = external_settings_of(session->policy);
    const char *fallback = settings->external.fallback;
    return (struct proto_message){
        .id = PROTO_WORLD,
        .world =
            {
                .major = PROTO_MAJOR,
                .minor = PROTO_MINOR,
                .schema_hash = proto_schema_hash(),
                .seed = world->seed,
                .devices = world->devices,
                .servers = world->servers,
                .layers = world->llm->layers,
                .min_split = world->scenario.model.min_split,
                .state_size = env_state_size(world),
                .action_size = env_action_size(world),
                .phase = (uint64_t) session->phase,
                .first_episode = session->first_episode,
                .episodes = session->episodes,
                .slots = session->slots,
                .timeout_s = settings->external.timeout_s,
                .fallback = {fallback, strlen(fallback)},
                .scenario = {(const char *) scenario->data, scenario->size},
                .max_split = {lists->max_split, world->devices},
                .device_flops = {lists->device_flops, world->devices},
                .device_power_w = {lists->device_power_w, world->devices},
                .transmit_power_w = {lists->transmit_power_w, world->devices},
                .server_x_m = {lists->x_m, world->servers},
                .server_y_m = {lists->y_m, world->servers},
                .server_flops = {lists->flops, world->servers},
                .server_power_w = {lists->power_w, world->servers},
            },
    };
}

static int send_world(const struct external_agent *agent, struct wire_conn *conn)
{
    const struct session *session = agent->session;
    const struct full_scenario full = {session->world->scenario, *settings_of(session->policy)};
    struct world_lists lists = {.max_split = NULL};
    struct buf scenario = {0};
    int rc = fill_lists(&lists, session->world);
    if (rc == 0)
        rc = full_scenario_print(&full, &scenario);
    if (rc == 0) {
        struct proto_message message = make_world(session, &lists, &scenario);
        rc = wire_conn_send(conn, &message);
    }
    buf_finish(&scenario);
    free(lists.max_split);
    free(lists.device_flops);
    free(lists.device_power_w);
    free(lists.transmit_power_w);
    return rc;
}

static void turn_away(struct external_agent *agent, enum proto_refusal reason, const char *why)
{
    struct wire_conn *guest = agent->guest;
    assert(guest != NULL);
    agent->guest = NULL;
    wire_conn_refuse(guest, reason, why);
}

static void on_hello(struct external_agent *agent, const struct msg_agent *hello)
{
    char text[96];
    if (hello->major != PROTO_MAJOR) {
        (void) snprintf(text, sizeof text, "version %u of the protocol, this program speaks %u",
                        (unsigned) hello->major, PROTO_MAJOR); /* fits */
        turn_away(agent, PROTO_REFUSE_VERSION, text);
    } else if (agent->conn != NULL) {
        turn_away(agent, PROTO_REFUSE_FULL, "an agent is there already");
    } else if (send_world(agent, agent->guest) != 0) {
        turn_away(agent, PROTO_REFUSE_NONE, "out of memory");
    } else {
        agent->is_greeted = true;
    }
}

static void on_ready(struct external_agent *agent)
{
    assert(agent->guest != NULL && agent->is_greeted);
    assert(agent->conn == NULL); /* on_hello turns a second one away */
    agent->conn = agent->guest;
    agent->guest = NULL;
    agent->round = NOT_ASKED;
    wire_conn_set_frame_max(agent->conn, FRAME_MAX);
}

static void on_greeting(struct external_agent *agent, const struct proto_message *message)
{
    char text[96];
    if (message->id == PROTO_AGENT && !agent->is_greeted) {
        on_hello(agent, &message->agent);
    } else if (message->id == PROTO_READY && agent->is_greeted) {
        on_ready(agent);
    } else {
        (void) snprintf(text, sizeof text, "%s came instead of %s", proto_name(message->id),
                        agent->is_greeted ? "READY" : "AGENT"); /* fits */
        turn_away(agent, PROTO_REFUSE_OUT_OF_STATE, text);
    }
}

/* ---- what it decides ---- */

static const void *keep(struct buf *lists, const void *data, size_t size)
{
    const void *copy = lists->data + lists->size;
    int rc = buf_push(lists, data, size);
    assert(rc == 0); /* keep_action has reserved the memory, so the copies before it stay where they are */
    (void) rc;
    return copy;
}

/* The message dies with its frame: `action` keeps a copy. */
static int keep_action(struct external_agent *agent, const struct msg_action *action)
{
    struct buf *lists = &agent->lists;
    size_t reals = action->value.count * sizeof(double);
    size_t splits = action->split.count * sizeof(uint32_t), servers = action->server.count * sizeof(uint32_t);
    buf_clear(lists);
    int rc = buf_reserve(lists, reals + splits + servers + 1); /* some even for three empty lists */
    if (rc != 0)
        return rc;
    agent->action = *action;
    agent->action.value.data = keep(lists, action->value.data, reals); /* first, for their alignment */
    agent->action.split.data = keep(lists, action->split.data, splits);
    agent->action.server.data = keep(lists, action->server.data, servers);
    assert(lists->size == reals + splits + servers);
    return 0;
}

static void on_action(struct external_agent *agent, const struct msg_action *action)
{
    bool is_last = agent->round != NOT_ASKED && action->round == agent->round;
    bool is_late = agent->round != NOT_ASKED && action->round <= agent->round && !agent->answered;
    char text[96];
    if (is_last && agent->awaited && !agent->answered) {
        agent->answered = keep_action(agent, action) == 0;
        if (!agent->answered)
            drop_for_memory(agent);
    } else if (!is_late) {
        (void) snprintf(text, sizeof text, "ACTION for round %llu is not awaited",
                        (unsigned long long) action->round); /* fits */
        drop(agent, PROTO_REFUSE_OUT_OF_STATE, text);
    } /* else the fallback has decided that slot */
}

/* ---- connections ---- */

static void on_message(struct wire_conn *conn, const struct proto_message *message)
{
    struct external_agent *agent = wire_conn_user(conn);
    char text[96];
    if (conn == agent->guest) {
        on_greeting(agent, message);
    } else if (conn == agent->conn && message->id == PROTO_ACTION) {
        on_action(agent, &message->action);
    } else if (conn == agent->conn) {
        (void) snprintf(text, sizeof text, "%s is not for an orchestrator that waits for ACTIONs",
                        proto_name(message->id)); /* fits */
        drop(agent, PROTO_REFUSE_OUT_OF_STATE, text);
    }
}

static void on_close(struct wire_conn *conn, int status, const char *text)
{
    struct external_agent *agent = wire_conn_user(conn);
    if (conn == agent->guest)
        agent->guest = NULL;
    else if (conn == agent->conn)
        lose(agent, status == 0 ? "it closed its connection" : text);
}

static const struct wire_handlers handlers = {.on_message = on_message, .on_close = on_close};

/* A stranger who says nothing gives way to the next. */
static void on_accept(void *user, struct wire_conn *conn)
{
    struct external_agent *agent = user;
    wire_conn_set_handlers(conn, &handlers);
    wire_conn_set_user(conn, agent);
    wire_conn_set_frame_max(conn, WIRE_GREETING_MAX);
    if (agent->guest != NULL && agent->is_greeted) {
        wire_conn_refuse(conn, PROTO_REFUSE_FULL, "an agent is there already");
        return;
    }
    if (agent->guest != NULL)
        turn_away(agent, PROTO_REFUSE_TIMEOUT, "no AGENT came");
    agent->guest = conn;
    agent->is_greeted = false;
}

/* ---- what the policy asks for ---- */

/* The agent that was asked is there, and has not answered. */
static void count_late(struct external_agent *agent)
{
    const struct external_settings *settings = external_settings_of(agent->session->policy);
    assert(agent->conn != NULL && !agent->answered);
    char text[96];
    if (is_stopping(agent)) {
        (void) snprintf(agent->why, sizeof agent->why, "the run is being stopped"); /* fits */
    } else if (++agent->late >= settings->external.patience) {
        (void) snprintf(text, sizeof text, "no answer within %g s, %u times in a row",
                        settings->external.timeout_s, agent->late); /* fits */
        drop(agent, PROTO_REFUSE_TIMEOUT, text);
    } else {
        (void) snprintf(agent->why, sizeof agent->why, "no answer within %g s",
                        settings->external.timeout_s); /* fits */
    }
}

static void ask(void *user, const struct proto_message *view, struct policy_reply *ret_reply)
{
    struct external_agent *agent = user;
    *ret_reply = (struct policy_reply){.action = NULL};
    assert(view->id == PROTO_VIEW && view->view.round != NOT_ASKED);
    assert(!agent->awaited);                       /* a policy asks once at a time */
    (void) uv_run(&agent->loop.uv, UV_RUN_NOWAIT); /* who has come, who has gone, what was late */
    agent->answered = false;
    if (agent->conn != NULL) {
        ret_reply->is_back = agent->was_lost;
        agent->was_lost = false;
        agent->round = view->view.round;
        agent->awaited = true;
        (void) wire_conn_send(agent->conn, view); /* an agent that is gone shows in on_close */
        (void) wait_for(agent, is_answered, external_settings_of(agent->session->policy)->external.timeout_s);
        agent->awaited = false;
    }
    if (agent->answered) {
        assert(agent->action.round == view->view.round);
        agent->late = 0;
        ret_reply->action = &agent->action;
        return;
    }
    agent->missed++;
    bool is_asked = agent->conn != NULL && agent->round == view->view.round;
    if (is_asked)
        count_late(agent);
    if (is_asked || !agent->said_lost)
        ret_reply->why = agent->why;
    agent->said_lost = true;
}

/* It leaves with the next VIEW, or at once when none may come soon. */
static void tell(void *user, const struct proto_message *message)
{
    struct external_agent *agent = user;
    if (agent->conn == NULL || agent->round == NOT_ASKED)
        return;
    (void) wire_conn_send(agent->conn, message); /* an agent that is gone shows in on_close */
    if (agent->conn != NULL && message->id == PROTO_VIEW)
        wire_conn_flush(agent->conn);
}

static void refuse(void *user, const char *why)
{
    struct external_agent *agent = user;
    agent->missed++;
    if (agent->conn == NULL)
        return;
    drop(agent, PROTO_REFUSE_OUT_OF_RANGE, why);
    agent->said_lost = true; /* by the policy, which knows why */
}

/* ---- life ---- */

static int await_first(struct external_agent *agent, uint32_t wait_s, struct diag *diag)
{
    if (wait_for(agent, is_there, wait_s))
        return 0;
    if (is_stopping(agent))
        return diag_fail(diag, -EINTR, "interrupted while waiting for an agent");
    return diag_fail(diag, ERR_LOST, "waited %u s: no agent has come%s%s", wait_s,
                     agent->why[0] != '\0' ? "; the last one: " : "", agent->why);
}

static int open_agent(struct external_agent *agent, const struct external_agent_options *options,
                      struct diag *diag)
{
    int rc = uv_timer_init(&agent->loop.uv, &agent->look);
    if (rc != 0)
        return diag_fail(diag, rc, "%s", err_text(rc));
    rc = wire_listen(&agent->loop, options->host, options->port, CONNECTIONS_MAX, on_accept, agent,
                     &agent->listener, diag);
    if (rc != 0)
        return rc;
    (void) printf("AGENT port=%u\n", (unsigned) wire_listener_port(agent->listener));
    process_flush();
    return await_first(agent, options->wait_s, diag);
}

int external_agent_open(struct external_agent **ret_agent, const struct session *session,
                        const struct external_agent_options *options, struct diag *diag)
{
    struct external_agent *agent = calloc(1, sizeof *agent);
    if (agent == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    agent->session = session;
    agent->round = NOT_ASKED;
    agent->remote = (struct policy_remote){.ask = ask, .tell = tell, .refuse = refuse, .user = agent};
    int rc = wire_loop_init(&agent->loop, NULL, NULL);
    if (rc != 0) {
        free(agent);
        return diag_fail(diag, rc, "cannot start the event loop: %s", err_text(rc));
    }
    rc = open_agent(agent, options, diag);
    if (rc != 0) {
        external_agent_close(agent, rc);
        return rc;
    }
    *ret_agent = agent;
    return 0;
}

const struct policy_remote *external_agent_remote(const struct external_agent *agent)
{
    return &agent->remote;
}

uint64_t external_agent_missed(const struct external_agent *agent)
{
    return agent->missed;
}

void external_agent_close(struct external_agent *agent, int status)
{
    if (agent == NULL)
        return;
    assert(!agent->awaited); /* the policy asks no more */
    struct proto_message goodbye = {.id = PROTO_GOODBYE, .goodbye = {.status = status == 0 ? 0 : 1}};
    if (agent->conn != NULL) {
        (void) wire_conn_send(agent->conn, &goodbye); /* an agent that is gone needs none */
        wire_conn_close(agent->conn);
        agent->conn = NULL;
    }
    if (agent->look.loop != NULL)
        uv_close((uv_handle_t *) &agent->look, NULL);
    wire_loop_finish(&agent->loop);
    buf_finish(&agent->lists);
    free(agent);
}
