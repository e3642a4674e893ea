#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rl/genetic.h"

#define GENES 12u

static const struct genetic_config usual = {
    .population = 100, .generations = 200, .tournament = 3, .elites = 2, .crossover = 0.9, .mutation = 1.0};

static struct rng_at place(uint32_t slot)
{
    return (struct rng_at){.seed = 5, .phase = RNG_TEST, .stream = RNG_POLICY, .slot = slot};
}

struct problem {
    uint32_t target[GENES];
    const uint32_t *choices;
    uint32_t calls;
    double least;
};

/* How many genes are not the target's. */
static double misses(void *user, const uint32_t *gene)
{
    struct problem *problem = user;
    double count = 0.0;
    for (size_t g = 0; g < GENES; g++) {
        assert_true(gene[g] < problem->choices[g]);
        count += gene[g] != problem->target[g] ? 1.0 : 0.0;
    }
    problem->calls++;
    problem->least = problem->calls == 1 || count < problem->least ? count : problem->least;
    return count;
}

static double search(const struct genetic_config *config, struct problem *problem, uint32_t slot,
                     uint32_t *ret_gene)
{
    struct genetic genetic;
    assert_int_equal(genetic_init(&genetic, config, GENES), 0);
    problem->calls = 0;
    double least = genetic_minimise(&genetic, problem->choices, place(slot), misses, problem, ret_gene);
    genetic_finish(&genetic);
    return least;
}

static const uint32_t many[GENES] = {97, 97, 97, 97, 97, 97, 97, 97, 97, 97, 97, 97};

static void the_one_best_of_97_to_the_12_is_found(void **state)
{
    (void) state;
    for (uint32_t slot = 0; slot < 5; slot++) {
        struct problem problem = {.target = {0, 96, 5, 7, 44, 1, 80, 33, 2, 95, 60, 12}, .choices = many};
        uint32_t gene[GENES];
        assert_true(search(&usual, &problem, slot, gene) == 0.0);
        assert_memory_equal(gene, problem.target, sizeof gene);
        assert_int_equal(problem.calls, 100 + 200 * 98);
    }
}

static void genes_have_as_many_values_as_they_are_given(void **state)
{
    (void) state;
    static const uint32_t few[GENES] = {1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3};
    struct problem problem = {.target = {0, 1, 2, 0, 0, 1, 0, 1, 0, 0, 0, 2}, .choices = few};
    uint32_t gene[GENES];
    assert_true(search(&usual, &problem, 0, gene) == 0.0);
    assert_memory_equal(gene, problem.target, sizeof gene);
}

/* Also without elites, which could have lost it. */
static void what_is_returned_is_the_best_that_was_seen(void **state)
{
    (void) state;
    struct genetic_config config = usual;
    config.generations = 20;
    config.population = 15;
    for (uint32_t elites = 0; elites <= 15; elites += 5)
        for (uint32_t slot = 0; slot < 5; slot++) {
            struct problem problem = {.target = {0, 96, 5, 7, 44, 1, 80, 33, 2, 95, 60, 12}, .choices = many};
            uint32_t gene[GENES];
            config.elites = elites;
            double least = search(&config, &problem, slot, gene);
            assert_int_equal(problem.calls, 15 + 20 * (15 - elites));
            assert_true(least == problem.least);
            assert_true(misses(&problem, gene) == least);
        }
}

static void a_longer_search_goes_on_where_the_shorter_one_ended(void **state)
{
    (void) state;
    struct problem problem = {.target = {0, 96, 5, 7, 44, 1, 80, 33, 2, 95, 60, 12}, .choices = many};
    struct genetic_config config = usual;
    double before = GENES + 1.0;
    uint32_t gene[GENES], again[GENES], falls = 0;
    for (config.generations = 0; config.generations < 60; config.generations++) {
        double least = search(&config, &problem, 3, gene);
        assert_true(least <= before);
        falls += least < before ? 1 : 0;
        before = least;
    }
    assert_true(falls > 5);
    config.generations = 10;
    (void) search(&config, &problem, 3, gene);
    (void) search(&config, &problem, 3, again);
    assert_memory_equal(gene, again, sizeof gene); /* the same bits */
    (void) search(&config, &problem, 4, again);
    assert_memory_not_equal(gene, again, sizeof gene);
}

/* Each operator at work alone: without mutation no value appears that nobody had. */
static void without_mutation_a_value_that_nobody_has_never_comes(void **state)
{
    (void) state;
    struct genetic_config config = usual;
    config.population = 4;
    config.mutation = 0.0;
    struct problem problem = {.choices = many};
    uint32_t gene[GENES];
    config.generations = 0;
    memset(problem.target, 0xff, sizeof problem.target);
    assert_true(search(&config, &problem, 1, gene) == 12.0); /* 4 individuals: nobody has most of 97 values */
    memcpy(problem.target, gene, sizeof gene);
    problem.target[3] = gene[3] == 50 ? 51 : 50;
    config.generations = 50;
    assert_true(search(&config, &problem, 1, gene) == 1.0);
    config.mutation = 1.0;
    config.generations = 2000;
    assert_true(search(&config, &problem, 1, gene) == 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_one_best_of_97_to_the_12_is_found),
        cmocka_unit_test(genes_have_as_many_values_as_they_are_given),
        cmocka_unit_test(what_is_returned_is_the_best_that_was_seen),
        cmocka_unit_test(a_longer_search_goes_on_where_the_shorter_one_ended),
        cmocka_unit_test(without_mutation_a_value_that_nobody_has_never_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
