#include "twin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/rng.h"

static void layer_forward(const struct dense *layer, const double *params, const double *x, double *y)
{
    for (size_t j = 0; j < layer->out; j++) {
        double sum = params[layer->bias + j];
        for (size_t i = 0; i < layer->in; i++)
            sum += x[i] * params[layer->weights + i * layer->out + j];
        y[j] = sum;
    }
}

void twin_forward(const struct mlp *mlp, const double *params, const double *x, double *ret_y)
{
    double from[TWIN_WIDTH], to[TWIN_WIDTH];
    memcpy(from, x, mlp->layers[0].in * sizeof(double));
    for (size_t i = 0; i < MLP_LAYERS; i++) {
        const struct dense *layer = &mlp->layers[i];
        layer_forward(layer, params, from, to);
        for (size_t j = 0; j < layer->out; j++) {
            double head = mlp->head == MLP_TANH ? tanh(to[j]) : to[j];
            double hidden = mlp->hidden == MLP_SMOOTH ? tanh(to[j]) : fmax(to[j], 0.0);
            from[j] = i == MLP_LAYERS - 1 ? head : hidden;
        }
    }
    memcpy(ret_y, from, mlp->layers[MLP_LAYERS - 1].out * sizeof(double));
}

double *twin_widen(const float *values, size_t size)
{
    double *wide = malloc(size * sizeof(*wide));
    if (wide == NULL)
        abort();
    for (size_t i = 0; i < size; i++)
        wide[i] = (double) values[i];
    return wide;
}

double twin_gradient_error(const struct twin_function *function, const float *params, const float *grads)
{
    const double step = 1e-6; /* small enough that hardly any ReLU changes sides within it */
    double *at = twin_widen(params, function->size);
    double worst = 0.0, largest = 0.0;
    for (size_t i = 0; i < function->size; i++) {
        double kept = at[i];
        at[i] = kept + step;
        double above = function->value(function->context, at);
        at[i] = kept - step;
        double below = function->value(function->context, at);
        at[i] = kept;
        double expected = (above - below) / (2.0 * step);
        worst = fmax(worst, fabs(expected - (double) grads[i]));
        largest = fmax(largest, fabs(expected));
    }
    free(at);
    return worst / largest;
}

void twin_fill(float *values, size_t size, float bound, uint32_t entity)
{
    struct rng_at at = {.seed = 11, .stream = RNG_PARAMETERS, .entity = entity};
    for (size_t i = 0; i < size; i++)
        values[i] = (float) rng_range(&at, (uint32_t) i, -(double) bound, (double) bound);
}
