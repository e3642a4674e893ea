#include "core/model/radio.h"
#include "core/model/scenario.h"

#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "core/base/err.h"

static int read_text(const char *text, struct scenario *ret, struct diag *diag)
{
    scenario_defaults(ret);
    *diag = (struct diag){{0}};
    return scenario_read(ret, text, strlen(text), "x.yaml", diag);
}

static void assert_refused(const char *text, int code, const char *message)
{
    struct scenario scenario;
    struct scenario defaults;
    struct diag diag;
    int rc = read_text(text, &scenario, &diag);
    assert_string_equal(diag.text, message);
    assert_int_equal(rc, code);
    scenario_defaults(&defaults);
    assert_memory_equal(&scenario, &defaults, sizeof scenario);
}

static void keys_are_read_over_what_was_there(void **state)
{
    (void) state;
    struct scenario scenario;
    struct diag diag;
    assert_int_equal(
        read_text("run:\n  name: mine\n  slots: 7\nradio:\n  bandwidth_mhz: 2.5e1\n  fading: none\n"
                  "mobility:\nservers: {sharing: proportional}\n",
                  &scenario, &diag),
        0);
    assert_string_equal(scenario.run.name, "mine");
    assert_int_equal(scenario.run.slots, 7);
    assert_int_equal(scenario.run.episodes, 20);
    assert_same(scenario.radio.bandwidth_mhz, 25.0);
    assert_int_equal(scenario.radio.fading, FADING_NONE);
    assert_int_equal(scenario.servers.sharing, COMPUTE_PROPORTIONAL);
}

static void a_channel_that_does_not_go_with_the_rest_is_refused(void **state)
{
    (void) state;
    assert_refused("channel:\n  loss_min: 0.2\n  loss_max: 0.1\n", ERR_RANGE,
                   "x.yaml: channel.loss_min: 0.2 is above channel.loss_max, 0.1");
    assert_refused("channel:\n  snr_db_min: 11\n", ERR_RANGE,
                   "x.yaml: channel.snr_db_min: 11 is above channel.snr_db_max, 10 dB");
    assert_refused("channel:\n  margin_db: -11\n", ERR_RANGE,
                   "x.yaml:2: channel.margin_db: -11 is out of range, allowed -10 to 60 dB");
    assert_refused("channel:\n  harq: on\n  mode: bits\n", ERR_UNSUPPORTED,
                   "x.yaml: channel.harq: is of the mode reliable, and channel.mode is bits: allowed off");
    assert_refused("channel:\n  mode: bounded\nradio:\n  fading: none\n", ERR_UNSUPPORTED,
                   "x.yaml: radio.fading: channel.mode bounded is about blocks that fade, allowed rayleigh");
    assert_refused("channel:\n  mode: bounded\nradio:\n  trace: /x\n", ERR_UNSUPPORTED,
                   "x.yaml: radio.trace: tells rates that came through, and channel.mode bounded fades a "
                   "channel itself: leave it empty");
    assert_refused("channel:\n  mode: bounded\n  deadline_s: 1\nrun:\n  mode: queue\n", ERR_UNSUPPORTED,
                   "x.yaml: channel.deadline_s: run.mode: queue lets a transfer outlive its slot, allowed 0");
    assert_refused("channel:\n  mode: analog\nradio:\n  trace: /x\n", ERR_UNSUPPORTED,
                   "x.yaml: radio.trace: tells rates, and channel.mode analog has none: leave it empty");
    assert_refused("channel:\n  mode: analog\n  snr: radio\nrun:\n  mode: queue\n", ERR_UNSUPPORTED,
                   "x.yaml: channel.snr: run.mode: queue changes a link from slot to slot, allowed fixed");
    assert_refused("channel:\n  mode: analog\nrun:\n  clock: real\n", ERR_RANGE,
                   "x.yaml: run.time_scale: uplinks of this scenario reach 1280 Mbit/s, at scale 1 more than "
                   "the 1 Gbit/s a link carries in real time: at most 0.78 fits");
}

static void the_canonical_text_reads_back_bit_for_bit(void **state)
{
    (void) state;
    struct scenario scenario;
    struct scenario again;
    struct diag diag = {{0}};
    scenario_defaults(&scenario);
    scenario.radio.bandwidth_mhz = 1.0 / 3.0;
    scenario.radio.noise_dbm_hz = -0.0;
    scenario.objective.latency_weight = 5e-324;
    scenario.link.loss = 0.1 + 0.2;
    scenario.run.seed = 9223372036854775807;
    scenario.run.record = RECORD_EPISODES;
    (void) strcpy(scenario.run.name, "a \"quoted\" \\ name: # \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 ");
    (void) strcpy(scenario.task.requests_csv, "~");
    struct buf text = {0};
    assert_int_equal(scenario_print(&scenario, &text), 0);
    assert_true(text.size < SCENARIO_TEXT_MAX);
    scenario_defaults(&again);
    if (scenario_read(&again, (const char *) text.data, text.size, "again", &diag) != 0)
        fail_msg("%s", diag.text);
    assert_memory_equal(&scenario, &again, sizeof scenario);
    struct buf second = {0};
    assert_int_equal(scenario_print(&again, &second), 0);
    assert_int_equal(text.size, second.size);
    assert_memory_equal(text.data, second.data, text.size);
    buf_finish(&text);
    buf_finish(&second);
}

static void the_longest_scenario_fits_into_its_limit(void **state)
{
    (void) state;
    struct scenario scenario;
    scenario_defaults(&scenario);
    memset(scenario.devices.positions_csv, '"', sizeof scenario.devices.positions_csv - 1);
    memset(scenario.servers.positions_csv, '\\', sizeof scenario.servers.positions_csv - 1);
    memset(scenario.task.requests_csv, '"', sizeof scenario.task.requests_csv - 1);
    struct buf text = {0};
    assert_int_equal(scenario_print(&scenario, &text), 0);
    assert_true(text.size < SCENARIO_TEXT_MAX / 4);
    buf_finish(&text);
}

static void unknown_names_are_refused_with_the_nearest_known_one(void **state)
{
    (void) state;
    assert_refused("radio:\n  bandwith_mhz: 3\n", ERR_UNKNOWN,
                   "x.yaml:2: radio.bandwith_mhz: unknown key, the nearest is 'bandwidth_mhz'");
    assert_refused("# radio\nraido:\n  bandwidth_mhz: 3\n", ERR_UNKNOWN,
                   "x.yaml:2: raido: unknown section, the nearest is 'radio'");
    assert_refused("\"run\\n\": 1\n", ERR_UNKNOWN, "x.yaml:1: run?: unknown section, the nearest is 'run'");
}

static void keys_and_sections_given_twice_are_refused(void **state)
{
    (void) state;
    assert_refused("run:\n  slots: 5\n  episodes: 1\n  slots: 5\n", ERR_DUPLICATE,
                   "x.yaml:4: run.slots: given twice");
    assert_refused("run:\n  slots: 5\n\nrun:\n  episodes: 6\n", ERR_DUPLICATE,
                   "x.yaml:4: run: section given twice");
}

static void values_out_of_range_are_refused_with_range_and_unit(void **state)
{
    (void) state;
    assert_refused("run:\n  slots: 5\n\nradio:\n  bandwidth_mhz: 0\n", ERR_RANGE,
                   "x.yaml:5: radio.bandwidth_mhz: 0 is out of range, allowed 1e-06 to 1e+06 MHz");
    assert_refused("radio:\n  bandwidth_mhz: 1e999\n", ERR_RANGE,
                   "x.yaml:2: radio.bandwidth_mhz: 1e999 is out of range, allowed 1e-06 to 1e+06 MHz");
    assert_refused("devices:\n  count: 0\n", ERR_RANGE,
                   "x.yaml:2: devices.count: 0 is out of range, allowed 1 to 100000 devices");
    assert_refused("devices:\n  count: -3\n", ERR_RANGE,
                   "x.yaml:2: devices.count: -3 is out of range, allowed 1 to 100000 devices");
    assert_refused(
        "run:\n  seed: 18446744073709551616\n", ERR_RANGE,
        "x.yaml:2: run.seed: 18446744073709551616 is out of range, allowed 0 to 9223372036854775807");
    assert_refused("objective:\n  latency_weight: 1.5\n", ERR_RANGE,
                   "x.yaml:2: objective.latency_weight: 1.5 is out of range, allowed 0 to 1");
}

static void malformed_numbers_are_refused(void **state)
{
    (void) state;
    static const char *const malformed[] = {"1.2abc", "nan",   ".inf", "010", "+1",
                                            "0x10",   "1_000", "1,5",  "yes"};
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        char text[64];
        char message[160];
        (void) snprintf(text, sizeof text, "run:\n  slots: %s\n", malformed[i]);
        (void) snprintf(message, sizeof message,
                        "x.yaml:2: run.slots: '%s' is not a whole number, allowed 1 to 1000000 slots",
                        malformed[i]);
        assert_refused(text, ERR_SYNTAX, message);
        (void) snprintf(text, sizeof text, "run:\n  slot_s: %s\n", malformed[i]);
        (void) snprintf(message, sizeof message,
                        "x.yaml:2: run.slot_s: '%s' is not a number, allowed 0.001 to 3600 s", malformed[i]);
        assert_refused(text, ERR_SYNTAX, message);
    }
    assert_refused("run:\n  slots: 1.5\n", ERR_SYNTAX,
                   "x.yaml:2: run.slots: '1.5' is not a whole number, allowed 1 to 1000000 slots");
    assert_refused("run:\n  slots: '5'\n", ERR_TYPE,
                   "x.yaml:2: run.slots: '5' is quoted text, write it without quotes");
    assert_refused("run:\n  slots:\n", ERR_SYNTAX, "x.yaml:2: run.slots: has no value");
}

static void unknown_words_are_refused_with_the_known_ones(void **state)
{
    (void) state;
    assert_refused("radio:\n  sharing: fair\n", ERR_UNKNOWN,
                   "x.yaml:2: radio.sharing: 'fair' is not known, allowed equal, proportional or shared");
    assert_refused("run:\n  record: Tasks\n", ERR_UNKNOWN,
                   "x.yaml:2: run.record: 'Tasks' is not known, allowed answers, tasks or episodes");
}

static void texts_are_bounded_and_clean(void **state)
{
    (void) state;
    assert_refused("run:\n  policy: abcdefghijklmnopqrstuvwxyz0123456\n", ERR_TOO_BIG,
                   "x.yaml:2: run.policy: 33 bytes are too long, allowed at most 32");
    assert_refused("run:\n  name: \"a\\nb\"\n", ERR_SYNTAX,
                   "x.yaml:2: run.name: byte 2 is a control character or not UTF-8");
    assert_refused("run:\n  name: \"a\\0b\"\n", ERR_TYPE,
                   "x.yaml:2: run.name: expected one value, not a list, a section or a zero byte");
    struct scenario scenario;
    struct diag diag;
    assert_int_equal(read_text("run:\n  policy: abcdefghijklmnopqrstuvwxyz012345\n", &scenario, &diag), 0);
}

static int set_name(const char *name, char ret_name[static 65])
{
    struct scenario scenario;
    char assignment[32];
    scenario_defaults(&scenario);
    (void) snprintf(assignment, sizeof assignment, "run.name=%s", name);
    int rc = scenario_set(&scenario, assignment, NULL);
    (void) strcpy(ret_name, scenario.run.name);
    return rc;
}

/* Each bound of what is text from both sides: the first and the last character of every length, of what is no
 * character (U+D800 to U+DFFF), control characters, line ends, byte order marks. */
static void a_text_has_the_characters_that_a_yaml_reader_gives_back(void **state)
{
    (void) state;
    static const char *const dirty[] = {"\x1f",
                                        "\x7f",
                                        "\x80",
                                        "\xc0\xaf",
                                        "\xc1\xbf",
                                        "\xc2\x80",
                                        "\xc2\x85",
                                        "\xc2\x9f",
                                        "\xc3\xc3",
                                        "\xe0\x9f\xbf",
                                        "\xe2\x82",
                                        "\xe2\x80\xa8",
                                        "\xe2\x80\xa9",
                                        "\xed\xa0\x80",
                                        "\xed\xbf\xbf",
                                        "\xef\xbb\xbf",
                                        "\xef\xbf\xbe",
                                        "\xef\xbf\xbf",
                                        "\xf0\x80\x80\x80",
                                        "\xf0\x8f\xbf\xbf",
                                        "\xf0\x9f\x98",
                                        "\xf4\x90\x80\x80",
                                        "\xf5\x80\x80\x80"};
    static const char *const clean[] = {" ",
                                        "~",
                                        "\xc2\xa0",
                                        "\xdf\xbf",
                                        "\xe0\xa0\x80",
                                        "\xe2\x80\xa7",
                                        "\xe2\x80\xaa",
                                        "\xed\x9f\xbf",
                                        "\xee\x80\x80",
                                        "\xef\xbb\xbe",
                                        "\xef\xbf\xbd",
                                        "\xf0\x90\x80\x80",
                                        "\xf4\x8f\xbf\xbf"};
    char name[65];
    for (size_t i = 0; i < sizeof dirty / sizeof *dirty; i++)
        assert_int_equal(set_name(dirty[i], name), ERR_SYNTAX);
    for (size_t i = 0; i < sizeof clean / sizeof *clean; i++) {
        assert_int_equal(set_name(clean[i], name), 0);
        assert_string_equal(name, clean[i]);
    }
}

static void what_is_no_scenario_is_refused(void **state)
{
    (void) state;
    static const char empty[] =
        "x.yaml: is empty: expected sections such as `radio:` with `key: value` lines";
    assert_refused("", ERR_SYNTAX, empty);
    assert_refused("\n# only words\n", ERR_SYNTAX, empty);
    assert_refused("---\n", ERR_SYNTAX, empty);
    assert_refused("hello\n", ERR_TYPE,
                   "x.yaml:1: expected sections such as `radio:` with `key: value` lines");
    assert_refused("- a\n", ERR_TYPE, "x.yaml:1: expected sections such as `radio:` with `key: value` lines");
    assert_refused("run: 5\n", ERR_TYPE, "x.yaml:1: run: expected a section of `key: value` lines");
    assert_refused("run:\n  slots: [1, 2]\n", ERR_TYPE,
                   "x.yaml:2: run.slots: expected one value, not a list, a section or a zero byte");
    assert_refused("run:\n  ? [slots]\n  : 1\n", ERR_TYPE, "x.yaml:2: run: expected a key");
    assert_refused("? [run]\n: 1\n", ERR_TYPE, "x.yaml:1: expected a section's name");
    assert_refused("run:\n  slots: 5\n---\nrun:\n  slots: 6\n", ERR_SYNTAX,
                   "x.yaml:3: a second document starts here, one is allowed");
    assert_refused("run:\n\tslots: 5\n", ERR_SYNTAX,
                   "x.yaml:2: not valid YAML: found character that cannot start any token");
    assert_refused("run:\n  name: \xff\n", ERR_SYNTAX, "x.yaml: byte 14: invalid leading UTF-8 octet");
}

static void anchors_aliases_and_tags_are_refused(void **state)
{
    (void) state;
    static const char anchors[] = "anchors and aliases are not allowed, write the value out";
    char message[128];
    (void) snprintf(message, sizeof message, "x.yaml:2: %s", anchors);
    assert_refused("run:\n  slots: &a 5\n", ERR_SYNTAX, message);
    assert_refused("run:\n  slots: *a\n", ERR_SYNTAX, message);
    (void) snprintf(message, sizeof message, "x.yaml:1: %s", anchors);
    assert_refused("&r run:\n  slots: 5\n", ERR_SYNTAX, message);
    assert_refused("run:\n  slots: !!int 5\n", ERR_SYNTAX,
                   "x.yaml:2: tags are not allowed, write the plain value");
}

static void a_text_above_the_limit_is_not_even_parsed(void **state)
{
    (void) state;
    char *text = malloc(SCENARIO_TEXT_MAX + 2);
    assert_non_null(text);
    memset(text, '[', SCENARIO_TEXT_MAX + 1);
    struct scenario scenario;
    struct diag diag = {{0}};
    scenario_defaults(&scenario);
    assert_int_equal(scenario_read(&scenario, text, SCENARIO_TEXT_MAX + 1, "x.yaml", &diag), ERR_TOO_BIG);
    assert_string_equal(diag.text, "x.yaml: larger than the limit of 65536 bytes");
    assert_true(scenario_read(&scenario, text, SCENARIO_TEXT_MAX, "x.yaml", NULL) != 0);
    free(text);
}

static void what_must_hold_between_keys_is_checked(void **state)
{
    (void) state;
    assert_refused("devices:\n  tflops_min: 2\n", ERR_RANGE,
                   "x.yaml: devices.tflops_min: 2 is above devices.tflops_max, 1.5 TFLOP/s");
    assert_refused("servers:\n  tflops_max: 4\n", ERR_RANGE,
                   "x.yaml: servers.tflops_min: 5 is above servers.tflops_max, 4 TFLOP/s");
    assert_refused("mobility:\n  speed_min: 6\n", ERR_RANGE,
                   "x.yaml: mobility.speed_mean: 5 is not between mobility.speed_min, 6, and "
                   "mobility.speed_max, 20 m/s");
    assert_refused(
        "mobility:\n  speed_max: 4\n", ERR_RANGE,
        "x.yaml: mobility.speed_mean: 5 is not between mobility.speed_min, 0, and mobility.speed_max, 4 m/s");
    assert_refused("model:\n  min_split: 33\n", ERR_RANGE,
                   "x.yaml: model.min_split: 33 is above the 32 layers of llama-2-7b");
    assert_refused("model:\n  llm: gpt-5\n", ERR_UNKNOWN,
                   "x.yaml: model.llm: 'gpt-5' is not known, allowed llama-2-7b, llama-2-13b, llama-3-8b, "
                   "llama-3-70b, llama-3.2-1b, llama-3.2-3b, mistral-7b, tinyllama-1.1b, qwen2.5-0.5b, "
                   "qwen2.5-1.5b, qwen2.5-3b, qwen2.5-7b, phi-3-mini, gemma-2b, gemma-7b, gemma-2-2b, "
                   "gemma-2-9b, gpt2, gpt2-medium, gpt2-large, gpt2-xl");
    assert_refused("model:\n  layers: 8\n  min_split: 9\n", ERR_RANGE,
                   "x.yaml: model.min_split: 9 is above the 8 layers of llama-2-7b, changed");
    assert_refused("model:\n  llm: \"\"\n  layers: 8\n  hidden: 64\n  ff: 256\n  vocab: 99\n", ERR_RANGE,
                   "x.yaml: model.kv: is not given; a model without a name needs model.layers, model.hidden, "
                   "model.kv, model.ff and model.vocab");
    assert_refused("model:\n  hidden: 2048\n", ERR_RANGE,
                   "x.yaml: model.kv: 4096 does not divide the 2048 elements of a token's queries; a head of "
                   "keys serves whole heads of queries: give model.kv and model.query together");
    assert_refused("model:\n  ff_matrices: 1\n", ERR_RANGE,
                   "x.yaml: model.ff_matrices: 1 makes no feed-forward part, allowed 2 (plain) or 3 (gated)");
    assert_refused("objective:\n  deadline_s: 1e-5\n", ERR_RANGE,
                   "x.yaml: objective.deadline_s: 1e-05 is too short, allowed 0 (none) or at least 0.001 s");
    assert_refused("servers:\n  coverage_m: 5\n", ERR_RANGE,
                   "x.yaml: servers.coverage_m: 5 is below radio.min_distance_m, 10 m");
    assert_refused(
        "radio:\n  path_loss_db: 10\n", ERR_RANGE,
        "x.yaml: radio.path_loss_db: 10 gives a path loss of -65.2 dB at radio.min_distance_m, 10 m: "
        "a channel cannot amplify");
    assert_refused(
        "devices:\n  memory_gb: 1\nmodel:\n  min_split: 3\n", ERR_RANGE,
        "x.yaml: devices.memory_gb: 1 holds 2 layers of llama-2-7b, fewer than model.min_split, 3");
}

static void what_must_hold_between_keys_of_real_layers_is_checked(void **state)
{
    (void) state;
    assert_refused("compute:\n  kind: model\n", ERR_RANGE,
                   "x.yaml: model.file: is empty, compute.kind 'model' needs a model file");
    assert_refused(
        "devices:\n  count: 4\n  guests: 4\n", ERR_RANGE,
        "x.yaml: devices.guests: 4 of devices.count, 4, leaves nobody to begin with, allowed 0 to 3");
    assert_refused("devices:\n  guests: 1\nmodel:\n  file: a\ncompute:\n  kind: model\n", ERR_UNSUPPORTED,
                   "x.yaml: devices.guests: guests need run.clock: real and compute.kind: model, allowed 0");
    assert_refused("compute:\n  kept: 5\n", ERR_RANGE,
                   "x.yaml: compute.kept: 5 is of the format topk, and compute.format is fp16: allowed 0");
    assert_refused("model:\n  file: a\ncompute:\n  kind: model\n  format: topk\n", ERR_RANGE,
                   "x.yaml: compute.kept: is 0, and the format topk keeps at least 1 element of each row");
    assert_refused("compute:\n  format: topk\n  kept: 4097\n", ERR_RANGE,
                   "x.yaml: compute.kept: 4097 is more than the 4096 elements of a row of llama-2-7b");
    assert_refused("run:\n  mode: queue\ncompute:\n  chunks: 2\n", ERR_UNSUPPORTED,
                   "x.yaml: compute.chunks: run.mode: queue sends a prompt whole, allowed 1");
    assert_refused("compute:\n  chunks: 2\nchannel:\n  mode: erasure\n", ERR_UNSUPPORTED,
                   "x.yaml: compute.chunks: channel.mode erasure damages a prompt's activations as a whole, "
                   "allowed 1");
    assert_refused("model:\n  file: a\ncompute:\n  kind: model\nchannel:\n  mode: analog\n", ERR_UNSUPPORTED,
                   "x.yaml: compute.format: is fp16, and channel.mode analog sends elements as they are, "
                   "allowed fp32");
    assert_refused("model:\n  file: a\ncompute:\n  kind: model\n  format: int8\n"
                   "channel:\n  mode: bits\n  protected_bits: 9\n",
                   ERR_RANGE,
                   "x.yaml: channel.protected_bits: 9 is more than the 8 bits of an element in int8");
    assert_refused("compute:\n  nll: on\n", ERR_UNSUPPORTED,
                   "x.yaml: compute.nll: emulated nodes compute nothing, allowed off");
    assert_refused(
        "model:\n  file: a\ncompute:\n  kind: model\n  nll: on\n  head: device\n", ERR_UNSUPPORTED,
        "x.yaml: compute.nll: with compute.head: device a server never sees the head, allowed off");
    assert_refused("model:\n  file: a\ncompute:\n  kind: model\nquality:\n  source: task\n", ERR_RANGE,
                   "x.yaml: compute.nll: is off, quality.source 'task' needs it");
    assert_refused("model:\n  hash: \"0AB\"\n", ERR_SYNTAX,
                   "x.yaml: model.hash: '0AB' is no SHA-256, which has 64 digits 0 to 9 and a to f");
    assert_refused("model:\n  bits_per_element: 0.001\n", ERR_RANGE,
                   "x.yaml:2: model.bits_per_element: 0.001 is out of range, allowed 0.01 to 64 bit");
}

static void keys_of_real_layers_that_fit_together_are_taken(void **state)
{
    (void) state;
    static const char *const texts[] = {
        "compute:\n  format: topk\n",
        "compute:\n  format: q4\n  head: device\n  weights: q8\n  batch: 256\n",
        "compute:\n  format: topk\n  kept: 4096\n",
        "compute:\n  chunks: 64\n",
        "model:\n  file: a\ncompute:\n  kind: model\n  chunks: 2\n",
        "channel:\n  mode: analog\n",
        "model:\n  file: a\ncompute:\n  kind: model\n  format: fp32\n  nll: on\nchannel:\n  mode: analog\n",
        "model:\n  file: a\ncompute:\n  kind: model\n  format: q4\nchannel:\n  mode: bits\n  protected_bits: "
        "4\n",
        "model:\n  file: a\ncompute:\n  kind: model\n  format: topk\n  kept: 65536\n",
        "run:\n  record: answers\n",
        "model:\n  bits_per_element: 0.01\n",
    };
    struct scenario scenario;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct diag diag = {{0}};
        if (read_text(texts[i], &scenario, &diag) != 0)
            fail_msg("%s: %s", texts[i], diag.text);
    }
}

static void a_time_scale_that_no_link_could_keep_up_with_is_refused_with_one_that_fits(void **state)
{
    (void) state;
    struct scenario scenario;
    struct diag diag = {0};
    scenario_defaults(&scenario);
    scenario.run.clock = CLOCK_REAL;
    assert_int_equal(scenario_check(&scenario, &diag), 0);
    double fits = 1e9 / radio_peak_rate_bps(&scenario);
    assert_refused(
        "run:\n  clock: real\n  time_scale: 2\n", ERR_RANGE,
        "x.yaml: run.time_scale: uplinks of this scenario reach 586 Mbit/s, at scale 2 more than the "
        "1 Gbit/s a link carries in real time: at most 1.70 fits");
    scenario.run.time_scale = fits * 1.0001;
    assert_int_equal(scenario_check(&scenario, &diag), ERR_RANGE);
    scenario.run.time_scale = fits * 0.9999;
    assert_int_equal(scenario_check(&scenario, &diag), 0);
    assert_refused("run:\n  clock: real\nradio:\n  bandwidth_mhz: 1000\n", ERR_RANGE,
                   "x.yaml: run.time_scale: uplinks of this scenario reach 23670 Mbit/s, and a link carries "
                   "1 Gbit/s in real time: no scale fits, use a smaller radio.bandwidth_mhz");
    assert_refused(
        "run:\n  clock: real\nlink:\n  down_mbps: 4000\n", ERR_RANGE,
        "x.yaml: run.time_scale: downlinks of this scenario reach 4000 Mbit/s, at scale 1 more than "
        "the 1 Gbit/s a link carries in real time: at most 0.25 fits");
    assert_refused(
        "run:\n  clock: real\nlink:\n  down_mbps: 20000\n", ERR_RANGE,
        "x.yaml: run.time_scale: downlinks of this scenario reach 20000 Mbit/s, and a link carries 1 "
        "Gbit/s in real time: no scale fits, use a smaller link.down_mbps");
    scenario.run.clock = CLOCK_VIRTUAL; /* which has no link to keep up */
    scenario.run.time_scale = 100.0;
    assert_int_equal(scenario_check(&scenario, &diag), 0);
}

static void one_assignment_sets_one_key(void **state)
{
    (void) state;
    struct scenario scenario;
    scenario_defaults(&scenario);
    assert_int_equal(scenario_set(&scenario, "devices.count=25", NULL), 0);
    assert_int_equal(scenario.devices.count, 25);
    assert_int_equal(scenario_set(&scenario, "task.requests_csv=a=b.csv", NULL), 0);
    assert_string_equal(scenario.task.requests_csv, "a=b.csv");
    assert_int_equal(scenario_set(&scenario, "task.requests_csv=", NULL), 0);
    assert_string_equal(scenario.task.requests_csv, "");
    static const struct {
        const char *assignment;
        int code;
        const char *message;
    } bad[] = {
        {"devices.count", ERR_SYNTAX, "'devices.count': expected section.key=value"},
        {"count=3", ERR_SYNTAX, "'count=3': expected section.key=value"},
        {"device.count=3", ERR_UNKNOWN, "device: unknown section, the nearest is 'devices'"},
        {"devices.cuont=3", ERR_UNKNOWN, "devices.cuont: unknown key, the nearest is 'count'"},
        {"devices.count=3x", ERR_SYNTAX,
         "devices.count: '3x' is not a whole number, allowed 1 to 100000 devices"},
        {"devices.count=", ERR_SYNTAX,
         "devices.count: '' is not a whole number, allowed 1 to 100000 devices"},
        {"mobility.kind=walk", ERR_UNKNOWN,
         "mobility.kind: 'walk' is not known, allowed gauss-markov, random-waypoint, still, trace or "
         "anywhere"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct diag diag = {{0}};
        assert_int_equal(scenario_set(&scenario, bad[i].assignment, &diag), bad[i].code);
        assert_string_equal(diag.text, bad[i].message);
    }
    assert_int_equal(scenario.devices.count, 25);
}

static void how_policies_are_set_is_unknown_here(void **state)
{
    (void) state;
    struct scenario scenario;
    struct diag diag = {{0}};
    scenario_defaults(&scenario);
    assert_refused("run:\n  slots: 5\nddpg:\n  batch: 32\n", ERR_UNKNOWN,
                   "x.yaml:3: ddpg: unknown section, the nearest is 'run'");
    assert_int_equal(scenario_set(&scenario, "fixed.split=4", &diag), ERR_UNKNOWN);
    assert_string_equal(diag.text, "fixed: unknown section, the nearest is 'area'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_read_over_what_was_there),
        cmocka_unit_test(a_channel_that_does_not_go_with_the_rest_is_refused),
        cmocka_unit_test(the_canonical_text_reads_back_bit_for_bit),
        cmocka_unit_test(the_longest_scenario_fits_into_its_limit),
        cmocka_unit_test(unknown_names_are_refused_with_the_nearest_known_one),
        cmocka_unit_test(keys_and_sections_given_twice_are_refused),
        cmocka_unit_test(values_out_of_range_are_refused_with_range_and_unit),
        cmocka_unit_test(malformed_numbers_are_refused),
        cmocka_unit_test(unknown_words_are_refused_with_the_known_ones),
        cmocka_unit_test(texts_are_bounded_and_clean),
        cmocka_unit_test(a_text_has_the_characters_that_a_yaml_reader_gives_back),
        cmocka_unit_test(what_is_no_scenario_is_refused),
        cmocka_unit_test(anchors_aliases_and_tags_are_refused),
        cmocka_unit_test(a_text_above_the_limit_is_not_even_parsed),
        cmocka_unit_test(what_must_hold_between_keys_is_checked),
        cmocka_unit_test(what_must_hold_between_keys_of_real_layers_is_checked),
        cmocka_unit_test(keys_of_real_layers_that_fit_together_are_taken),
        cmocka_unit_test(a_time_scale_that_no_link_could_keep_up_with_is_refused_with_one_that_fits),
        cmocka_unit_test(one_assignment_sets_one_key),
        cmocka_unit_test(how_policies_are_set_is_unknown_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
