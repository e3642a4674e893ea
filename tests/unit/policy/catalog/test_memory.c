/* Whichever allocation fails while a policy is made: it says so, and leaves nothing behind. */
#include <errno.h>
#include <stdio.h>

#include "tests/lib/memory.h"
#include "tests/unit/policy/full_slot.h"

#define TRIES_MAX 10000u

/* How many of its allocations failed before it was made. */
static size_t make_without_memory(const struct slot *slot, const struct policy_kind *kind, bool training)
{
    const struct policy_options options = slot_options(slot, training);
    for (size_t n = 1; n < TRIES_MAX; n++) {
        struct policy policy;
        struct diag diag = {{0}};
        size_t before = memory_blocks();
        memory_fail_at(n);
        int rc = policy_create(&policy, kind, &options, &diag);
        bool failed = memory_has_failed();
        policy_destroy(&policy); /* also of one that could not be made */
        if (!failed) {
            assert_int_equal(rc, 0);
            assert_int_equal(memory_blocks(), before);
            return n - 1;
        }
        if (rc != -ENOMEM || diag.text[0] == '\0' || memory_blocks() != before)
            fail_msg("%s: allocation %zu: %d, \"%s\", %zu blocks, before %zu", kind->name, n, rc, diag.text,
                     memory_blocks(), before);
    }
    fail_msg("%s needs too many allocations", kind->name);
    return 0;
}

static void try_all(const char *const *keys)
{
    struct slot slot;
    size_t failed = 0;
    slot_open(&slot, keys);
    for (size_t i = 0; i < catalog_count(); i++) {
        const struct policy_kind *kind = catalog_at(i);
        if (!policy_suits(kind, policy_mode_of(&slot.world.scenario)))
            continue;
        failed += make_without_memory(&slot, kind, false);
        failed += policy_learns(kind) ? make_without_memory(&slot, kind, true) : 0;
    }
    assert_true(failed > catalog_count());
    slot_close(&slot);
}

/* Learners and searches that do not take long. */
#define SMALL                                                                                                \
    "ddpg.hidden_1=16", "ddpg.hidden_2=16", "genetic.population=20", "swarm.particles=10",                   \
        "devices.count=3", "servers.count=2"

static void a_policy_of_rounds_that_cannot_be_made_leaves_nothing(void **state)
{
    (void) state;
    static const char *const keys[] = {SMALL, NULL};
    try_all(keys);
}

static void a_policy_of_queues_that_cannot_be_made_leaves_nothing(void **state)
{
    (void) state;
    static const char *const keys[] = {SMALL, "run.mode=queue", NULL};
    try_all(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_of_rounds_that_cannot_be_made_leaves_nothing),
        cmocka_unit_test(a_policy_of_queues_that_cannot_be_made_leaves_nothing),
    };
    if (!memory_can_fail()) {
        (void) printf("1..0 # SKIP sanitizers allocate by functions of their own\n");
        return 0; /* the plan above says it */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
