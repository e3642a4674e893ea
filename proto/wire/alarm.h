/* Alarms at nanoseconds of CLOCK_MONOTONIC. libuv's timers have steps of 1 ms, which at a time scale of 100
 * are 100 ms of the model; these share one timerfd, watched by the loop. An alarm never rings early. */
#ifndef HANDOFF_PROTO_WIRE_ALARM_H
#define HANDOFF_PROTO_WIRE_ALARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire/loop.h"

struct wire_alarm;

struct wire_alarms {
    int fd;
    uv_poll_t poll;
    bool is_open;
    /* [count], the earliest first; alarms due at once ring in the order they were set */
    struct wire_alarm **heap;
    size_t count, capacity;
    uint64_t armed_ns; /* what the timerfd waits for; 0: nothing */
    uint64_t set_count;
};

/* The owner keeps it where it is for as long as it is set, and may set it again from its own callback. */
struct wire_alarm {
    void (*on_due)(struct wire_alarm *alarm);
    void *user;
    /* The rest belongs to alarm.c. */
    uint64_t due_ns, order;
    size_t place; /* in the heap, from 1; 0: not set */
};

int wire_alarms_open(struct wire_alarms *alarms, struct wire_loop *loop);
/* Forgets every alarm. Safe to call on alarms that are all zeros, and twice. */
void wire_alarms_close(struct wire_alarms *alarms);

/* Sets, or sets anew; `alarms` must be open. -ENOMEM, and the alarm is not set. */
int wire_alarm_set(struct wire_alarms *alarms, struct wire_alarm *alarm, uint64_t due_ns);
void wire_alarm_cancel(struct wire_alarms *alarms, struct wire_alarm *alarm);
bool wire_alarm_is_set(const struct wire_alarm *alarm);

#endif
