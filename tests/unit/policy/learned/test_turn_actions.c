/* Numbered actions: each is another decision, and together they are all there are. */
#include "orchestrator/policy/learned/turn_actions.h"

#include <stdlib.h>

#include "tests/unit/model/check.h"

#define LEVELS 3u
#define PARTS (LEVELS * LEVELS * LEVELS)

struct slot {
    struct world world;
    struct env_view view;
    struct env_decision decision;
    struct reservations held;
};

static void open_slot(struct slot *slot, const char *const *keys)
{
    slot->world = check_world(keys);
    assert_int_equal(env_view_init(&slot->view, &slot->world), 0);
    assert_int_equal(env_decision_init(&slot->decision, slot->world.devices), 0);
    assert_int_equal(reservations_init(&slot->held, slot->world.servers, 10), 0);
    slot->view.held = &slot->held;
    for (uint32_t m = 0; m < slot->world.servers; m++)
        slot->view.server_up[m] = true;
    check_observe_all(&slot->view, 1);
}

static void close_slot(struct slot *slot)
{
    reservations_finish(&slot->held);
    env_decision_finish(&slot->decision);
    env_view_finish(&slot->view);
    world_finish(&slot->world);
}

#define WHOLE                                                                                                \
    "servers.discipline=reserved", "devices.count=2", "servers.count=3", "servers.coverage_m=10000",         \
        "reserve.full_share=0.1", "reserve.most=2", "faults.recovery=none"

static void whole_tasks_have_every_server_and_every_three_levels_once(void **state)
{
    (void) state;
    static const char *const keys[] = {WHOLE, NULL};
    struct slot slot;
    open_slot(&slot, keys);
    struct turn_actions actions = turn_actions_of(&slot.world, LEVELS);
    const struct env_decision *decision = &slot.decision;
    assert_int_equal(actions.count, 3 * PARTS);
    for (uint32_t action = 0; action < actions.count; action++) {
        turn_actions_stay(&slot.view, &slot.decision, 1);
        assert_true(decision->server[1] == ENV_LOCAL && decision->refused[1]);
        uint32_t server = turn_actions_enter(&actions, &slot.view, &slot.decision, 1, action);
        const double part[3] = {decision->compute_share[1], decision->bandwidth_share[1],
                                decision->memory_share[1]};
        uint32_t number = server;
        for (int i = 0; i < 3; i++) { /* 1/6, 1/2, 5/6 of two full shares */
            double level = part[i] * LEVELS / 0.2 - 0.5;
            assert_near(level, (double) (uint32_t) (level + 0.5), 1e-9);
            number = number * LEVELS + (uint32_t) (level + 0.5);
        }
        assert_int_equal(number, action);
        assert_true(decision->server[1] == server && decision->split[1] == 0 && !decision->refused[1]);
        env_repair(&slot.view, &slot.decision);
        assert_true(decision->server[1] == server && !decision->repaired[1]);
    }
    close_slot(&slot);
}

static void whole_tasks_may_go_to_servers_that_cover_them(void **state)
{
    (void) state;
    static const char *const keys[] = {WHOLE, NULL};
    struct slot slot;
    uint8_t allowed[3 * PARTS];
    open_slot(&slot, keys);
    struct turn_actions actions = turn_actions_of(&slot.world, LEVELS);
    for (uint32_t m = 0; m < 3; m++)
        slot.view.covered[m] = m == 1;
    assert_true(turn_actions_allow(&actions, &slot.view, 0, allowed));
    for (uint32_t i = 0; i < actions.count; i++)
        assert_int_equal(allowed[i], i / PARTS == 1 ? 1 : 0);
    slot.view.covered[1] = false;
    assert_false(turn_actions_allow(&actions, &slot.view, 0, allowed));
    slot.view.tokens[1] = 0;
    assert_false(turn_actions_allow(&actions, &slot.view, 1, allowed));
    close_slot(&slot);
}

static void tasks_that_are_split_have_local_and_every_server_and_split_once(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=2", "servers.count=3", "model.min_split=4", NULL};
    struct slot slot;
    open_slot(&slot, keys);
    uint32_t layers = slot.world.llm->layers;
    struct turn_actions actions = turn_actions_of(&slot.world, LEVELS);
    assert_int_equal(actions.count, 1 + 3 * (layers - 4));
    for (uint32_t action = 0; action < actions.count; action++) {
        turn_actions_stay(&slot.view, &slot.decision, 0);
        uint32_t server = turn_actions_enter(&actions, &slot.view, &slot.decision, 0, action);
        uint32_t split = slot.decision.split[0];
        assert_int_equal(action == 0, server == ENV_LOCAL && split == layers);
        if (action > 0)
            assert_int_equal(action, 1 + server * (layers - 4) + split - 4);
    }
    close_slot(&slot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_tasks_have_every_server_and_every_three_levels_once),
        cmocka_unit_test(whole_tasks_may_go_to_servers_that_cover_them),
        cmocka_unit_test(tasks_that_are_split_have_local_and_every_server_and_split_once),
    };
    return cmocka_run_group_tests_name("turn_actions", tests, NULL, NULL);
}
