/* Active inference (He, Fang, Yu and Leung, TMC 23(12), 2024; the planner is that of Tschantz et al., arXiv 2002.12636)
 * device by device: an ensemble learns from the reports of all devices what a task takes at a place (device_model.h), and a
 * device goes where it prefers to be, or where its report would teach most (core/rl/free_energy.h). What is preferred is a
 * low cost by the operator's objective. A slot is one step: horizon 1.
 *
 * Devices decide one after the other, by number, each against the loads that the others have chosen so far in this slot. So
 * the first of them see servers that are emptier than they will be: in further rounds those decide again whose servers'
 * loads have changed, until nobody does, or for active.sweeps rounds. What the ensemble learns is the outcome under the
 * slot's final loads.
 *
 * Training begins with active.warmup slots of random places; then the gain alone explores. After every
 * active.fit_slots slots the ensemble is fitted. What does not train has no use for gain: it goes where it prefers to be. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/rl/checkpoint.h"
#include "core/rl/cross_entropy.h"
#include "core/rl/experience.h"
#include "core/rl/free_energy.h"
#include "core/rl/plan_grid.h"
#include "orchestrator/policy/planned/device_model.h"
#include "orchestrator/policy/planned/settings.h"

#define ENTITY 8192u   /* of the ensemble's draws: apart from every other learner's */
#define ROWS_MOST 512u /* that are foreseen at once by enumeration */
#define SMOOTHING 0.1  /* of the planner's classes, in elites */
#define NARROWEST 0.01 /* of its parts, which a device has none of */

struct active {
    struct device_choices choices;
    bool learns_preference;
    struct ensemble *ensemble;
    struct free_energy *energy;
    struct cross_entropy *planner; /* one of the two, by active.plan */
    struct plan_grid *grid;
    uint8_t *allowed; /* [choices] */
    /* The slot at hand. */
    const struct env_view *view;
    uint32_t device;            /* that decides */
    struct device_place *place; /* [N] so far */
    uint32_t *load;             /* [M] so far */
    struct device_full *full;   /* [N] foreseen */
    uint64_t turn;              /* of changes */
    uint64_t *changed;          /* [M] the turn of a server's last change */
    uint64_t *decided_at;       /* [N] of a device's last decision; 0: none in this slot */
    /* Of the slot that was decided last. */
    float *x; /* [N][inputs] */
    float *y; /* [outputs] */
    /* Scratch of ROWS_MOST rows. */
    float *rows_x, *rows_y;
    struct ensemble_guess guess;
    uint64_t decided, since; /* slots, all and since the last fit was due */
    uint64_t observed;       /* reports, as of the last save or load */
    uint64_t gathered;       /* reports that gather has given out */
};

/* ---- life ---- */

static void destroy(struct policy *policy)
{
    struct active *own = policy->state;
    if (own == NULL)
        return;
    free_energy_destroy(own->energy);
    cross_entropy_destroy(own->planner);
    plan_grid_destroy(own->grid);
    ensemble_guess_finish(&own->guess);
    ensemble_destroy(own->ensemble);
    free(own->allowed);
    free(own->place);
    free(own->load);
    free(own->full);
    free(own->changed);
    free(own->decided_at);
    free(own->x);
    free(own->y);
    free(own->rows_x);
    free(own->rows_y);
    free(own);
}

/* Rows that are foreseen at once. */
static size_t rows_of(const struct planned_settings *settings)
{
    bool draws = settings->active.plan == PLAN_CROSS_ENTROPY;
    return draws && settings->active.candidates > ROWS_MOST ? settings->active.candidates : ROWS_MOST;
}

static int create_ensemble(struct active *own, const struct policy *policy)
{
    const struct planned_settings *settings = planned_settings_of(policy);
    const struct ensemble_config config = {
        .inputs = device_model_inputs(policy->world),
        .outputs = device_model_outputs(policy->world, own->learns_preference),
        .members = settings->active.members,
        .width = settings->active.width,
        .layers = settings->active.layers,
        .buffer = settings->active.buffer,
        .batch = settings->active.batch,
        .rows = rows_of(settings),
        .epochs = settings->active.epochs,
        .steps = settings->active.steps,
        .rate = (float) settings->active.rate,
        .norm = (float) settings->active.norm,
        .anew = settings->active.anew == SWITCH_ON,
        .seed = policy->world->seed,
        .entity = ENTITY,
    };
    return ensemble_create(&own->ensemble, &config);
}

static int create_planner(struct active *own, const struct policy *policy)
{
    const struct planned_settings *settings = planned_settings_of(policy);
    const struct plan_space space = {.horizon = 1, .choices = own->choices.count};
    size_t rows = rows_of(settings);
    const struct free_energy_config energy = {
        .space = space,
        .rows = rows,
        .scale = settings->active.gain,
        .gain = settings->active.estimate == ESTIMATE_NEIGHBOURS ? INFORMATION_GAIN_NEIGHBOURS
                                                                 : INFORMATION_GAIN_GAUSSIAN,
        .seed = policy->world->seed,
        .entity = ENTITY,
    };
    int rc = free_energy_create(&own->energy, &energy, own->ensemble);
    if (rc != 0)
        return rc;
    free_energy_weigh(own->energy, policy->training ? 1.0 : 0.0);
    if (settings->active.plan == PLAN_ENUMERATE)
        return plan_grid_create(&own->grid,
                                &(struct plan_grid_config){.space = space, .levels = 1, .rows = rows});
    const struct cross_entropy_config planner = {
        .space = space,
        .candidates = settings->active.candidates,
        .elites = settings->active.elites,
        .iterations = settings->active.iterations,
        .smoothing = SMOOTHING,
        .narrowest = NARROWEST,
        .seed = policy->world->seed,
        .entity = ENTITY,
    };
    return cross_entropy_create(&own->planner, &planner);
}

static int create_space(struct active *own, const struct policy *policy)
{
    const struct world *world = policy->world;
    const struct ensemble_config *model = ensemble_config(own->ensemble);
    own->allowed = calloc(own->choices.count, sizeof *own->allowed);
    own->place = calloc(world->devices, sizeof *own->place);
    own->load = calloc(world->servers, sizeof *own->load);
    own->full = calloc(world->devices, sizeof *own->full);
    own->changed = calloc(world->servers, sizeof *own->changed);
    own->decided_at = calloc(world->devices, sizeof *own->decided_at);
    own->x = calloc(world->devices * model->inputs, sizeof *own->x);
    own->y = calloc(model->outputs, sizeof *own->y);
    own->rows_x = calloc(model->rows * model->inputs, sizeof *own->rows_x);
    own->rows_y = calloc(model->rows * model->outputs, sizeof *own->rows_y);
    if (own->allowed == NULL || own->place == NULL || own->load == NULL || own->full == NULL ||
        own->changed == NULL || own->decided_at == NULL || own->x == NULL || own->y == NULL ||
        own->rows_x == NULL || own->rows_y == NULL)
        return -ENOMEM;
    return ensemble_guess_init(&own->guess, own->ensemble, model->rows);
}

static int create(struct policy *policy, struct diag *diag)
{
    const struct world *world = policy->world;
    if (world->scenario.objective.reward != REWARD_COST)
        return diag_fail(diag, ERR_UNSUPPORTED, "learns the parts of objective.reward: cost");
    struct active *own = calloc(1, sizeof *own);
    if (own == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    policy->state = own;
    own->choices = device_choices_of(world);
    own->learns_preference = planned_settings_of(policy)->active.preference == PREFERENCE_LEARNED;
    int rc = create_ensemble(own, policy);
    if (rc == 0)
        rc = create_space(own, policy);
    if (rc == 0)
        rc = create_planner(own, policy);
    return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
}

/* ---- one device's places ---- */

static void describe(void *user, const struct free_energy_step *step, float *ret_x)
{
    const struct active *own = user;
    size_t inputs = ensemble_config(own->ensemble)->inputs;
    for (size_t row = 0; row < step->rows; row++) {
        struct device_place place =
            device_choices_place(&own->choices, own->view, own->device, step->choice[row]);
        uint32_t load = place.server == ENV_LOCAL ? 0 : own->load[place.server] + 1;
        device_model_describe(own->view, own->device, place, load, ret_x + row * inputs);
    }
}

static void prefer(void *user, const struct free_energy_step *step, const float *y, double *ret_preference)
{
    const struct active *own = user;
    const struct world *world = own->view->world;
    size_t outputs = ensemble_config(own->ensemble)->outputs;
    for (size_t row = 0; row < step->rows; row++) {
        const float *foreseen = y + row * outputs;
        ret_preference[row] = own->learns_preference
                                  ? -device_model_learned_cost(world, foreseen)
                                  : -device_model_cost(world, own->full[own->device], foreseen);
    }
}

/* Draws of a decision are of its slot and device, whatever was decided before. */
static uint64_t number_of(const struct env_view *view, uint32_t device)
{
    uint64_t slot = (uint32_t) (view->id.slot * view->world->devices + device);
    return (uint64_t) view->id.episode << 32 | slot;
}

static struct device_place plan_place(struct active *own, uint32_t device)
{
    const struct free_energy_world world = {describe, prefer, NULL, own};
    const struct plan_problem problem = {own->allowed, free_energy_worth, own->energy};
    uint32_t choice = 0;
    float none = 0.0f;
    struct plan plan = {.choice = &choice, .part = &none};
    uint64_t number = number_of(own->view, device);
    own->device = device;
    free_energy_begin(own->energy, &world, NULL, number);
    if (own->grid != NULL)
        plan_grid_search(own->grid, &problem, &plan);
    else
        cross_entropy_plan(own->planner, number, &problem, &plan);
    return device_choices_place(&own->choices, own->view, device, choice);
}

/* ---- a slot ---- */

/* A change of a server's load, and when. */
static void shift(struct active *own, uint32_t server, int by)
{
    if (server == ENV_LOCAL)
        return;
    own->load[server] += (uint32_t) by;
    own->changed[server] = own->turn;
}

static bool is_due(const struct active *own, uint32_t device)
{
    const struct world *world = own->view->world;
    const bool *covered = own->view->covered + (size_t) device * world->servers;
    bool due = own->decided_at[device] == 0;
    for (uint32_t m = 0; m < world->servers && !due; m++)
        due = covered[m] && own->changed[m] > own->decided_at[device];
    return due;
}

/* A device takes its turn: its own load is not in its way. */
static void take_turn(struct active *own, uint32_t device)
{
    struct device_place before = own->place[device];
    if (before.server != ENV_LOCAL)
        own->load[before.server]--;
    struct device_place place = plan_place(own, device);
    if (before.server != ENV_LOCAL)
        own->load[before.server]++;
    own->turn++;
    if (place.server != before.server) {
        shift(own, before.server, -1);
        shift(own, place.server, 1);
    }
    own->place[device] = place;
    own->decided_at[device] = own->turn;
}

/* What all layers at home would take, of every device: what costs are relative to. */
static void foresee_full(struct active *own)
{
    const struct world *world = own->view->world;
    const struct ensemble_config *model = ensemble_config(own->ensemble);
    const struct device_place local = {ENV_LOCAL, world->llm->layers};
    for (uint32_t first = 0; first < world->devices; first += (uint32_t) model->rows) {
        size_t left = world->devices - first, rows = left < model->rows ? left : model->rows;
        for (size_t row = 0; row < rows; row++)
            if (env_has_task(own->view, first + (uint32_t) row))
                device_model_describe(own->view, first + (uint32_t) row, local, 0,
                                      own->rows_x + row * model->inputs);
        ensemble_predict(own->ensemble, rows, own->rows_x, &own->guess);
        /* The members' mean takes the first one's place. */
        for (size_t i = 0; i < rows * model->outputs; i++) {
            float sum = 0.0f;
            for (size_t e = 0; e < model->members; e++)
                sum += own->guess.mean[e * rows * model->outputs + i];
            own->guess.mean[i] = sum / (float) model->members;
        }
        ensemble_in_units(own->ensemble, rows, own->guess.mean, own->rows_y);
        for (size_t row = 0; row < rows; row++)
            own->full[first + row] = device_model_full(own->rows_y + row * model->outputs);
    }
}

static void plan_slot(struct active *own, uint64_t sweeps)
{
    const struct world *world = own->view->world;
    bool again = true;
    foresee_full(own);
    for (uint64_t sweep = 0; sweep < sweeps && again; sweep++) {
        again = false;
        for (uint32_t n = 0; n < world->devices; n++)
            if (is_due(own, n) && device_choices_allow(&own->choices, own->view, n, own->allowed)) {
                take_turn(own, n);
                again = true;
            }
    }
}

/* A server or none with the same probability, then one of its allowed places. */
static void draw_slot(struct active *own)
{
    const struct world *world = own->view->world;
    struct rng_at at = {
        .seed = world->seed,
        .phase = own->view->id.phase,
        .stream = RNG_EXPLORATION,
        .episode = own->view->id.episode,
        .slot = own->view->id.slot,
    };
    for (uint32_t n = 0; n < world->devices; n++) {
        at.entity = n;
        uint32_t server = rng_below(&at, 0, world->servers + 1), allowed = 0;
        if (!device_choices_allow(&own->choices, own->view, n, own->allowed) || server == world->servers)
            continue;
        const uint8_t *of_server = own->allowed + own->choices.locals + server * own->choices.splits;
        for (uint32_t i = 0; i < own->choices.splits; i++)
            allowed += of_server[i];
        uint32_t left = allowed > 0 ? rng_below(&at, 1, allowed) : 0;
        for (uint32_t i = 0; i < own->choices.splits && allowed > 0; i++)
            if (of_server[i] == 1 && left-- == 0) {
                uint32_t choice = own->choices.locals + server * own->choices.splits + i;
                own->place[n] = device_choices_place(&own->choices, own->view, n, choice);
                break;
            }
    }
}

static void begin_slot(struct active *own, const struct env_view *view)
{
    const struct world *world = view->world;
    own->view = view;
    own->turn = 0;
    memset(own->load, 0, world->servers * sizeof *own->load);
    memset(own->changed, 0, world->servers * sizeof *own->changed);
    memset(own->decided_at, 0, world->devices * sizeof *own->decided_at);
    for (uint32_t n = 0; n < world->devices; n++)
        own->place[n] = (struct device_place){ENV_LOCAL, world->llm->layers};
}

/* The places that it became, and what the ensemble is told of them. */
static void remember(struct active *own, const struct env_decision *decision)
{
    const struct world *world = own->view->world;
    size_t inputs = ensemble_config(own->ensemble)->inputs;
    memset(own->load, 0, world->servers * sizeof *own->load);
    for (uint32_t n = 0; n < world->devices; n++) {
        own->place[n] = (struct device_place){decision->server[n], decision->split[n]};
        if (decision->server[n] != ENV_LOCAL)
            own->load[decision->server[n]]++;
    }
    for (uint32_t n = 0; n < world->devices; n++) {
        uint32_t m = own->place[n].server;
        if (env_has_task(own->view, n))
            device_model_describe(own->view, n, own->place[n], m == ENV_LOCAL ? 0 : own->load[m],
                                  own->x + n * inputs);
    }
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct active *own = policy->state;
    const struct planned_settings *settings = planned_settings_of(policy);
    bool is_new = own->decided < settings->active.warmup || ensemble_fits(own->ensemble) == 0;
    begin_slot(own, view);
    if (policy->training && is_new)
        draw_slot(own);
    else
        plan_slot(own, settings->active.sweeps);
    for (uint32_t n = 0; n < view->world->devices; n++) {
        ret_decision->server[n] = own->place[n].server;
        ret_decision->split[n] = own->place[n].split;
    }
    env_repair(view, ret_decision);
    if (!policy->training)
        return;
    remember(own, ret_decision);
    own->decided++;
}

/* ---- learning ---- */

static void learn(struct policy *policy, const struct policy_feedback *feedback)
{
    struct active *own = policy->state;
    size_t inputs = ensemble_config(own->ensemble)->inputs;
    for (size_t i = 0; i < feedback->outcomes; i++) {
        const struct policy_outcome *outcome = &feedback->outcome[i];
        assert(outcome->device < policy->world->devices);
        if (device_model_outcome(policy->world, outcome, own->place[outcome->device], own->learns_preference,
                                 own->y))
            ensemble_observe(own->ensemble, own->x + outcome->device * inputs, own->y);
    }
    own->since++;
}

static void update(struct policy *policy)
{
    struct active *own = policy->state;
    if (own->since < planned_settings_of(policy)->active.fit_slots)
        return;
    (void) ensemble_fit(own->ensemble);
    own->since = 0;
}

static uint64_t updates(const struct policy *policy)
{
    const struct active *own = policy->state;
    return ensemble_fits(own->ensemble);
}

static struct policy_first_update first_update(const void *settings, uint32_t devices)
{
    const struct planned_settings *own = settings;
    (void) devices;
    return (struct policy_first_update){own->active.fit_slots, "active.fit_slots"};
}

/* ---- bytes ---- */

static struct checkpoint description(struct active *own)
{
    struct checkpoint checkpoint;
    checkpoint_begin(&checkpoint, "HACT", NULL);
    ensemble_describe_actor(own->ensemble, &checkpoint);
    ensemble_describe_learner(own->ensemble, &checkpoint);
    checkpoint_count(&checkpoint, CHECKPOINT_LEARNER, &own->decided);
    checkpoint_count(&checkpoint, CHECKPOINT_LEARNER, &own->since);
    checkpoint_count(&checkpoint, CHECKPOINT_LEARNER, &own->observed);
    return checkpoint;
}

#define ALL_BUT_REPORTS ((uint32_t) (CHECKPOINT_ACTOR | CHECKPOINT_LEARNER))

static int save(const struct policy *policy, bool full, struct buf *bytes)
{
    struct active *own = policy->state;
    own->observed = ensemble_observed(own->ensemble);
    struct checkpoint checkpoint = description(own);
    return checkpoint_save(&checkpoint, full ? ALL_BUT_REPORTS : (uint32_t) CHECKPOINT_ACTOR, bytes);
}

static int load(struct policy *policy, const void *bytes, size_t size, struct diag *diag)
{
    struct checkpoint checkpoint = description(policy->state);
    return checkpoint_load(&checkpoint, bytes, size, diag);
}

static int gather(struct policy *policy, struct policy_experience *ret_experience, struct buf *bytes)
{
    struct active *own = policy->state;
    struct experience_piece piece = {0};
    int rc = experience_gather(ensemble_samples(own->ensemble), &own->gathered, &piece, bytes);
    *ret_experience =
        (struct policy_experience){.first = piece.first, .count = piece.count, .oldest = piece.oldest};
    return rc;
}

static int recall(struct policy *policy, const void *bytes, size_t size, struct diag *diag)
{
    struct active *own = policy->state;
    return experience_load(ensemble_samples(own->ensemble), bytes, size, diag);
}

static int resume(struct policy *policy, const void *bytes, size_t size, struct diag *diag)
{
    struct active *own = policy->state;
    if (checkpoint_sections(bytes, size) != ALL_BUT_REPORTS)
        return diag_fail(diag, ERR_TYPE, "not a training's state: it has not all that training needs");
    int rc = load(policy, bytes, size, diag);
    if (rc != 0)
        return rc;
    if (!experience_is_whole(ensemble_samples(own->ensemble), own->observed))
        return diag_fail(diag, ERR_MISMATCH,
                         "training's state is that after %llu reports, of which some are missing",
                         (unsigned long long) own->observed);
    own->gathered = own->observed;
    update(policy); /* if it is owed: it ran while the next episode began */
    return 0;
}

const struct policy_kind policy_active_inference = {
    .name = "active-inference",
    .sees = POLICY_SEES_OBSERVATIONS,
    .modes = POLICY_MODE_ROUND,
    .only_named = true, /* slow: a device's decision is some hundred forward passes of an ensemble */
    .summary = "an ensemble learns what tasks take; devices go where they prefer to be or would learn most",
    .source = "He et al., TMC 23(12), 2024; Tschantz et al., arXiv 2002.12636",
    .settings = &planned_settings_part,
    .create = create,
    .destroy = destroy,
    .decide = decide,
    .learn = learn,
    .update = update,
    .updates = updates,
    .first_update = first_update,
    .save = save,
    .load = load,
    .gather = gather,
    .recall = recall,
    .resume = resume,
};
