/* The radio (A4, A6). */
#ifndef HANDOFF_CORE_MODEL_RADIO_H
#define HANDOFF_CORE_MODEL_RADIO_H

#include "core/model/scenario.h"

/* g = 10^(-PL/10) * fading; distance in metres (>= d_min), fading is linear power (1: none). */
double radio_gain(const struct scenario *scenario, double distance_m, double fading);

/* The same from the squared distance: what the hot path has at hand. radio_gain calls this one. */
double radio_gain_squared(const struct scenario *scenario, double distance2_m2, double fading);

/* SNR = p g / (N0 b); bandwidth > 0. */
double radio_snr(const struct scenario *scenario, double bandwidth_hz, double transmit_power_w, double gain);

/* r = b log2(1 + p g / (N0 b)), bit/s; 0 when the bandwidth is 0. */
double radio_rate_bps(const struct scenario *scenario, double bandwidth_hz, double transmit_power_w,
                      double gain);

/* What a rate takes for bits; core/model/transfer adds the rest of a link. Infinite when there are bits to
 * send and no rate. */
double radio_transmit_s(double bits, double rate_bps);

/* The gain at which a band carries a rate: the inverse of radio_rate_bps. 0 for a rate of 0; may be infinite. */
double radio_gain_for_rate(const struct scenario *scenario, double bandwidth_hz, double transmit_power_w,
                           double rate_bps);

/* The fastest uplink this scenario asks for, bit/s: the whole band, at the least distance, on a channel so
 * good that Rayleigh fading exceeds it in one draw of 1e9. What a link has to be able to carry. */
double radio_peak_rate_bps(const struct scenario *scenario);

#endif
