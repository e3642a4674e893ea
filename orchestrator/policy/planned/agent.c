#include "orchestrator/policy/planned/agent.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/elementary.h"
#include "core/base/err.h"
#include "orchestrator/policy/planned/settings.h"

#define ENTITY 8192u   /* of the ensemble's draws: apart from every other learner's */
#define ROWS_MOST 512u /* that are foreseen at once by enumeration */
#define SMOOTHING 0.1  /* of the planner's classes, in elites */
#define NARROWEST 0.01 /* of its parts */

/* Rows that are foreseen at once. */
static size_t rows_of(const struct planned_settings *settings)
{
    bool draws = settings->active.plan == PLAN_CROSS_ENTROPY;
    return draws && settings->active.candidates > ROWS_MOST ? settings->active.candidates : ROWS_MOST;
}

static int create_ensemble(struct planned_agent *agent, const struct policy *policy,
                           const struct planned_shape *shape)
{
    const struct planned_settings *settings = planned_settings_of(policy);
    const struct ensemble_config config = {
        .inputs = shape->inputs,
        .outputs = shape->outputs,
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
    return ensemble_create(&agent->ensemble, &config);
}

static int create_energy(struct planned_agent *agent, const struct policy *policy,
                         const struct planned_shape *shape)
{
    const struct planned_settings *settings = planned_settings_of(policy);
    const struct free_energy_config config = {
        .space = shape->space,
        .state = shape->state,
        .rows = rows_of(settings),
        .scale = settings->active.gain,
        .gain = settings->active.estimate == ESTIMATE_NEIGHBOURS ? INFORMATION_GAIN_NEIGHBOURS
                                                                 : INFORMATION_GAIN_GAUSSIAN,
        .seed = policy->world->seed,
        .entity = ENTITY,
    };
    int rc = free_energy_create(&agent->energy, &config, agent->ensemble);
    if (rc == 0)
        free_energy_weigh(agent->energy, policy->training ? 1.0 : 0.0);
    return rc;
}

static int create_grid(struct planned_agent *agent, const struct policy *policy,
                       const struct planned_shape *shape)
{
    const struct planned_settings *settings = planned_settings_of(policy);
    const struct plan_grid_config config = {
        .space = shape->space,
        .levels = shape->space.parts > 0 ? settings->active.levels : 1,
        .rows = rows_of(settings),
    };
    return plan_grid_create(&agent->grid, &config);
}

static int create_planner(struct planned_agent *agent, const struct policy *policy,
                          const struct planned_shape *shape)
{
    const struct planned_settings *settings = planned_settings_of(policy);
    const struct cross_entropy_config config = {
        .space = shape->space,
        .candidates = settings->active.candidates,
        .elites = settings->active.elites,
        .iterations = settings->active.iterations,
        .smoothing = SMOOTHING,
        .narrowest = NARROWEST,
        .seed = policy->world->seed,
        .entity = ENTITY,
    };
    return cross_entropy_create(&agent->planner, &config);
}

static int create_row(struct planned_agent *agent, const struct planned_shape *shape)
{
    agent->mean = calloc(2 * shape->outputs, sizeof *agent->mean);
    if (agent->mean == NULL)
        return -ENOMEM;
    agent->spread = agent->mean + shape->outputs;
    return ensemble_guess_init(&agent->guess, agent->ensemble, 1);
}

int planned_agent_init(struct planned_agent *ret_agent, const struct policy *policy,
                       const struct planned_shape *shape, struct diag *diag)
{
    const struct planned_settings *settings = planned_settings_of(policy);
    *ret_agent = (struct planned_agent){.counts_gain = policy->training && settings->active.gain > 0.0};
    int rc = create_ensemble(ret_agent, policy, shape);
    if (rc == 0)
        rc = create_energy(ret_agent, policy, shape);
    if (rc == 0)
        rc = create_row(ret_agent, shape);
    if (rc != 0)
        return diag_fail(diag, rc, "%s", err_text(rc));
    if (settings->active.plan == PLAN_CROSS_ENTROPY) {
        rc = create_planner(ret_agent, policy, shape);
        return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
    }
    rc = create_grid(ret_agent, policy, shape);
    if (rc == ERR_RANGE)
        return diag_fail(diag, rc,
                         "active.plan: enumerate would ask of more than %u plans, with active.levels %" PRIu64
                         " and active.horizon %" PRIu64 "; allowed cross-entropy",
                         PLAN_GRID_MAX, settings->active.levels, settings->active.horizon);
    return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
}

void planned_agent_finish(struct planned_agent *agent)
{
    free_energy_destroy(agent->energy);
    cross_entropy_destroy(agent->planner);
    plan_grid_destroy(agent->grid);
    ensemble_guess_finish(&agent->guess);
    free(agent->mean);
    ensemble_destroy(agent->ensemble);
    *agent = (struct planned_agent){0};
}

uint64_t planned_number(const struct env_view *view, uint32_t device)
{
    uint64_t slot = (uint32_t) (view->id.slot * view->world->devices + device);
    return (uint64_t) view->id.episode << 32 | slot;
}

void planned_agent_plan(struct planned_agent *agent, const struct free_energy_world *world,
                        const float *state, const uint8_t *allowed, uint64_t number, struct plan *ret_plan)
{
    const struct plan_problem problem = {allowed, free_energy_worth, agent->energy};
    free_energy_begin(agent->energy, world, state, number);
    if (agent->grid != NULL)
        plan_grid_search(agent->grid, &problem, ret_plan);
    else
        cross_entropy_plan(agent->planner, number, &problem, ret_plan);
}

/* The chance that a standard normal is below z. */
static double below(double z)
{
    return 1.0 / (1.0 + elementary_exp(-1.702 * fmin(fmax(z, -40.0), 40.0)));
}

/* Of one member: an output's mean in units, and its deviation. */
static double output_of(struct planned_agent *agent, size_t member, size_t output, double *ret_deviation)
{
    size_t outputs = agent->guess.outputs;
    const float *mean = agent->guess.mean + member * outputs;
    const float *log_variance = agent->guess.log_variance + member * outputs;
    memcpy(agent->spread, mean, outputs * sizeof *mean);
    ensemble_in_units(agent->ensemble, 1, agent->spread, agent->spread);
    double value = (double) agent->spread[output];
    memcpy(agent->spread, mean, outputs * sizeof *mean);
    agent->spread[output] += (float) elementary_exp(0.5 * (double) log_variance[output]);
    ensemble_in_units(agent->ensemble, 1, agent->spread, agent->spread);
    *ret_deviation = (double) agent->spread[output] - value;
    return value;
}

void planned_agent_foresee(struct planned_agent *agent, const float *x, size_t seconds, double deadline_s,
                           struct env_foreseen *ret_foreseen)
{
    size_t members = ensemble_config(agent->ensemble)->members, outputs = agent->guess.outputs;
    double in_time = 0.0, deviation;
    ensemble_predict(agent->ensemble, 1, x, &agent->guess);
    for (size_t e = 0; e < members; e++) {
        double value = output_of(agent, e, seconds, &deviation);
        if (deadline_s > 0.0)
            in_time += below((elementary_log(deadline_s) - value) / deviation) / (double) members;
    }
    for (size_t i = 0; i < outputs; i++) {
        float sum = 0.0f;
        for (size_t e = 0; e < members; e++)
            sum += agent->guess.mean[e * outputs + i];
        agent->mean[i] = sum / (float) members;
    }
    ensemble_in_units(agent->ensemble, 1, agent->mean, agent->mean);
    ret_foreseen->latency_s = elementary_exp(fmin(fmax((double) agent->mean[seconds], -30.0), 30.0));
    ret_foreseen->in_time = deadline_s > 0.0 ? in_time : (double) NAN;
}

double planned_agent_gain(struct planned_agent *agent, const struct plan *plan)
{
    double worth;
    if (!agent->counts_gain)
        return (double) NAN;
    free_energy_worth(agent->energy, 1, plan->choice, plan->part, &worth);
    return free_energy_gain(agent->energy, 0);
}
