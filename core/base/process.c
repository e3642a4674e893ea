#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* on_exit */
#endif
#include "core/base/process.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/err.h"

static struct {
    const char *program;
    int print_errno; /* why standard output could not be written, as far as it is known */
} output;

/* A closed descriptor becomes one that fails: "/dev/null" opened the wrong way round. */
static void keep_open(int number)
{
    if (fcntl(number, F_GETFD) != -1 || errno != EBADF)
        return;
    int file = open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY); /* the lowest free number */
    if (file >= 0 && file != number)
        (void) close(file); /* a lower one is closed as well: it has its turn before */
}

/* An earlier write has failed, and stdio does not say why: most files say it again. */
static int ask_why(void)
{
    errno = 0;
    return write(STDOUT_FILENO, "", 0) < 0 ? errno : 0;
}

/* Has the reader of a pipe gone? */
static bool reader_is_gone(int error)
{
    struct pollfd file = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return error == EPIPE || (error == 0 && poll(&file, 1, 0) == 1 && (file.revents & POLLERR) != 0);
}

/* Ends as a writer into a closed pipe ends: the shell sees the signal, and says nothing. */
static void end_by_pipe_signal(void)
{
    sigset_t set;
    (void) signal(SIGPIPE, SIG_DFL);
    (void) sigemptyset(&set);
    (void) sigaddset(&set, SIGPIPE);
    (void) sigprocmask(SIG_UNBLOCK, &set, NULL);
    (void) raise(SIGPIPE);
}

static void close_output(int status, void *unused)
{
    (void) unused;
    bool failed = ferror(stdout) != 0;
    int why = failed ? ask_why() : 0;
    errno = 0;
    if (fclose(stdout) != 0) {
        failed = true;
        process_print_failed(errno);
    }
    if (!failed)
        return;
    process_print_failed(why);
    if (reader_is_gone(output.print_errno)) {
        if (status == PROCESS_OK)
            end_by_pipe_signal();
        return;
    }
    (void) fprintf(stderr, "%s: standard output: cannot write%s%s\n", output.program,
                   output.print_errno != 0 ? ": " : "",
                   output.print_errno != 0 ? strerror(output.print_errno) : "");
    if (status == PROCESS_OK)
        _exit(PROCESS_FAILED);
}

void process_begin(const char *program)
{
    assert(program != NULL && output.program == NULL);
    output.program = program;
    for (int number = STDIN_FILENO; number <= STDERR_FILENO; number++)
        keep_open(number);
    (void) signal(SIGXFSZ, SIG_IGN); /* a file at its size limit is an error like a full disk */
    if (on_exit(close_output, NULL) != 0)
        abort(); /* there is room for 32 without memory */
}

void process_flush(void)
{
    errno = 0;
    if (fflush(stdout) == 0)
        return;
    if (errno == EPIPE)
        clearerr(stdout); /* nobody waits for it */
    else
        process_print_failed(errno);
}

void process_print_failed(int error)
{
    if (output.print_errno == 0)
        output.print_errno = error;
}

/* A parent that dies between the fork and this call sends no signal. The parent's number changes then. That
 * it is 1 proves nothing: systemd and containers start programs that way. */
int process_die_with_parent(void)
{
    pid_t parent = getppid();
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0)
        return -errno;
    return getppid() == parent ? 0 : ERR_LOST;
}

void process_ready(uint16_t port)
{
    assert(port != 0); /* the system has chosen one by now */
    (void) printf("READY port=%u\n", (unsigned) port);
    process_flush();
}

void process_keep_no_spare_memory(void)
{
    (void) mallopt(M_ARENA_MAX, 1); /* what cannot be set stays as it is: more memory, no fault */
    (void) mallopt(M_MMAP_THRESHOLD, 128 * 1024); /* fixed: else it grows with each buffer that is freed */
}

void process_let_others_first(void)
{
    (void) setpriority(PRIO_PROCESS, 0,
                       10); /* one that may not be set is no failure: loops are late, and say so */
}

uint64_t process_raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    rlim_t soft = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : soft;
}
