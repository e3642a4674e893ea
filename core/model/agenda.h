/* What ends next in virtual time. Each of a few numbered things has at most one time at which it is due. They
 * are taken in order of time; of several that are due at once, the one with the lowest number comes first. In
 * which order they were set leaves no trace. */
#ifndef HANDOFF_CORE_MODEL_AGENDA_H
#define HANDOFF_CORE_MODEL_AGENDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed: an agenda of no numbers. */
struct agenda {
    double *due_s;   /* [capacity] of each number that is set; owned, as the others */
    uint32_t *place; /* [capacity] in `heap`, of each number */
    uint32_t *heap;  /* [count] numbers, none before its parent (i - 1) / 2 */
    size_t count, capacity;
};

/* Makes room for the numbers below `numbers`; they are not set. -ENOMEM: nothing has changed. */
int agenda_reserve(struct agenda *agenda, size_t numbers);
void agenda_finish(struct agenda *agenda);

/* `number` is due at due_s, whatever was set before; INFINITY: it is not due at all. There must be room. */
void agenda_set(struct agenda *agenda, uint32_t number, double due_s);
/* Nothing is due. */
void agenda_clear(struct agenda *agenda);

/* Takes what is due next. False: nothing is due by until_s. */
bool agenda_take(struct agenda *agenda, double until_s, uint32_t *ret_number, double *ret_due_s);

#endif
