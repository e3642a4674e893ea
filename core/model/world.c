#include "core/model/world.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/parse.h"
#include "core/base/rng.h"
#include "core/base/units.h"
#include "core/model/cost.h"
#include "core/model/dataset.h"
#include "core/model/faults.h"
#include "core/model/layer_times.h"
#include "core/model/llm_keys.h"
#include "core/model/quality.h"

/* Real requests of one device: as many as one REQUESTS message carries, and more than an episode is long. */
#define TOKEN_ROWS_MAX 8192u

/* Where servers stand as parts of the area, for up to five of them (house layout, docs/model.md). */
static const struct vec2 layout[] = {{0.25, 0.25}, {0.75, 0.25}, {0.5, 0.75}, {0.75, 0.75}, {0.25, 0.75}};

#define LAYOUT_COUNT (sizeof layout / sizeof *layout)

_Static_assert(WORLD_DEVICES_MAX + WORLD_SERVERS_MAX <= 1u << 20, "each node is an entity of rng_at");

/* Index of a node's draws under RNG_PARAMETERS. */
enum parameter_draw { DRAW_SPEED = 0, DRAW_SITE = 1 };

static int read_times(struct world *world)
{
    if (world->scenario.model.times[0] == '\0')
        return 0;
    world->times = malloc(sizeof *world->times);
    return world->times != NULL ? layer_times_read(world->times, world->scenario.model.times, NULL) : -ENOMEM;
}

static int read_quality(struct world *world)
{
    if (world->scenario.quality.source == QUALITY_NONE || world->scenario.quality.table[0] == '\0')
        return 0;
    world->quality = malloc(sizeof *world->quality);
    if (world->quality == NULL)
        return -ENOMEM;
    int rc = quality_table_read(world->quality, world->scenario.quality.table, NULL);
    return rc != 0 ? rc : quality_formats_read(world->format_quality, world->scenario.quality.formats, NULL);
}

void world_tell_server(struct world *world, uint32_t server, struct vec2 position, double flops,
                       double power_w, double memory_bytes)
{
    assert(server < world->servers);
    world->server[server].position = position;
    world->server[server].flops = flops;
    world->server[server].power_w = power_w;
    world->server[server].memory_bytes = memory_bytes;
}

static struct server_params server_of_tier(const struct scenario *scenario, uint32_t server)
{
    uint32_t tier = tiers_of(scenario, server);
    struct server_params params = {
        .tier = tier,
        .bandwidth_mhz = tiers_bandwidth_mhz(scenario, tier),
        .coverage_m = tiers_coverage_m(scenario, tier),
        .wan = tiers_wan(scenario, tier),
        .full_share = tiers_full_share(scenario, tier),
    };
    for (uint32_t class = 0; class < CLASSES_MOST; class ++)
        params.answer[class] = tiers_answer(scenario, tier, class);
    return params;
}

int world_init_empty(struct world *ret_world, const struct scenario *scenario, uint32_t devices,
                     uint32_t servers)
{
    struct world world = {
        .scenario = *scenario, .devices = devices, .servers = servers, .seed = scenario->run.seed};
    if (devices < 1 || devices > WORLD_DEVICES_MAX || servers < 1 || servers > WORLD_SERVERS_MAX)
        return ERR_RANGE;
    if (scenario->tiers_count > 0 && tiers_servers(scenario) != servers)
        return ERR_RANGE;
    world.scenario.devices.count = devices;
    world.scenario.servers.count = servers;
    world.llm = calloc(1, sizeof *world.llm);
    world.device = calloc(devices, sizeof *world.device);
    world.server = calloc(servers, sizeof *world.server);
    int rc = world.llm != NULL && world.device != NULL && world.server != NULL ? 0 : -ENOMEM;
    if (rc == 0)
        rc = llm_keys_read(scenario, world.llm, NULL);
    if (rc == 0)
        rc = read_times(&world);
    if (rc == 0)
        rc = read_quality(&world);
    if (rc == 0)
        rc = coding_read_all(&world.codings, scenario, world.llm->hidden, NULL);
    if (rc != 0) {
        world_finish(&world);
        return rc;
    }
    classes_read(&world.classes, scenario);
    world.levels = (uint32_t) parse_real_list(scenario->reserve.levels, world.level, WORLD_LEVELS_MAX);
    assert(world.levels >= 1 && world.levels <= WORLD_LEVELS_MAX); /* scenario_check */
    for (uint32_t n = 0; n < devices; n++)
        world.device[n].max_split = world.llm->layers;
    for (uint32_t m = 0; m < servers; m++)
        world.server[m] = server_of_tier(&world.scenario, m);
    rc = faults_create(&world.faults, &world.scenario, devices, servers, world.seed, NULL);
    if (rc != 0) {
        world_finish(&world);
        return rc;
    }
    *ret_world = world;
    return 0;
}

void world_finish(struct world *world)
{
    if (world == NULL)
        return;
    free(world->llm);
    free(world->times);
    free(world->quality);
    quality_formats_free(world->format_quality);
    free(world->device);
    free(world->server);
    free(world->tokens);
    free(world->prompt);
    free(world->prompt_bytes);
    faults_destroy(world->faults);
    tracks_finish(&world->rate_tracks);
    tracks_finish(&world->place_tracks);
    *world = (struct world){0};
}

static int check_prompt(const struct world *world, const uint32_t *token, size_t tokens, struct diag *diag)
{
    if (tokens > WORLD_PROMPT_MAX)
        return diag_fail(diag, ERR_TOO_BIG, "compute.text: %zu tokens are too many, allowed at most %u",
                         tokens, WORLD_PROMPT_MAX);
    for (size_t i = 0; i < tokens; i++)
        if (token[i] >= world->llm->vocab)
            return diag_fail(
                diag, ERR_RANGE,
                "compute.text: its token %zu is %u, and the vocabulary of %s has %u: the tokenizer is "
                "of another model",
                i, token[i], world->llm->name, world->llm->vocab);
    return 0;
}

int world_set_prompt(struct world *world, const uint32_t *token, size_t tokens, struct diag *diag)
{
    uint32_t *prompt = NULL;
    int rc = check_prompt(world, token, tokens, diag);
    if (rc != 0)
        return rc;
    if (tokens > 0) {
        prompt = malloc(tokens * sizeof *prompt);
        if (prompt == NULL)
            return diag_fail(diag, -ENOMEM, "compute.text: out of memory");
        memcpy(prompt, token, tokens * sizeof *prompt);
    }
    free(world->prompt);
    free(world->prompt_bytes);
    world->prompt = prompt;
    world->prompt_tokens = (uint32_t) tokens;
    world->prompt_bytes = NULL;
    return 0;
}

int world_set_prompt_bytes(struct world *world, const uint8_t *bytes, struct diag *diag)
{
    uint8_t *copy = NULL;
    if (bytes != NULL && world->prompt_tokens > 0) {
        copy = malloc(world->prompt_tokens);
        if (copy == NULL)
            return diag_fail(diag, -ENOMEM, "compute.text: out of memory");
        memcpy(copy, bytes, world->prompt_tokens);
    }
    free(world->prompt_bytes);
    world->prompt_bytes = copy;
    return 0;
}

double world_track_s(const struct world *world, const struct track *track, uint32_t device,
                     enum rng_phase phase, uint32_t episode, uint32_t slot)
{
    return track_offset_s(track, world->seed, phase, episode, device) + slot * world->scenario.run.slot_s;
}

static struct rng_at draws_of(const struct world *world, uint32_t entity)
{
    return (struct rng_at){
        .seed = world->seed, .phase = RNG_TRAIN, .stream = RNG_PARAMETERS, .entity = entity};
}

static struct vec2 layout_position(const struct world *world, uint32_t server)
{
    assert(server < world->servers);
    double width_m = world->scenario.area.width_m;
    double height_m = world->scenario.area.height_m;
    if (world->servers <= LAYOUT_COUNT)
        return (struct vec2){layout[server].x * width_m, layout[server].y * height_m};
    uint32_t columns = 1;
    while (columns * columns < world->servers)
        columns++;
    uint32_t lines = (world->servers + columns - 1) / columns;
    return (struct vec2){(server % columns + 0.5) * width_m / columns,
                         (server / columns + 0.5) * height_m / lines};
}

static void draw_devices(struct world *world)
{
    const struct scenario *scenario = &world->scenario;
    uint32_t max_split = llm_layers_in(world->llm, scenario->devices.memory_gb * UNITS_GB);
    for (uint32_t n = 0; n < world->devices; n++) {
        struct rng_at at = draws_of(world, n);
        double tflops =
            rng_range(&at, DRAW_SPEED, scenario->devices.tflops_min, scenario->devices.tflops_max);
        world->device[n] = (struct device_params){
            .flops = tflops * UNITS_TFLOP,
            .power_w = scenario->devices.power_w,
            .transmit_power_w = scenario->devices.transmit_power_w,
            .max_split = max_split,
        };
    }
}

static void draw_servers(struct world *world)
{
    const struct scenario *scenario = &world->scenario;
    for (uint32_t m = 0; m < world->servers; m++) {
        struct rng_at at = draws_of(world, world->devices + m);
        struct server_params *server = &world->server[m];
        const struct scenario_tier *tier = server->tier == TIERS_NONE ? NULL : &scenario->tiers[server->tier];
        double tflops = rng_range(&at, DRAW_SPEED, tiers_tflops_min(scenario, server->tier),
                                  tiers_tflops_max(scenario, server->tier));
        server->flops = tflops * UNITS_TFLOP;
        if (tier != NULL && tier->task_s > 0.0)
            server->flops = cost_server_flop(world, (uint32_t) scenario->task.tokens, 0) /
                            (tier->task_s * server->full_share);
        server->power_w = tier != NULL ? tier->power_w : scenario->servers.power_w;
        server->memory_bytes = (tier != NULL ? tier->memory_gb : scenario->servers.memory_gb) * UNITS_GB;
        server->position = layout_position(world, m);
        (void) tiers_place(scenario, server->tier, m - tiers_first(scenario, server->tier),
                           &server->position.x, &server->position.y);
    }
}

/* The first `count` of a random order of the places, the k-th swap drawn by entity first + k; begins anew
 * when the places are used up. `order` holds places->count numbers. */
static uint32_t draw_place(const struct world *world, uint32_t *order, uint32_t places, uint32_t first,
                           uint32_t k)
{
    assert(places > 0);
    struct rng_at at = draws_of(world, first + k);
    uint32_t from = k % places;
    uint32_t to = from + rng_below(&at, DRAW_SITE, places - from);
    uint32_t drawn = order[to];
    order[to] = order[from];
    order[from] = drawn;
    return drawn;
}

static uint32_t *make_order(size_t places)
{
    uint32_t *order = malloc(places * sizeof *order);
    for (size_t i = 0; order != NULL && i < places; i++)
        order[i] = (uint32_t) i;
    return order;
}

static int place_servers(struct world *world, const struct dataset_places *sites, struct diag *diag)
{
    if (sites->count == 0)
        return 0;
    if (sites->count < world->servers)
        return diag_fail(diag, ERR_RANGE, "servers.count: %u servers, but %s has only %zu sites",
                         world->servers, world->scenario.servers.positions_csv, sites->count);
    assert(sites->position != NULL); /* the area is known */
    uint32_t *order = make_order(sites->count);
    if (order == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    for (uint32_t m = 0; m < world->servers; m++) {
        uint32_t place = draw_place(world, order, (uint32_t) sites->count, world->devices, m);
        world->server[m].position = sites->position[place];
    }
    free(order);
    return 0;
}

static int place_devices(struct world *world, const struct dataset_places *homes, struct diag *diag)
{
    if (homes->count == 0)
        return 0;
    assert(homes->position != NULL);
    uint32_t *order = make_order(homes->count);
    if (order == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    for (uint32_t n = 0; n < world->devices; n++) {
        world->device[n].has_home = true;
        world->device[n].home = homes->position[draw_place(world, order, (uint32_t) homes->count, 0, n)];
    }
    free(order);
    return 0;
}

/* Device n has the file's rows n, n + N, n + 2N, ..; all devices equally many, so that none is drawn from a
 * shorter run. A file with fewer rows than devices goes round. */
static int deal_tokens(struct world *world, const struct dataset *data, struct diag *diag)
{
    if (data->token_count == 0)
        return 0;
    size_t rows = data->token_count / world->devices;
    rows = rows < 1 ? 1 : rows;
    rows = rows > TOKEN_ROWS_MAX ? TOKEN_ROWS_MAX : rows;
    world->tokens = malloc(rows * world->devices * sizeof *world->tokens);
    if (world->tokens == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    world->token_rows = (uint32_t) rows;
    for (size_t n = 0; n < world->devices; n++)
        for (size_t i = 0; i < rows; i++)
            world->tokens[n * rows + i] = data->tokens[(n + i * world->devices) % data->token_count];
    return 0;
}

static int deal_tracks(struct world *world, const struct dataset *data, struct diag *diag)
{
    int rc = tracks_copy(&world->rate_tracks, &data->rate_tracks);
    if (rc == 0)
        rc = tracks_copy(&world->place_tracks, &data->place_tracks);
    return rc != 0 ? diag_fail(diag, rc, "out of memory") : 0;
}

int world_init(struct world *ret_world, const struct scenario *scenario, const struct dataset *data,
               struct diag *diag)
{
    struct world world;
    struct llm llm;
    int rc = llm_keys_read(scenario, &llm, diag); /* for its sentence */
    if (rc != 0)
        return rc;
    if (dataset_is_named(scenario) && data == NULL)
        return diag_fail(diag, ERR_STATE, "the scenario names data files, which were not loaded");
    rc = world_init_empty(&world, scenario, (uint32_t) scenario->devices.count,
                          (uint32_t) scenario->servers.count);
    if (rc != 0)
        return diag_fail(diag, rc, "devices.count, servers.count: %s", err_text(rc));
    draw_devices(&world);
    draw_servers(&world);
    if (data != NULL)
        rc = place_servers(&world, &data->servers, diag);
    if (rc == 0 && data != NULL)
        rc = place_devices(&world, &data->devices, diag);
    if (rc == 0 && data != NULL)
        rc = deal_tokens(&world, data, diag);
    if (rc == 0 && data != NULL)
        rc = deal_tracks(&world, data, diag);
    if (rc != 0) {
        world_finish(&world);
        return rc;
    }
    *ret_world = world;
    return 0;
}
