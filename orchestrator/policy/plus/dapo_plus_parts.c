#include "orchestrator/policy/plus/dapo_plus_parts.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/rl/checkpoint.h"

#define LOADS_HELD 8u /* capacity of the load table at first */

void dapo_plus_destroy(struct policy *policy)
{
    struct dapo_plus *own = policy->state;
    if (own == NULL)
        return;
    dapo_plus_queue_destroy(own->queue);
    outcome_model_destroy(own->model);
    load_actor_destroy(own->actor);
    load_table_finish(&own->table);
    load_search_finish(&own->search);
    free(own->task);
    free(own->sending);
    free(own->load);
    free(own);
}

int dapo_plus_create(struct policy *policy, struct diag *diag)
{
    const struct world *world = policy->world;
    const struct plus_settings *settings = plus_settings_of(policy);
    if (world->scenario.objective.reward != REWARD_COST)
        return diag_fail(diag, ERR_UNSUPPORTED, "learns the parts of objective.reward: cost");
    struct dapo_plus *own = calloc(1, sizeof *own);
    if (own == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    policy->state = own;
    uint64_t slots = world->scenario.run.episodes * world->scenario.run.slots;
    struct outcome_config config = {
        .hidden = settings->plus.hidden,
        .batch = settings->plus.batch,
        .buffer = settings->plus.buffer,
        .rate = (float) settings->plus.rate,
        .final_rate = (float) (settings->plus.rate * settings->plus.final_rate),
        .horizon = slots > 0 ? slots * settings->plus.updates : 1,
        .seed = world->seed,
        .watches = settings->plus.watch == SWITCH_ON,
    };
    own->task = calloc(world->devices, sizeof *own->task);
    own->sending = calloc(world->devices, sizeof *own->sending);
    own->load = calloc(world->servers, sizeof *own->load);
    int rc = own->task != NULL && own->sending != NULL && own->load != NULL ? 0 : -ENOMEM;
    if (rc == 0)
        rc = outcome_model_create(&own->model, world, &config);
    if (rc == 0)
        rc = load_actor_create(&own->actor, world, settings->plus.actor_hidden,
                               (float) settings->plus.actor_rate);
    if (rc == 0)
        rc = load_table_init(&own->table, world, LOADS_HELD);
    if (rc == 0)
        rc = load_search_init(&own->search, world);
    if (rc == 0 && env_is_queue(world))
        rc = dapo_plus_queue_create(&own->queue, world, settings, own->model);
    return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
}

/* ---- bytes: this head, the model (outcome_bytes.c), the actor (load_actor.c), in queueing mode the price
 * (dapo_plus_queue.c), the CRC-32 of all ---- */

struct head {
    char magic[4];
    uint32_t version, full, hidden, actor_hidden, queue;
    uint32_t codings; /* codings_of */
    uint32_t unused;  /* 0 */
    uint64_t decided, owes_update;
};
_Static_assert(sizeof(struct head) == 48, "no padding, which would be any bytes");

/* A CRC-32 of what decisions choose among: what was learned of one coding is not true of another. 0: of nothing. */
static uint32_t codings_of(const struct world *world)
{
    struct {
        uint64_t format;
        double margin_db;
    } coding[CODINGS_MAX] = {{0, 0.0}};
    uint32_t count = world->codings.count;
    for (uint32_t i = 1; i < count; i++) {
        const struct coding one = coding_at(&world->codings, &world->scenario, i);
        coding[i - 1].format = one.format;
        coding[i - 1].margin_db = one.margin_db;
    }
    return coding_is_open(&world->codings) ? checkpoint_crc32(coding, (count - 1) * sizeof *coding) : 0;
}

static struct head head_of(const struct policy *policy, bool full)
{
    const struct dapo_plus *own = policy->state;
    return (struct head){
        .magic = {'H', 'P', 'L', 'S'},
        .version = 2,
        .full = full ? 1 : 0,
        .hidden = (uint32_t) plus_settings_of(policy)->plus.hidden,
        .actor_hidden = (uint32_t) plus_settings_of(policy)->plus.actor_hidden,
        .queue = env_is_queue(policy->world) ? 1 : 0,
        .codings = codings_of(policy->world),
        .decided = full ? own->decided : 0,
        .owes_update = full && own->owes_update ? 1 : 0,
    };
}

int dapo_plus_save(const struct policy *policy, bool full, struct buf *bytes)
{
    const struct dapo_plus *own = policy->state;
    assert((own->queue != NULL) == env_is_queue(policy->world)); /* as the head says */
    struct head head = head_of(policy, full);
    size_t start = bytes->size;
    int rc = buf_push(bytes, &head, sizeof head);
    if (rc == 0)
        rc = outcome_model_save(own->model, full, bytes);
    if (rc == 0)
        rc = load_actor_save(own->actor, full, bytes);
    if (rc == 0 && own->queue != NULL)
        rc = dapo_plus_queue_save(own->queue, full, bytes);
    uint32_t crc = rc == 0 ? checkpoint_crc32(bytes->data + start, bytes->size - start) : 0;
    return rc != 0 ? rc : buf_push(bytes, &crc, sizeof crc);
}

static int read_all(struct policy *policy, bool full, const void *bytes, size_t size, struct head *ret_head,
                    struct diag *diag)
{
    struct dapo_plus *own = policy->state;
    struct head head = {0}, mine = head_of(policy, full);
    uint32_t crc = 0;
    if (size < sizeof head + sizeof crc || memcmp(bytes, mine.magic, sizeof mine.magic) != 0)
        return diag_fail(diag, ERR_TYPE, "not weights of dapo-plus: they do not begin with \"HPLS\"");
    memcpy(&head, bytes, sizeof head);
    if (head.version != mine.version)
        return diag_fail(diag, ERR_VERSION, "weights of version %u, this program reads version %u",
                         head.version, mine.version);
    if (head.full != mine.full || head.hidden != mine.hidden || head.actor_hidden != mine.actor_hidden)
        return diag_fail(diag, ERR_MISMATCH,
                         "weights of networks with %u and %u units; plus.hidden is %u, plus.actor_hidden %u",
                         head.hidden, head.actor_hidden, mine.hidden, mine.actor_hidden);
    if (head.queue != mine.queue)
        return diag_fail(diag, ERR_MISMATCH, "weights of run.mode: %s", head.queue == 1 ? "queue" : "round");
    if (head.codings != mine.codings)
        return diag_fail(diag, ERR_MISMATCH,
                         "weights of other codings: action.formats and action.margins_db must be those of "
                         "their training");
    const uint8_t *at = (const uint8_t *) bytes + sizeof head;
    size_t left = size - sizeof head - sizeof crc;
    memcpy(&crc, (const uint8_t *) bytes + size - sizeof crc, sizeof crc);
    if (checkpoint_crc32(bytes, size - sizeof crc) != crc)
        return diag_fail(diag, ERR_CORRUPT, "weights are damaged: their checksum does not match");
    int rc = outcome_model_load(own->model, full, &at, &left, diag);
    if (rc == 0)
        rc = load_actor_load(own->actor, full, &at, &left, diag);
    if (rc == 0 && own->queue != NULL)
        rc = dapo_plus_queue_load(own->queue, full, &at, &left, diag);
    if (rc == 0 && left > 0)
        rc = diag_fail(diag, ERR_MISMATCH, "weights have %zu bytes too many", left);
    *ret_head = head;
    return rc;
}

int dapo_plus_load(struct policy *policy, const void *bytes, size_t size, struct diag *diag)
{
    struct head head = {0};
    return read_all(policy, false, bytes, size, &head, diag);
}

int dapo_plus_resume(struct policy *policy, const void *bytes, size_t size, struct diag *diag)
{
    struct dapo_plus *own = policy->state;
    struct head head = {0};
    int rc = read_all(policy, true, bytes, size, &head, diag);
    if (rc != 0)
        return rc;
    own->decided = head.decided;
    own->owes_update = head.owes_update == 1;
    return 0;
}
