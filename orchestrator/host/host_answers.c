#include "orchestrator/host/host_answers.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/units.h"
#include "core/compute/compute.h"

struct host_answers {
    const struct session *session; /* borrowed */
    struct compute *compute;
    struct compute_answer answer; /* the last */
};

int host_answers_open(struct host_answers **ret_answers, const struct session *session, struct diag *diag)
{
    *ret_answers = NULL;
    if (session->world->scenario.compute.kind != COMPUTE_MODEL)
        return 0;
    struct host_answers *answers = malloc(sizeof *answers);
    if (answers == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    *answers = (struct host_answers){.session = session};
    int rc = compute_open(&answers->compute, session->world, session->model, diag);
    if (rc != 0) {
        free(answers);
        return rc;
    }
    *ret_answers = answers;
    return 0;
}

void host_answers_close(struct host_answers *answers)
{
    if (answers == NULL)
        return;
    compute_close(answers->compute);
    free(answers);
}

static int compute(struct host_answers *answers, const struct compute_task *task, struct msg_report *report,
                   struct diag *diag)
{
    uint64_t start_ns = clock_monotonic_ns();
    int rc = compute_answer_device(answers->compute, task, &answers->answer, diag);
    uint64_t middle_ns = clock_monotonic_ns();
    if (rc == 0)
        rc = compute_answer_server(answers->compute, task, &answers->answer, diag);
    if (task->split > 0)
        report->device_compute_s = units_ns_to_s(middle_ns - start_ns);
    if (task->split < answers->session->world->llm->layers)
        report->server_compute_s = units_ns_to_s(clock_monotonic_ns() - middle_ns);
    return rc;
}

/* What crosses up, and what a server returns. */
static uint64_t bytes_of(const struct world *world, const struct compute_task *task,
                         const struct msg_report *report)
{
    bool returns =
        world->scenario.compute.head == COMPUTE_HEAD_DEVICE && report->served_by != PROTO_SERVER_NONE;
    return compute_bytes(world, task->split, task->tokens, task->coding) +
           (returns ? compute_row_bytes(world, task->coding) : 0);
}

int host_answers_fill(struct host_answers *answers, const struct db_task *row, struct msg_report *report,
                      struct diag *diag)
{
    const struct compute_task task = {
        .device = row->device,
        .id = {answers->session->phase, row->episode, row->slot},
        .tokens = row->tokens,
        .split = row->split,
        .channel = isnan(row->channel) ? 0.0 : row->channel,
        .server = report->served_by == PROTO_SERVER_NONE ? 0 : (uint32_t) report->served_by,
        .rate_bps = report->rate_bps,
        .coding = row->coding,
        .stays = report->served_by == PROTO_SERVER_NONE,
    };
    int rc = compute(answers, &task, report, diag);
    if (rc != 0) {
        if (diag != NULL)
            diag_prefix(diag, "device %u, episode %u, slot %u", row->device, row->episode, row->slot);
        return rc;
    }
    report->answer.data = answers->answer.token;
    report->answer.count = answers->answer.count;
    report->activation_bytes = bytes_of(answers->session->world, &task, report);
    report->first_token_s = report->latency_s;
    report->nll = answers->answer.score.nats;
    report->nll_tokens = answers->answer.score.tokens;
    report->nll_bytes = answers->answer.score.bytes;
    return 0;
}
