#include "orchestrator/policy/adaptive/belief.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/base/elementary.h"

#define FIRST_VARIANCE 0.5 /* of a pace that nobody has reported on */
#define LEAST_VARIANCE 0.003
#define HOME_RATE 0.01 /* how far a home moves with a report, in parts of the way */

void belief_begin(struct belief *belief, const struct world *world, const struct adaptive_settings *settings,
                  enum belief_kind kind)
{
    belief->world = world;
    belief->settings = settings;
    belief->kind = kind;
    memset(belief->right, 0, sizeof belief->right);
    memset(belief->wrong, 0, sizeof belief->wrong);
    for (uint32_t m = 0; m < world->servers; m++)
        belief->pace[m] =
            (struct belief_pace){.variance = FIRST_VARIANCE, .home = settings->adaptive.pace_mean};
}

/* Mean and variance now, from those of the last report. */
static struct belief_pace pace_at(const struct belief *belief, uint32_t server, double now_s)
{
    struct belief_pace pace = belief->pace[server];
    double keeps = elementary_exp(-fmax(now_s - pace.at_s, 0.0) / belief->settings->adaptive.recover_s);
    double any = belief->settings->adaptive.pace_variance;
    pace.log = pace.home + (pace.log - pace.home) * keeps;
    pace.variance = fmax(pace.variance * keeps * keeps + any * (1.0 - keeps * keeps), LEAST_VARIANCE);
    return pace;
}

static void hear_pace(struct belief *belief, uint32_t server, double log, double now_s)
{
    struct belief_pace *own = &belief->pace[server];
    if (belief->kind == BELIEF_MEAN) {
        own->log += belief->settings->adaptive.mean_rate * (log - own->log);
        return;
    }
    *own = pace_at(belief, server, now_s);
    double weight = own->variance / (own->variance + BELIEF_NOISE);
    own->log += weight * (log - own->log);
    own->variance *= 1.0 - weight;
    own->home += HOME_RATE * (log - own->home);
    own->at_s = now_s;
}

/* All counts fade a little, and one grows. */
static void hear_answer(struct belief *belief, uint32_t server, uint32_t task_class, bool is_right)
{
    double keeps = belief->settings->adaptive.forget;
    for (uint32_t m = 0; m < belief->world->servers && keeps < 1.0; m++)
        for (uint32_t class = 0; class < belief->world->classes.count; class ++) {
            belief->right[m][class] *= keeps;
            belief->wrong[m][class] *= keeps;
        }
    *(is_right ? &belief->right[server][task_class] : &belief->wrong[server][task_class]) += 1.0;
}

void belief_hear(struct belief *belief, const struct policy_outcome *outcome)
{
    const struct whole_outcome *whole = &outcome->whole;
    if (belief->kind == BELIEF_DECLARED || outcome->refused || outcome->recovered)
        return;
    assert(whole->server < belief->world->servers && whole->task_class < belief->world->classes.count);
    if (whole->served_s > 0.0 && whole->declared_s > 0.0)
        hear_pace(belief, whole->server, elementary_log(whole->served_s / whole->declared_s), whole->ended_s);
    if (!isnan(whole->answer_right))
        hear_answer(belief, whole->server, whole->task_class, whole->answer_right > 0.5);
}

struct belief_guess belief_guess(const struct belief *belief, uint32_t server, uint32_t task_class,
                                 double now_s)
{
    double declared = belief->world->server[server].answer[task_class];
    double prior = belief->settings->adaptive.prior;
    struct belief_guess guess = {
        .right = declared * prior + belief->right[server][task_class],
        .wrong = (1.0 - declared) * prior + belief->wrong[server][task_class],
    };
    if (belief->kind == BELIEF_MEAN)
        guess.pace_log = belief->pace[server].log;
    if (belief->kind != BELIEF_GAUSSIAN)
        return guess;
    const struct belief_pace pace = pace_at(belief, server, now_s);
    guess.pace_log = pace.log;
    guess.pace_variance = pace.variance;
    return guess;
}
