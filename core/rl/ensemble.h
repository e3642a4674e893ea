/* An ensemble of networks that learn the same function of the same samples and differ where they know little: y given x
 * as a Gaussian with a mean and a variance of each output (Lakshminarayanan et al., arXiv 1612.01474; as a model of a
 * world in Chua et al., arXiv 1805.12114, and in Tschantz et al., arXiv 2002.12636, whose constants are the defaults of
 * whoever uses it). Numerics only.
 *
 * A member is dense layers with swish between them. Its head has the outputs' means and the logarithms of their
 * variances, which a sigmoid holds in [-5, -1]. Both are in units of the samples' deviations: inputs and outputs are
 * normalised by the moments of the samples that are held, taken anew at each fit, and those beyond five deviations are
 * held there.
 *
 * A fit is a few passes over the samples that are held: the Gaussian's negative log-likelihood, Adam on mini-batches, the
 * gradient's norm bounded. It goes on from the weights that there are, or begins with new ones.
 *
 * Members differ in their first weights, draws at (seed, RNG_WEIGHTS, entity + member), and in the order in which they
 * meet the samples, at (seed, RNG_SAMPLING, entity + member). The same calls give the same bits. One thread at a time. */
#ifndef HANDOFF_CORE_RL_ENSEMBLE_H
#define HANDOFF_CORE_RL_ENSEMBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/diag.h"
#include "core/rl/checkpoint.h"

#define ENSEMBLE_LAYERS_MAX 4u
#define ENSEMBLE_MEMBERS_MAX 64u
#define ENSEMBLE_SIZE_MAX 4096u /* of inputs, outputs and hidden layers */
#define ENSEMBLE_LOG_VARIANCE_LEAST (-5.0f)
#define ENSEMBLE_LOG_VARIANCE_MOST (-1.0f)

struct ensemble_config {
    size_t inputs, outputs;
    size_t members;
    size_t width, layers; /* units of each hidden layer, and how many layers */
    size_t buffer;        /* samples held, the last ones */
    size_t batch;
    size_t rows;   /* most of a prediction */
    size_t epochs; /* passes of a fit over the samples that are held */
    size_t steps;  /* most mini-batches of a fit; 0: as many as the epochs have */
    float rate;    /* Adam's */
    float norm;    /* most of a gradient's norm; 0: no bound */
    bool anew;     /* each fit begins with weights drawn anew */
    uint64_t seed;
    uint32_t entity; /* tells ensembles of one seed apart: the members' are this and those behind it */
};

struct ensemble;

/* ERR_RANGE: sizes that cannot be; -ENOMEM. */
int ensemble_create(struct ensemble **ret_ensemble, const struct ensemble_config *config);
void ensemble_destroy(struct ensemble *ensemble);
const struct ensemble_config *ensemble_config(const struct ensemble *ensemble);

/* Adds a sample: x[inputs], y[outputs], finite. The oldest falls out when the buffer is full. */
void ensemble_observe(struct ensemble *ensemble, const float *x, const float *y);
uint64_t ensemble_observed(const struct ensemble *ensemble); /* ever */

/* One fit. Returns the mean loss of its mini-batches, before each step: nats for each output, less a constant. 0 without
 * samples, which changes nothing. */
double ensemble_fit(struct ensemble *ensemble);
uint64_t ensemble_fits(const struct ensemble *ensemble);

/* What all members say of some rows, in units of deviations. Owned by whoever made it. */
struct ensemble_guess {
    size_t members, rows, outputs;
    float *mean;         /* [members][rows][outputs], as are the next two */
    float *log_variance; /* [-5, -1] */
};

/* Space for `rows` rows; -ENOMEM. Finish takes a zeroed one, too. */
int ensemble_guess_init(struct ensemble_guess *ret_guess, const struct ensemble *ensemble, size_t rows);
void ensemble_guess_finish(struct ensemble_guess *guess);

/* For x[rows][inputs], 1 <= rows <= config.rows and the guess's space: all members in one go. */
void ensemble_predict(struct ensemble *ensemble, size_t rows, const float *x, struct ensemble_guess *guess);

/* Means in the units of the samples: ret_y[count][outputs] from mean[count][outputs]; they may be the same. */
void ensemble_in_units(const struct ensemble *ensemble, size_t count, const float *mean, float *ret_y);

/* What a step of a fit goes down: a member's loss on a mini-batch of normalised rows x[rows][inputs], y[rows][outputs], and
 * its gradient at the member's parameters, ret_grads[ensemble_params], before any bound. 1 <= rows <= config.batch. */
double ensemble_gradient(struct ensemble *ensemble, size_t member, size_t rows, const float *x,
                         const float *y, float *ret_grads);
size_t ensemble_params(const struct ensemble *ensemble);
/* A member's block: layer after layer, weights [in][out] and then bias [out]. */
float *ensemble_weights(struct ensemble *ensemble, size_t member);

/* Adds its sizes and parts to a description (checkpoint.h). In the actor's section: weights, and the moments of the samples;
 * in the learner's: fits, steps and Adam's moments. A description's sections come in order, so each has its call. */
void ensemble_describe_actor(struct ensemble *ensemble, struct checkpoint *checkpoint);
void ensemble_describe_learner(struct ensemble *ensemble, struct checkpoint *checkpoint);
/* The samples, for experience.h: transitions without states, whose action is x and then y. */
struct replay *ensemble_samples(struct ensemble *ensemble);

#endif
