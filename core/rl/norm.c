#include "core/rl/norm.h"

#include <assert.h>
#include <math.h>

#include "core/base/simd_clones.h"

#define LANES 16u

SIMD_CLONES double norm_of(size_t size, const float *values)
{
    double lane[LANES] = {0.0}, sum = 0.0;
    size_t whole = size / LANES * LANES;
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            lane[k] += (double) values[i + k] * (double) values[i + k];
    for (size_t k = 0; whole + k < size; k++)
        lane[k] += (double) values[whole + k] * (double) values[whole + k];
    for (size_t k = 0; k < LANES; k++)
        sum += lane[k];
    return sqrt(sum);
}

SIMD_CLONES static void scale_all(size_t size, float *values, float factor)
{
    for (size_t i = 0; i < size; i++)
        values[i] *= factor;
}

void norm_bound(size_t size, float *values, float most)
{
    assert(most >= 0.0f);
    double norm = most > 0.0f ? norm_of(size, values) : 0.0;
    if (norm > (double) most)
        scale_all(size, values, (float) ((double) most / norm));
}
