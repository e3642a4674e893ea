#include "orchestrator/sweep/sweep_workers.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/process.h"
#include "core/base/units.h"

/* More workers than any machine has cores. */
#define WORKERS_MAX 1024u

/* What a worker says before it ends: written at once, so that nobody ever waits for the rest. */
struct worker_result {
    int rc;
    struct diag diag;
};
_Static_assert(sizeof(struct worker_result) <= PIPE_BUF, "a pipe takes a report whole");

int sweep_workers_init(struct sweep_workers *ret_workers, size_t size, struct diag *diag)
{
    assert(size > 0);
    *ret_workers = (struct sweep_workers){.size = size < WORKERS_MAX ? size : WORKERS_MAX};
    ret_workers->worker = calloc(ret_workers->size, sizeof *ret_workers->worker);
    return ret_workers->worker != NULL ? 0 : diag_fail(diag, -ENOMEM, "out of memory");
}

/* ---- in the worker ---- */

static _Noreturn void work(const struct sweep_cell_play *what, int pipe, pid_t parent)
{
    struct worker_result report = {.rc = ERR_LOST};
    /* Ctrl-C reaches the whole process group: the parent decides. What it kills with kills at once. */
    (void) signal(SIGINT, SIG_IGN);
    (void) signal(SIGTERM, SIG_DFL);
    if (process_die_with_parent() != 0 || getppid() != parent)
        _exit(PROCESS_LOST);
    log_setup("handoff-orchestrator", LOG_ERROR); /* a grid's faults are no news */
    report.rc = sweep_cell_play(what, &report.diag);
    bool said = write(pipe, &report, sizeof report) == (ssize_t) sizeof report;
    _exit(said ? PROCESS_OK : PROCESS_FAILED);
}

/* ---- in the parent ---- */

int sweep_workers_start(struct sweep_workers *workers, const struct sweep_cell_play *what, char *part,
                        int claim, struct diag *diag)
{
    int ends[2];
    struct sweep_cell_play own = *what;
    assert(workers->count < workers->size);
    own.path = part;
    if (pipe(ends) != 0) {
        free(part);
        return diag_fail(diag, -errno, "cannot start a worker: %s", strerror(errno));
    }
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        (void) close(ends[0]);
        if (claim >= 0)
            (void) close(claim);
        work(&own, ends[1], parent);
    }
    int rc = pid > 0 ? 0 : diag_fail(diag, -errno, "cannot start a worker: %s", strerror(errno));
    (void) close(ends[1]);
    if (rc != 0) {
        (void) close(ends[0]);
        free(part);
        return rc;
    }
    workers->worker[workers->count++] = (struct sweep_worker){
        .pid = pid, .pipe = ends[0], .cell = what->cell, .part = part, .start_ns = clock_monotonic_ns()};
    return 0;
}

static double children_cpu_s(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_CHILDREN, &usage) != 0)
        return 0.0;
    return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static bool read_report(int pipe, struct worker_result *ret_report)
{
    ssize_t size;
    do
        size = read(pipe, ret_report, sizeof *ret_report);
    while (size < 0 && errno == EINTR);
    return size == (ssize_t) sizeof *ret_report;
}

static void tell_death(int status, struct worker_result *ret_report)
{
    *ret_report = (struct worker_result){.rc = ERR_LOST};
    if (WIFSIGNALED(status))
        (void) diag_fail(&ret_report->diag, ERR_LOST, "its worker was ended by signal %d (%s)",
                         WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        (void) diag_fail(&ret_report->diag, ERR_LOST, "its worker ended with status %d and said nothing",
                         WEXITSTATUS(status));
}

/* Takes worker `index` out of the workers; it has said what it had to say, or is dead. */
static void reap(struct sweep_workers *workers, size_t index, struct sweep_end *ret_end)
{
    assert(index < workers->count);
    struct sweep_worker worker = workers->worker[index];
    struct worker_result report;
    int status = 0;
    double before_s = children_cpu_s();
    bool said = read_report(worker.pipe, &report);
    (void) close(worker.pipe);
    while (waitpid(worker.pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (!said)
        tell_death(status, &report);
    *ret_end = (struct sweep_end){
        .cell = worker.cell,
        .part = worker.part,
        .rc = report.rc,
        .diag = report.diag,
        .wall_s = units_ns_to_s(clock_monotonic_ns() - worker.start_ns),
        .cpu_s = children_cpu_s() - before_s, /* of all children it alone was waited for */
    };
    workers->cpu_s += ret_end->cpu_s;
    workers->worker[index] = workers->worker[--workers->count];
}

int sweep_workers_wait(struct sweep_workers *workers, int wait_ms, struct sweep_end *ret_end,
                       struct diag *diag)
{
    struct pollfd file[WORKERS_MAX];
    assert(workers->count <= WORKERS_MAX);
    for (size_t i = 0; i < workers->count; i++)
        file[i] = (struct pollfd){.fd = workers->worker[i].pipe, .events = POLLIN};
    int ready = poll(file, (nfds_t) workers->count, wait_ms);
    if (ready < 0 && errno != EINTR)
        return diag_fail(diag, -errno, "cannot wait for workers: %s", strerror(errno));
    for (size_t i = 0; ready > 0 && i < workers->count; i++)
        if (file[i].revents != 0) {
            reap(workers, i, ret_end);
            return 1;
        }
    return 0;
}

int sweep_workers_stop_one(struct sweep_workers *workers, struct sweep_end *ret_end)
{
    if (workers->count == 0)
        return 0;
    (void) kill(workers->worker[workers->count - 1].pid,
                SIGKILL); /* not waited for yet, so it is still its number */
    reap(workers, workers->count - 1, ret_end);
    return 1;
}

void sweep_workers_finish(struct sweep_workers *workers)
{
    struct sweep_end end;
    while (sweep_workers_stop_one(workers, &end) == 1)
        free(end.part);
    assert(workers->count == 0);
    free(workers->worker);
    workers->worker = NULL;
}
