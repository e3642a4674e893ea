#include "core/model/channel.h"

#include <assert.h>

#include "core/base/rng.h"

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

double channel_condition(const struct world *world, uint32_t device, struct slot_id id, double gain,
                         double bandwidth_share)
{
    (void) gain; /* what is drawn does not depend on the link */
    (void) bandwidth_share;
    return channel_drawn(world, device, id);
}
