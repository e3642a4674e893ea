#include "core/model/channel_missing.h"

static struct link_params link_of(const struct world *world, const struct channel_crossing *crossing)
{
    return transfer_link(world, crossing->id, crossing->device, crossing->server, &crossing->use,
                         crossing->rate_bps);
}

bool channel_packet_missing(const struct world *world, const struct channel_crossing *crossing,
                            uint32_t packet)
{
    if (!channel_loses(&world->scenario, &crossing->use))
        return false;
    const struct link_params link = link_of(world, crossing);
    return transfer_is_missing(&link, crossing->bits, packet);
}

uint32_t channel_missing(const struct world *world, const struct channel_crossing *crossing,
                         uint8_t *ret_missing)
{
    bool loses = channel_loses(&world->scenario, &crossing->use);
    const struct link_params link = link_of(world, crossing);
    uint32_t packets = transfer_packets(crossing->bits), count = 0;
    for (uint32_t i = 0; i < packets; i++) {
        bool is_missing = loses && transfer_is_missing(&link, crossing->bits, i);
        count += is_missing ? 1 : 0;
        if (ret_missing != NULL)
            ret_missing[i] = is_missing;
    }
    return count;
}

double channel_missing_share(const struct world *world, const struct channel_crossing *crossing)
{
    if (!channel_loses(&world->scenario, &crossing->use))
        return 0.0;
    return (double) channel_missing(world, crossing, NULL) / transfer_packets(crossing->bits);
}
