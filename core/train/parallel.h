/* Work in numbered pieces on several threads. Who does a piece depends on the moment, so a piece's result must
 * depend on its number alone. */
#ifndef HANDOFF_CORE_TRAIN_PARALLEL_H
#define HANDOFF_CORE_TRAIN_PARALLEL_H

#include <stddef.h>

#define PARALLEL_THREADS_MAX 64u

/* `thread` is below the number of threads: whose scratch memory the piece may use. */
typedef void parallel_work(void *user, size_t thread, size_t piece);

/* Does pieces 0 .. pieces - 1, and returns when all are done. The caller's thread works, too; a thread that cannot
 * be started is done without. threads: 1 to PARALLEL_THREADS_MAX. */
void parallel_do(size_t threads, size_t pieces, parallel_work *work, void *user);

#endif
