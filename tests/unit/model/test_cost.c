#include "core/model/cost.h"

#include "check.h"
#include "core/model/llm.h"
#include "core/model/radio.h"

/* A device of 1 TFLOP/s, 5 W and 0.5 W radio in a world of three servers of 10 TFLOP/s. */
static struct world round_world(const char *const *assignments)
{
    struct world world = check_world(assignments);
    world.device[0].flops = 1e12;
    for (uint32_t m = 0; m < world.servers; m++)
        world.server[m].flops = 1e13;
    return world;
}

/* A7 with n = 128, d = 4096, q = 16, L = 32. */
static void llama_2_7b_has_the_published_work_and_sizes(void **state)
{
    (void) state;
    const struct llm *llm = llm_find("llama-2-7b");
    assert_non_null(llm);
    assert_same(llm_layer_flop(llm, WORK_PAPER, 128), 24.0 * 128 * 4096 * 4096);
    assert_near(llm_layer_flop(llm, WORK_PAPER, 128) / 1e9, 51.5, 0.05);
    assert_near(32 * llm_layer_flop(llm, WORK_PAPER, 128) / 1e12, 1.65, 0.005);
    assert_near(llm_split_bits(llm, 1, 128, 16) / 1e6, 8.39, 0.005);
    assert_same(llm_split_bits(llm, 31, 128, 16), llm_split_bits(llm, 1, 128, 16));
    assert_same(llm_split_bits(llm, 0, 128, 16), 4096.0);
    assert_same(llm_split_bits(llm, 32, 128, 16), 0.0);
    assert_same(llm_layer_weights(llm), 202375168.0);
    assert_near(32 * llm_layer_weights(llm) + 2.0 * 32000 * 4096, 6.74e9, 0.01e9); /* "7B" */
    assert_same(llm_layer_kv_bytes(llm, 128, 16), 2.0 * 128 * 4096 * 2);
}

/* Layers and the embeddings, one or two, make the published parameter counts. GPT-2 has a table of positions, too. */
static void every_geometry_makes_its_published_size(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        double embeddings, billions;
    } published[] = {
        {"llama-2-7b", 2, 6.738},   {"llama-2-13b", 2, 13.016},  {"llama-3-8b", 2, 8.030},
        {"llama-3-70b", 2, 70.554}, {"llama-3.2-1b", 1, 1.236},  {"llama-3.2-3b", 1, 3.213},
        {"mistral-7b", 2, 7.242},   {"tinyllama-1.1b", 2, 1.10}, {"qwen2.5-0.5b", 1, 0.494},
        {"qwen2.5-1.5b", 1, 1.544}, {"qwen2.5-3b", 1, 3.086},    {"qwen2.5-7b", 2, 7.616},
        {"phi-3-mini", 2, 3.821},   {"gemma-2b", 1, 2.506},      {"gemma-7b", 1, 8.538},
        {"gemma-2-2b", 1, 2.614},   {"gemma-2-9b", 1, 9.242},    {"gpt2", 1, 0.124},
        {"gpt2-medium", 1, 0.355},  {"gpt2-large", 1, 0.774},    {"gpt2-xl", 1, 1.558},
    };
    assert_int_equal(llm_count(), sizeof published / sizeof *published);
    for (size_t i = 0; i < llm_count(); i++) {
        const struct llm *llm = llm_find(published[i].name);
        assert_non_null(llm);
        assert_ptr_equal(llm, llm_at(i));
        double weights =
            llm->layers * llm_layer_weights(llm) + published[i].embeddings * llm->vocab * llm->hidden;
        if (strncmp(llm->name, "gpt2", 4) == 0)
            weights += 1024.0 * llm->hidden;
        assert_near(weights / 1e9, published[i].billions, 0.006 * published[i].billions);
        assert_true(strlen(llm->source) > 20);
    }
    assert_null(llm_find("llama"));
}

static void geometry_work_equals_the_papers_for_plain_transformers(void **state)
{
    (void) state;
    const struct llm *gpt2 = llm_find("gpt2-xl");
    assert_same(llm_layer_flop(gpt2, WORK_GEOMETRY, 77), llm_layer_flop(gpt2, WORK_PAPER, 77));
    const struct llm *mistral = llm_find("mistral-7b");
    assert_near(llm_layer_flop(mistral, WORK_GEOMETRY, 128), 2.0 * 128 * 218103808, 1.0);
}

/* Full scores and values would be n / 6d of A7: 33 % at 8,192 tokens and 533 % at 131,072. A token that looks back alone
 * halves them, but for itself. */
static void counted_attention_is_half_the_square_of_the_prompt(void **state)
{
    (void) state;
    const struct llm *llm = llm_find("llama-2-7b");
    static const struct {
        uint32_t tokens;
        double full;
    } at[] = {{8192, 1.0 / 3.0}, {131072, 16.0 / 3.0}};
    for (size_t i = 0; i < 2; i++) {
        double n = at[i].tokens, linear = llm_layer_flop(llm, WORK_PAPER, at[i].tokens);
        assert_near(4.0 * n * n * 4096 / linear, at[i].full, 1e-12);
        assert_near(llm_attention_flop(llm, at[i].tokens) / linear, at[i].full * (n + 1) / (2 * n), 1e-12);
    }
    /* By hand: the t-th token has t pairs, and each costs 2 query for its score and 2 query for its value. */
    double pairs = 0.0;
    for (uint32_t t = 1; t <= 100; t++)
        pairs += t;
    assert_same(llm_attention_flop(llm_find("gemma-7b"), 100), pairs * 4 * 4096);
}

static void the_key_adds_attention_to_either_kind_of_work(void **state)
{
    (void) state;
    static const char *const works[] = {"model.work=paper", "model.work=geometry"};
    for (size_t i = 0; i < 2; i++) {
        struct world without = round_world((const char *[]){works[i], NULL});
        struct world with = round_world((const char *[]){works[i], "model.attention=counted", NULL});
        double linear = llm_layer_flop(without.llm, without.scenario.model.work, 512);
        double square = llm_attention_flop(without.llm, 512);
        assert_same(cost_layer_flop(&without, 512), linear);
        assert_same(cost_layer_flop(&with, 512), linear + square);
        assert_same(cost_local_s(&with, &with.device[0], 512, 3), 3 * (linear + square) / 1e12);
        with.server[0].flops = 1e13;
        assert_same(cost_edge_s(&with, 0, 0.5, 512, 30), 2 * (linear + square) / 5e12);
        world_finish(&without);
        world_finish(&with);
    }
}

/* PL(1 km) = 128.1 dB; PL(100 m) = 90.5 dB; N0 = -174 dBm/Hz. */
static void gains_follow_the_path_loss(void **state)
{
    (void) state;
    struct scenario scenario = check_scenario(NULL);
    assert_near(radio_gain(&scenario, 1000.0, 1.0), 1.5488166189124828e-13, 1e-25);
    assert_near(radio_gain(&scenario, 100.0, 1.0), 8.912509381337441e-10, 1e-21);
    assert_near(radio_gain(&scenario, 100.0, 0.25), 8.912509381337441e-10 / 4, 1e-21);
    assert_same(radio_gain(&scenario, 123.0, 0.5), radio_gain_squared(&scenario, 123.0 * 123.0, 0.5));
}

/* A6 at 400 m: PL = 113.137 dB, p g = 2.428e-12 W, N0 b = 7.962e-14 W, so r = 20 MHz log2(1 + 30.49) = 99.54
 * Mbit/s. */
static void rates_follow_shannon(void **state)
{
    (void) state;
    struct scenario scenario = check_scenario(NULL);
    double gain = radio_gain(&scenario, 400.0, 1.0);
    double noise_w = pow(10.0, -20.4) * 20e6;
    assert_near(radio_rate_bps(&scenario, 20e6, 0.5, gain), 20e6 * log2(1.0 + 0.5 * gain / noise_w), 1.0);
    assert_near(radio_rate_bps(&scenario, 20e6, 0.5, gain) / 1e6, 99.54, 0.005);
    assert_same(radio_rate_bps(&scenario, 0.0, 0.5, gain), 0.0);
    assert_true(radio_rate_bps(&scenario, 20e6, 0.5, 1e-40) > 0.0);
    assert_true(radio_rate_bps(&scenario, 1e7, 0.5, gain) > 0.5 * radio_rate_bps(&scenario, 2e7, 0.5, gain));
}

static void parts_of_a_task_take_what_a_hand_calculation_says(void **state)
{
    (void) state;
    struct world world = round_world(NULL);
    double layer_s = 24.0 * 128 * 4096 * 4096 / 1e12;
    assert_near(cost_local_s(&world, &world.device[0], 128, 8), 8 * layer_s, 1e-12);
    assert_near(cost_full_s(&world, &world.device[0], 128), 1.649267441664, 1e-12);
    assert_near(cost_full_j(&world, &world.device[0], 128), 8.24633720832, 1e-11);
    world.server[0].flops = 1e13;
    assert_near(cost_edge_s(&world, 0, 0.5, 128, 8), 24 * layer_s / 5.0, 1e-12);
    assert_same(cost_edge_s(&world, 0, 0.0, 128, 32), 0.0);
    assert_near(radio_transmit_s(8388608.0, 1e8), 0.08388608, 1e-15);
    assert_same(radio_transmit_s(0.0, 0.0), 0.0);
    assert_true(isinf(radio_transmit_s(1.0, 0.0)));
    struct task_times times = {1.0, 2.0, 3.0, 4.0, 0.0, 0.0};
    struct task_joules joules = cost_joules(&world.device[0], 150.0, 0.25, &times);
    assert_same(joules.compute_j, 5.0);
    assert_same(joules.transmit_j, 1.0);
    assert_same(joules.server_j, 150.0);
    assert_same(cost_latency_s(&times), 10.0);
    assert_same(cost_energy_j(&world.scenario, &joules), 156.0);
    world_finish(&world);
}

static void all_local_costs_exactly_one_on_every_device(void **state)
{
    (void) state;
    static const double weights[] = {0.0, 0.1, 0.2, 0.3, 1.0 / 3.0, 0.49999999999999994, 0.5, 0.7, 0.9, 1.0};
    struct world world = check_world((const char *[]){"devices.count=500", "objective.deadline_s=0", NULL});
    struct task_plan plan = {.split = world.llm->layers};
    for (uint32_t n = 0; n < world.devices; n++) {
        world.scenario.objective.latency_weight = weights[n % 10];
        uint32_t tokens = 1 + 37 * n;
        struct task_outcome outcome;
        cost_outcome(&world, n, tokens, 0.0, &plan, &outcome);
        assert_same(outcome.latency_s, cost_full_s(&world, &world.device[n], tokens));
        assert_same(outcome.energy_j, cost_full_j(&world, &world.device[n], tokens));
        assert_same(outcome.payload_bits, 0.0);
        assert_same(
            cost_task(&world, &world.device[n], tokens, outcome.latency_s, outcome.energy_j, false, NULL),
            1.0);
    }
    world_finish(&world);
}

/* The order in which device, link and server compute their parts. */
static void an_outcome_is_the_composition_of_its_parts(void **state)
{
    (void) state;
    struct world world = check_world(NULL);
    for (uint32_t split = 0; split <= world.llm->layers; split++) {
        uint32_t n = split % world.devices;
        uint32_t m = split % world.servers;
        bool remote = split < world.llm->layers;
        double gain = 1e-11 * (1 + split);
        struct task_plan plan = {.split = split,
                                 .server = m,
                                 .bandwidth_share = remote ? 1.0 / 3.0 : 0.0,
                                 .compute_share = remote ? 0.25 : 0.0};
        struct task_outcome outcome;
        cost_outcome(&world, n, 128, gain, &plan, &outcome);
        double bits = llm_split_bits(world.llm, split, 128, 16);
        double rate_bps =
            remote ? radio_rate_bps(&world.scenario, plan.bandwidth_share * 20 * 1e6, 0.5, gain) : 0.0;
        struct task_times times = {
            .local_s = cost_local_s(&world, &world.device[n], 128, split),
            .transmit_s = radio_transmit_s(bits, rate_bps),
            .queue_s = 0.0,
            .edge_s = remote ? cost_edge_s(&world, m, 0.25, 128, split) : 0.0,
        };
        struct task_joules joules =
            cost_joules(&world.device[n], remote ? world.server[m].power_w : 0.0, plan.compute_share, &times);
        assert_same(outcome.rate_bps, rate_bps);
        assert_same(outcome.payload_bits, bits);
        assert_memory_equal(&outcome.times, &times, sizeof times);
        assert_memory_equal(&outcome.joules, &joules, sizeof joules);
        assert_same(outcome.latency_s, cost_latency_s(&times));
        assert_same(outcome.energy_j, cost_energy_j(&world.scenario, &joules));
    }
    world_finish(&world);
}

/* A12: K users with equal work share a server for the time t and are charged P_m t together, not K P_m t. */
static void a_servers_energy_is_counted_once(void **state)
{
    (void) state;
    struct world world = round_world(NULL);
    for (uint32_t users = 1; users <= 8; users++) {
        struct task_plan plan = {
            .split = 12, .server = 1, .bandwidth_share = 1.0 / users, .compute_share = 1.0 / users};
        double charged_j = 0.0;
        struct task_outcome outcome = {0};
        for (uint32_t k = 0; k < users; k++) {
            cost_outcome(&world, 0, 128, 1e-10, &plan, &outcome);
            charged_j += outcome.joules.server_j;
        }
        assert_near(charged_j, world.server[1].power_w * outcome.times.edge_s, 1e-9);
    }
    world_finish(&world);
}

/* A15 with T_max = 1.2 s, beta = 5, beta_v = 0.1. */
static void lateness_and_repairs_are_penalised(void **state)
{
    (void) state;
    struct world world = round_world(NULL);
    const struct device_params *device = &world.device[0];
    double plain =
        0.5 * (1.8 / cost_full_s(&world, device, 128)) + 0.5 * (4.0 / cost_full_j(&world, device, 128));
    assert_near(cost_task(&world, device, 128, 1.8, 4.0, false, NULL), plain + 5.0 * 0.5, 1e-12);
    assert_near(cost_task(&world, device, 128, 1.8, 4.0, true, NULL), plain + 2.5 + 0.1, 1e-12);
    assert_near(cost_task(&world, device, 128, 1.2, 4.0, false, NULL), plain - 0.5 * 0.6 / 1.649267441664,
                1e-12);
    assert_true(cost_deadline_missed(&world.scenario, 1.3));
    assert_false(cost_deadline_missed(&world.scenario, 1.2));
    world.scenario.objective.deadline_s = 0.0;
    assert_false(cost_deadline_missed(&world.scenario, 1e9));
    assert_near(cost_task(&world, device, 128, 1.8, 4.0, false, NULL), plain, 1e-12);
    world_finish(&world);
}

/* ---- quality ---- */

#define LOSSY                                                                                                \
    "channel.mode=erasure", "channel.loss_min=0.2", "channel.loss_max=0.2", "quality.source=table",          \
        "quality.table=0,0.4 | 4:0,1 | 8:0,0.5", "model.max_split=10"

static struct task_quality quality_of(const struct world *world, uint32_t split)
{
    const struct task_plan plan = {
        .split = split, .server = 1, .bandwidth_share = 0.5, .compute_share = 0.25};
    struct task_outcome outcome;
    cost_outcome(world, 0, 128, 1e-11, &plan, &outcome);
    return cost_quality_planned(world, 0, (struct slot_id){RNG_TRAIN, 1, 3}, 1e-11, &plan, &outcome);
}

/* A16 */
static void damage_adds_its_weight_to_latency_and_energy(void **state)
{
    (void) state;
    struct world world = round_world((const char *[]){LOSSY, "objective.quality_weight=2", NULL});
    const struct device_params *device = &world.device[0];
    struct task_quality none = {.split = 4}, quality = quality_of(&world, 4);
    double plain = cost_task(&world, device, 128, 1.0, 4.0, true, &none);
    assert_same(quality.log_ratio, 0.5);
    assert_near(cost_task(&world, device, 128, 1.0, 4.0, true, &quality), plain + 2.0 * 0.5, 1e-12);
    quality = quality_of(&world, 32);
    assert_same(quality.log_ratio, 0.0); /* nothing crosses */
    world.scenario.objective.quality_weight = 0.0;
    quality = quality_of(&world, 4);
    assert_same(cost_task(&world, device, 128, 1.0, 4.0, true, &quality), plain);
    world_finish(&world);
}

/* B1: neither seconds nor joules nor repairs count. */
static void a_shaped_reward_is_the_gain_and_an_early_split(void **state)
{
    (void) state;
    struct world world =
        round_world((const char *[]){LOSSY, "objective.reward=shaped", "objective.gain_weight=10", NULL});
    struct task_quality quality = quality_of(&world, 4);
    double gain = 1.0 - exp(0.5);
    assert_near(cost_task(&world, &world.device[0], 128, 1.0, 4.0, true, &quality), -(10.0 * gain + 0.6),
                1e-12);
    quality = quality_of(&world, 10);
    assert_near(cost_task(&world, &world.device[0], 128, 9.0, 9.0, false, &quality),
                -(10.0 * (1.0 - exp(0.25))), 1e-12);
    world_finish(&world);
}

static void a_gain_may_be_relative_to_the_episodes_first_split(void **state)
{
    (void) state;
    struct world world = round_world((const char *[]){
        LOSSY, "objective.reward=shaped", "objective.gain_reference=initial", "model.split_step=1",
        "model.min_split=1", "model.first_split_min=8", "model.first_split_max=8", NULL});
    struct task_quality quality = quality_of(&world, 4);
    assert_same(quality.reference, 0.25);
    assert_near(cost_task(&world, &world.device[0], 128, 1.0, 4.0, false, &quality),
                -(10.0 * (1.0 - exp(0.5 - 0.25)) + 0.6), 1e-12);
    quality = quality_of(&world, 8);
    assert_same(cost_task(&world, &world.device[0], 128, 1.0, 4.0, false, &quality), -0.2); /* no gain */
    world_finish(&world);
}

/* B2, with work in proportion to the split (their equation 2, corrected). */
static void a_papers_reward_is_perplexity_and_work(void **state)
{
    (void) state;
    struct world world =
        round_world((const char *[]){LOSSY, "objective.reward=paper", "objective.work_weight=3", NULL});
    struct task_quality quality = quality_of(&world, 8);
    assert_near(cost_task(&world, &world.device[0], 128, 1.0, 4.0, true, &quality), exp(0.25) + 3.0 * 0.25,
                1e-12);
    quality = quality_of(&world, 32);
    assert_same(cost_task(&world, &world.device[0], 128, 1.0, 4.0, false, &quality), 4.0);
    world_finish(&world);
}

/* What is declared stays; the node with half of its speed takes exactly twice as long. */
static void a_slow_node_takes_longer_and_what_it_declares_does_not_say_so(void **state)
{
    (void) state;
    struct world world = round_world((const char *[]){
        "faults.script=episode 1 slot 3 slow server 1 by 0.5; episode 2 slot 0 slow device 0 by 0.5", NULL});
    const struct task_plan plan = {.split = 8, .server = 1, .bandwidth_share = 0.5, .compute_share = 0.25};
    const struct task_plan other = {.split = 8, .server = 2, .bandwidth_share = 0.5, .compute_share = 0.25};
    const struct task_plan local = {.split = 32};
    struct task_outcome told, is, elsewhere;
    cost_outcome(&world, 0, 128, 1e-11, &plan, &told);
    cost_outcome(&world, 0, 128, 1e-11, &other, &elsewhere);
    cost_outcome_in(&world, (struct slot_id){RNG_TRAIN, 1, 2}, 0, 128, 1e-11, &plan, &is);
    assert_memory_equal(&is, &told, sizeof is); /* not yet */
    cost_outcome_in(&world, (struct slot_id){RNG_TRAIN, 1, 3}, 0, 128, 1e-11, &other, &is);
    assert_memory_equal(&is, &elsewhere, sizeof is); /* not there */
    cost_outcome_in(&world, (struct slot_id){RNG_TRAIN, 1, 3}, 0, 128, 1e-11, &plan, &is);
    assert_same(is.times.edge_s, 2.0 * told.times.edge_s);
    assert_same(is.times.local_s, told.times.local_s);
    assert_same(is.times.transmit_s, told.times.transmit_s);
    assert_same(is.joules.server_j, world.server[1].power_w * 0.25 * is.times.edge_s);
    assert_same(is.joules.server_j, 2.0 * told.joules.server_j);
    assert_same(is.joules.compute_j, told.joules.compute_j);
    assert_near(is.latency_s, told.latency_s + told.times.edge_s, 1e-12);
    assert_near(is.energy_j, told.energy_j + told.joules.server_j, 1e-9);
    cost_outcome_in(&world, (struct slot_id){RNG_TRAIN, 2, 0}, 0, 128, 1e-11, &plan, &is);
    assert_same(is.times.edge_s, 2.0 * told.times.edge_s); /* still */
    assert_same(is.times.local_s, 2.0 * told.times.local_s);
    cost_outcome(&world, 0, 128, 0.0, &local, &told);
    cost_outcome_in(&world, (struct slot_id){RNG_TRAIN, 1, 3}, 0, 128, 0.0, &local, &is);
    assert_memory_equal(&is, &told, sizeof is); /* a server's pace is nothing to a local task */
    world_finish(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llama_2_7b_has_the_published_work_and_sizes),
        cmocka_unit_test(every_geometry_makes_its_published_size),
        cmocka_unit_test(geometry_work_equals_the_papers_for_plain_transformers),
        cmocka_unit_test(counted_attention_is_half_the_square_of_the_prompt),
        cmocka_unit_test(the_key_adds_attention_to_either_kind_of_work),
        cmocka_unit_test(gains_follow_the_path_loss),
        cmocka_unit_test(rates_follow_shannon),
        cmocka_unit_test(parts_of_a_task_take_what_a_hand_calculation_says),
        cmocka_unit_test(all_local_costs_exactly_one_on_every_device),
        cmocka_unit_test(an_outcome_is_the_composition_of_its_parts),
        cmocka_unit_test(a_servers_energy_is_counted_once),
        cmocka_unit_test(lateness_and_repairs_are_penalised),
        cmocka_unit_test(damage_adds_its_weight_to_latency_and_energy),
        cmocka_unit_test(a_shaped_reward_is_the_gain_and_an_early_split),
        cmocka_unit_test(a_gain_may_be_relative_to_the_episodes_first_split),
        cmocka_unit_test(a_papers_reward_is_perplexity_and_work),
        cmocka_unit_test(a_slow_node_takes_longer_and_what_it_declares_does_not_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
