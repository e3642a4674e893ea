/* Prices on full servers. */
#include "orchestrator/policy/adaptive/shadow_price.h"

#include "bench.h"

static void a_price_goes_to_what_is_missed_in_a_second(void **state)
{
    (void) state;
    struct shadow_price prices;
    shadow_price_begin(&prices, 0.25);
    assert_same(shadow_price_of(&prices, 0, 2.0, 10.0), 0.0);
    shadow_price_meet(&prices, 0, true, 0.8, 4.0);
    assert_near(shadow_price_of(&prices, 0, 2.0, 10.0), 20.0 * 0.25 * 0.2, 1e-12);
    for (uint32_t i = 0; i < 200; i++)
        shadow_price_meet(&prices, 0, true, 0.8, 4.0);
    assert_near(shadow_price_of(&prices, 0, 1.0, 1.0), 0.2, 1e-12);
    assert_same(shadow_price_of(&prices, 1, 1.0, 1.0), 0.0);
}

static void nothing_is_missed_where_there_is_room_or_something_better(void **state)
{
    (void) state;
    struct shadow_price prices;
    shadow_price_begin(&prices, 0.5);
    shadow_price_meet(&prices, 2, true, 1.0, 1.0);
    shadow_price_meet(&prices, 2, true, -1.0, 1.0);
    assert_near(shadow_price_of(&prices, 2, 1.0, 1.0), 0.25, 1e-12);
    shadow_price_meet(&prices, 2, false, 1.0, 1.0);
    assert_near(shadow_price_of(&prices, 2, 1.0, 1.0), 0.125, 1e-12);
    shadow_price_meet(&prices, 2, true, 1.0, 0.0); /* no time at all */
    assert_near(shadow_price_of(&prices, 2, 1.0, 1.0), 0.0625, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_price_goes_to_what_is_missed_in_a_second),
        cmocka_unit_test(nothing_is_missed_where_there_is_room_or_something_better),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
