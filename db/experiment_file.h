/* An open database with its statements: the two always come together. */
#ifndef HANDOFF_DB_EXPERIMENT_FILE_H
#define HANDOFF_DB_EXPERIMENT_FILE_H

#include "db/store.h"

struct experiment_file {
    struct db db;
    struct store *store; /* NULL: not open */
};

/* On failure nothing is left open. With DB_READ everything is read as it was at one moment, although somebody may
 * write to the file. */
int experiment_file_open(struct experiment_file *ret_file, const char *path, enum db_mode mode,
                         struct diag *diag);
/* Takes a zeroed file too. */
int experiment_file_close(struct experiment_file *file, struct diag *diag);

#endif
