/* Devices in real time that really compute: a computation has ended when the model says so, and when it really has. In both
 * modes. What a device has computed lies in a store, which this test plays. */
#include "core/base/clock.h"
#include "core/base/err.h"
#include "mobile-node/device_queue_real.h"
#include "mobile-node/device_real.h"
#include "tests/unit/mobile/real_bench.h"

#define SPLIT 2u
#define CONTENT_BYTES (REAL_BENCH_TASK_BYTES + 100u)
#define RESULT_BYTES 1000u
#define LATE_NS UINT64_C(1000000)

/* ---- the store ---- */

struct task_store {
    struct wire_conn *control;
    bool computes;
    unsigned computed;
    struct layer_work work; /* asked for last */
    struct shared_bytes *content;
    int say_rc, compute_rc, take_rc;
};

int task_store_say(struct task_store *store, uint32_t device, uint32_t server,
                   const struct proto_message *message)
{
    assert_int_equal(device, 0);
    assert_int_equal(server, PROTO_SERVER_NONE);
    return store->say_rc != 0 ? store->say_rc : wire_conn_send(store->control, message);
}

int task_store_compute(struct task_store *store, const struct layer_work *work)
{
    store->computed++;
    store->work = *work;
    return store->compute_rc;
}

bool task_store_computes(const struct task_store *store, uint32_t device, uint64_t round)
{
    assert_int_equal(device, 0);
    assert_int_equal(round, store->work.round);
    return store->computes;
}

struct shared_slice task_store_activation(struct task_store *store, const struct msg_task *task)
{
    assert_int_equal(task->device, 0);
    return (struct shared_slice){.bytes = store->content, .at = 0, .size = CONTENT_BYTES};
}

int task_store_take_result(struct task_store *store, const struct msg_result *result, struct diag *diag)
{
    assert_int_equal(result->device, 0);
    return store->take_rc != 0 ? diag_fail(diag, store->take_rc, "not like this") : 0;
}

/* ---- a device of either mode ---- */

struct bench {
    struct real_bench real;
    struct task_store store;
    bool queues;
    struct device_queue *queue;
    struct device_queue_real queue_device;
    struct device_core core;
    struct device_real device;
};

static void open_bench(struct bench *bench, bool queues)
{
    const char *const keys[] = {queues ? "run.mode=queue" : "run.mode=round",
                                "run.clock=real",
                                "run.time_scale=20",
                                "run.slot_s=0.5",
                                "devices.count=1",
                                "servers.count=2",
                                "radio.bandwidth_mhz=1",
                                "servers.coverage_m=2000",
                                "link.result_kb=1",
                                "link.down_mbps=50",
                                NULL};
    *bench = (struct bench){.queues = queues};
    real_bench_open(&bench->real, keys);
    bench->store.control = bench->real.control.conn;
    bench->store.content = shared_bytes_create(CONTENT_BYTES);
    assert_non_null(bench->store.content);
    for (size_t i = 0; i < CONTENT_BYTES; i++)
        bench->store.content->data[i] = (uint8_t) (i % 251);
    if (queues) {
        assert_int_equal(device_queue_create(&bench->queue, &bench->real.control.join.world, 0), 0);
        assert_int_equal(device_queue_real_open(&bench->queue_device, &bench->real.control, bench->queue, 0),
                         0);
        device_queue_real_set_store(&bench->queue_device, &bench->store);
    } else {
        device_core_init(&bench->core, &bench->real.control.join.world, 0);
        assert_int_equal(device_real_open(&bench->device, &bench->real.control, &bench->core), 0);
        device_real_set_store(&bench->device, &bench->store);
    }
}

static void close_bench(struct bench *bench)
{
    if (bench->queues)
        device_queue_real_close(&bench->queue_device);
    else
        device_real_close(&bench->device);
    device_queue_destroy(bench->queue);
    assert_int_equal(bench->store.content->owners, 1);
    shared_bytes_give(bench->store.content);
    real_bench_close(&bench->real);
}

static int take(struct bench *bench, const struct proto_message *message, struct diag *diag)
{
    return bench->queues ? device_queue_real_take(&bench->queue_device, message, diag)
                         : device_real_take(&bench->device, message, diag);
}

static int decide(struct bench *bench, uint64_t split, struct diag *diag)
{
    static const double shares[2] = {1.0, 1.0};
    bool local = split == REAL_BENCH_LAYERS;
    return take(bench,
                &(struct proto_message){.id = PROTO_DECISION,
                                        .decision = {.round = 1,
                                                     .split = split,
                                                     .server = local ? PROTO_SERVER_NONE : 1,
                                                     .bandwidth_share = local ? 0.0 : 1.0,
                                                     .compute_share = local ? 0.0 : 1.0,
                                                     .share = {shares, bench->queues ? 2 : 0}}},
                diag);
}

static void begin(struct bench *bench, uint64_t split)
{
    struct diag diag = {{0}};
    assert_int_equal(take(bench, &(struct proto_message){.id = PROTO_SLOT, .slot = {.round = 1}}, &diag), 0);
    real_bench_hear(&bench->real, &bench->real.orchestrator, "O");
    assert_int_equal(decide(bench, split, &diag), 0);
    assert_int_equal(bench->store.computed, 1);
    assert_int_equal(bench->store.work.round, 1);
    assert_int_equal(bench->store.work.first_layer, 0);
    assert_int_equal(bench->store.work.last_layer, split);
}

static bool is_due(const struct bench *bench)
{
    return bench->queues ? bench->queue_device.is_due : bench->device.is_due;
}

static uint64_t due_ns(const struct bench *bench)
{
    return bench->queues ? bench->queue_device.due_ns : bench->device.due_ns;
}

static void tell_computed(struct bench *bench, const struct layer_work *work, uint64_t end_ns)
{
    const struct compute_job_result result = {.seconds = 0.5, .end_ns = end_ns};
    if (bench->queues)
        device_queue_real_computed(&bench->queue_device, work, &result);
    else
        device_real_computed(&bench->device, work, &result);
}

static void turn(struct bench *bench)
{
    (void) uv_run(&bench->real.control.loop.uv, UV_RUN_ONCE);
}

static void check_audit(const struct bench *bench, uint64_t jobs, uint64_t late_jobs)
{
    const struct compute_audit *audit = &bench->real.control.computed;
    assert_int_equal(audit->jobs, jobs);
    assert_int_equal(audit->late_jobs, late_jobs);
    assert_near(audit->worst_s, late_jobs > 0 ? 1e-9 * (double) LATE_NS : 0.0, 1e-12);
}

/* Two jobs make up the layers; the second ends late. */
static void layers_that_are_late_end_when_the_last_of_them_is_computed(void **state)
{
    (void) state;
    for (int queues = 0; queues < 2; queues++) {
        struct bench bench;
        open_bench(&bench, queues);
        bench.store.computes = true;
        begin(&bench, REAL_BENCH_LAYERS);
        while (!is_due(&bench))
            turn(&bench);
        const struct layer_work work = bench.store.work;
        tell_computed(&bench, &work, due_ns(&bench));
        assert_true(is_due(&bench));
        check_audit(&bench, 1, 0);
        bench.store.computes = false;
        struct layer_work other = work;
        other.round = 2;
        bench.store.work.round = 2;
        tell_computed(&bench, &other,
                      due_ns(&bench) + LATE_NS); /* another task's is not what is waited for */
        bench.store.work.round = 1;
        assert_true(is_due(&bench));
        check_audit(&bench, queues ? 2 : 1, 0);
        assert_string_equal(bench.real.orchestrator.heard, "O");
        tell_computed(&bench, &work, due_ns(&bench) + LATE_NS);
        check_audit(&bench, queues ? 3 : 2, 1);
        assert_false(is_due(&bench));
        real_bench_hear(&bench.real, &bench.real.orchestrator, "OR");
        close_bench(&bench);
    }
}

static void layers_that_are_early_end_when_the_model_says(void **state)
{
    (void) state;
    for (int queues = 0; queues < 2; queues++) {
        struct bench bench;
        open_bench(&bench, queues);
        begin(&bench, REAL_BENCH_LAYERS);
        assert_true(clock_monotonic_ns() < due_ns(&bench)); /* it takes longer than this test so far */
        tell_computed(&bench, &bench.store.work, due_ns(&bench) - 1);
        assert_false(is_due(&bench));
        check_audit(&bench, 1, 0);
        assert_string_equal(bench.real.orchestrator.heard, "O");
        real_bench_hear(&bench.real, &bench.real.orchestrator, "OR");
        assert_true(clock_monotonic_ns() >= due_ns(&bench));
        tell_computed(&bench, &bench.store.work, due_ns(&bench) + LATE_NS); /* nobody waits for it any more */
        check_audit(&bench, queues ? 2 : 1, 0);
        close_bench(&bench);
    }
}

/* More than the pacer counts, too. */
static void what_was_computed_crosses_and_what_comes_back_is_looked_at(void **state)
{
    (void) state;
    for (int i = 0; i < 4; i++) {
        struct bench bench;
        bool is_good = i < 2;
        open_bench(&bench, i % 2 == 1);
        bench.store.take_rc = is_good ? 0 : ERR_CORRUPT;
        begin(&bench, SPLIT);
        while (bench.real.connections == 0)
            turn(&bench);
        struct real_peer *server = &bench.real.server[0];
        real_bench_hear(&bench.real, server, "APT");
        uint64_t sum = 0;
        for (size_t b = 0; b < CONTENT_BYTES; b++)
            sum += (b + 1) * bench.store.content->data[b];
        assert_int_equal(server->bytes, CONTENT_BYTES);
        assert_int_equal(server->sum, sum);
        real_bench_answer(server, &(struct msg_result){.round = 1, .server = 1}, RESULT_BYTES);
        while (server->peer.closes == 0 && strchr(bench.real.orchestrator.heard, 'R') == NULL)
            turn(&bench);
        assert_string_equal(server->peer.text, is_good ? "" : "not like this");
        close_bench(&bench);
    }
}

static void a_store_without_memory_is_a_failure_in_words(void **state)
{
    (void) state;
    for (int i = 0; i < 4; i++) {
        struct bench bench;
        struct diag diag = {{0}};
        bool cannot_say = i < 2;
        open_bench(&bench, i % 2 == 1);
        bench.store.say_rc = cannot_say ? -ENOMEM : 0;
        bench.store.compute_rc = -ENOMEM;
        int rc = take(&bench, &(struct proto_message){.id = PROTO_SLOT, .slot = {.round = 1}}, &diag);
        assert_int_equal(rc, cannot_say ? -ENOMEM : 0);
        if (!cannot_say)
            assert_int_equal(decide(&bench, REAL_BENCH_LAYERS, &diag), -ENOMEM);
        assert_string_equal(diag.text, "Cannot allocate memory");
        close_bench(&bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_that_are_late_end_when_the_last_of_them_is_computed),
        cmocka_unit_test(layers_that_are_early_end_when_the_model_says),
        cmocka_unit_test(what_was_computed_crosses_and_what_comes_back_is_looked_at),
        cmocka_unit_test(a_store_without_memory_is_a_failure_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
