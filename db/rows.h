/* Rows of the database as C structs, one a table (schema.sql). Text is borrowed for the call. NAN in a real
 * column means NULL: the value was never measured (a lost task). Doubles come back with the same bits, but
 * for negative zero: SQLite keeps whole numbers as integers, so it comes back as 0. */
#ifndef HANDOFF_DB_ROWS_H
#define HANDOFF_DB_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/rng.h"

#define DB_SERVER_NULL (-1)

enum db_run_kind { DB_RUN_TRAIN, DB_RUN_VALIDATE, DB_RUN_TEST, DB_RUN_COUNTERFACTUAL, DB_RUN_TWIN };
enum db_run_status { DB_RUNNING, DB_FINISHED, DB_ABORTED };

struct db_run {
    int64_t run_id;        /* 0 when inserting */
    enum db_run_kind kind; /* text 'train', 'validate', 'test', 'counterfactual', 'twin' */
    const char *scenario_name;
    const char *scenario;    /* canonical YAML text */
    const char *config_json; /* effective configuration: host, flags, versions */
    uint64_t seed;           /* < 2^63 */
    const char *policy;
    int64_t parent_run_id;      /* 0: none (NULL) */
    int64_t checkpoint_episode; /* learner evaluated as of this episode of the parent; -1: none (NULL) */
    enum rng_phase phase;       /* text 'train', 'validate', 'test': the streams it ran on */
    const char *host;           /* 'memory' or 'tcp' */
    bool real_clock;            /* text clock 'real' or 'virtual' */
    double time_scale;          /* model seconds in a second of the real clock; 1 in virtual time */
    bool queue;                 /* text mode 'queue' or 'round' */
    const char *version;        /* program version and git revision */
    const char *cpu;            /* CPU model */
    const char *started_utc;
    enum db_run_status status;
    bool trusted;
    const char *untrusted_reason; /* NULL when trusted */
    const char *policy_sees;      /* 'observations', 'model', 'world'; NULL: an older version recorded it */
    int64_t updates;              /* of the learner; -1: none learns (NULL) */
    const char *vector_path;      /* vector instructions that the arithmetic used; NULL: not recorded */
    const char *libc;             /* C library and its version; NULL: not recorded */
    const char *linalg;           /* 'portable', 'openblas'; NULL: not recorded */
    int64_t arithmetic;           /* version of the arithmetic; 0: recorded before there was one (NULL) */
    const char *surrogate;        /* that took the model's place, as quality.table; NULL: none */
    /* Writing: the tokens of compute.text; store_read_prompt reads them. NULL: none. */
    const uint32_t *prompt; /* [prompt_tokens] */
    size_t prompt_tokens;
    const uint8_t *prompt_bytes; /* [prompt_tokens] of text that each stands for; NULL: not known */
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
    const char *tier;         /* server; NULL: the scenario lists none */
    const uint32_t *requests; /* [request_count] device: prompt tokens of its real requests; NULL: none */
    size_t request_count;
    const char *address;                  /* "127.0.0.1:4711" or NULL */
    const void *rate_trace, *place_trace; /* device: the run's trace of its number, packed; NULL: none */
    size_t rate_trace_size, place_trace_size;
};

enum db_task_status {
#define TASK_STATUS(enumerator, word, meaning) enumerator,
#include "db/task_status.def"
};

/* Its fields are the columns of task.def. A REAL is NAN where the column is NULL. */
#define DB_TYPE_WHOLE uint32_t
#define DB_TYPE_SERVER int32_t /* DB_SERVER_NULL when local */
#define DB_TYPE_FLAG bool
#define DB_TYPE_REAL double
#define DB_TYPE_STATUS enum db_task_status
struct db_task {
#define TASK_RUN(name, unit, meaning) int64_t name;
#define TASK(name, kind, unit, role, meaning) DB_TYPE_##kind name;
#include "db/task.def"
};

#define DB_ANSWER_MAX 64u

/* What the layers of a finished task really gave (compute.kind model). Measured seconds are NAN where a node had no
 * layer. */
struct db_answer {
    int64_t run_id;
    uint32_t episode, slot, device; /* of its task's row */
    uint32_t tokens;
    bool is_kept; /* the tokens themselves, not just how many */
    uint32_t token[DB_ANSWER_MAX];
    double first_token_s;
    double device_layer_s, server_layer_s; /* measured, of one layer */
    uint64_t activation_bytes;             /* < 2^63 */
    bool overridden;
    const uint32_t *prompt; /* [prompt_tokens] a guest's own; NULL: it is the world's, or was not kept */
    uint32_t prompt_tokens;
};

/* Statistics over the episode's finished tasks (NAN: there were none); `tasks` counts lost and expired ones
 * too, `failures` only those. Percentiles are by nearest rank: the ceil(q n)-th smallest of n. */
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

enum db_event_kind {
#define EVENT_KIND(enumerator, word, meaning) enumerator,
#include "db/event.def"
};
enum db_event_phase {
#define EVENT_PHASE(enumerator, word, meaning) enumerator,
#include "db/event.def"
};
enum db_event_role {
#define EVENT_ROLE(enumerator, word, meaning) enumerator,
#include "db/event.def"
};
enum db_event_action {
    DB_ACTION_NONE, /* NULL: the kind says it all */
#define EVENT_ACTION(enumerator, word, meaning) enumerator,
#include "db/event.def"
};

#define DB_EVENT_NULL (-1) /* NULL of an event's whole numbers */

struct db_event {
    int64_t run_id;
    uint32_t episode, slot;
    enum db_event_phase phase;
    enum db_event_kind kind;
    enum db_event_role role;
    int64_t number; /* node number; DB_EVENT_NULL: none */
    enum db_event_action action;
    int64_t until_slot; /* in which the node is back; DB_EVENT_NULL: not in this episode, or no such event */
    int64_t from_server, to_server; /* of a task that moves; DB_EVENT_NULL: none */
    int64_t task_slot;              /* slot of that task's request; DB_EVENT_NULL: it is about no task */
    double speed;       /* share of its speed that the node has from now on; NAN: it did not change */
    const char *detail; /* why, where the reason comes from outside; else "" */
};

/* A window of a link, and an interval of an event loop: real time only, counted from the run's start. */
struct db_link_sample {
    uint32_t device, server;
    bool down;
    double start_s, duration_s;
    double set_bps, achieved_bps;
};

struct db_process_sample {
    const char *role; /* a literal: 'device', 'server', 'orchestrator' */
    int64_t number;   /* -1: NULL */
    double start_s, duration_s;
    double lag_max_s, lag_mean_s;
};

/* Real layers of a process that ended in an interval. */
struct db_compute_sample {
    const char *role; /* a literal: 'device', 'server' */
    uint32_t number;
    double start_s, duration_s;
    uint32_t jobs, late_jobs;
    double computed_s, late_s, worst_s;
};

/* A row of the view twin_comparison. */
struct db_twin_part {
    const char *part; /* the task table's column; valid during the call */
    uint64_t tasks;
    double virtual_mean, real_mean;
    double mape_pct, off_pct; /* NAN: the part had no length */
};

struct db_sweep {
    int64_t sweep_id; /* 0 when inserting */
    const char *name;
    const char *text; /* canonical YAML */
    const char *version;
    const char *created_utc;
};

enum db_job_status { DB_JOB_WAITING, DB_JOB_RUNNING, DB_JOB_DONE, DB_JOB_FAILED, DB_JOB_SKIPPED };

struct db_job {
    int64_t sweep_id;
    uint32_t number; /* from 1 */
    const char *experiment, *axis, *value, *policy, *sees;
    uint64_t seed; /* < 2^63 */
    const char *settings_json;
    uint32_t trained_by;       /* 0: NULL */
    enum db_job_status status; /* text 'waiting', 'running', 'done', 'failed', 'skipped' */
    uint32_t attempts;
    double wall_s, cpu_s;                               /* NAN: NULL */
    int64_t train_run_id, test_run_id, validate_run_id; /* 0: NULL */
    const char *error;                                  /* NULL unless failed or skipped */
};

/* The transitions that a learner has had since the checkpoint before. */
struct db_experience {
    int64_t run_id;
    uint32_t episode;      /* of the checkpoint that it comes with */
    uint64_t first, count; /* transitions, numbered from the run's beginning */
    uint64_t oldest;       /* writing: earlier ones are no longer needed */
    const void *bytes;     /* NULL: there is none */
    size_t size;
};

struct db_checkpoint {
    int64_t run_id;
    uint32_t episode; /* weights after this episode */
    const void *weights;
    size_t weights_size;
    const void *learner; /* full learner state for resuming; NULL: none */
    size_t learner_size;
    double validation_cost; /* NAN: not validated yet */
    bool has_updates;       /* writing: `updates` is known */
    uint64_t updates;       /* behind these weights: from now on the run's row says so */
};

/* One policy's held-out test, of a sweep's job or on its own. */
struct db_outcome {
    const char *sweep;        /* "": an evaluation on its own */
    const char *experiment;   /* of the sweep; else the scenario's name */
    const char *axis, *value; /* the keys varied and what to; "": none */
    const char *policy;
    const char *sees; /* 'observations', 'model', 'world'; NULL: not recorded */
    uint64_t seed;
    double train_slots; /* before the test; 0 or NAN: none */
    double mean_cost, mean_latency_s, p95_latency_s, mean_energy_j, deadline_miss_share, regret_pct;
    int64_t train_run_id, test_run_id; /* 0: none */
    const char *scenario;              /* an evaluation's canonical YAML; NULL in a sweep */
    int64_t updates; /* behind the learner's weights; -1: does not learn, or not recorded (NULL) */
    /* Of the run that trained it, else of the test: "portable, arithmetic 1"; NULL: that run is gone. */
    const char *arithmetic;
    double mean_return; /* of its test's episodes; NAN: not recorded */
};

/* One checkpoint on the validation streams. */
struct db_curve_point {
    const char *sweep, *experiment, *axis, *value, *policy;
    uint64_t seed;
    double slots; /* of training until then */
    double mean_cost, regret_pct, mean_return;
};

/* Jobs of a sweep with the same outcome. */
struct db_job_count {
    const char *sweep, *status;
    const char *error; /* NULL unless failed or skipped */
    int64_t jobs;
};

/* Runs that the same program made on the same kind of machine. */
struct db_origin {
    const char *version, *cpu;
    int64_t runs;
    const char *first_utc, *last_utc;
};

/* What an attack recovered from what crossed a split; the columns of `leak`. */
struct db_leak {
    const char *model; /* 64 hex digits */
    const char *format, *channel;
    double level;
    uint32_t split;
    const char *attack;
    uint64_t tokens, seeds, found;
    const char *version, *measured_utc; /* writing; NULL when read */
};

/* A run that goes on: what is later than an episode is dropped from the file. */
struct db_rewind {
    int64_t run_id;
    int64_t after_episode;   /* -1: everything but its nodes is dropped */
    const char *config_json; /* what the run row says from now on; borrowed */
    bool was_finished;       /* and shall have more episodes now; otherwise a finished run is refused */
};

#endif
