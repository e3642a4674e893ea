/* Numbers of flags, for argp's parsers. */
#ifndef HANDOFF_ORCHESTRATOR_COMMAND_CLI_NUMBERS_H
#define HANDOFF_ORCHESTRATOR_COMMAND_CLI_NUMBERS_H

#include <argp.h>
#include <stdint.h>

/* A whole number from min to max; anything else ends the program, as argp does, with a sentence that names the flag. */
uint64_t cli_parse_whole(struct argp_state *state, const char *flag, const char *text, uint64_t min,
                         uint64_t max);

#endif
