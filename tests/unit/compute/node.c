#include "tests/unit/compute/node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/compute/compute_keys.h"
#include "core/infer/request.h"
#include "core/model/llm_keys.h"
#include "tests/unit/infer/small_model.h"

void node_write_model(uint32_t seed, char ret_path[static NODE_PATH])
{
    (void) snprintf(ret_path, NODE_PATH, "/tmp/handoff-compute-XXXXXX");
    int file = mkstemp(ret_path);
    assert_true(file >= 0);
    assert_int_equal(close(file), 0);
    small_model_write(ret_path, seed);
}

static void fill_keys(struct scenario *scenario)
{
    struct weights *weights = NULL;
    struct diag diag = {{0}};
    if (weights_open(scenario->model.file, &weights, &diag) != 0)
        fail_msg("%s", diag.text);
    struct llm llm = compute_keys_llm(weights_geometry(weights));
    compute_keys_hash(weights, scenario->model.hash);
    if (llm_keys_write(scenario, &llm, &diag) != 0 || compute_keys_write_bits(scenario, &diag) != 0)
        fail_msg("%s", diag.text);
    weights_close(weights);
}

struct world node_world(const char *path, const char *const *set)
{
    struct scenario scenario;
    struct world world;
    struct diag diag = {{0}};
    scenario_defaults(&scenario);
    scenario.compute.kind = COMPUTE_MODEL;
    scenario.task.tokens = 20;
    (void) snprintf(scenario.model.file, sizeof scenario.model.file, "%s", path);
    for (; *set != NULL; set++)
        if (scenario_set(&scenario, *set, &diag) != 0)
            fail_msg("%s", diag.text);
    fill_keys(&scenario);
    if (scenario_check(&scenario, &diag) != 0)
        fail_msg("%s", diag.text);
    assert_int_equal(world_init_empty(&world, &scenario, 8, 2), 0);
    return world;
}

struct compute *node_open(const struct world *world)
{
    struct compute *compute = NULL;
    struct diag diag = {{0}};
    if (compute_open(&compute, world, NULL, &diag) != 0)
        fail_msg("%s", diag.text);
    return compute;
}

struct compute_step node_step(const struct world *world, const struct node_part *part,
                              struct compute_pass *pass, uint32_t rows)
{
    uint32_t from = compute_pass_rows(pass), layers = world->llm->layers;
    bool returns = part->part.last == layers && part->out != NULL;
    size_t out = compute_bytes(world, part->part.last, rows, part->part.coding);
    return (struct compute_step){
        .pass = pass,
        .from = from,
        .rows = rows,
        .in = part->in + compute_bytes(world, part->part.first, from, part->part.coding),
        .in_size = compute_bytes(world, part->part.first, rows, part->part.coding),
        .out = returns || part->out == NULL
                   ? part->out
                   : part->out + compute_bytes(world, part->part.last, from, part->part.coding),
        .out_size = returns ? compute_row_bytes(world, part->part.coding) : out,
    };
}

void node_run(struct compute *compute, const struct world *world, const struct node_part *part,
              struct compute_answer *ret_answer)
{
    struct compute_pass *pass = NULL;
    struct diag diag = {{0}};
    uint32_t tokens = part->part.tokens, piece = part->piece == 0 ? tokens : part->piece;
    if (compute_pass_create(&pass, compute, &part->part, &diag) != 0)
        fail_msg("%s", diag.text);
    while (compute_pass_rows(pass) < tokens) {
        uint32_t left = tokens - compute_pass_rows(pass);
        struct compute_step step = node_step(world, part, pass, left < piece ? left : piece);
        if (compute_run(compute, &step, 1, &diag) != 0 || step.code != 0)
            fail_msg("%s%s", diag.text, step.reason.text);
    }
    if (ret_answer != NULL)
        assert_int_equal(compute_pass_answer(pass, ret_answer), 0);
    compute_pass_destroy(pass);
}

void node_prompt(const struct world *world, const struct compute_task *task, uint8_t *ret_bytes)
{
    uint32_t *token = malloc(task->tokens * sizeof *token);
    assert_non_null(token);
    compute_prompt(world, task->device, task->id, task->tokens, token);
    for (uint32_t i = 0; i < task->tokens; i++)
        for (uint32_t b = 0; b < 4; b++)
            ret_bytes[4 * i + b] = (uint8_t) (token[i] / (1u << 8 * b) % 256);
    free(token);
}

/* ---- the oracle ---- */

static enum activation_format format_of(const struct world *world, uint32_t coding)
{
    switch (coding_at(&world->codings, &world->scenario, coding).format) {
    case COMPUTE_FP32: return ACTIVATION_FP32;
    case COMPUTE_FP16: return ACTIVATION_FP16;
    case COMPUTE_INT8: return ACTIVATION_INT8;
    case COMPUTE_Q4: return ACTIVATION_INT4;
    case COMPUTE_TOPK: return ACTIVATION_TOPK;
    }
    return ACTIVATION_FP32;
}

static uint32_t kept_of(const struct world *world, uint32_t coding)
{
    return coding == 0 ? (uint32_t) world->scenario.compute.kept : 0;
}

/* Logits of the last row as a device has them that gets it encoded. */
static void return_row(const struct world *world, uint32_t coding, struct infer_request *request)
{
    uint32_t hidden = request->model->geometry->hidden;
    const struct activation_shape shape = {format_of(world, coding), 1, hidden, kept_of(world, coding)};
    size_t size = activation_bytes(shape.format, 1, hidden, shape.k);
    float *row = request->x + (size_t) (request->tokens - 1) * hidden;
    uint8_t *bytes = malloc(size);
    assert_int_equal(activation_encode(&shape, row, bytes, NULL), 0);
    assert_int_equal(activation_decode(&shape, bytes, size, row, NULL), 0);
    assert_int_equal(infer_head(request->model, request->workspace, row, 1, request->logits, NULL), 0);
    free(bytes);
}

uint32_t node_oracle(const struct world *world, const char *path, const struct compute_task *task,
                     uint8_t *ret_bytes)
{
    struct weights *weights = NULL;
    struct infer_model *model = NULL;
    struct infer_request *request = NULL;
    struct infer_workspace workspace = {0};
    const struct infer_request_options options = {
        .split = task->split,
        .capacity = task->tokens,
        .portion = task->tokens,
        .activation = format_of(world, task->coding),
        .activation_k = kept_of(world, task->coding),
    };
    uint32_t token[1024];
    assert_true(task->tokens <= 1024);
    compute_prompt(world, task->device, task->id, task->tokens, token);
    assert_int_equal(weights_open(path, &weights, NULL), 0);
    assert_int_equal(infer_model_create(&model, weights, INFER_STORED, NULL), 0);
    assert_int_equal(infer_request_create(&request, model, &workspace, &options, NULL), 0);
    assert_int_equal(infer_request_feed(request, token, task->tokens, NULL), 0);
    bool crosses = task->split > 0 && task->split < world->llm->layers;
    if (ret_bytes != NULL && crosses)
        memcpy(ret_bytes, request->encoded, request->bytes);
    if (world->scenario.compute.head == COMPUTE_HEAD_DEVICE && task->split < world->llm->layers)
        return_row(world, task->coding, request);
    uint32_t answer = infer_greedy(request->logits, world->llm->vocab);
    infer_request_destroy(request);
    infer_workspace_finish(&workspace);
    infer_model_destroy(model);
    weights_close(weights);
    return answer;
}
