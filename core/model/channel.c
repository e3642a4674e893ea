#include "core/model/channel.h"

#include <assert.h>
#include <math.h>

#include "core/base/elementary.h"
#include "core/base/rng.h"
#include "core/base/units.h"
#include "core/model/channel_radio.h"
#include "core/model/radio.h"

void channel_range(const struct scenario *scenario, double *ret_least, double *ret_most)
{
    *ret_least = *ret_most = 0.0;
    switch (scenario->channel.mode) {
    case CHANNEL_RELIABLE: return;
    case CHANNEL_BOUNDED: *ret_most = 1.0; return;
    case CHANNEL_ANALOG:
        *ret_least = scenario->channel.snr_db_min;
        *ret_most = scenario->channel.snr_db_max;
        return;
    case CHANNEL_ERASURE:
        *ret_least = scenario->channel.loss_min;
        *ret_most = scenario->channel.loss_max;
        return;
    case CHANNEL_BITS: *ret_least = *ret_most = scenario->channel.bit_error; return;
    }
    assert(false); /* every mode is above */
}

double channel_drawn(const struct world *world, uint32_t device, struct slot_id id)
{
    const struct rng_at at = {
        .seed = world->seed,
        .phase = id.phase,
        .stream = RNG_CHANNEL,
        .entity = device,
        .episode = id.episode,
    };
    double least = 0.0, most = 0.0;
    switch (world->scenario.channel.mode) {
    case CHANNEL_RELIABLE:
    case CHANNEL_BOUNDED: return 0.0;
    case CHANNEL_ANALOG:
        if (world->scenario.channel.snr == SNR_RADIO)
            return 0.0;
        break;
    case CHANNEL_ERASURE: break;
    case CHANNEL_BITS: return world->scenario.channel.bit_error;
    }
    channel_range(&world->scenario, &least, &most);
    return rng_range(&at, 0, least, most);
}

static double snr_db(const struct world *world, uint32_t device, double gain, double bandwidth_share)
{
    const struct scenario *scenario = &world->scenario;
    double bandwidth_hz = bandwidth_share * scenario->radio.bandwidth_mhz * UNITS_MHZ;
    if (!(gain > 0.0) || !(bandwidth_hz > 0.0))
        return CHANNEL_SNR_DB_LEAST; /* nothing crosses */
    double snr = radio_snr(scenario, bandwidth_hz, world->device[device].transmit_power_w, gain);
    return fmax(10.0 * elementary_log10(snr), CHANNEL_SNR_DB_LEAST);
}

double channel_condition(const struct world *world, uint32_t device, struct slot_id id, double gain,
                         double bandwidth_share)
{
    return channel_condition_coded(world, device, id, gain, bandwidth_share, 0);
}

double channel_condition_coded(const struct world *world, uint32_t device, struct slot_id id, double gain,
                               double bandwidth_share, uint32_t coding)
{
    const struct scenario *scenario = &world->scenario;
    const struct channel_use use = channel_up_coded(world, 1, coding);
    switch (scenario->channel.mode) {
    case CHANNEL_BOUNDED: return channel_given_up(scenario, &use);
    case CHANNEL_ANALOG:
        if (scenario->channel.snr == SNR_RADIO)
            return snr_db(world, device, gain, bandwidth_share);
        break;
    case CHANNEL_RELIABLE:
    case CHANNEL_ERASURE:
    case CHANNEL_BITS: break; /* what is drawn does not depend on the link */
    }
    return channel_drawn(world, device, id);
}
