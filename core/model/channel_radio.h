/* What channel.mode makes of the radio: how many bits a payload has, at which rate it is sent, and how likely one
 * transmission of a packet is lost. It holds on the way up. RESULTs, and token ids (split 0), always come through whole.
 *
 *     reliable   r = b log2(1 + SNR). With channel.harq the part e of it that repetitions take is gone: r (1 - e)
 *     bounded    r = b log2(1 + SNR / margin), from the mean gain; block fading loses a transmission with probability
 *                p = 1 - exp(-(2^(r/b) - 1) / SNR) = 1 - exp(-1 / margin). Of that rate, (1 - p) / (1 - p^k) is left
 *                for first transmissions when each packet has k at most
 *     analog     two real elements are one complex symbol, at b symbols/s: n d / (2 b) seconds whatever the SNR
 *     erasure, bits   as reliable
 *
 * Source: outage of Rayleigh block fading, Tse and Viswanath, Fundamentals of Wireless Communication (2005), section
 * 5.4; the share that repetitions leave is the geometric series of a saturated sender. */
#ifndef HANDOFF_CORE_MODEL_CHANNEL_RADIO_H
#define HANDOFF_CORE_MODEL_CHANNEL_RADIO_H

#include <stdbool.h>
#include <stdint.h>

#include "core/model/world.h"

/* An element of an analog payload is declared as so many bits. */
#define CHANNEL_ANALOG_BITS 32.0

enum channel_payload { CHANNEL_ACTIVATIONS, CHANNEL_TOKENS, CHANNEL_RESULT };

/* What crosses, and how carefully. */
struct channel_use {
    enum channel_payload payload;
    double margin_db; /* mode bounded */
};

/* What a device sends after `split` layers, with the scenario's margin, or that of a decided coding (coding.h). */
struct channel_use channel_up(const struct scenario *scenario, uint32_t split);
struct channel_use channel_up_coded(const struct world *world, uint32_t split, uint32_t coding);
static const struct channel_use channel_down = {.payload = CHANNEL_RESULT};

/* Packets of it may be missing. */
bool channel_loses(const struct scenario *scenario, const struct channel_use *use);
/* The slot's gain is a mean over small-scale fading: the channel's mode fades it. */
bool channel_gain_is_mean(const struct scenario *scenario);

/* D_s of a prompt's `tokens` in a coding, bits (A7). */
double channel_bits(const struct world *world, uint32_t split, uint32_t tokens, uint32_t coding);
/* bit/s; 0 when the bandwidth or the gain is 0. */
double channel_rate_bps(const struct scenario *scenario, const struct channel_use *use, double bandwidth_hz,
                        double transmit_power_w, double gain);
/* The same to a server, of whose band the device has bandwidth_hz: no more than that part of what the network behind its
 * radio carries (tiers.h). */
double channel_up_bps(const struct world *world, uint32_t server, const struct channel_use *use,
                      double bandwidth_hz, double transmit_power_w, double gain);
/* The fastest uplink that a scenario asks for (radio_peak_rate_bps), to any of its servers. */
double channel_peak_rate_bps(const struct scenario *scenario);

/* p: block fading loses a transmission. margin_db must be such that p < 1 (the key's bounds). */
double channel_outage(double margin_db);
/* One transmission of a packet is lost: block fading and link.loss, of each other independent. */
double channel_lost(const struct scenario *scenario, const struct channel_use *use);
/* A packet is given up after all its transmissions, however long they may take; 0: none ever is. */
double channel_given_up(const struct scenario *scenario, const struct channel_use *use);

#endif
