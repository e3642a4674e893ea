/* Whole tasks that reserve: decisions of the rules, tasks of the whole environment beside queueing mode, and what it costs to
 * hold many. Processor time of this thread; the best of three. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/base/rng.h"
#include "core/model/reservations.h"
#include "orchestrator/host/host_memory.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/setup/scenario_source.h"

#define SLOTS 4000u
#define REPEATS 3

static double used_s(void)
{
    struct timespec used = {0};
    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (double) used.tv_sec + (double) used.tv_nsec * 1e-9;
}

/* ---- decisions, timed from within a session ---- */

static const struct policy_kind *timed_kind;
static double decided_s;

static void decide_timed(struct policy *policy, const struct env_view *view,
                         struct env_decision *ret_decision)
{
    double begun_s = used_s();
    timed_kind->decide(policy, view, ret_decision);
    decided_s += used_s() - begun_s;
}

/* What the clock itself takes. */
static double clock_s(void)
{
    const uint32_t reads = 100000;
    double begun_s = used_s();
    for (uint32_t i = 0; i < reads; i++)
        (void) used_s();
    return (used_s() - begun_s) / reads;
}

struct played {
    double all_s, decisions_s;
    uint64_t tasks;
};

static int play(const char *scenario, const char *name, bool timed, struct played *ret, struct diag *diag)
{
    static struct full_scenario full;
    struct world world;
    struct policy policy;
    const struct scenario_source source = {.name = scenario, .policy = name};
    const struct policy_kind *kind = NULL;
    int rc = scenario_source_load(&source, &full, diag);
    rc = rc != 0 ? rc : world_init(&world, &full.scenario, NULL, diag);
    rc = rc != 0 ? rc : catalog_find(name, &kind, diag);
    if (rc != 0)
        return rc;
    const struct policy_options options = {.world = &world, .settings = settings_values(&full.settings)};
    rc = policy_create(&policy, kind, &options, diag);
    struct policy_kind own = *kind;
    timed_kind = kind;
    own.decide = timed ? decide_timed : kind->decide;
    policy.kind = &own;
    struct session session = {
        .world = &world, .policy = &policy, .phase = RNG_TEST, .episodes = 1, .slots = SLOTS};
    struct session_result result = {0};
    decided_s = 0.0;
    double begun_s = used_s();
    rc = rc != 0 ? rc : host_memory_run(&session, &result, diag);
    *ret = (struct played){used_s() - begun_s, decided_s, result.tasks};
    policy.kind = kind;
    policy_destroy(&policy);
    world_finish(&world);
    return rc;
}

static int best_of(const char *scenario, const char *name, bool timed, struct played *ret)
{
    struct diag diag = {{0}};
    for (int i = 0; i < REPEATS; i++) {
        struct played played;
        if (play(scenario, name, timed, &played, &diag) != 0) {
            fprintf(stderr, "%s on %s: %s\n", name, scenario, diag.text);
            return 1;
        }
        bool better = timed ? played.decisions_s < ret->decisions_s : played.all_s < ret->all_s;
        if (i == 0 || better)
            *ret = played;
    }
    return 0;
}

static int rules(void)
{
    static const char *const names[] = {"round-robin",   "least-loaded", "data-sheet", "greedy-adaptive",
                                        "active-belief", "thompson",     "ucb",        "full-knowledge"};
    double each_s = clock_s();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct played played = {0};
        if (best_of("cloud-edge-busy", names[i], true, &played) != 0)
            return 1;
        double seconds = played.decisions_s / (double) played.tasks - each_s;
        printf("%-16s %6.2f us a decision, %8.0f decisions/s (5 servers, 3 shares)\n", names[i],
               1e6 * seconds, 1.0 / seconds);
    }
    return 0;
}

static int environments(void)
{
    struct played whole = {0}, queue = {0};
    if (best_of("cloud-edge-busy", "round-robin", false, &whole) != 0 ||
        best_of("dapo-queue", "random", false, &queue) != 0)
        return 1;
    double of_whole = (double) whole.tasks / whole.all_s, of_queue = (double) queue.tasks / queue.all_s;
    printf("environment      %.0f tasks/s that reserve, one in a slot; %.0f in queueing mode, 30 phones: "
           "%.2f of it\n",
           of_whole, of_queue, of_whole / of_queue);
    return 0;
}

/* ---- what is held ---- */

static int held(uint32_t tasks)
{
    struct reservations reservations;
    const double share = 0.5 / tasks, part[RESERVED_KINDS] = {share, share, share};
    const struct rng_at at = {.seed = 1, .stream = RNG_POLICY};
    const uint32_t events = 1000000;
    if (reservations_init(&reservations, 1, 2 * (size_t) tasks + 100) != 0)
        return 1;
    double begun_s = used_s();
    for (uint32_t i = 0; i < events; i++) { /* one comes and, as a mean, one ends */
        reservations_advance(&reservations, i);
        if (reservations_fit(&reservations, 0, part))
            reservations_take(&reservations, i, 0, part, i + 2.0 * tasks * rng_u01(rng_block(&at, i).v[0]));
    }
    double event_s = (used_s() - begun_s) / events;
    printf("held             %5.0f ns for one that comes and one that ends, %zu held\n", 1e9 * event_s,
           reservations.count);
    reservations_finish(&reservations);
    return 0;
}

int main(void)
{
    return rules() + environments() + held(100) + held(1000) + held(10000);
}
