/* train: a small language model, on a folder of texts (core/train/corpus.h). Into the output folder:
 *
 *     training.state       all that is needed to go on
 *     model.safetensors, config.json, tokenizer.json
 *     training.json        with what it was trained, and how well it foretells the held-out text */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/file.h"
#include "core/base/process.h"
#include "core/base/progress.h"
#include "core/base/units.h"
#include "core/linalg/product.h"
#include "core/train/corpus.h"
#include "core/train/evaluation.h"
#include "core/train/export.h"
#include "core/train/trainer.h"
#include "orchestrator/command/commands.h"
#include "orchestrator/setup/stop_signal.h"

#define QUICK_WINDOWS 12u /* of a kind, for the progress line */

struct training {
    const struct cli *cli;
    const struct cli_train *options;
    const char *folder; /* to write into */
    struct corpus corpus;
    struct trainer *trainer;
    struct likelihood result[CORPUS_KINDS_MAX];
    uint64_t begun_ns, saved_ns;
    uint32_t begun_steps;
    char quick[256]; /* what the last quick evaluation has found */
    struct diag *diag;
};

/* ---- files ---- */

/* The path is the caller's: free(). NULL: no memory, and the diagnosis says so. */
static char *path_of(struct training *training, const char *name)
{
    struct buf path = {0};
    if (buf_printf(&path, "%s/%s", training->folder, name) != 0) {
        buf_finish(&path);
        (void) diag_fail(training->diag, -ENOMEM, "out of memory");
        return NULL;
    }
    return (char *) path.data;
}

static int save_state(struct training *training)
{
    char *path = path_of(training, "training.state");
    int rc = path != NULL ? trainer_save(training->trainer, path, training->diag) : -ENOMEM;
    free(path);
    training->saved_ns = clock_monotonic_ns();
    return rc;
}

static int load_state(struct training *training)
{
    char *path = path_of(training, "training.state");
    int rc = path != NULL ? trainer_load(training->trainer, path, training->diag) : -ENOMEM;
    free(path);
    return rc;
}

/* A state that would be written over by a new training is somebody's work. */
static int refuse_state(struct training *training)
{
    struct stat info;
    char *path = path_of(training, "training.state");
    int rc = path != NULL ? 0 : -ENOMEM;
    if (rc == 0 && stat(path, &info) == 0)
        rc = diag_fail(training->diag, ERR_STATE, "%s is there already: --resume goes on with it", path);
    free(path);
    return rc;
}

/* ---- evaluation ---- */

static int evaluate(struct training *training, const float *params, size_t kind, size_t windows,
                    struct likelihood *ret_result)
{
    const struct corpus_kind *text = &training->corpus.kind[kind];
    const struct evaluation evaluation = {
        .shape = &training->options->settings.shape,
        .params = params,
        .bpe = training->corpus.bpe,
        .tokens = text->tokens.id,
        .count = text->tokens.count,
        .windows = windows,
        .threads = training->options->threads,
    };
    int rc = evaluation_run(&evaluation, ret_result, training->diag);
    if (rc != 0)
        diag_prefix(training->diag, "evaluation/%s.txt", text->name);
    return rc;
}

static int evaluate_quickly(struct training *training)
{
    size_t used = 0;
    int rc = 0;
    for (size_t kind = 0; kind < training->corpus.kinds && rc == 0; kind++) {
        struct likelihood result;
        rc = evaluate(training, trainer_params(training->trainer), kind, QUICK_WINDOWS, &result);
        if (rc == 0 && used < sizeof training->quick) /* what does not fit is left out */
            used += (size_t) snprintf(training->quick + used, sizeof training->quick - used, "%s %s %.3f",
                                      kind == 0 ? ", bits per byte:" : ",", training->corpus.kind[kind].name,
                                      likelihood_bits_per_byte(&result));
    }
    return rc;
}

/* ---- training ---- */

static void show_progress(struct training *training, struct progress *progress,
                          const struct trainer_report *report)
{
    const struct trainer_settings *settings = trainer_settings_of(training->trainer);
    const uint32_t done = trainer_steps_done(training->trainer);
    const double tokens = (double) (done - training->begun_steps) * settings->batch * settings->shape.context;
    char note[512];
    (void) snprintf(note, sizeof note, "step %u, loss %.3f, %.0f tokens/s%s", done, report->nats,
                    tokens / units_ns_to_s(clock_monotonic_ns() - training->begun_ns), training->quick);
    progress_update(progress, done, note);
}

/* Up to the last step, or until a signal comes: then the state is saved, and -EINTR says so. */
static int run_steps(struct training *training)
{
    const uint32_t steps = training->options->settings.steps, every = training->options->evaluate_steps;
    const uint64_t save_ns = training->options->save_s * UINT64_C(1000000000);
    struct trainer_report report;
    struct progress progress;
    int rc = 0;
    progress_start(&progress, "training", steps, training->cli->quiet);
    training->begun_ns = training->saved_ns = clock_monotonic_ns();
    training->begun_steps = trainer_steps_done(training->trainer);
    while (rc == 0 && trainer_steps_done(training->trainer) < steps && !stop_signal_raised()) {
        rc = trainer_step(training->trainer, &report, training->diag);
        uint32_t done = trainer_steps_done(training->trainer);
        if (rc == 0 && every > 0 && done % every == 0 && !training->cli->quiet)
            rc = evaluate_quickly(training);
        if (rc == 0)
            show_progress(training, &progress, &report);
        if (rc == 0 && (clock_monotonic_ns() - training->saved_ns >= save_ns || done == steps))
            rc = save_state(training);
    }
    progress_stop(&progress, trainer_steps_done(training->trainer));
    if (rc != 0 || trainer_steps_done(training->trainer) == steps)
        return rc;
    rc = save_state(training);
    return rc != 0
               ? rc
               : diag_fail(training->diag, -EINTR, "interrupted after step %u; --resume goes on from there",
                           trainer_steps_done(training->trainer));
}

/* ---- results ---- */

static json_t *json_settings(const struct training *training)
{
    const struct trainer_settings *s = &training->options->settings;
    json_t *shape =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "layers", (json_int_t) s->shape.layers, "width",
                  (json_int_t) s->shape.width, "heads", (json_int_t) s->shape.heads, "kv_heads",
                  (json_int_t) s->shape.kv_heads, "hidden", (json_int_t) s->shape.hidden, "vocabulary",
                  (json_int_t) s->shape.vocabulary, "context", (json_int_t) s->shape.context);
    return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "shape", shape,
                     "seed", (json_int_t) s->seed, "steps", (json_int_t) s->steps, "warm_up",
                     (json_int_t) s->warm_up, "batch", (json_int_t) s->batch, "shards",
                     (json_int_t) s->shards, "rate", s->rate, "decay", s->decay, "clip", s->clip,
                     "noise_share", s->noise_share, "noise_low_db", s->noise_low_db, "noise_high_db",
                     s->noise_high_db, "exit_weight", s->exit_weight);
}

static json_t *json_kinds(const struct training *training)
{
    json_t *kinds = json_array();
    for (size_t i = 0; i < training->corpus.kinds; i++) {
        const struct likelihood *result = &training->result[i];
        command_append_json(
            &kinds,
            json_pack("{s:s, s:I, s:I, s:I, s:f, s:f}", "text", training->corpus.kind[i].name, "bytes",
                      (json_int_t) training->corpus.kind[i].bytes, "scored_bytes", (json_int_t) result->bytes,
                      "scored_tokens", (json_int_t) result->tokens, "bits_per_byte",
                      likelihood_bits_per_byte(result), "perplexity", likelihood_perplexity(result)));
    }
    return kinds;
}

static json_t *json_results(const struct training *training)
{
    const struct shape *shape = &training->options->settings.shape;
    return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:o}", "settings", json_settings(training), "parameters",
                     (json_int_t) shape_parameters(shape), "arithmetic", (json_int_t) LINALG_ARITHMETIC,
                     "works", (json_int_t) training->corpus.works, "bytes",
                     (json_int_t) training->corpus.bytes, "tokens",
                     (json_int_t) training->corpus.tokens.count, "evaluation", json_kinds(training));
}

static int write_results(struct training *training)
{
    json_t *results = json_results(training);
    char *path = path_of(training, "training.json");
    struct buf file = {0};
    struct buf_sink sink = {.buf = &file};
    bool whole = results != NULL && json_dump_callback(results, buf_sink_take, &sink, JSON_INDENT(2)) == 0;
    int rc = whole && sink.rc == 0 && path != NULL ? buf_push(&file, "\n", 1) : -ENOMEM;
    rc = rc == 0 ? file_replace(path, file.data, file.size, training->diag)
                 : diag_fail(training->diag, rc, "out of memory");
    buf_finish(&file);
    free(path);
    json_decref(results);
    return rc;
}

static int write_tokenizer(struct training *training)
{
    struct buf json = {0};
    char *path = path_of(training, "tokenizer.json");
    int rc = path != NULL ? bpe_json(training->corpus.bpe, &json) : -ENOMEM;
    rc = rc == 0 ? file_replace(path, json.data, json.size, training->diag)
                 : diag_fail(training->diag, rc, "out of memory");
    buf_finish(&json);
    free(path);
    return rc;
}

static int write_weights(struct training *training, const float *params)
{
    const struct trainer_settings *settings = &training->options->settings;
    char seed[24], steps[16], arithmetic[16];
    char *weights = path_of(training, "model.safetensors"), *config = path_of(training, "config.json");
    (void) snprintf(seed, sizeof seed, "%llu", (unsigned long long) settings->seed); /* all fit */
    (void) snprintf(steps, sizeof steps, "%u", settings->steps);
    (void) snprintf(arithmetic, sizeof arithmetic, "%u", LINALG_ARITHMETIC);
    const struct safetensors_text text[] = {
        {"format", "pt"}, {"seed", seed}, {"steps", steps}, {"arithmetic", arithmetic}};
    const struct export_model model = {&settings->shape, params, text, sizeof text / sizeof *text,
                                       bpe_end(training->corpus.bpe)};
    int rc = weights != NULL && config != NULL ? 0 : -ENOMEM;
    if (rc == 0)
        rc = export_weights(&model, weights, training->diag);
    if (rc == 0)
        rc = export_config(&model, config, training->diag);
    free(weights);
    free(config);
    return rc;
}

/* Evaluates the model as its file holds it, and writes all files. */
static int finish_model(struct training *training)
{
    const size_t count = shape_parameters(&training->options->settings.shape);
    float *params = malloc(count * sizeof *params);
    struct progress progress;
    if (params == NULL)
        return diag_fail(training->diag, -ENOMEM, "out of memory");
    memcpy(params, trainer_params(training->trainer), count * sizeof *params);
    int rc = export_round(count, params, training->diag);
    progress_start(&progress, "evaluation", training->corpus.kinds, training->cli->quiet);
    for (size_t kind = 0; kind < training->corpus.kinds && rc == 0; kind++) {
        rc = evaluate(training, params, kind, 0, &training->result[kind]);
        progress_update(&progress, kind + 1, NULL);
    }
    progress_stop(&progress, training->corpus.kinds);
    if (rc == 0)
        rc = write_weights(training, params);
    if (rc == 0)
        rc = write_tokenizer(training);
    if (rc == 0)
        rc = write_results(training);
    free(params);
    return rc;
}

static int tell(const struct training *training)
{
    const struct trainer_settings *settings = &training->options->settings;
    if (training->cli->json)
        return command_print_json(json_results(training), training->diag);
    (void) printf("%-12s  %10s  %8s  %13s  %10s\n", "text", "bytes", "tokens", "bits per byte", "perplexity");
    for (size_t i = 0; i < training->corpus.kinds; i++) {
        const struct likelihood *result = &training->result[i];
        (void) printf("%-12s  %10llu  %8llu  %13.4f  %10.3f\n", training->corpus.kind[i].name,
                      (unsigned long long) result->bytes, (unsigned long long) result->tokens,
                      likelihood_bits_per_byte(result), likelihood_perplexity(result));
    }
    (void) printf(
        "\n%s: %zu parameters, seed %llu, %u steps; windows of %u tokens, the last half of each scored\n",
        training->folder, shape_parameters(&settings->shape), (unsigned long long) settings->seed,
        settings->steps, settings->shape.context);
    return 0;
}

/* ---- the command ---- */

/* Said before the training, not after it. */
static int check_kinds(const struct training *training)
{
    const uint32_t context = training->options->settings.shape.context;
    for (size_t i = 0; i < training->corpus.kinds; i++) {
        const struct corpus_kind *kind = &training->corpus.kind[i];
        if (kind->tokens.count <= context)
            return diag_fail(training->diag, ERR_RANGE,
                             "evaluation/%s.txt: a text of %zu tokens is too short for a context of %u",
                             kind->name, kind->tokens.count, context);
    }
    return 0;
}

static int prepare(struct training *training)
{
    const struct cli *cli = training->cli;
    if (cli->word_count == 0)
        return diag_fail(training->diag, ERR_SYNTAX,
                         "train on what? A folder with train/*.txt and evaluation/*.txt "
                         "is needed");
    int rc = trainer_check(&training->options->settings, training->diag);
    if (rc == 0 && mkdir(training->folder, 0777) != 0 && errno != EEXIST)
        rc = diag_fail(training->diag, -errno, "%s: %s", training->folder, strerror(errno));
    if (rc == 0 && !cli->resume)
        rc = refuse_state(training);
    if (rc == 0)
        rc = corpus_read(cli->word[0], training->options->settings.shape.vocabulary, &training->corpus,
                         training->diag);
    if (rc == 0)
        rc = check_kinds(training);
    const struct trainer_text text = {training->corpus.tokens.id, training->corpus.tokens.count};
    if (rc == 0)
        rc = trainer_create(&training->options->settings, &text, training->options->threads,
                            &training->trainer, training->diag);
    return rc == 0 && cli->resume ? load_state(training) : rc;
}

int command_train(const struct cli *cli, struct diag *diag)
{
    struct training training = {.cli = cli,
                                .options = &cli->train,
                                .folder = cli->output != NULL ? cli->output : "model",
                                .diag = diag};
    stop_signal_catch();
    int rc = prepare(&training);
    if (rc == 0)
        rc = run_steps(&training);
    if (rc == 0)
        rc = finish_model(&training);
    if (rc == 0)
        rc = tell(&training);
    trainer_destroy(training.trainer);
    corpus_finish(&training.corpus);
    return command_status(rc, diag);
}
