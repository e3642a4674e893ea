#include "proto/wire/alarm.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "core/base/array.h"
#include "core/base/clock.h"
#include "core/base/units.h"

static bool is_before(const struct wire_alarm *a, const struct wire_alarm *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void put(struct wire_alarms *alarms, size_t place, struct wire_alarm *alarm)
{
    assert(1 <= place && place <= alarms->count && alarms->count <= alarms->capacity);
    alarms->heap[place - 1] = alarm;
    alarm->place = place;
}

/* Moves the alarm at `place` to where it belongs. */
static void settle(struct wire_alarms *alarms, size_t place)
{
    struct wire_alarm *alarm = alarms->heap[place - 1];
    for (; place > 1 && is_before(alarm, alarms->heap[place / 2 - 1]); place /= 2)
        put(alarms, place, alarms->heap[place / 2 - 1]);
    for (size_t child = 2 * place; child <= alarms->count; child = 2 * place) {
        if (child < alarms->count && is_before(alarms->heap[child], alarms->heap[child - 1]))
            child++;
        if (!is_before(alarms->heap[child - 1], alarm))
            break;
        put(alarms, place, alarms->heap[child - 1]);
        place = child;
    }
    put(alarms, place, alarm);
}

static void take_out(struct wire_alarms *alarms, struct wire_alarm *alarm)
{
    size_t place = alarm->place;
    assert(1 <= place && place <= alarms->count && alarms->heap[place - 1] == alarm);
    struct wire_alarm *last = alarms->heap[--alarms->count];
    alarm->place = 0;
    if (last == alarm)
        return;
    put(alarms, place, last);
    settle(alarms, place);
}

/* The timerfd follows the earliest alarm; a system call only when that changes. */
static void arm(struct wire_alarms *alarms)
{
    uint64_t due_ns = alarms->count > 0 ? alarms->heap[0]->due_ns : 0;
    if (due_ns == alarms->armed_ns)
        return;
    struct itimerspec at = {0};
    at.it_value.tv_sec = (time_t) (due_ns / UNITS_NS_PER_S);
    at.it_value.tv_nsec = (long) (due_ns % UNITS_NS_PER_S);
    (void) timerfd_settime(alarms->fd, TFD_TIMER_ABSTIME, &at, NULL); /* the arguments are in order */
    alarms->armed_ns = due_ns;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct wire_alarms *alarms = poll->data;
    uint64_t times;
    (void) status; /* a timerfd knows no errors */
    (void) events;
    (void) !read(alarms->fd, &times, sizeof times); /* EAGAIN: it was set anew in between */
    alarms->armed_ns = 0;
    uint64_t now_ns = clock_monotonic_ns();
    /* What a callback sets for now rings in the next turn: a chain of them cannot keep the loop. */
    uint64_t set_before = alarms->set_count;
    while (alarms->is_open && alarms->count > 0 && alarms->heap[0]->due_ns <= now_ns &&
           alarms->heap[0]->order <= set_before) {
        struct wire_alarm *alarm = alarms->heap[0];
        take_out(alarms, alarm);
        alarm->on_due(alarm);
    }
    if (alarms->is_open)
        arm(alarms);
}

int wire_alarms_open(struct wire_alarms *alarms, struct wire_loop *loop)
{
    assert(!loop->is_finishing);
    *alarms = (struct wire_alarms){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)};
    if (alarms->fd < 0)
        return -errno;
    int rc = uv_poll_init(&loop->uv, &alarms->poll, alarms->fd);
    if (rc == 0) {
        alarms->poll.data = alarms;
        alarms->is_open = true;
        rc = uv_poll_start(&alarms->poll, UV_READABLE, on_readable);
        if (rc != 0)
            wire_alarms_close(alarms);
        return rc;
    }
    (void) close(alarms->fd);
    return rc;
}

void wire_alarms_close(struct wire_alarms *alarms)
{
    if (!alarms->is_open)
        return;
    alarms->is_open = false;
    for (size_t i = 0; i < alarms->count; i++)
        alarms->heap[i]->place = 0;
    free(alarms->heap);
    alarms->heap = NULL;
    alarms->count = alarms->capacity = 0;
    (void) uv_poll_stop(&alarms->poll); /* stops watching, so that the descriptor may go now */
    (void) close(alarms->fd);
    uv_close((uv_handle_t *) &alarms->poll, NULL);
}

int wire_alarm_set(struct wire_alarms *alarms, struct wire_alarm *alarm, uint64_t due_ns)
{
    assert(alarms->is_open && alarm->on_due != NULL);
    int rc = alarm->place == 0 ? array_reserve(&alarms->heap, &alarms->capacity, alarms->count + 1) : 0;
    if (rc != 0)
        return rc;
    alarm->due_ns = due_ns > 0 ? due_ns : 1; /* 0 would disarm */
    alarm->order = ++alarms->set_count;
    if (alarm->place == 0)
        put(alarms, ++alarms->count, alarm);
    settle(alarms, alarm->place);
    arm(alarms);
    return 0;
}

void wire_alarm_cancel(struct wire_alarms *alarms, struct wire_alarm *alarm)
{
    if (alarm->place == 0)
        return;
    take_out(alarms, alarm);
    arm(alarms);
}

bool wire_alarm_is_set(const struct wire_alarm *alarm)
{
    return alarm->place != 0;
}
