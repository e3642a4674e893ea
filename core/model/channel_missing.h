/* Which packets of a task are missing (channel.mode bounded): a pure function of the task's slot, its device, the server
 * that took it, and the packet's number. So a device, its server, a replay and both clocks agree without telling each
 * other.
 *
 * Packets of TRANSFER_PACKET_BYTES are numbered through the whole payload, from 0. The server is the one that serves the
 * task: after RECOVER, and after a handover, all packets are drawn for the new one, those too that the old one passes on.
 * The probability is the same at all servers and in all slots, since it depends on the margin alone. So in queueing mode
 * it does not matter in which slot, at which rate, a packet crosses. With channel.deadline_s (run.mode round) the rate
 * says when each packet leaves; it is the rate of REPORT and TASK. */
#ifndef HANDOFF_CORE_MODEL_CHANNEL_MISSING_H
#define HANDOFF_CORE_MODEL_CHANNEL_MISSING_H

#include "core/model/transfer.h"

/* How a payload has crossed. */
struct channel_crossing {
    struct slot_id id; /* the task's own slot */
    uint32_t device, server;
    struct channel_use use;
    double bits, rate_bps; /* as REPORT has them; the rate is read only with a deadline */
};

/* packet < transfer_packets(bits). */
bool channel_packet_missing(const struct world *world, const struct channel_crossing *crossing,
                            uint32_t packet);
/* How many are; `ret_missing[transfer_packets(bits)]` says which, not 0. NULL: only their number is asked for. */
uint32_t channel_missing(const struct world *world, const struct channel_crossing *crossing,
                         uint8_t *ret_missing);
/* That number over the number of packets; 0 in other modes. */
double channel_missing_share(const struct world *world, const struct channel_crossing *crossing);

#endif
