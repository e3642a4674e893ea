#include "core/rl/gaussian.h"

#include "core/base/elementary.h"

#define HALF_LOG_2_PI 0.91893853320467274178

void gaussian_sample(size_t size, const float *mean, const float *log_sigma, const struct rng_at *at,
                     float *ret_action)
{
    for (size_t i = 0; i < size; i += 4) {
        struct rng_block block = rng_block(at, (uint32_t) (i / 4));
        double normal[4];
        rng_normal_pair(block.v[0], block.v[1], normal);
        rng_normal_pair(block.v[2], block.v[3], normal + 2);
        for (size_t j = 0; j < 4 && i + j < size; j++)
            ret_action[i + j] = mean[i + j] + elementary_expf(log_sigma[i + j]) * (float) normal[j];
    }
}

float gaussian_log_probability(size_t size, const float *mean, const float *log_sigma, const float *action)
{
    float sum = 0.0f;
    for (size_t i = 0; i < size; i++) {
        float z = (action[i] - mean[i]) * elementary_expf(-log_sigma[i]);
        sum -= 0.5f * z * z + log_sigma[i] + (float) HALF_LOG_2_PI;
    }
    return sum;
}

float gaussian_entropy(size_t size, const float *log_sigma)
{
    float sum = 0.0f;
    for (size_t i = 0; i < size; i++)
        sum += log_sigma[i] + (float) (HALF_LOG_2_PI + 0.5);
    return sum;
}

void gaussian_gradient(size_t size, const float *mean, const float *log_sigma, const float *action,
                       float by_log_probability, float by_entropy, float *ret_mean_gradient,
                       float *sigma_gradient)
{
    for (size_t i = 0; i < size; i++) {
        float precision = elementary_expf(-log_sigma[i]);
        float z = (action[i] - mean[i]) * precision;
        ret_mean_gradient[i] = by_log_probability * z * precision;
        sigma_gradient[i] += by_log_probability * (z * z - 1.0f) + by_entropy;
    }
}
