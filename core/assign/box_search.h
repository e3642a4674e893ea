/* The best of two amounts in a box, where more of either is never worth less and has a price: branch and bound (Land and
 * Doig, Econometrica 28 (1960) 497-520). A cell's bound follows from its upper corner h: there worth is w and rises by slope s,
 * so that below it is at most w - s (h - x) where it is concave. With s = 0 that holds of every worth that never falls. */
#ifndef HANDOFF_CORE_ASSIGN_BOX_SEARCH_H
#define HANDOFF_CORE_ASSIGN_BOX_SEARCH_H

#include <stddef.h>

#define BOX_SEARCH_LOOKS_MAX 8192u

/* Of the amounts x: they give worth - per[0] x[0] - per[1] x[1]. Where x grows, worth must not fall, and no `per` (at least
 * 0) may rise. */
struct box_value {
    double worth; /* -INFINITY: these amounts are too little */
    double per[2];
};
typedef struct box_value box_search_value(void *user, const double x[static 2]);
/* How worth rises from x on, at least 0: amounts that are lower by u, and give anything, are worth at most
 * worth - slope[0] u[0] - slope[1] u[1]. */
typedef void box_search_slope(void *user, const double x[static 2], double worth, double ret_slope[static 2]);

struct box_question {
    box_search_value *value;
    box_search_slope *slope; /* NULL: 0 */
    void *user;
    double high[2];   /* the box: from 0, which is not in it */
    double floor;     /* what gives no more is of no use */
    double tolerance; /* above 0: by so much may `bound` be above both `floor` and `given` */
};

struct box_answer {
    double bound; /* nothing in the box gives more; at least `floor` */
    double given; /* by x; -INFINITY: there is no x that gives more than floor */
    double x[2];
    size_t
        looks; /* calls of value. After BOX_SEARCH_LOOKS_MAX it gives up: `bound` holds, and may be far above */
};

struct box_answer box_search(const struct box_question *question);

/* Steps from x, which is in the box, to what gives more as long as a step of either amount does; steps get smaller. It is
 * quick, and proves nothing: `bound` is not set. */
struct box_answer box_search_climb(const struct box_question *question, const double x[static 2]);

#endif
