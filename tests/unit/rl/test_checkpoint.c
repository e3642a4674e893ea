/* What is saved comes back bit for bit; anything else is refused and changes nothing. */
#include "core/rl/checkpoint.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/base/rng.h"
#include "core/rl/ddpg_internal.h"
#include "learner.h"

static struct buf saved_learner(const struct offpolicy *ddpg, bool with_buffer)
{
    struct buf bytes = {0};
    assert_int_equal(
        offpolicy_save(ddpg, with_buffer ? LEARNER_ALL : CHECKPOINT_ACTOR | CHECKPOINT_LEARNER, &bytes), 0);
    return bytes;
}

/* The code of loading exactly these bytes, in memory of exactly their size. Refusals must say why and change
 * nothing. */
static int load_exact(struct offpolicy *ddpg, const void *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    struct diag diag = {{0}};
    struct buf before = saved_learner(ddpg, true);
    int code = offpolicy_load(ddpg, copy, size, &diag);
    free(copy);
    if (code != 0) {
        struct buf after = saved_learner(ddpg, true);
        assert_true(diag.text[0] != '\0');
        assert_int_equal(before.size, after.size);
        assert_memory_equal(before.data, after.data, before.size);
        buf_finish(&after);
    }
    buf_finish(&before);
    return code;
}

static void repair_crc(struct buf *bytes)
{
    uint32_t crc = checkpoint_crc32(bytes->data, bytes->size - CHECKPOINT_CRC_BYTES);
    memcpy(bytes->data + bytes->size - CHECKPOINT_CRC_BYTES, &crc, sizeof(crc));
}

/* Loading the checkpoint with these bytes patched in and the checksum made right again. */
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

struct fixture {
    const struct learner_kind *kind;
    struct offpolicy *trained, *fresh;
    struct buf bytes; /* trained's learner with its buffer */
};

static struct fixture fixture_of(const struct learner_kind *kind)
{
    struct fixture f = {
        .kind = kind, .trained = learner_of_kind(kind, 3), .fresh = learner_of_kind(kind, 99)};
    learner_run(f.trained, 0, 30);
    f.bytes = saved_learner(f.trained, true);
    return f;
}

/* DDPG's. */
static struct fixture fixture_make(void)
{
    return fixture_of(&learner_kinds[0]);
}

static void fixture_finish(struct fixture *f)
{
    offpolicy_destroy(f->trained);
    offpolicy_destroy(f->fresh);
    buf_finish(&f->bytes);
}

static void the_checksum_is_the_published_one(void **state)
{
    (void) state;
    assert_int_equal(checkpoint_crc32("123456789", 9), 0xcbf43926u);
    assert_int_equal(checkpoint_crc32("", 0), 0);
    assert_int_equal(checkpoint_crc32("The quick brown fox jumps over the lazy dog", 43), 0x414fa339u);
}

/* What version 1 has always been, before there was a frame for other learners too. Nothing here depends on a
 * sum: initial weights and transitions are draws. */
static void a_checkpoint_has_the_bytes_that_it_has_always_had(void **state)
{
    (void) state;
    struct offpolicy *ddpg = learner_create(&learner_config);
    learner_feed(ddpg, 0, 55);
    struct buf whole = saved_learner(ddpg, true), actor = {0};
    assert_int_equal(offpolicy_save(ddpg, CHECKPOINT_ACTOR, &actor), 0);
    assert_int_equal(whole.size, 8784);
    assert_int_equal(checkpoint_crc32(whole.data, whole.size - CHECKPOINT_CRC_BYTES), 0x497514c6u);
    assert_int_equal(actor.size, 804);
    assert_int_equal(checkpoint_crc32(actor.data, actor.size - CHECKPOINT_CRC_BYTES), 0xdda495ddu);
    buf_finish(&whole);
    buf_finish(&actor);
    offpolicy_destroy(ddpg);
}

/* Saved after `until` transitions. */
static void check_resumed(const struct learner_kind *kind, size_t until)
{
    struct offpolicy *whole = learner_of_kind(kind, 3), *resumed = learner_of_kind(kind, 3);
    learner_run(whole, 0, until);
    struct buf bytes = saved_learner(whole, true);
    assert_int_equal(load_exact(resumed, bytes.data, bytes.size), 0);
    assert_int_equal(offpolicy_updates(resumed), offpolicy_updates(whole));
    learner_run(whole, until, 101);
    learner_run(resumed, until, 101);
    struct buf end = saved_learner(whole, true), resumed_end = saved_learner(resumed, true);
    assert_int_equal(end.size, resumed_end.size);
    assert_memory_equal(end.data, resumed_end.data, end.size);
    buf_finish(&bytes);
    buf_finish(&end);
    buf_finish(&resumed_end);
    offpolicy_destroy(whole);
    offpolicy_destroy(resumed);
}

static void a_resumed_learner_goes_on_bit_for_bit(void **state)
{
    (void) state;
    for (size_t k = 0; k < LEARNER_KINDS; k++) {
        const struct learner_kind *kind = &learner_kinds[k];
        check_resumed(kind, 30); /* the ring is not full yet; an even number of updates */
        check_resumed(kind, 31);
        check_resumed(kind, 100); /* it has turned twice */
    }
}

static void check_actor_alone(const struct learner_kind *kind)
{
    struct fixture f = fixture_of(kind);
    struct buf actor = {0};
    assert_int_equal(offpolicy_save(f.trained, CHECKPOINT_ACTOR, &actor), 0);
    assert_true(actor.size < f.bytes.size / 4);
    assert_int_equal(load_exact(f.fresh, actor.data, actor.size), 0);
    const float at[LEARNER_SIZE_MAX] = {0.1f, 0.2f, -0.3f, 0.4f, -0.5f, 0.6f};
    float first[LEARNER_SIZE_MAX], second[LEARNER_SIZE_MAX];
    offpolicy_act(f.trained, at, first);
    offpolicy_act(f.fresh, at, second);
    assert_memory_equal(first, second, offpolicy_replay(f.fresh)->action_size * sizeof(float));
    assert_int_equal(offpolicy_updates(f.fresh), 0);
    buf_finish(&actor);
    fixture_finish(&f);
}

static void an_actor_alone_decides_the_same(void **state)
{
    (void) state;
    for (size_t k = 0; k < LEARNER_KINDS; k++)
        check_actor_alone(&learner_kinds[k]);
}

/* Who goes on learning with another run's weights begins with them as targets. */
static void weights_alone_are_their_own_targets(void **state)
{
    (void) state;
    struct fixture f = fixture_make();
    struct buf weights = {0};
    const struct network *actor = &((const struct ddpg *) f.fresh)->actor.network;
    assert_int_equal(offpolicy_save(f.trained, CHECKPOINT_ACTOR, &weights), 0);
    assert_int_equal(load_exact(f.fresh, weights.data, weights.size), 0);
    assert_memory_equal(actor->target, actor->params, actor->size * sizeof *actor->params);
    assert_memory_equal(actor->params, ((const struct ddpg *) f.trained)->actor.network.params,
                        actor->size * sizeof *actor->params);
    buf_finish(&weights);
    fixture_finish(&f);
}

/* A bandit is DDPG too; but no algorithm takes another's. */
static void a_checkpoint_of_another_algorithm_is_refused(void **state)
{
    (void) state;
    struct fixture f = fixture_make();
    for (size_t k = 0; k < LEARNER_KINDS; k++) {
        const struct learner_kind *kind = &learner_kinds[k];
        struct offpolicy *other = learner_of_kind(kind, 3);
        struct buf bytes = saved_learner(other, false);
        assert_memory_equal(bytes.data, kind->magic, 4);
        assert_int_equal(load_exact(f.fresh, bytes.data, bytes.size), kind == f.kind ? 0 : ERR_TYPE);
        buf_finish(&bytes);
        offpolicy_destroy(other);
    }
    fixture_finish(&f);
}

static void an_actor_loads_whatever_the_buffers_capacity(void **state)
{
    (void) state;
    struct fixture f = fixture_make();
    struct offpolicy_config config = learner_config;
    config.buffer = 1000;
    struct offpolicy *roomy = learner_create(&config);
    struct buf actor = {0};
    assert_int_equal(offpolicy_save(f.trained, CHECKPOINT_ACTOR, &actor), 0);
    assert_int_equal(load_exact(roomy, actor.data, actor.size), 0);
    assert_int_equal(load_exact(roomy, f.bytes.data, f.bytes.size), ERR_MISMATCH);
    buf_finish(&actor);
    offpolicy_destroy(roomy);
    fixture_finish(&f);
}

static void without_the_buffer_the_learners_own_transitions_stay(void **state)
{
    (void) state;
    struct fixture f = fixture_make();
    struct buf bytes = saved_learner(f.trained, false);
    learner_feed(f.fresh, 500, 3);
    assert_int_equal(load_exact(f.fresh, bytes.data, bytes.size), 0);
    assert_int_equal(offpolicy_updates(f.fresh), offpolicy_updates(f.trained));
    assert_int_equal(offpolicy_replay(f.fresh)->count, 3);
    buf_finish(&bytes);
    fixture_finish(&f);
}

static void saving_appends(void **state)
{
    (void) state;
    struct fixture f = fixture_make();
    struct buf bytes = {0};
    assert_int_equal(buf_push(&bytes, "before", 6), 0);
    assert_int_equal(offpolicy_save(f.trained, LEARNER_ALL, &bytes), 0);
    assert_memory_equal(bytes.data, "before", 6);
    assert_int_equal(bytes.size, 6 + f.bytes.size);
    assert_memory_equal(bytes.data + 6, f.bytes.data, f.bytes.size);
    buf_finish(&bytes);
    fixture_finish(&f);
}

static void a_checkpoint_cut_at_any_byte_is_refused(void **state)
{
    (void) state;
    for (size_t k = 0; k < LEARNER_KINDS; k++) {
        const struct learner_kind *kind = &learner_kinds[k];
        struct fixture f = fixture_of(kind);
        for (size_t size = 0; size < f.bytes.size; size++)
            assert_int_equal(load_exact(f.fresh, f.bytes.data, size), ERR_TRUNCATED);
        fixture_finish(&f);
    }
}

static void a_checkpoint_with_any_byte_changed_is_refused(void **state)
{
    (void) state;
    for (size_t k = 0; k < LEARNER_KINDS; k++) {
        const struct learner_kind *kind = &learner_kinds[k];
        struct fixture f = fixture_of(kind);
        for (size_t i = 0; i < f.bytes.size; i++) {
            f.bytes.data[i] ^= (uint8_t) (1u << i % 8);
            assert_true(load_exact(f.fresh, f.bytes.data, f.bytes.size) < 0);
            f.bytes.data[i] ^= (uint8_t) (1u << i % 8);
        }
        assert_int_equal(load_exact(f.fresh, f.bytes.data, f.bytes.size), 0);
        fixture_finish(&f);
    }
}

static void a_checkpoint_with_something_behind_it_is_refused(void **state)
{
    (void) state;
    for (size_t k = 0; k < LEARNER_KINDS; k++) {
        const struct learner_kind *kind = &learner_kinds[k];
        struct fixture f = fixture_of(kind);
        assert_int_equal(buf_push(&f.bytes, "more", 4), 0);
        assert_int_equal(load_exact(f.fresh, f.bytes.data, f.bytes.size), ERR_CORRUPT);
        fixture_finish(&f);
    }
}

static void a_wrong_header_is_refused_by_what_is_wrong(void **state)
{
    (void) state;
    const uint32_t version = 2, none = 0, unknown = 9;
    const uint64_t huge = UINT64_MAX, hundred = 100;
    for (size_t k = 0; k < LEARNER_KINDS; k++) {
        const struct learner_kind *kind = &learner_kinds[k];
        struct fixture f = fixture_of(kind);
        assert_int_equal(load_patched(f.fresh, &f.bytes, 0, "HDDQ", 4), ERR_TYPE);
        assert_int_equal(load_patched(f.fresh, &f.bytes, 4, &version, 4), ERR_VERSION);
        assert_int_equal(load_patched(f.fresh, &f.bytes, 8, &none, 4), ERR_CORRUPT);
        assert_int_equal(load_patched(f.fresh, &f.bytes, 8, &unknown, 4), ERR_CORRUPT);
        for (size_t i = 0; i < kind->sizes; i++) {
            assert_int_equal(load_patched(f.fresh, &f.bytes, 12 + 8 * i, &huge, 8), ERR_MISMATCH);
            assert_int_equal(load_patched(f.fresh, &f.bytes, 12 + 8 * i, &hundred, 8), ERR_MISMATCH);
        }
        fixture_finish(&f);
    }
}

/* Where the sections of a learner's checkpoint begin: where those with fewer sections end. */
static size_t section_at(const struct offpolicy *learner, uint32_t before)
{
    struct buf bytes = {0};
    assert_int_equal(offpolicy_save(learner, before, &bytes), 0);
    size_t at = bytes.size - CHECKPOINT_CRC_BYTES;
    buf_finish(&bytes);
    return at;
}

static size_t learner_at(const struct offpolicy *learner)
{
    return section_at(learner, CHECKPOINT_ACTOR);
}

static size_t replay_at(const struct offpolicy *learner)
{
    return section_at(learner, CHECKPOINT_ACTOR | CHECKPOINT_LEARNER);
}

static void an_impossible_ring_is_refused(void **state)
{
    (void) state;
    struct fixture f = fixture_make(); /* 30 of 40: head 30 */
    size_t at = replay_at(f.trained);
    const uint64_t huge = UINT64_MAX, few = 29, forty = 40, near = UINT64_MAX / 76;
    assert_int_equal(load_patched(f.fresh, &f.bytes, at, &huge, 8), ERR_CORRUPT);
    assert_int_equal(load_patched(f.fresh, &f.bytes, at, &near, 8), ERR_CORRUPT);
    assert_int_equal(load_patched(f.fresh, &f.bytes, at, &few, 8), ERR_CORRUPT);
    assert_int_equal(load_patched(f.fresh, &f.bytes, at, &forty, 8), ERR_TRUNCATED);
    assert_int_equal(load_patched(f.fresh, &f.bytes, at + 8, &few, 8), ERR_CORRUPT);
    assert_int_equal(load_patched(f.fresh, &f.bytes, at + 8, &huge, 8), ERR_CORRUPT);
    fixture_finish(&f);
}

static void numbers_that_are_not_finite_are_refused_wherever_they_stand(void **state)
{
    (void) state;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t k = 0; k < LEARNER_KINDS; k++) {
        const struct learner_kind *kind = &learner_kinds[k];
        struct fixture f = fixture_of(kind);
        size_t learner = learner_at(f.trained), replay = replay_at(f.trained);
        size_t at = CHECKPOINT_HEADER_BYTES(kind->sizes);
        for (; at + 4 <= f.bytes.size - CHECKPOINT_CRC_BYTES; at += 4) {
            bool counter = (at >= learner && at < learner + 8) || (at >= replay && at < replay + 16);
            if (!counter)
                assert_int_equal(load_patched(f.fresh, &f.bytes, at, &bad[at / 4 % 3], 4), ERR_CORRUPT);
        }
        fixture_finish(&f);
    }
}

/* Every kind's last number before the replay is a second moment. */
static void a_negative_second_moment_is_refused(void **state)
{
    (void) state;
    const float negative = -1e-3f;
    for (size_t k = 0; k < LEARNER_KINDS; k++) {
        const struct learner_kind *kind = &learner_kinds[k];
        struct fixture f = fixture_of(kind);
        size_t last = replay_at(f.trained) - sizeof(float);
        assert_int_equal(load_patched(f.fresh, &f.bytes, last, &negative, 4), ERR_CORRUPT);
        fixture_finish(&f);
    }
    struct fixture f = fixture_make();
    const struct ddpg *ddpg = (const struct ddpg *) f.trained;
    size_t actors = learner_at(f.trained) + 8 + 4 * (2 * ddpg->actor.network.mlp.params);
    assert_int_equal(load_patched(f.fresh, &f.bytes, actors, &negative, 4), ERR_CORRUPT);
    fixture_finish(&f);
}

static void random_bytes_behind_a_good_header_never_crash(void **state)
{
    (void) state;
    for (size_t k = 0; k < LEARNER_KINDS; k++) {
        const struct learner_kind *kind = &learner_kinds[k];
        struct fixture f = fixture_of(kind);
        for (uint32_t round = 0; round < 500; round++) {
            struct rng_at at = {.seed = 8, .stream = RNG_POLICY, .slot = round};
            size_t offset = 8 + rng_below(&at, 0, (uint32_t) f.bytes.size - 16);
            struct rng_block patch = rng_block(&at, 1);
            int code = load_patched(f.fresh, &f.bytes, offset, patch.v, 4);
            assert_true(code <= 0);
        }
        fixture_finish(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checksum_is_the_published_one),
        cmocka_unit_test(a_checkpoint_has_the_bytes_that_it_has_always_had),
        cmocka_unit_test(a_resumed_learner_goes_on_bit_for_bit),
        cmocka_unit_test(an_actor_alone_decides_the_same),
        cmocka_unit_test(weights_alone_are_their_own_targets),
        cmocka_unit_test(a_checkpoint_of_another_algorithm_is_refused),
        cmocka_unit_test(an_actor_loads_whatever_the_buffers_capacity),
        cmocka_unit_test(without_the_buffer_the_learners_own_transitions_stay),
        cmocka_unit_test(saving_appends),
        cmocka_unit_test(a_checkpoint_cut_at_any_byte_is_refused),
        cmocka_unit_test(a_checkpoint_with_any_byte_changed_is_refused),
        cmocka_unit_test(a_checkpoint_with_something_behind_it_is_refused),
        cmocka_unit_test(a_wrong_header_is_refused_by_what_is_wrong),
        cmocka_unit_test(an_impossible_ring_is_refused),
        cmocka_unit_test(numbers_that_are_not_finite_are_refused_wherever_they_stand),
        cmocka_unit_test(a_negative_second_moment_is_refused),
        cmocka_unit_test(random_bytes_behind_a_good_header_never_crash),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
