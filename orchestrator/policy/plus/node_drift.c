#include "orchestrator/policy/plus/node_drift.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define SETTLED 2000u /* residuals before any node is suspected: the model is still learning [house] */
#define MEMORY 0.001f /* weight of a new residual in what is usual [house] */
#define LIMIT 4.0f    /* times what is usual: over nine deviations of a window's mean, were they normal */
#define LEAST 0.02f   /* a change of 2 % is not worth a notice [house] */

int node_drift_init(struct node_drift *ret_drift, uint32_t count)
{
    *ret_drift = (struct node_drift){.count = count, .node = calloc(count, sizeof *ret_drift->node)};
    return ret_drift->node != NULL ? 0 : -ENOMEM;
}

void node_drift_finish(struct node_drift *drift)
{
    free(drift->node);
    *drift = (struct node_drift){0};
}

static float mean_of(const struct node_drift_node *node, uint32_t output)
{
    float sum = 0.0f;
    for (uint32_t i = 0; i < NODE_DRIFT_WINDOW; i++)
        sum += node->recent[i][output];
    return sum / (float) NODE_DRIFT_WINDOW;
}

/* What is usual is learned from nodes that are as usual. */
static void learn_usual(struct node_drift *drift, const float *residual)
{
    float count = (float) (drift->seen + 1), memory = count * MEMORY < 1.0f ? 1.0f / count : MEMORY;
    for (uint32_t k = 0; k < NODE_DRIFT_OUTPUTS; k++)
        drift->usual[k] += memory * (fabsf(residual[k]) - drift->usual[k]);
    drift->seen++;
}

bool node_drift_observe(struct node_drift *drift, uint32_t node,
                        const float residual[static NODE_DRIFT_OUTPUTS])
{
    assert(node < drift->count);
    struct node_drift_node *own = &drift->node[node];
    assert(own->next < NODE_DRIFT_WINDOW && own->filled <= NODE_DRIFT_WINDOW);
    bool changed = false, suspected = false;
    for (uint32_t k = 0; k < NODE_DRIFT_OUTPUTS; k++)
        own->recent[own->next][k] = residual[k];
    own->next = (own->next + 1) % NODE_DRIFT_WINDOW;
    own->filled += own->filled < NODE_DRIFT_WINDOW ? 1 : 0;
    for (uint32_t k = 0; k < NODE_DRIFT_OUTPUTS && own->filled == NODE_DRIFT_WINDOW && drift->seen >= SETTLED;
         k++) {
        float mean = mean_of(own, k), limit = fmaxf(LIMIT * drift->usual[k], LEAST);
        /* Leaves only when it is well inside again. */
        bool shifted = fabsf(mean) > (own->shift[k] != 0.0f ? 0.5f * limit : limit);
        float now = shifted ? mean : 0.0f;
        changed = changed || now != own->shift[k];
        suspected = suspected || shifted;
        own->shift[k] = now;
    }
    if (!suspected)
        learn_usual(drift, residual);
    return changed;
}
