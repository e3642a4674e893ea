/* Who takes part in a TCP run: which places processes get and get back, who is refused and why, and the counts of who
 * has joined and who is ready. Connections are real, both ends in one loop. */
#include "orchestrator/host/members.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "tests/lib/peer.h"
#include "tests/unit/model/check.h"

#define DEVICES 6u
#define SERVERS 2u
#define NODES 8u

/* A process: its end of the connection, what it was told, one word a message, and its member at our end. */
struct node {
    struct peer peer; /* first: the handlers see no more */
    char told[512];
    struct msg_welcome welcome; /* its scenario is dead */
    struct msg_device device;   /* the last */
    char scenario[SCENARIO_TEXT_MAX];
    struct member *member;
};

static struct {
    struct pair pair;
    struct world world;
    struct members members;
    struct node node[NODES];
    unsigned nodes;
    enum proto_refusal reason; /* of the last message taken */
    struct diag diag;
} run;

/* ---- processes ---- */

static void note(struct node *node, const char *word)
{
    size_t at = strlen(node->told);
    (void) snprintf(node->told + at, sizeof node->told - at, "%s%s", at > 0 ? " " : "", word);
}

static void on_message(struct peer *peer, const struct proto_message *message)
{
    struct node *node = (struct node *) peer;
    char word[64] = "";
    if (message->id == PROTO_WELCOME) {
        node->welcome = message->welcome;
        (void) snprintf(node->scenario, sizeof node->scenario, "%.*s", (int) message->welcome.scenario.size,
                        message->welcome.scenario.data);
        (void) snprintf(word, sizeof word, "welcome(%u+%u)", (unsigned) message->welcome.first,
                        (unsigned) message->welcome.count);
    } else if (message->id == PROTO_DEVICE) {
        node->device = message->device;
        (void) snprintf(word, sizeof word, "device%u", (unsigned) message->device.device);
    } else if (message->id == PROTO_REQUESTS) {
        const struct proto_u32s *tokens = &message->requests.tokens;
        (void) snprintf(word, sizeof word, "requests%u[%u..%u]", (unsigned) message->requests.device,
                        tokens->data[0], tokens->data[tokens->count - 1]);
    } else if (message->id == PROTO_TRACE) {
        const struct msg_trace *trace = &message->trace;
        (void) snprintf(word, sizeof word, "trace%u.%u[%.0f+%zu of %u]", (unsigned) trace->kind,
                        (unsigned) trace->number, trace->start_s.data[0], trace->start_s.count,
                        (unsigned) trace->points);
    } else if (message->id == PROTO_PROMPTS) {
        const struct proto_u32s *tokens = &message->prompts.tokens;
        int size =
            snprintf(word, sizeof word, "prompts[%u..%u]", tokens->data[0], tokens->data[tokens->count - 1]);
        if (message->prompts.bytes.size > 0)
            (void) snprintf(word + size, sizeof word - (size_t) size, "+%u",
                            (unsigned) (message->prompts.bytes.data[0] + message->prompts.bytes.data[1]));
    }
    note(node, word);
}

/* A connection: it has said nothing yet. */
static struct node *connect_node(void)
{
    assert_true(run.nodes < NODES);
    struct node *node = &run.node[run.nodes++];
    node->peer.on_message = on_message;
    pair_connect(&run.pair, &node->peer);
    pair_wait(&run.pair, &run.pair.accepted_count, run.nodes);
    node->member = members_add(&run.members, run.pair.accepted[run.nodes - 1].conn, &run);
    assert_non_null(node->member);
    return node;
}

static struct proto_message mobile(uint32_t count)
{
    return (struct proto_message){
        .id = PROTO_HELLO,
        .hello = {.major = PROTO_MAJOR, .minor = PROTO_MINOR, .role = MEMBER_MOBILE, .count = count}};
}

static struct proto_message guest(void)
{
    struct proto_message hello = mobile(1);
    hello.hello.role = MEMBER_HELLO_GUEST;
    return hello;
}

static struct proto_message server(uint16_t port)
{
    return (struct proto_message){.id = PROTO_HELLO,
                                  .hello = {.major = PROTO_MAJOR,
                                            .minor = PROTO_MINOR,
                                            .role = MEMBER_SERVER,
                                            .count = 1,
                                            .data_port = port,
                                            .host = {"10.0.0.7!", 8}}}; /* not zero-terminated */
}

/* The same HELLO of one that comes back. */
static struct proto_message back(struct proto_message hello, uint64_t run_token, uint32_t first)
{
    hello.hello.run_token = run_token;
    hello.hello.first = first;
    return hello;
}

static int take(struct node *node, const struct proto_message *message)
{
    run.reason = PROTO_REFUSE_NONE;
    run.diag = (struct diag){{0}};
    return members_take(&run.members, &run.world, node->member, message, &run.reason, &run.diag);
}

/* A process that is taken, and the first place that it got. */
static struct node *join(struct proto_message hello, uint32_t first)
{
    struct node *node = connect_node();
    if (take(node, &hello) != 0)
        fail_msg("%s", run.diag.text);
    assert_int_equal(node->member->first, first);
    return node;
}

static void expect_ready(struct node *node, int code)
{
    const struct proto_message ready = {.id = PROTO_READY};
    assert_int_equal(take(node, &ready), code);
}

/* A refused message: nothing has been counted, and it is said why. */
static void expect_refusal(struct node *node, struct proto_message message, int code,
                           enum proto_refusal reason, const char *said)
{
    struct members before = run.members;
    assert_int_equal(take(node, &message), code);
    assert_int_equal(run.reason, reason);
    if (strstr(run.diag.text, said) == NULL)
        fail_msg("'%s' says nothing of '%s'", run.diag.text, said);
    assert_memory_equal(&run.members, &before, sizeof before);
}

static void expect_told(struct node *node, unsigned messages, const char *told)
{
    pair_wait(&run.pair, &node->peer.messages, messages);
    assert_string_equal(node->told, told);
}

static void expect_counts(uint32_t devices_joined, uint32_t servers_joined, uint32_t devices_ready,
                          uint32_t servers_ready)
{
    const struct members *members = &run.members;
    assert_int_equal(members->devices_joined, devices_joined);
    assert_int_equal(members->servers_joined, servers_joined);
    assert_int_equal(members->devices_ready, devices_ready);
    assert_int_equal(members->servers_ready, servers_ready);
    assert_int_equal(members_joined(members), devices_joined + servers_joined);
    assert_int_equal(members_is_full(members), devices_joined == DEVICES && servers_joined == SERVERS);
    assert_int_equal(members_is_ready(members), devices_ready == DEVICES && servers_ready == SERVERS);
}

static void leave(struct node *node)
{
    members_remove(&run.members, node->member);
    node->member = NULL;
}

static int setup(void **state)
{
    static const char *const keys[] = {"devices.count=6", "servers.count=2", "run.seed=11", NULL};
    (void) state;
    memset(&run, 0, sizeof run);
    run.world = check_world(keys);
    pair_init(&run.pair, NODES);
    assert_int_equal(members_init(&run.members, &run.world), 0);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    for (unsigned i = 0; i < run.nodes; i++) {
        struct node *node = &run.node[i];
        if (node->member != NULL)
            leave(node);
        wire_conn_close(node->peer.conn);
        pair_wait(&run.pair, &node->peer.closes, 1);
        pair_wait(&run.pair, &run.pair.accepted[i].closes, 1);
    }
    assert_null(run.members.all);
    pair_finish(&run.pair);
    members_finish(&run.members);
    world_finish(&run.world);
    return 0;
}

static int setup_tiers(void **state)
{
    static const char text[] = "devices: {count: 6}\nservers: {count: 3}\n"
                               "tiers: [{name: edge, count: 2}, {name: cloud}]\n";
    struct scenario scenario;
    (void) state;
    memset(&run, 0, sizeof run);
    scenario_defaults(&scenario);
    assert_int_equal(scenario_read(&scenario, text, sizeof text - 1, "x", NULL), 0);
    assert_int_equal(world_init(&run.world, &scenario, NULL, NULL), 0);
    pair_init(&run.pair, NODES);
    assert_int_equal(members_init(&run.members, &run.world), 0);
    return 0;
}

static struct proto_message server_of(const char *tier)
{
    struct proto_message hello = server(4711);
    hello.hello.tier.data = tier;
    hello.hello.tier.size = strlen(tier);
    return hello;
}

/* ---- places ---- */

static void a_server_that_names_a_tier_gets_a_place_in_it(void **state)
{
    (void) state;
    (void) join(server_of("cloud"), 2);
    (void) join(server_of(""), 0);
    (void) join(server_of("edge"), 1);
    struct proto_message hello = server_of("cloud");
    assert_int_not_equal(take(connect_node(), &hello), 0);
    assert_int_equal(run.reason, PROTO_REFUSE_FULL);
    assert_string_equal(run.diag.text, "all servers of the tier cloud are here");
}

static void a_tier_that_the_run_does_not_have_is_refused(void **state)
{
    (void) state;
    struct proto_message hello = server_of("fog");
    assert_int_not_equal(take(connect_node(), &hello), 0);
    assert_int_equal(run.reason, PROTO_REFUSE_OUT_OF_RANGE);
    assert_string_equal(run.diag.text, "--tier fog: this run has no such tier, allowed edge, cloud");
    assert_int_equal(run.members.servers_joined, 0);
}

static void a_run_without_tiers_refuses_every_name_of_one(void **state)
{
    (void) state;
    struct proto_message hello = server_of("edge");
    assert_int_not_equal(take(connect_node(), &hello), 0);
    assert_string_equal(run.diag.text, "--tier edge: this run has no tiers");
}

static void places_go_out_in_the_order_of_arrival(void **state)
{
    (void) state;
    expect_counts(0, 0, 0, 0);
    struct node *two = join(mobile(2), 0);
    expect_counts(2, 0, 0, 0);
    struct node *server_0 = join(server(4711), 0);
    expect_counts(2, 1, 0, 0);
    struct node *three = join(mobile(3), 2), *one = join(mobile(1), 5);
    expect_counts(6, 1, 0, 0);
    struct node *server_1 = join(server(4712), 1);
    expect_counts(6, 2, 0, 0);
    struct member *const of_device[] = {two->member,   two->member,   three->member,
                                        three->member, three->member, one->member};
    assert_memory_equal(run.members.device, of_device, sizeof of_device);
    assert_ptr_equal(run.members.server[0], server_0->member);
    assert_ptr_equal(run.members.server[1], server_1->member);
    expect_told(two, 3, "welcome(0+2) device0 device1");
    expect_told(three, 4, "welcome(2+3) device2 device3 device4");
    expect_told(server_1, 1, "welcome(1+1)");
}

static void a_process_is_told_what_is_played_and_who_its_devices_are(void **state)
{
    (void) state;
    struct buf scenario = {0};
    struct node *node = join(mobile(2), 0);
    const struct device_params *device = &run.world.device[1];
    expect_told(node, 3, "welcome(0+2) device0 device1");
    assert_int_equal(scenario_print(&run.world.scenario, &scenario), 0);
    assert_int_equal(buf_push(&scenario, "", 1), 0);
    assert_string_equal(node->scenario, (const char *) scenario.data);
    buf_finish(&scenario);
    assert_int_equal(node->welcome.major, PROTO_MAJOR);
    assert_int_equal(node->welcome.minor, PROTO_MINOR);
    assert_true(node->welcome.schema_hash == proto_schema_hash());
    assert_true(node->welcome.run_token == run.members.run_token);
    assert_int_equal(node->welcome.seed, 11);
    assert_int_equal(node->welcome.devices, DEVICES);
    assert_int_equal(node->welcome.servers, SERVERS);
    assert_int_equal(node->welcome.token_rows, 0);
    assert_same(node->device.flops, device->flops);
    assert_same(node->device.power_w, device->power_w);
    assert_same(node->device.transmit_power_w, device->transmit_power_w);
    assert_int_equal(node->device.max_split, device->max_split);
    assert_int_equal(node->device.has_home, device->has_home);
}

static void real_requests_come_in_pieces_that_a_message_holds(void **state)
{
    (void) state;
    run.world.token_rows = 5000;
    run.world.tokens = calloc((size_t) DEVICES * 5000, sizeof *run.world.tokens);
    assert_non_null(run.world.tokens);
    for (uint32_t i = 0; i < DEVICES * 5000; i++)
        run.world.tokens[i] = i + 1;
    (void) join(mobile(1), 0);
    struct node *node = join(mobile(1), 1);
    expect_told(node, 4, "welcome(1+1) device1 requests1[5001..9096] requests1[9097..10000]");
    assert_int_equal(node->welcome.token_rows, 5000);
}

static void push_track(struct tracks *tracks, enum track_kind kind, uint32_t points)
{
    struct track track;
    assert_int_equal(track_init(&track, kind, points, 1e6), 0);
    for (uint32_t i = 0; i < points; i++)
        track.start_s[i] = i;
    assert_int_equal(tracks_push(tracks, &track), 0);
}

static void a_process_gets_the_traces_of_its_own_devices_and_each_once(void **state)
{
    (void) state;
    push_track(&run.world.rate_tracks, TRACK_RATE, 3);
    push_track(&run.world.rate_tracks, TRACK_RATE, 5000);
    push_track(&run.world.place_tracks, TRACK_PLACE, 2);
    struct node *one = join(mobile(1), 0), *three = join(mobile(3), 1), *far = join(server(4711), 0);
    expect_told(one, 4, "welcome(0+1) device0 trace1.0[0+3 of 3] trace2.0[0+2 of 2]");
    expect_told(three, 8,
                "welcome(1+3) device1 device2 device3 trace1.1[0+4096 of 5000] trace1.1[4096+904 of 5000] "
                "trace1.0[0+3 of 3] trace2.0[0+2 of 2]");
    expect_told(far, 1, "welcome(0+1)");
    assert_int_equal(far->welcome.rate_traces, 2);
    assert_int_equal(far->welcome.place_traces, 1);
}

static void phones_get_the_text_of_prompts_in_pieces(void **state)
{
    (void) state;
    enum { TOKENS = 20000 };
    uint32_t *token = calloc(TOKENS, sizeof *token);
    assert_non_null(token);
    for (uint32_t i = 0; i < TOKENS; i++)
        token[i] = i;
    assert_int_equal(world_set_prompt(&run.world, token, TOKENS, NULL), 0);
    free(token);
    struct node *phone = join(mobile(2), 0), *far = join(server(4711), 0);
    expect_told(phone, 5, "welcome(0+2) device0 device1 prompts[0..16383] prompts[16384..19999]");
    expect_told(far, 1, "welcome(0+1)");
    assert_int_equal(phone->welcome.prompt_tokens, TOKENS);
}

static void servers_get_the_text_of_prompts_when_they_score_them(void **state)
{
    (void) state;
    static const uint32_t token[] = {3, 4, 5};
    static const uint8_t bytes[] = {1, 2, 0};
    assert_int_equal(world_set_prompt(&run.world, token, 3, NULL), 0);
    assert_int_equal(world_set_prompt_bytes(&run.world, bytes, NULL), 0);
    run.world.scenario.compute.nll = SWITCH_ON;
    expect_told(join(mobile(1), 0), 3, "welcome(0+1) device0 prompts[3..5]+3");
    expect_told(join(server(4711), 0), 2, "welcome(0+1) prompts[3..5]+3");
}

/* ---- guests ---- */

/* The last two of six places are kept free. */
static void keep_two_places(void)
{
    run.members.guests = 2;
}

static void the_run_is_full_without_guests(void **state)
{
    (void) state;
    keep_two_places();
    struct node *four = join(mobile(4), 0), *near = join(server(1), 0), *far = join(server(2), 1);
    assert_true(members_is_full(&run.members));
    expect_refusal(connect_node(), mobile(1), ERR_STATE, PROTO_REFUSE_FULL, "no room for 1 more devices");
    expect_ready(near, 0);
    expect_ready(far, 0);
    assert_false(members_is_ready(&run.members));
    expect_ready(four, 0);
    assert_true(members_is_ready(&run.members));
}

static void a_guest_gets_a_place_that_is_kept_free_and_is_not_counted(void **state)
{
    (void) state;
    keep_two_places();
    struct node *one = join(guest(), 4), *phone = join(mobile(1), 0), *two = join(guest(), 5);
    assert_int_equal(run.members.devices_joined, 1);
    assert_true(one->member->is_guest && two->member->is_guest && !phone->member->is_guest);
    assert_int_equal(one->member->role, MEMBER_MOBILE);
    expect_told(one, 2, "welcome(4+1) device4");
    run.members.started = true;
    expect_ready(one, 0);
    expect_refusal(connect_node(), guest(), ERR_STATE, PROTO_REFUSE_FULL,
                   "all 2 places for guests are taken");
    leave(one);
    assert_int_equal(run.members.devices_joined, 1);
    assert_int_equal(run.members.devices_ready, 0);
    (void) join(guest(), 4);
}

static void a_guest_gets_its_place_back_and_nobody_elses(void **state)
{
    (void) state;
    keep_two_places();
    uint64_t token = run.members.run_token;
    struct node *phone = join(mobile(1), 0), *two;
    (void) phone;
    leave(join(guest(), 4));
    two = join(back(guest(), token, 5), 5);
    assert_null(members_holder(
        &run.members,
        &(struct msg_hello){.role = MEMBER_MOBILE, .count = 1, .run_token = token, .first = 5}));
    leave(two);
    (void) join(back(guest(), token, 0), 4);   /* a phone's place is none of its own */
    (void) join(back(mobile(1), token, 5), 1); /* nor the other way round */
}

static void a_run_without_such_places_has_none_and_a_guest_is_one(void **state)
{
    (void) state;
    expect_refusal(connect_node(), guest(), ERR_STATE, PROTO_REFUSE_FULL, "no places for guests");
    struct proto_message two = guest();
    two.hello.count = 2;
    expect_refusal(connect_node(), two, ERR_RANGE, PROTO_REFUSE_OUT_OF_RANGE, "needs count 1");
}

/* ---- coming back ---- */

static void who_shows_the_runs_token_gets_its_place_back(void **state)
{
    (void) state;
    uint64_t token = run.members.run_token;
    struct node *a = join(mobile(2), 0), *b = join(mobile(1), 2), *near = join(server(1), 0),
                *far = join(server(2), 1);
    leave(a);
    leave(b);
    leave(near);
    leave(far);
    expect_counts(0, 0, 0, 0);
    (void) join(back(mobile(1), token, 2), 2); /* 0 is free, too */
    (void) join(back(server(2), token, 1), 1);
    (void) join(back(mobile(2), token, 0), 0);
    expect_counts(3, 1, 0, 0);
}

static void a_claim_that_is_none_is_a_newcomers_hello(void **state)
{
    (void) state;
    uint64_t token = run.members.run_token;
    (void) join(back(mobile(1), token + 1, 3), 0); /* a stranger's token */
    (void) join(back(mobile(1), 0, 3), 1);         /* none */
    (void) join(back(mobile(2), token, 5), 2);     /* the last of them is not there */
    (void) join(back(mobile(1), token, 2), 4);     /* somebody has it */
    (void) join(back(server(9), token, 2), 0);     /* as many servers as there are */
    expect_counts(5, 1, 0, 0);
}

static void the_place_of_one_that_was_killed_is_kept_while_there_are_others(void **state)
{
    (void) state;
    uint64_t token = run.members.run_token;
    struct node *a = join(mobile(2), 0), *s = join(server(1), 0);
    members_reserve(&run.members, a->member);
    members_reserve(&run.members, s->member);
    expect_counts(0, 0, 0, 0);
    (void) join(mobile(3), 2);
    (void) join(server(2), 1);
    struct node *again = join(back(mobile(2), token, 0), 0), *near = join(back(server(1), token, 0), 0);
    expect_counts(5, 2, 0, 0);
    leave(again); /* not killed this time: its place is anybody's */
    (void) join(mobile(1), 0);
    assert_false(run.members.server_returns[near->member->first]);
}

static void a_kept_place_is_better_than_none(void **state)
{
    (void) state;
    struct node *a = join(mobile(2), 0), *s = join(server(1), 0);
    (void) join(mobile(4), 2);
    (void) join(server(2), 1);
    members_reserve(&run.members, a->member);
    members_reserve(&run.members, s->member);
    (void) join(mobile(2), 0);
    (void) join(server(3), 0);
    expect_counts(6, 2, 0, 0);
}

static void the_holder_of_a_place_is_found_by_token_and_number(void **state)
{
    (void) state;
    uint64_t token = run.members.run_token;
    (void) join(mobile(1), 0);
    struct node *two = join(mobile(2), 1), *s = join(server(1), 0);
    struct proto_message hello = back(mobile(1), token, 2);
    assert_ptr_equal(members_holder(&run.members, &hello.hello), two->member);
    hello.hello.first = 3; /* free */
    assert_null(members_holder(&run.members, &hello.hello));
    hello = back(mobile(2), token, 5);
    assert_null(members_holder(&run.members, &hello.hello));
    hello = back(mobile(1), token + 1, 2);
    assert_null(members_holder(&run.members, &hello.hello));
    hello = back(server(1), token, 0);
    assert_ptr_equal(members_holder(&run.members, &hello.hello), s->member);
}

static void a_server_that_returns_with_another_port_is_reached_there(void **state)
{
    (void) state;
    struct node *node = join(server(4711), 0);
    struct proto_message told = members_server_message(&run.members, &run.world, 0);
    const struct server_params *params = &run.world.server[0];
    assert_int_equal(told.id, PROTO_SERVER);
    assert_int_equal(told.server.server, 0);
    assert_int_equal(told.server.port, 4711);
    assert_int_equal(told.server.host.size, 8);
    assert_memory_equal(told.server.host.data, "10.0.0.7", 8);
    assert_same(told.server.x_m, params->position.x);
    assert_same(told.server.y_m, params->position.y);
    assert_same(told.server.flops, params->flops);
    assert_same(told.server.power_w, params->power_w);
    assert_string_equal(node->member->address, "10.0.0.7:4711");
    leave(node);
    assert_int_equal(members_server_message(&run.members, &run.world, 0).server.port,
                     4711); /* while it is away */
    node = join(back(server(4712), run.members.run_token, 0), 0);
    assert_int_equal(members_server_message(&run.members, &run.world, 0).server.port, 4712);
    assert_string_equal(node->member->address, "10.0.0.7:4712");
}

static void a_mobile_node_is_known_by_where_it_connects_from(void **state)
{
    (void) state;
    struct node *node = join(mobile(1), 0);
    char address[64];
    wire_conn_peer(run.pair.accepted[0].conn, address);
    assert_string_equal(node->member->address, address);
}

/* ---- refusals ---- */

static void a_run_that_is_full_refuses(void **state)
{
    (void) state;
    (void) join(mobile(6), 0);
    struct node *late = connect_node();
    expect_refusal(late, mobile(1), ERR_STATE, PROTO_REFUSE_FULL, "no room for 1 more devices");
    (void) join(server(1), 0);
    (void) join(server(2), 1);
    expect_refusal(late, server(3), ERR_STATE, PROTO_REFUSE_FULL, "no room for 1 more servers");
    run.members.started = true;
    expect_refusal(late, mobile(1), ERR_STATE, PROTO_REFUSE_STARTED, "no room for 1 more devices");
    assert_int_equal(late->member->role, 0);
}

static void a_process_needs_places_side_by_side(void **state)
{
    (void) state;
    struct node *first = join(mobile(1), 0);
    (void) join(mobile(4), 1);
    leave(first); /* 0 and 5 are free */
    struct node *two = connect_node();
    expect_refusal(two, mobile(2), ERR_STATE, PROTO_REFUSE_FULL, "no room for 2 more devices");
    (void) join(mobile(1), 0);
    (void) join(mobile(1), 5);
}

static void another_major_version_is_refused_and_a_newer_minor_one_is_not(void **state)
{
    (void) state;
    struct proto_message hello = mobile(1);
    struct node *node = connect_node();
    hello.hello.major = PROTO_MAJOR + 1;
    expect_refusal(node, hello, ERR_VERSION, PROTO_REFUSE_VERSION, "speaks protocol 3, the orchestrator 2");
    hello.hello.major = PROTO_MAJOR;
    hello.hello.minor = PROTO_MINOR + 1;
    assert_int_equal(take(node, &hello), 0);
}

static void a_node_that_cannot_tell_its_answer_is_refused(void **state)
{
    (void) state;
    struct proto_message hello = mobile(1);
    struct node *node = connect_node();
    hello.hello.minor = 2;
    expect_refusal(node, hello, ERR_VERSION, PROTO_REFUSE_VERSION,
                   "speaks protocol 2.2, the orchestrator needs 2.5");
    hello.hello.minor = 5;
    assert_int_equal(take(node, &hello), 0);
}

static void a_server_says_where_it_takes_tasks(void **state)
{
    (void) state;
    struct node *node = connect_node();
    struct proto_message two = server(1), no_port = server(0), no_host = server(1);
    two.hello.count = 2;
    no_host.hello.host.size = 0;
    expect_refusal(node, two, ERR_RANGE, PROTO_REFUSE_OUT_OF_RANGE, "needs count 1, a port and a host");
    expect_refusal(node, no_port, ERR_RANGE, PROTO_REFUSE_OUT_OF_RANGE, "a port");
    expect_refusal(node, no_host, ERR_RANGE, PROTO_REFUSE_OUT_OF_RANGE, "a host");
}

static void a_second_hello_is_refused(void **state)
{
    (void) state;
    struct node *node = join(mobile(1), 0);
    expect_refusal(node, mobile(1), ERR_STATE, PROTO_REFUSE_OUT_OF_STATE, "HELLO came twice");
}

static void nothing_else_is_said_while_joining(void **state)
{
    (void) state;
    const struct proto_message report = {.id = PROTO_REPORT};
    struct node *node = connect_node();
    expect_refusal(node, report, ERR_STATE, PROTO_REFUSE_OUT_OF_STATE, "REPORT while joining");
    node = join(mobile(1), 0);
    expect_refusal(node, report, ERR_STATE, PROTO_REFUSE_OUT_OF_STATE, "REPORT while joining");
}

/* ---- being ready ---- */

static void ready_counts_once_all_have_joined_and_once_for_each(void **state)
{
    (void) state;
    const struct proto_message ready = {.id = PROTO_READY};
    struct node *two = join(mobile(2), 0), *four = join(mobile(4), 2), *near = join(server(1), 0);
    struct node *far = connect_node();
    expect_refusal(two, ready, ERR_STATE, PROTO_REFUSE_OUT_OF_STATE, "READY while joining");
    expect_refusal(far, ready, ERR_STATE, PROTO_REFUSE_OUT_OF_STATE, "READY while joining");
    const struct proto_message hello = server(2);
    assert_int_equal(take(far, &hello), 0);
    expect_ready(two, 0);
    expect_counts(6, 2, 2, 0);
    expect_refusal(two, ready, ERR_STATE, PROTO_REFUSE_OUT_OF_STATE, "READY while joining");
    expect_ready(near, 0);
    expect_counts(6, 2, 2, 1);
    expect_ready(four, 0);
    expect_counts(6, 2, 6, 1);
    expect_ready(far, 0);
    expect_counts(6, 2, 6, 2);
}

static void who_comes_back_into_a_run_is_ready_without_the_others(void **state)
{
    (void) state;
    run.members.started = true;
    struct node *node = join(mobile(2), 0);
    expect_ready(node, 0);
    expect_counts(2, 0, 2, 0);
}

static void who_leaves_is_neither_joined_nor_ready_any_more(void **state)
{
    (void) state;
    struct node *four = join(mobile(4), 0), *two = join(mobile(2), 4), *near = join(server(1), 0),
                *far = join(server(2), 1);
    expect_ready(four, 0);
    expect_ready(near, 0);
    members_vacate(&run.members, four->member);
    expect_counts(2, 2, 0, 1);
    members_vacate(&run.members, two->member); /* was not ready */
    expect_counts(0, 2, 0, 1);
    members_vacate(&run.members, near->member);
    expect_counts(0, 1, 0, 0);
    members_vacate(&run.members, far->member);
    expect_counts(0, 0, 0, 0);
    members_vacate(&run.members, four->member); /* plays nobody: nothing to give back */
    expect_counts(0, 0, 0, 0);
    for (uint32_t n = 0; n < DEVICES; n++)
        assert_null(run.members.device[n]);
    assert_null(run.members.server[0]);
    assert_null(run.members.server[1]);
    assert_false(four->member->ready);
    assert_int_equal(four->member->role, 0);
}

static void who_is_gone_leaves_its_place_and_what_it_has_said(void **state)
{
    (void) state;
    struct node *a = join(mobile(1), 0), *b = join(mobile(1), 1), *c = connect_node();
    expect_told(a, 2, "welcome(0+1) device0");
    assert_int_equal(run.members.messages, 0);
    leave(a);
    assert_int_equal(run.members.messages, 2);
    leave(c);
    assert_int_equal(run.members.messages, 2);
    assert_null(run.members.device[0]);
    assert_ptr_equal(run.members.all, b->member);
    assert_null(run.members.all->next);
    expect_counts(1, 0, 0, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        cmocka_unit_test_setup_teardown(a_server_that_names_a_tier_gets_a_place_in_it, setup_tiers, teardown),
        cmocka_unit_test_setup_teardown(a_tier_that_the_run_does_not_have_is_refused, setup_tiers, teardown),
        cmocka_unit_test_setup_teardown(a_run_without_tiers_refuses_every_name_of_one, setup, teardown),
        TEST(places_go_out_in_the_order_of_arrival),
        TEST(a_process_is_told_what_is_played_and_who_its_devices_are),
        TEST(real_requests_come_in_pieces_that_a_message_holds),
        TEST(a_process_gets_the_traces_of_its_own_devices_and_each_once),
        TEST(phones_get_the_text_of_prompts_in_pieces),
        TEST(servers_get_the_text_of_prompts_when_they_score_them),
        TEST(the_run_is_full_without_guests),
        TEST(a_guest_gets_a_place_that_is_kept_free_and_is_not_counted),
        TEST(a_guest_gets_its_place_back_and_nobody_elses),
        TEST(a_run_without_such_places_has_none_and_a_guest_is_one),
        TEST(who_shows_the_runs_token_gets_its_place_back),
        TEST(a_claim_that_is_none_is_a_newcomers_hello),
        TEST(the_place_of_one_that_was_killed_is_kept_while_there_are_others),
        TEST(a_kept_place_is_better_than_none),
        TEST(the_holder_of_a_place_is_found_by_token_and_number),
        TEST(a_server_that_returns_with_another_port_is_reached_there),
        TEST(a_mobile_node_is_known_by_where_it_connects_from),
        TEST(a_run_that_is_full_refuses),
        TEST(a_process_needs_places_side_by_side),
        TEST(another_major_version_is_refused_and_a_newer_minor_one_is_not),
        TEST(a_node_that_cannot_tell_its_answer_is_refused),
        TEST(a_server_says_where_it_takes_tasks),
        TEST(a_second_hello_is_refused),
        TEST(nothing_else_is_said_while_joining),
        TEST(ready_counts_once_all_have_joined_and_once_for_each),
        TEST(who_comes_back_into_a_run_is_ready_without_the_others),
        TEST(who_leaves_is_neither_joined_nor_ready_any_more),
        TEST(who_is_gone_leaves_its_place_and_what_it_has_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
