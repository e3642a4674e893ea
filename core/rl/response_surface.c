#include "core/rl/response_surface.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/base/elementary.h"

#define PLACES 128u    /* steps in which the range is looked through [house] */
#define CONFIDENCE 1.5 /* standard deviations [house] */
#define SPREAD_LEAST                                                                                         \
    3.0             /* of the function, in deviations of a trial: at first nothing is known of it [house] */
#define MEMORY 64.0 /* trials after which a trial's variance has doubled [house] */

void response_surface_init(struct response_surface *surface, const struct response_surface_config *config)
{
    assert(config->low <= config->start && config->start <= config->high);
    assert(config->length > 0.0 && config->noise > 0.0); /* noise keeps the kernel's matrix positive */
    memset(surface, 0, sizeof *surface);
    surface->config = *config;
    surface->best = surface->next = config->start;
}

/* ---- the process, given the trials ---- */

struct fit {
    uint32_t count;
    double mean, spread; /* before any trial */
    double weight[RESPONSE_SURFACE_TRIALS];
};

static const struct response_surface_trial *trial_of(const struct response_surface *surface, uint32_t age)
{
    assert(age < surface->seen && age < RESPONSE_SURFACE_TRIALS);
    return &surface->trial[(surface->seen - 1 - age) % RESPONSE_SURFACE_TRIALS];
}

static double kernel(const struct response_surface *surface, const struct fit *fit, double x, double y)
{
    double distance = (x - y) / surface->config.length;
    return fit->spread * fit->spread * elementary_exp(-0.5 * distance * distance);
}

static void begin_fit(const struct response_surface *surface, struct fit *fit)
{
    double sum = 0.0, squares = 0.0;
    fit->count =
        (uint32_t) (surface->seen < RESPONSE_SURFACE_TRIALS ? surface->seen : RESPONSE_SURFACE_TRIALS);
    for (uint32_t i = 0; i < fit->count; i++)
        sum += trial_of(surface, i)->y;
    fit->mean = sum / fit->count;
    for (uint32_t i = 0; i < fit->count; i++) {
        double off = trial_of(surface, i)->y - fit->mean;
        squares += off * off;
    }
    fit->spread = fmax(sqrt(squares / fit->count), SPREAD_LEAST * surface->config.noise);
}

/* x <- L^-1 x */
static void solve_lower(const struct response_surface *surface, uint32_t count, double *x)
{
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < i; j++)
            x[i] -= surface->factor[i][j] * x[j];
        x[i] /= surface->factor[i][i];
    }
}

static void factorise(struct response_surface *surface, const struct fit *fit)
{
    double noise = surface->config.noise * surface->config.noise;
    for (uint32_t i = 0; i < fit->count; i++)
        for (uint32_t j = 0; j <= i; j++) {
            double sum = kernel(surface, fit, trial_of(surface, i)->x, trial_of(surface, j)->x);
            sum += i == j ? noise * (1.0 + i / MEMORY) : 0.0;
            for (uint32_t k = 0; k < j; k++)
                sum -= surface->factor[i][k] * surface->factor[j][k];
            surface->factor[i][j] = i == j ? sqrt(sum) : sum / surface->factor[j][j];
        }
}

static void solve(struct response_surface *surface, struct fit *fit)
{
    factorise(surface, fit);
    for (uint32_t i = 0; i < fit->count; i++)
        fit->weight[i] = trial_of(surface, i)->y - fit->mean;
    solve_lower(surface, fit->count, fit->weight);
    for (uint32_t i = fit->count; i-- > 0;) { /* the same with L transposed */
        for (uint32_t j = i + 1; j < fit->count; j++)
            fit->weight[i] -= surface->factor[j][i] * fit->weight[j];
        fit->weight[i] /= surface->factor[i][i];
    }
}

/* ---- looking through the range ---- */

static void predict(const struct response_surface *surface, const struct fit *fit, double x, double *ret_mean,
                    double *ret_deviation)
{
    double near[RESPONSE_SURFACE_TRIALS], mean = fit->mean, variance = fit->spread * fit->spread;
    for (uint32_t i = 0; i < fit->count; i++) {
        near[i] = kernel(surface, fit, x, trial_of(surface, i)->x);
        mean += near[i] * fit->weight[i];
    }
    solve_lower(surface, fit->count, near);
    for (uint32_t i = 0; i < fit->count; i++)
        variance -= near[i] * near[i];
    *ret_mean = mean;
    *ret_deviation = sqrt(fmax(variance, 0.0));
}

void response_surface_settle(struct response_surface *surface)
{
    const struct response_surface_config *config = &surface->config;
    double least_bound = (double) INFINITY;
    struct fit fit;
    if (surface->seen == 0)
        return;
    begin_fit(surface, &fit);
    solve(surface, &fit);
    surface->least = (double) INFINITY;
    for (uint32_t i = 0; i <= PLACES; i++) {
        double step = config->low + (config->high - config->low) * i / PLACES, mean, deviation;
        double x = fmin(step, config->high); /* rounding */
        predict(surface, &fit, x, &mean, &deviation);
        if (mean < surface->least) {
            surface->least = mean;
            surface->best = x;
        }
        if (mean - CONFIDENCE * deviation < least_bound) {
            least_bound = mean - CONFIDENCE * deviation;
            surface->next = x;
        }
    }
}

void response_surface_observe(struct response_surface *surface, double x, double y)
{
    surface->trial[surface->seen++ % RESPONSE_SURFACE_TRIALS] = (struct response_surface_trial){x, y};
    response_surface_settle(surface);
}
