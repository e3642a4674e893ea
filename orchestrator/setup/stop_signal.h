/* Ctrl-C and SIGTERM: the first asks for an orderly end, a second ends the process at once. The flag is one of the
 * few things that a process has just once, since a signal handler is given nothing to write to. */
#ifndef HANDOFF_ORCHESTRATOR_SETUP_STOP_SIGNAL_H
#define HANDOFF_ORCHESTRATOR_SETUP_STOP_SIGNAL_H

#include <signal.h>
#include <stdbool.h>

/* From now on SIGINT and SIGTERM raise the flag. */
void stop_signal_catch(void);

/* Nonzero once a signal has come: for session.stop. */
const volatile sig_atomic_t *stop_signal_flag(void);

bool stop_signal_raised(void);

#endif
