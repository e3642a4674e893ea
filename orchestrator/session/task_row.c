#include "orchestrator/session/task_row.h"

#include <assert.h>
#include <math.h>

#include "core/base/err.h"
#include "core/model/channel.h"
#include "core/model/channel_radio.h"
#include "core/model/cost.h"
#include "core/model/drift.h"
#include "core/model/quality.h"

/* Of what is sent; NAN: nothing is, or nothing is damaged. */
static double condition_of(const struct env_view *view, const struct env_decision *decision, uint32_t n)
{
    const struct world *world = view->world;
    uint32_t m = decision->server[n];
    if (m == ENV_LOCAL || world->scenario.channel.mode == CHANNEL_RELIABLE)
        return (double) NAN;
    return channel_condition_coded(world, n, view->id, view->gain[(size_t) n * world->servers + m],
                                   decision->bandwidth_share[n], decision->coding[n]);
}

/* Of activations. */
static double element_bits(const struct world *world, struct coding coding)
{
    return world->scenario.channel.mode == CHANNEL_ANALOG ? CHANNEL_ANALOG_BITS : coding.bits_per_element;
}

static double held_to(double value, double least, double most)
{
    return value < least || value > most ? (value < least ? least : most) : value;
}

/* What whole tasks have beside the rest. A policy's forecasts are its own: they are held to what a row takes. */
static void decide_whole(struct db_task *row, const struct env_view *view,
                         const struct env_decision *decision, uint32_t n)
{
    uint32_t m = decision->server[n];
    const struct env_foreseen *foreseen = &decision->foreseen[n];
    row->arrival_s = view->start_s;
    row->class = view->present[n] ? view->task_class[n] : 0;
    if (view->present[n] && view->deadline_s[n] > 0.0)
        row->deadline_s = view->deadline_s[n];
    if (m != ENV_LOCAL)
        row->answer_chance = view->world->server[m].answer[row->class];
    row->foreseen_s = held_to(foreseen->latency_s, 0.0, PROTO_REAL_MAX);
    row->foreseen_in_time = held_to(foreseen->in_time, 0.0, 1.0);
    row->foreseen_gain = held_to(foreseen->gain, -PROTO_REAL_MAX, PROTO_REAL_MAX);
}

void task_row_decide(struct db_task *ret_row, const struct env_view *view,
                     const struct env_decision *decision, uint32_t n)
{
    assert(n < view->world->devices);
    const struct world *world = view->world;
    bool present = view->present[n], sends = decision->server[n] != ENV_LOCAL;
    bool is_bounded = world->scenario.channel.mode == CHANNEL_BOUNDED, holds = sends && env_reserves(world);
    const struct coding coding = coding_at(&world->codings, &world->scenario, decision->coding[n]);
    *ret_row = (struct db_task){
        .episode = view->id.episode,
        .slot = view->id.slot,
        .device = n,
        .tokens = present ? view->tokens[n] : 0,
        .split = decision->split[n],
        .server = decision->server[n] == ENV_LOCAL ? DB_SERVER_NULL : (int32_t) decision->server[n],
        .repaired = decision->repaired[n],
        .bandwidth_share = decision->bandwidth_share[n],
        .compute_share = decision->compute_share[n],
        .x_m = present ? view->position[n].x : (double) NAN,
        .y_m = present ? view->position[n].y : (double) NAN,
        .end_slot = view->id.slot,
        .channel = condition_of(view, decision, n),
        .coding = decision->coding[n],
        .element_bits = sends ? element_bits(world, coding) : (double) NAN,
        .margin_db = sends && is_bounded ? coding.margin_db : (double) NAN,
        .reserved_compute = holds ? decision->compute_share[n] : (double) NAN,
        .reserved_band = holds ? decision->bandwidth_share[n] : (double) NAN,
        .reserved_memory = holds ? decision->memory_share[n] : (double) NAN,
        .arrival_s = (double) NAN,
        .deadline_s = (double) NAN,
        .answer_chance = (double) NAN,
        .foreseen_s = (double) NAN,
        .foreseen_in_time = (double) NAN,
        .foreseen_gain = (double) NAN,
    };
    if (env_reserves(world))
        decide_whole(ret_row, view, decision, n);
    task_row_lose(ret_row, present && decision->refused[n] ? DB_TASK_REFUSED : DB_TASK_DEVICE_LOST);
}

/* What becomes of a column of a role (task.def) when its task is reported: most are told by name. */
#define REPORT_KEY(name)
#define REPORT_WORLD(name)
#define REPORT_DECISION(name)
#define REPORT_SHARE(name)
#define REPORT_SENT(name)
#define REPORT_REPORTED(name) row->name = report->name;
#define REPORT_DERIVED(name)
#define REPORT_END(name)

/* What channels that lose packets, and nodes that score a prompt, tell beside the rest. */
static void report_quality(struct db_task *row, const struct scenario *scenario,
                           const struct msg_report *report)
{
    bool is_scored = report->nll_tokens > 0;
    row->missing = scenario->channel.mode == CHANNEL_BOUNDED && row->served_by != DB_SERVER_NULL
                       ? report->missing
                       : (double) NAN;
    row->nll = is_scored ? report->nll : (double) NAN;
    row->nll_tokens = is_scored ? (double) report->nll_tokens : (double) NAN;
    row->nll_bytes = is_scored ? (double) report->nll_bytes : (double) NAN;
}

/* A task that its device has finished itself is whole, wherever it was to be split. */
struct session_crossing task_row_crossing(const struct db_task *row, const struct world *world,
                                          enum rng_phase phase)
{
    const struct slot_id id = {phase, row->episode, row->slot};
    bool is_told = !isnan(row->nll_tokens);
    double condition = isnan(row->channel) ? channel_drawn(world, row->device, id) : row->channel;
    if (!isnan(row->missing)) /* what really was, in place of what was likely */
        condition = row->missing;
    return (struct session_crossing){
        .device = row->device,
        .id = id,
        .split = row->served_by == DB_SERVER_NULL ? world->llm->layers : row->split,
        .condition = condition,
        .told = is_told ? (struct likelihood){row->nll, (uint64_t) row->nll_tokens, (uint64_t) row->nll_bytes}
                        : (struct likelihood){0.0, 0, 0},
    };
}

/* What became of a whole task at its server: how long its answer is, whether it is in time and right, and its price. */
static void report_whole(struct db_task *row, const struct world *world, struct slot_id id)
{
    const struct rng_at at = device_slot_draws(world, row->device, id);
    double deadline_s = isnan(row->deadline_s) ? 0.0 : row->deadline_s;
    double tokens = classes_answer_tokens(&world->classes.list[row->class], &at);
    row->deadline_missed = cost_is_late(row->latency_s, deadline_s);
    row->answer_tokens = tokens > 0.0 ? tokens : (double) NAN;
    row->answer_right = row->price = (double) NAN;
    if (row->served_by == DB_SERVER_NULL)
        return;
    uint32_t server = (uint32_t) row->served_by;
    double chance = drift_answer(world, id, server, row->class, row->arrival_s);
    row->price = cost_price(world, server, cost_tokens_made(tokens, row->latency_s, deadline_s));
    if (!row->deadline_missed)
        row->answer_right = classes_answer_is_right(chance, &at) ? 1.0 : 0.0;
}

/* With objective.reward utility an answer is right or not; else the tier's chance counts, as printed. */
static double answer_of(const struct db_task *row, const struct world *world)
{
    if (row->served_by == DB_SERVER_NULL)
        return 0.0;
    if (world->scenario.objective.reward == REWARD_UTILITY)
        return row->answer_right == 1.0 ? 1.0 : 0.0;
    return world->server[row->served_by].answer[row->class];
}

static void add_whole(struct task_quality *quality, const struct db_task *row, const struct world *world)
{
    quality->answer = answer_of(row, world);
    if (world->scenario.servers.discipline != DISCIPLINE_RESERVED)
        return;
    quality->deadline_s = isnan(row->deadline_s) ? 0.0 : row->deadline_s;
    quality->price = isnan(row->price) ? 0.0 : row->price;
}

static void price(struct db_task *row, const struct world *world, const struct task_quality *quality)
{
    row->cost = cost_task(world, &world->device[row->device], row->tokens, row->latency_s, row->energy_j,
                          row->repaired, quality);
}

void task_row_measured(struct db_task *row, const struct world *world,
                       const struct session_crossing *crossing, const struct session_quality *measured,
                       double reference)
{
    struct task_quality quality = {
        .split = crossing->split,
        .log_ratio = isnan(measured->log_ratio) ? 0.0 : measured->log_ratio,
        .reference = reference,
    };
    add_whole(&quality, row, world);
    row->quality = measured->log_ratio;
    row->nll = measured->nll;
    row->nll_tokens = measured->tokens;
    row->nll_bytes = measured->bytes;
    price(row, world, &quality);
}
void task_row_report(struct db_task *row, const struct world *world, enum rng_phase phase,
                     const struct msg_report *report)
{
#define TASK(name, kind, unit, role, meaning) REPORT_##role(name)
#include "db/task.def"
    row->served_by = report->served_by == PROTO_SERVER_NONE ? DB_SERVER_NULL : (int32_t) report->served_by;
    row->bandwidth_share = report->bandwidth_share;
    row->compute_share = report->compute_share;
    row->payload_bytes = report->payload_bits / 8.0;
    report_quality(row, &world->scenario, report);
    const struct session_crossing crossing = task_row_crossing(row, world, phase);
    struct task_quality quality =
        cost_quality(world, row->device, crossing.id, crossing.split, crossing.condition, row->coding);
    bool reserves = world->scenario.servers.discipline == DISCIPLINE_RESERVED;
    row->deadline_missed = cost_deadline_missed(&world->scenario, report->latency_s);
    row->answer_tokens = row->answer_right = row->price = (double) NAN;
    if (reserves)
        report_whole(row, world, crossing.id);
    add_whole(&quality, row, world);
    row->quality = world->quality != NULL ? quality.log_ratio : (double) NAN;
    price(row, world, &quality);
    row->extra_bytes = report->extra_bits / 8.0;
    row->status = reserves && row->deadline_missed ? DB_TASK_ABANDONED : DB_TASK_DONE;
}

/* Measured seconds of one of several layers. */
static double per_layer(double seconds, uint32_t layers)
{
    return seconds > 0.0 && layers > 0 ? seconds / layers : (double) NAN;
}

_Static_assert(DB_ANSWER_MAX == 64, "REPORT.answer has up to 64 tokens (messages.def)");

void task_row_answer(struct db_answer *ret_answer, const struct world *world, const struct db_task *row,
                     const struct msg_report *report)
{
    /* Who had no server to the end did all. */
    uint32_t layers = world->llm->layers,
             device_layers = report->server_compute_s > 0.0 ? row->split : layers;
    assert(report->answer.count <= DB_ANSWER_MAX && row->split <= layers);
    *ret_answer = (struct db_answer){
        .episode = row->episode,
        .slot = row->slot,
        .device = row->device,
        .tokens = (uint32_t) report->answer.count,
        .is_kept = world->scenario.run.record == RECORD_ANSWERS,
        .first_token_s = report->first_token_s,
        .device_layer_s = per_layer(report->device_compute_s, device_layers),
        .server_layer_s = per_layer(report->server_compute_s, layers - row->split),
        .activation_bytes = report->activation_bytes,
        .overridden = report->overridden != 0,
        .prompt = ret_answer->prompt,
        .prompt_tokens = ret_answer->prompt_tokens,
    };
    for (size_t i = 0; i < report->answer.count; i++)
        ret_answer->token[i] = report->answer.data[i];
}

/* And when it is lost. */
#define LOSE_KEY(name)
#define LOSE_WORLD(name)
#define LOSE_DECISION(name)
#define LOSE_SHARE(name)
#define LOSE_SENT(name) row->name = (double) NAN;
#define LOSE_REPORTED(name) row->name = (double) NAN;
#define LOSE_DERIVED(name) row->name = (double) NAN;
#define LOSE_END(name)

void task_row_lose(struct db_task *row, enum db_task_status status)
{
    assert(status == DB_TASK_DEVICE_LOST || status == DB_TASK_SERVER_LOST || status == DB_TASK_EXPIRED ||
           status == DB_TASK_REFUSED);
#define TASK(name, kind, unit, role, meaning) LOSE_##role(name)
#include "db/task.def"
    row->served_by = DB_SERVER_NULL;
    row->bandwidth_share = row->compute_share = (double) NAN;
    row->deadline_missed = false;
    row->status = status;
}

int task_row_check(const struct world *world, const struct msg_report *report, const uint32_t *at_server,
                   struct diag *diag)
{
    bool local = report->served_by == PROTO_SERVER_NONE;
    if (!local && report->served_by >= world->servers)
        return diag_fail(diag, ERR_RANGE, "REPORT of device %u: server %llu of %u", (unsigned) report->device,
                         (unsigned long long) report->served_by, world->servers);
    if (at_server != NULL && (local ? ENV_LOCAL : (uint32_t) report->served_by) != *at_server)
        return diag_fail(diag, ERR_STATE, "REPORT of device %u: its task was not at server %llu",
                         (unsigned) report->device, (unsigned long long) report->served_by);
    return 0;
}
