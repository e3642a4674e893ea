#include "orchestrator/sweep/sweep_grid.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/buf.h"
#include "core/base/err.h"

/* What a learner's update costs beside playing one slot of one device (7 us); a decision of the optimum, for
 * each device and load vector; a decision of a policy that searches with the model, for each pair of devices.
 * Measured on one core with `dapo` (N = 5, 10, 50; best-response for the last), and rounded. */
#define UPDATE_WORK 250.0
#define VECTOR_WORK 0.1
#define PAIR_WORK 5.0

/* ---- what is set ---- */

static size_t add_all(struct sweep_setting *list, size_t count, const struct sweep_settings *more)
{
    assert(count + more->count <= SWEEP_GRID_SETTINGS_MAX);
    memcpy(list + count, more->list, more->count * sizeof *list);
    return count + more->count;
}

size_t sweep_grid_settings(const struct sweep_grid *grid, const struct sweep_cell *cell, bool test,
                           struct sweep_setting ret_settings[static SWEEP_GRID_SETTINGS_MAX])
{
    const struct sweep_experiment *own = cell->experiment;
    size_t count = add_all(ret_settings, 0, &grid->file->set);
    count = add_all(ret_settings, count, &own->set);
    for (size_t i = 0; i < own->axes && !cell->at_base; i++) {
        assert(cell->at[i] < own->axis[i].count);
        ret_settings[count++] = (struct sweep_setting){own->axis[i].key, own->axis[i].value[cell->at[i]]};
    }
    return add_all(ret_settings, count, test ? &own->test_set : &own->train_set);
}

bool sweep_grid_same_place(const struct sweep_cell *a, const struct sweep_cell *b)
{
    return a->experiment == b->experiment && a->at_base == b->at_base &&
           (a->at_base || memcmp(a->at, b->at, sizeof a->at) == 0);
}

bool sweep_grid_keeps_tasks(const struct sweep_cell *cell)
{
    const struct sweep_seeds *seeds = &cell->experiment->task_seeds;
    for (size_t i = 0; i < seeds->count; i++)
        if (seeds->list[i] == cell->seed)
            return true;
    return false;
}

/* ---- what it takes ---- */

/* Load vectors that the optimum looks at: C(devices + servers, servers). */
static double vectors(uint64_t devices, uint64_t servers)
{
    double count = 1.0;
    for (uint64_t m = 1; m <= servers; m++)
        count *= (double) (devices + m) / (double) m;
    return count;
}

static double decision_work(const struct policy_kind *kind, uint64_t devices, uint64_t servers)
{
    double n = (double) devices;
    switch (kind->sees) {
    case POLICY_SEES_WORLD: return VECTOR_WORK * n * vectors(devices, servers);
    case POLICY_SEES_MODEL: return PAIR_WORK * n * n;
    case POLICY_SEES_OBSERVATIONS: return 0.0;
    }
    assert(false);
    return 0.0;
}

double sweep_grid_work(const struct sweep_cell *cell, const struct scenario *train,
                       const struct scenario *test)
{
    assert(train->run.checkpoint_every > 0); /* both scenarios have been checked */
    double devices = (double) test->devices.count;
    double validate_slots = (double) (test->evaluation.validate_episodes * test->evaluation.validate_slots);
    double test_slots = (double) (test->evaluation.test_episodes * test->evaluation.test_slots);
    double trained_slots = cell->trains ? (double) (train->run.episodes * train->run.slots) : 0.0;
    double checkpoints = cell->trains ? (double) (train->run.episodes / train->run.checkpoint_every) : 0.0;
    double validations = cell->trains ? checkpoints : cell->experiment->curve ? 1.0 : 0.0;
    double slots = trained_slots + validations * validate_slots + (cell->tests ? test_slots : 0.0);
    double decision = decision_work(cell->kind, test->devices.count, test->servers.count);
    return slots * (devices + decision) + trained_slots * UPDATE_WORK;
}

/* ---- the cells ---- */

/* Joins the axes' keys or the cell's values. */
static char *join(const struct sweep_cell *cell, bool values)
{
    const struct sweep_experiment *own = cell->experiment;
    struct buf text = {0};
    int rc = buf_printf(&text, "%s", "");
    for (size_t i = 0; i < own->axes && !cell->at_base && rc == 0; i++)
        rc = buf_printf(&text, "%s%s", i > 0 ? "," : "",
                        values ? own->axis[i].value[cell->at[i]] : own->axis[i].key);
    if (rc == 0)
        return (char *) text.data;
    buf_finish(&text);
    return NULL;
}

/* Takes the settings in order, so that what stands is the last. */
static json_t *pack(const struct sweep_setting *list, size_t count)
{
    json_t *object = json_object();
    for (size_t i = 0; i < count && object != NULL; i++)
        if (json_object_set_new(object, list[i].key, json_string(list[i].value)) != 0) {
            json_decref(object);
            object = NULL;
        }
    return object;
}

/* {"devices.count": "5", ..., "train_set": {...}, "test_set": {...}}, the last two where there is something. */
static char *settings_json(const struct sweep_grid *grid, const struct sweep_cell *cell)
{
    struct sweep_setting list[SWEEP_GRID_SETTINGS_MAX];
    const struct sweep_experiment *own = cell->experiment;
    size_t count = sweep_grid_settings(grid, cell, true, list);
    assert(count >= own->test_set.count); /* which come last */
    count -= own->test_set.count;
    json_t *object = pack(list, count);
    bool packed = object != NULL;
    if (packed && own->train_set.count > 0)
        packed =
            json_object_set_new(object, "train_set", pack(own->train_set.list, own->train_set.count)) == 0;
    if (packed && own->test_set.count > 0)
        packed = json_object_set_new(object, "test_set", pack(own->test_set.list, own->test_set.count)) == 0;
    struct buf text = {0};
    struct buf_sink sink = {.buf = &text};
    bool whole = packed && json_dump_callback(object, buf_sink_take, &sink, JSON_COMPACT) == 0 &&
                 buf_sink_end(&sink) == 0;
    if (!whole)
        buf_finish(&text);
    json_decref(object);
    return (char *) text.data;
}

static int add_cell(struct sweep_grid *grid, const struct sweep_cell *cell, struct diag *diag)
{
    if (grid->count >= SWEEP_GRID_CELLS_MAX)
        return diag_fail(diag, ERR_TOO_BIG, "%s: more than %u cells", grid->file->yaml.name,
                         SWEEP_GRID_CELLS_MAX);
    int rc = 0;
    array_resize(&grid->cell, grid->count + 1, &rc);
    if (rc != 0)
        return diag_fail(diag, rc, "out of memory");
    struct sweep_cell *own = &grid->cell[grid->count++];
    *own = *cell;
    own->number = (uint32_t) grid->count;
    own->axis = join(own, false);
    own->value = join(own, true);
    own->settings_json = settings_json(grid, own);
    bool made = own->axis != NULL && own->value != NULL && own->settings_json != NULL;
    return made ? 0 : diag_fail(diag, -ENOMEM, "out of memory");
}

/* The policy of the experiment whose training makes the weights of policy `p`: itself, or another. */
static size_t teacher_of(const struct sweep_experiment *own, size_t p)
{
    size_t i = 0;
    while (i < own->policies.count &&
           strcmp(own->policies.kind[i]->name, policy_weights_of(own->policies.kind[p])) != 0)
        i++;
    assert(i < own->policies.count); /* reading the file refuses a policy without its teacher */
    return i;
}

/* The cells of one place: each policy with each seed. `trainer` [policies x seeds]: the cells that train for
 * others. */
static int add_place(struct sweep_grid *grid, const struct sweep_cell *place, const uint32_t *trainer,
                     struct diag *diag)
{
    const struct sweep_experiment *own = place->experiment;
    size_t before = grid->count, seeds = own->seeds.count;
    int rc = 0;
    for (size_t p = 0; p < own->policies.count; p++)
        for (size_t s = 0; s < seeds && rc == 0; s++) {
            struct sweep_cell cell = *place;
            cell.kind = own->policies.kind[p];
            cell.seed = own->seeds.list[s];
            cell.tests = true;
            cell.trains = policy_learns(cell.kind) && !own->train_once;
            if (policy_is_trained(cell.kind) && !cell.trains) {
                size_t at = teacher_of(own, p) * seeds + s;
                cell.trained_by = own->train_once ? trainer[at] : (uint32_t) (before + at + 1);
                assert(cell.trained_by > 0 && cell.trained_by <= before + own->policies.count * seeds);
            }
            rc = add_cell(grid, &cell, diag);
        }
    return rc;
}

/* A training of an experiment before that is this one's, too; 0: none. */
static uint32_t same_training(const struct sweep_grid *grid, const struct sweep_cell *cell)
{
    char *settings = settings_json(grid, cell);
    uint32_t number = 0;
    for (size_t i = 0; i < grid->count && number == 0 && settings != NULL; i++) {
        const struct sweep_cell *other = &grid->cell[i];
        bool same = other->at_base && other->trains && !other->tests && other->kind == cell->kind &&
                    other->seed == cell->seed &&
                    other->experiment->record_training == cell->experiment->record_training &&
                    strcmp(other->settings_json, settings) == 0;
        number = same ? other->number : 0;
    }
    free(settings);
    return number;
}

/* The cells that train for others. */
static int add_trainers(struct sweep_grid *grid, const struct sweep_experiment *own, uint32_t *ret_trainer,
                        struct diag *diag)
{
    int rc = 0;
    for (size_t p = 0; p < own->policies.count; p++)
        for (size_t s = 0; s < own->seeds.count && rc == 0; s++) {
            struct sweep_cell cell = {.experiment = own, .at_base = true, .trains = true};
            cell.kind = own->policies.kind[p];
            cell.seed = own->seeds.list[s];
            uint32_t number = policy_learns(cell.kind) ? same_training(grid, &cell) : 0;
            if (policy_learns(cell.kind) && number == 0)
                rc = add_cell(grid, &cell, diag);
            ret_trainer[p * own->seeds.count + s] = number > 0 ? number : (uint32_t) grid->count;
        }
    return rc;
}

/* The next place of the grid, the last axis first; false after the last. */
static bool next_place(const struct sweep_experiment *own, struct sweep_cell *place)
{
    for (size_t i = own->axes; i-- > 0;) {
        assert(place->at[i] < own->axis[i].count);
        if (++place->at[i] < own->axis[i].count)
            return true;
        place->at[i] = 0;
    }
    return false;
}

static int add_experiment(struct sweep_grid *grid, const struct sweep_experiment *own, struct diag *diag)
{
    assert(own->policies.count > 0 && own->seeds.count > 0);
    struct sweep_cell place = {.experiment = own, .at_base = own->axes == 0};
    uint32_t *trainer = calloc(own->policies.count * own->seeds.count, sizeof *trainer);
    int rc = trainer != NULL ? 0 : diag_fail(diag, -ENOMEM, "out of memory");
    if (rc == 0 && own->train_once)
        rc = add_trainers(grid, own, trainer, diag);
    do {
        if (rc == 0)
            rc = add_place(grid, &place, trainer, diag);
    } while (rc == 0 && next_place(own, &place));
    free(trainer);
    return rc;
}

int sweep_grid_make(struct sweep_grid *ret_grid, const struct sweep_file *file, struct diag *diag)
{
    *ret_grid = (struct sweep_grid){.file = file};
    int rc = 0;
    for (size_t i = 0; i < file->experiments && rc == 0; i++)
        rc = add_experiment(ret_grid, &file->experiment[i], diag);
    return rc;
}

void sweep_grid_finish(struct sweep_grid *grid)
{
    for (size_t i = 0; i < grid->count; i++) {
        free(grid->cell[i].axis);
        free(grid->cell[i].value);
        free(grid->cell[i].settings_json);
    }
    free(grid->cell);
    *grid = (struct sweep_grid){0};
}
