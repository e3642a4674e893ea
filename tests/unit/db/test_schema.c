/* The schema: the readable file against the migrations, the rules of the tables, the numbers of the views. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "db/db.h"
#include "db/sql.h"
#include "tests/lib/scratch.h"

/* Everything that can be asked about tables, columns, indexes, keys and views without looking at the SQL
 * text, which ALTER TABLE would leave different. */
static const char *const aspects[] = {
    "PRAGMA application_id",
    "PRAGMA user_version",
    "SELECT type, name, tbl_name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name",
    "SELECT name, type, ncol, wr, strict FROM pragma_table_list ORDER BY name",
    "SELECT m.name, x.* FROM sqlite_schema AS m, pragma_table_xinfo(m.name) AS x"
    " WHERE m.type IN ('table', 'view') ORDER BY m.name, x.cid",
    "SELECT m.name, i.name, i.\"unique\", i.origin, i.partial, x.seqno, x.cid, x.name, x.desc, x.coll, x.key"
    " FROM sqlite_schema AS m, pragma_index_list(m.name) AS i, pragma_index_xinfo(i.name) AS x"
    " WHERE m.type = 'table' ORDER BY m.name, i.name, x.seqno",
    "SELECT m.name, f.* FROM sqlite_schema AS m, pragma_foreign_key_list(m.name) AS f"
    " WHERE m.type = 'table' ORDER BY m.name, f.id, f.seq",
    /* A view is always made anew, so its text must agree. */
    "SELECT name, sql FROM sqlite_schema WHERE type IN ('view', 'trigger') ORDER BY name",
};

static void the_schema_file_and_the_migrations_give_the_same_database(void **state)
{
    struct scratch *s = *state;
    struct db db;
    char readable[SCRATCH_PATH];
    scratch_path(s, "readable.db", readable);
    assert_int_equal(db_open(&db, s->file, DB_CREATE, NULL), 0);
    assert_int_equal(db_close(&db, NULL), 0);
    scratch_exec(readable, sql_schema);
    enum { ROOM = 1 << 17 };
    char *migrated = malloc(ROOM);
    char *expected = malloc(ROOM);
    assert_non_null(migrated);
    assert_non_null(expected);
    for (size_t i = 0; i < sizeof aspects / sizeof *aspects; i++) {
        scratch_query(s->file, aspects[i], migrated, ROOM);
        scratch_query(readable, aspects[i], expected, ROOM);
        assert_true(expected[0] != '\0');
        assert_string_equal(migrated, expected);
    }
    free(expected);
    free(migrated);
}

static void the_tables_are_strict(void **state)
{
    struct scratch *s = *state;
    scratch_exec(s->file, sql_schema);
    scratch_expect(s->file,
                   "SELECT group_concat(name) FROM (SELECT name FROM pragma_table_list"
                   " WHERE type = 'table' AND strict AND schema = 'main' ORDER BY name)",
                   "answer,checkpoint,compute_sample,episode,event,experience,job,leak,link_sample,node,"
                   "process_sample,run,"
                   "sweep,task");
}

/* Type and NOT NULL of each kind of task.def; 1 for the columns that are the key. */
#define COLUMN_WHOLE "|INTEGER|1|"
#define COLUMN_SERVER "|INTEGER|0|"
#define COLUMN_FLAG "|INTEGER|1|"
#define COLUMN_REAL "|REAL|0|"
#define COLUMN_STATUS "|TEXT|1|"
#define IN_KEY_KEY "1"
#define IN_KEY_WORLD "0"
#define IN_KEY_DECISION "0"
#define IN_KEY_SHARE "0"
#define IN_KEY_SENT "0"
#define IN_KEY_REPORTED "0"
#define IN_KEY_DERIVED "0"
#define IN_KEY_END "0"

static void the_task_table_has_the_columns_of_its_def(void **state)
{
    struct scratch *s = *state;
    scratch_exec(s->file, sql_schema);
    scratch_expect(s->file, "SELECT name, type, \"notnull\", pk > 0 FROM pragma_table_info('task')",
#define TASK_RUN(name, unit, meaning) #name "|INTEGER|1|1"
#define TASK(name, kind, unit, role, meaning) "\n" #name COLUMN_##kind IN_KEY_##role
#include "db/task.def"
    );
}

/* The words in quotes of a column's check, each behind a '|'. A definition ends where the next one begins. */
static void read_check(const char *table, const char *column, char *ret_words, size_t room)
{
    char start[64];
    (void) snprintf(start, sizeof start, "CREATE TABLE %s (", table);
    const char *at = strstr(sql_schema, start);
    assert_non_null(at);
    (void) snprintf(start, sizeof start, "\n    %s ", column);
    at = strstr(at, start);
    assert_non_null(at);
    at = strstr(at, "CHECK (");
    assert_non_null(at);
    size_t size = 0;
    bool quoted = false;
    for (int depth = 0; depth > 0 || *at != ','; at++) {
        assert_true(*at != '\0' && size + 2 < room);
        depth += !quoted && *at == '(' ? 1 : 0;
        depth -= !quoted && *at == ')' ? 1 : 0;
        if (*at == '\'' && !quoted)
            ret_words[size++] = '|';
        else if (quoted && *at != '\'')
            ret_words[size++] = *at;
        quoted = *at == '\'' ? !quoted : quoted;
    }
    ret_words[size] = '\0';
}

static void the_checks_admit_the_words_of_the_tables(void **state)
{
    static const struct {
        const char *table, *column, *words;
    } checks[] = {
        {
            "task",
            "status",
#define TASK_STATUS(enumerator, word, meaning) "|" word
#include "db/task_status.def"
        },
        {
            "event",
            "kind",
#define EVENT_KIND(enumerator, word, meaning) "|" word
#include "db/event.def"
        },
        {
            "event",
            "phase",
#define EVENT_PHASE(enumerator, word, meaning) "|" word
#include "db/event.def"
        },
        {
            "event",
            "role",
#define EVENT_ROLE(enumerator, word, meaning) "|" word
#include "db/event.def"
        },
        {
            "event",
            "action",
#define EVENT_ACTION(enumerator, word, meaning) "|" word
#include "db/event.def"
        },
    };
    (void) state;
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        char words[512];
        read_check(checks[i].table, checks[i].column, words, sizeof words);
        assert_string_equal(words, checks[i].words);
    }
}

static const char valid_rows[] =
    "PRAGMA foreign_keys = ON;"
    "INSERT INTO run (run_id, kind, scenario_name, scenario, config_json, seed, policy, phase, host, clock, "
    "time_scale, mode, version, cpu,"
    " started_utc, status, trusted) VALUES (1, 'train', 'dapo', 'x', '{}', 1, 'greedy', 'train', 'tcp', "
    "'virtual', 1, 'round', '1', "
    "'c', 'now',"
    " 'finished', 1);"
    "INSERT INTO node (run_id, role, number, flops, power_w) VALUES (1, 'device', 0, 1e12, 2);"
    "INSERT INTO task (run_id, episode, slot, device, tokens, split, server, repaired, latency_s, energy_j, "
    "cost,"
    " end_slot, handovers, deadline_missed, status) VALUES (1, 0, 0, 0, 128, 3, 1, 0, 0.5, 1, 1, 0, 0, 0, "
    "'done');"
    "INSERT INTO episode (run_id, episode, slots, tasks, deadline_misses, failures, repairs) VALUES (1, 0, "
    "1, 1, 0, 0, 0);"
    "INSERT INTO event (run_id, episode, slot, phase, kind, role, number, detail)"
    " VALUES (1, 0, 0, 'observe', 'node_lost', 'device', 0, '');"
    "INSERT INTO checkpoint (run_id, episode, weights) VALUES (1, 0, x'00');"
    "INSERT INTO answer (run_id, episode, slot, device, tokens, answer, activation_bytes, overridden)"
    " VALUES (1, 0, 0, 0, 1, x'07000000', 12, 0);"
    "INSERT INTO compute_sample (run_id, role, number, start_s, duration_s, jobs, late_jobs, computed_s, "
    "late_s,"
    " worst_s) VALUES (1, 'device', 0, 1, 1, 4, 1, 0.5, 0.125, 0.01);"
    "INSERT INTO leak VALUES ('0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', 'int8', "
    "'none', 0, 3,"
    " 'search', 96, 2, 190, '1', 'now');"
    "INSERT INTO sweep (name, text, version, created_utc) VALUES ('paper', 'x', '1', 'now');"
    "INSERT INTO job (sweep_id, number, experiment, axis, value, policy, sees, seed, settings_json, status,"
    " attempts, test_run_id) VALUES (1, 1, 'users', '', '', 'greedy', 'model', 1, '{}', 'done', 1, 1);";

static void values_out_of_range_are_refused_in_every_table(void **state)
{
    static const char *const bad[] = {
        "UPDATE run SET kind = 'demo'",
        "UPDATE run SET seed = -1",
        "UPDATE run SET config_json = '{'",
        "UPDATE run SET phase = 'execute'",
        "UPDATE run SET host = 'carrier pigeon'",
        "UPDATE run SET clock = 'sundial'",
        "UPDATE run SET time_scale = 0",
        "UPDATE run SET mode = 'heap'",
        "UPDATE run SET status = 'done'",
        "UPDATE run SET trusted = 2",
        "UPDATE run SET untrusted_reason = 'but it is trusted'",
        "UPDATE run SET parent_run_id = 9",
        "UPDATE run SET policy = NULL",
        "UPDATE run SET policy_sees = 'the future'",
        "UPDATE run SET updates = -1",
        "UPDATE run SET linalg = 'abacus'",
        "UPDATE run SET arithmetic = 0",
        "UPDATE node SET role = 'cloud'",
        "UPDATE node SET flops = 0",
        "UPDATE node SET power_w = -1",
        "UPDATE node SET run_id = 9",
        "UPDATE task SET run_id = 9",
        "UPDATE task SET split = -1",
        "UPDATE task SET server = -1",
        "UPDATE task SET tokens = 'many'",
        "UPDATE task SET repaired = 2",
        "UPDATE task SET bandwidth_share = 1.5",
        "UPDATE task SET compute_share = -0.1",
        "UPDATE task SET local_s = -1",
        "UPDATE task SET latency_s = NULL",
        "UPDATE task SET energy_j = NULL",
        "UPDATE task SET status = 'lost'",
        "UPDATE task SET status = 'device_lost'",
        "UPDATE task SET status = 'expired'",
        "UPDATE task SET status = 'recovered', latency_s = NULL",
        "UPDATE task SET end_slot = -1",
        "UPDATE task SET handovers = -1",
        "UPDATE task SET wait_s = -1",
        "UPDATE task SET deadline_missed = NULL",
        "UPDATE task SET served_by = -1",
        "UPDATE episode SET failures = 2",
        "UPDATE episode SET wall_s = -1",
        "UPDATE event SET phase = 'later'",
        "UPDATE event SET kind = 'other'",
        "UPDATE event SET role = 'cloud'",
        "UPDATE event SET action = 'wait'",
        "UPDATE event SET until_slot = -1",
        "UPDATE event SET from_server = -1",
        "UPDATE event SET to_server = -1",
        "UPDATE event SET task_slot = -1",
        "UPDATE event SET speed = 0",
        "UPDATE answer SET run_id = 9",
        "UPDATE answer SET tokens = -1, answer = NULL",
        "UPDATE answer SET tokens = 65, answer = NULL",
        "UPDATE answer SET tokens = 2",
        "UPDATE answer SET answer = x'070000'",
        "UPDATE answer SET answer = 'four'",
        "UPDATE answer SET first_token_s = -1",
        "UPDATE answer SET device_layer_s = -1",
        "UPDATE answer SET server_layer_s = -1",
        "UPDATE answer SET activation_bytes = -1",
        "UPDATE answer SET overridden = 2",
        "INSERT INTO answer SELECT * FROM answer",
        "UPDATE compute_sample SET role = 'orchestrator'",
        "UPDATE compute_sample SET late_jobs = 5",
        "UPDATE compute_sample SET late_s = -1",
        "UPDATE compute_sample SET run_id = 9",
        "UPDATE checkpoint SET weights = NULL",
        "UPDATE checkpoint SET weights = 'text'",
        "INSERT INTO sweep SELECT 2, name, text, version, created_utc FROM sweep",
        "UPDATE leak SET model = 'house'",
        "UPDATE leak SET level = NULL",
        "UPDATE leak SET split = -1",
        "UPDATE leak SET attack = 'luck'",
        "UPDATE leak SET tokens = 0, found = 0",
        "UPDATE leak SET seeds = 0, found = 0",
        "UPDATE leak SET found = 193",
        "INSERT INTO leak SELECT * FROM leak",
        "UPDATE job SET sweep_id = 9",
        "UPDATE job SET number = 0",
        "UPDATE job SET sees = 'the future'",
        "UPDATE job SET settings_json = '{'",
        "UPDATE job SET trained_by = 1",
        "UPDATE job SET status = 'lost'",
        "UPDATE job SET status = 'failed'",
        "UPDATE job SET error = 'though it is done'",
        "UPDATE job SET test_run_id = NULL",
        "UPDATE job SET test_run_id = 9",
        "INSERT INTO task SELECT * FROM task",
        "INSERT INTO checkpoint SELECT * FROM checkpoint",
    };
    struct scratch *s = *state;
    scratch_exec(s->file, sql_schema);
    scratch_exec(s->file, valid_rows);
    sqlite3 *plain = NULL;
    assert_int_equal(sqlite3_open(s->file, &plain), SQLITE_OK);
    assert_int_equal(sqlite3_exec(plain, "PRAGMA foreign_keys = ON", NULL, NULL, NULL), SQLITE_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (sqlite3_exec(plain, bad[i], NULL, NULL, NULL) != SQLITE_CONSTRAINT)
            fail_msg("accepted: %s", bad[i]);
    assert_int_equal(
        sqlite3_exec(plain,
                     "UPDATE task SET status = 'server_lost', latency_s = NULL, energy_j = NULL, cost = NULL",
                     NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_close(plain), SQLITE_OK);
}

/* Run 1 trained; 2 to 5 test policies on its streams, 6 is a newer test of greedy, 7 never finished, 8 is a
 * test of another parent without an optimum, 9 of greedy on fewer slots. Episodes weigh by their done tasks. */
static const char runs[] =
    "INSERT INTO run (run_id, kind, scenario_name, scenario, config_json, seed, policy, parent_run_id, "
    "phase, host, clock, time_scale, mode,"
    " version, cpu, started_utc, status, trusted) VALUES"
    " (1, 'train', 'dapo', 'x', '{}', 1, 'dapo', NULL, 'train', 'tcp', 'virtual', 1, 'round', '1', 'c', "
    "'now', 'finished', 1),"
    " (2, 'test', 'dapo', 'x', '{}', 1, 'optimum', 1, 'test', 'tcp', 'virtual', 1, 'round', '1', 'c', 'now', "
    "'finished', 1),"
    " (3, 'test', 'dapo', 'x', '{}', 1, 'dapo', 1, 'test', 'tcp', 'virtual', 1, 'round', '1', 'c', 'now', "
    "'finished', 1),"
    " (4, 'validate', 'dapo', 'x', '{}', 1, 'local', 1, 'validate', 'tcp', 'virtual', 1, 'round', '1', 'c', "
    "'now', 'finished', 1),"
    " (5, 'test', 'dapo', 'x', '{}', 1, 'greedy', 1, 'test', 'tcp', 'virtual', 1, 'round', '1', 'c', 'now', "
    "'finished', 1),"
    " (6, 'test', 'dapo', 'x', '{}', 1, 'greedy', 1, 'test', 'tcp', 'virtual', 1, 'round', '1', 'c', 'now', "
    "'finished', 1),"
    " (7, 'test', 'dapo', 'x', '{}', 1, 'greedy', 1, 'test', 'tcp', 'virtual', 1, 'round', '1', 'c', 'now', "
    "'running', 1),"
    " (8, 'test', 'dapo', 'x', '{}', 2, 'local', NULL, 'test', 'tcp', 'virtual', 1, 'round', '1', 'c', "
    "'now', 'finished', 1),"
    " (9, 'test', 'dapo', 'x', '{}', 1, 'random', 1, 'test', 'tcp', 'virtual', 1, 'round', '1', 'c', 'now', "
    "'finished', 1);"
    "INSERT INTO episode (run_id, episode, slots, mean_latency_s, p50_latency_s, p95_latency_s, "
    "p99_latency_s,"
    " mean_energy_j, mean_cost, episode_return, optimum_cost, tasks, deadline_misses, failures, repairs, "
    "wall_s) VALUES"
    " (1, 0, 2, 1.0, 1, 2, 3, 10, 4.0, -8, 2.0, 4, 1, 0, 1, 0.5),"
    " (1, 1, 2, 2.0, 1, 4, 3, 20, 1.0, -2, NULL, 4, 2, 2, 0, 0.25),"
    " (1, 2, 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 4, 0, 4, 0, 0.25),"
    " (2, 0, 2, 0.5, 1, 1, 1, 5, 1.25, -2, NULL, 4, 0, 0, 0, 1),"
    " (3, 0, 2, 0.5, 1, 1, 1, 5, 1.5, -2, NULL, 4, 0, 0, 0, 1),"
    " (4, 0, 2, 0.5, 1, 1, 1, 5, 0.5, -2, NULL, 4, 0, 0, 0, 1),"
    " (5, 0, 2, 0.5, 1, 1, 1, 5, 9.0, -2, NULL, 4, 0, 0, 0, 1),"
    " (6, 0, 2, 0.5, 1, 0.75, 1, 5, 2.5, -2, NULL, 4, 2, 0, 0, 1),"
    " (7, 0, 2, 0.5, 1, 1, 1, 5, 0.1, -2, NULL, 4, 0, 0, 0, 1),"
    " (8, 0, 2, 0.5, 1, 1, 1, 5, 3.5, -2, NULL, 4, 0, 0, 0, 1),"
    " (9, 0, 1, 0.5, 1, 1, 1, 5, 5.0, -2, NULL, 2, 0, 0, 0, 1);";

/* 21 done tasks of run 3 with latencies 21, 20, ..., 1 s and one lost: the 95th percentile is the 20th
 * smallest. */
static const char tasks[] =
    "INSERT INTO task (run_id, episode, slot, device, tokens, split, server, served_by, repaired, "
    "compute_share,"
    " edge_s, latency_s,"
    " energy_j, cost, end_slot, handovers, deadline_missed, status)"
    " SELECT 3, 0, value, 0, 1, value % 3, CASE value % 3 WHEN 0 THEN NULL ELSE value % 3 END,"
    " CASE value % 3 WHEN 0 THEN NULL ELSE value % 3 END, 0,"
    " 1.0 / (value % 3 + 1), 0.5, 21 - value, 1, 1, value, 0, 0, 'done' FROM generate_series;"
    "INSERT INTO task (run_id, episode, slot, device, tokens, split, server, repaired, end_slot, "
    "handovers, deadline_missed, status)"
    " VALUES (3, 0, 21, 0, 1, 2, 2, 0, 21, 0, 0, 'server_lost');"
    "INSERT INTO node (run_id, role, number, flops, power_w) VALUES"
    " (3, 'server', 0, 1, 1), (3, 'server', 1, 1, 1), (3, 'server', 2, 1, 1), (3, 'device', 0, 1, 1);";

static void make_runs(const struct scratch *s)
{
    scratch_exec(s->file, sql_schema);
    scratch_exec(s->file, runs);
    char sql[2048];
    (void) snprintf(
        sql, sizeof sql,
        "CREATE TABLE generate_series (value INTEGER);"
        "WITH RECURSIVE n (value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM n WHERE value < 20)"
        " INSERT INTO generate_series SELECT value FROM n; %s",
        tasks);
    scratch_exec(s->file, sql);
}

static void run_summary_weighs_episodes_by_their_done_tasks(void **state)
{
    struct scratch *s = *state;
    make_runs(s);
    scratch_expect(s->file,
                   "SELECT episodes, slots, tasks, failures, repairs, mean_cost, mean_latency_s,"
                   " mean_episode_p95_latency_s, round(mean_energy_j, 6), deadline_miss_share, wall_s"
                   " FROM run_summary WHERE run_id = 1",
                   "3|6|12|6|1|3.0|1.33333333333333|3.0|13.333333|0.5|1.0");
    scratch_exec(s->file, "DELETE FROM episode WHERE run_id = 8");
    scratch_expect(s->file,
                   "SELECT episodes, tasks, mean_cost, deadline_miss_share FROM run_summary WHERE run_id = 8",
                   "0|0|NULL|NULL");
}

static void episode_summary_gives_regret_where_the_optimum_is_known(void **state)
{
    struct scratch *s = *state;
    make_runs(s);
    scratch_expect(s->file,
                   "SELECT episode, mean_cost, regret_pct, deadline_miss_share, tasks_per_s"
                   " FROM episode_summary WHERE run_id = 1",
                   "0|4.0|100.0|0.25|8.0\n1|1.0|NULL|1.0|16.0\n2|NULL|NULL|NULL|16.0");
}

static void policy_comparison_takes_the_newest_finished_test_of_each_policy(void **state)
{
    struct scratch *s = *state;
    make_runs(s);
    scratch_expect(s->file, "SELECT policy, run_id, mean_cost FROM policy_comparison WHERE parent_run_id = 1",
                   "optimum|2|1.25\ndapo|3|1.5\ngreedy|6|2.5\nrandom|9|5.0");
}

static void policy_comparison_gives_regret_only_on_the_optimums_own_streams(void **state)
{
    struct scratch *s = *state;
    make_runs(s);
    scratch_expect(
        s->file, "SELECT policy, round(regret_pct, 9), deadline_miss_share, tasks FROM policy_comparison",
        "optimum|0.0|0.0|4\ndapo|20.0|0.0|4\ngreedy|100.0|0.5|4\nrandom|NULL|0.0|2\nlocal|NULL|0.0|4");
}

static void policy_comparison_takes_the_optimum_of_the_same_streams_whoever_its_parent_is(void **state)
{
    struct scratch *s = *state;
    make_runs(s);
    scratch_exec(s->file, "UPDATE run SET parent_run_id = NULL WHERE run_id = 2");
    scratch_expect(
        s->file, "SELECT policy, regret_pct FROM policy_comparison WHERE run_id IN (2, 3, 8) ORDER BY run_id",
        "optimum|0.0\ndapo|20.0\nlocal|NULL");
}

/* Trained one after the other, each with a scenario that names it. */
static void policy_comparison_puts_those_of_the_same_streams_together(void **state)
{
    struct scratch *s = *state;
    make_runs(s);
    scratch_exec(
        s->file,
        "UPDATE run SET config_json = '{\"streams\":\"7\"}', scenario = run_id WHERE run_id IN (2, 3, 6);"
        "UPDATE run SET checkpoint_episode = 0, updates = 0 WHERE run_id = 3");
    scratch_expect(s->file, "SELECT policy, regret_pct, updates FROM policy_comparison WHERE streams = '7'",
                   "optimum|0.0|NULL\ndapo|20.0|0\ngreedy|100.0|NULL");
}

static void policy_comparison_keeps_scenarios_and_seeds_apart(void **state)
{
    struct scratch *s = *state;
    make_runs(s);
    scratch_exec(s->file,
                 "UPDATE run SET seed = 5 WHERE run_id = 3; UPDATE run SET scenario = 'y' WHERE run_id = 6");
    scratch_expect(
        s->file,
        "SELECT policy, run_id, regret_pct FROM policy_comparison WHERE parent_run_id = 1 ORDER BY run_id",
        "optimum|2|0.0\ndapo|3|NULL\ngreedy|5|620.0\ngreedy|6|NULL\nrandom|9|NULL");
}

static void policy_comparison_takes_the_percentile_from_the_tasks(void **state)
{
    struct scratch *s = *state;
    make_runs(s);
    scratch_expect(s->file, "SELECT p95_latency_s FROM policy_comparison WHERE run_id = 3", "20.0");
    scratch_expect(s->file, "SELECT p95_latency_s FROM policy_comparison WHERE run_id = 6", "0.75");
    scratch_exec(s->file, "DELETE FROM task WHERE run_id = 3 AND slot < 1"); /* 20 left: the 19th smallest */
    scratch_expect(s->file, "SELECT p95_latency_s FROM policy_comparison WHERE run_id = 3", "19.0");
    scratch_exec(s->file, "DELETE FROM task WHERE run_id = 3 AND slot < 20"); /* one done task left */
    scratch_expect(s->file, "SELECT p95_latency_s FROM policy_comparison WHERE run_id = 3", "1.0");
}

static void split_histogram_counts_every_decision(void **state)
{
    struct scratch *s = *state;
    make_runs(s);
    scratch_expect(s->file,
                   "SELECT policy, split, tasks, round(share, 6) FROM split_histogram WHERE run_id = 3",
                   "dapo|0|7|0.318182\ndapo|1|7|0.318182\ndapo|2|8|0.363636");
    scratch_expect(s->file, "SELECT total(share) FROM split_histogram", "1.0");
}

static void task_seconds_are_means_over_finished_tasks(void **state)
{
    struct scratch *s = *state;
    make_runs(s);
    scratch_exec(s->file,
                 "UPDATE task SET wait_s = 1, local_s = 2, transmit_s = 3, queue_s = 4, edge_s = split, "
                 "interrupted_s = 5, latency_s = 15 + split WHERE run_id = 3 AND latency_s IS NOT NULL");
    scratch_expect(
        s->file,
        "SELECT split, tasks, wait_s + local_s + transmit_s + queue_s + edge_s + interrupted_s - latency_s,"
        " local_s, edge_s FROM task_seconds WHERE run_id = 3",
        "0|7|0.0|2.0|0.0\n1|7|0.0|2.0|1.0\n2|7|0.0|2.0|2.0");
}

/* Two tasks of one split, of 2 and 6 tokens: what counts is their tokens, not their tasks. */
static void task_quality_is_that_of_all_tokens_together(void **state)
{
    struct scratch *s = *state;
    make_runs(s);
    scratch_exec(s->file,
                 "UPDATE task SET nll = NULL, quality = NULL;"
                 "UPDATE task SET nll = 2, nll_tokens = 2, nll_bytes = 4, quality = 0.25, missing = 0.5"
                 " WHERE run_id = 3 AND split = 1 AND slot = (SELECT min(slot) FROM task WHERE run_id = 3 "
                 "AND split = 1);"
                 "UPDATE task SET nll = 14, nll_tokens = 6, nll_bytes = 12, quality = 0.75, missing = 0"
                 " WHERE run_id = 3 AND split = 1 AND slot = (SELECT max(slot) FROM task WHERE run_id = 3 "
                 "AND split = 1)");
    scratch_expect(s->file,
                   "SELECT split, tasks, round(perplexity - exp(2), 9), round(bits_per_byte * ln(2), 9),"
                   " round(relative_perplexity - exp(0.5), 9), missing FROM task_quality WHERE run_id = 3",
                   "0|7|NULL|NULL|NULL|NULL\n1|7|0.0|1.0|0.0|0.25\n2|7|NULL|NULL|NULL|NULL");
}

/* Wilson's interval of 95 of 100: (0.95 + 1.92/100 -+ 1.96 sqrt(0.95 0.05/100 + 0.96/10000)) / (1 + 3.84/100). */
static void leak_share_has_wilsons_interval_and_seeds_count_once(void **state)
{
    struct scratch *s = *state;
    scratch_exec(s->file, sql_schema);
    scratch_exec(
        s->file,
        "INSERT INTO leak SELECT hex(zeroblob(32)), 'int8', 'none', 0, value, 'search', 100, 4, 0, '1', 'now'"
        " FROM (SELECT 1 AS value UNION ALL SELECT 2 UNION ALL SELECT 3)");
    scratch_exec(s->file,
                 "UPDATE leak SET found = 380 WHERE split = 2; UPDATE leak SET found = 400 WHERE split = 3");
    scratch_expect(s->file,
                   "SELECT split, share, round(low, 5), round(high, 5), tokens, seeds FROM leak_share",
                   "1|0.0|0.0|0.03699|100|4\n2|0.95|0.88825|0.97846|100|4\n3|1.0|0.96301|1.0|100|4");
}

static void server_load_shows_idle_servers_too(void **state)
{
    struct scratch *s = *state;
    make_runs(s);
    scratch_expect(
        s->file,
        "SELECT server, tasks, lost, round(mean_compute_share, 6), busy_s FROM server_load WHERE run_id = 3",
        "0|0|0|NULL|0.0\n1|7|0|0.5|3.5\n2|7|1|0.333333|3.5");
    scratch_exec(s->file, "UPDATE task SET served_by = NULL");
    scratch_expect(s->file, "SELECT server, tasks, lost, busy_s FROM server_load WHERE run_id = 3",
                   "0|0|0|0.0\n1|0|0|0.0\n2|0|1|0.0");
}

static void server_load_counts_a_task_where_it_was_served(void **state)
{
    struct scratch *s = *state;
    make_runs(s);
    scratch_exec(s->file, "UPDATE task SET served_by = 0 WHERE server = 2 AND slot < 9");
    scratch_expect(s->file, "SELECT server, tasks, lost, busy_s FROM server_load WHERE run_id = 3",
                   "0|3|0|1.5\n1|7|0|3.5\n2|4|1|2.0");
}

/* Run 7 was killed in its second episode, run 9 in its first. */
static const char open_tasks[] =
    "INSERT INTO task (run_id, episode, slot, device, tokens, split, repaired, latency_s, energy_j, cost, "
    "end_slot,"
    " handovers, deadline_missed, status) VALUES"
    " (7, 0, 0, 0, 1, 1, 0, 99, 99, 99, 0, 0, 0, 'done')," /* in a row of `episode` already */
    " (7, 1, 0, 0, 1, 1, 1, 2, 5, 0.5, 0, 0, 1, 'done'),"
    " (7, 1, 0, 1, 1, 1, 0, 4, 7, 1.5, 0, 0, 0, 'done'),"
    " (7, 1, 2, 0, 1, 1, 0, NULL, NULL, NULL, 2, 0, 0, 'device_lost'),"
    " (7, 1, 2, 1, 1, 1, 0, NULL, NULL, 8, 2, 0, 1, 'expired');"
    "UPDATE run SET status = 'running' WHERE run_id = 9; DELETE FROM episode WHERE run_id = 9;"
    "INSERT INTO task (run_id, episode, slot, device, tokens, split, repaired, latency_s, energy_j, cost, "
    "end_slot,"
    " handovers, deadline_missed, status) VALUES (9, 0, 0, 0, 1, 1, 0, 2, 5, 0.5, 0, 0, 1, 'done');";

static void an_episode_that_is_not_closed_is_counted_and_named(void **state)
{
    struct scratch *s = *state;
    make_runs(s);
    scratch_exec(s->file, open_tasks);
    /* Episode 0: 4 tasks done at a cost of 0.1; episode 1: 2 done. */
    scratch_expect(
        s->file,
        "SELECT episodes, slots, tasks, open_tasks, failures, repairs, round(mean_cost, 9),"
        " round(mean_latency_s, 9), round(mean_energy_j, 9), deadline_miss_share, mean_episode_return"
        " FROM run_summary WHERE run_id = 7",
        "1|5|8|4|2|1|0.4|1.333333333|5.333333333|0.166666666666667|-2.0");
    scratch_expect(s->file,
                   "SELECT episodes, slots, tasks, open_tasks, mean_cost FROM run_summary WHERE run_id = 9",
                   "0|1|1|1|0.5");
    scratch_expect(s->file,
                   "SELECT episode, closed, slots, tasks, mean_cost, episode_return FROM episode_summary"
                   " WHERE run_id = 7",
                   "0|1|2|4|0.1|-2.0\n1|0|3|4|1.0|NULL");
    scratch_expect(s->file,
                   "SELECT sum(tasks), sum(open_tasks) FROM run_summary WHERE run_id < 7 OR run_id = 8",
                   "36|0");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    static const struct CMUnitTest tests_of_schema[] = {
        TEST(the_schema_file_and_the_migrations_give_the_same_database),
        TEST(the_tables_are_strict),
        TEST(the_task_table_has_the_columns_of_its_def),
        TEST(the_checks_admit_the_words_of_the_tables),
        TEST(values_out_of_range_are_refused_in_every_table),
        TEST(run_summary_weighs_episodes_by_their_done_tasks),
        TEST(episode_summary_gives_regret_where_the_optimum_is_known),
        TEST(policy_comparison_takes_the_newest_finished_test_of_each_policy),
        TEST(policy_comparison_gives_regret_only_on_the_optimums_own_streams),
        TEST(policy_comparison_takes_the_optimum_of_the_same_streams_whoever_its_parent_is),
        TEST(policy_comparison_puts_those_of_the_same_streams_together),
        TEST(policy_comparison_keeps_scenarios_and_seeds_apart),
        TEST(policy_comparison_takes_the_percentile_from_the_tasks),
        TEST(split_histogram_counts_every_decision),
        TEST(task_seconds_are_means_over_finished_tasks),
        TEST(task_quality_is_that_of_all_tokens_together),
        TEST(leak_share_has_wilsons_interval_and_seeds_count_once),
        TEST(server_load_shows_idle_servers_too),
        TEST(server_load_counts_a_task_where_it_was_served),
        TEST(an_episode_that_is_not_closed_is_counted_and_named),
    };
    return cmocka_run_group_tests(tests_of_schema, NULL, NULL);
}
