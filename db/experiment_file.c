#include "db/experiment_file.h"

int experiment_file_open(struct experiment_file *ret_file, const char *path, enum db_mode mode,
                         struct diag *diag)
{
    *ret_file = (struct experiment_file){0};
    int rc = db_open(&ret_file->db, path, mode, diag);
    if (rc == 0)
        rc = store_create(&ret_file->store, &ret_file->db, diag);
    if (rc == 0 && mode == DB_READ)
        rc = db_begin_read(&ret_file->db, diag); /* it ends with the connection */
    if (rc != 0)
        (void) experiment_file_close(ret_file,
                                     diag); /* the first error stands, and a log that stays is named */
    return rc;
}

int experiment_file_close(struct experiment_file *file, struct diag *diag)
{
    store_destroy(file->store);
    file->store = NULL;
    return db_close(&file->db, diag);
}
