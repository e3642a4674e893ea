/* A recorded run, row by row: what the rooms above write, and what they never would. */
#ifndef HANDOFF_TESTS_UNIT_SETUP_WRITTEN_RUN_H
#define HANDOFF_TESTS_UNIT_SETUP_WRITTEN_RUN_H

#include "db/experiment_file.h"
#include "tests/lib/scratch.h"
#include "tests/unit/policy/full_world.h"

#define WRITTEN_DEVICES 3u
#define WRITTEN_SERVERS 2u
#define WRITTEN_BATCH 7u
#define WRITTEN_CONFIG "{\"episodes\":4,\"slots\":10}"

/* Run 1 of seed 5, with plain nodes and no events. */
static inline void written_run(const struct scratch *s)
{
    struct full_scenario full;
    struct experiment_file file;
    struct buf text = {0};
    struct db_run run = scratch_run();
    int64_t run_id = 0;
    full_scenario_defaults(&full);
    full.scenario.devices.count = WRITTEN_DEVICES;
    full.scenario.servers.count = WRITTEN_SERVERS;
    full.settings.learned.ddpg.batch = WRITTEN_BATCH;
    assert_int_equal(full_scenario_print(&full, &text), 0);
    assert_int_equal(buf_push(&text, "", 1), 0);
    run.scenario = (const char *) text.data;
    run.config_json = WRITTEN_CONFIG;
    run.seed = 5;
    assert_int_equal(experiment_file_open(&file, s->file, DB_CREATE, NULL), 0);
    assert_int_equal(store_insert_run(file.store, &run, &run_id, NULL), 0);
    for (uint32_t i = 0; i < WRITTEN_DEVICES + WRITTEN_SERVERS; i++) {
        bool is_server = i >= WRITTEN_DEVICES;
        const struct db_node node = {
            .run_id = run_id,
            .is_server = is_server,
            .number = is_server ? i - WRITTEN_DEVICES : i,
            .flops = 1e12 + i,
            .power_w = 5.0 + i,
            .transmit_power_w = is_server ? (double) NAN : 0.5 + i,
            .x_m = is_server ? 100.0 + i : (double) NAN,
            .y_m = is_server ? 200.0 + i : (double) NAN,
            .max_split = is_server ? -1 : (int64_t) i + 3,
            .memory_bytes = (double) NAN,
        };
        assert_int_equal(store_insert_node(file.store, &node, NULL), 0);
    }
    assert_int_equal(experiment_file_close(&file, NULL), 0);
    buf_finish(&text);
}

#endif
