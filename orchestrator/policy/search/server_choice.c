#include "orchestrator/policy/search/server_choice.h"

#include <assert.h>

#include "core/model/env_splits.h"

uint32_t server_choice_best_channel(const struct env_view *view, uint32_t device)
{
    uint32_t servers = view->world->servers;
    const double *gain = view->gain + (size_t) device * servers;
    const bool *covered = view->covered + (size_t) device * servers;
    uint32_t best = ENV_LOCAL;
    for (uint32_t m = 0; m < servers; m++)
        if (covered[m] && (best == ENV_LOCAL || gain[m] > gain[best]))
            best = m;
    return best;
}

uint32_t server_choice_nearest(const struct env_view *view, uint32_t device)
{
    uint32_t servers = view->world->servers;
    const bool *covered = view->covered + (size_t) device * servers;
    uint32_t best = ENV_LOCAL;
    double best_m = 0.0;
    for (uint32_t m = 0; m < servers; m++) {
        double distance_m = device_slot_distance_m(view->world, view->position[device], m);
        if (covered[m] && (best == ENV_LOCAL || distance_m < best_m)) {
            best = m;
            best_m = distance_m;
        }
    }
    return best;
}

/* Where splits are bound the one that is nearest to the wish: on the way there, and no wish that has to be mended. */
static uint32_t reachable(const struct env_view *view, uint32_t device, uint32_t split)
{
    uint32_t first = 0, last = 0;
    if (!env_splits_are_bound(view->world))
        return split;
    env_splits_range(view, device, &first, &last);
    if (split < first)
        return first;
    return split < last ? split : last;
}

void server_choice_for_all(const struct env_view *view, uint32_t split,
                           uint32_t (*pick)(const struct env_view *view, uint32_t device),
                           struct env_decision *decision)
{
    const struct world *world = view->world;
    for (uint32_t n = 0; n < world->devices; n++) {
        uint32_t server = view->present[n] ? pick(view, n) : ENV_LOCAL;
        assert(server == ENV_LOCAL || server < world->servers);
        uint32_t wish = server != ENV_LOCAL ? reachable(view, n, split) : split;
        bool local = server == ENV_LOCAL || wish >= world->llm->layers;
        decision->server[n] = local ? ENV_LOCAL : server;
        decision->split[n] = local ? world->llm->layers : wish;
    }
    env_repair(view, decision);
}
