/* The table of policies, and that each of them decides what can be done, whatever the slot looks like. */
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/policy/catalog/policy_names.h"

#include <stdio.h>

#include "core/base/err.h"
#include "tests/unit/policy/full_slot.h"

static bool plays_rounds(size_t i)
{
    return policy_suits(catalog_at(i), POLICY_MODE_ROUND);
}

/* They know the model, and search: a few slots must do. */
static bool is_slow(const struct policy_kind *kind)
{
    return kind->sees != POLICY_SEES_OBSERVATIONS;
}

/* What a list of policies that names none has in it, but for the first. */
static size_t yardsticks(void)
{
    size_t count = 0;
    for (size_t i = 0; i < catalog_count(); i++)
        count += plays_rounds(i) && !policy_is_trained(catalog_at(i)) && !catalog_at(i)->only_named ? 1 : 0;
    return count;
}

static void every_policy_is_found_by_its_name(void **state)
{
    (void) state;
    assert_true(catalog_count() > 10);
    for (size_t i = 0; i < catalog_count(); i++) {
        const struct policy_kind *kind = NULL;
        assert_int_equal(catalog_find(catalog_at(i)->name, &kind, NULL), 0);
        assert_ptr_equal(catalog_at(i), kind); /* no name twice */
        assert_non_null(kind->decide);
        assert_non_null(kind->summary);
        assert_non_null(kind->source);
        assert_non_null(policy_sees_name(kind->sees));
        assert_int_equal(kind->learn != NULL, kind->update != NULL); /* a learner is one whole */
        assert_int_equal(kind->learn != NULL, kind->save != NULL);
        assert_int_equal(kind->load != NULL, kind->save != NULL || kind->weights_of != NULL);
        if (kind->weights_of != NULL)
            assert_int_equal(catalog_find(kind->weights_of, &kind, NULL), 0);
        assert_int_equal(kind->learn != NULL, kind->resume != NULL);
        assert_int_equal(kind->gather != NULL, kind->recall != NULL); /* or save(full) has all of it */
    }
}

static void an_unknown_name_is_answered_with_all_that_are_known(void **state)
{
    (void) state;
    const struct policy_kind *kind = NULL;
    struct diag diag = {{0}};
    assert_int_equal(catalog_find("dapoo", &kind, &diag), ERR_UNKNOWN);
    assert_null(kind);
    assert_non_null(strstr(diag.text, "'dapoo'"));
    for (size_t i = 0; i < catalog_count(); i++)
        assert_non_null(strstr(diag.text, catalog_at(i)->name));
    assert_int_equal(catalog_find("", &kind, NULL), ERR_UNKNOWN);
    assert_int_equal(catalog_find("Greedy", &kind, NULL), ERR_UNKNOWN);
}

static void a_list_of_names_is_read_in_order_and_each_counts_once(void **state)
{
    (void) state;
    struct policy_names list;
    assert_int_equal(policy_names_parse(&list, "optimum,greedy,optimum,local", NULL, POLICY_MODE_ROUND, NULL),
                     0);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.kind[0]->name, "optimum");
    assert_string_equal(list.kind[1]->name, "greedy");
    assert_string_equal(list.kind[2]->name, "local");
}

static void no_list_means_the_first_and_every_policy_that_does_not_learn(void **state)
{
    (void) state;
    struct policy_names list;
    assert_int_equal(policy_names_parse(&list, NULL, "dapo", POLICY_MODE_ROUND, NULL), 0);
    assert_int_equal(list.count, yardsticks() + 1);
    assert_string_equal(list.kind[0]->name, "dapo");
    assert_int_equal(policy_names_parse(&list, NULL, "greedy", POLICY_MODE_ROUND, NULL), 0);
    assert_int_equal(list.count, yardsticks());
    assert_string_equal(list.kind[0]->name, "greedy");
    assert_int_equal(policy_names_parse(&list, NULL, NULL, POLICY_MODE_ROUND, NULL), 0);
    assert_int_equal(list.count, yardsticks());
    assert_int_equal(policy_names_parse(&list, "genetic,swarm", NULL, POLICY_MODE_ROUND, NULL), 0);
    assert_int_equal(list.count, 2); /* asked for, they come */
}

static void a_wrong_list_is_refused_and_leaves_the_old_one(void **state)
{
    (void) state;
    static const char *const wrong[] = {
        "",
        "greedy,",
        ",greedy",
        "greedy,,local",
        "greedy, local",
        "gready",
        "a-name-that-is-longer-than-any-policy-could-ever-want-to-be-and-then-some",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct policy_names list = {.count = 7};
        struct diag diag = {{0}};
        assert_int_equal(policy_names_parse(&list, wrong[i], NULL, POLICY_MODE_ROUND, &diag), ERR_UNKNOWN);
        assert_int_equal(list.count, 7);
        assert_int_not_equal(diag.text[0], '\0');
    }
    struct policy_names list = {.count = 7};
    assert_int_equal(policy_names_parse(&list, NULL, "gready", POLICY_MODE_ROUND, NULL), ERR_UNKNOWN);
    assert_int_equal(list.count, 7);
}

static void the_optimum_refuses_what_it_is_not_exact_for(void **state)
{
    (void) state;
    static const char *const cases[][4] = {
        {"radio.sharing=proportional", NULL},           {"radio.sharing=shared", NULL},
        {"servers.sharing=proportional", NULL},         {"servers.memory_gb=8", NULL},
        {"devices.count=200", "servers.count=5", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slot slot;
        struct policy policy;
        struct diag diag = {{0}};
        slot_open(&slot, cases[i]);
        const struct policy_options options = slot_options(&slot, false);
        assert_int_equal(policy_create(&policy, &policy_optimum, &options, &diag), ERR_UNSUPPORTED);
        assert_non_null(strstr(diag.text, "optimum"));
        policy_destroy(&policy);
        assert_int_equal(policy_create(&policy, &policy_best_response, &options, &diag), 0);
        policy_destroy(&policy);
        slot_close(&slot);
    }
}

static void only_a_learner_trains(void **state)
{
    (void) state;
    struct slot slot;
    struct policy policy;
    slot_open(&slot, NULL);
    const struct policy_options options = slot_options(&slot, true);
    assert_int_equal(policy_create(&policy, &policy_greedy, &options, NULL), 0);
    assert_false(policy.training);
    policy_destroy(&policy);
    assert_int_equal(policy_create(&policy, &policy_dapo, &options, NULL), 0);
    assert_true(policy.training);
    policy_destroy(&policy);
    policy_destroy(&policy); /* twice does no harm */
    policy_destroy(NULL);
    slot_close(&slot);
}

/* ---- valid decisions ---- */

/* Learners and searches that do not take long. */
#define SMALL                                                                                                \
    "ddpg.hidden_1=16", "ddpg.hidden_2=16", "genetic.population=20", "genetic.generations=10",               \
        "swarm.particles=10", "swarm.iterations=10", "active.width=16"

static void assert_valid(const struct slot *slot, const char *name)
{
    const struct world *world = &slot->world;
    uint32_t layers = world->llm->layers;
    for (uint32_t n = 0; n < world->devices; n++) {
        uint32_t split = slot->decision.split[n], m = slot->decision.server[n];
        bool local = m == ENV_LOCAL;
        bool valid = local == (split == layers);
        if (!local)
            valid = valid && split >= world->scenario.model.min_split &&
                    split <= world->device[n].max_split && m < world->servers &&
                    slot->view.covered[(size_t) n * world->servers + m];
        if (!slot->view.present[n])
            valid = valid && local && !slot->decision.repaired[n];
        if (!valid)
            fail_msg("%s: device %u to server %u with split %u of %u", name, n, m, split, layers);
    }
}

static void assert_fills_the_servers(const struct slot *slot)
{
    double share[WORLD_SERVERS_MAX] = {0.0};
    uint32_t load[WORLD_SERVERS_MAX] = {0};
    for (uint32_t n = 0; n < slot->world.devices; n++)
        if (slot->decision.server[n] != ENV_LOCAL) {
            share[slot->decision.server[n]] += slot->decision.compute_share[n];
            load[slot->decision.server[n]]++;
        }
    for (uint32_t m = 0; m < slot->world.servers; m++) {
        assert_int_equal(load[m], slot->load[m]);
        assert_near(share[m], load[m] > 0 ? 1.0 : 0.0, 1e-12);
    }
}

/* Every policy on `draws` slots; C8 and unequal sharing are beyond the optimum. */
static void decide_everywhere(const char *const *keys, uint32_t draws, bool with_optimum)
{
    struct slot slot;
    slot_open(&slot, keys);
    for (size_t i = 0; i < catalog_count(); i++) {
        const struct policy_kind *kind = catalog_at(i);
        if (!plays_rounds(i) || (kind->sees == POLICY_SEES_WORLD && !with_optimum))
            continue;
        struct policy policy = slot_policy(&slot, kind->name);
        uint32_t tried = kind->only_named ? draws / 500 : is_slow(kind) ? draws / 20 : draws;
        for (uint32_t e = 0; e < tried; e++) {
            slot_draw(&slot, e, e % 3 == 0 ? 3 : 0, e % 4 == 1 ? 2 : 0, e % 5 == 2 ? 0 : 1 + e % 4);
            double cost = slot_decide(&slot, &policy);
            assert_true(cost >= 0.0 && isfinite(cost));
            assert_valid(&slot, catalog_at(i)->name);
            assert_fills_the_servers(&slot);
        }
        policy_destroy(&policy);
    }
    slot_close(&slot);
}

static void every_policy_decides_what_can_be_done(void **state)
{
    (void) state;
    static const char *const small[] = {"devices.count=5", "servers.count=3", "servers.coverage_m=500", SMALL,
                                        NULL};
    static const char *const one[] = {"devices.count=1", "servers.count=1", SMALL, NULL};
    static const char *const floor[] = {"devices.count=4",
                                        "servers.count=2",
                                        "model.min_split=5",
                                        "fixed.split=2",
                                        "devices.memory_gb=4",
                                        SMALL,
                                        NULL};
    static const char *const all_local[] = {
        "devices.count=4", "model.llm=gpt2", "model.min_split=12", "fixed.split=12", SMALL, NULL};
    decide_everywhere(small, 2000, true);
    decide_everywhere(one, 1000, true);
    decide_everywhere(floor, 1000, true);
    decide_everywhere(all_local, 500, true);
}

static void every_policy_decides_what_can_be_done_under_every_mapping(void **state)
{
    (void) state;
    static const char *const rounding[] = {"devices.count=5", "action.mapping=rounding", SMALL, NULL};
    static const char *const scores[] = {"devices.count=5", "action.mapping=scores", SMALL, NULL};
    decide_everywhere(rounding, 100, false);
    decide_everywhere(scores, 100, false);
}

static void every_policy_decides_what_can_be_done_under_every_sharing_rule(void **state)
{
    (void) state;
    static const char *const proportional[] = {"devices.count=5", "radio.sharing=proportional",
                                               "servers.sharing=proportional", SMALL, NULL};
    static const char *const shared[] = {"devices.count=5", "radio.sharing=shared", SMALL, NULL};
    static const char *const memory[] = {"devices.count=6", "servers.memory_gb=0.1", SMALL, NULL};
    decide_everywhere(proportional, 500, false);
    decide_everywhere(shared, 500, false);
    decide_everywhere(memory, 500, false);
}

static void with_nobody_there_or_no_server_up_every_policy_stays_at_home(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=4", SMALL, NULL};
    struct slot slot;
    slot_open(&slot, keys);
    for (size_t i = 0; i < catalog_count(); i++) {
        if (!plays_rounds(i))
            continue;
        struct policy policy = slot_policy(&slot, catalog_at(i)->name);
        slot_draw(&slot, 1, 1, 0, 0);
        assert_same(slot_decide(&slot, &policy), 0.0);
        assert_valid(&slot, catalog_at(i)->name);
        slot_draw(&slot, 1, 0, 1, 0);
        assert_true(slot_decide(&slot, &policy) >= 1.0);
        for (uint32_t n = 0; n < 4; n++) {
            assert_int_equal(slot.decision.server[n], ENV_LOCAL);
            assert_false(slot.decision.repaired[n]);
        }
        policy_destroy(&policy);
    }
    slot_close(&slot);
}

static void policies_that_know_the_rules_wish_for_nothing_impossible(void **state)
{
    (void) state;
    static const char *const careful[] = {"local",
                                          "edge-nearest",
                                          "edge-best-channel",
                                          "static-association",
                                          "greedy",
                                          "neurosurgeon",
                                          "nash",
                                          "iao",
                                          "best-response",
                                          "optimum"};
    static const char *const keys[] = {"devices.count=5", "devices.memory_gb=4", "servers.coverage_m=600",
                                       SMALL, NULL};
    struct slot slot;
    slot_open(&slot, keys);
    assert_true(slot.world.device[0].max_split < slot.world.llm->layers);
    for (size_t i = 0; i < sizeof careful / sizeof *careful; i++) {
        struct policy policy = slot_policy(&slot, careful[i]);
        for (uint32_t e = 0; e < 100; e++) {
            slot_draw(&slot, e, 5, 5, 3);
            (void) slot_decide(&slot, &policy);
            for (uint32_t n = 0; n < 5; n++)
                if (slot.decision.repaired[n])
                    fail_msg("%s had to be repaired", careful[i]);
        }
        policy_destroy(&policy);
    }
    slot_close(&slot);
}

/* ---- what each is for ---- */

static void edge_policies_pick_the_nearest_server_and_the_best_channel(void **state)
{
    (void) state;
    struct slot slot;
    slot_open(&slot, NULL);
    struct policy nearest = slot_policy(&slot, "edge-nearest");
    struct policy channel = slot_policy(&slot, "edge-best-channel");
    uint32_t different = 0;
    for (uint32_t e = 0; e < 200; e++) {
        slot_draw(&slot, e, 0, 0, 4);
        for (int which = 0; which < 2; which++) {
            (void) slot_decide(&slot, which == 0 ? &nearest : &channel);
            for (uint32_t n = 0; n < slot.world.devices; n++) {
                uint32_t chosen = slot.decision.server[n];
                if (chosen == ENV_LOCAL)
                    continue;
                assert_int_equal(slot.decision.split[n], 0);
                const double *gain = slot.view.gain + (size_t) n * slot.world.servers;
                struct vec2 at = slot.view.position[n];
                for (uint32_t m = 0; m < slot.world.servers; m++) {
                    if (!slot.view.covered[(size_t) n * slot.world.servers + m])
                        continue;
                    bool closer = device_slot_distance_m(&slot.world, at, m) <
                                  device_slot_distance_m(&slot.world, at, chosen);
                    assert_false(which == 0 ? closer : gain[m] > gain[chosen]);
                    different += which == 1 && closer ? 1 : 0;
                }
            }
        }
    }
    assert_true(different > 0); /* under fading the best channel is not always the nearest server's */
    policy_destroy(&nearest);
    policy_destroy(&channel);
    slot_close(&slot);
}

static void random_reaches_every_split_and_server_evenly_and_repeats_itself(void **state)
{
    (void) state;
    static const char *const keys[] = {"servers.coverage_m=5000", "model.llm=gpt2", "fixed.split=4", NULL};
    struct slot slot;
    slot_open(&slot, keys);
    struct policy policy = slot_policy(&slot, "random");
    uint32_t splits[13] = {0}, servers[3] = {0}, draws = 3000;
    for (uint32_t e = 0; e < draws; e++) {
        slot_draw(&slot, e, 0, 0, 0);
        double cost = slot_decide(&slot, &policy);
        for (uint32_t n = 0; n < slot.world.devices; n++) {
            splits[slot.decision.split[n]]++;
            if (slot.decision.server[n] != ENV_LOCAL)
                servers[slot.decision.server[n]]++;
        }
        assert_same(slot_decide(&slot, &policy), cost);
    }
    double tasks = draws * (double) slot.world.devices;
    for (size_t s = 0; s < 13; s++)
        assert_near(splits[s] / tasks, 1.0 / 13.0, 0.01);
    for (size_t m = 0; m < 3; m++)
        assert_near(servers[m] / tasks, 12.0 / 13.0 / 3.0, 0.01);
    policy_destroy(&policy);
    slot_close(&slot);
}

static void static_is_refused_where_the_model_has_fewer_layers(void **state)
{
    (void) state;
    static const char *const keys[] = {"model.llm=gpt2", NULL}; /* fixed.split is 16 by default */
    struct slot slot;
    struct policy policy;
    struct diag diag = {{0}};
    slot_open(&slot, keys);
    const struct policy_options options = slot_options(&slot, false);
    assert_int_equal(policy_create(&policy, &policy_static, &options, &diag), ERR_UNSUPPORTED);
    assert_string_equal(diag.text, "policy static: fixed.split 16 is above the 12 layers of gpt2");
    slot_close(&slot);
}

/* Nothing is learned here and noise is off: after the warm-up a learner acts like its untrained twin, unless
 * it draws its own actions; before it does not. */
static void check_warm_up(const char *name, bool draws)
{
    static const char *const keys[] = {"servers.coverage_m=5000", "ddpg.hidden_1=16",   "ddpg.hidden_2=16",
                                       "ddpg.warmup=300",         "ddpg.noise_sigma=0", NULL};
    struct slot slot;
    struct policy training;
    slot_open(&slot, keys);
    struct policy deployed = slot_policy(&slot, name);
    const struct policy_options options = slot_options(&slot, true);
    assert_int_equal(policy_create(&training, deployed.kind, &options, NULL), 0);
    uint32_t splits[33] = {0}, same_before = 0, same_after = 0;
    for (uint32_t e = 0; e < 400; e++) {
        slot_draw(&slot, e, 0, 0, 0);
        double cost = slot_decide(&slot, &training);
        for (uint32_t n = 0; n < slot.world.devices && e < 300; n++)
            splits[slot.decision.split[n]]++;
        bool is_same = slot_decide(&slot, &deployed) == cost;
        same_before += is_same && e < 300 ? 1 : 0;
        same_after += is_same && e >= 300 ? 1 : 0;
    }
    assert_true(same_before < 10);
    assert_true(draws ? same_after < 10 : same_after == 100);
    for (size_t s = 0; s < 33; s++)
        assert_near(splits[s] / 3000.0, 1.0 / 33.0, 0.015);
    policy_destroy(&training);
    policy_destroy(&deployed);
    slot_close(&slot);
}

static void learners_act_at_random_until_their_warm_up_is_over(void **state)
{
    (void) state;
    static const char *const continuous[] = {"dapo", "bandit", "td3", "sac", "maddpg"};
    for (size_t i = 0; i < sizeof continuous / sizeof *continuous; i++)
        check_warm_up(continuous[i], strcmp(continuous[i], "sac") == 0);
}

static void static_takes_the_scenarios_split_everywhere(void **state)
{
    (void) state;
    static const char *const keys[] = {"servers.coverage_m=5000", "fixed.split=11", NULL};
    static const char *const none[] = {"servers.coverage_m=5000", "fixed.split=32", NULL};
    struct slot slot;
    slot_open(&slot, keys);
    struct policy policy = slot_policy(&slot, "static");
    slot_draw(&slot, 0, 0, 0, 0);
    (void) slot_decide(&slot, &policy);
    for (uint32_t n = 0; n < slot.world.devices; n++)
        assert_int_equal(slot.decision.split[n], 11);
    policy_destroy(&policy);
    slot_close(&slot);
    slot_open(&slot, none);
    policy = slot_policy(&slot, "static");
    slot_draw(&slot, 0, 0, 0, 0);
    (void) slot_decide(&slot, &policy);
    for (uint32_t n = 0; n < slot.world.devices; n++)
        assert_int_equal(slot.decision.server[n], ENV_LOCAL);
    policy_destroy(&policy);
    slot_close(&slot);
}

/* Alone in the world the load-blind choice at the best channel is the best one there, of codings too. */
static void greedy_is_best_for_a_device_that_is_alone(void **state)
{
    (void) state;
    static const char *const plain[] = {"devices.count=1", "servers.tflops_min=10", "servers.tflops_max=10",
                                        "objective.server_energy=0", NULL};
    static const char *const coded[] = {
        "devices.count=1",           "servers.tflops_min=10", "servers.tflops_max=10",
        "objective.server_energy=0", "channel.mode=bounded",  "action.formats=int8 q4",
        "action.margins_db=0 3",     "model.min_split=1",     NULL};
    for (int codings = 0; codings < 2; codings++) {
        uint32_t sent = 0, coded_anew = 0; /* tasks; those in another coding than the scenario's */
        struct slot slot;
        slot_open(&slot, codings ? coded : plain);
        struct policy greedy = slot_policy(&slot, "greedy");
        struct policy optimum = slot_policy(&slot, "optimum");
        for (uint32_t e = 0; e < 300; e++) {
            slot_draw(&slot, e, 0, 0, 0);
            double best = slot_decide(&slot, &optimum);
            slot.decision.coding[0] = 0;
            assert_same(slot_decide(&slot, &greedy), best);
            coded_anew += slot.decision.coding[0] > 0 ? 1 : 0;
            sent += slot.decision.server[0] != ENV_LOCAL ? 1 : 0;
        }
        assert_true(sent > 0);
        assert_int_equal(coded_anew > 0, codings);
        policy_destroy(&greedy);
        policy_destroy(&optimum);
        slot_close(&slot);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_policy_is_found_by_its_name),
        cmocka_unit_test(an_unknown_name_is_answered_with_all_that_are_known),
        cmocka_unit_test(a_list_of_names_is_read_in_order_and_each_counts_once),
        cmocka_unit_test(no_list_means_the_first_and_every_policy_that_does_not_learn),
        cmocka_unit_test(a_wrong_list_is_refused_and_leaves_the_old_one),
        cmocka_unit_test(the_optimum_refuses_what_it_is_not_exact_for),
        cmocka_unit_test(only_a_learner_trains),
        cmocka_unit_test(every_policy_decides_what_can_be_done),
        cmocka_unit_test(every_policy_decides_what_can_be_done_under_every_mapping),
        cmocka_unit_test(every_policy_decides_what_can_be_done_under_every_sharing_rule),
        cmocka_unit_test(with_nobody_there_or_no_server_up_every_policy_stays_at_home),
        cmocka_unit_test(policies_that_know_the_rules_wish_for_nothing_impossible),
        cmocka_unit_test(edge_policies_pick_the_nearest_server_and_the_best_channel),
        cmocka_unit_test(random_reaches_every_split_and_server_evenly_and_repeats_itself),
        cmocka_unit_test(learners_act_at_random_until_their_warm_up_is_over),
        cmocka_unit_test(static_takes_the_scenarios_split_everywhere),
        cmocka_unit_test(static_is_refused_where_the_model_has_fewer_layers),
        cmocka_unit_test(greedy_is_best_for_a_device_that_is_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
