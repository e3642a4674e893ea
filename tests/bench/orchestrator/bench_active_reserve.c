/* How long active-inference thinks about a whole task of scenario cloud-edge: decisions of the policy while it trains, so that
 * gain counts, from views to decisions, over 100 tasks. With the planner that draws at the published budget, over one task
 * and over five, and by enumeration. Processor time of this thread. */
#include <stdio.h>
#include <time.h>

#include "core/model/device_slot.h"
#include "core/model/mobility.h"
#include "orchestrator/host/host_memory.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/setup/scenario_source.h"

#define TASKS 100u
#define EPISODES 2u /* of training before: the first ones are random */

struct bench {
    struct full_scenario full;
    struct world world;
    struct policy policy;
    struct env_view view;
    struct env_decision decision;
    struct reservations held;
};

static int open(struct bench *bench, const char *const *set, size_t sets, struct diag *diag)
{
    const struct scenario_source source = {
        .name = "cloud-edge", .set = set, .set_count = sets, .policy = "active-inference"};
    const struct policy_kind *kind = NULL;
    int rc = scenario_source_load(&source, &bench->full, diag);
    if (rc == 0)
        rc = world_init(&bench->world, &bench->full.scenario, NULL, diag);
    if (rc == 0)
        rc = catalog_find("active-inference", &kind, diag);
    if (rc != 0)
        return rc;
    const struct policy_options options = {
        .world = &bench->world, .settings = settings_values(&bench->full.settings), .training = true};
    rc = policy_create(&bench->policy, kind, &options, diag);
    if (rc == 0)
        rc = env_view_init(&bench->view, &bench->world);
    if (rc == 0)
        rc = env_decision_init(&bench->decision, bench->world.devices);
    return rc != 0 ? rc : reservations_init(&bench->held, bench->world.servers, TASKS);
}

static void close_all(struct bench *bench)
{
    reservations_finish(&bench->held);
    env_decision_finish(&bench->decision);
    env_view_finish(&bench->view);
    policy_destroy(&bench->policy);
    world_finish(&bench->world);
}

static int train(struct bench *bench, struct diag *diag)
{
    struct session_result result;
    struct session session = {.world = &bench->world,
                              .policy = &bench->policy,
                              .phase = RNG_TRAIN,
                              .episodes = EPISODES,
                              .slots = TASKS};
    return host_memory_run(&session, &result, diag);
}

static void observe(struct bench *bench, uint32_t slot)
{
    static struct device_slot met;
    struct mobility mobility;
    const struct slot_id id = {RNG_TEST, slot, 0};
    env_view_begin(&bench->view, id);
    mobility_start(&bench->world, 0, id.phase, id.episode, &mobility);
    device_slot_meet(&bench->world, 0, id, &mobility, &met);
    env_view_observe(&bench->view, 0, met.position, met.speed_mps, met.tokens, met.gain);
}

static double used_s(void)
{
    struct timespec used = {0};
    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (double) used.tv_sec + (double) used.tv_nsec * 1e-9;
}

/* Seconds of the decisions alone. */
static double decide_all(struct bench *bench, double *ret_most_s)
{
    double sum_s = 0.0;
    *ret_most_s = 0.0;
    bench->view.held = &bench->held;
    for (uint32_t m = 0; m < bench->world.servers; m++)
        bench->view.server_up[m] = true;
    for (uint32_t t = 0; t < TASKS; t++) {
        observe(bench, t);
        double start_s = used_s();
        bench->policy.kind->decide(&bench->policy, &bench->view, &bench->decision);
        double took_s = used_s() - start_s;
        sum_s += took_s;
        *ret_most_s = took_s > *ret_most_s ? took_s : *ret_most_s;
    }
    return sum_s;
}

static int run(const char *what, const char *const *set, size_t sets, double goal_ms)
{
    struct bench bench = {0};
    struct diag diag = {{0}};
    double most_s = 0.0;
    int rc = open(&bench, set, sets, &diag);
    if (rc == 0)
        rc = train(&bench, &diag);
    if (rc == 0) {
        double sum_s = decide_all(&bench, &most_s);
        (void) printf("%-24s %6.2f ms a decision, most %6.2f ms   %u tasks %.2f s   goals %g ms, %g s\n",
                      what, sum_s * 1e3 / TASKS, most_s * 1e3, TASKS, sum_s, goal_ms, goal_ms / 10.0);
    } else {
        (void) fprintf(stderr, "%s\n", diag.text);
    }
    close_all(&bench);
    return rc;
}

int main(void)
{
    static const char *const near[] = {"active.horizon=1"};
    static const char *const far[] = {"active.horizon=5"};
    static const char *const asking[] = {"active.plan=enumerate"};
    (void) setvbuf(stdout, NULL, _IOLBF, 0);
    int rc = run("drawn, horizon 1", near, 1, 5.0);
    rc = rc != 0 ? rc : run("drawn, horizon 5", far, 1, 20.0);
    rc = rc != 0 ? rc : run("enumerated, 5 x 27", asking, 1, 1.0);
    return rc == 0 ? 0 : 1;
}
