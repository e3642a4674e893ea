#include "orchestrator/run/evaluation.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "db/experiment_file.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/policy/catalog/full_scenario.h"

/* ---- trainings of the same streams ---- */

struct trained {
    const struct policy_kind *kind;
    int64_t run_id;
};

struct trainings {
    uint64_t streams;
    struct trained *trained; /* [count] owned, oldest first */
    size_t count;
};

/* A scenario that this program cannot read has streams of its own. */
static bool has_streams(const char *scenario, uint64_t streams)
{
    const struct scenario_text text = {scenario, strlen(scenario), "recorded scenario"};
    struct full_scenario full;
    uint64_t number = 0;
    full_scenario_defaults(&full);
    return full_scenario_read(&full, &text, NULL) == 0 && full_scenario_streams_number(&full, &number) == 0 &&
           number == streams;
}

static int take_run(void *user, const struct db_run *run)
{
    struct trainings *trainings = user;
    const struct policy_kind *kind = NULL;
    if (run->kind != DB_RUN_TRAIN || catalog_find(run->policy, &kind, NULL) != 0 || !policy_learns(kind) ||
        !has_streams(run->scenario, trainings->streams))
        return 0;
    int rc = 0;
    array_resize(&trainings->trained, trainings->count + 1, &rc);
    if (rc == 0)
        trainings->trained[trainings->count++] = (struct trained){kind, run->run_id};
    return rc;
}

static int list_trainings(struct trainings *ret_trainings, const struct trained_run *run, struct diag *diag)
{
    const struct full_scenario full = {run->world.scenario, run->settings};
    struct experiment_file file = {0};
    int rc = full_scenario_streams_number(&full, &ret_trainings->streams);
    if (rc != 0)
        return diag_fail(diag, rc, "%s", err_text(rc));
    rc = experiment_file_open(&file, run->options.path, DB_READ, diag);
    if (rc == 0)
        rc = store_each_run(file.store, take_run, ret_trainings, diag);
    (void) experiment_file_close(&file, NULL); /* only read */
    return rc;
}

/* ---- who has which weights ---- */

static bool made_weights_of(const struct trained_run *run, const struct policy_kind *kind)
{
    return strcmp(run->run.policy, policy_weights_of(kind)) == 0;
}

/* The training whose weights a policy takes: one that is open already, or the newest that has a checkpoint. Where there
 * is none, the run that is evaluated, which says so when it is asked. */
static int find_training(struct evaluation *evaluation, const struct trainings *trainings,
                         const struct policy_kind *kind, size_t *ret_training, struct diag *diag)
{
    int rc = 0;
    *ret_training = 0;
    if (!policy_is_trained(kind))
        return 0;
    for (size_t i = 0; i < evaluation->trainings; i++)
        if (made_weights_of(&evaluation->training[i], kind)) {
            *ret_training = i;
            return 0;
        }
    for (size_t i = trainings->count; i-- > 0 && rc == 0;) {
        struct trained_run_options options = evaluation->training[0].options;
        struct trained_run *run = &evaluation->training[evaluation->trainings];
        options.run_id = trainings->trained[i].run_id;
        if (strcmp(trainings->trained[i].kind->name, policy_weights_of(kind)) != 0)
            continue;
        assert(evaluation->trainings < POLICY_NAMES_MAX); /* one for each policy at most */
        rc = trained_run_open(run, &options, diag);
        if (rc == 0 && run->checkpoints > 0) {
            *ret_training = evaluation->trainings++;
            return 0;
        }
        trained_run_finish(run);
    }
    return rc;
}

/* ---- the list ---- */

static bool is_listed(const struct policy_names *list, const struct policy_kind *kind)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->kind[i] == kind)
            return true;
    return false;
}

/* The learners that have weights, the run's own first, and then those that need none. */
static int list_policies(struct policy_names *ret_list, const struct evaluation_options *options,
                         const struct trained_run *run, const struct trainings *trainings, struct diag *diag)
{
    struct policy_names rest;
    int rc = policy_names_parse(&rest, options->policies, run->run.policy,
                                policy_mode_of(&run->world.scenario), diag);
    if (rc != 0 || options->policies != NULL) {
        *ret_list = rc == 0 ? rest : (struct policy_names){.count = 0};
        return rc;
    }
    struct policy_names list = {.kind = {rest.kind[0]}, .count = 1};
    for (size_t i = 0; i < catalog_count() && options->run.run_id == 0; i++)
        for (size_t t = 0; t < trainings->count; t++)
            if (trainings->trained[t].kind == catalog_at(i) && !is_listed(&list, catalog_at(i)))
                list.kind[list.count++] = catalog_at(i);
    for (size_t i = 1; i < rest.count; i++)
        if (!is_listed(&list, rest.kind[i]))
            list.kind[list.count++] = rest.kind[i];
    *ret_list = list;
    return 0;
}

/* What says that a policy does not fit the run, rather than that something is broken. */
static bool is_unfit(int rc)
{
    return rc == ERR_UNSUPPORTED || rc == ERR_MISMATCH || rc == ERR_NOT_FOUND;
}

static int leave_out(struct evaluation *evaluation, const struct policy_kind *kind, const struct diag *why)
{
    size_t length = strlen(kind->name);
    bool named = strncmp(why->text, "policy ", 7) == 0 && strncmp(why->text + 7, kind->name, length) == 0;
    int rc = named ? buf_printf(&evaluation->left_out, "%s", why->text)
                   : buf_printf(&evaluation->left_out, "policy %s: %s", kind->name, why->text);
    if (rc == 0)
        rc = buf_push(&evaluation->left_out, "", 1);
    evaluation->left_out_count += rc == 0 ? 1 : 0;
    return rc;
}

static int add(struct evaluation *evaluation, const struct trainings *trainings,
               const struct policy_kind *kind, struct diag *diag)
{
    struct diag why = {0};
    size_t training = 0;
    int rc = find_training(evaluation, trainings, kind, &training, diag);
    if (rc != 0)
        return rc;
    rc = trained_run_check(&evaluation->training[training], kind, &why);
    if (is_unfit(rc))
        return leave_out(evaluation, kind, &why);
    if (rc != 0)
        return diag_fail(diag, rc, "%s", why.text);
    evaluation->entry[evaluation->entries++] = (struct evaluation_entry){.kind = kind, .training = training};
    return 0;
}

int evaluation_open(struct evaluation *ret_evaluation, const struct evaluation_options *options,
                    struct diag *diag)
{
    struct evaluation *own = ret_evaluation;
    struct trainings trainings = {0};
    struct policy_names list = {.count = 0};
    memset(own, 0, sizeof *own);
    int rc = trained_run_open(&own->training[own->trainings++], &options->run, diag);
    if (rc == 0)
        rc = list_trainings(&trainings, &own->training[0], diag);
    if (rc == 0)
        rc = list_policies(&list, options, &own->training[0], &trainings, diag);
    for (size_t i = 0; i < list.count && rc == 0; i++)
        rc = add(own, &trainings, list.kind[i], diag);
    if (rc == 0 && own->entries == 0)
        rc = diag_fail(diag, ERR_UNSUPPORTED, "%s", (const char *) own->left_out.data);
    free(trainings.trained);
    return rc;
}

void evaluation_finish(struct evaluation *evaluation)
{
    for (size_t i = 0; i < evaluation->trainings; i++)
        trained_run_finish(&evaluation->training[i]);
    buf_finish(&evaluation->left_out);
}

int evaluation_play(struct evaluation *evaluation, enum rng_phase phase)
{
    int rc = 0;
    for (size_t i = 0; i < evaluation->entries && rc == 0; i++) {
        struct evaluation_entry *entry = &evaluation->entry[i];
        struct trained_run *run = &evaluation->training[entry->training];
        struct session_result result;
        int64_t checkpoint = -1;
        rc = trained_run_checkpoint(run, entry->kind, &checkpoint);
        if (rc == 0)
            rc = trained_run_play(run, entry->kind, phase, checkpoint, &result);
        entry->never_learned = rc == 0 && checkpoint >= 0 && trained_run_never_learned(run, checkpoint);
    }
    return rc;
}
