#include "core/model/env.h"

#include <stdlib.h>

#include "check.h"
#include "core/model/cost.h"
#include "core/model/llm.h"

struct bench {
    struct world world;
    struct env_view view;
    struct env_decision decision;
    uint32_t load[WORLD_SERVERS_MAX];
};

/* Every device observed; no wish yet. */
static void bench_start(struct bench *bench, const char *const *assignments)
{
    bench->world = check_world(assignments);
    assert_int_equal(env_view_init(&bench->view, &bench->world), 0);
    assert_int_equal(env_decision_init(&bench->decision, bench->world.devices), 0);
    check_observe_all(&bench->view, 0);
}

static void bench_stop(struct bench *bench)
{
    env_decision_finish(&bench->decision);
    env_view_finish(&bench->view);
    world_finish(&bench->world);
}

/* Coverage by hand: one letter a server. */
static void cover(struct bench *bench, uint32_t device, const char *servers)
{
    for (uint32_t m = 0; m < bench->world.servers; m++)
        bench->view.covered[device * bench->world.servers + m] = servers[m] == 'c';
}

static void wish(struct bench *bench, uint32_t device, uint32_t split, uint32_t server)
{
    bench->decision.split[device] = split;
    bench->decision.server[device] = server;
    bench->decision.bandwidth_share[device] = 0.5;
    bench->decision.compute_share[device] = 0.5;
}

static void assert_decided(const struct bench *bench, uint32_t device, uint32_t split, uint32_t server,
                           bool repaired)
{
    assert_int_equal(bench->decision.split[device], split);
    assert_int_equal(bench->decision.server[device], server);
    assert_int_equal(bench->decision.repaired[device], repaired);
    assert_same(bench->decision.bandwidth_share[device], 0.0);
    assert_same(bench->decision.compute_share[device], 0.0);
}

static void wish_all_local(struct bench *bench)
{
    for (uint32_t n = 0; n < bench->world.devices; n++)
        wish(bench, n, bench->world.llm->layers, 0);
}

static void the_state_of_ten_devices_and_three_servers_has_106_entries(void **state)
{
    (void) state;
    struct bench bench;
    bench_start(&bench, NULL);
    assert_int_equal(env_state_size(&bench.world), 106);
    assert_int_equal(env_action_size(&bench.world), 20);
    bench_stop(&bench);
}

static void state_entries_stand_where_the_layout_says(void **state)
{
    (void) state;
    struct bench bench;
    float entries[106];
    bench_start(&bench, (const char *[]){"radio.fading=none", NULL});
    bench.view.position[1] = (struct vec2){250.0, 1000.0};
    bench.view.speed_mps[1] = 5.0;
    bench.view.gain[3 * 1 + 2] = bench.view.gain[3 * 1];
    bench.world.device[1].flops = 0.75e12;
    bench.world.server[2].flops = 10e12;
    bench.view.previous_load[2] = 10;
    env_state(&bench.view, entries);
    assert_near((double) entries[4], -0.5, 1e-6);
    assert_near((double) entries[5], 1.0, 1e-6);
    assert_near((double) entries[6], -0.5, 1e-6);
    assert_near((double) entries[7], -0.5, 1e-6);
    assert_same((double) entries[40 + 6], (double) entries[40 + 6 + 4]); /* gains of servers 0 and 2 */
    assert_near((double) entries[40 + 6 + 1], 2.0 * 750.0 / sqrt(2e6) - 1.0, 1e-6); /* distance to server 0 */
    assert_near((double) entries[100], 2.0 * (bench.world.server[0].flops / 1e12 - 5.0) / 5.0 - 1.0, 1e-6);
    assert_near((double) entries[101], -1.0, 1e-6);
    assert_near((double) entries[104], 1.0, 1e-6);
    assert_near((double) entries[105], 1.0, 1e-6);
    bench_stop(&bench);
}

static void state_entries_are_scaled_to_about_one_in_every_world(void **state)
{
    (void) state;
    struct bench bench;
    float entries[106];
    bench_start(&bench, NULL);
    double sum = 0.0, squares = 0.0;
    unsigned outside = 0;
    for (uint32_t episode = 0; episode < 500; episode++) {
        check_observe_all(&bench.view, episode);
        env_state(&bench.view, entries);
        for (size_t i = 0; i < 106; i++) {
            assert_true(fabs((double) entries[i]) <= 1.5);
            outside += fabs((double) entries[i]) > 1.0;
            sum += (double) entries[i];
            squares += (double) (entries[i] * entries[i]);
        }
    }
    assert_true(outside < 500 * 106 / 50);
    assert_true(fabs(sum / (500 * 106)) < 0.5);
    assert_true(squares / (500 * 106) > 0.1);
    bench_stop(&bench);
}

static void an_absent_device_is_zero_in_the_state_and_local_in_the_decision(void **state)
{
    (void) state;
    struct bench bench;
    float entries[106];
    bench_start(&bench, NULL);
    bench.view.present[3] = false;
    env_state(&bench.view, entries);
    for (size_t i = 0; i < 4; i++)
        assert_same((double) entries[12 + i], 0.0);
    for (size_t i = 0; i < 6; i++)
        assert_same((double) entries[40 + 18 + i], 0.0);
    assert_true((double) entries[16] != 0.0 && (double) entries[40 + 24] != 0.0);
    wish_all_local(&bench);
    wish(&bench, 3, 5, 1);
    env_repair(&bench.view, &bench.decision);
    assert_decided(&bench, 3, 32, ENV_LOCAL, false);
    bench_stop(&bench);
}

static void real_requests_add_one_entry_a_device(void **state)
{
    (void) state;
    struct bench bench;
    float entries[116];
    bench_start(&bench, NULL);
    bench.world.tokens = calloc(10, sizeof *bench.world.tokens);
    bench.world.token_rows = 1;
    assert_int_equal(env_state_size(&bench.world), 116);
    bench.view.tokens[1] = 512;
    env_state(&bench.view, entries);
    assert_near((double) entries[9], 0.0, 1e-6);
    bench_stop(&bench);
}

/* An entry of env_state for each entry of one device's state, by the two layouts. */
static void assert_seen(const struct bench *bench, uint32_t device)
{
    const struct world *world = &bench->world;
    size_t devices = world->devices, servers = world->servers;
    size_t own = env_is_queue(world) && world->scenario.task.probability < 1.0 ? 5 : 4;
    size_t all = env_state_size(world), size = env_device_state_size(world), at = 0;
    float *entries = calloc(all + size, sizeof *entries), *seen = entries + all;
    assert_non_null(entries);
    env_state(&bench->view, entries);
    env_device_state(&bench->view, device, seen);
    for (size_t i = 0; i < own; i++)
        assert_same((double) seen[at++], (double) entries[device * own + i]);
    for (size_t i = 0; i < 2 * servers; i++)
        assert_same((double) seen[at++], (double) entries[devices * own + device * 2 * servers + i]);
    const float *rest = entries + devices * (own + 2 * servers);
    for (size_t i = 0; i < 2 * servers; i++)
        assert_same((double) seen[at++], (double) rest[i]);
    for (size_t i = 0; i < (env_is_queue(world) ? 2 : 0); i++)
        assert_same((double) seen[at++], (double) rest[2 * servers + 2 * device + i]);
    for (size_t i = 0; i < (env_is_queue(world) ? 2 * servers : 0); i++)
        assert_same((double) seen[at++], (double) rest[2 * servers + 2 * devices + i]);
    assert_int_equal(at, size);
    free(entries);
}

static void a_device_sees_its_own_part_of_the_state_and_the_servers(void **state)
{
    (void) state;
    static const char *const round[] = {NULL};
    static const char *const queue[] = {"run.mode=queue", "task.probability=0.5", "servers.count=2", NULL};
    const char *const *worlds[] = {round, queue};
    static const size_t sizes[] = {16, 5 + 4 * 2 + 2 + 2 * 2};
    for (size_t w = 0; w < 2; w++) {
        struct bench bench;
        bench_start(&bench, worlds[w]);
        assert_int_equal(env_device_state_size(&bench.world), sizes[w]);
        bench.view.previous_load[1] = 7;
        bench.view.backlog_s[1] = 1.5;
        bench.view.coming_s[0] = 0.5;
        bench.view.processor_s[4] = 2.5;
        bench.view.unsent_bits[4 * bench.world.servers + 1] = 1e7;
        bench.view.present[3] = false;
        for (uint32_t n = 0; n < bench.world.devices; n++)
            assert_seen(&bench, n);
        bench_stop(&bench);
    }
}

/* A14: every split and every server has the same share of a uniform action. */
static void equal_width_bins_give_every_integer_the_same_chance(void **state)
{
    (void) state;
    struct bench bench;
    bench_start(&bench,
                (const char *[]){"servers.coverage_m=2000", "devices.count=1", "model.min_split=3", NULL});
    unsigned splits[33] = {0}, servers[3] = {0};
    const int steps = 30 * 300;
    for (int i = 0; i < steps; i++) {
        float place = (float) (2.0 * (i + 0.5) / steps - 1.0);
        env_map_action(&bench.view, (float[]){place, -1.0f}, &bench.decision);
        splits[bench.decision.split[0]]++;
        env_map_action(&bench.view, (float[]){-1.0f, place}, &bench.decision);
        servers[bench.decision.server[0]]++;
        assert_false(bench.decision.repaired[0]);
    }
    for (uint32_t s = 0; s <= 32; s++)
        assert_near(splits[s], s < 3 ? 0 : 300, 1);
    for (uint32_t m = 0; m < 3; m++)
        assert_near(servers[m], 3000, 1);
    bench_stop(&bench);
}

static void actions_at_and_beyond_the_ends_fall_into_the_end_bins(void **state)
{
    (void) state;
    struct bench bench;
    bench_start(&bench, (const char *[]){"servers.coverage_m=2000", "devices.count=1", NULL});
    static const struct {
        float action[2];
        uint32_t split, server;
    } cases[] = {{{-1.0f, -1.0f}, 0, 0},
                 {{-7.0f, 1.0f}, 0, 2},
                 {{0.0f, 0.0f}, 16, 1},
                 {{1.0f, 1.0f}, 32, ENV_LOCAL},
                 {{9.0f, 0.0f}, 32, ENV_LOCAL},
                 {{(float) NAN, (float) NAN}, 0, 0},
                 {{(float) INFINITY, 0.0f}, 32, ENV_LOCAL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        env_map_action(&bench.view, cases[i].action, &bench.decision);
        assert_decided(&bench, 0, cases[i].split, cases[i].server, false);
    }
    bench_stop(&bench);
}

static void rounding_gives_the_ends_half_the_room_of_the_others(void **state)
{
    (void) state;
    struct bench bench;
    uint32_t splits[33] = {0}, servers[3] = {0};
    bench_start(&bench, (const char *[]){"servers.coverage_m=2000", "devices.count=1",
                                         "action.mapping=rounding", NULL});
    assert_int_equal(env_action_size(&bench.world), 2);
    for (uint32_t i = 0; i < 6400; i++) {
        float place = ((float) i + 0.5f) / 3200.0f - 1.0f;
        env_map_action(&bench.view, (float[]){place, -1.0f}, &bench.decision);
        splits[bench.decision.split[0]]++;
        env_map_action(&bench.view, (float[]){-1.0f, place}, &bench.decision);
        servers[bench.decision.server[0]]++;
    }
    for (uint32_t s = 0; s <= 32; s++)
        assert_near(splits[s], s == 0 || s == 32 ? 100 : 200, 1);
    for (uint32_t m = 0; m < 3; m++)
        assert_near(servers[m], m == 1 ? 3200 : 1600, 1);
    bench_stop(&bench);
}

static void scores_choose_the_best_server_in_coverage_without_repair(void **state)
{
    (void) state;
    struct bench bench;
    bench_start(&bench, (const char *[]){"devices.count=2", "action.mapping=scores", NULL});
    assert_int_equal(env_action_size(&bench.world), 8);
    cover(&bench, 0, "cc-");
    cover(&bench, 1, "---");
    env_map_action(&bench.view, (float[]){0.0f, 0.2f, 0.3f, 0.9f, 0.0f, 1.0f, 0.0f, 0.0f}, &bench.decision);
    assert_decided(&bench, 0, 16, 1, false);
    assert_decided(&bench, 1, 32, ENV_LOCAL, false);
    bench_stop(&bench);
}

static void a_last_number_chooses_among_codings_where_there_are_any(void **state)
{
    (void) state;
    static const struct {
        const char *mapping;
        size_t numbers;
        uint32_t ends, others; /* of 9000 */
    } cases[] = {{"action.mapping=bins", 3, 3000, 3000},
                 {"action.mapping=scores", 5, 3000, 3000},
                 {"action.mapping=rounding", 3, 2250, 4500}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct bench bench;
        uint32_t seen[3] = {0};
        bench_start(&bench, (const char *[]){"servers.coverage_m=2000", "devices.count=2",
                                             "action.formats=int8 q4", cases[k].mapping, NULL});
        assert_int_equal(env_action_size(&bench.world), 2 * cases[k].numbers);
        for (uint32_t i = 0; i < 9000; i++) {
            float action[10] = {0.0f};
            action[cases[k].numbers - 1] = (float) (2.0 * (i + 0.5) / 9000.0 - 1.0);
            action[2 * cases[k].numbers - 1] = 1.0f;
            env_map_action(&bench.view, action, &bench.decision);
            seen[bench.decision.coding[0]]++;
            assert_int_equal(bench.decision.coding[1], 2);
            assert_decided(&bench, 0, 16, bench.decision.server[0], false);
        }
        for (uint32_t coding = 0; coding < 3; coding++)
            assert_near(seen[coding], coding == 1 ? cases[k].others : cases[k].ends, 1);
        float local[10] = {0.0f};
        local[0] = local[cases[k].numbers - 1] = 1.0f;
        env_map_action(&bench.view, local, &bench.decision);
        assert_decided(&bench, 0, 32, ENV_LOCAL, false);
        assert_int_equal(bench.decision.coding[0], 0); /* nothing is sent */
        bench_stop(&bench);
    }
}

static void an_uncovered_wish_goes_to_the_covered_server_nearest_in_number(void **state)
{
    (void) state;
    struct bench bench;
    bench_start(&bench, (const char *[]){"servers.count=5", NULL});
    static const struct {
        const char *covered;
        uint32_t wish, server;
        bool repaired;
    } cases[] = {{"ccccc", 3, 3, false},
                 {"c---c", 3, 4, true},
                 {"c---c", 2, 0, true},
                 {"-c---", 4, 1, true},
                 {"ccccc", 77, 4, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wish_all_local(&bench);
        cover(&bench, 2, cases[i].covered);
        wish(&bench, 2, 7, cases[i].wish);
        env_repair(&bench.view, &bench.decision);
        assert_decided(&bench, 2, 7, cases[i].server, cases[i].repaired);
    }
    bench_stop(&bench);
}

static void no_coverage_means_local_and_is_no_repair(void **state)
{
    (void) state;
    struct bench bench;
    bench_start(&bench, NULL);
    wish_all_local(&bench);
    cover(&bench, 2, "---");
    wish(&bench, 2, 7, 1);
    env_repair(&bench.view, &bench.decision);
    assert_decided(&bench, 2, 32, ENV_LOCAL, false);
    bench_stop(&bench);
}

static void a_server_that_is_down_covers_nobody(void **state)
{
    (void) state;
    struct bench bench;
    bench_start(&bench, (const char *[]){"servers.coverage_m=2000", NULL});
    wish_all_local(&bench);
    wish(&bench, 2, 7, 1);
    bench.view.server_up[1] = false;
    env_repair(&bench.view, &bench.decision); /* it went down after the device was observed */
    assert_decided(&bench, 2, 7, 0, true);
    check_observe_all(&bench.view, 0);
    assert_false(bench.view.covered[2 * 3 + 1]);
    assert_true(bench.view.covered[2 * 3 + 2]);
    bench_stop(&bench);
}

/* What was mended before a decision was changed stays marked; a decision that is mended anew has its own marks. */
static void marks_stay_where_a_mended_decision_is_mended_again(void **state)
{
    (void) state;
    struct bench bench;
    bench_start(&bench, (const char *[]){"servers.count=2", "servers.coverage_m=2000", NULL});
    wish_all_local(&bench);
    wish(&bench, 2, 7, 1);
    wish(&bench, 3, 7, 77); /* no such server */
    bench.decision.repaired[2] = true;
    bench.decision.repaired[3] = false;
    env_mend(&bench.view, &bench.decision);
    assert_decided(&bench, 2, 7, 1, true);
    assert_decided(&bench, 3, 7, 1, true);
    env_repair(&bench.view, &bench.decision);
    assert_decided(&bench, 2, 7, 1, false);
    assert_decided(&bench, 3, 7, 1, false);
    bench_stop(&bench);
}

/* C1 and C7: 4 GB hold 9 layers. */
static void splits_are_kept_within_privacy_floor_and_memory(void **state)
{
    (void) state;
    struct bench bench;
    bench_start(&bench, (const char *[]){"servers.coverage_m=2000", "model.min_split=2",
                                         "devices.memory_gb=4", NULL});
    static const struct {
        uint32_t wish_split, wish_server, split, server;
        bool repaired;
    } cases[] = {{2, 1, 2, 1, false},          {9, 1, 9, 1, false},
                 {10, 1, 9, 1, true},          {31, 1, 9, 1, true},
                 {1, 1, 2, 1, true},           {32, 1, 32, ENV_LOCAL, false},
                 {33, 1, 32, ENV_LOCAL, true}, {5, ENV_LOCAL, 32, ENV_LOCAL, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wish_all_local(&bench);
        wish(&bench, 4, cases[i].wish_split, cases[i].wish_server);
        env_repair(&bench.view, &bench.decision);
        assert_decided(&bench, 4, cases[i].split, cases[i].server, cases[i].repaired);
    }
    bench_stop(&bench);
}

/* C8: 32 layers keep 67.1 MB for one device, so 0.15 GB hold two of them; the highest numbers go local. */
static void a_full_server_sends_its_highest_devices_home(void **state)
{
    (void) state;
    struct bench bench;
    bench_start(&bench, (const char *[]){"servers.coverage_m=2000", "servers.memory_gb=0.15", NULL});
    wish_all_local(&bench);
    for (uint32_t n = 1; n < 6; n++)
        wish(&bench, n, 0, 1);
    wish(&bench, 7, 0, 2);
    env_repair(&bench.view, &bench.decision);
    for (uint32_t n = 1; n < 6; n++)
        assert_decided(&bench, n, n < 3 ? 0 : 32, n < 3 ? 1 : ENV_LOCAL, n >= 3);
    assert_decided(&bench, 7, 0, 2, false);
    wish_all_local(&bench);
    wish(&bench, 0, 16, 1);
    for (uint32_t n = 1; n < 4; n++)
        wish(&bench, n, 16, 1); /* 4 x 16 layers are as many as 2 x 32 */
    env_repair(&bench.view, &bench.decision);
    for (uint32_t n = 0; n < 4; n++)
        assert_decided(&bench, n, 16, 1, false);
    bench_stop(&bench);
}

static void shares_are_equal_by_default(void **state)
{
    (void) state;
    struct bench bench;
    bench_start(&bench, (const char *[]){"servers.coverage_m=2000", NULL});
    wish_all_local(&bench);
    for (uint32_t n = 0; n < 3; n++)
        wish(&bench, n, 4 * n, 1);
    wish(&bench, 3, 9, 2);
    env_repair(&bench.view, &bench.decision);
    env_allocate(&bench.view, &bench.decision, bench.load);
    assert_int_equal(bench.load[0], 0);
    assert_int_equal(bench.load[1], 3);
    assert_int_equal(bench.load[2], 1);
    for (uint32_t n = 0; n < 3; n++) {
        assert_same(bench.decision.bandwidth_share[n], 1.0 / 3.0);
        assert_same(bench.decision.compute_share[n], 1.0 / 3.0);
    }
    assert_same(bench.decision.bandwidth_share[3], 1.0);
    assert_same(bench.decision.compute_share[3], 1.0);
    assert_same(bench.decision.compute_share[4], 0.0);
    bench_stop(&bench);
}

/* Queueing mode: whoever has something to send to a server, left over or new, has a part of its band. */
static void a_band_is_divided_among_those_with_something_to_send(void **state)
{
    (void) state;
    struct bench bench;
    double share[4 * 3];
    bench_start(&bench,
                (const char *[]){"run.mode=queue", "devices.count=4", "servers.coverage_m=2000", NULL});
    wish_all_local(&bench);
    wish(&bench, 0, 4, 1);
    wish(&bench, 1, 4, 1);
    env_repair(&bench.view, &bench.decision);
    bench.view.unsent_bits[1 * 3 + 1] = 5.0; /* left over beside the new: one device all the same */
    bench.view.unsent_bits[2 * 3 + 1] = 5.0;
    bench.view.unsent_bits[0 * 3 + 2] = 5.0;
    bench.view.unsent_bits[3 * 3 + 1] = 5.0;
    bench.view.present[3] = false;
    for (size_t i = 0; i < 12; i++)
        share[i] = (double) NAN;
    env_queue_allocate(&bench.view, &bench.decision, share, bench.load);
    static const double expected[12] = {0, 1.0 / 3, 1, 0, 1.0 / 3, 0, 0, 1.0 / 3, 0, 0, 0, 0};
    for (size_t i = 0; i < 12; i++)
        assert_same(share[i], expected[i]);
    assert_int_equal(bench.load[0], 0);
    assert_int_equal(bench.load[1], 3);
    assert_int_equal(bench.load[2], 1);
    for (uint32_t n = 0; n < 4; n++) {
        assert_same(bench.decision.bandwidth_share[n], n < 2 ? 1.0 / 3 : 0.0);
        assert_same(bench.decision.compute_share[n], n < 2 ? 1.0 : 0.0);
    }
    bench_stop(&bench);
}

static void proportional_shares_follow_bits_and_work(void **state)
{
    (void) state;
    struct bench bench;
    bench_start(&bench, (const char *[]){"servers.coverage_m=2000", "servers.sharing=proportional",
                                         "radio.sharing=proportional", NULL});
    wish_all_local(&bench);
    wish(&bench, 0, 0, 1);  /* 32 layers, 4096 bits */
    wish(&bench, 1, 24, 1); /* 8 layers, 8388608 bits */
    bench.view.tokens[1] = 256;
    env_repair(&bench.view, &bench.decision);
    env_allocate(&bench.view, &bench.decision, bench.load);
    assert_near(bench.decision.compute_share[0], 32.0 / 48.0, 1e-15); /* the second has twice the tokens */
    assert_near(bench.decision.compute_share[1], 16.0 / 48.0, 1e-15);
    assert_near(bench.decision.bandwidth_share[0], 4096.0 / (4096.0 + 2 * 8388608.0), 1e-15);
    assert_near(bench.decision.bandwidth_share[1], 2 * 8388608.0 / (4096.0 + 2 * 8388608.0), 1e-15);
    bench_stop(&bench);
}

static void proportional_shares_follow_counted_attention_and_measured_times(void **state)
{
    (void) state;
    static const struct {
        const char *key;
        double work[2]; /* of one layer, for 128 and 256 tokens */
    } ways[] = {
        {"model.attention=counted",
         {24.0 * 128 * 4096 * 4096 + 2.0 * 128 * 129 * 4096,
          24.0 * 256 * 4096 * 4096 + 2.0 * 256 * 257 * 4096}},
        {"model.times=128:1 256:3", {1.0, 3.0}},
    };
    for (size_t i = 0; i < 2; i++) {
        struct bench bench;
        bench_start(&bench, (const char *[]){"servers.coverage_m=2000", "servers.sharing=proportional",
                                             ways[i].key, NULL});
        wish_all_local(&bench);
        wish(&bench, 0, 0, 1);
        wish(&bench, 1, 24, 1);
        bench.view.tokens[1] = 256;
        env_repair(&bench.view, &bench.decision);
        env_allocate(&bench.view, &bench.decision, bench.load);
        double whole = 32 * ways[i].work[0] + 8 * ways[i].work[1];
        assert_near(bench.decision.compute_share[0], 32 * ways[i].work[0] / whole, 1e-15);
        assert_near(bench.decision.compute_share[1], 8 * ways[i].work[1] / whole, 1e-15);
        bench_stop(&bench);
    }
}

static void a_shared_band_is_divided_over_all_offloaders(void **state)
{
    (void) state;
    struct bench bench;
    bench_start(&bench, (const char *[]){"servers.coverage_m=2000", "radio.sharing=shared", NULL});
    wish_all_local(&bench);
    for (uint32_t n = 0; n < 5; n++)
        wish(&bench, n, 4, n % 3);
    env_repair(&bench.view, &bench.decision);
    env_allocate(&bench.view, &bench.decision, bench.load);
    for (uint32_t n = 0; n < 5; n++)
        assert_same(bench.decision.bandwidth_share[n], 1.0 / 5.0);
    assert_same(bench.decision.compute_share[0], 1.0 / 2.0);
    bench_stop(&bench);
}

/* C3 and C4, whatever the rules. */
static void shares_of_a_server_never_exceed_it(void **state)
{
    (void) state;
    static const char *const rules[][2] = {{"servers.sharing=equal", "radio.sharing=equal"},
                                           {"servers.sharing=proportional", "radio.sharing=proportional"},
                                           {"servers.sharing=equal", "radio.sharing=shared"}};
    for (size_t r = 0; r < 3; r++) {
        struct bench bench;
        bench_start(&bench, (const char *[]){"devices.count=40", rules[r][0], rules[r][1], NULL});
        for (uint32_t trial = 0; trial < 200; trial++) {
            double bandwidth[3] = {0}, compute[3] = {0};
            struct rng_at at = {.seed = 5, .slot = trial};
            for (uint32_t n = 0; n < 40; n++)
                wish(&bench, n, rng_below(&at, 2 * n, 33), rng_below(&at, 2 * n + 1, 3));
            env_repair(&bench.view, &bench.decision);
            env_allocate(&bench.view, &bench.decision, bench.load);
            for (uint32_t n = 0; n < 40; n++) {
                assert_int_equal(bench.decision.server[n] == ENV_LOCAL, bench.decision.split[n] == 32);
                if (bench.decision.server[n] == ENV_LOCAL)
                    continue;
                bandwidth[bench.decision.server[n]] += bench.decision.bandwidth_share[n];
                compute[bench.decision.server[n]] += bench.decision.compute_share[n];
            }
            for (size_t m = 0; m < 3; m++)
                assert_true(bandwidth[m] <= 1.0 + 1e-12 && compute[m] <= 1.0 + 1e-12);
        }
        bench_stop(&bench);
    }
}

static void the_joint_cost_is_the_mean_of_the_tasks_costs(void **state)
{
    (void) state;
    struct bench bench;
    double costs[10];
    bool reported[10];
    bench_start(&bench, (const char *[]){"servers.coverage_m=2000", NULL});
    wish_all_local(&bench);
    for (uint32_t n = 0; n < 6; n++)
        wish(&bench, n, 5 * n, n == 5 ? 99 : n % 3);
    env_repair(&bench.view, &bench.decision);
    env_allocate(&bench.view, &bench.decision, bench.load);
    for (uint32_t n = 0; n < 10; n++) {
        uint32_t m = bench.decision.server[n] == ENV_LOCAL ? 0 : bench.decision.server[n];
        struct task_plan plan = {
            .split = bench.decision.split[n],
            .server = m,
            .bandwidth_share = bench.decision.bandwidth_share[n],
            .compute_share = bench.decision.compute_share[n],
            .coding = bench.decision.coding[n],
        };
        struct task_outcome outcome;
        cost_outcome(&bench.world, n, 128, bench.view.gain[3 * n + m], &plan, &outcome);
        costs[n] = cost_task(&bench.world, &bench.world.device[n], 128, outcome.latency_s, outcome.energy_j,
                             n == 5, NULL);
        reported[n] = true;
    }
    assert_same(env_joint_cost(&bench.view, &bench.decision), -env_reward(costs, reported, 10));
    reported[4] = false;
    double sum = 0.0;
    for (uint32_t n = 0; n < 10; n++)
        sum += n == 4 ? 0.0 : costs[n];
    assert_near(env_reward(costs, reported, 10), -sum / 9, 1e-15);
    memset(reported, 0, sizeof reported);
    assert_same(env_reward(costs, reported, 10), 0.0);
    bench_stop(&bench);
}

static void all_local_without_a_deadline_scores_exactly_minus_one(void **state)
{
    (void) state;
    struct bench bench;
    bench_start(&bench, (const char *[]){"objective.deadline_s=0", "devices.count=37", NULL});
    wish_all_local(&bench);
    env_repair(&bench.view, &bench.decision);
    env_allocate(&bench.view, &bench.decision, bench.load);
    assert_same(env_joint_cost(&bench.view, &bench.decision), 1.0);
    bench_stop(&bench);
}

static void the_load_of_the_slot_before_is_forgotten_in_slot_zero(void **state)
{
    (void) state;
    struct bench bench;
    bench_start(&bench, NULL);
    bench.view.previous_load[1] = 4;
    env_view_begin(&bench.view, (struct slot_id){RNG_TRAIN, 0, 1});
    assert_int_equal(bench.view.previous_load[1], 4);
    assert_false(bench.view.present[0]);
    env_view_begin(&bench.view, (struct slot_id){RNG_TRAIN, 1, 0});
    assert_int_equal(bench.view.previous_load[1], 0);
    assert_same(env_joint_cost(&bench.view, &bench.decision), 0.0);
    bench_stop(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_state_of_ten_devices_and_three_servers_has_106_entries),
        cmocka_unit_test(state_entries_stand_where_the_layout_says),
        cmocka_unit_test(state_entries_are_scaled_to_about_one_in_every_world),
        cmocka_unit_test(an_absent_device_is_zero_in_the_state_and_local_in_the_decision),
        cmocka_unit_test(real_requests_add_one_entry_a_device),
        cmocka_unit_test(a_device_sees_its_own_part_of_the_state_and_the_servers),
        cmocka_unit_test(equal_width_bins_give_every_integer_the_same_chance),
        cmocka_unit_test(actions_at_and_beyond_the_ends_fall_into_the_end_bins),
        cmocka_unit_test(rounding_gives_the_ends_half_the_room_of_the_others),
        cmocka_unit_test(scores_choose_the_best_server_in_coverage_without_repair),
        cmocka_unit_test(a_last_number_chooses_among_codings_where_there_are_any),
        cmocka_unit_test(an_uncovered_wish_goes_to_the_covered_server_nearest_in_number),
        cmocka_unit_test(no_coverage_means_local_and_is_no_repair),
        cmocka_unit_test(a_server_that_is_down_covers_nobody),
        cmocka_unit_test(marks_stay_where_a_mended_decision_is_mended_again),
        cmocka_unit_test(splits_are_kept_within_privacy_floor_and_memory),
        cmocka_unit_test(a_full_server_sends_its_highest_devices_home),
        cmocka_unit_test(shares_are_equal_by_default),
        cmocka_unit_test(a_band_is_divided_among_those_with_something_to_send),
        cmocka_unit_test(proportional_shares_follow_bits_and_work),
        cmocka_unit_test(proportional_shares_follow_counted_attention_and_measured_times),
        cmocka_unit_test(a_shared_band_is_divided_over_all_offloaders),
        cmocka_unit_test(shares_of_a_server_never_exceed_it),
        cmocka_unit_test(the_joint_cost_is_the_mean_of_the_tasks_costs),
        cmocka_unit_test(all_local_without_a_deadline_scores_exactly_minus_one),
        cmocka_unit_test(the_load_of_the_slot_before_is_forgotten_in_slot_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
