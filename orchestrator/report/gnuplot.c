#include "orchestrator/report/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/err.h"

#define SAID_MAX 4096
#define EXIT_NO_FOLDER 126 /* as shells say: found, but cannot run */
#define EXIT_NO_PROGRAM 127

/* Behind fork: only what is safe there. */
static void become_gnuplot(const char *folder, const char *script, int output)
{
    int input = open("/dev/null", O_RDONLY);
    if (input < 0 || chdir(folder) != 0 || dup2(input, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
        dup2(output, STDERR_FILENO) < 0)
        _exit(EXIT_NO_FOLDER);
    (void) execlp("gnuplot", "gnuplot", "-d", script, (char *) NULL);
    _exit(errno == ENOENT ? EXIT_NO_PROGRAM : EXIT_NO_FOLDER);
}

/* Reads to the end, so that the writer never blocks; keeps the beginning. */
static void listen_to(int input, char said[static SAID_MAX])
{
    size_t used = 0;
    char piece[4096];
    for (;;) {
        ssize_t got = read(input, piece, sizeof piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        size_t room = SAID_MAX - 1 - used, keep = (size_t) got < room ? (size_t) got : room;
        memcpy(said + used, piece, keep);
        used += keep;
    }
    said[used] = '\0';
}

static int wait_for(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Its warnings come first, and why it gave up comes last. */
static const char *last_line(char *said)
{
    size_t size = strlen(said);
    while (size > 0 && (said[size - 1] == '\n' || said[size - 1] == ' '))
        said[--size] = '\0';
    const char *feed = strrchr(said, '\n');
    return feed != NULL ? feed + 1 : said;
}

int gnuplot_run(const char *folder, const char *script, struct diag *diag)
{
    int ends[2];
    char said[SAID_MAX];
    if (pipe(ends) != 0)
        return diag_fail(diag, -errno, "gnuplot: %s", strerror(errno));
    pid_t child = fork();
    if (child == 0)
        become_gnuplot(folder, script, ends[1]);
    int failed = errno;
    (void) close(ends[1]); /* a pipe: nothing can be lost */
    if (child > 0)
        listen_to(ends[0], said);
    (void) close(ends[0]);
    if (child < 0)
        return diag_fail(diag, -failed, "gnuplot: %s", strerror(failed));
    int status = wait_for(child);
    if (status == EXIT_NO_PROGRAM)
        return diag_fail(diag, ERR_NOT_FOUND, "gnuplot is not installed (package gnuplot-nox)");
    return status == 0 ? 0 : diag_fail(diag, -EIO, "gnuplot failed on %s: %s", script, last_line(said));
}
