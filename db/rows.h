/* Rows of the database as C structs, one a table (schema.sql). Text is borrowed for the call. NAN in a real
 * column means NULL: the value was never measured (a lost task). Doubles come back with the same bits, but
 * for negative zero: SQLite keeps whole numbers as integers, so it comes back as 0. */
#ifndef HANDOFF_DB_ROWS_H
#define HANDOFF_DB_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DB_SERVER_NULL (-1)

enum db_run_kind { DB_RUN_TRAIN, DB_RUN_VALIDATE, DB_RUN_TEST, DB_RUN_COUNTERFACTUAL };
enum db_run_status { DB_RUNNING, DB_FINISHED, DB_ABORTED };

struct db_run {
    int64_t run_id;        /* 0 when inserting */
    enum db_run_kind kind; /* text 'train', 'validate', 'test', 'counterfactual' */
    const char *scenario_name;
    const char *scenario;    /* canonical YAML text */
    const char *config_json; /* effective configuration: host, flags, versions */
    uint64_t seed;           /* < 2^63 */
    const char *policy;
    int64_t parent_run_id;      /* 0: none (NULL) */
    int64_t checkpoint_episode; /* learner evaluated as of this episode of the parent; -1: none (NULL) */
    const char *phase;          /* 'train', 'validate', 'test': the streams it ran on */
    const char *host;           /* 'memory' or 'tcp' */
    const char *version;        /* program version and git revision */
    const char *cpu;            /* CPU model and BLAS kernel */
    const char *started_utc;
    enum db_run_status status;
    bool trusted;
    const char *untrusted_reason; /* NULL when trusted */
};

struct db_node {
    int64_t run_id;
    bool is_server;
    uint32_t number;
    double flops;
    double power_w;
    double transmit_power_w;  /* NAN for a server */
    double x_m, y_m;          /* server's position, device's home; NAN: none */
    int64_t max_split;        /* device; -1: NULL */
    double memory_bytes;      /* server; NAN: not limited */
    const uint32_t *requests; /* [request_count] device: prompt tokens of its real requests; NULL: none */
    size_t request_count;
    const char *address; /* "127.0.0.1:4711" or NULL */
};

struct db_task {
    int64_t run_id;
    uint32_t episode, slot, device;
    uint32_t tokens, split;
    int32_t server; /* DB_SERVER_NULL when local */
    bool repaired;
    double bandwidth_share, compute_share;
    double local_s, transmit_s, queue_s, edge_s, latency_s;
    double compute_j, transmit_j, server_j, energy_j;
    double cost;
    double rate_bps, payload_bytes;
    double x_m, y_m;
    bool deadline_missed;
    const char *status; /* 'done', 'device_lost', 'server_lost' */
};

/* Statistics over the episode's done tasks (NAN: there were none); `tasks` counts lost ones too, `failures`
 * only those. Percentiles are by nearest rank: the ceil(q n)-th smallest of n. */
struct db_episode {
    int64_t run_id;
    uint32_t episode;
    uint32_t slots;
    double mean_latency_s, p50_latency_s, p95_latency_s, p99_latency_s;
    double mean_energy_j;
    double mean_cost;
    double episode_return; /* sum of slot rewards (column "return" is a poor name in SQL: episode_return) */
    double optimum_cost;   /* mean cost of the exact optimum on the same slots; NAN: not computed */
    uint64_t tasks, deadline_misses, failures, repairs;
    double wall_s;
};

struct db_event {
    int64_t run_id;
    uint32_t episode, slot;
    const char *phase; /* 'observe' or 'execute' */
    const char *kind;  /* 'node_lost', 'refusal' */
    const char *role;  /* 'device', 'server', '' */
    int64_t number;    /* node number; -1: none */
    const char *detail;
};

struct db_checkpoint {
    int64_t run_id;
    uint32_t episode; /* weights after this episode */
    const void *weights;
    size_t weights_size;
    const void *learner; /* full learner state for resuming; NULL: none */
    size_t learner_size;
    double validation_cost; /* NAN: not validated yet */
};

#endif
