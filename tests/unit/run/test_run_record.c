/* What a session says is in the file: rows bit for bit, checkpoints with their episode and never before it, and what
 * the run row says of status and trust in the end. */
#include "orchestrator/run/run_record.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "db/experiment_file.h"
#include "orchestrator/host/host_memory.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/setup/recorded_run.h"
#include "tests/lib/scratch.h"
#include "tests/unit/run/small_run.h"

#define TASKS_MAX 64u

/* How the policies of the small run are set. */
static const struct settings *small_settings(void)
{
    static struct settings settings;
    struct world world = small_run_world(&settings);
    world_finish(&world);
    return &settings;
}

static struct run_record_row make_row(const struct scratch *s)
{
    return (struct run_record_row){
        .settings = small_settings(),
        .path = s->file,
        .kind = DB_RUN_TRAIN,
        .policy = "greedy",
        .checkpoint_episode = -1,
        .host = "memory",
        .phase = RNG_TRAIN,
        .episodes = 5,
        .slots = 10,
        .checkpoint_every = 2,
    };
}

static void open_record(struct run_record *record, const struct run_record_row *row)
{
    struct settings settings;
    struct world world = small_run_world(&settings);
    static struct diag diag;
    diag = (struct diag){{0}};
    if (run_record_open(record, &world, row, NULL, NULL, &diag) != 0)
        fail_msg("%s", diag.text);
    world_finish(&world);
}

static void close_record(struct run_record *record)
{
    struct diag diag = {{0}};
    if (run_record_close(record, DB_FINISHED, NULL, &diag) != 0)
        fail_msg("%s", diag.text);
}

/* ---- tasks ---- */

/* The record's sink, and the rows that went through it. */
struct tee {
    struct session_sink sink;
    struct db_task task[TASKS_MAX];
    size_t tasks, compared;
};

static int tee_tasks(void *user, const struct db_task *task, size_t count)
{
    struct tee *tee = user;
    assert_true(tee->tasks + count <= TASKS_MAX);
    memcpy(tee->task + tee->tasks, task, count * sizeof *task);
    tee->tasks += count;
    return tee->sink.tasks(tee->sink.user, task, count);
}

static int tee_episode(void *user, const struct db_episode *episode)
{
    struct tee *tee = user;
    return tee->sink.episode(tee->sink.user, episode);
}

/* The same bits; zeros of either sign are the same to SQLite. */
static void same_bits(double value, double expected, const char *column)
{
    if (memcmp(&value, &expected, sizeof value) != 0 && !(value == 0.0 && expected == 0.0))
        fail_msg("%s: %.17g, expected %.17g", column, value, expected);
}

static int compare_task(void *user, const struct db_task *row)
{
    struct tee *tee = user;
    assert_true(tee->compared < tee->tasks);
    const struct db_task *said = &tee->task[tee->compared++];
#define SAME_WHOLE(column) assert_int_equal(row->column, said->column)
#define SAME_SERVER(column) SAME_WHOLE(column)
#define SAME_FLAG(column) SAME_WHOLE(column)
#define SAME_STATUS(column) SAME_WHOLE(column)
#define SAME_REAL(column) same_bits(row->column, said->column, #column)
#define TASK(name, kind, unit, role, meaning) SAME_##kind(name);
#include "db/task.def"
    return 0;
}

static void play_greedy(const struct world *world, struct tee *tee)
{
    const struct policy_kind *kind = NULL;
    struct policy policy;
    struct session_result result;
    struct diag diag = {{0}};
    assert_int_equal(catalog_find("greedy", &kind, NULL), 0);
    const struct policy_options options = full_options(world, small_settings(), false);
    assert_int_equal(policy_create(&policy, kind, &options, NULL), 0);
    struct session session = {
        .world = world,
        .policy = &policy,
        .phase = RNG_TRAIN,
        .episodes = 2,
        .slots = 10,
        .record_tasks = true,
    };
    session_sinks_add(&session.sinks,
                      (struct session_sink){.tasks = tee_tasks, .episode = tee_episode, .user = tee});
    if (host_memory_run(&session, &result, &diag) != 0)
        fail_msg("%s", diag.text);
    policy_destroy(&policy);
}

static void what_a_session_says_of_its_tasks_is_in_the_file_bit_for_bit(void **state)
{
    const struct scratch *s = *state;
    struct settings settings;
    struct world world = small_run_world(&settings);
    const struct run_record_row row = make_row(s);
    struct run_record record;
    struct tee tee = {.tasks = 0};
    struct experiment_file file;
    open_record(&record, &row);
    tee.sink = run_record_sink(&record);
    play_greedy(&world, &tee);
    close_record(&record);
    assert_int_equal(tee.tasks, 2 * 10 * 2);
    assert_int_equal(experiment_file_open(&file, s->file, DB_READ, NULL), 0);
    assert_int_equal(store_each_task(file.store, record.run_id, compare_task, &tee, NULL), 0);
    assert_int_equal(tee.compared, tee.tasks);
    assert_int_equal(experiment_file_close(&file, NULL), 0);
    scratch_expect(s->file, "SELECT group_concat(episode), sum(tasks), min(slots) FROM episode", "0,1|40|10");
    world_finish(&world);
}

/* ---- the run and its nodes ---- */

static const char *const server_address[] = {"server:0", "server:1"};

static const char *address(const void *user, bool is_server, uint32_t number)
{
    const char *const *of_server = user;
    return is_server ? of_server[number] : NULL;
}

static void the_run_row_says_how_it_was_driven(void **state)
{
    const struct scratch *s = *state;
    const struct run_record_row row = make_row(s);
    struct run_record record;
    open_record(&record, &row);
    scratch_expect(s->file,
                   "SELECT run_id, kind, scenario_name, seed, policy, policy_sees, phase, host, clock, mode,"
                   " time_scale, status, trusted, parent_run_id, checkpoint_episode FROM run",
                   "1|train|dapo|5|greedy|model|train|memory|virtual|round|1.0|running|1|NULL|NULL");
    scratch_expect(s->file,
                   "SELECT config_json ->> 'host', config_json ->> 'devices', config_json ->> 'servers',"
                   " config_json ->> 'episodes', config_json ->> 'slots',"
                   " config_json ->> 'program' = version FROM run",
                   "memory|2|2|5|10|1");
    close_record(&record);
    scratch_expect(s->file, "SELECT status FROM run", "finished");
}

static void a_run_that_belongs_to_another_says_so(void **state)
{
    const struct scratch *s = *state;
    struct run_record_row row = make_row(s);
    struct run_record record;
    open_record(&record, &row);
    close_record(&record);
    row.kind = DB_RUN_TEST;
    row.phase = RNG_TEST;
    row.parent_run_id = record.run_id;
    row.checkpoint_episode = 3;
    row.policy = "house-made"; /* not in the table: what it sees is left open */
    open_record(&record, &row);
    close_record(&record);
    scratch_expect(s->file,
                   "SELECT kind, phase, parent_run_id, checkpoint_episode, policy, policy_sees FROM run "
                   "WHERE run_id = 2",
                   "test|test|1|3|house-made|NULL");
}

static void the_clock_is_real_over_tcp_alone(void **state)
{
    const struct scratch *s = *state;
    struct settings settings;
    struct world world = small_run_world(&settings);
    struct run_record_row row = make_row(s);
    struct run_record record;
    world.scenario.run.clock = CLOCK_REAL;
    world.scenario.run.time_scale = 4.0;
    assert_int_equal(run_record_open(&record, &world, &row, NULL, NULL, NULL), 0);
    close_record(&record);
    row.host = "tcp";
    assert_int_equal(run_record_open(&record, &world, &row, NULL, NULL, NULL), 0);
    close_record(&record);
    scratch_expect(s->file, "SELECT host, clock, time_scale FROM run", "memory|virtual|1.0\ntcp|real|4.0");
    world_finish(&world);
}

static void nodes_are_recorded_with_where_they_are(void **state)
{
    const struct scratch *s = *state;
    const struct run_record_row row = make_row(s);
    struct settings settings;
    struct world world = small_run_world(&settings);
    struct run_record record;
    char text[256];
    world.device[1].has_home = true;
    world.device[1].home = (struct vec2){12.5, 8.0};
    world.server[0].memory_bytes = 64.0;
    assert_int_equal(run_record_open(&record, &world, &row, address, server_address, NULL), 0);
    close_record(&record);
    scratch_expect(s->file, "SELECT role, number, x_m, y_m, memory_bytes, address FROM node",
                   "device|0|NULL|NULL|NULL|NULL\ndevice|1|12.5|8.0|NULL|NULL\n"
                   "server|0|250.0|250.0|64.0|server:0\nserver|1|750.0|250.0|NULL|server:1");
    (void) snprintf(text, sizeof text, "%u\n%u\nNULL\nNULL", world.device[0].max_split,
                    world.device[1].max_split);
    scratch_expect(s->file, "SELECT max_split FROM node", text);
    world_finish(&world);
}

static void push_track(struct tracks *tracks, enum track_kind kind, double value)
{
    struct track track;
    assert_int_equal(track_init(&track, kind, 2, 30.0), 0);
    track.start_s[1] = 10.0;
    for (uint32_t i = 0; i < 2 * track_width(kind); i++)
        track.value[i] = kind == TRACK_PLACE && i % 4 == TRACK_CELL ? i : value + i;
    assert_int_equal(tracks_push(tracks, &track), 0);
}

/* What a world may have beside nodes: homes, memory, requests, traces. */
static struct world furnished_world(void)
{
    struct settings settings;
    struct world world = small_run_world(&settings);
    world.device[0].has_home = true;
    world.device[0].home = (struct vec2){1.0 / 3.0, 2.0 / 3.0};
    world.device[1].max_split = 7;
    world.server[1].memory_bytes = 1e9 / 7.0;
    world.token_rows = 3;
    world.tokens = calloc((size_t) world.devices * 3, sizeof *world.tokens);
    assert_non_null(world.tokens);
    for (uint32_t i = 0; i < world.devices * 3; i++)
        world.tokens[i] = 100 + i;
    push_track(&world.rate_tracks, TRACK_RATE, 1e6 / 3.0);
    push_track(&world.rate_tracks, TRACK_RATE, 2e6 / 3.0);
    push_track(&world.place_tracks, TRACK_PLACE, 1.0 / 7.0);
    return world;
}

static void expect_tracks(const struct tracks *tracks, const struct tracks *expected)
{
    assert_int_equal(tracks->count, expected->count);
    for (uint32_t i = 0; i < tracks->count; i++) {
        struct buf bytes = {0}, expected_bytes = {0};
        assert_int_equal(track_pack(&tracks->track[i], &bytes), 0);
        assert_int_equal(track_pack(&expected->track[i], &expected_bytes), 0);
        assert_int_equal(bytes.size, expected_bytes.size);
        assert_memory_equal(bytes.data, expected_bytes.data, bytes.size);
        buf_finish(&bytes);
        buf_finish(&expected_bytes);
    }
}

static void expect_scenario(const struct full_scenario *full, const struct full_scenario *expected)
{
    struct buf text = {0}, expected_text = {0};
    assert_int_equal(full_scenario_print(full, &text), 0);
    assert_int_equal(full_scenario_print(expected, &expected_text), 0);
    assert_int_equal(text.size, expected_text.size);
    assert_memory_equal(text.data, expected_text.data, text.size);
    buf_finish(&text);
    buf_finish(&expected_text);
}

static void expect_world(const struct world *world, const struct world *expected)
{
    assert_true(world->seed == expected->seed);
    assert_memory_equal(world->llm, expected->llm, sizeof *world->llm);
    assert_int_equal(world->devices, expected->devices);
    assert_int_equal(world->servers, expected->servers);
    for (uint32_t n = 0; n < world->devices; n++) {
        const struct device_params *device = &world->device[n], *as = &expected->device[n];
        assert_same(device->flops, as->flops);
        assert_same(device->power_w, as->power_w);
        assert_same(device->transmit_power_w, as->transmit_power_w);
        assert_int_equal(device->max_split, as->max_split);
        assert_int_equal(device->has_home, as->has_home);
        assert_same(device->home.x, as->home.x);
        assert_same(device->home.y, as->home.y);
    }
    for (uint32_t m = 0; m < world->servers; m++) {
        const struct server_params *server = &world->server[m], *as = &expected->server[m];
        assert_same(server->position.x, as->position.x);
        assert_same(server->position.y, as->position.y);
        assert_same(server->flops, as->flops);
        assert_same(server->power_w, as->power_w);
        assert_same(server->memory_bytes, as->memory_bytes);
    }
    assert_int_equal(world->token_rows, expected->token_rows);
    assert_memory_equal(world->tokens, expected->tokens,
                        (size_t) world->devices * world->token_rows * sizeof *world->tokens);
    expect_tracks(&world->rate_tracks, &expected->rate_tracks);
    expect_tracks(&world->place_tracks, &expected->place_tracks);
}

static void a_recorded_world_reads_back_as_it_was_drawn(void **state)
{
    const struct scratch *s = *state;
    const struct run_record_row row = make_row(s);
    struct world world = furnished_world();
    struct run_record record;
    struct recorded_run recorded;
    struct experiment_file file;
    struct diag diag = {{0}};
    assert_int_equal(run_record_open(&record, &world, &row, NULL, NULL, &diag), 0);
    close_record(&record);
    assert_int_equal(experiment_file_open(&file, s->file, DB_READ, NULL), 0);
    if (recorded_run_read(&recorded, file.store, record.run_id, &diag) != 0)
        fail_msg("%s", diag.text);
    assert_int_equal(experiment_file_close(&file, NULL), 0);
    assert_int_equal(recorded.episodes, row.episodes);
    assert_int_equal(recorded.slots, row.slots);
    expect_scenario(&(struct full_scenario){recorded.world.scenario, recorded.settings},
                    &(struct full_scenario){world.scenario, *small_settings()});
    expect_world(&recorded.world, &world);
    recorded_run_finish(&recorded);
    world_finish(&world);
}

/* ---- checkpoints ---- */

static int save(const struct policy *policy, bool full, struct buf *bytes)
{
    (void) policy;
    return buf_printf(bytes, full ? "everything" : "weights");
}

static struct policy_experience lived; /* since the checkpoint before */

static int gather(struct policy *policy, struct policy_experience *ret_experience, struct buf *bytes)
{
    (void) policy;
    *ret_experience = lived;
    return buf_printf(bytes, "lived");
}

static const struct policy_kind learner_kind = {.name = "learner", .save = save, .gather = gather};
static struct policy learner = {.kind = &learner_kind};

/* A checkpoint and the row of its episode. */
static void end_episode(struct session_sink *sink, uint32_t episode, uint32_t slots)
{
    struct db_episode row = scratch_episode(episode);
    row.slots = slots;
    assert_int_equal(sink->checkpoint(sink->user, episode, &learner), 0);
    assert_int_equal(sink->episode(sink->user, &row), 0);
}

static void a_checkpoint_comes_with_the_row_of_its_episode(void **state)
{
    const struct scratch *s = *state;
    const struct run_record_row row = make_row(s);
    struct run_record record;
    struct db_episode without = scratch_episode(0);
    open_record(&record, &row);
    struct session_sink sink = run_record_sink(&record);
    assert_int_equal(sink.episode(sink.user, &without), 0);
    end_episode(&sink, 1, 10);
    end_episode(&sink, 3, 10);
    without.episode = 2;
    assert_int_equal(sink.episode(sink.user, &without), 0);
    close_record(&record);
    scratch_expect(s->file, "SELECT group_concat(episode) FROM episode", "0,1,2,3");
    scratch_expect(
        s->file,
        "SELECT episode, cast(weights AS TEXT), cast(learner AS TEXT), validation_cost FROM checkpoint",
        "1|weights|NULL|NULL\n3|weights|everything|NULL"); /* the last learner alone */
}

static void a_checkpoint_whose_episode_never_ends_is_not_recorded(void **state)
{
    const struct scratch *s = *state;
    const struct run_record_row row = make_row(s);
    struct run_record record;
    open_record(&record, &row);
    struct session_sink sink = run_record_sink(&record);
    assert_int_equal(sink.checkpoint(sink.user, 1, &learner), 0);
    close_record(&record);
    scratch_expect(s->file, "SELECT count(*) FROM checkpoint", "0");
}

static void a_run_can_go_on_from_its_milestones_alone(void **state)
{
    static const struct {
        uint32_t every, episode, slots;
        const char *kept; /* of the learner */
    } end[] = {
        {2, 0, 10, "NULL"},       /* between two */
        {2, 1, 10, "everything"}, /* one of them */
        {2, 1, 9, "NULL"},        /* one of them, but cut short */
        {2, 3, 10, "everything"}, /* another */
        {2, 4, 10, "everything"}, /* the last of all */
        {2, 4, 1, "NULL"},        /* the last of all, but cut short */
        {0, 4, 10, "NULL"},       /* nobody wants to go on */
        {1, 2, 10, "everything"}, /* every one is */
    };
    const struct scratch *s = *state;
    for (size_t i = 0; i < sizeof end / sizeof *end; i++) {
        struct run_record_row row = make_row(s);
        struct run_record record;
        char sql[256], expected[64];
        row.checkpoint_every = end[i].every;
        open_record(&record, &row);
        struct session_sink sink = run_record_sink(&record);
        lived = (struct policy_experience){.first = 7, .count = 3, .oldest = 2};
        end_episode(&sink, end[i].episode, end[i].slots);
        assert_int_equal(run_record_close(&record, DB_ABORTED, NULL, NULL), 0);
        (void) snprintf(
            sql, sizeof sql,
            "SELECT cast(weights AS TEXT), cast(learner AS TEXT), (SELECT count(*) FROM experience AS e"
            " WHERE e.run_id = c.run_id) FROM checkpoint AS c WHERE run_id = %d",
            (int) record.run_id);
        (void) snprintf(expected, sizeof expected, "weights|%s|%d", end[i].kept, end[i].kept[0] == 'e');
        scratch_expect(s->file, sql, expected);
    }
}

static void what_a_learner_lived_through_is_kept_while_it_needs_it(void **state)
{
    const struct scratch *s = *state;
    const struct run_record_row row = make_row(s);
    struct run_record record;
    open_record(&record, &row);
    struct session_sink sink = run_record_sink(&record);
    lived = (struct policy_experience){.first = 0, .count = 4, .oldest = 0};
    end_episode(&sink, 1, 10);
    lived = (struct policy_experience){.first = 4, .count = 3, .oldest = 4};
    end_episode(&sink, 3, 10);
    lived = (struct policy_experience){.first = 7, .count = 0, .oldest = 4}; /* nothing since */
    end_episode(&sink, 4, 10);
    assert_int_equal(run_record_close(&record, DB_ABORTED, NULL, NULL), 0);
    scratch_expect(
        s->file,
        "SELECT episode, first_transition, transition_count, cast(transitions AS TEXT) FROM experience",
        "3|4|3|lived");
}

/* ---- events and samples ---- */

static void events_and_samples_are_in_the_file(void **state)
{
    const struct scratch *s = *state;
    const struct run_record_row row = make_row(s);
    struct run_record record;
    const struct audit_link up = {
        .device = 1, .server = 0, .start_s = 2.0, .duration_s = 0.5, .set_bps = 8.0, .achieved_bps = 4.0};
    const struct audit_link down = {.device = 1,
                                    .server = 0,
                                    .down = true,
                                    .start_s = 3.0,
                                    .duration_s = 0.5,
                                    .set_bps = 8.0,
                                    .achieved_bps = 8.0};
    const struct audit_loop own = {.role = "orchestrator",
                                   .number = 0,
                                   .start_s = 1.0,
                                   .duration_s = 2.0,
                                   .lag_max_s = 0.5,
                                   .lag_mean_s = 0.25};
    const struct audit_loop node = {.role = "device",
                                    .number = 1,
                                    .start_s = 1.5,
                                    .duration_s = 2.0,
                                    .lag_max_s = 0.5,
                                    .lag_mean_s = 0.25};
    struct db_event event = scratch_event(DB_EVENT_NODE_LOST);
    event.episode = 1;
    event.slot = 2;
    event.phase = DB_PHASE_EXECUTE;
    event.role = DB_ROLE_DEVICE;
    event.number = 1;
    event.detail = "gone";
    open_record(&record, &row);
    struct session_sink sink = run_record_sink(&record);
    assert_int_equal(sink.event(sink.user, &event), 0);
    assert_int_equal(sink.link(sink.user, &up), 0);
    record.offset_s = 100.0; /* as in a run that goes on */
    assert_int_equal(sink.link(sink.user, &down), 0);
    assert_int_equal(sink.loop(sink.user, &own), 0);
    assert_int_equal(sink.loop(sink.user, &node), 0);
    close_record(&record);
    scratch_expect(s->file, "SELECT episode, slot, phase, kind, role, number, detail FROM event",
                   "1|2|execute|node_lost|device|1|gone");
    scratch_expect(s->file,
                   "SELECT device, server, direction, start_s, duration_s, set_bps, achieved_bps FROM "
                   "link_sample ORDER BY start_s",
                   "1|0|up|2.0|0.5|8.0|4.0\n1|0|down|103.0|0.5|8.0|8.0");
    scratch_expect(s->file,
                   "SELECT role, number, start_s, duration_s, lag_max_s, lag_mean_s FROM process_sample "
                   "ORDER BY start_s",
                   "orchestrator|NULL|101.0|2.0|0.5|0.25\ndevice|1|101.5|2.0|0.5|0.25");
}

/* ---- the end ---- */

static void status_and_trust_are_said_at_the_end(void **state)
{
    const struct scratch *s = *state;
    const struct run_record_row row = make_row(s);
    struct run_record record;
    const struct session_result good = {.untrusted_reason = "not to be read"};
    const struct session_result bad = {.untrusted = true, .untrusted_reason = "links were slow"};
    open_record(&record, &row);
    run_record_judge(&record, &good);
    assert_int_equal(run_record_close(&record, DB_ABORTED, NULL, NULL), 0);
    open_record(&record, &row);
    run_record_judge(&record, &bad);
    assert_int_equal(run_record_close(&record, DB_FINISHED, NULL, NULL), 0);
    scratch_expect(s->file, "SELECT status, trusted, untrusted_reason FROM run",
                   "aborted|1|NULL\nfinished|0|links were slow");
}

static void a_run_that_goes_on_keeps_its_number_and_its_mistrust(void **state)
{
    const struct scratch *s = *state;
    struct run_record_row row = make_row(s);
    struct run_record record;
    struct run_record_resumed resumed = {.rewind = {.after_episode = 1, .config_json = "{\"again\":1}"},
                                         .elapsed_s = 7.5,
                                         .untrusted_reason = "it was late"};
    open_record(&record, &row);
    struct session_sink sink = run_record_sink(&record);
    for (uint32_t e = 0; e < 3; e++)
        end_episode(&sink, e, 10);
    assert_int_equal(run_record_close(&record, DB_ABORTED, NULL, NULL), 0);
    resumed.rewind.run_id = record.run_id;
    assert_int_equal(run_record_resume(&record, &row, &resumed, NULL), 0);
    assert_int_equal(record.run_id, resumed.rewind.run_id);
    assert_same(record.offset_s, 7.5);
    scratch_expect(s->file, "SELECT status, config_json FROM run", "running|{\"again\":1}");
    scratch_expect(s->file, "SELECT group_concat(episode) FROM episode", "0,1");
    sink = run_record_sink(&record);
    end_episode(&sink, 2, 10);
    end_episode(&sink, 3, 10); /* every other one is a milestone, as before */
    assert_int_equal(run_record_close(&record, DB_ABORTED, NULL, NULL), 0);
    scratch_expect(s->file, "SELECT trusted, untrusted_reason FROM run", "0|it was late");
    scratch_expect(s->file, "SELECT max(episode) FROM checkpoint WHERE learner IS NOT NULL", "3");
    resumed.untrusted_reason = NULL; /* nobody has said why */
    assert_int_equal(run_record_resume(&record, &row, &resumed, NULL), 0);
    close_record(&record);
    scratch_expect(s->file, "SELECT trusted, untrusted_reason FROM run", "0|before it was resumed");
}

static void a_path_that_cannot_be_written_is_named(void **state)
{
    const struct scratch *s = *state;
    struct run_record_row row = make_row(s);
    struct settings settings;
    struct world world = small_run_world(&settings);
    struct run_record record;
    struct diag diag = {{0}};
    char path[SCRATCH_PATH];
    scratch_path(s, "nowhere/results.db", path);
    row.path = path;
    assert_int_not_equal(run_record_open(&record, &world, &row, NULL, NULL, &diag), 0);
    if (strstr(diag.text, path) == NULL)
        fail_msg("'%s' does not name %s", diag.text, path);
    assert_int_equal(run_record_close(&record, DB_FINISHED, NULL, NULL), 0); /* there is nothing to close */
    world_finish(&world);
}

static void what_cannot_be_recorded_ends_the_session_and_is_said(void **state)
{
    const struct scratch *s = *state;
    const struct run_record_row row = make_row(s);
    struct run_record record;
    struct db_episode episode = scratch_episode(0);
    struct diag diag = {{0}};
    open_record(&record, &row);
    record.diag = &diag;
    struct session_sink sink = run_record_sink(&record);
    int rc = 0;
    while (rc == 0) /* the second is one too many; the recorder says so as soon as its thread knows */
        rc = sink.episode(sink.user, &episode);
    if (strstr(diag.text, s->file) == NULL || strstr(diag.text, "cannot record an episode: UNIQUE") == NULL)
        fail_msg("'%s'", diag.text);
    assert_int_equal(run_record_close(&record, DB_FINISHED, NULL, NULL), rc);
    scratch_expect(s->file, "SELECT status, trusted FROM run", "aborted|0");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        TEST(what_a_session_says_of_its_tasks_is_in_the_file_bit_for_bit),
        TEST(the_run_row_says_how_it_was_driven),
        TEST(a_run_that_belongs_to_another_says_so),
        TEST(the_clock_is_real_over_tcp_alone),
        TEST(nodes_are_recorded_with_where_they_are),
        TEST(a_recorded_world_reads_back_as_it_was_drawn),
        TEST(a_checkpoint_comes_with_the_row_of_its_episode),
        TEST(a_checkpoint_whose_episode_never_ends_is_not_recorded),
        TEST(a_run_can_go_on_from_its_milestones_alone),
        TEST(what_a_learner_lived_through_is_kept_while_it_needs_it),
        TEST(events_and_samples_are_in_the_file),
        TEST(status_and_trust_are_said_at_the_end),
        TEST(a_run_that_goes_on_keeps_its_number_and_its_mistrust),
        TEST(a_path_that_cannot_be_written_is_named),
        TEST(what_cannot_be_recorded_ends_the_session_and_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
