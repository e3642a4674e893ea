/* A fault script as data, shared by the file that reads it and the one that answers. Not for other rooms. */
#ifndef HANDOFF_CORE_MODEL_FAULTS_INTERNAL_H
#define HANDOFF_CORE_MODEL_FAULTS_INTERNAL_H

#include "core/model/faults.h"

enum statement_kind {
    STATEMENT_KILL,
    STATEMENT_REJOIN,
    STATEMENT_PAUSE,
    STATEMENT_SLOW,
    STATEMENT_PARTITION
};

#define EVERY_EPISODE UINT32_MAX

struct statement {
    enum statement_kind kind;
    uint32_t episode; /* or EVERY_EPISODE */
    uint32_t slot;
    uint32_t span; /* slots; 0: none given */
    uint32_t until_episode,
        until_slot;  /* SLOW with an episode and no span: before this; UINT32_MAX: for good */
    bool is_server;  /* PARTITION: false */
    uint32_t number; /* of the node; PARTITION: of the device */
    uint32_t server; /* PARTITION */
    double factor;   /* SLOW */
};

struct faults {
    uint32_t devices, servers;
    uint64_t seed;
    double rate; /* of chaos */
    uint32_t statements;
    struct statement statement[FAULTS_STATEMENTS_MAX];
};

/* Fills the statements; devices and servers are set. */
int faults_read(struct faults *faults, const char *script, double slot_s, struct diag *diag);

#endif
