#include "proto/node/options.h"

#include <argp.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/parse.h"
#include "core/base/process.h"
#include "proto/wire/listen.h"

#define COUNT_MAX 100000u
#define RECONNECT_MAX_S 86400u
#define ANSWER_MAX 1000000u
#define ANSWER_DEFAULT 48u
#define SPLIT_MAX 1000u /* of OBSERVATION.wish */

enum key {
    KEY_LISTEN = 'l',
    KEY_COUNT = 'c',
    KEY_ORCHESTRATOR = 'o',
    KEY_VERBOSE = 'v',
    KEY_RECONNECT = 256,
    KEY_DIE,
    KEY_ADVERTISE,
    KEY_TIER,
    KEY_MODEL,
    KEY_PROMPT,
    KEY_ANSWER,
    KEY_SPLIT,
    KEY_JSON
};

struct parsing {
    struct node_options *options;
    enum node_role role;
    const char *guests_flag; /* the last flag that a guest alone has; NULL: none was given */
};

static uint32_t parse_number(struct argp_state *state, const char *flag, const char *text,
                             const uint64_t range[static 2])
{
    uint64_t value = 0;
    if (parse_u64(text, &value) != 0 || value < range[0] || value > range[1])
        argp_error(state, "%s: '%s' is not a whole number from %llu to %llu", flag, text,
                   (unsigned long long) range[0], (unsigned long long) range[1]);
    return (uint32_t) value;
}

static uint32_t parse_count(struct argp_state *state, const char *flag, const char *text, uint64_t max)
{
    return parse_number(state, flag, text, (const uint64_t[]){1, max});
}

static void parse_address(struct argp_state *state, const char *flag, const char *text,
                          struct node_address *ret_address)
{
    struct diag diag = {0};
    int rc = wire_parse_address(text, ret_address->host, &ret_address->port, &diag);
    if (rc != 0)
        argp_error(state, "%s: %s", flag, diag_text(&diag, rc));
}

static error_t parse_guest(int key, char *text, struct argp_state *state)
{
    struct parsing *parsing = state->input;
    struct node_options *options = parsing->options;
    switch (key) {
    case KEY_ANSWER:
        options->answer = parse_count(state, parsing->guests_flag = "--answer", text, ANSWER_MAX);
        return 0;
    case KEY_SPLIT:
        options->split =
            parse_number(state, parsing->guests_flag = "--split", text, (const uint64_t[]){0, SPLIT_MAX});
        return 0;
    case KEY_JSON:
        parsing->guests_flag = "--json";
        options->json = true;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static void check_guest(const struct parsing *parsing, struct argp_state *state)
{
    const struct node_options *options = parsing->options;
    if (parsing->guests_flag != NULL && options->prompt == NULL)
        argp_error(state, "%s goes with --prompt TEXT", parsing->guests_flag);
    if (options->prompt != NULL && options->count != 1)
        argp_error(state, "--prompt: a guest is one device, and goes without --count");
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    const struct parsing *parsing = state->input;
    struct node_options *options = parsing->options;
    switch (key) {
    case KEY_ORCHESTRATOR: parse_address(state, "--orchestrator", text, &options->orchestrator); return 0;
    case KEY_COUNT: options->count = parse_count(state, "--count", text, COUNT_MAX); return 0;
    case KEY_LISTEN: parse_address(state, "--listen", text, &options->listen); return 0;
    case KEY_ADVERTISE:
        if (strlen(text) >= sizeof options->advertise)
            argp_error(state, "--advertise: longer than %zu bytes", sizeof options->advertise - 1);
        memcpy(options->advertise, text, strlen(text) + 1);
        return 0;
    case KEY_TIER:
        if (text[0] == '\0' || strlen(text) > TIER_NAME_MAX)
            argp_error(state, "--tier: '%s' is no name of a tier, allowed 1 to %u bytes", text,
                       TIER_NAME_MAX);
        options->tier = text;
        return 0;
    case KEY_RECONNECT:
        options->reconnect_s = parse_count(state, "--reconnect-s", text, RECONNECT_MAX_S);
        return 0;
    case KEY_MODEL: options->model = text; return 0;
    case KEY_PROMPT: options->prompt = text; return 0;
    case KEY_DIE: options->die_with_parent = true; return 0;
    case KEY_VERBOSE: options->verbose = true; return 0;
    case ARGP_KEY_END:
        if (options->orchestrator.port == 0)
            argp_error(state, "--orchestrator HOST:PORT is needed");
        check_guest(parsing, state);
        return 0;
    default: return parse_guest(key, text, state);
    }
}

#define EXIT_TEXT                                                                                            \
    "\vExit status: 0 the run ended in order (a guest: it has its answer), 1 failed (a guest: the run "      \
    "ended first), 2 usage, or a model file that the run cannot use, "                                       \
    "3 the orchestrator could not be reached "                                                               \
    "or was lost, "                                                                                          \
    "4 refused by the orchestrator, 6 the orchestrator gave up the run, 7 killed by the scenario's faults, " \
    "130 ended by a signal."

static const struct argp_option mobile_options[] = {
    {"orchestrator", KEY_ORCHESTRATOR, "HOST:PORT", 0, "where the orchestrator listens (needed)", 0},
    {"count", KEY_COUNT, "K", 0, "devices this process plays (default 1)", 0},
    {"model", KEY_MODEL, "FILE", 0,
     "model file, where the scenario has compute.kind model (default: the scenario's model.file)", 0},
    {"prompt", KEY_PROMPT, "TEXT", 0,
     "join a run that goes on as a guest (devices.guests), and print what the model answers to TEXT", 0},
    {"answer", KEY_ANSWER, "K", 0, "with --prompt: tokens of the answer, at most (default 48)", 0},
    {"split", KEY_SPLIT, "S", 0, "with --prompt: layers computed here, whatever the policy decides", 0},
    {"json", KEY_JSON, 0, 0, "with --prompt: a line of JSON for each token", 0},
    {"reconnect-s", KEY_RECONNECT, "S", 0,
     "keep trying to reach it for S seconds, at the start and when it is lost (default 10)", 0},
    {"die-with-parent", KEY_DIE, 0, 0, "end when the process that started this one ends", 0},
    {"verbose", KEY_VERBOSE, 0, 0, "say what happens, on standard error", 0},
    {0},
};

static const struct argp_option server_options[] = {
    {"orchestrator", KEY_ORCHESTRATOR, "HOST:PORT", 0, "where the orchestrator listens (needed)", 0},
    {"listen", KEY_LISTEN, "HOST:PORT", 0,
     "where devices connect (default 127.0.0.1:0; port 0: any free one)", 0},
    {"advertise", KEY_ADVERTISE, "HOST", 0, "address that devices are told (default: that of --listen)", 0},
    {"tier", KEY_TIER, "NAME", 0, "the scenario's tier that it serves in (default: any)", 0},
    {"model", KEY_MODEL, "FILE", 0,
     "model file, where the scenario has compute.kind model (default: the scenario's model.file)", 0},
    {"reconnect-s", KEY_RECONNECT, "S", 0,
     "keep trying to reach it for S seconds, at the start and when it is lost (default 10)", 0},
    {"die-with-parent", KEY_DIE, 0, 0, "end when the process that started this one ends", 0},
    {"verbose", KEY_VERBOSE, 0, 0, "say what happens, on standard error", 0},
    {0},
};

void node_options_parse(struct node_options *ret_options, enum node_role role, int argc, char **argv)
{
    *ret_options = (struct node_options){.count = 1,
                                         .answer = ANSWER_DEFAULT,
                                         .split = NODE_OPTIONS_SPLIT_NONE,
                                         .reconnect_s = 10,
                                         .listen = {.host = "127.0.0.1"}};
    bool mobile = role == NODE_MOBILE;
    const struct argp argp = {
        .options = mobile ? mobile_options : server_options,
        .parser = parse_option,
        .doc = mobile ? "Plays one or more mobile devices of a handoff run: moves, runs the first layers of "
                        "each task, "
                        "sends the rest to an edge server." EXIT_TEXT
                      : "Plays one edge server of a handoff run: takes activations and runs the remaining "
                        "layers." EXIT_TEXT,
    };
    struct parsing parsing = {.options = ret_options, .role = role};
    argp_program_version =
        mobile ? "handoff-mobile-node " HANDOFF_VERSION : "handoff-edge-server " HANDOFF_VERSION;
    argp_err_exit_status = PROCESS_USAGE;
    int code = argp_parse(&argp, argc, argv, 0, NULL, &parsing);
    if (code != 0) { /* it has said what is wrong with a flag, and has ended */
        (void) fprintf(stderr, "%s: %s\n", mobile ? "handoff-mobile-node" : "handoff-edge-server",
                       strerror(code));
        exit(PROCESS_FAILED);
    }
    assert(ret_options->orchestrator.port != 0 && ret_options->count >= 1);
}
