/* The best plan of a grid, by asking of every one: each allowed choice with every part at each of `levels` levels, (i + 1) /
 * levels for i from 0. Exact where plans have no parts, and the yardstick of what draws its candidates. Numerics only. */
#ifndef HANDOFF_CORE_RL_PLAN_GRID_H
#define HANDOFF_CORE_RL_PLAN_GRID_H

#include <stdint.h>

#include "core/rl/plan.h"

struct plan_grid_config {
    struct plan_space space;
    size_t levels; /* >= 1 */
    size_t rows;   /* most that are asked of at once, >= 1 */
};

#define PLAN_GRID_MAX (1u << 24) /* plans */

struct plan_grid;

/* ERR_RANGE: a space that cannot be, or has more than PLAN_GRID_MAX plans; -ENOMEM. */
int plan_grid_create(struct plan_grid **ret_grid, const struct plan_grid_config *config);
void plan_grid_destroy(struct plan_grid *grid);

/* Of equals the first, with choices as the slower digit. Fills ret_plan's arrays. */
void plan_grid_search(struct plan_grid *grid, const struct plan_problem *problem, struct plan *ret_plan);

#endif
