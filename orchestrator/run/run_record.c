#include "orchestrator/run/run_record.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/linalg/product.h"
#include "db/row_text.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/policy/catalog/full_scenario.h"
#include "orchestrator/run/event_text.h"
#include "orchestrator/setup/provenance.h"

#define SAID_MAX 30u /* events told on screen */

/* How this run was driven, and a number for its held-out streams (full_scenario_streams_number). The caller frees it. */
static char *config_json(const struct world *world, const struct run_record_row *run)
{
    const struct full_scenario full = {world->scenario, *run->settings};
    uint64_t number = 0;
    char streams[24];
    if (full_scenario_streams_number(&full, &number) != 0)
        return NULL;
    (void) snprintf(streams, sizeof streams, "%016" PRIx64, number); /* 16 digits */
    json_t *config = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:s}", "program", provenance_version(),
                               "host", run->host, "devices", (json_int_t) world->devices, "servers",
                               (json_int_t) world->servers, "episodes", (json_int_t) run->episodes, "slots",
                               (json_int_t) run->slots, "llm", world->llm->name, "streams", streams);
    struct buf text = {0};
    struct buf_sink sink = {.buf = &text};
    bool whole = config != NULL && json_dump_callback(config, buf_sink_take, &sink, JSON_COMPACT) == 0 &&
                 buf_sink_end(&sink) == 0;
    if (!whole)
        buf_finish(&text);
    json_decref(config);
    return (char *) text.data;
}

static void fill_nodes(struct db_node *node, const struct world *world,
                       const char *(*address)(const void *user, bool is_server, uint32_t number),
                       const void *user)
{
    double none = (double) NAN;
    for (uint32_t n = 0; n < world->devices; n++) {
        const struct device_params *device = &world->device[n];
        *node++ = (struct db_node){
            .number = n,
            .flops = device->flops,
            .power_w = device->power_w,
            .transmit_power_w = device->transmit_power_w,
            .x_m = device->has_home ? device->home.x : none,
            .y_m = device->has_home ? device->home.y : none,
            .max_split = device->max_split,
            .memory_bytes = none,
            .requests = world->tokens != NULL ? world->tokens + (size_t) n * world->token_rows : NULL,
            .request_count = world->tokens != NULL ? world->token_rows : 0,
            .address = address != NULL ? address(user, false, n) : NULL,
        };
    }
    for (uint32_t m = 0; m < world->servers; m++) {
        const struct server_params *server = &world->server[m];
        *node++ = (struct db_node){
            .is_server = true,
            .number = m,
            .flops = server->flops,
            .power_w = server->power_w,
            .transmit_power_w = none,
            .x_m = server->position.x,
            .y_m = server->position.y,
            .max_split = -1,
            .memory_bytes = server->memory_bytes > 0.0 ? server->memory_bytes : none,
            .tier = server->tier != TIERS_NONE ? tiers_name(&world->scenario, server->tier) : NULL,
            .address = address != NULL ? address(user, true, m) : NULL,
        };
    }
}

static int pack_all(const struct tracks *tracks, struct buf *bytes)
{
    int rc = 0;
    for (uint32_t i = 0; i < tracks->count && rc == 0; i++)
        rc = track_pack(&tracks->track[i], bytes);
    return rc;
}

/* Trace i goes into device i's row. `packed` holds them all, rates first, and lives until the rows are
 * written. */
static int add_traces(struct db_node *node, const struct world *world, struct buf *packed)
{
    int rc = pack_all(&world->rate_tracks, packed);
    if (rc == 0)
        rc = pack_all(&world->place_tracks, packed);
    const uint8_t *at = packed->data;
    assert(world->rate_tracks.count <= world->devices && world->place_tracks.count <= world->devices);
    for (uint32_t i = 0; i < world->rate_tracks.count && rc == 0; i++) {
        node[i].rate_trace = at;
        node[i].rate_trace_size = track_packed_size(&world->rate_tracks.track[i]);
        at += node[i].rate_trace_size;
    }
    for (uint32_t i = 0; i < world->place_tracks.count && rc == 0; i++) {
        node[i].place_trace = at;
        node[i].place_trace_size = track_packed_size(&world->place_tracks.track[i]);
        at += node[i].place_trace_size;
    }
    assert(rc != 0 || packed->data == NULL || at == packed->data + packed->size);
    return rc;
}

static int64_t updates_of(const struct run_record_row *run, const struct policy_kind *kind)
{
    if (run->kind == DB_RUN_TRAIN && kind != NULL && policy_learns(kind))
        return 0;
    return run->has_updates ? (int64_t) run->updates : -1;
}

/* What the run row says of the machine, in words. */
struct machine {
    struct buf cpu, libc;
};

static int machine_read(struct machine *machine)
{
    int rc = provenance_cpu(&machine->cpu);
    return rc == 0 ? provenance_libc(&machine->libc) : rc;
}

static void machine_finish(struct machine *machine)
{
    buf_finish(&machine->cpu);
    buf_finish(&machine->libc);
}

static int create_recorder(struct run_record *record, const struct world *world,
                           const struct run_record_row *run, const struct db_node *node, const char *scenario,
                           const struct machine *machine, const char *config, struct diag *diag)
{
    char started[CLOCK_UTC_TEXT];
    bool in_real_time = world->scenario.run.clock == CLOCK_REAL && strcmp(run->host, "tcp") == 0;
    const struct policy_kind *kind = NULL;
    /* A name that is not in the table leaves open what it sees. */
    (void) catalog_find(run->policy, &kind, NULL);
    clock_utc_text(started);
    struct db_run row = {
        .kind = run->kind,
        .scenario_name = world->scenario.run.name,
        .scenario = scenario,
        .config_json = config,
        .seed = world->seed,
        .policy = run->policy,
        .policy_sees = kind != NULL ? policy_sees_name(kind->sees) : NULL,
        .parent_run_id = run->parent_run_id,
        .checkpoint_episode = run->checkpoint_episode,
        .phase = run->phase,
        .host = run->host,
        .real_clock = in_real_time,
        .queue = env_is_queue(world),
        .time_scale = in_real_time ? world->scenario.run.time_scale : 1.0,
        .version = provenance_version(),
        .cpu = (const char *) machine->cpu.data,
        .vector_path = provenance_vector_path(),
        .libc = (const char *) machine->libc.data,
        .linalg = linalg_name(),
        .arithmetic = LINALG_ARITHMETIC,
        .started_utc = started,
        .status = DB_RUNNING,
        .trusted = true,
        .updates = updates_of(run, kind),
        .prompt = world->prompt,
        .prompt_tokens = world->prompt_tokens,
        .prompt_bytes = world->prompt_bytes,
    };
    return recorder_create(&record->recorder, run->path, &row, node, (size_t) world->devices + world->servers,
                           &record->run_id, diag);
}

static struct run_record blank(const struct run_record_row *run, struct diag *diag)
{
    return (struct run_record){
        .diag = diag,
        .path = run->path,
        .episodes = run->episodes,
        .slots = run->slots,
        .checkpoint_every = run->checkpoint_every,
    };
}

int run_record_open(struct run_record *ret_record, const struct world *world,
                    const struct run_record_row *run,
                    const char *(*address)(const void *user, bool is_server, uint32_t number),
                    const void *user, struct diag *diag)
{
    *ret_record = blank(run, diag);
    const struct full_scenario full = {world->scenario, *run->settings};
    struct buf scenario = {0}, traces = {0};
    struct machine machine = {0};
    struct db_node *node = calloc((size_t) world->devices + world->servers, sizeof *node);
    char *config = config_json(world, run);
    int rc = node == NULL || config == NULL ? -ENOMEM : full_scenario_print(&full, &scenario);
    if (rc == 0)
        rc = buf_push(&scenario, "", 1);
    if (rc == 0)
        rc = machine_read(&machine);
    if (rc == 0) {
        fill_nodes(node, world, address, user);
        rc = add_traces(node, world, &traces);
    }
    if (rc == 0) {
        rc = create_recorder(ret_record, world, run, node, (const char *) scenario.data, &machine, config,
                             diag);
    } else {
        diag_fail(diag, rc, "%s: %s", run->path, err_text(rc));
    }
    free(node);
    free(config);
    buf_finish(&scenario);
    machine_finish(&machine);
    buf_finish(&traces);
    return rc;
}

int run_record_resume(struct run_record *ret_record, const struct run_record_row *run,
                      const struct run_record_resumed *resumed, struct diag *diag)
{
    *ret_record = blank(run, diag);
    ret_record->offset_s = resumed->elapsed_s;
    ret_record->run_id = resumed->rewind.run_id;
    if (!resumed->trusted)
        (void) snprintf(ret_record->untrusted_reason, sizeof ret_record->untrusted_reason, "%s",
                        resumed->untrusted_reason != NULL ? resumed->untrusted_reason
                                                          : "before it was resumed");
    return recorder_resume(&ret_record->recorder, run->path, &resumed->rewind, diag);
}

static int told(struct run_record *record, int rc)
{
    if (rc == 0)
        return 0;
    recorder_explain(record->recorder, record->diag);
    return diag_fail(record->diag, rc, "%s: cannot record: %s", record->path, err_text(rc));
}

/* Keeps them until their tasks' rows come. */
static int on_answers(void *user, const struct db_answer *answer, size_t count)
{
    struct run_record *record = user;
    assert(record->answers == 0);
    int rc = array_reserve(&record->answer, &record->answer_capacity, count);
    if (rc == 0 && count > 0)
        memcpy(record->answer, answer, count * sizeof *answer);
    record->answers = rc == 0 ? count : 0;
    return told(record, rc);
}

static int on_tasks(void *user, const struct db_task *task, size_t count)
{
    struct run_record *record = user;
    size_t answers = record->answers;
    record->answers = 0;
    return told(record, recorder_answered_tasks(record->recorder, task, count, record->answer, answers));
}

/* Can the run go on from here as if it had never stopped? Not after an episode that was cut short, nor
 * between two checkpoints, where a run that was not stopped has none. */
static bool is_milestone(const struct run_record *record, const struct db_episode *episode)
{
    uint32_t every = record->checkpoint_every;
    assert(episode->episode < record->episodes && episode->slots <= record->slots);
    bool regular =
        every > 0 && ((episode->episode + 1) % every == 0 || episode->episode + 1 == record->episodes);
    return regular && episode->slots == record->slots;
}

static int on_episode(void *user, const struct db_episode *episode)
{
    struct run_record *record = user;
    if (!record->has_checkpoint)
        return told(record, recorder_episode(record->recorder, episode, NULL, NULL));
    bool resumable = is_milestone(record, episode);
    record->has_checkpoint = false;
    const struct db_checkpoint checkpoint = {
        .episode = episode->episode,
        .weights = record->weights.data,
        .weights_size = record->weights.size,
        .learner = resumable ? record->learner.data : NULL,
        .learner_size = resumable ? record->learner.size : 0,
        .validation_cost = (double) NAN,
        .has_updates = record->has_updates,
        .updates = record->updates,
    };
    const struct db_experience experience = {
        .episode = episode->episode,
        .first = record->experience.first,
        .count = record->experience.count,
        .oldest = record->experience.oldest,
        .bytes = record->transitions.data,
        .size = record->transitions.size,
    };
    bool gathered = resumable && experience.count > 0;
    return told(record,
                recorder_episode(record->recorder, episode, &checkpoint, gathered ? &experience : NULL));
}

/* Events are told on screen too, the first SAID_MAX - 1 of a run. */
static void say(struct run_record *record, const struct db_event *event)
{
    record->said++;
    if (record->said == SAID_MAX)
        log_warn("run", "more has happened: see the event table");
    if (record->said >= SAID_MAX)
        return;
    char text[EVENT_TEXT_MAX];
    event_text(event, text);
    if (event->role == DB_ROLE_NONE)
        log_warn("run", "episode %u, slot %u: %s", event->episode, event->slot, text);
    else
        log_warn("run", "%s %lld in episode %u, slot %u: %s", db_event_role_text(event->role),
                 (long long) event->number, event->episode, event->slot, text);
}

static int on_event(void *user, const struct db_event *event)
{
    struct run_record *record = user;
    say(record, event);
    return told(record, recorder_event(record->recorder, event));
}

static int on_link(void *user, const struct audit_link *window)
{
    struct run_record *record = user;
    struct db_link_sample sample = {
        .device = window->device,
        .server = window->server,
        .down = window->down,
        .start_s = record->offset_s + window->start_s,
        .duration_s = window->duration_s,
        .set_bps = window->set_bps,
        .achieved_bps = window->achieved_bps,
    };
    return told(record, recorder_link_samples(record->recorder, &sample, 1));
}

static int on_loop(void *user, const struct audit_loop *interval)
{
    struct run_record *record = user;
    bool is_node = strcmp(interval->role, "orchestrator") != 0;
    struct db_process_sample sample = {
        .role = interval->role,
        .number = is_node ? (int64_t) interval->number : -1,
        .start_s = record->offset_s + interval->start_s,
        .duration_s = interval->duration_s,
        .lag_max_s = interval->lag_max_s,
        .lag_mean_s = interval->lag_mean_s,
    };
    return told(record, recorder_process_sample(record->recorder, &sample));
}

static int on_jobs(void *user, const struct audit_jobs *interval)
{
    struct run_record *record = user;
    const struct db_compute_sample sample = {
        .role = interval->role,
        .number = interval->number,
        .start_s = record->offset_s + interval->start_s,
        .duration_s = interval->duration_s,
        .jobs = interval->jobs,
        .late_jobs = interval->late_jobs,
        .computed_s = interval->computed_s,
        .late_s = interval->late_s,
        .worst_s = interval->worst_s,
    };
    return told(record, recorder_compute_sample(record->recorder, &sample));
}

static int on_checkpoint(void *user, uint32_t episode, struct policy *policy)
{
    struct run_record *record = user;
    (void) episode;                  /* its row comes next */
    assert(!record->has_checkpoint); /* the one before has been written with its episode */
    buf_clear(&record->weights);
    buf_clear(&record->learner);
    buf_clear(&record->transitions);
    bool resumable = record->checkpoint_every > 0;
    record->has_updates = policy->kind->updates != NULL;
    record->updates = record->has_updates ? policy->kind->updates(policy) : 0;
    int rc = policy->kind->save(policy, false, &record->weights);
    if (rc == 0 && resumable)
        rc = policy->kind->save(policy, true, &record->learner);
    record->experience = (struct policy_experience){0};
    if (rc == 0 && resumable && policy->kind->gather != NULL)
        rc = policy->kind->gather(policy, &record->experience, &record->transitions);
    record->has_checkpoint = rc == 0;
    return told(record, rc);
}

struct session_sink run_record_sink(struct run_record *record)
{
    return (struct session_sink){
        .tasks = on_tasks,
        .episode = on_episode,
        .event = on_event,
        .checkpoint = on_checkpoint,
        .link = on_link,
        .loop = on_loop,
        .answers = on_answers,
        .jobs = on_jobs,
        .user = record,
    };
}

void run_record_judge(struct run_record *record, const struct session_result *result)
{
    if (!result->untrusted)
        return;
    (void) snprintf(record->untrusted_reason, sizeof record->untrusted_reason, "%s",
                    result->untrusted_reason); /* as long as its source */
    log_warn("run", "this run is not to be trusted: %s", record->untrusted_reason);
}

int run_record_close(struct run_record *record, enum db_run_status status, struct recorder_stats *ret_stats,
                     struct diag *diag)
{
    const char *reason = record->untrusted_reason[0] != '\0' ? record->untrusted_reason : NULL;
    int rc = recorder_close(record->recorder, status, reason == NULL, reason, ret_stats, diag);
    buf_finish(&record->weights);
    buf_finish(&record->learner);
    buf_finish(&record->transitions);
    free(record->answer);
    record->answer = NULL;
    record->answer_capacity = 0;
    record->recorder = NULL;
    return rc;
}
