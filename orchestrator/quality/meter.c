#include "orchestrator/quality/meter.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/array.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/progress.h"
#include "core/base/units.h"
#include "core/compute/compute_damage.h"
#include "core/model/channel.h"
#include "core/model/quality.h"
#include "core/perplexity/perplexity.h"
#include "core/weights/tokenizer.h"
#include "orchestrator/setup/model_file.h"

#define ENTITIES (1u << 20) /* of draws */
#define GRID 33u /* conditions of a surrogate's table, at most: fewer where its text would be too long */

struct record {
    struct session_crossing crossing;
    double log_ratio;
};

/* An episode has one reference for all its slots. */
struct reference {
    struct session_crossing crossing; /* split 0: none yet */
    struct session_quality quality;
};

struct meter {
    struct meter_options options;
    struct session_meter hook;
    struct weights *weights;
    struct tokenizer *tokenizer;
    struct perplexity *perplexity;
    double clean_nats; /* of one token */
    double seconds;
    struct record *record; /* [records] measured in training; owned */
    size_t records, capacity;
    bool has_surrogate;
    struct quality_table surrogate;
    struct diag why;             /* a measure has failed */
    struct reference *reference; /* [N]: the last one of each device; owned */
};

/* ---- opening ---- */

/* The splits at which something may cross. */
static void splits_of(const struct world *world, uint32_t *ret_first, uint32_t *ret_last)
{
    uint32_t layers = world->llm->layers, most = (uint32_t) world->scenario.model.max_split;
    uint32_t least = (uint32_t) world->scenario.model.min_split;
    *ret_first = least > 0 ? least : 1;
    *ret_last = most > 0 && most < layers ? most : layers - 1;
}

static bool source_is_model(const struct scenario *scenario)
{
    return scenario->quality.source == QUALITY_MODEL;
}

/* Each device damages each window with draws of its own (core/base/rng.h has room for so many). */
static int check_draws(const struct world *world, size_t windows, struct diag *diag)
{
    if (windows <= ENTITIES / world->devices)
        return 0;
    return diag_fail(
        diag, ERR_RANGE,
        "quality.tokens: %llu are %zu windows, and with %u devices at most %u have draws of their own",
        (unsigned long long) world->scenario.quality.tokens, windows, world->devices,
        ENTITIES / world->devices);
}

static int open_text(struct meter *meter, struct diag *diag)
{
    const struct scenario *scenario = &meter->options.world->scenario;
    bool own = scenario->quality.text[0] != '\0';
    const char *path = own ? scenario->quality.text : scenario->compute.text;
    struct tokenizer_ids ids = {0};
    struct perplexity_options options = {0};
    if (path[0] == '\0')
        return diag_fail(diag, ERR_RANGE, "quality.text: is empty, quality.source '%s' needs a text",
                         scenario_quality_words[scenario->quality.source]);
    int rc = model_file_text(meter->tokenizer, path, own ? "quality.text" : "compute.text", &ids, diag);
    const struct perplexity_text text = {ids.id, ids.count, meter->tokenizer};
    if (source_is_model(scenario))
        splits_of(meter->options.world, &options.first, &options.last);
    else
        options.first = options.last = weights_geometry(meter->weights)->layers; /* the clean text alone */
    uint32_t window = weights_geometry(meter->weights)->context;
    options.windows = (scenario->quality.tokens + window - 1) / window;
    if (rc == 0 && source_is_model(scenario))
        rc = check_draws(meter->options.world, options.windows, diag);
    if (rc == 0)
        rc = perplexity_open(&meter->perplexity, meter->weights, &text, &options, diag);
    tokenizer_ids_finish(&ids);
    return rc;
}

static int measure_model(struct meter *meter, const struct session_crossing *crossing,
                         struct session_quality *ret, struct diag *diag);

/* One measure that is timed; the mean over the splits follows from their FLOP. */
static int time_one(struct meter *meter, struct diag *diag)
{
    uint32_t first, last;
    struct session_quality quality;
    splits_of(meter->options.world, &first, &last);
    const struct session_crossing crossing = {
        .id = {RNG_TRAIN, 0, SESSION_METER_BEFORE},
        .split = (first + last) / 2,
        .condition = channel_drawn(meter->options.world, 0, (struct slot_id){RNG_TRAIN, 0, 0}),
    };
    uint64_t start_ns = clock_monotonic_ns();
    int rc = measure_model(meter, &crossing, &quality, diag);
    double taken_s = units_ns_to_s(clock_monotonic_ns() - start_ns), flop = 0.0;
    for (uint32_t split = first; split <= last; split++)
        flop += perplexity_flop(meter->perplexity, split) / (last - first + 1);
    meter->seconds = taken_s * flop / perplexity_flop(meter->perplexity, crossing.split);
    return rc;
}

static int hook_measure(void *user, const struct session_crossing *crossing, struct session_quality *ret,
                        struct diag *diag);

static int open_all(struct meter *meter, struct diag *diag)
{
    const struct scenario *scenario = &meter->options.world->scenario;
    const char *path = meter->options.model != NULL ? meter->options.model : scenario->model.file;
    int rc =
        scenario->channel.mode != CHANNEL_RELIABLE || scenario->quality.source == QUALITY_TASK
            ? compute_damage_check(meter->options.world, diag)
            : diag_fail(diag, ERR_UNSUPPORTED,
                        "quality.source: model measures what a channel damages, and channel.mode: reliable "
                        "damages nothing");
    if (rc == 0)
        rc = weights_open(path, &meter->weights, diag);
    if (rc == 0)
        rc = compute_keys_check_hash(scenario, meter->weights, path, diag);
    if (rc == 0)
        rc = tokenizer_open(meter->weights, NULL, &meter->tokenizer, diag);
    if (rc == 0)
        rc = open_text(meter, diag);
    if (rc != 0)
        return rc;
    const struct likelihood clean = perplexity_clean(meter->perplexity);
    meter->clean_nats = clean.nats / (double) clean.tokens;
    if (meter->options.surrogate != NULL && meter->options.is_training) {
        rc = quality_table_read(&meter->surrogate, meter->options.surrogate, diag);
        meter->has_surrogate = rc == 0;
    }
    return rc == 0 && source_is_model(scenario) ? time_one(meter, diag) : rc;
}

int meter_open(struct meter **ret_meter, const struct meter_options *options, struct diag *diag)
{
    *ret_meter = NULL;
    enum scenario_quality source = options->world->scenario.quality.source;
    if (source != QUALITY_MODEL && source != QUALITY_TASK)
        return 0;
    struct meter *meter = calloc(1, sizeof *meter);
    if (meter == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    meter->options = *options;
    meter->hook = (struct session_meter){hook_measure, meter};
    meter->reference = calloc(options->world->devices, sizeof *meter->reference);
    int rc = meter->reference != NULL ? open_all(meter, diag) : diag_fail(diag, -ENOMEM, "out of memory");
    if (rc != 0) {
        meter_close(meter);
        return rc;
    }
    *ret_meter = meter;
    return 0;
}

void meter_close(struct meter *meter)
{
    if (meter == NULL)
        return;
    perplexity_close(meter->perplexity);
    tokenizer_close(meter->tokenizer);
    weights_close(meter->weights);
    free(meter->record);
    free(meter->reference);
    free(meter);
}

const struct session_meter *meter_hook(struct meter *meter)
{
    return meter != NULL ? &meter->hook : NULL;
}

double meter_seconds(const struct meter *meter)
{
    return meter->seconds;
}

/* ---- measuring ---- */

static int measure_model(struct meter *meter, const struct session_crossing *crossing,
                         struct session_quality *ret, struct diag *diag)
{
    const struct world *world = meter->options.world;
    size_t windows = perplexity_windows(meter->perplexity);
    struct perplexity_crossing through = {.split = crossing->split};
    struct perplexity_result result;
    const struct activation_shape shape = compute_shape(world, 1, 0);
    through.format = shape.format;
    through.k = shape.k;
    compute_damage(world, crossing->condition, perplexity_mean(meter->perplexity, crossing->split),
                   &through.damage);
    const struct rng_at at = {
        .seed = world->seed,
        .phase = crossing->id.phase,
        .stream = RNG_DAMAGE,
        .entity = (uint32_t) (crossing->device * windows),
        .episode = crossing->id.episode,
        .slot = crossing->id.slot,
    };
    int rc = perplexity_measure(meter->perplexity, &through, &at, &result, NULL, diag);
    if (rc != 0)
        return rc;
    const struct likelihood *found = &result.likelihood;
    *ret = (struct session_quality){
        .log_ratio = found->nats / (double) found->tokens - meter->clean_nats,
        .nll = found->nats,
        .tokens = (double) found->tokens,
        .bytes = (double) found->bytes,
    };
    return 0;
}

/* ---- the surrogate ---- */

int meter_remember(struct meter *meter, const struct session_crossing *crossing, double log_ratio)
{
    int rc = array_reserve(&meter->record, &meter->capacity, meter->records + 1);
    if (rc == 0)
        meter->record[meter->records++] = (struct record){*crossing, log_ratio};
    return rc;
}

static int compare_u32(uint32_t a, uint32_t b)
{
    return a < b ? -1 : a > b ? 1 : 0;
}

static int compare_records(const void *one, const void *other)
{
    const struct session_crossing *a = &((const struct record *) one)->crossing,
                                  *b = &((const struct record *) other)->crossing;
    int order = compare_u32(a->id.episode, b->id.episode);
    order = order != 0 ? order : compare_u32(a->id.slot, b->id.slot);
    return order != 0 ? order : compare_u32(a->device, b->device);
}

/* What the network says, on a grid of so many conditions; ERR_TOO_BIG: its text does not fit a key. */
static int draw_table(const struct meter *meter, struct surrogate *surrogate, uint32_t grid,
                      struct quality_table *ret, char ret_text[static QUALITY_TEXT_MAX + 1])
{
    uint32_t first, last;
    double least = HUGE_VAL, most = -HUGE_VAL;
    splits_of(meter->options.world, &first, &last);
    for (size_t i = 0; i < meter->records; i++) {
        least = fmin(least, meter->record[i].crossing.condition);
        most = fmax(most, meter->record[i].crossing.condition);
    }
    *ret = (struct quality_table){.conditions = most > least ? grid : 1, .splits = last - first + 1};
    if (ret->splits > QUALITY_SPLITS_MAX || ret->splits * ret->conditions > QUALITY_VALUES_MAX)
        return ERR_TOO_BIG;
    for (uint32_t c = 0; c < ret->conditions; c++) {
        double share = ret->conditions > 1 ? (double) c / (ret->conditions - 1) : 0.0;
        ret->condition[c] = (double) (float) (least + share * (most - least));
    }
    for (uint32_t s = 0; s < ret->splits; s++) {
        ret->split[s] = first + s;
        for (uint32_t c = 0; c < ret->conditions; c++) {
            const float x[2] = {(float) ret->split[s], (float) ret->condition[c]};
            double value = surrogate_at(surrogate, x);
            ret->value[s * ret->conditions + c] =
                round(value * 1e5) / 1e5; /* short, and far below the noise */
        }
    }
    return quality_table_print(ret, ret_text, NULL);
}

static void tell_fit(void *user, size_t done, size_t all)
{
    (void) all;
    progress_update(user, done, NULL);
}

static int fit(struct meter *meter, struct surrogate **ret, struct surrogate_error *error, struct diag *diag)
{
    const struct surrogate_config config = surrogate_defaults(2, meter->options.world->seed);
    size_t all = (config.folds + 1) * config.epochs;
    struct progress progress;
    float *x = calloc(2 * meter->records + 1, sizeof *x), *y = calloc(meter->records + 1, sizeof *y);
    int rc = x != NULL && y != NULL ? 0 : diag_fail(diag, -ENOMEM, "out of memory");
    for (size_t i = 0; rc == 0 && i < meter->records; i++) {
        x[2 * i] = (float) meter->record[i].crossing.split;
        x[2 * i + 1] = (float) meter->record[i].crossing.condition;
        y[i] = (float) meter->record[i].log_ratio;
    }
    const struct surrogate_records records = {x, y, meter->records};
    progress_start(&progress, "surrogate", all, meter->options.quiet);
    if (rc == 0)
        rc = surrogate_fit(ret, &config, &records, error, tell_fit, &progress, diag);
    progress_stop(&progress, all);
    free(x);
    free(y);
    return rc;
}

static int take_over(struct meter *meter, struct diag *diag)
{
    char text[QUALITY_TEXT_MAX + 1];
    struct surrogate *surrogate = NULL;
    struct surrogate_error error;
    if (meter->records > 0)
        qsort(meter->record, meter->records, sizeof *meter->record, compare_records);
    int rc = fit(meter, &surrogate, &error, diag);
    if (rc != 0)
        return rc;
    rc = ERR_TOO_BIG;
    for (uint32_t grid = GRID; rc == ERR_TOO_BIG && grid >= 2; grid = (grid + 1) / 2)
        rc = draw_table(meter, surrogate, grid, &meter->surrogate, text);
    surrogate_destroy(surrogate);
    if (rc != 0)
        return diag_fail(diag, rc, "a surrogate of so many splits is too large for the key quality.table");
    /* What is read back is what a resumed run reads. */
    rc = quality_table_read(&meter->surrogate, text, diag);
    meter->has_surrogate = rc == 0;
    if (rc == 0 && meter->options.fitted != NULL)
        rc = meter->options.fitted(meter->options.user, text, &error);
    return rc;
}

/* A whole episode is measured, or none of it. */
static bool is_past(const struct meter *meter, const struct session_crossing *crossing)
{
    uint64_t after = meter->options.world->scenario.quality.surrogate_after;
    return meter->options.is_training && after > 0 &&
           (uint64_t) crossing->id.episode * meter->options.slots >= after;
}

/* What the nodes told, beside the clean text. */
static struct session_quality judge_told(const struct meter *meter, const struct likelihood *told)
{
    if (told->tokens == 0)
        return (struct session_quality){(double) NAN, (double) NAN, (double) NAN, (double) NAN};
    return (struct session_quality){
        .log_ratio = told->nats / (double) told->tokens - meter->clean_nats,
        .nll = told->nats,
        .tokens = (double) told->tokens,
        .bytes = (double) told->bytes,
    };
}

static bool is_same(const struct session_crossing *a, const struct session_crossing *b)
{
    return a->split == b->split && a->condition == b->condition && a->id.phase == b->id.phase &&
           a->id.episode == b->id.episode;
}

static int measure_reference(struct meter *meter, const struct session_crossing *crossing,
                             struct session_quality *ret, struct diag *diag)
{
    struct reference *reference = &meter->reference[crossing->device];
    int rc = 0;
    if (!is_same(&reference->crossing, crossing)) {
        rc = measure_model(meter, crossing, &reference->quality, diag);
        reference->crossing = rc == 0 ? *crossing : (struct session_crossing){0};
    }
    *ret = reference->quality;
    return rc;
}

static int measure(struct meter *meter, const struct session_crossing *crossing, struct session_quality *ret,
                   struct diag *diag)
{
    const struct world *world = meter->options.world;
    int rc = 0;
    assert(crossing->device < world->devices);
    if (world->scenario.quality.source == QUALITY_TASK) {
        *ret = judge_told(meter, &crossing->told);
        return 0;
    }
    if (is_past(meter, crossing) && !meter->has_surrogate)
        rc = take_over(meter, diag);
    if (rc != 0)
        return rc;
    if (crossing->split == 0 || crossing->split >= world->llm->layers) {
        *ret =
            (struct session_quality){0.0, (double) NAN, (double) NAN, (double) NAN}; /* nothing is damaged */
        return 0;
    }
    if (is_past(meter, crossing)) {
        double ratio = quality_at(&meter->surrogate, crossing->split, crossing->condition);
        *ret = (struct session_quality){ratio, (double) NAN, (double) NAN, (double) NAN};
        return 0;
    }
    if (crossing->id.slot == SESSION_METER_BEFORE) /* no task's row has it, so no surrogate learns from it */
        return measure_reference(meter, crossing, ret, diag);
    rc = measure_model(meter, crossing, ret, diag);
    bool learns = meter->options.is_training && world->scenario.quality.surrogate_after > 0;
    if (rc == 0 && learns)
        rc = meter_remember(meter, crossing, ret->log_ratio);
    return rc;
}

static int hook_measure(void *user, const struct session_crossing *crossing, struct session_quality *ret,
                        struct diag *diag)
{
    struct meter *meter = user;
    int rc = measure(meter, crossing, ret, &meter->why);
    if (rc != 0)
        meter_explain(meter, diag);
    return rc;
}

void meter_explain(const struct meter *meter, struct diag *diag)
{
    if (meter != NULL && meter->why.text[0] != '\0')
        (void) diag_fail(diag, 0, "%s", meter->why.text);
}
