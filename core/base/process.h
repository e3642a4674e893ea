/* What our three programs have in common: exit statuses, a parent, a first line, limits. */
#ifndef HANDOFF_CORE_BASE_PROCESS_H
#define HANDOFF_CORE_BASE_PROCESS_H

#include <stdint.h>

/* Exit statuses, documented in every man page. */
enum process_exit {
    PROCESS_OK = 0,
    PROCESS_FAILED = 1,   /* the work failed; stderr says why */
    PROCESS_USAGE = 2,    /* bad flag, scenario or file */
    PROCESS_LOST = 3,     /* a node lost its orchestrator */
    PROCESS_REFUSED = 4,  /* a node was refused by its orchestrator */
    PROCESS_MISMATCH = 5, /* replay --verify or twin found a difference */
    PROCESS_ABORTED = 6,  /* a node was told that its run was aborted */
    PROCESS_SCRIPTED = 7, /* a node was killed by its scenario's faults, and does not come back */
    PROCESS_SIGNAL = 130, /* ended by Ctrl-C or SIGTERM after an orderly stop */
};

/* Asks the kernel to send SIGTERM to this process when its parent dies, and checks that the parent is still
 * there (returns ERR_LOST when it was gone already). */
int process_die_with_parent(void);

/* Prints "READY port=N\n" on stdout and flushes: scripts and tests wait for this line. */
void process_ready(uint16_t port);

/* Raises the soft limit of open files to the hard one; returns the limit now in force. */
uint64_t process_raise_file_limit(void);

#endif
