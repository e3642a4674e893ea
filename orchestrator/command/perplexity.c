/* perplexity: what a bad channel at each split does to a model, over several noise seeds. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/file.h"
#include "core/base/progress.h"
#include "core/base/units.h"
#include "core/infer/activation_word.h"
#include "core/infer/layers.h"
#include "orchestrator/channel/channel_model.h"
#include "orchestrator/channel/channel_study.h"
#include "orchestrator/command/channel_files.h"
#include "orchestrator/command/commands.h"
#include "orchestrator/command/perplexity_figure.h"
#include "orchestrator/setup/stop_signal.h"

#define PROGRESS_S 2.0 /* an estimate is told for what takes longer */

struct inquiry {
    const struct cli *cli;
    const struct cli_channel *options;
    struct channel_model model;
    struct tokenizer_ids ids;
    struct channel_grid grid;
    struct perplexity *perplexity;
    struct channel_study study;
    struct progress progress;
    struct diag *diag;
};

/* ---- measuring ---- */

static bool on_window(void *user, size_t done, size_t windows)
{
    struct inquiry *inquiry = user;
    inquiry->progress.total = windows;
    progress_update(&inquiry->progress, done, NULL);
    return !stop_signal_raised();
}

static size_t wanted_windows(const struct inquiry *inquiry)
{
    const struct cli_channel *o = inquiry->options;
    uint32_t context = weights_geometry(inquiry->model.weights)->context;
    uint32_t window = o->window > 0 ? o->window : context < INFER_ROWS_MAX ? context : INFER_ROWS_MAX;
    if (o->tokens == 0 || o->skip >= window)
        return 0;
    return (o->tokens + (window - o->skip) - 1) / (window - o->skip);
}

static int open_perplexity(struct inquiry *inquiry)
{
    const struct channel_grid *grid = &inquiry->grid;
    const struct perplexity_text text = {inquiry->ids.id, inquiry->ids.count, inquiry->model.tokenizer};
    struct perplexity_options options = {
        .window = inquiry->options->window,
        .skip = inquiry->options->skip,
        .windows = wanted_windows(inquiry),
        .first = grid->split[0],
        .last = grid->split[grid->splits - 1] > 0 ? grid->split[grid->splits - 1] : 1,
        .tell = on_window,
        .user = inquiry,
    };
    int rc = inquiry->cli->weights != NULL
                 ? infer_weights_parse(inquiry->cli->weights, &options.weights, inquiry->diag)
                 : 0;
    if (rc != 0)
        return rc;
    progress_start(&inquiry->progress, "clean", 1, inquiry->cli->quiet);
    rc = perplexity_open(&inquiry->perplexity, inquiry->model.weights, &text, &options, inquiry->diag);
    progress_stop(&inquiry->progress, inquiry->progress.total);
    return rc;
}

/* What all measures will take, by one that is timed. */
static int tell_estimate(struct inquiry *inquiry)
{
    struct channel_study *study = &inquiry->study;
    uint64_t start = clock_monotonic_ns();
    int rc = channel_study_measure(study, 0, inquiry->diag);
    double seconds = units_ns_to_s(clock_monotonic_ns() - start) * channel_study_flop(study) /
                     perplexity_flop(inquiry->perplexity, inquiry->grid.split[0]);
    if (rc == 0 && seconds > PROGRESS_S && !inquiry->cli->quiet)
        (void) fprintf(stderr, "%zu measures of %llu tokens: about %.0f s\n", channel_study_measures(study),
                       (unsigned long long) perplexity_clean(inquiry->perplexity).tokens, seconds);
    return rc;
}

static int measure(struct inquiry *inquiry)
{
    struct channel_study *study = &inquiry->study;
    size_t measures = channel_study_measures(study);
    int rc = tell_estimate(inquiry);
    progress_start(&inquiry->progress, "measure", measures, inquiry->cli->quiet);
    for (size_t i = 0; i < measures && rc == 0; i++) {
        rc = channel_study_measure(study, i, inquiry->diag);
        progress_update(&inquiry->progress, i + 1, NULL);
        if (rc == 0 && stop_signal_raised())
            rc = diag_fail(inquiry->diag, -EINTR, "interrupted");
    }
    progress_stop(&inquiry->progress, measures);
    return rc;
}

static int prepare(struct inquiry *inquiry)
{
    const struct cli *cli = inquiry->cli;
    int rc = channel_model_open(cli->model, inquiry->options->text, cli->tokenizer, &inquiry->model,
                                inquiry->diag);
    if (rc != 0)
        return rc;
    const struct weights_geometry *g = weights_geometry(inquiry->model.weights);
    rc = channel_grid_make(&inquiry->options->words, g->layers, g->hidden, &inquiry->grid, inquiry->diag);
    if (rc == 0)
        rc = channel_model_read(&inquiry->model, (const char *) inquiry->model.text_path.data, &inquiry->ids,
                                inquiry->diag);
    if (rc == 0)
        rc = open_perplexity(inquiry);
    if (rc != 0)
        return rc;
    inquiry->study = (struct channel_study){
        .grid = &inquiry->grid,
        .perplexity = inquiry->perplexity,
        .seeds = inquiry->options->seeds,
        .first_seed = inquiry->options->seed,
        .reference_rms = inquiry->options->reference_rms > 0.0
                             ? inquiry->options->reference_rms
                             : channel_study_rms(&inquiry->grid, inquiry->perplexity),
    };
    return channel_study_open(&inquiry->study, inquiry->diag);
}

/* ---- telling ---- */

static void tell_head(const struct inquiry *inquiry)
{
    const struct likelihood clean = perplexity_clean(inquiry->perplexity);
    (void) printf("%s, %s\n", inquiry->cli->model != NULL ? inquiry->cli->model : CHANNEL_MODEL_DEFAULT,
                  (const char *) inquiry->model.text_path.data);
    (void) printf(
        "%llu tokens scored in %zu windows of %u, the first %u of each not; clean perplexity %.4g, %.4g "
        "bits per byte\n",
        (unsigned long long) clean.tokens, perplexity_windows(inquiry->perplexity),
        perplexity_rows(inquiry->perplexity), inquiry->options->skip, likelihood_perplexity(&clean),
        likelihood_bits_per_byte(&clean));
    (void) printf("mean over %u seeds, and half of its 95 %% interval by Student's t\n\n%-16s",
                  inquiry->study.seeds, "layers on device");
    for (size_t s = 0; s < inquiry->grid.splits; s++)
        (void) printf(" %8u", inquiry->grid.split[s]);
    (void) printf("\n%-16s", "rms");
    for (size_t s = 0; s < inquiry->grid.splits; s++)
        (void) printf(" %8.3g", perplexity_rms(inquiry->perplexity, inquiry->grid.split[s]));
    (void) putchar('\n');
}

static void tell_setting(const struct inquiry *inquiry, size_t setting)
{
    const struct channel_study *study = &inquiry->study;
    char name[CHANNEL_NAME_MAX];
    channel_setting_name(&inquiry->grid.setting[setting], name);
    (void) printf("%s\n%-16s", name, "  perplexity");
    for (size_t s = 0; s < inquiry->grid.splits; s++)
        (void) printf(" %8.4g", channel_study_perplexity(study, setting, s).mean);
    (void) putchar('\n');
    if (channel_study_seeds(study, setting) < 2)
        return;
    (void) printf("%-16s", "  +-");
    for (size_t s = 0; s < inquiry->grid.splits; s++) {
        struct channel_band band = channel_study_perplexity(study, setting, s);
        (void) printf(" %8.2g", band.high - band.mean);
    }
    (void) putchar('\n');
}

static void tell_trends(const struct inquiry *inquiry)
{
    (void) printf(
        "\nlog perplexity by layer on the device: slope, its 95 %% interval over seeds, and what follows\n");
    for (size_t i = 0; i < inquiry->grid.settings; i++) {
        const struct channel_band slope = channel_study_slope(&inquiry->study, i);
        char name[CHANNEL_NAME_MAX];
        channel_setting_name(&inquiry->grid.setting[i], name);
        if (isnan(slope.low))
            (void) printf("  %-44s %+9.2g  no draws, no interval\n", name, slope.mean);
        else
            (void) printf("  %-44s %+9.2g  [%+.2g, %+.2g]  %s\n", name, slope.mean, slope.low, slope.high,
                          channel_trend_word(channel_study_trend(slope)));
    }
    (void) printf("falls: earlier splits suffer more; rises: later ones; open: the interval holds 0\n");
}

static bool has_fixed_power(const struct channel_grid *grid)
{
    bool found = false;
    for (size_t i = 0; i < grid->settings; i++)
        found |=
            grid->setting[i].mode == CHANNEL_MODE_ANALOG && grid->setting[i].damage.power == DAMAGE_FIXED;
    return found;
}

static size_t failed_windows(const struct channel_study *study)
{
    size_t failed = 0;
    for (size_t i = 0; i < study->grid->settings; i++)
        for (size_t s = 0; s < study->grid->splits; s++)
            for (uint32_t seed = 0; seed < channel_study_seeds(study, i); seed++)
                failed += channel_study_result(study, i, s, seed)->failed;
    return failed;
}

static void tell_text(const struct inquiry *inquiry)
{
    tell_head(inquiry);
    for (size_t i = 0; i < inquiry->grid.settings; i++)
        tell_setting(inquiry, i);
    if (has_fixed_power(&inquiry->grid))
        (void) printf("power fixed: the SNR is meant for elements with a root mean square of %.4g\n",
                      inquiry->study.reference_rms);
    if (failed_windows(&inquiry->study) > 0)
        (void) printf("%zu windows overflowed in a layer; each of their tokens counts log(vocabulary)\n",
                      failed_windows(&inquiry->study));
    if (inquiry->grid.splits > 1)
        tell_trends(inquiry);
}

/* ---- JSON ---- */

/* NAN is null. */
static json_t *json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *json_seeds(const struct channel_study *study, size_t setting, size_t split)
{
    json_t *rows = json_array();
    for (uint32_t seed = 0; seed < channel_study_seeds(study, setting); seed++)
        command_append_json(&rows,
                            json_real(channel_study_result(study, setting, split, seed)->likelihood.nats));
    return rows;
}

static json_t *json_splits(const struct channel_study *study, size_t setting)
{
    json_t *rows = json_array();
    for (size_t s = 0; s < study->grid->splits; s++) {
        const struct channel_band p = channel_study_perplexity(study, setting, s);
        const struct channel_band ratio = channel_study_log_ratio(study, setting, s);
        const struct perplexity_result *first = channel_study_result(study, setting, s, 0);
        command_append_json(&rows, json_pack("{s:I, s:o, s:o, s:o, s:o, s:I, s:I, s:o}", "split",
                                             (json_int_t) study->grid->split[s], "perplexity",
                                             json_number(p.mean), "low", json_number(p.low), "high",
                                             json_number(p.high), "log_ratio", json_number(ratio.mean),
                                             "elements", (json_int_t) first->damage.elements, "missing",
                                             (json_int_t) (first->damage.missing + first->damage.turned),
                                             "nats", json_seeds(study, setting, s)));
    }
    return rows;
}

static json_t *json_setting(const struct channel_study *study, size_t setting)
{
    const struct channel_setting *c = &study->grid->setting[setting];
    const struct channel_band slope = channel_study_slope(study, setting);
    char format[ACTIVATION_NAME_MAX], name[CHANNEL_NAME_MAX];
    activation_name(c->format, c->k, format);
    channel_setting_name(c, name);
    return json_pack("{s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:o}", "name", name,
                     "mode", channel_mode_word(c->mode), "level", json_number(c->level), "format", format,
                     "power", channel_power_word(c), "fading", channel_fading_word(c), "layout",
                     channel_layout_word(c), "fill", channel_fill_word(c), "slope", json_number(slope.mean),
                     "slope_low", json_number(slope.low), "slope_high", json_number(slope.high), "trend",
                     isnan(slope.low) ? "" : channel_trend_word(channel_study_trend(slope)), "splits",
                     json_splits(study, setting));
}

static json_t *json_rms(const struct inquiry *inquiry)
{
    json_t *rows = json_array();
    for (size_t s = 0; s < inquiry->grid.splits; s++)
        command_append_json(&rows, json_real(perplexity_rms(inquiry->perplexity, inquiry->grid.split[s])));
    return rows;
}

static int tell_json(const struct inquiry *inquiry)
{
    const struct likelihood clean = perplexity_clean(inquiry->perplexity);
    json_t *settings = json_array();
    for (size_t i = 0; i < inquiry->grid.settings; i++)
        command_append_json(&settings, json_setting(&inquiry->study, i));
    return command_print_json(
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:I, s:o, s:o}", "model",
                  inquiry->cli->model != NULL ? inquiry->cli->model : CHANNEL_MODEL_DEFAULT, "text",
                  (const char *) inquiry->model.text_path.data, "tokens", (json_int_t) clean.tokens, "bytes",
                  (json_int_t) clean.bytes, "windows", (json_int_t) perplexity_windows(inquiry->perplexity),
                  "window", (json_int_t) perplexity_rows(inquiry->perplexity), "skip",
                  (json_int_t) inquiry->options->skip, "seeds", (json_int_t) inquiry->study.seeds, "seed",
                  (json_int_t) inquiry->study.first_seed, "clean_nats", clean.nats, "clean_perplexity",
                  likelihood_perplexity(&clean), "clean_bits_per_byte", likelihood_bits_per_byte(&clean),
                  "reference_rms", inquiry->study.reference_rms, "failed_windows",
                  (json_int_t) failed_windows(&inquiry->study), "rms", json_rms(inquiry), "settings",
                  settings),
        inquiry->diag);
}

/* ---- files ---- */

static int write_csv(const struct inquiry *inquiry)
{
    struct buf text = {0};
    int rc = channel_study_csv(&inquiry->study, &text);
    if (rc == 0)
        rc = file_replace(inquiry->options->csv, text.data, text.size, inquiry->diag);
    buf_finish(&text);
    return rc;
}

static int write_table(const struct inquiry *inquiry)
{
    struct buf text = {0};
    int rc = channel_study_table(&inquiry->study, &text, inquiry->diag);
    if (rc == 0)
        rc = file_replace(inquiry->options->table, text.data, text.size, inquiry->diag);
    buf_finish(&text);
    return rc;
}

/* Before anything is measured: what cannot be written in the end. */
static int check_files(const struct inquiry *inquiry)
{
    struct buf text = {0};
    int rc = channel_files_check("--csv", inquiry->options->csv, inquiry->diag);
    if (rc == 0)
        rc = channel_files_check("--table", inquiry->options->table, inquiry->diag);
    if (rc == 0 && inquiry->options->table != NULL)
        rc = channel_study_table(&inquiry->study, &text, inquiry->diag);
    buf_finish(&text);
    return rc == 0 && inquiry->options->figure != NULL
               ? perplexity_figure_check(inquiry->options->figure, inquiry->diag)
               : rc;
}

static int tell(const struct inquiry *inquiry)
{
    const struct cli_channel *o = inquiry->options;
    int rc = o->csv != NULL ? write_csv(inquiry) : 0;
    if (rc == 0 && o->table != NULL)
        rc = write_table(inquiry);
    if (rc == 0 && o->figure != NULL)
        rc = perplexity_figure_draw(&inquiry->study, o->figure, inquiry->diag);
    if (rc == 0 && inquiry->cli->json)
        rc = tell_json(inquiry);
    else if (rc == 0)
        tell_text(inquiry);
    return rc;
}

int command_perplexity(const struct cli *cli, struct diag *diag)
{
    struct inquiry inquiry = {.cli = cli, .options = &cli->channel, .diag = diag};
    stop_signal_catch();
    int rc = prepare(&inquiry);
    if (rc == 0)
        rc = check_files(&inquiry);
    if (rc == 0)
        rc = measure(&inquiry);
    if (rc == 0)
        rc = tell(&inquiry);
    channel_study_close(&inquiry.study);
    perplexity_close(inquiry.perplexity);
    channel_grid_finish(&inquiry.grid);
    tokenizer_ids_finish(&inquiry.ids);
    channel_model_close(&inquiry.model);
    return command_status(rc, diag);
}
