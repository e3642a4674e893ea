/* model: what a model file holds, what its layers cost, and how long they take on this machine. */
#include "orchestrator/command/commands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/progress.h"
#include "core/base/units.h"
#include "core/compute/compute_keys.h"
#include "core/infer/activation_word.h"
#include "core/infer/layers.h"
#include "core/linalg/vector_path.h"
#include "orchestrator/setup/stop_signal.h"

#define MEASURE_S 0.25           /* of processor time, for each number of rows, at least */
#define MEASURE_PLAYS 3u         /* and so often; the fastest counts */
#define MEASURE_BYTES (1u << 30) /* of layers, loaded to be measured; at least one */
#define FLOAT_BITS 32.0          /* of keys and values as core/infer keeps them */
#define HASH_TEXT (2 * WEIGHTS_HASH_SIZE + 1)

static const uint32_t measured_rows[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512};
#define MEASURED (sizeof measured_rows / sizeof *measured_rows)

/* Of one layer. */
struct measurement {
    uint32_t rows;
    double seconds, flops; /* FLOP/s with attention's part */
};

struct inquiry {
    const struct cli *cli;
    struct weights *weights;
    const struct weights_geometry *geometry;
    struct llm llm;
    struct infer_model *model;
    struct infer_workspace workspace;
    double load_s; /* of the measured layers */
    uint32_t layers_measured;
    struct measurement measurement[MEASURED];
    size_t measurements;
    struct diag *diag;
};

/* ---- what follows from the geometry ---- */

static double parameters(const struct weights_geometry *g, const struct llm *llm)
{
    double biases = g->has_qkv_bias ? (double) llm->query + 2.0 * llm->kv : 0.0;
    return g->layers * (llm_layer_weights(llm) + 2.0 * g->hidden + biases) + g->hidden +
           (double) g->vocab * g->hidden * (g->is_tied ? 1.0 : 2.0);
}

/* FLOP of one layer for the first `rows` tokens of a prompt: products, and the scores and values of attention. */
static double layer_flop(const struct llm *llm, uint32_t rows)
{
    return llm_layer_flop(llm, WORK_GEOMETRY, rows) + llm_attention_flop(llm, rows);
}

/* ---- measuring ---- */

/* Layers that fit into the memory given to it: a model that is larger than the caches is measured from memory. */
static int load_some(struct inquiry *inquiry)
{
    uint64_t start = clock_monotonic_ns();
    struct progress progress;
    uint32_t count = 0;
    int rc = 0;
    progress_start(&progress, "load", inquiry->geometry->layers, inquiry->cli->quiet);
    while (rc == 0 && count < inquiry->geometry->layers &&
           (count == 0 || inquiry->model->bytes / count * (count + 1) <= MEASURE_BYTES)) {
        rc = infer_model_load(inquiry->model, count, count + 1, inquiry->diag);
        progress_update(&progress, ++count, NULL);
    }
    progress_stop(&progress, count);
    inquiry->layers_measured = count;
    inquiry->load_s = units_ns_to_s(clock_monotonic_ns() - start);
    return rc;
}

static int measure_once(struct inquiry *inquiry, struct infer_cache *cache, uint32_t rows, float *x)
{
    const struct infer_span span = {cache, 0, rows};
    size_t hidden = inquiry->geometry->hidden;
    for (size_t i = 0; i < rows * hidden; i++)
        x[i] = (float) ((double) (i % 17) / 8.0 - 1.0);
    infer_cache_cut(cache, 0);
    return infer_layers(inquiry->model, &inquiry->workspace, 0, inquiry->layers_measured, &span, 1, x, NULL,
                        inquiry->diag);
}

static int measure_rows(struct inquiry *inquiry, struct infer_cache *cache, uint32_t rows, float *x)
{
    double fastest = 0.0, spent = 0.0;
    int rc = measure_once(inquiry, cache, rows, x); /* warms up */
    for (uint32_t i = 0; rc == 0 && (i < MEASURE_PLAYS || spent < MEASURE_S); i++) {
        uint64_t start = clock_process_ns();
        rc = measure_once(inquiry, cache, rows, x);
        double seconds = units_ns_to_s(clock_process_ns() - start);
        fastest = i == 0 || seconds < fastest ? seconds : fastest;
        spent += seconds;
        if (rc == 0 && stop_signal_raised())
            rc = diag_fail(inquiry->diag, -EINTR, "interrupted");
    }
    if (rc != 0)
        return rc;
    double seconds = fastest / inquiry->layers_measured;
    inquiry->measurement[inquiry->measurements++] =
        (struct measurement){rows, seconds, layer_flop(&inquiry->llm, rows) / seconds};
    return 0;
}

static int measure(struct inquiry *inquiry)
{
    const struct weights_geometry *g = inquiry->geometry;
    struct infer_cache *cache = NULL;
    struct progress progress;
    uint32_t most = measured_rows[MEASURED - 1] < g->context ? measured_rows[MEASURED - 1] : g->context;
    int rc = load_some(inquiry);
    if (rc == 0)
        rc = infer_cache_create(&cache, g, 0, inquiry->layers_measured, most, inquiry->diag);
    float *x = rc == 0 ? malloc((size_t) most * g->hidden * sizeof *x) : NULL;
    if (rc == 0 && x == NULL)
        rc = diag_fail(inquiry->diag, -ENOMEM, "out of memory");
    progress_start(&progress, "measure", MEASURED, inquiry->cli->quiet);
    for (size_t i = 0; rc == 0 && i < MEASURED && measured_rows[i] <= most; i++) {
        rc = measure_rows(inquiry, cache, measured_rows[i], x);
        progress_update(&progress, i + 1, NULL);
    }
    progress_stop(&progress, MEASURED);
    free(x);
    infer_cache_destroy(cache);
    return rc;
}

/* ---- telling ---- */

static void on_hashed(void *user, uint64_t bytes)
{
    progress_update(user, bytes, NULL);
}

static void print_hash(const struct inquiry *inquiry, char ret_text[HASH_TEXT])
{
    uint8_t hash[WEIGHTS_HASH_SIZE];
    uint64_t bytes = weights_bytes(inquiry->weights);
    struct progress progress;
    progress_start(&progress, "sha256", bytes, inquiry->cli->quiet);
    weights_hash(inquiry->weights, on_hashed, &progress, hash);
    progress_stop(&progress, bytes);
    for (size_t i = 0; i < sizeof hash; i++)
        (void) snprintf(ret_text + 2 * i, 3, "%02x", hash[i]);
}

static json_t *json_measurements(const struct inquiry *inquiry)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < inquiry->measurements; i++) {
        const struct measurement *m = &inquiry->measurement[i];
        command_append_json(&rows, json_pack("{s:I, s:f, s:f}", "rows", (json_int_t) m->rows,
                                             "seconds_per_layer", m->seconds, "flops", m->flops));
    }
    return rows;
}

static int tell_json(const struct inquiry *inquiry, const char *hash)
{
    const struct weights_geometry *g = inquiry->geometry;
    json_t *value = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:f, s:f, s:f}", "file",
        inquiry->cli->word[0], "kind", weights_kind(inquiry->weights), "sha256", hash, "layers",
        (json_int_t) g->layers, "hidden", (json_int_t) g->hidden, "heads", (json_int_t) g->heads, "kv_heads",
        (json_int_t) g->kv_heads, "head_size", (json_int_t) g->head_size, "ff", (json_int_t) g->ff, "vocab",
        (json_int_t) g->vocab, "context", (json_int_t) g->context, "tied", g->is_tied, "parameters",
        parameters(g, &inquiry->llm), "layer_flop_per_token", llm_layer_flop(&inquiry->llm, WORK_GEOMETRY, 1),
        "kv_bytes_per_token_and_layer", llm_layer_kv_bytes(&inquiry->llm, 1, FLOAT_BITS));
    if (value != NULL && inquiry->measurements > 0 &&
        json_object_update_new(value, json_pack("{s:s, s:s, s:I, s:f, s:o}", "weights",
                                                infer_weights_name(inquiry->model->format), "vector_path",
                                                linalg_vector_path(), "layers_measured",
                                                (json_int_t) inquiry->layers_measured, "load_s",
                                                inquiry->load_s, "times", json_measurements(inquiry))) != 0) {
        json_decref(value);
        value = NULL;
    }
    return command_print_json(value, inquiry->diag);
}

static void tell_costs(const struct inquiry *inquiry)
{
    const struct llm *llm = &inquiry->llm;
    uint32_t hidden = llm->hidden;
    (void) printf("one layer, one token\n");
    (void) printf("  work              %.6g MFLOP, and %.6g kFLOP for each token that it sees\n",
                  1e-6 * llm_layer_flop(llm, WORK_GEOMETRY, 1), 4e-3 * llm->query);
    (void) printf("  weights           %.6g\n", llm_layer_weights(llm));
    (void) printf("  activations       ");
    for (enum activation_format format = ACTIVATION_FP32; format < ACTIVATION_TOPK; format++)
        (void) printf("%s%zu bytes in %s", format > ACTIVATION_FP32 ? ", " : "",
                      activation_bytes(format, 1, hidden, 0), activation_word(format));
    (void) printf("\n  keys and values   %.0f bytes\n", llm_layer_kv_bytes(llm, 1, FLOAT_BITS));
}

static void tell_measurements(const struct inquiry *inquiry)
{
    (void) printf("%u of %u layers, weights %s, %s, one thread; loaded in %.1f ms\n",
                  inquiry->layers_measured, inquiry->geometry->layers,
                  infer_weights_name(inquiry->model->format), linalg_vector_path(), 1e3 * inquiry->load_s);
    (void) printf("  %6s  %14s  %14s  %10s\n", "rows", "us a layer", "tokens/s", "GFLOP/s");
    for (size_t i = 0; i < inquiry->measurements; i++) {
        const struct measurement *m = &inquiry->measurement[i];
        (void) printf("  %6u  %14.1f  %14.0f  %10.1f\n", m->rows, 1e6 * m->seconds,
                      m->rows / (m->seconds * inquiry->geometry->layers), 1e-9 * m->flops);
    }
    (void) printf("tokens/s: through all layers, without the head\n");
}

/* What the scenario key model.times_csv reads. The node's declared speed is the most that was measured. */
static void tell_csv(const struct inquiry *inquiry)
{
    double most = 0.0;
    for (size_t i = 0; i < inquiry->measurements; i++)
        most = inquiry->measurement[i].flops > most ? inquiry->measurement[i].flops : most;
    (void) printf("rows,seconds_per_layer,tflops\n");
    for (size_t i = 0; i < inquiry->measurements; i++)
        (void) printf("%u,%.9g,%.6g\n", inquiry->measurement[i].rows, inquiry->measurement[i].seconds,
                      most / UNITS_TFLOP);
}

static int tell(const struct inquiry *inquiry)
{
    const struct weights_geometry *g = inquiry->geometry;
    char hash[HASH_TEXT];
    if (inquiry->cli->times_csv) {
        tell_csv(inquiry);
        return 0;
    }
    print_hash(inquiry, hash);
    if (inquiry->cli->json)
        return tell_json(inquiry, hash);
    (void) printf("%s: %s, %.4g parameters\n", inquiry->cli->word[0], weights_kind(inquiry->weights),
                  parameters(g, &inquiry->llm));
    (void) printf("  sha256            %s\n", hash);
    (void) printf("  layers            %u, hidden %u, inner %u\n", g->layers, g->hidden, g->ff);
    (void) printf("  heads             %u of %u, %u of keys and values; rotary positions %s, theta %g\n",
                  g->heads, g->head_size, g->kv_heads,
                  g->rotary == WEIGHTS_INTERLEAVED ? "interleaved" : "half-split", (double) g->rope_theta);
    (void) printf("  vocabulary        %u, %s head; context %u\n", g->vocab, g->is_tied ? "tied" : "separate",
                  g->context);
    tell_costs(inquiry);
    if (inquiry->measurements > 0)
        tell_measurements(inquiry);
    return 0;
}

int command_model(const struct cli *cli, struct diag *diag)
{
    struct inquiry inquiry = {.cli = cli, .diag = diag};
    enum infer_weights format = INFER_STORED;
    if (cli->word_count != 1)
        return command_status(
            diag_fail(diag, ERR_SYNTAX, "which model? one file or folder is named: model FILE"), diag);
    if (cli->times_csv && !cli->measure)
        return command_status(diag_fail(diag, ERR_SYNTAX, "--times-csv goes with --measure"), diag);
    int rc = cli->weights != NULL ? infer_weights_parse(cli->weights, &format, diag) : 0;
    if (rc == 0)
        rc = weights_open(cli->word[0], &inquiry.weights, diag);
    if (rc == 0) {
        inquiry.geometry = weights_geometry(inquiry.weights);
        inquiry.llm = compute_keys_llm(inquiry.geometry);
        rc = infer_model_create(&inquiry.model, inquiry.weights, format, diag);
    }
    stop_signal_catch();
    if (rc == 0 && cli->measure)
        rc = measure(&inquiry);
    if (rc == 0)
        rc = tell(&inquiry);
    infer_model_destroy(inquiry.model);
    infer_workspace_finish(&inquiry.workspace);
    weights_close(inquiry.weights);
    return command_status(rc, diag);
}
