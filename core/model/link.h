/* A link of composable parts, as packets see it: a bounded queue, a rate that may change while a packet is on
 * it, loss as the time its repetitions take, HARQ likewise, jitter, delay. A part whose parameter is 0 is not there, a rate
 * of 0 is an outage, and one of INFINITY takes no time. Pure: time comes in with every call, randomness is
 * drawn from Philox by packet number. The same parts run in virtual time, where results are exact, and in
 * real time (proto/wire/pacer).
 *
 *   offer ──► QUEUE ──► RATE ──► LOSS ──► HARQ ──► JITTER ──► DELAY ──► take
 *
 * Packets never overtake each other.
 *
 * A packet that is given up after its transmissions, or is not there by the deadline, is missing. It still is taken, like
 * any other: when it would have come with its last transmission, or at the deadline. What it held is dropped by others
 * (core/model/channel_missing says which are missing). So a link takes the same time whether anybody looks inside. */
#ifndef HANDOFF_CORE_MODEL_LINK_H
#define HANDOFF_CORE_MODEL_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/rng.h"

struct link_packet {
    uint64_t index; /* counts the link's packets; names its draws */
    double bytes;
};

struct link_params {
    double rate_bps;        /* >= 0, INFINITY too; 0: an outage, packets wait */
    double delay_s;         /* one way, >= 0 */
    double jitter_s;        /* uniform on [0, jitter_s), >= 0 */
    double loss;            /* probability that a transmission is lost, [0, 1) */
    double retransmit_s;    /* what each lost transmission costs, >= 0 */
    uint32_t transmissions; /* of a packet, at most; 0: any number */
    double deadline_s;      /* everything is there so long after the link began; 0: when it comes */
    double harq_error;      /* probability that a transmission of a block (a packet) fails, [0, 1) */
    uint32_t
        harq_transmissions; /* of a block, > 0 where they fail; then the layer above repeats it, after retransmit_s */
    double harq_interval_s; /* what each other failure costs */
    double queue_bytes;     /* that may wait for the rate; 0: any number */
    struct rng_at draws;    /* where loss and jitter are drawn, by packet number */
    uint64_t first_packet;  /* the first packet's number */
};

/* What a link is made of. */

struct link_place {
    struct link_packet packet;
    double due_s;
};

/* A first-in first-out list with the time at which each leaves. */
struct link_line {
    struct link_place *place; /* [capacity], a ring; owned */
    size_t first, count, capacity;
    double bytes;
};

struct link_rate {
    double rate_bps;
    double credit_bits;  /* what the rate has allowed since the packet on it began */
    double counted_s;    /* up to then */
    double allowed_bits; /* in all, while a packet was on it */
    bool busy;
    struct link_packet packet;
};

struct link {
    struct link_params params;
    double end_s; /* its deadline; INFINITY: none */
    struct link_line queue;
    struct link_rate rate;
    struct link_line air; /* loss, jitter and delay: how long a packet takes from the rate to the other end */
    uint64_t packets;     /* the next packet's number */
};

#define LINK_LOSSES_MAX 64u /* a packet does not wait for ever */

/* The number of transmissions of packet `index` that are lost before one succeeds, its jitter, and what both and HARQ
 * add to its way. */
uint32_t link_losses(const struct link_params *params, uint64_t index);
double link_jitter_s(const struct link_params *params, uint64_t index);
double link_late_s(const struct link_params *params, uint64_t index);
/* None of its transmissions succeeds. */
bool link_gives_up(const struct link_params *params, uint64_t index);
/* What so many failures of a block cost. */
double link_harq_s(const struct link_params *params, uint32_t failures);
/* The most that link_late_s can be. */
double link_latest_s(const struct link_params *params);

void link_init(struct link *link, const struct link_params *params, double now_s);
void link_finish(struct link *link);
/* Drops all packets and begins anew with other parameters. */
void link_restart(struct link *link, const struct link_params *params, double now_s);

/* 0; ERR_TOO_BIG: the queue is full; -ENOMEM. */
int link_offer(struct link *link, double now_s, double bytes);
/* Applies at once, also to the packet that is on the link. */
void link_set_rate(struct link *link, double now_s, double rate_bps);
/* When something happens next: a packet leaves the rate, or arrives. INFINITY: nothing will. */
double link_due_s(const struct link *link);
/* The packet that has arrived by now, in order. Packets go on to the next part at the times they were due,
 * however late the call comes. */
bool link_take(struct link *link, double now_s, struct link_packet *ret_packet, double *ret_arrival_s);
/* Bytes, and packets, between offer and take. */
double link_bytes(const struct link *link);
size_t link_packets(const struct link *link);
/* When the last packet that has left the rate arrives; -INFINITY: none is on its way. */
double link_end_s(const struct link *link);
/* The deadline has passed. */
bool link_is_over(const struct link *link, double now_s);
/* Drops all packets. */
void link_clear(struct link *link, double now_s);

#endif
