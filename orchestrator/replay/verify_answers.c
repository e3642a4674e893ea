#include "orchestrator/replay/verify_answers.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/base/err.h"
#include "orchestrator/replay/answer_rows.h"

_Static_assert(DB_ANSWER_MAX == COMPUTE_ANSWER_MAX, "a row holds every answer");

int verify_answers_compute(void *compute, const struct compute_task *task, struct compute_answer *ret_answer,
                           struct diag *diag)
{
    return compute_answer(compute, task, ret_answer, diag);
}

__attribute__((format(printf, 4, 5))) static void differs(struct answer_verification *verification,
                                                          const uint32_t at[static 3], bool is_compared,
                                                          const char *format, ...)
{
    verification->compared += is_compared ? 0 : 1; /* what is missing counts, too */
    if (verification->different++ > 0)
        return;
    va_list arguments;
    char what[128];
    va_start(arguments, format);
    (void) vsnprintf(what, sizeof what, format, arguments); /* all are short */
    va_end(arguments);
    (void) snprintf(verification->first_difference, sizeof verification->first_difference,
                    "episode %u, slot %u, device %u: %s", at[0], at[1], at[2], what);
}

/* What was recorded of a prompt's likelihood; without one nothing was. */
static bool is_score(const struct world *world, const struct db_task *was, const struct likelihood *is)
{
    if (world->scenario.compute.nll == SWITCH_OFF || world->scenario.quality.source == QUALITY_MODEL)
        return true; /* not the nodes' */
    if (is->tokens == 0)
        return isnan(was->nll);
    return was->nll == is->nats && was->nll_tokens == (double) is->tokens &&
           was->nll_bytes == (double) is->bytes;
}

static void compare(struct answer_verification *verification, const struct answer_rows *rows,
                    const struct compute_answer *is)
{
    const struct db_answer *was = &rows->answer;
    const uint32_t at[] = {was->episode, was->slot, was->device};
    verification->compared++;
    if (!is_score(verification->world, &rows->task, &is->score)) {
        differs(verification, at, true,
                "nll was recorded as %.17g and is %.17g, of %llu tokens and %llu bytes", rows->task.nll,
                is->score.tokens > 0 ? is->score.nats : (double) NAN, (unsigned long long) is->score.tokens,
                (unsigned long long) is->score.bytes);
        return;
    }
    verification->counted += was->is_kept ? 0 : 1;
    if (was->tokens != is->count) {
        differs(verification, at, true, "the answer was recorded with %u tokens and has %u", was->tokens,
                is->count);
        return;
    }
    for (uint32_t i = 0; i < is->count && was->is_kept; i++)
        if (was->token[i] != is->token[i]) {
            differs(verification, at, true, "token %u of the answer was recorded as %u and is %u", i,
                    was->token[i], is->token[i]);
            return;
        }
    verification->identical++;
}

/* What a task's row asks of the model; a file that was changed may ask for anything. */
static int make_task(const struct answer_verification *verification, const struct answer_rows *rows,
                     struct compute_task *ret_task, struct diag *diag)
{
    const struct world *world = verification->world;
    const struct db_task *row = &rows->task;
    const struct db_answer *answer = &rows->answer;
    *ret_task = (struct compute_task){
        .device = row->device,
        .id = {verification->phase, row->episode, row->slot},
        .tokens = row->tokens,
        .split = row->server == DB_SERVER_NULL ? world->llm->layers : row->split,
        .prompt = answer->prompt,
        .channel = isnan(row->channel) ? 0.0 : row->channel,
        .server = row->served_by == DB_SERVER_NULL ? 0 : (uint32_t) row->served_by,
        .rate_bps = isnan(row->rate_bps) ? 0.0 : row->rate_bps,
        .coding = row->coding,
        .stays = row->served_by == DB_SERVER_NULL,
    };
    if (answer->prompt != NULL && answer->prompt_tokens != row->tokens)
        return diag_fail(diag, ERR_CORRUPT,
                         "episode %u, slot %u, device %u: a task of %u tokens has a prompt of %u",
                         row->episode, row->slot, row->device, row->tokens, answer->prompt_tokens);
    if (row->coding < world->codings.count && row->device < world->devices && row->tokens > 0 &&
        ret_task->split <= world->llm->layers)
        return 0;
    return diag_fail(diag, ERR_CORRUPT,
                     "episode %u, slot %u, device %u: a task of %u tokens with split %u cannot be computed",
                     row->episode, row->slot, row->device, row->tokens, row->split);
}

static int compare_again(struct answer_verification *verification, const struct answer_rows *rows,
                         struct diag *diag)
{
    struct compute_task task;
    struct compute_answer answer;
    int rc = make_task(verification, rows, &task, diag);
    if (rc == 0)
        rc = verification->source.answer(verification->source.user, &task, &answer, diag);
    if (rc == 0)
        compare(verification, rows, &answer);
    return rc;
}

/* A guest's prompt is known where it was kept. */
static bool is_guests(const struct answer_verification *verification, const struct db_task *task)
{
    return world_is_guest(verification->world, task->device);
}

static int take(struct answer_verification *verification, const struct answer_rows *rows, struct diag *diag)
{
    const struct db_task *task = &rows->task;
    const struct db_answer *answer = &rows->answer;
    const uint32_t at[] = {rows->has_task ? task->episode : answer->episode,
                           rows->has_task ? task->slot : answer->slot,
                           rows->has_task ? task->device : answer->device};
    bool is_finished = rows->has_task && !isnan(task->latency_s);
    if (rows->has_answer && !is_finished)
        differs(verification, at, false, "an answer was recorded, and no task that was finished");
    else if (is_finished && !rows->has_answer)
        differs(verification, at, false, "the task was finished, and no answer was recorded");
    else if (is_finished && answer->prompt == NULL && is_guests(verification, task))
        verification->unknown++;
    else if (is_finished)
        return compare_again(verification, rows, diag);
    return 0;
}

int verify_answers(struct answer_verification *verification, struct diag *diag)
{
    struct answer_rows rows;
    uint64_t done = 0;
    int rc = answer_rows_open(&rows, verification->store, verification->run_id, diag);
    rc = rc != 0 ? rc : answer_rows_next(&rows, diag);
    while (rc == 1 && (verification->stop == NULL || *verification->stop == 0)) {
        rc = take(verification, &rows, diag);
        if (verification->progress != NULL)
            progress_update(verification->progress, ++done, NULL);
        if (rc == 0)
            rc = answer_rows_next(&rows, diag);
    }
    answer_rows_finish(&rows);
    return rc < 0 ? rc : 0;
}
