#include "core/rl/genetic.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int genetic_init(struct genetic *ret_genetic, const struct genetic_config *config, size_t genes)
{
    size_t population = config->population;
    assert(population >= 1 && config->tournament >= 1 && config->elites <= population && genes >= 1);
    assert(config->generations < 1u << 20); /* an entity of rng_at */
    struct genetic genetic = {
        .config = *config,
        .genes = genes,
        .parent = calloc(population * genes, sizeof *genetic.parent),
        .child = calloc(population * genes, sizeof *genetic.child),
        .parent_cost = calloc(population, sizeof *genetic.parent_cost),
        .child_cost = calloc(population, sizeof *genetic.child_cost),
        .rank = calloc(population, sizeof *genetic.rank),
    };
    if (genetic.parent == NULL || genetic.child == NULL || genetic.parent_cost == NULL ||
        genetic.child_cost == NULL || genetic.rank == NULL) {
        genetic_finish(&genetic);
        return -ENOMEM;
    }
    *ret_genetic = genetic;
    return 0;
}

void genetic_finish(struct genetic *genetic)
{
    free(genetic->parent);
    free(genetic->child);
    free(genetic->parent_cost);
    free(genetic->child_cost);
    free(genetic->rank);
    *genetic = (struct genetic){0};
}

static uint32_t below(uint32_t word, uint32_t n)
{
    assert(n >= 1);
    return (uint32_t) ((uint64_t) word * n >> 32);
}

/* A child's draws: one block for the crossover, one for each round of the two tournaments, one for each gene. */
static uint32_t first_block(const struct genetic *genetic, uint32_t individual)
{
    return individual * (uint32_t) (1 + genetic->config.tournament + genetic->genes);
}

static void draw_first(struct genetic *genetic, const uint32_t *choices, const struct rng_at *at)
{
    for (uint32_t i = 0; i < genetic->config.population; i++)
        for (size_t g = 0; g < genetic->genes; g++)
            genetic->child[i * genetic->genes + g] =
                below(rng_block(at, first_block(genetic, i) + (uint32_t) g).v[0], choices[g]);
}

/* The best `elites` to the front of `rank`; of equals the one with the lower number. */
static void rank_elites(struct genetic *genetic)
{
    uint32_t population = genetic->config.population;
    for (uint32_t i = 0; i < population; i++)
        genetic->rank[i] = i;
    for (uint32_t e = 0; e < genetic->config.elites; e++) {
        uint32_t best = e;
        for (uint32_t i = e + 1; i < population; i++) {
            double cost = genetic->parent_cost[genetic->rank[i]];
            double least = genetic->parent_cost[genetic->rank[best]];
            if (cost < least || (!(cost > least) && genetic->rank[i] < genetic->rank[best]))
                best = i;
        }
        uint32_t individual = genetic->rank[best];
        genetic->rank[best] = genetic->rank[e];
        genetic->rank[e] = individual;
    }
}

static void select_parents(const struct genetic *genetic, const struct rng_at *at, uint32_t block,
                           uint32_t ret_parent[static 2])
{
    for (uint32_t round = 0; round < genetic->config.tournament; round++) {
        struct rng_block draw = rng_block(at, block + round);
        for (int which = 0; which < 2; which++) {
            uint32_t drawn = below(draw.v[which], genetic->config.population);
            if (round == 0 || genetic->parent_cost[drawn] < genetic->parent_cost[ret_parent[which]])
                ret_parent[which] = drawn;
        }
    }
}

static void breed(struct genetic *genetic, const uint32_t *choices, const struct rng_at *at,
                  uint32_t individual)
{
    uint32_t block = first_block(genetic, individual), parent[2] = {0, 0};
    assert(individual >= genetic->config.elites);
    bool crosses = rng_u01(rng_block(at, block).v[0]) < genetic->config.crossover;
    select_parents(genetic, at, block + 1, parent);
    block += 1 + genetic->config.tournament;
    double mutation = genetic->config.mutation / (double) genetic->genes;
    const uint32_t *a = genetic->parent + parent[0] * genetic->genes;
    const uint32_t *b = genetic->parent + parent[1] * genetic->genes;
    uint32_t *child = genetic->child + individual * genetic->genes;
    for (size_t g = 0; g < genetic->genes; g++) {
        struct rng_block draw = rng_block(at, block + (uint32_t) g);
        child[g] = crosses && draw.v[0] >> 31 != 0 ? b[g] : a[g];
        if (rng_u01(draw.v[1]) < mutation)
            child[g] = below(draw.v[2], choices[g]);
    }
}

/* The elites' places are the first ones of the next generation. */
static void keep_elites(struct genetic *genetic)
{
    for (uint32_t e = 0; e < genetic->config.elites; e++) {
        uint32_t individual = genetic->rank[e];
        memcpy(genetic->child + e * genetic->genes, genetic->parent + individual * genetic->genes,
               genetic->genes * sizeof *genetic->child);
        genetic->child_cost[e] = genetic->parent_cost[individual];
    }
}

static void swap_generations(struct genetic *genetic)
{
    uint32_t *gene = genetic->parent;
    double *cost = genetic->parent_cost;
    genetic->parent = genetic->child;
    genetic->parent_cost = genetic->child_cost;
    genetic->child = gene;
    genetic->child_cost = cost;
}

double genetic_minimise(struct genetic *genetic, const uint32_t *choices, struct rng_at at,
                        genetic_cost *cost, void *user, uint32_t *ret_gene)
{
    double least = HUGE_VAL;
    for (uint32_t generation = 0; generation <= genetic->config.generations; generation++) {
        at.entity = generation;
        uint32_t from = generation == 0 ? 0 : genetic->config.elites;
        if (generation == 0) {
            draw_first(genetic, choices, &at);
        } else {
            rank_elites(genetic);
            keep_elites(genetic);
        }
        for (uint32_t i = from; i < genetic->config.population; i++) {
            const uint32_t *child = genetic->child + i * genetic->genes;
            if (generation > 0)
                breed(genetic, choices, &at, i);
            genetic->child_cost[i] = cost(user, child);
            if (genetic->child_cost[i] < least || (generation == 0 && i == 0)) {
                least = genetic->child_cost[i];
                memcpy(ret_gene, child, genetic->genes * sizeof *ret_gene);
            }
        }
        swap_generations(genetic);
    }
    return least;
}
