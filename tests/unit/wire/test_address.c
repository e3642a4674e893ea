#include "proto/wire/listen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"

static void an_address_has_a_host_and_a_port(void **state)
{
    (void) state;
    static const struct {
        const char *text, *host;
        uint16_t port;
    } cases[] = {
        {"127.0.0.1:4711", "127.0.0.1", 4711},
        {"example.org:0", "example.org", 0},
        {":65535", "127.0.0.1", 65535},
        {"8080", "127.0.0.1", 8080},
        {"[::1]:80", "::1", 80},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char host[256];
        uint16_t port = 1;
        assert_int_equal(wire_parse_address(cases[i].text, host, &port, NULL), 0);
        assert_string_equal(host, cases[i].host);
        assert_int_equal(port, cases[i].port);
    }
}

static void what_is_no_address_is_refused_with_the_allowed_forms(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        int rc;
    } cases[] = {
        {"", ERR_SYNTAX},
        {":", ERR_SYNTAX},
        {"host", ERR_SYNTAX},
        {"host:", ERR_SYNTAX},
        {"host:80x", ERR_SYNTAX},
        {"host:-1", ERR_SYNTAX},
        {"::1:80", ERR_SYNTAX},
        {"[::1]80", ERR_SYNTAX},
        {"[]:80", ERR_SYNTAX},
        {"[::1:80", ERR_SYNTAX},
        {"host:65536", ERR_RANGE},
        {"host: 80", ERR_SYNTAX},
        {"host:99999999999999999999", ERR_RANGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char host[256] = "untouched";
        uint16_t port = 1;
        struct diag diag = {{0}};
        assert_int_equal(wire_parse_address(cases[i].text, host, &port, &diag), cases[i].rc);
        assert_memory_equal(diag.text, "address '", 9);
        assert_string_equal(host, "untouched");
        assert_int_equal(port, 1);
    }
    char text[400], host[256];
    uint16_t port = 0;
    memset(text, 'h', sizeof text);
    memcpy(text + sizeof text - 4, ":80", 4);
    assert_int_equal(wire_parse_address(text, host, &port, NULL), ERR_TOO_BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_a_host_and_a_port),
        cmocka_unit_test(what_is_no_address_is_refused_with_the_allowed_forms),
    };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
