/* Lets bytes through as fast as a link (core/model/link) would, in real time. The owner says how many bytes have
 * to cross, and is told whenever some have. Packets have TRANSFER_PACKET_BYTES, each with its own time. The loop
 * is woken only at ticks WIRE_PACER_WAKE_NS apart, the same for all pacers, where everything that is due is told
 * at once; and exactly when the last byte is due.
 *
 * Bytes of a packet that is missing (link.h) cross like others: receivers drop what it held, by its number. So how long
 * a transfer takes, and what is missing, is the same in both clocks. */
#ifndef HANDOFF_PROTO_WIRE_PACER_H
#define HANDOFF_PROTO_WIRE_PACER_H

#include "core/model/transfer.h"
#include "proto/wire/alarm.h"

#define WIRE_PACER_WAKE_NS UINT64_C(500000)
/* How often a sender that is held back checks whether it may go on. */
#define WIRE_PACER_HELD_NS UINT64_C(1000000)

struct wire_pacer_hooks {
    /* `bytes` more have crossed. */
    void (*on_bytes)(void *user, uint64_t bytes);
    /* Everything has crossed. May send again. */
    void (*on_done)(void *user);
    /* Is the queue behind the link full? Then the rate stands still. NULL: it never is. */
    bool (*is_full)(void *user);
};

struct wire_pacer {
    struct wire_alarms *alarms;
    struct wire_alarm alarm;
    struct link link;
    double rate_bps;  /* as set; the link's own is 0 while the sender is held back */
    uint64_t zero_ns; /* the link's second 0 */
    uint64_t left;    /* bytes not yet offered to the link */
    double allowed_bits;
    double asked_bits; /* allowed_bits when the rate has carried all that this transfer has been asked for */
    double counted_s;  /* allowed_bits is counted up to here */
    bool active, held;
    const struct wire_pacer_hooks *hooks;
    void *user;
};

/* Borrows `alarms` and `hooks`; stays where it is. `params`: rates and times of real time. queue_bytes is not
 * read: what has to cross waits with the owner, who limits it (is_full). */
void wire_pacer_init(struct wire_pacer *pacer, struct wire_alarms *alarms, const struct link_params *params,
                     const struct wire_pacer_hooks *hooks, void *user);
void wire_pacer_finish(struct wire_pacer *pacer);

/* Begins a transfer over a link of its own, whose packets are numbered and drawn as transfer.h says. Without
 * bytes it is one empty packet. What was on its way before is forgotten. -ENOMEM: some of it will never
 * cross. */
int wire_pacer_begin(struct wire_pacer *pacer, const struct link_params *params, uint64_t bytes);
/* Adds to what has to cross; with no bytes at all it is done at once. -ENOMEM: some of it will never cross. */
int wire_pacer_send(struct wire_pacer *pacer, uint64_t bytes);
/* The rate (>= 0; 0: an outage) holds at once, for the packet on its way too. What came due before may be handed
 * over (on_bytes). */
void wire_pacer_set_rate(struct wire_pacer *pacer, double rate_bps);
/* Forgets everything on its way. */
void wire_pacer_stop(struct wire_pacer *pacer);

bool wire_pacer_is_active(const struct wire_pacer *pacer);
/* The bits that the rate has allowed while there was something to cross, without those still in the air, up to
 * the last on_bytes: to be compared with what did cross. An infinite rate is not counted. */
double wire_pacer_allowed_bits(const struct wire_pacer *pacer);

#endif
