#include "proto/node/join.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

#define HELLO_GUEST 3u /* HELLO.role */
#define ROWS_MAX (64u * 1024u * 1024u)

_Static_assert(PROTO_SERVER_NONE == WORLD_SERVERS_MAX, "no server has the number that means none");

void join_init(struct join *join, enum node_role role, uint32_t count)
{
    assert(role == NODE_MOBILE ? count >= 1 : count == 1);
    *join = (struct join){.role = role, .count = count};
}

void join_finish(struct join *join)
{
    if (join->welcome)
        world_finish(&join->world);
    free(join->address);
    free(join->device_known);
    free(join->server_known);
    free(join->rows_known);
    free(join->points_known[0]);
    free(join->points_known[1]);
    free(join->prompt);
    free(join->prompt_bytes);
    *join = (struct join){0};
}

void join_again(struct join *join)
{
    struct join again = {
        .role = join->role,
        .count = join->count,
        .is_guest = join->is_guest,
        .known_token = join->welcome ? join->run_token : join->known_token,
        .known_first = join->welcome ? join->first : join->known_first,
        .tier = join->tier,
    };
    join_finish(join);
    *join = again;
}

struct proto_message join_hello(const struct join *join, const char *host, uint16_t data_port)
{
    assert(!join->welcome); /* join_again comes first */
    return (struct proto_message){
        .id = PROTO_HELLO,
        .hello =
            {
                .major = PROTO_MAJOR,
                .minor = PROTO_MINOR,
                .schema_hash = proto_schema_hash(),
                .role = join->is_guest ? HELLO_GUEST : (uint64_t) join->role,
                .count = join->count,
                .data_port = data_port,
                .host = {host, host != NULL ? strlen(host) : 0},
                .run_token = join->known_token,
                .first = join->known_first,
                .tier = {join->tier, join->tier != NULL ? strlen(join->tier) : 0},
            },
    };
}

static int check_welcome(const struct join *join, const struct msg_welcome *welcome, struct diag *diag)
{
    uint64_t limit = join->role == NODE_MOBILE ? welcome->devices : welcome->servers;
    if (join->welcome)
        return diag_fail(diag, ERR_STATE, "WELCOME came twice");
    if (welcome->major != PROTO_MAJOR)
        return diag_fail(diag, ERR_VERSION, "the orchestrator speaks protocol %llu, this program %u",
                         (unsigned long long) welcome->major, PROTO_MAJOR);
    if (welcome->count != join->count || welcome->first + welcome->count > limit)
        return diag_fail(
            diag, ERR_RANGE, "WELCOME for nodes %llu to %llu of %llu", (unsigned long long) welcome->first,
            (unsigned long long) (welcome->first + welcome->count - 1), (unsigned long long) limit);
    return 0;
}

/* Memory for the rows of all devices, of which only ours are ever touched. */
static int reserve_rows(struct join *join, uint32_t rows, struct diag *diag)
{
    size_t all = (size_t) join->world.devices * rows;
    if (rows == 0 || join->role == NODE_SERVER)
        return 0;
    if (all > ROWS_MAX)
        return diag_fail(diag, ERR_TOO_BIG, "WELCOME announces %zu requests, at most %zu are taken", all,
                         (size_t) ROWS_MAX);
    join->world.tokens = calloc(all, sizeof *join->world.tokens);
    join->world.token_rows = rows;
    return join->world.tokens != NULL ? 0 : diag_fail(diag, -ENOMEM, "out of memory");
}

/* Memory for all traces of one kind, of which only those that our devices play will come. */
static int expect_traces(struct join *join, struct tracks *tracks, uint32_t count, uint32_t **ret_known,
                         struct diag *diag)
{
    if (count == 0 || join->role == NODE_SERVER)
        return 0;
    if (count > TRACKS_MAX || count > join->world.devices)
        return diag_fail(diag, ERR_RANGE, "WELCOME announces %u traces for %u devices", count,
                         join->world.devices);
    *ret_known = calloc(count, sizeof **ret_known);
    if (*ret_known == NULL || tracks_init(tracks, count) != 0)
        return diag_fail(diag, -ENOMEM, "out of memory");
    join->devices_missing += join->count < count ? join->count : count;
    return 0;
}

static int reserve_traces(struct join *join, const struct msg_welcome *welcome, struct diag *diag)
{
    int rc = expect_traces(join, &join->world.rate_tracks, (uint32_t) welcome->rate_traces,
                           &join->points_known[0], diag);
    return rc != 0 ? rc
                   : expect_traces(join, &join->world.place_tracks, (uint32_t) welcome->place_traces,
                                   &join->points_known[1], diag);
}

/* Memory for the text from which prompts are cut. Servers need it to score prompts alone. */
static int reserve_prompt(struct join *join, uint32_t tokens, struct diag *diag)
{
    bool scores = join->world.scenario.compute.nll == SWITCH_ON;
    if (tokens == 0 || (join->role == NODE_SERVER && !scores))
        return 0;
    if (tokens > WORLD_PROMPT_MAX)
        return diag_fail(diag, ERR_TOO_BIG, "WELCOME announces a text of %u tokens, at most %u are taken",
                         tokens, WORLD_PROMPT_MAX);
    join->prompt = calloc(tokens, sizeof *join->prompt);
    join->prompt_bytes = calloc(tokens, sizeof *join->prompt_bytes);
    join->has_prompt_bytes = true;
    if (join->prompt == NULL || join->prompt_bytes == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    join->prompt_tokens = tokens;
    join->devices_missing++;
    return 0;
}

static int take_welcome(struct join *join, const struct msg_welcome *welcome, struct diag *diag)
{
    int rc = check_welcome(join, welcome, diag);
    if (rc != 0)
        return rc;
    struct scenario scenario;
    scenario_defaults(&scenario);
    rc = scenario_read(&scenario, welcome->scenario.data, welcome->scenario.size, "WELCOME", diag);
    if (rc != 0)
        return rc;
    rc = world_init_empty(&join->world, &scenario, (uint32_t) welcome->devices, (uint32_t) welcome->servers);
    if (rc != 0)
        return diag_fail(diag, rc, "%s", err_text(rc));
    join->welcome = true;
    join->world.seed = welcome->seed;
    join->run_token = welcome->run_token;
    join->first = (uint32_t) welcome->first;
    /* A device is known when its DEVICE has come, and its rows are when all of them have. */
    join->devices_missing = join->role == NODE_MOBILE ? join->count * (welcome->token_rows > 0 ? 2 : 1) : 0;
    join->servers_missing = join->world.servers;
    join->address = calloc(join->world.servers, sizeof *join->address);
    join->server_known = calloc(join->world.servers, sizeof *join->server_known);
    join->device_known = calloc(join->count, sizeof *join->device_known);
    join->rows_known = calloc(join->count, sizeof *join->rows_known);
    bool whole = join->address != NULL && join->server_known != NULL && join->device_known != NULL &&
                 join->rows_known != NULL;
    if (!whole)
        return diag_fail(diag, -ENOMEM, "out of memory");
    rc = reserve_rows(join, (uint32_t) welcome->token_rows, diag);
    if (rc == 0)
        rc = reserve_traces(join, welcome, diag);
    return rc != 0 ? rc : reserve_prompt(join, (uint32_t) welcome->prompt_tokens, diag);
}

/* One device, one device's rows, one trace or the text less to wait for. */
static void count_arrival(uint32_t *missing)
{
    assert(*missing > 0);
    --*missing;
}

static bool is_ours(const struct join *join, uint64_t device)
{
    return join->role == NODE_MOBILE && device >= join->first && device - join->first < join->count;
}

static int take_device(struct join *join, const struct msg_device *device, struct diag *diag)
{
    if (!is_ours(join, device->device) || join->device_known[device->device - join->first])
        return diag_fail(diag, ERR_STATE, "DEVICE %llu is not ours, or came twice",
                         (unsigned long long) device->device);
    uint32_t layers = join->world.llm->layers;
    join->world.device[device->device] = (struct device_params){
        .flops = device->flops,
        .power_w = device->power_w,
        .transmit_power_w = device->transmit_power_w,
        .max_split = (uint32_t) (device->max_split < layers ? device->max_split : layers),
        .has_home = device->has_home != 0,
        .home = {device->home_x_m, device->home_y_m},
    };
    join->device_known[device->device - join->first] = true;
    count_arrival(&join->devices_missing);
    return 0;
}

/* Pieces of a device's rows follow one another. */
static int take_requests(struct join *join, const struct msg_requests *requests, struct diag *diag)
{
    if (!is_ours(join, requests->device))
        return diag_fail(diag, ERR_STATE, "REQUESTS of device %llu are not ours",
                         (unsigned long long) requests->device);
    uint32_t rows = join->world.token_rows;
    uint32_t *known = &join->rows_known[requests->device - join->first];
    assert(*known <= rows);
    if (requests->tokens.count > rows - *known)
        return diag_fail(diag, ERR_RANGE, "REQUESTS of device %llu: more than the %u announced",
                         (unsigned long long) requests->device, rows);
    if (requests->tokens.count > 0)
        memcpy(join->world.tokens + (size_t) requests->device * rows + *known, requests->tokens.data,
               requests->tokens.count * sizeof *requests->tokens.data);
    *known += (uint32_t) requests->tokens.count;
    if (*known == rows && requests->tokens.count > 0)
        count_arrival(&join->devices_missing);
    return 0;
}

/* Does one of our devices play the trace: is n = number (modulo count) for some n of ours? */
static bool is_played(const struct join *join, const struct tracks *tracks, uint64_t number)
{
    if (number >= tracks->count)
        return false;
    uint32_t ahead = ((uint32_t) number + tracks->count - join->first % tracks->count) % tracks->count;
    return ahead < join->count;
}

static int begin_trace(struct join *join, struct track *track, const struct msg_trace *trace,
                       struct diag *diag)
{
    enum track_kind kind = (enum track_kind) trace->kind;
    struct track begun = {.kind = kind, .points = (uint32_t) trace->points};
    size_t bytes = tracks_bytes(&join->world.rate_tracks) + tracks_bytes(&join->world.place_tracks);
    if (bytes + track_packed_size(&begun) > 2 * TRACKS_BYTES_MAX) /* as much again is slack */
        return diag_fail(diag, ERR_TOO_BIG, "TRACE %llu: more than %zu bytes of traces",
                         (unsigned long long) trace->number, 2 * TRACKS_BYTES_MAX);
    int rc = track_init(track, kind, (uint32_t) trace->points, trace->duration_s);
    return rc != 0 ? diag_fail(diag, rc, "out of memory") : 0;
}

/* Pieces of a trace follow one another; when the last has come, the whole is looked at. */
static int take_trace(struct join *join, const struct msg_trace *trace, struct diag *diag)
{
    bool is_rate = trace->kind == TRACK_RATE;
    const struct tracks *tracks = is_rate ? &join->world.rate_tracks : &join->world.place_tracks;
    if (join->role != NODE_MOBILE || !is_played(join, tracks, trace->number))
        return diag_fail(diag, ERR_STATE, "TRACE %llu is not played by our devices",
                         (unsigned long long) trace->number);
    struct track *track = &tracks->track[trace->number];
    uint32_t *known = &join->points_known[is_rate ? 0 : 1][trace->number];
    uint32_t width = track_width((enum track_kind) trace->kind);
    assert(*known <= track->points);
    int rc = track->points == 0 ? begin_trace(join, track, trace, diag) : 0;
    if (rc != 0)
        return rc;
    if (trace->points != track->points || trace->duration_s != track->duration_s ||
        trace->start_s.count < 1 || trace->start_s.count > track->points - *known ||
        trace->value.count != trace->start_s.count * width)
        return diag_fail(diag, ERR_RANGE, "TRACE %llu: a piece of %zu points does not fit the %u announced",
                         (unsigned long long) trace->number, trace->start_s.count, track->points);
    memcpy(track->start_s + *known, trace->start_s.data, trace->start_s.count * sizeof(double));
    memcpy(track->value + (size_t) *known * width, trace->value.data, trace->value.count * sizeof(double));
    *known += (uint32_t) trace->start_s.count;
    if (*known < track->points)
        return 0;
    rc = track_check(track, diag);
    if (rc == 0)
        count_arrival(&join->devices_missing);
    return rc;
}

static void drop_prompt(struct join *join)
{
    free(join->prompt);
    free(join->prompt_bytes);
    join->prompt = NULL;
    join->prompt_bytes = NULL;
}

/* Pieces of the text follow one another; when the last has come, the whole is looked at. */
static int take_prompts(struct join *join, const struct msg_prompts *prompts, struct diag *diag)
{
    assert(join->prompt_known <= join->prompt_tokens);
    if (prompts->bytes.size != 0 && prompts->bytes.size != prompts->tokens.count)
        return diag_fail(diag, ERR_RANGE, "PROMPTS: a piece of %zu tokens with the bytes of %zu",
                         prompts->tokens.count, prompts->bytes.size);
    if (prompts->tokens.count < 1 || prompts->tokens.count > join->prompt_tokens - join->prompt_known)
        return diag_fail(diag, ERR_RANGE, "PROMPTS: a piece of %zu tokens does not fit the %u announced",
                         prompts->tokens.count, join->prompt_tokens);
    memcpy(join->prompt + join->prompt_known, prompts->tokens.data,
           prompts->tokens.count * sizeof *prompts->tokens.data);
    join->has_prompt_bytes = join->has_prompt_bytes && prompts->bytes.size > 0;
    if (join->has_prompt_bytes)
        memcpy(join->prompt_bytes + join->prompt_known, prompts->bytes.data, prompts->bytes.size);
    join->prompt_known += (uint32_t) prompts->tokens.count;
    if (join->prompt_known < join->prompt_tokens)
        return 0;
    int rc = world_set_prompt(&join->world, join->prompt, join->prompt_tokens, diag);
    if (rc == 0)
        rc = world_set_prompt_bytes(&join->world, join->has_prompt_bytes ? join->prompt_bytes : NULL, diag);
    if (rc != 0)
        return rc;
    drop_prompt(join); /* the world has its own */
    count_arrival(&join->devices_missing);
    return 0;
}

static void note_address(struct join *join, const struct msg_server *server)
{
    struct node_address *address = &join->address[server->server];
    assert(server->host.size < sizeof address->host); /* messages.def */
    memcpy(address->host, server->host.data, server->host.size);
    address->host[server->host.size] = '\0';
    address->port = (uint16_t) server->port;
}

static int take_server(struct join *join, const struct msg_server *server, struct diag *diag)
{
    if (server->server >= join->world.servers || join->server_known[server->server])
        return diag_fail(diag, ERR_STATE, "SERVER %llu does not exist, or came twice",
                         (unsigned long long) server->server);
    world_tell_server(&join->world, (uint32_t) server->server, (struct vec2){server->x_m, server->y_m},
                      server->flops, server->power_w, 0.0);
    note_address(join, server);
    join->server_known[server->server] = true;
    count_arrival(&join->servers_missing);
    return 0;
}

int join_move_server(struct join *join, const struct msg_server *server, struct diag *diag)
{
    if (server->server >= join->world.servers)
        return diag_fail(diag, ERR_STATE, "SERVER %llu does not exist", (unsigned long long) server->server);
    note_address(join, server);
    return 0;
}

int join_take(struct join *join, const struct proto_message *message, struct diag *diag)
{
    if (message->id == PROTO_WELCOME)
        return take_welcome(join, &message->welcome, diag);
    if (join->welcome && message->id == PROTO_DEVICE)
        return take_device(join, &message->device, diag);
    if (join->welcome && message->id == PROTO_REQUESTS)
        return take_requests(join, &message->requests, diag);
    if (join->welcome && message->id == PROTO_TRACE)
        return take_trace(join, &message->trace, diag);
    if (join->welcome && message->id == PROTO_PROMPTS)
        return take_prompts(join, &message->prompts, diag);
    if (join->welcome && message->id == PROTO_SERVER)
        return take_server(join, &message->server, diag);
    const char *name = proto_name(message->id);
    return diag_fail(diag, ERR_STATE, "%s before the node has joined",
                     name != NULL ? name : "unknown message");
}

bool join_is_ready(const struct join *join)
{
    return join->welcome && join->devices_missing == 0 && join->servers_missing == 0;
}
