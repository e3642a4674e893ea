#include "proto/node/compute_jobs.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/process.h"
#include "core/base/units.h"
#include "proto/node/real_time.h"

/* While its job is in a batch, the thread alone uses the pass. */
struct compute_series {
    bool has_job, destroyed;   /* destroyed: with its job */
    uint32_t rows;             /* of its jobs so far */
    struct compute_pass *pass; /* NULL: none of them has been in a batch */
};

/* While a job is in a batch, the thread alone uses its task's bytes and its result. */
struct compute_job {
    struct compute_jobs *jobs;
    struct compute_job *next; /* that waits behind it */
    struct compute_job_task task;
    struct compute_origin origin; /* that task.origin points to, where there is one */
    uint32_t from;                /* its first row's number */
    bool in_batch, dropped;
    struct compute_pass *pass; /* in a batch: its own, or its series' */
    struct diag reason;
    struct compute_job_result result;
};

struct compute_jobs {
    struct wire_loop *loop;
    const struct world *world;
    struct compute *engine;
    struct compute_job *waiting, **waiting_end;
    uv_work_t work;
    bool busy; /* a batch is the thread's, or has not been handed back by the loop */
    bool calling, closed;
    uv_mutex_t lock;
    uv_cond_t over; /* `running` has become false */
    bool running;
    size_t count;
    struct compute_job *batch[COMPUTE_STEPS_MAX];
    struct compute_step step[COMPUTE_STEPS_MAX];
};

/* ---- on the thread ---- */

static void fail(struct compute_job *job, int code, const struct diag *diag, bool is_ours)
{
    job->result.code = code;
    job->result.is_ours = is_ours;
    job->reason = *diag;
}

static uint32_t layers_of(const struct compute_jobs *jobs)
{
    return jobs->world->llm->layers;
}

static bool has_last_row(const struct compute_job *job)
{
    return job->from + job->task.rows == job->task.tokens;
}

/* Bytes that the job's layers give. */
static size_t out_bytes(const struct compute_jobs *jobs, const struct compute_job *job)
{
    const struct compute_job_task *task = &job->task;
    if (task->last < layers_of(jobs))
        return compute_bytes(jobs->world, task->last, task->rows, task->coding);
    return task->encodes_row && has_last_row(job) ? compute_row_bytes(jobs->world, task->coding) : 0;
}

/* The job's pass: that of its series, or a new one. */
static int find_pass(struct compute_jobs *jobs, struct compute_job *job, struct diag *diag)
{
    const struct compute_job_task *task = &job->task;
    const struct compute_part part = {.first = task->first,
                                      .last = task->last,
                                      .tokens = task->tokens,
                                      .coding = task->coding,
                                      .origin = task->origin};
    struct compute_pass **pass = task->series != NULL ? &task->series->pass : &job->pass;
    int rc = *pass == NULL ? compute_pass_create(pass, jobs->engine, &part, diag) : 0;
    job->pass = *pass;
    return rc;
}

/* Makes the job's step. False: the job has failed. */
static bool begin_step(struct compute_jobs *jobs, struct compute_job *job, struct compute_step *step)
{
    const struct compute_job_task *task = &job->task;
    struct diag diag = {0};
    int rc = find_pass(jobs, job, &diag);
    size_t size = rc == 0 ? out_bytes(jobs, job) : 0;
    if (size > 0) {
        job->result.out = shared_bytes_create(size);
        rc = job->result.out == NULL ? diag_fail(&diag, -ENOMEM, "a task's activations: out of memory") : 0;
    }
    if (rc != 0) {
        fail(job, rc, &diag, rc == -ENOMEM);
        return false;
    }
    *step = (struct compute_step){
        .pass = job->pass,
        .from = job->from,
        .rows = task->rows,
        .in = task->in->data,
        .in_size = task->in->size,
        .out = size > 0 ? job->result.out->data : NULL,
        .out_size = size,
    };
    return true;
}

static void apply_head(struct compute_jobs *jobs, struct compute_job *job)
{
    const struct shared_bytes *last = job->task.first == job->task.last ? job->task.in : job->result.out;
    const struct compute_row row = {last->data, last->size, job->task.coding};
    struct diag diag = {0};
    int rc = compute_head(jobs->engine, &row, &job->result.answer, &diag);
    if (rc != 0)
        fail(job, rc, &diag, rc == -ENOMEM);
}

static void end_step(struct compute_jobs *jobs, struct compute_job *job, const struct compute_step *step)
{
    const struct compute_job_task *task = &job->task;
    if (step->code != 0)
        fail(job, step->code, &step->reason, step->code == -ENOMEM);
    else if (!has_last_row(job))
        return;
    else if (task->applies_head)
        apply_head(jobs, job);
    else if (task->last == layers_of(jobs) && !task->encodes_row)
        (void) compute_pass_answer(job->pass, &job->result.answer); /* all rows have gone through */
}

/* Each job's part of the time that its batch took, by rows and layers. */
static void share_seconds(struct compute_job *const *job, size_t count, double seconds)
{
    double all = 0.0;
    for (size_t i = 0; i < count; i++)
        all += (double) job[i]->task.rows * (job[i]->task.last - job[i]->task.first);
    for (size_t i = 0; i < count; i++)
        job[i]->result.seconds = seconds * job[i]->task.rows * (job[i]->task.last - job[i]->task.first) / all;
}

static void run_layers(struct compute_jobs *jobs)
{
    struct compute_job *job[COMPUTE_STEPS_MAX];
    struct diag diag = {0};
    size_t count = 0;
    uint64_t begin_ns = clock_monotonic_ns();
    for (size_t i = 0; i < jobs->count; i++) {
        bool has_layers = jobs->batch[i]->task.first < jobs->batch[i]->task.last;
        if (has_layers && begin_step(jobs, jobs->batch[i], &jobs->step[count]))
            job[count++] = jobs->batch[i];
    }
    if (count == 0)
        return;
    int rc = compute_run(jobs->engine, jobs->step, count, &diag);
    for (size_t i = 0; i < count; i++) {
        if (rc != 0)
            fail(job[i], rc, &diag, true);
        else
            end_step(jobs, job[i], &jobs->step[i]);
    }
    share_seconds(job, count, units_ns_to_s(clock_monotonic_ns() - begin_ns));
}

static void on_work(uv_work_t *work)
{
    struct compute_jobs *jobs = work->data;
    if (real_time_is_kept(&jobs->world->scenario))
        process_let_others_first(); /* event loops keep the time */
    run_layers(jobs);
    for (size_t i = 0; i < jobs->count; i++) {
        struct compute_job *job = jobs->batch[i];
        uint64_t begin_ns = clock_monotonic_ns();
        if (job->task.first == job->task.last) {
            apply_head(jobs, job);
            job->result.seconds = units_ns_to_s(clock_monotonic_ns() - begin_ns);
        }
        if (job->task.series == NULL)
            compute_pass_destroy(job->pass);
        job->result.end_ns = clock_monotonic_ns();
    }
    uv_mutex_lock(&jobs->lock);
    jobs->running = false;
    uv_cond_signal(&jobs->over);
    uv_mutex_unlock(&jobs->lock);
}

/* ---- on the loop ---- */

struct compute_series *compute_series_create(void)
{
    return calloc(1, sizeof(struct compute_series));
}

void compute_series_destroy(struct compute_series *series)
{
    if (series == NULL)
        return;
    series->destroyed = true;
    if (series->has_job)
        return; /* leave_series */
    compute_pass_destroy(series->pass);
    free(series);
}

/* The job is over for its series. */
static void leave_series(struct compute_job *job)
{
    struct compute_series *series = job->task.series;
    if (series == NULL)
        return;
    job->task.series = NULL;
    series->has_job = false;
    if (series->destroyed)
        compute_series_destroy(series);
}

static void free_job(struct compute_job *job)
{
    leave_series(job);
    shared_bytes_give(job->task.in);
    shared_bytes_give(job->result.out);
    free(job);
}

static void free_pool(struct compute_jobs *jobs)
{
    uv_cond_destroy(&jobs->over);
    uv_mutex_destroy(&jobs->lock);
    free(jobs);
}

static void begin_batch(struct compute_jobs *jobs);

/* Calls back, unless an earlier callback has dropped the job or closed the pool. */
static void end_job(struct compute_job *job)
{
    job->result.reason = diag_text(&job->reason, job->result.code);
    if (!job->dropped && !job->jobs->closed)
        job->task.on_done(job->task.user, &job->result);
    free_job(job);
}

static void on_worked(uv_work_t *work, int status)
{
    struct compute_jobs *jobs = work->data;
    (void) status; /* it was cancelled only when the pool was closed */
    if (jobs->closed) {
        free_pool(jobs);
        return;
    }
    jobs->busy = false;
    size_t count = jobs->count;
    struct compute_job *done[COMPUTE_STEPS_MAX];
    for (size_t i = 0; i < count; i++) {
        done[i] = jobs->batch[i];
        leave_series(done[i]); /* a callback may close the pool, or start the next of the series */
    }
    jobs->count = 0;
    begin_batch(jobs); /* the next is computed while callbacks send what this one gave */
    jobs->calling = true;
    for (size_t i = 0; i < count; i++)
        end_job(done[i]);
    jobs->calling = false;
    if (jobs->closed && !jobs->busy) /* by a callback */
        free_pool(jobs);
}

static void begin_batch(struct compute_jobs *jobs)
{
    size_t most = (size_t) jobs->world->scenario.compute.batch;
    assert(!jobs->busy && jobs->count == 0 && most >= 1 && most <= COMPUTE_STEPS_MAX);
    while (jobs->waiting != NULL && jobs->count < most) {
        struct compute_job *job = jobs->waiting;
        jobs->waiting = job->next;
        job->next = NULL;
        job->in_batch = true;
        jobs->batch[jobs->count++] = job;
    }
    if (jobs->waiting == NULL)
        jobs->waiting_end = &jobs->waiting;
    if (jobs->count == 0)
        return;
    jobs->busy = jobs->running = true;
    int rc = uv_queue_work(&jobs->loop->uv, &jobs->work, on_work, on_worked);
    assert(rc == 0); /* fails only without a function */
    (void) rc;
}

int compute_jobs_open(struct compute_jobs **ret_jobs, struct wire_loop *loop, const struct world *world,
                      const char *path, struct diag *diag)
{
    struct compute_jobs *jobs = calloc(1, sizeof *jobs);
    if (jobs == NULL)
        return diag_fail(diag, -ENOMEM, "computations: out of memory");
    process_keep_no_spare_memory(); /* before a thread has a heap of its own */
    jobs->loop = loop;
    jobs->world = world;
    jobs->waiting_end = &jobs->waiting;
    jobs->work.data = jobs;
    int rc = compute_open(&jobs->engine, world, path, diag);
    if (rc != 0) {
        free(jobs);
        return rc;
    }
    bool made = uv_mutex_init(&jobs->lock) == 0;
    if (!made || uv_cond_init(&jobs->over) != 0) {
        if (made)
            uv_mutex_destroy(&jobs->lock);
        compute_close(jobs->engine);
        free(jobs);
        return diag_fail(diag, -ENOMEM, "computations: out of memory");
    }
    *ret_jobs = jobs;
    return 0;
}

/* Until the thread has done with the batch, if it has begun it. */
static void wait_for_thread(struct compute_jobs *jobs)
{
    if (!jobs->busy || uv_cancel((uv_req_t *) &jobs->work) == 0)
        return;
    uv_mutex_lock(&jobs->lock);
    while (jobs->running)
        uv_cond_wait(&jobs->over, &jobs->lock);
    uv_mutex_unlock(&jobs->lock);
}

void compute_jobs_close(struct compute_jobs *jobs)
{
    if (jobs == NULL)
        return;
    wait_for_thread(jobs);
    for (size_t i = 0; i < jobs->count; i++)
        free_job(jobs->batch[i]);
    while (jobs->waiting != NULL) {
        struct compute_job *job = jobs->waiting;
        jobs->waiting = job->next;
        free_job(job);
    }
    compute_close(jobs->engine);
    jobs->closed = true;
    if (!jobs->busy && !jobs->calling)
        free_pool(jobs); /* else on_worked frees it */
}

uint32_t compute_jobs_context(const struct compute_jobs *jobs)
{
    return compute_context(jobs->engine);
}

int compute_jobs_load(struct compute_jobs *jobs, uint32_t first, uint32_t last, struct diag *diag)
{
    assert(!jobs->busy);
    return compute_load(jobs->engine, first, last, diag);
}

int compute_jobs_start(struct compute_jobs *jobs, const struct compute_job_task *task,
                       struct compute_job **ret_job)
{
    assert(task->first <= task->last && task->last <= layers_of(jobs) && task->in != NULL);
    assert(!task->encodes_row || task->last == layers_of(jobs));
    assert(task->first < task->last ? !task->applies_head || task->encodes_row : task->applies_head);
    struct compute_series *series = task->series;
    assert(series == NULL || (!series->has_job && task->first < task->last && task->rows > 0));
    struct compute_job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return -ENOMEM;
    job->jobs = jobs;
    job->task = *task;
    job->task.in = shared_bytes_take(task->in);
    if (task->origin != NULL) {
        job->origin = *task->origin;
        job->task.origin = &job->origin;
    }
    if (series != NULL) {
        series->has_job = true;
        job->from = series->rows;
        series->rows += task->rows;
    } else {
        job->task.rows = task->tokens;
    }
    *jobs->waiting_end = job;
    jobs->waiting_end = &job->next;
    if (!jobs->busy)
        begin_batch(jobs);
    *ret_job = job;
    return 0;
}

bool compute_jobs_are_busy(const struct compute_jobs *jobs)
{
    return jobs->busy;
}

void compute_jobs_drop(struct compute_job *job)
{
    if (job == NULL)
        return;
    if (job->in_batch) { /* on_worked frees it */
        job->dropped = true;
        return;
    }
    struct compute_jobs *jobs = job->jobs;
    struct compute_job **place = &jobs->waiting;
    while (*place != job)
        place = &(*place)->next;
    *place = job->next;
    if (job->next == NULL)
        jobs->waiting_end = place;
    free_job(job);
}
