#include "core/rl/free_energy.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/rng.h"

struct free_energy {
    struct free_energy_config config;
    struct ensemble *ensemble; /* borrowed */
    const struct free_energy_world *world;
    const float *begins; /* borrowed: the decision's state */
    double factor;
    struct ensemble_guess guess;
    float *state; /* [rows][state] */
    float *x;     /* [rows][inputs] */
    float *y;     /* [rows][outputs] of a member, in units */
    float *mean;  /* [rows][outputs] of all members, in units */
    float *noise; /* [horizon][members][outputs] */
    float *scratch;
    double *gain, *preference; /* [rows]: sums over steps */
    double *term;              /* [rows] of one step */
};

static bool is_config_possible(const struct free_energy_config *config, const struct ensemble_config *model)
{
    const struct plan_space *space = &config->space;
    return space->horizon >= 1 && space->horizon <= PLAN_HORIZON_MAX && space->parts <= PLAN_PARTS_MAX &&
           config->rows >= 1 && config->rows <= model->rows && config->scale >= 0.0 &&
           config->state <= ENSEMBLE_SIZE_MAX;
}

static bool take_space(struct free_energy *own, const struct ensemble_config *model)
{
    size_t rows = own->config.rows, outputs = model->outputs;
    own->state = calloc(rows * own->config.state + 1, sizeof *own->state);
    own->x = calloc(rows * model->inputs, sizeof *own->x);
    own->y = calloc(rows * outputs, sizeof *own->y);
    own->mean = calloc(rows * outputs, sizeof *own->mean);
    own->noise = calloc(own->config.space.horizon * model->members * outputs, sizeof *own->noise);
    own->scratch = calloc(information_gain_scratch(model->members, rows, outputs), sizeof *own->scratch);
    own->gain = calloc(3 * rows, sizeof *own->gain);
    if (own->state == NULL || own->x == NULL || own->y == NULL || own->mean == NULL || own->noise == NULL ||
        own->scratch == NULL || own->gain == NULL)
        return false;
    own->preference = own->gain + rows;
    own->term = own->preference + rows;
    return ensemble_guess_init(&own->guess, own->ensemble, rows) == 0;
}

int free_energy_create(struct free_energy **ret_energy, const struct free_energy_config *config,
                       struct ensemble *ensemble)
{
    if (!is_config_possible(config, ensemble_config(ensemble)))
        return ERR_RANGE;
    struct free_energy *own = calloc(1, sizeof *own);
    if (own == NULL)
        return -ENOMEM;
    own->config = *config;
    own->ensemble = ensemble;
    own->factor = 1.0;
    if (!take_space(own, ensemble_config(ensemble))) {
        free_energy_destroy(own);
        return -ENOMEM;
    }
    *ret_energy = own;
    return 0;
}

void free_energy_destroy(struct free_energy *energy)
{
    if (energy == NULL)
        return;
    ensemble_guess_finish(&energy->guess);
    free(energy->state);
    free(energy->x);
    free(energy->y);
    free(energy->mean);
    free(energy->noise);
    free(energy->scratch);
    free(energy->gain);
    free(energy);
}

/* ---- a decision ---- */

static bool counts_gain(const struct free_energy *own)
{
    return own->config.scale * own->factor > 0.0;
}

static void draw_noise(struct free_energy *own, uint64_t decision)
{
    const struct ensemble_config *model = ensemble_config(own->ensemble);
    size_t count = own->config.space.horizon * model->members * model->outputs;
    const struct rng_at at = {
        .seed = own->config.seed,
        .phase = RNG_TRAIN,
        .stream = RNG_IMAGINED,
        .entity = own->config.entity,
        .episode = (uint32_t) (decision >> 32),
        .slot = (uint32_t) decision,
    };
    for (size_t i = 0; i < count; i += 4) {
        struct rng_block block = rng_block(&at, (uint32_t) (i / 4));
        double normal[4];
        rng_normal_pair(block.v[0], block.v[1], normal);
        rng_normal_pair(block.v[2], block.v[3], normal + 2);
        for (size_t k = 0; k < 4 && i + k < count; k++)
            own->noise[i + k] = (float) normal[k];
    }
}

void free_energy_begin(struct free_energy *energy, const struct free_energy_world *world, const float *state,
                       uint64_t decision)
{
    struct free_energy *own = energy;
    assert(world->follow != NULL || own->config.space.horizon == 1);
    own->world = world;
    own->begins = state;
    if (counts_gain(own) && own->config.gain == INFORMATION_GAIN_NEIGHBOURS)
        draw_noise(own, decision);
}

void free_energy_weigh(struct free_energy *energy, double factor)
{
    assert(factor >= 0.0);
    energy->factor = factor;
}

/* ---- the worth of plans ---- */

/* Adds a step's preference, and leaves the members' mean of the outcome. */
static void add_preference(struct free_energy *own, const struct free_energy_step *step)
{
    size_t members = own->guess.members, size = step->rows * own->guess.outputs;
    memset(own->mean, 0, size * sizeof *own->mean);
    for (size_t e = 0; e < members; e++) {
        ensemble_in_units(own->ensemble, step->rows, own->guess.mean + e * size, own->y);
        own->world->prefer(own->world->user, step, own->y, own->term);
        for (size_t row = 0; row < step->rows; row++)
            own->preference[row] += own->term[row] / (double) members;
        for (size_t i = 0; i < size; i++)
            own->mean[i] += own->y[i] / (float) members;
    }
}

static void add_gain(struct free_energy *own, const struct free_energy_step *step)
{
    size_t noise = own->guess.members * own->guess.outputs;
    information_gain_of(own->config.gain, &own->guess, own->noise + step->number * noise, own->scratch,
                        own->term);
    for (size_t row = 0; row < step->rows; row++)
        own->gain[row] += own->term[row];
}

static void begin_rows(struct free_energy *own, size_t rows)
{
    for (size_t row = 0; row < rows && own->config.state > 0; row++)
        memcpy(own->state + row * own->config.state, own->begins, own->config.state * sizeof(float));
    memset(own->gain, 0, rows * sizeof *own->gain);
    memset(own->preference, 0, rows * sizeof *own->preference);
}

void free_energy_worth(void *energy, size_t rows, const uint32_t *choice, const float *part,
                       double *ret_worth)
{
    struct free_energy *own = energy;
    const struct plan_space *space = &own->config.space;
    assert(own->world != NULL && rows >= 1 && rows <= own->config.rows);
    begin_rows(own, rows);
    for (size_t h = 0; h < space->horizon; h++) {
        const struct free_energy_step step = {
            .number = h,
            .rows = rows,
            .state = own->state,
            .choice = choice + h * rows,
            .part = part + h * rows * space->parts,
        };
        own->world->describe(own->world->user, &step, own->x);
        ensemble_predict(own->ensemble, rows, own->x, &own->guess);
        add_preference(own, &step);
        if (counts_gain(own))
            add_gain(own, &step);
        if (h + 1 < space->horizon)
            own->world->follow(own->world->user, &step, own->mean, own->state);
    }
    double scale = own->config.scale * own->factor;
    for (size_t row = 0; row < rows; row++)
        ret_worth[row] = own->preference[row] + scale * own->gain[row];
}

double free_energy_gain(const struct free_energy *energy, size_t row)
{
    assert(row < energy->config.rows);
    return energy->gain[row];
}

double free_energy_preference(const struct free_energy *energy, size_t row)
{
    assert(row < energy->config.rows);
    return energy->preference[row];
}
