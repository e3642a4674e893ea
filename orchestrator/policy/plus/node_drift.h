/* Notices that one node has changed: what its reports say moves away, together and lastingly, from what the
 * model learned of all nodes. Looks at the last residuals (reported minus predicted, of logarithms) of each
 * node: when their mean leaves what is usual for residuals far behind, that mean is the node's shift, a
 * factor on its seconds or joules, for as long as it stays. A mean of a window against a limit is a
 * one-sided-each-way control chart (Page, Biometrika 41 (1954) 100-115, section 2). */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_PLUS_NODE_DRIFT_H
#define HANDOFF_ORCHESTRATOR_POLICY_PLUS_NODE_DRIFT_H

#include <stdbool.h>
#include <stdint.h>

#define NODE_DRIFT_OUTPUTS 2u /* log seconds, log joules */
#define NODE_DRIFT_WINDOW                                                                                    \
    6u /* residuals: two or three slots of a busy server; fewer and one odd task counts [house] */

struct node_drift_node {
    float recent[NODE_DRIFT_WINDOW][NODE_DRIFT_OUTPUTS];
    uint32_t next, filled;
    float shift[NODE_DRIFT_OUTPUTS]; /* 0: as all others */
};

struct node_drift {
    struct node_drift_node *node; /* [count], owned */
    uint32_t count;
    uint64_t seen;                   /* residuals */
    float usual[NODE_DRIFT_OUTPUTS]; /* mean size of a residual, of all nodes, moving slowly */
};

/* -ENOMEM. */
int node_drift_init(struct node_drift *ret_drift, uint32_t count);
void node_drift_finish(struct node_drift *drift);

/* A residual of a node; true: its shift has changed. */
bool node_drift_observe(struct node_drift *drift, uint32_t node,
                        const float residual[static NODE_DRIFT_OUTPUTS]);

#endif
