#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/rl/swarm.h"

#define SIZE 7u
#define PI 3.14159265358979323846

static const struct swarm_config usual = {
    .particles = 50, .iterations = 200, .inertia = 0.7, .cognitive = 1.5, .social = 1.5};

static struct rng_at place(uint32_t slot)
{
    return (struct rng_at){.seed = 5, .phase = RNG_TEST, .stream = RNG_POLICY, .slot = slot};
}

struct problem {
    float target[SIZE];
    double ripple; /* 0: a bowl; else Rastrigin's ripples on it */
    uint32_t calls;
    double least;
};

static double bowl(void *user, const float *position)
{
    struct problem *problem = user;
    double sum = 0.0;
    for (size_t d = 0; d < SIZE; d++) {
        assert_true(position[d] >= -1.0f && position[d] <= 1.0f);
        double off = (double) position[d] - (double) problem->target[d];
        sum += off * off + problem->ripple * (1.0 - cos(6.0 * PI * off));
    }
    problem->calls++;
    problem->least = problem->calls == 1 || sum < problem->least ? sum : problem->least;
    return sum;
}

static double search(const struct swarm_config *config, struct problem *problem, uint32_t slot,
                     float *ret_position)
{
    struct swarm swarm;
    assert_int_equal(swarm_init(&swarm, config, SIZE), 0);
    problem->calls = 0;
    double least = swarm_minimise(&swarm, place(slot), bowl, problem, ret_position);
    swarm_finish(&swarm);
    return least;
}

static void the_bottom_of_a_bowl_is_found(void **state)
{
    (void) state;
    for (uint32_t slot = 0; slot < 5; slot++) {
        struct problem problem = {.target = {0.3f, -0.8f, 0.0f, 0.95f, -0.1f, 0.5f, -0.5f}};
        float position[SIZE];
        assert_true(search(&usual, &problem, slot, position) < 1e-6);
        for (size_t d = 0; d < SIZE; d++)
            assert_true(fabsf(position[d] - problem.target[d]) < 1e-3f);
        assert_int_equal(problem.calls, 50 * 201);
    }
}

/* Decisions like to lie on the box's wall: it is reached exactly. */
static void a_bottom_beyond_the_wall_is_found_on_the_wall(void **state)
{
    (void) state;
    struct problem problem = {.target = {1.5f, -1.5f, 1.01f, -3.0f, 0.2f, 1.0f, -1.0f}};
    static const float wall[SIZE] = {1.0f, -1.0f, 1.0f, -1.0f, 0.2f, 1.0f, -1.0f};
    float position[SIZE];
    (void) search(&usual, &problem, 0, position);
    for (size_t d = 0; d < SIZE; d++)
        assert_true(d == 4 ? fabsf(position[d] - wall[d]) < 1e-3f : fabsf(position[d] - wall[d]) == 0.0f);
}

/* A descent from a random place ends in the next of 6 to the 7 hollows. */
static void ripples_do_not_keep_it_from_the_neighbourhood_of_the_best_hollow(void **state)
{
    (void) state;
    double sum = 0.0, first = 0.0;
    for (uint32_t slot = 0; slot < 10; slot++) {
        struct problem problem = {.target = {0.3f, -0.8f, 0.0f, 0.6f, -0.1f, 0.5f, -0.5f}, .ripple = 0.1};
        struct swarm_config config = usual;
        float position[SIZE];
        sum += search(&config, &problem, slot, position) / 10.0;
        config.iterations = 0;
        first += search(&config, &problem, slot, position) / 10.0;
    }
    print_message("# best of the first 50: %.3f, after 200 moves: %.3f\n", first, sum);
    assert_true(sum < 0.25 * first);
}

static void what_is_returned_is_the_best_that_was_seen(void **state)
{
    (void) state;
    for (uint32_t iterations = 0; iterations < 30; iterations++) {
        struct problem problem = {.target = {0.3f, -0.8f, 0.0f, 0.6f, -0.1f, 0.5f, -0.5f}, .ripple = 0.3};
        struct swarm_config config = usual;
        float position[SIZE];
        config.iterations = iterations;
        config.particles = 7;
        double least = search(&config, &problem, 2, position);
        assert_true(least == problem.least);
        assert_true(bowl(&problem, position) == least);
    }
}

static void a_longer_search_goes_on_where_the_shorter_one_ended(void **state)
{
    (void) state;
    struct problem problem = {.target = {0.3f, -0.8f, 0.0f, 0.6f, -0.1f, 0.5f, -0.5f}, .ripple = 0.1};
    struct swarm_config config = usual;
    double before = 1e9;
    uint32_t falls = 0;
    float position[SIZE], again[SIZE];
    for (config.iterations = 0; config.iterations < 50; config.iterations++) {
        double least = search(&config, &problem, 3, position);
        assert_true(least <= before);
        falls += least < before ? 1 : 0;
        before = least;
    }
    assert_true(falls > 10);
    (void) search(&config, &problem, 3, position);
    (void) search(&config, &problem, 3, again);
    assert_memory_equal(position, again, sizeof position); /* the same bits */
    (void) search(&config, &problem, 4, again);
    assert_memory_not_equal(position, again, sizeof position);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bottom_of_a_bowl_is_found),
        cmocka_unit_test(a_bottom_beyond_the_wall_is_found_on_the_wall),
        cmocka_unit_test(ripples_do_not_keep_it_from_the_neighbourhood_of_the_best_hollow),
        cmocka_unit_test(what_is_returned_is_the_best_that_was_seen),
        cmocka_unit_test(a_longer_search_goes_on_where_the_shorter_one_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
