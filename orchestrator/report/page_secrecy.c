/* The column of what an observer reads of prompts, where tasks of a model that is known were recorded. */
#include "orchestrator/report/page_internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/compute/compute_damage.h"
#include "db/results.h"
#include "orchestrator/policy/catalog/full_scenario.h"

#define ATTACK "search"     /* the one that knows the weights */
#define CROSSING_COLUMNS 4u /* crossings.sql */

/* ---- the scenario of a value ---- */

/* What each coding makes of activations. */
static int name_formats(struct page_secrecy *page, struct diag *diag)
{
    const struct scenario *scenario = &page->scenario;
    struct scenario own = *scenario;
    int rc = coding_read_all(&page->codings, scenario, (uint32_t) scenario->model.hidden, diag);
    for (uint32_t c = 0; rc == 0 && c < page->codings.count; c++) {
        own.compute.format = coding_at(&page->codings, scenario, c).format;
        const struct activation_shape shape = compute_shape_of(&own, 1, 1);
        activation_name(shape.format, shape.k, page->format[c]);
    }
    return rc;
}

static int take_scenario(const char *text, struct page_secrecy *page)
{
    const struct scenario_text recorded = {text, strlen(text), "recorded scenario"};
    struct full_scenario full;
    struct damage damage;
    full_scenario_defaults(&full);
    int rc = full_scenario_read(&full, &recorded, NULL);
    if (rc != 0)
        return rc;
    page->scenario = full.scenario;
    compute_damage_of(&page->scenario, 0.0, NULL, &damage);
    damage_law(&damage, page->law);
    rc = name_formats(page, NULL);
    page->is_known = page->scenario.model.hash[0] != '\0' && rc == 0;
    return rc;
}

/* A scenario that does not read tells of no model. */
static int read_scenario(struct report *report, int64_t run_id, struct page_secrecy *page, struct diag *diag)
{
    struct buf arena = {0};
    struct db_run run;
    int rc = store_read_run(report->store, run_id, &run, &arena, diag);
    if (rc == 0 && take_scenario(run.scenario, page) == -ENOMEM)
        rc = -ENOMEM;
    buf_finish(&arena);
    return rc;
}

static int take_leak(void *user, const struct db_leak *leak)
{
    struct page_secrecy *page = user;
    struct secrecy_measure measure = {.of = {.split = leak->split, .level = leak->level},
                                      .share = (double) leak->found /
                                               ((double) leak->tokens * (double) leak->seeds),
                                      .tokens = leak->tokens};
    const size_t format = strlen(leak->format), law = strlen(leak->channel);
    if (strcmp(leak->model, page->scenario.model.hash) != 0 || strcmp(leak->attack, ATTACK) != 0 ||
        format >= sizeof measure.of.format || law >= sizeof measure.of.law)
        return 0;
    memcpy(measure.of.format, leak->format, format);
    memcpy(measure.of.law, leak->channel, law);
    return secrecy_add(&page->secrecy, &measure);
}

/* ---- a test's tasks ---- */

struct given_away {
    double tokens, read;
    double unmeasured; /* tokens */
};

struct reading {
    struct page_secrecy *page;
    struct given_away *given;
};

/* Split 0 sends the tokens themselves. */
static double share_of(const struct page_secrecy *page, const struct secrecy_crossing *crossing)
{
    return crossing->split == 0 ? 1.0 : secrecy_share(&page->secrecy, crossing);
}

static int take_crossing(void *user, const double *value, size_t columns)
{
    const struct reading *reading = user;
    struct page_secrecy *page = reading->page;
    struct secrecy_crossing crossing = {.level = 0.0};
    (void) columns;
    reading->given->tokens += value[3];
    if (isnan(value[0]))
        return 0; /* nothing crossed */
    if (!(value[1] >= 0.0 && value[1] < page->codings.count)) {
        reading->given->unmeasured += value[3];
        return 0;
    }
    crossing.split = (uint32_t) value[0];
    crossing.level = isnan(value[2]) ? 0.0 : value[2]; /* a reliable channel has no condition */
    memcpy(crossing.format, page->format[(uint32_t) value[1]], sizeof crossing.format);
    memcpy(crossing.law, page->law, sizeof crossing.law);
    const double share = share_of(page, &crossing);
    if (!isnan(share)) {
        reading->given->read += share * value[3];
        return 0;
    }
    reading->given->unmeasured += value[3];
    return secrecy_gap_add(&page->gap, &crossing);
}

/* A policy's tests with recorded tasks, seed by seed. */
struct group {
    struct given_away *of; /* [n] owned */
    size_t n;
};

static int read_group(struct report *report, struct page_secrecy *page, const struct evidence_policy *policy,
                      struct group *ret_group, struct diag *diag)
{
    struct group group = {.of = calloc(policy->tests, sizeof *group.of)};
    int rc = group.of != NULL ? 0 : -ENOMEM;
    for (size_t t = 0; t < policy->tests && rc == 0; t++) {
        struct reading reading = {page, &group.of[group.n]};
        rc = results_each_numbers(report->store, "crossings", policy->test[t].test_run_id, take_crossing,
                                  &reading, diag);
        group.n += reading.given->tokens > 0.0 ? 1 : 0;
    }
    *ret_group = group;
    return rc;
}

static double percent_read(void *user, const uint32_t *pick, size_t n)
{
    const struct group *group = user;
    double tokens = 0.0, read = 0.0;
    for (size_t i = 0; i < n; i++) {
        const struct given_away *own = &group->of[pick != NULL ? pick[i] : i];
        tokens += own->tokens;
        read += own->read;
    }
    return tokens > 0.0 ? 100.0 * read / tokens : (double) NAN;
}

static bool is_measured(const struct group *group)
{
    bool all = true;
    for (size_t i = 0; i < group->n; i++)
        all = all && !(group->of[i].unmeasured > 0.0);
    return all;
}

/* ---- the column ---- */

int page_secrecy_survey(struct report *report, const struct evidence_value *value,
                        struct page_secrecy *ret_secrecy, struct diag *diag)
{
    bool any = false;
    memset(ret_secrecy, 0, sizeof *ret_secrecy);
    int rc = read_scenario(report, value->policy[0].test[0].test_run_id, ret_secrecy, diag);
    if (rc == 0 && ret_secrecy->is_known)
        rc = results_each_leak(report->store, take_leak, ret_secrecy, diag);
    for (size_t p = 0; p < value->policies && rc == 0 && ret_secrecy->is_known; p++) {
        struct group group;
        rc = read_group(report, ret_secrecy, &value->policy[p], &group, diag);
        any = any || group.n > 0;
        free(group.of);
    }
    ret_secrecy->is_known = any;
    return rc;
}

void page_secrecy_finish(struct page_secrecy *secrecy)
{
    secrecy_finish(&secrecy->secrecy);
    buf_finish(&secrecy->gap.formats);
}

void page_secrecy_head(struct html *html, const struct page_secrecy *secrecy)
{
    if (secrecy->is_known)
        html_raw(html, "<th>tokens read (%%)</th>");
}

void page_secrecy_cell(struct html *html, struct report *report, struct page_secrecy *secrecy,
                       const struct evidence_policy *policy, struct diag *diag)
{
    struct group group = {0};
    if (!secrecy->is_known)
        return;
    int rc = read_group(report, secrecy, policy, &group, diag);
    html->code = html->code == 0 ? rc : html->code;
    if (rc == 0 && !is_measured(&group)) {
        html_raw(html, "<td>not measured</td>");
    } else if (rc == 0) {
        struct interval interval = bootstrap_statistic(&report->bootstrap, group.n, percent_read, &group);
        html_interval_cell(html, percent_read(&group, NULL, group.n), &interval);
    }
    free(group.of);
}

void page_secrecy_note(struct html *html, const struct page_secrecy *secrecy)
{
    struct buf command = {0};
    if (!secrecy->is_known)
        return;
    html_raw(
        html,
        "<p class=\"note\"><em>tokens read</em>: of the tokens of all recorded prompts, how many an "
        "observer recovers from what crossed who knows the model's weights (<em>leak</em>, attack search). "
        "A task that stays on its device gives nothing away, split 0 all.");
    if (secrecy->secrecy.measures > 0)
        html_raw(html, " Shares were measured on %llu tokens at least; linear between measured conditions.",
                 (unsigned long long) secrecy_tokens(&secrecy->secrecy));
    if (secrecy->gap.formats.size > 0) {
        html_raw(html, " What is not measured, this measures into the database FILE: <code>");
        if (html->code == 0)
            html->code = secrecy_print_command(&secrecy->gap, &secrecy->scenario, &command);
        if (html->code == 0)
            html_text(html, (const char *) command.data);
        html_raw(html, "</code>");
    }
    html_raw(html, "</p>\n");
    buf_finish(&command);
}
