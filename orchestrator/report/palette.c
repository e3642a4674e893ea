#include "orchestrator/report/palette.h"

#include <assert.h>

#include "orchestrator/policy/catalog/catalog.h"

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

/* The paper's learners and ours have the first colours, whatever stands between them in the table. */
static const struct policy_kind *const foremost[] = {&policy_dapo, &policy_dapo_plus, &policy_ppo,
                                                     &policy_a2c};
#define FOREMOST (sizeof foremost / sizeof *foremost)

static size_t foremost_place(const struct policy_kind *kind)
{
    size_t i = 0;
    while (i < FOREMOST && foremost[i] != kind)
        i++;
    return i;
}

/* Rules for whole tasks stand in no figure beside those that split: they have the same places. */
static bool is_of_whole_tasks(const struct policy_kind *kind)
{
    return kind->modes == POLICY_MODE_RESERVED;
}

/* Its place in its family: the foremost, and then the table's order. */
static size_t place_of(const struct policy_kind *kind)
{
    if (foremost_place(kind) < FOREMOST)
        return foremost_place(kind);
    size_t place = family_of(kind) == LEARNER ? FOREMOST : 0;
    for (size_t i = 0; i < catalog_count() && catalog_at(i) != kind; i++) {
        const struct policy_kind *other = catalog_at(i);
        bool before = family_of(other) == family_of(kind) && foremost_place(other) == FOREMOST &&
                      is_of_whole_tasks(other) == is_of_whole_tasks(kind);
        place += before ? 1 : 0;
    }
    return place;
}

struct palette_style palette_style(const struct policy_kind *kind)
{
    static const int dashes[][DASHES] = {[LEARNER] = {1, 5, 6}, [RULE] = {2, 3, 4}, [YARDSTICK] = {4, 2, 3}};
    if (kind == NULL)
        return (struct palette_style){GREY, 3, 3};
    if (kind->asks) /* whoever decides there */
        return (struct palette_style){GREY, 1, 7};
    enum family family = family_of(kind);
    size_t place = place_of(kind), colours_of = family == YARDSTICK ? 1 : COLOURS;
    assert((size_t) family < sizeof dashes / sizeof *dashes);
    return (struct palette_style){
        .colour = family == YARDSTICK ? BLACK : colours[place % COLOURS],
        .dash = dashes[family][place / colours_of % DASHES],
        .point = family == YARDSTICK ? 2 : open_points[place % POINTS] + (family == LEARNER ? 1 : 0),
    };
}
