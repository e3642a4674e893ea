/* Transitions gathered piece by piece put a fresh learner where the other one was; anything else is refused
 * and changes nothing. */
#include "core/rl/experience.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/rl/checkpoint.h"
#include "core/rl/ddpg_internal.h"
#include "core/rl/noise.h"
#include "learner.h"
#include "twin.h"

#define FLAGS_OF_FIRST EXPERIENCE_HEADER_BYTES
#define CRC CHECKPOINT_CRC_BYTES

static struct buf saved(struct offpolicy *ddpg, uint64_t first)
{
    struct buf bytes = {0};
    assert_int_equal(experience_save(offpolicy_replay(ddpg), first, &bytes), 0);
    return bytes;
}

/* Everything of a learner: two that agree in it go on alike. */
static struct buf everything(const struct offpolicy *ddpg)
{
    struct buf bytes = {0};
    assert_int_equal(offpolicy_save(ddpg, LEARNER_ALL, &bytes), 0);
    return bytes;
}

static void expect_same(const struct offpolicy *a, const struct offpolicy *b)
{
    struct buf of_a = everything(a), of_b = everything(b);
    assert_int_equal(of_a.size, of_b.size);
    assert_memory_equal(of_a.data, of_b.data, of_a.size);
    buf_finish(&of_a);
    buf_finish(&of_b);
}

/* In memory of exactly its size; a refusal says why and changes nothing. */
static int load_exact(struct offpolicy *ddpg, const void *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    struct diag diag = {{0}};
    struct buf before = everything(ddpg);
    int code = experience_load(offpolicy_replay(ddpg), copy, size, &diag);
    free(copy);
    if (code != 0) {
        struct buf after = everything(ddpg);
        assert_true(diag.text[0] != '\0');
        assert_int_equal(before.size, after.size);
        assert_memory_equal(before.data, after.data, before.size);
        buf_finish(&after);
    }
    buf_finish(&before);
    return code;
}

/* Trains for `steps`, a piece of experience every `every`; then a fresh learner gets the pieces and the
 * state, and both train on. */
static void train_in_pieces(size_t steps, size_t every)
{
    struct offpolicy *whole = learner_create(&learner_config), *fresh = learner_create(&learner_config);
    uint64_t gathered = 0;
    for (size_t step = 0; step < steps; step += every) {
        learner_run(whole, step, every);
        struct buf piece = saved(whole, gathered);
        gathered = experience_total(offpolicy_replay(whole));
        assert_int_equal(load_exact(fresh, piece.data, piece.size), 0);
        buf_finish(&piece);
    }
    assert_true(experience_is_whole(offpolicy_replay(fresh), gathered));
    assert_false(experience_is_whole(offpolicy_replay(fresh), gathered + 1));
    struct buf state = {0};
    assert_int_equal(offpolicy_save(whole, CHECKPOINT_ACTOR | CHECKPOINT_LEARNER, &state), 0);
    assert_int_equal(offpolicy_load(fresh, state.data, state.size, NULL), 0);
    expect_same(whole, fresh);
    learner_run(whole, steps, 57);
    learner_run(fresh, steps, 57);
    expect_same(whole, fresh);
    buf_finish(&state);
    offpolicy_destroy(whole);
    offpolicy_destroy(fresh);
}

static void a_learner_goes_on_bit_for_bit_from_pieces_of_experience(void **state)
{
    (void) state;
    train_in_pieces(30, 10);  /* the ring of 40 is not full */
    train_in_pieces(40, 8);   /* it just is */
    train_in_pieces(130, 13); /* it has turned three times, in steps that do not divide it */
    train_in_pieces(200, 50); /* each piece is larger than the ring: gaps */
}

static void pieces_that_have_fallen_out_are_not_needed(void **state)
{
    (void) state;
    struct offpolicy *whole = learner_create(&learner_config), *fresh = learner_create(&learner_config);
    learner_feed(whole, 0, 100);
    struct buf old = saved(whole, 0), late = {0};
    assert_int_equal(experience_oldest(offpolicy_replay(whole)), 60);
    learner_feed(whole, 100, 25);
    buf_finish(&old);
    late = saved(whole, 85);
    assert_int_equal(load_exact(fresh, late.data, late.size), 0); /* 85 to 124: a full ring */
    assert_true(experience_is_whole(offpolicy_replay(fresh), 125));
    expect_same(whole, fresh);
    assert_int_equal(load_exact(fresh, late.data, late.size), ERR_CORRUPT); /* known already */
    buf_finish(&late);
    offpolicy_destroy(whole);
    offpolicy_destroy(fresh);
}

static void a_missing_piece_is_noticed(void **state)
{
    (void) state;
    struct offpolicy *whole = learner_create(&learner_config), *fresh = learner_create(&learner_config);
    learner_feed(whole, 0, 30);
    struct buf late = saved(whole, 20);
    assert_int_equal(load_exact(fresh, late.data, late.size), 0);
    assert_false(experience_is_whole(offpolicy_replay(fresh), 30));
    buf_finish(&late);
    offpolicy_destroy(whole);
    offpolicy_destroy(fresh);
}

/* State n + 1 is the next state of n, as in an episode. */
static void feed_chain(struct offpolicy *ddpg, size_t count)
{
    float at[LEARNER_STATE], next[LEARNER_STATE], action[LEARNER_ACTION];
    twin_fill(at, LEARNER_STATE, 1.0f, 1);
    for (size_t i = 0; i < count; i++) {
        twin_fill(next, LEARNER_STATE, 1.0f, 2 + (uint32_t) i);
        twin_fill(action, LEARNER_ACTION, 1.0f, 1000 + (uint32_t) i);
        const struct transition transition = {
            .state = at, .action = action, .reward = -1.0f, .next_state = next, .terminal = i == 5};
        offpolicy_push(ddpg, &transition);
        memcpy(at, next, sizeof at);
    }
}

static void a_state_that_the_transition_before_ended_in_is_written_once(void **state)
{
    (void) state;
    struct offpolicy *whole = learner_create(&learner_config), *fresh = learner_create(&learner_config);
    feed_chain(whole, 20);
    struct buf bytes = saved(whole, 0);
    size_t chained = 1 + (LEARNER_STATE + LEARNER_ACTION + 1) * sizeof(float);
    assert_int_equal(bytes.size,
                     EXPERIENCE_HEADER_BYTES + LEARNER_STATE * sizeof(float) + 20 * chained + CRC);
    assert_int_equal(load_exact(fresh, bytes.data, bytes.size), 0);
    expect_same(whole, fresh);
    buf_finish(&bytes);
    offpolicy_destroy(whole);
    offpolicy_destroy(fresh);
}

static void repair_crc(struct buf *bytes)
{
    uint32_t crc = checkpoint_crc32(bytes->data, bytes->size - CRC);
    memcpy(bytes->data + bytes->size - CRC, &crc, sizeof crc);
}

static void a_cut_or_changed_piece_is_refused_at_every_byte(void **state)
{
    (void) state;
    struct offpolicy *whole = learner_create(&learner_config), *fresh = learner_create(&learner_config);
    learner_feed(whole, 0, 4);
    struct buf bytes = saved(whole, 0);
    for (size_t size = 0; size < bytes.size; size++)
        assert_int_not_equal(load_exact(fresh, bytes.data, size), 0);
    for (size_t i = 0; i < bytes.size; i++) {
        bytes.data[i] ^= 0x10;
        assert_int_not_equal(load_exact(fresh, bytes.data, bytes.size), 0);
        bytes.data[i] ^= 0x10;
    }
    /* The same with a checksum that fits: what is in the header decides. */
    for (size_t i = 0; i < EXPERIENCE_HEADER_BYTES; i++) {
        bool is_first = i >= 24 && i < 32; /* where the piece begins is its own affair */
        bytes.data[i] ^= 0x80;
        repair_crc(&bytes);
        int code = is_first ? ERR_CORRUPT : load_exact(fresh, bytes.data, bytes.size);
        assert_int_not_equal(code, 0);
        bytes.data[i] ^= 0x80;
    }
    repair_crc(&bytes);
    assert_int_equal(load_exact(fresh, bytes.data, bytes.size), 0);
    buf_finish(&bytes);
    offpolicy_destroy(whole);
    offpolicy_destroy(fresh);
}

static int load_patched(struct offpolicy *ddpg, const struct buf *bytes, size_t offset, const void *patch,
                        size_t size)
{
    struct buf copy = {0};
    assert_int_equal(buf_push(&copy, bytes->data, bytes->size), 0);
    memcpy(copy.data + offset, patch, size);
    repair_crc(&copy);
    int code = load_exact(ddpg, copy.data, copy.size);
    buf_finish(&copy);
    return code;
}

static void numbers_that_are_not_possible_are_refused(void **state)
{
    (void) state;
    struct offpolicy *whole = learner_create(&learner_config), *fresh = learner_create(&learner_config);
    learner_feed(whole, 0, 4);
    struct buf bytes = saved(whole, 0);
    const float poison[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof poison / sizeof *poison; i++)
        assert_int_equal(load_patched(fresh, &bytes, FLAGS_OF_FIRST + 1, &poison[i], 4), ERR_CORRUPT);
    const uint8_t chained_first = 2, unknown = 4;
    assert_int_equal(load_patched(fresh, &bytes, FLAGS_OF_FIRST, &chained_first, 1), ERR_CORRUPT);
    assert_int_equal(load_patched(fresh, &bytes, FLAGS_OF_FIRST, &unknown, 1), ERR_CORRUPT);
    const uint64_t counts[] = {3, 5, 41, UINT64_MAX};
    const int codes[] = {ERR_CORRUPT, ERR_TRUNCATED, ERR_CORRUPT, ERR_CORRUPT};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        assert_int_equal(load_patched(fresh, &bytes, 32, &counts[i], 8), codes[i]);
    buf_finish(&bytes);
    offpolicy_destroy(whole);
    offpolicy_destroy(fresh);
}

static void noise_goes_on_where_it_was(void **state)
{
    (void) state;
    const struct noise_config config = {
        .ornstein_uhlenbeck = true, .sigma = 0.2, .decay = 0.99, .theta = 0.15, .seed = 5};
    struct noise a, b;
    struct buf bytes = {0};
    float of_a[6] = {0}, of_b[6] = {0};
    assert_int_equal(noise_init(&a, &config, 6), 0);
    assert_int_equal(noise_init(&b, &config, 6), 0);
    for (int i = 0; i < 9; i++)
        i < 4 ? noise_uniform(&a, of_a) : noise_add(&a, of_a);
    assert_int_equal(noise_save(&a, &bytes), 0);
    for (size_t size = 0; size < bytes.size; size++)
        assert_int_equal(noise_load(&b, bytes.data, size, NULL), ERR_MISMATCH);
    const double scales[] = {NAN, -0.1, 0.3};
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++) {
        double was;
        memcpy(&was, bytes.data + 8, 8);
        memcpy(bytes.data + 8, &scales[i], 8);
        assert_int_equal(noise_load(&b, bytes.data, bytes.size, NULL), ERR_CORRUPT);
        memcpy(bytes.data + 8, &was, 8);
    }
    assert_int_equal(noise_load(&b, bytes.data, bytes.size, NULL), 0);
    memset(of_a, 0, sizeof of_a);
    noise_add(&a, of_a);
    noise_add(&b, of_b);
    assert_memory_equal(of_a, of_b, sizeof of_a);
    buf_finish(&bytes);
    noise_finish(&a);
    noise_finish(&b);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_learner_goes_on_bit_for_bit_from_pieces_of_experience),
        cmocka_unit_test(pieces_that_have_fallen_out_are_not_needed),
        cmocka_unit_test(a_missing_piece_is_noticed),
        cmocka_unit_test(a_state_that_the_transition_before_ended_in_is_written_once),
        cmocka_unit_test(a_cut_or_changed_piece_is_refused_at_every_byte),
        cmocka_unit_test(numbers_that_are_not_possible_are_refused),
        cmocka_unit_test(noise_goes_on_where_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
