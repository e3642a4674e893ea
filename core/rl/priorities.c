#include "core/rl/priorities.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define ROOT 1u

int priorities_init(struct priorities *ret_priorities, size_t capacity)
{
    struct priorities made = {.capacity = capacity, .leaves = 1};
    assert(capacity >= 1 && capacity <= UINT32_MAX);
    while (made.leaves < capacity)
        made.leaves *= 2;
    made.weight = calloc(capacity + 1, sizeof *made.weight);
    made.sum = calloc(2 * made.leaves, sizeof *made.sum);
    if (made.weight == NULL || made.sum == NULL) {
        priorities_finish(&made);
        return -ENOMEM;
    }
    made.weight[capacity] = 1.0f;
    *ret_priorities = made;
    return 0;
}

void priorities_finish(struct priorities *priorities)
{
    free(priorities->weight);
    free(priorities->sum);
    *priorities = (struct priorities){0};
}

static void set(struct priorities *priorities, size_t slot, float weight)
{
    double *sum = priorities->sum;
    size_t node = priorities->leaves + slot;
    assert(slot < priorities->capacity && isfinite(weight) && weight > 0.0f);
    priorities->weight[slot] = weight;
    sum[node] = (double) weight;
    for (node /= 2; node >= ROOT; node /= 2)
        sum[node] = sum[2 * node] + sum[2 * node + 1];
}

void priorities_set(struct priorities *priorities, size_t slot, float weight)
{
    float *most = &priorities->weight[priorities->capacity];
    set(priorities, slot, weight);
    *most = weight > *most ? weight : *most;
}

void priorities_set_new(struct priorities *priorities, size_t slot)
{
    set(priorities, slot, priorities->weight[priorities->capacity]);
}

/* Rounding may put a mark behind the last slot that is set: an empty branch is never taken. */
size_t priorities_find(const struct priorities *priorities, double mark)
{
    const double *sum = priorities->sum;
    double left = mark * sum[ROOT];
    size_t node = ROOT;
    assert(mark >= 0.0 && mark < 1.0 && sum[ROOT] > 0.0);
    while (node < priorities->leaves) {
        node *= 2;
        bool is_right = sum[node + 1] > 0.0 && (left >= sum[node] || !(sum[node] > 0.0));
        left -= is_right ? sum[node] : 0.0;
        node += is_right ? 1 : 0;
    }
    return node - priorities->leaves;
}

double priorities_share(const struct priorities *priorities, size_t slot)
{
    assert(slot < priorities->capacity && priorities->sum[ROOT] > 0.0);
    return (double) priorities->weight[slot] / priorities->sum[ROOT];
}

void priorities_rebuild(struct priorities *priorities)
{
    double *sum = priorities->sum;
    for (size_t i = 0; i < priorities->capacity; i++)
        sum[priorities->leaves + i] = (double) priorities->weight[i];
    for (size_t node = priorities->leaves - 1; node >= ROOT; node--)
        sum[node] = sum[2 * node] + sum[2 * node + 1];
}
