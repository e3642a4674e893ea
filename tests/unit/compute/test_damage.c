/* What the section `channel` makes of a task's activations: the kind of damage, and every one of its numbers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/compute/compute_damage.h"
#include "core/model/transfer.h"

static struct damage damage_of(const char *const *set, double condition, const float *mean)
{
    struct scenario scenario;
    struct world world;
    struct damage damage;
    struct diag diag = {{0}};
    scenario_defaults(&scenario);
    for (; *set != NULL; set++)
        if (scenario_set(&scenario, *set, &diag) != 0)
            fail_msg("%s", diag.text);
    assert_int_equal(world_init_empty(&world, &scenario, 1, 1), 0);
    compute_damage(&world, condition, mean, &damage);
    world_finish(&world);
    return damage;
}

#define DAMAGE_OF(condition, mean, ...)                                                                      \
    damage_of((const char *const[]){__VA_ARGS__, NULL}, (condition), (mean))

static void a_reliable_channel_damages_nothing(void **state)
{
    (void) state;
    assert_int_equal(DAMAGE_OF(0.5, NULL, "channel.mode=reliable").kind, DAMAGE_NONE);
}

static void a_bounded_channel_loses_packets_of_its_link(void **state)
{
    (void) state;
    static const float mean[1] = {1.0f};
    struct damage damage =
        DAMAGE_OF(0.125, mean, "channel.mode=bounded", "channel.layout=interleaved", "channel.fill=mean");
    assert_int_equal(damage.kind, DAMAGE_PACKETS);
    assert_true(damage.loss == 0.125);
    assert_int_equal(damage.packet_bytes, TRANSFER_PACKET_BYTES);
    assert_int_equal(damage.layout, DAMAGE_INTERLEAVED);
    assert_int_equal(damage.fill, DAMAGE_MEAN);
    assert_ptr_equal(damage.mean, mean);
    assert_null(damage.missing_packets);
    assert_int_equal(DAMAGE_OF(0, NULL, "channel.mode=bounded").layout, DAMAGE_ROWS);
}

static void an_analog_channel_has_the_scenarios_fading_and_power(void **state)
{
    (void) state;
    struct damage damage =
        DAMAGE_OF(-3, NULL, "channel.mode=analog", "channel.fading=nakagami", "channel.nakagami_m=2.5",
                  "channel.equalised=off", "channel.power=fixed", "channel.reference_rms=1.75");
    assert_int_equal(damage.kind, DAMAGE_ANALOG);
    assert_true(damage.snr_db == -3.0 && damage.nakagami_m == 2.5 && damage.reference_rms == 1.75);
    assert_int_equal(damage.fading, DAMAGE_NAKAGAMI);
    assert_int_equal(damage.power, DAMAGE_FIXED);
    assert_int_equal(damage.block_rows, 1);
    assert_false(damage.equalised);
    damage = DAMAGE_OF(40, NULL, "channel.mode=analog", "channel.fading=rayleigh", "channel.power=per_token");
    assert_true(damage.snr_db == 40.0 && damage.reference_rms == 0.0 && damage.equalised);
    assert_int_equal(damage.fading, DAMAGE_RAYLEIGH);
    assert_int_equal(damage.power, DAMAGE_PER_TOKEN);
    damage = DAMAGE_OF(1, NULL, "channel.mode=analog", "channel.fading=awgn", "channel.power=per_request");
    assert_int_equal(damage.fading, DAMAGE_AWGN);
    assert_int_equal(damage.power, DAMAGE_PER_REQUEST);
}

static void erasure_and_turned_bits_have_the_conditions_probability(void **state)
{
    (void) state;
    struct damage damage = DAMAGE_OF(0.25, NULL, "channel.mode=erasure", "channel.fill=previous");
    assert_int_equal(damage.kind, DAMAGE_ELEMENTS);
    assert_int_equal(damage.fill, DAMAGE_PREVIOUS);
    assert_true(damage.loss == 0.25);
    damage = DAMAGE_OF(0.001, NULL, "channel.mode=bits", "channel.protected_bits=3");
    assert_int_equal(damage.kind, DAMAGE_BITS);
    assert_true(damage.bit_error == 0.001);
    assert_int_equal(damage.protected_bits, 3);
}

static void a_device_draws_at_its_own_slot(void **state)
{
    (void) state;
    struct world world = {.seed = 99};
    const struct rng_at at = compute_damage_place(&world, 3, (struct slot_id){RNG_TEST, 4, 5});
    assert_true(at.seed == 99 && at.phase == RNG_TEST && at.entity == 3 && at.episode == 4 && at.slot == 5);
}

static void a_channel_that_the_format_does_not_take_is_refused(void **state)
{
    (void) state;
    static const struct {
        const char *set[3];
        const char *word;
    } wrong[] = {
        {{"channel.mode=analog", "compute.format=int8"}, "channel.mode: analog with compute.format: int8"},
        {{"channel.mode=bits", "compute.format=q4", "channel.protected_bits=5"}, "5 protected bits"},
        {{"channel.mode=bits", "compute.format=q4", "channel.protected_bits=4"}, NULL}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct scenario scenario;
        struct world world;
        struct diag diag = {{0}};
        scenario_defaults(&scenario);
        for (size_t s = 0; s < 3 && wrong[i].set[s] != NULL; s++)
            assert_int_equal(scenario_set(&scenario, wrong[i].set[s], &diag), 0);
        assert_int_equal(world_init_empty(&world, &scenario, 1, 1), 0);
        int rc = compute_damage_check(&world, &diag);
        assert_int_equal(rc, wrong[i].word != NULL ? ERR_UNSUPPORTED : 0);
        if (wrong[i].word != NULL && strstr(diag.text, wrong[i].word) == NULL)
            fail_msg("\"%s\" does not say %s", diag.text, wrong[i].word);
        world_finish(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reliable_channel_damages_nothing),
        cmocka_unit_test(a_bounded_channel_loses_packets_of_its_link),
        cmocka_unit_test(an_analog_channel_has_the_scenarios_fading_and_power),
        cmocka_unit_test(erasure_and_turned_bits_have_the_conditions_probability),
        cmocka_unit_test(a_device_draws_at_its_own_slot),
        cmocka_unit_test(a_channel_that_the_format_does_not_take_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
