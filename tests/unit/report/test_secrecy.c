/* What is read where it was measured, and the command that measures where it was not. */
#include "orchestrator/report/secrecy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct secrecy_crossing crossing(const char *format, const char *law, uint32_t split, double level)
{
    struct secrecy_crossing made = {.split = split, .level = level};
    strcpy(made.format, format);
    strcpy(made.law, law);
    return made;
}

static void add(struct secrecy *secrecy, uint32_t split, double level, double share, uint64_t tokens)
{
    const struct secrecy_measure measure = {crossing("int8", "erasure, fill zero", split, level), share,
                                            tokens};
    assert_int_equal(secrecy_add(secrecy, &measure), 0);
}

static double share_at(const struct secrecy *secrecy, const char *format, const char *law, uint32_t split,
                       double level)
{
    const struct secrecy_crossing at = crossing(format, law, split, level);
    return secrecy_share(secrecy, &at);
}

static void a_share_is_that_measured_or_linear_between_the_nearest(void **state)
{
    static const char law[] = "erasure, fill zero";
    struct secrecy secrecy = {0};
    (void) state;
    assert_int_equal(secrecy_tokens(&secrecy), 0);
    add(&secrecy, 3, 0.5, 0.25, 96);
    add(&secrecy, 3, 0.0, 1.0, 64);
    add(&secrecy, 3, 0.25, 0.75, 128);
    add(&secrecy, 4, 0.0, 0.5, 96);
    assert_true(share_at(&secrecy, "int8", law, 3, 0.0) == 1.0);
    assert_true(share_at(&secrecy, "int8", law, 3, 0.125) == 0.875);
    assert_true(share_at(&secrecy, "int8", law, 3, 0.25) == 0.75);
    assert_true(share_at(&secrecy, "int8", law, 3, 0.375) == 0.5);
    assert_true(share_at(&secrecy, "int8", law, 3, 0.5) == 0.25);
    assert_true(share_at(&secrecy, "int8", law, 4, 0.0) == 0.5);
    assert_int_equal(secrecy_tokens(&secrecy), 64);
    secrecy_finish(&secrecy);
}

static void what_was_not_measured_has_no_share(void **state)
{
    static const char law[] = "erasure, fill zero";
    struct secrecy secrecy = {0};
    (void) state;
    assert_true(isnan(share_at(&secrecy, "int8", law, 3, 0.0)));
    add(&secrecy, 3, 0.25, 1.0, 96);
    add(&secrecy, 3, 0.5, 1.0, 96);
    add(&secrecy, 5, 0.0, 1.0, 96);
    assert_true(isnan(share_at(&secrecy, "int8", law, 3, 0.125)));
    assert_true(isnan(share_at(&secrecy, "int8", law, 3, 0.5625)));
    assert_true(isnan(share_at(&secrecy, "int8", law, 4, 0.25)));
    assert_true(isnan(share_at(&secrecy, "fp32", law, 3, 0.25)));
    assert_true(isnan(share_at(&secrecy, "int8", "erasure, fill mean", 3, 0.25)));
    secrecy_finish(&secrecy);
}

/* The command for two crossings, int8 at splits 5 and 2. */
static void expect_command(const struct scenario *scenario, double low, double high, const char *command)
{
    struct secrecy_gap gap = {0};
    struct buf text = {0};
    const struct secrecy_crossing one = crossing("int8", "x", 5, high), other = crossing("int8", "x", 2, low);
    assert_int_equal(secrecy_gap_add(&gap, &one), 0);
    assert_int_equal(secrecy_gap_add(&gap, &other), 0);
    assert_int_equal(secrecy_print_command(&gap, scenario, &text), 0);
    assert_string_equal((const char *) text.data, command);
    buf_finish(&gap.formats);
    buf_finish(&text);
}

#define BEGIN "handoff-orchestrator leak --db FILE --model m.bin --attack=search --splits=2-5 --mode="

static void a_gap_is_measured_by_a_command_for_each_mode(void **state)
{
    struct scenario scenario;
    (void) state;
    scenario_defaults(&scenario);
    strcpy(scenario.model.file, "m.bin");
    expect_command(&scenario, 0.0, 0.0, BEGIN "none --format=int8");
    scenario.channel.mode = CHANNEL_ERASURE;
    scenario.channel.loss_min = 0.01;
    scenario.channel.loss_max = 0.3;
    expect_command(&scenario, 0.02, 0.29, BEGIN "erasure --format=int8 --loss=0.01,0.155,0.3 --fill=zero");
    scenario.channel.mode = CHANNEL_BOUNDED;
    scenario.channel.layout = LAYOUT_INTERLEAVED;
    scenario.channel.fill = FILL_PREVIOUS;
    expect_command(
        &scenario, 0.09516258196404048, 0.09516258196404048,
        BEGIN "packets --format=int8 --loss=0.09516258196404048 --layout=interleaved --packet-bytes=1500 "
              "--fill=previous");
    scenario.channel.mode = CHANNEL_BITS;
    expect_command(&scenario, 0.001, 0.001, BEGIN "bits --format=int8 --bit-error=0.001");
    scenario.channel.protected_bits = 2;
    expect_command(&scenario, 0.001, 0.001, BEGIN "bits --format=int8 --bit-error=0.001 --protected-bits=2");
    scenario.channel.mode = CHANNEL_ANALOG;
    scenario.channel.snr_db_min = -2.0;
    scenario.channel.snr_db_max = 10.0;
    scenario.channel.power = POWER_PER_TOKEN;
    expect_command(&scenario, 0.0, 9.0, BEGIN "analog --snr=-2,4,10 --power=per_token --fading=awgn");
    scenario.channel.snr = SNR_RADIO;
    scenario.channel.power = POWER_FIXED;
    scenario.channel.reference_rms = 6.5;
    scenario.channel.fading = CHANNEL_NAKAGAMI;
    scenario.channel.nakagami_m = 2.0;
    scenario.channel.equalised = SWITCH_OFF;
    expect_command(
        &scenario, 0.5, 9.5,
        BEGIN "analog --snr=0.5,5,9.5 --power=fixed --fading=nakagami:2 --reference-rms=6.5 --unequalised");
}

static void formats_are_named_once_and_what_a_shell_would_read_is_quoted(void **state)
{
    static const char *const formats[] = {"topk:12", "int8", "topk:1", "topk:12", "int8"};
    struct scenario scenario;
    struct secrecy_gap gap = {0};
    struct buf text = {0};
    (void) state;
    scenario_defaults(&scenario);
    strcpy(scenario.model.file, "it's; here");
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const struct secrecy_crossing own = crossing(formats[i], "none", 1, 0.0);
        assert_int_equal(secrecy_gap_add(&gap, &own), 0);
    }
    assert_int_equal(secrecy_print_command(&gap, &scenario, &text), 0);
    assert_string_equal(
        (const char *) text.data,
        "handoff-orchestrator leak --db FILE --model 'it'\\''s; here' --attack=search --splits=1-1 "
        "--mode=none --format=topk:12,int8,topk:1");
    buf_finish(&gap.formats);
    buf_finish(&text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_share_is_that_measured_or_linear_between_the_nearest),
        cmocka_unit_test(what_was_not_measured_has_no_share),
        cmocka_unit_test(a_gap_is_measured_by_a_command_for_each_mode),
        cmocka_unit_test(formats_are_named_once_and_what_a_shell_would_read_is_quoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
