#include "orchestrator/policy/plus/dapo_plus_queue.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/model/task_features.h"

/* A transfer that took several slots says something of a mean of them, which is not quite the same: it counts
 * until so many that took one have been met [house: at 600 slots an error of 1 % instead of 5 %]. */
#define WHOLE_ENOUGH 300u

/* ---- life ---- */

static int slot_init(struct dapo_plus_slot *slot, const struct world *world)
{
    size_t devices = world->devices;
    slot->server = calloc(4 * devices, sizeof *slot->server);
    slot->gain = calloc(devices * world->servers, sizeof *slot->gain);
    slot->load = calloc(world->servers, sizeof *slot->load);
    if (slot->server == NULL || slot->gain == NULL || slot->load == NULL)
        return -ENOMEM;
    slot->split = slot->server + devices;
    slot->tokens = slot->server + 2 * devices;
    slot->coding = slot->server + 3 * devices;
    return 0;
}

int dapo_plus_queue_create(struct dapo_plus_queue **ret_queue, const struct world *world,
                           const struct plus_settings *settings, struct outcome_model *model)
{
    const struct forecast_source source = outcome_model_source(model);
    struct dapo_plus_queue *own = calloc(1, sizeof *own);
    if (own == NULL)
        return -ENOMEM;
    own->world = world;
    learned_price_init(&own->price, world, settings);
    own->sending = calloc(DAPO_PLUS_QUEUE_SLOTS, sizeof *own->sending);
    int rc = own->sending != NULL ? slot_search_create(&own->search, world, &source) : -ENOMEM;
    for (uint32_t i = 0; i < DAPO_PLUS_QUEUE_SLOTS && rc == 0; i++)
        rc = slot_init(&own->slot[i], world);
    if (rc != 0) {
        dapo_plus_queue_destroy(own);
        return rc;
    }
    *ret_queue = own;
    return 0;
}

void dapo_plus_queue_destroy(struct dapo_plus_queue *queue)
{
    if (queue == NULL)
        return;
    for (uint32_t i = 0; i < DAPO_PLUS_QUEUE_SLOTS; i++) {
        free(queue->slot[i].server);
        free(queue->slot[i].gain);
        free(queue->slot[i].load);
    }
    free(queue->sending);
    slot_search_destroy(queue->search);
    free(queue);
}

/* ---- deciding ---- */

void dapo_plus_queue_decide(struct dapo_plus_queue *queue, struct outcome_model *model,
                            const struct env_view *view, bool training, struct env_decision *ret_decision)
{
    outcome_model_look(model, view);
    slot_search_run(queue->search, view, learned_price_prices(&queue->price, training), ret_decision);
}

static void forget(struct dapo_plus_queue *own)
{
    for (uint32_t i = 0; i < DAPO_PLUS_QUEUE_SLOTS; i++)
        own->slot[i].known = false;
    own->last = NULL;
    learned_price_begin_episode(&own->price);
}

void dapo_plus_queue_remember(struct dapo_plus_queue *queue, const struct env_view *view,
                              const struct env_decision *decision)
{
    size_t devices = queue->world->devices, pairs = devices * queue->world->servers;
    assert(view->world->devices == devices && view->world->servers == queue->world->servers);
    if (view->id.slot == 0)
        forget(queue);
    struct dapo_plus_slot *slot = &queue->slot[view->id.slot % DAPO_PLUS_QUEUE_SLOTS];
    memcpy(slot->server, decision->server, devices * sizeof *slot->server);
    memcpy(slot->split, decision->split, devices * sizeof *slot->split);
    memcpy(slot->tokens, view->tokens, devices * sizeof *slot->tokens);
    memcpy(slot->coding, decision->coding, devices * sizeof *slot->coding);
    for (size_t pair = 0; pair < pairs; pair++)
        slot->gain[pair] = task_features_gain(view->gain[pair]);
    slot->slot = view->id.slot;
    slot->known = true;
    slot->loaded = false;
    queue->last = slot;
}

/* ---- learning ---- */

/* NULL: forgotten. */
static const struct dapo_plus_slot *find(const struct dapo_plus_queue *own, uint32_t number)
{
    const struct dapo_plus_slot *slot = &own->slot[number % DAPO_PLUS_QUEUE_SLOTS];
    return slot->known && slot->slot == number ? slot : NULL;
}

/* The slots in which the task was on the radio, as what it waited for says; 0: not all of them are known. */
static uint32_t find_sendings(const struct dapo_plus_queue *own, const struct policy_outcome *outcome,
                              uint32_t m)
{
    double slot_s = own->world->scenario.run.slot_s;
    const struct task_times *times = &outcome->times;
    double begin_s = outcome->slot * slot_s + times->wait_s + times->local_s;
    double end_s = begin_s + times->transmit_s;
    assert(m < own->world->servers && times->transmit_s > 0.0);
    if (!(begin_s / slot_s < (double) (UINT32_MAX - DAPO_PLUS_QUEUE_SLOTS)))
        return 0; /* a device may report any time */
    uint32_t first = (uint32_t) (begin_s / slot_s), count = 0;
    for (uint32_t k = first; k - first < DAPO_PLUS_QUEUE_SLOTS && k * slot_s < end_s; k++) {
        const struct dapo_plus_slot *slot = find(own, k);
        if (slot == NULL || !slot->loaded || slot->load[m] == 0)
            return 0;
        double there_s = fmin(end_s, (k + 1) * slot_s) - fmax(begin_s, k * slot_s);
        assert(count < DAPO_PLUS_QUEUE_SLOTS);
        own->sending[count++] = (struct outcome_sending){
            .gain = slot->gain[(size_t) outcome->device * own->world->servers + m],
            .load = slot->load[m],
            .share = (float) (there_s / times->transmit_s),
        };
    }
    return count;
}

static void note_whole(struct dapo_plus_queue *own, struct outcome_task *task)
{
    own->whole += task->sendings == 1 ? 1 : 0;
    if (task->sendings > 1 && own->whole >= WHOLE_ENOUGH)
        task->sendings = 0;
}

static void observe(struct dapo_plus_queue *own, struct outcome_model *model,
                    const struct policy_outcome *outcome)
{
    const struct dapo_plus_slot *slot = find(own, outcome->slot);
    if (slot == NULL)
        return;
    uint32_t n = outcome->device, m = slot->server[n];
    assert(n < own->world->devices && (m == ENV_LOCAL || m < own->world->servers));
    struct outcome_task task = {
        .device = n,
        .server = m,
        .split = slot->split[n],
        .tokens = slot->tokens[n],
        .load = 1,
        .coding = slot->coding[n],
        .sending = own->sending,
    };
    if (m != ENV_LOCAL && outcome->times.transmit_s > 0.0)
        task.sendings = find_sendings(own, outcome, m);
    note_whole(own, &task);
    outcome_model_observe(model, &task, outcome);
}

void dapo_plus_queue_learn(struct dapo_plus_queue *queue, struct outcome_model *model,
                           const struct policy_feedback *feedback, bool settled)
{
    if (queue->last != NULL) {
        memcpy(queue->last->load, feedback->next->previous_load,
               queue->world->servers * sizeof *queue->last->load);
        queue->last->loaded = true;
    }
    for (size_t i = 0; i < feedback->outcomes; i++)
        observe(queue, model, &feedback->outcome[i]);
    uint32_t tasks = 0;
    for (uint32_t n = 0; n < queue->world->devices && queue->last != NULL; n++)
        tasks += queue->last->tokens[n] > 0 ? 1 : 0;
    /* An episode's end charges what is unfinished then, which no other slot does. */
    if (settled && !feedback->truncated)
        learned_price_observe(&queue->price, feedback->reward, tasks);
}

/* ---- bytes: as learned_price.c writes them; full: u64 whole ---- */

int dapo_plus_queue_save(const struct dapo_plus_queue *queue, bool full, struct buf *bytes)
{
    int rc = learned_price_save(&queue->price, full, bytes);
    return rc != 0 || !full ? rc : buf_push(bytes, &queue->whole, sizeof queue->whole);
}

int dapo_plus_queue_load(struct dapo_plus_queue *queue, bool full, const uint8_t **bytes, size_t *size,
                         struct diag *diag)
{
    int rc = learned_price_load(&queue->price, full, bytes, size, diag);
    if (rc != 0 || !full)
        return rc;
    if (*size < sizeof queue->whole)
        return diag_fail(diag, ERR_TRUNCATED, "what is remembered of transfers is missing");
    memcpy(&queue->whole, *bytes, sizeof queue->whole);
    *bytes += sizeof queue->whole;
    *size -= sizeof queue->whole;
    return 0;
}
