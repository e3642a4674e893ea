/* The columns of what damaged activations cost a model, where tasks that say so were recorded. */
#include "orchestrator/report/page_internal.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/elementary.h"
#include "core/stats/likelihood.h"
#include "db/results.h"

/* Sums over the recorded tasks of one test. */
struct sums {
    double tasks, log_ratio; /* of those whose quality is known */
    struct likelihood likelihood;
};

static int take_sums(void *user, const double *value, size_t columns)
{
    struct sums *sums = user;
    assert(columns == 5); /* qualities.sql */
    *sums = (struct sums){
        .tasks = value[0],
        .log_ratio = value[1],
        .likelihood = {.nats = value[2], .tokens = (uint64_t) value[3], .bytes = (uint64_t) value[4]},
    };
    return 0;
}

/* A policy's tests that recorded such tasks, seed by seed. */
struct group {
    struct sums *of; /* [n] owned */
    size_t n;
};

static int read_group(struct report *report, const struct evidence_policy *policy, struct group *ret_group,
                      struct diag *diag)
{
    struct group group = {.of = calloc(policy->tests, sizeof *group.of)};
    int rc = group.of != NULL ? 0 : -ENOMEM;
    for (size_t t = 0; t < policy->tests && rc == 0; t++) {
        struct sums *sums = &group.of[group.n];
        rc = results_each_numbers(report->store, "qualities", policy->test[t].test_run_id, take_sums, sums,
                                  diag);
        group.n += sums->tasks > 0.0 || sums->likelihood.tokens > 0 ? 1 : 0;
    }
    *ret_group = group;
    return rc;
}

static struct sums sum_of(const struct group *group, const uint32_t *pick, size_t n)
{
    struct sums all = {0};
    for (size_t i = 0; i < n; i++) {
        const struct sums *own = &group->of[pick != NULL ? pick[i] : i];
        all.tasks += own->tasks;
        all.log_ratio += own->log_ratio;
        likelihood_add(&all.likelihood, &own->likelihood);
    }
    return all;
}

static double ratio_of(void *user, const uint32_t *pick, size_t n)
{
    struct sums all = sum_of(user, pick, n);
    return all.tasks > 0.0 ? elementary_exp(all.log_ratio / all.tasks) : (double) NAN;
}

static double perplexity_of(void *user, const uint32_t *pick, size_t n)
{
    struct sums all = sum_of(user, pick, n);
    return all.likelihood.tokens > 0 ? likelihood_perplexity(&all.likelihood) : (double) NAN;
}

static double bits_of(void *user, const uint32_t *pick, size_t n)
{
    struct sums all = sum_of(user, pick, n);
    return all.likelihood.bytes > 0 ? likelihood_bits_per_byte(&all.likelihood) : (double) NAN;
}

static const struct {
    const char *head;
    double (*of)(void *user, const uint32_t *pick, size_t n);
} columns[PAGE_QUALITY_COLUMNS] = {
    {"perplexity &#247; clean", ratio_of},
    {"perplexity", perplexity_of},
    {"bits per byte", bits_of},
};

int page_quality_survey(struct report *report, const struct evidence_value *value,
                        struct page_quality *ret_quality, struct diag *diag)
{
    int rc = 0;
    *ret_quality = (struct page_quality){0};
    for (size_t p = 0; p < value->policies && rc == 0; p++) {
        struct group group;
        rc = read_group(report, &value->policy[p], &group, diag);
        for (size_t c = 0; c < PAGE_QUALITY_COLUMNS && rc == 0; c++)
            if (group.n > 0 && !isnan(columns[c].of(&group, NULL, group.n)))
                ret_quality->has[c] = true;
        free(group.of);
    }
    for (size_t c = 0; c < PAGE_QUALITY_COLUMNS; c++)
        ret_quality->columns += ret_quality->has[c] ? 1 : 0;
    return rc;
}

void page_quality_head(struct html *html, const struct page_quality *quality)
{
    for (size_t c = 0; c < PAGE_QUALITY_COLUMNS; c++)
        if (quality->has[c])
            html_raw(html, "<th>%s</th>", columns[c].head);
}

void page_quality_cells(struct html *html, struct report *report, const struct page_quality *quality,
                        const struct evidence_policy *policy, struct diag *diag)
{
    struct group group = {0};
    if (quality->columns == 0)
        return;
    int rc = read_group(report, policy, &group, diag);
    html->code = html->code == 0 ? rc : html->code;
    for (size_t c = 0; c < PAGE_QUALITY_COLUMNS && rc == 0; c++) {
        if (!quality->has[c])
            continue;
        struct interval interval = bootstrap_statistic(&report->bootstrap, group.n, columns[c].of, &group);
        html_interval_cell(html, columns[c].of(&group, NULL, group.n), &interval);
    }
    free(group.of);
}

void page_quality_note(struct html *html, const struct page_quality *quality)
{
    if (quality->columns == 0)
        return;
    html_raw(html, "<p class=\"note\">Of the tasks that were recorded and say so, all together:");
    if (quality->has[0])
        html_raw(html,
                 " <em>perplexity &#247; clean</em> is exp of the mean log(perplexity / that of a clean "
                 "channel), the "
                 "geometric mean over tasks%s",
                 quality->columns > 1 ? ";" : "");
    if (quality->has[1])
        html_raw(html, " <em>perplexity</em> is exp of all nats / all tokens%s", quality->has[2] ? ";" : "");
    if (quality->has[2])
        html_raw(html, " <em>bits per byte</em> is all nats / log 2 / all bytes of text");
    html_raw(html, ".</p>\n");
}
