#include "orchestrator/policy/plus/outcome_damage.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/base/err.h"

/* Coding 0 has a table of its own (quality.h), whatever its format. The others are in order of their formats. */
static void sort_formats(struct outcome_damage *damage, const struct world *world)
{
    damage->formats = 1;
    for (uint32_t i = 1; i < damage->codings; i++) {
        bool is_another = i == 1 || coding_at(&world->codings, &world->scenario, i).format !=
                                        coding_at(&world->codings, &world->scenario, i - 1).format;
        damage->formats += is_another ? 1 : 0;
        damage->format[i] = damage->formats - 1;
    }
}

int outcome_damage_init(struct outcome_damage *ret_damage, const struct world *world)
{
    struct outcome_damage damage = {.codings = world->codings.count,
                                    .has_margins = coding_has_margins(&world->scenario)};
    int rc = 0;
    sort_formats(&damage, world);
    for (uint32_t i = 0; i < damage.formats && rc == 0; i++)
        rc = outcome_quality_init(&damage.quality[i], world);
    if (rc == 0)
        *ret_damage = damage;
    else
        outcome_damage_finish(&damage);
    return rc;
}

void outcome_damage_finish(struct outcome_damage *damage)
{
    for (uint32_t i = 0; i < damage->formats; i++)
        outcome_quality_finish(&damage->quality[i]);
    *damage = (struct outcome_damage){0};
}

void outcome_damage_observe(struct outcome_damage *damage, uint32_t coding, uint32_t split, double condition,
                            double log_ratio)
{
    assert(coding < damage->codings);
    outcome_quality_observe(&damage->quality[damage->format[coding]], split, condition, log_ratio);
    damage->condition[coding].reports++;
    damage->condition[coding].sum += condition;
}

void outcome_damage_foresee(struct outcome_damage *damage, uint32_t coding, double condition, float *ret)
{
    assert(coding < damage->codings);
    bool is_told = coding == 0 || !damage->has_margins || damage->condition[coding].reports == 0;
    double there =
        is_told ? condition : damage->condition[coding].sum / (double) damage->condition[coding].reports;
    outcome_quality_foresee(&damage->quality[damage->format[coding]], there, ret);
}

int outcome_damage_save(const struct outcome_damage *damage, struct buf *bytes)
{
    int rc = 0;
    for (uint32_t i = 0; i < damage->formats && rc == 0; i++)
        rc = outcome_quality_save(&damage->quality[i], bytes);
    if (rc != 0 || !damage->has_margins)
        return rc;
    return buf_push(bytes, damage->condition, damage->codings * sizeof *damage->condition);
}

int outcome_damage_load(struct outcome_damage *damage, const uint8_t **bytes, size_t *size, struct diag *diag)
{
    int rc = 0;
    for (uint32_t i = 0; i < damage->formats && rc == 0; i++)
        rc = outcome_quality_load(&damage->quality[i], bytes, size, diag);
    if (rc != 0 || !damage->has_margins)
        return rc;
    size_t conditions = damage->codings * sizeof *damage->condition;
    if (*size < conditions)
        return diag_fail(diag, ERR_TRUNCATED, "learned conditions end too early");
    memcpy(damage->condition, *bytes, conditions);
    *bytes += conditions;
    *size -= conditions;
    for (uint32_t i = 0; i < damage->codings; i++)
        if (!isfinite(damage->condition[i].sum))
            return diag_fail(diag, ERR_CORRUPT, "a learned condition is no number");
    return 0;
}
