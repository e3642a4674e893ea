#include "core/model/channel_radio.h"

#include <assert.h>

#include "core/base/elementary.h"
#include "core/base/units.h"
#include "core/model/radio.h"

#define LN_10 2.30258509299404568402
#define ELEMENTS_PER_SYMBOL 2.0

struct channel_use channel_up(const struct scenario *scenario, uint32_t split)
{
    return (struct channel_use){
        .payload = split > 0 ? CHANNEL_ACTIVATIONS : CHANNEL_TOKENS,
        .margin_db = scenario->channel.margin_db,
    };
}

struct channel_use channel_up_coded(const struct world *world, uint32_t split, uint32_t coding)
{
    struct channel_use use = channel_up(&world->scenario, split);
    if (coding > 0) /* 0 is the scenario's own; policies ask for every split */
        use.margin_db = coding_at(&world->codings, &world->scenario, coding).margin_db;
    return use;
}

bool channel_loses(const struct scenario *scenario, const struct channel_use *use)
{
    return scenario->channel.mode == CHANNEL_BOUNDED && use->payload == CHANNEL_ACTIVATIONS;
}

bool channel_gain_is_mean(const struct scenario *scenario)
{
    switch (scenario->channel.mode) {
    case CHANNEL_BOUNDED: return true;
    case CHANNEL_ANALOG:
        return scenario->channel.snr == SNR_RADIO && scenario->channel.fading != CHANNEL_AWGN;
    case CHANNEL_RELIABLE:
    case CHANNEL_ERASURE:
    case CHANNEL_BITS: return false;
    }
    assert(false); /* every mode is above */
    return false;
}

double channel_bits(const struct world *world, uint32_t split, uint32_t tokens, uint32_t coding)
{
    bool is_analog = world->scenario.channel.mode == CHANNEL_ANALOG;
    double coded = coding > 0 ? coding_at(&world->codings, &world->scenario, coding).bits_per_element
                              : world->scenario.model.bits_per_element;
    return llm_split_bits(world->llm, split, tokens, is_analog ? CHANNEL_ANALOG_BITS : coded);
}

static double margin(double margin_db)
{
    return elementary_exp(0.1 * LN_10 * margin_db);
}

double channel_outage(double margin_db)
{
    return -elementary_expm1(-1.0 / margin(margin_db));
}

static double power_of(double base, uint64_t exponent)
{
    double product = 1.0;
    for (uint64_t i = 0; i < exponent; i++)
        product *= base;
    return product;
}

/* What repetitions leave of a rate. Token ids are repeated until they come. */
static double first_share(const struct scenario *scenario, const struct channel_use *use)
{
    double lost = channel_outage(use->margin_db);
    if (use->payload == CHANNEL_TOKENS)
        return 1.0 - lost;
    return (1.0 - lost) / (1.0 - power_of(lost, scenario->channel.transmissions));
}

static double bounded_bps(const struct scenario *scenario, const struct channel_use *use, double bandwidth_hz,
                          double transmit_power_w, double gain)
{
    double bps = radio_rate_bps(scenario, bandwidth_hz, transmit_power_w, gain / margin(use->margin_db));
    return bps * first_share(scenario, use);
}

double channel_rate_bps(const struct scenario *scenario, const struct channel_use *use, double bandwidth_hz,
                        double transmit_power_w, double gain)
{
    assert(use->payload != CHANNEL_RESULT);
    switch (scenario->channel.mode) {
    case CHANNEL_BOUNDED: return bounded_bps(scenario, use, bandwidth_hz, transmit_power_w, gain);
    case CHANNEL_ANALOG:
        if (use->payload == CHANNEL_ACTIVATIONS)
            return gain > 0.0 ? ELEMENTS_PER_SYMBOL * CHANNEL_ANALOG_BITS * bandwidth_hz : 0.0;
        break;
    case CHANNEL_RELIABLE:
        if (scenario->channel.harq == SWITCH_ON)
            return radio_rate_bps(scenario, bandwidth_hz, transmit_power_w, gain) *
                   (1.0 - scenario->channel.harq_error);
        break;
    case CHANNEL_ERASURE:
    case CHANNEL_BITS: break;
    }
    return radio_rate_bps(scenario, bandwidth_hz, transmit_power_w, gain);
}

double channel_up_bps(const struct world *world, uint32_t server, const struct channel_use *use,
                      double bandwidth_hz, double transmit_power_w, double gain)
{
    const struct server_params *params = &world->server[server];
    assert(server < world->servers);
    double bps = channel_rate_bps(&world->scenario, use, bandwidth_hz, transmit_power_w, gain);
    if (params->wan.up_bps <= 0.0)
        return bps;
    double wan_bps = params->wan.up_bps * (bandwidth_hz / (params->bandwidth_mhz * UNITS_MHZ));
    return bps < wan_bps ? bps : wan_bps;
}

double channel_peak_rate_bps(const struct scenario *scenario)
{
    const struct channel_use use = channel_up(scenario, 1);
    double bandwidth_hz = tiers_bandwidth_most_mhz(scenario) * UNITS_MHZ;
    double gain = radio_gain(scenario, scenario->radio.min_distance_m, 1.0);
    double coded_bps = radio_peak_rate_bps(scenario); /* token ids of mode analog, too */
    if (scenario->channel.mode != CHANNEL_ANALOG && scenario->channel.mode != CHANNEL_BOUNDED)
        return coded_bps;
    double bps = channel_rate_bps(scenario, &use, bandwidth_hz, scenario->devices.transmit_power_w, gain);
    return scenario->channel.mode == CHANNEL_BOUNDED || bps > coded_bps ? bps : coded_bps;
}

double channel_lost(const struct scenario *scenario, const struct channel_use *use)
{
    double loss = scenario->link.loss;
    if (scenario->channel.mode != CHANNEL_BOUNDED || use->payload == CHANNEL_RESULT)
        return loss;
    double lost = channel_outage(use->margin_db);
    return lost + loss - lost * loss;
}

double channel_given_up(const struct scenario *scenario, const struct channel_use *use)
{
    if (!channel_loses(scenario, use))
        return 0.0;
    return power_of(channel_lost(scenario, use), scenario->channel.transmissions);
}
