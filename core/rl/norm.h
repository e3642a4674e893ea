/* The length of a gradient, and its bound. */
#ifndef HANDOFF_CORE_RL_NORM_H
#define HANDOFF_CORE_RL_NORM_H

#include <stddef.h>

/* The Euclidean norm: sixteen interleaved sums, added in order, so that the bits are the same at any vector
 * width. */
double norm_of(size_t size, const float *values);

/* Scales the values so that their norm is at most `most` (Pascanu et al., arXiv 1211.5063); 0: no bound. */
void norm_bound(size_t size, float *values, float most);

#endif
