#include "core/rl/categorical.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/elementary.h"
#include "core/base/err.h"
#include "core/rl/mlp.h"

int categorical_init(struct categorical *ret_categorical, const size_t *classes, size_t heads)
{
    struct categorical categorical = {.heads = heads};
    for (size_t h = 0; h < heads; h++) {
        if (classes[h] < 1 || classes[h] > MLP_SIZE_MAX - categorical.logits)
            return ERR_RANGE;
        categorical.logits += classes[h];
    }
    categorical.classes = malloc((heads > 0 ? heads : 1) * sizeof(*classes));
    if (categorical.classes == NULL)
        return -ENOMEM;
    if (heads > 0)
        memcpy(categorical.classes, classes, heads * sizeof(*classes));
    *ret_categorical = categorical;
    return 0;
}

void categorical_finish(struct categorical *categorical)
{
    free(categorical->classes);
    *categorical = (struct categorical){0};
}

static bool is_class(float action, size_t classes)
{
    return action >= 0.0f && action < (float) classes;
}

/* The largest allowed logit; minus infinity when none is. */
static float top_of(size_t classes, const float *logits, const uint8_t *allowed)
{
    float top = -INFINITY;
    for (size_t i = 0; i < classes; i++)
        if (allowed[i] != 0 && logits[i] > top)
            top = logits[i];
    return top;
}

static float weight_of(float logit, uint8_t allowed, float top)
{
    return allowed != 0 ? elementary_expf(logit - top) : 0.0f;
}

/* The first class whose cumulated weight exceeds the draw's share of all; the last allowed one when rounding
 * leaves none. */
static size_t draw_class(size_t classes, const float *logits, const uint8_t *allowed, double share)
{
    float top = top_of(classes, logits, allowed);
    double sum = 0.0, cumulated = 0.0;
    size_t last = 0;
    for (size_t i = 0; i < classes; i++)
        sum += (double) weight_of(logits[i], allowed[i], top);
    for (size_t i = 0; i < classes; i++) {
        if (allowed[i] == 0)
            continue;
        last = i;
        cumulated += (double) weight_of(logits[i], allowed[i], top);
        if (cumulated > share * sum)
            break;
    }
    return last;
}

void categorical_sample(const struct categorical *categorical, const float *logits, const uint8_t *allowed,
                        const struct rng_at *at, float *ret_action)
{
    for (size_t h = 0, first = 0; h < categorical->heads; first += categorical->classes[h], h++)
        ret_action[h] = (float) draw_class(categorical->classes[h], logits + first, allowed + first,
                                           rng_uniform(at, (uint32_t) h));
}

static size_t likeliest(size_t classes, const float *logits, const uint8_t *allowed)
{
    size_t best = 0;
    for (size_t i = 1; i < classes; i++)
        if (allowed[i] != 0 && (allowed[best] == 0 || logits[i] > logits[best]))
            best = i;
    return allowed[best] != 0 ? best : 0;
}

void categorical_mode(const struct categorical *categorical, const float *logits, const uint8_t *allowed,
                      float *ret_action)
{
    for (size_t h = 0, first = 0; h < categorical->heads; first += categorical->classes[h], h++)
        ret_action[h] = (float) likeliest(categorical->classes[h], logits + first, allowed + first);
}

/* One head; returns its entropy. */
static float log_softmax(size_t classes, float *restrict logits, const uint8_t *restrict allowed,
                         float *restrict probability)
{
    float top = top_of(classes, logits, allowed), sum = 0.0f, entropy = 0.0f;
    for (size_t i = 0; i < classes; i++) {
        probability[i] = weight_of(logits[i], allowed[i], top);
        sum += probability[i];
    }
    float log_sum = sum > 0.0f ? elementary_logf(sum) : 0.0f, scale = sum > 0.0f ? 1.0f / sum : 0.0f;
    for (size_t i = 0; i < classes; i++) {
        probability[i] *= scale;
        logits[i] = allowed[i] != 0 ? logits[i] - top - log_sum : 0.0f;
        entropy -= probability[i] * logits[i];
    }
    return entropy;
}

float categorical_evaluate(const struct categorical *categorical, float *logits, const uint8_t *allowed,
                           const float *action, float *ret_probability, float *ret_entropy)
{
    float sum = 0.0f;
    for (size_t h = 0, first = 0; h < categorical->heads; first += categorical->classes[h], h++) {
        assert(is_class(action[h], categorical->classes[h]));
        ret_entropy[h] =
            log_softmax(categorical->classes[h], logits + first, allowed + first, ret_probability + first);
        sum += logits[first + (size_t) action[h]];
    }
    return sum;
}

/* d log p(a) / d logit i = [i = a] - p(i); d entropy / d logit i = -p(i) (log p(i) + entropy). A forbidden
 * class has p(i) = 0; a head with nothing allowed has no class a to speak of. */
void categorical_gradient(const struct categorical *categorical, const float *log_probability,
                          const float *entropy, const float *action, float by_log_probability,
                          float by_entropy, float *probability)
{
    for (size_t h = 0, first = 0; h < categorical->heads; first += categorical->classes[h], h++) {
        assert(is_class(action[h], categorical->classes[h]));
        const float *log_p = log_probability + first;
        float *p = probability + first;
        size_t chosen = (size_t) action[h];
        bool decides = p[chosen] > 0.0f || log_p[chosen] < 0.0f;
        for (size_t i = 0; i < categorical->classes[h]; i++)
            p[i] *= -by_log_probability - by_entropy * (log_p[i] + entropy[h]);
        if (decides)
            p[chosen] += by_log_probability;
    }
}
