#include "core/model/reservations.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

int reservations_init(struct reservations *ret, uint32_t servers, size_t most)
{
    *ret = (struct reservations){.servers = servers, .capacity = most};
    ret->rest = calloc(servers, sizeof *ret->rest);
    ret->held = calloc(most, sizeof *ret->held);
    if (ret->rest == NULL || ret->held == NULL) {
        reservations_finish(ret);
        return -ENOMEM;
    }
    reservations_clear(ret);
    return 0;
}

void reservations_finish(struct reservations *reservations)
{
    free(reservations->rest);
    free(reservations->held);
    *reservations = (struct reservations){0};
}

void reservations_clear(struct reservations *reservations)
{
    reservations->count = 0;
    for (uint32_t m = 0; m < reservations->servers; m++)
        for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
            reservations->rest[m][kind] = RESERVATIONS_WHOLE;
}

/* The part is a number from 0 to 1. */
static uint64_t whole_of(double part)
{
    assert(part >= 0.0 && part <= 1.0);
    return (uint64_t) (part * (double) RESERVATIONS_WHOLE);
}

void reservations_whole(const double part[static RESERVED_KINDS], uint64_t ret_whole[static RESERVED_KINDS])
{
    for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
        ret_whole[kind] = whole_of(part[kind]);
}

bool reservations_fit_in(const uint64_t rest[static RESERVED_KINDS], const double part[static RESERVED_KINDS])
{
    for (unsigned kind = 0; kind < RESERVED_KINDS; kind++) {
        bool is_share = part[kind] >= 0.0 && part[kind] <= 1.0;
        bool is_needed = kind != RESERVED_MEMORY;
        if (!is_share || (is_needed && whole_of(part[kind]) == 0))
            return false;
        if (whole_of(part[kind]) > rest[kind])
            return false;
    }
    return true;
}

bool reservations_fit(const struct reservations *reservations, uint32_t server,
                      const double part[static RESERVED_KINDS])
{
    assert(server < reservations->servers);
    return reservations_fit_in(reservations->rest[server], part);
}

double reservations_rest(const struct reservations *reservations, uint32_t server, enum reserved_kind kind)
{
    assert(server < reservations->servers && kind < RESERVED_KINDS);
    return (double) reservations->rest[server][kind] / (double) RESERVATIONS_WHOLE;
}

/* ---- the heap ---- */

static bool ends_before(const struct reservation *one, const struct reservation *other)
{
    return one->until_s < other->until_s;
}

static void swap(struct reservation *one, struct reservation *other)
{
    struct reservation kept = *one;
    *one = *other;
    *other = kept;
}

static void rise(struct reservation *held, size_t i)
{
    for (; i > 0 && ends_before(&held[i], &held[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&held[i], &held[(i - 1) / 2]);
}

static void sink(struct reservation *held, size_t count, size_t i)
{
    for (;;) {
        size_t first = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < count; child++)
            first = ends_before(&held[child], &held[first]) ? child : first;
        if (first == i)
            return;
        swap(&held[i], &held[first]);
        i = first;
    }
}

void reservations_take(struct reservations *reservations, uint64_t task, uint32_t server,
                       const double part[static RESERVED_KINDS], double until_s)
{
    assert(reservations_fit(reservations, server, part) && !isnan(until_s));
    assert(reservations->count < reservations->capacity);
    struct reservation *own = &reservations->held[reservations->count++];
    *own = (struct reservation){.task = task, .until_s = until_s, .server = server};
    reservations_whole(part, own->part);
    for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
        reservations->rest[server][kind] -= own->part[kind];
    rise(reservations->held, reservations->count - 1);
}

/* A kind's part of one that is held, as one of its own. */
static void split(struct reservations *reservations, size_t i, unsigned kind, double until_s)
{
    assert(reservations->count < reservations->capacity);
    struct reservation *own = &reservations->held[reservations->count++];
    *own = reservations->held[i];
    for (unsigned other = 0; other < RESERVED_KINDS; other++)
        own->part[other] = other == kind ? own->part[other] : 0;
    own->until_s = until_s;
    reservations->held[i].part[kind] = 0;
}

/* The new ones lie behind the heap until all of them are cut off. */
static void end(struct reservations *reservations, size_t i, const double until_s[static RESERVED_KINDS])
{
    size_t before = reservations->count;
    for (unsigned kind = 1; kind < RESERVED_KINDS; kind++)
        if (until_s[kind] != until_s[0])
            split(reservations, i, kind, until_s[kind]);
    reservations->held[i].until_s = until_s[0];
    rise(reservations->held, i);
    sink(reservations->held, before, i);
    for (size_t k = before; k < reservations->count; k++)
        rise(reservations->held, k);
}

void reservations_end(struct reservations *reservations, uint64_t task,
                      const double until_s[static RESERVED_KINDS])
{
    assert(!isnan(until_s[0]) && !isnan(until_s[1]) && !isnan(until_s[2]));
    for (size_t i = reservations->count; i-- > 0;) { /* the newest lie at the end, or nearly */
        if (reservations->held[i].task != task)
            continue;
        end(reservations, i, until_s);
        return;
    }
}

void reservations_advance(struct reservations *reservations, double now_s)
{
    while (reservations->count > 0 && reservations->held[0].until_s <= now_s) {
        const struct reservation *first = &reservations->held[0];
        for (unsigned kind = 0; kind < RESERVED_KINDS; kind++) {
            reservations->rest[first->server][kind] += first->part[kind];
            assert(reservations->rest[first->server][kind] <= RESERVATIONS_WHOLE);
        }
        reservations->held[0] = reservations->held[--reservations->count];
        sink(reservations->held, reservations->count, 0);
    }
}
