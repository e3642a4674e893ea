/* What goes in comes out again; and query results as JSON, CSV and tables. */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/base/err.h"
#include "db/results.h"
#include "db/sql.h"
#include "db/store.h"
#include "tests/lib/scratch.h"

/* An open store on a new database with one run. */
struct fixture {
    struct scratch *scratch;
    struct db db;
    struct store *store;
    int64_t run_id;
};

static int open_store(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    void *scratch = NULL;
    if (f == NULL || scratch_setup(&scratch) != 0)
        return -1;
    f->scratch = scratch;
    struct db_run run = scratch_run();
    if (db_open(&f->db, f->scratch->file, DB_CREATE, NULL) != 0 ||
        store_create(&f->store, &f->db, NULL) != 0 || store_insert_run(f->store, &run, &f->run_id, NULL) != 0)
        return -1;
    *state = f;
    return 0;
}

static int close_store(void **state)
{
    struct fixture *f = *state;
    store_destroy(f->store);
    int rc = db_close(&f->db, NULL);
    void *scratch = f->scratch;
    free(f);
    return scratch_teardown(&scratch) != 0 ? -1 : rc;
}

static void a_run_comes_back_as_it_went_in(void **state)
{
    struct fixture *f = *state;
    struct db_run in = scratch_run();
    in.kind = DB_RUN_TEST;
    in.scenario = "name: \"caf\xc3\xa9\"\n";
    in.seed = INT64_MAX - 1;
    in.parent_run_id = f->run_id;
    in.checkpoint_episode = 0;
    in.phase = RNG_TEST;
    in.host = "tcp";
    in.status = DB_ABORTED;
    in.trusted = false;
    in.untrusted_reason = "the queue was full";
    in.policy_sees = "model";
    in.updates = 0;
    in.vector_path = "avx2";
    in.libc = "glibc 2.36";
    in.linalg = "portable";
    in.arithmetic = 7;
    in.real_clock = true;
    in.time_scale = 2.5;
    in.queue = true;
    int64_t run_id;
    assert_int_equal(store_insert_run(f->store, &in, &run_id, NULL), 0);
    assert_int_equal(run_id, 2);
    struct db_run out;
    struct buf arena = {0};
    memset(&out, 0xa5, sizeof out); /* what is there before does not stay */
    assert_int_equal(store_read_run(f->store, run_id, &out, &arena, NULL), 0);
    assert_int_equal(out.run_id, run_id);
    assert_int_equal(out.kind, DB_RUN_TEST);
    assert_string_equal(out.scenario_name, in.scenario_name);
    assert_string_equal(out.scenario, in.scenario);
    assert_string_equal(out.config_json, in.config_json);
    assert_true(out.seed == in.seed);
    assert_string_equal(out.policy, in.policy);
    assert_int_equal(out.parent_run_id, f->run_id);
    assert_int_equal(out.checkpoint_episode, 0);
    assert_int_equal(out.phase, RNG_TEST);
    assert_string_equal(out.host, "tcp");
    assert_string_equal(out.version, in.version);
    assert_string_equal(out.cpu, in.cpu);
    assert_string_equal(out.started_utc, in.started_utc);
    assert_int_equal(out.status, DB_ABORTED);
    assert_false(out.trusted);
    assert_string_equal(out.untrusted_reason, in.untrusted_reason);
    assert_string_equal(out.policy_sees, "model");
    assert_int_equal(out.updates, 0);
    assert_string_equal(out.vector_path, "avx2");
    assert_string_equal(out.libc, "glibc 2.36");
    assert_string_equal(out.linalg, "portable");
    assert_int_equal(out.arithmetic, 7);
    assert_true(out.real_clock && out.queue);
    assert_true(out.time_scale == 2.5);
    assert_null(out.surrogate);
    assert_true(out.prompt == NULL && out.prompt_tokens == 0 && out.prompt_bytes == NULL);
    buf_finish(&arena);
}

static void a_run_without_parent_checkpoint_or_reason_has_nulls(void **state)
{
    struct fixture *f = *state;
    scratch_expect(f->scratch->file,
                   "SELECT parent_run_id, checkpoint_episode, untrusted_reason, policy_sees, updates,"
                   " vector_path, libc, linalg, arithmetic FROM run",
                   "NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL");
    struct db_run out;
    struct buf arena = {0};
    memset(&out, 0xa5, sizeof out);
    assert_int_equal(store_read_run(f->store, f->run_id, &out, &arena, NULL), 0);
    assert_int_equal(out.parent_run_id, 0);
    assert_int_equal(out.checkpoint_episode, -1);
    assert_int_equal(out.updates, -1);
    assert_int_equal(out.arithmetic, 0);
    assert_null(out.untrusted_reason);
    assert_null(out.policy_sees);
    assert_true(out.vector_path == NULL && out.libc == NULL && out.linalg == NULL);
    assert_true(out.trusted && !out.real_clock && !out.queue);
    assert_true(out.time_scale == 1.0);
    buf_finish(&arena);
}

static void the_number_of_a_deleted_run_is_not_given_again(void **state)
{
    struct fixture *f = *state;
    struct db_run run = scratch_run();
    int64_t last = 0, next = 0;
    assert_int_equal(store_insert_run(f->store, &run, &last, NULL), 0);
    scratch_exec(f->scratch->file, "DELETE FROM run");
    assert_int_equal(store_insert_run(f->store, &run, &next, NULL), 0);
    assert_int_equal(next, last + 1);
}

static void a_seed_of_two_to_the_63_is_refused(void **state)
{
    struct fixture *f = *state;
    struct db_run run = scratch_run();
    struct diag diag = {0};
    int64_t run_id = -5;
    run.seed = (uint64_t) INT64_MAX + 1;
    assert_int_equal(store_insert_run(f->store, &run, &run_id, &diag), ERR_RANGE);
    assert_non_null(strstr(diag.text, "9223372036854775808"));
    assert_int_equal(run_id, -5);
    run.seed = INT64_MAX;
    assert_int_equal(store_insert_run(f->store, &run, &run_id, NULL), 0);
    scratch_expect(f->scratch->file, "SELECT max(seed) FROM run", "9223372036854775807");
}

static void run_zero_means_the_newest_training_run(void **state)
{
    struct fixture *f = *state;
    struct db_run run = scratch_run();
    struct db_run out;
    struct buf arena = {0};
    int64_t run_id;
    run.kind = DB_RUN_TEST;
    assert_int_equal(store_insert_run(f->store, &run, &run_id, NULL), 0);
    assert_int_equal(store_read_run(f->store, 0, &out, &arena, NULL), 0);
    assert_int_equal(out.run_id, 1);
    scratch_exec(f->scratch->file, "UPDATE run SET kind = 'test'");
    assert_int_equal(store_read_run(f->store, 0, &out, &arena, NULL), 0);
    assert_int_equal(out.run_id, 2);
    scratch_exec(f->scratch->file, "DELETE FROM run");
    struct diag diag = {0};
    assert_int_equal(store_read_run(f->store, 0, &out, &arena, &diag), ERR_NOT_FOUND);
    assert_non_null(strstr(diag.text, "holds no run"));
    buf_finish(&arena);
}

static void a_run_that_is_not_there_is_named(void **state)
{
    struct fixture *f = *state;
    struct db_run out;
    struct buf arena = {0};
    struct diag diag = {0};
    assert_int_equal(store_read_run(f->store, 41, &out, &arena, &diag), ERR_NOT_FOUND);
    assert_non_null(strstr(diag.text, "run 41"));
    assert_non_null(strstr(diag.text, f->scratch->file));
    assert_int_equal(store_finish_run(f->store, 41, DB_FINISHED, true, NULL, NULL), ERR_NOT_FOUND);
    assert_int_equal(store_set_validation_cost(f->store, 1, 3, 1.0, NULL), ERR_NOT_FOUND);
}

static void finishing_a_run_sets_status_and_trust(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_finish_run(f->store, f->run_id, DB_FINISHED, false, "late", NULL), 0);
    scratch_expect(f->scratch->file, "SELECT status, trusted, untrusted_reason FROM run", "finished|0|late");
    assert_int_equal(store_finish_run(f->store, f->run_id, DB_ABORTED, true, "ignored", NULL), 0);
    scratch_expect(f->scratch->file, "SELECT status, trusted, untrusted_reason FROM run", "aborted|1|NULL");
}

static void a_surrogate_is_recorded_with_its_run(void **state)
{
    struct fixture *f = *state;
    struct buf arena = {0};
    struct db_run out;
    assert_int_equal(store_read_run(f->store, f->run_id, &out, &arena, NULL), 0);
    assert_null(out.surrogate);
    assert_int_equal(store_set_surrogate(f->store, f->run_id, "0.1 | 1:0.5", NULL), 0);
    assert_int_equal(store_set_surrogate(f->store, 41, "0.1 | 1:0.5", NULL), ERR_NOT_FOUND);
    buf_clear(&arena);
    assert_int_equal(store_read_run(f->store, f->run_id, &out, &arena, NULL), 0);
    assert_string_equal(out.surrogate, "0.1 | 1:0.5");
    buf_finish(&arena);
}

static int copy_node(void *user, const struct db_node *node)
{
    struct db_node *out = user;
    out[node->is_server ? 0 : 1] = *node;
    out[node->is_server ? 0 : 1].address = NULL;
    assert_true(node->is_server ? strcmp(node->address, "127.0.0.1:4711") == 0 : node->address == NULL);
    assert_int_equal(node->rate_trace_size, node->is_server ? 0 : 5);
    assert_true(node->is_server ? node->rate_trace == NULL : memcmp(node->rate_trace, "r\0ate", 5) == 0);
    assert_int_equal(node->place_trace_size, node->is_server ? 0 : 3);
    assert_true(node->is_server ? node->place_trace == NULL : memcmp(node->place_trace, "\0pl", 3) == 0);
    return 0;
}

static void nodes_come_back_with_their_nulls(void **state)
{
    struct fixture *f = *state;
    struct db_node server = {.run_id = 1,
                             .is_server = true,
                             .number = 2,
                             .flops = 7.5e12,
                             .power_w = 150,
                             .transmit_power_w = NAN,
                             .x_m = 250,
                             .y_m = 750,
                             .max_split = -1,
                             .memory_bytes = 24e9,
                             .address = "127.0.0.1:4711"};
    struct db_node device = {.run_id = 1,
                             .number = 9,
                             .flops = 1e12,
                             .power_w = 5,
                             .transmit_power_w = 0.2,
                             .x_m = NAN,
                             .y_m = NAN,
                             .max_split = 0,
                             .memory_bytes = NAN,
                             .rate_trace = "r\0ate",
                             .rate_trace_size = 5,
                             .place_trace = "\0pl",
                             .place_trace_size = 3};
    assert_int_equal(store_insert_node(f->store, &server, NULL), 0);
    assert_int_equal(store_insert_node(f->store, &device, NULL), 0);
    struct db_node out[2];
    assert_int_equal(store_each_node(f->store, 1, copy_node, out, NULL), 0);
    assert_int_equal(out[0].number, 2);
    assert_true(isnan(out[0].transmit_power_w));
    assert_int_equal(out[0].max_split, -1);
    assert_true(out[0].memory_bytes == 24e9);
    assert_int_equal(out[1].number, 9);
    assert_true(isnan(out[1].x_m) && isnan(out[1].memory_bytes));
    assert_int_equal(out[1].max_split, 0);
    scratch_expect(f->scratch->file, "SELECT count(*) FROM node WHERE max_split IS NULL", "1");
}

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

/* Columns of each kind of task.def. */
#define SAME_WHOLE(a, b) ((a) == (b))
#define SAME_SERVER(a, b) ((a) == (b))
#define SAME_FLAG(a, b) ((a) == (b))
#define SAME_REAL(a, b) same_bits(a, b)
#define SAME_STATUS(a, b) ((a) == (b))

static void assert_same_task(const struct db_task *a, const struct db_task *b)
{
#define TASK_RUN(name, unit, meaning)                                                                        \
    if (a->name != b->name)                                                                                  \
        fail_msg("column " #name " differs");
#define TASK(name, kind, unit, role, meaning)                                                                \
    if (!SAME_##kind(a->name, b->name))                                                                      \
        fail_msg("column " #name " differs");
#include "db/task.def"
}

/* The doubles of a task, by place. */
static double *task_reals(struct db_task *task, size_t i)
{
#define REAL_WHOLE(name)
#define REAL_SERVER(name)
#define REAL_FLAG(name)
#define REAL_REAL(name) &task->name,
#define REAL_STATUS(name)
    double *const reals[] = {
#define TASK(name, kind, unit, role, meaning) REAL_##kind(name)
#include "db/task.def"
    };
    return i < sizeof reals / sizeof *reals ? reals[i] : NULL;
}

struct expected_tasks {
    struct db_task task[64];
    size_t seen;
};

static int compare_task(void *user, const struct db_task *task)
{
    struct expected_tasks *expected = user;
    assert_same_task(&expected->task[expected->seen], task);
    expected->seen++;
    return 0;
}

static double any_real(uint64_t *seed)
{
    double value;
    do {
        *seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
        uint64_t bits = *seed ^ *seed >> 29;
        memcpy(&value, &bits, sizeof value);
    } while (!isfinite(value));
    return value;
}

static void doubles_come_back_bit_for_bit(void **state)
{
    static const double special[] = {0.1,        DBL_MAX, DBL_MIN, 4.9e-324, 1.0 / 3, 9007199254740993.0,
                                     1e15 + 0.5, 128,     INFINITY};
    struct fixture *f = *state;
    struct expected_tasks expected = {.seen = 0};
    uint64_t seed = 5;
    for (uint32_t row = 0; row < 64; row++) {
        struct db_task *task = &expected.task[row];
        *task = scratch_task(0, 0, row);
        task->run_id = 1;
        for (size_t i = 2; task_reals(task, i) != NULL; i++)
            *task_reals(task, i) = fabs(row < 9 ? special[row] : any_real(&seed));
        task->cost = row < 9 ? -special[row] : any_real(&seed);
        task->x_m = any_real(&seed);
        task->bandwidth_share = nextafter(1, 0);
        task->compute_share = 4.9e-324;
        task->missing = nextafter(0.5, 1);
        task->reserved_compute = nextafter(0.05, 1);
        task->reserved_band = 4.9e-324;
        task->reserved_memory = nextafter(1, 0);
        task->answer_chance = task->answer_right = task->foreseen_in_time = nextafter(0.25, 1);
        assert_int_equal(store_insert_task(f->store, task, NULL), 0);
    }
    assert_int_equal(store_each_task(f->store, 1, compare_task, &expected, NULL), 0);
    assert_int_equal(expected.seen, 64);
}

static void every_column_of_a_task_comes_back(void **state)
{
    struct fixture *f = *state;
    struct expected_tasks expected = {.seen = 0};
    struct db_task *task = &expected.task[0];
    *task = scratch_task(3, 4, 5);
    task->run_id = 1;
    for (size_t i = 0; task_reals(task, i) != NULL; i++)
        *task_reals(task, i) = 0.01 * (double) (i + 1);
    task->tokens = 11;
    task->split = 12;
    task->server = 13;
    task->repaired = true;
    task->end_slot = 14;
    task->handovers = 15;
    task->deadline_missed = true;
    task->status = DB_TASK_REOFFLOADED;
    assert_int_equal(store_insert_task(f->store, task, NULL), 0);
    assert_int_equal(store_each_task(f->store, 1, compare_task, &expected, NULL), 0);
    assert_int_equal(expected.seen, 1);
    struct db_task next;
    store_tasks_open(f->store, 1);
    assert_int_equal(store_tasks_next(f->store, &next, NULL), 1);
    assert_same_task(task, &next);
    assert_int_equal(store_tasks_next(f->store, &next, NULL), 0);
    scratch_expect(f->scratch->file,
                   "SELECT tokens, split, server, repaired, bandwidth_share, wait_s, end_slot, handovers,"
                   " extra_j, deadline_missed, status FROM task",
                   "11|12|13|1|0.01|0.03|14|15|0.2|1|reoffloaded");
}

static int keep_cost(void *user, const struct db_task *task)
{
    *(double *) user = task->cost;
    return 0;
}

static void negative_zero_comes_back_as_zero(void **state)
{
    struct fixture *f = *state;
    struct db_task task = scratch_task(0, 0, 0);
    task.run_id = 1;
    task.cost = -0.0;
    assert_int_equal(store_insert_task(f->store, &task, NULL), 0);
    double cost = 1;
    assert_int_equal(store_each_task(f->store, 1, keep_cost, &cost, NULL), 0);
    assert_true(cost == 0 && !signbit(cost));
}

static void a_lost_task_has_nulls_and_comes_back_with_nans(void **state)
{
    struct fixture *f = *state;
    struct expected_tasks expected = {.seen = 0};
    struct db_task *task = &expected.task[0];
    *task = scratch_task(3, 4, 5);
    task->run_id = 1;
    for (size_t i = 0; task_reals(task, i) != NULL; i++)
        *task_reals(task, i) = NAN;
    task->status = DB_TASK_DEVICE_LOST;
    assert_int_equal(store_insert_task(f->store, task, NULL), 0);
    expected.task[1] = scratch_task(3, 4, 6);
    expected.task[1].run_id = 1;
    expected.task[1].server = DB_SERVER_NULL;
    expected.task[1].repaired = true;
    expected.task[1].deadline_missed = true;
    assert_int_equal(store_insert_task(f->store, &expected.task[1], NULL), 0);
    assert_int_equal(store_each_task(f->store, 1, compare_task, &expected, NULL), 0);
    assert_int_equal(expected.seen, 2);
    scratch_expect(f->scratch->file, "SELECT latency_s, cost, x_m, server FROM task WHERE device = 5",
                   "NULL|NULL|NULL|1");
    scratch_expect(f->scratch->file, "SELECT latency_s IS NULL, x_m, server FROM task WHERE device = 6",
                   "0|10.5|NULL");
}

static void tasks_are_read_in_key_order_however_they_were_written(void **state)
{
    struct fixture *f = *state;
    struct expected_tasks expected = {.seen = 0};
    for (uint32_t i = 0; i < 64; i++) {
        expected.task[i] = scratch_task(i / 16, i / 4 % 4, i % 4);
        expected.task[i].run_id = 1;
    }
    for (uint32_t i = 64; i-- > 0;)
        assert_int_equal(store_insert_task(f->store, &expected.task[i * 5 % 64], NULL), 0);
    assert_int_equal(store_each_task(f->store, 1, compare_task, &expected, NULL), 0);
    assert_int_equal(expected.seen, 64);
}

static void constraint_violations_name_the_file_and_the_rule(void **state)
{
    struct fixture *f = *state;
    struct db_task task = scratch_task(0, 0, 0);
    task.run_id = 1;
    assert_int_equal(store_insert_task(f->store, &task, NULL), 0);
    struct diag twice = {0};
    assert_int_equal(store_insert_task(f->store, &task, &twice), ERR_DATABASE);
    assert_non_null(strstr(twice.text, "UNIQUE"));
    assert_non_null(strstr(twice.text, f->scratch->file));
    task.device = 1;
    task.compute_share = 2;
    struct diag range = {0};
    assert_int_equal(store_insert_task(f->store, &task, &range), ERR_DATABASE);
    assert_non_null(strstr(range.text, "compute_share"));
    task.compute_share = 1;
    task.run_id = 99;
    struct diag stranger = {0};
    assert_int_equal(store_insert_task(f->store, &task, &stranger), ERR_DATABASE);
    assert_non_null(strstr(stranger.text, "FOREIGN KEY"));
    task.run_id = 1;
    assert_int_equal(store_insert_task(f->store, &task, NULL), 0); /* the statement is usable again */
}

static int stop_at_second(void *user, const struct db_task *task)
{
    (void) task;
    return ++*(int *) user == 2 ? 77 : 0;
}

static void a_callback_stops_the_listing_with_its_own_code(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 5; i++) {
        struct db_task task = scratch_task(0, 0, i);
        task.run_id = 1;
        assert_int_equal(store_insert_task(f->store, &task, NULL), 0);
    }
    int seen = 0;
    assert_int_equal(store_each_task(f->store, 1, stop_at_second, &seen, NULL), 77);
    assert_int_equal(seen, 2);
    assert_int_equal(store_each_task(f->store, 2, stop_at_second, &seen, NULL), 0);
}

static int check_event(void *user, const struct db_event *event)
{
    int *seen = user;
    if ((*seen)++ == 0) {
        assert_int_equal(event->slot, 7);
        assert_int_equal(event->number, -1);
        assert_int_equal(event->action, DB_ACTION_NONE);
        assert_int_equal(event->until_slot, DB_EVENT_NULL);
        assert_int_equal(event->from_server, DB_EVENT_NULL);
        assert_int_equal(event->to_server, DB_EVENT_NULL);
        assert_int_equal(event->task_slot, DB_EVENT_NULL);
        assert_true(isnan(event->speed));
        assert_string_equal(event->detail, "first");
    } else {
        assert_int_equal(event->number, 3);
        assert_int_equal(event->phase, DB_PHASE_EXECUTE);
        assert_int_equal(event->kind, DB_EVENT_HANDOVER);
        assert_int_equal(event->action, DB_ACTION_RESTART);
        assert_int_equal(event->until_slot, 0);
        assert_int_equal(event->from_server, 1);
        assert_int_equal(event->to_server, 2);
        assert_int_equal(event->task_slot, 4);
        assert_true(event->speed == 0.25);
        assert_int_equal(event->role, DB_ROLE_SERVER);
    }
    return 0;
}

static void events_come_back_in_the_order_of_happening(void **state)
{
    struct fixture *f = *state;
    struct db_event event = scratch_event(DB_EVENT_REFUSAL);
    event.run_id = 1;
    event.slot = 7;
    event.detail = "first";
    assert_int_equal(store_insert_event(f->store, &event, NULL), 0);
    event = scratch_event(DB_EVENT_HANDOVER);
    event.run_id = 1;
    event.slot = 2;
    event.phase = DB_PHASE_EXECUTE;
    event.role = DB_ROLE_SERVER;
    event.number = 3;
    event.action = DB_ACTION_RESTART;
    event.until_slot = 0;
    event.from_server = 1;
    event.to_server = 2;
    event.task_slot = 4;
    event.speed = 0.25;
    assert_int_equal(store_insert_event(f->store, &event, NULL), 0);
    int seen = 0;
    assert_int_equal(store_each_event(f->store, 1, check_event, &seen, NULL), 0);
    assert_int_equal(seen, 2);
}

static int ignore_run(void *user, const struct db_run *run)
{
    (void) user, (void) run;
    return 0;
}

static int ignore_event(void *user, const struct db_event *event)
{
    (void) user, (void) event;
    return 0;
}

/* ---- answers ---- */

static void assert_same_answer(const struct db_answer *a, const struct db_answer *b)
{
    assert_true(a->run_id == b->run_id && a->activation_bytes == b->activation_bytes);
    assert_int_equal(a->episode, b->episode);
    assert_int_equal(a->slot, b->slot);
    assert_int_equal(a->device, b->device);
    assert_int_equal(a->tokens, b->tokens);
    assert_int_equal(a->is_kept, b->is_kept);
    assert_int_equal(a->overridden, b->overridden);
    if (a->is_kept)
        assert_memory_equal(a->token, b->token, a->tokens * sizeof *a->token);
    assert_memory_equal(&a->first_token_s, &b->first_token_s, sizeof(double));
    assert_memory_equal(&a->device_layer_s, &b->device_layer_s, sizeof(double));
    assert_true(isnan(a->server_layer_s) == isnan(b->server_layer_s));
    assert_int_equal(a->prompt_tokens, b->prompt_tokens);
    assert_true((a->prompt == NULL) == (b->prompt == NULL));
    if (a->prompt != NULL)
        assert_memory_equal(a->prompt, b->prompt, a->prompt_tokens * sizeof *a->prompt);
}

static void answers_come_back_in_key_order_with_their_tokens(void **state)
{
    struct fixture *f = *state;
    struct db_answer in[] = {scratch_answer(0, 1, 2), scratch_answer(0, 2, 0), scratch_answer(1, 0, 1)}, out;
    in[0].tokens = DB_ANSWER_MAX;
    for (uint32_t i = 0; i < DB_ANSWER_MAX; i++)
        in[0].token[i] = 1000000 + i;
    in[1].is_kept = false; /* how many there were is all that is known */
    in[1].overridden = true;
    in[1].activation_bytes = 1ULL << 40;
    in[2].tokens = 0;
    static const uint32_t prompt[] = {1, 70000, 4000000000};
    in[2].prompt = prompt;
    in[2].prompt_tokens = 3;
    for (size_t i = 3; i-- > 0;) {
        in[i].run_id = 1;
        assert_int_equal(store_insert_answer(f->store, &in[i], NULL), 0);
    }
    scratch_expect(f->scratch->file, "SELECT length(answer) FROM answer ORDER BY episode, slot",
                   "256\nNULL\n0");
    store_answers_open(f->store, 1);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(store_answers_next(f->store, &out, NULL), 1);
        assert_same_answer(&out, &in[i]);
    }
    assert_int_equal(store_answers_next(f->store, &out, NULL), 0);
    store_answers_open(f->store, 2);
    assert_int_equal(store_answers_next(f->store, &out, NULL), 0);
}

static void the_text_of_a_run_comes_back(void **state)
{
    struct fixture *f = *state;
    static const uint32_t text[] = {0, 7, 4000000000};
    static const uint8_t each[] = {1, 255, 0};
    struct db_run run = scratch_run();
    struct buf tokens = {0}, bytes = {0};
    int64_t run_id = 0;
    run.prompt = text;
    run.prompt_tokens = 3;
    assert_int_equal(store_insert_run(f->store, &run, &run_id, NULL), 0);
    assert_int_equal(store_read_prompt(f->store, f->run_id, &tokens, &bytes, NULL), 0);
    assert_int_equal(tokens.size + bytes.size, 0);
    assert_int_equal(store_read_prompt(f->store, run_id, &tokens, &bytes, NULL), 0);
    assert_int_equal(tokens.size, sizeof text);
    assert_memory_equal(tokens.data, text, sizeof text);
    assert_int_equal(bytes.size, 0); /* not known */
    run.prompt_bytes = each;
    buf_finish(&tokens);
    assert_int_equal(store_insert_run(f->store, &run, &run_id, NULL), 0);
    assert_int_equal(store_read_prompt(f->store, run_id, &tokens, &bytes, NULL), 0);
    assert_int_equal(bytes.size, sizeof each);
    assert_memory_equal(bytes.data, each, sizeof each);
    buf_finish(&tokens);
    buf_finish(&bytes);
}

/* As a damaged file might hold it, or one that was made by hand. */
static void force(const struct fixture *f, const char *statement)
{
    char sql[256];
    (void) snprintf(sql, sizeof sql, "PRAGMA ignore_check_constraints = ON; %s", statement);
    scratch_exec(f->scratch->file, sql);
}

/* Leaves the diagnosis empty for the next. */
static void assert_corrupt(int rc, struct diag *diag, const char *text)
{
    assert_int_equal(rc, ERR_CORRUPT);
    if (strstr(diag->text, text) == NULL)
        fail_msg("'%s' is not in '%s'", text, diag->text);
    *diag = (struct diag){0};
}

static void a_word_that_is_none_of_its_columns_is_refused_when_it_is_read(void **state)
{
    struct fixture *f = *state;
    struct expected_tasks expected = {.seen = 0};
    struct db_task task = scratch_task(0, 0, 0), next;
    struct db_event event = scratch_event(DB_EVENT_FAULT);
    struct buf texts = {0};
    struct db_run run;
    struct diag diag = {0};
    task.run_id = event.run_id = 1;
    assert_int_equal(store_insert_task(f->store, &task, NULL), 0);
    assert_int_equal(store_insert_event(f->store, &event, NULL), 0);

    force(f, "UPDATE task SET status = 'asleep'");
    assert_corrupt(store_each_task(f->store, 1, compare_task, &expected, &diag), &diag,
                   "results.db: task.status is 'asleep'");
    assert_int_equal(expected.seen, 0);
    store_tasks_open(f->store, 1);
    assert_corrupt(store_tasks_next(f->store, &next, &diag), &diag, "task.status is 'asleep'");
    store_tasks_open(f->store, 2); /* ends the reading */

    static const char *const columns[] = {"phase", "kind", "role", "action"};
    static const char *const words[] = {"execute", "fault", "server", "slow"};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        char sql[128], text[64];
        (void) snprintf(sql, sizeof sql, "UPDATE event SET %s = 'asleep'", columns[i]);
        (void) snprintf(text, sizeof text, "event.%s is 'asleep'", columns[i]);
        force(f, sql);
        assert_corrupt(store_each_event(f->store, 1, ignore_event, NULL, &diag), &diag, text);
        (void) snprintf(sql, sizeof sql, "UPDATE event SET %s = '%s'", columns[i], words[i]);
        force(f, sql);
        assert_int_equal(store_each_event(f->store, 1, ignore_event, NULL, &diag), 0);
    }

    force(f, "UPDATE run SET status = 'asleep'");
    assert_corrupt(store_read_run(f->store, 1, &run, &texts, &diag), &diag, "run.status is 'asleep'");
    assert_corrupt(store_each_run(f->store, ignore_run, NULL, &diag), &diag, "run.status is 'asleep'");
    force(f, "UPDATE run SET status = 'finished', kind = 'asleep'");
    assert_corrupt(store_read_run(f->store, 1, &run, &texts, &diag), &diag, "run.kind is 'asleep'");
    force(f, "UPDATE run SET kind = 'test', phase = 'asleep'");
    assert_corrupt(store_read_run(f->store, 1, &run, &texts, &diag), &diag, "run.phase is 'asleep'");
    buf_finish(&texts);
}

static void answers_and_texts_of_another_length_than_they_say_are_refused(void **state)
{
    static const char *const damages[] = {
        "UPDATE answer SET tokens = 3",
        "UPDATE answer SET tokens = 2000000000, answer = NULL",
        "UPDATE answer SET tokens = 1, answer = x'070000'",
        "UPDATE answer SET tokens = -1, answer = NULL",
    };
    struct fixture *f = *state;
    struct db_answer answer = scratch_answer(0, 1, 2), out;
    struct buf tokens = {0}, bytes = {0};
    struct diag diag = {0};
    answer.run_id = 1;
    assert_int_equal(store_insert_answer(f->store, &answer, NULL), 0);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        force(f, damages[i]);
        store_answers_open(f->store, 1);
        assert_corrupt(store_answers_next(f->store, &out, &diag), &diag,
                       "the answer in episode 0, slot 1 of device 2 has not as many tokens as it says");
    }
    store_answers_open(f->store, 2); /* ends the reading */
    force(f, "UPDATE run SET prompt_tokens = x'0102030405'");
    assert_corrupt(store_read_prompt(f->store, 1, &tokens, &bytes, &diag), &diag,
                   "prompt_tokens has 5 bytes");
    force(f, "UPDATE run SET prompt_tokens = x'0102030405060708', prompt_bytes = x'01'");
    assert_corrupt(store_read_prompt(f->store, 1, &tokens, &bytes, &diag), &diag,
                   "prompt_bytes has 1 bytes, one for each of 2 tokens");
    buf_finish(&tokens);
    buf_finish(&bytes);
}

static int sum_checkpoints(void *user, const struct db_checkpoint *checkpoint)
{
    size_t *sum = user;
    assert_null(checkpoint->weights);
    assert_null(checkpoint->learner);
    sum[0] += checkpoint->weights_size;
    sum[1] += checkpoint->learner_size;
    return 0;
}

#define MODEL "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct leaks {
    struct db_leak leak[4]; /* without texts */
    size_t count;
};

static int take_leak(void *user, const struct db_leak *leak)
{
    struct leaks *leaks = user;
    assert_string_equal(leak->model, MODEL);
    assert_string_equal(leak->format, "topk:4");
    assert_string_equal(leak->channel, "bits");
    assert_string_equal(leak->attack, "search");
    assert_true(leaks->count < 4);
    leaks->leak[leaks->count++] = *leak;
    return 0;
}

static void a_measure_of_what_leaks_takes_the_place_of_an_earlier_one(void **state)
{
    struct fixture *f = *state;
    struct leaks leaks = {.count = 0};
    struct db_leak leak = {.model = MODEL,
                           .format = "topk:4",
                           .channel = "bits",
                           .level = 0.1,
                           .split = 3,
                           .attack = "search",
                           .tokens = 96,
                           .seeds = 2,
                           .found = 100,
                           .version = "1",
                           .measured_utc = "then"};
    assert_int_equal(store_insert_leak(f->store, &leak, NULL), 0);
    leak.level = 0.01;
    assert_int_equal(store_insert_leak(f->store, &leak, NULL), 0);
    leak.found = 101;
    leak.measured_utc = "now";
    assert_int_equal(store_insert_leak(f->store, &leak, NULL), 0);
    assert_int_equal(results_each_leak(f->store, take_leak, &leaks, NULL), 0);
    assert_int_equal(leaks.count, 2);
    assert_true(leaks.leak[0].level == 0.01 && leaks.leak[1].level == 0.1);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(leaks.leak[i].split, 3);
        assert_int_equal(leaks.leak[i].tokens, 96);
        assert_int_equal(leaks.leak[i].seeds, 2);
        assert_int_equal(leaks.leak[i].found, i == 0 ? 101 : 100);
    }
    scratch_expect(f->scratch->file, "SELECT measured_utc, version FROM leak ORDER BY level",
                   "now|1\nthen|1");
}

static void only_the_latest_checkpoint_carries_the_learner(void **state)
{
    struct fixture *f = *state;
    for (uint32_t episode = 0; episode < 3; episode++) {
        struct db_checkpoint checkpoint = {.run_id = 1,
                                           .episode = episode,
                                           .weights = "wwwww",
                                           .weights_size = 3 + episode,
                                           .learner = "learner",
                                           .learner_size = 7,
                                           .validation_cost = episode == 1 ? 1.5 : (double) NAN};
        assert_int_equal(store_insert_checkpoint(f->store, &checkpoint, NULL), 0);
    }
    assert_int_equal(store_set_validation_cost(f->store, 1, 2, 1.25, NULL), 0);
    size_t sum[2] = {0};
    assert_int_equal(store_each_checkpoint(f->store, 1, sum_checkpoints, sum, NULL), 0);
    assert_int_equal(sum[0], 12);
    assert_int_equal(sum[1], 7);
    struct db_checkpoint out;
    struct buf bytes = {0};
    assert_int_equal(store_read_checkpoint(f->store, 1, 0, &out, &bytes, NULL), 0);
    assert_int_equal(out.weights_size, 3);
    assert_memory_equal(out.weights, "www", 3);
    assert_int_equal(out.learner_size, 0);
    assert_true(isnan(out.validation_cost));
    buf_clear(&bytes);
    assert_int_equal(store_read_checkpoint(f->store, 1, -1, &out, &bytes, NULL), 0);
    assert_int_equal(out.episode, 2);
    assert_true(out.validation_cost == 1.25);
    size_t before = bytes.size; /* what is read is put behind it */
    assert_int_equal(store_read_learner(f->store, 1, &out, &bytes, NULL), 0);
    assert_int_equal(out.episode, 2);
    assert_int_equal(bytes.size, before + 7);
    assert_ptr_equal(out.learner, bytes.data + before);
    assert_memory_equal(out.learner, "learner", 7);
    before = bytes.size;
    assert_int_equal(store_read_checkpoint(f->store, 1, 0, &out, &bytes, NULL), 0);
    assert_int_equal(bytes.size, before + 3);
    assert_ptr_equal(out.weights, bytes.data + before);
    assert_memory_equal(out.weights, "www", 3);
    assert_int_equal(store_read_checkpoint(f->store, 1, 9, &out, &bytes, NULL), ERR_NOT_FOUND);
    assert_int_equal(store_read_learner(f->store, 2, &out, &bytes, NULL), ERR_NOT_FOUND);
    buf_finish(&bytes);
}

static const char sample[] = "SELECT 1 AS n, 0.1 AS share, 'a,b' AS text, NULL AS empty, ?1 AS given"
                             " UNION ALL SELECT 20, 1e300, 'say \"hi\"' || char(10), 2.5, -1";

static void an_export_of_tasks_has_the_columns_of_the_table_in_order(void **state)
{
    static const char names[] = "run_id"
#define TASK(name, kind, unit, role, meaning) "," #name
#include "db/task.def"
                                "\r\n";
    struct fixture *f = *state;
    struct buf text = {0};
    assert_int_equal(store_query_csv(f->store, sql_find_query("tasks"), 1, &text, NULL), 0);
    assert_int_equal(text.size, sizeof names - 1);
    assert_memory_equal(text.data, names, sizeof names - 1);
    buf_finish(&text);
}

static void query_csv_follows_rfc_4180(void **state)
{
    struct fixture *f = *state;
    struct buf text = {0};
    assert_int_equal(store_query_csv(f->store, sample, 42, &text, NULL), 0);
    assert_int_equal(buf_push(&text, "", 1), 0);
    assert_string_equal((char *) text.data, "n,share,text,empty,given\r\n1,0.1,\"a,b\",,42\r\n"
                                            "20,1e+300,\"say \"\"hi\"\"\n\",2.5,-1\r\n");
    buf_finish(&text);
}

static void query_json_is_an_array_of_objects_with_exact_numbers(void **state)
{
    struct fixture *f = *state;
    struct buf text = {0};
    assert_int_equal(store_query_json(f->store, sample, INT64_MAX, &text, NULL), 0);
    json_t *rows = json_loadb((char *) text.data, text.size, 0, NULL);
    assert_int_equal(json_array_size(rows), 2);
    json_t *row = json_array_get(rows, 0);
    assert_true(json_real_value(json_object_get(row, "share")) == 0.1);
    assert_true(json_integer_value(json_object_get(row, "given")) == INT64_MAX);
    assert_true(json_is_null(json_object_get(row, "empty")));
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 1), "text")), "say \"hi\"\n");
    json_decref(rows);
    buf_clear(&text);
    assert_int_equal(store_query_json(f->store, "SELECT 9e999 AS x, x'00ff' AS y, CAST(x'61ff' AS TEXT) AS z",
                                      0, &text, NULL),
                     0);
    assert_memory_equal(text.data, "[\n  {\"x\":null,\"y\":null,\"z\":\"a?\"}\n]\n", text.size);
    buf_clear(&text);
    assert_int_equal(store_query_json(f->store, "SELECT 1 WHERE 0", 0, &text, NULL), 0);
    assert_memory_equal(text.data, "[]\n", 3);
    buf_finish(&text);
}

static void query_table_aligns_numbers_right_and_text_left(void **state)
{
    struct fixture *f = *state;
    struct buf text = {0};
    assert_int_equal(
        store_query_table(f->store,
                          "SELECT 'caf\xc3\xa9' AS policy, 1.30449 AS cost, NULL AS regret_pct, 10 AS tasks"
                          " UNION ALL SELECT 'x' || char(10), 12345.678, 2e-9, 123456",
                          0, &text, NULL),
        0);
    assert_int_equal(buf_push(&text, "", 1), 0);
    assert_string_equal((char *) text.data, "policy     cost  regret_pct   tasks\n"
                                            "caf\xc3\xa9      1.304           -      10\n"
                                            "x       12345.7       2e-09  123456\n");
    buf_finish(&text);
}

struct pieces {
    struct buf text;
    size_t count, longest;
};

static int gather(void *user, const void *bytes, size_t size)
{
    struct pieces *pieces = user;
    assert_true(size > 0);
    pieces->count++;
    pieces->longest = size > pieces->longest ? size : pieces->longest;
    return buf_push(&pieces->text, bytes, size);
}

/* All of it, in pieces none of which is long: a result may be larger than memory. */
static void assert_in_pieces(struct pieces *pieces, struct buf *whole)
{
    assert_int_equal(pieces->text.size, whole->size);
    assert_memory_equal(pieces->text.data, whole->data, whole->size);
    assert_true(pieces->count > 5);
    assert_true(pieces->longest < whole->size / 4);
    buf_finish(&pieces->text);
    buf_clear(whole);
    *pieces = (struct pieces){0};
}

static int refuse_bytes(void *user, const void *bytes, size_t size)
{
    (void) user, (void) bytes, (void) size;
    return -EPIPE;
}

static void a_streamed_result_is_the_same_in_pieces(void **state)
{
    static const char many[] =
        "WITH RECURSIVE n (v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n WHERE v < 100000)"
        " SELECT v, v / 7.0 AS w FROM n";
    struct fixture *f = *state;
    struct buf text = {0};
    struct pieces pieces = {0};
    assert_int_equal(store_query_csv(f->store, many, 0, &text, NULL), 0);
    assert_int_equal(store_stream_csv(f->store, many, 0, gather, &pieces, NULL), 0);
    assert_in_pieces(&pieces, &text);
    assert_int_equal(store_query_json(f->store, many, 0, &text, NULL), 0);
    assert_int_equal(store_stream_json(f->store, many, 0, gather, &pieces, NULL), 0);
    assert_in_pieces(&pieces, &text);
    assert_int_equal(store_stream_csv(f->store, many, 0, refuse_bytes, NULL, NULL), -EPIPE);
    buf_finish(&text);
}

static void a_kind_of_run_has_a_word_and_any_other_number_none(void **state)
{
    static const char *const words[] = {"train", "validate", "test", "counterfactual", "twin"};
    (void) state;
    for (int kind = -3; kind < 9; kind++) {
        const char *word = store_kind_text(kind);
        if (kind < 0 || kind >= 5)
            assert_null(word);
        else
            assert_string_equal(word, words[kind]);
    }
}

static void every_named_query_is_found_and_answers(void **state)
{
    struct fixture *f = *state;
    assert_null(sql_find_query("no_such_query"));
    for (size_t i = 0; i < sql_queries_count; i++) {
        struct buf text = {0};
        struct diag diag = {0};
        assert_ptr_equal(sql_find_query(sql_queries[i].name), sql_queries[i].text);
        if (store_query_table(f->store, sql_queries[i].text, 1, &text, &diag) != 0)
            fail_msg("%s: %s", sql_queries[i].name, diag.text);
        assert_true(text.size > 0);
        buf_finish(&text);
    }
}

static void a_query_that_would_write_or_is_wrong_is_refused(void **state)
{
    struct fixture *f = *state;
    struct buf text = {0};
    struct diag diag = {0};
    assert_int_equal(store_query_json(f->store, "DELETE FROM run", 0, &text, &diag), ERR_DATABASE);
    assert_non_null(strstr(diag.text, "only read"));
    assert_int_equal(store_query_csv(f->store, "SELECT nothing FROM nowhere", 0, &text, NULL), ERR_DATABASE);
    assert_int_equal(store_query_table(f->store, "SELECT abs(-9223372036854775808)", 0, &text, NULL),
                     ERR_DATABASE);
    buf_finish(&text);
    scratch_expect(f->scratch->file, "SELECT count(*) FROM run", "1");
}

static void drop_all(const char *path, const char *type)
{
    char names[4096], drop[4160];
    char query[128];
    (void) snprintf(query, sizeof query,
                    "SELECT name FROM sqlite_schema WHERE type = '%s' AND name NOT LIKE 'sqlite%%'", type);
    scratch_query(path, query, names, sizeof names);
    for (char *rest = NULL, *name = strtok_r(names, " |\n", &rest); name != NULL;
         name = strtok_r(NULL, " |\n", &rest)) {
        (void) snprintf(drop, sizeof drop, "DROP %s %s", type, name);
        scratch_exec(path, drop);
    }
}

/* No result looks like an empty one. The row's functions are never called. */
static void whatever_is_asked_of_a_file_without_tables_fails(void **state)
{
    struct fixture *f = *state;
    struct store *s = f->store;
    struct diag diag = {0};
    struct db_run run = scratch_run();
    struct db_task task = scratch_task(0, 0, 0);
    struct db_episode episode = scratch_episode(0);
    struct db_event event = scratch_event(DB_EVENT_FAULT);
    struct db_checkpoint checkpoint = {.run_id = 1, .weights = "w", .weights_size = 1};
    struct db_progress progress;
    struct db_sweep sweep = {.name = "s", .text = "t"};
    struct db_job job = {.sweep_id = 1, .number = 1};
    struct db_leak leak = {
        .model = MODEL, .format = "fp32", .channel = "none", .attack = "probe", .tokens = 1};
    struct buf text = {0};
    int64_t id = 0;
    uint64_t rows = 0;
    double seconds = 0.0;
    drop_all(f->scratch->file, "view");
    drop_all(f->scratch->file, "table");
#define FAILS(call) (diag = (struct diag){0}, assert_true((call) < 0), assert_int_not_equal(diag.text[0], 0))
    FAILS(store_insert_run(s, &run, &id, &diag));
    FAILS(store_finish_run(s, 1, DB_FINISHED, true, NULL, &diag));
    FAILS(store_insert_task(s, &task, &diag));
    FAILS(store_insert_episode(s, &episode, &diag));
    FAILS(store_insert_event(s, &event, &diag));
    FAILS(store_insert_checkpoint(s, &checkpoint, &diag));
    FAILS(store_set_validation_cost(s, 1, 0, 1.0, &diag));
    FAILS(store_read_run(s, 1, &run, &text, &diag));
    FAILS(store_read_run(s, 0, &run, &text, &diag));
    FAILS(store_each_run(s, NULL, NULL, &diag));
    FAILS(store_each_node(s, 1, NULL, NULL, &diag));
    FAILS(store_each_task(s, 1, NULL, NULL, &diag));
    store_tasks_open(s, 1);
    FAILS(store_tasks_next(s, &task, &diag));
    FAILS(store_each_event(s, 1, NULL, NULL, &diag));
    FAILS(store_each_twin_part(s, 1, NULL, NULL, &diag));
    FAILS(store_each_checkpoint(s, 1, NULL, NULL, &diag));
    FAILS(store_read_checkpoint(s, 1, -1, &checkpoint, &text, &diag));
    FAILS(store_read_learner(s, 1, &checkpoint, &text, &diag));
    FAILS(store_each_experience(s, 1, NULL, NULL, &diag));
    FAILS(store_read_progress(s, 1, 10, &progress, &diag));
    FAILS(store_read_elapsed(s, 1, 0, &seconds, &diag));
    FAILS(store_find_sweep(s, "s", &id, &text, &diag));
    FAILS(store_insert_sweep(s, &sweep, &id, &diag));
    FAILS(store_insert_job(s, &job, &diag));
    FAILS(store_each_job(s, 1, NULL, NULL, &diag));
    FAILS(store_renew_jobs(s, 1, &diag));
    FAILS(store_start_job(s, &job, "w", "t", &diag));
    FAILS(store_end_job(s, &job, "t", &diag));
    FAILS(results_each_outcome(s, NULL, NULL, &diag));
    FAILS(results_each_evaluation(s, NULL, NULL, &diag));
    FAILS(results_each_curve_point(s, NULL, NULL, &diag));
    FAILS(results_each_sweep(s, NULL, NULL, &diag));
    FAILS(results_each_job_count(s, NULL, NULL, &diag));
    FAILS(results_each_origin(s, NULL, NULL, &diag));
    FAILS(results_each_unfinished(s, NULL, NULL, &diag));
    FAILS(results_each_leak(s, NULL, NULL, &diag));
    FAILS(store_insert_leak(s, &leak, &diag));
    FAILS(results_each_numbers(s, "latencies", 1, NULL, NULL, &diag));
    FAILS(db_count_rows(&f->db, &rows, &diag));
    for (size_t i = 0; i < sql_queries_count; i++) {
        FAILS(store_query_json(s, sql_queries[i].text, 1, &text, &diag));
        FAILS(store_query_csv(s, sql_queries[i].text, 1, &text, &diag));
        FAILS(store_query_table(s, sql_queries[i].text, 1, &text, &diag));
    }
#undef FAILS
    assert_int_equal(id, 0);
    assert_int_equal(rows, 0);
    buf_finish(&text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_run_comes_back_as_it_went_in),
        TEST(a_run_without_parent_checkpoint_or_reason_has_nulls),
        TEST(the_number_of_a_deleted_run_is_not_given_again),
        TEST(a_seed_of_two_to_the_63_is_refused),
        TEST(run_zero_means_the_newest_training_run),
        TEST(a_run_that_is_not_there_is_named),
        TEST(finishing_a_run_sets_status_and_trust),
        TEST(a_surrogate_is_recorded_with_its_run),
        TEST(nodes_come_back_with_their_nulls),
        TEST(every_column_of_a_task_comes_back),
        TEST(doubles_come_back_bit_for_bit),
        TEST(negative_zero_comes_back_as_zero),
        TEST(a_lost_task_has_nulls_and_comes_back_with_nans),
        TEST(tasks_are_read_in_key_order_however_they_were_written),
        TEST(constraint_violations_name_the_file_and_the_rule),
        TEST(a_callback_stops_the_listing_with_its_own_code),
        TEST(events_come_back_in_the_order_of_happening),
        TEST(answers_come_back_in_key_order_with_their_tokens),
        TEST(the_text_of_a_run_comes_back),
        TEST(a_word_that_is_none_of_its_columns_is_refused_when_it_is_read),
        TEST(answers_and_texts_of_another_length_than_they_say_are_refused),
        TEST(a_measure_of_what_leaks_takes_the_place_of_an_earlier_one),
        TEST(only_the_latest_checkpoint_carries_the_learner),
        TEST(an_export_of_tasks_has_the_columns_of_the_table_in_order),
        TEST(query_csv_follows_rfc_4180),
        TEST(query_json_is_an_array_of_objects_with_exact_numbers),
        TEST(query_table_aligns_numbers_right_and_text_left),
        TEST(a_streamed_result_is_the_same_in_pieces),
        TEST(a_kind_of_run_has_a_word_and_any_other_number_none),
        TEST(every_named_query_is_found_and_answers),
        TEST(whatever_is_asked_of_a_file_without_tables_fails),
        TEST(a_query_that_would_write_or_is_wrong_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
