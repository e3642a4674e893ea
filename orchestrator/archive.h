/* An open database with its statements: the two always come together. */
#ifndef HANDOFF_ORCHESTRATOR_ARCHIVE_H
#define HANDOFF_ORCHESTRATOR_ARCHIVE_H

#include "db/store.h"

struct archive {
    struct db db;
    struct store *store; /* NULL: not open */
};

/* On failure nothing is left open. */
int archive_open(struct archive *ret_archive, const char *path, enum db_mode mode, struct diag *diag);
/* Takes a zeroed archive too. */
int archive_close(struct archive *archive, struct diag *diag);

#endif
