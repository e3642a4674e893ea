/* bound: what the whole tasks of an episode may be worth together at the most, episode by episode; beside a recorded run,
 * what it earned of that. Nothing is recorded. */
#include "orchestrator/command/commands.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/process.h"
#include "core/base/progress.h"
#include "db/experiment_file.h"
#include "db/results.h"
#include "orchestrator/command/cli_options.h"
#include "orchestrator/policy/catalog/full_scenario.h"
#include "orchestrator/policy/model/whole_bound.h"
#include "orchestrator/policy/search/episode_slots.h"
#include "orchestrator/setup/recorded_run.h"
#include "orchestrator/setup/scenario_source.h"
#include "orchestrator/setup/stop_signal.h"
#include "orchestrator/setup/world_setup.h"

#define EPISODES_DEFAULT 5u

struct line {
    struct whole_bound bound;
    double earned; /* by the recorded run; NAN: there is none, or it did not finish the episode */
};

struct bounding {
    struct world world;           /* without --db; owned */
    struct recorded_run recorded; /* with --db */
    const struct world *of;       /* one of them */
    enum rng_phase phase;
    uint32_t episodes;
    uint64_t slots;
    struct line *line; /* [episodes], owned */
};

/* ---- what is played ---- */

static int take_scenario(struct bounding *bounding, const struct cli *cli, struct diag *diag)
{
    struct full_scenario full;
    const struct scenario_source source = cli_scenario_source(cli);
    if (cli->run_given)
        return diag_fail(diag, ERR_STATE, "--run R is a run of --db FILE: name the file too");
    int rc = scenario_source_load(&source, &full, diag);
    if (rc == 0)
        rc = world_setup_draw(&bounding->world, &full.scenario, full.scenario.run.seed, diag);
    if (rc != 0)
        return rc;
    bounding->of = &bounding->world;
    bounding->phase = cli->validate ? RNG_VALIDATE : RNG_TEST;
    bounding->episodes = cli->episodes > 0 ? cli->episodes : EPISODES_DEFAULT;
    bounding->slots = cli->slots > 0 ? cli->slots : episode_slots(&full.scenario, bounding->phase);
    return 0;
}

static int make_lines(struct bounding *bounding, struct diag *diag)
{
    bounding->line = calloc((size_t) bounding->episodes + 1, sizeof *bounding->line);
    for (uint32_t i = 0; bounding->line != NULL && i < bounding->episodes; i++)
        bounding->line[i].earned = (double) NAN;
    return bounding->line != NULL ? 0 : diag_fail(diag, -ENOMEM, "out of memory");
}

/* An episode's return is a sum over slots of the mean over devices. */
static int take_return(void *user, const double *value, size_t columns)
{
    struct bounding *bounding = user;
    (void) columns; /* queries/returns.sql */
    if (value[0] >= 0.0 && value[0] < bounding->episodes)
        bounding->line[(uint32_t) value[0]].earned = value[2] * bounding->of->devices;
    return 0;
}

static int take_run(struct bounding *bounding, const struct cli *cli, struct diag *diag)
{
    struct experiment_file file = {0};
    if (cli->scenario != NULL || cli->set_count > 0 || cli->validate || cli->slots > 0)
        return diag_fail(diag, ERR_STATE,
                         "a recorded run has its own scenario, phase and slots: --scenario, --set, --phase "
                         "and --slots do not go with --db");
    int rc = experiment_file_open(&file, cli->db, DB_READ, diag);
    if (rc == 0)
        rc = recorded_run_read(&bounding->recorded, file.store, cli->run, diag);
    if (rc == 0) {
        uint32_t most = bounding->recorded.episodes;
        bounding->of = &bounding->recorded.world;
        bounding->phase = bounding->recorded.phase;
        bounding->slots = bounding->recorded.slots;
        bounding->episodes = cli->episodes > 0 && cli->episodes < most ? cli->episodes : most;
        rc = make_lines(bounding, diag);
    }
    if (rc == 0)
        rc = results_each_numbers(file.store, "returns", bounding->recorded.run.run_id, take_return, bounding,
                                  diag);
    (void) experiment_file_close(&file, NULL); /* only read */
    return rc;
}

/* ---- finding ---- */

static int find_all(struct bounding *bounding, const struct cli *cli, struct diag *diag)
{
    struct whole_episode whole = {0};
    struct progress progress;
    int rc = whole_episode_check(bounding->of, diag);
    if (rc == 0)
        rc = whole_episode_init(&whole, bounding->of, bounding->slots, diag);
    progress_start(&progress, "bound", bounding->episodes, cli->quiet);
    uint32_t i = 0;
    for (; i < bounding->episodes && rc == 0; i++) {
        whole_episode_meet(&whole, bounding->phase, i, bounding->slots);
        rc = whole_bound_find(&whole, &bounding->line[i].bound, diag);
        progress_update(&progress, i + 1, NULL);
        if (rc == 0 && stop_signal_raised())
            rc = diag_fail(diag, -EINTR, "interrupted");
    }
    progress_stop(&progress, i);
    whole_episode_finish(&whole);
    return rc;
}

/* ---- printing ---- */

static struct line mean_of(const struct bounding *bounding)
{
    struct line mean = {{0}, 0.0};
    double episodes = bounding->episodes;
    for (uint32_t i = 0; i < bounding->episodes; i++) {
        const struct line *line = &bounding->line[i];
        mean.bound.bound += line->bound.bound / episodes;
        mean.bound.attained += line->bound.attained / episodes;
        mean.bound.played += line->bound.played / episodes;
        mean.bound.full_shares += line->bound.full_shares / episodes;
        mean.earned += line->earned / episodes;
    }
    return mean;
}

#define NOTHING 1e-9 /* a bound below is that of nothing at all */

/* To the most that anybody is known to reach. */
static double gap_of(const struct line *line)
{
    double reached = line->earned > line->bound.attained ? line->earned : line->bound.attained;
    return line->bound.bound > NOTHING ? 1.0 - reached / line->bound.bound : 0.0;
}

static void print_number(double number, int digits)
{
    if (isnan(number))
        (void) printf(" %10s", "-");
    else
        (void) printf(" %10.*f", digits, number);
}

static void print_line(const char *name, const struct line *line)
{
    (void) printf("%-8s", name);
    print_number(line->bound.bound, 3);
    print_number(100.0 * gap_of(line), 3);
    print_number(line->bound.attained, 3);
    print_number(line->bound.played, 3);
    print_number(line->bound.full_shares, 3);
    print_number(line->earned, 3);
    print_number(100.0 * line->earned / line->bound.bound, 2);
    (void) putchar('\n');
}

static void print_table(const struct bounding *bounding)
{
    const struct line mean = mean_of(bounding);
    (void) printf("%-8s %10s %10s %10s %10s %10s %10s %10s\n", "episode", "bound", "gap_pct", "fractions",
                  "priced", "assignment", "earned", "earned_pct");
    for (uint32_t i = 0; i < bounding->episodes; i++) {
        char name[16];
        (void) snprintf(name, sizeof name, "%" PRIu32, i);
        print_line(name, &bounding->line[i]);
    }
    print_line("mean", &mean);
}

static json_t *number(double value)
{
    return isnan(value) ? json_null() : json_real(value);
}

static json_t *json_of(const struct line *line)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:o, s:o}", "bound", line->bound.bound, "gap", gap_of(line),
                     "fractions", line->bound.attained, "priced", line->bound.played, "assignment",
                     number(line->bound.full_shares), "earned", number(line->earned));
}

static int print_json(const struct bounding *bounding, struct diag *diag)
{
    static const char *const phases[] = {
        [RNG_TRAIN] = "train", [RNG_VALIDATE] = "validate", [RNG_TEST] = "test"};
    const struct line mean = mean_of(bounding);
    json_t *rows = json_array();
    for (uint32_t i = 0; i < bounding->episodes; i++)
        command_append_json(&rows, json_of(&bounding->line[i]));
    return command_print_json(json_pack("{s:s, s:I, s:o, s:o}", "phase", phases[bounding->phase], "slots",
                                        (json_int_t) bounding->slots, "mean", json_of(&mean), "episodes",
                                        rows),
                              diag);
}

int command_bound(const struct cli *cli, struct diag *diag)
{
    struct bounding bounding = {0};
    stop_signal_catch();
    int rc = cli->db_given ? take_run(&bounding, cli, diag) : take_scenario(&bounding, cli, diag);
    if (rc == 0 && !cli->db_given)
        rc = make_lines(&bounding, diag);
    if (rc == 0)
        rc = find_all(&bounding, cli, diag);
    if (rc == 0 && cli->json)
        rc = print_json(&bounding, diag);
    else if (rc == 0)
        print_table(&bounding);
    free(bounding.line);
    world_finish(&bounding.world);
    recorded_run_finish(&bounding.recorded);
    return stop_signal_raised() ? PROCESS_SIGNAL : command_status(rc, diag);
}
