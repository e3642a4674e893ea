/* The flags of `perplexity` and `leak`, which have nothing to do with scenarios and runs. */
#ifndef HANDOFF_ORCHESTRATOR_COMMAND_CLI_CHANNEL_H
#define HANDOFF_ORCHESTRATOR_COMMAND_CLI_CHANNEL_H

#include <argp.h>
#include <stddef.h>
#include <stdint.h>

#include "orchestrator/channel/channel_grid.h"

#define CLI_CHANNEL_FLAGS_MAX 48u

struct cli_channel {
    struct channel_words words; /* not checked: channel_grid_make does */
    const char *text;           /* NULL: the model's folder `evaluation` */
    uint32_t tokens, window, skip, seeds;
    uint64_t seed;
    double reference_rms; /* 0: measured */
    const char *csv, *table, *figure;
    const char *db;                   /* leak; NULL: what it finds is recorded nowhere */
    const char *attacks, *probe_text; /* leak; probe_text NULL: the text's first half */
    uint32_t probe_tokens;            /* leak; 0: all */
    double ridge;                     /* leak */
};

struct cli;

/* Those of perplexity or of leak. */
struct cli_channel cli_channel_defaults(int command);

/* The flags of a command, ended by zeros. */
void cli_channel_options(int command, struct argp_option ret_option[CLI_CHANNEL_FLAGS_MAX]);

/* Takes one flag; its state's input is a struct cli. */
error_t cli_channel_parse(int key, char *text, struct argp_state *state);

#endif
