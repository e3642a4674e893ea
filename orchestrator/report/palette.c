#include "orchestrator/report/palette.h"

#define COLOURS 6
static const char *const colours[COLOURS] = {
    "#0072B2", /* blue */
    "#D55E00", /* vermilion */
    "#009E73", /* bluish green */
    "#CC79A7", /* reddish purple */
    "#E69F00", /* orange */
    "#56B4E9", /* sky blue */
};
#define DASHES 3 /* when the colours are used up, another dash begins */
#define BLACK "#000000"
#define GREY "#7F7F7F"

enum family { LEARNER, RULE, YARDSTICK };

static enum family family_of(const struct policy_kind *kind)
{
    if (policy_is_trained(kind) || kind->asks)
        return LEARNER;
    return kind->sees == POLICY_SEES_WORLD ? YARDSTICK : RULE;
}

/* Circle, square, triangles and diamond, open; one more is the same, filled. */
static const int open_points[] = {6, 4, 8, 10, 12};
#define POINTS (sizeof open_points / sizeof *open_points)

struct palette_style palette_style(const struct policy_kind *kind)
{
    static const int dashes[][DASHES] = {[LEARNER] = {1, 5, 1}, [RULE] = {2, 3, 4}, [YARDSTICK] = {4, 4, 4}};
    if (kind == NULL)
        return (struct palette_style){GREY, 3, 3};
    size_t before = 0; /* of its family, in the table */
    for (size_t i = 0; i < policy_count() && policy_at(i) != kind; i++)
        before += family_of(policy_at(i)) == family_of(kind) ? 1 : 0;
    enum family family = family_of(kind);
    return (struct palette_style){
        .colour = family == YARDSTICK ? BLACK : colours[before % COLOURS],
        .dash = dashes[family][before / COLOURS % DASHES],
        .point = family == YARDSTICK ? 2 : open_points[before % POINTS] + (family == LEARNER ? 1 : 0),
    };
}
