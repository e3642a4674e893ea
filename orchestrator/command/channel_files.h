/* Files that perplexity and leak write in the end. */
#ifndef HANDOFF_ORCHESTRATOR_COMMAND_CHANNEL_FILES_H
#define HANDOFF_ORCHESTRATOR_COMMAND_CHANNEL_FILES_H

#include "core/base/diag.h"

/* Before anything is measured: whether the path's folder takes a file. NULL: nothing is to be written. -ENOENT. */
int channel_files_check(const char *flag, const char *path, struct diag *diag);

#endif
