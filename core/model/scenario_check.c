/* What must hold between the world's keys. Each rule is one function of a few lines; the first broken one speaks. */
#include "core/model/scenario.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/base/elementary.h"
#include "core/base/err.h"
#include "core/base/parse.h"
#include "core/base/units.h"
#include "core/model/channel_radio.h"
#include "core/model/classes.h"
#include "core/model/faults.h"
#include "core/model/layer_times.h"
#include "core/model/llm_keys.h"
#include "core/model/quality.h"
#include "core/model/scenario_internal.h"
#include "core/model/tiers.h"

/* A deadline below this would make penalties overflow; 0 switches it off. */
#define DEADLINE_MIN_S 1e-3

/* What a paced link keeps to within 1 % on two cores (docs/real-time.md). */
#define LINK_MAX_BPS 1e9

#define MODEL_HASH_DIGITS 64u

_Static_assert(sizeof((struct scenario *) NULL)->model.hash == MODEL_HASH_DIGITS + 1, "the key holds a hash");

/* A link of `what` that reaches peak_bps in model time; `key` makes it slower. */
static int check_peak(const struct scenario *scenario, const char *what, const char *key, double peak_bps,
                      struct diag *diag)
{
    double scale = scenario->run.time_scale;
    if (peak_bps * scale <= LINK_MAX_BPS)
        return 0;
    double fits = floor(LINK_MAX_BPS / peak_bps * 100.0) / 100.0;
    if (fits < 0.1)
        return diag_fail(
            diag, ERR_RANGE,
            "run.time_scale: %s of this scenario reach %.0f Mbit/s, and a link carries 1 Gbit/s in "
            "real time: no scale fits, use a smaller %s",
            what, peak_bps / UNITS_MHZ, key);
    return diag_fail(
        diag, ERR_RANGE,
        "run.time_scale: %s of this scenario reach %.0f Mbit/s, at scale %g more than the 1 Gbit/s "
        "a link carries in real time: at most %.2f fits",
        what, peak_bps / UNITS_MHZ, scale, fits);
}

int scenario_check_peak(const struct scenario *scenario, double peak_bps, struct diag *diag)
{
    if (scenario->run.clock != CLOCK_REAL)
        return 0;
    return check_peak(scenario, "uplinks", "radio.bandwidth_mhz", peak_bps, diag);
}

/* A trace's rates are known, and checked, when it has been read (dataset_traces.c). */
static int check_clock(const struct scenario *scenario, struct diag *diag)
{
    if (scenario->run.clock != CLOCK_REAL)
        return 0;
    bool traced = scenario->radio.trace[0] != '\0';
    int rc = traced ? 0 : scenario_check_peak(scenario, channel_peak_rate_bps(scenario), diag);
    if (rc != 0)
        return rc;
    return check_peak(scenario, "downlinks", "link.down_mbps", scenario->link.down_mbps * UNITS_MHZ, diag);
}

static int check_speeds(const struct scenario *scenario, struct diag *diag)
{
    if (scenario->devices.tflops_min > scenario->devices.tflops_max)
        return diag_fail(diag, ERR_RANGE, "devices.tflops_min: %g is above devices.tflops_max, %g TFLOP/s",
                         scenario->devices.tflops_min, scenario->devices.tflops_max);
    if (scenario->servers.tflops_min > scenario->servers.tflops_max)
        return diag_fail(diag, ERR_RANGE, "servers.tflops_min: %g is above servers.tflops_max, %g TFLOP/s",
                         scenario->servers.tflops_min, scenario->servers.tflops_max);
    return 0;
}

static int check_guests(const struct scenario *scenario, struct diag *diag)
{
    uint64_t guests = scenario->devices.guests, count = scenario->devices.count;
    if (guests == 0)
        return 0;
    if (guests >= count)
        return diag_fail(diag, ERR_RANGE,
                         "devices.guests: %" PRIu64 " of devices.count, %" PRIu64
                         ", leaves nobody to begin with, allowed 0 to %" PRIu64,
                         guests, count, count - 1);
    if (scenario->run.clock != CLOCK_REAL || scenario->compute.kind != COMPUTE_MODEL)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "devices.guests: guests need run.clock: real and compute.kind: model, allowed 0");
    return 0;
}

static int check_mobility(const struct scenario *scenario, struct diag *diag)
{
    double mean = scenario->mobility.speed_mean;
    if (mean < scenario->mobility.speed_min || mean > scenario->mobility.speed_max)
        return diag_fail(
            diag, ERR_RANGE,
            "mobility.speed_mean: %g is not between mobility.speed_min, %g, and mobility.speed_max, %g m/s",
            mean, scenario->mobility.speed_min, scenario->mobility.speed_max);
    if (scenario->mobility.kind == MOBILITY_TRACE && scenario->mobility.trace[0] == '\0')
        return diag_fail(diag, ERR_RANGE,
                         "mobility.trace: is empty, mobility.kind 'trace' needs a file or a folder");
    return 0;
}

static int check_radio(const struct scenario *scenario, struct diag *diag)
{
    double floor_m = scenario->radio.min_distance_m;
    if (scenario->servers.coverage_m < floor_m)
        return diag_fail(diag, ERR_RANGE, "servers.coverage_m: %g is below radio.min_distance_m, %g m",
                         scenario->servers.coverage_m, floor_m);
    double nearest_db = scenario->radio.path_loss_db +
                        scenario->radio.path_loss_slope_db * elementary_log10(floor_m / 1000.0);
    if (nearest_db < 0.0)
        return diag_fail(diag, ERR_RANGE,
                         "radio.path_loss_db: %g gives a path loss of %g dB at radio.min_distance_m, %g m: "
                         "a channel cannot amplify",
                         scenario->radio.path_loss_db, nearest_db, floor_m);
    return 0;
}

/* Bounds of a split that moves, in a model of `layers` layers. */
static int check_moves(const struct scenario *scenario, const struct llm *llm, struct diag *diag)
{
    uint64_t least = scenario->model.min_split, most = scenario->model.max_split;
    uint64_t last = most > 0 ? most : llm->layers - 1;
    uint64_t first_min = scenario->model.first_split_min, first_max = scenario->model.first_split_max;
    if (most > 0 && (most < least || most >= llm->layers))
        return diag_fail(diag, ERR_RANGE,
                         "model.max_split: %" PRIu64 " is out of range, allowed 0 (no bound) or %" PRIu64
                         " (model.min_split) to %u, one less than %s has layers",
                         most, least, llm->layers - 1, llm->name);
    if (scenario->model.split_step == 0)
        return 0;
    if (least > last)
        return diag_fail(diag, ERR_RANGE,
                         "model.split_step: no split is left to move to, since model.min_split is %" PRIu64
                         ": allowed 0",
                         least);
    if (first_min > 0 && (first_min < least || first_min > last))
        return diag_fail(diag, ERR_RANGE,
                         "model.first_split_min: %" PRIu64 " is out of range, allowed 0 or %" PRIu64
                         " to %" PRIu64,
                         first_min, least, last);
    first_min = first_min > 0 ? first_min : least;
    if (first_max > 0 && (first_max < first_min || first_max > last))
        return diag_fail(diag, ERR_RANGE,
                         "model.first_split_max: %" PRIu64 " is out of range, allowed 0 or %" PRIu64
                         " to %" PRIu64,
                         first_max, first_min, last);
    return 0;
}

static int check_llm(const struct scenario *scenario, struct diag *diag)
{
    struct llm llm;
    if (llm_keys_need_file(scenario))
        return 0; /* checked again when the file has been read */
    int rc = llm_keys_read(scenario, &llm, diag);
    if (rc != 0)
        return rc;
    if (scenario->model.min_split > llm.layers)
        return diag_fail(diag, ERR_RANGE, "model.min_split: %" PRIu64 " is above the %u layers of %s",
                         scenario->model.min_split, llm.layers, llm.name);
    uint32_t fits = llm_layers_in(&llm, scenario->devices.memory_gb * UNITS_GB);
    if (fits < scenario->model.min_split)
        return diag_fail(diag, ERR_RANGE,
                         "devices.memory_gb: %g holds %u layers of %s, fewer than model.min_split, %" PRIu64,
                         scenario->devices.memory_gb, fits, llm.name, scenario->model.min_split);
    return check_moves(scenario, &llm, diag);
}

static int check_times(const struct scenario *scenario, struct diag *diag)
{
    struct layer_times times;
    return scenario->model.times[0] != '\0' ? layer_times_read(&times, scenario->model.times, diag) : 0;
}

static int check_quality(const struct scenario *scenario, struct diag *diag)
{
    struct quality_table table;
    bool has_table = scenario->quality.table[0] != '\0';
    if (scenario->quality.source == QUALITY_TABLE && !has_table && scenario->quality.table_csv[0] == '\0')
        return diag_fail(diag, ERR_RANGE,
                         "quality.table: is empty, quality.source 'table' needs it, or quality.table_csv");
    return has_table ? quality_table_read(&table, scenario->quality.table, diag) : 0;
}

static int check_kept(const struct scenario *scenario, struct diag *diag)
{
    bool is_topk = scenario->compute.format == COMPUTE_TOPK,
         computes = scenario->compute.kind == COMPUTE_MODEL;
    struct llm llm;
    if (scenario->compute.kept > 0 && !is_topk)
        return diag_fail(diag, ERR_RANGE,
                         "compute.kept: %" PRIu64
                         " is of the format topk, and compute.format is %s: allowed 0",
                         scenario->compute.kept, scenario_compute_format_words[scenario->compute.format]);
    if (scenario->compute.kept == 0 && is_topk && computes)
        return diag_fail(diag, ERR_RANGE,
                         "compute.kept: is 0, and the format topk keeps at least 1 element of each row");
    if (!is_topk || llm_keys_need_file(scenario))
        return 0;
    int rc = llm_keys_read(scenario, &llm, diag);
    if (rc == 0 && scenario->compute.kept > llm.hidden)
        rc = diag_fail(diag, ERR_RANGE,
                       "compute.kept: %" PRIu64 " is more than the %u elements of a row of %s",
                       scenario->compute.kept, llm.hidden, llm.name);
    return rc;
}

static int check_compute(const struct scenario *scenario, struct diag *diag)
{
    const char *hash = scenario->model.hash;
    if (scenario->compute.kind == COMPUTE_MODEL && scenario->model.file[0] == '\0')
        return diag_fail(diag, ERR_RANGE, "model.file: is empty, compute.kind 'model' needs a model file");
    if (scenario->compute.chunks > 1 && scenario->run.mode == MODE_QUEUE)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "compute.chunks: run.mode: queue sends a prompt whole, allowed 1");
    if (hash[0] != '\0' && strspn(hash, "0123456789abcdef") != MODEL_HASH_DIGITS)
        return diag_fail(diag, ERR_SYNTAX,
                         "model.hash: '%s' is no SHA-256, which has %u digits 0 to 9 and a to f", hash,
                         MODEL_HASH_DIGITS);
    return check_kept(scenario, diag);
}

/* Bits of one element where it crosses, without its scale. */
static uint32_t element_bits(enum scenario_compute_format format)
{
    switch (format) {
    case COMPUTE_FP32: return 32;
    case COMPUTE_FP16:
    case COMPUTE_TOPK: return 16;
    case COMPUTE_INT8: return 8;
    case COMPUTE_Q4: break;
    }
    return 4;
}

/* The highest bits of an element that never turn over, in every format that may be decided. */
static int check_protected(const struct scenario *scenario, struct diag *diag)
{
    struct codings codings;
    int rc = coding_read_all(&codings, scenario, 0, diag);
    for (uint32_t i = 0; rc == 0 && i < codings.count; i++) {
        enum scenario_compute_format format = coding_at(&codings, scenario, i).format;
        if (scenario->channel.protected_bits > element_bits(format))
            rc = diag_fail(diag, ERR_RANGE,
                           "channel.protected_bits: %" PRIu64 " is more than the %u bits of an element in %s",
                           scenario->channel.protected_bits, element_bits(format),
                           scenario_compute_format_words[format]);
    }
    return rc;
}

/* What a channel may do to activations that are really computed: by nodes, or for the quality of each task. */
static int check_damage(const struct scenario *scenario, struct diag *diag)
{
    enum scenario_channel mode = scenario->channel.mode;
    bool computes = scenario->compute.kind == COMPUTE_MODEL;
    if (mode != CHANNEL_RELIABLE && scenario->compute.chunks > 1)
        return diag_fail(
            diag, ERR_UNSUPPORTED,
            "compute.chunks: channel.mode %s damages a prompt's activations as a whole, allowed 1",
            scenario_channel_words[mode]);
    if (!computes && scenario->quality.source != QUALITY_MODEL)
        return 0;
    if (mode == CHANNEL_ANALOG && scenario->compute.format != COMPUTE_FP32)
        return diag_fail(
            diag, ERR_UNSUPPORTED,
            "compute.format: is %s, and channel.mode analog sends elements as they are, allowed fp32",
            scenario_compute_format_words[scenario->compute.format]);
    return mode == CHANNEL_BITS ? check_protected(scenario, diag) : 0;
}

/* Who applies the head sees how well the model foretells a prompt. */
static int check_nll(const struct scenario *scenario, struct diag *diag)
{
    bool scores = scenario->compute.nll == SWITCH_ON;
    if (scenario->quality.source == QUALITY_TASK && !scores)
        return diag_fail(diag, ERR_RANGE, "compute.nll: is off, quality.source 'task' needs it");
    if (!scores)
        return 0;
    if (scenario->compute.kind != COMPUTE_MODEL)
        return diag_fail(diag, ERR_UNSUPPORTED, "compute.nll: emulated nodes compute nothing, allowed off");
    if (scenario->compute.head == COMPUTE_HEAD_DEVICE)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "compute.nll: with compute.head: device a server never sees the head, allowed off");
    return 0;
}

static int check_objective(const struct scenario *scenario, struct diag *diag)
{
    double deadline_s = scenario->objective.deadline_s;
    if (deadline_s > 0.0 && deadline_s < DEADLINE_MIN_S)
        return diag_fail(diag, ERR_RANGE,
                         "objective.deadline_s: %g is too short, allowed 0 (none) or at least %g s",
                         deadline_s, DEADLINE_MIN_S);
    enum scenario_reward reward = scenario->objective.reward;
    bool counts = reward == REWARD_SHAPED || reward == REWARD_PAPER;
    bool needs_quality = counts || scenario->objective.quality_weight > 0.0;
    if (needs_quality && scenario->quality.source == QUALITY_NONE)
        return diag_fail(
            diag, ERR_RANGE,
            "quality.source: is none, and the objective counts quality (%s): allowed table, model and task",
            counts ? "objective.reward" : "objective.quality_weight");
    if (reward != REWARD_COST && scenario->run.mode == MODE_QUEUE)
        return diag_fail(
            diag, ERR_UNSUPPORTED,
            "objective.reward: run.mode: queue adds up what tasks cost slot by slot, allowed cost");
    if (reward == REWARD_SHAPED && scenario->model.max_split == 0)
        return diag_fail(diag, ERR_RANGE,
                         "model.max_split: is 0, and objective.reward 'shaped' counts how far below it a "
                         "split is: allowed 1 and more");
    return 0;
}

static int check_meter(const struct scenario *scenario, struct diag *diag)
{
    if (scenario->quality.source == QUALITY_MODEL && scenario->model.file[0] == '\0')
        return diag_fail(diag, ERR_RANGE, "model.file: is empty, quality.source 'model' needs a model file");
    if (scenario->quality.surrogate_after > 0 && scenario->run.record == RECORD_EPISODES)
        return diag_fail(
            diag, ERR_RANGE,
            "quality.surrogate_after: a run that is resumed learns from its tasks, run.record must be "
            "tasks or answers");
    return 0;
}

/* What lists of messages hold (messages.def), and what an episode's times stay exact in. */
#define QUEUE_SLOTS_MAX 65536u

static int check_mode(const struct scenario *scenario, struct diag *diag)
{
    if (scenario->run.mode == MODE_ROUND && scenario->task.probability < 1.0)
        return diag_fail(
            diag, ERR_RANGE,
            "task.probability: %g needs run.mode: queue; in mode round every device has a task in every slot",
            scenario->task.probability);
    if (scenario->run.mode == MODE_ROUND)
        return 0;
    if (scenario->run.slots > QUEUE_SLOTS_MAX)
        return diag_fail(diag, ERR_RANGE,
                         "run.slots: %" PRIu64 " is too many for run.mode: queue, allowed 1 to %u",
                         scenario->run.slots, QUEUE_SLOTS_MAX);
    if (scenario->radio.sharing != BANDWIDTH_EQUAL)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "radio.sharing: run.mode: queue divides a server's band equally, allowed equal");
    if (scenario->servers.memory_gb > 0.0)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "servers.memory_gb: run.mode: queue has no such limit, allowed 0");
    return 0;
}

/* Tasks that are open at once hold something each; the list of them has a bound. */
#define RESERVED_TASKS_MAX 1000000u

/* Every tier can hold one task at the least. */
static int check_memory_need(const struct scenario *scenario, struct diag *diag)
{
    double most = 0.0;
    for (uint32_t i = 0; i < scenario->tiers_count; i++)
        most = fmax(most, tiers_full_share(scenario, i));
    if (scenario->tiers_count == 0)
        most = tiers_full_share(scenario, TIERS_NONE);
    double memory = scenario->reserve.memory_need * most;
    if (memory <= 1.0)
        return 0;
    return diag_fail(diag, ERR_RANGE,
                     "reserve.memory_need: %g full shares are %g of a server's memory, allowed at most %g",
                     scenario->reserve.memory_need, memory, 1.0 / most);
}

static int check_levels(const struct scenario *scenario, struct diag *diag)
{
    double level[WORLD_LEVELS_MAX];
    int count = parse_real_list(scenario->reserve.levels, level, WORLD_LEVELS_MAX);
    bool is_right = count > 0;
    for (int i = 0; i < count; i++)
        is_right = is_right && level[i] > 0.0 && level[i] <= scenario->reserve.most;
    if (is_right)
        return 0;
    return diag_fail(
        diag, ERR_RANGE,
        "reserve.levels: '%s', expected 1 to %u numbers with blanks between, each above 0 and at "
        "most reserve.most, %g",
        scenario->reserve.levels, WORLD_LEVELS_MAX, scenario->reserve.most);
}

/* Turns between calm and burst are walked through one by one. */
#define TURNS_MOST 1e6

static int check_arrivals(const struct scenario *scenario, struct diag *diag)
{
    if (scenario->arrivals.kind == ARRIVALS_SLOTS)
        return 0;
    if (scenario->radio.trace[0] != '\0' || scenario->mobility.kind == MOBILITY_TRACE)
        return diag_fail(
            diag, ERR_UNSUPPORTED,
            "arrivals.kind: %s has no slots of one length, by which traces are played, allowed slots",
            scenario_arrivals_words[scenario->arrivals.kind]);
    if (scenario->arrivals.kind != ARRIVALS_BURSTS)
        return 0;
    double gap_s = 1.0 / fmin(scenario->arrivals.rate, scenario->arrivals.burst_rate);
    double turn_s = fmin(scenario->arrivals.calm_s, scenario->arrivals.burst_s);
    double turns = (double) scenario->run.slots * gap_s / turn_s;
    if (turns <= TURNS_MOST)
        return 0;
    return diag_fail(
        diag, ERR_RANGE,
        "arrivals.calm_s, burst_s: an episode may have %g turns between calm and burst, allowed at most "
        "%g: use longer ones, more tasks in a second or shorter episodes",
        turns, TURNS_MOST);
}

/* Whole tasks that reserve: what that does not go with. */
static int check_reserved(const struct scenario *scenario, struct diag *diag)
{
    bool reserves = scenario->servers.discipline == DISCIPLINE_RESERVED;
    enum scenario_reward reward = scenario->objective.reward;
    bool is_whole = reward == REWARD_COMPLETED || reward == REWARD_PRINTED || reward == REWARD_UTILITY;
    if (!reserves && scenario->arrivals.kind != ARRIVALS_SLOTS)
        return diag_fail(
            diag, ERR_UNSUPPORTED,
            "arrivals.kind: %s is of whole tasks, with servers.discipline: reserved, allowed slots",
            scenario_arrivals_words[scenario->arrivals.kind]);
    if (!reserves && is_whole)
        return diag_fail(
            diag, ERR_UNSUPPORTED,
            "objective.reward: %s is of whole tasks, with servers.discipline: reserved, allowed cost",
            scenario_reward_words[reward]);
    if (!reserves)
        return 0;
    int rc = check_arrivals(scenario, diag);
    if (rc != 0)
        return rc;
    if (scenario->run.mode != MODE_ROUND)
        return diag_fail(
            diag, ERR_UNSUPPORTED,
            "servers.discipline: reserved is of run.mode: round, allowed fifo and processor-sharing");
    if (scenario->faults.recovery != RECOVERY_NONE)
        return diag_fail(
            diag, ERR_UNSUPPORTED,
            "faults.recovery: a task that reserves does not go on elsewhere (servers.discipline: "
            "reserved), allowed none");
    if (scenario->model.min_split > 0 || scenario->model.max_split > 0 || scenario->model.split_step > 0)
        return diag_fail(
            diag, ERR_UNSUPPORTED,
            "model.min_split, max_split, split_step: with servers.discipline: reserved a task goes "
            "whole, allowed 0");
    if (scenario->compute.kind == COMPUTE_MODEL || scenario->compute.chunks > 1)
        return diag_fail(
            diag, ERR_UNSUPPORTED,
            "compute.kind, compute.chunks: servers.discipline: reserved plays emulated whole tasks, "
            "allowed emulated and 1");
    if (scenario->reserve.memory_need > scenario->reserve.most)
        return diag_fail(
            diag, ERR_RANGE,
            "reserve.memory_need: %g is above reserve.most, %g full shares: every task would be refused",
            scenario->reserve.memory_need, scenario->reserve.most);
    rc = check_memory_need(scenario, diag);
    rc = rc != 0 ? rc : check_levels(scenario, diag);
    if (rc != 0)
        return rc;
    uint64_t tasks = scenario->run.slots * scenario->devices.count;
    if (tasks > RESERVED_TASKS_MAX)
        return diag_fail(diag, ERR_RANGE,
                         "run.slots: %" PRIu64 " of %" PRIu64
                         " devices are more than %u tasks that may reserve in an "
                         "episode",
                         scenario->run.slots, scenario->devices.count, RESERVED_TASKS_MAX);
    return 0;
}

static int check_faults(const struct scenario *scenario, struct diag *diag)
{
    struct faults *faults = NULL;
    int rc = faults_create(&faults, scenario, (uint32_t) scenario->devices.count,
                           (uint32_t) scenario->servers.count, scenario->run.seed, diag);
    faults_destroy(faults);
    return rc;
}

int scenario_check_world(const void *settings, struct scenario_values whole, struct diag *diag)
{
    (void) whole; /* it knows no other part */
    static int (*const rules[])(const struct scenario *, struct diag *) = {
        check_speeds,  tiers_check,    check_guests,  check_mobility, check_radio,
        check_clock,   check_mode,     check_llm,     check_times,    scenario_check_channel,
        check_quality, check_compute,  check_damage,  check_nll,      check_objective,
        check_meter,   check_reserved, classes_check, check_faults,
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        int rc = rules[i](settings, diag);
        if (rc != 0)
            return rc;
    }
    return 0;
}
