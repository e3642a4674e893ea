/* What a mobile process keeps of its tasks when it really computes: what waits for what, and whose answers. */
#include "mobile-node/task_store.h"

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

#define FIRST 2u
#define COUNT 3u
#define TOKENS 9u
#define SPLIT 1u
#define SENT_MAX 16u

/* One message that has left. */
struct sent {
    enum proto_id id; /* 0: a frame */
    uint32_t server;
    uint64_t bytes;
    uint64_t chunk;
    uint8_t *content; /* a copy */
    struct msg_report report;
    uint32_t token;
};

struct bench {
    char path[NODE_PATH];
    struct world world;
    struct wire_loop loop;
    struct compute_jobs *jobs;
    struct task_store *store;
    unsigned computed, heads, bad_rows;
    size_t sents;
    struct sent sent[SENT_MAX];
};

static void on_send(void *user, uint32_t server, const struct proto_message *message,
                    const struct shared_slice *activation)
{
    struct bench *bench = user;
    assert_true(bench->sents < SENT_MAX);
    struct sent *sent = &bench->sent[bench->sents++];
    *sent = (struct sent){
        .id = message->id, .server = server, .bytes = activation != NULL ? activation->size : 0};
    if (message->id == PROTO_TASK) {
        sent->chunk = message->task.chunk;
        sent->content = malloc(activation->size);
        memcpy(sent->content, activation->bytes->data + activation->at, activation->size);
    }
    if (message->id == PROTO_REPORT) {
        sent->report = message->report;
        assert_int_equal(message->report.answer.count, 1);
        sent->token = message->report.answer.data[0];
    }
}

static void on_send_frame(void *user, const void *frame, size_t size)
{
    struct bench *bench = user;
    assert_true(frame != NULL && size > 4 && bench->sents < SENT_MAX);
    bench->sent[bench->sents++] = (struct sent){.id = 0};
}

static void on_computed(void *user, const struct layer_work *work, const struct compute_job_result *result)
{
    struct bench *bench = user;
    assert_true(work->first_layer < work->last_layer && result->code == 0);
    bench->computed++;
}

static void on_head(void *user, const struct compute_job_result *result)
{
    struct bench *bench = user;
    assert_true(result->seconds > 0.0 && result->end_ns > 0);
    bench->heads++;
}

static void on_bad_row(void *user, uint32_t device, uint32_t server, const char *reason)
{
    struct bench *bench = user;
    assert_int_equal(device, FIRST);
    assert_int_equal(server, 1);
    assert_non_null(reason);
    bench->bad_rows++;
}

static void on_failure(void *user, const char *reason)
{
    (void) user;
    fail_msg("%s", reason);
}

static const struct task_store_hooks hooks = {.send = on_send,
                                              .send_frame = on_send_frame,
                                              .on_computed = on_computed,
                                              .on_head = on_head,
                                              .on_bad_row = on_bad_row,
                                              .on_failure = on_failure};

static void open_bench(struct bench *bench, const char *const *set)
{
    struct diag diag = {{0}};
    *bench = (struct bench){.sents = 0};
    node_write_model(5, bench->path);
    bench->world = node_world(bench->path, set);
    assert_int_equal(wire_loop_init(&bench->loop, NULL, NULL), 0);
    if (compute_jobs_open(&bench->jobs, &bench->loop, &bench->world, NULL, &diag) != 0)
        fail_msg("%s", diag.text);
    assert_int_equal(task_store_create(&bench->store, bench->jobs, &bench->world, FIRST, COUNT), 0);
    task_store_set_hooks(bench->store, &hooks, bench);
}

static void close_bench(struct bench *bench)
{
    for (size_t i = 0; i < bench->sents; i++)
        free(bench->sent[i].content);
    task_store_stop(bench->store);
    task_store_destroy(bench->store);
    compute_jobs_close(bench->jobs);
    wire_loop_finish(&bench->loop);
    world_finish(&bench->world);
    assert_int_equal(unlink(bench->path), 0);
}

static void wait_for_sents(struct bench *bench, size_t count)
{
    while (bench->sents < count)
        (void) uv_run(&bench->loop.uv, UV_RUN_ONCE);
}

static void compute(struct bench *bench, uint64_t round, uint32_t first, uint32_t last)
{
    const struct layer_work work = {.device = FIRST,
                                    .round = round,
                                    .id = {.slot = (uint32_t) round},
                                    .tokens = TOKENS,
                                    .first_layer = first,
                                    .last_layer = last,
                                    .rows = {0, TOKENS}};
    assert_int_equal(task_store_compute(bench->store, &work), 0);
}

static void say(struct bench *bench, uint32_t server, const struct proto_message *message)
{
    assert_int_equal(task_store_say(bench->store, FIRST, server, message), 0);
}

static void say_task(struct bench *bench, uint64_t round, uint32_t split)
{
    const struct proto_message task = {
        .id = PROTO_TASK,
        .task = {.device = FIRST, .round = round, .split = split, .tokens = TOKENS},
    };
    say(bench, 1, &task);
}

static void say_report(struct bench *bench, uint64_t round, uint32_t served_by)
{
    const struct proto_message report = {
        .id = PROTO_REPORT,
        .report = {.device = FIRST, .round = round, .latency_s = 0.5, .served_by = served_by},
    };
    say(bench, PROTO_SERVER_NONE, &report);
}

/* A list that is dead when the message leaves. */
static void say_observation(struct bench *bench)
{
    double gain[2] = {1.0, 0.5};
    const struct proto_message observation = {
        .id = PROTO_OBSERVATION,
        .observation = {.device = FIRST, .tokens = TOKENS, .gain = {gain, 2}},
    };
    say(bench, PROTO_SERVER_NONE, &observation);
}

static uint32_t wanted(const struct bench *bench, uint64_t round, uint32_t split)
{
    struct compute *engine = node_open(&bench->world);
    struct compute_answer answer;
    const struct compute_task task = {
        .device = FIRST, .id = {.slot = (uint32_t) round}, .tokens = TOKENS, .split = split};
    assert_int_equal(compute_answer(engine, &task, &answer, NULL), 0);
    compute_close(engine);
    return answer.token[0];
}

static void what_a_device_says_leaves_in_order_when_its_layers_are_there(void **state)
{
    (void) state;
    static const char *const set[] = {NULL};
    struct bench bench;
    open_bench(&bench, set);
    uint32_t layers = bench.world.llm->layers, token = wanted(&bench, 7, layers);
    compute(&bench, 6, 0, SPLIT);
    say_task(&bench, 6, SPLIT);
    compute(&bench, 7, 0, layers);
    say_report(&bench, 7, PROTO_SERVER_NONE);
    say_observation(&bench);
    assert_int_equal(bench.sents, 0);
    assert_true(task_store_computes(bench.store, FIRST, 6));
    wait_for_sents(&bench, 3);
    assert_int_equal(bench.sent[0].id, PROTO_TASK);
    assert_int_equal(bench.sent[0].server, 1);
    assert_int_equal(bench.sent[0].bytes, compute_bytes(&bench.world, SPLIT, TOKENS, 0));
    assert_int_equal(bench.sent[1].id, PROTO_REPORT);
    assert_int_equal(bench.sent[1].token, token);
    assert_true(bench.sent[1].report.first_token_s == 0.5 && bench.sent[1].report.device_compute_s > 0.0);
    assert_int_equal(bench.sent[1].report.activation_bytes, 0);
    assert_int_equal(bench.sent[2].id, 0);
    assert_int_equal(bench.computed, 2);
    say_observation(&bench); /* nothing waits: it leaves at once */
    assert_int_equal(bench.sent[3].id, PROTO_OBSERVATION);
    close_bench(&bench);
}

/* The device goes on from its own encoded activations, also when it is told so before they are there. */
static void a_device_whose_server_is_lost_has_the_servers_answer(void **state)
{
    (void) state;
    static const char *const sets[][4] = {
        {"compute.format=q4", NULL},
        {"compute.format=topk", "compute.kept=1", "compute.head=device",
         NULL}, /* a row that says other things */
    };
    for (uint32_t i = 0; i < 4; i++) {
        struct bench bench;
        uint32_t split = i / 2;
        open_bench(&bench, sets[i % 2]);
        uint32_t token = wanted(&bench, 3, split);
        compute(&bench, 3, 0, split);
        say_task(&bench, 3, split);
        compute(&bench, 3, split, bench.world.llm->layers);
        compute(&bench, 3, split, bench.world.llm->layers); /* its end has moved */
        say_report(&bench, 3, PROTO_SERVER_NONE);
        wait_for_sents(&bench, 2);
        assert_int_equal(bench.sent[1].token, token);
        assert_int_equal(bench.sent[1].report.activation_bytes,
                         compute_bytes(&bench.world, split, TOKENS, 0));
        assert_int_equal(bench.computed, split == 0 ? 1 : 2);
        close_bench(&bench);
    }
}

/* A server's answer is of what arrived there. The device that goes on without it has all of its own rows. */
static void an_answer_of_a_lost_server_is_void_where_the_channel_damages(void **state)
{
    (void) state;
    static const char *const sets[][4] = {{"channel.mode=erasure", "compute.nll=on", NULL},
                                          {"channel.mode=reliable", "compute.nll=on", NULL}};
    for (size_t s = 0; s < 2; s++) {
        struct bench bench;
        bool damages = s == 0;
        const uint32_t token = 5;
        open_bench(&bench, sets[s]);
        const struct msg_result result = {.device = FIRST,
                                          .round = 3,
                                          .server = 1,
                                          .tokens = {&token, 1},
                                          .nll = 12.5,
                                          .nll_tokens = TOKENS - 1,
                                          .nll_bytes = 77};
        compute(&bench, 3, 0, SPLIT);
        say_task(&bench, 3, SPLIT);
        wait_for_sents(&bench, 1);
        assert_int_equal(task_store_take_result(bench.store, &result, NULL), 0);
        say_report(&bench, 3, 1);
        assert_int_equal(bench.sents, 2);
        assert_int_equal(bench.sent[1].token, 5);
        assert_true(bench.sent[1].report.nll == 12.5);
        assert_int_equal(bench.sent[1].report.nll_tokens, TOKENS - 1);
        assert_int_equal(bench.sent[1].report.nll_bytes, 77);
        task_store_take_back(bench.store, FIRST, 3);
        compute(&bench, 3, SPLIT, bench.world.llm->layers);
        say_report(&bench, 3, PROTO_SERVER_NONE);
        wait_for_sents(&bench, 3);
        struct compute *engine = node_open(&bench.world);
        struct compute_answer own;
        const struct compute_task task = {.device = FIRST,
                                          .id = {.slot = 3},
                                          .tokens = TOKENS,
                                          .split = SPLIT,
                                          .channel = 0.5,
                                          .stays = true};
        assert_int_equal(compute_answer(engine, &task, &own, NULL), 0);
        assert_int_equal(bench.sent[2].token, damages ? own.token[0] : 5);
        assert_true(bench.sent[2].report.nll == (damages ? own.score.nats : 12.5));
        compute_close(engine);
        close_bench(&bench);
    }
}

#define CHUNKS 4u

static void compute_chunk(struct bench *bench, uint32_t split, uint32_t chunk)
{
    const struct layer_work work = {.device = FIRST,
                                    .round = 3,
                                    .id = {.slot = 3},
                                    .tokens = TOKENS,
                                    .last_layer = split,
                                    .rows = chunks_rows(TOKENS, CHUNKS, chunk)};
    assert_int_equal(task_store_compute(bench->store, &work), 0);
}

static void say_chunk(struct bench *bench, uint32_t split, uint32_t chunk)
{
    const struct proto_message task = {
        .id = PROTO_TASK,
        .task = {.device = FIRST,
                 .round = 3,
                 .split = split,
                 .tokens = TOKENS,
                 .chunk = chunk,
                 .chunks = CHUNKS,
                 .rows = chunks_rows(TOKENS, CHUNKS, chunk).count},
    };
    say(bench, 1, &task);
}

/* The chunks have left, in order, and then all rows at once: the same bytes. */
static void check_rows(const struct bench *bench, uint32_t split)
{
    const struct sent *whole = &bench->sent[CHUNKS];
    assert_int_equal(whole->bytes, compute_bytes(&bench->world, split, TOKENS, 0));
    for (uint32_t i = 0; i < CHUNKS; i++) {
        const struct chunk_rows rows = chunks_rows(TOKENS, CHUNKS, i);
        assert_int_equal(bench->sent[i].id, PROTO_TASK);
        assert_int_equal(bench->sent[i].chunk, i);
        assert_int_equal(bench->sent[i].bytes, compute_bytes(&bench->world, split, rows.count, 0));
        assert_memory_equal(bench->sent[i].content,
                            whole->content + compute_bytes(&bench->world, split, rows.first, 0),
                            bench->sent[i].bytes);
    }
}

/* All rows are kept: after a loss they go to another server, or the device goes on with them. In virtual time all is
 * asked for at once; in real time one thing after the other. */
static void chunks_leave_one_by_one_and_their_rows_are_kept(void **state)
{
    (void) state;
    static const char *const sets[][4] = {{"compute.chunks=4", "compute.format=int8", NULL},
                                          {"compute.chunks=4", "compute.head=device", NULL}};
    for (uint32_t i = 0; i < 8; i++) {
        struct bench bench;
        uint32_t split = i / 2 % 2;
        open_bench(&bench, sets[i % 2]);
        uint32_t token = wanted(&bench, 3, split);
        for (uint32_t c = 0; c < CHUNKS; c++) {
            compute_chunk(&bench, split, c);
            while (i < 4 && task_store_computes(bench.store, FIRST, 3))
                (void) uv_run(&bench.loop.uv, UV_RUN_ONCE);
            say_chunk(&bench, split, c);
            assert_int_equal(bench.sents, i < 4 || split == 0 ? c + 1 : 0);
        }
        compute_chunk(&bench, split, CHUNKS - 1); /* it is not begun again */
        say_task(&bench, 3, split);
        compute(&bench, 3, split, bench.world.llm->layers);
        say_report(&bench, 3, PROTO_SERVER_NONE);
        wait_for_sents(&bench, CHUNKS + 2);
        check_rows(&bench, split);
        assert_int_equal(bench.sent[CHUNKS + 1].token, token);
        assert_int_equal(bench.sent[CHUNKS + 1].report.activation_bytes,
                         2 * compute_bytes(&bench.world, split, TOKENS, 0));
        assert_int_equal(bench.computed, split == 0 ? 1 : CHUNKS + 1);
        close_bench(&bench);
    }
}

static void a_slot_forgets_chunks_that_are_computed(void **state)
{
    (void) state;
    static const char *const set[] = {"compute.chunks=4", NULL};
    struct bench bench;
    const struct msg_slot slot = {.round = 4, .slot = 4};
    open_bench(&bench, set);
    for (uint32_t c = 0; c < CHUNKS; c++)
        compute_chunk(&bench, SPLIT, c);
    say_chunk(&bench, SPLIT, 0);
    task_store_begin_slot(bench.store, FIRST, &slot);
    compute(&bench, 4, 0, SPLIT);
    say_task(&bench, 4, SPLIT);
    wait_for_sents(&bench, 1);
    assert_int_equal(bench.sent[0].bytes, compute_bytes(&bench.world, SPLIT, TOKENS, 0));
    close_bench(&bench);
}

static void a_result_brings_the_answer_or_is_refused(void **state)
{
    (void) state;
    static const char *const set[] = {NULL};
    struct bench bench;
    struct diag diag = {{0}};
    open_bench(&bench, set);
    uint32_t token[2] = {41, bench.world.llm->vocab};
    struct msg_result result = {
        .device = FIRST, .round = 3, .server = 1, .compute_s = 0.25, .tokens = {token, 2}};
    compute(&bench, 3, 0, SPLIT);
    say_task(&bench, 3, SPLIT);
    wait_for_sents(&bench, 1);
    assert_int_equal(task_store_take_result(bench.store, &result, &diag), ERR_RANGE);
    assert_non_null(strstr(diag.text, "2 tokens"));
    result.tokens = (struct proto_u32s){token + 1, 1};
    diag.text[0] = '\0';
    assert_int_equal(task_store_take_result(bench.store, &result, &diag), ERR_RANGE);
    assert_non_null(strstr(diag.text, "vocabulary"));
    result.tokens.data = token;
    assert_int_equal(task_store_take_result(bench.store, &result, &diag), 0);
    say_report(&bench, 3, 1);
    assert_int_equal(bench.sents, 2);
    assert_int_equal(bench.sent[1].token, 41);
    assert_true(bench.sent[1].report.server_compute_s == 0.25);
    result.round = 99; /* a task that is over */
    assert_int_equal(task_store_take_result(bench.store, &result, &diag), 0);
    close_bench(&bench);
}

static void a_row_that_is_none_leaves_its_task_without_an_answer(void **state)
{
    (void) state;
    static const char *const set[] = {"compute.format=fp32", "compute.head=device", NULL};
    struct bench bench;
    open_bench(&bench, set);
    size_t size = compute_row_bytes(&bench.world, 0);
    uint8_t *row = malloc(size);
    memset(row, 0xff, size);
    struct msg_result result = {.device = FIRST, .round = 3, .server = 1, .activation = {row, size}};
    compute(&bench, 3, 0, SPLIT);
    say_task(&bench, 3, SPLIT);
    wait_for_sents(&bench, 1);
    assert_int_equal(task_store_take_result(bench.store, &result, NULL), 0);
    say_report(&bench, 3, 1);
    while (bench.bad_rows == 0)
        (void) uv_run(&bench.loop.uv, UV_RUN_ONCE);
    assert_int_equal(bench.sents, 1);
    assert_int_equal(bench.heads, 1);
    free(row);
    close_bench(&bench);
}

static void a_slot_forgets_what_was_not_done_and_lets_the_rest_go(void **state)
{
    (void) state;
    static const char *const set[] = {NULL};
    struct bench bench;
    const struct msg_slot slot = {.round = 4, .slot = 4};
    open_bench(&bench, set);
    compute(&bench, 3, 0, SPLIT);
    say_task(&bench, 3, SPLIT);
    say_report(&bench, 3, 1);
    task_store_begin_slot(bench.store, FIRST, &slot);
    assert_false(task_store_computes(bench.store, FIRST, 3));
    say_observation(&bench);
    assert_int_equal(bench.sents, 1);
    assert_int_equal(bench.sent[0].id, PROTO_OBSERVATION);
    compute(&bench, 4, 0, SPLIT);
    say_task(&bench, 4, SPLIT);
    wait_for_sents(&bench, 2);
    assert_int_equal(bench.sent[1].id, PROTO_TASK);
    close_bench(&bench);
}

static void a_reported_task_may_be_taken_back_until_the_next_decision(void **state)
{
    (void) state;
    static const char *const set[] = {"run.mode=queue", NULL};
    struct bench bench;
    open_bench(&bench, set);
    uint32_t layers = bench.world.llm->layers, token = 5;
    const struct msg_result result = {.device = FIRST, .round = 3, .server = 1, .tokens = {&token, 1}};
    compute(&bench, 3, 0, SPLIT);
    say_task(&bench, 3, SPLIT);
    wait_for_sents(&bench, 1);
    assert_int_equal(task_store_take_result(bench.store, &result, NULL), 0);
    say_report(&bench, 3, 1);
    task_store_take_back(bench.store, FIRST, 3);
    task_store_begin_task(bench.store, FIRST); /* it may take longer than its slot */
    compute(&bench, 3, SPLIT, layers);
    say_report(&bench, 3, PROTO_SERVER_NONE); /* the same answer: it is there */
    assert_int_equal(bench.sents, 3);
    assert_int_equal(bench.sent[2].token, token);
    task_store_begin_task(bench.store, FIRST);
    say_report(&bench, 3, PROTO_SERVER_NONE);
    assert_int_equal(bench.sents, 3);
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_device_says_leaves_in_order_when_its_layers_are_there),
        cmocka_unit_test(a_device_whose_server_is_lost_has_the_servers_answer),
        cmocka_unit_test(an_answer_of_a_lost_server_is_void_where_the_channel_damages),
        cmocka_unit_test(chunks_leave_one_by_one_and_their_rows_are_kept),
        cmocka_unit_test(a_slot_forgets_chunks_that_are_computed),
        cmocka_unit_test(a_result_brings_the_answer_or_is_refused),
        cmocka_unit_test(a_row_that_is_none_leaves_its_task_without_an_answer),
        cmocka_unit_test(a_slot_forgets_what_was_not_done_and_lets_the_rest_go),
        cmocka_unit_test(a_reported_task_may_be_taken_back_until_the_next_decision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
