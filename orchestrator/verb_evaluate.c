/* evaluate: drives policies over held-out streams of a recorded run, records one linked run each, and
 * compares them. With
 * --draws and no run: the same over many draws of node parameters, nothing recorded. */
#include "orchestrator/verbs.h"

#include "core/base/err.h"
#include "core/rl/blas_check.h"
#include "orchestrator/lab.h"
#include "orchestrator/policy_list.h"
#include "orchestrator/survey.h"
#include "orchestrator/trained.h"
#include "proto/wire/process.h"

static int evaluate_policy(struct trained *trained, const struct policy_kind *kind)
{
    int64_t checkpoint = -1;
    struct session_result result;
    int rc = trained_checkpoint(trained, kind, &checkpoint);
    enum rng_phase phase = trained->cli->validate ? RNG_VALIDATE : RNG_TEST;
    return rc != 0 ? rc : trained_play(trained, kind, phase, checkpoint, &result);
}

static int evaluate_run(struct trained *trained, const struct cli *cli, struct diag *diag)
{
    struct policy_list list = {0};
    int rc = trained_open(trained, cli, diag);
    if (rc == 0)
        rc = policy_list_parse(&list, cli->policy, trained->run.policy, trained->world.scenario.run.mode,
                               diag);
    for (size_t i = 0; i < list.count && rc == 0; i++)
        rc = evaluate_policy(trained, list.kind[i]);
    if (rc == 0 && !cli->validate)
        rc = verb_print_query(cli, "policy_comparison", trained->run.run_id, diag);
    return rc;
}

int verb_evaluate(const struct cli *cli, struct diag *diag)
{
    int rc = blas_self_test(diag);
    lab_catch_signals();
    if (rc == 0 && cli->draws > 0)
        return survey(cli, diag);
    struct trained trained = {0};
    if (rc == 0 && (cli->scenario != NULL || cli->set_count > 0))
        rc = diag_fail(diag, ERR_STATE,
                       "a recorded run has its own scenario: --scenario and --set go with --draws");
    if (rc == 0)
        rc = evaluate_run(&trained, cli, diag);
    trained_finish(&trained);
    return lab_stop != 0 ? PROCESS_SIGNAL : verb_status(rc);
}
