/* What a damaged channel costs in quality, learned from reports: log(perplexity / that of a clean channel) by split and by
 * the channel's condition. No table is known here; a report tells its task's condition and quality.
 *
 * For each split there are means at OUTCOME_QUALITY_KNOTS conditions. A report counts at the two next to its own, by
 * nearness; a forecast is linear between them. Where little was reported, what neighbouring splits and conditions say
 * stands in, as if it were one report. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_PLUS_OUTCOME_QUALITY_H
#define HANDOFF_ORCHESTRATOR_POLICY_PLUS_OUTCOME_QUALITY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/diag.h"
#include "core/model/world.h"

#define OUTCOME_QUALITY_KNOTS 17u

struct outcome_quality {
    uint32_t splits;    /* L: split 0 is never damaged, nor is L */
    double least, most; /* conditions of the first knot and of the last */
    double *weight;     /* [splits][KNOTS] reports so far; owned, with the next two behind it */
    double *sum;        /* [splits][KNOTS] of their log ratios */
    double *mean;       /* [splits][KNOTS] what is foreseen, of `seen` reports */
    uint64_t reports, seen;
};

/* -ENOMEM. Finish takes a zeroed one, too. */
int outcome_quality_init(struct outcome_quality *ret_quality, const struct world *world);
void outcome_quality_finish(struct outcome_quality *quality);

/* 0 < split < L; finite numbers. */
void outcome_quality_observe(struct outcome_quality *quality, uint32_t split, double condition,
                             double log_ratio);

/* ret[L + 1]: what each split's log ratio is likely to be; 0 at both ends, and where nothing is known at all. */
void outcome_quality_foresee(struct outcome_quality *quality, double condition, float *ret);

/* As outcome_model_save and outcome_model_load. */
int outcome_quality_save(const struct outcome_quality *quality, struct buf *bytes);
int outcome_quality_load(struct outcome_quality *quality, const uint8_t **bytes, size_t *size,
                         struct diag *diag);

#endif
