/* Marks a run as recorded, or a sweep as played, by a live process. The mark ends with the process, however
 * that ends: it is a lock on one byte of the database file, far behind its content and behind the bytes that
 * SQLite locks.
 *
 * It is a lock of the open file (F_OFD_SETLK), so SQLite's closing of its own descriptors leaves it alone;
 * but closing ours would end SQLite's locks of the same process on the same file. Hence: release only once
 * the process has closed the database. Where a file system keeps no locks, nothing is ever claimed. */
#ifndef HANDOFF_DB_CLAIM_H
#define HANDOFF_DB_CLAIM_H

#include <stdint.h>

#include "core/base/diag.h"

struct claim {
    int file; /* -1: none */
};

extern const struct claim claim_none;

/* ERR_STATE when another process, or an earlier claim, has the run. *ret_claim is to be released also then;
 * it is claim_none before. */
int claim_take(struct claim *ret_claim, const char *path, int64_t run_id, struct diag *diag);
/* The same for a sweep, whose jobs one process hands out. */
int claim_take_sweep(struct claim *ret_claim, const char *path, int64_t sweep_id, struct diag *diag);
/* Takes claim_none too. */
void claim_release(struct claim *claim);

#endif
