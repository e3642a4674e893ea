#include "orchestrator/session/waiting_outcomes.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/array.h"

int waiting_outcomes_reserve(struct waiting_outcomes *waiting, size_t more)
{
    size_t wanted = waiting->agenda.count + more;
    int rc = 0;
    if (wanted <= waiting->capacity)
        return 0;
    size_t capacity = array_capacity(waiting->capacity, wanted);
    array_resize(&waiting->outcome, capacity, &rc);
    array_resize(&waiting->free_place, capacity, &rc);
    rc = rc != 0 ? rc : agenda_reserve(&waiting->agenda, capacity);
    if (rc != 0)
        return rc;
    size_t free_before = waiting->capacity - waiting->agenda.count;
    for (size_t place = waiting->capacity; place < capacity; place++)
        waiting->free_place[free_before++] = (uint32_t) place;
    waiting->capacity = capacity;
    return 0;
}

void waiting_outcomes_finish(struct waiting_outcomes *waiting)
{
    agenda_finish(&waiting->agenda);
    free(waiting->outcome);
    free(waiting->free_place);
    *waiting = (struct waiting_outcomes){0};
}

void waiting_outcomes_clear(struct waiting_outcomes *waiting)
{
    agenda_clear(&waiting->agenda);
    for (size_t place = 0; place < waiting->capacity; place++)
        waiting->free_place[place] = (uint32_t) place;
}

void waiting_outcomes_put(struct waiting_outcomes *waiting, const struct policy_outcome *outcome,
                          double end_s)
{
    assert(waiting->agenda.count < waiting->capacity);
    uint32_t place = waiting->free_place[waiting->capacity - waiting->agenda.count - 1];
    waiting->outcome[place] = *outcome;
    agenda_set(&waiting->agenda, place, end_s);
}

bool waiting_outcomes_take(struct waiting_outcomes *waiting, double now_s, struct policy_outcome *ret_outcome)
{
    uint32_t place;
    double end_s;
    if (!agenda_take(&waiting->agenda, now_s, &place, &end_s))
        return false;
    *ret_outcome = waiting->outcome[place];
    waiting->free_place[waiting->capacity - waiting->agenda.count - 1] = place;
    return true;
}
