#include "orchestrator/policy/plus/outcome_quality.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/model/channel.h"

#define KNOTS OUTCOME_QUALITY_KNOTS
#define NEAR 0.5 /* how much the next split, or the next condition, tells of this one */

static size_t entries(const struct outcome_quality *quality)
{
    return (size_t) quality->splits * KNOTS;
}

int outcome_quality_init(struct outcome_quality *ret_quality, const struct world *world)
{
    struct outcome_quality quality = {.splits = world->llm->layers};
    channel_range(&world->scenario, &quality.least, &quality.most);
    quality.weight = calloc(3 * entries(&quality), sizeof *quality.weight);
    if (quality.weight == NULL)
        return -ENOMEM;
    quality.sum = quality.weight + entries(&quality);
    quality.mean = quality.sum + entries(&quality);
    *ret_quality = quality;
    return 0;
}

void outcome_quality_finish(struct outcome_quality *quality)
{
    free(quality->weight);
    *quality = (struct outcome_quality){0};
}

/* Where a condition lies: the knot before it, and how far it is on the way to the next. */
static uint32_t knot_of(const struct outcome_quality *quality, double condition, double *ret_part)
{
    double span = quality->most - quality->least;
    double at = span > 0.0 ? (condition - quality->least) / span * (KNOTS - 1) : 0.0;
    if (!(at > 0.0))
        at = 0.0;
    at = at < KNOTS - 1 ? at : KNOTS - 1;
    uint32_t knot = (uint32_t) at < KNOTS - 1 ? (uint32_t) at : KNOTS - 2;
    *ret_part = at - knot;
    return knot;
}

void outcome_quality_observe(struct outcome_quality *quality, uint32_t split, double condition,
                             double log_ratio)
{
    double part = 0.0;
    assert(split > 0 && split < quality->splits && isfinite(condition) && isfinite(log_ratio));
    size_t at = (size_t) split * KNOTS + knot_of(quality, condition, &part);
    quality->weight[at] += 1.0 - part;
    quality->sum[at] += (1.0 - part) * log_ratio;
    quality->weight[at + 1] += part;
    quality->sum[at + 1] += part * log_ratio;
    quality->reports++;
}

/* One pass over a line of `count` entries `stride` apart: each takes over NEAR of what the one before it has. */
static void spread_line(double *weight, double *sum, size_t count, ptrdiff_t stride)
{
    for (size_t i = 1; i < count; i++) {
        ptrdiff_t at = (ptrdiff_t) i * stride;
        weight[at] += NEAR * weight[at - stride];
        sum[at] += NEAR * sum[at - stride];
    }
}

/* Both ways over all lines of both directions, in place. */
static void spread(const struct outcome_quality *quality, double *weight, double *sum)
{
    size_t last_split = (size_t) (quality->splits - 1) * KNOTS;
    for (size_t s = 0; s < quality->splits; s++) {
        spread_line(weight + s * KNOTS, sum + s * KNOTS, KNOTS, 1);
        spread_line(weight + s * KNOTS + KNOTS - 1, sum + s * KNOTS + KNOTS - 1, KNOTS, -1);
    }
    for (size_t k = 0; k < KNOTS; k++) {
        spread_line(weight + k, sum + k, quality->splits, (ptrdiff_t) KNOTS);
        spread_line(weight + last_split + k, sum + last_split + k, quality->splits, -(ptrdiff_t) KNOTS);
    }
}

/* Means of what was reported, with what the neighbourhood says as one report more. `mean` serves as the sums that are
 * spread; without memory for their weights the means stay those of before. */
static void settle(struct outcome_quality *quality)
{
    size_t count = entries(quality);
    double *weight = malloc(count * sizeof *weight);
    if (weight == NULL)
        return;
    memcpy(weight, quality->weight, count * sizeof *weight);
    memcpy(quality->mean, quality->sum, count * sizeof *quality->mean);
    spread(quality, weight, quality->mean);
    for (size_t i = 0; i < count; i++) {
        double around = weight[i] > 0.0 ? quality->mean[i] / weight[i] : 0.0;
        quality->mean[i] = (quality->sum[i] + around) / (quality->weight[i] + 1.0);
    }
    free(weight);
    quality->seen = quality->reports;
}

void outcome_quality_foresee(struct outcome_quality *quality, double condition, float *ret)
{
    double part = 0.0;
    uint32_t knot = knot_of(quality, condition, &part);
    if (quality->seen != quality->reports)
        settle(quality);
    ret[0] = ret[quality->splits] = 0.0f;
    for (uint32_t s = 1; s < quality->splits; s++) {
        const double *mean = quality->mean + (size_t) s * KNOTS + knot;
        ret[s] = (float) (mean[0] + part * (mean[1] - mean[0]));
    }
}

int outcome_quality_save(const struct outcome_quality *quality, struct buf *bytes)
{
    int rc = buf_push(bytes, &quality->reports, sizeof quality->reports);
    return rc != 0 ? rc : buf_push(bytes, quality->weight, 2 * entries(quality) * sizeof *quality->weight);
}

int outcome_quality_load(struct outcome_quality *quality, const uint8_t **bytes, size_t *size,
                         struct diag *diag)
{
    size_t sums = 2 * entries(quality) * sizeof *quality->weight;
    if (*size < sizeof quality->reports + sums)
        return diag_fail(diag, ERR_TRUNCATED, "a learned quality ends too early");
    memcpy(&quality->reports, *bytes, sizeof quality->reports);
    memcpy(quality->weight, *bytes + sizeof quality->reports, sums);
    *bytes += sizeof quality->reports + sums;
    *size -= sizeof quality->reports + sums;
    for (size_t i = 0; i < entries(quality); i++)
        if (!(quality->weight[i] >= 0.0 && isfinite(quality->weight[i]) && isfinite(quality->sum[i])))
            return diag_fail(diag, ERR_CORRUPT, "a learned quality has an entry that is no number");
    settle(quality);
    return 0;
}
