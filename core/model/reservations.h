/* What tasks hold of servers: parts of compute, band and memory, each from its decision to its end, whoever comes or goes
 * (servers.discipline reserved). Parts are whole numbers of RESERVATIONS_WHOLE inside, so that what is taken and given
 * back in any order adds up to the last bit, and never to more than the whole. A part is rounded down: twenty times a
 * twentieth fits.
 *
 * Pure: time comes in with every call. Taking one and giving one back cost O(log n) of n that are held. */
#ifndef HANDOFF_CORE_MODEL_RESERVATIONS_H
#define HANDOFF_CORE_MODEL_RESERVATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum reserved_kind { RESERVED_COMPUTE, RESERVED_BAND, RESERVED_MEMORY, RESERVED_KINDS };

#define RESERVATIONS_WHOLE (UINT64_C(1) << 32)

struct reservation {
    uint64_t task;  /* the owner's name of it, given once */
    double until_s; /* INFINITY: until somebody says when it ends, or for ever */
    uint32_t server;
    uint64_t part[RESERVED_KINDS];
};

/* Zeroed: of no servers. */
struct reservations {
    uint32_t servers;
    uint64_t (*rest)[RESERVED_KINDS]; /* [servers] of RESERVATIONS_WHOLE; owned, as the others */
    struct reservation *held;         /* [count] a heap, none ends before its parent (i - 1) / 2 */
    size_t count, capacity;
};

/* Room for `most` tasks that hold something at once; taking needs no memory then. -ENOMEM. */
int reservations_init(struct reservations *ret, uint32_t servers, size_t most);
void reservations_finish(struct reservations *reservations);
/* Nobody holds anything. */
void reservations_clear(struct reservations *reservations);

/* May a task take these parts of a server? False for what is not a number, below 0 or above what is left; compute and
 * band must be above 0. */
bool reservations_fit(const struct reservations *reservations, uint32_t server,
                      const double part[static RESERVED_KINDS]);
/* What is left of a server, 0 to 1. */
double reservations_rest(const struct reservations *reservations, uint32_t server, enum reserved_kind kind);

/* The same in a server of which so much is left, for what is decided before it is taken. */
bool reservations_fit_in(const uint64_t rest[static RESERVED_KINDS],
                         const double part[static RESERVED_KINDS]);
/* Parts that fit, as whole numbers. */
void reservations_whole(const double part[static RESERVED_KINDS], uint64_t ret_whole[static RESERVED_KINDS]);

/* Takes parts that fit, until until_s. There must be room. */
void reservations_take(struct reservations *reservations, uint64_t task, uint32_t server,
                       const double part[static RESERVED_KINDS], double until_s);
/* When a task gives back what it holds of each kind; a task that holds nothing is left out. Where the times differ there must
 * be room for up to RESERVED_KINDS - 1 more. */
void reservations_end(struct reservations *reservations, uint64_t task,
                      const double until_s[static RESERVED_KINDS]);
/* Gives back what ends by then. */
void reservations_advance(struct reservations *reservations, double now_s);

#endif
