#include "core/train/parallel.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

struct team {
    parallel_work *work;
    void *user;
    size_t pieces;
    atomic_size_t next;
};

struct member {
    struct team *team;
    size_t thread;
};

static void *take_part(void *argument)
{
    const struct member *member = argument;
    struct team *team = member->team;
    for (size_t piece; (piece = atomic_fetch_add(&team->next, 1)) < team->pieces;)
        team->work(team->user, member->thread, piece);
    return NULL;
}

void parallel_do(size_t threads, size_t pieces, parallel_work *work, void *user)
{
    assert(threads >= 1 && threads <= PARALLEL_THREADS_MAX);
    struct team team = {.work = work, .user = user, .pieces = pieces};
    struct member member[PARALLEL_THREADS_MAX];
    pthread_t started[PARALLEL_THREADS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < threads; i++)
        member[i] = (struct member){&team, i};
    for (size_t i = 1; i < threads && i < pieces; i++)
        if (pthread_create(&started[count], NULL, take_part, &member[i]) == 0)
            count++;
    (void) take_part(&member[0]);
    for (size_t i = 0; i < count; i++)
        (void) pthread_join(started[i], NULL); /* it cannot fail: each was started, and is joined once */
}
