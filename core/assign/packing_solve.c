/* packing_solve: the barrier method. With p the prices and c_k = v_k - sum_r a_rk p_r, for mu > 0 falling to 0
 *
 *   minimise over p > 0   F(p) = sum_r b_r p_r - mu sum_r log p_r + sum_tasks phi(p)
 *   phi(p) = min over y of  y - mu log y - mu sum_k log(y - c_k)
 *
 * At the minimal y, x_k = mu / (y - c_k) and mu / y add up to 1: a task's x never exceed it. dF / dp_r = b_r - mu / p_r minus
 * what the x use of r. */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/assign/packing.h"

#define STEPS_MAX 300u      /* Newton steps; some sixty are usual */
#define HALVINGS_MAX 40u    /* of one step */
#define LEVEL_STEPS_MAX 60u /* of y; five are usual */
#define CENTRAL 0.25        /* of mu: a decrement at which the next mu is begun */
#define MU_FACTOR 0.15      /* from one mu to the next */
#define PRICE_LEAST 1e-30
#define MU_LEAST 1e-15 /* of the worth of all tasks: there is no more to be had in doubles */

struct solver {
    struct packing *of;
    size_t *first;     /* [tasks + 1] of each task's columns */
    double *below;     /* [most columns of a task] how far each is below the best of them, or below 0 */
    double *used;      /* [rows] by the x */
    double *gradient;  /* [rows] */
    double *hessian;   /* [rows][rows] the lower half, then its factor */
    double *step;      /* [rows] */
    double *before;    /* [rows] the prices that the step began with */
    double *weighted;  /* [rows] sum over a task's columns of x^2 / mu a, for those that it touches */
    uint32_t *touched; /* [rows] which */
    double mu;
    double bound, worth; /* at the prices: D, and what the x are worth before they are scaled */
};

static void finish(struct solver *solver)
{
    free(solver->first);
    free(solver->below);
    free(solver->used);
    free(solver->gradient);
    free(solver->hessian);
    free(solver->step);
    free(solver->before);
    free(solver->weighted);
    free(solver->touched);
}

/* Columns in order of task, those of a task in the order in which they came. */
static int sort_columns(struct solver *solver)
{
    struct packing *packing = solver->of;
    struct packing_column *sorted = calloc(packing->columns + 1, sizeof *sorted);
    if (sorted == NULL)
        return -ENOMEM;
    for (size_t k = 0; k < packing->columns; k++)
        solver->first[packing->column[k].task + 1]++;
    for (uint32_t i = 0; i < packing->tasks; i++)
        solver->first[i + 1] += solver->first[i];
    for (size_t k = 0; k < packing->columns; k++)
        sorted[solver->first[packing->column[k].task]++] = packing->column[k];
    for (uint32_t i = packing->tasks; i > 0; i--) /* each has moved to its end */
        solver->first[i] = solver->first[i - 1];
    solver->first[0] = 0;
    free(packing->column);
    packing->column = sorted;
    packing->column_room = packing->columns + 1;
    return 0;
}

static size_t most_of_a_task(const struct solver *solver)
{
    size_t most = 0;
    for (uint32_t i = 0; i < solver->of->tasks; i++) {
        size_t own = solver->first[i + 1] - solver->first[i];
        most = own > most ? own : most;
    }
    return most;
}

static int init(struct solver *ret, struct packing *packing)
{
    size_t rows = packing->rows;
    *ret = (struct solver){
        .of = packing,
        .first = calloc((size_t) packing->tasks + 1, sizeof *ret->first),
        .used = calloc(rows, sizeof *ret->used),
        .gradient = calloc(rows, sizeof *ret->gradient),
        .hessian = calloc(rows * rows, sizeof *ret->hessian),
        .step = calloc(rows, sizeof *ret->step),
        .before = calloc(rows, sizeof *ret->before),
        .weighted = calloc(rows, sizeof *ret->weighted),
        .touched = calloc(rows, sizeof *ret->touched),
    };
    bool whole = ret->first != NULL && ret->used != NULL && ret->gradient != NULL && ret->hessian != NULL &&
                 ret->step != NULL && ret->before != NULL && ret->weighted != NULL && ret->touched != NULL &&
                 sort_columns(ret) == 0;
    if (whole)
        ret->below = calloc(most_of_a_task(ret) + 1, sizeof *ret->below);
    if (whole && ret->below != NULL)
        return 0;
    finish(ret);
    return -ENOMEM;
}

/* ---- one task ---- */

/* How far y is above `most`, which is 0 or the largest of a task's reduced worths; `below` says how far each of those is
 * below it. It is the root of h(z) = mu / (most + z) + sum mu / (below + z) = 1. Newton's method on 1 / h, which is concave,
 * comes from the left and never passes the root. */
static double level_of(const double *below, size_t count, double most, double mu)
{
    double z = mu;
    for (unsigned step = 0; step < LEVEL_STEPS_MAX; step++) {
        double part = mu / (most + z), sum = part, squares = part * part;
        for (size_t k = 0; k < count; k++) {
            part = mu / (below[k] + z);
            sum += part;
            squares += part * part;
        }
        if (!(sum - 1.0 > 1e-12))
            break;
        z += (sum - 1.0) * sum * mu / squares;
    }
    return z;
}

/* A column's part of the derivatives, and of its task's. */
static void add_column(struct solver *solver, const struct packing_column *column, double weight,
                       uint32_t *touched)
{
    const struct packing_use *use = &solver->of->use[column->first];
    for (uint32_t i = 0; i < column->uses; i++) {
        uint32_t row = use[i].row;
        double amount = weight * use[i].amount;
        double *line = &solver->hessian[(size_t) row * solver->of->rows];
        if (amount <= 0.0)
            continue;
        solver->used[row] += column->x * use[i].amount;
        for (uint32_t k = 0; k <= i; k++) /* their rows rise */
            line[use[k].row] += amount * use[k].amount;
        if (solver->weighted[row] == 0.0)
            solver->touched[(*touched)++] = row;
        solver->weighted[row] += amount;
    }
}

/* y answers the prices too: what that takes from the Hessian. */
static void add_answer(struct solver *solver, double weights, uint32_t touched)
{
    for (uint32_t i = 0; i < touched; i++) {
        uint32_t row = solver->touched[i];
        double *line = &solver->hessian[(size_t) row * solver->of->rows];
        for (uint32_t k = 0; k < touched; k++)
            if (solver->touched[k] <= row)
                line[solver->touched[k]] -=
                    solver->weighted[row] * solver->weighted[solver->touched[k]] / weights;
    }
    for (uint32_t i = 0; i < touched; i++)
        solver->weighted[solver->touched[i]] = 0.0;
}

static void look_at_task(struct solver *solver, uint32_t task)
{
    struct packing_column *column = &solver->of->column[solver->first[task]];
    size_t count = solver->first[task + 1] - solver->first[task];
    double most = 0.0, mu = solver->mu;
    uint32_t touched = 0;
    for (size_t k = 0; k < count; k++) {
        solver->below[k] = packing_reduced(solver->of, &column[k]);
        most = solver->below[k] > most ? solver->below[k] : most;
    }
    for (size_t k = 0; k < count; k++)
        solver->below[k] = most - solver->below[k];
    double z = level_of(solver->below, count, most, mu), weights = mu / ((most + z) * (most + z));
    for (size_t k = 0; k < count; k++) {
        column[k].x = mu / (solver->below[k] + z);
        double weight = column[k].x * column[k].x / mu;
        weights += weight;
        solver->worth += column[k].x * column[k].worth;
        add_column(solver, &column[k], weight, &touched);
    }
    add_answer(solver, weights, touched);
    solver->bound += most;
}

/* ---- all of them ---- */

/* The derivatives of F at the prices, D, and the x. */
static void look(struct solver *solver)
{
    const struct packing *packing = solver->of;
    size_t rows = packing->rows;
    memset(solver->hessian, 0, rows * rows * sizeof *solver->hessian);
    memset(solver->used, 0, rows * sizeof *solver->used);
    solver->bound = solver->worth = 0.0;
    for (uint32_t i = 0; i < packing->tasks; i++)
        look_at_task(solver, i);
    for (size_t r = 0; r < rows; r++) {
        double price = packing->price[r], own = solver->mu / price;
        solver->bound += packing->capacity[r] * price;
        solver->gradient[r] = packing->capacity[r] - own - solver->used[r];
        solver->hessian[r * rows + r] += own / price;
    }
}

/* The Cholesky factor in place of the Hessian (Golub and Van Loan, Matrix Computations, section 4.2). */
static void factor(double *a, size_t rows)
{
    for (size_t r = 0; r < rows; r++) {
        double whole = a[r * rows + r];
        for (size_t c = 0; c <= r; c++) {
            double sum = a[r * rows + c];
            for (size_t k = 0; k < c; k++)
                sum -= a[r * rows + k] * a[c * rows + k];
            if (c < r)
                a[r * rows + c] = sum / a[c * rows + c];
            else /* above 0, but for rounding */
                a[r * rows + c] = sqrt(sum > 1e-14 * whole ? sum : 1e-14 * whole);
        }
    }
}

/* Newton's step, and its decrement squared. */
static double find_step(struct solver *solver)
{
    size_t rows = solver->of->rows;
    double *step = solver->step;
    const double *a = solver->hessian;
    double decrement = 0.0;
    factor(solver->hessian, rows);
    for (size_t r = 0; r < rows; r++) {
        double sum = -solver->gradient[r];
        for (size_t k = 0; k < r; k++)
            sum -= a[r * rows + k] * step[k];
        step[r] = sum / a[r * rows + r];
    }
    for (size_t r = rows; r-- > 0;) {
        double sum = step[r];
        for (size_t k = r + 1; k < rows; k++)
            sum -= a[k * rows + r] * step[k];
        step[r] = sum / a[r * rows + r];
    }
    for (size_t r = 0; r < rows; r++)
        decrement -= solver->gradient[r] * step[r];
    return decrement;
}

/* The longest part of the step that keeps a hundredth of every price. */
static double longest(const struct solver *solver)
{
    double part = 1.0;
    for (uint32_t r = 0; r < solver->of->rows; r++)
        if (solver->step[r] < 0.0 && -0.99 * solver->of->price[r] / solver->step[r] < part)
            part = -0.99 * solver->of->price[r] / solver->step[r];
    return part;
}

/* Goes along the step, no further than F falls. F is convex: its slope there tells. */
static void go(struct solver *solver, double decrement)
{
    struct packing *packing = solver->of;
    size_t rows = packing->rows;
    double part = longest(solver);
    memcpy(solver->before, packing->price, rows * sizeof *packing->price);
    for (unsigned i = 0; i < HALVINGS_MAX; i++, part *= 0.5) {
        double slope = 0.0;
        for (size_t r = 0; r < rows; r++)
            packing->price[r] = solver->before[r] + part * solver->step[r];
        look(solver);
        for (size_t r = 0; r < rows; r++)
            slope += solver->gradient[r] * solver->step[r];
        if (slope <= 0.3 * decrement)
            return;
    }
}

/* What the x use at most, as a part of what there is; 1: all fits. */
static double excess(const struct solver *solver)
{
    double most = 1.0;
    for (uint32_t r = 0; r < solver->of->rows; r++) {
        double part = solver->used[r] / solver->of->capacity[r];
        most = part > most ? part : most;
    }
    return most * (1.0 + 1e-11); /* a task's x add up to 1 within 1e-12 */
}

static double begin_mu(const struct packing *packing, double *ret_worth)
{
    double sum = 0.0;
    for (size_t k = 0, next; k < packing->columns; k = next) {
        double most = 0.0;
        for (next = k; next < packing->columns && packing->column[next].task == packing->column[k].task;
             next++)
            most = packing->column[next].worth > most ? packing->column[next].worth : most;
        sum += most;
    }
    *ret_worth = sum;
    return sum > 0.0 ? 0.1 * sum / packing->tasks : 1.0;
}

/* How small the decrement must be before mu may fall. The x miss the rows by about a hundredth of its root: where the gap
 * might be closed, that must be less than the gap. On the central path the gap is at most mu for each column, task and row,
 * and mostly much less. */
static double central(const struct solver *solver, double gap)
{
    const struct packing *packing = solver->of;
    double terms = (double) packing->columns + (double) packing->tasks + (double) packing->rows;
    double fine = 100.0 * gap * gap;
    if (solver->mu * terms > 50.0 * gap * solver->bound || fine > CENTRAL)
        return CENTRAL * solver->mu;
    return fine * solver->mu;
}

/* Until the gap is closed, or mu is too small for doubles. */
static void descend(struct solver *solver, double gap, double all)
{
    look(solver);
    for (unsigned step = 0; step < STEPS_MAX; step++) {
        double decrement = find_step(solver);
        if (decrement > central(solver, gap)) {
            go(solver, decrement);
            continue;
        }
        bool found = solver->bound - solver->worth / excess(solver) <= gap * solver->bound;
        if (found || solver->mu <= MU_LEAST * all)
            return;
        solver->mu *= MU_FACTOR;
        look(solver);
    }
}

int packing_solve(struct packing *packing, double gap, struct packing_result *ret_result)
{
    struct solver solver;
    double all = 0.0;
    if (init(&solver, packing) != 0)
        return -ENOMEM;
    solver.mu = begin_mu(packing, &all);
    if (!(all > 0.0)) /* nothing is worth anything: prices need be none */
        for (uint32_t r = 0; r < packing->rows; r++)
            packing->price[r] = PRICE_LEAST;
    else
        descend(&solver, gap, all);
    look(&solver);
    double part = all > 0.0 ? 1.0 / excess(&solver) : 0.0;
    for (size_t k = 0; k < packing->columns; k++)
        packing->column[k].x *= part;
    *ret_result = (struct packing_result){.bound = solver.bound, .attained = solver.worth * part};
    finish(&solver);
    return 0;
}
