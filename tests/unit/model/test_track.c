/* Tracks: exact integrals, the way round, offsets, places, packing. */
#include "core/model/tracks.h"

#include <stdlib.h>

#include "check.h"
#include "core/base/err.h"

/* 3 s: 8 bit/s, then nothing, then 2 bit/s. */
static struct track rates(void)
{
    struct track track;
    assert_int_equal(track_init(&track, TRACK_RATE, 3, 3.0), 0);
    track.start_s[1] = 0.5;
    track.start_s[2] = 2.0;
    track.value[0] = 8.0;
    track.value[2] = 2.0;
    return track;
}

static struct track places(void)
{
    struct track track;
    const double values[] = {10, 20, 1, 0, 30, 20, 2, 1, 30, 60, 3, TRACK_NO_CELL};
    assert_int_equal(track_init(&track, TRACK_PLACE, 3, 10.0), 0);
    track.start_s[1] = 4.0;
    track.start_s[2] = 8.0;
    memcpy(track.value, values, sizeof values);
    return track;
}

static void the_mean_over_a_span_is_the_integral_of_the_steps(void **state)
{
    (void) state;
    struct track track = rates();
    assert_same(track_mean_bps(&track, false, 0.0, 0.5), 8.0);
    assert_same(track_mean_bps(&track, false, 0.25, 0.5), 4.0);
    assert_same(track_mean_bps(&track, false, 0.5, 1.5), 0.0);
    assert_same(track_mean_bps(&track, false, 0.0, 3.0), 2.0);
    assert_same(track_mean_bps(&track, false, 1.0, 2.0), 1.0);
    track_finish(&track);
}

static void a_track_begins_again_however_often(void **state)
{
    (void) state;
    struct track track = rates();
    assert_same(track_mean_bps(&track, false, 2.5, 1.0), (0.5 * 2.0 + 0.5 * 8.0) / 1.0);
    assert_same(track_mean_bps(&track, false, 3.0 * 1000 + 2.5, 1.0), 5.0);
    assert_same(track_mean_bps(&track, false, 0.25, 3.0 * 7), 2.0);
    assert_near(track_mean_bps(&track, false, 0.25, 3.0 * 7 + 0.25), (7 * 6.0 + 2.0) / 21.25, 1e-12);
    assert_near(track_mean_bps(&track, false, 2.75, 3.0 * 7 + 0.5), (7 * 6.0 + 0.5 + 2.0) / 21.5, 1e-12);
    track_finish(&track);
}

/* A second way to the same integral: many small parts, each the rate in its middle. */
static void many_random_spans_agree_with_a_sum_over_small_parts(void **state)
{
    (void) state;
    struct track track;
    struct rng_at at = {.seed = 9, .stream = RNG_TRACE};
    assert_int_equal(track_init(&track, TRACK_RATE, 50, 100.0), 0);
    for (uint32_t i = 0; i < 50; i++) {
        track.start_s[i] = 2.0 * i;
        track.value[i] = rng_below(&at, i, 3) == 0 ? 0.0 : 1e6 * rng_uniform(&at, 100 + i);
    }
    assert_int_equal(track_check(&track, NULL), 0);
    for (uint32_t k = 0; k < 200; k++) {
        double from_s = rng_below(&at, 1000 + k, 4000) * 0.125;
        double length_s = (1 + rng_below(&at, 2000 + k, 2000)) * 0.125;
        double bits = 0.0;
        for (double t = from_s + 0.0625; t < from_s + length_s; t += 0.125)
            bits += 0.125 * track.value[(uint32_t) (fmod(t, 100.0) / 2.0)];
        assert_near(track_mean_bps(&track, false, from_s, length_s) * length_s, bits, 1e-9 * (1.0 + bits));
    }
    track_finish(&track);
}

/* A track and, behind it, its mirror image, which begins again: the same as one that turns round. */
static struct track mirrored(const struct track *track)
{
    struct track both;
    uint32_t n = track->points, width = track_width(track->kind);
    assert_int_equal(track_init(&both, track->kind, 2 * n, 2.0 * track->duration_s), 0);
    for (uint32_t i = 0; i < n; i++) {
        double end_s = i + 1 < n ? track->start_s[i + 1] : track->duration_s;
        both.start_s[i] = track->start_s[i];
        both.start_s[2 * n - 1 - i] = 2.0 * track->duration_s - end_s;
        memcpy(both.value + (size_t) i * width, track->value + (size_t) i * width, width * sizeof(double));
        memcpy(both.value + (size_t) (2 * n - 1 - i) * width, track->value + (size_t) i * width,
               width * sizeof(double));
    }
    return both;
}

static void a_rate_that_turns_round_is_its_mirror_image_behind_it(void **state)
{
    (void) state;
    struct track track = rates(), both = mirrored(&track);
    struct rng_at at = {.seed = 10, .stream = RNG_TRACE};
    for (uint32_t k = 0; k < 2000; k++) {
        double from_s = rng_below(&at, k, 400) * 0.0625,
               length_s = (1 + rng_below(&at, 5000 + k, 400)) * 0.0625;
        double for_s = 0.0, other_s = 0.0;
        assert_near(track_mean_bps(&track, true, from_s, length_s),
                    track_mean_bps(&both, false, from_s, length_s), 1e-12);
        assert_same(track_rate_bps(&track, true, from_s, &for_s),
                    track_rate_bps(&both, false, from_s, &other_s));
        assert_true(for_s > 0.0 && for_s <= other_s + 1e-12);
    }
    /* 2 bit/s on both sides of the end, 8 bit/s around the beginning. */
    assert_same(track_mean_bps(&track, true, 2.5, 1.0), 2.0);
    assert_same(track_mean_bps(&track, true, 5.75, 0.5), 8.0);
    track_finish(&track);
    track_finish(&both);
}

static void a_place_that_turns_round_goes_back_without_a_jump(void **state)
{
    (void) state;
    struct track track = places();
    double before[4], after[4];
    for (uint32_t i = 0; i < 400; i++) {
        double back_s = i * 0.05; /* the same way back as forth */
        track_place_at(&track, true, back_s, before);
        track_place_at(&track, true, 20.0 - back_s, after);
        assert_near(before[TRACK_X], after[TRACK_X], 1e-9);
        assert_near(before[TRACK_Y], after[TRACK_Y], 1e-9);
        track_place_at(&track, true, back_s + 0.05, after);
        double step_m = hypot(after[TRACK_X] - before[TRACK_X], after[TRACK_Y] - before[TRACK_Y]);
        assert_true(step_m <= 10.0 * 0.05 + 1e-9); /* 40 m in 4 s are its fastest */
    }
    track_place_at(&track, false, 9.99, before);
    track_place_at(&track, false, 10.0, after);
    assert_true(hypot(after[TRACK_X] - before[TRACK_X], after[TRACK_Y] - before[TRACK_Y]) > 40.0);
    track_finish(&track);
}

static void a_track_begins_anew_once_in_each_round(void **state)
{
    (void) state;
    struct track track = places();
    uint32_t anew = 0;
    for (uint32_t slot = 1; slot <= 100; slot++)
        anew += track_begins_anew(&track, 3.3 + 0.7 * (slot - 1), 3.3 + 0.7 * slot) ? 1 : 0;
    assert_int_equal(anew, 7); /* 73.3 s */
    assert_true(track_begins_anew(&track, 9.5, 10.0));
    assert_false(track_begins_anew(&track, 10.0, 10.5));
    track_finish(&track);
}

static void offsets_are_drawn_for_each_phase_episode_and_device_on_the_grid(void **state)
{
    (void) state;
    struct track track = rates();
    double sum_s = 0.0;
    for (uint32_t n = 0; n < 3000; n++) {
        double offset_s = track_offset_s(&track, 5, RNG_TRAIN, 2, n);
        assert_true(offset_s >= 0.0 && offset_s < track.duration_s);
        assert_near(remainder(offset_s, TRACK_GRID_S), 0.0, 1e-12);
        sum_s += offset_s;
    }
    assert_near(sum_s / 3000, 1.45, 0.05); /* uniform on 0, 0.1, .., 2.9 */
    double here_s = track_offset_s(&track, 5, RNG_TRAIN, 2, 1);
    assert_same(track_offset_s(&track, 5, RNG_TRAIN, 2, 1), here_s);
    unsigned others = 0;
    others += track_offset_s(&track, 6, RNG_TRAIN, 2, 1) != here_s ? 1 : 0;
    others += track_offset_s(&track, 5, RNG_TEST, 2, 1) != here_s ? 1 : 0;
    others += track_offset_s(&track, 5, RNG_TRAIN, 3, 1) != here_s ? 1 : 0;
    others += track_offset_s(&track, 5, RNG_TRAIN, 2, 2) != here_s ? 1 : 0;
    assert_true(others >= 3); /* of 30 places, one may be met again */
    track_finish(&track);
}

static void places_lie_on_straight_lines_and_rest_behind_the_last(void **state)
{
    (void) state;
    struct track track = places();
    double value[4];
    track_place_at(&track, false, 1.0, value);
    assert_same(value[TRACK_X], 15.0);
    assert_same(value[TRACK_Y], 20.0);
    assert_same(value[TRACK_SPEED], 1.0);
    assert_same(value[TRACK_CELL], 0.0);
    track_place_at(&track, false, 16.0, value);
    assert_same(value[TRACK_X], 30.0);
    assert_same(value[TRACK_Y], 40.0);
    assert_same(value[TRACK_CELL], 1.0);
    track_place_at(&track, false, 9.5, value);
    assert_same(value[TRACK_Y], 60.0);
    assert_same(value[TRACK_CELL], TRACK_NO_CELL);
    track_finish(&track);
}

static void as_many_points_as_a_track_may_have_are_unpacked_and_one_more_is_refused(void **state)
{
    (void) state;
    for (uint32_t more = 0; more < 2; more++) {
        struct track track, back;
        struct buf bytes = {0};
        uint32_t points = TRACK_POINTS_MAX + more;
        assert_int_equal(track_init(&track, TRACK_RATE, points, points), 0);
        for (uint32_t i = 0; i < points; i++)
            track.start_s[i] = i;
        assert_int_equal(track_pack(&track, &bytes), 0);
        assert_int_equal(track_unpack(&back, TRACK_RATE, bytes.data, bytes.size, NULL),
                         more ? ERR_CORRUPT : 0);
        if (more == 0) {
            assert_int_equal(back.points, points);
            assert_same(back.start_s[points - 1], points - 1.0);
            track_finish(&back);
        }
        track_finish(&track);
        buf_finish(&bytes);
    }
}

static void a_packed_track_comes_back_bit_for_bit(void **state)
{
    (void) state;
    struct track both[2] = {rates(), places()};
    for (size_t i = 0; i < 2; i++) {
        struct buf bytes = {0};
        struct track back;
        assert_int_equal(track_pack(&both[i], &bytes), 0);
        assert_int_equal(bytes.size, track_packed_size(&both[i]));
        assert_int_equal(track_unpack(&back, both[i].kind, bytes.data, bytes.size, NULL), 0);
        assert_same(back.duration_s, both[i].duration_s);
        assert_int_equal(back.points, 3);
        assert_memory_equal(back.start_s, both[i].start_s, bytes.size - sizeof(double));
        track_finish(&back);
        for (size_t cut = 0; cut < bytes.size; cut += 5)
            if (cut % sizeof(double) != 0)
                assert_int_equal(track_unpack(&back, both[i].kind, bytes.data, cut, NULL), ERR_CORRUPT);
        buf_finish(&bytes);
        track_finish(&both[i]);
    }
}

static void a_track_from_outside_is_checked(void **state)
{
    (void) state;
    struct track track = rates();
    assert_int_equal(track_check(&track, NULL), 0);
    static const struct {
        size_t point;
        double start_s, value;
    } bad[] = {{0, 0.1, 1.0},
               {1, 0.0, 1.0},
               {1, 2.0, 1.0},
               {2, 3.0, 1.0},
               {1, 0.5, -1.0},
               {1, 0.5, (double) NAN},
               {1, 0.5, (double) INFINITY},
               {1, (double) NAN, 1.0}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct track wrong = rates();
        wrong.start_s[bad[i].point] = bad[i].start_s;
        wrong.value[bad[i].point] = bad[i].value;
        assert_int_equal(track_check(&wrong, NULL), ERR_RANGE);
        track_finish(&wrong);
    }
    track.duration_s = (double) INFINITY;
    assert_int_equal(track_check(&track, NULL), ERR_RANGE);
    track_finish(&track);
    track = places();
    track.value[TRACK_CELL] = 0.5;
    assert_int_equal(track_check(&track, NULL), ERR_RANGE);
    track.value[TRACK_CELL] = -2.0;
    assert_int_equal(track_check(&track, NULL), ERR_RANGE);
    track_finish(&track);
}

static void a_track_may_last_as_long_as_the_limits_say_and_no_longer(void **state)
{
    (void) state;
    static const struct {
        double duration_s;
        int rc;
    } cases[] = {{TRACK_DURATION_MIN_S, 0},
                 {TRACK_DURATION_MIN_S * 0.99, ERR_RANGE},
                 {TRACK_DURATION_MAX_S, 0},
                 {TRACK_DURATION_MAX_S * 1.01, ERR_RANGE},
                 {0.0, ERR_RANGE}};
    struct track track;
    assert_int_equal(track_init(&track, TRACK_RATE, 1, 1.0), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        track.duration_s = cases[i].duration_s;
        assert_int_equal(track_check(&track, NULL), cases[i].rc);
    }
    track_finish(&track);
}

static void devices_go_round_the_tracks(void **state)
{
    (void) state;
    struct tracks tracks = {0};
    assert_null(tracks_of(&tracks, 3));
    for (int i = 0; i < 2; i++) {
        struct track track = rates();
        assert_int_equal(tracks_push(&tracks, &track), 0);
        assert_null(track.start_s);
    }
    assert_ptr_equal(tracks_of(&tracks, 0), &tracks.track[0]);
    assert_ptr_equal(tracks_of(&tracks, 5), &tracks.track[1]);
    struct tracks copy;
    assert_int_equal(tracks_copy(&copy, &tracks), 0);
    assert_int_equal(tracks_bytes(&copy), 2 * 7 * sizeof(double));
    tracks_finish(&tracks);
    assert_same(track_mean_bps(tracks_of(&copy, 7), false, 0.0, 3.0), 2.0);
    tracks_finish(&copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mean_over_a_span_is_the_integral_of_the_steps),
        cmocka_unit_test(a_track_begins_again_however_often),
        cmocka_unit_test(many_random_spans_agree_with_a_sum_over_small_parts),
        cmocka_unit_test(a_rate_that_turns_round_is_its_mirror_image_behind_it),
        cmocka_unit_test(a_place_that_turns_round_goes_back_without_a_jump),
        cmocka_unit_test(a_track_begins_anew_once_in_each_round),
        cmocka_unit_test(offsets_are_drawn_for_each_phase_episode_and_device_on_the_grid),
        cmocka_unit_test(places_lie_on_straight_lines_and_rest_behind_the_last),
        cmocka_unit_test(as_many_points_as_a_track_may_have_are_unpacked_and_one_more_is_refused),
        cmocka_unit_test(a_packed_track_comes_back_bit_for_bit),
        cmocka_unit_test(a_track_from_outside_is_checked),
        cmocka_unit_test(a_track_may_last_as_long_as_the_limits_say_and_no_longer),
        cmocka_unit_test(devices_go_round_the_tracks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
