#include "orchestrator/run/resume.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/linalg/product.h"
#include "db/claim.h"
#include "db/experiment_file.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/session/task_row.h"
#include "orchestrator/setup/linalg_setup.h"
#include "orchestrator/setup/provenance.h"

/* ---- a learner as it was ---- */

struct recalling {
    struct policy *policy;
    struct diag *diag;
};

static int recall(void *user, const struct db_experience *experience)
{
    struct recalling *own = user;
    if (own->policy->kind->recall == NULL)
        return diag_fail(own->diag, ERR_MISMATCH, "%s takes no experience", own->policy->kind->name);
    return own->policy->kind->recall(own->policy, experience->bytes, experience->size, own->diag);
}

static int restore_learner(struct resume *resume, struct store *store, struct diag *diag)
{
    struct recalling own = {&resume->policy, diag};
    struct db_checkpoint checkpoint;
    struct buf learner = {0};
    int64_t run_id = resume->recorded.run.run_id;
    assert(resume->policy.training); /* only a policy that learns has a learner */
    int rc = store_each_experience(store, run_id, recall, &own, diag);
    if (rc == 0)
        rc = store_read_learner(store, run_id, &checkpoint, &learner, diag);
    if (rc == 0)
        rc = resume->policy.kind->resume(&resume->policy, learner.data, learner.size, diag);
    buf_finish(&learner);
    if (rc != 0)
        diag_prefix(diag, "run %lld cannot be resumed", (long long) run_id);
    return rc;
}

/* A run that began with another one's weights (trained_run_begin), and has no checkpoint of its own yet. */
static int restore_beginning(struct resume *resume, struct store *store, struct diag *diag)
{
    const struct db_run *run = &resume->recorded.run;
    struct db_checkpoint checkpoint;
    struct buf weights = {0};
    int rc = store_read_checkpoint(store, run->parent_run_id, run->checkpoint_episode, &checkpoint, &weights,
                                   diag);
    if (rc == 0)
        rc = resume->policy.kind->load(&resume->policy, weights.data, weights.size, diag);
    buf_finish(&weights);
    return rc;
}

/* ---- the run ---- */

static int check_kind(const struct resume *resume, struct diag *diag)
{
    static const char *const why[] = {
        [DB_RUN_VALIDATE] = "a validation run: `evaluate` makes it again",
        [DB_RUN_TEST] = "a test run: `evaluate` makes it again",
        [DB_RUN_COUNTERFACTUAL] = "a counterfactual run: `replay --policy` makes it again",
        [DB_RUN_TWIN] = "a twin run: `twin` makes it again",
    };
    const struct db_run *run = &resume->recorded.run;
    if (run->kind == DB_RUN_TRAIN)
        return 0;
    assert((size_t) run->kind < sizeof why / sizeof *why); /* reading a run admits no other kinds */
    assert(why[run->kind] != NULL);
    return diag_fail(diag, ERR_STATE, "run %lld is %s; only training runs can be resumed",
                     (long long) run->run_id, why[run->kind]);
}

/* What it was made with: bits are promised for one version and one arithmetic, on every processor. With OpenBLAS they
 * depend on its kernel. */
static void compare_origin(const struct db_run *run)
{
    bool is_openblas = run->linalg != NULL && strcmp(run->linalg, "openblas") == 0;
    if (strcmp(run->version, provenance_version()) != 0)
        log_warn(
            "run",
            "run %lld was begun by version %s, this is %s: what follows may differ from what would have been",
            (long long) run->run_id, run->version, provenance_version());
    if (run->arithmetic != LINALG_ARITHMETIC)
        log_warn("run",
                 "run %lld was begun with arithmetic %lld, this is %d: what follows may differ from what "
                 "would have "
                 "been",
                 (long long) run->run_id, (long long) run->arithmetic, LINALG_ARITHMETIC);
    else if (is_openblas && run->vector_path != NULL &&
             strcmp(run->vector_path, provenance_vector_path()) != 0)
        log_warn("run",
                 "run %lld was begun with OpenBLAS's kernel %s, this is %s: what follows may differ from "
                 "what would "
                 "have been",
                 (long long) run->run_id, run->vector_path, provenance_vector_path());
}

static void tell(const struct resume *resume)
{
    long long run_id = (long long) resume->recorded.run.run_id;
    assert(!resume->finished);
    if (resume->after_episode >= 0)
        log_warn("run", "run %lld goes on after episode %lld of %u; what is later than that is dropped",
                 run_id, (long long) resume->after_episode, resume->episodes);
    else
        log_warn("run", "run %lld has no %s yet: it begins anew with episode 0, and its rows are dropped",
                 run_id, policy_learns(resume->policy.kind) ? "checkpoint" : "whole episode");
}

/* The configuration, with this resumption as the last of a list; those that it undoes are left out. */
static char *new_config(const struct resume *resume)
{
    json_t *config = json_loads(resume->recorded.run.config_json, 0, NULL);
    json_t *before = json_object_get(config, "resumed"), *after = json_array(), *entry;
    size_t index;
    bool whole = true;
    json_array_foreach(before, index, entry)
    {
        if (json_integer_value(json_object_get(entry, "after_episode")) < resume->after_episode)
            whole = json_array_append(after, entry) == 0 && whole;
    }
    entry = json_pack("{s:I, s:s, s:s}", "after_episode", (json_int_t) resume->after_episode, "program",
                      provenance_version(), "host", host_kind_name(resume->host));
    whole = json_array_append_new(after, entry) == 0 && json_object_set(config, "resumed", after) == 0 &&
            json_object_set_new(config, "episodes", json_integer((json_int_t) resume->episodes)) == 0 &&
            whole;
    struct buf text = {0};
    struct buf_sink sink = {.buf = &text};
    whole = whole && json_dump_callback(config, buf_sink_take, &sink, JSON_COMPACT) == 0 &&
            buf_sink_end(&sink) == 0;
    if (!whole)
        buf_finish(&text);
    json_decref(after);
    json_decref(config);
    return (char *) text.data;
}

/* As many episodes as were planned, or more. */
static int plan_episodes(struct resume *resume, uint32_t wanted, struct diag *diag)
{
    const struct recorded_run *recorded = &resume->recorded;
    resume->episodes = wanted > 0 ? wanted : recorded->episodes;
    resume->finished = recorded->run.status == DB_FINISHED && resume->episodes == recorded->episodes;
    if (resume->episodes >= recorded->episodes)
        return 0;
    return diag_fail(diag, ERR_RANGE, "--episodes %u: run %lld has %u already; only more are possible",
                     wanted, (long long) recorded->run.run_id, recorded->episodes);
}

/* The run is not finished: everything that is needed to go on. */
static int prepare(struct resume *resume, const struct resume_options *options, struct store *store,
                   struct diag *diag)
{
    const struct db_run *run = &resume->recorded.run;
    const struct policy_options as_then = {.world = &resume->recorded.world,
                                           .settings = settings_values(&resume->recorded.settings),
                                           .training = true};
    const struct policy_kind *kind = NULL;
    struct db_progress progress;
    bool was_in_memory = strcmp(run->host, "memory") == 0;
    resume->host = options->host_given ? options->host : was_in_memory ? HOST_MEMORY : HOST_TCP;
    int rc = catalog_find(run->policy, &kind, diag);
    if (rc == 0)
        rc = linalg_setup(&resume->recorded.world.scenario, diag);
    if (rc == 0)
        rc = policy_create(&resume->policy, kind, &as_then, diag);
    if (rc == 0)
        compare_origin(run);
    if (rc == 0)
        rc = store_read_progress(store, run->run_id, resume->recorded.slots, &progress, diag);
    if (rc != 0)
        return rc;
    resume->after_episode = policy_learns(kind) ? progress.last_learner : progress.last_episode;
    if (policy_learns(kind) && resume->after_episode >= 0)
        rc = restore_learner(resume, store, diag);
    else if (policy_learns(kind) && run->checkpoint_episode >= 0)
        rc = restore_beginning(resume, store, diag);
    if (rc == 0)
        rc = store_read_elapsed(store, run->run_id, resume->after_episode, &resume->record.elapsed_s, diag);
    if (rc != 0)
        return rc;
    resume->config_json = new_config(resume);
    if (resume->config_json == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    resume->record.rewind = (struct db_rewind){.run_id = run->run_id,
                                               .after_episode = resume->after_episode,
                                               .config_json = resume->config_json,
                                               .was_finished = run->status == DB_FINISHED};
    resume->record.trusted = run->trusted;
    resume->record.untrusted_reason = run->untrusted_reason;
    return 0;
}

/* Before nodes are waited for; the recorder looks again. The database is closed: see claim.h. */
static int check_claim(const struct resume *resume, const struct resume_options *options, struct diag *diag)
{
    struct claim claim = claim_none;
    int rc = claim_take(&claim, options->path, resume->recorded.run.run_id, diag);
    claim_release(&claim);
    return rc;
}

int resume_read(struct resume *ret_resume, const struct resume_options *options, struct diag *diag)
{
    struct experiment_file file = {0};
    *ret_resume = (struct resume){.after_episode = -1};
    int rc = experiment_file_open(&file, options->path, DB_READWRITE, diag);
    if (rc == 0)
        rc = db_begin_read(&file.db,
                           diag); /* a living process may be recording it: one moment of it is read */
    if (rc == 0)
        rc = recorded_run_read(&ret_resume->recorded, file.store, options->run_id, diag);
    if (rc == 0)
        rc = check_kind(ret_resume, diag);
    if (rc == 0)
        rc = plan_episodes(ret_resume, options->episodes, diag);
    if (rc == 0 && !ret_resume->finished)
        rc = prepare(ret_resume, options, file.store, diag);
    int close_rc = experiment_file_close(&file, diag);
    rc = rc != 0 ? rc : close_rc;
    if (rc == 0 && !ret_resume->finished)
        rc = check_claim(ret_resume, options, diag);
    if (rc == 0 && !ret_resume->finished)
        tell(ret_resume);
    return rc;
}

/* ---- what was measured ---- */

struct measured {
    const struct resume *resume;
    struct meter *meter;
};

static int take_measure(void *user, const struct db_task *task)
{
    const struct measured *own = user;
    bool is_kept = (int64_t) task->episode <= own->resume->after_episode;
    if (!is_kept || isnan(task->nll)) /* lost, or nothing crossed, or a surrogate told it */
        return 0;
    const struct session_crossing crossing =
        task_row_crossing(task, &own->resume->recorded.world, own->resume->recorded.phase);
    return meter_remember(own->meter, &crossing, task->quality);
}

int resume_measured(const struct resume *resume, const char *path, struct meter *meter, struct diag *diag)
{
    struct experiment_file file = {0};
    struct measured own = {resume, meter};
    int rc = experiment_file_open(&file, path, DB_READ, diag);
    if (rc == 0)
        rc = store_each_task(file.store, resume->recorded.run.run_id, take_measure, &own, diag);
    int close_rc = experiment_file_close(&file, diag);
    return rc != 0 ? rc : close_rc;
}

void resume_finish(struct resume *resume)
{
    policy_destroy(&resume->policy);
    recorded_run_finish(&resume->recorded);
    free(resume->config_json);
}
