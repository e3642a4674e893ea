/* How long does an agent think who plans with an ensemble? Decisions as a whole (candidates drawn, foreseen by all members,
 * valued, refitted) at the published budget, over one step and over five, and by enumeration; and what a fit takes. Beside
 * them the time of exactly the matrix products that the decision needs, by OpenBLAS's SGEMM at the same shapes, alone and
 * warm. Blocks of both alternate and each pair gives one ratio, so that a noisy neighbour slows both. Processor time.
 *
 * The world is as large as the printed one: 5 servers, each with three shares that are left of it and a distance, so 20
 * numbers and 15 of them change; an action is a server and three shares; foreseen are the 15 changes, latency, quality,
 * completion and preference. What is learned is of no concern for the time. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/rng.h"
#include "core/linalg/openblas.h"
#include "core/linalg/vector_path.h"
#include "core/rl/cross_entropy.h"
#include "core/rl/free_energy.h"
#include "core/rl/plan_grid.h"

#define SERVERS 5
#define PARTS 3
#define STATE 20
#define CHANGES 15
#define INPUTS (STATE + SERVERS + PARTS)
#define OUTPUTS (CHANGES + 4)
#define MEMBERS 5
#define WIDTH 128
#define CANDIDATES 200
#define ITERATIONS 5
#define LEVELS 3 /* of a part, in the grid */
#define TRANSITIONS 20000
#define SEED 1
#define BLOCKS 41

static void fail(const char *why)
{
    fprintf(stderr, "bench_planner: %s\n", why);
    exit(1);
}

/* ---- the world ---- */

static void describe(void *user, const struct free_energy_step *step, float *ret_x)
{
    (void) user;
    for (size_t row = 0; row < step->rows; row++, ret_x += INPUTS) {
        for (size_t i = 0; i < STATE; i++)
            ret_x[i] = step->state[row * STATE + i];
        for (size_t j = 0; j < SERVERS; j++)
            ret_x[STATE + j] = step->choice[row] == j ? 1.0f : 0.0f;
        for (size_t i = 0; i < PARTS; i++)
            ret_x[STATE + SERVERS + i] = step->part[row * PARTS + i];
    }
}

/* 1 / L + P of what is completed, from the foreseen parts. */
static void prefer(void *user, const struct free_energy_step *step, const float *y, double *ret_preference)
{
    (void) user;
    for (size_t row = 0; row < step->rows; row++) {
        const float *outcome = y + row * OUTPUTS + CHANGES;
        double latency_s = 1.0 + (double) (outcome[0] * outcome[0]);
        ret_preference[row] = (double) outcome[2] * (1.0 / latency_s + (double) outcome[1]);
    }
}

static void follow(void *user, const struct free_energy_step *step, const float *y, float *state)
{
    (void) user;
    for (size_t row = 0; row < step->rows; row++)
        for (size_t i = 0; i < CHANGES; i++)
            state[row * STATE + STATE - CHANGES + i] += y[row * OUTPUTS + i];
}

static const struct free_energy_world world = {describe, prefer, follow, NULL};

/* ---- the agent ---- */

struct agent {
    size_t horizon;
    struct ensemble *ensemble;
    struct free_energy *energy;
    struct cross_entropy *planner;
    struct plan_grid *grid;
    uint64_t decision;
    float state[STATE];
};

static void fill(float *values, size_t size, uint32_t entity)
{
    struct rng_at at = {.seed = SEED, .stream = RNG_TASK, .entity = entity};
    for (size_t i = 0; i < size; i++)
        values[i] = (float) rng_uniform(&at, (uint32_t) i);
}

static struct agent make(size_t horizon)
{
    const struct plan_space space = {.horizon = horizon, .choices = SERVERS, .parts = PARTS};
    struct agent agent = {.horizon = horizon};
    const struct ensemble_config model = {.inputs = INPUTS,
                                          .outputs = OUTPUTS,
                                          .members = MEMBERS,
                                          .width = WIDTH,
                                          .layers = 2,
                                          .buffer = TRANSITIONS,
                                          .batch = 50,
                                          .rows = CANDIDATES,
                                          .epochs = 5,
                                          .steps = 100,
                                          .rate = 1e-3f,
                                          .norm = 1000.0f,
                                          .seed = SEED};
    const struct free_energy_config energy = {.space = space,
                                              .state = STATE,
                                              .rows = CANDIDATES,
                                              .scale = 0.1,
                                              .gain = INFORMATION_GAIN_NEIGHBOURS,
                                              .seed = SEED};
    const struct cross_entropy_config planner = {.space = space,
                                                 .candidates = CANDIDATES,
                                                 .elites = 20,
                                                 .iterations = ITERATIONS,
                                                 .smoothing = 0.1,
                                                 .narrowest = 0.01,
                                                 .seed = SEED};
    const struct plan_grid_config grid = {.space = space, .levels = LEVELS, .rows = CANDIDATES};
    if (ensemble_create(&agent.ensemble, &model) != 0 ||
        free_energy_create(&agent.energy, &energy, agent.ensemble) != 0 ||
        cross_entropy_create(&agent.planner, &planner) != 0 ||
        (horizon == 1 && plan_grid_create(&agent.grid, &grid) != 0))
        fail("the agent cannot be made");
    fill(agent.state, STATE, 0);
    return agent;
}

static void finish(struct agent *agent)
{
    plan_grid_destroy(agent->grid);
    cross_entropy_destroy(agent->planner);
    free_energy_destroy(agent->energy);
    ensemble_destroy(agent->ensemble);
}

static void learn(struct agent *agent)
{
    float x[INPUTS], y[OUTPUTS];
    for (uint32_t n = 0; n < TRANSITIONS; n++) {
        fill(x, INPUTS, 2 * n + 1);
        fill(y, OUTPUTS, 2 * n + 2);
        ensemble_observe(agent->ensemble, x, y);
    }
    (void) ensemble_fit(agent->ensemble);
}

enum by { BY_DRAWING, BY_ASKING_ALL };

static void decide(struct agent *agent, enum by by)
{
    uint32_t choice[PLAN_HORIZON_MAX];
    float part[PLAN_HORIZON_MAX * PARTS];
    struct plan plan = {.choice = choice, .part = part};
    const struct plan_problem problem = {NULL, free_energy_worth, agent->energy};
    free_energy_begin(agent->energy, &world, agent->state, agent->decision);
    if (by == BY_DRAWING)
        cross_entropy_plan(agent->planner, agent->decision, &problem, &plan);
    else
        plan_grid_search(agent->grid, &problem, &plan);
    agent->decision++;
    agent->state[agent->decision % STATE] = part[0]; /* the next state is another one */
}

/* ---- the bound ---- */

struct shape {
    size_t columns, depth;
};
static const struct shape shapes[] = {{WIDTH, INPUTS}, {WIDTH, WIDTH}, {2 * OUTPUTS, WIDTH}};
#define SHAPES (sizeof shapes / sizeof *shapes)

static double operations(size_t rows)
{
    double sum = 0.0;
    for (size_t i = 0; i < SHAPES; i++)
        sum += 2.0 * (double) (rows * shapes[i].columns * shapes[i].depth);
    return sum * MEMBERS;
}

struct operands {
    float a[CANDIDATES * WIDTH], b[WIDTH * WIDTH], start[WIDTH], c[CANDIDATES * WIDTH];
};

/* Products of `batches` batches of `rows` rows. */
static void multiply(struct operands *o, size_t rows, size_t batches)
{
    for (size_t batch = 0; batch < batches * MEMBERS; batch++)
        for (size_t i = 0; i < SHAPES; i++) {
            const struct linalg_product product = {
                .rows = rows,
                .columns = shapes[i].columns,
                .depth = shapes[i].depth,
                .a = {o->a, shapes[i].depth, 1},
                .b = {o->b, shapes[i].columns, 1},
                .c = o->c,
                .c_stride = shapes[i].columns,
            };
            openblas_multiply(&product);
        }
}

/* ---- measuring ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

static double at_quarter(double *values, size_t quarter)
{
    qsort(values, BLOCKS, sizeof *values, compare);
    return values[(BLOCKS - 1) * quarter / 4];
}

struct budget {
    const char *name;
    size_t horizon, rows, batches;
    enum by by;
    double goal_ms, least_ratio; /* 0: none */
};

static double decide_ms(struct agent *agent, enum by by, size_t times)
{
    uint64_t start = clock_process_ns();
    for (size_t i = 0; i < times; i++)
        decide(agent, by);
    return (double) (clock_process_ns() - start) * 1e-6 / (double) times;
}

static double bound_ms(struct operands *operands, const struct budget *budget, size_t times)
{
    uint64_t start = clock_process_ns();
    for (size_t i = 0; i < times; i++)
        multiply(operands, budget->rows, budget->batches);
    return (double) (clock_process_ns() - start) * 1e-6 / (double) times;
}

static void measure(const struct budget *budget, struct operands *operands)
{
    struct agent agent = make(budget->horizon);
    double own[BLOCKS], bound[BLOCKS], ratio[BLOCKS];
    size_t times = budget->horizon == 1 ? 5 : 1;
    learn(&agent);
    (void) decide_ms(&agent, budget->by, times); /* warms the caches, as does the next */
    (void) bound_ms(operands, budget, times);
    for (size_t i = 0; i < BLOCKS; i++) {
        own[i] = decide_ms(&agent, budget->by, times);
        bound[i] = bound_ms(operands, budget, times);
        ratio[i] = bound[i] / own[i];
    }
    double flop = operations(budget->rows) * (double) budget->batches;
    double low = at_quarter(ratio, 1), middle = at_quarter(ratio, 2), high = at_quarter(ratio, 3);
    printf("%-26s %7.2f ms   SGEMM %6.2f ms (%.2f GFLOP, %.0f GFLOP/s)   ratio %.2f [%.2f, %.2f]   goals "
           "%.0f ms, %.2f\n",
           budget->name, at_quarter(own, 2), at_quarter(bound, 2), flop * 1e-9,
           flop * 1e-6 / at_quarter(bound, 2), middle, low, high, budget->goal_ms, budget->least_ratio);
    finish(&agent);
}

/* Bytes that the process has in memory. */
static size_t resident(void)
{
    char line[256];
    size_t kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "VmRSS: %zu kB", &kib) == 1)
            break;
    if (status != NULL)
        (void) fclose(status);
    return kib << 10;
}

static void measure_agent(void)
{
    size_t before = resident();
    struct agent agent = make(5);
    learn(&agent);
    decide(&agent, BY_DRAWING);
    double held = (double) (resident() - before) / (1 << 20);
    uint64_t start = clock_process_ns();
    (void) ensemble_fit(agent.ensemble);
    double fit_ms = (double) (clock_process_ns() - start) * 1e-6;
    printf("the agent, with %d transitions: %.1f MiB (goal 32)\n", TRANSITIONS, held);
    printf("a fit: %.2f ms a mini-batch of 50 for each of %d members\n",
           fit_ms / (double) (ensemble_config(agent.ensemble)->steps * MEMBERS), MEMBERS);
    finish(&agent);
}

int main(void)
{
    static const struct budget budgets[] = {
        {"horizon 1", 1, CANDIDATES, ITERATIONS, BY_DRAWING, 5.0, 0.5},
        {"horizon 5", 5, CANDIDATES, 5 * ITERATIONS, BY_DRAWING, 20.0, 0.5},
        {"enumeration, 5 x 27", 1, SERVERS * 27, 1, BY_ASKING_ALL, 1.0, 0.0},
    };
    struct diag diag = {{0}};
    if (linalg_vector_choose(getenv(LINALG_VECTOR_VARIABLE), &diag) != 0 || openblas_open(&diag) != 0)
        fail(diag.text);
    struct operands *operands = aligned_alloc(64, sizeof *operands);
    if (operands == NULL)
        fail("out of memory");
    fill(operands->a, CANDIDATES * WIDTH, 1);
    fill(operands->b, WIDTH * WIDTH, 2);
    printf(
        "planner: %d candidates, %d iterations, %d members of %d-%d-%d-%d, gain by neighbours, one thread\n",
        CANDIDATES, ITERATIONS, MEMBERS, INPUTS, WIDTH, WIDTH, 2 * OUTPUTS);
    printf("products: %s, against OpenBLAS's kernel %s; medians of %d blocks [quartiles]\n",
           linalg_vector_path(), openblas_kernel(), BLOCKS);
    measure_agent();
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++)
        measure(&budgets[i], operands);
    free(operands);
    return 0;
}
