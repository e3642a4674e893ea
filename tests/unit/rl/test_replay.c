#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/rl/replay.h"

#define STATE 3u
#define ACTION 2u
#define STRIDE 16u
#define BATCH 4096u

/* Transition number n: every field says so. */
static void push(struct replay *replay, size_t n)
{
    float at = (float) n;
    const float state[STATE] = {at, at + 0.25f, at + 0.5f}, action[ACTION] = {-at, at / 1000.0f};
    const float next[STATE] = {at + 1, at + 2, at + 3};
    struct transition transition = {state, action, 2.0f * at, next, n % 3 == 0};
    replay_push(replay, &transition);
}

struct sample {
    float now[BATCH * STRIDE], next[BATCH * STRIDE], reward[BATCH], terminal[BATCH];
};

static struct replay_batch batch_of(struct sample *sample, size_t size)
{
    return (struct replay_batch){size, STRIDE, sample->now, sample->next, sample->reward, sample->terminal};
}

static void a_sample_keeps_every_field_of_a_transition_together(void **state)
{
    (void) state;
    static struct sample sample;
    struct replay replay;
    assert_int_equal(replay_init(&replay, 100, STATE, ACTION), 0);
    for (size_t n = 0; n < 70; n++)
        push(&replay, n);
    struct replay_batch batch = batch_of(&sample, 64);
    replay_sample(&replay, 1, 0, &batch);
    for (size_t i = 0; i < 64; i++) {
        float at = sample.now[i * STRIDE];
        assert_true(at >= 0.0f && at < 70.0f);
        assert_true(sample.now[i * STRIDE + 2] == at + 0.5f && sample.now[i * STRIDE + STATE] == -at);
        assert_true(sample.next[i * STRIDE] == at + 1 && sample.next[i * STRIDE + 2] == at + 3);
        assert_true(sample.reward[i] == 2.0f * at);
        assert_true(sample.terminal[i] == ((int) at % 3 == 0 ? 1.0f : 0.0f));
    }
    replay_finish(&replay);
}

static void the_oldest_falls_out_when_full(void **state)
{
    (void) state;
    static struct sample sample;
    struct replay replay;
    assert_int_equal(replay_init(&replay, 10, STATE, ACTION), 0);
    for (size_t n = 0; n < 23; n++)
        push(&replay, n);
    assert_int_equal(replay.count, 10);
    assert_int_equal(replay.head, 3);
    struct replay_batch batch = batch_of(&sample, BATCH);
    replay_sample(&replay, 1, 0, &batch);
    for (size_t i = 0; i < BATCH; i++)
        assert_true(sample.now[i * STRIDE] >= 13.0f && sample.now[i * STRIDE] < 23.0f);
    replay_finish(&replay);
}

static void samples_are_uniform_and_differ_by_update_and_seed(void **state)
{
    (void) state;
    static struct sample first, again, other;
    struct replay replay;
    assert_int_equal(replay_init(&replay, 16, STATE, ACTION), 0);
    for (size_t n = 0; n < 16; n++)
        push(&replay, n);
    struct replay_batch batch = batch_of(&first, BATCH), second = batch_of(&again, BATCH);
    struct replay_batch third = batch_of(&other, BATCH);
    replay_sample(&replay, 5, 7, &batch);
    replay_sample(&replay, 5, 7, &second);
    assert_memory_equal(first.reward, again.reward, sizeof(first.reward));
    replay_sample(&replay, 5, 8, &third);
    assert_memory_not_equal(first.reward, other.reward, sizeof(first.reward));
    replay_sample(&replay, 6, 7, &third);
    assert_memory_not_equal(first.reward, other.reward, sizeof(first.reward));
    replay_sample(&replay, 5, 7 + (UINT64_C(1) << 32), &third);
    assert_memory_not_equal(first.reward, other.reward, sizeof(first.reward));
    int seen[16] = {0};
    for (size_t i = 0; i < BATCH; i++)
        seen[(int) first.now[i * STRIDE]]++;
    /* 256 expected of each, standard deviation 15.5: five of them. */
    for (size_t n = 0; n < 16; n++)
        assert_in_range(seen[n], 256 - 78, 256 + 78);
    replay_finish(&replay);
}

static void a_size_beyond_memory_is_refused(void **state)
{
    (void) state;
    struct replay replay;
    assert_int_equal(replay_init(&replay, SIZE_MAX / 8, STATE, ACTION), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sample_keeps_every_field_of_a_transition_together),
        cmocka_unit_test(the_oldest_falls_out_when_full),
        cmocka_unit_test(samples_are_uniform_and_differ_by_update_and_seed),
        cmocka_unit_test(a_size_beyond_memory_is_refused),
    };
    return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
