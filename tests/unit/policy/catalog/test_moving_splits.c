/* The split as a decision about the channel (scenarios layersplit-l, -h and -a): what policies are worth there, exactly, and
 * that every policy keeps to the steps. The worths are those of an independent program. */
#include <assert.h>
#include <stdio.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/file.h"
#include "core/model/env_splits.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/policy/catalog/full_scenario.h"
#include "tests/unit/policy/full_slot.h"

#define SLOTS 5u

static const char *scenarios; /* their folder */

struct play {
    struct slot slot;
    struct policy policy;
};

static void read_scenario(const char *name, struct full_scenario *full)
{
    char path[512];
    struct buf text = {0};
    struct diag diag = {{0}};
    (void) snprintf(path, sizeof path, "%s/%s.yaml", scenarios, name);
    full_scenario_defaults(full);
    int rc = file_read(path, SCENARIO_TEXT_MAX, &text, &diag);
    if (rc == 0)
        rc = full_scenario_read(full, &(struct scenario_text){(const char *) text.data, text.size, path},
                                &diag);
    if (rc == 0)
        rc = full_scenario_check(full, &diag);
    buf_finish(&text);
    if (rc != 0)
        fail_msg("%s", diag.text);
}

static void open_play(struct play *play, const char *scenario, const char *policy, uint32_t step)
{
    struct full_scenario full;
    struct world world;
    read_scenario(scenario, &full);
    full.scenario.model.split_step = step;
    assert_int_equal(world_init(&world, &full.scenario, NULL, NULL), 0);
    play->slot.settings = full.settings;
    slot_open_world(&play->slot, &world);
    play->policy = slot_policy(&play->slot, policy);
}

static void close_play(struct play *play)
{
    policy_destroy(&play->policy);
    slot_close(&play->slot);
}

/* An episode's return; its condition and first split are what the world's draws make them. */
static double play_episode(struct play *play, uint32_t episode)
{
    struct slot *slot = &play->slot;
    double sum = 0.0;
    for (uint32_t t = 0; t < SLOTS; t++) {
        struct slot_id id = {RNG_TEST, episode, t};
        struct mobility mobility;
        struct device_slot met;
        env_view_begin(&slot->view, id);
        mobility_start(&slot->world, 0, id.phase, id.episode, &mobility);
        device_slot_meet(&slot->world, 0, id, &mobility, &met);
        env_view_observe(&slot->view, 0, met.position, met.speed_mps, met.tokens, met.gain);
        sum -= slot_decide(slot, &play->policy);
        assert_false(slot->decision.repaired[0]);
        env_view_decided(&slot->view, &slot->decision);
    }
    return sum;
}

/* The same from a given split on a given channel. */
static double play_from(struct play *play, double loss, uint32_t split)
{
    struct scenario *scenario = &play->slot.world.scenario;
    scenario->channel.loss_min = scenario->channel.loss_max = loss;
    scenario->model.first_split_min = scenario->model.first_split_max = split;
    return play_episode(play, 0);
}

/* Over a fine grid of channels and all first splits: what a policy that draws nothing is worth. */
static double worth(const char *scenario, const char *policy, uint32_t step)
{
    enum { GRID = 200 };
    struct play play;
    double sum = 0.0;
    open_play(&play, scenario, policy, step);
    const struct scenario whole = play.slot.world.scenario;
    double low = whole.channel.loss_min, span = whole.channel.loss_max - low;
    uint32_t first = (uint32_t) whole.model.first_split_min, last = (uint32_t) whole.model.first_split_max;
    for (uint32_t i = 0; i < GRID; i++)
        for (uint32_t s = first; s <= last; s++)
            sum += play_from(&play, low + span * (i + 0.5) / GRID, s);
    close_play(&play);
    return sum / (GRID * (last - first + 1));
}

static double worth_of_draws(const char *scenario, const char *policy, uint32_t episodes)
{
    struct play play;
    double sum = 0.0;
    open_play(&play, scenario, policy, 1);
    for (uint32_t e = 0; e < episodes; e++)
        sum += play_episode(&play, e);
    close_play(&play);
    return sum / episodes;
}

static void what_policies_are_worth_is_known(void **state)
{
    (void) state;
    static const struct {
        const char *scenario;
        double optimum, greedy, stay, optimum_of_nine;
    } cases[] = {
        {"layersplit-l", 2.844, 2.709, 2.340, 3.050},
        {"layersplit-h", 3.149, 3.149, 3.120, 3.256},
        {"layersplit-a", 2.986, 2.956, 2.697, 3.193},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_near(worth(cases[i].scenario, "optimum", 1), cases[i].optimum, 0.003);
        assert_near(worth(cases[i].scenario, "greedy", 1), cases[i].greedy, 0.003);
        assert_near(worth(cases[i].scenario, "stay", 1), cases[i].stay, 0.003);
        assert_near(worth(cases[i].scenario, "optimum", 4), cases[i].optimum_of_nine, 0.003);
    }
}

/* Of a return's deviation, 0.3 at most, 40,000 episodes leave 0.0015. PPO's first networks are all but indifferent. */
static void random_moves_are_worth_what_they_are(void **state)
{
    (void) state;
    enum { EPISODES = 40000 };
    static const struct {
        const char *scenario;
        double random;
    } cases[] = {{"layersplit-l", 2.349}, {"layersplit-h", 3.074}, {"layersplit-a", 2.695}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_near(worth_of_draws(cases[i].scenario, "random", EPISODES), cases[i].random, 0.006);
        assert_near(worth_of_draws(cases[i].scenario, "untrained", 5000), cases[i].random, 0.03);
    }
}

/* All 3^5 sequences of moves, by the cost's own definition: gains read off the scenario's table, no code of ours. */
static double brute_force(const double gain[static 11], uint32_t split, uint32_t slots)
{
    double best = -1e9;
    for (int move = -1; move <= 1; move++) {
        int to = (int) split + move;
        to = to < 1 ? 1 : to;
        to = to > 10 ? 10 : to;
        double reward = 10.0 * gain[to] + (10.0 - to) / 10.0;
        double rest = slots > 1 ? brute_force(gain, (uint32_t) to, slots - 1) : 0.0;
        best = reward + rest > best ? reward + rest : best;
    }
    return best;
}

static void the_optimum_is_that_of_all_sequences_of_moves(void **state)
{
    (void) state;
    /* The published gains for losses of 0.1 and 0.2, by split. */
    static const double at_10[11] = {0.0,   -0.028, -0.031, -0.029, -0.016, 0.0,
                                     0.011, 0.021,  0.031,  0.041,  0.050};
    static const double at_20[11] = {0.0,   -0.025, -0.029, -0.024, -0.012, 0.007,
                                     0.023, 0.033,  0.043,  0.052,  0.062};
    struct play play;
    open_play(&play, "layersplit-a", "optimum", 1);
    for (uint32_t s = 1; s <= 10; s++) {
        assert_near(play_from(&play, 0.1, s), brute_force(at_10, s, SLOTS), 1e-12);
        assert_near(play_from(&play, 0.2, s), brute_force(at_20, s, SLOTS), 1e-12);
    }
    close_play(&play);
}

static void the_optimum_is_refused_where_it_would_not_be_exact(void **state)
{
    (void) state;
    static const char *const keys[][3] = {
        {"devices.count=2", "objective.reward=paper", NULL},
        {"devices.count=1", "objective.reward=cost", NULL},
        {"devices.count=1", "channel.mode=bounded", NULL},
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct slot slot;
        struct policy policy;
        const struct policy_kind *kind = NULL;
        struct diag diag = {{0}};
        slot_open(&slot,
                  (const char *[]){"model.split_step=1", "objective.reward=paper", "quality.source=table",
                                   "quality.table=0|1:1", keys[i][0], keys[i][1], NULL});
        const struct policy_options options = slot_options(&slot, false);
        assert_int_equal(catalog_find("optimum", &kind, NULL), 0);
        assert_int_equal(policy_create(&policy, kind, &options, &diag), ERR_UNSUPPORTED);
        assert_string_equal(
            diag.text,
            "policy optimum: with model.split_step it is exact only for devices.count: 1, "
            "objective.reward: shaped or paper, and a channel.mode whose condition an episode keeps");
        policy_destroy(&policy);
        slot_close(&slot);
    }
}

/* ---- every policy ---- */

#define SMALL                                                                                                \
    "ddpg.hidden_1=16", "ddpg.hidden_2=16", "genetic.population=20", "genetic.generations=10",               \
        "swarm.particles=10", "swarm.iterations=10"

/* Nobody whom a server covers stays local, and nobody moves further than a step. */
static void assert_keeps_to_the_steps(const struct slot *slot, const char *name)
{
    const struct world *world = &slot->world;
    uint32_t layers = world->llm->layers;
    for (uint32_t n = 0; n < world->devices; n++) {
        uint32_t first = 0, last = 0, split = slot->decision.split[n];
        env_splits_range(&slot->view, n, &first, &last);
        bool local = slot->decision.server[n] == ENV_LOCAL;
        bool may_be_local = !slot->view.present[n] || env_splits_allow_local(&slot->view, n);
        bool valid = local ? may_be_local && split == layers : split >= first && split <= last;
        if (!valid)
            fail_msg("%s: device %u with split %u, allowed %u to %u", name, n, split, first, last);
    }
}

static bool is_played(const struct policy_kind *kind, const char *const *keys)
{
    bool steps = strcmp(keys[0], "model.max_split=9") != 0;
    return policy_suits(kind, POLICY_MODE_ROUND) && (kind->sees != POLICY_SEES_WORLD || !steps);
}

static void decide_everywhere(const char *const *keys, uint32_t draws)
{
    struct slot slot;
    slot_open(&slot, keys);
    for (size_t i = 0; i < catalog_count(); i++) {
        const struct policy_kind *kind = catalog_at(i);
        if (!is_played(kind, keys))
            continue;
        struct policy policy = slot_policy(&slot, kind->name);
        for (uint32_t e = 0; e < (kind->only_named ? 2 : draws); e++) {
            slot_draw(&slot, e, e % 3 == 0 ? 3 : 0, e % 4 == 1 ? 2 : 0, e % 5 == 2 ? 0 : 1 + e % 4);
            assert_true(isfinite(slot_decide(&slot, &policy)));
            assert_keeps_to_the_steps(&slot, kind->name);
        }
        policy_destroy(&policy);
    }
    slot_close(&slot);
}

static void every_policy_keeps_to_the_steps(void **state)
{
    (void) state;
    static const char *const steps[] = {"model.split_step=1",
                                        "devices.count=5",
                                        "model.min_split=2",
                                        "model.first_split_min=2",
                                        "model.first_split_max=31",
                                        "channel.mode=erasure",
                                        "quality.source=table",
                                        "quality.table=0,0.3|1:0,2|31:0,0.5",
                                        "objective.quality_weight=0.5",
                                        "fixed.split=20",
                                        SMALL,
                                        NULL};
    static const char *const scores[] = {
        "model.split_step=4", "devices.count=5", "action.mapping=scores", "model.max_split=12", SMALL, NULL};
    static const char *const bound[] = {"model.max_split=9", "devices.count=5", "servers.count=2", SMALL,
                                        NULL};
    decide_everywhere(steps, 60);
    decide_everywhere(scores, 20);
    decide_everywhere(bound, 20);
}

/* ---- some of them ---- */

static void stay_keeps_the_split_and_static_goes_to_its_own(void **state)
{
    (void) state;
    struct play play;
    open_play(&play, "layersplit-a", "stay", 1);
    (void) play_from(&play, 0.1, 7);
    assert_int_equal(play.slot.view.split_before[0], 7);
    policy_destroy(&play.policy);
    play.slot.settings.rules.fixed.split = 3;
    play.policy = slot_policy(&play.slot, "static");
    (void) play_from(&play, 0.1, 9);
    assert_int_equal(play.slot.view.split_before[0], 4); /* five steps */
    (void) play_from(&play, 0.1, 2);
    assert_int_equal(play.slot.view.split_before[0], 3);
    close_play(&play);
}

static void an_untrained_policy_draws_the_same_again(void **state)
{
    (void) state;
    struct play play;
    double sum[2] = {0.0, 0.0};
    for (int which = 0; which < 2; which++) {
        open_play(&play, "layersplit-a", "untrained", 1);
        for (uint32_t e = 0; e < 50; e++)
            sum[which] += play_episode(&play, e);
        close_play(&play);
    }
    assert_same(sum[0], sum[1]);
}

/* ---- what learners make of an episode's end ---- */

/* Weights after a few updates from slots of which each fourth was the last of its episode, or none. */
static void learn_a_little(const char *name, const char *horizon, bool ends, struct buf *ret_weights)
{
    enum { LEARNED = 16 };
    struct slot slot;
    struct policy policy;
    const struct policy_kind *kind = NULL;
    slot_open(&slot, (const char *[]){"devices.count=1", "servers.count=1", "servers.coverage_m=2000",
                                      "ddpg.hidden_1=8", "ddpg.hidden_2=8", "ddpg.warmup=4", "ddpg.batch=4",
                                      "ppo.rollout=8", "ppo.batch=4", "ppo.discount=0.9", "a2c.steps=4",
                                      "a2c.discount=0.9", "dqn.warmup=4", "dqn.batch=4", "dqn.discount=0.9",
                                      horizon, NULL});
    const struct policy_options options = slot_options(&slot, true);
    assert_int_equal(catalog_find(name, &kind, NULL), 0);
    assert_int_equal(policy_create(&policy, kind, &options, NULL), 0);
    slot_draw(&slot, 0, 0, 0, 0);
    for (uint32_t t = 0; t < LEARNED; t++) {
        double cost = 0.01 * slot_decide(&slot, &policy); /* where DQN's loss is not yet a line */
        const struct policy_outcome outcome = {.cost = cost};
        slot_draw(&slot, t + 1, 0, 0, 0);
        const struct policy_feedback feedback = {.reward = -cost,
                                                 .next = &slot.view,
                                                 .truncated = ends && t % 4 == 3,
                                                 .outcome = &outcome,
                                                 .outcomes = 1};
        policy.kind->learn(&policy, &feedback);
        policy.kind->update(&policy);
    }
    assert_int_equal(policy.kind->save(&policy, false, ret_weights), 0);
    policy_destroy(&policy);
    slot_close(&slot);
}

static bool horizons_differ(const char *name, bool ends)
{
    struct buf endless = {0}, episode = {0};
    learn_a_little(name, "objective.horizon=endless", ends, &endless);
    learn_a_little(name, "objective.horizon=episode", ends, &episode);
    assert_int_equal(endless.size, episode.size);
    bool differ = memcmp(endless.data, episode.data, endless.size) != 0;
    buf_finish(&endless);
    buf_finish(&episode);
    return differ;
}

static void an_episodes_end_is_the_end_where_the_horizon_says_so(void **state)
{
    (void) state;
    static const char *const learners[] = {"ppo", "a2c", "dqn", "dapo"};
    for (size_t i = 0; i < sizeof learners / sizeof *learners; i++) {
        assert_true(horizons_differ(learners[i], true));
        assert_false(horizons_differ(learners[i], false));
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_policies_are_worth_is_known),
        cmocka_unit_test(random_moves_are_worth_what_they_are),
        cmocka_unit_test(the_optimum_is_that_of_all_sequences_of_moves),
        cmocka_unit_test(the_optimum_is_refused_where_it_would_not_be_exact),
        cmocka_unit_test(every_policy_keeps_to_the_steps),
        cmocka_unit_test(stay_keeps_the_split_and_static_goes_to_its_own),
        cmocka_unit_test(an_untrained_policy_draws_the_same_again),
        cmocka_unit_test(an_episodes_end_is_the_end_where_the_horizon_says_so),
    };
    assert(argc == 2);
    scenarios = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
