/* Whichever allocation fails: what is read or written is whole, or it is said that it is not. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "db/experiment_file.h"
#include "db/recorder.h"
#include "db/removal.h"
#include "db/results.h"
#include "tests/lib/scarce.h"
#include "tests/lib/scratch.h"

#define DEVICES 2u

/* Everything that a write may change. */
/* What a write may change, of each table. */
#define ROWS(columns, table, order)                                                                          \
    "SELECT group_concat(text, ';') FROM (SELECT json_array(" columns ") AS text FROM " table                \
    " ORDER BY " order ")"
static const char
    everything
        [] =
            ROWS(
                "run_id, kind, status, trusted, untrusted_reason, config_json, surrogate", "run", "run_id") " UNION ALL " ROWS("run_id, role, number, address, hex(requests), x_m",
                                                                                                                               "node",
                                                                                                                               "run_id, role, number") " UNION ALL " ROWS("run_id, episode, slot, device, status, latency_s", "task", "run_id, episode, slot, device") " UNION ALL " ROWS("run_id, episode, slot, device, hex(answer)", "answer", "run_id, episode, slot, device") " UNION ALL " ROWS("run_id, episode, mean_cost, tasks", "episode", "run_id, episode") " UNION ALL " ROWS("run_id, slot, kind, number, detail",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                            "event", "event_id") " UNION ALL " ROWS("run_id, episode, hex(weights), hex(learner), validation_cost", "checkpoint", "run_id, episode") " UNION ALL " ROWS("run_id, episode, hex(transitions)", "experience", "run_id, episode") " UNION ALL " ROWS("run_id, device, server, set_bps",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                 "link_sample",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                 "sample_id") " UNION ALL " ROWS("name, text, version, created_utc", "sweep", "sweep_id") " UNION ALL " ROWS("number, status, attempts, worker, error, test_run_id, train_run_id, wall_s",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "job",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "number");

struct fixture {
    struct scratch *scratch;
    void *prepared;       /* bytes of a file with rows of all kinds */
    size_t size;          /* of them */
    char before[1 << 14]; /* what it says to `everything` */
    struct experiment_file file;
    enum db_mode mode;
    struct recorder *recorder;
    bool is_read; /* the work changes nothing */
};

/* ---- a file with rows of all kinds ---- */

static struct db_run make_run(enum db_run_kind kind)
{
    static const uint32_t prompt[] = {3, 1, 4};
    static const uint8_t bytes[] = {1, 2, 3};
    struct db_run run = scratch_run();
    run.kind = kind;
    run.phase = kind == DB_RUN_TRAIN ? RNG_TRAIN : RNG_TEST;
    run.policy_sees = "observations";
    run.vector_path = "AVX2";
    run.libc = "glibc 2.36";
    run.linalg = "portable";
    run.arithmetic = 1;
    if (kind == DB_RUN_TRAIN) {
        run.policy = "dapo";
        run.updates = 5;
        run.prompt = prompt;
        run.prompt_tokens = 3;
        run.prompt_bytes = bytes;
    } else {
        run.parent_run_id = 1;
        run.checkpoint_episode = 0;
    }
    return run;
}

static struct db_node make_node(uint32_t i)
{
    static const uint32_t requests[] = {128, 64};
    return (struct db_node){.is_server = i >= DEVICES,
                            .number = i % DEVICES,
                            .flops = 1e12,
                            .power_w = 5.0,
                            .transmit_power_w = i >= DEVICES ? (double) NAN : 0.2,
                            .x_m = 1.5,
                            .y_m = 2.5,
                            .max_split = -1,
                            .memory_bytes = (double) NAN,
                            .requests = i >= DEVICES ? NULL : requests,
                            .request_count = i >= DEVICES ? 0 : 2,
                            .address = "127.0.0.1:4711"};
}

/* One episode of two slots, with whatever can come with it. The first error of the recorder. */
static int record(struct recorder *recorder, bool learns)
{
    int rc = 0;
    for (uint32_t slot = 0; slot < 2 && rc == 0; slot++) {
        struct db_task task[DEVICES];
        struct db_answer answer[DEVICES];
        struct db_event event = scratch_event(DB_EVENT_NODE_LOST);
        for (uint32_t i = 0; i < DEVICES; i++) {
            task[i] = scratch_task(0, slot, i);
            answer[i] = scratch_answer(0, slot, i);
        }
        event.slot = slot;
        event.number = 1;
        event.role = DB_ROLE_SERVER;
        event.detail = "it went away, and a reason of some length says why";
        rc = recorder_answered_tasks(recorder, task, DEVICES, answer, DEVICES);
        if (rc == 0)
            rc = recorder_event(recorder, &event);
        const struct db_link_sample sample = {.device = 1, .server = slot, .duration_s = 1.0, .set_bps = 5.0};
        if (rc == 0)
            rc = recorder_link_samples(recorder, &sample, 1);
    }
    const struct db_episode episode = scratch_episode(0);
    const struct db_checkpoint checkpoint = {.weights = "weights",
                                             .weights_size = 7,
                                             .learner = "the learner's state",
                                             .learner_size = 19,
                                             .validation_cost = 1.25};
    const struct db_experience experience = {.count = 2, .bytes = "experience", .size = 10};
    if (rc == 0)
        rc = recorder_episode(recorder, &episode, learns ? &checkpoint : NULL, learns ? &experience : NULL);
    return rc != 0 ? rc : recorder_surrogate(recorder, "a table of numbers\n");
}

static void record_whole(const char *path, enum db_run_kind kind)
{
    struct recorder *recorder = NULL;
    struct diag diag = {{0}};
    const struct db_run run = make_run(kind);
    const struct db_node node[] = {make_node(0), make_node(1), make_node(2)};
    int64_t run_id;
    int rc = recorder_create(&recorder, path, &run, node, 3, &run_id, &diag);
    if (rc == 0)
        rc = record(recorder, kind == DB_RUN_TRAIN);
    if (rc == 0)
        rc = recorder_close(recorder, DB_FINISHED, kind != DB_RUN_TWIN, "the machine was busy", NULL, &diag);
    if (rc != 0)
        fail_msg("%s", diag.text);
}

static const struct db_sweep a_sweep = {
    .name = "paper", .text = "name: paper\nseeds: 1..3\n", .version = "1", .created_utc = "now"};

static struct db_job make_job(uint32_t number)
{
    return (struct db_job){.sweep_id = 1,
                           .number = number,
                           .experiment = "users",
                           .axis = "devices.count",
                           .value = "5",
                           .policy = number == 1 ? "dapo" : "greedy",
                           .sees = "observations",
                           .seed = 7,
                           .settings_json = "{\"devices.count\":\"5\"}",
                           .status = DB_JOB_FAILED,
                           .wall_s = 2.0,
                           .cpu_s = 1.5,
                           .error = number == 3 ? "it fell over" : NULL};
}

static void part_path(const struct fixture *f, char ret_path[static SCRATCH_PATH])
{
    scratch_path(f->scratch, "part.db", ret_path);
}

static void fill(struct fixture *f)
{
    const char *path = f->scratch->file;
    char part[SCRATCH_PATH];
    int64_t id;
    record_whole(path, DB_RUN_TRAIN);
    record_whole(path, DB_RUN_TEST);
    record_whole(path, DB_RUN_TWIN);
    scratch_exec(path, "UPDATE run SET clock = 'real' WHERE run_id = 1");
    part_path(f, part);
    record_whole(part, DB_RUN_TRAIN);
    record_whole(part, DB_RUN_TEST);
    assert_int_equal(experiment_file_open(&f->file, path, DB_READWRITE, NULL), 0);
    struct store *store = f->file.store;
    assert_int_equal(store_insert_sweep(store, &a_sweep, &id, NULL), 0);
    for (uint32_t number = 1; number <= 3; number++) {
        const struct db_job job = make_job(number);
        assert_int_equal(store_insert_job(store, &job, NULL), 0);
        if (number > 1)
            assert_int_equal(store_start_job(store, &job, "host:1", "now", NULL), 0);
    }
    const struct db_job failed = make_job(3), done = make_job(2);
    const struct store_part taken = {.path = part, .tasks = true, .validation = true};
    assert_int_equal(store_end_job(store, &failed, "later", NULL), 0);
    assert_int_equal(store_merge_part(store, &done, &taken, "later", NULL), 0);
    assert_int_equal(experiment_file_close(&f->file, NULL), 0);
    scratch_query(path, everything, f->before, sizeof f->before);
}

static int set_up(void **state)
{
    static struct fixture f;
    void *scratch = NULL;
    f = (struct fixture){.mode = DB_READ};
    if (scratch_setup(&scratch) != 0)
        return -1;
    f.scratch = scratch;
    *state = &f;
    fill(&f);
    f.size = scratch_size(f.scratch->file);
    f.prepared = malloc(f.size);
    FILE *file = fopen(f.scratch->file, "rb");
    bool read = file != NULL && f.prepared != NULL && fread(f.prepared, 1, f.size, file) == f.size;
    return read && fclose(file) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    void *scratch = f->scratch;
    free(f->prepared);
    return scratch_teardown(&scratch);
}

/* ---- a work on it ---- */

static void renew(void *user)
{
    struct fixture *f = user;
    scratch_write(f->scratch->file, f->prepared, f->size);
}

static void open_renewed(void *user)
{
    struct fixture *f = user;
    if (!f->is_read)
        renew(f);
    assert_int_equal(experiment_file_open(&f->file, f->scratch->file, f->mode, NULL), 0);
}

/* A write that has failed has written nothing. */
static void look(void *user, int rc, struct scarce_text *ret_given)
{
    struct fixture *f = user;
    static char after[sizeof f->before];
    scratch_query(f->scratch->file, everything, after, sizeof after);
    if (rc != 0)
        assert_string_equal(after, f->before);
    scarce_tell(ret_given, "%s\n", after);
}

static void close_renewed(void *user, int rc, struct scarce_text *ret_given)
{
    struct fixture *f = user;
    assert_int_equal(experiment_file_close(&f->file, NULL), 0);
    if (!f->is_read)
        look(f, rc, ret_given);
}

typedef int work(void *user, struct scarce_text *ret_given, struct diag *diag);

static void try_reading(struct fixture *f, const char *name, work *run)
{
    const struct scarce_work reading = {
        .name = name, .prepare = open_renewed, .run = run, .end = close_renewed, .user = f};
    f->mode = DB_READ;
    f->is_read = true;
    scarce_try(&reading);
}

/* Checks in SQL that run out of memory look like broken ones. */
static void try_writing(struct fixture *f, const char *name, work *run)
{
    const struct scarce_work writing = {.name = name,
                                        .prepare = open_renewed,
                                        .run = run,
                                        .end = close_renewed,
                                        .user = f,
                                        .also = ERR_DATABASE};
    f->mode = DB_READWRITE;
    f->is_read = false;
    scarce_try(&writing);
}

#define STORE(user) (((struct fixture *) (user))->file.store)

/* ---- reading ---- */

static const char *or_none(const char *text)
{
    return text != NULL ? text : "none";
}

static int tell_run(void *user, const struct db_run *run)
{
    scarce_tell(user, "%lld %s %s %s %s %s %s %s %s %s %s %s %s %s %d %d %lld\n", (long long) run->run_id,
                or_none(run->scenario_name), or_none(run->scenario), or_none(run->config_json),
                or_none(run->policy), or_none(run->host), or_none(run->version), or_none(run->cpu),
                or_none(run->started_utc), or_none(run->untrusted_reason), or_none(run->policy_sees),
                or_none(run->vector_path), or_none(run->libc), or_none(run->surrogate), (int) run->kind,
                (int) run->status, (long long) run->updates);
    return 0;
}

static int read_run(void *user, struct scarce_text *given, struct diag *diag)
{
    struct db_run run;
    struct buf arena = {0};
    int rc = store_read_run(STORE(user), 0, &run, &arena, diag);
    if (rc == 0)
        rc = tell_run(given, &run);
    buf_finish(&arena);
    return rc;
}

static int read_runs(void *user, struct scarce_text *given, struct diag *diag)
{
    return store_each_run(STORE(user), tell_run, given, diag);
}

static int read_prompt(void *user, struct scarce_text *given, struct diag *diag)
{
    struct buf tokens = {0}, bytes = {0};
    int rc = store_read_prompt(STORE(user), 1, &tokens, &bytes, diag);
    for (size_t i = 0; i < tokens.size && rc == 0; i++)
        scarce_tell(given, "%u ", ((const unsigned char *) tokens.data)[i]);
    for (size_t i = 0; i < bytes.size && rc == 0; i++)
        scarce_tell(given, "%u ", ((const unsigned char *) bytes.data)[i]);
    buf_finish(&tokens);
    buf_finish(&bytes);
    return rc;
}

static int tell_node(void *user, const struct db_node *node)
{
    scarce_tell(user, "%d %u %s %g", (int) node->is_server, node->number, or_none(node->address),
                node->flops);
    for (size_t i = 0; i < node->request_count; i++)
        scarce_tell(user, " %u", node->requests[i]);
    return 0;
}

static int read_nodes(void *user, struct scarce_text *given, struct diag *diag)
{
    return store_each_node(STORE(user), 1, tell_node, given, diag);
}

static int tell_task(void *user, const struct db_task *task)
{
    scarce_tell(user, "%u %u %u %g %g %d\n", task->episode, task->slot, task->device, task->latency_s,
                task->cost, (int) task->status);
    return 0;
}

static int read_tasks(void *user, struct scarce_text *given, struct diag *diag)
{
    return store_each_task(STORE(user), 1, tell_task, given, diag);
}

static int read_tasks_one_at_a_time(void *user, struct scarce_text *given, struct diag *diag)
{
    struct db_task task;
    int rc;
    store_tasks_open(STORE(user), 1);
    while ((rc = store_tasks_next(STORE(user), &task, diag)) == 1)
        (void) tell_task(given, &task);
    return rc;
}

static int read_answers(void *user, struct scarce_text *given, struct diag *diag)
{
    struct db_answer answer;
    int rc;
    store_answers_open(STORE(user), 1);
    while ((rc = store_answers_next(STORE(user), &answer, diag)) == 1)
        scarce_tell(given, "%u %u %u %u %u\n", answer.slot, answer.device, answer.tokens, answer.token[0],
                    answer.token[1]);
    return rc;
}

static int tell_event(void *user, const struct db_event *event)
{
    scarce_tell(user, "%u %d %d %s\n", event->slot, (int) event->kind, (int) event->role, event->detail);
    return 0;
}

static int read_events(void *user, struct scarce_text *given, struct diag *diag)
{
    return store_each_event(STORE(user), 1, tell_event, given, diag);
}

static int tell_twin_part(void *user, const struct db_twin_part *part)
{
    scarce_tell(user, "%s %llu %g\n", part->part, (unsigned long long) part->tasks, part->real_mean);
    return 0;
}

static int read_twin_parts(void *user, struct scarce_text *given, struct diag *diag)
{
    return store_each_twin_part(STORE(user), 1, tell_twin_part, given, diag);
}

static int tell_checkpoint(void *user, const struct db_checkpoint *checkpoint)
{
    scarce_tell(user, "%u %g\n", checkpoint->episode, checkpoint->validation_cost);
    return 0;
}

static int read_checkpoints(void *user, struct scarce_text *given, struct diag *diag)
{
    return store_each_checkpoint(STORE(user), 1, tell_checkpoint, given, diag);
}

static int read_weights(void *user, struct scarce_text *given, struct diag *diag)
{
    struct db_checkpoint checkpoint;
    struct buf weights = {0};
    int rc = store_read_checkpoint(STORE(user), 1, -1, &checkpoint, &weights, diag);
    if (rc == 0)
        scarce_tell(given, "%u %.*s", checkpoint.episode, (int) weights.size, (const char *) weights.data);
    buf_finish(&weights);
    return rc;
}

static int read_learner(void *user, struct scarce_text *given, struct diag *diag)
{
    struct db_checkpoint checkpoint;
    struct buf learner = {0};
    int rc = store_read_learner(STORE(user), 1, &checkpoint, &learner, diag);
    if (rc == 0)
        scarce_tell(given, "%u %.*s", checkpoint.episode, (int) learner.size, (const char *) learner.data);
    buf_finish(&learner);
    return rc;
}

static int tell_experience(void *user, const struct db_experience *experience)
{
    scarce_tell(user, "%u %.*s\n", experience->episode, (int) experience->size,
                (const char *) experience->bytes);
    return 0;
}

static int read_experience(void *user, struct scarce_text *given, struct diag *diag)
{
    return store_each_experience(STORE(user), 1, tell_experience, given, diag);
}

static int read_progress(void *user, struct scarce_text *given, struct diag *diag)
{
    struct db_progress progress = {0};
    double elapsed_s = 0.0;
    int rc = store_read_progress(STORE(user), 1, 2, &progress, diag);
    if (rc == 0)
        rc = store_read_elapsed(STORE(user), 1, 0, &elapsed_s, diag);
    scarce_tell(given, "%lld %lld %g", (long long) progress.last_episode, (long long) progress.last_learner,
                elapsed_s);
    return rc;
}

static int find_sweep(void *user, struct scarce_text *given, struct diag *diag)
{
    struct buf text = {0};
    int64_t id = -5;
    int rc = store_find_sweep(STORE(user), "paper", &id, &text, diag);
    if (rc == 0)
        scarce_tell(given, "%lld %s", (long long) id, (const char *) text.data);
    buf_finish(&text);
    return rc;
}

static int tell_job(void *user, const struct db_job *job)
{
    scarce_tell(user, "%u %s %s %s %s %s %s %s %d\n", job->number, job->experiment, job->axis, job->value,
                job->policy, job->sees, job->settings_json, or_none(job->error), (int) job->status);
    return 0;
}

static int read_jobs(void *user, struct scarce_text *given, struct diag *diag)
{
    return store_each_job(STORE(user), 1, tell_job, given, diag);
}

static const struct {
    const char *name;
    work *run;
} readings[] = {
    {"a run", read_run},
    {"runs", read_runs},
    {"a prompt", read_prompt},
    {"nodes", read_nodes},
    {"tasks", read_tasks},
    {"tasks, one at a time", read_tasks_one_at_a_time},
    {"answers", read_answers},
    {"events", read_events},
    {"twin parts", read_twin_parts},
    {"checkpoints", read_checkpoints},
    {"weights", read_weights},
    {"a learner", read_learner},
    {"experience", read_experience},
    {"progress", read_progress},
    {"a sweep", find_sweep},
    {"jobs", read_jobs},
};

static void what_is_read_is_whole_or_refused(void **state)
{
    for (size_t i = 0; i < sizeof readings / sizeof *readings; i++)
        try_reading(*state, readings[i].name, readings[i].run);
}

/* ---- results ---- */

static int tell_outcome(void *user, const struct db_outcome *outcome)
{
    scarce_tell(user, "%s %s %s %s %s %s %s %s %g %g\n", outcome->sweep, outcome->experiment, outcome->axis,
                outcome->value, outcome->policy, or_none(outcome->sees), or_none(outcome->scenario),
                or_none(outcome->arithmetic), outcome->mean_cost, outcome->mean_return);
    return 0;
}

static int read_outcomes(void *user, struct scarce_text *given, struct diag *diag)
{
    return results_each_outcome(STORE(user), tell_outcome, given, diag);
}

static int read_evaluations(void *user, struct scarce_text *given, struct diag *diag)
{
    return results_each_evaluation(STORE(user), tell_outcome, given, diag);
}

static int tell_curve_point(void *user, const struct db_curve_point *point)
{
    scarce_tell(user, "%s %s %s %s %s %g\n", point->sweep, point->experiment, point->axis, point->value,
                point->policy, point->mean_cost);
    return 0;
}

static int read_curve(void *user, struct scarce_text *given, struct diag *diag)
{
    return results_each_curve_point(STORE(user), tell_curve_point, given, diag);
}

static int tell_sweep(void *user, const struct db_sweep *sweep)
{
    scarce_tell(user, "%s %s %s %s\n", sweep->name, sweep->text, sweep->version, sweep->created_utc);
    return 0;
}

static int read_sweeps(void *user, struct scarce_text *given, struct diag *diag)
{
    return results_each_sweep(STORE(user), tell_sweep, given, diag);
}

static int tell_count(void *user, const struct db_job_count *count)
{
    scarce_tell(user, "%s %s %s %lld\n", count->sweep, count->status, or_none(count->error),
                (long long) count->jobs);
    return 0;
}

static int read_counts(void *user, struct scarce_text *given, struct diag *diag)
{
    return results_each_job_count(STORE(user), tell_count, given, diag);
}

static int tell_origin(void *user, const struct db_origin *origin)
{
    scarce_tell(user, "%s %s %s %s %lld\n", origin->version, origin->cpu, origin->first_utc, origin->last_utc,
                (long long) origin->runs);
    return 0;
}

static int read_origins(void *user, struct scarce_text *given, struct diag *diag)
{
    return results_each_origin(STORE(user), tell_origin, given, diag);
}

static int tell_unfinished(void *user, int64_t run_id)
{
    scarce_tell(user, "%lld\n", (long long) run_id);
    return 0;
}

static int read_unfinished(void *user, struct scarce_text *given, struct diag *diag)
{
    return results_each_unfinished(STORE(user), tell_unfinished, given, diag);
}

static int tell_numbers(void *user, const double *value, size_t columns)
{
    for (size_t i = 0; i < columns; i++)
        scarce_tell(user, "%g%s", value[i], i + 1 < columns ? " " : "\n");
    return 0;
}

static int read_numbers(void *user, struct scarce_text *given, struct diag *diag)
{
    static const char *const queries[] = {"returns",   "has_tasks",       "latencies",          "channels",
                                          "qualities", "split_histogram", "devices_of_servers", "tracks",
                                          "sites"};
    int rc = 0;
    for (size_t i = 0; i < sizeof queries / sizeof *queries && rc == 0; i++)
        rc = results_each_numbers(STORE(user), queries[i], 1, tell_numbers, given, diag);
    return rc;
}

static void results_are_whole_or_refused(void **state)
{
    try_reading(*state, "outcomes", read_outcomes);
    try_reading(*state, "evaluations", read_evaluations);
    try_reading(*state, "a curve", read_curve);
    try_reading(*state, "sweeps", read_sweeps);
    try_reading(*state, "counts of jobs", read_counts);
    try_reading(*state, "origins", read_origins);
    try_reading(*state, "unfinished tests", read_unfinished);
    try_reading(*state, "numbers", read_numbers);
}

/* ---- queries as text ---- */

static const char *asked;

typedef int asking(struct store *store, const char *sql, int64_t parameter, struct buf *text,
                   struct diag *diag);

static int ask(void *user, asking *query, struct scarce_text *given, struct diag *diag)
{
    struct buf text = {0};
    int rc = query(STORE(user), asked, 1, &text, diag);
    if (rc == 0)
        scarce_tell(given, "%.*s", (int) text.size, (const char *) text.data);
    buf_finish(&text);
    return rc;
}

static int ask_json(void *user, struct scarce_text *given, struct diag *diag)
{
    return ask(user, store_query_json, given, diag);
}

static int ask_table(void *user, struct scarce_text *given, struct diag *diag)
{
    return ask(user, store_query_table, given, diag);
}

static int ask_csv(void *user, struct scarce_text *given, struct diag *diag)
{
    return ask(user, store_query_csv, given, diag);
}

static int gather(void *user, const void *bytes, size_t size)
{
    scarce_tell(user, "%.*s", (int) size, (const char *) bytes);
    return 0;
}

/* Pieces that went out before an error stay out. */
static int stream_json(void *user, struct scarce_text *given, struct diag *diag)
{
    return store_stream_json(STORE(user), asked, 1, gather, given, diag);
}

static int stream_csv(void *user, struct scarce_text *given, struct diag *diag)
{
    return store_stream_csv(STORE(user), asked, 1, gather, given, diag);
}

static void answers_to_queries_are_whole_or_refused(void **state)
{
    static const char *const queries[] = {
        "SELECT ?1 AS n, 0.1 AS share, 'a,\"b\"' AS text, NULL AS empty",
        "SELECT run_id, policy, scenario, started_utc AS utc FROM run",
    };
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        asked = queries[i];
        try_reading(*state, asked, ask_json);
        try_reading(*state, asked, ask_table);
        try_reading(*state, asked, ask_csv);
        try_reading(*state, asked, stream_json);
        try_reading(*state, asked, stream_csv);
    }
}

/* ---- writing ---- */

static int insert_run(void *user, struct scarce_text *given, struct diag *diag)
{
    const struct db_run run = make_run(DB_RUN_TRAIN);
    int64_t id = 0;
    int rc = store_insert_run(STORE(user), &run, &id, diag);
    scarce_tell(given, "%lld\n", (long long) id);
    return rc;
}

static int finish_run(void *user, struct scarce_text *given, struct diag *diag)
{
    (void) given;
    return store_finish_run(STORE(user), 1, DB_ABORTED, false, "somebody has broken it off", diag);
}

static int insert_node(void *user, struct scarce_text *given, struct diag *diag)
{
    struct db_node node = make_node(0);
    (void) given;
    node.run_id = 1;
    node.number = 5;
    return store_insert_node(STORE(user), &node, diag);
}

static int insert_event(void *user, struct scarce_text *given, struct diag *diag)
{
    struct db_event event = scratch_event(DB_EVENT_FAULT);
    (void) given;
    event.run_id = 1;
    event.detail = "another reason, which nobody has heard yet";
    return store_insert_event(STORE(user), &event, diag);
}

static int insert_checkpoint(void *user, struct scarce_text *given, struct diag *diag)
{
    const struct db_checkpoint checkpoint = {
        .run_id = 1, .episode = 9, .weights = "other weights", .weights_size = 13, .validation_cost = 0.5};
    (void) given;
    return store_insert_checkpoint(STORE(user), &checkpoint, diag);
}

static int set_surrogate(void *user, struct scarce_text *given, struct diag *diag)
{
    (void) given;
    return store_set_surrogate(STORE(user), 2, "another table\n", diag);
}

static int insert_sweep(void *user, struct scarce_text *given, struct diag *diag)
{
    struct db_sweep sweep = a_sweep;
    int64_t id = 0;
    sweep.name = "quick";
    int rc = store_insert_sweep(STORE(user), &sweep, &id, diag);
    scarce_tell(given, "%lld\n", (long long) id);
    return rc;
}

static int insert_job(void *user, struct scarce_text *given, struct diag *diag)
{
    const struct db_job job = make_job(4);
    (void) given;
    return store_insert_job(STORE(user), &job, diag);
}

static int start_job(void *user, struct scarce_text *given, struct diag *diag)
{
    const struct db_job job = make_job(1);
    (void) given;
    return store_start_job(STORE(user), &job, "a host with a long name:4711", "2026-01-02T03:04:05Z", diag);
}

static int end_job(void *user, struct scarce_text *given, struct diag *diag)
{
    struct db_job job = make_job(1);
    (void) given;
    job.error = "a reason of some length";
    return store_end_job(STORE(user), &job, "later", diag);
}

static int merge_part(void *user, struct scarce_text *given, struct diag *diag)
{
    const struct fixture *f = user;
    char path[SCRATCH_PATH];
    const struct db_job job = make_job(1);
    (void) given;
    part_path(f, path);
    const struct store_part part = {.path = path, .tasks = true, .validation = true};
    return store_merge_part(f->file.store, &job, &part, "later", diag);
}

static int remove_run(void *user, struct scarce_text *given, struct diag *diag)
{
    struct fixture *f = user;
    struct removal removal = {0};
    const int64_t run_id = 2;
    uint64_t rows = 0;
    int rc = db_begin(&f->file.db, diag);
    if (rc != 0)
        return rc;
    rc = removal_plan(&removal, &f->file.db, &run_id, 1, diag);
    if (rc == 0)
        rc = removal_check(&removal, true, "--all", diag);
    if (rc == 0)
        rc = removal_carry_out(&removal, NULL, NULL, &rows, diag);
    if (rc == 0)
        rc = db_commit(&f->file.db, diag);
    if (rc != 0)
        db_rollback(&f->file.db);
    removal_finish(&removal);
    scarce_tell(given, "%llu\n", (unsigned long long) rows);
    return rc;
}

static const struct {
    const char *name;
    work *run;
} writings[] = {
    {"a run", insert_run},
    {"a run's end", finish_run},
    {"a node", insert_node},
    {"an event", insert_event},
    {"a checkpoint", insert_checkpoint},
    {"a surrogate", set_surrogate},
    {"a sweep", insert_sweep},
    {"a job", insert_job},
    {"a job's start", start_job},
    {"a job's end", end_job},
    {"a part", merge_part},
    {"a removal", remove_run},
};

static void what_is_written_is_whole_or_not_there(void **state)
{
    for (size_t i = 0; i < sizeof writings / sizeof *writings; i++)
        try_writing(*state, writings[i].name, writings[i].run);
}

/* ---- files and the recorder ---- */

static int open_file(void *user, struct scarce_text *given, struct diag *diag)
{
    struct fixture *f = user;
    (void) given;
    return experiment_file_open(&f->file, f->scratch->file, f->mode, diag);
}

static void close_if_open(void *user, int rc, struct scarce_text *given)
{
    struct fixture *f = user;
    if (rc == 0)
        assert_int_equal(experiment_file_close(&f->file, NULL), 0);
    look(f, 1, given); /* as it was, whatever happened */
}

static void a_file_is_open_or_it_is_said_why_not(void **state)
{
    struct fixture *f = *state;
    const struct scarce_work opening = {
        .name = "a file", .prepare = renew, .run = open_file, .end = close_if_open, .user = f, .least = 50};
    f->mode = DB_READ;
    scarce_try(&opening);
}

static int create_recorder(void *user, struct scarce_text *given, struct diag *diag)
{
    struct fixture *f = user;
    const struct db_run run = make_run(DB_RUN_TRAIN);
    const struct db_node node[] = {make_node(0), make_node(1), make_node(2)};
    int64_t run_id = 0;
    int rc = recorder_create(&f->recorder, f->scratch->file, &run, node, 3, &run_id, diag);
    if (rc == 0)
        scarce_tell(given, "%lld\n", (long long) run_id);
    return rc;
}

static void close_recorder(void *user, int rc, struct scarce_text *given)
{
    struct fixture *f = user;
    (void) given;
    if (rc == 0)
        assert_int_equal(recorder_close(f->recorder, DB_FINISHED, true, NULL, NULL, NULL), 0);
    look(f, rc, given);
}

static void a_recorder_is_there_or_it_is_said_why_not(void **state)
{
    const struct scarce_work creating = {.name = "a recorder",
                                         .prepare = renew,
                                         .run = create_recorder,
                                         .end = close_recorder,
                                         .user = *state,
                                         .least = 50};
    scarce_try(&creating);
}

static void create_renewed(void *user)
{
    struct fixture *f = user;
    struct scarce_text *given = malloc(sizeof *given);
    assert_non_null(given);
    given->size = 0;
    renew(f);
    assert_int_equal(create_recorder(f, given, NULL), 0);
    free(given);
}

/* The rows are handed over, written by the recorder's thread, and the file is closed. */
static int record_and_close(void *user, struct scarce_text *given, struct diag *diag)
{
    struct fixture *f = user;
    (void) given;
    int rc = record(f->recorder, true);
    int closed = recorder_close(f->recorder, DB_FINISHED, true, NULL, NULL, diag);
    if (rc != 0 && closed == 0)
        (void) diag_fail(diag, rc, "the recorder has refused a row");
    return rc != 0 ? rc : closed;
}

static void look_if_written(void *user, int rc, struct scarce_text *given)
{
    if (rc == 0)
        look(user, 0, given);
}

static void rows_are_recorded_or_it_is_said_that_they_are_not(void **state)
{
    const struct scarce_work recording = {.name = "rows",
                                          .prepare = create_renewed,
                                          .run = record_and_close,
                                          .end = look_if_written,
                                          .user = *state,
                                          .least = 10};
    scarce_try(&recording);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_whole_or_refused),
        cmocka_unit_test(results_are_whole_or_refused),
        cmocka_unit_test(answers_to_queries_are_whole_or_refused),
        cmocka_unit_test(what_is_written_is_whole_or_not_there),
        cmocka_unit_test(a_file_is_open_or_it_is_said_why_not),
        cmocka_unit_test(a_recorder_is_there_or_it_is_said_why_not),
        cmocka_unit_test(rows_are_recorded_or_it_is_said_that_they_are_not),
    };
    return cmocka_run_group_tests_name("db memory", tests, set_up, tear_down);
}
