#include "core/assign/box_search.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>

#define STEP_FIRST 0.4 /* of an amount, when climbing */
#define STEP_LAST 1e-3
#define DEPTH_MAX 128u /* halves of two doubles, and few searches come near */

struct cell {
    double low[2], high[2];
    struct box_value at_high;
    double slack[2]; /* what less of each amount may give more than the corner, at most */
    double bound;    /* nothing in the cell gives more */
};

struct search {
    const struct box_question *question;
    struct box_answer answer;
    double floor; /* what gives no more is of no use, after what was found */
    struct cell cell[DEPTH_MAX];
    unsigned count;
};

static double given_by(const struct box_value *value, const double x[static 2])
{
    return value->worth - value->per[0] * x[0] - value->per[1] * x[1];
}

static void look_at(struct search *search, struct cell *cell)
{
    cell->at_high = search->question->value(search->question->user, cell->high);
    assert(cell->at_high.per[0] >= 0.0 && cell->at_high.per[1] >= 0.0);
    search->answer.looks++;
}

/* Nobody looks into a cell any more. */
static void leave(struct search *search, double bound)
{
    search->answer.bound = bound > search->answer.bound ? bound : search->answer.bound;
}

/* By the price alone: slopes take time. */
static void bound_roughly(struct cell *cell)
{
    cell->bound = given_by(&cell->at_high, cell->high);
    for (unsigned d = 0; d < 2; d++) {
        cell->slack[d] = cell->at_high.per[d] * (cell->high[d] - cell->low[d]);
        cell->bound += cell->slack[d];
    }
}

static void bound_well(const struct search *search, struct cell *cell)
{
    double slope[2] = {0.0, 0.0};
    if (search->question->slope != NULL)
        search->question->slope(search->question->user, cell->high, cell->at_high.worth, slope);
    cell->bound = given_by(&cell->at_high, cell->high);
    for (unsigned d = 0; d < 2; d++) {
        double less = cell->at_high.per[d] - slope[d];
        cell->slack[d] = (less > 0.0 ? less : 0.0) * (cell->high[d] - cell->low[d]);
        cell->bound += cell->slack[d];
    }
}

/* A cell whose value is known: the best so far may be its corner. It is kept if it may hold much better. */
static void enter(struct search *search, struct cell *cell)
{
    double corner = given_by(&cell->at_high, cell->high);
    if (corner > search->floor) {
        search->floor = search->answer.given = corner;
        search->answer.x[0] = cell->high[0];
        search->answer.x[1] = cell->high[1];
        leave(search, corner);
    }
    bound_roughly(cell);
    if (cell->bound > search->floor + search->question->tolerance)
        bound_well(search, cell);
    if (cell->bound > search->floor + search->question->tolerance && search->count < DEPTH_MAX)
        search->cell[search->count++] = *cell;
    else
        leave(search, cell->bound);
}

/* Along the amount by which it is most uncertain. The upper half has the corner that is known; what gives more is looked
 * into first. */
static void divide(struct search *search, const struct cell *cell)
{
    struct cell lower = *cell, upper = *cell;
    unsigned d = cell->slack[1] > cell->slack[0] ? 1 : 0;
    lower.high[d] = upper.low[d] = 0.5 * (cell->low[d] + cell->high[d]);
    look_at(search, &lower);
    bool lower_first = given_by(&lower.at_high, lower.high) > given_by(&upper.at_high, upper.high);
    enter(search, lower_first ? &upper : &lower);
    enter(search, lower_first ? &lower : &upper);
}

struct box_answer box_search(const struct box_question *question)
{
    struct search search = {
        .question = question,
        .answer = {.bound = question->floor, .given = -(double) INFINITY},
        .floor = question->floor,
    };
    struct cell whole = {.high = {question->high[0], question->high[1]}};
    assert(question->tolerance > 0.0);
    look_at(&search, &whole);
    enter(&search, &whole);
    while (search.count > 0) {
        const struct cell cell = search.cell[--search.count];
        bool is_hopeless = cell.bound <= search.floor + question->tolerance;
        if (is_hopeless || search.answer.looks >= BOX_SEARCH_LOOKS_MAX)
            leave(&search, cell.bound);
        else
            divide(&search, &cell);
    }
    return search.answer;
}

/* One step of one amount, up or down. Does it give more? */
static bool climb(const struct box_question *question, struct box_answer *answer, unsigned d, double factor)
{
    double x[2] = {answer->x[0], answer->x[1]};
    x[d] = x[d] * factor < question->high[d] ? x[d] * factor : question->high[d];
    const struct box_value value = question->value(question->user, x);
    answer->looks++;
    double given = given_by(&value, x);
    if (!(given > answer->given))
        return false;
    answer->given = given;
    answer->x[d] = x[d];
    return true;
}

struct box_answer box_search_climb(const struct box_question *question, const double x[static 2])
{
    const struct box_value first = question->value(question->user, x);
    struct box_answer answer = {.given = given_by(&first, x), .x = {x[0], x[1]}, .looks = 1};
    for (double step = STEP_FIRST; step > STEP_LAST;) {
        bool moved = false;
        for (unsigned d = 0; d < 2; d++)
            moved = climb(question, &answer, d, 1.0 + step) ||
                    climb(question, &answer, d, 1.0 / (1.0 + step)) || moved;
        if (!moved || answer.looks >= BOX_SEARCH_LOOKS_MAX)
            step *= 0.35;
    }
    return answer;
}
