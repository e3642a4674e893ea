#include "core/model/chunks.h"

#include "check.h"
#include "core/model/cost.h"
#include "core/model/radio.h"
#include "core/model/transfer.h"

#define CHUNKS_MAX 64u
#define TOKENS 130u

/* ---- an oracle: three workers and their queues, from one thing that ends to the next ---- */

enum { DEVICE, LINK, SERVER, WORKERS };

struct worker {
    double takes_s[CHUNKS_MAX]; /* each chunk's work here */
    double after_s[CHUNKS_MAX]; /* how much later than its work's end it is at the next worker */
    double there_s[CHUNKS_MAX]; /* when it is here */
    double ends_s;              /* of what is being worked on */
    uint32_t next;              /* the chunk that is, or will be, worked on */
    bool at_work;
};

static double begin_what_is_there(struct worker *worker, uint32_t chunks, double now_s)
{
    if (!worker->at_work && worker->next < chunks && worker->there_s[worker->next] <= now_s) {
        worker->at_work = true;
        worker->ends_s = now_s + worker->takes_s[worker->next];
    }
    if (worker->at_work)
        return worker->ends_s;
    return worker->next < chunks ? worker->there_s[worker->next] : (double) INFINITY;
}

/* When the last chunk has left each worker, and when the last of them has arrived at the server. */
static double simulate(struct worker worker[WORKERS], uint32_t chunks, double ret_ends_s[WORKERS])
{
    double now_s = 0.0, arrived_s = 0.0;
    for (uint32_t i = 0; i < chunks; i++)
        worker[LINK].there_s[i] = worker[SERVER].there_s[i] = (double) INFINITY;
    while (worker[SERVER].next < chunks) {
        double soonest_s = (double) INFINITY;
        for (int w = 0; w < WORKERS; w++)
            soonest_s = fmin(soonest_s, begin_what_is_there(&worker[w], chunks, now_s));
        now_s = soonest_s;
        for (int w = 0; w < WORKERS; w++) {
            struct worker *it = &worker[w];
            if (!it->at_work || it->ends_s > now_s)
                continue;
            if (w + 1 < WORKERS)
                worker[w + 1].there_s[it->next] = now_s + it->after_s[it->next];
            ret_ends_s[w] = now_s;
            it->at_work = false;
            it->next++;
        }
    }
    for (uint32_t i = 0; i < chunks; i++)
        arrived_s = fmax(arrived_s, worker[SERVER].there_s[i]);
    return arrived_s;
}

/* ---- cutting ---- */

static void chunks_cover_a_prompt_once_in_order_and_nearly_equally(void **state)
{
    (void) state;
    for (uint32_t tokens = 1; tokens <= 200; tokens++)
        for (uint32_t chunks = 1; chunks <= tokens && chunks <= CHUNKS_MAX; chunks++) {
            uint32_t row = 0;
            for (uint32_t i = 0; i < chunks; i++) {
                struct chunk_rows rows = chunks_rows(tokens, chunks, i);
                assert_int_equal(rows.first, row);
                assert_in_range(rows.count, tokens / chunks, (tokens + chunks - 1) / chunks);
                row += rows.count;
            }
            assert_int_equal(row, tokens);
        }
}

static void only_what_is_sent_is_cut_and_no_chunk_is_empty(void **state)
{
    (void) state;
    struct world world = check_world((const char *[]){"compute.chunks=16", NULL});
    assert_int_equal(chunks_of(&world, 128, 5), 16);
    assert_int_equal(chunks_of(&world, 128, 0), 16);
    assert_int_equal(chunks_of(&world, 3, 5), 3);
    assert_int_equal(chunks_of(&world, 1, 5), 1);
    assert_int_equal(chunks_of(&world, 0, 5), 1);
    assert_int_equal(chunks_of(&world, 128, world.llm->layers), 1);
    world_finish(&world);
}

/* ---- what a task takes ---- */

static const char *const settings[][6] = {
    {NULL},
    {"model.attention=counted", "link.delay_s=0.02", NULL},
    {"model.times=1:0.004 16:0.005 128:0.02", "model.times_tflops=1", "link.result_kb=4", "link.down_mbps=2",
     NULL},
    {"link.delay_s=0.01", "link.jitter_s=0.02", "link.loss=0.05", "link.retransmit_s=0.05", NULL},
};
#define SETTINGS (sizeof settings / sizeof *settings)

static struct world cut_world(size_t setting, uint32_t chunks)
{
    struct world world = check_world(settings[setting]);
    world.scenario.compute.chunks = chunks;
    world.device[0].flops = 1e12;
    world.server[1].flops = 1e13;
    return world;
}

/* Seconds of a layer at 1 FLOP/s, of each row's own and its scores; the rows of measured times together. */
static double layer_of(const struct world *world, struct chunk_rows rows)
{
    if (world->times != NULL)
        return cost_layer_flop(world, rows.count);
    double flop = rows.count * llm_layer_flop(world->llm, world->scenario.model.work, 1);
    for (uint32_t row = rows.first; row < rows.first + rows.count; row++)
        if (world->scenario.model.attention == ATTENTION_COUNTED)
            flop += 4.0 * (row + 1) * world->llm->query;
    return flop;
}

static void fill(const struct world *world, const struct task_plan *plan, double rate_bps, uint32_t chunks,
                 struct worker worker[WORKERS])
{
    uint32_t layers = world->llm->layers;
    for (uint32_t i = 0; i < chunks; i++) {
        struct chunk_rows rows = {TOKENS * i / chunks, TOKENS * (i + 1) / chunks - TOKENS * i / chunks};
        double bits = rows.count * (plan->split == 0 ? 32.0 : 16.0 * world->llm->hidden);
        worker[DEVICE].takes_s[i] = plan->split * layer_of(world, rows) / 1e12;
        worker[LINK].takes_s[i] = bits / rate_bps;
        const struct channel_use use = channel_up(&world->scenario, plan->split);
        worker[LINK].after_s[i] = transfer_expected_s(world, 1, &use, bits, rate_bps) - bits / rate_bps;
        worker[SERVER].takes_s[i] =
            (layers - plan->split) * layer_of(world, rows) / (1e13 * plan->compute_share);
    }
}

static double sum_of(const double *values, uint32_t count)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < count; i++)
        sum += values[i];
    return sum;
}

static void check_outcome(const struct world *world, const struct task_plan *plan, double gain,
                          uint32_t chunks)
{
    struct worker worker[WORKERS] = {0};
    double ends_s[WORKERS] = {0};
    struct task_outcome outcome;
    cost_outcome(world, 0, TOKENS, gain, plan, &outcome);
    double rate_bps = outcome.rate_bps;
    fill(world, plan, rate_bps, chunks, worker);
    double arrived_s = simulate(worker, chunks, ends_s);
    double back_s = transfer_expected_s(world, 1, &channel_down, transfer_down_bits(&world->scenario),
                                        transfer_down_bps(world, 1));
    double sent_s = sum_of(worker[LINK].takes_s, chunks) + arrived_s - ends_s[LINK] + back_s;
    assert_near(outcome.times.local_s, ends_s[DEVICE], 1e-9);
    assert_near(outcome.times.transmit_s, arrived_s - ends_s[DEVICE] + back_s, 1e-9);
    assert_near(outcome.times.edge_s, ends_s[SERVER] - arrived_s, 1e-9);
    assert_near(outcome.latency_s, ends_s[SERVER] + back_s, 1e-9);
    assert_same(outcome.latency_s, cost_latency_s(&outcome.times));
    assert_near(outcome.joules.compute_j, world->device[0].power_w * sum_of(worker[DEVICE].takes_s, chunks),
                1e-9);
    assert_near(outcome.joules.transmit_j, world->device[0].transmit_power_w * sent_s, 1e-9);
    assert_near(outcome.joules.server_j,
                world->server[1].power_w * plan->compute_share * sum_of(worker[SERVER].takes_s, chunks),
                1e-9);
    assert_near(outcome.payload_bits, TOKENS * (plan->split == 0 ? 32.0 : 16.0 * world->llm->hidden), 1e-6);
}

/* Slow links, slow servers, slow devices: the slowest stage is another each time. */
static void an_outcome_in_chunks_is_what_three_workers_in_a_row_do(void **state)
{
    (void) state;
    static const double gains[] = {1e-13, 1e-11, 1e-9};
    static const double shares[] = {0.02, 0.25, 1.0};
    static const uint32_t counts[] = {1, 2, 3, 4, 16, 64};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
        for (size_t i = 0; i < SETTINGS * 9; i++) {
            struct world world = cut_world(i / 9, counts[k]);
            struct task_plan plan = {
                .split = 0, .server = 1, .bandwidth_share = 1.0 / 3.0, .compute_share = shares[i % 3]};
            for (; plan.split < world.llm->layers; plan.split += 7)
                check_outcome(&world, &plan, gains[i / 3 % 3], counts[k]);
            world_finish(&world);
        }
}

static void a_local_task_is_not_cut(void **state)
{
    (void) state;
    struct world whole = cut_world(2, 1), cut = cut_world(2, 16);
    struct task_plan plan = {.split = whole.llm->layers};
    struct task_outcome a, b;
    cost_outcome(&whole, 0, TOKENS, 0.0, &plan, &a);
    cost_outcome(&cut, 0, TOKENS, 0.0, &plan, &b);
    assert_memory_equal(&a, &b, sizeof a);
    assert_same(cost_full_s(&whole, &whole.device[0], TOKENS), cost_full_s(&cut, &cut.device[0], TOKENS));
    world_finish(&whole);
    world_finish(&cut);
}

static void what_cannot_be_sent_is_late_for_ever_and_never_not_a_number(void **state)
{
    (void) state;
    struct world world = cut_world(0, 4);
    struct task_plan plan = {.split = 8, .server = 1, .bandwidth_share = 0.0, .compute_share = 0.5};
    struct task_outcome outcome;
    cost_outcome(&world, 0, TOKENS, 1e-10, &plan, &outcome);
    assert_true(isinf(outcome.latency_s) && outcome.latency_s > 0.0);
    assert_true(isinf(outcome.energy_j) && outcome.energy_j > 0.0);
    assert_true(isinf(cost_resent_s(&world, 0, TOKENS, 1e-10, &plan)));
    world_finish(&world);
}

/* All of it is there: it is sent as one, and waits for nothing. */
static void what_goes_again_goes_whole(void **state)
{
    (void) state;
    for (size_t i = 0; i < SETTINGS; i++) {
        struct world cut = cut_world(i, 8), whole = cut_world(i, 1);
        struct task_plan plan = {.split = 8, .server = 1, .bandwidth_share = 0.5, .compute_share = 0.1};
        struct task_outcome outcome;
        cost_outcome(&whole, 0, TOKENS, 1e-11, &plan, &outcome);
        assert_same(cost_resent_s(&cut, 0, TOKENS, 1e-11, &plan),
                    outcome.times.transmit_s + outcome.times.edge_s);
        world_finish(&cut);
        world_finish(&whole);
    }
}

/* A server's work counts what its chunks take: with measured times more than the prompt's, else as much. */
static void the_work_for_a_server_is_that_of_its_chunks(void **state)
{
    (void) state;
    for (size_t i = 0; i < SETTINGS; i++) {
        struct world world = cut_world(i, 8), uncut = cut_world(i, 1);
        double flop = 0.0;
        for (uint32_t c = 0; c < 8; c++)
            flop += 12 * layer_of(&world, chunks_rows(TOKENS, 8, c));
        double cut = cost_server_flop(&world, TOKENS, 20), whole = 12 * cost_layer_flop(&world, TOKENS);
        assert_near(cut / flop, 1.0, 1e-12);
        assert_same(cost_server_flop(&uncut, TOKENS, 20), whole);
        if (world.times == NULL)
            assert_near(cut / whole, 1.0, 1e-12);
        else
            assert_true(cut > 1.5 * whole);
        world_finish(&world);
        world_finish(&uncut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_cover_a_prompt_once_in_order_and_nearly_equally),
        cmocka_unit_test(only_what_is_sent_is_cut_and_no_chunk_is_empty),
        cmocka_unit_test(an_outcome_in_chunks_is_what_three_workers_in_a_row_do),
        cmocka_unit_test(a_local_task_is_not_cut),
        cmocka_unit_test(what_cannot_be_sent_is_late_for_ever_and_never_not_a_number),
        cmocka_unit_test(what_goes_again_goes_whole),
        cmocka_unit_test(the_work_for_a_server_is_that_of_its_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
