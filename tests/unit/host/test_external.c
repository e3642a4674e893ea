/* The policy whose agent is elsewhere, with an agent that answers as the test says: what it is told, which
 * answers hold, and who decides when there is none. */
#include <errno.h>

#include "core/base/err.h"
#include "orchestrator/host/host_memory.h"
#include "tests/unit/policy/full_slot.h"

/* The far end. Lists of `action` are the test's own. */
struct far {
    struct policy_reply reply; /* of the next ask */
    struct msg_action action;
    uint64_t asked, outcomes, closings, refusals;
    struct buf frame; /* the last message, as it would travel */
    struct msg_view view;
    struct msg_outcome outcome; /* like view, borrowed from the policy until the next call */
};

static void encode(struct far *far, const struct proto_message *message)
{
    struct diag diag = {{0}};
    buf_clear(&far->frame);
    if (proto_encode(message, &far->frame, &diag) != 0)
        fail_msg("%s", diag.text);
}

static void ask(void *user, const struct proto_message *view, struct policy_reply *ret_reply)
{
    struct far *far = user;
    assert_int_equal(view->id, PROTO_VIEW);
    assert_int_equal(view->view.closing, 0);
    encode(far, view);
    far->asked++;
    far->view = view->view;
    far->action.round = view->view.round;
    *ret_reply = far->reply;
}

static void tell(void *user, const struct proto_message *message)
{
    struct far *far = user;
    encode(far, message);
    if (message->id == PROTO_OUTCOME) {
        far->outcome = message->outcome;
        far->outcomes++;
    } else {
        assert_int_equal(message->id, PROTO_VIEW);
        assert_int_equal(message->view.closing, 1);
        far->view = message->view;
        far->closings++;
    }
}

static void refuse(void *user, const char *why)
{
    struct far *far = user;
    assert_true(strlen(why) > 0);
    far->refusals++;
}

struct bench {
    struct slot slot;
    struct far far;
    struct policy_remote remote;
    struct policy policy, greedy;
};

static struct bench bench;
static const uint32_t no_split[1] = {0};

static void open_bench(const char *const *keys)
{
    bench = (struct bench){.policy = {0}};
    slot_open(&bench.slot, keys);
    bench.remote = (struct policy_remote){.ask = ask, .tell = tell, .refuse = refuse, .user = &bench.far};
    bench.policy = slot_policy(&bench.slot, "external");
    bench.greedy = slot_policy(&bench.slot, "greedy");
    bench.policy.remote = &bench.remote;
    slot_draw(&bench.slot, 3, 4, 0, 4);
}

static int setup(void **state)
{
    static const char *const keys[] = {"devices.count=4", "servers.count=2", "servers.coverage_m=700", NULL};
    (void) state;
    open_bench(keys);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    policy_destroy(&bench.policy);
    policy_destroy(&bench.greedy);
    buf_finish(&bench.far.frame);
    slot_close(&bench.slot);
    return 0;
}

static void answer(const uint32_t *split, const uint32_t *server, size_t count)
{
    bench.far.action = (struct msg_action){.kind = 1, .split = {split, count}, .server = {server, count}};
    bench.far.reply = (struct policy_reply){.action = &bench.far.action};
}

static void answer_values(const double *value, size_t count)
{
    bench.far.action = (struct msg_action){.kind = 2, .value = {value, count}};
    bench.far.reply = (struct policy_reply){.action = &bench.far.action};
}

static void answer_nothing(const char *why)
{
    bench.far.reply = (struct policy_reply){.why = why};
}

static void decide(void)
{
    bench.policy.kind->decide(&bench.policy, &bench.slot.view, &bench.slot.decision);
}

static size_t notes(struct policy_note *note)
{
    return bench.policy.kind->notes(&bench.policy, note);
}

static void assert_decided_as(struct policy *policy)
{
    struct env_decision expected;
    assert_int_equal(env_decision_init(&expected, bench.slot.world.devices), 0);
    policy->kind->decide(policy, &bench.slot.view, &expected);
    for (uint32_t n = 0; n < bench.slot.world.devices; n++) {
        assert_int_equal(bench.slot.decision.split[n], expected.split[n]);
        assert_int_equal(bench.slot.decision.server[n], expected.server[n]);
        assert_int_equal(bench.slot.decision.repaired[n], expected.repaired[n]);
    }
    env_decision_finish(&expected);
}

/* ---- what it is told ---- */

static void the_agent_is_told_what_is_known_and_nothing_of_who_is_absent(void **state)
{
    (void) state;
    slot_remove_device(&bench.slot, 2);
    answer_nothing("late");
    decide();
    const struct env_view *view = &bench.slot.view;
    const struct msg_view *told = &bench.far.view;
    assert_int_equal(told->state.count, env_state_size(&bench.slot.world));
    assert_int_equal(told->gain.count, 8);
    assert_int_equal(told->processor_s.count, 0);
    for (uint32_t n = 0; n < 4; n++) {
        bool there = view->present[n];
        assert_int_equal(told->present.data[n], there ? 1 : 0);
        assert_same(told->x_m.data[n], there ? view->position[n].x : 0.0);
        assert_same(told->speed_mps.data[n], there ? view->speed_mps[n] : 0.0);
        assert_int_equal(told->tokens.data[n], there ? view->tokens[n] : 0);
        for (uint32_t i = 2 * n; i < 2 * n + 2; i++) {
            assert_same(told->gain.data[i], there ? view->gain[i] : 0.0);
            assert_int_equal(told->covered.data[i], view->covered[i] ? 1 : 0);
        }
    }
    float state_vector[128];
    env_state(view, state_vector);
    for (size_t i = 0; i < told->state.count; i++)
        assert_same(told->state.data[i], (double) state_vector[i]);
    assert_int_equal(told->load.data[1], view->previous_load[1]);
}

static void in_queueing_mode_it_is_told_what_is_left_over(void **state)
{
    static const char *const keys[] = {"devices.count=3", "servers.count=2", "run.mode=queue", NULL};
    (void) teardown(state);
    open_bench(keys);
    bench.slot.view.processor_s[1] = 2.5;
    bench.slot.view.unsent_bits[3] = 1e6;
    bench.slot.view.coming_s[1] = (double) INFINITY; /* what no message may say is cut to what it may */
    answer_nothing("late");
    decide();
    assert_same(bench.far.view.processor_s.data[1], 2.5);
    assert_same(bench.far.view.unsent_bits.data[3], 1e6);
    assert_same(bench.far.view.coming_s.data[1], 1e30);
    assert_int_equal(bench.far.view.backlog_s.count, 2);
}

static void the_agent_hears_what_was_decided_and_what_came_of_it(void **state)
{
    (void) state;
    static const uint32_t split[4] = {3, 32, 5, 32}, server[4] = {0, PROTO_SERVER_NONE, 1, 0};
    static const struct policy_outcome finished[2] = {
        {.slot = 0, .device = 1, .latency_s = 1.5, .energy_j = 2.5, .cost = 0.75},
        {.slot = 0, .device = 3, .latency_s = 0.5, .cost = (double) INFINITY, .recovered = true},
    };
    answer(split, server, 4);
    decide();
    const struct policy_feedback feedback = {
        .reward = -0.5, .next = &bench.slot.view, .outcome = finished, .outcomes = 2};
    bench.policy.kind->hear(&bench.policy, &feedback);
    const struct msg_outcome *outcome = &bench.far.outcome;
    assert_int_equal(outcome->round, bench.far.action.round);
    assert_same(outcome->reward, -0.5);
    assert_int_equal(outcome->fallback, 0);
    assert_int_equal(outcome->truncated, 0);
    assert_int_equal(outcome->task_device.data[1], 3);
    assert_int_equal(outcome->recovered.data[1], 1);
    assert_same(outcome->latency_s.data[0], 1.5);
    assert_same(outcome->cost.data[1], 1e30);
    for (uint32_t n = 0; n < 4; n++) {
        bool local = bench.slot.decision.server[n] == ENV_LOCAL;
        assert_int_equal(outcome->split.data[n], bench.slot.decision.split[n]);
        assert_int_equal(outcome->server.data[n], local ? PROTO_SERVER_NONE : bench.slot.decision.server[n]);
    }
    assert_int_equal(bench.far.closings, 0);
}

static void an_episodes_last_outcome_is_followed_by_what_was_observed_then(void **state)
{
    (void) state;
    answer_nothing("late");
    decide();
    uint64_t round = bench.far.view.round;
    const struct policy_feedback feedback = {.next = &bench.slot.view, .truncated = true};
    bench.policy.kind->hear(&bench.policy, &feedback);
    assert_int_equal(bench.far.outcome.truncated, 1);
    assert_int_equal(bench.far.outcome.fallback, 1);
    assert_int_equal(bench.far.closings, 1);
    assert_int_equal(bench.far.view.round, round + 1);
    decide();
    assert_int_equal(bench.far.view.round, round + 2);
}

/* ---- which answers hold ---- */

static void a_choice_that_can_be_is_taken_as_it_stands(void **state)
{
    (void) state;
    uint32_t split[4], server[4];
    struct policy_note note[POLICY_NOTES_MAX];
    bench.greedy.kind->decide(&bench.greedy, &bench.slot.view, &bench.slot.decision);
    for (uint32_t n = 0; n < 4; n++) {
        split[n] = bench.slot.decision.split[n];
        server[n] =
            bench.slot.decision.server[n] == ENV_LOCAL ? PROTO_SERVER_NONE : bench.slot.decision.server[n];
    }
    answer(split, server, 4);
    decide();
    assert_decided_as(&bench.greedy);
    assert_int_equal(notes(note), 0);
}

static void a_choice_that_cannot_be_is_mended_and_marked(void **state)
{
    (void) state;
    static const uint32_t split[4] = {0, 0, 0, 0}, server[4] = {0, 0, 0, 0};
    for (uint32_t n = 0; n < 4; n++)
        bench.slot.view.covered[2 * n] = false;
    bench.slot.view.present[1] = true;
    bench.slot.view.covered[2 * 1 + 1] = true;
    answer(split, server, 4);
    decide();
    assert_int_equal(bench.slot.decision.server[1], 1);
    assert_true(bench.slot.decision.repaired[1]);
    assert_int_equal(bench.far.refusals, 0);
}

static void a_continuous_answer_is_mapped_as_any_learners(void **state)
{
    (void) state;
    static const double value[8] = {-1, -1, 1, 1, 0.25, -0.5, 0, 0.75};
    float action[8];
    struct env_decision expected;
    for (size_t i = 0; i < 8; i++)
        action[i] = (float) value[i];
    assert_int_equal(env_decision_init(&expected, 4), 0);
    env_map_action(&bench.slot.view, action, &expected);
    answer_values(value, 8);
    decide();
    for (uint32_t n = 0; n < 4; n++) {
        assert_int_equal(bench.slot.decision.split[n], expected.split[n]);
        assert_int_equal(bench.slot.decision.server[n], expected.server[n]);
    }
    env_decision_finish(&expected);
}

static void an_answer_that_does_not_hold_is_refused_and_the_fallback_decides(void **state)
{
    (void) state;
    static const uint32_t split[5] = {0, 0, 0, 0, 0}, high[4] = {0, 33, 0, 0}, server[5] = {0, 0, 1, 1, 0},
                          strange[4] = {0, 2, 0, 0}, beyond[4] = {0, 255, 0, 0};
    static const double value[9] = {0};
    const struct msg_action wrong[] = {
        {.kind = 1, .split = {split, 3}, .server = {server, 3}},
        {.kind = 1, .split = {split, 5}, .server = {server, 5}},
        {.kind = 1, .split = {split, 4}, .server = {server, 3}},
        {.kind = 1, .split = {split, 4}, .server = {server, 4}, .value = {value, 8}},
        {.kind = 1, .split = {high, 4}, .server = {server, 4}},
        {.kind = 1, .split = {split, 4}, .server = {strange, 4}},
        {.kind = 1, .split = {split, 4}, .server = {beyond, 4}},
        {.kind = 2, .value = {value, 7}},
        {.kind = 2, .value = {value, 9}},
        {.kind = 2, .split = {split, 4}, .value = {value, 8}},
        {.kind = 0, .split = {split, 4}, .server = {server, 4}},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct policy_note note[POLICY_NOTES_MAX];
        bench.far.action = wrong[i];
        bench.far.reply = (struct policy_reply){.action = &bench.far.action};
        decide();
        assert_int_equal(bench.far.refusals, i + 1);
        assert_decided_as(&bench.greedy);
        assert_int_equal(notes(note), 1);
        assert_int_equal(note[0].kind, POLICY_NOTE_REFUSAL);
        assert_non_null(strstr(note[0].detail, "greedy decides: ACTION"));
    }
}

/* ---- when there is none ---- */

static void an_agent_that_passes_leaves_it_to_the_fallback_without_a_word(void **state)
{
    (void) state;
    struct policy_note note[POLICY_NOTES_MAX];
    bench.far.action = (struct msg_action){.split = {no_split, 0}};
    bench.far.reply = (struct policy_reply){.action = &bench.far.action};
    decide();
    assert_decided_as(&bench.greedy);
    assert_int_equal(notes(note), 0);
    assert_int_equal(bench.far.refusals, 0);
}

static void a_missed_answer_is_noted_once_and_a_return_too(void **state)
{
    (void) state;
    struct policy_note note[POLICY_NOTES_MAX];
    answer_nothing("it is late");
    decide();
    assert_decided_as(&bench.greedy);
    assert_int_equal(notes(note), 1);
    assert_string_equal(note[0].detail, "greedy decides: it is late");
    answer_nothing(NULL); /* as was said before */
    decide();
    assert_decided_as(&bench.greedy);
    assert_int_equal(notes(note), 0);
    bench.far.reply = (struct policy_reply){.is_back = true, .why = "late again"};
    decide();
    assert_int_equal(notes(note), 2);
    assert_int_equal(note[0].kind, POLICY_NOTE_REJOIN);
    assert_int_equal(note[1].kind, POLICY_NOTE_REFUSAL);
    bench.policy.remote = NULL; /* no shell has lent anything */
    decide();
    assert_decided_as(&bench.greedy);
    assert_int_equal(notes(note), 0);
}

static void only_a_policy_that_can_stand_in_is_a_fallback(void **state)
{
    (void) state;
    static const char *const cases[][2] = {
        {"external.fallback=dapo", "has to learn first"},
        {"external.fallback=external", "stand in for"},
        {"external.fallback=nobody", "unknown policy 'nobody'"},
        {"external.fallback=myopic", "run.mode: queue"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const keys[] = {cases[i][0], NULL};
        struct slot slot;
        struct policy policy;
        struct diag diag = {{0}};
        slot_open(&slot, keys);
        const struct policy_options options = slot_options(&slot, true);
        assert_int_not_equal(policy_create(&policy, &policy_external, &options, &diag), 0);
        assert_non_null(strstr(diag.text, "external.fallback"));
        assert_non_null(strstr(diag.text, cases[i][1]));
        policy_destroy(&policy);
        slot_close(&slot);
    }
}

static void what_does_not_fit_into_a_message_is_refused_and_what_just_fits_travels(void **state)
{
    static const char *const cases[][3] = {{"devices.count=4096", "servers.count=8", "run.mode=queue"},
                                           {"devices.count=4097", "servers.count=1", "run.mode=queue"},
                                           {"devices.count=129", "servers.count=256", "run.mode=round"}};
    for (size_t i = 0; i < 3; i++) {
        const char *const keys[] = {cases[i][0], cases[i][1], cases[i][2], NULL};
        if (i == 0) {
            (void) teardown(state);
            open_bench(keys);
            answer_nothing("late");
            decide();
            assert_in_range(bench.far.frame.size, 1000000, PROTO_BODY_MAX);
            continue;
        }
        struct settings settings;
        struct world world = full_world(keys, &settings);
        const struct policy_options options = full_options(&world, &settings, false);
        struct policy policy;
        struct diag diag = {{0}};
        assert_int_equal(policy_create(&policy, &policy_external, &options, &diag), ERR_UNSUPPORTED);
        assert_non_null(strstr(diag.text, "at most 4096 devices"));
        policy_destroy(&policy);
        world_finish(&world);
    }
}

/* ---- in a session ---- */

static uint32_t refusals_seen, rejoins_seen;

static int on_event(void *user, const struct db_event *event)
{
    (void) user;
    if (event->kind == DB_EVENT_FAULT)
        return 0;
    assert_int_equal(event->role, DB_ROLE_NONE);
    assert_int_equal(event->number, -1);
    refusals_seen += event->kind == DB_EVENT_REFUSAL ? 1 : 0;
    rejoins_seen += event->kind == DB_EVENT_REJOIN ? 1 : 0;
    return 0;
}

static void play(const char *const *keys, uint32_t episodes, uint32_t slots)
{
    struct session_result result;
    struct diag diag = {{0}};
    (void) teardown(NULL);
    open_bench(keys);
    answer_nothing("late");
    refusals_seen = rejoins_seen = 0;
    struct session session = {
        .world = &bench.slot.world,
        .policy = &bench.policy,
        .phase = RNG_TRAIN,
        .episodes = episodes,
        .slots = slots,
    };
    session_sinks_add(&session.sinks, (struct session_sink){.event = on_event});
    if (host_memory_run(&session, &result, &diag) != 0)
        fail_msg("%s", diag.text);
    assert_int_equal(result.slots, episodes * slots);
}

static void every_slot_of_a_session_is_asked_for_and_heard_of_and_every_episode_closed(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=3", "servers.count=2", NULL};
    play(keys, 3, 5);
    assert_int_equal(bench.far.asked, 15);
    assert_int_equal(bench.far.outcomes, 15);
    assert_int_equal(bench.far.closings, 3);
    assert_int_equal(bench.far.view.slot, 5);
    assert_int_equal(refusals_seen, 15);
    assert_int_equal(rejoins_seen, 0);
}

static void in_queueing_mode_likewise(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=3", "servers.count=2", "run.mode=queue", NULL};
    play(keys, 2, 6);
    assert_int_equal(bench.far.asked, 12);
    assert_int_equal(bench.far.outcomes, 12);
    assert_int_equal(bench.far.closings, 2);
}

static void a_slot_whose_every_task_is_lost_is_heard_of_too(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=1", "servers.count=1",
                                       "faults.script=slot 1 kill device 0; slot 3 rejoin device 0", NULL};
    play(keys, 1, 5);
    assert_int_equal(bench.far.asked, 5);
    assert_int_equal(bench.far.outcomes, 5);
    assert_int_equal(bench.far.closings, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_agent_is_told_what_is_known_and_nothing_of_who_is_absent),
        TEST(in_queueing_mode_it_is_told_what_is_left_over),
        TEST(the_agent_hears_what_was_decided_and_what_came_of_it),
        TEST(an_episodes_last_outcome_is_followed_by_what_was_observed_then),
        TEST(a_choice_that_can_be_is_taken_as_it_stands),
        TEST(a_choice_that_cannot_be_is_mended_and_marked),
        TEST(a_continuous_answer_is_mapped_as_any_learners),
        TEST(an_answer_that_does_not_hold_is_refused_and_the_fallback_decides),
        TEST(an_agent_that_passes_leaves_it_to_the_fallback_without_a_word),
        TEST(a_missed_answer_is_noted_once_and_a_return_too),
        TEST(only_a_policy_that_can_stand_in_is_a_fallback),
        TEST(what_does_not_fit_into_a_message_is_refused_and_what_just_fits_travels),
        TEST(every_slot_of_a_session_is_asked_for_and_heard_of_and_every_episode_closed),
        TEST(in_queueing_mode_likewise),
        TEST(a_slot_whose_every_task_is_lost_is_heard_of_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
