#include "mobile-node/device_messages.h"

#include <assert.h>

#include "core/base/err.h"

void device_move(const struct world *world, uint32_t number, struct slot_id from, struct slot_id to,
                 bool begins, struct mobility *mobility)
{
    uint32_t at = from.slot;
    if (begins) {
        mobility_start(world, number, to.phase, to.episode, mobility);
        at = 0;
    }
    for (; at < to.slot; at++)
        mobility_step(world, number, to.phase, to.episode, at, mobility);
    assert(at == to.slot);
}

void device_take_own(const struct device_own *own, struct device_slot *slot)
{
    if (own->is_own)
        slot->tokens = own->tokens;
}

void device_tell_observation(struct proto_message *ret, const struct world *world, uint32_t number,
                             uint64_t round, const struct device_slot *slot)
{
    ret->id = PROTO_OBSERVATION;
    ret->observation = (struct msg_observation){
        .device = number,
        .round = round,
        .x_m = slot->position.x,
        .y_m = slot->position.y,
        .speed_mps = slot->speed_mps,
        .tokens = slot->tokens,
        .gain = {slot->gain, world->servers},
    };
}

void device_tell_task(struct proto_message *ret, const struct layer_work *done, double sent_s,
                      double arrival_s, double bits)
{
    ret->id = PROTO_TASK;
    ret->task = (struct msg_task){
        .device = done->device,
        .round = done->round,
        .split = done->last_layer,
        .tokens = done->tokens,
        .sent_s = sent_s,
        .arrival_s = arrival_s,
        .declared_bits = bits,
        .phase = done->id.phase,
        .episode = done->id.episode,
        .slot = done->id.slot,
    };
}

void device_tell_report(struct proto_message *ret, const struct scenario *scenario,
                        const struct device_account *account)
{
    bool local = account->server == PROTO_SERVER_NONE;
    ret->id = PROTO_REPORT;
    ret->report = (struct msg_report){
        .device = account->number,
        .round = account->round,
#define TASK_TIME(name, meaning) .name = account->times.name,
#define TASK_JOULES(name, meaning) .name = account->joules.name,
#include "core/model/cost.def"
        .latency_s = cost_latency_s(&account->times),
        .energy_j = cost_energy_j(scenario, &account->joules),
        .rate_bps = account->rate_bps,
        .payload_bits = account->payload_bits,
        .missing = local ? 0.0 : account->missing,
        .attempt = account->attempt,
        .extra_bits = account->extra_bits,
        .extra_j = account->extra_j,
        .handovers = account->handovers,
        .served_by = account->server,
        .bandwidth_share = local ? 0.0 : account->bandwidth_share,
        .compute_share = local ? 0.0 : account->compute_share,
    };
}

int device_check_decision(const struct world *world, const struct msg_decision *decision, struct diag *diag)
{
    uint32_t layers = world->llm->layers;
    bool local = decision->server == PROTO_SERVER_NONE;
    if (decision->split > layers || local != (decision->split == layers))
        return diag_fail(diag, ERR_RANGE, "DECISION: split %llu of %u layers does not go with server %llu",
                         (unsigned long long) decision->split, layers, (unsigned long long) decision->server);
    if (decision->coding >= world->codings.count)
        return diag_fail(diag, ERR_RANGE, "DECISION: coding %llu of %u",
                         (unsigned long long) decision->coding, world->codings.count);
    if (!local && decision->server >= world->servers)
        return diag_fail(diag, ERR_RANGE, "DECISION: server %llu of %u",
                         (unsigned long long) decision->server, world->servers);
    return 0;
}

int device_check_recover(const struct world *world, const struct msg_recover *recover, struct diag *diag)
{
    if (recover->server == PROTO_SERVER_NONE || recover->server < world->servers)
        return 0;
    return diag_fail(diag, ERR_RANGE, "RECOVER: server %llu of %u", (unsigned long long) recover->server,
                     world->servers);
}
