#include "core/model/transfer.h"

#include <assert.h>
#include <math.h>

#include "core/base/elementary.h"
#include "core/base/units.h"
#include "core/model/radio.h"

#define BITS 8.0
#define PACKET_BITS (BITS * (double) TRANSFER_PACKET_BYTES)
#define BYTES_PER_KB 1e3

/* A transfer to server m draws from packet number m << SERVER_SHIFT on: enough for 25 GB. */
#define SERVER_SHIFT 24

_Static_assert(WORLD_SERVERS_MAX <= 1u << (32 - SERVER_SHIFT), "a packet's number has 32 bits");

/* The expected value: points of the integral, terms of the product under it, and what is neglected. */
#define POINTS 16u
#define TERMS 12u
#define TINY 1e-6

struct link_params transfer_link(const struct world *world, struct slot_id id, uint32_t device,
                                 uint32_t server, enum transfer_way way, double rate_bps)
{
    const struct scenario *scenario = &world->scenario;
    assert(device < world->devices && server < world->servers);
    return (struct link_params){
        .rate_bps = rate_bps,
        .delay_s = scenario->link.delay_s,
        .jitter_s = scenario->link.jitter_s,
        .loss = scenario->link.loss,
        .retransmit_s = scenario->link.retransmit_s,
        .queue_bytes = scenario->link.queue_kb * BYTES_PER_KB,
        .first_packet = server << SERVER_SHIFT,
        .draws = {.seed = world->seed,
                  .phase = id.phase,
                  .stream = way == TRANSFER_UP ? RNG_LINK : RNG_LINK_DOWN,
                  .entity = device,
                  .episode = id.episode,
                  .slot = id.slot},
    };
}

struct link_params transfer_scaled(const struct link_params *link, double scale)
{
    struct link_params scaled = *link;
    assert(scale > 0.0);
    scaled.rate_bps *= scale;
    scaled.delay_s /= scale;
    scaled.jitter_s /= scale;
    scaled.retransmit_s /= scale;
    return scaled;
}

double transfer_down_bits(const struct scenario *scenario)
{
    return BITS * BYTES_PER_KB * scenario->link.result_kb;
}

double transfer_down_bps(const struct scenario *scenario)
{
    return scenario->link.down_mbps > 0.0 ? scenario->link.down_mbps * UNITS_MHZ : (double) INFINITY;
}

bool transfer_down_is_free(const struct scenario *scenario)
{
    return scenario->link.down_mbps <= 0.0 && scenario->link.result_kb <= 0.0 &&
           scenario->link.delay_s <= 0.0 && scenario->link.jitter_s <= 0.0 && scenario->link.loss <= 0.0;
}

uint32_t transfer_packets(double bits)
{
    double packets = ceil(bits / PACKET_BITS);
    return packets > 1.0 ? (uint32_t) packets : 1;
}

double transfer_s(const struct link_params *link, double bits)
{
    assert(bits >= 0.0 && link->loss < 1.0);
    double last_s = radio_transmit_s(bits, link->rate_bps);
    if ((link->loss <= 0.0 && link->jitter_s <= 0.0) || isinf(last_s))
        return last_s + link->delay_s;
    uint32_t packets = transfer_packets(bits);
    double packet_s = radio_transmit_s(PACKET_BITS, link->rate_bps);
    double longest_s = LINK_LOSSES_MAX * link->retransmit_s + link->jitter_s;
    double end_s = last_s;
    for (uint32_t i = packets;
         i-- > 0;) { /* backwards: one that left long ago cannot be the last to arrive */
        double left_s = i + 1 == packets ? last_s : packet_s * (i + 1.0);
        if (left_s + longest_s <= end_s)
            break;
        double arrival_s = left_s + link_late_s(link, link->first_packet + i);
        end_s = arrival_s > end_s ? arrival_s : end_s;
    }
    return end_s + link->delay_s;
}

/* Most scenarios draw nothing. */
static bool is_plain(const struct scenario *scenario)
{
    return scenario->link.loss <= 0.0 && scenario->link.jitter_s <= 0.0;
}

double transfer_part_s(const struct world *world, struct slot_id id, uint32_t device, uint32_t server,
                       enum transfer_way way, double rate_bps, double bits, uint32_t packets)
{
    if (is_plain(&world->scenario))
        return radio_transmit_s(bits, rate_bps) + world->scenario.link.delay_s;
    struct link_params link = transfer_link(world, id, device, server, way, rate_bps);
    link.first_packet += packets;
    return transfer_s(&link, bits);
}

double transfer_task_s(const struct world *world, struct slot_id id, uint32_t device, uint32_t server,
                       enum transfer_way way, double rate_bps, double bits)
{
    return transfer_part_s(world, id, device, server, way, rate_bps, bits, 0);
}

/* ---- what is expected ---- */

/* P(a packet is late by at most u): a geometric number of repetitions and a uniform jitter. */
static double late_by_at_most(const struct scenario *scenario, double u)
{
    double jitter_s = scenario->link.jitter_s, again_s = scenario->link.retransmit_s;
    double sum = 0.0, weight = 1.0 - scenario->link.loss;
    for (double left_s = u; left_s >= 0.0 && weight > TINY * TINY; left_s -= again_s) {
        sum += weight * (left_s < jitter_s ? left_s / jitter_s : 1.0);
        weight *= scenario->link.loss;
        if (again_s <= 0.0)
            return sum / (1.0 - scenario->link.loss); /* repetitions take no time */
    }
    return sum;
}

struct train {
    uint32_t packets;
    double packet_s; /* on the rate */
    double last_s;   /* the last one, which may be shorter */
};

/* P(none of the packets arrives later than u after the last one left). When many left early enough to matter,
 * `stride` of them are taken as one. */
static double all_by(const struct scenario *scenario, const struct train *train, double u, double longest_s)
{
    double ahead =
        train->packet_s > 0.0 ? ceil((longest_s - u - train->last_s) / train->packet_s) : (double) INFINITY;
    double count = fmin(fmax(ahead, 1.0), train->packets - 1.0);
    double stride = fmax(count / TERMS, 1.0), product = 1.0;
    for (double k = 0.0; k < count && product > TINY; k += stride)
        product *=
            late_by_at_most(scenario, u + train->last_s + train->packet_s * (k + 0.5 * (stride - 1.0)));
    return late_by_at_most(scenario, u) * (stride > 1.0 ? elementary_pow(product, stride) : product);
}

/* By how much the last of the packets to arrive is expected to be later than the last one's leaving: the
 * integral of the chance that some packet is later than u. */
static double expected_late_s(const struct scenario *scenario, const struct train *train)
{
    double loss = scenario->link.loss, again_s = scenario->link.retransmit_s;
    assert(train->packets >= 1);
    if (train->packets == 1)
        return loss / (1.0 - loss) * again_s + 0.5 * scenario->link.jitter_s;
    double repeats = loss > 0.0 ? ceil(elementary_log(TINY) / elementary_log(loss)) : 0.0;
    double longest_s = scenario->link.jitter_s + fmin(repeats, LINK_LOSSES_MAX) * again_s;
    double step_s = longest_s / POINTS, sum_s = 0.0;
    for (uint32_t i = 0; i < POINTS; i++)
        sum_s += step_s * (1.0 - all_by(scenario, train, step_s * (i + 0.5), longest_s));
    return sum_s;
}

double transfer_expected_s(const struct scenario *scenario, double bits, double rate_bps)
{
    double end_s = radio_transmit_s(bits, rate_bps);
    if (is_plain(scenario) || isinf(end_s))
        return end_s + scenario->link.delay_s;
    struct train train = {.packets = transfer_packets(bits),
                          .packet_s = radio_transmit_s(PACKET_BITS, rate_bps)};
    train.last_s = end_s - (train.packets - 1.0) * train.packet_s;
    return end_s + expected_late_s(scenario, &train) + scenario->link.delay_s;
}
