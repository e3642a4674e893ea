/* What `leak` found, into an experiment's database (table `leak`). */
#ifndef HANDOFF_ORCHESTRATOR_COMMAND_LEAK_RECORD_H
#define HANDOFF_ORCHESTRATOR_COMMAND_LEAK_RECORD_H

#include "core/weights/weights.h"
#include "orchestrator/channel/channel_leak.h"

/* Before anything is measured: whether the file takes rows. It is made where it is not there. */
int leak_record_check(const char *path, struct diag *diag);

/* Every setting, split and attack, all or nothing. Waits for whoever writes to the file. */
int leak_record(const char *path, const struct channel_leak *leak, const struct weights *weights,
                struct diag *diag);

#endif
