/* generate: one prompt through a model in this process, in two halves where a split is given; its answer token by token. */
#include "orchestrator/command/commands.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/parse.h"
#include "core/base/process.h"
#include "core/base/progress.h"
#include "core/base/units.h"
#include "core/infer/activation_word.h"
#include "core/infer/request.h"
#include "core/weights/tokenizer.h"
#include "orchestrator/setup/stop_signal.h"

#define TOKENS_DEFAULT 128u
#define ID_TEXT_MAX 20 /* bytes of a number */

struct generation {
    const struct cli *cli;
    struct weights *weights;
    struct tokenizer *tokenizer; /* NULL: the prompt came as ids, and so goes the answer */
    struct infer_model *model;
    struct infer_workspace workspace;
    struct infer_request *request;
    struct tokenizer_ids prompt;
    struct buf answer; /* the text so far */
    json_t *ids, *logits;
    uint32_t tokens; /* of the answer */
    bool is_ended;   /* by the model's own last token */
    uint64_t start_ns, first_ns, last_ns;
    struct diag *diag;
};

/* ---- preparing ---- */

static int encode_prompt(struct generation *g)
{
    const char *text = g->cli->prompt;
    uint32_t context = weights_geometry(g->weights)->context;
    int rc = tokenizer_open(g->weights, g->cli->tokenizer, &g->tokenizer, g->diag);
    if (rc == 0)
        rc = tokenizer_encode(g->tokenizer, text, strlen(text), tokenizer_wants_begin(g->tokenizer),
                              &g->prompt, g->diag);
    if (rc != 0)
        return rc;
    if (g->prompt.count == 0)
        return diag_fail(g->diag, ERR_RANGE, "--prompt: has no token; a model needs one to begin with");
    if (g->prompt.count >= context)
        return diag_fail(g->diag, ERR_TOO_BIG, "--prompt: %zu tokens leave no room in a context of %u",
                         g->prompt.count, context);
    return 0;
}

/* `size` bytes of a list. */
static int read_id(struct generation *g, const char *text, size_t size)
{
    char number[ID_TEXT_MAX + 1] = {0};
    uint64_t id = UINT64_MAX;
    uint32_t vocab = weights_geometry(g->weights)->vocab;
    int shown = (int) (size < ID_TEXT_MAX ? size : ID_TEXT_MAX);
    if (size <= ID_TEXT_MAX)
        memcpy(number, text, size);
    if (parse_u64(number, &id) != 0 || id >= vocab)
        return diag_fail(g->diag, ERR_RANGE, "--ids: number %zu is '%.*s'; 0 to %u would be right",
                         g->prompt.count + 1, shown, text, vocab - 1);
    int rc = array_reserve(&g->prompt.id, &g->prompt.capacity, g->prompt.count + 1);
    if (rc != 0)
        return diag_fail(g->diag, rc, "out of memory");
    g->prompt.id[g->prompt.count++] = (uint32_t) id;
    return 0;
}

static int read_ids(struct generation *g)
{
    uint32_t context = weights_geometry(g->weights)->context;
    const char *text = g->cli->ids, *end;
    int rc = 0;
    do {
        end = text + strcspn(text, ",");
        if (g->prompt.count + 1 >= context)
            return diag_fail(g->diag, ERR_TOO_BIG, "--ids: %zu and more leave no room in a context of %u",
                             g->prompt.count + 1, context);
        rc = read_id(g, text, (size_t) (end - text));
        text = end + 1;
    } while (rc == 0 && *end == ',');
    return rc;
}

static int open_request(struct generation *g)
{
    const struct cli *cli = g->cli;
    uint32_t context = weights_geometry(g->weights)->context, left = context - (uint32_t) g->prompt.count;
    struct infer_request_options options = {
        .split = cli->split_given ? cli->split : weights_geometry(g->weights)->layers,
        .portion = cli->portion,
    };
    g->tokens = cli->tokens == 0 ? TOKENS_DEFAULT : cli->tokens;
    g->tokens = g->tokens < left ? g->tokens : left;
    options.capacity = (uint32_t) g->prompt.count + g->tokens;
    int rc = activation_word_parse(cli->activation != NULL ? cli->activation : "fp32", &options.activation,
                                   &options.activation_k, g->diag);
    if (rc != 0)
        return rc;
    return infer_request_create(&g->request, g->model, &g->workspace, &options, g->diag);
}

static int prepare(struct generation *g)
{
    enum infer_weights format = INFER_STORED;
    const struct cli *cli = g->cli;
    int rc = cli->weights != NULL ? infer_weights_parse(cli->weights, &format, g->diag) : 0;
    if (rc == 0)
        rc = weights_open(cli->model, &g->weights, g->diag);
    if (rc == 0)
        rc = cli->ids != NULL ? read_ids(g) : encode_prompt(g);
    if (rc == 0)
        rc = infer_model_create(&g->model, g->weights, format, g->diag);
    return rc == 0 ? open_request(g) : rc;
}

/* ---- generating ---- */

static int fail_interrupted(struct generation *g)
{
    return diag_fail(g->diag, -EINTR, "interrupted");
}

/* All layers before the clock starts: the first token's time is that of computing. */
static int load(struct generation *g)
{
    uint32_t layers = weights_geometry(g->weights)->layers;
    struct progress progress;
    int rc = 0;
    progress_start(&progress, "load", layers, g->cli->quiet);
    for (uint32_t l = 0; l < layers && rc == 0; l++) {
        rc = infer_model_load(g->model, l, l + 1, g->diag);
        progress_update(&progress, l + 1, NULL);
        if (rc == 0 && stop_signal_raised())
            rc = fail_interrupted(g);
    }
    progress_stop(&progress, layers);
    return rc == 0 ? infer_model_load_head(g->model, g->diag) : rc;
}

/* In portions, between which it can be interrupted and says how far it is. */
static int feed_prompt(struct generation *g)
{
    size_t count = g->prompt.count, portion = g->request->options.portion, done = 0;
    struct progress progress;
    int rc = 0;
    progress_start(&progress, "prompt", count, g->cli->quiet);
    while (done < count && rc == 0) {
        size_t rows = count - done < portion ? count - done : portion;
        rc = infer_request_feed(g->request, g->prompt.id + done, rows, g->diag);
        done += rows;
        progress_update(&progress, done, NULL);
        if (rc == 0 && stop_signal_raised())
            rc = fail_interrupted(g);
    }
    progress_stop(&progress, done);
    return rc;
}

/* The bytes of a token behind another, borrowed; without a tokenizer its number in `number`, with a space. */
static size_t write_token(const struct generation *g, uint32_t previous, uint32_t token,
                          char number[ID_TEXT_MAX], const char **ret_bytes)
{
    if (g->tokenizer != NULL)
        return tokenizer_decode(g->tokenizer, previous, token, ret_bytes);
    *ret_bytes = number;
    return (size_t) snprintf(number, ID_TEXT_MAX, "%s%" PRIu32, g->tokens > 0 ? " " : "", token);
}

static int tell_token(struct generation *g, uint32_t previous, uint32_t token)
{
    char number[ID_TEXT_MAX];
    const char *bytes;
    size_t size = write_token(g, previous, token, number, &bytes);
    if (g->cli->json) {
        command_append_json(&g->ids, json_integer(token));
        return buf_push(&g->answer, bytes, size);
    }
    errno = 0;
    if (fwrite(bytes, 1, size, stdout) != size)
        process_print_failed(errno);
    process_flush();
    return 0;
}

static int keep_logits(struct generation *g)
{
    uint32_t vocab = weights_geometry(g->weights)->vocab;
    g->logits = json_array();
    for (uint32_t i = 0; i < vocab; i++) {
        double logit = (double) g->request->logits[i];
        if (!isfinite(logit))
            return diag_fail(g->diag, ERR_RANGE, "--logits: that of token %" PRIu32 " is not finite", i);
        command_append_json(&g->logits, json_real(logit));
    }
    return g->logits != NULL ? 0 : diag_fail(g->diag, -ENOMEM, "out of memory");
}

static int generate(struct generation *g)
{
    uint32_t vocab = weights_geometry(g->weights)->vocab, most = g->tokens;
    uint32_t previous = g->prompt.id[g->prompt.count - 1];
    g->start_ns = clock_monotonic_ns();
    int rc = feed_prompt(g);
    g->first_ns = g->last_ns = clock_monotonic_ns();
    if (rc == 0 && g->cli->logits)
        rc = keep_logits(g);
    for (g->tokens = 0; rc == 0 && g->tokens < most && !stop_signal_raised();) {
        uint32_t token = infer_greedy(g->request->logits, vocab);
        g->is_ended = g->tokenizer != NULL && token == tokenizer_end_id(g->tokenizer);
        if (g->is_ended)
            break;
        rc = tell_token(g, previous, token);
        previous = token;
        g->tokens++;
        g->last_ns = clock_monotonic_ns();
        if (rc == 0 && g->tokens < most)
            rc = infer_request_feed(g->request, &token, 1, g->diag);
    }
    return rc;
}

/* ---- telling ---- */

static double first_token_s(const struct generation *g)
{
    return units_ns_to_s(g->first_ns - g->start_ns);
}

static double per_token_s(const struct generation *g)
{
    return g->tokens > 1 ? units_ns_to_s(g->last_ns - g->first_ns) / (g->tokens - 1) : 0.0;
}

/* Bytes that are no whole UTF-8 text cannot stand in JSON: the ids are always there. */
static int tell_json(struct generation *g)
{
    json_t *ids = g->ids, *logits = g->logits;
    g->ids = g->logits = NULL;
    json_t *text = g->tokenizer != NULL ? json_stringn((const char *) g->answer.data, g->answer.size) : NULL;
    return command_print_json_floats(
        json_pack("{s:o?, s:o, s:I, s:I, s:I, s:s, s:I, s:b, s:f, s:f, s:o*}", "text", text, "tokens", ids,
                  "prompt_tokens", (json_int_t) g->prompt.count, "layers",
                  (json_int_t) weights_geometry(g->weights)->layers, "split",
                  (json_int_t) g->request->options.split, "weights", infer_weights_name(g->model->format),
                  "split_bytes", (json_int_t) g->request->bytes, "ended", g->is_ended, "first_token_s",
                  first_token_s(g), "per_token_s", per_token_s(g), "logits", logits),
        g->diag);
}

/* To standard error: standard output has the answer alone. */
static void tell_times(const struct generation *g)
{
    (void) fprintf(stderr, "%zu tokens of prompt, %u of answer; first token %.1f ms, then %.2f ms a token",
                   g->prompt.count, g->tokens, 1e3 * first_token_s(g), 1e3 * per_token_s(g));
    if (g->request->bytes > 0)
        (void) fprintf(stderr, "; split after layer %u: %llu bytes across", g->request->options.split,
                       (unsigned long long) g->request->bytes);
    (void) fputc('\n', stderr);
}

static int tell(struct generation *g)
{
    if (g->cli->json)
        return tell_json(g);
    (void) putchar('\n');
    if (!g->cli->quiet)
        tell_times(g);
    return 0;
}

static int check_flags(const struct cli *cli, struct diag *diag)
{
    if (cli->model == NULL || (cli->prompt == NULL && cli->ids == NULL))
        return diag_fail(diag, ERR_SYNTAX, "--model FILE and --prompt TEXT are needed, or --ids");
    if (cli->ids != NULL && (cli->prompt != NULL || cli->tokenizer != NULL))
        return diag_fail(diag, ERR_SYNTAX, "--ids takes the place of --prompt, and of its --tokenizer");
    if (cli->logits && !cli->json)
        return diag_fail(diag, ERR_SYNTAX, "--logits goes with --json");
    return 0;
}

int command_generate(const struct cli *cli, struct diag *diag)
{
    int rc = check_flags(cli, diag);
    if (rc != 0)
        return command_status(rc, diag);
    struct generation g = {.cli = cli, .diag = diag, .ids = cli->json ? json_array() : NULL};
    stop_signal_catch();
    rc = prepare(&g);
    if (rc == 0)
        rc = load(&g);
    if (rc == 0)
        rc = generate(&g);
    if (rc == 0)
        rc = tell(&g);
    json_decref(g.ids);
    json_decref(g.logits);
    infer_request_destroy(g.request);
    infer_model_destroy(g.model);
    infer_workspace_finish(&g.workspace);
    tokenizer_ids_finish(&g.prompt);
    tokenizer_close(g.tokenizer);
    weights_close(g.weights);
    buf_finish(&g.answer);
    return command_status(rc, diag);
}
