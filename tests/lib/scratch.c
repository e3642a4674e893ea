#include "tests/lib/scratch.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

int scratch_setup(void **state)
{
    struct scratch *scratch = calloc(1, sizeof *scratch);
    if (scratch == NULL)
        return -1;
    const char *parent = getenv("TMPDIR");
    (void) snprintf(scratch->directory, sizeof scratch->directory, "%s/handoff-test-XXXXXX",
                    parent != NULL && strlen(parent) < 64 ? parent : "/tmp");
    if (mkdtemp(scratch->directory) == NULL) {
        free(scratch);
        return -1;
    }
    scratch_path(scratch, "results.db", scratch->file);
    *state = scratch;
    return 0;
}

/* A folder with all that is in it; 0 when it is gone. */
static int remove_folder(const char *path)
{
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        char inner[SCRATCH_PATH * 2];
        int length = snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        bool is_own = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
        if (is_own && length > 0 && (size_t) length < sizeof inner && unlink(inner) != 0)
            (void) remove_folder(inner); /* what stays shows in the last rmdir */
    }
    if (directory != NULL)
        (void) closedir(directory);
    return rmdir(path);
}

int scratch_teardown(void **state)
{
    struct scratch *scratch = *state;
    (void) chmod(scratch->directory, 0700); /* a test may have locked it */
    int rc = remove_folder(scratch->directory);
    free(scratch);
    return rc;
}

void scratch_path(const struct scratch *scratch, const char *name, char ret_path[static SCRATCH_PATH])
{
    (void) snprintf(ret_path, SCRATCH_PATH, "%s/%s", scratch->directory, name);
}

void scratch_write(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

size_t scratch_size(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return (size_t) status.st_size;
}

int scratch_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static sqlite3 *open_plain(const char *path)
{
    sqlite3 *plain = NULL;
    assert_int_equal(sqlite3_open(path, &plain), SQLITE_OK);
    return plain;
}

void scratch_exec(const char *path, const char *sql)
{
    sqlite3 *plain = open_plain(path);
    char *text = NULL;
    int code = sqlite3_exec(plain, sql, NULL, NULL, &text);
    if (code != SQLITE_OK)
        fail_msg("%s: %s", sql, text);
    assert_int_equal(sqlite3_close(plain), SQLITE_OK);
}

void scratch_query(const char *path, const char *sql, char *ret_text, size_t size)
{
    sqlite3 *plain = open_plain(path);
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(plain, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(plain));
    size_t at = 0;
    ret_text[0] = '\0';
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        for (int i = 0; i < sqlite3_column_count(statement) && at < size; i++) {
            const char *value = (const char *) sqlite3_column_text(statement, i);
            const char *before = i > 0 ? "|" : at > 0 ? "\n" : "";
            int length = snprintf(ret_text + at, size - at, "%s%s", before, value != NULL ? value : "NULL");
            at += (size_t) length;
        }
    if (code != SQLITE_DONE)
        fail_msg("%s: %s", sql, sqlite3_errmsg(plain));
    assert_true(at < size);
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    assert_int_equal(sqlite3_close(plain), SQLITE_OK);
}

void scratch_expect(const char *path, const char *sql, const char *expected)
{
    char text[4096];
    scratch_query(path, sql, text, sizeof text);
    if (strcmp(text, expected) != 0)
        fail_msg("%s\ngave:     %s\nexpected: %s", sql, text, expected);
}

struct db_run scratch_run(void)
{
    return (struct db_run){
        .kind = DB_RUN_TRAIN,
        .scenario_name = "dapo",
        .scenario = "name: dapo\n",
        .config_json = "{\"host\":\"memory\"}",
        .seed = 7,
        .policy = "greedy",
        .checkpoint_episode = -1,
        .phase = RNG_TRAIN,
        .host = "memory",
        .time_scale = 1.0,
        .version = "0.1.0",
        .cpu = "test",
        .started_utc = "2026-01-02T03:04:05Z",
        .status = DB_RUNNING,
        .trusted = true,
        .updates = -1,
    };
}

struct db_event scratch_event(enum db_event_kind kind)
{
    return (struct db_event){
        .phase = DB_PHASE_NONE,
        .kind = kind,
        .role = DB_ROLE_NONE,
        .number = DB_EVENT_NULL,
        .until_slot = DB_EVENT_NULL,
        .from_server = DB_EVENT_NULL,
        .to_server = DB_EVENT_NULL,
        .task_slot = DB_EVENT_NULL,
        .speed = (double) NAN,
        .detail = "",
    };
}

struct db_task scratch_task(uint32_t episode, uint32_t slot, uint32_t device)
{
    double u = 1.0 / (1.0 + episode + 10.0 * slot + 1000.0 * device);
    return (struct db_task){
        .episode = episode,
        .slot = slot,
        .device = device,
        .tokens = 128,
        .split = 8,
        .server = 1,
        .bandwidth_share = 0.5 * u,
        .compute_share = u,
        .local_s = 0.25 * u,
        .transmit_s = u / 3,
        .queue_s = 0,
        .edge_s = u / 7,
        .latency_s = u,
        .compute_j = 1 + u,
        .transmit_j = 0.1 + u,
        .server_j = 2 + u,
        .energy_j = 3 + u,
        .cost = 1.3 * u,
        .rate_bps = 1e8 * u,
        .payload_bytes = 1048576,
        .x_m = 10.5,
        .y_m = -3.25,
        .end_slot = slot,
        .status = DB_TASK_DONE,
        .served_by = 1,
    };
}

struct db_answer scratch_answer(uint32_t episode, uint32_t slot, uint32_t device)
{
    return (struct db_answer){
        .episode = episode,
        .slot = slot,
        .device = device,
        .tokens = 2,
        .is_kept = true,
        .token = {100 * slot + device, 7},
        .first_token_s = 0.5,
        .device_layer_s = 0.125,
        .server_layer_s = (double) NAN,
        .activation_bytes = 4096,
    };
}

struct db_episode scratch_episode(uint32_t episode)
{
    return (struct db_episode){
        .episode = episode,
        .slots = 10,
        .mean_latency_s = 0.5,
        .p50_latency_s = 0.4,
        .p95_latency_s = 0.9,
        .p99_latency_s = 0.99,
        .mean_energy_j = 2.5,
        .mean_cost = 1.25,
        .episode_return = -12.5,
        .optimum_cost = NAN,
        .tasks = 100,
        .deadline_misses = 3,
        .failures = 0,
        .repairs = 2,
        .wall_s = 0.1,
    };
}
