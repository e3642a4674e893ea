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
    PROCESS_ROUNDED = 8,  /* replay --verify found differences of rounding alone */
    PROCESS_SIGNAL = 130, /* ended by Ctrl-C or SIGTERM after an orderly stop */
};

/* First in main. A file that meets the limit of its size (ulimit -f) is an error, not the process's end. Standard input, output and error are open from then on: a file that is opened later never gets
 * their numbers, so what is printed cannot land in it. When the process ends by exit, standard output is closed.
 * If it could not be written, a line on standard error says why, and an exit status of 0 becomes PROCESS_FAILED.
 * If its reader has gone, the process ends quietly by SIGPIPE, as other tools do. `program` is borrowed. */
void process_begin(const char *program);

/* Writes out what was printed so far, for a reader that waits for it. A closed pipe is no failure, since nobody
 * waits; any other is told when the process ends (process_begin). */
void process_flush(void);

/* Writing to stdout has failed, and errno said why: kept for the line that process_begin prints in the end. Not
 * needed where stdio finds that out by itself. 0: not known. */
void process_print_failed(int error);

/* Asks the kernel to send SIGTERM to this process when its parent dies, and checks that the parent is still
 * there (returns ERR_LOST when it was gone already). */
int process_die_with_parent(void);

/* Prints "READY port=N\n" on stdout and flushes: scripts and tests wait for this line. */
void process_ready(uint16_t port);

/* For a process whose threads take and free large buffers: memory that is free goes back to the system. By itself the C
 * library keeps a heap for each thread, and large buffers for later. */
void process_keep_no_spare_memory(void);

/* The calling thread lets the others of this machine go first (Linux: nice is a thread's). Needs no rights. */
void process_let_others_first(void);

/* Raises the soft limit of open files to the hard one; returns the limit now in force. */
uint64_t process_raise_file_limit(void);

#endif
