#include "core/model/env.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/channel.h"
#include "core/model/channel_radio.h"
#include "core/model/cost.h"
#include "core/model/env_reserve.h"
#include "core/model/env_splits.h"

_Static_assert(ENV_LOCAL > WORLD_SERVERS_MAX, "no server has this number");

int env_view_init(struct env_view *ret_view, const struct world *world)
{
    size_t devices = world->devices;
    size_t servers = world->servers;
    struct env_view view = {.world = world};
    view.present = calloc(devices, sizeof *view.present);
    view.position = calloc(devices, sizeof *view.position);
    view.speed_mps = calloc(devices, sizeof *view.speed_mps);
    view.tokens = calloc(devices, sizeof *view.tokens);
    view.gain = calloc(devices * servers, sizeof *view.gain);
    view.covered = calloc(devices * servers, sizeof *view.covered);
    view.server_up = malloc(servers * sizeof *view.server_up);
    view.previous_load = calloc(servers, sizeof *view.previous_load);
    view.channel = calloc(devices, sizeof *view.channel);
    view.split_before = calloc(devices, sizeof *view.split_before);
    view.task_class = calloc(devices, sizeof *view.task_class);
    view.deadline_s = calloc(devices, sizeof *view.deadline_s);
    view.processor_s = calloc(devices, sizeof *view.processor_s);
    view.unsent_bits = calloc(devices * servers, sizeof *view.unsent_bits);
    view.backlog_s = calloc(servers, sizeof *view.backlog_s);
    view.coming_s = calloc(servers, sizeof *view.coming_s);
    if (view.present == NULL || view.position == NULL || view.speed_mps == NULL || view.tokens == NULL ||
        view.gain == NULL || view.covered == NULL || view.server_up == NULL || view.previous_load == NULL ||
        view.processor_s == NULL || view.unsent_bits == NULL || view.backlog_s == NULL ||
        view.coming_s == NULL || view.channel == NULL || view.split_before == NULL ||
        view.task_class == NULL || view.deadline_s == NULL) {
        env_view_finish(&view);
        return -ENOMEM;
    }
    for (size_t m = 0; m < servers; m++)
        view.server_up[m] = true;
    *ret_view = view;
    return 0;
}

void env_view_finish(struct env_view *view)
{
    if (view == NULL)
        return;
    free(view->present);
    free(view->position);
    free(view->speed_mps);
    free(view->tokens);
    free(view->gain);
    free(view->covered);
    free(view->server_up);
    free(view->previous_load);
    free(view->channel);
    free(view->split_before);
    free(view->task_class);
    free(view->deadline_s);
    free(view->processor_s);
    free(view->unsent_bits);
    free(view->backlog_s);
    free(view->coming_s);
    *view = (struct env_view){0};
}

int env_decision_init(struct env_decision *ret_decision, uint32_t devices)
{
    struct env_decision decision = {
        .split = calloc(devices, sizeof *decision.split),
        .server = calloc(devices, sizeof *decision.server),
        .repaired = calloc(devices, sizeof *decision.repaired),
        .bandwidth_share = calloc(devices, sizeof *decision.bandwidth_share),
        .compute_share = calloc(devices, sizeof *decision.compute_share),
        .coding = calloc(devices, sizeof *decision.coding),
        .memory_share = calloc(devices, sizeof *decision.memory_share),
        .refused = calloc(devices, sizeof *decision.refused),
        .foreseen = calloc(devices, sizeof *decision.foreseen),
    };
    if (decision.split == NULL || decision.server == NULL || decision.repaired == NULL ||
        decision.bandwidth_share == NULL || decision.compute_share == NULL || decision.coding == NULL ||
        decision.memory_share == NULL || decision.refused == NULL || decision.foreseen == NULL) {
        env_decision_finish(&decision);
        return -ENOMEM;
    }
    env_decision_foresee_nothing(&decision, devices);
    *ret_decision = decision;
    return 0;
}

void env_decision_foresee_nothing(struct env_decision *decision, uint32_t devices)
{
    static const double unknown = (double) NAN;
    for (uint32_t n = 0; n < devices; n++)
        decision->foreseen[n] = (struct env_foreseen){unknown, unknown, unknown};
}

void env_decision_finish(struct env_decision *decision)
{
    if (decision == NULL)
        return;
    free(decision->split);
    free(decision->server);
    free(decision->repaired);
    free(decision->bandwidth_share);
    free(decision->compute_share);
    free(decision->coding);
    free(decision->memory_share);
    free(decision->refused);
    free(decision->foreseen);
    *decision = (struct env_decision){0};
}

void env_view_begin(struct env_view *view, struct slot_id id)
{
    view->id = id;
    memset(view->present, 0, view->world->devices * sizeof *view->present);
    memset(view->covered, 0, (size_t) view->world->devices * view->world->servers * sizeof *view->covered);
    if (id.slot > 0)
        return;
    memset(view->previous_load, 0, view->world->servers * sizeof *view->previous_load);
    memset(view->backlog_s, 0, view->world->servers * sizeof *view->backlog_s);
    for (uint32_t n = 0; n < view->world->devices; n++)
        view->split_before[n] = env_splits_drawn(view->world, n, id);
}

void env_view_decided(struct env_view *view, const struct env_decision *decision)
{
    for (uint32_t n = 0; n < view->world->devices; n++)
        if (view->present[n] && decision->server[n] != ENV_LOCAL)
            view->split_before[n] = decision->split[n];
}

void env_view_observe(struct env_view *view, uint32_t device, struct vec2 position, double speed_mps,
                      uint32_t tokens, const double *gain)
{
    const struct world *world = view->world;
    assert(device < world->devices);
    size_t first = (size_t) device * world->servers;
    view->present[device] = true;
    view->position[device] = position;
    view->speed_mps[device] = speed_mps;
    view->tokens[device] = tokens;
    const struct rng_at at = device_slot_draws(world, device, view->id);
    view->task_class[device] = classes_draw(&world->classes, &at, &view->deadline_s[device]);
    double best = gain[0];
    for (uint32_t m = 0; m < world->servers; m++) {
        view->gain[first + m] = gain[m];
        view->covered[first + m] =
            view->server_up[m] && gain[m] > 0.0 && device_slot_covered(world, device, view->id, position, m);
        best = gain[m] > best ? gain[m] : best;
    }
    view->channel[device] = channel_condition(world, device, view->id, best, 1.0);
}

void env_view_backlog(struct env_view *view, uint32_t device, double processor_s, const double *unsent_bits)
{
    size_t servers = view->world->servers;
    assert(device < view->world->devices);
    view->processor_s[device] = processor_s;
    memcpy(view->unsent_bits + device * servers, unsent_bits, servers * sizeof *unsent_bits);
}

size_t env_action_size(const struct world *world)
{
    size_t servers = world->scenario.action.mapping == MAPPING_SCORES ? world->servers : 1;
    if (env_reserves(world))
        return ENV_RESERVE_NUMBERS * (size_t) world->devices;
    return (1 + servers + (coding_is_open(&world->codings) ? 1 : 0)) * world->devices;
}

/* Which of so many an action chooses. */
typedef uint32_t chosen_by(float action, uint32_t count);

/* The equal-width bin of [-1, 1] that an action falls into; anything that is not a number is the first. */
static uint32_t bin_of(float action, uint32_t bins)
{
    assert(bins >= 1);
    double position = ((double) action + 1.0) / 2.0 * bins;
    if (!(position > 0.0))
        return 0;
    return position < bins ? (uint32_t) position : bins - 1;
}

/* The nearest of `count` values spread evenly over [-1, 1], both ends among them. */
static uint32_t nearest_of(float action, uint32_t count)
{
    assert(count >= 1);
    double position = ((double) action + 1.0) / 2.0 * (count - 1);
    if (!(position > 0.0))
        return 0;
    return position < count - 1 ? (uint32_t) (position + 0.5) : count - 1;
}

/* The covered server with the highest score, the lower of equals; the first when none is. */
static uint32_t best_scored(const struct env_view *view, uint32_t device, const float *score)
{
    const bool *covered = view->covered + (size_t) device * view->world->servers;
    uint32_t best = ENV_LOCAL;
    for (uint32_t m = 0; m < view->world->servers; m++)
        if (covered[m] && (best == ENV_LOCAL || score[m] > score[best]))
            best = m;
    return best == ENV_LOCAL ? 0 : best;
}

void env_map_action(const struct env_view *view, const float *action, struct env_decision *ret_decision)
{
    const struct world *world = view->world;
    enum scenario_mapping mapping = world->scenario.action.mapping;
    chosen_by *choose = mapping == MAPPING_ROUNDING ? nearest_of : bin_of;
    uint32_t choices = env_splits_choices(world);
    size_t numbers = env_action_size(world) / world->devices;
    for (uint32_t n = 0; n < world->devices; n++, action += numbers) {
        if (env_reserves(world)) {
            env_reserve_map(view, action, ret_decision, n);
            continue;
        }
        ret_decision->split[n] = env_splits_choice(view, n, choose(action[0], choices));
        ret_decision->server[n] =
            mapping == MAPPING_SCORES ? best_scored(view, n, action + 1) : choose(action[1], world->servers);
        ret_decision->coding[n] =
            coding_is_open(&world->codings) ? choose(action[numbers - 1], world->codings.count) : 0;
    }
    env_repair(view, ret_decision);
}

static void make_local(const struct world *world, struct env_decision *decision, uint32_t device,
                       bool repaired)
{
    decision->split[device] = world->llm->layers;
    decision->server[device] = ENV_LOCAL;
    decision->coding[device] = 0;
    decision->repaired[device] = repaired;
}

/* The covered server whose number is nearest to the wish, the lower one of two; ENV_LOCAL when none is. */
static uint32_t nearest_covered(const struct env_view *view, uint32_t device, uint32_t wish)
{
    uint32_t best = ENV_LOCAL;
    uint32_t best_gap = UINT32_MAX;
    const bool *covered = view->covered + (size_t) device * view->world->servers;
    for (uint32_t m = 0; m < view->world->servers; m++) {
        uint32_t gap = m > wish ? m - wish : wish - m;
        if (covered[m] && view->server_up[m] && gap < best_gap) {
            best = m;
            best_gap = gap;
        }
    }
    return best;
}

/* The covered server with the largest gain, the lower of equals; ENV_LOCAL when none is. */
static uint32_t strongest_covered(const struct env_view *view, uint32_t device)
{
    const bool *covered = view->covered + (size_t) device * view->world->servers;
    const double *gain = view->gain + (size_t) device * view->world->servers;
    uint32_t best = ENV_LOCAL;
    for (uint32_t m = 0; m < view->world->servers; m++)
        if (covered[m] && view->server_up[m] && (best == ENV_LOCAL || gain[m] > gain[best]))
            best = m;
    return best;
}

/* C1, C2, C6, C7 for one device. s = L stays possible whatever the memory: it is what a device falls back to. */
static void repair_device(const struct env_view *view, struct env_decision *decision, uint32_t device)
{
    const struct world *world = view->world;
    uint32_t layers = world->llm->layers;
    uint32_t split = decision->split[device];
    uint32_t wish = decision->server[device];
    bool is_bound = env_splits_are_bound(world);
    uint32_t server =
        is_bound && wish == ENV_LOCAL ? strongest_covered(view, device) : nearest_covered(view, device, wish);
    bool none_covered = server == ENV_LOCAL;
    if (!env_has_task(view, device) || none_covered || (split == layers && !is_bound)) {
        make_local(world, decision, device, false);
        return;
    }
    uint32_t first = 0, last = 0;
    env_splits_range(view, device, &first, &last);
    if (first > last || (!is_bound && (split > layers || wish == ENV_LOCAL))) {
        make_local(world, decision, device, true);
        return;
    }
    uint32_t kept = split < first ? first : split;
    kept = kept > last ? last : kept;
    assert(server < world->servers);
    decision->split[device] = kept;
    decision->server[device] = server;
    decision->repaired[device] = kept != split || server != wish;
}

/* C8's left-hand side for one device: keys and values of the layers that its server runs. */
static double server_kv_bytes(const struct env_view *view, const struct env_decision *decision,
                              uint32_t device)
{
    const struct world *world = view->world;
    double layer_bytes =
        llm_layer_kv_bytes(world->llm, view->tokens[device], world->scenario.model.bits_per_element);
    return (double) (world->llm->layers - decision->split[device]) * layer_bytes;
}

/* C8: while a server's memory does not hold everyone, its highest device number goes local. */
static void repair_memory(const struct env_view *view, struct env_decision *decision)
{
    const struct world *world = view->world;
    double used_bytes[WORLD_SERVERS_MAX];
    bool limited = false;
    for (uint32_t m = 0; m < world->servers; m++) {
        used_bytes[m] = 0.0;
        limited = limited || world->server[m].memory_bytes > 0.0;
    }
    if (!limited)
        return;
    for (uint32_t n = 0; n < world->devices; n++)
        if (decision->server[n] != ENV_LOCAL)
            used_bytes[decision->server[n]] += server_kv_bytes(view, decision, n);
    for (uint32_t n = world->devices; n-- > 0;) {
        uint32_t m = decision->server[n];
        if (m == ENV_LOCAL || world->server[m].memory_bytes <= 0.0 ||
            used_bytes[m] <= world->server[m].memory_bytes)
            continue;
        used_bytes[m] -= server_kv_bytes(view, decision, n);
        make_local(world, decision, n, true);
    }
}

/* `keeps`: what was marked before stays marked. */
static void repair(const struct env_view *view, bool keeps, struct env_decision *decision)
{
    for (uint32_t n = 0; n < view->world->devices; n++) {
        bool was = keeps && decision->repaired[n];
        if (env_reserves(view->world)) {
            env_reserve_repair(view, decision, n);
            decision->repaired[n] = decision->repaired[n] || was;
            continue;
        }
        repair_device(view, decision, n);
        decision->repaired[n] = decision->repaired[n] || was;
        decision->bandwidth_share[n] = 0.0;
        decision->compute_share[n] = 0.0;
    }
    if (!env_reserves(view->world))
        repair_memory(view, decision);
}

void env_repair(const struct env_view *view, struct env_decision *decision)
{
    repair(view, false, decision);
}

void env_mend(const struct env_view *view, struct env_decision *decision)
{
    repair(view, true, decision);
}

static double device_bits(const struct env_view *view, const struct env_decision *decision, uint32_t device)
{
    const struct world *world = view->world;
    return channel_bits(world, decision->split[device], view->tokens[device], decision->coding[device]);
}

/* Work left for the server. Where a layer's work grows with the tokens alone, their common factor cancels: tokens and
 * layers remain. */
static double device_work(const struct env_view *view, const struct env_decision *decision, uint32_t device)
{
    const struct world *world = view->world;
    uint32_t tokens = view->tokens[device];
    uint32_t split = decision->split[device];
    if (world->scenario.model.attention == ATTENTION_IGNORED && world->times == NULL)
        return (double) (world->llm->layers - split) * tokens;
    return cost_server_flop(world, tokens, split);
}

static double bandwidth_share(const struct env_view *view, const struct env_decision *decision,
                              uint32_t device, double server_bits, uint32_t load, uint32_t offloaders)
{
    switch (view->world->scenario.radio.sharing) {
    case BANDWIDTH_EQUAL: return 1.0 / load;
    case BANDWIDTH_PROPORTIONAL: return device_bits(view, decision, device) / server_bits;
    case BANDWIDTH_SHARED: return 1.0 / offloaders;
    }
    assert(false); /* every rule is above */
    return 0.0;
}

static double compute_share(const struct env_view *view, const struct env_decision *decision, uint32_t device,
                            double server_work, uint32_t load)
{
    switch (view->world->scenario.servers.sharing) {
    case COMPUTE_EQUAL: return 1.0 / load;
    case COMPUTE_PROPORTIONAL: return device_work(view, decision, device) / server_work;
    }
    assert(false); /* every rule is above */
    return 0.0;
}

void env_allocate(const struct env_view *view, struct env_decision *decision, uint32_t *ret_load)
{
    const struct world *world = view->world;
    double bits[WORLD_SERVERS_MAX];
    double work[WORLD_SERVERS_MAX];
    uint32_t offloaders = 0;
    if (env_reserves(world)) {
        env_reserve_allocate(view, decision, ret_load);
        return;
    }
    for (uint32_t m = 0; m < world->servers; m++) {
        ret_load[m] = 0;
        bits[m] = 0.0;
        work[m] = 0.0;
    }
    for (uint32_t n = 0; n < world->devices; n++) {
        uint32_t m = decision->server[n];
        if (m == ENV_LOCAL)
            continue;
        assert(m < world->servers);
        offloaders++;
        ret_load[m]++;
        bits[m] += device_bits(view, decision, n);
        work[m] += device_work(view, decision, n);
    }
    for (uint32_t n = 0; n < world->devices; n++) {
        uint32_t m = decision->server[n];
        bool remote = m != ENV_LOCAL;
        decision->bandwidth_share[n] =
            remote ? bandwidth_share(view, decision, n, bits[m], ret_load[m], offloaders) : 0.0;
        decision->compute_share[n] = remote ? compute_share(view, decision, n, work[m], ret_load[m]) : 0.0;
    }
}

void env_queue_allocate(const struct env_view *view, struct env_decision *decision, double *ret_share,
                        uint32_t *ret_load)
{
    const struct world *world = view->world;
    uint32_t servers = world->servers;
    for (uint32_t m = 0; m < servers; m++) {
        ret_load[m] = 0;
        for (uint32_t n = 0; n < world->devices; n++) {
            bool sends =
                view->present[n] && (decision->server[n] == m || view->unsent_bits[n * servers + m] > 0.0);
            ret_load[m] += sends ? 1 : 0;
            ret_share[(size_t) n * servers + m] = sends ? 1.0 : 0.0;
        }
        for (uint32_t n = 0; n < world->devices && ret_load[m] > 0; n++)
            ret_share[(size_t) n * servers + m] /= ret_load[m];
    }
    for (uint32_t n = 0; n < world->devices; n++) {
        uint32_t m = decision->server[n];
        assert(m == ENV_LOCAL || (m < servers && view->present[n])); /* an absent device sends nothing */
        decision->bandwidth_share[n] = m != ENV_LOCAL ? ret_share[(size_t) n * servers + m] : 0.0;
        decision->compute_share[n] = m != ENV_LOCAL ? 1.0 : 0.0;
    }
}

double env_joint_cost(const struct env_view *view, const struct env_decision *decision)
{
    const struct world *world = view->world;
    double sum = 0.0;
    uint32_t present = 0;
    for (uint32_t n = 0; n < world->devices; n++) {
        if (!view->present[n])
            continue;
        bool remote = decision->server[n] != ENV_LOCAL;
        struct task_plan plan = {
            .split = decision->split[n],
            .server = remote ? decision->server[n] : 0,
            .bandwidth_share = decision->bandwidth_share[n],
            .compute_share = decision->compute_share[n],
            .coding = decision->coding[n],
            .answer_tokens = world->classes.list[view->task_class[n]].answer_tokens,
            .task_class = view->task_class[n],
            .deadline_s = view->deadline_s[n],
        };
        double gain = remote ? view->gain[(size_t) n * world->servers + decision->server[n]] : 0.0;
        struct task_outcome outcome;
        cost_outcome(world, n, view->tokens[n], gain, &plan, &outcome);
        struct task_quality quality = cost_quality_planned(world, n, view->id, gain, &plan, &outcome);
        sum += cost_task(world, &world->device[n], view->tokens[n], outcome.latency_s, outcome.energy_j,
                         decision->repaired[n], &quality);
        present++;
    }
    return present > 0 ? sum / present : 0.0;
}

double env_reward(const double *cost, const bool *reported, uint32_t devices)
{
    double sum = 0.0;
    uint32_t count = 0;
    for (uint32_t n = 0; n < devices; n++) {
        if (!reported[n])
            continue;
        sum += cost[n];
        count++;
    }
    return count > 0 ? -(sum / count) : 0.0;
}
