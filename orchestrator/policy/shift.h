/* Notices that one node has changed: what its reports say moves away, together and lastingly, from what the
 * model learned of all nodes. Looks at the last residuals (reported minus predicted, of logarithms) of each
 * node: when their mean leaves what is usual for residuals far behind, that mean is the node's shift, a
 * factor on its seconds or joules, for as long as it stays. A mean of a window against a limit is a
 * one-sided-each-way control chart (Page, Biometrika 41 (1954) 100-115, section 2). */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_SHIFT_H
#define HANDOFF_ORCHESTRATOR_POLICY_SHIFT_H

#include <stdbool.h>
#include <stdint.h>

#define SHIFT_OUTPUTS 2u /* log seconds, log joules */
#define SHIFT_WINDOW                                                                                         \
    6u /* residuals: two or three slots of a busy server; fewer and one odd task counts [house] */

struct shift_node {
    float recent[SHIFT_WINDOW][SHIFT_OUTPUTS];
    uint32_t next, filled;
    float shift[SHIFT_OUTPUTS]; /* 0: as all others */
};

struct shift {
    struct shift_node *node; /* [count], owned */
    uint32_t count;
    uint64_t seen;              /* residuals */
    float usual[SHIFT_OUTPUTS]; /* mean size of a residual, of all nodes, moving slowly */
};

/* -ENOMEM. */
int shift_init(struct shift *ret_shift, uint32_t count);
void shift_finish(struct shift *shift);

/* A residual of a node; true: its shift has changed. */
bool shift_observe(struct shift *shift, uint32_t node, const float residual[static SHIFT_OUTPUTS]);

#endif
