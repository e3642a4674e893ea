/* Which of the servers that cover a device a simple rule takes. */
#include "orchestrator/policy/search/server_choice.h"

#include "tests/unit/policy/slot.h"

#define DEVICES 6u
#define SERVERS 4u

/* The covered server that is first by `is_better`, found without the search's shortcuts. */
static uint32_t first_covered(const struct slot *slot, uint32_t device,
                              bool (*is_better)(const struct slot *slot, uint32_t device, uint32_t m,
                                                uint32_t than))
{
    uint32_t found = ENV_LOCAL;
    for (uint32_t m = 0; m < SERVERS; m++) {
        bool first = slot->view.covered[device * SERVERS + m];
        for (uint32_t than = 0; than < SERVERS; than++)
            if (slot->view.covered[device * SERVERS + than] && than != m && !is_better(slot, device, m, than))
                first = false;
        found = first ? m : found;
    }
    return found;
}

static bool has_better_channel(const struct slot *slot, uint32_t device, uint32_t m, uint32_t than)
{
    return slot->view.gain[device * SERVERS + m] > slot->view.gain[device * SERVERS + than];
}

static bool is_nearer(const struct slot *slot, uint32_t device, uint32_t m, uint32_t than)
{
    struct vec2 at = slot->view.position[device];
    return device_slot_distance_m(&slot->world, at, m) < device_slot_distance_m(&slot->world, at, than);
}

static void each_device_is_given_the_best_of_those_that_cover_it(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=6", "servers.count=4", NULL};
    struct slot slot;
    uint32_t chosen[SERVERS] = {0}, different = 0, local = 0;
    slot_open_plain(&slot, keys);
    for (uint32_t e = 0; e < 100; e++) {
        slot_draw(&slot, e, 4, 4, 3);
        for (uint32_t n = 0; n < DEVICES; n++) {
            uint32_t channel = server_choice_best_channel(&slot.view, n);
            uint32_t nearest = server_choice_nearest(&slot.view, n);
            assert_int_equal(channel, first_covered(&slot, n, has_better_channel));
            assert_int_equal(nearest, first_covered(&slot, n, is_nearer));
            different += channel != nearest;
            local += nearest == ENV_LOCAL;
            if (nearest != ENV_LOCAL)
                chosen[nearest]++;
        }
    }
    assert_true(different > 0 && local > 0);
    for (uint32_t m = 0; m < SERVERS; m++)
        assert_true(chosen[m] > 0);
    slot_close(&slot);
}

static uint32_t second_server(const struct env_view *view, uint32_t device)
{
    assert_true(view->present[device]);
    return 1;
}

static void whoever_is_there_goes_where_the_rule_says_with_the_split_that_is_asked(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=3", "servers.count=2", NULL};
    struct slot slot;
    slot_open_plain(&slot, keys);
    check_observe_all(&slot.view, 0);
    for (uint32_t i = 0; i < 6; i++)
        slot.view.covered[i] = true;
    slot_remove_device(&slot, 2);
    uint32_t layers = slot.world.llm->layers, split = layers - 1;
    server_choice_for_all(&slot.view, split, second_server, &slot.decision);
    for (uint32_t n = 0; n < 3; n++) {
        assert_int_equal(slot.decision.server[n], n < 2 ? 1 : ENV_LOCAL);
        assert_int_equal(slot.decision.split[n], n < 2 ? split : layers);
        assert_false(slot.decision.repaired[n]);
    }
    server_choice_for_all(&slot.view, layers, second_server, &slot.decision);
    for (uint32_t n = 0; n < 3; n++)
        assert_int_equal(slot.decision.server[n], ENV_LOCAL);
    slot_close(&slot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_device_is_given_the_best_of_those_that_cover_it),
        cmocka_unit_test(whoever_is_there_goes_where_the_rule_says_with_the_split_that_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
