#include "orchestrator/host/members.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/err.h"

#define REQUESTS_PIECE 4096u /* rows in one REQUESTS message; the schema allows 8192 */
#define NODE_MINOR_MIN 5u    /* from it on a HELLO has the tier */
#define TRACE_PIECE 4096u    /* points in one TRACE message; the schema allows no more */
#define PROMPTS_PIECE 16384u /* tokens in one PROMPTS message; the schema allows 65536 */

int members_init(struct members *members, const struct world *world)
{
    *members = (struct members){
        .devices = world->devices,
        .servers = world->servers,
        .guests = (uint32_t) world->scenario.devices.guests,
        .tiers = &world->scenario,
    };
    assert(members->guests < members->devices); /* scenario_check.c */
    members->device = calloc(world->devices, sizeof(struct member *));
    members->server = calloc(world->servers, sizeof(struct member *));
    members->address = calloc(world->servers, sizeof *members->address);
    members->device_returns = calloc(world->devices, sizeof *members->device_returns);
    members->server_returns = calloc(world->servers, sizeof *members->server_returns);
    if (members->device == NULL || members->server == NULL || members->address == NULL ||
        members->device_returns == NULL || members->server_returns == NULL)
        return -ENOMEM;
    /* The token only keeps strangers out; it is no part of what is recorded or replayed. */
    if (getrandom(&members->run_token, sizeof members->run_token, 0) != (ssize_t) sizeof members->run_token)
        return -EIO;
    return scenario_print(&world->scenario, &members->scenario);
}

void members_finish(struct members *members)
{
    free(members->device);
    free(members->server);
    free(members->address);
    free(members->device_returns);
    free(members->server_returns);
    buf_finish(&members->scenario);
}

struct member *members_add(struct members *members, struct wire_conn *conn, void *owner)
{
    struct member *member = calloc(1, sizeof *member);
    if (member == NULL)
        return NULL;
    *member = (struct member){.owner = owner, .conn = conn, .next = members->all};
    members->all = member;
    return member;
}

void members_vacate(struct members *members, struct member *member)
{
    struct member **places = member->role == MEMBER_SERVER ? members->server : members->device;
    assert(member->role != 0 || member->count == 0);
    for (uint32_t i = 0; i < member->count; i++) {
        assert(places[member->first + i] == member);
        places[member->first + i] = NULL;
    }
    if (member->role == MEMBER_MOBILE && !member->is_guest) {
        assert(members->devices_joined >= member->count);
        assert(!member->ready || members->devices_ready >= member->count);
        members->devices_joined -= member->count;
        members->devices_ready -= member->ready ? member->count : 0;
    } else if (member->role == MEMBER_SERVER) {
        assert(member->count == 1 && members->servers_joined > 0);
        assert(!member->ready || members->servers_ready > 0);
        members->servers_joined--;
        members->servers_ready -= member->ready ? 1 : 0;
    }
    member->role = 0;
    member->count = 0;
    member->ready = member->is_guest = false;
}

void members_reserve(struct members *members, struct member *member)
{
    assert(member->role != 0);
    for (uint32_t i = 0; i < member->count; i++)
        (member->role == MEMBER_SERVER ? members->server_returns
                                       : members->device_returns)[member->first + i] = true;
    members_vacate(members, member);
}

void members_remove(struct members *members, struct member *member)
{
    struct wire_counters counters = wire_conn_counters(member->conn);
    members->messages += counters.messages_in + counters.messages_out;
    struct member **place = &members->all;
    while (*place != member) {
        assert(*place != NULL); /* it is in the list */
        place = &(*place)->next;
    }
    *place = member->next;
    members_vacate(members, member);
    free(member);
}

/* The first run of `count` free places, `returns` (may be NULL) not counted. */
static bool find_places(struct member *const *place, const bool *returns, uint32_t size, uint32_t count,
                        uint32_t *ret_first)
{
    uint32_t free_run = 0;
    for (uint32_t i = 0; i < size; i++) {
        free_run = place[i] == NULL && (returns == NULL || !returns[i]) ? free_run + 1 : 0;
        if (free_run == count) {
            *ret_first = i + 1 - count;
            return true;
        }
    }
    return false;
}

#define TIERS_TEXT_MAX 320u
_Static_assert(sizeof((struct scenario *) NULL)->tiers / sizeof(struct scenario_tier) * (TIER_NAME_MAX + 2) <
                   TIERS_TEXT_MAX,
               "all names fit");

/* The tier that a server asks for; TIERS_NONE: any. False: the run has no such tier. */
static bool find_tier(const struct members *members, const struct msg_hello *hello, uint32_t *ret_tier)
{
    char name[TIER_NAME_MAX + 1];
    assert(hello->tier.size <= TIER_NAME_MAX); /* messages.def */
    *ret_tier = TIERS_NONE;
    if (hello->tier.size == 0)
        return true;
    memcpy(name, hello->tier.data, hello->tier.size);
    name[hello->tier.size] = '\0';
    *ret_tier = tiers_find(members->tiers, name);
    return *ret_tier != TIERS_NONE;
}

/* The places that are open to a process of its kind. */
struct range {
    uint32_t first, end;
};

static struct range range_of(const struct members *members, const struct msg_hello *hello)
{
    uint32_t tier = TIERS_NONE;
    if (hello->role == MEMBER_SERVER && find_tier(members, hello, &tier) && tier != TIERS_NONE) {
        uint32_t first = tiers_first(members->tiers, tier);
        return (struct range){first, first + (uint32_t) members->tiers->tiers[tier].count};
    }
    if (hello->role == MEMBER_SERVER)
        return (struct range){0, members->servers};
    if (hello->role == MEMBER_HELLO_GUEST)
        return (struct range){members_residents(members), members->devices};
    return (struct range){0, members_residents(members)};
}

static bool claims_a_place(const struct members *members, const struct msg_hello *hello)
{
    struct range range = range_of(members, hello);
    return hello->run_token == members->run_token && hello->first >= range.first &&
           hello->first + hello->count <= range.end;
}

struct member *members_holder(const struct members *members, const struct msg_hello *hello)
{
    if (!claims_a_place(members, hello))
        return NULL;
    return (hello->role == MEMBER_SERVER ? members->server : members->device)[hello->first];
}

/* The place that it had, when that is free; else the first that is and that nobody will come back for; else
 * the first that is. */
static bool find_place_for(const struct members *members, const struct msg_hello *hello, uint32_t *ret_first)
{
    bool server = hello->role == MEMBER_SERVER;
    struct member *const *places = server ? members->server : members->device;
    struct range range = range_of(members, hello);
    uint32_t size = range.end - range.first, count = (uint32_t) hello->count, within = 0;
    if (claims_a_place(members, hello) && find_places(places + hello->first, NULL, count, count, &within)) {
        *ret_first = (uint32_t) hello->first;
        return true;
    }
    const bool *returns = (server ? members->server_returns : members->device_returns) + range.first;
    if (!find_places(places + range.first, returns, size, count, &within) &&
        !find_places(places + range.first, NULL, size, count, &within))
        return false;
    *ret_first = range.first + within;
    return true;
}

static int check_hello(const struct member *member, const struct msg_hello *hello,
                       enum proto_refusal *ret_reason, struct diag *diag)
{
    if (member->role != 0)
        return diag_fail(diag, ERR_STATE, "HELLO came twice");
    if (hello->major != PROTO_MAJOR) {
        *ret_reason = PROTO_REFUSE_VERSION;
        return diag_fail(diag, ERR_VERSION, "this node speaks protocol %llu, the orchestrator %u",
                         (unsigned long long) hello->major, PROTO_MAJOR);
    }
    if (hello->minor < NODE_MINOR_MIN) {
        *ret_reason = PROTO_REFUSE_VERSION;
        return diag_fail(diag, ERR_VERSION,
                         "this node speaks protocol %u.%llu, the orchestrator needs %u.%u or later",
                         PROTO_MAJOR, (unsigned long long) hello->minor, PROTO_MAJOR, NODE_MINOR_MIN);
    }
    bool server = hello->role == MEMBER_SERVER;
    if (server && (hello->count != 1 || hello->data_port == 0 || hello->host.size == 0)) {
        *ret_reason = PROTO_REFUSE_OUT_OF_RANGE;
        return diag_fail(diag, ERR_RANGE, "HELLO of a server needs count 1, a port and a host");
    }
    if (hello->role == MEMBER_HELLO_GUEST && hello->count != 1) {
        *ret_reason = PROTO_REFUSE_OUT_OF_RANGE;
        return diag_fail(diag, ERR_RANGE, "HELLO of a guest needs count 1");
    }
    return 0;
}

/* "edge, cloud", as much as fits. */
static void list_tiers(const struct scenario *scenario, char ret_text[static TIERS_TEXT_MAX])
{
    size_t used = 0;
    ret_text[0] = '\0';
    for (uint32_t i = 0; i < scenario->tiers_count && used < TIERS_TEXT_MAX; i++) {
        int wrote = snprintf(ret_text + used, TIERS_TEXT_MAX - used, "%s%s", i == 0 ? "" : ", ",
                             scenario->tiers[i].name);
        used += wrote > 0 ? (size_t) wrote : 0;
    }
}

static int check_tier(const struct members *members, const struct msg_hello *hello,
                      enum proto_refusal *ret_reason, struct diag *diag)
{
    uint32_t tier;
    char tiers[TIERS_TEXT_MAX];
    if (hello->role != MEMBER_SERVER || find_tier(members, hello, &tier))
        return 0;
    *ret_reason = PROTO_REFUSE_OUT_OF_RANGE;
    if (members->tiers->tiers_count == 0)
        return diag_fail(diag, ERR_UNKNOWN, "--tier %.*s: this run has no tiers", (int) hello->tier.size,
                         (const char *) hello->tier.data);
    list_tiers(members->tiers, tiers);
    return diag_fail(diag, ERR_UNKNOWN, "--tier %.*s: this run has no such tier, allowed %s",
                     (int) hello->tier.size, (const char *) hello->tier.data, tiers);
}

/* There is no place. */
static int turn_away(const struct members *members, const struct msg_hello *hello,
                     enum proto_refusal *ret_reason, struct diag *diag)
{
    bool is_guest = hello->role == MEMBER_HELLO_GUEST;
    *ret_reason = members->started && !is_guest ? PROTO_REFUSE_STARTED : PROTO_REFUSE_FULL;
    if (is_guest && members->guests == 0)
        return diag_fail(diag, ERR_STATE,
                         "this run has no places for guests (devices.guests keeps them free)");
    if (is_guest)
        return diag_fail(diag, ERR_STATE, "all %u places for guests are taken", members->guests);
    if (hello->tier.size > 0)
        return diag_fail(diag, ERR_STATE, "all servers of the tier %.*s are here", (int) hello->tier.size,
                         (const char *) hello->tier.data);
    return diag_fail(diag, ERR_STATE, "there is no room for %u more %s", (uint32_t) hello->count,
                     hello->role == MEMBER_SERVER ? "servers" : "devices");
}

static void send_device(const struct world *world, struct member *member, uint32_t n)
{
    assert(n < world->devices);
    const struct device_params *device = &world->device[n];
    struct proto_message message = {
        .id = PROTO_DEVICE,
        .device =
            {
                .device = n,
                .flops = device->flops,
                .power_w = device->power_w,
                .transmit_power_w = device->transmit_power_w,
                .max_split = device->max_split,
                .has_home = device->has_home ? 1 : 0,
                .home_x_m = device->home.x,
                .home_y_m = device->home.y,
            },
    };
    (void) wire_conn_send(member->conn, &message); /* a lost node shows in on_close */
    for (uint32_t sent = 0; world->tokens != NULL && sent < world->token_rows; sent += REQUESTS_PIECE) {
        uint32_t left = world->token_rows - sent;
        struct proto_message requests = {
            .id = PROTO_REQUESTS,
            .requests =
                {
                    .device = n,
                    .tokens = {world->tokens + (size_t) n * world->token_rows + sent,
                               left < REQUESTS_PIECE ? left : REQUESTS_PIECE},
                },
        };
        (void) wire_conn_send(member->conn, &requests);
    }
}

static void send_trace(const struct track *track, struct member *member, uint32_t number)
{
    uint32_t width = track_width(track->kind);
    for (uint32_t sent = 0; sent < track->points; sent += TRACE_PIECE) {
        uint32_t left = track->points - sent;
        uint32_t count = left < TRACE_PIECE ? left : TRACE_PIECE;
        struct proto_message message = {
            .id = PROTO_TRACE,
            .trace =
                {
                    .kind = (uint64_t) track->kind,
                    .number = number,
                    .points = track->points,
                    .duration_s = track->duration_s,
                    .start_s = {track->start_s + sent, count},
                    .value = {track->value + (size_t) sent * width, (size_t) count * width},
                },
        };
        (void) wire_conn_send(member->conn, &message); /* a lost node shows in on_close */
    }
}

/* Each trace that the process's devices play, once. */
static void send_traces(const struct tracks *tracks, struct member *member)
{
    for (uint32_t i = 0; i < member->count && i < tracks->count; i++) {
        uint32_t number = (member->first + i) % tracks->count;
        send_trace(&tracks->track[number], member, number);
    }
}

/* The text from which prompts are cut. */
static void send_prompts(const struct world *world, struct member *member)
{
    for (uint32_t sent = 0; sent < world->prompt_tokens; sent += PROMPTS_PIECE) {
        uint32_t left = world->prompt_tokens - sent, count = left < PROMPTS_PIECE ? left : PROMPTS_PIECE;
        struct proto_message message = {
            .id = PROTO_PROMPTS,
            .prompts = {.tokens = {world->prompt + sent, count}},
        };
        if (world->prompt_bytes != NULL)
            message.prompts.bytes = (struct proto_bytes){world->prompt_bytes + sent, count};
        (void) wire_conn_send(member->conn, &message); /* a lost node shows in on_close */
    }
}

static void welcome(struct members *members, const struct world *world, struct member *member)
{
    struct proto_message message = {
        .id = PROTO_WELCOME,
        .welcome =
            {
                .major = PROTO_MAJOR,
                .minor = PROTO_MINOR,
                .schema_hash = proto_schema_hash(),
                .run_token = members->run_token,
                .seed = world->seed,
                .first = member->first,
                .count = member->count,
                .devices = world->devices,
                .servers = world->servers,
                .token_rows = world->tokens != NULL ? world->token_rows : 0,
                .scenario = {(const char *) members->scenario.data, members->scenario.size},
                .rate_traces = world->rate_tracks.count,
                .place_traces = world->place_tracks.count,
                .prompt_tokens = world->prompt_tokens,
            },
    };
    (void) wire_conn_send(member->conn, &message); /* a lost node shows in on_close */
    for (uint32_t i = 0; i < member->count && member->role == MEMBER_MOBILE; i++)
        send_device(world, member, member->first + i);
    if (member->role == MEMBER_MOBILE) {
        send_traces(&world->rate_tracks, member);
        send_traces(&world->place_tracks, member);
    }
    if (member->role == MEMBER_MOBILE || world->scenario.compute.nll == SWITCH_ON)
        send_prompts(world, member);
}

_Static_assert(sizeof((struct member *) NULL)->host > 255, "HELLO.host has 255 bytes at most");

static int take_hello(struct members *members, const struct world *world, struct member *member,
                      const struct msg_hello *hello, enum proto_refusal *ret_reason, struct diag *diag)
{
    int rc = check_hello(member, hello, ret_reason, diag);
    if (rc == 0)
        rc = check_tier(members, hello, ret_reason, diag);
    if (rc != 0)
        return rc;
    bool server = hello->role == MEMBER_SERVER;
    uint32_t count = (uint32_t) hello->count, first = 0;
    struct member **places = server ? members->server : members->device;
    if (!find_place_for(members, hello, &first))
        return turn_away(members, hello, ret_reason, diag);
    member->role = server ? MEMBER_SERVER : MEMBER_MOBILE;
    member->is_guest = hello->role == MEMBER_HELLO_GUEST;
    member->first = first;
    member->count = count;
    for (uint32_t i = 0; i < count; i++) {
        assert(places[first + i] == NULL);
        places[first + i] = member;
        (server ? members->server_returns : members->device_returns)[first + i] = false;
    }
    if (!member->is_guest)
        *(server ? &members->servers_joined : &members->devices_joined) += count;
    assert(members->devices_joined <= members_residents(members) &&
           members->servers_joined <= members->servers);
    if (hello->host.size > 0) /* the schema allows 255 bytes; a mobile node says none */
        memcpy(member->host, hello->host.data, hello->host.size);
    member->host[hello->host.size] = '\0';
    member->data_port = (uint16_t) hello->data_port;
    if (server) {
        memcpy(members->address[first].host, member->host, sizeof member->host);
        members->address[first].port = member->data_port;
    }
    if (server)
        (void) snprintf(member->address, sizeof member->address, "%s:%u", member->host, member->data_port);
    else
        wire_conn_peer(member->conn, member->address);
    welcome(members, world, member);
    return 0;
}

int members_take(struct members *members, const struct world *world, struct member *member,
                 const struct proto_message *message, enum proto_refusal *ret_reason, struct diag *diag)
{
    *ret_reason = PROTO_REFUSE_OUT_OF_STATE;
    if (message->id == PROTO_HELLO)
        return take_hello(members, world, member, &message->hello, ret_reason, diag);
    if (message->id != PROTO_READY || member->role == 0 || member->ready ||
        !(members->started || members_is_full(members)))
        return diag_fail(diag, ERR_STATE, "%s while joining", proto_name(message->id));
    member->ready = true;
    if (member->is_guest)
        return 0;
    *(member->role == MEMBER_SERVER ? &members->servers_ready : &members->devices_ready) += member->count;
    assert(members->devices_ready <= members->devices_joined);
    assert(members->servers_ready <= members->servers_joined);
    return 0;
}

bool members_is_full(const struct members *members)
{
    return members->devices_joined == members_residents(members) &&
           members->servers_joined == members->servers;
}

bool members_is_ready(const struct members *members)
{
    return members->devices_ready == members_residents(members) && members->servers_ready == members->servers;
}

struct proto_message members_server_message(const struct members *members, const struct world *world,
                                            uint32_t m)
{
    const struct members_address *address = &members->address[m];
    assert(m < members->servers && address->port != 0); /* it has joined once */
    return (struct proto_message){
        .id = PROTO_SERVER,
        .server =
            {
                .server = m,
                .x_m = world->server[m].position.x,
                .y_m = world->server[m].position.y,
                .flops = world->server[m].flops,
                .power_w = world->server[m].power_w,
                .port = address->port,
                .host = {address->host, strlen(address->host)},
            },
    };
}
