/* The pool of computations beside the loop: answers as in one process, and nothing that was dropped calls back. */
#include "proto/node/compute_jobs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/model/chunks.h"
#include "tests/lib/memory.h"
#include "tests/unit/compute/node.h"

#define TASKS 9u
#define TOKENS 12u

static size_t blocks; /* before a test */

struct bench {
    char path[NODE_PATH];
    struct world world;
    struct wire_loop loop;
    struct compute_jobs *jobs;
    unsigned done;
    struct compute_job *job[TASKS];
};

/* One task of the bench: what its job has called back with. */
struct outcome {
    struct bench *bench;
    unsigned calls;
    int code;
    bool is_ours, closes;
    char reason[256];
    struct shared_bytes *out;
    struct compute_answer answer;
    double seconds;
};

static void open_bench(struct bench *bench, const char *const *set)
{
    struct diag diag = {{0}};
    *bench = (struct bench){.done = 0};
    node_write_model(5, bench->path);
    bench->world = node_world(bench->path, set);
    assert_int_equal(wire_loop_init(&bench->loop, NULL, NULL), 0);
    if (compute_jobs_open(&bench->jobs, &bench->loop, &bench->world, NULL, &diag) != 0)
        fail_msg("%s", diag.text);
}

static void close_bench(struct bench *bench)
{
    compute_jobs_close(bench->jobs);
    wire_loop_finish(&bench->loop);
    world_finish(&bench->world);
    assert_int_equal(unlink(bench->path), 0);
}

static void on_done(void *user, const struct compute_job_result *result)
{
    struct outcome *outcome = user;
    struct bench *bench = outcome->bench;
    outcome->calls++;
    outcome->code = result->code;
    outcome->is_ours = result->is_ours;
    outcome->answer = result->answer;
    outcome->out = shared_bytes_take(result->out);
    outcome->seconds = result->seconds;
    (void) snprintf(outcome->reason, sizeof outcome->reason, "%s", result->reason);
    bench->done++;
    if (outcome->closes) {
        compute_jobs_close(bench->jobs);
        bench->jobs = NULL;
    }
}

static void wait_for(struct bench *bench, unsigned count)
{
    while (bench->done < count)
        (void) uv_run(&bench->loop.uv, UV_RUN_ONCE);
}

static struct compute_task task_of(uint32_t number, uint32_t split)
{
    return (struct compute_task){
        .device = number % 8, .id = {.slot = number}, .tokens = TOKENS - number % 3, .split = split};
}

static struct shared_bytes *prompt(const struct bench *bench, const struct compute_task *task)
{
    struct shared_bytes *bytes = shared_bytes_create(compute_bytes(&bench->world, 0, task->tokens, 0));
    assert_non_null(bytes);
    node_prompt(&bench->world, task, bytes->data);
    return bytes;
}

/* Starts layers [first, last) of a task, as a server does where they are the last ones. */
static struct compute_job *start(struct bench *bench, const struct compute_job_task *part,
                                 struct outcome *outcome)
{
    struct compute_job *job = NULL;
    struct compute_job_task task = *part;
    task.encodes_row =
        part->last == bench->world.llm->layers && part->first < part->last && part->encodes_row;
    task.on_done = on_done;
    task.user = outcome;
    *outcome = (struct outcome){.bench = bench, .closes = outcome->closes};
    assert_int_equal(compute_jobs_start(bench->jobs, &task, &job), 0);
    return job;
}

/* Device, server and, when the head is there, device again: all tasks side by side. */
static void compare_with_one_process(const char *const *set, uint32_t split)
{
    struct bench bench;
    struct outcome at_device[TASKS] = {0}, at_server[TASKS] = {0}, head[TASKS] = {0};
    open_bench(&bench, set);
    uint32_t layers = bench.world.llm->layers;
    bool returns = bench.world.scenario.compute.head == COMPUTE_HEAD_DEVICE;
    for (uint32_t i = 0; i < TASKS; i++) {
        struct compute_task task = task_of(i, split);
        struct shared_bytes *ids = prompt(&bench, &task);
        const struct compute_job_task part = {.last = split, .tokens = task.tokens, .in = ids};
        if (split == 0)
            at_device[i].out = shared_bytes_take(ids);
        else
            (void) start(&bench, &part, &at_device[i]);
        shared_bytes_give(ids);
    }
    wait_for(&bench, split == 0 ? 0 : TASKS);
    bench.done = 0;
    for (uint32_t i = 0; i < TASKS && split < layers; i++) {
        const struct compute_job_task part = {.first = split,
                                              .last = layers,
                                              .tokens = task_of(i, split).tokens,
                                              .in = at_device[i].out,
                                              .encodes_row = returns};
        assert_int_equal(at_device[i].code, 0);
        (void) start(&bench, &part, &at_server[i]);
    }
    wait_for(&bench, split < layers ? TASKS : 0);
    bench.done = 0;
    for (uint32_t i = 0; i < TASKS && split < layers && returns; i++) {
        const struct compute_job_task part = {
            .first = layers, .last = layers, .tokens = 1, .in = at_server[i].out, .applies_head = true};
        (void) start(&bench, &part, &head[i]);
    }
    wait_for(&bench, split < layers && returns ? TASKS : 0);

    struct compute *compute = node_open(&bench.world);
    for (uint32_t i = 0; i < TASKS; i++) {
        struct compute_task task = task_of(i, split);
        struct compute_answer wanted;
        const struct outcome *last = split == layers ? &at_device[i] : returns ? &head[i] : &at_server[i];
        assert_int_equal(compute_answer(compute, &task, &wanted, NULL), 0);
        assert_int_equal(last->calls, 1);
        assert_int_equal(last->answer.count, 1);
        assert_int_equal(last->answer.token[0], wanted.token[0]);
        assert_true(last->seconds > 0.0);
        shared_bytes_give(at_device[i].out);
        shared_bytes_give(at_server[i].out);
    }
    compute_close(compute);
    close_bench(&bench);
}

static void answers_are_those_of_one_process(void **state)
{
    (void) state;
    static const char *const sets[][4] = {
        {"compute.batch=1", NULL},
        {"compute.batch=16", "compute.format=int8", NULL},
        {"compute.batch=4", "compute.head=device", NULL},
    };
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        for (uint32_t split = 0; split <= 2; split++)
            compare_with_one_process(sets[i], split);
    compare_with_one_process(sets[0], 3);
}

/* Layers [first, last) of all tasks in chunks, chunk by chunk; gives the last jobs' outcomes. Rows that come out are put
 * together. */
static void run_in_chunks(struct bench *bench, const struct compute_job_task *layers, uint32_t chunks,
                          struct shared_bytes *const in[TASKS], struct outcome ret_outcome[TASKS])
{
    struct compute_series *series[TASKS];
    struct shared_bytes *whole[TASKS] = {NULL};
    bool gives_rows = layers->last < bench->world.llm->layers;
    for (uint32_t i = 0; i < TASKS; i++)
        series[i] = compute_series_create();
    for (uint32_t c = 0; c < chunks; c++) {
        bench->done = 0;
        for (uint32_t i = 0; i < TASKS; i++) {
            uint32_t tokens = task_of(i, 0).tokens;
            struct chunk_rows rows = chunks_rows(tokens, chunks, c);
            struct shared_bytes *part =
                shared_bytes_create(compute_bytes(&bench->world, layers->first, rows.count, 0));
            memcpy(part->data, in[i]->data + compute_bytes(&bench->world, layers->first, rows.first, 0),
                   part->size);
            struct compute_job_task job = *layers;
            job.tokens = tokens;
            job.series = series[i];
            job.rows = rows.count;
            job.in = part;
            (void) start(bench, &job, &ret_outcome[i]);
            shared_bytes_give(part);
        }
        wait_for(bench, TASKS);
        for (uint32_t i = 0; i < TASKS; i++) {
            struct outcome *outcome = &ret_outcome[i];
            struct chunk_rows rows = chunks_rows(task_of(i, 0).tokens, chunks, c);
            assert_int_equal(outcome->code, 0);
            assert_int_equal(outcome->out != NULL, gives_rows || (layers->encodes_row && c + 1 == chunks));
            assert_int_equal(outcome->answer.count, c + 1 == chunks && !gives_rows && !layers->encodes_row);
            if (!gives_rows)
                continue;
            if (c == 0)
                whole[i] =
                    shared_bytes_create(compute_bytes(&bench->world, layers->last, task_of(i, 0).tokens, 0));
            memcpy(whole[i]->data + compute_bytes(&bench->world, layers->last, rows.first, 0),
                   outcome->out->data, outcome->out->size);
            shared_bytes_give(outcome->out);
            outcome->out = whole[i];
        }
    }
    for (uint32_t i = 0; i < TASKS; i++)
        compute_series_destroy(series[i]);
}

/* Keys and values stay with the series: chunks give the same rows, and the same answers, in batches of any tasks. */
static void prompts_in_chunks_have_the_answers_of_whole_ones(void **state)
{
    (void) state;
    static const char *const sets[][4] = {{"compute.batch=4", "compute.format=int8", NULL},
                                          {"compute.batch=16", "compute.head=device", NULL}};
    static const uint32_t counts[] = {2, 5, 9};
    for (size_t k = 0; k < 6; k++) {
        struct bench bench;
        struct outcome at_device[TASKS] = {0}, at_server[TASKS] = {0};
        struct shared_bytes *ids[TASKS], *rows[TASKS];
        open_bench(&bench, sets[k % 2]);
        bool returns = bench.world.scenario.compute.head == COMPUTE_HEAD_DEVICE;
        const struct compute_job_task device = {.last = 1};
        const struct compute_job_task server = {
            .first = 1, .last = bench.world.llm->layers, .encodes_row = returns};
        for (uint32_t i = 0; i < TASKS; i++) {
            struct compute_task task = task_of(i, 1);
            ids[i] = prompt(&bench, &task);
        }
        run_in_chunks(&bench, &device, counts[k / 2], ids, at_device);
        for (uint32_t i = 0; i < TASKS; i++)
            rows[i] = at_device[i].out;
        run_in_chunks(&bench, &server, counts[k / 2], rows, at_server);
        struct compute *compute = node_open(&bench.world);
        for (uint32_t i = 0; i < TASKS; i++) {
            struct compute_task task = task_of(i, 1);
            struct compute_answer wanted, got = at_server[i].answer;
            assert_int_equal(compute_answer(compute, &task, &wanted, NULL), 0);
            if (returns)
                assert_int_equal(
                    compute_head(compute,
                                 &(struct compute_row){at_server[i].out->data, at_server[i].out->size, 0},
                                 &got, NULL),
                    0);
            assert_int_equal(got.token[0], wanted.token[0]);
            shared_bytes_give(ids[i]);
            shared_bytes_give(rows[i]);
            shared_bytes_give(at_server[i].out);
        }
        compute_close(compute);
        close_bench(&bench);
    }
}

/* With its job in a batch, the series goes when that is over; memory checkers see whether it does. */
static void a_series_may_end_while_its_job_is_computed(void **state)
{
    (void) state;
    static const char *const set[] = {"compute.batch=2", NULL};
    struct bench bench;
    struct outcome outcome[TASKS] = {0};
    open_bench(&bench, set);
    for (uint32_t i = 0; i < TASKS; i++) {
        struct compute_task task = task_of(i, 1);
        struct shared_bytes *ids = shared_bytes_create(compute_bytes(&bench.world, 0, 2, 0));
        struct compute_series *series = compute_series_create();
        const struct compute_job_task part = {
            .last = 1, .tokens = task.tokens, .series = series, .rows = 2, .in = ids};
        struct compute_job *job = start(&bench, &part, &outcome[i]);
        if (i % 2 == 0)
            compute_jobs_drop(job);
        compute_series_destroy(series);
        shared_bytes_give(ids);
    }
    wait_for(&bench, TASKS / 2);
    for (uint32_t i = 0; i < TASKS; i++) {
        assert_int_equal(outcome[i].calls, i % 2);
        shared_bytes_give(outcome[i].out);
    }
    close_bench(&bench);
}

static void a_job_whose_bytes_are_none_fails_alone(void **state)
{
    (void) state;
    static const char *const set[] = {"compute.format=fp32", NULL};
    struct bench bench;
    struct outcome outcome[3] = {0};
    open_bench(&bench, set);
    for (uint32_t i = 0; i < 3; i++) {
        struct shared_bytes *rows = shared_bytes_create(compute_bytes(&bench.world, 1, TOKENS, 0));
        const struct compute_job_task part = {
            .first = 1, .last = bench.world.llm->layers, .tokens = TOKENS, .in = rows};
        if (i == 1)
            memset(rows->data, 0xff, 4); /* no number */
        (void) start(&bench, &part, &outcome[i]);
        shared_bytes_give(rows);
    }
    wait_for(&bench, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(outcome[i].code != 0, i == 1);
        assert_int_equal(outcome[i].answer.count, i == 1 ? 0 : 1);
        assert_false(outcome[i].is_ours);
    }
    assert_non_null(strstr(outcome[1].reason, "finite"));
    close_bench(&bench);
}

static void what_is_dropped_does_not_call_back(void **state)
{
    (void) state;
    static const char *const set[] = {"compute.batch=2", NULL};
    struct bench bench;
    struct outcome outcome[TASKS] = {0};
    struct compute_job *job[TASKS];
    open_bench(&bench, set);
    for (uint32_t i = 0; i < TASKS; i++) {
        struct compute_task task = task_of(i, 1);
        struct shared_bytes *ids = prompt(&bench, &task);
        const struct compute_job_task part = {
            .last = bench.world.llm->layers, .tokens = task.tokens, .in = ids};
        job[i] = start(&bench, &part, &outcome[i]);
        shared_bytes_give(ids);
    }
    compute_jobs_drop(job[0]); /* the thread has it */
    compute_jobs_drop(job[TASKS - 1]);
    compute_jobs_drop(job[4]);
    compute_jobs_drop(NULL);
    wait_for(&bench, TASKS - 3);
    for (uint32_t i = 0; i < TASKS; i++)
        assert_int_equal(outcome[i].calls, i == 0 || i == 4 || i == TASKS - 1 ? 0 : 1);
    close_bench(&bench);
}

/* At any moment: the loop closes with nothing left (wire_loop_finish), and memory checkers find nothing. */
static void a_pool_that_is_closed_calls_back_no_more(void **state)
{
    (void) state;
    static const char *const set[] = {"compute.batch=3", NULL};
    for (uint32_t calls = 0; calls <= TASKS; calls++) {
        struct bench bench;
        struct outcome outcome[TASKS] = {0};
        open_bench(&bench, set);
        for (uint32_t i = 0; i < TASKS; i++) {
            struct compute_task task = task_of(i, 1);
            struct shared_bytes *ids = prompt(&bench, &task);
            const struct compute_job_task part = {
                .last = bench.world.llm->layers, .tokens = task.tokens, .in = ids};
            outcome[i].closes = i + 1 == calls;
            (void) start(&bench, &part, &outcome[i]);
            shared_bytes_give(ids);
        }
        wait_for(&bench, calls);
        if (calls == 0)
            compute_jobs_close(bench.jobs);
        bench.jobs = NULL;
        assert_int_equal(bench.done, calls);
        close_bench(&bench);
        assert_int_equal(bench.done, calls);
    }
}

static void another_model_is_refused_with_a_sentence(void **state)
{
    (void) state;
    static const char *const set[] = {NULL};
    struct bench bench;
    struct compute_jobs *other = NULL;
    struct diag diag = {{0}};
    char path[NODE_PATH];
    open_bench(&bench, set);
    node_write_model(6, path);
    assert_int_equal(compute_jobs_open(&other, &bench.loop, &bench.world, path, &diag), ERR_MISMATCH);
    assert_non_null(strstr(diag.text, "SHA-256"));
    assert_null(other);
    assert_int_equal(unlink(path), 0);
    close_bench(&bench);
}

/* Libraries keep what they need once. Each test after this leaves nothing behind. */
static int warm_up(void **state)
{
    answers_are_those_of_one_process(state);
    return 0;
}

static int count_blocks(void **state)
{
    (void) state;
    blocks = memory_blocks();
    return 0;
}

static int compare_blocks(void **state)
{
    (void) state;
    return memory_blocks() == blocks ? 0 : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, count_blocks, compare_blocks)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_are_those_of_one_process),
        TEST(prompts_in_chunks_have_the_answers_of_whole_ones),
        TEST(a_series_may_end_while_its_job_is_computed),
        TEST(a_job_whose_bytes_are_none_fails_alone),
        TEST(what_is_dropped_does_not_call_back),
        TEST(a_pool_that_is_closed_calls_back_no_more),
        TEST(another_model_is_refused_with_a_sentence),
    };
    return cmocka_run_group_tests(tests, warm_up, NULL);
}
