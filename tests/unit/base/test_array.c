/* Growing arrays: growth, bounds, and what is left when there is no memory. The linker sends every realloc of this
 * program here (--wrap), so that one can be refused. */
#include "core/base/array.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/buf.h"

void *__real_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size);

static unsigned calls;   /* of realloc */
static unsigned refused; /* the number of the call that fails; 0: none */

void *__wrap_realloc(void *block, size_t size)
{
    return ++calls == refused ? NULL : __real_realloc(block, size);
}

static int reset(void **state)
{
    (void) state;
    calls = refused = 0;
    return 0;
}

struct pair {
    uint64_t a;
    double b;
};

static void an_array_keeps_its_elements_when_it_grows(void **state)
{
    (void) state;
    struct pair *pair = NULL;
    size_t capacity = 0;
    for (size_t i = 0; i < 5000; i++) {
        assert_int_equal(array_reserve(&pair, &capacity, i + 1), 0);
        assert_true(capacity > i);
        pair[i] = (struct pair){.a = i, .b = 0.5 * (double) i};
    }
    for (size_t i = 0; i < 5000; i++) {
        assert_int_equal(pair[i].a, i);
        assert_true(pair[i].b == 0.5 * (double) i);
    }
    free(pair);
}

static void growing_one_by_one_asks_for_memory_as_often_as_the_size_doubles(void **state)
{
    (void) state;
    uint8_t *byte = NULL;
    size_t capacity = 0;
    for (size_t i = 0; i < (1u << 20); i++)
        assert_int_equal(array_reserve(&byte, &capacity, i + 1), 0);
#ifdef __SANITIZE_ADDRESS__
    calls -= 60; /* the first 64 one by one, instead of 8, 16, 32 and 64 at once */
#endif
    assert_in_range(calls, 10, 20);
    assert_in_range(capacity, 1u << 20, 2u << 20);
    free(byte);
}

static void room_that_is_there_is_not_asked_for_again(void **state)
{
    (void) state;
    uint32_t *number = NULL;
    size_t capacity = 0;
    const size_t nothing = calls;
    assert_int_equal(array_reserve(&number, &capacity, nothing), 0);
    assert_null(number);
    assert_int_equal(calls, 0);
    assert_int_equal(array_reserve(&number, &capacity, 1000), 0);
    assert_int_equal(capacity, 1000);
    const uint32_t *before = number;
    assert_int_equal(array_reserve(&number, &capacity, 1000), 0);
    assert_int_equal(array_reserve(&number, &capacity, 3), 0);
    assert_ptr_equal(number, before);
    assert_int_equal(calls, 1);
    free(number);
}

static void an_array_that_cannot_be_addressed_is_refused_and_the_old_one_lives(void **state)
{
    (void) state;
    struct pair *pair = NULL;
    size_t capacity = 0;
    assert_int_equal(array_reserve(&pair, &capacity, 1), 0);
    pair[0] = (struct pair){7, 8.0};
    const struct pair *before = pair;
    const size_t capacity_before = capacity;
    const size_t wanted[] = {SIZE_MAX, SIZE_MAX / 2, PTRDIFF_MAX, SIZE_MAX / sizeof *pair + 2,
                             PTRDIFF_MAX / sizeof *pair + 1};
    calls = 0;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        int rc = 0;
        assert_int_equal(array_reserve(&pair, &capacity, wanted[i]), -ENOMEM);
        array_resize(&pair, wanted[i], &rc);
        assert_int_equal(rc, -ENOMEM);
    }
    assert_int_equal(calls, 0);
    assert_ptr_equal(pair, before);
    assert_int_equal(capacity, capacity_before);
    assert_int_equal(pair[0].a, 7);
    free(pair);
}

static void a_refused_reserve_leaves_array_and_capacity_as_they_were(void **state)
{
    (void) state;
    for (refused = 1; refused <= 6; refused++) {
        uint32_t *number = NULL;
        size_t capacity = 0, count = 0;
        calls = 0;
        while (array_reserve(&number, &capacity, count + 1) == 0) {
            number[count] = (uint32_t) count;
            count++;
        }
        assert_int_equal(calls, refused);
        assert_int_equal(count, capacity);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(number[i], i);
        assert_int_equal(array_reserve(&number, &capacity, count + 1), 0); /* there is memory again */
        assert_true(capacity > count);
        free(number);
    }
}

/* Two arrays with one capacity, as device_queue keeps its lists. */
struct lists {
    uint32_t *whole;
    double *real;
    size_t count, capacity;
};

static int append(struct lists *lists, uint32_t whole)
{
    int rc = 0;
    if (lists->count == lists->capacity) {
        size_t capacity = array_capacity(lists->capacity, lists->count + 1);
        array_resize(&lists->whole, capacity, &rc);
        array_resize(&lists->real, capacity, &rc);
        if (rc != 0)
            return rc;
        lists->capacity = capacity;
    }
    lists->whole[lists->count] = whole;
    lists->real[lists->count++] = 2.0 * whole;
    return 0;
}

static void arrays_that_share_a_capacity_grow_together_or_not_at_all(void **state)
{
    (void) state;
    for (refused = 1; refused <= 8; refused++) {
        struct lists lists = {0};
        calls = 0;
        uint32_t failures = 0;
        for (uint32_t i = 0; i < 100; i++)
            while (append(&lists, i) != 0)
                failures++;
        assert_int_equal(failures, 1);
        for (uint32_t i = 0; i < 100; i++) {
            assert_int_equal(lists.whole[i], i);
            assert_true(lists.real[i] == 2.0 * i);
        }
        free(lists.whole);
        free(lists.real);
    }
}

static void a_resize_does_nothing_after_an_error_and_for_no_elements(void **state)
{
    (void) state;
    int rc = -EIO;
    char **text = NULL;
    array_resize(&text, 5, &rc);
    assert_null(text);
    assert_int_equal(rc, -EIO);
    rc = 0;
    array_resize(&text, 0, &rc);
    assert_null(text);
    assert_int_equal(rc, 0);
    array_resize(&text, 5, &rc);
    assert_non_null(text);
    array_resize(&text, 0, &rc);
    assert_non_null(text);
    assert_int_equal(calls, 1);
    free(text);
}

static void a_buffer_without_memory_keeps_its_bytes(void **state)
{
    (void) state;
    struct buf buf = {0};
    assert_int_equal(buf_push(&buf, "kept", 4), 0);
    refused = calls + 1;
    assert_int_equal(buf_reserve(&buf, 1000), -ENOMEM);
    assert_int_equal(buf.size, 4);
    assert_memory_equal(buf.data, "kept", 4);
    assert_int_equal(buf_reserve(&buf, 1000), 0);
    assert_true(buf.capacity >= 1004);
    assert_memory_equal(buf.data, "kept", 4);
    buf_finish(&buf);
}

static void a_text_that_comes_in_pieces_is_whole_or_known_not_to_be(void **state)
{
    (void) state;
    struct buf buf = {0};
    struct buf_sink sink = {.buf = &buf};
    assert_int_equal(buf_push(&buf, ">", 1), 0);
    assert_int_equal(buf_sink_take("{\"key\"", 6, &sink), 0);
    refused = calls + 1;
    assert_int_equal(
        buf_sink_take("                                                                ", 64, &sink), -1);
    assert_int_equal(sink.rc, -ENOMEM);
    assert_int_equal(buf_sink_take(":1}", 3, &sink), -1); /* there is memory again, but a piece is missing */
    assert_int_equal(buf_sink_end(&sink), -ENOMEM);
    buf_finish(&buf);
    sink.rc = 0;
    assert_int_equal(buf_sink_take("{}", 2, &sink), 0);
    assert_int_equal(buf_sink_end(&sink), 0);
    assert_int_equal(buf.size, 3);
    assert_string_equal((const char *) buf.data, "{}");
    buf_finish(&buf);
    refused = calls + 1;
    assert_int_equal(buf_sink_end(&sink), -ENOMEM);
    buf_finish(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_array_keeps_its_elements_when_it_grows, reset),
        cmocka_unit_test_setup(growing_one_by_one_asks_for_memory_as_often_as_the_size_doubles, reset),
        cmocka_unit_test_setup(room_that_is_there_is_not_asked_for_again, reset),
        cmocka_unit_test_setup(an_array_that_cannot_be_addressed_is_refused_and_the_old_one_lives, reset),
        cmocka_unit_test_setup(a_refused_reserve_leaves_array_and_capacity_as_they_were, reset),
        cmocka_unit_test_setup(arrays_that_share_a_capacity_grow_together_or_not_at_all, reset),
        cmocka_unit_test_setup(a_resize_does_nothing_after_an_error_and_for_no_elements, reset),
        cmocka_unit_test_setup(a_buffer_without_memory_keeps_its_bytes, reset),
        cmocka_unit_test_setup(a_text_that_comes_in_pieces_is_whole_or_known_not_to_be, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
