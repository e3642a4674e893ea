/* Tasks that share capacities: a linear program and its prices. Columns are ways to serve a task; each has a worth, and uses
 * rows (capacities):
 *
 *   maximise  sum_k v_k x_k,   sum of x over a task's columns <= 1,   sum_k a_rk x_k <= b_r,   x >= 0
 *
 * Any prices p >= 0 of the rows give an upper bound (Lagrangian dual):
 *
 *   D(p) = sum_r b_r p_r + sum_tasks max(0, max over its columns of v_k - sum_r a_rk p_r)
 *
 * so nobody has to trust how they were found. They are found by a barrier method on the dual, with Newton steps in the prices
 * alone: of each task the barrier is minimised in one number (Nesterov and Nemirovskii, Interior-Point Polynomial Algorithms
 * in Convex Programming, 1994; Boyd and Vandenberghe, Convex Optimization, 2004, section 11.6). Where D is low, the x of the
 * central path, scaled until all rows hold, are nearly as good: that is the gap. */
#ifndef HANDOFF_CORE_ASSIGN_PACKING_H
#define HANDOFF_CORE_ASSIGN_PACKING_H

#include <stddef.h>
#include <stdint.h>

struct packing_use {
    uint32_t row;
    double amount; /* at least 0 */
};

struct packing_column {
    double worth;
    double x; /* after packing_solve: how much of it, feasible with the others */
    uint32_t task;
    uint32_t tag; /* the caller's */
    uint32_t uses;
    size_t first; /* of its uses */
};

/* All owned. */
struct packing {
    uint32_t tasks, rows;
    double *capacity; /* [rows] above 0; the caller's to fill */
    double *price;    /* [rows] above 0; where packing_solve begins, and what it finds */
    double *best;     /* [tasks] after packing_drop: max(0, best reduced worth) at these prices */
    struct packing_column *column; /* [columns]; packing_solve puts them in order of task */
    size_t columns, column_room;
    struct packing_use *use; /* [uses]; those of dropped columns stay */
    size_t uses, use_room;
};

struct packing_result {
    double bound;    /* D of packing.price over these columns */
    double attained; /* worth of the columns' x */
};

/* Without columns. Prices are 1. -ENOMEM. */
int packing_init(struct packing *ret_packing, uint32_t tasks, uint32_t rows);
void packing_finish(struct packing *packing);
/* Takes worth, task, tag and uses of the column, and copies its uses, whose rows rise. -ENOMEM: the packing is as it was. */
int packing_add(struct packing *packing, const struct packing_column *column, const struct packing_use *use);

/* v - sum a p of a column. */
double packing_reduced(const struct packing *packing, const struct packing_column *column);
/* Drops columns whose reduced worth is more than `margin` below the best of their task; fills `best`. */
void packing_drop(struct packing *packing, double margin);

/* Lowers D from packing.price on until it is within `gap` of what is attained, as a part of D; or until it can no more: the
 * caller looks at both. -ENOMEM. */
int packing_solve(struct packing *packing, double gap, struct packing_result *ret_result);

#endif
