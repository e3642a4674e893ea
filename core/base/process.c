#include "core/base/process.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/err.h"

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
    assert(port != 0);                                 /* the system has chosen one by now */
    (void) printf("READY port=%u\n", (unsigned) port); /* a closed stdout: no reader waits */
    (void) fflush(stdout);
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
