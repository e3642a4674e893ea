#include "core/stats/student.h"

#include <assert.h>
#include <math.h>

#include "core/base/elementary.h"
#include "core/base/units.h"

#define CONFIDENCE 0.95

double student_within(double t, uint32_t freedom)
{
    assert(freedom >= 1);
    double angle = elementary_atan2(fabs(t), sqrt((double) freedom)), sine, cosine;
    elementary_sincos(angle, &sine, &cosine);
    double term = freedom % 2 == 0 ? 1.0 : cosine;
    double sum = freedom == 1 ? 0.0 : term;
    for (uint32_t k = freedom % 2 == 0 ? 2 : 3; k + 2 <= freedom; k += 2) {
        term *= cosine * cosine * (double) (k - 1) / (double) k;
        sum += term;
    }
    return freedom % 2 == 0 ? sine * sum : 2.0 / UNITS_PI * (angle + sine * sum);
}

double student_two_sided(double share, uint32_t freedom)
{
    assert(share > 0.0 && share < 1.0); /* 1 is never reached */
    double low = 0.0, high = 1.0;
    while (student_within(high, freedom) < share)
        high *= 2.0;
    for (int i = 0; i < 60; i++) { /* to the last bits of a double */
        double middle = low + (high - low) / 2.0;
        if (student_within(middle, freedom) < share)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* The half-width shrinks with every run: t falls and the root grows. */
static int suffices(double mean, double deviation, uint32_t runs)
{
    assert(runs >= 2);
    return student_two_sided(CONFIDENCE, runs - 1) * deviation / sqrt((double) runs) < fabs(mean);
}

uint32_t student_runs(double mean, double deviation, uint32_t least)
{
    uint32_t low = least < 2 ? 2 : least, high = STUDENT_RUNS_MAX;
    if (low > high || isnan(mean) || isnan(deviation) || !suffices(mean, deviation, high))
        return 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (suffices(mean, deviation, middle))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}
