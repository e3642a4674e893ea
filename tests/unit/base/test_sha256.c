/* SHA-256 beside the examples of its standard (FIPS 180-4; NIST's example values). */
#include "core/base/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void hex_of(struct sha256 *sha, char ret_hex[2 * SHA256_SIZE + 1])
{
    uint8_t hash[SHA256_SIZE];
    sha256_end(sha, hash);
    for (size_t i = 0; i < SHA256_SIZE; i++)
        (void) snprintf(ret_hex + 2 * i, 3, "%02x", hash[i]);
}

static void assert_hash(const char *text, const char *hex)
{
    struct sha256 sha;
    char found[2 * SHA256_SIZE + 1];
    sha256_begin(&sha);
    sha256_add(&sha, text, strlen(text));
    hex_of(&sha, found);
    assert_string_equal(found, hex);
}

static void the_examples_of_the_standard_come_out(void **state)
{
    (void) state;
    assert_hash("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_hash("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void a_million_letters_come_out(void **state)
{
    (void) state;
    struct sha256 sha;
    char letters[1000], found[2 * SHA256_SIZE + 1];
    memset(letters, 'a', sizeof letters);
    sha256_begin(&sha);
    for (int i = 0; i < 1000; i++)
        sha256_add(&sha, letters, sizeof letters);
    hex_of(&sha, found);
    assert_string_equal(found, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void the_parts_that_bytes_come_in_do_not_matter(void **state)
{
    (void) state;
    uint8_t bytes[200], whole[SHA256_SIZE], parts[SHA256_SIZE];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t) (i * 7);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        struct sha256 one, other;
        sha256_begin(&one);
        sha256_add(&one, bytes, size);
        sha256_end(&one, whole);
        sha256_begin(&other);
        for (size_t at = 0, step = 1; at < size; at += step, step = step * 3 % 71) {
            step = step < size - at ? step : size - at;
            sha256_add(&other, bytes + at, step);
        }
        sha256_end(&other, parts);
        assert_memory_equal(whole, parts, sizeof whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_standard_come_out),
        cmocka_unit_test(a_million_letters_come_out),
        cmocka_unit_test(the_parts_that_bytes_come_in_do_not_matter),
    };
    return cmocka_run_group_tests_name("sha256", tests, NULL, NULL);
}
