#include "core/rl/regressor.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/elementary.h"
#include "core/base/err.h"
#include "core/rl/adam.h"
#include "core/rl/mlp.h"

/* Of the sum of squares of an input, added to each: keeps the equations solvable where an input has never
 * varied. */
#define RIDGE 1e-7
#define PI 3.14159265358979323846
#define FINAL_INIT 0.003f /* as in core/rl/ddpg: at first the network's output is near 0 */

/* Sums over the samples: of z z' and z y', z = (x, 1). */
struct sums {
    double zz[REGRESSOR_INPUTS_MAX + 1][REGRESSOR_INPUTS_MAX + 1];
    double zy[REGRESSOR_INPUTS_MAX + 1][REGRESSOR_OUTPUTS_MAX];
};

struct regressor {
    struct regressor_config config;
    struct sums sums;
    float linear[REGRESSOR_INPUTS_MAX + 1][REGRESSOR_OUTPUTS_MAX]; /* A', then b */
    struct mlp mlp;
    float *params; /* [mlp.params]; owned, with the next three in one block */
    float *first, *second, *grads;
    struct mlp_pass fit_pass, predict_pass;
    uint64_t fits;
};

static bool is_config_possible(const struct regressor_config *config)
{
    return config->inputs >= 1 && config->inputs <= REGRESSOR_INPUTS_MAX && config->outputs >= 1 &&
           config->outputs <= REGRESSOR_OUTPUTS_MAX && config->batch >= 1 && config->rows >= 1 &&
           config->horizon >= 1;
}

static int network_init(struct regressor *own)
{
    const struct regressor_config *config = &own->config;
    const size_t sizes[] = {config->inputs, config->hidden, config->hidden, config->outputs};
    int rc = mlp_init(&own->mlp, sizes, MLP_LINEAR);
    if (rc != 0)
        return rc;
    own->mlp.hidden = MLP_SMOOTH;
    size_t size = own->mlp.params;
    own->params = calloc(4 * size, sizeof *own->params);
    if (own->params == NULL)
        return -ENOMEM;
    own->first = own->params + size;
    own->second = own->params + 2 * size;
    own->grads = own->params + 3 * size;
    struct rng_at at = {
        .seed = config->seed, .phase = RNG_TRAIN, .stream = RNG_WEIGHTS, .entity = config->entity};
    mlp_draw(&own->mlp, own->params, at, FINAL_INIT);
    rc = mlp_pass_init(&own->fit_pass, &own->mlp, config->batch);
    return rc != 0 ? rc : mlp_pass_init(&own->predict_pass, &own->mlp, config->rows);
}

int regressor_create(struct regressor **ret_regressor, const struct regressor_config *config)
{
    if (!is_config_possible(config))
        return ERR_RANGE;
    struct regressor *own = calloc(1, sizeof *own);
    if (own == NULL)
        return -ENOMEM;
    own->config = *config;
    int rc = config->hidden > 0 ? network_init(own) : 0;
    if (rc != 0) {
        regressor_destroy(own);
        return rc;
    }
    *ret_regressor = own;
    return 0;
}

void regressor_destroy(struct regressor *regressor)
{
    if (regressor == NULL)
        return;
    mlp_pass_finish(&regressor->fit_pass);
    mlp_pass_finish(&regressor->predict_pass);
    free(regressor->params);
    free(regressor);
}

/* ---- the linear part ---- */

void regressor_observe(struct regressor *regressor, const float *x, const float *y)
{
    size_t inputs = regressor->config.inputs;
    double z[REGRESSOR_INPUTS_MAX + 1];
    for (size_t i = 0; i < inputs; i++)
        z[i] = (double) x[i];
    z[inputs] = 1.0;
    for (size_t i = 0; i <= inputs; i++) {
        for (size_t j = 0; j <= i; j++)
            regressor->sums.zz[i][j] += z[i] * z[j];
        for (size_t k = 0; k < regressor->config.outputs; k++)
            regressor->sums.zy[i][k] += z[i] * (double) y[k];
    }
}

/* Cholesky's factor of the sums with their ridge: the lower triangle. */
static void factorise(const struct regressor *own, double factor[][REGRESSOR_INPUTS_MAX + 1])
{
    size_t size = own->config.inputs + 1;
    for (size_t i = 0; i < size; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = own->sums.zz[i][j];
            if (i == j) /* the last entry counts the samples */
                sum += RIDGE * (own->sums.zz[i][i] + own->sums.zz[size - 1][size - 1]) + 1e-9;
            for (size_t k = 0; k < j; k++)
                sum -= factor[i][k] * factor[j][k];
            factor[i][j] = i == j ? sqrt(sum > 1e-12 ? sum : 1e-12) : sum / factor[j][j];
        }
}

static void solve(struct regressor *own)
{
    double factor[REGRESSOR_INPUTS_MAX + 1][REGRESSOR_INPUTS_MAX + 1] = {{0.0}};
    size_t size = own->config.inputs + 1;
    factorise(own, factor);
    for (size_t k = 0; k < own->config.outputs; k++) {
        double a[REGRESSOR_INPUTS_MAX + 1];
        for (size_t i = 0; i < size; i++) {
            a[i] = own->sums.zy[i][k];
            for (size_t j = 0; j < i; j++)
                a[i] -= factor[i][j] * a[j];
            a[i] /= factor[i][i];
        }
        for (size_t i = size; i-- > 0;) {
            for (size_t j = i + 1; j < size; j++)
                a[i] -= factor[j][i] * a[j];
            a[i] /= factor[i][i];
            own->linear[i][k] = (float) a[i];
        }
    }
}

static float linear_at(const struct regressor *own, const float *x, size_t output)
{
    float sum = own->linear[own->config.inputs][output];
    for (size_t i = 0; i < own->config.inputs; i++)
        sum += own->linear[i][output] * x[i];
    return sum;
}

/* ---- the network ---- */

static float rate_now(const struct regressor *own)
{
    double share = own->fits < own->config.horizon ? (double) own->fits / (double) own->config.horizon : 1.0;
    double high = (double) own->config.rate, low = (double) own->config.final_rate;
    return (float) (low + (high - low) * 0.5 * (1.0 + elementary_cos(PI * share)));
}

static void forward(struct regressor *own, struct mlp_pass *pass, size_t rows, const float *x)
{
    pass->rows = rows;
    pass->x = (struct view){x, own->config.inputs};
    mlp_forward(&own->mlp, own->params, pass);
}

static void step(struct regressor *own)
{
    mlp_backward(&own->mlp, own->params, &own->fit_pass, &(struct mlp_wanted){.grads = own->grads});
    struct adam_blocks blocks = {own->params, NULL, own->first, own->second, own->grads, own->mlp.params};
    adam_step(&blocks, own->fits + 1, rate_now(own), 0.0f);
}

float regressor_fit(struct regressor *regressor, size_t rows, const float *x, const float *y)
{
    struct regressor *own = regressor;
    size_t inputs = own->config.inputs, outputs = own->config.outputs;
    bool has_network = own->config.hidden > 0;
    struct matrix guess = own->fit_pass.y[MLP_LAYERS - 1], d = own->fit_pass.dy[MLP_LAYERS - 1];
    float sum = 0.0f, scale = 2.0f / (float) (rows * outputs);
    assert(rows <= own->config.batch);
    if (rows == 0)
        return 0.0f;
    solve(own);
    if (has_network)
        forward(own, &own->fit_pass, rows, x);
    for (size_t row = 0; row < rows; row++)
        for (size_t k = 0; k < outputs; k++) {
            float error = linear_at(own, x + row * inputs, k) - y[row * outputs + k];
            error += has_network ? guess.at[row * guess.stride + k] : 0.0f;
            sum += error * error;
            if (has_network)
                d.at[row * d.stride + k] = scale * error;
        }
    if (has_network)
        step(own);
    own->fits++;
    return sum / (float) (rows * outputs);
}

void regressor_predict(struct regressor *regressor, size_t rows, const float *x, float *ret_y)
{
    struct regressor *own = regressor;
    size_t inputs = own->config.inputs, outputs = own->config.outputs;
    struct matrix guess = own->predict_pass.y[MLP_LAYERS - 1];
    assert(rows <= own->config.rows);
    if (rows == 0)
        return;
    if (own->config.hidden > 0)
        forward(own, &own->predict_pass, rows, x);
    for (size_t row = 0; row < rows; row++)
        for (size_t k = 0; k < outputs; k++) {
            float rest = own->config.hidden > 0 ? guess.at[row * guess.stride + k] : 0.0f;
            ret_y[row * outputs + k] = linear_at(own, x + row * inputs, k) + rest;
        }
}

/* ---- bytes ---- */

static int push_floats(struct buf *bytes, const float *values, size_t count)
{
    return count > 0 ? buf_push(bytes, values, count * sizeof *values) : 0;
}

int regressor_save(const struct regressor *regressor, bool full, struct buf *bytes)
{
    const struct regressor *own = regressor;
    int rc = buf_push(bytes, own->linear, sizeof own->linear);
    if (rc == 0)
        rc = push_floats(bytes, own->params, own->mlp.params);
    if (rc != 0 || !full)
        return rc;
    rc = buf_push(bytes, &own->fits, sizeof own->fits);
    if (rc == 0)
        rc = buf_push(bytes, &own->sums, sizeof own->sums);
    if (rc == 0)
        rc = push_floats(bytes, own->first, own->mlp.params);
    return rc != 0 ? rc : push_floats(bytes, own->second, own->mlp.params);
}

static int take(const uint8_t **bytes, size_t *size, void *ret, size_t wanted, struct diag *diag)
{
    if (*size < wanted)
        return diag_fail(diag, ERR_TRUNCATED, "a model's weights end too early");
    if (wanted > 0)
        memcpy(ret, *bytes, wanted);
    *bytes += wanted;
    *size -= wanted;
    return 0;
}

static bool are_numbers(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return false;
    return true;
}

static bool are_moments(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!(values[i] >= 0.0f))
            return false;
    return true;
}

static bool are_sums(const struct sums *sums)
{
    const double *at = &sums->zz[0][0];
    bool valid = true;
    for (size_t i = 0; i < sizeof sums->zz / sizeof *at; i++)
        valid = valid && isfinite(at[i]);
    at = &sums->zy[0][0];
    for (size_t i = 0; i < sizeof sums->zy / sizeof *at; i++)
        valid = valid && isfinite(at[i]);
    return valid;
}

int regressor_load(struct regressor *regressor, bool full, const uint8_t **bytes, size_t *size,
                   struct diag *diag)
{
    struct regressor *own = regressor;
    size_t params = own->mlp.params, block = params * sizeof(float);
    int rc = take(bytes, size, own->linear, sizeof own->linear, diag);
    if (rc == 0)
        rc = take(bytes, size, own->params, block, diag);
    if (rc == 0 && full)
        rc = take(bytes, size, &own->fits, sizeof own->fits, diag);
    if (rc == 0 && full)
        rc = take(bytes, size, &own->sums, sizeof own->sums, diag);
    if (rc == 0 && full)
        rc = take(bytes, size, own->first, block, diag);
    if (rc == 0 && full)
        rc = take(bytes, size, own->second, block, diag);
    if (rc != 0)
        return rc;
    bool valid = are_numbers(&own->linear[0][0], sizeof own->linear / sizeof(float)) &&
                 are_numbers(own->params, params) && are_numbers(own->first, params) &&
                 are_numbers(own->second, params) && are_moments(own->second, params) && are_sums(&own->sums);
    return valid ? 0 : diag_fail(diag, ERR_CORRUPT, "a model's weights are not numbers");
}
