/* Tasks that two nodes compute together: whatever is cut, joined or returned, not a bit differs. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "tests/unit/compute/node.h"
#include "tests/unit/infer/small_model.h"

#define TOKENS 23u
#define BYTES_MAX ((size_t) SMALL_CONTEXT * SMALL_HIDDEN * sizeof(float))

static const char *const formats[][2] = {
    {"compute.format=fp32", "compute.kept=0"}, {"compute.format=fp16", "compute.kept=0"},
    {"compute.format=int8", "compute.kept=0"}, {"compute.format=q4", "compute.kept=0"},
    {"compute.format=topk", "compute.kept=9"},
};
#define FORMATS (sizeof formats / sizeof *formats)

static char path[NODE_PATH];

static int write_model(void **state)
{
    (void) state;
    node_write_model(3, path);
    return 0;
}

static int remove_model(void **state)
{
    (void) state;
    return unlink(path);
}

static struct compute_task task_at(uint32_t device, uint32_t split)
{
    return (struct compute_task){.device = device, .id = {RNG_TRAIN, 1, 2}, .tokens = TOKENS, .split = split};
}

/* Two engines compute the task in pieces of `piece` rows. ret_bytes: what crosses at the split. */
static uint32_t play(const struct world *world, const struct compute_task *task, uint32_t piece,
                     uint8_t *ret_bytes)
{
    struct compute *device = node_open(world), *server = node_open(world);
    uint8_t prompt[4 * SMALL_CONTEXT], row[SMALL_HIDDEN * sizeof(float)];
    bool returns = world->scenario.compute.head == COMPUTE_HEAD_DEVICE;
    struct compute_answer answer = {0};
    node_prompt(world, task, prompt);
    if (task->split > 0)
        node_run(device, world,
                 &(struct node_part){{0, task->split, task->tokens, task->coding, NULL},
                                     prompt,
                                     task->split < SMALL_LAYERS ? ret_bytes : NULL,
                                     piece},
                 task->split < SMALL_LAYERS ? NULL : &answer);
    if (task->split < SMALL_LAYERS)
        node_run(server, world,
                 &(struct node_part){{task->split, SMALL_LAYERS, task->tokens, task->coding, NULL},
                                     task->split == 0 ? prompt : ret_bytes,
                                     returns ? row : NULL,
                                     piece},
                 returns ? NULL : &answer);
    if (returns && task->split < SMALL_LAYERS)
        assert_int_equal(
            compute_head(device,
                         &(struct compute_row){row, compute_row_bytes(world, task->coding), task->coding},
                         &answer, NULL),
            0);
    compute_close(device);
    compute_close(server);
    assert_int_equal(answer.count, 1);
    return answer.token[0];
}

static void check_task(const struct world *world, const struct compute_task *task)
{
    static const uint32_t pieces[] = {0, 1, 5, 22};
    static uint8_t wanted[BYTES_MAX], found[BYTES_MAX];
    struct compute *whole = node_open(world);
    struct compute_answer answer;
    size_t size = compute_bytes(world, task->split, task->tokens, task->coding);
    bool encodes = task->split > 0 && task->split < SMALL_LAYERS;
    uint32_t token = node_oracle(world, path, task, wanted);
    assert_int_equal(compute_answer(whole, task, &answer, NULL), 0);
    assert_int_equal(answer.token[0], token);
    compute_close(whole);
    for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
        memset(found, 0, sizeof found);
        assert_int_equal(play(world, task, pieces[p], found), token);
        if (encodes)
            assert_memory_equal(found, wanted, size);
    }
}

static void two_nodes_give_the_bytes_and_the_answer_of_one(void **state)
{
    (void) state;
    static const char *const heads[] = {"compute.head=server", "compute.head=device"};
    for (size_t f = 0; f < FORMATS; f++)
        for (size_t h = 0; h < 2; h++) {
            struct world world =
                node_world(path, (const char *[]){formats[f][0], formats[f][1], heads[h], NULL});
            for (uint32_t split = 0; split <= SMALL_LAYERS; split++) {
                const struct compute_task task = task_at((uint32_t) f, split);
                check_task(&world, &task);
            }
            world_finish(&world);
        }
}

/* As in worlds of that format alone; the scenario's own is another. */
static void a_task_in_a_decided_format_is_encoded_in_it_there_and_back(void **state)
{
    (void) state;
    static const char *const heads[] = {"compute.head=server", "compute.head=device"};
    for (uint32_t coding = 0; coding <= 3; coding++)
        for (size_t h = 0; h < 2; h++) {
            struct world world =
                node_world(path, (const char *[]){"compute.format=topk", "compute.kept=9",
                                                  "action.formats=fp32 int8 q4", heads[h], NULL});
            for (uint32_t split = 1; split < SMALL_LAYERS; split++) {
                struct compute_task task = task_at(coding, split);
                task.coding = coding;
                check_task(&world, &task);
            }
            world_finish(&world);
        }
}

/* ---- company ---- */

#define COMPANY 24u
#define LONG 88u /* with it, a wave ends within the prompt of a device */

struct guest {
    struct compute_task task;
    struct compute_pass *pass;
    uint8_t prompt[4 * SMALL_CONTEXT], in[BYTES_MAX], out[BYTES_MAX];
    uint32_t token; /* of the answer, where it is at a server */
};

/* Guests of odd number are servers', the others devices'. */
static struct node_part part_of(struct guest *guest, uint32_t number)
{
    bool serves = number % 2 == 1;
    const struct compute_task *task = &guest->task;
    return (struct node_part){
        .part = {serves ? task->split : 0, serves ? SMALL_LAYERS : task->split, task->tokens},
        .in = serves && task->split > 0 ? guest->in : guest->prompt,
        .out = serves ? NULL : guest->out,
    };
}

/* Alone, with the reference's bytes. */
static void invite(const struct world *world, const char *model, struct guest *guest, uint32_t number)
{
    uint32_t split = number % 2 == 1 ? number / 2 % SMALL_LAYERS : 1 + number / 2 % (SMALL_LAYERS - 1);
    guest->task = (struct compute_task){
        .device = number % 8, .id = {RNG_TRAIN, 0, number}, .tokens = LONG - number, .split = split};
    node_prompt(world, &guest->task, guest->prompt);
    guest->token = node_oracle(world, model, &guest->task, guest->in);
}

/* A copy of the model with a head of its own, in which the last token's embedding is not finite. */
static void write_spoilt(const char *to)
{
    static uint8_t bytes[1u << 20], embedding[SMALL_VOCAB * SMALL_HIDDEN * sizeof(float)];
    const size_t header = 7 * sizeof(int32_t);
    const int32_t own_head = -(int32_t) SMALL_VOCAB;
    const float infinite = INFINITY;
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    assert_true(size < sizeof bytes && fclose(file) == 0);
    memcpy(embedding, bytes + header, sizeof embedding);
    memcpy(bytes + 5 * sizeof(int32_t), &own_head, sizeof own_head);
    memcpy(bytes + header + sizeof embedding - sizeof infinite, &infinite, sizeof infinite);
    file = fopen(to, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fwrite(embedding, 1, sizeof embedding, file), sizeof embedding);
    assert_int_equal(fclose(file), 0);
}

/* Prompts without the last token. */
static void give_text(struct world *world)
{
    uint32_t text[1000];
    for (uint32_t i = 0; i < 1000; i++)
        text[i] = i * i % (SMALL_VOCAB - 1);
    assert_int_equal(world_set_prompt(world, text, 1000, NULL), 0);
}

static void check_guest(const struct world *world, struct guest *guest, uint32_t number)
{
    struct compute_answer answer;
    const struct compute_task *task = &guest->task;
    assert_int_equal(compute_pass_rows(guest->pass), task->tokens);
    if (number % 2 == 0) {
        assert_memory_equal(guest->out, guest->in, compute_bytes(world, task->split, task->tokens, 0));
        assert_int_equal(compute_pass_answer(guest->pass, &answer), ERR_STATE);
    } else {
        assert_int_equal(compute_pass_answer(guest->pass, &answer), 0);
        assert_int_equal(answer.token[0], guest->token);
    }
}

/* Together they have more rows than go through a layer at once, so that prompts are cut. */
static void company_at_any_split_changes_no_bit_and_what_fails_fails_alone(void **state)
{
    (void) state;
    static struct guest guest[COMPANY];
    static struct compute_step step[COMPANY];
    const uint32_t bad = 8; /* a device */
    char spoilt[NODE_PATH];
    node_write_model(3, spoilt);
    write_spoilt(spoilt);
    struct world world = node_world(spoilt, (const char *[]){"compute.format=int8", NULL});
    struct compute *compute = node_open(&world);
    give_text(&world);
    for (uint32_t i = 0; i < COMPANY; i++) {
        invite(&world, spoilt, &guest[i], i);
        struct node_part part = part_of(&guest[i], i);
        assert_int_equal(compute_pass_create(&guest[i].pass, compute, &part.part, NULL), 0);
        step[i] = node_step(&world, &part, guest[i].pass, guest[i].task.tokens);
    }
    guest[bad].prompt[4 * 70] = SMALL_VOCAB - 1;
    assert_int_equal(compute_run(compute, step, COMPANY, NULL), 0);
    for (uint32_t i = 0; i < COMPANY; i++) {
        assert_int_equal(step[i].code, i == bad ? ERR_RANGE : 0);
        if (i != bad)
            check_guest(&world, &guest[i], i);
    }
    assert_int_equal(compute_pass_rows(guest[bad].pass), 0);
    assert_string_equal(step[bad].reason.text, "rows from 0 on: a value in layers 0 to 1 is not finite");
    guest[bad].prompt[4 * 70] = 0;
    assert_int_equal(compute_run(compute, &step[bad], 1, NULL), 0);
    assert_int_equal(step[bad].code, 0);
    for (uint32_t i = 0; i < COMPANY; i++)
        compute_pass_destroy(guest[i].pass);
    compute_close(compute);
    world_finish(&world);
    assert_int_equal(unlink(spoilt), 0);
}

/* ---- what is refused ---- */

static void expect_refusal(struct compute *compute, struct compute_step step, int code, const char *said)
{
    uint32_t rows = compute_pass_rows(step.pass);
    struct compute_answer answer;
    assert_int_equal(compute_run(compute, &step, 1, NULL), 0);
    assert_int_equal(step.code, code);
    if (strstr(step.reason.text, said) == NULL)
        fail_msg("'%s' says nothing of '%s'", step.reason.text, said);
    assert_int_equal(compute_pass_rows(step.pass), rows);
    assert_int_equal(compute_pass_answer(step.pass, &answer), ERR_STATE);
}

static void bytes_that_are_no_rows_are_refused_and_leave_the_pass_as_it_was(void **state)
{
    (void) state;
    uint8_t bytes[BYTES_MAX];
    struct world world = node_world(path, (const char *[]){"compute.format=fp32", NULL});
    struct compute *compute = node_open(&world);
    const struct compute_task task = task_at(0, 1);
    struct node_part part = {.part = {1, SMALL_LAYERS, TOKENS}, .in = bytes};
    struct compute_pass *pass = NULL;
    struct compute_answer answer;
    uint32_t token = node_oracle(&world, path, &task, bytes);
    assert_int_equal(compute_pass_create(&pass, compute, &part.part, NULL), 0);
    struct compute_step good = node_step(&world, &part, pass, 4), step = good;
    assert_int_equal(compute_run(compute, &good, 1, NULL), 0);
    step = good;
    expect_refusal(compute, step, ERR_STATE, "rows from 0 on: 4 have come so far, the next is 4");
    step.from = 5;
    expect_refusal(compute, step, ERR_STATE, "rows from 5 on: 4 have come so far");
    step = node_step(&world, &part, pass, TOKENS - 4);
    step.in_size--;
    expect_refusal(compute, step, ERR_CORRUPT, "4863 bytes of 19 rows: 4864 are due");
    step = node_step(&world, &part, pass, TOKENS - 3);
    expect_refusal(compute, step, ERR_RANGE, "20 rows behind 4: the prompt has 23");
    step.rows = 0;
    expect_refusal(compute, step, ERR_RANGE, "0 rows behind 4");
    const uint8_t infinite[] = {0, 0, 0x80, 0x7f};
    uint8_t kept[4];
    memcpy(kept, bytes + 4 * 10 * SMALL_HIDDEN, sizeof kept);
    memcpy(bytes + 4 * 10 * SMALL_HIDDEN, infinite, sizeof infinite);
    step = node_step(&world, &part, pass, TOKENS - 4);
    expect_refusal(compute, step, ERR_CORRUPT, "rows from 4 on: ");
    memcpy(bytes + 4 * 10 * SMALL_HIDDEN, kept, sizeof kept);
    step = node_step(&world, &part, pass, TOKENS - 4);
    assert_int_equal(compute_run(compute, &step, 1, NULL), 0);
    assert_int_equal(compute_pass_answer(pass, &answer), 0);
    assert_int_equal(answer.token[0], token);
    compute_pass_destroy(pass);
    compute_close(compute);
    world_finish(&world);
}

static void a_token_that_is_not_in_the_vocabulary_is_refused(void **state)
{
    (void) state;
    uint8_t prompt[4 * TOKENS];
    struct world world = node_world(path, (const char *[]){NULL});
    struct compute *compute = node_open(&world);
    const struct compute_task task = task_at(0, 0);
    struct node_part part = {.part = {0, SMALL_LAYERS, TOKENS}, .in = prompt};
    struct compute_pass *pass = NULL;
    node_prompt(&world, &task, prompt);
    prompt[4 * 17] = SMALL_VOCAB;
    assert_int_equal(compute_pass_create(&pass, compute, &part.part, NULL), 0);
    expect_refusal(compute, node_step(&world, &part, pass, TOKENS), ERR_RANGE,
                   "token 17 is 70: the vocabulary has 70");
    compute_pass_destroy(pass);
    compute_close(compute);
    world_finish(&world);
}

static void a_row_of_another_size_has_no_head(void **state)
{
    (void) state;
    uint8_t row[SMALL_HIDDEN * 2] = {0};
    struct compute_answer answer;
    struct diag diag = {{0}};
    struct world world = node_world(path, (const char *[]){"compute.head=device", NULL});
    struct compute *compute = node_open(&world);
    assert_int_equal(compute_head(compute, &(struct compute_row){row, sizeof row, 0}, &answer, NULL), 0);
    assert_int_equal(compute_head(compute, &(struct compute_row){row, sizeof row - 1, 0}, &answer, &diag),
                     ERR_CORRUPT);
    assert_true(diag.text[0] != '\0');
    compute_close(compute);
    world_finish(&world);
}

static void a_part_that_the_model_does_not_have_is_refused(void **state)
{
    (void) state;
    static const struct compute_part parts[] = {{0, SMALL_LAYERS + 1, 4, 0, NULL},
                                                {2, 2, 4, 0, NULL},
                                                {0, 1, 0, 0, NULL},
                                                {0, 1, SMALL_CONTEXT + 1, 0, NULL}};
    struct world world = node_world(path, (const char *[]){NULL});
    struct compute *compute = node_open(&world);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct compute_pass *pass = NULL;
        struct diag diag = {{0}};
        assert_int_equal(compute_pass_create(&pass, compute, &parts[i], &diag), ERR_RANGE);
        assert_true(diag.text[0] != '\0');
    }
    struct compute_answer answer;
    struct compute_task task = task_at(0, SMALL_LAYERS + 1);
    struct diag diag = {{0}};
    assert_int_equal(compute_answer(compute, &task, &answer, &diag), ERR_RANGE);
    assert_string_equal(diag.text, "split 4: the model has 3 layers");
    compute_close(compute);
    world_finish(&world);
}

/* ---- the house model ---- */

static void the_house_model_answers_alike_at_every_split(void **state)
{
    (void) state;
    for (size_t f = 0; f < FORMATS; f++) {
        struct world world = node_world(HOUSE_MODEL, (const char *[]){formats[f][0], formats[f][1], NULL});
        struct compute *compute = node_open(&world);
        for (uint32_t split = 0; split <= world.llm->layers; split++) {
            struct compute_answer answer;
            const struct compute_task task = task_at(split % 8, split);
            assert_int_equal(compute_answer(compute, &task, &answer, NULL), 0);
            assert_int_equal(answer.token[0], node_oracle(&world, HOUSE_MODEL, &task, NULL));
        }
        compute_close(compute);
        world_finish(&world);
    }
}

static void a_prompt_of_its_own_takes_the_place_of_the_worlds(void **state)
{
    (void) state;
    struct world world = node_world(path, (const char *[]){NULL});
    struct compute *compute = node_open(&world);
    uint32_t prompt[TOKENS] = {0};
    struct compute_task task = task_at(1, 1), other = task_at(2, 1);
    struct compute_answer worlds, own, same;
    assert_int_equal(compute_answer(compute, &other, &worlds, NULL), 0);
    compute_prompt(&world, 2, other.id, TOKENS, prompt);
    task.prompt = prompt;
    assert_int_equal(compute_answer(compute, &task, &own, NULL), 0);
    assert_int_equal(own.token[0], worlds.token[0]); /* as that of the device whose it was */
    other.prompt = prompt;
    assert_int_equal(compute_answer(compute, &other, &same, NULL), 0);
    assert_int_equal(same.token[0], worlds.token[0]);
    prompt[0] = UINT32_MAX; /* of no vocabulary */
    assert_int_equal(compute_answer(compute, &task, &own, NULL), ERR_RANGE);
    compute_close(compute);
    world_finish(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_nodes_give_the_bytes_and_the_answer_of_one),
        cmocka_unit_test(a_task_in_a_decided_format_is_encoded_in_it_there_and_back),
        cmocka_unit_test(company_at_any_split_changes_no_bit_and_what_fails_fails_alone),
        cmocka_unit_test(bytes_that_are_no_rows_are_refused_and_leave_the_pass_as_it_was),
        cmocka_unit_test(a_token_that_is_not_in_the_vocabulary_is_refused),
        cmocka_unit_test(a_row_of_another_size_has_no_head),
        cmocka_unit_test(a_part_that_the_model_does_not_have_is_refused),
        cmocka_unit_test(a_prompt_of_its_own_takes_the_place_of_the_worlds),
        cmocka_unit_test(the_house_model_answers_alike_at_every_split),
    };
    return cmocka_run_group_tests(tests, write_model, remove_model);
}
