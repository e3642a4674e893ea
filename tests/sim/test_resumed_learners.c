/* A session that begins where another was ended, with a learner made from what was saved of the other's, goes
 * on with the same bits: rows, events, weights and full state. */
#include "orchestrator/host/host_memory.h"
#include "orchestrator/policy/catalog/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "tests/unit/policy/full_world.h"

#define EPISODES 6u
#define SLOTS 30u

/* What a session said, as bytes, and how far they had come when each episode was over. */
struct tape {
    struct buf bytes, weights[EPISODES], state[EPISODES], experience[EPISODES];
    size_t end[EPISODES];                        /* of the episode's share of `bytes` */
    uint64_t oldest[EPISODES], beyond[EPISODES]; /* of the experience; beyond: first + count */
};

static void tape_finish(struct tape *tape)
{
    buf_finish(&tape->bytes);
    for (size_t e = 0; e < EPISODES; e++) {
        buf_finish(&tape->weights[e]);
        buf_finish(&tape->state[e]);
        buf_finish(&tape->experience[e]);
    }
}

static int on_tasks(void *user, const struct db_task *task, size_t count)
{
    struct tape *tape = user;
    for (size_t i = 0; i < count; i++) {
#define TASK(name, kind, unit, role, meaning)                                                                \
    assert_int_equal(buf_push(&tape->bytes, &task[i].name, sizeof task[i].name), 0);
#include "db/task.def"
    }
    return 0;
}

static int on_event(void *user, const struct db_event *event)
{
    struct tape *tape = user;
    return buf_printf(&tape->bytes, "%u.%u %u %u %u %lld %s\n", event->episode, event->slot,
                      (unsigned) event->phase, (unsigned) event->kind, (unsigned) event->role,
                      (long long) event->number, event->detail);
}

static int on_checkpoint(void *user, uint32_t episode, struct policy *policy)
{
    struct tape *tape = user;
    struct policy_experience experience;
    assert_int_equal(policy->kind->save(policy, false, &tape->weights[episode]), 0);
    assert_int_equal(policy->kind->save(policy, true, &tape->state[episode]), 0);
    if (policy->kind->gather == NULL) /* the full state has all of it */
        return 0;
    assert_int_equal(policy->kind->gather(policy, &experience, &tape->experience[episode]), 0);
    tape->oldest[episode] = experience.oldest;
    tape->beyond[episode] = experience.first + experience.count;
    return 0;
}

static int on_episode(void *user, const struct db_episode *episode)
{
    struct tape *tape = user;
    struct db_episode row = *episode;
    row.wall_s = 0.0;
    assert_int_equal(buf_push(&tape->bytes, &row, sizeof row), 0);
    tape->end[row.episode] = tape->bytes.size;
    return 0;
}

static void play(const struct world *world, struct policy *policy, uint32_t first_episode, uint32_t every,
                 struct tape *ret_tape)
{
    struct session session = {
        .world = world,
        .policy = policy,
        .phase = RNG_TRAIN,
        .episodes = EPISODES,
        .slots = SLOTS,
        .first_episode = first_episode,
        .checkpoint_every = every,
        .record_tasks = true,
    };
    const struct session_sink sink = {.tasks = on_tasks,
                                      .episode = on_episode,
                                      .event = on_event,
                                      .checkpoint = on_checkpoint,
                                      .user = ret_tape};
    session_sinks_add(&session.sinks, sink);
    struct session_result result;
    struct diag diag = {{0}};
    if (host_memory_run(&session, &result, &diag) != 0)
        fail_msg("%s", diag.text);
}

static struct policy create(const struct policy_options *made_for, const char *name)
{
    const struct policy_kind *kind = NULL;
    struct policy policy;
    assert_int_equal(catalog_find(name, &kind, NULL), 0);
    assert_int_equal(policy_create(&policy, kind, made_for, NULL), 0);
    return policy;
}

/* Every learner of a mode, by the table. */
static const char *learner_of(enum policy_modes mode, size_t i)
{
    const struct policy_kind *kind = catalog_at(i);
    return policy_learns(kind) && policy_suits(kind, mode) ? kind->name : NULL;
}

static const char *learner_at(size_t i)
{
    return learner_of(POLICY_MODE_ROUND, i);
}

/* As it was after the episode, from what a database would still hold then. */
static struct policy restore(const struct policy_options *made_for, const char *learner,
                             const struct tape *tape, uint32_t after)
{
    struct policy policy = create(made_for, learner);
    struct diag diag = {{0}};
    for (uint32_t e = 0; e <= after; e++) {
        const struct buf *piece = &tape->experience[e];
        if (piece->size > 0 && tape->beyond[e] > tape->oldest[after])
            assert_int_equal(policy.kind->recall(&policy, piece->data, piece->size, &diag), 0);
    }
    if (policy.kind->resume(&policy, tape->state[after].data, tape->state[after].size, &diag) != 0)
        fail_msg("%s", diag.text);
    return policy;
}

static void expect_equal(const struct buf *a, size_t from, const struct buf *b)
{
    assert_int_equal(a->size - from, b->size);
    assert_memory_equal(a->data + from, b->data, b->size);
}

static void resume_after(const struct policy_options *made_for, const char *learner, const struct tape *tape,
                         uint32_t after, uint32_t every)
{
    struct policy policy = restore(made_for, learner, tape, after);
    struct tape rest = {0};
    play(made_for->world, &policy, after + 1, every, &rest);
    expect_equal(&tape->bytes, tape->end[after], &rest.bytes);
    for (uint32_t e = after + 1; e < EPISODES; e++) {
        expect_equal(&tape->weights[e], 0, &rest.weights[e]);
        expect_equal(&tape->state[e], 0, &rest.state[e]);
        expect_equal(&tape->experience[e], 0, &rest.experience[e]);
    }
    tape_finish(&rest);
    policy_destroy(&policy);
}

/* After every checkpoint. */
static void resume_learner(const char *const *keys, const char *learner, uint32_t every)
{
    struct settings settings;
    struct world world = full_world(keys, &settings);
    const struct policy_options made_for = full_options(&world, &settings, true);
    struct policy whole = create(&made_for, learner);
    struct tape tape = {0};
    play(&world, &whole, 0, every, &tape);
    for (uint32_t after = every - 1; after + 1 < EPISODES; after += every)
        resume_after(&made_for, learner, &tape, after, every);
    tape_finish(&tape);
    policy_destroy(&whole);
    world_finish(&world);
}

static void resume_everywhere(const char *const *keys, uint32_t every)
{
    for (size_t i = 0; i < catalog_count(); i++)
        if (learner_at(i) != NULL)
            resume_learner(keys, learner_at(i), every);
}

/* Rollouts end between checkpoints, and epsilon falls throughout. */
#define SMALL                                                                                                \
    "ddpg.hidden_1=16", "ddpg.hidden_2=12", "ddpg.batch=16", "devices.count=3", "servers.count=2",           \
        "ppo.rollout=47", "ppo.batch=10", "dqn.warmup=20", "dqn.epsilon_slots=100", "plus.warmup=20",        \
        "plus.buffer=150", "active.warmup=20", "active.fit_slots=25", "active.width=12", "active.members=3", \
        "active.buffer=150", "active.epochs=1"

static void a_learner_goes_on_after_any_checkpoint_as_if_it_had_never_stopped(void **state)
{
    (void) state;
    /* Warm from the third episode on; the buffer wraps in the fourth. */
    static const char *const keys[] = {SMALL, "ddpg.warmup=70", "ddpg.buffer=100", NULL};
    resume_everywhere(keys, 1);
    resume_everywhere(keys, 2);
    resume_everywhere(keys, 3);
}

static void the_noise_of_ornstein_and_uhlenbeck_goes_on_too(void **state)
{
    (void) state;
    static const char *const keys[] = {SMALL, "ddpg.warmup=20", "ddpg.buffer=25",
                                       "ddpg.noise=ornstein-uhlenbeck", NULL};
    resume_everywhere(keys, 1); /* a buffer smaller than an episode */
}

/* Returns of several steps wait over a checkpoint when nobody decides at an episode's end. */
static void what_waits_and_what_has_priority_goes_on_too(void **state)
{
    (void) state;
    static const char *const keys[] = {SMALL, "dqn.steps=4", "dqn.prioritised=on", "dqn.buffer=100", NULL};
    resume_learner(keys, "dqn", 1);
    static const char *const end[] = {SMALL, "rainbow.steps=7", "dqn.discount=0.9",
                                      "faults.script=episode 1 slot 29 kill device 0; episode 1 slot 29 kill "
                                      "device 1; episode 1 slot 29 kill device 2",
                                      NULL};
    resume_learner(end, "rainbow", 1);
}

static void learners_of_whole_tasks_go_on_too(void **state)
{
    (void) state;
    static const char *const keys[] = {SMALL,
                                       "servers.discipline=reserved",
                                       "servers.coverage_m=10000",
                                       "reserve.returns=off",
                                       "objective.reward=completed",
                                       "ddpg.warmup=70",
                                       "ddpg.buffer=100",
                                       "dqn.discount=0.9",
                                       "faults.recovery=none",
                                       NULL};
    size_t learners = 0;
    for (size_t i = 0; i < catalog_count(); i++) {
        const char *learner = learner_of(POLICY_MODE_RESERVED, i);
        if (learner == NULL)
            continue;
        resume_learner(keys, learner, 1);
        learners++;
    }
    assert_true(learners >= 6);
}

/* With what was learned of formats and margins. */
static void learners_that_choose_codings_go_on_too(void **state)
{
    (void) state;
    static const char *const keys[] = {SMALL,
                                       "ddpg.warmup=70",
                                       "ddpg.buffer=100",
                                       "channel.mode=bounded",
                                       "action.formats=int8 q4",
                                       "action.margins_db=0 6",
                                       "quality.source=table",
                                       "objective.quality_weight=2",
                                       "quality.table=0,1|1:0,3",
                                       "quality.formats=q4=0,1|1:0.1,3.5",
                                       NULL};
    resume_everywhere(keys, 1);
}

/* Nodes that are down as an episode ends come back in the next one, which an event tells. When everybody was
 * down in its last slot or in the observation behind it, no update is owed. */
static void what_the_scenario_breaks_is_the_same_after_resuming(void **state)
{
    (void) state;
    static const char *const chaos[] = {SMALL, "ddpg.warmup=20", "chaos.rate=0.2", NULL};
    resume_everywhere(chaos, 1);
    static const char *const end[] = {SMALL, "ddpg.warmup=20",
                                      "faults.script=episode 1 slot 29 kill device 0; episode 1 slot 29 kill "
                                      "device 1; episode 1 slot 29 kill device 2; "
                                      "episode 2 slot 28 kill device 0; episode 2 slot 28 pause device 1 for "
                                      "9; episode 2 slot 28 kill device 2; "
                                      "episode 3 slot 29 kill server 0; episode 4 slot 25 kill server 1",
                                      NULL};
    resume_everywhere(end, 1);
}

/* Blocks of slots under a price end within episodes and between them. */
static void a_learned_price_goes_on_too(void **state)
{
    (void) state;
#define QUEUE                                                                                                \
    SMALL, "run.mode=queue", "run.slot_s=0.6", "devices.count=6", "task.probability=0.6",                    \
        "plus.price_block=7", "plus.price_settle=2"
    static const char *const fifo[] = {QUEUE, "chaos.rate=0.05", NULL};
    static const char *const shared[] = {QUEUE, "servers.discipline=processor-sharing", NULL};
    resume_learner(fifo, "dapo-plus", 1);
    resume_learner(shared, "dapo-plus", 2);
}

/* Several tasks in a slot, which hold parts of servers beyond it. */
static void planning_of_whole_tasks_goes_on_too(void **state)
{
    (void) state;
#define RESERVED                                                                                             \
    SMALL, "servers.discipline=reserved", "objective.reward=completed", "faults.recovery=none",              \
        "servers.coverage_m=10000", "reserve.full_share=0.2", "active.plan=cross-entropy",                   \
        "active.candidates=20", "active.elites=4", "active.iterations=2", "chaos.rate=0.05"
    static const char *const near[] = {RESERVED, "active.horizon=2", NULL};
    static const char *const learned[] = {RESERVED, "active.preference=learned", "reserve.returns=off",
                                          "active.price=learned", NULL};
    resume_learner(near, "active-inference", 1);
    resume_learner(learned, "active-inference", 2);
}

static void policies_that_do_not_learn_go_on_too(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=4", "servers.count=2", "chaos.rate=0.1", NULL};
    static const char *const names[] = {"greedy", "random", "edge-nearest"};
    struct settings settings;
    struct world world = full_world(keys, &settings);
    const struct policy_options made_for = full_options(&world, &settings, true);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct tape tape = {0};
        struct policy whole = create(&made_for, names[i]);
        play(&world, &whole, 0, 1, &tape);
        policy_destroy(&whole);
        for (uint32_t after = 0; after + 1 < EPISODES; after++) {
            struct policy policy = create(&made_for, names[i]);
            struct tape rest = {0};
            play(&world, &policy, after + 1, 1, &rest);
            expect_equal(&tape.bytes, tape.end[after], &rest.bytes);
            tape_finish(&rest);
            policy_destroy(&policy);
        }
        tape_finish(&tape);
    }
    world_finish(&world);
}

static void a_session_behind_its_last_episode_ends_as_it_begins(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=2", "servers.count=1", NULL};
    struct settings settings;
    struct world world = full_world(keys, &settings);
    const struct policy_options made_for = full_options(&world, &settings, true);
    struct policy policy = create(&made_for, "local");
    struct tape tape = {0};
    play(&world, &policy, EPISODES, 1, &tape);
    assert_int_equal(tape.bytes.size, 0);
    policy_destroy(&policy);
    world_finish(&world);
}

/* In memory of exactly its size. */
static int resume_exact(struct policy *policy, const void *bytes, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    int rc = policy->kind->resume(policy, copy, size, NULL);
    free(copy);
    return rc;
}

static void damage(const char *learner)
{
    static const char *const keys[] = {SMALL, "ddpg.warmup=20", NULL};
    struct settings settings;
    struct world world = full_world(keys, &settings);
    const struct policy_options made_for = full_options(&world, &settings, true);
    struct policy whole = create(&made_for, learner), fresh = create(&made_for, learner);
    struct tape tape = {0};
    play(&world, &whole, 0, 1, &tape);
    const struct buf *bytes = &tape.state[0], *piece = &tape.experience[0];
    struct diag diag = {{0}};
    if (whole.kind->recall != NULL) {
        assert_int_equal(fresh.kind->resume(&fresh, bytes->data, bytes->size, &diag), ERR_MISMATCH);
        assert_non_null(strstr(diag.text, "of which some are missing"));
        assert_int_equal(fresh.kind->recall(&fresh, piece->data, piece->size, NULL), 0);
    }
    assert_int_not_equal(resume_exact(&fresh, tape.weights[0].data, tape.weights[0].size), 0);
    for (size_t size = 0; size < bytes->size; size += 1 + size / 7)
        assert_int_not_equal(resume_exact(&fresh, bytes->data, size), 0);
    for (size_t i = 0; i < bytes->size; i += 1 + i / 50) {
        bytes->data[i] ^= 1;
        assert_int_not_equal(resume_exact(&fresh, bytes->data, bytes->size), 0);
        bytes->data[i] ^= 1;
    }
    assert_int_equal(resume_exact(&fresh, bytes->data, bytes->size), 0);
    tape_finish(&tape);
    policy_destroy(&whole);
    policy_destroy(&fresh);
    world_finish(&world);
}

static void a_state_that_is_damaged_or_misses_experience_is_refused(void **state)
{
    (void) state;
    for (size_t i = 0; i < catalog_count(); i++)
        if (learner_at(i) != NULL)
            damage(learner_at(i));
}

/* Also where the learners are alike, as those of dapo and of the bandit. */
static void a_state_of_another_policy_is_refused(void **state)
{
    (void) state;
    static const char *const keys[] = {SMALL, NULL};
    struct settings settings;
    struct world world = full_world(keys, &settings);
    const struct policy_options made_for = full_options(&world, &settings, true);
    for (size_t i = 0; i < catalog_count(); i++) {
        if (learner_at(i) == NULL)
            continue;
        struct policy policy = create(&made_for, learner_at(i));
        struct buf bytes = {0};
        assert_int_equal(policy.kind->save(&policy, true, &bytes), 0);
        for (size_t j = 0; j < catalog_count(); j++) {
            if (learner_at(j) == NULL)
                continue;
            struct policy other = create(&made_for, learner_at(j));
            assert_int_equal(resume_exact(&other, bytes.data, bytes.size) == 0, i == j);
            policy_destroy(&other);
        }
        buf_finish(&bytes);
        policy_destroy(&policy);
    }
    world_finish(&world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_learner_goes_on_after_any_checkpoint_as_if_it_had_never_stopped),
        cmocka_unit_test(the_noise_of_ornstein_and_uhlenbeck_goes_on_too),
        cmocka_unit_test(what_waits_and_what_has_priority_goes_on_too),
        cmocka_unit_test(learners_of_whole_tasks_go_on_too),
        cmocka_unit_test(learners_that_choose_codings_go_on_too),
        cmocka_unit_test(what_the_scenario_breaks_is_the_same_after_resuming),
        cmocka_unit_test(a_learned_price_goes_on_too),
        cmocka_unit_test(planning_of_whole_tasks_goes_on_too),
        cmocka_unit_test(policies_that_do_not_learn_go_on_too),
        cmocka_unit_test(a_session_behind_its_last_episode_ends_as_it_begins),
        cmocka_unit_test(a_state_that_is_damaged_or_misses_experience_is_refused),
        cmocka_unit_test(a_state_of_another_policy_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
