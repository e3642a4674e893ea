#include "orchestrator/report/secrecy.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"

int secrecy_add(struct secrecy *secrecy, const struct secrecy_measure *measure)
{
    if (array_reserve(&secrecy->measure, &secrecy->capacity, secrecy->measures + 1) != 0)
        return -ENOMEM;
    secrecy->measure[secrecy->measures++] = *measure;
    return 0;
}

void secrecy_finish(struct secrecy *secrecy)
{
    free(secrecy->measure);
    *secrecy = (struct secrecy){0};
}

static bool is_same_but_level(const struct secrecy_crossing *a, const struct secrecy_crossing *b)
{
    return a->split == b->split && strcmp(a->format, b->format) == 0 && strcmp(a->law, b->law) == 0;
}

double secrecy_share(const struct secrecy *secrecy, const struct secrecy_crossing *crossing)
{
    const struct secrecy_measure *below = NULL, *above = NULL;
    for (size_t i = 0; i < secrecy->measures; i++) {
        const struct secrecy_measure *own = &secrecy->measure[i];
        if (!is_same_but_level(&own->of, crossing))
            continue;
        if (own->of.level <= crossing->level && (below == NULL || own->of.level > below->of.level))
            below = own;
        if (own->of.level >= crossing->level && (above == NULL || own->of.level < above->of.level))
            above = own;
    }
    if (below == NULL || above == NULL)
        return (double) NAN;
    double distance = above->of.level - below->of.level;
    if (!(distance > 0.0))
        return below->share;
    return below->share + (above->share - below->share) * ((crossing->level - below->of.level) / distance);
}

uint64_t secrecy_tokens(const struct secrecy *secrecy)
{
    uint64_t least = 0;
    for (size_t i = 0; i < secrecy->measures; i++)
        if (i == 0 || secrecy->measure[i].tokens < least)
            least = secrecy->measure[i].tokens;
    return least;
}
