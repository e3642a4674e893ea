/* What a damaged channel costs in quality: log(perplexity / that of a clean channel), in nats, by the split and by the
 * condition of the task's channel (core/model/channel.h). It is measured beforehand (`handoff-orchestrator perplexity`),
 * or taken from a paper.
 *
 * Text (key quality.table): parts with `|` between. The first has the conditions, each other one a split and its values:
 *
 *     0.01,0.1,0.3 | 1:0.02,0.4,1.9 | 8:0.01,0.2,0.8
 *
 * Conditions rise strictly, and so do splits. Behind the word `gain` the values are relative gains g in perplexity, and
 * log(1 - g) is the log ratio (the surrogate of Chen et al., docs/model.md B1). CSV: columns `condition`, `split` and
 * `log_ratio`, each pair once, in any order; with a column `format` each pair once of each format. */
#ifndef HANDOFF_CORE_MODEL_QUALITY_H
#define HANDOFF_CORE_MODEL_QUALITY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/model/world.h"

#define QUALITY_CONDITIONS_MAX 64u
#define QUALITY_SPLITS_MAX 256u
#define QUALITY_SPLIT_LAST 1000u  /* model.layers' own limit (scenario.def) */
#define QUALITY_VALUES_MAX 2048u  /* 4096 bytes hold no more */
#define QUALITY_CONDITION_MAX 1e6 /* of either sign */
#define QUALITY_LOG_RATIO_MAX 1e3 /* of either sign, nats */
#define QUALITY_TEXT_MAX 4096u

struct quality_table {
    bool has_gains;      /* values are relative gains */
    uint32_t conditions; /* at least 1 when read, rising */
    uint32_t splits;     /* at least 1 when read, rising */
    double condition[QUALITY_CONDITIONS_MAX];
    uint32_t split[QUALITY_SPLITS_MAX];
    double value[QUALITY_VALUES_MAX]; /* [splits][conditions] */
};

/* From the key's text. ERR_SYNTAX, ERR_RANGE or ERR_TOO_BIG, with a sentence. */
int quality_table_read(struct quality_table *ret_table, const char *text, struct diag *diag);

/* Back to text, each number with 6 to 9 digits, as many as it needs to read back. ERR_TOO_BIG: it is longer than
 * the key holds. */
int quality_table_print(const struct quality_table *table, char ret_text[static QUALITY_TEXT_MAX + 1],
                        struct diag *diag);

/* The log ratio, nats. Linear between two conditions and between two splits, held beyond. What a table of gains holds
 * is interpolated as gains. */
double quality_at(const struct quality_table *table, uint32_t split, double condition);

/* quality.formats: tables by format, where NULL is none; they are the caller's (quality_formats_free). Errors as above,
 * and -ENOMEM; ret_tables is written to on success only. */
#define QUALITY_FORMATS (COMPUTE_TOPK + 1)
int quality_formats_read(struct quality_table *ret_tables[static QUALITY_FORMATS], const char *text,
                         struct diag *diag);
/* The format of that name, which has `size` characters. ERR_UNKNOWN. */
int quality_format_find(const char *word, size_t size, uint32_t *ret_format, struct diag *diag);
void quality_formats_free(struct quality_table *tables[static QUALITY_FORMATS]);

/* The same of a world's table, for activations of a coding (coding.h). 0 for a world that has none, for split 0 (token
 * ids cross, which are protected) and for split L (nothing crosses). */
double quality_log_ratio(const struct world *world, uint32_t split, double condition, uint32_t coding);

#endif
