/* A straight line through points by least squares, out of sums: those of parts add up, so a line through any choice of parts
 * takes no second look at the points. */
#ifndef HANDOFF_CORE_STATS_LINE_H
#define HANDOFF_CORE_STATS_LINE_H

/* Take x and y from somewhere in their middle: far from 0 the differences below lose digits. */
struct line_sums {
    double n, x, y, xx, xy, yy;
};

struct line {
    double slope, intercept; /* NAN: all x are the same */
    double r2; /* share of the variance of y that the line explains; NAN: all x, or all y, are the same */
};

void line_add_point(struct line_sums *sums, double x, double y);
void line_add(struct line_sums *sums, const struct line_sums *part);

/* y = intercept + slope x. */
struct line line_fit(const struct line_sums *sums);

#endif
