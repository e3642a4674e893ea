#include "orchestrator/policy/policy.h"

#include <assert.h>

#include "core/base/err.h"

const char *policy_sees_name(enum policy_sees sees)
{
    static const char *const names[] = {"observations", "model", "world"};
    assert((size_t) sees < sizeof names / sizeof *names);
    return names[sees];
}

const char *policy_modes_name(enum policy_modes modes)
{
    static const char *const names[] = {"any", "round", "queue", "reserved"};
    assert((size_t) modes < sizeof names / sizeof *names);
    return names[modes];
}

enum policy_modes policy_mode_of(const struct scenario *scenario)
{
    if (scenario->servers.discipline == DISCIPLINE_RESERVED)
        return POLICY_MODE_RESERVED;
    return scenario->run.mode == MODE_QUEUE ? POLICY_MODE_QUEUE : POLICY_MODE_ROUND;
}

bool policy_suits(const struct policy_kind *kind, enum policy_modes mode)
{
    assert(mode != POLICY_ANY_MODE);
    if (mode == POLICY_MODE_RESERVED)
        return kind->modes == POLICY_MODE_RESERVED || kind->reserves;
    return kind->modes == POLICY_ANY_MODE || kind->modes == mode;
}

/* Why a policy does not suit a scenario. */
static int fail_mode(const struct policy_kind *kind, enum policy_modes mode, struct diag *diag)
{
    if (mode == POLICY_MODE_RESERVED)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "decides splits, and servers.discipline: reserved is of whole tasks");
    if (kind->modes == POLICY_MODE_RESERVED)
        return diag_fail(diag, ERR_UNSUPPORTED, "is made for servers.discipline: reserved");
    return diag_fail(diag, ERR_UNSUPPORTED, "is made for run.mode: %s", policy_modes_name(kind->modes));
}

/* What the rest of the program takes for granted of a row of the table. */
static void check_kind(const struct policy_kind *kind)
{
    assert(kind->name != NULL && kind->decide != NULL);
    assert((kind->gather == NULL) == (kind->recall == NULL)); /* what is gathered can be taken back */
    assert(kind->gather == NULL || kind->resume != NULL);     /* and serves to go on */
    assert(kind->resume == NULL || kind->save != NULL);       /* from what was saved */
    assert(kind->weights_of == NULL || kind->learn == NULL);  /* another policy's training makes them */
    assert(kind->weights_of == NULL || kind->load != NULL);
    assert((kind->updates == NULL) ==
           (kind->first_update == NULL)); /* who counts them can say when they begin */
}

/* What is measured while a session goes on, nobody can know before. */
static bool plans_blindly(const struct policy_kind *kind, const struct world *world)
{
    enum scenario_quality source = world->scenario.quality.source;
    bool measured = source == QUALITY_MODEL || source == QUALITY_TASK;
    return kind->sees != POLICY_SEES_OBSERVATIONS && measured && world->quality == NULL &&
           cost_counts_quality(world);
}

int policy_create(struct policy *ret_policy, const struct policy_kind *kind,
                  const struct policy_options *options, struct diag *diag)
{
    check_kind(kind);
    *ret_policy = (struct policy){
        .kind = kind,
        .world = options->world,
        .settings = kind->settings != NULL ? scenario_values_part(options->settings, kind->settings) : NULL,
        .all_settings = options->settings,
        .training = options->training && policy_learns(kind),
    };
    assert((kind->settings == NULL) == (ret_policy->settings == NULL));
    int rc = 0;
    enum policy_modes mode = policy_mode_of(&options->world->scenario);
    if (!policy_suits(kind, mode))
        rc = fail_mode(kind, mode, diag);
    else if (plans_blindly(kind, options->world))
        rc = diag_fail(
            diag, ERR_UNSUPPORTED,
            "plans with the model, and quality.source: %s is known only when it is measured: give it a "
            "quality.table too",
            scenario_quality_words[options->world->scenario.quality.source]);
    else if (kind->create != NULL)
        rc = kind->create(ret_policy, diag);
    if (rc != 0)
        diag_prefix(diag, "policy %s", kind->name);
    return rc;
}

struct policy_first_update policy_first_update(const struct policy_kind *kind,
                                               struct scenario_values settings, uint32_t devices)
{
    assert(policy_learns(kind) && kind->settings != NULL && devices > 0);
    struct policy_first_update first =
        kind->first_update(scenario_values_part(settings, kind->settings), devices);
    assert(first.slots > 0 && first.key != NULL);
    return first;
}

void policy_destroy(struct policy *policy)
{
    if (policy != NULL && policy->kind != NULL && policy->kind->destroy != NULL)
        policy->kind->destroy(policy);
    if (policy != NULL)
        *policy = (struct policy){0};
}
