#include "orchestrator/channel/channel_study.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/infer/activation_word.h"
#include "core/stats/sample.h"
#include "core/stats/student.h"

#define SEEDS_MAX 1000u

double channel_study_rms(const struct channel_grid *grid, const struct perplexity *perplexity)
{
    double sum = 0.0;
    for (size_t s = 0; s < grid->splits; s++) {
        double rms = perplexity_rms(perplexity, grid->split[s]);
        sum += rms * rms;
    }
    return sqrt(sum / (double) grid->splits);
}

int channel_study_open(struct channel_study *study, struct diag *diag)
{
    assert(study->seeds >= 1 && study->seeds <= SEEDS_MAX);
    study->result = calloc(study->grid->settings * study->grid->splits * study->seeds, sizeof *study->result);
    return study->result != NULL ? 0 : diag_fail(diag, -ENOMEM, "out of memory");
}

void channel_study_close(struct channel_study *study)
{
    free(study->result);
    study->result = NULL;
}

static bool has_draws(const struct channel_setting *setting)
{
    return setting->mode != CHANNEL_MODE_NONE;
}

uint32_t channel_study_seeds(const struct channel_study *study, size_t setting)
{
    return has_draws(&study->grid->setting[setting]) ? study->seeds : 1;
}

size_t channel_study_measures(const struct channel_study *study)
{
    size_t measures = 0;
    for (size_t i = 0; i < study->grid->settings; i++)
        measures += study->grid->splits * channel_study_seeds(study, i);
    return measures;
}

double channel_study_flop(const struct channel_study *study)
{
    double flop = 0.0;
    for (size_t i = 0; i < study->grid->settings; i++)
        for (size_t s = 0; s < study->grid->splits; s++)
            flop += channel_study_seeds(study, i) * perplexity_flop(study->perplexity, study->grid->split[s]);
    return flop;
}

static struct perplexity_result *result_at(const struct channel_study *study, size_t setting, size_t split,
                                           uint32_t seed)
{
    assert(setting < study->grid->settings && split < study->grid->splits && seed < study->seeds);
    return &study->result[(setting * study->grid->splits + split) * study->seeds + seed];
}

const struct perplexity_result *channel_study_result(const struct channel_study *study, size_t setting,
                                                     size_t split, uint32_t seed)
{
    return result_at(study, setting, split, seed);
}

static struct perplexity_crossing crossing_of(const struct channel_study *study,
                                              const struct channel_setting *setting, uint32_t split)
{
    struct perplexity_crossing crossing = {split, setting->format, setting->k, setting->damage};
    if (crossing.damage.power == DAMAGE_FIXED)
        crossing.damage.reference_rms = study->reference_rms;
    if (crossing.damage.fill == DAMAGE_MEAN)
        crossing.damage.mean = perplexity_mean(study->perplexity, split);
    return crossing;
}

int channel_study_measure(struct channel_study *study, size_t number, struct diag *diag)
{
    size_t setting = 0, split;
    while (number >= study->grid->splits * channel_study_seeds(study, setting))
        number -= study->grid->splits * channel_study_seeds(study, setting++);
    uint32_t seeds = channel_study_seeds(study, setting), seed = (uint32_t) (number % seeds);
    split = number / seeds;
    const struct rng_at at = {.seed = study->first_seed + seed, .phase = RNG_TEST};
    const struct perplexity_crossing crossing =
        crossing_of(study, &study->grid->setting[setting], study->grid->split[split]);
    return perplexity_measure(study->perplexity, &crossing, &at, result_at(study, setting, split, seed), NULL,
                              diag);
}

/* ---- what may be said ---- */

struct channel_band channel_band_of(const double *x, size_t n)
{
    double mean = sample_mean(x, n);
    if (n < 2)
        return (struct channel_band){mean, NAN, NAN};
    double half = student_two_sided(0.95, (uint32_t) n - 1) * sample_deviation(x, n) / sqrt((double) n);
    return (struct channel_band){mean, mean - half, mean + half};
}

static double log_perplexity(const struct likelihood *likelihood)
{
    return likelihood->nats / (double) likelihood->tokens;
}

struct channel_band channel_study_perplexity(const struct channel_study *study, size_t setting, size_t split)
{
    double x[SEEDS_MAX];
    uint32_t seeds = channel_study_seeds(study, setting);
    for (uint32_t i = 0; i < seeds; i++)
        x[i] = likelihood_perplexity(&result_at(study, setting, split, i)->likelihood);
    return channel_band_of(x, seeds);
}

struct channel_band channel_study_log_ratio(const struct channel_study *study, size_t setting, size_t split)
{
    double x[SEEDS_MAX];
    uint32_t seeds = channel_study_seeds(study, setting);
    const struct likelihood clean = perplexity_clean(study->perplexity);
    for (uint32_t i = 0; i < seeds; i++)
        x[i] = log_perplexity(&result_at(study, setting, split, i)->likelihood) - log_perplexity(&clean);
    return channel_band_of(x, seeds);
}

/* Of log perplexity on the split. */
static double slope_of(const struct channel_study *study, size_t setting, uint32_t seed)
{
    const struct channel_grid *grid = study->grid;
    const double first =
        log_perplexity(&result_at(study, setting, 0, seed)->likelihood); /* equal ones: exactly 0 */
    double middle = 0.0, square = 0.0, product = 0.0;
    for (size_t s = 0; s < grid->splits; s++)
        middle += grid->split[s] / (double) grid->splits;
    for (size_t s = 0; s < grid->splits; s++) {
        double x = grid->split[s] - middle;
        square += x * x;
        product += x * (log_perplexity(&result_at(study, setting, s, seed)->likelihood) - first);
    }
    return product / square;
}

struct channel_band channel_study_slope(const struct channel_study *study, size_t setting)
{
    double x[SEEDS_MAX];
    uint32_t seeds = channel_study_seeds(study, setting);
    if (study->grid->splits < 2)
        return (struct channel_band){NAN, NAN, NAN};
    for (uint32_t i = 0; i < seeds; i++)
        x[i] = slope_of(study, setting, i);
    return channel_band_of(x, seeds);
}

enum channel_trend channel_study_trend(struct channel_band slope)
{
    return slope.high < 0.0 ? CHANNEL_FALLS : slope.low > 0.0 ? CHANNEL_RISES : CHANNEL_OPEN;
}

const char *channel_trend_word(enum channel_trend trend)
{
    static const char *const words[] = {
        [CHANNEL_OPEN] = "open", [CHANNEL_FALLS] = "falls", [CHANNEL_RISES] = "rises"};
    return words[trend];
}

/* ---- files ---- */

static int csv_row(const struct channel_study *study, size_t setting, size_t split, uint32_t seed,
                   struct buf *text)
{
    const struct channel_setting *c = &study->grid->setting[setting];
    const struct perplexity_result *r = result_at(study, setting, split, seed);
    const struct likelihood clean = perplexity_clean(study->perplexity);
    char format[ACTIVATION_NAME_MAX];
    activation_name(c->format, c->k, format);
    int rc = buf_printf(text, "%s,", channel_mode_word(c->mode));
    if (rc == 0 && has_draws(c))
        rc = buf_printf(text, "%.17g", c->level);
    if (rc == 0)
        rc = buf_printf(text, ",%s,%s,%s,%s,%u,", format, channel_power_word(c), channel_layout_word(c),
                        channel_fill_word(c), study->grid->split[split]);
    if (rc == 0 && has_draws(c))
        rc = buf_printf(text, "%llu", (unsigned long long) (study->first_seed + seed));
    if (rc == 0)
        rc = buf_printf(text, ",%.17g,%llu,%llu,%.17g,%s,%llu,%zu\n", r->likelihood.nats,
                        (unsigned long long) r->likelihood.tokens, (unsigned long long) r->likelihood.bytes,
                        clean.nats, channel_fading_word(c),
                        (unsigned long long) (r->damage.missing + r->damage.turned), r->failed);
    return rc;
}

int channel_study_csv(const struct channel_study *study, struct buf *text)
{
    int rc = buf_printf(text, "mode,level,format,power,layout,fill,split,seed,nats,tokens,bytes,clean_nats,"
                              "fading,missing,failed\n");
    for (size_t i = 0; i < study->grid->settings && rc == 0; i++)
        for (size_t s = 0; s < study->grid->splits && rc == 0; s++)
            for (uint32_t seed = 0; seed < channel_study_seeds(study, i) && rc == 0; seed++)
                rc = csv_row(study, i, s, seed, text);
    return rc;
}

/* Also of another format; top-k keeps one number of elements. */
static bool is_of_family(const struct channel_setting *setting, const struct channel_grid *grid)
{
    struct channel_setting like = *setting;
    for (size_t i = 0; i < grid->settings; i++)
        if (grid->setting[i].format == setting->format && grid->setting[i].k != setting->k)
            return false;
    like.format = grid->setting[0].format;
    like.k = grid->setting[0].k;
    return has_draws(setting) && channel_same_but_level(&like, &grid->setting[0]);
}

static bool is_before(const struct channel_setting *a, const struct channel_setting *b)
{
    return a->format != b->format ? a->format < b->format : a->level < b->level;
}

/* The settings by format, then by level, rising: as many as there are. */
static int order_settings(const struct channel_grid *grid, size_t *ret_order, struct diag *diag)
{
    for (size_t i = 0; i < grid->settings; i++) {
        const struct channel_setting *setting = &grid->setting[i];
        size_t at = i;
        if (!is_of_family(setting, grid))
            return diag_fail(
                diag, ERR_RANGE,
                "--table: several levels of one setting are wanted: one --mode but none, one --power, "
                "--fading, --layout and --fill, and one K of topk");
        for (; at > 0 && is_before(setting, &grid->setting[ret_order[at - 1]]); at--)
            ret_order[at] = ret_order[at - 1];
        if (at > 0 && !is_before(&grid->setting[ret_order[at - 1]], setting))
            return diag_fail(diag, ERR_RANGE, "--table: the level %g is given twice", setting->level);
        ret_order[at] = i;
    }
    return 0;
}

/* A row's end. */
static int end_row(const struct channel_setting *setting, bool has_formats, struct buf *text)
{
    char word[ACTIVATION_NAME_MAX];
    activation_name(setting->format, setting->k, word);
    word[strcspn(word, ":")] = '\0'; /* of topk:K */
    return has_formats ? buf_printf(text, ",%s\n", word) : buf_push(text, "\n", 1);
}

int channel_study_table(const struct channel_study *study, struct buf *text, struct diag *diag)
{
    const struct channel_grid *grid = study->grid;
    size_t *order = calloc(grid->settings, sizeof *order);
    if (order == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    int rc = order_settings(grid, order, diag);
    bool has_formats =
        rc == 0 && grid->setting[order[0]].format != grid->setting[order[grid->settings - 1]].format;
    if (rc == 0)
        rc = buf_printf(text, "condition,split,log_ratio%s\n", has_formats ? ",format" : "");
    for (size_t s = 0; s < grid->splits && rc == 0; s++)
        for (size_t i = 0; i < grid->settings && rc == 0; i++) {
            const struct channel_setting *setting = &grid->setting[order[i]];
            rc = buf_printf(text, "%.10g,%u,%.6g", setting->level, grid->split[s],
                            channel_study_log_ratio(study, order[i], s).mean);
            if (rc == 0)
                rc = end_row(setting, has_formats, text);
        }
    free(order);
    return rc;
}
