/* What channel.mode makes of rates and losses: closed forms, and fading that is drawn. */
#include "core/model/channel_radio.h"

#include "check.h"
#include "core/base/rng.h"
#include "core/model/channel.h"
#include "core/model/device_slot.h"
#include "core/model/radio.h"

#define BAND_HZ 5e6
#define POWER_W 0.5
#define GAIN 1e-11
#define DRAWS 200000u

static const struct channel_use activations = {.payload = CHANNEL_ACTIVATIONS, .margin_db = 10.0};

static double rate_of(const char *const *keys, uint32_t split)
{
    struct world world = check_world(keys);
    const struct channel_use use = channel_up(&world.scenario, split);
    double rate_bps = channel_rate_bps(&world.scenario, &use, BAND_HZ, POWER_W, GAIN);
    world_finish(&world);
    return rate_bps;
}

static void a_reliable_channel_is_shannons_to_the_bit(void **state)
{
    (void) state;
    static const char *const modes[] = {"channel.mode=reliable", "channel.mode=erasure", "channel.mode=bits"};
    struct scenario plain = check_scenario(NULL);
    double shannon_bps = radio_rate_bps(&plain, BAND_HZ, POWER_W, GAIN);
    for (size_t i = 0; i < 3; i++)
        for (uint32_t split = 0; split < 3; split++)
            assert_same(rate_of((const char *[]){modes[i], NULL}, split), shannon_bps);
    assert_same(channel_lost(&plain, &activations), 0.0);
    assert_same(channel_given_up(&plain, &activations), 0.0);
}

static void repetitions_of_harq_take_their_share_of_the_rate(void **state)
{
    (void) state;
    struct scenario plain = check_scenario(NULL);
    double shannon_bps = radio_rate_bps(&plain, BAND_HZ, POWER_W, GAIN);
    double harq_bps = rate_of((const char *[]){"channel.harq=on", "channel.harq_error=0.2", NULL}, 7);
    assert_near(harq_bps, 0.8 * shannon_bps, 1e-6);
}

/* r = b log2(1 + SNR / margin) of each transmission, of which (1 - p) / (1 - p^k) are first ones. */
static void a_margin_slows_the_rate_and_repetitions_take_their_share(void **state)
{
    (void) state;
    struct scenario plain = check_scenario(NULL);
    double snr = radio_snr(&plain, BAND_HZ, POWER_W, GAIN);
    const struct {
        const char *margin, *transmissions;
        double db;
        unsigned k;
    } rows[] = {{"channel.margin_db=10", "channel.transmissions=1", 10.0, 1},
                {"channel.margin_db=0", "channel.transmissions=1", 0.0, 1},
                {"channel.margin_db=0", "channel.transmissions=3", 0.0, 3},
                {"channel.margin_db=-3", "channel.transmissions=2", -3.0, 2}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const keys[] = {"channel.mode=bounded", rows[i].margin, rows[i].transmissions, NULL};
        double margin = pow(10.0, rows[i].db / 10.0), lost = 1.0 - exp(-1.0 / margin);
        double first_bps = BAND_HZ * log2(1.0 + snr / margin);
        assert_near(rate_of(keys, 3), first_bps * (1.0 - lost) / (1.0 - pow(lost, rows[i].k)),
                    1e-9 * first_bps);
        assert_near(rate_of(keys, 0), first_bps * (1.0 - lost), 1e-9 * first_bps); /* until they come */
    }
}

static void analog_elements_take_half_a_symbol_whatever_the_snr(void **state)
{
    (void) state;
    static const char *const keys[] = {"channel.mode=analog", NULL};
    struct world world = check_world(keys);
    const struct channel_use use = channel_up(&world.scenario, 3);
    double bits = channel_bits(&world, 3, 128, 0), elements = 128.0 * world.llm->hidden;
    assert_same(bits, 32.0 * elements);
    for (double gain = 1e-14; gain < 1.0; gain *= 100.0)
        assert_near(bits / channel_rate_bps(&world.scenario, &use, BAND_HZ, POWER_W, gain),
                    elements / (2.0 * BAND_HZ), 1e-12);
    assert_same(channel_rate_bps(&world.scenario, &use, BAND_HZ, POWER_W, 0.0), 0.0); /* no link at all */
    assert_same(rate_of(keys, 0), radio_rate_bps(&world.scenario, BAND_HZ, POWER_W, GAIN));
    assert_same(channel_bits(&world, 0, 128, 0), 4096.0);
    world_finish(&world);
}

/* Blocks fade by xi ~ Exp(1): one is lost when its channel does not carry the rate that was chosen. */
static void an_outage_is_what_fading_blocks_do_to_the_rate(void **state)
{
    (void) state;
    static const double margins_db[] = {-10.0, 0.0, 3.0, 10.0, 20.0};
    struct scenario plain = check_scenario(NULL);
    double snr = radio_snr(&plain, BAND_HZ, POWER_W, GAIN);
    for (size_t i = 0; i < sizeof margins_db / sizeof *margins_db; i++) {
        const struct rng_at at = {.seed = 11, .entity = (uint32_t) i};
        double margin = pow(10.0, margins_db[i] / 10.0), rate = log2(1.0 + snr / margin); /* r / b */
        double closed = 1.0 - exp(-(exp2(rate) - 1.0) / snr), outage = channel_outage(margins_db[i]);
        uint32_t lost = 0;
        for (uint32_t n = 0; n < DRAWS; n++)
            lost += log2(1.0 + snr * rng_exponential(rng_block(&at, n).v[0])) < rate ? 1 : 0;
        assert_near(outage, closed, 1e-9);
        assert_near(lost / (double) DRAWS, outage, 4.5 * sqrt(outage * (1.0 - outage) / DRAWS));
    }
}

static void a_packet_is_given_up_when_fading_or_the_link_loses_all_transmissions(void **state)
{
    (void) state;
    struct world world = check_world((const char *[]){"channel.mode=bounded", "channel.margin_db=0",
                                                      "channel.transmissions=3", "link.loss=0.2", NULL});
    const struct channel_use use = channel_up(&world.scenario, 5), ids = channel_up(&world.scenario, 0);
    double lost = 1.0 - exp(-1.0) * 0.8;
    assert_near(channel_lost(&world.scenario, &use), lost, 1e-12);
    assert_near(channel_given_up(&world.scenario, &use), lost * lost * lost, 1e-12);
    assert_near(channel_lost(&world.scenario, &ids), lost, 1e-12);
    assert_same(channel_given_up(&world.scenario, &ids), 0.0);
    assert_same(channel_lost(&world.scenario, &channel_down), 0.2);
    assert_same(channel_given_up(&world.scenario, &channel_down), 0.0);
    assert_near(channel_condition(&world, 1, (struct slot_id){RNG_TEST, 1, 1}, GAIN, 0.5), lost * lost * lost,
                1e-12);
    world_finish(&world);
}

/* ---- gains ---- */

static double gain_of(const char *const *keys)
{
    struct world world = check_world(keys);
    const struct slot_id id = {RNG_TEST, 2, 0};
    struct mobility mobility;
    struct device_slot slot;
    mobility_start(&world, 1, id.phase, id.episode, &mobility);
    device_slot_meet(&world, 1, id, &mobility, &slot);
    double gain = slot.gain[0];
    world_finish(&world);
    return gain;
}

static void a_channel_that_fades_by_itself_is_told_as_its_mean(void **state)
{
    (void) state;
    double mean = gain_of((const char *[]){"radio.fading=none", NULL}), faded = gain_of(NULL);
    assert_true(mean != faded);
    assert_same(gain_of((const char *[]){"channel.mode=bounded", NULL}), mean);
    assert_same(gain_of((const char *[]){"channel.mode=analog", "channel.snr=radio",
                                         "channel.fading=rayleigh", NULL}),
                mean);
    assert_same(gain_of((const char *[]){"channel.mode=analog", "channel.snr=radio", NULL}), faded);
    assert_same(gain_of((const char *[]){"channel.mode=analog", NULL}), faded);
    assert_same(gain_of((const char *[]){"channel.mode=erasure", NULL}), faded);
    assert_same(gain_of((const char *[]){"channel.harq=on", NULL}), faded);
}

static void the_radios_snr_is_an_analog_channels_condition(void **state)
{
    (void) state;
    struct world world = check_world((const char *[]){"channel.mode=analog", "channel.snr=radio", NULL});
    const struct slot_id id = {RNG_TEST, 1, 4};
    double noise_w = pow(10.0, -17.4) * 1e-3 * 0.25 * 20e6;
    world.device[1].transmit_power_w = 0.5;
    assert_near(channel_condition(&world, 1, id, GAIN, 0.25), 10.0 * log10(0.5 * GAIN / noise_w), 1e-9);
    assert_near(channel_condition(&world, 1, id, 10.0 * GAIN, 0.25),
                10.0 + channel_condition(&world, 1, id, GAIN, 0.25), 1e-9);
    assert_same(channel_condition(&world, 1, id, 0.0, 0.25), CHANNEL_SNR_DB_LEAST);
    assert_same(channel_condition(&world, 1, id, GAIN, 0.0), CHANNEL_SNR_DB_LEAST);
    world_finish(&world);
}

static void no_channel_is_faster_than_the_peak_that_links_are_checked_for(void **state)
{
    (void) state;
    static const char *const keys[][3] = {{NULL},
                                          {"channel.harq=on", NULL},
                                          {"channel.mode=bounded", "channel.margin_db=-5", NULL},
                                          {"channel.mode=bounded", NULL},
                                          {"channel.mode=analog", NULL}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct world world = check_world(keys[i]);
        const struct scenario *scenario = &world.scenario;
        bool is_mean = channel_gain_is_mean(scenario);
        double gain = radio_gain(scenario, scenario->radio.min_distance_m, is_mean ? 1.0 : 20.0);
        for (uint32_t split = 0; split < 2; split++) {
            const struct channel_use use = channel_up(scenario, split);
            double rate_bps =
                channel_rate_bps(scenario, &use, 20e6, scenario->devices.transmit_power_w, gain);
            assert_true(rate_bps <= channel_peak_rate_bps(scenario) * (1.0 + 1e-9));
        }
        world_finish(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reliable_channel_is_shannons_to_the_bit),
        cmocka_unit_test(repetitions_of_harq_take_their_share_of_the_rate),
        cmocka_unit_test(a_margin_slows_the_rate_and_repetitions_take_their_share),
        cmocka_unit_test(analog_elements_take_half_a_symbol_whatever_the_snr),
        cmocka_unit_test(an_outage_is_what_fading_blocks_do_to_the_rate),
        cmocka_unit_test(a_packet_is_given_up_when_fading_or_the_link_loses_all_transmissions),
        cmocka_unit_test(a_channel_that_fades_by_itself_is_told_as_its_mean),
        cmocka_unit_test(the_radios_snr_is_an_analog_channels_condition),
        cmocka_unit_test(no_channel_is_faster_than_the_peak_that_links_are_checked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
