#include "orchestrator/command/cli_numbers.h"

#include "core/base/parse.h"

uint64_t cli_parse_whole(struct argp_state *state, const char *flag, const char *text, uint64_t min,
                         uint64_t max)
{
    uint64_t value = 0;
    if (parse_u64(text, &value) != 0 || value < min || value > max)
        argp_error(state, "--%s: '%s' is not a whole number from %llu to %llu", flag, text,
                   (unsigned long long) min, (unsigned long long) max);
    return value;
}
