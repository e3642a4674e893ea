/* The scenario melbourne on the real files, where HANDOFF_DATA_DIR names a folder that holds them; else
 * skipped. */
#include "core/model/world.h"

#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "core/base/file.h"
#include "core/model/device_slot.h"

static const char *data_folder;
static const char *scenario_folder;

static void under_data(char *field)
{
    char path[513];
    int size = snprintf(path, sizeof path, "%s/%s", data_folder, field);
    assert_true(size > 0 && size <= 512);
    memcpy(field, path, (size_t) size + 1);
}

static void the_published_files_make_a_world(void **state)
{
    (void) state;
    char path[512];
    struct scenario scenario;
    struct dataset *data = NULL;
    struct world world;
    struct diag diag = {{0}};
    (void) snprintf(path, sizeof path, "%s/melbourne.yaml", scenario_folder);
    scenario_defaults(&scenario);
    struct buf text = {0};
    assert_int_equal(file_read(path, SCENARIO_TEXT_MAX, &text, &diag), 0);
    assert_int_equal(scenario_read(&scenario, (const char *) text.data, text.size, path, &diag), 0);
    buf_finish(&text);
    under_data(scenario.task.requests_csv);
    under_data(scenario.devices.positions_csv);
    under_data(scenario.servers.positions_csv);
    if (dataset_load(&data, &scenario, &diag) != 0 || world_init(&world, &scenario, data, &diag) != 0)
        fail_msg("%s", diag.text);
    assert_near(world.scenario.area.width_m, 2120.0, 30.0);
    assert_near(world.scenario.area.height_m, 1550.0, 30.0);
    assert_int_equal(world.token_rows, 19366 / 10);
    assert_int_equal(world.tokens[0], 374);
    assert_int_equal(world.tokens[world.token_rows], 396);
    for (uint32_t n = 0; n < world.devices; n++) {
        assert_true(world.device[n].home.x >= 50.0 &&
                    world.device[n].home.x <= world.scenario.area.width_m - 50.0);
        uint32_t tokens = device_slot_tokens(&scenario, world.tokens + (size_t) n * world.token_rows,
                                             world.token_rows, 1, n, (struct slot_id){RNG_TEST, 1, 1});
        assert_true(tokens >= 1 && tokens <= 1024);
    }
    world_finish(&world);
    dataset_destroy(data);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_published_files_make_a_world)};
    data_folder = getenv("HANDOFF_DATA_DIR");
    if (argc != 2)
        return 2;
    scenario_folder = argv[1];
    if (data_folder == NULL) {
        (void) printf("1..0 # SKIP HANDOFF_DATA_DIR names no folder with llm-requests and edge-sites\n");
        return 0; /* the plan above says it */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
