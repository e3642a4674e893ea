/* Who answers too late (host_tcp_internal.h). */
#include <assert.h>
#include <errno.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/units.h"
#include "orchestrator/host/host_tcp_internal.h"

#define PING_TICKS 4u   /* in which a node has to answer PING: 1 s */
#define SILENT_MS 150u  /* real time: after which a node is lost */
#define HELLO_TICKS 40u /* in which a connection has to say HELLO, and READY in mid-run: 10 s */

/* While this loop does not run, no node is to be called silent. A tick that comes late counts for two at most. */
void host_tcp_beat(uv_timer_t *timer)
{
    struct host_tcp *host = timer->data;
    uint64_t now_ms = uv_now(&host->loop.uv);
    assert(now_ms >= host->beat_ms);
    uint64_t passed_ms = now_ms - host->beat_ms;
    passed_ms = passed_ms < 2 * HOST_TCP_BEAT_MS ? passed_ms : 2 * HOST_TCP_BEAT_MS;
    host->beat_ms = now_ms;
    for (struct member *member = host->members.all; member != NULL && !host->ending; member = member->next)
        if (member->ready && (member->silent_ms += (uint32_t) passed_ms) > SILENT_MS)
            host_tcp_drop(host, member, PROTO_REFUSE_TIMEOUT, "silent for 150 ms");
}

static void give_up_joining(struct host_tcp *host)
{
    const struct world *world = host->session->world;
    int rc = diag_fail(host->diag, ERR_LOST, "waited %u s: %u of %u devices and %u of %u servers have joined",
                       host->options->wait_s, host->members.devices_joined, members_residents(&host->members),
                       host->members.servers_joined, world->servers);
    host_tcp_fail(host, rc);
}

static bool owes(const struct host_tcp *host, const struct member *member)
{
    bool any = false;
    for (uint32_t i = 0; i < member->count && member->ready && !any; i++)
        any = session_core_waits_for(host->core, member->role == MEMBER_SERVER, member->first + i);
    return any;
}

/* The run has made no progress for stall_s. A node that owes an answer may itself wait for another node. So
 * all that owe one are first asked whether they are there at all; and all others, whether they compute. */
static void ask_stalled(struct host_tcp *host)
{
    assert(host->ping_ticks == 0); /* nobody is being asked */
    struct proto_message ping = {.id = PROTO_PING, .ping = {.number = ++host->pings}};
    for (struct member *member = host->members.all; member != NULL; member = member->next) {
        member->asked = owes(host, member);
        member->answered = member->computes = false;
        if (member->ready)
            (void) wire_conn_send(member->conn, &ping); /* a lost node shows in on_close */
    }
    host->ping_ticks = 1;
}

/* `role` 0: those who have not answered; else those of a role who owe something. Only of those who were
 * asked: once one is dropped the run goes on, and others owe what they have just been told. */
static bool drop_stalled(struct host_tcp *host, int role)
{
    assert(role == 0 || role == MEMBER_MOBILE || role == MEMBER_SERVER);
    bool any = false;
    for (struct member *member = host->members.all; member != NULL && !host->ending; member = member->next) {
        bool held_up = role == 0 ? !member->answered : member->role == role;
        if (!member->asked || !held_up || !owes(host, member))
            continue;
        any = true;
        host_tcp_drop(host, member, PROTO_REFUSE_TIMEOUT,
                      role == 0 ? "does not answer" : "owed an answer for too long");
    }
    return any;
}

/* Somebody really computes. That may take long, and others wait for it. In virtual time a server owes nothing then: it
 * has told how the slot ended. */
static bool any_computes(const struct host_tcp *host)
{
    bool any = false;
    for (const struct member *member = host->members.all; member != NULL && !any; member = member->next)
        any = member->ready && member->computes;
    return any;
}

/* If all have answered, devices go first, and servers if that was not enough. A server only has to answer its
 * devices, so it is more likely that a device holds up its server. */
static void refuse_stalled(struct host_tcp *host)
{
    host->quiet_ticks = host->ping_ticks = 0;
    bool is_over = drop_stalled(host, 0) || any_computes(host) || drop_stalled(host, MEMBER_MOBILE);
    if (!is_over)
        (void) drop_stalled(host, MEMBER_SERVER);
}

static void stop_waiting(struct host_tcp *host, enum host_tcp_wait *wait, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (wait[i] != HOST_TCP_WAITS)
            continue;
        assert(host->awaiting > 0);
        host->awaiting--;
        wait[i] = HOST_TCP_GIVES_UP;
    }
}

static void lose_given_up(struct host_tcp *host, bool is_server, uint32_t count)
{
    enum host_tcp_wait *wait = is_server ? host->await_server : host->await_device;
    for (uint32_t i = 0; i < count && !host->ending; i++) {
        if (wait[i] != HOST_TCP_GIVES_UP)
            continue;
        wait[i] = HOST_TCP_WAITS_NOT;
        host_tcp_lose(host, is_server, i, "did not come back");
    }
}

/* Nodes that the scenario brings back have not come: the run goes on without them. It may come to a slot for
 * which others are waited for, and these are not given up with them. */
static void give_up_awaited(struct host_tcp *host)
{
    const struct world *world = host->session->world;
    assert(host->is_held);
    stop_waiting(host, host->await_device, world->devices);
    stop_waiting(host, host->await_server, world->servers);
    assert(host->awaiting == 0);
    host_tcp_release(host);
    lose_given_up(host, false, world->devices);
    lose_given_up(host, true, world->servers);
}

/* Counts ticks, not time. This process may have been stopped (Ctrl-Z) or have waited for a locked database:
 * that time does not count against the nodes. */
static void watch_progress(struct host_tcp *host)
{
    if (host->core == NULL || host->learning_busy || host->is_early)
        return;
    host->quiet_ticks++;
    if (host->ping_ticks > 0 && ++host->ping_ticks > PING_TICKS)
        refuse_stalled(host);
    else if (host->ping_ticks > 0 ||
             (uint64_t) host->quiet_ticks * HOST_TCP_TICK_MS <= (uint64_t) host->options->stall_s * 1000u)
        return;
    else if (host->is_held)
        give_up_awaited(host);
    else
        ask_stalled(host);
}

/* A connection that never says HELLO must not keep a place for ever. Nor must one that takes a node's place
 * while the run is going on, and then is never ready. */
static void refuse_mute(struct host_tcp *host)
{
    for (struct member *member = host->members.all; member != NULL; member = member->next) {
        bool owes_ready = member->role != 0 && !member->ready && host->members.started;
        if ((member->role == 0 || owes_ready) && ++member->mute_ticks > HELLO_TICKS)
            host_tcp_drop(host, member, PROTO_REFUSE_TIMEOUT, owes_ready ? "no READY came" : "no HELLO came");
    }
}

void host_tcp_tick(uv_timer_t *timer)
{
    struct host_tcp *host = timer->data;
    refuse_mute(host);
    if (host->core == NULL)
        progress_update(&host->joining, members_joined(&host->members), NULL);
    uint64_t now_ns = clock_monotonic_ns();
    bool stopping = host->session->stop != NULL && *host->session->stop != 0;
    if (host->core == NULL && stopping)
        host_tcp_fail(host, diag_fail(host->diag, -EINTR, "interrupted while waiting for nodes"));
    else if (host->core == NULL && now_ns - host->start_ns > host->options->wait_s * UNITS_NS_PER_S)
        give_up_joining(host);
    else
        watch_progress(host);
}
