#include "core/rl/plan_grid.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/base/err.h"

struct plan_grid {
    struct plan_grid_config config;
    size_t settings;   /* of the parts of one step: levels^parts */
    uint32_t *allowed; /* [choices]: the numbers of those that are */
    uint32_t *choice;  /* [horizon][rows] */
    float *part;       /* [horizon][rows][parts] */
    double *worth;     /* [rows] */
};

/* a * b, or 0 when that is above the most. */
static size_t times(size_t a, size_t b)
{
    return a > 0 && b > 0 && a <= PLAN_GRID_MAX / b ? a * b : 0;
}

static size_t power(size_t base, size_t exponent)
{
    size_t product = 1;
    for (size_t i = 0; i < exponent; i++)
        product = times(product, base);
    return product;
}

int plan_grid_create(struct plan_grid **ret_grid, const struct plan_grid_config *config)
{
    const struct plan_space *space = &config->space;
    if (space->horizon < 1 || space->horizon > PLAN_HORIZON_MAX || space->choices < 1 ||
        space->choices > PLAN_CHOICES_MAX || space->parts > PLAN_PARTS_MAX || config->levels < 1 ||
        config->rows < 1 || config->rows > PLAN_GRID_MAX)
        return ERR_RANGE;
    size_t settings = power(config->levels, space->parts);
    if (power(times(settings, space->choices), space->horizon) == 0)
        return ERR_RANGE;
    struct plan_grid *own = calloc(1, sizeof *own);
    if (own == NULL)
        return -ENOMEM;
    size_t rows = space->horizon * config->rows;
    own->config = *config;
    own->settings = settings;
    own->allowed = calloc(space->choices, sizeof *own->allowed);
    own->choice = calloc(rows, sizeof *own->choice);
    own->part = calloc(rows * (space->parts > 0 ? space->parts : 1), sizeof *own->part);
    own->worth = calloc(config->rows, sizeof *own->worth);
    if (own->allowed == NULL || own->choice == NULL || own->part == NULL || own->worth == NULL) {
        plan_grid_destroy(own);
        return -ENOMEM;
    }
    *ret_grid = own;
    return 0;
}

void plan_grid_destroy(struct plan_grid *grid)
{
    if (grid == NULL)
        return;
    free(grid->allowed);
    free(grid->choice);
    free(grid->part);
    free(grid->worth);
    free(grid);
}

/* Plan number `number` among all; `choices` are allowed. The last step and the last part are the fastest digits. */
static void write_plan(const struct plan_grid *own, size_t number, size_t choices, size_t rows, size_t row,
                       uint32_t *choice, float *part)
{
    const struct plan_space *space = &own->config.space;
    size_t levels = own->config.levels;
    for (size_t h = space->horizon; h-- > 0;) {
        size_t step = number % (choices * own->settings), setting = step % own->settings;
        size_t place = h * rows + row;
        number /= choices * own->settings;
        choice[place] = own->allowed[step / own->settings];
        for (size_t i = space->parts; i-- > 0; setting /= levels)
            part[place * space->parts + i] = (float) (setting % levels + 1) / (float) levels;
    }
}

void plan_grid_search(struct plan_grid *grid, const struct plan_problem *problem, struct plan *ret_plan)
{
    struct plan_grid *own = grid;
    const struct plan_space *space = &own->config.space;
    size_t choices = 0, best = 0;
    for (size_t c = 0; c < space->choices; c++)
        if (problem->allowed == NULL || problem->allowed[c] == 1)
            own->allowed[choices++] = (uint32_t) c;
    assert(choices > 0);
    size_t plans = power(choices * own->settings, space->horizon);
    for (size_t first = 0; first < plans; first += own->config.rows) {
        size_t rows = plans - first < own->config.rows ? plans - first : own->config.rows;
        for (size_t row = 0; row < rows; row++)
            write_plan(own, first + row, choices, rows, row, own->choice, own->part);
        problem->worth(problem->user, rows, own->choice, own->part, own->worth);
        for (size_t row = 0; row < rows; row++)
            if (first + row == 0 || own->worth[row] > ret_plan->worth) {
                ret_plan->worth = own->worth[row];
                best = first + row;
            }
    }
    write_plan(own, best, choices, 1, 0, ret_plan->choice, ret_plan->part);
}
