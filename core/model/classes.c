#include "core/model/classes.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "core/base/elementary.h"
#include "core/base/err.h"
#include "core/base/parse.h"

/* Of a scenario's mix: what rounding may leave of 1. */
#define MIX_NEAR 1e-9

/* A task's draws: the class and its deadline, and what becomes of the answer. */
enum class_draw { DRAW_CLASS, DRAW_DEADLINE };
enum answer_draw { DRAW_RIGHT, DRAW_LENGTH };

/* ---- what must hold ---- */

static int check_name(const struct scenario *scenario, uint32_t number, struct diag *diag)
{
    const char *name = scenario->classes[number].name;
    bool is_name = isalpha((unsigned char) name[0]);
    for (const char *letter = name; *letter != '\0'; letter++)
        is_name = is_name && (isalnum((unsigned char) *letter) || *letter == '-');
    if (!is_name)
        return diag_fail(
            diag, ERR_SYNTAX,
            "classes[%u].name: '%s' is no name, allowed letters, digits and dashes, a letter first",
            number + 1, name);
    for (uint32_t i = 0; i < number; i++)
        if (strcmp(scenario->classes[i].name, name) == 0)
            return diag_fail(diag, ERR_DUPLICATE,
                             "classes[%u].name: class %u is called '%s' too, allowed a name of its own",
                             number + 1, i + 1, name);
    return 0;
}

static int check_class(const struct scenario *scenario, uint32_t number, struct diag *diag)
{
    const struct scenario_class *row = &scenario->classes[number];
    double deadline_s[CLASSES_DEADLINES_MOST];
    int rc = check_name(scenario, number, diag);
    if (rc != 0)
        return rc;
    int count = parse_real_list(row->deadlines_s, deadline_s, CLASSES_DEADLINES_MOST);
    for (int i = 0; i < count; i++)
        if (deadline_s[i] < 1e-3 || deadline_s[i] > 1e6)
            count = -1;
    if (count < 0)
        return diag_fail(
            diag, ERR_SYNTAX,
            "classes.%s.deadlines_s: '%s', expected up to %u numbers of seconds, blanks between, each "
            "0.001 to 1e6",
            row->name, row->deadlines_s, CLASSES_DEADLINES_MOST);
    return 0;
}

/* By class, in the order of the list. */
static int check_answers(const struct scenario *scenario, uint32_t tier, struct diag *diag)
{
    const struct scenario_tier *row = &scenario->tiers[tier];
    double answer[CLASSES_MOST];
    int count = parse_real_list(row->answers, answer, CLASSES_MOST);
    for (int i = 0; i < count; i++)
        if (answer[i] < 0.0 || answer[i] > 1.0)
            count = -1;
    if (count != 0 && (count < 0 || (uint64_t) count != scenario->classes_count))
        return diag_fail(diag, ERR_SYNTAX,
                         "tiers.%s.answers: '%s', expected a chance of 0 to 1 for each of the %u classes, "
                         "blanks between, or nothing",
                         row->name, row->answers, (unsigned) scenario->classes_count);
    return 0;
}

int classes_check(const struct scenario *scenario, struct diag *diag)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < scenario->tiers_count; i++) {
        int rc = check_answers(scenario, i, diag);
        if (rc != 0)
            return rc;
    }
    if (!classes_are_listed(scenario))
        return 0;
    if (scenario->servers.discipline != DISCIPLINE_RESERVED)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "classes: are of whole tasks, with servers.discipline: reserved, allowed no list");
    for (uint32_t i = 0; i < scenario->classes_count; i++) {
        int rc = check_class(scenario, i, diag);
        if (rc != 0)
            return rc;
        sum += scenario->classes[i].mix;
    }
    if (fabs(sum - 1.0) > MIX_NEAR)
        return diag_fail(diag, ERR_RANGE, "classes: their mixes add up to %g, allowed 1", sum);
    return 0;
}

/* ---- read ---- */

static struct task_class class_of(const struct scenario *scenario, const struct scenario_class *row)
{
    struct task_class class = {
        .tokens = (uint32_t) row->tokens,
        .answer_tokens = row->answer_tokens,
        .answer_spread = row->answer_spread,
    };
    int count = parse_real_list(row->deadlines_s, class.deadline_s, CLASSES_DEADLINES_MOST);
    assert(count >= 0);
    class.deadlines = (uint32_t) count;
    if (count == 0) {
        class.deadline_s[0] = scenario->objective.deadline_s;
        class.deadlines = 1;
    }
    return class;
}

void classes_read(struct task_classes *ret_classes, const struct scenario *scenario)
{
    static const struct scenario_class only = {.mix = 1.0};
    double sum = 0.0;
    *ret_classes = (struct task_classes){.count = 1};
    ret_classes->list[0] = class_of(scenario, &only);
    for (uint32_t i = 0; i < scenario->classes_count; i++) {
        sum += scenario->classes[i].mix;
        ret_classes->list[i] = class_of(scenario, &scenario->classes[i]);
        ret_classes->list[i].mix_to = sum;
        ret_classes->count = i + 1;
    }
    ret_classes->list[ret_classes->count - 1].mix_to = 1.0; /* whatever rounding left */
}

/* ---- drawn ---- */

static struct rng_at at_stream(const struct rng_at *at, enum rng_stream stream)
{
    struct rng_at own = *at;
    own.stream = stream;
    return own;
}

uint32_t classes_draw(const struct task_classes *classes, const struct rng_at *at, double *ret_deadline_s)
{
    const struct rng_at own = at_stream(at, RNG_CLASS);
    double drawn = classes->count > 1 ? rng_uniform(&own, DRAW_CLASS) : 0.0;
    uint32_t number = 0;
    while (number + 1 < classes->count && drawn >= classes->list[number].mix_to)
        number++;
    const struct task_class *class = &classes->list[number];
    uint32_t which = class->deadlines > 1 ? rng_below(&own, DRAW_DEADLINE, class->deadlines) : 0;
    *ret_deadline_s = class->deadline_s[which];
    return number;
}

double classes_answer_tokens(const struct task_class *class, const struct rng_at *at)
{
    const struct rng_at own = at_stream(at, RNG_ANSWER);
    double spread = class->answer_spread, normal[2];
    if (class->answer_tokens <= 0.0)
        return 0.0;
    const struct rng_block block = rng_block(&own, DRAW_LENGTH);
    rng_normal_pair(block.v[0], block.v[1], normal);
    double tokens = class->answer_tokens * elementary_exp(spread * normal[0] - 0.5 * spread * spread);
    return fmin(fmax(1.0, rint(tokens)), CLASSES_ANSWER_MOST);
}

bool classes_answer_is_right(double chance, const struct rng_at *at)
{
    const struct rng_at own = at_stream(at, RNG_ANSWER);
    return rng_uniform(&own, DRAW_RIGHT) < chance;
}
