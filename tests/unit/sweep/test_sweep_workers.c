/* Workers: what comes of a cell that is played, of one that fails, and of one whose worker dies; and who is killed when.
 * A worker waits for as long as a test wants in a pipe that it takes for its scenario's data. */
#include "orchestrator/sweep/sweep_workers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "db/claim.h"
#include "tests/lib/scratch.h"

/* Cell 1 plays at once; cells 2 and 3 read their requests from a pipe. */
#define FILE_TEXT                                                                                            \
    "name: a\nscenario: dapo-quick\nseeds: [4]\n"                                                            \
    "set: {evaluation.test_episodes: 1, evaluation.test_slots: 2}\nexperiments:\n"                           \
    "- {name: plays, policies: [local]}\n"                                                                   \
    "- {name: waits, policies: [local, greedy], set: {task.requests_csv: pipe}}\n"

struct fixture {
    struct scratch *scratch;
    char pipe[SCRATCH_PATH];
    struct sweep_file file;
    struct sweep_grid grid;
    struct sweep_workers workers;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    void *scratch = NULL;
    if (f == NULL || scratch_setup(&scratch) != 0)
        return -1;
    f->scratch = scratch;
    *state = f;
    scratch_path(f->scratch, "pipe", f->pipe);
    if (mkfifo(f->pipe, 0600) != 0 || sweep_workers_init(&f->workers, 2, NULL) != 0 ||
        sweep_file_read(&f->file, FILE_TEXT, strlen(FILE_TEXT), "x.yaml", NULL) != 0)
        return -1;
    return sweep_grid_make(&f->grid, &f->file, NULL);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    void *scratch = f->scratch;
    sweep_workers_finish(&f->workers);
    sweep_grid_finish(&f->grid);
    sweep_file_finish(&f->file);
    free(f);
    return scratch_teardown(&scratch);
}

static void start(struct fixture *f, size_t cell, const char *part, int claim)
{
    char path[SCRATCH_PATH];
    struct diag diag = {{0}};
    const struct sweep_cell_play what = {
        .data = f->scratch->directory, .grid = &f->grid, .cell = &f->grid.cell[cell - 1], .checkpoint = -1};
    scratch_path(f->scratch, part, path);
    if (sweep_workers_start(&f->workers, &what, strdup(path), claim, &diag) != 0)
        fail_msg("%s", diag.text);
}

/* Our end of the pipe, once a worker has opened its own. */
static int meet_worker(const struct fixture *f)
{
    int end = open(f->pipe, O_WRONLY);
    assert_true(end >= 0);
    return end;
}

static void wait_for_end(struct fixture *f, struct sweep_end *ret_end)
{
    struct diag diag = {{0}};
    int rc;
    while ((rc = sweep_workers_wait(&f->workers, -1, ret_end, &diag)) == 0)
        continue; /* a signal came */
    if (rc != 1)
        fail_msg("%s", diag.text);
}

static bool is_gone(pid_t pid)
{
    return waitpid(pid, NULL, WNOHANG) < 0 && errno == ECHILD && kill(pid, 0) != 0 && errno == ESRCH;
}

/* ---- how a cell ends ---- */

static void a_cell_that_is_played_leaves_its_part_and_its_times(void **state)
{
    struct fixture *f = *state;
    struct sweep_end end;
    start(f, 1, "part.db", -1);
    assert_int_equal(f->workers.count, 1);
    pid_t pid = f->workers.worker[0].pid;
    wait_for_end(f, &end);
    assert_int_equal(end.rc, 0);
    assert_string_equal(end.diag.text, "");
    assert_ptr_equal(end.cell, &f->grid.cell[0]);
    assert_non_null(strstr(end.part, "/part.db"));
    assert_true(end.wall_s > 0.0 && end.cpu_s > 0.0);
    assert_true(f->workers.cpu_s == end.cpu_s);
    assert_int_equal(f->workers.count, 0);
    assert_true(is_gone(pid));
    scratch_expect(end.part, "SELECT kind, policy, seed, status FROM run", "test|local|4|finished");
    free(end.part);
}

static void what_went_wrong_comes_with_its_sentence(void **state)
{
    struct fixture *f = *state;
    struct sweep_end end;
    start(f, 1, "nowhere/part.db", -1);
    wait_for_end(f, &end);
    assert_int_not_equal(end.rc, 0);
    assert_int_not_equal(end.rc, ERR_LOST);
    assert_non_null(strstr(end.diag.text, "nowhere/part.db"));
    free(end.part);
}

static void a_worker_that_dies_without_a_word_is_lost_and_it_is_said_how(void **state)
{
    struct fixture *f = *state;
    struct sweep_end end;
    start(f, 2, "part.db", -1);
    (void) kill(f->workers.worker[0].pid, SIGKILL);
    wait_for_end(f, &end);
    assert_int_equal(end.rc, ERR_LOST);
    assert_string_equal(end.diag.text, "its worker was ended by signal 9 (Killed)");
    assert_ptr_equal(end.cell, &f->grid.cell[1]);
    assert_int_equal(f->workers.count, 0);
    free(end.part);
}

/* ---- waiting ---- */

static void waiting_ends_with_whichever_worker_ends_first(void **state)
{
    struct fixture *f = *state;
    struct sweep_end end;
    start(f, 1, "quick.db", -1);
    start(f, 2, "slow.db", -1);
    wait_for_end(f, &end);
    assert_ptr_equal(end.cell, &f->grid.cell[0]);
    assert_non_null(strstr(end.part, "/quick.db"));
    free(end.part);
    assert_int_equal(f->workers.count, 1);
    assert_ptr_equal(f->workers.worker[0].cell, &f->grid.cell[1]);
    (void) close(meet_worker(f)); /* nothing comes: that is no table of requests */
    wait_for_end(f, &end);
    assert_ptr_equal(end.cell, &f->grid.cell[1]);
    assert_int_not_equal(end.rc, 0);
    assert_non_null(strstr(end.diag.text, "/pipe"));
    free(end.part);
}

static void waiting_goes_by_while_nobody_has_ended(void **state)
{
    struct fixture *f = *state;
    struct sweep_end end;
    assert_int_equal(sweep_workers_wait(&f->workers, 0, &end, NULL), 0);
    start(f, 2, "part.db", -1);
    assert_int_equal(sweep_workers_wait(&f->workers, 0, &end, NULL), 0);
    assert_int_equal(f->workers.count, 1);
}

/* ---- signals and the end ---- */

static void an_interrupt_is_the_parents_business(void **state)
{
    struct fixture *f = *state;
    struct sweep_end end;
    start(f, 2, "part.db", -1);
    int pipe = meet_worker(f);
    (void) kill(f->workers.worker[0].pid, SIGINT);
    (void) close(pipe);
    wait_for_end(f, &end);
    assert_int_not_equal(end.rc, ERR_LOST); /* it went on, and had something to say */
    free(end.part);
}

static void one_worker_is_stopped_at_a_time_until_none_is_left(void **state)
{
    struct fixture *f = *state;
    struct sweep_end end;
    start(f, 2, "first.db", -1);
    start(f, 3, "second.db", -1);
    pid_t pid = f->workers.worker[1].pid;
    assert_int_equal(sweep_workers_stop_one(&f->workers, &end), 1);
    assert_true(is_gone(pid));
    assert_ptr_equal(end.cell, &f->grid.cell[2]);
    assert_int_equal(end.rc, ERR_LOST);
    assert_non_null(strstr(end.part, "/second.db"));
    free(end.part);
    assert_int_equal(f->workers.count, 1);
    assert_int_equal(sweep_workers_stop_one(&f->workers, &end), 1);
    assert_non_null(strstr(end.part, "/first.db"));
    free(end.part);
    assert_int_equal(sweep_workers_stop_one(&f->workers, &end), 0);
}

static void nobody_outlives_the_workers(void **state)
{
    struct fixture *f = *state;
    start(f, 2, "first.db", -1);
    start(f, 3, "second.db", -1);
    pid_t first = f->workers.worker[0].pid, second = f->workers.worker[1].pid;
    sweep_workers_finish(&f->workers);
    assert_true(is_gone(first) && is_gone(second));
    assert_null(f->workers.worker);
}

static void a_worker_ends_with_the_process_that_started_it(void **state)
{
    struct fixture *f = *state;
    int over[2];
    char byte = 0;
    assert_int_equal(pipe(over), 0);
    pid_t parent = fork();
    assert_true(parent >= 0);
    if (parent == 0) {
        (void) close(over[1]);
        start(f, 2, "part.db", -1);
        _exit(read(over[0], &byte, 1) == 0 ? 0 : 1);
    }
    struct pollfd worker = {.fd = meet_worker(f)};
    (void) close(over[0]);
    (void) close(over[1]);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    assert_int_equal(poll(&worker, 1, -1), 1); /* nobody reads any more */
    assert_true((worker.revents & POLLERR) != 0);
    (void) close(worker.fd);
}

static void a_worker_keeps_no_claim_on_the_sweep(void **state)
{
    struct fixture *f = *state;
    struct claim claim = claim_none, again = claim_none;
    scratch_write(f->scratch->file, "", 0);
    assert_int_equal(claim_take_sweep(&claim, f->scratch->file, 1, NULL), 0);
    start(f, 2, "part.db", claim.file);
    int pipe = meet_worker(f);
    assert_int_equal(claim_take_sweep(&again, f->scratch->file, 1, NULL), ERR_STATE);
    claim_release(&again);
    claim_release(&claim); /* as when this process dies */
    assert_int_equal(claim_take_sweep(&again, f->scratch->file, 1, NULL), 0);
    claim_release(&again);
    (void) close(pipe);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_cell_that_is_played_leaves_its_part_and_its_times),
        TEST(what_went_wrong_comes_with_its_sentence),
        TEST(a_worker_that_dies_without_a_word_is_lost_and_it_is_said_how),
        TEST(waiting_ends_with_whichever_worker_ends_first),
        TEST(waiting_goes_by_while_nobody_has_ended),
        TEST(an_interrupt_is_the_parents_business),
        TEST(one_worker_is_stopped_at_a_time_until_none_is_left),
        TEST(nobody_outlives_the_workers),
        TEST(a_worker_ends_with_the_process_that_started_it),
        TEST(a_worker_keeps_no_claim_on_the_sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
