/* A genetic algorithm that minimises a function of whole numbers: tournament selection, uniform crossover,
 * mutation, elites (Goldberg and Deb, FOGA 1991; Syswerda, ICGA 1989). Genes are names, not quantities: a
 * mutated gene takes any of its values.
 *
 * Draws are functions of (the given place; generation as entity, individual, gene), so that a longer search
 * begins with the shorter one. `at.entity` is ignored. */
#ifndef HANDOFF_CORE_RL_GENETIC_H
#define HANDOFF_CORE_RL_GENETIC_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/rng.h"

struct genetic_config {
    uint32_t population;  /* individuals, at least 1 */
    uint32_t generations; /* after the first, drawn one; below 2^20 */
    uint32_t tournament;  /* a parent is the best of so many drawn, at least 1 */
    uint32_t elites;      /* the best so many live on unchanged; at most the population */
    double crossover;     /* probability that a child has two parents, each gene from either alike */
    double mutation;      /* expected mutated genes of a child, at most their number */
};

struct genetic {
    struct genetic_config config;
    size_t genes;
    uint32_t *parent, *child;         /* [population][genes] */
    double *parent_cost, *child_cost; /* [population] */
    uint32_t *rank;                   /* [population] individuals, the elites first */
};

/* To be minimised, of gene[genes]. */
typedef double genetic_cost(void *user, const uint32_t *gene);

int genetic_init(struct genetic *ret_genetic, const struct genetic_config *config, size_t genes);
void genetic_finish(struct genetic *genetic);

/* Gene g takes values 0 .. choices[g] - 1. Returns the least cost seen, and whose it is in ret_gene[genes].
 * population + generations x (population - elites) calls of `cost`. */
double genetic_minimise(struct genetic *genetic, const uint32_t *choices, struct rng_at at,
                        genetic_cost *cost, void *user, uint32_t *ret_gene);

#endif
