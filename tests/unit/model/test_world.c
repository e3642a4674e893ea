#include "core/model/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "core/base/err.h"
#include "core/model/dataset.h"

static char folder[] = "/tmp/handoff-world-XXXXXX";

static const char *write_file(const char *name, const char *text)
{
    static char path[128];
    (void) snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return path;
}

static void set_path(char *field, const char *name, const char *text)
{
    (void) snprintf(field, 512, "%s", write_file(name, text));
}

/* `message` is what stands behind the folder's path. */
static void assert_load_fails(struct scenario *scenario, int code, const char *message)
{
    struct dataset *data = NULL;
    struct diag diag = {{0}};
    int rc = dataset_load(&data, scenario, &diag);
    assert_int_equal(strncmp(diag.text, folder, strlen(folder)), 0);
    assert_string_equal(diag.text + strlen(folder) + 1, message);
    assert_int_equal(rc, code);
    assert_null(data);
}

static void assert_requests_fail(const char *text, int code, const char *message)
{
    struct scenario scenario = check_scenario(NULL);
    set_path(scenario.task.requests_csv, "requests.csv", text);
    assert_load_fails(&scenario, code, message);
}

static void assert_sites_fail(const char *text, int code, const char *message)
{
    struct scenario scenario = check_scenario(NULL);
    set_path(scenario.servers.positions_csv, "sites.csv", text);
    assert_load_fails(&scenario, code, message);
}

static void a_text_of_the_models_tokens_is_copied_into_the_world(void **state)
{
    (void) state;
    struct world world = check_world((const char *[]){"devices.count=1", NULL});
    uint32_t text[] = {3, 1, 31999, 0}, foreign[] = {5, 32000};
    struct diag diag = {{0}};
    assert_null(world.prompt);
    assert_int_equal(world_set_prompt(&world, text, 4, &diag), 0);
    assert_int_equal(world_set_prompt(&world, foreign, 2, &diag), ERR_RANGE);
    assert_string_equal(diag.text,
                        "compute.text: its token 1 is 32000, and the vocabulary of llama-2-7b has 32000: "
                        "the tokenizer is of another model");
    diag = (struct diag){{0}};
    assert_int_equal(world_set_prompt(&world, text, WORLD_PROMPT_MAX + 1, &diag), ERR_TOO_BIG);
    assert_string_equal(diag.text, "compute.text: 1048577 tokens are too many, allowed at most 1048576");
    assert_int_equal(world.prompt_tokens, 4);
    assert_ptr_not_equal(world.prompt, text);
    assert_memory_equal(world.prompt, text, sizeof text);
    assert_int_equal(world_set_prompt(&world, NULL, 0, &diag), 0);
    assert_null(world.prompt);
    assert_int_equal(world.prompt_tokens, 0);
    world_finish(&world);
}

static void parameters_are_drawn_once_within_their_ranges(void **state)
{
    (void) state;
    struct world world = check_world((const char *[]){"devices.count=2000", "servers.count=256", NULL});
    struct world again = check_world((const char *[]){"devices.count=2000", "servers.count=256", NULL});
    struct world other =
        check_world((const char *[]){"devices.count=2000", "servers.count=256", "run.seed=2", NULL});
    double sum = 0.0;
    for (uint32_t n = 0; n < world.devices; n++) {
        assert_true(world.device[n].flops >= 0.5e12 && world.device[n].flops < 1.5e12);
        assert_int_equal(world.device[n].max_split, 32);
        assert_false(world.device[n].has_home);
        sum += world.device[n].flops;
    }
    assert_near(sum / 2000 / 1e12, 1.0, 0.03);
    for (uint32_t m = 0; m < world.servers; m++)
        assert_true(world.server[m].flops >= 5e12 && world.server[m].flops < 10e12);
    assert_memory_equal(world.device, again.device, 2000 * sizeof *world.device);
    assert_memory_equal(world.server, again.server, 256 * sizeof *world.server);
    assert_true(world.device[0].flops != other.device[0].flops);
    world_finish(&world);
    world_finish(&again);
    world_finish(&other);
}

static void servers_stand_on_the_documented_layout(void **state)
{
    (void) state;
    struct world five = check_world((const char *[]){"servers.count=5", "area.width_m=2000", NULL});
    static const struct vec2 expected[] = {{500, 250}, {1500, 250}, {1000, 750}, {1500, 750}, {500, 750}};
    for (uint32_t m = 0; m < 5; m++) {
        assert_same(five.server[m].position.x, expected[m].x);
        assert_same(five.server[m].position.y, expected[m].y);
    }
    struct world nine =
        check_world((const char *[]){"servers.count=9", "area.width_m=900", "area.height_m=900", NULL});
    assert_near(nine.server[0].position.x, 150.0, 1e-9);
    assert_near(nine.server[5].position.x, 750.0, 1e-9);
    assert_near(nine.server[5].position.y, 450.0, 1e-9);
    assert_near(nine.server[8].position.y, 750.0, 1e-9);
    world_finish(&five);
    world_finish(&nine);
}

static void memory_limits_the_split_of_a_device(void **state)
{
    (void) state;
    struct world world = check_world((const char *[]){"devices.memory_gb=4", "servers.memory_gb=0.5", NULL});
    assert_int_equal(world.device[0].max_split, 9); /* 202,375,168 weights of 2 bytes a layer */
    assert_same(world.server[0].memory_bytes, 5e8);
    world_finish(&world);
}

static void an_empty_world_has_room_and_bounds(void **state)
{
    (void) state;
    struct scenario scenario = check_scenario(NULL);
    struct world world;
    assert_int_equal(world_init_empty(&world, &scenario, 4, 2), 0);
    assert_int_equal(world.scenario.devices.count, 4);
    assert_int_equal(world.scenario.servers.count, 2);
    assert_int_equal(world.llm->layers, 32);
    world_finish(&world);
    world_finish(&world);
    assert_int_equal(world_init_empty(&world, &scenario, 0, 2), ERR_RANGE);
    assert_int_equal(world_init_empty(&world, &scenario, 1, 257), ERR_RANGE);
    (void) strcpy(scenario.model.llm, "none");
    assert_int_equal(world_init_empty(&world, &scenario, 1, 1), ERR_UNKNOWN);
}

static void requests_are_read_cut_and_dealt_to_devices_in_turn(void **state)
{
    (void) state;
    struct scenario scenario =
        check_scenario((const char *[]){"devices.count=3", "task.tokens_max=100", NULL});
    set_path(scenario.task.requests_csv, "requests.csv",
             "\xef\xbb\xbfTIMESTAMP, contexttokens ,GeneratedTokens\r\n"
             "2023-11-16 18:15:46.6805900,10,44\r\n\"a, \"\"quoted\"\"\nfield\",20,1\n\n x ,\"30\",\n"
             "t,40,1\nt,50,1\nt,60,1\nt,700,1\nt,80,1");
    struct dataset *data = NULL;
    struct diag diag = {{0}};
    if (dataset_load(&data, &scenario, &diag) != 0)
        fail_msg("%s", diag.text);
    assert_int_equal(data->token_count, 8);
    struct world world;
    assert_int_equal(world_init(&world, &scenario, data, &diag), 0);
    assert_int_equal(world.token_rows, 2);
    static const uint32_t dealt[] = {10, 40, 20, 50, 30, 60};
    assert_memory_equal(world.tokens, dealt, sizeof dealt);
    world_finish(&world);
    scenario.devices.count = 10; /* more devices than rows: the file goes round */
    assert_int_equal(world_init(&world, &scenario, data, &diag), 0);
    assert_int_equal(world.token_rows, 1);
    assert_int_equal(world.tokens[6], 100); /* 700 cut */
    assert_int_equal(world.tokens[9], 20);
    world_finish(&world);
    dataset_destroy(data);
}

static void places_become_metres_in_an_area_around_them(void **state)
{
    (void) state;
    struct scenario scenario = check_scenario((const char *[]){"devices.count=3", "servers.count=2", NULL});
    set_path(scenario.servers.positions_csv, "sites.csv",
             "SITE_ID,LATITUDE,LONGITUDE,NAME\n1,-37.80,144.95,\"Spring St, corner\"\n2,-37.82,144.97,b\n");
    set_path(scenario.devices.positions_csv, "users.csv", "Latitude,Longitude\n-37.81,144.96\n");
    struct dataset *data = NULL;
    struct diag diag = {{0}};
    if (dataset_load(&data, &scenario, &diag) != 0)
        fail_msg("%s", diag.text);
    /* 0.02 degrees: 2223.9 m north, times cos(37.81 degrees) = 1757.0 m east; 50 m of margin on every side */
    assert_near(scenario.area.height_m, 2223.9 + 100.0, 0.1);
    assert_near(scenario.area.width_m, 1757.0 + 100.0, 0.1);
    struct world world;
    assert_int_equal(world_init(&world, &scenario, data, &diag), 0);
    assert_same(world.scenario.area.width_m, scenario.area.width_m);
    bool first_is_north = world.server[0].position.y > 1000.0;
    const struct vec2 *north = &world.server[first_is_north ? 0 : 1].position;
    const struct vec2 *south = &world.server[first_is_north ? 1 : 0].position;
    assert_near(north->x, 50.0, 1e-6);
    assert_near(north->y, 2273.9, 0.1);
    assert_near(south->x, 1807.0, 0.1);
    assert_near(south->y, 50.0, 1e-6);
    for (uint32_t n = 0; n < 3; n++) {
        assert_true(world.device[n].has_home);
        assert_near(world.device[n].home.x, 50.0 + 1757.0 / 2, 0.1);
        assert_near(world.device[n].home.y, 50.0 + 2223.9 / 2, 0.1);
    }
    world_finish(&world);
    dataset_destroy(data);
}

static void sites_and_homes_are_drawn_without_repetition(void **state)
{
    (void) state;
    struct scenario scenario = check_scenario((const char *[]){"servers.count=20", "devices.count=20", NULL});
    char text[4096] = "latitude,longitude\n";
    for (int i = 0; i < 25; i++) {
        size_t used = strlen(text);
        (void) snprintf(text + used, sizeof text - used, "%.3f,10\n", 50.0 + i * 0.001);
    }
    set_path(scenario.servers.positions_csv, "sites.csv", text);
    set_path(scenario.devices.positions_csv, "users.csv", text);
    struct dataset *data = NULL;
    struct world world;
    struct diag diag = {{0}};
    assert_int_equal(dataset_load(&data, &scenario, &diag), 0);
    assert_int_equal(world_init(&world, &scenario, data, &diag), 0);
    unsigned in_file_order = 0;
    for (uint32_t i = 0; i < 20; i++) {
        in_file_order += world.server[i].position.y == data->servers.position[i].y;
        for (uint32_t k = 0; k < i; k++) {
            assert_true(world.server[i].position.y != world.server[k].position.y);
            assert_true(world.device[i].home.y != world.device[k].home.y);
        }
    }
    assert_true(in_file_order < 10);
    world_finish(&world);
    scenario.servers.count = 26;
    assert_int_equal(world_init(&world, &scenario, data, &diag), ERR_RANGE);
    char message[256];
    (void) snprintf(message, sizeof message, "servers.count: 26 servers, but %s/sites.csv has only 25 sites",
                    folder);
    assert_string_equal(diag.text, message);
    dataset_destroy(data);
}

static void request_files_with_bad_rows_are_refused_with_their_line(void **state)
{
    (void) state;
    assert_requests_fail(
        "", ERR_SYNTAX,
        "requests.csv: is empty, task.requests_csv needs a header line with column 'ContextTokens' "
        "and rows");
    assert_requests_fail(
        "TIMESTAMP,Tokens\n1,2\n", ERR_NOT_FOUND,
        "requests.csv:1: no column 'ContextTokens' in the header (task.requests_csv needs it)");
    assert_requests_fail("a,ContextTokens\n", ERR_SYNTAX,
                         "requests.csv: no rows below the header, task.requests_csv needs at least one");
    assert_requests_fail("a,ContextTokens,ContextTokens\n1,2,3\n", ERR_DUPLICATE,
                         "requests.csv:1: column 'ContextTokens' stands twice");
    assert_requests_fail("a,ContextTokens\n1,2\n\n1\n", ERR_TRUNCATED,
                         "requests.csv:4: 1 fields, fewer than the header promises");
    assert_requests_fail("a,ContextTokens\n1,2\n1,2x\n", ERR_SYNTAX,
                         "requests.csv:3: ContextTokens: '2x' is not a whole number");
    assert_requests_fail("a,ContextTokens\n1,\n", ERR_SYNTAX,
                         "requests.csv:2: ContextTokens: '' is not a whole number");
    assert_requests_fail("a,ContextTokens\n1,0\n", ERR_RANGE,
                         "requests.csv:2: ContextTokens: 0 is out of range, allowed 1 to 131072 tokens");
    assert_requests_fail("a,ContextTokens\n1,-5\n", ERR_SYNTAX,
                         "requests.csv:2: ContextTokens: '-5' is not a whole number");
    assert_requests_fail("a,ContextTokens\n1,131073\n", ERR_RANGE,
                         "requests.csv:2: ContextTokens: 131073 is out of range, allowed 1 to 131072 tokens");
    assert_requests_fail("a,ContextTokens\n\"1\n2\",5\n\"x,6\n", ERR_SYNTAX,
                         "requests.csv:4: a quoted field does not end");
    assert_requests_fail(
        "a,ContextTokens\n1,0000000000000000000000000000000000000000000000000000000000000000001\n",
        ERR_TOO_BIG, "requests.csv:2: field 2 is longer than 63 bytes");
}

static void place_files_with_bad_rows_are_refused_with_their_line(void **state)
{
    (void) state;
    assert_sites_fail("Latitude,Long\n1,2\n", ERR_NOT_FOUND,
                      "sites.csv:1: no column 'longitude' in the header (servers.positions_csv needs it)");
    assert_sites_fail("Latitude,Longitude\n1,2\nx,3\n", ERR_SYNTAX,
                      "sites.csv:3: latitude: 'x' is not a number");
    assert_sites_fail("Latitude,Longitude\n1,nan\n", ERR_SYNTAX,
                      "sites.csv:2: longitude: 'nan' is not a number");
    assert_sites_fail("Latitude,Longitude\n91,2\n", ERR_RANGE,
                      "sites.csv:2: latitude: 91 is out of range, allowed -85 to 85 degrees");
    assert_sites_fail("Latitude,Longitude\n1,181\n", ERR_RANGE,
                      "sites.csv:2: longitude: 181 is out of range, allowed -180 to 180 degrees");
    assert_sites_fail("Latitude,Longitude\n", ERR_SYNTAX,
                      "sites.csv: no rows below the header, servers.positions_csv needs at least one");
    struct scenario scenario = check_scenario(NULL);
    set_path(scenario.servers.positions_csv, "sites.csv", "Latitude,Longitude\n0,0\n0,10\n");
    struct dataset *data = NULL;
    struct diag diag = {{0}};
    assert_int_equal(dataset_load(&data, &scenario, &diag), ERR_RANGE);
    assert_string_equal(
        diag.text,
        "devices.positions_csv, servers.positions_csv, mobility.trace: the places span 1112 x 0 km, "
        "at most 1000 km are allowed");
    assert_same(scenario.area.width_m, 1000.0);
}

static void a_missing_data_file_names_the_key_to_set(void **state)
{
    (void) state;
    struct scenario scenario = check_scenario((const char *[]){"task.requests_csv=/nonexistent/r.csv", NULL});
    struct diag diag = {{0}};
    struct dataset *data = NULL;
    struct world world;
    assert_int_equal(dataset_load(&data, &scenario, &diag), -ENOENT);
    assert_string_equal(diag.text,
                        "task.requests_csv: /nonexistent/r.csv: No such file or directory (name another file "
                        "in the scenario, or with --set task.requests_csv=FILE)");
    struct diag unloaded = {{0}};
    assert_int_equal(world_init(&world, &scenario, NULL, &unloaded), ERR_STATE);
}

static int make_folder(void **state)
{
    (void) state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void) state;
    static const char *const names[] = {"requests.csv", "sites.csv", "users.csv"};
    for (size_t i = 0; i < 3; i++) {
        char path[128];
        (void) snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void) unlink(path); /* not every test wrote it */
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_of_the_models_tokens_is_copied_into_the_world),
        cmocka_unit_test(parameters_are_drawn_once_within_their_ranges),
        cmocka_unit_test(servers_stand_on_the_documented_layout),
        cmocka_unit_test(memory_limits_the_split_of_a_device),
        cmocka_unit_test(an_empty_world_has_room_and_bounds),
        cmocka_unit_test(requests_are_read_cut_and_dealt_to_devices_in_turn),
        cmocka_unit_test(places_become_metres_in_an_area_around_them),
        cmocka_unit_test(sites_and_homes_are_drawn_without_repetition),
        cmocka_unit_test(request_files_with_bad_rows_are_refused_with_their_line),
        cmocka_unit_test(place_files_with_bad_rows_are_refused_with_their_line),
        cmocka_unit_test(a_missing_data_file_names_the_key_to_set),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
