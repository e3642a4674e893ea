#include "proto/wire/pacer.h"

#include <assert.h>
#include <math.h>

#include "core/base/clock.h"
#include "core/base/units.h"

/* Packets are offered to the link so far ahead. A call that comes later than that loses the time. */
#define AHEAD_S 0.1
#define BITS 8.0

static double now_s(const struct wire_pacer *pacer)
{
    return units_ns_to_s(clock_monotonic_ns() - pacer->zero_ns);
}

/* Counts while the rate has something to send, or would have if its sender had been called in time. */
static void count_allowed(struct wire_pacer *pacer, double now)
{
    assert(now >= pacer->counted_s);
    bool busy = pacer->left > 0 || pacer->link.queue.count > 0 || pacer->link.rate.busy;
    if (pacer->active && busy && !isinf(pacer->rate_bps))
        pacer->allowed_bits += pacer->rate_bps * (now - pacer->counted_s);
    pacer->counted_s = now;
}

/* The link is never without a packet while something has to cross. After its deadline all of it goes at once. */
static int fill(struct wire_pacer *pacer, double now)
{
    double ahead = link_is_over(&pacer->link, now) ? (double) INFINITY : pacer->rate_bps * AHEAD_S / BITS;
    int rc = 0;
    while (rc == 0 && pacer->left > 0 && (pacer->link.queue.bytes < ahead || pacer->link.queue.count == 0)) {
        uint64_t bytes = pacer->left < TRANSFER_PACKET_BYTES ? pacer->left : TRANSFER_PACKET_BYTES;
        rc = link_offer(&pacer->link, now, (double) bytes);
        pacer->left -= rc == 0 ? bytes : 0;
    }
    return rc;
}

/* Is what happens at due_s the end? Packets that wait for a late one in front of them arrive with it. */
static bool is_last(const struct wire_pacer *pacer, double due_s)
{
    size_t behind = pacer->link.queue.count + (pacer->link.rate.busy ? 1 : 0);
    if (link_is_over(&pacer->link, due_s))
        return true;
    if (pacer->left > 0)
        return false;
    return behind == 0 ? link_end_s(&pacer->link) <= due_s : behind == 1 && pacer->link.air.count == 0;
}

/* The ticks are the same for all pacers, so that one turn of the loop serves them all. */
static uint64_t next_tick(uint64_t due_ns)
{
    uint64_t soon_ns = clock_monotonic_ns() + WIRE_PACER_WAKE_NS / 4;
    uint64_t at_ns = due_ns > soon_ns ? due_ns : soon_ns;
    return (at_ns + WIRE_PACER_WAKE_NS - 1) / WIRE_PACER_WAKE_NS * WIRE_PACER_WAKE_NS;
}

static void set_alarm(struct wire_pacer *pacer)
{
    double due_s = link_due_s(&pacer->link);
    uint64_t due_ns = UINT64_MAX;
    if (!isinf(due_s)) {
        due_ns = pacer->zero_ns + (uint64_t) ceil(due_s * (double) UNITS_NS_PER_S);
        due_ns = is_last(pacer, due_s) ? due_ns : next_tick(due_ns);
    }
    if (pacer->held) {
        uint64_t look_ns = clock_monotonic_ns() + WIRE_PACER_HELD_NS;
        due_ns = look_ns < due_ns ? look_ns : due_ns;
    }
    if (due_ns == UINT64_MAX)
        wire_alarm_cancel(pacer->alarms, &pacer->alarm);
    else
        (void) wire_alarm_set(pacer->alarms, &pacer->alarm, due_ns); /* out of memory: as in an outage */
}

/* A full queue behind the link stands in the rate's way; the rate that is set goes on counting as allowed. */
static void hold_back(struct wire_pacer *pacer, double now)
{
    bool full = pacer->hooks->is_full != NULL && pacer->hooks->is_full(pacer->user);
    if (full == pacer->held)
        return;
    pacer->held = full;
    link_set_rate(&pacer->link, now, full ? 0.0 : pacer->rate_bps);
}

/* All that its deadline lets through counts as allowed, however late that is noticed. */
static void end_link(struct wire_pacer *pacer, double now)
{
    pacer->allowed_bits = pacer->asked_bits;
    (void) fill(pacer, now); /* as in deliver */
}

/* Hands over what has come due. */
static void deliver(struct wire_pacer *pacer, double now)
{
    double arrival_s;
    struct link_packet packet;
    uint64_t bytes = 0;
    count_allowed(pacer, now);
    if (link_is_over(&pacer->link, now))
        end_link(pacer, now);
    else
        hold_back(pacer, now);
    while (link_take(&pacer->link, now, &packet, &arrival_s))
        bytes += (uint64_t) packet.bytes;
    (void) fill(pacer, now); /* out of memory: the rest never crosses */
    if (bytes > 0)
        pacer->hooks->on_bytes(pacer->user, bytes);
}

static void on_due(struct wire_alarm *alarm)
{
    struct wire_pacer *pacer = alarm->user;
    assert(pacer->active); /* wire_pacer_stop cancels the alarm */
    deliver(pacer, now_s(pacer));
    if (!pacer->active)
        return; /* stopped meanwhile */
    pacer->active = pacer->left > 0 || link_packets(&pacer->link) > 0;
    if (!pacer->active)
        pacer->hooks->on_done(pacer->user);
    else
        set_alarm(pacer);
}

static struct link_params unbounded(const struct link_params *params)
{
    struct link_params link = *params;
    link.queue_bytes = 0.0;
    return link;
}

void wire_pacer_init(struct wire_pacer *pacer, struct wire_alarms *alarms, const struct link_params *params,
                     const struct wire_pacer_hooks *hooks, void *user)
{
    assert(params->rate_bps >= 0.0 && hooks->on_bytes != NULL && hooks->on_done != NULL);
    *pacer = (struct wire_pacer){
        .alarms = alarms,
        .alarm = {.on_due = on_due, .user = pacer},
        .rate_bps = params->rate_bps,
        .zero_ns = clock_monotonic_ns(),
        .hooks = hooks,
        .user = user,
    };
    struct link_params link = unbounded(params);
    link_init(&pacer->link, &link, 0.0);
}

void wire_pacer_finish(struct wire_pacer *pacer)
{
    if (pacer->alarms == NULL)
        return;
    wire_alarm_cancel(pacer->alarms, &pacer->alarm);
    link_finish(&pacer->link);
}

int wire_pacer_begin(struct wire_pacer *pacer, const struct link_params *params, uint64_t bytes)
{
    double now = now_s(pacer);
    struct link_params link = unbounded(params);
    assert(link.rate_bps >= 0.0);
    wire_pacer_stop(pacer);
    link_restart(&pacer->link, &link, now);
    pacer->rate_bps = link.rate_bps;
    pacer->asked_bits = pacer->allowed_bits;
    int rc = bytes == 0 ? link_offer(&pacer->link, now, 0.0) : 0;
    return rc != 0 ? rc : wire_pacer_send(pacer, bytes);
}

int wire_pacer_send(struct wire_pacer *pacer, uint64_t bytes)
{
    assert(pacer->left <= UINT64_MAX - bytes);
    double now = now_s(pacer);
    count_allowed(pacer, now);
    pacer->left += bytes;
    pacer->asked_bits += BITS * (double) bytes;
    pacer->active = true;
    int rc = fill(pacer, now);
    if (link_packets(&pacer->link) == 0) /* nothing to send: done with the next turn of the loop */
        return wire_alarm_set(pacer->alarms, &pacer->alarm, clock_monotonic_ns());
    set_alarm(pacer);
    return rc;
}

/* What was due before is handed over first, so that the new rate begins with nothing owed. */
void wire_pacer_set_rate(struct wire_pacer *pacer, double rate_bps)
{
    assert(rate_bps >= 0.0);
    double now = now_s(pacer);
    if (pacer->active)
        deliver(pacer, now);
    count_allowed(pacer, now);
    pacer->rate_bps = rate_bps;
    link_set_rate(&pacer->link, now, pacer->held ? 0.0 : rate_bps);
    if (!pacer->active)
        return;
    (void) fill(pacer, now); /* as in deliver */
    if (pacer->left == 0 && link_packets(&pacer->link) == 0)
        (void) wire_alarm_set(pacer->alarms, &pacer->alarm, clock_monotonic_ns()); /* done, as on_due says */
    else
        set_alarm(pacer);
}

void wire_pacer_stop(struct wire_pacer *pacer)
{
    double now = now_s(pacer);
    count_allowed(pacer, now);
    wire_alarm_cancel(pacer->alarms, &pacer->alarm);
    link_clear(&pacer->link, now);
    link_set_rate(&pacer->link, now, pacer->rate_bps); /* it may have been held back */
    pacer->left = 0;
    pacer->active = pacer->held = false;
}

bool wire_pacer_is_active(const struct wire_pacer *pacer)
{
    return pacer->active;
}

double wire_pacer_allowed_bits(const struct wire_pacer *pacer)
{
    return pacer->allowed_bits - BITS * pacer->link.air.bytes;
}
