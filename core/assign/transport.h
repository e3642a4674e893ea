/* The transportation problem: tasks and places, each place has room for so many tasks, and each task goes to one place or
 * to none, so that what they are worth together is most. Exact up to rounding: tasks are placed one after the other along
 * cheapest augmenting paths (successive shortest paths: Ahuja, Magnanti and Orlin, Network Flows, 1993, section 9.7).
 *
 * With n tasks and m places n^2 m + n m^3 steps at most. A place of a lower number comes before its equals. */
#ifndef HANDOFF_CORE_ASSIGN_TRANSPORT_H
#define HANDOFF_CORE_ASSIGN_TRANSPORT_H

#include <stdint.h>

#define TRANSPORT_NOWHERE UINT32_MAX
#define TRANSPORT_PLACES_MAX 256u

/* All borrowed. */
struct transport {
    uint32_t tasks, places; /* as the solver's, or fewer tasks */
    const double *worth;    /* [tasks][places], finite; what is not above 0 is never taken */
    const uint32_t *room;   /* [places] tasks that it takes at most */
};

struct transport_move;

/* What solving needs, made once. Owned. */
struct transport_solver {
    uint32_t tasks, columns;     /* the places, and behind them the column of those that go nowhere */
    uint32_t *column;            /* [tasks] of those that are placed */
    uint32_t *room;              /* [columns] that is left */
    struct transport_move *move; /* [columns][columns] from, to: the cheapest of a task */
    double *dist;                /* [columns] of the shortest path to each */
    uint32_t *from;  /* [columns] the column before it on that path; `columns`: the new task itself */
    uint32_t *mover; /* [columns] the task that moves into it */
};

/* For at most so many tasks, and 1 to TRANSPORT_PLACES_MAX places. -ENOMEM. */
int transport_init(struct transport_solver *ret_solver, uint32_t tasks, uint32_t places);
void transport_finish(struct transport_solver *solver);

/* ret_place[tasks]: where each goes, or TRANSPORT_NOWHERE. Returns what they are worth, summed in order of task. */
double transport_solve(struct transport_solver *solver, const struct transport *problem, uint32_t *ret_place);

#endif
