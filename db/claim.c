#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* F_OFD_SETLK */
#endif
#include "db/claim.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"

/* SQLite locks bytes near 2^30 and its files end at 2^48 bytes; numbers of runs and sweeps are small beside
 * 2^61. */
#define RUN_BYTE ((off_t) 1 << 62)
#define SWEEP_BYTE ((off_t) 1 << 61)

const struct claim claim_none = {.file = -1};

static int take(struct claim *ret_claim, const char *path, off_t byte, struct diag *diag)
{
    assert(byte > 0);
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0)
        return diag_fail(diag, -errno, "%s: cannot open it: %s", path, strerror(errno));
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    ret_claim->file = file;
    bool taken = fcntl(file, F_OFD_SETLK, &lock) != 0 && (errno == EAGAIN || errno == EACCES);
    return taken ? ERR_STATE : 0;
}

int claim_take(struct claim *ret_claim, const char *path, int64_t run_id, struct diag *diag)
{
    int rc = take(ret_claim, path, RUN_BYTE + run_id, diag);
    if (rc != ERR_STATE)
        return rc;
    return diag_fail(diag, rc, "%s: run %lld is being recorded by a running process", path,
                     (long long) run_id);
}

int claim_take_sweep(struct claim *ret_claim, const char *path, int64_t sweep_id, struct diag *diag)
{
    int rc = take(ret_claim, path, SWEEP_BYTE + sweep_id, diag);
    return rc != ERR_STATE ? rc : diag_fail(diag, rc, "%s: a running process plays this sweep", path);
}

void claim_release(struct claim *claim)
{
    if (claim->file >= 0)
        (void) close(claim->file);
    *claim = claim_none;
}
