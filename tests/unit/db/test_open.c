/* Opening and closing the file: what is made, what is refused, what survives. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "core/base/err.h"
#include "db/db.h"
#include "db/sql.h"
#include "db/store.h"
#include "tests/lib/scratch.h"

static void open_and_close(const char *path, enum db_mode mode)
{
    struct db db;
    struct diag diag = {0};
    if (db_open(&db, path, mode, &diag) != 0)
        fail_msg("%s", diag.text);
    assert_int_equal(db_close(&db, &diag), 0);
}

static void assert_refused(const char *path, enum db_mode mode, int expected, const char *why)
{
    struct db db;
    struct diag diag = {0};
    int rc = db_open(&db, path, mode, &diag);
    if (rc != expected || strstr(diag.text, why) == NULL || strstr(diag.text, path) == NULL)
        fail_msg("%d '%s', expected %d '... %s ...'", rc, diag.text, expected, why);
}

static void insert_run(struct db *db)
{
    struct store *store = NULL;
    struct db_run run = scratch_run();
    int64_t run_id;
    assert_int_equal(store_create(&store, db, NULL), 0);
    assert_int_equal(store_insert_run(store, &run, &run_id, NULL), 0);
    store_destroy(store);
}

static void a_new_database_is_one_clean_file_that_says_whose_it_is(void **state)
{
    struct scratch *s = *state;
    open_and_close(s->file, DB_CREATE);
    char other[SCRATCH_PATH];
    scratch_path(s, "results.db-wal", other);
    assert_false(scratch_exists(other));
    scratch_path(s, "results.db-shm", other);
    assert_false(scratch_exists(other));
    scratch_expect(s->file, "PRAGMA application_id", "1751215716");
    scratch_expect(s->file, "PRAGMA user_version", "9");
    scratch_expect(s->file, "PRAGMA journal_mode", "delete");
    scratch_expect(s->file, "PRAGMA integrity_check", "ok");
}

static void while_open_the_file_is_in_wal_mode_and_others_can_read(void **state)
{
    struct scratch *s = *state;
    struct db db;
    assert_int_equal(db_open(&db, s->file, DB_CREATE, NULL), 0);
    insert_run(&db);
    scratch_expect(s->file, "PRAGMA journal_mode", "wal");
    scratch_expect(s->file, "SELECT count(*) FROM run", "1");
    assert_int_equal(db_close(&db, NULL), 0);
    scratch_expect(s->file, "PRAGMA journal_mode", "delete");
}

static void closing_beside_another_connection_loses_nothing(void **state)
{
    struct scratch *s = *state;
    struct db first, second;
    assert_int_equal(db_open(&first, s->file, DB_CREATE, NULL), 0);
    assert_int_equal(db_open(&second, s->file, DB_READWRITE, NULL), 0);
    insert_run(&first);
    assert_int_equal(db_close(&first, NULL), 0);
    insert_run(&second);
    assert_int_equal(db_close(&second, NULL), 0);
    scratch_expect(s->file, "PRAGMA journal_mode", "delete");
    scratch_expect(s->file, "SELECT count(*) FROM run", "2");
}

static void closing_a_zeroed_database_does_nothing(void **state)
{
    (void) state;
    struct db db = {0};
    assert_int_equal(db_close(&db, NULL), 0);
    assert_int_equal(db_close(NULL, NULL), 0);
}

static void an_open_transaction_is_rolled_back_at_close(void **state)
{
    struct scratch *s = *state;
    struct db db;
    assert_int_equal(db_open(&db, s->file, DB_CREATE, NULL), 0);
    assert_int_equal(db_begin(&db, NULL), 0);
    insert_run(&db);
    assert_int_equal(db_close(&db, NULL), 0);
    scratch_expect(s->file, "SELECT count(*) FROM run", "0");
}

static void a_missing_file_is_made_only_when_creating(void **state)
{
    struct scratch *s = *state;
    assert_refused(s->file, DB_READ, -ENOENT, "No such file");
    assert_refused(s->file, DB_READWRITE, -ENOENT, "No such file");
    assert_false(scratch_exists(s->file));
}

static void a_missing_directory_is_named(void **state)
{
    struct scratch *s = *state;
    char path[SCRATCH_PATH];
    scratch_path(s, "nowhere/results.db", path);
    assert_refused(path, DB_CREATE, -ENOENT, "nowhere: No such file or directory");
}

static void a_directory_is_refused(void **state)
{
    struct scratch *s = *state;
    assert_refused(s->directory, DB_CREATE, -EISDIR, "is a directory");
    assert_refused(s->directory, DB_READ, -EISDIR, "is a directory");
}

static void an_empty_or_overlong_name_is_refused(void **state)
{
    (void) state;
    assert_refused("", DB_CREATE, -EINVAL, "empty");
    char path[8192];
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    struct db db;
    assert_int_equal(db_open(&db, path, DB_CREATE, NULL), -ENAMETOOLONG);
}

static void a_text_file_is_refused_and_left_alone(void **state)
{
    struct scratch *s = *state;
    static const char text[] = "devices: 10\nservers: 3\n";
    scratch_write(s->file, text, sizeof text - 1);
    assert_refused(s->file, DB_CREATE, ERR_TYPE, "is not an SQLite database: file is not a database");
    assert_refused(s->file, DB_READ, ERR_TYPE, "is not an SQLite database");
    assert_int_equal(scratch_size(s->file), sizeof text - 1);
    char big[9000];
    memset(big, 'x', sizeof big);
    scratch_write(s->file, big, sizeof big);
    assert_refused(s->file, DB_READWRITE, ERR_TYPE, "is not an SQLite database");
}

static void an_empty_file_becomes_a_database_only_when_creating(void **state)
{
    struct scratch *s = *state;
    scratch_write(s->file, "", 0);
    assert_refused(s->file, DB_READ, ERR_TYPE, "is empty");
    assert_refused(s->file, DB_READWRITE, ERR_TYPE, "is empty");
    open_and_close(s->file, DB_CREATE);
    scratch_expect(s->file, "SELECT count(*) FROM task", "0");
}

static void another_programs_database_is_refused_and_left_alone(void **state)
{
    struct scratch *s = *state;
    scratch_exec(s->file, "PRAGMA application_id = 77; CREATE TABLE bookmark (url TEXT)");
    size_t size = scratch_size(s->file);
    assert_refused(s->file, DB_CREATE, ERR_TYPE, "another program (application_id 77)");
    assert_refused(s->file, DB_READ, ERR_TYPE, "another program");
    assert_int_equal(scratch_size(s->file), size);
    scratch_expect(s->file, "PRAGMA journal_mode", "delete");
    scratch_expect(s->file, "SELECT name FROM sqlite_schema", "bookmark");
}

static void a_database_without_an_owner_is_not_taken_over(void **state)
{
    struct scratch *s = *state;
    scratch_exec(s->file, "CREATE TABLE run (mine TEXT)");
    assert_refused(s->file, DB_CREATE, ERR_TYPE, "another program");
}

static void a_newer_version_is_refused(void **state)
{
    struct scratch *s = *state;
    open_and_close(s->file, DB_CREATE);
    scratch_exec(s->file, "PRAGMA user_version = 99");
    assert_refused(s->file, DB_READ, ERR_VERSION,
                   "newer handoff (database version 99; this program knows up to 9)");
    assert_refused(s->file, DB_CREATE, ERR_VERSION, "newer handoff");
    scratch_expect(s->file, "PRAGMA user_version", "99");
}

static void an_older_version_cannot_be_read_before_it_is_migrated(void **state)
{
    struct scratch *s = *state;
    scratch_exec(s->file, "PRAGMA application_id = 1751215716");
    assert_refused(s->file, DB_READ, ERR_VERSION, "older handoff");
    open_and_close(s->file, DB_READWRITE);
    open_and_close(s->file, DB_READ);
}

/* A file as version 1 wrote it: one task done, one lost, an event, a checkpoint. */
static const char version_1_rows[] =
    "INSERT INTO run VALUES (1, 'train', 'dapo', 'x', '{}', 7, 'dapo', NULL, NULL, 'train', 'tcp', '0.1.0', "
    "'c',"
    " 'now', 'finished', 1, NULL),"
    " (2, 'test', 'dapo', 'x', '{}', 7, 'dapo', 1, 0, 'test', 'memory', '0.1.0', 'c', 'now', 'finished', 0, "
    "'slow');"
    "INSERT INTO node VALUES (1, 'device', 0, 1e12, 5, 0.5, NULL, NULL, 32, NULL, NULL, NULL);"
    "INSERT INTO task VALUES"
    " (1, 0, 3, 0, 128, 8, 1, 0, 0.5, 1, 0.25, 0.125, 0, 0.5, 0.875, 1, 2, 3, 6, 1.5, 1e8, 1e6, 1, 2, 1, "
    "'done'),"
    " (1, 0, 4, 0, 128, 8, 1, 0, 0.5, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "
    "NULL,"
    " 1, 2, 0, 'server_lost');"
    "INSERT INTO episode (run_id, episode, slots, mean_cost, tasks, deadline_misses, failures, repairs)"
    " VALUES (1, 0, 5, 1.5, 2, 1, 1, 0);"
    "INSERT INTO event VALUES (9, 1, 0, 4, 'execute', 'node_lost', 'server', 1, 'gone');"
    "INSERT INTO checkpoint VALUES (1, 0, x'0102', NULL, NULL);";

static void what_version_1_recorded_is_kept_and_gets_its_new_columns(void **state)
{
    struct scratch *s = *state;
    scratch_exec(s->file, sql_migrations[0].text);
    scratch_exec(s->file, version_1_rows);
    open_and_close(s->file, DB_READWRITE);
    scratch_expect(s->file, "PRAGMA foreign_key_check", "");
    scratch_expect(s->file, "PRAGMA integrity_check", "ok");
    scratch_expect(s->file,
                   "SELECT group_concat(run_id || host || clock || time_scale || mode || trusted) FROM run",
                   "1tcpvirtual1.0round1,2memoryvirtual1.0round0");
    scratch_expect(s->file, "SELECT untrusted_reason || parent_run_id FROM run WHERE run_id = 2", "slow1");
    scratch_expect(
        s->file,
        "SELECT group_concat(slot || status || ifnull(latency_s, '-') || ifnull(wait_s, '-') || end_slot ||"
        " handovers || ifnull(extra_j, '-')) FROM task",
        "3done0.8750.0300.0,4server_lost--40-");
    scratch_expect(s->file, "SELECT event_id || kind || number FROM event", "9node_lost1");
    scratch_expect(s->file, "SELECT mean_cost FROM run_summary WHERE run_id = 1", "1.5");
    /* The tables made anew are the ones that rows refer to. */
    scratch_exec(
        s->file,
        "UPDATE run SET kind = 'twin' WHERE run_id = 2; INSERT INTO experience VALUES (1, 0, 0, 1, x'00')");
}

static void what_version_2_recorded_is_kept_and_does_not_say_what_its_policies_saw(void **state)
{
    struct scratch *s = *state;
    scratch_exec(s->file, sql_migrations[0].text);
    scratch_exec(s->file, version_1_rows);
    scratch_exec(s->file, sql_migrations[1].text);
    open_and_close(s->file, DB_READWRITE);
    scratch_expect(s->file, "PRAGMA integrity_check", "ok");
    scratch_expect(s->file, "SELECT count(*), count(policy_sees) FROM run", "2|0");
    scratch_exec(s->file,
                 "INSERT INTO episode (run_id, episode, slots, mean_cost, tasks, deadline_misses, failures,"
                 " repairs) VALUES (2, 0, 5, 1.25, 2, 1, 0, 0)");
    scratch_expect(s->file, "SELECT policy, sees, mean_cost FROM policy_comparison", "dapo|NULL|1.25");
    scratch_expect(s->file, "SELECT (SELECT count(*) FROM sweep_result), (SELECT count(*) FROM sweep_curve)",
                   "0|0");
}

/* A file as version 3 wrote it: run 1 by rounds, run 2 by queues. In slot 4 device 0 left server 1, device 3
 * server 2. */
static const char version_3_rows[] =
    "INSERT INTO run (run_id, kind, scenario_name, scenario, config_json, seed, policy, phase, host, clock, "
    "time_scale,"
    " mode, version, cpu, started_utc, status, trusted) VALUES"
    " (1, 'train', 'dapo', 'x', '{}', 7, 'dapo', 'train', 'tcp', 'virtual', 1, 'round', '0.3', 'c', 'now', "
    "'finished',"
    " 1),"
    " (2, 'test', 'dapo', 'x', '{}', 7, 'static', 'test', 'tcp', 'virtual', 1, 'queue', '0.3', 'c', 'now', "
    "'finished',"
    " 1);"
    "INSERT INTO task (run_id, episode, slot, device, tokens, split, server, repaired, edge_s, latency_s, "
    "energy_j, cost,"
    " end_slot, handovers, deadline_missed, status) VALUES"
    " (1, 0, 0, 0, 128, 8, 1, 0, 1, 1, 1, 1, 0, 0, 0, 'done'),"
    " (1, 0, 0, 1, 128, 8, NULL, 0, 0, 1, 1, 1, 0, 0, 0, 'done'),"
    " (1, 0, 0, 2, 128, 8, 0, 0, 1, 1, 1, 1, 0, 0, 0, 'reoffloaded'),"
    " (1, 0, 0, 3, 128, 8, 0, 0, NULL, NULL, NULL, NULL, 0, 0, 0, 'server_lost'),"
    " (2, 0, 2, 0, 128, 8, 1, 0, 1, 1, 1, 1, 3, 0, 0, 'done')," /* ended before */
    " (2, 0, 3, 0, 128, 8, 1, 0, 1, 1, 1, 1, 5, 0, 0, 'done')," /* here or there? */
    " (2, 0, 3, 1, 128, 8, 1, 0, 1, 1, 1, 1, 5, 0, 0, 'done')," /* another device's */
    " (2, 0, 3, 2, 128, 8, 1, 0, 1, 1, 1, 1, 5, 1, 0, 'done')," /* moved */
    " (2, 0, 3, 3, 128, 8, 1, 0, 1, 1, 1, 1, 5, 0, 0, 'done')," /* was at another server */
    " (2, 0, 4, 0, 128, 8, 1, 0, 1, 1, 1, 1, 5, 0, 0, 'done'),"
    " (2, 1, 3, 0, 128, 8, 1, 0, 1, 1, 1, 1, 5, 0, 0, 'done');"
    "INSERT INTO event VALUES"
    " (5, 2, 0, 4, 'observe', 'handover', 'device', 0, 'left server 1: 2 tasks go on to server 12'),"
    " (6, 2, 0, 4, 'observe', 'handover', 'device', 3, 'left server 2: 1 tasks go on to server 1'),"
    " (7, 2, 0, 5, 'execute', 'fault', 'server', 1, 'killed by the scenario, back in slot 60'),"
    " (8, 2, 0, 5, 'execute', 'fault', 'device', 1, 'paused by the scenario for the rest of the episode'),"
    " (9, 2, 0, 6, 'observe', 'fault', 'device', 1, 'takes part again, by the scenario'),"
    " (10, 2, 0, 6, 'observe', 'fault', 'device', 2, 'slowed by the scenario to 0.325 of its speed'),"
    " (11, 2, 0, 7, 'observe', 'fault', 'device', 2, 'slowed by the scenario no more'),"
    " (12, 2, 0, 7, 'execute', 'node_lost', 'server', 0, 'killed by mistake, back in slot 3');";

static void open_version_3(const struct scratch *s, const char *rows)
{
    for (size_t i = 0; i < 3; i++)
        scratch_exec(s->file, sql_migrations[i].text);
    scratch_exec(s->file, rows);
    open_and_close(s->file, DB_READWRITE);
    scratch_expect(s->file, "PRAGMA integrity_check", "ok");
}

static void version_3_tells_who_served_where_it_is_known(void **state)
{
    struct scratch *s = *state;
    open_version_3(s, version_3_rows);
    scratch_expect(s->file, "SELECT group_concat(ifnull(served_by, '-'), '') FROM task WHERE run_id = 1",
                   "1---");
    scratch_expect(s->file,
                   "SELECT group_concat(episode || slot || device || ifnull(served_by, '-')) FROM task"
                   " WHERE run_id = 2",
                   "0201,030-,0311,032-,0331,0401,1301");
    scratch_expect(s->file, "SELECT count(*), count(updates), count(linalg), count(arithmetic) FROM run",
                   "2|0|0|0");
}

static void events_of_version_3_become_data_and_keep_their_sentences(void **state)
{
    struct scratch *s = *state;
    open_version_3(s, version_3_rows);
    scratch_expect(s->file,
                   "SELECT event_id, action, until_slot, from_server, to_server, task_slot, speed FROM event",
                   "5|NULL|NULL|1|12|NULL|NULL\n6|NULL|NULL|2|1|NULL|NULL\n7|kill|60|NULL|NULL|NULL|NULL\n"
                   "8|pause|NULL|NULL|NULL|NULL|NULL\n9|return|NULL|NULL|NULL|NULL|NULL\n"
                   "10|slow|NULL|NULL|NULL|NULL|0.325\n11|restore|NULL|NULL|NULL|NULL|NULL\n"
                   "12|NULL|NULL|NULL|NULL|NULL|NULL");
    scratch_expect(s->file, "SELECT detail FROM event WHERE event_id = 7",
                   "killed by the scenario, back in slot 60");
}

static void a_file_of_version_4_takes_answers(void **state)
{
    struct scratch *s = *state;
    for (size_t i = 0; i < 3; i++)
        scratch_exec(s->file, sql_migrations[i].text);
    scratch_exec(s->file, version_3_rows);
    scratch_exec(s->file, sql_migrations[3].text);
    scratch_expect(s->file, "PRAGMA user_version", "4");
    open_and_close(s->file, DB_READWRITE);
    scratch_expect(s->file, "PRAGMA user_version", "9");
    scratch_expect(s->file, "PRAGMA integrity_check", "ok");
    scratch_expect(s->file, "SELECT count(*), count(prompt_tokens) FROM run", "2|0");
    scratch_expect(s->file, "SELECT (SELECT count(*) FROM task), (SELECT count(*) FROM answer)", "11|0");
    scratch_exec(s->file,
                 "INSERT INTO answer (run_id, episode, slot, device, tokens, answer, activation_bytes,"
                 " overridden) VALUES (1, 0, 0, 0, 1, x'07000000', 12, 0)");
    scratch_expect(s->file, "PRAGMA foreign_key_check", "");
}

static void rows_of_a_run_that_was_deleted_by_hand_keep_its_number(void **state)
{
    struct scratch *s = *state;
    struct db db;
    for (size_t i = 0; i < 3; i++)
        scratch_exec(s->file, sql_migrations[i].text);
    scratch_exec(s->file, version_3_rows);
    scratch_exec(s->file, "DELETE FROM run WHERE run_id = 2");
    assert_int_equal(db_open(&db, s->file, DB_READWRITE, NULL), 0);
    insert_run(&db);
    assert_int_equal(db_close(&db, NULL), 0);
    scratch_expect(s->file, "SELECT max(run_id) FROM run", "3");
    scratch_expect(s->file, "SELECT count(*) FROM task WHERE run_id = 2", "7"); /* left alone */
}

static void a_failing_migration_leaves_the_file_as_it_was(void **state)
{
    struct scratch *s = *state;
    scratch_exec(s->file, "PRAGMA application_id = 1751215716; CREATE TABLE node (in_the_way TEXT)");
    assert_refused(s->file, DB_CREATE, ERR_DATABASE, "node already exists");
    scratch_expect(s->file, "SELECT name FROM sqlite_schema", "node");
    scratch_expect(s->file, "PRAGMA user_version", "0");
}

static void a_file_that_another_writer_holds_is_reported(void **state)
{
    struct scratch *s = *state;
    struct db db;
    assert_int_equal(db_open(&db, s->file, DB_CREATE, NULL), 0);
    assert_int_equal(db_begin(&db, NULL), 0);
    assert_refused(s->file, DB_READWRITE, ERR_DATABASE,
                   "cannot write to it: database is locked, in use by another writer");
    open_and_close(s->file, DB_READ);
    db_rollback(&db);
    assert_int_equal(db_close(&db, NULL), 0);
}

static void a_damaged_file_is_reported(void **state)
{
    struct scratch *s = *state;
    open_and_close(s->file, DB_CREATE);
    FILE *file = fopen(s->file, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 100, SEEK_SET), 0);
    for (int i = 0; i < 4000; i++)
        assert_int_equal(fputc(0xa5, file), 0xa5);
    assert_int_equal(fclose(file), 0);
    assert_refused(s->file, DB_READ, ERR_DATABASE, "the file is damaged: database disk image is malformed");
}

/* Runs `body` in a child without root's power to write everywhere; its status is the number of the failed
 * check. */
static int run_as_nobody(const struct scratch *s, int (*body)(const struct scratch *s))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0) ? 99 : body(s));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int use_unwritable_file(const struct scratch *s)
{
    struct db db;
    struct diag diag = {0};
    if (db_open(&db, s->file, DB_READWRITE, &diag) != ERR_DATABASE ||
        strstr(diag.text, "read-only: attempt to write a readonly") == NULL)
        return 1;
    if (db_open(&db, s->file, DB_READ, NULL) != 0)
        return 2;
    return db_close(&db, NULL) == 0 ? 0 : 3;
}

static void a_read_only_file_in_a_read_only_directory_can_be_read_but_not_written(void **state)
{
    struct scratch *s = *state;
    open_and_close(s->file, DB_CREATE);
    assert_int_equal(chmod(s->file, 0444), 0);
    assert_int_equal(chmod(s->directory, 0555), 0);
    assert_int_equal(run_as_nobody(s, use_unwritable_file), 0);
}

static int use_unreadable_file(const struct scratch *s)
{
    struct db db;
    struct diag diag = {0};
    if (db_open(&db, s->file, DB_READ, &diag) == 0)
        return 1;
    return strstr(diag.text, s->file) != NULL && strstr(diag.text, "Permission denied") != NULL ? 0 : 2;
}

static void a_file_without_permission_is_reported(void **state)
{
    struct scratch *s = *state;
    open_and_close(s->file, DB_CREATE);
    assert_int_equal(chmod(s->file, 0), 0);
    assert_int_equal(chmod(s->directory, 0555), 0);
    assert_int_equal(run_as_nobody(s, use_unreadable_file), 0);
}

static void a_file_left_in_wal_mode_by_a_killed_writer_can_be_read(void **state)
{
    struct scratch *s = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct db db;
        if (db_open(&db, s->file, DB_CREATE, NULL) != 0)
            _exit(1);
        insert_run(&db);
        if (db_begin(&db, NULL) != 0)
            _exit(2);
        insert_run(&db); /* never committed */
        (void) raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    char wal[SCRATCH_PATH];
    scratch_path(s, "results.db-wal", wal);
    assert_true(scratch_exists(wal));
    struct db db;
    struct store *store = NULL;
    struct db_run run;
    struct buf arena = {0};
    assert_int_equal(db_open(&db, s->file, DB_READ, NULL), 0);
    assert_int_equal(store_create(&store, &db, NULL), 0);
    assert_int_equal(store_read_run(store, 1, &run, &arena, NULL), 0);
    assert_int_equal(store_read_run(store, 2, &run, &arena, NULL), ERR_NOT_FOUND);
    buf_finish(&arena);
    store_destroy(store);
    assert_int_equal(db_close(&db, NULL), 0);
    open_and_close(s->file, DB_READWRITE);
    assert_false(scratch_exists(wal));
}

static int use_odd_names(const struct scratch *s)
{
    struct db db;
    if (chdir(s->directory) != 0 || db_open(&db, ":memory:", DB_CREATE, NULL) != 0 ||
        db_close(&db, NULL) != 0)
        return 1;
    if (db_open(&db, "file:a.db?mode=memory", DB_CREATE, NULL) != 0 || db_close(&db, NULL) != 0)
        return 2;
    return access(":memory:", F_OK) == 0 && access("file:a.db?mode=memory", F_OK) == 0 ? 0 : 3;
}

static void a_file_name_means_a_file_whatever_it_looks_like(void **state)
{
    struct scratch *s = *state;
    assert_int_equal(chmod(s->directory, 0777), 0);
    assert_int_equal(run_as_nobody(s, use_odd_names), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_new_database_is_one_clean_file_that_says_whose_it_is),
        TEST(while_open_the_file_is_in_wal_mode_and_others_can_read),
        TEST(closing_beside_another_connection_loses_nothing),
        TEST(closing_a_zeroed_database_does_nothing),
        TEST(an_open_transaction_is_rolled_back_at_close),
        TEST(a_missing_file_is_made_only_when_creating),
        TEST(a_missing_directory_is_named),
        TEST(a_directory_is_refused),
        TEST(an_empty_or_overlong_name_is_refused),
        TEST(a_text_file_is_refused_and_left_alone),
        TEST(an_empty_file_becomes_a_database_only_when_creating),
        TEST(another_programs_database_is_refused_and_left_alone),
        TEST(a_database_without_an_owner_is_not_taken_over),
        TEST(a_newer_version_is_refused),
        TEST(an_older_version_cannot_be_read_before_it_is_migrated),
        TEST(what_version_1_recorded_is_kept_and_gets_its_new_columns),
        TEST(what_version_2_recorded_is_kept_and_does_not_say_what_its_policies_saw),
        TEST(version_3_tells_who_served_where_it_is_known),
        TEST(events_of_version_3_become_data_and_keep_their_sentences),
        TEST(a_file_of_version_4_takes_answers),
        TEST(rows_of_a_run_that_was_deleted_by_hand_keep_its_number),
        TEST(a_failing_migration_leaves_the_file_as_it_was),
        TEST(a_file_that_another_writer_holds_is_reported),
        TEST(a_damaged_file_is_reported),
        TEST(a_read_only_file_in_a_read_only_directory_can_be_read_but_not_written),
        TEST(a_file_without_permission_is_reported),
        TEST(a_file_left_in_wal_mode_by_a_killed_writer_can_be_read),
        TEST(a_file_name_means_a_file_whatever_it_looks_like),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
