#include "orchestrator/policy/search/split_horizon.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/model/env_splits.h"
#include "orchestrator/policy/search/episode_slots.h"
#include "orchestrator/policy/search/own_cost.h"

static bool is_constant(const struct scenario *scenario)
{
    enum scenario_channel mode = scenario->channel.mode;
    bool follows_radio =
        mode == CHANNEL_BOUNDED || (mode == CHANNEL_ANALOG && scenario->channel.snr == SNR_RADIO);
    return !follows_radio && scenario->objective.reward != REWARD_COST;
}

int split_horizon_init(struct split_horizon *ret_horizon, const struct world *world, struct diag *diag)
{
    struct split_horizon horizon = {0};
    uint32_t last = 0;
    if (world->devices != 1 || !is_constant(&world->scenario))
        return diag_fail(
            diag, ERR_UNSUPPORTED,
            "with model.split_step it is exact only for devices.count: 1, objective.reward: shaped or "
            "paper, and a channel.mode whose condition an episode keeps");
    if (world->codings.count > 1)
        return diag_fail(diag, ERR_UNSUPPORTED, "with model.split_step it takes no action.formats");
    env_splits_bounds(world, 0, &horizon.first, &last);
    assert(horizon.first <= last); /* scenario_check has seen to it */
    horizon.count = last - horizon.first + 1;
    horizon.cost = calloc(3 * (size_t) horizon.count, sizeof *horizon.cost);
    if (horizon.cost == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    horizon.worth = horizon.cost + horizon.count;
    horizon.before = horizon.worth + horizon.count;
    *ret_horizon = horizon;
    return 0;
}

void split_horizon_finish(struct split_horizon *horizon)
{
    free(horizon->cost);
    *horizon = (struct split_horizon){0};
}

uint64_t split_horizon_slots(const struct env_view *view)
{
    uint64_t slots = episode_slots(&view->world->scenario, view->id.phase);
    return slots > view->id.slot ? slots - view->id.slot : 1;
}

/* The best of first .. last (places), by c + J_(r-1). */
static uint32_t best_of(const struct split_horizon *horizon, uint32_t first, uint32_t last, double *ret_worth)
{
    uint32_t best = first;
    assert(first <= last && last < horizon->count);
    *ret_worth = HUGE_VAL;
    for (uint32_t i = first; i <= last; i++) {
        double worth = horizon->cost[i] + horizon->before[i];
        if (worth < *ret_worth) {
            *ret_worth = worth;
            best = i;
        }
    }
    return best;
}

/* J_r of all splits from J_(r-1). */
static void go_back(struct split_horizon *horizon, uint32_t step)
{
    for (uint32_t i = 0; i < horizon->count; i++) {
        uint32_t first = i > step ? i - step : 0;
        uint32_t last = horizon->count - 1 - i > step ? i + step : horizon->count - 1;
        (void) best_of(horizon, first, last, &horizon->worth[i]);
    }
    memcpy(horizon->before, horizon->worth, horizon->count * sizeof *horizon->before);
}

uint32_t split_horizon_best(struct split_horizon *horizon, const struct env_view *view, uint32_t server,
                            uint64_t slots)
{
    uint32_t step = (uint32_t) view->world->scenario.model.split_step, first = 0, last = 0;
    double worth = 0.0;
    assert(slots > 0 && view->world->devices == 1);
    for (uint32_t i = 0; i < horizon->count; i++) {
        const struct task_plan plan = {
            .split = horizon->first + i, .server = server, .bandwidth_share = 1.0, .compute_share = 1.0};
        horizon->cost[i] = own_cost_truly(view, 0, &plan);
        horizon->before[i] = 0.0;
    }
    for (uint64_t r = 1; r < slots; r++)
        go_back(horizon, step);
    env_splits_range(view, 0, &first, &last);
    return horizon->first + best_of(horizon, first - horizon->first, last - horizon->first, &worth);
}
