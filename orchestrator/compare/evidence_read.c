#include "orchestrator/compare/evidence_read.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "db/results.h"
#include "orchestrator/policy/catalog/full_scenario.h"

struct reading {
    struct evidence *evidence;
    const struct evidence_filter *filter;
    struct buf passed_over; /* names that the filter left out, each once */
};

static bool admits(const struct evidence_filter *filter, const struct db_outcome *outcome)
{
    return (filter->sweep == NULL || strcmp(filter->sweep, outcome->sweep) == 0) &&
           (filter->experiment == NULL || strcmp(filter->experiment, outcome->experiment) == 0);
}

/* Is a name one of those with ", " between them? */
static bool is_noted(const char *noted, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = noted; *at != '\0' && (at = strstr(at, name)) != NULL; at++) {
        bool begins = at == noted || (at - noted >= 2 && strncmp(at - 2, ", ", 2) == 0);
        if (begins && (at[size] == '\0' || strncmp(at + size, ", ", 2) == 0))
            return true;
    }
    return false;
}

static int note_passed_over(struct reading *reading, const struct db_outcome *outcome)
{
    char name[160];
    int length = outcome->sweep[0] == '\0'
                     ? snprintf(name, sizeof name, "%s", outcome->experiment)
                     : snprintf(name, sizeof name, "%s: %s", outcome->sweep, outcome->experiment);
    const char *noted = reading->passed_over.size > 0 ? (const char *) reading->passed_over.data : "";
    if (length < 0 || (size_t) length >= sizeof name || is_noted(noted, name))
        return 0;
    return buf_printf(&reading->passed_over, "%s%s", noted[0] != '\0' ? ", " : "", name);
}

static int take(void *user, const struct db_outcome *outcome)
{
    struct reading *reading = user;
    return admits(reading->filter, outcome) ? evidence_add(reading->evidence, outcome)
                                            : note_passed_over(reading, outcome);
}

/* What a value's tests were about, out of the first one's scenario. One that does not read tells nothing. */
static int read_scenario(struct evidence_value *value, struct store *store, struct diag *diag)
{
    struct buf arena = {0};
    struct db_run run;
    struct full_scenario full;
    assert(value->policies > 0 && value->policy[0].tests > 0); /* a value is there because of a result */
    full_scenario_defaults(&full);
    int rc = store_read_run(store, value->policy[0].test[0].test_run_id, &run, &arena, diag);
    if (rc == 0) {
        const struct scenario_text text = {run.scenario, strlen(run.scenario), "recorded scenario"};
        int unread = full_scenario_read(&full, &text, NULL);
        if (unread == 0) {
            value->reward = full.scenario.objective.reward;
            value->channel = full.scenario.channel.mode;
        }
        rc = unread == -ENOMEM ? unread : 0;
    }
    buf_finish(&arena);
    return rc;
}

static int read_scenarios(struct evidence *evidence, struct store *store, struct diag *diag)
{
    int rc = 0;
    for (size_t e = 0; e < evidence->experiments; e++)
        for (size_t v = 0; v < evidence->experiment[e].values && rc == 0; v++)
            rc = read_scenario(&evidence->experiment[e].value[v], store, diag);
    return rc;
}

int evidence_read(struct evidence *ret_evidence, struct store *store, const struct evidence_filter *filter,
                  struct diag *diag)
{
    struct evidence evidence = {0};
    struct reading reading = {.evidence = &evidence, .filter = filter};
    int rc = results_each_outcome(store, take, &reading, diag);
    if (rc == 0 && filter->sweep == NULL)
        rc = results_each_evaluation(store, take, &reading, diag);
    if (rc == 0 && evidence.experiments == 0 && reading.passed_over.size > 0)
        rc = diag_fail(diag, ERR_NOT_FOUND, "no such results: there are those of %s",
                       (const char *) reading.passed_over.data);
    else if (rc == 0 && evidence.experiments == 0)
        rc = diag_fail(diag, ERR_NOT_FOUND,
                       "no results to compare: `sweep`, or `run` and then `evaluate`, make some");
    buf_finish(&reading.passed_over);
    if (rc == 0)
        rc = evidence_sort(&evidence);
    if (rc == 0)
        rc = read_scenarios(&evidence, store, diag);
    if (rc == 0)
        *ret_evidence = evidence;
    else
        evidence_finish(&evidence);
    assert(rc != 0 || ret_evidence->experiments > 0);
    return rc != 0 ? diag_fail(diag, rc, "results: %s", err_text(rc)) : 0;
}
