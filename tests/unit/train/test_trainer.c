/* A decoder of two layers learns a small language of sentences in seconds. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/file.h"
#include "core/base/rng.h"
#include "core/base/sha256.h"
#include "core/train/trainer.h"

#define TOKENS 20000u
#define VOCABULARY 32u

struct scene {
    uint16_t tokens[TOKENS];
    struct trainer_text text;
    struct trainer_settings settings;
    char folder[64], path[96];
};

/* Each token is one of four that depend on the last but one: whoever knows that has ln 4 = 1.39 nats left. */
static void write_text(uint16_t *tokens)
{
    const struct rng_at at = {.seed = 11};
    for (uint32_t i = 0; i < TOKENS; i++) {
        uint32_t before = i < 2 ? 0 : tokens[i - 2] * 7u;
        tokens[i] = (uint16_t) ((before + 5u * rng_below(&at, i, 4)) % VOCABULARY);
    }
}

static double unigram_entropy(const uint16_t *tokens)
{
    double count[VOCABULARY] = {0}, sum = 0.0;
    for (size_t i = 0; i < TOKENS; i++)
        count[tokens[i]]++;
    for (size_t i = 0; i < VOCABULARY; i++)
        sum -= count[i] > 0 ? count[i] / TOKENS * log(count[i] / TOKENS) : 0.0;
    return sum;
}

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    assert_non_null(scene);
    write_text(scene->tokens);
    scene->text = (struct trainer_text){scene->tokens, TOKENS};
    scene->settings = trainer_defaults();
    scene->settings.shape = (struct shape){.layers = 2,
                                           .width = 32,
                                           .heads = 4,
                                           .kv_heads = 2,
                                           .hidden = 64,
                                           .vocabulary = VOCABULARY,
                                           .context = 32};
    scene->settings.steps = 400;
    scene->settings.warm_up = 20;
    scene->settings.rate = 1e-2;
    (void) strcpy(scene->folder, "/tmp/handoff-trainer-XXXXXX");
    assert_non_null(mkdtemp(scene->folder));
    (void) snprintf(scene->path, sizeof scene->path, "%s/training.state", scene->folder);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    (void) unlink(scene->path);
    assert_int_equal(rmdir(scene->folder), 0); /* nothing is left beside the state */
    free(scene);
    return 0;
}

static struct trainer *create(const struct scene *scene, uint32_t threads)
{
    struct trainer *trainer = NULL;
    struct diag diag = {0};
    if (trainer_create(&scene->settings, &scene->text, threads, &trainer, &diag) != 0)
        fail_msg("%s", diag.text);
    return trainer;
}

static double run(struct trainer *trainer, uint32_t steps)
{
    struct trainer_report report = {0};
    double nats = 0.0;
    for (uint32_t i = 0; i < steps; i++) {
        assert_int_equal(trainer_step(trainer, &report, NULL), 0);
        nats = i == 0 ? report.nats : 0.9 * nats + 0.1 * report.nats;
    }
    return nats;
}

static void expect_same(const struct trainer *left, const struct trainer *right)
{
    const size_t count = shape_parameters(&trainer_settings_of(left)->shape);
    assert_int_equal(trainer_steps_done(left), trainer_steps_done(right));
    assert_memory_equal(trainer_params(left), trainer_params(right), count * sizeof(float));
}

static void the_loss_falls_far_below_the_unigram_entropy(void **state)
{
    const struct scene *scene = *state;
    struct trainer *trainer = create(scene, 2);
    double begin = run(trainer, 1), end = run(trainer, scene->settings.steps - 1);
    double unigram = unigram_entropy(scene->tokens);
    assert_true(fabs(begin - log(VOCABULARY)) < 0.2);
    if (!(end < 0.65 * unigram))
        fail_msg("the loss is %g, and the unigram entropy %g", end, unigram);
    trainer_destroy(trainer);
}

static void the_bits_do_not_depend_on_the_number_of_threads(void **state)
{
    struct scene *scene = *state;
    scene->settings.noise_share = 0.5;
    scene->settings.exit_weight = 0.3;
    struct trainer *one = create(scene, 1), *two = create(scene, 2), *many = create(scene, 7);
    (void) run(one, 12);
    (void) run(two, 12);
    (void) run(many, 12);
    expect_same(one, two);
    expect_same(one, many);
    trainer_destroy(one);
    trainer_destroy(two);
    trainer_destroy(many);
}

static void another_seed_gives_another_model(void **state)
{
    struct scene *scene = *state;
    struct trainer *one = create(scene, 1);
    scene->settings.seed = 2;
    struct trainer *two = create(scene, 1);
    assert_memory_not_equal(trainer_params(one), trainer_params(two), 1000);
    trainer_destroy(one);
    trainer_destroy(two);
}

/* On every processor and from every compiler. Whoever changes these bits on purpose raises LINALG_ARITHMETIC, and trains
 * the house model anew (deploy/train-house-model). */
static void the_bits_are_those_that_were_recorded(void **state)
{
    static const char recorded[] = "904c5be3b04fc4b472c1dcfe21af16edcad73cd83ee6f4d7015501c8f6643ac8";
    struct scene *scene = *state;
    struct sha256 sha;
    uint8_t hash[SHA256_SIZE];
    char text[2 * SHA256_SIZE + 1];
    scene->settings.noise_share = 0.5;
    scene->settings.exit_weight = 0.3;
    struct trainer *trainer = create(scene, 2);
    (void) run(trainer, 30);
    sha256_begin(&sha);
    sha256_add(&sha, trainer_params(trainer), shape_parameters(&scene->settings.shape) * sizeof(float));
    sha256_end(&sha, hash);
    for (size_t i = 0; i < SHA256_SIZE; i++)
        (void) snprintf(text + 2 * i, 3, "%02x", hash[i]);
    assert_string_equal(text, recorded);
    trainer_destroy(trainer);
}

static void a_resumed_training_is_as_if_it_had_not_stopped(void **state)
{
    struct scene *scene = *state;
    scene->settings.noise_share = 0.5;
    struct trainer *whole = create(scene, 1), *cut = create(scene, 2);
    (void) run(whole, 25);
    (void) run(cut, 10);
    assert_int_equal(trainer_save(cut, scene->path, NULL), 0);
    (void) run(cut, 3); /* lost */
    trainer_destroy(cut);
    struct trainer *resumed = create(scene, 1);
    assert_int_equal(trainer_load(resumed, scene->path, NULL), 0);
    assert_int_equal(trainer_steps_done(resumed), 10);
    (void) run(resumed, 15);
    expect_same(whole, resumed);
    trainer_destroy(whole);
    trainer_destroy(resumed);
}

static void noise_and_exits_take_part_in_training(void **state)
{
    struct scene *scene = *state;
    struct trainer *plain = create(scene, 1);
    struct trainer_report report;
    assert_int_equal(trainer_step(plain, &report, NULL), 0);
    assert_true(report.exit_nats == 0.0);
    scene->settings.noise_share = 1.0;
    struct trainer *noisy = create(scene, 1);
    assert_int_equal(trainer_step(noisy, &report, NULL), 0);
    scene->settings.noise_share = 0.0;
    scene->settings.exit_weight = 1.0;
    struct trainer *exits = create(scene, 1);
    assert_int_equal(trainer_step(exits, &report, NULL), 0);
    assert_true(fabs(report.exit_nats - log(VOCABULARY)) < 0.2);
    const size_t bytes = shape_parameters(&scene->settings.shape) * sizeof(float);
    assert_memory_not_equal(trainer_params(plain), trainer_params(noisy), bytes);
    assert_memory_not_equal(trainer_params(plain), trainer_params(exits), bytes);
    trainer_destroy(plain);
    trainer_destroy(noisy);
    trainer_destroy(exits);
}

/* ---- refusals ---- */

static void expect_refused(struct scene *scene, int code, const char *text)
{
    struct diag diag = {0};
    struct trainer *trainer = create(scene, 1), *untouched = create(scene, 1);
    assert_int_equal(trainer_load(trainer, scene->path, &diag), code);
    if (strstr(diag.text, text) == NULL)
        fail_msg("said: %s\nexpected: %s", diag.text, text);
    expect_same(trainer, untouched);
    trainer_destroy(trainer);
    trainer_destroy(untouched);
}

static void save(const struct scene *scene, uint32_t steps)
{
    struct trainer *trainer = create(scene, 1);
    (void) run(trainer, steps);
    assert_int_equal(trainer_save(trainer, scene->path, NULL), 0);
    trainer_destroy(trainer);
}

static void a_state_of_another_training_is_refused(void **state)
{
    struct scene *scene = *state;
    save(scene, 2);
    scene->settings.rate = 2e-2;
    expect_refused(scene, ERR_MISMATCH, "was trained with rate 0.01, and is to go on with 0.02");
    scene->settings.rate = 1e-2;
    scene->settings.seed = 4;
    expect_refused(scene, ERR_MISMATCH, "was trained with seed 1, and is to go on with 4");
    scene->settings.seed = 1;
    scene->tokens[TOKENS - 1] ^= 1;
    expect_refused(scene, ERR_MISMATCH, "another text");
}

static void damage(const struct scene *scene, size_t at, size_t size)
{
    struct buf file = {0};
    assert_int_equal(file_read(scene->path, 1u << 30, &file, NULL), 0);
    assert_true(at < file.size);
    file.data[at] ^= 0x10;
    assert_int_equal(file_replace(scene->path, file.data, size > 0 ? size : file.size, NULL), 0);
    buf_finish(&file);
}

static void a_damaged_state_is_refused(void **state)
{
    struct scene *scene = *state;
    save(scene, 1);
    damage(scene, 5000, 0);
    expect_refused(scene, ERR_CORRUPT, "damaged");
    damage(scene, 0, 0);
    expect_refused(scene, ERR_TYPE, "is no state of training");
    damage(scene, 0, 0);
    damage(scene, 4, 0);
    expect_refused(scene, ERR_VERSION, "version");
    damage(scene, 4, 4000);
    expect_refused(scene, ERR_TRUNCATED, "4000 bytes");
    damage(scene, 0, 100);
    expect_refused(scene, ERR_TRUNCATED, "100 bytes");
}

static void settings_that_do_not_fit_are_refused_by_name(void **state)
{
    static const struct {
        const char *said;
        uint32_t heads, kv_heads, shards;
        double rate, low_db;
    } cases[] = {
        {"heads: a width of 32 does not divide into 5 heads", 5, 5, 4, 1e-2, 0.0},
        {"heads: a width of 32 does not divide into 32 heads of an even size", 32, 32, 4, 1e-2, 0.0},
        {"kv_heads: 3 do not divide 4 heads", 4, 3, 4, 1e-2, 0.0},
        {"shards: 3 do not divide a batch of 8", 4, 2, 3, 1e-2, 0.0},
        {"shards: 9 is not from 1 to 8", 4, 2, 9, 1e-2, 0.0},
        {"rate: nan is not from", 4, 2, 4, NAN, 0.0},
        {"noise_low_db: 30 is not from -60 to 20", 4, 2, 4, 1e-2, 30.0},
    };
    const struct scene *scene = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct trainer_settings settings = scene->settings;
        struct diag diag = {0};
        settings.shape.heads = cases[i].heads;
        settings.shape.kv_heads = cases[i].kv_heads;
        settings.shards = cases[i].shards;
        settings.rate = cases[i].rate;
        settings.noise_low_db = cases[i].low_db;
        assert_true(trainer_check(&settings, &diag) != 0);
        if (strstr(diag.text, cases[i].said) == NULL)
            fail_msg("said: %s\nexpected: %s", diag.text, cases[i].said);
    }
}

static void a_text_shorter_than_a_window_is_refused(void **state)
{
    struct scene *scene = *state;
    struct trainer *trainer = NULL;
    struct diag diag = {0};
    scene->text.count = scene->settings.shape.context;
    assert_int_equal(trainer_create(&scene->settings, &scene->text, 1, &trainer, &diag), ERR_RANGE);
    assert_non_null(strstr(diag.text, "a text of 32 tokens is too short for a context of 32"));
    scene->text.count++;
    trainer = create(scene, 1);
    (void) run(trainer, 1); /* the only window there is */
    trainer_destroy(trainer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_loss_falls_far_below_the_unigram_entropy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_bits_do_not_depend_on_the_number_of_threads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_seed_gives_another_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_bits_are_those_that_were_recorded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_resumed_training_is_as_if_it_had_not_stopped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(noise_and_exits_take_part_in_training, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_state_of_another_training_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_state_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(settings_that_do_not_fit_are_refused_by_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_text_shorter_than_a_window_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("trainer", tests, NULL, NULL);
}
