#include "core/model/cost.h"

#include <assert.h>
#include <math.h>

#include "core/base/units.h"
#include "core/model/faults.h"
#include "core/model/layer_times.h"
#include "core/model/radio.h"
#include "core/model/transfer.h"

double cost_latency_s(const struct task_times *times)
{
    return
#define TASK_TIME(name, meaning) +times->name
#include "core/model/cost.def"
        ;
}

double cost_energy_j(const struct scenario *scenario, const struct task_joules *joules)
{
    return joules->compute_j + joules->transmit_j + scenario->objective.server_energy * joules->server_j;
}

double cost_layer_flop(const struct world *world, uint32_t tokens)
{
    if (world->times != NULL)
        return layer_times_at(world->times, tokens) * (world->scenario.model.times_tflops * UNITS_TFLOP);
    double flop = llm_layer_flop(world->llm, world->scenario.model.work, tokens);
    switch (world->scenario.model.attention) {
    case ATTENTION_IGNORED: return flop;
    case ATTENTION_COUNTED: return flop + llm_attention_flop(world->llm, tokens);
    }
    assert(false); /* every word is above */
    return 0.0;
}

double cost_local_s(const struct world *world, const struct device_params *device, uint32_t tokens,
                    uint32_t split)
{
    return (double) split * cost_layer_flop(world, tokens) / device->flops;
}

double cost_edge_s(const struct world *world, double server_flops, double compute_share, uint32_t tokens,
                   uint32_t split)
{
    if (split >= world->llm->layers)
        return 0.0;
    double layers = (double) (world->llm->layers - split);
    return layers * cost_layer_flop(world, tokens) / (server_flops * compute_share);
}

struct task_joules cost_joules(const struct device_params *device, double server_power_w,
                               double compute_share, const struct task_times *times)
{
    return (struct task_joules){
        .compute_j = device->power_w * times->local_s,
        .transmit_j = device->transmit_power_w * times->transmit_s,
        .server_j = server_power_w * compute_share * times->edge_s,
    };
}

double cost_full_s(const struct world *world, const struct device_params *device, uint32_t tokens)
{
    return cost_local_s(world, device, tokens, world->llm->layers);
}

double cost_full_j(const struct world *world, const struct device_params *device, uint32_t tokens)
{
    return device->power_w * cost_full_s(world, device, tokens);
}

double cost_normalised(const struct scenario *scenario, double latency_s, double energy_j, double full_s,
                       double full_j)
{
    double weight = scenario->objective.latency_weight;
    return weight * (latency_s / full_s) + (1.0 - weight) * (energy_j / full_j);
}

/* An all-local task costs exactly 1: both quotients are x / x, and w + (1 - w) rounds to 1 for every w in [0,
 * 1]. */
double cost_accrued(const struct world *world, const struct device_params *device, uint32_t tokens,
                    double seconds, double joules)
{
    assert(tokens > 0); /* what no task took has no cost */
    double full_s = cost_full_s(world, device, tokens);
    return cost_normalised(&world->scenario, seconds, joules, full_s, device->power_w * full_s);
}

double cost_lateness(const struct scenario *scenario, double latency_s)
{
    if (!cost_deadline_missed(scenario, latency_s))
        return 0.0;
    return scenario->objective.deadline_penalty * (latency_s / scenario->objective.deadline_s - 1.0);
}

double cost_task(const struct world *world, const struct device_params *device, uint32_t tokens,
                 double latency_s, double energy_j, bool repaired)
{
    double cost = cost_accrued(world, device, tokens, latency_s, energy_j);
    cost += cost_lateness(&world->scenario, latency_s);
    return repaired ? cost + world->scenario.objective.repair_penalty : cost;
}

bool cost_deadline_missed(const struct scenario *scenario, double latency_s)
{
    return scenario->objective.deadline_s > 0.0 && latency_s > scenario->objective.deadline_s;
}

/* The shares of their speeds that the two nodes have. */
struct pace {
    double device, server;
};

static void compose(const struct world *world, struct pace pace, uint32_t device, uint32_t tokens,
                    double gain, const struct task_plan *plan, struct task_outcome *ret)
{
    const struct scenario *scenario = &world->scenario;
    const struct device_params *params = &world->device[device];
    bool remote = plan->split < world->llm->layers;
    double server_power_w = 0.0;
    *ret = (struct task_outcome){0};
    ret->times.local_s = cost_local_s(world, params, tokens, plan->split) / pace.device;
    if (remote) {
        const struct server_params *server = &world->server[plan->server];
        double bandwidth_hz = plan->bandwidth_share * scenario->radio.bandwidth_mhz * UNITS_MHZ;
        server_power_w = server->power_w;
        ret->payload_bits = llm_split_bits(world->llm, plan->split, tokens, scenario->model.bits_per_element);
        ret->rate_bps = radio_rate_bps(scenario, bandwidth_hz, params->transmit_power_w, gain);
        ret->times.transmit_s =
            transfer_expected_s(scenario, ret->payload_bits, ret->rate_bps) +
            transfer_expected_s(scenario, transfer_down_bits(scenario), transfer_down_bps(scenario));
        ret->times.edge_s =
            cost_edge_s(world, server->flops, plan->compute_share, tokens, plan->split) / pace.server;
    }
    ret->joules = cost_joules(params, server_power_w, plan->compute_share, &ret->times);
    ret->latency_s = cost_latency_s(&ret->times);
    ret->energy_j = cost_energy_j(scenario, &ret->joules);
}

void cost_outcome(const struct world *world, uint32_t device, uint32_t tokens, double gain,
                  const struct task_plan *plan, struct task_outcome *ret)
{
    compose(world, (struct pace){1.0, 1.0}, device, tokens, gain, plan, ret);
}

void cost_outcome_in(const struct world *world, struct slot_id id, uint32_t device, uint32_t tokens,
                     double gain, const struct task_plan *plan, struct task_outcome *ret)
{
    struct pace pace = {.device = faults_speed(world->faults, id, false, device), .server = 1.0};
    assert(device < world->devices);
    assert(plan->split >= world->llm->layers || plan->server < world->servers);
    if (plan->split < world->llm->layers)
        pace.server = faults_speed(world->faults, id, true, plan->server);
    compose(world, pace, device, tokens, gain, plan, ret);
}
