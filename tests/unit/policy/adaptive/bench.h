/* A world of whole tasks and one slot of it, for the tests of rules that adapt. */
#ifndef HANDOFF_TESTS_UNIT_POLICY_ADAPTIVE_BENCH_H
#define HANDOFF_TESTS_UNIT_POLICY_ADAPTIVE_BENCH_H

#include "orchestrator/policy/adaptive/settings.h"
#include "tests/unit/model/whole_world.h"

struct bench {
    struct world world;
    struct env_view view;
    struct env_decision decision;
    struct reservations held;
    struct adaptive_settings settings;
};

/* Two servers; the slot is slot 0 of episode 0.  */
static inline void open_bench(struct bench *bench, const char *more)
{
    char text[2048];
    (void) snprintf(
        text, sizeof text,
        "servers: {count: 2}\n"
        "tiers:\n"
        "  - {name: fast, holds: 10, task_s: 0.5, token_s: 0.01, answers: \"0.5 0.9\", price: 0.1, "
        "price_tokens: 0.5}\n"
        "  - {name: slow, holds: 5, task_s: 1, token_s: 0.04, answers: \"0.6 0.8\"}\n"
        "classes:\n"
        "  - {name: short, mix: 0.5, answer_tokens: 100, answer_spread: 0.5, deadlines_s: \"5\"}\n"
        "  - {name: exact, mix: 0.5, answer_tokens: 100, deadlines_s: \"5\"}\n"
        "reserve: {most: 2, fastest: 2, levels: \"0.5 1 2\"}\n"
        "objective: {reward: utility}\n%s",
        more);
    *bench = (struct bench){.world = whole_world(text)};
    bench->settings = (struct adaptive_settings){.adaptive = {.price_rate = 0.02,
                                                              .gain = 0.05,
                                                              .prior = 4.0,
                                                              .forget = 1.0,
                                                              .mean_rate = 0.3,
                                                              .recover_s = 60.0,
                                                              .pace_mean = 0.3,
                                                              .pace_variance = 0.35,
                                                              .deviations = 1.0}};
    assert_int_equal(env_view_init(&bench->view, &bench->world), 0);
    assert_int_equal(env_decision_init(&bench->decision, 1), 0);
    assert_int_equal(reservations_init(&bench->held, 2, 100), 0);
    bench->view.held = &bench->held;
    check_observe_all(&bench->view, 0);
}

static inline void meet_task(struct bench *bench, uint32_t task_class, double deadline_s)
{
    bench->view.task_class[0] = task_class;
    bench->view.deadline_s[0] = deadline_s;
}

static inline void close_bench(struct bench *bench)
{
    env_view_finish(&bench->view);
    env_decision_finish(&bench->decision);
    reservations_finish(&bench->held);
    world_finish(&bench->world);
}

/* A report of a task at a server that took so many times as long as declared. */
static inline struct policy_outcome report_of(uint32_t server, uint32_t task_class, double pace, double right,
                                              double at_s)
{
    return (struct policy_outcome){
        .latency_s = pace,
        .whole = {.server = server,
                  .task_class = task_class,
                  .ended_s = at_s,
                  .served_s = pace,
                  .declared_s = 1.0,
                  .answer_right = right},
    };
}

#endif
