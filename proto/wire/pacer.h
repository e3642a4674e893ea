/* Lets bytes through as fast as a link (core/model/link) would, in real time: the owner says how many
 * bytes have to cross, and is told when how many of them have. In packets of TRANSFER_PACKET_BYTES, each at
 * its own time; but a loop is woken only at ticks WIRE_PACER_WAKE_NS apart, the same for all pacers, where
 * all that has come due is told of at once, and exactly when the last byte is due. */
#ifndef HANDOFF_PROTO_WIRE_PACER_H
#define HANDOFF_PROTO_WIRE_PACER_H

#include "core/model/transfer.h"
#include "proto/wire/alarm.h"

#define WIRE_PACER_WAKE_NS UINT64_C(500000)
/* So often a sender that is held back looks whether there is room again. */
#define WIRE_PACER_HELD_NS UINT64_C(1000000)

struct wire_pacer_hooks {
    /* `bytes` more have crossed. */
    void (*on_bytes)(void *user, uint64_t bytes);
    /* Everything has crossed. May send again. */
    void (*on_done)(void *user);
    /* Is there no room for more behind the link? Then the rate stands still. NULL: there always is. */
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
    double counted_s; /* allowed_bits is counted up to here */
    bool active, held;
    const struct wire_pacer_hooks *hooks;
    void *user;
};

/* Borrows `alarms` and `hooks`; stays where it is. `params`: rates and times of the wall; queue_bytes is the
 * owner's business (is_full), for what has to cross waits with the owner. */
void wire_pacer_init(struct wire_pacer *pacer, struct wire_alarms *alarms, const struct link_params *params,
                     const struct wire_pacer_hooks *hooks, void *user);
void wire_pacer_finish(struct wire_pacer *pacer);

/* Begins a transfer over a link of its own, whose packets are numbered, and drawn, as transfer.h says;
 * without bytes it is one empty packet. What was on its way before is forgotten. -ENOMEM: some of it never
 * will cross. */
int wire_pacer_begin(struct wire_pacer *pacer, const struct link_params *params, uint64_t bytes);
/* Adds to what has to cross; nothing at all is done at once. -ENOMEM: some of it never will. */
int wire_pacer_send(struct wire_pacer *pacer, uint64_t bytes);
/* Takes hold now, for the packet on its way too; 0: an outage. May hand over what came due before (on_bytes). */
void wire_pacer_set_rate(struct wire_pacer *pacer, double rate_bps);
/* Forgets everything on its way. */
void wire_pacer_stop(struct wire_pacer *pacer);

bool wire_pacer_is_active(const struct wire_pacer *pacer);
/* What the rate has allowed to the other end while there was something to cross, whatever became of it:
 * without what is still in the air, and up to the last on_bytes, so that it can be compared with what did
 * cross. An endless rate is not counted. */
double wire_pacer_allowed_bits(const struct wire_pacer *pacer);

#endif
