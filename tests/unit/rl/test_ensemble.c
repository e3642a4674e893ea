/* The ensemble: its gradient by differences, what it learns and where it is sure, and its bytes. */
#include "core/rl/ensemble.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/rl/experience.h"
#include "twin.h"

#define INPUTS 3u
#define OUTPUTS 2u
#define ROWS 9u

static struct ensemble_config usual(size_t layers)
{
    return (struct ensemble_config){
        .inputs = INPUTS,
        .outputs = OUTPUTS,
        .members = 4,
        .width = 11,
        .layers = layers,
        .buffer = 300,
        .batch = 32,
        .rows = 64,
        .epochs = 3,
        .rate = 1e-2f,
        .norm = 10.0f,
        .seed = 5,
        .entity = 70,
    };
}

static struct ensemble *create(const struct ensemble_config *config)
{
    struct ensemble *ensemble = NULL;
    assert_int_equal(ensemble_create(&ensemble, config), 0);
    return ensemble;
}

/* ---- the gradient ---- */

struct batch {
    struct ensemble_config config;
    float x[ROWS * INPUTS], y[ROWS * OUTPUTS];
};

static void twin_layer(size_t in, size_t out, const double **params, const double *x, double *y)
{
    for (size_t j = 0; j < out; j++) {
        y[j] = (*params)[in * out + j];
        for (size_t i = 0; i < in; i++)
            y[j] += x[i] * (*params)[i * out + j];
    }
    *params += in * out + out;
}

/* The documented loss in double precision and plain loops. */
static double loss_of(const void *context, const double *params)
{
    const struct batch *batch = context;
    size_t width = batch->config.width;
    double sum = 0.0;
    for (size_t r = 0; r < ROWS; r++) {
        double from[64], to[64];
        const double *at = params;
        size_t in = INPUTS;
        for (size_t i = 0; i < INPUTS; i++)
            from[i] = (double) batch->x[r * INPUTS + i];
        for (size_t l = 0; l < batch->config.layers; l++, in = width) {
            twin_layer(in, width, &at, from, to);
            for (size_t j = 0; j < width; j++)
                from[j] = to[j] / (1.0 + exp(-to[j]));
        }
        twin_layer(in, 2 * OUTPUTS, &at, from, to);
        for (size_t k = 0; k < OUTPUTS; k++) {
            double log_variance = -5.0 + 4.0 / (1.0 + exp(-to[OUTPUTS + k]));
            double error = to[k] - (double) batch->y[r * OUTPUTS + k];
            sum += 0.5 * (error * error * exp(-log_variance) + log_variance);
        }
    }
    return sum / (ROWS * OUTPUTS);
}

static void check_gradient(size_t layers)
{
    struct batch batch = {.config = usual(layers)};
    struct ensemble *ensemble = create(&batch.config);
    size_t size = ensemble_params(ensemble);
    float *grads = calloc(size, sizeof *grads);
    assert_non_null(grads);
    twin_fill(batch.x, ROWS * INPUTS, 2.0f, 1);
    twin_fill(batch.y, ROWS * OUTPUTS, 1.0f, 2);
    for (size_t member = 0; member < batch.config.members; member++) {
        const float *weights = ensemble_weights(ensemble, member);
        double *wide = twin_widen(weights, size);
        double loss = ensemble_gradient(ensemble, member, ROWS, batch.x, batch.y, grads);
        assert_true(fabs(loss - loss_of(&batch, wide)) < 1e-4 * fabs(loss));
        const struct twin_function function = {loss_of, &batch, size};
        assert_true(twin_gradient_error(&function, weights, grads) < 1e-5);
        free(wide);
    }
    free(grads);
    ensemble_destroy(ensemble);
}

static void its_gradient_is_that_of_the_likelihood(void **state)
{
    (void) state;
    for (size_t layers = 1; layers <= ENSEMBLE_LAYERS_MAX; layers++)
        check_gradient(layers);
}

/* ---- learning ---- */

/* The second output has noise of deviation `noise`, by the last of four draws. */
static void sample(uint32_t which, float bound, float noise, float *x, float *y)
{
    float draw[INPUTS + 1];
    twin_fill(draw, INPUTS + 1, 1.0f, 1000 + which);
    for (size_t i = 0; i < INPUTS; i++)
        x[i] = bound * draw[i];
    y[0] = 40.0f + 10.0f * sinf(2.0f * x[0]) - 5.0f * x[1];
    y[1] = 0.01f * x[2] + noise * draw[INPUTS];
}

static void observe(struct ensemble *ensemble, uint32_t first, uint32_t count, float noise)
{
    float x[INPUTS], y[OUTPUTS];
    for (uint32_t i = 0; i < count; i++) {
        sample(first + i, 1.0f, noise, x, y);
        ensemble_observe(ensemble, x, y);
    }
}

/* Root mean square error of the members' mean of the first output, in its own unit, on samples it never saw. */
static double error_of(struct ensemble *ensemble)
{
    struct ensemble_guess guess;
    double sum = 0.0;
    assert_int_equal(ensemble_guess_init(&guess, ensemble, 1), 0);
    for (uint32_t i = 0; i < 100; i++) {
        float x[INPUTS], y[OUTPUTS], found[OUTPUTS];
        double mean = 0.0;
        sample(50000 + i, 1.0f, 0.0f, x, y);
        ensemble_predict(ensemble, 1, x, &guess);
        for (size_t e = 0; e < guess.members; e++) {
            ensemble_in_units(ensemble, 1, guess.mean + e * OUTPUTS, found);
            mean += (double) found[0] / (double) guess.members;
        }
        sum += (mean - (double) y[0]) * (mean - (double) y[0]);
    }
    ensemble_guess_finish(&guess);
    return sqrt(sum / 100.0);
}

static void it_learns_a_curve_in_its_own_units(void **state)
{
    (void) state;
    struct ensemble_config config = usual(2);
    config.width = 32;
    config.epochs = 60;
    struct ensemble *ensemble = create(&config);
    observe(ensemble, 0, 300, 0.0f);
    double before = error_of(ensemble);
    double first = ensemble_fit(ensemble), last = ensemble_fit(ensemble);
    assert_true(before > 30.0);            /* it begins around 0, the outputs lie around 40 */
    assert_true(error_of(ensemble) < 0.4); /* of a deviation of about 7 */
    assert_true(last < first);
    ensemble_destroy(ensemble);
}

/* Mean log variance of an output over samples of that bound. */
static double log_variance_of(struct ensemble *ensemble, size_t output, float bound)
{
    struct ensemble_guess guess;
    double sum = 0.0;
    assert_int_equal(ensemble_guess_init(&guess, ensemble, 1), 0);
    for (uint32_t i = 0; i < 50; i++) {
        float x[INPUTS], y[OUTPUTS];
        sample(60000 + i, bound, 0.0f, x, y);
        ensemble_predict(ensemble, 1, x, &guess);
        for (size_t e = 0; e < guess.members; e++) {
            double value = (double) guess.log_variance[e * OUTPUTS + output];
            assert_true(value >= -5.0 && value <= -1.0);
            sum += value / (50.0 * (double) guess.members);
        }
    }
    ensemble_guess_finish(&guess);
    return sum;
}

static void what_is_noise_has_a_larger_variance_than_what_is_not(void **state)
{
    (void) state;
    struct ensemble_config config = usual(2);
    config.epochs = 60;
    struct ensemble *ensemble = create(&config);
    observe(ensemble, 0, 300, 0.05f); /* five times what the input makes of the second output */
    (void) ensemble_fit(ensemble);
    assert_true(log_variance_of(ensemble, 0, 1.0f) < -3.0);
    assert_true(log_variance_of(ensemble, 1, 1.0f) > -1.5);
    ensemble_destroy(ensemble);
}

/* Mean variance over members of the first output's mean, in squared deviations. */
static double disagreement(struct ensemble *ensemble, float bound)
{
    struct ensemble_guess guess;
    double sum = 0.0;
    assert_int_equal(ensemble_guess_init(&guess, ensemble, 1), 0);
    for (uint32_t i = 0; i < 50; i++) {
        float x[INPUTS], y[OUTPUTS];
        double mean = 0.0, squares = 0.0;
        sample(60000 + i, bound, 0.0f, x, y);
        ensemble_predict(ensemble, 1, x, &guess);
        for (size_t e = 0; e < guess.members; e++)
            mean += (double) guess.mean[e * OUTPUTS] / (double) guess.members;
        for (size_t e = 0; e < guess.members; e++)
            squares += pow((double) guess.mean[e * OUTPUTS] - mean, 2.0) / (double) guess.members;
        sum += squares / 50.0;
    }
    ensemble_guess_finish(&guess);
    return sum;
}

static void members_agree_where_samples_were_and_not_beyond(void **state)
{
    (void) state;
    struct ensemble_config config = usual(2);
    config.epochs = 60;
    struct ensemble *ensemble = create(&config);
    double unlearned = disagreement(ensemble, 1.0f);
    observe(ensemble, 0, 300, 0.0f);
    (void) ensemble_fit(ensemble);
    double within = disagreement(ensemble, 1.0f), beyond = disagreement(ensemble, 2.5f);
    assert_true(unlearned > 1e-3); /* each began with weights of its own */
    assert_true(within < 0.01);
    assert_true(beyond > 10.0 * within);
    ensemble_destroy(ensemble);
}

/* Members that begin alike differ by the order of their samples alone. */
static void each_member_meets_the_samples_in_an_order_of_its_own(void **state)
{
    (void) state;
    struct ensemble_config config = usual(1);
    struct ensemble *ensemble = create(&config);
    size_t bytes = ensemble_params(ensemble) * sizeof(float);
    for (size_t e = 1; e < config.members; e++) {
        assert_memory_not_equal(ensemble_weights(ensemble, 0), ensemble_weights(ensemble, e), bytes);
        memcpy(ensemble_weights(ensemble, e), ensemble_weights(ensemble, 0), bytes);
    }
    observe(ensemble, 0, 100, 0.0f);
    (void) ensemble_fit(ensemble);
    for (size_t e = 1; e < config.members; e++)
        assert_memory_not_equal(ensemble_weights(ensemble, 0), ensemble_weights(ensemble, e), bytes);
    ensemble_destroy(ensemble);
}

static void a_fit_has_no_more_steps_than_it_may(void **state)
{
    (void) state;
    struct ensemble_config config = usual(1);
    config.steps = 2;
    struct ensemble *bounded = create(&config);
    config.steps = 0;
    config.epochs = 1; /* of 50 samples: two mini-batches */
    struct ensemble *whole = create(&config);
    observe(bounded, 0, 50, 0.0f);
    observe(whole, 0, 50, 0.0f);
    (void) ensemble_fit(bounded);
    (void) ensemble_fit(whole);
    assert_memory_equal(ensemble_weights(bounded, 0), ensemble_weights(whole, 0),
                        config.members * ensemble_params(whole) * sizeof(float));
    ensemble_destroy(bounded);
    ensemble_destroy(whole);
}

/* Begun anew, what was learned before plays no role: a second fit is as good as a first one, and not better. */
static void begun_anew_a_fit_forgets_the_one_before(void **state)
{
    (void) state;
    struct ensemble_config config = usual(2);
    struct ensemble *warm = create(&config);
    config.anew = true;
    struct ensemble *anew = create(&config);
    observe(warm, 0, 300, 0.0f);
    observe(anew, 0, 300, 0.0f);
    double first = ensemble_fit(anew);
    assert_true(ensemble_fit(warm) == first); /* alike so far, to the bit */
    for (size_t i = 0; i < 10; i++) {
        double loss = ensemble_fit(anew);
        assert_true(loss > 0.5 * first && loss < 1.5 * first && loss != first);
        assert_true(ensemble_fit(warm) < loss);
    }
    ensemble_destroy(warm);
    ensemble_destroy(anew);
}

static void without_samples_a_fit_changes_nothing(void **state)
{
    (void) state;
    struct ensemble_config config = usual(1);
    struct ensemble *ensemble = create(&config), *same = create(&config);
    assert_true(ensemble_fit(ensemble) == 0.0);
    assert_int_equal(ensemble_fits(ensemble), 0);
    assert_memory_equal(ensemble_weights(ensemble, 0), ensemble_weights(same, 0),
                        config.members * ensemble_params(same) * sizeof(float));
    ensemble_destroy(ensemble);
    ensemble_destroy(same);
}

/* Rows and members side by side give what one alone gives, whatever stands beside. */
static void a_row_is_foreseen_the_same_whoever_stands_beside(void **state)
{
    (void) state;
    struct ensemble_config config = usual(2);
    struct ensemble *ensemble = create(&config);
    observe(ensemble, 0, 300, 0.0f);
    (void) ensemble_fit(ensemble);
    struct ensemble_guess all, one;
    assert_int_equal(ensemble_guess_init(&all, ensemble, 40), 0);
    assert_int_equal(ensemble_guess_init(&one, ensemble, 1), 0);
    float x[40 * INPUTS];
    twin_fill(x, 40 * INPUTS, 3.0f, 9);
    ensemble_predict(ensemble, 40, x, &all);
    for (size_t r = 0; r < 40; r++) {
        ensemble_predict(ensemble, 1, x + r * INPUTS, &one);
        for (size_t e = 0; e < config.members; e++) {
            size_t at = (e * 40 + r) * OUTPUTS;
            assert_memory_equal(all.mean + at, one.mean + e * OUTPUTS, OUTPUTS * sizeof(float));
            assert_memory_equal(all.log_variance + at, one.log_variance + e * OUTPUTS,
                                OUTPUTS * sizeof(float));
        }
    }
    ensemble_guess_finish(&all);
    ensemble_guess_finish(&one);
    ensemble_destroy(ensemble);
}

static void an_input_that_never_varied_is_not_divided_by_nothing(void **state)
{
    (void) state;
    struct ensemble_config config = usual(1);
    struct ensemble *ensemble = create(&config);
    const float x[INPUTS] = {3.0f, 3.0f, 3.0f}, y[OUTPUTS] = {7.0f, -2.0f},
                other[INPUTS] = {4.0f, 3.0f, 2.0f};
    for (size_t i = 0; i < 20; i++)
        ensemble_observe(ensemble, x, y);
    (void) ensemble_fit(ensemble);
    struct ensemble_guess guess;
    assert_int_equal(ensemble_guess_init(&guess, ensemble, 1), 0);
    ensemble_predict(ensemble, 1, other, &guess);
    for (size_t i = 0; i < config.members * OUTPUTS; i++)
        assert_true(fabsf(guess.mean[i]) < 10.0f);
    ensemble_guess_finish(&guess);
    ensemble_destroy(ensemble);
}

static void what_lies_far_beyond_the_samples_is_held_at_five_deviations(void **state)
{
    (void) state;
    struct ensemble_config config = usual(1);
    struct ensemble *ensemble = create(&config);
    struct ensemble_guess near, far;
    observe(ensemble, 0, 300, 0.0f);
    (void) ensemble_fit(ensemble);
    assert_int_equal(ensemble_guess_init(&near, ensemble, 2), 0);
    assert_int_equal(ensemble_guess_init(&far, ensemble, 2), 0);
    /* Uniform on [-1, 1]: five deviations are 2.9. */
    const float beyond[2 * INPUTS] = {3.5f, 3.5f, 3.5f, -3.5f, -3.5f, -3.5f};
    const float further[2 * INPUTS] = {1e6f, 40.0f, 1e30f, -1e6f, -40.0f, -1e30f};
    ensemble_predict(ensemble, 2, beyond, &near);
    ensemble_predict(ensemble, 2, further, &far);
    assert_memory_equal(near.mean, far.mean, config.members * 2 * OUTPUTS * sizeof(float));
    assert_memory_not_equal(near.mean, near.mean + OUTPUTS, OUTPUTS * sizeof(float));
    ensemble_guess_finish(&near);
    ensemble_guess_finish(&far);
    ensemble_destroy(ensemble);
}

/* ---- bytes ---- */

static struct checkpoint describe(struct ensemble *ensemble)
{
    struct checkpoint checkpoint;
    checkpoint_begin(&checkpoint, "TEST", NULL);
    ensemble_describe_actor(ensemble, &checkpoint);
    ensemble_describe_learner(ensemble, &checkpoint);
    return checkpoint;
}

#define ALL_BUT_SAMPLES ((uint32_t) (CHECKPOINT_ACTOR | CHECKPOINT_LEARNER))

static void save(struct ensemble *ensemble, uint32_t sections, struct buf *bytes)
{
    struct checkpoint checkpoint = describe(ensemble);
    assert_int_equal(checkpoint_save(&checkpoint, sections, bytes), 0);
}

static void load(struct ensemble *ensemble, const struct buf *bytes)
{
    struct checkpoint checkpoint = describe(ensemble);
    assert_int_equal(checkpoint_load(&checkpoint, bytes->data, bytes->size, NULL), 0);
}

static uint64_t count_at(struct ensemble *ensemble, size_t which)
{
    struct checkpoint checkpoint = describe(ensemble);
    for (size_t i = 0; i < checkpoint.parts; i++)
        if (checkpoint.part[i].kind == CHECKPOINT_COUNT && which-- == 0)
            return *(const uint64_t *) checkpoint.part[i].at;
    return UINT64_MAX;
}

/* Adam's steps go on from fit to fit, since its moments do; begun anew they do not. */
static void steps_are_counted_over_all_fits_of_the_same_weights(void **state)
{
    (void) state;
    for (size_t anew = 0; anew < 2; anew++) {
        struct ensemble_config config = usual(1);
        config.anew = anew == 1;
        struct ensemble *ensemble = create(&config);
        observe(ensemble, 0, 300, 0.0f); /* ten mini-batches of 32, three times */
        for (uint64_t fit = 1; fit <= 3; fit++) {
            (void) ensemble_fit(ensemble);
            assert_int_equal(count_at(ensemble, 0), fit);
            assert_int_equal(count_at(ensemble, 1), anew == 1 ? 30 : 30 * fit);
        }
        ensemble_destroy(ensemble);
    }
}

static void go_on(bool anew)
{
    struct ensemble_config config = usual(2);
    config.anew = anew;
    struct ensemble *old = create(&config), *young = create(&config);
    struct buf state = {0}, samples = {0}, a = {0}, b = {0};
    observe(old, 0, 350, 0.01f); /* the buffer has wrapped */
    (void) ensemble_fit(old);
    save(old, ALL_BUT_SAMPLES, &state);
    assert_int_equal(experience_save(ensemble_samples(old), 0, &samples), 0);
    assert_int_equal(experience_load(ensemble_samples(young), samples.data, samples.size, NULL), 0);
    load(young, &state);
    assert_int_equal(ensemble_observed(young), 350);
    struct ensemble *both[] = {old, young};
    for (size_t i = 0; i < 2; i++) {
        observe(both[i], 350, 30, 0.01f);
        (void) ensemble_fit(both[i]);
        save(both[i], ALL_BUT_SAMPLES, i == 0 ? &a : &b);
    }
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    ensemble_destroy(old);
    ensemble_destroy(young);
    buf_finish(&state);
    buf_finish(&samples);
    buf_finish(&a);
    buf_finish(&b);
}

static void what_is_saved_goes_on_with_the_same_bits(void **state)
{
    (void) state;
    go_on(false);
    go_on(true);
}

static void weights_alone_foresee_with_the_same_bits(void **state)
{
    (void) state;
    struct ensemble_config config = usual(2);
    struct ensemble *old = create(&config), *deployed = create(&config);
    struct buf weights = {0};
    observe(old, 0, 200, 0.01f);
    (void) ensemble_fit(old);
    save(old, CHECKPOINT_ACTOR, &weights);
    load(deployed, &weights);
    struct ensemble_guess a, b;
    assert_int_equal(ensemble_guess_init(&a, old, 5), 0);
    assert_int_equal(ensemble_guess_init(&b, deployed, 5), 0);
    float x[5 * INPUTS], in_a[5 * OUTPUTS], in_b[5 * OUTPUTS];
    twin_fill(x, 5 * INPUTS, 1.0f, 3);
    ensemble_predict(old, 5, x, &a);
    ensemble_predict(deployed, 5, x, &b);
    assert_memory_equal(a.mean, b.mean, config.members * 5 * OUTPUTS * sizeof(float));
    assert_memory_equal(a.log_variance, b.log_variance, config.members * 5 * OUTPUTS * sizeof(float));
    ensemble_in_units(old, 5, a.mean, in_a);
    ensemble_in_units(deployed, 5, b.mean, in_b);
    assert_memory_equal(in_a, in_b, sizeof in_a);
    ensemble_guess_finish(&a);
    ensemble_guess_finish(&b);
    ensemble_destroy(old);
    ensemble_destroy(deployed);
    buf_finish(&weights);
}

static void weights_of_other_sizes_are_refused(void **state)
{
    (void) state;
    struct ensemble_config config = usual(2);
    struct ensemble *old = create(&config);
    struct buf weights = {0};
    save(old, CHECKPOINT_ACTOR, &weights);
    struct ensemble_config other[5];
    for (size_t i = 0; i < 5; i++)
        other[i] = config;
    other[0].inputs++;
    other[1].outputs++;
    other[2].members++;
    other[3].width++;
    other[4].layers++;
    for (size_t i = 0; i < 5; i++) {
        struct ensemble *young = create(&other[i]);
        struct checkpoint checkpoint = describe(young);
        assert_int_equal(checkpoint_load(&checkpoint, weights.data, weights.size, NULL), ERR_MISMATCH);
        ensemble_destroy(young);
    }
    ensemble_destroy(old);
    buf_finish(&weights);
}

static void a_size_that_cannot_be_is_refused(void **state)
{
    (void) state;
    struct ensemble_config wrong[8];
    struct ensemble *ensemble = NULL;
    for (size_t i = 0; i < 8; i++)
        wrong[i] = usual(2);
    wrong[0].inputs = 0;
    wrong[1].outputs = ENSEMBLE_SIZE_MAX + 1;
    wrong[2].members = ENSEMBLE_MEMBERS_MAX + 1;
    wrong[3].layers = ENSEMBLE_LAYERS_MAX + 1;
    wrong[4].batch = 0;
    wrong[5].epochs = 0;
    wrong[6].rate = 0.0f;
    wrong[7].buffer = 0;
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(ensemble_create(&ensemble, &wrong[i]), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_gradient_is_that_of_the_likelihood),
        cmocka_unit_test(it_learns_a_curve_in_its_own_units),
        cmocka_unit_test(what_is_noise_has_a_larger_variance_than_what_is_not),
        cmocka_unit_test(members_agree_where_samples_were_and_not_beyond),
        cmocka_unit_test(each_member_meets_the_samples_in_an_order_of_its_own),
        cmocka_unit_test(a_fit_has_no_more_steps_than_it_may),
        cmocka_unit_test(begun_anew_a_fit_forgets_the_one_before),
        cmocka_unit_test(without_samples_a_fit_changes_nothing),
        cmocka_unit_test(a_row_is_foreseen_the_same_whoever_stands_beside),
        cmocka_unit_test(an_input_that_never_varied_is_not_divided_by_nothing),
        cmocka_unit_test(what_lies_far_beyond_the_samples_is_held_at_five_deviations),
        cmocka_unit_test(steps_are_counted_over_all_fits_of_the_same_weights),
        cmocka_unit_test(what_is_saved_goes_on_with_the_same_bits),
        cmocka_unit_test(weights_alone_foresee_with_the_same_bits),
        cmocka_unit_test(weights_of_other_sizes_are_refused),
        cmocka_unit_test(a_size_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
