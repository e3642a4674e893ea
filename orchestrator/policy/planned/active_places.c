#include "orchestrator/policy/planned/active_places.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/rng.h"
#include "orchestrator/policy/planned/device_model.h"
#include "orchestrator/policy/planned/settings.h"

struct active_places {
    const struct world *world; /* borrowed, as the next two */
    const struct planned_settings *settings;
    struct planned_agent *agent;
    struct device_choices choices;
    bool trains, learns_preference;
    uint8_t *allowed; /* [choices] */
    /* The slot at hand. */
    const struct env_view *view;
    uint32_t device;            /* that decides */
    struct device_place *place; /* [N] so far */
    uint32_t *load;             /* [M] so far */
    double *gain;               /* [N] nats, of its last decision */
    struct device_full *full;   /* [N] foreseen */
    uint64_t turn;              /* of changes */
    uint64_t *changed;          /* [M] the turn of a server's last change */
    uint64_t *decided_at;       /* [N] of a device's last decision; 0: none in this slot */
    /* Of the slot that was decided last. */
    float *x; /* [N][inputs] */
    float *y; /* [outputs] */
    /* Scratch of the ensemble's rows. */
    float *rows_x, *rows_y;
    struct ensemble_guess guess;
};

/* ---- life ---- */

int active_places_check(const struct policy *policy, struct diag *diag)
{
    const struct planned_settings *settings = planned_settings_of(policy);
    if (policy->world->scenario.objective.reward != REWARD_COST)
        return diag_fail(diag, ERR_UNSUPPORTED, "learns the parts of objective.reward: cost");
    if (settings->active.horizon != 1)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "active.horizon: splits have no part in the next slot, allowed 1");
    return 0;
}

struct planned_shape active_places_shape(const struct policy *policy)
{
    const struct planned_settings *settings = planned_settings_of(policy);
    bool learns_preference = settings->active.preference == PREFERENCE_LEARNED;
    return (struct planned_shape){
        .inputs = device_model_inputs(policy->world),
        .outputs = device_model_outputs(policy->world, learns_preference),
        .space = {.horizon = 1, .choices = device_choices_of(policy->world).count},
    };
}

static int create_space(struct active_places *own)
{
    const struct world *world = own->world;
    const struct ensemble_config *model = ensemble_config(own->agent->ensemble);
    own->allowed = calloc(own->choices.count, sizeof *own->allowed);
    own->place = calloc(world->devices, sizeof *own->place);
    own->load = calloc(world->servers, sizeof *own->load);
    own->gain = calloc(world->devices, sizeof *own->gain);
    own->full = calloc(world->devices, sizeof *own->full);
    own->changed = calloc(world->servers, sizeof *own->changed);
    own->decided_at = calloc(world->devices, sizeof *own->decided_at);
    own->x = calloc(world->devices * model->inputs, sizeof *own->x);
    own->y = calloc(model->outputs, sizeof *own->y);
    own->rows_x = calloc(model->rows * model->inputs, sizeof *own->rows_x);
    own->rows_y = calloc(model->rows * model->outputs, sizeof *own->rows_y);
    if (own->allowed == NULL || own->place == NULL || own->load == NULL || own->gain == NULL ||
        own->full == NULL || own->changed == NULL || own->decided_at == NULL || own->x == NULL ||
        own->y == NULL || own->rows_x == NULL || own->rows_y == NULL)
        return -ENOMEM;
    return ensemble_guess_init(&own->guess, own->agent->ensemble, model->rows);
}

int active_places_create(struct active_places **ret_places, const struct policy *policy,
                         struct planned_agent *agent)
{
    struct active_places *own = calloc(1, sizeof *own);
    if (own == NULL)
        return -ENOMEM;
    own->world = policy->world;
    own->settings = planned_settings_of(policy);
    own->agent = agent;
    own->choices = device_choices_of(policy->world);
    own->trains = policy->training;
    own->learns_preference = own->settings->active.preference == PREFERENCE_LEARNED;
    if (create_space(own) != 0) {
        active_places_destroy(own);
        return -ENOMEM;
    }
    *ret_places = own;
    return 0;
}

void active_places_destroy(struct active_places *places)
{
    if (places == NULL)
        return;
    ensemble_guess_finish(&places->guess);
    free(places->allowed);
    free(places->place);
    free(places->load);
    free(places->gain);
    free(places->full);
    free(places->changed);
    free(places->decided_at);
    free(places->x);
    free(places->y);
    free(places->rows_x);
    free(places->rows_y);
    free(places);
}

/* ---- one device's places ---- */

static void describe(void *user, const struct free_energy_step *step, float *ret_x)
{
    const struct active_places *own = user;
    size_t inputs = ensemble_config(own->agent->ensemble)->inputs;
    for (size_t row = 0; row < step->rows; row++) {
        struct device_place place =
            device_choices_place(&own->choices, own->view, own->device, step->choice[row]);
        uint32_t load = place.server == ENV_LOCAL ? 0 : own->load[place.server] + 1;
        device_model_describe(own->view, own->device, place, load, ret_x + row * inputs);
    }
}

static void prefer(void *user, const struct free_energy_step *step, const float *y, double *ret_preference)
{
    const struct active_places *own = user;
    const struct world *world = own->view->world;
    size_t outputs = ensemble_config(own->agent->ensemble)->outputs;
    for (size_t row = 0; row < step->rows; row++) {
        const float *foreseen = y + row * outputs;
        ret_preference[row] = own->learns_preference
                                  ? -device_model_learned_cost(world, foreseen)
                                  : -device_model_cost(world, own->full[own->device], foreseen);
    }
}

static struct device_place plan_place(struct active_places *own, uint32_t device)
{
    const struct free_energy_world world = {describe, prefer, NULL, own};
    uint32_t choice = 0;
    float none = 0.0f;
    struct plan plan = {.choice = &choice, .part = &none};
    own->device = device;
    planned_agent_plan(own->agent, &world, NULL, own->allowed, planned_number(own->view, device), &plan);
    own->gain[device] = planned_agent_gain(own->agent, &plan);
    return device_choices_place(&own->choices, own->view, device, choice);
}

/* ---- a slot ---- */

/* A change of a server's load, and when. */
static void shift(struct active_places *own, uint32_t server, int by)
{
    if (server == ENV_LOCAL)
        return;
    own->load[server] += (uint32_t) by;
    own->changed[server] = own->turn;
}

static bool is_due(const struct active_places *own, uint32_t device)
{
    const struct world *world = own->view->world;
    const bool *covered = own->view->covered + (size_t) device * world->servers;
    bool due = own->decided_at[device] == 0;
    for (uint32_t m = 0; m < world->servers && !due; m++)
        due = covered[m] && own->changed[m] > own->decided_at[device];
    return due;
}

/* A device takes its turn: its own load is not in its way. */
static void take_turn(struct active_places *own, uint32_t device)
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
static void foresee_full(struct active_places *own)
{
    const struct world *world = own->view->world;
    const struct ensemble_config *model = ensemble_config(own->agent->ensemble);
    const struct device_place local = {ENV_LOCAL, world->llm->layers};
    for (uint32_t first = 0; first < world->devices; first += (uint32_t) model->rows) {
        size_t left = world->devices - first, rows = left < model->rows ? left : model->rows;
        for (size_t row = 0; row < rows; row++)
            if (env_has_task(own->view, first + (uint32_t) row))
                device_model_describe(own->view, first + (uint32_t) row, local, 0,
                                      own->rows_x + row * model->inputs);
        ensemble_predict(own->agent->ensemble, rows, own->rows_x, &own->guess);
        /* The members' mean takes the first one's place. */
        for (size_t i = 0; i < rows * model->outputs; i++) {
            float sum = 0.0f;
            for (size_t e = 0; e < model->members; e++)
                sum += own->guess.mean[e * rows * model->outputs + i];
            own->guess.mean[i] = sum / (float) model->members;
        }
        ensemble_in_units(own->agent->ensemble, rows, own->guess.mean, own->rows_y);
        for (size_t row = 0; row < rows; row++)
            own->full[first + row] = device_model_full(own->rows_y + row * model->outputs);
    }
}

static void plan_slot(struct active_places *own, uint64_t sweeps)
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
static void draw_slot(struct active_places *own)
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

static void begin_slot(struct active_places *own, const struct env_view *view)
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
static void remember(struct active_places *own, const struct env_decision *decision)
{
    const struct world *world = own->view->world;
    size_t inputs = ensemble_config(own->agent->ensemble)->inputs;
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

/* What is expected under the loads that it became. */
static void foresee(struct active_places *own, struct env_decision *decision)
{
    const struct world *world = own->view->world;
    for (uint32_t n = 0; n < world->devices; n++) {
        if (own->decided_at[n] == 0)
            continue;
        struct device_place place = own->place[n];
        uint32_t load = place.server == ENV_LOCAL ? 0 : own->load[place.server];
        device_model_describe(own->view, n, place, load, own->rows_x);
        planned_agent_foresee(own->agent, own->rows_x, 0, world->scenario.objective.deadline_s,
                              &decision->foreseen[n]);
        decision->foreseen[n].gain = own->gain[n];
    }
}

void active_places_decide(struct active_places *places, const struct env_view *view, bool draws,
                          struct env_decision *ret_decision)
{
    begin_slot(places, view);
    if (draws)
        draw_slot(places);
    else
        plan_slot(places, places->settings->active.sweeps);
    for (uint32_t n = 0; n < view->world->devices; n++) {
        ret_decision->server[n] = places->place[n].server;
        ret_decision->split[n] = places->place[n].split;
    }
    foresee(places, ret_decision);
    env_repair(view, ret_decision);
    if (places->trains)
        remember(places, ret_decision);
}

void active_places_learn(struct active_places *places, const struct policy_feedback *feedback)
{
    size_t inputs = ensemble_config(places->agent->ensemble)->inputs;
    for (size_t i = 0; i < feedback->outcomes; i++) {
        const struct policy_outcome *outcome = &feedback->outcome[i];
        assert(outcome->device < places->world->devices);
        if (device_model_outcome(places->world, outcome, places->place[outcome->device],
                                 places->learns_preference, places->y))
            ensemble_observe(places->agent->ensemble, places->x + outcome->device * inputs, places->y);
    }
}
