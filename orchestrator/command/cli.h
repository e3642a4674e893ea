/* The orchestrator's command line: one table of flags, which says for each command it belongs to. */
#ifndef HANDOFF_ORCHESTRATOR_COMMAND_CLI_H
#define HANDOFF_ORCHESTRATOR_COMMAND_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "orchestrator/command/cli_channel.h"
#include "orchestrator/command/cli_train.h"
#include "orchestrator/host/host.h"

#define CLI_SETS_MAX 64u
#define CLI_RUNS_MAX 256u

enum cli_command {
    CLI_RUN,
    CLI_EVALUATE,
    CLI_REPLAY,
    CLI_SHOW,
    CLI_EXPORT,
    CLI_DELETE,
    CLI_TWIN,
    CLI_SWEEP,
    CLI_COMPARE,
    CLI_REPORT,
    CLI_MODEL,
    CLI_GENERATE,
    CLI_TRAIN,
    CLI_PERPLEXITY,
    CLI_LEAK,
    CLI_BOUND,
    CLI_COMMANDS
};

struct cli {
    enum cli_command command;
    const char *scenario; /* NULL: not given */
    /* "section.key=value", in order given; --devices and its like are among them */
    const char *set[CLI_SETS_MAX];
    size_t set_count;
    char *own[CLI_SETS_MAX]; /* texts made here: cli_finish frees them */
    size_t own_count;
    const char *data; /* directory of data files; NULL: not given */
    const char *db;   /* the database's path */
    bool db_given;
    const char *policy; /* a name, or a list with commas; NULL: not given */
    enum host_kind host;
    bool host_given;
    char listen_host[256];
    uint16_t listen_port;
    char agent_host[256];
    uint16_t agent_port;
    uint32_t wait_s, stall_s;
    int64_t run; /* 0: the newest */
    bool run_given;
    int64_t runs[CLI_RUNS_MAX]; /* delete: those to remove */
    size_t run_count;
    bool resume;            /* run: go on with a recorded run */
    int64_t from;           /* run: the recorded run whose weights it begins with; 0: none */
    const char *more;       /* run: --episodes as it was given; NULL: not */
    const char *checkpoint; /* "best", "last" or an episode's number */
    bool checkpoint_given;
    bool validate;            /* evaluate, bound: on the validation streams, not the test streams */
    uint32_t draws;           /* evaluate without a run: how many draws of node parameters */
    uint32_t episodes, slots; /* twin, bound, --resume; 0: not given */
    const char *time_scale;   /* twin; NULL: the scenario's */
    bool live;                /* twin, queueing mode: the policy decides anew in real time */
    uint32_t jobs;            /* sweep: workers at a time; 0: as many as there are cores */
    const char *name;         /* sweep; NULL: the file's */
    bool dry_run;             /* sweep, delete: say what would be done */
    bool with_dependents;     /* delete: what is built on the runs too */
    bool compact;             /* delete: give space back */
    bool verify;
    bool json, quiet, die_with_parent;
    const char *sweep, *experiment;       /* compare, report; NULL: all */
    const char *metric;                   /* compare; NULL: cost */
    const char *output;                   /* export: NULL: stdout; report: a folder */
    bool csv;                             /* export: CSV, not JSON */
    const char *trace_format, *direction; /* show trace; NULL: not given */
    const char *model;                    /* generate; replay, show: NULL: the scenario's */
    const char *prompt;                   /* generate */
    uint32_t limit;                       /* show answers; 0: not given */
    const char *ids;                      /* generate; NULL: the prompt is a text */
    const char *tokenizer;                /* generate, show; NULL: the model's own */
    const char *weights;                  /* model, generate; NULL: as stored */
    const char *activation;               /* generate; NULL: fp32 */
    uint32_t split, tokens, portion;      /* generate; 0 tokens or portion: not given */
    bool split_given, logits, measure, times_csv;
    struct cli_train train;     /* train alone */
    struct cli_channel channel; /* perplexity and leak */
    const char *word[4];        /* what follows the command */
    size_t word_count;
};

/* Parses argv, command first. Help, version and usage errors print and end the process (PROCESS_OK,
 * PROCESS_USAGE). */
void cli_parse(struct cli *ret_cli, int argc, char **argv);

void cli_finish(struct cli *cli);

#endif
