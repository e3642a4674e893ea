/* Messages per second between two processes over bare libuv: what our TCP host is measured against. */
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/parse.h"
#include "echo.h"

static const char usage[] = "usage: bench_echo [--bytes-out N] [--bytes-back N] [--connections N] [--burst "
                            "N] [--lockstep true|false]\n"
                            "                  [--seconds S]\n";

static int parse_size(const char *text, uint64_t most, uint64_t *ret_value)
{
    int rc = parse_u64(text, ret_value);
    return rc != 0 || *ret_value < 1 || *ret_value > most ? ERR_RANGE : 0;
}

static int parse_flag(const char *name, const char *text, struct echo_params *params)
{
    uint64_t value = 0;
    int rc = ERR_UNKNOWN;
    if (strcmp(name, "--bytes-out") == 0 && (rc = parse_size(text, 1u << 24, &value)) == 0)
        params->bytes_out = value;
    else if (strcmp(name, "--bytes-back") == 0 && (rc = parse_size(text, 1u << 24, &value)) == 0)
        params->bytes_back = value;
    else if (strcmp(name, "--connections") == 0 && (rc = parse_size(text, 10000, &value)) == 0)
        params->connections = (unsigned) value;
    else if (strcmp(name, "--burst") == 0 && (rc = parse_size(text, 10000, &value)) == 0)
        params->burst = (unsigned) value;
    else if (strcmp(name, "--lockstep") == 0)
        rc = parse_bool(text, &params->lockstep);
    else if (strcmp(name, "--seconds") == 0)
        rc = parse_real(text, &params->seconds);
    return rc;
}

int main(int argc, char **argv)
{
    /* About a SLOT or DECISION there and an OBSERVATION or REPORT back, ten devices and three servers. */
    struct echo_params params = {
        .bytes_out = 60, .bytes_back = 130, .connections = 13, .burst = 1, .seconds = 2};
    for (int i = 1; i < argc; i += 2)
        if (i + 1 == argc || parse_flag(argv[i], argv[i + 1], &params) != 0 || params.seconds <= 0) {
            (void) fprintf(stderr, "bench_echo: bad argument %s\n%s", argv[i], usage);
            return 2;
        }
    struct echo_result result;
    int rc = echo_run(&params, &result);
    if (rc != 0) {
        (void) fprintf(stderr, "bench_echo: %s\n", err_text(rc));
        return 1;
    }
    (void) printf("echo bytes_out=%zu bytes_back=%zu connections=%u burst=%u lockstep=%s seconds=%.2f "
                  "messages_per_s=%.0f\n",
                  params.bytes_out, params.bytes_back, params.connections, params.burst,
                  params.lockstep ? "true" : "false", result.seconds,
                  (double) result.messages / result.seconds);
    return 0;
}
