#include "edge-server/server_messages.h"

#include "core/base/err.h"

void server_tell_result(struct proto_message *ret, const struct layer_work *work,
                        const struct server_account *account)
{
    ret->id = PROTO_RESULT;
    ret->result = (struct msg_result){
        .device = work->device,
        .round = work->round,
        .queue_s = account->queue_s,
        .edge_s = account->edge_s,
        .finish_s = account->finish_s,
        .server = account->server,
        .busy_s = account->busy_s,
    };
}

int server_check_task(const struct world *world, const struct msg_task *task, struct diag *diag)
{
    if (task->device < world->devices && task->split < world->llm->layers)
        return 0;
    return diag_fail(diag, ERR_RANGE, "TASK: device %u with split %llu does not exist here",
                     (unsigned) task->device, (unsigned long long) task->split);
}

int server_check_cut(const struct world *world, const struct msg_task *task, struct diag *diag)
{
    uint32_t tokens = (uint32_t) task->tokens, split = (uint32_t) task->split;
    if (task->chunks == 0 && task->chunk == 0)
        return 0;
    uint32_t chunks = chunks_of(world, tokens, split);
    if (task->chunks != chunks || task->chunk >= chunks ||
        task->rows != chunks_rows(tokens, chunks, (uint32_t) task->chunk).count)
        return diag_fail(diag, ERR_RANGE,
                         "TASK of device %u: chunk %llu of %llu with %llu rows, but %u "
                         "tokens are cut into %u chunks",
                         (unsigned) task->device, (unsigned long long) task->chunk,
                         (unsigned long long) task->chunks, (unsigned long long) task->rows, tokens, chunks);
    return 0;
}
