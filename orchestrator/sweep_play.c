#include "orchestrator/sweep_play.h"

#include <errno.h>
#include <stdio.h>

#include "core/base/err.h"
#include "orchestrator/lab.h"
#include "orchestrator/play.h"
#include "orchestrator/trained.h"

/* ---- the cell's worlds ---- */

static int push_assignment(struct buf *text, const char *key, const char *value)
{
    int rc = buf_printf(text, "%s=%s", key, value);
    return rc == 0 ? buf_push(text, "", 1) : rc;
}

int sweep_play_scenario(const struct cli *cli, const struct sweep_grid *grid, const struct sweep_cell *cell,
                        bool test, struct scenario *ret_scenario, struct diag *diag)
{
    _Static_assert(SWEEP_GRID_SETTINGS_MAX + 1 <= CLI_SETS_MAX,
                   "all of a cell's settings fit a command line");
    struct sweep_setting list[SWEEP_GRID_SETTINGS_MAX];
    size_t count = sweep_grid_settings(grid, cell, test, list);
    size_t offset[CLI_SETS_MAX];
    struct cli own = {.verb = CLI_SWEEP, .scenario = grid->file->scenario, .data = cli->data};
    struct buf text = {0};
    char seed[24];
    (void) snprintf(seed, sizeof seed, "%llu", (unsigned long long) cell->seed); /* 20 digits at most */
    int rc = 0;
    for (size_t i = 0; i <= count && rc == 0; i++) {
        offset[i] = text.size;
        rc = i < count ? push_assignment(&text, list[i].key, list[i].value)
                       : push_assignment(&text, "run.seed", seed);
    }
    for (size_t i = 0; i <= count && rc == 0; i++)
        own.set[own.set_count++] = (const char *) text.data + offset[i];
    rc = rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : lab_scenario_load(&own, ret_scenario, diag);
    buf_finish(&text);
    return rc;
}

static int make_world(const struct sweep_play *what, bool test, struct world *ret_world, struct diag *diag)
{
    struct scenario scenario;
    int rc = sweep_play_scenario(what->cli, what->grid, what->cell, test, &scenario, diag);
    return rc == 0 ? lab_world(ret_world, &scenario, scenario.run.seed, diag) : rc;
}

/* As if a command line had asked for one run, in this process and without a word. */
static struct cli quiet_cli(const struct sweep_play *what)
{
    return (struct cli){
        .verb = CLI_SWEEP, .db = what->path, .host = CLI_MEMORY, .quiet = true, .checkpoint = "best"};
}

/* ---- training ---- */

static int train(const struct sweep_play *what, const struct cli *cli, struct diag *diag)
{
    struct world world = {0};
    struct session_result result;
    int64_t run_id = 0;
    int rc = make_world(what, false, &world, diag);
    const struct scenario *scenario = &world.scenario;
    const struct play play = {
        .cli = cli,
        .world = &world,
        .kind = what->cell->kind,
        .learn_every = (uint32_t) scenario->run.checkpoint_every,
        .row =
            {
                .path = what->path,
                .kind = DB_RUN_TRAIN,
                .checkpoint_episode = -1,
                .phase = RNG_TRAIN,
                .episodes = (uint32_t) scenario->run.episodes,
                .slots = (uint32_t) scenario->run.slots,
            },
    };
    if (rc == 0)
        rc = play_record(&play, &result, &run_id, diag);
    world_finish(&world);
    return rc;
}

/* What was learned is validated and tested in the world for that, which need not be the one of the training.
 */
static int train_and_test(const struct sweep_play *what, struct diag *diag)
{
    struct cli cli = quiet_cli(what);
    struct trained trained = {0};
    struct world world = {0};
    struct session_result result;
    int64_t checkpoint = -1;
    int rc = train(what, &cli, diag);
    if (rc == 0)
        rc = trained_open(&trained, &cli, diag);
    if (rc == 0)
        rc = make_world(what, true, &world, diag);
    if (rc == 0) {
        world_finish(&trained.world);
        trained.world = world;
        rc = trained_checkpoint(&trained, what->cell->kind, &checkpoint);
    }
    if (rc == 0 && what->cell->tests)
        rc = trained_play(&trained, what->cell->kind, RNG_TEST, checkpoint, &result);
    trained_finish(&trained);
    return rc;
}

/* ---- testing ---- */

static int play_phase(const struct sweep_play *what, const struct cli *cli, const struct world *world,
                      enum rng_phase phase, struct diag *diag)
{
    const struct scenario *scenario = &world->scenario;
    bool test = phase == RNG_TEST;
    struct session_result result;
    int64_t run_id = 0;
    const struct play play = {
        .cli = cli,
        .world = world,
        .kind = what->cell->kind,
        .weights = what->weights,
        .row =
            {
                .path = what->path,
                .kind = test ? DB_RUN_TEST : DB_RUN_VALIDATE,
                .checkpoint_episode = what->checkpoint,
                .phase = phase,
                .episodes = (uint32_t) (test ? scenario->evaluation.test_episodes
                                             : scenario->evaluation.validate_episodes),
                .slots =
                    (uint32_t) (test ? scenario->evaluation.test_slots : scenario->evaluation.validate_slots),
            },
        .record_tasks = test,
    };
    int rc = play_record(&play, &result, &run_id, diag);
    bool unfit = rc == ERR_MISMATCH && what->weights != NULL;
    return unfit ? ERR_UNSUPPORTED : rc;
}

static int test_alone(const struct sweep_play *what, struct diag *diag)
{
    struct cli cli = quiet_cli(what);
    struct world world = {0};
    int rc = make_world(what, true, &world, diag);
    if (rc == 0 && what->cell->experiment->curve && what->weights == NULL)
        rc = play_phase(what, &cli, &world, RNG_VALIDATE, diag);
    if (rc == 0)
        rc = play_phase(what, &cli, &world, RNG_TEST, diag);
    world_finish(&world);
    return rc;
}

int sweep_play(const struct sweep_play *what, struct diag *diag)
{
    return what->cell->trains ? train_and_test(what, diag) : test_alone(what, diag);
}
