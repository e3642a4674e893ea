/* Traces in a world: which device plays what, the channel that a rate becomes, outages, cells and coverage. */
#include "core/model/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "core/base/err.h"
#include "core/base/units.h"
#include "core/model/dataset.h"
#include "core/model/env.h"
#include "core/model/radio.h"

static char folder[] = "/tmp/handoff-trace-XXXXXX";

static void path_of(const char *name, char ret_path[static 256])
{
    (void) snprintf(ret_path, 256, "%s/%s", folder, name);
}

static void write_file(const char *name, const char *text)
{
    char path[256];
    path_of(name, path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void make_folder(const char *name)
{
    char path[256];
    path_of(name, path);
    assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
}

/* A scenario with assignments, whose radio.trace and mobility.trace are names in our folder. */
static struct scenario scenario_with(const char *rate, const char *place, const char *const *assignments)
{
    struct scenario scenario;
    struct diag diag = {{0}};
    scenario_defaults(&scenario);
    if (rate != NULL)
        path_of(rate, scenario.radio.trace);
    if (place != NULL) {
        path_of(place, scenario.mobility.trace);
        scenario.mobility.kind = MOBILITY_TRACE;
    }
    for (; assignments != NULL && *assignments != NULL; assignments++)
        assert_int_equal(scenario_set(&scenario, *assignments, &diag), 0);
    if (scenario_check(&scenario, &diag) != 0)
        fail_msg("%s", diag.text);
    return scenario;
}

static struct world world_of(struct scenario scenario)
{
    struct dataset *data = NULL;
    struct world world;
    struct diag diag = {{0}};
    if (dataset_load(&data, &scenario, &diag) != 0 || world_init(&world, &scenario, data, &diag) != 0)
        fail_msg("%s", diag.text);
    dataset_destroy(data);
    return world;
}

/* `message` is what stands behind the folder's path; what stands before it is `before`. */
static void assert_load_fails(struct scenario scenario, int code, const char *before, const char *message)
{
    char expected[1024];
    struct dataset *data = NULL;
    struct diag diag = {{0}};
    int rc = dataset_load(&data, &scenario, &diag);
    (void) snprintf(expected, sizeof expected, "%s%s%s", before, folder, message);
    assert_string_equal(diag.text, expected);
    assert_int_equal(rc, code);
    assert_null(data);
}

static void meet(const struct world *world, uint32_t device, struct slot_id id, struct device_slot *ret_slot)
{
    struct mobility mobility;
    mobility_start(world, device, id.phase, id.episode, &mobility);
    for (uint32_t t = 0; t < id.slot; t++)
        mobility_step(world, device, id.phase, id.episode, t, &mobility);
    device_slot_meet(world, device, id, &mobility, ret_slot);
}

static double full_rate_bps(const struct world *world, uint32_t device, double gain)
{
    return radio_rate_bps(&world->scenario, world->scenario.radio.bandwidth_mhz * UNITS_MHZ,
                          world->device[device].transmit_power_w, gain);
}

static void the_channel_of_a_slot_carries_the_traces_mean_rate(void **state)
{
    (void) state;
    write_file("rates", "0 0.001\n0.5 12\n1.7 80\n3.1 0.3\n4 0.0000017\n5 0.2\n");
    const char *const lengths[] = {"run.slot_s=1", "run.slot_s=0.1", "run.slot_s=0.37", "run.slot_s=60"};
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        struct world world = world_of(scenario_with("rates", NULL, (const char *[]){lengths[k], NULL}));
        assert_int_equal(world.rate_tracks.count, 1);
        for (uint32_t t = 0; t < 100; t++) {
            struct slot_id id = {RNG_TEST, 3, t};
            struct device_slot slot;
            meet(&world, 4, id, &slot);
            const struct track *track = tracks_of(&world.rate_tracks, 4);
            double slot_s = world.scenario.run.slot_s;
            double from_s = track_offset_s(track, world.seed, RNG_TEST, 3, 4) + t * slot_s;
            double expected_bps = track_mean_bps(track, true, from_s, slot_s);
            assert_near(full_rate_bps(&world, 4, slot.gain[0]), expected_bps, 1e-9 * expected_bps);
            assert_same(slot.gain[2], slot.gain[0]);
        }
        world_finish(&world);
    }
}

static void gains_and_rates_are_inverse_over_all_magnitudes(void **state)
{
    (void) state;
    struct scenario scenario = check_scenario(NULL);
    for (double rate_bps = 1.0; rate_bps < 8e8; rate_bps *= 1.7) {
        double gain = radio_gain_for_rate(&scenario, 20e6, 0.5, rate_bps);
        assert_near(radio_rate_bps(&scenario, 20e6, 0.5, gain), rate_bps, 1e-9 * rate_bps);
    }
    assert_same(radio_gain_for_rate(&scenario, 20e6, 0.5, 0.0), 0.0);
}

static void fine_steps_become_a_grid_whose_integrals_are_the_traces(void **state)
{
    (void) state;
    char text[16384];
    size_t used = 0;
    unsigned ms = 0, before_3_s = 0, lines = 0;
    for (unsigned i = 0; used + 16 < sizeof text; i++, lines++) {
        ms += (i * 7919u) % 5;
        before_3_s += ms <= 3000 ? 1 : 0;
        used += (size_t) snprintf(text + used, sizeof text - used, "%u\n", ms);
    }
    assert_true(ms > 4000);
    write_file("fine.up", text);
    struct world world = world_of(scenario_with("fine.up", NULL, NULL));
    const struct track *track = &world.rate_tracks.track[0];
    assert_same(track->duration_s, ms / 1000.0);
    assert_true(track->points <= ms / 100 + 1);
    assert_near(track_mean_bps(track, true, 0.0, 3.0) * 3.0, 12000.0 * before_3_s, 1e-3);
    assert_near(track_mean_bps(track, true, 0.0, track->duration_s) * track->duration_s, 12000.0 * lines,
                1e-3);
    world_finish(&world);
}

/* So many steps of a second, each of another rate. */
static void play_steps(unsigned steps)
{
    const size_t size = (size_t) steps * 32;
    char *text = malloc(size);
    size_t used = 0;
    assert_non_null(text);
    for (unsigned i = 0; i < steps; i++)
        used += (size_t) snprintf(text + used, size - used, "%u %u\n", i, 1 + i % 7);
    write_file("long", text);
    free(text);
    struct world world = world_of(scenario_with("long", NULL, NULL));
    const struct track *track = &world.rate_tracks.track[0];
    bool is_kept = steps <= TRACK_POINTS_MAX;
    double step_s =
        is_kept ? 1.0
                : 16.0 * TRACK_GRID_S; /* of the doublings of the grid the first that is coarse enough */
    assert_int_equal(track->points, (uint32_t) ceil(steps / step_s));
    for (uint32_t i = 0; i < track->points; i++)
        assert_near(track->start_s[i], i * step_s, 1e-9 * steps);
    assert_near(track_mean_bps(track, true, 0.0, 112.0), 4e6,
                1e-3); /* 112 s: whole steps of both kinds, and 16 times 7 */
    world_finish(&world);
}

static void as_many_steps_as_a_track_holds_are_kept_and_more_become_a_grid(void **state)
{
    (void) state;
    play_steps(TRACK_POINTS_MAX - 1);
    play_steps(TRACK_POINTS_MAX);
    play_steps(TRACK_POINTS_MAX + 1);
}

static void an_outage_leaves_no_server_and_the_state_finite(void **state)
{
    (void) state;
    write_file("outage", "0 1\n1 0\n600 0\n1000 0\n");
    struct world world = world_of(scenario_with("outage", NULL, (const char *[]){"devices.count=3", NULL}));
    struct env_view view;
    struct env_decision decision;
    assert_int_equal(env_view_init(&view, &world), 0);
    assert_int_equal(env_decision_init(&decision, 3), 0);
    unsigned outages = 0;
    for (uint32_t e = 0; e < 20; e++) {
        check_observe_all(&view, e);
        for (uint32_t n = 0; n < 3; n++) {
            outages += view.gain[3 * n] <= 0.0 ? 1 : 0;
            for (uint32_t m = 0; m < 3; m++)
                assert_true(view.gain[3 * n + m] > 0.0 || !view.covered[3 * n + m]);
            decision.split[n] = 3;
            decision.server[n] = 1;
        }
        float entry[256];
        assert_true(env_state_size(&world) <= 256);
        env_state(&view, entry);
        for (size_t i = 0; i < env_state_size(&world); i++)
            assert_true(entry[i] >= -1.5f && entry[i] <= 1.5f);
        env_repair(&view, &decision);
        for (uint32_t n = 0; n < 3; n++)
            if (view.gain[3 * n] <= 0.0) {
                assert_int_equal(decision.server[n], ENV_LOCAL);
                assert_false(decision.repaired[n]);
            }
    }
    assert_true(outages > 50); /* all but a second of 1000 */
    env_view_finish(&view);
    env_decision_finish(&decision);
    world_finish(&world);
}

static void a_folders_files_are_dealt_in_order_of_name(void **state)
{
    (void) state;
    make_folder("many");
    write_file("many/b", "0 2\n");
    write_file("many/a", "0 1\n");
    write_file("many/.hidden", "no trace\n");
    write_file("many/c", "0 3\n");
    struct world world = world_of(scenario_with("many", NULL, (const char *[]){"devices.count=8", NULL}));
    assert_int_equal(world.rate_tracks.count, 3);
    for (uint32_t n = 0; n < 8; n++) {
        struct device_slot slot;
        meet(&world, n, (struct slot_id){RNG_TRAIN, 0, 5}, &slot);
        assert_near(full_rate_bps(&world, n, slot.gain[1]), 1e6 * (1 + n % 3), 1e-3);
    }
    world_finish(&world);
    world = world_of(scenario_with("many", NULL, (const char *[]){"devices.count=2", NULL}));
    assert_int_equal(world.rate_tracks.count, 2); /* the third has nobody */
    world_finish(&world);
}

#define HEADER "Timestamp,Longitude,Latitude,Speed,CellID,DL_bitrate,UL_bitrate\n"

static void the_direction_is_chosen(void **state)
{
    (void) state;
    write_file("both.csv", HEADER "2020.02.28_00.00.00,-8.5,51.9,0,1,800,40\n");
    struct world up = world_of(scenario_with("both.csv", NULL, NULL));
    struct world down =
        world_of(scenario_with("both.csv", NULL, (const char *[]){"radio.trace_direction=down", NULL}));
    assert_same(up.rate_tracks.track[0].value[0], 40e3);
    assert_same(down.rate_tracks.track[0].value[0], 800e3);
    world_finish(&up);
    world_finish(&down);
}

/* A time in a trace of 20 s that turns round at both ends. */
static double turned_s(double at_s)
{
    double forth_s = fmod(at_s, 40.0);
    return forth_s < 20.0 ? forth_s : 40.0 - forth_s;
}

static void devices_follow_their_trace_and_cells_say_who_covers_them(void **state)
{
    (void) state;
    make_folder("ways");
    write_file("ways/1.csv", HEADER "2020.02.28_00.00.00,-8.50,51.90,36,5,8,8\n"
                                    "2020.02.28_00.00.10,-8.48,51.90,18,9,8,8\n"
                                    "2020.02.28_00.00.19,-8.48,51.90,18,9,8,8\n");
    write_file("ways/2.csv", HEADER "2020.02.28_00.00.00,-8.50,51.91,0,9,8,8\n"
                                    "2020.02.28_00.00.19,-8.50,51.91,0,7,8,8\n");
    struct world world = world_of(scenario_with(
        "ways", "ways", (const char *[]){"devices.count=4", "servers.count=2", "run.slot_s=1", NULL}));
    double degree_m = 6371008.8 * UNITS_PI / 180.0;
    assert_near(world.scenario.area.height_m, 0.01 * degree_m + 100.0, 1e-6);
    assert_near(world.scenario.area.width_m, 0.02 * degree_m * cos(51.905 * UNITS_PI / 180.0) + 100.0, 1e-6);
    for (uint32_t t = 0; t < 45; t++) {
        struct slot_id id = {RNG_TEST, 1, t};
        struct device_slot slot;
        meet(&world, 2, id, &slot); /* the first file */
        double at_s = turned_s(track_offset_s(&world.place_tracks.track[0], world.seed, RNG_TEST, 1, 2) + t);
        double part = at_s < 10.0 ? at_s / 10.0 : 1.0;
        assert_near(slot.position.x, 50.0 + part * (world.scenario.area.width_m - 100.0), 1e-6);
        assert_near(slot.position.y, 50.0, 1e-6);
        assert_near(slot.speed_mps, at_s < 10.0 ? 10.0 : 5.0, 1e-12);
        uint32_t server = at_s < 10.0 ? 0 : 1; /* cells 5 and 9 are numbers 0 and 1 */
        assert_true(device_slot_covered(&world, 2, id, slot.position, server));
        assert_false(device_slot_covered(&world, 2, id, slot.position, 1 - server));
        at_s = turned_s(track_offset_s(&world.place_tracks.track[1], world.seed, RNG_TEST, 1, 3) + t);
        server = at_s < 19.0 ? 1 : 0; /* cell 9, and cell 7, which is number 2 */
        assert_true(device_slot_covered(&world, 3, id, slot.position, server));
        assert_false(device_slot_covered(&world, 3, id, slot.position, 1 - server));
    }
    world_finish(&world);
}

static void without_cells_the_radius_covers(void **state)
{
    (void) state;
    write_file("nocell.csv",
               "Timestamp,Longitude,Latitude,DL_bitrate,UL_bitrate\n"
               "2020.02.28_00.00.00,-8.500,51.900,8,8\n2020.02.28_00.00.01,-8.501,51.900,8,8\n");
    struct world world = world_of(scenario_with(NULL, "nocell.csv", NULL));
    struct slot_id id = {RNG_TRAIN, 0, 0};
    struct vec2 at = world.server[0].position;
    assert_true(device_slot_covered(&world, 0, id, at, 0));
    at.x += 801.0;
    assert_false(device_slot_covered(&world, 0, id, at, 0));
    world_finish(&world);
}

static void what_cannot_be_played_is_refused_with_what_would_do(void **state)
{
    (void) state;
    write_file("fast", "0 1000\n");
    write_file("backwards", "0 1\n2 1\n1 1\n");
    make_folder("none");
    write_file("places.up", "1\n2\n");
    assert_load_fails(scenario_with("backwards", NULL, NULL), ERR_RANGE, "",
                      "/backwards:3: time goes backwards, from 2 to 1 s");
    assert_load_fails(scenario_with("none", NULL, NULL), ERR_NOT_FOUND, "", "/none: a folder without files");
    assert_load_fails(scenario_with("missing", NULL, NULL), -ENOENT, "",
                      "/missing: No such file or directory");
    assert_load_fails(scenario_with(NULL, "places.up", NULL), ERR_TYPE,
                      "mobility.trace: ", "/places.up tells no positions");
    assert_load_fails(scenario_with("fast", NULL, NULL), ERR_RANGE, "radio.trace: ",
                      "/fast reaches 1000 Mbit/s, more than a channel of 20 MHz carries: set "
                      "radio.bandwidth_mhz to at least 23.7");
    struct world world =
        world_of(scenario_with("fast", NULL, (const char *[]){"radio.bandwidth_mhz=23.7", NULL}));
    struct device_slot slot;
    meet(&world, 0, (struct slot_id){RNG_TRAIN, 0, 0}, &slot);
    assert_near(full_rate_bps(&world, 0, slot.gain[0]), 1e9, 1.0);
    world_finish(&world);
}

static void by_the_wall_clock_a_traces_greatest_rate_must_be_kept(void **state)
{
    (void) state;
    write_file("quick", "0 150\n");
    const char *const real[] = {"run.clock=real", "run.time_scale=10", NULL};
    struct scenario scenario = scenario_with("quick", NULL, real);
    struct dataset *data = NULL;
    struct diag diag = {{0}};
    assert_int_equal(dataset_load(&data, &scenario, &diag), ERR_RANGE);
    assert_non_null(strstr(diag.text, "150 Mbit/s"));
    assert_non_null(strstr(diag.text, "at most 6.66 fits"));
    struct world world = world_of(
        scenario_with("quick", NULL, (const char *[]){"run.clock=real", "run.time_scale=6.66", NULL}));
    world_finish(&world);
}

static void a_movement_by_trace_needs_one(void **state)
{
    (void) state;
    struct scenario scenario = check_scenario(NULL);
    struct diag diag = {{0}};
    scenario.mobility.kind = MOBILITY_TRACE;
    assert_int_equal(scenario_check(&scenario, &diag), ERR_RANGE);
    assert_string_equal(diag.text,
                        "mobility.trace: is empty, mobility.kind 'trace' needs a file or a folder");
}

static int setup(void **state)
{
    (void) state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_all(void **state)
{
    (void) state;
    char command[128];
    (void) snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_channel_of_a_slot_carries_the_traces_mean_rate),
        cmocka_unit_test(gains_and_rates_are_inverse_over_all_magnitudes),
        cmocka_unit_test(fine_steps_become_a_grid_whose_integrals_are_the_traces),
        cmocka_unit_test(as_many_steps_as_a_track_holds_are_kept_and_more_become_a_grid),
        cmocka_unit_test(an_outage_leaves_no_server_and_the_state_finite),
        cmocka_unit_test(a_folders_files_are_dealt_in_order_of_name),
        cmocka_unit_test(the_direction_is_chosen),
        cmocka_unit_test(devices_follow_their_trace_and_cells_say_who_covers_them),
        cmocka_unit_test(without_cells_the_radius_covers),
        cmocka_unit_test(what_cannot_be_played_is_refused_with_what_would_do),
        cmocka_unit_test(by_the_wall_clock_a_traces_greatest_rate_must_be_kept),
        cmocka_unit_test(a_movement_by_trace_needs_one),
    };
    return cmocka_run_group_tests(tests, setup, remove_all);
}
