#include "orchestrator/command/show_answers.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/text_markup.h"
#include "core/compute/compute.h"
#include "core/compute/compute_keys.h"
#include "core/weights/tokenizer.h"
#include "db/experiment_file.h"
#include "db/row_text.h"
#include "orchestrator/command/commands.h"
#include "orchestrator/replay/answer_rows.h"
#include "orchestrator/setup/recorded_run.h"

#define LIMIT 20u      /* answers, unless --limit says otherwise */
#define PROMPT_END 24u /* tokens of a prompt's end that are shown */

struct showing {
    const struct recorded_run *recorded;
    struct weights *weights;
    struct tokenizer *tokenizer; /* NULL: ids are shown */
    uint32_t *prompt;            /* [capacity] of the present task */
    size_t capacity;
    json_t *rows; /* --json */
    bool as_json;
};

/* ---- text ---- */

static int check_model(const struct scenario *scenario, const struct weights *weights, struct diag *diag)
{
    char hash[COMPUTE_HASH_DIGITS + 1];
    compute_keys_hash(weights, hash);
    if (strcmp(hash, scenario->model.hash) == 0)
        return 0;
    return diag_fail(diag, ERR_MISMATCH, "it is another model than the run's: its SHA-256 is %s, not %s",
                     hash, scenario->model.hash);
}

/* Nothing is lost without a tokenizer but readability. */
static void open_tokenizer(struct showing *showing, const struct cli *cli)
{
    const struct scenario *scenario = &showing->recorded->world.scenario;
    const char *path = cli->model != NULL ? cli->model : scenario->model.file;
    struct diag why = {0};
    int rc = weights_open(path, &showing->weights, &why);
    if (rc == 0)
        rc = check_model(scenario, showing->weights, &why);
    if (rc == 0)
        rc = tokenizer_open(showing->weights, cli->tokenizer, &showing->tokenizer, &why);
    if (rc != 0)
        log_warn("show", "%s: token ids are shown in place of text: %s", path, diag_text(&why, rc));
}

static int add_token(struct showing *showing, uint32_t previous, uint32_t token, struct buf *text)
{
    if (showing->tokenizer == NULL)
        return buf_printf(text, "%s%u", text->size > 0 ? " " : "", token);
    const char *bytes = NULL;
    size_t size = tokenizer_decode(showing->tokenizer, previous, token, &bytes);
    int rc = 0;
    for (size_t i = 0; i < size && rc == 0; i++)
        rc = buf_push(text, bytes[i] == '\0' ? "?" : &bytes[i], 1); /* a text ends at a zero byte */
    return rc;
}

/* The tokens as one line: what is no text, and what would leave the line, is '?'. Appends a zero byte. */
static int make_text(struct showing *showing, uint32_t previous, const uint32_t *token, uint32_t count,
                     struct buf *line)
{
    struct buf text = {0};
    int rc = 0;
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        rc = add_token(showing, previous, token[i], &text);
        previous = token[i];
    }
    if (rc == 0)
        rc = buf_push(&text, "", 1);
    if (rc == 0)
        rc = text_markup_line(line, (const char *) text.data);
    buf_finish(&text);
    return rc == 0 ? buf_push(line, "", 1) : rc;
}

/* ---- one answer ---- */

/* A guest's own, or the world's. */
static int prompt_text(struct showing *showing, const struct db_task *task, const struct db_answer *answer,
                       struct buf *line)
{
    const struct recorded_run *recorded = showing->recorded;
    struct slot_id id = {recorded->phase, task->episode, task->slot};
    int rc = array_reserve(&showing->prompt, &showing->capacity, task->tokens);
    if (rc != 0 || task->tokens == 0)
        return rc != 0 ? rc : buf_push(line, "", 1);
    if (answer->prompt != NULL && answer->prompt_tokens == task->tokens)
        memcpy(showing->prompt, answer->prompt, task->tokens * sizeof *showing->prompt);
    else
        compute_prompt(&recorded->world, task->device, id, task->tokens, showing->prompt);
    uint32_t from = task->tokens > PROMPT_END ? task->tokens - PROMPT_END : 0;
    return make_text(showing, from > 0 ? showing->prompt[from - 1] : TOKENIZER_NONE, showing->prompt + from,
                     task->tokens - from, line);
}

static int answer_text(struct showing *showing, const struct db_task *task, const struct db_answer *answer,
                       struct buf *line)
{
    if (!answer->is_kept)
        return buf_push(line, "", 1);
    uint32_t previous = task->tokens > 0 ? showing->prompt[task->tokens - 1] : TOKENIZER_NONE;
    return make_text(showing, previous, answer->token, answer->tokens, line);
}

static void print_measured(const char *where, double layer_s)
{
    if (!isnan(layer_s))
        (void) printf("  %s %.3f ms a layer", where, 1e3 * layer_s);
}

/* Of a guest whose prompt was not kept. */
static bool is_unknown(const struct showing *showing, const struct db_task *task,
                       const struct db_answer *answer)
{
    const struct world *world = &showing->recorded->world;
    return answer->prompt == NULL && task->device >= world->devices - world->scenario.devices.guests;
}

static void print_answer(const struct db_task *task, const struct db_answer *answer, const char *prompt,
                         const char *text)
{
    (void) printf("episode %u, slot %u, device %u: split %u, ", task->episode, task->slot, task->device,
                  task->split);
    if (task->served_by == DB_SERVER_NULL)
        (void) printf("all at the device");
    else
        (void) printf("server %d", task->served_by);
    (void) printf(", %s%s\n", db_task_status_text(task->status),
                  answer->overridden ? ", as the device chose" : "");
    (void) printf("  prompt  %s%s\n", task->tokens > PROMPT_END ? "..." : "",
                  prompt != NULL ? prompt : "(its own, which was not kept)");
    if (answer->is_kept)
        (void) printf("  answer  %s\n", text);
    else
        (void) printf("  answer  %u tokens, which were not kept\n", answer->tokens);
    (void) printf(
        "  seconds %.6f: waiting %.6f, device %.6f, link %.6f, queue %.6f, server %.6f; first token "
        "after %.6f\n",
        task->latency_s, task->wait_s, task->local_s, task->transmit_s, task->queue_s, task->edge_s,
        answer->first_token_s);
    (void) printf("  measured");
    print_measured("device", answer->device_layer_s);
    print_measured("server", answer->server_layer_s);
    (void) printf("  %llu bytes crossed\n", (unsigned long long) answer->activation_bytes);
}

static json_t *real_json(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *ids_json(const struct db_answer *answer)
{
    json_t *ids = json_array();
    for (uint32_t i = 0; i < answer->tokens; i++)
        command_append_json(&ids, json_integer((json_int_t) answer->token[i]));
    return ids;
}

static json_t *seconds_json(const struct db_task *task, const struct db_answer *answer)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "latency_s", real_json(task->latency_s),
                     "wait_s", real_json(task->wait_s), "local_s", real_json(task->local_s), "transmit_s",
                     real_json(task->transmit_s), "queue_s", real_json(task->queue_s), "edge_s",
                     real_json(task->edge_s), "first_token_s", real_json(answer->first_token_s),
                     "device_layer_s", real_json(answer->device_layer_s), "server_layer_s",
                     real_json(answer->server_layer_s));
}

/* Texts are NULL where there is no tokenizer, the answer's also where it was not kept. */
static json_t *answer_json(const struct showing *showing, const struct db_task *task,
                           const struct db_answer *answer, const char *prompt, const char *text)
{
    bool readable = showing->tokenizer != NULL;
    return json_pack("{s:i, s:i, s:i, s:i, s:o, s:s, s:b, s:i, s:s?, s:i, s:o, s:s?, s:I, s:o}", "episode",
                     (int) task->episode, "slot", (int) task->slot, "device", (int) task->device, "split",
                     (int) task->split, "served_by",
                     task->served_by == DB_SERVER_NULL ? json_null() : json_integer(task->served_by),
                     "status", db_task_status_text(task->status), "overridden", (int) answer->overridden,
                     "prompt_tokens", (int) task->tokens, "prompt_end", readable ? prompt : NULL,
                     "answer_tokens", (int) answer->tokens, "ids",
                     answer->is_kept ? ids_json(answer) : json_null(), "text",
                     readable && answer->is_kept ? text : NULL, "activation_bytes",
                     (json_int_t) answer->activation_bytes, "seconds", seconds_json(task, answer));
}

static int show_answer(struct showing *showing, const struct db_task *task, const struct db_answer *answer)
{
    struct buf prompt = {0}, text = {0};
    int rc = prompt_text(showing, task, answer, &prompt);
    if (rc == 0)
        rc = answer_text(showing, task, answer, &text);
    const char *shown = is_unknown(showing, task, answer) ? NULL : (const char *) prompt.data;
    if (rc == 0 && showing->as_json)
        command_append_json(&showing->rows,
                            answer_json(showing, task, answer, shown, (const char *) text.data));
    else if (rc == 0)
        print_answer(task, answer, shown, (const char *) text.data);
    buf_finish(&prompt);
    buf_finish(&text);
    return rc;
}

/* ---- all ---- */

static int show_rows(struct showing *showing, struct store *store, uint32_t limit, struct diag *diag)
{
    struct answer_rows rows;
    uint32_t shown = 0;
    int rc = answer_rows_open(&rows, store, showing->recorded->run.run_id, diag);
    rc = rc != 0 ? rc : answer_rows_next(&rows, diag);
    while (rc == 1 && shown < limit) {
        bool is_shown =
            rows.has_task && rows.has_answer && rows.task.device < showing->recorded->world.devices;
        rc = is_shown ? show_answer(showing, &rows.task, &rows.answer) : 0;
        shown += is_shown ? 1 : 0;
        if (rc == 0)
            rc = answer_rows_next(&rows, diag);
    }
    if (rc == 1 && !showing->as_json)
        (void) printf("and more: --limit N shows the first N\n");
    answer_rows_finish(&rows);
    return rc < 0 ? rc : 0;
}

static int check_run(const struct recorded_run *recorded, struct diag *diag)
{
    if (recorded->world.scenario.compute.kind == COMPUTE_MODEL)
        return 0;
    return diag_fail(diag, ERR_UNSUPPORTED,
                     "run %lld has no answers: its layers were emulated (compute.kind model computes them)",
                     (long long) recorded->run.run_id);
}

int show_answers(const struct cli *cli, struct diag *diag)
{
    struct experiment_file file = {0};
    struct recorded_run recorded = {0};
    struct showing showing = {.recorded = &recorded, .as_json = cli->json};
    int rc = experiment_file_open(&file, cli->db, DB_READ, diag);
    if (rc == 0)
        rc = recorded_run_read(&recorded, file.store, cli->run, diag);
    if (rc == 0)
        rc = check_run(&recorded, diag);
    if (rc == 0) {
        showing.rows = cli->json ? json_array() : NULL;
        open_tokenizer(&showing, cli);
        rc = show_rows(&showing, file.store, cli->limit > 0 ? cli->limit : LIMIT, diag);
    }
    if (rc == 0 && cli->json)
        rc = command_print_json(showing.rows, diag);
    else
        json_decref(showing.rows);
    free(showing.prompt);
    tokenizer_close(showing.tokenizer);
    weights_close(showing.weights);
    recorded_run_finish(&recorded);
    (void) experiment_file_close(&file, NULL); /* only read */
    return rc;
}
