/* How long bits take from a device to its server, and a RESULT's the way back, over the scenario's link
 * (sections `link` and `channel`) and the network behind the server's radio (tiers.h; its jitter widens the link's): what the rate takes, what the losses and the jitter of single packets add, the delay. The
 * device's core, the policies that know the model and the pacers of real time all call these functions; no
 * other code computes the same.
 *
 * A transfer goes in packets of TRANSFER_PACKET_BYTES, the last one shorter; without bytes it still is one
 * packet. Losses and jitter are drawn by packet number from (seed; phase, episode, slot, device, way), so
 * that both clocks and a replay meet the same ones. A sender always has its next packet ready, and a full
 * queue (link.queue_kb) holds it back: the queue's length does not change when the last byte arrives, and is
 * no parameter here.
 *
 * Where packets may be missing (channel_loses), a transfer is over when each has come or was given up, and at the
 * latest channel.deadline_s after it began: min(T, deadline). */
#ifndef HANDOFF_CORE_MODEL_TRANSFER_H
#define HANDOFF_CORE_MODEL_TRANSFER_H

#include "core/model/channel_radio.h"
#include "core/model/device_slot.h"
#include "core/model/link.h"
#include "core/model/world.h"

#define TRANSFER_PACKET_BYTES 1500u

/* The link of one transfer between a device and a server in model seconds, for core/model/link and for
 * pacers. A task that goes on to another server after a loss meets other draws there. */
struct link_params transfer_link(const struct world *world, struct slot_id id, uint32_t device,
                                 uint32_t server, const struct channel_use *use, double rate_bps);
/* The same link in seconds of real time, of which `scale` model seconds make one. */
struct link_params transfer_scaled(const struct link_params *link, double scale);

/* RESULTs. Their rate is INFINITY when link.down_mbps is 0, and the server's network (tiers.h) has no limit: they take no
 * time of it. */
double transfer_down_bits(const struct scenario *scenario);
double transfer_down_bps(const struct world *world, uint32_t server);
/* The way down from a server takes no time at all. */
bool transfer_down_is_free(const struct world *world, uint32_t server);

/* From the first bit's start to the last one's arrival, with the draws of this link: the same as
 * core/model/link gives when it is offered all packets at once. Infinite when there are bits and no rate. */
double transfer_s(const struct link_params *link, double bits);
/* The same of transfer_link(world, id, ...): the cores ask for every task. */
double transfer_task_s(const struct world *world, struct slot_id id, uint32_t device, uint32_t server,
                       const struct channel_use *use, double rate_bps, double bits);

/* The same of a part of a task, behind `packets` that went before it. */
double transfer_part_s(const struct world *world, struct slot_id id, uint32_t device, uint32_t server,
                       const struct channel_use *use, double rate_bps, double bits, uint32_t packets);
uint32_t transfer_packets(double bits);
/* Packet `packet` of a transfer of so many bits is missing. */
bool transfer_is_missing(const struct link_params *link, double bits, uint32_t packet);

/* The expected value of transfer_s over the draws: what is known in advance. Exact, and the same bits, without
 * repetitions and jitter; else the largest of the packets' latenesses is integrated numerically, to about 5 % of
 * what loss and jitter add. */
double transfer_expected_s(const struct world *world, uint32_t server, const struct channel_use *use,
                           double bits, double rate_bps);
/* Nothing is drawn for transfers between devices and the server: each takes what is expected, to the last bit. */
bool transfer_is_certain(const struct world *world, uint32_t server);
/* The share of such a transfer's packets that is expected to be missing; with a deadline exact without jitter and
 * repetitions, else a mean over some of the packets. */
double transfer_expected_missing(const struct world *world, uint32_t server, const struct channel_use *use,
                                 double bits, double rate_bps);

#endif
