/* The command line that both node programs share: one table, one --help. */
#ifndef HANDOFF_PROTO_NODE_OPTIONS_H
#define HANDOFF_PROTO_NODE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/node/join.h"

#define NODE_OPTIONS_SPLIT_NONE UINT32_MAX

struct node_options {
    struct node_address orchestrator;
    uint32_t count;             /* mobile node: devices played by this process */
    struct node_address listen; /* edge server: where data connections are taken; port 0: any */
    const char *tier;           /* edge server: the tier that it serves in; NULL: any. Text of argv */
    char advertise[256];        /* edge server: the host it tells devices; "": the one it listens on */
    const char *model;          /* the model file; NULL: the scenario's model.file. Text of argv */
    const char *prompt;   /* mobile node: it is a guest with this text; NULL: it is none. Text of argv */
    uint32_t answer;      /* guest: tokens of its answer, at most */
    uint32_t split;       /* guest: its own split; NODE_OPTIONS_SPLIT_NONE: none */
    bool json;            /* guest: a line a token */
    uint32_t reconnect_s; /* how long to keep trying to reach the orchestrator */
    bool die_with_parent;
    bool verbose;
};

/* Parses argv for the program of this role. Prints help, version or a usage error itself and then exits the
 * process with PROCESS_OK or PROCESS_USAGE, as a main's first act. */
void node_options_parse(struct node_options *ret_options, enum node_role role, int argc, char **argv);

#endif
