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
