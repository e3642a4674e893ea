#include "orchestrator/session/task_row.h"

#include <math.h>

#include "core/model/cost.h"

void task_row_decide(struct db_task *ret_row, const struct env_view *view,
                     const struct env_decision *decision, uint32_t n)
{
    bool present = view->present[n];
    *ret_row = (struct db_task){
        .episode = view->id.episode,
        .slot = view->id.slot,
        .device = n,
        .tokens = present ? view->tokens[n] : 0,
        .split = decision->split[n],
        .server = decision->server[n] == ENV_LOCAL ? DB_SERVER_NULL : (int32_t) decision->server[n],
        .repaired = decision->repaired[n],
        .bandwidth_share = decision->bandwidth_share[n],
        .compute_share = decision->compute_share[n],
        .x_m = present ? view->position[n].x : (double) NAN,
        .y_m = present ? view->position[n].y : (double) NAN,
        .end_slot = view->id.slot,
    };
    task_row_lose(ret_row, DB_TASK_DEVICE_LOST);
}

void task_row_report(struct db_task *row, const struct world *world, const struct msg_report *report)
{
    row->wait_s = 0.0; /* in a decision round nothing waits on the device */
    row->local_s = report->local_s;
    row->transmit_s = report->transmit_s;
    row->queue_s = report->queue_s;
    row->edge_s = report->edge_s;
    row->latency_s = report->latency_s;
    row->compute_j = report->compute_j;
    row->transmit_j = report->transmit_j;
    row->server_j = report->server_j;
    row->energy_j = report->energy_j;
    row->rate_bps = report->rate_bps;
    row->payload_bytes = report->payload_bits / 8.0;
    row->cost = cost_task(world, &world->device[row->device], row->tokens, report->latency_s,
                          report->energy_j, row->repaired);
    row->deadline_missed = cost_deadline_missed(&world->scenario, report->latency_s);
    row->interrupted_s = report->interrupted_s;
    row->extra_bytes = report->extra_bits / 8.0;
    row->extra_j = report->extra_j;
    row->status = DB_TASK_DONE;
}

void task_row_lose(struct db_task *row, enum db_task_status status)
{
    double unknown = (double) NAN;
    row->wait_s = row->local_s = row->transmit_s = row->queue_s = row->edge_s = row->latency_s = unknown;
    row->compute_j = row->transmit_j = row->server_j = row->energy_j = row->cost = unknown;
    row->rate_bps = row->payload_bytes = unknown;
    row->interrupted_s = row->extra_bytes = row->extra_j = unknown;
    row->deadline_missed = false;
    row->status = status;
}
