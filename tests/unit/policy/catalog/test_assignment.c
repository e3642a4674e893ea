/* The assignment of an episode's tasks against every assignment there is, each valued by the cost alone; and what it
 * refuses to be made for. */
#include <stdio.h>

#include "core/model/cost.h"
#include "core/model/mobility.h"
#include "core/model/reservations.h"
#include "tests/unit/policy/full_slot.h"

#define SLOTS_MAX 6u
#define SERVERS_MAX 3u
#define TASKS_MAX 6u

#define WHOLE                                                                                                \
    "servers.discipline=reserved", "model.min_split=0", "faults.recovery=none",                              \
        "objective.reward=completed", "reserve.returns=off", "mobility.kind=anywhere",                       \
        "radio.fading=shadowing"

struct episode {
    struct slot slot;
    struct reservations held;
    uint32_t slots;
    double worth[TASKS_MAX][SERVERS_MAX];
};

/* Enters the slot's observations into the view, as a session does. */
static void observe(struct episode *episode, struct slot_id id, struct mobility *mobility)
{
    struct slot *slot = &episode->slot;
    env_view_begin(&slot->view, id);
    for (uint32_t n = 0; n < slot->world.devices; n++) {
        struct device_slot met;
        if (id.slot == 0)
            mobility_start(&slot->world, n, id.phase, id.episode, &mobility[n]);
        else
            mobility_step(&slot->world, n, id.phase, id.episode, id.slot - 1, &mobility[n]);
        device_slot_meet(&slot->world, n, id, &mobility[n], &met);
        env_view_observe(&slot->view, n, met.position, met.speed_mps, met.tokens, met.gain);
    }
}

/* By the cost alone, from what the view shows. */
static double worth_of(const struct env_view *view, uint32_t device, uint32_t server)
{
    const struct world *world = view->world;
    double gain = view->gain[device * world->servers + server], full = world->scenario.reserve.full_share;
    const struct task_plan plan = {.server = server, .bandwidth_share = full, .compute_share = full};
    struct task_outcome outcome;
    if (!view->covered[device * world->servers + server])
        return -1.0;
    cost_outcome(world, device, view->tokens[device], gain, &plan, &outcome);
    if (cost_deadline_missed(&world->scenario, outcome.latency_s))
        return 0.0;
    return 1.0 / outcome.latency_s + world->server[server].answer[0];
}

static double most_from(const struct episode *episode, uint32_t task, uint32_t *room)
{
    if (task >= TASKS_MAX || task == episode->slots * episode->slot.world.devices)
        return 0.0;
    double most = most_from(episode, task + 1, room);
    for (uint32_t m = 0; m < episode->slot.world.servers; m++) {
        if (room[m] == 0 || episode->worth[task][m] <= 0.0)
            continue;
        room[m]--;
        double worth = episode->worth[task][m] + most_from(episode, task + 1, room);
        room[m]++;
        most = worth > most ? worth : most;
    }
    return most;
}

/* What the policy gives the slot's tasks; they hold it to the end. */
static double play_slot(struct episode *episode, struct policy *policy, struct slot_id id)
{
    struct slot *slot = &episode->slot;
    double sum = 0.0;
    policy->kind->decide(policy, &slot->view, &slot->decision);
    env_allocate(&slot->view, &slot->decision, slot->load);
    for (uint32_t n = 0; n < slot->world.devices; n++) {
        uint32_t i = id.slot * slot->world.devices + n, m = slot->decision.server[n];
        const double part[RESERVED_KINDS] = {slot->decision.compute_share[n],
                                             slot->decision.bandwidth_share[n],
                                             slot->decision.memory_share[n]};
        assert_false(slot->decision.repaired[n]); /* it never asks for what is not there */
        if (m == ENV_LOCAL)
            continue;
        reservations_take(&episode->held, i, m, part, (double) INFINITY);
        sum += episode->worth[i][m];
    }
    return sum;
}

static double play(struct episode *episode, struct policy *policy, enum rng_phase phase, uint32_t number)
{
    struct slot *slot = &episode->slot;
    struct mobility mobility[TASKS_MAX];
    double sum = 0.0;
    reservations_clear(&episode->held);
    for (uint32_t s = 0; s < episode->slots; s++) {
        const struct slot_id id = {phase, number, s};
        observe(episode, id, mobility);
        for (uint32_t n = 0; n < slot->world.devices; n++)
            for (uint32_t m = 0; m < slot->world.servers; m++)
                episode->worth[s * slot->world.devices + n][m] = worth_of(&slot->view, n, m);
        sum += play_slot(episode, policy, id);
    }
    return sum;
}

static void open_episode(struct episode *episode, const char *const *keys, uint32_t slots)
{
    *episode = (struct episode){.slots = slots};
    slot_open(&episode->slot, keys);
    assert_int_equal(reservations_init(&episode->held, episode->slot.world.servers, TASKS_MAX), 0);
    episode->slot.view.held = &episode->held;
}

static void close_episode(struct episode *episode)
{
    reservations_finish(&episode->held);
    slot_close(&episode->slot);
}

/* One policy, one episode of each phase after the other. */
static void in_each_phase(struct episode *episode, uint32_t seed)
{
    struct policy policy = slot_policy(&episode->slot, "assignment");
    static const enum rng_phase phases[] = {RNG_TEST, RNG_TRAIN, RNG_VALIDATE, RNG_TEST};
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t room[SERVERS_MAX];
        for (uint32_t m = 0; m < SERVERS_MAX; m++)
            room[m] = (uint32_t) (1.0 / episode->slot.world.scenario.reserve.full_share);
        double worth = play(episode, &policy, phases[i], i);
        double most = most_from(episode, 0, room);
        assert_true(most > 0.0);
        if (fabs(worth - most) > 1e-12)
            fail_msg("seed %u, episode %u: %.17g, all assignments give %.17g", seed, i, worth, most);
    }
    policy_destroy(&policy);
}

static void an_episode_is_worth_what_the_best_of_all_assignments_is(void **state)
{
    (void) state;
    static const char *const shares[] = {"reserve.full_share=0.6", "reserve.full_share=0.4",
                                         "reserve.full_share=1"};
    for (uint32_t seed = 0; seed < 30; seed++) {
        char text[32], deadline[48];
        (void) snprintf(text, sizeof text, "run.seed=%u", seed);
        (void) snprintf(deadline, sizeof deadline, "objective.deadline_s=%g", seed % 3 == 0 ? 0.5 : 15.0);
        bool many = seed % 2 == 1;
        const char *const keys[] = {WHOLE,
                                    text,
                                    deadline,
                                    shares[seed % 3],
                                    many ? "devices.count=2" : "devices.count=1",
                                    "servers.count=3",
                                    "servers.tflops_min=1",
                                    "model.llm=gpt2",
                                    many ? "run.slots=3" : "run.slots=6",
                                    many ? "evaluation.test_slots=3" : "evaluation.test_slots=6",
                                    many ? "evaluation.validate_slots=3" : "evaluation.validate_slots=6",
                                    NULL};
        struct episode episode;
        open_episode(&episode, keys, many ? 3 : 6);
        in_each_phase(&episode, seed);
        close_episode(&episode);
    }
}

static void episodes_of_a_phase_have_its_own_length(void **state)
{
    (void) state;
    const char *const keys[] = {WHOLE,
                                "devices.count=1",
                                "servers.count=1",
                                "model.llm=gpt2",
                                "reserve.full_share=0.3",
                                "run.slots=6",
                                "evaluation.test_slots=3",
                                "evaluation.validate_slots=2",
                                NULL};
    struct episode episode;
    open_episode(&episode, keys, 6);
    struct policy policy = slot_policy(&episode.slot, "assignment");
    (void) play(&episode, &policy, RNG_TRAIN, 0);
    assert_int_equal(episode.held.count, 3); /* of six */
    (void) play(&episode, &policy, RNG_TEST, 0);
    assert_int_equal(episode.held.count, 3); /* all of three, and none of those behind */
    for (size_t i = 0; i < 3; i++)
        assert_true(episode.held.held[i].task < 3);
    (void) play(&episode, &policy, RNG_VALIDATE, 0);
    assert_int_equal(episode.held.count, 2);
    policy_destroy(&policy);
    close_episode(&episode);
}

static void it_says_what_it_is_not_made_for(void **state)
{
    (void) state;
    static const char *const cases[][2] = {
        {"reserve.returns=end", "policy assignment: is exact only where nothing comes back"},
        {"faults.script=slot 1 kill server 0", "faults.script must be empty"},
        {"chaos.rate=0.1", "chaos.rate 0"},
        {"link.jitter_s=0.1", "link.jitter_s"},
        {"link.loss=0.1", "link.loss"},
        {"evaluation.test_slots=1000000", "1000000 slots of 2 devices are more than 1000000 tasks"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const keys[] = {WHOLE, "devices.count=2", cases[i][0], NULL};
        struct slot slot;
        const struct policy_kind *kind = NULL;
        struct policy policy;
        struct diag diag = {{0}};
        slot_open(&slot, keys);
        const struct policy_options options = slot_options(&slot, false);
        assert_int_equal(catalog_find("assignment", &kind, &diag), 0);
        assert_int_not_equal(policy_create(&policy, kind, &options, &diag), 0);
        if (strstr(diag.text, cases[i][1]) == NULL)
            fail_msg("%s: %s", cases[i][0], diag.text);
        policy_destroy(&policy);
        slot_close(&slot);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_episode_is_worth_what_the_best_of_all_assignments_is),
        cmocka_unit_test(episodes_of_a_phase_have_its_own_length),
        cmocka_unit_test(it_says_what_it_is_not_made_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
