/* The memory host's answers: those of the engine, with what is told beside them. */
#include "orchestrator/host/host_answers.h"

#include <math.h>
#include <stdio.h>

#include "core/base/err.h"
#include "core/compute/compute.h"
#include "tests/lib/house_world.h"

#define LAYERS 12u

static struct world world_with(const char *head)
{
    return house_world((const char *[]){"compute.kind=model", "task.tokens=20", head, NULL});
}

static void check_report(const struct world *world, struct host_answers *answers, struct compute *engine,
                         uint32_t split)
{
    const struct db_task row = {.device = 3, .episode = 1, .slot = split, .tokens = 20, .split = split};
    const struct compute_task task = {.device = 3, .id = {RNG_TEST, 1, split}, .tokens = 20, .split = split};
    bool local = split == LAYERS, returns = !local && world->scenario.compute.head == COMPUTE_HEAD_DEVICE;
    struct msg_report report = {
        .device = 3, .latency_s = 0.25, .served_by = local ? PROTO_SERVER_NONE : 1, .local_s = 0.125};
    struct compute_answer wanted;
    assert_int_equal(host_answers_fill(answers, &row, &report, NULL), 0);
    assert_int_equal(compute_answer(engine, &task, &wanted, NULL), 0);
    assert_int_equal(report.answer.count, 1);
    assert_int_equal(report.answer.data[0], wanted.token[0]);
    assert_int_equal(report.activation_bytes, (local        ? 0
                                               : split == 0 ? 20 * 4
                                                            : 20 * 256) +
                                                  (returns ? 256 : 0));
    assert_same(report.first_token_s, 0.25);
    assert_same(report.local_s, 0.125);
    assert_true((report.device_compute_s > 0.0) == (split > 0));
    assert_true((report.server_compute_s > 0.0) == !local);
    assert_int_equal(report.overridden, 0);
}

static void a_report_gets_the_answer_of_the_engine(void **state)
{
    (void) state;
    static const char *const heads[] = {"compute.head=server", "compute.head=device"};
    static const uint32_t splits[] = {0, 5, LAYERS};
    for (size_t h = 0; h < 2; h++) {
        struct world world = world_with(heads[h]);
        const struct session session = {.world = &world, .phase = RNG_TEST};
        struct host_answers *answers = NULL;
        struct compute *engine = NULL;
        assert_int_equal(host_answers_open(&answers, &session, NULL), 0);
        assert_int_equal(compute_open(&engine, &world, NULL, NULL), 0);
        for (size_t i = 0; i < 3; i++)
            check_report(&world, answers, engine, splits[i]);
        compute_close(engine);
        host_answers_close(answers);
        world_finish(&world);
    }
}

static void a_damaged_task_is_computed_with_what_arrived_and_scored(void **state)
{
    (void) state;
    struct world world = house_world((const char *[]){"compute.kind=model", "task.tokens=20",
                                                      "compute.nll=on", "channel.mode=erasure", NULL});
    const struct session session = {.world = &world, .phase = RNG_TEST};
    struct host_answers *answers = NULL;
    struct compute *engine = NULL;
    assert_int_equal(host_answers_open(&answers, &session, NULL), 0);
    assert_int_equal(compute_open(&engine, &world, NULL, NULL), 0);
    for (uint32_t i = 0; i < 3; i++) {
        bool stays = i == 2; /* its server was lost */
        const struct db_task row = {.device = 3,
                                    .episode = 1,
                                    .slot = 2,
                                    .tokens = 20,
                                    .split = 5,
                                    .channel = i == 0 ? (double) NAN : 0.3};
        const struct compute_task task = {.device = 3,
                                          .id = {RNG_TEST, 1, 2},
                                          .tokens = 20,
                                          .split = 5,
                                          .channel = i == 0 ? 0.0 : 0.3,
                                          .stays = stays};
        struct msg_report report = {.device = 3, .served_by = stays ? PROTO_SERVER_NONE : 1};
        struct compute_answer wanted;
        assert_int_equal(host_answers_fill(answers, &row, &report, NULL), 0);
        assert_int_equal(compute_answer(engine, &task, &wanted, NULL), 0);
        assert_int_equal(report.answer.data[0], wanted.token[0]);
        assert_same(report.nll, wanted.score.nats);
        assert_int_equal(report.nll_tokens, 19);
    }
    compute_close(engine);
    host_answers_close(answers);
    world_finish(&world);
}

static void what_cannot_be_computed_is_named(void **state)
{
    (void) state;
    struct world world = world_with("compute.head=server");
    const struct session session = {.world = &world, .phase = RNG_TEST},
                         elsewhere = {.world = &world, .model = "/nowhere"};
    const struct db_task row = {.device = 3, .episode = 1, .slot = 7, .tokens = 257, .split = 2};
    struct host_answers *answers = NULL;
    struct msg_report report = {.device = 3};
    struct diag diag = {{0}};
    assert_int_not_equal(host_answers_open(&answers, &elsewhere, &diag), 0);
    assert_null(answers);
    assert_non_null(strstr(diag.text, "/nowhere"));
    diag = (struct diag){{0}};
    assert_int_equal(host_answers_open(&answers, &session, NULL), 0);
    assert_int_equal(host_answers_fill(answers, &row, &report, &diag), ERR_RANGE);
    assert_string_equal(
        diag.text, "device 3, episode 1, slot 7: a prompt of 257 tokens: the model's context is 1 to 256");
    assert_int_equal(report.answer.count, 0);
    host_answers_close(answers);
    world.scenario.compute.kind = COMPUTE_EMULATED;
    assert_int_equal(host_answers_open(&answers, &session, NULL), 0);
    assert_null(answers);
    world_finish(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_gets_the_answer_of_the_engine),
        cmocka_unit_test(a_damaged_task_is_computed_with_what_arrived_and_scored),
        cmocka_unit_test(what_cannot_be_computed_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
