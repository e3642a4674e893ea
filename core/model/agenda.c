#include "core/model/agenda.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/array.h"

#define NOWHERE UINT32_MAX /* the place of a number that is not set */

int agenda_reserve(struct agenda *agenda, size_t numbers)
{
    assert(numbers < NOWHERE);
    if (numbers <= agenda->capacity)
        return 0;
    size_t capacity = array_capacity(agenda->capacity, numbers);
    int rc = 0;
    array_resize(&agenda->due_s, capacity, &rc);
    array_resize(&agenda->place, capacity, &rc);
    array_resize(&agenda->heap, capacity, &rc);
    if (rc != 0)
        return rc;
    for (size_t i = agenda->capacity; i < capacity; i++)
        agenda->place[i] = NOWHERE;
    agenda->capacity = capacity;
    return 0;
}

void agenda_finish(struct agenda *agenda)
{
    free(agenda->due_s);
    free(agenda->place);
    free(agenda->heap);
    *agenda = (struct agenda){0};
}

static bool is_before(const struct agenda *agenda, uint32_t a, uint32_t b)
{
    return agenda->due_s[a] < agenda->due_s[b] || (agenda->due_s[a] == agenda->due_s[b] && a < b);
}

static void put(struct agenda *agenda, size_t place, uint32_t number)
{
    agenda->heap[place] = number;
    agenda->place[number] = (uint32_t) place;
}

/* Finds the number's place in the heap, upwards and then downwards from `place`. */
static void settle(struct agenda *agenda, size_t place, uint32_t number)
{
    assert(place < agenda->count);
    while (place > 0 && is_before(agenda, number, agenda->heap[(place - 1) / 2])) {
        put(agenda, place, agenda->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    for (size_t child = 2 * place + 1; child < agenda->count; child = 2 * place + 1) {
        if (child + 1 < agenda->count && is_before(agenda, agenda->heap[child + 1], agenda->heap[child]))
            child++;
        if (!is_before(agenda, agenda->heap[child], number))
            break;
        put(agenda, place, agenda->heap[child]);
        place = child;
    }
    put(agenda, place, number);
}

static void take_out(struct agenda *agenda, uint32_t number)
{
    size_t place = agenda->place[number];
    uint32_t last = agenda->heap[--agenda->count];
    agenda->place[number] = NOWHERE;
    if (last != number)
        settle(agenda, place, last);
}

void agenda_set(struct agenda *agenda, uint32_t number, double due_s)
{
    assert(number < agenda->capacity && !isnan(due_s));
    bool is_set = agenda->place[number] != NOWHERE;
    agenda->due_s[number] = due_s;
    if (!isinf(due_s))
        settle(agenda, is_set ? agenda->place[number] : agenda->count++, number);
    else if (is_set)
        take_out(agenda, number);
}

void agenda_clear(struct agenda *agenda)
{
    for (size_t i = 0; i < agenda->count; i++)
        agenda->place[agenda->heap[i]] = NOWHERE;
    agenda->count = 0;
}

bool agenda_take(struct agenda *agenda, double until_s, uint32_t *ret_number, double *ret_due_s)
{
    if (agenda->count == 0 || agenda->due_s[agenda->heap[0]] > until_s)
        return false;
    *ret_number = agenda->heap[0];
    *ret_due_s = agenda->due_s[*ret_number];
    take_out(agenda, *ret_number);
    return true;
}
