/* How fast is one DDPG update, as a share of the bound set by OpenBLAS's SGEMM on this machine? The bound is the time
 * of exactly those matrix products that the update mathematically needs, at the same shapes, strides and
 * transpositions, alone and warm. Blocks of updates and of products alternate and each pair gives one ratio,
 * so that a noisy neighbour slows both. Times are processor time.
 *
 * Single-column products (the critic's output) are left out of the bound: they are not worth an SGEMM. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/rng.h"
#include "core/linalg/openblas.h"
#include "core/linalg/vector_path.h"
#include "core/rl/ddpg.h"

#define STATE 106
#define ACTION 20
#define HIDDEN_1 256
#define HIDDEN_2 128
#define BATCH 64
#define INPUT (STATE + ACTION)
#define INPUT_STRIDE 128 /* floats from row to row of the networks' input */
#define ACTION_STRIDE 32
#define BUFFER 100000
#define SEED 1

#define BLOCKS 101
#define BLOCK_UPDATES 20
#define DECISIONS 2000

/* C[m][n] = op(A) op(B) on row-major matrices with these strides, `times` times in an update. */
struct product {
    bool a_turned, b_turned;
    size_t m, n, k, lda, ldb, ldc;
    int times;
};

#define PLAIN false
#define TURNED true

static const struct product products[] = {
    /* Forward: actor at s' (target) and at s; critic at (s', mu'(s')) (target), (s, a) and (s, mu(s)). */
    {PLAIN, PLAIN, BATCH, HIDDEN_1, STATE, INPUT_STRIDE, HIDDEN_1, HIDDEN_1, 2},
    {PLAIN, PLAIN, BATCH, HIDDEN_1, INPUT, INPUT_STRIDE, HIDDEN_1, HIDDEN_1, 3},
    {PLAIN, PLAIN, BATCH, HIDDEN_2, HIDDEN_1, HIDDEN_1, HIDDEN_2, HIDDEN_2, 5},
    {PLAIN, PLAIN, BATCH, ACTION, HIDDEN_2, HIDDEN_2, ACTION, INPUT_STRIDE, 2},
    /* Weight gradients: each network once. */
    {TURNED, PLAIN, INPUT, HIDDEN_1, BATCH, INPUT_STRIDE, HIDDEN_1, HIDDEN_1, 1},
    {TURNED, PLAIN, STATE, HIDDEN_1, BATCH, INPUT_STRIDE, HIDDEN_1, HIDDEN_1, 1},
    {TURNED, PLAIN, HIDDEN_1, HIDDEN_2, BATCH, HIDDEN_1, HIDDEN_2, HIDDEN_2, 2},
    {TURNED, PLAIN, HIDDEN_2, ACTION, BATCH, HIDDEN_2, ACTION_STRIDE, ACTION, 1},
    /* Deltas: through the critic for its own step and for dQ/da, through the actor. */
    {PLAIN, TURNED, BATCH, HIDDEN_1, HIDDEN_2, HIDDEN_2, HIDDEN_2, HIDDEN_1, 3},
    {PLAIN, TURNED, BATCH, ACTION, HIDDEN_1, HIDDEN_1, HIDDEN_1, ACTION_STRIDE, 1},
    {PLAIN, TURNED, BATCH, HIDDEN_2, ACTION, ACTION_STRIDE, ACTION, HIDDEN_2, 1},
};

#define PRODUCTS (sizeof(products) / sizeof(products[0]))
#define MATRIX (256 * 256)

struct operands {
    float a[MATRIX], b[MATRIX], c[MATRIX];
};

static void *take(size_t size)
{
    void *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    if (memory == NULL) {
        fprintf(stderr, "bench_ddpg: out of memory\n");
        exit(1);
    }
    return memory;
}

static void fill(float *values, size_t size, uint32_t entity)
{
    struct rng_at at = {.seed = SEED, .stream = RNG_TASK, .entity = entity};
    for (size_t i = 0; i < size; i += 4) {
        struct rng_block block = rng_block(&at, (uint32_t) (i / 4));
        for (size_t j = 0; j < 4 && i + j < size; j++)
            values[i + j] = (float) (2.0 * rng_u01(block.v[j]) - 1.0);
    }
}

static void multiply_all(struct operands *o)
{
    for (size_t i = 0; i < PRODUCTS; i++) {
        const struct product *p = &products[i];
        const struct linalg_product product = {
            .rows = p->m,
            .columns = p->n,
            .depth = p->k,
            .a = {o->a, p->a_turned ? 1 : p->lda, p->a_turned ? p->lda : 1},
            .b = {o->b, p->b_turned ? 1 : p->ldb, p->b_turned ? p->ldb : 1},
            .c = o->c,
            .c_stride = p->ldc,
        };
        for (int time = 0; time < p->times; time++)
            openblas_multiply(&product);
    }
}

static double operations(void)
{
    double sum = 0.0;
    for (size_t i = 0; i < PRODUCTS; i++) {
        const struct product *p = &products[i];
        sum += 2.0 * (double) p->m * (double) p->n * (double) p->k * (double) p->times;
    }
    return sum;
}

static struct offpolicy *make_full_learner(void)
{
    const struct offpolicy_config config = {
        .state_size = STATE,
        .action_size = ACTION,
        .hidden_1 = HIDDEN_1,
        .hidden_2 = HIDDEN_2,
        .buffer = BUFFER,
        .batch = BATCH,
        .discount = 0.99f,
        .actor_rate = 1e-3f,
        .critic_rate = 1e-3f,
        .soft_update = 5e-3f,
        .warmup = 1000,
        .final_init = 3e-3f,
        .seed = SEED,
    };
    struct offpolicy *ddpg = NULL;
    if (ddpg_create(&ddpg, &config) < 0) {
        fprintf(stderr, "bench_ddpg: the learner cannot be made\n");
        exit(1);
    }
    float row[2 * STATE + ACTION + 1];
    for (uint32_t n = 0; n < BUFFER; n++) {
        fill(row, sizeof(row) / sizeof(row[0]), n);
        struct transition transition = {row, row + 2 * STATE, row[2 * STATE + ACTION], row + STATE, false};
        offpolicy_push(ddpg, &transition);
    }
    return ddpg;
}

static double time_updates(struct offpolicy *ddpg)
{
    uint64_t start = clock_process_ns();
    for (int i = 0; i < BLOCK_UPDATES; i++)
        (void) offpolicy_update(ddpg, NULL); /* true: it is warm */
    return (double) (clock_process_ns() - start) * 1e-3 / BLOCK_UPDATES;
}

static double time_products(struct operands *operands)
{
    uint64_t start = clock_process_ns();
    for (int i = 0; i < BLOCK_UPDATES; i++)
        multiply_all(operands);
    return (double) (clock_process_ns() - start) * 1e-3 / BLOCK_UPDATES;
}

static double time_decisions(struct offpolicy *ddpg)
{
    float state[STATE], action[ACTION];
    fill(state, STATE, 0);
    uint64_t start = clock_process_ns();
    for (int i = 0; i < DECISIONS; i++)
        offpolicy_act(ddpg, state, action);
    return (double) (clock_process_ns() - start) * 1e-3 / DECISIONS;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

struct quartiles {
    double low, median, high;
};

static struct quartiles quartiles_of(double *values)
{
    qsort(values, BLOCKS, sizeof(*values), compare);
    return (struct quartiles){values[BLOCKS / 4], values[BLOCKS / 2], values[3 * BLOCKS / 4]};
}

int main(void)
{
    struct diag diag = {{0}};
    if (linalg_vector_choose(getenv(LINALG_VECTOR_VARIABLE), &diag) != 0 || openblas_open(&diag) != 0) {
        fprintf(stderr, "bench_ddpg: %s\n", diag.text);
        return 1;
    }
    struct offpolicy *ddpg = make_full_learner();
    struct operands *operands = take(sizeof(*operands));
    fill(operands->a, MATRIX, 1);
    fill(operands->b, MATRIX, 2);
    double update[BLOCKS], bound[BLOCKS], ratio[BLOCKS], decision[BLOCKS];
    (void) time_updates(ddpg); /* warms the caches, as does the next */
    (void) time_products(operands);
    for (int i = 0; i < BLOCKS; i++) {
        update[i] = time_updates(ddpg);
        bound[i] = time_products(operands);
        ratio[i] = bound[i] / update[i];
        decision[i] = time_decisions(ddpg);
    }
    struct quartiles u = quartiles_of(update), b = quartiles_of(bound), r = quartiles_of(ratio);
    printf(
        "DDPG update: state %d, action %d, networks %d-%d, batch %d, buffer %d full, seed %d, one thread\n",
        STATE, ACTION, HIDDEN_1, HIDDEN_2, BATCH, BUFFER, SEED);
    printf("products: %s, against OpenBLAS's kernel %s, %s\n", linalg_vector_path(), openblas_kernel(),
           openblas_version());
    printf("median of %d blocks of %d [quartiles]\n", BLOCKS, BLOCK_UPDATES);
    printf("update           %8.1f us  [%.1f, %.1f]   %.0f updates/s   %.1f GFLOP/s\n", u.median, u.low,
           u.high, 1e6 / u.median, operations() / u.median * 1e-3);
    printf("SGEMM bound      %8.1f us  [%.1f, %.1f]   %.1f MFLOP   %.1f GFLOP/s\n", b.median, b.low, b.high,
           operations() * 1e-6, operations() / b.median * 1e-3);
    printf("ratio to bound   %8.3f     [%.3f, %.3f]   target 1.000, aim 1.100\n", r.median, r.low, r.high);
    printf("decision         %8.2f us\n", quartiles_of(decision).median);
    free(operands);
    offpolicy_destroy(ddpg);
    return 0;
}
