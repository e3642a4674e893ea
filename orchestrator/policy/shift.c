#include "orchestrator/policy/shift.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define SETTLED 2000u /* residuals before any node is suspected: the model is still learning [house] */
#define MEMORY 0.001f /* weight of a new residual in what is usual [house] */
#define LIMIT 4.0f    /* times what is usual: over nine deviations of a window's mean, were they normal */
#define LEAST 0.02f   /* a change of 2 % is not worth a notice [house] */

int shift_init(struct shift *ret_shift, uint32_t count)
{
    *ret_shift = (struct shift){.count = count, .node = calloc(count, sizeof *ret_shift->node)};
    return ret_shift->node != NULL ? 0 : -ENOMEM;
}

void shift_finish(struct shift *shift)
{
    free(shift->node);
    *shift = (struct shift){0};
}

static float mean_of(const struct shift_node *node, uint32_t output)
{
    float sum = 0.0f;
    for (uint32_t i = 0; i < SHIFT_WINDOW; i++)
        sum += node->recent[i][output];
    return sum / (float) SHIFT_WINDOW;
}

/* What is usual is learned from nodes that are as usual. */
static void learn_usual(struct shift *shift, const float *residual)
{
    float count = (float) (shift->seen + 1), memory = count * MEMORY < 1.0f ? 1.0f / count : MEMORY;
    for (uint32_t k = 0; k < SHIFT_OUTPUTS; k++)
        shift->usual[k] += memory * (fabsf(residual[k]) - shift->usual[k]);
    shift->seen++;
}

bool shift_observe(struct shift *shift, uint32_t node, const float residual[static SHIFT_OUTPUTS])
{
    struct shift_node *own = &shift->node[node];
    bool changed = false, suspected = false;
    for (uint32_t k = 0; k < SHIFT_OUTPUTS; k++)
        own->recent[own->next][k] = residual[k];
    own->next = (own->next + 1) % SHIFT_WINDOW;
    own->filled += own->filled < SHIFT_WINDOW ? 1 : 0;
    for (uint32_t k = 0; k < SHIFT_OUTPUTS && own->filled == SHIFT_WINDOW && shift->seen >= SETTLED; k++) {
        float mean = mean_of(own, k), limit = fmaxf(LIMIT * shift->usual[k], LEAST);
        /* Leaves only when it is well inside again. */
        bool shifted = fabsf(mean) > (own->shift[k] != 0.0f ? 0.5f * limit : limit);
        float now = shifted ? mean : 0.0f;
        changed = changed || now != own->shift[k];
        suspected = suspected || shifted;
        own->shift[k] = now;
    }
    if (!suspected)
        learn_usual(shift, residual);
    return changed;
}
