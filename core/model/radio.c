#include "core/model/radio.h"

#include <assert.h>
#include <math.h>

#include "core/base/elementary.h"
#include "core/base/units.h"
#include "core/model/tiers.h"

#define LN_10 2.30258509299404568402
#define LN_1000 6.90775527898213705205
#define LN_2 0.693147180559945309417

/* PL[dB] = loss + slope log10(d / 1 km) and g = 10^(-PL/10), so that
 * ln g = (slope ln 1000 - loss ln 10) / 10 - slope / 20 ln d^2: one logarithm and one exponential, and no
 * root. */
double radio_gain_squared(const struct scenario *scenario, double distance2_m2, double fading)
{
    assert(distance2_m2 > 0.0);
    double slope_db = scenario->radio.path_loss_slope_db;
    double at_1_m = 0.1 * (slope_db * LN_1000 - scenario->radio.path_loss_db * LN_10);
    return elementary_exp(at_1_m - 0.05 * slope_db * elementary_log(distance2_m2)) * fading;
}

double radio_gain(const struct scenario *scenario, double distance_m, double fading)
{
    return radio_gain_squared(scenario, distance_m * distance_m, fading);
}

static double noise_w_per_hz(const struct scenario *scenario)
{
    return elementary_exp(0.1 * LN_10 * (scenario->radio.noise_dbm_hz - 30.0)); /* 30 dBm = 1 W */
}

static double snr_of(const struct scenario *scenario, double bandwidth_hz, double transmit_power_w,
                     double gain)
{
    return transmit_power_w * gain / (noise_w_per_hz(scenario) * bandwidth_hz);
}

double radio_snr(const struct scenario *scenario, double bandwidth_hz, double transmit_power_w, double gain)
{
    assert(bandwidth_hz > 0.0);
    return snr_of(scenario, bandwidth_hz, transmit_power_w, gain);
}

/* log1p and not log2(1 + x): in a deep fade x falls below the rounding of 1, and a rate of 0 would last for
 * ever. */
double radio_rate_bps(const struct scenario *scenario, double bandwidth_hz, double transmit_power_w,
                      double gain)
{
    if (bandwidth_hz <= 0.0)
        return 0.0;
    double snr = snr_of(scenario, bandwidth_hz, transmit_power_w, gain);
    return bandwidth_hz * (elementary_log1p(snr) / LN_2);
}

/* g = (2^(r/b) - 1) N0 b / p; expm1 as log1p above: the smallest rates keep all their digits. */
double radio_gain_for_rate(const struct scenario *scenario, double bandwidth_hz, double transmit_power_w,
                           double rate_bps)
{
    assert(bandwidth_hz > 0.0 && rate_bps >= 0.0);
    double noise_w = noise_w_per_hz(scenario) * bandwidth_hz;
    return elementary_expm1(rate_bps / bandwidth_hz * LN_2) * noise_w / transmit_power_w;
}

double radio_peak_rate_bps(const struct scenario *scenario)
{
    double fading = scenario->radio.fading == FADING_RAYLEIGH ? 9.0 * LN_10 : 1.0; /* P(Exp(1) > x) = e^-x */
    double gain = radio_gain(scenario, scenario->radio.min_distance_m, fading);
    return radio_rate_bps(scenario, tiers_bandwidth_most_mhz(scenario) * UNITS_MHZ,
                          scenario->devices.transmit_power_w, gain);
}

double radio_transmit_s(double bits, double rate_bps)
{
    if (bits <= 0.0)
        return 0.0;
    return rate_bps > 0.0 ? bits / rate_bps : (double) INFINITY;
}
