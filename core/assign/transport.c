#include "core/assign/transport.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* The cheapest way to move one of a column's tasks to another column. */
struct transport_move {
    double loss; /* INFINITY: there is none */
    uint32_t task;
};

/* A problem on its way to be solved. */
struct plan {
    struct transport_solver *own;
    const struct transport *of;
};

int transport_init(struct transport_solver *ret_solver, uint32_t tasks, uint32_t places)
{
    assert(places > 0 && places <= TRANSPORT_PLACES_MAX);
    size_t columns = (size_t) places + 1;
    struct transport_solver solver = {
        .tasks = tasks,
        .columns = (uint32_t) columns,
        .column = calloc((size_t) tasks + 1, sizeof *solver.column), /* never of nothing */
        .room = calloc(columns, sizeof *solver.room),
        .move = calloc(columns * columns, sizeof *solver.move),
        .dist = calloc(columns, sizeof *solver.dist),
        .from = calloc(columns, sizeof *solver.from),
        .mover = calloc(columns, sizeof *solver.mover),
    };
    if (solver.column == NULL || solver.room == NULL || solver.move == NULL || solver.dist == NULL ||
        solver.from == NULL || solver.mover == NULL) {
        transport_finish(&solver);
        return -ENOMEM;
    }
    *ret_solver = solver;
    return 0;
}

void transport_finish(struct transport_solver *solver)
{
    free(solver->column);
    free(solver->room);
    free(solver->move);
    free(solver->dist);
    free(solver->from);
    free(solver->mover);
    *solver = (struct transport_solver){0};
}

/* What a task loses in a column against being worth nothing. */
static double loss(struct plan plan, uint32_t task, uint32_t column)
{
    if (column == plan.of->places)
        return 0.0;
    double worth = plan.of->worth[(size_t) task * plan.of->places + column];
    return worth > 0.0 ? -worth : (double) INFINITY;
}

/* The moves of a column whose tasks have changed, among the first `placed` tasks. */
static void find_moves(struct plan plan, uint32_t column, uint32_t placed)
{
    struct transport_move *move = &plan.own->move[(size_t) column * plan.own->columns];
    for (uint32_t c = 0; c < plan.own->columns; c++)
        move[c].loss = (double) INFINITY;
    for (uint32_t i = 0; i < placed; i++) {
        if (plan.own->column[i] != column)
            continue;
        double here = loss(plan, i, column);
        for (uint32_t c = 0; c < plan.own->columns; c++) {
            double more = loss(plan, i, c) - here;
            if (c != column && more < move[c].loss)
                move[c] = (struct transport_move){more, i};
        }
    }
}

/* Is column `c` on the path found to column `end`? */
static bool on_path(struct plan plan, uint32_t end, uint32_t c)
{
    for (uint32_t at = end; at != plan.own->columns; at = plan.own->from[at])
        if (at == c)
            return true;
    return false;
}

/* One round of Bellman and Ford. False: nothing is shorter. */
static bool shorten(struct plan plan)
{
    bool changed = false;
    for (uint32_t a = 0; a < plan.own->columns; a++)
        for (uint32_t b = 0; b < plan.own->columns && plan.own->dist[a] < (double) INFINITY; b++) {
            const struct transport_move *move = &plan.own->move[(size_t) a * plan.own->columns + b];
            /* The second condition only ever bars a loop that gains a rounding error: there is none that gains more. */
            if (plan.own->dist[a] + move->loss < plan.own->dist[b] && !on_path(plan, a, b)) {
                plan.own->dist[b] = plan.own->dist[a] + move->loss;
                plan.own->from[b] = a;
                plan.own->mover[b] = move->task;
                changed = true;
            }
        }
    return changed;
}

/* The column with room that the new task makes cheapest, through columns whose tasks move on. */
static uint32_t cheapest(struct plan plan, uint32_t task)
{
    for (uint32_t c = 0; c < plan.own->columns; c++) {
        plan.own->dist[c] = loss(plan, task, c);
        plan.own->from[c] = plan.own->columns;
        plan.own->mover[c] = task;
    }
    for (uint32_t round = 0; round + 1 < plan.own->columns && shorten(plan);)
        round++;
    uint32_t best = plan.of->places; /* where there is always room */
    for (uint32_t c = plan.own->columns; c-- > 0;)
        if (plan.own->room[c] > 0 && plan.own->dist[c] <= plan.own->dist[best])
            best = c;
    return best;
}

static void place(struct plan plan, uint32_t task)
{
    uint32_t end = cheapest(plan, task);
    plan.own->room[end]--;
    for (uint32_t c = end; c != plan.own->columns; c = plan.own->from[c])
        plan.own->column[plan.own->mover[c]] = c;
    for (uint32_t c = end; c != plan.own->columns; c = plan.own->from[c])
        find_moves(plan, c, task + 1);
}

static void begin(struct plan plan)
{
    struct transport_solver *own = plan.own;
    assert(plan.of->tasks <= own->tasks && plan.of->places + 1 == own->columns);
    for (uint32_t c = 0; c < plan.of->places; c++)
        own->room[c] = plan.of->room[c];
    own->room[plan.of->places] = plan.of->tasks;
    for (size_t i = 0; i < (size_t) own->columns * own->columns; i++)
        own->move[i].loss = (double) INFINITY;
}

double transport_solve(struct transport_solver *solver, const struct transport *problem, uint32_t *ret_place)
{
    const struct plan plan = {solver, problem};
    begin(plan);
    for (uint32_t i = 0; i < problem->tasks; i++)
        place(plan, i);
    double worth = 0.0;
    for (uint32_t i = 0; i < problem->tasks; i++) {
        bool goes = solver->column[i] < problem->places;
        ret_place[i] = goes ? solver->column[i] : TRANSPORT_NOWHERE;
        worth += goes ? problem->worth[(size_t) i * problem->places + solver->column[i]] : 0.0;
    }
    return worth;
}
