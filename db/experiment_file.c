#include "db/experiment_file.h"

int experiment_file_open(struct experiment_file *ret_archive, const char *path, enum db_mode mode,
                         struct diag *diag)
{
    *ret_archive = (struct experiment_file){0};
    int rc = db_open(&ret_archive->db, path, mode, diag);
    if (rc == 0)
        rc = store_create(&ret_archive->store, &ret_archive->db, diag);
    if (rc != 0)
        (void) experiment_file_close(ret_archive, NULL); /* the first error is the one to tell */
    return rc;
}

int experiment_file_close(struct experiment_file *archive, struct diag *diag)
{
    store_destroy(archive->store);
    archive->store = NULL;
    return db_close(&archive->db, diag);
}
