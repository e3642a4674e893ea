/* Queueing mode: slots tick, and tasks live as long as they take. Who is where, what each has cost so far,
 * which rows are complete. */
#include "orchestrator/core_queue.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/units.h"
#include "core/model/cost.h"
#include "core/model/faults.h"
#include "core/model/radio.h"
#include "orchestrator/task_row.h"

/* A task from its decision to the end of its slot's block. Its row is beside it. */
struct open_task {
    uint32_t at_server; /* ENV_LOCAL: all of it runs on its device */
    uint32_t attempt;
    bool ended;       /* reported, lost or expired */
    bool settled;     /* and counted */
    bool there;       /* it has arrived at its server */
    bool sent;        /* nothing of it is left to be sent, though an old server may still pass it on */
    bool passing;     /* it arrives there in this slot */
    bool orphan;      /* its server is lost: the next slot says how it goes on */
    bool awaited;     /* its server has finished it: its REPORT is owed */
    double arrival_s; /* while passing */
    double joules;    /* told by its device so far */
    double server_j;  /* likewise by its server */
    double cost;      /* counted so far */
};

/* The tasks that were decided in one slot, in order of device. */
struct block {
    uint64_t round;
    uint32_t slot, count, open; /* open: not yet settled */
    struct open_task *task;     /* [count], owned */
    struct db_task *row;        /* [count], owned */
};

struct orch_queue {
    bool serving;        /* of EXECUTING: devices have passed, servers have not advanced */
    bool asked;          /* by the wall: servers have been asked in this slot */
    struct block *block; /* [count] in order of slots; owned */
    size_t count, capacity;
    struct block *retired; /* rows that are being recorded; freed when a later step settles a slot */
    size_t retired_count, retired_capacity;
    bool retires;      /* in this step, whose actions point to them */
    uint32_t *awaited; /* [N] REPORTs owed after a RESULT */
    double *share;     /* [N][M] */
    /* Lists of the ALLOT messages, server after server; [list_capacity]. */
    uint32_t *list_device, *list_task, *list_tokens, *list_split;
    double *list_arrival;
    size_t list_capacity;
    size_t action_capacity;
};

/* ---- the book ---- */

static double slot_s(const struct orch_core *core)
{
    return core->session.world->scenario.run.slot_s;
}

/* The slot in which something happens now: the closing observation is none of its own. */
static uint32_t present_slot(const struct orch_core *core)
{
    return core->closing ? core->id.slot - 1 : core->id.slot;
}

static double start_s(const struct orch_core *core, const struct block *block)
{
    return block->slot * slot_s(core);
}

static double task_work_s(const struct orch_core *core, const struct db_task *row, uint32_t server)
{
    const struct world *world = core->session.world;
    return cost_edge_s(world, world->server[server].flops, 1.0, row->tokens, row->split);
}

static void block_finish(struct block *block)
{
    free(block->task);
    free(block->row);
}

int orch_queue_create(struct orch_core *core)
{
    const struct world *world = core->session.world;
    struct orch_queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL)
        return -ENOMEM;
    core->queue = queue;
    queue->awaited = calloc(world->devices, sizeof *queue->awaited);
    queue->share = calloc((size_t) world->devices * world->servers, sizeof *queue->share);
    return queue->awaited == NULL || queue->share == NULL ? -ENOMEM : 0;
}

void orch_queue_destroy(struct orch_core *core)
{
    struct orch_queue *queue = core->queue;
    if (queue == NULL)
        return;
    for (size_t b = 0; b < queue->count; b++)
        block_finish(&queue->block[b]);
    for (size_t b = 0; b < queue->retired_count; b++)
        block_finish(&queue->retired[b]);
    free(queue->block);
    free(queue->retired);
    free(queue->awaited);
    free(queue->share);
    free(queue->list_device);
    free(queue->list_task);
    free(queue->list_tokens);
    free(queue->list_split);
    free(queue->list_arrival);
    free(queue);
    core->queue = NULL;
}

static size_t open_tasks(const struct orch_queue *queue)
{
    size_t open = 0;
    for (size_t b = 0; b < queue->count; b++)
        open += queue->block[b].count;
    return open;
}

static int grow(void *list, size_t count, size_t size)
{
    void **place = list;
    void *grown = realloc(*place, count * size);
    if (grown == NULL)
        return -ENOMEM;
    *place = grown;
    return 0;
}

static int reserve_lists(struct orch_queue *queue, size_t count)
{
    if (count <= queue->list_capacity)
        return 0;
    int rc = grow(&queue->list_device, count, sizeof *queue->list_device);
    rc = rc != 0 ? rc : grow(&queue->list_task, count, sizeof *queue->list_task);
    rc = rc != 0 ? rc : grow(&queue->list_tokens, count, sizeof *queue->list_tokens);
    rc = rc != 0 ? rc : grow(&queue->list_split, count, sizeof *queue->list_split);
    rc = rc != 0 ? rc : grow(&queue->list_arrival, count, sizeof *queue->list_arrival);
    queue->list_capacity = rc == 0 ? count : queue->list_capacity;
    return rc;
}

/* Before each step: room for whatever it may want to say and keep. */
int orch_queue_reserve(struct orch_core *core)
{
    struct orch_queue *queue = core->queue;
    const struct world *world = core->session.world;
    queue->retires = false;
    size_t nodes = (size_t) world->devices + world->servers;
    size_t tasks = open_tasks(queue) + world->devices;
    size_t wanted = ORCH_ACTIONS_PER_NODE * nodes + ORCH_ACTIONS_EXTRA + 2 * tasks + queue->count;
    int rc = reserve_lists(queue, 2 * tasks);
    if (rc == 0 && wanted > queue->action_capacity) {
        rc = grow(&core->action, 2 * wanted, sizeof *core->action);
        queue->action_capacity = rc == 0 ? 2 * wanted : queue->action_capacity;
    }
    if (rc == 0 && queue->count + 1 > queue->capacity) {
        rc = grow(&queue->block, 2 * (queue->count + 1), sizeof *queue->block);
        queue->capacity = rc == 0 ? 2 * (queue->count + 1) : queue->capacity;
    }
    if (rc == 0 && queue->count + 1 > queue->retired_capacity) {
        rc = grow(&queue->retired, 2 * (queue->count + 1), sizeof *queue->retired);
        queue->retired_capacity = rc == 0 ? 2 * (queue->count + 1) : queue->retired_capacity;
    }
    return rc;
}

/* The task that a device was given in a round; NULL: none that is still in the book. */
static struct open_task *find(struct orch_queue *queue, uint64_t round, uint32_t device,
                              struct block **ret_block)
{
    for (size_t b = queue->count; b > 0; b--) {
        struct block *block = &queue->block[b - 1];
        if (block->round != round)
            continue;
        *ret_block = block;
        uint32_t low = 0, high = block->count;
        while (low < high) {
            uint32_t middle = (low + high) / 2;
            if (block->row[middle].device < device)
                low = middle + 1;
            else
                high = middle;
        }
        return low < block->count && block->row[low].device == device ? &block->task[low] : NULL;
    }
    return NULL;
}

static struct db_task *row_of(const struct block *block, const struct open_task *task)
{
    return &block->row[task - block->task];
}

/* Calls `work` for every task in the book, in order of slots and devices. */
static void each_task(struct orch_core *core, struct orch_actions *actions,
                      void (*work)(struct orch_core *core, struct block *block, struct open_task *task,
                                   struct orch_actions *actions))
{
    struct orch_queue *queue = core->queue;
    for (size_t b = 0; b < queue->count; b++)
        for (uint32_t i = 0; i < queue->block[b].count; i++)
            work(core, &queue->block[b], &queue->block[b].task[i], actions);
}

bool orch_queue_waits_for(const struct orch_core *core, uint32_t device)
{
    return core->queue != NULL && core->queue->awaited[device] > 0;
}

static void unawait(struct orch_core *core, struct open_task *task, uint32_t device)
{
    if (!task->awaited)
        return;
    task->awaited = false;
    core->queue->awaited[device]--;
    core->owed--;
}

/* ---- what a slot has cost ---- */

static void end_task(struct orch_core *core, struct db_task *row, struct open_task *task, const char *status)
{
    unawait(core, task, row->device);
    task_row_lose(row, status);
    row->end_slot = present_slot(core);
    task->ended = true;
    task->orphan = task->passing = false;
}

/* Of a task that has not ended. */
static double accrued_cost(const struct orch_core *core, const struct block *block,
                           const struct open_task *task, double now_s)
{
    const struct world *world = core->session.world;
    const struct db_task *row = row_of(block, task);
    double joules = task->joules + world->scenario.objective.server_energy * task->server_j;
    return cost_accrued(world, &world->device[row->device], row->tokens, now_s - start_s(core, block),
                        joules);
}

/* Unfinished at the episode's end: what it has cost so far, and its lateness. */
static void expire(struct orch_core *core, struct block *block, struct open_task *task, double now_s)
{
    const struct world *world = core->session.world;
    struct db_task *row = row_of(block, task);
    double seconds = now_s - start_s(core, block);
    double cost = accrued_cost(core, block, task, now_s) + cost_lateness(&world->scenario, seconds);
    end_task(core, row, task, DB_EXPIRED);
    row->cost = cost;
    row->deadline_missed = cost_deadline_missed(&world->scenario, seconds);
}

static double settle_task(struct orch_core *core, struct block *block, struct open_task *task, double now_s)
{
    struct db_task *row = row_of(block, task);
    if (task->settled)
        return 0.0;
    if (!task->ended && core->closing)
        expire(core, block, task, now_s);
    double cost = row->cost; /* lost: NAN */
    if (!task->ended)
        cost = accrued_cost(core, block, task, now_s);
    double accrued = isnan(cost) ? 0.0 : cost - task->cost;
    task->cost += accrued;
    if (!task->ended)
        return accrued;
    task->settled = true;
    block->open--;
    bool done = !isnan(row->latency_s);
    core->cost_sum += done ? row->cost : 0.0;
    core->done += done ? 1 : 0;
    core->result.tasks++;
    core->result.lost_tasks += done || strcmp(row->status, DB_EXPIRED) == 0 ? 0 : 1;
    core->result.recovered += strcmp(row->status, DB_RECOVERED) == 0 ? 1 : 0;
    core->result.reoffloaded += strcmp(row->status, DB_REOFFLOADED) == 0 ? 1 : 0;
    if (core->session.sink.episode != NULL)
        episode_stats_add(&core->stats, row);
    return accrued;
}

/* Rows leave in order of slots: a slot's when its last task has ended and those of every earlier one have
 * left. */
static void emit(struct orch_core *core, struct orch_actions *actions)
{
    struct orch_queue *queue = core->queue;
    for (size_t b = 0; b < queue->retired_count && !queue->retires; b++)
        block_finish(&queue->retired[b]);
    queue->retired_count = queue->retires ? queue->retired_count : 0;
    queue->retires = true; /* a session that is abandoned settles two slots in a step */
    size_t whole = 0;
    while (whole < queue->count && queue->block[whole].open == 0) {
        struct block *block = &queue->block[whole++];
        if (core->session.record_tasks && block->count > 0) {
            struct orch_action *action = orch_push(actions, ORCH_DO_TASKS, 0);
            action->tasks.row = block->row;
            action->tasks.count = block->count;
        }
        queue->retired[queue->retired_count++] = *block;
    }
    queue->count -= whole;
    memmove(queue->block, queue->block + whole, queue->count * sizeof *queue->block);
}

void orch_queue_settle(struct orch_core *core, struct orch_actions *actions)
{
    struct orch_queue *queue = core->queue;
    if (core->id.slot == 0)
        return;
    double now_s = core->id.slot * slot_s(core), sum = 0.0;
    for (size_t b = 0; b < queue->count; b++)
        for (uint32_t i = 0; i < queue->block[b].count; i++)
            sum += settle_task(core, &queue->block[b], &queue->block[b].task[i], now_s);
    core->reward = -sum / core->session.world->devices;
    core->stats.row.episode_return += core->reward;
    emit(core, actions);
}

/* ---- who goes where ---- */

static void add_coming(struct orch_core *core, struct block *block, struct open_task *task,
                       struct orch_actions *actions)
{
    (void) actions;
    const struct db_task *row = row_of(block, task);
    uint32_t m = task->at_server;
    if (task->ended || m == ENV_LOCAL || task->orphan)
        return;
    if (core->session.by_wall) /* nobody says when it arrives: it has when nothing is left to be sent */
        task->there = task->sent;
    if (!task->there)
        core->view.coming_s[m] += task_work_s(core, row, m);
}

void orch_queue_look(struct orch_core *core)
{
    memset(core->view.coming_s, 0, core->session.world->servers * sizeof *core->view.coming_s);
    each_task(core, NULL, add_coming);
}

static uint32_t best_covered(const struct orch_core *core, uint32_t n)
{
    const struct env_view *view = &core->view;
    uint32_t servers = core->session.world->servers, best = ENV_LOCAL;
    const double *gain = view->gain + (size_t) n * servers;
    for (uint32_t m = 0; m < servers; m++)
        if (view->covered[(size_t) n * servers + m] && (best == ENV_LOCAL || gain[m] > gain[best]))
            best = m;
    return best;
}

static uint32_t redirect(struct orch_core *core, uint32_t n, uint32_t from, uint32_t to)
{
    struct orch_queue *queue = core->queue;
    uint32_t moved = 0;
    for (size_t b = 0; b < queue->count; b++)
        for (uint32_t i = 0; i < queue->block[b].count; i++) {
            struct open_task *task = &queue->block[b].task[i];
            bool goes = queue->block[b].row[i].device == n && task->at_server == from && !task->ended &&
                        !task->there && !task->sent && !task->orphan;
            task->at_server = goes ? to : task->at_server;
            moved += goes ? 1 : 0;
        }
    return moved;
}

static void hand_over(struct orch_core *core, uint32_t n, uint32_t from, struct orch_actions *actions)
{
    uint32_t servers = core->session.world->servers, to = best_covered(core, n);
    double *unsent = core->view.unsent_bits + (size_t) n * servers;
    if (to == ENV_LOCAL)
        return; /* nobody covers it: the transfer goes on as well as it can */
    uint32_t moved = redirect(core, n, from, to);
    if (moved == 0)
        return;
    unsent[to] += unsent[from];
    unsent[from] = 0.0;
    struct proto_message *message = &orch_push(actions, ORCH_DO_TELL_DEVICE, n)->message;
    message->id = PROTO_HANDOVER;
    message->handover = (struct msg_handover){.device = n, .round = core->round, .from = from, .to = to};
    char *detail = orch_detail(core);
    (void) snprintf(detail, ORCH_DETAIL_MAX, "left server %u: %u tasks go on to server %u", from, moved, to);
    orch_event(core, "handover", false, n, detail, actions);
    core->result.handovers++;
}

static void hand_over_all(struct orch_core *core, struct orch_actions *actions)
{
    const struct world *world = core->session.world;
    if (world->scenario.handover.policy == HANDOVER_FINISH)
        return;
    for (uint32_t n = 0; n < world->devices; n++)
        for (uint32_t m = 0; m < world->servers && core->view.present[n]; m++) {
            size_t place = (size_t) n * world->servers + m;
            bool left = core->view.unsent_bits[place] > 0.0 && !core->view.covered[place];
            if (left && core->server_alive[m])
                hand_over(core, n, m, actions);
        }
}

/* ---- tasks whose server is lost ---- */

/* The server where the task is likely to be finished first; ENV_LOCAL: nobody covers its device. */
static uint32_t best_place(const struct orch_core *core, const struct db_task *row)
{
    const struct world *world = core->session.world;
    uint32_t best = ENV_LOCAL, n = row->device;
    double best_s = (double) INFINITY;
    for (uint32_t m = 0; m < world->servers; m++) {
        size_t place = (size_t) n * world->servers + m;
        if (!core->view.covered[place] || !core->server_alive[m])
            continue;
        const struct task_plan plan = {
            .split = row->split, .server = m, .bandwidth_share = 1.0, .compute_share = 1.0};
        struct task_outcome outcome;
        cost_outcome(world, n, row->tokens, core->view.gain[place], &plan, &outcome);
        double seconds = core->view.backlog_s[m] + core->view.coming_s[m] + outcome.times.transmit_s +
                         outcome.times.edge_s;
        if (seconds < best_s) {
            best_s = seconds;
            best = m;
        }
    }
    return best;
}

static void recover(struct orch_core *core, struct block *block, struct open_task *task,
                    struct orch_actions *actions)
{
    const struct world *world = core->session.world;
    struct db_task *row = row_of(block, task);
    if (!task->orphan || task->ended || !core->view.present[row->device])
        return;
    uint32_t place = ENV_LOCAL, servers = world->servers;
    if (world->scenario.faults.recovery == RECOVERY_REOFFLOAD && task->attempt == 0)
        place = best_place(core, row);
    core->view.unsent_bits[(size_t) row->device * servers + task->at_server] = 0.0;
    task->orphan = task->there = task->sent = false;
    task->attempt++;
    task->at_server = place;
    if (place != ENV_LOCAL)
        core->view.unsent_bits[(size_t) row->device * servers + place] +=
            llm_split_bits(world->llm, row->split, row->tokens, world->scenario.model.bits_per_element);
    struct proto_message *message = &orch_push(actions, ORCH_DO_TELL_DEVICE, row->device)->message;
    message->id = PROTO_RECOVER;
    message->recover = (struct msg_recover){
        .device = row->device,
        .round = block->round,
        .attempt = task->attempt,
        .server = place == ENV_LOCAL ? PROTO_SERVER_NONE : place,
        .bandwidth_share = place == ENV_LOCAL ? 0.0 : 1.0,
        .compute_share = place == ENV_LOCAL ? 0.0 : 1.0,
    };
}

/* What was reported of it in this slot is taken back, unless the wall clock has made it true; so is all that
 * its server has done for it. What was reported before this slot stays done. */
static bool take_back(struct orch_core *core, struct db_task *row, struct open_task *task)
{
    bool fresh = task->ended && !task->settled && !isnan(row->latency_s) && row->end_slot == core->id.slot;
    if (task->settled || (task->ended && (!fresh || core->session.by_wall)))
        return false;
    unawait(core, task, row->device);
    task_row_lose(row, DB_SERVER_LOST);
    task->ended = false;
    task->server_j = 0.0;
    return true;
}

void orch_queue_lose_server(struct orch_core *core, uint32_t m)
{
    struct orch_queue *queue = core->queue;
    bool none = core->session.world->scenario.faults.recovery == RECOVERY_NONE;
    core->view.backlog_s[m] = 0.0;
    for (size_t b = 0; b < queue->count; b++)
        for (uint32_t i = 0; i < queue->block[b].count; i++) {
            struct open_task *task = &queue->block[b].task[i];
            struct db_task *row = &queue->block[b].row[i];
            if (task->at_server != m || !take_back(core, row, task))
                continue;
            if (none)
                end_task(core, row, task, DB_SERVER_LOST);
            else
                task->orphan = true;
        }
}

void orch_queue_lose_device(struct orch_core *core, uint32_t n, struct orch_actions *actions)
{
    struct orch_queue *queue = core->queue;
    bool passing = false;
    for (size_t b = 0; b < queue->count; b++)
        for (uint32_t i = 0; i < queue->block[b].count; i++) {
            struct open_task *task = &queue->block[b].task[i];
            struct db_task *row = &queue->block[b].row[i];
            if (row->device != n || !take_back(core, row, task))
                continue;
            bool stays = task->passing && queue->serving; /* its server serves it all the same */
            passing = passing || stays;
            end_task(core, row, task, DB_DEVICE_LOST);
            task->passing = stays;
        }
    for (uint32_t m = 0; passing && m < core->session.world->servers; m++)
        if (core->server_owes[m]) {
            struct proto_message *message = &orch_push(actions, ORCH_DO_TELL_SERVER, m)->message;
            message->id = PROTO_REVOKE;
            message->revoke = (struct msg_revoke){.device = n, .round = core->round};
        }
}

/* ---- deciding ---- */

static int open_block(struct orch_core *core)
{
    struct orch_queue *queue = core->queue;
    struct block block = {.round = core->round, .slot = core->id.slot};
    for (uint32_t n = 0; n < core->session.world->devices; n++)
        block.count += env_has_task(&core->view, n) ? 1 : 0;
    block.open = block.count;
    block.task = calloc(block.count + 1, sizeof *block.task);
    block.row = calloc(block.count + 1, sizeof *block.row);
    if (block.task == NULL || block.row == NULL) {
        block_finish(&block);
        return -ENOMEM;
    }
    uint32_t i = 0;
    for (uint32_t n = 0; n < core->session.world->devices; n++) {
        if (!env_has_task(&core->view, n))
            continue;
        block.task[i].at_server = core->decision.server[n];
        task_row_decide(&block.row[i++], &core->view, &core->decision, n);
    }
    queue->block[queue->count++] = block;
    return 0;
}

static void tell_decisions(struct orch_core *core, struct orch_actions *actions)
{
    const struct world *world = core->session.world;
    for (uint32_t n = 0; n < world->devices; n++) {
        bool told = core->view.present[n] && !orch_faults_strike(core, false, n);
        core->device_owes[n] = told && !core->session.by_wall;
        if (!told)
            continue;
        core->owed += core->device_owes[n] ? 1 : 0;
        bool local = core->decision.server[n] == ENV_LOCAL;
        struct proto_message *message = &orch_push(actions, ORCH_DO_TELL_DEVICE, n)->message;
        message->id = PROTO_DECISION;
        message->decision = (struct msg_decision){
            .device = n,
            .round = core->round,
            .split = core->decision.split[n],
            .server = local ? PROTO_SERVER_NONE : core->decision.server[n],
            .bandwidth_share = core->decision.bandwidth_share[n],
            .compute_share = core->decision.compute_share[n],
            .share = {core->queue->share + (size_t) n * world->servers, world->servers},
        };
    }
}

void orch_queue_grant(struct orch_core *core)
{
    core->queue->serving = core->queue->asked = false;
}

void orch_queue_prepare(struct orch_core *core, struct orch_actions *actions)
{
    core->state = ORCH_EXECUTING;
    core->owed = 0;
    orch_queue_look(core);
    each_task(core, actions, recover);
    hand_over_all(core, actions);
}

int orch_queue_begin(struct orch_core *core, struct orch_actions *actions)
{
    env_queue_allocate(&core->view, &core->decision, core->queue->share, core->load);
    int rc = open_block(core);
    if (rc != 0)
        return rc;
    tell_decisions(core, actions);
    for (uint32_t m = 0; m < core->session.world->servers; m++)
        if (!core->server_alive[m]) /* a recorded decision may send there all the same */
            orch_queue_lose_server(core, m);
    orch_faults_strike_all(core, actions);
    return 0;
}

/* ---- servers ---- */

static void allot_server(struct orch_core *core, uint32_t m, size_t *used, struct orch_actions *actions)
{
    struct orch_queue *queue = core->queue;
    size_t first = *used;
    for (size_t b = 0; b < queue->count; b++)
        for (uint32_t i = 0; i < queue->block[b].count; i++) {
            struct open_task *task = &queue->block[b].task[i];
            const struct db_task *row = &queue->block[b].row[i];
            if (!task->passing || task->at_server != m)
                continue;
            queue->list_device[*used] = row->device;
            queue->list_task[*used] = (uint32_t) queue->block[b].round;
            queue->list_tokens[*used] = row->tokens;
            queue->list_split[*used] = row->split;
            queue->list_arrival[(*used)++] = task->arrival_s;
            task->there = true;
        }
    size_t count = *used - first;
    struct proto_message *message = &orch_push(actions, ORCH_DO_TELL_SERVER, m)->message;
    message->id = PROTO_ALLOT;
    message->allot = (struct msg_allot){
        .round = core->round,
        .device = {queue->list_device + first, count},
        .phase = (uint64_t) core->id.phase,
        .episode = core->id.episode,
        .slot = core->id.slot,
        .task = {queue->list_task + first, count},
        .tokens = {queue->list_tokens + first, count},
        .split = {queue->list_split + first, count},
        .arrival_s = {queue->list_arrival + first, count},
    };
}

void orch_queue_serve(struct orch_core *core, struct orch_actions *actions)
{
    size_t used = 0;
    core->queue->serving = true;
    for (uint32_t m = 0; m < core->session.world->servers; m++) {
        core->server_owes[m] = core->server_alive[m];
        if (!core->server_owes[m])
            continue;
        core->owed++;
        allot_server(core, m, &used, actions);
    }
}

bool orch_queue_asks(struct orch_core *core, struct orch_actions *actions)
{
    if (!core->session.by_wall || core->queue->asked)
        return false;
    core->queue->asked = true;
    orch_queue_serve(core, actions);
    core->queue->serving = false;
    return core->owed > 0;
}

static void stop_passing(struct orch_core *core, struct block *block, struct open_task *task,
                         struct orch_actions *actions)
{
    (void) core;
    (void) block;
    (void) actions;
    task->passing = false;
}

bool orch_queue_is_serving(const struct orch_core *core)
{
    return core->queue->serving;
}

void orch_queue_end(struct orch_core *core)
{
    core->queue->serving = false;
    each_task(core, NULL, stop_passing);
}

/* ---- messages ---- */

int orch_queue_observation(struct orch_core *core, const struct msg_observation *observation,
                           struct diag *diag)
{
    uint32_t n = (uint32_t) observation->device;
    if (observation->unsent_bits.count != core->session.world->servers ||
        observation->accrued_task.count != observation->accrued_j.count)
        return diag_fail(diag, ERR_RANGE, "OBSERVATION of device %u: its lists do not fit together", n);
    env_view_backlog(&core->view, n, observation->processor_s, observation->unsent_bits.data);
    for (size_t i = 0; i < observation->accrued_task.count; i++) {
        struct block *block;
        struct open_task *task = find(core->queue, observation->accrued_task.data[i], n, &block);
        if (task != NULL && !task->ended)
            task->joules += observation->accrued_j.data[i];
    }
    for (size_t i = 0; i < observation->sent_task.count; i++) {
        struct block *block;
        struct open_task *task = find(core->queue, observation->sent_task.data[i], n, &block);
        if (task != NULL)
            task->sent = true;
    }
    return 0;
}

static const char *status_of(const struct open_task *task)
{
    if (task->attempt == 0)
        return DB_DONE;
    return task->at_server == ENV_LOCAL ? DB_RECOVERED : DB_REOFFLOADED;
}

/* By the wall clock a slot is granted here before its time has come. */
static uint32_t ended_in(const struct orch_core *core, const struct db_task *row)
{
    double end = row->slot + floor(row->latency_s / slot_s(core)), last = present_slot(core);
    return (uint32_t) (end < last ? end : last);
}

int orch_queue_report(struct orch_core *core, const struct msg_report *report, struct diag *diag)
{
    uint32_t n = (uint32_t) report->device;
    struct block *block = NULL;
    struct open_task *task = find(core->queue, report->round, n, &block);
    if (task == NULL && report->round > core->round)
        return diag_fail(diag, ERR_STATE, "REPORT of device %u for round %llu is not awaited", n,
                         (unsigned long long) report->round);
    bool late = task == NULL || task->ended || task->orphan || report->attempt < task->attempt;
    if (late)
        return 0; /* lost or expired before it came, or its server was lost */
    if (report->attempt != task->attempt)
        return diag_fail(diag, ERR_STATE, "REPORT of device %u for round %llu: attempt %llu was not told", n,
                         (unsigned long long) report->round, (unsigned long long) report->attempt);
    struct db_task *row = row_of(block, task);
    unawait(core, task, n);
    task_row_report(row, core->session.world, report);
    row->wait_s = report->wait_s;
    row->handovers = (uint32_t) report->handovers;
    row->status = status_of(task);
    row->end_slot = core->session.by_wall ? ended_in(core, row) : present_slot(core);
    task->ended = true;
    return 0;
}

static int check_passed(struct orch_core *core, const struct msg_passed *passed, struct diag *diag)
{
    uint32_t n = (uint32_t) passed->device;
    size_t count = passed->task.count;
    if (core->state != ORCH_EXECUTING || core->queue->serving || passed->round != core->round ||
        !core->device_owes[n])
        return diag_fail(diag, ERR_STATE, "PASSED of device %u for round %llu is not awaited", n,
                         (unsigned long long) passed->round);
    if (passed->server.count != count || passed->arrival_s.count != count)
        return diag_fail(diag, ERR_RANGE, "PASSED of device %u: its lists do not fit together", n);
    for (size_t i = 0; i < count; i++) {
        struct block *block;
        const struct open_task *task = find(core->queue, passed->task.data[i], n, &block);
        if (passed->task.data[i] > core->round ||
            (task != NULL && !task->ended && (task->at_server != passed->server.data[i] || task->there)))
            return diag_fail(diag, ERR_STATE, "PASSED of device %u: its task of round %u was not to go there",
                             n, passed->task.data[i]);
    }
    return 0;
}

int orch_queue_passed(struct orch_core *core, const struct msg_passed *passed, struct diag *diag)
{
    uint32_t n = (uint32_t) passed->device;
    int rc = check_passed(core, passed, diag);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < passed->task.count; i++) {
        struct block *block;
        struct open_task *task = find(core->queue, passed->task.data[i], n, &block);
        if (task == NULL || task->ended)
            continue; /* lost with its server, which its device was not told */
        task->passing = !task->orphan;
        task->arrival_s = passed->arrival_s.data[i];
    }
    core->device_owes[n] = false;
    core->owed--;
    return 0;
}

static int check_advanced(const struct orch_core *core, const struct msg_advanced *advanced,
                          struct diag *diag)
{
    uint32_t m = (uint32_t) advanced->server;
    if (!core->server_owes[m] || advanced->round != core->round)
        return diag_fail(diag, ERR_STATE, "ADVANCED of server %u for round %llu is not awaited", m,
                         (unsigned long long) advanced->round);
    if (advanced->accrued_device.count != advanced->accrued_task.count ||
        advanced->accrued_device.count != advanced->accrued_j.count ||
        advanced->served_device.count != advanced->served_task.count)
        return diag_fail(diag, ERR_RANGE, "ADVANCED of server %u: its lists do not fit together", m);
    return 0;
}

int orch_queue_advanced(struct orch_core *core, const struct msg_advanced *advanced, struct diag *diag)
{
    int rc = check_advanced(core, advanced, diag);
    if (rc != 0)
        return rc;
    uint32_t m = (uint32_t) advanced->server;
    struct block *block;
    core->view.backlog_s[m] = advanced->backlog_s;
    for (size_t i = 0; i < advanced->accrued_device.count; i++) {
        struct open_task *task =
            find(core->queue, advanced->accrued_task.data[i], advanced->accrued_device.data[i], &block);
        if (task != NULL && !task->ended)
            task->server_j += advanced->accrued_j.data[i];
    }
    for (size_t i = 0; i < advanced->served_device.count && !core->session.by_wall; i++) {
        uint32_t n = advanced->served_device.data[i];
        struct open_task *task = n < core->session.world->devices
                                     ? find(core->queue, advanced->served_task.data[i], n, &block)
                                     : NULL;
        if (task == NULL || task->ended || task->awaited || !core->device_alive[n])
            continue;
        task->awaited = true;
        core->queue->awaited[n]++;
        core->owed++;
    }
    core->server_owes[m] = false;
    core->owed--;
    return 0;
}
