#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* F_OFD_SETLK */
#endif
#include "db/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"

/* SQLite locks bytes near 2^30 and its files end at 2^48 bytes; run numbers are small beside 2^62. */
#define CLAIM_BYTE ((off_t) 1 << 62)

const struct claim claim_none = {.file = -1};

int claim_take(struct claim *ret_claim, const char *path, int64_t run_id, struct diag *diag)
{
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0)
        return diag_fail(diag, -errno, "%s: cannot open it: %s", path, strerror(errno));
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = CLAIM_BYTE + run_id, .l_len = 1};
    ret_claim->file = file;
    if (fcntl(file, F_OFD_SETLK, &lock) == 0 || (errno != EAGAIN && errno != EACCES))
        return 0;
    return diag_fail(diag, ERR_STATE, "%s: run %lld is being recorded by a running process", path,
                     (long long) run_id);
}

void claim_release(struct claim *claim)
{
    if (claim->file >= 0)
        (void) close(claim->file);
    *claim = claim_none;
}
