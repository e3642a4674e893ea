/* What each coding's activations lose on a damaged channel, learned from reports (core/model/coding.h). Each format has its
 * own means (outcome_quality.h), in which its reports under all margins count. A margin decides the channel's condition,
 * which a view tells of the scenario's own margin alone: of the others it is the mean of what was reported. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_PLUS_OUTCOME_DAMAGE_H
#define HANDOFF_ORCHESTRATOR_POLICY_PLUS_OUTCOME_DAMAGE_H

#include "orchestrator/policy/plus/outcome_quality.h"

struct outcome_damage {
    uint32_t codings;
    bool has_margins;
    uint32_t format[CODINGS_MAX]; /* of each coding, which of `quality` */
    struct outcome_quality quality[CODINGS_MAX];
    uint32_t formats; /* of them in use */
    struct {
        uint64_t reports;
        double sum; /* of their conditions */
    } condition[CODINGS_MAX];
};

/* -ENOMEM. Finish takes a zeroed one, too. */
int outcome_damage_init(struct outcome_damage *ret_damage, const struct world *world);
void outcome_damage_finish(struct outcome_damage *damage);

/* coding < codings, 0 < split < L; finite numbers. */
void outcome_damage_observe(struct outcome_damage *damage, uint32_t coding, uint32_t split, double condition,
                            double log_ratio);

/* As outcome_quality_foresee, of a coding. `condition`: the view's. */
void outcome_damage_foresee(struct outcome_damage *damage, uint32_t coding, double condition, float *ret);

/* As outcome_model_save and outcome_model_load. */
int outcome_damage_save(const struct outcome_damage *damage, struct buf *bytes);
int outcome_damage_load(struct outcome_damage *damage, const uint8_t **bytes, size_t *size,
                        struct diag *diag);

#endif
