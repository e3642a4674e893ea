/* What a server keeps of tasks that it really computes: bytes that are due, answers that wait, and what costs nobody else. */
#include "edge-server/served_tasks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "tests/unit/compute/node.h"

#define DEVICES 8u
#define TOKENS 20u /* the scenario's */

struct bench {
    char path[NODE_PATH];
    struct world world;
    struct wire_loop loop;
    struct compute_jobs *jobs;
    struct served_tasks *tasks;
    unsigned results, bad, computed;
    uint32_t token[DEVICES];
    size_t row[DEVICES];
    struct msg_result last; /* its lists are dead */
};

static int on_send(void *user, uint32_t device, struct slot_id id, const struct proto_message *result)
{
    struct bench *bench = user;
    assert_int_equal(id.slot, 11);
    assert_int_equal(result->result.device, device);
    assert_true(result->result.compute_s > 0.0);
    bench->token[device] = result->result.tokens.count == 1 ? result->result.tokens.data[0] : UINT32_MAX;
    bench->row[device] = result->result.activation.size;
    bench->last = result->result;
    bench->results++;
    return 0;
}

static void on_computed(void *user, const struct layer_work *work, const struct compute_job_result *result)
{
    struct bench *bench = user;
    assert_true(work->device < DEVICES && work->round > 0 && result->end_ns > 0);
    assert_int_equal(work->last_layer, bench->world.llm->layers);
    bench->computed++;
}

static void on_bad_task(void *user, uint32_t device, const char *reason)
{
    struct bench *bench = user;
    assert_int_equal(device, 1);
    assert_non_null(strstr(reason, "finite"));
    bench->bad++;
}

static void on_failure(void *user, const char *reason)
{
    (void) user;
    fail_msg("%s", reason);
}

static const struct served_tasks_hooks hooks = {
    .send = on_send, .on_computed = on_computed, .on_bad_task = on_bad_task, .on_failure = on_failure};

static void open_bench(struct bench *bench, const char *const *set)
{
    struct diag diag = {{0}};
    *bench = (struct bench){.results = 0};
    node_write_model(5, bench->path);
    bench->world = node_world(bench->path, set);
    assert_int_equal(wire_loop_init(&bench->loop, NULL, NULL), 0);
    if (compute_jobs_open(&bench->jobs, &bench->loop, &bench->world, NULL, &diag) != 0)
        fail_msg("%s", diag.text);
    assert_int_equal(served_tasks_create(&bench->tasks, bench->jobs, &bench->world, 1, &hooks, bench), 0);
}

static void close_bench(struct bench *bench)
{
    served_tasks_stop(bench->tasks);
    served_tasks_destroy(bench->tasks);
    compute_jobs_close(bench->jobs);
    wire_loop_finish(&bench->loop);
    world_finish(&bench->world);
    assert_int_equal(unlink(bench->path), 0);
}

static int piece(struct bench *bench, uint32_t device, struct proto_bytes bytes, struct diag *diag)
{
    const struct msg_piece message = {.device = device, .round = 9, .bytes = bytes};
    return served_tasks_take_piece(bench->tasks, &message, diag);
}

static int take(struct bench *bench, uint32_t device, uint32_t split, struct diag *diag)
{
    const struct msg_task task = {.device = device, .round = 9, .split = split, .tokens = TOKENS};
    return served_tasks_take(bench->tasks, &task, diag);
}

static bool computes(const struct bench *bench, uint32_t device, uint32_t row)
{
    const struct layer_work work = {.device = device, .round = 9, .rows = {row, 1}};
    return served_tasks_computes(bench->tasks, &work);
}

static void answer(struct bench *bench, uint32_t device)
{
    const struct proto_message result = {.id = PROTO_RESULT, .result = {.device = device, .round = 9}};
    assert_int_equal(served_tasks_answer(bench->tasks, device, (struct slot_id){.slot = 11}, &result), 0);
}

static void turn_until(struct bench *bench, const unsigned *count, unsigned wanted)
{
    while (*count < wanted)
        (void) uv_run(&bench->loop.uv, UV_RUN_ONCE);
}

static struct compute_task task_of(uint32_t device, uint32_t split)
{
    return (struct compute_task){.device = device, .id = {.slot = 11}, .tokens = TOKENS, .split = split};
}

/* Sends a task's prompt in pieces. */
static void send_prompt(struct bench *bench, uint32_t device)
{
    uint8_t ids[4 * TOKENS];
    const struct compute_task task = task_of(device, 0);
    node_prompt(&bench->world, &task, ids);
    for (size_t at = 0; at < sizeof ids; at += 30)
        assert_int_equal(piece(bench, device,
                               (struct proto_bytes){ids + at, sizeof ids - at < 30 ? sizeof ids - at : 30},
                               NULL),
                         0);
}

/* RESULTs that the core tells before their layers are done wait for them; later ones leave at once. */
static void results_leave_with_the_answers_of_one_process(void **state)
{
    (void) state;
    static const char *const sets[][3] = {{"compute.batch=16", NULL},
                                          {"compute.batch=1", "run.mode=queue", NULL}};
    for (size_t s = 0; s < 2; s++) {
        struct bench bench;
        open_bench(&bench, sets[s]);
        for (uint32_t n = 0; n < DEVICES; n++) {
            send_prompt(&bench, n);
            assert_int_equal(take(&bench, n, 0, NULL), 0);
            assert_true(computes(&bench, n, 0));
            if (n % 2 == 0)
                answer(&bench, n);
        }
        assert_int_equal(bench.results, 0);
        turn_until(&bench, &bench.results, DEVICES / 2);
        turn_until(&bench, &bench.computed, DEVICES);
        struct compute *engine = node_open(&bench.world);
        for (uint32_t n = 0; n < DEVICES; n++) {
            const struct compute_task task = task_of(n, 0);
            struct compute_answer wanted;
            if (n % 2 == 1)
                answer(&bench, n);
            assert_int_equal(compute_answer(engine, &task, &wanted, NULL), 0);
            assert_int_equal(bench.token[n], wanted.token[0]);
        }
        assert_int_equal(bench.results, DEVICES);
        answer(&bench, 0); /* it is over */
        assert_int_equal(bench.results, DEVICES);
        compute_close(engine);
        close_bench(&bench);
    }
}

/* Of the task's own slot, at which its damage and its prompt are drawn. */
static void a_damaged_task_has_the_answer_and_the_likelihood_of_one_process(void **state)
{
    (void) state;
    static const char *const set[] = {"channel.mode=erasure", "compute.nll=on", "compute.format=int8", NULL};
    struct bench bench;
    open_bench(&bench, set);
    struct compute *engine = node_open(&bench.world);
    for (uint32_t n = 0; n < DEVICES; n++) {
        struct compute_task task = task_of(n, 1);
        struct compute_answer wanted;
        uint8_t ids[4 * TOKENS], rows[TOKENS * 128];
        task.id = (struct slot_id){RNG_VALIDATE, 2, 30 + n};
        task.channel = 0.25;
        node_prompt(&bench.world, &task, ids);
        node_run(engine, &bench.world,
                 &(struct node_part){.part = {.last = 1, .tokens = TOKENS}, .in = ids, .out = rows}, NULL);
        assert_int_equal(
            piece(&bench, n, (struct proto_bytes){rows, compute_bytes(&bench.world, 1, TOKENS, 0)}, NULL), 0);
        const struct msg_task message = {.device = n,
                                         .round = 9,
                                         .split = 1,
                                         .tokens = TOKENS,
                                         .channel = 0.25,
                                         .phase = RNG_VALIDATE,
                                         .episode = 2,
                                         .slot = 30 + n};
        assert_int_equal(served_tasks_take(bench.tasks, &message, NULL), 0);
        answer(&bench, n);
        turn_until(&bench, &bench.results, n + 1);
        assert_int_equal(compute_answer(engine, &task, &wanted, NULL), 0);
        assert_int_equal(bench.token[n], wanted.token[0]);
        assert_true(bench.last.nll == wanted.score.nats && wanted.score.nats > 0.0);
        assert_int_equal(bench.last.nll_tokens, TOKENS - 1);
        task.channel = 0.0;
        assert_int_equal(compute_answer(engine, &task, &wanted, NULL), 0);
        assert_true(bench.last.nll != wanted.score.nats);
    }
    compute_close(engine);
    close_bench(&bench);
}

static void nobody_scores_the_prompt_of_a_guest(void **state)
{
    (void) state;
    static const char *const set[] = {"compute.nll=on", NULL};
    struct bench bench;
    open_bench(&bench, set);
    bench.world.scenario.devices.guests = 1;
    for (uint32_t n = DEVICES - 2; n < DEVICES; n++) {
        send_prompt(&bench, n);
        assert_int_equal(take(&bench, n, 0, NULL), 0);
        answer(&bench, n);
        turn_until(&bench, &bench.results, n + 3 - DEVICES);
        assert_int_equal(bench.last.nll_tokens, n == DEVICES - 1 ? 0 : TOKENS - 1);
    }
    close_bench(&bench);
}

static void with_the_head_at_the_device_the_last_row_goes_back(void **state)
{
    (void) state;
    static const char *const set[] = {"compute.head=device", NULL};
    struct bench bench;
    open_bench(&bench, set);
    send_prompt(&bench, 0);
    assert_int_equal(take(&bench, 0, 0, NULL), 0);
    answer(&bench, 0);
    turn_until(&bench, &bench.results, 1);
    assert_int_equal(bench.token[0], UINT32_MAX);
    assert_int_equal(bench.row[0], compute_row_bytes(&bench.world, 0));
    close_bench(&bench);
}

static void a_task_has_exactly_the_bytes_that_it_says(void **state)
{
    (void) state;
    static const char *const set[] = {"compute.format=fp32", NULL};
    struct bench bench;
    struct diag none = {{0}}, few = {{0}}, many = {{0}};
    open_bench(&bench, set);
    size_t due = compute_bytes(&bench.world, 1, TOKENS, 0);
    uint8_t *rows = calloc(due + 1, 1);
    assert_int_equal(take(&bench, 0, 1, &none), ERR_RANGE);
    assert_non_null(strstr(none.text, "TASK of device 0: 0 bytes of activations came"));
    assert_int_equal(piece(&bench, 0, (struct proto_bytes){rows, due - 1}, NULL), 0);
    assert_int_equal(take(&bench, 0, 1, &few), ERR_RANGE);
    assert_non_null(strstr(few.text, "were due for 20 tokens behind layer 1"));
    assert_int_equal(piece(&bench, 0, (struct proto_bytes){rows, 2}, &many), ERR_RANGE);
    assert_non_null(strstr(many.text, "which no task has"));
    assert_int_equal(piece(&bench, 0, (struct proto_bytes){NULL, 0}, NULL), 0); /* anew */
    assert_int_equal(piece(&bench, 0, (struct proto_bytes){rows, due}, NULL), 0);
    assert_int_equal(take(&bench, 0, 1, NULL), 0);
    assert_int_equal(piece(&bench, 2, (struct proto_bytes){rows, due}, NULL), 0);
    served_tasks_drop_pieces(bench.tasks, 2); /* its connection is gone */
    assert_int_equal(take(&bench, 2, 1, NULL), ERR_RANGE);
    free(rows);
    close_bench(&bench);
}

#define CHUNKS 5u

static int take_chunk(struct bench *bench, uint32_t device, uint32_t chunk, uint32_t rows, struct diag *diag)
{
    const struct msg_task task = {
        .device = device, .round = 9, .tokens = TOKENS, .chunk = chunk, .chunks = CHUNKS, .rows = rows};
    return served_tasks_take(bench->tasks, &task, diag);
}

static int send_chunk(struct bench *bench, uint32_t device, uint32_t chunk, struct diag *diag)
{
    uint8_t ids[4 * TOKENS];
    const struct compute_task task = task_of(device, 0);
    node_prompt(&bench->world, &task, ids);
    int rc = piece(bench, device,
                   (struct proto_bytes){ids + sizeof ids / CHUNKS * chunk, sizeof ids / CHUNKS}, diag);
    return rc != 0 ? rc : take_chunk(bench, device, chunk, TOKENS / CHUNKS, diag);
}

/* Chunks that come while others are computed wait for their turn; the RESULT, which is told early, for the last. */
static void chunks_are_computed_as_they_come_and_answer_as_a_whole_prompt(void **state)
{
    (void) state;
    static const char *const sets[][4] = {{"compute.chunks=5", "compute.batch=3", NULL},
                                          {"compute.chunks=5", "compute.head=device", NULL}};
    for (size_t s = 0; s < 2; s++) {
        struct bench bench;
        open_bench(&bench, sets[s]);
        for (uint32_t c = 0; c < CHUNKS; c++)
            for (uint32_t n = 0; n < DEVICES; n++) {
                assert_int_equal(send_chunk(&bench, n, c, NULL), 0);
                if (c == 0) { /* one device's come one by one, as the others' do together */
                    if (n > 0)
                        continue;
                    turn_until(&bench, &bench.computed, 1);
                    assert_false(computes(&bench, 0, 0));
                } else if (c == 1 && n == 0) {
                    assert_false(computes(&bench, 0, 0));
                    assert_true(computes(&bench, 0, TOKENS / CHUNKS));
                }
            }
        assert_int_equal(bench.results, 0);
        for (uint32_t n = 0; n < DEVICES; n++)
            answer(&bench, n);
        turn_until(&bench, &bench.results, DEVICES);
        struct compute *engine = node_open(&bench.world);
        for (uint32_t n = 0; n < DEVICES && s == 0; n++) {
            const struct compute_task task = task_of(n, 0);
            struct compute_answer wanted;
            assert_int_equal(compute_answer(engine, &task, &wanted, NULL), 0);
            assert_int_equal(bench.token[n], wanted.token[0]);
        }
        assert_int_equal(bench.row[0], s == 0 ? 0 : compute_row_bytes(&bench.world, 0));
        compute_close(engine);
        close_bench(&bench);
    }
}

static void assert_refused(int rc, int code, const struct diag *diag, const char *words)
{
    assert_int_equal(rc, code);
    if (strstr(diag->text, words) == NULL)
        fail_msg("'%s' in '%s'", words, diag->text);
}

static void chunks_that_do_not_follow_or_are_not_cut_so_are_refused(void **state)
{
    (void) state;
    static const char *const set[] = {"compute.chunks=5", NULL};
    static const uint8_t byte;
    struct bench bench;
    struct diag diag[5] = {{{0}}};
    open_bench(&bench, set);
    assert_int_equal(send_chunk(&bench, 0, 1, NULL), 0); /* of no task: the core has a sentence for it */
    assert_false(computes(&bench, 0, 0));
    assert_int_equal(send_chunk(&bench, 0, 0, NULL), 0);
    assert_refused(send_chunk(&bench, 0, 2, &diag[0]), ERR_STATE, &diag[0],
                   "TASK of device 0: chunk 2 of 5 does not follow the 1 of 5 that came before");
    assert_refused(
        take_chunk(&bench, 0, 1, 4, &diag[1]), ERR_RANGE, &diag[1],
        "TASK of device 0: 0 bytes of activations came, and 16 were due for 4 tokens behind layer 0");
    assert_refused(take_chunk(&bench, 0, 1, 5, &diag[2]), ERR_RANGE, &diag[2],
                   "chunk 1 of 5 with 5 rows, but 20 tokens are cut into 5 chunks");
    assert_int_equal(piece(&bench, 0, (struct proto_bytes){&byte, 1}, NULL), 0);
    assert_refused(send_chunk(&bench, 0, 1, &diag[3]), ERR_RANGE, &diag[3],
                   "17 bytes of activations came, and 16 were due");
    assert_int_equal(piece(&bench, 0, (struct proto_bytes){NULL, 0}, NULL), 0); /* anew */
    for (uint32_t c = 1; c < CHUNKS; c++)
        assert_int_equal(send_chunk(&bench, 0, c, NULL), 0);
    assert_refused(send_chunk(&bench, 0, CHUNKS - 1, &diag[4]), ERR_STATE, &diag[4],
                   "chunk 4 of 5 does not follow the 5 of 5 that came before");
    answer(&bench, 0);
    turn_until(&bench, &bench.results, 1);
    close_bench(&bench);
}

static void rows_that_are_no_numbers_cost_their_task_alone(void **state)
{
    (void) state;
    static const char *const set[] = {"compute.format=fp32", NULL};
    struct bench bench;
    open_bench(&bench, set);
    size_t due = compute_bytes(&bench.world, 1, TOKENS, 0);
    uint8_t *rows = calloc(due, 1);
    for (uint32_t n = 0; n < 3; n++) {
        memset(rows, n == 1 ? 0xff : 0, due);
        assert_int_equal(piece(&bench, n, (struct proto_bytes){rows, due}, NULL), 0);
        assert_int_equal(take(&bench, n, 1, NULL), 0);
        answer(&bench, n);
    }
    turn_until(&bench, &bench.results, 2);
    turn_until(&bench, &bench.bad, 1);
    assert_int_equal(bench.results, 2);
    answer(&bench, 1);
    assert_int_equal(bench.results, 2);
    free(rows);
    close_bench(&bench);
}

static void tasks_that_are_over_answer_nothing(void **state)
{
    (void) state;
    static const char *const set[] = {"run.mode=queue", NULL};
    struct bench bench;
    open_bench(&bench, set);
    for (uint32_t n = 0; n < 3; n++) {
        send_prompt(&bench, n);
        assert_int_equal(take(&bench, n, 0, NULL), 0);
    }
    served_tasks_drop(bench.tasks, 0, 9);
    served_tasks_drop(bench.tasks, 0, 8); /* there is none */
    answer(&bench, 0);
    answer(&bench, 1);
    turn_until(&bench, &bench.results, 1);
    served_tasks_drop_before(bench.tasks, 9);
    answer(&bench, 2);
    turn_until(&bench, &bench.results, 2);
    send_prompt(&bench, 2);
    assert_int_equal(take(&bench, 2, 0, NULL), 0);
    served_tasks_drop_before(bench.tasks, 10);
    answer(&bench, 2);
    assert_int_equal(bench.results, 2);
    assert_false(computes(&bench, 2, 0));
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_leave_with_the_answers_of_one_process),
        cmocka_unit_test(a_damaged_task_has_the_answer_and_the_likelihood_of_one_process),
        cmocka_unit_test(nobody_scores_the_prompt_of_a_guest),
        cmocka_unit_test(with_the_head_at_the_device_the_last_row_goes_back),
        cmocka_unit_test(a_task_has_exactly_the_bytes_that_it_says),
        cmocka_unit_test(chunks_are_computed_as_they_come_and_answer_as_a_whole_prompt),
        cmocka_unit_test(chunks_that_do_not_follow_or_are_not_cut_so_are_refused),
        cmocka_unit_test(rows_that_are_no_numbers_cost_their_task_alone),
        cmocka_unit_test(tasks_that_are_over_answer_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
