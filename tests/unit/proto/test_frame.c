/* Framing: whole, partial, bad. */
#include "proto/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LIMIT 100u

static void a_frame_that_comes_byte_by_byte_is_whole_with_its_last_byte(void **state)
{
    (void) state;
    static const uint8_t stream[] = {0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 1, 'd'};
    for (size_t size = 0; size < sizeof stream; size++) {
        uint8_t *bytes = malloc(size > 0 ? size : 1); /* exactly as long as what has come */
        assert_non_null(bytes);
        memcpy(bytes, stream, size);
        const uint8_t *body = NULL;
        size_t body_size = 0, consumed = 0;
        enum frame_state found = frame_split(bytes, size, LIMIT, &body, &body_size, &consumed);
        assert_int_equal(found, size < 7 ? FRAME_PARTIAL : FRAME_WHOLE);
        if (found == FRAME_WHOLE) {
            assert_ptr_equal(body, bytes + 4);
            assert_int_equal(body_size, 3);
            assert_int_equal(consumed, 7);
        }
        free(bytes);
    }
}

static void frames_follow_each_other(void **state)
{
    (void) state;
    static const uint8_t stream[] = {0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 1, 'd'};
    const uint8_t *body = NULL;
    size_t size = 0, first = 0, second = 0;
    assert_int_equal(frame_split(stream, sizeof stream, LIMIT, &body, &size, &first), FRAME_WHOLE);
    assert_int_equal(frame_split(stream + first, sizeof stream - first, LIMIT, &body, &size, &second),
                     FRAME_WHOLE);
    assert_int_equal(*body, 'd');
    assert_int_equal(first + second, sizeof stream);
}

static void a_length_above_the_limit_is_bad_before_the_body_comes(void **state)
{
    (void) state;
    static const uint8_t most[] = {0, 0, 0, LIMIT}, above[] = {0, 0, 0, LIMIT + 1},
                         all[] = {255, 255, 255, 255};
    const uint8_t *body = NULL;
    size_t size = 0, consumed = 0;
    assert_int_equal(frame_split(most, sizeof most, LIMIT, &body, &size, &consumed), FRAME_PARTIAL);
    assert_int_equal(frame_split(above, sizeof above, LIMIT, &body, &size, &consumed), FRAME_BAD);
    assert_int_equal(frame_split(all, sizeof all, LIMIT, &body, &size, &consumed), FRAME_BAD);
    assert_null(body);
    assert_int_equal(consumed, 0);
}

static void an_empty_frame_is_bad(void **state)
{
    (void) state;
    static const uint8_t empty[] = {0, 0, 0, 0};
    const uint8_t *body = NULL;
    size_t size = 0, consumed = 0;
    assert_int_equal(frame_split(empty, sizeof empty, LIMIT, &body, &size, &consumed), FRAME_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_that_comes_byte_by_byte_is_whole_with_its_last_byte),
        cmocka_unit_test(frames_follow_each_other),
        cmocka_unit_test(a_length_above_the_limit_is_bad_before_the_body_comes),
        cmocka_unit_test(an_empty_frame_is_bad),
    };
    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
