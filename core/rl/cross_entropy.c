#include "core/rl/cross_entropy.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/rng.h"

#define FIRST_MEAN 0.5
#define FIRST_DEVIATION 0.5
#define BLOCKS_OF_A_STEP 2u /* of four words: the choice and the first normals, then the rest */
#define DRAWS_MAX (1u << 31)

struct cross_entropy {
    struct cross_entropy_config config;
    /* What is drawn from, by step: [horizon][choices], and [horizon][choices][parts]. */
    double *probability, *mean, *deviation;
    size_t allowed;   /* choices */
    uint32_t *choice; /* [horizon][candidates] */
    float *part;      /* [horizon][candidates][parts] */
    double *worth;    /* [candidates] */
    uint32_t *order;  /* [candidates]: the elites first */
    double *sum;      /* [choices][2 parts] of a refit */
    uint32_t *count;  /* [choices] */
};

static bool is_config_possible(const struct cross_entropy_config *config)
{
    const struct plan_space *space = &config->space;
    if (space->horizon < 1 || space->horizon > PLAN_HORIZON_MAX || space->choices < 1 ||
        space->choices > PLAN_CHOICES_MAX || space->parts > PLAN_PARTS_MAX || config->candidates < 2 ||
        config->elites < 1 || config->elites > config->candidates || config->iterations < 1)
        return false;
    size_t draws = space->horizon * BLOCKS_OF_A_STEP;
    return config->candidates <= DRAWS_MAX / draws &&
           config->iterations <= DRAWS_MAX / (config->candidates * draws) && config->smoothing > 0.0 &&
           config->narrowest >= 0.0;
}

int cross_entropy_create(struct cross_entropy **ret_planner, const struct cross_entropy_config *config)
{
    if (!is_config_possible(config))
        return ERR_RANGE;
    struct cross_entropy *own = calloc(1, sizeof *own);
    if (own == NULL)
        return -ENOMEM;
    const struct plan_space *space = &config->space;
    size_t classes = space->horizon * space->choices, drawn = space->horizon * config->candidates;
    size_t parts = space->parts > 0 ? space->parts : 1;
    own->config = *config;
    own->probability = calloc(classes * (1 + 2 * parts), sizeof *own->probability);
    own->choice = calloc(drawn, sizeof *own->choice);
    own->part = calloc(drawn * parts, sizeof *own->part);
    own->worth = calloc(config->candidates, sizeof *own->worth);
    own->order = calloc(config->candidates, sizeof *own->order);
    own->sum = calloc(space->choices * 2 * parts, sizeof *own->sum);
    own->count = calloc(space->choices, sizeof *own->count);
    if (own->probability == NULL || own->choice == NULL || own->part == NULL || own->worth == NULL ||
        own->order == NULL || own->sum == NULL || own->count == NULL) {
        cross_entropy_destroy(own);
        return -ENOMEM;
    }
    own->mean = own->probability + classes;
    own->deviation = own->mean + classes * parts;
    *ret_planner = own;
    return 0;
}

void cross_entropy_destroy(struct cross_entropy *planner)
{
    if (planner == NULL)
        return;
    free(planner->probability);
    free(planner->choice);
    free(planner->part);
    free(planner->worth);
    free(planner->order);
    free(planner->sum);
    free(planner->count);
    free(planner);
}

/* ---- drawing ---- */

static bool may_be(const struct plan_problem *problem, size_t choice)
{
    return problem->allowed == NULL || problem->allowed[choice] == 1;
}

static void begin(struct cross_entropy *own, const struct plan_problem *problem)
{
    const struct plan_space *space = &own->config.space;
    size_t parts = space->horizon * space->choices * space->parts;
    own->allowed = 0;
    for (size_t c = 0; c < space->choices; c++)
        own->allowed += may_be(problem, c) ? 1 : 0;
    assert(own->allowed > 0);
    for (size_t h = 0; h < space->horizon; h++)
        for (size_t c = 0; c < space->choices; c++)
            own->probability[h * space->choices + c] = may_be(problem, c) ? 1.0 / (double) own->allowed : 0.0;
    for (size_t i = 0; i < parts; i++) {
        own->mean[i] = FIRST_MEAN;
        own->deviation[i] = FIRST_DEVIATION;
    }
}

/* The class where the running sum of probabilities passes u; rounding leaves the last possible one. */
static uint32_t class_at(size_t choices, const double *probability, double u)
{
    double sum = 0.0;
    uint32_t last = 0;
    for (size_t c = 0; c < choices; c++) {
        if (probability[c] <= 0.0)
            continue;
        last = (uint32_t) c;
        sum += probability[c];
        if (u < sum)
            break;
    }
    return last;
}

static uint32_t likeliest(size_t choices, const double *probability)
{
    size_t best = 0;
    for (size_t c = 1; c < choices; c++)
        best = probability[c] > probability[best] ? c : best;
    return (uint32_t) best;
}

static float clipped(double value)
{
    return value < 0.0 ? 0.0f : value > 1.0 ? 1.0f : (float) value;
}

static void take_mean(const struct cross_entropy *own, size_t h, uint32_t *ret_choice, float *ret_part)
{
    const struct plan_space *space = &own->config.space;
    *ret_choice = likeliest(space->choices, own->probability + h * space->choices);
    const double *mean = own->mean + (h * space->choices + *ret_choice) * space->parts;
    for (size_t i = 0; i < space->parts; i++)
        ret_part[i] = clipped(mean[i]);
}

static void draw_step(const struct cross_entropy *own, const struct rng_at *at, uint32_t index, size_t h,
                      uint32_t *ret_choice, float *ret_part)
{
    const struct plan_space *space = &own->config.space;
    struct rng_block block = rng_block(at, index);
    double normal[PLAN_PARTS_MAX] = {0.0};
    *ret_choice = class_at(space->choices, own->probability + h * space->choices, rng_u01(block.v[0]));
    if (space->parts == 0)
        return;
    rng_normal_pair(block.v[2], block.v[3], normal);
    if (space->parts > 2) {
        block = rng_block(at, index + 1);
        rng_normal_pair(block.v[0], block.v[1], normal + 2);
    }
    size_t row = (h * space->choices + *ret_choice) * space->parts;
    for (size_t i = 0; i < space->parts; i++)
        ret_part[i] = clipped(own->mean[row + i] + own->deviation[row + i] * normal[i]);
}

static void draw_all(struct cross_entropy *own, uint64_t decision, size_t iteration)
{
    const struct cross_entropy_config *config = &own->config;
    size_t horizon = config->space.horizon, parts = config->space.parts;
    struct rng_at at = {
        .seed = config->seed,
        .phase = RNG_TRAIN,
        .stream = RNG_PLANNING,
        .entity = config->entity,
        .episode = (uint32_t) (decision >> 32),
        .slot = (uint32_t) decision,
    };
    for (size_t j = 0; j < config->candidates; j++)
        for (size_t h = 0; h < horizon; h++) {
            size_t place = h * config->candidates + j;
            uint32_t index =
                (uint32_t) (((iteration * config->candidates + j) * horizon + h) * BLOCKS_OF_A_STEP);
            if (iteration > 0 && j == 0)
                take_mean(own, h, &own->choice[place], own->part + place * parts);
            else
                draw_step(own, &at, index, h, &own->choice[place], own->part + place * parts);
        }
}

/* ---- refitting ---- */

static bool is_better(const struct cross_entropy *own, uint32_t a, uint32_t b)
{
    return own->worth[a] > own->worth[b] || (own->worth[a] == own->worth[b] && a < b);
}

/* The elites to the front, best first: insertion into a short list. */
static void rank(struct cross_entropy *own)
{
    size_t held = 0, most = own->config.elites;
    for (uint32_t j = 0; j < own->config.candidates; j++) {
        if (held == most && !is_better(own, j, own->order[most - 1]))
            continue;
        size_t i = held < most ? held++ : most - 1;
        for (; i > 0 && is_better(own, j, own->order[i - 1]); i--)
            own->order[i] = own->order[i - 1];
        own->order[i] = j;
    }
}

static void add_up(struct cross_entropy *own, size_t h)
{
    const struct plan_space *space = &own->config.space;
    size_t parts = space->parts;
    memset(own->count, 0, space->choices * sizeof *own->count);
    memset(own->sum, 0, space->choices * 2 * parts * sizeof *own->sum);
    for (size_t e = 0; e < own->config.elites; e++) {
        size_t place = h * own->config.candidates + own->order[e];
        uint32_t choice = own->choice[place];
        double *sum = own->sum + choice * 2 * parts;
        own->count[choice]++;
        for (size_t i = 0; i < parts; i++) {
            double value = (double) own->part[place * parts + i];
            sum[i] += value;
            sum[parts + i] += value * value;
        }
    }
}

static void refit_step(struct cross_entropy *own, const struct plan_problem *problem, size_t h)
{
    const struct cross_entropy_config *config = &own->config;
    size_t choices = config->space.choices, parts = config->space.parts;
    double all = (double) config->elites + config->smoothing * (double) own->allowed;
    add_up(own, h);
    for (size_t c = 0; c < choices; c++) {
        size_t row = h * choices + c;
        double count = (double) own->count[c];
        own->probability[row] = may_be(problem, c) ? (count + config->smoothing) / all : 0.0;
        for (size_t i = 0; i < parts && own->count[c] >= 2; i++) {
            double mean = own->sum[c * 2 * parts + i] / count;
            double variance = own->sum[c * 2 * parts + parts + i] / count - mean * mean;
            double deviation = variance > 0.0 ? sqrt(variance) : 0.0;
            own->mean[row * parts + i] = mean;
            own->deviation[row * parts + i] = deviation > config->narrowest ? deviation : config->narrowest;
        }
    }
}

static void keep_best(const struct cross_entropy *own, struct plan *plan)
{
    const struct plan_space *space = &own->config.space;
    uint32_t best = own->order[0];
    plan->worth = own->worth[best];
    for (size_t h = 0; h < space->horizon; h++) {
        size_t place = h * own->config.candidates + best;
        plan->choice[h] = own->choice[place];
        for (size_t i = 0; i < space->parts; i++)
            plan->part[h * space->parts + i] = own->part[place * space->parts + i];
    }
}

void cross_entropy_plan(struct cross_entropy *planner, uint64_t decision, const struct plan_problem *problem,
                        struct plan *ret_plan)
{
    struct cross_entropy *own = planner;
    const struct plan_space *space = &own->config.space;
    begin(own, problem);
    for (size_t iteration = 0; iteration < own->config.iterations; iteration++) {
        draw_all(own, decision, iteration);
        problem->worth(problem->user, own->config.candidates, own->choice, own->part, own->worth);
        rank(own);
        if (iteration == 0 || own->worth[own->order[0]] > ret_plan->worth)
            keep_best(own, ret_plan);
        for (size_t h = 0; h < space->horizon; h++)
            refit_step(own, problem, h);
    }
    for (size_t h = 0; h < space->horizon && own->config.mean; h++)
        take_mean(own, h, &ret_plan->choice[h], ret_plan->part + h * space->parts);
}
