#include "core/model/cost.h"

#include <assert.h>
#include <math.h>

#include "core/base/elementary.h"
#include "core/base/units.h"
#include "core/model/channel.h"
#include "core/model/chunks.h"
#include "core/model/env_splits.h"
#include "core/model/faults.h"
#include "core/model/layer_times.h"
#include "core/model/quality.h"
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

/* Of the rows' scores, those of the prompt's beginning alone are no work of theirs. */
static double attention_flop(const struct llm *llm, struct chunk_rows rows)
{
    return llm_attention_flop(llm, rows.first + rows.count) - llm_attention_flop(llm, rows.first);
}

static double rows_flop(const struct world *world, struct chunk_rows rows)
{
    if (world->times != NULL)
        return layer_times_at(world->times, rows.count) * (world->scenario.model.times_tflops * UNITS_TFLOP);
    double flop = llm_layer_flop(world->llm, world->scenario.model.work, rows.count);
    switch (world->scenario.model.attention) {
    case ATTENTION_IGNORED: return flop;
    case ATTENTION_COUNTED: return flop + attention_flop(world->llm, rows);
    }
    assert(false); /* every word is above */
    return 0.0;
}

static struct chunk_rows whole(uint32_t tokens)
{
    return (struct chunk_rows){0, tokens};
}

double cost_layer_flop(const struct world *world, uint32_t tokens)
{
    return rows_flop(world, whole(tokens));
}

double cost_server_flop(const struct world *world, uint32_t tokens, uint32_t split)
{
    uint32_t chunks = chunks_of(world, tokens, split);
    double flop = 0.0;
    for (uint32_t i = 0; i < chunks; i++)
        flop += rows_flop(world, chunks_rows(tokens, chunks, i));
    return (double) (world->llm->layers - split) * flop;
}

double cost_local_s(const struct world *world, const struct device_params *device, uint32_t tokens,
                    uint32_t split)
{
    return cost_local_rows_s(world, device, whole(tokens), split);
}

static double local_s(const struct device_params *device, uint32_t split, double layer_flop)
{
    return (double) split * layer_flop / device->flops;
}

double cost_local_rows_s(const struct world *world, const struct device_params *device,
                         struct chunk_rows rows, uint32_t split)
{
    return local_s(device, split, rows_flop(world, rows));
}

/* Where tasks reserve, more than reserve.fastest full shares make none faster. */
static double useful_share(const struct world *world, uint32_t server, double compute_share)
{
    if (world->scenario.servers.discipline != DISCIPLINE_RESERVED)
        return compute_share;
    double most = world->scenario.reserve.fastest * world->server[server].full_share;
    return compute_share > most ? most : compute_share;
}

double cost_answer_s(const struct world *world, uint32_t server, double compute_share, double answer_tokens)
{
    uint32_t tier = world->server[server].tier;
    double token_s = tier == TIERS_NONE ? 0.0 : world->scenario.tiers[tier].token_s;
    if (token_s <= 0.0 || answer_tokens <= 0.0)
        return 0.0;
    double shares = useful_share(world, server, compute_share) / world->server[server].full_share;
    return answer_tokens * token_s / shares;
}

double cost_price(const struct world *world, uint32_t server, double answer_tokens)
{
    uint32_t tier = world->server[server].tier;
    if (tier == TIERS_NONE)
        return 0.0;
    return world->scenario.tiers[tier].price +
           world->scenario.tiers[tier].price_tokens * answer_tokens / 1000.0;
}

double cost_tokens_made(double answer_tokens, double latency_s, double deadline_s)
{
    return cost_is_late(latency_s, deadline_s) ? answer_tokens * (deadline_s / latency_s) : answer_tokens;
}

double cost_edge_s(const struct world *world, uint32_t server, double compute_share, uint32_t tokens,
                   uint32_t split)
{
    return cost_edge_rows_s(world, server, compute_share, whole(tokens), split);
}

static double edge_s(uint32_t layers, double layer_flop, double flops)
{
    return (double) layers * layer_flop / flops;
}

double cost_edge_rows_s(const struct world *world, uint32_t server, double compute_share,
                        struct chunk_rows rows, uint32_t split)
{
    if (split >= world->llm->layers)
        return 0.0;
    return edge_s(world->llm->layers - split, rows_flop(world, rows),
                  world->server[server].flops * useful_share(world, server, compute_share));
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

struct task_quality cost_quality(const struct world *world, uint32_t device, struct slot_id id,
                                 uint32_t split, double condition, uint32_t coding)
{
    struct task_quality quality = {.split = split,
                                   .log_ratio = quality_log_ratio(world, split, condition, coding),
                                   .deadline_s = world->scenario.objective.deadline_s};
    if (world->scenario.objective.reward == REWARD_SHAPED &&
        world->scenario.objective.gain_reference == GAIN_INITIAL)
        quality.reference = quality_log_ratio(world, env_splits_drawn(world, device, id), condition, coding);
    return quality;
}

double cost_damage(const struct scenario *scenario, double log_ratio)
{
    double weight = scenario->objective.quality_weight;
    return weight > 0.0 ? weight * log_ratio : 0.0;
}

/* B1. */
static double shaped_cost(const struct world *world, const struct task_quality *quality)
{
    double most = (double) world->scenario.model.max_split;
    double gain = -elementary_expm1(quality->log_ratio - quality->reference);
    double early = (most - (double) quality->split) / most;
    return -(world->scenario.objective.gain_weight * gain + early);
}

/* B2. */
static double paper_cost(const struct world *world, const struct task_quality *quality)
{
    double work = (double) quality->split / (double) world->llm->layers;
    return elementary_exp(quality->log_ratio) + world->scenario.objective.work_weight * work;
}

/* C6, C7. */
static double answer_cost(double latency_s, const struct task_quality *quality)
{
    return -(1.0 / fmax(latency_s, COST_LEAST_S) + quality->answer);
}

static double latency_energy_cost(const struct world *world, const struct device_params *device,
                                  uint32_t tokens, double latency_s, double energy_j, bool repaired)
{
    double cost = cost_accrued(world, device, tokens, latency_s, energy_j);
    cost += cost_lateness(&world->scenario, latency_s);
    return repaired ? cost + world->scenario.objective.repair_penalty : cost;
}

double cost_task(const struct world *world, const struct device_params *device, uint32_t tokens,
                 double latency_s, double energy_j, bool repaired, const struct task_quality *quality)
{
    assert(quality != NULL || !cost_counts_quality(world));
    switch (world->scenario.objective.reward) {
    case REWARD_SHAPED: return shaped_cost(world, quality);
    case REWARD_PAPER: return paper_cost(world, quality);
    case REWARD_COMPLETED:
        return cost_is_late(latency_s, quality->deadline_s) ? 0.0 : answer_cost(latency_s, quality);
    case REWARD_PRINTED: return answer_cost(latency_s, quality);
    case REWARD_UTILITY:
        return quality->price - (cost_is_late(latency_s, quality->deadline_s) ? 0.0 : quality->answer);
    case REWARD_COST: break;
    }
    double cost = latency_energy_cost(world, device, tokens, latency_s, energy_j, repaired);
    return quality != NULL ? cost + cost_damage(&world->scenario, quality->log_ratio) : cost;
}

bool cost_deadline_missed(const struct scenario *scenario, double latency_s)
{
    return cost_is_late(latency_s, scenario->objective.deadline_s);
}

/* The shares of their speeds that the two nodes have. */
struct pace {
    double device, server;
};

double cost_result_s(const struct world *world, uint32_t server)
{
    return transfer_expected_s(world, server, &channel_down, transfer_down_bits(&world->scenario),
                               transfer_down_bps(world, server));
}

/* What a task does: which device, which prompt, over which link, at which speeds. */
struct course {
    const struct world *world;
    const struct device_params *device;
    const struct task_plan *plan;
    struct pace pace;
    uint32_t tokens;
    struct channel_use use; /* as the rate, of what is sent */
    double rate_bps;
};

/* Over a link of that gain, from here on. */
static void set_rate(struct course *course, double gain)
{
    uint32_t server = course->plan->server;
    double bandwidth_hz =
        course->plan->bandwidth_share * course->world->server[server].bandwidth_mhz * UNITS_MHZ;
    course->use = channel_up_coded(course->world, course->plan->split, course->plan->coding);
    course->rate_bps = channel_up_bps(course->world, server, &course->use, bandwidth_hz,
                                      course->device->transmit_power_w, gain);
}

/* Of activations or token ids. */
static double expected_s(const struct course *course, double bits)
{
    return transfer_expected_s(course->world, course->plan->server, &course->use, bits, course->rate_bps);
}

static double expected_missing(const struct course *course, double bits)
{
    return transfer_expected_missing(course->world, course->plan->server, &course->use, bits,
                                     course->rate_bps);
}

/* A prompt that is not cut. */
static void go_whole(const struct course *course, double bits, struct task_times *ret)
{
    const struct world *world = course->world;
    const struct task_plan *plan = course->plan;
    double layer_flop = rows_flop(world, whole(course->tokens));
    ret->local_s = local_s(course->device, plan->split, layer_flop) / course->pace.device;
    if (plan->split >= world->llm->layers)
        return;
    double flops = world->server[plan->server].flops * useful_share(world, plan->server, plan->compute_share);
    ret->transmit_s = expected_s(course, bits) + cost_result_s(world, plan->server);
    double layers_s = edge_s(world->llm->layers - plan->split, layer_flop, flops);
    double answer_s = cost_answer_s(world, plan->server, plan->compute_share, plan->answer_tokens);
    ret->edge_s = (layers_s + answer_s) / course->pace.server;
}

static struct chunk_stages stages_of(const struct course *course, struct chunk_rows rows)
{
    const struct world *world = course->world;
    const struct task_plan *plan = course->plan;
    double bits = channel_bits(world, plan->split, rows.count, plan->coding);
    return (struct chunk_stages){
        .local_s = cost_local_rows_s(world, course->device, rows, plan->split) / course->pace.device,
        .sending_s = radio_transmit_s(bits, course->rate_bps),
        .transfer_s = expected_s(course, bits),
        .edge_s = cost_edge_rows_s(world, plan->server, plan->compute_share, rows, plan->split) /
                  course->pace.server,
    };
}

static struct chunks_line line_of(const struct course *course, uint32_t chunks)
{
    struct chunks_line line = {0};
    for (uint32_t i = 0; i < chunks; i++) {
        const struct chunk_stages stages = stages_of(course, chunks_rows(course->tokens, chunks, i));
        chunks_pass(&line, &stages);
    }
    return line;
}

/* Each part of the latency is what its stage adds behind the one before; `busy` is how long each was at work. */
static void go_in_chunks(const struct course *course, uint32_t chunks, struct task_times *ret,
                         struct task_times *ret_busy)
{
    const struct chunks_line line = line_of(course, chunks);
    bool arrives = isfinite(line.arrived_s);
    double back_s = cost_result_s(course->world, course->plan->server);
    *ret = (struct task_times){
        .local_s = line.computed_s,
        .transmit_s = line.arrived_s - line.computed_s + back_s,
        .edge_s = arrives ? line.done_s - line.arrived_s : line.edge_s,
    };
    *ret_busy = (struct task_times){
        .local_s = line.local_s,
        .transmit_s = line.sending_s + (arrives ? line.arrived_s - line.free_s : 0.0) + back_s,
        .edge_s = line.edge_s,
    };
}

static void compose(const struct world *world, struct pace pace, uint32_t device, uint32_t tokens,
                    double gain, const struct task_plan *plan, struct task_outcome *ret)
{
    const struct device_params *params = &world->device[device];
    struct course course = {.world = world, .device = params, .plan = plan, .pace = pace, .tokens = tokens};
    bool remote = plan->split < world->llm->layers;
    uint32_t chunks = chunks_of(world, tokens, plan->split);
    *ret = (struct task_outcome){0};
    if (remote)
        set_rate(&course, gain);
    ret->rate_bps = course.rate_bps;
    ret->payload_bits = channel_bits(world, plan->split, tokens, plan->coding);
    struct task_times at_work;
    const struct task_times *busy = chunks > 1 ? &at_work : &ret->times;
    if (chunks > 1)
        go_in_chunks(&course, chunks, &ret->times, &at_work);
    else
        go_whole(&course, ret->payload_bits, &ret->times);
    bool loses = remote && world->scenario.channel.mode == CHANNEL_BOUNDED;
    ret->missing = loses ? expected_missing(&course, ret->payload_bits) : 0.0;
    double server_power_w = remote ? world->server[plan->server].power_w : 0.0;
    ret->joules = cost_joules(params, server_power_w, plan->compute_share, busy);
    ret->latency_s = cost_latency_s(&ret->times);
    ret->energy_j = cost_energy_j(&world->scenario, &ret->joules);
}

double cost_resent_s(const struct world *world, uint32_t device, uint32_t tokens, double gain,
                     const struct task_plan *plan)
{
    struct course course = {
        .world = world, .device = &world->device[device], .plan = plan, .pace = {1.0, 1.0}, .tokens = tokens};
    struct task_times times = {0};
    set_rate(&course, gain);
    go_whole(&course, channel_bits(world, plan->split, tokens, plan->coding), &times);
    return times.transmit_s + times.edge_s;
}

struct task_quality cost_quality_planned(const struct world *world, uint32_t device, struct slot_id id,
                                         double gain, const struct task_plan *plan,
                                         const struct task_outcome *outcome)
{
    bool remote = plan->split < world->llm->layers;
    double condition = 0.0;
    if (!cost_counts_quality(world))
        return (struct task_quality){.split = plan->split};
    if (world->scenario.channel.mode == CHANNEL_BOUNDED)
        condition = outcome->missing;
    else
        condition = remote ? channel_condition(world, device, id, gain, plan->bandwidth_share)
                           : channel_drawn(world, device, id);
    struct task_quality quality = cost_quality(world, device, id, plan->split, condition, plan->coding);
    if (remote) {
        double made = cost_tokens_made(plan->answer_tokens, outcome->latency_s, plan->deadline_s);
        quality.answer = world->server[plan->server].answer[plan->task_class];
        quality.price = cost_price(world, plan->server, made);
    }
    quality.deadline_s = plan->deadline_s;
    return quality;
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
