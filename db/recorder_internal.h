/* The recorder's state, shared by the files that make it up. Not for other files. */
#ifndef HANDOFF_DB_RECORDER_INTERNAL_H
#define HANDOFF_DB_RECORDER_INTERNAL_H

#include <pthread.h>

#include "core/base/buf.h"
#include "db/claim.h"
#include "db/db.h"
#include "db/recorder.h"
#include "db/store.h"

enum item_kind {
    ITEM_EPISODE,
    ITEM_EVENT,
    ITEM_SURROGATE,
    ITEM_LINK_SAMPLES,
    ITEM_PROCESS_SAMPLE,
    ITEM_COMPUTE_SAMPLE,
};

struct episode_item {
    struct db_episode row;
    bool has_checkpoint;
    struct db_checkpoint checkpoint;
    struct db_experience experience; /* bytes NULL: none */
};

struct item {
    enum item_kind kind;
    uint64_t after; /* task rows handed over before it */
    union {
        struct episode_item episode;
        struct db_event event;
        struct db_process_sample process_sample;
        struct db_compute_sample compute_sample;
    };
    struct buf bytes; /* owned: the texts or blobs that the row points to, or an array of link samples */
};

/* Beside a task row. */
struct answer_place {
    bool is_taken;
    struct db_answer answer;
    uint32_t *prompt; /* its own copy; NULL: none */
};

struct recorder {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t work; /* the thread waits here for a due batch */
    pthread_cond_t room; /* the caller waits here for a place in the queue */
    struct db db;        /* owned; the thread's alone while it runs */
    struct store *store; /* owned, likewise */
    struct claim claim;  /* on the run, while it is recorded */
    int64_t run_id;

    /* Under the mutex. Counters only grow; a row's place is its number modulo the ring's size. */
    uint64_t pushed, written;             /* task rows */
    uint64_t items_pushed, items_written; /* items */
    size_t bytes;                         /* owned by the items in the queue */
    uint32_t urgent;                      /* items in the queue that make a batch due at once */
    uint64_t oldest_ns;                   /* when the queue's oldest content came; 0: empty */
    bool closing;
    int rc; /* the thread's first error; nothing is written after it */
    struct diag diag;
    struct recorder_stats stats;

    struct answer_place
        *answer; /* [RECORDER_QUEUE_ROWS], beside the ring; NULL until the first comes; owned */

    struct item item[RECORDER_QUEUE_ITEMS];
    struct db_task ring[RECORDER_QUEUE_ROWS];
};

/* The thread: writes what is queued until the recorder is closing and nothing is left. */
void *recorder_write_all(void *user);

#endif
