/* leak: how many tokens of a prompt an observer recovers from what crossed a split. */
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
#include "orchestrator/channel/channel_leak.h"
#include "orchestrator/channel/channel_model.h"
#include "orchestrator/channel/channel_study.h"
#include "orchestrator/command/channel_files.h"
#include "orchestrator/command/commands.h"
#include "orchestrator/command/leak_record.h"
#include "orchestrator/setup/stop_signal.h"

#define PROGRESS_S 2.0 /* an estimate is told for what takes longer */

struct inquiry {
    const struct cli *cli;
    const struct cli_channel *options;
    enum infer_weights weights;
    struct channel_model model;
    struct tokenizer_ids ids, lesson_ids;
    struct channel_grid grid;
    struct perplexity *prompts, *lessons;
    struct leak *leak;
    struct channel_leak study;
    struct progress progress;
    bool is_running; /* the progress bar, of this attack */
    enum channel_attack running;
    struct diag *diag;
};

/* ---- preparing ---- */

static int open_text(struct inquiry *inquiry, const uint32_t *token, size_t tokens, uint32_t wanted,
                     struct perplexity **ret_text)
{
    const uint32_t window = inquiry->options->window;
    const struct channel_grid *grid = &inquiry->grid;
    const struct perplexity_text text = {token, tokens, inquiry->model.tokenizer};
    const struct perplexity_options options = {
        .weights = inquiry->weights,
        .window = window,
        .windows = wanted == 0 ? 0 : (wanted + window - 1) / window,
        .first = grid->split[0],
        .last = grid->split[grid->splits - 1] > 0 ? grid->split[grid->splits - 1] : 1,
    };
    return perplexity_open(ret_text, inquiry->model.weights, &text, &options, inquiry->diag);
}

/* Without a text of its own the probe learns from the first half of the text, and prompts come from the second. */
static int open_texts(struct inquiry *inquiry)
{
    const struct cli_channel *o = inquiry->options;
    int rc = channel_model_read(&inquiry->model, (const char *) inquiry->model.text_path.data, &inquiry->ids,
                                inquiry->diag);
    if (rc == 0 && o->probe_text != NULL)
        rc = channel_model_read(&inquiry->model, o->probe_text, &inquiry->lesson_ids, inquiry->diag);
    if (rc != 0)
        return rc;
    size_t half = o->probe_text != NULL ? 0 : inquiry->ids.count / 2;
    const uint32_t *lessons = o->probe_text != NULL ? inquiry->lesson_ids.id : inquiry->ids.id;
    rc = open_text(inquiry, inquiry->ids.id + half, inquiry->ids.count - half, o->tokens, &inquiry->prompts);
    if (rc == 0 && inquiry->study.attack[CHANNEL_PROBE])
        rc = open_text(inquiry, lessons, o->probe_text != NULL ? inquiry->lesson_ids.count : half,
                       o->probe_tokens, &inquiry->lessons);
    return rc;
}

static bool on_progress(void *user, enum channel_attack attack, size_t done, size_t all)
{
    struct inquiry *inquiry = user;
    if (!inquiry->is_running || inquiry->running != attack)
        progress_start(&inquiry->progress, channel_attack_word(attack), all, inquiry->cli->quiet);
    inquiry->is_running = true;
    inquiry->running = attack;
    progress_update(&inquiry->progress, done, NULL);
    if (done == all)
        progress_stop(&inquiry->progress, all);
    return !stop_signal_raised();
}

static int prepare(struct inquiry *inquiry)
{
    const struct cli *cli = inquiry->cli;
    const struct cli_channel *o = inquiry->options;
    int rc = cli->weights != NULL ? infer_weights_parse(cli->weights, &inquiry->weights, inquiry->diag) : 0;
    if (rc == 0)
        rc = channel_attack_parse(o->attacks, inquiry->study.attack, inquiry->diag);
    if (rc == 0)
        rc = channel_files_check("--csv", o->csv, inquiry->diag);
    if (rc == 0 && o->db != NULL)
        rc = leak_record_check(o->db, inquiry->diag);
    if (rc == 0)
        rc = channel_model_open(cli->model, o->text, cli->tokenizer, &inquiry->model, inquiry->diag);
    if (rc != 0)
        return rc;
    const struct weights_geometry *g = weights_geometry(inquiry->model.weights);
    rc = channel_grid_make(&o->words, g->layers, g->hidden, &inquiry->grid, inquiry->diag);
    if (rc == 0)
        rc = open_texts(inquiry);
    if (rc == 0)
        rc = leak_open(&inquiry->leak, inquiry->model.weights, inquiry->weights, inquiry->diag);
    if (rc != 0)
        return rc;
    inquiry->study.grid = &inquiry->grid;
    inquiry->study.prompts = inquiry->prompts;
    inquiry->study.lessons = inquiry->lessons;
    inquiry->study.leak = inquiry->leak;
    inquiry->study.seeds = o->seeds;
    inquiry->study.first_seed = o->seed;
    inquiry->study.reference_rms =
        o->reference_rms > 0.0 ? o->reference_rms : channel_study_rms(&inquiry->grid, inquiry->prompts);
    inquiry->study.ridge = o->ridge;
    inquiry->study.tell = on_progress;
    inquiry->study.user = inquiry;
    return channel_leak_open(&inquiry->study, inquiry->diag);
}

/* A search takes at least so long: as if all observers found the same. The first of two tries loads the layers. */
static int tell_estimate(struct inquiry *inquiry)
{
    const uint32_t last = inquiry->grid.split[inquiry->grid.splits - 1];
    uint32_t found;
    const struct leak_observer observer = {last, perplexity_activations(inquiry->prompts, 0, last), false,
                                           &found};
    double seconds = 0.0;
    int rc = 0;
    for (int i = 0; i < 2 && rc == 0 && inquiry->study.attack[CHANNEL_SEARCH]; i++) {
        uint64_t start = clock_monotonic_ns();
        rc = leak_search(inquiry->leak, &observer, 1, 1, NULL, NULL, inquiry->diag);
        seconds = units_ns_to_s(clock_monotonic_ns() - start) * channel_leak_tokens(&inquiry->study);
    }
    if (rc == 0 && seconds > PROGRESS_S && !inquiry->cli->quiet)
        (void) fprintf(stderr, "search: at least %.0f s, more where observers find different tokens\n",
                       seconds);
    return rc;
}

/* ---- telling ---- */

/* "100" stands for all of them alone. */
static void print_share(double share)
{
    if (share < 1.0)
        (void) printf(" %7.1f", 100.0 * share < 99.9 ? 100.0 * share : 99.9);
    else
        (void) printf(" %7s", "100");
}

static void tell_head(const struct inquiry *inquiry)
{
    const struct channel_leak *l = &inquiry->study;
    (void) printf("%s, %s\n", inquiry->cli->model != NULL ? inquiry->cli->model : CHANNEL_MODEL_DEFAULT,
                  (const char *) inquiry->model.text_path.data);
    (void) printf("%% of %u tokens recovered, %zu prompts of %u; mean over %u seeds\n",
                  channel_leak_tokens(l), perplexity_windows(l->prompts), perplexity_rows(l->prompts),
                  l->seeds);
    if (l->lessons != NULL)
        (void) printf(
            "probe learned from %zu tokens of other text; its commonest token is %.1f %% of the prompts\n",
            perplexity_windows(l->lessons) * perplexity_rows(l->lessons),
            100.0 * l->guessed / channel_leak_tokens(l));
    (void) printf("\n%-16s", "layers on device");
    for (size_t s = 0; s < inquiry->grid.splits; s++)
        (void) printf(" %7u", inquiry->grid.split[s]);
    (void) putchar('\n');
}

static void tell_setting(const struct inquiry *inquiry, size_t setting)
{
    char name[CHANNEL_NAME_MAX];
    channel_setting_name(&inquiry->grid.setting[setting], name);
    (void) printf("%s\n", name);
    for (enum channel_attack a = 0; a < CHANNEL_ATTACKS; a++) {
        if (!inquiry->study.attack[a])
            continue;
        (void) printf("  %-14s", channel_attack_word(a));
        for (size_t s = 0; s < inquiry->grid.splits; s++)
            print_share(channel_leak_share(&inquiry->study, setting, s, a));
        (void) putchar('\n');
    }
}

/* Where every token was recovered, and where the fewest. */
static void tell_sum(const struct inquiry *inquiry, enum channel_attack attack)
{
    size_t whole = 0, least = 0, all = inquiry->grid.settings * inquiry->grid.splits;
    double lowest = 2.0;
    char name[CHANNEL_NAME_MAX];
    for (size_t i = 0; i < all; i++) {
        double share =
            channel_leak_share(&inquiry->study, i / inquiry->grid.splits, i % inquiry->grid.splits, attack);
        whole += share >= 1.0;
        if (share < lowest) {
            lowest = share;
            least = i;
        }
    }
    channel_setting_name(&inquiry->grid.setting[least / inquiry->grid.splits], name);
    (void) printf("%s: every token at %zu of %zu settings and splits; fewest, %.1f %%, at %s, split %u\n",
                  channel_attack_word(attack), whole, all, 100.0 * lowest, name,
                  inquiry->grid.split[least % inquiry->grid.splits]);
}

static void tell_text(const struct inquiry *inquiry)
{
    tell_head(inquiry);
    for (size_t i = 0; i < inquiry->grid.settings; i++)
        tell_setting(inquiry, i);
    (void) putchar('\n');
    for (enum channel_attack a = 0; a < CHANNEL_ATTACKS; a++)
        if (inquiry->study.attack[a])
            tell_sum(inquiry, a);
}

static json_t *json_shares(const struct inquiry *inquiry, size_t setting, enum channel_attack attack)
{
    json_t *rows = json_array();
    if (!inquiry->study.attack[attack]) {
        json_decref(rows);
        return json_null();
    }
    for (size_t s = 0; s < inquiry->grid.splits; s++)
        command_append_json(&rows, json_real(channel_leak_share(&inquiry->study, setting, s, attack)));
    return rows;
}

static json_t *json_setting(const struct inquiry *inquiry, size_t setting)
{
    const struct channel_setting *c = &inquiry->grid.setting[setting];
    char format[ACTIVATION_NAME_MAX], name[CHANNEL_NAME_MAX];
    activation_name(c->format, c->k, format);
    channel_setting_name(c, name);
    return json_pack("{s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "name", name, "mode",
                     channel_mode_word(c->mode), "level", isnan(c->level) ? json_null() : json_real(c->level),
                     "format", format, "power", channel_power_word(c), "fading", channel_fading_word(c),
                     "layout", channel_layout_word(c), "fill", channel_fill_word(c), "nearest",
                     json_shares(inquiry, setting, CHANNEL_NEAREST), "probe",
                     json_shares(inquiry, setting, CHANNEL_PROBE), "search",
                     json_shares(inquiry, setting, CHANNEL_SEARCH));
}

static int tell_json(const struct inquiry *inquiry)
{
    const struct channel_leak *l = &inquiry->study;
    json_t *settings = json_array(), *splits = json_array();
    for (size_t i = 0; i < inquiry->grid.settings; i++)
        command_append_json(&settings, json_setting(inquiry, i));
    for (size_t s = 0; s < inquiry->grid.splits; s++)
        command_append_json(&splits, json_integer(inquiry->grid.split[s]));
    return command_print_json(
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:f, s:o, s:o}", "model",
                  inquiry->cli->model != NULL ? inquiry->cli->model : CHANNEL_MODEL_DEFAULT, "text",
                  (const char *) inquiry->model.text_path.data, "tokens", (json_int_t) channel_leak_tokens(l),
                  "prompts", (json_int_t) perplexity_windows(l->prompts), "window",
                  (json_int_t) perplexity_rows(l->prompts), "seeds", (json_int_t) l->seeds, "seed",
                  (json_int_t) l->first_seed, "guess",
                  l->lessons != NULL ? json_real((double) l->guessed / channel_leak_tokens(l)) : json_null(),
                  "reference_rms", l->reference_rms, "splits", splits, "settings", settings),
        inquiry->diag);
}

static int tell(const struct inquiry *inquiry)
{
    struct buf text = {0};
    int rc = 0;
    if (inquiry->options->csv != NULL) {
        rc = channel_leak_csv(&inquiry->study, &text);
        if (rc == 0)
            rc = file_replace(inquiry->options->csv, text.data, text.size, inquiry->diag);
    }
    buf_finish(&text);
    if (rc == 0 && inquiry->cli->json)
        return tell_json(inquiry);
    if (rc == 0)
        tell_text(inquiry);
    return rc;
}

int command_leak(const struct cli *cli, struct diag *diag)
{
    struct inquiry inquiry = {.cli = cli, .options = &cli->channel, .diag = diag};
    stop_signal_catch();
    int rc = prepare(&inquiry);
    if (rc == 0)
        rc = tell_estimate(&inquiry);
    if (rc == 0)
        rc = channel_leak_run(&inquiry.study, diag);
    if (rc == 0)
        rc = tell(&inquiry);
    if (rc == 0 && inquiry.options->db != NULL)
        rc = leak_record(inquiry.options->db, &inquiry.study, inquiry.model.weights, diag);
    channel_leak_close(&inquiry.study);
    leak_close(inquiry.leak);
    perplexity_close(inquiry.prompts);
    perplexity_close(inquiry.lessons);
    channel_grid_finish(&inquiry.grid);
    tokenizer_ids_finish(&inquiry.ids);
    tokenizer_ids_finish(&inquiry.lesson_ids);
    channel_model_close(&inquiry.model);
    return command_status(rc, diag);
}
