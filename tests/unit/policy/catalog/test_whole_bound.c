/* Upper bounds of whole tasks: no choice among share levels is worth more, full shares least of all; and what the bound takes
 * for granted of a task's worth. */
#include "orchestrator/policy/model/whole_bound.h"

#include <stdio.h>

#include "tests/lib/memory_each.h"
#include "tests/unit/policy/full_world.h"

#define TASKS 6u
#define SERVERS 2u
#define WAYS (SERVERS * 4u)

#define WHOLE                                                                                                \
    "servers.discipline=reserved", "model.min_split=0", "faults.recovery=none",                              \
        "objective.reward=completed", "mobility.kind=anywhere", "radio.fading=shadowing", "devices.count=1", \
        "model.llm=gpt2"

struct way {
    double worth, held_s, part[RESERVED_KINDS];
    uint32_t server;
};

/* Six tasks, each with what it is worth at each server with each of four pairs of shares. */
struct small {
    struct world world;
    struct whole_episode whole;
    struct way way[TASKS][WAYS];
};

static void open_small(struct small *small, const char *const *keys, uint32_t episode)
{
    static const double levels[4][2] = {{1.0, 1.0}, {1.0, 0.4}, {0.55, 1.0}, {0.55, 0.4}};
    struct settings settings;
    struct diag diag = {{0}};
    small->world = full_world(keys, &settings);
    double full = small->world.scenario.reserve.full_share;
    assert_int_equal(whole_episode_check(&small->world, &diag), 0);
    assert_int_equal(whole_episode_init(&small->whole, &small->world, TASKS, &diag), 0);
    whole_episode_meet(&small->whole, RNG_TEST, episode, TASKS);
    for (uint32_t i = 0; i < TASKS; i++)
        for (uint32_t k = 0; k < WAYS; k++) {
            struct way *way = &small->way[i][k];
            *way = (struct way){.server = k / 4,
                                .part = {full * levels[k % 4][0], full * levels[k % 4][1],
                                         full * small->world.scenario.reserve.memory_need}};
            way->worth = whole_episode_worth(&small->whole, i, way->server, way->part, &way->held_s);
        }
}

static void close_small(struct small *small)
{
    whole_episode_finish(&small->whole);
    world_finish(&small->world);
}

/* The most from a task on, given how the ones before it went (NULL: refused). */
static double most_from(const struct small *small, uint32_t task, const struct way **before)
{
    const struct scenario *scenario = &small->world.scenario;
    bool returns = scenario->reserve.returns != RETURNS_OFF;
    double held[SERVERS][RESERVED_KINDS] = {{0}};
    if (task == TASKS)
        return 0.0;
    for (uint32_t i = 0; i < task; i++) {
        bool is_over = before[i] != NULL && returns &&
                       i * scenario->run.slot_s + before[i]->held_s <= task * scenario->run.slot_s;
        for (unsigned kind = 0; before[i] != NULL && !is_over && kind < RESERVED_KINDS; kind++)
            held[before[i]->server][kind] += before[i]->part[kind];
    }
    before[task] = NULL;
    double most = most_from(small, task + 1, before);
    for (uint32_t k = 0; k < WAYS; k++) {
        const struct way *way = &small->way[task][k];
        bool fits = way->worth > 0.0;
        for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
            fits = fits && held[way->server][kind] + way->part[kind] <= 1.0 + 1e-9;
        if (!fits)
            continue;
        before[task] = way;
        double worth = way->worth + most_from(small, task + 1, before);
        most = worth > most ? worth : most;
    }
    return most;
}

static void compare(const char *const *keys, uint32_t episode, bool returns)
{
    struct small small;
    struct whole_bound bound;
    struct diag diag = {{0}};
    const struct way *before[TASKS];
    open_small(&small, keys, episode);
    double most = most_from(&small, 0, before);
    assert_int_equal(whole_bound_find(&small.whole, &bound, &diag), 0);
    assert_true(most > 0.0);
    assert_true(bound.bound >= most && bound.bound >= bound.attained && bound.attained >= bound.played);
    assert_true(bound.bound <= 3.0 * most); /* six tasks are few for fractions */
    assert_true(returns == isnan(bound.full_shares));
    if (!returns) {
        assert_true(most >= bound.full_shares - 1e-9); /* full shares are one of the levels */
        assert_true(bound.bound - bound.attained <= 1.5 * WHOLE_BOUND_GAP * bound.bound);
    }
    close_small(&small);
}

static void no_choice_of_servers_and_shares_is_worth_more_than_the_bound(void **state)
{
    (void) state;
    static const char *const shares[] = {"reserve.full_share=0.6", "reserve.full_share=0.4",
                                         "reserve.full_share=0.25"};
    for (uint32_t seed = 0; seed < 12; seed++) {
        char text[32], slot[32];
        (void) snprintf(text, sizeof text, "run.seed=%u", seed);
        (void) snprintf(slot, sizeof slot, "run.slot_s=%g", seed % 4 < 2 ? 0.02 : 0.1);
        const char *const keys[] = {WHOLE,
                                    text,
                                    slot,
                                    shares[seed % 3],
                                    seed % 2 == 0 ? "reserve.returns=off" : "reserve.returns=end",
                                    "servers.count=2",
                                    "servers.tflops_min=1",
                                    "servers.tflops_max=4",
                                    seed % 5 == 0 ? "objective.deadline_s=0.1" : "objective.deadline_s=15",
                                    NULL};
        compare(keys, seed, seed % 2 == 1);
    }
}

/* 0..1 */
static double draw(uint32_t number, uint32_t which)
{
    const struct rng_at at = {.seed = 4, .slot = number};
    return rng_u01(rng_block(&at, 0).v[which]);
}

static double worth_at(const struct small *small, uint32_t task, double compute, double band, double *held_s)
{
    const double part[RESERVED_KINDS] = {compute, band, 1.0};
    return whole_episode_worth(&small->whole, task, task % SERVERS, part, held_s);
}

/* Shares from a hundredth of a full one to the whole server, evenly in their logarithm. */
static double share(double draw)
{
    return pow(10.0, -3.0 + 3.0 * draw);
}

static void a_task_is_worth_what_the_bound_takes_for_granted(const char *const *keys)
{
    struct small small;
    uint32_t bent = 0;
    open_small(&small, keys, 0);
    for (uint32_t i = 0; i < 4000; i++) {
        double one[2] = {share(draw(i, 0)), share(draw(i, 1))},
               other[2] = {share(draw(i, 2)), share(draw(i, 3))};
        double held[3], most[2] = {fmax(one[0], other[0]), fmax(one[1], other[1])};
        double a = worth_at(&small, i % TASKS, one[0], one[1], &held[0]);
        double b = worth_at(&small, i % TASKS, other[0], other[1], &held[1]);
        double top = worth_at(&small, i % TASKS, most[0], most[1], &held[2]);
        assert_true(top >= fmax(a, b) && held[2] <= fmin(held[0], held[1]));
        if (!(a > 0.0 && b > 0.0))
            continue;
        double middle =
            worth_at(&small, i % TASKS, 0.5 * (one[0] + other[0]), 0.5 * (one[1] + other[1]), &held[2]);
        assert_true(middle >= 0.5 * (a + b) - 1e-12);
        bent += middle > 0.5 * (a + b) + 1e-6;
    }
    assert_true(bent > 100);
    close_small(&small);
}

static void more_of_a_server_is_never_worth_less_and_less_and_less_more(void **state)
{
    (void) state;
    static const char *const cases[] = {"objective.reward=completed", "objective.reward=printed",
                                        "radio.path_loss_db=140", "servers.tflops_max=4",
                                        "link.delay_s=0.01"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const keys[] = {WHOLE,    "servers.count=2",      "reserve.full_share=0.3",
                                    cases[i], "servers.tflops_min=1", "objective.deadline_s=1",
                                    NULL};
        a_task_is_worth_what_the_bound_takes_for_granted(keys);
    }
}

static void an_episode_without_any_worth_has_a_bound_of_nothing(void **state)
{
    (void) state;
    const char *const keys[] = {WHOLE,
                                "servers.count=2",
                                "objective.deadline_s=0.001",
                                "reserve.returns=off",
                                "servers.tflops_min=0.001",
                                "servers.tflops_max=0.001",
                                NULL};
    struct small small;
    struct whole_bound bound;
    struct diag diag = {{0}};
    open_small(&small, keys, 0);
    assert_int_equal(whole_bound_find(&small.whole, &bound, &diag), 0);
    assert_true(bound.bound >= 0.0 && bound.bound < 1e-9 && bound.attained == 0.0 &&
                bound.full_shares == 0.0);
    close_small(&small);
}

static int find(void *user, struct diag *diag)
{
    struct whole_bound bound;
    const struct small *small = user;
    return whole_bound_find(&small->whole, &bound, diag);
}

static void without_memory_it_says_so(void **state)
{
    (void) state;
    const char *const keys[] = {WHOLE, "servers.count=2", "reserve.returns=off", "reserve.full_share=0.6",
                                NULL};
    struct small small;
    open_small(&small, keys, 0);
    memory_each(find, &small, 25);
    close_small(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_choice_of_servers_and_shares_is_worth_more_than_the_bound),
        cmocka_unit_test(more_of_a_server_is_never_worth_less_and_less_and_less_more),
        cmocka_unit_test(an_episode_without_any_worth_has_a_bound_of_nothing),
        cmocka_unit_test(without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
