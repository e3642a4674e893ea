/* The search for a slot's best joint decision in queueing mode, against every decision that there is. */
#include "orchestrator/policy/search/slot_search.h"

#include "core/model/env_splits.h"
#include "tests/unit/policy/slot.h"

#define DEVICES 3u
#define SERVERS 2u
#define LAYERS 4u
#define SLOTS 24u

struct bench {
    struct slot slot;
    struct slot_search *search;
    struct forecast forecast; /* of the yardstick */
    struct slot_prices prices;
};

static void open_bench(struct bench *bench)
{
    static const char *const keys[] = {"run.mode=queue",
                                       "devices.count=3",
                                       "servers.count=2",
                                       "model.layers=4",
                                       "task.tokens=2048",
                                       "radio.bandwidth_mhz=100",
                                       NULL};
    *bench = (struct bench){0};
    slot_open_plain(&bench->slot, keys);
    const struct forecast_source source = forecast_model(&bench->slot.world);
    assert_int_equal(slot_search_create(&bench->search, &bench->slot.world, &source), 0);
    assert_int_equal(forecast_init(&bench->forecast, &bench->slot.world, &source), 0);
}

static void close_bench(struct bench *bench)
{
    slot_search_destroy(bench->search);
    slot_search_destroy(NULL);
    forecast_finish(&bench->forecast);
    slot_close(&bench->slot);
}

/* A slot with work that earlier ones have left; now and then somebody is away, has no task, or is not covered. */
static void draw(struct bench *bench, uint32_t episode)
{
    struct env_view *view = &bench->slot.view;
    struct rng_at at = {.seed = 5, .phase = RNG_TEST, .stream = RNG_SAMPLING, .episode = episode};
    slot_draw(&bench->slot, episode, 9, 9, 4);
    for (uint32_t m = 0; m < SERVERS; m++) {
        at.entity = 100 + m;
        view->backlog_s[m] = rng_uniform(&at, 0) < 0.5 ? 0.0 : rng_uniform(&at, 1);
    }
    for (uint32_t n = 0; n < DEVICES; n++) {
        at.entity = n;
        view->processor_s[n] = rng_uniform(&at, 0) < 0.5 ? 0.0 : 2.0 * rng_uniform(&at, 1);
        for (uint32_t m = 0; m < SERVERS; m++)
            view->unsent_bits[n * SERVERS + m] =
                rng_uniform(&at, 2 + m) < 0.7 ? 0.0 : 1e8 * rng_uniform(&at, 9 + m);
        view->tokens[n] = rng_uniform(&at, 20) < 0.1 ? 0 : view->tokens[n];
    }
    forecast_begin(&bench->forecast, view);
}

/* Where a device's task goes. */
struct place {
    uint32_t server; /* ENV_LOCAL */
    struct forecast_way way;
};

static double cost_of(struct bench *bench, const struct place *place)
{
    const struct env_view *view = &bench->slot.view;
    double sum = 0.0;
    for (uint32_t n = 0; n < DEVICES; n++)
        if (env_has_task(view, n) && place[n].server == ENV_LOCAL)
            sum += forecast_local(&bench->forecast, n) +
                   bench->prices.kept * forecast_kept(&bench->forecast, n, LAYERS);
    for (uint32_t m = 0; m < SERVERS; m++) {
        uint32_t who[DEVICES], count = 0;
        struct forecast_way way[DEVICES];
        double cost = 0.0;
        for (uint32_t n = 0; n < DEVICES; n++)
            if (env_has_task(view, n) && place[n].server == m) {
                who[count] = n;
                way[count++] = place[n].way;
                sum += bench->prices.sent * forecast_work(&bench->forecast, m, n, place[n].way.split) +
                       bench->prices.kept * forecast_kept(&bench->forecast, n, place[n].way.split);
            }
        assert_int_equal(forecast_server(&bench->forecast, m, who, way, count, &cost), 0);
        sum += count > 0 ? cost : 0.0;
    }
    return sum;
}

/* The next of all decisions, as if places were digits; false after the last. */
static bool next(const struct bench *bench, struct place *place)
{
    const struct env_view *view = &bench->slot.view;
    for (uint32_t n = 0; n < DEVICES; n++) {
        uint32_t first, last;
        if (!env_has_task(view, n))
            continue;
        env_splits_range(view, n, &first, &last);
        struct place *own = &place[n];
        if (own->server != ENV_LOCAL && own->way.split < last) {
            own->way.split++;
            return true;
        }
        for (uint32_t m = own->server == ENV_LOCAL ? 0 : own->server + 1; m < SERVERS; m++)
            if (view->covered[n * SERVERS + m]) {
                *own = (struct place){m, {.split = first}};
                return true;
            }
        *own = (struct place){.server = ENV_LOCAL};
    }
    return false;
}

static double least_cost(struct bench *bench)
{
    struct place place[DEVICES] = {{ENV_LOCAL, {0}}, {ENV_LOCAL, {0}}, {ENV_LOCAL, {0}}};
    double least = (double) INFINITY;
    do
        least = fmin(least, cost_of(bench, place));
    while (next(bench, place));
    return least;
}

/* What the search decides costs no more than any other decision. Tells how many tasks it sends. */
static uint32_t expect_best(struct bench *bench, struct slot_prices prices)
{
    const struct env_view *view = &bench->slot.view;
    struct place place[DEVICES];
    uint32_t sent = 0;
    bench->prices = prices;
    slot_search_run(bench->search, view, prices, &bench->slot.decision);
    for (uint32_t n = 0; n < DEVICES; n++) {
        uint32_t m = bench->slot.decision.server[n];
        place[n] = (struct place){m, {.split = bench->slot.decision.split[n]}};
        assert_false(bench->slot.decision.repaired[n]);
        assert_int_equal(bench->slot.decision.coding[n], 0);
        assert_true(m == ENV_LOCAL ? place[n].way.split == LAYERS : view->covered[n * SERVERS + m]);
        assert_true(m == ENV_LOCAL || env_has_task(view, n));
        sent += m != ENV_LOCAL ? 1 : 0;
    }
    double cost = cost_of(bench, place), least = least_cost(bench);
    if (!(cost <= least + 1e-9))
        fail_msg("slot of episode %u: %.17g, least %.17g", view->id.episode, cost, least);
    return sent;
}

static void no_decision_costs_less(void **state)
{
    static const struct slot_prices prices[] = {{0.0, 0.0}, {9.0, 0.0}, {0.0, 9.0}, {3.0, 2.0}};
    uint32_t sent[4] = {0};
    struct bench bench;
    (void) state;
    open_bench(&bench);
    for (uint32_t e = 0; e < SLOTS; e++) {
        draw(&bench, e);
        for (size_t i = 0; i < 4; i++)
            sent[i] += expect_best(&bench, prices[i]);
    }
    assert_in_range(sent[0], SLOTS / 2, DEVICES * SLOTS - SLOTS / 2); /* neither all nor none */
    assert_true(sent[1] < sent[0] && sent[2] > sent[0]);              /* what has a price is done less */
    close_bench(&bench);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_decision_costs_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
