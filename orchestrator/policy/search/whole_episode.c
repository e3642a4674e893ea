#include "orchestrator/policy/search/whole_episode.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/model/cost.h"
#include "core/model/drift.h"
#include "core/model/env.h"
#include "core/model/transfer.h"
#include "orchestrator/policy/search/whole_tasks.h"

#define TASKS_MAX 1000000u /* as many as may reserve in an episode (scenario_check) */

int whole_episode_check(const struct world *world, struct diag *diag)
{
    if (!env_reserves(world))
        return diag_fail(diag, ERR_UNSUPPORTED, "is made for servers.discipline: reserved");
    if (world->faults != NULL)
        return diag_fail(
            diag, ERR_UNSUPPORTED,
            "knows a world in which nothing breaks: faults.script must be empty and chaos.rate 0");
    for (uint32_t m = 0; m < world->servers; m++)
        if (!transfer_is_certain(world, m))
            return diag_fail(
                diag, ERR_UNSUPPORTED,
                "server %" PRIu32 ": transfers that draw losses or jitter are not known in advance: "
                "link.loss, link.jitter_s and "
                "the tier's wan_jitter_s must be 0, channel.harq off and channel.mode not bounded",
                m);
    return 0;
}

int whole_episode_init(struct whole_episode *ret_episode, const struct world *world, uint64_t slots,
                       struct diag *diag)
{
    struct whole_episode whole = {.world = world};
    assert(slots > 0);
    if (slots > TASKS_MAX / world->devices)
        return diag_fail(diag, ERR_TOO_BIG,
                         "%" PRIu64 " slots of %" PRIu32 " devices are more than %u tasks of an episode",
                         slots, world->devices, TASKS_MAX);
    whole.most = (uint32_t) slots * world->devices;
    whole.task = calloc(whole.most, sizeof *whole.task);
    whole.gain = calloc((size_t) whole.most * world->servers, sizeof *whole.gain);
    if (whole.task == NULL || whole.gain == NULL) {
        whole_episode_finish(&whole);
        return diag_fail(diag, -ENOMEM, "out of memory");
    }
    *ret_episode = whole;
    return 0;
}

void whole_episode_finish(struct whole_episode *episode)
{
    free(episode->task);
    free(episode->gain);
    *episode = (struct whole_episode){0};
}

static void meet(struct whole_episode *whole, uint32_t device, uint32_t slot, const struct mobility *mobility)
{
    const struct world *world = whole->world;
    const struct slot_id id = {whole->phase, whole->episode, slot};
    struct device_slot met;
    device_slot_meet(world, device, id, mobility, &met);
    size_t i = (size_t) slot * world->devices + device;
    const struct rng_at at = device_slot_draws(world, device, id);
    whole->task[i] = (struct whole_task){
        .slot = slot,
        .device = device,
        .tokens = met.tokens,
        .task_class = met.task_class,
        .deadline_s = met.deadline_s,
        .answer_tokens = classes_answer_tokens(&world->classes.list[met.task_class], &at),
        .start_s = arrivals_start_s(&whole->arrivals, world, id),
    };
    for (uint32_t m = 0; m < world->servers; m++)
        whole->gain[i * world->servers + m] =
            device_slot_covered(world, device, id, met.position, m) ? met.gain[m] : 0.0;
}

void whole_episode_meet(struct whole_episode *whole, enum rng_phase phase, uint32_t episode, uint64_t slots)
{
    assert(slots <= whole->most / whole->world->devices);
    whole->phase = phase;
    whole->episode = episode;
    whole->tasks = (uint32_t) slots * whole->world->devices;
    for (uint32_t n = 0; n < whole->world->devices; n++) {
        struct mobility mobility;
        mobility_start(whole->world, n, phase, episode, &mobility);
        for (uint32_t slot = 0; slot < slots; slot++) {
            if (slot > 0)
                mobility_step(whole->world, n, phase, episode, slot - 1, &mobility);
            meet(whole, n, slot, &mobility);
        }
    }
}

static bool is_right(const struct whole_episode *whole, const struct whole_task *task, uint32_t server)
{
    const struct slot_id id = {whole->phase, whole->episode, task->slot};
    const struct rng_at at = device_slot_draws(whole->world, task->device, id);
    return classes_answer_is_right(drift_answer(whole->world, id, server, task->task_class, task->start_s),
                                   &at);
}

double whole_episode_worth(const struct whole_episode *whole, uint32_t task, uint32_t server,
                           const double part[static RESERVED_KINDS], double *ret_held_s)
{
    const struct world *world = whole->world;
    const struct scenario *scenario = &world->scenario;
    assert(task < whole->tasks && server < world->servers);
    const struct whole_task *own = &whole->task[task];
    double gain = whole->gain[(size_t) task * world->servers + server];
    double need = scenario->reserve.memory_need * world->server[server].full_share;
    *ret_held_s = 0.0;
    if (own->tokens == 0 || !(gain > 0.0) || !(part[RESERVED_MEMORY] >= need))
        return -(double) INFINITY;
    const struct task_plan plan = {
        .server = server,
        .bandwidth_share = part[RESERVED_BAND],
        .compute_share = part[RESERVED_COMPUTE],
        .answer_tokens = own->answer_tokens,
        .task_class = own->task_class,
        .deadline_s = own->deadline_s,
    };
    const struct slot_id id = {whole->phase, whole->episode, own->slot};
    struct task_outcome outcome;
    cost_outcome(world, own->device, own->tokens, gain, &plan, &outcome);
    outcome.latency_s += (drift_pace(world, id, server, own->start_s) - 1.0) * outcome.times.edge_s;
    *ret_held_s = cost_is_late(outcome.latency_s, own->deadline_s) ? own->deadline_s : outcome.latency_s;
    struct task_quality quality = cost_quality_planned(world, own->device, id, gain, &plan, &outcome);
    if (scenario->objective.reward == REWARD_UTILITY)
        quality.answer = is_right(whole, own, server) ? 1.0 : 0.0;
    return -cost_task(world, &world->device[own->device], own->tokens, outcome.latency_s, outcome.energy_j,
                      false, &quality);
}

void whole_episode_full(const struct whole_episode *whole, double *ret_worth)
{
    uint32_t servers = whole->world->servers;
    double part[RESERVED_KINDS], held_s;
    for (uint32_t m = 0; m < servers; m++) {
        whole_tasks_shares(whole->world, m, 1.0, part);
        for (uint32_t i = 0; i < whole->tasks; i++)
            ret_worth[(size_t) i * servers + m] = whole_episode_worth(whole, i, m, part, &held_s);
    }
}
