/* A server in queueing mode alone: scripted slots, exact times, in both clocks. */
#include "edge-server/server_queue_virtual.h"

#include "core/base/err.h"
#include "core/model/cost.h"
#include "tests/unit/model/check.h"

#define SLOT_S 0.5
#define TINY 1e-9
#define SPLIT 8u
#define TOKENS 100u
#define VISITS_MAX 4u
#define TOLD_MAX 16u

struct bench {
    struct world world;
    struct server_queue *queue;           /* real time; else NULL */
    struct server_queue_virtual *virtual; /* virtual time; else NULL */
    struct server_queue_actions actions;
    struct diag diag;
    double work_s; /* of each task, of the whole server */
    /* since the last `clear` */
    struct msg_result result[TOLD_MAX];
    size_t results, advances;
    struct msg_advanced advanced; /* the last; its lists are those of the last step */
    size_t computes;
    double due_s;           /* of the last COMPUTE */
    struct layer_work work; /* likewise */
};

/* A task takes the server 0.4 slots. */
static void open_bench(struct bench *bench, const char *discipline, bool in_real_time)
{
    const char *keys[8] = {"run.mode=queue",  "run.slot_s=0.5", "devices.count=3",
                           "servers.count=2", discipline,       NULL};
    *bench = (struct bench){.world = check_world(keys)};
    double now_s = cost_edge_s(&bench->world, 1, 1.0, TOKENS, SPLIT);
    bench->world.server[1].flops *= now_s / (0.4 * SLOT_S);
    bench->work_s = 0.4 * SLOT_S;
    if (in_real_time)
        assert_int_equal(server_queue_create(&bench->queue, &bench->world, 1), 0);
    else
        assert_int_equal(server_queue_virtual_create(&bench->virtual, &bench->world, 1), 0);
}

static void close_bench(struct bench *bench)
{
    server_queue_destroy(bench->queue);
    server_queue_virtual_destroy(bench->virtual);
    world_finish(&bench->world);
}

static void clear(struct bench *bench)
{
    bench->results = bench->advances = bench->computes = 0;
}

static int step_at(struct bench *bench, enum server_queue_event_kind kind,
                   const struct proto_message *message, double now_s)
{
    struct server_queue_event event = {.kind = kind, .now_s = now_s, .message = message};
    bench->diag.text[0] = '\0';
    int rc = bench->virtual != NULL
                 ? server_queue_virtual_take(bench->virtual, message, &bench->actions, &bench->diag)
                 : server_queue_step(bench->queue, &event, &bench->actions, &bench->diag);
    assert_int_equal(rc != 0, bench->diag.text[0] != '\0');
    assert_true(rc == 0 || bench->actions.count == 0);
    for (size_t i = 0; i < bench->actions.count; i++) {
        const struct server_queue_action *action = &bench->actions.list[i];
        if (action->kind == SERVER_QUEUE_COMPUTE) {
            bench->computes++;
            bench->due_s = action->due_s;
            bench->work = action->work;
        } else if (action->kind == SERVER_QUEUE_ANSWER) {
            assert_true(bench->results < TOLD_MAX);
            assert_int_equal(action->device, action->message.result.device);
            assert_int_equal(action->id.slot, action->message.result.round % 100);
            bench->result[bench->results++] = action->message.result;
        } else {
            bench->advanced = action->message.advanced;
            bench->advances++;
        }
    }
    return rc;
}

struct visit {
    uint32_t device, round;
    double arrival_s;
};

/* The round's hundreds are the episode. */
static int allot_at(struct bench *bench, uint32_t round, const struct visit *visit, size_t count,
                    double now_s)
{
    uint32_t device[VISITS_MAX], task[VISITS_MAX], tokens[VISITS_MAX], split[VISITS_MAX];
    double arrival_s[VISITS_MAX];
    assert_true(count <= VISITS_MAX);
    for (size_t i = 0; i < count; i++) {
        device[i] = visit[i].device;
        task[i] = visit[i].round;
        tokens[i] = TOKENS;
        split[i] = SPLIT;
        arrival_s[i] = visit[i].arrival_s;
    }
    struct proto_message message = {.id = PROTO_ALLOT,
                                    .allot = {.round = round,
                                              .episode = round / 100,
                                              .slot = round % 100,
                                              .device = {device, count},
                                              .task = {task, count},
                                              .tokens = {tokens, count},
                                              .split = {split, count},
                                              .arrival_s = {arrival_s, count}}};
    int rc = step_at(bench, SERVER_QUEUE_ON_MESSAGE, &message, now_s);
    return rc != 0 || bench->virtual != NULL ? rc : step_at(bench, SERVER_QUEUE_ON_END, NULL, now_s);
}

static void allot(struct bench *bench, uint32_t round, const struct visit *visit, size_t count)
{
    assert_int_equal(allot_at(bench, round, visit, count, 0.0), 0);
}

static int task_at(struct bench *bench, uint32_t device, uint32_t round, double now_s)
{
    struct proto_message message = {
        .id = PROTO_TASK, .task = {.device = device, .round = round, .split = SPLIT, .tokens = TOKENS}};
    return step_at(bench, SERVER_QUEUE_ON_MESSAGE, &message, now_s);
}

static void task(struct bench *bench, uint32_t device, uint32_t round)
{
    assert_int_equal(task_at(bench, device, round, 0.0), 0);
}

static void revoke(struct bench *bench, uint32_t device, uint32_t round)
{
    struct proto_message message = {.id = PROTO_REVOKE, .revoke = {.device = device, .round = round}};
    assert_int_equal(step_at(bench, SERVER_QUEUE_ON_MESSAGE, &message, 0.0), 0);
}

static void assert_result(const struct bench *bench, size_t which, uint32_t device, uint32_t round,
                          double queue_s, double edge_s, double finish_s)
{
    const struct msg_result *result = &bench->result[which];
    assert_true(which < bench->results);
    assert_int_equal(result->device, device);
    assert_int_equal(result->round, round);
    assert_int_equal(result->server, 1);
    assert_near(result->queue_s, queue_s, TINY);
    assert_near(result->edge_s, edge_s, TINY);
    assert_near(result->finish_s, finish_s, TINY);
    assert_near(result->busy_s, bench->work_s, TINY);
}

static double watt(const struct bench *bench)
{
    return bench->world.server[1].power_w;
}

static const struct visit three[] = {{0, 0, 0.3}, {1, 0, 0.1}, {2, 0, 0.3}};

static void all_come(struct bench *bench)
{
    for (uint32_t n = 0; n < 3; n++)
        task(bench, n, 0);
}

/* They arrive at 0.1, 0.3 and 0.3, take 0.2 each, and the slot ends at 0.5. */
static void first_come_is_first_served_across_slots(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, "servers.discipline=fifo", false);
    all_come(&bench);
    allot(&bench, 0, three, 3);
    assert_result(&bench, 0, 1, 0, 0.0, 0.2, 0.3);
    assert_result(&bench, 1, 0, 0, 0.0, 0.2, 0.5);
    assert_int_equal(bench.results, 2);
    assert_int_equal(bench.advanced.served, 2);
    assert_near(bench.advanced.busy_s, 0.4, TINY);
    assert_near(bench.advanced.backlog_s, 0.2, TINY);
    assert_int_equal(bench.advanced.accrued_j.count, 0); /* those that are done say so themselves */
    assert_int_equal(bench.advanced.served_device.data[0], 1);
    assert_int_equal(bench.advanced.served_device.data[1], 0);
    clear(&bench);
    static const struct visit more[] = {{1, 1, 0.9}};
    task(&bench, 1, 1);
    allot(&bench, 1, more, 1);
    assert_result(&bench, 0, 2, 0, 0.2, 0.2, 0.7);
    assert_int_equal(bench.results, 1);
    assert_near(bench.advanced.busy_s, 0.3, TINY);
    assert_near(bench.advanced.backlog_s, 0.1, TINY);
    assert_int_equal(bench.advanced.accrued_device.data[0], 1);
    assert_int_equal(bench.advanced.accrued_task.data[0], 1);
    assert_near(bench.advanced.accrued_j.data[0], 0.1 * watt(&bench), TINY);
    clear(&bench);
    allot(&bench, 2, NULL, 0);
    assert_result(&bench, 0, 1, 1, 0.0, 0.2, 1.1);
    assert_near(bench.advanced.busy_s, 0.1, TINY);
    assert_near(bench.advanced.backlog_s, 0.0, TINY);
    assert_int_equal(bench.advanced.accrued_j.count, 0);
    close_bench(&bench);
}

/* Alone from 0.1 to 0.3 the first is done; then two halves, of which 0.1 each is done at 0.5. */
static void sharing_divides_each_instant_across_slots(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, "servers.discipline=processor-sharing", false);
    all_come(&bench);
    allot(&bench, 0, three, 3);
    assert_result(&bench, 0, 1, 0, 0.0, 0.2, 0.3);
    assert_int_equal(bench.results, 1);
    assert_near(bench.advanced.busy_s, 0.4, TINY);
    assert_near(bench.advanced.backlog_s, 0.2, TINY);
    assert_int_equal(bench.advanced.accrued_j.count, 2);
    assert_near(bench.advanced.accrued_j.data[0], 0.1 * watt(&bench), TINY);
    assert_near(bench.advanced.accrued_j.data[1], 0.1 * watt(&bench), TINY);
    clear(&bench);
    static const struct visit more[] = {{1, 1, 0.6}};
    task(&bench, 1, 1);
    allot(&bench, 1, more,
          1); /* 0.05 of each by 0.6, then thirds: two are done at 0.75, the third has 0.15 */
    assert_result(&bench, 0, 0, 0, 0.0, 0.45, 0.75);
    assert_result(&bench, 1, 2, 0, 0.0, 0.45, 0.75);
    assert_result(&bench, 2, 1, 1, 0.0, 0.3, 0.9);
    assert_near(bench.advanced.busy_s, 0.4, TINY);
    assert_near(bench.advanced.backlog_s, 0.0, TINY);
    close_bench(&bench);
}

static void a_task_may_come_before_its_allot_or_after_it(void **state)
{
    (void) state;
    struct bench bench;
    for (unsigned before = 0; before < 8; before++) {
        open_bench(&bench, "servers.discipline=fifo", false);
        for (uint32_t n = 0; n < 3; n++)
            if (before >> n & 1)
                task(&bench, n, 0);
        assert_int_equal(bench.results + bench.advances, 0);
        allot(&bench, 0, three, 3);
        for (uint32_t n = 0; n < 3; n++)
            if (!(before >> n & 1)) {
                assert_int_equal(bench.results + bench.advances, 0);
                task(&bench, n, 0);
            }
        assert_int_equal(bench.advances, 1);
        assert_result(&bench, 0, 1, 0, 0.0, 0.2, 0.3);
        assert_result(&bench, 1, 0, 0, 0.0, 0.2, 0.5);
        assert_int_equal(bench.results, 2);
        close_bench(&bench);
    }
}

static void a_revoked_task_is_served_all_the_same_and_not_waited_for(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, "servers.discipline=fifo", false);
    allot(&bench, 0, three, 3);
    task(&bench, 0, 0);
    revoke(&bench, 1, 7); /* of another slot */
    revoke(&bench, 1, 0);
    revoke(&bench, 1, 0);
    assert_int_equal(bench.advances, 0);
    task(&bench, 2, 0);
    assert_int_equal(bench.advances, 1);
    assert_result(&bench, 0, 1, 0, 0.0, 0.2, 0.3);
    revoke(&bench, 2, 0); /* too late to matter */
    assert_int_equal(bench.advances, 1);
    clear(&bench);
    task(&bench, 1, 0); /* it had been on its way after all: nobody allots it any more */
    allot(&bench, 1, NULL, 0);
    assert_result(&bench, 0, 2, 0, 0.2, 0.2, 0.7);
    assert_int_equal(bench.results, 1);
    close_bench(&bench);
}

static void who_misses_an_allot_forgets(void **state)
{
    (void) state;
    struct bench bench;
    for (unsigned next = 1; next < 3; next++) {
        open_bench(&bench, "servers.discipline=fifo", false);
        all_come(&bench);
        allot(&bench, 0, three, 3);
        clear(&bench);
        allot(&bench, next, NULL, 0);
        assert_int_equal(bench.results, next == 1);
        assert_near(bench.advanced.busy_s, next == 1 ? 0.2 : 0.0, TINY);
        close_bench(&bench);
    }
}

static void a_slot_number_that_does_not_follow_begins_with_an_empty_server(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, "servers.discipline=fifo", false);
    all_come(&bench);
    allot(&bench, 0, three, 3);
    assert_true(bench.advanced.backlog_s > 0.0);
    struct proto_message message = {.id = PROTO_ALLOT, .allot = {.round = 1, .slot = 7}};
    assert_int_equal(step_at(&bench, SERVER_QUEUE_ON_MESSAGE, &message, 0.0), 0);
    assert_same(bench.advanced.backlog_s, 0.0);
    assert_same(bench.advanced.busy_s, 0.0);
    close_bench(&bench);
}

static void an_episode_begins_with_an_empty_server(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, "servers.discipline=fifo", false);
    static const struct visit last[] = {{0, 99, 49.9}};
    task(&bench, 0, 99);
    allot(&bench, 99, last, 1);
    assert_near(bench.advanced.backlog_s, 0.1, TINY);
    allot(&bench, 100, NULL, 0); /* slot 0 of episode 1, though its round follows */
    assert_int_equal(bench.results, 0);
    assert_same(bench.advanced.backlog_s, 0.0);
    assert_same(bench.advanced.busy_s, 0.0);
    close_bench(&bench);
}

static void in_real_time_tasks_come_when_they_come_and_end_when_they_have_ended(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, "servers.discipline=fifo", true);
    assert_int_equal(allot_at(&bench, 0, NULL, 0, 0.0), 0);
    assert_int_equal(bench.advances, 1);
    assert_int_equal(task_at(&bench, 1, 0, 0.1), 0);
    assert_near(bench.due_s, 0.3, TINY);
    assert_int_equal(task_at(&bench, 0, 0, 0.2), 0);
    assert_near(bench.due_s, 0.3, TINY);
    assert_int_equal(bench.work.device, 1);
    assert_int_equal(step_at(&bench, SERVER_QUEUE_ON_COMPUTED, NULL, 0.32), 0); /* late by 0.02 */
    assert_near(bench.result[0].edge_s, 0.22, TINY);
    assert_near(bench.result[0].finish_s, 0.32, TINY);
    assert_near(bench.due_s, 0.52, TINY);
    assert_int_equal(allot_at(&bench, 1, NULL, 0, 0.42), 0); /* how does it stand? */
    assert_int_equal(bench.advances, 2);
    assert_near(bench.advanced.backlog_s, 0.1, TINY);
    assert_near(bench.advanced.busy_s, 0.32, TINY);
    assert_int_equal(bench.advanced.served, 1);
    assert_near(bench.advanced.accrued_j.data[0], 0.1 * watt(&bench), TINY);
    assert_int_equal(step_at(&bench, SERVER_QUEUE_ON_COMPUTED, NULL, 0.52), 0);
    assert_int_equal(bench.result[1].device, 0);
    assert_near(bench.result[1].queue_s, 0.12, TINY);
    assert_near(bench.result[1].edge_s, 0.2, TINY);
    assert_int_equal(bench.actions.count, 1); /* nothing more to compute */
    assert_int_equal(step_at(&bench, SERVER_QUEUE_ON_COMPUTED, NULL, 0.6),
                     0); /* of a task forgotten: no harm */
    assert_int_equal(bench.actions.count, 0);
    close_bench(&bench);
}

static void what_is_computed_names_its_task_and_its_layers(void **state)
{
    (void) state;
    for (int shared = 0; shared < 2; shared++) {
        struct bench bench;
        open_bench(&bench, shared ? "servers.discipline=processor-sharing" : "servers.discipline=fifo", true);
        assert_int_equal(allot_at(&bench, 103, NULL, 0, 1.5), 0);
        assert_int_equal(task_at(&bench, 2, 102, 1.6), 0); /* of the slot before */
        assert_int_equal(bench.work.device, 2);
        assert_int_equal(bench.work.round, 102);
        assert_int_equal(bench.work.id.episode, 1);
        assert_int_equal(bench.work.id.slot, 2);
        assert_int_equal(bench.work.tokens, TOKENS);
        assert_int_equal(bench.work.first_layer, SPLIT);
        assert_int_equal(bench.work.last_layer, bench.world.llm->layers);
        clear(&bench);
        assert_int_equal(task_at(&bench, 0, 103, 1.7), 0);
        assert_int_equal(bench.work.device, 2); /* the first still ends first, with sharing later */
        assert_near(bench.due_s, shared ? 1.9 : 1.8, TINY);
        assert_int_equal(step_at(&bench, SERVER_QUEUE_ON_COMPUTED, NULL, bench.due_s), 0);
        assert_int_equal(bench.result[0].device, 2);
        assert_int_equal(bench.work.device, 0);
        assert_int_equal(bench.work.id.slot, 3);
        assert_near(bench.due_s, 2.0, TINY);
        close_bench(&bench);
    }
}

/* The wall clock's ALLOT comes before the slot is decided, and struck: it is not missed. */
static void in_real_time_who_is_paused_for_one_slot_forgets_too(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, "faults.script=slot 1 pause server 1 for 1", true);
    assert_int_equal(allot_at(&bench, 0, NULL, 0, 0.0), 0);
    assert_int_equal(task_at(&bench, 0, 0, 0.45), 0);
    assert_int_equal(allot_at(&bench, 1, NULL, 0, 0.5), 0);
    assert_near(bench.advanced.backlog_s, 0.15, TINY);
    clear(&bench);
    assert_int_equal(allot_at(&bench, 2, NULL, 0, 1.0), 0);
    assert_same(bench.advanced.backlog_s, 0.0);
    assert_int_equal(bench.computes, 0);
    assert_int_equal(step_at(&bench, SERVER_QUEUE_ON_COMPUTED, NULL, 1.1), 0); /* of what was forgotten */
    assert_int_equal(bench.results, 0);
    close_bench(&bench);
}

static void in_real_time_a_task_of_an_episode_that_is_over_takes_no_time(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, "servers.discipline=fifo", true);
    assert_int_equal(allot_at(&bench, 99, NULL, 0, 49.5), 0);
    assert_int_equal(allot_at(&bench, 100, NULL, 0, 0.0), 0);
    assert_int_equal(task_at(&bench, 0, 99, 0.01), 0); /* it was under way when the episode ended */
    assert_int_equal(bench.actions.count, 0);
    assert_int_equal(task_at(&bench, 0, 100, 0.02), 0);
    assert_near(bench.due_s, 0.22, TINY);
    assert_int_equal(bench.actions.count, 1);
    close_bench(&bench);
}

static void what_is_out_of_place_is_refused(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, "servers.discipline=fifo", false);
    allot(&bench, 5, NULL, 0);
    clear(&bench);
    assert_int_equal(allot_at(&bench, 5, NULL, 0, 0.0), ERR_STATE);
    assert_int_equal(allot_at(&bench, 4, NULL, 0, 0.0), ERR_STATE);
    static const struct visit stranger[] = {{3, 6, 3.1}};
    assert_int_equal(allot_at(&bench, 6, stranger, 1, 0.0), ERR_RANGE);
    assert_int_equal(task_at(&bench, 3, 6, 0.0), ERR_RANGE);
    const uint32_t one[] = {0};
    struct proto_message message = {.id = PROTO_ALLOT,
                                    .allot = {.round = 6, .slot = 6, .device = {one, 1}, .task = {one, 1}}};
    assert_int_equal(step_at(&bench, SERVER_QUEUE_ON_MESSAGE, &message, 0.0), ERR_RANGE);
    message = (struct proto_message){
        .id = PROTO_TASK, .task = {.round = 6, .split = bench.world.llm->layers, .tokens = TOKENS}};
    assert_int_equal(step_at(&bench, SERVER_QUEUE_ON_MESSAGE, &message, 0.0), ERR_RANGE);
    message = (struct proto_message){.id = PROTO_SLOT};
    assert_int_equal(step_at(&bench, SERVER_QUEUE_ON_MESSAGE, &message, 0.0), ERR_STATE);
    struct bench fresh;
    open_bench(&fresh, "servers.discipline=fifo", true);
    assert_int_equal(step_at(&fresh, SERVER_QUEUE_ON_END, NULL, 0.0), ERR_STATE); /* no ALLOT has come */
    close_bench(&fresh);
    static const struct visit fine[] = {{2, 6, 3.1}};
    allot(&bench, 6, fine, 1);                                      /* none of it has left a trace */
    assert_int_equal(allot_at(&bench, 7, NULL, 0, 0.0), ERR_STATE); /* its TASK is still to come */
    task(&bench, 2, 6);
    assert_result(&bench, 0, 2, 6, 0.0, 0.2, 3.3);
    close_bench(&bench);
}

/* A stranger with a token may send what it likes, but not without end. */
static void more_tasks_than_an_allot_can_tell_of_are_refused(void **state)
{
    (void) state;
    for (int in_real_time = 0; in_real_time < 2; in_real_time++) {
        struct bench bench;
        open_bench(&bench, "servers.discipline=fifo", in_real_time != 0);
        for (uint32_t i = 0; i < 100000; i++)
            task(&bench, 0, i);
        assert_int_equal(task_at(&bench, 0, 100000, 0.0), ERR_STATE);
        close_bench(&bench);
    }
}

/* A shell that keeps a task back asks first: when its time has come, nobody is left to be refused. */
static void what_would_be_refused_is_known_beforehand(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, "servers.discipline=fifo", true);
    struct msg_task task = {.device = 2, .split = SPLIT, .tokens = TOKENS};
    size_t most = SERVER_QUEUE_TASKS_MAX - 1;
    assert_int_equal(server_queue_check_task(bench.queue, &task, most, &bench.diag), 0);
    assert_int_equal(server_queue_check_task(bench.queue, &task, most + 1, &bench.diag), ERR_STATE);
    assert_int_equal(task_at(&bench, 0, 0, 0.0), 0);
    assert_int_equal(server_queue_check_task(bench.queue, &task, most, &bench.diag), ERR_STATE);
    task.split = bench.world.llm->layers;
    assert_int_equal(server_queue_check_task(bench.queue, &task, 0, &bench.diag), ERR_RANGE);
    task.split = SPLIT;
    task.device = bench.world.devices;
    assert_int_equal(server_queue_check_task(bench.queue, &task, 0, &bench.diag), ERR_RANGE);
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_come_is_first_served_across_slots),
        cmocka_unit_test(sharing_divides_each_instant_across_slots),
        cmocka_unit_test(a_task_may_come_before_its_allot_or_after_it),
        cmocka_unit_test(a_revoked_task_is_served_all_the_same_and_not_waited_for),
        cmocka_unit_test(who_misses_an_allot_forgets),
        cmocka_unit_test(an_episode_begins_with_an_empty_server),
        cmocka_unit_test(a_slot_number_that_does_not_follow_begins_with_an_empty_server),
        cmocka_unit_test(in_real_time_tasks_come_when_they_come_and_end_when_they_have_ended),
        cmocka_unit_test(what_is_computed_names_its_task_and_its_layers),
        cmocka_unit_test(in_real_time_who_is_paused_for_one_slot_forgets_too),
        cmocka_unit_test(in_real_time_a_task_of_an_episode_that_is_over_takes_no_time),
        cmocka_unit_test(what_is_out_of_place_is_refused),
        cmocka_unit_test(more_tasks_than_an_allot_can_tell_of_are_refused),
        cmocka_unit_test(what_would_be_refused_is_known_beforehand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
