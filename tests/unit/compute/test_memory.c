/* Whichever allocation fails: a node that computes says so, and all is as before. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/memory.h"
#include "tests/lib/memory_each.h"
#include "tests/unit/compute/node.h"
#include "tests/unit/infer/small_model.h"

#define TRIES_MAX 5000u
#define TOKENS 20u

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

static int make_answer(void *user, struct diag *diag)
{
    const struct world *world = user;
    const struct compute_task task = {.device = 1, .id = {RNG_TRAIN, 0, 0}, .tokens = TOKENS, .split = 1};
    struct compute_answer answer;
    struct compute *compute = NULL;
    int rc = compute_open(&compute, world, NULL, diag);
    if (rc == 0)
        rc = compute_answer(compute, &task, &answer, diag);
    compute_close(compute);
    if (rc != 0)
        assert_true(diag->text[0] != '\0');
    return rc;
}

static void an_engine_without_memory_leaves_nothing_behind(void **state)
{
    (void) state;
    struct world world = node_world(path, (const char *[]){"compute.head=device", NULL});
    memory_each(make_answer, &world, 20);
    world_finish(&world);
}

/* Two steps in which nothing is done yet, at an engine that has loaded nothing. */
static void a_run_without_memory_leaves_all_passes_as_they_were(void **state)
{
    (void) state;
    uint8_t prompt[4 * TOKENS];
    struct world world = node_world(path, (const char *[]){NULL});
    const struct compute_task task = {.device = 1, .id = {RNG_TRAIN, 0, 0}, .tokens = TOKENS, .split = 0};
    uint32_t token = node_oracle(&world, path, &task, NULL);
    size_t n = 1;
    node_prompt(&world, &task, prompt);
    for (bool failed = true; failed && n < TRIES_MAX; n++) {
        struct compute *compute = node_open(&world);
        struct node_part part = {.part = {0, SMALL_LAYERS, TOKENS}, .in = prompt};
        struct compute_pass *pass[2] = {NULL, NULL};
        struct compute_step step[2];
        struct compute_answer answer;
        struct diag diag = {{0}};
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(compute_pass_create(&pass[i], compute, &part.part, NULL), 0);
            step[i] = node_step(&world, &part, pass[i], TOKENS);
        }
        memory_fail_at(n);
        int rc = compute_run(compute, step, 2, &diag);
        failed = memory_has_failed();
        assert_int_equal(rc, failed ? -ENOMEM : 0);
        for (size_t i = 0; failed && i < 2; i++)
            assert_int_equal(compute_pass_rows(pass[i]), 0);
        if (failed)
            assert_int_equal(compute_run(compute, step, 2, &diag), 0);
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(step[i].code, 0);
            assert_int_equal(compute_pass_answer(pass[i], &answer), 0);
            assert_int_equal(answer.token[0], token);
            compute_pass_destroy(pass[i]);
        }
        compute_close(compute);
    }
    assert_true(n < TRIES_MAX && (n > 20 || !memory_can_fail()));
    world_finish(&world);
}

static void finished_tasks_give_their_memory_back(void **state)
{
    (void) state;
    struct world world = node_world(path, (const char *[]){NULL});
    struct compute *compute = node_open(&world);
    struct compute_answer answer;
    size_t blocks = 0;
    for (uint32_t slot = 0; slot < 20; slot++) {
        const struct compute_task task = {
            .device = 1, .id = {RNG_TRAIN, 0, slot}, .tokens = TOKENS, .split = slot % (SMALL_LAYERS + 1)};
        assert_int_equal(compute_answer(compute, &task, &answer, NULL), 0);
        if (slot == SMALL_LAYERS)
            blocks = memory_blocks();
    }
    assert_int_equal(memory_blocks(), blocks);
    compute_close(compute);
    world_finish(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_engine_without_memory_leaves_nothing_behind),
        cmocka_unit_test(a_run_without_memory_leaves_all_passes_as_they_were),
        cmocka_unit_test(finished_tasks_give_their_memory_back),
    };
    return cmocka_run_group_tests(tests, write_model, remove_model);
}
