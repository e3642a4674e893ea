#include "orchestrator/setup/world_setup.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "orchestrator/policy/catalog/full_scenario.h"
#include "orchestrator/setup/model_file.h"

int world_setup_draw(struct world *ret_world, const struct scenario *scenario, uint64_t seed,
                     struct diag *diag)
{
    struct scenario effective = *scenario;
    effective.run.seed = seed;
    struct dataset *data = NULL;
    int rc = dataset_is_named(scenario) ? dataset_load(&data, &effective, diag) : 0;
    if (rc == 0)
        rc = world_init(ret_world, &effective, data, diag);
    dataset_destroy(data);
    if (rc != 0)
        return rc;
    rc = model_file_prompt(ret_world, diag);
    if (rc != 0)
        world_finish(ret_world);
    return rc;
}

struct node_rows {
    struct world *world;
    uint32_t devices, servers; /* rows so far; they come in order of number, devices first */
    struct diag *diag;
};

static int take_requests(struct world *world, const struct db_node *node, struct diag *diag)
{
    assert(node->number < world->devices);
    if (node->number == 0) {
        assert(world->tokens == NULL);
        world->tokens = calloc((size_t) world->devices * node->request_count, sizeof *world->tokens);
        world->token_rows = (uint32_t) node->request_count;
    }
    if (world->tokens == NULL || node->request_count != world->token_rows)
        return diag_fail(diag, ERR_CORRUPT, "node rows: the devices' requests do not fit together");
    memcpy(world->tokens + (size_t) node->number * world->token_rows, node->requests,
           node->request_count * sizeof *node->requests);
    return 0;
}

/* Trace i is in device i's row: one more of those that come first. */
static int take_trace(struct tracks *tracks, enum track_kind kind, uint32_t device, const void *bytes,
                      size_t size, struct diag *diag)
{
    struct track track;
    if (bytes == NULL)
        return 0;
    if (device != tracks->count)
        return diag_fail(diag, ERR_CORRUPT, "node rows: device %u has a trace, and one before it has none",
                         device);
    int rc = track_unpack(&track, kind, bytes, size, diag);
    if (rc == 0 && (rc = tracks_push(tracks, &track)) != 0)
        track_finish(&track);
    assert(rc != 0 || tracks->count == device + 1);
    return rc;
}

static int take_node(void *user, const struct db_node *node)
{
    struct node_rows *rows = user;
    struct world *world = rows->world;
    assert(rows->devices <= world->devices && rows->servers <= world->servers);
    uint32_t *next = node->is_server ? &rows->servers : &rows->devices;
    if (node->number != *next || node->number >= (node->is_server ? world->servers : world->devices))
        return diag_fail(rows->diag, ERR_CORRUPT, "node rows: %s %u is out of place",
                         node->is_server ? "server" : "device", node->number);
    if (!node->is_server && node->max_split > (int64_t) world->llm->layers)
        return diag_fail(rows->diag, ERR_CORRUPT, "node rows: device %u holds more layers than %s has",
                         node->number, world->llm->name);
    ++*next;
    struct vec2 place = {isnan(node->x_m) ? 0.0 : node->x_m, isnan(node->y_m) ? 0.0 : node->y_m};
    if (node->is_server) {
        world_tell_server(world, node->number, place, node->flops, node->power_w,
                          isnan(node->memory_bytes) ? 0.0 : node->memory_bytes);
        return 0;
    }
    world->device[node->number] = (struct device_params){
        .flops = node->flops,
        .power_w = node->power_w,
        .transmit_power_w = node->transmit_power_w,
        .max_split = node->max_split < 0 ? world->llm->layers : (uint32_t) node->max_split,
        .has_home = !isnan(node->x_m),
        .home = place,
    };
    int rc = take_trace(&world->rate_tracks, TRACK_RATE, node->number, node->rate_trace,
                        node->rate_trace_size, rows->diag);
    if (rc == 0)
        rc = take_trace(&world->place_tracks, TRACK_PLACE, node->number, node->place_trace,
                        node->place_trace_size, rows->diag);
    /* All devices have requests, or none. */
    bool has_requests = node->request_count > 0 || world->tokens != NULL;
    return rc == 0 && has_requests ? take_requests(world, node, rows->diag) : rc;
}

/* The text from which its prompts were cut. */
static int read_prompt(struct world *world, struct store *store, int64_t run_id, struct diag *diag)
{
    struct buf tokens = {0}, bytes = {0};
    int rc = store_read_prompt(store, run_id, &tokens, &bytes, diag);
    if (rc == 0)
        rc = world_set_prompt(world, (const uint32_t *) (const void *) tokens.data,
                              tokens.size / sizeof(uint32_t), diag);
    if (rc == 0 && bytes.size > 0)
        rc = world_set_prompt_bytes(world, bytes.data, diag);
    buf_finish(&tokens);
    buf_finish(&bytes);
    return rc;
}

int world_setup_read(struct world *ret_world, struct settings *ret_settings, struct store *store,
                     const struct db_run *run, struct diag *diag)
{
    const struct scenario_text text = {run->scenario, strlen(run->scenario), "recorded scenario"};
    struct full_scenario full;
    struct world world = {0};
    full_scenario_defaults(&full);
    int rc = full_scenario_read(&full, &text, diag);
    full.scenario.run.seed = run->seed;
    if (rc == 0)
        rc = world_init_empty(&world, &full.scenario, (uint32_t) full.scenario.devices.count,
                              (uint32_t) full.scenario.servers.count);
    struct node_rows rows = {.world = &world, .diag = diag};
    if (rc == 0)
        rc = store_each_node(store, run->run_id, take_node, &rows, diag);
    if (rc == 0 && (rows.devices != world.devices || rows.servers != world.servers))
        rc = diag_fail(diag, ERR_CORRUPT, "run %lld: %u of %u devices and %u of %u servers are recorded",
                       (long long) run->run_id, rows.devices, world.devices, rows.servers, world.servers);
    if (rc == 0)
        rc = read_prompt(&world, store, run->run_id, diag);
    if (rc == 0) {
        *ret_world = world;
        *ret_settings = full.settings;
    } else {
        world_finish(&world);
    }
    return rc != 0 ? diag_fail(diag, rc, "run %lld: %s", (long long) run->run_id, err_text(rc)) : 0;
}
