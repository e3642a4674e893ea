/* Perplexity of a text by split and setting of a channel, over several noise seeds: what is measured, and what may be said
 * of it. */
#ifndef HANDOFF_ORCHESTRATOR_CHANNEL_CHANNEL_STUDY_H
#define HANDOFF_ORCHESTRATOR_CHANNEL_CHANNEL_STUDY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/diag.h"
#include "core/perplexity/perplexity.h"
#include "orchestrator/channel/channel_grid.h"

struct channel_study {
    const struct channel_grid *grid; /* borrowed */
    struct perplexity *perplexity;   /* borrowed; it keeps the grid's splits */
    uint32_t seeds;                  /* of settings with draws; the others have one */
    uint64_t first_seed;
    double reference_rms;             /* of analog with fixed power */
    struct perplexity_result *result; /* [settings][splits][seeds] */
};

/* A mean over seeds with its 95 % interval by Student's t. NAN: one seed has no interval. */
struct channel_band {
    double mean, low, high;
};

/* How log perplexity changes with the split: its least-squares slope, by seed. */
enum channel_trend {
    CHANNEL_OPEN,  /* the interval holds 0, or there is none */
    CHANNEL_FALLS, /* earlier splits suffer more, as the paper's Figure 3 has it */
    CHANNEL_RISES,
};

/* Root mean square of the clean activations of all splits of the grid together. */
double channel_study_rms(const struct channel_grid *grid, const struct perplexity *perplexity);

/* -ENOMEM. Everything is 0 until it is measured. */
int channel_study_open(struct channel_study *study, struct diag *diag);
void channel_study_close(struct channel_study *study);

uint32_t channel_study_seeds(const struct channel_study *study, size_t setting);
size_t channel_study_measures(const struct channel_study *study);
double channel_study_flop(const struct channel_study *study);

/* One of them: settings one after the other, in each the splits, in each the seeds. */
int channel_study_measure(struct channel_study *study, size_t number, struct diag *diag);

const struct perplexity_result *channel_study_result(const struct channel_study *study, size_t setting,
                                                     size_t split, uint32_t seed);

struct channel_band channel_study_perplexity(const struct channel_study *study, size_t setting, size_t split);
/* log(perplexity / clean perplexity): mean over seeds. */
struct channel_band channel_study_log_ratio(const struct channel_study *study, size_t setting, size_t split);
/* Nats a token and layer; fewer than two splits: all NAN. */
struct channel_band channel_study_slope(const struct channel_study *study, size_t setting);
enum channel_trend channel_study_trend(struct channel_band slope);
const char *channel_trend_word(enum channel_trend trend);

/* Mean and t-interval of a few numbers. */
struct channel_band channel_band_of(const double *x /* [n] */, size_t n);

/* All measures, one a row, as the man page has the columns. */
int channel_study_csv(const struct channel_study *study, struct buf *text);

/* condition,split,log_ratio, and format where there are several: what quality.table_csv reads. ERR_RANGE: the grid has
 * several families of levels but for formats, or none. */
int channel_study_table(const struct channel_study *study, struct buf *text, struct diag *diag);

#endif
