#include "core/stats/line.h"

#include <math.h>

#define SAME 1e-12 /* variance, relative to the mean square, that is only rounding */

void line_add_point(struct line_sums *sums, double x, double y)
{
    line_add(sums, &(struct line_sums){1.0, x, y, x * x, x * y, y * y});
}

void line_add(struct line_sums *sums, const struct line_sums *part)
{
    sums->n += part->n;
    sums->x += part->x;
    sums->y += part->y;
    sums->xx += part->xx;
    sums->xy += part->xy;
    sums->yy += part->yy;
}

struct line line_fit(const struct line_sums *sums)
{
    struct line none = {(double) NAN, (double) NAN, (double) NAN};
    if (sums->n < 2.0)
        return none;
    double xx = sums->xx - sums->x * sums->x / sums->n, yy = sums->yy - sums->y * sums->y / sums->n;
    double xy = sums->xy - sums->x * sums->y / sums->n;
    if (xx <= SAME * sums->xx)
        return none;
    double slope = xy / xx;
    return (struct line){
        .slope = slope,
        .intercept = (sums->y - slope * sums->x) / sums->n,
        .r2 = yy > SAME * sums->yy ? xy * xy / (xx * yy) : (double) NAN,
    };
}
