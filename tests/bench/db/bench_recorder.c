/* Task rows per second through the recorder, next to its named peer: a bare SQLite loop that inserts the same
 * rows into the same table with one prepared statement in one transaction, on one thread, with the same
 * durability. Both are timed from the first row to the closed file, in turn, so that a busy machine disturbs
 * both; the median of the rounds counts. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <sqlite3.h>

#include "core/base/clock.h"
#include "core/base/units.h"
#include "db/recorder.h"
#include "db/row_text.h"
#include "db/sql.h"

#define DEVICES 10
#define SLOTS 1000
#define EPISODES 50
#define ROWS ((size_t) DEVICES * SLOTS * EPISODES)
#define ROUNDS 3

static const char *path;

static void stop(const char *what, const char *why)
{
    (void) fprintf(stderr, "bench_recorder: %s: %s\n", what, why);
    (void) unlink(path);
    exit(1);
}

/* Cheap and different everywhere: whole numbers would be stored shorter than a run's values are. */
static double next_real(uint64_t *state)
{
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (double) (*state >> 11) * 0x1p-53;
}

static void make_slot(uint32_t episode, uint32_t slot, uint64_t *state, struct db_task task[static DEVICES])
{
    for (uint32_t device = 0; device < DEVICES; device++) {
        task[device] = (struct db_task){
            .run_id = 1,
            .episode = episode,
            .slot = slot,
            .device = device,
            .tokens = 128,
            .split = (slot + device) % 33,
            .server = (int32_t) (device % 3),
            .bandwidth_share = next_real(state),
            .compute_share = next_real(state),
            .local_s = next_real(state),
            .transmit_s = next_real(state),
            .queue_s = next_real(state),
            .edge_s = next_real(state),
            .latency_s = next_real(state),
            .compute_j = next_real(state),
            .transmit_j = next_real(state),
            .server_j = next_real(state),
            .energy_j = next_real(state),
            .cost = next_real(state),
            .rate_bps = 1e8 * next_real(state),
            .payload_bytes = 1e6 * next_real(state),
            .x_m = 1e3 * next_real(state),
            .y_m = 1e3 * next_real(state),
            .end_slot = slot,
            .status = DB_TASK_DONE,
        };
    }
}

static struct db_run make_run(void)
{
    return (struct db_run){.scenario_name = "bench",
                           .scenario = "",
                           .config_json = "{}",
                           .policy = "random",
                           .checkpoint_episode = -1,
                           .phase = RNG_TRAIN,
                           .host = "memory",
                           .time_scale = 1.0,
                           .version = "",
                           .cpu = "",
                           .started_utc = "",
                           .trusted = true};
}

static double time_recorder(double *ret_handover_ns, struct recorder_stats *ret_stats)
{
    struct recorder *recorder = NULL;
    struct db_run run = make_run();
    struct diag diag = {0};
    int64_t run_id;
    uint64_t state = 1;
    if (recorder_create(&recorder, path, &run, NULL, 0, &run_id, &diag) != 0)
        stop("create", diag.text);
    uint64_t start_ns = clock_monotonic_ns();
    uint64_t pushing_ns = 0;
    int rc = 0;
    for (uint32_t episode = 0; rc == 0 && episode < EPISODES; episode++) {
        for (uint32_t slot = 0; rc == 0 && slot < SLOTS; slot++) {
            struct db_task task[DEVICES];
            make_slot(episode, slot, &state, task);
            uint64_t before_ns = clock_monotonic_ns();
            rc = recorder_tasks(recorder, task, DEVICES);
            pushing_ns += clock_monotonic_ns() - before_ns;
        }
        struct db_episode row = {
            .episode = episode, .slots = SLOTS, .tasks = SLOTS * DEVICES, .optimum_cost = NAN};
        if (rc == 0)
            rc = recorder_episode(recorder, &row, NULL, NULL);
    }
    if (recorder_close(recorder, DB_FINISHED, true, NULL, ret_stats, &diag) != 0)
        stop("close", diag.text);
    double elapsed_s = units_ns_to_s(clock_monotonic_ns() - start_ns);
    *ret_handover_ns = ((double) pushing_ns - ret_stats->waited_s * 1e9) / (double) ROWS;
    return elapsed_s;
}

static void run_sql(sqlite3 *bare, const char *sql)
{
    if (sqlite3_exec(bare, sql, NULL, NULL, NULL) != SQLITE_OK)
        stop(sql, sqlite3_errmsg(bare));
}

static void insert_bare(sqlite3 *bare, sqlite3_stmt *statement, const struct db_task *task)
{
    const int64_t integers[] = {task->run_id, task->episode, task->slot,   task->device,
                                task->tokens, task->split,   task->server, task->repaired};
    const double reals[] = {task->bandwidth_share,
                            task->compute_share,
                            task->wait_s,
                            task->local_s,
                            task->transmit_s,
                            task->queue_s,
                            task->edge_s,
                            task->latency_s,
                            task->compute_j,
                            task->transmit_j,
                            task->server_j,
                            task->energy_j,
                            task->cost,
                            task->rate_bps,
                            task->payload_bytes,
                            task->x_m,
                            task->y_m,
                            task->end_slot,
                            task->handovers,
                            task->interrupted_s,
                            task->extra_bytes,
                            task->extra_j};
    int code = SQLITE_OK;
    for (int i = 0; i < 8; i++)
        code |= sqlite3_bind_int64(statement, 1 + i, integers[i]);
    for (int i = 0; i < 22; i++)
        code |= sqlite3_bind_double(statement, 9 + i, reals[i]);
    code |= sqlite3_bind_int64(statement, 31, task->deadline_missed);
    code |= sqlite3_bind_text(statement, 32, db_task_status_text(task->status), -1, SQLITE_STATIC);
    if (code != SQLITE_OK || sqlite3_step(statement) != SQLITE_DONE || sqlite3_reset(statement) != SQLITE_OK)
        stop("insert", sqlite3_errmsg(bare));
}

static double time_bare(void)
{
    sqlite3 *bare = NULL;
    sqlite3_stmt *statement = NULL;
    if (sqlite3_open_v2(path, &bare, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        stop("open", sqlite3_errmsg(bare));
    run_sql(bare, "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                  "PRAGMA cache_size = -8192; PRAGMA secure_delete = OFF; PRAGMA foreign_keys = ON");
    run_sql(bare, sql_schema);
    run_sql(bare,
            "INSERT INTO run (kind, scenario_name, scenario, config_json, seed, policy, phase, host, clock, "
            "time_scale, mode, version, cpu,"
            " started_utc, status, trusted) VALUES ('train', '', '', '{}', 0, '', 'train', 'memory', "
            "'virtual', 1, 'round', '', '', '',"
            " 'running', 1)");
    uint64_t state = 1;
    uint64_t start_ns = clock_monotonic_ns();
    run_sql(bare, "BEGIN");
    if (sqlite3_prepare_v2(
            bare,
            "INSERT INTO task VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
            " ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            -1, &statement, NULL) != SQLITE_OK)
        stop("prepare", sqlite3_errmsg(bare));
    for (uint32_t episode = 0; episode < EPISODES; episode++)
        for (uint32_t slot = 0; slot < SLOTS; slot++) {
            struct db_task task[DEVICES];
            make_slot(episode, slot, &state, task);
            for (size_t i = 0; i < DEVICES; i++)
                insert_bare(bare, statement, &task[i]);
        }
    (void) sqlite3_finalize(statement); /* every step was checked */
    run_sql(bare, "COMMIT");
    run_sql(bare, "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE");
    if (sqlite3_close(bare) != SQLITE_OK)
        stop("close", "statements are open");
    return units_ns_to_s(clock_monotonic_ns() - start_ns);
}

static int compare_reals(const void *a, const void *b)
{
    double x = *(const double *) a;
    double y = *(const double *) b;
    return (x > y) - (x < y);
}

static double median(double values[static ROUNDS])
{
    qsort(values, ROUNDS, sizeof *values, compare_reals);
    return values[ROUNDS / 2];
}

int main(void)
{
    char directory[] = "/tmp/handoff-bench-XXXXXX";
    char file[sizeof directory + 16];
    if (mkdtemp(directory) == NULL)
        return 1;
    (void) snprintf(file, sizeof file, "%s/results.db", directory); /* sized for it */
    path = file;
    double recorder_s[ROUNDS];
    double bare_s[ROUNDS];
    double handover_ns[ROUNDS];
    struct recorder_stats stats = {0};
    for (size_t i = 0; i < ROUNDS; i++) {
        recorder_s[i] = time_recorder(&handover_ns[i], &stats);
        (void) unlink(path);
        if (i == 0) {
            struct rusage usage;
            if (getrusage(RUSAGE_SELF, &usage) == 0)
                printf("recorder: peak memory of the process %ld MiB\n", usage.ru_maxrss / 1024);
        }
        bare_s[i] = time_bare();
        (void) unlink(path);
    }
    (void) rmdir(directory);
    double recorded = (double) ROWS / median(recorder_s);
    double bare = (double) ROWS / median(bare_s);
    printf("rows: %zu of 32 columns, %llu batches, median of %d rounds\n", ROWS,
           (unsigned long long) stats.batches, ROUNDS);
    printf("recorder: %.0f rows/s; handing over costs the caller %.0f ns per row\n", recorded,
           median(handover_ns));
    printf("bare SQLite loop: %.0f rows/s\n", bare);
    printf("ratio recorder / bare: %.2f\n", recorded / bare);
    return 0;
}
