#include "core/rl/information_gain.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/base/elementary.h"
#include "core/linalg/rows.h"

#define LN_2_PI_E 2.8378770664093453 /* ln(2 pi e): twice the entropy of a standard normal */
#define LN_PI 1.1447298858494002
#define EULER 0.5772156649015329
#define NEAREST2 1e-12 /* square of the least distance that counts */
#define FACTORS 8u     /* multiplied before a logarithm is taken: of numbers within 1e-30 and 1e30 */

/* psi(n) of a whole number. */
static double digamma(size_t n)
{
    double sum = -EULER;
    for (size_t i = 1; i < n; i++)
        sum += 1.0 / (double) i;
    return sum;
}

/* ln of the volume of the unit ball: V_d = V_(d-2) 2 pi / d, V_0 = 1, V_1 = 2. */
static double log_unit_ball(size_t dims)
{
    double sum = dims % 2 == 0 ? 0.0 : elementary_log(2.0);
    for (size_t d = dims % 2 == 0 ? 2 : 3; d <= dims; d += 2)
        sum += LN_PI + elementary_log(2.0 / (double) d);
    return sum;
}

/* A sum of logarithms, few of which are taken. */
struct logs {
    double product, sum;
    size_t factors;
};

static inline void logs_add(struct logs *logs, double factor)
{
    logs->product *= factor;
    if (++logs->factors < FACTORS)
        return;
    logs->sum += elementary_log(logs->product);
    logs->product = 1.0;
    logs->factors = 0;
}

static inline double logs_total(const struct logs *logs)
{
    return logs->sum + elementary_log(logs->product);
}

static inline double distance2(size_t dims, const float *a, const float *b)
{
    float part[4] = {0.0f};
    size_t i = 0;
    for (; i + 4 <= dims; i += 4)
        for (size_t r = 0; r < 4; r++)
            part[r] += (a[i + r] - b[i + r]) * (a[i + r] - b[i + r]);
    for (size_t r = 0; i + r < dims; r++)
        part[r] += (a[i + r] - b[i + r]) * (a[i + r] - b[i + r]);
    return (double) ((part[0] + part[2]) + (part[1] + part[3]));
}

/* Keeps the k least of what was seen, in rising order. */
static inline void keep_least(double *least, size_t k, double value)
{
    if (!(value < least[k - 1]))
        return;
    size_t i = k - 1;
    for (; i > 0 && least[i - 1] > value; i--)
        least[i] = least[i - 1];
    least[i] = value;
}

#define NEIGHBOUR_MAX 16u

static double nearest2(size_t count, size_t dims, const float *samples, size_t which, size_t k)
{
    double least[NEIGHBOUR_MAX];
    for (size_t i = 0; i < k; i++)
        least[i] = HUGE_VAL;
    for (size_t other = 0; other < count; other++)
        if (other != which)
            keep_least(least, k, distance2(dims, samples + which * dims, samples + other * dims));
    return least[k - 1] > NEAREST2 ? least[k - 1] : NEAREST2;
}

/* psi(N) - psi(k) + ln V_d: what does not depend on the samples. */
static double entropy_constant(size_t count, size_t dims, size_t k)
{
    return digamma(count) - digamma(k) + log_unit_ball(dims);
}

/* d / N times the sum of ln r. */
static double entropy_of_distances(size_t count, size_t dims, const float *samples, size_t k)
{
    struct logs logs = {.product = 1.0};
    for (size_t i = 0; i < count; i++)
        logs_add(&logs, nearest2(count, dims, samples, i, k));
    return 0.5 * (double) dims / (double) count * logs_total(&logs);
}

double information_gain_entropy(size_t count, size_t dims, const float *samples, size_t k)
{
    assert(k >= 1 && k < count && k <= NEIGHBOUR_MAX && dims >= 1);
    return entropy_constant(count, dims, k) + entropy_of_distances(count, dims, samples, k);
}

size_t information_gain_scratch(size_t members, size_t rows, size_t outputs)
{
    return members * rows * outputs + members * outputs;
}

/* Mean over members of the entropy of their own Gaussians. */
static double mean_entropy(const struct ensemble_guess *guess, size_t row)
{
    double sum = 0.0;
    for (size_t e = 0; e < guess->members; e++) {
        const float *l = guess->log_variance + (e * guess->rows + row) * guess->outputs;
        for (size_t k = 0; k < guess->outputs; k++)
            sum += (double) l[k];
    }
    return 0.5 * (sum / (double) guess->members + (double) guess->outputs * LN_2_PI_E);
}

/* `deviation` [members][rows][outputs]; `sample` [members][outputs] is scratch. */
static void by_neighbours(const struct ensemble_guess *guess, const float *noise, const float *deviation,
                          float *sample, double *ret_gain)
{
    size_t members = guess->members, outputs = guess->outputs;
    size_t k = members > INFORMATION_GAIN_NEIGHBOUR ? INFORMATION_GAIN_NEIGHBOUR : members - 1;
    double constant = entropy_constant(members, outputs, k);
    for (size_t row = 0; row < guess->rows; row++) {
        for (size_t e = 0; e < members; e++) {
            size_t at = (e * guess->rows + row) * outputs;
            for (size_t i = 0; i < outputs; i++)
                sample[e * outputs + i] = guess->mean[at + i] + deviation[at + i] * noise[e * outputs + i];
        }
        ret_gain[row] =
            constant + entropy_of_distances(members, outputs, sample, k) - mean_entropy(guess, row);
    }
}

/* Variance of the mixture in one output: the mean of variances, and the variance of means. */
static inline double mixed(const struct ensemble_guess *guess, const float *variance, size_t row, size_t k)
{
    double within = 0.0, sum = 0.0, squares = 0.0, count = (double) guess->members;
    for (size_t e = 0; e < guess->members; e++) {
        size_t at = (e * guess->rows + row) * guess->outputs + k;
        within += (double) variance[at];
        sum += (double) guess->mean[at];
    }
    double mean = sum / count;
    for (size_t e = 0; e < guess->members; e++) {
        double gap = (double) guess->mean[(e * guess->rows + row) * guess->outputs + k] - mean;
        squares += gap * gap;
    }
    return (within + squares) / count;
}

static void by_gaussian(const struct ensemble_guess *guess, const float *variance, double *ret_gain)
{
    for (size_t row = 0; row < guess->rows; row++) {
        struct logs logs = {.product = 1.0};
        for (size_t k = 0; k < guess->outputs; k++)
            logs_add(&logs, mixed(guess, variance, row, k));
        ret_gain[row] =
            0.5 * (logs_total(&logs) + (double) guess->outputs * LN_2_PI_E) - mean_entropy(guess, row);
    }
}

void information_gain_of(enum information_gain kind, const struct ensemble_guess *guess, const float *noise,
                         float *scratch, double *ret_gain)
{
    size_t all = guess->members * guess->rows * guess->outputs;
    float by = kind == INFORMATION_GAIN_NEIGHBOURS ? 0.5f : 1.0f; /* deviations, or variances */
    if (guess->members < 2) {
        memset(ret_gain, 0, guess->rows * sizeof *ret_gain);
        return;
    }
    for (size_t i = 0; i < all; i++)
        scratch[i] = by * guess->log_variance[i];
    linalg_exp(all, scratch, scratch);
    switch (kind) {
    case INFORMATION_GAIN_NEIGHBOURS: by_neighbours(guess, noise, scratch, scratch + all, ret_gain); return;
    case INFORMATION_GAIN_GAUSSIAN: by_gaussian(guess, scratch, ret_gain); return;
    }
    assert(false); /* every kind is above */
}
