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

#define SAMPLES 64u /* packets that stand for all, of an expected share */

/* All but the draws. */
static struct link_params law_of(const struct world *world, uint32_t server, const struct channel_use *use,
                                 double rate_bps)
{
    const struct scenario *scenario = &world->scenario;
    const struct wan *wan = &world->server[server].wan;
    assert(server < world->servers);
    bool loses = channel_loses(scenario, use);
    bool fails = scenario->channel.mode == CHANNEL_RELIABLE && scenario->channel.harq == SWITCH_ON &&
                 use->payload != CHANNEL_RESULT;
    return (struct link_params){
        .rate_bps = rate_bps,
        .delay_s = scenario->link.delay_s + wan->delay_s,
        .jitter_s = scenario->link.jitter_s + wan->jitter_s,
        .loss = channel_lost(scenario, use),
        .retransmit_s = scenario->link.retransmit_s,
        .transmissions = loses ? (uint32_t) scenario->channel.transmissions : 0,
        .deadline_s = loses ? scenario->channel.deadline_s : 0.0,
        .harq_error = fails ? scenario->channel.harq_error : 0.0,
        .harq_transmissions = (uint32_t) scenario->channel.harq_transmissions,
        .harq_interval_s = scenario->channel.harq_interval_s,
        .queue_bytes = scenario->link.queue_kb * BYTES_PER_KB,
    };
}

struct link_params transfer_link(const struct world *world, struct slot_id id, uint32_t device,
                                 uint32_t server, const struct channel_use *use, double rate_bps)
{
    struct link_params link = law_of(world, server, use, rate_bps);
    assert(device < world->devices);
    link.first_packet = server << SERVER_SHIFT;
    link.draws = (struct rng_at){
        .seed = world->seed,
        .phase = id.phase,
        .stream = use->payload != CHANNEL_RESULT ? RNG_LINK : RNG_LINK_DOWN,
        .entity = device,
        .episode = id.episode,
        .slot = id.slot,
    };
    return link;
}

struct link_params transfer_scaled(const struct link_params *link, double scale)
{
    struct link_params scaled = *link;
    assert(scale > 0.0);
    scaled.rate_bps *= scale;
    scaled.delay_s /= scale;
    scaled.jitter_s /= scale;
    scaled.retransmit_s /= scale;
    scaled.deadline_s /= scale;
    scaled.harq_interval_s /= scale;
    return scaled;
}

double transfer_down_bits(const struct scenario *scenario)
{
    return BITS * BYTES_PER_KB * scenario->link.result_kb;
}

double transfer_down_bps(const struct world *world, uint32_t server)
{
    double radio_mbps = world->scenario.link.down_mbps, wan_bps = world->server[server].wan.down_bps;
    double bps = radio_mbps > 0.0 ? radio_mbps * UNITS_MHZ : (double) INFINITY;
    return wan_bps > 0.0 && wan_bps < bps ? wan_bps : bps;
}

bool transfer_down_is_free(const struct world *world, uint32_t server)
{
    const struct link_params link = law_of(world, server, &channel_down, transfer_down_bps(world, server));
    return isinf(link.rate_bps) && world->scenario.link.result_kb <= 0.0 && link.delay_s <= 0.0 &&
           link.jitter_s <= 0.0 && link.loss <= 0.0;
}

uint32_t transfer_packets(double bits)
{
    double packets = ceil(bits / PACKET_BITS);
    return packets > 1.0 ? (uint32_t) packets : 1;
}

/* The end of a transfer whose last packet comes then. Without a rate nothing begins, and no deadline runs. */
static double bounded_s(const struct link_params *link, double end_s)
{
    bool ends_first = link->deadline_s > 0.0 && end_s > link->deadline_s && !isinf(end_s);
    return ends_first ? link->deadline_s : end_s;
}

/* No packet is late. */
static bool is_prompt(const struct link_params *link)
{
    return (link->loss <= 0.0 || link->transmissions == 1) && link->jitter_s <= 0.0 &&
           link->harq_error <= 0.0;
}

/* When a packet has left the rate. */
static double left_at_s(const struct link_params *link, double bits, uint32_t packets, uint32_t packet)
{
    return packet + 1 == packets ? radio_transmit_s(bits, link->rate_bps)
                                 : radio_transmit_s(PACKET_BITS, link->rate_bps) * (packet + 1.0);
}

double transfer_s(const struct link_params *link, double bits)
{
    assert(bits >= 0.0 && link->loss < 1.0);
    double end_s = radio_transmit_s(bits, link->rate_bps);
    if (is_prompt(link) || isinf(end_s))
        return bounded_s(link, end_s + link->delay_s);
    uint32_t packets = transfer_packets(bits);
    double latest_s = link_latest_s(link);
    for (uint32_t i = packets;
         i-- > 0;) { /* backwards: one that left long ago cannot be the last to arrive */
        double left_s = left_at_s(link, bits, packets, i);
        if (left_s + latest_s <= end_s)
            break;
        double arrival_s = left_s + link_late_s(link, link->first_packet + i);
        end_s = arrival_s > end_s ? arrival_s : end_s;
    }
    return bounded_s(link, end_s + link->delay_s);
}

bool transfer_is_missing(const struct link_params *link, double bits, uint32_t packet)
{
    uint32_t packets = transfer_packets(bits);
    uint64_t index = link->first_packet + packet;
    assert(packet < packets);
    if (link_gives_up(link, index))
        return true;
    if (link->deadline_s <= 0.0)
        return false;
    double late_s = is_prompt(link) ? 0.0 : link_late_s(link, index);
    return left_at_s(link, bits, packets, packet) + late_s + link->delay_s > link->deadline_s;
}

/* Most scenarios draw nothing. */
static bool is_plain(const struct world *world, uint32_t server, const struct channel_use *use)
{
    const struct scenario *scenario = &world->scenario;
    bool is_certain = scenario->link.loss <= 0.0 && scenario->link.jitter_s <= 0.0 &&
                      world->server[server].wan.jitter_s <= 0.0;
    if (use->payload == CHANNEL_RESULT)
        return is_certain;
    return is_certain && scenario->channel.mode != CHANNEL_BOUNDED &&
           (scenario->channel.mode != CHANNEL_RELIABLE || scenario->channel.harq == SWITCH_OFF);
}

bool transfer_is_certain(const struct world *world, uint32_t server)
{
    const struct channel_use up = channel_up(&world->scenario, 0);
    return is_plain(world, server, &channel_down) && is_plain(world, server, &up);
}

static double delay_s(const struct world *world, uint32_t server)
{
    return world->scenario.link.delay_s + world->server[server].wan.delay_s;
}

double transfer_part_s(const struct world *world, struct slot_id id, uint32_t device, uint32_t server,
                       const struct channel_use *use, double rate_bps, double bits, uint32_t packets)
{
    if (is_plain(world, server, use))
        return radio_transmit_s(bits, rate_bps) + delay_s(world, server);
    struct link_params link = transfer_link(world, id, device, server, use, rate_bps);
    link.first_packet += packets;
    return transfer_s(&link, bits);
}

double transfer_task_s(const struct world *world, struct slot_id id, uint32_t device, uint32_t server,
                       const struct channel_use *use, double rate_bps, double bits)
{
    return transfer_part_s(world, id, device, server, use, rate_bps, bits, 0);
}

/* ---- what is expected ---- */

/* P(losses and jitter make a packet late by at most u): a geometric number of repetitions, bounded or not, and a uniform
 * jitter. */
static double lost_by_at_most(const struct link_params *link, double u)
{
    double jitter_s = link->jitter_s, again_s = link->retransmit_s;
    double sum = 0.0, weight = 1.0 - link->loss;
    uint32_t lost = 0;
    for (double left_s = u; left_s >= 0.0 && weight > TINY * TINY; left_s -= again_s) {
        bool is_last = ++lost == link->transmissions;
        if (is_last)
            weight /= 1.0 - link->loss; /* those that are given up, too */
        sum += weight * (left_s < jitter_s ? left_s / jitter_s : 1.0);
        if (is_last)
            return sum;
        weight *= link->loss;
        if (again_s <= 0.0)
            return sum / (1.0 - link->loss); /* repetitions take no time */
    }
    return sum;
}

/* P(a packet is late by at most u). */
static double late_by_at_most(const struct link_params *link, double u)
{
    double sum = 0.0, weight = 1.0 - link->harq_error;
    if (link->harq_error <= 0.0)
        return lost_by_at_most(link, u);
    for (uint32_t failed = 0; failed <= LINK_LOSSES_MAX && weight > TINY * TINY; failed++) {
        double left_s = u - link_harq_s(link, failed);
        if (left_s < 0.0)
            break;
        sum += weight * lost_by_at_most(link, left_s);
        weight *= link->harq_error;
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
static double all_by(const struct link_params *link, const struct train *train, double u, double longest_s)
{
    double ahead =
        train->packet_s > 0.0 ? ceil((longest_s - u - train->last_s) / train->packet_s) : (double) INFINITY;
    double count = fmin(fmax(ahead, 1.0), train->packets - 1.0);
    double stride = fmax(count / TERMS, 1.0), product = 1.0;
    for (double k = 0.0; k < count && product > TINY; k += stride)
        product *= late_by_at_most(link, u + train->last_s + train->packet_s * (k + 0.5 * (stride - 1.0)));
    return late_by_at_most(link, u) * (stride > 1.0 ? elementary_pow(product, stride) : product);
}

/* Repetitions that are seen at all. */
static double repetitions(double probability)
{
    double most = probability > 0.0 ? ceil(elementary_log(TINY) / elementary_log(probability)) : 0.0;
    return fmin(most, LINK_LOSSES_MAX);
}

/* How late a packet may be. */
static double longest_late_s(const struct link_params *link)
{
    double repeats = repetitions(link->loss);
    double harq_s = link_harq_s(link, (uint32_t) repetitions(link->harq_error));
    if (link->transmissions > 0)
        repeats = fmin(repeats, link->transmissions - 1.0);
    return link->jitter_s + repeats * link->retransmit_s + harq_s;
}

/* The mean of link_late_s: geometric series. */
static double mean_late_s(const struct link_params *link)
{
    double loss = link->loss, failed = link->harq_error, left = 1.0, above = 1.0;
    for (uint32_t i = 1; i < link->transmissions; i++)
        left *= loss;
    double repeats = loss / (1.0 - loss) * (link->transmissions > 0 ? 1.0 - left : 1.0);
    double late_s = repeats * link->retransmit_s + 0.5 * link->jitter_s;
    if (failed <= 0.0)
        return late_s;
    for (uint32_t i = 0; i < link->harq_transmissions; i++)
        above *= failed;
    above = above / (1.0 - above);
    return late_s + (failed / (1.0 - failed) - above) * link->harq_interval_s + above * link->retransmit_s;
}

/* By how much the last of the packets to arrive is expected to be later than the last one's leaving, when no more than
 * most_s counts: the integral of the chance that some packet is later than u. */
static double expected_late_s(const struct link_params *link, const struct train *train, double most_s)
{
    double longest_s = longest_late_s(link);
    assert(train->packets >= 1);
    if (train->packets == 1 && longest_s <= most_s)
        return mean_late_s(link);
    double until_s = fmin(longest_s, most_s);
    double step_s = until_s / POINTS, sum_s = 0.0;
    for (uint32_t i = 0; i < POINTS; i++)
        sum_s += step_s * (1.0 - all_by(link, train, step_s * (i + 0.5), longest_s));
    return sum_s;
}

double transfer_expected_s(const struct world *world, uint32_t server, const struct channel_use *use,
                           double bits, double rate_bps)
{
    double end_s = radio_transmit_s(bits, rate_bps);
    if (is_plain(world, server, use) || isinf(end_s))
        return end_s + delay_s(world, server);
    const struct link_params link = law_of(world, server, use, rate_bps);
    double most_s = link.deadline_s > 0.0 ? link.deadline_s - (end_s + link.delay_s) : (double) INFINITY;
    if (is_prompt(&link) || most_s <= 0.0)
        return bounded_s(&link, end_s + link.delay_s);
    struct train train = {.packets = transfer_packets(bits),
                          .packet_s = radio_transmit_s(PACKET_BITS, rate_bps)};
    train.last_s = end_s - (train.packets - 1.0) * train.packet_s;
    return end_s + expected_late_s(&link, &train, most_s) + link.delay_s;
}

/* P(a packet comes through, at most u late). What is given up is that with its last transmission. */
static double come_within(const struct link_params *link, double given_up, double u)
{
    double left_s = u - (link->transmissions - 1.0) * link->retransmit_s;
    if (u < 0.0)
        return 0.0;
    if (left_s < 0.0)
        given_up = 0.0; /* later than u */
    else if (left_s < link->jitter_s)
        given_up *= left_s / link->jitter_s;
    return lost_by_at_most(link, u) - given_up;
}

double transfer_expected_missing(const struct world *world, uint32_t server, const struct channel_use *use,
                                 double bits, double rate_bps)
{
    if (!channel_loses(&world->scenario, use))
        return 0.0;
    const struct link_params link = law_of(world, server, use, rate_bps);
    double given_up = channel_given_up(&world->scenario, use);
    uint32_t packets = transfer_packets(bits);
    if (link.deadline_s <= 0.0 ||
        radio_transmit_s(bits, rate_bps) + longest_late_s(&link) + link.delay_s <= link.deadline_s)
        return given_up;
    if (is_prompt(&link)) {
        double in_time = floor((link.deadline_s - link.delay_s) / radio_transmit_s(PACKET_BITS, rate_bps));
        return 1.0 - (1.0 - given_up) * fmax(fmin(in_time, packets - 1.0), 0.0) / packets;
    }
    double stride = fmax(packets / (double) SAMPLES, 1.0), came = 0.0, count = 0.0;
    for (double k = 0.5 * (stride - 1.0); k < packets; k += stride, count += 1.0) {
        double left_s = left_at_s(&link, bits, packets, (uint32_t) k);
        came += come_within(&link, given_up, link.deadline_s - left_s - link.delay_s);
    }
    return 1.0 - came / count;
}
