#include "orchestrator/sweep/sweep_cell.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "core/base/err.h"
#include "orchestrator/run/run_policy.h"
#include "orchestrator/run/trained_run.h"
#include "orchestrator/setup/scenario_source.h"
#include "orchestrator/setup/world_setup.h"

/* ---- the cell's worlds ---- */

static int push_assignment(struct buf *text, const char *key, const char *value)
{
    int rc = buf_printf(text, "%s=%s", key, value);
    return rc == 0 ? buf_push(text, "", 1) : rc;
}

int sweep_cell_play_scenario(const char *data, const struct sweep_grid *grid, const struct sweep_cell *cell,
                             bool test, struct full_scenario *ret_full, struct diag *diag)
{
    struct sweep_setting list[SWEEP_GRID_SETTINGS_MAX];
    const char *set[SWEEP_GRID_SETTINGS_MAX + 1];
    size_t count = sweep_grid_settings(grid, cell, test, list);
    assert(count <= SWEEP_GRID_SETTINGS_MAX); /* and one more for the seed */
    size_t offset[SWEEP_GRID_SETTINGS_MAX + 1];
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
        set[i] = (const char *) text.data + offset[i];
    const struct scenario_source source = {
        .name = grid->file->scenario, .set = set, .set_count = count + 1, .data = data};
    rc = rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : scenario_source_load(&source, ret_full, diag);
    buf_finish(&text);
    return rc;
}

static int make_world(const struct sweep_cell_play *what, bool test, struct world *ret_world,
                      struct settings *ret_settings, struct diag *diag)
{
    struct full_scenario full;
    int rc = sweep_cell_play_scenario(what->data, what->grid, what->cell, test, &full, diag);
    if (rc == 0)
        rc = world_setup_draw(ret_world, &full.scenario, full.scenario.run.seed, diag);
    if (rc == 0)
        *ret_settings = full.settings;
    return rc;
}

/* In this process, without output. */
static const struct host_options quiet_host = {.kind = HOST_MEMORY, .quiet = true};

/* ---- training ---- */

static int train(const struct sweep_cell_play *what, struct diag *diag)
{
    struct world world = {0};
    struct settings settings;
    struct session_result result;
    int64_t run_id = 0;
    int rc = make_world(what, false, &world, &settings, diag);
    const struct scenario *scenario = &world.scenario;
    const struct run_policy play = {
        .host = quiet_host,
        .world = &world,
        .kind = what->cell->kind,
        .learn_every = (uint32_t) scenario->run.checkpoint_every,
        .row =
            {
                .path = what->path,
                .kind = DB_RUN_TRAIN,
                .settings = &settings,
                .checkpoint_episode = -1,
                .phase = RNG_TRAIN,
                .episodes = (uint32_t) scenario->run.episodes,
                .slots = (uint32_t) scenario->run.slots,
            },
        .record_tasks = what->cell->experiment->record_training && sweep_grid_keeps_tasks(what->cell),
    };
    if (rc == 0)
        rc = run_policy_record(&play, &result, &run_id, diag);
    world_finish(&world);
    return rc;
}

/* What was learned is validated and tested in the world for that, which need not be the one of the training. */
static int train_and_test(const struct sweep_cell_play *what, struct diag *diag)
{
    struct trained_run trained = {0};
    const struct trained_run_options options = {.path = what->path,
                                                .checkpoint = "best",
                                                .validates_unlearned = what->cell->experiment->curve,
                                                .host = quiet_host};
    struct world world = {0};
    struct settings settings;
    struct session_result result;
    int64_t checkpoint = -1;
    int rc = train(what, diag);
    if (rc == 0)
        rc = trained_run_open(&trained, &options, diag);
    if (rc == 0)
        rc = make_world(what, true, &world, &settings, diag);
    if (rc == 0) {
        world_finish(&trained.world);
        trained.world = world;
        trained.settings = settings;
        rc = trained_run_checkpoint(&trained, what->cell->kind, &checkpoint);
    }
    if (rc == 0 && what->cell->tests)
        rc = trained_run_play(&trained, what->cell->kind, RNG_TEST, checkpoint, &result);
    trained_run_finish(&trained);
    return rc;
}

/* ---- testing ---- */

static int play_phase(const struct sweep_cell_play *what, const struct world *world,
                      const struct settings *settings, enum rng_phase phase, struct diag *diag)
{
    const struct scenario *scenario = &world->scenario;
    bool test = phase == RNG_TEST;
    assert(test || phase == RNG_VALIDATE);
    assert((what->weights != NULL) == (what->checkpoint >= 0));
    struct session_result result;
    int64_t run_id = 0;
    const struct run_policy play = {
        .host = quiet_host,
        .world = world,
        .kind = what->cell->kind,
        .weights = what->weights,
        .row =
            {
                .path = what->path,
                .settings = settings,
                .kind = test ? DB_RUN_TEST : DB_RUN_VALIDATE,
                .checkpoint_episode = what->checkpoint,
                .has_updates = what->weights != NULL && what->updates >= 0,
                .updates = what->updates >= 0 ? (uint64_t) what->updates : 0,
                .phase = phase,
                .episodes = (uint32_t) (test ? scenario->evaluation.test_episodes
                                             : scenario->evaluation.validate_episodes),
                .slots =
                    (uint32_t) (test ? scenario->evaluation.test_slots : scenario->evaluation.validate_slots),
            },
        .record_tasks = test,
    };
    int rc = run_policy_record(&play, &result, &run_id, diag);
    bool unfit = rc == ERR_MISMATCH && what->weights != NULL;
    return unfit ? ERR_UNSUPPORTED : rc;
}

static int test_alone(const struct sweep_cell_play *what, struct diag *diag)
{
    struct world world = {0};
    struct settings settings;
    int rc = make_world(what, true, &world, &settings, diag);
    if (rc == 0 && what->cell->experiment->curve && what->weights == NULL)
        rc = play_phase(what, &world, &settings, RNG_VALIDATE, diag);
    if (rc == 0)
        rc = play_phase(what, &world, &settings, RNG_TEST, diag);
    world_finish(&world);
    return rc;
}

int sweep_cell_play(const struct sweep_cell_play *what, struct diag *diag)
{
    assert(what->cell->trains || what->cell->tests);
    assert(!what->cell->trains || what->weights == NULL); /* one that trains takes no other cell's weights */
    return what->cell->trains ? train_and_test(what, diag) : test_alone(what, diag);
}
