/* One edge server on its own: a slot opens with ALLOT and closes by itself, whatever the order of what comes. */
#include "edge-server/server_core.h"

#include "core/base/err.h"
#include "core/model/cost.h"
#include "tests/unit/model/check.h"

#define SERVER 1u
#define DEVICES 5u
#define ANSWERS_MAX 8u /* before assert_answered or the test's end */

static const char *const small[] = {"devices.count=5", "servers.count=2", NULL};

struct bench {
    struct world world;
    struct server_core *core;
    struct server_actions actions;
    struct diag diag;
    struct proto_message message;
    bool jobs_last; /* COMPUTE actions are left to the test; otherwise they end at once, as in virtual time */
    /* what the server told the orchestrator and the devices since assert_answered */
    uint32_t answered[ANSWERS_MAX];
    size_t answers, advances;
    struct msg_advanced advanced;
    struct msg_result result[ANSWERS_MAX];
};

static int setup(void **state)
{
    static struct bench bench;
    memset(&bench, 0, sizeof bench);
    bench.world = check_world(small);
    assert_int_equal(server_core_create(&bench.core, &bench.world, SERVER), 0);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    server_core_destroy(bench->core);
    server_core_destroy(NULL);
    world_finish(&bench->world);
    return 0;
}

static void play(struct bench *bench);

static int step(struct bench *bench, struct server_event event)
{
    bench->diag.text[0] = '\0';
    int rc = server_core_step(bench->core, &event, &bench->actions, &bench->diag);
    assert_true(bench->actions.count <= bench->world.devices + 1);
    if (rc != 0) {
        assert_int_equal(bench->actions.count, 0);
        assert_int_not_equal(bench->diag.text[0], '\0');
    }
    play(bench);
    return rc;
}

static int allot_with(struct bench *bench, uint64_t round, const uint32_t *device, const double *share,
                      size_t count)
{
    bench->message = (struct proto_message){
        .id = PROTO_ALLOT,
        .allot = {.round = round, .slot = round, .device = {device, count}, .compute_share = {share, count}},
    };
    return step(bench, (struct server_event){.kind = SERVER_ON_ALLOT, .message = &bench->message});
}

/* ALLOT of the devices whose letters stand in `who` ("abd": 0, 1 and 3), a quarter of the server each. */
static int allot(struct bench *bench, uint64_t round, const char *who)
{
    static const double share[DEVICES] = {0.25, 0.25, 0.25, 0.25, 0.25};
    uint32_t device[DEVICES];
    size_t count = strlen(who);
    for (size_t i = 0; i < count; i++)
        device[i] = (uint32_t) (who[i] - 'a');
    return allot_with(bench, round, device, share, count);
}

static int task_with(struct bench *bench, uint64_t round, uint32_t device, uint64_t split, double arrival_s)
{
    bench->message = (struct proto_message){
        .id = PROTO_TASK,
        .task =
            {.device = device, .round = round, .split = split, .tokens = 64 + device, .arrival_s = arrival_s},
    };
    return step(bench, (struct server_event){.kind = SERVER_ON_TASK, .message = &bench->message});
}

static int task(struct bench *bench, uint64_t round, char who, double arrival_s)
{
    return task_with(bench, round, (uint32_t) (who - 'a'), 8, arrival_s);
}

static int revoke(struct bench *bench, uint64_t round, char who)
{
    bench->message = (struct proto_message){
        .id = PROTO_REVOKE,
        .revoke = {.device = (uint64_t) (who - 'a'), .round = round},
    };
    return step(bench, (struct server_event){.kind = SERVER_ON_REVOKE, .message = &bench->message});
}

static int computed(struct bench *bench, uint64_t round, char who, double elapsed_s)
{
    struct server_event event = {
        .kind = SERVER_ON_COMPUTED, .device = (uint32_t) (who - 'a'), .round = round, .elapsed_s = elapsed_s};
    return step(bench, event);
}

/* Keeps what the last step told, and ends its jobs at once. COMPUTED has a list of its own, so the list
 * walked stays. */
static void play(struct bench *bench)
{
    struct server_actions list = bench->actions;
    for (size_t i = 0; i < list.count; i++) {
        const struct server_action *action = &list.list[i];
        if (action->kind == SERVER_DO_COMPUTE && !bench->jobs_last) {
            struct server_event done = {.kind = SERVER_ON_COMPUTED,
                                        .device = action->work.device,
                                        .round = action->work.round,
                                        .elapsed_s = action->duration_s};
            assert_int_equal(step(bench, done), 0);
        } else if (action->kind == SERVER_DO_ANSWER) {
            assert_int_equal(action->message.id, PROTO_RESULT);
            assert_int_equal(action->message.result.device, action->device);
            assert_true(bench->answers < ANSWERS_MAX);
            bench->result[bench->answers] = action->message.result;
            bench->answered[bench->answers++] = action->device;
        } else if (action->kind == SERVER_DO_TELL) {
            assert_int_equal(action->message.id, PROTO_ADVANCED);
            bench->advanced = action->message.advanced;
            bench->advances++;
        }
    }
    bench->actions = list;
}

static void assert_answered(struct bench *bench, const char *who)
{
    assert_int_equal(bench->answers, strlen(who));
    for (size_t i = 0; i < bench->answers; i++)
        assert_int_equal(bench->answered[i], who[i] - 'a');
    assert_int_equal(bench->advances, 1);
    assert_int_equal(bench->advanced.server, SERVER);
    assert_int_equal(bench->advanced.served, strlen(who));
    bench->answers = bench->advances = 0;
}

static void a_slot_without_tasks_advances_at_once(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(allot(bench, 0, ""), 0);
    assert_answered(bench, "");
    assert_int_equal(bench->advanced.round, 0);
    assert_same(bench->advanced.busy_s, 0.0);
    assert_same(bench->advanced.backlog_s, 0.0);
}

static void each_task_is_served_from_the_moment_it_arrives(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(allot(bench, 3, "acd"), 0);
    assert_int_equal(bench->actions.count, 0);
    assert_int_equal(task(bench, 3, 'd', 0.5), 0);
    assert_int_equal(bench->answers, 1);
    assert_int_equal(task(bench, 3, 'a', 0.7), 0);
    assert_int_equal(bench->answers, 2);
    assert_int_equal(bench->advances, 0);
    assert_int_equal(task(bench, 3, 'c', 0.6), 0);
    assert_answered(bench, "dac");
    assert_int_equal(bench->advanced.round, 3);
}

static void the_order_in_which_tasks_come_leaves_no_trace_in_the_sum(void **state)
{
    static const char *const orders[] = {"abcd", "dcba", "badc", "cdab", "bdac", "dabc"};
    struct bench *bench = *state;
    double busy_s = 0.0;
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        assert_int_equal(allot(bench, i, "abcd"), 0);
        for (const char *who = orders[i]; *who != '\0'; who++)
            assert_int_equal(task(bench, i, *who, *who == 'd' ? 0.1 : 0.2), 0);
        assert_answered(bench, orders[i]);
        busy_s = i == 0 ? bench->advanced.busy_s : busy_s;
        assert_same(bench->advanced.busy_s, busy_s);
    }
}

static void an_early_task_waits_for_its_allot(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(task(bench, 0, 'b', 0.4), 0);
    assert_int_equal(bench->actions.count, 0);
    assert_int_equal(allot(bench, 0, "ab"), 0);
    assert_int_equal(bench->answers, 1);
    assert_int_equal(task(bench, 0, 'a', 0.6), 0);
    assert_answered(bench, "ba");
    assert_int_equal(task(bench, 1, 'b', 0.1), 0);
    assert_int_equal(task(bench, 1, 'a', 0.2), 0);
    assert_int_equal(allot(bench, 1, "ab"), 0); /* all were early: the slot runs at its ALLOT */
    assert_answered(bench, "ab");
}

static void an_early_task_of_a_round_that_was_not_allotted_is_forgotten(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(task(bench, 4, 'b', 0.4), 0);
    assert_int_equal(allot(bench, 4, "a"), 0);
    assert_int_equal(task(bench, 4, 'a', 0.4), 0);
    assert_answered(bench, "a");
    assert_int_equal(allot(bench, 5, "b"), 0);
    assert_int_equal(bench->actions.count, 0); /* the old one is not taken for the new one */
    assert_int_equal(task(bench, 5, 'b', 0.1), 0);
    assert_answered(bench, "b");
}

static void an_early_task_for_a_later_round_while_one_is_open_is_refused(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(allot(bench, 4, "ab"), 0);
    assert_int_equal(task(bench, 5, 'b', 0.4), ERR_STATE);
    assert_int_equal(task(bench, 5, 'c', 0.4), 0); /* not allotted now: may be ahead */
    assert_int_equal(task(bench, 4, 'a', 0.4), 0);
    assert_int_equal(task(bench, 4, 'b', 0.4), 0);
    assert_answered(bench, "ab");
    assert_int_equal(allot(bench, 5, "c"), 0);
    assert_answered(bench, "c");
}

static void a_task_that_comes_twice_is_refused_and_the_first_one_served(void **state)
{
    struct bench *bench = *state;
    bench->jobs_last = true;
    assert_int_equal(task(bench, 2, 'a', 0.1), 0);
    assert_int_equal(task(bench, 2, 'a', 0.9), ERR_STATE); /* early */
    assert_int_equal(allot(bench, 2, "ab"), 0);
    assert_int_equal(bench->actions.count, 1);
    assert_int_equal(bench->actions.list[0].kind, SERVER_DO_COMPUTE);
    const struct layer_work *work = &bench->actions.list[0].work;
    assert_int_equal(work->device, 0);
    assert_int_equal(work->round, 2);
    assert_int_equal(work->id.slot, 2);
    assert_int_equal(work->tokens, 64);
    assert_int_equal(work->first_layer, 8);
    assert_int_equal(work->last_layer, bench->world.llm->layers);
    assert_int_equal(task(bench, 2, 'a', 0.9), ERR_STATE); /* while being served */
    assert_int_equal(task(bench, 2, 'b', 0.5), 0);
    assert_int_equal(computed(bench, 2, 'a', 1.0), 0);
    assert_int_equal(task(bench, 2, 'a', 0.9), ERR_STATE); /* while another is served */
    assert_int_equal(computed(bench, 2, 'b', 1.0), 0);
    assert_int_equal(task(bench, 2, 'a', 0.9), ERR_STATE); /* served */
}

static void a_late_task_of_a_closed_round_is_ignored(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(allot(bench, 2, "ab"), 0);
    assert_int_equal(task(bench, 2, 'a', 0.5), 0);
    assert_int_equal(revoke(bench, 2, 'b'), 0);
    assert_answered(bench, "a");
    assert_int_equal(allot(bench, 3, "ab"), 0);
    assert_int_equal(task(bench, 2, 'b', 0.5), 0);
    assert_int_equal(bench->actions.count, 0);
    assert_int_equal(task(bench, 3, 'a', 0.5), 0);
    assert_int_equal(bench->advances, 0); /* the late one did not stand in for b's */
    assert_int_equal(task(bench, 3, 'b', 0.7), 0);
    assert_answered(bench, "ab");
}

static void a_task_that_was_not_allotted_or_cannot_be_is_refused(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(allot(bench, 1, "ab"), 0);
    assert_int_equal(task(bench, 1, 'c', 0.5), ERR_STATE);
    assert_int_equal(task_with(bench, 1, DEVICES, 8, 0.5), ERR_RANGE);
    assert_int_equal(task_with(bench, 1, 0, bench->world.llm->layers, 0.5), ERR_RANGE);
    assert_int_equal(task_with(bench, 1, 0, UINT64_C(0x100000001), 0.5), ERR_RANGE);
    assert_int_equal(task(bench, 1, 'b', 0.5), 0);
    assert_int_equal(task(bench, 1, 'a', 0.6), 0);
    assert_answered(bench, "ba");
}

static void a_revoked_device_is_not_waited_for(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(allot(bench, 1, "abc"), 0);
    assert_int_equal(task(bench, 1, 'c', 0.5), 0);
    assert_int_equal(revoke(bench, 1, 'a'), 0);
    assert_int_equal(bench->actions.count, 0);
    assert_int_equal(revoke(bench, 1, 'a'), 0); /* told twice */
    assert_int_equal(bench->actions.count, 0);
    assert_int_equal(revoke(bench, 1, 'b'), 0); /* the last one missing */
    assert_answered(bench, "c");
}

static void a_task_that_is_being_served_is_dropped_by_its_revocation(void **state)
{
    struct bench *bench = *state;
    bench->jobs_last = true;
    assert_int_equal(allot(bench, 1, "ab"), 0);
    assert_int_equal(task(bench, 1, 'b', 0.5), 0);
    assert_int_equal(revoke(bench, 1, 'b'), 0);
    assert_int_equal(computed(bench, 1, 'b', 1.0), 0); /* nobody is answered */
    assert_int_equal(bench->actions.count, 0);
    assert_int_equal(task(bench, 1, 'a', 0.9), 0);
    assert_int_equal(computed(bench, 1, 'a', 1.0), 0);
    assert_answered(bench, "a");
    assert_same(bench->advanced.busy_s, 1.0);
    assert_int_equal(allot(bench, 2, "b"), 0);
    assert_int_equal(task(bench, 2, 'b', 0.8), 0);
    assert_int_equal(computed(bench, 1, 'b', 1.0), 0); /* a job of the round before ends at last */
    assert_int_equal(bench->actions.count, 0);
    assert_int_equal(computed(bench, 2, 'b', 1.0), 0);
    assert_answered(bench, "b");
}

static void a_task_that_was_on_its_way_when_it_was_revoked_is_ignored(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(allot(bench, 1, "ab"), 0);
    assert_int_equal(revoke(bench, 1, 'b'), 0);
    assert_int_equal(task(bench, 1, 'b', 0.5), 0);
    assert_int_equal(bench->actions.count, 0);
    assert_int_equal(task(bench, 1, 'a', 0.5), 0);
    assert_answered(bench, "a");
    assert_int_equal(task(bench, 1, 'b', 0.5), 0); /* after the slot has closed, too */
    assert_int_equal(bench->actions.count, 0);
    assert_int_equal(task(bench, 2, 'b', 0.5), 0);
    assert_int_equal(allot(bench, 2, "b"), 0);
    assert_answered(bench, "b");
}

static void revoking_everyone_closes_the_slot_with_nothing_served(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(allot(bench, 1, "ab"), 0);
    assert_int_equal(revoke(bench, 1, 'a'), 0);
    assert_int_equal(revoke(bench, 1, 'b'), 0);
    assert_answered(bench, "");
    assert_int_equal(revoke(bench, 1, 'b'), 0);
    assert_int_equal(bench->actions.count, 0); /* advanced once, and not again */
}

static void a_revocation_that_concerns_nothing_changes_nothing(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(revoke(bench, 0, 'a'), 0); /* before any slot */
    assert_int_equal(bench->actions.count, 0);
    assert_int_equal(allot(bench, 5, "ab"), 0);
    assert_int_equal(revoke(bench, 4, 'a'), 0);
    assert_int_equal(revoke(bench, 6, 'a'), 0);
    assert_int_equal(revoke(bench, 5, 'c'), 0);
    assert_int_equal(revoke(bench, 5, (char) ('a' + DEVICES)), 0);
    assert_int_equal(bench->actions.count, 0);
    assert_int_equal(task(bench, 5, 'a', 0.1), 0);
    assert_int_equal(revoke(bench, 5, 'a'), 0); /* served already */
    assert_int_equal(bench->actions.count, 0);
    assert_int_equal(task(bench, 5, 'b', 0.2), 0);
    assert_answered(bench, "ab");
}

static void a_result_says_how_long_it_took_and_when_it_was_done(void **state)
{
    struct bench *bench = *state;
    uint32_t device[] = {1, 3};
    double share[] = {0.75, 0.25};
    assert_int_equal(allot_with(bench, 1, device, share, 2), 0);
    assert_int_equal(task_with(bench, 1, 3, 0, 0.25), 0);
    assert_int_equal(task_with(bench, 1, 1, 31, 0.5), 0);
    assert_answered(bench, "db");
    double edge_s[] = {cost_edge_s(&bench->world, SERVER, 0.25, 64 + 3, 0),
                       cost_edge_s(&bench->world, SERVER, 0.75, 64 + 1, 31)};
    double arrival_s[] = {0.25, 0.5};
    for (size_t i = 0; i < 2; i++) {
        assert_same(bench->result[i].edge_s, edge_s[i]);
        assert_same(bench->result[i].queue_s, 0.0);
        assert_same(bench->result[i].finish_s, arrival_s[i] + edge_s[i]);
        assert_int_equal(bench->result[i].round, 1);
    }
    assert_same(bench->advanced.busy_s, edge_s[0] + edge_s[1]);
}

static void busy_time_counts_the_slot_alone_and_what_really_passed(void **state)
{
    struct bench *bench = *state;
    bench->jobs_last = true;
    for (uint64_t round = 0; round < 3; round++) {
        bench->answers = 0;
        assert_int_equal(allot(bench, round, "ab"), 0);
        assert_int_equal(task(bench, round, 'a', 0.1), 0);
        assert_int_equal(task(bench, round, 'b', 0.2), 0);
        assert_int_equal(computed(bench, round, 'b', 3.0), 0); /* in any order */
        assert_int_equal(bench->actions.count, 1);
        assert_int_equal(computed(bench, round, 'a', 0.5), 0);
        assert_int_equal(bench->actions.count, 2);
        assert_int_equal(bench->actions.list[0].kind, SERVER_DO_ANSWER);
        assert_int_equal(bench->actions.list[1].kind, SERVER_DO_TELL);
        assert_same(bench->actions.list[1].message.advanced.busy_s, 3.5);
        assert_answered(bench, "ba");
    }
}

static void a_job_that_was_not_given_cannot_end(void **state)
{
    struct bench *bench = *state;
    bench->jobs_last = true;
    assert_int_equal(computed(bench, 0, 'a', 1.0), ERR_STATE);
    assert_int_equal(task(bench, 0, 'a', 0.1), 0);
    assert_int_equal(computed(bench, 0, 'a', 1.0), ERR_STATE); /* arrived, but not allotted */
    assert_int_equal(allot(bench, 0, "ab"), 0);
    assert_int_equal(computed(bench, 0, 'b', 1.0), ERR_STATE); /* allotted, but not arrived */
    assert_int_equal(computed(bench, 0, 'c', 1.0), ERR_STATE);
    assert_int_equal(computed(bench, 0, (char) ('a' + DEVICES), 1.0), ERR_STATE);
    assert_int_equal(computed(bench, 0, 'a', 1.0), 0);
    assert_int_equal(computed(bench, 0, 'a', 1.0), ERR_STATE); /* ended already */
    assert_int_equal(task(bench, 0, 'b', 0.1), 0);
    assert_int_equal(computed(bench, 0, 'b', 1.0), 0);
    assert_int_equal(computed(bench, 0, 'b', 1.0), ERR_STATE);
}

static void an_allot_out_of_order_is_refused(void **state)
{
    struct bench *bench = *state;
    bench->jobs_last = true;
    assert_int_equal(allot(bench, 3, "a"), 0);
    assert_int_equal(allot(bench, 4, "a"), ERR_STATE); /* waiting for the task */
    assert_int_equal(task(bench, 3, 'a', 0.1), 0);
    assert_int_equal(allot(bench, 4, "a"), ERR_STATE); /* serving it */
    assert_int_equal(computed(bench, 3, 'a', 1.0), 0);
    assert_answered(bench, "a");
    assert_int_equal(allot(bench, 3, "a"), ERR_STATE); /* again */
    assert_int_equal(allot(bench, 2, "a"), ERR_STATE); /* back */
    assert_int_equal(allot(bench, 9, ""), 0);          /* rounds may be skipped */
    assert_answered(bench, "");
}

static void an_allot_of_wrong_devices_or_shares_is_refused_and_the_right_one_taken(void **state)
{
    struct bench *bench = *state;
    const uint32_t device[] = {1, 2};
    const double share[] = {0.5, 0.5};
    assert_int_equal(allot(bench, 1, "ba"), ERR_RANGE);
    assert_int_equal(allot(bench, 1, "aa"), ERR_RANGE);
    assert_int_equal(allot(bench, 1, "af"), ERR_RANGE);
    assert_int_equal(allot_with(bench, 1, device, (const double[]){0.5, 0.0}, 2), ERR_RANGE);
    assert_int_equal(allot_with(bench, 1, device, (const double[]){(double) NAN, 0.5}, 2), ERR_RANGE);
    bench->message = (struct proto_message){
        .id = PROTO_ALLOT,
        .allot = {.round = 1, .device = {device, 2}, .compute_share = {share, 1}},
    };
    struct server_event event = {.kind = SERVER_ON_ALLOT, .message = &bench->message};
    assert_int_equal(step(bench, event), ERR_RANGE);
    assert_int_equal(allot_with(bench, 1, device, share, 2), 0);
    assert_int_equal(task(bench, 1, 'b', 0.1), 0);
    assert_int_equal(task(bench, 1, 'c', 0.1), 0);
    assert_answered(bench, "bc");
}

/* ---- tasks of a lost server ---- */

static int sent_on(struct bench *bench, uint64_t round, char who, double share)
{
    bench->message = (struct proto_message){
        .id = PROTO_TASK,
        .task = {.device = (uint64_t) (who - 'a'),
                 .round = round,
                 .split = 8,
                 .tokens = 64,
                 .arrival_s = 2.0,
                 .compute_share = share},
    };
    return step(bench, (struct server_event){.kind = SERVER_ON_TASK, .message = &bench->message});
}

static void a_task_sent_on_is_served_with_its_share_and_no_advanced_waits_for_it(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(allot(bench, 1, "ab"), 0);
    assert_int_equal(sent_on(bench, 1, 'c', 0.5), 0);
    assert_int_equal(bench->answers, 1);
    assert_int_equal(bench->advances, 0);
    assert_same(bench->result[0].edge_s, cost_edge_s(&bench->world, SERVER, 0.5, 64, 8));
    assert_int_equal(bench->result[0].server, SERVER);
    assert_int_equal(task(bench, 1, 'a', 1.0), 0);
    assert_int_equal(task(bench, 1, 'b', 1.0), 0);
    assert_int_equal(bench->advances, 1);
    assert_int_equal(bench->advanced.served, 2);
    assert_int_equal(sent_on(bench, 1, 'd', 0.5), 0); /* when all else is done, too */
    assert_int_equal(bench->answers, 4);
    assert_int_equal(sent_on(bench, 0, 'e', 0.5), 0); /* late */
    assert_int_equal(bench->answers, 4);
}

static void a_task_sent_on_may_overtake_the_allotment_of_its_round(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(sent_on(bench, 5, 'c', 0.5), 0);
    assert_int_equal(bench->answers, 0);
    assert_int_equal(allot(bench, 5, ""), 0);
    assert_int_equal(bench->answers, 1);
    assert_int_equal(bench->advances, 1);
    assert_int_equal(sent_on(bench, 7, 'c', 0.5), 0); /* of a round that is never allotted here */
    assert_int_equal(allot(bench, 8, "c"), 0);
    assert_int_equal(bench->answers, 1);
    assert_int_equal(sent_on(bench, 8, 'c', 0.5), ERR_STATE); /* it has another task here */
}

/* 1e-300 of a server would be busy for longer than a message can say. */
static void a_share_that_leads_beyond_what_can_be_told_is_refused(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(allot(bench, 1, "ab"), 0);
    for (double share = 1e-300; share < 1e-20; share *= 1e10)
        assert_int_equal(sent_on(bench, 1, 'c', share), ERR_RANGE);
    assert_int_equal(sent_on(bench, 2, 'c', 1e-300), ERR_RANGE); /* of a later round */
    assert_int_equal(sent_on(bench, 1, 'c', 1e-9), 0);
    assert_true(bench->result[0].finish_s <= 10 * PROTO_DATA_TIME_MAX_S);
    assert_int_equal(task(bench, 1, 'a', 0.1), 0);
    assert_int_equal(task(bench, 1, 'b', PROTO_DATA_TIME_MAX_S), 0);
    assert_int_equal(bench->advances, 1);
    assert_int_equal(allot_with(bench, 3, (const uint32_t[]){0, 1}, (const double[]){0.5, 1e-300}, 2),
                     ERR_RANGE);
    assert_int_equal(allot(bench, 3, ""), 0);
}

static void a_slow_server_takes_longer(void **state)
{
    struct bench *bench = *state;
    world_finish(&bench->world);
    bench->world = check_world((const char *[]){"devices.count=5", "servers.count=2",
                                                "faults.script=slot 1 slow server 1 by 0.5 for 1", NULL});
    assert_int_equal(allot(bench, 1, "a"), 0); /* slot 1 */
    assert_int_equal(task(bench, 1, 'a', 1.0), 0);
    assert_near(bench->result[0].edge_s, 2.0 * cost_edge_s(&bench->world, SERVER, 0.25, 64, 8), 1e-12);
}

/* ---- in chunks ---- */

static int chunk_with(struct bench *bench, uint64_t round, uint64_t chunk, uint64_t chunks, uint64_t rows,
                      double arrival_s)
{
    bench->message = (struct proto_message){
        .id = PROTO_TASK,
        .task = {.round = round,
                 .split = 8,
                 .tokens = 64,
                 .arrival_s = arrival_s,
                 .chunk = chunk,
                 .chunks = chunks,
                 .rows = rows},
    };
    return step(bench, (struct server_event){.kind = SERVER_ON_TASK, .message = &bench->message});
}

/* 64 tokens of device a in four chunks. */
static int chunk(struct bench *bench, uint64_t round, uint64_t number, double arrival_s)
{
    return chunk_with(bench, round, number, 4, 16, arrival_s);
}

static void cut_in_four(struct bench *bench, bool jobs_last)
{
    world_finish(&bench->world);
    bench->world =
        check_world((const char *[]){"devices.count=5", "servers.count=2", "compute.chunks=4", NULL});
    server_core_destroy(bench->core);
    assert_int_equal(server_core_create(&bench->core, &bench->world, SERVER), 0);
    bench->jobs_last = jobs_last;
}

/* A chunk that is late holds those behind it back; one that is early waits for the one before it. */
static void a_result_follows_the_last_chunk_and_says_what_came_after_its_arrival(void **state)
{
    struct bench *bench = *state;
    cut_in_four(bench, false);
    double each_s = cost_edge_s(&bench->world, SERVER, 0.25, 16, 8);
    assert_int_equal(chunk(bench, 1, 0, 1.0), 0); /* before their ALLOT */
    assert_int_equal(chunk(bench, 1, 1, 1.0 + 0.5 * each_s), 0);
    assert_int_equal(allot(bench, 1, "a"), 0);
    assert_int_equal(chunk(bench, 1, 2, 1.0 + 9.0 * each_s), 0);
    assert_int_equal(bench->answers, 0);
    assert_int_equal(chunk(bench, 1, 3, 1.0 + 9.5 * each_s), 0);
    assert_int_equal(bench->answers, 1);
    assert_near(bench->result[0].finish_s, 1.0 + 11.0 * each_s, 1e-9);
    assert_near(bench->result[0].edge_s, 1.5 * each_s, 1e-9);
    assert_near(bench->result[0].busy_s, 0.25 * 4.0 * each_s, 1e-9);
    assert_int_equal(bench->advances, 1);
    assert_near(bench->advanced.busy_s, 4.0 * each_s, 1e-9);
}

static void one_chunk_is_computed_at_a_time(void **state)
{
    struct bench *bench = *state;
    cut_in_four(bench, true);
    assert_int_equal(allot(bench, 1, "a"), 0);
    for (uint64_t i = 0; i < 4; i++) {
        assert_int_equal(chunk(bench, 1, i, 1.0), 0);
        assert_int_equal(bench->actions.count, i == 0 ? 1 : 0);
    }
    for (uint32_t i = 1; i < 4; i++) {
        assert_int_equal(computed(bench, 1, 'a', 0.5), 0);
        assert_int_equal(bench->actions.count, 1);
        assert_int_equal(bench->actions.list[0].kind, SERVER_DO_COMPUTE);
        assert_int_equal(bench->actions.list[0].work.rows.first, 16 * i);
        assert_int_equal(bench->actions.list[0].work.rows.count, 16);
    }
    assert_int_equal(computed(bench, 1, 'a', 0.5), 0);
    assert_int_equal(bench->answers, 1);
    assert_int_equal(computed(bench, 1, 'a', 0.5), ERR_STATE);
}

static void chunks_that_are_cut_otherwise_or_out_of_order_are_refused(void **state)
{
    struct bench *bench = *state;
    cut_in_four(bench, true);
    assert_int_equal(allot(bench, 1, "a"), 0);
    assert_int_equal(chunk(bench, 1, 1, 1.0), ERR_STATE);
    assert_int_equal(chunk_with(bench, 1, 0, 3, 21, 1.0), ERR_RANGE);
    assert_int_equal(chunk_with(bench, 1, 4, 4, 16, 1.0), ERR_RANGE);
    assert_int_equal(chunk_with(bench, 1, 0, 4, 17, 1.0), ERR_RANGE);
    assert_int_equal(chunk_with(bench, 1, 1, 0, 0, 1.0), ERR_RANGE);
    assert_int_equal(chunk(bench, 1, 0, 1.0), 0);
    assert_int_equal(chunk(bench, 1, 0, 1.0), ERR_STATE);
    assert_int_equal(chunk(bench, 1, 2, 1.0), ERR_STATE);
    assert_int_equal(chunk(bench, 2, 1, 1.0), ERR_STATE);
    assert_int_equal(chunk(bench, 1, 1, 1.0), 0);
    assert_int_equal(revoke(bench, 1, 'a'), 0);
    assert_int_equal(chunk(bench, 1, 2, 1.0), 0); /* it was on its way */
    assert_int_equal(bench->actions.count, 0);
    assert_int_equal(allot(bench, 2, "a"), 0);
    assert_int_equal(chunk(bench, 1, 3, 1.0), 0);
    assert_int_equal(bench->actions.count, 0);
    assert_int_equal(chunk(bench, 2, 0, 1.0), 0);
    assert_int_equal(bench->actions.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define ROW(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        ROW(a_task_sent_on_is_served_with_its_share_and_no_advanced_waits_for_it),
        ROW(a_task_sent_on_may_overtake_the_allotment_of_its_round),
        ROW(a_share_that_leads_beyond_what_can_be_told_is_refused),
        ROW(a_slow_server_takes_longer),
        ROW(a_slot_without_tasks_advances_at_once),
        ROW(each_task_is_served_from_the_moment_it_arrives),
        ROW(the_order_in_which_tasks_come_leaves_no_trace_in_the_sum),
        ROW(an_early_task_waits_for_its_allot),
        ROW(an_early_task_of_a_round_that_was_not_allotted_is_forgotten),
        ROW(an_early_task_for_a_later_round_while_one_is_open_is_refused),
        ROW(a_task_that_comes_twice_is_refused_and_the_first_one_served),
        ROW(a_late_task_of_a_closed_round_is_ignored),
        ROW(a_task_that_was_not_allotted_or_cannot_be_is_refused),
        ROW(a_revoked_device_is_not_waited_for),
        ROW(a_task_that_is_being_served_is_dropped_by_its_revocation),
        ROW(a_task_that_was_on_its_way_when_it_was_revoked_is_ignored),
        ROW(revoking_everyone_closes_the_slot_with_nothing_served),
        ROW(a_revocation_that_concerns_nothing_changes_nothing),
        ROW(a_result_says_how_long_it_took_and_when_it_was_done),
        ROW(busy_time_counts_the_slot_alone_and_what_really_passed),
        ROW(a_job_that_was_not_given_cannot_end),
        ROW(an_allot_out_of_order_is_refused),
        ROW(an_allot_of_wrong_devices_or_shares_is_refused_and_the_right_one_taken),
#undef ROW
        cmocka_unit_test_setup_teardown(a_result_follows_the_last_chunk_and_says_what_came_after_its_arrival,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(one_chunk_is_computed_at_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(chunks_that_are_cut_otherwise_or_out_of_order_are_refused, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
