#include "core/compute/compute.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/compute/compute_damage.h"
#include "core/compute/compute_internal.h"
#include "core/compute/compute_keys.h"
#include "core/model/channel_missing.h"
#include "core/model/llm_keys.h"

/* Memory for rows on their way through a layer, about. A phone with a small model has little more than its layers. */
#define ROWS_BYTES ((size_t) 2 << 20)
#define ROWS_MIN 32u
#define BYTE_BITS 8.0
#define LOGITS_FLOATS ((size_t) 1 << 18) /* of heads in one call: a megabyte, or one row */

/* ---- opening ---- */

static int check_geometry(const struct compute *compute, const char *path, struct diag *diag)
{
    const struct weights_geometry *geometry = weights_geometry(compute->weights);
    struct llm llm = compute_keys_llm(geometry);
    struct scenario given = compute->world->scenario;
    size_t length = strlen(path);
    if (length < sizeof given.model.file)
        memcpy(given.model.file, path, length + 1); /* the sentence names this one */
    int rc = llm_keys_write(&given, &llm, diag);
    if (rc != 0 && diag != NULL)
        diag_prefix(diag, "%s", path);
    return rc;
}

static int check_context(const struct compute *compute, const char *path, struct diag *diag)
{
    const struct world *world = compute->world;
    uint32_t context = weights_geometry(compute->weights)->context, longest = 0;
    if (world->tokens == NULL)
        longest = (uint32_t) world->scenario.task.tokens;
    for (size_t i = 0; world->tokens != NULL && i < (size_t) world->devices * world->token_rows; i++)
        longest = world->tokens[i] > longest ? world->tokens[i] : longest;
    if (longest <= context)
        return 0;
    return diag_fail(diag, ERR_RANGE,
                     "%s: prompts of this scenario have up to %u tokens, and its context has %u", path,
                     longest, context);
}

static uint32_t choose_rows(const struct weights_geometry *g)
{
    size_t query = (size_t) g->heads * g->head_size, key = (size_t) g->kv_heads * g->head_size;
    /* x, and what infer_layers needs */
    size_t floats = 2 * (size_t) g->hidden + 2 * query + 2 * key + 2 * (size_t) g->ff + g->head_size;
    size_t rows = ROWS_BYTES / (floats * sizeof(float));
    return rows < ROWS_MIN ? ROWS_MIN : rows > INFER_ROWS_MAX ? INFER_ROWS_MAX : (uint32_t) rows;
}

static int open_model(struct compute *compute, const char *path, struct diag *diag)
{
    static const enum infer_weights formats[] = {
        [COMPUTE_WEIGHTS_STORED] = INFER_STORED,
        [COMPUTE_WEIGHTS_F32] = INFER_F32,
        [COMPUTE_WEIGHTS_Q8] = INFER_Q8,
        [COMPUTE_WEIGHTS_Q4] = INFER_Q4,
    };
    int rc = weights_open(path, &compute->weights, diag);
    if (rc == 0)
        rc = check_geometry(compute, path, diag);
    if (rc == 0)
        rc = check_context(compute, path, diag);
    if (rc == 0)
        rc = compute_keys_check_hash(&compute->world->scenario, compute->weights, path, diag);
    if (rc == 0)
        rc = infer_model_create(&compute->model, compute->weights,
                                formats[compute->world->scenario.compute.weights], diag);
    if (rc == 0)
        compute->rows_max = choose_rows(compute->model->geometry);
    return rc;
}

int compute_open(struct compute **ret_compute, const struct world *world, const char *path, struct diag *diag)
{
    struct compute *compute = malloc(sizeof *compute);
    assert(world->scenario.compute.kind == COMPUTE_MODEL);
    if (compute == NULL)
        return diag_fail(diag, -ENOMEM, "a model: out of memory");
    *compute = (struct compute){.world = world};
    int rc = open_model(compute, path != NULL ? path : world->scenario.model.file, diag);
    if (rc != 0) {
        compute_close(compute);
        return rc;
    }
    *ret_compute = compute;
    return 0;
}

void compute_close(struct compute *compute)
{
    if (compute == NULL)
        return;
    infer_model_destroy(compute->model);
    infer_workspace_finish(&compute->workspace);
    weights_close(compute->weights);
    free(compute->x);
    free(compute->last);
    free(compute->logits);
    free(compute->ids);
    free(compute->rows);
    free(compute);
}

uint32_t compute_context(const struct compute *compute)
{
    return weights_geometry(compute->weights)->context;
}

int compute_load(struct compute *compute, uint32_t first, uint32_t last, struct diag *diag)
{
    int rc = infer_model_load(compute->model, first, last, diag);
    if (rc == 0 && last == compute->model->geometry->layers)
        rc = infer_model_load_head(compute->model, diag);
    return rc;
}

/* ---- a pass ---- */

static int take_origin(struct compute_pass *pass, const struct compute_origin *origin, struct diag *diag)
{
    const struct world *world = pass->compute->world;
    const struct scenario *scenario = &world->scenario;
    const struct compute_part *part = &pass->part;
    bool is_last = part->last == pass->compute->model->geometry->layers;
    pass->origin = *origin;
    pass->part.origin = NULL;
    pass->is_damaged = origin->has_crossed && part->first > 0 && scenario->channel.mode != CHANNEL_RELIABLE;
    if (pass->is_damaged) {
        const struct activation_shape shape = compute_shape(world, part->tokens, part->coding);
        struct damage damage;
        compute_damage(world, origin->channel, NULL, &damage);
        int rc = damage_check(&damage, &shape, diag);
        if (rc != 0)
            return rc;
    }
    if (scenario->compute.nll == SWITCH_OFF || !is_last || origin->is_own_prompt)
        return 0;
    pass->prompt = malloc(part->tokens * sizeof *pass->prompt);
    if (pass->prompt == NULL)
        return diag_fail(diag, -ENOMEM, "a prompt of %u tokens: out of memory", part->tokens);
    compute_prompt(world, origin->device, origin->id, part->tokens, pass->prompt);
    return 0;
}

/* Which packets of a payload are missing, [damage_packets]: the caller's. NULL: no memory. */
static uint8_t *find_missing(const struct compute_pass *pass, uint64_t packets, size_t size)
{
    const struct world *world = pass->compute->world;
    const struct channel_crossing crossing = {
        .id = pass->origin.id,
        .device = pass->origin.device,
        .server = pass->origin.server,
        .use = channel_up_coded(world, pass->part.first, pass->part.coding),
        .bits = BYTE_BITS * (double) size,
        .rate_bps = pass->origin.rate_bps,
    };
    uint8_t *missing = malloc(packets);
    assert(packets == transfer_packets(crossing.bits));
    if (missing != NULL)
        (void) channel_missing(world, &crossing, missing);
    return missing;
}

int compute_receive(struct compute_pass *pass, const uint8_t *in, size_t size, struct diag *diag)
{
    const struct world *world = pass->compute->world;
    const struct activation_shape shape = compute_shape(world, pass->part.tokens, pass->part.coding);
    const struct rng_at at = compute_damage_place(world, pass->origin.device, pass->origin.id);
    struct damage_result result = {0};
    struct damage damage;
    uint8_t *missing = NULL;
    if (pass->received == NULL)
        pass->received = malloc((size_t) shape.rows * shape.columns * sizeof *pass->received);
    if (pass->received == NULL)
        return diag_fail(diag, -ENOMEM, "activations of %u tokens: out of memory", shape.rows);
    compute_damage(world, pass->origin.channel, NULL, &damage);
    if (damage.kind == DAMAGE_PACKETS) {
        missing = find_missing(pass, damage_packets(&damage, &shape), size);
        if (missing == NULL)
            return diag_fail(diag, -ENOMEM, "packets of %u tokens: out of memory", shape.rows);
        damage.missing_packets = missing;
    }
    int rc = damage_receive(&damage, &shape, &at, in, size, pass->received, &result, diag);
    free(missing);
    return rc;
}

int compute_pass_create(struct compute_pass **ret_pass, struct compute *compute,
                        const struct compute_part *part, struct diag *diag)
{
    struct compute_pass *pass = malloc(sizeof *pass);
    if (pass == NULL)
        return diag_fail(diag, -ENOMEM, "a pass through layers: out of memory");
    *pass = (struct compute_pass){.compute = compute, .part = *part};
    int rc = infer_cache_create(&pass->cache, compute->model->geometry, part->first, part->last, part->tokens,
                                diag);
    if (rc == 0 && part->origin != NULL)
        rc = take_origin(pass, part->origin, diag);
    if (rc != 0) {
        compute_pass_destroy(pass);
        return rc;
    }
    *ret_pass = pass;
    return 0;
}

void compute_pass_destroy(struct compute_pass *pass)
{
    if (pass == NULL)
        return;
    infer_cache_destroy(pass->cache);
    free(pass->received);
    free(pass->prompt);
    free(pass);
}

uint32_t compute_pass_rows(const struct compute_pass *pass)
{
    return pass->rows;
}

int compute_pass_answer(const struct compute_pass *pass, struct compute_answer *ret_answer)
{
    if (pass->answer.count == 0)
        return ERR_STATE;
    *ret_answer = pass->answer;
    return 0;
}

/* ---- the head ---- */

/* Room for the logits of some of these rows: of how many. 0: no memory. */
static size_t reserve_logits(struct compute *compute, size_t rows, struct diag *diag)
{
    const struct weights_geometry *g = compute->model->geometry;
    size_t most = LOGITS_FLOATS / g->vocab > 0 ? LOGITS_FLOATS / g->vocab : 1;
    most = rows < most ? rows : most;
    if (array_reserve(&compute->logits, &compute->logits_capacity, most * g->vocab) == 0)
        return most;
    (void) diag_fail(diag, -ENOMEM, "logits: out of memory");
    return 0;
}

/* The head on rows, a few at a time; each row's logits are given to `take`. */
static int each_logits(struct compute *compute, const float *x, size_t rows,
                       void (*take)(void *user, size_t row, float *logits), void *user, struct diag *diag)
{
    const struct weights_geometry *g = compute->model->geometry;
    size_t most = reserve_logits(compute, rows, diag);
    int rc = most > 0 || rows == 0 ? 0 : -ENOMEM;
    for (size_t done = 0; done < rows && rc == 0; done += most) {
        size_t count = rows - done < most ? rows - done : most;
        rc = infer_head(compute->model, &compute->workspace, x + done * g->hidden, count, compute->logits,
                        diag);
        for (size_t i = 0; rc == 0 && i < count; i++)
            take(user, done + i, compute->logits + i * g->vocab);
    }
    return rc;
}

struct greedy {
    uint32_t *token;
    uint32_t vocab;
};

static void take_token(void *user, size_t row, float *logits)
{
    const struct greedy *greedy = user;
    greedy->token[row] = infer_greedy(logits, greedy->vocab);
}

int compute_tokens(struct compute *compute, const float *x, size_t rows, uint32_t *ret_token,
                   struct diag *diag)
{
    struct greedy greedy = {ret_token, compute->model->geometry->vocab};
    return each_logits(compute, x, rows, take_token, &greedy, diag);
}

struct scoring {
    const uint32_t *token;
    uint32_t vocab;
    struct likelihood *score;
};

static void take_score(void *user, size_t row, float *logits)
{
    const struct scoring *scoring = user;
    scoring->score->nats += infer_nats(logits, scoring->vocab, scoring->token[row]);
    scoring->score->tokens++;
}

int compute_score(struct compute *compute, const float *x, size_t rows, const uint32_t *token,
                  struct likelihood *score, struct diag *diag)
{
    struct scoring scoring = {token, compute->model->geometry->vocab, score};
    int rc = each_logits(compute, x, rows, take_score, &scoring, diag);
    if (rc == 0 && !isfinite(score->nats))
        rc = diag_fail(diag, ERR_RANGE, "the likelihood of a prompt is not finite");
    return rc;
}

int compute_head(struct compute *compute, const struct compute_row *row, struct compute_answer *ret_answer,
                 struct diag *diag)
{
    const struct activation_shape shape = compute_shape(compute->world, 1, row->coding);
    struct compute_answer answer = {.count = 1};
    int rc = array_reserve(&compute->last, &compute->last_capacity, (size_t) shape.columns);
    if (rc != 0)
        return diag_fail(diag, rc, "a row: out of memory");
    rc = activation_decode(&shape, row->bytes, row->size, compute->last, diag);
    if (rc == 0)
        rc = compute_tokens(compute, compute->last, 1, answer.token, diag);
    if (rc == 0)
        *ret_answer = answer;
    return rc;
}

/* ---- a whole task ---- */

/* One node's part of a task, at once. `step` has its bytes. */
static int run_part(struct compute *compute, const struct compute_part *part, struct compute_step *step,
                    struct compute_answer *ret_answer, struct diag *diag)
{
    int rc = compute_pass_create(&step->pass, compute, part, diag);
    if (rc != 0)
        return rc;
    step->rows = part->tokens;
    step->in_size = compute_bytes(compute->world, part->first, part->tokens, part->coding);
    rc = compute_run(compute, step, 1, diag);
    if (rc == 0 && step->code != 0)
        rc = diag_fail(diag, step->code, "%s", step->reason.text);
    if (rc == 0 && part->last == compute->model->geometry->layers && step->out == NULL)
        rc = compute_pass_answer(step->pass, ret_answer);
    compute_pass_destroy(step->pass);
    return rc;
}

static struct compute_origin origin_of(const struct compute_task *task, bool has_crossed)
{
    return (struct compute_origin){
        .device = task->device,
        .id = task->id,
        .has_crossed = has_crossed,
        .channel = task->channel,
        .server = task->server,
        .rate_bps = task->rate_bps,
        .is_own_prompt = task->prompt != NULL,
    };
}

static int run_device(struct compute *compute, const struct compute_task *task,
                      struct compute_answer *ret_answer, struct diag *diag)
{
    const struct compute_origin origin = origin_of(task, false);
    const struct compute_part part = {
        .first = 0, .last = task->split, .tokens = task->tokens, .coding = task->coding, .origin = &origin};
    size_t size = compute_bytes(compute->world, task->split, task->tokens, task->coding);
    struct compute_step step = {
        .in = (const uint8_t *) compute->ids, /* little-endian, as the processors that this is for */
        .out = size > 0 ? compute->rows : NULL,
        .out_size = size,
    };
    return run_part(compute, &part, &step, ret_answer, diag);
}

/* From what crosses at the split. The row that a server returns comes behind it. */
static int run_server(struct compute *compute, const struct compute_task *task,
                      struct compute_answer *ret_answer, struct diag *diag)
{
    bool returns = compute->world->scenario.compute.head == COMPUTE_HEAD_DEVICE;
    const struct compute_origin origin = origin_of(task, !task->stays);
    const struct compute_part part = {.first = task->split,
                                      .last = compute->model->geometry->layers,
                                      .tokens = task->tokens,
                                      .coding = task->coding,
                                      .origin = &origin};
    size_t row = compute_row_bytes(compute->world, task->coding);
    size_t came = compute_bytes(compute->world, task->split, task->tokens, task->coding);
    struct compute_step step = {
        .in = task->split == 0 ? (const uint8_t *) compute->ids : compute->rows,
        .out = returns ? compute->rows + came : NULL,
        .out_size = returns ? row : 0,
    };
    int rc = run_part(compute, &part, &step, ret_answer, diag);
    const struct compute_row back = {step.out, row, task->coding};
    return rc == 0 && returns ? compute_head(compute, &back, ret_answer, diag) : rc;
}

static int check_task(const struct compute *compute, const struct compute_task *task, struct diag *diag)
{
    const struct weights_geometry *g = compute->model->geometry;
    if (task->split > g->layers)
        return diag_fail(diag, ERR_RANGE, "split %u: the model has %u layers", task->split, g->layers);
    if (task->tokens > g->context)
        return diag_fail(diag, ERR_RANGE, "a prompt of %u tokens: the model's context is 1 to %u",
                         task->tokens, g->context);
    assert(task->coding < compute->world->codings.count);
    return 0;
}

int compute_answer_device(struct compute *compute, const struct compute_task *task,
                          struct compute_answer *ret_answer, struct diag *diag)
{
    int rc = check_task(compute, task, diag);
    if (rc != 0)
        return rc;
    size_t bytes = compute_bytes(compute->world, task->split, task->tokens, task->coding) +
                   compute_row_bytes(compute->world, task->coding);
    rc = array_reserve(&compute->ids, &compute->ids_capacity, (size_t) task->tokens);
    if (rc == 0)
        rc = array_reserve(&compute->rows, &compute->rows_capacity, bytes);
    if (rc != 0)
        return diag_fail(diag, rc, "a task of %u tokens: out of memory", task->tokens);
    if (task->prompt != NULL)
        memcpy(compute->ids, task->prompt, task->tokens * sizeof *compute->ids);
    else
        compute_prompt(compute->world, task->device, task->id, task->tokens, compute->ids);
    return task->split > 0 ? run_device(compute, task, ret_answer, diag) : 0;
}

int compute_answer_server(struct compute *compute, const struct compute_task *task,
                          struct compute_answer *ret_answer, struct diag *diag)
{
    assert(task->tokens <= compute->ids_capacity); /* the device's half came before */
    return task->split < compute->model->geometry->layers ? run_server(compute, task, ret_answer, diag) : 0;
}

int compute_answer(struct compute *compute, const struct compute_task *task,
                   struct compute_answer *ret_answer, struct diag *diag)
{
    int rc = compute_answer_device(compute, task, ret_answer, diag);
    return rc == 0 ? compute_answer_server(compute, task, ret_answer, diag) : rc;
}
