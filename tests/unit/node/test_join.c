/* How a node joins: what it is told, in which order, how often, and when it is ready. */
#include "proto/node/join.h"

#include "core/base/err.h"
#include "tests/unit/model/check.h"

#define DEVICES 10u
#define SERVERS 2u
#define FIRST 4u
#define COUNT 2u

struct bench {
    struct join join;
    struct buf scenario;
    struct diag diag;
};

static void start(struct bench *bench, enum node_role role)
{
    struct scenario scenario = check_scenario(NULL);
    *bench = (struct bench){.diag = {{0}}};
    assert_int_equal(scenario_print(&scenario, &bench->scenario), 0);
    join_init(&bench->join, role, role == NODE_MOBILE ? COUNT : 1);
}

static int mobile(void **state)
{
    static struct bench bench;
    start(&bench, NODE_MOBILE);
    *state = &bench;
    return 0;
}

static int server(void **state)
{
    static struct bench bench;
    start(&bench, NODE_SERVER);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    join_finish(&bench->join);
    buf_finish(&bench->scenario);
    return 0;
}

static int take(struct bench *bench, struct proto_message message)
{
    bench->diag.text[0] = '\0';
    int rc = join_take(&bench->join, &message, &bench->diag);
    assert_int_equal(rc == 0, bench->diag.text[0] == '\0');
    return rc;
}

static struct proto_message welcome(const struct bench *bench, uint64_t token_rows)
{
    bool is_mobile = bench->join.role == NODE_MOBILE;
    return (struct proto_message){
        .id = PROTO_WELCOME,
        .welcome = {.major = PROTO_MAJOR,
                    .minor = PROTO_MINOR,
                    .run_token = 77,
                    .seed = 12,
                    .first = is_mobile ? FIRST : 1,
                    .count = is_mobile ? COUNT : 1,
                    .devices = DEVICES,
                    .servers = SERVERS,
                    .token_rows = token_rows,
                    .scenario = {(const char *) bench->scenario.data, bench->scenario.size}},
    };
}

static struct proto_message device(uint32_t number)
{
    return (struct proto_message){
        .id = PROTO_DEVICE,
        .device = {.device = number,
                   .flops = 1e12 + number,
                   .power_w = 4.0,
                   .transmit_power_w = 0.25,
                   .max_split = number == FIRST ? 20 : 1000,
                   .has_home = 1,
                   .home_x_m = 3.0,
                   .home_y_m = 4.0},
    };
}

static struct proto_message server_row(uint32_t number)
{
    return (struct proto_message){
        .id = PROTO_SERVER,
        .server = {.server = number,
                   .x_m = 10.0 + number,
                   .y_m = 20.0,
                   .flops = 7e12,
                   .power_w = 120.0,
                   .port = 4000 + number,
                   .host = {"127.0.0.1 and more", 9}},
    };
}

static struct proto_message requests(uint32_t number, const uint32_t *tokens, size_t count)
{
    return (struct proto_message){
        .id = PROTO_REQUESTS,
        .requests = {.device = number, .tokens = {tokens, count}},
    };
}

static void hello_says_who_asks(void **state)
{
    struct bench *bench = *state;
    struct proto_message hello = join_hello(&bench->join, NULL, 0);
    assert_int_equal(hello.id, PROTO_HELLO);
    assert_int_equal(hello.hello.role, 1);
    assert_int_equal(hello.hello.count, COUNT);
    assert_int_equal(hello.hello.major, PROTO_MAJOR);
    assert_true(hello.hello.schema_hash == proto_schema_hash());
    assert_int_equal(hello.hello.host.size, 0);
    bench->join.role = NODE_SERVER;
    hello = join_hello(&bench->join, "edge.example", 4711);
    assert_int_equal(hello.hello.role, 2);
    assert_int_equal(hello.hello.data_port, 4711);
    assert_int_equal(hello.hello.host.size, strlen("edge.example"));
}

static void a_mobile_node_is_ready_when_all_its_devices_and_all_servers_are_known(void **state)
{
    struct bench *bench = *state;
    assert_false(join_is_ready(&bench->join));
    assert_int_equal(take(bench, welcome(bench, 0)), 0);
    assert_int_equal(take(bench, device(FIRST + 1)), 0);
    assert_int_equal(take(bench, server_row(0)), 0);
    assert_int_equal(take(bench, device(FIRST)), 0);
    assert_false(join_is_ready(&bench->join));
    assert_int_equal(take(bench, server_row(1)), 0);
    assert_true(join_is_ready(&bench->join));
    const struct join *join = &bench->join;
    assert_int_equal(join->first, FIRST);
    assert_int_equal(join->run_token, 77);
    assert_int_equal(join->world.seed, 12);
    assert_int_equal(join->world.devices, DEVICES);
    assert_int_equal(join->world.servers, SERVERS);
    assert_same(join->world.device[FIRST].flops, 1e12 + FIRST);
    assert_same(join->world.device[FIRST].transmit_power_w, 0.25);
    assert_same(join->world.device[FIRST].home.y, 4.0);
    assert_true(join->world.device[FIRST].has_home);
    assert_int_equal(join->world.device[FIRST].max_split, 20);
    assert_int_equal(join->world.device[FIRST + 1].max_split, 32); /* never more than there are */
    assert_same(join->world.server[1].position.x, 11.0);
    assert_same(join->world.server[1].power_w, 120.0);
    assert_string_equal(join->address[1].host, "127.0.0.1");
    assert_int_equal(join->address[1].port, 4001);
}

static void an_edge_server_is_ready_when_all_servers_are_known(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(take(bench, welcome(bench, 0)), 0);
    assert_int_equal(take(bench, device(0)), ERR_STATE);
    assert_int_equal(take(bench, requests(0, (const uint32_t[]){5}, 1)), ERR_STATE);
    assert_int_equal(take(bench, server_row(1)), 0);
    assert_false(join_is_ready(&bench->join));
    assert_int_equal(take(bench, server_row(0)), 0);
    assert_true(join_is_ready(&bench->join));
    assert_int_equal(bench->join.first, 1);
}

static void an_edge_server_needs_no_requests(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(take(bench, welcome(bench, 500)), 0);
    assert_int_equal(take(bench, server_row(1)), 0);
    assert_int_equal(take(bench, server_row(0)), 0);
    assert_true(join_is_ready(&bench->join));
}

static void nothing_is_taken_before_welcome_and_no_other_message_ever(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(take(bench, device(FIRST)), ERR_STATE);
    assert_int_equal(take(bench, server_row(0)), ERR_STATE);
    assert_int_equal(take(bench, requests(FIRST, (const uint32_t[]){5}, 1)), ERR_STATE);
    assert_int_equal(take(bench, (struct proto_message){.id = PROTO_SLOT}), ERR_STATE);
    assert_int_equal(take(bench, welcome(bench, 0)), 0);
    assert_int_equal(take(bench, (struct proto_message){.id = PROTO_SLOT}), ERR_STATE);
    assert_int_equal(take(bench, (struct proto_message){.id = (enum proto_id) 99}), ERR_STATE);
    assert_int_equal(take(bench, device(FIRST)), 0);
}

static void what_was_told_is_not_told_again(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(take(bench, welcome(bench, 0)), 0);
    assert_int_equal(take(bench, welcome(bench, 0)), ERR_STATE);
    assert_int_equal(take(bench, device(FIRST)), 0);
    assert_int_equal(take(bench, device(FIRST)), ERR_STATE);
    assert_int_equal(take(bench, server_row(0)), 0);
    assert_int_equal(take(bench, server_row(0)), ERR_STATE);
    assert_int_equal(take(bench, server_row(1)), 0);
    assert_false(join_is_ready(&bench->join)); /* the second device is still missing */
    assert_int_equal(take(bench, device(FIRST + 1)), 0);
    assert_true(join_is_ready(&bench->join));
    assert_int_equal(take(bench, device(FIRST + 1)), ERR_STATE);
    assert_true(join_is_ready(&bench->join));
}

static void other_nodes_devices_and_servers_that_do_not_exist_are_refused(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(take(bench, welcome(bench, 3)), 0);
    assert_int_equal(take(bench, device(FIRST - 1)), ERR_STATE);
    assert_int_equal(take(bench, device(FIRST + COUNT)), ERR_STATE);
    assert_int_equal(take(bench, requests(FIRST + COUNT, (const uint32_t[]){5}, 1)), ERR_STATE);
    assert_int_equal(take(bench, server_row(SERVERS)), ERR_STATE);
}

static void another_protocol_is_refused(void **state)
{
    struct bench *bench = *state;
    struct proto_message message = welcome(bench, 0);
    message.welcome.major = PROTO_MAJOR + 1;
    assert_int_equal(take(bench, message), ERR_VERSION);
    message = welcome(bench, 0);
    message.welcome.minor = PROTO_MINOR + 5; /* newer fields are skipped */
    assert_int_equal(take(bench, message), 0);
}

static void a_place_that_does_not_exist_is_refused(void **state)
{
    struct bench *bench = *state;
    struct proto_message message = welcome(bench, 0);
    message.welcome.first = DEVICES - 1;
    assert_int_equal(take(bench, message), ERR_RANGE);
    message.welcome.first = FIRST;
    message.welcome.count = COUNT + 1; /* not what was asked for */
    assert_int_equal(take(bench, message), ERR_RANGE);
    message.welcome.count = COUNT;
    message.welcome.devices = FIRST + COUNT; /* the last places */
    assert_int_equal(take(bench, message), 0);
}

static void a_scenario_that_cannot_be_read_is_refused_and_the_node_may_be_told_again(void **state)
{
    struct bench *bench = *state;
    struct proto_message message = welcome(bench, 0);
    message.welcome.scenario = (struct proto_text){"run: [", 6};
    assert_int_not_equal(take(bench, message), 0);
    assert_false(join_is_ready(&bench->join));
    assert_int_equal(take(bench, device(FIRST)), ERR_STATE);
    assert_int_equal(take(bench, welcome(bench, 0)), 0);
}

static void how_policies_are_set_is_no_business_of_a_node(void **state)
{
    struct bench *bench = *state;
    struct proto_message message = welcome(bench, 0);
    static const char text[] = "run:\n  slots: 5\nddpg:\n  batch: 32\n";
    message.welcome.scenario = (struct proto_text){text, sizeof text - 1};
    assert_int_equal(take(bench, message), ERR_UNKNOWN);
    assert_non_null(strstr(bench->diag.text, "WELCOME:3: ddpg: unknown section"));
    assert_false(join_is_ready(&bench->join));
}

static void requests_come_in_pieces_and_must_all_have_come(void **state)
{
    struct bench *bench = *state;
    const uint32_t rows[] = {11, 12, 13, 14, 15};
    assert_int_equal(take(bench, welcome(bench, 5)), 0);
    assert_int_equal(take(bench, device(FIRST)), 0);
    assert_int_equal(take(bench, device(FIRST + 1)), 0);
    assert_int_equal(take(bench, server_row(0)), 0);
    assert_int_equal(take(bench, server_row(1)), 0);
    assert_false(join_is_ready(&bench->join));
    assert_int_equal(take(bench, requests(FIRST, rows, 2)), 0);
    assert_int_equal(take(bench, requests(FIRST + 1, rows, 5)), 0);
    assert_int_equal(take(bench, requests(FIRST, rows + 2, 0)), 0);
    assert_false(join_is_ready(&bench->join));
    assert_int_equal(take(bench, requests(FIRST, rows + 2, 4)), ERR_RANGE); /* one too many: none is taken */
    assert_int_equal(take(bench, requests(FIRST, rows + 2, 3)), 0);
    assert_true(join_is_ready(&bench->join));
    assert_int_equal(take(bench, requests(FIRST, rows, 1)), ERR_RANGE);
    assert_int_equal(take(bench, requests(FIRST, rows, 0)), 0);
    assert_true(join_is_ready(&bench->join)); /* an empty piece at the end counts nothing twice */
    const struct world *world = &bench->join.world;
    assert_int_equal(world->token_rows, 5);
    assert_memory_equal(world->tokens + (size_t) FIRST * 5, rows, sizeof rows);
    assert_memory_equal(world->tokens + (size_t) (FIRST + 1) * 5, rows, sizeof rows);
}

static void requests_that_were_not_announced_are_refused(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(take(bench, welcome(bench, 0)), 0);
    assert_int_equal(take(bench, requests(FIRST, (const uint32_t[]){5}, 1)), ERR_RANGE);
    assert_int_equal(take(bench, requests(FIRST, (const uint32_t[]){5}, 0)), 0);
    assert_int_equal(bench->join.devices_missing, COUNT);
}

static void more_requests_than_memory_should_hold_are_refused(void **state)
{
    struct bench *bench = *state;
    struct proto_message message = welcome(bench, 1000000);
    message.welcome.devices = 100000;
    assert_int_equal(take(bench, message), ERR_TOO_BIG);
    assert_false(join_is_ready(&bench->join));
}

static struct proto_message trace(uint32_t kind, uint32_t number, uint32_t points, const double *start_s,
                                  size_t count, const double *value)
{
    return (struct proto_message){
        .id = PROTO_TRACE,
        .trace = {.kind = kind,
                  .number = number,
                  .points = points,
                  .duration_s = 9.0,
                  .start_s = {start_s, count},
                  .value = {value, kind == 1 ? count : 4 * count}},
    };
}

static struct proto_message welcome_with_traces(const struct bench *bench, uint64_t rates, uint64_t places)
{
    struct proto_message message = welcome(bench, 0);
    message.welcome.rate_traces = rates;
    message.welcome.place_traces = places;
    return message;
}

static const double starts_s[] = {0.0, 1.0, 2.5, 4.0};
static const double values[] = {5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};

/* Devices 4 and 5: of three traces they play numbers 1 and 2. */
static void traces_come_in_pieces_and_those_that_are_played_must_have_come(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(take(bench, welcome_with_traces(bench, 3, 1)), 0);
    assert_int_equal(take(bench, device(FIRST)), 0);
    assert_int_equal(take(bench, device(FIRST + 1)), 0);
    assert_int_equal(take(bench, server_row(0)), 0);
    assert_int_equal(take(bench, server_row(1)), 0);
    uint32_t first = FIRST % 3, second = (FIRST + 1) % 3, nobodys = (FIRST + 2) % 3;
    assert_int_equal(take(bench, trace(1, first, 4, starts_s, 1, values)), 0);
    assert_int_equal(take(bench, trace(1, second, 2, starts_s, 2, values)), 0);
    assert_int_equal(take(bench, trace(2, 0, 2, starts_s, 2, values)), 0);
    assert_false(join_is_ready(&bench->join));
    assert_int_equal(take(bench, trace(1, nobodys, 2, starts_s, 2, values)), ERR_STATE);
    assert_int_equal(take(bench, trace(1, first, 4, starts_s + 1, 3, values + 1)), 0);
    assert_true(join_is_ready(&bench->join));
    const struct track *track = tracks_of(&bench->join.world.rate_tracks, FIRST);
    assert_int_equal(track->points, 4);
    assert_same(track->duration_s, 9.0);
    assert_memory_equal(track->start_s, starts_s, sizeof starts_s);
    assert_memory_equal(track->value, values, 4 * sizeof *values);
    assert_memory_equal(tracks_of(&bench->join.world.place_tracks, FIRST + 1)->value, values,
                        8 * sizeof *values);
}

static void pieces_of_a_trace_that_do_not_fit_are_refused(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(take(bench, trace(1, 0, 2, starts_s, 2, values)), ERR_STATE);
    assert_int_equal(take(bench, welcome_with_traces(bench, 1, 1)), 0);
    assert_int_equal(take(bench, trace(1, 1, 2, starts_s, 2, values)), ERR_STATE);
    assert_int_equal(take(bench, trace(1, 0, 2, starts_s, 3, values)), ERR_RANGE); /* more than announced */
    assert_int_equal(take(bench, trace(1, 0, 2, starts_s, 0, values)), ERR_RANGE);
    struct proto_message message = trace(2, 0, 2, starts_s, 2, values);
    message.trace.value.count = 7; /* not four for each */
    assert_int_equal(take(bench, message), ERR_RANGE);
    assert_int_equal(take(bench, trace(1, 0, 2, starts_s, 1, values)), 0);
    assert_int_equal(take(bench, trace(1, 0, 3, starts_s + 1, 1, values)), ERR_RANGE); /* it had two points */
    assert_int_equal(take(bench, trace(1, 0, 2, starts_s, 1, values)), ERR_RANGE); /* its time stands still */
    assert_int_equal(take(bench, trace(1, 0, 2, starts_s, 1, values)), ERR_RANGE); /* and it is over */
    assert_false(join_is_ready(&bench->join));
}

static void more_traces_than_devices_are_refused(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(take(bench, welcome_with_traces(bench, DEVICES + 1, 0)), ERR_RANGE);
}

static void more_bytes_of_traces_than_memory_should_hold_are_refused(void **state)
{
    struct bench *bench = *state;
    struct proto_message message = welcome_with_traces(bench, 0, 1000);
    bench->join.count = 1000;
    message.welcome.first = 0;
    message.welcome.count = 1000;
    message.welcome.devices = 1000;
    assert_int_equal(take(bench, message), 0);
    int rc = 0;
    uint32_t taken = 0;
    while (rc == 0)
        rc = take(bench, trace(2, taken++, 32768, starts_s, 1, values));
    assert_int_equal(rc, ERR_TOO_BIG);
    assert_true(taken < 30);
}

static void an_edge_server_needs_no_traces(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(take(bench, welcome_with_traces(bench, 3, 3)), 0);
    assert_int_equal(take(bench, trace(1, 0, 2, starts_s, 2, values)), ERR_STATE);
    assert_int_equal(take(bench, server_row(1)), 0);
    assert_int_equal(take(bench, server_row(0)), 0);
    assert_true(join_is_ready(&bench->join));
}

static struct proto_message prompts(const uint32_t *token, size_t count)
{
    return (struct proto_message){.id = PROTO_PROMPTS, .prompts = {.tokens = {token, count}}};
}

static struct proto_message welcome_with_text(const struct bench *bench, uint64_t tokens)
{
    struct proto_message message = welcome(bench, 0);
    message.welcome.prompt_tokens = tokens;
    return message;
}

static const uint32_t text[] = {7, 0, 31999, 7, 12};

static void the_text_of_prompts_comes_in_pieces_and_must_have_come(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(take(bench, welcome_with_text(bench, 5)), 0);
    assert_int_equal(take(bench, device(FIRST)), 0);
    assert_int_equal(take(bench, device(FIRST + 1)), 0);
    assert_int_equal(take(bench, server_row(0)), 0);
    assert_int_equal(take(bench, server_row(1)), 0);
    assert_int_equal(take(bench, prompts(text, 2)), 0);
    assert_false(join_is_ready(&bench->join));
    assert_null(bench->join.world.prompt);
    assert_int_equal(take(bench, prompts(text + 2, 3)), 0);
    assert_true(join_is_ready(&bench->join));
    assert_int_equal(bench->join.world.prompt_tokens, 5);
    assert_memory_equal(bench->join.world.prompt, text, sizeof text);
}

static struct proto_message prompts_with_bytes(const uint32_t *token, size_t count, const uint8_t *bytes,
                                               size_t size)
{
    struct proto_message message = prompts(token, count);
    message.prompts.bytes = (struct proto_bytes){bytes, size};
    return message;
}

static void bytes_of_a_text_come_with_its_tokens(void **state)
{
    struct bench *bench = *state;
    static const uint8_t bytes[] = {1, 2, 3, 4, 0};
    assert_int_equal(take(bench, welcome_with_text(bench, 5)), 0);
    assert_int_equal(take(bench, prompts_with_bytes(text, 2, bytes, 3)), ERR_RANGE);
    assert_int_equal(take(bench, prompts_with_bytes(text, 2, bytes, 2)), 0);
    assert_int_equal(take(bench, prompts_with_bytes(text + 2, 3, bytes + 2, 3)), 0);
    assert_memory_equal(bench->join.world.prompt_bytes, bytes, sizeof bytes);
}

static void bytes_that_some_pieces_lack_are_not_known(void **state)
{
    struct bench *bench = *state;
    static const uint8_t bytes[] = {1, 2, 3, 4, 0};
    assert_int_equal(take(bench, welcome_with_text(bench, 5)), 0);
    assert_int_equal(take(bench, prompts(text, 2)), 0);
    assert_int_equal(take(bench, prompts_with_bytes(text + 2, 3, bytes, 3)), 0);
    assert_int_equal(bench->join.world.prompt_tokens, 5);
    assert_null(bench->join.world.prompt_bytes);
}

static void a_server_waits_for_the_text_when_it_scores_prompts(void **state)
{
    struct bench *bench = *state;
    for (int scores = 0; scores < 2; scores++) {
        struct scenario scenario = check_scenario(
            (const char *[]){"compute.kind=model", "model.file=a", "model.layers=2", "model.hidden=8",
                             "model.query=8", "model.kv=8", "model.ff=16", "model.ff_matrices=3",
                             "model.vocab=32000", scores == 0 ? "compute.nll=off" : "compute.nll=on", NULL});
        buf_finish(&bench->scenario);
        assert_int_equal(scenario_print(&scenario, &bench->scenario), 0);
        assert_int_equal(take(bench, welcome_with_text(bench, 5)), 0);
        assert_int_equal(take(bench, server_row(0)), 0);
        assert_int_equal(take(bench, server_row(1)), 0);
        assert_true(join_is_ready(&bench->join) == (scores == 0));
        assert_int_equal(take(bench, prompts(text, 5)), scores == 0 ? ERR_RANGE : 0);
        assert_true(join_is_ready(&bench->join));
        join_again(&bench->join);
    }
}

static void pieces_of_a_text_that_do_not_fit_are_refused(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(take(bench, prompts(text, 1)), ERR_STATE);
    assert_int_equal(take(bench, welcome_with_text(bench, 4)), 0);
    assert_int_equal(take(bench, prompts(text, 0)), ERR_RANGE);
    assert_int_equal(take(bench, prompts(text, 5)), ERR_RANGE); /* more than announced */
    assert_int_equal(take(bench, prompts(text, 3)), 0);
    assert_int_equal(take(bench, prompts(text, 2)), ERR_RANGE);
    assert_string_equal(bench->diag.text, "PROMPTS: a piece of 2 tokens does not fit the 4 announced");
    assert_int_equal(take(bench, prompts(text, 1)), 0);
    assert_int_equal(take(bench, prompts(text, 1)), ERR_RANGE); /* all have come */
}

static void a_text_that_was_not_announced_is_refused(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(take(bench, welcome(bench, 0)), 0);
    assert_int_equal(take(bench, prompts(text, 1)), ERR_RANGE);
}

static void a_token_that_the_model_does_not_have_is_refused(void **state)
{
    struct bench *bench = *state;
    const uint32_t strange[] = {1, 16777215};
    assert_int_equal(take(bench, welcome_with_text(bench, 2)), 0);
    assert_int_equal(take(bench, prompts(strange, 2)), ERR_RANGE);
    assert_non_null(strstr(bench->diag.text, "its token 1 is 16777215, and the vocabulary"));
    assert_false(join_is_ready(&bench->join));
}

static void a_text_longer_than_memory_should_hold_is_refused(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(take(bench, welcome_with_text(bench, WORLD_PROMPT_MAX + 1)), ERR_TOO_BIG);
}

static void an_edge_server_needs_no_text(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(take(bench, welcome_with_text(bench, 5)), 0);
    assert_int_equal(take(bench, prompts(text, 5)), ERR_RANGE);
    assert_int_equal(take(bench, server_row(1)), 0);
    assert_int_equal(take(bench, server_row(0)), 0);
    assert_true(join_is_ready(&bench->join));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define MOBILE(name) cmocka_unit_test_setup_teardown(name, mobile, teardown)
#define SERVER(name) cmocka_unit_test_setup_teardown(name, server, teardown)
        MOBILE(hello_says_who_asks),
        MOBILE(a_mobile_node_is_ready_when_all_its_devices_and_all_servers_are_known),
        SERVER(an_edge_server_is_ready_when_all_servers_are_known),
        SERVER(an_edge_server_needs_no_requests),
        MOBILE(nothing_is_taken_before_welcome_and_no_other_message_ever),
        MOBILE(what_was_told_is_not_told_again),
        MOBILE(other_nodes_devices_and_servers_that_do_not_exist_are_refused),
        MOBILE(another_protocol_is_refused),
        MOBILE(a_place_that_does_not_exist_is_refused),
        MOBILE(a_scenario_that_cannot_be_read_is_refused_and_the_node_may_be_told_again),
        MOBILE(how_policies_are_set_is_no_business_of_a_node),
        MOBILE(requests_come_in_pieces_and_must_all_have_come),
        MOBILE(requests_that_were_not_announced_are_refused),
        MOBILE(more_requests_than_memory_should_hold_are_refused),
        MOBILE(traces_come_in_pieces_and_those_that_are_played_must_have_come),
        MOBILE(pieces_of_a_trace_that_do_not_fit_are_refused),
        MOBILE(more_traces_than_devices_are_refused),
        MOBILE(more_bytes_of_traces_than_memory_should_hold_are_refused),
        SERVER(an_edge_server_needs_no_traces),
        MOBILE(the_text_of_prompts_comes_in_pieces_and_must_have_come),
        MOBILE(pieces_of_a_text_that_do_not_fit_are_refused),
        SERVER(a_server_waits_for_the_text_when_it_scores_prompts),
        MOBILE(bytes_that_some_pieces_lack_are_not_known),
        MOBILE(bytes_of_a_text_come_with_its_tokens),
        MOBILE(a_text_that_was_not_announced_is_refused),
        MOBILE(a_token_that_the_model_does_not_have_is_refused),
        MOBILE(a_text_longer_than_memory_should_hold_is_refused),
        SERVER(an_edge_server_needs_no_text),
#undef MOBILE
#undef SERVER
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
