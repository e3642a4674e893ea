/* A learned outcome model and the reports that it learns from: tasks as the true model has them, at nodes that may be
 * slower than they declare. */
#ifndef HANDOFF_TESTS_UNIT_POLICY_PLUS_OUTCOME_BENCH_H
#define HANDOFF_TESTS_UNIT_POLICY_PLUS_OUTCOME_BENCH_H

#include "core/model/task_features.h"
#include "orchestrator/policy/plus/outcome_model.h"
#include "tests/unit/policy/slot.h"

#define DEVICES 6u
#define SERVERS 2u
#define LEARNED_SLOTS 600u
#define WINDOW_TASKS 12u /* more than are looked at before a node is found out */
#define SLOWER 3.0

static const char *const keys[] = {"devices.count=6", "servers.count=2", "servers.coverage_m=5000", NULL};

/* How much slower than declared each node is. */
struct pace {
    double device[DEVICES], server[SERVERS];
};

struct bench {
    struct slot slot;
    struct outcome_model *model;
    struct load_table table;
    struct pace pace;
    uint32_t episode;
};

static inline void open_bench(struct bench *bench, bool watches)
{
    const struct outcome_config config = {.hidden = 16,
                                          .batch = 64,
                                          .buffer = 4096,
                                          .rate = 3e-3f,
                                          .final_rate = 3e-4f,
                                          .horizon = LEARNED_SLOTS,
                                          .seed = 3,
                                          .watches = watches};
    *bench = (struct bench){.episode = 0};
    for (uint32_t n = 0; n < DEVICES; n++)
        bench->pace.device[n] = 1.0;
    for (uint32_t m = 0; m < SERVERS; m++)
        bench->pace.server[m] = 1.0;
    slot_open_plain(&bench->slot, keys);
    assert_int_equal(load_table_init(&bench->table, &bench->slot.world, DEVICES), 0);
    assert_int_equal(outcome_model_create(&bench->model, &bench->slot.world, &config), 0);
}

static inline void close_bench(struct bench *bench)
{
    outcome_model_destroy(bench->model);
    load_table_finish(&bench->table);
    slot_close(&bench->slot);
}

/* A task of device n at server m, alone there, as the true model and the nodes' paces have it. */
static inline void tell(struct bench *bench, uint32_t n, uint32_t m, uint32_t split)
{
    const struct world *world = &bench->slot.world;
    const struct env_view *view = &bench->slot.view;
    double gain = view->gain[n * SERVERS + m];
    struct task_plan plan = {.split = split, .server = m, .bandwidth_share = 1.0, .compute_share = 1.0};
    struct task_outcome truth;
    cost_outcome(world, n, view->tokens[n], gain, &plan, &truth);
    truth.times.local_s *= bench->pace.device[n];
    truth.joules.compute_j *= bench->pace.device[n];
    truth.times.edge_s *= bench->pace.server[m];
    truth.joules.server_j *= bench->pace.server[m];
    const struct outcome_sending sending = {.gain = task_features_gain(gain), .load = 1, .share = 1.0f};
    const struct outcome_task task = {.device = n,
                                      .server = m,
                                      .split = split,
                                      .tokens = view->tokens[n],
                                      .load = 1,
                                      .sending = &sending,
                                      .sendings = 1};
    const struct policy_outcome outcome = {.device = n, .times = truth.times, .joules = truth.joules};
    outcome_model_observe(bench->model, &task, &outcome);
}

/* One task of each device in a slot of its own. */
static inline void play_slot(struct bench *bench, bool learns)
{
    uint32_t layers = bench->slot.world.llm->layers;
    uint32_t least = (uint32_t) bench->slot.world.scenario.model.min_split;
    slot_draw(&bench->slot, ++bench->episode, 0, 0, 0);
    for (uint32_t n = 0; n < DEVICES; n++) {
        struct rng_at at = {.seed = 4, .stream = RNG_SAMPLING, .entity = n, .episode = bench->episode};
        uint32_t lowest = least > 0 ? least : 1;
        tell(bench, n, (n + bench->episode) % SERVERS, lowest + rng_below(&at, 0, layers - lowest));
    }
    if (learns)
        outcome_model_update(bench->model);
}

/* Without an update the regressions stand still: what changes is the watch's doing. */
static inline void play_window(struct bench *bench)
{
    for (uint32_t i = 0; i < WINDOW_TASKS; i++)
        play_slot(bench, false);
}

/* What the model says of device n's tasks at server m, alone there, in the slot at hand. */
static inline double foreseen(struct bench *bench, uint32_t n, uint32_t m)
{
    outcome_model_begin(bench->model, &bench->table, &bench->slot.view);
    assert_true(load_table_need(&bench->table, m, 1));
    return bench->table.cost[load_table_at(&bench->table, n, m, 1)];
}

#endif
