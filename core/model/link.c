#include "core/model/link.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/elementary.h"
#include "core/base/err.h"

#define BITS 8.0
#define ROUNDING_BITS 1e-3 /* a packet is through when less than that is missing */

/* ---- a line ---- */

static int line_push(struct link_line *line, const struct link_packet *packet, double due_s)
{
    if (line->count == line->capacity) {
        size_t capacity = line->capacity > 0 ? 2 * line->capacity : 8;
        struct link_place *place = calloc(capacity, sizeof *place);
        if (place == NULL)
            return -ENOMEM;
        for (size_t i = 0; i < line->count; i++)
            place[i] = line->place[(line->first + i) % line->capacity];
        free(line->place);
        line->place = place;
        line->capacity = capacity;
        line->first = 0;
    }
    assert(line->count < line->capacity);
    line->place[(line->first + line->count++) % line->capacity] =
        (struct link_place){.packet = *packet, .due_s = due_s};
    line->bytes += packet->bytes;
    return 0;
}

static struct link_place line_pop(struct link_line *line)
{
    assert(line->count > 0);
    struct link_place place = line->place[line->first];
    line->first = (line->first + 1) % line->capacity;
    line->count--;
    line->bytes = line->count > 0 ? line->bytes - place.packet.bytes : 0.0;
    return place;
}

static double line_due_s(const struct link_line *line)
{
    return line->count > 0 ? line->place[line->first].due_s : (double) INFINITY;
}

/* When the last of the line leaves; -INFINITY: the line is empty. */
static double line_end_s(const struct link_line *line)
{
    return line->count > 0 ? line->place[(line->first + line->count - 1) % line->capacity].due_s
                           : -(double) INFINITY;
}

static void line_clear(struct link_line *line)
{
    line->first = line->count = 0;
    line->bytes = 0.0;
}

/* ---- the rate ---- */

static void count(struct link_rate *rate, double now_s)
{
    double bits = now_s > rate->counted_s ? rate->rate_bps * (now_s - rate->counted_s) : 0.0;
    if (rate->busy) {
        rate->credit_bits += bits;
        rate->allowed_bits += bits;
    }
    rate->counted_s = now_s > rate->counted_s ? now_s : rate->counted_s;
}

static double rate_due_s(const struct link_rate *rate)
{
    double missing = BITS * rate->packet.bytes - rate->credit_bits;
    if (!rate->busy)
        return (double) INFINITY;
    if (missing <= ROUNDING_BITS)
        return rate->counted_s;
    return rate->rate_bps > 0.0 ? rate->counted_s + missing / rate->rate_bps : (double) INFINITY;
}

static void rate_set(struct link_rate *rate, double now_s, double rate_bps)
{
    assert(rate_bps >= 0.0);
    count(rate, now_s);
    rate->rate_bps = rate_bps;
}

static void rate_offer(struct link_rate *rate, double now_s, const struct link_packet *packet)
{
    assert(!rate->busy);
    count(rate, now_s);
    rate->busy = true;
    rate->packet = *packet;
    rate->credit_bits = 0.0;
}

static struct link_packet rate_take(struct link_rate *rate, double now_s)
{
    assert(rate->busy);
    count(rate, now_s);
    rate->busy = false;
    return rate->packet;
}

/* ---- loss, HARQ and jitter ---- */

/* Word 0 of a packet's block is for its losses, word 1 for its jitter, word 2 for HARQ. */
static double draw(const struct link_params *params, uint64_t index, unsigned word)
{
    return rng_u01(rng_block(&params->draws, (uint32_t) index).v[word]);
}

/* Geometric, by inversion. */
static uint32_t failures(const struct link_params *params, uint64_t index, unsigned word, double probability)
{
    if (probability <= 0.0)
        return 0;
    double chance = elementary_log(draw(params, index, word));
    double lost = floor(chance / elementary_log(probability));
    return lost < LINK_LOSSES_MAX ? (uint32_t) lost : LINK_LOSSES_MAX;
}

uint32_t link_losses(const struct link_params *params, uint64_t index)
{
    return failures(params, index, 0, params->loss);
}

static uint32_t harq_failures(const struct link_params *params, uint64_t index)
{
    return failures(params, index, 2, params->harq_error);
}

bool link_gives_up(const struct link_params *params, uint64_t index)
{
    return params->transmissions > 0 && link_losses(params, index) >= params->transmissions;
}

/* Lost transmissions that another one follows. */
static uint32_t repeated(const struct link_params *params, uint32_t losses)
{
    bool is_bounded = params->transmissions > 0 && losses >= params->transmissions;
    return is_bounded ? params->transmissions - 1 : losses;
}

double link_harq_s(const struct link_params *params, uint32_t failed)
{
    if (failed == 0)
        return 0.0;
    uint32_t above = failed / params->harq_transmissions;
    return (failed - above) * params->harq_interval_s + above * params->retransmit_s;
}

double link_latest_s(const struct link_params *params)
{
    double lost_s = params->loss > 0.0 ? repeated(params, LINK_LOSSES_MAX) * params->retransmit_s : 0.0;
    double harq_s = params->harq_error > 0.0 ? link_harq_s(params, LINK_LOSSES_MAX) : 0.0;
    return lost_s + harq_s + params->jitter_s;
}

double link_jitter_s(const struct link_params *params, uint64_t index)
{
    return params->jitter_s > 0.0 ? params->jitter_s * draw(params, index, 1) : 0.0;
}

double link_late_s(const struct link_params *params, uint64_t index)
{
    double lost_s = repeated(params, link_losses(params, index)) * params->retransmit_s;
    return lost_s + link_harq_s(params, harq_failures(params, index)) + link_jitter_s(params, index);
}

/* ---- the whole ---- */

static bool are_possible(const struct link_params *params)
{
    return params->rate_bps >= 0.0 && params->delay_s >= 0.0 && params->jitter_s >= 0.0 &&
           params->loss >= 0.0 && params->loss < 1.0 && params->retransmit_s >= 0.0 &&
           params->deadline_s >= 0.0 && params->harq_error >= 0.0 && params->harq_error < 1.0 &&
           (params->harq_error <= 0.0 || params->harq_transmissions > 0) && params->harq_interval_s >= 0.0 &&
           params->queue_bytes >= 0.0;
}

void link_init(struct link *link, const struct link_params *params, double now_s)
{
    assert(are_possible(params));
    *link = (struct link){.params = *params,
                          .end_s = params->deadline_s > 0.0 ? now_s + params->deadline_s : (double) INFINITY,
                          .rate = {.rate_bps = params->rate_bps, .counted_s = now_s},
                          .packets = params->first_packet};
}

void link_restart(struct link *link, const struct link_params *params, double now_s)
{
    link_clear(link, now_s);
    struct link_line queue = link->queue, air = link->air; /* their memory */
    link_init(link, params, now_s);
    link->queue = queue;
    link->air = air;
}

void link_finish(struct link *link)
{
    free(link->queue.place);
    free(link->air.place);
    *link = (struct link){0};
}

/* The head of the queue begins at the moment the rate is free for it. */
static void feed_rate(struct link *link, double now_s)
{
    if (link->rate.busy || link->queue.count == 0)
        return;
    struct link_packet packet = line_pop(&link->queue).packet;
    rate_offer(&link->rate, now_s, &packet);
}

int link_offer(struct link *link, double now_s, double bytes)
{
    double bound = link->params.queue_bytes;
    assert(bytes >= 0.0);
    if (bound > 0.0 && link->queue.bytes + bytes > bound)
        return ERR_TOO_BIG;
    struct link_packet packet = {.index = link->packets, .bytes = bytes};
    int rc = line_push(&link->queue, &packet, now_s);
    if (rc != 0)
        return rc;
    link->packets++;
    feed_rate(link, now_s);
    return 0;
}

/* When the packet on the rate leaves it: at the latest with the deadline, but not in the past. */
static double leaves_s(const struct link *link)
{
    double due_s = rate_due_s(&link->rate);
    if (due_s <= link->end_s || !link->rate.busy)
        return due_s;
    return fmax(link->end_s, link->rate.counted_s);
}

/* Moves what has left the rate by now into the air. The next packet begins when the one before has left, not
 * at the time of the call. */
static void advance(struct link *link, double now_s)
{
    for (double due_s = leaves_s(link); due_s <= now_s; due_s = leaves_s(link)) {
        struct link_packet packet = rate_take(&link->rate, due_s);
        const struct link_params *params = &link->params;
        double arrival_s = due_s + link_late_s(params, packet.index) + params->delay_s;
        if (arrival_s > link->end_s)
            arrival_s = fmax(link->end_s, due_s);
        double behind_s = line_end_s(&link->air);
        /* Out of memory: the packet is lost, as a packet may be. */
        (void) line_push(&link->air, &packet, arrival_s > behind_s ? arrival_s : behind_s);
        feed_rate(link, due_s);
    }
}

void link_set_rate(struct link *link, double now_s, double rate_bps)
{
    advance(link, now_s);
    rate_set(&link->rate, now_s, rate_bps);
}

double link_due_s(const struct link *link)
{
    double rate_s = leaves_s(link), air_s = line_due_s(&link->air);
    return rate_s < air_s ? rate_s : air_s;
}

bool link_take(struct link *link, double now_s, struct link_packet *ret_packet, double *ret_arrival_s)
{
    advance(link, now_s);
    if (line_due_s(&link->air) > now_s)
        return false;
    struct link_place place = line_pop(&link->air);
    *ret_packet = place.packet;
    *ret_arrival_s = place.due_s;
    return true;
}

double link_bytes(const struct link *link)
{
    return link->queue.bytes + (link->rate.busy ? link->rate.packet.bytes : 0.0) + link->air.bytes;
}

size_t link_packets(const struct link *link)
{
    return link->queue.count + (link->rate.busy ? 1 : 0) + link->air.count;
}

double link_end_s(const struct link *link)
{
    return line_end_s(&link->air);
}

bool link_is_over(const struct link *link, double now_s)
{
    return now_s >= link->end_s;
}

void link_clear(struct link *link, double now_s)
{
    count(&link->rate, now_s);
    link->rate.busy = false;
    line_clear(&link->queue);
    line_clear(&link->air);
}
