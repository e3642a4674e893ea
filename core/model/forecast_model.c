/* The true model as the source of a forecast's durations. */
#include "core/base/units.h"

#include <assert.h>
#include "core/model/cost.h"
#include "core/model/forecast.h"
#include "core/model/radio.h"
#include "core/model/transfer.h"

static double rate_bps(const struct env_view *view, const struct channel_use *use, uint32_t n, uint32_t m,
                       uint32_t load)
{
    assert(load > 0 && m < view->world->servers);
    double bandwidth_hz = view->world->server[m].bandwidth_mhz * UNITS_MHZ / load;
    return channel_up_bps(view->world, m, use, bandwidth_hz, view->world->device[n].transmit_power_w,
                          view->gain[(size_t) n * view->world->servers + m]);
}

static void device(void *user, const struct env_view *view, uint32_t n, struct forecast_spent *ret)
{
    const struct device_params *params = &view->world->device[n];
    (void) user;
    for (uint32_t s = 0; s <= view->world->llm->layers; s++) {
        double seconds = cost_local_s(view->world, params, view->tokens[n], s);
        ret[s] = (struct forecast_spent){seconds, params->power_w * seconds};
    }
}

static void uplink(void *user, const struct env_view *view, uint32_t n, uint32_t m, uint32_t load,
                   struct forecast_spent *ret)
{
    const struct world *world = view->world;
    double bps = 0.0;
    (void) user;
    for (uint32_t coding = 0; coding < world->codings.count; coding++)
        for (uint32_t s = 0; s < world->llm->layers; s++, ret++) {
            const struct channel_use use = channel_up_coded(world, s, coding);
            double bits = channel_bits(world, s, view->tokens[n], coding);
            if (s <= 1) /* token ids, then activations: of all splits alike */
                bps = rate_bps(view, &use, n, m, load);
            double seconds = transfer_expected_s(world, m, &use, bits, bps);
            *ret = (struct forecast_spent){seconds, world->device[n].transmit_power_w * seconds};
        }
}

static void server(void *user, const struct env_view *view, uint32_t n, uint32_t m,
                   struct forecast_spent *ret)
{
    const struct server_params *params = &view->world->server[m];
    (void) user;
    for (uint32_t s = 0; s < view->world->llm->layers; s++) {
        double seconds = cost_edge_s(view->world, m, 1.0, view->tokens[n], s);
        ret[s] = (struct forecast_spent){seconds, params->power_w * seconds};
    }
}

static double rest_s(void *user, const struct env_view *view, uint32_t n, uint32_t m, uint32_t load,
                     double bits)
{
    const struct channel_use use = channel_up(&view->world->scenario, 1); /* token ids are few */
    (void) user;
    return radio_transmit_s(bits, rate_bps(view, &use, n, m, load));
}

static double damage(void *user, const struct env_view *view, uint32_t n, uint32_t m, uint32_t load,
                     struct forecast_way way)
{
    const struct world *world = view->world;
    const struct task_plan plan = {.split = way.split,
                                   .server = m,
                                   .bandwidth_share = 1.0 / load,
                                   .compute_share = 1.0,
                                   .coding = way.coding};
    double gain = view->gain[(size_t) n * world->servers + m];
    struct task_outcome outcome = {0};
    (void) user;
    if (world->scenario.channel.mode == CHANNEL_BOUNDED)
        cost_outcome(world, n, view->tokens[n], gain, &plan, &outcome);
    struct task_quality quality = cost_quality_planned(world, n, view->id, gain, &plan, &outcome);
    return cost_damage(&world->scenario, quality.log_ratio);
}

static double down_s(void *user, const struct env_view *view, uint32_t m)
{
    const struct world *world = view->world;
    (void) user;
    return transfer_expected_s(world, m, &channel_down, transfer_down_bits(&world->scenario),
                               transfer_down_bps(world, m));
}

struct forecast_source forecast_model(const struct world *world)
{
    return (struct forecast_source){
        .device = device,
        .link = uplink,
        .server = server,
        .rest_s = rest_s,
        .damage = cost_counts_quality(world) ? damage : NULL,
        .down_s = down_s,
    };
}
